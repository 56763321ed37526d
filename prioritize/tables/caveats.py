"""What has to be said beside every number: data, definitions, assumptions, proof."""

from __future__ import annotations

import math

import pandas as pd

from prioritize.accounting import TENURE
from prioritize.table import Judged, Table

COLUMNS = {"item": "What the sentence is about.", "text": "What is assumed, counted or proven."}
NOT_PROOF = (
    "Area counted is not proof of effectiveness: about 40 % of protected areas had significant management "
    "deficiencies in 2010 (CCICED special policy study), and redlines need monitoring."
)


def caveats(judged: Judged) -> list[Table]:
    """The caveat block of a report."""
    scenario, landscape = judged.scenario, judged.problem.landscape
    settings = scenario.tables
    zones = [
        f"{zone.name}: kind {zone.kind}, effectiveness {zone.effectiveness:g}, {contributions(judged, z)}"
        for z, zone in enumerate(landscape.zones)
    ]
    known = [name for name in TENURE if name in landscape.tenure]
    lines = [
        *(("caution", text) for text in judged.cautions),
        (
            "data vintage",
            settings.data_vintage
            or "not stated (tables.data_vintage): say of which month the protected areas are; most protected areas of "
            "China are missing from the public WDPA since 2019.",
        ),
        ("data", f"{landscape.name}; {max(0, len(judged.inputs) - 1)} input files, their SHA-256 in summary.json."),
        *(("data", note) for note in landscape.notes),
        (
            "coverage",
            "Area of the union over the area of the realm, each realm apart, overlaps counted once; "
            f"{100 * settings.area_threshold:g} % is met or missed in each realm. Tenure known: "
            f"{', '.join(known) if known else 'none, locked-in units are taken for what exists'}.",
        ),
        *(("targets", text) for text in target_rules(judged)),
        (
            "species",
            "Three definitions: present inside (any amount), share of range (mean, contributions not counted), "
            "target met (contributions counted). They differ widely; never quote one for another.",
        ),
        *(("zone", zone) for zone in zones),
        (
            "effectiveness",
            "Effective coverage is area times the effectiveness of its zone, a number that the scenario sets; "
            "1 where it says nothing. It is an assumption, not a measurement.",
        ),
        ("percentages", "Cut after two decimals." if settings.rounding == "truncate" else "Rounded to two decimals."),
        ("proof", proof(judged)),
        (
            "seed",
            f"{scenario.seed}; the same inputs and seed give the same plan, but where a time limit cut the search.",
        ),
        ("effect", NOT_PROOF),
    ]
    frame = pd.DataFrame(lines, columns=["item", "text"])
    return [Table("caveats", "What to keep in mind", frame, COLUMNS, order=99)]


def contributions(judged: Judged, z: int) -> str:
    """`an amount counts 0.8`, for one zone."""
    values = judged.problem.landscape.contribution[:, z]
    if not len(values):
        return "no features"
    low, high = float(values.min()), float(values.max())
    return f"an amount counts {low:g}" if low == high else f"an amount counts {low:g} to {high:g}, by feature"


def target_rules(judged: Judged) -> list[str]:
    """Every target rule in use: for how many features, what it does, who published it."""
    told = judged.scenario.targets.provenance(judged.problem.landscape)[judged.problem.target > 0]
    lines = []
    for (rule, source, sentence), part in told.groupby(["rule", "source", "sentence"], sort=False):
        lines.append(f"{len(part)} features, rule {rule}: {sentence}" + (f" [{source}]" if source else ""))
    whole = {"units": "all planning units", "layer": "the whole layer"}[judged.scenario.targets.denominator]
    relative = f"Relative targets are shares of the amount in {whole}."
    return [*lines, relative] if lines else ["No feature has a target."]


def proof(judged: Judged) -> str:
    """Objective, bound and gap."""
    if not math.isfinite(judged.objective):
        return "Nothing was proven of this plan."
    bound = f", bound {judged.bound:.8g}" if math.isfinite(judged.bound) else ", no bound"
    return f"Objective ({judged.problem.objective.kind}) {judged.objective:.8g}{bound}: {judged.proof or 'no proof'}."


MEMBER = caveats
