"""All cases, family by family."""

from importlib import import_module
from pathlib import Path

import pytest

from .compare import Case

OPTIM = ("cases_optimizers", "cases_schedulers")  # see optim.py
FAMILIES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py") if path.stem not in OPTIM)
CASES: dict[str, list[Case]] = {
    family.removeprefix("cases_"): import_module(f"{__package__}.{family}").CASES for family in FAMILIES
}


def parameters(ends: int = 2, functions: bool = True) -> list:
    """All cases as parameters of a test: of each name the first and (of two `ends`) the last, the others thorough."""
    made = []
    for family, cases in CASES.items():
        names = [case.name for case in cases]
        for i, case in enumerate(cases):
            if functions or not case.is_function:
                first = case.name not in names[:i]
                last = ends > 1 and case.name not in names[i + 1 :]
                marks = () if first or last else pytest.mark.thorough
                made.append(pytest.param(case, id=f"{family}-{case}", marks=marks))
    return made
