"""What several processes compute together, beside what one computes alone: see tests/helpers/rank_*.py."""

import pytest

from pullback.tests.helpers import ranks

CASES = {
    "rank_cases": ("exact", "zero", "unused", "accumulated", "buffers", "mismatch", "compressed", "statistics"),
    "rank_trainings": ("as_one", "shares", "told_once", "decided_together", "refused", "other_size"),
}


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("module", CASES)
def test_processes_find_what_one_would(module, count):
    ranks.cases(count, module, *CASES[module])
