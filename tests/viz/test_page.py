import json
import re
from base64 import b64decode

import numpy as np
import pytest

from pullback import Tensor, absolute, nn, viz
from pullback.viz import page
from pullback.viz.form import Form, Group, Operation
from pullback.viz.parts import MOST, parts

from ..helpers.graphs import GALLERY, hostile, long, rnn, scalars


def embedded(graph):
    """The data that the page of a graph has in it."""
    return read(page.html(graph.form))


def read(text):
    found = re.search(r'<script type="application/json" id="form">(.*?)</script>', text, re.S)
    return json.loads(found[1], parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def entries(packed):
    """The bytes of a cotangent in the data, and their dtype."""
    dtype = np.dtype(packed[0]).newbyteorder("<")
    return dtype, b64decode(packed[1:])


def named(data, name):
    """The number of the value of this name."""
    return next(i for i, row in enumerate(data["values"]) if len(row) > 1 and data["texts"][row[1]] == name)


ODD = [1.0, -0.0, 1e-40, 3.1415927, np.inf, -np.inf, np.nan, 65504.0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_the_last_frame_has_the_gradients_to_the_bit(dtype):
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(2, 4)).astype(dtype), requires_grad=True)
    with np.errstate(over="ignore", invalid="ignore"):
        factor = Tensor(np.array(ODD).reshape(2, 4).astype(dtype))
        out = (absolute(x) * absolute(x) * factor.real if "complex" in dtype else x * factor).sum()
        data = embedded(viz.graph(out, names={"x": x}))
        out.backward()
    last = dict(map(tuple, data["steps"]))[named(data, "x")]
    stored, raw = entries(last)
    assert stored == x.grad.dtype and raw == x.grad.numpy().astype(stored).tobytes()


def test_of_many_entries_it_has_their_statistics():
    x = Tensor(np.ones(24, np.float32), requires_grad=True)
    factors = np.linspace(-2, 3, 24, dtype=np.float32)
    factors[3:6] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        data = embedded(viz.graph((x * factors).sum(), names={"x": x}))
    finite = factors[np.isfinite(factors)].astype(np.float64)
    least, middle, most, norm, nan, infinite = dict(map(tuple, data["steps"]))[named(data, "x")]
    np.testing.assert_allclose((least, middle, most), (finite.min(), finite.mean(), finite.max()), rtol=1e-5)
    assert (norm, nan, infinite) == (None, 1, 2)
    tiny = page.packed(np.full(9, 1e-25, np.float32), few=4)
    np.testing.assert_allclose(tiny[3], 3e-25, rtol=1e-5)


def test_the_steps_are_those_of_the_backward_pass():
    # ((a b) + 10 - a)^2 at a = 2, b = -3: cotangents 1 of the square, 4 of what is squared, 4 of the sum and product
    data = embedded(scalars())
    made = {value: row[2] for row in data["operations"] for value in row[3]}
    order = [value for value, _ in data["steps"]]
    for value in order:
        assert all(order.index(value) < order.index(argument) for argument in made.get(value, ()) if argument in order)
    numbers = [np.frombuffer(raw, dtype)[0] for dtype, raw in (entries(g) for _, g in data["steps"])]
    assert numbers[:4] == [1, 4, 4, 4] and sorted(numbers[4:]) == [-16, 8]
    assert order[0] == data["outputs"][0] and len(set(order)) == 6


@pytest.mark.slow
def test_ten_thousand_operations_in_one_megabyte():
    graph = long()
    assert len(graph.form.operations) == 10_000
    text = page.html(graph.form)
    assert len(text.encode()) < 1e6
    data = read(text)
    assert len(data["operations"]) == 10_000 and len(data["steps"]) == 10_001
    # y' = 0.999 y + x: dy/dx is the sum of 0.999^k for k up to 5000
    dtype, raw = entries(data["steps"][-1][1])
    np.testing.assert_allclose(np.frombuffer(raw, dtype)[0], (1 - 0.999**5001) / 0.001, rtol=1e-9)


def test_hostile_names_stay_data():
    text = page.html(hostile().form, title="</title><script>alert(2)</script> $form \ud800")
    assert text.count("<script") == text.count("</script") == 2 and "<!--" not in text
    assert "\u2028" not in text and text.encode()
    data = embedded(hostile())
    assert "</script><script>alert(1)</script>" in data["texts"] and "名前 <img src=x>" in data["texts"]
    assert "\\u2028\\u2029\\ud800\\x00" in data["texts"]


def test_the_page_needs_nothing_else(tmp_path):
    scalars().to_html(tmp_path / "graph.html", title="Scalars")
    text = (tmp_path / "graph.html").read_text(encoding="utf-8")
    assert "<title>Scalars</title>" in text
    assert text.startswith("<!DOCTYPE html>") and "$" + "script" not in text
    assert set(re.findall(r'(?:src|href)="(.*?)"', text)) == {"data:,"}
    assert set(re.findall(r"https?://[^\"']*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\((?!#tip)|fetch\(|XMLHttp|import\(", text)


def operations(part):
    """All operations of a part, in order."""
    found, waiting = [], [part]
    while waiting:
        member = waiting.pop()
        if isinstance(member, Operation):
            found.append(member)
        else:
            waiting += reversed(member.members)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, MOST, MOST + 1, MOST**2 + 1, 20_000])
@pytest.mark.parametrize("period", [1, 3, 7, 1_000_000])
def test_parts_have_few_members_and_all_operations(count, period):
    form = Form(operations=[Operation(f"o{i}", f"f{i % period}") for i in range(count)])
    tree = parts(form)
    assert all(len(part.members) <= MOST for part in tree)
    assert operations(tree[0]) == form.operations
    assert len(tree) < 3 + 0.5 * count


def test_parts_are_modules_however_deep():
    group = None
    for i in range(3_000):
        group = Group(f"g{i}", "a", "Block", group)
    form = Form(operations=[Operation("o0", "add", group=group)])
    tree = parts(form)
    assert len(tree) == 3_001 and tree[-1].group is group and operations(tree[0]) == form.operations


def test_a_module_that_failed_before_any_operation_has_a_part():
    model = nn.Sequential(nn.Tanh(), nn.Flatten(), nn.Linear(100, 10))
    with pytest.raises(ValueError, match="100"), viz.record(model) as record:
        model(Tensor(np.ones((2, 3, 4))))
    read = embedded(record.graph())
    told = {read["texts"][label]: (kind, read["texts"][detail]) for _, label, detail, kind in read["parts"]}
    assert told["0: Tanh"][0] == 1 and told["2: Linear"][0] == 2
    assert "given (2, 12) float64" in told["2: Linear"][1] and "ValueError" in told["2: Linear"][1]


def test_repeats_are_parts_of_their_own():
    tree = parts(rnn().form)
    assert "×200" in [part.label for part in tree]
    every = [part for part in tree if re.fullmatch(r"\d+ of 200", part.label)]
    assert len(every) == 200 and {len(part.members) for part in every} == {6}


@pytest.mark.parametrize("name", [name for name in GALLERY if name not in ("long", "resnet")])
def test_numbers_in_the_data_lead_somewhere(name):
    graph = GALLERY[name]()
    data = embedded(graph)
    form = graph.form.behind()
    values, texts = range(len(data["values"])), range(len(data["texts"]))
    assert [len(data[key]) for key in ("values", "operations", "steps")] == [
        len(form.values),
        len(form.operations),
        len(form.steps),
    ]
    for row, operation in zip(data["operations"], form.operations, strict=True):
        assert row[2] == [form.values.index(value) for _, value in operation.arguments]
        assert row[0] in range(len(data["parts"])) and all(n in texts for n in [row[1], *row[4:]])
        assert all(n in values for n in row[3])
    assert all(parent < i for i, (parent, *_) in enumerate(data["parts"]))
