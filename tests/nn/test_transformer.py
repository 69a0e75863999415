"""Transformers beside their formulas, layer by layer."""

from typing import Any

import numpy as np
import pytest

from pullback import Tensor, nn
from pullback.testing import check_module

CAUSAL = np.triu(np.full((4, 4), -np.inf, np.float32), 1)
PADDED = np.array([[False, False, False, True], [False, True, False, False]])


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def normed(x: Any, norm: Any, eps: float = 1e-5) -> Any:
    """Layer normalization by its formula."""
    deviation = x - x.mean(-1, keepdims=True)
    x = deviation / np.sqrt((deviation**2).mean(-1, keepdims=True) + eps) * norm.weight.numpy()
    return x if norm.bias is None else x + norm.bias.numpy()


def fed_forward(layer: Any, x: Any, activation: Any) -> Any:
    for step, linear in enumerate((layer.linear1, layer.linear2)):
        x = x @ linear.weight.numpy().T + (0 if linear.bias is None else linear.bias.numpy())
        x = x if step else activation(x)
    return x


def encoded(layer: Any, x: Any, activation: Any, eps: float, **masks: Any) -> Any:
    def attended(x: Any) -> Any:
        return layer.self_attn(x, x, x, need_weights=False, **masks)[0].numpy()

    if layer.norm_first:
        x = x + attended(normed(x, layer.norm1, eps))
        return x + fed_forward(layer, normed(x, layer.norm2, eps), activation)
    x = normed(x + attended(x), layer.norm1, eps)
    return normed(x + fed_forward(layer, x, activation), layer.norm2, eps)


def drawn(layer: Any) -> Any:
    """The layer with all its parameters drawn anew: norms that start alike, and biases that start at 0."""
    nn.manual_seed(0)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


ACTIVATIONS = [
    ("relu", lambda x: np.maximum(x, 0)),
    (np.tanh, np.tanh),
    (nn.LeakyReLU(0.5), lambda x: np.where(x > 0, x, x / 2)),
]


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("activation", "plain"), ACTIVATIONS)
def test_encoder_layer_by_its_formula(norm_first: bool, bias: bool, activation: Any, plain: Any) -> None:
    options = {"norm_first": norm_first, "bias": bias, "activation": activation, "layer_norm_eps": 0.1}
    layer = drawn(nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, **options))
    x = normal(4, 2, 6)
    y = layer(x, src_mask=CAUSAL, src_key_padding_mask=PADDED).numpy()
    np.testing.assert_allclose(
        y, encoded(layer, x, plain, 0.1, attn_mask=CAUSAL, key_padding_mask=PADDED), rtol=1e-4, atol=1e-5
    )
    first = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True, **options)
    first.load_state_dict(layer.state_dict())
    swapped = first(np.swapaxes(x, 0, 1), CAUSAL, PADDED).numpy()
    np.testing.assert_allclose(np.swapaxes(swapped, 0, 1), y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(x[:, 1], CAUSAL, PADDED[1]).numpy(), y[:, 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder_layer_by_its_formula(norm_first: bool) -> None:
    layer = drawn(nn.TransformerDecoderLayer(6, 2, 8, dropout=0.0, norm_first=norm_first))
    x, memory = normal(4, 2, 6), normal(3, 2, 6, seed=1)
    across, missing = normal(4, 3, seed=2), np.array([[False, True, False], [False, False, True]])
    own = {"attn_mask": CAUSAL, "key_padding_mask": PADDED}
    other = {"attn_mask": across, "key_padding_mask": missing}

    def attended(layer: Any, x: Any, to: Any, masks: Any) -> Any:
        return layer(x, to, to, need_weights=False, **masks)[0].numpy()

    def relu(x: Any) -> Any:
        return np.maximum(x, 0)

    if norm_first:
        y = normed(x, layer.norm1)
        y = x + attended(layer.self_attn, y, y, own)
        y = y + attended(layer.multihead_attn, normed(y, layer.norm2), memory, other)
        y = y + fed_forward(layer, normed(y, layer.norm3), relu)
    else:
        y = normed(x + attended(layer.self_attn, x, x, own), layer.norm1)
        y = normed(y + attended(layer.multihead_attn, y, memory, other), layer.norm2)
        y = normed(y + fed_forward(layer, y, relu), layer.norm3)
    got = layer(x, memory, CAUSAL, across, PADDED, missing)
    np.testing.assert_allclose(got.numpy(), y, rtol=1e-4, atol=1e-5)


def test_stacks_are_their_layers_one_after_another() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0), 2, nn.LayerNorm(6))
    first, second = encoder.layers
    assert first is not second
    for name, value in first.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name].numpy(), value.numpy())
    x, memory = normal(4, 2, 6), normal(3, 2, 6, seed=1)
    expected = encoder.norm(second(first(x, CAUSAL, PADDED), CAUSAL, PADDED)).numpy()
    np.testing.assert_array_equal(encoder(x, CAUSAL, PADDED).numpy(), expected)
    causal = second(first(x, CAUSAL), CAUSAL)
    for hint in (None, True, False):
        np.testing.assert_allclose(encoder(x, CAUSAL, is_causal=hint).numpy(), encoder.norm(causal).numpy(), atol=1e-5)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 8, 0.0), 2)
    first, second = decoder.layers
    expected = second(first(x, memory, CAUSAL), memory, CAUSAL).numpy()
    for hint in (None, True):
        np.testing.assert_allclose(decoder(x, memory, CAUSAL, tgt_is_causal=hint).numpy(), expected, atol=1e-5)


def test_transformer() -> None:
    model = nn.Transformer(6, 2, 1, 2, 8, dropout=0.0)
    src, tgt = normal(4, 2, 6), normal(4, 2, 6, seed=1)
    masks = {"src_mask": CAUSAL, "tgt_mask": CAUSAL, "memory_mask": CAUSAL}
    padding = {f"{name}_key_padding_mask": PADDED for name in ("src", "tgt", "memory")}
    memory = model.encoder(src, CAUSAL, PADDED)
    expected = model.decoder(tgt, memory, CAUSAL, CAUSAL, PADDED, PADDED).numpy()
    np.testing.assert_array_equal(model(src, tgt, **masks, **padding).numpy(), expected)
    hints = {"src_is_causal": True, "tgt_is_causal": True, "memory_is_causal": True}
    np.testing.assert_allclose(model(src, tgt, **masks, **hints).numpy(), model(src, tgt, **masks).numpy(), atol=1e-5)
    assert len(model.encoder.layers) == 1 and len(model.decoder.layers) == 2
    for parameter in model.parameters():  # Glorot and Bengio's bound
        if parameter.ndim == 2:
            assert np.abs(parameter.numpy()).max() <= np.sqrt(6 / sum(parameter.shape))


def test_parts_of_ones_own() -> None:
    class Doubled(nn.Module):
        def forward(self, src: Any, mask: Any, src_key_padding_mask: Any, is_causal: Any) -> Any:
            return src * 2

    class Added(nn.Module):
        def forward(self, tgt: Any, memory: Any, **options: Any) -> Any:
            return tgt + memory

    model = nn.Transformer(6, custom_encoder=Doubled(), custom_decoder=Added())
    np.testing.assert_array_equal(model(normal(4, 2, 6), normal(4, 2, 6)), 3 * normal(4, 2, 6))
    assert list(model.parameters()) == []


def test_causal_mask() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    assert isinstance(mask, Tensor) and mask.dtype == np.float32
    np.testing.assert_array_equal(mask.numpy(), CAUSAL)
    assert nn.Transformer.generate_square_subsequent_mask(2, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="generate_square_subsequent_mask: device='cuda'"):
        nn.Transformer.generate_square_subsequent_mask(2, device="cuda")


def test_dropout_is_seeded_and_for_training() -> None:
    model, x = nn.TransformerEncoderLayer(6, 2, 8), normal(4, 2, 6)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.1] * 3 and model.self_attn.dropout == 0.1
    found = []
    for seed in (0, 0, 1):
        nn.manual_seed(seed)
        found.append(model(x).numpy())
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())


SMOOTH: Any = {"activation": np.tanh, "layer_norm_eps": 1.0}


@pytest.mark.thorough
def test_an_encoder_layer() -> None:
    assert check_module(nn.TransformerEncoderLayer(3, 1, 1, **SMOOTH), normal(2, 3))


@pytest.mark.thorough
def test_a_decoder_layer() -> None:
    decoder = nn.TransformerDecoderLayer(3, 1, 1, norm_first=True, **SMOOTH).requires_grad_(False)
    decoder.multihead_attn.out_proj.requires_grad_()
    assert check_module(decoder, (normal(2, 3), normal(2, 3, seed=1)))


MODEL, X = nn.Transformer(6, 2, 1, 1, 8), normal(4, 2, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MODEL(X, X[..., :5]), r"Transformer expected 6 features of tgt, got one of shape \(4, 2, 5\)"),
        (lambda: MODEL(X[None], X), r"Transformer expected 6 features of src, got one of shape \(1, 4, 2, 6\)"),
        (lambda: MODEL(X, X[:, :1]), r"src of shape \(4, 2, 6\) and tgt of shape \(4, 1, 6\); expected one batch"),
        (lambda: MODEL(X[0], X), r"src of shape \(2, 6\) and tgt of shape \(4, 2, 6\); expected one batch"),
        (lambda: MODEL(X, X, src_mask=CAUSAL[:3]), r"attn_mask of shape \(3, 4\); expected \(4, 4\)"),
        (
            lambda: nn.TransformerEncoderLayer(6, 2, activation="tanh"),
            "EncoderLayer: activation='tanh'; expected 'relu'",
        ),
        (lambda: nn.TransformerDecoderLayer(6, 2, activation="x"), "DecoderLayer: activation='x'; expected 'relu'"),
        (lambda: nn.TransformerEncoderLayer(6, 4), "embed_dim=6 is not divisible by num_heads=4"),
        (lambda: nn.TransformerEncoderLayer(6, 2)(X[..., :4]), "MultiheadAttention expected 6 features of the query"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_errors_say_where() -> None:
    with pytest.raises(ValueError, match=r"encoder\.layers\.0\.self_attn"):
        MODEL(X, X, src_mask=CAUSAL[:3])
