from __future__ import annotations

import pytest

from harness.console import PIPE_WIDTH, open_console, print_table


def test_a_pipe_has_room_for_whole_rows_without_spaces_at_their_ends(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("cell", "state", "why"), [("a/b/0", "new", ""), ("a/b/1", "changed", "x" * 120)], title="cells")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cells"
    assert lines[1].split() == ["cell", "state", "why"]
    assert lines[2].split() == ["a/b/0", "new"]
    assert lines[3].endswith("x" * 120)
    assert not any(line.endswith(" ") for line in lines)
    assert open_console().width == PIPE_WIDTH


def test_a_column_without_words_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("cell", "why"), [("a", ""), ("b", "")])
    assert capsys.readouterr().out.split() == ["cell", "a", "b"]


def test_square_brackets_are_text_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("why",), [("methods[0] [bold]no[/bold]",)])
    assert "methods[0] [bold]no[/bold]" in capsys.readouterr().out
