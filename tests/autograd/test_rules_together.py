"""Rules that share work: the gradients of all arguments at once are those of each by itself.

Attention, normalization, recurrent layers and others compute in one pass what several rules give. That is not to be
seen, whoever looks on: under observers, under an override of one of the rules, behind hooks, when a graph is used
twice, and in a recorded pass; with each large-size path in use.
"""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import pullback as pb
from pullback import Tensor, override, registry
from pullback.testing import strategies
from pullback.tests.helpers.sizes import CODE, sizes

SHARED = sorted(
    name
    for name, made in registry.items()
    if len(made.rules) > 1 and len(made.rules) == len({rule.position for rule in made.rules.values()})
)
ONCE = settings(max_examples=4, phases=[Phase.generate], derandomize=True, suppress_health_check=list(HealthCheck))


def gradients(made, arrays, options, wanted, weight, create_graph=False, twice=False, hooked=False):
    """Those of a weighted sum of the results, by the arguments that are wanted."""
    given = [Tensor(x, requires_grad=True) if i in wanted else x for i, x in enumerate(arrays)]
    out = made.apply(*given, **options)
    outs = [y for y in (out if isinstance(out, tuple) else (out,)) if isinstance(y, Tensor) and y.requires_grad]
    if hooked:
        for y in outs:
            y.register_hook(lambda g: g * 1)
    inputs = [given[i] for i in wanted]
    cotangents = [np.asarray(weight(y.shape), y.dtype) for y in outs]
    if twice:
        pb.grads(outs, inputs, [2 * g for g in cotangents], retain_graph=True)
    return [g.detach().numpy() for g in pb.grads(outs, inputs, cotangents, create_graph=create_graph)]


@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("name", SHARED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_all_at_once_and_each_by_itself(name, code):
    made = registry[name]

    @ONCE
    @given(strategies.arguments(made))
    def check(drawn):
        arrays, options = drawn
        wanted = [i for i, x in enumerate(arrays) if i in made.rules and getattr(x, "dtype", None) == np.float64]
        weight = lambda shape: np.random.default_rng(3).uniform(0.5, 1, shape)  # noqa: E731
        alone = [gradients(made, arrays, options, [i], weight)[0] for i in wanted]

        def same(label, **how):
            for i, one, each in zip(
                wanted, alone, gradients(made, arrays, options, wanted, weight, **how), strict=True
            ):
                scale = max(1.0, float(np.abs(one).max(initial=0)))
                np.testing.assert_allclose(each, one, rtol=1e-9, atol=1e-11 * scale, err_msg=f"{label}, argument {i}")

        if not wanted:
            return
        same("plain")
        same("create_graph", create_graph=True)
        same("twice", twice=True)
        same("hooks", hooked=True)
        with pb.profile():
            same("an observer")
        for i in wanted:
            rule = made.rules[i]
            known = i < len(made.arrays)
            with override(made, made.arrays[i], rule.given[0]) if known else nullcontext():
                same(f"an override of the rule of argument {i}")

    with sizes(code, large=True):
        check()
