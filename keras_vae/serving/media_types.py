"""The forms in which arrays come and go."""

JSON, NPY, NPZ = "application/json", "application/x-npy", "application/x-npz"
