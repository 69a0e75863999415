"""Pictures of training curves, profiles and confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import Profile, Tensor
from ..extend import FIGURES, Array, ArrayLike, quantity
from .figures import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    RED,
    RULE,
    SLANTED,
    Picture,
    add_title,
    bare,
    inked,
    new_figure,
    panels,
)  # fmt: skip

__all__ = ["confusion", "curves", "profile"]


_ANNOTATED = 25  # classes at most whose counts are written into a confusion matrix


def curves(history: Mapping[str, Sequence[float]], *, log: bool | Sequence[str] = False, columns: int = 3) -> Picture:
    """Draw loss, accuracy and whatever else `history` holds (as `optim.Trainer` leaves it), over the epochs.

    A panel for each quantity, in rows of at most `columns`, in which the one of the same name with "val_" before it is
    drawn, too; "seconds" is left out. `log` names the quantities that have a logarithmic scale, or True for all.
    Epochs whose value is not finite, or not positive on such a scale, have a red cross at the foot of the panel.
    ValueError for a history without epochs, or names in `log` that it lacks.

    >>> curves({"loss": [2.0, 1.5], "val_loss": [2.1, 1.8]}).png()[:4]
    b'\\x89PNG'
    """
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history if name != "seconds"))
    lengths = [len(values) for name, values in history.items() if name != "seconds"]
    if not any(lengths):
        raise ValueError("curves: the history is empty: it has no quantity of which an epoch was recorded")
    scaled = (names if log else []) if isinstance(log, bool) else list(log)
    if unknown := [name for name in scaled if name not in names]:
        raise ValueError(f"curves: log={unknown!r} given; the history has {', '.join(names)}")
    figure, places = panels(len(names), columns, 4.4, 3.2)
    lost = 0
    for axes, name in zip(places, names, strict=True):
        both = [key for key in (name, f"val_{name}") if key in history]
        for key in both:
            lost += _line(axes, np.array(history[key], float), key, name in scaled)
        if name in scaled:
            _logarithmic(axes)
        add_title(axes, name)
        axes.set_xlabel("epoch", color=GREY)
        axes.set_xlim(0.5, max(lengths) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        if len(both) > 1:
            axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    figure.tight_layout()
    last = ", ".join(f"{key} {values[-1]:.4g}" for key, values in history.items() if key != "seconds" and len(values))
    epochs = max(lengths)
    notes = [f"{epochs} {'epoch' if epochs == 1 else 'epochs'}; at the end {last}."]
    notes += [f"Red crosses: {lost} that {'is' if lost == 1 else 'are'} not drawn."] if lost else []
    return Picture(figure, " ".join(notes))


def _line(axes: Any, values: Array, key: str, positive: bool) -> int:
    """Draw values over the epochs, and return how many cannot be."""
    label, colour = ("validation", ORANGE) if key.startswith("val_") else ("training", BLUE)
    epochs = np.arange(1, len(values) + 1)
    drawn = np.isfinite(values) & ((values > 0) | (not positive))
    marker = "o" if len(values) <= 30 else None
    shown = np.where(drawn, values, np.nan)
    axes.plot(epochs, shown, color=colour, marker=marker, markersize=3.5, label=label)
    lost = epochs[~drawn]
    if lost.size:
        foot = axes.get_xaxis_transform()
        axes.plot(lost, np.zeros(len(lost)), "x", color=RED, transform=foot, clip_on=False, label=f"{label}, not drawn")
    return lost.size


def _logarithmic(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda number, _: f"{number:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="both", length=0)


def profile(profile: Profile, by: str = "operation", value: str = "seconds", limit: int = 12) -> Picture:
    """Draw where time or memory went: a bar for each operation or module, forward and backward end to end.

    `value` is "seconds", "calls", "allocated" or "kept", as in the rows of `pullback.profile`; of all bars the `limit`
    longest are drawn. ValueError for another `by` or `value`, or if nothing was recorded.

    >>> import pullback as pb
    >>> with pb.profile() as prof:
    ...     y = pb.exp(pb.ones(3))
    >>> profile(prof).png()[:4]
    b'\\x89PNG'
    """
    if value not in FIGURES:
        raise ValueError(f"profile: value={value!r} given; there are {', '.join(FIGURES)}")
    sums = {(getattr(row, by), row.direction): getattr(row, value) for row in profile.by(by, "direction")}
    totals: dict[str, float] = {}
    for (label, _), number in sums.items():
        totals[label] = totals.get(label, 0) + number
    if not totals:
        raise ValueError("profile: nothing was recorded")
    labels = sorted(totals, key=totals.__getitem__, reverse=True)[:limit]
    figure = new_figure(6.4, 0.9 + 0.3 * len(labels))
    axes = figure.add_subplot()
    bare(axes, spines=("left",))
    before = np.zeros(len(labels))
    for direction, colour in (("forward", BLUE), ("backward", ORANGE)):
        widths = np.array([sums.get((label, direction), 0) for label in labels], float)
        axes.barh(range(len(labels)), widths, left=before, color=colour, label=direction, height=0.7)
        before += widths
    axes.set_yticks(range(len(labels)), [label or "(no module)" for label in labels], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("time" if value == "seconds" else value, color=GREY)
    axes.xaxis.set_major_formatter(lambda number, _: quantity(number, value) if number else "0")
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.grid(axis="x", color=RULE, linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower right")
    figure.tight_layout()
    most = f"the most, {quantity(totals[labels[0]], value)}, in {labels[0] or '(no module)'}"
    return Picture(figure, f"{value.capitalize()} by {by}, the {len(labels)} largest of {len(totals)}: {most}.")


def confusion(labels: ArrayLike, predictions: ArrayLike, classes: Sequence[str] | None = None) -> Picture:
    """Draw how often each label (row) was predicted as each class (column), with the share of right ones.

    `labels` are integers (N,); `predictions` too, or scores (N, classes) of which the largest counts. ValueError for
    other shapes or dtypes, and for `classes` that do not name every class.

    >>> confusion([0, 1, 1], [0, 1, 0], ["cat", "dog"]).png()[:4]
    b'\\x89PNG'
    """
    table = _confused(labels, predictions, classes)
    count, right, whole = len(table), int(np.trace(table)), int(table.sum())
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = 1.6 + max(min(6.4, 0.42 * count), 0.14 * count if classes else 0)
    figure = new_figure(side, side)
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bare(axes, spines=())
    if count <= _ANNOTATED:
        for i, j in np.argwhere(table):
            colour = inked(shown.to_rgba(shares[i, j])[:3])
            axes.text(j, i, str(table[i, j]), ha="center", va="center", fontsize=8, color=colour)
    if count <= _ANNOTATED or classes:
        axes.set_xticks(range(count), classes or range(count), **(SLANTED if classes else {}), parse_math=False)
        axes.set_yticks(range(count), classes or range(count), parse_math=False)
    axes.set_xlabel("predicted", color=GREY)
    axes.set_ylabel("label", color=GREY)
    add_title(axes, f"{right / whole:.1%} of {whole:,} right")
    figure.tight_layout()
    return Picture(figure, f"{right / whole:.1%} of {whole:,} are right. {_mistakes(table, classes)}")


def _confused(labels: ArrayLike, predictions: ArrayLike, classes: Sequence[str] | None) -> Array:
    """How often each label was predicted as each class: (count, count)."""
    labels, predictions = (a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in (labels, predictions))
    scored = predictions.shape[1] if predictions.ndim == 2 else 0
    if predictions.ndim == 2:
        predictions = np.asarray(predictions.argmax(axis=1))
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.ndim != 1 or values.dtype.kind not in "iu" or not values.size or values.min() < 0:
            raise ValueError(
                f"confusion: {name} must be class numbers (N,), not {values.dtype} of shape {values.shape}"
                + (f" with a least value of {values.min()}" if values.size else "")
            )
    if labels.shape != predictions.shape:
        raise ValueError(f"confusion: {len(labels)} labels given for {len(predictions)} predictions")
    count = max(int(labels.max()) + 1, int(predictions.max()) + 1, scored, len(classes or ()))
    if classes is not None and len(classes) != count:
        raise ValueError(f"confusion: {len(classes)} names given for {count} classes")
    places = labels.astype(np.int64) * count + predictions.astype(np.int64)
    return np.bincount(places, minlength=count * count).reshape(count, count)


def _mistakes(table: Array, classes: Sequence[str] | None) -> str:
    """The commonest mistake in words."""
    wrong = table - np.diag(np.diag(table))
    i, j = divmod(int(wrong.argmax()), len(wrong))
    if not wrong[i, j]:
        return "None is wrong."
    label, taken = (classes[k] if classes else k for k in (i, j))
    return f"The commonest mistake is {label} taken for {taken}, {wrong[i, j]} times."
