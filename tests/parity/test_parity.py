import warnings

import pytest

from .cases import CASES
from .compare import verdict

EACH = [pytest.param(case, id=f"{family}-{case}") for family, cases in CASES.items() for case in cases]


@pytest.mark.parametrize("case", EACH)
def test_equal_to_pytorch(torch, case):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="torch")
        found = verdict(case)
    assert {column: text for column, text in found.items() if text not in ("", "-")} == {}
