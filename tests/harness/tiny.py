"""A plan of one tiny method on the real digits, and a store in which its cells' jobs can be run in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from cluster import Job
from harness.plan import Cell, Plan
from harness.planning import plan_suite
from harness.store import Store
from harness.todo import todo

TEXT = """\
methods: [{name: sdae, config: {layers: 2, width: 8}}]
datasets: [digits]
pretrain: {steps: 10, batch_size: 8}
evaluate: {protocols: [{name: linear, config: {points: 1, weakest: 0.1, strongest: 0.1}}]}
resources: {engine: torch}
"""


class Tiny(NamedTuple):
    plan: Plan
    store: Store

    @property
    def raw(self) -> Cell:
        return self.cell("raw/digits/0")

    @property
    def trained(self) -> Cell:
        return self.cell("sdae/digits/0")

    @property
    def twin(self) -> Cell:
        return self.cell("sdae.untrained/digits/0")

    def cell(self, name: str) -> Cell:
        """By its id."""
        (found,) = (cell for cell in self.plan.cells if cell.id == name)
        return found

    def job(self, name: str) -> Job:
        """As `run` would make it now."""
        return todo(self.plan, self.store, retry_failed=True).tasks[name].job

    def payload(self, name: str) -> dict[str, Any]:
        return dict(self.job(name).payload)


def tiny(folder: Path, *sets: str) -> Tiny:
    path = folder / "tiny.yaml"
    path.write_text(TEXT)
    return Tiny(plan_suite(str(path), sets=sets), Store.open(folder / "runs"))
