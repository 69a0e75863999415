"""The cases of tests/parity as functions of numbers: float inputs and parameters in, all float results out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pullback import Tensor, asarray, nn, vjp
from pullback.tests.parity.cases import CASES
from pullback.tests.parity.compare import Case, _leaves, _made, _mapped

Arrays = list[Any]


def by_name() -> dict[str, list[Case]]:
    """All cases by what they call, or by what is built in its place."""
    names: dict[str, list[Case]] = {}
    for case in (case for cases in CASES.values() for case in cases):
        built = "" if case.change is None else re.findall(r"\w+", str(case.args))[0]
        names.setdefault(built or case.name, []).append(case)
    return names


class Called(nn.Module):
    """What a case calls, with parameters that are the same for the same seed; it takes the float inputs alone.

    `floats` are these inputs, and `asked` are the names of the parameters with gradients.
    """

    def __init__(self, case: Case, dtype: Any = np.float64, seed: int = 0) -> None:
        super().__init__()
        self.case, self.kind = case, np.dtype(dtype)
        nn.manual_seed(seed)
        made = _made(case, nn, self.tensor)
        self.is_module = isinstance(made, nn.Module)
        self.run = made.to(dtype) if self.is_module else made
        rng = np.random.default_rng(case.seed)
        self.values = [rng.normal(size=x) if isinstance(x, tuple) else x for x in case.inputs]
        self.places = [i for i, x in enumerate(self.values) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        if case.prepare is not None:
            self.places = [i for i in self.places if i in self._passed_on(case.prepare)]
        self.floats = [self.values[i].astype(dtype) for i in self.places]
        self.asked = [name for name, p in self.named_parameters() if p.requires_grad]

    def tensor(self, x: Any) -> Any:
        """An array of the case as a Tensor, where it is one."""
        return Tensor(x.astype(self.kind) if x.dtype.kind == "f" else x) if isinstance(x, np.ndarray) else x

    def _passed_on(self, prepare: Callable[..., Any]) -> set[int]:
        """Which inputs the arguments depend on by derivatives: some are detached."""
        leaves = {i: Tensor(self.values[i], requires_grad=True) for i in self.places}
        for x in _leaves(prepare(nn, *(leaves.get(i, self.tensor(v)) for i, v in enumerate(self.values)))):
            if isinstance(x, Tensor) and x.requires_grad:
                x.backward(np.ones(x.shape), retain_graph=True)
        return {i for i, x in leaves.items() if x.grad is not None}

    def forward(self, *floats: Any) -> tuple[Tensor, ...]:
        case = self.case
        self.kind = next((x.dtype for x in (*floats, *self.parameters())), self.kind)
        inputs = list(map(self.tensor, self.values))
        for i, x in zip(self.places, floats, strict=True):
            inputs[i] = x
        arguments = inputs if case.prepare is None else case.prepare(nn, *inputs)
        options = dict(_mapped(case.call, self.tensor))
        if not self.is_module:
            arguments = *arguments, *_mapped(case.args, self.tensor)
            options.update(_mapped(case.options, self.tensor))
        out = self.run(*arguments, **options)
        return tuple(x for x in _leaves(out) if isinstance(x, Tensor) and x.dtype.kind == "f")

    @property
    def modes(self) -> tuple[bool, ...]:
        """Training and evaluation, or, of a function, nothing to tell apart."""
        return (True, False) if self.is_module else (True,)

    @property
    def leaves(self) -> Arrays:
        """The float inputs, and the parameters with gradients."""
        held = dict(self.named_parameters())
        return [*self.floats, *(held[name].numpy().copy() for name in self.asked)]

    @property
    def state(self) -> dict[str, Any]:
        """The buffers, which calls may change."""
        return {name: Tensor(b.numpy().copy()) for name, b in self.named_buffers()}

    def at(self, *leaves: Any, state: dict[str, Any] | None = None) -> tuple[Tensor, ...]:
        """The results for other leaves, with random numbers and buffers as they always are, or with these buffers."""
        count = len(self.floats)
        nn.manual_seed(1)
        held = self.state if state is None else state
        parameters = dict(zip(self.asked, leaves[count:], strict=True))
        return nn.functional_call(self, [parameters, held], tuple(map(asarray, leaves[:count])))

    def pulled(self, leaves: Any, weights: Any, state: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """The results, and the gradients of their product with weights."""
        out, back = vjp(lambda *x: self.at(*x, state=state), *leaves)
        return out, back(tuple(weights))


def drawn(like: Any, seed: int) -> Arrays:
    """Normal numbers in the shapes and dtypes of arrays or Tensors."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=x.shape).astype(x.dtype) for x in like]


def inner(a: Any, b: Any) -> Any:
    """<a, b> of lists of arrays."""
    return sum((np.sum(x * y) for x, y in zip(a, b, strict=True)), 0.0)


def slope(f: Callable[..., Any], at: Arrays, along: Arrays, step: float = 1e-4) -> Any:
    """The derivative of a function along a direction, by Richardson's extrapolation of central differences."""

    def difference(h: float) -> Any:
        ahead, behind = (f(*(x + s * v for x, v in zip(at, along, strict=True))) for s in (h, -h))
        return (ahead - behind) / (2 * h)

    return (4 * difference(step / 2) - difference(step)) / 3
