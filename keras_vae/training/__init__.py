"""A run of `fit` or `evaluate`: its data, its plan and its loop."""
