"""Chips through time: their cells, what keeps them accurate, how they are read out."""

from stack3d.life.chips.epochs import elapse, programmed
from stack3d.life.chips.policy import Passive, Policy, around, chosen_policies, periodic, policies, too_often
from stack3d.life.chips.population import Bill, Life, Loose, Population, Totals
from stack3d.life.chips.readings import AsRead, Reading, as_read, by_input, read_out, reference_rng

__all__ = [
    "AsRead",
    "Bill",
    "Life",
    "Loose",
    "Passive",
    "Policy",
    "Population",
    "Reading",
    "Totals",
    "around",
    "as_read",
    "chosen_policies",
    "elapse",
    "periodic",
    "policies",
    "programmed",
    "by_input",
    "read_out",
    "reference_rng",
    "too_often",
]
