"""A board as people and programs read it: table, markdown, csv, json, latex, parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

import polars as pl
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.board_notes import endnotes, fall, flagged, rank_text, remarks, short, size, verdicts
from harness.leaderboard import Board
from harness.standing import GROUP
from harness.verdicts import shown_name

Format = Literal["table", "markdown", "csv", "json", "latex", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

#: Heading and alignment of each column that people see.
_COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("#", "right"),
    ("method", "left"),
    ("score", "right"),
    ("interval", "left"),
    ("n", "right"),
    ("vs untrained", "right"),
    ("train", "right"),
    ("ex/s", "right"),
    ("memory", "right"),
    ("wait", "right"),
    ("held-out loss", "right"),
)
#: How many of them, from the right, are left out where the terminal has no room for them.
_COSTS = 4
#: Terminal columns of the table as a file: nothing is left out.
_WIDE = 200
_NOTHING = "No results yet: run a suite first."


def render(board: Board, form: Format) -> bytes:
    """The whole board in one of `FORMATS`: text in UTF-8, or a Parquet file."""
    if form == "table":
        buffer = io.StringIO()
        Console(file=buffer, width=_WIDE, color_system=None).print(show(board, _WIDE))
        text = "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())
    elif form == "parquet":
        sink = io.BytesIO()
        board.whole().write_parquet(sink)
        return sink.getvalue()
    elif form == "csv":
        text = board.whole().with_columns(pl.col("flags").list.join("; ")).write_csv()
    elif form == "json":
        left_out = [asdict(pair) for pair in board.not_applicable]
        whole = {
            "confidence": board.confidence,
            "rows": board.rows.to_dicts(),
            "across": board.across,
            "not_applicable": left_out,
        }
        text = json.dumps(whole, indent=2, allow_nan=False) + "\n"
    else:
        text = "\n\n".join(_markdown(board) if form == "markdown" else _latex(board)) + "\n"
    return text.encode()


def show(board: Board, width: int) -> RenderableType:
    """The board for a terminal of this many columns; where they are few, costs are the first to go."""
    groups = list(board.groups())
    shown = min((_fitting(group, width) for group in groups), default=0)  # the same columns in all tables
    parts: list[RenderableType] = []
    for group in groups:
        parts.append(Text(_title(group), style="bold"))
        parts.append(_table(group, shown))
        parts.extend(Text(f"  {sentence}") for sentence in verdicts(group))
        parts.extend(
            Text(f"  {note}", style="yellow" if note.startswith("!") else "dim")
            for note in (*flagged(group), *remarks(group))
        )
        parts.append(Text())
    parts.extend(Text(line, style="dim") for line in endnotes(board))
    return Group(*(parts or [Text(_NOTHING)]))


def _fitting(group: Sequence[Mapping[str, Any]], width: int) -> int:
    """How many columns a terminal this wide has room for; what it lacks for the rest is taken from the names."""
    ruler = Console(width=10_000, file=io.StringIO())
    least = len(_COLUMNS) - _COSTS
    fits = (shown for shown in range(len(_COLUMNS), least, -1) if ruler.measure(_table(group, shown)).maximum <= width)
    return next(fits, least)


def _table(group: Sequence[Mapping[str, Any]], shown: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, justify in _COLUMNS[:shown]:
        shrink = heading == "method"
        table.add_column(heading, justify=justify, no_wrap=not shrink, overflow="fold", min_width=1)
    for row in group:
        style = "dim" if row["control"] else "bold green" if row["rank"] == 1 else ""
        table.add_row(*(Text(cell) for cell in _cells(row)[:shown]), style=style)
    return table


def _markdown(board: Board) -> Iterator[str]:
    for group in board.groups():
        lines = ["| " + " | ".join(heading for heading, _ in _COLUMNS) + " |"]
        lines.append("|" + "|".join("---:" if justify == "right" else ":---" for _, justify in _COLUMNS) + "|")
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(row)) + " |" for row in group]
        told = [f"- {note}" for note in _told(group)]
        yield "\n".join([f"### {_title(group)}", "", *lines, *([""] if told else []), *told])
    if lines := endnotes(board):
        yield "\n".join(f"- {line}" for line in lines)
    if board.rows.is_empty():
        yield _NOTHING


def _latex(board: Board) -> Iterator[str]:
    yield "% needs \\usepackage{booktabs}"
    shape = "".join("r" if justify == "right" else "l" for _, justify in _COLUMNS)
    for group in board.groups():
        told = [f"\\par {_escaped(note)}" for note in _told(group)]
        yield "\n".join(
            [
                "\\begin{table}",
                f"\\caption{{{_escaped(_title(group))}}}",
                f"\\begin{{tabular}}{{{shape}}}",
                "\\toprule",
                " & ".join(_escaped(heading) for heading, _ in _COLUMNS) + " \\\\",
                "\\midrule",
                *(" & ".join(_escaped(cell) for cell in _cells(row)) + " \\\\" for row in group),
                "\\bottomrule",
                "\\end{tabular}",
                *told,
                "\\end{table}",
            ]
        )
    for line in endnotes(board):
        yield f"% {line}"


def _told(group: Sequence[Mapping[str, Any]]) -> list[str]:
    return [*verdicts(group), *flagged(group), *remarks(group)]


def _title(group: Sequence[Mapping[str, Any]]) -> str:
    first = group[0]
    direction = {True: "higher is better", False: "lower is better", None: ""}[first["higher_is_better"]]
    what = " · ".join(first[name] or f"no {name}" for name in GROUP)
    return f"{what} ({direction})" if direction else what


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    mark = "*" if row["interval"] == "test sample" else ""
    flagged = " !" if row["flags"] else ""
    return (
        rank_text(row) or "–",
        _name(row) + flagged,
        _number(row["value"]),
        f"{_number(row['low'])} – {_number(row['high'])}{mark}" if row["low"] is not None else "–",
        str(row["seeds"]) if row["seeds"] == row["planned"] else f"{row['seeds']}/{row['planned']}",
        "–" if row["delta"] is None else f"{row['delta']:+.3f}",
        _duration(row["pretrain_seconds"]),
        short(row["examples_per_second"]),
        size(row["peak_memory_bytes"]),
        "–" if row["waiting_share"] is None else f"{row['waiting_share']:.0%}",
        fall(row["held_out_initial"], row["held_out_final"]),
    )


def _name(row: Mapping[str, Any]) -> str:
    return shown_name(row["method"], row["control"])


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.4g}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "→": r"$\rightarrow$",
    "·": r"\textperiodcentered{}",
}


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
