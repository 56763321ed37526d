"""Dispersal kernels over grids by FFT, without wrap-around; and the connectedness of protected cells.

Kernel shapes as in Zonation (Moilanen et al. 2005, doi 10.1098/rspb.2005.3164). Unlike there, the weights of a kernel
sum to one, and the grid is padded so that nothing leaves at one side and enters at the other.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import fft

from prioritize.connectivity.probability import Dispersal
from prioritize.errors import DataError

Shape = Literal["exponential", "gaussian", "threshold", "triangular"]
#: weight of a kernel that lies beyond the radius to which it is laid out
TAIL = 1e-9
#: cells from the middle to the side of the largest kernel that is laid out
MOST_CELLS = 4096


def kernel_weights(dispersal: Dispersal, width_m: float, height_m: float, shape: Shape = "exponential") -> np.ndarray:
    """Weights of a kernel around its middle cell; they sum to 1.

    All shapes have the same mean distance in two dimensions, 2 / rate:

    * exponential: exp(-rate d);
    * gaussian: exp(-d^2 / (2 s^2)) with s = mean / sqrt(pi / 2);
    * threshold: 1 up to 3/2 of the mean, which is the mean distance 2/3 R in a disc;
    * triangular: 1 - d / R up to R = 2 mean.

    Returns
    -------
    (2 r + 1, 2 c + 1) float64

    Raises
    ------
    DataError
        If the kernel is wider than 8,193 cells.
    """
    mean = dispersal.mean_m
    spread = mean / math.sqrt(math.pi / 2)
    # exponential: the weight beyond r is (1 + rate r) exp(-rate r); gaussian: exp(-r^2 / 2 s^2)
    ends = {
        "exponential": 24.0 / dispersal.rate_per_m,
        "gaussian": spread * math.sqrt(-2 * math.log(TAIL)),
        "threshold": 1.5 * mean,
        "triangular": 2.0 * mean,
    }
    if shape not in ends:
        raise DataError(f"kernel '{shape}' is unknown; one of {', '.join(ends)}")
    r, c = math.ceil(ends[shape] / height_m), math.ceil(ends[shape] / width_m)
    if max(r, c) > MOST_CELLS:
        raise DataError(f"the kernel reaches {max(r, c)} cells; use coarser cells or a shorter dispersal distance")
    y, x = np.arange(-r, r + 1)[:, None] * height_m, np.arange(-c, c + 1)[None, :] * width_m
    d = np.hypot(x, y)
    if shape == "exponential":
        weight = np.exp(-dispersal.rate_per_m * d)
    elif shape == "gaussian":
        weight = np.exp(-(d**2) / (2 * spread**2))
    elif shape == "threshold":
        weight = (d <= ends[shape]).astype(np.float64)
    else:
        weight = np.maximum(0.0, 1.0 - d / ends[shape])
    return weight / weight.sum()


def convolve(grid: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sum of the grid's values times the weights around each cell; outside of the grid is 0.

    Parameters
    ----------
    grid : (rows, columns) float64
    weight : (2 r + 1, 2 c + 1) float64

    Returns
    -------
    (rows, columns) float64
        Exact to rounding: about 1e-15 of the largest value.
    """
    values = np.asarray(grid, dtype=np.float64)
    rows, columns = values.shape
    r, c = weight.shape[0] // 2, weight.shape[1] // 2
    # offsets as long as the grid never meet it
    cut = weight[max(0, r - rows + 1) : r + rows, max(0, c - columns + 1) : c + columns]
    r, c = cut.shape[0] // 2, cut.shape[1] // 2
    size = (fft.next_fast_len(rows + r, real=True), fft.next_fast_len(columns + c, real=True))
    padded = np.zeros(size)
    # the middle of the kernel at the origin, its left half at the end: one padding of r cells serves both sides
    at_row, at_column = np.arange(-r, r + 1) % size[0], np.arange(-c, c + 1) % size[1]
    np.add.at(padded, np.ix_(at_row, at_column), cut)
    spectrum = fft.rfft2(values, size)
    spectrum *= fft.rfft2(padded)
    return fft.irfft2(spectrum, size)[:rows, :columns]


def smooth(
    grid: np.ndarray,
    dispersal: Dispersal,
    width_m: float,
    height_m: float,
    *,
    shape: Shape = "exponential",
    edge: Literal["lost", "normalised"] = "lost",
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """Spread an occurrence layer by a dispersal kernel.

    Parameters
    ----------
    grid : (rows, columns) float64
        NaN counts as 0.
    dispersal : Dispersal
    width_m, height_m : float
        Of a cell.
    shape : str
    edge : str
        `lost`: what leaves the grid is gone. `normalised`: divided by the share of the kernel inside.
    inside : (rows, columns) bool
        The study area, for `normalised`; the whole grid where left out.
    """
    if edge not in ("lost", "normalised"):
        raise DataError(f"edge '{edge}' is unknown; one of 'lost', 'normalised'")
    weight = kernel_weights(dispersal, width_m, height_m, shape)
    spread = convolve(np.nan_to_num(np.asarray(grid, dtype=np.float64)), weight)
    if edge == "lost":
        return spread
    known = np.ones(spread.shape) if inside is None else np.asarray(inside, dtype=np.float64)
    share = convolve(known, weight)
    return np.divide(spread, share, out=np.zeros_like(spread), where=share > 1e-12)


def connectedness(
    protected: np.ndarray,
    habitat: np.ndarray,
    dispersal: Dispersal,
    width_m: float,
    height_m: float,
    inside: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """PARC-type connectedness over straight lines: how much habitat there is around protected cells.

    C_i = sum_j h_j w_ij / sum_j w_ij over the cells j inside, i itself included, w_ij = exp(-rate d_ij); the index is
    the mean of C over protected cells. The published index measures along least-cost paths (Drielsma et al. 2007,
    Ecological Modelling 202), so this is of its type, not equal to it.

    Parameters
    ----------
    protected : (rows, columns) bool
    habitat : (rows, columns) float64 in 0..1
        Share of each cell that is protected or natural.

    Returns
    -------
    (float, (rows, columns) float64)
        The index (NaN where nothing is protected), and C of each cell.
    """
    known = np.ones(np.shape(habitat), bool) if inside is None else np.asarray(inside, dtype=bool)
    share = np.where(known, np.nan_to_num(np.asarray(habitat, dtype=np.float64)), 0.0)
    if share.min(initial=0.0) < 0 or share.max(initial=0.0) > 1:
        raise DataError(f"habitat lies in {share.min():g}..{share.max():g}; it is a share, 0 to 1")
    score = np.clip(smooth(share, dispersal, width_m, height_m, edge="normalised", inside=known), 0.0, 1.0)
    of = np.asarray(protected, dtype=bool) & known
    return (float(score[of].mean()) if of.any() else float("nan")), score
