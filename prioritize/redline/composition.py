"""What lines are made of: categories, criteria, tenure; rule-based and optimised beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from prioritize.accounting import share_of, tenure
from prioritize.connect import components
from prioritize.landscape import Landscape
from prioritize.problem import held
from prioritize.redline.borders import border_match
from prioritize.redline.config import RedlineConfig
from prioritize.redline.optimise import Rivals
from prioritize.redline.ruled import Ruled
from prioritize.redline.summary import LABELS
from prioritize.summary import proof_sentence
from prioritize.table import Table

CLASSES = ("protected", "oecm", "oecm_candidate")
CANDIDATES = (
    "A redline is not 30x30 coverage by itself: candidates and `neither` count under no accounting rule until they are "
    "confirmed."
)
ORDER = 40
#: what each answer is the best of
PROVEN = {"cheapest": "cost ", "smallest": "area ", "most": "mean share "}


def categories_of(ruled: Ruled, config: RedlineConfig) -> np.ndarray:
    """(U,) position in `category_order` of the first category whose criteria a unit meets; 3 where it meets none."""
    code = np.full(len(ruled.inside), len(config.category_order))
    for position in reversed(range(len(config.category_order))):
        for name, where in ruled.meets.items():
            if ruled.category[name] == config.category_order[position]:
                code[where & ruled.study] = position
    return code


def by_category(lines: Mapping[str, np.ndarray], ruled: Ruled, config: RedlineConfig, landscape: Landscape) -> Table:
    """Area of each line by category and by what the land is today.

    Parameters
    ----------
    lines : mapping of name to (U,) bool
    """
    code = categories_of(ruled, config)
    today = tenure(landscape)
    shares = np.stack([today[name] for name in CLASSES], axis=1)
    shares = np.column_stack([shares, 1.0 - shares.sum(axis=1)]) * landscape.area_km2[:, None]
    labels = [*((name, LABELS[name]) for name in config.category_order), ("none", "meets no criterion by itself")]
    rows = []
    for line, inside in lines.items():
        total = float(landscape.area_km2[inside].sum())
        for position, (name, label) in enumerate([*labels, ("all", "the whole line")]):
            here = inside if name == "all" else inside & (code == position)
            area = float(landscape.area_km2[here].sum())
            part = shares[here].sum(axis=0)
            split = part / area if area else np.full(len(part), np.nan)
            rows.append((line, name, label, area, area / total if total else np.nan, *part, *split))
    classes = (*CLASSES, "neither")
    columns = {
        "line": "Which line: drawn by rule, or optimised; a zone of the optimised one is a level of protection.",
        "category": "Category; a place that meets criteria of several counts in the first of `category_order`.",
        "label": "The category in words.",
        "area_km2": "Area of the category inside the line, km2.",
        "share_of_line": "Share of the line's area.",
        **{f"{name}_km2": f"Area of it that is {LABELS[name]} today, km2." for name in classes},
        **{f"share_{name}": f"Share of it that is {LABELS[name]} today." for name in classes},
    }
    note = f"Only the study area. Each place counts once: protected before OECM before candidates. {CANDIDATES}"
    frame = pd.DataFrame(rows, columns=list(columns))
    return Table("redline_composition", "Redline by category and tenure", frame, columns, note, ORDER)


def by_criterion(lines: Mapping[str, np.ndarray], ruled: Ruled, landscape: Landscape) -> Table:
    """How much of the land that meets each criterion each line holds, and of each function."""
    area = np.where(ruled.study, landscape.area_km2, 0.0)
    rows = []
    for name, where in ruled.meets.items():
        values = {"area that meets the criterion": ("km2", np.where(where, area, 0.0))}
        if name in ruled.functions:
            values["amount of the function"] = ("amount", ruled.functions[name])
        for what, (unit, value) in values.items():
            total = float(value.sum())
            for line, inside in lines.items():
                held = float(value[inside].sum())
                rows.append(
                    (line, name, ruled.category[name], what, unit, held, total, held / total if total else np.nan)
                )
    columns = {
        "line": "Which line.",
        "criterion": "Criterion or prohibited zone.",
        "category": "Category that it gives.",
        "measure": "What is added up.",
        "unit": "Unit; `amount` is the criterion's own value by km2 times km2.",
        "held": "Sum inside the line.",
        "total": "Sum in the study area.",
        "share_held": "Share of the total that the line holds.",
    }
    frame = pd.DataFrame(rows, columns=list(columns))
    note = "Criteria overlap: a place counts under each that it meets."
    return Table("redline_by_criterion", "Redline by criterion", frame, columns, note, ORDER + 1)


def borders_of(lines: Mapping[str, np.ndarray], landscape: Landscape, level: str, order: int = ORDER + 2) -> Table:
    """Border match of several lines below each other, pair by pair of regions."""
    made = {name: border_match(inside, landscape.graph, landscape.groups[level]) for name, inside in lines.items()}
    frames = [table.frame.assign(line=name) for name, table in made.items()]
    first = next(iter(made.values()))
    columns = {"line": "Which line.", **first.columns}
    return replace(first, frame=pd.concat(frames, ignore_index=True)[list(columns)], columns=columns, order=order)


def lines_table(rivals: Rivals) -> Table:
    """Cost, area and shape of each line, what it saves, and the proof."""
    ground = rivals.landscape
    whole = rivals.problems["cheapest"].denominator
    known = whole > 0
    rows = []
    for name, inside in rivals.lines.items():
        solution = rivals.solutions.get(name)
        share = held(ground, inside[:, None])[known] / whole[known]
        pieces, _ = components(ground.graph.indptr, ground.graph.indices, inside)
        rows.append(
            {
                "line": name,
                "cost": float(ground.cost[inside, 0].sum()),
                "area_km2": float(ground.area_km2[inside].sum()),
                "outline_km": ground.graph.outline(inside) / 1000,
                "patches": pieces,
                "mean_share": float(share.mean()),
                "gap": np.nan if solution is None else solution.gap,
                "proof": "drawn by rule, or by others" if solution is None else PROVEN[name] + proof_sentence(solution),
            }
        )
    frame = pd.DataFrame(rows)
    for saved, of in (("share_cost_saved", "cost"), ("share_area_saved", "area_km2")):
        first = frame[of].iloc[0]
        frame.insert(frame.columns.get_loc("gap"), saved, 1 - frame[of] / first if first else np.nan)
    bound = {"cheapest": "cost", "smallest": "area_km2"}
    frame["share_saved_at_most"] = [
        1 - rivals.solutions[name].bound / frame[bound[name]].iloc[0]
        if name in bound and not rivals.problems[name].penalties
        else np.nan
        for name in frame["line"]
    ]
    columns = {
        "line": "rule: the line to compare with; cheapest and smallest hold of every feature at least what it holds; "
        "most: the largest mean share in no larger an area, no feature held less.",
        "cost": f"Opportunity cost in the redline zone, {ground.cost_unit}.",
        "area_km2": "Area, km2.",
        "outline_km": "Length of the outline, km.",
        "patches": "Number of connected parts.",
        "mean_share": "Mean over all features, functions and fragile classes of the share of the total that is held.",
        "share_cost_saved": "Cost saved against the first line; below zero where it costs more.",
        "share_area_saved": "Area saved against the first line; below zero where it is larger.",
        "gap": "Distance from the proven bound, as a share of the answer.",
        "proof": "What is proven.",
        "share_saved_at_most": "Largest saving, of cost or of area, that any line with the same achievements can make.",
    }
    note = (
        "All lines choose from the study area without masked land, and all keep the prohibited zones of the first. "
        "Sensitive land counts by area, functions and features by amount; the least size of patches is not held."
    )
    return Table("redline_lines", "The line drawn by rule and its rivals", frame[list(columns)], columns, note, 1)


def achieved_table(rivals: Rivals) -> Table:
    """Share of every feature, function and fragile class that each line holds."""
    ground = rivals.landscape
    whole = rivals.problems["cheapest"].denominator
    frame = ground.features[["name", "group", "unit"]].rename(columns={"name": "feature"}).reset_index(drop=True)
    frame["total"] = whole
    for name, inside in rivals.lines.items():
        frame[f"share_{name}"] = share_of(held(ground, inside[:, None]), whole)
    columns = {
        "feature": "Feature; `amount:` is the function of a criterion, `fragile:` the land that a criterion takes.",
        "group": "Group of the feature.",
        "unit": "Unit of the total.",
        "total": "Amount in the landscape, contribution counted.",
        **{f"share_{name}": f"Share of it in the line `{name}`." for name in rivals.lines},
    }
    return Table("redline_achieved", "What each line holds", frame[whole > 0].reset_index(drop=True), columns, "", 2)
