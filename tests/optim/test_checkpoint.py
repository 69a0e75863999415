import errno
import hashlib
import json
import os
import resource
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from pullback import Tensor, nn, optim
from pullback.nn.serialization import pieces, texts
from pullback.optim import Checkpoint
from pullback.tests.helpers.disk import FAULTS, Disk, failing, forked, killing
from pullback.tests.helpers.exact import same

pytest.importorskip("safetensors")

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def sorted_(tree):
    """A nest whose dicts have their keys in order."""
    if isinstance(tree, dict):
        return {key: sorted_(tree[key]) for key in sorted(tree)}
    return [sorted_(entry) for entry in tree] if isinstance(tree, list) else tree


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def net(seed=0, width=4):
    nn.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 2))
    return model, optim.Adam(model.parameters(), lr=0.01)


def steps(model, optimizer, count):
    """Some steps on random batches; the weights' bytes after each."""
    taken = []
    for _ in range(count):
        x = nn.init.generator().normal(size=(8, 3)).astype(np.float32)
        optimizer.zero_grad()
        (model(Tensor(x)) ** 2).mean().backward()
        optimizer.step()
        taken.append(b"".join(p.numpy().tobytes() for p in model.parameters()))
    return taken


def test_arrays_can_be_read_by_names_and_the_rest_as_json(folder):
    """By the library itself: no reader of ours is needed."""
    safetensors = pytest.importorskip("safetensors")
    model, optimizer = net()
    steps(model, optimizer, 1)
    with Checkpoint(folder) as checkpoint:
        path = checkpoint.save(model=model, optimizer=optimizer, step=7)
    with safetensors.safe_open(path, "np") as file:
        np.testing.assert_array_equal(file.get_tensor("parts/model/0.weight"), model[0].weight.numpy())
        assert json.loads(file.metadata()["tree"])["parts"]["step"] == 7


# Objects


def test_training_goes_on_to_the_bit(folder):
    model, optimizer = net()
    steps(model, optimizer, 3)
    checkpoint = Checkpoint(folder)
    checkpoint.save(model=model, optimizer=optimizer, step=3)
    expected = steps(model, optimizer, 4)
    other, its = net(seed=5)
    assert Checkpoint(folder).load(model=other, optimizer=its) == {"step": 3}
    assert steps(other, its, 4) == expected


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_random_generators(folder, kind):
    rng = np.random.Generator(kind(3))
    rng.integers(0, 10, 3, np.uint32)  # half of a draw is left
    nn.manual_seed(1)
    nn.init.generator().normal(size=5)
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(rng=rng)
        expected = rng.integers(0, 100, 9, np.uint32), nn.init.generator().normal(size=5)
        other = np.random.Generator(kind(4))
        nn.manual_seed(2)
        assert checkpoint.load(rng=other) == {}
    np.testing.assert_array_equal(other.integers(0, 100, 9, np.uint32), expected[0])
    np.testing.assert_array_equal(nn.init.generator().normal(size=5), expected[1])


def test_to_look_changes_nothing(folder):
    model, optimizer = net()
    steps(model, optimizer, 1)
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(model=model, optimizer=optimizer, step=1)
        before = nn.init.generator().bit_generator.state
        nn.init.generator().normal()
        after = nn.init.generator().bit_generator.state
        found = checkpoint.load()
        assert nn.init.generator().bit_generator.state == after != before
    assert list(found) == ["model", "optimizer", "step"]
    np.testing.assert_array_equal(found["model"]["0.weight"].numpy(), model[0].weight.numpy())
    same(found["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])


class Part:
    """An object with a state, which may fail when it is set, at some places."""

    def __init__(self, value, fails=None):
        self.value, self.fails, self.other = value, fails, list(value)

    def state_dict(self):
        return {"value": self.value}  # not copied

    def load_state_dict(self, state):
        self.value[:] = state["value"]
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error
        self.other = list(self.value)


def test_where_one_does_not_fit_none_is_changed_and_all_is_told(folder):
    model, optimizer = net()
    steps(model, optimizer, 2)
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(model=model, optimizer=optimizer, part=Part([1]), rng=np.random.default_rng(0))
        other, its = net(seed=1)
        before = steps(other, its, 1)
        random = nn.init.generator().bit_generator.state
        wrong, part = nn.Linear(3, 4), Part([2], OverflowError("too much"))
        nn.init.generator().bit_generator.state = random
        state = [other.state_dict(), its.state_dict()]
        with pytest.raises(ValueError, match="does not fit, and nothing is changed") as error:
            checkpoint.load(
                model=other, optimizer=its, part=part, wrong=wrong, rng=np.random.Generator(np.random.SFC64())
            )
        for text in (
            "wrong: it is not in it, but model, optimizer, part, rng",
            "part: OverflowError: too much",
            "rng: ValueError: state must be for a",
        ):
            assert text in str(error.value)
        same(sorted_([other.state_dict(), its.state_dict()]), sorted_(state))
        assert part.value == part.other == [2]
        assert nn.init.generator().bit_generator.state == random
        with pytest.raises(ValueError, match="model: RuntimeError: .*; optimizer: ValueError: "):
            checkpoint.load(model=wrong, optimizer=optim.Adam(wrong.parameters()))
        with pytest.raises(TypeError, match="step=3 has no load_state_dict"):
            checkpoint.load(model=other, step=3)
        assert nn.init.generator().bit_generator.state == random
    assert before == [b"".join(p.numpy().tobytes() for p in other.parameters())]


def test_an_interrupt_changes_nothing(folder):
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(a=Part([1]), b=Part([1]))
        a, b = Part([2]), Part([2], KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            checkpoint.load(a=a, b=b)
    assert a.value == a.other == b.value == b.other == [2]


# Which are kept


@pytest.mark.parametrize("keep", [1, 2, 3, None])
def test_the_newest_stay(folder, keep):
    with Checkpoint(folder, keep) as checkpoint:
        assert checkpoint.load() is None and checkpoint.paths == []
        for i in range(5):
            path = checkpoint.save(step=i)
            assert checkpoint.paths[-1] == path
            assert len(checkpoint.paths) == min(i + 1, keep or 99) == len(os.listdir(folder))
            assert checkpoint.load() == {"step": i}
    assert Checkpoint(folder).load() == {"step": 4}


@pytest.mark.parametrize("keep", [0, -1, 1.5, True, "3"])
def test_keep(folder, keep):
    with pytest.raises(ValueError, match="keep must be a number of checkpoints"):
        Checkpoint(folder, keep)


def test_numbers_go_on_and_other_files_stay(folder):
    with Checkpoint(folder, keep=2) as checkpoint:
        first = checkpoint.save(step=1)
        (folder / "notes.txt").write_text("mine")
        (folder / "checkpoint-7.safetensors").write_text("mine, too")
        first = first.rename(folder / first.name.replace("00000001", "99999999"))
        second = checkpoint.save(step=2)
        assert second.name.startswith("checkpoint-100000000-") and checkpoint.paths == [first, second]
        assert checkpoint.load() == {"step": 2}
        third = checkpoint.save(step=3)
        assert checkpoint.load() == {"step": 3} and checkpoint.paths == [second, third]
    assert sorted(os.listdir(folder)) == sorted([second.name, third.name, "checkpoint-7.safetensors", "notes.txt"])


def test_one_that_cannot_be_removed_stays(folder, monkeypatch):
    with Checkpoint(folder, keep=1) as checkpoint:
        first = checkpoint.save(step=1)
        Disk(monkeypatch, lambda name: failing(errno.EACCES, "unlink")(name))
        with pytest.warns(UserWarning, match=f"{first.name} stays, as it cannot be removed"):
            checkpoint.save(step=2)
        monkeypatch.undo()
        checkpoint.save(step=3)
        assert len(checkpoint.paths) == 1


# Damage


@pytest.fixture
def two(folder):
    with Checkpoint(folder) as checkpoint:
        checkpoint.save(x=np.arange(3.0), step=1)
        path = checkpoint.save(x=np.arange(4.0), step=2)
    return checkpoint, path


def falls_back(checkpoint, path, reason, step=1):
    with pytest.warns(
        RuntimeWarning, match=f"{path.name}: .*{reason}.*checkpoint-0000000{step}-.* is loaded"
    ) as caught:
        assert checkpoint.load()["step"] == step
    assert caught[0].filename == __file__


def test_a_flipped_bit_in_every_byte(two):
    checkpoint, path = two
    whole = path.read_bytes()
    assert checkpoint.load()["step"] == 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(len(whole)):
            content = bytearray(whole)
            content[i] ^= 1 << i % 8
            path.write_bytes(content)
            assert checkpoint.load()["step"] == 1
    assert len(caught) == len(whole) > 400
    path.write_bytes(whole)
    assert checkpoint.load()["step"] == 2


def test_every_truncation_and_more(two):
    checkpoint, path = two
    whole = path.read_bytes()
    for content in [*(whole[:n] for n in range(0, len(whole), 7)), whole + b"\0", b"garbage" * 100, whole[::-1]]:
        path.write_bytes(content)
        falls_back(checkpoint, path, "damaged: its .* bytes are not those that were written")


def test_other_files_of_such_a_name(two):
    checkpoint, path = two
    path.unlink()
    assert checkpoint.load()["step"] == 1  # there is no trace of it
    path.mkdir()
    falls_back(checkpoint, path, "Is a directory")
    path.rmdir()
    path.symlink_to(path.with_name("nowhere"))
    falls_back(checkpoint, path, "No such file")
    path.unlink()
    falls_back(checkpoint, forged(checkpoint, [], version="2"), "no checkpoint of this version")


def forged(checkpoint, tree, version="1"):
    """A file that somebody else has written, its name and all."""
    content = b"".join(pieces({"a": np.full(8, 1, np.uint8)}, checkpoint=version, tree=json.dumps(tree)))
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    path = checkpoint.directory / f"checkpoint-00000009-{digest}.safetensors"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", ["|O", [["a", "|O"]]])
@pytest.mark.parametrize("form", [{"$array": "a", "shape": [1]}, {"$scalar": "01" * 8}])
def test_addresses_are_not_taken_for_objects(two, form, dtype):
    path = forged(two[0], {"parts": {"a": {**form, "dtype": dtype}}})
    falls_back(two[0], path, "an array of objects is no data", step=2)


def test_where_all_are_damaged(two):
    checkpoint, path = two
    for each in checkpoint.paths:
        each.write_bytes(each.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"no file can be loaded: .*00000002-.*damaged.*; .*00000001-.*damaged"):
        checkpoint.load()


def test_a_damaged_one_leaves_in_its_turn(two):
    checkpoint, path = two
    path.write_bytes(b"")
    for step in (3, 4):
        checkpoint.save(step=step)
        assert checkpoint.load() == {"step": step}
    assert path in checkpoint.paths
    checkpoint.save(step=5)
    assert path not in checkpoint.paths and len(checkpoint.paths) == 3


# Faults of the disk


def saved(folder):
    """A checkpoint of two, and the calls that it takes to write the next one."""
    checkpoint = Checkpoint(folder, keep=2)
    for step in (1, 2):
        checkpoint.save(step=step, x=np.arange(3000.0))
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, most=5000)
        checkpoint.save(step=3, x=np.arange(3000.0))
    return checkpoint, disk.names


def test_the_order_in_which_a_checkpoint_comes_and_the_oldest_goes(folder):
    _, names = saved(folder)
    assert [n for n in names if n not in ("scandir", "listdir")] == [
        "create", *["write"] * names.count("write"), "fsync", "replace", "open", "fsync", "unlink", "unlink",
    ]  # fmt: skip
    assert names.count("write") >= 5  # each shorter than what was asked


def test_short_writes_make_a_whole_file(folder):
    checkpoint, _ = saved(folder)
    same(checkpoint.load(), {"step": 3, "x": np.arange(3000.0)})


@pytest.mark.parametrize("number", FAULTS)
def test_any_call_that_fails(folder, number):
    """The error is told, no checkpoint is lost, no rubbish stays, and the next one is written."""
    checkpoint, names = saved(folder)
    whole = names.index("replace")
    for at, name in enumerate(names):
        before = checkpoint.load()
        step = before["step"] + 1
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Disk(patch, failing(number, at), most=5000)
            try:
                checkpoint.save(step=step, x=np.arange(3000.0))
                failed = False
            except OSError as error:
                failed = True
                assert error.errno == number and os.strerror(number) in str(error)
                if name != "listdir":
                    assert str(folder) in str(error) and "those before stay" in str(error)
        after = checkpoint.load()
        if at <= whole and name != "scandir":
            assert failed and after["step"] == before["step"]
        elif name == "fsync":  # of the folder: the file is there
            assert failed and after["step"] == step
        elif at == len(names) - 1:
            assert not failed and "cannot be removed" in str(caught[0].message)
        same(after["x"], np.arange(3000.0))
        assert {path.name for path in checkpoint.paths} == set(os.listdir(folder)) and len(checkpoint.paths) >= 2
    checkpoint.save(step=100)
    assert checkpoint.load() == {"step": 100} and len(os.listdir(folder)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("first", [False, True])
def test_death_at_any_call(folder, where, first):
    """The next writer finds the checkpoint before or the new one, whole, and removes what was left."""
    x = np.ones(3000)

    def run(name):
        folder.with_name(name)
        if not first:
            with Checkpoint(folder.with_name(name)) as checkpoint:
                checkpoint.save(step=0)
        return Checkpoint(folder.with_name(name), keep=1)

    def write(checkpoint, at):
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, **{where: killing(at)}, most=5000)
            checkpoint.save(step=1, x=x)
        return disk.names

    names = write(run("whole"), None)
    seen = set()
    for at in range(len(names)):
        checkpoint = run(f"dead{at}")
        assert forked(write, checkpoint, at) == -signal.SIGKILL
        found = checkpoint.load()
        before = None if first else {"step": 0}
        assert (
            found == before
            if found is None or "x" not in found
            else (found["step"], found["x"].tolist()) == (1, x.tolist())
        )
        seen.add(found and found["step"])
        checkpoint.save(step=2)
        assert checkpoint.load() == {"step": 2} and len(os.listdir(checkpoint.directory)) == 1
    assert seen == {None if first else 0, 1} and len(names) >= 12


def test_a_real_limit_of_the_disk(folder):
    """The system itself writes less than it is asked for, and then refuses."""

    def writer():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        with pytest.raises(OSError, match="those before stay: File too large"):
            Checkpoint(folder).save(x=np.zeros(3000))

    with Checkpoint(folder) as checkpoint:
        path = checkpoint.save(step=1)
    assert forked(writer) == 0
    assert checkpoint.load() == {"step": 1} and os.listdir(folder) == [path.name]


def test_a_real_refusal(folder):
    """Of a folder into which this user may not write."""

    def writer():
        if os.geteuid() == 0:
            os.chdir(folder)
            os.setresuid(65534, 65534, 65534)
        with pytest.raises(PermissionError, match="those before stay: Permission denied"):
            Checkpoint(".").save(step=2)
        assert Checkpoint(".").load() == {"step": 1}

    with Checkpoint(folder) as checkpoint:
        path = checkpoint.save(step=1)
    folder.chmod(0o555)
    try:
        assert forked(writer) == 0
    finally:
        folder.chmod(0o755)
    assert os.listdir(folder) == [path.name]


# Writers


def test_a_second_writer_is_refused_and_may_read(folder):
    first, second = Checkpoint(folder), Checkpoint(folder)
    first.save(step=1)
    for action in (second.save, second.lock):
        with pytest.raises(RuntimeError, match="another writes into .*run"):
            action()
    assert second.load() == {"step": 1}
    first.close()
    second.save(step=2)
    with pytest.raises(RuntimeError, match="another writes"):
        first.save(step=3)
    del second, action
    first.save(step=4)
    assert first.load() == {"step": 4} and len(first.paths) == 3


def sleeping(action):
    """A forked process that does something and lives on; its number."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        kept = action()  # noqa: F841
        os.write(write, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(read, 1)
    os.close(read), os.close(write)
    return child


def kill(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_lock_ends_with_its_process(folder):
    def writer():
        checkpoint = Checkpoint(folder)
        checkpoint.save()
        return checkpoint

    child = sleeping(writer)
    with pytest.raises(RuntimeError, match="another writes"):
        Checkpoint(folder).save()
    kill(child)
    Checkpoint(folder).save(step=1)
    assert Checkpoint(folder).load() == {"step": 1}


def test_a_forked_child_is_another_writer_and_keeps_no_lock(folder):
    checkpoint = Checkpoint(folder)
    checkpoint.save(step=1)

    def child():
        with pytest.raises(RuntimeError, match="another writes"):
            checkpoint.save(step=2)

    assert forked(child) == 0
    child = sleeping(lambda: None)
    checkpoint.close()
    try:
        Checkpoint(folder).save(step=3)
    finally:
        kill(child)


def test_without_locks_a_warning_says_so(folder, monkeypatch):
    import fcntl

    def refuse(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Checkpoint(folder) as checkpoint:
        with pytest.warns(RuntimeWarning, match="no lock of .*No locks available") as caught:
            checkpoint.save(step=1)
        checkpoint.save(step=2)
    assert len(caught) == 1 and checkpoint.load() == {"step": 2}


def test_threads_save_one_after_another(folder):
    checkpoint = Checkpoint(folder, keep=None)
    threads = [threading.Thread(target=lambda i=i: [checkpoint.save(step=[i, j]) for j in range(5)]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(checkpoint.paths) == 20 == len(os.listdir(folder))
    found = [json.loads(texts(path)["tree"])["parts"]["step"] for path in checkpoint.paths]
    assert sorted(found) == [[i, j] for i in range(4) for j in range(5)]


def test_what_dead_writers_left_goes(folder):
    with Checkpoint(folder) as checkpoint:
        checkpoint.save()
        (folder / ".checkpoint-0123.tmp").write_bytes(b"half")
        (folder / ".other.tmp").write_bytes(b"mine")
        checkpoint.save()
    assert sorted(name for name in os.listdir(folder) if name.endswith(".tmp")) == [".other.tmp"]


def test_without_safetensors_it_says_what_to_install(folder, monkeypatch):
    with Checkpoint(folder) as checkpoint:
        checkpoint.save()
        monkeypatch.setitem(sys.modules, "safetensors", None)
        with pytest.raises(ImportError, match="pip install"):
            checkpoint.load()
