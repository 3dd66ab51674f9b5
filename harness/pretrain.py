"""The training loop: stages in turn, each to its share of the steps; exact over ranks, micro-batches and restarts."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from cluster import Failure, Gang, JobError
from harness import peak_memory
from harness.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from harness.engine import Compute, Engine, EngineState, StepReport, fetch, join, open_engine, rank_zero_says
from harness.feed import Feed
from harness.order import Order, steps_per_stage
from harness.proof import StageProof, held_out_loss, relative_change, require_training, summary
from harness.schedule import learning_rate
from methods import Keys, Method, Settings, Source, Stage, State, Training

_log = logging.getLogger(__name__)

Tell = Callable[[Mapping[str, Any]], None]

#: Points of the learning curve at most, and one more at the end of each stage.
CURVE_POINTS = 200
#: Several ranks agree on a checkpoint every so many steps: asking costs a message.
AGREE_EVERY = 20


@dataclass(frozen=True)
class Pretrained:
    """A trained method, on the CPU in evaluation mode, and how it got there.

    Attributes:
        method, state: what `save_encoder` takes.
        result: JSON for the record: steps, curve, proof, stages, parameters, cost.
    """

    method: Method
    state: State
    result: Mapping[str, Any]


def build(method: type[Method], config: Settings, source: Source, seed: int) -> tuple[Method, State]:
    """An untrained method and its fitted state: a function of (method, config, source, seed) alone."""
    state = method.fit(config, source, Keys.of(seed, "fit"))
    torch.manual_seed(Keys.of(seed, "init").seed())
    return method(config, source.spec, state), state


def pretrain(
    method_class: type[Method],
    config: Settings,
    training: Training,
    source: Source,
    held_out: Source,
    *,
    seed: int,
    compute: Compute,
    gang: Gang | None = None,
    checkpoints: Path | None = None,
    fingerprint: str = "",
    checkpoint_seconds: float = 60.0,
    tell: Tell | None = None,
) -> Pretrained:
    """Trains a method. Every rank of the gang calls it with the same arguments and gets the same weights.

    Args:
        source, held_out: training and validation examples; labels are in neither.
        checkpoints: a folder that all ranks see, for resumable state; what lies in it under the same fingerprint is
            gone on from. None: neither written nor read.
        tell: called on rank 0 about once a second with {phase, stage, step, steps, loss, steps_per_second}.

    Raises:
        JobError: the loss diverged, nothing was trained, or the settings cannot be met.
    """
    gang = gang or Gang()
    began = time.perf_counter()
    join(gang, compute.device.type, deepspeed=compute.engine == "deepspeed")
    method, state = build(method_class, config, source, seed)
    method.to(compute.device)
    peak_memory.reset(compute.device)
    stages = list(method.stages())
    saved = load_checkpoint(checkpoints, fingerprint) if checkpoints else None
    if saved:
        _log.info("going on from step %d of stage %d", saved.step, saved.stage)
        method.load_state_dict(saved.method)
    run = _Run(
        method=method,
        training=training,
        source=source,
        seed=seed,
        compute=compute,
        gang=gang,
        lengths=_lengths(training, stages, len(source), gang),
        dropout="dropout" in method_class.coupling(config),
        checkpoints=checkpoints,
        fingerprint=fingerprint,
        checkpoint_seconds=checkpoint_seconds,
        tell=tell if gang.rank == 0 else None,
        progress=_Progress(**saved.progress) if saved else _Progress(),
        began=began,
    )
    for index in range(saved.stage if saved else 0, len(stages)):
        resume = saved if saved and saved.stage == index else None
        run.stage(stages[index].to(compute.device), index, held_out, resume)
    method.to("cpu").eval()
    return Pretrained(method, state, run.result())


@dataclass
class _Progress:
    """What a resumed run must know of the run so far. JSON."""

    curve: list[dict[str, Any]] = field(default_factory=list)
    proofs: list[dict[str, float]] = field(default_factory=list)
    held_out_initial: float | None = None  # of the current stage
    seconds: float = 0.0  # in earlier attempts
    stepping: float = 0.0  # in the loop of steps, for the rate
    waiting: float = 0.0  # for examples


@dataclass(kw_only=True)
class _Run:
    """One pretraining on one rank."""

    method: Method
    training: Training
    source: Source
    seed: int
    compute: Compute
    gang: Gang
    lengths: list[int]  # steps per stage
    dropout: bool
    checkpoints: Path | None
    fingerprint: str
    checkpoint_seconds: float
    tell: Tell | None
    progress: _Progress
    began: float
    told: float = 0.0

    def stage(self, stage: Stage, index: int, held_out: Source, resume: Checkpoint | None) -> None:
        """Trains one stage and proves it."""
        start = {name: tensor.detach().cpu().clone() for name, tensor in stage.state_dict().items()}
        if self.progress.held_out_initial is None:
            self.progress.held_out_initial = self._held_out_loss(stage, index, held_out)
        engine = open_engine(stage, self.training, self.compute, resume.engine if resume else None)
        try:
            self._steps(engine, stage, index, resume.step if resume else 0)
            end = engine.weights()
        finally:
            engine.close()
        stage.load_state_dict(end)
        proof = StageProof(
            held_out_initial=self.progress.held_out_initial,
            held_out_final=self._held_out_loss(stage, index, held_out),
            parameter_change=relative_change(start, end),
        )
        require_training(proof, index)
        self.progress.proofs.append(asdict(proof))
        self.progress.held_out_initial = None

    def _steps(self, engine: Engine, stage: Stage, index: int, first: int) -> None:
        self.method.eval()  # `draw` sees earlier stages as they will be used; the engine's copy is in training mode
        steps, training = self.lengths[index], self.training
        log_every = math.ceil(sum(self.lengths) / CURVE_POINTS)
        feed = self._feed(stage, index)
        saved_at = entered = time.perf_counter()
        try:
            for step, micros in feed.steps(first, steps):
                if self.dropout:
                    torch.manual_seed(Keys.of(self.seed, f"dropout/{index}/{step}/{self.gang.rank}").seed())
                report = engine.step(micros, learning_rate(training, step, steps))
                if step % log_every == 0 or step == steps - 1:
                    self._log(report, index, step)
                self._require_finite(report, index, step)
                self._tell(index, step, (step - first + 1) / (time.perf_counter() - entered))
                if self.checkpoints and step < steps - 1 and self._due(step, saved_at):
                    self._account(feed, entered)
                    self._save(engine, index, step + 1)
                    saved_at = entered = time.perf_counter()
        finally:
            self._account(feed, entered)
            feed.close()

    def _feed(self, stage: Stage, index: int) -> Feed:
        return Feed(
            self.method,
            stage,
            index,
            self.source,
            Order(self.seed, len(self.source)),
            seed=self.seed,
            batch_size=self.training.batch_size,
            rank=self.gang.rank,
            world=self.gang.world,
            accumulate=self.training.accumulate,
            device=self.compute.device,
        )

    def _held_out_loss(self, stage: Stage, index: int, held_out: Source) -> float:
        batch_size = max(self.training.batch_size // self.training.accumulate, 1)
        self.method.eval()
        stage.eval()
        return held_out_loss(
            self.method, stage, index, held_out, seed=self.seed, batch_size=batch_size, device=self.compute.device
        )

    def _log(self, report: StepReport, index: int, step: int) -> None:
        values = fetch(report, self.gang.world)
        if not math.isfinite(values.loss):
            raise JobError(Failure.DIVERGED, _diverged(index, step, values.terms))
        point = {"stage": index, "step": sum(self.lengths[:index]) + step, "loss": values.loss, "terms": values.terms}
        self.progress.curve.append({**point, **({"monitors": values.monitors} if values.monitors else {})})

    def _require_finite(self, report: StepReport, index: int, step: int) -> None:
        """Every step where that costs nothing; elsewhere when the values are fetched, since what is not finite
        stays so."""
        if not report.finite:
            raise JobError(Failure.DIVERGED, _diverged(index, step, {"gradient": math.nan}))
        if self.gang.world == 1 and self.compute.device.type == "cpu":
            for name, value in report.sums.items():
                if not math.isfinite(value.item()):
                    raise JobError(Failure.DIVERGED, _diverged(index, step, {name: value.item()}))

    def _tell(self, index: int, step: int, rate: float) -> None:
        now = time.perf_counter()
        if self.tell is None or now - self.told < 1.0:
            return
        self.told = now
        self.tell(
            {
                "phase": "pretrain",
                "stage": index,
                "step": sum(self.lengths[:index]) + step + 1,
                "steps": sum(self.lengths),
                "loss": self.progress.curve[-1]["loss"] if self.progress.curve else None,
                "steps_per_second": rate,
            }
        )

    def _due(self, step: int, saved_at: float) -> bool:
        if self.gang.world > 1 and step % AGREE_EVERY:
            return False
        return rank_zero_says(time.perf_counter() - saved_at >= self.checkpoint_seconds, self.compute.device)

    def _account(self, feed: Feed, entered: float) -> None:
        self.progress.stepping += time.perf_counter() - entered
        self.progress.waiting += feed.waiting
        feed.waiting = 0.0

    def _save(self, engine: Engine, index: int, step: int) -> None:
        state: EngineState = engine.snapshot()  # on all ranks: it gathers
        if self.checkpoints is None or self.gang.rank:
            return
        progress = asdict(self.progress) | {"seconds": self._seconds()}
        checkpoint = Checkpoint(
            fingerprint=self.fingerprint,
            stage=index,
            step=step,
            method=self.method.state_dict(),
            engine=state,
            progress=progress,
        )
        save_checkpoint(self.checkpoints, checkpoint)

    def _seconds(self) -> float:
        return self.progress.seconds + time.perf_counter() - self.began

    def result(self) -> dict[str, Any]:
        steps, seconds = sum(self.lengths), self._seconds()
        stepping = max(self.progress.stepping, 1e-9)
        return {
            "steps": steps,
            "curve": self.progress.curve,
            "proof": summary([StageProof(**proof) for proof in self.progress.proofs]),
            "stages": len(self.lengths),
            "parameters": sum(parameter.numel() for parameter in self.method.parameters()),
            "cost": {
                "seconds": seconds,
                "device_seconds": seconds * self.gang.world,
                "examples_per_second": steps * self.training.batch_size / stepping,
                "peak_memory_bytes": peak_memory.peak(self.compute.device),
                "waiting_share": self.progress.waiting / stepping,
            },
        }


def _lengths(training: Training, stages: list[Stage], size: int, gang: Gang) -> list[int]:
    pieces = gang.world * training.accumulate
    if training.batch_size < pieces:
        message = (
            f"batch_size: {training.batch_size} cannot be cut into {gang.world} ranks x {training.accumulate} "
            "micro-batches; raise it, or lower `ranks` or `accumulate`"
        )
        raise JobError(Failure.CODE, message)
    try:
        return steps_per_stage(training, [stage.share for stage in stages], size)
    except ValueError as error:
        raise JobError(Failure.CODE, str(error)) from error


def _diverged(index: int, step: int, values: Mapping[str, float]) -> str:
    shown = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"the loss is not finite at step {step} of stage {index}: {shown}; lower `learning_rate` or set `clip_norm`"
