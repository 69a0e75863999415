"""Views, taken and written into while all calls take the general path."""

import pullback as pb
from pullback import Tensor


def test_numbers_without_axes_while_somebody_looks_on():
    for context in (pb.profile(), pb.override(pb.relu, "x", lambda g: g)):
        x = Tensor(3.0)
        with context:
            view = x[...]
            view += 2
        assert x.item() == view.item() == 5
