"""One task solved with one protocol on one encoder: under each representation, in each fold, and scored.

Test labels are read here and nowhere else, after the protocol has made its choices.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import encoders, metrics, protocols, targets
from harness.configuration import restore
from harness.datasets import SplitName, Task
from harness.datasets.cache import Materialised, open_dataset
from harness.features import Encodings, Positions, Representation
from harness.folds import Fold, Part, folds_of
from harness.plan import Baseline, Cell, DatasetChoice, Evaluation, Pretraining
from harness.protocols import Protocol, Solution, View
from harness.report.overlays import propagation_panel
from methods import Keys, Panel, Source

Arrays = dict[str, NDArray[Any]]

#: Test videos whose propagated labels are drawn.
SHOWN_VIDEOS = 3


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation found.

    Attributes:
        result: JSON for the record.
        predictions: for each test example, by representation; of a cross-validated dataset all examples are tested;
            those that are rows lie end to end.
        outcomes: the metric of each test example alone, by representation: uint8 or float32 [N]; none where the
            metric is no mean over examples.
        panels: pictures of the first answers under the ranked representation, where they can be seen.
    """

    result: Mapping[str, Any]
    predictions: Arrays
    outcomes: Arrays
    panels: Sequence[Panel] = ()


#: The features of a set of examples of a split.
EncodingsOf = Callable[[SplitName, str], Encodings]


def evaluate(cell: Cell, evaluation: Evaluation, data: Materialised, encodings: EncodingsOf) -> Evaluated:
    """Solve and score one of a cell's evaluations."""
    began = time.perf_counter()
    task = data.tasks[evaluation.task]
    protocol_class = protocols.roster()[evaluation.protocol]
    protocol = protocol_class(restore(protocol_class.Config, evaluation.protocol_config))
    primary = encoders.primary(cell, task, data.spec)
    folds = folds_of(data, task.name)
    scores, selection, warnings = [], {}, []
    predictions, outcomes = Arrays(), Arrays()
    panels: Sequence[Panel] = ()
    tested = encodings(folds[0].test.split, task.examples)  # of train there may be none
    for representation in _representations(protocol_class, primary, tested, task):
        purpose = f"evaluate/{task.name}/{evaluation.protocol}/{representation}"
        solutions = [
            protocol.solve(_view(fold, representation, task, data, encodings), task, _keys(cell, purpose, number))
            for number, fold in enumerate(folds)
        ]
        answers, truth = _tested(solutions, folds, data, task)
        for name in (task.metric, *task.also):
            metric = metrics.METRICS[name]
            scores.append(
                {
                    "representation": representation,
                    "primary": representation == primary and name == task.metric,
                    "metric": name,
                    "value": float(metric.compute(answers, truth)),
                    "higher_is_better": metric.higher_is_better,
                    **({"note": metric.note} if metric.note else {}),
                }
            )
        selection[representation] = _selection(solutions)
        warnings += [f"{representation}{warning}" for warning in _warnings(solutions)]
        spans = task.kind == "span"  # their answers are texts, which metrics compare
        predictions[representation] = targets.stored(_predicted(solutions, folds) if spans else answers)
        of_each = metrics.METRICS[task.metric].outcomes
        if of_each is not None:
            outcomes[representation] = _stored(of_each(answers, truth))
        if representation == primary and task.kind in ("masks", "keypoints"):
            source = data.split(folds[0].test.split, task.examples).source
            panels = _followed(source, answers, truth, f"{task.name} by {evaluation.protocol}")
    result = {
        "task": task.name,
        "protocol": evaluation.protocol,
        "scores": scores,
        "chance": task.chance,
        "ceiling": task.ceiling,
        "test_size": sum(len(fold.test.ids) for fold in folds),
        "folds": data.folds,
        "transductive": _transductive(cell, data),
        "selection": selection,
        "warnings": warnings,
        "dataset_digest": data.digest,
        "cost": {"seconds": time.perf_counter() - began},
    }
    return Evaluated(result, predictions, outcomes, panels)


def _representations(protocol: type[Protocol], primary: str, encodings: Encodings, task: Task) -> Sequence[str]:
    """All that have what the task asks of; only the ranked one where each costs a training, or where none is looked
    at."""
    if protocol.needs != "features":
        return [primary]
    return encodings.names if task.whole else encodings.dense


def _view(fold: Fold, representation: str, task: Task, data: Materialised, encodings: EncodingsOf) -> View:
    train, val, test = (_encoded(part, representation, task, data, encodings) for part in fold)
    return View(
        encoder=encodings(fold.train.split, task.examples).encoder,
        representation=representation,
        train=train,
        val=val,
        test=test,
        train_targets=_labels(data, fold.train, task),
        val_targets=_labels(data, fold.val, task),
        test_given=targets.given(data.split(fold.test.split, task.examples), task, fold.test.ids),
    )


def _encoded(
    part: Part, representation: str, task: Task, data: Materialised, encodings: EncodingsOf
) -> Representation | Positions:
    found = encodings(part.split, task.examples)
    if task.kind != "position":
        return found.under(representation, part.ids)
    intervals = data.split(part.split, task.examples).intervals(task.name)
    return Positions(found, representation, part.ids, task.name, intervals)


def _keys(cell: Cell, purpose: str, fold: int) -> Keys:
    return Keys.of(cell.seed, f"{purpose}/{fold}" if fold else purpose)


def _labels(data: Materialised, part: Part, task: Task) -> Any:
    return targets.for_protocol(data.split(part.split, task.examples), task, part.ids)


def _tested(
    solutions: Sequence[Solution], folds: Sequence[Fold], data: Materialised, task: Task
) -> tuple[targets.Examples, targets.Examples]:
    """Answers and truth of all test examples; of several folds in the order of the examples."""
    answers, truth = [], []
    for solution, fold in zip(solutions, folds, strict=True):
        split = data.split(fold.test.split, task.examples)
        answers.append(targets.answers(solution.predictions, split, task, fold.test.ids))
        truth.append(targets.truth(split, task, fold.test.ids))
    ids = [fold.test.ids for fold in folds]
    return targets.in_order(answers, ids), targets.in_order(truth, ids)


def _predicted(solutions: Sequence[Solution], folds: Sequence[Fold]) -> targets.Examples:
    return targets.in_order([solution.predictions for solution in solutions], [fold.test.ids for fold in folds])


def _selection(solutions: Sequence[Solution]) -> Mapping[str, Any]:
    choices = [solution.selection for solution in solutions]
    return choices[0] if len(choices) == 1 else {"folds": choices}


def _warnings(solutions: Sequence[Solution]) -> list[str]:
    """Each text once; of several folds with how many of them it comes from."""
    if len(solutions) == 1:
        return [f": {text}" for text in solutions[0].warnings]
    counts: dict[str, int] = {}
    for solution in solutions:
        for text in dict.fromkeys(solution.warnings):
            counts[text] = counts.get(text, 0) + 1
    return [f" in {count} of {len(solutions)} folds: {text}" for text, count in counts.items()]


def _followed(source: Source, answers: targets.Examples, truth: targets.Examples, title: str) -> list[Panel]:
    """The first videos with what was followed in them, beside the truth."""
    frames = [source.columns["video"].row(index) for index in range(min(SHOWN_VIDEOS, len(source)))]
    return [
        propagation_panel(video, answers[index], truth[index], f"{title}, video {index}")
        for index, video in enumerate(frames)
    ]


def _stored(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values, np.uint8 if values.dtype == np.bool_ else np.float32)


def _transductive(cell: Cell, data: Materialised) -> bool:
    """Whether what encodes the tested examples was learned from them too, without their labels: so it is where a
    dataset without a split serves both, be it under two configurations; and where a dataset says so of its train
    split."""
    if isinstance(cell.encoder, Baseline):
        return bool(data.folds)
    if not isinstance(cell.encoder, Pretraining):
        return False
    seen, tested = cell.encoder.initialisation.dataset, cell.dataset
    if (seen.name, seen.version) != (tested.name, tested.version) or _files(seen) != _files(tested):
        return False
    return bool(data.folds) or data.transductive or (seen != tested and open_dataset(seen).transductive)


def _files(choice: DatasetChoice) -> Any:
    """What identifies the files behind a dataset, however they are divided."""
    return choice.content.get("sha256", choice.content)
