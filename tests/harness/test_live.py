from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from harness.live import HEARTBEAT, JsonView, PlainView, TerminalView, choose_view
from harness.progress import Event


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


QUEUED = Event(kind="queued", job="m/d/0", stage="pretrain", fingerprint="abc")
STARTED = Event(kind="started", job="m/d/0", stage="pretrain", fingerprint="abc")
FINISHED = Event(kind="finished", job="m/d/0", stage="pretrain", fingerprint="abc", seconds=12.0)
FAILED = Event(kind="failed", job="m/d/1", stage="pretrain", message="lost [red]\x1b[31m\nthe process died")


def on_screen(folder: Path, height: int = 20) -> tuple[TerminalView, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    console = Console(file=stream, force_terminal=True, color_system=None, width=110, height=height, _environ={})
    return TerminalView(folder, console, clock), stream, clock


def test_the_output_chooses_the_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(choose_view(tmp_path, Terminal(), json_lines=True), JsonView)
    assert isinstance(choose_view(tmp_path, Terminal(), json_lines=False), TerminalView)
    assert isinstance(choose_view(tmp_path, io.StringIO(), json_lines=False), PlainView)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose_view(tmp_path, Terminal(), json_lines=False), PlainView)


def test_json_is_one_object_a_line_and_polling_is_silent() -> None:
    stream = io.StringIO()
    with JsonView(stream) as view:
        for event in (QUEUED, STARTED, FAILED):
            view.take(event)
            view.poll()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["kind"], line["job"]) for line in lines] == [
        ("queued", "m/d/0"),
        ("started", "m/d/0"),
        ("failed", "m/d/1"),
    ]
    assert lines[2]["message"] == FAILED.message
    assert all(line["time"].endswith("+00:00") for line in lines)


def test_plain_lines_come_at_ends_and_at_heartbeats_only(tmp_path: Path) -> None:
    stream, clock = io.StringIO(), Clock()
    (tmp_path / "abc.json").write_text(json.dumps({"phase": "stage 1", "step": 50, "steps": 100, "loss": 0.25}))
    with PlainView(tmp_path, stream, clock) as view:
        view.take(QUEUED)
        view.take(STARTED)
        clock.now += HEARTBEAT - 0.1
        view.poll()
        assert stream.getvalue() == ""
        clock.now += 0.2
        view.poll()
        view.poll()
        assert stream.getvalue().splitlines() == [
            "0 done, 1 running of 1; 10 s elapsed, about 10 s left: m/d/0 stage 1 50% loss 0.25"
        ]
        view.take(FAILED)
        view.take(FINISHED)
        clock.now += HEARTBEAT - 0.1
        view.poll()
    assert stream.getvalue().splitlines()[1:] == [
        "[1/2] FAILED m/d/1 pretrain: lost [red] [31m the process died",
        "[2/2] ok m/d/0 pretrain in 12 s",
    ]


def test_the_terminal_shows_what_is_at_work(tmp_path: Path) -> None:
    fields = {"phase": "stage 2", "step": 30, "steps": 120, "loss": 0.125, "steps_per_second": 210.0}
    (tmp_path / "abc.json").write_text(json.dumps(fields))
    view, stream, clock = on_screen(tmp_path)
    with view:
        view.take(QUEUED)
        view.take(STARTED)
        clock.now += 10
        view.poll()
        for text in ("m/d/0", "stage 2", "25%", "210 steps/s", "loss 0.125", "about 30 s left"):
            assert text in stream.getvalue()
        assert "\n0 done, 1 running of 1" in stream.getvalue()  # on a line of its own
        (tmp_path / "abc.json").write_text('{"step": 31, "st')  # torn: the last whole one stays
        clock.now += 1
        view.poll()
        assert stream.getvalue().count("25%") > 1
        view.take(FAILED)
    assert "lost [red] [31m the process died" in stream.getvalue()
    assert "\x1b[31m" not in stream.getvalue()


def test_more_jobs_than_lines_are_counted(tmp_path: Path) -> None:
    view, stream, _ = on_screen(tmp_path, height=10)
    with view:
        for seed in range(40):
            view.take(Event(kind="started", job=f"m/d/{seed}", stage="pretrain"))
        view.poll()
    assert "and 35 more" in stream.getvalue()
    assert "40 running of 40" in stream.getvalue()


def test_the_terminal_is_tidied_when_the_run_is_interrupted(tmp_path: Path) -> None:
    view, stream, _ = on_screen(tmp_path)

    def interrupted() -> None:
        with view:
            view.poll()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    shown, hidden = stream.getvalue().rfind("\x1b[?25h"), stream.getvalue().rfind("\x1b[?25l")
    assert shown > hidden >= 0  # the cursor is back
