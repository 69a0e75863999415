"""Containers, hooks and parametrizations: what `change` makes of an Identity, in each library."""

import copy
import pickle
import warnings
from collections import OrderedDict
from functools import partial

from .compare import Case

TWICE = "PyTorch's fused _weight_norm has a second derivative other than that of its own formula"


def built(build, shape, again="", **options):
    """The module that `build(nn)` makes, or a copy or pickle of it."""

    def change(nn, _):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # for the old normalizations
            module = build(nn)
        ours = "pullback" in nn.__name__
        if again == "copy":
            return copy.deepcopy(module)
        return pickle.loads(pickle.dumps(module)) if again and ours else module

    return Case(
        "Identity",
        (build.__name__ if hasattr(build, "__name__") else str(build.args), again),
        inputs=(shape,),
        change=change,
        **options,
    )


# Containers


def layers(nn):
    return [nn.Linear(3, 3), nn.Linear(3, 3), nn.Tanh()]


def sequential(nn):
    net = nn.Sequential(*layers(nn)).append(nn.Sigmoid())
    net.insert(1, nn.Linear(3, 3)).extend(nn.Sequential(nn.Tanh()))
    net += nn.Sequential(nn.Linear(3, 2))
    del net[3]
    net.pop(-3)
    return net


def named_sequential(nn):
    return nn.Sequential(OrderedDict([("first", nn.Linear(3, 4)), ("act", nn.Tanh()), ("last", nn.Linear(4, 1))]))[:2]


def repeated(nn):
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh()) * 2 + nn.Sequential(nn.Linear(3, 2))


def deleted_slice(nn):
    net = nn.Sequential(*layers(nn), *layers(nn))
    del net[1:3]
    return net


class Holder:
    """A model of either library around some parts."""

    def __new__(cls, nn, run, **parts):
        class Model(nn.Module):
            def forward(self, *args):
                return run(self, *args)

        model = Model()
        for name, part in parts.items():
            setattr(model, name, part)
        return model


def listed(nn):
    held = nn.ModuleList(layers(nn)) + nn.ModuleList([nn.Tanh()])
    held.insert(0, nn.Linear(3, 3))
    held.extend(layers(nn))
    held.pop(-1)
    held[2:4]
    del held[3]

    def run(self, x):
        for layer in self.held:
            x = layer(x)
        return x

    return Holder(nn, run, held=held)


def by_name(nn):
    held = nn.ModuleDict([("b", nn.Linear(3, 2)), ("a", nn.Linear(3, 3)), ("gone", nn.ReLU())])
    held.update({"c": nn.Tanh()})
    held.pop("gone")
    return Holder(nn, lambda self, x: self.held["b"](self.held["c"](self.held["a"](x))), held=held)


def shared(nn):
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    return net


# Hooks


def hooked(nn):
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    net[0].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    net[0].register_forward_pre_hook(lambda module, args: (args[0] + 1,), prepend=True)
    net[1].register_forward_hook(lambda module, args, output: output * args[0])
    net[1].register_forward_hook(lambda module, args, kwargs, output: output + 1, prepend=True, with_kwargs=True)
    net.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] - 1,), kwargs), with_kwargs=True)
    return net


def hooked_backward(nn):
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    net[1].register_full_backward_hook(lambda module, gin, gout: (gin[0] * 3 + gout[0],))
    net[1].register_full_backward_hook(lambda module, gin, gout: (gin[0] - 1,), prepend=True)
    net[1].register_full_backward_pre_hook(lambda module, gout: (gout[0] * 2,))
    net.register_full_backward_pre_hook(lambda module, gout: (gout[0] ** 2,))
    return net


def hooked_backward_of_several(nn):
    def run(self, x):
        a, b, c = self.part(x, 2.0, x * x)
        return a * c

    part = Holder(nn, lambda self, x, k, y: (x * y * k, x + y, y**2))
    part.register_full_backward_hook(lambda module, gin, gout: (gin[2] + gout[1], None, gin[0] * gout[2]))
    part.register_full_backward_pre_hook(lambda module, gout: (gout[2], gout[0] + 1, gout[0]))
    return Holder(nn, run, part=part)


# Parametrizations

LAYERS = {"Linear": ((3, 4), (5, 3)), "Conv2d": ((3, 4, 3), (2, 3, 5, 5)), "ConvTranspose1d": ((3, 4, 2), (2, 3, 4))}


def normalized(kind, layer, dim, nn):
    place = nn.utils if kind.endswith(" (old)") else nn.utils.parametrizations
    return getattr(place, kind.split()[0])(getattr(nn, layer)(*LAYERS[layer][0]), dim=dim)


def orthogonal(kind, shape, trivial, nn):
    layer = nn.Linear(*shape)
    return nn.utils.parametrizations.orthogonal(layer, orthogonal_map=kind, use_trivialization=trivial)


def with_symmetric(nn):
    class Symmetric(nn.Module):
        def forward(self, x):
            return x + x.T

        def right_inverse(self, x):
            return x / 2

    net = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    nn.utils.parametrize.register_parametrization(net, "weight", nn.Tanh())
    return nn.utils.parametrize.register_parametrization(net, "bias", nn.Sigmoid())


def with_two(nn):
    class Product(nn.Module):
        def forward(self, x, y):
            return x * y

        def right_inverse(self, x):
            return x * 0 + 2, x / 2

    return nn.utils.parametrize.register_parametrization(nn.Linear(3, 2), "weight", Product())


def removed(nn):
    net = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2))
    return nn.utils.parametrize.remove_parametrizations(net, "weight")


def transferred(nn):
    net = nn.utils.parametrize.register_parametrization(nn.Linear(3, 2), "weight", nn.Tanh())
    return nn.utils.parametrize.transfer_parametrizations_and_params(net, nn.Linear(3, 2))


OLD = {"no_second": TWICE}
KINDS = [("weight_norm", dim, OLD) for dim in (0, 1, None)] + [("spectral_norm", dim, {}) for dim in (None, 0, 1)]
MAPS = [
    (None, True),
    *((kind, trivial) for kind in ("matrix_exp", "cayley", "householder") for trivial in (True, False)),
]

CASES = [
    *[
        built(build, (5, 3), again)
        for build in (sequential, named_sequential, repeated, deleted_slice, shared, with_two)
        for again in ("", "copy")
    ],
    built(listed, (5, 3)),
    built(by_name, (5, 3)),
    *[built(build, (5, 3)) for build in (hooked, hooked_backward, hooked_backward_of_several)],
    *[built(build, (5, 3), "copy") for build in (hooked, hooked_backward)],
    *[built(build, (5, 3)) for build in (with_symmetric, removed, transferred)],
    *[
        built(partial(normalized, kind + old, layer, dim), LAYERS[layer][1], again, **options)
        for kind, dim, options in KINDS
        for layer in LAYERS
        for old in ("", " (old)")
        for again in ("", "pickle")
    ],
    *[
        built(partial(orthogonal, kind, shape, trivial), (2, shape[0]), again)
        for kind, trivial in MAPS
        for shape in ((3, 3), (3, 5), (5, 3))
        for again in ("", "copy")
    ],
]
