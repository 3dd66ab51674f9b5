"""One self-contained HTML page: no network, no script, pictures inside, readable in light and dark and on a phone."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.report.curves import draw_curves
from harness.report.forest import draw_forest
from harness.report.gallery import TEXT
from harness.report.page import BoardSection, Interval, Page, Picture
from harness.wording import difference, duration, number

#: Bytes of PNG files that a page holds; pictures beyond it are named, not shown, and the page says so.
PICTURE_BUDGET = 8_000_000


def write_report(page: Page, path: Path, picture_budget: int = PICTURE_BUDGET) -> None:
    """Write the page to `path`, whole or not at all; the folder must exist.

    Raises:
        OSError: the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(render(page, picture_budget), encoding="utf-8")
    unfinished.replace(path)


def render(page: Page, picture_budget: int = PICTURE_BUDGET) -> str:
    """The page as HTML. Every text is escaped, and the page's own policy forbids scripts and any address."""
    here = Path(__file__).parent
    templates = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters.update(number=number, difference=difference, duration=duration, verdict=verdict)
    return templates.get_template("page.html").render(
        page=page,
        style=(here / "page.css").read_text(encoding="utf-8"),
        sections=[(f"board-{index}", section, draw_forest(section)) for index, section in enumerate(page.board)],
        overview=_overview(page.board),
        chart_rows=draw_curves(page.curves),
        albums=_albums(page.gallery, picture_budget),
    )


def verdict(gain: Interval) -> str:
    """Of a gain over the untrained twin: "better" or "worse" if the interval leaves out zero, else "unclear"."""
    if gain.low is not None and gain.low > 0:
        return "better"
    if gain.high is not None and gain.high < 0:
        return "worse"
    return "unclear"


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Trained methods against sections; a cell is (text, is it the best of its column), or None."""

    columns: Sequence[tuple[str, BoardSection]]
    rows: Sequence[tuple[str, Sequence[tuple[str, bool] | None]]]


def _overview(board: Sequence[BoardSection]) -> Overview | None:
    """A matrix, where there is more than one section to compare."""
    if len(board) < 2:
        return None
    scores: dict[str, list[float | None]] = {}
    for column, section in enumerate(board):
        for row in section.rows:
            if row.control is None:
                values = scores.setdefault(row.label, [None] * len(board))
                values[column] = None if row.score is None else row.score.value
    best = []
    for column, section in enumerate(board):
        present = [value for values in scores.values() if (value := values[column]) is not None]
        extreme = max if section.higher_is_better else min
        best.append(extreme(present, default=None))
    rows = [
        (
            label,
            [
                None if value is None else (number(value), number(value) == number(top))
                for value, top in zip(values, best, strict=True)
            ],
        )
        for label, values in scores.items()
    ]
    return Overview(columns=[(f"board-{index}", section) for index, section in enumerate(board)], rows=rows)


@dataclass(frozen=True, kw_only=True)
class Album:
    """One heading of the gallery: pictures with their data URIs, texts with what they say, and those left out with the
    reason."""

    group: str
    shown: Sequence[tuple[Picture, str]]
    left_out: Sequence[tuple[Picture, str]]


def _albums(gallery: Iterable[Picture], budget: int) -> list[Album]:
    """Spend the budget on the first picture of every group, then on the second of every group, and so on."""
    groups: dict[str, list[Picture]] = {}
    for picture in gallery:
        groups.setdefault(picture.group, []).append(picture)
    turns = zip_longest(*groups.values())
    contents: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for picture in (picture for turn in turns for picture in turn if picture is not None):
        try:
            content = picture.file.read_bytes()
        except OSError as error:
            reasons[id(picture)] = f"cannot be read: {error.strerror}"
            continue
        if len(content) > budget:
            reasons[id(picture)] = "left out to keep this page small"
            continue
        budget -= len(content)
        if picture.file.suffix == TEXT:
            contents[id(picture)] = content.decode()
        else:
            contents[id(picture)] = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return [
        Album(
            group=group,
            shown=[(picture, contents[id(picture)]) for picture in pictures if id(picture) in contents],
            left_out=[(picture, reasons[id(picture)]) for picture in pictures if id(picture) in reasons],
        )
        for group, pictures in groups.items()
    ]
