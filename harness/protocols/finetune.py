"""Fine-tuning: the whole encoder and a linear layer on top are trained on the labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from cluster import Failure, JobError
from harness.datasets import Task
from harness.pairing import JoinedModule
from harness.protocols._goals import goal_of
from harness.protocols._grid import check_grid, edge_warnings
from harness.protocols._protocol import EncodedSplit, Needs, Protocol, Solution, View
from harness.protocols._quality import told
from harness.protocols._readings import AtPositions, Pooled, Reading, Tokens
from harness.protocols._tuning import Best, Learner, Part, Run, Trainable, Watch, answer, tune
from harness.protocols._whole_examples import WholeExamples
from methods import Keys, Method, Settings, Training

#: Passes over train where the configuration names neither steps nor epochs.
EPOCHS = 100
#: Of a training's learning rate, the grid of the supervised control.
SUPERVISED_RATES = (0.25, 1.0, 4.0)
#: Looks at val without gain after which it gives a rate up.
SUPERVISED_PATIENCE = 5
#: Points of a learning curve in the record, at most.
_CURVE = 50


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Settings):
    """Plain SGD at a constant rate, as Vincent 2010 did it; three of the six rates of its Table 2, {.0005, .005, .05,
    .1, .15, .2}. Batch size, epochs and patience are ours: the paper names none.

    Attributes:
        steps, epochs: the budget of every learning rate, in updates or in passes over train; at most one is given,
            with neither it is 100 epochs.
        per_stage: `epochs` count for each stage of the encoder, as those of the pretraining do.
        batch_size: examples per update.
        learning_rates: the grid, ascending.
        momentum, betas, epsilon, weight_decay, schedule, warmup_steps, clip_norm: as in pretraining; schedule and
            warm-up span the whole budget, whether or not it is used up.
        patience: looks at val in a row without a better metric or loss, after which a rate is given up; 0 never.
        check_every: epochs between looks at val; left out, one, but at least 20 and at most 200 looks in all, as long
            as these see no more examples than training does, and at least 5.
        precision: of matrix products and convolutions (torch.autocast); weights are float32.
    """

    steps: int | None = None
    epochs: float | None = None
    per_stage: bool = False
    batch_size: int = 20
    learning_rates: tuple[float, ...] = (0.005, 0.05, 0.2)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup_steps: int = 0
    clip_norm: float = 0.0
    patience: int = 20
    check_every: float | None = None
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        check_grid("learning_rates", self.learning_rates)
        if self.steps is not None and self.epochs is not None:
            raise ValueError("steps and epochs contradict each other; give one of them")
        if self.steps is not None and self.per_stage:
            raise ValueError("steps are counted over all stages; per_stage goes with epochs")
        if not all(given is None or 0 < given < math.inf for given in (self.steps, self.epochs, self.check_every)):
            raise ValueError("steps, epochs and check_every must be above zero")
        if self.batch_size < 1 or self.patience < 0:
            raise ValueError("batch_size must be at least 1, and patience at least 0")

    def budget(self, size: int, stages: int) -> int:
        """Updates, with `size` examples in train and an encoder of so many stages."""
        if self.steps is not None:
            return self.steps
        epochs = (EPOCHS if self.epochs is None else self.epochs) * (stages if self.per_stage else 1)
        return math.ceil(epochs * size / self.batch_size)

    def interval(self, size: int, val_size: int, budget: int) -> int:
        """Updates between looks at val, with so many examples in train and val."""
        epoch, look = size / self.batch_size, val_size / self.batch_size
        if self.check_every is not None:
            return max(round(self.check_every * epoch), 1)
        often = min(max(epoch, budget / 200), budget / 20)
        return max(round(max(often, min(look, budget / 5))), 1)

    def training(self, rate: float, steps: int) -> Training:
        """At this peak rate."""
        return Training(
            steps=steps,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=rate,
            momentum=self.momentum,
            betas=self.betas,
            epsilon=self.epsilon,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            warmup_steps=self.warmup_steps,
            clip_norm=self.clip_norm,
        )


class Finetune(Protocol):
    """A copy of the encoder and a linear layer on the ranked representation, trained on whole, uncorrupted examples
    (Vincent 2010); the frozen encoder stays as it was.

    The layer reads the pooled features of an example or pair, the local ones at labelled positions, or those of every
    token of a text; the loss is cross-entropy of classes, squared error of values, or cross-entropy of the tokens that
    an answer begins and ends with (Devlin et al. 2018). A batch counts examples, whatever the number of positions.

    The encoder is in training mode while it trains (batch statistics, dropout), in evaluation mode on val and test.
    Weights that the representation does not depend on, decoders, get no gradient and stay. Every learning rate starts
    from the same weights and sees the examples in the same order. Of all looks at val, of all rates, the one with the
    best value of the task's metric counts, of equal ones that with the lowest loss; its weights predict test once.
    """

    name = "finetune"
    version = 2
    kinds = frozenset({"class", "position", "pair", "regression", "span"})
    needs: ClassVar[Needs] = "module"
    Config = FinetuneConfig
    config: FinetuneConfig

    @classmethod
    def supervised(cls, training: Training) -> FinetuneConfig:
        """What pretraining was given, spent on the labels: the same optimiser, batch size, schedule and, in all, number
        of updates (each of which trains all layers). Three learning rates around that of the pretraining share them, so
        that the control costs what it is a control of."""
        shares = len(SUPERVISED_RATES)
        return FinetuneConfig(
            steps=None if training.steps is None else math.ceil(training.steps / shares),
            epochs=None if training.epochs is None else training.epochs / shares,
            per_stage=training.steps is None,
            batch_size=training.batch_size,
            learning_rates=tuple(float(f"{training.learning_rate * factor:.6g}") for factor in SUPERVISED_RATES),
            optimizer=training.optimizer,
            momentum=training.momentum,
            betas=training.betas,
            epsilon=training.epsilon,
            weight_decay=training.weight_decay,
            schedule=training.schedule,
            warmup_steps=training.warmup_steps // shares,  # else a third of the budget might never reach the peak
            clip_norm=training.clip_norm,
            patience=SUPERVISED_PATIENCE,
        )

    def solve(self, view: View, task: Task, keys: Keys) -> Solution:
        """`keys` order the examples and seed dropout; torch's global generators are left as they were.

        Raises:
            ValueError: the encoder has no weights to train, or train nothing to learn (see _goals.py).
            JobError: the loss is not finite under any learning rate.
        """
        encoder = view.encoder
        if not isinstance(encoder, Trainable) or not any(each.requires_grad for each in encoder.parameters()):
            raise ValueError(f"finetune needs an encoder with weights, not {type(encoder).__name__}")
        device = next(encoder.parameters()).device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            return self._solve(view, encoder, device, task, keys)

    def _solve(self, view: View, encoder: Trainable, device: torch.device, task: Task, keys: Keys) -> Solution:
        config, goal = self.config, goal_of(view, task, device)
        train = Part(WholeExamples(encoder, view.train, device), _reading(view.train, task), goal.train)
        val = Part(WholeExamples(encoder, view.val, device), _reading(view.val, task), goal.val)
        with torch.inference_mode():
            features = encoder.encode(val.examples.batch(torch.arange(1)))[view.representation]
            width = val.reading.vectors(features, torch.arange(1)).shape[-1]

        def start() -> Learner:
            return Learner(encoder, view.representation, width, goal.outputs, config.precision == "bf16")

        size, seed = len(train.examples), keys.fold("order").seed()
        budget = config.budget(size, _stages(encoder))
        best = Best()
        runs = [
            tune(
                start(),
                train,
                goal,
                config.training(rate, budget),
                Watch(val, goal, config.patience, best),
                seed=seed,
                interval=config.interval(size, len(val.examples), budget),
            )
            for rate in config.learning_rates
        ]
        values = [None if run.best is None else run.best.value for run in runs]
        if best.value is None:
            named = ", ".join(f"{rate:g}" for rate in config.learning_rates)
            raise JobError(Failure.DIVERGED, f"fine-tuning diverged at every learning rate ({named}); lower them")
        winner = values.index(best.value)
        learner = start()
        learner.load_state_dict(best.weights)
        outputs = answer(learner, WholeExamples(encoder, view.test, device, keep=False), _reading(view.test, task))
        if not outputs.isfinite().all():
            raise JobError(Failure.DIVERGED, "the fine-tuned encoder gives outputs on test that are not finite")
        return Solution(
            predictions=goal.predictions(outputs),
            selection={
                "rule": f"over all rates and looks at val, best {task.metric} on val, then lowest loss; no refit",
                "grid": list(config.learning_rates),
                "winner": config.learning_rates[winner],
                "budget_steps": budget,
                "runs": [_told(run, task) for run in runs],
            },
            warnings=(
                *goal.warnings(),
                *edge_warnings("learning rate", config.learning_rates[winner], config.learning_rates),
                *self._endings(runs, winner),
            ),
        )

    def _endings(self, runs: Sequence[Run], winner: int) -> list[str]:
        diverged = [
            f"{rate:g}" for rate, run in zip(self.config.learning_rates, runs, strict=True) if run.ended == "diverged"
        ]
        found = [f"fine-tuning diverged at learning rate {', '.join(diverged)}"] if diverged else []
        best = runs[winner].best
        if runs[winner].ended == "budget" and best is runs[winner].checks[-1]:
            found.append("val was best at the last look: a larger budget may do better")
        return found


def _reading(split: EncodedSplit, task: Task) -> Reading:
    if task.kind == "span":
        return Tokens()
    return Pooled() if split.positions is None else AtPositions(split.positions)


def _stages(encoder: Trainable) -> int:
    """Stages of the method, which may see the two texts of pairs apart."""
    method = encoder.encoder if isinstance(encoder, JoinedModule) else encoder
    assert isinstance(method, Method), "what has weights is a method"
    return len(method.stages())


def _told(run: Run, task: Task) -> dict[str, Any]:
    """A training in JSON: its best look at val, and its course in a few points."""
    every = math.ceil(len(run.checks) / _CURVE)
    shown = [check for index, check in enumerate(run.checks, 1) if index % every == 0 or index == len(run.checks)]
    best = {} if run.best is None else {name: each[0] for name, each in told(task, [run.best.value.quality]).items()}
    return {
        **(best or {f"val_{task.metric}": None}),
        "val_loss": run.best and -run.best.value.minus_loss,
        "best_step": run.best and run.best.step,
        "steps": run.checks[-1].step if run.checks else 0,
        "ended": run.ended,
        "curve": {
            "step": [check.step for check in shown],
            "train_loss": [check.train_loss for check in shown],
            **told(task, [check.value.quality for check in shown]),
            "val_loss": [-check.value.minus_loss for check in shown],
        },
    }
