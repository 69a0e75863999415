"""The layout of boxes in clusters."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback.viz.nesting import Margins, arrange_nested

GAP = (20.0, 6.0)
MARGIN = Margins((4.0, 4.0), (4.0, 4.0), 30.0, 30.0)


@st.composite
def nested(draw):
    """Sizes, links from higher to lower numbers, and clusters of consecutive boxes, some in others."""
    count = draw(st.integers(1, 12))
    side = st.floats(5, 60)
    sizes = draw(st.lists(st.tuples(side, side), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] != p[1])
    links = draw(st.lists(pairs, max_size=20)) if count > 1 else []
    cuts = sorted(draw(st.lists(st.integers(0, count), min_size=4, max_size=4)))
    homes = [
        2 if cuts[1] <= i < cuts[2] else 0 if cuts[0] <= i < cuts[2] else 1 if i >= cuts[3] else -1
        for i in range(count)
    ]
    return sizes, [(max(pair), min(pair)) for pair in links], homes, [-1, -1, 0]


def edges(middle, size):
    return [(m - s / 2, m + s / 2) for m, s in zip(middle, size, strict=True)]


def within(inner, outer):
    return all(o[0] - 1e-6 <= i[0] and i[1] <= o[1] + 1e-6 for i, o in zip(inner, outer, strict=True))


def apart(one, other):
    return any(a[1] <= b[0] + 1e-6 or b[1] <= a[0] + 1e-6 for a, b in zip(one, other, strict=True))


def around(home, parents):
    return {home, *around(parents[home], parents)} if home >= 0 else set()


@given(nested())
@settings(deadline=None)
def test_frames_hold_their_boxes_and_no_others(case):
    sizes, links, homes, parents = case
    (centres, routes, extent), stems, frames = arrange_nested(sizes, links, GAP, homes, parents, lambda cluster: MARGIN)
    page = [(0.0, extent[0]), (0.0, extent[1])]
    boxes = [edges(centre, size) for centre, size in zip(centres, sizes, strict=True)]
    assert all(within(box, page) for box in boxes)
    assert all(apart(boxes[i], boxes[j]) for i, j in combinations(range(len(boxes)), 2))
    for number, frame in frames.items():
        border = edges(frame.middle, frame.size)
        for box, home in zip(boxes, homes, strict=True):
            assert within(box, border) if number in around(home, parents) else apart(box, border)
    assert within(edges(*frames[2][:2]), edges(*frames[0][:2])) if 2 in frames else True
    assert 0 not in frames or 1 not in frames or apart(edges(*frames[0][:2]), edges(*frames[1][:2]))
    parts = [[*routes[i], *(p for number, stem in stems if number == i for p in stem)] for i in range(len(links))]
    points = {(round(x, 6), round(y, 6)) for part in parts for x, y in part}
    for frame in frames.values():
        (front, _), (start, end) = edges(frame.middle, frame.size)
        ways = {
            a[1]
            for part in parts
            for a, b in pairwise(part)
            if a[0] - 1e-6 <= front <= b[0] + 1e-6 and abs(a[1] - b[1]) < 1e-6 and start < a[1] < end
        }
        assert start - 1e-6 <= frame.free - 15 and frame.free + 15 <= end + 1e-6
        assert all(abs(way - frame.free) >= 15 - 1e-6 for way in ways)
    for i, (tail, head) in enumerate(links):
        assert all(a[0] <= b[0] + 1e-6 for a, b in pairwise(routes[i]))
        assert abs(routes[i][-1][0] - boxes[head][0][0]) < 1e-6 and within([(routes[i][-1][1],) * 2], boxes[head][1:])
        assert any(abs(x - boxes[tail][0][1]) < 1e-5 and abs(y - centres[tail][1]) < 1e-5 for x, y in points)


def test_a_link_goes_through_the_borders_of_clusters_beside_the_boxes_in_it():
    """3 -> 2 -> 1 -> 0 with 2 and 1 in a cluster, and 3 -> 1 beside 2."""
    sizes, links = [(10.0, 10.0)] * 4, [(3, 2), (2, 1), (1, 0), (3, 1)]
    (centres, routes, _), stems, frames = arrange_nested(
        sizes, links, GAP, [-1, 0, 0, -1], [-1], lambda cluster: MARGIN
    )
    left, right = edges(*frames[0][:2])[0]
    assert centres[3][0] < left < centres[2][0] < centres[1][0] < right < centres[0][0]
    (beside,) = {y for x, y in routes[3] if abs(x - centres[2][0]) < 5.1}
    assert abs(beside - centres[2][1]) >= 5 + GAP[1]


def test_links_leave_a_cluster_where_their_boxes_are():
    """2 -> 1 and 3 -> 0 with 2 and 3 side by side in a cluster: each link is in one piece."""
    sizes, links = [(10.0, 10.0)] * 4, [(2, 1), (3, 0)]
    (centres, routes, _), stems, _ = arrange_nested(sizes, links, GAP, [-1, -1, 0, 0], [-1], lambda cluster: MARGIN)
    assert not stems and abs(centres[2][1] - centres[3][1]) >= 10 + GAP[1]
    for (tail, _), route in zip(links, routes, strict=True):
        assert route[0] == pytest.approx((centres[tail][0] + 5, centres[tail][1]))


def test_clusters_that_would_be_before_one_another_are_refused():
    with pytest.raises(ValueError, match="circle"):
        arrange_nested([(9.0, 9.0)] * 4, [(3, 1), (2, 0)], GAP, [0, 1, 1, 0], [-1, -1], lambda cluster: MARGIN)
