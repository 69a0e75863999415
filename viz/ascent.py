"""The input that a unit likes best."""

from __future__ import annotations

import numpy as np

from ..autograd import Tensor
from ..extend import Array, ArrayLike
from ..nn import Parameter
from ..optim import Adam
from .probing import Layer, Model, Question, Spot, Unit, arrays, chosen

__all__ = ["activation_maximization"]


def activation_maximization(
    model: Model,
    x: ArrayLike,
    layer: Layer | None = None,
    unit: Unit = None,
    *,
    steps: int = 200,
    lr: float = 0.05,
    decay: float = 0.01,
    jitter: int = 0,
    rng: int | np.random.Generator = 0,
    call: int = -1,
    strongest: int | None = None,
) -> Array:
    """Return inputs that a unit of `layer` answers strongly, found from x by gradient ascent; of the shape of x.

    Each sample of x, a batch (N, ...) of zeros or of noise, say, goes up the unit's activation less `decay` times the
    sum of its squares, by `steps` steps of Adam with the rate `lr`. `unit` and `layer` are as in `deconvnet`; what
    `unit` leaves open is meant as a whole (a channel: the sum of its map), or the `strongest` of it at the start.
    With `jitter` the image is moved in each step by up to so many pixels along its axes behind the second, round its
    edges, by which it becomes smoother. What is found is one of many; other starts give others. ValueError for steps
    below 0. Erhan et al., "Visualizing Higher-Layer Features of a Deep Network" (2009); Simonyan et al., "Deep Inside
    Convolutional Networks" (2014).

    >>> from pullback import nn
    >>> model = nn.Linear(3, 2)
    >>> best = activation_maximization(model, np.zeros((1, 3), np.float32), unit=1, decay=0.5, steps=500)
    >>> bool(np.allclose(best, model.weight.numpy()[1], atol=1e-2))
    True
    """
    if steps < 0 or jitter < 0:
        raise ValueError(f"activation_maximization: steps={steps}, jitter={jitter}; expected 0 or more")
    question = Question("activation_maximization", model, Spot(layer, call))
    (start,) = arrays(x)
    image = Parameter(start.copy())
    ascent = Adam([image], lr=lr)
    source = np.random.default_rng(rng)
    axes = tuple(range(2, start.ndim))
    mask = chosen(question.values([start]), unit, strongest)
    for _ in range(steps):
        moved = tuple(source.integers(-jitter, jitter, len(axes), endpoint=True)) if jitter else (0,) * len(axes)
        (gradient,) = question.gradients([np.roll(image.numpy(), moved, axes)], lambda values: mask)
        assert gradient is not None
        back = np.roll(gradient, [-n for n in moved], axes)
        image.grad = Tensor(2 * decay * image.numpy() - back)
        ascent.step()
    return np.array(image.numpy())
