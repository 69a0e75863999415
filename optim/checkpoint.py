"""Checkpoints of a training on disk, of which the newest whole one is loaded again."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import threading
import warnings
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from ..extend import Communicator, generator
from ..nn import load as load_arrays
from ..nn.atomic_files import lock, put_in_place, remove_left, sync_folder, temporary
from ..nn.serialization import pieces, texts
from .trees import decode, encode

__all__ = ["Checkpoint"]

_NAME = re.compile(r"checkpoint-(\d{8,})-([0-9a-f]{32})\.safetensors")  # its number, and the digest of what is in it
_PREFIX = ".checkpoint-"  # of temporary files


class Stateful(Protocol):
    """Any object that gives its state as data and takes it again: a module, optimizer, scheduler, loader, trainer."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> object: ...


class Checkpoint:
    """The checkpoints of one training, in a directory of their own; the newest `keep` stay (None: all).

    Each is one safetensors file, with all that is no array as JSON in it; its name ends in the digest of its bytes.
    It appears whole, when it is on disk, or not at all, and only then the oldest goes. Nothing is ever pickled.
    One writer at a time: the first `save` (or `lock`) locks the directory until `close`, or until this object or its
    process is no more, however it ended (where the system has no such locks, a warning says so).
    Of several processes with a `communicator` all save and load at once; the first writes and reads, and all load what
    it found. ValueError unless `keep` is a positive integer or None.

    >>> import tempfile
    >>> from pullback import nn, optim
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder, Checkpoint(folder) as checkpoint:
    ...     path = checkpoint.save(model=model, optimizer=optimizer, step=12)
    ...     checkpoint.load(model=model, optimizer=optimizer)
    {'step': 12}
    """

    def __init__(
        self, directory: str | os.PathLike[str], keep: int | None = 3, communicator: Communicator | None = None
    ) -> None:
        if keep is not None and (isinstance(keep, bool) or not isinstance(keep, (int, np.integer)) or keep < 1):
            raise ValueError(f"Checkpoint: keep must be a number of checkpoints, 1 or more, or None, not {keep!r}")
        self.directory, self.keep = Path(os.fsdecode(directory)), keep
        self.communicator = Communicator() if communicator is None else communicator
        self._held: weakref.finalize[..., Checkpoint] | None = None  # closes the open folder, which has the lock
        self._one_at_a_time = threading.RLock()
        _instances.add(self)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.directory)!r}, keep={self.keep})"

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the folder up."""
        self.close()

    @property
    def paths(self) -> list[Path]:
        """The files of all checkpoints, whole or damaged, the oldest first."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return [self.directory / name for name in sorted(filter(_NAME.fullmatch, names), key=_number)]

    def save(self, **parts: object) -> Path:
        """Write a checkpoint of all `parts`, and of this thread's random generator, and return its file.

        A part is an object with `state_dict`, a NumPy generator, or data: nests of dict, list, tuple, str, bytes,
        numbers, bools, None, arrays of any dtype but objects.
        TypeError for what is no data, RuntimeError where another writes into the directory, OSError where the disk is
        full or refuses; the checkpoints before stay as they are.
        """
        states = {k: self._state(v) for k, v in parts.items()}
        path = self._save(states) if not self.communicator.rank else self.directory
        return self.communicator.broadcast_object(path)

    def _save(self, states: dict[str, Any]) -> Path:
        tree, arrays = encode({"parts": states, "random": state_of(generator())})
        content = pieces(arrays, checkpoint="1", tree=json.dumps(tree))
        with self._one_at_a_time:
            self.lock()
            before = self.paths
            number = _number(before[-1].name) + 1 if before else 1
            try:
                path = self._write(content, number)
            except OSError as error:
                what = f"Checkpoint: writing number {number} into {self.directory} failed, and those before stay"
                raise OSError(error.errno, f"{what}: {error.strerror or error}") from error
            self._remove([] if self.keep is None else [*before, path][: -self.keep])
        return path

    def load(self, **objects: Stateful | np.random.Generator) -> dict[str, object] | None:
        """Give the objects their states of the newest whole checkpoint, and return its other parts, as data.

        This thread's random generator is set as well, if any object is. Where there is no checkpoint, None is returned.
        For a damaged file a RuntimeWarning says what is wrong with it, and the one before is taken; ValueError if all
        are damaged. If a state does not fit, or a part is missing, ValueError tells everything that is wrong, and no
        object has changed.
        """
        found = self._newest() if not self.communicator.rank else None
        found = self.communicator.broadcast_object(found)
        return None if found is None else self._give(*found, objects)

    def _newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The newest whole checkpoint, if there is any."""
        faults: list[str] = []
        for path in reversed(self.paths):
            try:
                tree = _read(path)
            except (OSError, ValueError) as error:
                faults.append(f"{path}: {error}")
                continue
            if faults:
                warnings.warn(f"Checkpoint: {'; '.join(faults)}; {path.name} is loaded", RuntimeWarning, stacklevel=3)
            return path, tree
        if faults:
            raise ValueError(f"Checkpoint: no file can be loaded: {'; '.join(faults)}")
        return None

    def _give(self, path: Path, tree: dict[str, Any], objects: Mapping[str, Any]) -> dict[str, Any]:
        """Set all objects, or none; the parts that are left."""
        for name, part in objects.items():
            if not (isinstance(part, np.random.Generator) or hasattr(part, "load_state_dict")):
                raise TypeError(
                    f"Checkpoint: {name}={part!r} has no load_state_dict; load() returns the data that no object takes"
                )
        parts = tree["parts"]
        faults = [
            f"{name}: it is not in it, but {', '.join(parts) or 'nothing'}" for name in objects if name not in parts
        ]
        wanted = [(name, part, parts[name]) for name, part in objects.items() if name in parts]
        if wanted:
            wanted.append(("this thread's random generator", generator(), tree["random"]))
        before = [(part, copy.deepcopy(self._state(part))) for _, part, _ in wanted]
        try:
            for name, part, state in wanted:
                try:
                    load_state(part, state)
                except Exception as error:
                    faults.append(f"{name}: {type(error).__name__}: {error}")
            if faults:
                raise ValueError(f"Checkpoint: {path} does not fit, and nothing is changed. {'; '.join(faults)}")
        except BaseException:
            for part, state in before:
                with suppress(Exception):  # what took no state at all may not take its own
                    load_state(part, state)
            raise
        return {name: part for name, part in parts.items() if name not in objects}

    def _state(self, part: Any) -> Any:
        """The state of a part, which is brought together first where it is shared out over processes."""
        if self.communicator.size > 1 and hasattr(part, "consolidate_state_dict"):
            part.consolidate_state_dict(None)
        return state_of(part)

    def lock(self) -> None:
        """Become the only writer, until `close`; RuntimeError where there is another."""
        with self._one_at_a_time:
            if self._held is not None:
                return
            if not self.directory.is_dir():
                self.directory.mkdir(parents=True, exist_ok=True)
                sync_folder(self.directory.parent)
            try:
                number = os.open(self.directory, os.O_RDONLY)
                self._held = weakref.finalize(self, os.close, number)
                alone = lock(number)
            except OSError as error:
                warnings.warn(
                    f"Checkpoint: no lock of {self.directory} ({error}): see that no other process writes there",
                    RuntimeWarning,
                    stacklevel=3,
                )
                return
            if not alone:
                self.close()
                raise RuntimeError(
                    f"Checkpoint: another writes into {self.directory}: another process, or a Checkpoint of this one "
                    "that is not closed"
                )

    def close(self) -> None:
        """Let others write; the next `save` takes the lock again."""
        if self._held is not None:
            self._held()
            self._held = None

    def _write(self, content: Any, number: int) -> Path:
        remove_left(self.directory, _PREFIX, age=0)
        digest = _digest()
        with temporary(self.directory, _PREFIX) as file:
            for piece in content:
                digest.update(piece)
                file.write(piece)
            path = self.directory / f"checkpoint-{number:08d}-{digest.hexdigest()}.safetensors"
            put_in_place(file, path)
        return path

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                warnings.warn(f"Checkpoint: {path} stays, as it cannot be removed: {error}", stacklevel=3)


def _number(name: str) -> int:
    return int(name.split("-")[1])


def _digest() -> Any:
    return hashlib.blake2b(digest_size=16)


def _read(path: Path) -> dict[str, Any]:
    """What a checkpoint says; ValueError unless its bytes are those that were written."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, _digest).hexdigest()
    expected = _NAME.fullmatch(path.name)
    if expected is None or found != expected[2]:
        raise ValueError(f"damaged: its {path.stat().st_size} bytes are not those that were written")
    said = texts(path)
    if said.get("checkpoint") != "1":
        raise ValueError("it is no checkpoint of this version of the package")
    return decode(json.loads(said["tree"]), load_arrays(path))


def state_of(part: Any) -> Any:
    """Return the state of an object or of a NumPy generator; data is its own."""
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    return part.state_dict() if hasattr(part, "state_dict") else part


def load_state(part: Any, state: Any) -> None:
    """Give an object, or a NumPy generator, its state."""
    if isinstance(part, np.random.Generator):
        part.bit_generator.state = state
    else:
        part.load_state_dict(state)


_instances: weakref.WeakSet[Checkpoint] = weakref.WeakSet()


def _forked() -> None:
    """In a forked child: it is another process, which has no lock, and must not keep that of its parent alive."""
    for checkpoint in _instances:
        checkpoint._one_at_a_time = threading.RLock()
        checkpoint.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
