import subprocess
import sys

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from pullback import maximum, registry
from pullback.testing import strategies

Draw, arguments = strategies.Draw, strategies.arguments

QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def drawn(method, *args, **kwargs):
    return st.composite(lambda draw: getattr(Draw(draw), method)(*args, **kwargs))()


@QUICK
@given(drawn("array", domain=(-0.8, 2.5), kinks=(0.0, 1.0)))
def test_arrays_keep_to_their_domain_and_off_kinks(x):
    assert x.dtype == np.float64 and x.ndim <= 3
    assert np.all((x >= -0.8) & (x <= 2.5))
    assert np.all(np.abs(x) > 0.05) and np.all(np.abs(x - 1) > 0.05)
    np.testing.assert_array_equal(x * 8, np.rint(x * 8))


@QUICK
@given(drawn("array", shape=(5, 25), distinct=True))
def test_distinct_entries(x):
    assert np.unique(x).size == 125


@QUICK
@given(drawn("entries", ((-3.0, 0.9), (1.1, 3.0))))
def test_entries_broadcast_and_have_their_own_domains(pair):
    a, b = pair
    np.broadcast_shapes(a.shape, b.shape)
    assert np.all(a <= 0.9) and np.all(b >= 1.1)


@QUICK
@given(drawn("shape", min_dims=1, max_dims=2, min_side=2, max_side=4))
def test_shapes(shape):
    assert 1 <= len(shape) <= 2 and all(2 <= n <= 4 for n in shape)


@QUICK
@given(st.data())
def test_indices_fit_their_shape(data):
    draw = Draw(data.draw)
    shape = draw.shape(min_dims=1, min_side=1)
    np.empty(shape)[draw.index(shape)]


def has(condition):
    return lambda index: condition(index if isinstance(index, tuple) else (index,))


def arrays_in(parts, kind):
    return [part for part in parts if isinstance(part, np.ndarray) and part.dtype.kind == kind]


INDEX_KINDS = {
    "repeat": lambda parts: any(np.unique(part).size < part.size for part in arrays_in(parts, "i")),
    "mask": lambda parts: arrays_in(parts, "b"),
    "newaxis": lambda parts: any(part is None for part in parts),
    "ellipsis": lambda parts: any(part is ... for part in parts),
    "negative step": lambda parts: any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts),
    "array and slice": lambda parts: {np.ndarray, slice} <= {type(part) for part in parts},
}


@pytest.mark.parametrize("condition", INDEX_KINDS.values(), ids=INDEX_KINDS)
def test_all_kinds_of_index_come(condition):
    find(drawn("index", (3, 4)), has(condition), settings=settings(QUICK, max_examples=2000))


@QUICK
@given(st.data())
def test_axes_permutations_and_choices(data):
    draw = Draw(data.draw)
    axes = draw.axes(3)
    assert list(axes) == sorted(set(axes)) and set(axes) <= {0, 1, 2}
    assert draw.axis(3) in (0, 1, 2)
    assert sorted(draw.permutation(4)) == [0, 1, 2, 3]
    assert draw.integer(2, 5) in (2, 3, 4, 5)
    assert draw.one_of("ab") in ("a", "b")
    assert draw.mask((2, 3)).dtype == bool
    whole = draw.integers((4,), 1, 3)
    assert whole.shape == (4,) and set(whole) <= {1, 2, 3}


@QUICK
@given(arguments(maximum))
def test_arguments_of_a_primitive(drawn):
    arrays, options = drawn
    assert len(arrays) == 2 and options == {}
    assert np.all(arrays[0] < arrays[1])


def test_empty_and_scalar_arrays_come():
    for condition in (lambda d: d[0][0].size == 0, lambda d: d[0][0].ndim == 0, lambda d: d[0][0].ndim == 3):
        find(arguments(registry["sum"]), condition, settings=settings(QUICK, max_examples=1000))


def test_hypothesis_is_loaded_when_it_is_used_only():
    code = "import sys, pullback.testing; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis.extra.numpy", None)
    with pytest.raises(ImportError, match=r"pip install pullback\[testing\]"):
        arguments(maximum)
