from __future__ import annotations

import pytest
import torch

from methods import TextPanel
from tests.methods.bert.texts import source_of, tiny_bert


def panel_of(texts: list[str], **config: object) -> list[TextPanel]:
    method, _ = tiny_bert(**config)
    return list(method.eval().gallery(source_of(texts)))


@pytest.mark.parametrize("config", [{}, {"nsp": False}, {"nsp": False, "direction": "left_to_right"}])
def test_guesses_stand_below_the_text_that_they_are_about(config: dict[str, object]) -> None:
    (panel,) = panel_of(["aw ax ay\naz aw ax\nay ay", "bw bx\nby bz bw", "", "cw"], **config)
    assert sum(line.startswith("[CLS] ") for line in panel.lines) == 3  # the empty document has nothing to show
    assert all(len(line) <= 110 for line in panel.lines)
    guessed = [line for line in panel.lines if line.startswith("  <")]
    assert all(": right; " in line or ": wrong; " in line for line in guessed)
    for number in range(1, 7):
        shown = sum(f"<{number}>" in line for line in panel.lines if not line.startswith("  "))
        assert shown == sum(line.startswith(f"  <{number}> ") for line in guessed)
    assert any("second piece follows" in line for line in panel.lines) == config.get("nsp", True)


def test_a_model_that_knows_the_answer_is_shown_to_be_right() -> None:
    method, _ = tiny_bert(nsp=False, masked=1.0, replaced=0.0)
    target = method.wordpiece.vocabulary.index("aw")
    with torch.no_grad():
        method.stage.token_head.bias[target] += 50
    (panel,) = method.eval().gallery(source_of(["aw aw aw aw"] * 3))
    assert "100.0% of all 3 predictions are right" in panel.caption
    guessed = [line for line in panel.lines if line.startswith("  ")]
    assert len(guessed) == 3
    assert all(line.startswith("  <1> aw: right; aw 100%, ") for line in guessed)


def test_without_text_there_is_no_panel() -> None:
    assert panel_of(["", " \n "]) == []
