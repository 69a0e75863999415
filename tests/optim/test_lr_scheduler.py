"""Schedulers beside formulas that give each rate at once; `tests/parity` compares them with PyTorch's."""

import json
import math
import warnings
from copy import deepcopy

import numpy as np
import pytest

from pullback import Tensor, optim
from pullback.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from pullback.optim.swa_utils import SWALR

BASES = (0.1, 0.03)


class Groups:
    """All that a scheduler needs of an optimizer."""

    def __init__(self, *rates, **options):
        self.param_groups = [{"params": [], "lr": rate, **options} for rate in rates or BASES]

    def rates(self):
        return [group["lr"] for group in self.param_groups]


class Power:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


def half(x):
    return 1 / (1 + x)


def cosine(t, total):
    return (1 + math.cos(math.pi * t / total)) / 2


def restarted(t, length, times):
    while t >= length:
        t, length = t - length, length * times
    return cosine(t, length)


FACTORS = {  # what makes a scheduler, and the rate of each epoch as a share of the initial one
    "Lambda": (lambda o: LambdaLR(o, half), half),
    "Multiplicative": (lambda o: MultiplicativeLR(o, lambda t: 1 / (2 + t)), lambda t: 2 / math.factorial(t + 2)),
    "Step": (lambda o: StepLR(o, 7, gamma=0.5), lambda t: 0.5 ** (t // 7)),
    "MultiStep": (lambda o: MultiStepLR(o, [30, 8, 8], 0.5), lambda t: 0.5 ** (2 * (t >= 8) + (t >= 30))),
    "Constant": (lambda o: ConstantLR(o, 0.25, total_iters=9), lambda t: 0.25 if t < 9 else 1),
    "Linear": (lambda o: LinearLR(o, 0.5, 0.1, 20), lambda t: np.interp(t, [0, 20], [0.5, 0.1])),
    "Linear by default": (LinearLR, lambda t: np.interp(t, [0, 5], [1 / 3, 1])),
    "Exponential": (lambda o: ExponentialLR(o, 0.9), lambda t: 0.9**t),
    "Polynomial": (lambda o: PolynomialLR(o, 40, 1.5), lambda t: max(0, 1 - t / 40) ** 1.5),
    "Cosine": (lambda o: CosineAnnealingLR(o, 9), lambda t: cosine(t, 9)),
    "Restarts": (lambda o: CosineAnnealingWarmRestarts(o, 6), lambda t: cosine(t % 6, 6)),
    "Longer restarts": (lambda o: CosineAnnealingWarmRestarts(o, 3, 2), lambda t: restarted(t, 3, 2)),
}
WITHOUT_CLOSED_FORM = {"Multiplicative"}


def walk(scheduler, steps=50):
    """The rates of all groups, first as constructed and then after each step."""
    rates = [[group["lr"] for group in scheduler.optimizer.param_groups]]
    for _ in range(steps):
        scheduler.step()
        rates.append([group["lr"] for group in scheduler.optimizer.param_groups])
        assert scheduler.get_last_lr() == rates[-1]
    return np.array(rates)


def near(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("kind", FACTORS)
def test_each_rate_is_the_formulas(kind):
    make, share = FACTORS[kind]
    near(walk(make(Groups())), [[base * share(t) for base in BASES] for t in range(51)])


@pytest.mark.parametrize("kind", [kind for kind in FACTORS if kind not in WITHOUT_CLOSED_FORM])
def test_any_epoch_by_the_closed_form(kind):
    make, share = FACTORS[kind]
    scheduler = make(Groups())
    for epoch in (31, 2, 49, 0, 9):
        scheduler.step(epoch)
        near(scheduler.get_last_lr(), [base * share(epoch) for base in BASES])
        assert scheduler.last_epoch == epoch


def test_the_least_rate_of_cosines():
    for make in (CosineAnnealingLR, CosineAnnealingWarmRestarts):
        rates = walk(make(Groups(), 8, eta_min=0.01), 7)
        near(rates, [[0.01 + (base - 0.01) * cosine(t, 8) for base in BASES] for t in range(8)])


def test_restarts_take_fractions_of_epochs():
    scheduler = CosineAnnealingWarmRestarts(Groups(1.0), T_0=2, T_mult=3)
    for epoch in np.arange(0, 26, 0.25):
        scheduler.step(epoch)
        near(scheduler.get_last_lr(), [restarted(epoch, 2, 3)])
        assert scheduler.last_epoch == math.floor(epoch)


# Cycles, and the momentum


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range", "cycle", "iterations"])
@pytest.mark.parametrize("adam", [False, True])
def test_cycles(mode, adam):
    groups = Groups(**({"betas": (0.5, 0.7)} if adam else {"momentum": 0.5}))
    heights = {
        "triangular": lambda t: 1,
        "triangular2": lambda t: 0.5 ** (t // 11),
        "exp_range": lambda t: 0.9**t,
        "cycle": lambda t: half(1 + t // 11),
        "iterations": half,
    }
    own = {"scale_fn": half, "scale_mode": mode} if mode in ("cycle", "iterations") else {"mode": mode, "gamma": 0.9}
    scheduler = CyclicLR(groups, 0.1, [0.5, 0.9], 4, 7, **own)
    for t in range(50):
        height = np.interp(t % 11, [0, 4, 11], [0, 1, 0]) * heights[mode](t)
        near(groups.rates(), [0.1 + 0.4 * height, 0.1 + 0.8 * height])
        for group in groups.param_groups:
            near(group["betas"] if adam else group["momentum"], (0.9 - 0.1 * height, *[0.7] * adam))
        scheduler.step()


def test_cycles_after_another_scheduler():
    groups = Groups(7.0)
    StepLR(groups, 2)
    scheduler = CyclicLR(groups, 1.0, 3.0, 4, cycle_momentum=False)
    assert walk(scheduler, 4).ravel()[1:].tolist() == [1.5, 2.0, 2.5, 3.0]


@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize("strategy", ["linear", "cos"])
def test_one_cycle(strategy, three):
    groups = Groups(momentum=0.5)
    options = {"pct_start": 0.25, "anneal_strategy": strategy, "three_phase": three}
    scheduler = OneCycleLR(groups, [2.0, 1.0], 40, **options, div_factor=10, final_div_factor=100)
    times = [0, 9, 18, 39] if three else [0, 9, 39]
    rates = [0.2, 2, 0.2, 0.002] if three else [0.2, 2, 0.002]
    momentums = [0.95, 0.85, 0.95, 0.95] if three else [0.95, 0.85, 0.95]

    def at(t, values):
        i = min(np.searchsorted(times, t, side="right") - 1, len(times) - 2)
        part = (t - times[i]) / (times[i + 1] - times[i])
        part = part if strategy == "linear" else 1 - cosine(part, 1)
        return values[i] + (values[i + 1] - values[i]) * part

    for t in range(40):
        near(groups.rates(), [at(t, rates), at(t, rates) / 2])
        near(groups.param_groups[1]["momentum"], at(t, momentums))
        scheduler.step()
    near(groups.rates(), [0.002, 0.001])  # PyTorch goes on along the curve, and may come to negative rates
    with pytest.raises(ValueError, match="OneCycleLR: step 41 of a schedule of total_steps=40"):
        scheduler.step()


def test_one_cycle_that_begins_with_its_highest_rate():
    near(walk(OneCycleLR(Groups(1.0), 1.0, 10, pct_start=0.1, cycle_momentum=False), 1)[0], [1.0])  # 0 / 0 in PyTorch


def test_swalr():
    rates = walk(SWALR(Groups(), [0.5, 0.01], anneal_epochs=8, anneal_strategy="linear"), 20)
    near(rates, [[np.interp(t, [0, 8], ends) for ends in ((0.1, 0.5), (0.03, 0.01))] for t in range(21)])
    rates = walk(SWALR(Groups(), 0.5, anneal_epochs=8), 20)
    near(rates, [[0.5 + (base - 0.5) * cosine(min(t, 8), 8) for base in BASES] for t in range(21)])
    assert walk(SWALR(Groups(), 0.5, anneal_epochs=0), 2).tolist() == [[0.5, 0.5]] * 3


# By a metric


@pytest.mark.parametrize(
    ("options", "metrics", "rates"),
    [
        ({"patience": 1}, [3, 2, 2, 2, 2, 2, 1], [8, 8, 8, 4, 4, 2, 2]),
        ({"patience": 0, "mode": "max"}, [1, 2, 2, 3, 2], [8, 8, 4, 4, 2]),
        ({"patience": 0, "cooldown": 2}, [1] * 7, [8, 4, 4, 4, 2, 2, 2]),
        ({"patience": 0, "threshold": 0.5}, [8, 5, 3.5, 2], [8, 4, 4, 2]),
        ({"patience": 0, "threshold": 1, "threshold_mode": "abs"}, [8, 7, 6.9], [8, 4, 4]),
        ({"patience": 0, "threshold": 0.5, "mode": "max"}, [2, 3, 3.1], [8, 4, 4]),
        ({"patience": 0, "threshold": 1, "threshold_mode": "abs", "mode": "max"}, [2, 3, 3.1], [8, 4, 4]),
        ({"patience": 0, "min_lr": 3}, [1] * 4, [8, 4, 3, 3]),
        ({"patience": 0, "eps": 3}, [1] * 4, [8, 4, 4, 4]),
        ({"patience": 1}, [1, math.nan, math.nan, 0.5], [8, 8, 4, 4]),
    ],
    ids=str,
)
def test_plateaus(options, metrics, rates):
    scheduler = ReduceLROnPlateau(Groups(8.0), factor=0.5, **options)
    seen = []
    for metric in metrics:
        scheduler.step(Tensor(metric))
        seen += scheduler.get_last_lr()
    assert seen == rates and scheduler.last_epoch == len(metrics)


def test_plateaus_of_more_groups_than_there_were():
    for low, error in ((0.5, None), ([0.5, 0.5], ValueError)):
        groups = Groups(1.0, 1.0)
        scheduler = ReduceLROnPlateau(groups, factor=0.1, patience=0, min_lr=low)
        groups.param_groups.append({"lr": 2.0})
        scheduler.step(1)
        if error is None:
            scheduler.step(1)
            assert groups.rates() == [0.5, 0.5, 0.5]
        else:
            with pytest.raises(error, match="2 values of min_lr for 3 parameter groups"):
                scheduler.step(1)


# Several


def test_a_chain_multiplies():
    groups = Groups()
    parts = [ConstantLR(groups, 0.5, 9), MultiStepLR(groups, [4, 30], 0.1), CosineAnnealingLR(groups, 60)]
    shares = [(0.5 if t < 9 else 1) * 0.1 ** ((t >= 4) + (t >= 30)) * cosine(t, 60) for t in range(51)]
    near(walk(ChainedScheduler(parts)), [[base * share for base in BASES] for share in shares])


def test_a_sequence_takes_one_after_another():
    groups = Groups()
    parts = [LinearLR(groups, 0.5, 1, 5), ExponentialLR(groups, 0.9), CosineAnnealingWarmRestarts(groups, 6)]
    shares = [*(0.5 + t / 10 for t in range(5)), *(0.9**t for t in range(25)), *(cosine(t % 6, 6) for t in range(21))]
    near(walk(SequentialLR(groups, parts, [5, 30])), [[base * share for base in BASES] for share in shares])


@pytest.mark.parametrize("first", [True, False])
def test_chains_and_sequences_in_sequences(first):
    groups = Groups()
    chain = ChainedScheduler([ConstantLR(groups, 0.5, 3), ExponentialLR(groups, 0.9)])
    inner = SequentialLR(groups, [LinearLR(groups, 0.5, 1, 4), StepLR(groups, 2, 0.1)], [4])
    alone = PolynomialLR(groups, 9)
    pieces = [
        (chain, 5, lambda t: (0.5 if t < 3 else 1) * 0.9**t),
        (inner, 9, lambda t: 0.5 + t / 8 if t < 4 else 0.1 ** ((t - 4) // 2)),
        (SequentialLR(groups, [alone], []), 7, lambda t: 1 - t / 9),
    ]
    pieces = pieces if first else pieces[::-1]
    shares = [share(t) for _, length, share in pieces for t in range(length)]
    scheduler = SequentialLR(groups, [p for p, _, _ in pieces], np.cumsum([n for _, n, _ in pieces])[:2].tolist())
    scheduler = SequentialLR(groups, [scheduler], [])
    near(walk(scheduler, len(shares) - 1), [[base * share for base in BASES] for share in shares])


# Optimizers


def test_rates_of_an_optimizer():
    params = [Tensor([1.0], requires_grad=True) for _ in range(2)]
    optimizer = optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 2.0}], lr=1.0)
    scheduler = ExponentialLR(optimizer, 0.5)
    for p in params:
        p.grad = Tensor([1.0])
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    assert [p.item() for p in params] == [1 - 1 - 0.5, 1 - 2 - 1]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [1.0, 2.0]


@pytest.mark.parametrize("make", [lambda v: Tensor(v), lambda v: np.array(v), lambda v: Tensor([v]), np.float32, int])
def test_rates_that_are_tensors_are_written_in_place(make):
    rate = make(2.0)
    groups = Groups(rate)
    scheduler = StepLR(groups, 1, 0.5)
    scheduler.step()
    if isinstance(rate, (Tensor, np.ndarray)):
        assert groups.param_groups[0]["lr"] is rate and rate.item() == 1.0
    assert scheduler.get_last_lr() == [1.0] and scheduler.base_lrs == [2.0]
    json.dumps(scheduler.state_dict())


def test_what_users_set_goes_on_from_there():
    groups = Groups(1.0)
    scheduler = ExponentialLR(groups, 0.5)
    groups.param_groups[0]["lr"] = 8.0
    assert walk(scheduler, 2).ravel().tolist() == [8.0, 4.0, 2.0]


def test_a_step_before_the_optimizers_is_a_warning():
    optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    optimizer.step()
    scheduler, second = StepLR(optimizer, 2), StepLR(optimizer, 2)
    scheduler.step(5)  # goes anywhere
    scheduler.step(0)
    with pytest.warns(UserWarning, match=r"StepLR.step\(\) was called before the optimizer's step\(\)") as caught:
        second.step()
    assert caught[0].filename == __file__
    optimizer.step()
    for each in (scheduler, second, ChainedScheduler([LinearLR(optimizer), StepLR(optimizer, 2)])):
        each.step()


def test_a_resume_with_the_optimizers_state():
    def make():
        params = [Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0], requires_grad=True)]
        optimizer = optim.Adam([{"params": params[:1]}, {"params": params[1:]}], lr=0.1)
        return params, optimizer, OneCycleLR(optimizer, [0.5, 0.2], 40)

    def train(params, optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            sum((p**4).sum() for p in params).backward()
            optimizer.step()
            scheduler.step()

    straight, first, second = make(), make(), make()
    train(*straight, 39)
    train(*first, 17)
    for old, new in zip(first[0], second[0], strict=True):
        new.data = old.numpy().copy()
    for old, new in zip(first[1:], second[1:], strict=True):
        new.load_state_dict(old.state_dict())
    train(*second, 22)
    for p, q in zip(straight[0], second[0], strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert straight[2].get_last_lr() == second[2].get_last_lr()


def test_resuming_by_the_last_epoch():
    groups = Groups()
    walk(ExponentialLR(groups, 0.9), 4)
    scheduler = ExponentialLR(groups, 0.9, last_epoch=3)
    near(walk(scheduler, 2), [[base * 0.9**t for base in BASES] for t in (4, 5, 6)])
    with pytest.raises(KeyError, match=r"ExponentialLR: last_epoch=3, but param_groups\[0\] has no 'initial_lr'"):
        ExponentialLR(Groups(), 0.9, last_epoch=3)


def test_a_subclass_in_pytorchs_form():
    class Odd(LRScheduler):
        def get_lr(self):
            if not self._get_lr_called_within_step:
                warnings.warn("use get_last_lr()", UserWarning, stacklevel=2)
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

        def _get_closed_form_lr(self):
            return [100.0 + self.last_epoch] * 2

    scheduler = Odd(Groups(1.0, 2.0))
    near(walk(scheduler, 1), [[1, 2], [0.5, 1]])
    scheduler.step(7)
    assert scheduler.get_last_lr() == [107.0, 107.0]
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    with pytest.raises(NotImplementedError, match="LRScheduler has no get_lr"):
        LRScheduler(Groups())


# State

KINDS = {
    **{kind: make for kind, (make, _) in FACTORS.items()},
    "Cyclic": lambda o: CyclicLR(o, 0.1, 0.5, 4, cycle_momentum=False),
    "OneCycle": lambda o: OneCycleLR(o, 0.5, 60, cycle_momentum=False),
    "SWALR": lambda o: SWALR(o, 0.5, 20),
    "Chained": lambda o: ChainedScheduler([LinearLR(o), MultiStepLR(o, [20, 30])]),
    "Sequential": lambda o: SequentialLR(
        o, [LinearLR(o), ChainedScheduler([StepLR(o, 9), ExponentialLR(o, 0.9)])], [30]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_resume_through_json_goes_on_the_same(kind):
    groups = Groups()
    scheduler = KINDS[kind](groups)
    walk(scheduler, 25)
    state, options = json.loads(json.dumps(scheduler.state_dict())), deepcopy(groups.param_groups)
    rest = walk(scheduler, 25)
    again = Groups(7.0, 7.0)
    other = KINDS[kind](again)
    other.load_state_dict(state)
    again.param_groups = options
    assert np.array_equal(walk(other, 25), rest)
    assert other.state_dict() == scheduler.state_dict()


def test_a_state_is_a_snapshot():
    for kind, make in KINDS.items():
        scheduler = make(Groups())
        state = scheduler.state_dict()
        before = deepcopy(state)
        walk(scheduler, 3)
        assert state == before, kind
        scheduler.load_state_dict(state)
        walk(scheduler, 3)
        assert state == before, kind


def test_what_users_are_given_is_a_copy():
    scheduler = MultiStepLR(Groups(1.0), [2, 3], 0.5)
    scheduler.get_last_lr().clear()
    state = scheduler.state_dict()
    state["milestones"].clear()
    state["base_lrs"][0] = 7.0
    given = scheduler.state_dict()
    scheduler.load_state_dict(given)
    given["milestones"].clear()
    given["base_lrs"][0] = 7.0
    assert scheduler.get_last_lr() == [1.0] and scheduler.base_lrs == [1.0]
    assert walk(scheduler, 4).ravel().tolist() == [1.0, 1.0, 0.5, 0.25, 0.25]


def test_functions_are_not_saved_and_attributes_of_callables_are():
    scheduler = LambdaLR(Groups(), [half, Power(0.5)])
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [None, {"rate": 0.5}]
    other = LambdaLR(Groups(), [half, Power(0.25)])
    other.load_state_dict(json.loads(json.dumps(state)))
    assert other.lr_lambdas[0] is half and other.lr_lambdas[1].rate == 0.5
    cyclic = CyclicLR(Groups(), 0.1, 0.5, scale_fn=Power(0.5), cycle_momentum=False)
    assert cyclic.state_dict()["_scale_fn_custom"] == {"rate": 0.5}
    assert LambdaLR(Groups(), math.cos).state_dict()["lr_lambdas"] == [{}, {}]


def test_a_plateaus_state():
    scheduler = ReduceLROnPlateau(Groups(8.0), factor=0.5, patience=1)
    for metric in (3, 2, 2):
        scheduler.step(metric)
    other = ReduceLROnPlateau(Groups(8.0), factor=0.1, mode="max")
    other.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
    other.step(2)
    assert other.get_last_lr() == [4.0]


def test_states_that_do_not_fit_change_nothing():
    groups = Groups()
    pair = [LinearLR(groups), StepLR(groups, 2)]
    for scheduler, state, match in [
        (StepLR(groups, 2), ExponentialLR(groups, 0.9), r"StepLR: the state of another kind .*\(missing: step_size\)"),
        (ExponentialLR(groups, 0.9), StepLR(groups, 2), "unexpected: step_size"),
        (ReduceLROnPlateau(groups), StepLR(groups, 2), "ReduceLROnPlateau: .*missing: .*best.*; unexpected: .*gamma"),
        (StepLR(groups, 2), StepLR(Groups(1.0), 2), "a state for 1 parameter groups given for 2"),
        (ReduceLROnPlateau(groups), ReduceLROnPlateau(Groups(1.0)), "a state for 1 parameter groups given for 2"),
        (ChainedScheduler(pair), ChainedScheduler(pair[:1]), "a state of 1 schedulers given for 2"),
        (ChainedScheduler(pair), ChainedScheduler([LinearLR(groups, 0.7), *pair[:1]]), "StepLR: the state of another"),
        (SequentialLR(groups, pair, [5]), ChainedScheduler(pair), "SequentialLR: .*missing: _milestones, last_epoch"),
    ]:
        before = scheduler.state_dict()
        given = state.state_dict()
        if "_schedulers" in given:
            given["_last_lr"] = [5.0, 5.0]
        with pytest.raises(ValueError, match=match):
            scheduler.load_state_dict(given)
        assert scheduler.state_dict() == before


def test_states_of_older_versions_of_pytorch():
    state = StepLR(Groups(), 2).state_dict()
    del state["_is_initial"]
    scheduler = StepLR(Groups(), 5)
    scheduler.load_state_dict({**state, "verbose": False})
    assert scheduler.step_size == 2 and "verbose" not in scheduler.state_dict()


# Bad input


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda o: StepLR([Tensor(1.0)], 2), TypeError, "StepLR: optimizer must have param_groups.* a list has none"),
        (lambda o: ReduceLROnPlateau(None), TypeError, "a NoneType has none"),
        (lambda o: LambdaLR(o, [half]), ValueError, "LambdaLR: 1 lr_lambdas for 2 parameter groups"),
        (lambda o: MultiplicativeLR(o, [half, 0.5]), TypeError, "lr_lambda must be a function, not a float"),
        (lambda o: LambdaLR(o, 0.5), TypeError, "lr_lambda must be a function, not a float"),
        (lambda o: StepLR(o, 0), ValueError, "step_size must be .* not 0"),
        (lambda o: ConstantLR(o, 1.5), ValueError, "factor must be between 0 and 1, but is 1.5"),
        (lambda o: walk(ConstantLR(o, 0, 3), 3), ValueError, "no factor makes the rates of 0 what they were"),
        (lambda o: LinearLR(o, 0), ValueError, "start_factor must be above 0 and at most 1, but is 0"),
        (lambda o: LinearLR(o, end_factor=2), ValueError, "end_factor must be between 0 and 1, but is 2"),
        (lambda o: CosineAnnealingLR(o, 0), ValueError, "T_max must be .* not 0"),
        (lambda o: CosineAnnealingWarmRestarts(o, 1.5), ValueError, "T_0 must be an integer of at least 1, not 1.5"),
        (lambda o: CosineAnnealingWarmRestarts(o, 2, 0), ValueError, "T_mult must be an integer"),
        (lambda o: CosineAnnealingWarmRestarts(o, 2).step(-1), ValueError, "epoch must not be negative, but is -1"),
        (lambda o: CyclicLR(o, 0.1, 1.0), ValueError, "CyclicLR: cycle_momentum needs .* Groups have neither"),
        (lambda o: CyclicLR(o, [0.1], 1.0), ValueError, "base_lr has 1 values, the optimizer 2 parameter groups"),
        (lambda o: CyclicLR(o, 0.1, 1.0, mode="up"), ValueError, "mode='up'; expected 'triangular', "),
        (lambda o: CyclicLR(o, 0.1, 1.0, scale_fn=half, scale_mode="x"), ValueError, "scale_mode='x'"),
        (lambda o: CyclicLR(o, 0.1, 1.0, 0), ValueError, "step_size_up and step_size_down must be positive, not 0, 0"),
        (lambda o: OneCycleLR(o, 1.0), ValueError, "give total_steps, or epochs and steps_per_epoch"),
        (lambda o: OneCycleLR(o, 1.0, epochs=3), ValueError, "give total_steps"),
        (lambda o: OneCycleLR(o, 1.0, 2.5), ValueError, "total_steps must be a positive integer, not 2.5"),
        (lambda o: OneCycleLR(o, 1.0, epochs=3, steps_per_epoch=0), ValueError, "steps_per_epoch must be .* not 0"),
        (lambda o: OneCycleLR(o, 1.0, 9, pct_start=2), ValueError, "pct_start must be between 0 and 1, but is 2"),
        (lambda o: OneCycleLR(o, 1.0, 9, anneal_strategy="x"), ValueError, "anneal_strategy='x'"),
        (lambda o: OneCycleLR(o, 1.0, 9), ValueError, "OneCycleLR: cycle_momentum needs"),
        (lambda o: ReduceLROnPlateau(o, factor=1), ValueError, "factor must be below 1, but is 1"),
        (lambda o: ReduceLROnPlateau(o, "least"), ValueError, "mode='least'"),
        (lambda o: ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold_mode='x'"),
        (lambda o: ReduceLROnPlateau(o, min_lr=[0]), ValueError, "min_lr has 1 values"),
        (lambda o: ChainedScheduler([]), ValueError, "ChainedScheduler: expected at least one scheduler, got none"),
        (lambda o: ChainedScheduler([o]), TypeError, "the one at 0 is a Groups"),
        (
            lambda o: ChainedScheduler([StepLR(o, 2), StepLR(Groups(), 2)]),
            ValueError,
            "the StepLR at 1 belongs to another",
        ),
        (
            lambda o: ChainedScheduler([StepLR(o, 2)], Groups()),
            ValueError,
            "the StepLR at 0 belongs to another optimizer",
        ),
        (
            lambda o: SequentialLR(o, [ReduceLROnPlateau(o)], []),
            ValueError,
            "the scheduler at 0 is a ReduceLROnPlateau",
        ),
        (lambda o: SequentialLR(o, [StepLR(o, 2)], [3]), ValueError, "1 milestones for 1 schedulers"),
        (lambda o: SequentialLR(o, [StepLR(o, 2)] * 3, [3, 2]), ValueError, r"milestones must rise, but are \[3, 2\]"),
        (lambda o: SequentialLR(o, [StepLR(o, 2)], [], 3), ValueError, "last_epoch=3; load_state_dict"),
        (lambda o: SWALR(o, 0.1, anneal_strategy="x"), ValueError, "SWALR: anneal_strategy='x'"),
        (lambda o: SWALR(o, 0.1, -1), ValueError, "anneal_epochs must be an integer of at least 0, not -1"),
        (lambda o: SWALR(o, [0.1]), ValueError, "swa_lr has 1 values"),
    ],
)
def test_bad_input(make, error, match):
    with pytest.raises(error, match=match):
        make(Groups())


def test_groups_that_are_added():
    groups = Groups(1.0)
    scheduler = LambdaLR(groups, half)
    groups.param_groups.append({"lr": 2.0})
    with pytest.raises(ValueError, match="LambdaLR: 1 values of lr for 2 parameter groups; make a new scheduler"):
        scheduler.step()


def test_a_scheduler_says_where_it_is():
    groups = Groups(1.0)
    step = StepLR(groups, 2)
    shown = "StepLR(step_size=2, gamma=0.1, last_epoch=0, lr=[1.0])"
    assert repr(step) == shown
    assert repr(ChainedScheduler([step])) == f"ChainedScheduler(schedulers=[{shown}], lr=[1.0])"
