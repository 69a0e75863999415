"""Runs of repeats in a sequence, as an unrolled loop makes them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

LONGEST = 64  # items of one repeat
LEAST = 3  # repeats


class Run(NamedTuple):
    """`times` repeats of `period` items, from the item number `start`."""

    start: int
    period: int
    times: int


def runs(items: Sequence[Hashable], begins: Sequence[bool] = ()) -> list[Run]:
    """Disjoint runs of equal neighbouring parts, those that save most first taken.

    Where a run may start at several items, it starts at one that `begins` something, if there is one.

    >>> runs("xabababy")
    [Run(start=1, period=2, times=3)]
    """
    codes = list(map({item: i for i, item in enumerate(dict.fromkeys(items))}.__getitem__, items))
    found: list[tuple[int, int, int, int]] = []  # what it saves (negative), the period, and from where to where
    for period in range(1, min(LONGEST, len(codes) // LEAST) + 1):
        start = 0
        while start + period < len(codes):
            end = start
            while end + period < len(codes) and codes[end] == codes[end + period]:
                end += 1
            times = (end - start) // period + 1
            if times >= LEAST:
                found.append((-(times - 1) * period, period, start, end + period))
            start = max(end, start) + 1
    taken: list[Run] = []
    free = [True] * len(codes)
    for _, period, start, stop in sorted(found):
        while start < stop and not free[start]:
            start += 1
        while start < stop and not free[stop - 1]:
            stop -= 1
        times = (stop - start) // period
        if times >= LEAST and all(free[start:stop]):
            slack = range(start, stop - times * period + 1)
            run = Run(next((i for i in slack if begins and begins[i]), start), period, times)
            taken.append(run)
            for i in range(run.start, run.start + period * times):
                free[i] = False
    return sorted(taken)
