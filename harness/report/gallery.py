"""A method's gallery as files: a PNG sheet of tiles for each panel, a text file for each one of text, and gallery.json
that lists them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:  # at run time it would bring torch with it, and readers of reports need none
    from methods import Panel, TextPanel

INDEX = "gallery.json"
#: Text files end so, pictures in ".png".
TEXT = ".txt"
#: Tiles are enlarged to about this many pixels a side, each pixel by the same whole number.
_TILE_SIDE = 64
#: ... as long as the sheet stays within this many.
_SHEET_SIDE = 1280
#: Values this far outside [0, 1] are rounding, and are clipped; further ones are a mistake.
_SLACK = 1e-3


@dataclass(frozen=True, kw_only=True)
class SavedPanel:
    """One sheet, or text, on disk."""

    title: str
    caption: str
    file: Path


def save_panels(folder: Path, panels: Iterable[Panel | TextPanel]) -> None:
    """Write a sheet or a text for each panel, then the index, in `folder` (created if it is missing).

    The index comes last and at once, so that a reader never finds half a gallery.

    Raises:
        ValueError: a panel has the wrong shape, no tiles, or values that are not finite or not in [0, 1]; or a panel
            of text has no lines, or a line break in one.
    """
    from methods import TextPanel

    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, panel in enumerate(panels):
        name = f"{number:02d}-{_slug(panel.title)}"
        if isinstance(panel, TextPanel):
            name += TEXT
            (folder / name).write_text(_joined(panel), encoding="utf-8", newline="\n")
        else:
            name += ".png"
            tile_sheet(panel).save(folder / name, format="PNG", optimize=True)
        entries.append({"title": panel.title, "caption": panel.caption, "file": name})
    unfinished = folder / f".{INDEX}.{os.getpid()}"
    unfinished.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    unfinished.replace(folder / INDEX)


def load_panels(folder: Path) -> tuple[SavedPanel, ...]:
    """The sheets of a folder in order; none where there is no gallery.

    Raises:
        ValueError: gallery.json is not what `save_panels` writes, or names a file outside the folder or missing.
    """
    index = folder / INDEX
    try:
        text = index.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    try:
        return tuple(_saved(folder, entry) for entry in json.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{index} is not a gallery ({error}); delete the folder to have it drawn again") from error


def _saved(folder: Path, entry: dict[str, str]) -> SavedPanel:
    file = folder / entry["file"]
    if file.parent != folder or not file.is_file():
        raise ValueError(f"no picture {entry['file']!r} beside it")
    return SavedPanel(title=str(entry["title"]), caption=str(entry["caption"]), file=file)


def tile_sheet(panel: Panel) -> Image.Image:
    """The panel's tiles with transparent gaps between them, enlarged without smoothing: a filter's pixels count.

    Raises:
        ValueError: see `save_panels`.
    """
    tiles = _checked(panel)
    rows, columns, height, width, channels = tiles.shape
    scale = max(1, _TILE_SIDE // max(height, width))
    while scale > 1 and scale * max(rows * (height + 1), columns * (width + 1)) > _SHEET_SIDE:
        scale -= 1
    tiles = tiles.repeat(scale, axis=2).repeat(scale, axis=3)
    height, width, gap = height * scale, width * scale, max(2, scale)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, channels + 1), dtype=np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width, :channels] = tiles[row, column]
            sheet[top : top + height, left : left + width, channels] = 255
    return Image.fromarray(sheet)  # two channels are grey and alpha, four are colour and alpha


def _checked(panel: Panel) -> NDArray[np.uint8]:
    """Tiles as bytes: uint8 [rows, columns, height, width, 1 or 3]."""
    images = np.asarray(panel.images)
    if images.ndim == 4:
        images = images[..., None]
    if images.ndim != 5 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"panel {panel.title!r}: images of shape {list(np.shape(panel.images))}; "
            "give [rows, columns, height, width] or [rows, columns, height, width, 3], none of them 0"
        )
    if not np.isfinite(images).all():
        raise ValueError(f"panel {panel.title!r}: some values are not finite")
    low, high = float(images.min()), float(images.max())
    if low < -_SLACK or high > 1 + _SLACK:
        raise ValueError(f"panel {panel.title!r}: values from {low:g} to {high:g}; scale them to [0, 1]")
    return np.rint(images.clip(0.0, 1.0) * 255.0).astype(np.uint8)


def _joined(panel: TextPanel) -> str:
    if not panel.lines:
        raise ValueError(f"panel {panel.title!r}: no lines")
    if any(len(line.splitlines()) > 1 for line in panel.lines):
        raise ValueError(f"panel {panel.title!r}: a line holds a line break; give each line on its own")
    return "".join(f"{line}\n" for line in panel.lines)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "panel"
