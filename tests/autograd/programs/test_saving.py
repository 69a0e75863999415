"""Programs in files: what comes back does the same, and what is damaged is an error."""

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, grad, hessian, load_program, nn, optim, program, save_program, scan, value_and_grad
from pullback.autograd.core.pytrees import flatten

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
W = Tensor(RNG.standard_normal((3, 3)))


def model(x, y, scale=2.0):
    h = pb.where(x > 0.5, pb.tanh(x @ W), -0.0)[..., 1:] * scale
    return {"h": h.astype("float32"), "parts": (h.sum(0), y[[0, 1]], pb.argmax(h, 1)), "name": "model"}, [1.5, None]


def rolled(x, y):
    return scan(lambda c, r: (pb.sin(c + r @ W), c.sum()), y, x)


FUNCTIONS = {
    "model": model,
    "gradient": value_and_grad(lambda x, y: ((pb.linalg.inv(x.T @ x) @ y) ** 2).sum() + pb.cumprod(x).mean()),
    "Hessian": hessian(lambda x, y: (pb.exp(x) * 1e-3).prod() + pb.fft.fft(y).real.sum()),
    "scan": rolled,
    "gradient of scan": grad(lambda x, y: rolled(x, y)[1].sum()),
    "convolution": lambda x, y: nn.functional.conv1d(x[None, None, 0], y.reshape(1, 1, 3), padding=1) * (1 + 2j),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_there_and_back(tmp_path, name):
    given = (X, X[0])
    written = program(FUNCTIONS[name])(*given)
    save_program(written, tmp_path / "file.npz")
    loaded = load_program(tmp_path / "file.npz")
    assert loaded.operations == written.operations and not loaded.captured
    a, b = flatten(loaded(*given))[0], flatten(written(*given))[0]
    assert len(a) == len(b) > 0
    for one, other in zip(a, b, strict=True):
        assert type(one) is type(other) and getattr(one, "dtype", None) == getattr(other, "dtype", None)
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="input 0 is"):
        loaded(X.astype("float32"), X[0])


def test_what_is_no_data(tmp_path):
    path = tmp_path / "file.npz"
    with pytest.raises(TypeError, match=r"save_program: <lambda>: test_saving.py:\d+: drawn cannot be saved"):
        save_program(program(lambda x: x + pb.random.normal(size=3))(X[0]), path)
    w = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def step(x):
        (w * x).sum().backward()
        optimizer.step()

    with pytest.raises(TypeError, match="set_grad cannot be saved"):
        save_program(program(step)(X[0]), path)
    with pytest.raises(TypeError, match="of type object cannot be saved"):
        save_program(program(lambda x, y: x)(X[0], object()), path)


def test_damaged_files(tmp_path):
    path = tmp_path / "file.npz"
    save_program(program(model)(X, X[0]), path)
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[:-40], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"load_program: .*file.npz' is no program, or damaged"):
            load_program(path)
    for before, after in (
        (b'"tanh"', b'"tang"'),
        (b'"version": 1', b'"version": 9'),
        (b'"$slot": [1,', b'"$slot": [7,'),
        (b"numpy.", b"os.xx."),
        (b'"outputs"', b'"outputz"'),
    ):
        assert before in _text(whole, tmp_path)
        np.savez(path, **{**_arrays(whole, tmp_path), "program": _bytes(_text(whole, tmp_path).replace(before, after))})
        with pytest.raises(ValueError, match="is no program, or damaged"):
            load_program(path)
    with pytest.raises(FileNotFoundError):
        load_program(tmp_path / "none.npz")


def _arrays(whole, folder):
    (folder / "whole.npz").write_bytes(whole)
    with np.load(folder / "whole.npz") as file:
        return dict(file)


def _text(whole, folder):
    return _arrays(whole, folder)["program"].tobytes()


def _bytes(text):
    return np.frombuffer(text, np.uint8)
