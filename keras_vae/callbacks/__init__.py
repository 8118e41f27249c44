"""What to watch a VAE with while it trains, besides Keras's own callbacks."""

from keras_vae.callbacks.tensorboard_vae import TensorBoardVAE
from keras_vae.callbacks.training_watch import TrainingWatch

__all__ = ["TensorBoardVAE", "TrainingWatch"]
