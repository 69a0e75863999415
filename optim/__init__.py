"""Optimizers and the training loop."""

from . import callbacks

from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD
from .trainer import Trainer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "Trainer", "callbacks"]
