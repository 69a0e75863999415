"""Datasets from files that are written byte by byte, whole and damaged."""

import gzip
import hashlib
import io
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest

from pullback import Tensor
from pullback.nn.data import DataLoader
from pullback.nn.datasets import (
    CIFAR10,
    CIFAR100,
    CSV,
    EMNIST,
    KMNIST,
    MNIST,
    NPZ,
    FashionMNIST,
    ImageFolder,
    read_idx,
    read_image,
)

PIXELS = bytes(range(12)) + bytes(range(100, 112)) + bytes(range(240, 252))  # three images of 3 x 4
IMAGES = b"\x00\x00\x08\x03" + struct.pack(">3I", 3, 3, 4) + PIXELS
LABELS = b"\x00\x00\x08\x01" + struct.pack(">I", 3) + b"\x07\x00\x09"


def written(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("kind, folder", [(MNIST, "MNIST/raw"), (FashionMNIST, "FashionMNIST/raw"), (KMNIST, ".")])
@pytest.mark.parametrize("train, prefix", [(True, "train"), (False, "t10k")])
def test_mnist(tmp_path, kind, folder, ending, train, prefix):
    names = f"{prefix}-images-idx3-ubyte{ending}", f"{prefix}-labels-idx1-ubyte{ending}"
    written(tmp_path / folder, dict(zip(names, (IMAGES, LABELS), strict=True)))
    data = kind(tmp_path, train, verify=False)
    assert len(data) == 3 and data.data.shape == (3, 1, 3, 4) and data.targets.tolist() == [7, 0, 9]
    image, label = data[1]
    assert isinstance(image, Tensor) and image.shape == (1, 3, 4) and image.dtype == np.float32 and int(label) == 0
    np.testing.assert_allclose(image.numpy().ravel(), np.arange(100, 112) / 255, rtol=1e-6)
    assert len(data.classes) == 10 and data.classes[9] in ("9 - nine", "Ankle boot", "wo")
    ((x, y),) = DataLoader(data, 3)
    assert x.shape == (3, 1, 3, 4) and y.tolist() == [7, 0, 9] and "3 images (1, 3, 4), 10 classes" in repr(data)


def test_transforms_of_a_sample_and_of_a_batch(tmp_path):
    written(tmp_path, {"train-images-idx3-ubyte": IMAGES, "train-labels-idx1-ubyte": LABELS})
    data = MNIST(tmp_path, transform=lambda x: 1 - x, target_transform=lambda y: y + 1, verify=False)
    np.testing.assert_allclose(data[0][0].numpy().ravel(), 1 - np.arange(12) / 255, rtol=1e-6)
    ((x, y),) = DataLoader(data, 3)
    assert y.tolist() == [8, 1, 10] and x.shape == (3, 1, 3, 4) and int(data[0][1]) == 8


@pytest.mark.parametrize("split, classes", [("byclass", 62), ("balanced", 47), ("letters", 27), ("digits", 10)])
def test_emnist(tmp_path, split, classes):
    files = {f"emnist-{split}-test-images-idx3-ubyte": IMAGES, f"emnist-{split}-test-labels-idx1-ubyte.gz": LABELS}
    written(tmp_path / "EMNIST" / "raw", files)
    data = EMNIST(tmp_path, split, train=False, verify=False)
    assert data.targets.tolist() == [7, 0, 9] and len(data.classes) == classes
    assert EMNIST.__init__ and data.classes[:2] == (["N/A", "a"] if split == "letters" else ["0", "1"])
    if split == "balanced":  # the names that NIST's mapping gives to 36 ... 46
        assert "".join(data.classes[36:]) == "abdefghnqrt"
    with pytest.raises(ValueError, match="split must be one of byclass, .*, not 'all'"):
        EMNIST(tmp_path, "all")


def test_published_checksums_and_sizes(tmp_path, monkeypatch):
    name = "train-images-idx3-ubyte.gz"
    written(tmp_path, {name: IMAGES, "train-labels-idx1-ubyte": LABELS})
    with pytest.raises(ValueError, match=rf"{name}': its MD5 is [0-9a-f]+ and not f68b3c2d\w+, as was published"):
        MNIST(tmp_path)
    monkeypatch.setitem(MNIST.checksums, name, hashlib.md5((tmp_path / name).read_bytes()).hexdigest())
    with pytest.raises(ValueError, match=r"images of shape \(3, 3, 4\) are not those of MNIST, \(60000, 28, 28\)"):
        MNIST(tmp_path)
    whole = b"\x00\x00\x08\x03" + struct.pack(">3I", 10000, 28, 28) + bytes(7840000)
    written(tmp_path, {"t10k-images-idx3-ubyte": whole, "t10k-labels-idx1-ubyte": LABELS[:7] + b"\x10" + bytes(10000)})
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"\x00\x00\x08\x01" + struct.pack(">I", 10000) + bytes(10000))
    assert len(MNIST(tmp_path, train=False)) == 10000


def test_missing_files_are_named_with_their_source(tmp_path):
    written(tmp_path / "MNIST" / "raw", {"train-images-idx3-ubyte": IMAGES})
    with pytest.raises(FileNotFoundError) as caught:
        MNIST(tmp_path)
    for part in ("raw' lacks some of train-images-idx3-ubyte, train-labels-idx1-ubyte (or with .gz)", "yann.lecun.com"):
        assert part in str(caught.value)
    with pytest.raises(
        FileNotFoundError, match=r"CIFAR10: .*cifar-10-batches-bin' lacks .*test_batch.bin.*~kriz/cifar"
    ):
        CIFAR10(tmp_path, train=False)


@pytest.mark.parametrize("code, dtype", [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0, 3), (2, 3, 2)])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_of_every_dtype(tmp_path, code, dtype, shape, ending):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    content = bytes([0, 0, code, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape) + values.tobytes()
    written(tmp_path, {f"x{ending}": content})
    found = read_idx(tmp_path / f"x{ending}")
    assert found.dtype == np.dtype(dtype).newbyteorder("=") and found.shape == shape and found.dtype.isnative
    np.testing.assert_array_equal(found, values)
    found += 1


HUGE = b"\x00\x00\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1) + PIXELS
BAD_IDX = {
    "empty": (b"", "ends at offset 0, where 4 bytes from 0 on are declared"),
    "magic": (b"\x89PNG" + IMAGES[4:], "no IDX file: at offset 0 there is 89504e, not 0000"),
    "dtype": (b"\x00\x00\x07\x01" + LABELS[4:], "no IDX file: at offset 0 there is 000007"),
    "header": (IMAGES[:10], "ends at offset 10, where 12 bytes from 4 on are declared"),
    "longer": (IMAGES + b"!", "goes on at offset 52, where it is declared to end"),
    "huge": (
        HUGE,
        r"declares shape \(4294967295, 4294967295, 4294967295\), \d+ bytes, which a file of \d+ bytes cannot hold",
    ),
}


@pytest.mark.parametrize("content, said", BAD_IDX.values(), ids=BAD_IDX)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_damaged_idx(tmp_path, content, said, ending):
    written(tmp_path, {f"x{ending}": content})
    with pytest.raises(ValueError, match=rf"x{ending}': .*{said}"):
        read_idx(tmp_path / f"x{ending}")


def test_truncated_idx(tmp_path):
    written(tmp_path, {"x": IMAGES[:-2], "x.gz": IMAGES[:-2]})
    written(tmp_path, {"y": IMAGES[:20]})
    with pytest.raises(
        ValueError, match="y': the header at offset 0 declares .* 36 bytes, which a file of 20 bytes cannot"
    ):
        read_idx(tmp_path / "y")
    with pytest.raises(ValueError, match=r"x.gz': ends at offset 50, where 36 bytes from 16 on are declared"):
        read_idx(tmp_path / "x.gz")
    with pytest.raises(ValueError, match=r"x': ends at offset 50, where 36 bytes from 16 on are declared"):
        read_idx(tmp_path / "x")


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(IMAGES)
    for name, content in {
        "cut": whole[:-9],
        "crc": whole[:-8] + b"\x00\x00\x00\x00" + whole[-4:],
        "no gzip": IMAGES,
        "length": whole[:-4] + b"\xff\xff\xff\x00",
    }.items():
        (tmp_path / f"{name}.gz").write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"{name}.gz': damaged gzip data, found before byte \d+ of {len(content)}: "
        ):
            read_idx(tmp_path / f"{name}.gz")


def test_a_gzip_bomb_takes_no_memory_beyond_what_is_declared(tmp_path):
    import tracemalloc

    small = b"\x00\x00\x08\x01" + struct.pack(">I", 1000)
    (tmp_path / "x.gz").write_bytes(gzip.compress(small + bytes(60_000_000), 1))
    tracemalloc.start()
    with pytest.raises(ValueError, match="goes on at offset 1008, where it is declared to end"):
        read_idx(tmp_path / "x.gz")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


def test_images_and_labels_that_do_not_fit(tmp_path):
    names = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"

    def read(images, labels):
        written(tmp_path, dict(zip(names, (images, labels), strict=True)))
        return MNIST(tmp_path, verify=False)

    with pytest.raises(ValueError, match="3 images in .*, 2 labels"):
        read(IMAGES, b"\x00\x00\x08\x01" + struct.pack(">I", 2) + b"\x01\x02")
    with pytest.raises(ValueError, match="labels-idx1-ubyte': label 11 at offset 10 is none of 10 classes"):
        read(IMAGES, LABELS[:-1] + b"\x0b")
    with pytest.raises(
        ValueError, match="images-idx3-ubyte': the header at offset 0 declares uint8, 1 axes, not bytes, 3"
    ):
        read(LABELS, LABELS)


def records(labels, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072)).astype(np.uint8)
    return pixels, b"".join(bytes(label) + row.tobytes() for label, row in zip(labels, pixels, strict=True))


def test_cifar10(tmp_path):
    parts = [records([(i,), (9,)], i) for i in range(1, 6)]
    files = {f"data_batch_{i}.bin": content for i, (_, content) in enumerate(parts, 1)}
    written(tmp_path / "cifar-10-batches-bin", {**files, "test_batch.bin": records([(3,)])[1]})
    data = CIFAR10(tmp_path, verify=False)
    assert len(data) == 10 and data.targets.tolist() == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9] and data.classes[9] == "truck"
    image, label = data[4]
    assert image.shape == (3, 32, 32) and int(label) == 3
    np.testing.assert_allclose(image.numpy().ravel(), parts[2][0][0] / 255, rtol=1e-6)
    assert image.numpy()[1, 0, 2] == np.float32(parts[2][0][0][1024 + 2] / np.float32(255))  # green, first row
    assert len(CIFAR10(tmp_path / "cifar-10-batches-bin", train=False, verify=False)) == 1
    with pytest.raises(ValueError, match="data_batch_1.bin': its SHA1 is .* and not aadd24acc"):
        CIFAR10(tmp_path)


def test_cifar100(tmp_path, monkeypatch):
    pixels, content = records([(19, 99), (0, 5)])
    written(tmp_path / "cifar-100-binary", {"test.bin": content})
    data = CIFAR100(tmp_path, train=False, verify=False)
    assert data.targets.tolist() == [99, 5] and data.coarse_targets.tolist() == [19, 0] and data.classes[5] == "5"
    np.testing.assert_array_equal(data.data.reshape(2, -1), pixels)
    names = "\n".join(f"name{i}" for i in range(100))
    written(tmp_path / "cifar-100-binary", {"fine_label_names.txt": names.encode()})
    monkeypatch.setitem(CIFAR100.checksums, "test.bin", hashlib.sha1(content).hexdigest())
    assert CIFAR100(tmp_path, train=False).classes[99] == "name99"
    written(tmp_path / "cifar-100-binary", {"fine_label_names.txt": b"one two"})
    with pytest.raises(ValueError, match="fine_label_names.txt': 2 names for 100 classes"):
        CIFAR100(tmp_path, train=False)


@pytest.mark.parametrize(
    "content, said",
    [
        (records([(1,)])[1][:-1], "ends at offset 3072, within a record: records have 3073 bytes"),
        (records([(1,)])[1] + b"x", "ends at offset 3074, within a record"),
        (b"", "ends at offset 0, within a record"),
        (records([(1,), (10,)])[1], "label 10 at offset 3073 is none of 10 classes"),
    ],
)
def test_damaged_cifar(tmp_path, content, said):
    written(tmp_path, {"test_batch.bin": content})
    with pytest.raises(ValueError, match=f"test_batch.bin': {said}"):
        CIFAR10(tmp_path, train=False, verify=False)


def png(pixels):
    """A PNG, made by hand, of an array (H, W, 3) of bytes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = pixels.shape
    rows = b"".join(b"\x00" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def pixels(seed, shape=(5, 4, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("PIL")
    written(tmp_path / "dog" / "deep", {"b.png": png(pixels(1))})
    written(tmp_path / "dog", {"a.PNG": png(pixels(0)), "notes.txt": b"no image"})
    written(tmp_path / "cat", {"x.ppm": b"P6 4 5 255\n" + pixels(2).tobytes()})
    return tmp_path


def test_image_folder(folder):
    data = ImageFolder(folder)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1} and data.targets == [0, 1, 1]
    assert [path.rpartition("/")[2] for path, _ in data.samples] == ["x.ppm", "a.PNG", "b.png"]
    for (image, target), (seed, expected) in zip((data[i] for i in range(3)), [(2, 0), (0, 1), (1, 1)], strict=True):
        assert image.dtype == np.float32 and target == expected
        np.testing.assert_allclose(image, np.moveaxis(pixels(seed), 2, 0) / 255, rtol=1e-6)
    ((x, y),) = DataLoader(data, 3)
    assert x.shape == (3, 3, 5, 4) and y.tolist() == [0, 1, 1]
    doubled = ImageFolder(
        folder, lambda x: 2 * x, lambda y: -y, loader=lambda path: np.ones(2), extensions=(".ppm", ".png")
    )
    assert doubled[2][0].tolist() == [2, 2] and doubled[2][1] == -1


def test_images_of_several_sizes_and_modes(folder):
    from PIL import Image

    Image.fromarray(pixels(5, (9, 7))).save(folder / "cat" / "y.png")
    Image.fromarray(pixels(6, (4, 4, 4))).save(folder / "cat" / "z.png")
    ((x, _),) = DataLoader(ImageFolder(folder, size=(6, 8)), 5)
    assert x.shape == (5, 3, 6, 8)
    gray = read_image(folder / "cat" / "y.png")
    np.testing.assert_allclose(gray, np.broadcast_to(pixels(5, (9, 7)) / 255, (3, 9, 7)), rtol=1e-6)
    flat = np.full((4, 4, 3), 77, np.uint8)
    (folder / "flat.png").write_bytes(png(flat))
    np.testing.assert_allclose(read_image(folder / "flat.png", (9, 3)), 77 / 255, rtol=1e-6)


def test_damaged_images(folder):
    whole = png(pixels(0, (50, 40, 3)))
    path = folder / "dog" / "a.PNG"
    for content in (whole[:200], b"", b"no image", whole[:60] + b"\x00" * 40 + whole[100:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"a.PNG': no whole image, read up to offset \d+ of {len(content)}: "):
            ImageFolder(folder)[1]
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = whole[:12] + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + whole[33:]
    path.write_bytes(bomb)
    with pytest.raises(ValueError, match="a.PNG': no whole image, .*pixels"):
        read_image(path)


def test_folders_that_are_none(tmp_path):
    pytest.importorskip("PIL")
    with pytest.raises(FileNotFoundError):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no folders, one for each class"):
        ImageFolder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(FileNotFoundError, match=r"cat' has no images \(.jpg, .*\) in it"):
        ImageFolder(tmp_path)


def test_npz(tmp_path):
    x, y = np.arange(12.0, dtype=">f4").reshape(4, 3, order="F"), np.array([1, 2, 3, 4], np.int16)
    for name, save in (("a.npz", np.savez), ("b.npz", np.savez_compressed)):
        save(tmp_path / name, images=x, labels=y, more=np.asfortranarray(x))
        data = NPZ(tmp_path / name, ["images", "labels"])
        assert data[2][0].tolist() == x[2].tolist() and int(data[2][1]) == 3 and data.names == ["images", "labels"]
        assert len(NPZ(tmp_path / name).tensors) == 3 and NPZ(tmp_path / name)[1][2].tolist() == x[1].tolist()
    with pytest.raises(KeyError, match="NPZ: .* has no weights, but images, labels, more"):
        NPZ(tmp_path / "a.npz", ["weights"])
    np.savez(tmp_path / "c.npz", x=np.zeros(3), y=np.zeros(4))
    with pytest.raises(ValueError, match="NPZ: needs arrays of one length"):
        NPZ(tmp_path / "c.npz")


class Evil:
    def __reduce__(self):
        return print, ("code has run",)


def npy(header, content=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def archive(content, name="x.npy", kind=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as made:
        made.writestr(name, content)
    return file.getvalue()


def test_npz_never_unpickles(tmp_path, capsys):
    np.savez(tmp_path / "evil.npz", x=np.array([Evil(), 1], object))
    with pytest.raises(ValueError, match="evil.npz': x.npy at offset 0 holds Python objects, a pickle"):
        NPZ(tmp_path / "evil.npz")
    (tmp_path / "pickle.npz").write_bytes(archive(pickle.dumps(Evil())))
    with pytest.raises(ValueError, match="pickle.npz': x.npy at offset 0 is no array of numbers as NumPy writes it"):
        NPZ(tmp_path / "pickle.npz")
    assert "code has run" not in capsys.readouterr().out


GOOD = npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", struct.pack("<2i", 5, 6))
BAD_NPZ = {
    "empty": (b"", "no whole NPZ file, read up to offset 0"),
    "text": (b"x,y\n1,2\n" * 20, "no whole NPZ file"),
    "huge": (
        archive(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }", b"12345678")),
        "x.npy at offset 0 has 8 bytes for float64",
    ),
    "short": (archive(GOOD[:-1]), r"x.npy at offset 0 has 7 bytes for int32 \(2,\), which are 8"),
    "long": (archive(GOOD + b"!"), r"x.npy at offset 0 has 9 bytes for int32 \(2,\), which are 8"),
    "negative": (archive(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (-1,), }")), "x.npy at offset 0"),
    "code": (archive(npy("__import__('os').system('true')")), "x.npy at offset 0 is no array of numbers as"),
    "crc": (archive(GOOD).replace(struct.pack("<2i", 5, 6), struct.pack("<2i", 5, 7), 1), "no whole NPZ file, .*CRC"),
    "cut": (archive(GOOD)[:-30], "no whole NPZ file"),
}


@pytest.mark.parametrize("content, said", BAD_NPZ.values(), ids=BAD_NPZ)
def test_damaged_npz(tmp_path, content, said):
    (tmp_path / "x.npz").write_bytes(archive(GOOD))
    assert NPZ(tmp_path / "x.npz").tensors[0].tolist() == [5, 6]
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=f"x.npz': {said}"):
        NPZ(tmp_path / "x.npz")


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    content = bytearray(archive(GOOD, kind=zipfile.ZIP_DEFLATED))
    place = content.index(b"PK\x01\x02") + 24  # the size, in the directory
    content[place : place + 4] = struct.pack("<I", 4_000_000_000)
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.npy at offset 0 declares 4000000000 bytes, which \d+ cannot hold"):
        NPZ(tmp_path / "x.npz")


@pytest.mark.parametrize("seed", range(3))
def test_every_damaged_byte_is_an_error_of_the_file_or_none(tmp_path, seed):
    rng = np.random.default_rng(seed)
    np.savez_compressed(tmp_path / "x.npz", a=np.arange(300), b=np.ones((300, 2), np.float32))
    pytest.importorskip("PIL")
    files = {
        "x.npz": ((tmp_path / "x.npz").read_bytes(), lambda path: NPZ(path, ["a", "b"])),
        "x.gz": (gzip.compress(IMAGES), read_idx),
        "x": (IMAGES, read_idx),
        "x.png": (png(pixels(0)), read_image),
    }
    for name, (whole, read) in files.items():
        for _ in range(50):
            content = bytearray(whole)
            for place in rng.integers(len(content), size=rng.integers(1, 4)):
                content[place] = rng.integers(256)
            cut = rng.integers(len(content) + 1) if rng.random() < 0.3 else len(content)
            (tmp_path / name).write_bytes(bytes(content[:cut]))
            try:
                read(tmp_path / name)
            except ValueError as error:
                assert str(tmp_path / name) in str(error)
            except KeyError as error:
                assert "NPZ: " in str(error)


def test_csv(tmp_path):
    (tmp_path / "x.csv").write_text(
        '\ufeffa,"b, too",kind\n1,2.5,red\n\n-3e2,nan,"blue"\r\n4,5,red\n', encoding="utf-8"
    )
    data = CSV(tmp_path / "x.csv", "kind")
    assert data.columns == ["a", "b, too", "kind"] and data.classes == ["blue", "red"] and len(data) == 3
    np.testing.assert_array_equal(data.tensors[0].numpy(), np.array([[1, 2.5], [-300, np.nan], [4, 5]], np.float32))
    assert data.tensors[1].tolist() == [1, 0, 1] and data.tensors[0].dtype == np.float32
    (tmp_path / "y.csv").write_text("1;2;3\n4;5;6\n")
    data = CSV(tmp_path / "y.csv", 0, delimiter=";", header=False, dtype=np.float64)
    assert data.tensors[0].tolist() == [[2, 3], [5, 6]] and data.tensors[1].tolist() == [1, 4]
    assert data.tensors[0].dtype == np.float64 and data.tensors[1].dtype == np.int64 and data.columns == ["0", "1", "2"]
    assert CSV(tmp_path / "y.csv", -1, delimiter=";", header=False).tensors[1].tolist() == [3, 6]
    assert CSV(tmp_path / "y.csv", delimiter=";", header=False).tensors[0].shape == (2, 3)
    (tmp_path / "y.csv").write_text("x,y\n1,0.5\n2,1\n")
    assert CSV(tmp_path / "y.csv", "y").tensors[1].dtype == np.float32
    (tmp_path / "y.csv").write_text("x,y\n")
    assert len(CSV(tmp_path / "y.csv", "y")) == 0


BAD_CSV = {
    "short": (b"a,b\n1,2\n3\n", {}, "line 3: 1 fields, where there are 2 columns"),
    "long": (b"a,b\n1,2,3\n", {}, "line 2: 3 fields, where there are 2 columns"),
    "text": (b"a,b\n1,2\n3,x\n", {}, "line 3: could not convert string to float: 'x'"),
    "hole": (b"a,b\n1,\n", {}, "line 2: could not convert string to float: ''"),
    "empty": (b"", {}, "is empty"),
    "column": (b"a,b\n1,2\n", {"target": "c"}, "line 1: there is no column 'c', but a, b"),
    "number": (b"a,b\n1,2\n", {"target": 2}, "line 1: there is no column 2, but a, b"),
    "bytes": (b"a,b\n1,\xff\n", {}, "line 0: 'utf-8' codec can't decode byte 0xff"),
    "quote": (b'a,b\n1,"2\n', {}, "line 2: unexpected end of data"),
    "zero": (b"a,b\n1,\x002\n", {}, "line 2: "),
}


@pytest.mark.parametrize("content, options, said", BAD_CSV.values(), ids=BAD_CSV)
def test_damaged_csv(tmp_path, content, options, said):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"x.csv': {said}"):
        CSV(tmp_path / "x.csv", **options)


def test_without_pillow(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    for call in (lambda: ImageFolder(tmp_path), lambda: read_image(tmp_path / "x.png")):
        with pytest.raises(ImportError, match=r"needs Pillow: pip install pullback\[vision\]"):
            call()
