"""Marxan projects as Marxan, CLUZ, Marxan Connect, marxanr, spreadsheets and other computers leave them."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from desk import Desk

from prioritize.cli import main
from prioritize.errors import DataError
from prioritize.landscape import Landscape
from prioritize.runner import load_landscape
from prioritize.scenario import read_scenario
from prioritize.texttable import read_table

FIELD = Path(__file__).parent / "field"
BOUND = FIELD / "03-bound-dat-column-name"
RAGGED = FIELD / "04-ragged-trailing-delimiters"
HORIZONTAL = FIELD / "05-horizontal-puvspr"
ELSEWHERE = FIELD / "06-inputdir-of-another-computer"
SELF_LINKS = FIELD / "15-connectivity-with-self-links"
TEXT_IDS = FIELD / "21-numbers-stored-as-text"


def objective(folder: Path, tmp_path: Path) -> float:
    out = tmp_path / "run"
    assert main(["run", str(folder / "s.toml"), "--out", str(out)]) == 0
    return float(json.loads((out / "summary.json").read_text())["objective"])


def read(folder: Path) -> Landscape:
    return load_landscape(read_scenario(folder / "s.toml"))


def same(one: Landscape, other: Landscape) -> None:
    assert (one.amount != other.amount).nnz == 0 and one.amount.shape == other.amount.shape
    assert np.array_equal(one.unit_id, other.unit_id) and np.array_equal(one.cost, other.cost)
    for mine, theirs in zip(one.graph.edges(), other.graph.edges(), strict=True):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(one.graph.exposed, other.graph.exposed)
    for column in ("target", "prop", "spf"):
        assert np.array_equal(one.features[column], other.features[column])


@pytest.mark.parametrize("case", ["amount", "bound", "length", "no_header", "double_tabs_bound"])
def test_the_boundary_file_is_read_by_position(case: str, tmp_path: Path) -> None:
    same(read(BOUND / case), read(BOUND / "reference"))
    folder = BOUND / "reference" / "input"
    tables = {name: pd.read_csv(folder / f"{name}.dat") for name in ("pu", "spec", "puvspr", "bound")}
    held = tables["puvspr"].pivot_table("amount", "species", "pu", fill_value=0)
    held = held.reindex(columns=range(1, 7), fill_value=0)
    i, j, length = (tables["bound"][name].to_numpy() for name in ("id1", "id2", "boundary"))
    penalty: Any = read_scenario(BOUND / case / "s.toml").penalties[0]
    goal = tables["spec"]["prop"].to_numpy() * held.to_numpy().sum(axis=1)
    costs = []
    for picked in itertools.product((0, 1), repeat=6):
        x = np.array(picked)
        if (held.to_numpy() @ x >= goal - 1e-9).all():
            cut = np.where(i == j, penalty.edge_factor * x[i - 1], x[i - 1] != x[j - 1])
            costs.append(tables["pu"]["cost"].to_numpy() @ x + penalty.weight * (length * cut).sum())
    assert objective(BOUND / case, tmp_path) == pytest.approx(min(costs))


@pytest.mark.parametrize("case", ["puvspr_commas", "puvspr_tabs", "spec_one_tab"])
def test_empty_fields_behind_a_row_are_nothing(case: str) -> None:
    same(read(RAGGED / case), read(RAGGED / "reference"))


def test_a_row_a_unit_and_a_column_a_feature(capsys: pytest.CaptureFixture[str]) -> None:
    same(read(HORIZONTAL / "horizontal"), read(HORIZONTAL / "reference"))
    assert main(["check", str(HORIZONTAL / "horizontal/s.toml")]) == 0
    assert "puvspr.dat is horizontal" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["windows", "unix"])
def test_the_folder_of_another_computer_lies_beside(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(ELSEWHERE / case / "s.toml")]) == 0
    assert "is not here: the folder input beside input.dat is read" in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_is_nowhere_is_named(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.marxan(input="INPUTDIR D:\\maps\\marxan\nPUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\n")
    desk.project()
    assert main(["check", "small.toml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "INPUTDIR D:\\maps\\marxan: no such folder" in line and "such as INPUTDIR input" in line


@pytest.mark.parametrize(("case", "best"), [("lost", 8.664), ("reference_lost", 8.664), ("kept", -7.426)])
def test_what_joins_a_unit_to_itself_is_kept_with_it(case: str, best: float, tmp_path: Path) -> None:
    assert objective(SELF_LINKS / case, tmp_path) == pytest.approx(best, abs=5e-4)
    links = pd.read_csv(SELF_LINKS / case / "links.csv")
    folder = SELF_LINKS / case / "input"
    cost = pd.read_csv(folder / "pu.dat")["cost"].to_numpy()
    amounts = pd.read_csv(folder / "puvspr.dat")
    spec = pd.read_csv(folder / "spec.dat")
    found = []
    for picked in itertools.product((False, True), repeat=len(cost)):
        x = np.array(picked)
        rows = [(prop, amounts[amounts["species"] == key]) for key, prop in zip(spec["id"], spec["prop"])]
        if all(row["amount"][x[row["pu"] - 1]].sum() >= prop * row["amount"].sum() - 1e-9 for prop, row in rows):
            tail, head, value = x[links["id1"] - 1], x[links["id2"] - 1], links["value"].to_numpy()
            term = -value[tail & head].sum() if case == "kept" else value[tail & ~head].sum()
            found.append(cost @ x + 2.0 * term)
    assert min(found) == pytest.approx(best, abs=5e-4)


def test_ids_that_are_digits_in_a_field_of_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read(TEXT_IDS / "digits").unit_id.tolist() == list(range(1, 26))
    assert np.isfinite(objective(TEXT_IDS / "digits", tmp_path))
    capsys.readouterr()
    assert main(["check", str(TEXT_IDS / "letters" / "s.toml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'PU_000'" in line and "leave landscape.id out" in line


def test_columns_of_numbers_in_fields_of_text(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """As GDAL gives those of CSV."""
    desk.polygons(code=["3", " 1", "2 "], price=["0.5", "1e0", "+2"], owls=["1", "", None])
    desk.vector(id="code")
    land = load_landscape(read_scenario(Path("small.toml")))
    assert land.unit_id.tolist() == [3, 1, 2] and land.cost.ravel().tolist() == [0.5, 1, 2]
    assert land.amount.toarray().tolist() == [[1, 0, 0]]
    for wrong in ("1,5", "0x1F", "1_000", "nan", "inf", "12 km"):
        desk.polygons(price=["0.5", wrong, "+2"])
        assert main(["check", "small.toml"]) == 2
        assert "column 'price' holds text" in capsys.readouterr().err


# --- the same project in the dialects of many programs ------------------------------------------------------------

FILES: dict[str, tuple[str, ...]] = {
    "pu.dat": ("id,cost,status", "1,10.5,0", "2,20.25,2", "3,30,3", "4,40,1"),
    "spec.dat": ("id,prop,spf,name", "7,0.5,1,otter", "9,0.25,2,newt"),
    "puvspr.dat": ("species,pu,amount", "7,1,8.5", "7,2,4", "9,2,10", "9,4,30.75"),
    "bound.dat": ("id1,id2,boundary", "1,2,1.5", "2,3,1", "3,4,2.25", "1,1,3"),
}
Edit = Callable[[str, tuple[str, ...]], "str | bytes"]


def lines(rows: tuple[str, ...], end: str = "\n") -> str:
    return end.join(rows) + end


def decimals(name: str, rows: tuple[str, ...]) -> str:
    """Semicolons and decimal commas, as spreadsheets of half of the world write them."""
    return lines(tuple(row.replace(",", ";").replace(".", ",") for row in rows))


def floats(name: str, rows: tuple[str, ...]) -> str:
    made = [",".join(f"{field}.0" if field.isdigit() else field for field in row.split(",")) for row in rows[1:]]
    return lines((rows[0], *made))


DIALECTS: dict[str, Edit] = {
    "semicolons and decimal commas": decimals,
    "tabs": lambda _, rows: lines(rows).replace(",", "\t"),
    "spaces": lambda _, rows: lines(rows).replace(",", "   "),
    "comma and blank": lambda _, rows: lines(rows).replace(",", ", "),
    "double tabs": lambda _, rows: lines(rows).replace(",", "\t\t"),
    "header with commas, rows with tabs": lambda _, rows: rows[0] + "\n" + lines(rows[1:]).replace(",", "\t"),
    "header with spaces, rows with commas": lambda _, rows: rows[0].replace(",", " ") + "\n" + lines(rows[1:]),
    "ends of Windows": lambda _, rows: lines(rows, "\r\n"),
    "ends of old Macs": lambda _, rows: lines(rows, "\r"),
    "mark of UTF-8": lambda _, rows: lines(rows).encode("utf-8-sig"),
    "UTF-16": lambda _, rows: lines(rows).encode("utf-16"),
    "quotes": lambda _, rows: lines(tuple(",".join(f'"{field}"' for field in row.split(",")) for row in rows)),
    "upper case": lambda _, rows: lines((rows[0].upper(), *rows[1:])),
    "ids as floats": floats,
    "empty lines": lambda _, rows: "\n" + "\n\n".join(rows) + "\n\n\n",
    "empty rows of a spreadsheet": lambda _, rows: lines((*rows, ",,", ",,,,")),
    "empty fields": lambda _, rows: lines(tuple(row + "," * (k % 3) for k, row in enumerate(rows))),
    "no line feed at the end": lambda _, rows: lines(rows).rstrip("\n"),
    "said separator": lambda _, rows: "sep=;\n" + lines(rows).replace(",", ";"),
}


def project(folder: Path, edit: Edit | None, text: str = "", rename: Callable[[str], str] = str) -> Path:
    (folder / "input").mkdir(parents=True)
    for name, rows in FILES.items():
        content = lines(rows) if edit is None else edit(name, rows)
        (folder / "input" / rename(name)).write_bytes(content if isinstance(content, bytes) else content.encode())
    keys = text or "INPUTDIR input\nPUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\nBOUNDNAME bound.dat\n"
    (folder / "input.dat").write_text(keys)
    (folder / "s.toml").write_text(
        'name = "s"\n[landscape]\nformat = "marxan"\nproject = "input.dat"\n[targets]\nrule = "table"\n'
    )
    return folder


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_project_in_many_dialects(dialect: str, tmp_path: Path) -> None:
    plain = read(project(tmp_path / "plain", None))
    assert plain.cost.ravel().tolist() == [10.5, 20.25, 30, 40] and plain.amount.nnz == 4
    same(read(project(tmp_path / "other", DIALECTS[dialect])), plain)


@pytest.mark.parametrize(
    "text",
    [
        "INPUTDIR input/\nPUNAME PU.DAT\nSPECNAME Spec.dat\n",
        "INPUTDIR INPUT\nPUNAME pu.dat\nSPECNAME spec.dat\n",
        "inputdir .\\input\\\npuname pu.dat\nspecname spec.dat\n",
        'INPUTDIR "C:\\Users\\José\\Marxan\\input\\"\nPUNAME pu.dat\nSPECNAME spec.dat\n',
        "INPUTDIR \\\\server\\share\\input\nPUNAME pu.dat\nSPECNAME spec.dat\n",
        "INPUTDIR .\nPUNAME input\\pu.dat\nSPECNAME input\\spec.dat\n",
        "INPUTDIR input\nPUNAME D:\\x\\pu.dat\nSPECNAME /y/spec.dat\n",
    ],
)
def test_one_project_however_it_names_its_files(text: str, tmp_path: Path) -> None:
    inside = "input/" if "INPUTDIR .\n" in text else ""
    text += f"PUVSPRNAME {inside}puvspr.dat\nBOUNDNAME {inside}bound.dat\n"
    folder = project(tmp_path / "other", None, text)
    (folder / "input.dat").write_bytes(text.encode("cp1252"))
    same(read(folder), read(project(tmp_path / "plain", None)))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("id;cost;status\n1;1,234;0\n2;5,678;0\n", "decimals or thousands; write 1.234 or 1234"),
        ("id\tcost\tstatus\n1\t1,234\t0\n2\t5,678\t0\n", "decimals or thousands; write 1.234 or 1234"),
        ("1,10,0\n2,20,0\n", "the first line holds numbers ('1,10,0'), not the names of the columns"),
        ("id,cost,status\n1,10,0\n2,20,0,5\n", "line 3 has 4 values, the header 3 columns"),
        ("id,cost,status\n1,-9999,0\n2,5,0\n", "all are -9999: is that NoData which the file does not declare?"),
    ],
)
def test_what_may_mean_two_things(rows: str, told: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.marxan(pu=rows, puvspr="species,pu,amount\n7,1,8\n9,2,10\n")
    desk.project()
    assert main(["check", "small.toml"]) == 2
    assert told in capsys.readouterr().err


def test_a_horizontal_table_with_a_stranger(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.marxan(puvspr="pu,7,newt,13\n1,8,0,0\n2,4,10,0\n4,0,30,0\n")
    desk.project()
    assert main(["check", "small.toml"]) == 2
    assert "a column a feature, but the column 13 is no feature of spec.dat" in capsys.readouterr().err
    desk.marxan(puvspr="pu\t7\tnewt\n1\t8\t\n2\t4\t10\n4\t\t30\n")
    assert load_landscape(read_scenario(Path("small.toml"))).amount.toarray().tolist() == [[8, 4, 0, 0], [0, 10, 0, 30]]


def test_costs_of_zones_are_no_missing_costs(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    zones = "ZONESNAME zones.dat\nCOSTSNAME costs.dat\nZONECOSTNAME zonecost.dat\n"
    files = f"PUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\n{zones}"
    desk.marxan(input=files, pu="id,rent\n1,1\n2,2\n3,3\n4,4\n")
    desk.text("zones.dat", "zoneid,zonename\n1,available\n2,park\n")
    desk.text("costs.dat", "costid,costname\n1,rent\n")
    desk.text("zonecost.dat", "zoneid,costid,multiplier\n2,1,1\n")
    desk.project()
    assert main(["check", "small.toml"]) == 0
    assert "every unit costs 1" not in capsys.readouterr().out


def test_a_table_of_two_encodings(tmp_path: Path) -> None:
    path = tmp_path / "spec.dat"
    path.write_bytes("id,name\n1,Région\n".encode("cp1252"))
    with pytest.raises(DataError, match="not UTF-8 text"):
        read_table(path)
    path.write_bytes("id,name\n1,Région\n".encode("utf-16"))
    assert read_table(path)["name"].tolist() == ["Région"]


def test_row_names_of_r(tmp_path: Path) -> None:
    path = tmp_path / "pu.dat"
    path.write_text('\tid\tcost\n"1"\t5\t2.5\n"2"\t6\t3.5\n')
    table: Any = read_table(path)
    assert table["id"].tolist() == [5, 6] and table["cost"].tolist() == [2.5, 3.5]


def test_nothing_of_the_inputs_is_left_in_the_folder(tmp_path: Path) -> None:
    """Reading writes nothing beside the files."""
    folder = tmp_path / "field"
    shutil.copytree(ELSEWHERE / "windows", folder)
    before = sorted(folder.rglob("*"))
    read(folder)
    assert sorted(folder.rglob("*")) == before


def test_a_run_is_verified_wherever_its_project_lies(tmp_path: Path) -> None:
    """Also after all of it has moved: no table or map of a run says where its inputs lie."""
    for source, name in ((BOUND / "reference", "marxan"), (FIELD / "11-web-mercator-areas", "polygons"),
                         (FIELD / "02-categorical-raster-as-amounts" / "colours", "raster")):  # fmt: skip
        folder = tmp_path / name / "project"
        shutil.copytree(source, folder)
        assert main(["run", str(folder / "s.toml"), "--out", str(folder / "deep" / "run")]) == 0
        assert main(["verify", str(folder / "deep" / "run")]) in (0, 3)
        folder.rename(tmp_path / name / "moved")
        assert main(["verify", str(tmp_path / name / "moved" / "deep" / "run")]) in (0, 3)


@pytest.mark.parametrize("header", ["row,id1,id2,reach", "n,pu1,pu2,amount", "id1,id2,note,reach"])
def test_a_column_more_in_the_boundary_file_is_not_guessed(
    header: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    files = "PUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\nBOUNDNAME bound.dat\n"
    desk.marxan(input=files, bound=f"{header}\n9,1,2,5\n9,2,3,4\n")
    desk.project()
    assert main(["check", "small.toml"]) == 2
    assert "bound.dat: column" in capsys.readouterr().err


def test_names_of_columns_that_others_use(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.marxan(pu="puid,cost\n1,10\n2,20\n3,30\n4,40\n", spec="speciesid,proportion,name\n7,0.5,otter\n9,0.25,newt\n",
                puvspr="spid,pu_id,amount\n7,1,8\n7,2,4\n9,2,10\n9,4,30\n")  # fmt: skip
    desk.project()
    land = load_landscape(read_scenario(Path("small.toml")))
    assert land.unit_id.tolist() == [1, 2, 3, 4] and land.features["target"].tolist() == [6, 10]
    desk.marxan(spec="id,aim,name\n7,8,otter\n9,10,newt\n")
    assert main(["check", "small.toml"]) == 0
    assert "neither a column target nor prop" in " ".join(capsys.readouterr().out.split())
