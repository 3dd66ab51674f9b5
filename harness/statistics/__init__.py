"""What scores and outcomes can tell: intervals, paired tests, ranks. Pure functions; randomness is an argument.

From scipy.special, not scipy.stats, whose import alone would take longer than the leaderboard may.
"""

from harness.statistics._crossed import Crossed, crossed
from harness.statistics._intervals import Interval, mean_interval, normalised, t_interval, wilson_interval
from harness.statistics._paired import Paired, effect_size, mcnemar, paired_examples, paired_t
from harness.statistics._ranks import RankInterval, rank_intervals
from harness.statistics._several import SignedRank, holm, pairs_needed, signed_rank, smallest_p

__all__ = [
    "Crossed",
    "Interval",
    "Paired",
    "RankInterval",
    "SignedRank",
    "crossed",
    "effect_size",
    "holm",
    "mcnemar",
    "mean_interval",
    "normalised",
    "paired_examples",
    "paired_t",
    "pairs_needed",
    "rank_intervals",
    "signed_rank",
    "smallest_p",
    "t_interval",
    "wilson_interval",
]
