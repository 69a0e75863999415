"""The plugin in runs of pytest of their own, as it is loaded by its entry point."""

import subprocess
import sys

import pytest

pytest_plugins = "pytester"
PLUGIN = ("-p", "no:pullback", "-p", "pullback.pytest_pullback", "-p", "no:cacheprovider")  # also where not installed


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.delenv("PULLBACK_GRADIENTS", raising=False)

    def run(source, *options):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess(*PLUGIN, *options)

    return run


CHECKED = """
import pullback as pb
import pytest

x = pb.Tensor([0.5, 1.0], requires_grad=True)


def wrong(x):
    return pb.sin(x) + 1e-4 * x.detach()


def test_right(gradcheck):
    assert gradcheck(pb.sin, x)


@pytest.mark.gradcheck(rtol=1e-2)
def test_coarse(gradcheck):
    assert gradcheck(wrong, x)


@pytest.mark.gradcheck(rtol=1e-2)
class TestMany:
    @pytest.mark.gradcheck(rtol=1e-6)
    def test_nearest_marker_counts(self, gradcheck):
        with pytest.raises(pb.testing.GradcheckError):
            gradcheck(wrong, x)

    def test_marker_of_the_class(self, gradcheck):
        assert gradcheck(wrong, x)


def test_wrong(gradcheck):
    assert gradcheck(wrong, x)
"""


def test_fixture_and_marker(run):
    result = run(CHECKED, "--strict-markers")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*GradcheckError*"])


COUNTED = """
from hypothesis import given, strategies as st

def test_count():
    drawn = []
    given(st.integers())(lambda x: drawn.append(x))()
    assert len(drawn) == {}
"""


@pytest.mark.parametrize("option, count", [((), 100), (("--gradients=quick",), 15), (("--gradients=thorough",), 500)])
def test_profiles(run, option, count):
    run(COUNTED.format(count), *option).assert_outcomes(passed=1)


def test_profile_by_environment(run, monkeypatch):
    monkeypatch.setenv("PULLBACK_GRADIENTS", "quick")
    run(COUNTED.format(15)).assert_outcomes(passed=1)


def test_plugin_alone_imports_nothing_heavy():
    code = """
import importlib.util, sys, pullback
path = importlib.util.find_spec("pullback.pytest_pullback").origin
print(path)
"""
    path = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("pytest_pullback", {path!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
sys.exit(bool({{"numpy", "hypothesis", "pullback"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
