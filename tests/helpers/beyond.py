"""What the sweeps over the range of numbers are known to find, in their thorough forms."""

import numpy as np
import pytest

WHY = "results that are subnormal, or come from what over- or underflows in between, are further off than is allowed"


def at_many_places(names, *beyond):
    """Parameters `name` and `dtype`: all names in both precisions, of which those `beyond`, as "name-dtype", fail."""
    cases = []
    for name in names:
        for dtype in (np.float32, np.float64):
            marks = [pytest.mark.xfail(strict=True, reason=WHY)] * (f"{name}-{dtype.__name__}" in beyond)
            cases.append(pytest.param(name, dtype, id=f"{name}-{dtype.__name__}", marks=marks))
    return pytest.mark.parametrize(("name", "dtype"), cases)
