"""The command line: `pullback train`, `evaluate`, `show` and `check`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from .augmentation import AUGMENTATIONS
from .checking import check
from .data import FORMATS
from .mistakes import Mistake
from .models import MODELS
from .report import show
from .training import OPTIMIZERS, SCHEDULERS, evaluate, train

__all__ = ["main"]

_ENDS = "It ends with 0, 1 where gradients are wrong, 2 for a mistake in what was asked, 130 after Ctrl-C."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, with `sys.argv` unless given; returns the exit code.

    0 is for success, 1 for gradients that `check` found wrong, 2 for a mistake of the user's (where the arguments make
    no sense SystemExit(2), as argparse has it), and 130 after Ctrl-C.

    >>> main(["evaluate", "mnist5k", "--model", "lenet", "--weights", "nowhere.safetensors"])
    2
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (Mistake, OSError, ValueError, ImportError, FloatingPointError) as error:
        if options.traceback:
            raise
        print(f"pullback {options.verb}: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pullback",
        description="Train networks that name images, look at what they have learned, and check gradients.",
        epilog=f"{FORMATS}\n\n{_ENDS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _training(_verb(verbs, "train", train, "train a model, and write its weights and a report", _TRAIN))
    _of_weights(_verb(verbs, "evaluate", evaluate, "measure a model on the images to test with", _EVALUATE))
    shown = _verb(verbs, "show", show, "write pictures of what a model has learned", _SHOW)
    _of_weights(shown)
    shown.add_argument("--out", default="run", metavar="DIR", help="where to write them (default: run)")
    shown.add_argument("--layer", help="the layer to look into (default: the last convolution)")
    checked = _verb(verbs, "check", check, "check the gradients of a function against finite differences", _CHECK)
    checked.add_argument("function", metavar="FILE::FUNCTION", help="a file of Python and a function in it")
    checked.add_argument("--second-order", action="store_true", help="check the second derivatives, too")
    checked.add_argument("--forward", action="store_true", help="compare forward mode with reverse mode, too")
    return parser


def _verb(verbs: Any, name: str, run: Callable[[Any], int], text: str, examples: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    parser.set_defaults(run=run)
    return parser


def _of_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="the images: mnist5k, a folder or a file, see below")
    parser.add_argument("--model", default="lenet", help=f"one of {', '.join(MODELS)} (default: lenet)")
    parser.add_argument("--split", metavar="NAME", help="of EMNIST, where the folder holds several")
    parser.add_argument("--target", metavar="COLUMN", help="of a .csv file: the name or number of that of the classes")
    parser.add_argument("--size", type=_positive, help="height and width to which images are scaled")
    parser.add_argument("--batch-size", type=_positive, default=64, metavar="N", help="(default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--workers", type=_count, default=0, metavar="N", help="threads that load images (default: 0)")
    parser.add_argument(
        "--no-verify", dest="verify", action="store_false", help="take files that are not those that were published"
    )


def _of_weights(parser: argparse.ArgumentParser) -> None:
    _of_images(parser)
    parser.add_argument("--weights", required=True, metavar="FILE", help="a safetensors file, as train writes it")


def _training(parser: argparse.ArgumentParser) -> None:
    _of_images(parser)
    parser.add_argument("--epochs", type=_count, default=5, metavar="N", help="passes over the data (default: 5)")
    parser.add_argument(
        "--optimizer", default="adam", metavar="NAME", help=f"one of {', '.join(OPTIMIZERS)} (default: adam)"
    )
    parser.add_argument("--lr", type=float, help="the learning rate (default: that of the optimizer; sgd has 0.01)")
    parser.add_argument("--scheduler", choices=SCHEDULERS, default="none", help="of the learning rate (default: none)")
    names = ", ".join(AUGMENTATIONS)
    parser.add_argument(
        "--augment", default="", metavar="NAMES", help=f"change images to train on at random: {names}, with commas"
    )
    parser.add_argument(
        "--early-stopping",
        type=_positive,
        metavar="N",
        help="stop when the loss on the images to test with has not fallen for N epochs, and keep the best weights",
    )
    parser.add_argument("--checkpoint", metavar="DIR", help="save the training here after each epoch and after Ctrl-C")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint, if there is one")
    parser.add_argument("--out", default="run", metavar="DIR", help="where weights and report go (default: run)")
    parser.add_argument("--no-report", dest="report", action="store_false", help="write no report")
    parser.add_argument(
        "--nonfinite", choices=("raise", "skip"), default="raise", help="for a loss that is NaN (default: raise)"
    )
    bars = parser.add_mutually_exclusive_group()
    terminal = sys.stderr.isatty()
    bars.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, default=terminal, help="bars (default: in a terminal)"
    )
    bars.add_argument("--quiet", action="store_true", help="no bars, and no lines for epochs")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _positive(text: str) -> int:
    number = _count(text)
    if not number:
        raise argparse.ArgumentTypeError("it must be 1 or more")
    return number


_TRAIN = f"""\
examples:
  pullback train mnist5k
  pullback train mnist5k --optimizer sgd --lr 0.05 --scheduler cosine --epochs 10 --out digits
  pullback train mnist5k --augment crop,cutout --epochs 50 --early-stopping 5
  pullback train photos --model resnet18 --size 64 --workers 2 --augment crop,flip,mixup
  pullback train letters --split letters --seed 7
  pullback train digits.csv --target digit
  pullback train cifar --model vgg11 --epochs 30 --checkpoint saved --resume

{FORMATS}

In --out there are then weights.safetensors, history.json and report.html. With --resume the same command goes on
where it was broken off, and ends as if it had not been.
"""
_EVALUATE = f"""\
examples:
  pullback evaluate mnist5k --weights run/weights.safetensors
  pullback evaluate photos --model resnet18 --size 64 --weights run/weights.safetensors

{FORMATS}
"""
_SHOW = f"""\
examples:
  pullback show mnist5k --weights run/weights.safetensors
  pullback show photos --model vgg11 --weights run/weights.safetensors --layer features.4 --out pictures

{FORMATS}
"""
_CHECK = """\
examples:
  pullback check losses.py::my_loss
  pullback check losses.py::my_loss --second-order --forward

The function takes Tensors and gives a Tensor or several. It is checked at the defaults of its arguments, as in

  def my_loss(x=np.linspace(-1, 1, 5), scale=2.0):
      return (scale * x**2).sum()

or, if not all have any, at what a function inputs() of the file returns: an array, or a tuple of them.
Floats and complex numbers get gradients. Take float64 for the sharpest check.
"""
