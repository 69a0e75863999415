"""Makes docs/torch_spellings.md, from the tables of the spellings that the package takes.

    python tests/helpers/torch_table.py

`test_spellings.py` keeps the page true.
"""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path

from pullback.autograd.core import spellings as words
from pullback.autograd.numpy_api.spellings import ABSENT, CLASHES, IN_PLACE, METHODS, TABLE, bare

PAGE = Path(__file__).parents[2] / "docs" / "torch_spellings.md"
HEAD = """# PyTorch's spellings

What PyTorch's users type works on Tensors, and in the package's namespace, where it clashes with nothing of NumPy's.
Both spellings are one function with one set of rules; derivatives of any order, `jvp` and `vmap` go through both.
Results have the dtypes of NumPy 2's promotion, and floats are float64 unless `set_default_dtype` says otherwise. This
page is made by `python tests/helpers/torch_table.py` from the tables in autograd/numpy_api/spellings.py and
autograd/core/spellings.py, and a test keeps it true.

## Arguments

In calls of `pullback.f(x, ...)` and `x.f(...)`, not of `numpy.f`; one of both words, not both.

| PyTorch | NumPy |
|---|---|
"""
REFUSED = """
`input=`, `tensors=` and `other=` are a function's first and second argument.

## Clashes

Where PyTorch means something else, NumPy's meaning stays. `dim=` and `keepdim=` are refused in these functions, with
an error that names what to write:

| Function | |
|---|---|
"""
POSITIONAL = """
By position, or by defaults, these are NumPy's calls, too, and do what NumPy does:

| PyTorch | Here | Write |
|---|---|---|
"""
IN = """
## In place

Methods of Tensors that return the Tensor itself, recorded as `x[...] = value` is; a RuntimeError for a leaf that
requires a gradient, unless `no_grad()` is in force. Shapes and dtypes stay.
"""
MORE = """
## More methods

NumPy's functions that arrays have no methods for are methods of Tensors:
"""
NOT = """
## Not here

| Method | |
|---|---|
"""


def listed(names):
    return textwrap.wrap(", ".join(f"`{name}`" for name in names) + ".", 119, break_long_words=False)


def called(name, spelling):
    """How it is called: by the arguments of its function."""
    parameters = list(inspect.signature(bare(spelling.function)).parameters.values())
    text = ", ".join(
        f"{'*' if p.kind is p.VAR_POSITIONAL else ''}{p.name}{f'={p.default!r}' if p.default is not p.empty else ''}"
        for p in parameters
    )
    if spelling.where == "pb":
        return f"`pb.{name}({text})`"
    method = f"`x.{name}({text.partition(', ')[2]})`"
    return method if spelling.where == "x" else f"{method}, `pb.{name}`"


def page():
    """The page, as lines."""
    lines = HEAD.splitlines()
    lines += [f"| `{word}=` | {', '.join(f'`{own}=`' for own in names)} |" for word, names in words.WORDS.items()]
    lines += REFUSED.splitlines()
    lines += [f"| `{name}` | {said.format(name=name, dim=1)} |" for name, said in words.CLASHES.items()]
    lines += POSITIONAL.splitlines()
    lines += [f"| `{name}` | {here} | {write} |" for name, (here, write) in CLASHES.items()]
    for section, rows in TABLE.items():
        lines += ["", f"## {section}", "", "| PyTorch | NumPy |", "|---|---|"]
        lines += [f"| {called(name, row)} | {row.numpy} |" for name, row in rows.items()]
    tabled = {name for rows in TABLE.values() for name in rows}
    lines += [*IN.splitlines(), "", *listed(sorted(IN_PLACE))]
    lines += [*MORE.splitlines(), "", *listed(sorted(METHODS.keys() - tabled))]
    lines += [*NOT.splitlines(), *(f"| `x.{name}` | {said} |" for name, said in ABSENT.items())]
    return lines


if __name__ == "__main__":
    PAGE.write_text("\n".join(page()) + "\n")
