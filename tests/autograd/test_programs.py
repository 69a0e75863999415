"""Random programs of creations, views, writes in place, detachment and backward passes, beside a slow oracle.

The oracle replays a program as pure NumPy functions of its leaves: an operation in place makes a new value, and a
gradient is taken entry by entry with the complex step. Arrays that the outside shares with Tensors are written into at
any time: that changes Tensors, but never what was computed from them before, nor its gradients.
"""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from pullback import Tensor, asarray, no_grad

SHAPES = [(), (1,), (3,), (2, 3), (2, 1), (3, 2)]
UNARY = {
    "sin": np.sin,
    "square": lambda x: x * x,
    "negative": lambda x: -x,
    "sum": lambda x: np.sum(x),
    "rows": lambda x: np.sum(x, axis=-1) if np.ndim(x) else x * 1,
    "flat": lambda x: np.reshape(x, (-1,)),
    "transposed": lambda x: np.transpose(x),
    "reversed": lambda x: x[::-1] if np.ndim(x) else x * 1,
    "last": lambda x: x[..., -1] if np.ndim(x) else x * 1,
    "twice": lambda x: x[[0, -1, 0]] if np.ndim(x) else x * 1,
}
BINARY = {
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "subtract": lambda x, y: x - y,
    "where": lambda x, y: np.where(np.real(np.ones(np.shape(x))) > 0, x * y, y),
}
PLACES = [..., 0, -1, slice(0, 1), slice(None, None, 2), [0, 0], [True]]


class Value:
    """A step of the program: a pure function of earlier steps, or a leaf, or what was cut off from its past."""

    def __init__(self, function=None, inputs=(), number=None, owner=None):
        self.function, self.inputs, self.number, self.owner = function, inputs, number, owner

    def at(self, moved, step):
        """Its value, with the leaf `moved` displaced by `step`."""
        if self.function is None:
            return self.number + step if self is moved else self.number
        return self.function(*(value.at(moved, step) for value in self.inputs))

    def leaves(self):
        if self.function is None:
            return {self} if self.owner is not None else set()
        return set().union(*(value.leaves() for value in self.inputs))

    def gradient(self, leaf, weights):
        """The gradient of the weighted sum by a leaf, entry by entry."""
        grad = np.zeros(np.shape(leaf.number))
        for place in np.ndindex(grad.shape):
            step = np.zeros(grad.shape, complex)
            step[place] = 1e-30j
            grad[place] = np.sum(np.imag(self.at(leaf, step)) * weights) / 1e-30
        return grad


class Variable:
    """A Tensor under test with the step of the program that it now stands for."""

    def __init__(self, tensor, value):
        self.tensor, self.value, self.expected, self.freed = tensor, value, None, False


class Programs(RuleBasedStateMachine):
    variables = Bundle("variables")

    def __init__(self):
        super().__init__()
        self.everything = []
        self.seen = []  # arrays of the outside, in the memory of Tensors or of its own
        self.rng = np.random.default_rng(0)

    def new(self, tensor, value):
        self.everything.append(Variable(tensor, value))
        return self.everything[-1]

    @initialize(target=variables, shape=st.sampled_from(SHAPES))
    def begin(self, shape):
        return multiple(self.create(shape, True), self.create(shape, True), self.share(shape))

    @rule(target=variables, shape=st.sampled_from(SHAPES), requires_grad=st.booleans())
    def create(self, shape, requires_grad):
        number = self.rng.uniform(-1, 1, shape)
        made = self.new(Tensor(number, requires_grad=requires_grad), Value(number=number))
        made.value.owner = made if requires_grad else None
        return made

    @rule(target=variables, x=variables, name=st.sampled_from(sorted(UNARY)))
    def unary(self, x, name):
        return self.new(UNARY[name](x.tensor), Value(UNARY[name], (x.value,)))

    @rule(target=variables, x=variables, y=variables, name=st.sampled_from(sorted(BINARY)))
    def binary(self, x, y, name):
        try:
            np.broadcast_shapes(x.tensor.shape, y.tensor.shape)
        except ValueError:
            y = x
        return self.new(BINARY[name](x.tensor, y.tensor), Value(BINARY[name], (x.value, y.value)))

    @rule(target=variables, x=variables)
    def detach(self, x):
        return self.new(x.tensor.detach(), Value(number=np.array(x.tensor.data)))

    @rule(target=variables, shape=st.sampled_from(SHAPES))
    def share(self, shape):
        array = self.rng.uniform(-1, 1, shape)
        self.seen.append(array)
        return self.new(asarray(array), Value(number=array.copy()))

    @rule(x=variables, door=st.sampled_from(["data", "numpy", "asarray"]))
    def see(self, x, door):
        """Get hold of a Tensor's memory."""
        tensor = x.tensor.detach() if door == "asarray" and x.tensor.requires_grad else x.tensor
        self.seen.append({"data": lambda t: t.data, "numpy": Tensor.numpy, "asarray": np.asarray}[door](tensor))

    @rule(target=variables, x=variables, name=st.sampled_from(sorted(BINARY)), left=st.booleans())
    def with_an_array(self, x, name, left):
        fitting = [array for array in self.seen if array.shape == x.tensor.shape]
        array = fitting[-1] if fitting else self.rng.uniform(-1, 1, x.tensor.shape)
        self.seen.append(array)
        operands, values = (x.tensor, array), (x.value, Value(number=np.array(array)))
        turn = slice(None, None, 1 if left else -1)
        return self.new(BINARY[name](*operands[turn]), Value(BINARY[name], values[turn]))

    @rule()
    def scribble(self):
        """Write into all arrays that are seen: Tensors may change with them, the gradients of their past must not."""
        before = [np.array(x.tensor._held) for x in self.everything]
        for array in self.seen:
            if array.flags.writeable and np.ndim(array):
                array[...] = self.rng.uniform(-1, 1, array.shape)
        for x, old in zip(self.everything, before, strict=True):
            change = x.tensor._held - old
            if np.any(change):
                assert any(np.shares_memory(x.tensor._held, array) for array in self.seen)
                if x.value.owner is not None:
                    x.value = Value(number=x.value.number + change, owner=x.value.owner)
                else:
                    x.value = Value(lambda a, change=change: a + change, (x.value,))

    def in_place(self, x, change, function, inputs):
        """A change of x in place: an error for leaves, a new value for others."""
        if x.tensor.is_leaf and x.tensor.requires_grad:
            try:
                change()
            except RuntimeError:
                return
            raise AssertionError("a leaf that requires a gradient was changed in place")
        change()
        x.value = Value(function, inputs)

    @rule(x=variables, y=variables, name=st.sampled_from(["add", "multiply"]))
    def augmented(self, x, y, name):
        if x.tensor.shape != np.broadcast_shapes(x.tensor.shape, *[y.tensor.shape] * (y.tensor.ndim == 0)):
            return
        if y.tensor.shape not in ((), x.tensor.shape):
            y = x

        def change():
            target = x.tensor
            if name == "add":
                target += y.tensor
            else:
                target *= y.tensor

        self.in_place(x, change, BINARY[name], (x.value, y.value))

    @rule(x=variables, y=variables, place=st.sampled_from(PLACES))
    def write(self, x, y, place):
        if not x.tensor.ndim or place == [True] and x.tensor.shape[0] != 1:
            return
        room = np.zeros(x.tensor.shape)[place].shape
        if y.tensor.shape not in ((), room):
            return

        def function(a, b):
            out = np.array(a, np.result_type(a, b))
            out[place] = b
            return out

        def change():
            x.tensor[place] = y.tensor

        self.in_place(x, change, function, (x.value, y.value))

    @rule(x=variables, by=st.sampled_from(["no_grad", "data", "whole data"]))
    def update_a_leaf(self, x, by):
        """As an optimizer does: graphs that were recorded go on with the old value."""
        if not (x.tensor.is_leaf and x.tensor.requires_grad):
            return
        if by == "no_grad":
            with no_grad():
                x.tensor *= 0.5
        elif by == "data":
            x.tensor.data = x.tensor.data * 0.5
        else:
            x.tensor.data = np.array(x.tensor.data) * 0.5
        x.value = Value(number=x.value.number * 0.5, owner=x)

    @rule(x=variables)
    def clear(self, x):
        x.tensor.grad = None
        x.expected = None

    @rule(x=variables, create_graph=st.booleans())
    def backward(self, x, create_graph=False):
        if not x.tensor.requires_grad:
            assert not x.value.leaves()
            return
        weights = self.rng.uniform(-1, 1, x.tensor.shape)
        x.tensor.backward(Tensor(weights), retain_graph=True, create_graph=create_graph)
        for leaf in x.value.leaves():
            grad = x.value.gradient(leaf, weights)
            owner = leaf.owner
            owner.expected = grad if owner.expected is None else owner.expected + grad

    def teardown(self):
        """At last, the gradients of everything, after all memory has been written into."""
        for x in self.everything:
            self.see(x, "data")
        self.scribble()
        for x in self.everything:
            self.backward(x)
        self.values_and_gradients_agree()

    @invariant()
    def values_and_gradients_agree(self):
        for x in self.everything:
            expected = x.value.at(None, 0)
            np.testing.assert_allclose(x.tensor._held, expected, rtol=1e-12, atol=1e-12)
            if x.tensor.is_leaf and x.tensor.requires_grad:
                if x.expected is None:
                    assert x.tensor.grad is None or not np.any(x.tensor.grad.data)
                else:
                    np.testing.assert_allclose(x.tensor.grad.data, x.expected, rtol=1e-10, atol=1e-10)


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
