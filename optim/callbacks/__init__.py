"""Callbacks of the training loop, each in a file of its own; `Callback` tells how to write one."""

from .accumulation import AccumulateGradients
from .best_model import KeepBest
from .callback import Callback, Training, load_states, states_of
from .class_weights import ClassWeights
from .classification import F1, Accuracy, ConfusionMatrix, TopK
from .checkpoint import Checkpointing
from .clipping import ClipGradients
from .early_stopping import EarlyStopping
from .history_file import HistoryFile
from .logs import LogEpochs
from .metrics import MAE, MeanOf, Metric, Metrics
from .monitor import Monitor
from .progress import ProgressBar
from .scheduling import Schedule
from .tensorboard import TensorBoard

__all__ = [
    "AccumulateGradients",
    "Accuracy",
    "Callback",
    "Checkpointing",
    "ClassWeights",
    "ClipGradients",
    "ConfusionMatrix",
    "EarlyStopping",
    "F1",
    "HistoryFile",
    "KeepBest",
    "LogEpochs",
    "MAE",
    "MeanOf",
    "Metric",
    "Metrics",
    "Monitor",
    "ProgressBar",
    "Schedule",
    "TensorBoard",
    "TopK",
    "Training",
]
