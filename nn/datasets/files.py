"""Files of known datasets: where they are looked for, whether they are whole, and bytes out of them, gzipped or not."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__: list[str] = []

Name = str | os.PathLike[str]

MOST_DEFLATED = 1032  # bytes that one byte of DEFLATE can stand for
_CHUNK = 1 << 20


def located(
    dataset: str, folders: Sequence[Path], names: Sequence[str], source: str, endings: Sequence[str] = ("",)
) -> list[Path]:
    """Return the paths of files, with one of some endings each, all in one of some folders.

    FileNotFoundError, which says what is wanted, from where, and where to put it.
    """
    for folder in folders:
        found = [[path for end in endings if (path := folder / f"{name}{end}").is_file()] for name in names]
        if all(found):
            return [paths[0] for paths in found]
    wanted = ", ".join(names) + "".join(f" (or with {end})" for end in endings if end)
    raise FileNotFoundError(
        f"{dataset}: {str(folders[0])!r} lacks some of {wanted}. "
        f"Nothing is downloaded: get them from {source}, and put them there"
    )


def verified(path: Path, published: str) -> None:
    """ValueError unless a file has the MD5 or SHA-1 that was published for it."""
    kind = "md5" if len(published) == 32 else "sha1"
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != published:
        raise ValueError(
            f"{str(path)!r}: its {kind.upper()} is {digest.hexdigest()} and not {published}, as was published: it is "
            "damaged or another file; verify=False takes data of your own"
        )


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read, unpacked if it ends in .gz; ValueError with the file and the offset where it is damaged."""
    with open(path, "rb") as packed:
        if path.suffix != ".gz":
            yield packed
            return
        try:
            with gzip.GzipFile(fileobj=packed) as file:
                yield file  # type: ignore[misc]
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"{str(path)!r}: damaged gzip data, found before byte {packed.tell()} of {path.stat().st_size}: {error}"
            ) from error


def most_bytes(path: Path) -> int:
    """How many bytes a file can give."""
    return path.stat().st_size * (MOST_DEFLATED if path.suffix == ".gz" else 1)


def whole(file: BinaryIO, path: Name, start: int, size: int, last: bool = True) -> bytearray:
    """Read the `size` bytes that follow; `start` says where they begin. ValueError where there are fewer, or, if they
    are the `last`, more. Memory is taken as they come."""
    content = bytearray()
    while len(content) < size:
        chunk = file.read(min(_CHUNK, size - len(content)))
        if not chunk:
            raise ValueError(
                f"{os.fspath(path)!r}: ends at offset {start + len(content)}, where {size} bytes from {start} on are "
                "declared"
            )
        content += chunk
    if last and file.read(1):
        raise ValueError(f"{os.fspath(path)!r}: goes on at offset {start + size}, where it is declared to end")
    return content
