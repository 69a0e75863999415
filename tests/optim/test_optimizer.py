import re

import numpy as np
import pytest

from pullback import Tensor, nn, no_grad
from pullback.optim import SGD, Adam, AdamW, Optimizer


def parameter(*values):
    return Tensor(np.array(values), requires_grad=True)


def with_gradient(p, gradient):
    p.grad = Tensor(np.asarray(gradient, p.dtype))
    return p


# Parameter groups


def test_groups_have_their_own_options_over_the_defaults():
    a, b = with_gradient(parameter(1.0, 2.0), [1, 1]), with_gradient(parameter(3.0), [1])
    optimizer = SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]
    assert set(optimizer.param_groups[0]) == {
        *("params", "lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize"),
        *("foreach", "fused", "differentiable"),
    }
    optimizer.step()
    assert a.tolist() == [0.5, 1.5] and b.tolist() == [2.75]
    optimizer.param_groups[1]["lr"] = 1.0
    optimizer.step()
    assert a.tolist() == [0.0, 1.0] and b.tolist() == [1.75]


@pytest.mark.parametrize("size", [2, 1 << 16])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_gradient_may_have_another_dtype(kind, size):
    moved = []
    for dtype in (np.float32, np.float64):
        p = Tensor(np.ones(size, np.float32), requires_grad=True)
        p.grad = Tensor(np.full(size, 0.5, dtype))
        kind([p], lr=0.25).step()
        moved.append(p.numpy())
    np.testing.assert_array_equal(*moved)
    assert moved[0].dtype == np.float32 and np.all(moved[0] < 1)
    p.grad = Tensor(np.full(size, 0.5j))
    with pytest.raises(TypeError, match="same_kind"):
        kind([p], lr=0.25).step()


def test_parameters_may_come_from_a_generator():
    p, q = parameter(1.0), parameter(2.0)
    optimizer = SGD(x for x in (p, q))
    assert [id(x) for x in optimizer.param_groups[0]["params"]] == [id(p), id(q)]


def test_add_param_group():
    p, q = parameter(1.0), with_gradient(parameter(2.0), [1.0])
    optimizer = SGD([p], lr=1.0)
    optimizer.add_param_group({"params": q, "lr": 0.5})
    optimizer.step()
    assert p.tolist() == [1.0] and q.tolist() == [1.5]


def test_what_is_no_list_of_parameters():
    p = parameter(1.0)
    with no_grad():
        constant = Tensor([1.0])
    for params, error, match in [
        (p, TypeError, "SGD: params must be an iterable of Tensors or dicts, not a Tensor"),
        ({"params": [p]}, TypeError, "not a dict"),
        ([], ValueError, "empty list"),
        ([p, np.zeros(2)], TypeError, "not a ndarray"),
        ([{"params": [1.0]}], TypeError, "not a float"),
        ([{"params": [p]}, [p]], TypeError, "must be a dict, not a list"),
        ([{"params": {p}}], TypeError, "order"),
        ([p * 2], ValueError, r"shape \(1,\) is not a leaf"),
        ([p, p], ValueError, "given twice"),
        ([{"params": [p]}, {"params": [constant, p]}], ValueError, "given twice"),
    ]:
        with pytest.raises(error, match=match):
            SGD(params)
    optimizer = SGD([constant])
    with pytest.raises(ValueError, match="given twice"):
        optimizer.add_param_group({"params": [p, constant]})
    assert len(optimizer.param_groups) == 1


# Gradients and steps


def test_zero_grad():
    p, q = with_gradient(parameter(1.0), [3.0]), parameter(2.0)
    optimizer = SGD([p, q])
    before = p.grad.data
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0] and q.grad is None and before.tolist() == [3.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_parameters_without_gradient_stay():
    p, q = parameter(1.0), with_gradient(parameter(2.0), [1.0])
    optimizer = SGD([p, q], lr=1.0, momentum=0.9, weight_decay=0.1)
    optimizer.step()
    assert p.tolist() == [1.0] and q.tolist() == [2.0 - 1.2]


def test_a_closure_is_called_with_recording_on():
    p = parameter(3.0)
    optimizer = SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with no_grad():
        assert float(optimizer.step(closure)) == 9.0
    assert p.tolist() == [0.0]
    assert optimizer.step() is None


def test_a_subclass_needs_an_update():
    with pytest.raises(NotImplementedError, match="Lazy"):
        type("Lazy", (Optimizer,), {})([with_gradient(parameter(1.0), [1.0])], {}).step()


# Value semantics


def test_alone_a_parameter_is_written_in_place():
    p = with_gradient(parameter(1.0, 2.0), [1, 1])
    place = p.data.ctypes.data
    SGD([p], lr=0.5).step()
    assert p.data.ctypes.data == place and p.tolist() == [0.5, 1.5]


def test_a_retained_graph_keeps_the_old_values():
    p, x = parameter(2.0, 3.0), parameter(5.0, 7.0)
    loss = (p * p * x).sum()
    loss.backward(retain_graph=True)
    optimizer = SGD([p], lr=0.1)
    optimizer.step()
    np.testing.assert_allclose(p.data, [2 - 0.1 * 20, 3 - 0.1 * 42])
    p.grad = x.grad = None
    loss.backward()
    assert p.grad.tolist() == [2 * 2 * 5, 2 * 3 * 7] and x.grad.tolist() == [4.0, 9.0]


def test_a_graph_whose_backward_is_to_come_keeps_the_old_values():
    p, q = parameter(2.0), parameter(3.0)
    product = p * q
    SGD([with_gradient(p, [1.0])], lr=1.0).step()
    product.backward()
    assert q.grad.tolist() == [2.0] and p.tolist() == [1.0]


@pytest.mark.parametrize("hold", [lambda p: p.data, lambda p: p.data[:1], lambda p: p.detach(), lambda p: p.data.T])
def test_what_was_taken_out_keeps_its_values(hold):
    p = with_gradient(parameter(1.0, 2.0), [1, 1])
    held = hold(p)
    before = np.array(held)
    optimizer = SGD([p], lr=0.5)
    optimizer.step()
    np.testing.assert_array_equal(np.array(held), before)
    assert p.tolist() == [0.5, 1.5]


def test_arrays_that_cannot_be_written():
    owner = np.array([1.0, 2.0, 3.0])
    view, frozen = parameter(0.0, 0.0), parameter(0.0, 0.0)
    view.data = owner[:2]
    frozen.data = np.frombuffer(np.array([1.0, 2.0]).tobytes())
    SGD([with_gradient(view, [1, 1]), with_gradient(frozen, [1, 1])], lr=0.5).step()
    assert view.tolist() == frozen.tolist() == [0.5, 1.5] and owner.tolist() == [1.0, 2.0, 3.0]


def test_gradients_are_only_read():
    p = with_gradient(parameter(1.0, 2.0), [1, 1])
    optimizer = SGD([p], lr=0.5, momentum=0.9, weight_decay=0.1, nesterov=True)
    optimizer.step()
    optimizer.step()
    assert p.grad.tolist() == [1.0, 1.0]


def test_scalar_parameters():
    p = Tensor(3.0, requires_grad=True)
    optimizer = SGD([p], lr=0.25, momentum=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (p * p).backward()
        optimizer.step()
    # v = 6, p = 1.5; v = 3 + 3, p = 0
    assert p.item() == 0.0 and isinstance(p.data, np.float64)
    assert p._node.value == 0.0  # which pictures of the graph show
    assert SGD([p]).state_dict()["state"] == {}


# State


def trained(p, **options):
    optimizer = SGD([p], **options)
    for gradient in ([1.0, -2.0], [0.5, 3.0]):
        with_gradient(p, gradient)
        optimizer.step()
    return optimizer


def test_a_loaded_state_goes_on_the_same():
    p, q = parameter(1.0, 2.0), parameter(0.0, 0.0)
    optimizer = trained(p, lr=0.1, momentum=0.9)
    other = SGD([q], lr=5.0)
    state = optimizer.state_dict()
    other.load_state_dict(state)
    q.data = p.data.copy()
    for each, x in ((optimizer, p), (other, q)):
        with_gradient(x, [1.0, 1.0])
        each.step()
    assert q.tolist() == p.tolist() and other.param_groups[0]["lr"] == 0.1
    assert state["param_groups"][0]["params"] == [0]
    np.testing.assert_allclose(state["state"][0]["momentum_buffer"], [0.9 * 1 + 0.5, 0.9 * -2 + 3])


def test_a_state_dict_is_a_snapshot_and_loading_copies():
    p = parameter(1.0, 2.0)
    optimizer = trained(p, lr=0.1, momentum=0.9)
    state = optimizer.state_dict()
    before = state["state"][0]["momentum_buffer"].copy()
    optimizer.step()
    optimizer.load_state_dict(state)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 7.0
    np.testing.assert_array_equal(state["state"][0]["momentum_buffer"], before)
    assert state["param_groups"][0]["lr"] == 0.1


def test_a_loaded_state_takes_the_parameters_dtype():
    state = trained(parameter(1.0, 2.0), lr=0.1, momentum=0.9).state_dict()
    single = SGD([Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)])
    single.load_state_dict(state)
    assert single.state[single.param_groups[0]["params"][0]]["momentum_buffer"].dtype == np.float32


def test_a_state_that_does_not_fit_changes_nothing():
    p, q = parameter(1.0, 2.0), parameter(1.0)
    optimizer = SGD([p, q], lr=0.3)
    for state, match in [
        (SGD([parameter(1.0, 2.0)]).state_dict(), r"groups of \[1\] parameters given for ones of \[2\]"),
        (SGD([{"params": parameter(1.0)}, {"params": parameter(1.0)}]).state_dict(), r"\[1, 1\]"),
        (
            {**optimizer.state_dict(), "state": {1: {"momentum_buffer": np.zeros(3)}}},
            r"momentum_buffer of shape \(3,\) given for a parameter of shape \(1,\)",
        ),
        ({"state": {}, "param_groups": [{**optimizer.param_groups[0], "params": [0, 1], "lr": -1}]}, "lr"),
    ]:
        with pytest.raises(ValueError, match=match):
            optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 0.3 and not optimizer.state_dict()["state"]


# Parameters whose data is assigned between steps

KINDS = {
    "SGD": lambda params: SGD(params, lr=0.25),
    "SGD with momentum": lambda params: SGD(params, lr=0.25, momentum=0.5),
    "Adam": lambda params: Adam(params, lr=0.25),
    "AdamW": lambda params: AdamW(params, lr=0.25, amsgrad=True),
}
SIZES = pytest.mark.parametrize("sizes", [((2,), (3,)), ((2,), ()), ((4, 1), (1, 4)), ((1 << 16,), (1 << 17,))])


def stepped(kind, shape):
    p = Tensor(np.ones(shape), requires_grad=True)
    optimizer = KINDS[kind]([p])
    (p * p).sum().backward()
    optimizer.step()
    return p, optimizer


@SIZES
@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_of_another_shape_than_the_data_has_now(kind, sizes):
    before, after = sizes
    p, optimizer = stepped(kind, before)
    p.data = np.ones(after)
    name = type(optimizer).__name__
    with pytest.raises(
        ValueError, match=rf"{name}: grad of shape {re.escape(f'{before} found at a parameter of shape {after}')}"
    ):
        optimizer.step()
    np.testing.assert_array_equal(p.numpy(), np.ones(after))


@SIZES
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "SGD"])
@pytest.mark.parametrize("loaded", [True, False])
def test_state_of_another_shape_than_the_data_has_now(kind, sizes, loaded):
    before, after = sizes
    p, optimizer = stepped(kind, before)
    saved = optimizer.state_dict()
    if loaded:
        optimizer.load_state_dict(saved)
    p.data = np.ones(after)
    p.grad = None
    (p * p).sum().backward()
    state = "momentum_buffer" if "SGD" in kind else "exp_avg"
    text = f"{type(optimizer).__name__}: {state} of shape {before} kept of a parameter that has shape {after} now"
    with pytest.raises(ValueError, match=re.escape(text)):
        optimizer.step()
    np.testing.assert_array_equal(p.numpy(), np.ones(after))
    with pytest.raises(ValueError, match=re.escape(f"{state} of shape {before}")):
        optimizer.load_state_dict(saved)
    optimizer.state.pop(p)
    optimizer.step()
    fresh, _ = stepped(kind, after)
    np.testing.assert_array_equal(p.numpy(), fresh.numpy())


@pytest.mark.parametrize("size", [2, 1 << 16])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "SGD"])
def test_state_of_another_dtype_than_the_data_has_now(kind, size):
    p, optimizer = stepped(kind, size)
    p.data, p.grad = np.ones(size, np.float32), None
    (p * p).sum().backward()
    with pytest.raises(
        TypeError, match=f"{type(optimizer).__name__}: .* of float64 kept of a parameter that is float32"
    ):
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert p.dtype == np.float32 and np.all(p.numpy() < 1)


@pytest.mark.parametrize("size", [2, 1 << 16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_of_another_dtype_is_cast(kind, size):
    moved, gradient = [], np.random.default_rng(0).uniform(0.1, 1, size)
    for given in (gradient.astype(np.float32), gradient):
        p = Tensor(np.ones(size, np.float32), requires_grad=True)
        p.grad = Tensor(given)
        KINDS[kind]([p]).step()
        moved.append(p.numpy())
    np.testing.assert_array_equal(*moved)
    assert moved[0].dtype == np.float32 and np.all(moved[0] < 1)
    p.grad = Tensor(np.full(size, 0.5j))
    optimizer = KINDS[kind]([p])
    with pytest.raises(TypeError, match=f"{type(optimizer).__name__}: cannot cast grad from complex128 to float32"):
        optimizer.step()


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))])
def test_a_model_in_the_place_of_its_parameters(model):
    with pytest.raises(TypeError, match=r"SGD: .*not a Linear; write model.parameters\(\)"):
        SGD(model)
