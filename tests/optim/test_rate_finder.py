import numpy as np
import pytest

from pullback import nn
from pullback.nn.data import DataLoader, TensorDataset
from pullback.optim import SGD, Adam, lr_finder

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 1))
Y = 3 * X


def linear(start=0.0):
    model = nn.Linear(1, 1, bias=False).to(np.float64)
    model.weight.data[...] = start
    return model


def test_rates_and_losses_of_a_parabola():
    """Of one batch with the mean m of x^2 the loss is m (w - 3)^2, and a step at rate r takes w - 3 to (1 - 2 r m)."""
    model = linear()
    found = lr_finder(model, nn.MSELoss(), SGD(model.parameters(), lr=0.5), (X, Y), min_lr=1e-3, max_lr=99, steps=30)
    m, away = (X**2).mean(), -3.0
    losses, average, smoothed = [], 0.0, []
    for step, rate in enumerate(np.geomspace(1e-3, 99, 30), start=1):
        losses.append(m * away**2)
        average = 0.9 * average + 0.1 * losses[-1]
        smoothed.append(average / (1 - 0.9**step))
        if smoothed[-1] > 4 * min(smoothed):
            break
        away *= 1 - 2 * rate * m
    assert len(losses) < 30  # it diverges at 1 / m
    np.testing.assert_allclose(found.losses, losses, rtol=1e-9)
    np.testing.assert_allclose(found.smoothed, smoothed, rtol=1e-9)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-3, 99, 30)[: len(losses)], rtol=1e-12)
    slopes = np.gradient(smoothed, np.log(found.rates))
    assert found.suggestion == found.rates[np.argmin(slopes)] < 1 / m


def test_all_is_as_it_was():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    model[2].eval()
    optimizer = Adam(model.parameters(), lr=0.25)
    x = X.astype(np.float32)
    nn.MSELoss()(model(x), x).backward()
    optimizer.step()
    before = [np.array(value) for value in model.state_dict().values()]
    gradients = [p.grad.numpy().copy() for p in model.parameters()]
    moments, random = optimizer.state_dict(), nn.init.generator().bit_generator.state
    found = lr_finder(model, nn.MSELoss(), optimizer, (x, x), steps=20, batch_size=16)
    assert len(found.rates) > 3
    for one, two in zip(model.state_dict().values(), before, strict=True):
        assert np.array(one).tobytes() == two.tobytes()
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        assert p.grad.numpy().tobytes() == gradient.tobytes()
    after = optimizer.state_dict()
    assert after["param_groups"] == moments["param_groups"] and after["param_groups"][0]["lr"] == 0.25
    for i, state in moments["state"].items():
        assert all(np.array_equal(after["state"][i][name], value) for name, value in state.items())
    assert nn.init.generator().bit_generator.state == random
    assert [module.training for module in model] == [True, True, False, True]


def test_rates_that_are_too_large():
    """Losses end where they are no numbers, or diverge, and there is a suggestion nonetheless."""
    model = linear()
    found = lr_finder(
        model, nn.MSELoss(), SGD(model.parameters(), lr=0.5), DataLoader(TensorDataset(X, Y), 64, dtype=None),
        min_lr=1e-2, max_lr=1e150, steps=30, divergence=np.inf,
    )  # fmt: skip
    assert 3 < len(found.rates) < 30 and np.isfinite(found.losses).all() and 1e-2 <= found.suggestion < 1
    assert model.weight.item() == 0


def test_a_loss_that_falls_nowhere():
    model = linear(3.0)
    found = lr_finder(model, nn.MSELoss(), SGD(model.parameters(), lr=0.5), (X, Y), steps=10)
    assert found.suggestion is None and found.losses == [0.0] * 10


@pytest.mark.parametrize(
    "options", [{"min_lr": 0.0}, {"min_lr": 1.0, "max_lr": 0.1}, {"steps": 2}, {"smoothing": 1.0}, {"divergence": 1.0}]
)
def test_options_that_make_no_sense(options):
    model = linear()
    with pytest.raises(ValueError, match="lr_finder: needs"):
        lr_finder(model, nn.MSELoss(), SGD(model.parameters(), lr=0.5), (X, Y), **options)
