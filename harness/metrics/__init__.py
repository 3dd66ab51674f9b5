"""Metrics: pure functions of predictions and targets, each with its direction. One file a kind of prediction."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harness.metrics._answers import ANSWERS
from harness.metrics._classification import CLASSIFICATION, accuracy, macro_f1, right
from harness.metrics._correlation import CORRELATION
from harness.metrics._keypoints import KEYPOINTS
from harness.metrics._masks import MASKS
from harness.metrics._metric import Metric

__all__ = ["METRICS", "Metric", "accuracy", "macro_f1", "right"]

#: Every metric by name.
METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.name: metric for metric in (*CLASSIFICATION, *CORRELATION, *ANSWERS, *MASKS, *KEYPOINTS)}
)
