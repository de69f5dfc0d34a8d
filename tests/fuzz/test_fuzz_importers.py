"""Files of other tools with pieces cut out, doubled or replaced: imported, or refused by file."""

import shutil
import tempfile
from pathlib import Path

import pytest
from harness import SHORT_RUN, SLOW, count, in_time
from hypothesis import given, settings
from hypothesis import strategies as st

from stack3d.case import check
from stack3d.errors import DeckError, Stack3dError
from stack3d.geometry.importers import import_files

KINDS = ("hotspot", "ice", "blox", "ecxml", "layout")
"""What the names of folders begin with."""
IMPORTS = sorted(p for p in (Path(__file__).parents[1] / "imports").iterdir() if p.name.startswith(KINDS))
STACKS = (".stk", ".3dbx", ".ecxml", ".gds", ".def")
GIVEN = (".flp", ".ptrace", ".lcf", ".config", ".materials")
PIECES = [b"", b"-", b"0", b"1e400", b"nan", b"inf", b"9" * 60, b";", b"{", b"}", b"\xff", b"\x00", b"\n", b"../..", b"/etc/x", b"layer",
          b"die", b"-1e-9", b"1e300", " ٣ ".encode(), b":", b"#", b","]  # fmt: skip


@st.composite
def broken(draw: st.DrawFn, kind: str = "") -> tuple[Path, str, bytes]:
    folder = draw(st.sampled_from([folder for folder in IMPORTS if folder.name.startswith(kind)]))
    victim = draw(st.sampled_from(sorted(p.name for p in folder.iterdir() if p.is_file())))
    content = (folder / victim).read_bytes()
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.integers(0, len(content))), draw(st.integers(0, 30))
        kept = content[start : start + length] if draw(st.booleans()) else b""
        content = content[:start] + draw(st.sampled_from(PIECES)) + kept + content[start + length :]
    return folder, victim, content


def assert_survived(place: Path, example: tuple[Path, str, bytes]) -> None:
    folder, victim, content = example
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    (place / victim).write_bytes(content)
    files = sorted(place.iterdir())
    stacks = [f for f in files if f.suffix in STACKS and f.stem != "inner"] + [f for f in files if f.suffix in (".csv", ".lef")]
    if folder.name == "ice_shapes":  # two stacks on the same floorplans
        stacks = [place / (victim if victim.endswith(".stk") else "shapes.stk")]
    with in_time():
        try:
            with import_files(stacks or [f for f in files if f.suffix in GIVEN], "x", None).resolved() as case, case.located():
                check(case.scenario)
        except DeckError as error:
            for problem in error.problems:
                assert problem.file and problem.line and len(str(problem)) < 2000, problem
            assert str(error)
        except Stack3dError as error:
            assert str(error)
    assert sorted(place.iterdir()) == files


PAST = sorted(p for p in (Path(__file__).parent / "corpus" / "importers").iterdir())
"""Each stands in the place of the file of its ending in a folder of `IMPORTS` that its name begins with."""


@pytest.mark.parametrize("file", PAST, ids=lambda p: p.name)
def test_failures_of_the_past(tmp_path: Path, file: Path) -> None:
    folder = next(f for f in IMPORTS if file.name.startswith(f"{f.name}-"))
    victim = next(p.name for p in sorted(folder.iterdir()) if p.suffix == file.suffix)
    assert_survived(tmp_path / "past", (folder, victim, file.read_bytes()))


@settings(SHORT_RUN, max_examples=60)
@given(example=broken())
def test_broken_files(tmp_path_factory: pytest.TempPathFactory, example: tuple[Path, str, bytes]) -> None:
    assert_survived(tmp_path_factory.getbasetemp() / "broken", example)


@pytest.mark.fuzz
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_broken_files_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, number: int) -> None:
    """A thousand of each importer."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where what is not checked yet lies
    count(
        f"importers-{kind}",
        number,
        tmp_path,
        335,
        broken(kind),
        lambda example: assert_survived(tmp_path / "broken", example),
        SLOW,
    )
