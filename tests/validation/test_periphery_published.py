"""Energies and powers of published chips from the components of their decks."""

import numpy as np
import pytest

from stack3d import decks
from stack3d.schema.workload import ConverterDeck
from stack3d.tiles import split_matrix
from stack3d.workload import power

OPERATIONS = 256 * 256
"""Of one product of a NeuRRAM core, as its table counts them."""
NEURRAM = {  # (output, input bits): fJ per operation of word lines, neurons, input pulses; TOPS of the chip, TOPS/W
    (4, 2): (8.3, 12.4, 4.0, 1.79, 40.3),
    (5, 3): (15.5, 20.1, 7.7, 1.17, 23.1),
    (6, 4): (21.8, 29.1, 11.5, 0.744, 16.0),
    (8, 6): (37.2, 52.5, 19.2, 0.418, 8.26),
    (10, 8): (50.5, 75.9, 27.5, 0.264, 6.44),
}


def periphery(name: str) -> power.PeripheryDeck:
    return decks.load("quickstart", [("workload.periphery", name)]).scenario.workload.periphery


def neurram(output_bits: int, input_bits: int) -> dict[str, float]:
    """Energy per operation of a full 256 x 256 core by component. [J]"""
    [tile] = split_matrix("layer", 256, 128, (256, 256))
    full = power.TileActivity(tile, 1.0, np.full(256, 0.25), np.full(256, 1e-3), 1e-8, 128)
    energies = power.tile_energies([full], periphery("neurram"), dac_bits=input_bits, adc_bits=output_bits)
    return {name: float(e[0]) / OPERATIONS for name, e in energies.items()}


@pytest.mark.parametrize("bits", list(NEURRAM))
def test_neurram_energy_per_operation(bits: tuple[int, int]) -> None:
    energies = neurram(*bits)
    found = np.array([energies["driver"], energies["adc"], energies["dac"]])
    np.testing.assert_allclose(found, np.array(NEURRAM[bits][:3]) * 1e-15, rtol=0.10)
    np.testing.assert_allclose(sum(energies.values()), sum(NEURRAM[bits][:3]) * 1e-15, rtol=0.06)


@pytest.mark.parametrize("bits", [(4, 2), (5, 3), (6, 4), (8, 6)])
def test_neurram_chip_power(bits: tuple[int, int]) -> None:
    """44 to 51 mW at the published speed; at 8/6 bits the source's two tables differ by 10 % (108.9 fJ, but 8.26 TOPS/W)."""
    watts = NEURRAM[bits][3] * 1e12 * sum(neurram(*bits).values())
    assert 44e-3 < watts < 51e-3
    if bits != (8, 6):
        np.testing.assert_allclose(watts, NEURRAM[bits][3] / NEURRAM[bits][4], rtol=0.10)


def test_neurram_energies_are_the_fit_of_the_table_alone() -> None:
    """Five energies from fifteen numbers: least squares of relative errors, by what the chip counts; its power takes no part."""
    count = {  # pulses, phases, cycles, steps by hand, see the deck
        (4, 2): (1, 1, 1, 4), (5, 3): (2, 1, 3, 5), (6, 4): (3, 1, 7, 6), (8, 6): (5, 2, 10, 8 + 5), (10, 8): (7, 2, 22, 10 + 6),
    }  # fmt: skip
    pulses, phases, cycles, steps = np.array([count[bits] for bits in NEURRAM], dtype=float).T
    lines, neurons, inputs = np.array([row[:3] for row in NEURRAM.values()]).T

    def fit(measured: np.ndarray, *counts: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(np.column_stack(counts) / measured[:, None], np.ones(5), rcond=None)[0] * 1e-15 * OPERATIONS

    deck = periphery("neurram")
    assert deck.driver is not None and deck.integrator is not None
    found = [deck.driver.fixed, deck.driver.energy, deck.dac.energy, deck.adc.energy, deck.integrator.energy]
    per_line = np.concatenate([fit(lines, phases, pulses), fit(inputs, pulses)]) / 256
    np.testing.assert_allclose(found, [*per_line, *fit(neurons, steps, cycles) / 128], rtol=1e-3)


def test_isaac_tile() -> None:
    """96 arrays, each read by all rows and columns every 100 ns with one bit; arrays of 0.3 mW."""
    [tile] = split_matrix("layer", 128, 64, (128, 128))
    array = 0.3e-3
    busy = power.TileActivity(tile, 1.0, np.full(128, 1.0), np.full(128, array / 128), 100e-9, 128)
    energies = power.tile_energies([busy], periphery("isaac"), dac_bits=1, adc_bits=8)
    watts = {name: 96 * float(e[0]) / 100e-9 for name, e in energies.items()}
    np.testing.assert_allclose(sum(watts.values()), 0.330, rtol=0.10)
    np.testing.assert_allclose(watts["adc"] / sum(watts.values()), 0.58, rtol=0.10)
    shares = {"dac": 0.15, "array": 0.09, "link": 0.03}
    for name, share in shares.items():
        np.testing.assert_allclose(watts[name] / sum(watts.values()), share, atol=0.01)


def test_converters_scale_as_their_decks_say() -> None:
    adc = periphery("cmos_adc_8bit").adc
    np.testing.assert_allclose([power.converter_energy(adc, b) for b in (6, 8, 10)], 1.5625e-12 * np.array([0.25, 1, 4]))
    one = {"bits": 2, "energy": "1 pJ", "fixed": "3 pJ"}
    for scaling, steps in {
        "doubling": [0.5, 1, 2, 64],
        "serial": [1, 1, 2, 7],
        "cycles": [1, 1, 3, 127],
        "search": [0.5, 1, 1.5, 4],
    }.items():
        converter = ConverterDeck.model_validate(one | {"scaling": scaling})
        found = [power.converter_energy(converter, b) for b in (1, 2, 3, 8)]
        np.testing.assert_allclose(found, 1e-12 * (3 + np.array(steps)), err_msg=scaling)
    assert power.converter_energy(None, 8) == 0.0


def test_phases_by_hand() -> None:
    """Seven magnitude bits are three and four; the lower four are worth 1/16, and are converted to four bits fewer."""
    assert power.phases(4, 6, 4) == ((4, 6),) and power.phases(8, 10, None) == ((8, 10),)
    assert power.phases(8, 10, 4) == ((4, 10), (5, 6)) and power.phases(6, 2, 4) == ((3, 2), (4, 1))


def test_conventional_machine_by_hand() -> None:
    """1000 weights of 8 bit, 2000 multiply-accumulates."""
    machine = decks.load("quickstart").scenario.workload.conventional
    machines = power.conventional(machine, 2000.0, 1000)
    np.testing.assert_allclose(machines["dram"].energy, 2000 * 0.23e-12 + 8000 * 20.3e-12)
    np.testing.assert_allclose(machines["sram"].energy, 2000 * 0.23e-12 + 8000 * 10e-12 / 64 * (1000 / 8192) ** 0.5)
