"""All cases of tests/parity, of every module and functional, without PyTorch: what each of them has to keep.

By itself the first and the last case of a name; all of them with `-m thorough`. Random numbers are the same in all
calls of a case.
"""

import copy
import pickle

import numpy as np
import pytest

from pullback import Tensor, enable_grad, jvp, nn, no_grad, vjp, vmap
from pullback.testing import check_module
from pullback.tests.helpers.case_calls import Called, by_name, drawn, inner, slope

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

NAMES = by_name()
FEW = {name: cases[:: max(1, len(cases) - 1)] for name, cases in NAMES.items()}
each = pytest.mark.parametrize(
    "cases",
    [
        *(pytest.param(cases, id=name) for name, cases in FEW.items()),
        *(pytest.param(cases, id=f"{name}-all", marks=pytest.mark.thorough) for name, cases in NAMES.items()),
    ],
)


def rescaled(case, training):
    """The gradient is another than the derivative: by hooks, by how often an index is there, or past a least value."""
    options = {**case.options, **case.call}
    past = "eps" in options and case.name in ("GaussianNLLLoss", "functional.gaussian_nll_loss")
    return past or "backward" in str(case.args) or options.get("scale_grad_by_freq")


def padded(case, training):
    """The gradient of a row for padding is zero."""
    return case.name in ("Embedding", "functional.embedding") and "padding_idx" in {**case.options, **case.call}


def renormed(case, training):
    """A call writes into its parameter."""
    return "max_norm" in case.options


def iterated(case, training):
    """The vectors of an iteration count as constants, though they are not."""
    return training and "spectral_norm" in str(case.args)


def saturated(case, training):
    """Two numbers in each group are 1 and -1 but for eps: differences lose their digits, which a test in
    test_normalization.py has from a formula."""
    return case.name == "GroupNorm" and case.args == (3, 6) and len(case.inputs[0]) == 2 and "eps" not in case.options


def walk(*left_out):
    """Make of a check of one Called a test of the cases of a name, in training and in evaluation, but for some."""

    def decorate(check):
        @each
        def test(cases):
            for case in cases:
                for training in Called(case).modes:
                    if any(reason(case, training) for reason in left_out):
                        continue
                    try:
                        check(Called(case).train(training))
                    except BaseException as error:
                        error.add_note(f"{case}, {'training' if training else 'evaluation'}")
                        raise

        test.__doc__ = check.__doc__
        return test

    return decorate


def near(actual, expected, rtol=1e-9):
    """Equal up to `rtol` of the largest, of the same shapes and dtypes."""
    assert len(actual) == len(expected)
    for i, (a, b) in enumerate(zip(map(np.asarray, actual), map(np.asarray, expected), strict=True)):
        assert a.shape == b.shape and a.dtype == b.dtype, f"{i}: {a.dtype}{a.shape} for {b.dtype}{b.shape}"
        size = max(1.0, np.max(np.abs(b[np.isfinite(b)]), initial=0))
        np.testing.assert_allclose(a, b, rtol, rtol * size, err_msg=str(i))


def same(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), strict=True)


def no_gradient(case, training):
    return case.no_gradient


@walk(no_gradient, renormed)
def test_vmap_beside_a_loop(called):
    """Of inputs, parameters and buffers: the results and the gradients."""
    leaves = called.leaves
    if not leaves:
        return
    weights = drawn(called.at(*leaves), 5)
    rows = [np.stack([x * s for s in (1.0, 0.98, 1.01)]) for x in leaves]
    states = {name: np.stack([b.numpy()] * 3) for name, b in called.state.items()}

    def run(leaves, state):
        state = dict(state)
        return *called.pulled(leaves, weights, state), tuple(state.values())

    loop = [run([x[i] for x in rows], {name: Tensor(b[i]) for name, b in states.items()}) for i in range(3)]
    try:
        got = vmap(run, randomness="same")(rows, states)
    except ValueError as error:
        if "running ones cannot follow all" in str(error):  # of a function, which has no buffers
            return
        raise
    for several, *expected in zip(got, *loop, strict=True):
        near(several, [np.stack(parts) for parts in zip(*expected, strict=True)])


@walk(no_gradient, renormed, rescaled)
def test_forward_mode_beside_reverse_mode(called):
    """<J v, w> = <v, J^T w>, and the same of the gradient, whose Jacobian is symmetric."""
    leaves = called.leaves
    out = called.at(*leaves)
    if not leaves or not out or not all(np.isfinite(x.numpy()).all() for x in out):
        return
    weights, directions, others = drawn(out, 5), drawn(leaves, 6), drawn(leaves, 7)

    def pull(*leaves):
        return called.pulled(leaves, weights)[1]

    value, gradients = called.pulled(leaves, weights)
    pushed, tangents = jvp(called.at, leaves, directions)
    near(pushed, value)
    near([inner(tangents, weights)], [inner(directions, gradients)])
    near([inner(jvp(pull, leaves, directions)[1], others)], [inner(vjp(pull, *leaves)[1](others), directions)])


def off_kinks(called):
    """The leaves a little aside, where a case stands on a kink."""
    leaves = called.leaves
    return [x + 0.01 * v for x, v in zip(leaves, drawn(leaves, 8), strict=True)]


@walk(no_gradient, padded, renormed, rescaled, iterated)
def test_derivatives_beside_differences(called):
    """The first and the second derivative in a direction, in double precision."""
    leaves = off_kinks(called)
    try:
        out = called.at(*leaves)
    except ValueError:  # only its own numbers fit
        leaves = called.leaves
        out = called.at(*leaves)
    if not leaves or not out or not all(np.isfinite(x.numpy()).all() for x in out):
        return
    weights, directions, others = drawn(out, 5), drawn(leaves, 6), drawn(leaves, 7)

    def value(*leaves):
        return inner([x.numpy() for x in called.at(*leaves)], weights)

    def gradient(*leaves):
        return inner([x.numpy() for x in called.pulled(leaves, weights)[1]], others)

    def second(*leaves):
        return inner(vjp(lambda *x: called.pulled(x, weights)[1], *leaves)[1](others), directions)

    for actual, f in ((inner(called.pulled(leaves, weights)[1], directions), value), (second(*leaves), gradient)):
        expected = slope(f, leaves, directions)
        if abs(actual - expected) > 1e-7 * max(1, abs(expected)):  # a kink within the step
            expected = min(expected, slope(f, leaves, directions, step=1e-6), key=lambda x: abs(x - actual))
        near([actual], [expected], 1e-7)


@pytest.mark.thorough
@pytest.mark.parametrize("cases", NAMES.values(), ids=NAMES)
def test_check_module(cases):
    for case in cases:
        if any(reason(case, True) for reason in (no_gradient, padded, renormed, rescaled, iterated, saturated)):
            continue
        called = Called(case)
        if called.leaves and called.at(*called.leaves):
            assert check_module(called, tuple(called.floats))


def precise(dtype, rtol):
    """Results, gradients and gradients of gradients in a dtype, beside double precision for the same numbers."""

    def compare(narrow, called, leaves, weights):
        expected = called.pulled([x.astype(np.float64) for x in leaves], weights)[1]
        near(narrow.pulled(leaves, weights)[1], [g.numpy().astype(dtype) for g in expected], rtol)

    def check(called):
        case, narrow = called.case, Called(called.case, dtype).train(called.training)
        leaves = narrow.leaves
        if not leaves or max(np.max(np.abs(x), initial=0) for x in leaves) > 0.1 * np.finfo(dtype).max:
            return
        try:
            out = narrow.at(*leaves)
        except TypeError as error:
            if dtype == np.float16 and "float16" in str(error):
                return
            raise
        wide = [x.astype(np.float64) for x in leaves]
        near(out, [x.numpy().astype(dtype) for x in called.at(*wide)], rtol)
        if case.no_gradient:
            return
        weights, others = drawn(out, 5), drawn(leaves, 7)
        try:
            compare(narrow, called, leaves, weights)
        except AssertionError:  # roundings on two sides of a kink; hardly so at another place
            compare(narrow, called, [x * dtype(0.9) for x in leaves], weights)
        second = vjp(lambda *x: narrow.pulled(x, weights)[1], *leaves)[1](others)
        assert {g.dtype for g in second} <= {np.dtype(dtype)}

    return check


test_single_precision = walk(renormed)(precise(np.float32, 1e-3))
test_half_precision = walk(renormed)(precise(np.float16, 3e-2))


@walk(renormed)
def test_what_a_call_leaves_as_it_was(called):
    """Inputs and parameters, and in evaluation buffers; and that results are the same with and without a graph."""
    leaves, state = called.leaves, called.state
    count = len(called.floats)
    nn.manual_seed(1)
    inputs = [Tensor(x.copy(), requires_grad=True) for x in leaves[:count]]
    out = copy.deepcopy(called)(*inputs)
    for graph in (False, True):
        nn.manual_seed(1)
        again = copy.deepcopy(called)
        with enable_grad() if graph else no_grad():
            same(again(*map(Tensor, leaves[:count])), out)
        same(again.parameters(), called.parameters())
        if not called.training:
            same(again.buffers(), called.buffers())
    for x in out:
        if x.requires_grad and not called.case.no_gradient:
            x.backward(np.ones(x.shape, x.dtype), retain_graph=True)
    for x, before in zip((*inputs, *called.parameters()), called.leaves, strict=False):
        np.testing.assert_array_equal(x.numpy(), before)
    same(called.at(*leaves), out)  # as a function of the parameters
    assert all(np.array_equal(b.numpy(), state[name].numpy()) for name, b in called.state.items())


@walk(renormed)
def test_copies(called):
    """By a state_dict, deepcopy and pickle; new parameters by `functional_call` and in their places."""
    if not called.is_module:
        return
    leaves = [0.9 * x for x in called.leaves]
    changed = copy.deepcopy(called)
    held = dict(changed.named_parameters())
    for name, value in zip(called.asked, leaves[len(called.floats) :], strict=True):
        held[name].data = value
    out = called.at(*leaves)
    loaded = Called(called.case, seed=3).train(called.training)
    loaded.load_state_dict(changed.state_dict())
    assert list(loaded.state_dict()) == list(changed.state_dict())
    others = [changed, loaded, copy.deepcopy(changed)]
    others.append(copy.copy(changed))
    try:
        others[-1].run = pickle.loads(pickle.dumps(changed.run))
    except (AttributeError, pickle.PicklingError) as error:  # of what is defined inside a function
        assert "local" in str(error) or "lambda" in str(error)
        others.pop()
    for other in others:
        nn.manual_seed(1)
        same(other(*map(Tensor, leaves[: len(called.floats)])), out)


class Counted(nn.Module):
    """A parametrization that counts how often it is computed."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * 1


def on_the_way(case, training):
    """A hook before the forward pass reads it, too, or there are several passes."""
    return "(old)" in str(case.args) or "repeated" in str(case.args)


@walk(renormed, on_the_way)
def test_each_parameter_is_read_once_in_a_call(called):
    """Where it is parametrized, each reading computes it anew: spectral normalization goes a step further."""
    modules = list(called.run.modules()) if called.is_module else []
    if any(nn.utils.parametrize.is_parametrized(module) for module in modules):
        return
    counters = []
    for module in modules:
        for name, _ in list(module.named_parameters(recurse=False)):
            counters.append(Counted())
            nn.utils.parametrize.register_parametrization(module, name, counters[-1], unsafe=True)
    for counter in counters:
        counter.calls = 0
    called(*called.floats)
    assert all(counter.calls <= 1 for counter in counters), [counter.calls for counter in counters]
