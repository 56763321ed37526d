"""Flow: a migratory network keeps a share of the animals that it can carry."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse
from scipy.sparse import csgraph

from prioritize.connect import Draft
from prioritize.constraints._network import Block, available, chosen_in
from prioritize.dispersal import Centroids, centroids
from prioritize.errors import ScenarioError
from prioritize.landscape import some
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder
from prioritize.tolerance import least

#: stages of a site in the stage layer
BREEDING, STAGING, WINTERING = 1, 2, 3
MOST_ARCS = 500_000


class Flow(NamedTerm):
    """The largest flow from breeding over staging to wintering sites is at least `share` of what all units allow.

    A unit is a site of `capacity` animals if it is selected, of none if not; a flight joins sites at most `step_km`
    apart, from breeding to staging or wintering and from staging to staging or wintering (Iwamura et al. 2013,
    doi 10.1098/rspb.2013.0325). In the integer program: inflow_v = outflow_v <= capacity_v y_v, sum of what winters
    >= share F0, F0 being the largest flow with every unit selected.
    """

    kind: Literal["flow"]
    capacity: str = Field(description="reference: animals that each unit can hold")
    stage: str = Field(description="reference: 1 breeding, 2 staging, 3 wintering, 0 none")
    step_km: float = Field(gt=0, description="longest flight between two sites")
    share: float = Field(gt=0, le=1, description="least share of the largest flow with all units selected")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    def references(self) -> list[str]:
        """Both layers."""
        return [self.capacity, self.stage]

    def rule(self, problem: Problem) -> Flyway:
        """The demand on (U,) bool selections.

        Raises
        ------
        ScenarioError
            If a stage is unknown, a capacity is negative, or no flight leads from breeding to wintering sites.
        """
        landscape = problem.landscape
        capacity, stage = landscape.layer(self.capacity), landscape.layer(self.stage)
        odd = ~np.isin(stage, [0, BREEDING, STAGING, WINTERING])
        if odd.any():
            raise ScenarioError(
                f"layer '{self.stage}': {some(np.unique(stage[odd]))} is no stage; "
                "1 is breeding, 2 staging, 3 wintering, 0 none"
            )
        if (capacity < 0).any():
            raise ScenarioError(f"layer '{self.capacity}': capacities must not be negative")
        site = np.flatnonzero((stage > 0) & (capacity > 0))
        there = centroids(landscape.place)
        near = Centroids(there.points[site], there.flat[site], there.sphere).within(self.step_km, MOST_ARCS)
        i, j = np.r_[near[0], near[1]], np.r_[near[1], near[0]]
        onward = (stage[site[i]] < stage[site[j]]) | ((stage[site[i]] == STAGING) & (stage[site[j]] == STAGING))
        zones = tuple(zone_numbers(landscape, self.zones))
        rule = Flyway(zones, site, stage[site], capacity[site], i[onward], j[onward], self.share, len(stage))
        if rule.whole <= 0:
            raise ScenarioError(
                f"flow: no flights of {self.step_km:g} km or less lead from breeding to wintering sites "
                f"({len(site)} sites, the longest gap is too wide); raise step_km"
            )
        return rule

    def add(self, problem: Problem, to: Builder) -> None:
        """One flow block."""
        rule = self.rule(problem)
        usable, _ = available(to, list(rule.zones))
        most = rule.largest(usable)
        if most < rule.least:
            raise ScenarioError(
                f"flow: {self.share:g} of the largest flow is asked for, but without locked-out units only "
                f"{most / rule.whole:.6g} is left; lower share, or unlock some"
            )
        block = Block(to, list(rule.zones))
        count = len(rule.site)
        row, capacity = np.arange(count), rule.capacity / rule.whole
        flight = block.stretch(len(rule.tail), np.minimum(capacity[rule.tail], capacity[rule.head]))
        begins, ends = np.flatnonzero(rule.stage == BREEDING), np.flatnonzero(rule.stage == WINTERING)
        leave, arrive = block.stretch(len(begins), capacity[begins]), block.stretch(len(ends), capacity[ends])
        name = "flow"
        into = (rule.head, flight, 1.0), (begins, leave, 1.0)
        block.add(name, count, 0.0, 0.0, *into, (rule.tail, flight, -1.0), (ends, arrive, -1.0))
        block.add(name, count, -np.inf, 0.0, *into, block.chosen(row, rule.site, -capacity))
        block.add(name, 1, rule.least / rule.whole, np.inf, (np.zeros(len(ends), np.int64), arrive, 1.0))
        to.add_extra(block.extra(name, rule))

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Says how much flow is left."""
        rule = self.rule(problem)
        return rule.faults(chosen_in(selection, rule.zones))


class Flyway:
    """The chosen sites carry at least `share` of the flow of all: the rule."""

    attached = False

    def __init__(
        self,
        zones: tuple[int, ...],
        site: np.ndarray,
        stage: np.ndarray,
        capacity: np.ndarray,
        tail: np.ndarray,
        head: np.ndarray,
        share: float,
        units: int,
    ):
        self.zones, self.site, self.stage, self.capacity = zones, site, stage, capacity
        self.tail, self.head, self.units = tail, head, units
        total = max(float(capacity.sum()), 1e-300)
        whole = bool(np.all(capacity == np.round(capacity))) and total < 2e9
        # SciPy's largest flow is in whole numbers: animals, or parts of 2e9
        self.scale = 1.0 if whole else 2e9 / total
        self.whole = self.largest(np.ones(units, bool))
        slack = 0.0 if whole else 2 * len(site) / self.scale
        self.least = float(least(share * self.whole)) - slack

    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """None: sites need not touch."""
        return np.zeros(self.units + 1, np.int64), np.zeros(0, np.int32)

    def largest(self, y: np.ndarray) -> float:
        """Largest flow over the chosen sites (U,) bool."""
        count = len(self.site)
        if not count:
            return 0.0
        room = np.floor(self.capacity * self.scale * y[self.site] + 1e-9).astype(np.int32)
        site = np.arange(count)
        begins, ends = site[self.stage == BREEDING], site[self.stage == WINTERING]
        # each site is two nodes, in and out; then the source and the sink
        tail = np.concatenate([site, self.tail + count, np.full(len(begins), 2 * count), ends + count])
        head = np.concatenate([site + count, self.head, begins, np.full(len(ends), 2 * count + 1)])
        value = np.concatenate([room, np.minimum(room[self.tail], room[self.head]), room[begins], room[ends]])
        shape = (2 * count + 2, 2 * count + 2)
        graph = sparse.csr_array((value.astype(np.int32), (tail, head)), shape=shape)
        return csgraph.maximum_flow(graph, 2 * count, 2 * count + 1).flow_value / self.scale

    def faults(self, y: np.ndarray) -> list[str]:
        """Says how much flow is left."""
        flow = self.largest(y)
        if flow >= self.least:
            return []
        return [f"flow: the selected sites carry {flow:.10g} of {self.whole:.10g}, less than {self.least:.10g}"]

    def removable(self, unit: int, y: np.ndarray) -> bool:
        """The flow stays large enough without it."""
        if unit not in self.site:
            return True
        y[unit] = False
        enough = self.largest(y) >= self.least
        y[unit] = True
        return enough

    def mend(self, draft: Draft, prune: bool) -> None:
        """Add all sites, then leave out again what is not needed, dearest per animal first and many at once."""
        price = draft.weight(self.zones)[self.site]
        y = draft.chosen(self.zones)
        added = np.flatnonzero(~y[self.site] & np.isfinite(price))
        added = added[np.argsort(-price[added] / self.capacity[added], kind="stable")]
        y[self.site[added]] = True
        if self.largest(y) < self.least:
            return
        kept: list[int] = []
        step = len(added)
        while len(added):
            some_sites = self.site[added[:step]]
            y[some_sites] = False
            if self.largest(y) >= self.least:
                added = added[step:]
                step *= 2
            else:
                y[some_sites] = True
                if step == 1:
                    kept.append(int(added[0]))
                    added = added[1:]
                step = max(1, min(step, len(added)) // 2)
        draft.add(self.site[kept], self.zones)


MEMBER = Flow
