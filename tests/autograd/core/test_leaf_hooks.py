"""Hooks of leaves that run while the backward pass goes on."""

import gc
import weakref

import numpy as np
import pytest

from pullback import Tensor, checkpoint, grads, no_grad
from pullback.extend import at_end


def leaves(*values):
    return [Tensor(np.asarray(value, float), requires_grad=True) for value in values]


def noted(events, **tensors):
    return [
        t.register_post_accumulate_grad_hook(lambda leaf, name=name: events.append((name, leaf.grad.item())))
        for name, t in tensors.items()
    ]


def test_a_leaf_has_its_gradient_before_older_operations_are_pulled_through():
    first, second, third = leaves(2, 3, 5)
    events = []
    noted(events, first=first, second=second, third=third)
    a = first * 1
    b = a * second
    c = b * third
    a.register_hook(lambda g: events.append("a"))
    b.register_hook(lambda g: events.append("b"))
    c.backward()
    assert events == [("third", 6.0), "b", ("second", 10.0), "a", ("first", 15.0)]


def test_a_leaf_that_is_used_several_times_waits_for_the_oldest_use():
    shared, other = leaves(2, 3)
    events = []
    noted(events, shared=shared, other=other)
    a = shared * 7
    a.register_hook(lambda g: events.append("a"))
    (a * shared * other).backward()
    assert events == [("other", 28.0), "a", ("shared", 84.0)]


def test_gradients_add_up_and_other_hooks_run_before():
    (x,) = leaves(2)
    events = []
    noted(events, x=x)
    x.register_hook(lambda g: g * 10)
    for _ in range(2):
        (x * 3).backward()
    assert events == [("x", 30.0), ("x", 60.0)]
    assert not x.retains_grad


def test_a_tensor_itself_and_what_gradients_are_asked_for():
    x, y = leaves(2, 3)
    events = []
    noted(events, x=x, y=y)
    x.backward()
    (x * y).backward(inputs=[y])
    assert events == [("x", 1.0), ("y", 2.0)]
    assert grads(x * y, x).item() == 3
    assert events == [("x", 1.0), ("y", 2.0)] and x.grad.item() == 1


def test_inside_of_a_checkpoint():
    x, y = leaves(2, 3)
    events = []
    noted(events, x=x, y=y)
    (checkpoint(lambda a: a * x)(y * 1) * 5).backward()
    assert sorted(events) == [("x", 15.0), ("y", 10.0)]


def test_second_order_and_data_of_another_dtype():
    (x,) = leaves(2)
    events = []
    noted(events, x=x)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad and events == [("x", 12.0)]
    x.grad, x.data = None, np.float32(3)
    (x**2).backward()
    assert events[1] == ("x", 6.0) and x.grad.dtype == np.float32


def test_handles_and_tensors_that_are_dropped():
    (x,) = leaves(2)
    events = []
    (handle,) = noted(events, x=x)
    handle.remove()
    (x * 3).backward()
    assert x.grad.item() == 3 and not events
    noted(events, x=x)
    seen = weakref.ref(x)
    gc.disable()
    try:
        del x
        assert seen() is None
    finally:
        gc.enable()


def test_what_is_to_run_at_the_end_runs_once_with_all_gradients():
    x, y = leaves(2, 3)
    seen = []

    def end():
        seen.append((x.grad.item(), y.grad.item()))

    for t in (x, y):
        t.register_post_accumulate_grad_hook(lambda leaf: at_end(end))
    (x * y).backward()
    assert seen == [(3.0, 2.0)]
    with pytest.raises(ValueError, match="stopped"):
        x.register_hook(_stop)
        (x * y).backward()
    assert len(seen) == 1


def test_nothing_runs_at_the_end_of_a_pass_that_fills_no_grad():
    x, y = leaves(2, 3)
    seen = []
    x.register_hook(lambda g: at_end(lambda: seen.append("end")))
    y.register_post_accumulate_grad_hook(print)
    assert grads(x * y, x).item() == 3 and not seen
    at_end(print)
    (x * y).backward()
    assert seen == ["end"]


def _stop(g):
    raise ValueError("stopped")


def test_only_leaves_that_require_a_gradient():
    (x,) = leaves(2)
    for tensor in (x * 2, Tensor(1.0)):
        with pytest.raises(RuntimeError, match="no leaf"):
            tensor.register_post_accumulate_grad_hook(print)
    with no_grad():
        assert not (x * 2).requires_grad


def test_beside_pytorch(torch):
    def run(make, tensor):
        x, y = (make(v) for v in (2.0, 3.0))
        events = []
        x.register_post_accumulate_grad_hook(lambda leaf: events.append(("x", leaf.grad.item())))
        y.register_post_accumulate_grad_hook(lambda leaf: events.append(("y", leaf.grad.item())))
        for _ in range(2):
            (x * x * y).backward()
        return events

    ours = run(lambda v: Tensor(v, requires_grad=True), Tensor)
    assert ours == run(lambda v: torch.tensor(v, requires_grad=True), torch.tensor)
