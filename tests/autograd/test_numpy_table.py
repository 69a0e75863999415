"""docs/numpy.md says what is so."""

import numpy as np

from pullback import registry
from pullback.tests.helpers import numpy_table


def rows(lines):
    return {line.split("|")[1].strip(): line for line in lines if line.startswith("| `")}


def test_the_page_is_what_the_registry_and_the_calls_give():
    """Functions that only some versions of NumPy have are compared where both have them."""
    made, written = numpy_table.page(), numpy_table.PAGE.read_text().splitlines()
    now, then = rows(made), rows(written)
    assert {name: now[name] for name in now if name in then} == {name: then[name] for name in then if name in now}
    if f"NumPy {np.__version__}" in "\n".join(written):
        assert made == written


def test_every_function_is_on_the_page():
    text = numpy_table.PAGE.read_text()
    for space in numpy_table.SPACES:
        for name in numpy_table.names(space):
            full = f"{space}.{name}".removeprefix("numpy.")
            assert f"`{full}`" in text or f"`{name}`" in text, full


def test_no_function_lacks_forward_mode_or_an_order():
    lines = [line for line in rows(numpy_table.PAGE.read_text().splitlines()).values() if line.count("|") == 7]
    assert len(lines) > 100
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        assert cells[2:4] == ["yes", "any"] and cells[4], line


def test_the_primitives_on_the_page_are_registered():
    lines = [line.split("|") for line in rows(numpy_table.PAGE.read_text().splitlines()).values()]
    named = [part.split("(")[0].strip() for cells in lines if len(cells) == 8 for part in cells[6].split(";")]
    assert len({*filter(None, named)}) > 50 and {*filter(None, named)} <= registry.keys()
