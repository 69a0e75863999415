"""What a check tells: that all agrees and where it had to look twice, or what is wrong and how to see it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn


class GradcheckError(AssertionError):
    """A gradient, or something else that was checked, is wrong; the message is the report."""


@dataclass(frozen=True)
class Kink:
    """A place where slopes on different sides differ, and the gradient was held to those found nearby.

    `argument` is the name of what moves there, `index` the entries of it that do.
    """

    argument: str
    index: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Passed:
    """The verdict of a check that found nothing wrong: true, with how many slopes were compared, and by which methods.

    `kinks` names where the function has no one derivative, `unclear` counts slopes that no method could tell to three
    digits, nor to 1e-10 of the result: there the gradient was held to what is known.

    >>> from pullback import Tensor, relu
    >>> from pullback.testing import gradcheck
    >>> gradcheck(relu, Tensor([0.0, 2.0], requires_grad=True)).kinks
    (Kink(argument='input 0', index=((0,),)),)
    """

    slopes: int = 0
    methods: tuple[str, ...] = ()
    kinks: tuple[Kink, ...] = ()
    unclear: int = 0

    def __bool__(self) -> bool:
        """Return True."""
        return True

    def __add__(self, other: Passed) -> Passed:
        """Return the verdict of both checks together."""
        return Passed(
            self.slopes + other.slopes,
            tuple(dict.fromkeys(self.methods + other.methods)),
            tuple(dict.fromkeys(self.kinks + other.kinks)),
            self.unclear + other.unclear,
        )

    def __str__(self) -> str:
        text = [f"passed: {self.slopes} slopes by {', '.join(self.methods) or 'none'}"]
        text += [f"kink at {k.argument}{', '.join(map(_place, k.index))}" for k in self.kinks]
        return "; ".join(text + ([f"{self.unclear} unclear"] if self.unclear else []))


def _place(at: Sequence[int]) -> str:
    return f" {list(at)}" if at else ""


def fail(lines: Sequence[str]) -> NoReturn:
    """Raise the report: from one place, so that Hypothesis takes all failures for one and shrinks across them."""
    raise GradcheckError("\n".join(lines))
