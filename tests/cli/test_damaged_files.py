"""Every file that a study leaves, damaged in every way: told, put aside, computed again to the bit, and clean from then on."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import small_study
from small_study import assert_same

import stack3d
from stack3d import study
from stack3d.errors import ResultsError, ValidityWarning
from stack3d.progress import Silent, Tally
from stack3d.report import report_page
from stack3d.results.netcdf import write_json

DECKS = {
    "study": "sweep: {power.sources.spot.power: [1 W, 2 W, 3 W]}\n",
    "optimise": """\
optimise:
  vary: {cooling.top.film_coefficient: ["2e3 W/m^2/K", "1e4 W/m^2/K", "5e4 W/m^2/K", "6e4 W/m^2/K"]}
  minimise: layer_temperature_max
  subject to: ["layer_temperature_max <= 85 degC"]
  budget: 4
""",
    "uncertain": """\
uncertain:
  keys: {power.sources.spot.power: {normal: ["1 W", "0.1 W"]}}
  outputs: [layer_temperature_max]
  count: 4
""",
}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def of_another_version(file: Path) -> None:
    """As a version to come may write it: sealed, with other keys; a dataset with groups that nobody knows."""
    if file.suffix == ".json":
        facts = json.loads(file.read_text())
        kept = {key: facts[key] for key in ("scenario", "content_hash", "status", "dimensions", "cases") if key in facts}
        more = {"versions": {"stack3d": "9.9"}, "decided": {"new": 1}, "unknown": []}
        file.unlink()
        write_json(file, kept | more)
    elif file.suffix == ".nc":
        import xarray as xr

        file.unlink()
        xr.DataTree.from_dict({"/": xr.Dataset(attrs={"schema": 99}), "/new": xr.Dataset({"x": 1})}).to_netcdf(file)
    else:
        file.write_bytes(b"version: 9.9\n")


def of_another_case(file: Path) -> None:
    """What another case, or another study, has under this name."""
    if file.parent.parent.name == "cases":
        other = next(p for p in sorted(file.parent.parent.iterdir()) if p != file.parent)
        shutil.copy(other / file.name, file)
    else:
        file.write_bytes(file.read_bytes().replace(b"small", b"other"))


def folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "inside").touch()


def pipe_in_its_place(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def unreadable(file: Path) -> None:
    """A link to itself, which not even the administrator can read."""
    file.unlink()
    file.symlink_to(file.name)


DAMAGES = [cut, empty, flip, of_another_version, of_another_case, folder_in_its_place, pipe_in_its_place, unreadable]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a kind of study that has run."""
    made: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            (made[kind] / "small.yaml").write_text(small_study.STUDY + DECKS[kind])
            run(made[kind])
        return made[kind]

    return of


def run(folder: Path) -> list[study.Report]:
    return list(study.run([str(folder / "small.yaml")], folder / "out", Silent(), workers=1))


def survives(whole: Path, folder: Path, name: str, damage: Callable[[Path], None]) -> None:
    shutil.copytree(whole, folder)
    place = folder / "out" / "small"
    cases = sorted((place / "cases").iterdir())
    expected = stack3d.open_results(whole / "out" / "small")
    file = place / name if (place / name).exists() else cases[1] / name
    before = file.read_bytes()
    damage(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = stack3d.open_results(place)  # the others are told
        assert list(told["status"].values.ravel()).count("done") >= len(cases) - 1
        assert len(report_page([told])) > 10_000
        reports = run(folder)
    assert {r.status for r in reports if not r.is_verdict} <= {study.DONE, study.SKIPPED}, [r.lines for r in reports]
    found = stack3d.open_results(place)
    assert_same(found, expected)
    assert_same(stack3d.open_results(place / "study.nc"), expected)
    assert name != "resolved.yaml" or file.read_bytes() == before
    for group in ("optimise", "uncertain"):
        assert group not in expected.children or found[group].attrs == expected[group].attrs
    tally = Tally()
    *_, _last = study.run([str(folder / "small.yaml")], folder / "out", tally, workers=1)
    assert tally.counts == {"skipped": len(cases)}  # once and not for ever
    left = [p.name for p in place.rglob("*") if p.name.startswith(".") and p.name != ".lock"]
    assert left == []


NAMES = ["result.nc", "run.json", "study.json", "study.nc", "resolved.yaml"]


@pytest.mark.parametrize(("name", "damage"), [("study.json", of_another_version), ("run.json", unreadable)])
def test_a_search_with_a_damaged_file_is_told_and_made_whole(
    done: Callable[[str], Path], tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    survives(done("optimise"), tmp_path / "copy", name, damage)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [folder_in_its_place, pipe_in_its_place])
def test_what_is_no_file_in_the_place_of_one_is_put_aside(
    done: Callable[[str], Path], tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    survives(done("study"), tmp_path / "copy", name, damage)
    assert len(list((tmp_path / "copy").rglob(f"damaged-{Path(name).stem}*"))) == 1


@pytest.mark.parametrize("name", [".lock", "cases", "cases/*"])
def test_what_is_no_file_where_a_run_holds_or_keeps_its_cases_is_one_line(
    done: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    for damage, words in ((pipe_in_its_place, "pipe or a device|cannot be written"), (unreadable, "link|cannot be written")):
        folder = tmp_path / damage.__name__
        shutil.copytree(done("study"), folder)
        place = sorted((folder / "out" / "small").glob(name))[0]
        if place.is_dir():
            shutil.rmtree(place)
            place.touch()
        damage(place)
        try:
            reports = [r for r in run(folder) if r.status == study.FAILED]
            lines = [line for r in reports for line in r.lines]
        except ResultsError as error:
            lines = [str(error)]
        assert len(lines) == 1 and re.search(words, lines[0]), lines


@pytest.mark.slow
@pytest.mark.parametrize("kind", DECKS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_any_file_damaged_in_any_way(
    done: Callable[[str], Path], tmp_path: Path, kind: str, name: str, damage: Callable[[Path], None]
) -> None:
    survives(done(kind), tmp_path / "copy", name, damage)


@pytest.mark.parametrize("damage", [flip, of_another_case])
def test_a_damaged_deck_of_a_case_is_told_put_aside_and_written_again(
    done: Callable[[str], Path], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(done("study"), folder)
    case = sorted((folder / "out" / "small" / "cases").iterdir())[1]
    whole = (case / "resolved.yaml").read_bytes()
    damage(case / "resolved.yaml")
    assert (case / "resolved.yaml").read_bytes() != whole
    for path in (case, folder / "out" / "small"):
        with pytest.warns(ValidityWarning, match=r"resolved.yaml is damaged; the result holds the scenario too"):
            stack3d.open_results(path if path != case else case / "result.nc")
    with pytest.warns(ValidityWarning, match=r"was damaged: it is damaged-resolved.yaml now"):
        assert {r.status for r in run(folder)} == {study.SKIPPED}
    assert (case / "resolved.yaml").read_bytes() == whole and (case / "damaged-resolved.yaml").is_file()
    (case / "resolved.yaml").unlink()
    with pytest.warns(ValidityWarning, match=r"was gone: what the result says is written there again"):
        run(folder)
    assert (case / "resolved.yaml").read_bytes() == whole


def test_a_damaged_joined_dataset_is_not_read(done: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(done("study"), folder)
    file = folder / "out" / "small" / "study.nc"
    flip(file)
    with pytest.raises(ResultsError, match=r"study.nc is damaged: it is not what study.json was written for"):
        stack3d.open_results(file)
    stack3d.open_results(file.parent)  # the cases are as they were
    run(folder)
    assert_same(stack3d.open_results(file), stack3d.open_results(done("study") / "out" / "small"))
