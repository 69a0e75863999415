"""The programs of the README, and of a page beside it, run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "README.md", ROOT / "docs" / "looking_into_networks.md", ROOT / "docs" / "programs.md"
TEXT = "".join(page.read_text() for page in PAGES)
PROGRAMS = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "import" in block]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program, capsys):
    exec(program, {})
    assert capsys.readouterr().out


def test_there_are_programs():
    assert len(PROGRAMS) >= 3
