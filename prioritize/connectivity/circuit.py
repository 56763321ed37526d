"""Circuit theory: effective resistance, voltage and current between focal nodes, one to all, all to one, or at will.

Conventions of Circuitscape (McRae et al. 2008, Ecology 89:2712, doi:10.1890/07-1861.1; Anantharaman et al. 2020,
arXiv:1906.03542): in a pair the first focal node is grounded and one unit of current is injected at the second, so
that the voltage of the second is the effective resistance. The current of a node is the larger of what enters it and
what leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from prioritize.connectivity.laplacian import (
    TOLERANCE,
    Circuit,
    Method,
    components,
    injected,
    join,
    laplacian,
    part,
    solver,
)
from prioritize.errors import DataError

Conflict = Literal["keepall", "rmvsrc", "rmvgnd", "rmvall"]

#: columns of voltages that pairs share are kept up to so many bytes; beyond, each pair is solved by itself
KEEP_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class Flow:
    """One solved circuit.

    Attributes
    ----------
    first, second : int
        Places of the focal nodes in the list given; second is -1 where there is only one.
    resistance : float
        Effective resistance; infinite where no path joins the two (or the one to any other), else NaN where the mode
        has none.
    voltage, current : (N,) float64
        For each node of the whole network; 0 where nothing flows.
    lost : float
        Current injected in parts of the network that have no ground: it is left out.
    """

    first: int
    second: int
    resistance: float
    voltage: np.ndarray
    current: np.ndarray
    lost: float = 0.0


def currents(circuit: Circuit, voltage: np.ndarray, leak: np.ndarray | None = None) -> np.ndarray:
    """(N,) current through each node: the larger of inflow and outflow."""
    from prioritize_kernels.circuit import node_currents

    inflow, outflow = np.empty(circuit.nodes), np.empty(circuit.nodes)
    leak = np.zeros(0) if leak is None else leak
    node_currents(circuit.tail, circuit.head, circuit.conductance, leak, voltage, inflow, outflow)
    return inflow


def branch_currents(circuit: Circuit, voltage: np.ndarray) -> np.ndarray:
    """(E,) size of the current in each edge."""
    return circuit.conductance * np.abs(voltage[circuit.tail] - voltage[circuit.head])


def pairwise(
    circuit: Circuit,
    terminals: Sequence[np.ndarray],
    pairs: Iterable[tuple[int, int]] | None = None,
    method: Method = "auto",
    tolerance: float = TOLERANCE,
    maps: bool = True,
) -> Iterator[Flow]:
    """Solve each pair of terminals, in order.

    A terminal of several nodes (a focal region) is short-circuited in its own pairs and only there. Where all
    terminals are single nodes, k of them in one component cost k - 1 solves, whatever the number of pairs.

    Parameters
    ----------
    circuit : Circuit
    terminals : sequence of (n,) int
        Nodes of each terminal; none: it is joined to nothing.
    pairs : iterable of (int, int), optional
        Default: all, each once.
    maps : bool
        Whether to compute currents; without, they are empty.

    Yields
    ------
    Flow
    """
    terminals = [np.unique(np.asarray(nodes, dtype=np.int64)) for nodes in terminals]
    count = len(terminals)
    chosen = list(pairs) if pairs is not None else [(a, b) for a in range(count) for b in range(a + 1, count)]
    if all(len(nodes) <= 1 for nodes in terminals):
        yield from single_pairs(circuit, terminals, chosen, method, tolerance, maps)
        return
    for a, b in chosen:
        into = np.arange(circuit.nodes)
        if np.intersect1d(terminals[a], terminals[b]).size:
            yield Flow(a, b, 0.0, np.zeros(circuit.nodes), np.zeros(circuit.nodes))
            continue
        for nodes in (terminals[a], terminals[b]):
            into[nodes] = nodes[:1] if len(nodes) else nodes
        merged, number = join(circuit, into)
        ends = [np.unique(number[terminals[k]]) for k in (a, b)]
        flow = next(single_pairs(merged, ends, [(0, 1)], method, tolerance, maps))
        current = flow.current[number] if maps else flow.current
        yield Flow(a, b, flow.resistance, flow.voltage[number], current)


def single_pairs(
    circuit: Circuit,
    terminals: Sequence[np.ndarray],
    pairs: Sequence[tuple[int, int]],
    method: Method,
    tolerance: float,
    maps: bool,
) -> Iterator[Flow]:
    """`pairwise` for terminals of one node each."""
    label = components(circuit)
    node = np.array([nodes[0] if len(nodes) else -1 for nodes in terminals], dtype=np.int64)
    home = np.where(node >= 0, label[np.maximum(node, 0)], -1)
    ready: dict[int, Potentials] = {}
    for a, b in pairs:
        nothing = np.zeros(circuit.nodes)
        if node[a] < 0 or node[b] < 0 or home[a] != home[b]:
            yield Flow(a, b, np.inf, nothing, nothing)
            continue
        if node[a] == node[b]:
            yield Flow(a, b, 0.0, nothing, nothing)
            continue
        if home[a] not in ready:
            focal = np.unique(node[home == home[a]])
            ready[int(home[a])] = Potentials(circuit, label == home[a], focal, method, tolerance)
        local = ready[int(home[a])]
        small = local.between(node[b], node[a])
        voltage = nothing
        voltage[local.whole] = small
        current = np.zeros(circuit.nodes if maps else 0)
        if maps:
            current[local.whole] = currents(local.circuit, small)
        yield Flow(a, b, float(voltage[node[b]]), voltage, current)


class Potentials:
    """Voltages of one component for unit currents between its focal nodes; one preparation, then a solve for each.

    With x_k the voltages for one unit from node k to the grounded node, those from a to b are x_a - x_b and a constant.
    """

    def __init__(self, circuit: Circuit, member: np.ndarray, focal: np.ndarray, method: Method, tolerance: float):
        self.circuit, self.whole = part(circuit, member)
        self.place = {int(node): int(k) for node, k in zip(focal, np.searchsorted(self.whole, focal), strict=True)}
        self.ground = next(iter(self.place.values()))
        free = np.arange(self.circuit.nodes) != self.ground
        self.free = np.flatnonzero(free)
        self.solve = solver(laplacian(self.circuit)[self.free][:, self.free], method, tolerance)
        self.keep = len(focal) * self.circuit.nodes * 8 <= KEEP_BYTES
        self.kept: dict[int, np.ndarray] = {self.ground: np.zeros(self.circuit.nodes)}

    def between(self, source: int, sink: int) -> np.ndarray:
        """Voltages for one unit from source to sink, 0 at the sink."""
        a, b = self.place[int(source)], self.place[int(sink)]
        if self.keep:
            voltage = self.column(a) - self.column(b)
        else:
            voltage = self.solved(injected(self.circuit.nodes, a, b))
        return voltage - voltage[b]

    def column(self, k: int) -> np.ndarray:
        """Voltages for one unit from a node to the ground; kept."""
        if k not in self.kept:
            self.kept[k] = self.solved(injected(self.circuit.nodes, k, self.ground))
        return self.kept[k]

    def solved(self, right: np.ndarray) -> np.ndarray:
        """Voltages for any injected currents that sum to 0, 0 at the ground."""
        voltage = np.zeros(self.circuit.nodes)
        voltage[self.free] = self.solve(right[self.free])
        return voltage


def settle_conflicts(
    source: np.ndarray, ground: np.ndarray, policy: Conflict = "keepall"
) -> tuple[np.ndarray, np.ndarray]:
    """Decide about nodes that are both source and ground.

    keepall keeps both, unless the ground is direct (infinite): then the ground goes, as in Circuitscape; rmvsrc drops
    the source, rmvgnd the ground, rmvall both.
    """
    source, ground = source.copy(), ground.copy()
    both = (source != 0) & (ground != 0)
    if policy in ("rmvsrc", "rmvall"):
        source[both] = 0.0
    if policy in ("rmvgnd", "rmvall"):
        ground[both] = 0.0
    ground[np.isinf(ground) & (source != 0)] = 0.0
    return source, ground


def advanced(
    circuit: Circuit,
    source: np.ndarray,
    ground: np.ndarray,
    policy: Conflict = "keepall",
    method: Method = "auto",
    tolerance: float = TOLERANCE,
    labels: np.ndarray | None = None,
) -> Flow:
    """Currents from any sources to any grounds.

    Parameters
    ----------
    circuit : Circuit
    source : (N,) float64
        Current injected at each node.
    ground : (N,) float64
        Conductance to the ground; infinite (0 ohm): held at 0 V, and eliminated.
    policy : str
        See `settle_conflicts`.
    labels : (N,) int, optional
        `components(circuit)`, if they are known.

    Returns
    -------
    Flow
        Parts of the network without source or ground carry nothing.

    Raises
    ------
    DataError
        If a ground is negative or a value is not a number.
    """
    if np.isnan(ground).any() or (ground < 0).any() or not np.isfinite(source).all():
        raise DataError("sources must be finite numbers, ground conductances must not be negative")
    source, ground = settle_conflicts(source, ground, policy)
    labels = components(circuit) if labels is None else labels
    count = int(labels.max()) + 1
    fed = np.bincount(labels[source != 0], minlength=count) > 0
    earthed = np.bincount(labels[ground > 0], minlength=count) > 0
    lost = float(np.abs(source[(fed & ~earthed)[labels]]).sum())
    voltage, current = np.zeros(circuit.nodes), np.zeros(circuit.nodes)
    live = (fed & earthed)[labels]
    if live.any():
        local, whole = part(circuit, live)
        tied = np.isinf(ground[whole])
        leak = np.where(tied, 0.0, ground[whole])
        free = np.flatnonzero(~tied)
        small = np.zeros(local.nodes)
        small[free] = solver(laplacian(local, leak)[free][:, free], method, tolerance)(source[whole][free])
        voltage[whole] = small
        current[whole] = currents(local, small, leak)
    return Flow(-1, -1, np.nan, voltage, current, lost)


def star(
    circuit: Circuit,
    terminals: Sequence[np.ndarray],
    mode: Literal["one-to-all", "all-to-one"],
    active: Callable[[int, int], bool] | None = None,
    strength: np.ndarray | None = None,
    method: Method = "auto",
    tolerance: float = TOLERANCE,
    left_out: float = 0.0,
) -> Iterator[Flow]:
    """Solve one circuit for each terminal, with all the others at the other end.

    one-to-all injects the terminal's strength there and ties the others to the ground; the resistance is its voltage
    over its strength. all-to-one injects the others' strengths and ties the terminal to the ground; it has no
    resistance (NaN, infinite where no current comes). Terminals of several nodes are short-circuited throughout.

    Parameters
    ----------
    active : callable, optional
        Whether terminal `other` takes part when it is the turn of terminal `one`; default: all do.
    strength : (k,) float64, optional
        Default 1.
    left_out : float
        What terminals inject that take no part, all-to-one: 1 in Circuitscape 4 and 5 (by the terminal's first node).

    Yields
    ------
    Flow
        `first` is the terminal.
    """
    terminals = [np.unique(np.asarray(nodes, dtype=np.int64)) for nodes in terminals]
    strength = np.ones(len(terminals)) if strength is None else strength
    for k, nodes in enumerate(terminals):
        others = [j for j in range(len(terminals)) if j != k and (active is None or active(k, j))]
        merged, number = regions_joined(circuit, [terminals[j] for j in (k, *others)])
        source, ground = np.zeros(merged.nodes), np.zeros(merged.nodes)
        for j in others:
            if mode == "one-to-all":
                ground[number[terminals[j]]] = np.inf
            else:
                source[number[terminals[j]][:1]] += strength[j]
        if others and mode == "all-to-one":
            for j in set(range(len(terminals))) - {k, *others}:
                source[number[terminals[j]][:1]] += left_out
        own = number[nodes][:1]
        if mode == "one-to-all":
            ground[own], source[own] = 0.0, strength[k]
        else:
            source[own], ground[own] = 0.0, np.inf
        flow = advanced(merged, source, ground, method=method, tolerance=tolerance)
        resistance = np.nan if len(nodes) and flow.current[own[0]] > 0 else np.inf
        if mode == "one-to-all" and np.isnan(resistance):
            resistance = float(flow.voltage[own[0]] / strength[k])
        yield Flow(k, -1, resistance, flow.voltage[number], flow.current[number], flow.lost)


def regions_joined(circuit: Circuit, regions: Sequence[np.ndarray]) -> tuple[Circuit, np.ndarray]:
    """Join the nodes of each region into one; regions that share a node become one."""
    from scipy import sparse

    regions = [nodes for nodes in regions if len(nodes) > 1]
    if not regions:
        return circuit, np.arange(circuit.nodes)
    first = np.concatenate([np.full(len(nodes), nodes[0]) for nodes in regions])
    entries = (np.ones(len(first)), (first, np.concatenate(regions)))
    links = sparse.coo_array(entries, shape=(circuit.nodes,) * 2)
    group = sparse.csgraph.connected_components(links, directed=False)[1]
    least = np.full(group.max() + 1, circuit.nodes, np.int64)
    np.minimum.at(least, group, np.arange(circuit.nodes))
    return join(circuit, least[group])
