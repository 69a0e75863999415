"""What users write by mistake: each error says what is wrong and what to write."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.testing import check_primitive


@pytest.mark.parametrize("wrong", [3, np.float32, None, (2, 3)])
def test_a_shape_or_a_dtype_for_requires_grad(wrong):
    with pytest.raises(TypeError, match=r"requires_grad is True or False.*write Tensor\(\[\.\.\.\]\)"):
        Tensor(2, wrong)


def test_a_model_is_no_state():
    model = nn.Linear(1, 1)
    with pytest.raises(TypeError, match=r"load_state_dict of Linear: .* not a Linear; write other.state_dict\(\)"):
        model.load_state_dict(nn.Linear(1, 1))
    with pytest.raises(TypeError, match=r"not a str; nn.load\(path\)"):
        model.load_state_dict("weights.safetensors")


def test_the_gradient_of_a_vector_function():
    def double(x):
        return x * 2

    with pytest.raises(RuntimeError, match=r"double: a gradient is of one number.*shape \(2,\); .*jacobian\(f\)"):
        pb.grad(double)([1.0, 2.0])


CALLS = {
    **{name: lambda t, name=name: getattr(pb, name)(t) for name in ("grad", "value_and_grad", "jacobian", "hessian")},
    **{name: lambda t, name=name: getattr(pb, name)(t) for name in ("vmap", "on_arrays")},
    "vjp": lambda t: pb.vjp(t, 1.0),
    "jvp": lambda t: pb.jvp(t, (1.0,), (1.0,)),
    "hvp": lambda t: pb.hvp(t, 1.0, 1.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_tensor_is_no_function(name):
    with pytest.raises(TypeError, match=rf"{name}: expected a function, not a Tensor: .*grads\(t, x\)"):
        CALLS[name](Tensor(2.0))


def test_the_format_of_a_number_for_a_vector():
    with pytest.raises(TypeError, match=r"'.2f' is for one number, not for a Tensor of shape \(2,\)"):
        f"{Tensor([1.0, 2.0]):.2f}"
    assert f"{Tensor(1.234):.2f}" == "1.23" and f"{Tensor([1.0]):>14}" == "  Tensor([1.])"


def test_arrays_for_a_primitive():
    assert check_primitive(pb.sin, np.array([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"multiply takes 2 arrays \(a, b\), got 1 .*\(p, \(a, b,?\)\)"):
        check_primitive(pb.multiply, np.ones(3))
    with pytest.raises(TypeError, match="expected a primitive, not a function"):
        check_primitive(lambda x: x, np.ones(3))


@pytest.mark.parametrize("name", ["modules", "train", "forward", "parameters", "float"])
def test_attributes_that_would_hide_a_method(name):
    with pytest.raises(TypeError, match=f"Module.{name}: a Linear of this name would hide the method `{name}`"):
        setattr(nn.Module(), name, nn.Linear(1, 1))


class Net(nn.Module):
    def __init__(self, hooked=False):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.ReLU(), nn.Linear(6, 2)))
        self.images = nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 3), nn.ReLU())
        if hooked:
            self.body.register_forward_hook(lambda module, args, out: None)

    def forward(self, x):
        return self.images(x) if np.ndim(x) == 4 else self.body(x)


@pytest.mark.parametrize("hooked", [False, True])
def test_errors_name_the_place_in_the_model(hooked):
    with pytest.raises(ValueError, match=r"(?m)^Linear expected 6 features, got an input of shape \(2, 4\)$") as caught:
        Net(hooked)(np.ones((2, 4)))
    assert caught.value.__notes__ == ["in body.2.1: Linear of this Net"]
    with pytest.raises(ValueError, match="3 channels, not 2") as caught:
        Net(hooked)(np.ones((1, 2, 5, 5)))
    assert caught.value.__notes__ == ["in images.1: Conv2d of this Net"]
