"""Whole functions, drawn at random: operations whose shapes fit, written as Python that can be copied."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from .draw import Draw

_MOST = 48  # entries of a value

# Operations as expressions in x, the last value, and y, one that broadcasts with it.
_ENTRYWISE = [
    "pb.sin({x})", "pb.cos({x})", "pb.tanh({x})", "pb.arctan({x})", "pb.arcsinh({x})", "pb.sigmoid({x})",
    "pb.softplus({x})", "-{x}", "pb.square({x})", "{x}**3", "pb.exp(pb.sin({x}))", "pb.expm1(pb.tanh({x}))",
    "pb.exp2(pb.cos({x}))", "pb.sinh(pb.sin({x}))", "pb.log(1.5+pb.sin({x}))", "pb.log1p({x}**2)",
    "pb.log2(2+pb.cos({x}))", "pb.log10(2+{x}**2)", "pb.sqrt(1+{x}**2)", "pb.cbrt(1.5+pb.sin({x}))",
    "pb.reciprocal(1+{x}**2)", "(1.5+pb.sin({x}))**1.5", "pb.arcsin(0.8*pb.sin({x}))", "pb.arccos(0.8*pb.cos({x}))",
    "pb.arctanh(0.8*pb.sin({x}))", "pb.arccosh(2+{x}**2)", "pb.sinc({x})", "{x}+{y}", "{x}-{y}", "{x}*{y}",
    "{x}/(1+{y}**2)", "pb.logaddexp({x},{y})", "pb.hypot(1.5+pb.sin({x}),{y})", "pb.arctan2({x},1.5+pb.sin({y}))",
    "(1.5+pb.sin({x}))**pb.sin({y})", "pb.where({mask},{x},{y})",
]  # fmt: skip
_SHAPING = [
    "pb.sum({x})", "pb.mean({x})", "{x}.reshape(-1)", "pb.transpose({x})", "pb.expand_dims({x},0)", "{x}[...,None]",
    "pb.stack([{x},{x}])", "pb.outer({x},{x})", "pb.broadcast_to({x},(2,*{x}.shape))", "pb.where({mask},{x},0.5)",
]  # fmt: skip
_ALONG = [
    "pb.sum({x},axis={axis})", "pb.mean({x},axis={axis},keepdims=True)", "pb.prod({x},axis={axis})",
    "pb.var({x},axis={axis})", "pb.cumsum({x},axis={axis})", "pb.cumprod({x},axis={axis})",
    "pb.flip({x},axis={axis})", "pb.roll({x},1,axis={axis})", "pb.softmax({x},axis={axis})",
    "pb.logsumexp({x},axis={axis})", "pb.log_softmax({x},axis={axis})", "pb.concatenate([{x},{x}],axis={axis})",
    "pb.repeat({x},2,axis={axis})", "pb.take({x},[0,-1,0],axis={axis})", "pb.moveaxis({x},{axis},0)",
    "pb.diff({x},axis={axis},prepend=0.5)",
    "{x}[::-1]", "{x}[0]", "{x}[...,-1]", "{x}[[0,-1,0]]", "{x}[...,:1]", "pb.pad({x},1)", "pb.tile({x},2)",
    "pb.linalg.norm(1+{x}**2,axis={axis})", 'pb.einsum("...i,...i",{x},{x})', 'pb.einsum("...i,...j->...ij",{x},{x})',
]  # fmt: skip
_MATRICES = [
    "{x}@{x}.mT", "{x}.mT@{x}", "pb.trace({x},axis1=-2,axis2=-1)", "pb.tril({x})",
    "pb.diagonal({x},axis1=-2,axis2=-1)", "pb.linalg.inv(2*pb.eye({x}.shape[-2])+pb.tanh({x}@{x}.mT)/{x}.shape[-2])",
    "pb.linalg.solve(2*pb.eye({x}.shape[-2])+pb.tanh({x}@{x}.mT)/{x}.shape[-2],{x})",
    "pb.linalg.det(2*pb.eye({x}.shape[-2])+pb.tanh({x}@{x}.mT)/{x}.shape[-2])",
    "pb.linalg.cholesky(pb.eye({x}.shape[-2])+{x}@{x}.mT)",
]  # fmt: skip
_KINKED = [
    "pb.abs({x})", "pb.relu({x})", "pb.maximum({x},{y})", "pb.minimum({x},{y})", "pb.clip({x},-0.5,0.5)",
    "pb.max({x})", "pb.median({x})", "pb.sort({x}.reshape(-1))", "pb.min({x},axis={axis})",
    "pb.sort({x},axis={axis})", "pb.std({x},axis={axis})", "pb.linalg.norm({x})",
]  # fmt: skip


class Program:
    """A function, as Python source, with arguments at which it has derivatives of every order if it is `smooth`.

    Calling it takes arrays or Tensors. Its repr is a program that makes `f` and `arguments`.
    """

    def __init__(self, lines: list[str], arguments: tuple[Any, ...], smooth: bool) -> None:
        names = ", ".join(f"x{i}" for i in range(len(arguments)))
        self.source = "\n    ".join([f"def f({names}):", *lines]) + "\n"
        self.arguments, self.smooth = arguments, smooth
        scope: dict[str, Any] = {"pb": _package()}
        exec(self.source, scope)
        self._function = scope["f"]

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __repr__(self) -> str:
        values = "".join(f"    pb.asarray({x.tolist()}),\n" for x in self.arguments)
        return f"import pullback as pb\n\n\n{self.source}\n\narguments = (\n{values})\n"


def _package() -> Any:
    return import_module(__package__.split(".")[0])


def draw_program(draw: Draw, smooth: bool, steps: int) -> Program:
    """A program of up to `steps` operations, each of the result of the one before and perhaps of an earlier value."""
    pb = _package()
    shapes = draw.broadcastable(draw.integer(1, 3), max_dims=2)
    arguments = tuple(draw.array(tuple(max(n, 1) for n in shape), dtype=np.float64) for shape in shapes)
    values = {f"x{i}": x for i, x in enumerate(arguments)}
    lines: list[str] = []
    for _ in range(draw.integer(1, steps)):
        name, x = list(values.items())[-1]
        expressions = _ENTRYWISE + _SHAPING + ([] if smooth else _KINKED)
        expressions += (_ALONG if x.ndim else []) + (_MATRICES if x.ndim > 1 else [])
        expression = draw.one_of([e for e in expressions if x.ndim or "{axis}" not in e])
        text = expression.format(
            x=name,
            y=draw.one_of([other for other, y in values.items() if _together(x, y)]),
            axis=draw.integer(0, max(x.ndim - 1, 0)),
            mask=draw.mask(x.shape).tolist() if "{mask}" in expression else None,
        )
        with np.errstate(all="ignore"):
            out = np.asarray(eval(text, {"pb": pb}, values))
        if not np.all(np.isfinite(out)):
            text, out = f"pb.sin({name})", np.sin(x)
        if out.size > _MOST:
            text, out = f"pb.mean({text})", np.mean(out)
        scale = 2 ** max(0, int(np.ceil(np.log2(np.max(np.abs(out), initial=1)))) - 2)  # entries of at most 4
        if scale > 1:
            text, out = f"({text})/{scale}", out / scale
        name = f"x{len(values)}"
        values[name] = np.asarray(out)
        lines.append(f"{name} = {text}")
    return Program([*lines, f"return {list(values)[-1]}"], arguments, smooth)


def _together(x: Any, y: Any) -> bool:
    return all(n == m or 1 in (n, m) for n, m in zip(x.shape[::-1], y.shape[::-1], strict=False))
