"""One Ray, one cache of datasets, and the real data of development, for all tests that need them."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.session import Session


@pytest.fixture(scope="session", autouse=True)
def no_wandb() -> Iterator[None]:
    """Whole runs mirror nothing in W&B, save in the tests of the mirror, which take this away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        yield


@pytest.fixture(scope="session")
def dataset_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """HARNESS_CACHE: datasets are generated once for all tests, and nothing of the user's is touched."""
    before = os.environ.get("HARNESS_CACHE")
    folder = tmp_path_factory.mktemp("datasets")
    os.environ["HARNESS_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["HARNESS_CACHE"]
    else:
        os.environ["HARNESS_CACHE"] = before


@pytest.fixture(scope="session")
def ray_session(dataset_cache: Path) -> Iterator[Session]:
    """A Ray of our own with two CPUs, for `RayPool(..., session=ray_session)`; its workers share the cache."""
    from cluster.session import Session

    with Session(cpus=2) as session:
        yield session


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of one real dataset by its name ("mnist", "caltech101_a"), unpacked once for all tests.

    It comes from HARNESS_TEST_DATA, a folder that is unpacked already, or from the archives that developers have
    beside the repository; where there is neither, the test is skipped.
    """
    unpacked = tmp_path_factory.mktemp("real")

    def folder(name: str) -> Path:
        given = os.environ.get("HARNESS_TEST_DATA")
        if given:
            return Path(given) / name
        archives = Path(__file__).parents[2] / "shared" / "data" / name
        if not archives.is_dir():
            pytest.skip(f"the real data {name!r} is there in development only")
        target = unpacked / name
        if not target.exists():
            target.mkdir()
            for file in archives.iterdir():
                if ".tar" in file.name:
                    with tarfile.open(file) as archive:
                        archive.extractall(target, filter="data")
                else:
                    shutil.copy(file, target)
        return target

    return folder
