"""What counts only when it is whole: a target met, a feature covered."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from prioritize.program import Extra
from prioritize.tolerance import least


def all_or_nothing(
    name: str, rows: sparse.csr_array, need: np.ndarray, weights: np.ndarray, labels: np.ndarray
) -> Extra:
    """A block of k binary columns, each worth its weight once its row of `rows` (k, V) reaches `need` (k,)."""
    k = len(need)
    enough = least(need)
    scale = sparse.diags_array(1.0 / need)
    return Extra(
        name=name,
        cost=-weights,
        lower=np.zeros(k),
        upper=np.ones(k),
        integer=np.ones(k, bool),
        rows=sparse.hstack([scale @ rows, -sparse.diags_array(enough / need)], format="csr"),
        row_lower=np.zeros(k),
        row_upper=np.full(k, np.inf),
        row_names=tuple(f"{name}: '{label}'" for label in labels),
        complete=lambda x: (rows @ x >= enough).astype(np.float64),
    )
