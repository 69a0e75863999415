"""profile: counts, bytes and names are what arithmetic says; nothing stays behind."""

import threading
import time
import warnings

import numpy as np
import pytest

import pullback as pb
from pullback import Tensor, nn, viz
from pullback.autograd.core.graph import modes
from pullback.autograd.core.registry import _primitives


def leaf(value):
    return Tensor(value, requires_grad=True)


def figures(prof, **chosen):
    """The sum over the rows with these names of (calls, allocated, kept)."""
    rows = [row for row in prof.rows if all(getattr(row, name) == value for name, value in chosen.items())]
    return tuple(sum(getattr(row, name) for row in rows) for name in ("calls", "allocated", "kept"))


def test_counts_and_bytes():
    x = leaf(np.ones((10, 100)))
    with pb.profile() as prof:
        y = pb.exp(x)  # keeps its result
        z = y * x  # keeps x; the result of exp is counted there
        t = z.T  # a view
        loss = t.sum()
        loss.backward()
    assert figures(prof, operation="exp", direction="forward") == (1, 8000, 8000)
    assert figures(prof, operation="multiply", direction="forward") == (1, 8000, 8000)
    assert figures(prof, operation="transpose", direction="forward") == (1, 0, 0)
    assert figures(prof, operation="multiply", direction="backward") == (2, 16000, 0)
    assert figures(prof, operation="exp", direction="backward")[0] == 1
    assert {row.module for row in prof.rows} == {""} and {row.direction for row in prof.rows} == {"forward", "backward"}


@pytest.mark.parametrize("n", [1000, 1 << 18])  # the memory of large arrays stays in a pool
@pytest.mark.parametrize("backward", [False, True])
def test_kept_memory_is_counted_again_once_it_was_freed(n, backward):
    x = leaf(np.ones(n))
    y = []
    with pb.profile() as prof:
        for _ in range(3):
            y[:] = [pb.relu(x)]
            if backward:
                y[0].backward(np.ones(n))
    assert figures(prof, operation="relu", direction="forward") == (3, 3 * 8 * n, 3 * 8 * n)


def test_nothing_is_kept_without_a_graph():
    with pb.profile() as prof, pb.no_grad():
        pb.exp(leaf(np.ones(1000)))
    assert figures(prof) == (1, 8000, 0)


def test_time():
    slow = pb.primitive(lambda x: time.sleep(0.02) or 2 * x, name="slow_for_test_profiling")
    slow.vjp("x")(lambda g: time.sleep(0.05) or 2 * g)
    x = leaf(1.0)
    with pb.profile() as prof:
        slow(slow(x)).backward()
    del _primitives["slow_for_test_profiling"]
    forward, backward = prof.rows
    assert (forward.operation, forward.calls, backward.calls) == ("slow_for_test_profiling", 2, 2)
    assert 0.04 <= forward.seconds < backward.seconds and backward.seconds >= 0.1
    assert forward.seconds + backward.seconds <= prof.seconds


def test_what_runs_within_an_operation_is_not_counted_twice():
    for create_graph in (False, True):
        x, w = leaf(np.ones((2, 3, 8, 8))), leaf(np.ones((4, 3, 3, 3)))
        with pb.profile() as prof:
            pb.conv(x, w).sum().backward(create_graph=create_graph)
        assert {row.operation for row in prof.rows} == {"conv", "sum"}
        assert figures(prof, direction="backward")[0] == 3
        assert (figures(prof, direction="backward")[2] > 0) == create_graph


def test_transforms_and_several_outputs():
    with pb.profile() as prof:
        pb.vmap(pb.grad(lambda x: pb.sin(x) * 2.0))(np.ones(5))
        pb.jvp(lambda x: pb.linalg.svd(x)[1].sum(), (np.eye(2),), (np.ones((2, 2)),))
    assert figures(prof, operation="sin", direction="forward")[0] == 1
    assert figures(prof, operation="sin", direction="backward")[0] == 1
    assert figures(prof, operation="svd", direction="forward")[0] == 1


def test_what_a_checkpoint_does_again():
    x = leaf(np.ones(1000))
    with pb.profile() as prof:
        pb.checkpoint(lambda x: pb.exp(x).sum())(x).backward()
    assert figures(prof, operation="exp", direction="forward")[0] == 2
    assert figures(prof, operation="exp", direction="backward")[0] == 1
    assert {row.operation for row in prof.rows} == {"exp", "sum"}


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.second = nn.Linear(3, 4)
        self.again = self.second

    def forward(self, x):
        return self.first(x) * self.second(x) + self.again(x)


def test_modules():
    model = Branches()
    x = Tensor(np.ones((2, 3), np.float32))
    with pb.profile(model) as prof:
        model(x).sum().backward()
    calls = {(row.module, row.direction): row.calls for row in prof.by("module", "direction")}
    rows = {(row.module, row.operation, row.direction): row.calls for row in prof.rows}
    assert {module for module, _ in calls} == {"", "first", "first.0", "first.1", "second"}
    assert rows["first.1", "relu", "forward"] == rows["first.1", "relu", "backward"] == 1
    assert rows["", "multiply", "forward"] == 1 and rows["", "multiply", "backward"] == 2
    assert calls["first", "forward"] == calls["first.0", "forward"] + calls["first.1", "forward"]
    assert calls["second", "forward"] == 2 * calls["first.0", "forward"]
    assert sum(row.seconds for row in prof.by("operation")) == pytest.approx(sum(row.seconds for row in prof.rows))
    assert all("forward" not in module.__dict__ for module in model.modules())


def test_an_error_leaves_nothing_behind():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    with pytest.raises(ValueError), pb.profile(model):
        model(Tensor(np.ones((2, 5), np.float32)))
    assert "forward" not in model.__dict__ and "forward" not in model[0].__dict__
    assert not modes.dispatch and modes.observers == ()
    with pb.profile(model) as prof:
        with pytest.raises(ValueError):
            model(Tensor(np.ones((2, 5), np.float32)))
        pb.exp(Tensor(1.0))
    assert {row.module for row in prof.rows if row.operation == "exp"} == {""}
    count = len(prof.rows)
    model(Tensor(np.ones((2, 3), np.float32)))
    assert len(prof.rows) == count


def test_another_thread_is_not_seen():
    model = nn.Linear(3, 4)
    with pb.profile(model) as prof:
        thread = threading.Thread(target=lambda: model(Tensor(np.ones((2, 3), np.float32))))
        thread.start()
        thread.join()
    assert prof.rows == [] and prof.table().splitlines()[1:] == []


def test_nests_and_goes_with_detect_anomaly():
    x = leaf(2.0)
    with pb.profile() as outer, pb.detect_anomaly():
        pb.exp(x)
        with pb.profile() as inner:
            (x * x).backward()
        with warnings.catch_warnings(), pytest.raises(FloatingPointError):
            warnings.simplefilter("ignore")
            pb.log(x * 0.0)
    assert [(row.operation, row.direction) for row in inner.rows] == [("multiply", "forward"), ("multiply", "backward")]
    assert figures(outer, operation="multiply", direction="forward")[0] == 2
    assert x.grad.item() == 4.0


def test_table():
    x = leaf(np.ones(1000))
    with pb.profile() as prof:
        pb.exp(x) + 1.0
        pb.sin(x)
        pb.sin(x)
    lines = prof.table(sort_by="calls", limit=2).splitlines()
    assert lines[0].split() == ["module", "operation", "direction", "calls", "seconds", "allocated", "kept", "share"]
    assert lines[1].split()[:4] == ["-", "sin", "forward", "2"] and len(lines) == 3
    assert lines[1].split()[-5:-1] == ["16", "kB", "16", "kB"]  # the first graph was dropped
    assert prof.table(by="operation", limit=1).splitlines()[0].split()[0] == "operation"
    assert repr(prof) == prof.table(limit=20)
    with pytest.raises(ValueError, match="sort_by='memory' given; there are calls, seconds, allocated, kept"):
        prof.table(sort_by="memory")
    with pytest.raises(ValueError, match="'memory' given; there are module, operation, direction"):
        prof.by("memory")


def test_rows_are_copies():
    with pb.profile() as prof:
        pb.exp(Tensor(1.0))
    prof.rows[0].calls = 7
    assert prof.rows[0].calls == 1


def test_picture():
    pytest.importorskip("matplotlib")
    x = leaf(np.ones(1000))
    with pb.profile() as prof:
        (pb.exp(x) * pb.sin(x)).sum().backward()
    axes = viz.profile(prof, value="calls", limit=2).figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["multiply", "exp"]
    assert [bar.get_width() for bar in axes.patches] == [1, 1, 2, 1]
    assert [label.get_text() for label in viz.profile(prof, by="module").figure.axes[0].get_yticklabels()] == [
        "(no module)"
    ]
    with pytest.raises(ValueError, match="value='memory'"):
        viz.profile(prof, value="memory")
    with pytest.raises(ValueError, match="nothing was recorded"), pb.profile() as prof:
        viz.profile(prof)
