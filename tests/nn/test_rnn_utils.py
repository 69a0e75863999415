"""Packed and padded sequences."""

from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.nn.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

LENGTHS = [2, 4, 1, 4]


def some(*lengths: int, width: int = 2) -> list[Any]:
    """Sequences whose entries say which they are and where."""
    return [np.array([[100.0 * i + 10 * t + k for k in range(width)] for t in range(n)]) for i, n in enumerate(lengths)]


def test_packing_by_hand() -> None:
    packed = pack_sequence([np.array([1, 2, 3]), np.array([4, 5]), np.array([6])])
    np.testing.assert_array_equal(packed.data.numpy(), [1, 4, 6, 2, 5, 3])
    np.testing.assert_array_equal(packed.batch_sizes.numpy(), [3, 2, 1])
    assert packed.sorted_indices is None and packed.unsorted_indices is None and packed.data.dtype.kind == "i"
    packed = pack_sequence([np.array([1.0]), np.array([2.0, 3.0])], enforce_sorted=False)
    assert packed.sorted_indices.numpy().tolist() == [1, 0] == packed.unsorted_indices.numpy().tolist()
    assert packed.data.numpy().tolist() == [2, 1, 3]
    assert nn.utils.rnn.pack_sequence is pack_sequence


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("total", [None, 4, 6])
def test_what_is_packed_comes_back(batch_first: bool, total: int | None) -> None:
    given = some(*LENGTHS)
    packed = pack_sequence(given, enforce_sorted=False)
    for mine, expected in zip(unpack_sequence(packed), given, strict=True):
        np.testing.assert_array_equal(mine.numpy(), expected)
    padded, lengths = pad_packed_sequence(packed, batch_first, -1.0, total)
    expected = np.full((4, total or 4, 2), -1.0)
    for row, sequence in zip(expected, given, strict=True):
        row[: len(sequence)] = sequence
    np.testing.assert_array_equal(padded.numpy(), expected if batch_first else expected.swapaxes(0, 1))
    assert lengths.numpy().tolist() == LENGTHS
    again = pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
    for mine, other in zip(again, packed, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding(side: str) -> None:
    given = some(*LENGTHS)
    padded = pad_sequence(given, batch_first=True, padding_value=7.0, padding_side=side)
    for row, sequence in zip(padded.numpy(), given, strict=True):
        rest = np.full((4 - len(sequence), 2), 7.0)
        np.testing.assert_array_equal(row, np.concatenate([rest, sequence] if side == "left" else [sequence, rest]))
    np.testing.assert_array_equal(
        pad_sequence(given, padding_value=7.0, padding_side=side).numpy(), padded.numpy().swapaxes(0, 1)
    )
    whole = pad_sequence([np.arange(3), np.arange(2)], padding_value=9.0)
    assert whole.dtype.kind == "i" and whole.numpy().T.tolist() == [[0, 1, 2], [0, 1, 9]]
    assert pad_sequence([np.zeros((0, 2)), np.zeros((0, 2))]).shape == (0, 2, 2)


@pytest.mark.parametrize("batch_first", [True, False])
def test_unpadding(batch_first: bool) -> None:
    given = some(*LENGTHS)
    padded = pad_sequence(given, batch_first)
    before = padded.numpy().copy()
    for mine, expected in zip(unpad_sequence(padded, np.array(LENGTHS), batch_first), given, strict=True):
        np.testing.assert_array_equal(mine.numpy(), expected)
    np.testing.assert_array_equal(padded.numpy(), before)


def test_gradients_go_to_what_was_packed_and_padding_has_none() -> None:
    x = Tensor(np.ones((4, 4, 2)), requires_grad=True)
    packed = pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    weight = np.arange(1.0, packed.data.size + 1).reshape(packed.data.shape)
    (packed.data * weight).sum().backward()
    order = np.argsort(np.negative(LENGTHS), kind="stable")
    expected, row = np.zeros(x.shape), iter(weight)
    for t in range(4):
        for i in order:
            if t < LENGTHS[i]:
                expected[t, i] = next(row)
    np.testing.assert_array_equal(x.grad.numpy(), expected)

    leaves = [Tensor(s, requires_grad=True) for s in some(*LENGTHS)]
    (pad_sequence(leaves, padding_value=3.0) ** 2).sum().backward()
    for leaf in leaves:
        np.testing.assert_array_equal(leaf.grad.numpy(), 2 * leaf.numpy())


def test_each_example_of_a_batch_is_packed() -> None:
    xs = np.random.default_rng(0).normal(size=(3, 4, 2))
    each = pb.vmap(lambda x: pad_packed_sequence(pack_padded_sequence(x, [4, 2]))[0])(xs)
    expected = xs.copy()
    expected[:, 2:, 1] = 0
    np.testing.assert_array_equal(each.numpy(), expected)


def test_permutations_and_dtypes() -> None:
    assert invert_permutation(None) is None
    order = np.random.default_rng(0).permutation(7)
    np.testing.assert_array_equal(order[invert_permutation(Tensor(order)).numpy()], np.arange(7))
    packed = pack_sequence([Tensor(s) for s in some(3, 2)])
    assert packed.float().data.dtype == np.float32 and packed.half().data.dtype == np.float16
    assert packed.double() is packed and packed.cpu() is packed and packed.float().batch_sizes is packed.batch_sizes
    assert PackedSequence((packed.data, packed.batch_sizes)).data is packed.data
    made = PackedSequence(packed.data, packed.batch_sizes, np.array([1, 0]))
    assert made.unsorted_indices.numpy().tolist() == [1, 0]


PADDED = np.zeros((4, 3, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pack_padded_sequence(PADDED, [3, 0, 1], enforce_sorted=False), "a length of 0; expected 1 to 4"),
        (lambda: pack_padded_sequence(PADDED, [3, -1, -2]), "a length of -1; expected 1 to 4"),
        (lambda: pack_padded_sequence(PADDED, [5, 2, 1]), "a length of 5; expected 1 to 4"),
        (lambda: pack_padded_sequence(PADDED, [2, 3, 1]), r"lengths \[2, 3, 1\] are not in decreasing order"),
        (lambda: pack_padded_sequence(PADDED, [3, 2]), r"lengths of shape \(2,\) .* expected 3 integers"),
        (lambda: pack_padded_sequence(PADDED, [3.0, 2.0, 1.0]), "dtype float64; expected 3 integers"),
        (lambda: pack_padded_sequence(PADDED, [4, 4, 4], batch_first=True), "expected 4 integers"),
        (lambda: pack_padded_sequence(np.zeros(3), [1]), r"input of shape \(3,\); expected \(T, B, ...\)"),
        (lambda: pad_packed_sequence(pack_sequence(some(3)), total_length=2), "total_length=2; the longest .* has 3"),
        (lambda: pad_sequence([]), "pad_sequence: no sequences"),
        (lambda: pack_sequence([]), "pack_sequence: no sequences"),
        (lambda: pad_sequence([np.zeros((2, 3)), np.zeros((2, 4))]), r"sequence 1 of shape \(2, 4\).* \(2, 3\)"),
        (lambda: pack_sequence([np.zeros(())]), r"pack_sequence: sequence 0 of shape \(\)"),
        (lambda: pad_sequence(some(2), padding_side="top"), "padding_side='top'; expected 'left' or 'right'"),
        (lambda: pad_sequence(3), "expected a list of sequences, got a int"),
        (lambda: unpad_sequence(PADDED, [1, 2]), r"unpad_sequence: lengths of shape \(2,\); expected 3"),
    ],
)
def test_wrong_sequences_are_named(call: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call()
