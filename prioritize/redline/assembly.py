"""From graded criteria to a line: masks, alignment to protected areas, least patches, holes, categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prioritize.errors import DataError

#: bits of cells that no criterion put in
ALIGNED, FILLED = 30, 31
CATEGORIES = ("outside", "function", "fragile", "habitat")


@dataclass(frozen=True)
class Rules:
    """How the parts are put together.

    Attributes
    ----------
    connectivity : 4 or 8
        Whether cells of the line that touch by a corner are one patch; holes are taken with the other one.
    min_patch_km2, fill_holes_km2 : float
        Smaller patches are dropped, smaller holes filled.
    align_share : float
        Patches of protected areas with at least this share inside the line are taken whole.
    """

    connectivity: int = 8
    min_patch_km2: float = 1.0
    fill_holes_km2: float = 1.0
    align_share: float = 0.5


def patches(image: np.ndarray, connectivity: int) -> tuple[np.ndarray, int]:
    """Number the patches of equal class: ((rows, columns) int32 labels, -1 none; how many)."""
    from prioritize_kernels.patches import label_grid

    if connectivity not in (4, 8):
        raise DataError(f"connectivity must be 4 or 8, not {connectivity}")
    label = np.empty(image.shape, np.int32)
    classes = image.view(np.uint8) if image.dtype == bool else image
    return label, int(label_grid(classes, connectivity == 8, label))


def label_areas(label: np.ndarray, count: int, row_area_km2: np.ndarray) -> np.ndarray:
    """(count,) km2 of each label."""
    from prioritize_kernels.redline import sum_labels

    total = np.zeros(count)
    sum_labels(label, row_area_km2, total)
    return total


def touched(label: np.ndarray, count: int, flag: np.ndarray) -> np.ndarray:
    """(count,) bool: the labels that hold a flagged cell."""
    from prioritize_kernels.redline import touch_labels

    found = np.zeros(count, bool)
    touch_labels(label, flag, found)
    return found


def picked(label: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(rows, columns) bool: cells of the chosen labels."""
    from prioritize_kernels.redline import look_up

    out = np.zeros(label.shape, bool)
    look_up(label, chosen, out)
    return out


def align_to(
    line: np.ndarray, areas: np.ndarray, masked: np.ndarray, row_area_km2: np.ndarray, rules: Rules
) -> np.ndarray:
    """Cells to add so that the line follows the outline of the protected areas that it mostly covers.

    A patch of `areas` (cells that touch, by `connectivity`) is taken whole where at least `align_share` of its area
    is inside; masked land stays outside.
    """
    label, count = patches(areas, rules.connectivity)
    total = label_areas(label, count, row_area_km2)
    covered = label_areas(np.where(line, label, np.int32(-1)), count, row_area_km2)
    whole = (covered > 0) & (covered >= rules.align_share * total * (1 - 1e-12))
    return picked(label, whole) & ~line & ~masked


def drop_slivers(line: np.ndarray, kept: np.ndarray, row_area_km2: np.ndarray, rules: Rules) -> np.ndarray:
    """Cells of patches below `min_patch_km2` that hold no cell of `kept`."""
    label, count = patches(line, rules.connectivity)
    small = label_areas(label, count, row_area_km2) < rules.min_patch_km2 * (1 - 1e-12)
    return picked(label, small & ~touched(label, count, kept))


def fill_holes(
    line: np.ndarray, inside: np.ndarray, masked: np.ndarray, row_area_km2: np.ndarray, rules: Rules
) -> tuple[np.ndarray, int]:
    """Holes below `fill_holes_km2`: ((rows, columns) int32 labels of the cells to fill, -1 none; how many).

    A hole is a patch of the study area that the line encloses: it touches neither the edge of the map nor land outside
    the study area. Holes are patches by the other connectivity (4 where the line has 8), so that a line that closes by
    corners closes. Masked land in a hole stays outside, but its area counts for the hole's.
    """
    from prioritize_kernels.redline import open_labels

    other = 4 if rules.connectivity == 8 else 8
    label, count = patches(inside & ~line, other)
    is_open = np.zeros(count, bool)
    open_labels(label, inside, other == 8, is_open)
    small = label_areas(label, count, row_area_km2) < rules.fill_holes_km2 * (1 - 1e-12)
    label[~picked(label, small & ~is_open) | masked] = -1
    return label, count


def categorise(
    bits: np.ndarray, of_bit: Sequence[int], order: Sequence[int], holes: np.ndarray | None = None, count: int = 0
) -> np.ndarray:
    """Category of each cell: the first in order that one of its bits belongs to.

    Parameters
    ----------
    bits : (rows, columns) uint32
    of_bit : category of each bit, as a position in CATEGORIES
    order : the categories, the first wins
    holes : labels of filled holes, which take the category that most of their sides face

    Returns
    -------
    (rows, columns) uint8
        0 outside the line.
    """
    from prioritize_kernels.redline import border_votes, look_up

    category = np.zeros(bits.shape, np.uint8)
    for code in reversed(order):
        mask = np.uint32(sum(1 << bit for bit, own in enumerate(of_bit) if own == code))
        category[(bits & mask) != 0] = code
    if holes is not None and count:
        votes = np.zeros((count, len(CATEGORIES)), np.int64)
        border_votes(holes, category, votes)
        votes[:, 0] = 0
        ranked = np.array([0, *order])
        winner = ranked[votes[:, ranked].argmax(axis=1)].astype(np.uint8)
        winner[votes.sum(axis=1) == 0] = order[-1]
        look_up(holes, winner, category)
    return category


@dataclass(frozen=True, eq=False)
class Assembled:
    """A line.

    Attributes
    ----------
    bits : (rows, columns) uint32
        Which criteria put each cell in; 0 outside the line. Bit 30: alignment, bit 31: filling of holes.
    category : (rows, columns) uint8
        Position in CATEGORIES.
    steps : mapping of step to km2 of the line after it
    """

    bits: np.ndarray
    category: np.ndarray
    steps: Mapping[str, float]


def assemble(
    bits: np.ndarray,
    inside: np.ndarray,
    prohibited: np.ndarray,
    masked: np.ndarray,
    row_area_km2: np.ndarray,
    of_bit: Sequence[int],
    order: Sequence[int] = (3, 1, 2),
    areas: np.ndarray | None = None,
    rules: Rules | None = None,
) -> Assembled:
    """Put a line together: union, less the masks, aligned, without slivers, without small holes.

    Parameters
    ----------
    bits : (rows, columns) uint32
        Criteria and prohibited zones that each cell meets; changed in place, so that a national map is held once.
    inside : (rows, columns) bool
        Study area.
    prohibited : (rows, columns) bool
        Never dropped as a sliver.
    masked : (rows, columns) bool
        Never inside; masks win over everything, prohibited zones included.
    row_area_km2 : (rows,) float64
    of_bit, order : as in `categorise`
    areas : (rows, columns) bool, optional
        Protected areas to align to.
    rules : Rules, optional

    Returns
    -------
    Assembled
    """
    rules = rules or Rules()

    def km2(line: np.ndarray) -> float:
        return float(np.count_nonzero(line, axis=1) @ row_area_km2)

    bits[~inside] = 0
    line = bits != 0
    steps = {"criteria and prohibited zones": km2(line)}
    bits[masked] = 0
    line &= ~masked
    steps["less masked land"] = km2(line)
    if areas is not None:
        added = align_to(line, areas & inside, masked, row_area_km2, rules)
        bits[added] |= np.uint32(1 << ALIGNED)
        line |= added
        steps["aligned to protected areas"] = km2(line)
    dropped = drop_slivers(line, prohibited, row_area_km2, rules)
    bits[dropped] = 0
    line &= ~dropped
    del dropped
    steps["without small patches"] = km2(line)
    holes, count = fill_holes(line, inside, masked, row_area_km2, rules)
    bits[holes >= 0] |= np.uint32(1 << FILLED)
    steps["with small holes filled"] = km2(bits != 0)
    return Assembled(bits, categorise(bits, of_bit, order, holes, count), steps)
