"""Files that appear whole or not at all, whenever the writer dies."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SOON = 60  # seconds in which a writer has locked what it has made


@contextmanager
def temporary(folder: Path, prefix: str) -> Iterator[BinaryIO]:
    """A new file in a folder, gone at the end unless it is put in place, and locked as long as its writer lives."""
    path = folder / f"{prefix}{secrets.token_hex(8)}.tmp"
    try:
        with open(path, "xb") as file:
            with suppress(OSError):
                lock(file)
            yield file
    finally:
        with suppress(OSError):
            path.unlink()


def put_in_place(file: BinaryIO, target: Path, mode: int | None = None) -> None:
    """Make a temporary file, once it is on disk, the target, in whose place it comes; close it."""
    file.flush()
    if mode is not None:
        os.chmod(file.name, mode)
    os.fsync(file.fileno())
    file.close()
    os.replace(file.name, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk, too."""
    if fcntl is None:  # Windows opens no folders
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove_left(folder: Path, prefix: str, age: float = _SOON) -> None:
    """Remove the temporary files that dead writers left: of that age in seconds, and without a lock."""
    for left in folder.glob(f"{prefix}*.tmp"):
        with suppress(OSError), open(left, "rb") as file:
            if time.time() - os.fstat(file.fileno()).st_mtime >= age and lock(file):
                left.unlink()


def lock(file: IO[bytes] | int) -> bool:
    """Whether this open file, or folder, has the lock from now until it is closed: False where another has it.

    OSError where there are no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "this system has no locks of this kind")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
