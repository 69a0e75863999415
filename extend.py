"""For authors of operations, modules and pictures: what the package's own rooms above `autograd` are made with.

>>> from pullback import Tensor
>>> from pullback.extend import primitive
>>> @primitive
... def cube(x):
...     return x**3
>>> @cube.vjp("x")
... def _(g, x):
...     return 3 * x**2 * g
>>> x = Tensor(2.0, requires_grad=True)
>>> cube(x).backward()
>>> x.grad
Tensor(12.)
"""

# New operations
from .autograd.core.batching import checked, drawn, everywhere, folded, looped, required, surely
from .autograd.core.examples import by_example, face_by_example
from .autograd.core.half_precision import by_single
from .autograd.core.elementwise import elementwise
from .autograd.core.primitive import Primitive, implements, linear, override, primitive, registry

# Tensors and arrays
from .autograd.core.spellings import dtype_of_target
from .autograd.core.devices import named_device
from .autograd.core.tensor import Tensor, plain, wrap
from .autograd.core.conversion import floating, lift, seed
from .autograd.core.tracing import bottom, is_later, layout, performed, raw, read_everywhere
from .autograd.runtime.libraries import DEVICES, instead_of, is_foreign, library_at, library_of, moved
from .autograd.core.views import writable

# The graph, and who looks on
from .autograd.core.backward import backward_pass
from .autograd.core.generator import drawing_from, generator, manual_seed
from .autograd.core.graph import Node, Output, RemovableHandle, Several, mode, modes
from .autograd.core.leaf_hooks import at_end
from .autograd.core.observers import Observer
from .autograd.core.replay import captures
from .autograd.core.stand_ins import stand_in, standing_in
from .autograd.debug.profiling import FIGURES, quantity

# For annotations
from .autograd.core.forms import Given, TensorLike
from .autograd.core.types import (
    Array,
    ArrayLike,
    Arrays,
    Axis,
    DTypeLike,
    Index,
    Inputs,
    OutputSize,
    Padding,
    PerAxis,
    Shape,
)

# Quick forms on arrays
from .autograd.kernels.attention import attention_back, attention_forward
from .autograd.kernels.fused_elementwise import fused, fused_each, if_positive
from .autograd.kernels.matrix_product import product
from .autograd.kernels.recurrent import gru, gru_back, lstm, lstm_back, rnn, rnn_back
from .autograd.kernels.sums import added
from .autograd.ops.collectives import all_reduce_form as all_reduce
from .autograd.ops.fused_conv import convolved
from .autograd.ops.normalization import standardize
from .autograd.ops.short_forms import passing
from .autograd.runtime.communicator import Communicator, Pending, world
from .autograd.runtime.memory import empty as pooled
from .autograd.runtime.threads import one_blas_thread, parallel_for
from .autograd.kernels.fused_elementwise import in_blocks, in_one_pass
from .autograd.ops.normalization import rescale

__all__ = [
    "Array", "ArrayLike", "Arrays", "Axis", "Communicator", "DEVICES", "DTypeLike", "FIGURES", "Given", "Index",
    "Inputs", "Node", "Observer", "Output", "OutputSize", "Padding", "Pending", "PerAxis", "Primitive",
    "RemovableHandle", "Several", "Shape", "Tensor", "TensorLike", "added", "all_reduce", "at_end", "attention_back",
    "attention_forward", "backward_pass", "bottom", "by_example", "by_single", "captures", "checked", "convolved",
    "drawing_from", "drawn", "dtype_of_target", "elementwise", "everywhere", "face_by_example", "floating", "folded",
    "fused", "fused_each", "generator", "gru", "gru_back", "if_positive", "implements", "in_blocks", "in_one_pass",
    "instead_of", "is_foreign", "is_later", "layout", "library_at", "library_of", "lift", "linear", "looped", "lstm",
    "lstm_back", "manual_seed", "mode", "modes", "moved", "named_device", "one_blas_thread", "override", "parallel_for",
    "passing", "performed", "plain", "pooled", "primitive", "product", "quantity", "raw", "read_everywhere", "registry",
    "required", "rescale", "rnn", "rnn_back", "seed", "stand_in", "standardize", "standing_in", "surely", "world",
    "wrap", "writable",
]  # fmt: skip
