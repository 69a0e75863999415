"""Each optimizer of torch.optim: fifty steps beside PyTorch's, and changing horses in the middle."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pullback import Tensor, optim

from .optim import Section

STEPS, HALF = 50, 25
TOLERANCE = 1e-8
COLUMNS = ("signature", "path", "state", "ours", "to torch", "from torch")
SHAPES = ((3,), (4, 3), (), (2, 3), (2, 2, 2))


@dataclass(frozen=True)
class Case:
    """An optimizer, options of its first group of parameters, and those in which the second differs."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    second: Mapping[str, Any] = field(default_factory=lambda: {"lr": 0.03})
    shapes: tuple[tuple[int, ...], ...] = SHAPES
    dtype: type = np.float64
    groups: int = 2
    closure: bool = False
    sparse: bool = False

    def __str__(self) -> str:
        kind = f" {self.dtype.__name__}" * (self.dtype is not np.float64)
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.options.items())}){kind}"

    def gradient(self, step: int, i: int) -> Any:
        """That of parameter i in a step; None for the second from step 10 on for a while, and at first for the last."""
        if (i == 1 and 10 <= step < 20) or (i == len(self.shapes) - 1 and step < 5):
            return None
        rng = np.random.default_rng((step, i))
        g = rng.normal(size=self.shapes[i])
        if self.sparse:
            g[rng.uniform(size=g.shape[0]) < 0.5] = 0
        return (g + 1j * rng.normal(size=self.shapes[i])).astype(self.dtype) if self.dtype is np.complex128 else g


class Run:
    """One library's optimizer on its way; `values` holds the parameters after each step."""

    library: Any

    def __init__(self, case: Case, start: list[Any] | None = None, first: int = 0) -> None:
        rng = np.random.default_rng(0)
        self.case, self.step, self.values = case, first, list[Any]()
        drawn = [
            rng.normal(size=s) + (1j * rng.normal(size=s) if case.dtype is np.complex128 else 0) for s in case.shapes
        ]
        self.params = [self.tensor(np.array(x, case.dtype), True) for x in start or drawn]
        cut = (len(self.params) + 1) // 2 if case.groups == 2 else len(self.params)
        groups = [{"params": self.params[:cut]}, {"params": self.params[cut:], **case.second}][: case.groups]
        self.optimizer = getattr(self.library, case.name)(groups, **case.options)

    def to(self, step: int) -> Run:
        """Go on to a step."""
        while self.step < step:
            if self.case.closure:
                self.optimizer.step(self.loss)
            else:
                for i, p in enumerate(self.params):
                    p.grad = self.gradient(self.case.gradient(self.step, i))
                self.optimizer.step()
            self.step += 1
            self.values.append([self.array(p) for p in self.params])
        return self

    def loss(self) -> Any:
        """A bowl, of the fourth degree, whose lowest point wanders; the parameter without a gradient is left out."""
        self.optimizer.zero_grad()
        bowls = []
        for i, p in enumerate(self.params):
            if i != 1 or self.case.gradient(self.step, 1) is not None:
                away = abs(p - 0.2 * float(np.random.default_rng((self.step, i)).normal()))
                bowls.append((away**4).sum() + (i + 2) * (away**2).sum() + abs(p.sum() - 1) ** 2)
        total = sum(bowls)
        total.backward()
        return total

    def tensor(self, array: Any, wanted: bool = False) -> Any: ...

    def array(self, p: Any) -> Any: ...

    def gradient(self, g: Any) -> Any: ...


class Ours(Run):
    library = optim

    def tensor(self, array: Any, wanted: bool = False) -> Any:
        return Tensor(array, requires_grad=wanted)

    def array(self, p: Any) -> Any:
        return np.array(p.numpy())

    def gradient(self, g: Any) -> Any:
        return g if g is None else Tensor(np.conj(g))  # PyTorch's gradient of complex numbers is the conjugate of ours


class Theirs(Run):
    def __init__(self, *args: Any, **options: Any) -> None:
        import torch

        self.torch, self.library = torch, torch.optim
        super().__init__(*args, **options)

    def tensor(self, array: Any, wanted: bool = False) -> Any:
        return self.torch.tensor(array, requires_grad=wanted)

    def array(self, p: Any) -> Any:
        return p.detach().numpy().copy()

    def gradient(self, g: Any) -> Any:
        if g is None or not self.case.sparse:
            return g if g is None else self.torch.tensor(g)
        rows = np.flatnonzero(g.reshape(len(g), -1).any(1))
        places, values = self.torch.tensor(rows[None]), self.torch.tensor(g[rows])
        return self.torch.sparse_coo_tensor(places, values, g.shape)


@contextmanager
def double_precision() -> Iterator[Any]:
    """PyTorch with counters of float64, and with Muon's products, which it makes in bfloat16, in the given dtype."""
    import torch

    before, low = torch.get_default_dtype(), torch.Tensor.bfloat16
    torch.set_default_dtype(torch.float64)
    torch.Tensor.bfloat16 = torch.Tensor.clone
    try:
        yield torch
    finally:
        torch.set_default_dtype(before)
        torch.Tensor.bfloat16 = low


def verdict(case: Case) -> dict[str, str]:
    """What differs, by column: "" where all is equal."""
    with double_precision() as torch:

        def arrays(x: Any) -> Any:
            return x.detach().numpy().copy() if isinstance(x, torch.Tensor) else x

        def tensors(x: Any) -> Any:
            return torch.tensor(x) if isinstance(x, np.ndarray) else x

        ours, theirs = Ours(case).to(HALF), Theirs(case).to(HALF)
        own, other = mapped(ours.optimizer.state_dict(), np.copy), mapped(theirs.optimizer.state_dict(), arrays)
        middle, there = ours.values[-1], theirs.values[-1]
        ours.to(STEPS)
        theirs.to(STEPS)
        found = {"signature": signature(case.name, torch), "path": path_differs(ours.values, theirs.values)}
        found["state"] = differs(own, other, case.name)
        again = Ours(case, middle, HALF)
        again.optimizer.load_state_dict(own)
        same = all(map(np.array_equal, again.to(STEPS).values[-1], ours.values[-1]))
        found["ours"] = "" if same else f"a resume goes another way: {path_differs(again.values, ours.values[HALF:])}"
        back = Ours(case, there, HALF)
        back.optimizer.load_state_dict(other)
        found["from torch"] = path_differs(back.to(STEPS).values, theirs.values[HALF:])
        away = Theirs(case, middle, HALF)
        away.optimizer.load_state_dict(mapped(own, tensors))
        found["to torch"] = path_differs(away.to(STEPS).values, theirs.values[HALF:])
    return {column: found[column] for column in COLUMNS}


def signature(name: str, torch: Any) -> str:
    def arguments(kind: Any) -> list[Any]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(kind).parameters.values()]

    own, expected = (arguments(getattr(library, name)) for library in (optim, torch.optim))
    return "" if own == expected else f"{own} for {expected}"


def path_differs(got: list[Any], expected: list[Any]) -> str:
    for step, (values, others) in enumerate(zip(got, expected, strict=True), 1):
        for i, (a, b) in enumerate(zip(values, others, strict=True)):
            if a.shape != b.shape or not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE):
                return f"parameter {i} is {a.tolist()} for {b.tolist()} after step {step}"
    return ""


def mapped(nest: Any, f: Callable[[Any], Any]) -> Any:
    """The nest with f of its arrays or tensors."""
    if isinstance(nest, dict):
        return {k: mapped(v, f) for k, v in nest.items()}
    if isinstance(nest, (list, tuple)):
        return type(nest)(mapped(v, f) for v in nest)
    return nest if nest is None or isinstance(nest, (bool, int, float, str)) else f(nest)


def differs(got: Any, expected: Any, place: str = "") -> str:
    """What is not equal in two nests: numbers within the tolerance, dtypes and all else exactly."""
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            return f"{place}: {list(got)} for {list(expected)}"
        return next((t for k in expected if (t := differs(got[k], expected[k], f"{place}[{k!r}]"))), "")
    if isinstance(expected, (list, tuple)):
        if type(got) is not type(expected) or len(got) != len(expected):
            return f"{place}: {got} for {expected}"
        return next(
            (t for i, (a, b) in enumerate(zip(got, expected, strict=True)) if (t := differs(a, b, f"{place}[{i}]"))), ""
        )
    if isinstance(expected, np.ndarray) and not expected.ndim and isinstance(got, (int, float)) and "LBFGS" in place:
        expected = float(expected)  # where PyTorch has now a tensor and now a number
    if isinstance(expected, np.ndarray):
        kinds = [(np.shape(x), getattr(x, "dtype", None)) for x in (got, expected)]
        same = kinds[0] == kinds[1] and np.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE)
    elif isinstance(expected, (int, float)) and not isinstance(expected, bool):
        same = isinstance(got, (int, float)) and np.isclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE)
    else:
        same = type(got) is type(expected) and got == expected
    return "" if same else f"{place}: {got!r} for {expected!r}"


def names() -> list[str]:
    import torch

    return [name for name in torch.optim.__all__ if inspect.isclass(getattr(torch.optim, name)) and name != "Optimizer"]


def several(name: str, *options: Mapping[str, Any], **settings: Any) -> list[Case]:
    """The optimizer as it is, with these options, to ascend, and on complex numbers with the last of the options."""
    lr = {"lr": 0.1}
    chosen = [{}, *({**lr, **some} for some in options), {**lr, "maximize": True}]
    made = [Case(name, some, **settings) for some in chosen]
    return [*made, Case(name, {**lr, **options[-1]}, dtype=np.complex128)]


def real(name: str, *options: Mapping[str, Any], **settings: Any) -> list[Case]:
    """As `several`, but for complex numbers."""
    return several(name, *options, **settings)[:-1]


TABLES, MATRICES = ((5, 2), (4, 3), (3,), (6, 1), (2, 2, 2)), ((3, 2), (4, 3), (2, 5), (1, 3), (3, 3))
WOLFE = {"line_search_fn": "strong_wolfe"}
LBFGSS = (
    {"lr": 0.1},
    {"lr": 0.2, "history_size": 2},
    WOLFE,
    {"max_eval": 3, "history_size": 3, **WOLFE},
    {"max_eval": 7, "lr": 0.3, **WOLFE},
    {"lr": 0.01, "max_iter": 1},
)
MUONS = (
    {},
    {"nesterov": False, "weight_decay": 0.0},
    {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.5},
    {"ns_steps": 2, "ns_coefficients": (1.5, -0.5, 0.1), "adjust_lr_fn": "original"},
)
DECAY = {"weight_decay": 0.1}
SGDS = ({"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.3, **DECAY}, {"momentum": 0.9, "nesterov": True, **DECAY})
ADAMS = (DECAY, {"amsgrad": True}, {"betas": (0.8, 0.95), "eps": 1e-3, "amsgrad": True, **DECAY})
OPTIMIZERS = [
    *several("SGD", DECAY, *SGDS),
    *several("Adam", *ADAMS, {"decoupled_weight_decay": True, **DECAY}),
    *several("AdamW", *ADAMS),
    *several("NAdam", DECAY, {"momentum_decay": 0.1}, {"betas": (0.5, 0.9), "decoupled_weight_decay": True, **DECAY}),
    *several("RAdam", DECAY, {"betas": (0.5, 0.7)}, {"betas": (0.5, 0.9), "decoupled_weight_decay": True, **DECAY}),
    *several("Adamax", DECAY, {"betas": (0.5, 0.7), "eps": 1e-3, **DECAY}),
    *several("Adagrad", DECAY, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.5, "eps": 1e-3, **DECAY}),
    *several("Adadelta", DECAY, {"rho": 0.5, "eps": 1e-2, **DECAY}),
    *several(
        "RMSprop", DECAY, {"centered": True}, {"momentum": 0.5}, {"alpha": 0.9, "centered": True, "momentum": 0.9}
    ),
    *several("Rprop", {"etas": (0.3, 1.7)}, {"step_sizes": (0.05, 0.2)}),
    *several("ASGD", DECAY, {"lambd": 0.1, "alpha": 0.5}, {"t0": 10, "lambd": 0.01, **DECAY}),
    *real("Adafactor", DECAY, {"beta2_decay": -0.5}, {"eps": (1e-2, 0.1), "d": 1.5, **DECAY}),
    *real("SparseAdam", {"betas": (0.5, 0.9)}, {"eps": 1e-2}, shapes=TABLES, sparse=True),
    *(Case("Muon", {"lr": 0.1, **some}, shapes=MATRICES) for some in MUONS),
    *(Case("LBFGS", {"max_iter": 3, **some}, groups=1, closure=True) for some in LBFGSS),
    Case("LBFGS", {"max_iter": 3, **WOLFE}, groups=1, closure=True, dtype=np.complex128),
]

SECTION = Section(COLUMNS, OPTIMIZERS, verdict, names)
