"""What `run` shows while it works: a live table on a terminal, plain lines elsewhere, JSON lines where asked."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.progress import Event, Progress, Running
from harness.wording import about, duration

Clock = Callable[[], float]

#: Seconds between two heartbeats of plain output.
HEARTBEAT = 10.0
#: Seconds between two readings of the progress files, which workers replace about once a second.
_REFRESH = 0.5
#: Columns of a job's bar, and of a terminal that has room for it; the names of cells come first elsewhere.
_BAR, _ROOMY = 20, 100

_WORDS = {"finished": "ok", "failed": "FAILED", "skipped": "skipped", "retried": "retry"}
_COLOURS = {"finished": "green", "failed": "bold red", "skipped": "yellow", "retried": "yellow"}


class View(ABC):
    """Use as a context: leaving it tidies the terminal, whatever happened. Call from one thread."""

    @abstractmethod
    def take(self, event: Event) -> None:
        """Show what happened to a job."""

    @abstractmethod
    def poll(self) -> None:
        """Bring what is shown up to date; cheap enough to be called several times a second."""

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def choose_view(folder: Path, stream: TextIO, *, json_lines: bool, clock: Clock = time.monotonic) -> View:
    """The view that suits the output. `folder` holds the progress files."""
    if json_lines:
        return JsonView(stream)
    console = Console(file=stream)
    if console.is_terminal and not console.is_dumb_terminal:
        return TerminalView(folder, console, clock)
    return PlainView(folder, stream, clock)


class JsonView(View):
    """One JSON object a line for each event, and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def take(self, event: Event) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **asdict(event)}
        print(json.dumps(line), file=self._stream, flush=True)

    def poll(self) -> None:
        return None


class PlainView(View):
    """For logs and pipes: a line for every end and every retry, and a heartbeat."""

    def __init__(self, folder: Path, stream: TextIO, clock: Clock) -> None:
        self._folder = folder
        self._stream = stream
        self._clock = clock
        self._progress = Progress(clock())
        self._spoke = clock()

    def take(self, event: Event) -> None:
        now = self._clock()
        self._progress.take(event, now)
        if event.kind in _WORDS:
            self._say(describe(event, self._progress))

    def poll(self) -> None:
        now = self._clock()
        if now - self._spoke < HEARTBEAT or not self._progress.total:
            return
        self._progress.refresh(self._folder)
        running = [_at_work(job) for job in self._progress.running.values()]
        shown = ", ".join(running[:3]) + (f" and {len(running) - 3} more" if len(running) > 3 else "")
        self._say(f"{summarise(self._progress, now)}{': ' if shown else ''}{shown}")

    def _say(self, line: str) -> None:
        self._spoke = self._clock()
        print(line, file=self._stream, flush=True)


class TerminalView(View):
    """A table of the jobs at work that is redrawn in place; failures and retries scroll by above it."""

    def __init__(self, folder: Path, console: Console, clock: Clock) -> None:
        self._folder = folder
        self._console = console
        self._clock = clock
        self._progress = Progress(clock())
        self._read = clock() - _REFRESH
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> View:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def take(self, event: Event) -> None:
        self._progress.take(event, self._clock())
        if event.kind in _WORDS:
            self._console.print(Text(describe(event, self._progress), style=_COLOURS[event.kind]), soft_wrap=True)

    def poll(self) -> None:
        now = self._clock()
        if now - self._read >= _REFRESH:
            self._read = now
            self._progress.refresh(self._folder)
        self._live.update(self._draw(now), refresh=True)

    def _draw(self, now: float) -> Table:
        progress = self._progress
        done = sum(progress.ended.values())
        jobs = list(progress.running.values())
        room = max(1, self._console.height - 5)
        table = Table.grid(padding=(0, 2))
        for job in jobs[:room]:
            table.add_row(*_cells(job, now, _BAR if self._console.width >= _ROOMY else _BAR // 2))
        if len(jobs) > room:
            table.add_row(Text(f"and {len(jobs) - room} more", style="dim"))
        bar = ProgressBar(total=max(1, progress.total), completed=done, width=min(60, self._console.width))
        lines = Table.grid()
        for line in (table, bar, Text(summarise(progress, now))):
            lines.add_row(line)
        return lines


def describe(event: Event, progress: Progress) -> str:
    """One line on an event that people should see; control characters in messages do not reach the terminal."""
    done = sum(progress.ended.values())
    counted = f"[{done}/{progress.total}] " if event.kind in progress.ended else ""
    attempt = f" (attempt {event.attempt})" if event.kind == "retried" else ""
    seconds = f" in {duration(event.seconds)}" if event.seconds else ""
    why = f": {_one_line(event.message)}" if event.message else ""
    return f"{counted}{_WORDS[event.kind]} {_one_line(event.job)} {event.stage}{attempt}{seconds}{why}"


def summarise(progress: Progress, now: float) -> str:
    """One line on the whole run."""
    counts = {
        "done": progress.ended["finished"],
        "failed": progress.ended["failed"],
        "skipped": progress.ended["skipped"],
        "running": len(progress.running),
        "queued": progress.waiting,
    }
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "done")
    left = progress.seconds_left(now)
    hope = "time left not known yet" if left is None else f"{about(left)} left" if left else "nothing left"
    return f"{shown} of {progress.total}; {duration(now - progress.began)} elapsed, {hope}"


def _cells(job: Running, now: float, width: int) -> tuple[Text | ProgressBar, ...]:
    snapshot, fraction = job.snapshot, job.snapshot.fraction
    bar = ProgressBar(total=1.0, completed=fraction, width=width) if fraction is not None else Text("")
    speed = "" if snapshot.steps_per_second is None else f"{snapshot.steps_per_second:,.4g} steps/s"
    return (
        Text(_one_line(job.event.job), style="bold"),
        Text(_one_line(snapshot.phase) or job.event.stage),
        bar,
        Text("" if fraction is None else f"{fraction:.0%}", justify="right"),
        Text(speed, justify="right"),
        Text("" if snapshot.loss is None else f"loss {snapshot.loss:.4g}"),
        Text(duration(now - job.since), style="dim", justify="right"),
    )


def _at_work(job: Running) -> str:
    snapshot = job.snapshot
    parts = [
        _one_line(snapshot.phase) or job.event.stage,
        "" if snapshot.fraction is None else f"{snapshot.fraction:.0%}",
        "" if snapshot.loss is None else f"loss {snapshot.loss:.4g}",
    ]
    return f"{_one_line(job.event.job)} {' '.join(part for part in parts if part)}"


def _one_line(text: str, most: int = 300) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    squeezed = " ".join(printable.split())
    return squeezed if len(squeezed) <= most else f"{squeezed[: most - 1]}…"
