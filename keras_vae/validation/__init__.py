"""Checks of what users pass, and what their errors say."""
