"""The model: the parts put together, trained, used and saved."""
