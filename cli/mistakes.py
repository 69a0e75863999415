"""What the user can mend: told in a line, without a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["Mistake", "nearest"]


class Mistake(Exception):
    """A mistake of the user's, whose message says what to do."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Return which of the names is meant, as a question, or which there are."""
    names = list(names)
    close = get_close_matches(name, names, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
