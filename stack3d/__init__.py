"""stack3d: heat, ageing and accuracy of 3D resistive-memory stacks."""

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = [
    "__version__",
    "bands",
    "compare_placements",
    "follow_table",
    "load",
    "open_compact",
    "open_result",
    "open_results",
    "search",
    "sweep",
]

if TYPE_CHECKING:
    from stack3d.api import (
        bands,
        compare_placements,
        follow_table,
        load,
        open_compact,
        open_result,
        open_results,
        search,
        sweep,
    )

_HOMES = {
    "bands": "stack3d.api",
    "compare_placements": "stack3d.api",
    "follow_table": "stack3d.api",
    "load": "stack3d.api",
    "search": "stack3d.api",
    "sweep": "stack3d.api",
    "open_compact": "stack3d.api",
    "open_result": "stack3d.api",
    "open_results": "stack3d.api",
}


def __getattr__(name: str) -> Any:
    """Import the public verbs when they are first asked for, so that ``import stack3d`` stays light."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'stack3d' has no attribute {name!r}")
