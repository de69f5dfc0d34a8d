"""What the end of an epoch leaves in the dataset, and how another package adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stack3d.fields import Output, nothing, outputs, registered, sums, together
from stack3d.heat import add_energy
from stack3d.life.histogram import errors_by_tier, histogram, histogram_edges
from stack3d.life.history import History
from stack3d.life.moment import Moment
from stack3d.record import Record


class LifeOutput(Output):
    """An output variable of another package that the life of chips tells; see `fields.outputs`."""

    def carried(self, moment: Moment) -> Mapping[str, NDArray[np.float64]]:
        """What it adds up from epoch to epoch, by names of its own; kept in ``life.totals.others`` and so in the checkpoint."""
        return {}

    def of_epoch(self, moment: Moment, record: Record) -> None:
        """Put its variables at the end of an epoch into the `record`, without their time."""

    def of_life(self, history: History, record: Record) -> None:
        """Put its variables of the whole life into the `record`, which has those of all epochs, time first."""


outputs.hold(Output, {"carried": sums, "of_epoch": nothing, "of_life": nothing})


def closed(moment: Moment) -> Moment:
    """The moment with what the life has added up."""
    others = together(((who, output.carried(moment)) for who, output in registered(LifeOutput)), moment)
    return replace(moment, after=replace(moment.after, totals=moment.totalled(**others)))


def epoch_record(moment: Moment) -> Record:
    """Output variables of one epoch.

    Parameters
    ----------
    moment : Moment
        A closed one.
    """
    after, state, reading, climate = moment.after, moment.heat, moment.reading, moment.climate
    totals = after.totals
    seen = after.conductances(climate)
    mean, spread = errors_by_tier(moment.computer, after.population, seen, after.tier_of_tile, len(after.tiers))
    record = Record()
    record.put("thermal/layer_temperature_high", moment.peaks)
    record.put("mvm/accuracy", reading.accuracy)
    record.put("mvm/input_accuracy", reading.by_input)
    record.put("mvm/logit_error", reading.logit_error)
    record.put("mvm/signal_to_noise", reading.signal_to_noise)
    record.put("mvm/confusion", reading.confusion)
    record.put("mvm/wire_error", reading.wire_error)
    record.put("thermal/tile_temperature", state.tile_temperature)
    record.put("reliability/conductance_error_mean", mean)
    record.put("reliability/conductance_error_std", spread)
    record.put("reliability/equivalent_time", totals.equivalent_time)
    record.put("reliability/conductance_histogram", histogram(seen, histogram_edges(moment.computer)))
    record.put("reliability/stuck_fraction", after.population.stuck_fraction())
    record.put("reliability/writes", after.population.mean_of("writes"))
    record.put("reliability/endurance_used", after.population.mean_of("damage"))
    record.put("reliability/refreshes", after.bill.refreshes)
    record.put("reliability/write_energy", after.bill.energy)
    record.put("reliability/calibration_energy", totals.calibration_energy)
    record.put("reliability/coupling_iterations", state.iterations)
    record.put("reliability/coupling_change", state.change)
    record.put("power/total_power", state.solution.heat_in)
    record.put("power/array_power", float(state.powers["array"].sum()))
    add_energy(moment.chip, state, record, moment.write_power)
    record.put("power/relative_efficiency", _efficiency(totals.first_energy, moment.inference_energy))
    record.put("power/rate", state.rate)
    if moment.swing is not None:
        record.put("thermal/tile_temperature_low", (state.field + moment.swing.low).min(axis=(1, 2)))
        record.put("thermal/tile_temperature_high", (state.field + moment.swing.high).max(axis=(1, 2)))
        record.put("thermal/tile_temperature_working", climate.working.mean(axis=(1, 2)))
        record.put("reliability/temperature_levels", climate.shares.size)
    if moment.chip.phases:
        ages, tiers = moment.in_phases()
        record.put("thermal/phase_temperature_mean", tiers)
        record.put("reliability/phase_ageing", ages / ages.sum(axis=0))
    for who, output in registered(LifeOutput):
        with record.made_by(who, type(output), moment):
            output.of_epoch(moment, record)
    return record


def add_whole_life(history: History, record: Record) -> None:
    """Put the bins that cells are counted in, and what outputs of other packages tell of a whole life, into the `record`."""
    edges = histogram_edges(history.start.computer)
    record.along("conductance", 0.5 * (edges[1:] + edges[:-1]))
    for who, output in registered(LifeOutput):
        with record.made_by(who, type(output), history):
            output.of_life(history, record)


def _efficiency(first: float, now: float) -> float:
    """Inferences per joule over those of the first epoch: 0 where a chip has come to stand still, 1 where it stood. [-]"""
    return 1.0 if now == first else first / now
