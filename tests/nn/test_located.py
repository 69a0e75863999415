"""An error inside a model says where in it: the path of the module stands before the message, once."""

import copy
import pickle

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, optim

X = np.ones((2, 5), np.float32)
LINEAR = "Linear expected 6 features, got an input of shape (2, 5)"


def said(model, *args, kind=ValueError):
    with pytest.raises(kind) as caught:
        model(*args)
    assert type(caught.value) is kind
    return str(caught.value)


class Raises(nn.Module):
    """Raises what it was made with, as is or by another module."""

    def __init__(self, error, part=None):
        super().__init__()
        self.error = error
        self.part = part

    def forward(self, x):
        if self.part is not None:
            return self.part(x)
        raise self.error


class Blocks(nn.Module):
    """Calls modules that a ModuleList and a ModuleDict hold, which are not called themselves."""

    def __init__(self, key):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Identity(), nn.Linear(6, 1)])
        self.heads = nn.ModuleDict({"left": nn.Linear(6, 1)})
        self.key = key

    def forward(self, x):
        return self.heads[self.key](x) if isinstance(self.key, str) else self.blocks[self.key](x)


def test_the_module_itself_is_not_named():
    assert said(nn.Linear(6, 1), X) == LINEAR


def test_nested_containers():
    inner = nn.Sequential(nn.ReLU(), nn.Linear(6, 2))
    assert said(nn.Sequential(nn.Identity(), nn.Sequential(nn.ReLU(), nn.ReLU(), inner)), X) == f"1.2.1: {LINEAR}"


@pytest.mark.parametrize("key, path", [(1, "blocks.1"), ("left", "heads.left")])
def test_containers_that_are_not_called(key, path):
    assert said(Blocks(key), X) == f"{path}: {LINEAR}"
    assert said(nn.Sequential(nn.Identity(), Blocks(key)), X) == f"1.{path}: {LINEAR}"


def test_the_look_ahead_names_the_convolution():
    model = nn.Sequential(nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 3), nn.ReLU()))
    assert said(model, np.ones((1, 2, 5, 5))) == "0.1: Conv2d expected 3 channels, got an input of shape (1, 2, 5, 5)"
    assert said(model, np.ones((1, 3, 2, 5))).startswith("0.1: conv2d: windows of (3, 3)")


def test_a_module_used_twice_has_its_first_name():
    shared = nn.Sequential(nn.Linear(6, 5))
    assert said(nn.Sequential(shared, shared), X) == f"0.0: {LINEAR}"


def test_a_module_that_calls_itself():
    class Again(nn.Module):
        def forward(self, x, times=3):
            if times:
                return self(x, times - 1)
            raise ValueError("enough")

    assert said(nn.Sequential(Again()), X) == "0: enough"


@pytest.mark.parametrize("kind", [ValueError, TypeError, RuntimeError, FloatingPointError, np.linalg.LinAlgError])
def test_the_type_is_kept(kind):
    assert said(nn.Sequential(Raises(kind("bad"))), X, kind=kind) == "0: bad"


class Coded(ValueError):
    """Has arguments that are data, and a message of its own."""

    def __str__(self):
        return f"code {self.args[0]}"


@pytest.mark.parametrize(
    "error, text, args",
    [
        (ValueError(3), "3", (3,)),
        (ValueError("a", "b"), "('a', 'b')", ("a", "b")),
        (ValueError(), "", ()),
        (KeyError("name"), "'name'", ("name",)),
        (OSError(2, "no such file"), "[Errno 2] no such file", (2, "no such file")),
        (Coded("x"), "code x", ("x",)),
    ],
)
def test_other_arguments_are_left_and_a_note_says_it(error, text, args):
    with pytest.raises(type(error)) as caught:
        nn.Sequential(nn.Identity(), Raises(None, nn.Sequential(Raises(error))))(X)
    assert (str(caught.value), caught.value.args) == (text, args)
    assert caught.value.__notes__ == ["in 1.part.0: Raises of this Sequential"]


def test_an_error_that_is_raised_again_and_again_does_not_grow():
    error = ValueError("bad")
    model, other = nn.Sequential(Raises(error)), nn.Sequential(nn.Identity(), Raises(error))
    for _ in range(2):
        assert said(model, X) == "0: bad"
        assert said(other, X) == "1: bad"
    assert said(Raises(error), X) == "bad"


def test_a_message_that_is_changed_on_the_way():
    class Adds(Raises):
        def forward(self, x):
            try:
                return self.part(x)
            except ValueError as error:
                error.args = (f"more about {error}",)
                raise

    model = nn.Sequential(Adds(None, nn.Sequential(Raises(ValueError("bad")))))
    assert said(model, X) == "0.part.0: more about bad"


def test_a_new_error_from_an_old_one():
    class Translates(Raises):
        def forward(self, x):
            try:
                return self.part(x)
            except ValueError as error:
                raise TypeError("other") from error

    model = nn.Sequential(Translates(None, Raises(ValueError("bad"))))
    with pytest.raises(TypeError, match="^0: other$") as caught:
        model(X)
    assert str(caught.value.__cause__) == "bad"


def test_hooks_and_functional_code_inside():
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    model[1].register_forward_hook(lambda module, args, out: np.ones((2, 3)) @ out)
    with pytest.raises(ValueError, match="^1: matmul"):
        model(Tensor(np.ones((4, 2))))


def test_the_trainer():
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(6, 2))
    trainer = optim.Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
    for run in (lambda data: trainer.fit(data, 1, progress=False), trainer.evaluate, lambda d: trainer.predict(d[0])):
        with pytest.raises(ValueError, match=r"^1: Linear expected 6 features"):
            run((X, np.array([0, 1])))


def test_pickles_and_copies_of_errors_hold_no_model():
    model = nn.Sequential(Raises(ValueError("bad")))
    model.hook = lambda: None  # which no pickle takes
    with pytest.raises(ValueError) as caught:
        model(X)
    for twin in (pickle.loads(pickle.dumps(caught.value)), copy.deepcopy(caught.value)):
        assert type(twin) is ValueError and str(twin) == "0: bad"


def test_many_threads_raise_errors_of_their_own():
    from concurrent.futures import ThreadPoolExecutor

    model = nn.Sequential(nn.Sequential(nn.Linear(6, 1)))
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: said(model, X), range(40))) == {f"0.0: {LINEAR}"}


WRONG = [
    lambda: nn.functional.linear(X, np.ones((2, 4))),
    lambda: nn.functional.linear(X, np.ones((2, 4)), np.ones(2)),
    lambda: nn.functional.linear(np.float32(1), np.ones((2, 4))),
    lambda: nn.Sequential(nn.Linear(4, 2, bias=False))(X),
    lambda: nn.Sequential(nn.Linear(4, 2))(np.float32(1)),
    lambda: nn.Sequential(nn.Linear(5, 2))(np.full((1, 5), np.nan)),
    lambda: nn.Sequential(nn.Linear(5, 2, bias=False))(np.full((1, 5), np.nan)),
    lambda: nn.CrossEntropyLoss()(Tensor(np.full((1, 5), np.nan)), np.array([0])),
    lambda: nn.CrossEntropyLoss()(Tensor(X), np.array([0.0, 1.0])),
    lambda: nn.CrossEntropyLoss()(Tensor(X), np.array([7, 1])),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_names_of_inner_operations_do_not_show(number):
    with np.errstate(all="ignore"), pb.detect_anomaly(), pytest.raises((ValueError, TypeError, ArithmeticError)) as got:
        WRONG[number]()
    assert "affine" not in str(got.value) and "class_cross_entropy" not in str(got.value)
    if number < 3:
        assert str(got.value).startswith("linear: x of shape ")
    if number in (5, 7):
        assert ("linear(", "cross_entropy(")[number == 7] in str(got.value)


@pytest.mark.parametrize("loss", [nn.functional.cross_entropy, nn.functional.nll_loss])
def test_integer_scores_count_as_floats(loss):
    scores, weights = np.array([[2, 0, 1], [0, 3, 1]]), [0.5, 0.25, 1.0]
    target, chosen = np.array([0, 1]), scores[[0, 1], [0, 1]].astype(float)
    if loss is nn.functional.cross_entropy:
        chosen = chosen - np.log(np.exp(scores).sum(1))
    np.testing.assert_allclose(loss(scores, target).item(), -chosen.mean(), rtol=1e-14)
    np.testing.assert_allclose(loss(Tensor(scores), target, weights).item(), -(chosen @ [0.5, 0.25]) / 0.75, rtol=1e-14)
