"""One Ray and one cache of datasets for all tests that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.session import Session


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
