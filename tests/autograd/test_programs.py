"""Random programs of creations, views, writes in place, detachment and backward passes, beside two oracles.

NumPy itself is the oracle of values: each program runs on arrays, too, whose views are views. That of gradients is
slow: it replays a program as pure functions of its leaves (an operation in place makes a new value of the base of all
views, of which these are taken anew) and takes a gradient entry by entry with the complex step. Arrays that the outside
shares with Tensors are written into at any time: that changes Tensors, but never what was computed from them before,
nor its gradients.
"""

import weakref
from contextlib import nullcontext

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from pullback import Tensor, asarray, no_grad, optim

SHAPES = [(), (1,), (3,), (2, 3), (2, 1), (3, 2), (2, 2, 2)]
UNARY = {
    "sin": np.sin,
    "square": lambda x: x * x,
    "negative": lambda x: -x,
    "sum": lambda x: np.sum(x),
    "rows": lambda x: np.sum(x, axis=-1) if np.ndim(x) else x * 1,
    "twice": lambda x: x[[0, -1, 0]] if np.ndim(x) else x * 1,
    "columns": lambda x: np.reshape(np.transpose(x), (-1,)) * 1,
}
VIEWS = {  # what takes a view, and what the base is with another value in its place
    "whole": (lambda x: x[...], lambda x, v: v),
    "row": (lambda x: x[-1] if np.ndim(x) else x[...], lambda x, v: filled(x, -1 if np.ndim(x) else ..., v)),
    "last": (lambda x: x[..., -1] if np.ndim(x) else x[()], lambda x, v: filled(x, (..., -1), v)),
    "some": (lambda x: x[::2] if np.ndim(x) else x[None], lambda x, v: filled(x, slice(None, None, 2), v)),
    "flat": (lambda x: np.reshape(x, (-1,)), lambda x, v: np.reshape(v, np.shape(x))),
    "transposed": (lambda x: np.transpose(x), lambda x, v: np.transpose(v)),
    "flat transposed": (
        lambda x: np.reshape(np.transpose(x), (-1,)),
        lambda x, v: np.transpose(np.reshape(v, np.shape(x)[::-1])),
    ),
    "reversed": (lambda x: x[::-1] if np.ndim(x) else x[...], lambda x, v: v[::-1] if np.ndim(v) else v),
    "diagonal": (
        lambda x: np.diagonal(x) if np.ndim(x) == 2 else x[...],
        lambda x, v: filled(x, (np.arange(len(v)),) * 2, v) if np.ndim(x) == 2 else v,
    ),
    "wider": (lambda x: np.broadcast_to(x, (2, *np.shape(x))), None),
}
BINARY = {
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "subtract": lambda x, y: x - y,
    "where": lambda x, y: np.where(np.real(np.ones(np.shape(x))) > 0, x * y, y),
}
PLACES = [..., 0, -1, slice(0, 1), slice(None, None, 2), [0, 0], [True]]


def filled(x, place, value):
    """A copy of x with another value at a place."""
    out = np.array(x, np.result_type(x, value))
    if out.ndim or place is ...:
        out[place] = value
        return out
    return np.reshape(value, ())  # of a number with an axis


class Value:
    """A step of the program: a pure function of earlier steps, or a leaf, or what was cut off from its past."""

    def __init__(self, function=None, inputs=(), number=None, owner=None):
        self.function, self.inputs, self.number, self.owner = function, inputs, number, owner

    def at(self, moved, step, known=None):
        """Its value, with the leaf `moved` displaced by `step`."""
        if self.function is None:
            return self.number + step if self is moved else self.number
        known = {} if known is None else known
        if self not in known:
            known[self] = self.function(*(value.at(moved, step, known) for value in self.inputs))
        return known[self]

    def leaves(self):
        found, seen = {self}, set()
        while found > seen:
            seen |= (new := found - seen)
            found = found.union(*(value.inputs for value in new))
        return {value for value in found if value.owner is not None}

    def gradient(self, leaf, weights):
        """The gradient of the weighted sum by a leaf, entry by entry."""
        grad = np.zeros(np.shape(leaf.number))
        for place in np.ndindex(grad.shape):
            step = np.zeros(grad.shape, complex)
            step[place] = 1e-30j
            grad[place] = np.sum(np.imag(self.at(leaf, step)) * weights) / 1e-30
        return grad


class Variable:
    """A Tensor under test, NumPy's array of the same program, and the step that they now stand for.

    A view has a base, and the functions that take it and that put a value in its place.
    """

    def __init__(self, tensor, value, array, base=None, take=None, put=None):
        self.held, self.known, self.value, self.array = tensor, weakref.ref(tensor), value, array
        self.base, self.take, self.put, self.expected = base, take, put, None

    @property
    def tensor(self):
        """The Tensor, as long as it, or a view of it, is held."""
        return self.known()

    @property
    def root(self):
        return self if self.base is None else self.base.root


class Programs(RuleBasedStateMachine):
    variables = Bundle("variables")

    def __init__(self):
        super().__init__()
        self.everything = []
        self.seen = []  # arrays of the outside, in the memory of Tensors or of its own
        self.rng = np.random.default_rng(0)

    def new(self, tensor, value, array, *view):
        self.everything.append(Variable(tensor, value, array if view else np.array(array), *view))
        return self.everything[-1]

    def bases(self, x):
        while x.base is not None:
            x = x.base
            yield x

    def family(self, x):
        """A root, and its views, each after its base."""
        return [y for y in self.everything if y.root is x.root]

    @initialize(target=variables, shape=st.sampled_from(SHAPES))
    def begin(self, shape):
        return multiple(self.create(shape, True), self.create(shape, False), self.share(shape))

    @rule(target=variables, shape=st.sampled_from(SHAPES), requires_grad=st.booleans())
    def create(self, shape, requires_grad):
        number = self.rng.uniform(-1, 1, shape)
        made = self.new(Tensor(number, requires_grad=requires_grad), Value(number=np.array(number)), number)
        made.value.owner = made if requires_grad else None
        return made

    @rule(target=variables, x=variables, name=st.sampled_from(sorted(UNARY)))
    def unary(self, x, name):
        return self.new(UNARY[name](x.tensor), Value(UNARY[name], (x.value,)), UNARY[name](x.array))

    @rule(target=variables, x=variables, name=st.sampled_from(sorted(VIEWS)), recording=st.booleans())
    def view(self, x, name, recording):
        take, put = VIEWS[name]
        array = take(x.array)
        is_view = isinstance(array, np.ndarray) and np.shares_memory(array, x.array)
        with nullcontext() if recording else no_grad():
            tensor = take(x.tensor)
        value = Value(take, (x.value,)) if recording else Value(number=np.array(tensor.data))
        if name == "diagonal" and is_view:
            array.flags.writeable = x.array.flags.writeable  # as NumPy says that it will be
        return self.new(tensor, value, array, *((x, take, put) if is_view else ()))

    @rule(target=variables, x=variables, y=variables, name=st.sampled_from(sorted(BINARY)))
    def binary(self, x, y, name):
        try:
            np.broadcast_shapes(x.tensor.shape, y.tensor.shape)
        except ValueError:
            y = x
        out = BINARY[name](x.tensor, y.tensor)
        return self.new(out, Value(BINARY[name], (x.value, y.value)), BINARY[name](x.array, y.array))

    @rule(target=variables, x=variables)
    def detach(self, x):
        number = np.array(x.tensor.data)
        return self.new(x.tensor.detach(), Value(number=number), number)

    @rule(x=consumes(variables))
    def drop(self, x):
        """Let a Tensor go: it is gone at once, or stays as long as there are views of it."""
        needed = any(y.held is not None for y in self.everything if y is not x and x in self.bases(y))
        x.held = None
        assert (x.tensor is not None) == needed

    @rule(target=variables, shape=st.sampled_from(SHAPES))
    def share(self, shape):
        array = self.rng.uniform(-1, 1, shape)
        self.seen.append(array)
        return self.new(asarray(array), Value(number=array.copy()), array)

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
        twins = (x.array, np.array(array))[turn]
        out = BINARY[name](*operands[turn])
        return self.new(out, Value(BINARY[name], values[turn]), BINARY[name](*twins))

    def values(self):
        return {x: np.array(x.tensor._held) for x in self.everything if x.tensor is not None}

    def changed(self, before):
        """What an unrecorded change is to the graphs: a number that is added to a value, or a leaf that moves."""
        for x, old in before.items():
            change = np.array(x.tensor._held) - old
            if np.any(change) and x.value.owner is not None:
                x.value = Value(number=x.value.number + change, owner=x.value.owner)
            elif np.any(change):
                x.value = Value(lambda a, change=change: a + change, (x.value,))

    @rule()
    def scribble(self):
        """Write into all arrays that are seen: Tensors may change with them, the gradients of their past must not."""
        before = self.values()
        for array in self.seen:
            if array.flags.writeable and np.ndim(array):
                array[...] = self.rng.uniform(-1, 1, array.shape)
        for x, old in before.items():
            if np.any(x.tensor._held != old):
                assert any(np.shares_memory(x.tensor._held, array) for array in self.seen)
        self.changed(before)
        for x in before:
            if x.base is None:
                x.array[...] = x.tensor._held

    def in_place(self, x, change, on_array, function, inputs):
        """A change of x in place: an error for leaves and what is read-only, or a new value of bases and all views."""
        family = [y for y in self.family(x) if y.tensor is not None]
        leaf = any(y.tensor.is_leaf and y.tensor.requires_grad for y in family)
        if leaf or not x.array.flags.writeable:
            try:
                change()
            except (RuntimeError, ValueError):
                return
            raise AssertionError("a leaf that requires a gradient, or a read-only view, was changed in place")
        change()
        on_array()
        value = Value(function, inputs)
        while x.base is not None:
            value, x = Value(x.put, (x.base.value, value)), x.base
        x.value = value
        for y in self.family(x)[1:]:
            y.value = Value(y.take, (y.base.value,))

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

        def on_array():
            x.array[...] = BINARY[name](x.array, y.array)

        self.in_place(x, change, on_array, BINARY[name], (x.value, y.value))

    @rule(x=variables, y=variables, place=st.sampled_from(PLACES), recording=st.booleans())
    def write(self, x, y, place, recording):
        if not x.tensor.ndim or place == [True] and x.tensor.shape[0] != 1:
            return
        room = np.zeros(x.tensor.shape)[place].shape
        if y.tensor.shape not in ((), room):
            return

        def change():
            x.tensor[place] = y.tensor

        def on_array():
            x.array[place] = y.array

        if recording:
            self.in_place(x, change, on_array, lambda a, b: filled(a, place, b), (x.value, y.value))
        elif x.array.flags.writeable:
            before = self.values()
            with no_grad():
                change()
            on_array()
            self.changed(before)

    @rule(x=variables, by=st.sampled_from(["no_grad", "data", "whole data", "step"]))
    def update_a_leaf(self, x, by):
        """As an optimizer does: graphs that were recorded go on with the old value."""
        if not (x.tensor.is_leaf and x.tensor.requires_grad):
            return
        before, grad = self.values(), x.tensor.grad
        if by == "no_grad":
            with no_grad():
                target = x.tensor
                target *= 0.5
        elif by == "data":
            x.tensor.data = x.tensor.data * 0.5
        elif by == "whole data":
            x.tensor.data = np.array(x.tensor.data) * 0.5
        else:
            x.tensor.grad = Tensor(x.tensor.data)
            optim.SGD([x.tensor], lr=0.5).step()
            x.tensor.grad = grad
        x.array[...] *= 0.5
        self.changed(before)

    @rule(x=variables)
    def clear(self, x):
        x.tensor.grad = None
        x.expected = None

    @rule(x=variables, create_graph=st.booleans())
    def backward(self, x, create_graph=False):
        if not x.tensor.requires_grad:
            for leaf in x.value.leaves():
                assert not np.any(x.value.gradient(leaf, 1.0))
            return
        weights = self.rng.uniform(-1, 1, x.tensor.shape)
        x.tensor.backward(Tensor(weights), retain_graph=True, create_graph=create_graph)
        for leaf in x.value.leaves():
            grad = x.value.gradient(leaf, weights)
            owner = leaf.owner
            owner.expected = grad if owner.expected is None else owner.expected + grad

    def teardown(self):
        """At last, the gradients of everything, after all memory has been written into."""
        living = [x for x in self.everything if x.tensor is not None]
        for x in living:
            self.see(x, "data")
        self.scribble()
        for x in living:
            self.backward(x)
        self.values_and_gradients_agree()

    @invariant()
    def values_and_gradients_agree(self):
        for x in self.everything:
            if x.tensor is None:
                continue
            np.testing.assert_allclose(x.tensor._held, x.value.at(None, 0), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(x.tensor._held, x.array, rtol=1e-12, atol=1e-12)
            if x.tensor.is_leaf and x.tensor.requires_grad:
                if x.expected is None:
                    assert x.tensor.grad is None or not np.any(x.tensor.grad.data)
                else:
                    np.testing.assert_allclose(x.tensor.grad.data, x.expected, rtol=1e-10, atol=1e-10)


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
