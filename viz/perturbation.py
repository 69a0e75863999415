"""What a score loses where a part of the input is covered."""

# mypy: disable-error-code="overload-overlap"
from __future__ import annotations

import itertools
from typing import Unpack, overload

import numpy as np

from ..extend import Array, ArrayLike
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
)

__all__ = ["occlusion"]


Extents = int | tuple[int, ...]


@overload
def occlusion(
    model: Model, x: Several, target: Unit = ..., *, window: Extents, stride: Extents | None = ...,
    baseline: Samples = ..., **where: Unpack[Where],
) -> Parts: ...  # fmt: skip
@overload
def occlusion(
    model: Model, x: ArrayLike, target: Unit = ..., *, window: Extents, stride: Extents | None = ...,
    baseline: Samples = ..., **where: Unpack[Where],
) -> Array: ...  # fmt: skip
def occlusion(
    model: Model,
    x: Samples,
    target: Unit = None,
    *,
    window: Extents,
    stride: Extents | None = None,
    baseline: Samples = 0.0,
    layer: Layer | None = None,
    call: int = -1,
    strongest: int | None = 1,
    batch_size: int | None = None,
) -> Attributions:
    """Return by how much a score falls where a window of the input is covered by `baseline`, of the shape of x.

    The window goes over the axes of x, (N, C, *spatial), by steps of `stride` (one), and stops where it has reached the
    ends, the last one cut off there. Each entry gets the mean over the windows that cover it. `window` and `stride` are
    numbers for all axes but the first two (all channels are covered at once), or tuples, one number for each of these,
    or for each axis but the first. Of several inputs, each of floats is covered in turn. None for a target means the
    largest score of x as it is; other arguments are as in `saliency`. No derivative is taken: the model is run once for
    each window. ValueError for windows or strides below 1, or a stride that leaves gaps. Zeiler and Fergus,
    "Visualizing and Understanding Convolutional Networks" (2014).

    >>> occlusion(lambda x: x.sum((1, 2)), np.array([[[1.0, 2.0, 4.0]]]), window=1)
    array([[[1., 2., 4.]]])
    """
    question = Question("occlusion", model, Spot(layer, call))
    given = arrays(x)
    covers = baselines("occlusion", given, baseline)

    def falls(both: tuple[Array, ...]) -> list[Array | None]:
        inputs, covered = both[: len(given)], both[len(given) :]
        mask = chosen(question.values(inputs), target, strongest, "target")
        score = question.scores(inputs, mask)
        results: list[Array | None] = []
        for i, a in enumerate(inputs):
            if len(inputs) > 1 and a.dtype.kind not in "fc":
                results.append(None)
                continue
            total, count = np.zeros(a.shape, score.dtype), np.zeros(a.shape[1:], int)
            for place in _windows(a.shape[1:], window, stride):
                changed = a.copy()
                changed[:, *place] = covered[i][:, *place]
                fall = score - question.scores([*inputs[:i], changed, *inputs[i + 1 :]], mask)
                total[:, *place] += fall.reshape(-1, *(1,) * (a.ndim - 1))
                count[place] += 1
            results.append((total / count).astype(score.dtype))
        return results

    return in_form_of(x, mapped(falls, (*given, *covers), batch_size))


def _windows(shape: tuple[int, ...], window: Extents, stride: Extents | None) -> list[tuple[slice, ...]]:
    """The places of a window over a sample of this shape, in reading order."""
    extents = _for_each_axis("window", window, shape)
    steps = _for_each_axis("stride", 1 if stride is None else stride, shape)
    starts = []
    for n, width, step in zip(shape, extents, steps, strict=True):
        if step > width < n:
            raise ValueError(f"occlusion: a stride of {step} leaves gaps between windows of {width}")
        starts.append([slice(start, start + width) for start in range(0, max(n - width, 0) + step, step)])
    return list(itertools.product(*starts))


def _for_each_axis(name: str, given: Extents, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers for all axes of a sample; the first, of channels, may be left out: then it is taken whole."""
    dims = max(len(shape) - 1, 1)
    numbers = (given,) * dims if isinstance(given, (int, np.integer)) else tuple(given)
    whole = shape[: len(shape) - len(numbers)]
    if len(numbers) not in (dims, len(shape)) or min(numbers, default=1) < 1:
        raise ValueError(
            f"occlusion: {name}={given!r} for samples of shape {shape}; expected a positive number, or one for each of "
            f"{dims} or {len(shape)} axes"
        )
    return (*(max(n, 1) for n in whole), *numbers)
