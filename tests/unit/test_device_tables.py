"""Tables of devices: what is wrong with one is told with the line of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from stack3d import decks
from stack3d.devices import load_device
from stack3d.errors import DeckError

LIBRARY = Path(decks.__file__).parent.parent / "library" / "devices"


def device(folder: Path, table: str) -> Path:
    """A packaged device with another table."""
    name = "foundry_a_loss.csv"
    text = (LIBRARY / "foundry_a.yaml").read_text()
    for other in LIBRARY.glob("*.csv"):
        (folder / other.name).write_bytes(other.read_bytes())
    (folder / name).write_text(table)
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines[:2], "1", *lines[2:]], "line 3: 1 values for {n} columns"),
        (lambda lines: [*lines[:2], lines[1] + ",7", *lines[2:]], "line 3: {more} values for {n} columns"),
        (lambda lines: ["# a note", "", lines[0], "1"], "line 4: 1 values for {n} columns"),
        (lambda lines: [lines[0] + "," + lines[0].split(",")[0], *lines[1:]], "comes twice"),
        (lambda lines: [lines[0], "1" * 200_000], "line 2: field larger than field limit"),
        (lambda lines: [], "it is empty; wanted a line of titles and a line per row"),
    ],
)
def test_a_table_that_is_wrong_is_told_with_its_line(tmp_path: Path, change, said: str) -> None:
    lines = (LIBRARY / "foundry_a_loss.csv").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    n = len(lines[0].split(","))
    with pytest.raises(DeckError) as caught:
        load_device(str(device(tmp_path, "\n".join(change(lines)) + "\n")))
    text = str(caught.value)
    assert "mine.yaml:" in text and "foundry_a_loss.csv cannot be read as a table: " in text
    assert said.format(n=n, more=n + 1) in text and len(text.splitlines()) == 1


def test_the_packaged_table_is_read_as_it_stands(tmp_path: Path) -> None:
    same = device(tmp_path, (LIBRARY / "foundry_a_loss.csv").read_text())
    assert load_device(str(same)).mechanisms == load_device("foundry_a").mechanisms
