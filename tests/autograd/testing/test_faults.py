"""Every planted fault is caught, and the same function without it passes."""

import pytest
from hypothesis import Phase, settings

from pullback.testing import GradcheckError, check_primitive
from pullback.tests.helpers.faults import FAULTS
from pullback.tests.helpers.functions import FUNCTIONS, as_primitive

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("examples", [10, pytest.param(500, marks=pytest.mark.thorough)])
def test_right_function_passes(planted, name, examples):
    assert check_primitive(as_primitive(FUNCTIONS[name], "planted"), settings=settings(SETTINGS, max_examples=examples))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_fault_is_caught(planted, fault):
    with pytest.raises(GradcheckError, match="^planted"):
        check_primitive(as_primitive(fault.function, "planted"), settings=SETTINGS)


def test_the_catalogue_is_broad():
    assert len({fault.kind for fault in FAULTS}) >= 30 and len({fault.name for fault in FAULTS}) >= 10
