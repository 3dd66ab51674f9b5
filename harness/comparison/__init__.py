"""Does one row of the board beat another, by how much, and how sure is that? Plain data in, plain data out.

A claim needs an interval without zero: over seeds and test examples at once where there are outcomes per test example,
else over seeds alone, and then for this very test set. Nothing is claimed from one seed.
"""

from harness.comparison._across import Across, across_datasets
from harness.comparison._answer import Basis, Comparison, Question, Row, Verdict
from harness.comparison._compare import best_against_others, compare

__all__ = [
    "Across",
    "Basis",
    "Comparison",
    "Question",
    "Row",
    "Verdict",
    "across_datasets",
    "best_against_others",
    "compare",
]
