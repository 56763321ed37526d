"""Targets from the feature table: Marxan's `target` and `prop`, or columns of the user's own."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from prioritize.errors import DataError
from prioritize.landscape import some
from prioritize.targets._rule import Asked, TargetRule


class Table(TargetRule):
    """Per feature: the amount in column `absolute`, else the share in column `relative`, else no target."""

    rule: Literal["table"] = "table"
    absolute: str = Field("target", description="column with amounts")
    relative: str = Field("prop", description="column with shares (0..1)")

    def amounts(self, ask: Asked) -> np.ndarray:
        """Reads the columns.

        Raises
        ------
        DataError
            If neither column is there, or one does not hold numbers, or a share is above 1.
        """
        table = ask.landscape.features
        if self.absolute not in table and self.relative not in table:
            raise DataError(
                f"targets.rule = 'table': the feature table has neither '{self.absolute}' nor '{self.relative}'; "
                f"it has {some(table.columns, 12)}"
            )
        table = table.iloc[ask.rows]
        result = np.full(len(table), np.nan)
        for column, factor in ((self.relative, ask.totals), (self.absolute, np.ones(len(table)))):
            if column not in table:
                continue
            numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
            odd = np.isnan(numbers) & table[column].notna().to_numpy()
            if odd.any():
                raise DataError(f"feature table: '{column}' is not a number for {some(table['name'].to_numpy()[odd])}")
            if column == self.relative and np.nanmax(numbers, initial=0.0) > 1:
                culprit = table["name"].to_numpy()[np.nan_to_num(numbers) > 1]
                raise DataError(f"feature table: '{column}' is a share, but above 1 for {some(culprit)}")
            result = np.where(np.isnan(numbers), result, numbers * factor)
        return np.nan_to_num(result)

    def sentence(self) -> str:
        """The columns."""
        return f"column '{self.absolute}' of the feature table, else the share in '{self.relative}', else no target"


MEMBER = Table
