"""What torch.nn has that no case compares and `absent.py` does not name."""

import inspect

from .absent import ABSENT
from .cases import CASES


def missing() -> list[str]:
    """The names below torch.nn, in order."""
    import torch

    functional = torch.nn.functional
    functions = [
        name
        for name, value in vars(functional).items()
        if name[0] != "_" and callable(value) and not inspect.isclass(value) and name not in _HELPERS
    ]
    names = [*torch.nn.modules.__all__, *(f"functional.{name}" for name in sorted(functions))]
    compared = {case.name for cases in CASES.values() for case in cases}
    return [
        name for name in names if name not in compared and name not in ABSENT and not name.endswith("_with_indices")
    ]


_HELPERS = {"Optional", "Callable", "assert_int_or_pair", "boolean_dispatch", "handle_torch_function"} | {
    f"has_torch_function{kind}" for kind in ("", "_unary", "_variadic")
}
