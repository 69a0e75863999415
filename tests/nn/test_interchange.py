"""Weights that others wrote: half precision, several files with an index, pickles, and what does not fit."""

import io
import json
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest

from pullback import Tensor, nn

pytest.importorskip("safetensors")


def write(path, entries):
    """A file of arrays given as (dtype's code, shape, bytes), after the format's own text."""
    header, body = {}, b""
    for name, (code, shape, content) in entries.items():
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def words(*values):
    return struct.pack(f"<{len(values)}H", *values)


# Half precision

# sign, eight bits of exponent, seven of fraction
BFLOAT16 = {0x3F80: 1.0, 0xC000: -2.0, 0x3FC0: 1.5, 0x4049: 3.140625, 0x0001: 2.0**-133, 0x7F80: np.inf, 0x8000: -0.0}


def test_bfloat16_becomes_float32_bit_by_bit(tmp_path):
    path = tmp_path / "w"
    single = np.array([0.1, 2.5], "<f4")
    write(
        path,
        {
            "first": ("F32", [2], single.tobytes()),
            "all": ("BF16", [7], words(*BFLOAT16)),
            "matrix": ("BF16", [2, 2], words(0x3F80, 0x4000, 0x4040, 0x4080)),
            "number": ("BF16", [], words(0x7FC0)),
            "none": ("BF16", [0, 3], b""),
        },
    )
    loaded = nn.load(path)
    assert list(loaded) == ["first", "all", "matrix", "number", "none"]
    assert {array.dtype for array in loaded.values()} == {np.dtype(np.float32)}
    assert loaded["first"].tobytes() == single.tobytes()
    assert loaded["all"].tobytes() == np.array(list(BFLOAT16.values()), np.float32).tobytes()
    assert loaded["matrix"].tolist() == [[1, 2], [3, 4]]
    assert loaded["number"].shape == () and np.isnan(loaded["number"])
    assert loaded["none"].shape == (0, 3)
    loaded["all"][0] = 5  # it is one's own


def test_float16_stays_and_goes_into_a_model_of_float32(tmp_path):
    path = tmp_path / "w"
    write(path, {"weight": ("F16", [1, 2], words(0x3C00, 0xC100)), "bias": ("BF16", [1], words(0x3FC0))})
    loaded = nn.load(path)
    assert loaded["weight"].dtype == np.float16
    model = nn.Linear(2, 1)
    model.load_state_dict(loaded)
    assert model.weight.dtype == np.float32 and model.weight.numpy().tolist() == [[1.0, -2.5]]
    assert model(Tensor([[2.0, 1.0]], dtype=np.float32)).item() == 1.0  # 2 - 2.5 + 1.5


def test_eight_bit_floats_are_refused_by_name(tmp_path):
    write(tmp_path / "w", {"a": ("F8_E4M3", [2], b"\0\0")})
    with pytest.raises(ValueError, match="which NumPy lacks.*float8"):
        nn.load(tmp_path / "w")


# Several files with an index


@pytest.fixture
def parts(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    state = model.state_dict()
    files = {"0.weight": "a.safetensors", "0.bias": "b.safetensors", "2.weight": "a.safetensors"}
    files["2.bias"] = "b.safetensors"
    for file in ("a.safetensors", "b.safetensors"):
        nn.save({name: state[name] for name in state if files[name] == file}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 104}, "weight_map": files}))
    return model, index, files


def test_an_index_gives_all_arrays_of_all_files(parts):
    model, index, files = parts
    loaded = nn.load(index)
    assert list(loaded) == list(files)
    other = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    other.load_state_dict(loaded)
    for name, value in model.state_dict().items():
        assert other.state_dict()[name].numpy().tobytes() == value.numpy().tobytes()


def test_files_that_are_not_as_the_index_says(parts, tmp_path):
    _, index, files = parts
    text = index.read_text()
    for change, message in (
        ({"3.bias": "b.safetensors"}, r"'b.safetensors' lacks 3.bias$"),
        ({"0.bias": "a.safetensors"}, r"'a.safetensors' lacks 0.bias$"),
        ({"2.bias": "../b.safetensors"}, r"names '../b.safetensors', which is no file beside it$"),
        ({"2.bias": "/etc/passwd"}, r"no file beside it$"),
        ({"2.bias": ""}, r"no file beside it$"),
        ({"2.bias": index.name}, r"no file beside it$"),
        ({"2.bias": 3}, r"is not an index of safetensors files"),
        ({"2.bias": ["a.safetensors"]}, r"is not an index of safetensors files"),
    ):
        index.write_text(json.dumps({"weight_map": {**files, **change}}))
        with pytest.raises(ValueError, match=message):
            nn.load(index)
    index.write_text(json.dumps({"weight_map": {k: v for k, v in files.items() if k != "2.bias"}}))
    with pytest.raises(ValueError, match="also holds 2.bias$"):
        nn.load(index)
    for wrong in ("", "[]", "{}", "3", '{"weight_map": []}', text[:-1], "[" * 100_000):
        index.write_text(wrong)
        with pytest.raises(ValueError, match="is not an index of safetensors files"):
            nn.load(index)
    index.write_text(text)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="b.safetensors"):
        nn.load(index)


# Files of other kinds


def archive(**contents):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in contents.items():
            made.writestr(name.replace("__", "/").replace("_", "."), content)
    return file.getvalue()


PICKLES = [pickle.dumps({"a": 1}, protocol) for protocol in (2, 3, 4, 5)] + [
    archive(net__data_pkl=b"x", net__data__0=b"")
]


@pytest.mark.parametrize("content", PICKLES)
def test_a_pickle_is_told_how_to_be_converted(tmp_path, content):
    path = tmp_path / "net.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it is a pickle.*weights_only=True.*save_file") as error:
        nn.load(path)
    assert str(tmp_path / "net.safetensors") in str(error.value)


def test_arrays_of_numpy_are_told_apart(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ValueError, match="not a whole safetensors file: it .* of NumPy's, which np.load reads"):
            nn.load(tmp_path / name)
    (tmp_path / "a.zip").write_bytes(archive(readme_txt=b"x"))
    with pytest.raises(ValueError, match="not a whole safetensors file") as error:
        nn.load(tmp_path / "a.zip")
    assert "pickle" not in str(error.value) and "NumPy" not in str(error.value)


@pytest.mark.parametrize("old", [False, True])
def test_the_advice_converts(torch, tmp_path, old):
    """What the error says is run; weights that are shared and not contiguous come along."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[0].bias.data = torch.randn(6)[::2]
    torch.save(model.state_dict(), tmp_path / "net.pt", _use_new_zipfile_serialization=not old)
    with pytest.raises(ValueError) as error:
        nn.load(tmp_path / "net.pt")
    exec(re.search(r"import torch; .*", str(error.value))[0], {})
    ours = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    ours.load_state_dict(nn.load(tmp_path / "net.safetensors"))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), value.numpy())


# What does not fit


def test_all_that_does_not_fit_is_in_one_error(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    state = {k: v.numpy() for k, v in model.state_dict().items()}
    state["0.wieght"] = state.pop("0.weight")
    state["1.weight"] = np.zeros((2, 5), np.float32)
    state["1.bias"] = np.zeros(2, np.int64)
    nn.save({**state, "other": np.zeros(1)}, tmp_path / "w")
    with pytest.raises(RuntimeError) as error:
        model.load_state_dict(nn.load(tmp_path / "w"))
    text = str(error.value)
    assert "missing: 0.weight (nearest given: '0.wieght')" in text
    assert "0.wieght (did you mean '0.weight'?)" in text and "other" in text
    assert "1.weight: shape (2, 5) given for (2, 4) of Linear" in text and "1.bias: dtype int64" in text


# PyTorch writes and reads


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_half_precision_that_pytorch_wrote(torch, tmp_path, dtype):
    from safetensors.torch import save_file

    model = torch.nn.Linear(5, 3).to(getattr(torch, dtype))
    save_file(model.state_dict(), tmp_path / "w")
    loaded = nn.load(tmp_path / "w")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(loaded[name].astype(np.float64), value.double().numpy())


def test_a_mixed_file_in_several_parts_that_pytorch_wrote(torch, tmp_path):
    from safetensors.torch import save_file

    state = {
        "a": torch.randn(3, 4).bfloat16(),
        "b": torch.arange(5),
        "c": torch.randn(2),
        "d": torch.randn(2, 2).half(),
    }
    places = {"a": "1-of-2", "b": "1-of-2", "c": "2-of-2", "d": "2-of-2"}
    for place in ("1-of-2", "2-of-2"):
        save_file({k: v for k, v in state.items() if places[k] == place}, tmp_path / place)
    (tmp_path / "index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    loaded = nn.load(tmp_path / "index.json")
    assert {k: v.dtype.name for k, v in loaded.items()} == {
        "a": "float32",
        "b": "int64",
        "c": "float32",
        "d": "float16",
    }
    for name, value in state.items():
        np.testing.assert_array_equal(loaded[name].astype(np.float64), value.double().numpy())
