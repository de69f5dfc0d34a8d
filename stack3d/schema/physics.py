"""Further fields of a scenario, by the names under which packages have registered them."""

from __future__ import annotations

from typing import Any, ClassVar

from stack3d.fields import Output, physics
from stack3d.registry import Registry
from stack3d.schema.base import RegisteredKeys


class PhysicsDeck(RegisteredKeys):
    """Fields that are solved on the mesh of the heat, once its temperature is known: registered name → what it wants."""

    registry: ClassVar[Registry[type[Output]]] = physics

    @property
    def steps(self) -> dict[str, Any]:
        """What was asked for, by name, in the order of the scenario."""
        return self.model_extra or {}
