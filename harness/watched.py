"""A view that keeps itself up to date, whatever its driver waits for."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from harness.live import View
from harness.progress import Event

#: Seconds between two looks.
INTERVAL = 0.25


class Watched:
    """Polls a view from a thread of its own; the lock keeps the view's promise of one caller at a time."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="view", daemon=True)

    def take(self, event: Event) -> None:
        with self._lock:
            self._view.take(event)

    def __enter__(self) -> Self:
        self._view.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._view.__exit__(kind, error, trace)

    def _poll(self) -> None:
        while not self._stop.wait(INTERVAL):
            with self._lock:
                try:
                    self._view.poll()
                except (
                    OSError
                ):  # nobody reads any more: the driver's next event meets the same, where it can end the run
                    return
