"""What a dataset says beside its variables: the stack it was computed for, where its tiers lie, its text attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from stack3d import yamlfile
from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import ResultsError
from stack3d.geometry.stack import build_stack
from stack3d.layout import Floats, Layer, Stack
from stack3d.schema.geometry import GeometryDeck

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Facts:
    """A result with its stack rebuilt from the resolved scenario it carries.

    Parameters
    ----------
    tree : xarray.DataTree
        As ``run()`` returns it or `open_result` opens it.
    """

    tree: xr.DataTree

    def has(self, *paths: str) -> bool:
        """Whether all output variables ``group/name`` are there."""
        return all(self._find(path) is not None for path in paths)

    def _find(self, path: str) -> Any:
        group, _, name = path.partition("/")
        return self.tree[group].get(name) if group in self.tree.children else None

    def get(self, path: str) -> xr.DataArray:
        """The output variable ``group/name``; raises ResultsError."""
        found = self._find(path)
        if found is None:
            raise ResultsError(f"the result of {self.name} has no {path}; it was made by a run without it")
        array: xr.DataArray = found
        return array

    def values(self, path: str) -> Floats:
        """Values of an output variable, SI."""
        return np.asarray(self.get(path).values, dtype=np.float64)

    def celsius(self, path: str) -> Floats:
        """Values of a temperature, the last ones of a run over time. [degC]"""
        return self.last(path) - ZERO_CELSIUS

    def last(self, path: str) -> Floats:
        """Values of an output variable, the last ones of a run over time; SI."""
        array = self.get(path)
        chosen = array.isel(time=-1) if "time" in array.dims else array
        return np.asarray(chosen.values, dtype=np.float64)

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.tree.attrs.get("scenario", "unnamed"))

    @property
    def title(self) -> str:
        """Title of the scenario."""
        return str(self.tree.attrs.get("title", self.name))

    @property
    def summary(self) -> list[tuple[str, str]]:
        """The lines a person reads first, as (label, text)."""
        lines = [line.partition("  ") for line in str(self.tree.attrs.get("summary", "")).splitlines()]
        return [(label.strip(), text.strip()) for label, _, text in lines]

    def json(self, attribute: str) -> Any:
        """A JSON attribute of the root, None when absent."""
        text = self.tree.attrs.get(attribute)
        return json.loads(text) if text else None

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario as written."""
        tree: dict[str, Any] = yamlfile.parse_text(str(self.tree.attrs.get("resolved_scenario", "{}")), "resolved_scenario")
        if "geometry" not in tree:
            raise ResultsError(f"the result of {self.name} does not carry its resolved scenario, so its stack is unknown")
        return tree

    @cached_property
    def stack(self) -> Stack:
        """Layers of the stack."""
        return build_stack(GeometryDeck.model_validate(self.scenario["geometry"]))

    @cached_property
    def tiers(self) -> tuple[Layer, ...]:
        """Crossbar layers, bottom first."""
        return self.stack.with_role("rram")

    @cached_property
    def heated(self) -> frozenset[int]:
        """Layers with a source of heat, by index: those that explicit powers name, and tiers that compute."""
        power = self.scenario.get("power") or {}
        named = {source.get("layer") for source in power.get("sources") or () if isinstance(source, dict)}
        return frozenset(
            i for i, layer in enumerate(self.stack.named)
            if layer.name in named or (layer.role == "rram" and self.scenario.get("workload"))
        )  # fmt: skip

    def zoom(self) -> tuple[float, float] | None:
        """Heights between which the thin layers of the tiers lie, None when they are no small part of the stack. [m]"""
        mine = [layer for layer in self.stack.named if layer.tier is not None] or list(self.tiers)
        if not mine:
            return None
        low, high = min(layer.z0 for layer in mine), max(layer.z1 for layer in mine)
        low, high = low - 0.15 * (high - low), high + 0.15 * (high - low)
        bottom, top = self.stack.layers[0].z0, self.stack.layers[-1].z1
        return (max(low, bottom), min(high, top)) if high - low < 0.5 * (top - bottom) else None
