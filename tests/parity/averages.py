"""Averages of weights beside PyTorch's: a small model whose weights are drawn anew for each update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pullback import Tensor, nn, optim

UPDATES = 12


@dataclass(frozen=True)
class Average:
    """What is averaged by: a function of swa_utils, called with `given`, as an option of AveragedModel."""

    name: str
    given: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}({', '.join([*map(str, self.given), *(f'{k}={v}' for k, v in self.options.items())])})"

    def verdict(self, torch: Any, tolerance: float) -> dict[str, str]:
        own, other = self.averaged(nn, optim, Tensor), self.averaged(torch.nn, torch.optim, torch.tensor)
        found = {"path": _differs(own, other, tolerance)}
        if self.name == "AveragedModel":
            own_state = {k: v.numpy() for k, v in own.state_dict().items()}
            other_state = {k: v.numpy() for k, v in other.state_dict().items()}
            kinds = [[(k, v.shape, v.dtype) for k, v in state.items()] for state in (own_state, other_state)]
            found["state"] = "" if kinds[0] == kinds[1] else f"{kinds[0]} for {kinds[1]}"
            back, away = self.made(nn, optim)[1], self.made(torch.nn, torch.optim)[1]
            back.load_state_dict(other_state)
            away.load_state_dict({k: torch.tensor(v) for k, v in own_state.items()})
            found |= {"from torch": _differs(back, other, tolerance), "to torch": _differs(own, away, tolerance)}
        return found

    def made(self, nn: Any, optim: Any) -> tuple[Any, Any]:
        """The model and its average, in float64."""
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
        options = dict(self.options)
        if self.name.startswith("get"):
            kind = "multi_avg_fn" if "multi" in self.name else "avg_fn"
            options[kind] = getattr(optim.swa_utils, self.name)(*self.given)
        return model, optim.swa_utils.AveragedModel(model, **options)

    def averaged(self, nn: Any, optim: Any, tensor: Any) -> Any:
        model, average = self.made(nn, optim)
        rng = np.random.default_rng(0)
        for _ in range(UPDATES):
            for p in model.parameters():
                p.data = tensor(rng.normal(size=tuple(p.shape))).data
            model(tensor(rng.normal(size=(5, 3))))
            average.update_parameters(model)
        if self.name == "update_bn":
            loader = [tensor(rng.normal(size=(5, 3))) for _ in range(3)]
            optim.swa_utils.update_bn(loader, average)
            optim.swa_utils.update_bn(iter([[x, 0] for x in loader]), average)
        return average


def _differs(own: Any, other: Any, tolerance: float) -> str:
    state, expected = own.state_dict(), other.state_dict()
    if list(state) != list(expected):
        return f"{list(state)} for {list(expected)}"
    for k, v in expected.items():
        if not np.allclose(state[k].numpy(), v.numpy(), rtol=tolerance, atol=tolerance):
            return f"{k} is {state[k].tolist()} for {v.tolist()}"
    return ""


BUFFERS = {"use_buffers": True}
AVERAGES = [
    Average("AveragedModel"),
    Average("AveragedModel", options=BUFFERS),
    *(Average(f"get_ema{kind}_avg_fn", (decay,)) for kind in ("", "_multi") for decay in (0.999, 0.3, 0.0, 1.0)),
    *(Average(f"get_ema{kind}_avg_fn", (0.7,), BUFFERS) for kind in ("", "_multi")),
    *(Average(f"get_swa{kind}_avg_fn") for kind in ("", "_multi")),
    Average("get_swa_avg_fn", options=BUFFERS),
    Average("update_bn"),
]
