"""What a line holds, as tables: by step, by category, by criterion, by tenure, by region."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from prioritize.redline.assembly import ALIGNED, CATEGORIES, FILLED
from prioritize.redline.delineate import Line
from prioritize.table import Table

TENURE = ("protected", "oecm", "oecm_candidate", "neither")
LABELS = {
    "protected": "protected area",
    "oecm": "confirmed OECM",
    "oecm_candidate": "candidate OECM",
    "neither": "neither",
    "function": "key ecological function zone",
    "fragile": "ecologically fragile zone",
    "habitat": "habitats and natural landscapes",
}
SHARE = {"share_of_line": "Share of the line's area.", "share_of_study": "Share of the study area."}


def tenure_codes(line: Line, references: Mapping[str, str]) -> np.ndarray:
    """(rows, columns) int8 position in TENURE: protected before OECM before candidates, no cell twice; -1 outside."""
    code = np.where(line.study, np.int8(len(TENURE) - 1), np.int8(-1))
    for position in range(len(TENURE) - 2, -1, -1):
        reference = references.get(TENURE[position])
        if reference is not None:
            code[line.grids.flag(reference) & line.study] = position
    return code


def tables_of(line: Line, tenure: Mapping[str, str], split: str | None) -> list[Table]:
    """Every table of a line.

    Parameters
    ----------
    line : Line
    tenure : mapping of class to reference
        What exists today: `protected`, `oecm`, `oecm_candidate`; may be empty.
    split : str or None
        Level of the regions for the table by region.
    """
    study = float(np.count_nonzero(line.study, axis=1) @ line.grids.row_area_km2)
    made = [steps_table(line, study), categories_table(line, study, tenure), criteria_table(line, study)]
    if tenure:
        made.append(tenure_table(line, study, tenure))
    if split is not None:
        made.append(regions_table(line, split))
    return made


def shares(area: float, line: Line, study: float) -> tuple[float, float, float]:
    """km2, share of the line, share of the study area."""
    total = line.area_km2
    return area, area / total if total else 0.0, area / study if study else 0.0


def steps_table(line: Line, study: float) -> Table:
    """How the line's area came about."""
    rows = [(step, *shares(area, line, study)) for step, area in line.steps.items()]
    frame = pd.DataFrame(rows, columns=["step", "area_km2", "share_of_line", "share_of_study"])
    columns = {"step": "Step of the assembly.", "area_km2": "Area inside after it.", **SHARE}
    return Table("redline_steps", "How the redline was put together", frame, columns)


def categories_table(line: Line, study: float, tenure: Mapping[str, str]) -> Table:
    """Area by category, and by category and tenure."""
    from prioritize_kernels.redline import cross_sum

    code = tenure_codes(line, tenure)
    totals = np.zeros((len(CATEGORIES), len(TENURE)))
    cross_sum(line.category, code, line.grids.row_area_km2, totals)
    rows = [
        (CATEGORIES[k], LABELS[CATEGORIES[k]], *shares(float(totals[k].sum()), line, study), *totals[k])
        for k in range(1, len(CATEGORIES))
    ]
    inside = totals[1:].sum(axis=0)
    rows.append(("all", "redline", *shares(float(inside.sum()), line, study), *inside))
    columns = ["category", "label", "area_km2", "share_of_line", "share_of_study"]
    frame = pd.DataFrame(rows, columns=[*columns, *(f"{name}_km2" for name in TENURE)])
    if not tenure:
        frame = frame[columns]
    definitions = {
        "category": "Category of the redline; a cell that has several counts in the first of `category_order`.",
        "label": "The category in words.",
        "area_km2": "Area of the category.",
        **SHARE,
        **{f"{name}_km2": f"Area of it that is {LABELS[name]} today." for name in TENURE},
    }
    return Table(
        "redline_categories", "Redline by category", frame, {key: definitions[key] for key in frame}, "No area twice."
    )


def criteria_table(line: Line, study: float) -> Table:
    """Area that each criterion put in, and that only it put in."""
    rows = []
    for bit in line.legend:
        mask = np.uint32(1 << bit.number)
        here = (line.bits & mask) != 0
        alone = line.bits == mask
        area, only = (float(np.count_nonzero(where, axis=1) @ line.grids.row_area_km2) for where in (here, alone))
        if bit.number in (ALIGNED, FILLED) and not area:
            continue
        rows.append((bit.number, bit.name, bit.kind, bit.category, *shares(area, line, study), only))
    names = ["bit", "criterion", "kind", "category", "area_km2", "share_of_line", "share_of_study", "only_km2"]
    columns = {
        "bit": "Bit of `criteria.tif`.",
        "criterion": "Criterion, prohibited zone, or step that put cells in.",
        "kind": "importance, fragility, prohibited, aligned or filled.",
        "category": "Category that it gives.",
        "area_km2": "Area inside the line that meets it; criteria overlap, so these do not add up.",
        **SHARE,
        "only_km2": "Area that is inside for no other reason.",
    }
    note = "Criteria overlap: a cell counts under each that it meets."
    return Table("redline_criteria", "Redline by criterion", pd.DataFrame(rows, columns=names), columns, note)


def tenure_table(line: Line, study: float, references: Mapping[str, str]) -> Table:
    """Which share of the line is protected, confirmed OECM, candidate OECM, and neither."""
    from prioritize_kernels.redline import cross_sum

    code = tenure_codes(line, references)
    totals = np.zeros((2, len(TENURE)))
    cross_sum((line.bits != 0).astype(np.int8), code, line.grids.row_area_km2, totals)
    rows = []
    for k, name in enumerate(TENURE):
        both = float(totals[:, k].sum())
        rows.append(
            (name, LABELS[name], *shares(float(totals[1, k]), line, study), both, totals[1, k] / both if both else 0)
        )
    names = ["tenure", "label", "area_km2", "share_of_line", "share_of_study", "total_km2", "share_inside"]
    columns = {
        "tenure": "What the land is today.",
        "label": "In words.",
        "area_km2": "Area of it inside the line.",
        **SHARE,
        "total_km2": "Area of it in the study area.",
        "share_inside": "Share of it that the line holds.",
    }
    note = (
        "Each cell counts once: protected before OECM before candidates. A redline is not 30x30 coverage by itself: "
        "candidates and `neither` count under no accounting rule until they are confirmed."
    )
    return Table("redline_tenure", "Redline by tenure", pd.DataFrame(rows, columns=names), columns, note)


def regions_table(line: Line, level: str) -> Table:
    """Area by region and category."""
    from prioritize_kernels.redline import cross_sum

    codes, names = line.grids.level(level)
    codes[~line.study] = -1
    totals = np.zeros((max(len(names), 1), len(CATEGORIES)))
    cross_sum(codes, line.category, line.grids.row_area_km2, totals)
    rows = [
        (name, row.sum(), row[1:].sum(), row[1:].sum() / row.sum() if row.sum() else 0.0, *row[1:])
        for name, row in zip(names, totals)
    ]
    heads = [level, "study_km2", "area_km2", "share", *(f"{name}_km2" for name in CATEGORIES[1:])]
    columns = {
        level: "Region.",
        "study_km2": "Study area in it.",
        "area_km2": "Redline in it.",
        "share": "Share of its study area inside the line.",
        **{f"{name}_km2": f"Area of it that is {LABELS[name]}." for name in CATEGORIES[1:]},
    }
    frame = pd.DataFrame(rows, columns=heads)
    return Table(
        "redline_regions", f"Redline by {level}", frame[frame["study_km2"] > 0].reset_index(drop=True), columns
    )
