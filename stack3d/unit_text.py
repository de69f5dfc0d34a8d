"""Quantities as text: a prefix or a unit that a person would choose, and as many digits as say something."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from stack3d.constants import DAY, YEAR

PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
SHARES = ("accuracy", "yield")
"""How outputs begin that are told in per cent, and their differences in points."""
REDUCED = ("max", "min", "mean", "sum")
"""What may stand around them."""


def _power(value: float) -> int:
    """Power of ten of the prefix that a value is read with, of those there are."""
    rounded = float(f"{abs(value):.3g}")  # 999.7 is 1 k
    return min(max(3 * math.floor(math.log10(rounded) / 3), min(PREFIXES)), max(PREFIXES))


def short(value: float, unit: str) -> str:
    """Text of a value with an SI prefix: ``short(3e-9, "J")`` is ``"3 nJ"``, ``short(3e-9, "m2")`` is ``"0.003 mm2"``."""
    if value == 0 or not math.isfinite(value) or not unit:
        return f"{value:.3g} {unit}".strip()
    factor, prefixed = _prefixed(value, unit)
    number = value / factor
    return f"{number:{'.0f' if _raised(unit) > 1 and abs(number) >= 999.5 else '.3g'}} {prefixed}"


def _raised(unit: str) -> int:
    """Power to which a prefix is raised with its unit: 2 of areas, 3 of volumes."""
    return int(unit[1]) if unit in ("m2", "m3") else 1


def _prefixed(value: float, unit: str) -> tuple[float, str]:
    """What to divide a value by, and the unit with the prefix that it is read with."""
    if (n := _raised(unit)) > 1:
        power = min(max(3 * math.floor((math.log10(abs(value)) / n + 1.5) / 3), -9), 3)
        return 10.0 ** (n * power), f"{PREFIXES[power]}{unit}"
    power = _power(value)
    return 10.0**power, f"{PREFIXES[power]}{unit}"


def in_points(unit: str, written: str) -> bool:
    """Whether differences are points of a hundred: of what is `written` in per cent, and of accuracies and good chips alone."""
    text = re.split(" for | with ", written, maxsplit=1)[0]
    if unit or "%" in text:
        return not unit
    names = re.findall(r"(?<![\w.@])[A-Za-z_]\w*", re.sub(r"\[.*?\]", "", text))
    shares = [name for name in names if name.startswith(SHARES)]
    return bool(shares) and len(shares) == sum(name not in REDUCED for name in names) and not re.search("[*/]", text)


def off_by(value: float, unit: str, written: str) -> str:
    """Text of how far something is from a limit, in points where `in_points` says so."""
    if in_points(unit, written):
        return f"{100 * value:.3g} points"
    return value_told(value, unit) if unit == "s" else short(value, unit)


def value_told(value: float, unit: str, written: str = "") -> str:
    """Text of a value of an output: kelvin with two decimals where they say something, long times as a person would.

    Of what is `written` as an accuracy, or a share of good chips, in per cent.
    """
    if written and in_points(unit, written):
        return f"{100 * value:.4g} %"
    if unit == "K":
        return f"{value:.2f} K" if abs(value) >= 0.1 or not value else f"{value:.2g} K"
    return duration(value) if unit == "s" and value >= 60.0 else short(value, unit)


def duration(seconds: float) -> str:
    """Text of a time in the unit that a person would choose."""
    for name, size in (("year", YEAR), ("day", DAY), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= size * 0.999:
            number = f"{seconds / size:.3g}" if seconds < 999.5 * size else f"{float(f'{seconds / size:.3g}'):.0f}"
            return f"{number} {name}{'' if number == '1' else 's'}"
    return short(seconds, "s")


def shared_prefix(values: Iterable[float], unit: str) -> tuple[float, str]:
    """What to divide values by, and the unit that they then have, so that one prefix fits most of them.

    Parameters
    ----------
    values : iterable of float
        [`unit`]; zeros and what is not finite have no say.
    unit : str
        SI, without a prefix; one over something is counted in thousands.
    """
    sizes = sorted(abs(v) for v in values if v and math.isfinite(v))
    if not sizes:
        return 1.0, unit
    middle = sizes[len(sizes) // 2]
    if unit.startswith("1/"):
        power = max(_power(middle), 0)
        raised = f"10{str(power).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if power else "1"
        return 10.0**power, f"{raised}{unit[1:]}"
    return _prefixed(middle, unit)


def significant(value: float) -> str:
    """Text of a number to three significant digits, whole digits kept, without an exponent where it can be."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.3g}")
    decimals = 2 - math.floor(math.log10(abs(rounded)))
    return f"{value:.{max(decimals, 0)}f}" if decimals <= 6 else f"{value:.3g}"
