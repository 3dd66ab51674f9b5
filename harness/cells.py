"""The cells of a matrix: each pair of method and dataset under each seed, and the controls that come unasked.

Seeds run outermost, so that a run which is stopped early leaves a whole board of the first seeds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.plan import RAW, SUPERVISED, UNTRAINED, Baseline, Cell, Encoder, Evaluation, Initialisation, Pretraining
from harness.resolution import ResolvedDataset, ResolvedMethod, ResolvedProtocol, baselines
from harness.rosters import Rosters
from harness.suite import Resources
from methods import TaskKind


class WithoutMethod(NamedTuple):
    """A row that comes once for each dataset.

    Attributes:
        name: of the baseline.
        encoder: its features; None for raw input, and for one that reads the input itself.
    """

    name: str
    encoder: Baseline | None
    asked: tuple[Evaluation, ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A method on a dataset: all that its cells of different seeds share.

    Attributes:
        asked: what the suite asks of an encoder with weights.
        without_method: the rows of the dataset alone.
        supervised: what is asked of the control of that name.
    """

    method: ResolvedMethod
    dataset: ResolvedDataset
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    compute: Mapping[str, Any]
    asked: tuple[Evaluation, ...]
    without_method: tuple[WithoutMethod, ...]
    supervised: tuple[Evaluation, ...]


def evaluations(
    dataset: ResolvedDataset,
    tasks: Sequence[str],
    protocols: Sequence[ResolvedProtocol],
    kinds: Collection[TaskKind] | None = None,
) -> tuple[Evaluation, ...]:
    """Every one of these tasks with every protocol that solves it; of these kinds only, if they are given."""
    judged = dataset.judged
    return tuple(
        Evaluation(
            task=name, protocol=protocol.name, protocol_version=protocol.version, protocol_config=protocol.config
        )
        for name in tasks
        for protocol in protocols
        if protocol.solves(judged.tasks[name], judged.spec.modality)
        and (kinds is None or judged.tasks[name].kind in kinds)
    )


def rows_without_method(
    dataset: ResolvedDataset, tasks: Sequence[str], protocols: Sequence[ResolvedProtocol], rosters: Rosters
) -> tuple[WithoutMethod, ...]:
    """Every baseline: its features under the protocols that the suite asks for, or its own way to solve tasks."""
    features = [protocol for protocol in protocols if protocol.needs == "features"]
    modality = dataset.judged.spec.modality
    found = []
    for name, kind in rosters.baselines.items():
        encoder = Baseline(baseline=name, version=kind.version) if name != RAW else None
        asked = evaluations(dataset, tasks, features, kind.kinds.get(modality, frozenset()))
        found.append(WithoutMethod(name, encoder, asked))
    own_ways = (WithoutMethod(one.name, None, evaluations(dataset, tasks, [one])) for one in baselines(rosters))
    return (*found, *own_ways)


def cells_of(pairs: Sequence[Pair], seeds: Sequence[int], resources: Resources) -> Iterator[Cell]:
    """All cells, in an order that is always the same. A cell that would evaluate nothing is left out.

    Every label of a method has its own controls and every label of a dataset its own raw input, since a board compares
    rows of its own labels; what is equal behind two of them has one fingerprint and is done once (`harness.todo`).
    """
    settled: set[str] = set()
    for seed in seeds:
        for pair in pairs:
            if pair.dataset.label not in settled:
                settled.add(pair.dataset.label)
                yield from filter(_asked, _without_method(pair, resources))
            yield from filter(_asked, _with_method(pair, seed, resources))


def _without_method(pair: Pair, resources: Resources) -> Iterator[Cell]:
    """Deterministic up to the protocol, so seed 0 stands for all."""
    for name, encoder, asked in pair.without_method:
        yield _cell(pair, name, 0, name, encoder, asked, resources)


def _with_method(pair: Pair, seed: int, resources: Resources) -> Iterator[Cell]:
    label = pair.method.label
    start = Initialisation(
        method=pair.method.kind.name,
        version=pair.method.kind.version,
        config=pair.config,
        dataset=pair.dataset.pretrained.choice,
        seed=seed,
    )
    trained = Pretraining(initialisation=start, training=pair.training, compute=pair.compute)
    yield _cell(pair, label, seed, None, trained, pair.asked, resources)
    yield _cell(pair, label, seed, UNTRAINED, start, pair.asked, resources)
    yield _cell(pair, label, seed, SUPERVISED, start, pair.supervised, resources)


def _cell(
    pair: Pair,
    label: str,
    seed: int,
    control: str | None,
    encoder: Encoder,
    asked: tuple[Evaluation, ...],
    resources: Resources,
) -> Cell:
    name = pair.dataset.judged.choice.name
    return Cell(
        label=label,
        dataset=pair.dataset.judged.choice,
        seed=seed,
        control=control,
        encoder=encoder,
        evaluations=asked,
        ranks=resources.ranks if control is None else 1,
        gpus_per_rank=resources.gpus_per_rank,
        cpus_per_rank=resources.cpus_per_rank,
        dataset_as=pair.dataset.label if pair.dataset.label != name else None,
    )


def _asked(cell: Cell) -> bool:
    return bool(cell.evaluations)
