from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import methods
from methods import Method, discover, roster

PACKAGE = "some_methods"
SOURCE = """
from methods import Method
from methods.sdae import StackedDenoisingAutoencoder  # imported, so not this file's own


class Toy(Method):
    name = "{name}"

    def __init__(self, config, spec, state):
        super().__init__(config, spec, state)

    @classmethod
    def primary(cls, config, spec):
        return {{}}

    def stages(self):
        return ()

    def sample(self, source, ids, keys):
        return {{}}

    def examples(self, source, ids):
        return {{}}

    def encode(self, batch):
        return {{}}


class Unfinished(Method):
    name = "unfinished"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty package on the path, forgotten afterwards."""
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] in (PACKAGE, "elsewhere")]:
        del sys.modules[name]


def found(folder: Path) -> dict[str, str]:
    importlib.invalidate_caches()
    return {name: member.__module__ for name, member in discover(Method, PACKAGE, [str(folder)]).items()}


def install(folder: Path, name: str) -> None:
    """What an installed package with an entry point leaves on the path."""
    (folder.parent / "elsewhere.py").write_text(SOURCE.format(name=name))
    info = folder.parent / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[harness.{PACKAGE}]\ntoy = elsewhere:Toy\n")


def test_a_file_is_found_by_lying_there_and_is_gone_when_deleted(folder: Path) -> None:
    assert found(folder) == {}
    (folder / "toy.py").write_text(SOURCE.format(name="toy"))
    assert found(folder) == {"toy": f"{PACKAGE}.toy"}
    (folder / "toy.py").unlink()
    assert found(folder) == {}


def test_a_small_package_is_found_like_a_file(folder: Path) -> None:
    (folder / "toy").mkdir()
    (folder / "toy" / "_model.py").write_text(SOURCE.format(name="toy"))
    (folder / "toy" / "__init__.py").write_text(f"from {PACKAGE}.toy._model import Toy\n")
    assert found(folder) == {"toy": f"{PACKAGE}.toy._model"}


def test_private_files_are_not_looked_at(folder: Path) -> None:
    (folder / "_draft.py").write_text("raise RuntimeError('imported')")
    assert found(folder) == {}


def test_an_entry_point_of_an_installed_package_is_found(folder: Path) -> None:
    (folder / "toy.py").write_text(SOURCE.format(name="toy"))
    install(folder, "visitor")
    assert found(folder) == {"toy": f"{PACKAGE}.toy", "visitor": "elsewhere"}


def test_two_claims_to_one_name_are_an_error(folder: Path) -> None:
    (folder / "toy.py").write_text(SOURCE.format(name="toy"))
    (folder / "twin.py").write_text(SOURCE.format(name="toy"))
    with pytest.raises(ValueError, match="two entries of some_methods are named 'toy'"):
        found(folder)


def test_an_entry_point_cannot_take_the_name_of_a_file(folder: Path) -> None:
    (folder / "toy.py").write_text(SOURCE.format(name="toy"))
    install(folder, "toy")
    with pytest.raises(ValueError, match="two entries of some_methods are named 'toy'"):
        found(folder)


def test_the_roster_holds_a_method_for_every_public_file() -> None:
    public = {path.stem for path in Path(methods.__path__[0]).glob("*.py") if not path.stem.startswith("_")}
    assert public <= {member.__module__.partition(".")[2] for member in roster().values()}
    assert list(roster()) == sorted(roster())
