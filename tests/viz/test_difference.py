import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback import Tensor, cos, exp, maximum, nn, sin, viz
from pullback.viz import matching

UNARY = (sin, cos, exp)
BINARY = (lambda a, b: a + b, lambda a, b: a * b, maximum)


@st.composite
def programs(draw):
    """Operations as their numbers in UNARY or BINARY with the numbers of their arguments: inputs, then results."""
    found = []
    for i in range(draw(st.integers(1, 12))):
        binary = draw(st.booleans())
        arguments = draw(st.tuples(*[st.integers(0, i + 1)] * (2 if binary else 1)))
        found.append((draw(st.integers(0, 2)), arguments))
    return found


def run(program, order, doubled=None):
    """The sum of all results that nothing reads, where the operations run in an order that random numbers decide.

    The result of the operation numbered `doubled` is multiplied by 2 before anything reads it.
    """
    values = dict(enumerate(Tensor([0.1, 0.2], requires_grad=True) for _ in range(2)))
    waiting = list(enumerate(program, 2))
    while waiting:
        ready = [item for item in waiting if all(i in values for i in item[1][1])]
        number, (kind, arguments) = item = ready[order.integers(len(ready))]
        waiting.remove(item)
        values[number] = (UNARY if len(arguments) == 1 else BINARY)[kind](*(values[i] for i in arguments))
        if number == doubled:
            values[number] = values[number] * 2.0
    read = {i for _, arguments in program for i in arguments}
    total = Tensor(0.0)
    for i in sorted(values):
        if i > 1 and i not in read:
            total = total + values[i].sum()
    return viz.graph(total, values=False, roll=False)


def words(found):
    return [line.split()[0] for line in str(found).splitlines()[:-1]]


@pytest.mark.slow
@settings(max_examples=60)
@given(programs(), st.integers(0, 2**32 - 1))
def test_other_orders_and_ids_are_no_difference(program, seed):
    order = np.random.default_rng(seed)
    found = viz.difference(run(program, order), run(program, order))
    assert not found
    assert (found.added, found.removed, found.changed, found.moved) == ([], [], [], 0)


@pytest.mark.filterwarnings("ignore:overflow")
@settings(max_examples=60)
@given(programs(), st.data())
def test_one_operation_more(program, data):
    order = np.random.default_rng(0)
    doubled = data.draw(st.integers(2, len(program) + 1))
    plain, more = run(program, order), run(program, order, doubled)
    added, removed = viz.difference(plain, more), viz.difference(more, plain)
    assert [operation.name for operation in added.added] == ["multiply"] and not added.removed + added.changed
    assert [operation.name for operation in removed.removed] == ["multiply"] and not removed.added + removed.changed


class Net(nn.Module):
    def __init__(self, hidden=16, activation=nn.ReLU, norm=False, power=2):
        super().__init__()
        self.first, self.last = nn.Linear(8, hidden), nn.Linear(hidden, 4)
        self.activation, self.power = activation(), power
        self.norm = nn.LayerNorm(hidden) if norm else nn.Identity()

    def forward(self, x):
        return (self.last(self.norm(self.activation(self.first(x)))) ** self.power).sum()


def graph(**options):
    return viz.graph(Net(**options), inputs=Tensor(np.ones((3, 8), np.float32)))


def test_what_is_said_of_a_net():
    before = graph()
    assert str(viz.difference(before, graph())) == "no difference"
    assert words(viz.difference(before, graph(activation=nn.Tanh))) == ["−", "+"]
    found = viz.difference(before, graph(norm=True))
    assert [getattr(part, "name", None) or part.names[0] for part in found.added] == [
        "norm.weight", "norm.bias", "standardize",
    ]  # fmt: skip
    assert (found.removed, found.changed, found.moved) == ([], [], 0)
    changes = [str(change) for change in viz.difference(before, graph(hidden=20)).changed]
    assert changes == [
        "first.weight: (16, 8) float32 → (20, 8) float32",
        "first.bias: (16,) float32 → (20,) float32",
        "linear: (3, 16) float32 → (3, 20) float32",
        "relu: (3, 16) float32 → (3, 20) float32",
        "last.weight: (4, 16) float32 → (4, 20) float32",
    ]
    (change,) = viz.difference(before, graph(power=3)).changed
    assert str(change) == "power: power 2 → power 3"


def test_options_arguments_and_outputs():
    x = Tensor(np.ones((3, 3)), requires_grad=True)
    y = Tensor(np.ones((3, 3)), requires_grad=True)

    def changes(a, b):
        return [str(change) for change in viz.difference(viz.graph(a), viz.graph(b)).changed]

    assert changes(x.sum(axis=0), x.sum(axis=1)) == ["sum: axis=(0,) → (1,)"]
    assert changes(x.sum(axis=0), x.sum(axis=0, keepdims=True)) == [
        "sum: no keepdims → True, (3,) float64 → (1, 3) float64"
    ]
    tied = viz.difference(viz.graph(x @ x + y), viz.graph(x @ y + y))
    assert (len(tied.added), len(tied.removed), len(tied.changed), tied.moved) == (0, 0, 0, 1)
    assert tied
    swapped = viz.difference(viz.graph(sin(x) - y), viz.graph(y - sin(x)))
    assert swapped
    between = viz.difference(viz.graph(exp(sin(x).sum(axis=0))), viz.graph(cos(x.tanh().sum(axis=1))))
    assert [str(change) for change in between.changed] == ["sum: axis=(0,) → (1,)"]
    assert (len(between.added), len(between.removed)) == (2, 2)
    read = sin(x)
    assert changes(cos(read), [read, cos(read)]) == [
        "sin: other arguments or outputs",
        "cos: other arguments or outputs",
    ]
    one, two = sin(x), cos(sin(x))
    assert [part.name for part in viz.difference(viz.graph(two), viz.graph([one, two])).added] == ["sin"]


def test_shared_and_apart_are_told_apart():
    x = Tensor([1.0, 2.0], requires_grad=True)
    shared = sin(x)
    found = viz.difference(viz.graph(exp(shared) * cos(shared)), viz.graph(exp(sin(x)) * cos(sin(x))))
    assert [part.name for part in found.added] == ["sin"] and not found.removed


def test_a_picture_has_what_differs_with_its_neighbours():
    x = Tensor([1.0, 2.0], requires_grad=True)

    def chain(middle):
        y = x
        for i in range(40):
            y = middle(cos(y)) if i == 20 else sin(y)
        return viz.graph(y)

    found = viz.difference(chain(lambda y: y), chain(exp), title="an exp more")
    boxes = [box.cells for box in found._drawing.boxes]
    assert sorted(boxes) == sorted([("cos",), ("+ added", "exp"), ("sin",), ("⋯",), ("⋯",)])
    labels = sorted(link.label for link in found._drawing.links)
    assert labels == ["", "", "+", "+", "−"]  # the one that is gone leads from cos to sin
    assert found._drawing.caption == "an exp more\n1 added\n38 unchanged operations are not drawn"
    same = viz.difference(chain(exp), chain(exp))
    assert [box.cells for box in same._drawing.boxes] == [("no difference",)]


def test_limit_and_wrong_arguments(tmp_path):
    x = Tensor([1.0, 2.0], requires_grad=True)
    a, b = x, x
    for _ in range(30):
        a, b = sin(a), cos(b)
    found = viz.difference(viz.graph(a), viz.graph(b), limit=10)
    assert len(found.added) == len(found.removed) == 30
    assert sum(box.kind == "operation" for box in found._drawing.boxes) <= 10
    assert found._drawing.caption.endswith("50 more operations are not drawn")
    for suffix in ("svg", "mmd", "txt", "html"):
        found.render(tmp_path / f"d.{suffix}")
        assert (tmp_path / f"d.{suffix}").stat().st_size > 100
    with pytest.raises(TypeError, match="difference: b is a Tensor, not a Graph"):
        viz.difference(viz.graph(a), b)


def test_what_cannot_be_one_graph_is_matched_as_far_as_it_can():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for a, b in (
        (sin(cos(exp(x))), exp(cos(sin(x)))),
        (sin(x) + cos(sin(x)), cos(x) + sin(cos(x))),
        (exp(sin(x) * 3) + sin(exp(x) * 3), exp(sin(exp(x) * 3) * 3)),
    ):
        found = viz.difference(viz.graph(a), viz.graph(b))
        assert found
        assert "<svg" in found._repr_svg_()


@given(st.text("abc", max_size=12), st.text("abcd", max_size=12))
def test_common_is_a_longest_common_subsequence(a, b):
    longest = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            longest[i + 1, j + 1] = longest[i, j] + 1 if x == y else max(longest[i, j + 1], longest[i + 1, j])
    pairs = matching.common(a, b)
    assert len(pairs) == longest[-1, -1]
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(p[0] < q[0] and p[1] < q[1] for p, q in zip(pairs, pairs[1:], strict=False))
