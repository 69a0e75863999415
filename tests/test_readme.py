"""The README's programs run as they stand."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
PROGRAMS = [block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "import" in block]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program, capsys):
    exec(program, {})
    assert capsys.readouterr().out


def test_there_are_programs():
    assert len(PROGRAMS) >= 2
