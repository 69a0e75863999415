"""What several processes compute together, beside what one computes alone: see tests/helpers/rank_cases.py."""

import pytest

from pullback.tests.helpers import ranks

CASES = ("exact", "zero", "unused", "accumulated", "buffers", "mismatch", "compressed", "statistics")


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.thorough)])
def test_processes_find_what_one_would(count):
    ranks.cases(count, "rank_cases", *CASES)
