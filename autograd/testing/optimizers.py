"""A check of optimizers: any object with `step`, `zero_grad`, `state_dict` and `load_state_dict`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .report import GradcheckError
from .tensors import gradients_of


def check_optimizer(
    make: Callable[[list[Tensor]], object],
    *,
    reference: Callable[..., object] | None = None,
    independent: bool = True,
    steps: int = 20,
) -> bool:
    """Check an optimizer, made by `make(params)`: True, or GradcheckError with what it does not keep.

    On the sum of squares of some parameters, minimal at 0, and with gradients for all of them but one:

    - `steps` steps bring the sum down, and twice the same are the same to the bit;
    - the parameters stay the same objects, leaves and of their dtype, float32 too; a parameter without a gradient stays
      as it is; gradients are left alone, and so are arrays and graphs that hold a parameter's old values;
    - with `state_dict` saved half way and loaded into another optimizer the second half is the same to the bit, and
      what was saved is a copy;
    - a parameter goes its own way, whatever others are optimized along with it (not asked unless `independent`).

    `reference(p, g, state)` gives what a step makes of the array p, with its gradient g and a dict to keep things in;
    both are compared after each step, to 1e-10.

    >>> from pullback import optim
    >>> check_optimizer(lambda params: optim.SGD(params, lr=0.1), reference=lambda p, g, state: p - 0.1 * g)
    True
    """
    run = _Run(make)
    start, path = run.loss(), run.path(steps)
    if not run.loss() < start:
        raise GradcheckError(f"{run.name}: the loss went from {start:.6g} to {run.loss():.6g} in {steps} steps")
    _same(run.name, "a second run", _Run(make).path(steps), path)
    if independent:
        for i, name in enumerate(run.names):
            _same(run.name, f"{name} alone", _Run(make, only=i).path(steps), [[values[i]] for values in path])
    _check_saving(make, path)
    _Run(make, np.float32).path(steps)
    if reference is not None:
        for i, p in enumerate(_Run(make).trained):
            expected, state = p.data, dict[str, Any]()
            for step, values in enumerate(path, 1):
                expected = np.asarray(reference(expected, 2 * expected, state))
                if not np.allclose(values[i], expected, rtol=1e-10, atol=1e-12):
                    both = f"{values[i].tolist()}, by the reference {expected.tolist()}"
                    raise GradcheckError(f"{run.name}: after step {step} {run.names[i]} is {both}")
    return True


class _Run:
    """An optimizer at work on a matrix, a vector and a number; the last parameter gets no gradient."""

    def __init__(self, make: Any, dtype: Any = np.float64, only: int | None = None) -> None:
        values = [np.linspace(-1, 1.5, 6).reshape(2, 3), np.array([0.5, -2.0]), np.array(1.25), np.array([1.0, -1.0])]
        names = ["a matrix", "a vector", "a number", "a parameter without a gradient"]
        asked = slice(None) if only is None else slice(only, only + 1)
        params = [Tensor(x, requires_grad=True, dtype=dtype) for x in values]
        self.names, self.params, self.trained = names[asked], params[asked], params[:-1][asked]
        self.optimizer = make(list(self.params))
        self.name = type(self.optimizer).__name__

    def loss(self) -> float:
        return float(sum(np.sum(p.data**2) for p in self.trained))

    def path(self, steps: int) -> list[Any]:
        """The parameters after each step, of which each is looked at."""
        return [self.step() for _ in range(steps)]

    def step(self) -> list[Any]:
        self.optimizer.zero_grad()
        for p in self.trained:
            (p * p).sum().backward()
        old = [p.data.copy() for p in self.params]
        held = {f"the old values of {name}": p.data for name, p in zip(self.names, self.params, strict=True)}
        grads = {name: p.grad for name, p in zip(self.names, self.params, strict=True)}
        held |= {f"the gradient of {name}": grad.numpy() for name, grad in grads.items() if grad is not None}
        before = {what: x.copy() for what, x in held.items()}
        graphs = [(p**3).sum() for p in self.params]
        self.optimizer.step()
        for what, x in held.items():
            if not np.array_equal(x, before[what]):
                raise GradcheckError(f"{self.name}: a step writes into {what}")
        for p, graph, values, name in zip(self.params, graphs, old, self.names, strict=True):
            if p.dtype != values.dtype or not (p.is_leaf and p.requires_grad):
                raise GradcheckError(f"{self.name}: {name} is no longer a leaf of {values.dtype}")
            if p.grad is None and not np.array_equal(p.data, values):
                raise GradcheckError(f"{self.name}: {name} is changed")
            (slope,) = gradients_of([graph], [np.ones((), graph.dtype)], [p], create_graph=False)
            if not np.allclose(slope.numpy(), 3 * values**2, rtol=1e-5):
                raise GradcheckError(f"{self.name}: a graph with {name} that a step is older than has other gradients")
        return [p.data.copy() for p in self.params]


def _same(name: str, what: str, path: list[Any], expected: list[Any]) -> None:
    for step, (values, others) in enumerate(zip(path, expected, strict=True)):
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(values, others, strict=True)):
            raise GradcheckError(f"{name}: {what} goes another way, from step {step + 1} on:\n  {values}\n  {others}")


def _check_saving(make: Any, path: list[Any]) -> None:
    """Half of the way, and the other half by another optimizer that has loaded the state."""
    half = len(path) // 2
    first, second = _Run(make), _Run(make)
    first.path(half)
    state = first.optimizer.state_dict()
    for p, q in zip(first.params, second.params, strict=True):
        q.data = p.data.copy()
    first.path(len(path) - half)  # this must not change what was saved
    second.optimizer.load_state_dict(state)
    _same(first.name, "an optimizer that has loaded the state", second.path(len(path) - half), path[half:])
