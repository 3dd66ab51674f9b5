"""The DeepSpeed engine, set up so that it changes no mathematics. The only file that imports deepspeed.

What has to be said because the defaults differ: gradient clipping is on (1.0) unless switched off; "Adam" is AdamW
unless a client optimiser is passed; an engine that is not destroyed stays alive; the shared-memory collective is
compiled at first use and only serves inference; DeepSpeed's own clone of the world group ignores time-outs.
"""

from __future__ import annotations

import copy
import gc
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn

os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")

from harness.engine._quiet import quiet_stderr

with quiet_stderr():  # it asks the linker for libraries that nothing here needs, and the linker complains
    import deepspeed
    from deepspeed.accelerator import get_accelerator, set_accelerator
    from deepspeed.utils import groups

from harness.engine._engine import Compute, Engine, EngineState
from harness.engine._loss import Objective, StepReport, combine, report, total_weights
from harness.engine._optimizer import LossScale, build_optimizer, finish_gradients, to_cpu
from methods import Drawn, LossTerms, Stage, Training

logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
# ZeRO 3 calls collectives under names that torch is about to retire: hundreds of lines that no user can act on.
warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


class DeepSpeedEngine(Engine):
    """ZeRO 0 to 3 over float32 weights; needs a process group, also for one rank (see `join`)."""

    def __init__(self, stage: Stage, training: Training, compute: Compute, resume: EngineState | None = None) -> None:
        use_accelerator(compute.device.type)
        self._world = distributed.get_world_size()
        self._zero = compute.zero
        self._scale = LossScale.resume(compute.precision, resume.loss_scale if resume else None)
        # ZeRO 0 leaves whole gradients to the client, so that they are clipped and unscaled as in TorchEngine.
        self._clip_norm = training.clip_norm
        module = copy.deepcopy(stage).train()
        if resume is not None:
            module.load_state_dict(resume.weights)
        objective = Objective(module, compute.precision, compute.device).to(compute.device)
        self._optimizer = build_optimizer(training, objective.parameters())
        self._engine: Any = deepspeed.initialize(
            model=objective,
            optimizer=self._optimizer,
            config=_configuration(training, compute),
            dist_init_required=False,
        )[0]
        if self._world == 1 and self._zero == 0:
            self._engine.enable_backward_allreduce = False
        self._parameters: dict[str, Any] = {  # DeepSpeed adds attributes of its own
            name: each for name, each in objective.stage.named_parameters() if each.requires_grad
        }
        if resume is not None:
            self._load_optimizer(resume.optimizer)

    def step(self, micros: Sequence[Drawn], learning_rate: float) -> StepReport:
        totals = total_weights(micros, self._world)
        zero = self._engine.optimizer if self._zero else None
        if self._scale is not None and zero is not None:
            zero.override_loss_scale(self._scale.scale)
        factor: float = self._world  # DeepSpeed averages gradients over ranks; the loss is a sum
        if self._scale is not None and zero is None:
            factor *= self._scale.scale
        seen: list[LossTerms] = []
        for index, drawn in enumerate(micros):
            self._engine.set_gradient_accumulation_boundary(index == len(micros) - 1)
            terms: LossTerms = self._engine(drawn)
            loss = combine(terms.sums, totals)
            self._engine.backward(loss if factor == 1 else loss * factor, scale_wrt_gas=False)
            seen.append(terms)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        if zero is not None:
            self._engine.step()
            applied = not zero.overflow
        else:
            scale = self._scale.scale if self._scale else None
            applied = finish_gradients(list(self._parameters.values()), self._clip_norm, scale)
            if applied:
                self._engine.step()
            else:
                self._engine.zero_grad()
        if self._scale is not None:
            self._scale.update(applied)
            applied = applied or not self._scale.exhausted
        return report(seen, totals, applied)

    def weights(self) -> dict[str, Tensor]:
        stage = self._engine.module.stage
        if self._zero < 3:
            return to_cpu(stage.state_dict())
        with deepspeed.zero.GatheredParameters(list(stage.parameters())):
            return to_cpu(stage.state_dict())

    def snapshot(self) -> EngineState:
        return EngineState(self.weights(), self._gather_optimizer(), self._scale.state() if self._scale else {})

    def close(self) -> None:
        self._engine.destroy()
        del self._engine, self._optimizer, self._parameters
        gc.collect()

    def _gather_optimizer(self) -> dict[str, dict[str, Tensor]]:
        gathered: dict[str, dict[str, Tensor]] = {}
        for name, shard in self._shards():
            state = self._optimizer.state.get(shard.flat, {}) if shard.flat is not None else {}
            gathered[name] = {}
            for key in self._state_keys():
                value = state.get(key)
                sharded = key != "step"
                whole = torch.zeros(shard.numel if sharded else 1, device=get_accelerator().current_device_name())
                if isinstance(value, Tensor):
                    if sharded:
                        whole[shard.start : shard.start + shard.length] = value.view(-1)[shard.slice]
                    else:
                        whole[0] = value
                if self._world > 1 and self._zero:
                    operation = distributed.ReduceOp.SUM if sharded else distributed.ReduceOp.MAX
                    distributed.all_reduce(whole, operation)
                gathered[name][key] = whole.cpu().view(shard.shape if sharded else ())
        return gathered if any(gathered.values()) else {}

    def _state_keys(self) -> list[str]:
        """Of the optimiser's state; alike on all ranks even where one of them holds no part of a parameter."""
        for state in self._optimizer.state.values():
            return [key for key, value in state.items() if isinstance(value, Tensor)]
        return []

    def _load_optimizer(self, saved: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, shard in self._shards():
            if shard.flat is None or name not in saved:
                continue
            state = self._optimizer.state[shard.flat]
            for key, value in saved[name].items():
                value = value.to(shard.flat.device)
                if key == "step":
                    state[key] = value.clone()
                    continue
                if key not in state:
                    state[key] = torch.zeros_like(shard.flat, requires_grad=False)
                state[key].view(-1)[shard.slice] = value.reshape(-1)[shard.start : shard.start + shard.length]

    def _shards(self) -> Iterator[tuple[str, _Shard]]:
        """Where this rank keeps its part of each parameter's optimiser state.

        DeepSpeed's safe_get_full_optimizer_state does not do: with more than one parameter group it links the state
        of the first group only, and none before the first step.
        """
        zero = self._engine.optimizer
        for name, parameter in self._parameters.items():
            if self._zero == 0:
                yield name, _Shard(parameter.shape, parameter, 0, 0, parameter.numel())
            elif self._zero < 3:
                yield name, _shard_of_flat_group(parameter, zero)
            else:
                group, offset, count = zero.grad_position[zero.get_param_id(parameter)]
                start = min(distributed.get_rank() * count, parameter.ds_numel)
                count = min(count, parameter.ds_numel - start)  # the last rank's part is padded
                flat = zero.fp32_partitioned_groups_flat[group]
                yield name, _Shard(parameter.ds_shape, flat, offset, start, count)


class _Shard(NamedTuple):
    """Elements [start, start + length) of a parameter of this shape lie at `offset` in the flat tensor that the
    optimiser sees; flat is None where this rank has no part of it."""

    shape: torch.Size
    flat: nn.Parameter | None
    offset: int
    start: int
    length: int

    @property
    def numel(self) -> int:
        return self.shape.numel()

    @property
    def slice(self) -> slice:
        return slice(self.offset, self.offset + self.length)


def _shard_of_flat_group(parameter: Any, zero: Any) -> _Shard:
    """ZeRO 1 and 2: each group of parameters is one flat tensor, cut evenly over the ranks."""
    mapping = parameter._hp_mapping
    if mapping is None:
        return _Shard(parameter.shape, None, 0, 0, 0)
    held, whole = mapping.get_hp_fragment_address(), mapping.lp_fragment_address
    flat = zero.single_partition_of_fp32_groups[mapping.param_group_index]
    return _Shard(parameter.shape, flat, held.start, whole.start, held.numel)


def _configuration(training: Training, compute: Compute) -> dict[str, Any]:
    zero: dict[str, Any] = {"stage": compute.zero}
    if compute.zero and compute.device.type == "cpu":  # measured: half the step's overhead for small models
        zero |= {"contiguous_gradients": False, "overlap_comm": False}
        zero |= {"reduce_bucket_size": 1_000_000, "allgather_bucket_size": 1_000_000}
    ours = {
        "train_micro_batch_size_per_gpu": 1,  # only DeepSpeed's sample counters read it
        "gradient_accumulation_steps": 1,  # the boundary is set by hand
        "gradient_clipping": training.clip_norm if compute.zero else 0.0,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 10**9,
    }
    return _merge(ours, compute.deepspeed)


def _merge(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(ours)
    for key, value in theirs.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def use_accelerator(device: str) -> None:
    """DeepSpeed chooses its device at import; a CPU job on a machine with GPUs needs it changed."""
    if get_accelerator().device_name().partition(":")[0] == device:
        return
    if device == "cpu":
        from deepspeed.accelerator.cpu_accelerator import CPU_Accelerator as Accelerator
    else:
        from deepspeed.accelerator.cuda_accelerator import CUDA_Accelerator as Accelerator
    set_accelerator(Accelerator())


def adopt_group(rank: int, world: int, backend: str, device: str, timeout: timedelta) -> None:
    """Lets DeepSpeed use torch's process group, and gives its clone of it the same time-out."""
    use_accelerator(device)
    if deepspeed.comm.is_initialized():
        return
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": "0"}
    deepspeed.init_distributed(backend, auto_mpi_discovery=False, verbose=False, timeout=timeout)
    distributed.distributed_c10d._set_pg_timeout(timeout, groups._get_data_parallel_group())


def forget_group() -> None:
    """Destroys the process group on DeepSpeed's side, so that the next gang may have another size."""
    if deepspeed.comm.comm.cdb is not None:
        deepspeed.comm.destroy_process_group()
        deepspeed.comm.comm.cdb = None


def warm_up() -> None:
    """Builds one engine and makes one step, for the sake of the imports that DeepSpeed puts off until then. ZeRO 1
    and 2 would cost another 0.7 s here, which few slots ever use."""
    training = Training(steps=1, batch_size=1, optimizer="adamw", learning_rate=0.0)
    engine = DeepSpeedEngine(_Toy(), training, Compute(gpus_per_rank=float(get_accelerator().device_name() != "cpu")))
    engine.step([_Toy().draw({}, None)], 0.0)
    engine.close()


class _Toy(Stage):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def draw(self, batch: Mapping[str, Any], keys: object) -> Drawn:
        one = torch.ones(1, device=get_accelerator().current_device_name())
        return Drawn({"x": one}, {"loss": one[0]})

    def forward(self, drawn: Drawn) -> LossTerms:
        return LossTerms({"loss": self.layer(drawn.tensors["x"]).sum()})
