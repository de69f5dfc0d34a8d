r"""Crossbars with line resistance: the exact circuit, and the effective conductances that make it one matrix.

Circuit: source, `r_word_line`, node (i, 0), `r_word_line`, node (i, 1) ...; node (i, j) of the word line meets that of
the bit line through the cell; the last node of bit line j, `r_bit_line`, ground. Lines have one segment per cell, or
one more where they are contacted at both ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stack3d.errors import ArrayError, DeckError, SolverError
from stack3d.mvm.cells import SinhCell
from stack3d.mvm.checks import check_finite

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Wires:
    r"""Line resistance of the arrays of a layer.

    Parameters
    ----------
    r_word_line, r_bit_line : float
        Resistance of one segment at `reference_temperature`. [ohm]
    word_line_ends, bit_line_ends : int
        Ends at which word lines are driven and bit lines are read: 1 or 2. [-]
    temperature_coefficient : float
        Relative change of resistance per kelvin. [K⁻¹] Default of bulk copper: 0.00393 at 293.15 K (IEC 60028).
    reference_temperature : float
        [K]

    Raises
    ------
    DeckError
        Negative resistance or a number of ends other than 1 or 2.
    """

    r_word_line: float
    r_bit_line: float
    word_line_ends: int = 1
    bit_line_ends: int = 1
    temperature_coefficient: float = 0.00393
    reference_temperature: float = 293.15

    def __post_init__(self) -> None:
        _check_lines(self.r_word_line, self.r_bit_line, self.word_line_ends, self.bit_line_ends)

    def at(self, temperature: float) -> Wires:
        r"""Return the wires at a temperature [K].

        :math:`r = r_0 [1 + \alpha (T - T_0)]`; raises DeckError where that is not positive.
        """
        factor = 1.0 + self.temperature_coefficient * (temperature - self.reference_temperature)
        if not factor > 0.0:
            raise DeckError(f"wires at {temperature} K would have {factor:.3g} times their resistance; must be above zero")
        return replace(
            self, r_word_line=self.r_word_line * factor, r_bit_line=self.r_bit_line * factor, reference_temperature=temperature,
            temperature_coefficient=self.temperature_coefficient / factor,
        )  # fmt: skip

    def effective(self, conductances: NDArray[Any], *, is_interleaved: bool = True) -> Array:
        """Return the effective conductances of arrays whose cells are (..., devices, rows, columns). [S]

        `is_interleaved` puts the devices of a column on neighbouring bit lines of one array; otherwise each
        device has an array of its own.
        """
        *leading, devices, rows, columns = conductances.shape
        flat = conductances.reshape(-1, devices, rows, columns)
        out = np.empty(flat.shape)
        for n, planes in enumerate(flat):
            if is_interleaved:
                one = np.moveaxis(planes, 0, -1).reshape(rows, columns * devices)
                out[n] = np.moveaxis(self._one(one).reshape(rows, columns, devices), -1, 0)
            else:
                out[n] = [self._one(plane) for plane in planes]
        return out.reshape(*leading, devices, rows, columns)

    def _one(self, conductances: NDArray[Any]) -> Array:
        return effective_conductance(
            conductances, self.r_word_line, self.r_bit_line,
            word_line_ends=self.word_line_ends, bit_line_ends=self.bit_line_ends,
        )  # fmt: skip


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

    output_currents: Array
    word_line_voltages: Array
    bit_line_voltages: Array
    device_currents: Array
    device_power: Array
    word_line_power: Array
    bit_line_power: Array
    supply_power: Array

    @property
    def power_balance(self) -> Array:
        """Supply less the heat in cells and wires, relative to the supply (0 where nothing flows), shape (p,). [-]"""
        heat = sum(part.sum(axis=(0, 1)) for part in (self.device_power, self.word_line_power, self.bit_line_power))
        scale = np.where(self.supply_power > 0.0, self.supply_power, 1.0)
        balance: Array = (self.supply_power - heat) / scale
        return balance


def effective_conductance(
    conductances: NDArray[Any],
    r_word_line: float,
    r_bit_line: float,
    *,
    word_line_ends: int = 1,
    bit_line_ends: int = 1,
) -> Array:
    r"""Return the matrix that a crossbar with line resistance is to its inputs.

    Parameters
    ----------
    conductances : ndarray
        Shape (rows, columns); 0 is an open cell. [S]
    r_word_line, r_bit_line : float
        Resistance of one segment; 0 is a perfect line, ``inf`` a broken one. [ohm]
    word_line_ends, bit_line_ends : int
        Contacted ends of each line. With two, both are driven alike and both are read as one. [-]

    Returns
    -------
    ndarray
        :math:`G_\mathrm{eff}` with :math:`I = G_\mathrm{eff}^T V`, shape (rows, columns). [S]

    Raises
    ------
    ArrayError
        NaN, infinite or negative conductance, or not a matrix.
    DeckError
        Negative line resistance.

    Notes
    -----
    Exact. A word line with its cells is a dense admittance :math:`S_i = G - G\,r(T + rG)^{-1}G` between its bit lines
    (T the tridiagonal of unit resistors). From the far end to the output, :math:`M = Y + S_i` is what bit lines see
    above and at row i, and through one segment :math:`Y \leftarrow (1 + rM)^{-1}M`; the currents of the inputs
    so far go through the same factor. All terms are sums and products of positive matrices: zero resistance
    needs no special case and nothing cancels. Work about :math:`7/3\,R C^3 + R^2 C^2`, so that the longer
    side is taken as the rows by reciprocity.
    """
    g = np.asarray(conductances, dtype=np.float64)
    if g.ndim != 2 or not g.size:
        raise ArrayError(f"conductances has shape {g.shape}; must be (rows, columns)")
    check_finite("conductances", g, low=0.0)
    _check_lines(r_word_line, r_bit_line, word_line_ends, bit_line_ends)
    if np.isinf(r_word_line) or np.isinf(r_bit_line):
        return np.zeros(g.shape)
    if r_word_line == 0.0 and r_bit_line == 0.0:
        return g.copy()
    if g.shape[1] > g.shape[0]:  # reciprocity: inputs and outputs change places
        turned = g[::-1, ::-1].T
        ends = {"word_line_ends": bit_line_ends, "bit_line_ends": word_line_ends}
        return effective_conductance(turned, r_bit_line, r_word_line, **ends).T[::-1, ::-1]
    down = _swept(g, r_word_line, r_bit_line, word_line_ends, bit_line_ends)
    if bit_line_ends == 1 or r_bit_line == 0.0:
        return down
    return down + _swept(g[::-1], r_word_line, r_bit_line, word_line_ends, bit_line_ends)[::-1]


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
    _check_lines(r_word_line, r_bit_line, word_line_ends, bit_line_ends)
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

    The arguments are those of `solve_crossbar`.
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


def _swept(g: Array, r_word_line: float, r_bit_line: float, word_line_ends: int, bit_line_ends: int) -> Array:
    """Eliminate row after row towards the outputs at the last one; see `effective_conductance`."""
    from scipy.linalg.lapack import dpotrf, dpotrs

    rows, columns = g.shape
    if r_bit_line == 0.0:
        return np.stack([_word_line(row, r_word_line, word_line_ends).sum(axis=1) for row in g])
    work = np.zeros((columns, rows + columns), order="F")  # currents of inputs, latest first, then Y
    above = work[:, rows:]
    if bit_line_ends == 2:
        np.fill_diagonal(above, 1.0 / r_bit_line)
    diagonal = np.diag_indices(columns)
    for i in range(rows):
        line = _word_line(g[i], r_word_line, word_line_ends)
        work[:, rows - 1 - i] = line.sum(axis=1)
        above += line
        factor = r_bit_line * above
        factor[diagonal] += 1.0
        lower, _ = dpotrf(factor, lower=1, overwrite_a=1, clean=0)
        used = work[:, rows - 1 - i :]
        dpotrs(lower, used, lower=1, overwrite_b=1)
        above += above.T.copy()
        above *= 0.5
    return work[:, rows - 1 :: -1].T[:rows]


def _word_line(g: Array, r: float, ends: int) -> Array:
    """Return the admittance of one word line with its cells between its bit lines, driver grounded."""
    from scipy.linalg.lapack import dptsv

    if r == 0.0:
        return np.diag(g)
    size = g.size
    main = 2.0 + r * g
    if ends == 1:
        main[-1] -= 1.0
    rhs = np.zeros((size, size), order="F")
    np.fill_diagonal(rhs, g)
    _, _, drop, _ = dptsv(main, np.full(size - 1, -1.0), rhs, overwrite_b=1) if size > 1 else (0, 0, rhs / main, 0)
    drop *= (-r * g)[:, None]
    drop[np.diag_indices(size)] += g
    return cast(Array, drop)


def _check_lines(r_word_line: float, r_bit_line: float, word_line_ends: int, bit_line_ends: int) -> None:
    for name, value in (("r_word_line", r_word_line), ("r_bit_line", r_bit_line)):
        if not value >= 0.0:
            raise DeckError(f"{name} is {value!r} ohm; must be at least 0")
    for name, ends in (("word_line_ends", word_line_ends), ("bit_line_ends", bit_line_ends)):
        if ends not in (1, 2):
            raise DeckError(f"{name} is {ends!r}; must be 1 or 2")


def _broken(shape: tuple[int, int], v: Array, *, word_is_broken: bool) -> CrossbarSolution:
    """Return the solution where all segments of one kind of line are open: nothing flows."""
    nothing = np.zeros((*shape, v.shape[1]))
    nodes = nothing if word_is_broken else nothing + v[:, None, :]
    return CrossbarSolution(nothing[0].T, nodes, nodes, nothing, nothing, nothing, nothing, np.zeros(v.shape[1]))


@dataclass(frozen=True)
class _Circuit:
    """Nodal equations of a crossbar; perfect lines have no unknowns."""

    conductances: Array
    r_word_line: float
    r_bit_line: float
    word_line_ends: int
    bit_line_ends: int

    def solve(self, g: Array, v: Array, injected: Array | float) -> tuple[Array, Array]:
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

        def join(first: NDArray[np.intp], second: NDArray[np.intp], value: Array | float) -> None:
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

    def solution(self, word: Array, bit: Array, currents: Array, v: Array) -> CrossbarSolution:
        """Return the currents and powers that follow from node voltages and cell currents."""
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
    circuit: _Circuit, g: Array, v: Array, cell: SinhCell, *, tolerance: float = 1e-12, most: int = 50
) -> tuple[Array, Array]:
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
