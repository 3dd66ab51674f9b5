from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import failures, preview
from harness.doctor import Check
from tests.harness.command_line import harness

VERBS = ("run", "plan", "status", "logs", "leaderboard", "report", "list", "doctor", "wandb")


def test_help_names_every_verb_and_cuts_no_sentence() -> None:
    answer = harness("--help")
    assert answer.code == 0
    described = dict(line.split(maxsplit=1) for line in answer.out.partition("Commands:")[2].strip().splitlines())
    assert tuple(described) == VERBS
    assert not any(text.endswith("...") for text in described.values())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    answer = harness(verb, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"Usage: harness {verb}")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("leaderbord",), "Did you mean 'leaderboard'?"),
        (("run",), "SUITE"),
        (("run", "quick.yaml", "--frob"), "--frob"),
        (("run", "quick.yaml", "--slots", "0"), "--slots"),
        (("plan",), "--schema"),
        (("plan", "no-such-suite"), "no-such-suite"),
        (("list", "method"), 'did you mean "methods"?'),
        (("status", "--store", "{tmp}/nowhere"), "run a suite first"),
        (("logs", "a/b/0", "--store", "{tmp}/nowhere"), "run a suite first"),
        (("leaderboard", "--store", "{tmp}/nowhere"), "run a suite first"),
        (("leaderboard", "--format", "mardown"), 'did you mean "markdown"?'),
        (("leaderboard", "--format", "parquet"), "--output"),
        (("report", "--store", "{tmp}/nowhere"), "run a suite first"),
        (("wandb", "sync", "--store", "{tmp}/nowhere"), "run a suite first"),
    ],
)
def test_bad_usage_is_explained_on_standard_error_and_exits_with_2(
    words: tuple[str, ...], hint: str, tmp_path: Path
) -> None:
    answer = harness(*(word.replace("{tmp}", str(tmp_path)) for word in words))
    assert answer.code == 2
    assert hint in answer.err
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_of_a_suite_are_told_with_their_lines(tmp_path: Path) -> None:
    suite = tmp_path / "bad.yaml"
    suite.write_text("name: bad\nmethods: [sdea]\ndatsets: [digits]\nseeds: many\n")
    answer = harness("plan", str(suite))
    assert answer.code == 2
    for hint in ('did you mean "sdae"?', 'did you mean "datasets"?', f"{suite}:4: seeds"):
        assert hint in answer.err


def test_the_schema_and_the_plan_are_json() -> None:
    assert "methods" in json.loads(harness("plan", "--schema").out)["properties"]
    plan = json.loads(harness("plan", "quick.yaml", "--json", "--seeds", "7", "--only", "sdae/digits/*").out)
    assert [cell["seed"] for cell in plan["cells"]] == [7]


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 3)])
def test_the_doctor_exits_with_what_it_found(monkeypatch: pytest.MonkeyPatch, status: str, code: int) -> None:
    check = Check(name="disk", status=status, detail="found", remedy="do this")  # type: ignore[arg-type]
    monkeypatch.setattr("harness.doctor.preflight", lambda store, cache, connect: iter([check]))
    answer = harness("doctor")
    assert answer.code == code
    assert "do this" in answer.out


def test_an_error_of_ours_leaves_its_traceback_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(what: str | None) -> None:
        raise RuntimeError("wires crossed")

    monkeypatch.setattr(preview, "print_listing", broken)
    answer = harness("list")
    assert answer.code == 5
    assert "wires crossed" in answer.err
    assert "Traceback" not in answer.err
    log = Path(answer.err.split("the traceback is in ")[1].partition(";")[0])
    assert "RuntimeError: wires crossed" in log.read_text()
    log.unlink()


def test_an_interrupt_exits_with_130() -> None:
    with pytest.raises(SystemExit) as end, failures.explained():
        raise KeyboardInterrupt
    assert end.value.code == 130


@pytest.mark.parametrize(
    ("module", "absent"),
    [("harness.cli", {"torch", "ray", "polars", "rich", "pydantic"}), ("harness.verbs", {"torch", "ray", "deepspeed"})],
)
def test_verbs_that_only_read_start_without_the_heavy_packages(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*set({sorted(absent)!r}) & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
