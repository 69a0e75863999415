"""What operations do with arrays of other libraries where their own code is for NumPy's; see also the kernels'."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import elsewhere as kernels
from ..runtime.libraries import instead_of
from . import convolution, short_forms

__all__ = ["kernels"]


@instead_of(short_forms.ordinary)
def _never(x: Any) -> bool:
    """The form for all numbers is taken: whether the short one does would have to be asked of the device."""
    return False


@instead_of(short_forms.within_range)
def _none(*arguments: Any) -> None:
    return None


@instead_of(convolution._flipped)
def _flipped(w: Any, groups: int, places: Any) -> Any:
    kernel = w.shape[2:]
    flipped = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, len(w) // groups, *w.shape[1:]).swapaxes(1, 2)
    return flipped.reshape(groups * w.shape[1], len(w) // groups, *kernel)[:, :, *places]
