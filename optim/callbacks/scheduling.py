"""Learning rates that change while training."""

from __future__ import annotations

import inspect
from typing import Any, Literal, Protocol

from .callback import Callback, Training
from .monitor import monitored

__all__ = ["Schedule"]


class Stepped(Protocol):
    """What can be scheduled: a scheduler of `optim.lr_scheduler`, or any object with `step`."""

    def step(self, *metric: Any) -> object: ...


class Schedule(Callback):
    """Calls `scheduler.step()` `every` "epoch", when it has been evaluated, or every "step" of the optimizer.

    A scheduler whose `step` needs a value, as that of ReduceLROnPlateau, gets the epoch's score of the name
    `monitor`; unless given that is "val_loss", or "loss" without validation. What the scheduler has as `state_dict`
    is a part of the trainer's state. TypeError for an object without `step`, ValueError for another `every`, for one
    that needs a score at every step, and where there is no score of that name.

    >>> from pullback import nn, optim
    >>> model = nn.Linear(1, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=1.0)
    >>> class Halve:
    ...     def step(self):
    ...         optimizer.param_groups[0]["lr"] /= 2
    >>> trainer = optim.Trainer(model, nn.MSELoss(), optimizer, [Schedule(Halve())])
    >>> _ = trainer.fit(([[0.0]], [[0.0]]), epochs=3, progress=False)
    >>> optimizer.param_groups[0]["lr"]
    0.125
    """

    def __init__(
        self, scheduler: Stepped, every: Literal["epoch", "step"] = "epoch", *, monitor: str | None = None
    ) -> None:
        if not callable(getattr(scheduler, "step", None)):
            raise TypeError(f"Schedule: a {type(scheduler).__name__} has no step(); give a scheduler")
        if every not in ("epoch", "step"):
            raise ValueError(f"Schedule: every must be 'epoch' or 'step', not {every!r}")
        self.scheduler, self.every, self.monitor = scheduler, every, monitor
        self._scored = monitor is not None or _needs_value(scheduler)
        if self._scored and every == "step":
            raise ValueError(f"Schedule: {type(scheduler).__name__} needs a score, which there is every 'epoch' only")

    def on_step_end(self, trainer: Training) -> None:
        """Step it if that is due."""
        if self.every == "step":
            self.scheduler.step()

    def on_epoch_end(self, trainer: Training) -> None:
        """Step it if that is due."""
        if self.every == "epoch":
            self.scheduler.step(*([monitored(trainer, self.monitor, "Schedule")[1]] if self._scored else []))

    def state_dict(self) -> dict[str, Any]:
        """Return the scheduler's state, None if it has none."""
        scheduler: Any = self.scheduler
        return {"scheduler": scheduler.state_dict() if hasattr(scheduler, "state_dict") else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Give the scheduler its state."""
        scheduler: Any = self.scheduler
        if state["scheduler"] is not None:
            scheduler.load_state_dict(state["scheduler"])


def _needs_value(scheduler: Any) -> bool:
    """Whether `step` cannot be called without an argument."""
    try:
        parameters = inspect.signature(scheduler.step).parameters.values()
    except (TypeError, ValueError):  # of compiled code
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters)
