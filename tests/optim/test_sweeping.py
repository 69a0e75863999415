"""`sweep`: grids and random searches, in processes and here, begun again, and what goes wrong."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pullback import nn, optim
from pullback.optim import Sweep, Trial, sweep
from pullback.tests.helpers.sweeps import dies, drawn, fails, loss, several

GRID = {"lr": [0.1, 1.0], "width": [2, 4, 8]}


def test_grid():
    """All combinations, in the order of nested loops."""
    found = sweep(loss, GRID, processes=0)
    expected = [{"lr": lr, "width": width} for lr in GRID["lr"] for width in GRID["width"]]
    assert [trial.config for trial in found] == expected
    assert [trial.result for trial in found] == [{"value": (c["lr"] - 0.1) ** 2 + 1 / c["width"]} for c in expected]
    assert [trial.number for trial in found] == list(range(6))
    assert found.best().config == {"lr": 0.1, "width": 8}
    assert found.best(largest=True).config == {"lr": 1.0, "width": 2}
    assert found[1:3].best("value").number == 2


def test_random():
    """Draws of the seed's, the same however many trials there are; other seeds draw other ones."""
    space = {"lr": lambda rng: 10 ** rng.uniform(-4, -1), "width": [2, 4, 8]}
    few, many, other = (sweep(loss, space, trials=n, seed=s, processes=0) for n, s in ((5, 0), (20, 0), (5, 1)))
    assert [t.config for t in few] == [t.config for t in many[:5]] != [t.config for t in other]
    assert all(1e-4 <= t.config["lr"] <= 1e-1 for t in many)
    assert {t.config["width"] for t in many} == {2, 4, 8}


def test_processes_are_others_and_give_the_same():
    """Two processes: neither is this one, and random numbers are those of the trial, wherever it runs."""
    here = sweep(drawn, {"size": [1, 2, 3, 4]}, processes=0, seed=7)
    apart = sweep(drawn, {"size": [1, 2, 3, 4]}, processes=2, seed=7)
    assert [t.result["sum"] for t in apart] == [t.result["sum"] for t in here]
    assert len({t.result["sum"] for t in here}) == 4
    assert os.getpid() not in {t.result["process"] for t in apart}
    assert {t.result["threads"] for t in apart} == {1}


def test_training():
    """What it is for: the rate with which a model learns best."""

    def train(lr):
        model = nn.Linear(1, 1)
        trainer = optim.Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=lr))
        x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
        return {"loss": trainer.fit((x, 3 * x), epochs=3, batch_size=8, progress=False)["loss"][-1]}

    assert sweep(train, {"lr": [1e-4, 0.3]}, processes=0).best("loss").config == {"lr": 0.3}


@pytest.mark.parametrize("processes", [0, 1])
def test_a_trial_that_fails(processes):
    """Is a row with its traceback, and the others go on."""
    found = sweep(fails, {"x": [1, 0, 2]}, processes=processes)
    assert [t.result for t in found] == [{"value": 1.0}, {}, {"value": 0.5}]
    assert "ZeroDivisionError" in found[1].error and "in fails" in found[1].error
    assert found.best().config == {"x": 2}
    assert repr(found).splitlines()[2].endswith("ZeroDivisionError: division by zero")
    with pytest.raises(ValueError, match="none of 1 trials has a number as its 'value'"):
        found[1:2].best()


def test_nan_is_never_best():
    table = Sweep([Trial(0, {}, {"loss": np.nan}, 0.0), Trial(1, {}, {"loss": 2.0}, 0.0)])
    assert table.best("loss").number == table.best("loss", largest=True).number == 1


def test_what_is_no_number():
    assert "a number or a dict of numbers, not [1]" in sweep(lambda x: [x], {"x": [1]}, processes=0)[0].error


def test_resumed(tmp_path):
    """Rows that are there are not made again, but for those that failed and one that was cut off."""
    path, calls = tmp_path / "deep" / "rows.jsonl", []

    def function(x, kind):
        calls.append(x)
        if x == 3 and len(calls) < 4:
            raise OSError("full")
        return x

    space = {"x": [1, 2, 3], "kind": [nn.ReLU]}
    assert "full" in sweep(function, space, path=path, processes=0)[2].error
    path.write_bytes(path.read_bytes() + b'{"number": 3, "conf')
    space["x"].append(4)
    found = sweep(function, space, path=path, processes=0)
    assert calls == [1, 2, 3, 3, 4]
    assert [t.result["value"] for t in found] == [1, 2, 3, 4]
    assert found[0].config["kind"] is nn.ReLU
    assert [t.result for t in sweep(function, space, path=path, processes=0)] == [t.result for t in found]
    assert len(calls) == 5
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0, 1, 2, 2, 3]


def test_rows_of_another_sweep(tmp_path):
    path = tmp_path / "rows"
    sweep(loss, GRID, path=path, processes=0)
    with pytest.raises(ValueError, match=r"trial 0 in .*rows was made with .*0\.1.*, not .*0\.2"):
        sweep(loss, {"lr": [0.2], "width": [2]}, path=path, processes=0)
    path.write_text('{"number": 1}\n')
    with pytest.raises(ValueError, match="line 1 of .* is no trial of a sweep"):
        sweep(loss, GRID, path=path, processes=0)


def test_two_writers(tmp_path):
    path = tmp_path / "rows"
    found = sweep(lambda x: sweep(loss, GRID, path=path, processes=0), {"x": [1]}, path=path, processes=0)
    assert "another sweep writes" in found[0].error


def test_table(tmp_path):
    """Columns of arguments and of results, with holes where a trial has none."""
    found = sweep(several, {"x": [0.5, 2]}, processes=0)
    names, rows = found.table()
    assert names == ["trial", "x", "loss", "extra", "seconds"]
    assert [row[:4] for row in rows] == [[0, 0.5, 0.5, None], [1, 2, 2.0, 1.0]]
    found.to_csv(tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        assert [row[:4] for row in csv.reader(file)] == [names[:4], ["0", "0.5", "0.5", ""], ["1", "2", "2.0", "1.0"]]
    lines = repr(found).splitlines()
    assert len({len(line) for line in lines}) == 1 and lines[0].split(" | ")[1].strip() == "x"


@pytest.mark.parametrize(
    ("space", "trials", "said"),
    [
        ({"lr": []}, None, r"lr=\[\] in space is no list"),
        ({"lr": "abc"}, None, "lr='abc' in space is no list"),
        ({"lr": 3}, None, "lr=3 in space is no list"),
        ({"lr": [1]}, -1, "trials=-1 is no number of trials"),
        ({"lr": lambda rng: 1}, None, "say how many trials="),
    ],
)
def test_spaces(space, trials, said):
    with pytest.raises(ValueError, match=said):
        sweep(loss, space, trials=trials, processes=0)


def test_processes():
    with pytest.raises(ValueError, match="processes=-1 is no number of processes"):
        sweep(loss, GRID, processes=-1)
    with pytest.raises(TypeError, match=r"'test_processes.<locals>.<lambda>' or its arguments cannot be pickled"):
        sweep(lambda x: x, {"x": [1]}, processes=1)


def test_a_process_that_dies(tmp_path):
    """Is an error that says what ran in it; what was done before is kept."""
    with pytest.raises(RuntimeError, match=r"a process died.* while these trials ran: 1: \{'x': 1\}"):
        sweep(dies, {"x": [0, 1, 2]}, processes=1, path=tmp_path / "rows")
    assert json.loads((tmp_path / "rows").read_text())["number"] == 0


SLEEPING = """
import sys
from pullback.optim import sweep
from pullback.tests.helpers.sweeps import sleeps
if __name__ == "__main__":
    sweep(sleeps, {"seconds": [0, 600, 600]}, processes=2, path=sys.argv[1])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupted(tmp_path):
    """Ctrl-C for the sweeping process alone ends its processes, too, and keeps what is done."""
    rows, script = tmp_path / "rows", tmp_path / "script.py"
    script.write_text(SLEEPING)
    run = subprocess.Popen([sys.executable, script, rows], stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 120
    while time.monotonic() < until and not (rows.exists() and rows.read_text()):
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    said = run.communicate(timeout=60)[1]
    assert "KeyboardInterrupt" in said and run.returncode != 0
    assert json.loads(rows.read_text())["number"] == 0
