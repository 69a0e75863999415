import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from pullback import Tensor, nn, viz
from pullback.viz.figures import luminance

pytest.importorskip("matplotlib")


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_a_report_is_one_page_with_all_in_it(tmp_path):
    picture = viz.curves({"loss": [2.0, 1.0]})
    graph = viz.graph(Tensor(2.0, requires_grad=True) * 3)
    sections = [
        ("First <part>", "One & <i>two</i>.\n\nThree.", [picture, graph]),
        ("Second", "", []),
    ]
    viz.report(tmp_path / "report.html", "A <b>title</b>", sections)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert (names.count("h1"), names.count("h2"), names.count("p"), names.count("figure")) == (1, 2, 2, 2)
    assert not {"b", "i"} & {*names} and "part" not in names
    for expected in ("A <b>title</b>", "First <part>", "One & <i>two</i>.", "Three."):
        assert expected in page.texts

    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == picture.png()
    pixels = int.from_bytes(picture.png()[16:20])
    assert "loss 1" in image["alt"] and image["alt"] in page.texts  # the caption
    drawn = dict(page.tags)["svg"]
    assert drawn["aria-label"] == "First <part>"
    assert drawn["style"] == f"max-width: 100%; min-width: {1.1 * float(drawn['width'][:-2]):.0f}px"
    assert image["width"] == str(round(pixels / 1.5))  # 144 to an inch, of which a page has 96
    assert names.count("svg") == 1
    for _, attributes in page.tags:
        assert not {"href", "xlink:href", "srcset", "data"} & attributes.keys()
        assert attributes.get("src", "data:").startswith("data:")
    assert not re.search(r"url\(|@import|<script|<link", text)


def test_what_is_no_picture(tmp_path):
    with pytest.raises(TypeError, match="3 is not a picture"):
        viz.report(tmp_path / "report.html", "title", [("heading", "text", [3])])
    assert not (tmp_path / "report.html").exists()


def test_captions(tmp_path):
    """A picture's own, or the one that is given with it; read aloud, too."""
    picture = viz.images([[[np.nan, 1.0]]])
    viz.report(tmp_path / "report.html", "title", [("heading", "", [picture, (picture, 'A "quoted" <one>')])])
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    names = [tag for tag, _ in page.tags]
    assert names.count("figcaption") == 2
    alternatives = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert alternatives == [picture.caption, 'A "quoted" <one>'] and {*alternatives} <= {*page.texts}
    assert "1 value is NaN" in picture.caption
    assert Page(picture._repr_html_()).texts == [picture.caption]


def test_contrast_of_texts(tmp_path):
    """In light and in dark, by the colours of the style sheet: 4.5 at least (WCAG 2.2)."""
    viz.report(tmp_path / "report.html", "title", [])
    style = (tmp_path / "report.html").read_text(encoding="utf-8")
    themes = re.findall(r":root {(.*?)}", style)
    assert len(themes) == 2 and "prefers-color-scheme: dark" in style
    papers = []
    for theme in themes:
        colours = {name: bytes.fromhex(digits) for name, digits in re.findall(r"--(\w+): #(\w{6})", theme)}
        light = {name: luminance(tuple(part / 255 for part in colour)) for name, colour in colours.items()}
        papers.append(light["paper"])
        for text in ("text", "soft"):
            dark, bright = sorted([light[text], light["paper"]])
            assert (bright + 0.05) / (dark + 0.05) >= 4.5
    assert papers[0] > 0.9 and papers[1] < 0.05


MEASURE = """<body><iframe style="border: 0; width: WIDTHpx; height: 4000px"></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument.documentElement;
  const inside = [...page.querySelectorAll("h1, h2, p, figure, figcaption")].map((e) => e.getBoundingClientRect());
  const texts = [...page.querySelectorAll("svg text")].map((e) => e.getBoundingClientRect().height);
  document.body.textContent = JSON.stringify({
    width: page.scrollWidth, right: Math.max(...inside.map((box) => box.right)), texts,
    images: [...page.querySelectorAll("img")].map((e) => e.clientWidth),
    paper: getComputedStyle(page.querySelector("body")).backgroundColor,
  });
};
frame.srcdoc = PAGE;
</script>"""


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_nothing_overflows_in_a_browser(tmp_path, width, dark):
    program = shutil.which("chromium") or shutil.which("google-chrome") or pytest.skip("there is no browser")
    net = nn.Sequential(*[nn.Linear(3, 3) for _ in range(3)])
    pictures = [
        viz.curves({name: [2.0, 1.0] for name in "abc"}),
        viz.filters(np.eye(64).reshape(64, 1, 8, 8)),
        viz.graph(net, inputs=np.ones((1, 3), np.float32)),
        viz.graph((Tensor(2.0, requires_grad=True) * 3 + 4) ** 2 / 5 - 6),
    ]
    viz.report(tmp_path / "report.html", "A" * 200, [("B" * 200, "C" * 300, [(p, "D" * 300) for p in pictures])])
    page = json.dumps((tmp_path / "report.html").read_text(encoding="utf-8")).replace("</", "<\\/")
    (tmp_path / "measure.html").write_text(MEASURE.replace("WIDTH", str(width)).replace("PAGE", page), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=5000", "--dump-dom"]
    command = [program, *flags, f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path / 'measure.html'}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        pytest.skip("the browser does not start here")
    if done.returncode or not done.stdout:
        pytest.skip("the browser does not start here")
    (found,) = [text for text in Page(done.stdout).texts if text.strip()]
    seen = json.loads(found)
    assert seen["width"] == width and seen["right"] <= width
    assert len(seen["texts"]) > 10 and min(seen["texts"]) >= 9
    assert len(seen["images"]) == 2 and min(seen["images"]) >= 300
    assert seen["paper"] == ("rgb(22, 24, 28)" if dark else "rgb(252, 252, 250)")
