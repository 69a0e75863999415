"""The page of a graph in headless Chromium (extra `browser`): what a reader sees and can do."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pullback import Tensor, nn, viz

from ..helpers.graphs import GALLERY, long, scalars, transformer

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]

CHECKS = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")
OVERLAPS = "[...overlapsOfBoxes(), ...overlapsOfControls()]"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *root])
        except sync_api.Error as error:
            pytest.skip(f"no Chromium: {error}")
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open the page of a graph; at the end, whether it has said or asked for anything."""
    heard, opened = [], []

    def show(graph, width=1280, dark=False):
        graph.to_html(tmp_path / "graph.html")
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light")
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: heard.append(dialog.message))
        page.on("request", lambda request: heard.append(request.url))
        page.goto((tmp_path / "graph.html").as_uri())
        page.add_script_tag(content=CHECKS)
        opened.append(page)
        return page

    yield show
    for page in opened:
        page.close()
    assert heard == [(tmp_path / "graph.html").as_uri()] * len(opened)


def box(page, label):
    return page.locator(".node").filter(has=page.locator(f"text:text-is('{label}')")).first


def labels(page, kind):
    """The first lines of the boxes of a class."""
    return page.eval_on_selector_all(f".node.{kind}", "all => all.map((e) => e.querySelector('text').textContent)")


@pytest.mark.parametrize("name", GALLERY)
def test_nothing_overlaps_nor_is_cut(show, name):
    graph = GALLERY[name]()
    for width, dark in ((1280, False), (390, True)):
        page = show(graph, width, dark)
        assert page.evaluate("drawn.length") > 1 and page.evaluate("[...visible()].length") <= 300
        assert page.evaluate("view.scale * 12") >= 11  # pixels of text
        assert page.evaluate(OVERLAPS) == []
        page.evaluate("setFrame(form.steps.length)")
        assert page.evaluate(OVERLAPS) == []
        page.click("#open")
        for part in range(6):  # from top to bottom
            page.evaluate(f"fit(TEXT); view.y += {part} / 6 * parts[0].height; look()")
            assert page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_of_text(show, dark):
    page = show(transformer(), dark=dark)
    page.evaluate("setFrame(form.steps.length)")
    page.click("#open")
    ratios = page.evaluate("contrasts()")
    assert len(ratios) > 20 and min(ratios) >= 4.5


def test_a_click_shows_what_led_there_and_where_it_leads(show):
    page = show(scalars())
    box(page, "×").click()
    assert labels(page, "chosen") == ["×"]
    assert sorted(labels(page, "earlier")) == ["a", "b"]
    assert sorted(labels(page, "later")) == ["** 2", "+ …", "−"]
    assert "operation" in page.inner_text("#details")
    box(page, "b").click()
    assert sorted(labels(page, "dim")) == ["a"] and labels(page, "chosen") == ["b"]
    page.keyboard.press("Escape")
    assert labels(page, "dim") == labels(page, "chosen") == []


def test_a_click_finds_all_ancestors_and_descendants(show):
    """As a search of its own in the form does, whatever is folded."""
    graph = transformer()
    form = graph.form.behind()
    page = show(graph)
    chosen = form.operations[len(form.operations) // 2]
    earlier, values = set(), [value for _, value in chosen.arguments]
    for value in values:  # grows meanwhile
        if value.maker and value.maker not in earlier:
            earlier.add(value.maker)
            values += [value for _, value in value.maker.arguments]
    later, reached = set(), set(chosen.results)
    for operation in form.operations:
        if any(value in reached for _, value in operation.arguments):
            later.add(operation)
            reached.update(operation.results)
    page.evaluate(f"select(nodes[{form.operations.index(chosen)}])")
    for word, expected in (("earlier", earlier), ("later", later)):
        found = page.evaluate(f"nodes.flatMap((n, i) => n.given && marked.get(n) === '{word}' ? [i] : [])")
        assert {form.operations[i] for i in found} == expected


def test_the_slider_shows_the_first_steps_and_no_others(show):
    graph = scalars()
    page = show(graph)
    order = [graph.form.behind().values.index(value) for value, _ in graph.form.steps]
    for k in [*range(7), 3, 0]:
        page.locator("#frame").fill(str(k))
        shown = page.eval_on_selector_all(".node.reached:not(.whole)", "all => all.map((e) => e.dataset.values)")
        assert sorted(map(int, shown)) == sorted(order[:k])
        assert page.inner_text("#step").startswith(f"{k} of 6")
    page.locator("#frame").fill("6")
    notes = page.eval_on_selector_all(".reached:not(.whole) .note", "all => all.map((e) => e.textContent)")
    assert sorted(notes) == sorted(["∂ 1", "∂ 4", "∂ 4", "∂ 4", "∂ −16", "∂ 8"])


def test_folded_parts_count_their_steps(show):
    page = show(transformer())
    steps = page.evaluate("form.steps.length")
    for k in (steps, 10, 0):
        page.locator("#frame").fill(str(k))
        assert page.evaluate("parts[0].reached") == k
        counted = page.evaluate("parts.map((p) => [p.reached, p.steps])")
        assert all(0 <= reached <= most for reached, most in counted)


def test_play_goes_to_the_end(show):
    page = show(scalars())
    page.clock.install()
    page.click("#play")
    page.clock.run_for(400 * 7)
    assert page.input_value("#frame") == "6" and page.inner_text("#play") == "▶"


def test_search_unfolds_and_goes_round(show):
    page = show(transformer())
    assert page.evaluate("document.querySelectorAll('.chosen').length") == 0
    page.keyboard.press("/")
    page.keyboard.type("norm2.weight")
    assert page.inner_text("#found") == "3 found"
    for k in (1, 2, 3, 1):
        page.keyboard.press("Enter")
        assert page.inner_text("#found") == f"{k} of 3"
        assert labels(page, "chosen") == [f"layers.{k - 1}.norm2.weight"]
        rect = page.evaluate("selected.head.getBoundingClientRect().toJSON()")
        window = page.evaluate("svg.getBoundingClientRect().toJSON()")
        assert window["left"] <= rect["left"] and rect["bottom"] <= window["bottom"]
    page.keyboard.press("Escape")
    assert page.input_value("#search") == "" and page.locator(".found").count() == 0


def test_modules_fold_and_unfold_by_mouse_and_key(show):
    page = show(transformer())
    before = page.evaluate("[...visible()].length")
    head = page.locator(".node[aria-expanded=false]").first
    name = head.get_attribute("aria-label")
    head.locator(".fold").click()
    head = page.locator(f".node[aria-label='{name}']")
    assert head.get_attribute("aria-expanded") == "true" and page.evaluate("[...visible()].length") > before
    assert head.evaluate("(e) => e === document.activeElement")
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-expanded") == "false" and page.evaluate("[...visible()].length") == before
    page.click("#close")
    assert page.evaluate("parts.filter((p) => p.open).length") == 1


def test_keys(show):
    page = show(scalars())
    page.focus("#graph")
    focused = "document.activeElement.node?.label"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "a"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "b"
    for expected in ("×", "+ …", "−", "** 2"):
        page.keyboard.press("ArrowDown")
        assert page.evaluate(focused) == expected
    page.keyboard.press("Enter")
    assert labels(page, "chosen") == ["** 2"] and len(labels(page, "earlier")) == 5
    scale, x = page.evaluate("[view.scale, view.x]")
    page.keyboard.press("+")
    assert page.evaluate("view.scale") == pytest.approx(1.25 * scale)
    page.keyboard.press("-")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("view.x") == pytest.approx(x + 60 / scale)
    page.keyboard.press("0")
    assert page.evaluate("[view.scale, view.x]") == pytest.approx([scale, x])
    assert page.evaluate("svg.contains(document.activeElement)")


def test_wheel_and_drag(show):
    page = show(scalars())
    rect = page.evaluate("svg.getBoundingClientRect().toJSON()")
    x, y = rect["left"] + 40, rect["top"] + 30
    under = "[view.x + 40 / view.scale, view.y + 30 / view.scale]"
    page.mouse.move(x, y)
    before, scale = page.evaluate(under), page.evaluate("view.scale")
    page.mouse.wheel(0, -100)
    page.wait_for_function(f"view.scale > {scale}")
    assert page.evaluate(under) == pytest.approx(before)  # what is under the pointer stays there
    page.mouse.down()
    page.mouse.move(x + 50, y + 20, steps=3)
    page.mouse.up()
    moved = page.evaluate("[view.x + 90 / view.scale, view.y + 50 / view.scale]")
    assert moved == pytest.approx(before)


def test_a_pointer_over_a_box_tells_of_it(show):
    x = Tensor(np.arange(20.0), requires_grad=True)
    page = show(viz.graph(((x * x)[:3]).sum(), names={"x": x}))
    assert "float64" not in page.inner_text("#details")
    box(page, "x").hover()
    assert all(word in page.inner_text("#details") for word in ("(20,)", "float64"))
    box(page, "×").hover()
    assert "operation" in page.inner_text("#details") and labels(page, "chosen") == []
    box(page, "x").click()
    box(page, "×").hover()
    page.mouse.move(2, 2)
    assert "float64" in page.inner_text("#details")  # what is chosen is told of again


@pytest.mark.parametrize("count", [16, 17])
def test_cotangents_are_values_up_to_sixteen_entries_and_statistics_beyond(show, count):
    x = Tensor(np.ones(count), requires_grad=True)
    page = show(viz.graph((x * np.arange(count)).sum(), names={"x": x}))
    page.locator("#frame").fill("3")
    box(page, "x").click()
    told = page.inner_text("#details")
    assert ("mean" in told) == (count > 16) and (f" {count - 2} " in told) == (count <= 16)


def test_buttons_zoom_and_fit(show):
    page = show(transformer())
    scale = page.evaluate("view.scale")
    page.click("#in")
    assert page.evaluate("view.scale") == pytest.approx(1.25 * scale)
    page.click("#out")
    page.click("#out")
    assert page.evaluate("view.scale") == pytest.approx(0.8 * scale)
    page.evaluate("(view.x += 10_000, look())")
    page.click("#fit")
    whole, window = page.evaluate("[svg.querySelector('#scene').getBoundingClientRect(), svg.getBoundingClientRect()]")
    assert window["left"] <= whole["left"] + 1 and whole["right"] <= window["right"] + 1
    assert window["top"] <= whole["top"] + 1 and whole["bottom"] <= window["bottom"] + 1


def test_two_fingers_zoom_about_their_middle(show):
    page = show(scalars())
    scale = page.evaluate("view.scale")
    page.evaluate("""() => {
      const { left, top } = svg.getBoundingClientRect();
      const send = (type, pointerId, x, y) => svg.dispatchEvent(new PointerEvent(type, { pointerId, bubbles: true,
        clientX: left + x, clientY: top + y }));
      svg.setPointerCapture = svg.hasPointerCapture = () => {};
      send("pointerdown", 1, 100, 60);
      send("pointerdown", 2, 200, 60);
      send("pointermove", 2, 300, 60);
    }""")
    assert page.evaluate("view.scale") == pytest.approx(2 * scale)


def test_what_is_unfolded_is_drawn_and_nothing_else(show):
    page = show(long())
    assert page.evaluate("form.operations.length") == 10_000
    counted = """(open) => {
      const all = [build, measure];
      let count = 0;
      [build, measure] = all.map((f) => (node) => { count++; f(node); });
      setOpen(parts[2], open);
      [build, measure] = all;
      return count;
    }"""
    for _ in range(2):
        assert 0 < page.evaluate(counted, False) < 300 and 0 < page.evaluate(counted, True) < 300
        for _ in range(4):
            page.click("#open")  # all of it
        assert page.evaluate("[...visible()].length") > 10_000 and page.locator(".node").count() < 2_000
        page.click("#fit")
        assert page.locator(".node").count() < 5_000


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_are_read_to_the_bit(show, dtype):
    numbers = [0.1, -0.0, 6e-8, 65504.0, np.inf, -np.inf, 1 / 3]
    x = Tensor(np.ones(7, dtype), requires_grad=True)
    with np.errstate(invalid="ignore"):
        page = show(viz.graph((x * np.array(numbers, dtype)).sum()))
    read = page.evaluate("unpack(form.steps.at(-1)[1])")
    expected = np.array(numbers, dtype).astype(np.float64)
    assert np.array(read, np.float64).tobytes() == expected.tobytes()


def test_of_a_program_that_failed_there_is_what_ran(show):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(ValueError), viz.record(model) as record:
        model(Tensor(np.ones((2, 3), np.float32)))
    page = show(record.graph())
    page.click("#open")
    page.click("#open")
    assert page.evaluate("nodes.filter((n) => n.kind === 'failed').map((n) => n.label)") == ["linear"]
    assert "ValueError" in page.inner_text("#details")
    assert page.evaluate("parts.filter((p) => p.kind === 'failed').map((p) => p.label)") == ["Sequential", "2: Linear"]
    assert page.is_hidden("#backward") and page.evaluate(OVERLAPS) == []


def test_a_hub_has_no_links_across_the_page(show):
    x = Tensor(2.0, requires_grad=True)
    hub = x * 3
    page = show(viz.graph(sum([hub * k for k in range(2, 12)], start=hub)))
    assert page.evaluate("[...visible()].filter((n) => n.kind === 'entry').length") == 11
    assert page.evaluate("nodes.find((n) => n.label === '× 3').after.length") == 11
    page.locator(".node.entry").first.click()
    assert page.evaluate("marked.get(nodes.find((n) => n.label === '× 3'))") == "chosen"


def test_print_shows_the_graph_alone(show):
    page = show(scalars())
    page.emulate_media(media="print")
    hidden = ["#search", "#fit", "#details", "#frame"]
    assert [page.is_visible(part) for part in hidden] == [False] * 4
    assert page.is_visible("#graph") and page.is_visible("h1")
