from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.checkpoint import Checkpoint, load_checkpoint, load_encoder, save_checkpoint, save_encoder
from harness.engine import EngineState


def checkpoint(step: int = 7) -> Checkpoint:
    state = EngineState(
        {"layer.weight": torch.rand(3, 2)},
        {"layer.weight": {"exp_avg": torch.rand(3, 2), "step": torch.tensor(7.0)}},
        {"scale": 2.0**15, "good": 3},
    )
    return Checkpoint(
        fingerprint="abc",
        stage=1,
        step=step,
        method={"m": torch.rand(4)},
        engine=state,
        progress={"curve": [{"loss": 0.1}]},
    )


def test_round_trip_is_exact(tmp_path: Path) -> None:
    before = checkpoint()
    save_checkpoint(tmp_path, before)
    after = load_checkpoint(tmp_path, "abc")
    assert after is not None
    assert (after.stage, after.step, after.progress) == (1, 7, before.progress)
    assert after.engine.loss_scale == before.engine.loss_scale
    assert torch.equal(after.method["m"], before.method["m"])
    for key in ("exp_avg", "step"):
        assert torch.equal(after.engine.optimizer["layer.weight"][key], before.engine.optimizer["layer.weight"][key])


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "nowhere", "abc") is None


def test_another_pretraining_is_not_resumed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint())
    assert load_checkpoint(tmp_path, "other") is None


def test_a_damaged_file_is_not_resumed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint())
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert load_checkpoint(tmp_path, "abc") is None


def test_the_old_one_stays_when_writing_the_new_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, checkpoint(step=7))

    def torn(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half a file")
        raise OSError("no space left on device")

    monkeypatch.setattr("harness.checkpoint.save_file", torn)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(tmp_path, checkpoint(step=8))
    found = load_checkpoint(tmp_path, "abc")
    assert found is not None
    assert found.step == 7
    assert len(list(tmp_path.iterdir())) == 1


def test_the_new_one_replaces_the_old_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(step=7))
    save_checkpoint(tmp_path, replace(checkpoint(), step=8))
    found = load_checkpoint(tmp_path, "abc")
    assert found is not None
    assert found.step == 8


def test_encoder_keeps_tied_weights_and_fitted_state(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    save_encoder(tmp_path, module, {"palette": torch.arange(3), "words": ["ä", "b"], "size": 2})
    saved = load_encoder(tmp_path)
    module.load_state_dict(saved.weights)
    assert torch.equal(saved.state["palette"], torch.arange(3))
    assert saved.state["words"] == ["ä", "b"]
    assert saved.state["size"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"weights.safetensors", "state.json"}


def test_fitted_state_that_is_not_plain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="tensors and plain JSON"):
        save_encoder(tmp_path, nn.Linear(1, 1), {"words": {1, 2}})
    assert not (tmp_path / "state.json").exists()


def test_an_unfinished_encoder_is_not_loaded(tmp_path: Path) -> None:
    save_encoder(tmp_path, nn.Linear(1, 1), {})
    (tmp_path / "state.json").unlink()
    with pytest.raises(FileNotFoundError):
        load_encoder(tmp_path)
