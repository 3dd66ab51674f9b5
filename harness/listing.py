"""What there is to choose from: methods, datasets, protocols and suites, as plain rows for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import get_args

from harness import datasets, protocols
from harness.configuration import required
from methods import Method, Modality, Spec
from methods import roster as method_roster

#: One typical example of each modality, to ask methods what they can learn from.
_TYPICAL: tuple[Spec, ...] = (
    Spec(modality="image", shape=(1, 28, 28), size=10_000, groups=True),
    Spec(modality="image", shape=(3, 96, 96), size=10_000, groups=True),
    Spec(modality="video", shape=(3, 64, 64), size=10_000, groups=True),
    Spec(modality="audio", shape=(), size=10_000, groups=True, rate=16_000),
    Spec(modality="text", shape=(), size=10_000, groups=True),
)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A table of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def list_methods() -> Listing:
    rows = [
        (name, ", ".join(learns_from(method)), ", ".join(method.presets), f"{method.version}", method.paper)
        for name, method in method_roster().items()
    ]
    return Listing(title="methods", columns=("name", "learns from", "presets", "version", "paper"), rows=rows)


def learns_from(method: type[Method]) -> list[Modality]:
    """Modalities that the method accepts at the paper's settings, by its own `fits`, on typical examples."""
    config = method.Config()
    accepted = {spec.modality for spec in _TYPICAL if method.fits(config, spec) is None}
    return [modality for modality in get_args(Modality) if modality in accepted]


def list_datasets() -> Listing:
    rows = [(name, *_described(dataset), dataset.licence) for name, dataset in datasets.roster().items()]
    return Listing(title="datasets", columns=("name", "modality", "shape", "train", "tasks", "licence"), rows=rows)


def _described(dataset: type[datasets.Dataset]) -> tuple[str, str, str, str]:
    """At the default settings; a dataset that has none, because it is made of the user's files, says what it needs."""
    if missing := required(dataset.Config):
        return ("", "", "", f"{_first_sentence(dataset.__doc__)} Needs {', '.join(missing)}.")
    chosen = dataset(dataset.Config())
    spec, tasks = chosen.spec, chosen.tasks.values()
    shape = " x ".join(map(str, spec.shape)) or "ragged"
    return (
        spec.modality,
        shape,
        f"{spec.size:,}",
        ", ".join(f"{task.name} ({task.kind}, {task.metric})" for task in tasks),
    )


def list_protocols() -> Listing:
    rows = [
        (name, ", ".join(sorted(protocol.kinds)), str(protocol.version), _first_sentence(protocol.__doc__))
        for name, protocol in protocols.roster().items()
    ]
    return Listing(title="protocols", columns=("name", "solves", "version", "how"), rows=rows)


def list_suites() -> Listing:
    """Suites shipped with the package; what a suite is for stands in its first line, as a comment."""
    files = sorted((file for file in resources.files("suites").iterdir() if file.name.endswith(".yaml")), key=str)
    rows = []
    for file in files:
        first, _, _ = file.read_text(encoding="utf-8").partition("\n")
        rows.append((file.name, first.lstrip("# ").strip() if first.startswith("#") else ""))
    return Listing(title="suites", columns=("file", "what for"), rows=rows)


def _first_sentence(docstring: str | None) -> str:
    paragraph = " ".join((docstring or "").strip().partition("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + (stop and ".")
