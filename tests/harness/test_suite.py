"""Every kind of mistake in a suite, with its exact words and its line."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.job import Failure
from harness.mistakes import SuiteErrors
from harness.plan import Cell
from harness.planning import plan_suite
from harness.suite import Retry, TrainingOverrides
from methods import Training
from tests.harness.planning_toys import ROSTERS, planned, trained

GOOD = "methods: [coder]\ndatasets: [boxes]\n"


def mistakes(tmp_path: Path, text: str, **options: typing.Any) -> list[str]:
    with pytest.raises(SuiteErrors) as caught:
        planned(tmp_path, text, **options)
    return [line.replace(f"{tmp_path}/", "") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deadlin: 3", 'deadlin: unknown key; did you mean "deadline"?'),
        ("name: a/b", "name: may hold letters, digits, _, + and -, and starts with a letter or digit; got 'a/b'"),
        ("name: 3", "name: expected text, got 3"),
        ("preset: smal", "preset: coder has no preset 'smal'; did you mean \"small\"?"),
        ("preset: [a]", "preset: expected the name of a preset, or a mapping from method to preset, got a list"),
        ("preset: {codr: paper}", 'preset.codr: no method of this suite is named so; did you mean "coder"?'),
        ("preset: {coder: papr}", "preset.coder: coder has no preset 'papr'; did you mean \"paper\"?"),
        ("seeds: five", "seeds: expected a number of seeds, or a list of seeds, got 'five'"),
        ("seeds: 0", "seeds: expected a number of seeds, or a list of seeds, got 0"),
        ("seeds: true", "seeds: expected a number of seeds, or a list of seeds, got true"),
        ("seeds: 1000000000", "seeds: expected a number of seeds, or a list of seeds, got 1000000000"),
        ("seeds: []", "seeds: must not be empty"),
        ("seeds: [1, -2]", "seeds[1]: must be at least 0, got -2"),
        ("seeds: [1, one]", "seeds[1]: expected a whole number, got 'one'"),
        ("seeds: [1, 2, 1]", "seeds[2]: seed 1 is listed twice"),
        ("pretrain: {steps: five}", "pretrain.steps: expected a whole number, got 'five'"),
        ("pretrain: {steps: 1.5}", "pretrain.steps: expected a whole number, got 1.5"),
        ("pretrain: {steps: '5'}", "pretrain.steps: expected a whole number, got '5'"),
        ("pretrain: {steps: 0}", "pretrain.steps: must be at least 1, got 0"),
        ("pretrain: {epochs: 0}", "pretrain.epochs: must be greater than 0, got 0"),
        ("pretrain: {momentum: 1}", "pretrain.momentum: must be less than 1, got 1"),
        ("pretrain: {batchsize: 5}", 'pretrain.batchsize: unknown key; did you mean "batch_size"?'),
        ("pretrain: {betas: [0.9]}", 'pretrain.betas: "1" is missing'),
        ("pretrain: {steps: 1, epochs: 1}", "pretrain: steps and epochs contradict each other; give one of them"),
        (
            "pretrain: {optimizer: adma}",
            "pretrain.optimizer: expected 'sgd', 'adam' or 'adamw', got 'adma'; did you mean \"adam\"?",
        ),
        ("evaluate: {protocols: linear}", "evaluate.protocols: expected a list of protocols, or \"all\", got 'linear'"),
        ("evaluate: {protocols: [linar]}", "evaluate.protocols[0]: unknown protocol 'linar'; did you mean \"linear\"?"),
        ("evaluate: {protocols: []}", "evaluate.protocols: must not be empty"),
        (
            "evaluate: {protocols: [{name: linear, config: {pints: 3}}]}",
            'evaluate.protocols[0].config.pints: unknown key; did you mean "points"?',
        ),
        (
            "evaluate: {protocols: [linear, linear]}",
            'evaluate.protocols[1]: the protocol "linear" is listed twice; one configuration of it counts',
        ),
        ("evaluate: {tasks: [shap]}", "evaluate.tasks[0]: no dataset here has a task 'shap'; did you mean \"shape\"?"),
        ("exclude: [{method: coder, dataset: boxes}]", 'exclude[0]: "reason" is missing'),
        ("exclude: [{method: coder, dataset: boxes, reason: ''}]", "exclude[0].reason: must not be empty"),
        (
            "exclude: [{method: codr, dataset: boxes, reason: why}]",
            "exclude[0].method: no method of this suite is named 'codr'; did you mean \"coder\"?",
        ),
        ("resources: {ranks: 0}", "resources.ranks: must be at least 1, got 0"),
        ("resources: {gpus_per_rank: many}", "resources.gpus_per_rank: expected a number, got 'many'"),
        ("resources: {zero: 4}", "resources.zero: expected 0, 1, 2 or 3, got 4"),
        (
            "resources: {precision: fp23}",
            "resources.precision: expected 'fp32', 'bf16' or 'fp16', got 'fp23'; did you mean \"fp32\"?",
        ),
        (
            "resources: {engine: torch, zero: 1}",
            "resources.zero: ZeRO is DeepSpeed's; take zero: 0 or engine: deepspeed",
        ),
        ("resources: {engine: torch, deepspeed: {a: 1}}", "resources.deepspeed: these options need engine: deepspeed"),
        (
            "resources: {ranks: 32}",
            "methods[0]: training of coder on boxes: batch_size 20 cannot be split over 32 ranks x 1 micro-batches; "
            "it takes at least 32",
        ),
        ("retry: {code: 1}", "retry.code: unknown key; there is bad_data, diverged, hung, lost, oom"),
        ("retry: {lost: -1}", "retry.lost: must be at least 0, got -1"),
        ("deadline: {pretrain: 0}", "deadline.pretrain: must be greater than 0, got 0"),
        ("checkpoint: 60", "checkpoint: expected a mapping, got 60"),
        ("wandb: {mode: offlin}", None),
    ],
)
def test_a_mistake_in_a_section(tmp_path: Path, line: str, expected: str | None) -> None:
    expected = expected or (
        "wandb.mode: expected 'offline', 'online' or 'disabled', got 'offlin'; did you mean \"offline\"?"
    )
    place = 1 if expected.startswith("methods") else 3
    assert mistakes(tmp_path, GOOD + line) == [f"s.yaml:{place}: {expected}"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("codr", "methods[1]: unknown method 'codr'; did you mean \"coder\"?"),
        ("zzz", "methods[1]: unknown method 'zzz'; there is coder, contrast"),
        ("{name: codr}", "methods[1].name: unknown method 'codr'; did you mean \"coder\"?"),
        ("{as: x}", 'methods[1]: "name" is missing'),
        ("3", "methods[1]: expected a mapping, got 3"),
        ("coder", 'methods[1]: the label "coder" is taken by methods[0]; give one of them another with "as:"'),
        (
            "{name: coder, as: twin}",
            'methods[1]: the same as "coder" in all that counts; change a setting or remove it',
        ),
        ("{name: contrast, as: raw}", 'methods[1]: the label "raw" is kept for a control; choose another with "as:"'),
        ("{name: contrast, as: a.b}", "methods[1].as: may hold letters, digits, _, + and -, and starts with a letter "),
        ("{name: contrast, cofig: {}}", 'methods[1].cofig: unknown key; did you mean "config"?'),
        ("{name: contrast, preset: big}", "methods[1].preset: contrast has no preset 'big'; there is paper, small"),
        ("{name: contrast, config: 3}", "methods[1].config: expected a mapping, got 3"),
        ("{name: contrast, config: {widht: 3}}", 'methods[1].config.widht: unknown key; did you mean "width"?'),
        ("{name: contrast, config: {width: 3.5}}", "methods[1].config.width: expected a whole number, got 3.5"),
        ("{name: contrast, config: {width: true}}", "methods[1].config.width: expected a whole number, got true"),
        ("{name: contrast, config: {sizes: 3}}", "methods[1].config.sizes: expected a list, got 3"),
        ("{name: contrast, config: {sizes: [3, x]}}", "methods[1].config.sizes[1]: expected a whole number, got 'x'"),
        ("{name: contrast, config: {layers: 0}}", "methods[1].config: at least one layer is needed, got 0"),
        ("{name: contrast, config: {corruption: 3}}", "methods[1].config.corruption: expected a mapping, got 3"),
        (
            "{name: contrast, config: {corruption: {levle: 3}}}",
            'methods[1].config.corruption.levle: unknown key; did you mean "level"?',
        ),
        (
            "{name: contrast, config: {corruption: {exact: 1}}}",
            "methods[1].config.corruption.exact: expected true or false, got 1",
        ),
        (
            "{name: contrast, config: {corruption: {kind: maskin}}}",
            "methods[1].config.corruption.kind: expected 'masking' or 'gaussian', got 'maskin'; did you mean ",
        ),
        (
            "{name: contrast, pretrain: {lr: 3}}",
            "methods[1].pretrain.lr: unknown key; there is accumulate, batch_size,",
        ),
    ],
)
def test_a_mistake_in_a_method(tmp_path: Path, entry: str, expected: str) -> None:
    found = mistakes(tmp_path, f"datasets: [boxes]\nmethods:\n  - coder\n  - {entry}\n")
    assert len(found) == 1
    assert found[0].startswith(f"s.yaml:4: {expected}")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("boxs", "datasets[1]: unknown dataset 'boxs'; did you mean \"boxes\"?"),
        ("boxes", 'datasets[1]: the label "boxes" is taken by datasets[0]; give one of them another with "as:"'),
        ("{name: boxes, as: b2}", 'datasets[1]: the same as "boxes" in all that counts; change a setting or remove it'),
        ("{name: blobs, config: {size: ten}}", "datasets[1].config.size: expected a whole number, got 'ten'"),
        (
            "{name: blobs, pretrain_on: blub}",
            "datasets[1].pretrain_on: unknown dataset 'blub'; did you mean \"blobs\"?",
        ),
        ("{name: blobs, pretrain_on: {nam: x}}", None),
        (
            "{name: blobs, pretrain_on: {name: tiles, config: {sise: 1}}}",
            'datasets[1].pretrain_on.config.sise: unknown key; did you mean "size"?',
        ),
        (
            "{name: blobs, pretrain_on: boxes, pretrain: {steps: 3}}",
            "datasets[1].pretrain: training happens on boxes here; say this at the entry of boxes",
        ),
    ],
)
def test_a_mistake_in_a_dataset(tmp_path: Path, entry: str, expected: str | None) -> None:
    found = mistakes(tmp_path, f"methods: [coder]\ndatasets:\n  - boxes\n  - {entry}\n")
    if expected is None:
        assert found == [
            's.yaml:4: datasets[1].pretrain_on: "name" is missing',
            's.yaml:4: datasets[1].pretrain_on.nam: unknown key; did you mean "name"?',
        ]
    else:
        assert found == [f"s.yaml:4: {expected}"]


def test_a_dataset_that_cannot_read_its_files(tmp_path: Path) -> None:
    text = f"methods: [coder]\ndatasets: [{{name: boxes, config: {{folder: {tmp_path}/none}}}}]\n"
    (found,) = mistakes(tmp_path, text)
    assert found.startswith("s.yaml:2: datasets[0]: the dataset boxes cannot be used: [Errno 2] No such file")


def test_known_by_another_name(tmp_path: Path) -> None:
    hint = mistakes(tmp_path, "methods: [context_encoder]\ndatasets: [boxes]")
    assert hint == ["s.yaml:1: methods[0]: unknown method 'context_encoder'; there is coder, contrast"]
    coder = ROSTERS.methods["coder"]
    later = dataclasses.replace(ROSTERS, methods={"coder": coder, "context_prediction": coder})
    (found,) = mistakes(tmp_path, "methods: [context_encoder]\ndatasets: [boxes]", rosters=later)
    assert found.endswith("unknown method 'context_encoder'; did you mean \"context_prediction\"?")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", "s.yaml:1: expected a mapping with the keys of a suite, got a list"),
        ("just text", "s.yaml:1: expected a mapping with the keys of a suite, got 'just text'"),
        ("methods: [coder]", 's.yaml:1: "datasets" is missing'),
        ("methods: coder\ndatasets: all", "s.yaml:1: methods: expected a list of methods, or \"all\", got 'coder'"),
        ("methods: [coder]\ndatasets: []", "s.yaml:2: datasets: must not be empty"),
        ("methods: [coder]\ndatasets:", 's.yaml:2: datasets: expected a list of datasets, or "all", got nothing'),
        (
            "methods: [coder]\ndatasets: [words]",
            "s.yaml:1: nothing to run: coder on words: learns from images, not from text",
        ),
    ],
)
def test_a_mistake_in_the_whole(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text) == [expected]


def test_all_mistakes_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = """\
methods:
  - codr
  - {name: coder, preset: smal, config: {corruption: {levle: 1, level: five}}}
  - {name: contrast, cofig: 3, config: {widht: 3}, pretrain: {steps: many}}
  - 7
datasets: [boxs, {name: blobs, config: {size: ten}}]
seeds: five
pretrain: {steps: five}
evaluate: {protocols: [linar], tasks: hull}
exclude: [{method: coder, dataset: blobs}]
resources: {ranks: two}
"""
    assert mistakes(tmp_path, text) == [
        "s.yaml:2: methods[0]: unknown method 'codr'; did you mean \"coder\"?",
        "s.yaml:3: methods[1].preset: coder has no preset 'smal'; did you mean \"small\"?",
        's.yaml:3: methods[1].config.corruption.levle: unknown key; did you mean "level"?',
        "s.yaml:3: methods[1].config.corruption.level: expected a number, got 'five'",
        's.yaml:4: methods[2].cofig: unknown key; did you mean "config"?',
        's.yaml:4: methods[2].config.widht: unknown key; did you mean "width"?',
        "s.yaml:4: methods[2].pretrain.steps: expected a whole number, got 'many'",
        "s.yaml:5: methods[3]: expected a mapping, got 7",
        "s.yaml:6: datasets[0]: unknown dataset 'boxs'; did you mean \"boxes\"?",
        "s.yaml:6: datasets[1].config.size: expected a whole number, got 'ten'",
        "s.yaml:7: seeds: expected a number of seeds, or a list of seeds, got 'five'",
        "s.yaml:8: pretrain.steps: expected a whole number, got 'five'",
        "s.yaml:9: evaluate.protocols[0]: unknown protocol 'linar'; did you mean \"linear\"?",
        "s.yaml:9: evaluate.tasks: expected a list, got 'hull'",
        's.yaml:10: exclude[0]: "reason" is missing',
        "s.yaml:11: resources.ranks: expected a whole number, got 'two'",
    ]


def test_set_reaches_every_value_by_name_label_or_index(tmp_path: Path) -> None:
    text = "methods: [coder, {name: coder, as: sae, config: {corruption: {level: 0.0}}}]\ndatasets: [boxes]\n"
    sets = [
        "methods.sae.config.corruption.level=0.1",
        "methods.0.config.width=7",
        "datasets.boxes.config.size=9",
        "pretrain.steps=5",
        "seeds=2",
        "name=mine",
        "resources={zero: 1}",
    ]
    plan = planned(tmp_path, text, sets=sets)
    cells = {cell.id: cell for cell in plan.cells}
    coder, sae = trained(cells["coder/boxes/1"]), trained(cells["sae/boxes/1"])
    assert coder.initialisation.config["width"] == 7
    assert sae.initialisation.config["corruption"]["level"] == 0.1
    assert sae.initialisation.config["width"] == 100, "only its own entry is touched"
    assert coder.training["steps"] == 5
    assert coder.compute["zero"] == 1
    assert cells["coder/boxes/1"].dataset.config["size"] == 9
    assert plan.suite == "mine"


def test_set_reaches_into_all(tmp_path: Path) -> None:
    plan = planned(tmp_path, "methods: all\ndatasets: [boxes]\n", sets=["methods.contrast.config.width=7"])
    widths = {cell.label: trained(cell).initialisation.config["width"] for cell in plan.cells if cell.control is None}
    assert widths == {"coder": 100, "contrast": 7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("methods.coder.config.widht=1", 'methods[0].config.widht: unknown key; did you mean "width"?'),
        ("methods.codr.config.width=1", "methods: no entry 'codr'; did you mean \"coder\"?"),
        ("methods.3.config.width=1", "methods: there are 1 entries only"),
        ("methods.coder.name.x=1", "methods[0].name: 'coder' has no parts, so 'x' cannot be set in it"),
        ("pretrain.steps=many", "pretrain.steps: expected a whole number, got 'many'"),
        (
            "pretrain.steps=[",
            "broken YAML: while parsing a flow node expected the node content, but found '<stream end>'",
        ),
        ("seeds.x=1", "seeds: expected a number of seeds, or a list of seeds, got a mapping"),
        ("pretrain.steps", "expected a.b=value, as in pretrain.steps=100"),
        ("=1", "expected a.b=value, as in pretrain.steps=100"),
        ("a..b=1", "expected a.b=value, as in pretrain.steps=100"),
    ],
)
def test_a_mistake_in_set_names_the_option(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, GOOD, sets=[text]) == [f"--set {text}: {expected}"]


@pytest.mark.parametrize(
    ("text", "expected"), [("0,1,2", [0, 1, 2]), ("0-4", [0, 1, 2, 3, 4]), ("7", [7]), ("0-1, 5", [0, 1, 5])]
)
def test_seeds_of_the_command_line_replace_those_of_the_suite(tmp_path: Path, text: str, expected: list[int]) -> None:
    plan = planned(tmp_path, GOOD + "seeds: [9]", seeds=text)
    assert [cell.seed for cell in plan.cells if cell.control is None] == expected


@pytest.mark.parametrize("text", ["", "a", "4-0", "1,", "-1", "0-99999999", "1.5"])
def test_seeds_that_make_no_sense(tmp_path: Path, text: str) -> None:
    expected = [f"--seeds {text}: expected seeds such as 0,1,2 or 0-4, got {text!r}"]
    assert mistakes(tmp_path, GOOD, seeds=text) == expected


def test_seeds_listed_twice_on_the_command_line(tmp_path: Path) -> None:
    assert mistakes(tmp_path, GOOD, seeds="0-2,1") == ["--seeds 0-2,1: seeds[3]: seed 1 is listed twice"]


def test_training_overrides_are_the_fields_of_training() -> None:
    ours = typing.get_type_hints(TrainingOverrides)
    theirs = typing.get_type_hints(Training)
    assert TrainingOverrides.model_fields.keys() == {field.name for field in dataclasses.fields(Training)}
    for name in ("optimizer", "schedule"):
        assert typing.get_args(ours[name])[0] == theirs[name], "the same choices"


def test_every_failure_but_a_bug_can_be_tried_again() -> None:
    assert Retry.model_fields.keys() == {failure.value for failure in Failure} - {"code"}


_KEYS = st.sampled_from(
    ["methods", "datasets", "name", "as", "config", "seeds", "pretrain", "evaluate", "exclude", "x"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["all", "coder", "boxes", "linear", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


def _yaml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, float):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
    return {None: "null", True: "true", False: "false"}.get(value, str(value)) if value != 1 else "1"  # type: ignore[call-overload]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["methods", "datasets", "seeds", "pretrain", "evaluate", "exclude"]), _VALUES))
def test_any_yaml_gives_a_plan_or_suite_errors(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(_yaml(value))
    try:
        cells: tuple[Cell, ...] = plan_suite(str(path), rosters=ROSTERS).cells
        told = None
    except SuiteErrors as errors:
        cells, told = (), str(errors)
    assert (told is None) == bool(cells)
    assert told is None or told.startswith(str(path))
