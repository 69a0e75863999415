"""Einstein's summation: the transpose of an einsum is an einsum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters
from typing import Any

import numpy as np

from ..core.conversion import lift
from ..core.primitive import implements, primitive
from ..core.tensor import Tensor
from .diagonals import diagonal
from .reductions import sum
from .shape import squeeze, transpose

__all__ = ["einsum"]


@primitive
def einsum(*operands: Any, subscripts: str) -> Any:
    """Products of arrays summed over the indices that `subscripts` does not keep; see `numpy.einsum`.

    Any number of operands, with "->" or without, "...", repeated indices, broadcasting, or the form
    `einsum(a, [0, 1], b, [1, 2], [0, 2])`. `optimize` is taken, as in NumPy, and ignored: a good order of the
    products is always looked for.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> einsum("ij,j->i", x, Tensor([1.0, 10.0]))
    Tensor([21., 43.])
    """
    return np.einsum(subscripts, *operands, optimize=True)


@einsum.vjp("operands", "linear")
def _(g: Any, operands: Any, position: int, subscripts: str) -> Any:
    *terms, out = subscripts.replace("->", ",").split(",")
    wanted = terms[position]
    terms[position], others = out, [*operands]
    others[position] = g
    return np.einsum(f"{','.join(terms)}->{wanted}", *others, optimize=True)


@einsum.batch
def _(call: Any, n: int, values: Any, batched: Any, *, subscripts: str) -> Any:
    terms, out = subscripts.split("->")
    new = next(letter for letter in ascii_letters if letter not in subscripts)
    own = (new + term if i in batched else term for i, term in enumerate(terms.split(",")))
    return call(*values, subscripts=f"{','.join(own)}->{new}{out}")


@einsum.strategy
def _(draw: Any) -> Any:
    lengths = {letter: draw.integer(0, 3) for letter in "abc"}
    subscripts = draw.one_of(["ab,bc->ac", "ab->ba", "abc,bc->a", "ab,b,ab->", "a,b->ba", ",ab->ab", "ab,ab,bc->ca"])
    return [draw.array(shape=tuple(lengths[i] for i in term)) for term in subscripts.split("->")[0].split(",")], {
        "subscripts": subscripts
    }


@einsum.public
@implements(np.einsum)
def einsum_form(*operands: object, optimize: bool | str | Sequence[object] = True) -> Tensor:
    if not operands:
        raise ValueError("einsum: subscripts and operands are needed")
    subscripts, *given = operands if isinstance(operands[0], str) else _from_lists(operands)
    arrays = [lift(a) for a in given]
    given_terms, out = _explicit(subscripts, tuple(a.ndim for a in arrays))
    terms = list(given_terms)
    lengths: dict[str, int] = {}
    for term, a in zip(terms, arrays, strict=True):
        for letter, n in zip(term, a.shape, strict=True):
            if lengths.setdefault(letter, n) in (1, n):
                lengths[letter] = n
            elif n != 1:
                raise ValueError(f"einsum: {subscripts!r} has two lengths for one index: shapes {_shapes(arrays)}")
    for i, term in enumerate(terms):
        terms[i], arrays[i] = _single(term, arrays[i], lengths)
    count = Counter("".join(terms) + out)
    for i, term in enumerate(terms):  # what is in one operand alone is summed there
        alone = tuple(axis for axis, letter in enumerate(term) if count[letter] == 1)
        if alone:
            terms[i], arrays[i] = "".join(letter for letter in term if count[letter] > 1), sum(arrays[i], alone)
    if len(arrays) == 1 and len(terms[0]) == len(out):
        return transpose(arrays[0], tuple(map(terms[0].index, out)))
    return einsum.apply(*arrays, subscripts=f"{','.join(terms)}->{out}")


def _shapes(arrays: Any) -> str:
    return ", ".join(str(a.shape) for a in arrays)


def _from_lists(operands: Any) -> list[Any]:
    """Subscripts and arrays from the form `a, [0, 1], b, [1, 2], [0, 2]`."""
    letters = sorted(ascii_letters)

    def term(indices: Any) -> str:
        return "".join("..." if i is Ellipsis else letters[i] for i in indices)

    subscripts = ",".join(term(indices) for indices in operands[1::2])
    if len(operands) % 2:
        subscripts += "->" + term(operands[-1])
    return [subscripts, *operands[: len(operands) - len(operands) % 2 : 2]]


@lru_cache(maxsize=1024)
def _explicit(subscripts: str, dims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """A term for each operand and one for the output, a letter for each axis: nothing implied, no "..." left."""
    inputs, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    extra = [ndim - len(term.replace("...", "")) for term, ndim in zip(terms, dims, strict=False)]
    if len(terms) != len(dims) or any(n < 0 or (n and "..." not in t) for n, t in zip(extra, terms, strict=True)):
        raise ValueError(f"einsum: {subscripts!r} does not fit operands of {', '.join(map(str, dims))} dimensions")
    if not arrow:
        count = Counter(inputs.replace(",", "").replace(".", ""))
        out = "..." * ("..." in inputs) + "".join(sorted(letter for letter, n in count.items() if n == 1))
    most = max(extra)
    free = [letter for letter in ascii_letters if letter not in subscripts][:most]
    terms = [term.replace("...", "".join(free[most - n :])) for term, n in zip(terms, extra, strict=True)]
    if most and "..." not in out:
        raise ValueError(f"einsum: the output of {subscripts!r} lacks the ... that its operands have")
    out = out.replace("...", "".join(free))
    if not "".join(terms).isalpha() and any(terms) or not set(out) <= set("".join(terms)) or len(set(out)) < len(out):
        raise ValueError(f"einsum: invalid subscripts {subscripts!r}")
    return tuple(terms), out


def _single(term: str, a: Any, lengths: dict[str, int]) -> tuple[str, Any]:
    """An operand with every index once, at its full length: diagonals taken, axes that broadcast dropped."""
    for letter in set(term):
        while term.count(letter) > 1:
            i, j = term.index(letter), term.rindex(letter)
            if a.shape[i] != a.shape[j]:
                raise ValueError(f"einsum: index {letter!r} names axes of lengths {a.shape[i]} and {a.shape[j]}")
            a, term = diagonal(a, 0, i, j), term[:i] + term[i + 1 : j] + term[j + 1 :] + letter
    stretched = [axis for axis, letter in enumerate(term) if a.shape[axis] != lengths[letter]]
    if stretched:
        a, term = squeeze(a, stretched), "".join(t for i, t in enumerate(term) if i not in stretched)
    return term, a
