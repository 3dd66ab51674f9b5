"""The learners. One file a method; `roster()` finds them all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from methods import _audio as audio
from methods import _videos as videos
from methods._keys import Keys
from methods._method import (
    Batch,
    Column,
    Coupling,
    Drawn,
    Features,
    LossTerms,
    Method,
    Modality,
    Panel,
    Preset,
    Settings,
    Source,
    Spec,
    Stage,
    State,
    TaskKind,
    TextPanel,
    Training,
)
from methods._roster import discover

__all__ = [
    "Batch",
    "Column",
    "Coupling",
    "Drawn",
    "Features",
    "Keys",
    "LossTerms",
    "Method",
    "Modality",
    "Panel",
    "Preset",
    "Settings",
    "Source",
    "Spec",
    "Stage",
    "State",
    "TaskKind",
    "TextPanel",
    "Training",
    "audio",
    "discover",
    "roster",
    "videos",
]


@cache
def roster() -> Mapping[str, type[Method]]:
    """Every method by name: those in this folder, and entry points of the group `harness.methods`."""
    return discover(Method, __name__, __path__)
