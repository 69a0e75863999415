"""The command line, as its users type it."""

import json
import re
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pullback import cli, nn
from pullback.autograd.core.registry import _primitives
from pullback.cli.augmentation import AUGMENTATIONS, augmented
from pullback.cli.models import MODELS, Kind
from pullback.cli.training import OPTIMIZERS

pytest.importorskip("safetensors")
pytest.importorskip("matplotlib")

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys):
    """Run a command line; its exit code, and what it wrote to stdout and stderr."""

    def run(line):
        try:
            code = cli.main(shlex.split(line))
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return run


def bars(count, size=28, classes=2):
    """Images of class 0 are bright on the left, others on the right: float32 (N, size, size), and their classes."""
    labels = np.arange(count) % classes
    images = rng.uniform(0, 0.2, (count, size, size)).astype(np.float32)
    images[labels == 0, :, : size // 2] += 0.7
    images[labels != 0, :, size // 2 :] += 0.7
    return images, labels


@pytest.fixture
def npz():
    (x, y), (x_test, y_test) = bars(64), bars(20)
    np.savez("bars.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)


def idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def history(folder="run"):
    rows = json.loads(Path(folder, "history.json").read_text(encoding="utf-8"))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


# The verbs


def test_train_evaluate_show(run, npz, tmp_path):
    code, out, err = run("train bars.npz --epochs 3 --batch-size 16 --quiet")
    assert (code, err) == (0, "") and "run/weights.safetensors written" in out
    rows = history()
    assert [row["epoch"] for row in rows] == [1, 2, 3] and rows[-1]["val_accuracy"] == 1
    assert f"loss {rows[-1]['val_loss']:.4f}, accuracy 1.0000" in out
    names = "accuracy confusion computation-graph filters feature-maps saliency"
    pictures = [f"{name}.png" for name in names.split()]
    pictures += [f"deconvolutions-{i}.png" for i in (1, 2, 3)]
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert written == {"report.html", "weights.safetensors", "history.json"}
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "lenet on bars.npz" in report and report.count("<img") == len(pictures) and report.count("<svg") == 1

    code, out, err = run("evaluate bars.npz --weights run/weights.safetensors")
    assert (code, err) == (0, "")
    assert out == f"loss {rows[-1]['val_loss']:.4f}, accuracy 1.0000, f1 1.0000\n"

    code, out, err = run("show bars.npz --weights run/weights.safetensors --layer features.0 --out shown")
    assert (code, err) == (0, "")
    assert {path.name for path in (tmp_path / "shown").iterdir()} == {*pictures, "report.html"}
    assert "the layer features.0" in (tmp_path / "shown" / "report.html").read_text(encoding="utf-8")


def test_the_shipped_digits(run):
    nn.manual_seed(0)
    nn.save(nn.models.LeNet5(), "w.safetensors")
    code, out, err = run("evaluate mnist5k --weights w.safetensors")
    assert code == 0 and re.fullmatch(r"loss 2\.\d+, accuracy 0\.\d+, f1 0\.\d+, top5 0\.\d+\n", out)


@pytest.mark.parametrize("options", [f"--optimizer {name}" for name in OPTIMIZERS])
def test_every_optimizer(run, npz, options):
    code, out, err = run(f"train bars.npz --epochs 1 --no-report --quiet {options}")
    assert (code, err) == (0, "") and "accuracy" in out


@pytest.mark.parametrize("scheduler, rates", [("cosine", 1), ("step", 1), ("plateau", 1), ("onecycle", 4)])
def test_every_scheduler(run, npz, scheduler, rates, monkeypatch):
    steps = []
    schedule = cli.training.callbacks.Schedule

    class Spy(schedule):
        def __init__(self, scheduler, *args, **options):
            super().__init__(scheduler, *args, **options)
            step = scheduler.step
            scheduler.step = lambda *given: (steps.append(given), step(*given))

    monkeypatch.setattr(cli.training.callbacks, "Schedule", Spy)
    code, _, err = run(f"train bars.npz --epochs 2 --batch-size 16 --no-report --quiet --scheduler {scheduler}")
    assert (code, err) == (0, "") and len(steps) == 2 * rates


def test_one_seed_gives_the_same_weights(run, npz, tmp_path):
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert run(f"train bars.npz --epochs 1 --no-report --quiet --seed {seed} --out {folder}")[0] == 0
    a, b, c = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_workers_do_not_change_the_weights(run, npz, tmp_path):
    for workers in (0, 2):
        assert run(f"train bars.npz --epochs 1 --no-report --quiet --workers {workers} --out w{workers}")[0] == 0
    one, two = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("w0", "w2"))
    assert one == two


@pytest.mark.parametrize("names", [*AUGMENTATIONS, "crop, Flip,mixup"])
def test_augmentations(run, npz, tmp_path, names):
    def weights(folder, options=""):
        assert run(f"train bars.npz --epochs 1 --no-report --quiet --out {folder} {options}")[::2] == (0, "")
        return (tmp_path / folder / "weights.safetensors").read_bytes()

    one, two = (weights(folder, f"--augment '{names}' --workers {folder}") for folder in "01")
    assert one == two != weights("plain")


def test_what_augmentations_do():
    images = np.arange(2.0 * 16 * 16, dtype=np.float32).reshape(2, 1, 16, 16) + 1
    data = nn.data.TensorDataset(images, [0, 1])
    same, collate = augmented(data, (1, 16, 16), 2, [])
    assert same is data and collate is None
    nn.manual_seed(0)
    for name, blank in (("crop", lambda x: x == 0), ("cutout", lambda x: x == 0), ("flip", lambda x: x < 0)):
        changed, collate = augmented(data, (1, 16, 16), 2, [name])
        drawn = [np.asarray(changed[0][0]) for _ in range(20)]
        assert collate is None and all(x.shape == (1, 16, 16) for x in drawn)
        assert len({x.tobytes() for x in drawn}) > 1
        assert any(blank(x).any() for x in drawn) == (name != "flip")
    changed, collate = augmented(data, (1, 16, 16), 2, ["flip", "mixup"])
    x, y = collate([data[0], data[1]])
    assert changed is not data and x.shape == (2, 1, 16, 16) and y.shape == (2, 2)
    np.testing.assert_allclose(y.numpy().sum(1), 1, rtol=1e-6)


def test_early_stopping(run, npz):
    line = "train bars.npz --epochs 9 --lr 0 --no-report --quiet"
    code, out, err = run(f"{line} --early-stopping 2")
    assert (code, err) == (0, "") and len(history()) == 3  # nothing is ever better than the first
    assert "stopped after epoch 3: epoch 1 was the best, its weights are kept" in out
    code, out, _ = run(f"{line} --epochs 2 --early-stopping 2")
    assert code == 0 and len(history()) == 2 and "stopped" not in out


def test_lines_and_bars(run, npz):
    code, _, err = run("train bars.npz --epochs 2 --no-report --progress")
    assert code == 0 and "epoch 2/2: 100%" in err
    code, _, err = run("train bars.npz --epochs 0 --no-report --no-progress")
    assert code == 0 and err == ""


# Ctrl-C, and on again


def interrupting(monkeypatch, epoch):
    """Training is interrupted after the first batch of an epoch."""
    trainer = cli.training.Trainer

    class Interrupting(trainer):
        def _call(self, event, *details):
            if event == "on_batch_end" and (self.epoch, self.batch) == (epoch, 1):
                super()._call(event, *details)
                raise KeyboardInterrupt
            super()._call(event, *details)

    monkeypatch.setattr(cli.training, "Trainer", Interrupting)


def test_interrupted_and_resumed(run, npz, tmp_path, monkeypatch):
    line = "train bars.npz --epochs 3 --batch-size 16 --scheduler onecycle --no-report --quiet"
    assert run(f"{line} --out whole")[0] == 0
    with monkeypatch.context() as patch:
        interrupting(patch, 2)
        code, out, err = run(f"{line} --checkpoint saved --resume")
        assert code == 130 and "no checkpoint yet" in out and "weights.safetensors written" in out
    assert history()[-1]["interrupted"] is True
    code, out, err = run(f"{line} --checkpoint saved")
    assert code == 2 and "checkpoints" in err
    code, out, err = run(f"{line} --checkpoint saved --resume")
    assert code == 0 and "resumed" in out
    whole, resumed = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "run"))
    assert whole == resumed and history() == history("whole")


def test_interrupted_elsewhere(run, npz, monkeypatch):
    def pressed(self, *args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.training.Trainer, "evaluate", pressed)
    nn.save(nn.models.LeNet5(2), "w.safetensors")
    assert run("evaluate bars.npz --weights w.safetensors") == (130, "", "interrupted\n")


def test_ctrl_c_in_a_process(tmp_path, npz):
    command = [sys.executable, "-m", "pullback", "train", "bars.npz", "--epochs", "100000", "--no-progress"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as child:  # fmt: skip
        line = child.stderr.readline()
        assert line.startswith("epoch 1/100000: loss")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130 and "Traceback" not in err and "fit: interrupted" in err
    assert "run/weights.safetensors written" in out and (tmp_path / "run" / "weights.safetensors").exists()


def test_a_mistake_in_a_process():
    command = [sys.executable, "-m", "pullback", "train", "nothing"]
    child = subprocess.run(command, capture_output=True, text=True)
    assert (child.returncode, child.stdout) == (2, "")
    assert child.stderr.startswith("pullback train: there is no file or folder 'nothing'")


# Data from files


def test_idx(run, tmp_path):
    for name, count in (("train", 40), ("t10k", 10)):
        images, labels = bars(count)
        idx(tmp_path / "digits" / f"{name}-images-idx3-ubyte", images * 255)
        idx(tmp_path / "digits" / f"{name}-labels-idx1-ubyte", labels)
    code, out, err = run("train digits --epochs 1 --no-report --quiet")
    assert code == 2 and "verify=False" in err  # they are not the published ones
    assert run("train digits --epochs 1 --no-report --quiet --no-verify")[0] == 0
    assert len(nn.load("run/weights.safetensors")["classifier.5.bias"]) == 10


def test_emnist(run, tmp_path):
    def write(split):
        for name, count in (("train", 20), ("test", 4)):
            images, labels = bars(count)
            idx(tmp_path / "letters" / f"emnist-{split}-{name}-images-idx3-ubyte", images * 255)
            idx(tmp_path / "letters" / f"emnist-{split}-{name}-labels-idx1-ubyte", labels + 1)

    line = "train letters --epochs 1 --no-report --quiet --no-verify"
    write("letters")
    assert run(line)[0] == 0
    assert len(nn.load("run/weights.safetensors")["classifier.5.bias"]) == 27  # 0 is no letter
    write("digits")
    code, _, err = run(line)
    assert code == 2 and "several splits of EMNIST: give --split, digits, letters" in err
    assert run(f"{line} --split digits")[0] == 0
    assert len(nn.load("run/weights.safetensors")["classifier.5.bias"]) == 10
    code, _, err = run(f"{line} --split leters")
    assert code == 2 and "no split 'leters' of EMNIST; did you mean letters?" in err


def csv_of(path, columns, labels, images):
    lines = [] if columns is None else [",".join(columns)]
    lines += [",".join(map(str, [label, *pixels])) for label, pixels in zip(labels, images, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_csv(run, tmp_path):
    pixels = rng.integers(0, 256, (20, 16))
    columns = [f"p{i}" for i in range(16)]
    numbers = np.arange(20) % 3
    csv_of(tmp_path / "named.csv", ["label", *columns], [("cat", "dog", "cow")[n] for n in numbers], pixels)
    csv_of(tmp_path / "bare.csv", None, numbers, pixels)
    csv_of(tmp_path / "kind.csv", ["kind", *columns], numbers, pixels / 255)
    named = cli.data.open_images("named.csv", Kind(None, 1, 1))
    assert list(named.classes) == ["cat", "cow", "dog"]
    for found in (
        named,
        cli.data.open_images("bare.csv", Kind(None, 1, 1), target="0"),
        cli.data.open_images("kind.csv", Kind(None, 1, 1), target="kind"),
        cli.data.open_images("kind.csv", Kind(None, 1, 1), target="0"),
    ):
        images, labels = cli.data.arrays(found.train, 99)
        assert len(images) == 18 and len(found.test) == 2
        np.testing.assert_allclose(images, pixels[found.train.indices].reshape(-1, 1, 4, 4) / 255, rtol=1e-6)
        rows = np.array([0, 2, 1])[numbers] if found is named else numbers
        np.testing.assert_array_equal(labels, rows[found.train.indices])
    csv_of(tmp_path / "colour.csv", None, numbers, np.ones((20, 12)))
    assert cli.data.open_images("colour.csv", Kind(None, 3, 1), target="0").train[0][0].shape == (3, 2, 2)
    code, out, err = run("train named.csv --epochs 1 --out csv --quiet")
    assert (code, err) == (0, "") and (tmp_path / "csv" / "report.html").exists()
    assert run("evaluate named.csv --weights csv/weights.safetensors")[::2] == (0, "")


def test_cifar(run, tmp_path):
    folder = tmp_path / "cifar"
    folder.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        images, labels = bars(8, 32)
        pixels = np.repeat(images[:, None], 3, axis=1) * 255
        records = np.concatenate([labels[:, None], pixels.reshape(8, -1)], axis=1)
        (folder / f"{name}.bin").write_bytes(records.astype(np.uint8).tobytes())
    code, out, err = run("train cifar --no-verify --epochs 1 --no-report --quiet")  # lenet sees them in gray
    assert (code, err) == (0, "")


def test_folders_of_images(run, tmp_path):
    image = pytest.importorskip("PIL.Image")
    for part, count in (("train", 12), ("val", 4)):
        for i, (pixels, label) in enumerate(zip(*bars(count, 40), strict=True)):
            path = tmp_path / "photos" / part / ("left", "right")[label] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    assert run("train photos --epochs 1 --no-report --quiet")[0] == 0
    assert run("train photos/train --epochs 1 --no-report --quiet")[0] == 0
    assert len(nn.load("run/weights.safetensors")["classifier.5.bias"]) == 2
    (tmp_path / "photos" / "val" / "left").rename(tmp_path / "photos" / "val" / "up")
    code, _, err = run("train photos --epochs 1")
    assert code == 2 and "train and val differ in the classes left, up" in err


def test_images_are_brought_into_the_models_form():
    colour = rng.uniform(0, 1, (6, 3, 40, 40)).astype(np.float32)
    np.savez("colour.npz", x=colour, y=np.arange(6) % 2)
    gray = cli.data.open_images("colour.npz", MODELS["lenet"])
    assert len(gray.train) == 5 and len(gray.test) == 1 and gray.train[0][0].shape == (1, 28, 28)
    same = cli.data.open_images("colour.npz", MODELS["resnet18"])
    np.testing.assert_array_equal(cli.data.arrays(same.train, 9)[0], colour[same.train.indices])
    small = cli.data.open_images("colour.npz", MODELS["resnet18"], size=20)
    means = colour[same.train.indices].reshape(5, 3, 20, 2, 20, 2).mean((3, 5))  # bilinear, of every second place
    np.testing.assert_allclose(cli.data.arrays(small.train, 9)[0], means, rtol=1e-5)
    np.savez("gray.npz", x=(colour[:, 0] * 255).astype(np.uint8), y=np.arange(6) % 2)
    grown = cli.data.open_images("gray.npz", MODELS["vgg11"])
    images, _ = cli.data.arrays(grown.train, 9)
    assert images.shape == (5, 3, 40, 40) and images.max() <= 1
    np.testing.assert_array_equal(images[:, 0], images[:, 2])


# Mistakes


@pytest.mark.parametrize(
    "line, message",
    [
        ("train mnist5K", "there is no file or folder 'mnist5K'; did you mean mnist5k?"),
        ("train bars.mpz", "did you mean bars.npz?"),
        ("train mnist5k --model lent", "there is no model 'lent'; did you mean lenet?"),
        ("train mnist5k --model transformer9", "there is no model 'transformer9'; there are lenet, resnet18"),
        ("train mnist5k --optimizer adan", "there is no optimizer 'adan'; did you mean"),
        ("train mnist5k --resume", "--resume goes with --checkpoint DIR"),
        ("train mnist5k --lr -1", "lr must not be negative"),
        ("train mnist5k --size 30", "--size 30: this model takes images of 28 x 28"),
        ("train mnist5k --model vgg11 --size 8", "--size 8: this model takes images of at least 32 x 32"),
        ("train mnist5k --model pooled --size 2", "pooled cannot take images of shape (3, 2, 2): "),
        ("train mnist5k --epochs -1", "argument --epochs: -1 is negative"),
        ("train mnist5k --batch-size 0", "argument --batch-size: it must be 1 or more"),
        ("train mnist5k --scheduler cosin", "argument --scheduler: invalid choice: 'cosin'"),
        ("train empty", "'empty' has no folders, one for each class"),
        ("train text.txt", "'text.txt' is no .npz or .csv file"),
        ("train text.csv", "which column of 'text.csv' holds the classes? Give --target; there are 0, 1, ..."),
        ("train text.csv --target 1", "'text.csv': line 2: could not convert string to float: 'x'"),
        ("train text.csv --target digit", "there is no column 'digit', but 0, 1"),
        ("train wide.csv", "'wide.csv': 2 numbers in a row are no square image"),
        ("train mnist5k --augment crop,flop", "there is no augmentation 'flop'; did you mean flip?"),
        ("train mnist5k --augment flip,crop,flip", "--augment has flip twice"),
        ("train mnist5k --early-stopping 0", "argument --early-stopping: it must be 1 or more"),
        ("train damaged.npz", "'damaged.npz': no whole NPZ file"),
        ("train other.npz", "'other.npz' has no x, y, but a, b"),
        ("train floats.npz", "expected images (N, H, W) or (N, C, H, W) and class numbers (N,)"),
        ("train one.npz", "1 images are too few"),
        ("evaluate mnist5k", "the following arguments are required: --weights"),
        ("evaluate mnist5k --weights nowhere.safetensors", "nowhere.safetensors"),
        ("evaluate mnist5k --weights bars.npz", "not a whole safetensors file: it holds arrays of NumPy's"),
        ("evaluate mnist5k --weights other.safetensors", "does not hold the weights of lenet for 10 classes"),
        ("evaluate bars.npz --weights ten.safetensors", "does not hold the weights of lenet for 2 classes"),
        ("show mnist5k --weights ten.safetensors --layer feature.0", "no layer 'feature.0'; did you mean features.0?"),
        ("train bars.npz --out bars.npz/run", "Not a directory"),
        ("", "the following arguments are required: VERB"),
        ("trian mnist5k", "invalid choice: 'trian'"),
    ],
)
def test_mistakes(run, npz, tmp_path, monkeypatch, line, message):
    pooled = Kind(lambda classes: nn.models.VGG([(1,), (1,)], classes, pooled=1, hidden=1), 3, 1)
    monkeypatch.setitem(MODELS, "pooled", pooled)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.csv").write_text("1,2\nx,4\n")
    (tmp_path / "text.txt").write_text("1,2\n")
    (tmp_path / "wide.csv").write_text("label,a,b\n0,1,2\n1,2,3\n")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "bars.npz").read_bytes()[:1000])
    np.savez("other.npz", a=np.ones(3), b=np.ones(3))
    np.savez("floats.npz", x=np.ones((4, 9, 9)), y=np.ones(4))
    np.savez("one.npz", x=np.ones((1, 28, 28)), y=np.zeros(1, int))
    nn.save({"weight": np.ones(3)}, "other.safetensors")
    nn.save(nn.models.LeNet5(), "ten.safetensors")
    code, out, err = run(line)
    assert code == 2 and message in err and "Traceback" not in err, err


def test_where_an_error_came_from(run):
    with pytest.raises(cli.Mistake):
        cli.main(["train", "nothing", "--traceback"])


def test_help(run):
    for verb in ("train", "evaluate", "show", "check"):
        code, out, _ = run(f"{verb} --help")
        assert code == 0 and "examples:" in out
        for line in re.findall(r"^  pullback (.*)$", out, re.MULTILINE):  # the examples can be read
            assert cli._parser().parse_args(shlex.split(line)).verb == verb


# Gradients of a user's function

FUNCTIONS = """
import numpy as np
import pullback as pb
from beside import power

def right(x=np.linspace(-1, 1, 3), scale=2.0, n=3):
    return (scale * power(x, n)).sum()

def bare(x, n):
    return power(x, n)

def inputs():
    return np.ones(3), 2

@pb.primitive
def tripled(x):
    return 3 * x

@tripled.vjp("x")
def _(g, x):
    return 2 * g

def wrong(x=np.ones(2)):
    return tripled(x)

def fails(x=np.ones(2)):
    return x @ np.ones(3)

def whole(n=3):
    return n
"""


@pytest.mark.parametrize(
    "line, code, message",
    [
        ("f.py::right", 0, "right: passed: "),
        ("f.py::right --second-order --forward", 0, "right, second order: passed: "),
        ("f.py::bare", 0, "bare: passed: 18 slopes"),
        ("f.py::wrong", 1, "wrong gradient"),
        ("f.py::fails", 2, "f.py:27: ValueError: matmul"),
        ("f.py::whole", 2, "whole: no input is a float or complex number"),
        ("f.py::rihgt", 2, "'f.py' has no function 'rihgt'; did you mean right?"),
        ("f.py", 2, "which function? Write f.py::right"),
        ("g.py::f", 2, "there is no file 'g.py'"),
        ("broken.py::f", 2, "broken.py:2: SyntaxError"),
        ("stops.py::f", 2, "stops.py:2: ZeroDivisionError"),
        ("without.py::f", 2, "where is f to be checked? Give its arguments defaults, as f(x=np.ones(3))"),
        ("text.txt::f", 2, "'text.txt' is no file of Python"),
    ],
)
def test_check(run, tmp_path, line, code, message):
    texts = {"f.py": FUNCTIONS, "beside.py": "def power(x, n):\n    return x**n\n", "broken.py": "x = 1\ndef f(:\n"}
    texts |= {"stops.py": "def f(x): return x\n1 / 0\n", "without.py": "def f(x): return x\n", "text.txt": "f"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    before = sys.path[:]
    try:
        found, out, err = run(f"check {line}")
    finally:
        sys.modules.pop("beside", None)
        _primitives.pop("tripled", None)
    assert found == code and message in (err if code == 2 else out) and "Traceback" not in err
    assert sys.path == before
