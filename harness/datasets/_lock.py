"""One writer at a time, among the processes of one machine."""

from __future__ import annotations

import errno
import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Wait until no other process holds `path`; False where the file system has no locks.

    The kernel releases it when its holder ends, however it ends.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS):
                raise
            _log.warning("%s: this file system has no locks (%s); going on without", path.parent, error.strerror)
            yield False
        else:
            yield True
