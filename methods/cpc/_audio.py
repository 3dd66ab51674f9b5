"""Sound, as in section 3.1: strided convolutions over samples, and a recurrent network over their frames."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods import _audio as recordings
from methods._keys import Keys
from methods._method import Batch, Features, Source, Spec, State, TaskKind
from methods.cpc._audio_encoding import encode
from methods.cpc._config import CpcConfig
from methods.cpc._tower import Observed, Tower
from methods.cpc._waves import Waves, convolutions, lengths, window


class AudioTower(Tower):
    """Representations: z, of the convolutions, and c, of the recurrent network, which has heard all frames up to its
    own. The paper asks c what is said and who speaks."""

    def __init__(self, config: CpcConfig, spec: Spec, state: State) -> None:
        super().__init__(config, spec, state)
        self.width, self.context, self.ahead = config.audio.channels, config.audio.context, config.audio.ahead
        self.window = window(config.audio, spec.rate)
        self.waves = Waves(config.audio, spec.rate)
        self.recurrence = nn.GRU(self.width, self.context, batch_first=True)

    @classmethod
    def fits(cls, config: CpcConfig, spec: Spec) -> str | None:
        length = window(config.audio, spec.rate)
        frames = lengths(convolutions(config.audio, spec.rate), length)[-1]
        if frames <= config.audio.ahead:
            return (
                f"windows of {length} samples have {frames} frame(s), and {config.audio.ahead} ahead are predicted: "
                "raise window, or lower ahead"
            )
        return None

    @classmethod
    def primary(cls, config: CpcConfig) -> Mapping[TaskKind, str]:
        return {"position": "c", "class": "c", "pair": "c", "regression": "c"}

    @classmethod
    def fit(cls, config: CpcConfig, source: Source, keys: Keys) -> State:
        """Nothing is fitted.

        Raises:
            ValueError: all recordings are too short to predict anything in.
        """
        longest = int(source.columns[recordings.COLUMN].lengths(torch.arange(len(source))).max())
        shapes = convolutions(config.audio, source.spec.rate)
        if lengths(shapes, longest)[-1] < 2:
            raise ValueError(
                f"the longest of {len(source):,} recordings has {longest} samples; to predict one frame from another "
                f"takes {2 * math.prod(stride for _, stride, _ in shapes)}: join them, or leave out what is so short"
            )
        return {}

    def sample(self, source: Source, ids: Tensor, keys: Keys) -> Batch:
        """A window of each recording, anywhere in it: `audio` float32 [N, window]; `samples` int64 [N], how many are
        real: a recording that is shorter is followed by zeros."""
        column = source.columns[recordings.COLUMN]
        real = column.lengths(ids)
        room = (real - self.window).clamp_min(0)
        starts = (keys.fold("window").uniform(1)[:, 0].double() * (room + 1)).long()
        audio = torch.zeros(len(ids), self.window)
        long = real >= self.window
        if long.any():
            audio[long] = column.windows(ids[long], starts[long], self.window)
        for row in (~long).nonzero()[:, 0].tolist():
            audio[row, : int(real[row])] = torch.tensor(column.row(int(ids[row])))
        return {"audio": audio, "samples": real.clamp_max(self.window)}

    def draw(self, batch: Batch, keys: Keys) -> Mapping[str, Tensor]:
        """No dice here: the window was drawn when the recording was read."""
        places = torch.arange(self.waves.frames(self.window), device=batch["samples"].device)
        valid = places < self.waves.frames(batch["samples"])[:, None]
        return {"audio": batch["audio"], "samples": batch["samples"], "valid": valid[..., None]}

    def observe(self, tensors: Mapping[str, Tensor]) -> Observed:
        z = self.waves(tensors["audio"], tensors["samples"])
        c, _ = self.recurrence(z)
        return Observed(z[:, :, None], c[:, :, None])

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return recordings.whole(source, ids)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return encode(batch["audio"], batch["samples"], self.waves, self.recurrence)
