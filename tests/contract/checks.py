"""What every method promises. Each check is shown to catch a method that breaks it, in test_planted_bugs.py."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from harness.checkpoint import load_encoder, save_encoder
from harness.pretrain import build
from methods import Drawn, Method, Stage
from tests.contract.subjects import Subject, stages

IDS = torch.tensor([3, 1, 4, 15, 9, 2, 6, 5])


def loss_of(stage: Stage, drawn: Drawn) -> Tensor:
    sums = stage(drawn).sums
    assert sums.keys() == drawn.weights.keys(), "loss terms and drawn weights have different names"
    return torch.stack([sums[name].float() / drawn.weights[name].clamp_min(1e-12) for name in sums]).sum()


def loss_is_finite(subject: Subject) -> None:
    method = subject.build()
    for index, stage in stages(method):
        assert torch.isfinite(loss_of(stage, subject.draw(method, stage, IDS))), f"stage {index}"


def gradients_reach_what_is_trained(subject: Subject) -> None:
    """Every parameter of the stage, none of another stage, and nothing through `draw`."""
    method = subject.build()
    for index, stage in stages(method):
        method.zero_grad()
        torch.autograd.backward(loss_of(stage, subject.draw(method, stage, IDS)))
        trained = dict(stage.named_parameters())
        for name, parameter in trained.items():
            assert parameter.grad is not None, f"stage {index}: no gradient reaches {name}"
            assert parameter.grad.abs().sum() > 0, f"stage {index}: the gradient of {name} is zero"
        owned = {id(parameter) for parameter in trained.values()}
        for name, parameter in method.named_parameters():
            assert id(parameter) in owned or parameter.grad is None or not parameter.grad.any(), f"{name} is frozen"


def draw_is_keyed(subject: Subject) -> None:
    """Equal keys give equal draws, whatever the global generator did; other keys give others, if there are dice."""
    method = subject.build()
    for index, stage in stages(method):
        torch.manual_seed(1)
        first = subject.draw(method, stage, IDS)
        torch.manual_seed(2)
        again = subject.draw(method, stage, IDS)
        assert same(first, again), f"stage {index}: equal keys gave different draws"
        other = subject.draw(method, stage, IDS, seed=1)
        assert not same(first, other), f"stage {index}: different keys gave equal draws"


def draw_is_per_example(subject: Subject) -> None:
    """A part of the batch draws the rows that it has in the whole, and weights add up over parts."""
    method = subject.build()
    for index, stage in stages(method):
        whole = subject.draw(method, stage, IDS)
        parts = [subject.draw(method, stage, ids) for ids in (IDS[:3], IDS[3:])]
        for name, tensor in whole.tensors.items():
            joined = torch.cat([part.tensors[name] for part in parts])
            # matrix products of another height round differently, so not to the bit
            assert torch.allclose(joined.double(), tensor.double(), rtol=1e-4, atol=1e-5), f"stage {index}: {name}"
        for name, weight in whole.weights.items():
            total = sum(float(part.weights[name]) for part in parts)
            assert abs(total - float(weight)) <= 1e-5 * abs(total), f"stage {index}: weight of {name}"


@torch.no_grad()
def sums_add_up(subject: Subject) -> None:
    """Losses are sums over examples: those of two parts add up to that of the whole."""
    if subject.method.coupling(subject.config):
        return
    method = subject.build()
    for index, stage in stages(method):
        whole = stage(subject.draw(method, stage, IDS)).sums
        parts = [stage(subject.draw(method, stage, ids)).sums for ids in (IDS[:3], IDS[3:])]
        for name, value in whole.items():
            total = sum(float(part[name]) for part in parts)
            assert abs(total - float(value)) <= 1e-4 * abs(total), f"stage {index}: {name} is not a sum over examples"


def small_batch_is_overfitted(subject: Subject, steps: int = 300) -> None:
    """Adam at least halves the loss of one fixed draw."""
    method = subject.build()
    torch.manual_seed(0)
    for index, stage in stages(method):
        drawn = subject.draw(method, stage, IDS[:4])
        optimizer = torch.optim.Adam(stage.parameters(), lr=1e-2)
        first = last = loss_of(stage, drawn).item()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(stage, drawn)
            last = loss.item()
            if last < 0.5 * first:
                break
            torch.autograd.backward(loss)
            optimizer.step()
        assert last < 0.5 * first, f"stage {index}: {first} only fell to {last}"


def state_round_trips(subject: Subject, folder: Path) -> None:
    """A method rebuilt from its saved weights and fitted state encodes as before, to the bit."""
    method, state = build(subject.method, subject.config, subject.source, 0)
    save_encoder(folder, method, state)
    saved = load_encoder(folder)
    torch.manual_seed(99)
    again = subject.method(subject.config, subject.source.spec, saved.state)
    again.load_state_dict(saved.weights)
    for name, (before, after) in paired(encoded(subject, method), encoded(subject, again)).items():
        assert torch.equal(before, after), f"{name} changed on the way through the file"


def encoding_ignores_batch_mates(subject: Subject) -> None:
    """In evaluation mode an example's features are those it has alone, and keep the promised shapes."""
    method = subject.build()
    with torch.no_grad():
        whole = method.eval().encode(method.examples(subject.source, IDS))
        alone = method.encode(method.examples(subject.source, IDS[2:3]))
    assert set(method.primary(subject.config, subject.source.spec).values()) <= set(whole), (
        "a primary representation is not encoded"
    )
    for name, features in whole.items():
        assert features.pooled.shape[0] == len(IDS), name
        assert features.pooled.ndim == 2, name
        assert torch.allclose(features.pooled[2], alone[name].pooled[0], rtol=1e-4, atol=1e-5), name
        if features.local is not None:
            places = features.local.shape[1:-1]
            assert features.mask is None or features.mask.shape[1:] == places, name
            if features.centers is not None:
                along = features.centers.shape
                if subject.source.spec.modality in ("image", "video"):
                    along = along[:-1]  # the axes of a coordinate; bytes and samples have none
                assert along[-len(places) :] == places, name


def encoded(subject: Subject, method: Method) -> dict[str, Tensor]:
    with torch.no_grad():
        found = method.eval().encode(method.examples(subject.source, IDS))
    return {name: features.pooled for name, features in found.items()}


def paired(first: dict[str, Tensor], second: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    assert first.keys() == second.keys()
    return {name: (first[name], second[name]) for name in first}


def same(first: Drawn, second: Drawn) -> bool:
    return all(torch.equal(tensor, second.tensors[name]) for name, tensor in first.tensors.items())
