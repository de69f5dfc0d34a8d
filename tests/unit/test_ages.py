"""A life that leaves the times that its devices know is refused before anything is solved; so is what nothing on earth has."""

from pathlib import Path

import pytest
import small_study

import stack3d
from stack3d import study

QUICKSTART = (Path(stack3d.__file__).parents[1] / "scenarios" / "quickstart.yaml").read_text()
LAST = (
    "device 'bulk_rram_ucsd': time = 6.31152e+09 s lies outside the allowed range [0, 3.15576e+09] s; cells get 200 years old"
)


def told(folder: Path, old: str, new: str, *, base: str = QUICKSTART, more: str = "") -> str:
    """What `validate` says of a scenario with a text changed."""
    assert old in base
    path = folder / "c.yaml"
    path.write_text(base.replace(old, new) + more)
    return "\n".join(str(one.error) for one in study.checked(path) if one.error)


def test_a_life_beyond_the_times_of_its_device_is_refused_at_its_line(tmp_path: Path) -> None:
    found = told(tmp_path, "10 year", "200 year")
    line = QUICKSTART.splitlines().index(next(text for text in QUICKSTART.splitlines() if "until" in text)) + 1
    assert found.endswith(f"c.yaml:{line}: lifetime.until: {LAST}"), found
    swept = told(tmp_path, "10 year", "10 year", more="sweep: {lifetime.until: [10 year, 200 year]}\n")
    last = len(QUICKSTART.splitlines()) + 1
    assert swept.endswith(f"c.yaml:{last}: lifetime.until: {LAST}"), swept


@pytest.mark.parametrize(
    ("policy", "refused"),
    [("{period: 1 year}", False), ("{period: 150 year}", True), ("{accuracy_loss: 0.01}", False)],
)
def test_cells_that_are_written_again_are_as_old_as_their_last_write(tmp_path: Path, policy: str, refused: bool) -> None:
    found = told(tmp_path, '10 year"', f'200 year", refresh: {policy}')
    assert ("lies outside the allowed range" in found) == refused, found


def test_a_law_of_its_own_times_is_asked_too(tmp_path: Path) -> None:
    found = told(
        tmp_path, "10 year", "2 year", more="sweep: {device.mechanisms.retention.valid: [{time_allowed: '[0, 1] year'}]}\n"
    )
    assert "lies outside the allowed range" in found, found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"1 mm", "1 mm"', '"1e200 mm", "1 mm"', ":3: geometry.footprint[0]: got '1e200 mm'; a length is at most 1000 m"),
        (
            '"1 mm", "1 mm"',
            '"1e-150 m", "1 mm"',
            ":3: geometry.footprint[0]: got '1e-150 m'; a length is zero, or at least 1e-100",
        ),
        ('"0.3 mm"', '"1e-15 m"', ":5: geometry.below[0].thickness: wants at least 1e-12 m, got 1e-15 m"),
        ('"1 W"', '"1e300 W"', ":13: power.sources[0].power: got '1e300 W'; a power is at most 1e+12 W"),
        ('"1 W"', '"-1e13 W"', ":13: power.sources[0].power: got '-1e13 W'; a power is at most 1e+12 W"),
        ('"300 K"', '"1e9 K"', ":14: cooling.ambient: got '1e9 K'; a temperature is at most 1e+06 K"),
        ('"1e4 W/m^2/K"', '"1e99 W/m^2/K"', ":14: cooling.top.film_coefficient: got '1e99 W/m^2/K'; a film coefficient is at"),
        ('"130 W/m/K"', '"1e200 W/m/K"', ":5: geometry.below[0].material.conductivity: got '1e200 W/m/K'; a conductivity is"),
    ],
)
def test_what_nothing_on_earth_has_is_refused_at_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in told(tmp_path, old, new, base=small_study.STUDY)


def test_a_trace_of_power_that_nothing_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time [s],spot [W]\n0,1\n1,1e300\n2,0\n")
    found = told(tmp_path, "sources:", "trace: {pattern: table, file: t.csv}\n  sources:", base=small_study.STUDY)
    assert "power.trace.file: t.csv line 3, 'spot [W]': is 1e+300 W; at most 1e+12 W" in found, found
