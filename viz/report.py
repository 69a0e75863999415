"""Self-contained HTML pages of text and pictures."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from .figures import DPI

__all__ = ["report"]


_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --paper: #fcfcfa; --line: #d9dde3; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e6ea; --paper: #16181c; --line: #343a42; }
}
body { margin: 0 auto; max-width: 60rem; padding: 3rem 1.5rem 5rem; color: var(--text); background: var(--paper);
  font: 1.0625rem/1.6 Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", Georgia, serif; }
body.wide { max-width: none; }
h1, h2 { font-family: Helvetica, Arial, sans-serif; line-height: 1.2; letter-spacing: -0.01em; text-wrap: balance; }
h1 { font-size: 2rem; margin: 0 0 2rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 0.75rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
p { max-width: 42rem; margin: 0 0 1rem; }
figure { margin: 1.25rem 0; overflow-x: auto; }
figure img { max-width: calc(100% - 1rem); height: auto; padding: 0.5rem; background: white; border-radius: 6px; }
"""


def page(title: str, body: str, layout: str = "") -> str:
    """Write an HTML document around a body that is HTML already; the `layout` is "wide" for as wide as the window."""
    title = html.escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body class="{layout}">
<h1>{title}</h1>
{body}
</body>
</html>
"""


def report(path: str | PathLike[str], title: str, sections: Iterable[tuple[str, str, Iterable[object]]]) -> None:
    """Write one self-contained HTML page of `sections`, each a heading, a text and pictures.

    An empty line in a text begins a new paragraph. Pictures are those of this package, or whatever else
    notebooks show by `_repr_svg_` or `_repr_png_`; they become part of the page. TypeError for anything else.
    """
    parts = []
    for heading, text, pictures in sections:
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph.strip()]
        parts += [f"<figure>{_inline(picture)}</figure>" for picture in pictures]
    Path(path).write_text(page(title, "\n".join(parts)), encoding="utf-8")


def _inline(picture: Any) -> str:
    if hasattr(picture, "_repr_svg_"):
        svg = picture._repr_svg_()
        return svg[svg.index("<svg") :]
    if hasattr(picture, "_repr_png_"):
        png = picture._repr_png_()
        width = round(int.from_bytes(png[16:20]) * 96 / DPI)
        return f'<img alt="" width="{width}" src="data:image/png;base64,{b64encode(png).decode()}">'
    raise TypeError(f"report: {picture!r} is not a picture")
