"""The graph and the pass over it: order, freeing, accumulation, hooks, modes, and what an engine must survive."""

import gc
import os
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor
from pullback.autograd.core.registry import _primitives


def leaf(value):
    return Tensor(value, requires_grad=True)


def test_a_value_used_many_times_gets_the_sum():
    x = leaf(3.0)
    y = x * x + x * 2.0 + x
    y.backward()
    assert x.grad.item() == 2 * 3 + 2 + 1


def test_each_node_is_visited_once():
    visits = []
    twice = pb.primitive(lambda x: 2 * x, name="twice_for_test_graph")
    twice.vjp("x")(lambda g: visits.append(1) or 2 * g)
    y = x = leaf(1.0)
    for _ in range(50):
        y = twice(y)
        y = y + y
    y.backward()
    assert len(visits) == 50 and x.grad.item() == 4.0**50
    del _primitives["twice_for_test_graph"]


def test_gradients_accumulate_over_backward_calls():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    (x * 3.0).sum().backward()
    assert np.array_equal(x.grad.data, [5.0, 7.0])


def test_a_second_backward_needs_retain_graph():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_gradients_of_two_leaves_share_no_memory():
    a, b, g = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.ones(2)
    (a + b).backward(g)
    a.grad.data[0] = 7.0
    assert np.array_equal(b.grad.data, [1.0, 1.0]) and np.array_equal(g, [1.0, 1.0])
    a, b = leaf(np.ones((2, 2))), leaf(np.ones((2, 2)))
    a.sum().backward()
    assert a.grad.data.flags.writeable


def test_higher_orders():
    x = leaf(2.0)
    g = x**5
    for expected in (80.0, 160.0, 240.0, 240.0, 120.0):
        x.grad = None
        g.backward(create_graph=True)
        g = x.grad
        assert g.item() == expected


def test_create_graph_within_no_grad_still_records():
    x = leaf(2.0)
    y = x**3
    with pb.no_grad():
        y.backward(create_graph=True)
    assert x.grad.requires_grad


def test_cotangent_of_an_output_with_many_entries():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"shape \(2,\) needs a gradient"):
        (x * 2.0).backward()
    with pytest.raises(ValueError, match=r"shape \(3,\) given for an output of shape \(2,\)"):
        (x * 2.0).backward(np.ones(3))
    (x * 2.0).backward([1, 10])
    assert np.array_equal(x.grad.data, [2.0, 20.0]) and x.grad.dtype == np.float64


def test_nothing_recorded():
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        Tensor(1.0).backward()


def test_gradient_has_its_tensors_dtype_and_shape():
    x = leaf(np.ones((2, 1), np.float32))
    (x * np.ones((3, 2, 4))).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.shape == (2, 1) and np.array_equal(x.grad.data, [[12], [12]])


def test_hooks_see_and_replace_the_gradient():
    x = leaf(3.0)
    y = x * 2.0
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g * 10.0)
    z = y * y
    z.backward(retain_graph=True)
    assert seen == [12.0] and x.grad.item() == 240.0
    handle.remove()
    z.backward()
    assert seen == [12.0]
    with pytest.raises(ValueError, match=r"hook: returned shape \(2,\)"):
        y = leaf(1.0) * 2.0
        y.register_hook(lambda g: np.ones(2))
        y.backward()


def test_no_grad_and_enable_grad_nest_and_are_undone_by_an_exception():
    x = leaf(1.0)
    with pb.no_grad():
        assert not (x * x).requires_grad
        with pb.enable_grad():
            assert (x * x).requires_grad
        assert not (x * x).requires_grad
    with pytest.raises(KeyError), pb.no_grad():
        raise KeyError
    assert (x * x).requires_grad

    @pb.no_grad()
    def f(x):
        return x * x

    assert not f(x).requires_grad and (x * x).requires_grad


def test_override_is_scoped_nested_and_undone_by_an_exception():
    def gradient():
        x = leaf([-1.0, 2.0])
        pb.relu(x).backward(np.array([3.0, -3.0]))
        return x.grad.tolist()

    plain = [0.0, -3.0]
    assert gradient() == plain
    with pb.override(pb.relu, "x", lambda g: g * 100.0):
        assert gradient() == [300.0, -300.0]
        with pb.override(pb.relu, "x", lambda g: np.maximum(g, 0)):
            assert gradient() == [3.0, 0.0]
        assert gradient() == [300.0, -300.0]
    with pytest.raises(KeyError), pb.override(pb.relu, "x", lambda g: g):
        raise KeyError
    assert gradient() == plain


def test_override_may_ask_for_more_when_the_forward_pass_is_inside():
    def guided(g, x, out):
        return g * (g > 0) * (x > 0) + 0 * out

    x = leaf([-1.0, 2.0, 3.0])
    with pb.override(pb.relu, "x", guided):
        pb.relu(x).backward(np.array([5.0, -5.0, 7.0]))
    assert x.grad.tolist() == [0.0, 0.0, 7.0]
    y = pb.relu(leaf([1.0]))
    with pb.override(pb.relu, "x", guided), pytest.raises(RuntimeError, match="asks for x, which was not kept"):
        y.backward(np.ones(1))


def test_override_of_what_is_not_there():
    with pytest.raises(TypeError, match="no array 'y'; it has x"), pb.override(pb.relu, "y", lambda g: g):
        pass
    with pytest.raises(TypeError, match="expected a primitive"), pb.override(np.exp, "x", lambda g: g):
        pass


def test_a_node_keeps_only_what_its_rules_ask_for():
    x = leaf(np.ones(1000))
    counts = [sys.getrefcount(x._held)]
    y = x + np.ones(1000)
    counts.append(sys.getrefcount(x._held))
    assert counts[0] == counts[1]
    z = pb.sin(y)
    assert z._node.edges[0][2] == (y._held,)


@pytest.mark.slow
def test_a_million_operations_deep():
    """A backward pass, and dropping the graph, which it has left as it was."""
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    y.backward(retain_graph=True)
    assert x.grad.item() == 1.0
    node = weakref.ref(y._node.edges[0][0])
    del y
    assert node() is None


def test_doubling_a_thousand_times_is_linear():
    x = leaf(1.0)
    y = x
    for _ in range(1000):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**1000


def test_graphs_are_freed_without_the_garbage_collector():
    def drop():
        x = leaf(np.ones(1000))
        y = x
        for _ in range(20):
            y = pb.exp(-y) * x + pb.sigmoid(y)
        if np.random.default_rng().random() < 0.5:
            y.sum().backward()

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(20):
            drop()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            drop()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 4_000  # less than one of the arrays, of 8,000 bytes, of which each graph has a hundred


def test_modes_are_the_threads_own():
    seen = []
    with pb.no_grad(), pb.override(pb.relu, "x", lambda g: 7 * g):
        thread = threading.Thread(target=lambda: seen.append((leaf(1.0) * 2.0).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_an_exception_in_a_function_or_rule_leaves_no_trace():
    bad = pb.primitive(lambda x: 2 * x, name="bad_for_test_graph")

    @bad.vjp("x")
    def _(g):
        raise KeyError("rule")

    x = leaf(2.0)
    y = bad(x * x)
    for _ in range(2):
        with pytest.raises(KeyError, match="rule"):
            y.backward(retain_graph=True)
        with pytest.raises(KeyError, match="rule"):
            y.backward(retain_graph=True, create_graph=True)
    assert x.grad is None
    with pytest.raises(ValueError):
        np.ones((2, 3)) @ leaf(np.ones((2, 3)))
    z = x * x
    z.backward()
    assert x.grad.item() == 4.0 and not pb.autograd.core.graph.modes.dispatch
    del _primitives["bad_for_test_graph"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_computes():
    x = leaf(2.0)
    y = x * x
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        y.backward()
        os.write(write, str(x.grad.item()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"4.0"


def test_backward_fills_the_grad_of_inputs_alone():
    x, y, aside = leaf(2.0), leaf(3.0), leaf(5.0)
    (x * y).backward(inputs=x)
    assert x.grad.item() == 3.0 and y.grad is None
    (x * y).backward(inputs=(t for t in (x, x, aside)))
    assert x.grad.item() == 6.0 and y.grad is None and aside.grad is None
    z = x * x
    (z * z).backward(inputs=[z])
    assert z.grad.item() == 8.0 and x.grad.item() == 6.0
    z = x * x
    (z * z).backward(inputs=[x, z], create_graph=True)
    assert (z.grad.item(), x.grad.item()) == (8.0, 6.0 + 32.0) and x.grad.requires_grad
    x.backward(inputs=[x])
    assert x.grad.item() == 39.0


def test_only_what_leads_to_inputs_is_freed():
    x = leaf(2.0)
    y = x * x
    z = y * x
    w = z * z
    w.backward(inputs=[z])
    y.backward()
    assert x.grad.item() == 4.0
    with pytest.raises(RuntimeError, match="freed"):
        w.backward()


def test_inputs_that_cannot_have_a_gradient():
    x = leaf(2.0)
    y = x * x
    with pytest.raises(ValueError, match="inputs is empty"):
        y.backward(inputs=[])
    with pytest.raises(TypeError, match=r"inputs\[1\] is a float, not a Tensor"):
        y.backward(inputs=[x, 2.0])
    with pytest.raises(RuntimeError, match=r"inputs\[0\], of shape \(2,\), does not require a gradient"):
        y.backward(inputs=[Tensor([1, 2])])
    y.backward()
    assert x.grad.item() == 4.0


def test_inputs_share_no_memory():
    x, g = leaf([1.0, 2.0]), np.ones(2)
    y = x + 0.0
    y.backward(g, inputs=[x, y])
    x.grad.data[0] = 7.0
    assert y.grad.tolist() == [1.0, 1.0] and g.tolist() == [1.0, 1.0]


def test_retain_grad():
    x = leaf([1.0, 2.0])
    y = x + 0.0
    assert not y.retains_grad and not x.retains_grad
    y.retain_grad()
    y.register_hook(lambda g: g * 10.0)
    z = y * 3.0
    z.backward(np.ones(2), retain_graph=True)
    z.backward(np.ones(2))
    assert y.retains_grad and y.grad.tolist() == [60.0, 60.0] and x.grad.tolist() == [60.0, 60.0]
    y.grad.data[0] = 7.0
    assert x.grad.tolist() == [60.0, 60.0]
    x.retain_grad()  # a leaf has its gradient anyway
    assert not x.retains_grad
    with pytest.raises(RuntimeError, match="retain_grad: this tensor does not require"):
        Tensor(1.0).retain_grad()


def test_retain_grad_of_any_order_and_beside_inputs():
    x = leaf(2.0)
    y = x**3
    y.retain_grad()
    (y * y).backward(create_graph=True, inputs=[y])
    assert y.grad.item() == 16.0 and y.grad.requires_grad and x.grad is None
    y.grad.backward()  # 2 x**3
    assert x.grad.item() == 24.0


def test_retain_grad_follows_the_tensor_in_place():
    x = leaf(2.0)
    y = x * x
    y.retain_grad()
    y *= 2
    (y * 3).backward()
    assert y.retains_grad and y.grad.item() == 3.0 and x.grad.item() == 24.0


def test_retained_gradients_make_no_cycles():
    y = leaf(2.0) * 3.0
    y.retain_grad()
    node = weakref.ref(y._node)
    gc.disable()
    try:
        del y
        assert node() is None
    finally:
        gc.enable()


def test_hooks_run_in_order_and_change_from_the_next_pass_on():
    x, seen = leaf(2.0), []

    def first(g):
        seen.append(("first", g.item()))
        handles[0].remove()
        handles[1].remove()
        if len(seen) == 1:
            x.register_hook(lambda g: seen.append(("late", g.item())))
        return g * 2

    handles = [x.register_hook(first), x.register_hook(lambda g: seen.append(("second", g.item())) or g + 1)]
    (x * x).backward()
    assert seen == [("first", 4.0), ("second", 8.0)] and x.grad.item() == 9.0
    (x * x).backward()
    assert seen[2:] == [("late", 4.0)] and x.grad.item() == 13.0


def test_hooks_are_differentiated():
    x = leaf(2.0)
    x.register_hook(lambda g: g * x)
    (x**3).backward(create_graph=True)  # 3 x**3
    g, x.grad = x.grad, None
    assert g.item() == 24.0
    g.backward()  # 9 x**2, and the hook once more
    assert x.grad.item() == 72.0


def test_what_a_hook_may_return():
    x = leaf(np.float32([1.0, 2.0]))
    handle = x.register_hook(lambda g: np.array([1.5, 2.0]))
    (x * x).sum().backward()
    assert x.grad.dtype == np.float32 and x.grad.tolist() == [1.5, 2.0]
    handle.remove()
    x.register_hook(lambda g: g * 1j)
    with pytest.raises(TypeError, match="hook: returned dtype complex64 for a gradient of dtype float32"):
        (x * x).sum().backward()


def test_a_cotangent_of_another_dtype():
    x = leaf([1.0, 2.0])
    (x * x).backward(np.ones(2, np.int64))
    assert x.grad.tolist() == [2.0, 4.0] and x.grad.dtype == np.float64
    with pytest.raises(TypeError, match="gradient of dtype complex128 given for an output of dtype float64"):
        (x * x).backward(np.ones(2) * 1j)
    with pytest.raises(ValueError, match=r"gradient of shape \(1,\) given for an output of shape \(2,\)"):
        (x * x).backward(np.ones(1))


def test_no_gradient_of_an_integer():
    x = leaf([1.0, 2.0])
    for y in (x > 1, np.argmax(x), x.astype(int).sum()):
        with pytest.raises(RuntimeError, match="does not require a gradient"):
            y.backward()
    y = x * 2.0
    assert y.grad is None and not y.is_leaf


TORCH = {
    "inputs": lambda x, y: (x * y).backward(inputs=[x]),
    "inputs off the path": lambda x, y: (x * x).backward(inputs=[y]),
    "inputs twice": lambda x, y: (x * x).backward(inputs=[x, x]),
    "itself": lambda x, y: x.backward(inputs=[x]),
    "accumulation": lambda x, y: [(x * y).backward() for _ in range(3)],
    "hooks": lambda x, y: [x.register_hook(lambda g: g * 2), x.register_hook(lambda g: g + 1), (x * y).backward()],
    "hook with create_graph": lambda x, y: [
        x.register_hook(lambda g: g * x),
        (x * x * y).backward(create_graph=True, inputs=[x]),
        x.grad.backward(),
    ],
    "freed": lambda x, y: [z := x * y, z.backward(), z.backward()],
    "freed by inputs": lambda x, y: [z := x * y, z.backward(inputs=[x]), z.backward(inputs=[y])],
    "kept": lambda x, y: [z := x * y, z.backward(retain_graph=True), z.backward()],
    "detach_": lambda x, y: [z := x * y, z.detach_(), (z * x).backward()],
    "no result of an operation stops": lambda x, y: (x * y).requires_grad_(False),
    "requires_grad_ twice": lambda x, y: (x * y).requires_grad_().backward(),
    "empty inputs": lambda x, y: (x * y).backward(inputs=[]),
    "constant inputs": lambda x, y: (x * y).backward(inputs=[y.detach()]),
    "constant": lambda x, y: x.detach().backward(),
    "retain_grad of a constant": lambda x, y: x.detach().retain_grad(),
    "hook on a constant": lambda x, y: x.detach().register_hook(print),
}


@pytest.mark.filterwarnings("ignore:Using backward:UserWarning")
@pytest.mark.parametrize("case", TORCH)
def test_as_pytorch(torch, case):

    def run(x, y):
        try:
            TORCH[case](x, y)
        except (RuntimeError, ValueError) as error:
            return type(error) in (RuntimeError, ValueError)
        return [None if t.grad is None else t.grad.item() for t in (x, y)]

    theirs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (2.0, 3.0)]
    assert run(leaf(2.0), leaf(3.0)) == run(*theirs)


def test_a_context_of_modes_is_for_one_with_and_a_decorator_for_every_call():
    @pb.no_grad()
    def below(n):
        return (n and below(n - 1)) or (Tensor(1.0, requires_grad=True) * 2).requires_grad

    assert not below(3) and not below(0)
    once = pb.no_grad()
    with once:
        pass
    with pytest.raises(RuntimeError, match="entered a second time"), once:
        pass
    assert (Tensor(1.0, requires_grad=True) * 2).requires_grad


def test_contexts_may_end_in_another_order_than_that_of_stacks():
    def inside():
        with pb.override(pb.relu, "x", lambda g: g * 10):
            yield

    x, generator = Tensor(1.0, requires_grad=True), inside()
    next(generator)
    with pb.no_grad():
        next(generator, None)
        assert not (x * 2).requires_grad
    pb.relu(x).backward()
    assert x.grad.item() == 1.0
