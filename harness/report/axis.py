"""Axes of drawings: where a value lies between two ends, and which round numbers to print beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from `low` to `high` (low < high; both positive if logarithmic)."""

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def around(cls, values: Iterable[float], margin: float = 0.05, *, logarithmic: bool = False) -> Axis:
        """The axis that shows all finite values with a margin on both sides; [0, 1] if there are none."""
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return cls(0.0, 1.0)
        low, high = min(finite), max(finite)
        if logarithmic and low > 0:
            room = max(margin * math.log(high / low), 0.05)
            return cls(low * math.exp(-room), high * math.exp(room), logarithmic=True)
        room = margin * (high - low) or 0.05 * abs(high) or 0.5
        return cls(low - room, high + room)

    def fraction(self, value: float) -> float:
        """0 at the low end, 1 at the high end; values beyond lie on the end."""
        if self.logarithmic:
            place = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            place = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, place))

    def ticks(self, about: int = 4) -> list[float]:
        """Round numbers within the axis, in order; about as many as asked, at least one on a linear axis."""
        if self.logarithmic:
            exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            decades = [10.0**exponent for exponent in exponents if self.low <= 10.0**exponent <= self.high]
            if len(decades) > 1:
                return decades[:: -(-len(decades) // about)]
        span = self.high - self.low
        magnitude = 10.0 ** math.floor(math.log10(span / about))
        step = min((magnitude * factor for factor in (1, 2, 2.5, 5, 10)), key=lambda step: abs(span / step - about))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [float(f"{step * index:.12g}") for index in range(first, last + 1)]

    def labels(self, about: int = 4) -> list[tuple[float, str]]:
        """The ticks with their texts, all with as many decimals as the one that needs most."""
        ticks = self.ticks(about)
        texts = [f"{tick:.6g}" for tick in ticks]
        if self.logarithmic or any("e" in text for text in texts):
            return list(zip(ticks, texts, strict=True))
        decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
        return [(tick, f"{tick:.{decimals}f}".replace("-", "−")) for tick in ticks]
