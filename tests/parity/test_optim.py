import warnings

import pytest

from .optim import sections

CASES = [
    pytest.param(section, *parameter.values, id=f"{title}-{parameter.id}", marks=parameter.marks)
    for title, section in sections().items()
    for parameter in section.parameters()
]


@pytest.mark.parametrize(("section", "case"), CASES)
def test_equal_to_pytorch(torch, section, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = section.verdict(case)
    assert {column: text for column, text in found.items() if text not in ("", "-")} == {}


@pytest.mark.parametrize("title", sections())
def test_nothing_is_missing(torch, title):
    assert sections()[title].missing() == []
