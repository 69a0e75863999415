"""Objects through a pipe, with large arrays in memory that both processes map."""

from __future__ import annotations

import mmap
import os
import pickle
import socket
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any

LARGE = 1 << 18  # bytes of arrays for which mapping memory is faster than the pipe
_ALIGNED = 64

_mappable = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")


def send(connection: Connection, content: Any) -> None:
    """Send what `receive` at the other end gives: arrays without a copy here, and without a name for their memory."""
    buffers: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(content, 5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in views]
    if not _mappable or sum(sizes) < LARGE:
        connection.send_bytes(pickle.dumps((pickle.dumps(content, 5), None)))
        return
    ends = _ends(sizes)
    file = os.memfd_create("pullback")
    try:
        os.ftruncate(file, ends[-1])
        with mmap.mmap(file, ends[-1]) as memory:
            for end, size, view in zip(ends, sizes, views, strict=True):
                memory[end - _padded(size) : end - _padded(size) + size] = view
        connection.send_bytes(pickle.dumps((packed, sizes)))
        with closing(_socket(connection)) as channel:
            socket.send_fds(channel, [b"m"], [file])
    finally:
        os.close(file)


def receive(connection: Connection) -> Any:
    """Wait for what `send` at the other end sends."""
    packed, sizes = pickle.loads(connection.recv_bytes())
    if sizes is None:
        return pickle.loads(packed)
    with closing(_socket(connection)) as channel:
        _, files, _, _ = socket.recv_fds(channel, 1, 1)
    if not files:
        raise EOFError
    ends = _ends(sizes)
    try:
        memory = memoryview(mmap.mmap(files[0], ends[-1]))
    finally:
        os.close(files[0])
    parts = [memory[end - _padded(size) :][:size] for end, size in zip(ends, sizes, strict=True)]
    return pickle.loads(packed, buffers=parts)


def _padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _ends(sizes: list[int]) -> list[int]:
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + _padded(size))
    return ends[1:]


def _socket(connection: Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))
