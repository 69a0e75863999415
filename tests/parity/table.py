"""Verdicts of cases as lines of a table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Verdict = Callable[[Any], dict[str, str]]  # of a case, by column: what differs, "" for nothing, "-" if not compared


def heading(columns: Sequence[str]) -> None:
    print(f"{'':60}" + "".join(f"{column:>10}" for column in columns))


def rows(columns: Sequence[str], cases: Iterable[Any], verdict: Verdict) -> int:
    """Print a line for each case, and what differs below it; returns the number of differences."""
    wrong = 0
    for case in cases:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = verdict(case)
        except Exception as error:
            found = dict.fromkeys(columns, "-") | {columns[0]: f"{type(error).__name__}: {error}"}
        marks = {column: "ok" if not text else text if text == "-" else "DIFFERS" for column, text in found.items()}
        print(f"{str(case)[:59]:60}" + "".join(f"{marks[column]:>10}" for column in columns))
        for column, text in found.items():
            if marks[column] == "DIFFERS":
                wrong += 1
                print(f"    {column}: {text}")
    return wrong
