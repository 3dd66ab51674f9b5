"""The entries of a suite with their classes, presets and configurations found and checked."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.configuration import check, defaults, layered, restore
from harness.datasets import Dataset, DatasetError, Task
from harness.identity import canonical
from harness.mistakes import Route, suggestion
from harness.plan import DatasetChoice
from harness.protocols import Needs, Protocol
from harness.rosters import Rosters, unknown
from harness.suite import DatasetEntry, Suite
from harness.suite_file import Located
from methods import Method, Modality, Preset, Spec, TaskKind, Training

#: Takes note of a mistake at a place; resolving goes on with what is left.
Report = Callable[[Route, str], None]
#: The folder to which a path written at a place is relative.
FolderOf = Callable[[Route], Path]


@dataclass(frozen=True, kw_only=True)
class ResolvedMethod:
    """A row of the matrix."""

    route: Route
    label: str
    kind: type[Method]
    config: Any  #: an instance of `kind.Config`
    preset: Preset
    pretrain: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What an encoder is pretrained on, or judged on."""

    choice: DatasetChoice
    spec: Spec
    tasks: Mapping[str, Task]
    pretrain: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ResolvedDataset:
    """A column of the matrix."""

    route: Route
    label: str
    judged: Corpus
    pretrained: Corpus  #: the same, save with `pretrain_on`


@dataclass(frozen=True, kw_only=True)
class ResolvedProtocol:
    """One way to solve tasks."""

    name: str
    version: int
    kinds: frozenset[TaskKind]
    needs: Needs
    modalities: frozenset[Modality] | None
    needs_classes: bool
    config: Mapping[str, Any]

    @classmethod
    def of(cls, kind: type[Protocol], config: Any) -> ResolvedProtocol:
        """A protocol under an instance of its Config."""
        return cls(
            name=kind.name,
            version=kind.version,
            kinds=kind.kinds,
            needs=kind.needs,
            modalities=kind.modalities,
            needs_classes=kind.needs_classes,
            config=canonical(config),
        )

    def solves(self, task: Task, modality: Modality) -> bool:
        """Whether a task on examples of this modality is one for it."""
        answerable = bool(task.classes) or not self.needs_classes
        return task.kind in self.kinds and answerable and (self.modalities is None or modality in self.modalities)


def resolve_methods(entries: Sequence[Located], suite: Suite, rosters: Rosters, report: Report) -> list[ResolvedMethod]:
    """Methods with their presets and configurations: the Config's defaults, then the preset's, then the suite's."""
    _check_presets(entries, suite, report)
    kept = {*rosters.baselines, *(baseline.name for baseline in baselines(rosters))}
    labels: dict[str, Route] = {}
    found = []
    for route, entry in entries:
        if not _take(labels, entry.label, route, report):
            continue
        if entry.label in kept:
            report(route, f'the label "{entry.label}" is kept for a control; choose another with "as:"')
        kind = rosters.methods.get(entry.name)
        if kind is None:
            report((*route, "name"), unknown("method", entry.name, rosters.methods))
            continue
        name, place = _preset_name(route, entry, suite)
        preset = kind.presets.get(name)
        if preset is None:
            report(place, f"{entry.name} has no preset {name!r}; {suggestion(name, kind.presets)}")
        given = {} if preset is None else canonical(preset.config)
        config = _configured(kind.Config, given, entry.config, route, report)
        if config is not None and preset is not None:
            found.append(
                ResolvedMethod(
                    route=route,
                    label=entry.label,
                    kind=kind,
                    config=config,
                    preset=preset,
                    pretrain=entry.pretrain.said(),
                )
            )
    return found


def resolve_datasets(
    entries: Sequence[Located], rosters: Rosters, folder_of: FolderOf, report: Report
) -> list[ResolvedDataset]:
    """Datasets with their configurations, and what encoders for them are pretrained on."""
    labels: dict[str, Route] = {}
    corpora: dict[str, Corpus | None] = {}
    for route, entry in entries:
        _take(labels, entry.label, route, report)
        corpora.setdefault(
            entry.label, _corpus(route, entry.name, entry.config, entry.pretrain.said(), rosters, folder_of, report)
        )
    found = []
    for route, entry in entries:
        judged = corpora[entry.label]
        pretrained = judged if entry.pretrain_on is None else _other(route, entry, corpora, rosters, folder_of, report)
        if judged is not None and pretrained is not None and labels[entry.label] == route:
            found.append(ResolvedDataset(route=route, label=entry.label, judged=judged, pretrained=pretrained))
    return found


def resolve_protocols(entries: Sequence[Located], rosters: Rosters, report: Report) -> list[ResolvedProtocol]:
    """Protocols with their configurations."""
    names: dict[str, Route] = {}
    found = []
    for route, entry in entries:
        kind = rosters.protocols.get(entry.name)
        if kind is None:
            report((*route, "name"), unknown("protocol", entry.name, rosters.protocols))
            continue
        if names.setdefault(entry.name, route) != route:
            report(route, f'the protocol "{entry.name}" is listed twice; one configuration of it counts')
        config = _configured(kind.Config, {}, entry.config, route, report)
        if kind.needs == "input":
            report((*route, "name"), f'"{entry.name}" is a baseline, which comes unasked; leave it out')
        elif config is not None:
            found.append(ResolvedProtocol.of(kind, config))
    return found


def baselines(rosters: Rosters) -> list[ResolvedProtocol]:
    """What every board carries unasked, beside features without a learner: protocols that need no encoder, as they are
    by default."""
    return [ResolvedProtocol.of(kind, kind.Config()) for kind in rosters.protocols.values() if kind.needs == "input"]


def supervised(rosters: Rosters, training: Mapping[str, Any], share: float) -> list[ResolvedProtocol]:
    """What solves the supervised control at a share of the budget of a pretraining (resolved fields of
    `methods.Training`)."""
    whole: Training = restore(Training, training)
    budget = dataclasses.replace(
        whole,
        steps=None if whole.steps is None else math.ceil(whole.steps * share),
        epochs=None if whole.epochs is None else whole.epochs * share,
        warmup_steps=int(whole.warmup_steps * share),
    )
    offered = ((kind, kind.supervised(budget)) for kind in rosters.protocols.values())
    return [ResolvedProtocol.of(kind, config) for kind, config in offered if config is not None]


def resolve_training(method: ResolvedMethod, corpus: Corpus, suite: Suite, report: Report) -> Mapping[str, Any] | None:
    """The fields of `methods.Training`: the preset's, then the suite's `pretrain`, then the dataset's, then the
    method's. Of `steps` and `epochs` the later one replaces the other. `epochs` is not turned into steps here, since
    it counts per stage, and only a built method knows its stages."""
    merged: dict[str, Any] = {}
    preset = canonical(dataclasses.asdict(method.preset.training))
    for layer in (preset, suite.pretrain.said(), corpus.pretrain, method.pretrain):
        given = {key: value for key, value in layer.items() if value is not None}
        if given.keys() & {"steps", "epochs"}:
            merged.pop("steps", None)
            merged.pop("epochs", None)
        merged.update(given)
    where = f"training of {method.label} on {corpus.choice.name}"
    training, wrong = check(Training, merged)
    for complaint in wrong:
        report(method.route, f"{where}: {'.'.join(map(str, complaint.route))}: {complaint.message}")
    if training is None:
        return None
    if not merged.keys() & {"steps", "epochs"}:
        report(method.route, f"{where}: neither steps nor epochs is given; add pretrain: {{steps: ...}}")
        return None
    smallest = suite.resources.ranks * training.accumulate
    if training.batch_size < smallest:
        report(
            method.route,
            f"{where}: batch_size {training.batch_size} cannot be split over {suite.resources.ranks} ranks x "
            f"{training.accumulate} micro-batches; it takes at least {smallest}",
        )
    plain: Mapping[str, Any] = canonical(training)
    return plain


def _take(labels: dict[str, Route], label: str, route: Route, report: Report) -> bool:
    first = labels.setdefault(label, route)
    if first != route:
        report(route, f'the label "{label}" is taken by {first[0]}[{first[1]}]; give one of them another with "as:"')
    return first == route


def _check_presets(entries: Sequence[Located], suite: Suite, report: Report) -> None:
    known = {name for _, entry in entries for name in (entry.label, entry.name)}
    for key in suite.preset if isinstance(suite.preset, dict) else ():
        if key not in known:
            report(("preset", key), f"no method of this suite is named so; {suggestion(key, known)}")


def _preset_name(route: Route, entry: Any, suite: Suite) -> tuple[str, Route]:
    if entry.preset is not None:
        return entry.preset, (*route, "preset")
    if isinstance(suite.preset, str):
        return suite.preset, ("preset",)
    key = entry.label if entry.label in suite.preset else entry.name
    return suite.preset.get(key, "small"), ("preset", key)


def _configured(settings: type, preset: Mapping[str, Any], own: Mapping[str, Any], route: Route, report: Report) -> Any:
    config, wrong = check(settings, layered(defaults(settings), preset, own))
    for complaint in wrong:
        report((*route, "config", *complaint.route), complaint.message)
    return config


def _corpus(
    route: Route,
    name: str,
    config: Mapping[str, Any],
    pretrain: Mapping[str, Any],
    rosters: Rosters,
    folder_of: FolderOf,
    report: Report,
) -> Corpus | None:
    kind = rosters.datasets.get(name)
    if kind is None:
        report((*route, "name"), unknown("dataset", name, rosters.datasets))
        return None
    settings = _configured(kind.Config, {}, config, route, report)
    if settings is None:
        return None
    try:
        dataset = kind(_settled(settings, kind, route, folder_of))
        plain = canonical(dataset.config)
        choice = DatasetChoice(
            name=name,
            version=kind.version,
            config={key: value for key, value in plain.items() if key not in kind.locations},
            content=canonical(dataset.content()),
            location={key: value for key, value in plain.items() if key in kind.locations},
        )
        return Corpus(choice=choice, spec=dataset.spec, tasks=dataset.tasks, pretrain=pretrain)
    except (DatasetError, OSError, ValueError) as error:
        report(route, f"the dataset {name} cannot be used: {error}")
        return None


def _settled(settings: Any, kind: type[Dataset], route: Route, folder_of: FolderOf) -> Any:
    """Paths made absolute: workers have other working directories, and a suite means the files beside it."""
    absolute = {}
    for name in sorted(kind.locations):
        written = Path(getattr(settings, name)).expanduser()
        absolute[name] = os.path.abspath(folder_of((*route, "config", name)) / written)  # noqa: PTH100 - keeps links
    return dataclasses.replace(settings, **absolute) if absolute else settings


def _other(
    route: Route,
    entry: DatasetEntry,
    corpora: Mapping[str, Corpus | None],
    rosters: Rosters,
    folder_of: FolderOf,
    report: Report,
) -> Corpus | None:
    """The corpus of `pretrain_on`: that of another entry, trained on as it says there; or any dataset."""
    assert entry.pretrain_on is not None
    name, config = entry.pretrain_on.name, entry.pretrain_on.config
    place: Route = (*route, "pretrain_on")
    if entry.pretrain.said():
        report((*route, "pretrain"), f"training happens on {name} here; say this at the entry of {name}")
    if name in corpora and not config:
        return corpora[name]
    if name not in rosters.datasets:
        report((*place, "name"), unknown("dataset", name, {**rosters.datasets, **corpora}))
        return None
    return _corpus(place, name, config, {}, rosters, folder_of, report)
