"""Delineation: criteria -> grades -> bits -> line, a few rows of the inputs at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from prioritize.errors import DataError, Faults, PrioritizeError, ScenarioError
from prioritize.redline import methods
from prioritize.redline.assembly import ALIGNED, CATEGORIES, FILLED, Rules, assemble
from prioritize.redline.config import Criterion, RedlineConfig
from prioritize.redline.fragility import sensitivity_class
from prioritize.redline.grading import Grader, check_cuts, keys_of, whole_areas
from prioritize.redline.importance import normalise
from prioritize.redline.windows import Grids

#: name of a criterion and its (rows, columns) uint8 grades
Keep = Callable[[str, np.ndarray], None]


@dataclass(frozen=True)
class Bit:
    """What one bit of the mask means.

    Attributes
    ----------
    number : int
    name : str
    kind : str
        importance, fragility, prohibited, aligned or filled.
    category : str
        `function`, `fragile`, `habitat`; empty for filled holes.
    function : str
        How polygons name it.
    """

    number: int
    name: str
    kind: str
    category: str
    function: str


@dataclass(frozen=True, eq=False)
class Line:
    """A redline on a grid.

    Attributes
    ----------
    grids : Grids
    study : (rows, columns) bool
    bits : (rows, columns) uint32
        Which criteria put each cell in; 0 outside the line.
    category : (rows, columns) uint8
        Position in `assembly.CATEGORIES`.
    legend : tuple of Bit
    steps : mapping of step to km2 after it
    graded : mapping of criterion to km2 by grade
        (4,): no data, general, important or sensitive, extreme.
    """

    grids: Grids
    study: np.ndarray
    bits: np.ndarray
    category: np.ndarray
    legend: tuple[Bit, ...]
    steps: Mapping[str, float]
    graded: Mapping[str, np.ndarray]

    @property
    def area_km2(self) -> float:
        """Area inside."""
        return float(np.count_nonzero(self.bits, axis=1) @ self.grids.row_area_km2)


def legend_of(config: RedlineConfig) -> tuple[Bit, ...]:
    """What the bits mean, in the order of the scenario: criteria, prohibited zones, alignment, filled holes."""
    bits: list[Bit] = []
    for item in config.criteria:
        formula = methods.FORMULAE.get(item.method or "")
        usual = "function" if item.kind == "importance" else "fragile"
        function = item.function or (formula.function if formula else item.name)
        bits.append(Bit(len(bits), item.name, item.kind, item.category or usual, function))
    for zone in config.prohibited:
        bits.append(Bit(len(bits), zone.name, "prohibited", zone.category, zone.name))
    bits.append(Bit(ALIGNED, "alignment", "aligned", "habitat", "protected areas"))
    bits.append(Bit(FILLED, "filled holes", "filled", "", "filled holes"))
    return tuple(bits)


def delineate(grids: Grids, config: RedlineConfig, keep: Keep | None = None) -> Line:
    """Draw the line.

    Parameters
    ----------
    grids : Grids
        The layers.
    config : RedlineConfig
    keep : callable, optional
        Takes the grades of each criterion as they are made, for a file.

    Returns
    -------
    Line

    Raises
    ------
    PrioritizeError
        ScenarioError or DataError, naming the criterion, the layer and the value.
    """
    check(config, grids)
    study = grids.inside if config.within is None else grids.flag(config.within)
    if not study.any():
        raise DataError(f"redline.within '{config.within}': no cell lies in the study area")
    legend = legend_of(config)
    bits: np.ndarray = np.zeros(grids.shape, np.uint32)
    graded = {}
    extents: dict[str, tuple[np.ndarray | None, int]] = {"all": (None, 1)}
    for number, item in enumerate(config.criteria):
        try:
            grade = grade_criterion(grids, study, config, item, extents)
        except PrioritizeError as error:
            raise type(error)([f"redline.criteria '{item.name}': {fault}" for fault in error.faults]) from None
        top = 3 if item.take == "extreme" else 2
        for rows in grids.strips():
            bits[rows] |= (grade[rows] >= top).astype(np.uint32) << np.uint32(number)
        graded[item.name] = np.array(
            [np.count_nonzero((grade == level) & study, axis=1) @ grids.row_area_km2 for level in range(4)]
        )
        if not graded[item.name][top:].any():
            word = "extremely " if top == 3 else "at all "
            what = "important" if item.kind == "importance" else "sensitive"
            grids.notes.append(f"criterion '{item.name}': no cell is {word}{what}")
        if keep is not None:
            keep(item.name, grade)
        del grade
    prohibited = np.zeros(grids.shape, bool)
    for number, zone in enumerate(config.prohibited, start=len(config.criteria)):
        flag = grids.flag(zone.layer)
        prohibited |= flag
        bits |= flag.astype(np.uint32) << np.uint32(number)
    masked = np.zeros(grids.shape, bool)
    for mask in config.masks:
        masked |= grids.flag(mask.layer, mask.above)
    areas = None if config.align is None else grids.flag(config.align)
    of_bit = [0] * (ALIGNED + 1)
    for bit in legend:
        if bit.category:
            of_bit[bit.number] = CATEGORIES.index(bit.category)
    order = [CATEGORIES.index(name) for name in config.category_order]
    rules = Rules(config.connectivity, config.min_patch_km2, config.fill_holes_km2, config.align_share)
    made = assemble(bits, study, prohibited, masked, grids.row_area_km2, of_bit, order, areas, rules)
    return Line(grids, study, made.bits, made.category, legend, made.steps, graded)


def check(config: RedlineConfig, grids: Grids) -> None:
    """Refuse what can be seen to be wrong before a whole layer is read: settings, and layers that do not fit.

    Raises
    ------
    ScenarioError
        With every fault.
    """
    faults = Faults(ScenarioError)
    for reference in references(config):
        try:
            grids.read(reference, slice(0, 1))
        except PrioritizeError as error:
            faults.catch(error)
    for item in config.criteria:
        try:
            methods.check_criterion(item)
            check_cuts(item.cuts or config.cuts)
        except PrioritizeError as error:
            faults.catch(error)
        if item.take == "important" and item.kind == "importance" and len(item.cuts or config.cuts) < 2:
            faults.add(f"redline.criteria '{item.name}': take = 'important' needs two cuts")
    for level in {config.extent, *(item.extent for item in config.criteria), config.split} - {"all", None}:
        if level not in grids.levels:
            known = ", ".join(f"'{name}'" for name in grids.levels) or "none: set landscape.regions"
            faults.add(f"redline: there is no level '{level}' of regions; use 'all' or one of {known}")
    faults.raise_any()


def references(config: RedlineConfig) -> list[str]:
    """The layers that a line is drawn from, each once."""
    layers: list[str | float | None] = [config.within, config.align]
    layers += [layer for item in config.criteria for layer in (item.layer, *item.inputs.values())]
    layers += [zone.layer for zone in config.prohibited] + [mask.layer for mask in config.masks]
    return list(dict.fromkeys(layer for layer in layers if isinstance(layer, str)))


def grade_criterion(
    grids: Grids,
    study: np.ndarray,
    config: RedlineConfig,
    item: Criterion,
    extents: dict[str, tuple[np.ndarray | None, int]],
) -> np.ndarray:
    """Grade one criterion: (rows, columns) uint8, 0 without data, 1 general, 2 important, 3 extremely so.

    `extents` remembers the codes of the levels that were read.
    """
    from prioritize_kernels.redline import grade as graded

    value = np.empty(grids.shape, np.float32)
    out = np.empty(grids.shape, np.uint8)
    for rows, part in values_of(grids, study, item):
        value[rows] = part
    if not np.isfinite(value).any():
        raise DataError(
            f"layer '{item.layer}' holds no value in the study area" if item.layer else "no cell has all inputs"
        )
    if item.kind == "fragility":
        for rows in grids.strips():
            out[rows] = sensitivity_class(value[rows], item.class_breaks)
        return out
    extent = item.extent or config.extent
    if extent not in extents:
        codes, names = grids.level(extent)
        extents[extent] = (codes, len(names))
    group_of, count = extents[extent]
    area = whole_areas(grids.row_area_km2)
    what = f"layer '{item.layer}'" if item.layer else f"method '{item.method}'"

    def tile(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        group = np.where(study[rows], np.int32(0), np.int32(-1)) if group_of is None else group_of[rows]
        return keys_of(value[rows], what), group, area[rows]

    threshold = Grader(count, item.cuts or config.cuts).thresholds(lambda: (tile(rows) for rows in grids.strips()))
    if threshold.shape[1] < 2:  # one cut: cells are extremely important or general
        threshold = np.repeat(threshold, 2, axis=1)
    for rows in grids.strips():
        key, group, _ = tile(rows)
        graded(key, group, threshold[:, :2], out[rows])
    return out


def values_of(grids: Grids, study: np.ndarray, item: Criterion) -> Iterator[tuple[slice, np.ndarray]]:
    """The value of a criterion by strips: per km2 for a function, 1 to 5 for fragility; NaN outside the study area."""
    if item.layer is not None:
        for rows in grids.strips():
            part = grids.read(item.layer, rows)
            part = np.where(study[rows], part, np.nan)
            if item.per_cell:
                part = part / grids.row_area_km2[rows][:, None]
            yield rows, part
        return
    formula = methods.FORMULAE[item.method or ""]
    limits = {one.name: least_and_largest(grids, study, item, one) for one in formula.inputs if one.normalise}
    for rows in grids.strips():
        ready = {}
        for one in formula.inputs:
            part = raw(grids, study, item, one, rows)
            if one.scored:
                part = methods.scores(item, one.name, part)
            else:
                part = one.ready(part)
            if one.normalise:
                # the limits are known as float64 of the very same values, so none lies outside
                part = normalise(part, *limits[one.name])
            ready[one.name] = part
        yield rows, formula.value(ready)


def raw(grids: Grids, study: np.ndarray, item: Criterion, one: methods.Input, rows: slice) -> np.ndarray:
    """A strip of an input as it is; NaN outside the study area."""
    reference = item.inputs[one.name]
    part = grids.read(reference, rows) if isinstance(reference, str) else float(reference)
    return np.where(study[rows], part, np.nan)


def least_and_largest(grids: Grids, study: np.ndarray, item: Criterion, one: methods.Input) -> tuple[float, float]:
    """Least and largest value of an input in the whole study area."""
    low, high = np.inf, -np.inf
    for rows in grids.strips():
        part = one.ready(raw(grids, study, item, one, rows))
        if not np.isnan(part).all():
            low, high = min(low, float(np.nanmin(part))), max(high, float(np.nanmax(part)))
    if low > high:
        raise DataError(f"input '{one.name}' ({item.inputs[one.name]}) holds no value in the study area")
    return low, high
