"""Each scheduler of torch.optim: fifty steps of two groups beside PyTorch's, and changing horses in the middle."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from pullback import Tensor, optim

from .averages import AVERAGES, Average
from .cases_optimizers import double_precision
from .optim import Section

STEPS, HALF = 50, 23
TOLERANCE = 1e-12
COLUMNS = ("signature", "path", "epochs", "last_epoch", "state", "ours", "to torch", "from torch")
EPOCHS = (0, 7, 3, 31, 12, 47)
RATES = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
WRITTEN = (*RATES, "momentum", "betas", "max_momentum", "base_momentum")  # what schedulers write into groups
METRICS = [*(1 / (1 + 0.3 * i) for i in range(12)), *[0.2, 0.1999, 0.19, math.nan, 0.19, -0.1] * 7]


@dataclass(frozen=True)
class Schedule:
    """A scheduler, its options, the optimizer's, and for one of schedulers its parts."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "SGD"
    parts: tuple[Schedule, ...] = ()
    steps: int = STEPS
    unlike: tuple[str, ...] = ()  # columns that cannot be compared

    def __str__(self) -> str:
        arguments = [*map(str, self.parts), *(f"{k}={_text(v)}" for k, v in self.options.items())]
        return f"{self.name}({', '.join(arguments)}){' with Adam' * (self.optimizer == 'Adam')}"

    def make(self, library: Any, optimizer: Any, **more: Any) -> Any:
        options = {**deepcopy(dict(self.options)), **more}
        kind = reduce(getattr, path(self.name).split("."), library)
        if not self.parts:
            return kind(optimizer, **options)
        parts = [part.make(library, optimizer) for part in self.parts]
        return kind(parts, **options) if self.name == "ChainedScheduler" else kind(optimizer, parts, **options)


def path(name: str) -> str:
    return f"swa_utils.{name}" if name == "SWALR" else f"lr_scheduler.{name}"


class Run:
    """One library's optimizer and scheduler on their way; `seen` holds what the groups have after each step."""

    def __init__(self, case: Schedule, library: Any, parameter: Callable[[], Any], **more: Any) -> None:
        groups = [{"params": [parameter()]}, {"params": [parameter()], "lr": 0.03}]
        rates = {"lr": 0.1} if case.optimizer == "Adam" else {"lr": 0.1, "momentum": 0.5}
        self.case, self.optimizer = case, getattr(library, case.optimizer)(groups, **rates)
        for group, options in zip(self.optimizer.param_groups, more.pop("groups", [{}, {}]), strict=True):
            group.update(options)
        self.scheduler = case.make(library, self.optimizer, **more)
        self.seen = [self.now()]

    def to(self, step: int, first: int = 0) -> Run:
        for i in range(first, step):
            self.optimizer.step()
            self.scheduler.step(*([METRICS[i]] if self.case.name == "ReduceLROnPlateau" else []))
            self.seen.append(self.now())
        return self

    def at(self, epochs: tuple[int, ...]) -> Run:
        for epoch in epochs:
            self.scheduler.step(epoch)
            self.seen.append(self.now())
        return self

    def now(self) -> dict[str, Any]:
        epoch = getattr(self.scheduler, "last_epoch", None)
        return {"groups": self.groups(), "last": self.scheduler.get_last_lr(), "epoch": epoch}

    def groups(self) -> list[dict[str, Any]]:
        return deepcopy([{k: g[k] for k in WRITTEN if k in g} for g in self.optimizer.param_groups])

    def resumed(self, other: Run, through: Callable[[Any], Any] = deepcopy) -> Run:
        """Take over the state of another, and go on to the end."""
        for group, options in zip(self.optimizer.param_groups, other.groups(), strict=True):
            group.update(options)
        self.scheduler.load_state_dict(through(other.scheduler.state_dict()))
        self.seen = []
        return self.to(self.case.steps, HALF)


def verdict(case: Schedule | Average) -> dict[str, str]:
    """What differs, by column: "" where all is equal."""
    import torch

    if isinstance(case, Average):
        with double_precision():
            return dict.fromkeys(COLUMNS, "-") | case.verdict(torch, TOLERANCE)

    def ours(**more: Any) -> Run:
        return Run(case, optim, lambda: Tensor([1.0], requires_grad=True), **more)

    def theirs(**more: Any) -> Run:
        return Run(case, torch.optim, lambda: torch.ones(1, requires_grad=True), **more)

    found = dict.fromkeys(COLUMNS, "-") | {"signature": signature(path(case.name), torch)}
    a, b = ours().to(HALF), theirs().to(HALF)
    found["state"] = differs(a.scheduler.state_dict(), b.scheduler.state_dict())
    back, away = ours().resumed(b), theirs().resumed(a)
    again = ours().resumed(a, lambda state: json.loads(json.dumps(state)))
    a.to(case.steps, HALF)
    b.to(case.steps, HALF)
    found["path"] = differs(a.seen, b.seen)
    rest = b.seen[HALF + 1 :]
    found |= {"ours": differs(again.seen, a.seen[HALF + 1 :]), "from torch": differs(back.seen, rest)}
    found["to torch"] = differs(away.seen, rest)
    if "epoch" in inspect.signature(a.scheduler.step).parameters and case.name != "ReduceLROnPlateau":
        found["epochs"] = differs(ours().at(EPOCHS).seen, theirs().at(EPOCHS).seen)
    if "last_epoch" in inspect.signature(type(a.scheduler)).parameters and not case.parts:
        start = {"groups": theirs().to(4).groups(), "last_epoch": 4}
        found["last_epoch"] = differs(ours(**start).to(9, 5).seen, theirs(**start).to(9, 5).seen)
    return found | dict.fromkeys(case.unlike, "-")


def signature(name: str, torch: Any) -> str:
    own, expected = (
        [
            (p.name, p.kind, p.default)
            for p in inspect.signature(reduce(getattr, name.split("."), o)).parameters.values()
        ]
        for o in (optim, torch.optim)
    )
    return "" if own == expected else f"{own} for {expected}"


def differs(got: Any, expected: Any, place: str = "") -> str:
    """What is not equal in two nests: numbers within the tolerance, all else exactly."""
    if isinstance(expected, dict):
        if got.keys() != expected.keys():
            return f"{place}: {sorted(got)} for {sorted(expected)}"
        pairs = [(k, got[k], expected[k]) for k in expected if k != "_step_count"]
    elif isinstance(expected, (list, tuple)):
        if len(got) != len(expected):
            return f"{place}: {got} for {expected}"
        pairs = [(i, *pair) for i, pair in enumerate(zip(got, expected, strict=True))]
    elif isinstance(expected, (int, float)) and not isinstance(expected, bool):
        close = math.isclose(got, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 1e-3)
        return "" if close or got != got and expected != expected else f"{place}: {got!r} for {expected!r}"
    else:
        return "" if got == expected else f"{place}: {got!r} for {expected!r}"
    return next((text for k, x, y in pairs if (text := differs(x, y, f"{place}[{k!r}]"))), "")


def names() -> list[str]:
    from torch.optim import lr_scheduler, swa_utils

    return [name for name in [*lr_scheduler.__all__, *swa_utils.__all__] if name != "LRScheduler"]


class Falling:
    """A function with state of its own."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, x: float) -> float:
        return self.rate**x


def _half(x: float) -> float:
    return 1 / (1 + x)


def _text(value: Any) -> str:
    if isinstance(value, list) and any(map(callable, value)):
        return f"[{', '.join(map(_text, value))}]"
    return getattr(value, "__name__", type(value).__name__) if callable(value) else str(value)


def several(name: str, *options: Mapping[str, Any], **settings: Any) -> list[Schedule]:
    return [Schedule(name, some, **settings) for some in options]


CYCLE = {"base_lr": 0.01, "max_lr": 0.2}
ONE = {"max_lr": 0.2, "total_steps": 80}
WARM, DECAY = Schedule("LinearLR", {"total_iters": 6}), Schedule("ExponentialLR", {"gamma": 0.9})
COSINE = Schedule("CosineAnnealingLR", {"T_max": 9})
CHAIN = Schedule("ChainedScheduler", parts=(WARM, DECAY))
RESTARTS = Schedule("CosineAnnealingWarmRestarts", {"T_0": 6, "T_mult": 2})
SCHEDULES = [
    *several("LambdaLR", {"lr_lambda": _half}, {"lr_lambda": [_half, Falling(0.9)]}),
    *several("MultiplicativeLR", {"lr_lambda": _half}, {"lr_lambda": [Falling(0.99), Falling(0.98)]}),
    *several("StepLR", {"step_size": 7}, {"step_size": 1, "gamma": 0.95}, {"step_size": 50}),
    *several("MultiStepLR", {"milestones": [3, 30, 8, 8]}, {"milestones": (5,), "gamma": 0.3}, {"milestones": [0, 2]}),
    *several(
        "ConstantLR", {}, {"factor": 0.7, "total_iters": 20}, {"total_iters": 0}, {"factor": 0.0, "total_iters": 99}
    ),
    *several("LinearLR", {}, {"start_factor": 0.9, "end_factor": 0.1, "total_iters": 30}, {"total_iters": 1}),
    *several("ExponentialLR", {"gamma": 0.9}, {"gamma": 1.0}, {"gamma": 0.1}),
    *several("PolynomialLR", {}, {"total_iters": 60, "power": 2.0}, {"total_iters": 20, "power": 0.5}),
    *several("CosineAnnealingLR", {"T_max": 10}, {"T_max": 60, "eta_min": 0.001}, {"T_max": 7, "eta_min": 0.05}),
    *several("CosineAnnealingLR", {"T_max": 1}),
    *several("CosineAnnealingWarmRestarts", {"T_0": 7}, {"T_0": 6, "T_mult": 2, "eta_min": 0.01}),
    *several("CyclicLR", {**CYCLE}, {**CYCLE, "step_size_up": 4}, {**CYCLE, "step_size_up": 3, "step_size_down": 8}),
    *several(
        "CyclicLR", *({**CYCLE, "step_size_up": 5, "mode": m, "gamma": 0.9} for m in ("triangular2", "exp_range"))
    ),
    *several("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": [0.2, 0.1], "step_size_up": 6, "cycle_momentum": False}),
    *several(
        "CyclicLR",
        {**CYCLE, "step_size_up": 5, "scale_fn": _half},
        {**CYCLE, "step_size_up": 5, "scale_fn": Falling(0.8), "scale_mode": "iterations"},
        {**CYCLE, "step_size_up": 5, "base_momentum": 0.7, "max_momentum": 0.99},
        optimizer="Adam",
    ),
    *several("OneCycleLR", ONE, {**ONE, "anneal_strategy": "linear"}, {**ONE, "three_phase": True, "pct_start": 0.25}),
    *several("OneCycleLR", {"max_lr": [0.2, 0.3], "epochs": 8, "steps_per_epoch": 7, "div_factor": 10.0}),
    *several(
        "OneCycleLR", {**ONE, "final_div_factor": 100.0, "base_momentum": 0.7, "max_momentum": 0.9}, optimizer="Adam"
    ),
    *several("OneCycleLR", {**ONE, "total_steps": 50, "cycle_momentum": False}, steps=49),
    *several("ReduceLROnPlateau", {"patience": 2}, {"mode": "max", "patience": 3, "factor": 0.5, "cooldown": 2}),
    *several("ReduceLROnPlateau", {"patience": 1, "threshold": 0.01, "threshold_mode": "abs", "min_lr": [0.05, 0.001]}),
    *several("ReduceLROnPlateau", {"mode": "max", "patience": 1, "threshold_mode": "abs", "eps": 1e-3, "min_lr": 1e-3}),
    *several("SWALR", {"swa_lr": 0.05}, {"swa_lr": [0.2, 0.01], "anneal_epochs": 30, "anneal_strategy": "linear"}),
    *several("SWALR", {"swa_lr": 0.05, "anneal_epochs": 0}),
    Schedule("SequentialLR", {"milestones": [6]}, parts=(WARM, DECAY)),
    Schedule("SequentialLR", {"milestones": [6, 30]}, parts=(WARM, COSINE, Schedule("StepLR", {"step_size": 4}))),
    Schedule("SequentialLR", {"milestones": [5]}, parts=(Schedule("ConstantLR", {"factor": 0.1}), RESTARTS)),
    Schedule("SequentialLR", {"milestones": [20]}, parts=(RESTARTS, Schedule("PolynomialLR", {"total_iters": 9}))),
    Schedule("SequentialLR", {"milestones": [9]}, parts=(COSINE, Schedule("LambdaLR", {"lr_lambda": _half}))),
    Schedule("SequentialLR", {"milestones": [9]}, parts=(COSINE, Schedule("MultiplicativeLR", {"lr_lambda": _half}))),
    Schedule("SequentialLR", {"milestones": [9]}, parts=(COSINE, Schedule("SWALR", {"swa_lr": 0.01}))),
    Schedule("SequentialLR", {"milestones": [10]}, parts=(WARM, Schedule("OneCycleLR", ONE))),
    Schedule("SequentialLR", {"milestones": [0, 10]}, parts=(WARM, DECAY, COSINE)),
    Schedule("SequentialLR", {"milestones": []}, parts=(COSINE,)),
    CHAIN,
    Schedule(
        "ChainedScheduler", parts=(Schedule("ConstantLR"), COSINE, Schedule("MultiStepLR", {"milestones": [4, 30]}))
    ),
    Schedule("ChainedScheduler", parts=(Schedule("SequentialLR", {"milestones": [6]}, parts=(WARM, COSINE)), DECAY)),
]

SECTION = Section(COLUMNS, [*SCHEDULES, *AVERAGES], verdict, names)
