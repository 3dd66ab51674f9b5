"""The terminal that people see, or the pipe that takes its place."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from harness.board_formats import show
from harness.leaderboard import Board

#: Columns where the output is no terminal: room for whole tables.
PIPE_WIDTH = 200


def open_console() -> Console:
    """As wide as the terminal; wide enough for whole tables where the output is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def put(renderable: RenderableType) -> None:
    """Show something on standard output; without the spaces at the ends of lines where that is no terminal."""
    console = open_console()
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as captured:
        console.print(renderable)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def print_board(board: Board) -> None:
    put(show(board, open_console().width))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    colours: Mapping[str, str] | None = None,
) -> None:
    """Plain rows under their headings; a column without a word in it is left out.

    Args:
        colours: styles of cells, by their text.
    """
    shown = [at for at in range(len(columns)) if any(row[at] for row in rows)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for at in shown:
        table.add_column(columns[at], overflow="fold", header_style="dim")
    for row in rows:
        table.add_row(*(Text(row[at], (colours or {}).get(row[at], "")) for at in shown))
    if title:
        put(Text(title, "bold"))
    put(table)
