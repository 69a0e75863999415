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


METHODS = [name for name, value in vars(nn.Module).items() if callable(value) and name[:2] != "__"]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", [True, [nn.ReLU()], None, 0.5, nn.Linear(1, 1), nn.Parameter(1.0), lambda: 3])
def test_attributes_that_would_hide_a_method(name, value):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            setattr(self, name, value)

    if name == "forward" and type(value) is type(lambda: 3):
        assert Model()() == 3
        return
    kind = type(value).__name__
    with pytest.raises(TypeError, match=rf"^Model.{name}: a {kind} of this name would hide the method `{name}`"):
        Model()
    if not callable(value):
        with pytest.raises(TypeError, match=rf"^Other.{name}: a {kind} of this name would hide"):
            type("Other", (nn.Module,), {name: value})


@pytest.mark.parametrize(
    "name, instead",
    [
        ("train", r"call train\(\) or eval\(\), or set `training`"),
        ("eval", r"call train\(\) or eval\(\), or set `training`"),
        ("modules", r"self.layers = ModuleList\(\[...\]\)"),
        ("parameters", r"self.weights = ParameterList\(\[...\]\)"),
        ("apply", "give it another name"),
    ],
)
def test_what_to_write_instead(name, instead):
    with pytest.raises(TypeError, match=instead):
        setattr(nn.Linear(1, 1), name, True)


def test_methods_may_be_other_methods():
    class Frozen(nn.Sequential):
        forward = staticmethod(lambda x: x)

        def train(self, mode=True):
            return super().train(False)

    assert Frozen().train().training is False
    model = nn.Sequential(Frozen(), nn.ReLU())
    assert model(2.0) == 2.0
    model[1].forward = lambda x: -x
    assert model(2.0) == -2.0
    del model[1].forward
    assert model(2.0) == 2.0


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
    for x, message in [
        (np.ones((2, 4)), r"^body\.2\.1: Linear expected 6 features, got an input of shape \(2, 4\)$"),
        (np.ones((1, 2, 5, 5)), r"^images\.1: Conv2d expected 3 channels, got an input of shape \(1, 2, 5, 5\)$"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            Net(hooked)(x)
        assert not hasattr(caught.value, "__notes__")
