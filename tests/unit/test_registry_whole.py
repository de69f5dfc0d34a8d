"""A class that lacks a method of its kind is refused by name when it is registered."""

import pytest

from stack3d.errors import PackageError
from stack3d.fields import outputs
from stack3d.heat.outputs import HeatOutput
from stack3d.schema.cooling import CoolingLaw, cooling_laws


class NoFilm(CoolingLaw):
    """A law without its film."""


class NoHeat(HeatOutput):
    """An output that makes nothing."""


@pytest.mark.parametrize(
    ("registry", "entry", "words"),
    [
        (cooling_laws, NoFilm, r"cooling law 'half' \(.*NoFilm\) lacks film"),
        (outputs, NoHeat, "output 'half' .* lacks of_heat"),
    ],
)
def test_half_a_class_is_refused(registry, entry, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PackageError, match=words):
        registry.register("half")(entry)
    assert "half" not in registry
