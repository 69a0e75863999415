"""Modules as functions of their parameters, under the transforms: beside loops, closed forms and torch.func."""

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, hessian, jacobian, jvp, nn, vmap
from pullback.autograd.core import stand_ins
from pullback.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
Y = np.array([0, 2, 1, 1, 2, 0])


class Net(nn.Module):
    """Two layers, the parts of which are also held in a plain list and in a closure."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)
        self.register_buffer("scale", Tensor(2.0))
        self.layers = [self.first, pb.tanh]
        self.last = lambda x: self.second(x) * self.scale

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


def net(seed: int = 0) -> Net:
    nn.manual_seed(seed)
    return Net().double()


def detached(model: nn.Module) -> dict[str, Any]:
    return {name: p.detach() for name, p in model.named_parameters()}


def by_hand(p: Any, x: Any) -> Any:
    """The same network in NumPy's words."""
    return (pb.tanh(x @ p["first.weight"].T + p["first.bias"]) @ p["second.weight"].T + p["second.bias"]) * 2.0


def loss_of(model: nn.Module) -> Any:
    return lambda p, x, y: F.cross_entropy(nn.functional_call(model, p, x), y)


def close(actual: Any, expected: Any, rtol: float = 1e-12) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name].numpy(), np.asarray(value), rtol=rtol, atol=1e-12, err_msg=name)
    assert actual.keys() == expected.keys()


def test_values_stand_in_for_parameters_and_buffers() -> None:
    model = net()
    p = {name: x * 3 for name, x in detached(model).items()}
    np.testing.assert_allclose(nn.functional_call(model, p, X).numpy(), by_hand(p, X).numpy(), rtol=1e-14)
    halved = nn.functional_call(model, (p, {"scale": 1.0}), (), {"x": X})
    np.testing.assert_allclose(halved.numpy(), by_hand(p, X).numpy() / 2, rtol=1e-14)
    some = nn.functional_call(model, {"second.bias": np.zeros(3)}, (X,))
    np.testing.assert_allclose(some.numpy(), by_hand({**detached(model), "second.bias": np.zeros(3)}, X).numpy())


def test_the_module_is_as_before_also_after_an_error() -> None:
    model = net()
    before, kinds = {k: v.numpy() for k, v in model.state_dict().items()}, [type(p) for p in model.parameters()]
    parameters = list(model.parameters())
    nn.functional_call(model, {"first.bias": np.ones(5)}, X)
    with pytest.raises(ValueError):
        nn.functional_call(model, {"first.bias": np.ones(7)}, X)
    assert all(p is q for p, q in zip(parameters, model.parameters(), strict=True))
    assert [type(p) for p in parameters] == kinds
    assert not stand_ins._users and not stand_ins._calls.places
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_the_gradient_is_what_backward_gives(kind: Any) -> None:
    model = net()
    F.cross_entropy(model(X), Y).backward()
    expected = {name: p.grad.numpy() for name, p in model.named_parameters()}
    for parameters in (kind(model.named_parameters()), kind(detached(model))):
        gradient = grad(loss_of(model))(parameters, X, Y)
        assert type(gradient) is kind
        close(gradient, expected)


def test_gradients_go_on_to_what_the_given_values_were_made_of() -> None:
    model = net()
    s = Tensor(0.5, requires_grad=True)
    p = {name: x * s for name, x in detached(model).items()}
    nn.functional_call(model, p, X).sum().backward()
    t = Tensor(0.5, requires_grad=True)
    by_hand({name: x * t for name, x in detached(model).items()}, X).sum().backward()
    assert s.grad.item() == pytest.approx(t.grad.item(), rel=1e-12) and s.grad.item() != 0
    assert all(q.grad is None for q in model.parameters())


def test_gradients_of_each_example_beside_a_loop() -> None:
    model = net()
    each = vmap(grad(loss_of(model)), in_axes=(None, 0, 0))(detached(model), X, Y)
    for i in range(len(X)):
        model.zero_grad()
        F.cross_entropy(model(X[i : i + 1]), Y[i : i + 1]).backward()
        close({k: g[i] for k, g in each.items()}, {k: p.grad.numpy() for k, p in model.named_parameters()})


def test_gradients_of_each_example_beside_pytorch(torch: Any) -> None:
    model = net()
    each = vmap(grad(loss_of(model)), in_axes=(None, 0, 0))(detached(model), X, Y)
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)).double()
    names = dict(zip(dict(theirs.named_parameters()), detached(model), strict=True))
    p = {name: torch.tensor(detached(model)[ours].numpy()) for name, ours in names.items()}

    def loss(p: Any, x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(2 * torch.func.functional_call(theirs, p, x), y)

    expected = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(p, torch.tensor(X), torch.tensor(Y))
    close(each, {names[name]: g.numpy() for name, g in expected.items()})


def test_hessian_of_a_model() -> None:
    model = nn.Linear(4, 1).double()
    p = detached(model)
    h = hessian(lambda p: (nn.functional_call(model, p, X) ** 2).sum())(p)
    ones = np.c_[X, np.ones(6)]
    expected = 2 * ones.T @ ones  # of a sum of squares
    np.testing.assert_allclose(h["weight"]["weight"].numpy()[0, :, 0], expected[:4, :4], rtol=1e-12)
    np.testing.assert_allclose(h["weight"]["bias"].numpy()[0, :, 0], expected[:4, 4], rtol=1e-12)
    np.testing.assert_allclose(h["bias"]["bias"].numpy()[0, 0], expected[4, 4], rtol=1e-12)


def test_jacobian_and_jvp_beside_the_same_network_by_hand() -> None:
    model = net()
    p = detached(model)
    close(jacobian(lambda p: nn.functional_call(model, p, X[0]))(p), jacobian(by_hand)(p, X[0]), 1e-10)
    v = {name: x * 0.1 + 1 for name, x in p.items()}
    ours = jvp(lambda p: nn.functional_call(model, p, X), (p,), (v,))
    for a, b in zip(ours, jvp(lambda p: by_hand(p, X), (p,), (v,)), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10)


def test_an_ensemble_beside_its_models() -> None:
    models = [net(seed) for seed in range(3)]
    state = nn.stack_module_state(models)
    assert all(x.requires_grad and x.is_leaf for x in state[0].values()) and list(state[1]) == ["scale"]
    out = vmap(lambda *state: nn.functional_call(models[0], state, X))(*state)
    np.testing.assert_allclose(out.numpy(), np.stack([model(X).numpy() for model in models]), rtol=1e-12)
    (out**2).sum().backward()
    for i, model in enumerate(models):
        (model(X) ** 2).sum().backward()
        close({k: x.grad[i] for k, x in state[0].items()}, {k: p.grad.numpy() for k, p in model.named_parameters()})
    each = vmap(vmap(grad(loss_of(models[0])), (None, 0, 0)), (0, None, None))(state[0], X, Y)
    assert each["first.weight"].shape == (3, 6, 5, 4)
    one = grad(loss_of(models[2]))(detached(models[2]), X[4], Y[4])
    close({k: g[2, 4] for k, g in each.items()}, {k: g.numpy() for k, g in one.items()})


def test_models_that_cannot_be_stacked() -> None:
    for models in ([], [net(), nn.Linear(1, 1)], [net(), net().eval()]):
        with pytest.raises(ValueError, match="expected models of one class and mode"):
            nn.stack_module_state(models)
    with pytest.raises(ValueError, match="different names or shapes"):
        nn.stack_module_state([nn.Linear(1, 2), nn.Linear(1, 3)])


def test_what_is_tied_stays_tied() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)).double()
    model[1].weight = model[0].weight
    p = dict(detached(model))
    assert "1.weight" not in p
    f = lambda p: nn.functional_call(model, p, X[:, :3]).sum()  # noqa: E731
    model(X[:, :3]).sum().backward()
    close(grad(f)(p), {k: q.grad.numpy() for k, q in model.named_parameters()})
    with pytest.raises(ValueError, match=r"1\.weight is tied to another"):
        f({**p, "1.weight": p["0.weight"] * 2})
    f({**p, "1.weight": p["0.weight"]})


def test_two_parameters_may_change_places() -> None:
    model = nn.ParameterList([np.ones(2), np.zeros(2)])
    model.forward = lambda: (model[0] * 10 + model[1]).tolist()
    assert nn.functional_call(model, {"0": model[1], "1": model[0]}) == [1, 1]
    inner = lambda: nn.functional_call(model, {"0": model[1]})  # noqa: E731
    outer = nn.Module()
    outer.model, outer.forward = model, inner
    assert nn.functional_call(outer, {"model.1": np.full(2, 3.0)}) == [33, 33]


def test_names_that_do_not_fit() -> None:
    model = net()
    with pytest.raises(KeyError, match=r"Net has no parameter or buffer 'first\.wieght'"):
        nn.functional_call(model, {"first.wieght": np.ones(3)}, X)
    with pytest.raises(KeyError, match=r"first\.bias, second\.weight, second\.bias, scale of Net not given"):
        nn.functional_call(model, {"first.weight": np.ones((5, 4))}, X, strict=True)
    nn.functional_call(model, (detached(model), {"scale": 2.0}), X, strict=True)


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", Tensor(0.0))
        self.register_buffer("total", Tensor(0.0))

    def forward(self, x: Any) -> Any:
        self.count = self.count + 1
        self.total += x
        return x


def test_new_values_of_buffers_go_into_the_dictionary() -> None:
    model, buffers = Counter(), {"count": Tensor(10.0), "total": Tensor(5.0)}
    count, total = model.count, model.total
    nn.functional_call(model, buffers, 2.0)
    assert (buffers["count"].item(), buffers["total"].item()) == (11, 7)
    assert model.count is count and model.total is total and (count.item(), total.item()) == (0, 0)
    model(2.0)
    assert (model.count.item(), model.total.item()) == (1, 2)


def test_threads_see_each_its_own() -> None:
    """One module called in eight threads at once, four with values of their own, and trained in none."""
    model, n = nn.Linear(2, 2, bias=False).double(), 300
    own, wrong, barrier = model(np.eye(2)).numpy().copy(), [], threading.Barrier(8)

    def run(k: int) -> None:
        barrier.wait()
        for i in range(n):
            value = np.full((2, 2), float(k * n + i))
            if k % 2:
                out = nn.functional_call(model, {"weight": value}, np.eye(2)).numpy()
            else:
                value, out = own, model(np.eye(2)).numpy()
            if not np.array_equal(out, value):
                wrong.append((k, i))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and type(model.weight) is nn.Parameter and not stand_ins._users


@pytest.mark.parametrize("part", ["checkpoint", "fixed_point"])
def test_what_backward_runs_again_sees_the_values_that_were_given(part: str) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4).double()

        def forward(self, x: Any) -> Any:
            if part == "checkpoint":
                return pb.checkpoint(lambda x: pb.tanh(self.inner(x)))(x)
            return pb.fixed_point(lambda z: 0.5 * pb.tanh(0.3 * self.inner(z)) + x, x)

    def plain(p: Any, x: Any) -> Any:
        layer = lambda z: z @ p["inner.weight"].T + p["inner.bias"]  # noqa: E731
        if part == "checkpoint":
            return pb.tanh(layer(x))
        z = x
        for _ in range(60):
            z = 0.5 * pb.tanh(0.3 * layer(z)) + x
        return z

    model = Block()
    p = {name: 0.5 * x for name, x in detached(model).items()}
    call = lambda p, x: (nn.functional_call(model, p, x) ** 2).sum()  # noqa: E731
    expected = grad(lambda p, x: (plain(p, x) ** 2).sum())(p, X[0])
    close(grad(call)(p, X[0]), expected, 1e-9)
    for x in p.values():
        x.requires_grad_()
    call(p, X[0]).backward()
    close({name: x.grad for name, x in p.items()}, expected, 1e-9)


RANDOM = {
    "different": lambda out: len({tuple(row) for row in out.tolist()}) > 1,
    "same": lambda out: len({tuple(row) for row in out.tolist()}) == 1,
}


@pytest.mark.parametrize("randomness", RANDOM)
@pytest.mark.parametrize("shared", [True, False])
def test_dropout_in_a_batch(randomness: str, shared: bool) -> None:
    nn.manual_seed(0)
    x = np.ones(40) if shared else np.ones((8, 40))
    f = vmap(lambda x, _: F.dropout(x, 0.5), (None if shared else 0, 0), randomness=randomness)
    out = f(x, np.arange(8.0)).numpy()
    assert out.shape == (8, 40) and set(out.ravel().tolist()) == {0.0, 2.0} and RANDOM[randomness](out)


def test_dropout_in_batches_of_batches() -> None:
    nn.manual_seed(0)
    masks = vmap(vmap(lambda x: F.dropout(x, 0.5), randomness="same"), in_axes=1, out_axes=1, randomness="different")(
        np.ones((3, 5, 40))
    ).numpy()
    for k in range(5):
        assert RANDOM["same"](masks[:, k])
    assert RANDOM["different"](masks[0])


def test_random_numbers_in_a_batch_must_be_asked_for() -> None:
    f = lambda x: F.dropout(x, 0.5)  # noqa: E731
    with pytest.raises(RuntimeError, match="randomness='different'"):
        vmap(f)(np.ones((2, 3)))
    vmap(lambda x: F.dropout(x, 0.5, training=False))(np.ones((2, 3)))
    with pytest.raises(ValueError, match="randomness 'each'"):
        vmap(f, randomness="each")
    assert f(np.ones(3)).shape == (3,)


def test_gradients_of_each_example_with_its_own_dropout() -> None:
    nn.manual_seed(0)
    f = lambda w, x: (F.dropout(x, 0.5) * w).sum()  # noqa: E731
    g = vmap(grad(f), (None, 0), randomness="different")(np.ones(40), np.ones((8, 40))).numpy()
    assert set(g.ravel().tolist()) == {0.0, 2.0} and RANDOM["different"](g)


@pytest.mark.parametrize("size", [3, 50])
def test_a_jacobian_runs_a_function_again_with_the_same_dropout(size: int) -> None:
    """Forward or backward by size; the numbers drawn do not depend on it, and go on where one run leaves them."""
    nn.manual_seed(0)
    x = np.ones(10)
    j = jacobian(lambda x: F.dropout(pb.concatenate([x] * size)[:size], 0.5))(x).numpy()
    after = F.dropout(np.ones(20), 0.5)
    nn.manual_seed(0)
    mask = F.dropout(np.ones(size), 0.5)
    np.testing.assert_array_equal(j, (mask[:, None] * np.eye(10)[np.arange(size) % 10]))
    np.testing.assert_array_equal(after, F.dropout(np.ones(20), 0.5))


def test_no_arguments() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter([1.0])

        def forward(self) -> Any:
            return self.value * 2

    for args in ((), None):
        assert nn.functional_call(Constant(), {"value": np.array([3.0])}, args).item() == 6
    assert nn.functional_call(Constant(), {}).item() == 2
