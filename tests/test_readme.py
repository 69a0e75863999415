"""The programs of the README, and those of each page beside it in turn, run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


PROGRAMS = [block for block in blocks("README.md") if "import" in block]
PAGES = ["docs/looking_into_networks.md", "docs/distributed.md", "docs/large_data.md", "docs/programs.md"]


@pytest.mark.parametrize("program", [*PROGRAMS, *map(blocks, PAGES)], ids=[*map(str, range(len(PROGRAMS))), *PAGES])
def test_program(program, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec("".join(program), {})
    assert capsys.readouterr().out


def test_there_are_programs():
    assert len(PROGRAMS) >= 3 and all(map(blocks, PAGES))
