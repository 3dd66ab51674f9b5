"""What a board says in words, in every format alike: who beats whom, what a reader must know of a row, what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.leaderboard import Board
from harness.plan import SUPERVISED
from harness.verdicts import shown_name

_TEST_SAMPLE = "* one run: the interval is over the test examples, not over seeds"
_SUPERVISED = (
    "supervised: the untrained encoder, fine-tuned on the labels; its rates share the updates of the pretraining, or "
    "what part of them the suite gives"
)


def rank_text(row: Mapping[str, Any]) -> str:
    """The rank, or the ranks that it may be: "1", "1–2"; "" for what is not ranked."""
    if row["rank"] is None:
        return ""
    low, high = row["rank_low"] or row["rank"], row["rank_high"] or row["rank"]
    return f"{row['rank']}" if low == high else f"{low}–{high}"


def verdicts(group: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whom the best method beats, in sentences; that it beats a baseline goes without saying."""
    return [row["words"] for row in group if row["words"] and not (row["verdict"] == "beats" and _is_baseline(row))]


def _is_baseline(row: Mapping[str, Any]) -> bool:
    """Whether it solves the task in a way of its own, reading no features."""
    return bool(row["control"] == row["method"] != row["representation"])


def flagged(group: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must not be overlooked of each row, for tables whose rows have room for a mark only, and what marks mean."""
    found = [
        f"! {shown_name(row['method'], row['control'])}: {'; '.join(row['flags'])}" for row in group if row["flags"]
    ]
    return [*found, _TEST_SAMPLE] if any(row["interval"] == "test sample" for row in group) else found


def remarks(group: Sequence[Mapping[str, Any]]) -> list[str]:
    """How rows were trained and tested, where that is special."""
    supervised = [_SUPERVISED] if any(row["control"] == SUPERVISED for row in group) else []
    return [*supervised, *(f"{', '.join(names)}: {mark}" for mark, names in _marks(group).items())]


def _marks(group: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What is special about how rows were trained or tested, and which rows these are."""
    found: dict[str, list[str]] = {}
    for row in group:
        for holds, mark in (
            (row["coupling"], f"batch-mates tie its loss ({row['coupling']}), so the number of ranks may matter"),
            (row["groups_used"], "was given opaque groups (who speaks, which document), not what they mean"),
            (row["folds"], f"cross-validated, {row['folds']} folds"),
            (row["transductive"], "pretrained on the examples that it is tested on, without their labels"),
        ):
            if holds:
                found.setdefault(mark.replace("_", " "), []).append(shown_name(row["method"], row["control"]))
    return found


def endnotes(board: Board) -> list[str]:
    """What the whole board says: across datasets, and of pairs that are not on it."""
    alike: dict[tuple[str, str], list[str]] = {}
    for pair in board.not_applicable:
        alike.setdefault((pair.label, pair.reason), []).append(pair.dataset)
    left_out = [f"not applicable: {label} on {', '.join(on)}: {reason}" for (label, reason), on in alike.items()]
    return [*(f"across datasets: {line}" for line in board.across), *left_out]


def costs(row: Mapping[str, Any]) -> list[str]:
    """What pretraining cost beside its time, and the proof that it happened; nothing for rows without one."""
    texts = {
        "{} ex/s": short(row["examples_per_second"]),
        "{}": size(row["peak_memory_bytes"]),
        "{} waiting": "–" if row["waiting_share"] is None else f"{row['waiting_share']:.0%}",
        "held-out loss {}": fall(row["held_out_initial"], row["held_out_final"]),
    }
    return [form.format(text) for form, text in texts.items() if text != "–"]


def fall(first: float | None, last: float | None) -> str:
    """The pretext loss on held-out examples before and after training: that it fell is the proof of training."""
    return "–" if first is None or last is None else f"{first:.3g} → {last:.3g}"


def short(value: float | None) -> str:
    if value is None:
        return "–"
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def size(count: float | None) -> str:
    if count is None:
        return "–"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
