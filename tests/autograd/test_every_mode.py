"""Every primitive in every transform, with each large-size path in use, beside plain backward passes one by one.

What is expected comes from level-0 backward passes at ordinary thresholds without machine code, one for each entry of
the result, and those of `create_graph` for second derivatives; these `check_primitive` holds to numerical ones.
"""

import contextlib
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

import pullback.nn  # noqa: F401 - has primitives of its own
from pullback import grad, jacobian, jvp, registry, vjp, vmap
from pullback.autograd import machine
from pullback.autograd.testing.check import Case, refuses
from pullback.autograd.testing.tensors import gradients_of
from pullback.testing import check_primitive, strategies

QUICK = settings(max_examples=4, derandomize=True, database=None)
THOROUGH = settings(max_examples=100, database=None)

THRESHOLDS = {  # module -> what it compares sizes with when it is called, and a value that all sizes are above
    "autograd.elementwise": {"_MANY": 1},
    "autograd.fused": {"_LEAST": 1},
    "autograd.summed": {"_LEAST": 1, "_ROW": 1, "SMALL": 1},
    "autograd.products": {"SMALL": 1, "_FEW": 0, "_PART": 1},
    "autograd.panels": {"worth": lambda a, b: a.shape[1] == b.shape[0] and machine.available(a, b)},
    "autograd.convolution": {"at_once": lambda n, geo: 1},
    "autograd.shifted": {"at_once": lambda *_: 1},
    "autograd.windows": {"BLOCK": 1},
    "autograd.memory": {"LARGE": 1},
    "autograd.crew": {"WORTH": 1},
    "autograd.threads": {"WORTH": 1},
    "nn.cross_entropy": {"_FEW": 0},
}
CODE = [False, *([True] if machine.available(np.ones(1)) else [])]


@contextlib.contextmanager
def sizes(code, large):
    """With or without machine code, and (if `large`) as if all arrays were."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_enabled", code)
        for module, names in THRESHOLDS.items() if large else ():
            for name, value in names.items():
                patch.setattr(sys.modules[f"pullback.{module}"], name, value)
        yield


class Expected:
    """Derivatives of a case, row by row."""

    def __init__(self, case):
        self.case, self.asked = case, case.asked
        self.units = np.eye(case.out.size, dtype=case.out.dtype).reshape(case.out.size, *case.out.shape)

    def gradients(self, arrays, g):
        return self.case.gradients(arrays, g)

    def jacobian(self, arrays):
        rows = [self.gradients(arrays, unit) for unit in self.units]
        return [
            np.reshape([row[k] for row in rows], (*self.case.out.shape, *arrays[i].shape))
            for k, i in enumerate(self.asked)
        ]

    def hessian(self, arrays):
        """The derivatives of the gradients of <g, value>: [k][l] has the shapes of arguments k and l."""
        leaves = self.case.leaves(arrays)
        inputs = [leaves[i] for i in self.asked]
        first = gradients_of([self.case.run(leaves)], [self.case.g], inputs, create_graph=True)
        found = []
        for x in first:
            units = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
            rows = [
                gradients_of([x], [unit[()]], inputs, create_graph=True)
                if x.requires_grad
                else [np.zeros(y.shape, y.dtype) for y in inputs]
                for unit in units
            ]
            found.append(
                [
                    np.reshape(
                        [np.asarray(row[k].detach() if hasattr(row[k], "detach") else row[k]) for row in rows],
                        (*x.shape, *y.shape),
                    )
                    for k, y in enumerate(inputs)
                ]
            )
        return found


def check(case):
    """All modes of one case."""
    asked = case.asked
    some = tuple(range(len(asked)))

    def f(*inputs):
        return case.run(case.given(case.arrays, inputs))

    def loss(*inputs):
        return (f(*inputs) * case.g).sum()

    arrays = [case.arrays[i] for i in asked]
    batch = [[x * s for x in arrays] for s in (1.0, 0.9, 0.95, 0.85)]
    with sizes(code=False, large=False):
        plain = Expected(case)
        whole = [case.given(case.arrays, row) for row in batch]
        values = np.stack([case.value(row) for row in whole])
        pulled = [np.stack(x) for x in zip(*(plain.gradients(row, case.g) for row in whole), strict=True)]
        rows = np.stack([case.g, case.h, case.g - case.h])
        along = [np.stack(x) for x in zip(*(plain.gradients(case.arrays, g) for g in rows), strict=True)]
        jac = plain.jacobian(case.arrays)
        hess = plain.hessian(case.arrays)
    v = [case.v[i] for i in asked]
    second = [
        sum(np.tensordot(block, t, t.ndim) if t.ndim else block * t for block, t in zip(row, v, strict=True))
        for row in hess
    ]
    columns = [np.stack(x) for x in zip(*batch, strict=True)]
    squares = [x.reshape(2, 2, *x.shape[1:]) for x in columns]

    def same(what, actual, expected, shape=None):
        actual = actual if isinstance(actual, (tuple, list)) else [actual]
        for k, (a, e) in enumerate(zip(actual, expected, strict=True)):
            e = np.asarray(e) if shape is None else np.reshape(e, (*shape, *e.shape[1:]))
            size = max(np.max(np.abs(x), initial=0) for x in (e, *expected, case.out))
            case.compare(
                f"{what}, machine code {code}",
                a.numpy(),
                "expected",
                e,
                case.exact * size,
                asked[k] if len(actual) == len(asked) else None,
            )

    for code in CODE:
        with sizes(code, large=True):
            same("vmap", vmap(f)(*columns), [values])
            same("vmap of vmap", vmap(vmap(f))(*squares), [values], (2, 2))
            pull = vjp(f, *arrays)[1]
            same("vmap of the pullback", vmap(pull)(rows), along)
            same("vmap of vjp", vmap(lambda *x: vjp(f, *x)[1](case.g))(*columns), pulled)
            same("vmap of vmap of vjp", vmap(vmap(lambda *x: vjp(f, *x)[1](case.g)))(*squares), pulled, (2, 2))
            if case.out.dtype.kind == "f" and all(x.dtype.kind == "f" for x in arrays):
                same("jacobian", jacobian(f, some)(*arrays), jac)
                same("vmap of grad", vmap(grad(loss, some))(*columns), pulled)
                for k, block in enumerate(jacobian(grad(loss, some), some)(*arrays)):
                    same(f"hessian, row {k}", block, hess[k])
                same("jvp of grad", jvp(grad(loss, some), tuple(arrays), tuple(v))[1], second)


@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore")
def test_every_mode(name):
    walk(name, QUICK)


def walk(name, chosen, complex=False):
    @settings(chosen, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink])
    @given(strategies.arguments(registry[name], complex=complex))
    def examples(drawn):
        assume(not refuses(registry[name], *drawn))
        with sizes(code=False, large=False):
            case = Case(registry[name], *drawn)
        assume(4 <= sum(case.arrays[i].size for i in case.asked) <= 40 and 0 < case.out.size <= 40)
        check(case)

    examples()


@pytest.mark.thorough
@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore")
def test_every_mode_thoroughly(name):
    walk(name, THOROUGH)
    walk(name, THOROUGH, complex=True)


@pytest.mark.thorough
@pytest.mark.parametrize("code", CODE, ids=lambda code: "machine code" if code else "NumPy")
@pytest.mark.parametrize("name", registry)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_large_size_paths_keep_all_that_is_promised(name, code):
    """Layouts, zero strides, dtypes, forward mode and the rest, as in test_registry.py."""
    with sizes(code, large=True):
        assert check_primitive(registry[name], settings=THOROUGH)
