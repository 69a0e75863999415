"""docs/porting.md says what is so: each row's code gives what mathematics says, and the page is that of the rows."""

import numpy as np
import pytest

from pullback import Tensor, registry
from pullback.autograd.core.registry import _primitives
from pullback.tests.helpers import porting_table

pytest.importorskip("scipy")
ROWS = [(library, row) for library, rows in porting_table.TABLES.items() for row in rows]


@pytest.fixture(autouse=True)
def primitives_of_rows_are_gone_afterwards():
    before = set(registry)
    yield
    for name in set(registry) - before:
        del _primitives[name]


@pytest.mark.parametrize(("library", "row"), ROWS, ids=lambda x: getattr(x, "theirs", x))
def test_rows_give_what_they_say(library, row):
    found = porting_table.value(row.ours)
    found = found.detach().numpy() if isinstance(found, Tensor) else found
    if np.asarray(row.expected).dtype.kind in "fi":
        np.testing.assert_allclose(found, row.expected, 1e-7, 1e-12)
        assert np.shape(found) == np.shape(row.expected)
    else:
        assert found == row.expected


def test_the_page_is_that_of_the_rows():
    assert porting_table.PAGE.read_text(encoding="utf-8").splitlines() == porting_table.page()
    assert len(ROWS) > 60 and len({(library, row.theirs) for library, row in ROWS}) == len(ROWS)
