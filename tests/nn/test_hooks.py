"""Hooks of modules: what they see, what they may change, in which order, and that nothing is left of them."""

import copy
import pickle
import warnings
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, jvp, nn, no_grad, vmap
from pullback.nn.hooks import EVERYWHERE
from pullback.nn.modules.module import (
    register_module_backward_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)


class Several(nn.Module):
    """Of arguments and keywords."""

    def forward(self, a: Any, b: Any = 1.0, *, scale: Any = 1.0) -> Any:
        return scale * a * b, a + b


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def test_the_order_of_hooks() -> None:
    seen: list[Any] = []

    def note(name: str) -> Any:
        return lambda *given: seen.append(name)

    layer = nn.Identity()
    for name in "ab":
        layer.register_forward_pre_hook(note("before " + name))
        layer.register_forward_hook(note("after " + name))
        layer.register_full_backward_pre_hook(note("back " + name))
        layer.register_full_backward_hook(note("done " + name))
    layer.register_forward_pre_hook(note("before c"), prepend=True)
    layer.register_forward_hook(note("after c"), prepend=True)
    layer.register_full_backward_pre_hook(note("back c"), prepend=True)
    layer.register_full_backward_hook(note("done c"), prepend=True)
    y = layer(leaf(1.0))
    assert seen == [f"{when} {name}" for when in ("before", "after") for name in "cab"]
    seen.clear()
    y.backward(np.ones(1))
    assert seen == [f"{when} {name}" for when in ("back", "done") for name in "cab"]


def test_hooks_with_kwargs() -> None:
    module, seen = Several(), []

    def before(module: Any, args: Any, kwargs: Any) -> Any:
        return (args[0] + 1, *args[1:]), {"scale": 10 * kwargs["scale"]}

    def after(module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        seen.append((args, kwargs, output))
        return output[0]

    module.register_forward_pre_hook(before, with_kwargs=True)
    module.register_forward_hook(after, with_kwargs=True)
    assert module(2, 4, scale=0.5) == 60
    assert seen == [((3, 4), {"scale": 5.0}, (60.0, 7))]
    module.register_forward_pre_hook(lambda module, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"returns None or \(args, kwargs\)"):
        module(2, scale=1)


def test_hooks_that_are_always_called() -> None:
    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    module, seen = Broken(), []
    module.register_forward_hook(lambda module, args, output: seen.append("plain"))
    module.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    with pytest.raises(ValueError, match="^no"):
        module(1)
    assert seen == [None]
    module.register_forward_hook(lambda *given: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="ZeroDivisionError"), pytest.raises(ValueError, match="^no"):
        module(1)
    after, calls = nn.Identity(), []
    after.register_forward_hook(lambda *given: calls.append(1), always_call=True)
    after.register_forward_hook(lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        after(1)
    assert calls == [1]  # and not once more


def test_full_backward_hooks_by_hand() -> None:
    """y = (s a b, a + b): with cotangents g, h the inputs get g s b + h and g s a + h."""
    module, seen = Several(), []
    module.register_full_backward_hook(lambda module, gin, gout: seen.append((gin, gout)))
    a, b = leaf(2.0), leaf(3.0)
    product, total = module(a, b, scale=5.0)
    (product * 7 + total * 11).sum().backward()
    ((ga, gb), (g, h)) = seen[0]
    assert [float(x.item()) for x in (ga, gb, g, h)] == [7 * 5 * 3 + 11, 7 * 5 * 2 + 11, 7, 11]
    assert a.grad.item() == 116 and b.grad.item() == 81 and len(seen) == 1


def test_what_has_no_gradient_is_none() -> None:
    module, seen = Several(), []
    handle = module.register_full_backward_hook(lambda module, gin, gout: seen.append((gin, gout)))
    product, _ = module(leaf(2.0), Tensor([3.0]))
    product.sum().backward()
    (gin, gout) = seen.pop()
    assert gin[0].item() == 3 and gin[1] is None and gout[0].item() == 1
    assert gout[1].item() == 0  # it was not used
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append((gin, gout)))
    layer(np.ones((3, 2), np.float32)).sum().backward()
    assert seen[0][0] == (None,) and seen[0][1][0].shape == (3, 1) and layer.weight.grad is not None
    handle.remove()
    with no_grad():
        module(leaf(2.0), 1.0)
    assert len(seen) == 1


def test_backward_hooks_may_replace() -> None:
    layer = nn.Identity()
    layer.register_full_backward_hook(lambda module, gin, gout: (gin[0] + gout[0],))
    layer.register_full_backward_hook(lambda module, gin, gout: gin[0] * 10)
    layer.register_full_backward_pre_hook(lambda module, gout: gout[0] * 3)
    x = leaf(1.0, 2.0)
    layer(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [60, 60])
    stop = nn.Identity()
    stop.register_full_backward_hook(lambda module, gin, gout: (None,))
    y = leaf(1.0)
    (stop(y) * 2 + y).sum().backward()
    assert y.grad.item() == 1


def test_backward_hooks_that_return_the_wrong_thing() -> None:
    for register, what in (
        ("register_full_backward_hook", "hook returned 2 gradients for 1 of grad_input"),
        ("register_full_backward_pre_hook", "pre-hook returned 2 gradients for 1 of grad_output"),
    ):
        layer = nn.Identity()
        getattr(layer, register)(lambda module, *gradients: (gradients[0][0], gradients[0][0]))
        with pytest.raises(RuntimeError, match=what):
            layer(leaf(1.0)).sum().backward()
    layer = nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda module, gin, gout: gout)
    with pytest.raises(RuntimeError, match="arguments that have none"):
        layer(np.ones((1, 1), np.float32)).sum().backward()
    named = nn.Identity()
    named.register_full_backward_hook(lambda module, gin, gout: None)
    with pytest.warns(UserWarning, match="Identity: backward hooks see Tensors and tuples"):
        named({"x": leaf(1.0)})
    with pytest.raises(TypeError, match="a hook is a function, not a str"):
        nn.Identity().register_forward_hook("print")  # type: ignore[arg-type]


def test_backward_hooks_in_second_order_and_inside_transforms() -> None:
    layer = nn.Identity()
    layer.register_full_backward_hook(lambda module, gin, gout: (gin[0] * gin[0],))
    x = leaf(3.0)
    (g,) = pb.grads([layer(x) ** 2], [x], [np.ones(1)], create_graph=True)
    assert g.item() == 36  # 2 x, squared by the hook
    twice = nn.Sequential(layer, nn.Tanh())
    y = leaf(0.3)
    (g,) = pb.grads([twice(y)], [y], [np.ones(1)], create_graph=True)
    (h,) = pb.grads([g], [y], [np.ones(1)])
    slope = 1 - np.tanh(0.3) ** 2  # squared by the hook, and so is the derivative of that, which goes the same way
    np.testing.assert_allclose(g.item(), slope**2)
    np.testing.assert_allclose(h.item(), (2 * slope * (-2 * np.tanh(0.3) * slope)) ** 2)
    found = vmap(pb.grad(lambda v: twice(v).sum()))(np.array([[0.3], [0.5]]))
    np.testing.assert_allclose(found, (1 - np.tanh([[0.3], [0.5]]) ** 2) ** 2)
    out, tangent = jvp(twice, (np.array([0.3]),), (np.array([1.0]),))  # forward mode has no cotangents
    np.testing.assert_allclose(tangent, [slope])


def test_hooks_by_pytorchs_names_of_their_dicts() -> None:
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda module, args, output: output + 1)
    layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    assert len(layer._forward_hooks) == 1 and len(layer._backward_hooks) == 0 and layer(1) == 3
    layer._forward_hooks.clear()
    assert layer(1) == 2
    handle.remove()
    layer._forward_pre_hooks = OrderedDict()
    assert layer(1) == 1 and not layer._hooks


def double(module: Any, args: Any, output: Any) -> Any:
    return 2 * output


def test_hooks_go_into_copies_and_pickles() -> None:
    layer = nn.Sequential(nn.Identity())
    layer[0].register_forward_hook(double)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other(3) == 6
        handle = other[0].register_forward_hook(double)
        assert other(3) == 12 and layer(3) == 6
        handle.remove()
        assert other(3) == 6


def test_keys_of_a_pickle_are_not_used_again() -> None:
    layer = nn.Identity()
    key = next(iter(layer.register_forward_hook(double)._hooks))
    made = pickle.loads(pickle.dumps(layer))
    made._hooks = {key + 1: made._hooks[key]}  # as from another process
    made.register_forward_hook(double)
    assert made(3) == 12


def test_hooks_of_all_modules() -> None:
    seen: list[Any] = []
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(1))
    for layer in net:
        layer.register_forward_pre_hook(lambda module, args: seen.append("own"))
    handles = [
        register_module_forward_pre_hook(lambda module, args: seen.append(type(module).__name__)),
        register_module_forward_hook(lambda module, args, output: seen.append("done")),
        register_module_full_backward_pre_hook(lambda module, gout: seen.append("back")),
        register_module_full_backward_hook(lambda module, gin, gout: seen.append("gone")),
        register_module_backward_hook(lambda module, gin, gout: seen.append("gone")),
    ]
    try:
        y = net(Tensor(np.ones((1, 1, 2, 2), np.float32), requires_grad=True))
        names = ["Conv2d", "ReLU", "MaxPool2d"]
        assert seen == ["Sequential", *(word for name in names for word in (name, "own", "done")), "done"]
        seen.clear()
        y.sum().backward()
        assert seen.count("back") == 4 and seen.count("gone") == 8
    finally:
        for handle in handles:
            handle.remove()
    assert not EVERYWHERE
    seen.clear()
    net(np.ones((1, 1, 2, 2), np.float32))
    assert seen == ["own"] * 3


def test_a_sequential_shows_each_module_to_hooks_of_all() -> None:
    net, seen = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(1)), []
    handle = register_module_forward_hook(lambda module, args, output: seen.append(module))
    try:
        net(np.ones((1, 1, 2, 2), np.float32))
    finally:
        handle.remove()
    assert seen == [*net, net]


@pytest.mark.parametrize("where", range(3))
@pytest.mark.parametrize(
    "register", ["register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
                 "register_full_backward_pre_hook", "register_backward_hook"]
)  # fmt: skip
def test_a_sequential_shows_each_module_to_every_kind_of_hook(register: str, where: int) -> None:
    net, seen = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)), []
    getattr(net[where], register)(lambda module, *given: seen.append(module))
    net(Tensor(np.ones((1, 1, 6, 6), np.float32), requires_grad=True)).sum().backward()
    assert seen == [net[where]]


def test_backward_hooks_in_every_pass() -> None:
    layer, seen = nn.Tanh(), []
    layer.register_full_backward_hook(lambda module, gin, gout: seen.append((gin[0].item(), gout[0].item())))
    slope = 1 - np.tanh(0.5) ** 2
    x = leaf(0.5)
    y = layer(x)
    y *= 3  # in place, behind the module
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    pb.checkpoint(layer)(x).sum().backward()
    z = layer(x)
    (z + z).sum().backward()
    np.testing.assert_allclose(seen, [(3 * slope, 3), (3 * slope, 3), (slope, 1), (2 * slope, 2)])
    np.testing.assert_allclose(x.grad.numpy(), 9 * slope)


def test_a_backward_pass_from_inside_is_none_through_the_module() -> None:
    class Inside(nn.Module):
        def forward(self, x: Any) -> Any:
            self.inside = 2 * x
            return 3 * self.inside

    module, seen, x = Inside(), [], leaf(1.0)
    module.register_full_backward_hook(lambda module, gin, gout: seen.append(gout[0].item()))
    module(x).sum().backward(retain_graph=True)
    module.inside.sum().backward()
    assert seen == [1] and x.grad.item() == 8


def test_a_hook_for_a_while() -> None:
    layer = nn.Identity()
    with layer.register_forward_hook(double):
        assert layer(1) == 2
    assert layer(1) == 1


def test_no_warning_where_nobody_looks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Identity()({"x": leaf(1.0)})
