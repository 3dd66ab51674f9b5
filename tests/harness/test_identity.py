"""Fingerprints: golden for version 1; and every setting of a suite has chosen whether it is part of them."""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.identity import IDENTITY_VERSION, canonical, canonical_text, fingerprint
from harness.plan import Cell, DatasetChoice, Evaluation, Initialisation, Plan, Pretraining
from harness.suite import Suite
from tests.harness.planning_toys import CONTROLLED, ROSTERS, Coder, planned, trained

DATASET = DatasetChoice(name="boxes", version=3, config={"size": 100}, content={"digest": "abc"})
START = Initialisation(
    method="coder", version=1, config={"width": 100, "corruption": {"level": 0.25}}, dataset=DATASET, seed=4
)
TRAINED = Pretraining(
    initialisation=START,
    training={"steps": 2000, "epochs": None, "learning_rate": 0.05, "betas": [0.9, 0.999]},
    compute={"engine": "torch", "precision": "fp32", "zero": 0, "deepspeed": {}},
)
EVALUATION = Evaluation(task="shape", protocol="linear", protocol_version=2, protocol_config={"points": 9})


def cell(encoder: Pretraining | Initialisation | None, control: Any = None) -> Cell:
    return Cell(
        label="any", dataset=DATASET, seed=4, control=control, encoder=encoder, evaluations=(EVALUATION,), ranks=2
    )


def test_golden_fingerprints_of_version_1() -> None:
    """If this fails, every record in every store is orphaned: restore the form, or bump IDENTITY_VERSION."""
    assert IDENTITY_VERSION == 1
    assert fingerprint("kind", {"b": [1.0, None, True], "a": "é"}) == "5af696ef0eb8d437"
    assert TRAINED.fingerprint == "0a91066357e7842f"
    assert cell(TRAINED).evaluation_fingerprint(EVALUATION) == "523746fdd75d6eb8"
    assert cell(START, "untrained").evaluation_fingerprint(EVALUATION) == "9aa11700656f6bd0"
    assert cell(None, "raw").evaluation_fingerprint(EVALUATION) == "8eafa16ea1242029"


class Shade(enum.Enum):
    DARK = "dark"


@dataclass(frozen=True)
class Thing:
    size: float
    parts: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Thing(2.0, (1, 2)), {"size": 2, "parts": [1, 2]}),
        ({"b": 1, "a": Shade.DARK}, {"a": "dark", "b": 1}),
        (frozenset({"b", "a", "c"}), ["a", "b", "c"]),
        (-0.0, 0),
        (1e300, 1e300),
        (0.1, 0.1),
        (True, True),
    ],
)
def test_one_form_per_meaning(value: Any, expected: Any) -> None:
    assert canonical(value) == expected
    assert type(canonical(value)) is type(expected)


def test_a_truth_value_is_not_a_number() -> None:
    assert fingerprint("k", True) != fingerprint("k", 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_numbers_that_are_not_finite_have_no_place(value: Any) -> None:
    with pytest.raises(ValueError, match="has no place in a fingerprint"):
        canonical(value)


@pytest.mark.parametrize("value", [object(), {"a": b"bytes"}, Thing])
def test_things_without_a_form_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="no canonical form"):
        canonical(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_the_form_survives_json_and_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    form = canonical(value)
    assert canonical(json.loads(json.dumps(form))) == form
    shuffled = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert fingerprint("k", shuffled) == fingerprint("k", value)


def test_the_texts_of_a_plan_are_the_canonical_texts_of_its_parts() -> None:
    """They are joined from the texts of shared parts for speed: a field that one forgets would not count."""
    for part in (DATASET, START, TRAINED, EVALUATION):
        assert part.text == canonical_text(part)
    assert TRAINED.fingerprint == fingerprint("pretraining", TRAINED)
    assert TRAINED.identity == canonical(TRAINED)
    for encoder in (TRAINED, START, None):
        judged = {"encoder": encoder, "dataset": DATASET, "seed": 4, "evaluation": EVALUATION}
        assert cell(encoder).evaluation_fingerprint(EVALUATION) == fingerprint("evaluation", judged)
        assert cell(encoder).evaluation_identity(EVALUATION) == canonical(judged)


def test_where_files_lie_counts_nowhere() -> None:
    moved = dataclasses.replace(DATASET, location={"path": "/elsewhere"})
    start = dataclasses.replace(START, dataset=moved)
    trained = dataclasses.replace(TRAINED, initialisation=start)
    assert (moved, start, trained) == (DATASET, START, TRAINED)
    assert trained.fingerprint == TRAINED.fingerprint
    assert "elsewhere" not in canonical_text(dataclasses.replace(cell(trained), dataset=moved))


@pytest.mark.parametrize("part", [DATASET, START, TRAINED, EVALUATION])
def test_every_field_of_a_part_counts(part: Any) -> None:
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if dataclasses.is_dataclass(value):
            continue  # a part of its own
        if (type(part).__name__, field.name) == ("DatasetChoice", "location"):
            continue  # where files lie, which says nothing of what is in them
        other = {**value, "new": 1} if isinstance(value, dict) else value + 1 if isinstance(value, int) else value + "x"
        assert dataclasses.replace(part, **{field.name: other}).text != part.text, field.name


# Which side each setting of a suite is on. A new setting fails test_every_setting_has_chosen_a_side until it is here.

BASE = """
methods: [coder, contrast]
datasets: [boxes, {name: blobs, pretrain_on: boxes}]
pretrain: {learning_rate: 0.02}
evaluate: {protocols: [linear, ridge]}
"""

#: setting -> (an option of `--set` that changes it, which fingerprints must change with it). Those are named by
#: "pretrain" (of trained cells), "trained", "untrained" and "raw" (evaluations of each).
EVERYTHING_BUT_RAW = {"pretrain", "trained", "untrained"}
TRAINING = {"pretrain", "trained"}
IDENTITY: dict[str, tuple[str, set[str]]] = {
    "preset": ("preset=paper", EVERYTHING_BUT_RAW),
    "seeds": ("seeds=[1]", EVERYTHING_BUT_RAW),
    "methods.name": ("methods.coder={name: contrast, as: coder, config: {layers: 2}}", EVERYTHING_BUT_RAW),
    "methods.preset": ("methods.coder.preset=paper", EVERYTHING_BUT_RAW),
    "methods.config": ("methods.coder.config.corruption.level=0.5", EVERYTHING_BUT_RAW),
    "datasets.name": ("datasets.boxes={name: tiles, as: boxes}", {*EVERYTHING_BUT_RAW, "raw"}),
    "datasets.config": ("datasets.boxes.config.size=9", {*EVERYTHING_BUT_RAW, "raw"}),
    "datasets.pretrain_on.name": ("datasets.blobs.pretrain_on=blobs", EVERYTHING_BUT_RAW),
    "datasets.pretrain_on.config": ("datasets.blobs.pretrain_on.config.size=9", EVERYTHING_BUT_RAW),
    "evaluate.protocols.name": ("evaluate.protocols=[ridge]", {"trained", "untrained", "raw"}),
    "evaluate.supervised": ("evaluate.supervised=0.5", set()),  # see test_the_budget_of_the_supervised_control
    "evaluate.protocols.config": ("evaluate.protocols.linear.config.points=3", {"trained", "untrained", "raw"}),
    "resources.engine": ("resources.engine=torch", TRAINING),
    "resources.zero": ("resources.zero=1", TRAINING),
    "resources.precision": ("resources.precision=bf16", TRAINING),
    "resources.deepspeed": ("resources.deepspeed={prescale_gradients: true}", TRAINING),
    "resources.ranks": ("resources.ranks=2", TRAINING),
}
for _group in ("pretrain", "methods.pretrain", "datasets.pretrain"):
    _holder = {"pretrain": "pretrain", "methods.pretrain": "methods.coder.pretrain"}.get(
        _group, "datasets.boxes.pretrain"
    )
    for _field, _value in {
        "steps": "11",
        "epochs": "2",
        "batch_size": "30",
        "optimizer": "adam",
        "learning_rate": "0.1",
        "momentum": "0.5",
        "betas": "[0.8, 0.9]",
        "epsilon": "0.001",
        "weight_decay": "0.1",
        "schedule": "cosine",
        "warmup_steps": "3",
        "clip_norm": "1",
        "accumulate": "2",
    }.items():
        IDENTITY[f"{_group}.{_field}"] = (f"{_holder}.{_field}={_value}", TRAINING)

#: setting -> an option of `--set` that changes it, and no fingerprint.
NOT_IDENTITY = {
    "name": "name=other",
    "methods.as": "methods.coder.as=mine",
    "datasets.as": "datasets.blobs.as=mine",
    "evaluate.tasks": "evaluate.tasks=[shape, hull]",
    "exclude.method": "exclude=[{method: contrast, dataset: boxes, reason: x}]",
    "exclude.dataset": "exclude=[{method: contrast, dataset: blobs, reason: x}]",
    "exclude.reason": "exclude=[{method: contrast, dataset: b*, reason: y}]",
    "resources.gpus_per_rank": "resources.gpus_per_rank=1",
    "resources.cpus_per_rank": "resources.cpus_per_rank=2",
    "retry.lost": "retry.lost=9",
    "retry.oom": "retry.oom=9",
    "retry.hung": "retry.hung=9",
    "retry.diverged": "retry.diverged=9",
    "retry.bad_data": "retry.bad_data=9",
    "deadline.pretrain": "deadline.pretrain=9",
    "deadline.evaluate": "deadline.evaluate=9",
    "checkpoint.seconds": "checkpoint.seconds=9",
    "wandb.mode": "wandb.mode=online",
    "wandb.project": "wandb.project=other",
}


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every setting of a suite: the fields of its models, down to those that hold no further model."""
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        inner = [part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        if inner:
            yield from leaves(inner[0], here)
        else:
            yield ".".join(here)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in typing.get_args(annotation):
        yield from _parts(argument)


def test_every_setting_has_chosen_a_side() -> None:
    assert not IDENTITY.keys() & NOT_IDENTITY.keys()
    assert set(leaves(Suite)) == IDENTITY.keys() | NOT_IDENTITY.keys()


def names(plan: Plan) -> dict[str, frozenset[str]]:
    """The fingerprints of a plan by what they are of."""
    found: dict[str, set[str]] = {"pretrain": set(), "trained": set(), "untrained": set(), "raw": set()}
    for item in plan.cells:
        if isinstance(item.encoder, Pretraining):
            found["pretrain"].add(item.encoder.fingerprint)
        found[item.control or "trained"].update(item.wanted)
    return {kind: frozenset(value) for kind, value in found.items()}


@pytest.mark.parametrize("setting", IDENTITY)
def test_settings_of_identity_change_the_right_fingerprints(tmp_path: Path, setting: str) -> None:
    change, touched = IDENTITY[setting]
    before, after = names(planned(tmp_path, BASE)), names(planned(tmp_path, BASE, sets=[change]))
    assert {kind for kind in before if before[kind] != after[kind]} == touched


def test_the_budget_of_the_supervised_control_is_its_identity_alone(tmp_path: Path) -> None:
    def cells(*sets: str) -> dict[str | None, list[list[str]]]:
        found: dict[str | None, list[list[str]]] = {}
        for item in planned(tmp_path, BASE, CONTROLLED, sets=sets).cells:
            found.setdefault(item.control, []).append(list(item.wanted))
        return found

    before, after = cells(), cells("evaluate.supervised=0.5")
    assert {control for control in before if before[control] != after[control]} == {"supervised"}


@pytest.mark.parametrize("setting", NOT_IDENTITY)
def test_other_settings_change_none(tmp_path: Path, setting: str) -> None:
    plan, base = planned(tmp_path, BASE, sets=[NOT_IDENTITY[setting]]), planned(tmp_path, BASE)
    before, after = names(base), names(plan)
    if setting.startswith("exclude") or setting == "evaluate.tasks":
        assert all(after[kind] <= before[kind] for kind in before), "some are left out, none is new"
    else:
        assert after == before
    assert plan != base, "the option does change something"


def test_a_change_to_one_method_leaves_the_others_alone(tmp_path: Path) -> None:
    def of(label: str, *sets: str) -> list[list[str]]:
        return [list(item.wanted) for item in planned(tmp_path, BASE, sets=sets).cells if item.label == label]

    assert of("contrast", "methods.coder.config.width=7") == of("contrast")
    assert of("coder", "methods.coder.config.width=7") != of("coder")


def test_the_number_of_ranks_counts_only_where_the_method_is_coupled(tmp_path: Path) -> None:
    def of(label: str, ranks: int) -> list[str]:
        cells = planned(tmp_path, BASE, sets=[f"resources.ranks={ranks}"]).cells
        return [trained(item).fingerprint for item in cells if item.label == label and item.control is None]

    assert of("coder", 1) == of("coder", 2)
    assert of("contrast", 1) != of("contrast", 2)


@pytest.mark.parametrize("touched", ["method", "dataset", "protocol"])
def test_versions_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touched: str) -> None:
    before = names(planned(tmp_path, BASE))
    kind: Any = {"method": Coder, "dataset": ROSTERS.datasets["boxes"], "protocol": ROSTERS.protocols["linear"]}[
        touched
    ]
    monkeypatch.setattr(kind, "version", 99)
    after = names(planned(tmp_path, BASE))
    changed = {name for name in before if before[name] != after[name]}
    expected = {
        "method": EVERYTHING_BUT_RAW,
        "dataset": {*EVERYTHING_BUT_RAW, "raw"},
        "protocol": {"trained", "untrained", "raw"},
    }
    assert changed == expected[touched]


def test_the_content_of_a_users_own_files_counts(tmp_path: Path) -> None:
    text = f"methods: [coder]\ndatasets: [{{name: boxes, config: {{folder: {tmp_path}}}}}]\n"
    (tmp_path / "digest").write_text("one")
    before = names(planned(tmp_path, text))
    (tmp_path / "digest").write_text("two")
    after = names(planned(tmp_path, text))
    assert all(not before[kind] & after[kind] for kind in before)
