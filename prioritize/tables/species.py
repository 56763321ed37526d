"""Species under three definitions of covered: present inside, share of range, target met."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import Figures, counted, flags, texts
from prioritize.table import Judged, Table

RED_LIST = ("EX", "EW", "CR", "EN", "VU", "NT", "LC", "DD", "NE")
THREATENED = ("CR", "EN", "VU")
ALL = "all"

COUNTS = {
    "species": "Number of species.",
    "present": "Species with any amount inside the plan.",
    "mean_share": "Mean share of range inside the plan; contributions of zones are not counted.",
    "with_target": "Species that have a target.",
    "target_met": "Species whose target is met; contributions of zones are counted.",
    "present_text": "Species present inside, with their share of all species of the row.",
    "share_text": "Mean share of range inside, in percent.",
    "target_text": "Species whose target is met, with their share of those that have one.",
}
KEYS = {
    "taxon": "Taxonomic group of the feature table.",
    "protection_class": "National protection class of the feature table.",
    "iucn": "Red List category of the feature table.",
    "endemic": "Whether the feature table calls the species endemic.",
}
NOTE = (
    "Present inside is how redline reports usually count: one occurrence is enough. It is neither a share of the range "
    "nor a target, and always the largest of the three."
)


def species(judged: Judged) -> list[Table]:
    """`species_by_class`, `species_by_status` (the layouts of redline reports) and `species_coverage` (all groups)."""
    frame = table_of_species(judged)
    if frame.empty:
        return []
    rounding = judged.scenario.tables.rounding
    made = [
        Table(
            "species_by_status",
            "Species by taxon and Red List category",
            by_status(frame, rounding),
            {
                "taxon": KEYS["taxon"],
                "category": "Red List category, `threatened` (CR, EN and VU), `endemic`, or `total`.",
                **COUNTS,
            },
            NOTE,
            order=11,
        )
    ]
    if (frame["protection_class"] != "").any():
        by_class, definitions = by_protection(frame, rounding)
        made.append(
            Table("species_by_class", "Species by taxon and protection class", by_class, definitions, NOTE, order=10)
        )
    cross = pd.DataFrame(
        [(*keys, *tally(part, rounding).values()) for keys, part in frame.groupby(list(KEYS), sort=True)],
        columns=[*KEYS, *COUNTS],
    )
    made.append(
        Table("species_coverage", "Species by taxon, class, category, endemism", cross, {**KEYS, **COUNTS}, order=12)
    )
    return made


def table_of_species(judged: Judged) -> pd.DataFrame:
    """One row a species: its keys and figures. Features that have a taxon, or belong to the group `species`."""
    features, found = judged.problem.landscape.features, judged.figures
    mask = (texts(features, "taxon") != "") | (texts(features, "group") == "species")
    return figures_frame(features, found)[mask]


def figures_frame(features: pd.DataFrame, found: Figures) -> pd.DataFrame:
    """Keys and figures of all features."""
    return pd.DataFrame(
        {
            "taxon": texts(features, "taxon"),
            "protection_class": texts(features, "protection_class"),
            "iucn": texts(features, "iucn"),
            "endemic": flags(features, "endemic"),
            "present": found.present,
            "share": found.share,
            "asked": found.asked,
            "met": found.met,
        }
    )


def tally(part: pd.DataFrame, rounding: str) -> dict[str, object]:
    """One row of any of the tables: COUNTS of some species."""
    number, present = len(part), int(part["present"].sum())
    asked, met = int(part["asked"].sum()), int(part["met"].sum())
    mean = float(part["share"].mean()) if number else float("nan")
    return {
        "species": number,
        "present": present,
        "mean_share": mean,
        "with_target": asked,
        "target_met": met,
        "present_text": counted(present, number, rounding),
        "share_text": share_text(mean, rounding),
        "target_text": counted(met, asked, rounding),
    }


def share_text(share: float, rounding: str) -> str:
    """`34.56%` of a share; a share that is 0.3 but for the last digits of a float is 30.00 however it is cut."""
    if not np.isfinite(share):
        return ""
    return f"{np.floor(share * 10_000 + (1e-6 if rounding == 'truncate' else 0.5)) / 100:.2f}%"


def by_status(frame: pd.DataFrame, rounding: str) -> pd.DataFrame:
    """Rows CR, EN, VU ..., threatened, endemic and total for each taxon and for all."""
    rows = []
    for taxon, part in taxa(frame):
        present = set(part["iucn"]) - {""}
        order = [code for code in RED_LIST if code in present] + sorted(present - set(RED_LIST))
        groups = [(code, part[part["iucn"] == code]) for code in order]
        if present & set(THREATENED):
            groups.append(("threatened", part[part["iucn"].isin(THREATENED)]))
        if part["endemic"].any():
            groups.append(("endemic", part[part["endemic"]]))
        rows += [
            {"taxon": taxon, "category": name, **tally(some, rounding)} for name, some in [*groups, ("total", part)]
        ]
    return pd.DataFrame(rows)


def by_protection(frame: pd.DataFrame, rounding: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """One row a taxon and definition; a column for all species and one for each protection class."""
    names = sorted(set(frame["protection_class"]) - {""})
    definitions = {
        "taxon": KEYS["taxon"],
        "definition": "present: any amount inside; share: mean share of range inside; target: target met.",
        "total": "All species of the taxon: covered species and their share in percent.",
        **{f"class_{name}": f"Species of protection class {name}, likewise." for name in names},
    }
    rows = []
    for taxon, part in taxa(frame):
        columns = {"total": part, **{f"class_{name}": part[part["protection_class"] == name] for name in names}}
        tallies = {key: tally(some, rounding) for key, some in columns.items()}
        for definition in ("present", "share", "target"):
            rows.append(
                {
                    "taxon": taxon,
                    "definition": definition,
                    **{key: counts[f"{definition}_text"] for key, counts in tallies.items()},
                }
            )
    return pd.DataFrame(rows), definitions


def taxa(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Species by taxon in alphabetical order, and all of them where there are several."""
    parts = [(str(taxon) or "(no taxon)", part) for taxon, part in frame.groupby("taxon", sort=True)]
    return parts if len(parts) == 1 else [*parts, (ALL, frame)]


MEMBER = species
