"""Ctrl-C between two steps instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from types import FrameType

__all__ = ["DeferredInterrupt"]


class DeferredInterrupt:
    """A context in which the first Ctrl-C (SIGINT) waits for the next `check`, and the second one does not.

    One that came after the last check is raised when the context is left. Only in the main thread, and only in the
    place of Python's own handler: another one stays.
    """

    def __init__(self) -> None:
        self.noted = 0
        self.raised = self._placed = False

    def __enter__(self) -> DeferredInterrupt:
        """Place the handler."""
        main = threading.current_thread() is threading.main_thread()
        self._placed = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._placed:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        """Put Python's handler back."""
        if self._placed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt, once, if Ctrl-C was pressed."""
        if self.noted and not self.raised:
            self.raised = True
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.noted += 1
        if self.noted > 1:
            signal.default_int_handler(number, frame)
