"""A sign of life beside the job: tells a frozen process from one that waits for its partner.

A rank that is blocked in a collective call looks, from outside, like the frozen rank it waits for. But it still
answers here, with the stack of its main thread; a process that is stopped, or holds the interpreter's lock, does not.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import traceback


def serve(address: str) -> int:
    """Answer every connection to the port returned with this thread's stack, from a thread of its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, 0), family=family)
    watched = threading.get_ident()
    threading.Thread(target=_answer, args=(server, watched), name="pulse", daemon=True).start()
    return int(server.getsockname()[1])


def ask(address: str, port: int, patience: float) -> str | None:
    """The stack of the process that serves there, or None if it does not answer within `patience` seconds."""
    try:
        with socket.create_connection((address, port), timeout=patience) as connection:
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
    except OSError:
        return None
    return b"".join(parts).decode(errors="replace") or None


def _answer(server: socket.socket, watched: int) -> None:
    while True:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            frame = sys._current_frames().get(watched)
            connection.sendall("".join(traceback.format_stack(frame)).encode() or b"no stack\n")
