"""Inputs of wrong shapes, for every module that tests/parity has cases of: what the error says, inside a model."""

import inspect
import re

import numpy as np
import pytest

from pullback import nn, registry
from pullback.tests.helpers.case_calls import Called, by_name

pytestmark = pytest.mark.filterwarnings("ignore")

MODULES = {name: cases for name, cases in by_name().items() if name[:1].isupper() and hasattr(nn, name)}
WIDTHS = {
    "d_model", "embed_dim", "encoder_layer", "decoder_layer", "in1_features", "in_channels", "in_features",
    "input_size", "normalized_shape", "num_channels", "num_features",
}  # fmt: skip
ANY_WIDTH = {"InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"}  # without affine they only warn
INNER = set(registry) - {*nn.__all__, *nn.functional.__all__}
NUMPY = r"operands|core dimension|cannot reshape|not aligned|out of bounds|unpack|object has no"


class Model(nn.Module):
    """The module of a case, two levels down."""

    def __init__(self, called):
        super().__init__()
        self.body = nn.Sequential(nn.Identity(), called.run)

    def forward(self, *args, **options):
        return self.body[1](*args, **options) if len(args) > 1 or options else self.body(*args)


def errors(case, inputs):
    """The model of a case and the error that it raises for other inputs, if it does."""
    called = Called(case)
    model = called.__dict__["run"] = Model(called)
    try:
        called(*inputs)
    except (ValueError, IndexError, TypeError) as error:
        return model, error
    return model, None


def check_message(model, error, shapes, named):
    if isinstance(error, np.exceptions.AxisError) and not named:  # its text is NumPy's
        assert any("body.1" in note for note in error.__notes__)
        return
    text = str(error).removeprefix("run.")  # of the Called around it
    found = re.match(r"(body\.1(?:\.\w+)*): (\w+)", text)
    assert found, text
    functions = () if named else nn.functional.__all__
    assert found[2] in {type(model.get_submodule(found[1])).__name__, *functions}, text
    shown = re.findall(r"(\w+)(:?)", text)
    assert not [name for name, colon in shown if name in INNER and (colon or "_" in name)], text
    assert not re.search(NUMPY, text), text
    given = [str(shape) for shape in shapes] if found[1] == "body.1" and named else ["(", " of "]
    assert any(shape in text for shape in given), f"{text}, of {shapes}"
    assert "expected" in text or not named, text


def longer(x, axis):
    return np.concatenate([x, np.take(x, [-1], axis)], axis) if x.shape[axis] else x


@pytest.mark.parametrize("name", MODULES)
def test_wrong_shapes(name):
    """Each axis of each input longer by one; two axes more; none."""
    case = MODULES[name][0]
    floats = Called(case).floats
    named = WIDTHS & set(inspect.signature(getattr(nn, name)).parameters)
    for i, x in enumerate(floats):
        widths = [longer(x, axis) for axis in range(x.ndim)]
        raised = []
        for wrong in (
            *widths,
            np.broadcast_to(x, (2, 1, *x.shape)),
            np.broadcast_to(x, (2, 1, 2, *x.shape)),
            np.ones(()),
        ):
            inputs = [*floats[:i], wrong, *floats[i + 1 :]]
            model, error = errors(case, inputs)
            raised.append(error is not None)
            if error is not None:
                check_message(model, error, [v.shape for v in inputs], named)
        if named:
            assert any(raised[: x.ndim]) or name in ANY_WIDTH, f"input {i} of {case} may be of any width"
            assert raised[-1], f"input {i} of {case} may have no axes"
