"""Print, for each optimizer and scheduler of torch.optim, whether it goes PyTorch's way; and what is missing.

    python -m pullback.tests.parity.optim [optimizers] [schedulers]

Each part is a file `cases_*.py` here with a `SECTION`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from .cases import OPTIM
from .table import Verdict, heading, rows


@dataclass(frozen=True)
class Section:
    """Cases (each has a `name` and a `str`), what compares one, and PyTorch's names that cases should be about."""

    columns: tuple[str, ...]
    cases: list[Any]
    verdict: Verdict
    names: Callable[[], list[str]]

    def missing(self) -> list[str]:
        compared = {case.name for case in self.cases}
        return [name for name in self.names() if name not in compared]

    def parameters(self) -> list[Any]:
        """The cases as parameters of a test: the first and last of each name, the others thorough."""
        names = [case.name for case in self.cases]
        ends = [name not in names[:i] or name not in names[i + 1 :] for i, name in enumerate(names)]
        marks = [() if end else pytest.mark.thorough for end in ends]
        return [pytest.param(case, id=str(case), marks=m) for case, m in zip(self.cases, marks, strict=True)]


def sections() -> dict[str, Section]:
    """The optimizers' and the schedulers'."""
    present = [file for file in OPTIM if (Path(__file__).parent / f"{file}.py").exists()]
    return {file.removeprefix("cases_"): import_module(f"{__package__}.{file}").SECTION for file in present}


def main(asked: list[str]) -> int:
    bad = 0
    for title, section in sections().items():
        if asked and title not in asked:
            continue
        heading(section.columns)
        wrong, absent = rows(section.columns, section.cases, section.verdict), section.missing()
        bad += wrong + len(absent)
        missing = ", ".join(absent) or "nothing"
        print(f"{title}: {len(section.cases)} cases, {wrong} differences; not compared: {missing}\n")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
