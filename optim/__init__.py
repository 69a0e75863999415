"""Optimizers and the training loop."""

from . import callbacks

from .adam import Adam, AdamW
from .checkpoint import Checkpoint
from .optimizer import Optimizer
from .sgd import SGD
from .trainer import Trainer

__all__ = ["SGD", "Adam", "AdamW", "Checkpoint", "Optimizer", "Trainer", "callbacks"]
