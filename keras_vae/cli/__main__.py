"""Runs the command as `python -m keras_vae.cli`."""

from keras_vae.cli import main

if __name__ == "__main__":
    main()
