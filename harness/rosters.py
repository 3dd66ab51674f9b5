"""What suites can name, every method, dataset and protocol that is installed, and the baselines that come unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import harness.baselines
import harness.datasets
import harness.protocols
import methods
from harness.baselines import Baseline
from harness.datasets import Dataset
from harness.mistakes import suggestion
from harness.protocols import Protocol
from methods import Method

#: Other names of methods, by which people know them.
ALSO_KNOWN_AS = {
    "context_encoder": "context_prediction",
    "denoising_autoencoder": "sdae",
    "contrastive_predictive_coding": "cpc",
}


@dataclass(frozen=True, kw_only=True)
class Rosters:
    """Classes by the names that suites use."""

    methods: Mapping[str, type[Method]]
    datasets: Mapping[str, type[Dataset]]
    protocols: Mapping[str, type[Protocol]]
    baselines: Mapping[str, type[Baseline]]

    @classmethod
    def installed(cls) -> Rosters:
        return cls(
            methods=methods.roster(),
            datasets=harness.datasets.roster(),
            protocols=harness.protocols.roster(),
            baselines=harness.baselines.roster(),
        )


def unknown(kind: str, name: str, known: Mapping[str, object]) -> str:
    """The message for a name that is not in a roster."""
    other = ALSO_KNOWN_AS.get(name)
    hint = f'did you mean "{other}"?' if other in known else suggestion(name, known)
    return f"unknown {kind} {name!r}; {hint}"
