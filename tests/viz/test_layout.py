from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback.viz.layout import arrange

GAP = (20.0, 6.0)


@st.composite
def graphs(draw):
    """Sizes of boxes, and links that run from higher to lower numbers."""
    count = draw(st.integers(1, 14))
    side = st.floats(5, 80)
    sizes = draw(st.lists(st.tuples(side, side), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] != p[1])
    links = draw(st.lists(pairs, max_size=25)) if count > 1 else []
    return sizes, [(max(pair), min(pair)) for pair in links]


@given(graphs())
@settings(deadline=None)
def test_boxes_keep_their_distance_and_links_run_forward(graph):
    sizes, links = graph
    centres, routes, extent = arrange(sizes, links, GAP)
    for (x, y), (w, h) in zip(centres, sizes, strict=True):
        assert w / 2 - 1e-6 <= x <= extent[0] - w / 2 + 1e-6
        assert h / 2 - 1e-6 <= y <= extent[1] - h / 2 + 1e-6
    for i, j in combinations(range(len(sizes)), 2):
        along = abs(centres[i][0] - centres[j][0]) - (sizes[i][0] + sizes[j][0]) / 2
        across = abs(centres[i][1] - centres[j][1]) - (sizes[i][1] + sizes[j][1]) / 2
        assert along >= GAP[0] - 1e-6 or across >= GAP[1] - 1e-6
    for (tail, head), route in zip(links, routes, strict=True):
        assert all(a[0] <= b[0] + 1e-6 for a, b in zip(route, route[1:], strict=False))
        others = [other for i, other in enumerate(routes) if links[i][0] == tail and other is not route]
        starts = abs(route[0][0] - centres[tail][0] - sizes[tail][0] / 2) < 1e-6 and route[0][1] == centres[tail][1]
        assert starts or any(route[0] in other for other in others)
        assert abs(route[-1][0] - centres[head][0] + sizes[head][0] / 2) < 1e-6
        assert abs(route[-1][1] - centres[head][1]) <= sizes[head][1] / 2
    for tail in {tail for tail, _ in links}:
        assert sum(len(route) > 3 for route, link in zip(routes, links, strict=True) if link[0] == tail) == 1
    ends = [route[-1] for route in routes]
    assert len(set(ends)) == len(ends)


@given(graphs())
@settings(deadline=None)
def test_links_pass_beside_boxes(graph):
    sizes, links = graph
    centres, routes, _ = arrange(sizes, links, GAP)
    for (tail, head), route in zip(links, routes, strict=True):
        for (x0, y0), (x1, _) in list(zip(route, route[1:], strict=False))[2:-1:2]:  # the straight steps through layers
            for box, ((x, y), (w, h)) in enumerate(zip(centres, sizes, strict=True)):
                if box not in (tail, head) and x - w / 2 < x1 and x0 < x + w / 2:
                    assert abs(y0 - y) >= h / 2


TREE = [(i, (i - 1) // 2) for i in range(1, 63)]
ORDERED_BADLY = [(2, 0), (2, 1), (3, 1)]


@pytest.mark.parametrize("links", [TREE, ORDERED_BADLY])
def test_crossings_that_can_be_avoided_are(links):
    count = max(tail for tail, _ in links) + 1
    centres, _, _ = arrange([(10.0, 10.0)] * count, links, GAP)
    for (a, b), (c, d) in combinations(links, 2):
        if centres[a][0] == centres[c][0]:
            assert (centres[a][1] - centres[c][1]) * (centres[b][1] - centres[d][1]) >= 0


@pytest.mark.parametrize(("count", "ports"), [(1, [0]), (2, [-3, 3]), (3, [-4, 0, 4]), (4, [-4.5, -1.5, 1.5, 4.5])])
def test_links_arrive_at_ports_of_their_own_in_order(count, ports):
    """On three fifths of a side of 20, in the middle of equal shares of it."""
    sizes = [(30.0, 20.0), *[(10.0, 8.0)] * count]
    centres, routes, extent = arrange(sizes, [(i, 0) for i in range(1, count + 1)], GAP)
    assert [p[0] for p in centres] == [45.0] + [5.0] * count and extent[0] == 60.0
    apart = [centres[i + 1][1] - centres[i][1] for i in range(1, count)]
    assert sorted(abs(d) for d in apart) == [14.0] * (count - 1) and len({d > 0 for d in apart}) <= 1
    order = sorted(range(count), key=lambda i: centres[i + 1][1])
    assert [routes[i][-1] for i in order] == [(30.0, pytest.approx(centres[0][1] + port)) for port in ports]
    for i in range(count):
        assert routes[i][:2] == [(10.0, centres[i + 1][1])] * 2 and routes[i][2] == routes[i][3]


def test_layers_stand_by_their_longest_path_and_links_pass_between():
    """Of 2 -> 1 -> 0 and 2 -> 0: the second passes beside 1, straight, and the boxes in layers of their own."""
    centres, routes, _ = arrange([(10.0, 10.0), (20.0, 10.0), (30.0, 10.0)], [(2, 1), (1, 0), (2, 0)], GAP)
    assert [p[0] for p in centres] == [30 + 20 + 20 + 20 + 5.0, 30 + 20 + 10.0, 15.0]
    direct = routes[2]
    assert [x for x, _ in direct] == [30, 30, 50, 70, 90, 90]
    assert direct[2][1] == direct[3][1] and abs(direct[2][1] - centres[1][1]) >= 5 + GAP[1] + 2 - 1e-9


def test_a_chain_is_straight_however_long():
    count = 3000
    centres, routes, extent = arrange([(10.0, 10.0)] * count, [(i + 1, i) for i in range(count - 1)], GAP)
    assert {y for _, y in centres} == {5.0} and extent == (count * 30.0 - 20.0, 10.0)
    assert {y for route in routes for _, y in route} == {5.0}


def test_a_parameter_at_each_step_does_not_make_a_long_chain_run_across():
    """x -> op -> x ..., a way past each op, and a source beside each x."""
    links = []
    for k in range(0, 120, 3):  # k + 3 -> k + 1 -> k, k + 3 -> k, k + 2 -> k + 1
        links += [(k + 3, k + 1), (k + 2, k + 1), (k + 1, k), (k + 3, k)]
    _, _, extent = arrange([(10.0, 30.0)] * 121, links, GAP)
    assert extent[1] < 5 * 30
