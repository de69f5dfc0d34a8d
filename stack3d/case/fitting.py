"""Which profile fits the size of a scenario that somebody else's files made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack3d import decks, memory, yamlfile
from stack3d.case.run import check
from stack3d.case.size import check_size, terms_of
from stack3d.progress import Waiting

if TYPE_CHECKING:
    from stack3d.schema.scenario import Scenario

PROFILES = ("standard", "draft", "study")
"""That are tried, the finest first."""
COMFORTABLE = 4e9
"""Memory that an imported deck may take as it stands, where there is so much: half of a small machine (assumed). [byte]"""


def fitting(scenario: Scenario) -> tuple[str, str]:
    """The finest profile that fits, else the one that takes least memory, and what is said of the others.

    Progress is told where the answer lets itself be waited for. Raises DeckError with every mistake, and when none fits.
    """
    waiting = Waiting()
    sizes: dict[str, float] = {}
    for name in PROFILES:
        deck = decks.resolve(yamlfile.parse_text(_WITH.format(name), "profile")).scenario.solver
        chip = check(scenario.model_copy(update={"solver": deck}), sized=False)
        waiting("sizing the mesh", len(sizes) + 1, len(PROFILES) + 1)
        sizes[name] = sum(terms_of(chip).values())
        if sizes[name] == min(sizes.values()):
            smallest, least = name, chip
        if sizes[name] <= min(COMFORTABLE, memory.available()):
            break
    else:
        check_size(least)
    others = ", ".join(f"{other} {memory.size(size)}" for other, size in sizes.items() if other != smallest)
    asked = f"The deck asks for the solver {smallest}, which takes {memory.size(sizes[smallest])} of memory"
    return smallest, f"{asked}; the others would take more: {others}." if others else ""


_WITH = """\
scenario: sized
geometry: {{footprint: ["1 mm", "1 mm"], layers: [{{name: a, thickness: "1 mm", material: silicon}}]}}
power: {{sources: [{{name: s, layer: a, power: "1 W"}}]}}
cooling: {{ambient: "300 K", top: cold_plate}}
solver: {}
"""
"""A scenario with a profile."""
