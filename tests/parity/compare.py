"""One case: the same module or function here and in PyTorch, with the same values, float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

import pullback as pb
from pullback import Tensor, nn
from pullback.nn import Module

TOLERANCE = 1e-9
COLUMNS = ("repr", "keys", "output", "gradient", "second", "buffers", "eval", "back")


@dataclass(frozen=True)
class Case:
    """A name below torch.nn (`Conv2d`, `functional.pad`), what makes it and what it is called with.

    `inputs` are shapes (filled with normal draws), arrays (as they are; those of floats get gradients) or anything else
    (given as it is). `prepare(nn, *inputs)` makes of them, and of the library's `nn`, the arguments of the call, where
    these are not the inputs themselves. Arrays among `args`, `options` and `call` become tensors of each library.
    """

    name: str
    args: tuple[Any, ...] | Callable[[Any], tuple[Any, ...]] = ()  # or a function of `nn` that gives them
    options: Mapping[str, Any] = field(default_factory=dict)  # of the constructor; of a function, there is no other
    inputs: tuple[Any, ...] = ()
    call: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[..., tuple[Any, ...]] | None = None
    change: Callable[[Any, Any], Any] | None = None  # (nn, module): the module in the place of the one that was made
    no_second: str = ""  # why there is no second derivative to compare
    no_gradient: str = ""
    text: bool = True  # compare the reprs
    seed: int = 0

    def __str__(self) -> str:
        parts = [
            *map(_short, () if callable(self.args) else self.args),
            *(f"{k}={_short(v)}" for k, v in {**self.options, **self.call}.items()),
        ]
        return f"{self.name}({', '.join(parts)}) on {', '.join(map(_short, self.inputs))}"

    @property
    def is_function(self) -> bool:
        return self.name.rpartition(".")[2][:1].islower()


def verdict(case: Case) -> dict[str, str]:
    """What differs, by column: "" where all is equal, "-" where there is nothing to compare."""
    import torch

    def theirs(x: Any) -> Any:
        return torch.tensor(x) if isinstance(x, np.ndarray) else x

    def ours(x: Any) -> Any:
        return Tensor(x) if isinstance(x, np.ndarray) else x

    rng = np.random.default_rng(case.seed)
    values = [rng.normal(size=x) if isinstance(x, tuple) else x for x in case.inputs]
    there = _made(case, torch.nn, theirs)
    here = _made(case, nn, ours)
    found = dict.fromkeys(COLUMNS, "-")
    modes = [True]
    if isinstance(here, Module):
        there.double()
        here.double()
        modes = [True, False]
        if case.text:
            found["repr"] = "" if repr(here) == repr(there) else f"{here!r} for {there!r}"
        state = there.state_dict()
        kinds = [(k, tuple(v.shape), str(v.numpy().dtype)) for k, v in state.items() if isinstance(v, torch.Tensor)]
        own = [(k, v.shape, str(v.dtype)) for k, v in here.state_dict().items() if isinstance(v, Tensor)]
        found["keys"] = "" if kinds == own else f"{own} for {kinds}"
        here.load_state_dict({k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in state.items()})
    for training in modes:
        if isinstance(here, Module):
            there.train(training)
            here.train(training)
        expected = _Torch(torch, case, there, values, theirs)
        got = _Ours(case, here, values, ours)
        results = _differences(got.outputs, expected.outputs, "output")
        if not training:
            results += _differences(got.first, expected.first, "gradient") if not case.no_gradient else ""
            found["eval"] = results
            continue
        found["output"] = results
        if not case.no_gradient and expected.first:
            found["gradient"] = _differences(got.first, expected.first, "gradient")
            if not case.no_second:
                found["second"] = _differences(got.second, expected.second, "second")
        if isinstance(here, Module):
            buffers = {k: v.numpy() for k, v in there.named_buffers()}
            if buffers:
                found["buffers"] = _differences({k: v.numpy() for k, v in here.named_buffers()}, buffers, "buffer")
    if isinstance(here, Module) and here.state_dict():
        try:
            there.load_state_dict(
                {k: theirs(v.numpy()) if isinstance(v, Tensor) else v for k, v in here.state_dict().items()}
            )
            found["back"] = ""
        except RuntimeError as error:
            found["back"] = str(error)
    return found


def _made(case: Case, library: Any, tensor: Callable[[Any], Any]) -> Any:
    maker = reduce(getattr, case.name.split("."), library)
    if case.is_function:
        return maker
    args = case.args(library) if callable(case.args) else _mapped(case.args, tensor)
    made = maker(*args, **_mapped(case.options, tensor))
    return made if case.change is None else case.change(library, made)


def _mapped(nest: Any, tensor: Callable[[Any], Any]) -> Any:
    if isinstance(nest, (list, tuple)) and not hasattr(nest, "_fields"):
        return type(nest)(_mapped(x, tensor) for x in nest)
    if isinstance(nest, Mapping):
        return {k: _mapped(v, tensor) for k, v in nest.items()}
    return tensor(nest)


def _leaves(nest: Any) -> Iterator[Any]:
    if isinstance(nest, Mapping):
        nest = tuple(nest.values())
    if isinstance(nest, (list, tuple)):
        for x in nest:
            yield from _leaves(x)
    else:
        yield nest


class _Run:
    """Outputs, and the first and second derivatives of their products with fixed numbers."""

    outputs: list[Any]
    first: dict[str, Any]
    second: dict[str, Any]

    def __init__(self, case: Case, model: Any, values: list[Any], tensor: Callable[[Any], Any], nn: Any) -> None:
        inputs = [self.leaf(v) if isinstance(v, np.ndarray) else v for v in values]
        arguments = inputs if case.prepare is None else case.prepare(nn, *inputs)
        options = dict(_mapped(case.call, tensor))
        if case.is_function:
            out = model(*arguments, *_mapped(case.args, tensor), **_mapped(case.options, tensor), **options)
        else:
            out = model(*arguments, **options)
        self.outputs = [self.array(x) for x in _leaves(out)]
        self.first, self.second = {}, {}
        named = {f"input {i}": x for i, x in enumerate(inputs) if self.wants(x)}
        if isinstance(model, Module) or hasattr(model, "named_parameters"):
            named |= {k: p for k, p in model.named_parameters() if self.wants(p)}
        results = [x for x in _leaves(out) if self.wants(x)]
        if case.no_gradient or not results or not named:
            return
        rng = np.random.default_rng(1)
        first = self.gradients(results, list(named.values()), [rng.normal(size=tuple(x.shape)) for x in results])
        self.first = dict(zip(named, map(self.array, first), strict=True))
        if case.no_second:
            return
        weights = [rng.normal(size=tuple(x.shape)) for x in first]
        alive = [(g, w) for g, w in zip(first, weights, strict=True) if self.wants(g)]
        if alive:
            again = self.gradients([g for g, _ in alive], list(named.values()), [w for _, w in alive])
            self.second = dict(zip(named, map(self.array, again), strict=True))
        else:
            self.second = {k: np.zeros(tuple(x.shape)) for k, x in named.items()}

    def leaf(self, value: Any) -> Any: ...

    def array(self, x: Any) -> Any: ...

    def wants(self, x: Any) -> bool:
        return bool(getattr(x, "requires_grad", False))

    def gradients(self, outputs: list[Any], inputs: list[Any], weights: list[Any]) -> list[Any]: ...


class _Torch(_Run):
    def __init__(self, torch: Any, case: Case, model: Any, values: list[Any], tensor: Callable[[Any], Any]) -> None:
        self.torch = torch
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the other has no second derivative
            super().__init__(case, model, values, tensor, torch.nn)

    def leaf(self, value: Any) -> Any:
        return self.torch.tensor(value, requires_grad=value.dtype.kind == "f")

    def array(self, x: Any) -> Any:
        return x.detach().numpy(force=True) if isinstance(x, self.torch.Tensor) else x

    def gradients(self, outputs: list[Any], inputs: list[Any], weights: list[Any]) -> list[Any]:
        cotangents = [self.torch.tensor(w) for w in weights]
        return list(self.torch.autograd.grad(outputs, inputs, cotangents, create_graph=True, materialize_grads=True))


class _Ours(_Run):
    def __init__(self, case: Case, model: Any, values: list[Any], tensor: Callable[[Any], Any]) -> None:
        super().__init__(case, model, values, tensor, nn)

    def leaf(self, value: Any) -> Any:
        return Tensor(value, requires_grad=value.dtype.kind == "f")

    def array(self, x: Any) -> Any:
        return x.numpy() if isinstance(x, Tensor) else x

    def gradients(self, outputs: list[Any], inputs: list[Any], weights: list[Any]) -> list[Any]:
        return list(pb.grads(outputs, inputs, weights, create_graph=True))


def _differences(got: Any, expected: Any, what: str) -> str:
    """What is not equal: numbers within the tolerance (of the largest), all else exactly; dtypes and shapes, too."""
    if isinstance(expected, dict):
        if list(got) != list(expected):
            return f"{what}s {list(got)} for {list(expected)}; "
        names, got, expected = list(expected), list(got.values()), list(expected.values())
    else:
        names = [str(i) for i in range(len(expected))]
    if len(got) != len(expected):
        return f"{len(got)} {what}s for {len(expected)}; "
    text = ""
    for name, a, b in zip(names, got, expected, strict=True):
        if not isinstance(b, np.ndarray):
            text += "" if type(a) is type(b) and a == b else f"{what} {name}: {a!r} for {b!r}; "
        elif np.shape(a) != b.shape or a.dtype != b.dtype:
            text += f"{what} {name}: {a.dtype}{np.shape(a)} for {b.dtype}{b.shape}; "
        elif b.dtype.kind == "f":
            finite = b[np.isfinite(b)]
            scale = max(1.0, float(np.max(np.abs(finite)))) if finite.size else 1.0
            if not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True):
                text += f"{what} {name} is off by {np.nanmax(np.abs(a - b)):.2g}; "
        elif not np.array_equal(a, b):
            text += f"{what} {name}: {a} for {b}; "
    return text


def _short(x: Any) -> str:
    return f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else str(x)
