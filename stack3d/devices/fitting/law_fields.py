"""What the fields of a law hold: parts, columns, ends that it states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel


def part_of(annotation: Any) -> Any:
    """Model of a part that may be absent."""
    parts = [a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
    return parts[0] if parts else annotation


def item_of(annotation: Any) -> str | None:
    """Dimension of what a column, or a value that may be absent, holds."""
    [inner, *_] = annotation if isinstance(annotation, tuple) else get_args(annotation)
    if not hasattr(inner, "__metadata__"):
        inner = next((a for a in get_args(inner) if hasattr(a, "__metadata__")), inner)
    found = [m.func.dimension for m in getattr(inner, "__metadata__", ()) if hasattr(getattr(m, "func", None), "dimension")]
    return found[0] if found else None


def end_of(field: Any) -> tuple[float, float] | None:
    """The end, not 0, that a law states for a number, and where beside it a search begins; None where it states none."""
    low, high = (
        next((getattr(m, k) for m in field.metadata for k in kinds if getattr(m, k, None) is not None), None)
        for kinds in (("ge", "gt"), ("le", "lt"))
    )
    if low or (high is not None and high <= 0):
        end = low or high or 0.0
        return end, end + (0.5 if low is not None else -0.3)
    return None


def plain(value: Any) -> Any:
    """Value of ``{value: …}`` or of a band, as written."""
    return value["value"] if isinstance(value, Mapping) and "value" in value else value


def is_tuple(annotation: Any) -> bool:
    """Whether a field holds several values."""
    return getattr(annotation, "__origin__", None) is tuple
