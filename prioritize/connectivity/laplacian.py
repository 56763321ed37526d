"""Resistor networks: from a grid, with regions short-circuited; their Laplacian and its solver.

`L v = b`: conductances c_e, voltages v, injected currents b. A sparse factorisation serves small networks, conjugate
gradients with an algebraic multigrid preconditioner (pyamg) large ones. BLAS is held to one thread and the multigrid
draws no random numbers: the same input gives the same bytes on any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from prioritize.connectivity.rasters import memory
from prioritize.errors import DataError, SolveError
from prioritize.landscape import some

Method = Literal["auto", "direct", "multigrid"]

#: up to so many nodes the factorisation was quicker than one multigrid solve (1.2 s at 100,000 nodes of 8-neighbour
#: grid), and each further right-hand side costs next to nothing
DIRECT_NODES = 100_000
#: residual of the conjugate gradients, relative to the currents injected
TOLERANCE = 1e-10
ITERATIONS = 1000
#: what an edge of a grid takes at the least: 16 in the list of edges and 24 (both ways) in the matrix, twice each while
#: they are made
EDGE_BYTES = 80


@dataclass(frozen=True, eq=False)
class Circuit:
    """A resistor network.

    Attributes
    ----------
    nodes : int
    tail, head : (E,) int32
        Ends of each edge; parallel edges add up.
    conductance : (E,) float64
        Positive.
    """

    nodes: int
    tail: np.ndarray
    head: np.ndarray
    conductance: np.ndarray


@dataclass(frozen=True, eq=False)
class GridCircuit:
    """A resistor network on a grid.

    Attributes
    ----------
    circuit : Circuit
    node : (R, C) int32
        Node of each cell, -1 where there is none. A short-circuited region is one node, its cells without data too.
    """

    circuit: Circuit
    node: np.ndarray

    def image(self, value: np.ndarray, empty: float = np.nan) -> np.ndarray:
        """(R, C) image of one value for each node; `empty` where there is none."""
        return np.where(self.node >= 0, value[np.maximum(self.node, 0)], empty)


def network(first: np.ndarray, second: np.ndarray, conductance: np.ndarray, nodes: int) -> Circuit:
    """Build a network from its edges.

    Parameters
    ----------
    first, second : (E,) int
    conductance : (E,) float64
        Edges of conductance 0 are left out.
    nodes : int

    Raises
    ------
    DataError
        If a conductance is negative, infinite or not a number, or a node does not exist.
    """
    first, second = np.asarray(first), np.asarray(second)
    conductance = np.asarray(conductance, dtype=np.float64)
    wrong = ~(np.isfinite(conductance) & (conductance >= 0))
    if wrong.any():
        raise DataError(
            f"network: {int(wrong.sum())} conductances are negative, infinite or not a number "
            f"(edges {some(np.flatnonzero(wrong))}: {some(conductance[wrong])})"
        )
    ends = np.concatenate([first, second])
    if len(ends) and (ends.min() < 0 or ends.max() >= nodes):
        raise DataError(f"network: an edge ends at node {ends.min() if ends.min() < 0 else ends.max()} of {nodes}")
    keep = (conductance > 0) & (first != second)
    return Circuit(nodes, first[keep].astype(np.int32), second[keep].astype(np.int32), conductance[keep])


def grid_circuit(
    conductance: np.ndarray, neighbours: int = 8, average: Literal["resistance", "conductance"] = "resistance"
) -> GridCircuit:
    """Build the network of a grid: each cell with data a node, joined to its neighbours.

    Parameters
    ----------
    conductance : (R, C) float64
        0 or NaN: no node (infinite resistance).
    neighbours : 4 or 8
        The edge to a diagonal neighbour has sqrt(2) times the resistance.
    average : "resistance" or "conductance"
        Whether an edge has the mean of the resistances or the mean of the conductances of its two cells.

    Raises
    ------
    DataError
        If a conductance is negative or infinite, there is no cell with data, or more than memory holds.
    """
    from prioritize_kernels.circuit import grid_edges

    conductance = np.ascontiguousarray(conductance, dtype=np.float64)
    if neighbours not in (4, 8):
        raise DataError(f"neighbours: {neighbours} is neither 4 nor 8")
    wrong = (conductance < 0) | np.isinf(conductance)
    if wrong.any():
        raise DataError(
            f"conductance: {int(wrong.sum())} cells are negative or infinite ({some(conductance[wrong])}); "
            "where nothing passes use NODATA, where all passes a short-circuit region"
        )
    inside = conductance > 0
    count = int(inside.sum())
    if count == 0:
        raise DataError("conductance: no cell holds a positive value; nothing can flow")
    room = count * (4 if neighbours == 8 else 2)
    if room * EDGE_BYTES > memory():
        raise DataError(
            f"conductance: {count:,} cells with data take at least {room * EDGE_BYTES / 2**30:,.0f} GiB to solve, this "
            f"computer has {memory() / 2**30:,.0f} GiB of memory; crop or aggregate the grid"
        )
    node = np.where(inside, np.cumsum(inside, dtype=np.int32).reshape(inside.shape) - 1, -1).astype(np.int32)
    tail, head, value = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
    edges = grid_edges(node, conductance, neighbours == 8, average == "resistance", tail, head, value)
    return GridCircuit(Circuit(count, tail[:edges].copy(), head[:edges].copy(), value[:edges].copy()), node)


def short_circuit(grid: GridCircuit, regions: Sequence[np.ndarray]) -> GridCircuit:
    """Join the cells of each region into one node; regions that share a cell become one.

    Cells without data may be part of a region: they carry the voltage and current of its node, but no edge leads to
    them (in Circuitscape one does, of half the neighbour's conductance, where conductances are averaged). A region in
    which no cell has data adds nothing.

    Parameters
    ----------
    grid : GridCircuit
    regions : sequence of (n,) int
        Flat cell numbers.
    """
    regions = [np.asarray(cells, dtype=np.int64) for cells in regions if len(cells) > 1]
    if not regions:
        return grid
    cells, place = np.unique(np.concatenate(regions), return_inverse=True)
    size = np.array([len(region) for region in regions])
    first = np.repeat(place[np.cumsum(size) - size], size)
    # cells that are one node already (a polygon, and a focal region that meets it) belong together, too
    node = grid.node.ravel()
    _, shared = np.unique(node[cells], return_inverse=True)
    by_node = np.where(node[cells] >= 0, len(cells) + shared, np.arange(len(cells)))
    total = len(cells) + int(shared.max()) + 1
    links = sparse.coo_array(
        (
            np.ones(len(place) + len(cells)),
            (np.concatenate([first, np.arange(len(cells))]), np.concatenate([place, by_node])),
        ),
        shape=(total, total),
    )
    group = sparse.csgraph.connected_components(links, directed=False)[1][: len(cells)]
    least = np.full(group.max() + 1, grid.circuit.nodes, np.int64)
    np.minimum.at(least, group, np.where(node[cells] >= 0, node[cells], grid.circuit.nodes))
    into = np.arange(grid.circuit.nodes)
    valid = node[cells] >= 0
    into[node[cells][valid]] = least[group][valid]
    merged, number = join(grid.circuit, into)
    out = np.where(node >= 0, number[np.maximum(node, 0)], -1).astype(np.int32)
    reached = least[group] < grid.circuit.nodes
    out[cells[reached]] = number[least[group][reached]]
    return GridCircuit(merged, out.reshape(grid.node.shape))


def with_bare_cells(grid: GridCircuit, cells: np.ndarray) -> GridCircuit:
    """Give cells without a node one to which no edge leads: a focal region may lie on cells without data in part.

    Parameters
    ----------
    grid : GridCircuit
    cells : (n,) int
        Flat cell numbers.
    """
    node = grid.node.copy()
    flat = node.ravel()
    bare = np.unique(cells[flat[cells] < 0])
    flat[bare] = grid.circuit.nodes + np.arange(len(bare))
    return GridCircuit(replace(grid.circuit, nodes=grid.circuit.nodes + len(bare)), node) if len(bare) else grid


def join(circuit: Circuit, into: np.ndarray) -> tuple[Circuit, np.ndarray]:
    """Join nodes: node i becomes part of node into[i].

    Parameters
    ----------
    circuit : Circuit
    into : (N,) int
        Idempotent: into[into] == into.

    Returns
    -------
    (Circuit, (N,) int32)
        The smaller network and each node's number in it.
    """
    stays = into == np.arange(circuit.nodes)
    number = (np.cumsum(stays) - 1)[into].astype(np.int32)
    tail, head = number[circuit.tail], number[circuit.head]
    keep = tail != head
    return Circuit(int(stays.sum()), tail[keep], head[keep], circuit.conductance[keep]), number


def part(circuit: Circuit, member: np.ndarray) -> tuple[Circuit, np.ndarray]:
    """The network of some nodes and the edges between them, and its nodes' numbers in the whole.

    Parameters
    ----------
    circuit : Circuit
    member : (N,) bool
    """
    number = (np.cumsum(member) - 1).astype(np.int32)
    keep = member[circuit.tail] & member[circuit.head]
    tail, head = number[circuit.tail[keep]], number[circuit.head[keep]]
    return Circuit(int(member.sum()), tail, head, circuit.conductance[keep]), np.flatnonzero(member)


def adjacency(circuit: Circuit) -> sparse.csr_array:
    """(N, N) conductances between nodes, symmetric."""
    entries = (circuit.conductance, (circuit.tail, circuit.head))
    half = sparse.coo_array(entries, shape=(circuit.nodes,) * 2).tocsr()
    return (half + half.T).tocsr()


def components(circuit: Circuit) -> np.ndarray:
    """(N,) int32 number of each node's connected component."""
    entries = (np.ones(len(circuit.tail), np.int8), (circuit.tail, circuit.head))
    graph = sparse.coo_array(entries, shape=(circuit.nodes,) * 2)
    return sparse.csgraph.connected_components(graph, directed=False)[1]


def laplacian(circuit: Circuit, leak: np.ndarray | None = None) -> sparse.csr_array:
    """(N, N) Laplacian; leak (N,) adds conductances to the ground on its diagonal."""
    weight = adjacency(circuit)
    degree = np.asarray(weight.sum(axis=1)).ravel()
    return (sparse.diags_array(degree if leak is None else degree + leak) - weight).tocsr()


def solver(matrix: Any, method: Method = "auto", tolerance: float = TOLERANCE) -> Callable[[np.ndarray], np.ndarray]:
    """Prepare to solve with a grounded Laplacian (symmetric, positive definite).

    Parameters
    ----------
    matrix : (n, n) sparse
    method : "auto", "direct" or "multigrid"
        auto: direct up to `DIRECT_NODES` nodes.
    tolerance : float
        Residual over right-hand side, multigrid only.

    Returns
    -------
    callable
        (n,) float64 -> (n,) float64. It raises SolveError if the conjugate gradients do not converge.
    """
    if matrix.shape[0] == 0:
        return lambda right: np.zeros(0)
    if method == "direct" or (method == "auto" and matrix.shape[0] <= DIRECT_NODES):
        from scipy.sparse.linalg import splu

        # minimum degree on the pattern of A' + A and pivots on the diagonal: what a Cholesky factorisation would do
        factor = splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        return factor.solve
    return multigrid(matrix, tolerance)


def multigrid(matrix: Any, tolerance: float) -> Callable[[np.ndarray], np.ndarray]:
    """Conjugate gradients preconditioned by one V cycle of smoothed aggregation."""
    import pyamg
    from scipy.sparse.linalg import cg
    from threadpoolctl import threadpool_limits

    # pyamg takes matrices; local weights need no spectral radius, which is estimated from random vectors
    plain = sparse.csr_matrix(matrix)
    with threadpool_limits(1):
        levels = pyamg.smoothed_aggregation_solver(plain, smooth=("jacobi", {"weighting": "local"}), max_coarse=500)
        preconditioner = levels.aspreconditioner(cycle="V")

    def solve(right: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            answer, fault = cg(plain, right, rtol=tolerance, atol=0.0, maxiter=ITERATIONS, M=preconditioner)
        if fault:
            raise SolveError(
                f"conjugate gradients: not within {tolerance:g} after {ITERATIONS} steps on {len(right):,} nodes; "
                "are the conductances many orders of magnitude apart?"
            )
        return answer

    return solve


def injected(nodes: int, source: int, sink: int) -> np.ndarray:
    """(N,) one unit of current in at a node and out at another."""
    right = np.zeros(nodes)
    right[source] += 1.0
    right[sink] -= 1.0
    return right
