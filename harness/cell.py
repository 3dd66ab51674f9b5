"""What runs inside a worker: the two jobs of a cell. Each writes its own records, so a killed driver loses nothing."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from cluster import Failure, Gang, JobError
from harness import encoders, evaluation, provenance
from harness import pretrain as training
from harness.checkpoint import save_encoder
from harness.configuration import restore
from harness.datasets import DatasetError, SplitName
from harness.datasets.cache import open_dataset
from harness.engine import Compute
from harness.features import Encodings, NotFiniteError
from harness.identity import canonical
from harness.plan import Cell, Pretraining, cell_from_json
from harness.record import Kind, Record
from harness.report.gallery import save_panels
from harness.store import Store
from methods import Training, roster

_log = logging.getLogger(__name__)


def pretrain(payload: Mapping[str, Any], gang: Gang) -> None:
    """Train an encoder. Every rank calls this; rank 0 leaves weights, pictures and a record."""
    work = _Work.of(payload)
    plan = work.cell.encoder
    if not isinstance(plan, Pretraining):
        raise JobError(Failure.CODE, f"{work.cell.id} has nothing to pretrain")
    started = time.time()
    start = plan.initialisation
    method_class = roster()[start.method]
    config = restore(method_class.Config, start.config)
    with work.logged(gang), work.progress(plan.fingerprint, gang) as tell:
        data = open_dataset(start.dataset)
        source, held_out = data.pretraining()
        _log.info(
            "pretraining %s on %s, seed %d, rank %d of %d", start.method, start.dataset.name, start.seed, *gang[:2]
        )
        trained = training.pretrain(
            method_class,
            config,
            restore(Training, plan.training),
            source,
            held_out,
            seed=start.seed,
            compute=work.compute(plan),
            gang=gang,
            checkpoints=work.store.checkpoints(plan.fingerprint),
            fingerprint=plan.fingerprint,
            checkpoint_seconds=payload["checkpoint_seconds"],
            tell=tell,
        )
        if gang.rank > 0:
            return
        artifacts = work.store.artifacts(plan.fingerprint)
        save_encoder(artifacts, trained.method, trained.state)
        groups_used = source.groups_read or held_out.groups_read  # before the gallery, which may colour by them
        save_panels(artifacts / "gallery", trained.method.gallery(held_out))
        result = {
            **trained.result,
            "coupling": sorted(method_class.coupling(config)),
            "groups_used": groups_used,
            "dataset_digest": data.digest,
        }
        work.store.write(work.record("pretraining", plan.fingerprint, plan, started, result))
        shutil.rmtree(work.store.checkpoints(plan.fingerprint), ignore_errors=True)
        _log.info("pretrained in %.1f s: %s", time.time() - started, _proven(trained.result["proof"]))


def evaluate(payload: Mapping[str, Any], gang: Gang) -> None:
    """Solve a cell's tasks on its frozen encoder; one record for each task and protocol, written as soon as it is
    there."""
    work = _Work.of(payload)
    cell = work.cell
    fingerprints = payload["fingerprints"]
    with work.logged(gang), work.progress(payload["lease"], gang) as tell:
        data = open_dataset(cell.dataset)
        encoder = encoders.load(cell, work.store, data)

        @cache
        def encodings(split: SplitName, examples: str) -> Encodings:
            return Encodings(encoder, data.split(split, examples).source)

        for number, fingerprint in enumerate(fingerprints):
            started, asked = time.time(), cell.wanted[fingerprint]
            tell({"phase": f"{asked.task} by {asked.protocol}", "step": number, "steps": len(fingerprints)})
            done = evaluation.evaluate(cell, asked, data, encodings)
            artifacts = work.store.artifacts(fingerprint)
            artifacts.mkdir(parents=True, exist_ok=True)
            save_file(done.predictions, artifacts / "predictions.safetensors")
            save_file(done.outcomes, artifacts / "outcomes.safetensors")
            if done.panels:
                save_panels(artifacts / "gallery", done.panels)
            identity = cell.evaluation_identity(asked)
            work.store.write(work.record("evaluation", fingerprint, identity, started, done.result))
            scores = ", ".join(f"{score['representation']} {score['value']:.4g}" for score in done.result["scores"])
            about = (asked.task, asked.protocol, time.time() - started, scores)
            _log.info("evaluated %s with %s in %.1f s: %s", *about)
            for warning in done.result["warnings"]:
                _log.warning("%s", warning)


def _proven(proof: Mapping[str, Any]) -> str:
    """Whether training happened, in words."""
    first, last, moved = proof["held_out_initial"], proof["held_out_final"], proof["parameter_change"]
    return f"held-out loss {first:.4g} -> {last:.4g}, parameters changed by {moved:.0%}"


@dataclass(frozen=True)
class _Work:
    """A job's payload, understood."""

    store: Store
    suite: str
    cell: Cell

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> _Work:
        return cls(Store.open(Path(payload["store"])), payload["suite"], cell_from_json(payload["cell"]))

    def compute(self, plan: Pretraining) -> Compute:
        settings = {name: value for name, value in plan.compute.items() if name != "ranks"}
        return restore(Compute, {**settings, "gpus_per_rank": self.cell.gpus_per_rank})

    def record(self, kind: Kind, fingerprint: str, identity: Any, started: float, result: Mapping[str, Any]) -> Record:
        return Record(
            kind=kind,
            fingerprint=fingerprint,
            attempt=self.store.attempts(fingerprint) + 1,
            status="ok",
            suite=self.suite,
            cell=self.cell.id,
            label=self.cell.label,
            method=self.cell.method,
            dataset=self.cell.dataset_label,
            seed=self.cell.seed,
            control=self.cell.control,
            identity=canonical(identity),
            started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
            seconds=time.time() - started,
            hardware=provenance.hardware(),
            versions=provenance.versions(),
            git=provenance.git(),
            result=result,
        )

    @contextmanager
    def logged(self, gang: Gang) -> Iterator[None]:
        """What is logged goes to the cell's own file as well, while this job runs."""
        handler = logging.FileHandler(self.store.log(self.cell.id), delay=True)
        handler.setFormatter(logging.Formatter(f"%(asctime)s rank {gang.rank} %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield
        except DatasetError as error:
            raise JobError(Failure.BAD_DATA, str(error)) from error
        except NotFiniteError as error:
            raise JobError(Failure.DIVERGED, f"{self.cell.id}: {error}") from error
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
            handler.close()

    @contextmanager
    def progress(self, lease: str, gang: Gang) -> Iterator[training.Tell]:
        """Where the training loop tells how far it is, for `run` and `status` to show."""
        place = self.store.progress(lease)
        fixed = {"cell": self.cell.id, "host": socket.gethostname(), "pid": os.getpid()}

        def tell(news: Mapping[str, Any]) -> None:
            self.store.put_json(place, {**fixed, **news, "updated": time.time()})

        try:
            yield tell
        finally:
            if gang.rank == 0:
                place.unlink(missing_ok=True)
