"""GPT, a transformer that continues text, in the form and with the names of nanoGPT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ... import nn
from ...autograd import Tensor, no_grad, reshape, softmax, split, swapaxes
from ...extend import TensorLike

__all__ = ["GPT", "GPTConfig"]


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT; as they are here, those of GPT-2."""

    block_size: int = 1024
    vocab_size: int = 50304
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True


class CausalSelfAttention(nn.Module):
    """Attention of each of (N, L, n_embd) to itself and to those before it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, config.bias)
        self.resid_dropout = nn.Dropout(config.dropout)
        self.n_head, self.dropout = config.n_head, config.dropout

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            swapaxes(nn.functional.unflatten(part, -1, (self.n_head, -1)), 1, 2)  # (N, n_head, L, n_embd / n_head)
            for part in split(self.c_attn(x), 3, axis=-1)
        )
        dropout_p = self.dropout * self.training
        y = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout_p, is_causal=True)
        return self.resid_dropout(self.c_proj(reshape(swapaxes(y, 1, 2), x.shape)))


class Block(nn.Module):
    """Attention, then two linear layers, each normalized before and added."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width, bias = config.n_embd, config.bias
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        layers = {"c_fc": nn.Linear(width, 4 * width, bias), "gelu": nn.GELU()}
        layers |= {"c_proj": nn.Linear(4 * width, width, bias), "dropout": nn.Dropout(config.dropout)}
        self.mlp = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """Tokens (N, L), at most block_size, become logits of the next, (N, L, vocab_size), and given `targets` the loss.

    Targets are (N, L); those of -1 do not count. Without them only the last logits are computed, (N, 1, vocab_size),
    and the loss is None. The table of tokens is the weight of the last layer, too. ValueError for more tokens. Sources:
    Radford et al., Language models are unsupervised multitask learners, 2019; Karpathy, nanoGPT, 2022.

    >>> model = GPT(GPTConfig(block_size=8, vocab_size=5, n_layer=1, n_head=2, n_embd=4))
    >>> logits, loss = model(np.array([[0, 1, 2]]), np.array([[1, 2, 3]]))
    >>> logits.shape, loss.shape
    ((1, 3, 5), ())
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        width, bias = config.n_embd, config.bias
        parts: dict[str, nn.Module] = {"wte": nn.Embedding(config.vocab_size, width)}
        blocks = nn.Sequential(*(Block(config) for _ in range(config.n_layer)))
        parts |= {"wpe": nn.Embedding(config.block_size, width)}
        parts |= {"drop": nn.Dropout(config.dropout), "h": blocks, "ln_f": nn.LayerNorm(width, bias=bias)}
        self.transformer = nn.ModuleDict(parts)
        self.lm_head = nn.Linear(width, config.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:  # of c_proj as many results are added up as there are of them
                nn.init.normal_(parameter, std=0.02 / (2 * config.n_layer if "c_proj" in name else 1) ** 0.5)
            elif ".ln_" not in name:
                nn.init.zeros_(parameter)

    def forward(self, idx: TensorLike, targets: TensorLike | None = None) -> tuple[Tensor, Tensor | None]:
        parts, length = self.transformer, np.shape(idx)[1]
        if length > self.config.block_size:
            raise ValueError(f"GPT: {length} tokens; block_size is {self.config.block_size}")
        x = parts.ln_f(parts.h(parts.drop(parts.wte(idx) + parts.wpe(np.arange(length)))))
        if targets is None:
            return self.lm_head(x[:, -1:]), None
        logits = self.lm_head(x)
        return logits, nn.functional.cross_entropy(swapaxes(logits, 1, 2), targets, ignore_index=-1)

    @no_grad()
    def generate(
        self, idx: np.ndarray, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None
    ) -> np.ndarray:
        """Return the tokens (N, L) with more behind them, each drawn by its probability, of the `top_k` likeliest."""
        for _ in range(max_new_tokens):
            scores = self(idx[:, -self.config.block_size :])[0][:, -1].numpy() / temperature
            if top_k is not None:
                scores[scores < np.sort(scores)[:, -top_k, np.newaxis]] = -np.inf
            chances = np.cumsum(softmax(scores, -1), axis=1)
            drawn = nn.init.generator().random((len(idx), 1)) * chances[:, -1:]
            idx = np.concatenate([idx, (chances <= drawn).sum(1, keepdims=True)], axis=1)
        return idx
