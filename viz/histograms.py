"""Pictures of how a model's weights, activations and gradients are distributed, over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..extend import Array, ArrayLike
from ..nn import Module
from ..nn.traversal import in_mode
from .figures import BLUE, GREY, RED, RULE, Picture, add_title, panels, unfinished

__all__ = ["Histograms"]


KINDS = ("weights", "gradients", "activations")


class Histograms:
    """What the values of a model are like, again and again while it is trained; `draw` makes pictures of it.

    Each `record()` counts the weights and gradients of all parameters in at most `bins` bins and, where a batch `x` is
    given, what each module without children makes of it in eval mode. As a callback of `optim.Trainer` it does so
    after each epoch.

    >>> from pullback import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> seen = Histograms(model, np.ones((4, 2), np.float32))
    >>> seen.record()
    >>> seen.draw("activations").png()[:4]
    b'\\x89PNG'
    """

    def __init__(self, model: Module, x: ArrayLike | None = None, bins: int = 40) -> None:
        self._model, self._x, self._bins = model, x, bins
        self._counts: dict[str, dict[str, dict[int, _Counts]]] = {kind: {} for kind in KINDS}
        self._records = 0

    def __repr__(self) -> str:
        return f"<Histograms of {type(self._model).__name__}: {self._records} records, draw(kind) shows them>"

    def record(self) -> None:
        """Count the values as they are now."""
        for name, p in self._model.named_parameters():
            self._count("weights", name, p.numpy())
            if p.grad is not None:
                self._count("gradients", name, p.grad.numpy())
        if self._x is not None:
            for name, values in self._activations(self._x).items():
                self._count("activations", name, values)
        self._records += 1

    def on_epoch_end(self, trainer: object) -> None:
        """Record after an epoch of `optim.Trainer`."""
        self.record()

    def draw(self, kind: str = "weights", *, limit: int = 12) -> Picture:
        """Draw "weights", "gradients" or "activations": a panel for each name, and in it a curve for each record.

        The first record is behind and above, the last in front and darkest; heights are square roots of counts, so
        that tails are seen. At most `limit` names are drawn, the first ones. ValueError for another kind, or if nothing
        of the kind was recorded.
        """
        if kind not in KINDS:
            raise ValueError(f"Histograms.draw: kind={kind!r} given; there are {', '.join(KINDS)}")
        counts = self._counts[kind]
        if not counts:
            without = " (they need a batch: Histograms(model, x))" if kind == "activations" else ""
            raise ValueError(f"Histograms.draw: no {kind} were recorded{without}")
        names = list(counts)[:limit]
        figure, places = panels(len(names), 3, 2.8, 2.4)
        for axes, name in zip(places, names, strict=True):
            _ridges(axes, counts[name])
            add_title(axes, name)
        figure.tight_layout()
        notes = [f"Distributions of {kind} at {self._records} records, the last in front; heights are roots of counts."]
        if len(counts) > limit:
            notes.append(f"{len(counts) - limit} more of {len(counts)} are not drawn.")
        bad = sum(own.bad for name in names for own in counts[name].values())
        return Picture(figure, " ".join([*notes, *unfinished(bad)]))

    def _count(self, kind: str, name: str, values: Array) -> None:
        self._counts[kind].setdefault(name, {})[self._records] = _Counts(values, self._bins)

    def _activations(self, x: ArrayLike) -> dict[str, Array]:
        """What modules without children give for the batch; the last call counts."""
        seen: dict[str, Array] = {}

        def look(name: str) -> Any:
            def hook(module: Module, inputs: object, output: object) -> None:
                if isinstance(output, Tensor):
                    seen[name] = output.numpy()

            return hook

        handles = [m.register_forward_hook(look(n)) for n, m in self._model.named_modules() if not any(m.children())]
        try:
            with in_mode(self._model, training=False), no_grad():
                self._model(Tensor(x))
        finally:
            for handle in handles:
                handle.remove()
        return seen


class _Counts:
    """How often values fall between edges, and how many are not finite."""

    def __init__(self, values: Array, bins: int) -> None:
        finite = values[np.isfinite(values)].astype(np.float64)
        self.bad = values.size - finite.size
        counts, self.edges = np.histogram(finite, min(bins, max(1, round(2 * finite.size ** (1 / 3)))))  # Rice's rule
        self.heights = np.sqrt(counts / max(1, counts.max()))


def _ridges(axes: Any, counts: dict[int, _Counts]) -> None:
    """A filled curve for each record, each a step lower than the one before."""
    last, step = max(counts), 0.35
    for time, own in counts.items():
        foot, front = step * (last - time), 3 + 2 * (time - last) / (last + 1)
        heights = foot + np.repeat(own.heights, 2)
        across = np.repeat(own.edges, 2)[1:-1]
        shade = 0.25 + 0.6 * (time + 1) / (last + 1)
        axes.fill_between(across, foot, heights, color=BLUE, alpha=shade, linewidth=0, zorder=front)
        axes.plot(across, heights, color="white", linewidth=0.7, zorder=front + 1 / (last + 1))
        if own.bad:
            axes.plot([1], [foot], "x", color=RED, transform=axes.get_yaxis_transform(), clip_on=False, zorder=9)
    every = max(1, -(-(last + 1) // 6))
    shown = range(last, -1, -every)
    axes.set_yticks([step * (last - time) for time in shown], [str(time + 1) for time in shown])
    axes.set_ylabel("record", color=GREY)
    axes.xaxis.get_major_locator().set_params(nbins=4)
    axes.grid(axis="x", color=RULE, linewidth=0.8)
