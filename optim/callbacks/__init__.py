"""Callbacks of the training loop, each in a file of its own; `Callback` tells how to write one."""

from .callback import Callback, Training
from .checkpoint import Checkpointing
from .progress import ProgressBar

__all__ = ["Callback", "Checkpointing", "ProgressBar", "Training"]
