"""The gallery: how far ahead the right latent is told, and whether voices lie apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from methods._method import LossTerms, Panel

#: Speakers in the projection at most, as in the paper's Figure 2, and windows at least.
_SPEAKERS, _FEWEST = 10, 8


def accuracy_panel(batches: Sequence[LossTerms], sequences: int) -> Panel:
    """How often the positive is told from all negatives, k steps ahead, beside chance."""
    rates = _rates(batches)
    accuracy = {int(name.rpartition("_")[2]): rate for name, rate in rates.items() if name.startswith("accuracy_")}
    log_n, bound = rates.get("log_n", 0.0), rates.get("mutual_information", 0.0)
    figure, axes = _figure()
    axes.plot(list(accuracy), list(accuracy.values()), marker="o", label="right latent scored above all others")
    axes.axhline(np.exp(-log_n), color="gray", linestyle="--", label=f"chance: 1/N = {np.exp(-log_n):.2%}")
    axes.set_xlabel("steps ahead (k)")
    axes.set_ylabel("accuracy")
    axes.set_xticks(list(accuracy))
    axes.set_ylim(bottom=0)
    axes.legend()
    return Panel(
        "The right latent told from others",
        f"{sequences} held-out sequences: how often the latent that came k steps later is scored above all others of "
        f"its pool, of N = {np.exp(log_n):,.0f}. By this loss a context and what comes share {bound:.2f} nats or more "
        f"(log N - loss), where such an estimate can show no more than log N = {log_n:.2f}.",
        _rendered(figure),
    )


def _rates(batches: Sequence[LossTerms]) -> dict[str, float]:
    """Each monitor over all batches."""
    found = {}
    for name in batches[0].monitors:
        part, whole = (sum(float(terms.monitors[name][side]) for terms in batches) for side in (0, 1))
        if whole:
            found[name] = part / whole
    return found


def speaker_panels(contexts: Tensor, speakers: Tensor) -> Iterator[Panel]:
    """Mean contexts of windows in two dimensions by t-SNE (van der Maaten and Hinton, JMLR 2008); none if there are
    too few to look at.

    Args:
        contexts: float32 [N, C].
        speakers: int64 [N], in whose colours they are drawn.
    """
    known = np.unique(speakers.numpy())[:_SPEAKERS]
    chosen = np.isin(speakers.numpy(), known)
    if chosen.sum() < _FEWEST:
        return
    from sklearn.manifold import TSNE

    tsne = TSNE(perplexity=min(30.0, (chosen.sum() - 1) / 3), init="pca", random_state=0)
    places = tsne.fit_transform(contexts.double().cpu().numpy()[chosen])
    figure, axes = _figure()
    for number, speaker in enumerate(known):
        axes.scatter(*places[speakers.numpy()[chosen] == speaker].T, s=14, color=f"C{number}", linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])
    yield Panel(
        "Windows by speaker",
        f"{chosen.sum()} held-out windows of {len(known)} speakers, each of another colour: the mean of c over each "
        "window, projected by t-SNE as in the paper's Figure 2.",
        _rendered(figure),
    )


def _figure() -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _rendered(figure: Any) -> NDArray[np.float32]:
    """[1, 1, height, width, 3] in [0, 1]."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    return pixels[None, None].astype(np.float32) / 255.0
