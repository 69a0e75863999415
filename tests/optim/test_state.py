"""Names, options that are Tensors, and saved state: what fits, what does not, and what is in it."""

import inspect
import json
import re

import numpy as np
import pytest

from pullback import Tensor, nn, optim
from pullback.optim import SGD, Adam, AdamW

KINDS = [kind for kind in vars(optim).values() if inspect.isclass(kind) and issubclass(kind, optim.Optimizer)]
KINDS = [kind for kind in KINDS if kind not in (optim.Optimizer, optim.LBFGS)]
each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def parameters(*shapes):
    return [Tensor(np.linspace(-1, 1, 2 * n).reshape(n, 2), requires_grad=True) for n in shapes or (2, 3)]


def stepped(kind, params, steps=2, **options):
    optimizer = kind(params, **options)
    for _ in range(steps):
        for p in params:
            p.grad = Tensor(2 * p.numpy())
        optimizer.step()
    return optimizer


def leaves(nest):
    if isinstance(nest, dict):
        nest = list(nest.values())
    if isinstance(nest, (list, tuple)):
        for x in nest:
            yield from leaves(x)
    else:
        yield nest


# Names


def test_named_parameters():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    named = list(model.named_parameters())
    optimizer = SGD(named)
    optimizer.add_param_group({"params": [("more", Tensor([1.0], requires_grad=True))], "lr": 0.5})
    names = [name for name, _ in named]
    assert [group["param_names"] for group in optimizer.param_groups] == [names, ["more"]]
    assert all(p is q for p, (_, q) in zip(optimizer.param_groups[0]["params"], named, strict=True))
    assert "more" not in repr(optimizer)
    state = optimizer.state_dict()
    assert state["param_groups"][0]["param_names"] == names
    del state["param_groups"][0]["param_names"]
    state["param_groups"][1]["param_names"] = ["other"]
    optimizer.load_state_dict(state)
    assert [group["param_names"] for group in optimizer.param_groups] == [names, ["other"]]


def test_names_for_some_alone():
    p, q = parameters()
    for params in ([("p", p), q], [{"params": [("p", p)]}, {"params": [q]}], [{"params": [p]}, {"params": [("q", q)]}]):
        with pytest.raises(ValueError, match="SGD: either all parameters have names or none"):
            SGD(params)


# Options


@pytest.mark.parametrize("make", [lambda x: Tensor(x), lambda x: np.array(x), lambda x: np.array([x])])
def test_a_learning_rate_that_is_an_array_is_read_at_each_step(make):
    p = Tensor([4.0], requires_grad=True)
    p.grad = [1.0]
    rate = make(1.0)
    optimizer = SGD([p], lr=rate)
    optimizer.step()
    assert p.item() == 3.0 and optimizer.param_groups[0]["lr"] is rate
    rate[...] = 0.5
    optimizer.step()
    assert p.item() == 2.5
    saved = optimizer.state_dict()
    assert type(saved["param_groups"][0]["lr"]) is np.ndarray
    rate[...] = 2.0
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert p.item() == 2.0


@each
def test_a_learning_rate_of_which_a_gradient_may_be_asked(kind):
    moved = []
    for lr in (0.1, Tensor(0.1, requires_grad=True)):
        params = parameters()
        stepped(kind, params, lr=lr)
        moved.append(params[0].numpy())
    np.testing.assert_array_equal(*moved)


def test_options_of_numpy_and_python_move_alike():
    moved = []
    for lr, betas in ((0.1, (0.5, 0.9)), (np.float64(0.1), (np.float64(0.5), np.float64(0.9)))):
        p = Tensor(np.ones(3, np.float32), requires_grad=True)
        stepped(Adam, [p], lr=lr, betas=betas)
        moved.append(p.numpy())
    np.testing.assert_array_equal(*moved)


@each
def test_rates_that_make_no_sense(kind):
    for lr, error, match in [
        (-0.1, ValueError, "lr must not be negative, but is -0.1"),
        (float("nan"), ValueError, "lr must not be negative, but is nan"),
        ("0.1", TypeError, "lr must be a number, not a str"),
        (Tensor([0.1, 0.2]), ValueError, r"lr must be one number, not an array of shape \(2,\)"),
    ]:
        with pytest.raises(error, match=f"{kind.__name__}: {match}"):
            kind(parameters(), lr=lr)


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        (optim.NAdam, {"momentum_decay": -1}, "momentum_decay"),
        (optim.RAdam, {"betas": (0.9, 1.0)}, "betas"),
        (optim.Adamax, {"betas": (0.9,)}, "betas"),
        (optim.Adagrad, {"initial_accumulator_value": -1}, "initial_accumulator_value"),
        (optim.Adadelta, {"rho": 1.5}, "rho must be from 0 to 1, but is 1.5"),
        (optim.RMSprop, {"alpha": -0.5}, "alpha"),
        (optim.Rprop, {"etas": (1.5, 1.2)}, "etas must be one below 1 and one above"),
        (optim.Adafactor, {"d": 0.5}, "d must be at least 1"),
        (optim.Adafactor, {"beta2_decay": 0.5}, "beta2_decay must not be positive"),
        (optim.Adafactor, {"eps": (-1, 0.1)}, "eps"),
        (optim.SparseAdam, {"lr": 0}, "lr must be positive, but is 0"),
        (optim.Muon, {"ns_steps": 100}, "ns_steps must be from 0 to 99"),
        (optim.Muon, {"ns_coefficients": (1, 2)}, "ns_coefficients must be three numbers"),
        (
            optim.Muon,
            {"adjust_lr_fn": "none"},
            "adjust_lr_fn must be None, 'original' or 'match_rms_adamw'",
        ),
        (Adam, {"differentiable": True}, "differentiable must be False: steps are not recorded"),
        (Adam, {"fused": True, "foreach": True}, "fused and foreach cannot both be True"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(kind, options, match):
    with pytest.raises(ValueError, match=f"{kind.__name__}: {match}"):
        kind(parameters(), **options)
    optimizer = kind(parameters())
    with pytest.raises(ValueError, match=match):
        optimizer.add_param_group({"params": parameters(), **options})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("kind", [optim.SparseAdam, optim.Adafactor, optim.Muon])
def test_complex_parameters_of_those_that_take_none(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__}: .* complex128"):
        kind([Tensor([[1j]], requires_grad=True)])


def test_muon_takes_matrices_alone():
    with pytest.raises(ValueError, match=r"Muon: a parameter of shape \(2,\) .* is no real matrix; give it to AdamW"):
        optim.Muon([Tensor([1.0, 2.0], requires_grad=True)])


# Saved state


@each
def test_a_saved_state_is_data(kind):
    params = parameters()
    saved = stepped(kind, params, lr=np.float32(0.5)).state_dict()
    for x in leaves(saved):
        assert x is None or type(x) in (bool, int, float, str, np.ndarray)
    json.dumps(saved["param_groups"])
    again = kind(parameters())
    again.load_state_dict(saved)
    own = {id(x) for x in leaves(list(again.state.values()))}
    assert not own & {id(x) for x in leaves(saved) if isinstance(x, np.ndarray)}


def test_what_is_no_data_in_a_group():
    optimizer = SGD([{"params": parameters(), "schedule": abs}])
    with pytest.raises(TypeError, match="SGD: schedule is a builtin_function_or_method; a state_dict holds numbers"):
        optimizer.state_dict()


@each
def test_a_state_of_another_dtype_is_cast(kind):
    saved = stepped(kind, parameters()).state_dict()
    params = [Tensor(p.numpy(), requires_grad=True, dtype=np.float32) for p in parameters()]
    optimizer = kind(params)
    optimizer.load_state_dict(saved)
    arrays = [x for x in leaves(list(optimizer.state.values())) if isinstance(x, np.ndarray)]
    assert {a.dtype for a in arrays} <= {np.dtype(np.float32)}
    stepped(lambda params: optimizer, params, 1)
    assert {p.dtype for p in params} == {np.dtype(np.float32)}


@each
def test_a_state_that_does_not_fit_is_told_whole_and_changes_nothing(kind):
    optimizer = stepped(kind, parameters(), lr=0.5)
    before = optimizer.state_dict()
    for other in KINDS:
        foreign = stepped(other, parameters(4, 5), lr=0.25).state_dict()
        if not foreign["state"]:
            continue
        with pytest.raises(ValueError, match=f"{kind.__name__}: a state that does not fit: .*parameter 1: "):
            optimizer.load_state_dict(foreign)
        np.testing.assert_equal(optimizer.state_dict(), before)


def test_what_does_not_fit_is_named():
    optimizer = stepped(Adam, parameters())
    saved = optimizer.state_dict()
    del saved["state"][0]["step"], saved["param_groups"][0]["eps"]
    saved["state"][1].update(exp_avg=np.zeros((1, 2)), prev=1)
    saved["state"][5] = {"step": 1}
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(saved)
    for text in (
        "no eps in a group",
        "parameter 0: no step given for a parameter of shape (2, 2)",
        "parameter 1: unknown prev given for a parameter of shape (3, 2)",
        "parameter 1: exp_avg of shape (1, 2) given for a parameter of shape (3, 2)",
        "parameter 5: it is in no group",
    ):
        assert text in str(caught.value)


def test_adam_s_state_goes_to_adamw_which_stays_decoupled():
    saved = stepped(Adam, parameters(), weight_decay=0.1).state_dict()
    optimizer = AdamW(parameters())
    optimizer.load_state_dict(saved)
    group = optimizer.param_groups[0]
    assert group["weight_decay"] == 0.1 and group["decoupled_weight_decay"] is True


def test_a_state_from_before_the_switches():
    optimizer = stepped(SGD, parameters(), momentum=0.5)
    saved = optimizer.state_dict()
    for name in ("foreach", "fused", "differentiable", "maximize"):
        del saved["param_groups"][0][name]
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["maximize"] is False and optimizer.param_groups[0]["foreach"] is None


def test_options_that_are_switched_on_later_begin_with_zeros():
    params = parameters()
    optimizer = stepped(Adam, params)
    optimizer.param_groups[0]["amsgrad"] = True
    stepped(lambda given: optimizer, params, 1)
    assert all("max_exp_avg_sq" in state for state in optimizer.state.values())


def test_adagrad_has_its_sums_from_the_beginning():
    p, q = parameters()
    optimizer = optim.Adagrad([p], initial_accumulator_value=0.5)
    optimizer.add_param_group({"params": q, "initial_accumulator_value": 2.0})
    sums = [optimizer.state_dict()["state"][i]["sum"] for i in (0, 1)]
    np.testing.assert_equal(sums, [np.full((2, 2), 0.5), np.full((3, 2), 2.0)])


# Many small arrays at once


@each
def test_small_parameters_together_and_each_alone_to_the_bit(kind):
    shapes = [(3, 2), (1, 1), (40, 30), (60, 40), (2, 5)]
    if kind is not optim.Muon:
        shapes += [(), (7,), (2, 3, 4)]
    rng = np.random.default_rng(0)
    starts = [np.asarray(rng.normal(size=s), dtype) for s in shapes for dtype in (np.float64, np.float32)]
    gradients = [[np.asarray(rng.normal(size=x.shape), x.dtype) for x in starts] for _ in range(3)]

    def moved(places):
        params = [Tensor(np.array(starts[i], order="F"), requires_grad=True) for i in places]
        optimizer = kind(params, lr=0.1)
        for given in gradients:
            for p, i in zip(params, places, strict=True):
                p.grad = Tensor(given[i]) if i != 3 or given is not gradients[1] else None
            optimizer.step()
        return [p.numpy() for p in params]

    together = moved(range(len(starts)))
    for i, value in enumerate(together):
        assert value.dtype == starts[i].dtype
        np.testing.assert_array_equal(value, moved([i])[0])


@pytest.mark.parametrize("kind", [optim.Adam, optim.RMSprop, optim.ASGD, SGD])
def test_parameters_that_share_memory_move_one_after_the_other(kind):
    base = Tensor(np.arange(1.0, 5.0))
    part = base[1:3]
    for p in (base, part):
        p.requires_grad = True
    plain = [Tensor(np.arange(1.0, 5.0), requires_grad=True)]
    base.grad, part.grad, plain[0].grad = [1.0] * 4, [1.0] * 2, [1.0] * 4
    kind([base, part], lr=0.1).step()
    kind(plain, lr=0.1).step()
    once = plain[0].numpy()
    twice = Tensor(once[1:3], requires_grad=True)
    twice.grad = [1.0] * 2
    kind([twice], lr=0.1).step()
    np.testing.assert_array_equal(base.numpy(), [once[0], *twice.tolist(), once[3]])
    np.testing.assert_array_equal(part.numpy(), twice.numpy())


def test_a_gradient_of_another_shape_moves_nothing():
    p, q = parameters()
    p.grad, q.grad = Tensor(np.ones((2, 2))), Tensor(np.ones((3, 2)))
    q.data = np.ones((4, 2))
    before = p.numpy().copy()
    for kind in KINDS:
        with pytest.raises(ValueError, match=re.escape("grad of shape (3, 2) found at a parameter of shape (4, 2)")):
            kind([p, q]).step()
        np.testing.assert_array_equal(p.numpy(), before)
