import warnings

import pytest

from .cases import parameters
from .compare import verdict


@pytest.mark.parametrize("case", parameters())
def test_equal_to_pytorch(torch, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = verdict(case)
    assert {column: text for column, text in found.items() if text not in ("", "-")} == {}
