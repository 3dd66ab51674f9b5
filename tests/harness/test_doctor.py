from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness import doctor
from harness.doctor import GIB, MIB, Check, Space


def test_an_old_python_fails() -> None:
    assert doctor.check_python((3, 10, 14)).status == "fail"
    assert doctor.check_python((3, 11, 0)).status == "ok"


@pytest.mark.parametrize(
    ("requirement", "status"),
    [("pytest>=1.0", "ok"), ("pytest", "ok"), ("pytest>=9999.1,<10000", "fail"), ("no-such-thing-here>=1", "fail")],
)
def test_packages_are_compared_by_version(requirement: str, status: str) -> None:
    check = doctor.check_package(requirement)
    assert check.status == status
    assert bool(check.remedy) == (status == "fail")


def test_versions_are_compared_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    assert doctor.check_package("torch>=2.9").status == "ok"
    assert doctor.check_package("torch>=2.13").status == "ok"
    assert doctor.check_package("torch>=2.13.1").status == "fail"


def test_requirements_are_read_from_the_distribution() -> None:
    assert {"iniconfig", "pluggy"} <= {check.name for check in doctor.check_packages("pytest")}
    (missing,) = doctor.check_packages("no-such-thing-here")
    assert missing.status == "warn"


def test_devices_are_named() -> None:
    check = doctor.check_devices()
    assert check.status in ("ok", "warn")
    assert check.detail


@pytest.mark.parametrize(
    ("available", "limit", "status"), [(8 * GIB, None, "ok"), (8 * GIB, GIB, "warn"), (GIB, 64 * GIB, "warn")]
)
def test_the_lesser_of_memory_and_limit_counts(available: int, limit: int | None, status: str) -> None:
    assert doctor.check_memory(available, limit).status == status


@pytest.mark.parametrize(("text", "limit"), [("1073741824\n", GIB), ("max\n", None), (None, None)])
def test_a_control_group_may_limit_memory(text: str | None, limit: int | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "memory.max").write_text(text)
    assert doctor.memory_limit(tmp_path) == limit


def test_one_core_is_a_warning() -> None:
    assert [doctor.check_cores(cores).status for cores in (1, 2)] == ["warn", "ok"]
    assert doctor.usable_cores() >= 1


@pytest.mark.parametrize(("free", "status"), [(50 * GIB, "ok"), (GIB, "warn"), (MIB, "fail")])
def test_disk_space(free: int, status: str) -> None:
    check = doctor.check_space("store", Path("runs"), lambda folder: Space(total=100 * GIB, free=free))
    assert (check.name, check.status) == ("store disk", status)


def test_space_is_read_where_the_folder_will_be(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    total = doctor._usage(tmp_path / "not" / "there" / "yet").total
    assert total == disk.f_frsize * disk.f_blocks


def test_writing_is_tried_and_leaves_nothing(tmp_path: Path) -> None:
    assert doctor.check_writable("store", tmp_path / "new" / "runs").status == "ok"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    refused = doctor.check_writable("store", tmp_path / "file")
    assert refused.status == "fail"
    assert refused.remedy


def test_a_long_temporary_folder_is_a_warning() -> None:
    assert doctor.check_temporary("/tmp").status == "ok"
    assert doctor.check_temporary("/" + "x" * 60).status == "warn"


def test_host_names() -> None:
    def unknown(name: str) -> str:
        raise OSError("Name or service not known")

    assert doctor.check_host("here", lambda name: "10.0.0.4").detail == "here is 10.0.0.4"
    assert doctor.check_host("here", unknown).status == "warn"
    loopback = doctor.check_host("here", lambda name: "127.0.1.1")
    assert loopback.status == "ok"
    assert "GLOO_SOCKET_IFNAME" in loopback.detail


def test_tools() -> None:
    assert doctor.check_compiler(None).status == "ok"
    assert doctor.check_git(None).status == "warn"
    assert doctor.check_git("/usr/bin/git").status == "ok"


def test_any_error_of_ray_is_a_finding() -> None:
    def broken() -> str:
        raise RuntimeError("no port is free")

    assert doctor.check_ray(lambda: "2 cores").detail == "2 cores"
    check = doctor.check_ray(broken)
    assert (check.status, check.detail) == ("fail", "RuntimeError: no port is free")
    assert "--local" in check.remedy


def test_preflight_of_this_machine_passes(tmp_path: Path) -> None:
    checks = list(doctor.preflight(tmp_path / "runs", tmp_path / "cache", lambda: "asked"))
    assert checks[-1] == Check(name="ray", status="ok", detail="asked")
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.remedy for check in checks if check.status != "ok")
    assert "fail" not in {check.status for check in checks if check.name in ("python", "store writable", "host name")}


def test_the_worst_check_decides() -> None:
    checks = [Check(name="", status=status, detail="") for status in ("ok", "fail", "warn")]  # type: ignore[arg-type]
    assert [doctor.worst(checks), doctor.worst(checks[:1]), doctor.worst([])] == ["fail", "ok", "ok"]
