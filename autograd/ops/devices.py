"""From one device to another."""

from __future__ import annotations

from typing import Any

from ..core.primitive import linear
from ..runtime.libraries import moved

__all__ = ["to_device"]


@linear("x")
def to_device(x: Any, *, device: str, source: str) -> Any:
    """The same numbers on another device than their `source`."""
    return moved(x, device)


to_device.vjp("x")(lambda g, device, source: to_device.apply(g, device=source, source=device))
to_device.batch(lambda call, n, values, batched, **options: call(*values, **options))
to_device.strategy(lambda draw: ((draw.array(),), {"device": "cpu", "source": "cpu"}))
