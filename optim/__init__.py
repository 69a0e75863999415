"""Optimizers, schedulers of their rates, averages of weights, and the training loop."""

from . import lr_scheduler, swa_utils
from .adam import Adam, AdamW
from .minimization import minimize
from .optimizer import Optimizer
from .sgd import SGD
from .trainer import Trainer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "Trainer", "lr_scheduler", "minimize", "swa_utils"]
