"""Optimizers and the training loop."""

from . import callbacks
from .adam import Adam, AdamW
from .checkpoint import Checkpoint
from .lr_finder import LRFinder, lr_finder
from .optimizer import Optimizer
from .sgd import SGD
from .trainer import Trainer

__all__ = ["SGD", "Adam", "AdamW", "Checkpoint", "LRFinder", "Optimizer", "Trainer", "callbacks", "lr_finder"]
