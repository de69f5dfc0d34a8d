"""What an installed package adds is found through its entry points by the command line, without an import of anybody's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_study
import xarray as xr

from stack3d import decks
from stack3d.case import run_case
from stack3d.cli import main
from stack3d.errors import DeckError, PackageError
from stack3d.fields import outputs
from stack3d.progress import Silent
from stack3d.registry import Registry
from stack3d.schema.cooling import cooling_laws
from stack3d.schema.material_laws import material_laws

MODULE = """
import numpy as np

from stack3d.fields import Variable
from stack3d.heat.outputs import HeatOutput
from stack3d.life.epoch_record import LifeOutput
from stack3d.schema.base import FilmCoefficient
from stack3d.schema.cooling import CoolingLaw
from stack3d.schema.material_laws import MaterialLaw


class Inverse(MaterialLaw):
    reference = "made up"

    def shape(self, temperature):
        return 1 / temperature


class Unevenness(HeatOutput):
    own = {"extra": "of this package"}
    fields = (Variable("extra", "unevenness", ("time", "layer"), "K", "largest minus mean temperature of the layer"),)

    def of_heat(self, chip, solution, record):
        field = solution.field
        record.put("extra/unevenness", [field.layer_peak(n.name)[0] - field.layer_mean(n.name) for n in chip.stack.layers])


class Trickle(CoolingLaw):
    reference = "made up"
    valid = "any"
    follows_surface = True

    flow: FilmCoefficient

    def film(self, surface, ambient, area):
        return self.flow * (1 + (surface - ambient) / 100)


class Seconds(LifeOutput):
    fields = (Variable("reliability", "seconds", ("time",), "s", "time that epochs lasted, added up"),)

    def carried(self, moment):
        return {"seconds": moment.before.totals.others.get("seconds", 0.0) + (moment.after.time - moment.before.time)}

    def of_epoch(self, moment, record):
        record.put("reliability/seconds", moment.after.totals.others["seconds"])
"""
ANNOUNCED = {
    "stack3d.output": {"unevenness": "Unevenness", "seconds": "Seconds"},
    "stack3d.cooling_law": {"trickle": "Trickle"},
    "stack3d.material_law": {"inverse": "Inverse"},
}
REGISTRIES: tuple[Registry[Any], ...] = (outputs, cooling_laws, material_laws)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution; the registries forget it afterwards."""
    info = tmp_path / "site" / "elsewhere-1.0.dist-info"
    info.mkdir(parents=True)
    groups = [
        f"[{group}]\n" + "".join(f"{n} = elsewhere:{c}\n" for n, c in names.items()) for group, names in ANNOUNCED.items()
    ]
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("".join(groups))
    (tmp_path / "site" / "elsewhere.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        monkeypatch.setattr(registry, "_outside_loaded", False)
    yield tmp_path
    sys.modules.pop("elsewhere", None)


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["stack3d", *words])
    with pytest.raises(SystemExit) as leave:
        main()
    assert not leave.value.code, words


def test_an_output_variable_of_a_package_is_in_the_dataset(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_study.write(package, "{power.sources.spot.power: [1 W, 2 W]}")
    command(
        monkeypatch, "run", str(path), "-o", str(package / "out"), "--workers", "1", "--set", "expect.unevenness='[0, 50] K'"
    )
    with xr.open_datatree(package / "out" / "small" / "study.nc") as tree:
        found, own = tree["extra/unevenness"], tree["thermal"]
        assert found.attrs == {"units": "K", "long_name": "largest minus mean temperature of the layer"}
        np.testing.assert_array_equal(found.values, (own.layer_temperature_max - own.layer_temperature_mean).values)
        assert found.dims[-1] == "layer" and found.values.max() > 0


def test_a_cooling_law_of_a_package_cools(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All heat of a thin, even layer leaves through the film that the law gives at the temperature of its face."""
    text = (
        'scenario: wet\ngeometry: {footprint: ["1 mm", "1 mm"], layers: [{name: die, thickness: "1 um", material: silicon}]}\n'
        'power: {sources: [{name: all, layer: die, power: "0.5 W"}]}\nsolver: {backend: tensor, mesh: {lateral: 4, per_layer: 1}, error_promise: 0.1}\n'
        'cooling: {top: {trickle: {flow: "1e4 W/m^2/K"}}, ambient: "300 K"}\n'
    )
    path = package / "wet.yaml"
    path.write_text(text)
    command(monkeypatch, "run", str(path), "-o", str(package / "out"))
    with xr.open_datatree(package / "out" / "wet" / "result.nc") as tree:
        rise = float(tree["thermal/layer_temperature_mean"].values[0]) - 300.0
    assert rise * 1e4 * 1e-6 * (1 + rise / 100) == pytest.approx(0.5, rel=1e-3)  # 0.01 r (1 + r / 100) = 0.5
    digests = {decks.load(path, [("cooling.top.trickle.flow", flow)]).digest() for flow in ("1e4 W/m^2/K", "2e4 W/m^2/K")}
    assert len(digests) == 2
    path.write_text(text.replace('flow: "1e4 W/m^2/K"', 'flaw: "1e4 W/m^2/K"').replace("ambient:", "trickel: 1, ambiant:"))
    with pytest.raises(DeckError) as refused:
        decks.load(path)
    said = str(refused.value)
    assert "cooling.top.trickle.flaw: unknown key 'flaw' (did you mean 'flow'?); allowed: flow, source, assumed" in said
    assert "cooling.ambiant: unknown key" in said and "wet.yaml:5" in said
    path.write_text(text.replace("top: {", 'top: {film_coefficient: "10 W/m^2/K", hat: 1, '))
    with pytest.raises(DeckError, match="unknown key 'hat'"):
        decks.load(path)
    path.write_text(text.replace("top: {", 'top: {film_coefficient: "10 W/m^2/K", '))
    with pytest.raises(DeckError, match=r"wants one of film_coefficient, .*, trickle \(got film_coefficient and trickle"):
        decks.load(path)


def test_a_material_law_of_a_package_conducts(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All heat enters at the top of a slab over a cold face: with k = k0 300 K / T the temperature grows as exp(q z / 300 K k0)."""
    material = '{conductivity: {law: inverse, value: "148 W/m/K"}, heat_capacity: "1.66e6 J/m^3/K"}'
    path = package / "slab.yaml"
    path.write_text(
        f'scenario: slab\ngeometry: {{footprint: ["1 mm", "1 mm"], layers: [{{name: die, thickness: "0.4 mm", material: {material}}}]}}\n'
        "solver: {backend: tensor, mesh: {lateral: 4, per_layer: 16}, error_promise: 0.1}\n"
        'cooling: {top: {flux: "3e7 W/m^2"}, bottom: {temperature: "320 K"}, ambient: "300 K"}\npower: {sources: []}\n'
    )
    command(monkeypatch, "run", str(path), "-o", str(package / "out"))
    with xr.open_datatree(package / "out" / "slab" / "result.nc") as tree:
        peak = float(tree["thermal/layer_temperature_max"].values[0])
    assert peak == pytest.approx(320.0 * np.exp(3e7 * 4e-4 / (300.0 * 148.0)), rel=1e-4)


class Killed(Exception):
    pass


class Killer(Silent):
    """Fails when an epoch begins to be told."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def step(self, name: str, done: int, of: int, **facts: object) -> None:
        if name == "epoch" and done == self.epoch:
            raise Killed


def test_what_an_output_carries_survives_a_cut(package: Path) -> None:
    """It adds up from the first epoch, in a run that goes on from its checkpoint too."""
    quick = [
        ("monte_carlo.samples", 2), ("lifetime.epochs", 3), ("lifetime.attribution", False), ("solver.backend", "tensor"),
        ("solver.mesh", {"lateral": 6, "per_layer": 1, "aspect": 4}), ("workload.test_samples", 50), ("geometry.tiers.repeat", 2),
    ]  # fmt: skip
    scenario = decks.load("quickstart", quick).scenario
    with pytest.raises(Killed):
        run_case(scenario, Killer(3), resume=package / "c.npz", key="k")
    assert (package / "c.npz").exists()
    outcome = run_case(scenario, Silent(), resume=package / "c.npz", key="k")
    np.testing.assert_allclose(outcome.values["reliability/seconds"], outcome.coordinates["time"], rtol=1e-12)
    assert outcome.values["extra/unevenness"].shape == outcome.values["thermal/layer_temperature_max"].shape


def test_an_output_that_puts_what_it_did_not_declare_is_refused(package: Path) -> None:
    wrong = MODULE.replace('record.put("extra/unevenness", [', 'record.put("extra/unevennes", [')
    (package / "site" / "elsewhere.py").write_text(wrong)
    scenario = decks.load(small_study.write(package, "{}")).scenario
    said = r"^output 'unevenness' of package 'elsewhere' puts 'extra/unevennes', .* \(did you mean 'extra/unevenness'"
    with pytest.raises(PackageError, match=said):
        run_case(scenario, Silent())
