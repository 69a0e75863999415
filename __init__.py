"""Pullback: tensors on NumPy that know their gradients.

>>> import pullback as pb
>>> x = pb.Tensor([1.0, 2.0], requires_grad=True)
>>> (x * pb.exp(x)).sum().backward()
>>> x.grad
Tensor([ 5.43656366, 22.1671683 ])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .autograd import *  # noqa: F403 - the names are listed in autograd's __all__

if TYPE_CHECKING:
    from . import fft, linalg, nn, optim, special, testing, viz

__version__ = "0.1.0"

_rooms = ("fft", "linalg", "nn", "optim", "special", "testing", "viz")


def __getattr__(name: str) -> Any:
    """The rooms above autograd are imported on first use."""
    if name in _rooms:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_rooms])
