"""Failures as people meet them: a message that names cause, place and remedy, and an exit code; never a traceback."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Something the user can mend. Its text says what is wrong, where, and what to do."""

    exit_code = 2


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever escapes into a message and an exit code (DESIGN section 8)."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a reader that is gone can be met; at the interpreter's exit it is too late
    except UserError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe, head say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still in its buffer
        sys.exit(0)
    except Exception as error:
        _say(
            f"internal error: {type(error).__name__}: {error}\nthe traceback is in {_written(error)}; please report it"
        )
        sys.exit(5)


def _say(message: str) -> None:
    print(f"harness: {message}", file=sys.stderr)


def _written(error: Exception) -> Path:
    with tempfile.NamedTemporaryFile("w", prefix="harness-error-", suffix=".log", delete=False) as log:
        traceback.print_exception(error, file=log)
    return Path(log.name)
