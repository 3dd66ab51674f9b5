"""The logarithm of the energy in mel bands: what a network for speech is mostly given to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import kaldi_native_fbank as knf
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from harness.baselines import _frames
from harness.baselines._baseline import Baseline
from methods import Batch, Features, Modality, Source, TaskKind


class LogMel(Baseline):
    """Log energies of 40 mel bands from 20 Hz to half the rate. Of more bands the lowest would be narrower than the
    windows resolve at 8,000 samples a second. Pooled: their mean and standard deviation over the frames."""

    name: ClassVar[str] = "log_mel"
    version: ClassVar[int] = 1
    kinds: ClassVar[Mapping[Modality, frozenset[TaskKind]]] = {"audio": frozenset({"class", "position", "regression"})}

    def __init__(self, train: Source) -> None:
        """There is nothing to learn."""
        self._rate = train.spec.rate
        self._options = knf.FbankOptions(
            frame_opts=_frames.framing(self._rate), mel_opts=knf.MelBanksOptions(num_bins=40)
        )

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return _frames.batch(source, ids, self._analysis)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {self.name: _frames.features(batch, self._rate)}

    def _analysis(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return _frames.analysed(knf.OnlineFbank(self._options), self._rate, samples)
