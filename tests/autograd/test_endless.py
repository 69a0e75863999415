"""Nests without an end, as indices or as data, are refused at once, before memory is filled with them."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn

OF_A_NEST = {
    "Tensor": Tensor,
    "Parameter": nn.Parameter,
    "asarray": pb.asarray,
    "stack": pb.stack,
    "concatenate": pb.concatenate,
    "block": pb.block,
    "sum": pb.sum,
    "argmax": pb.argmax,
    "isfinite": pb.isfinite,
    "unique": pb.unique,
    "count_nonzero": pb.count_nonzero,
    "bincount": pb.bincount,
    "atleast_1d": pb.atleast_1d,
    "grad": pb.grad(pb.sum),
    "vmap": pb.vmap(pb.sum),
    "linear": lambda nest: nn.functional.linear(nest, np.ones((2, 2))),
}

WITH_A_NEST = {
    "getitem": lambda t, nest: t[nest],
    "getitem of a second axis": lambda t, nest: t[0, nest],
    "setitem by a nest": lambda t, nest: t.__setitem__(nest, 1.0),
    "setitem of a nest": lambda t, nest: t.__setitem__(0, nest),
    "getitem in vmap": lambda t, nest: pb.vmap(lambda row: row[nest])(t),
    "take": pb.take,
    "insert": lambda t, nest: pb.insert(t, nest, 1.0, axis=0),
    "delete": lambda t, nest: pb.delete(t, nest, axis=0),
    "add": lambda t, nest: t + nest,
    "reflected add": lambda t, nest: nest + t,
    "and": lambda t, nest: t.astype(int) & nest,
    "numpy.add": np.add,
    "numpy.stack": lambda t, nest: np.stack([t, nest]),
    "numpy.concatenate": lambda t, nest: np.concatenate([t, nest]),
    "where": lambda t, nest: pb.where(nest, t, t),
    "isin": pb.isin,
    "searchsorted": lambda t, nest: pb.searchsorted(t[0], nest),
    "allclose": pb.allclose,
    "array_equal": pb.array_equal,
    "result_type": pb.result_type,
    "data": lambda t, nest: setattr(t, "data", nest),
    "backward": lambda t, nest: (Tensor(t, requires_grad=True) * 2).backward(nest),
}


def endless():
    inside: list = []
    inside.append(inside)
    twice: list = []
    twice += [twice, twice]
    pair: tuple = ([],)
    pair[0].append(pair)
    ragged: list = [[1.0], []]
    ragged[1].append(ragged)
    deep: list = []
    place = deep
    for _ in range(100_000):
        place.append([])
        place = place[0]
    return {
        "a list in itself": inside,
        "a list in itself twice": twice,
        "a tuple in its list": pair,
        "beside numbers": ragged,
        "very deep": deep,
    }


NESTS = endless()
END = "is a part of itself, or inside more than [0-9]+ others"


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("name", OF_A_NEST)
def test_as_data(name, nest):
    with pytest.raises(ValueError, match=END):
        OF_A_NEST[name](NESTS[nest])


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("name", WITH_A_NEST)
def test_beside_a_tensor(name, nest):
    with pytest.raises(ValueError, match=END):
        WITH_A_NEST[name](Tensor(np.ones((2, 2))), NESTS[nest])


def test_beside_a_number_in_an_index():
    with pytest.raises(ValueError, match="a part of itself"):
        Tensor(np.ones((2, 2)))[[1, NESTS["a list in itself twice"]]]


def test_the_same_list_in_two_places_has_an_end():
    row = [1, 0]
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(t[[row, row]].numpy(), t.numpy()[np.array([row, row])])
    np.testing.assert_array_equal(pb.stack([row, row]), [row, row])
    np.testing.assert_array_equal(pb.isin(t, [row, row]).numpy(), [[True, False], [False, False]])
