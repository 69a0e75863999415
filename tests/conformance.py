"""The public conformance suite of the Python array API standard, on NumPy and on Pullback with the same flags.

The suite is not part of this repository, and pytest does not collect this file. Get the suite and what it needs, and
run, with the package installed (`pip install --editable .`):

    git clone --recurse-submodules https://github.com/data-apis/array-api-tests
    pip install pytest hypothesis ndindex
    python tests/conformance.py array-api-tests

More arguments go to pytest (default: --max-examples=20 --hypothesis-derandomize). Prints both closing lines and every
test that fails on Pullback, with its reason; exits with 1 if one has no reason below, or if more fail than on NumPy.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

FLAGS = ["--max-examples=20", "--hypothesis-derandomize"]

REASONS = {
    r"test_special_cases.*floordiv__\(.*infinity|test_special_cases.*floor_divide\(.*infinity": (
        "As in NumPy and Python, x // y pairs with x % y where one is infinite, too, which the standard allows: it "
        "prefers floor(x / y), but 'array libraries may choose to more strictly follow Python behavior'."
    ),
    r"test_special_cases.*tanh\(real\(x_i\) is \+infinity and isfinite": (
        "As in NumPy, by C's ctanh: 1 + 0j sin(2y) at infinity + yj, so that the sign of 0 depends on y; the examples "
        "that are drawn decide whether this fails."
    ),
}


def run(suite: Path, module: str, flags: list[str]) -> tuple[str, set[str]]:
    """The closing line of the suite on a module, and the names of the tests that failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "array_api_tests", *flags]
    environment = {**os.environ, "ARRAY_API_TESTS_MODULE": module, "COLUMNS": "1000", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode not in (0, 1):  # 1: some tests failed
        sys.exit(f"the suite did not run on {module}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    found = (re.match(r"(?:FAILED|ERROR) (.*?)(?: - .*)?$", line) for line in lines)
    return lines[-1], {match[1] for match in found if match}


def reason(test: str) -> str | None:
    return next((why for pattern, why in REASONS.items() if re.search(pattern, test)), None)


def main(arguments: list[str]) -> int:
    if not arguments or not (suite := Path(arguments[0])).joinpath("array_api_tests").is_dir():
        print(__doc__)
        return 2
    flags = arguments[1:] or FLAGS
    results = {module: run(suite, module, flags) for module in ("numpy", "pullback")}
    for module, (closing, _) in results.items():
        print(f"{module}: {closing}")
    (_, numpys), (_, ours) = results.values()
    known = {test: reason(test) for test in sorted(ours)}
    for why in dict.fromkeys(known.values()):
        print(f"\n{why or 'NO REASON KNOWN'}")
        print(*(f"    {test}" for test, its in known.items() if its == why), sep="\n")
    return int(None in known.values() or len(ours) > len(numpys))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
