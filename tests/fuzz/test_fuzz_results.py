"""Damaged result folders: told, put aside and computed again; never another answer, never a failure for ever."""

import json
import os
import shutil
from pathlib import Path

import pytest
import small_study as studies
from harness import SHORT_RUN, count, in_time
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import assert_same

import stack3d
from stack3d import results, storage, study
from stack3d.errors import Stack3dError
from stack3d.progress import Silent

SWEEP = "{power.sources.spot.power: [1 W, 2 W, 3 W]}"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("done")
    studies.write(folder, SWEEP)
    stack3d.sweep(folder / "small.yaml", output=folder / "out", workers=1)
    return folder


@st.composite
def damages(draw: st.DrawFn) -> tuple[int, str, str, float]:
    name = draw(st.sampled_from(["result.nc", "run.json", "resolved.yaml", "study.json"]))
    how = draw(st.sampled_from(["cut", "empty", "flip", "gone", "other", "folder", "pipe", "link"]))
    return draw(st.integers(0, 2)), name, how, draw(st.floats(0, 1, exclude_max=True))


def damage(case: Path, kind: tuple[int, str, str, float]) -> Path:
    _, name, how, share = kind
    file = case / name if name != "study.json" else case.parents[1] / name
    content = bytearray(file.read_bytes())
    at = int(share * len(content))
    if how == "flip":
        content[at] ^= 1 << (at % 8)
        file.write_bytes(content)
    elif how in ("cut", "empty"):
        file.write_bytes(content[: at if how == "cut" else 0])
    else:
        file.unlink()
    if how == "other":
        file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(share.hex(), "ascii") * 20)
    elif how == "folder":
        file.mkdir()
    elif how == "pipe":
        os.mkfifo(file)
    elif how == "link":
        file.symlink_to(file.name)  # to itself
    return file


def survives(done: Path, folder: Path, *kinds: tuple[int, str, str, float]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(done, folder)
    expected = stack3d.open_results(done / "out" / "small")
    cases = sorted((folder / "out" / "small" / "cases").iterdir())
    damaged = [damage(cases[kind[0]], kind).name for kind in kinds]
    with in_time():
        try:
            told = stack3d.open_results(folder / "out" / "small")
            counts = list(told["status"].values.ravel()).count("done")
            assert counts >= 3 - len(kinds), told["status"]
        except Stack3dError:
            pytest.fail(f"damaged {damaged} hide the others")
        reports = list(study.run([str(folder / "small.yaml")], folder / "out", Silent(), workers=1))
    assert [r.status for r in reports].count(study.FAILED) == 0, [r.lines for r in reports]
    assert_same(stack3d.open_results(folder / "out" / "small"), expected)


PAST: list[list[tuple[int, str, str, float]]] = json.loads((Path(__file__).parent / "corpus" / "folders.json").read_text())
"""Damages of a folder, all at once."""


@pytest.mark.parametrize("kinds", PAST, ids=lambda kinds: "+".join(f"{name} {how}" for _, name, how, _ in kinds))
def test_failures_of_the_past(done: Path, tmp_path: Path, kinds: list[tuple[int, str, str, float]]) -> None:
    survives(done, tmp_path / "past", *kinds)


@settings(SHORT_RUN, max_examples=8)
@given(kind=damages())
def test_a_damaged_folder_is_made_whole(
    done: Path, tmp_path_factory: pytest.TempPathFactory, kind: tuple[int, str, str, float]
) -> None:
    survives(done, tmp_path_factory.getbasetemp() / "damaged", kind)


@pytest.mark.fuzz
@pytest.mark.parametrize("number", [1, 2, 3])
def test_damaged_folders_for_long(done: Path, tmp_path: Path, number: int) -> None:
    count("results", number, tmp_path, 100, damages(), lambda kind: survives(done, tmp_path / "damaged", kind))


def test_what_is_damaged_is_put_aside_and_told(done: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(done, folder)
    case = sorted((folder / "out" / "small" / "cases").iterdir())[1]
    damage(case, (1, "result.nc", "flip", 0.5))
    with pytest.raises(Stack3dError, match=r"result.nc is damaged"):
        results.open_result(case)
    reports = list(study.run([str(folder / "small.yaml")], folder / "out", Silent(), workers=1))
    assert sorted(r.reason for r in reports) == ["", "", "its result was damaged"]
    assert (case / "damaged-result.nc").is_file()


@pytest.mark.parametrize("lost", [storage.DIGEST, "result_sha256"])
def test_a_record_without_a_digest_vouches_for_nothing(done: Path, tmp_path: Path, lost: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(done, folder)
    for record in folder.glob("out/small/cases/*/run.json"):
        facts = json.loads(record.read_text())
        kept = {k: v for k, v in facts.items() if k not in (storage.DIGEST, lost)}
        record.write_text(json.dumps(kept if lost == storage.DIGEST else storage.sealed(kept)))
        with pytest.raises(Stack3dError, match=r"result.nc is damaged: .* run the case again"):
            results.open_result(record.parent)
    said = set(stack3d.open_results(folder / "out" / "small")["status"].values.ravel())
    assert said == {"damaged" if lost == "result_sha256" else "not_run"}
    reports = list(study.run([str(folder / "small.yaml")], folder / "out", Silent(), workers=1))
    assert {r.status for r in reports} == {study.DONE}
    assert {r.reason for r in reports} == {"its result was damaged" if lost == "result_sha256" else "its record was damaged"}
