"""How far long sums are off, beside PyTorch: convolutions, gradients, reductions, products and pools.

    python benchmarks/accuracy.py

The cases are those of tests/helpers/accuracy_cases.py. It writes accuracy.md beside itself.
"""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import report
from peers import Pullback

from pullback.tests.helpers import accuracy_cases

REPORT = Path(__file__).with_suffix(".md")


def main() -> None:
    start, libraries = time.time(), (accuracy_cases.pullback(), accuracy_cases.pytorch())
    text, more = "", 0
    groups = {"float32": accuracy_cases.SMALL | accuracy_cases.LARGE, "float64": accuracy_cases.SMALL}
    for dtype, cases in groups.items():
        rows, eps = [], np.finfo(dtype).eps
        for name, case in cases.items():
            cells = []
            for positive in (True, False):
                ours, theirs = accuracy_cases.errors(libraries, case, dtype, positive)
                worse = ours > 2 * max(theirs, eps / 2)
                more += worse
                cells += [f"{ours / eps:.2f}", f"{theirs / eps:.2f}", f"**{ours / theirs:.2f}**" if worse else ""]
            rows.append([name, *cells])
        heads = [f"{kind}: {what}" for kind in ("positive", "normal") for what in ("Pullback", "PyTorch", "ratio")]
        text += f"\n## {dtype}\n\n" + report.table(["case", *heads], rows)
    count = 2 * sum(map(len, groups.values()))
    REPORT.write_text(
        f"""# Accuracy

Errors of long sums, in multiples of the dtype's eps ({np.finfo(np.float32).eps:.3g} and \
{np.finfo(np.float64).eps:.3g}): for positive data (uniform from 0 to 1) the largest relative error of an entry, for
normal data the largest error as a share of the largest exact entry. Exact values are sums in float64 for float32 and in
longdouble for float64. {count - more} of {count} errors are at most twice PyTorch's, or half an eps, which the last
rounding may be off, where that is more; the ratio is given for the others. Errors are those of one draw, so that a
single ratio varies by half.

- Machine: {report.cpu()}; {platform.system()}, Python {platform.python_version()}, NumPy {np.__version__}
- Pullback {Pullback().about()}, PyTorch {version("torch")}
- Command: `python benchmarks/accuracy.py`; it took {(time.time() - start) / 60:.0f} minutes
{text}"""
    )


if __name__ == "__main__":
    main()
