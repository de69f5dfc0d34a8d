"""Reports as a user opens them: in a real browser, at desk and phone width, and as picture files."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import browser
import numpy as np
import pytest
import studies
import xarray as xr
from in_process import exit_code

from stack3d import decks, results
from stack3d.case import run_case
from stack3d.progress import Silent
from stack3d.report import study_answers, study_charts, study_table

needs_browser = pytest.mark.skipif(
    browser.executable() is None, reason="no Chromium; on Debian or Ubuntu: apt-get install chromium"
)
CASE_FIGURES = {
    "accuracy", "attribution", "conductance", "stack", "profile", "maps", "power", "power_density", "efficiency", "wear",
}  # fmt: skip
STUDY_FIGURES = {"map_accuracy", "map_peak", "pareto"}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart with fewer chips and epochs, by the solver that needs no mesh."""
    folder = tmp_path_factory.mktemp("reported")
    smaller = [("monte_carlo.samples", 4), ("lifetime.epochs", 3), ("workload.test_samples", 100), ("solver.backend", "tensor")]
    loaded = decks.load("quickstart", smaller)
    results.write_tree(folder / "result.nc", results.to_tree(loaded, run_case(loaded.scenario, Silent())))
    return folder


@pytest.fixture(scope="module")
def study(case: Path) -> Path:
    """Tiers by cooling, made from the case by known shifts; one case failed."""
    path = case / "joined.nc"
    studies.joined(results.open_result(case)).to_netcdf(path)
    return path


class Tags(HTMLParser):
    """Addresses and figure sections of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.sections: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [str(found[k]) for k in ("src", "href") if k in found]
        if tag == "section":
            self.sections.append(str(found["id"]))


def tags_of(page: Path) -> Tags:
    tags = Tags()
    tags.feed(page.read_text(encoding="utf-8"))
    return tags


def test_a_page_stands_alone(case: Path, study: Path) -> None:
    for source, figures in ((case, CASE_FIGURES), (study, STUDY_FIGURES)):
        page = case / "alone.html"
        assert exit_code("report", str(source), "-o", str(page)) == 0
        tags = tags_of(page)
        assert all(a.startswith(("#", "data:")) for a in tags.addresses)
        assert not re.search(r"url\((?!#)|@import", page.read_text())
        assert set(tags.sections) >= figures
        if source is case:
            assert re.search(r"<td>time</td><td>[\d.]+ s: (\w+ \d+ %, )+\w+ \d+ %</td>", page.read_text())


@needs_browser
@pytest.mark.parametrize("kind", ["case", "study"])
def test_a_page_in_a_browser(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Figures are drawn, nothing is complained of or asked for, hover and slider answer, and a phone need not scroll sideways."""
    page = tmp_path / f"{kind}.html"
    assert exit_code("report", str(request.getfixturevalue(kind)), "-o", str(page)) == 0
    window = browser.Browser()
    try:
        window.open(page)
        figures = CASE_FIGURES if kind == "case" else STUDY_FIGURES
        for name in figures:
            box = window.evaluate(
                f"(() => {{ const r = [...document.querySelectorAll('#{name} svg')].map(s => s.getBoundingClientRect())"
                ".find(r => r.width > 0); return [r.width, r.height]; })()"
            )
            assert box[0] > 250 and box[1] > 80, (name, box)
            inked = f"document.querySelectorAll('#{name} svg :is(path.line, rect.box, image, circle)').length"
            assert window.evaluate(inked) > 0, name
        if kind == "case":
            curve = _hover(window, "#accuracy svg", 0.5, 0.3)
            assert "mean of the chips" in curve and "%" in curve
            place = _hover(window, "#maps .shown svg", 0.4, 0.4)
            assert re.search(r"temperature \[°C\]: \d\d\.\d+", place) and "mm" in place
            window.evaluate(
                "(() => { const s = document.getElementById('maps-slider'); s.value = 5; s.dispatchEvent(new Event('input')); })()"
            )
            assert (
                window.evaluate("[...document.querySelectorAll('#maps .panel')].findIndex(p => p.classList.contains('shown'))")
                == 5
            )
            assert "hottest box" in window.evaluate("document.querySelector('#maps .shown .title').textContent")
        else:
            assert "cooling" in _hover(window, "#map_peak svg", 0.6, 0.3)
        assert window.violations() == []
        pictures = [page.with_name(f"{kind}_{width}.png") for width in (1280, 390)]
        window.full_picture(pictures[0])
        window.resize(390, 844, phone=True)
        window.full_picture(pictures[1])
        assert all(p.stat().st_size > 50_000 for p in pictures)
        assert window.evaluate("document.documentElement.scrollWidth") <= 390
        smallest = "Math.min(...[...document.querySelectorAll('svg .tick')].filter(t => t.getBoundingClientRect().width > 0).map(t => 11 * t.getScreenCTM().a))"
        assert window.evaluate(smallest) > 8  # px; below that a phone is no use
        assert window.violations() == []
        window.call("Emulation.setEmulatedMedia", media="print")
        plain = "[...document.querySelectorAll('button.sort')].every(b => getComputedStyle(b).display === 'contents')"
        assert window.evaluate(plain)  # Chromium draws no button in a head that it repeats on the next sheet
        seen = "[...document.querySelectorAll('.deck .panel')].filter(p => p.getBoundingClientRect().height > 0).length"
        assert window.evaluate(seen) == window.evaluate(
            "document.querySelectorAll('.deck .panel').length"
        )  # no tier is hidden on paper
        assert window.evaluate(
            "[...document.querySelectorAll('.slider, .thumbs')].every(e => e.getBoundingClientRect().height === 0)"
        )
        assert window.complaints() == []
        assert window.requests() == [page.resolve().as_uri()]
    finally:
        window.close()


@needs_browser
def test_sections_fold_tables_sort_and_figures_come_as_files(case: Path, tmp_path: Path) -> None:
    """By keys and clicks: what a figure saves holds the numbers of the dataset, and paper shows what is folded."""
    page, other = tmp_path / "one.html", tmp_path / "two.html"
    assert exit_code("report", str(case), "-o", str(page)) == 0
    assert exit_code("report", str(case), str(case), "-o", str(other)) == 0
    tree = results.open_result(case)
    window = browser.Browser()
    try:
        window.open(page)
        words = window.evaluate("document.querySelector('p.words').textContent")
        peak = float(tree["thermal/layer_temperature_max"].max()) - 273.15
        assert words.startswith(f"The hottest place reaches {peak:.1f} °C in logic: ") and "Accuracy is" in words
        slabs = "[...document.querySelectorAll('#picture [data-tip]')].map(g => g.dataset.tip)"
        mean = float(tree["thermal/layer_temperature_mean"].sel(layer="lid")) - 273.15
        assert any(tip.startswith(f"lid: mean {mean:.2f} °C") for tip in window.evaluate(slabs))
        text = window.evaluate("window.stack3d.csvOf(document.getElementById('accuracy'))")
        rows = [row.split(",") for row in text.splitlines()]
        found = [float(row[5]) for row in rows if row[3] == "mean of the chips"]
        np.testing.assert_allclose(found, 100 * tree["mvm/accuracy_mean"].mean("sample"), rtol=1e-5)
        drawn = ElementTree.fromstring(window.evaluate("window.stack3d.svgOf(document.getElementById('accuracy'))"))
        assert drawn.tag.endswith("svg") and sum(e.tag.endswith("path") for e in drawn.iter()) >= 3
        boxes = "window.stack3d.csvOf(document.getElementById('maps')).split('\\n').length"
        assert window.evaluate(boxes) > tree["thermal/temperature"].size
        by_size = "[...document.querySelectorAll('#conventional tbody tr')].map(r => r.cells[1].textContent)"
        assert window.evaluate("['3 nJ', '20 pJ', '1 mJ', '2 days', '5 h', '≥ 10 y'].map(window.stack3d.quantity)") == [
            pytest.approx(v) for v in (3e-9, 2e-11, 1e-3, 172800, 18000, 10)
        ]
        window.evaluate("document.querySelectorAll('#conventional th button')[1].focus()")
        before = window.evaluate(by_size)
        window.evaluate("document.activeElement.click()")
        assert window.evaluate(by_size) == [before[i] for i in (0, 2, 1)] and "775 nJ" not in before
        assert window.evaluate("document.querySelector('#conventional th[aria-sort]').getAttribute('aria-sort')") == "ascending"
        window.evaluate("document.querySelector('nav button').click()")
        assert window.evaluate("document.querySelectorAll('details.fold[open]').length") == 0
        window.evaluate("location.hash = '#wear'")
        until = "new Promise(go => setTimeout(() => go(document.querySelector('#wear details').open), 50))"
        assert window.call("Runtime.evaluate", expression=until, awaitPromise=True)["result"]["value"]
        window.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert window.evaluate("document.querySelectorAll('details.fold:not([open])').length") == 0
        window.evaluate("document.querySelector('#accuracy svg').focus()")
        window.press("ArrowRight")
        window.press("ArrowRight")
        told = window.evaluate("document.getElementById('tip').textContent")
        assert (
            "mean of the chips" in told and window.evaluate("document.getElementById('tip').getAttribute('role')") == "status"
        )
        window.events.clear()
        window.open(other)
        assert window.violations() == [] and window.complaints() == []
        assert window.requests() == [other.resolve().as_uri()]
    finally:
        window.close()


def _hover(window: browser.Browser, selector: str, across: float, down: float) -> str:
    """Text of the tip with the pointer over a share of an element."""
    x, y = window.evaluate(
        f"(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{block: 'center'}});"
        f" const r = e.getBoundingClientRect(); return [r.x + {across} * r.width, r.y + {down} * r.height]; }})()"
    )
    window.move(x, y)
    return str(
        window.evaluate(
            "document.getElementById('tip').style.display === 'block' ? document.getElementById('tip').textContent : ''"
        )
    )


def test_a_page_is_never_written_over_a_deck(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deck = tmp_path / "mine.yaml"
    deck.write_text("scenario: mine\n")
    assert exit_code("report", str(tmp_path), "-o", str(deck)) == 2
    assert "-o 'mine.yaml': a page is written as .html or .htm, not .yaml" in capsys.readouterr().err
    assert deck.read_text() == "scenario: mine\n"


def test_figures_as_files(case: Path, study: Path, tmp_path: Path) -> None:
    assert exit_code("plot", str(case), "-o", str(tmp_path / "figures")) == 0
    assert {p.stem for p in (tmp_path / "figures").iterdir()} == CASE_FIGURES
    assert exit_code("plot", str(study), "-o", str(tmp_path / "front.svg"), "--figure", "pareto") == 0
    assert "<svg" in (tmp_path / "front.svg").read_text()
    assert exit_code("plot", str(case), "-o", str(tmp_path / "one.png")) == 2
    assert exit_code("plot", str(case), "-o", str(tmp_path / "one.png"), "--figure", "acuracy") == 2
    assert exit_code("plot", str(case), "-o", str(tmp_path / "one.bmp"), "--figure", "accuracy") == 2
    assert exit_code("report", str(tmp_path / "nowhere")) == 5


def test_what_is_no_result_is_said_in_one_line(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.nc").write_bytes((case / "result.nc").read_bytes()[:20_000])
    assert exit_code("report", str(tmp_path / "cut.nc")) == 5
    assert "cut.nc cannot be read as a dataset" in (said := capsys.readouterr().err) and said.count("\n") == 1


@pytest.mark.parametrize(("wanted", "command"), [
    ("a result; `stack3d run {}`", ["export", "{}", "-o", "out.cir"]),
    ("a result; `stack3d run {}`", ["export", "{}", "-o", "out.csv"]),
    ("a compact model; `stack3d compact {} -o model.nc`", ["export", "{}", "-o", "out.fmu"]),
    ("a compact model; `stack3d compact {} -o model.nc`", ["trace", "{}", "powers.csv", "-o", "out.nc"]),
    ("a result; `stack3d run {}`", ["report", "{}"]),
    ("a result; `stack3d run {}`", ["plot", "{}", "-o", "out"]),
])  # fmt: skip
@pytest.mark.parametrize("name", ["mine.yaml", "mine", "quickstart"])
def test_a_scenario_in_place_of_a_result_is_told(
    name: str, wanted: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """They said that the file was no netCDF, or that nothing was there."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("scenario: mine\n")
    Path("powers.csv").write_text("time [s],core [W]\n0,1\n1,2\n")
    assert exit_code(*(word.format(name) for word in command)) == 2
    assert capsys.readouterr().err == f"error: {name} is a scenario, not {wanted.format(name)} makes it\n"


def test_band_threshold_and_cases_side_by_side(case: Path, tmp_path: Path) -> None:
    tree = results.open_result(case).load()
    banded = tree.copy(deep=True)
    accuracy = tree["mvm/accuracy"]
    banded["mvm/accuracy_band"] = xr.concat([accuracy + 0.02, accuracy, accuracy - 0.03], "band")
    banded.to_netcdf(tmp_path / "banded.nc")
    assert exit_code("report", str(tmp_path / "banded.nc"), "-o", str(tmp_path / "band.html"), "--threshold", "90 %") == 0
    text = (tmp_path / "band.html").read_text()
    assert re.search(r"to 1 point below float \(median of \d+ chips, .*; 5 to 95 % of the chips", text)
    assert re.search(
        r"within 1 point of freshly written chips.*one in a thousand of the hottest cells|No refresh is needed", text
    )
    assert "device band" in text and "threshold 90.00 %" in text
    for wrong in ("much", "120 %"):
        assert exit_code("report", str(tmp_path / "banded.nc"), "--threshold", wrong) == 2
    shifted = tree.copy(deep=True)
    for name in ("accuracy", "accuracy_mean", "accuracy_worst"):
        shifted[f"mvm/{name}"] = tree[f"mvm/{name}"] - 0.25
    shifted.to_netcdf(tmp_path / "worse.nc")
    assert exit_code("report", str(case), str(tmp_path / "worse.nc"), "-o", str(tmp_path / "both.html")) == 0
    assert set(tags_of(tmp_path / "both.html").sections) >= {"differences", "settings", "pictures", "accuracies", "profiles"}
    both = (tmp_path / "both.html").read_text()
    assert "quickstart (2) is 25.00 points less accurate at the end, against quickstart (1)." in both
    assert re.search(
        r"<td>accuracy at the end</td>(<td[^>]*>[\d.]+ ± [\d.]+ %</td>){2}<td[^>]*>−25.00 ± [\d.]+ points</td><td[^>]*>quickstart \(1\)</td>",
        both,
    )
    assert "The scenarios are the same, but for names." in both
    assert exit_code("report", *[str(case)] * 3, "-o", str(tmp_path / "three.html")) == 0
    assert set(tags_of(tmp_path / "three.html").sections) >= {"differences", "pictures", "cases"}


def test_answers_of_a_study(study: Path, case: Path) -> None:
    """The shifts that the study was made with come back out of it."""
    tree, one = results.open_result(study), results.open_result(case)
    accuracy = study_answers.values_of(tree, "accuracy").values
    end = 100 * float(one["mvm/accuracy"][-1].mean())
    expected = end - 100 * (0.03 * np.arange(3)[:, None] + studies.LOSS)
    expected[studies.FAILED] = np.nan
    np.testing.assert_allclose(accuracy, expected, rtol=1e-12)
    assert study_charts.pareto_pair(tree) == ("tiers", "accuracy")
    assert study_answers.values_of(tree, "tiers").values[0].tolist() == [2.0] * 4
    head, rows = study_table.table(tree)
    assert head[:2] == ("tiers", "cooling") and len(rows) == 12
    assert rows[8][:2] == ("8", "natural_convection") and rows[8][-1] == "failed: leakage runs away"
