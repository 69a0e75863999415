"""Optimizers, schedulers of their rates, averages of weights, and the training loop."""

from . import callbacks, lr_scheduler, swa_utils
from .adam import Adam, AdamW
from .checkpoint import Checkpoint
from .lr_finder import LRFinder, lr_finder
from .minimize import minimize
from .optimizer import Optimizer
from .sgd import SGD
from .trainer import Trainer

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoint",
    "LRFinder",
    "Optimizer",
    "Trainer",
    "callbacks",
    "lr_finder",
    "lr_scheduler",
    "minimize",
    "swa_utils",
]
