"""Usual words for what keys of decks mean, so that a deck written from habit is answered by the key that is meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from stack3d.errors import nearest_names

USUAL = tuple(
    tuple(line.split())
    for line in """\
from first start begin beginning since low lower min minimum initial t0 onset
to until end stop last high upper max maximum final tend finish years duration
until time length
count n num number points samples steps quantity amount npoints linspace
repeat count n number tiers levels copies
scale spacing spaced distribution progression axis
outputs output save times samples points snapshots print_times
step dt timestep time_step increment
tolerance tol rtol atol eps accuracy precision
period interval every cycle each
on busy active duty
initial t0 start from begin
thickness height depth t z dz h
width w dx breadth
size extent area dimensions box width
footprint size area extent dimensions die
layers stack layer
below base substrate bottom
above lid cover top
conductivity k kappa lambda lam thermal_conductivity
heat_capacity c cp rhocp rho_cp volumetric_heat_capacity
specific_heat c cp heat_capacity
density rho
viscosity mu eta
film_coefficient h htc heat_transfer_coefficient alpha convection
contact_resistance tbr tim interface interface_resistance boundary_resistance kapitza
resistance r rth thermal_resistance
areal_resistance rth_a resistance_area unit_area_resistance
ambient temperature environment air surroundings coolant_temperature t_ambient tamb tinf
temperature ambient temp t
inlet_temperature inlet temperature tin
flow_rate flow q volume_flow
velocity speed v
power watts watt heat dissipation load q p
flux heat_flux q
emissivity epsilon radiation
rate frequency throughput fps inferences_per_second
tile array crossbar array_size tile_size
network model net onnx
data dataset
device cell memory rram technology
samples chips n count monte_carlo draws
seed random_seed rng
voltage v bias
pulse pulse_width duration width
energy e cost price
g_max gmax g_on gon lrs g_high
g_min gmin g_off goff hrs g_low
levels states bits n_levels
iterations max_iterations maxiter
max_iterations iterations maxiter
lateral nx resolution grid cells n elements
growth ratio grading
file path filename csv
labels targets classes y
inputs x features
epochs steps intervals read_outs readouts
first start begin from
accuracy_loss loss threshold drop
size bytes capacity
bit energy per_bit energy_per_bit read_energy cost price
technology node process
mac mac_energy energy
bits resolution precision width n_bits
adc_bits adc output_bits
dac_bits dac input_bits
probes monitors sensors points
limits limit maximum max_temperature
sweep study parameters grid
cooling boundary boundaries boundary_conditions bc
geometry stack chip package
lifetime life ageing aging
transient time dynamic
solver numerics
workload network application
expect checks asserts
source reference ref citation doi cite
assumed assumption why reason
title description comment
name id label
""".splitlines()
)
"""Words that stand for the same thing; those that a deck may have are offered for the others, in the order of the line."""


def meant(word: str, allowed: Iterable[str], *, most: int = 3) -> list[str]:
    """Keys that a wrong one may stand for: usual words of the same meaning first, then those that are spelled alike.

    Parameters
    ----------
    word : str
        Key as written; a word of several parts, as ``n_points``, is taken as a whole and by its parts.
    allowed : iterable of str
        Keys that there are.
    most : int
        How many at most.
    """
    names, whole = list(allowed), word.lower().replace("-", "_")

    def alike(part: str) -> list[str]:
        return [name for group in USUAL if part in group for name in group if name in names]

    begun = [name for name in nearest_names(word, names, most=most) if len(word) > 1 and name.startswith(whole)]
    misspelt = difflib.get_close_matches(whole, names, n=most, cutoff=0.8)
    parts = [name for part in whole.split("_") for name in alike(part)]
    return list(dict.fromkeys([*begun, *misspelt, *alike(whole), *parts, *nearest_names(word, names, most=most)]))[:most]


def did_you_mean(word: str, allowed: Sequence[str]) -> str:
    """Return `` (did you mean 'a', 'b'?)`` or an empty string."""
    found = meant(word, allowed)
    return f" (did you mean {', '.join(repr(n) for n in found)}?)" if found else ""
