"""Embeddings and bags of them: values and gradients by loops over the numbers."""

from typing import Any

import numpy as np
import pytest

from pullback import Tensor, grad, grads, jvp, nn, vmap
from pullback.nn import functional as F
from pullback.testing import check_module

NUMBERS = np.array([[1, 4, 4], [0, 2, 4]])
FLAT, OFFSETS = np.array([1, 2, 4, 2, 2, 5, 1]), np.array([0, 3, 3, 5])
BAGS = ([1, 2, 4], [], [2, 2], [5, 1])


def table(rows: int = 6, width: int = 3) -> Any:
    return np.random.default_rng(0).normal(size=(rows, width))


def added_by_loops(numbers: Any, g: Any, rows: int) -> Any:
    out = np.zeros((rows, g.shape[-1]))
    for number, row in zip(numbers.ravel(), g.reshape(-1, g.shape[-1]), strict=True):
        out[number] += row
    return out


@pytest.mark.parametrize("rows", [6, 40, 400])  # one by one, and by sorting
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (40, 30), (0, 2)])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_rows_and_their_gradient(rows: int, shape: tuple[int, ...], kind: Any) -> None:
    rng = np.random.default_rng(1)
    numbers = np.floor(rows * rng.random(shape) ** 3).astype(np.int64)  # some much more often than others
    weight = Tensor(table(rows).astype(kind), requires_grad=True)
    y = F.embedding(numbers, weight)
    assert y.dtype == kind
    np.testing.assert_array_equal(y.numpy(), weight.numpy()[numbers])
    g = rng.normal(size=y.shape).astype(kind)
    y.backward(g)
    assert weight.grad is not None and weight.grad.dtype == kind
    tolerance = 1e-12 if kind is np.float64 else 1e-4
    np.testing.assert_allclose(weight.grad.numpy(), added_by_loops(numbers, g, rows), rtol=tolerance, atol=tolerance)


def test_float16_is_added_up_as_float32() -> None:
    weight = Tensor(np.zeros((2, 1), np.float16), requires_grad=True)
    F.embedding(np.zeros(3000, np.int64), weight).backward(np.ones((3000, 1), np.float16))
    assert weight.grad is not None and weight.grad.dtype == np.float16
    np.testing.assert_array_equal(weight.grad.numpy(), [[3000], [0]])


@pytest.mark.parametrize("rows", [6, 40])
def test_what_is_not_finite_stays_in_its_row(rows: int) -> None:
    weight = Tensor(np.zeros((rows, 2)), requires_grad=True)
    F.embedding(np.array([1, 2, 2]), weight).backward(np.array([[np.inf, np.nan], [1, 2], [3, 4]]))
    assert weight.grad is not None
    np.testing.assert_array_equal(weight.grad.numpy()[:3], [[0, 0], [np.inf, np.nan], [4, 6]])


def test_padding_gets_no_gradient_and_starts_at_zero() -> None:
    for padding in (4, -1):
        layer = nn.Embedding(5, 2, padding_idx=padding)
        assert layer.padding_idx == 4
        np.testing.assert_array_equal(layer.weight.numpy()[4], 0)
        assert (layer.weight.numpy()[:4] != 0).all()
        layer.weight.data[4] = 7
        y = layer(NUMBERS)
        np.testing.assert_array_equal(y.numpy()[0, 1], [7, 7])
        y.backward(np.ones(y.shape, np.float32))
        assert layer.weight.grad is not None
        np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [1, 1, 1, 0, 0])


def test_gradients_by_frequency() -> None:
    layer = nn.Embedding(5, 2, scale_grad_by_freq=True)
    y = layer(NUMBERS)
    np.testing.assert_array_equal(y.numpy(), layer.weight.numpy()[NUMBERS])
    y.backward(np.full(y.shape, 6, np.float32))
    assert layer.weight.grad is not None
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [6, 6, 6, 0, 6])  # 4 is there three times: 18 / 3


@pytest.mark.parametrize("norm_type", [1, 2, 3, np.inf])
def test_long_rows_are_shortened_where_they_are_asked_for(norm_type: float) -> None:
    weight = np.array([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    layer = nn.Embedding.from_pretrained(weight, max_norm=2.0, norm_type=norm_type)
    before = layer.weight.data
    y = layer(np.array([0, 1, 0]))
    length = {1: 7.0, 2: 5.0, 3: 91 ** (1 / 3), np.inf: 4.0}[norm_type]
    expected = weight.copy()
    expected[0] *= 2 / length
    np.testing.assert_allclose(layer.weight.numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(y.numpy(), layer.weight.numpy()[[0, 1, 0]])
    np.testing.assert_array_equal(before, weight)  # which an earlier graph may need
    array = weight.copy()
    F.embedding(np.array([0]), array, max_norm=2.0, norm_type=norm_type)
    np.testing.assert_allclose(array, expected, rtol=1e-6)


def test_from_pretrained() -> None:
    frozen = nn.Embedding.from_pretrained(table(), padding_idx=1)
    assert not frozen.weight.requires_grad and frozen.padding_idx == 1
    np.testing.assert_array_equal(frozen.weight.numpy(), table())  # padding as it is given
    assert nn.Embedding.from_pretrained(table(), freeze=False).weight.requires_grad
    bag = nn.EmbeddingBag.from_pretrained(Tensor(table()), mode="sum", padding_idx=-1)
    assert not bag.weight.requires_grad and (bag.mode, bag.padding_idx) == ("sum", 5)
    with pytest.raises(ValueError, match=r"Embedding\.from_pretrained: embeddings of shape \(3,\)"):
        nn.Embedding.from_pretrained(np.ones(3))


def test_initial_values_are_normal_and_seeded() -> None:
    nn.manual_seed(0)
    first = nn.Embedding(300, 100).weight.numpy()
    assert abs(first.mean()) < 0.03 and abs(first.std() - 1) < 0.02 and abs((first**4).mean() - 3) < 0.2
    nn.manual_seed(0)
    np.testing.assert_array_equal(nn.EmbeddingBag(300, 100).weight.numpy(), first)


def test_transforms() -> None:
    weight, t = table(), table() + 1
    np.testing.assert_array_equal(vmap(lambda i: F.embedding(i, weight))(NUMBERS).numpy(), weight[NUMBERS])
    several = np.stack([weight, 2 * weight])
    np.testing.assert_array_equal(
        vmap(F.embedding)(NUMBERS, several).numpy(), [weight[NUMBERS[0]], 2 * weight[NUMBERS[1]]]
    )
    y, dy = jvp(lambda w: F.embedding(NUMBERS, w), (weight,), (t,))
    np.testing.assert_array_equal(y.numpy(), weight[NUMBERS])
    np.testing.assert_array_equal(dy.numpy(), t[NUMBERS])
    bags = vmap(lambda i: F.embedding_bag(i[None], weight, padding_idx=4)[0])(NUMBERS)
    np.testing.assert_allclose(bags.numpy(), [weight[1], weight[[0, 2]].mean(0)])
    none = np.zeros((0, 3), np.int64)
    gradients = vmap(grad(lambda w: F.embedding_bag(none, w, mode="sum").sum()))(several)
    np.testing.assert_array_equal(gradients.numpy(), np.zeros_like(several))


REDUCE = {"sum": np.sum, "mean": np.mean, "max": np.max}


@pytest.mark.parametrize("mode", REDUCE)
@pytest.mark.parametrize("padding", [None, 2])
def test_bags_by_loops(mode: str, padding: int | None) -> None:
    weight = table()
    bags = [[i for i in bag if i != padding] for bag in BAGS]
    expected = [REDUCE[mode](weight[bag], axis=0) if bag else np.zeros(3) for bag in bags]
    y = F.embedding_bag(FLAT, weight, OFFSETS, mode=mode, padding_idx=padding)
    np.testing.assert_allclose(y, expected, rtol=1e-14)
    ends = F.embedding_bag(
        FLAT, weight, np.append(OFFSETS, 7), mode=mode, padding_idx=padding, include_last_offset=True
    )
    np.testing.assert_array_equal(ends, y)
    leaf, g = Tensor(weight, requires_grad=True), np.random.default_rng(2).normal(size=(4, 3))
    (slope,) = grads([F.embedding_bag(FLAT, leaf, OFFSETS, mode=mode, padding_idx=padding)], [leaf], [g])
    wanted = np.zeros((6, 3))
    for bag, row in zip(bags, g, strict=True):
        for column in range(3):
            if mode == "max" and bag:
                wanted[bag[int(np.argmax(weight[bag, column]))], column] += row[column]
            for i in bag if mode != "max" else ():
                wanted[i, column] += row[column] / (len(bag) if mode == "mean" else 1)
    np.testing.assert_allclose(slope.numpy(), wanted, rtol=1e-14)


def test_rows_of_an_input_are_bags() -> None:
    weight = table()
    np.testing.assert_allclose(F.embedding_bag(NUMBERS, weight), weight[NUMBERS].mean(1))
    assert F.embedding_bag(np.zeros((0, 3), np.int64), weight).shape == (0, 3)
    for mode in REDUCE:
        np.testing.assert_array_equal(F.embedding_bag(np.zeros((2, 0), np.int64), weight, mode=mode), np.zeros((2, 3)))


def test_weights_of_samples() -> None:
    weight, factors = Tensor(table(), requires_grad=True), Tensor(np.arange(7.0), requires_grad=True)
    y = nn.EmbeddingBag.from_pretrained(weight, freeze=False, mode="sum", padding_idx=2)(FLAT, OFFSETS, factors)
    rows = weight.numpy()
    np.testing.assert_allclose(y.numpy(), [2 * rows[4], 0 * rows[0], 0 * rows[0], 5 * rows[5] + 6 * rows[1]])
    y.backward(np.ones((4, 3)))
    assert factors.grad is not None
    np.testing.assert_allclose(factors.grad.numpy(), np.where(FLAT == 2, 0, rows.sum(1)[FLAT]))


def test_gradients_of_bags_by_frequency() -> None:  # PyTorch 2.13 divides by how often other numbers occur
    weight = Tensor(table(), requires_grad=True)
    F.embedding_bag(FLAT, weight, OFFSETS, mode="sum", scale_grad_by_freq=True).backward(np.full((4, 3), 6.0))
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad.numpy()[:, 0], [0, 6, 6, 0, 6, 6])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Embedding(5, 3), (NUMBERS,)),
        (nn.Embedding(5, 3, scale_grad_by_freq=False), (np.array(3),)),
        (nn.EmbeddingBag(6, 2), (FLAT, OFFSETS)),
        (nn.EmbeddingBag(6, 2, mode="max", padding_idx=1), (FLAT, OFFSETS)),
        (nn.EmbeddingBag(6, 2, mode="sum"), (NUMBERS, None)),
    ],
)
def test_modules(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    assert check_module(layer, tuple(x for x in inputs if x is not None))


def test_one_hot() -> None:
    y = F.one_hot(NUMBERS)
    assert y.shape == (2, 3, 5) and y.dtype == np.int64
    np.testing.assert_array_equal(np.argmax(y, -1), NUMBERS)
    np.testing.assert_array_equal(y.sum(-1), 1)
    assert F.one_hot(np.zeros((0, 2), np.int64), 3).shape == (0, 2, 3)
    np.testing.assert_array_equal(F.one_hot(Tensor(np.array(1)), 3).numpy(), [0, 1, 0])
    np.testing.assert_array_equal(vmap(lambda i: F.one_hot(i, 5))(NUMBERS).numpy(), y)


ZEROS = np.zeros((10, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Embedding(10, 3)(np.array([1, 12])), IndexError, "Embedding: index 12 is out of range for 10 emb"),
        (lambda: nn.Embedding(10, 3)(np.array([-1])), IndexError, "Embedding: index -1 is out of range for 10"),
        (lambda: F.embedding(np.array([10]), ZEROS), IndexError, "embedding: index 10 is out of range for 10"),
        (
            lambda: nn.Embedding(10, 3)(np.array([1.0])),
            TypeError,
            "Embedding: input of dtype float64; expected integers",
        ),
        (lambda: F.embedding(np.array([1]), np.zeros(3)), ValueError, r"embedding: weight of shape \(3,\)"),
        (lambda: nn.Embedding(10, 3, padding_idx=10), ValueError, "Embedding: padding_idx=10 is out of range for 10"),
        (lambda: nn.EmbeddingBag(10, 3, padding_idx=-11), ValueError, "EmbeddingBag: padding_idx=-11 is out of range"),
        (lambda: nn.Embedding(2, 3, _weight=ZEROS), ValueError, r"_weight of shape \(10, 3\); expected \(2, 3\)"),
        (lambda: nn.EmbeddingBag(10, 3, mode="min"), ValueError, "EmbeddingBag: mode='min'; expected 'sum'"),
        (lambda: F.embedding_bag(FLAT, ZEROS), ValueError, r"embedding_bag: an input of shape \(7,\) needs offsets"),
        (lambda: F.embedding_bag(NUMBERS, ZEROS, OFFSETS), ValueError, "embedding_bag: offsets with an input"),
        (lambda: F.embedding_bag(NUMBERS[None], ZEROS), ValueError, r"input of shape \(1, 2, 3\)"),
        (lambda: F.embedding_bag(FLAT, ZEROS, np.array([1, 2])), ValueError, "begin at 0"),
        (lambda: F.embedding_bag(FLAT, ZEROS, np.array([0, 5, 3])), ValueError, "do not fall"),
        (lambda: F.embedding_bag(FLAT, ZEROS, np.array([0, 9])), ValueError, "do not go beyond 7"),
        (lambda: F.embedding_bag(FLAT, ZEROS, np.array([0.0])), ValueError, "offsets of shape .* expected integers"),
        (
            lambda: F.embedding_bag(FLAT, ZEROS, np.array([0, 5]), include_last_offset=True),
            ValueError,
            "do not fall and end at 7",
        ),
        (lambda: nn.EmbeddingBag(3, 3)(FLAT, OFFSETS), IndexError, "EmbeddingBag: index 4 is out of range for 3"),
        (
            lambda: F.embedding_bag(FLAT, ZEROS, OFFSETS, per_sample_weights=np.ones(7)),
            NotImplementedError,
            "per_sample_weights go with mode='sum', not with 'mean'",
        ),
        (
            lambda: F.embedding_bag(FLAT, ZEROS, OFFSETS, mode="sum", per_sample_weights=np.ones(6)),
            ValueError,
            r"per_sample_weights of shape \(6,\) for an input of \(7,\)",
        ),
        (lambda: F.embedding_bag(FLAT, ZEROS, OFFSETS, mode="max", sparse=True), ValueError, "mode='max' goes with"),
        (lambda: F.one_hot(np.array([-1])), ValueError, "one_hot: class -1 is out of range"),
        (lambda: F.one_hot(np.array([3]), 3), ValueError, "one_hot: class 3 is out of range for num_classes=3"),
        (lambda: F.one_hot(np.array([1.0])), TypeError, "one_hot: input of dtype float64"),
        (lambda: F.one_hot(np.zeros(0, np.int64)), ValueError, "one_hot: without numbers"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_reprs() -> None:
    assert repr(nn.Embedding(5, 3, 0, 1.0, 1.0, True, True)) == (
        "Embedding(5, 3, padding_idx=0, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True, sparse=True)"
    )
    assert repr(nn.EmbeddingBag(5, 3, padding_idx=1)) == "EmbeddingBag(5, 3, mode='mean', padding_idx=1)"
