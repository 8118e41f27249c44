"""Reads what users pass as data, in any of its forms, as NumPy arrays."""
