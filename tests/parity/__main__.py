"""Print, for each module and function, whether it equals PyTorch's: ok, or what differs; and what is missing."""

import sys

from .cases import CASES
from .compare import COLUMNS, verdict
from .missing import missing
from .table import heading, rows


def main(families: list[str]) -> int:
    heading(COLUMNS)
    wrong = sum(rows(COLUMNS, cases, verdict) for family, cases in CASES.items() if not families or family in families)
    absent = missing()
    print(f"{sum(map(len, CASES.values()))} cases, {wrong} differences; not compared: {', '.join(absent) or 'nothing'}")
    return bool(wrong or absent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
