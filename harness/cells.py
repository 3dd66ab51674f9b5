"""The cells of a matrix: each pair of method and dataset under each seed, and the controls that come unasked.

Seeds run outermost, so that a run which is stopped early leaves a whole board of the first seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.plan import RAW, SUPERVISED, UNTRAINED, Cell, Evaluation, Initialisation, Pretraining
from harness.resolution import ResolvedDataset, ResolvedMethod, ResolvedProtocol
from harness.suite import Resources


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A method on a dataset: all that its cells of different seeds share.

    Attributes:
        asked: what the suite asks of an encoder with weights.
        of_input: what it asks of raw input; and what each baseline, by name, solves instead.
        supervised: what is asked of the control of that name.
    """

    method: ResolvedMethod
    dataset: ResolvedDataset
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    compute: Mapping[str, Any]
    asked: tuple[Evaluation, ...]
    of_input: Mapping[str, tuple[Evaluation, ...]]
    supervised: tuple[Evaluation, ...]


def evaluations(
    dataset: ResolvedDataset, tasks: Sequence[str], protocols: Sequence[ResolvedProtocol]
) -> tuple[Evaluation, ...]:
    """Every one of these tasks with every protocol that solves its kind."""
    return tuple(
        Evaluation(
            task=name, protocol=protocol.name, protocol_version=protocol.version, protocol_config=protocol.config
        )
        for name in tasks
        for protocol in protocols
        if dataset.judged.tasks[name].kind in protocol.kinds
    )


def evaluations_of_input(
    dataset: ResolvedDataset,
    tasks: Sequence[str],
    protocols: Sequence[ResolvedProtocol],
    baselines: Sequence[ResolvedProtocol],
) -> dict[str, tuple[Evaluation, ...]]:
    """What is asked of raw input, and of each baseline by name."""
    features = [protocol for protocol in protocols if protocol.needs == "features"]
    return {
        RAW: evaluations(dataset, tasks, features),
        **{baseline.name: evaluations(dataset, tasks, [baseline]) for baseline in baselines},
    }


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
    for name, asked in pair.of_input.items():
        yield _cell(pair, name, 0, name, None, asked, resources)


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
    encoder: Pretraining | Initialisation | None,
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
