"""What in an input moves a score: its gradient times the input, along a path, amid noise, and of a layer's maps."""

# mypy: disable-error-code="overload-overlap"
from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Literal, Unpack, overload

import numpy as np

from ..autograd import Tensor
from ..extend import Array, ArrayLike
from ..nn import functional
from .probing import (
    Attributions,
    Layer,
    Model,
    Parts,
    Question,
    Samples,
    Several,
    Spot,
    Unit,
    Where,
    arrays,
    baselines,
    chosen,
    in_form_of,
    mapped,
    per_sample,
    probed,
    pulled,
    rows,
)

__all__ = ["grad_cam", "input_x_gradient", "integrated_gradients", "smoothgrad"]


@overload
def input_x_gradient(model: Model, x: Several, target: Unit = ..., **where: Unpack[Where]) -> Parts: ...
@overload
def input_x_gradient(model: Model, x: ArrayLike, target: Unit = ..., **where: Unpack[Where]) -> Array: ...
def input_x_gradient(
    model: Model,
    x: Samples,
    target: Unit = None,
    *,
    layer: Layer | None = None,
    call: int = -1,
    strongest: int | None = 1,
    batch_size: int | None = None,
) -> Attributions:
    """Return the input times the gradient of the score of class `target`, of the shape of x.

    Of a network of ReLUs and linear layers without biases the entries add up to the score. Arguments are as in
    `saliency`. Shrikumar et al., "Not Just a Black Box" (2016).

    >>> from pullback import nn
    >>> model = nn.Linear(2, 3, bias=False)
    >>> x = np.ones((1, 2), np.float32)
    >>> bool((input_x_gradient(model, x, 1).sum(1) == model(x).numpy()[:, 1]).all())
    True
    """
    question = Question("input_x_gradient", model, Spot(layer, call))

    def products(inputs: tuple[Array, ...]) -> list[Array | None]:
        gradients = question.gradients(inputs, lambda values: chosen(values, target, strongest, "target"))
        return [None if g is None else a * g for a, g in zip(inputs, gradients, strict=True)]

    return in_form_of(x, mapped(products, x, batch_size))


@overload
def integrated_gradients(
    model: Model, x: Several, target: Unit = ..., *, baseline: Samples = ..., steps: int = ...,
    return_error: Literal[False] = ..., **where: Unpack[Where],
) -> Parts: ...  # fmt: skip
@overload
def integrated_gradients(
    model: Model, x: ArrayLike, target: Unit = ..., *, baseline: Samples = ..., steps: int = ...,
    return_error: Literal[False] = ..., **where: Unpack[Where],
) -> Array: ...  # fmt: skip
@overload
def integrated_gradients(
    model: Model, x: Several, target: Unit = ..., *, baseline: Samples = ..., steps: int = ...,
    return_error: Literal[True], **where: Unpack[Where],
) -> tuple[Parts, Array]: ...  # fmt: skip
@overload
def integrated_gradients(
    model: Model, x: ArrayLike, target: Unit = ..., *, baseline: Samples = ..., steps: int = ...,
    return_error: Literal[True], **where: Unpack[Where],
) -> tuple[Array, Array]: ...  # fmt: skip
def integrated_gradients(
    model: Model,
    x: Samples,
    target: Unit = None,
    *,
    baseline: Samples = 0.0,
    steps: int = 50,
    return_error: bool = False,
    layer: Layer | None = None,
    call: int = -1,
    strongest: int | None = 1,
    batch_size: int | None = None,
) -> Attributions | tuple[Attributions, Array]:
    """Return x - baseline times the mean gradient of a score on the straight line between them, of the shape of x.

    The mean is that of `steps` points of Gauss-Legendre quadrature. The entries of a sample add up to what its score
    has more than that of its baseline, up to an error (N,), which `return_error=True` gives, too: it falls as `steps`
    grow. `baseline` is an input that says nothing, such as black, in a shape that broadcasts to that of x; for several
    inputs one number for all, or a tuple. None for a target means the largest score at x. Other arguments are as
    in `saliency`. ValueError for steps below 1. Sundararajan et al., "Axiomatic Attribution for Deep Networks" (2017).

    >>> square = lambda x: (x ** 2).sum(1)
    >>> found, error = integrated_gradients(square, np.array([[1.0, 2.0]]), return_error=True)
    >>> bool(np.allclose(found, [[1.0, 4.0]]) and np.allclose(error, 0))
    True
    """
    if steps < 1:
        raise ValueError(f"integrated_gradients: steps={steps} is not positive")
    question = Question("integrated_gradients", model, Spot(layer, call))
    given = arrays(x)
    starts = baselines("integrated_gradients", given, baseline)
    nodes, weights = np.polynomial.legendre.leggauss(steps)

    def integrals(both: tuple[Array, ...]) -> list[Array | None]:
        ends, origins = both[: len(given)], both[len(given) :]
        values = question.values(ends)
        mask = chosen(values, target, strongest, "target")
        points = (
            (weight, [_between(b, a, node) for a, b in zip(ends, origins, strict=True)])
            for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True)
        )
        total = _weighted(question, mask, points)
        found = [
            None if t is None else ((a - b) * t).astype(a.dtype) for a, b, t in zip(ends, origins, total, strict=True)
        ]
        gained = per_sample(np.where(mask, values, 0)) - question.scores(origins, mask)
        reached: Array = np.sum([per_sample(f.astype(np.float64)) for f in found if f is not None], axis=0)
        if gained.shape != reached.shape:
            raise ValueError(
                f"integrated_gradients: scores for {len(gained)} samples of a batch of {len(reached)}; expected as many"
            )
        return [*found, reached - gained]

    *found, error = mapped(integrals, (*given, *starts), batch_size)
    result = in_form_of(x, found)
    assert error is not None
    return (result, error) if return_error else result


def _between(start: Array, end: Array, part: float) -> Array:
    """A point on the line from start to end; of integers, which are the same, the end."""
    return (start + part * (end - start)).astype(end.dtype) if end.dtype.kind in "fc" else end


def _weighted(question: Question, mask: Array, points: Iterable[tuple[float, Sequence[Array]]]) -> list[Array | None]:
    """The weighted sum of the gradients at some points, of the units of a mask."""
    found = ((weight, question.gradients(inputs, lambda values: mask)) for weight, inputs in points)
    terms = ([None if g is None else weight * g for g in gradients] for weight, gradients in found)
    return reduce(_added, terms)


def _added(first: Sequence[Array | None], second: Sequence[Array | None]) -> list[Array | None]:
    return [None if a is None or b is None else a + b for a, b in zip(first, second, strict=True)]


@overload
def smoothgrad(
    model: Model, x: Several, target: Unit = ..., *, noise: float = ..., samples: int = ...,
    rng: int | np.random.Generator = ..., **where: Unpack[Where],
) -> Parts: ...  # fmt: skip
@overload
def smoothgrad(
    model: Model, x: ArrayLike, target: Unit = ..., *, noise: float = ..., samples: int = ...,
    rng: int | np.random.Generator = ..., **where: Unpack[Where],
) -> Array: ...  # fmt: skip
def smoothgrad(
    model: Model,
    x: Samples,
    target: Unit = None,
    *,
    noise: float = 0.15,
    samples: int = 50,
    rng: int | np.random.Generator = 0,
    layer: Layer | None = None,
    call: int = -1,
    strongest: int | None = 1,
    batch_size: int | None = None,
) -> Attributions:
    """Return the mean gradient of a score over `samples` noisy copies of the input, of the shape of x.

    Normal noise is added, whose standard deviation is `noise` times the range of each sample's entries; it is drawn
    from `rng`, a seed or a generator of NumPy's. None for a target means the largest score without noise. Other
    arguments are as in `saliency`. ValueError for negative noise, or no samples. Smilkov et al., "SmoothGrad:
    removing noise by adding noise" (2017).

    >>> x = np.array([[0.0, 1.0]])
    >>> smoothgrad(lambda x: (3 * x).sum(1), x).round(3)
    array([[3., 3.]])
    """
    if samples < 1 or noise < 0:
        raise ValueError(f"smoothgrad: samples={samples}, noise={noise}; expected one or more, and 0 or more")
    question = Question("smoothgrad", model, Spot(layer, call))
    source = np.random.default_rng(rng)

    def noisy(a: Array) -> Array:
        if a.dtype.kind != "f" or not a.size:
            return a
        spread = np.ptp(rows(a), 1).reshape(-1, *(1,) * (a.ndim - 1))
        return (a + noise * spread * source.standard_normal(a.shape)).astype(a.dtype)

    def means(inputs: tuple[Array, ...]) -> list[Array | None]:
        mask = chosen(question.values(inputs), target, strongest, "target")
        copies = ((1 / samples, [noisy(a) for a in inputs]) for _ in range(samples))
        return _weighted(question, mask, copies)

    return in_form_of(x, mapped(means, x, batch_size))


def grad_cam(
    model: Model,
    x: Samples,
    layer: Layer,
    target: Unit = None,
    *,
    call: int = -1,
    upsample: bool = False,
    strongest: int | None = 1,
    batch_size: int | None = None,
) -> Array:
    """Return where the maps of a `layer` speak for class `target`: (N, *spatial), with the layer's own extents.

    Each map (N, K, *spatial) is weighed by the mean of the score's gradient over it, and what is positive of their
    sum is kept. With `upsample` it is interpolated linearly to the extents of x, (N, C, *spatial). The score is one
    of the model's outputs; other arguments are as in `saliency`. ValueError where the layer gives no maps, RuntimeError
    if the score does not depend on it. Selvaraju et al., "Grad-CAM" (2017).

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    >>> grad_cam(model, np.ones((2, 1, 8, 8), np.float32), 1).shape
    (2, 6, 6)
    """

    def maps(inputs: tuple[Array, ...]) -> list[Array]:
        with probed("grad_cam", model, inputs, Spot(layer, call), Spot()) as (_, (features, scores)):
            values = features.values
            if values.ndim < 3:
                raise ValueError(f"grad_cam: the layer gives {values.shape}; expected maps, (N, channels, *spatial)")
            mask = chosen(scores.values, target, strongest, "target")
            found = pulled(scores, mask, [features.node])
        if not found:
            raise RuntimeError("grad_cam: the score does not depend on what the layer gives, as far as recorded")
        (gradient,) = found.values()
        places = tuple(range(2, values.ndim))
        map_: Array = np.maximum((gradient.mean(places, keepdims=True) * values).sum(1), 0)
        return [_upsampled(map_, inputs[0].shape[2:]) if upsample else map_]

    (result,) = mapped(maps, x, batch_size)
    assert result is not None
    return result


def _upsampled(maps: ArrayLike, size: tuple[int, ...]) -> Array:
    """Maps (N, *spatial), interpolated linearly between the centres of their entries."""
    maps = np.asarray(maps)
    modes = {1: "linear", 2: "bilinear", 3: "trilinear"}
    dims = maps.ndim - 1
    if len(size) != dims or dims not in modes:
        raise ValueError(f"grad_cam: maps of shape {maps.shape} cannot be interpolated to the extents {size}")
    larger = functional.interpolate(Tensor(maps[:, None]), size=size, mode=modes[dims])
    return np.asarray(larger.numpy())[:, 0]
