"""What is spelled as in PyTorch, beside PyTorch: values, dtypes of positions, and gradients."""

import numpy as np
import pytest

import pullback as pb
from pullback.autograd.numpy_api.spellings import IN_PLACE, METHODS, TABLE
from pullback.tests.helpers.torch_calls import CASES

FLAT = [(name, i) for name, cases in CASES.items() for i in range(len(cases))]


def results(out):
    return list(out) if isinstance(out, (tuple, list)) else [out]


def loss(out):
    """A number, to which each entry counts something else; of what is finite."""
    total = 0.0
    for part in results(out):
        if part.requires_grad:
            row = part.reshape(-1)
            finite = row[np.isfinite(row.detach().numpy())]
            total = total + (finite * finite.detach().cos() + 0.3 * finite).sum()
    return total


def run(namespace, f, arrays):
    make = namespace.tensor
    leaves = [make(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    out = f(namespace, *leaves)
    total = loss(out)
    if hasattr(total, "backward"):
        total.backward()
    return results(out), [x.grad for x in leaves]


@pytest.mark.parametrize(("name", "i"), FLAT)
@pytest.mark.filterwarnings("ignore")
def test_values_and_gradients(torch, name, i):
    f, *arrays = CASES[name][i]
    ours, gradients = run(pb, f, arrays)
    theirs, expected = run(torch, f, arrays)
    assert len(ours) == len(theirs)
    for a, e in zip(ours, theirs, strict=True):
        assert a.shape == tuple(e.shape)
        assert str(a.dtype) == str(e.dtype).removeprefix("torch.") or e.dtype == torch.float32
        np.testing.assert_allclose(a.numpy(), e.detach().numpy(), rtol=1e-6 if e.dtype == torch.float32 else 1e-12)
    for g, e in zip(gradients, expected, strict=True):
        zeros = lambda x: 0.0 if x is None else x.numpy()  # noqa: E731
        np.testing.assert_allclose(zeros(g), zeros(e), rtol=1e-8, atol=1e-12)


def test_every_name_is_torchs(torch):
    assert [name for name in (*METHODS, *IN_PLACE) if not hasattr(torch.Tensor, name)] == []
    for rows in TABLE.values():
        for name, row in rows.items():
            for place, room in (("x", torch.Tensor), ("pb", torch)):
                assert place not in row.where.split() or hasattr(room, name), (place, name)
