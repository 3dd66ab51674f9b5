"""Whatever escapes becomes a message and an exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.failures import UserError, explained
from harness.store import StoreError


def code_of(error: BaseException) -> int | str | None:
    with pytest.raises(SystemExit) as ended, explained():
        raise error
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("no such suite; name another"), 2, "harness: no such suite; name another\n"),
        (StoreError("the disk is full"), 2, "harness: the disk is full\n"),
        (KeyboardInterrupt(), 130, "harness: interrupted\n"),
    ],
)
def test_a_message_and_a_code(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(error) == code
    assert capsys.readouterr().err == message


def test_our_own_bugs_keep_their_traceback_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(ZeroDivisionError("by zero")) == 5
    said = capsys.readouterr().err
    assert said.startswith("harness: internal error: ZeroDivisionError: by zero\n")
    assert "Traceback" not in said
    found = re.search(r"the traceback is in (\S+);", said)
    assert found is not None
    log = Path(found[1])
    assert "Traceback" in log.read_text()
    assert "raise error" in log.read_text()
    log.unlink()


def test_what_ends_by_itself_ends_as_it_says() -> None:
    assert code_of(SystemExit(3)) == 3
    with explained():
        pass


ENDLESS = "while True: print('line', flush=True)"
ONE_LINE_TOO_LATE = "print('line', flush=True); sys.stdin.read(); print('line')"


@pytest.mark.parametrize("body", [ENDLESS, ONE_LINE_TOO_LATE])
def test_a_reader_that_has_seen_enough_hears_no_complaint(body: str) -> None:
    program = f"import sys\nfrom harness.failures import explained\nwith explained():\n    {body}\n"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=buffered,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as ours:
        assert ours.stdin is not None
        assert ours.stdout is not None
        assert ours.stderr is not None
        ours.stdout.readline()
        ours.stdout.close()
        ours.stdin.close()
        assert ours.stderr.read() == b""
    assert ours.returncode == 0
