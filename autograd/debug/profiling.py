"""`profile`: a program's time and memory, by operation and by module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from ..core.graph import Node, mode, modes
from ..core.observers import Observer, Options, arrays, nodes
from ..core.rule import Rule
from ..core.signature import Signature
from ..runtime.memory import used

__all__ = ["Profile", "profile"]

_BY = ("module", "operation", "direction")
FIGURES = ("calls", "seconds", "allocated", "kept")


@dataclass
class Row:
    """The time and memory of an operation, in one module and one direction, or ("") summed over several.

    `calls` is the number of calls (in the backward pass, of each argument's rule), `seconds` the time, `allocated` the
    bytes of results that are no views of arguments, `kept` the bytes that the graph keeps for the backward pass (an
    array that several operations keep counts for the first of them). What a `checkpoint` runs again counts again.
    """

    module: str
    operation: str
    direction: str
    calls: int = 0
    seconds: float = 0.0
    allocated: int = 0
    kept: int = 0

    def add(self, other: Row) -> None:
        for name in FIGURES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Profile(Observer):
    """What `profile` recorded: `rows`, one for each module, operation and direction, and `seconds`, the time in all.

    `seconds` is more than the sum over the rows: it includes what is no operation, such as Python's own work.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.module = ""  # the path of the module that runs now
        self._rows: dict[tuple[str, str, str], Row] = {}
        self._made: WeakKeyDictionary[Node, str] = WeakKeyDictionary()  # node -> module
        self._keepers: dict[int, Callable[[], Any]] = {}  # the node that keeps an array, by the array's identity
        self._kept = 0  # bytes kept by nodes that are not in a row yet

    @property
    def rows(self) -> list[Row]:
        """The rows, in the order in which they first ran."""
        return [replace(row) for row in self._rows.values()]

    def by(self, *names: str) -> list[Row]:
        """The rows summed over all but the named ones of "module", "operation" and "direction".

        Without "operation", the row of a module includes its submodules; "" is what ran outside of all modules.

        >>> from pullback import Tensor
        >>> with profile() as prof:
        ...     y = Tensor(2.0) * 3.0 * 4.0
        >>> [(row.operation, row.calls) for row in prof.by("operation")]
        [('multiply', 2)]
        """
        if not names or not set(names) <= set(_BY):
            raise ValueError(f"by: {', '.join(map(repr, names)) or 'nothing'} given; there are {', '.join(_BY)}")
        sums: dict[tuple[str, ...], Row] = {}
        for row in self._rows.values():
            module, operation, direction = (getattr(row, name) if name in names else "" for name in _BY)
            above = list(accumulate(module.split("."), "{}.{}".format))
            for module in above[-1:] if operation else above:
                sums.setdefault((module, operation, direction), Row(module, operation, direction)).add(row)
        return list(sums.values())

    def table(self, sort_by: str = "seconds", limit: int | None = None, by: tuple[str, ...] | str = _BY) -> str:
        """The rows (of `by`) as text, sorted by "seconds", "calls", "allocated" or "kept", the largest first.

        `share` is the share of the time of all operations.

        >>> from pullback import Tensor
        >>> with profile() as prof:
        ...     y = Tensor(2.0) * 3.0 * 4.0
        >>> print(prof.table("calls", by="operation"))
        operation  calls  seconds  allocated  kept   share
        multiply       2   ...       16 B   0 B  100.0%
        """
        if sort_by not in FIGURES:
            raise ValueError(f"table: sort_by={sort_by!r} given; there are {', '.join(FIGURES)}")
        names = (by,) if isinstance(by, str) else tuple(by)
        rows = sorted(self.by(*names), key=lambda row: getattr(row, sort_by), reverse=True)[:limit]
        total = sum(row.seconds for row in self._rows.values()) or 1.0
        cells = [[*names, *FIGURES, "share"]]
        for row in rows:
            labels = [getattr(row, name) or "-" for name in names]
            cells.append([*labels, *(quantity(getattr(row, name), name) for name in FIGURES)])
            cells[-1].append(f"{row.seconds / total:.1%}")
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for line in cells:
            padded = [
                c.ljust(w) if i < len(names) else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
            ]
            lines.append("  ".join(padded).rstrip())
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.table(limit=20)

    def ran(
        self, primitive: Signature, args: tuple[object, ...], options: Options, out: object, seconds: float | None
    ) -> None:
        for node in nodes(out):
            if node not in self._made:
                self._made[node] = self.module
                self._kept += self._keeps(node)
        if seconds is not None:
            self._add(self.module, primitive.name, "forward", seconds, out, args)

    def pulled(
        self, rule: Rule, node: Node, g: object, kept: tuple[object, ...], cotangent: object, seconds: float | None
    ) -> None:
        if seconds is not None:
            module = self._made.get(node, "")
            self._add(module, node.primitive.name, "backward", seconds, cotangent, (g, kept))

    def _add(self, module: str, operation: str, direction: str, seconds: float, out: Any, args: Any) -> None:
        given = set(map(id, map(_owner, arrays(args))))
        new = {id(owner): owner for owner in map(_owner, arrays(out)) if id(owner) not in given}
        key = (module, operation, direction)
        allocated = sum(map(used, new.values()))
        self._rows.setdefault(key, Row(*key)).add(Row(*key, 1, seconds, allocated, self._kept))
        self._kept = 0

    def _keeps(self, node: Node) -> int:
        """The bytes that a node keeps and no earlier one does."""
        total = 0
        for _, _, kept in node.edges or ():
            for owner in map(_owner, arrays(kept)):
                keeper = self._keepers.get(id(owner), lambda: None)()
                if isinstance(owner, np.ndarray) and (keeper is None or keeper.edges is None):
                    self._keepers[id(owner)] = ref(node)
                    total += used(owner)
        return total

    def _inside(self, path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a module's forward, so that its operations are recorded under this path."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if self not in modes.observers:  # another thread
                return forward(*args, **kwargs)
            before, self.module = self.module, path
            try:
                return forward(*args, **kwargs)
            finally:
                self.module = before

        return run


@contextmanager
def profile(model: Any = None) -> Iterator[Profile]:
    """Record what each operation takes in this context and thread, forward and backward: a `Profile`.

    What runs in the modules of `model` is recorded under their names in `model.named_modules()`, and so are their
    backward passes. Outside of the context nothing is slower.

    >>> from pullback import Tensor, nn
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    >>> with profile(model) as prof:
    ...     model(Tensor([[1.0, 2.0, 3.0]])).sum().backward()
    >>> sorted({row.module for row in prof.rows})
    ['', '0', '1']
    >>> len(prof.table(sort_by="kept", limit=3).splitlines())
    4
    """
    made = Profile()
    watched = list(model.named_modules()) if model is not None else []
    for name, module in watched:
        object.__setattr__(module, "forward", made._inside(name, module.forward))
    start = perf_counter()
    try:
        with mode(observers=(*modes.observers, made)):
            yield made
    finally:
        made.seconds += perf_counter() - start
        for _, module in watched:
            del module.__dict__["forward"]


def _owner(array: Any) -> Any:
    """The array that owns the memory of a view."""
    while isinstance(getattr(array, "base", None), np.ndarray):
        array = array.base
    return array


def quantity(value: float, name: str) -> str:
    """A figure with its unit, as text."""
    if name == "calls":
        return f"{value:g}"
    value, units = (1e6 * value, ("us", "ms", "s")) if name == "seconds" else (value, ("B", "kB", "MB", "GB", "TB"))
    for unit in units[:-1]:
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} {units[-1]}"
