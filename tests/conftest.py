"""Settings of the whole suite: machines differ in speed, so no example has a deadline; machine code is kept on disk for
this run alone, so that no other run's code is tested, and nothing is left in the user's own cache."""

import os
import tempfile
from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("pullback", deadline=None)
settings.load_profile("pullback")

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers have the directory of the process that started them
    _cache = tempfile.TemporaryDirectory(prefix="pullback-")
    os.environ["PULLBACK_CACHE"] = _cache.name


@pytest.fixture(scope="session")
def torch():
    """PyTorch, without which what is compared with it is skipped."""
    return pytest.importorskip("torch")


def pytest_itemcollected(item):
    """The marker `torch` for what uses that fixture, itself or through others."""
    if "torch" in getattr(item, "fixturenames", ()):
        item.add_marker("torch")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Skip what the package says that SciPy computes, where there is no SciPy."""
    try:
        return (yield)
    except ImportError as error:
        if getattr(error.__cause__, "name", "") != "scipy":
            raise
        pytest.skip(str(error))


def pytest_terminal_summary(terminalreporter):
    """Where the time went: seconds in each folder of tests, of all processes together."""
    seconds = Counter()
    for report in (r for reports in terminalreporter.stats.values() for r in reports if hasattr(r, "duration")):
        seconds[report.nodeid.partition("::")[0].rpartition("/")[0]] += report.duration
    total = ", ".join(f"{folder} {spent:.1f} s" for folder, spent in seconds.most_common())
    terminalreporter.write_line(f"time by folder: {total}")
