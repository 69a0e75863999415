import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from pullback import Tensor, conv, einsum, jvp, maximum, registry, vjp, vmap
from pullback.testing import gradcheck, strategies

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


# ---- strategies for users

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def always(strategy, promise):
    @EXAMPLES
    @given(strategy)
    def holds(value):
        promise(value)

    holds()


def minimal(strategy, condition=lambda value: True):
    return find(strategy, condition, settings=settings(EXAMPLES, max_examples=2000))


def there_is(strategy, condition):
    find(strategy, condition, settings=settings(EXAMPLES, max_examples=2000, phases=[Phase.generate]))


@pytest.mark.parametrize(
    "domain, low, high",
    [("real", -3, 3), ("nonzero", -3, 3), ("positive", 0.01, 3), ("unit", 0.01, 0.99), ((2.0, 2.5), 2, 2.5)],
)
def test_domains(domain, low, high):
    def promise(x):
        assert x.dtype == np.float64 and np.all((x >= low) & (x <= high))
        assert domain != "nonzero" or np.all(np.abs(x) > 0.05)

    always(strategies.arrays(domain=domain), promise)


def test_arrays_away_from_kinks_distinct_or_without_ties_along_an_axis():
    always(strategies.arrays((3, 4), kinks=(1.0, 2.0)), lambda x: np.testing.assert_array_less(0.05, np.abs(x - 1)))
    always(strategies.arrays((3, 4), distinct=True), lambda x: np.testing.assert_equal(np.unique(x).size, 12))

    def no_ties(x):
        assert x.shape == (2, 4, 3) and np.all(np.diff(np.sort(x, 1), axis=1) > 0)

    always(strategies.arrays((2, 4, 3), distinct=1), no_ties)
    always(strategies.arrays((2, 4, 3), distinct=-2), no_ties)
    there_is(strategies.arrays((2, 4, 3), distinct=1), lambda x: np.any(x[0] == x[1]))


def test_arrays_of_a_dtype():
    def promise(x):
        assert x.dtype == np.complex64 and np.all(np.abs(np.angle(x[x != 0])) < np.pi / 4)

    always(strategies.arrays(domain="positive", dtype=np.complex64), promise)
    for dtype in (np.float64, np.float32, np.complex128, np.complex64):
        assert minimal(strategies.dtypes(), lambda d, dtype=dtype: d == dtype) == dtype
    always(strategies.dtypes("f"), lambda d: np.testing.assert_equal(d.kind, "f"))


def test_tensors_require_a_gradient():
    always(strategies.tensors((2,), "unit"), lambda x: np.testing.assert_(x.requires_grad and x.is_leaf))
    assert not minimal(strategies.tensors(requires_grad=False)).requires_grad


def test_the_simplest_examples():
    assert minimal(strategies.arrays()).shape == () and minimal(strategies.arrays()) == 0
    np.testing.assert_array_equal(minimal(strategies.arrays((2, 2), "positive")), np.ones((2, 2)))
    assert minimal(strategies.arrays(), lambda x: np.any(x < -1)).shape == ()
    assert minimal(strategies.shapes(), lambda s: len(s) == 2) == (1, 1)
    np.testing.assert_array_equal(minimal(strategies.matrices((2, 3))), np.eye(2, 3))
    for square in (
        strategies.positive_definite_matrices,
        strategies.orthogonal_matrices,
        strategies.triangular_matrices,
    ):
        np.testing.assert_array_equal(minimal(square(2)), np.eye(2))
    assert minimal(strategies.programs()).source.count("\n") == 3


def test_examples_are_no_near_copies_of_those_before():
    seen = [np.zeros((3, 3))]
    always(strategies.arrays((3, 3)), seen.append)
    alike = [np.sum(x == y) > 6 for x, y in itertools.pairwise(seen) if np.ptp(x) and np.ptp(y)]
    assert len(alike) > 30 and np.mean(alike) < 0.1


def test_matrices():
    always(strategies.matrices(), lambda a: np.testing.assert_array_less(np.linalg.cond(a), 5.01))
    always(strategies.matrices((4, 2)), lambda a: np.testing.assert_equal(np.linalg.matrix_rank(a), 2))

    def definite(a):
        np.testing.assert_array_equal(a, a.T)
        w = np.linalg.eigvalsh(a)
        assert w.min() > 0.49 and w.max() < 2.51

    always(strategies.positive_definite_matrices(), definite)
    always(
        strategies.orthogonal_matrices(),
        lambda q: np.testing.assert_allclose(q @ q.T, np.eye(len(q)), atol=1e-12),
    )
    for sign in (1, -1):
        there_is(strategies.orthogonal_matrices(3), lambda q, sign=sign: np.linalg.det(q) * sign > 0.99)
    there_is(strategies.orthogonal_matrices(2), lambda q: abs(q[0, 1]) > 0.1)

    def triangular(a, upper):
        np.testing.assert_array_equal(a, np.triu(a) if upper else np.tril(a))
        assert np.linalg.cond(a) < 10

    for upper in (False, True):
        always(strategies.triangular_matrices(upper=upper), lambda a, upper=upper: triangular(a, upper))


def test_shapes_that_broadcast():
    always(strategies.broadcastable_shapes(3), lambda shapes: np.broadcast_shapes(*shapes))
    there_is(strategies.broadcastable_shapes(2), lambda s: len({len(a) for a in s}) == 2)
    there_is(strategies.broadcastable_shapes(2), lambda s: len(s[0]) == len(s[1]) and s[0] != s[1])


def test_axes():
    x = np.ones((2, 3, 4))
    always(strategies.axes(3), lambda axis: np.sum(x, axis=axis))
    always(strategies.axes(0), lambda axis: np.sum(1.0, axis=axis))
    for kind in (
        lambda a: a is None,
        lambda a: a == (),
        lambda a: isinstance(a, int) and a < 0,
        lambda a: isinstance(a, tuple) and len(a) == 3 and min(a) < 0 <= max(a),
    ):
        there_is(strategies.axes(3), kind)


def test_indices():
    always(strategies.indices((2, 3)), lambda index: np.ones((2, 3))[index])


def test_einsums():
    def promise(drawn):
        subscripts, *operands = drawn
        np.testing.assert_allclose(einsum(subscripts, *operands), np.einsum(subscripts, *operands), atol=1e-12)

    always(strategies.einsums(), promise)
    for kind in (
        lambda d: "->" not in d[0],
        lambda d: "..." in d[0] and len(d) == 3,
        lambda d: "ii" in d[0],
        lambda d: len(d) == 4,
        lambda d: d[0].endswith("ji"),
    ):
        there_is(strategies.einsums(), kind)


def test_convolutions():
    def promise(drawn):
        x, w, options = drawn
        assert conv(x, w, **options).size

    always(strategies.convolutions(), promise)
    always(strategies.convolutions(2), lambda d: np.testing.assert_equal(d[0].ndim, 4))
    for kind in (
        lambda d: d[2]["groups"] == 2 and d[1].shape[0] == 4,
        lambda d: d[2]["padding"] == "same" and max(d[2]["stride"]) > 1,
        lambda d: d[2]["padding"] == "valid" and max(d[2]["dilation"]) > 1,
        lambda d: d[0].ndim == 5 and len(set(d[1].shape[2:])) > 1,
    ):
        there_is(strategies.convolutions(), kind)


# ---- whole programs


def test_programs_can_be_copied():
    def promise(program):
        scope = {}
        exec(repr(program), scope)
        np.testing.assert_array_equal(scope["f"](*scope["arguments"]).numpy(), program(*program.arguments))

    always(strategies.programs(smooth=False), promise)
    there_is(strategies.programs(), lambda p: "linalg.solve" in p.source)
    there_is(strategies.programs(smooth=False), lambda p: "relu" in p.source)
    always(strategies.programs(), lambda p: np.testing.assert_("relu" not in p.source))


@settings(EXAMPLES, max_examples=150)
@given(strategies.programs() | strategies.programs(smooth=False), st.randoms(use_true_random=False))
def test_all_ways_to_differentiate_a_program_agree(program, random):
    """Backward, forward, in batches, and for smooth ones numerical differences."""
    xs = program.arguments
    value = program(*xs)
    rng = np.random.default_rng(random.randrange(2**32))
    g, vs = rng.uniform(0.5, 1.5, np.shape(value)), [rng.uniform(0.5, 1.5, x.shape) for x in xs]

    def pulled(*arguments):
        out, back = vjp(program, *arguments)
        return out, *back(g)

    out, *grads = (x.numpy() for x in pulled(*xs))
    np.testing.assert_allclose(out, value, rtol=1e-12, atol=1e-14)
    tangent = jvp(program, xs, tuple(vs))[1].numpy()
    size = np.sum(np.abs(tangent * g)) + sum(np.sum(np.abs(grad * v)) for grad, v in zip(grads, vs, strict=True))
    backward = sum(np.sum(grad * v) for grad, v in zip(grads, vs, strict=True))
    assert abs(np.sum(tangent * g) - backward) <= 1e-10 * size
    examples = [[x * scale for x in xs] for scale in (1.0, 0.9, 0.95)]
    batch = vmap(pulled)(*(np.stack(column) for column in zip(*examples, strict=True)))
    for whole, each in zip(batch, zip(*(pulled(*x) for x in examples), strict=True), strict=True):
        np.testing.assert_allclose(whole.numpy(), np.stack([x.numpy() for x in each]), rtol=1e-9, atol=1e-11)
    if program.smooth:
        assert gradcheck(program, tuple(Tensor(x, requires_grad=True) for x in xs))
