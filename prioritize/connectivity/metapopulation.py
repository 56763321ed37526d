"""Metapopulation capacity (Hanski and Ovaskainen 2000, doi 10.1038/35008063): patches, or the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from prioritize.connectivity.distances import Gaps, links_within
from prioritize.connectivity.graph_indices import checked
from prioritize.connectivity.probability import Dispersal
from prioritize.connectivity.smoothing import convolve, kernel_weights

#: patches up to which the matrix is laid out
DENSE = 3000


@dataclass(frozen=True, eq=False)
class Capacity:
    """Metapopulation capacity.

    Attributes
    ----------
    value : float
        Leading eigenvalue of M; a metapopulation persists where it is larger than extinction over colonisation rate.
    contribution : (N,) float64
        What each patch adds: squares of the leading eigenvector, 1 together.
    """

    value: float
    contribution: np.ndarray


def capacity(
    area: np.ndarray, gaps: Gaps, dispersal: Dispersal, exponent: float = 1.0, self_colonisation: bool = False
) -> Capacity:
    """Capacity of a set of patches: M_ij = A_i^x A_j exp(-rate d_ij), and M_ii = 0 or A_i^(x+1).

    Parameters
    ----------
    area : (N,) float64
    gaps : Gaps
        Straight distances; no stepping stones here, dispersal is one flight.
    exponent : float
        x: how emigration and extinction scale with area.
    self_colonisation : bool
        Whether patches count for themselves.

    Notes
    -----
    M is similar to the symmetric matrix sqrt(A_i^(x+1) A_j^(x+1)) exp(-rate d_ij), whose eigenvalues it shares; that
    is what is solved. Links so improbable that they are below 1e-16 of the largest are left out.
    """
    size = checked(area) ** ((exponent + 1.0) / 2.0)
    count = len(size)
    if count == 0:
        return Capacity(0.0, np.zeros(0))
    links = links_within(gaps, dispersal.distance(1e-16))
    weight = dispersal.probability(links.length)
    source = np.repeat(np.arange(count), np.diff(links.indptr))
    own = size**2 if self_colonisation else np.zeros(count)
    data = weight * size[source] * size[links.indices]

    if count <= DENSE:
        matrix = np.zeros((count, count))
        matrix[source, links.indices] = data
        matrix[np.arange(count), np.arange(count)] = own
        values, vectors = np.linalg.eigh(matrix)
        return capacity_of(float(values[-1]), vectors[:, -1])

    from scipy.sparse import csr_array

    sparse = csr_array((data, links.indices, links.indptr), shape=(count, count))
    operator = LinearOperator((count, count), matvec=lambda v: sparse @ v.ravel() + own * v.ravel(), dtype=np.float64)
    value, vector = eigsh(operator, k=1, which="LA", v0=size)
    return capacity_of(float(value[0]), vector[:, 0])


def grid_capacity(
    amount: np.ndarray,
    dispersal: Dispersal,
    width_m: float,
    height_m: float,
    exponent: float = 1.0,
    self_colonisation: bool = False,
) -> Capacity:
    """Capacity of the cells of a grid, each a patch of its amount, centre to centre; products by FFT.

    Parameters
    ----------
    amount : (rows, columns) float64

    Returns
    -------
    Capacity
        `contribution` is (rows, columns).
    """
    shape = np.shape(amount)
    size = checked(np.nan_to_num(np.asarray(amount, dtype=np.float64)).ravel()) ** ((exponent + 1.0) / 2.0)
    weight = kernel_weights(dispersal, width_m, height_m)
    weight = weight / weight.max()  # exp(-rate d), 1 at d = 0
    middle = weight.shape[0] // 2, weight.shape[1] // 2
    if not self_colonisation:
        weight[middle] = 0.0
    if not size.any():
        return Capacity(0.0, np.zeros(shape))

    def product(vector: np.ndarray) -> np.ndarray:
        return size * convolve((size * vector.ravel()).reshape(shape), weight).ravel()

    if len(size) < 3:
        matrix = np.column_stack([product(column) for column in np.eye(len(size))])
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        found = capacity_of(float(values[-1]), vectors[:, -1])
    else:
        operator = LinearOperator((len(size), len(size)), matvec=product, dtype=np.float64)
        value, vector = eigsh(operator, k=1, which="LA", v0=size, tol=1e-10)
        found = capacity_of(float(value[0]), vector[:, 0])
    return Capacity(found.value, found.contribution.reshape(shape))


def capacity_of(value: float, vector: np.ndarray) -> Capacity:
    """The record: an eigenvalue that rounding made negative is 0."""
    return Capacity(max(0.0, value), vector**2 / float(vector @ vector))
