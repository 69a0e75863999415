"""A user's program, as `mypy --strict` sees it."""

import numpy as np

import pullback as pb
from pullback import Tensor, nn, optim

x = Tensor(np.ones((3, 2)), requires_grad=True)
columns: Tensor = (x * 2 + 1).sum(axis=0, keepdims=True).reshape(2, 1)
product: Tensor = 2 - x @ np.ones((2, 4))
product[0] = columns[0] / 3
(-(product.mT**2)).mean().backward()
slope: Tensor | None = x.grad
values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = x.numpy()
above: Tensor = x > 0
largest: Tensor = x.argmax(axis=1)
by_pytorchs_words: Tensor = x.sum(dim=1, keepdim=True).squeeze(dim=1) + x.softmax(dim=-1).mean(dim=(0, 1))
scalar = float(x.max().item())
length: int = len(x)
rows: list[Tensor] = list(x)

# Functions
exponential: Tensor = pb.exp(x) * 2
summed: Tensor = pb.sum(pb.add(x, 1.0), axis=(0, 1), keepdims=True)
mixed: Tensor = pb.concatenate([x, np.zeros((1, 2)), [[1, 2.5]]], axis=0)
chosen: Tensor = pb.where(pb.greater(x, 0), x, [0.0, 1.0])
places: tuple[Tensor, ...] = pb.where(x > 0)
pooled: Tensor = pb.max_pool(pb.ones((1, 1, 4, 4)), 2)
pooled, where_from = pb.max_pool(pb.ones((1, 1, 4, 4)), kernel_size=(2, 2), return_indices=True)
U, S, Vh = pb.linalg.svd(x)
singular: Tensor = pb.linalg.svd(x, compute_uv=False)
shape: tuple[int, ...] = pb.shape(pb.fft.rfft(x, axis=0))
same: bool = pb.allclose(pb.special.erf(x), np.asarray(0.5), rtol=1e-3)
ranged: Tensor = pb.arange(3, dtype="float32", requires_grad=True) + pb.zeros_like(x, shape=3)
values_of_list: list[float] = [1.0, 2.0]
pb.tanh(values_of_list).sum()
pb.tanh(np.float32(1)), pb.tanh(True), pb.stack(x), pb.median(x, 0), pb.unique(x.detach()).sum()


def weighted(weights: Tensor, scale: float = 1.0) -> Tensor:
    return (weights * scale).sum()


weighted(x, scale=2.0).item()
quietly: Tensor = pb.no_grad()(weighted)(x, scale=2.0)
slopes: dict[str, Tensor] = pb.grad(lambda tree: tree["w"].sum())({"w": x})
each: Tensor = pb.vmap(weighted)(x, scale=2.0)
out, pull = pb.vjp(weighted, x)
out.sum()


@pb.primitive
def cube(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return x * x * x


@cube.vjp("x")
def cube_by_x(g: Tensor, x: Tensor) -> Tensor:
    return 3 * x * x * g


cubed: Tensor = cube(x)
with pb.override(pb.relu, "x", lambda g: pb.maximum(g, 0)):
    pb.relu(x).sum().backward()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.ReLU())
        self.scale = nn.Parameter([1.0])

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = self.body(input)
        return out.relu() * self.scale


net = Net()
optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for _ in range(2):
    optimizer.zero_grad()
    loss = (net.forward(x.astype("float32")) ** 2).mean()
    loss.backward()
    optimizer.step()
with pb.no_grad():
    predictions: Tensor = net(x)


class Pair(nn.Module):
    def forward(self, left: Tensor, right: Tensor, *, swap: bool = False) -> tuple[Tensor, Tensor]:
        return (right, left) if swap else (left, right)


first, second = Pair()(x, x, swap=True)
first.sum()
convolved: Tensor = nn.Conv2d(3, 4, (3, 3), padding="same")(pb.ones((1, 3, 8, 8)))
activated: Tensor = nn.functional.relu(nn.functional.conv2d(convolved, pb.ones((1, 4, 3, 3)), stride=(2, 1)))
layers: list[nn.Module] = [*nn.ModuleList([nn.Linear(2, 2), nn.Dropout(0.5)])]
sequences: Tensor = pb.random.normal(0.0, [1.0, 2.0, 3.0], size=(5, 4, 3), dtype="float32")
lstm = nn.LSTM(3, 6, num_layers=2)
hidden, (h_n, c_n) = lstm(sequences, (pb.zeros((2, 4, 6), dtype="float32"), np.zeros((2, 4, 6), "float32")))
packed = nn.utils.rnn.pack_sequence([pb.ones((2, 3), dtype="float32"), np.ones((1, 3), "float32")])
states, ends = lstm(packed)
states.data.sum(), ends[0].sum()
last: Tensor = nn.GRU(3, 6)(hidden[..., :3])[1]
cell: tuple[Tensor, Tensor] = nn.LSTMCell(3, 6)(sequences[0])
attended, weights = nn.MultiheadAttention(6, 2)(hidden, hidden, hidden, attn_mask=np.zeros((5, 5), bool))
assert weights is not None and weights.shape == (4, 5, 5)
encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, activation=nn.functional.gelu), 2)
encoded: Tensor = nn.LayerNorm([6], dtype="float32")(encoder(attended, src_key_padding_mask=np.zeros((4, 5), bool)))
batch_normed: Tensor = nn.BatchNorm2d(3)(pb.ones((2, 3, 4, 4)).astype("float32"))
bags: Tensor = nn.EmbeddingBag(10, 3, mode="sum")(np.array([[0, 1], [2, 3]]))
scaled: Tensor = nn.functional.scaled_dot_product_attention(encoded, encoded, encoded, is_causal=True)
named_weights = nn.ParameterDict({"scale": [1.0, 2.0]})
named_weights["shift"] = np.zeros(2)
norm: float = nn.utils.clip_grad_norm_(net.parameters(), 1.0)


def seen(module: nn.Linear, got: tuple[Tensor | None, ...], given: tuple[Tensor | None, ...]) -> None:
    assert module.in_features == len(got) and given[0] is not None


nn.Linear(2, 3).register_full_backward_hook(seen).remove()
jacobian: Tensor = pb.jacfwd(weighted)(x, scale=2.0)
vector, unravel = pb.ravel_pytree({"w": x, "b": 1.0})
vector.sum()
with pb.default_dtype("float32"):
    pb.zeros(3)
optim.Adam([{"params": net.parameters(), "lr": 0.1}], betas=(0.9, 0.99))
nn.CrossEntropyLoss()(net(x.astype("float32")), np.array([0, 1, 0])).backward()
assert pb.testing.gradcheck(weighted, x) and pb.testing.gradcheck(pb.multiply, (x, x), rtol=1e-4)
top: Tensor = pb.topk(x, 1).values + x.topk(1).indices
smallest, largest = x.aminmax()
pb.cat([smallest.view(1), largest.reshape(-1)], 0).clamp(0.0, 1.0).mul_(2.0).sum()
pb.randn(2, 3, dtype="float32").scatter_add(0, np.zeros((1, 3), int), np.ones((1, 3))).sum()
absolute: Tensor = nn.functional.l1_loss(x, np.zeros(x.shape)) + nn.MSELoss()(np.zeros(3), np.ones(3))
maxima, at = nn.functional.max_pool1d(np.ones((1, 1, 4)), 2, return_indices=True)
put_back: Tensor = nn.MaxUnpool1d(2)(maxima, at)
nn.functional.cross_entropy(np.zeros((3, 2)), np.array([0, 1, 0]), np.ones(2)).sum()
nn.BCELoss()(np.full(3, 0.5), np.ones(3)) + nn.functional.nll_loss(np.zeros((3, 2)), np.array([0, 1, 0]))
