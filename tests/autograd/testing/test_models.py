"""Checks of modules, losses and optimizers pass right ones, and fail each that does one thing wrong."""

import numpy as np
import pytest

from pullback import Tensor, nn, no_grad, optim, override, relu
from pullback.testing import GradcheckError, check_loss, check_module, check_optimizer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 2, 5, 5))
LOGITS, CLASSES = RNG.normal(size=(3, 4)), np.array([0, 3, 1])


@pytest.mark.parametrize(
    "module, x",
    [
        (nn.Linear(5, 3), X),
        (nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), X),
        (nn.ConvTranspose2d(2, 3, 2, stride=2), X[:1]),
        (nn.Sequential(nn.Conv2d(2, 2, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)), X),
        (nn.Softmax(dim=1), X[:1]),
        (nn.Identity(), X[:1]),
        (nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5), nn.Tanh()), X[:1]),
    ],
    ids=lambda v: type(v).__name__,
)
def test_right_modules_pass(module, x):
    before = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    assert check_module(module, x) and check_module(module, Tensor(x))
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    assert all(p.grad is None and p.dtype == np.float32 for p in module.parameters())


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(np.full(2, 0.5, np.float32))


class Detached(Scale):
    def forward(self, x):
        return x * self.scale.detach()


class Doubled(Scale):
    def forward(self, x):
        return x * self.scale * np.ones(2)


class Writing(Scale):
    def forward(self, x):
        with no_grad():
            self.scale *= 1
            self.scale += 1e-3
        return x * self.scale


class Random(Scale):
    def forward(self, x):
        return x * self.scale + np.random.default_rng().normal()


class WrongInTraining(Scale):
    def forward(self, x):
        return x * (self.scale.detach() if self.training else self.scale)


class Forgetful(Scale):
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class ForgetfulScale(Forgetful):
    def forward(self, x):
        return x * self.scale


@pytest.mark.parametrize(
    "module, words",
    [
        (Detached(), "Detached, training, argument scale: "),
        (Doubled(), "float64 for float32"),
        (Writing(), "Writing, training: .*scale is changed"),
        (Random(), r"two calls with the same inputs differ; .* nn.init.generator\(\)"),
        (WrongInTraining(), "WrongInTraining, training, argument scale: .*check_module"),
        (nn.Sequential(nn.Dropout(0.5), WrongInTraining()), r"Sequential, training, argument 1\.scale"),
        (ForgetfulScale(), "another result after load_state_dict"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_wrong_modules_fail(module, words):
    nn.manual_seed(0)  # by which dropout leaves something
    with pytest.raises(GradcheckError, match=f"(?s){words}"):
        check_module(module, np.array([[1.0, 2.0], [0.5, -1.0]]))


def test_a_module_with_a_wrong_rule():
    with override(relu, "x", lambda g: g), pytest.raises(GradcheckError, match="Sequential, training"):
        check_module(nn.Sequential(nn.ReLU()), X)


def test_losses():
    assert check_loss(nn.MSELoss(), (LOGITS, LOGITS + 1))
    assert check_loss(nn.CrossEntropyLoss(label_smoothing=0.1), (LOGITS, CLASSES))
    assert check_loss(nn.functional.cross_entropy, (LOGITS, CLASSES))
    assert check_loss(lambda x, y: ((x - y) ** 4).mean(), (LOGITS, LOGITS[::-1]))
    with pytest.raises(GradcheckError, match=r"MSELoss: a loss is one number, not \(3, 4\)"):
        check_loss(nn.MSELoss(reduction="none"), (LOGITS, LOGITS))
    with pytest.raises(GradcheckError, match="wrong gradient"):
        check_loss(lambda x, y: ((x - y.detach()) ** 2).mean(), (LOGITS, LOGITS + 1))


def momentum(p, g, state):
    state["v"] = 0.9 * state["v"] + g if "v" in state else g
    return p - 0.05 * state["v"]


def test_right_optimizers_pass():
    for options in ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1}):
        assert check_optimizer(lambda params, o=options: optim.SGD(params, lr=0.05, **o))
    assert check_optimizer(lambda params: optim.SGD(params, lr=0.05, momentum=0.9), reference=momentum)


def test_a_step_beside_a_reference():
    with pytest.raises(GradcheckError, match="SGD: after step 2 a matrix is .* by the reference"):
        check_optimizer(lambda params: optim.SGD(params, lr=0.05, momentum=0.8), reference=momentum)


class Plain(optim.SGD):
    """Steps of its own: p - lr * g, after `change` has had its way."""

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.change(p)

    def change(self, p):
        p.data = p.data - 0.1 * p.grad.numpy()


class Ascending(Plain):
    def change(self, p):
        p.data = p.data + 0.1 * p.grad.numpy()


class Noisy(Plain):
    def change(self, p):
        p.data = p.data - 0.1 * p.grad.numpy() * (1 + 1e-9 * np.random.default_rng().uniform())


class ScalingGradients(Plain):
    def change(self, p):
        g = p.grad.numpy()
        if g.ndim:
            g *= 0.1
        p.data = p.data - g


class InPlace(Plain):
    def change(self, p):
        if p.ndim:
            p.numpy()[...] -= 0.1 * p.grad.numpy()
        else:
            super().change(p)


class Widening(Plain):
    def change(self, p):
        p.data = p.data - np.full(p.shape, 0.1) * p.grad.numpy()


class Clipping(Plain):
    def step(self, closure=None):
        params = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        size = np.sqrt(sum(np.sum(p.grad.numpy() ** 2) for p in params))
        for p in params:
            p.data = p.data - 0.1 * p.grad.numpy() / max(size, 1)


class Decaying(Plain):
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = 0.9 * p.data


class Counting(Plain):
    """A rate that falls with the number of steps, which is not saved."""

    count = 0

    def step(self, closure=None):
        self.count += 1
        super().step()

    def change(self, p):
        p.data = p.data - 0.1 / self.count * p.grad.numpy()


class SharingItsState(optim.SGD):
    def state_dict(self):
        return {
            **super().state_dict(),
            "state": {i: self.state[p] for i, p in enumerate(self.param_groups[0]["params"])},
        }


@pytest.mark.parametrize(
    "make, words",
    [
        (Ascending, "the loss went from"),
        (lambda params: optim.SGD(params, lr=0.0), "the loss went from"),
        (Noisy, "a second run goes another way"),
        (ScalingGradients, "writes into the gradient of a matrix"),
        (InPlace, "writes into the old values of a matrix"),
        (Widening, "no longer a leaf of float32"),
        (Clipping, "a matrix alone goes another way"),
        (Decaying, "a parameter without a gradient is changed"),
        (Counting, "an optimizer that has loaded the state goes another way"),
        (lambda params: SharingItsState(params, lr=0.05, momentum=0.9), "loaded the state goes another way"),
    ],
)
def test_wrong_optimizers_fail(make, words):
    with pytest.raises(GradcheckError, match=words):
        check_optimizer(make)


def test_optimizers_that_look_at_all_parameters_at_once():
    assert check_optimizer(Plain) and check_optimizer(Clipping, independent=False)
