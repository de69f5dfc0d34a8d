"""Output variables are checked when they are put: name, axes, lengths; instants become one record."""

from __future__ import annotations

import numpy as np
import pytest

from stack3d import fields
from stack3d.errors import PackageError, UnknownNameError
from stack3d.fields import Output, Variable, outputs
from stack3d.record import Record, over_time


def test_a_name_that_is_not_catalogued_is_refused_at_once() -> None:
    with pytest.raises(UnknownNameError, match=r"'thermal/heat_inn' \(did you mean 'thermal/heat_in'"):
        Record().put("thermal/heat_inn", 1.0)


@pytest.mark.parametrize("value", [1.0, np.zeros((2, 2, 2))])
def test_axes_are_those_of_the_catalogue(value: object) -> None:
    with pytest.raises(PackageError, match=r"has dimensions \(time, layer\), got an array of shape"):
        Record().put("thermal/layer_temperature_max", value)


def test_time_alone_may_be_missing() -> None:
    record = Record()
    record.put("thermal/layer_temperature_max", [1.0, 2.0])
    record.put("thermal/heat_in", 1.0)
    assert record.dims("thermal/layer_temperature_max") == ("layer",) and record.dims("thermal/heat_in") == ()
    with pytest.raises(PackageError, match="component"):
        record.put("power/component_power", 1.0)


def test_a_dimension_has_one_length() -> None:
    record = Record()
    record.put("thermal/layer_temperature_max", [1.0, 2.0])
    with pytest.raises(
        PackageError, match="thermal/layer_temperature_mean has 3 along 'layer', thermal/layer_temperature_max has 2"
    ):
        record.put("thermal/layer_temperature_mean", [1.0, 2.0, 3.0])
    with pytest.raises(PackageError, match="the coordinate layer has 1"):
        record.along("layer", ["one"])


def test_instants_become_one_record() -> None:
    rows = []
    for heat in (1.0, 2.0):
        row = Record()
        row.along("layer", ["a", "b"])
        row.put("thermal/heat_in", heat)
        row.put("thermal/layer_temperature_max", [heat, 3.0])
        row.put("thermal/heat_balance_error", 0.0)
        rows.append(row)
    whole = over_time(rows, [5.0, 6.0])
    assert whole.dims("thermal/layer_temperature_max") == ("time", "layer") and whole["thermal/heat_balance_error"].shape == ()
    np.testing.assert_array_equal(whole["thermal/layer_temperature_max"], [[1.0, 3.0], [2.0, 3.0]])
    np.testing.assert_array_equal(whole.at(-1)["thermal/layer_temperature_max"], [2.0, 3.0])
    del rows[1]["thermal/heat_in"]
    with pytest.raises(PackageError, match="missing at some"):
        over_time(rows, [5.0, 6.0])


def test_groups_are_in_the_order_of_the_catalogue() -> None:
    record = Record()
    for path in ("mvm/accuracy_ideal", "power/macs", "thermal/heat_in"):
        record.put(path, 1.0)
    assert record.groups == ("thermal", "power", "mvm")


@pytest.mark.parametrize(("name", "said"), [("heat_in", "which there is already"), ("Heat in", "names are of a-z")])
def test_an_output_that_cannot_be_declared_is_named(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_entries", {})

    @outputs.register("mine")
    class Mine(Output):
        fields = (Variable("thermal", name, (), "W", "mine"),)

    with pytest.raises(PackageError, match=said):
        list(fields.FIELDS)
