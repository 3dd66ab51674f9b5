"""The linear probe of answers in a text: which token an answer begins with, and which it ends with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import Task
from harness.protocols import _span_logistic
from harness.protocols._grid import edge_warnings, unconverged_warnings
from harness.protocols._protocol import EncodedSplit, Solution, View
from harness.protocols._quality import quality, told
from harness.protocols._scaling import Scaler
from harness.protocols._span_tokens import Placed, accepted, best_spans, placed, real, strings
from methods import Keys

#: Values of the features of train that are held at a time; beyond, a sample of its examples is fitted.
ROOM = 1 << 26
#: Tokens scaled at a time.
_ROWS = 1 << 16


def solve(
    view: View,
    task: Task,
    keys: Keys,
    penalties: Tensor,
    *,
    max_iterations: int,
    tolerance: float,
    precision: torch.dtype,
) -> Solution:
    """Predictions int64 [N, 2], begin and end in bytes; see `linear.Linear` for what is chosen, and how.

    The answer is the pair of tokens, the last no earlier than the first, with the highest sum of scores. Of several
    accepted answers the first one teaches; metrics take the best.

    Raises:
        ValueError: the features are not finite, or no answer of train, or of val, lies in what the encoder reads.
    """
    train = _Train(view, task, keys)
    scaler = Scaler(train.features, precision)
    scaled = torch.cat([scaler(part, "train") for part in torch.split(train.features, _ROWS)])
    fit = _span_logistic.fit(
        scaled, train.lengths, train.answers, penalties, max_iterations=max_iterations, tolerance=tolerance
    )
    on_val = _Scored.of(view.val, scaler, "val", fit.weights, view.val_targets)
    texts = accepted(view.val.source, view.val.ids, view.val_targets)
    qualities = [
        quality(task, strings(view.val.source, view.val.ids, on_val.where.bytes(own)), texts) for own in on_val.spans
    ]
    losses = on_val.loss(task)
    winner = max(range(len(penalties)), key=lambda i: (qualities[i], -losses[i], float(penalties[i])))
    on_test = _Scored.of(view.test, scaler, "test", fit.weights[winner : winner + 1], None)
    return Solution(
        predictions=on_test.where.bytes(on_test.spans[0]),
        selection={
            "objective": "mean cross-entropy of first and last token + penalty / 2 * squared norm of the weights",
            "rule": f"best {task.metric} on val, then lowest log-loss, then strongest penalty; no refit with val",
            "grid": penalties.tolist(),
            **told(task, qualities),
            "val_loss": losses,
            "train_objective": fit.objective.tolist(),
            "iterations": fit.iterations.tolist(),
            "converged": fit.converged.tolist(),
            "winner": float(penalties[winner]),
            "features": scaler.width,
            "constant_features": scaler.constant,
            "fitted_examples": len(train.answers),
            "unread_answers": {"train": train.unread, "val": on_val.unread},
        },
        warnings=(
            *train.warnings(),
            *edge_warnings("penalty", float(penalties[winner]), penalties.tolist()),
            *unconverged_warnings(penalties, fit.converged, max_iterations, tolerance),
        ),
    )


class _Train:
    """The tokens of those examples of train whose answers the encoder reads.

    Attributes:
        features: float32 [M, D].
        lengths: int64 [N], tokens of each example.
        answers: int64 [N, 2], first and last token.
        unread: examples left out because their answers lie beyond what the encoder reads.
    """

    def __init__(self, view: View, task: Task, keys: Keys) -> None:
        split, self._size = view.train, len(view.train.ids)
        dice = keys.fold("sample").generator()
        kept, local, lengths, begins = [], [], [], []
        share, first = 1.0, 0
        for features in split.stream():
            found = real(features)
            if not first:  # how many examples fit, as the first batch has it
                share = ROOM * len(found.lengths) / max(found.local.numel() * self._size, 1)
            drawn = torch.rand(len(found.lengths), generator=dice) < share
            rows = drawn.to(found.local.device).repeat_interleave(found.lengths)
            kept.append(first + drawn.nonzero()[:, 0])
            local.append(found.local[rows].float())
            lengths.append(found.lengths[drawn.to(found.lengths.device)])
            begins.append(found.begins[rows.cpu().numpy()])
            first += len(drawn)
        places = torch.cat(kept)
        self.sampled = len(places)
        self.features, self.lengths = torch.cat(local), torch.cat(lengths)
        where = placed(split.source, split.ids[places], self.lengths, np.concatenate(begins))
        answers = torch.from_numpy(where.places([view.train_targets[place] for place in places.tolist()]))
        self.answers = answers.to(self.features.device)
        readable = self.answers[:, 0] >= 0
        self.unread = int((~readable).sum())
        if not readable.any():
            raise ValueError(f"task {task.name!r}: no answer of train lies in what the encoder reads of its text")
        if self.unread:
            self.features = self.features[readable.repeat_interleave(self.lengths)]
            self.lengths, self.answers = self.lengths[readable], self.answers[readable]

    def warnings(self) -> list[str]:
        found = []
        if self.sampled < self._size:
            found.append(f"fitted on {self.sampled} of {self._size} examples of train, whose tokens fit in memory")
        if self.unread:
            found.append(
                f"{self.unread} of {self.sampled} answers of train lie beyond what the encoder reads, and do not teach"
            )
        return found


class _Scored(NamedTuple):
    """What G solutions make of the examples of one part."""

    spans: NDArray[np.int64]  #: [G, N, 2], first and last token
    where: Placed
    summed: Tensor  #: float64 [G], log-loss over the examples whose answer the encoder reads
    read: int  #: how many these are
    unread: int

    @classmethod
    def of(
        cls,
        split: EncodedSplit,
        scaler: Scaler,
        name: str,
        weights: Tensor,
        targets: Sequence[NDArray[np.int64]] | None,
    ) -> _Scored:
        spans, begins, ends = [], [], []
        summed = torch.zeros(len(weights), dtype=torch.float64, device=weights.device)
        read, first = 0, 0
        for features in split.stream():
            found = real(features)
            count = len(found.lengths)
            scores = _span_logistic.score(weights, scaler(found.local.float(), name), found.lengths)
            spans.append(best_spans(scores[:, 0], scores[:, 1]).cpu().numpy())
            where = placed(split.source, split.ids[first : first + count], found.lengths, found.begins)
            begins += where.begins
            ends += where.ends
            if targets is not None:
                places = torch.from_numpy(where.places([targets[first + i] for i in range(count)]))
                known = places[:, 0] >= 0
                chosen = known.to(scores.device)
                summed += _span_logistic.log_loss(scores[:, :, chosen], places[known].to(scores.device))
                read += int(known.sum())
            first += count
        return cls(np.concatenate(spans, axis=1), Placed(begins, ends), summed, read, first - read)

    def loss(self, task: Task) -> list[float]:
        """Mean log-loss of each solution."""
        if not self.read:
            raise ValueError(f"task {task.name!r}: no answer of val lies in what the encoder reads of its text")
        return [value / self.read for value in self.summed.tolist()]
