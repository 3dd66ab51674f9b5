from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.report.gallery import INDEX, load_panels, save_panels, tile_sheet
from methods import Panel, TextPanel


def panel(*shape: int, title: str = "Filters", value: float = 0.5) -> Panel:
    return Panel(title, "What they are", np.full(shape, value, dtype=np.float32))


@pytest.mark.parametrize("shape", [(2, 3, 28, 28), (1, 1, 5, 9), (3, 2, 16, 8, 3), (40, 40, 28, 28)])
def test_every_pixel_of_every_tile_is_on_the_sheet_exactly(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).random(shape, dtype=np.float32)
    rows, columns, height, width = shape[:4]
    sheet = np.asarray(tile_sheet(Panel("", "", images)))
    scale = next(s for s in range(64, 0, -1) if sheet.shape[0] == rows * (height * s + max(2, s)) - max(2, s))
    gap = max(2, scale)
    colours, alpha = sheet[..., :-1], sheet[..., -1]
    expected = np.rint(images.reshape(*shape[:4], -1) * 255)
    covered = 0
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height * scale + gap), column * (width * scale + gap)
            area = np.s_[top : top + height * scale, left : left + width * scale]
            assert (
                colours[area].reshape(height, scale, width, scale, -1) == expected[row, column][:, None, :, None]
            ).all()
            assert (alpha[area] == 255).all()
            covered += alpha[area].size
    assert (alpha == 255).sum() == covered  # the gaps are transparent


def test_small_tiles_are_enlarged_to_be_seen() -> None:
    assert tile_sheet(panel(1, 1, 28, 28)).size == (56, 56)
    assert tile_sheet(panel(1, 1, 8, 8)).size == (64, 64)
    assert tile_sheet(panel(1, 1, 200, 200)).size == (200, 200)
    assert max(tile_sheet(panel(30, 30, 28, 28)).size) <= 1280


def test_saved_panels_are_loaded_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    save_panels(folder, [panel(1, 2, 4, 4, title="B/../weird <name>"), panel(1, 2, 4, 4, 3, title="A")])
    saved = load_panels(folder)
    assert [(entry.title, entry.caption) for entry in saved] == [
        ("B/../weird <name>", "What they are"),
        ("A", "What they are"),
    ]
    for entry in saved:
        with Image.open(entry.file) as image:
            assert image.format == "PNG"
    assert {file.parent for file in folder.iterdir()} == {folder}


def test_text_is_saved_as_it_is_beside_pictures(tmp_path: Path) -> None:
    lines = ["größer  <b> & 東京", "", "  last"]
    save_panels(tmp_path, [panel(1, 1, 4, 4), TextPanel("Guesses", "What they are", lines)])
    picture, text = load_panels(tmp_path)
    assert (picture.file.suffix, text.file.suffix) == (".png", ".txt")
    assert (text.title, text.caption) == ("Guesses", "What they are")
    assert text.file.read_bytes().decode() == "größer  <b> & 東京\n\n  last\n"


@pytest.mark.parametrize("lines", [[], ["a", "b\nc"], ["a\x85b"]])
def test_text_without_lines_or_with_breaks_in_them_is_refused(lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="panel 'Guesses'"):
        save_panels(tmp_path, [TextPanel("Guesses", "", lines)])
    assert load_panels(tmp_path) == ()


def test_no_gallery_is_no_error(tmp_path: Path) -> None:
    assert load_panels(tmp_path / "absent") == ()


@pytest.mark.parametrize(
    "broken",
    [
        panel(28, 28),
        panel(2, 2, 4, 4, 2),
        panel(2, 0, 4, 4),
        panel(1, 1, 4, 4, value=float("nan")),
        panel(1, 1, 4, 4, value=1.5),
        panel(1, 1, 4, 4, value=-0.2),
    ],
)
def test_a_panel_that_breaks_the_contract_is_refused_by_name(broken: Panel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="panel 'Filters'"):
        save_panels(tmp_path, [panel(1, 1, 4, 4), broken])
    assert load_panels(tmp_path) == ()  # the index is written last


def test_values_off_by_rounding_are_clipped() -> None:
    assert np.asarray(tile_sheet(panel(1, 1, 4, 4, value=1.0 + 1e-6)))[0, 0].tolist() == [255, 255]


@pytest.mark.parametrize(
    "text",
    ["{", "[1]", '[{"title": "x"}]', json.dumps([{"title": "", "caption": "", "file": "../secret.png"}])],
)
def test_an_alien_index_is_an_error_that_names_it(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(b"")
    (folder / INDEX).write_text(text)
    with pytest.raises(ValueError, match=r"gallery\.json is not a gallery"):
        load_panels(folder)
