"""What sweeps call in processes of their own, which import it."""

import os
import signal
import time

from pullback import get_num_threads, nn


def loss(lr, width):
    return (lr - 0.1) ** 2 + 1 / width


def drawn(size):
    values = nn.init.normal_(nn.Parameter([0.0] * size))
    return {"sum": values.sum(), "process": os.getpid(), "threads": get_num_threads()}


def fails(x):
    return 1 / x


def several(x):
    return {"loss": x, **({"extra": 1} if x > 1 else {})}


def dies(x):
    if x == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def sleeps(seconds):
    time.sleep(seconds)
    return seconds
