"""Recurrent layers and cells beside loops over single sequences, written out in NumPy."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn
from pullback.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, unpack_sequence
from pullback.testing import check_module

KINDS = ("RNN", "LSTM", "GRU")
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
    ("LSTM", {}),
    ("LSTM", {"proj_size": 2}),
    ("GRU", {}),
]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def one_step(kind: str, x: Any, h: Any, c: Any, w: dict[str, Any], relu: bool) -> tuple[Any, Any]:
    """One step of one sequence, as the papers write it."""
    zi, zh = w["weight_ih"] @ x + w["bias_ih"], w["weight_hh"] @ h + w["bias_hh"]
    if kind == "RNN":
        return (np.maximum(zi + zh, 0) if relu else np.tanh(zi + zh)), c
    if kind == "LSTM":
        i, f, g, o = np.split(zi + zh, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (w["weight_hr"] @ h if "weight_hr" in w else h), c
    (ri, ki, ni), (rh, kh, nh) = np.split(zi, 3), np.split(zh, 3)
    keep = sigmoid(ki + kh)
    return (1 - keep) * np.tanh(ni + sigmoid(ri + rh) * nh) + keep * h, c


def by_loop(model: Any, kind: str, sequence: Any, h0: Any, c0: Any) -> tuple[Any, Any, Any]:
    """All layers over one sequence (L, features): the last layer's states, and the last states and cells of all."""
    state = {k: v.numpy().astype(np.float64) for k, v in model.state_dict().items()}
    relu, directions, last = getattr(model, "nonlinearity", "") == "relu", 1 + model.bidirectional, []
    for layer in range(model.num_layers):
        outs = []
        for direction in range(directions):
            suffix = f"_l{layer}" + "_reverse" * direction
            w = {k.removesuffix(suffix): v for k, v in state.items() if k.endswith(suffix)}
            w |= {name: np.zeros(len(w["weight_ih"])) for name in ("bias_ih", "bias_hh") if name not in w}
            h, c, ys = h0[len(last)], c0[len(last)], []
            for x in sequence[::-1] if direction else sequence:
                h, c = one_step(kind, x, h, c, w, relu)
                ys.append(h)
            outs.append(np.array(ys[::-1] if direction else ys))
            last.append((h, c))
        sequence = np.concatenate(outs, 1)
    return sequence, np.array([h for h, _ in last]), np.array([c for _, c in last])


def made(kind: str, options: dict[str, Any], **further: Any) -> Any:
    nn.manual_seed(1)
    return getattr(nn, kind)(3, 4, **options, **further).double()


def states_of(model: Any, batch: int, rng: Any) -> tuple[Any, Any]:
    count = model.num_layers * (1 + model.bidirectional)
    return rng.normal(size=(count, batch, model.proj_size or 4)), rng.normal(size=(count, batch, 4))


def called(model: Any, kind: str, x: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
    y, last = model(x, (h, c) if kind == "LSTM" else h)
    return (y, *last) if kind == "LSTM" else (y, last, None)


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
@pytest.mark.parametrize("further", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}], ids=str)
def test_batches_are_as_their_sequences_one_by_one(kind: str, options: Any, further: Any) -> None:
    model, rng = made(kind, options, **further), np.random.default_rng(0)
    x, (h, c) = rng.normal(size=(5, 3, 3)), states_of(model, 3, rng)
    y, h_n, c_n = called(model, kind, x, h, c)
    for i in range(3):
        expected, last, cells = by_loop(model, kind, x[:, i], h[:, i], c[:, i])
        np.testing.assert_allclose(y.numpy()[:, i], expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(h_n.numpy()[:, i], last, rtol=1e-12, atol=1e-13)
        if c_n is not None:
            np.testing.assert_allclose(c_n.numpy()[:, i], cells, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
@pytest.mark.parametrize("lengths", [(4, 2, 1), (1, 3, 3, 5)])
def test_packed_sequences_are_as_one_by_one(kind: str, options: Any, lengths: Any) -> None:
    model, rng = made(kind, options, num_layers=2, bidirectional=True), np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 3)) for n in lengths]
    h, c = states_of(model, len(lengths), rng)
    y, h_n, c_n = called(model, kind, pack_sequence(sequences, enforce_sorted=False), h, c)
    assert isinstance(y, PackedSequence)
    for i, (sequence, out) in enumerate(zip(sequences, unpack_sequence(y), strict=True)):
        expected, last, cells = by_loop(model, kind, sequence, h[:, i], c[:, i])
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(h_n.numpy()[:, i], last, rtol=1e-12, atol=1e-13)
        if c_n is not None:
            np.testing.assert_allclose(c_n.numpy()[:, i], cells, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
def test_single_sequences_and_batch_first(kind: str, options: Any) -> None:
    model, rng = made(kind, options, num_layers=2), np.random.default_rng(0)
    x, (h, c) = rng.normal(size=(5, 3, 3)), states_of(model, 3, rng)
    y, h_n, c_n = called(model, kind, x, h, c)
    single = called(model, kind, x[:, 1], h[:, 1], c[:, 1])
    np.testing.assert_allclose(single[0].numpy(), y.numpy()[:, 1], rtol=1e-12)
    np.testing.assert_allclose(single[1].numpy(), h_n.numpy()[:, 1], rtol=1e-12)
    model.batch_first = True
    turned = called(model, kind, x.swapaxes(0, 1), h, c)
    np.testing.assert_array_equal(turned[0].numpy(), y.numpy().swapaxes(0, 1))
    np.testing.assert_array_equal(turned[1].numpy(), h_n.numpy())
    without = called(model, kind, x[:, 1], np.zeros_like(h[:, 1]), np.zeros_like(c[:, 1]))
    np.testing.assert_array_equal(model(x[:, 1])[0].numpy(), without[0].numpy())


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
def test_cells_are_one_step(kind: str, options: Any) -> None:
    if "proj_size" in options:
        pytest.skip("cells have no projections")
    rng = np.random.default_rng(0)
    cell = getattr(nn, f"{kind}Cell")(3, 4, **options).double()
    w = {k: v.numpy() for k, v in cell.state_dict().items()}
    x, h, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
    for at in (slice(None), 1):
        given = (h[at], c[at]) if kind == "LSTM" else h[at]
        got = cell(x[at], given)
        got = got if kind == "LSTM" else (got,)
        rows = [one_step(kind, *row, w, "nonlinearity" in options) for row in zip(x, h, c, strict=True)]
        for mine, expected in zip(got, zip(*rows, strict=True), strict=False):
            np.testing.assert_allclose(mine.numpy(), np.array(expected)[at], rtol=1e-12, atol=1e-13)


def small(kind: str, options: Any, **further: Any) -> Any:
    """With few weights: each is moved for the second derivatives of all."""
    if "proj_size" in options:
        return getattr(nn, kind)(1, 2, **{**options, "proj_size": 1, "bias": False}, **further)
    return getattr(nn, kind)(1, 1, **options, **further)


# The forms whose derivatives take long to check by differences in thorough runs alone; see test_every_case, too
LONG = [pytest.param(*form, marks=pytest.mark.thorough) if form[0] in ("LSTM", "GRU") else form for form in FORMS]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "options"), LONG, ids=str)
def test_derivatives(kind: str, options: Any) -> None:
    check_module(small(kind, options), np.random.default_rng(0).normal(size=(2, 2, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_cells(kind: str) -> None:
    check_module(getattr(nn, f"{kind}Cell")(1, 2), np.random.default_rng(0).normal(size=(2, 1)))


class _Packed(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        y, last = self.layer(pack_padded_sequence(x, [1, 2], enforce_sorted=False))
        return y.data.sum(), last


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "options"), LONG, ids=str)
def test_derivatives_of_packed_sequences(kind: str, options: Any) -> None:
    layer = small(kind, {"bias": False, **options}, bidirectional=True)
    check_module(_Packed(layer), np.random.default_rng(0).normal(size=(2, 2, 1)))


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
def test_the_rule_on_arrays_and_the_composed_form_agree(kind: str, options: Any) -> None:
    model, rng = made(kind, options, num_layers=2, bidirectional=True), np.random.default_rng(0)
    x = pack_padded_sequence(Tensor(rng.normal(size=(6, 5, 3))), [6, 4, 4, 2, 1])
    leaf = Tensor(x.data.numpy(), requires_grad=True)
    weight = rng.normal(size=(len(leaf), model.num_layers * (model.proj_size or 4)))

    def gradients(create_graph: bool) -> list[Any]:
        y, last = model(x._replace(data=leaf))
        total = (y.data * weight).sum() + sum((s**2).sum() for s in (last if kind == "LSTM" else (last,)))
        return [g.numpy() for g in pb.grads(total, [leaf, *model.parameters()], create_graph=create_graph)]

    for plain, composed in zip(gradients(False), gradients(True), strict=True):
        np.testing.assert_allclose(plain, composed, rtol=1e-12, atol=1e-12 * np.abs(composed).max())


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
def test_vmap_and_forward_mode(kind: str, options: Any) -> None:
    model, rng = made(kind, options), np.random.default_rng(0)
    xs = rng.normal(size=(2, 4, 3, 3))
    each = pb.vmap(lambda x: model(x)[0])(xs)
    np.testing.assert_allclose(each.numpy(), np.stack([model(x)[0].numpy() for x in xs]), rtol=1e-12, atol=1e-14)

    def loss(x: Any) -> Any:
        return (model(x)[0] ** 2).sum()

    per_example = pb.vmap(pb.grad(loss))(xs)
    np.testing.assert_allclose(per_example.numpy(), np.stack([pb.grad(loss)(x).numpy() for x in xs]), rtol=1e-10)
    direction = rng.normal(size=xs[0].shape)
    _, pushed = pb.jvp(loss, (xs[0],), (direction,))
    np.testing.assert_allclose(pushed.item(), np.vdot(pb.grad(loss)(xs[0]).numpy(), direction), rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_vmap_over_models(kind: str) -> None:
    models = [getattr(nn, kind)(3, 4).double() for _ in range(2)]
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    parameters, buffers = nn.stack_module_state(models)
    base = copy.deepcopy(models[0])
    outs = pb.vmap(lambda p: nn.functional_call(base, {**p, **buffers}, (x,))[0])(parameters)
    np.testing.assert_allclose(outs.numpy(), np.stack([m(x)[0].numpy() for m in models]), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_layers_in_training(kind: str) -> None:
    model, x = getattr(nn, kind)(3, 4, num_layers=2, dropout=0.5), np.ones((5, 2, 3), np.float32)
    nn.manual_seed(3)
    first = model(x)[0].numpy()
    assert not np.array_equal(model(x)[0].numpy(), first)
    nn.manual_seed(3)
    np.testing.assert_array_equal(model(x)[0].numpy(), first)
    model.eval()
    quiet = model(x)[0].numpy()
    np.testing.assert_array_equal(model(x)[0].numpy(), quiet)
    model.dropout = 0.0
    np.testing.assert_array_equal(model.train()(x)[0].numpy(), quiet)
    model.dropout = 1.0  # the second layer has no input then, the first has no gradient
    model(x)[0].sum().backward()
    np.testing.assert_array_equal(model.weight_ih_l0.grad.numpy(), 0)
    np.testing.assert_array_equal(model.weight_ih_l1.grad.numpy(), 0)
    assert np.abs(model.weight_hh_l1.grad.numpy()).max() > 0
    with pytest.warns(UserWarning, match="num_layers greater than 1, but got dropout=0.5 and num_layers=1"):
        getattr(nn, kind)(3, 4, dropout=0.5)


def test_initial_values_are_uniform_by_the_hidden_size() -> None:
    nn.manual_seed(0)
    for model in (nn.LSTM(50, 100), nn.GRU(50, 100), nn.RNN(50, 100), nn.LSTMCell(50, 100)):
        values = np.concatenate([p.numpy().ravel() for p in model.parameters()])
        assert np.abs(values).max() <= 0.1 and abs(values.mean()) < 0.001
        assert abs(values.std() - 0.1 / np.sqrt(3)) < 0.001


def test_names_and_order_of_the_state() -> None:
    names = list(nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2).state_dict())
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    assert names == [f"{k}_l{i}{end}" for i in range(2) for end in ("", "_reverse") for k in kinds]
    model = nn.GRU(3, 4, bias=False, num_layers=2)
    assert [[w.shape for w in layer] for layer in model.all_weights] == [[(12, 3), (12, 4)], [(12, 4), (12, 4)]]
    assert model.all_weights[1][0] is model.weight_ih_l1
    assert repr(nn.LSTM(3, 4, 2, False, True, 0.5, True, 2)) == (
        "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)"
    )
    model.flatten_parameters()
    again = pickle.loads(pickle.dumps(model))
    x = np.ones((2, 1, 3), np.float32)
    np.testing.assert_array_equal(again(x)[0].numpy(), model(x)[0].numpy())


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(kind: str, options: Any, dtype: str) -> None:
    model = getattr(nn, kind)(3, 4, **options)
    x = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    expected = model(x)[0].numpy()
    model = model.to(np.dtype(dtype))
    y, last = model(x.astype(dtype))
    assert y.dtype == dtype and (last[1] if kind == "LSTM" else last).dtype == dtype
    np.testing.assert_allclose(y.numpy(), expected, atol=2e-3 if dtype == "float16" else 1e-6)
    y.sum().backward()
    assert all(p.grad.dtype == dtype for p in model.parameters())


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
def test_no_sequences(kind: str, options: Any) -> None:
    model = getattr(nn, kind)(3, 4, **options)
    y, last = model(np.zeros((5, 0, 3), np.float32))
    assert y.shape == (5, 0, model.proj_size or 4)
    assert (last[0] if kind == "LSTM" else last).shape == (1, 0, model.proj_size or 4)
    y.sum().backward()
    assert all((p.grad.numpy() == 0).all() for p in model.parameters())


def test_a_second_backward_of_a_retained_graph_has_its_own_cotangents() -> None:
    model = nn.LSTM(2, 3).double()
    y, _ = model(np.ones((3, 1, 2)))
    y.backward(np.ones(y.shape), retain_graph=True)
    once = [p.grad.numpy().copy() for p in model.parameters()]
    model.zero_grad()
    y.backward(-2 * np.ones(y.shape))
    for p, expected in zip(model.parameters(), once, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), -2 * expected, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_shapes_are_named(kind: str) -> None:
    model, x = getattr(nn, kind)(3, 4, num_layers=2), np.zeros((5, 2, 3), np.float32)
    with pytest.raises(ValueError, match=rf"{kind} expected 3 features, got an input of shape \(5, 2, 4\)"):
        model(np.zeros((5, 2, 4), np.float32))
    with pytest.raises(ValueError, match=rf"{kind} expected \(L, N, features\).* got an input of shape \(5,\)"):
        model(np.zeros(5, np.float32))
    with pytest.raises(ValueError, match=rf"{kind} expected at least one time step, .*\(0, 2, 3\)"):
        model(np.zeros((0, 2, 3), np.float32))
    h, c = np.zeros((2, 2, 4)), np.zeros((2, 2, 4))

    def given(h: Any, c: Any) -> Any:
        return (h, c) if kind == "LSTM" else h

    with pytest.raises(ValueError, match=rf"{kind} expected h_0 of shape \(2, 2, 4\), got one of shape \(1, 2, 4\)"):
        model(x, given(h[:1], c))
    with pytest.raises(ValueError, match=rf"{kind} expected h_0 of shape \(2, 4\), got one of shape \(2, 2, 4\)"):
        model(x[:, 0], given(h, c))
    packed = pack_padded_sequence(x, [5, 3])
    with pytest.raises(ValueError, match=rf"{kind} expected h_0 of shape \(2, 2, 4\), got one of shape \(2, 3, 4\)"):
        model(packed, given(np.zeros((2, 3, 4)), c))
    for sizes in ([2, 2, 2, 1], [1, 2, 2, 2, 1], []):
        with pytest.raises(ValueError, match=rf"{kind}: batch_sizes .* for 8 rows; expected sizes that do not grow"):
            model(packed._replace(batch_sizes=np.array(sizes, int)))
    with pytest.raises(ValueError, match=rf"{kind} expected packed data of shape \(rows, features\), .*\(8, 1, 3\)"):
        model(packed._replace(data=packed.data[:, None]))
    cell = getattr(nn, f"{kind}Cell")(3, 4)
    with pytest.raises(ValueError, match=rf"{kind}Cell expected \(N, 3\) or \(3,\), got an input of shape \(2, 5\)"):
        cell(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=rf"{kind}Cell expected h_0 of shape \(2, 4\), got one of shape \(4,\)"):
        cell(np.zeros((2, 3)), given(np.zeros(4), np.zeros(4)))


def test_an_lstm_takes_a_pair_of_states() -> None:
    h, c, x = np.zeros((1, 2, 4)), np.zeros((1, 2, 3)), np.zeros((5, 2, 3))
    with pytest.raises(TypeError, match=r"LSTM expected the pair \(h_0, c_0\), got a ndarray"):
        nn.LSTM(3, 4)(x, h)
    with pytest.raises(ValueError, match=r"LSTM expected c_0 of shape \(1, 2, 4\), got one of shape \(1, 2, 3\)"):
        nn.LSTM(3, 4)(x, (h, c))
    with pytest.raises(TypeError, match=r"LSTMCell expected the pair"):
        nn.LSTMCell(3, 4)(x[0], h[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_size": 0}, "GRU: input_size=0; expected at least 1"),
        ({"hidden_size": -1}, "GRU: hidden_size=-1; expected at least 1"),
        ({"num_layers": 0}, "GRU: num_layers=0; expected at least 1"),
        ({"hidden_size": 2.0}, "GRU: hidden_size=2.0; expected an integer"),
        ({"bias": 1}, "GRU: bias=1; expected True or False"),
        ({"dropout": 1.5}, "GRU: dropout=1.5; expected a probability, 0 to 1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        nn.GRU(**{"input_size": 3, "hidden_size": 4, **options})


def test_wrong_options_of_one_kind_are_named() -> None:
    with pytest.raises(ValueError, match="LSTM: proj_size=4; expected less than hidden_size=4"):
        nn.LSTM(3, 4, proj_size=4)
    with pytest.raises(ValueError, match="RNN: nonlinearity='elu'; expected 'tanh' or 'relu'"):
        nn.RNN(3, 4, nonlinearity="elu")
    with pytest.raises(ValueError, match="RNNCell: nonlinearity='elu'; expected 'tanh' or 'relu'"):
        nn.RNNCell(3, 4, nonlinearity="elu")
