"""Embeddings: rows of a table by their numbers, as functions and as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

import numpy as np

from ..autograd import Tensor, where
from ..extend import ArrayLike, DTypeLike, TensorLike, added, bottom, checked, lift, linear
from . import init
from .factory import empty
from .module import Module, Parameter

__all__ = [
    "Embedding",
    "embedding",
    "one_hot",
]

_FEW = 1 << 3  # rows of a table that are summed one by one
_TURNS = 4  # rows at one place that are added with those at other places; more of them with one another


@linear("weight")
def rows_at(weight: Any, places: Any) -> Any:
    """The rows of weight (V, E) at places (...): shape (..., E)."""
    return np.take(weight, places, axis=0)


@linear("rows")
def rows_added(rows: Any, places: Any, *, count: int) -> Any:
    """A table (count, E) to which rows (..., E) are added at places (...): the transpose of `rows_at`."""
    width = rows.shape[-1]
    if rows.dtype == np.float16:
        return rows_added.function(rows.astype(np.float32), places, count=count).astype(np.float16)
    rows, places = rows.reshape(places.size, width), places.reshape(-1)
    table = np.zeros((count, width), rows.dtype)
    if count <= _FEW:
        for number in range(count):
            table[number] = added(rows[places == number], 0)
    elif places.size:
        _add_sorted(table, rows, places)
    return table


def _add_sorted(table: Any, rows: Any, places: Any) -> None:
    """Add the rows that come first at their places, then the second ones, and so on; many at one place in a row."""
    order = np.argsort(places.astype(np.min_scalar_type(len(table))), kind="stable")
    ordered = places[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    counts, at = np.diff(np.append(first, len(order))), ordered[first]
    turn = np.arange(len(order)) - np.repeat(first, counts)
    table[at] = rows[order[first]]
    for k in range(1, _TURNS):
        more = counts > k
        at, first, counts = at[more], first[more], counts[more]
        if not at.size:
            return
        table[at] += rows[order[first + k]]
    more = counts > _TURNS
    if more.any():
        left = counts[more] - _TURNS
        table[at[more]] += np.add.reduceat(rows[order[turn >= _TURNS]], np.cumsum(left) - left, axis=0)


rows_at.vjp("weight")(lambda g, places, weight_shape: rows_added.apply(g, places, count=weight_shape[0]))
rows_added.vjp("rows")(lambda g, places: rows_at.apply(g, places))


def _of_example(n: int, places: Any, batched: bool, count: int) -> Any:
    """Places in the tables of all examples, one beneath the other."""
    places = places if batched else np.broadcast_to(places, (n, *places.shape))
    return places + (np.arange(n) * count).reshape(n, *(1,) * (places.ndim - 1))


@rows_at.batch
def _(call: Any, n: int, values: Any, batched: set[int]) -> Any:
    weight, places = values
    if 0 not in batched:
        return call(weight, places)
    count, width = weight.shape[1:]
    return call(np.reshape(weight, (n * count, width)), _of_example(n, places, 1 in batched, count))


@rows_added.batch
def _(call: Any, n: int, values: Any, batched: set[int], *, count: int) -> Any:
    rows, places = values
    rows = rows if 0 in batched else np.broadcast_to(rows, (n, *rows.shape))
    (table,) = call(rows, _of_example(n, places, 1 in batched, count), count=n * count)
    return (np.reshape(table, (n, count, rows.shape[-1])),)


@rows_at.strategy
def _(draw: Any) -> Any:
    count = draw.integer(1, 3)
    return (draw.array(shape=(count, draw.integer(0, 2))), draw.integers(draw.shape(max_dims=2), 0, count - 1)), {}


@rows_added.strategy
def _(draw: Any) -> Any:
    count, places = draw.one_of([2, _FEW + 1]), draw.integers(draw.shape(max_dims=2), 0, 1)
    return (draw.array(shape=(*places.shape, 2)), places), {"count": count}


def embedding(
    input: ArrayLike,
    weight: TensorLike,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of `weight` (V, E) with the numbers in `input` (...): shape (..., E).

    The row `padding_idx` gets no gradient. With `max_norm`, rows that are asked for and longer (in the norm
    `norm_type`) are shortened in `weight` itself, before. With `scale_grad_by_freq` the gradient of a row is divided
    by how often it is asked for. Gradients are dense; `sparse` is accepted. TypeError for numbers that are no integers,
    IndexError for one that is out of range.

    >>> embedding(np.array([2, 0]), np.array([[1.0], [2.0], [3.0]]))
    array([[3.],
           [1.]])
    """
    return looked_up("embedding", input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)


def looked_up(
    name: str,
    input: Any,
    weight: Any,
    padding_idx: int | None,
    max_norm: float | None,
    norm_type: float,
    scale_grad_by_freq: bool,
) -> Any:
    """See `embedding`; errors begin with `name`."""
    input, weight = lift(input), lift(weight)
    if weight.ndim != 2:
        raise ValueError(f"{name}: weight of shape {weight.shape}; expected a table (rows, width)")
    count = len(weight)
    check_numbers(input, count, name)
    if max_norm is not None:
        shorten(weight, bottom(input), max_norm, norm_type)
    out = rows_at.apply(weight, input)
    if padding_idx is not None:
        out = where((input == padding_number(padding_idx, count, name))[..., None], _constant(out), out)
    if scale_grad_by_freq:
        fixed = _constant(out)
        out = fixed + (out - fixed) / _how_often(input, count, out.dtype)[..., None]
    return out


def _constant(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


def _how_often(input: Any, count: int, dtype: Any) -> Any:
    """How often each number occurs among all, in the shape of the numbers."""
    ones = np.ones((*input.shape, 1), dtype)
    return rows_at.apply(rows_added.apply(ones, input, count=count), input)[..., 0]


def check_numbers(input: Any, count: int, name: str) -> None:
    """TypeError unless these are integers, IndexError unless each is the number of one of `count` rows."""
    if input.dtype.kind not in "iu":
        raise TypeError(f"{name}: input of dtype {input.dtype}; expected integers, the numbers of rows")

    def check(known: Any) -> None:
        if known.size and (known.min() < 0 or known.max() >= count):
            wrong = known[(known < 0) | (known >= count)]
            raise IndexError(f"{name}: index {wrong.flat[0]} is out of range for {count} embeddings")

    checked(check, input)


def padding_number(padding_idx: int, count: int, name: str) -> int:
    """The number of the padding row, counted from the front; ValueError if there is none such."""
    if not -count <= padding_idx < count:
        raise ValueError(f"{name}: padding_idx={padding_idx} is out of range for {count} embeddings")
    return padding_idx % count


def shorten(weight: Any, numbers: Any, max_norm: float, norm_type: float) -> None:
    """Scale those of the rows of a table, in place, whose norm is more than `max_norm`."""
    table = weight.data if isinstance(weight, Tensor) else weight
    numbers = np.unique(numbers)
    rows = table[numbers]
    norms = np.linalg.norm(rows, norm_type, axis=1, keepdims=True)
    if (norms > max_norm).any():
        factors = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1)
        if isinstance(weight, Tensor):
            table = table.copy()  # a graph may still need the old one
        table[numbers] = rows * factors.astype(table.dtype)
        if isinstance(weight, Tensor):
            weight.data = table


def one_hot(input: ArrayLike, num_classes: int = -1) -> Tensor:
    """Return integers that are 1 at the class and 0 elsewhere, of shape (..., num_classes), for class numbers (...).

    There are as many classes as the largest number asks for where `num_classes` is -1. TypeError for what is no
    integer, ValueError for one that is out of range.

    >>> one_hot(np.array([2, 0]))
    array([[0, 0, 1],
           [1, 0, 0]])
    """
    classes: Any = lift(input)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"one_hot: input of dtype {classes.dtype}; expected integers, the class numbers")
    if num_classes == -1:
        known = bottom(classes)
        if not known.size:
            raise ValueError("one_hot: without numbers num_classes=-1 says nothing; write how many classes there are")
        num_classes = int(known.max()) + 1

    def check(known: Any) -> None:
        wrong = known[(known < 0) | (known >= num_classes)]
        if wrong.size:
            raise ValueError(f"one_hot: class {wrong.flat[0]} is out of range for num_classes={num_classes}")

    checked(check, classes)
    return (classes[..., None] == np.arange(num_classes)).astype(np.int64)


_Table = TypeVar("_Table", bound="Table")


class Table(Module):
    """Base of the embeddings: a table of `num_embeddings` rows of `embedding_dim` numbers, of which one may be padding.

    Initial values are normal draws, and zeros in the row `padding_idx`.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        weight: TensorLike | None,
        device: str | None,
        dtype: DTypeLike | None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_number(padding_idx, num_embeddings, name)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        if weight is None:
            self.weight = empty((num_embeddings, embedding_dim), device, dtype, name=name)
            self.reset_parameters()
            return
        if np.shape(weight) != (num_embeddings, embedding_dim):
            raise ValueError(f"{name}: _weight of shape {np.shape(weight)}; expected {(num_embeddings, embedding_dim)}")
        self.weight = Parameter(weight.detach() if isinstance(weight, Tensor) else weight)

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0


def pretrained(kind: Callable[..., _Table], name: str, embeddings: TensorLike, freeze: bool, **options: Any) -> _Table:
    """A module of this kind with a table that is given; see `Embedding.from_pretrained`."""
    shape = np.shape(embeddings)
    if len(shape) != 2:
        raise ValueError(f"{name}.from_pretrained: embeddings of shape {shape}; expected a table")
    made = kind(*shape, _weight=embeddings, **options)
    made.weight.requires_grad = not freeze
    return made


class Embedding(Table):
    """A table of vectors by number; integers (...) become (..., embedding_dim). See `functional.embedding`.

    >>> from pullback import nn
    >>> nn.Embedding(10, 3)(np.array([[1, 2, 9]])).shape
    (1, 3, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: TensorLike | None = None,
        _freeze: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, _weight, device, dtype
        )
        self.sparse = sparse
        self.weight.requires_grad = not _freeze

    def forward(self, input: ArrayLike) -> Tensor:
        return looked_up(
            "Embedding",
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: TensorLike,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Make an Embedding of a table (num_embeddings, embedding_dim), which gets no gradient if `freeze`."""
        return pretrained(
            cls,
            cls.__name__,
            embeddings,
            freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        for name in ("padding_idx", "max_norm"):
            if getattr(self, name) is not None:
                parts += [f"{name}={getattr(self, name)}"]
        parts += [f"norm_type={self.norm_type}"] if self.norm_type != 2 else []
        parts += [f"{name}=True" for name in ("scale_grad_by_freq", "sparse") if getattr(self, name)]
        return ", ".join(parts)
