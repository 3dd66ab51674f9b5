"""The pretext task: tell the latents that come from others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from methods._keys import Keys
from methods._method import Batch, Drawn, LossTerms, Stage
from methods.cpc._config import CpcConfig
from methods.cpc._info_nce import Contrast, contrast, predict
from methods.cpc._pools import EXCLUDING, Choices, asked, choices, companions
from methods.cpc._ranks import elsewhere, gathered, ranks
from methods.cpc._tower import Tower

#: The batch's entry that says which companions there are: bool [B, 1 + companions].
PRESENT = "present"


class Predicting(Stage):
    """InfoNCE of all steps ahead, all contexts and all candidates: one term, the mean over predictions."""

    def __init__(self, config: CpcConfig, tower: Tower) -> None:
        super().__init__()
        self.config = config
        self.tower = tower
        self.weights = nn.Parameter(torch.empty(tower.ahead, tower.context, tower.width))
        nn.init.uniform_(self.weights, -1 / math.sqrt(tower.context), 1 / math.sqrt(tower.context))

    @torch.no_grad()
    def draw(self, batch: Batch, keys: Keys) -> Drawn:
        """What the tower draws, for B sequences each followed by its companions; `asked`, bool [B, T, Q, K]."""
        together = 1 + companions(self.config)
        tensors = dict(self.tower.draw(batch, accompanied(keys, together)))
        valid = tensors["valid"]
        if together > 1:
            valid = valid & batch[PRESENT].flatten()[:, None, None]
        tensors["valid"] = valid
        sequences = _grouped(valid, together)
        joined = self.config.across_ranks and self.config.negatives in EXCLUDING and ranks() > 1
        more = elsewhere(keys, sequences.flatten(1).sum(1)) if joined else 0
        tensors["asked"] = asked(sequences, self.tower.ahead, self.config.negatives, more)
        return Drawn(tensors, {"info_nce": tensors["asked"].sum().float()})

    def forward(self, drawn: Drawn) -> LossTerms:
        """Monitors: accuracy_k, how often the positive beats all negatives k steps ahead; log_n, the loss of guessing;
        mutual_information, log_n - loss, a bound on that between c_t and what comes, in nats (section 2.3)."""
        made, found = self.answer(drawn)
        total = drawn.weights["info_nce"]
        with torch.no_grad():
            ahead = self.tower.ahead
            counts = torch.bincount(made.steps, minlength=ahead).float()
            right = torch.bincount(made.steps, weights=found.correct.float(), minlength=ahead).float()
            log_n = made.sizes.float().log().sum()
            monitors = {f"accuracy_{step + 1}": (right[step], counts[step]) for step in range(ahead)}
            monitors["log_n"] = (log_n, total)
            monitors["mutual_information"] = (log_n - found.loss.detach(), total)
        return LossTerms({"info_nce": found.loss}, monitors)

    def answer(self, drawn: Drawn) -> tuple[Choices, Contrast]:
        """Every prediction that is asked, and what came of it."""
        tensors, config = drawn.tensors, self.config
        together = 1 + companions(config)
        z, c = self.tower.observe(tensors)
        with torch.autocast(z.device.type, enabled=False):  # bf16 knows a logit of 16 to 0.06, a likelihood to 6%
            made = choices(tensors["asked"], _grouped(tensors["valid"], together), config.negatives)
            predictions = predict(c[::together].flatten(0, 2).float(), self.weights.float())
            predictions = predictions.flatten(0, 1).index_select(0, made.rows)
            candidates = z.flatten(0, 2).float().index_select(0, made.columns)
            if config.across_ranks and self.training and ranks() > 1:  # held-out examples: each rank has them all
                candidates, made = _joined(candidates, made)
            answer = contrast(predictions, candidates, made.positives, made.blocks, made.excluded, made.longest)
        return made, answer

    def summaries(self, drawn: Drawn) -> Tensor:
        """The mean context of each sequence: float32 [B, C]."""
        together = 1 + companions(self.config)
        contexts = self.tower.observe(drawn.tensors).c[::together].float()
        real = drawn.tensors["valid"][::together, ..., None]
        return (contexts * real).sum((1, 2)) / real.sum((1, 2)).clamp_min(1)


def _joined(candidates: Tensor, made: Choices) -> tuple[Tensor, Choices]:
    """Among the candidates of all ranks."""
    every, before = gathered(candidates)
    more = len(every) - len(candidates)
    return every, made._replace(
        positives=made.positives + before,
        blocks=[block._replace(last=len(every)) for block in made.blocks],
        excluded=None if made.excluded is None else made.excluded + before,
        sizes=made.sizes + more,
    )


def _grouped(valid: Tensor, together: int) -> Tensor:
    """[B * together, T, Q] -> [B, together, T, Q]."""
    return valid.view(-1, together, *valid.shape[1:])


def accompanied(keys: Keys, together: int) -> Keys:
    """Streams of B examples, each followed by those of its companions: B * together."""
    if together == 1:
        return keys
    each = [keys, *(keys.fold(f"companion/{number}") for number in range(1, together))]
    return Keys(
        torch.stack([one.high for one in each], dim=1).flatten(),
        torch.stack([one.low for one in each], dim=1).flatten(),
    )
