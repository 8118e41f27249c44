"""Distributions: log-densities, draws and divergences, without weights."""
