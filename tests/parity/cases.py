"""All cases, family by family."""

from importlib import import_module
from pathlib import Path

from .compare import Case

FAMILIES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES: dict[str, list[Case]] = {
    family.removeprefix("cases_"): import_module(f"{__package__}.{family}").CASES for family in FAMILIES
}
