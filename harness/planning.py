"""From a checked suite to its plan: every cell with all that decides its numbers, or every mistake in the suite."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.cells import Pair, cells_of, evaluations, rows_without_method
from harness.identity import canonical
from harness.mistakes import Mistake, Place, Route, SuiteErrors, listing, suggestion
from harness.plan import Cell, Evaluation, NotApplicable, Plan
from harness.resolution import (
    Report,
    ResolvedDataset,
    ResolvedMethod,
    ResolvedProtocol,
    resolve_datasets,
    resolve_methods,
    resolve_protocols,
    resolve_training,
    supervised,
)
from harness.rosters import Rosters
from harness.suite import Suite
from harness.suite_file import Draft, read_draft
from methods import Spec
from suites import locate


def plan_suite(
    suite: str,
    *,
    sets: Sequence[str] = (),
    seeds: str | None = None,
    only: Sequence[str] = (),
    rosters: Rosters | None = None,
) -> Plan:
    """The plan of a suite file, or of a suite that is shipped with the package.

    Args:
        suite: a path; where there is no such file, the name of a shipped suite ("suites/quick.yaml", "quick").
        sets: values of `--set`, as "a.b=c".
        seeds: the value of `--seeds`, as "0,1,2" or "0-4".
        only: globs over cell ids ("sdae/*/0"), over label/dataset, or over labels; by default all cells.
        rosters: what suites can name; by default what is installed.

    Raises:
        SuiteErrors: everything that is wrong with the suite and the options.
    """
    rosters = rosters or Rosters.installed()
    path = locate(suite) or Path(suite)
    draft = read_draft(path, str(path), rosters, sets, seeds)
    return build_plan(draft, rosters, only)


def build_plan(draft: Draft, rosters: Rosters, only: Sequence[str] = ()) -> Plan:
    """The plan of a draft.

    Raises:
        SuiteErrors: the draft's mistakes, and those in its names and configurations.
    """
    mistakes = list(draft.mistakes)

    def report(route: Route, message: str) -> None:
        document = draft.document
        # "methods: [sdea]" stands for {name: sdea}: it is shown as it was written
        shown = document.written(route) if route[-1:] == ("name",) else route
        mistakes.append(document.mistake(shown, message))

    suite = draft.suite
    if suite is None:
        raise SuiteErrors(mistakes)
    methods = resolve_methods(draft.methods, suite, rosters, report)
    datasets = resolve_datasets(draft.datasets, rosters, draft.document.folder, report)
    protocols = resolve_protocols(draft.protocols, rosters, report)
    _check_settings(suite, report)
    _check_tasks(suite, datasets, report)
    _check_exclusions(suite, draft, report)
    pairs, refused = _matrix(suite, methods, datasets, protocols, rosters, report)
    if not pairs and not mistakes:
        why = "; ".join(f"{item.label} on {item.dataset}: {item.reason}" for item in refused[:3])
        report((), f"nothing to run: {why}")
    if mistakes:
        raise SuiteErrors(mistakes)
    return Plan(
        suite=suite.name,
        cells=_selected(tuple(cells_of(pairs, suite.seeds, suite.resources)), only),
        not_applicable=tuple(refused),
        settings=suite.model_dump(mode="json", include={"retry", "deadline", "checkpoint", "wandb"}),
    )


def _matrix(
    suite: Suite,
    methods: Sequence[ResolvedMethod],
    datasets: Sequence[ResolvedDataset],
    protocols: Sequence[ResolvedProtocol],
    rosters: Rosters,
    report: Report,
) -> tuple[list[Pair], list[NotApplicable]]:
    pairs: list[Pair] = []
    refused: list[NotApplicable] = []
    for dataset in datasets:
        tasks = _tasks(suite, dataset)
        without_method = rows_without_method(dataset, tasks, protocols, rosters)
        trained: dict[str, list[Any]] = {}
        for method in methods:
            kinds = method.kind.primary(method.config, dataset.judged.spec)
            asked = evaluations(dataset, tasks, protocols, kinds)
            reason = _refusal(suite, method, dataset, asked, protocols)
            if reason is not None:
                refused.append(NotApplicable(label=method.label, dataset=dataset.label, reason=reason))
                continue
            training = resolve_training(method, dataset.pretrained, suite, report)
            if training is None:
                continue
            config = canonical(method.config)
            compute = _compute(suite, method)
            everything = [method.kind.name, config, training, compute]
            same = [label for label, other in trained.items() if other == everything]
            if same:
                report(method.route, f'the same as "{same[0]}" in all that counts; change a setting or remove it')
            trained[method.label] = everything
            own_labels = supervised(rosters, training, suite.evaluate.supervised)
            pairs.append(
                Pair(
                    method=method,
                    dataset=dataset,
                    config=config,
                    training=training,
                    compute=compute,
                    asked=asked,
                    without_method=without_method,
                    supervised=evaluations(dataset, tasks, own_labels, kinds),
                )
            )
    _check_columns(datasets, report)
    return pairs, refused


def _refusal(
    suite: Suite,
    method: ResolvedMethod,
    dataset: ResolvedDataset,
    asked: Sequence[Evaluation],
    protocols: Sequence[ResolvedProtocol],
) -> str | None:
    """Why a pair is not in the matrix, or None."""
    for exclusion in suite.exclude:
        if fnmatchcase(method.label, exclusion.method) and fnmatchcase(dataset.label, exclusion.dataset):
            return f"excluded: {exclusion.reason}"
    judged, pretrained = dataset.judged.spec, dataset.pretrained.spec
    reason = method.kind.fits(method.config, pretrained) or method.kind.fits(method.config, judged)
    if reason is not None:
        return reason
    if _form(judged) != _form(pretrained):
        other = dataset.pretrained.choice.name
        return f"examples of {other} are {_form(pretrained)}, but those of {dataset.label} are {_form(judged)}"
    if not dataset.judged.tasks:
        return f"{dataset.label} has no labels: others may be pretrained on it"
    if not asked:
        names = listing(item.name for item in protocols)
        return f"no task of {dataset.label} can be solved with {names} on what {method.kind.name} gives"
    return None


def _tasks(suite: Suite, dataset: ResolvedDataset) -> tuple[str, ...]:
    """The tasks of a dataset that the suite asks for."""
    wanted = suite.evaluate.tasks
    return tuple(name for name in sorted(dataset.judged.tasks) if wanted is None or name in wanted)


def _form(spec: Spec) -> str:
    rate = f" at {spec.rate} Hz" if spec.rate else ""
    return f"{spec.modality} {list(spec.shape)}{rate}"


def _compute(suite: Suite, method: ResolvedMethod) -> dict[str, Any]:
    """The settings of `resources` that can change numbers."""
    resources = suite.resources
    compute: dict[str, Any] = {
        "engine": resources.engine,
        "precision": resources.precision,
        "zero": resources.zero,
        "deepspeed": canonical(resources.deepspeed),
    }
    if method.kind.coupling(method.config):
        compute["ranks"] = resources.ranks
    return compute


def _selected(cells: tuple[Cell, ...], only: Sequence[str]) -> tuple[Cell, ...]:
    if not only:
        return cells
    names = [(cell.id, f"{cell.label}/{cell.dataset_label}", cell.label) for cell in cells]
    unmatched = []
    for glob in only:
        if not any(fnmatchcase(name, glob) for forms in names for name in forms):
            known = {name for forms in names for name in forms}
            unmatched.append(Mistake(Place(f"--only {glob}"), (), f"matches no cell; {suggestion(glob, known)}"))
    if unmatched:
        raise SuiteErrors(unmatched)
    return tuple(
        cell
        for cell, forms in zip(cells, names, strict=True)
        if any(fnmatchcase(name, glob) for name in forms for glob in only)
    )


def _check_settings(suite: Suite, report: Report) -> None:
    resources = suite.resources
    if resources.engine == "torch" and resources.zero:
        report(("resources", "zero"), "ZeRO is DeepSpeed's; take zero: 0 or engine: deepspeed")
    if resources.engine == "torch" and resources.deepspeed:
        report(("resources", "deepspeed"), "these options need engine: deepspeed")
    for position, seed in enumerate(suite.seeds):
        if seed in suite.seeds[:position]:
            report(("seeds", position), f"seed {seed} is listed twice")


def _check_tasks(suite: Suite, datasets: Sequence[ResolvedDataset], report: Report) -> None:
    known = {name for dataset in datasets for name in dataset.judged.tasks}
    for position, task in enumerate(suite.evaluate.tasks or ()):
        if known and task not in known:
            report(("evaluate", "tasks", position), f"no dataset here has a task {task!r}; {suggestion(task, known)}")


def _check_exclusions(suite: Suite, draft: Draft, report: Report) -> None:
    for position, exclusion in enumerate(suite.exclude):
        for side, glob, entries in (
            ("method", exclusion.method, draft.methods),
            ("dataset", exclusion.dataset, draft.datasets),
        ):
            labels = [entry.label for _, entry in entries]
            if not any(fnmatchcase(label, glob) for label in labels):
                report(
                    ("exclude", position, side),
                    f"no {side} of this suite is named {glob!r}; {suggestion(glob, labels)}",
                )


def _check_columns(datasets: Sequence[ResolvedDataset], report: Report) -> None:
    for position, dataset in enumerate(datasets):
        for other in datasets[:position]:
            if (dataset.judged.choice, dataset.pretrained) == (other.judged.choice, other.pretrained):
                report(dataset.route, f'the same as "{other.label}" in all that counts; change a setting or remove it')
