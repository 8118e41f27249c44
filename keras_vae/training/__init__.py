"""What stands between the model and the data: checks, batches and the backend."""
