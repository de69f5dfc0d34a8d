"""Effective conductances: a crossbar with line resistance as one matrix. The circuit is that of `circuit`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stack3d.constants import ZERO_CELSIUS
from stack3d.errors import ArrayError, DeckError
from stack3d.layout import Floats
from stack3d.mvm.shape_checks import check_finite


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
        check_lines(self.r_word_line, self.r_bit_line, self.word_line_ends, self.bit_line_ends)

    def at(self, temperature: float) -> Wires:
        r"""Return the wires at a temperature [K].

        :math:`r = r_0 [1 + \alpha (T - T_0)]`; raises DeckError where that is not positive.
        """
        factor = 1.0 + self.temperature_coefficient * (temperature - self.reference_temperature)
        if not factor > 0.0:
            where = f"wires at {temperature - ZERO_CELSIUS:.4g} degC"
            raise DeckError(f"{where} would have {factor:.3g} times their resistance; must be above zero")
        return replace(
            self, r_word_line=self.r_word_line * factor, r_bit_line=self.r_bit_line * factor, reference_temperature=temperature,
            temperature_coefficient=self.temperature_coefficient / factor,
        )  # fmt: skip

    def effective(self, conductances: NDArray[Any], *, is_interleaved: bool = True) -> Floats:
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

    def _one(self, conductances: NDArray[Any]) -> Floats:
        return effective_conductance(
            conductances, self.r_word_line, self.r_bit_line,
            word_line_ends=self.word_line_ends, bit_line_ends=self.bit_line_ends,
        )  # fmt: skip


def effective_conductance(
    conductances: NDArray[Any],
    r_word_line: float,
    r_bit_line: float,
    *,
    word_line_ends: int = 1,
    bit_line_ends: int = 1,
) -> Floats:
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
    check_lines(r_word_line, r_bit_line, word_line_ends, bit_line_ends)
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


def _swept(g: Floats, r_word_line: float, r_bit_line: float, word_line_ends: int, bit_line_ends: int) -> Floats:
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


def _word_line(g: Floats, r: float, ends: int) -> Floats:
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
    return cast(Floats, drop)


def check_lines(r_word_line: float, r_bit_line: float, word_line_ends: int, bit_line_ends: int) -> None:
    """Raise DeckError for a negative segment resistance or a number of ends other than 1 or 2.

    Parameters
    ----------
    r_word_line, r_bit_line : float
        Of a segment. [ohm]
    word_line_ends, bit_line_ends : int
    """
    for name, value in (("r_word_line", r_word_line), ("r_bit_line", r_bit_line)):
        if not value >= 0.0:
            raise DeckError(f"{name} is {value!r} ohm; must be at least 0")
    for name, ends in (("word_line_ends", word_line_ends), ("bit_line_ends", bit_line_ends)):
        if ends not in (1, 2):
            raise DeckError(f"{name} is {ends!r}; must be 1 or 2")
