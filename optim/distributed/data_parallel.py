"""A model that several processes train together, each on data of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...autograd import Tensor
from ...extend import Communicator, modes, world
from ...nn import Module
from .compression import Compression
from .parameters import broadcast_parameters, check_alike
from .reducer import Reducer

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """The same `module` in all processes, whose backward passes leave the mean of their gradients in `grad`.

    Process 0's parameters and buffers are those of all at first (unless `init_sync=False`), and its buffers before each
    call in training (with `broadcast_buffers`). Gradients travel in buckets of `bucket_cap_mb` megabytes (None: 25, the
    first of 1), which leave while the backward pass goes on. A parameter that no process uses keeps its `grad`; where
    some do, the others count as 0. All processes make as many backward passes, each through the module's result or its
    parameters. `compression` sends "float16" or "bfloat16" and adds what rounding takes away to the next gradient.
    `process_group` is the communicator (None: `world()`). Parameters are frozen before they are wrapped, not after.

    The keys of `state_dict` are those of the module. RuntimeError for a module without parameters to train; ValueError
    where the processes' modules differ. Source: Li et al., PyTorch Distributed, 2020.

    >>> from pullback import nn
    >>> model = DistributedDataParallel(nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['weight', 'bias']
    """

    def __init__(
        self,
        module: Module,
        *,
        process_group: Communicator | None = None,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        bucket_cap_mb: float | None = None,
        compression: Compression | None = None,
    ) -> None:
        super().__init__()
        self.module, self.broadcast_buffers = module, broadcast_buffers
        self.process_group = world() if process_group is None else process_group
        trained = [p for p in module.parameters() if p.requires_grad]
        if not trained:
            raise RuntimeError("DistributedDataParallel: the module has no parameters that require a gradient")
        if bucket_cap_mb is not None and not bucket_cap_mb > 0:
            raise ValueError(f"DistributedDataParallel: bucket_cap_mb must be a positive number, not {bucket_cap_mb!r}")
        self.reducer: Reducer | None = None
        if self.process_group.size > 1:
            if init_sync:
                broadcast_parameters(module, self.process_group)
            else:
                check_alike([*module.named_parameters(), *module.named_buffers()], self.process_group)
            self.reducer = Reducer(trained, self.process_group, bucket_cap_mb, compression)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module gives."""
        reducer = self.reducer
        if reducer is None:
            return self.module(*args, **kwargs)
        if self.training and self.broadcast_buffers and reducer.enabled:
            self.align_buffers()
        result = self.module(*args, **kwargs)
        if modes.recording:
            for tensor in tensors_of(result):
                if tensor.requires_grad and not tensor.is_leaf:
                    tensor.register_hook(lambda g: reducer.expect())
        return result

    def align_buffers(self) -> None:
        """Give the module's buffers the values that they have in process 0; all processes call it."""
        by_dtype: dict[Any, list[Tensor]] = {}
        for buffer in self.module.buffers():
            by_dtype.setdefault(buffer.dtype, []).append(buffer)
        for buffers in by_dtype.values():
            flat = self.process_group.broadcast(np.concatenate([b.numpy().reshape(-1) for b in buffers]))
            if self.process_group.rank:
                for buffer, part in zip(
                    buffers, np.split(flat, np.cumsum([b.size for b in buffers])[:-1]), strict=True
                ):
                    buffer.data = part.reshape(buffer.shape)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Leave gradients as they are inside this context; the first backward pass after it averages their sums.

        >>> from pullback import nn
        >>> model = DistributedDataParallel(nn.Linear(1, 1))
        >>> with model.no_sync():
        ...     model(Tensor([[1.0]])).sum().backward()
        >>> model(Tensor([[2.0]])).sum().backward()
        >>> model.module.weight.grad
        Tensor([[3.]], dtype=float32)
        """
        reducer = self.reducer
        if reducer is None:
            yield
            return
        before, reducer.enabled = reducer.enabled, False
        try:
            yield
        finally:
            reducer.enabled = before

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the module's state, under the module's own keys."""
        return self.module.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, object], strict: bool = True, assign: bool = False) -> Any:
        """Load a state of the module."""
        return self.module.load_state_dict(state_dict, strict, assign)


def tensors_of(result: Any) -> Iterator[Tensor]:
    """The Tensors in nests of tuples, lists and dicts."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for part in result:
            yield from tensors_of(part)
    elif isinstance(result, Mapping):
        for part in result.values():
            yield from tensors_of(part)
