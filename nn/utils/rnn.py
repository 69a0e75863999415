"""Batches of sequences of different lengths: packed, one time step after another, or padded to one length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np

from ...autograd import Tensor, asarray, concatenate, reshape, swapaxes, take, where
from ...extend import ArrayLike, DTypeLike, wrap

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences of different lengths, one time step after another: made by `pack_padded_sequence`, `pack_sequence`.

    `data` is (sum of the lengths, ...): the first entries of all sequences, the longest sequence first, then the second
    entries of those that have one, and so on. `batch_sizes` are their numbers. `sorted_indices` are the sequences in
    that order, None where they were given so, and `unsorted_indices` their places in it.

    >>> pack_sequence([Tensor([1.0, 2.0, 3.0]), Tensor([4.0])]).data
    Tensor([1., 4., 2., 3.])
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, dtype: DTypeLike) -> Self:
        """Return the same sequences with data of another dtype."""
        return self._replace(data=self.data.astype(dtype)) if self.data.dtype != dtype else self

    def double(self) -> Self:
        """Do the same as `to(numpy.float64)`."""
        return self.to(np.float64)

    def float(self) -> Self:
        """Do the same as `to(numpy.float32)`."""
        return self.to(np.float32)

    def half(self) -> Self:
        """Do the same as `to(numpy.float16)`."""
        return self.to(np.float16)

    def cpu(self) -> Self:
        """Return the same: arrays are on the CPU."""
        return self


def sizes_of(packed: PackedSequence) -> tuple[int, ...]:
    """The number of rows of each time step."""
    return tuple(np.asarray(packed.batch_sizes).tolist())


def _lengths_of(sizes: tuple[int, ...]) -> Any:
    """The lengths of the sequences, the longest first."""
    return np.count_nonzero(np.array(sizes)[:, None] > np.arange(max(sizes, default=0)), axis=0)


def invert_permutation(permutation: ArrayLike | None) -> Tensor | None:
    """Return the inverse of a permutation (n,), integers; None of None.

    >>> invert_permutation(np.array([2, 0, 1]))
    Tensor([1, 2, 0])
    """
    return None if permutation is None else wrap(np.argsort(np.asarray(permutation)))


def pack_padded_sequence(
    input: ArrayLike, lengths: ArrayLike, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack sequences that lie padded in `input` (T, B, ...), or (B, T, ...) if `batch_first`; `lengths` is (B,).

    With `enforce_sorted` they must come in decreasing order of length. ValueError for lengths that do not, that are not
    B, or that are not from 1 to T.

    >>> packed = pack_padded_sequence(Tensor([[1.0, 2.0], [3.0, 0.0]]), [2, 1], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (Tensor([1., 3., 2.]), Tensor([2, 1]))
    """
    input, name = asarray(input), "pack_padded_sequence"
    if input.ndim < 2:
        raise ValueError(f"{name}: input of shape {input.shape}; expected (T, B, ...), or (B, T, ...) with batch_first")
    if batch_first:
        input = swapaxes(input, 0, 1)
    (longest, batch), numbers = input.shape[:2], np.asarray(lengths)
    if numbers.dtype.kind not in "iu" or numbers.shape != (batch,):
        raise ValueError(
            f"{name}: lengths of shape {numbers.shape} and dtype {numbers.dtype}; expected {batch} integers"
        )
    if wrong := [n for n in numbers.tolist() if not 1 <= n <= longest]:
        raise ValueError(f"{name}: a length of {wrong[0]}; expected 1 to {longest} for an input of {longest} steps")
    order = None
    if not enforce_sorted:
        order = np.argsort(-numbers, kind="stable")
        numbers = numbers[order]
    elif (np.diff(numbers) > 0).any():
        raise ValueError(
            f"{name}: lengths {numbers.tolist()} are not in decreasing order; sort them, or pass enforce_sorted=False"
        )
    steps, places = np.nonzero(np.arange(longest)[:, None] < numbers)
    sizes = np.bincount(steps, minlength=max(numbers, default=0))
    rows = steps * batch + (places if order is None else order[places])
    data = take(reshape(input, (longest * batch, *input.shape[2:])), rows, axis=0)
    return PackedSequence(data, wrap(sizes), None if order is None else wrap(order))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the sequences padded, (T, B, ...) or (B, T, ...) if `batch_first`, and their lengths (B,).

    T is the greatest length, or `total_length`; ValueError if that is less.

    >>> packed = pack_sequence([Tensor([1.0, 2.0]), Tensor([3.0])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (Tensor([[1., 2.],
            [3., 0.]]), Tensor([2, 1]))
    """
    sizes = sizes_of(sequence)
    longest, lengths = len(sizes), _lengths_of(sizes)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(f"pad_packed_sequence: total_length={total_length}; the longest sequence has {longest}")
        longest = total_length
    first = np.concatenate([[0], np.cumsum(sizes)])[: len(sizes)]
    steps, places = np.arange(longest)[:, None], np.arange(len(lengths))
    if sequence.unsorted_indices is not None:
        places = np.asarray(sequence.unsorted_indices)
    rows = np.pad(first, (0, longest - len(first)))[:, None] + places
    lengths = lengths[places]
    return _padded(sequence.data, rows, steps < lengths, batch_first, padding_value), wrap(lengths)


def _padded(data: Any, rows: Any, inside: Any, batch_first: bool, padding_value: float) -> Any:
    """Rows of the data, (T, B, ...) or (B, T, ...), and the padding where `inside` (T, B) is False."""
    if batch_first:
        rows, inside = rows.T, inside.T
    data = asarray(data)
    found = take(data, np.where(inside, rows, 0), axis=0)
    if inside.all():
        return found
    return where(inside.reshape(*inside.shape, *(1,) * (data.ndim - 1)), found, data.dtype.type(padding_value))


def pad_sequence(
    sequences: Iterable[ArrayLike], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Return sequences (L, ...) of different lengths, padded: (T, B, ...), or (B, T, ...) if `batch_first`.

    `padding_side` is where the padding lies, "right" or "left". ValueError for another, for no sequences, and for
    sequences whose further axes differ.

    >>> pad_sequence([Tensor([1.0, 2.0]), Tensor([3.0])], batch_first=True, padding_side="left")
    Tensor([[1., 2.],
            [0., 3.]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side={padding_side!r}; expected 'left' or 'right'")
    if not isinstance(sequences, Iterable):
        raise TypeError(f"pad_sequence: expected a list of sequences, got a {type(sequences).__name__}")
    given = _same_rows(sequences, "pad_sequence")
    lengths = np.array([len(s) for s in given])
    longest = max(lengths)
    steps = np.arange(longest)[:, None]
    if padding_side == "left":
        steps = steps - (longest - lengths)
    rows = np.cumsum(lengths) - lengths + steps
    return _padded(concatenate(given, 0), rows, (steps >= 0) & (steps < lengths), batch_first, padding_value)


def _same_rows(sequences: Iterable[ArrayLike], name: str) -> list[Any]:
    """The sequences, all of entries of the same shape."""
    given = [asarray(s) for s in sequences]
    if not given:
        raise ValueError(f"{name}: no sequences; expected at least one")
    for i, s in enumerate(given):
        if s.ndim == 0 or s.shape[1:] != given[0].shape[1:]:
            raise ValueError(
                f"{name}: sequence {i} of shape {s.shape}; expected (L, ...) with further axes as in sequence 0, "
                f"of shape {given[0].shape}"
            )
    return given


def unpad_sequence(padded_sequences: ArrayLike, lengths: ArrayLike, batch_first: bool = False) -> list[Tensor]:
    """Return the sequences that lie padded in (T, B, ...), or (B, T, ...) if `batch_first`; `lengths` is (B,).

    ValueError unless there are B lengths.

    >>> unpad_sequence(Tensor([[1.0, 2.0], [3.0, 0.0]]), [2, 1], batch_first=True)
    [Tensor([1., 2.]), Tensor([3.])]
    """
    padded = asarray(padded_sequences)
    padded = padded if batch_first else swapaxes(padded, 0, 1)
    numbers = np.asarray(lengths)
    if numbers.shape != padded.shape[:1]:
        raise ValueError(f"unpad_sequence: lengths of shape {numbers.shape}; expected {padded.shape[0]} of them")
    return [padded[i, :n] for i, n in enumerate(numbers.tolist())]


def pack_sequence(sequences: Iterable[ArrayLike], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L, ...), in decreasing order of length unless `enforce_sorted` is False.

    Errors are those of `pad_sequence` and `pack_padded_sequence`.

    >>> pack_sequence([Tensor([1.0]), Tensor([2.0, 3.0])], enforce_sorted=False).data
    Tensor([2., 1., 3.])
    """
    given = _same_rows(sequences, "pack_sequence")
    return pack_padded_sequence(pad_sequence(given), [len(s) for s in given], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences that were packed, in the order in which they were given.

    >>> unpack_sequence(pack_sequence([Tensor([1.0]), Tensor([2.0, 3.0])], enforce_sorted=False))
    [Tensor([1.]), Tensor([2., 3.])]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
