"""A revision of a line is accepted where no area, no function and no nature is lost, at every level it promised.

Three tests (the rules of the Chinese system: no decrease in area, no reduction in function, no change in nature), for
the whole country and for each region of each level that is named:

* area: the new line is not smaller;
* function: the new line holds at least as much of each function, by the same map of it;
* nature: the new line holds at least the area of each ecosystem class; no land is taken out because it was converted
  (unless a permitted project stands on it, which is charged to a budget), and no converted land is put in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prioritize.errors import DataError, Faults
from prioritize.landscape import Grouping
from prioritize.table import Table

TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Ground:
    """What both lines lie on (U cells or units).

    Attributes
    ----------
    area_km2 : (U,) float64
    functions : mapping of name to (U,) float64
        Amounts by unit.
    levels : mapping of level to Grouping
        Where nothing may be lost; `all` needs none. Units without a region count only for `all`.
    ecosystem : Grouping or None
        Classes that keep their area.
    converted : (U,) bool or None
        Turned into farmland, town or mine.
    permitted : (U,) bool or None
        Occupied by a permitted project.
    """

    area_km2: np.ndarray
    functions: Mapping[str, np.ndarray] = field(default_factory=dict)
    levels: Mapping[str, Grouping] = field(default_factory=dict)
    ecosystem: Grouping | None = None
    converted: np.ndarray | None = None
    permitted: np.ndarray | None = None

    def __post_init__(self) -> None:
        faults = Faults(DataError)
        units = len(self.area_km2)
        named = {"area_km2": self.area_km2, **{f"function '{name}'": v for name, v in self.functions.items()}}
        for name, values in named.items():
            if np.shape(values) != (units,):
                faults.add(f"revision: {name} has shape {np.shape(values)}, expected ({units},)")
            elif not np.all(np.isfinite(values)) or np.any(np.asarray(values) < 0):
                faults.add(f"revision: {name} must be finite and not negative in every unit; fill its gaps with 0")
        codes = {f"level '{name}'": grouping.code for name, grouping in self.levels.items()}
        codes |= {"ecosystem": self.ecosystem.code} if self.ecosystem is not None else {}
        codes |= {"converted": self.converted} if self.converted is not None else {}
        codes |= {"permitted": self.permitted} if self.permitted is not None else {}
        for name, values in codes.items():
            if np.shape(values) != (units,):
                faults.add(f"revision: {name} has shape {np.shape(values)}, expected ({units},)")
        faults.raise_any()

    @property
    def regions(self) -> list[tuple[str, str, np.ndarray]]:
        """(level, region, (U,) bool members) of every region, the whole first."""
        found = [("all", "all", np.ones(len(self.area_km2), bool))]
        for level, grouping in self.levels.items():
            found += [(level, name, grouping.code == k) for k, name in enumerate(grouping.names)]
        return found

    def flags(self, values: np.ndarray | None) -> np.ndarray:
        """A mask, empty where there is none."""
        return np.zeros(len(self.area_km2), bool) if values is None else np.asarray(values, bool)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was found.

    Attributes
    ----------
    tests : DataFrame
        test, level, region, item, before, after, change, passed.
    ledger : DataFrame
        Area and functions before and after by level and region.
    occupation : DataFrame
        The budget of permitted projects by level and region.
    proof : str
        How good an optimised revision is; empty for a proposal.
    """

    tests: pd.DataFrame
    ledger: pd.DataFrame
    occupation: pd.DataFrame
    proof: str = ""

    @property
    def accepted(self) -> bool:
        """Whether every test passed."""
        return bool(self.tests["passed"].all())

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        failed = self.tests[~self.tests["passed"]]
        words = []
        for test in ("area", "function", "nature", "occupation"):
            own = self.tests[self.tests["test"] == test]
            if not len(own):
                words.append(f"{test}: not tested (no data)")
                continue
            bad = failed[failed["test"] == test]
            worst = (
                ""
                if bad.empty
                else ", first: " + " ".join(str(bad.iloc[0][key]) for key in ("level", "region", "item"))
            )
            words.append(f"{test}: {'passed' if bad.empty else f'FAILED in {len(bad)} of {len(own)} tests' + worst}")
        proof = f"; {self.proof}" if self.proof else ""
        return f"revision {'accepted' if self.accepted else 'refused'} ({'; '.join(words)}){proof}"


def judge(
    old: np.ndarray,
    new: np.ndarray,
    ground: Ground,
    occupation_share: float = 0.0,
    tolerance: float = TOLERANCE,
) -> Verdict:
    """Judge a revision.

    Parameters
    ----------
    old, new : (U,) bool
        The line in force and the proposed one.
    ground : Ground
    occupation_share : float
        Share of the old line, in each region of each level, that permitted projects may occupy.
    tolerance : float
        Relative loss that counts as rounding.

    Returns
    -------
    Verdict
    """
    units = len(ground.area_km2)
    old, new = np.asarray(old, dtype=bool), np.asarray(new, dtype=bool)
    if old.shape != (units,) or new.shape != (units,):
        raise DataError(f"revision: the lines have shapes {old.shape} and {new.shape}, expected ({units},)")
    converted, permitted = ground.flags(ground.converted), ground.flags(ground.permitted)
    area = ground.area_km2
    tests: list[tuple[str, str, str, str, float, float, bool]] = []
    ledger: list[dict[str, object]] = []
    budget: list[tuple[str, str, float, float, float, float]] = []
    for level, region, here in ground.regions:
        before, after = old & here, new & here

        def no_loss(test: str, item: str, values: np.ndarray, b: np.ndarray = before, a: np.ndarray = after,
                    where: tuple[str, str] = (level, region)) -> tuple[float, float]:  # fmt: skip
            # what both hold is left out of the comparison, so that rounding of large sums cannot hide a loss
            lost, gained = float(values[b & ~a].sum()), float(values[a & ~b].sum())
            was = float(values[b].sum())
            tests.append((test, *where, item, was, float(values[a].sum()), gained >= lost - tolerance * was))
            return lost, gained

        no_loss("area", "area_km2", area)
        for name, values in ground.functions.items():
            no_loss("function", name, values)
        if ground.ecosystem is not None:
            for k, name in enumerate(ground.ecosystem.names):
                of_class = np.where(ground.ecosystem.code == k, area, 0.0)
                if of_class[before].any():
                    no_loss("nature", name, of_class)
        if ground.converted is not None:
            out = before & ~after & converted & ~permitted
            put = after & ~before & converted
            for item, mask in (("converted land taken out", out), ("converted land put in", put)):
                tests.append(("nature", level, region, item, 0.0, float(area[mask].sum()), not mask.any()))
        if ground.permitted is not None:
            occupied = float(area[before & permitted].sum())
            allowed = occupation_share * float(area[before].sum())
            # a budget that is met to the digit is met
            tests.append(
                (
                    "occupation",
                    level,
                    region,
                    "permitted projects",
                    allowed,
                    occupied,
                    occupied <= allowed * (1 + 1e-12),
                )
            )
            gone = float(area[before & permitted & ~after].sum())
            budget.append((level, region, allowed, occupied, gone, allowed - occupied))
        ledger.append(ledger_row(level, region, before, after, ground, converted))
    names = ["test", "level", "region", "item", "before", "after", "passed"]
    frame = pd.DataFrame(tests, columns=names)
    frame.insert(6, "change", frame["after"] - frame["before"])
    heads = ["level", "region", "budget_km2", "occupied_km2", "taken_out_km2", "left_km2"]
    return Verdict(frame, pd.DataFrame(ledger), pd.DataFrame(budget, columns=heads))


def ledger_row(
    level: str, region: str, before: np.ndarray, after: np.ndarray, ground: Ground, converted: np.ndarray
) -> dict[str, object]:
    """One row of the ledger."""
    area = ground.area_km2
    added, removed = float(area[after & ~before].sum()), float(area[before & ~after].sum())
    row: dict[str, object] = {
        "level": level,
        "region": region,
        "before_km2": float(area[before].sum()),
        "after_km2": float(area[after].sum()),
        "kept_km2": float(area[before & after].sum()),
        "added_km2": added,
        "removed_km2": removed,
        "swapped_km2": min(added, removed),
        "converted_inside_km2": float(area[after & converted].sum()),
    }
    for name, values in ground.functions.items():
        row[f"{name}_before"] = float(values[before].sum())
        row[f"{name}_after"] = float(values[after].sum())
    return row


def tables_of(verdict: Verdict) -> list[Table]:
    """The verdict as tables."""
    area = {
        "level": "Level of administration.",
        "region": "Region of it.",
        "before_km2": "Area of the line in force.",
        "after_km2": "Area of the new line.",
        "kept_km2": "Area of both.",
        "added_km2": "Area of the new line only.",
        "removed_km2": "Area of the line in force only.",
        "swapped_km2": "Area removed that added area makes up for: the smaller of both.",
        "converted_inside_km2": "Area of the new line that is farmland, town or mine today.",
    }
    functions = {
        column: "Amount of the function that the line in force (before) or the new one (after) holds, by one map."
        for column in verdict.ledger
        if column not in area
    }
    tests = {
        "test": "area, function, nature, or occupation (the budget of permitted projects).",
        "level": "Level of administration.",
        "region": "Region of it.",
        "item": "What is compared.",
        "before": "With the line in force; of occupation: the budget.",
        "after": "With the new line; of occupation: what projects occupy.",
        "change": "After less before.",
        "passed": "Whether nothing was lost (of occupation: whether the budget is kept).",
    }
    made = [
        Table("revision_ledger", "Ledger of the revision", verdict.ledger, {**area, **functions}),
        Table(
            "revision_tests", "No decrease in area, no reduction in function, no change in nature", verdict.tests, tests
        ),
    ]
    if len(verdict.occupation):
        columns = {
            "level": "Level of administration.",
            "region": "Region of it.",
            "budget_km2": "What permitted projects may occupy of the line in force.",
            "occupied_km2": "What they occupy.",
            "taken_out_km2": "Of that, what the new line leaves out.",
            "left_km2": "What is left of the budget.",
        }
        made.append(Table("revision_occupation", "Occupation by permitted projects", verdict.occupation, columns))
    return made
