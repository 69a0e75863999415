"""Products with logarithms, and what is made of them: entropies."""

# mypy: disable-error-code="has-type"
from __future__ import annotations

from typing import Any

import numpy as np

from ...core.elementwise import elementwise
from ..elementwise import log
from .table import POSITIVE, UNIT, table

__all__ = ["entr", "kl_div", "rel_entr", "xlog1py", "xlogy"]

# Products with logarithms: 0 log 0 is 0, and where x is 0 so is the derivative that has no limit there
xlogy = table(
    "xlogy",
    POSITIVE,
    x=lambda g, x, y: g * log(np.where(np.logical_and(x == 0, y == 0), 1, y)),
    y=lambda g, x, y: g * (x / np.where(np.logical_and(x == 0, y == 0), 1, y)),
)
xlog1py = table(
    "xlog1py",
    POSITIVE,
    x=lambda g, x, y: g * np.log1p(np.where(np.logical_and(x == 0, y == -1), 0, y)),
    y=lambda g, x, y: g * (x / (1 + np.where(np.logical_and(x == 0, y == -1), 0, y))),
)
entr = table("entr", POSITIVE, x=lambda g, x: -g * (log(np.where(x == 0, 1, x)) + np.sign(x)))
rel_entr = table(
    "rel_entr",
    POSITIVE,
    x=lambda g, x, y: g * (log_ratio(x, y) + np.sign(x)),
    y=lambda g, x, y: -g * (x / np.where(x == 0, 1, y)),
)
kl_div = table(
    "kl_div",
    (UNIT, (1.1, 3.0)),
    x=lambda g, x, y: g * log_ratio(x, y),
    y=lambda g, x, y: g * np.where(x == 0, 1, _lack(x, np.where(x == 0, 1, y))),
)


# 1 - x / y, with its digits where they are next to each other
_lack = elementwise(
    lambda x, y: (y - x) / y,
    name="lack",
    domain=(UNIT, (1.1, 3.0)),
    x=lambda g, y: -g / y,
    y=lambda g, x, y: g * (x / y / y),
)


def _log_of_ratio(x: Any, y: Any) -> Any:
    """log(x / y), also where the quotient overflows and next to 1; 0 where one of them is."""
    x, y = np.where(x == 0, 1, x), np.where(y == 0, 1, y)
    near = np.logical_and(x > y / 2, x < 2 * y)
    with np.errstate(over="ignore", under="ignore"):
        ratio = x / y
    whole = np.logical_and(ratio > np.finfo(ratio.dtype).tiny, ratio < np.inf)
    gap = np.where(near, x - y, 0) / np.where(near, y, 1)
    return np.where(near, np.log1p(gap), np.where(whole, np.log(np.where(whole, ratio, 1)), np.log(x) - np.log(y)))[()]


log_ratio = elementwise(
    _log_of_ratio,
    name="log_ratio",
    domain=POSITIVE,
    x=lambda g, x: g / np.where(x == 0, np.inf, x),
    y=lambda g, y: -g / np.where(y == 0, np.inf, y),
)

for _made in (xlogy, xlog1py, log_ratio):  # tested on real numbers alone: single precision is not kept
    _made.strategy(lambda draw: (draw.entries((POSITIVE, POSITIVE), dtype=np.float64), {}))
