"""Self-contained HTML pages of text and pictures."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from .figures import captioned, image

__all__ = ["report"]


_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --soft: #57606a; --paper: #fcfcfa; --line: #d9dde3; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e6ea; --soft: #a2abb5; --paper: #16181c; --line: #343a42; }
}
body { margin: 0 auto; max-width: 78rem; padding: 3rem 1.5rem 5rem; color: var(--text); background: var(--paper);
  font: 1.0625rem/1.6 Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", Georgia, serif;
  overflow-wrap: anywhere; }
body.wide { max-width: none; }
h1, h2 { font-family: Helvetica, Arial, sans-serif; line-height: 1.2; letter-spacing: -0.01em; text-wrap: balance; }
h1 { font-size: 2rem; margin: 0 0 2rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 0.75rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
p { max-width: 42rem; margin: 0 0 1rem; }
figure { margin: 1.25rem 0; }
figure > div { width: fit-content; max-width: 100%; box-sizing: border-box; padding: 0.5rem;
  background: white; border-radius: 6px; }
figure img { display: block; max-width: 100%; height: auto; }
figure svg { display: block; height: auto; }
figcaption { max-width: 42rem; margin-top: 0.5rem; color: var(--soft); font-size: 0.9375rem; line-height: 1.5; }
@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
}
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
    notebooks show by `_repr_svg_` or `_repr_png_`; they become part of the page. A picture in a tuple with a text has
    that as its caption instead of its own; the caption, or without one the heading, is what screen readers read.
    TypeError for anything else.
    """
    parts = []
    for heading, text, pictures in sections:
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph.strip()]
        for given in pictures:
            picture, caption = given if isinstance(given, tuple) else (given, getattr(given, "caption", ""))
            parts.append(captioned(_inline(picture, caption or heading), caption))
    Path(path).write_text(page(title, "\n".join(parts)), encoding="utf-8")


def _inline(picture: Any, alternative: str) -> str:
    if hasattr(picture, "_repr_svg_"):
        svg = picture._repr_svg_()
        begin = f'<svg role="img" aria-label="{html.escape(alternative)}" style="max-width: 100%; {_narrowest(svg)}"'
        return begin + svg[svg.index("<svg") + 4 :]
    if hasattr(picture, "_repr_png_"):
        return image(picture._repr_png_(), alternative)
    raise TypeError(f"report: {picture!r} is not a picture")


def _narrowest(svg: str) -> str:
    """An SVG is shrunk until its least texts, of 10 points, have 11 pixels, and then moved sideways."""
    width = re.search(r'<svg[^>]*? width="([\d.]+)pt"', svg)
    return f"min-width: {1.1 * float(width[1]):.0f}px" if width else ""
