"""Provenance is found out quickly, once, and never stands in the way of a record."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import provenance


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    known = (provenance.hardware, provenance.versions, provenance.git)
    for function in known:
        function.cache_clear()
    yield
    for function in known:
        function.cache_clear()


def test_what_a_record_says_of_its_origin_is_json() -> None:
    origin = [provenance.hardware(), provenance.versions(), provenance.git()]
    assert json.loads(json.dumps(origin)) == origin
    assert origin[0]["cores"] >= 1
    assert origin[0]["memory_bytes"] > 2**28
    assert origin[1]["torch"].startswith("2.")
    assert provenance.hardware() is origin[0]


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_and_whether_anything_differs_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _git(tmp_path, "init", "-q")
    package = tmp_path / "harness"
    package.mkdir()
    (package / "provenance.py").write_text("")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "x")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert provenance.git() == {"commit": commit, "dirty": False, "of": "harness"}
    (package / "method.py").write_text("")
    assert provenance.git()["dirty"] is False, "asked once per process"
    provenance.git.cache_clear()
    assert provenance.git() == {"commit": commit, "dirty": True, "of": "harness"}
    # Installed rather than checked out: the working directory's repository counts.
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "lib" / "python" / "harness" / "provenance.py"))
    monkeypatch.chdir(package)
    provenance.git.cache_clear()
    assert provenance.git() == {"commit": commit, "dirty": True, "of": "working directory"}


def test_nothing_raises_without_git_and_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise FileNotFoundError("no such program")

    monkeypatch.setattr(subprocess, "run", refused)
    assert provenance.git() == {}
    monkeypatch.setattr(Path, "read_text", refused)
    monkeypatch.setattr(provenance.psutil, "virtual_memory", refused)
    found = provenance.hardware()
    assert found["memory_bytes"] is None
    assert found["gpus"] == []
    assert isinstance(found["cpu"], str)
