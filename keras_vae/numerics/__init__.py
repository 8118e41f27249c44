"""Numerics that keras.ops lacks."""
