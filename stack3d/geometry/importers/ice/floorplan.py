"""3D-ICE's floorplans, of elements with powers, and layouts, of materials with places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from stack3d.errors import did_you_mean, few
from stack3d.geometry.importers.ice.words import MICRO, Statement, statements
from stack3d.geometry.importers.parts import Element, Solid, bounds
from stack3d.geometry.importers.user_files import mistake, place_of, told
from stack3d.layout import Rectangle
from stack3d.rectangles import overlapping

SolidOf = Callable[[str, Statement], Solid]
"""Material by its name; raises DeckError at the statement for one that is not there."""
ROUNDING = 1e-6
"""Share of a floorplan's sides by which elements may overlap: 3D-ICE itself takes no overlap."""
WORDS = ("position", "dimension", "rectangle", "power values", "material", "discretization")


@dataclass
class _Draft:
    """An element as it is read."""

    head: Statement
    corner: list[float] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)
    boxes: list[Rectangle] = field(default_factory=list)
    powers: tuple[float, ...] = ()
    material: Solid | None = None
    said: set[str] = field(default_factory=set)

    def take(self, s: Statement, solid_of: SolidOf) -> None:
        """Take over what a statement says; raises DeckError."""
        key = s.word(0)
        if key != "rectangle" and key in self.said:
            raise s.fail(f"there are two of {few(key)}")
        self.said.add(key)
        if key in ("position", "rectangle") and {"position", "rectangle"} <= self.said:
            raise s.fail("wants position and dimension, or rectangles, not both")
        if key == "position":
            self.corner = s.values(1, (2,))
        elif key == "dimension":
            self.sides = s.values(1, (2,))
        elif key == "rectangle":
            self.boxes.append(_rectangle(s, s.values(1, (4,))))
        elif key == "power" and s.words[1:2] == ("values",):
            s.values(2)
            self.powers = tuple(s.amount(i, "power", 1.0, least=None) for i in range(2, len(s.words)))
        elif key == "material":
            s.ends_after(2)
            self.material = solid_of(s.word(1), s)
        elif key != "discretization":
            raise s.fail(f"unknown word {few(key)}{did_you_mean(key, WORDS)}; known: {', '.join(WORDS)}")

    def finished(self) -> Element:
        """The element; raises DeckError for one that has no place."""
        boxes = list(self.boxes)
        if self.corner and self.sides:
            boxes.append(_rectangle(self.head, [*self.corner, *self.sides]))
        if not boxes or bool(self.corner) != bool(self.sides):
            raise self.head.fail_at_heading("wants position and dimension of two numbers each, or rectangles of four")
        return Element(self.head.title, self.head.place, tuple(boxes), self.powers, self.material)


def _rectangle(s: Statement, numbers: list[float]) -> Rectangle:
    x, y, width, depth = (MICRO * v for v in numbers)
    if width <= 0 or depth <= 0:
        raise s.fail(f"wants a positive length and width, got {numbers[2]:g} and {numbers[3]:g}")
    return Rectangle(x, x + width, y, y + depth)


def read_floorplan(path: Path, solid_of: SolidOf) -> tuple[Element, ...]:
    """Elements of a floorplan: one or several rectangles, powers, perhaps a material; raises DeckError."""
    drafts: list[_Draft] = []
    for s in statements(path):
        if not s.heading:
            raise s.fail(f"wants 'NAME:' before {few(s.words[0])}")
        if not drafts or drafts[-1].head.section != s.section:
            drafts.append(_Draft(s))
        drafts[-1].take(s, solid_of)
    if not drafts:
        raise mistake(place_of(path), "", "holds no element")
    return tuple(draft.finished() for draft in told(drafts, place_of(path)[0]))


def refuse_outside(elements: Sequence[Element], chip: Rectangle) -> None:
    """Raises DeckError for the first element that reaches outside the chip, or that no chip could hold."""
    for element in elements:
        if not all(chip.contains(part) and part.area > 0 for part in element.boxes):
            raise mistake(element.place, element.name, f"reaches outside the chip, {told_size(chip)}")


def told_size(chip: Rectangle) -> str:
    """Length and width of the chip as its file counts them."""
    return f"{chip.x1 / MICRO:g} x {chip.y1 / MICRO:g} um"


def refuse_overlaps(elements: Sequence[Element]) -> None:
    """Raises DeckError where two rectangles of a floorplan, of one element or of two, share an area."""
    owners = [element for element in elements for _ in element.boxes]
    corners = np.array([(b.x0, b.y0, b.x1, b.y1) for element in elements for b in element.boxes])
    whole = bounds([box for element in elements for box in element.boxes])
    slack = ROUNDING * max(whole.x1 - whole.x0, whole.y1 - whole.y0)
    for later, earlier in overlapping(corners, slack=slack):
        one, other = owners[later], owners[earlier]
        what = "itself" if one is other else f"{few(other.name)} of line {other.place[1]}"
        raise mistake(one.place, one.name, f"overlaps {what}")


def set_property(s: Statement, solids: dict[str, Solid]) -> None:
    """Take over what a statement of a ``material NAME:`` section says; raises DeckError."""
    name = s.named("material")
    known = solids.get(name, Solid((0.0, 0.0, 0.0), 0.0))
    has = {"thermal": max(known.conductivity) != 0, "volumetric": known.heat_capacity != 0}
    if has.get(s.words[0]):
        raise s.fail(f"there are two of {few(' '.join(s.words[:2]))}")
    if s.words[:2] == ("thermal", "conductivity"):
        s.values(2, (1, 3))
        k = [s.amount(i, "conductivity", 1 / MICRO) for i in range(2, len(s.words))]
        solids[name] = Solid((k[0], k[-2 if len(k) == 3 else 0], k[-1]), known.heat_capacity)
    elif s.words[:3] == ("volumetric", "heat", "capacity"):
        s.values(3, (1,))
        solids[name] = Solid(known.conductivity, s.amount(3, "heat_capacity", 1 / MICRO**3))
    else:
        raise s.fail(f"unknown property {few(' '.join(s.words))}; known: thermal conductivity, volumetric heat capacity")


def read_layout(path: Path, solids: Mapping[str, Solid], solid_of: SolidOf) -> tuple[Element, ...]:
    """Places of materials in a layer, those of the file's own materials too; raises DeckError."""
    own: dict[str, Solid] = {}
    drafts: list[_Draft] = []
    for s in statements(path):
        if s.heading[:1] == ("material",):
            set_property(s, own)
            continue
        if s.word(0) not in ("position", "dimension", "rectangle"):
            raise s.fail(f"wants position and dimension, or rectangles, got {few(' '.join(s.words))}")
        if not drafts or drafts[-1].head.section != s.section:
            drafts.append(_Draft(s))
        drafts[-1].take(s, solid_of)
    found: dict[str, Element] = {}
    for draft in drafts:
        part, name = draft.finished(), draft.head.title
        if name in found:
            found[name] = replace(found[name], boxes=(*found[name].boxes, *part.boxes))
        else:  # a mistake of the name stands at the heading
            material = own[name] if name in own else solid_of(name, replace(draft.head, line=draft.head.head))
            found[name] = replace(part, material=material)
    elements = tuple(found.values())
    if elements:
        refuse_overlaps(elements)
    return elements
