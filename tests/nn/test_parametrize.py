"""Parametrized tensors, and the normalizations that PyTorch had before."""

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

from pullback import Tensor, grad, nn, no_grad, vmap
from pullback.nn.utils import parametrizations, parametrize, remove_spectral_norm, remove_weight_norm
from pullback.testing import check_module

rng = np.random.default_rng(0)


class Half(nn.Module):
    def forward(self, x: Any) -> Any:
        return x / 2

    def right_inverse(self, x: Any) -> Any:
        return 2 * x


class Product(nn.Module):
    """Of two tensors."""

    def forward(self, x: Any, y: Any) -> Any:
        return x * y

    def right_inverse(self, x: Any) -> Any:
        return x / 4, x * 0 + 4


class Plain(nn.Module):
    """Without an inverse."""

    def forward(self, x: Any) -> Any:
        return x * x


def half(layer: Any) -> Any:
    return parametrize.register_parametrization(layer, "weight", Half())


def test_a_parametrized_layer() -> None:
    layer = nn.Linear(2, 3)
    before, held = layer.weight.numpy().copy(), layer.weight
    layer.train(False)
    assert half(layer) is layer
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(nn.Linear(1, 1))
    assert isinstance(layer, nn.Linear) and type(layer).__name__ == "ParametrizedLinear"
    assert (
        parametrize.type_before_parametrizations(layer)
        is nn.Linear
        is parametrize.type_before_parametrizations(nn.Linear(1, 1))
    )
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert layer.parametrizations.weight.original is held and not layer.parametrizations.weight[0].training
    np.testing.assert_allclose(layer.weight.numpy(), before)
    np.testing.assert_allclose(held.numpy(), 2 * before)
    layer(np.ones((1, 2), np.float32)).sum().backward()
    np.testing.assert_allclose(held.grad.numpy(), np.full((3, 2), 0.5))
    layer.weight = Tensor(np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(held.numpy(), np.full((3, 2), 2.0))
    assert type(nn.Linear(1, 1)) is nn.Linear and "weight" in dict(nn.Linear(1, 1).named_parameters())


def test_several_parametrizations_and_tensors() -> None:
    layer = nn.Linear(2, 2)
    layer.register_buffer("scale", Tensor([4.0]))
    half(layer)
    half(layer)
    parametrize.register_parametrization(layer, "bias", Plain())
    parametrize.register_parametrization(layer, "scale", Half())
    assert len(layer.parametrizations.weight) == 2 and type(layer).__name__ == "ParametrizedLinear"
    names = ["weight.original", "bias.original", "scale.original"]
    assert list(layer.state_dict()) == [f"parametrizations.{name}" for name in names]
    layer.weight = Tensor(np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(layer.parametrizations.weight.original.numpy(), np.full((2, 2), 4.0))
    assert layer.scale.item() == 4 and not layer.scale.requires_grad
    with pytest.raises(RuntimeError, match="parametrization Plain does not implement right_inverse"):
        layer.bias = Tensor([1.0, 2.0])
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer.weight, nn.Parameter)
    parametrize.remove_parametrizations(layer, "bias", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "scale")
    assert type(layer) is nn.Linear and not hasattr(layer, "parametrizations")
    assert list(layer.state_dict()) == ["weight", "bias", "scale"]
    np.testing.assert_array_equal(layer.weight.numpy(), np.ones((2, 2)))


def test_what_is_left() -> None:
    for leave, expected in ((True, 4.0), (False, 2.0)):
        layer = nn.Linear(1, 1)
        layer.weight.data = np.full((1, 1), 2.0, np.float32)
        held = layer.weight
        parametrize.register_parametrization(layer, "weight", Plain())
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=leave)
        assert layer.weight is held and held.item() == expected


def test_one_tensor_of_two() -> None:
    layer = nn.Linear(2, 1)
    before = layer.weight.numpy().copy()
    parametrize.register_parametrization(layer, "weight", Product())
    assert list(layer.state_dict()) == ["bias", *(f"parametrizations.weight.original{i}" for i in (0, 1))]
    np.testing.assert_allclose(layer.weight.numpy(), before)
    assert len(list(layer.parameters())) == 3
    layer.weight = Tensor(np.full((1, 2), 8.0, np.float32))
    np.testing.assert_array_equal(layer.parametrizations.weight.original0.numpy(), [[2, 2]])
    with pytest.raises(ValueError, match="2 originals, of which none can be left"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    parametrize.remove_parametrizations(layer, "weight")
    np.testing.assert_array_equal(layer.weight.numpy(), [[8, 8]])
    assert isinstance(layer.weight, nn.Parameter) and layer.weight.is_leaf


def test_cached() -> None:
    layer, calls = half(nn.Linear(2, 2)), []
    layer.parametrizations.weight[0].register_forward_hook(lambda *given: calls.append(1))
    other: list[Any] = []
    with parametrize.cached():
        with parametrize.cached():
            first = layer.weight
        assert layer.weight is first and len(calls) == 1
        thread = threading.Thread(target=lambda: other.append(layer.weight))
        thread.start()
        thread.join()
        assert other[0] is not first
    assert layer.weight is not first
    with parametrize.cached():
        assert layer.weight is not first


def test_transfer() -> None:
    source, target = half(nn.Linear(2, 2)), nn.Linear(2, 2)
    parametrize.register_parametrization(source, "bias", Product())
    assert parametrize.transfer_parametrizations_and_params(source, target, "weight") is target
    assert parametrize.is_parametrized(target, "weight") and not parametrize.is_parametrized(target, "bias")
    parametrize.transfer_parametrizations_and_params(source, target := nn.Linear(2, 2))
    assert target.parametrizations.weight.original is source.parametrizations.weight.original
    np.testing.assert_array_equal(target.bias.numpy(), source.bias.numpy())
    bare = nn.Module()
    parametrize.transfer_parametrizations_and_params(source, bare)
    np.testing.assert_array_equal(bare.weight.numpy(), source.weight.numpy())
    assert parametrize.transfer_parametrizations_and_params(nn.ReLU(), bare) is bare


class Wrong(nn.Module):
    def __init__(self, f: Any) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Any) -> Any:
        return self.f(x)


@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x[:1], r"may not change the shape \(\(1, 2\) for \(2, 2\)\), unless `unsafe`"),
        (lambda x: x.astype(np.float64), r"may not change the dtype \(float64 for float32\)"),
        (lambda x: x.numpy(), "must return a Tensor, not a ndarray"),
    ],
)
def test_parametrizations_that_change_too_much(f: Any, message: str, registered: bool) -> None:
    layer = half(nn.Linear(2, 2)) if registered else nn.Linear(2, 2)
    with pytest.raises(ValueError, match=message):
        parametrize.register_parametrization(layer, "weight", Wrong(f))
    layer(np.ones((1, 2), np.float32))
    assert len(layer.parametrizations.weight) == 1 if registered else type(layer) is nn.Linear
    parametrize.register_parametrization(layer, "weight", Wrong(f), unsafe=True)
    assert parametrize.is_parametrized(layer, "weight")


def test_other_errors() -> None:
    with pytest.raises(ValueError, match="Linear has no parameter or buffer 'nothing'"):
        parametrize.register_parametrization(nn.Linear(1, 1), "nothing", Half())
    with pytest.raises(ValueError, match="Linear has no parametrization of 'weight'"):
        parametrize.remove_parametrizations(nn.Linear(1, 1), "weight")
    layer = half(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="may not change the dtype: float64 for float32"):
        layer.weight = Tensor(np.ones((1, 1)))
    with pytest.raises(ValueError, match="one or more modules"):
        parametrize.ParametrizationList([], nn.Parameter(1.0))
    with pytest.raises(IndexError, match="dim=2 for a weight of shape"):
        parametrizations.spectral_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(ValueError, match="n_power_iterations=0"):
        parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(ValueError, match="orthogonal: expected a matrix or several, got a weight of shape"):
        parametrizations.orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="orthogonal_map 'qr'; expected 'matrix_exp'"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    for function in (parametrizations.orthogonal, parametrizations.spectral_norm):
        with pytest.raises(ValueError, match="Linear has no parameter or buffer 'none'"):
            function(nn.Linear(2, 2), "none")
    for add, remove in (
        (nn.utils.weight_norm, remove_weight_norm),
        (nn.utils.spectral_norm, remove_spectral_norm),
    ):
        with pytest.raises(ValueError, match="there is none of 'weight' of Linear"):
            remove(nn.Linear(1, 1))
        with pytest.raises(ValueError, match="Linear has no parameter 'none'"):
            add(nn.Linear(1, 1), "none")
        with pytest.raises(RuntimeError, match="'weight' of Linear is computed already"):
            add(add(nn.Linear(1, 1)))
        with pytest.raises(AttributeError, match="weight is computed of weight_"):
            add(nn.Linear(1, 1)).weight = Tensor([[1.0]])


MAKERS = {
    "weight_norm": parametrizations.weight_norm,
    "weight_norm of all": lambda layer: parametrizations.weight_norm(layer, dim=None),
    "spectral_norm": parametrizations.spectral_norm,
    "matrix_exp": lambda layer: parametrizations.orthogonal(layer, orthogonal_map="matrix_exp"),
    "cayley": lambda layer: parametrizations.orthogonal(layer, orthogonal_map="cayley"),
    "householder": lambda layer: parametrizations.orthogonal(layer, orthogonal_map="householder"),
    "reflections": lambda layer: parametrizations.orthogonal(
        layer, orthogonal_map="householder", use_trivialization=False
    ),
    "old weight_norm": nn.utils.weight_norm,
    "old spectral_norm": nn.utils.spectral_norm,
    "half": half,
}


class Evaluated(nn.Sequential):
    """Always in evaluation: the power method's steps in training count as constants, which differences see."""

    def train(self, mode: bool = True) -> Any:
        return super().train(False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("shape", [(2, 3), pytest.param((3, 2), marks=pytest.mark.thorough)])
def test_derivatives_and_states(kind: str, shape: tuple[int, int]) -> None:
    layer = MAKERS[kind](nn.Linear(*shape))
    model = Evaluated(layer) if "spectral" in kind else layer
    assert check_module(model, rng.normal(size=(2, shape[0])))


@pytest.mark.parametrize("kind", MAKERS)
def test_copies_and_pickles(kind: str) -> None:
    layer = MAKERS[kind](nn.Linear(3, 4)).eval()
    layer.register_forward_hook(print)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.copy(layer)):
        assert type(other) is type(layer) and repr(other) == repr(layer)
        np.testing.assert_array_equal(other.weight.numpy(), layer.weight.numpy())
        assert list(other.state_dict()) == list(layer.state_dict()) and len(other._forward_hooks) == 1
    twin = copy.deepcopy(layer)
    next(p for p in twin.parameters() if p.shape != (4,)).data += 1
    assert not np.array_equal(twin.weight.numpy(), layer.weight.numpy())


@pytest.mark.parametrize("kind", MAKERS)
def test_inside_transforms(kind: str) -> None:
    layer = MAKERS[kind](nn.Linear(3, 2)).eval()
    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    xs = rng.normal(size=(4, 3)).astype(np.float32)

    def loss(parameters: Any, x: Any) -> Any:
        return (nn.functional_call(layer, parameters, x) ** 2).sum()

    each = vmap(grad(loss), in_axes=(None, 0))(parameters, xs)
    for name in parameters:
        for i, x in enumerate(xs):
            np.testing.assert_allclose(each[name][i], grad(loss)(parameters, x)[name], rtol=2e-4, atol=1e-5)


def test_weight_norm_by_its_formula() -> None:
    for dim, axes in ((0, (1, 2)), (1, (0, 2)), (-1, (0, 1, 2)), (None, (0, 1, 2))):
        layer = nn.Conv1d(3, 2, 4)
        before = layer.weight.numpy().copy()
        parametrizations.weight_norm(layer, dim=dim)
        held = layer.parametrizations.weight
        length = np.sqrt((before**2).sum(axes, keepdims=len(axes) < 3))
        np.testing.assert_allclose(held.original0.numpy(), length, rtol=1e-6)
        np.testing.assert_allclose(layer.weight.numpy(), before, rtol=1e-6)
        held.original0.data = held.original0.data * 3
        np.testing.assert_allclose(layer.weight.numpy(), 3 * before, rtol=1e-6)
        old = nn.utils.weight_norm(nn.Conv1d(3, 2, 4), dim=dim)
        layer.load_state_dict(old.state_dict())  # by its old names
        np.testing.assert_allclose(layer.weight.numpy(), old.weight.numpy(), rtol=1e-6)
        remove_weight_norm(old)
        assert list(old.state_dict()) == ["bias", "weight"] and type(old) is nn.Conv1d
        np.testing.assert_allclose(layer.weight.numpy(), old.weight.numpy(), rtol=1e-6)


@pytest.mark.parametrize("add", [parametrizations.spectral_norm, nn.utils.spectral_norm])
@pytest.mark.parametrize(
    ("make", "matrix"),
    [
        (lambda: nn.Linear(4, 3), lambda w: w),
        (lambda: nn.Conv2d(3, 5, 2), lambda w: w.reshape(5, -1)),
        (lambda: nn.ConvTranspose1d(3, 5, 2), lambda w: w.swapaxes(0, 1).reshape(5, -1)),
    ],
)
def test_spectral_norm_comes_to_the_largest_singular_value(add: Any, make: Any, matrix: Any) -> None:
    nn.manual_seed(0)
    layer = make()
    weight = layer.weight.numpy().copy()
    add(layer, n_power_iterations=300)
    shape = (1, 4) if isinstance(layer, nn.Linear) else (1, 3, 4, 4)[: layer.weight.ndim]
    layer(np.ones(shape, np.float32))
    expected = weight / np.linalg.svd(matrix(weight), compute_uv=False)[0]
    np.testing.assert_allclose(layer.weight.numpy(), expected, rtol=1e-4)


def test_spectral_norm_iterates_in_training_alone() -> None:
    for add, u in (
        (parametrizations.spectral_norm, "parametrizations.weight.0._u"),
        (nn.utils.spectral_norm, "weight_u"),
    ):
        layer, x = add(nn.Linear(4, 3)), np.ones((1, 4), np.float32)
        layer.eval()
        layer.get_buffer(u).data = np.array([0.6, 0.0, 0.8], np.float32)
        before = layer.state_dict()[u].numpy()
        layer(x)
        np.testing.assert_array_equal(layer.state_dict()[u].numpy(), before)
        layer.train()
        layer(x)
        after = layer.state_dict()[u].numpy()
        assert not np.array_equal(after, before) and not layer.get_buffer(u).requires_grad
        np.testing.assert_allclose(np.linalg.norm(after), 1, rtol=1e-5)
    vector = nn.Linear(4, 3)
    parametrizations.spectral_norm(vector, "bias")
    np.testing.assert_allclose(np.linalg.norm(vector.bias.numpy()), 1, rtol=1e-5)
    removed = remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(4, 3)))
    assert list(removed.state_dict()) == ["bias", "weight"] and type(removed) is nn.Linear
    assert not removed._forward_pre_hooks


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("shape", [(4, 4), (4, 2), (2, 4), (1, 3), (3, 4, 2), (2, 3, 3)])
def test_orthogonal_weights(kind: str, trivial: bool, shape: tuple[int, ...]) -> None:
    module = nn.Module()
    module.weight = nn.Parameter(rng.normal(size=shape))
    parametrizations.orthogonal(module, orthogonal_map=kind, use_trivialization=trivial)
    for _ in range(2):
        w = module.weight.numpy()
        if shape[-2] < shape[-1]:
            w = np.swapaxes(w, -1, -2)
        gram = np.swapaxes(w, -1, -2) @ w
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(w.shape[-1]), gram.shape), atol=1e-12)
        held = module.parametrizations.weight.original
        step = rng.normal(size=shape)
        rows, columns = np.indices(shape[-2:])
        held.data = held.data + np.where(rows == columns, 0, step)  # the diagonal has signs, which have no gradient


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (4, 2), (2, 4), (3, 4, 2)])
def test_orthogonal_weights_can_be_assigned(kind: str, shape: tuple[int, ...]) -> None:
    module = nn.Module()
    module.weight = nn.Parameter(nn.init.orthogonal_(Tensor(np.zeros(shape[-2:]))).numpy() * np.ones(shape))
    before = module.weight.numpy().copy()
    parametrizations.orthogonal(module, orthogonal_map=kind)
    np.testing.assert_allclose(module.weight.numpy(), before, atol=1e-12)  # as it was, since it was orthogonal
    new = np.broadcast_to(nn.init.orthogonal_(Tensor(np.zeros(shape[-2:]))).numpy(), shape)
    module.weight = Tensor(new)
    np.testing.assert_allclose(module.weight.numpy(), new, atol=1e-12)
    with pytest.raises(ValueError, match="expected matrices of shape"):
        module.weight = Tensor(np.zeros((7, 7)))
    again = nn.Module()
    again.weight = nn.Parameter(before)
    parametrizations.orthogonal(again, orthogonal_map=kind, use_trivialization=False)
    if kind == "householder":
        np.testing.assert_allclose(again.weight.numpy(), before, atol=1e-12)
        again.weight = Tensor(new)
        np.testing.assert_allclose(again.weight.numpy(), new, atol=1e-12)
    else:
        with pytest.raises(NotImplementedError, match="use_trivialization=True"):
            again.weight = Tensor(new)


def test_training_keeps_a_weight_orthogonal() -> None:
    layer = parametrizations.orthogonal(nn.Linear(5, 3, bias=False).double())
    for _ in range(20):
        layer.zero_grad()
        ((layer(rng.normal(size=(8, 5))) - 1) ** 2).mean().backward()
        for p in layer.parameters():
            with no_grad():
                p.data = p.data - 0.5 * p.grad.numpy()
    np.testing.assert_allclose(layer.weight.numpy() @ layer.weight.numpy().T, np.eye(3), atol=1e-12)
