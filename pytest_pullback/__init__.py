"""A plugin for pytest: the fixture and marker `gradcheck`, and the option `--gradients` for quick or thorough checks.

It is a package of its own so that pytest, which imports it at every start, need not import Pullback and NumPy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

EXAMPLES = {"quick": 15, "thorough": 500}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("pullback").addoption(
        "--gradients",
        choices=list(EXAMPLES),
        default=os.environ.get("PULLBACK_GRADIENTS"),
        help="how many examples property tests draw: quick 15, always the same; thorough 500 (or PULLBACK_GRADIENTS)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "gradcheck(**options): options of pullback.testing.gradcheck for the fixture gradcheck in this test"
    )
    chosen = config.getoption("--gradients")
    if chosen is not None:
        from hypothesis import settings

        for name, count in EXAMPLES.items():
            settings.register_profile(name, deadline=None, max_examples=count, derandomize=name == "quick")
        settings.load_profile(chosen)


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`pullback.testing.gradcheck`, with the options of the marker `gradcheck` on the test, its class or its module."""
    from pullback.testing import gradcheck

    options: dict[str, Any] = {}
    for marker in request.node.iter_markers("gradcheck"):
        options = {**marker.kwargs, **options}
    return partial(gradcheck, **options)
