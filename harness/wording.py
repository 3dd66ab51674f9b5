"""Numbers as people read them."""

from __future__ import annotations

import math


def number(value: float | None) -> str:
    """A score: three decimals below ten, else four digits; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return _signed(f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}")


def difference(value: float | None) -> str:
    """A score's difference, always with its sign."""
    if value is None or math.isnan(value):
        return "–"
    text = number(value)
    return text if text.startswith("−") or value == 0 else f"+{text}"


def duration(seconds: float | None) -> str:
    """Wall time in the unit that suits it."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    minutes = seconds / 60
    if minutes < 99.5:
        return f"{minutes:.0f} min" if minutes >= 9.95 else f"{minutes:.1f} min"
    return f"{minutes / 60:.1f} h"


def about(seconds: float) -> str:
    """An estimate, no more precise than it is: "a few seconds", "about 40 s", "about 2 min", "about 3 h"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 95:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < 5700:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h" if seconds < 36_000 else f"about {seconds / 3600:.0f} h"


def _signed(text: str) -> str:
    """A minus sign that is as wide as a plus; no sign on zero."""
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", "−")
