"""A language model of characters, by long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import nn
from ...autograd import Tensor, no_grad, softmax
from ...extend import TensorLike

__all__ = ["CharLSTM"]

State = tuple[Tensor, Tensor]  # (h, c), each (num_layers, N, hidden_size)


class CharLSTM(nn.Module):
    """Numbers of characters (N, L) become logits (N, L, vocab_size) of those that come next, and the state after them.

    Sources: Graves, Generating sequences with recurrent neural networks, 2013; Karpathy, The unreasonable
    effectiveness of recurrent neural networks, 2015.

    >>> logits, (h, c) = CharLSTM(vocab_size=5, hidden_size=8)(np.array([[0, 1, 2], [3, 4, 0]]))
    >>> logits.shape, h.shape
    ((2, 3, 5), (1, 2, 8))
    """

    def __init__(self, vocab_size: int, hidden_size: int = 128, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.lstm = nn.LSTM(hidden_size, hidden_size, num_layers, batch_first=True, dropout=dropout)
        self.head = nn.Linear(hidden_size, vocab_size)

    def forward(self, x: TensorLike, state: State | None = None) -> tuple[Tensor, State]:
        output, state = self.lstm(self.embedding(x), state)
        return self.head(output), state

    @no_grad()
    def generate(self, start: Sequence[int], length: int, temperature: float = 1.0) -> list[int]:
        """Return `start` and `length` more characters, each drawn by its probability given all before it.

        Low temperatures prefer the likely ones.
        """
        numbers, rng = list(start), nn.init.generator()
        given, state = numbers, None
        for _ in range(length):
            logits, state = self(np.array([given]), state)
            chances = softmax(logits[0, -1] / temperature).numpy().astype(float)
            given = [int(rng.choice(len(chances), p=chances / chances.sum()))]
            numbers += given
        return numbers
