"""Long lists in decks: taken out of the text before it is parsed, and the same tree with the same lines as without."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack3d import yamlruns, yamltree
from stack3d.errors import DeckError

VALUES = ["1.5 W", "-3", "cold_plate", ".5", "1e3 1/s", "true", "0x1f", "a b c", "~", "..."]
PARTS = [
    "key{n}: [{flow}, {value}]\n",
    "key{n}: [{flow},\n  {flow}]\n",
    "key{n}: &a{n} [{flow}, &b{n} {value}]\nother{n}: *a{n}\n",
    "key{n}:\n{block}",
    "key{n}:\n{block}    more\n",
    "key{n}: {flow}\n",
    "key{n}: '{flow}, [{flow}, x]'\n",
    "key{n}: |\n{block}",
    "# [{flow}, {value}]\nkey{n}: 1\n",
    "# [{flow},\nkey{n}: 1\n",
    "key{n}: {{a: [{flow}, b: 1], c: [{flow}]}}\n",
    "key{n}: {{{flow}, c}}\n",
    "key{n}: [[{flow}, [{flow}, 1]], 2]\n",
    "key{n}: [{flow} # 1\n , 2]\n",
    "key{n}: [{flow}\n",
    "? [{flow}, 1]\n: 2\n",
    "key{n}:\n- a\n{block}",
]


def of(value: Any) -> Any:
    """A tree with the places of all that is in it, numbers with their kind."""
    if isinstance(value, yamltree.Mapping):
        return value.here, value.places, {key: of(inner) for key, inner in value.items()}
    if isinstance(value, yamltree.Items):
        return value.here, value.places, [of(inner) for inner in value]
    return repr(value)


def answer(text: str) -> Any:
    try:
        return of(yamltree.parsed(text, "deck.yaml"))
    except DeckError as error:
        return str(error)


@st.composite
def texts(draw: st.DrawFn) -> str:
    def flow() -> str:
        values = draw(st.lists(st.sampled_from(VALUES), min_size=2, max_size=6))
        return draw(st.sampled_from([", ", ",", " ,\n  "])).join(values)

    def block() -> str:
        depth = draw(st.sampled_from(["", "  "]))
        return "".join(f"{depth}- {value}\n" for value in draw(st.lists(st.sampled_from(VALUES), min_size=2, max_size=6)))

    chosen = draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))
    return "".join(
        part.format(n=n, flow=flow(), block=block(), value=draw(st.sampled_from(VALUES))) for n, part in enumerate(chosen)
    )


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(text=texts())
def test_the_tree_and_its_lines_are_the_same(text: str) -> None:
    expected = answer(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yamlruns, "LONG_TEXT", 0)
        patch.setattr(yamlruns, "LONG_RUN", 2)
        assert answer(text) == expected


@pytest.mark.parametrize("text", ["values: [{flow}]\nlast: 1\n", "values:\n{block}last: 1\n"])
def test_a_hundred_thousand_values_take_few_events(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [f"{n}.5 W" for n in range(100_000)]
    text = text.format(flow=", ".join(values), block="".join(f"- {value}\n" for value in values))
    monkeypatch.setattr(yamltree, "EVENTS_TOLD", 1)
    told: list[int] = []
    before = yamltree.WATCHED.set(lambda what, done, of: told.append(done))
    try:
        tree = yamltree.parsed(text, "deck.yaml")
    finally:
        yamltree.WATCHED.reset(before)
    assert tree["values"] == values and tree["last"] == 1
    assert tree.places["last"] == ("deck.yaml", text.count("\n"))
    assert len(told) < 30


@pytest.mark.parametrize("text", ["[" * 60_000, "[a, " * 13_000, "[" + "a a a: " * 13_000, "- a\n" * 13_000 + "- {"])
def test_what_is_no_list_is_refused_as_before(text: str) -> None:
    with pytest.raises(DeckError):
        yamltree.parsed(text, "deck.yaml")
