from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from cluster.ray_pool import RayPool
from cluster.session import Session
from harness.cli import main
from tests.endtoend.running import SUITE, Ended

Run = Callable[..., Ended]


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """As in a worker that holds one CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory, dataset_cache: Path) -> str:
    path = tmp_path_factory.mktemp("suite") / "tiny.yaml"
    path.write_text(SUITE)
    return str(path)


@pytest.fixture
def harness_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dataset_cache: Path) -> Run:
    """The command line in this process."""

    def call(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0 if code is None else 1, *capsys.readouterr())

    return call


@pytest.fixture
def shared_ray(ray_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process take the Ray that all tests share."""
    monkeypatch.setattr("cluster.ray_pool.RayPool", partial(RayPool, session=ray_session))


@pytest.fixture(scope="session")
def reference(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of an uninterrupted run in this process, without checkpoints."""
    store = tmp_path_factory.mktemp("reference") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["harness", "run", suite, "--store", str(store), "--local", "--set", "checkpoint.seconds=60"]
        )
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    return store
