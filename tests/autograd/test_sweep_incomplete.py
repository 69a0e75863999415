"""Derivatives of the incomplete beta function, and of the inverses of it and of the incomplete gamma function, beside
mpmath over the whole range of their arguments.

Errors count as in test_sweep_parameters.py. The derivatives of inverses are those at SciPy's values, as these are
rounded; of the second ones also a unit in the last place of their terms counts, which cancel.
"""

import numpy as np
import pytest

from pullback import special

pytest.importorskip("mpmath")
pytest.importorskip("scipy.special")

from pullback.tests.autograd.test_sweep_parameters import derivatives, good  # noqa: E402
from pullback.tests.helpers.beyond import at_many_places
from pullback.tests.helpers.sweep_incomplete import FORMS, inverse  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def sweep(name, dtype, parameters, arguments):
    orders, derivative, *_ = FORMS[name]
    f, direct = getattr(special, name), name == "betainc"
    places = [grid.ravel().astype(dtype) for grid in np.meshgrid(*parameters, arguments)]
    places = [x[places[-1] < 1] for x in places]
    numbers = places
    if not direct:
        out = f(*places)
        inside = (out > 1000 * np.finfo(dtype).tiny) & (out < (1 if name == "betaincinv" else np.inf))
        places = [x[inside] for x in places]
        numbers = [*places[:-1], out[inside]]
    for order in orders:
        form = derivative(order) if direct else inverse(derivative, order)
        unit = inverse(derivative, order, True) if not direct and sum(order) > 1 else None
        values = derivatives(f, order, places).tolist()
        pairs = zip(zip(*(x.tolist() for x in numbers), strict=True), values, strict=True)
        found = [(*p, y) for p, y in pairs if not good(name, order, form, dtype, y, p, unit)]
        assert not found, (order, len(found), found[:4])


@pytest.mark.parametrize("name", FORMS)
def test_two_derivatives(name):
    *_, parameters, arguments = FORMS[name]
    sweep(name, np.float64, [p[1::2] for p in parameters], arguments[1::3])
    sweep(name, np.float32, [p[2::4] for p in parameters], arguments[2::3])


@pytest.mark.thorough
@at_many_places(FORMS, "betainc-float32", "betainc-float64")
def test_two_derivatives_at_many_places(name, dtype):
    *_, parameters, arguments = FORMS[name]
    sweep(name, dtype, parameters, [x for x in arguments if x > np.finfo(dtype).tiny])
