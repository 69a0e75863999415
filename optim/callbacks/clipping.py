"""Gradients that are kept from growing large."""

from __future__ import annotations

from ...nn.utils import clip_grad_norm_, clip_grad_value_
from .callback import Callback, Training, gradients_count

__all__ = ["ClipGradients"]


class ClipGradients(Callback):
    """Before each step, scales all gradients to a norm of at most `max_norm`, or cuts their entries at `clip_value`.

    The norm is that of all parameters of the optimizer together, of order `norm_type`. With both, values are cut
    first. ValueError if neither is given, or for one that is not positive.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1, bias=False)
    >>> model.weight.data[...] = 1
    >>> clip = ClipGradients(max_norm=1.0)
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.25), [clip])
    >>> _ = trainer.fit([([[8.0]], [[0.0]])], epochs=1, progress=False)
    >>> round(model.weight.item(), 4)
    0.75
    """

    def __init__(
        self, max_norm: float | None = None, clip_value: float | None = None, *, norm_type: float = 2.0
    ) -> None:
        if max_norm is None and clip_value is None:
            raise ValueError("ClipGradients: give max_norm or clip_value")
        for name, value in {"max_norm": max_norm, "clip_value": clip_value, "norm_type": norm_type}.items():
            if value is not None and not value > 0:
                raise ValueError(f"ClipGradients: {name} must be positive, not {value}")
        self.max_norm, self.clip_value, self.norm_type = max_norm, clip_value, norm_type

    def on_train_start(self, trainer: Training) -> None:
        """Refuse an optimizer that does not use these gradients."""
        gradients_count(trainer, "ClipGradients")

    def on_step_start(self, trainer: Training) -> None:
        """Clip."""
        parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
        if self.clip_value is not None:
            clip_grad_value_(parameters, self.clip_value)
        if self.max_norm is not None:
            clip_grad_norm_(parameters, self.max_norm, self.norm_type)
