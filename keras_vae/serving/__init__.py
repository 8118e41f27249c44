"""A small HTTP server for exported models, for machines that have neither Keras nor keras_vae.

Its modules import nothing of keras_vae and one another by plain names, as the folder is run by
its path, `python path/to/keras_vae/serving MODEL`, and may be copied to wherever it serves.
"""
