"""The fields of WDPA, WD-OECM and the merged WDPCA under one set of names.

In November 2025 WDPA and WD-OECM became one database, WDPCA, and fields were renamed: WDPAID to SITE_ID, WDPA_PID to
SITE_PID, PA_DEF to SITE_TYPE, MARINE to REALM, PARENT_ISO3 to PRNT_ISO3, ORIG_NAME to NAME and NAME to NAME_ENG.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from prioritize.errors import Faults
from prioritize.landscape import some

#: our name -> the names a file may use; the first that the file has is taken, upper or lower case
ALIASES: dict[str, tuple[str, ...]] = {
    "site_id": ("SITE_ID", "WDPAID"),
    "site_pid": ("SITE_PID", "WDPA_PID"),
    "site_type": ("SITE_TYPE", "PA_DEF"),
    # the old NAME is the new NAME_ENG, the old ORIG_NAME the new NAME
    "name_eng": ("NAME_ENG", "NAME"),
    "name": ("ORIG_NAME", "NAME"),
    "desig": ("DESIG",),
    "desig_eng": ("DESIG_ENG",),
    "desig_type": ("DESIG_TYPE",),
    "iucn_cat": ("IUCN_CAT",),
    "realm": ("REALM", "MARINE"),
    "rep_area_km2": ("REP_AREA",),
    "rep_m_area_km2": ("REP_M_AREA",),
    "no_take": ("NO_TAKE",),
    "no_tk_area_km2": ("NO_TK_AREA",),
    "status": ("STATUS",),
    "status_yr": ("STATUS_YR",),
    "gov_type": ("GOV_TYPE",),
    "own_type": ("OWN_TYPE",),
    "mang_auth": ("MANG_AUTH",),
    "verif": ("VERIF",),
    # a Shapefile cuts names to ten letters
    "prnt_iso3": ("PRNT_ISO3", "PARENT_ISO3", "PARENT_ISO"),
    "iso3": ("ISO3",),
    "cons_obj": ("CONS_OBJ",),
    "inlnd_wtrs": ("INLND_WTRS",),
    "oecm_asmt": ("OECM_ASMT",),
}

#: without these no step can be done as documented
REQUIRED = ("site_id", "site_type", "status", "status_yr", "iucn_cat", "desig_eng")

NUMBERS = ("status_yr", "rep_area_km2", "rep_m_area_km2", "no_tk_area_km2")

#: stricter first
IUCN = ("Ia", "Ib", "II", "III", "IV", "V", "VI", "Not Reported", "Not Applicable", "Not Assigned")

#: text and number codes; which words the merged database uses is not certain, so all that are clear are taken
SITE_TYPES = {
    "1": "PA",
    "0": "OECM",
    "pa": "PA",
    "oecm": "OECM",
    "protected area": "PA",
    "other effective area-based conservation measure": "OECM",
}

#: the field's value counts: the shares of land and sea are not recomputed
REALMS = {
    "0": "Terrestrial",
    "1": "Coastal",
    "2": "Marine",
    "terrestrial": "Terrestrial",
    "coastal": "Coastal",
    "marine": "Marine",
}


def canonical(
    frame: pd.DataFrame,
    where: str,
    faults: Faults,
    fields: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Bring the attributes of one file to our names and codes.

    Parameters
    ----------
    frame : DataFrame of N rows
    where : str
        How faults name the file.
    faults : Faults
        Gets what is wrong: missing fields (with those there are), unknown codes.
    fields : mapping, optional
        Field name (ours or the database's) -> column of this file that holds it.
    values : mapping, optional
        Field name -> the one value that all sites have: for files without that column; others keep theirs.

    Returns
    -------
    table : DataFrame of N rows
        `site_type` is PA or OECM; `realm` Terrestrial, Coastal or Marine; `status_yr` is NaN where unknown (0 in the
        database); `rep_area_km2` in km2; missing optional text is the empty string.
    notes : list of str
    """
    columns = {str(name).upper(): str(name) for name in reversed(list(frame.columns))}
    given = {our_name(key): column for key, column in (fields or {}).items()}
    constant = {our_name(key): value for key, value in (values or {}).items()}
    table: dict[str, Any] = {}
    for name, aliases in ALIASES.items():
        if name in given:
            wanted = given[name]
            if wanted.upper() not in columns:
                faults.add(f"{where}: there is no column '{wanted}' for {aliases[0]}; it has {listed(frame)}")
                continue
            table[name] = frame[columns[wanted.upper()]]
            continue
        found = next((columns[alias] for alias in aliases if alias in columns), None)
        if found is not None:
            table[name] = frame[found]
        elif name in constant:
            table[name] = pd.Series(constant[name], index=frame.index)
    missing = [name for name in REQUIRED if name not in table and name not in given]
    if missing:
        wanted = ", ".join(" or ".join(ALIASES[name]) for name in missing)
        key = ALIASES[missing[0]][0]
        faults.add(
            f"{where}: no field {wanted}; it has {listed(frame)}. Name the column that holds it "
            f"(--field {key}=COLUMN), or one value for all sites (--value {key}=...)"
        )
    if any(name not in table for name in REQUIRED):
        return pd.DataFrame(table), []
    return decoded(pd.DataFrame(table), where, faults)


def our_name(key: str) -> str:
    """`site_id` for SITE_ID, WDPAID or site_id; the key itself where nothing is known by it."""
    for name, aliases in ALIASES.items():
        if key.lower() == name or key.upper() == aliases[0]:
            return name
    return next((name for name, aliases in ALIASES.items() if key.upper() in aliases), key.lower())


def listed(frame: pd.DataFrame) -> str:
    """The columns of a file, for messages."""
    return some([str(name) for name in frame.columns if name != "geometry"], 40) or "no columns but the geometry"


def decoded(table: pd.DataFrame, where: str, faults: Faults) -> tuple[pd.DataFrame, list[str]]:
    """Text trimmed, numbers read, codes spelled out; faults for what cannot be."""
    notes: list[str] = []
    for name in table.columns:
        table[name] = number(table, name, where, faults) if name in NUMBERS else text(table[name])
    table["status_yr"] = table["status_yr"].where(table["status_yr"] > 0)
    nameless = table["site_id"] == ""
    if nameless.any():
        faults.add(f"{where}: no SITE_ID in {int(nameless.sum())} rows (rows {some(np.flatnonzero(nameless) + 1)})")
    if "site_pid" not in table:
        table["site_pid"] = table["site_id"]
    table["site_type"] = coded(table["site_type"], SITE_TYPES, where, "SITE_TYPE", faults)
    if "realm" in table:
        table["realm"] = coded(table["realm"], REALMS | {"": ""}, where, "REALM", faults)
    empty = table["iucn_cat"] == ""
    if empty.any():
        notes.append(f"{where}: IUCN_CAT is empty in {int(empty.sum())} sites: taken as Not Reported")
        table.loc[empty, "iucn_cat"] = "Not Reported"
    categories = {name.lower(): name for name in IUCN}
    table["iucn_cat"] = coded(table["iucn_cat"], categories, where, "IUCN_CAT", faults)
    for name in ALIASES:
        if name not in table:
            table[name] = np.nan if name in NUMBERS else ""
    return table[list(ALIASES)], notes


def text(column: pd.Series) -> pd.Series:
    """Trimmed text; whole numbers lose their point, missing values are the empty string."""
    missing = column.isna()
    numeric = pd.api.types.is_float_dtype(column) and np.isfinite(column[~missing]).all()
    if numeric and (column[~missing] == column[~missing].round()).all():
        column = column.astype("Int64")
    return column.astype(object).map(lambda item: str(item).strip()).where(~missing, "").astype(object)


def number(table: pd.DataFrame, name: str, where: str, faults: Faults) -> pd.Series:
    """A column as float64, NaN where it is empty."""
    column = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    broken = ~np.isfinite(column) & ~table[name].isna() & (text(table[name]) != "")
    if broken.any():
        found = some(sorted(set(text(table[name])[broken])))
        faults.add(f"{where}: {ALIASES[name][0]} is not a number in {int(broken.sum())} rows: {found}")
    return column


def coded(column: pd.Series, codes: Mapping[str, str], where: str, field: str, faults: Faults) -> pd.Series:
    """Words for codes, upper or lower case."""
    words = column.str.lower().map(dict(codes))
    unknown = words.isna()
    if unknown.any():
        known = some(list(dict.fromkeys(word for word in codes.values() if word)), 12)
        found = some([f"'{value}'" for value in sorted(set(column[unknown]))])
        faults.add(f"{where}: {field} is {found} in {int(unknown.sum())} rows; known: {known}")
    return words.astype(object)
