"""Contrastive predictive coding as a method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import (
    Batch,
    Coupling,
    Drawn,
    Features,
    Method,
    Modality,
    Panel,
    Preset,
    Settings,
    Source,
    Spec,
    State,
    TaskKind,
    Training,
)
from methods.cpc._audio import AudioTower
from methods.cpc._config import CpcConfig
from methods.cpc._image import ImageTower
from methods.cpc._pictures import accuracy_panel, speaker_panels
from methods.cpc._pools import MIXED, SAME_SPEAKER, companions
from methods.cpc._speakers import SpeakersOf
from methods.cpc._stage import PRESENT, Predicting, accompanied
from methods.cpc._text import TextTower
from methods.cpc._tower import Tower

#: Held-out sequences in the gallery at most, and how many are one batch there: as many as on one GPU of the paper.
_GALLERY, _TOGETHER = 400, 8
#: What observes each kind of data.
TOWERS: Mapping[Modality, type[Tower]] = {"audio": AudioTower, "image": ImageTower, "text": TextTower}


def _paper(*, batch_size: int) -> Training:
    """The paper's optimiser. It gives the number of steps for sound alone."""
    return Training(steps=300_000, batch_size=batch_size, optimizer="adam", learning_rate=2e-4)


class Cpc(Method):
    """Representations: z, the latents, and c, the contexts; see each domain's tower."""

    name: ClassVar[str] = "cpc"
    paper: ClassVar[str] = "van den Oord et al., Representation learning with contrastive predictive coding, 2018"
    version: ClassVar[int] = 1
    Config: ClassVar[type[Settings]] = CpcConfig
    presets: ClassVar[Mapping[str, Preset]] = {
        "small": Preset(
            config={
                "audio": {
                    "rate": 8000,
                    "kernels": (10, 8, 4, 4),
                    "strides": (5, 4, 2, 2),
                    "channels": 64,
                    "context": 128,
                    "window": 5120,
                },
                "image": {
                    "rescaled": None,
                    "crop": None,
                    "patch": 16,
                    "overlap": 8,
                    "kept": 14,
                    "encoder": "small",
                    "width": 128,
                    "blocks": 2,
                    "hidden": 64,
                },
                "text": {
                    "vocabulary": 2000,
                    "embedding": 128,
                    "width": 256,
                    "context": 256,
                    "sentences": 12,
                    "words": 32,
                },
            },
            # Of the batches, rates and kernels tried on formants' val, this told most of phones and of speakers for the
            # time, about 45 s of one core. More steps of smaller batches did more than fewer of larger ones.
            training=Training(
                steps=1000,
                batch_size=8,
                optimizer="adam",
                learning_rate=2e-3,
                schedule="cosine",
                warmup_steps=50,
            ),
        ),
        # Of sound: 8 GPUs with 8 examples each.
        "paper": Preset(training=_paper(batch_size=8 * 8)),
        # 32 GPUs with 16 each, and 8 with 64 each; give them as many ranks, since negatives are those of a rank.
        "paper_images": Preset(training=_paper(batch_size=32 * 16)),
        "paper_text": Preset(training=_paper(batch_size=8 * 64)),
    }

    def __init__(self, config: CpcConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.config = config
        self.stage = Predicting(config, TOWERS[spec.modality](config, spec, state))
        self._speakers = SpeakersOf()

    @classmethod
    def fits(cls, config: CpcConfig, spec: Spec) -> str | None:
        tower = TOWERS.get(spec.modality)
        if tower is None:
            return f"it predicts {_listed(TOWERS)}, not {spec.modality}"
        if config.negatives in SAME_SPEAKER and not spec.groups:
            return (
                f"negatives: {config.negatives} needs to know which examples share a speaker, and these have no groups"
            )
        return tower.fits(config, spec)

    @classmethod
    def coupling(cls, config: CpcConfig) -> frozenset[Coupling]:
        return frozenset({"negatives"} if config.negatives in MIXED else ())

    @classmethod
    def primary(cls, config: CpcConfig, spec: Spec) -> Mapping[TaskKind, str]:
        tower = TOWERS.get(spec.modality)
        return {} if tower is None else tower.primary(config)

    @classmethod
    def fit(cls, config: CpcConfig, source: Source, keys: Keys) -> State:
        return TOWERS[source.spec.modality].fit(config, source, keys)

    def stages(self) -> Sequence[Predicting]:
        return [self.stage]

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        """A sequence of each example, followed, for negatives of the same speaker, by its companions."""
        count = companions(self.config)
        if not count:
            return self.stage.tower.sample(source, ids, keys)
        others, there = self._speakers(source).others(ids, keys.fold("companions"), count)
        everyone = torch.cat([ids[:, None], others], dim=1).flatten()
        present = torch.cat([torch.ones_like(there[:, :1]), there], dim=1)
        return {**self.stage.tower.sample(source, everyone, accompanied(keys, 1 + count)), PRESENT: present}

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return self.stage.tower.examples(source, ids)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return self.stage.tower.encode(batch)

    def gallery(self, source: Source) -> Iterator[Panel]:
        """Accuracy by steps ahead, on held-out sequences; of sound, also its windows by speaker."""
        ids = torch.arange(min(_GALLERY, len(source)))
        drawn = [self._drawn(source, some) for some in torch.split(ids, _TOGETHER)]
        with torch.no_grad():
            yield accuracy_panel([self.stage(each) for each in drawn], len(ids))
            if source.spec.modality == "audio" and source.groups is not None:
                contexts = torch.cat([self.stage.summaries(each) for each in drawn])
                yield from speaker_panels(contexts, source.groups.take(ids))

    def _drawn(self, source: Source, ids: Tensor) -> Drawn:
        keys, device = Keys.of(0, "cpc.gallery", ids), self.stage.weights.device
        batch = {name: value.to(device) for name, value in self.sample(source, ids, keys).items()}
        return self.stage.draw(batch, keys.fold("stage.draw").to(device))


def _listed(names: Mapping[Modality, object]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
