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
from .autograd.core.batching import drawn, everywhere, folded
from .autograd.core.examples import by_example, face_by_example
from .autograd.core.half_precision import by_single
from .autograd.core.primitive import Primitive, elementwise, implements, linear, override, primitive, registry

# Tensors and arrays
from .autograd.core.tensor import Tensor, plain, wrap
from .autograd.core.conversion import floating, lift, seed
from .autograd.core.tracing import bottom, raw
from .autograd.core.views import writable

# The graph, and who looks on
from .autograd.core.backward import backward_pass
from .autograd.core.generator import generator, manual_seed
from .autograd.core.graph import Node, RemovableHandle, Several, mode, modes
from .autograd.core.observers import Observer
from .autograd.core.replay import captures
from .autograd.debug.profiling import FIGURES, quantity

# Quick forms on arrays
from .autograd.kernels.fused_elementwise import fused, in_blocks
from .autograd.kernels.sums import added
from .autograd.ops.fused_conv import convolved

__all__ = [
    "FIGURES", "Node", "Observer", "Primitive", "RemovableHandle", "Several", "Tensor", "added", "backward_pass",
    "bottom", "by_example", "by_single", "captures", "convolved", "drawn", "elementwise", "everywhere",
    "face_by_example", "floating", "folded", "fused", "generator", "implements", "in_blocks", "lift", "linear",
    "manual_seed", "mode", "modes", "override", "plain", "primitive", "quantity", "raw", "registry", "seed", "wrap",
    "writable",
]  # fmt: skip
