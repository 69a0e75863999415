"""A disk on which each call of a writer can fail: it counts the calls, and asks before each."""

import errno
import io
import os
import signal

import pullback.nn.atomic_files as atomic_files

CALLS = ("open", "fsync", "replace", "unlink", "mkdir", "listdir", "scandir")  # of `os`


class Disk:
    """Calls are passed on; `before(name)` is asked before each and `after(name)` after it: both may raise, or kill."""

    def __init__(self, monkeypatch, before=lambda name: None, after=lambda name: None, most=None):
        self.names, self.before, self.after, self.most = [], before, after, most
        for name in CALLS:
            monkeypatch.setattr(os, name, self._asked(name, getattr(os, name)))
        monkeypatch.setattr(atomic_files, "open", self._open, raising=False)

    def call(self, name, function, *args, **kwargs):
        self.names.append(name)
        self.before(name)
        try:
            return function(*args, **kwargs)
        finally:
            self.after(name)

    def _asked(self, name, function):
        return lambda *args, **kwargs: self.call(name, function, *args, **kwargs)

    def _open(self, path, mode):
        if mode != "xb":
            return open(path, mode)
        raw = self.call("create", _Raw, path, mode)
        raw.disk = self
        return io.BufferedWriter(raw)


class _Raw(io.FileIO):
    """An open file that writes no more than `most` bytes at once."""

    def write(self, content):
        return self.disk.call("write", super().write, memoryview(content)[: self.disk.most])


def failing(number, at):
    """Raises this error at a call: of this name, or with this number, from 0."""
    count = -1

    def before(name):
        nonlocal count
        count += 1
        if at in (name, count):
            raise OSError(number, os.strerror(number))

    return before


def killing(at):
    """Ends the process, by SIGKILL, at the call with this number."""
    count = -1

    def hook(name):
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def forked(function, *args):
    """Run a function in a forked child; the status with which it ended: 0, an exit code, or minus a signal's number."""
    child = os.fork()
    if not child:
        code = 70
        try:
            function(*args)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


FAULTS = (errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS)
