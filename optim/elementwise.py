"""Optimizers that move each entry by itself: one formula for all parameters of a group at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..extend import Array, fused_each, writable
from .optimizer import Due, Group, Optimizer, State, put, reals

__all__ = ["Elementwise", "directed"]

Numbers = dict[str, Any]


class Elementwise(Optimizer):
    """An optimizer with a `_formula(p, *kept, g, **numbers)` for its parameters' entries, as `fused_each` takes it.

    It gives p and what is kept of it anew; numbers may differ from parameter to parameter as far as `_advance` tells.
    """

    _formula: Callable[..., Any]
    counters: tuple[str, ...] = ("step",)

    def _begin(self, name: str, data: Array, group: Group) -> Array:
        """What is kept of a parameter by this name before its first step."""
        return np.zeros_like(data)

    def _advance(self, state: State, group: Group) -> Hashable:
        """Count a step in a parameter's state; returns all that the numbers depend on besides the group's options."""
        state["step"] = step = state.get("step", 0) + 1
        return step

    def _numbers(self, step: Any, group: Group) -> Numbers:
        """The formula's numbers at what `_advance` gave."""
        raise NotImplementedError(f"{self._name} has no numbers")

    def _move(self, due: Due, group: Group) -> None:
        names, sets, moved = self._kept(group), dict[Hashable, list[list[Array]]](), []
        for p, gradient, state in due:
            key = self._advance(state, group)
            data = array = writable(p)
            if self.single and array.dtype == np.float16:
                data, gradient = array.astype(np.float32), gradient.astype(np.float32)
            arrays = [data]
            for name in names:
                if (kept := state.get(name)) is None:
                    state[name] = kept = self._begin(name, data, group)
                arrays.append(kept)
            arrays.append(gradient)
            if data.dtype.kind == "c":
                arrays = reals(arrays)
            if p._view is None is p._views:
                sets.setdefault(key, []).append(arrays)
                if data is not array or not data.ndim:
                    moved.append((p, array, data))
            else:  # it shares memory with others, which may be parameters, too
                self._run({key: [arrays]}, group)
                put(p, array, data)
        self._run(sets, group)
        for p, array, data in moved:
            put(p, array, data)

    def _run(self, sets: dict[Hashable, list[list[Array]]], group: Group) -> None:
        for key, alike in sets.items():
            numbers = {k: v if isinstance(v, bool) else float(v) for k, v in self._numbers(key, group).items()}
            fused_each(self._formula, len(alike[0]) - 1, alike, **numbers)


def directed(p: Any, g: Any, decay: Any, kept: Any, decays: bool, decoupled: bool, maximize: bool) -> tuple[Any, Any]:
    """The parameter and the gradient as formulas begin with them: negated to `maximize`, and with weight decay."""
    if maximize:
        g = -g
    if decays and decoupled:
        p *= kept
    elif decays:
        g = g + decay * p
    return p, g


def directions(group: Group, decoupled: bool = False) -> Numbers:
    """The numbers for `directed`."""
    decay = group["weight_decay"]
    flags = {"decays": decay != 0, "decoupled": decoupled, "maximize": bool(group["maximize"])}
    return {"decay": decay, "kept": 1.0 - group["lr"] * decay, **flags}
