import base64
import re
from html.parser import HTMLParser

import pytest

from pullback import Tensor, viz

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
