"""Tensors, primitives and their rules, the backward pass, and what transforms functions of tensors.

What a family gives to users is what its `__all__` lists.
"""

import inspect
import sys
import typing

from . import fft as _fft  # for NumPy's own fft to find it, and so with the others
from . import gradients, interop, scimath
from . import linalg as _linalg
from . import matrix_calculus as _matrix_calculus  # for the registry to have its primitive
from . import operator_docs as _operator_docs
from . import special as _special
from .adaptive import *
from .anomaly import *
from .arranging import *
from .calculus import *
from .convolution import *
from .correlation import *
from .creation import *
from .diagonals import *
from .einstein import *
from .elementwise import *
from .examples import face_by_example as _face_by_example
from .gradients import grads as grads
from .graph import enable_grad as enable_grad
from .graph import no_grad as no_grad
from .indexing import *
from .inspection import *
from .inspection import __array_api_version__ as __array_api_version__
from .inspection import __array_namespace_info__ as __array_namespace_info__
from .integrals import *
from .joining import *
from .methods import *
from .padding import *
from .parts import *
from .polynomials import *
from .pooling import *
from .primitive import Primitive as Primitive
from .primitive import linear as linear
from .primitive import override as override
from .primitive import primitive as primitive
from .primitive import registry as registry
from .products import *
from .profiling import *
from .reductions import *
from .running_products import *
from .segments import *
from .shaping import *
from .sorting import *
from .statistics import *
from .tensor import Tensor as Tensor
from .threads import get_num_threads as get_num_threads
from .threads import set_num_threads as set_num_threads
from .transforms import *
from .windows import *
from .writing import *

if not typing.TYPE_CHECKING:  # checkers follow the imports; at run time the families are names here, too
    __all__ = [name for name, value in globals().items() if name[0] != "_" and not inspect.ismodule(value)]
    __all__ += ["__array_api_version__", "__array_namespace_info__"]

_NOT_BY_EXAMPLE = {  # families whose functions take functions, or are scopes and settings
    f"{__name__}.{family}"
    for family in ("anomaly", "gradients", "graph", "inspection", "primitive", "profiling", "segments", "threads",
                   "transforms")
}  # fmt: skip
_faces = (sys.modules[__name__], _linalg, _fft, _special)
for _face in _faces:
    _face_by_example(_face, _face.__all__, _NOT_BY_EXAMPLE)

for _face in _faces:
    for _name, _made in list(vars(_face).items()):
        if "<locals>" in getattr(_made, "__qualname__", ""):  # of a function that made it: here pickle finds it
            _made.__module__, _made.__qualname__ = _face.__name__, _name

_operator_docs.explain()
