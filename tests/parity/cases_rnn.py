from typing import Any

import numpy as np

from .compare import Case

KINDS = ("RNN", "LSTM", "GRU")
LENGTHS = [3, 5, 1, 5]


def packed(nn: Any, x: Any, *states: Any) -> tuple[Any, ...]:
    return (nn.utils.rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False), *_pair(states))


def packed_in_order(nn: Any, x: Any, *states: Any) -> tuple[Any, ...]:
    return (nn.utils.rnn.pack_padded_sequence(x, [5, 5, 3, 1]), *_pair(states))


def with_states(nn: Any, x: Any, *states: Any) -> tuple[Any, ...]:
    return (x, *_pair(states))


def _pair(states: tuple[Any, ...]) -> tuple[Any, ...]:
    return (states,) if len(states) == 2 else states


def states(kind: str, *shape: int) -> tuple[Any, ...]:
    return (shape,) * (2 if kind == "LSTM" else 1)


def sequences(nn: Any, *each: Any) -> tuple[Any, ...]:
    return (list(each),)


def repacked(**options: Any) -> Any:
    def prepare(nn: Any, x: Any) -> tuple[Any, ...]:
        return (nn.utils.rnn.pack_padded_sequence(x, LENGTHS, **options),)

    return prepare


OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"num_layers": 3},
    {"batch_first": True},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False},
    {"num_layers": 2, "dropout": 1.0},
]
SHAPES: list[tuple[int, ...]] = [(5, 4, 3), (5, 3), (1, 1, 3), (1, 3)]

CASES = [
    *(Case(kind, (3, 2), options, inputs=(shape,)) for kind in KINDS for options in OPTIONS for shape in SHAPES),
    *(
        Case("RNN", (3, 2), {"nonlinearity": "relu", **options}, inputs=(shape,))
        for options in OPTIONS
        for shape in SHAPES
    ),
    *(Case("LSTM", (3, 4), {"proj_size": 2, **options}, inputs=(shape,)) for options in OPTIONS for shape in SHAPES),
    *(
        Case(kind, (3, 2), options, (x, *states(kind, 2, *n, 2)), prepare=with_states)
        for kind in KINDS
        for options in ({"num_layers": 2}, {"bidirectional": True})
        for x, n in (((5, 3), ()), ((5, 4, 3), (4,)))
    ),
    *(Case(kind, (3, 2), {"num_layers": 2, "bidirectional": True}, ((5, 0, 3),)) for kind in KINDS),
    *(Case(f"{kind}Cell", (3, 2), inputs=((0, 3),)) for kind in KINDS),
    Case("LSTM", (3, 4), {"proj_size": 2}, ((5, 4, 3), (1, 4, 2), (1, 4, 4)), prepare=with_states),
    *(
        Case(kind, (3, 2), options, ((5, 4, 3),), prepare=prepare)
        for kind in KINDS
        for options in OPTIONS
        for prepare in (packed, packed_in_order)
    ),
    *(
        Case(kind, (3, 2), {"bidirectional": True}, ((5, 4, 3), *states(kind, 2, 4, 2)), prepare=prepare)
        for kind in KINDS
        for prepare in (packed, packed_in_order)
    ),
    Case("LSTM", (3, 4), {"proj_size": 2, "bidirectional": True}, ((5, 4, 3),), prepare=packed),
    *(
        Case(f"{kind}Cell", (3, 2), {"bias": bias}, (x, *states(kind, *x[:-1], 2)[:given]), prepare=with_states)
        for kind in KINDS
        for bias in (True, False)
        for x in ((4, 3), (3,), (1, 3))
        for given in (0, 2)
    ),
    Case("RNNCell", (3, 2), {"nonlinearity": "relu"}, ((4, 3), (4, 2)), prepare=with_states),
    *(
        Case(
            "utils.rnn.pad_sequence",
            (),
            {"batch_first": first, "padding_value": 7.0, "padding_side": side},
            inputs,
            prepare=sequences,
        )
        for first in (True, False)
        for side in ("left", "right")
        for inputs in (((3, 2), (5, 2), (1, 2)), ((3,), (3,)), ((2, 1, 2), (1, 1, 2)), ((4,),))
    ),
    *(
        Case("utils.rnn.pack_padded_sequence", (lengths,), {"batch_first": first, "enforce_sorted": False}, (shape,))
        for first, shape in ((True, (4, 6, 2)), (False, (6, 4, 2)), (False, (5, 4)), (True, (4, 5, 1, 2)))
        for lengths in ([3, 5, 1, 5], [2, 2, 2, 2])
    ),
    Case("utils.rnn.pack_padded_sequence", ([5, 3, 3, 1],), inputs=((5, 4, 2),)),
    Case("utils.rnn.pack_sequence", (), {"enforce_sorted": False}, ((3, 2), (5, 2), (1, 2)), prepare=sequences),
    Case("utils.rnn.pack_sequence", (), inputs=((5, 2), (3, 2), (3, 2)), prepare=sequences),
    *(
        Case("utils.rnn.pad_packed_sequence", (), options, ((5, 4, 2),), prepare=repacked(enforce_sorted=False))
        for options in ({}, {"batch_first": True}, {"padding_value": -1.5, "total_length": 7}, {"total_length": 5})
    ),
    Case("utils.rnn.unpack_sequence", inputs=((5, 4, 2),), prepare=repacked(enforce_sorted=False)),
    Case("utils.rnn.unpad_sequence", (np.array([3, 5, 1, 5]),), {"batch_first": True}, inputs=((4, 5, 2),)),
    Case("utils.rnn.invert_permutation", inputs=(np.array([2, 0, 3, 1]),)),
]
