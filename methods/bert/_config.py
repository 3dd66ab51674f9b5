"""What can be set; the defaults are those of the paper's Base model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from methods._method import Settings

#: [CLS] and two [SEP] of a pair.
SPECIAL = 3


@dataclass(frozen=True, kw_only=True)
class BertConfig(Settings):
    """Lengths are in tokens, special ones included.

    Attributes:
        vocabulary: entries at most; a small corpus has fewer (the trainer stops where no pair of pieces occurs twice).
            At most half of them are single characters: rarer characters become [UNK].
        lowercase: also strips accents, as the uncased models do.
        layers, width, heads: of the Transformer; the inner layer of its feed-forward blocks has 4 x width units.
        max_length: of a sequence; longer texts are encoded in overlapping windows.
        deviation: of initial weights, whose normal distribution is cut off at twice of it. The paper's suits its
            widths; the outputs of a narrow network are sums of fewer terms, and so want larger ones.
        dropout: of embeddings, attention and every block's output.
        direction: left_to_right is the paper's ablation: attention sees only what is to the left, in evaluation too,
            and every token is predicted from those before it. It has no next sentence prediction.
        nsp: next sentence prediction. Without it sequences are the same, but their second part always follows.
        selected: share of a sequence's tokens, special ones counted, that are predicted.
        max_predictions: at most so many tokens of a sequence are predicted; None: as many as `selected` says.
        masked, replaced: share of the selected tokens that [MASK] or a random entry of the vocabulary takes the place
            of; the rest stays. The paper's ablations include 1 and 0, and 0 and 1.
        short_sequences: share of sequences that aim at a random shorter length, so that short inputs are known too.
    """

    vocabulary: int = 30_000
    lowercase: bool = True
    layers: int = 12
    width: int = 768
    heads: int = 12
    max_length: int = 512
    deviation: float = 0.02
    dropout: float = 0.1
    direction: Literal["bidirectional", "left_to_right"] = "bidirectional"
    nsp: bool = True
    selected: float = 0.15
    max_predictions: int | None = None
    masked: float = 0.8
    replaced: float = 0.1
    short_sequences: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("vocabulary", 16), ("layers", 1), ("width", 1), ("heads", 1), ("max_length", 8)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        if not self.deviation > 0:
            raise ValueError(f"deviation is {self.deviation}; it must be above 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must be at least 0 and below 1")
        if not 0 < self.selected <= 1:
            raise ValueError(f"selected is {self.selected}; it is a share of tokens, above 0 and at most 1")
        if self.max_predictions is not None and self.max_predictions < 1:
            raise ValueError(f"max_predictions is {self.max_predictions}; it must be at least 1, or null for no limit")
        if min(self.masked, self.replaced) < 0 or self.masked + self.replaced > 1 + 1e-9:
            raise ValueError(
                f"masked is {self.masked} and replaced {self.replaced}; both are shares of the selected tokens, "
                "at least 0 and together at most 1"
            )
        if not 0 <= self.short_sequences <= 1:
            raise ValueError(f"short_sequences is {self.short_sequences}; it is a share, between 0 and 1")
        if self.nsp and self.direction == "left_to_right":
            raise ValueError(
                "direction: left_to_right cannot predict the next sentence, because [CLS] comes first and sees "
                "nothing; set nsp: false"
            )

    @property
    def predictions(self) -> int:
        """Tokens of a sequence that are predicted, at most."""
        if self.direction == "left_to_right":
            return self.max_length - 1
        most = max(1, round(self.selected * self.max_length))
        return most if self.max_predictions is None else min(most, self.max_predictions)
