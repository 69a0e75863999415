"""A model as text: its repr, and the table of its layers, output shapes and numbers of parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Tensor, no_grad
from .traversal import in_mode, walk

__all__ = ["Row", "Summary"]


class Row(NamedTuple):
    """A layer: its dotted name, type, output's shape ("N" for the batch) and number of parameters of its own."""

    name: str
    type: str
    output_shape: str
    parameters: int


@dataclass(frozen=True)
class Summary:
    """The layers of a model in order, and how many parameters there are; `str` makes it a table."""

    rows: list[Row]
    total_parameters: int
    trainable_parameters: int

    def __str__(self) -> str:
        cells = [("layer", "type", "output shape", "parameters")]
        cells += [(row.name, row.type, row.output_shape, f"{row.parameters:,}") for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) if i == 3 else cell.ljust(width) for i, (cell, width) in pairs)
            for pairs in (enumerate(zip(line, widths, strict=True)) for line in cells)
        ]
        rule = "-" * len(lines[0])
        total = f"parameters: {self.total_parameters:,}, of them trainable: {self.trainable_parameters:,}"
        return "\n".join([lines[0], rule, *lines[1:], rule, total])

    __repr__ = __str__


def summarize(model: Any, input_shape: tuple[int, ...]) -> Summary:
    """See `Module.summary`."""
    modules = list(model.named_modules())
    parameters = list(model.parameters())
    x = np.zeros((1, *input_shape), parameters[0].dtype if parameters else np.float32)
    shapes: dict[int, str] = {}

    def record(module: Any, args: Any, output: Any) -> None:
        shapes[id(module)] = _shape(output)

    handles = [module.register_forward_hook(record) for _, module in modules]
    try:
        with in_mode(model, training=False), no_grad():
            model(Tensor(x))
    finally:
        for handle in handles:
            handle.remove()

    rows: list[Row] = []
    counted: set[int] = set()
    for name, module in modules:
        own = [p for p in module.parameters(recurse=False) if id(p) not in counted]
        counted.update(map(id, own))
        if own or not any(True for _ in module.children()):
            count = sum(p.size for p in own)
            rows.append(Row(name or "-", type(module).__name__, shapes.get(id(module), "not called"), count))
    return Summary(rows, sum(p.size for p in parameters), sum(p.size for p in parameters if p.requires_grad))


def _shape(output: Any) -> str:
    if isinstance(output, (tuple, list)):
        return ", ".join(map(_shape, output))
    shape = np.shape(output)
    return f"(N{''.join(f', {n}' for n in shape[1:])})" if shape else "()"


def described(model: Any, plain: Callable[..., str]) -> str:
    """Write a module and all below it, however deep, a line each; those whose `__repr__` is not `plain` as they say.

    Of a module with `_rolled`, equal children that follow one another are one line: `(0-5): 6 x Linear(...)`.
    """
    lines: list[str] = []
    inside: set[int] = set()
    alike = _Alike(model, plain)
    todo: list[Any] = [("", "", model)]  # for each line or module its indent, and what stands before it
    while todo:
        indent, before, item = todo.pop()
        if isinstance(item, str):
            lines.append(indent + before + item.replace("\n", "\n" + indent))
        elif isinstance(item, int):
            inside.remove(item)
        elif id(item) in inside:
            lines.append(f"{indent}{before}...")  # it is a part of itself
        elif item is not model and type(item).__repr__ is not plain:
            todo.append((indent, before, repr(item)))
        else:
            name, extra, children = item._get_name(), item.extra_repr(), item._own_modules()
            if not children and "\n" not in extra:
                todo.append((indent, before, f"{name}({extra})"))
                continue
            rolled = getattr(item, "_rolled", False)
            named = _rolled(children, alike) if rolled else [(f"({name}): ", child) for name, child in children]
            inside.add(id(item))
            lines.append(f"{indent}{before}{name}(")
            below = [(indent + "  ", before, child) for before, child in named]
            more = [(indent + "  ", "", extra)] if extra else []
            todo += [("", "", id(item)), (indent, "", ")"), *reversed([*more, *below])]
    return "\n".join(lines)


class _Alike:
    """Numbers for the modules of a model, equal where their texts are; they are found when the first is asked for."""

    def __init__(self, model: Any, plain: Callable[..., str]) -> None:
        self.model, self.plain = model, plain
        self.numbers: dict[int, Any] = {}

    def __call__(self, module: Any) -> Any:
        if not self.numbers:
            kinds: dict[Any, int] = {}
            for _, part, left in walk(self.model, "", set()):
                if left:
                    self.numbers[id(part)] = kinds.setdefault(self._text(part), len(kinds))
        return self.numbers[id(module)]

    def _text(self, module: Any) -> Any:
        """What the text of a module consists of."""
        if module is not self.model and type(module).__repr__ is not self.plain:
            return repr(module)
        parts = [(name, self.numbers.get(id(child), child)) for name, child in module._own_modules()]
        return module._get_name(), module.extra_repr(), tuple(parts)


def _rolled(children: list[tuple[str, Any]], alike: Callable[[Any], Any]) -> list[tuple[str, Any]]:
    """The children, each run of equal ones as its first, behind what says how many."""
    rolled = []
    for _, run in groupby(children, lambda pair: alike(pair[1])):
        (first, child), *rest = run
        rolled.append((f"({first}-{rest[-1][0]}): {len(rest) + 1} x " if rest else f"({first}): ", child))
    return rolled
