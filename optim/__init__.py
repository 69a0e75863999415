"""Optimizers and the training loop."""

from .optimizer import Optimizer
from .sgd import SGD
from .trainer import Trainer

__all__ = ["SGD", "Optimizer", "Trainer"]
