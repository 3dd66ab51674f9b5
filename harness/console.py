"""The terminal that people see, or the pipe that takes its place."""

from __future__ import annotations

from rich.console import Console

from harness.board_formats import WIDE, show
from harness.leaderboard import Board


def open_console() -> Console:
    """As wide as the terminal; wide enough for whole tables where the output is a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, WIDE))


def print_board(board: Board) -> None:
    console = open_console()
    console.print(show(board, console.width))
