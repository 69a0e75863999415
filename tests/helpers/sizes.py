"""Large-size paths, with machine code and without, for arrays of any size."""

import contextlib
import sys

import numpy as np
import pytest

from pullback import nn  # noqa: F401 - whose thresholds are among them
from pullback.autograd.runtime import llvm

THRESHOLDS = {  # module -> what it compares sizes with when it is called, and a value that all sizes are above
    "autograd.ops.elementwise": {"_MANY": 1},
    "autograd.kernels.attention": {"_SMALL": 0, "_PART": 1},
    "autograd.kernels.fused_elementwise": {"_LEAST": 1, "_MANY": 1, "_BLOCK": 2},
    "autograd.kernels.normalization": {"_LEAST": 1, "_SHORT": 1},
    "autograd.kernels.rescaling": {"_LEAST": 1},
    "autograd.kernels.weight_layouts": {"_LEAST": 1, "_BLOCK": 2},
    "autograd.kernels.sums": {"_LEAST": 1, "_ROW": 1, "SMALL": 1},
    "autograd.kernels.matrix_product": {"SMALL": 1, "_FEW": 0, "_PART": 1},
    "autograd.kernels.gemm": {"worth": lambda a, b, *more: a.shape[1] == b.shape[0] and llvm.available(a, b, *more)},
    "autograd.kernels.sample_merging": {"at_once": lambda *_: 1},
    "autograd.kernels.geometry": {"BLOCK": 1},
    "autograd.runtime.memory": {"LARGE": 1},
    "nn.cross_entropy": {"_FEW": 0},
    "nn.embedding": {"_FEW": 0, "_TURNS": 1},
    "nn.grid_sampling": {"_SAMPLES": 1},
    "nn.rectifiers": {"_MANY": 1},
    "nn.resampling": {"_ROWS": 1},
}
CODE = [False, *([True] if llvm.available(np.ones(1)) else [])]


@contextlib.contextmanager
def sizes(code, large):
    """With or without machine code, and (if `large`) as if all arrays were."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llvm, "_enabled", code)
        for module, names in THRESHOLDS.items() if large else ():
            for name, value in names.items():
                patch.setattr(sys.modules[f"pullback.{module}"], name, value)
        yield
