"""Names that the manual of version 0.1 used for Python lead to the same objects as today's."""

from __future__ import annotations

from importlib import import_module

import pytest

NAMES = {
    ("stack3d.lifetime", "run_case"): ("stack3d.case", "run_case"),
    ("stack3d.lifetime", "check"): ("stack3d.case", "check"),
    ("stack3d.lifetime.life", "Passive"): ("stack3d.life.chips", "Passive"),
    ("stack3d.lifetime.life", "policies"): ("stack3d.life.chips", "policies"),
    ("stack3d.lifetime.climate", "Climate"): ("stack3d.heat.climate", "Climate"),
    ("stack3d.devices.laws", "BOLTZMANN"): ("stack3d.constants", "BOLTZMANN"),
}


@pytest.mark.parametrize("old", NAMES, ids=".".join)
def test_an_old_name_is_the_new_thing(old: tuple[str, str]) -> None:
    module, name = NAMES[old]
    assert getattr(import_module(old[0]), old[1]) is getattr(import_module(module), name)
