"""Context prediction over videos: frames are images."""

from __future__ import annotations

import torch

from methods import Keys
from methods.context_prediction import ContextPrediction
from tests.harness.baselines.test_raw import videos as made
from tests.methods.context_images import configured

SOURCE = made(2, 4, size=(48, 48))
IDS = torch.arange(2)


def built() -> ContextPrediction:
    torch.manual_seed(0)
    config = configured()
    assert ContextPrediction.fits(config, SOURCE.spec) is None
    return ContextPrediction(config, SOURCE.spec, ContextPrediction.fit(config, SOURCE, Keys.of(0, "fit"))).eval()


def test_any_frame_is_learned_from() -> None:
    method = built()
    seen = {
        method.sample(SOURCE, IDS, Keys.of(0, f"step {step}", IDS))["image"][1].numpy().tobytes() for step in range(40)
    }
    assert seen == {frame.tobytes() for frame in SOURCE.columns["video"].row(1)}


def test_features_of_a_video_are_those_of_its_frames() -> None:
    method = built()
    with torch.no_grad():
        found = method.encode(method.examples(SOURCE, IDS))
        frames = torch.from_numpy(SOURCE.columns["video"].row(1).copy())
        alone = method.encode({"image": frames})
    for name, features in found.items():
        local, each = features.local, alone[name].local
        assert local is not None
        assert each is not None
        assert torch.allclose(local[1], each, atol=1e-5)
        assert torch.allclose(features.pooled[1], alone[name].pooled.mean(0), atol=1e-5)
        assert features.mask is not None
        assert features.mask.all((2, 3)).tolist() == [[True, True, False, False], [True] * 4]
        assert features.centers is not None
        assert features.centers.shape == (4, *local.shape[2:4], 3)
    assert ContextPrediction.primary(configured(), SOURCE.spec)["masks"] in found
