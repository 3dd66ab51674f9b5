from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.report.html import render, verdict, write_report
from harness.report.page import BoardRow, BoardSection, Curve, Interval, Page, Picture, Problem

HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{ 7*7 }}&amp;"""
VOID = {"meta", "img", "line", "circle", "polyline"}


class Reader(HTMLParser):
    """All tags with their attributes, the text, and whether every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text[self._open[-1] if self._open else ""] = self.text.get(self._open[-1] if self._open else "", "") + data


def a_page(text: str, picture: Path) -> Page:
    """A page that shows `text` wherever a text can stand."""
    rows = [
        BoardRow(
            label=text,
            score=Interval(value=0.9, low=0.8, high=0.95),
            n=3,
            rank=text,
            gain=Interval(value=-0.1, low=-0.2, high=0.05),
            seconds=75.0,
            flags=[text],
            basis=text,
        ),
        BoardRow(label=text, control=text + "!", score=Interval(value=0.7), n=1),
        BoardRow(label="silent", score=None, n=0),
    ]
    sections = [
        BoardSection(dataset=text, task=text, protocol=text, metric=text, chance=0.5, rows=rows, notes=[text])
        for _ in range(2)
    ]
    return Page(
        title=text,
        summary=text,
        facts=[(text, text)],
        findings=[text],
        board=sections,
        curves=[Curve(dataset=text, label=text, seed=0, stage=0, points=[(0, 2.0), (9, 1.0)])],
        gallery=[Picture(group=text, title=text, caption=text, file=picture)],
        problems=[Problem(cell=text, status="failed", reason=text)],
        warnings=[text],
        provenance={text: text},
    )


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG//https://example.org")
    return file


def test_hostile_text_stays_text(picture: Path) -> None:
    plain, hostile = Reader(render(a_page("plain", picture))), Reader(render(a_page(HOSTILE, picture)))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [sorted(attributes) for _, attributes in hostile.tags] == [
        sorted(attributes) for _, attributes in plain.tags
    ]
    assert "script" not in {tag for tag, _ in hostile.tags}
    assert not any(name.startswith("on") for _, attributes in hostile.tags for name in attributes)
    assert hostile.text["h1"] == HOSTILE
    alternatives = [attributes["alt"] for tag, attributes in hostile.tags if tag == "img"]
    assert alternatives == [f"{HOSTILE}. {HOSTILE}"]


def test_the_page_refers_to_nothing_outside(picture: Path) -> None:
    html = render(a_page("plain", picture))
    reader = Reader(html)
    anchors = {attributes["id"] for _, attributes in reader.tags if "id" in attributes}
    for tag, attributes in reader.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form", "image", "use"}
        for name, value in attributes.items():
            if name == "href":
                assert value.removeprefix("#") in anchors
            elif name == "src":
                assert value.startswith("data:image/png;base64,")
            else:
                assert not re.search(r"https?:|//|url\(", value), (tag, name, value)
    assert not re.search(r"url\(|@import|//|https?:", reader.text["style"])
    policies = [attributes["content"] for _, attributes in reader.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_pictures_are_inside_and_unchanged(picture: Path) -> None:
    reader = Reader(render(a_page("plain", picture)))
    (source,) = [attributes["src"] for tag, attributes in reader.tags if tag == "img"]
    assert base64.b64decode(source.partition(",")[2]) == picture.read_bytes()


def test_tables_and_drawings_can_be_read_without_seeing(picture: Path) -> None:
    reader = Reader(render(a_page("plain", picture)))
    assert all("scope" in attributes for tag, attributes in reader.tags if tag == "th")
    assert all(
        attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
        for tag, attributes in reader.tags
        if tag == "svg"
    )
    assert any(("lang", "en") in attributes.items() for tag, attributes in reader.tags if tag == "html")


def test_numbers_on_the_board_are_the_numbers_given(picture: Path) -> None:
    html = " ".join(re.sub(r"<[^>]+>", " ", render(a_page("plain", picture))).split())
    assert "0.900 0.800 to 0.950" in html
    assert "−0.100 unclear −0.200 to +0.050" in html
    assert "no result" in html


def test_the_budget_goes_round_the_groups_and_the_rest_is_named(tmp_path: Path) -> None:
    pictures = []
    for group in "ab":
        for index in range(3):
            file = tmp_path / f"{group}{index}.png"
            file.write_bytes(f"{group}{index}".encode() * 50)
            pictures.append(Picture(group=group, title=f"{group}{index}", caption="", file=file))
    pictures.append(Picture(group="b", title="gone", caption="", file=tmp_path / "gone.png"))
    html = render(Page(title="t", gallery=pictures), picture_budget=300)
    reader = Reader(html)
    assert [attributes["alt"] for tag, attributes in reader.tags if tag == "img"] == ["a0. ", "a1. ", "b0. "]
    assert html.count("left out to keep this page small") == 3
    assert "gone: cannot be read: No such file or directory" in html


def test_text_of_the_gallery_is_shown_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "guesses.txt"
    lines = "the   cat\n\n" + HOSTILE + "\n"
    file.write_text(lines, encoding="utf-8")
    reader = Reader(render(Page(title="t", gallery=[Picture(group="g", title="Guesses", caption="c", file=file)])))
    assert reader.text["pre"] == lines
    assert not {"img", "script"} & {tag for tag, _ in reader.tags}
    html = render(
        Page(title="t", gallery=[Picture(group="g", title="Guesses", caption="c", file=file)]), picture_budget=9
    )
    assert "left out to keep this page small" in html


def test_an_empty_page_says_so() -> None:
    assert "No cell has a result yet." in render(Page(title="t"))


@pytest.mark.parametrize(("low", "high", "word"), [(0.1, 0.3, "better"), (-0.3, -0.1, "worse"), (-0.1, 0.1, "unclear")])
def test_a_gain_is_called_by_its_interval(low: float, high: float, word: str) -> None:
    assert verdict(Interval(value=(low + high) / 2, low=low, high=high)) == word
    assert verdict(Interval(value=0.5)) == "unclear"


def test_the_report_replaces_an_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(Page(title="new"), path)
    assert "<h1>new</h1>" in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]
