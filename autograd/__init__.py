"""Tensors, primitives and their rules, the backward pass, and what transforms functions of tensors.

What a family gives to users is what its `__all__` lists.
"""

import inspect
import sys
import typing

from .core import backward
from .core.backward import grads as grads
from .core.examples import face_by_example as _face_by_example
from .core.graph import enable_grad as enable_grad
from .core.graph import no_grad as no_grad
from .core.primitive import Primitive as Primitive
from .core.primitive import linear as linear
from .core.primitive import override as override
from .core.primitive import primitive as primitive
from .core.primitive import registry as registry
from .core.tensor import Tensor as Tensor
from .debug.anomaly import *
from .debug.profiling import *
from . import ops as _ops
from .numpy_api import dispatch, einops, methods
from .numpy_api import operator_docs as _operator_docs
from .numpy_api.array_api import *
from .numpy_api.array_api import __array_api_version__ as __array_api_version__
from .numpy_api.array_api import __array_namespace_info__ as __array_namespace_info__
from .ops import emath
from .ops import fft as _fft  # for NumPy's own fft to find it, and so with the others
from .ops.adaptive_pooling import *
from .ops.casting import *
from .ops.convolution import *
from .ops.correlation import *
from .ops.creation import *
from .ops.diagonals import *
from .ops.differences import *
from .ops.einsum import *
from .ops.elementwise import *
from .ops.im2col import *
from .ops.index_tricks import *
from .ops.indexing import *
from .ops.inplace import *
from .ops.joining import *
from .ops.linalg import compositions as _linalg
from .ops.linalg import matrix_calculus as _matrix_calculus  # for the registry to have its primitive
from .ops.matmul import *
from .ops.nondifferentiable import *
from .ops.padding import *
from .ops.polynomials import *
from .ops.pooling import *
from .ops.reductions import *
from .ops.running_products import *
from .ops.shape import *
from .ops.sorting import *
from .ops.special import functions as _special
from .ops.special.sinc_i0 import *
from .ops.statistics import *
from .runtime.threads import get_num_threads as get_num_threads
from .runtime.threads import set_num_threads as set_num_threads
from .transforms.checkpoint import *
from .transforms.derivatives import *

if not typing.TYPE_CHECKING:  # checkers follow the imports; at run time the families are names here, too
    __all__ = [name for name, value in globals().items() if name[0] != "_" and not inspect.ismodule(value)]
    __all__ += ["__array_api_version__", "__array_namespace_info__"]

_faces = (sys.modules[__name__], _linalg, _fft, _special)
for _face in _faces:
    _face_by_example(_face, _face.__all__, _ops.__name__)  # others take functions, or are scopes and settings

for _face in _faces:
    for _name, _made in list(vars(_face).items()):
        if "<locals>" in getattr(_made, "__qualname__", ""):  # of a function that made it: here pickle finds it
            _made.__module__, _made.__qualname__ = _face.__name__, _name

_operator_docs.explain()
