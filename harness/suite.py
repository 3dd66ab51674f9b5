"""What a suite may say: the one place where its keys, their types and their defaults are written down.

These models are the border between YAML and the harness. Short forms ("sdae" for {name: sdae}, "all", seeds: 5) are
spelled out by suite_file.py before anything reaches them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

#: Labels become cell ids and file names: no "/", and no ".", which marks the untrained twins.
LABEL = r"^[A-Za-z0-9][A-Za-z0-9_+-]*$"

Label = Annotated[str, StringConstraints(pattern=LABEL, max_length=80)]
Text = Annotated[str, StringConstraints(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Retries = Annotated[int, Field(ge=0, le=100)]


class Section(BaseModel):
    """A mapping in a suite: unknown keys are mistakes, and nothing changes it once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingOverrides(Section):
    """Fields of `methods.Training`, none of them required: what is left out comes from the layer below."""

    steps: Annotated[int, Field(ge=1)] | None = None
    epochs: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    optimizer: Literal["sgd", "adam", "adamw"] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] | None = None
    epsilon: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    schedule: Literal["constant", "linear", "cosine"] | None = None
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    clip_norm: Annotated[float, Field(ge=0)] | None = None
    accumulate: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("steps and epochs contradict each other; give one of them")
        return self

    def said(self) -> dict[str, Any]:
        """What was written, as plain values."""
        return self.model_dump(mode="json", exclude_none=True)


class MethodEntry(Section):
    """One row of the matrix: a method under one configuration."""

    name: str
    as_: Label | None = Field(default=None, alias="as", description="how tables name it; by default the method's name")
    preset: str | None = Field(default=None, description="in place of the suite's")
    config: dict[str, Any] = Field(default={}, description="values of the method's Config, over the preset's")
    pretrain: TrainingOverrides = Field(default_factory=TrainingOverrides, description="the last word on training")

    @property
    def label(self) -> str:
        return self.as_ or self.name


class PretrainOn(Section):
    """The dataset on which encoders are pretrained, where it is not the one they are judged on."""

    name: str
    config: dict[str, Any] = {}


class DatasetEntry(Section):
    """One column of the matrix: a dataset under one configuration."""

    name: str
    as_: Label | None = Field(default=None, alias="as", description="how tables name it; by default the dataset's name")
    config: dict[str, Any] = Field(default={}, description="values of the dataset's Config")
    pretrain_on: PretrainOn | None = Field(default=None, description="a dataset of this suite, or any other")
    pretrain: TrainingOverrides = Field(default_factory=TrainingOverrides, description="training on this dataset")

    @property
    def label(self) -> str:
        return self.as_ or self.name


class ProtocolEntry(Section):
    """One way to solve tasks on frozen encoders."""

    name: str
    config: dict[str, Any] = Field(default={}, description="values of the protocol's Config")


class Evaluate(Section):
    """How encoders are judged. The controls come unasked."""

    protocols: tuple[ProtocolEntry, ...] = Field(default=(ProtocolEntry(name="linear"),), min_length=1)
    tasks: tuple[str, ...] | None = Field(default=None, min_length=1, description="only these; by default all")
    supervised: float = Field(default=1.0, gt=0, le=1, description="share of a pretraining's updates for that control")


class Exclusion(Section):
    """A pair left out of the matrix on purpose."""

    method: str = Field(description="a label; * and ? stand for any")
    dataset: str = Field(description="a label; * and ? stand for any")
    reason: Text


class Resources(Section):
    """Where a cell runs, and in which arithmetic."""

    ranks: int = Field(default=1, ge=1, description="processes that train one cell together")
    gpus_per_rank: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    cpus_per_rank: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    engine: Literal["deepspeed", "torch"] = "deepspeed"
    zero: Literal[0, 1, 2, 3] = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    deepspeed: dict[str, Any] = Field(default={}, description="further DeepSpeed JSON")


class Retry(Section):
    """Further attempts per class of failure; an error in the code is never tried again."""

    lost: Retries = 3
    oom: Retries = 1
    hung: Retries = 1
    diverged: Retries = 0
    bad_data: Retries = 0


class Deadline(Section):
    """Seconds that one attempt may take."""

    pretrain: Seconds = 6 * 3600.0
    evaluate: Seconds = 3600.0


class Checkpoint(Section):
    """How often a pretraining saves itself."""

    seconds: Seconds = 60.0


class Wandb(Section):
    """The mirror in Weights & Biases."""

    mode: Literal["offline", "online", "disabled"] = Field(
        default="offline", description="online pushes while the suite runs; WANDB_MODE can only lower it"
    )
    project: Text = "harness"


class Suite(Section):
    """A suite, checked on its own: names and configurations are checked where the plan is made."""

    name: Label = Field(default="suite", description="by default the file's name")
    preset: str | dict[str, str] = Field(default="small", description="for all methods, or per label or name")
    methods: tuple[MethodEntry, ...] = Field(min_length=1)
    datasets: tuple[DatasetEntry, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1)
    pretrain: TrainingOverrides = Field(default_factory=TrainingOverrides, description="training, over the presets'")
    evaluate: Evaluate = Evaluate()
    exclude: tuple[Exclusion, ...] = ()
    resources: Resources = Resources()
    retry: Retry = Retry()
    deadline: Deadline = Deadline()
    checkpoint: Checkpoint = Checkpoint()
    wandb: Wandb = Wandb()
