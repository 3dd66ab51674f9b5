"""One task solved with one protocol on one encoder: under each representation, in each fold, and scored.

Test labels are read here and nowhere else, after the protocol has made its choices.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness import encoders, metrics, protocols
from harness.configuration import restore
from harness.datasets import SplitName, Task
from harness.datasets.cache import Materialised
from harness.features import Encodings
from harness.folds import Fold, Part, folds_of
from harness.plan import Cell, Evaluation, Pretraining
from harness.protocols import Protocol, Solution, View
from methods import Keys

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation found.

    Attributes:
        result: JSON for the record.
        predictions: for each test example, by representation; of a cross-validated dataset all examples are tested.
        outcomes: the metric of each test example alone, by representation: uint8 or float32 [N]; none where the
            metric is no mean over examples.
    """

    result: Mapping[str, Any]
    predictions: Arrays
    outcomes: Arrays


def evaluate(
    cell: Cell, evaluation: Evaluation, data: Materialised, encodings: Mapping[SplitName, Encodings]
) -> Evaluated:
    """Solve and score one of a cell's evaluations."""
    began = time.perf_counter()
    task = data.tasks[evaluation.task]
    protocol_class = protocols.roster()[evaluation.protocol]
    protocol = protocol_class(restore(protocol_class.Config, evaluation.protocol_config))
    metric = metrics.METRICS[task.metric]
    primary = encoders.primary(cell, task)
    folds = folds_of(data, task.name)
    scores, selection, warnings = [], {}, []
    predictions, outcomes = Arrays(), Arrays()
    for representation in _representations(protocol_class, primary, encodings):
        purpose = f"evaluate/{task.name}/{evaluation.protocol}/{representation}"
        solutions = [
            protocol.solve(_view(fold, representation, task, data, encodings), task, _keys(cell, purpose, number))
            for number, fold in enumerate(folds)
        ]
        predicted, targets = _tested(solutions, folds, data, task)
        scores.append(
            {
                "representation": representation,
                "primary": representation == primary,
                "metric": metric.name,
                "value": float(metric.compute(predicted, targets)),
                "higher_is_better": metric.higher_is_better,
            }
        )
        selection[representation] = _selection(solutions)
        warnings += [f"{representation}{warning}" for warning in _warnings(solutions)]
        predictions[representation] = predicted
        if metric.outcomes is not None:
            outcomes[representation] = _stored(metric.outcomes(predicted, targets))
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
    return Evaluated(result, predictions, outcomes)


def _representations(protocol: type[Protocol], primary: str, encodings: Mapping[SplitName, Encodings]) -> Sequence[str]:
    """All there are; only the ranked one where each costs a training, or where none is looked at."""
    return list(encodings["train"].pooled) if protocol.needs == "features" else [primary]


def _view(
    fold: Fold, representation: str, task: Task, data: Materialised, encodings: Mapping[SplitName, Encodings]
) -> View:
    train, val, test = (encodings[part.split].under(representation, part.ids) for part in fold)
    return View(
        encoder=encodings[fold.train.split].encoder,
        representation=representation,
        train=train,
        val=val,
        test=test,
        train_targets=_labels(data, fold.train, task),
        val_targets=_labels(data, fold.val, task),
    )


def _keys(cell: Cell, purpose: str, fold: int) -> Keys:
    return Keys.of(cell.seed, f"{purpose}/{fold}" if fold else purpose)


def _labels(data: Materialised, part: Part, task: Task) -> torch.Tensor:
    return data.split(part.split).labels(task.name)[part.ids]


def _tested(
    solutions: Sequence[Solution], folds: Sequence[Fold], data: Materialised, task: Task
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Predictions and targets of all test examples; of several folds in the order of the examples."""
    predictions = np.concatenate([solution.predictions for solution in solutions])
    targets = np.concatenate([_labels(data, fold.test, task).numpy() for fold in folds])
    if len(folds) == 1:
        return np.ascontiguousarray(predictions), targets
    order = np.argsort(torch.cat([fold.test.ids for fold in folds]).numpy())
    return predictions[order], targets[order]


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


def _stored(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values, np.uint8 if values.dtype == np.bool_ else np.float32)


def _transductive(cell: Cell, data: Materialised) -> bool:
    """Whether pretraining saw the examples that are tested, without their labels: so it is where a dataset without a
    split serves both, be it under two configurations."""
    if not data.folds or not isinstance(cell.encoder, Pretraining):
        return False
    seen, tested = cell.encoder.initialisation.dataset, cell.dataset
    return (seen.name, seen.version, seen.content) == (tested.name, tested.version, tested.content)
