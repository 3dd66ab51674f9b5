"""What a cluster can hold, and the refusal of what it can never hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cluster.job import Job, SlotSize


class Node(NamedTuple):
    """One machine: all it has, busy or not."""

    cpus: float
    gpus: float


class ImpossibleRequest(ValueError):  # noqa: N818 - it reads as what it is
    """A job asks for more than there will ever be. The message has the numbers and the remedy."""


def slots_that_fit(size: SlotSize, nodes: Sequence[Node]) -> int:
    """How many slots of this size all nodes together hold; a slot lies on one node."""
    return sum(_on_node(size, node) for node in nodes)


def check(job: Job, size: SlotSize, nodes: Sequence[Node], limit: int | None) -> None:
    """Refuse a job that can never run.

    Args:
        limit: the most slots that this run may use, or None.

    Raises:
        ImpossibleRequest
    """
    fit = slots_that_fit(size, nodes)
    if job.ranks > fit:
        share = " + ".join(
            [f"{_number(size.cpus)} CPU{_plural(size.cpus)}"]
            + [f"{_number(size.gpus)} GPU{_plural(size.gpus)}"] * bool(size.gpus)
        )
        settings = "cpus_per_rank or gpus_per_rank" if size.gpus else "cpus_per_rank"
        raise ImpossibleRequest(
            f"{job.id} asks for {job.ranks} rank{_plural(job.ranks)} x {share}; {_describe(nodes)}, where {fit} such "
            f"rank{_plural(fit)} fit{'s' if fit == 1 else ''}: lower ranks or {settings}, or add nodes"
        )
    if limit is not None and job.ranks > limit:
        raise ImpossibleRequest(
            f"{job.id} asks for {job.ranks} ranks; this run is limited to {limit} slot{_plural(limit)}: "
            "raise the limit or lower ranks"
        )


def _on_node(size: SlotSize, node: Node) -> int:
    shares = [_whole(have / ask) for have, ask in ((node.cpus, size.cpus), (node.gpus, size.gpus)) if ask > 0]
    if not shares:
        raise ValueError("a slot must hold some share of a CPU or a GPU")
    return min(shares)


def _whole(shares: float) -> int:
    """Rounded down, but 0.1 + 0.1 + 0.1 of 0.3 are three."""
    return int(shares + 1e-9)


def _describe(nodes: Sequence[Node]) -> str:
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    total = f"the cluster has {_number(cpus)} CPU{_plural(cpus)} and {_number(gpus)} GPU{_plural(gpus)}"
    return total if len(nodes) == 1 else f"{total} on {len(nodes)} nodes"


def _number(value: float) -> str:
    return f"{value:g}"


def _plural(value: float) -> str:
    return "" if value == 1 else "s"
