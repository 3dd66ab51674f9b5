"""The palette: the colours of the training videos in so many clusters."""

from __future__ import annotations

import torch
from torch import Tensor

from methods._keys import Keys
from methods._method import Source
from methods._videos import frames
from methods.colorization._clips import require_two_frames
from methods.colorization._color import chroma, prepare
from methods.colorization._config import ColorizationConfig

#: Frames whose colours are clustered (drawn with replacement), cells of each, and frames read at a time.
_FRAMES, _CELLS, _PIECE = 1024, 64, 32


def fit_palette(config: ColorizationConfig, cell: int, source: Source, keys: Keys) -> Tensor:
    """Centres of k-means over the mean a and b of cells of training frames: float32 [clusters, 2].

    The paper clusters the pixels of 50,000 images; so many as are drawn here give the same centres to the eye.

    Raises:
        ValueError: a video has fewer than two frames, or the frames have fewer colours than clusters.
    """
    from sklearn.cluster import KMeans

    lengths = require_two_frames(source, torch.arange(len(source)))
    ids = keys.fold("videos").integers(len(source), _FRAMES)[0]
    positions = (keys.fold("frames").uniform(_FRAMES)[0].double() * lengths[ids]).long()
    parts = []
    for some, at in zip(torch.split(ids, _PIECE), torch.split(positions, _PIECE), strict=True):
        parts.append(chroma(prepare(frames(source, some, at[:, None])[:, 0], config.size), cell))
    colors = torch.cat(parts)
    cells = keys.fold("cells").integers(colors.shape[1], _FRAMES * _CELLS)[0].view(_FRAMES, _CELLS, 1)
    points = colors.gather(1, cells.expand(-1, -1, 2)).flatten(0, 1)
    distinct = len(torch.unique(points.round(decimals=1), dim=0))
    if distinct < config.clusters:
        raise ValueError(
            f"the training videos show {distinct} different colours, too few for clusters: {config.clusters}"
            + ("; they are gray, and there is no colour to learn from" if distinct == 1 else "; lower it")
        )
    found = KMeans(config.clusters, n_init=1, random_state=keys.fold("k-means").seed() % 2**32).fit(points.numpy())
    return torch.from_numpy(found.cluster_centers_).float()


def nearest(colors: Tensor, palette: Tensor) -> Tensor:
    """The entry of the palette nearest to each colour: [..., 2] and [K, 2] -> int64 [...].

    Element by element: a matrix product rounds otherwise in a batch of another size, and now and then that makes a
    colour another, so that two ranks would not lose as one.
    """
    a, b = (colors[..., axis, None] - palette[:, axis] for axis in range(2))
    return (a * a + b * b).argmin(-1)
