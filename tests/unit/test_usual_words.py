"""A deck that is written from habit is answered by the keys that are meant."""

from pathlib import Path

import pytest

from stack3d import decks
from stack3d.errors import DeckError
from stack3d.schema.base import Described, RegisteredKeys, names_of
from stack3d.schema.scenario import Scenario
from stack3d.schema.usual_words import USUAL, meant

DECK = """\
scenario: small
geometry:
  footprint: ["1 mm", "1 mm"]
  layers:
    - {name: die, thickness: "0.3 mm", material: {conductivity: "1 W/m/K", heat_capacity: "1e6 J/m^3/K"}}
power:
  sources:
    - {name: all, layer: die, power: "1 W"}
cooling: {top: {film_coefficient: "1e4 W/m^2/K"}, ambient: "300 K"}
transient: {until: "1 s", outputs: {from: "1 ms", to: "1 s", count: 5, scale: log}}
solver: {backend: tensor, mesh: {lateral: 4}, error_promise: "1 %"}
"""


@pytest.mark.parametrize(
    ("right", "habit"),
    [
        ("from:", "start:"), ("from:", "begin:"), ("from:", "t_start:"), ("from:", "first:"), ("to:", "stop:"), ("to:", "end:"),
        ("to:", "t_end:"), ("to:", "last:"), ("count:", "n:"), ("count:", "number:"), ("count:", "n_points:"), ("count:", "num:"),
        ("scale:", "spacing:"), ("until:", "end:"), ("until:", "duration:"), ("outputs:", "save_at:"), ("outputs:", "times:"),
        ("thickness:", "height:"), ("conductivity:", "k:"), ("conductivity:", "kappa:"), ("heat_capacity:", "rho_cp:"),
        ("film_coefficient:", "h:"), ("film_coefficient:", "htc:"), ("ambient:", "temperature:"), ("ambient:", "T_ambient:"),
        ("power: \"", "watts: \""), ("lateral:", "resolution:"), ("footprint:", "size:"), ("layers:", "stack:"),
    ],
)  # fmt: skip
def test_a_usual_word_is_answered_by_the_key_and_by_one_line(tmp_path: Path, right: str, habit: str) -> None:
    assert DECK.count(right) == 1
    path = tmp_path / "small.yaml"
    path.write_text(DECK.replace(right, habit))
    with pytest.raises(DeckError) as caught:
        decks.load(path)
    [problem] = caught.value.problems
    key, wrong = right.partition(":")[0], habit.partition(":")[0]
    assert f"unknown key '{wrong}' (did you mean '{key}'" in problem.message
    assert problem.line is not None


def test_a_misspelt_key_comes_before_a_word_of_like_meaning() -> None:
    assert meant("heat_capacty", ["power", "heat_capacity", "conductivity"], most=1) == ["heat_capacity"]
    assert meant("film", ["flux", "film_coefficient"], most=1) == ["film_coefficient"]
    assert meant("xyzzy", ["flux", "film_coefficient"]) == []


def test_every_line_of_usual_words_holds_a_key_of_a_deck() -> None:
    def below(kind: type[Described]) -> list[type[Described]]:
        return [one for sub in kind.__subclasses__() for one in (sub, *below(sub))]

    assert Scenario  # which imports every other model
    keys = {key for kind in below(Described) if kind is not RegisteredKeys for key in names_of(kind)}
    assert [sorted(group) for group in USUAL if not keys & {*group}] == []
