"""Settings of the tests of linear algebra."""

from contextlib import nullcontext, suppress

import pytest


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    """For matrices as small as these, BLAS's threads wait for one another, tens of times as long as they compute."""
    with suppress(ImportError):
        import scipy.linalg  # noqa: F401  (its BLAS is limited only once it is loaded)
    try:
        from threadpoolctl import threadpool_limits as limits
    except ImportError:
        limits = nullcontext
    with limits(1):
        yield
