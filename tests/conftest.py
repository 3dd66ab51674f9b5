"""One Ray for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.session import Session


@pytest.fixture(scope="session")
def ray_session() -> Iterator[Session]:
    """A Ray of our own with two CPUs, for `RayPool(..., session=ray_session)`."""
    from cluster.session import Session

    with Session(cpus=2) as session:
        yield session
