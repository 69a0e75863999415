"""Machine code kept on disk, for later processes of the same user.

What is read here is run. So nothing is kept where others could write: the directory is this user's alone, nobody but
root and this user can change where its path leads, and a file counts only if it is this user's own and holds what was
written for its key, to the last bit. Whatever goes wrong, there is no code then, and it is made again.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["described", "kept", "key", "read", "sources", "write"]

_MOST = 64 << 20  # bytes; beyond that the least recently used files are deleted
_KIND = ".code"
_DIGEST = 32  # bytes
_BEGAN = time.time()
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # Windows has neither


def read(key: bytes) -> bytes | None:
    """What was written for a key."""
    path = _path(key)
    if path is None:
        return None
    try:
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | _FLAGS)) as file:
            status = os.fstat(file.fileno())
            found = file.read() if stat.S_ISREG(status.st_mode) and _mine(status, others=0o022) else b""
    except OSError:
        return None
    code = found[_DIGEST:]
    if found[:_DIGEST] != _digest(key, code):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used just now
    return code


def write(key: bytes, code: bytes) -> None:
    """Keep code for a key, if there is room."""
    path = _path(key)
    if path is None or len(code) + _DIGEST > _MOST:
        return
    import tempfile

    with contextlib.suppress(OSError):
        descriptor, beside = tempfile.mkstemp(_KIND, dir=os.path.dirname(path))
        try:
            with open(descriptor, "wb") as file:
                file.write(_digest(key, code) + code)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        _trim(os.path.dirname(path))


def kept(key: bytes, make: Callable[[], bytes]) -> bytes:
    """What was written for a key, or else what `make` returns, which is then written for the next time; nothing is read
    or written for an empty key."""
    code = read(key) if key else None
    if code is None:
        code = make()
        if key:
            write(key, code)
    return code


def key(*words: Any) -> bytes:
    """A key of words that are the same in all processes and of the engine's sources; empty if these have changed."""
    try:
        return repr((sources(os.path.dirname(os.path.dirname(__file__))), *words)).encode()
    except OSError:
        return b""


@functools.cache
def sources(folder: str) -> str:
    """A hash of the Python files in a folder and below; OSError if there are none, or one was changed after this
    process had begun, so that other code than it says may be running."""
    import hashlib

    found = hashlib.sha256()
    paths = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    names = sorted(os.path.relpath(path, folder) for path in paths if path.endswith(".py"))
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            status, text = os.fstat(file.fileno()), file.read()
        if max(status.st_mtime, status.st_ctime) > _BEGAN - 0.05:  # file systems' clocks are not as fine
            raise OSError(f"{name} has changed")
        found.update(f"{name} {len(text)} ".encode() + text)
    if not names:
        raise OSError(f"no Python files in {folder}")
    return found.hexdigest()


def described(value: Any) -> Any:
    """A parameter in a form common to all processes: functions of this package by their names and sources; TypeError
    for others."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is tuple:
        return tuple(map(described, value))
    name, place = getattr(value, "__qualname__", ""), str(getattr(value, "__module__", ""))
    found = getattr(sys.modules.get(place), name, None)
    if getattr(found, "__wrapped__", found) is not value or place.partition(".")[0] != __name__.partition(".")[0]:
        raise TypeError(f"{value!r} may be anything")
    return place, name, sources(os.path.dirname(str(sys.modules[place].__file__)))


def _digest(key: bytes, code: bytes) -> bytes:
    import hashlib  # which takes as long to import as a tenth of the package

    return hashlib.sha256(hashlib.sha256(key).digest() + code).digest()


def _path(key: bytes) -> str | None:
    folder = _folder()
    return None if folder is None else os.path.join(folder, _digest(key, b"").hex() + _KIND)


@functools.cache
def _folder() -> str | None:
    """The directory, made if it is missing, or None where it is not safe or not wanted."""
    path = os.environ.get("PULLBACK_CACHE", "1")
    if path == "1":
        path = os.path.join(_usual(), "pullback")
    if not os.path.isabs(path):  # as "0" is not
        return None
    path = os.path.abspath(path)
    for made in (os.path.dirname(path), path):
        with contextlib.suppress(OSError):
            os.mkdir(made, 0o700)
    try:
        status = os.lstat(path)
        safe = stat.S_ISDIR(status.st_mode) and _mine(status, others=0o077) and _trusted(os.path.dirname(path))
    except OSError:
        return None
    return path if safe else None


def _usual() -> str:
    """Where this system's programs keep such things."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA", "")  # which is closed to other users
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches")
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return chosen if os.path.isabs(chosen) else os.path.expanduser("~/.cache")


def _mine(status: os.stat_result, others: int) -> bool:
    """Whether something is this user's, and others have none of these rights; never in a program with two users."""
    if sys.platform == "win32":
        return True
    return status.st_uid == os.geteuid() == os.getuid() and not status.st_mode & others


def _trusted(path: str) -> bool:
    """Whether nobody but root and this user can change what a path leads to."""
    if sys.platform == "win32":
        return True
    status, parent = os.lstat(path), os.path.dirname(path)
    if status.st_uid not in (0, os.getuid()):
        return False
    if stat.S_ISLNK(status.st_mode):
        target = os.path.join(os.path.realpath(parent), os.readlink(path))
        return _trusted(parent) and _trusted(os.path.normpath(target))
    kept = not status.st_mode & 0o022 or status.st_mode & stat.S_ISVTX
    return bool(kept) and (parent == path or _trusted(parent))


def _trim(folder: str) -> None:
    with os.scandir(folder) as entries:
        found = [(entry.stat(follow_symlinks=False), entry.path) for entry in entries if entry.name.endswith(_KIND)]
    size = sum(status.st_size for status, _ in found)
    for status, path in sorted(found, key=lambda pair: pair[0].st_mtime_ns):
        if size <= _MOST:
            break
        with contextlib.suppress(OSError):  # somebody else was faster
            os.unlink(path)
        size -= status.st_size
