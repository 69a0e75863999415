"""What a recording sees, and that looking changes nothing."""

import gc
import threading
import weakref

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, viz


def boxes(graph, kind=None):
    """The texts of the boxes of a kind."""
    return [box.cells for box in graph._drawing.boxes if kind in (None, box.kind)]


def names(graph):
    """The names of the operations that led to the outputs, in their order."""
    return [operation.name for operation in graph.form.behind().operations]


def vector():
    return Tensor([0.0, 1.0, 2.0, 3.0], requires_grad=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 3, stride=2), nn.BatchNorm2d(2)
        self.pool, self.drop, self.linear = nn.AvgPool2d(2), nn.Dropout(0.5), nn.Linear(2, 2)

    def forward(self, x):
        x = self.pool(pb.relu(self.norm(self.conv(x)))).reshape(len(x), -1)
        return self.linear(self.drop(self.linear(x)))


def image():
    return np.random.default_rng(0).standard_normal((3, 1, 6, 6)).astype(np.float32)


def test_modules_have_their_classes_and_functions_between_them_their_names():
    net, loss = Net(), nn.CrossEntropyLoss()
    graph = viz.graph(lambda x, y: loss(net(x), y), net, inputs=(image(), np.array([0, 1, 1])))
    modules = [cells[0] for cells in boxes(graph, "module")]
    assert modules == [
        "conv: Conv2d",
        "norm: BatchNorm2d",
        "pool: AvgPool2d",
        "linear: Linear",
        "drop: Dropout",
        "linear: Linear, call 2",
        "CrossEntropyLoss",
    ]
    assert boxes(graph, "operation") == [("relu",), ("reshape", "shape=(3, −1)")]
    assert [cells[1] for cells in boxes(graph, "input")] == ["(3, 1, 6, 6) float32", "(3,) int64"]
    assert not boxes(graph, "constant")  # the mask and the weights of the averages are the modules' own
    assert boxes(graph, "module")[0][2] == f"{2 * 9 + 2} parameters"
    (whole,) = boxes(viz.graph(net, inputs=image(), depth=0), "module")
    assert whole == ("Net", f"{2 * 9 + 2 + 2 + 2 + 2 * 2 + 2} parameters")


def test_a_module_in_another_is_a_box_and_one_alone_is_opened():
    x = np.ones((2, 3), np.float32)
    assert boxes(viz.graph(nn.Sequential(nn.Linear(3, 2)), inputs=x), "module")[0][0] == "0: Linear"
    assert boxes(viz.graph(nn.Linear(3, 2), inputs=x), "operation") == [("linear",)]


def test_attributes_are_there_from_a_tensor_alone_too():
    x = Tensor(np.ones((1, 1, 8, 8)), requires_grad=True)
    w = Tensor(np.ones((2, 1, 3, 3)), requires_grad=True)
    y = nn.functional.max_pool2d(pb.conv(x, w, stride=2, padding=1), 2) ** 3
    texts = boxes(viz.graph(y.sum(axis=1)), "operation")
    assert texts[0] == ("conv", "kernel=3", "stride=2", "padding=1")
    assert texts[1:3] == [("max_pool", "kernel=2", "stride=2"), ("** 3",)]
    assert texts[3] == ("sum", "axis=(1,)")


def test_writes_in_place_and_views():
    def program(x):
        y = x * 2
        y[0] = 5.0
        part = y[1:3]
        part += x[:2]
        return y.sum()

    for graph in (viz.graph(program, inputs=vector()), viz.graph(program(vector()))):
        assert names(graph) == ["multiply", "setitem", "getitem", "getitem", "add", "setitem", "sum"]
        # d/dx of 5 + (2 x1 + x0) + (2 x2 + x1) + 2 x3
        assert graph.form.behind().values[0].gradient.tolist() == [1, 3, 2, 2]
    graph = viz.graph(program, inputs=vector())
    datas = [value.data.tolist() for value in graph.form.values if value.shape == (4,)]
    assert datas == [[0, 1, 2, 3], [0, 2, 4, 6], [5, 2, 4, 6], [5, 2, 5, 6]]  # each as it was
    with viz.record() as rec:
        y = Tensor([1.0, 2.0]) * 1
        y += 1  # in the same memory
    assert [value.data.tolist() for value in rec.graph(y).form.values if value.maker] == [[1, 2], [2, 3]]


@pytest.mark.parametrize("f", [pb.linalg.slogdet, pb.linalg.eigh])
def test_operations_with_several_outputs(f):
    x = Tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    for graph in (viz.graph(f, inputs=x), viz.graph(f(x))):
        assert len(names(graph)) == 1 and len(boxes(graph, "output")) == 2


def test_checkpoints_show_what_is_in_them_once():
    segment = pb.checkpoint(lambda a: pb.sin(a) * a)
    x = vector()
    with viz.record() as rec:
        segment(x * 1).sum().backward()
    assert names(rec.graph()) == ["multiply", "sin", "multiply", "sum"]
    np.testing.assert_allclose(x.grad.numpy(), np.sin(x.data) + x.data * np.cos(x.data))
    assert names(viz.graph(segment(x).sum())) == ["checkpoint", "sum"]


def test_second_order_is_a_graph_as_well():
    x = Tensor(2.0, requires_grad=True)
    with viz.record() as rec:
        (x**3).backward(create_graph=True)
    gradient = x.grad
    for graph in (rec.graph(gradient, names={"x": x}), viz.graph(gradient, names={"x": x})):
        assert "power" in names(graph) and "multiply" in names(graph)
        (texts,) = boxes(graph, "output")
        assert "data 12" in texts  # 3 x^2
    assert ("x", "data 2", "grad 12") in boxes(viz.graph(gradient, names={"x": x}))  # 6 x


def test_transforms_are_seen_through():
    x = vector()
    assert names(viz.graph(lambda a: pb.vmap(lambda b: pb.sin(b).sum())(a), inputs=x.reshape(2, 2)))[1:3] == [
        "sin",
        "sum",
    ]
    graph = viz.graph(lambda a: pb.jvp(lambda b: pb.sin(b) * b, (a,), (np.ones(4),)), inputs=x)
    assert names(graph)[:2] == ["sin", "multiply"] and len(boxes(graph, "output")) == 2
    assert names(graph)[2:] == ["sin", "cos", "multiply", "multiply", "multiply", "add"]  # of the tangent


def test_what_requires_no_gradient_is_there_too():
    def program(x):
        with pb.no_grad():
            y = x * 3
        return (y * x).sum()

    graph = viz.graph(program, inputs=vector())
    assert names(graph) == ["multiply", "multiply", "sum"]
    scalar = viz.graph(lambda x: (x * 3 + 1) * 2, inputs=Tensor(2.0))
    assert names(scalar) == ["multiply", "add", "multiply"] and ("data 14",) in boxes(scalar, "output")


def test_a_recording_draws_forward_backward_and_both():
    net, loss = Net(), nn.MSELoss()
    with viz.record(net) as rec:
        out = loss(net(Tensor(image())), Tensor(np.zeros((3, 2), np.float32)))
        out.backward()
    links = {direction: rec.graph(direction=direction)._drawing.links for direction in ("forward", "backward", "both")}
    assert {link.kind for link in links["forward"]} == {"forward"} and {link.kind for link in links["backward"]} == {
        "backward"
    }
    back = [(link.tail, link.head) for link in links["both"] if link.kind == "both"]
    assert len(back) == len(links["backward"]) == len(links["forward"]) - 2  # the image and the target have no gradient
    steps = [step.value for step in rec.graph().form.steps]
    assert steps[0] is rec.graph().form.outputs[0] and len(steps) == len(set(steps))
    gradients = {value.names[0]: value.gradient for value in steps if value.kind == "parameter"}
    assert {name: g.tolist() for name, g in gradients.items()} == {
        name: p.grad.numpy().tolist() for name, p in net.named_parameters()
    }
    with pytest.raises(ValueError, match="no gradient is known"):
        viz.graph(pb.exp(vector()), direction="backward")


def test_only_this_thread_is_recorded():
    x = vector()
    with viz.record() as rec:
        other = threading.Thread(target=lambda: nn.ReLU()(x * 2).sum().backward())
        other.start()
        other.join()
        y = x + 1
    assert names(rec.graph(y)) == ["add"] and len(rec.graph().form.operations) == 1 and not rec.graph().form.groups


def test_looking_changes_nothing():
    def state(net, look):
        nn.manual_seed(0)
        calls = []
        handle = net.conv.register_forward_hook(lambda *args: calls.append(1))
        x = Tensor(image(), requires_grad=True)
        out = look(net, x)
        handle.remove()
        return out.numpy(), calls, [b.numpy().copy() for b in net.buffers()], [p.grad for p in net.parameters()], x.grad

    def recorded(net, x):
        with viz.record(net) as rec:
            out = net(x)
        rec.graph()._repr_svg_()
        return out

    def drawn(net, x):
        out = []
        viz.graph(lambda x: out.append(net(x)) or out[0].sum(), net, inputs=x)._repr_svg_()
        return out[0]

    net = Net()
    start = net.state_dict()
    start = {key: np.array(value) for key, value in start.items()}
    plain = state(net, lambda net, x: net(x))
    for look in (recorded, drawn):
        net.load_state_dict(start)
        seen = state(net, look)
        np.testing.assert_array_equal(seen[0], plain[0])  # the same random numbers, too
        assert seen[1] == plain[1] == [1]
        for one, other in zip(seen[2], plain[2], strict=True):
            np.testing.assert_array_equal(one, other)
        assert all(g is None for g in [*seen[3], seen[4]])


def test_nothing_is_held_by_cycles():
    gc.collect()
    gc.disable()
    try:
        x = vector()
        with viz.record() as rec:
            y = (x * x).sum()
        graph = rec.graph(y)
        graph._repr_svg_()
        held = [weakref.ref(thing) for thing in (rec._seen, graph.form.operations[0], x._node, y._node)]
        del rec, graph, x, y
        assert [ref() for ref in held] == [None] * 4
    finally:
        gc.enable()


def test_a_program_that_fails_is_drawn_up_to_there():
    net = Net()
    with pytest.raises(ValueError, match="conv") as caught:
        viz.graph(net, inputs=np.ones((3, 2, 6, 6), np.float32))
    assert "viz.record" in caught.value.__notes__[0]
    x = vector()
    with pytest.raises(ValueError) as caught, viz.record() as rec:
        pb.exp(x.reshape(2, 2)) @ np.ones((3, 5))
    assert "graph() of what it gave" in caught.value.__notes__[-1]
    graph = rec.graph()
    (last,) = boxes(graph, "failed")
    assert last[:2] == ("@", "given (2, 2) float64, (3, 5) float64") and last[2].startswith("ValueError: ")
    assert "failed: ValueError" in graph._drawing.caption
    graph._repr_svg_()


class Refuses(nn.Module):
    def forward(self, x):
        raise ValueError("no")


def test_a_module_that_fails_before_any_operation_is_the_last_box():
    model = nn.Sequential(nn.Linear(4, 3), Refuses())
    with pytest.raises(ValueError), viz.record(model) as rec:
        model(Tensor(np.ones((5, 4), np.float32)))
    for depth in (None, 1):
        (first,), (last,) = (boxes(rec.graph(depth=depth), kind) for kind in ("module", "failed"))
        assert first[0] == "0: Linear" and last[0] == "1: Refuses" and "given (5, 3) float32" in last
    (whole,) = boxes(rec.graph(depth=0), "failed")
    assert "given (5, 4) float32" in whole


def test_an_error_that_the_program_handles_is_no_failure():
    def program(x):
        try:
            x @ np.ones((3, 3))
        except ValueError:
            return (x * 2).sum()

    graph = viz.graph(program, inputs=vector())
    assert names(graph) == ["multiply", "sum"] and not graph.form.error and "failed" not in graph._drawing.caption


def test_names_of_locals_and_of_frozen_and_shared_parameters():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    x = np.ones((2, 3), np.float32)
    graph = viz.graph(model, inputs=x, depth=2, names={"x": x})
    texts = [cells[0] for cells in boxes(graph, "parameter")]
    assert "0.weight = 1.weight" in texts and "0.bias" in texts and "1.bias" in texts


def test_what_cannot_be_drawn_is_refused():
    x = vector()
    for options, words in (
        ({"depth": -1}, "depth"),
        ({"limit": 0}, "limit"),
        ({"direction": "up"}, "direction"),
        ({"show": ["size"]}, "size"),
    ):
        with pytest.raises(ValueError, match=words):
            viz.graph(x * 2, **options)
    with pytest.raises(TypeError, match="inputs="):
        viz.graph(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="inputs="):
        viz.graph(x * 2, inputs=x)


def test_a_tangent_is_linked_where_what_made_it_is_recorded():
    x, t = Tensor(np.array([1.0, 2.0]), requires_grad=True), Tensor(np.array([3.0, 4.0]))
    graph = viz.graph(lambda x, t: pb.jvp(lambda x: pb.sin(x) * x, (x,), (t,)), inputs=(x, t))
    primal, tangent = graph.form.outputs
    assert primal.maker.name == "multiply" and tangent.maker.name == "add"
    assert {"cos", "sin"} <= {operation.name for operation in graph.form.behind([tangent]).operations}
    given = {value for operation in graph.form.behind([tangent]).operations for _, value in operation.arguments}
    assert primal.maker.arguments[1].value in given  # x, one box for both
    unknown = viz.graph(lambda x, t: pb.jvp(lambda x: pb.sin(x) * x, (x,), (t,)), inputs=(x.detach(), t))
    assert ["how it came is not recorded" in cells for cells in boxes(unknown, "output")] == [False, True]
