"""Optimizers, schedulers of their rates, averages of weights, and the training loop."""

from . import callbacks, distributed, lr_scheduler, swa_utils
from .adafactor import Adafactor
from .adam import Adam, AdamW
from .adam_variants import Adamax, NAdam, RAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .checkpoint import Checkpoint
from .hooks import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from .lbfgs import LBFGS
from .minimization import minimize
from .muon import Muon
from .optimizer import Optimizer
from .rate_finder import LRFinder, lr_finder
from .rprop import Rprop
from .sgd import ASGD, SGD
from .sparse_adam import SparseAdam
from .sweeping import Sweep, Trial, sweep
from .trainer import Trainer

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Checkpoint",
    "LRFinder",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "Sweep",
    "Trainer",
    "Trial",
    "callbacks",
    "distributed",
    "lr_finder",
    "lr_scheduler",
    "minimize",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "swa_utils",
    "sweep",
]
