"""Optimizers whose state is shared out over processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from ...autograd import Tensor, enable_grad
from ...extend import Communicator, world
from ..hooks import StateDict
from ..optimizer import Optimizer, Params

__all__ = ["ZeroRedundancyOptimizer"]

Result = TypeVar("Result")


class ZeroRedundancyOptimizer(Optimizer):
    """An optimizer of the class `optimizer_class` that keeps the state of a share of the parameters alone (ZeRO 1).

    Each process moves its share, and all get the moved parameters from it; the shares are of about one size. Gradients
    are the same in all processes, as `DistributedDataParallel` leaves them. `params`, options, `param_groups` and hooks
    are those of the class; `process_group` is the communicator (None: `world()`).

    `state_dict` is that of the class, of all parameters: `consolidate_state_dict`, which all processes call, brings it
    together before. ValueError for a class that looks at all parameters at once, such as LBFGS.
    Source: Rajbhandari et al., ZeRO: memory optimizations toward training trillion parameter models, 2020.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(2, 1)
    >>> optimizer = ZeroRedundancyOptimizer(model.parameters(), optim.Adam, lr=0.01)
    """

    def __init__(
        self,
        params: Params,
        optimizer_class: Callable[..., Optimizer],
        process_group: Communicator | None = None,
        **defaults: Any,
    ) -> None:
        self.process_group = world() if process_group is None else process_group
        self._whole: StateDict | None = None
        self.optim: Optimizer | None = None  # of this process's share
        prototype = optimizer_class(params := _listed(params), **defaults)
        if prototype.needs_closure:
            raise ValueError(
                f"ZeroRedundancyOptimizer: {type(prototype).__name__} looks at all parameters at once; its state "
                "cannot be shared out"
            )
        self._make = optimizer_class
        super().__init__(params, prototype.defaults)
        self._share()

    @property
    def _name(self) -> str:
        return f"ZeroRedundancyOptimizer of {getattr(self._make, '__name__', self._make)}"

    def _share(self) -> None:
        """Deal the parameters out, the largest first, each to the process that has least; make the own optimizer."""
        order = [p for group in self.param_groups for p in group["params"]]
        loads = np.zeros(self.process_group.size)
        self._owner: dict[Tensor, int] = {}
        for i in sorted(range(len(order)), key=lambda i: -order[i].size):
            self._owner[order[i]] = owner = int(loads.argmin())
            loads[owner] += order[i].size
        if any(self._owner[p] == self.process_group.rank for p in order):
            self.optim = self._make([{**group, "params": self._own(group)} for group in self.param_groups])

    def _own(self, group: Mapping[str, Any]) -> list[Tensor]:
        return [p for p in group["params"] if self._owner[p] == self.process_group.rank]

    def add_param_group(self, group: Mapping[str, object]) -> None:
        """Optimize more parameters, see `Optimizer`; ValueError once the first ones are shared out."""
        if hasattr(self, "_owner"):
            raise ValueError(f"{self._name}: all groups are given at first, since they are shared out then")
        super().add_param_group(group)

    def step(self, closure: Callable[[], Result] | None = None) -> Result | None:
        """Move every parameter that has a gradient, in all processes; returns what `closure`, called first, gives."""
        loss: Result | None = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._whole = None
        if self.optim is not None:
            for own, group in zip(self.optim.param_groups, self.param_groups, strict=True):
                own.update({k: v for k, v in group.items() if k != "params"})
            self.optim.step()
        if self.process_group.size > 1:
            self._exchange()
        return loss

    def _exchange(self) -> None:
        """Give each parameter that was moved to all, those of one owner and dtype together."""
        moved: dict[tuple[int, Any], list[Tensor]] = defaultdict(list)
        for p, owner in self._owner.items():
            if p.grad is not None:
                moved[owner, p.dtype].append(p)
        for (owner, _), tensors in moved.items():
            flat = self.process_group.broadcast(np.concatenate([p._held.reshape(-1) for p in tensors]), owner)
            if owner != self.process_group.rank:
                for p, part in zip(tensors, np.split(flat, np.cumsum([p.size for p in tensors])[:-1]), strict=True):
                    p.data = part.reshape(p.shape)

    def consolidate_state_dict(self, to: int | None = 0) -> None:
        """Bring all parameters' state together in process `to`, or in all (None); all processes call it."""
        own = {} if self.optim is None else self.optim.state_dict()["state"]
        numbers = [i for i, p in enumerate(self._order()) if self._owner[p] == self.process_group.rank]
        gathered = self.process_group.allgather({numbers[i]: kept for i, kept in own.items()})
        if to is None or to == self.process_group.rank:
            groups = super().state_dict()["param_groups"]
            merged = {i: kept for state in gathered for i, kept in state.items()}
            self._whole = {"state": dict(sorted(merged.items())), "param_groups": groups}

    def _order(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def state_dict(self) -> StateDict:
        """Return the state that was brought together; RuntimeError where none was since the last step."""
        if self._whole is None and self.process_group.size > 1:
            raise RuntimeError(
                f"{self._name}: the state is shared out over {self.process_group.size} processes; call "
                "consolidate_state_dict(to=rank) in all of them first"
            )
        if self._whole is None:
            self.consolidate_state_dict()
        whole: Any = self._whole
        self._whole = None
        return whole

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Take over a state of all parameters, of which each process keeps its share."""
        whole: StateDict = dict(state_dict)
        super().load_state_dict({**whole, "state": {}})
        if self.optim is None:
            return
        numbers = [i for i, p in enumerate(self._order()) if self._owner[p] == self.process_group.rank]
        own = {n: whole["state"][i] for n, i in enumerate(numbers) if i in whole["state"]}
        groups, start = [], 0
        for group, mine in zip(whole["param_groups"], self.optim.param_groups, strict=True):
            count = len(mine["params"])
            groups.append({**group, "params": list(range(start, start + count))})
            start += count
        self.optim.load_state_dict({"state": own, "param_groups": groups})


def _listed(params: Any) -> Any:
    """Parameters, or groups of them, as they can be gone through twice."""
    if isinstance(params, Iterator):
        params = list(params)
    if not isinstance(params, list):
        return params
    return [{**p, "params": _listed(p["params"])} if isinstance(p, dict) and "params" in p else p for p in params]
