"""What all target rules share: the denominator, exceptions by group and feature, and where each target comes from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import core_schema

from prioritize.errors import DataError, Faults, ScenarioError
from prioritize.landscape import LOCKED_IN, LOCKED_OUT, Landscape, some
from prioritize.registry import family
from prioritize.source import Config, find_features

#: km2 of one unit of an amount
KM2 = {"km2": 1.0, "km²": 1.0, "km^2": 1.0, "ha": 0.01, "m2": 1e-6, "m²": 1e-6, "m^2": 1e-6}
#: amounts that are shares of the unit's own area
SHARES = ("share", "presence")
#: keys of the whole [targets] table, which a rule inside another has from it
OF_THE_WHOLE = ("denominator", "by_group", "by_feature", "beyond_reach")


@dataclass(frozen=True, eq=False)
class Asked:
    """Features that a rule is to give targets.

    Attributes
    ----------
    landscape : Landscape
    rows : (k,) int
        Numbers of the features.
    totals : (k,) float64
        What a relative target of each is a share of, in the feature's own unit.
    """

    landscape: Landscape
    rows: np.ndarray
    totals: np.ndarray

    @property
    def names(self) -> np.ndarray:
        """(k,) names of the features."""
        return self.landscape.features["name"].to_numpy()[self.rows]

    def column(self, name: str, what: str) -> pd.Series:
        """(k,) column of the feature table, or DataError."""
        if name not in self.landscape.features:
            raise DataError(
                f"{what}: the feature table has no column '{name}'; it has {some(self.landscape.features.columns, 12)} "
                "(landscape.feature_table names a CSV file with further columns)"
            )
        return self.landscape.features[name].iloc[self.rows]

    def numbers(self, value: float | str, what: str, missing: bool = False) -> np.ndarray:
        """(k,) one number for all, or a column of the feature table; DataError names features without a number."""
        if not isinstance(value, str):
            return np.full(len(self.rows), float(value))
        column = self.column(value, what)
        result = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        wrong = ~np.isfinite(result) if not missing else ~np.isfinite(result) & column.notna().to_numpy()
        if wrong.any():
            raise DataError(
                f"{what}: column '{value}' holds no number for {some(self.names[wrong])}; "
                "fill it in, or give them another rule with targets.by_feature"
            )
        return result

    def km2_per_amount(self, unit: str | None) -> np.ndarray:
        """(k,) km2 that one unit of an amount stands for; NaN where amounts are no areas.

        Parameters
        ----------
        unit : str, optional
            Unit of all amounts, where the feature table does not know better.
        """
        features = self.landscape.features
        units = features["unit"].iloc[self.rows].astype(str).str.strip().tolist()
        if unit is not None:
            units = [name if name in KM2 or name in SHARES else unit for name in units]
        result = np.array([KM2.get(name, np.nan) for name in units])
        shares = np.isin(units, SHARES)
        if shares.any():
            amount = self.landscape.amount[self.rows[shares]]
            there = np.asarray(amount.sum(axis=1)).ravel()
            area = amount @ self.landscape.area_km2
            result[shares] = np.divide(area, there, out=np.ones_like(there), where=there > 0)
        return result


class Rule(Config):
    """What gives features an amount to hold."""

    #: who published the rule
    source: ClassVar[str] = ""

    def amounts(self, ask: Asked) -> np.ndarray:
        """(k,) targets of the features that are asked for, in the features' own units."""
        raise NotImplementedError

    def sentence(self) -> str:
        """What the rule does, in one sentence."""
        raise NotImplementedError

    def range_km2(self, ask: Asked) -> np.ndarray:
        """(k,) range that the rule looks at; NaN where amounts are no areas."""
        return ask.totals * ask.km2_per_amount(None)


class Amount(Config):
    """A target given for one feature or pattern: `{ relative = 0.5 }` or `{ absolute = 120 }`."""

    relative: float | None = Field(None, ge=0, description="share of the denominator (0..1)")
    absolute: float | None = Field(None, ge=0, description="amount in the feature's own unit")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.relative is None) == (self.absolute is None):
            raise ValueError("give either 'relative' or 'absolute'")
        return self


class OrRule:
    """Lets a table with the key `rule` be any member of the family, wherever a number or an Amount is expected."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def check(value: Any, inner: core_schema.ValidatorFunctionWrapHandler) -> Any:
            if isinstance(value, Rule):
                return value
            return parse_rule(value) if isinstance(value, dict) and "rule" in value else inner(value)

        def plain(value: Any) -> Any:
            if not isinstance(value, Config):
                return value
            return value.model_dump(mode="json", exclude_none=True, exclude=set(OF_THE_WHOLE))

        return core_schema.no_info_wrap_validator_function(
            check,
            handler.generate_schema(float | Amount),
            serialization=core_schema.plain_serializer_function_ser_schema(plain),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described = handler(schema["schema"])  # type: ignore[typeddict-item]
        rule = {"type": "object", "required": ["rule"], "properties": {"rule": {"type": "string"}}}
        return {"anyOf": [*described["anyOf"], rule]}


#: a number (what it means the rule says), `{ relative = .. }`, `{ absolute = .. }`, or `{ rule = "..", .. }`
Given = Annotated[float | Amount | Rule, OrRule()]


def parse_rule(value: dict[str, Any]) -> Rule:
    """Make a rule of a table inside [targets].

    Raises
    ------
    ValueError
        If there is no such rule, or it has no such key.
    """
    members, name = family("targets"), value["rule"]
    if not isinstance(name, str) or name not in members:
        near = difflib.get_close_matches(str(name), members, 1, 0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ValueError(f"rule '{name}' is unknown; {hint}one of {', '.join(map(repr, members))}")
    known = [key for key in members[name].model_fields if key not in OF_THE_WHOLE]
    for key in value:
        if key in OF_THE_WHOLE:
            raise ValueError(f"'{key}' belongs to [targets] itself, not to a rule inside it")
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise ValueError(f"rule '{name}' has no key '{key}'; {hint}known keys: {', '.join(known)}")
    return members[name].model_validate(value)


class TargetRule(Rule):
    """A rule that gives every feature an amount to hold."""

    denominator: Literal["units", "layer"] = Field(
        "units",
        description="what a relative target is a share of: the amount in all planning units, "
        "or in the whole layer (cells outside the units too; `total` of the feature table where it has one)",
    )
    by_group: dict[str, Given] = Field(
        default_factory=dict,
        description="exceptions by name or pattern of the feature table's column `group`; values as in by_feature",
    )
    by_feature: dict[str, Given] = Field(
        default_factory=dict,
        description="exceptions by feature name or pattern; a number means what the rule means, a table may name "
        "any other rule (later lines win, and all of them over by_group)",
    )
    beyond_reach: Literal["fault", "lower"] = Field(
        "fault",
        description="a target above what locks, eligibility and contributions leave is a fault, or is lowered to that",
    )

    def totals(self, landscape: Landscape) -> np.ndarray:
        """(F,) what a relative target is a share of."""
        if self.denominator == "units":
            return np.asarray(landscape.amount.sum(axis=1)).ravel()
        totals = landscape.features["total"].to_numpy(dtype=float)
        if not np.all(np.isfinite(totals)):
            names = landscape.features["name"].to_numpy()[~np.isfinite(totals)]
            raise DataError(f"targets.denominator = 'layer': no total is known for {some(names)}")
        return totals

    def meant(self, number: float, totals: np.ndarray) -> np.ndarray:
        """(k,) targets that a bare number in `by_feature` means for features with these totals: a share of them."""
        return number * totals

    def say(self, number: float) -> str:
        """What a bare number in `by_feature` means, in words."""
        return share_words(number)

    def targets(self, landscape: Landscape) -> np.ndarray:
        """(F,) amounts to hold, in the features' own units; 0 = no target.

        Raises
        ------
        ScenarioError
            If a pattern matches nothing, or a target is negative or not a number.
        """
        result = self.asked(landscape)
        return np.minimum(result, within_reach(landscape)) if self.beyond_reach == "lower" else result

    def asked(self, landscape: Landscape) -> np.ndarray:
        """(F,) targets before any is lowered to what can be reached; raises as `targets`."""
        faults = Faults(ScenarioError)
        names = landscape.features["name"].to_numpy()
        totals = self.totals(landscape)
        result = np.zeros(len(names))
        for given, rows in self._given(landscape, faults):
            ask = Asked(landscape, rows, totals[rows])
            try:
                result[rows] = given.amounts(ask) if isinstance(given, Rule) else self._plain(given, ask.totals)
            except DataError as error:
                faults.catch(error)
        wrong = ~np.isfinite(result) | (result < 0)
        if wrong.any():
            faults.add(f"targets: the target of {some(names[wrong])} is negative or not a number")
        faults.raise_any()
        return result

    def provenance(self, landscape: Landscape) -> pd.DataFrame:
        """Where each target comes from.

        Returns
        -------
        DataFrame of F rows
            feature, rule (its name), source (who published it), range_km2 (what the rule looked at; NaN where
            amounts are no areas), total (what shares are shares of), asked (by the rule) and target (the
            same, unless targets.beyond_reach lowers it), all three in the feature's unit, and sentence (what the rule
            does).
        """
        totals, asked, targets = self.totals(landscape), self.asked(landscape), self.targets(landscape)
        table = pd.DataFrame({"feature": landscape.features["name"].to_numpy()})
        for column in ("rule", "source"):
            table[column] = ""
        table = table.assign(range_km2=np.nan, total=totals, asked=asked, target=targets, sentence="")
        for given, rows in self._given(landscape, Faults(ScenarioError)):
            ask = Asked(landscape, rows, totals[rows])
            if isinstance(given, Rule):
                name, sentence, seen = given.rule, given.sentence(), given.range_km2(ask)  # type: ignore[attr-defined]
            else:
                name, sentence, seen = "given", self._words(given), Rule().range_km2(ask)
            source = given.source if isinstance(given, Rule) else ""
            table.loc[rows, ["rule", "source", "sentence"]] = name, source, sentence
            table.loc[rows, "range_km2"] = seen
        table.loc[targets < asked, "sentence"] += "; lowered to what locks and contributions leave"
        return table

    def _given(self, landscape: Landscape, faults: Faults) -> Iterator[tuple[Any, np.ndarray]]:
        """What decides on which features: (self, or what an exception says; (k,) rows)."""
        names = landscape.features["name"]
        choices: list[Any] = [self]
        decides = np.zeros(len(names), dtype=np.int64)
        for key, exceptions in (("by_group", self.by_group), ("by_feature", self.by_feature)):
            if not exceptions:
                continue
            if key == "by_group" and "group" not in landscape.features:
                faults.add(
                    "targets.by_group: the feature table has no column 'group'; "
                    "add it (landscape.feature_table), or use targets.by_feature"
                )
                continue
            known = names if key == "by_feature" else landscape.features["group"].fillna("").astype(str)
            for pattern, value in exceptions.items():
                hits = find_features(pattern, known)
                if not hits.any():
                    what = "feature" if key == "by_feature" else "group"
                    faults.add(f"targets.{key}: no {what} matches '{pattern}'; {what}s are {some(known.unique(), 8)}")
                choices.append(value)
                decides[hits] = len(choices) - 1
        for number, choice in enumerate(choices):
            rows = np.flatnonzero(decides == number)
            if rows.size:
                yield choice, rows

    def _plain(self, given: float | Amount, totals: np.ndarray) -> np.ndarray:
        """(k,) targets of an exception that is no rule."""
        if not isinstance(given, Amount):
            return self.meant(given, totals)
        if given.relative is not None:
            return given.relative * totals
        return np.full(len(totals), given.absolute)

    def _words(self, given: float | Amount) -> str:
        if not isinstance(given, Amount):
            return self.say(given)
        return share_words(given.relative) if given.relative is not None else f"{given.absolute:g} of the amount's unit"


def within_reach(landscape: Landscape) -> np.ndarray:
    """(F,) most that can be held of each feature for itself: each unit in the allowed zone where it counts most."""
    locked = (landscape.status == LOCKED_IN).any(axis=1)
    allowed = np.where(locked[:, None], landscape.status == LOCKED_IN, landscape.status != LOCKED_OUT)
    # units with the same zones to choose from are summed together: there are few kinds of them
    kinds, kind = np.unique(allowed, axis=0, return_inverse=True)
    result = np.zeros(landscape.amount.shape[0])
    for number, zones in enumerate(kinds):
        if zones.any():
            best = landscape.contribution[:, zones].max(axis=1)
            result += best * (landscape.amount @ (kind.ravel() == number).astype(np.float64))
    return result


def share_words(share: float) -> str:
    """`30 % of the amount`."""
    return f"{100 * share:g} % of the amount"
