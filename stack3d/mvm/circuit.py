r"""Crossbars with line resistance: every node, current and power.

Circuit: source, `r_word_line`, node (i, 0), `r_word_line`, node (i, 1) ...; node (i, j) of the word line meets that of
the bit line through the cell; the last node of bit line j, `r_bit_line`, ground. Lines have one segment per cell, or
one more where they are contacted at both ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, SolverError
from stack3d.layout import Floats
from stack3d.mvm.cells import SinhCell
from stack3d.mvm.shape_checks import check_finite
from stack3d.mvm.wires import check_lines


@dataclass(frozen=True)
class CrossbarSolution:
    """State of a crossbar for p input vectors.

    Parameters
    ----------
    output_currents : ndarray
        Into ground, shape (p, columns). [A]
    word_line_voltages, bit_line_voltages : ndarray
        Node voltages, shape (rows, columns, p). [V]
    device_currents, device_power : ndarray
        Of every cell, shape (rows, columns, p). [A], [W]
    word_line_power : ndarray
        Of every word-line segment, first the one at the driver, shape (rows, segments, p). [W]
    bit_line_power : ndarray
        Of every bit-line segment, last the one at ground, shape (segments, columns, p). [W]
    supply_power : ndarray
        Voltage times current of all sources, shape (p,). [W]
    """

    output_currents: Floats
    word_line_voltages: Floats
    bit_line_voltages: Floats
    device_currents: Floats
    device_power: Floats
    word_line_power: Floats
    bit_line_power: Floats
    supply_power: Floats

    @property
    def power_balance(self) -> Floats:
        """Supply less the heat in cells and wires, relative to the supply (0 where nothing flows), shape (p,). [-]"""
        heat = sum(part.sum(axis=(0, 1)) for part in (self.device_power, self.word_line_power, self.bit_line_power))
        scale = np.where(self.supply_power > 0.0, self.supply_power, 1.0)
        balance: Floats = (self.supply_power - heat) / scale
        return balance


def solve_crossbar(
    resistances: NDArray[Any],
    applied_voltages: NDArray[Any],
    r_word_line: float,
    r_bit_line: float,
    *,
    word_line_ends: int = 1,
    bit_line_ends: int = 1,
    cell: SinhCell | None = None,
) -> CrossbarSolution:
    r"""Solve the circuit of a crossbar exactly.

    Parameters
    ----------
    resistances : ndarray
        Shape (rows, columns), ``inf`` is an open cell; at small voltage if `cell` is given. [ohm]
    applied_voltages : ndarray
        Shape (rows, p), or (rows,) for one input. [V]
    r_word_line, r_bit_line : float
        Resistance of one segment; 0 is a perfect line, ``inf`` a broken one. [ohm]
    word_line_ends, bit_line_ends : int
        Contacted ends of each line. [-]
    cell : SinhCell, optional
        Current-voltage law; ohmic when absent.

    Raises
    ------
    ArrayError
        NaN, a resistance that is not positive, or shapes that do not fit.
    SolverError
        Newton's method did not converge (cells with a law only).

    Notes
    -----
    Nodal analysis; the sparse symmetric positive definite matrix is factorised once for all inputs, or once per Newton step
    and input where cells have a law.
    """
    r = np.asarray(resistances, dtype=np.float64)
    if r.ndim != 2 or not r.size:
        raise ArrayError(f"resistances has shape {r.shape}; must be (rows, columns)")
    check_finite("resistances", r, low=np.nextafter(0.0, 1.0), infinite=True)
    v = np.asarray(applied_voltages, dtype=np.float64)
    v = v[:, None] if v.ndim == 1 else v
    if v.ndim != 2 or v.shape[0] != r.shape[0]:
        raise ArrayError(f"applied_voltages has shape {v.shape}; must be ({r.shape[0]}, p) for resistances of shape {r.shape}")
    check_finite("applied_voltages", v)
    check_lines(r_word_line, r_bit_line, word_line_ends, bit_line_ends)
    g = 1.0 / r
    if np.isinf(r_word_line) or np.isinf(r_bit_line):
        return _broken(g.shape, v, word_is_broken=bool(np.isinf(r_word_line)))
    circuit = _Circuit(g, r_word_line, r_bit_line, word_line_ends, bit_line_ends)
    if cell is None:
        word, bit = circuit.solve(g, v, 0.0)
        currents = g[..., None] * (word - bit)
    else:
        solved = [_newton(circuit, g, v[:, k : k + 1], cell) for k in range(v.shape[1])]
        word, bit = (np.concatenate([s[n] for s in solved], axis=-1) for n in (0, 1))
        currents = g[..., None] * cell.current(word - bit)
    return circuit.solution(word, bit, currents, v)


def ohmic_error(
    resistances: NDArray[Any],
    applied_voltages: NDArray[Any],
    r_word_line: float,
    r_bit_line: float,
    cell: SinhCell,
    *,
    word_line_ends: int = 1,
    bit_line_ends: int = 1,
) -> float:
    """Return the error of treating cells with a law as ohmic: largest current difference over the largest current. [-]

    Parameters
    ----------
    resistances : ndarray, shape (rows, columns)
        [ohm]
    applied_voltages : ndarray, shape (rows, inputs) or (rows,)
        [V]
    r_word_line, r_bit_line : float
        Of a segment. [ohm]
    cell : SinhCell
    word_line_ends, bit_line_ends : {1, 2}
    """
    true, ohmic = (
        solve_crossbar(
            resistances, applied_voltages, r_word_line, r_bit_line,
            word_line_ends=word_line_ends, bit_line_ends=bit_line_ends, cell=law,
        ).output_currents
        for law in (cell, None)
    )  # fmt: skip
    largest = np.abs(true).max()
    return float(np.abs(ohmic - true).max() / largest) if largest else 0.0


def _broken(shape: tuple[int, int], v: Floats, *, word_is_broken: bool) -> CrossbarSolution:
    """Return the solution where all segments of one kind of line are open: nothing flows."""
    nothing = np.zeros((*shape, v.shape[1]))
    nodes = nothing if word_is_broken else nothing + v[:, None, :]
    return CrossbarSolution(nothing[0].T, nodes, nodes, nothing, nothing, nothing, nothing, np.zeros(v.shape[1]))


@dataclass(frozen=True)
class _Circuit:
    """Nodal equations of a crossbar; perfect lines have no unknowns."""

    conductances: Floats
    r_word_line: float
    r_bit_line: float
    word_line_ends: int
    bit_line_ends: int

    def solve(self, g: Floats, v: Floats, injected: Floats | float) -> tuple[Floats, Floats]:
        """Return the node voltages for cells `g` with `injected` currents (rows, columns, p) from bit to word line."""
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import splu

        rows, columns, p = *g.shape, v.shape[1]
        size = rows * columns
        word, bit = np.broadcast_to(v[:, None, :], (rows, columns, p)), np.zeros((rows, columns, p))
        has_word, has_bit = self.r_word_line > 0.0, self.r_bit_line > 0.0
        if not (has_word or has_bit):
            return word, bit
        shift = size if has_word else 0
        unknowns = shift + (size if has_bit else 0)
        node = np.arange(size).reshape(rows, columns)
        rhs = np.zeros((unknowns, p))
        diagonal = np.zeros(unknowns)
        i_all, j_all, values = [], [], []

        def join(first: NDArray[np.intp], second: NDArray[np.intp], value: Floats | float) -> None:
            value = np.broadcast_to(value, first.shape).ravel()
            i_all.extend([first.ravel(), second.ravel()])
            j_all.extend([second.ravel(), first.ravel()])
            values.extend([-value, -value])
            np.add.at(diagonal, first.ravel(), value)
            np.add.at(diagonal, second.ravel(), value)

        add = np.broadcast_to(injected, (rows, columns, p)).reshape(size, p)
        if has_word:
            line = 1.0 / self.r_word_line
            join(node[:, :-1], node[:, 1:], line)
            for end in (0, -1)[: self.word_line_ends]:
                diagonal[node[:, end]] += line
                rhs[node[:, end]] += line * v
            rhs[:size] += add
        if has_bit:
            line = 1.0 / self.r_bit_line
            join(node[:-1] + shift, node[1:] + shift, line)
            for end in (-1, 0)[: self.bit_line_ends]:
                diagonal[node[end] + shift] += line
            rhs[shift:] -= add
        if has_word and has_bit:
            join(node, node + shift, g)
        else:
            diagonal += g.ravel()
            if has_bit:
                rhs += (g[..., None] * word).reshape(size, p)
        everything = np.arange(unknowns)
        matrix = csc_array(
            (np.concatenate([*values, diagonal]), (np.concatenate([*i_all, everything]), np.concatenate([*j_all, everything])))
        )
        factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        x = factor.solve(rhs)
        x += factor.solve(rhs - matrix @ x)
        if has_word:
            word = x[:size].reshape(rows, columns, p)
        if has_bit:
            bit = x[shift:].reshape(rows, columns, p)
        return word, bit

    def solution(self, word: Floats, bit: Floats, currents: Floats, v: Floats) -> CrossbarSolution:
        """Return the currents and powers that follow from node voltages and cell currents.

        Parameters
        ----------
        word, bit : ndarray, shape (rows, columns, ...)
            Voltages of the nodes. [V]
        currents : ndarray, shape (rows, columns, ...)
            Of the cells. [A]
        v : ndarray, shape (rows, ...)
            Applied. [V]
        """
        into_rows, into_columns = currents.sum(axis=1), currents.sum(axis=0)
        is_single = self.word_line_ends == 1 or self.r_word_line == 0.0
        left = into_rows if is_single else (v - word[:, 0]) / self.r_word_line
        up = bit[0] / self.r_bit_line if self.bit_line_ends == 2 and self.r_bit_line > 0.0 else np.zeros_like(into_columns)
        along_word = left[:, None] - np.concatenate([np.zeros_like(left)[:, None], np.cumsum(currents, axis=1)], axis=1)
        along_bit = np.concatenate([np.zeros_like(up)[None], np.cumsum(currents, axis=0)]) - up[None]
        word_segments = along_word if self.word_line_ends == 2 else along_word[:, :-1]
        bit_segments = along_bit if self.bit_line_ends == 2 else along_bit[1:]
        return CrossbarSolution(
            output_currents=into_columns.T,
            word_line_voltages=np.array(word),
            bit_line_voltages=bit,
            device_currents=currents,
            device_power=currents * (word - bit),
            word_line_power=self.r_word_line * word_segments**2,
            bit_line_power=self.r_bit_line * bit_segments**2,
            supply_power=np.sum(v * into_rows, axis=0),
        )


def _newton(
    circuit: _Circuit, g: Floats, v: Floats, cell: SinhCell, *, tolerance: float = 1e-12, most: int = 50
) -> tuple[Floats, Floats]:
    """Return the node voltages for one input with cells of a law, to `tolerance` of the largest voltage."""
    across = np.zeros((*g.shape, 1))
    scale = float(np.abs(v).max()) or 1.0
    change = np.inf
    for _ in range(most):
        slope = g * cell.slope(across[..., 0])
        rest = slope[..., None] * across - g[..., None] * cell.current(across)
        word, bit = circuit.solve(slope, v, rest)
        new = word - bit
        change = float(np.abs(new - across).max()) / scale
        across = new
        if change < tolerance:
            return word, bit
    raise SolverError(
        f"crossbar with nonlinear cells: {most} Newton steps left a relative change of {change:.2e} (wanted {tolerance:.0e});"
        f" the largest voltage {scale:.3g} V is {scale / cell.voltage_scale:.3g} times the cells' voltage scale"
    )
