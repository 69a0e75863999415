from typing import Any

import numpy as np
import pytest

from pullback import nn


def test_layers_shapes_and_counts() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Sequential(nn.Flatten(), nn.Linear(16, 3, bias=False)))
    net[0].requires_grad_(False)
    summary = net.summary((1, 4, 4))
    assert [tuple(row) for row in summary.rows] == [
        ("0", "Conv2d", "(N, 4, 2, 2)", 40),
        ("1", "ReLU", "(N, 4, 2, 2)", 0),
        ("2.0", "Flatten", "(N, 16)", 0),
        ("2.1", "Linear", "(N, 3)", 48),
    ]
    assert (summary.total_parameters, summary.trainable_parameters) == (88, 48)
    assert str(summary) == repr(summary)
    assert str(summary) == "\n".join(
        [
            "layer  type     output shape  parameters",
            "----------------------------------------",
            "0      Conv2d   (N, 4, 2, 2)          40",
            "1      ReLU     (N, 4, 2, 2)           0",
            "2.0    Flatten  (N, 16)                0",
            "2.1    Linear   (N, 3)                48",
            "----------------------------------------",
            "parameters: 88, of them trainable: 48",
        ]
    )


def test_shared_uncalled_and_several_outputs() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(np.ones(3, np.float64))
            self.pool = nn.MaxPool1d(2, return_indices=True)
            self.first = nn.Linear(2, 2)
            self.second = nn.Linear(2, 2)
            self.second.weight = self.first.weight
            self.unused = nn.ReLU()

        def forward(self, x: Any) -> Any:
            assert x.dtype == np.float64
            return self.second(self.first(self.pool(x)[0]))

    summary = Odd().double().summary((1, 4))
    assert [tuple(row) for row in summary.rows] == [
        ("-", "Odd", "(N, 1, 2)", 3),
        ("pool", "MaxPool1d", "(N, 1, 2), (N, 1, 2)", 0),
        ("first", "Linear", "(N, 1, 2)", 6),
        ("second", "Linear", "(N, 1, 2)", 2),
        ("unused", "ReLU", "not called", 0),
    ]
    assert summary.total_parameters == 11


@pytest.mark.parametrize("shape", [(4,), (5,)])
def test_modes_and_hooks_are_as_before_even_after_an_error(shape: tuple[int, ...]) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))
    net[2].eval()
    before = [m.training for m in net.modules()]
    nn.manual_seed(3)
    if shape == (5,):
        with pytest.raises(ValueError, match="Linear expected"):
            net.summary(shape)
    else:
        net.summary(shape)
    assert [m.training for m in net.modules()] == before == [True, True, True, False, False, False]
    assert not any(m._forward_hooks for m in net.modules())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert nn.init.generator().random() == np.random.default_rng(3).random()
    assert net(np.ones((1, 4), np.float32)).requires_grad
