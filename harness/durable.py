"""Files that are whole or not there at all, whatever is killed in the middle of writing them."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from pathlib import Path

#: Names that readers ignore: a file still being written, and a claim on a name.
TEMPORARY = ".tmp-"
CLAIM = ".claim-"

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def write_once(path: Path, data: bytes) -> bool:
    """Create `path` with `data`, durably, unless something is there already: put-if-absent.

    The bytes reach the disk under a temporary name in the same folder before the name appears, so that no reader and
    no crash ever meets half a file.

    Returns:
        False if the name was taken; what it holds is left alone.

    Raises:
        OSError: the file system refused; nothing was left under the name.
    """
    temporary = _written(path, data, durable=True)
    try:
        created = _publish(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return created


def replace(path: Path, data: bytes) -> None:
    """Give `path` new content at once, for what is rewritten often and may be lost with the machine."""
    temporary = _written(path, data, durable=False)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path, *, now: float, older_than: float) -> int:
    """Remove temporary files that their writers, killed, have left; ages in seconds. Returns how many."""
    removed = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY) and _age(entry, now) > older_than:
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
    return removed


def _age(entry: os.DirEntry[str], now: float) -> float:
    try:
        return now - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:  # its writer has just finished
        return 0.0


def _written(path: Path, data: bytes, *, durable: bool) -> Path:
    temporary = path.parent / f"{TEMPORARY}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _publish(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        # On NFS the answer to a link that succeeded can get lost; the second try then finds our own file.
        return temporary.stat().st_nlink > 1
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _publish_without_links(temporary, path)
    return True


def _publish_without_links(temporary: Path, path: Path) -> bool:
    """A claim decides who may rename. It stays for ever, so that nobody can take the name a second time."""
    claim = path.parent / f"{CLAIM}{path.name}"
    try:
        os.close(os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    except FileExistsError:
        return False
    if path.exists():
        return False
    temporary.rename(path)
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
