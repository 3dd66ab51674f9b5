"""Label propagation: how well an encoder's dense features tell what is where in a video, without training anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.datasets import Task
from harness.metrics import METRICS
from harness.protocols._affinity import Rule, Similarity
from harness.protocols._carrying import carried
from harness.protocols._followed import Followed, Keypoints, Objects
from harness.protocols._grid import check_grid, edge_warnings
from harness.protocols._label_grid import LabelGrid
from harness.protocols._protocol import EncodedSplit, Protocol, Solution, View
from methods import Keys, Settings

#: Vondrick et al. 2018, as far as is known: the previous three frames, all of their cells, temperature 0.5.
PAPER = Rule(similarity="dot", temperature=0.5, references=3, keep_first=False, top_k=None, radius=None)


@dataclass(frozen=True, kw_only=True)
class PropagateConfig(Settings):
    """The rules to try: all combinations of these values; `Rule` explains each. One combination is no search.

    The defaults come from val of sprites, with Lab colours, patches of them and an untrained network: neighbourhoods
    of 1 to 8 cells were best and a whole frame far behind (J .38 against .51), few keys better than many, temperatures
    within a factor of ten alike (.005 apart) once keys are few, and the first frame in the context never hurt (J +.004
    to +.017 with three references, PCK +.004 to +.036). Six references won .003 over three on average.

    Attributes:
        search: if not, the paper's rule is used; it also is where there is a choice, but no video in val.
        dot, cosine, euclidean: temperatures to try with each similarity, ascending; none leaves the similarity out.
            The paper's is dot; but encoders differ in the scale of their features, and raw colours are no embedding.
        references: numbers of previous frames, ascending.
        keep_first: whether the first frame stays in the context.
        top_ks: numbers of keys that count, ascending; empty: all.
        radii: in cells, ascending; empty: the whole frame.
        val_videos: at most so many videos of val, the first ones, are used to choose.
    """

    search: bool = True
    dot: tuple[float, ...] = (0.5,)
    cosine: tuple[float, ...] = (0.05,)
    euclidean: tuple[float, ...] = (0.02,)
    references: tuple[int, ...] = (3,)
    keep_first: tuple[bool, ...] = (True,)
    top_ks: tuple[int, ...] = (1, 3, 10)
    radii: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    val_videos: int = 12

    def __post_init__(self) -> None:
        for name in ("dot", "cosine", "euclidean", "top_ks", "radii"):
            if getattr(self, name):
                check_grid(name, getattr(self, name))
        check_grid("references", self.references)
        if not self.dot and not self.cosine and not self.euclidean:
            raise ValueError("dot, cosine, euclidean: give temperatures for one similarity at least")
        if not self.keep_first or len(set(self.keep_first)) < len(self.keep_first):
            raise ValueError(f"keep_first: need one or two different values, not {list(self.keep_first)}")
        if self.val_videos < 1:
            raise ValueError("val_videos: need 1 at least; to choose nothing on val set `search: false`")

    def temperatures(self) -> Mapping[Similarity, tuple[float, ...]]:
        return {"dot": self.dot, "cosine": self.cosine, "euclidean": self.euclidean}

    def rules(self) -> list[Rule]:
        """All combinations."""
        return [
            Rule(
                similarity=similarity,
                temperature=temperature,
                references=references,
                keep_first=keep_first,
                top_k=top_k,
                radius=radius,
            )
            for similarity, temperatures in self.temperatures().items()
            for temperature, references, keep_first, top_k, radius in product(
                temperatures, self.references, self.keep_first, self.top_ks or (None,), self.radii or (None,)
            )
        ]


class Propagate(Protocol):
    """The labels of the first frame are carried through the video by the affinity of dense features.

    Vondrick et al. 2018, section 3.4: soft and recurrent; labels are hardened only in what is answered. Labels enter at
    the resolution of the features (masks by the mean over each cell's area, keypoints as a map each) and masks leave
    it by bilinear interpolation.

    The rule is chosen by the task's metric on val, as the mean over videos; of equals the first in the grid. Every
    representation is searched alike. Departures from the paper, which has one rule: the search; neighbours limited in
    number and distance, as all later work does (Jabri et al. 2020); other similarities beside the dot product.
    """

    name = "propagate"
    version = 1
    kinds = frozenset({"masks", "keypoints"})
    modalities = frozenset({"video"})
    Config = PropagateConfig
    config: PropagateConfig

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """No randomness: `keys` is not used.

        Raises:
            ValueError: an encoder gives no features of a grid of cells in every frame, or features that are not
                finite; or a video, which is named by its place in the split, has a single frame, a mask of another
                size than its frames, or nothing in its first frame that could be followed.
        """
        followed: Followed = Objects() if task.kind == "masks" else Keypoints()
        with torch.inference_mode():
            rule, selection, warnings = self._choose(view, task, followed)
            given = view.test_given or ()
            predictions: list[NDArray[Any]] = []
            for batch in _batches(view.test, "test", given, followed, len(given)):
                for _, labels in carried(batch.features, batch.lengths, batch.start, [rule]):
                    predictions += [_read(batch, labels, place, followed) for place in range(len(batch.given))]
        return Solution(predictions=predictions, selection=selection, warnings=tuple(warnings))

    def _choose(self, view: View, task: Task, followed: Followed) -> tuple[Rule, dict[str, Any], list[str]]:
        """The rule, and what the record says about the choice."""
        rules = self.config.rules() if self.config.search else [PAPER]
        if len(rules) == 1:
            return rules[0], {"rule": "fixed", "winner": asdict(rules[0])}, []
        if not len(view.val):
            return PAPER, {"rule": "the paper's: val has no video", "winner": asdict(PAPER)}, []
        metric = METRICS[task.metric]
        sign = 1 if metric.higher_is_better else -1
        totals, used = dict.fromkeys(rules, 0.0), 0
        truths = view.val_targets
        count = min(self.config.val_videos, len(truths))
        firsts = [truths[place][0] for place in range(count)]
        for batch in _batches(view.val, "val", firsts, followed, count):
            rows = [truths[batch.first + place] for place in range(len(batch.given))]
            places = [place for place, row in enumerate(rows) if followed.scorable(row)]
            used += len(places)
            for rule, labels in carried(batch.features, batch.lengths, batch.start, rules):
                for place in places:
                    totals[rule] += metric.compute([_read(batch, labels, place, followed)], [rows[place]])
        if not used:
            raise ValueError(f"no labels of val can be scored by {task.metric}, so no rule can be chosen on it")
        best = max(rules, key=lambda rule: sign * totals[rule])
        selection = {
            "rule": f"best {task.metric} on val, mean over {used} videos, then the first in the grid",
            "grid": {name: value for name, value in asdict(self.config).items() if name != "search"},
            "val_scores": [{**asdict(rule), task.metric: total / used} for rule, total in totals.items()],
            "winner": asdict(best),
        }
        return best, selection, self._edges(best)

    def _edges(self, best: Rule) -> list[str]:
        """Nothing lies below one reference or one key; a radius below 1 is copying."""
        found = edge_warnings("temperature", best.temperature, self.config.temperatures()[best.similarity])
        if best.references > 1:
            found += edge_warnings("references", best.references, self.config.references)
        if best.top_k is not None and best.top_k > 1:
            found += edge_warnings("top_k", best.top_k, self.config.top_ks)
        if best.radius is not None and best.radius > 1:
            found += edge_warnings("radius", best.radius, self.config.radii)
        return found


class _Batch(NamedTuple):
    """Videos that were encoded together."""

    first: int  #: place of its first video in the split
    features: Tensor  #: float32 [N, T, h, w, D]
    lengths: Tensor  #: int64 [N]
    start: Tensor  #: float32 [N, h, w, C]; videos with fewer channels have empty ones behind
    given: Sequence[NDArray[Any]]
    grid: LabelGrid


def _batches(
    split: EncodedSplit, name: str, given: Sequence[NDArray[Any]], followed: Followed, count: int
) -> Iterator[_Batch]:
    """The first `count` videos of a split.

    Raises:
        ValueError: see `Propagate.solve`.
    """
    height, width = split.source.spec.shape[1:]
    frames = split.source.columns["video"].lengths(split.ids).tolist()
    for place, labels in enumerate(given):
        wrong = "it has a single frame" if frames[place] < 2 else followed.check(labels, height, width)
        if wrong is not None:
            raise ValueError(f"video {place} of {name} (example {int(split.ids[place])}): {wrong}")
    first = 0
    for encoded in split.stream():
        own = slice(first, min(first + len(encoded.pooled), count))
        local, lengths = _checked(encoded.local, encoded.mask, frames[own], name)
        if encoded.centers is None:
            raise ValueError("the encoder does not say where its local features lie (Features.centers)")
        grid = LabelGrid.of(encoded.centers[: local.shape[1]], height, width)
        starts = [followed.start(labels, grid) for labels in given[own]]
        channels = max(start.shape[-1] for start in starts)
        padded = [torch.nn.functional.pad(start, (0, channels - start.shape[-1])) for start in starts]
        yield _Batch(first, local, lengths, torch.stack(padded), given[own], grid)
        first = own.stop
        if first == count:
            return


def _checked(local: Tensor | None, mask: Tensor | None, frames: Sequence[int], name: str) -> tuple[Tensor, Tensor]:
    """Features of as many videos as are asked for, cut to the longest of them, and how long each is."""
    if local is None or local.ndim != 5:
        found = "none" if local is None else list(local.shape)
        raise ValueError(f"labels are carried by local features [N, T, h, w, D]; this representation has {found}")
    local = local[: len(frames), : max(frames)].float()
    lengths = torch.tensor(frames, device=local.device)
    real = torch.arange(local.shape[1], device=local.device) < lengths[:, None]
    if mask is not None and not torch.equal(mask[: len(frames), : local.shape[1]].all((2, 3)), real):
        raise ValueError("labels are carried from frame to frame, but the mask of the features leaves out some frames")
    if not local[real].isfinite().all():
        raise ValueError(f"the encoder's features of {name} are not finite")
    return local, lengths


def _read(batch: _Batch, labels: Tensor, place: int, followed: Followed) -> NDArray[Any]:
    own = labels[place, : int(batch.lengths[place])]
    return followed.read(own, batch.given[place], batch.grid)
