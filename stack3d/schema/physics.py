"""Further fields of a scenario, by the names under which packages have registered them."""

from __future__ import annotations

from typing import Any, ClassVar

from stack3d.fields import Output, physics
from stack3d.registry import Registry
from stack3d.schema.base import RegisteredKeys


class PhysicsDeck(RegisteredKeys):
    """Further fields, such as stress. Each is solved on the mesh of the heat once the temperature is known. A key is the name
    under which a package has registered the field; below it stands what that field wants to know.
    """

    registry: ClassVar[Registry[type[Output]]] = physics

    @property
    def steps(self) -> dict[str, Any]:
        """What was asked for, by name, in the order of the scenario."""
        return self.model_extra or {}
