"""Nearest neighbours: which examples of train an encoder takes for alike, without training anything on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from harness.datasets import Task
from harness.protocols._classes import SeenClasses
from harness.protocols._grid import check_grid, edge_warnings
from harness.protocols._neighbors import Neighbors, nearest
from harness.protocols._protocol import Protocol, Solution, View
from harness.protocols._quality import quality, told
from methods import Keys, Settings

#: A vote of the nearest neighbour, as a whole number: sums of whole numbers do not depend on their order, so that
#: votes are equal where they should be and the same on every device.
_FULL_VOTE = 1 << 40


@dataclass(frozen=True, kw_only=True)
class KnnConfig(Settings):
    """The defaults are those of Wu et al. 2018 and of DINO: cosine, votes weighted at temperature 0.07.

    Features are scaled to unit length and not standardised. Measured on validation splits (pixels of MNIST, digits and
    rectangles; untrained, plain and denoising autoencoders on the last): standardising, which gives nearly constant
    pixels the weight of all others, changed accuracy by -3.5 to 0 points, and by +3.5 for one untrained encoder.
    Weighted votes lose less than plain ones by a k too large (digits, k 200: .94 against .86).

    Attributes:
        ks: numbers of neighbours to try, ascending; those beyond the size of train are left out.
        similarity: cosine, or euclidean distance on the features as they are.
        temperature: T in the vote exp(cosine / T) of a neighbour; None gives every neighbour one vote, as euclidean
            needs.
        max_positions: of a task that labels positions, train is sampled down to so many of them: the search takes as
            long as they are many, and those of one text or recording are much alike.
    """

    ks: tuple[int, ...] = (1, 3, 5, 10, 20, 50, 100, 200)
    similarity: Literal["cosine", "euclidean"] = "cosine"
    temperature: float | None = 0.07
    max_positions: int = 20_000

    def __post_init__(self) -> None:
        check_grid("ks", self.ks)
        if self.temperature is not None and not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature: {self.temperature} is not a positive number; for equal votes leave it empty"
            )
        if self.max_positions < 2:
            raise ValueError(f"max_positions: {self.max_positions} cannot hold two classes; give at least 2")
        if self.similarity == "euclidean" and self.temperature is not None:
            raise ValueError("similarity euclidean needs equal votes: set `temperature: null`")


class Knn(Protocol):
    """k nearest neighbours in train, by exact search.

    k is chosen by the task's metric on val, ties go to the larger k (the smoother vote). Equally near neighbours count
    in the order of train, equal votes go to the lower class.
    """

    name = "knn"
    version = 2
    kinds = frozenset({"class", "position", "pair"})
    needs_classes = True
    Config = KnnConfig
    config: KnnConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """Of `keys`, which positions of train are kept where there are too many.

        Raises:
            ValueError: the features are not finite, or train holds a single class.
        """
        with torch.inference_mode():
            return self._solve(view, task, keys)

    def _solve(self, view: View, task: Task, keys: Keys) -> Solution:
        features, targets_of_train = view.train.pooled(), view.train_targets
        if task.kind == "position" and len(features) > self.config.max_positions:
            dice = torch.randperm(len(features), generator=keys.fold("sample").generator())
            kept = dice[: self.config.max_positions].sort().values
            features = features[kept.to(features.device)]
            targets_of_train = targets_of_train[kept.to(targets_of_train.device)]
        ks = [k for k in self.config.ks if k <= len(features)]
        if not ks:
            raise ValueError(f"ks: the smallest is {self.config.ks[0]}, but train has {len(features)} examples")
        seen = SeenClasses(task, view.train_targets, features.device)
        labels = seen.compact(targets_of_train.to(features.device))
        centre = features.double().mean(0).to(features.dtype)
        table = self._table(features, "train", centre)
        offsets = -0.5 * table.square().sum(1) if self.config.similarity == "euclidean" else None

        def classes(split: Tensor, name: str, of: list[int]) -> list[Tensor]:
            near = nearest(self._table(split, name, centre), table, offsets, of[-1])
            return [seen.indices[answers] for answers in self._votes(near, labels, len(seen), of)]

        seen.known(view.val_targets)
        targets = view.val_targets.cpu().numpy()
        answers_on_val = [answers.cpu().numpy() for answers in classes(view.val.pooled(), "val", ks)]
        qualities = [quality(task, answers, targets) for answers in answers_on_val]
        winner = max(zip(qualities, ks, strict=True))[1]
        (predictions,) = classes(view.test.pooled(), "test", [winner])
        selection = {
            "rule": f"best {task.metric} on val, then largest k; no refit with val",
            "grid": ks,
            **told(task, qualities),
            "train": len(features),
            "winner": winner,
        }
        # Neither one neighbour nor all of train can be gone beyond.
        edge = [] if winner in (1, len(features)) else edge_warnings("k", winner, ks)
        return Solution(predictions=predictions.cpu().numpy(), selection=selection, warnings=(*seen.warnings(), *edge))

    def _table(self, features: Tensor, split: str, centre: Tensor) -> Tensor:
        if not features.isfinite().all():
            raise ValueError(f"the encoder's features of {split} are not finite")
        if self.config.similarity == "cosine":
            return functional.normalize(features, dim=1)
        return features - centre  # distances stay, and lose fewer digits

    def _votes(self, near: Neighbors, train: Tensor, classes: int, ks: list[int]) -> list[Tensor]:
        """For each k the class with most votes among the k nearest, int64 [M] in the numbering without gaps."""
        votes = torch.full_like(near.row, _FULL_VOTE)
        if self.config.temperature is not None:
            behind = (near.similarity - near.similarity[:, :1]).double()
            votes = torch.exp(behind / self.config.temperature).mul_(_FULL_VOTE).long()
        labels = train[near.row]
        counts = votes.new_zeros(len(votes), classes)
        answers, done = [], 0
        for k in ks:
            counts.scatter_add_(1, labels[:, done:k], votes[:, done:k])
            answers.append(counts.argmax(1))
            done = k
        return answers
