"""A layered layout for directed acyclic graphs, for machines without Graphviz.

Boxes stand in layers by their longest path to a sink, in an order with few crossings, each as near as
possible to the middle of its neighbours (Sugiyama, Tagawa and Toda 1981). All points are pairs
`(along, across)` the direction in which the links run.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

Point = tuple[float, float]
Spot = tuple[int, int]  # (box, rank), or (number of boxes + lane, rank) for links on their way through a layer
Spots = dict[Spot, list[Spot]]

NOWHERE: Mapping[int, float] = MappingProxyType({})
PORTS = 0.6  # the part of a box's side that links arrive at
_SWEEPS = 12
_PASSAGE = 4.0  # the breadth of links on their way through a layer


class Arrangement(NamedTuple):
    """Centres of the boxes, the points through which each link goes, and the extent of it all."""

    centres: list[Point]
    routes: list[list[Point]]
    extent: Point


def arrange(
    sizes: Sequence[Point],
    links: Sequence[tuple[int, int]],
    gap: Point,
    lanes: Sequence[Hashable] = (),
    exits: Mapping[int, float] = NOWHERE,
    entries: Mapping[int, float] = NOWHERE,
    first: Collection[int] = (),
) -> Arrangement:
    """Lay out boxes of these sizes so that every link `(tail, head)` runs forward; `gap` is the least distance.

    A route is straight through each layer, and bends on the way from one to the next. Links of the same lane, those of
    the same box unless `lanes` says otherwise, share their way: the one that goes farthest has it, the others begin
    where they leave it. A link leaves in the middle of a side, and arrives in a place of its own, or where `exits` and
    `entries` have it by its number, as a distance from the middle. The boxes `first` stand in the first layer.

    >>> arrange([(10, 10), (10, 10)], [(0, 1)], (20, 5)).routes
    [[(10.0, 5.0), (10, 5.0), (30, 5.0), (30.0, 5.0)]]
    """
    count, ranks = len(sizes), ranked(len(sizes), links)
    foremost = max(ranks)
    ranks = [foremost if box in first else rank for box, rank in enumerate(ranks)]
    numbers: dict[Hashable, int] = {}
    ways = [numbers.setdefault(lane, len(numbers)) for lane in lanes or [tail for tail, _ in links]]
    chains = [
        [(tail, ranks[tail]), *((count + way, r) for r in range(ranks[tail] - 1, ranks[head], -1)), (head, ranks[head])]
        for (tail, head), way in zip(links, ways, strict=True)
    ]
    before: Spots = {}
    after: Spots = {}
    for spot, following in dict.fromkeys(pair for chain in chains for pair in pairwise(chain)):
        before.setdefault(following, []).append(spot)
        after.setdefault(spot, []).append(following)
    layers = _order(ranks, before, after)

    def breadth(spot: Spot) -> float:
        return sizes[spot[0]][1] if spot[0] < count else _PASSAGE

    across = _place(layers, before, after, breadth, gap[1])
    near: dict[int, float] = {}  # where each layer begins and ends
    far: dict[int, float] = {}
    end = -gap[0]
    for rank in reversed(range(len(layers))):
        near[rank] = end + gap[0]
        end = far[rank] = near[rank] + max((sizes[box][0] for box, _ in layers[rank] if box < count), default=0.0)
    centres = [((near[rank] + far[rank]) / 2, across[box, rank]) for box, rank in enumerate(ranks)]

    arrivals: dict[int, list[int]] = {}
    for i in sorted(range(len(links)), key=lambda i: across[chains[i][-2]]):
        if i not in entries:
            arrivals.setdefault(links[i][1], []).append(i)
    ports = {i: PORTS * ((k + 0.5) / len(own) - 0.5) for own in arrivals.values() for k, i in enumerate(own)}
    farthest: dict[int, int] = {}
    for i in sorted(range(len(links)), key=lambda i: -ranks[links[i][1]]):
        farthest[ways[i]] = i
    routes: list[list[Point]] = []
    for i, (tail, head) in enumerate(links):
        port = centres[head][1] + (entries[i] if i in entries else ports[i] * sizes[head][1])
        leaves = centres[tail][1] + exits.get(i, 0.0)
        route = [(centres[tail][0] + sizes[tail][0] / 2, leaves), (far[ranks[tail]], leaves)]
        for spot in chains[i][1:-1]:
            route += [(near[spot[1]], across[spot]), (far[spot[1]], across[spot])]
        route += [(near[ranks[head]], port), (centres[head][0] - sizes[head][0] / 2, port)]
        routes.append(route if farthest[ways[i]] == i else route[-3:])
    return Arrangement(centres, routes, (end, max(across[spot] + breadth(spot) / 2 for spot in across)))


def ranked(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path from each box to a sink, in links; ValueError for links that run in a circle."""
    inputs: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for tail, head in links:
        inputs[head].append(tail)
        waiting[tail] += 1
    ranks = [0] * count
    ready = [box for box in range(count) if not waiting[box]]
    while ready:
        head = ready.pop()
        for tail in inputs[head]:
            ranks[tail] = max(ranks[tail], ranks[head] + 1)
            waiting[tail] -= 1
            if not waiting[tail]:
                ready.append(tail)
    if any(waiting):
        raise ValueError("arrange: the links run in a circle")
    return ranks


def _order(ranks: Sequence[int], before: Spots, after: Spots) -> list[list[Spot]]:
    """The spots of each rank in an order with few crossings: the best of several sweeps of barycentres."""
    layers: list[list[Spot]] = [[] for _ in range(max(ranks) + 1)]
    seen: set[Spot] = set()
    stack: list[Spot] = [(box, rank) for box, rank in enumerate(ranks) if not rank]
    while stack:  # depth first from the sinks: a tree comes out without crossings
        spot = stack.pop()
        if spot not in seen:
            seen.add(spot)
            layers[spot[1]].append(spot)
            stack.extend(before.get(spot, [])[::-1])
    best, fewest = layers, _crossings(layers, before)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        ahead, direction = (before, -1) if sweep % 2 else (after, 1)
        layers = list(layers)
        index: dict[Spot, int] = {}
        for rank in range(len(layers))[::direction]:
            means = [_mean([index[s] for s in ahead.get(spot, ())], i) for i, spot in enumerate(layers[rank])]
            layers[rank] = [layers[rank][i] for i in sorted(range(len(means)), key=means.__getitem__)]
            index.update((spot, i) for i, spot in enumerate(layers[rank]))
        crossings = _crossings(layers, before)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _crossings(layers: Sequence[Sequence[Spot]], before: Spots) -> int:
    """How many pairs of links cross."""
    total = 0
    for heads, tails in pairwise(layers):
        index = {spot: i for i, spot in enumerate(tails)}
        passed: list[int] = []
        for head in heads:
            places = [index[s] for s in before.get(head, ())]
            total += sum(len(passed) - bisect_right(passed, i) for i in places)
            for i in places:
                insort(passed, i)
    return total


def _place(
    layers: Sequence[Sequence[Spot]], before: Spots, after: Spots, breadth: Callable[[Spot], float], gap: float
) -> dict[Spot, float]:
    """Where each spot is across the links, from 0: in turns near to its inputs and near to its consumers.

    Sources follow their consumers, and do not pull them aside where there are other inputs: or else a long chain with
    a parameter at each step, on the same side, would run across.
    """
    across: dict[Spot, float] = {}
    pulling = {spot: [s for s in inputs if s in before] or inputs for spot, inputs in before.items()}
    still = {spot: [spot] for spot in before}
    for sweep in range(_SWEEPS + 1):
        ahead, direction = (pulling, -1) if sweep % 2 else (after, 1)
        if sweep == _SWEEPS:
            ahead = after | still
        for layer in layers[::direction]:
            wishes = [_mean([across[s] for s in ahead.get(spot, ())], across.get(spot, 0.0)) for spot in layer]
            across.update(zip(layer, _spaced(wishes, [breadth(spot) for spot in layer], gap), strict=True))
    least = min(across[spot] - breadth(spot) / 2 for spot in across)
    return {spot: x - least for spot, x in across.items()}


def _spaced(wishes: Sequence[float], breadths: Sequence[float], gap: float) -> list[float]:
    """The places nearest to the wishes (least squares) that keep the order and the gap: pooled adjacent violators."""
    offsets = [0.0]
    for a, b in pairwise(breadths):
        offsets.append(offsets[-1] + (a + b) / 2 + gap)
    pools: list[tuple[float, int]] = []  # (mean, count)
    for wish, offset in zip(wishes, offsets, strict=True):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, n = pools.pop()
            mean, count = (other * n + mean * count) / (n + count), n + count
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
