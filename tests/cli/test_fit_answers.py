"""What a fit says of itself: intervals of laws with bends, laws that do not follow, what is held, which law is written."""

import io
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stack3d.cli import app
from stack3d.constants import BOLTZMANN
from stack3d.devices import build_device, load_device
from stack3d.devices.fitting import fit_law, fitted_device, laws_for, read_table
from stack3d.devices.fitting.optima import NOTHING, Optimum
from stack3d.devices.fitting.posterior import draws
from stack3d.devices.fitting.quality import beside_repeats
from stack3d.errors import DeckError
from stack3d.progress import PlainLines

HEAD = "temperature [degC],level [uS],cell,time [s],conductance [uS]"


def written(path: Path, head: str, rows: list[tuple[object, ...]]) -> Path:
    lines = (",".join(f"{v:.7g}" if isinstance(v, float) else str(v) for v in row) for row in rows)
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def factor(energy: float, celsius: float, hot: float = 200.0) -> float:
    """Times slower than at `hot`."""
    return float(np.exp(energy / BOLTZMANN * (1 / (celsius + 273.15) - 1 / (hot + 273.15))))


def saturating(path: Path, seed: int = 3) -> Path:
    """ln R grows as (t/τ)^0.7 up to 2 Mohm; barriers of 1.45 ± 0.04 eV that share an attempt; starts 2 % apart, reads 1 %."""
    rng, rows = np.random.default_rng(seed), []
    for celsius in (125.0, 165.0, 200.0):
        for level in (5.0, 20.0, 40.0):
            for cell in range(6):
                life = 1e5 * factor(1.45, celsius) * np.exp(0.04 * rng.normal() / BOLTZMANN / (celsius + 273.15))
                start = level * (1 + 0.02 * rng.normal())
                for time in (1.0, 1e2, 1e4, 1e5, 3e5, 1e6, 3e6):
                    kept = max(start * np.exp(-((time / life) ** 0.7)), 0.5)
                    rows.append((celsius, level, cell, time, kept * (1 + 0.01 * rng.normal())))
    return written(path, HEAD, rows)


@pytest.mark.slow
def test_a_law_with_a_bend_gets_the_interval_that_the_data_give(tmp_path: Path) -> None:
    """Cells caught on the shelf behind the bend made 0.2 to 6 eV of it, in silence."""
    table = read_table(saturating(tmp_path / "bakes.csv"))
    device = fitted_device([table])
    fit = fit_law("stretched_log_resistance", [table], device, hold={"inverse_isokinetic_temperature": "0 1/K"})
    truth = {"activation_energy": 1.45, "barrier_sd": 0.04, "time_constant": 1e5, "shape": 0.7, "saturation_resistance": 2e6}
    for name, true in (truth | {"read_noise": 0.01}).items():
        low, high = fit.interval(name, 0.998)
        assert low <= true <= high, (name, low, high)
    low, high = fit.interval("activation_energy")
    # by hand: 18 cells of a temperature fix its mean barrier to 0.04/√18 eV, and the lever between 125 and 200 degC is 4.6 / eV
    assert 0.1 < high - low < 0.6
    assert fit.effective > 50 and fit.quality is not None and fit.quality.follows


def test_the_end_of_crystallisation_is_fitted_and_not_the_largest_reading(tmp_path: Path) -> None:
    """The largest of many noisy readings lay 6 % above 25 uS, and doubled the noise."""
    rng, rows = np.random.default_rng(5), []
    for celsius in (120.0, 135.0, 150.0):
        for level in (0.2, 1.0, 5.0):
            for cell in range(8):
                start = level * (1 + 0.05 * rng.normal())
                for time in (1.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5):
                    share = 1 - np.exp(-((time / (1e4 * factor(2.5, celsius, 140.0))) ** 3))
                    rows.append((celsius, level, cell, time, start ** (1 - share) * 25**share * (1 + 0.02 * rng.normal())))
    table = read_table(written(tmp_path / "crystals.csv", HEAD, rows))
    fit = fit_law("avrami", [table], fitted_device([table]))
    for name, true in {"activation_energy": 2.5, "exponent": 3.0, "read_noise": 0.02, "g_max": 25e-6}.items():
        low, high = fit.interval(name, 0.998)
        assert low <= true <= high, (name, low, high)
    assert fit.device.g_max == pytest.approx(25e-6, rel=0.01) and fit.device.g_min == pytest.approx(0.2e-6)


@pytest.mark.slow
def test_drift_is_found_on_one_branch_with_its_reference_time(tmp_path: Path) -> None:
    """ν = 0.06 ± 0.01 from 20 s on: a mean and its mirror explain it alike, and the form holds it above 0."""
    rng, rows = np.random.default_rng(2), []
    for level in (2.0, 5.0, 20.0):
        for cell in range(12):
            exponent, start = 0.06 + 0.01 * rng.normal(), level * (1 + 0.03 * rng.normal())
            for time in (1.0, 10.0, 1e2, 1e3, 1e4, 1e5):
                rows.append((30.0, level, cell, time, start * ((time + 20) / 20) ** -exponent * (1 + 0.01 * rng.normal())))
    table = read_table(written(tmp_path / "drift.csv", HEAD, rows))
    fit = fit_law("retention.power_law", [table], fitted_device([table]))
    found = {name: fit.interval(name, 0.998) for name in ("exponent_mean.offset", "exponent_sd.offset", "reference_time")}
    for (low, high), true in zip(found.values(), (0.06, 0.01, 20.0)):
        assert low <= true <= high, found
    assert "exponent_mean.low is held at 0.0: by convention" in "\n".join(fit.remarks)
    with pytest.raises(
        DeckError, match=r"of spread and of retention, .*: write --law spread.power_law or --law retention.power"
    ):
        fit_law("power_law", [table], fitted_device([table]))


def test_a_law_that_does_not_follow_is_told_in_words(tmp_path: Path) -> None:
    """Two mechanisms, one law: before, the noise of the reads took it all without a word."""
    rng, rows = np.random.default_rng(1), []
    for celsius in (125.0, 165.0, 200.0):
        for level in (10.0, 20.0):
            for cell in range(5):
                for time in (1.0, 1e2, 1e4, 1e5, 1e6, 3e6):
                    fast, slow = time / (3e4 * factor(0.4, celsius)), time / (2e5 * factor(1.6, celsius))
                    left = 0.85 * np.exp(-slow) + 0.15 * np.exp(-fast) + 1e-3
                    rows.append((celsius, level, cell, time, level * left * (1 + 0.01 * rng.normal())))
    data = written(tmp_path / "two.csv", HEAD, rows)
    deck = tmp_path / "two.yaml"
    done = CliRunner().invoke(app, ["fit", str(data), "--law", "gap_growth", "-o", str(deck), "--progress", "none"])
    assert done.exit_code == 0, done.output
    told = "the law does not follow the data: its misses are"
    assert told in done.output and "degC" in done.output and "off the law" in done.output
    assert told in deck.with_suffix(".html").read_text() and told in deck.read_text().replace("\n      ", " ")


def test_the_test_of_repeats_gives_evenly_spread_chances() -> None:
    """Readings of a law that holds: a chance below 5 % comes in about 5 % of the tables."""
    rng, group = np.random.default_rng(1), np.repeat(np.arange(12), 6)
    found = [beside_repeats(rng.normal(size=72), group, (0.0, 0.0), lambda *_: "") for _ in range(400)]
    chances = np.array([one.chance for one in found if one is not None])
    assert chances.size == 400
    assert abs(np.mean(chances < 0.05) - 0.05) < 4 * (0.05 * 0.95 / 400) ** 0.5


def test_draws_hold_both_of_two_valleys_and_lopsided_ones_are_reached() -> None:
    """Two normal valleys alike, four apart; and one proposal far off what it is to find."""

    def two(x: np.ndarray) -> float:
        return -float(np.logaddexp(*(-0.5 * np.sum((x - at) ** 2) / 0.01 for at in (-2.0, 2.0))))

    axes = 0.1 * np.eye(2)
    found = draws(two, [Optimum(np.full(2, -2.0), axes, 0.0), Optimum(np.full(2, 2.0), axes, 0.0)], 1)
    assert not found.by_curvature and 0.3 < np.mean(found.x[:, 0] > 0) < 0.7
    off = draws(lambda x: 0.5 * float(np.sum((x - 1.0) ** 2)), [Optimum(np.zeros(3), 0.3 * np.eye(3), 0.0)], 1)
    assert not off.by_curvature
    np.testing.assert_allclose(off.x.mean(0), 1.0, atol=0.4)
    np.testing.assert_allclose(off.x.std(0), 1.0, rtol=0.3)


def test_walkers_draw_where_few_proposals_count() -> None:
    """Eight values above zero that fall off as an exponential: of proposals about the corner one in hundreds counts."""

    def corner(x: np.ndarray) -> float:
        return 3.0 * float(x.sum()) if (x > 0).all() else NOTHING

    found = draws(corner, [Optimum(np.full(8, 0.01), 0.2 * np.eye(8), 0.24)], 1)
    assert len(found.x) == 200 and 100 <= found.effective <= 200
    np.testing.assert_allclose(found.x.mean(0), 1 / 3, atol=0.1)
    np.testing.assert_allclose(found.x.std(0), 1 / 3, atol=0.1)


def test_draws_that_no_proposal_suits_are_told() -> None:
    """A cost of needles: the few proposals that count are no posterior."""
    rng = np.random.default_rng(0)
    jumps = rng.normal(size=997) * 400
    needle = draws(lambda x: float(abs(jumps[int(abs(x[0]) * 1e9) % 997])), [Optimum(np.zeros(1), np.eye(1), 0.0)], 1)
    assert needle.by_curvature == (needle.effective < 50)


LIVES = "temperature [degC],cycles"


def lives(path: Path) -> Path:
    rng = np.random.default_rng(5)
    return written(path, LIVES, [(c, float(n)) for c in (25, 85) for n in 1e6 * rng.weibull(2, 40) / (1 + (c > 30))])


def test_what_is_assumed_is_told_and_marked_in_the_deck(tmp_path: Path) -> None:
    """A fit of lives invented the best voltage of a write, and a largest conductance of the data that has none."""
    data, deck = lives(tmp_path / "lives.csv"), tmp_path / "mine.yaml"
    done = CliRunner().invoke(app, ["fit", str(data), "--law", "tent", "-o", str(deck)])
    assert done.exit_code == 0, done.output
    assert "optimum_voltage is held at 1 V: assumed, for the data are without voltages" in done.output
    assert "reference_temperature is held at 358.15 K: the hottest of the data, to count from" in done.output
    text = deck.read_text().replace("\n      ", " ")
    assert "reference_temperature: {value: 358.15 K, assumed: 'the hottest of the data" in text
    assert "optimum_voltage: {value: 1 V, assumed: 'assumed, for the data are without voltages" in text
    assert "g_max: {value: 1e-06 S, assumed: no conductance among the data}" in text
    assert build_device(load_device(str(deck))).endurance.optimum_voltage == 1.0
    mine = CliRunner().invoke(app, ["fit", str(data), "--law", "tent", "--hold", "optimum_voltage=1.4 V"])
    assert "optimum_voltage is held at 1.4 V: as asked by --hold" in mine.output
    assert "No deck is written: -o DECK.yaml writes one" in mine.output and not list(tmp_path.glob("*.html"))[1:]


def test_one_temperature_holds_what_only_more_can_tell(tmp_path: Path) -> None:
    """The spread of ln τ is that of the barrier times |1/T - 1/T_iso|: one temperature gives two branches of pairs."""
    rng, rows = np.random.default_rng(4), []
    for level in (10.0, 20.0):
        for cell in range(8):
            life = 1e5 * np.exp(0.3 * rng.normal())
            rows += [
                (165, level, cell, t, level * float(np.exp(-((t / life) ** 0.6))) * (1 + 0.01 * rng.normal()))
                for t in (1.0, 1e3, 1e4, 1e5, 3e5)
            ]
    table = read_table(written(tmp_path / "one.csv", HEAD, rows))
    fit = fit_law("distributed_barriers", [table], fitted_device([table]), hold={"activation_energy": "1.3 eV"})
    assert "inverse_isokinetic_temperature is held at 0.0: fewer than 3 temperatures" in "\n".join(fit.remarks)
    assert "inverse_isokinetic_temperature" not in fit.names and not fit.others
    low, high = fit.interval("barrier_sd")
    assert low <= 0.3 * BOLTZMANN * 438.15 <= high


def test_both_ends_of_what_was_measured_are_written(tmp_path: Path) -> None:
    """A chip colder than every bake is outside as well."""
    data, deck = saturating(tmp_path / "bakes.csv"), tmp_path / "mine.yaml"
    done = CliRunner().invoke(app, ["fit", str(data), "--law", "gap_growth", "-o", str(deck), "--progress", "none"])
    assert done.exit_code == 0, done.output
    valid = load_device(str(deck)).mechanisms["retention"].parameters["valid"]
    assert valid["exposures_fitted"] == ["3e+06 s at 200 degC"]
    assert valid["coldest_fitted"] == "125 degC" and valid["youngest_fitted"] == "1 s"
    assert not {"time_fitted", "temperature_fitted"} & set(valid), "they told the same again"
    with pytest.warns(
        UserWarning, match=r"\(3e\+06 s at 200 degC; none colder than 125 degC or younger than 1 s\); extrapolating"
    ):
        device = build_device(load_device(str(deck)))
        state = device.program(np.full((1, 4), 10e-6), np.random.default_rng(1))
        device.advance(state, 3600.0, 300.0)


def test_the_law_that_is_written_is_named(tmp_path: Path) -> None:
    data = lives(tmp_path / "lives.csv")
    deck = tmp_path / "mine.yaml"
    laws = ["--law", "tent", "--law", "two_sided", "--law", "lammie2021"]
    done = CliRunner().invoke(app, ["fit", str(data), *laws, "-o", str(deck)])
    assert done.exit_code == 0, done.output
    law = load_device(str(deck)).mechanisms["endurance"].law
    assert done.output.count(f"For endurance the deck has {law}: its information criterion is ") == 2
    assert "in the deck" in deck.with_suffix(".html").read_text()


def test_laws_are_listed_with_their_columns_and_a_wrong_name_finds_the_nearest() -> None:
    told = CliRunner().invoke(app, ["list", "laws"])
    assert told.exit_code == 0
    assert "endurance: from a CSV with cycles\n" in told.output and "\n  avrami   " in told.output
    wrong = CliRunner().invoke(app, ["list", "law"])
    assert wrong.exit_code != 0 and "laws" in str(wrong.exception)


def test_below_absolute_zero_is_told_as_that(tmp_path: Path) -> None:
    data = written(tmp_path / "cold.csv", HEAD, [(125, 5, "a", 1, 5), (-300, 5, "a", 10, 4.9)])
    with pytest.raises(DeckError, match=r"cold.csv:3: column 1 \(temperature\): got '-300.0 degC', which lies below absolute"):
        read_table(data)


class Enough(Exception):
    """The first words were heard."""


class Listened(PlainLines):
    """Lines that end a fit once the time left was said."""

    def step(self, name: str, done: int, total: int, **facts: object) -> None:
        super().step(name, done, total, **facts)
        raise Enough


def test_a_long_fit_tells_the_time_left_from_its_first_second(tmp_path: Path) -> None:
    said = io.StringIO()
    table = read_table(saturating(tmp_path / "bakes.csv"))
    observer = Listened(stream=said)
    with pytest.raises(Enough):
        fit_law("stretched_log_resistance", [table], fitted_device([table]), observer=observer)
    observer.finish()
    first, second = said.getvalue().splitlines()
    assert "fitting retention.stretched_log_resistance" in first
    assert second.endswith(" left"), said.getvalue()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [(t, 5, c, x, 5) for t in (125, 200) for c in "ab" for x in (1, 10, 100)],
            "no reading differs from the others of its",
        ),
        ([(t, 5, c, 10, 5 - x) for t in (125, 200) for c in "ab" for x in (0, 0.1, 0.2)], "each was read at one time only"),
        ([(125, 5, "a", 1, 5)], "every cell or level was read once"),
    ],
)
def test_readings_that_tell_nothing_are_refused(tmp_path: Path, rows: list[tuple[object, ...]], said: str) -> None:
    """They gave a noise of 4e-14 and a law that follows."""
    table = read_table(written(tmp_path / "none.csv", HEAD, rows))
    with pytest.raises(DeckError, match=said):
        fit_law("gap_growth", [table], fitted_device([table]))


def test_a_law_that_suits_is_offered_with_the_list(tmp_path: Path) -> None:
    table = lives(tmp_path / "lives.csv")
    assert laws_for([read_table(table)])["endurance"] == ["lammie2021", "tent", "two_sided"]
    done = CliRunner().invoke(app, ["fit", str(table)])
    assert "stack3d list laws" in str(done.exception)
