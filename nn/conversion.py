"""Other dtypes for a module's parameters and buffers, and other devices, by PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..autograd import Tensor
from ..extend import DTypeLike, named_device
from .factory import check_device, is_device

if TYPE_CHECKING:
    from .parameter import Parameter


class Converted:
    """What a Module has of conversions."""

    if TYPE_CHECKING:

        def parameters(self, recurse: bool = True) -> Iterator[Parameter]: ...

        def buffers(self, recurse: bool = True) -> Iterator[Tensor]: ...

    def _converted(self, dtype: np.dtype[Any], wanted: Callable[[Tensor], bool]) -> Self:
        for tensor in (*self.parameters(), *self.buffers()):
            if wanted(tensor) and tensor.dtype != dtype:
                tensor.data = tensor.data.astype(dtype)
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().astype(dtype)
        return self

    def _moved(self, device: str) -> Self:
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.device != device:
                tensor.data = tensor.detach().to_device(device)
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().to_device(device)
        return self

    def to(
        self,
        *args: DTypeLike | bool | None,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        non_blocking: bool = False,
        memory_format: object = None,
    ) -> Self:
        """Convert the real floating-point parameters and buffers (and gradients) to a float type.

        PyTorch's forms are all taken: `to(dtype)`, `to("cuda")`, `to(device="cpu", dtype=...)`, `to(tensor)` for its
        dtype. TypeError for a dtype that is no float type, ValueError for a device that there is not, ImportError for
        "cuda" where CuPy is not installed.

        >>> from pullback import nn
        >>> nn.Linear(2, 1).to("cpu", np.float64).weight.dtype
        dtype('float64')
        """
        name = f"{type(self).__name__}.to"
        for arg in args:
            if is_device(arg):
                device = arg
            elif isinstance(arg, bool):  # non_blocking
                continue
            elif arg is not None:
                dtype = arg  # or what has one
        if device is not None:
            self._moved(named_device(device))
        if dtype is None:
            return self
        kind = np.dtype(dtype)
        if kind.kind != "f":
            raise TypeError(f"{name}: dtype {kind} is not a float type")
        return self._converted(kind, lambda tensor: tensor.dtype.kind == "f")

    def type(self, dst_type: DTypeLike) -> Self:
        """Convert all parameters and buffers, also those of integers, to `dst_type`."""
        return self._converted(np.dtype(dst_type), lambda tensor: True)

    def float(self) -> Self:
        """Do the same as `to(numpy.float32)`."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Do the same as `to(numpy.float64)`."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Do the same as `to(numpy.float16)`."""
        return self.to(np.float16)

    def bfloat16(self) -> Self:
        """Raise TypeError: NumPy has no such type."""
        raise TypeError(f"{type(self).__name__}.bfloat16: NumPy has no bfloat16; half() and float() there are")

    def cpu(self) -> Self:
        """Move all parameters and buffers to the CPU; `to("cpu")`."""
        return self.to("cpu")

    def cuda(self, device: int | str | None = None) -> Self:
        """Move all parameters and buffers to the GPU, where CuPy computes; `to("cuda")`."""
        return self.to(f"cuda:{device}" if isinstance(device, int) else device or "cuda")

    def xpu(self, device: object = None) -> Self:
        """Raise RuntimeError: there is no such device."""
        raise RuntimeError(f"{type(self).__name__}: no device but the CPU and, with CuPy, 'cuda'; write .to('cpu')")

    ipu = mtia = xpu

    def to_empty(self, *, device: str | None, recurse: bool = True) -> Self:
        """Give all parameters and buffers new memory, with any values in it."""
        check_device(device, f"{type(self).__name__}.to_empty")
        for tensor in (*self.parameters(recurse), *self.buffers(recurse)):
            tensor.data = np.empty(tensor.shape, tensor.dtype)
        return self

    def share_memory(self) -> Self:
        """Raise RuntimeError: arrays belong to one process, whose threads share them."""
        raise RuntimeError(
            f"{type(self).__name__}.share_memory: arrays belong to one process, whose threads share them as they are"
        )

    def compile(self, *args: object, **kwargs: object) -> None:
        """Do nothing: operations are machine code already where there is some; PyTorch's options are taken."""
