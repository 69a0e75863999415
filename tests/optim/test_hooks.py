import numpy as np
import pytest

from pullback import Tensor, optim
from pullback.optim import SGD, register_optimizer_step_post_hook, register_optimizer_step_pre_hook


def made(kind=SGD, **options):
    p = Tensor([1.0], requires_grad=True)
    p.grad = [1.0]
    return p, kind([p], lr=0.5, **options)


def test_hooks_around_a_step_in_order():
    p, optimizer = made()
    seen = []

    def noting(word):
        return lambda given, args, kwargs: seen.append((word, given is optimizer, args == (optimizer,), p.item()))

    handles = [
        optimizer.register_step_pre_hook(noting("before")),
        register_optimizer_step_pre_hook(noting("before all")),
        register_optimizer_step_post_hook(noting("after all")),
        optimizer.register_step_post_hook(noting("after")),
    ]
    optimizer.step()
    words = [("before all", 1.0), ("before", 1.0), ("after", 0.5), ("after all", 0.5)]
    assert seen == [(word, True, True, value) for word, value in words]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4 and p.item() == 0.0


def test_a_hook_may_replace_the_arguments():
    _, optimizer = made()
    optimizer.register_step_pre_hook(lambda given, args, kwargs: (args, {"closure": lambda: 7.0}))
    assert optimizer.step() == 7.0
    optimizer.register_step_pre_hook(lambda given, args, kwargs: 5)
    with pytest.raises(TypeError, match="SGD: a step hook returns None or .args, kwargs., not 5"):
        optimizer.step()


def test_a_step_that_calls_its_base_s_has_hooks_once():
    class Twice(SGD):
        def step(self, closure=None):
            super().step()
            return super().step(closure)

    p, optimizer = made(Twice)
    seen = []
    optimizer.register_step_post_hook(lambda *given: seen.append(p.item()))
    optimizer.step()
    assert seen == [0.0]


def test_hooks_of_lbfgs():
    p = Tensor([2.0], requires_grad=True)
    optimizer, seen = optim.LBFGS([p], lr=0.5, max_iter=1), []
    optimizer.register_step_post_hook(lambda *given: seen.append(p.item()))

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)  # the first step has length 1 at most: min(1, 1 / 2) * 0.5 of the gradient 2
    assert seen == [1.5]


def test_hooks_of_state_dicts():
    p, optimizer = made(momentum=0.5)
    order = []
    optimizer.register_state_dict_pre_hook(lambda given: order.append("second"))
    optimizer.register_state_dict_pre_hook(lambda given: order.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda given, state: state.update(note=1))
    optimizer.register_state_dict_post_hook(lambda given, state: {**state, "more": state["note"] + 1})
    optimizer.step()
    state = optimizer.state_dict()
    assert order == ["first", "second"] and (state["note"], state["more"]) == (1, 2)

    _, other = made(momentum=0.5)

    def doubled(given, state):
        return {**state, "state": {0: {"momentum_buffer": np.array([8.0])}}}

    other.register_load_state_dict_pre_hook(doubled)
    other.register_load_state_dict_post_hook(lambda given: order.append(given))
    other.load_state_dict(state)
    (q,) = other.param_groups[0]["params"]
    assert other.state[q]["momentum_buffer"].tolist() == [8.0] and order[-1] is other
    assert set(state["state"][0]["momentum_buffer"].tolist()) == {1.0}


def test_what_is_no_hook():
    _, optimizer = made()
    with pytest.raises(TypeError, match="a hook is a function, not a int"):
        optimizer.register_step_pre_hook(3)
