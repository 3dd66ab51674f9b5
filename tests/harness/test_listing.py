from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from harness import listing
from harness.datasets import Dataset, Task
from methods import Settings, Spec


@dataclass(frozen=True, kw_only=True)
class NoSettings(Settings):
    pass


class ToySet(Dataset):
    name, version, licence, Config = "toy", 1, "CC0", NoSettings
    spec = Spec(modality="image", shape=(3, 8, 8), size=1_200)
    tasks = {"shape": Task(name="shape", kind="class", metric="accuracy", chance=0.5)}  # noqa: RUF012
    write = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class Folder(Settings):
    path: str


class NeedsFolder(ToySet):
    """Pictures of the user's. And more."""

    Config = Folder


def eats(*modalities: str) -> Any:
    def fits(config: Any, spec: Spec) -> str | None:
        return None if spec.modality in modalities else "no"

    return SimpleNamespace(Config=NoSettings, fits=fits, presets={"small": 0, "paper": 0}, version=3, paper="A (2010)")


def test_methods_tell_what_they_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "method_roster", lambda: {"m": eats("text", "image")})
    assert listing.list_methods().rows == [("m", "image, text", "small, paper", "3", "A (2010)")]


def test_datasets_tell_their_tasks_or_that_they_need_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.datasets.roster", lambda: {"folder": NeedsFolder, "toy": ToySet})
    assert listing.list_datasets().rows == [
        ("folder", "", "", "", "Pictures of the user's. Needs path.", "CC0"),
        ("toy", "image", "3 x 8 x 8", "1,200", "shape (class, accuracy)", "CC0"),
    ]


def test_protocols_tell_what_they_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    class Toy:
        """Solve it\n        somehow. And more."""

        kinds, version = frozenset({"pair", "class"}), 2

    monkeypatch.setattr("harness.protocols.roster", lambda: {"toy": Toy})
    assert listing.list_protocols().rows == [("toy", "class, pair", "2", "Solve it somehow.")]


def test_suites_tell_what_they_are_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.yaml").write_text("name: b\n")
    (tmp_path / "a.yaml").write_text("# A quick look.\nname: a\n")
    (tmp_path / "c.txt").write_text("")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    assert listing.list_suites().rows == [("a.yaml", "A quick look."), ("b.yaml", "")]


@pytest.mark.parametrize(
    "table", [listing.list_methods, listing.list_datasets, listing.list_protocols, listing.list_suites]
)
def test_every_row_of_what_there_is_has_every_column(table: Any) -> None:
    found = table()
    assert all(len(row) == len(found.columns) for row in found.rows)
