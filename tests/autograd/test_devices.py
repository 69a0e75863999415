"""Tensors of another library's arrays: the strict stand-in for CuPy, and CuPy itself where there is a GPU."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, optim
from pullback.autograd.runtime.libraries import moved
from pullback.tests.helpers import stand_in


def _has_gpu():
    try:
        import cupy

        return cupy.cuda.is_available()
    except Exception:
        return False


pytestmark = pytest.mark.usefixtures("among_libraries")
GPU = pytest.mark.skipif(not _has_gpu(), reason="CuPy with a GPU is needed")


@pytest.fixture(params=["stand_in", pytest.param("cuda", marks=GPU)])
def device(request):
    stand_in.counts.clear()
    return request.param


def numbers(x):
    return np.asarray(moved(x._held if isinstance(x, Tensor) else x, "cpu"))


def on(device, x):
    return moved(np.asarray(x), device)


# The stand-in


@pytest.mark.parametrize(
    "refused",
    [
        lambda x: np.asarray(x),
        lambda x: np.array([x]),
        lambda x: memoryview(x),
        lambda x: x + np.ones(2),
        lambda x: np.ones(2) + x,
        lambda x: np.add(x, np.ones(2)),
        lambda x: np.stack([x, np.ones((2, 2))]),
        lambda x: np.block([x, x]),
        lambda x: np.spacing(x),
        lambda x: np.maximum.reduce(x),
        lambda x: float(x),
    ],
)
def test_the_stand_in_refuses_what_cupy_refuses(refused):
    with pytest.raises((TypeError, NotImplementedError)):
        refused(stand_in.asarray(np.ones((2, 2))))


def test_the_stand_in_gives_its_own_arrays_and_counts():
    x = stand_in.asarray(np.ones((2, 2)))
    stand_in.counts.clear()
    for y in (np.exp(x), x.sum(), np.sum(x), x[0, 0], 2 - x, np.float64(2) * x, np.where(x > 0, x, 0), x @ x, x.T):
        assert type(y) is stand_in.Array
    assert not stand_in.counts
    assert float(np.sum(x)) == 4 and x.get().tolist() == [[1, 1], [1, 1]]
    assert stand_in.counts == {"number": 1, "to host": 1}


# Tensors


def test_a_tensor_keeps_what_it_is_given(device):
    array = on(device, [[1.0, 2.0], [3.0, 4.0]])
    x = pb.asarray(array)
    assert x._held is array and x.data is array and x.device == device and x.shape == (2, 2)
    assert Tensor(array).data is not array and type(Tensor(array).data) is type(array)
    assert type((x * 2 + 1).sum().data) is type(array)
    assert Tensor([1.0]).device == "cpu"


def test_nothing_is_copied_to_the_host_unasked(device):
    x = pb.asarray(on(device, [1.0, 2.0]))
    with pytest.raises(TypeError):
        np.asarray(x)
    with pytest.raises(TypeError):
        x.numpy()
    assert x.to_device("cpu").numpy().tolist() == [1.0, 2.0]
    assert x.cpu().device == "cpu" and x.tolist() == [1.0, 2.0] and x[1].item() == 2.0


def test_a_gradient_comes_back_to_where_its_tensor_is(device):
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x.to_device(device)
    assert y.device == device and y.to_device(device) is y
    (y * y).sum().to("cpu").backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [2.0, 4.0]


def test_second_order(device):
    x = Tensor(on(device, [1.0, 2.0, 3.0]), requires_grad=True)
    first = pb.grads((x**3).sum(), x, create_graph=True)
    assert first.device == device
    assert numbers(pb.grads(first.sum(), x)).tolist() == [6.0, 12.0, 18.0]


def test_arrays_of_numpys_are_copied_there_and_tensors_are_not(device):
    x = Tensor(on(device, [1.0, 2.0]), requires_grad=True)
    assert numbers(x * np.array([3.0, 4.0])).tolist() == [3.0, 8.0]
    with pytest.raises(TypeError, match=f"multiply: arrays on different devices .{device}, cpu.; move them"):
        x * Tensor([3.0, 4.0])


def test_a_view_is_a_view(device):
    x = pb.asarray(on(device, np.zeros((2, 2))))
    x[0] += 1
    y = x.T
    y[1] *= 3
    assert numbers(x).tolist() == [[1, 3], [0, 0]]


def test_what_a_graph_has_saved_is_not_written_into(device):
    x = Tensor(on(device, [1.0, 2.0]), requires_grad=True)
    y = x * x
    x.grad = pb.asarray(on(device, [1.0, 1.0]))
    optim.SGD([x], lr=1.0).step()
    y.sum().backward()
    assert numbers(x).tolist() == [0.0, 1.0] and numbers(x.grad).tolist() == [3.0, 5.0]


def test_devices_that_there_are_not():
    with pytest.raises(ValueError, match="there is no device 'tpu'; there are 'cpu', 'cuda'"):
        Tensor([1.0]).to_device("tpu")


@pytest.mark.skipif(_has_gpu(), reason="CuPy is here")
def test_without_cupy_the_error_says_what_to_install():
    try:
        import cupy  # noqa: F401
    except ImportError:
        for move in (lambda: Tensor([1.0]).to_device("cuda"), lambda: nn.Linear(1, 1).to("cuda")):
            with pytest.raises(ImportError, match=r"device 'cuda': cupy computes there, pip install pullback\[cuda\]"):
                move()


# Modules, optimizers, files


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8 * 4 * 4, 16), nn.ReLU(), nn.Linear(16, 10),
    )  # fmt: skip


def trained(model, device, make, steps=3):
    """The losses of some steps, the model after them, and what was copied meanwhile."""
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(6, 1, 12, 12)).astype(np.float32), rng.integers(0, 10, 6)
    x, t = (pb.asarray(a).to_device(device) for a in (x, t))
    model = model.to(device)
    optimizer, loss_of, losses = make(model.parameters()), nn.CrossEntropyLoss(), []
    stand_in.counts.clear()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model(x), t)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    copied = dict(stand_in.counts)
    return [loss.item() for loss in losses], model, copied


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_copies_nothing(device, name):
    model = small_cnn()
    state = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    expected, there, _ = trained(model, "cpu", OPTIMIZERS[name])
    twin = small_cnn()
    twin.load_state_dict(state)
    losses, here, copied = trained(twin, device, OPTIMIZERS[name])
    assert copied == {}
    assert losses == pytest.approx(expected, rel=1e-4)
    for p, q in zip(here.parameters(), there.parameters(), strict=True):
        assert p.device == device and np.allclose(numbers(p), numbers(q), rtol=1e-3, atol=1e-4)


def test_weights_are_saved_and_loaded(device, tmp_path):
    model = small_cnn().to(device)
    nn.save(model.state_dict(), tmp_path / "weights.safetensors")
    state = nn.load(tmp_path / "weights.safetensors")
    twin = small_cnn().to(device)
    twin.load_state_dict(state)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert q.device == device and np.array_equal(numbers(p), numbers(q))


def test_a_loader_gives_batches_of_arrays_where_they_are(device):
    x, t = on(device, np.arange(12.0).reshape(6, 2)), on(device, np.arange(6))
    batches = list(nn.data.DataLoader(nn.data.TensorDataset(pb.asarray(x), pb.asarray(t)), batch_size=4))
    assert [b[0].shape for b in batches] == [(4, 2), (2, 2)]
    assert all(pb.asarray(part).device == device for batch in batches for part in batch)
    assert numbers(batches[1][1]).tolist() == [4, 5]
