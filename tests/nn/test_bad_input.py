"""Inputs of wrong shapes, for every module that tests/parity has cases of: what the error says, inside a model."""

import inspect
import re
import warnings

import numpy as np
import pytest

from pullback import Tensor, nn, registry
from pullback.tests.helpers.case_calls import Called, by_name
from pullback.tests.helpers.public_names import PUBLIC

MODULES = {
    name: cases for name, cases in by_name().items() if name[:1].isupper() and "." not in name and hasattr(nn, name)
}
WIDTHS = {
    "d_model", "embed_dim", "in1_features", "in_channels", "in_features", "input_size", "normalized_shape",
    "num_channels", "num_features",
}  # fmt: skip
INNER = {name for name in registry if name not in PUBLIC}


class Model(nn.Module):
    """A module with others beside it, two levels down."""

    def __init__(self, part):
        super().__init__()
        self.body = nn.Sequential(nn.Identity(), part)

    def forward(self, *args, **kwargs):
        return self.body[1](*args, **kwargs)


def wrong_inputs(called):
    """The float inputs with one axis longer, one more, and one fewer."""
    for i, x in enumerate(called.floats):
        for axis in range(x.ndim):
            more = [(0, 1) if k == axis else (0, 0) for k in range(x.ndim)]
            yield i, "width", np.pad(x, more)
        yield i, "more axes", np.broadcast_to(x, (2, 1, 2, *x.shape))
        yield i, "no axes", np.ones(())


def check_message(error, model, x):
    text = str(error)
    found = re.match(r"(body\.1(?:\.\w+)*): (\w+)", text)
    assert found, text
    assert found[2] == type(model.get_submodule(found[1])).__name__, text
    assert not INNER & set(re.findall(r"\w+", text)), text
    assert str(x.shape) in text, f"{text}, of {x.shape}"
