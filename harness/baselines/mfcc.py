"""Mel-frequency cepstra, as speech recognition had them before networks learned features."""

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


class Mfcc(Baseline):
    """13 cepstra (the zeroth among them, liftered) of 23 mel bands from 20 Hz to half the rate, with their first and
    second differences over time: 39 numbers a frame, the front end of Kaldi's recipes and, but for details, of HTK's
    (MFCC_0_D_A). Pooled: their mean and standard deviation over the frames.

    "MFCC" in van den Oord et al. 2018, table 1, says neither how many cepstra nor whether differences are in it.
    """

    name: ClassVar[str] = "mfcc"
    version: ClassVar[int] = 1
    kinds: ClassVar[Mapping[Modality, frozenset[TaskKind]]] = {"audio": frozenset({"class", "position", "regression"})}

    def __init__(self, train: Source) -> None:
        """There is nothing to learn."""
        self._rate = train.spec.rate
        self._options = knf.MfccOptions(
            frame_opts=_frames.framing(self._rate),
            mel_opts=knf.MelBanksOptions(num_bins=23),
            num_ceps=13,
            use_energy=False,
        )
        self._differences = knf.DeltaOptions(order=2, window=2)

    def examples(self, source: Source, ids: Tensor) -> Batch:
        return _frames.batch(source, ids, self._analysis)

    def encode(self, batch: Batch) -> Mapping[str, Features]:
        return {self.name: _frames.features(batch, self._rate)}

    def _analysis(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        cepstra = _frames.analysed(knf.OnlineMfcc(self._options), self._rate, samples)
        found: NDArray[np.float32] = knf.compute_deltas(self._differences, cepstra)
        return found
