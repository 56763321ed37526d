"""Marxan projects: real ones, small ones by hand in every dialect, and every way to get one wrong."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from prioritize.errors import DataError
from prioritize.formats.marxan import Marxan
from prioritize.landscape import FREE, LOCKED_IN, LOCKED_OUT, Landscape
from prioritize.source import Source, ZoneConfig, assemble

# 1 and 2 share 3 m, 2 and 3 share 4 m; 1 has 5 m and 3 has 6 m that nothing can remove
SMALL = {
    "input.dat": "INPUTDIR input\nPUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\nBOUNDNAME bound.dat\n"
    "BLM 0\n",
    "input/pu.dat": "id,cost,status\n1,10,0\n2,20.5,2\n3,30,3\n4,40,1\n",
    "input/spec.dat": "id,target,prop,spf,name\n7,12,0,1,otter\n9,5,0.25,2,newt\n",
    "input/puvspr.dat": "species,pu,amount\n7,1,8\n7,2,4\n9,2,10\n9,3,30\n9,4,0\n",
    "input/bound.dat": "id1,id2,boundary\n1,2,3\n2,3,4\n1,1,5\n3,3,6\n",
}
ZONES = {
    **SMALL,
    "input.dat": SMALL["input.dat"]
    + "ZONESNAME zones.dat\nCOSTSNAME costs.dat\nZONECOSTNAME zonecost.dat\nZONECONTRIBNAME zonecontrib.dat\n",
    "input/pu.dat": "id,land,boats\n1,10,1\n2,20,2\n3,30,3\n4,40,4\n",
    "input/zones.dat": "zoneid,zonename\n1,available\n2,reserve\n3,fishing\n",
    "input/costs.dat": "costid,costname\n1,land\n2,boats\n",
    "input/zonecost.dat": "zoneid,costid,multiplier\n2,1,1\n2,2,10\n3,1,0.5\n",
    "input/zonecontrib.dat": "zoneid,speciesid,fraction\n2,7,1\n2,9,1\n3,9,0.25\n",
}


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "input.dat"


def opened(folder: Path, files: dict[str, str | bytes], **config: object) -> Source:
    return Marxan(project=write(folder, files), **config).open(seed=0)


def landscape_of(folder: Path, files: dict[str, str | bytes], **config: object) -> Landscape:
    marxan = Marxan(project=write(folder, files), **config)
    return assemble(marxan.open(seed=0), marxan, {})


def faults_of(folder: Path, **changes: str | bytes | None) -> tuple[str, ...]:
    """Faults of the small project after changes; `pu`, `spec`, `puvspr`, `bound` or `project` name the file."""
    files: dict[str, str | bytes] = dict(SMALL)
    for key, content in changes.items():
        name = "input.dat" if key == "project" else f"input/{key}.dat"
        if content is None:
            del files[name]
        else:
            files[name] = content
    with pytest.raises(DataError) as caught:
        opened(folder, files)
    return caught.value.faults


def only_fault(folder: Path, **changes: str | bytes | None) -> str:
    faults = faults_of(folder, **changes)
    assert len(faults) == 1, faults
    return faults[0]


class TestSmallProject:
    def test_everything_is_where_it_belongs(self, tmp_path: Path) -> None:
        landscape = landscape_of(tmp_path, SMALL)
        assert landscape.unit_id.tolist() == [1, 2, 3, 4]
        assert landscape.cost[:, 0].tolist() == [10, 20.5, 30, 40]
        assert landscape.status[:, 0].tolist() == [FREE, LOCKED_IN, LOCKED_OUT, FREE]
        assert landscape.amount.toarray().tolist() == [[8, 4, 0, 0], [0, 10, 30, 0]]
        assert landscape.amount.nnz == 4  # the listed zero is nothing
        assert landscape.area_km2.tolist() == [1, 1, 1, 1]
        table = landscape.features
        assert table.columns[:7].tolist() == ["name", "total", "unit", "target", "prop", "spf", "id"]
        assert table["name"].tolist() == ["otter", "newt"]
        assert table["total"].tolist() == [12, 40]
        assert table["target"].tolist() == [12, 10]  # prop replaces target, as in Marxan
        i, j, length = landscape.graph.edges()
        assert list(zip(i, j, length)) == [(0, 1, 3), (1, 2, 4)]
        assert landscape.graph.exposed.tolist() == [5, 0, 6, 0]

    @pytest.mark.parametrize("mark", ["\t", " ", ";", ", ", "   "])
    def test_any_delimiter_and_line_end(self, tmp_path: Path, mark: str) -> None:
        files = {
            name: (text if name == "input.dat" else text.replace(",", mark)).replace("\n", "\r\n")
            for name, text in SMALL.items()
        }
        there, here = opened(tmp_path / "a", SMALL), opened(tmp_path / "b", files)
        assert (there.amount != here.amount).nnz == 0
        assert there.features.equals(here.features)
        assert there.read("status:2").tolist() == here.read("status:2").tolist() == [0, 1, 0, 0]
        assert here.graph.exposed.tolist() == [5, 0, 6, 0]

    def test_windows_paths_and_names(self, tmp_path: Path) -> None:
        project = SMALL["input.dat"].replace("INPUTDIR input", "INPUTDIR .\\input").replace("pu.dat", "PU.DAT")
        marxan = Marxan(project=write(tmp_path, {**SMALL, "input.dat": project.replace("\n", "\r\n")}))
        assert len(marxan.open(seed=0).unit_id) == 4
        assert marxan.files() == [
            tmp_path / "input.dat",
            *(tmp_path / "input" / name for name in ("pu.dat", "spec.dat", "puvspr.dat", "bound.dat")),
        ]

    def test_old_versions(self, tmp_path: Path) -> None:
        """No INPUTDIR, no bound.dat, no cost, no status, no names, columns in another order and case."""
        files = {
            "input.dat": "Input file for Annealing program.\n\nPUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME pv.dat\n",
            "pu.dat": "ID\n2\n1\n",
            "spec.dat": "TARGET,ID,type\n-1,3,1\n,4,1\n",
            "pv.dat": "pu,amount,SpeciesID\n1,5,4\n",
        }
        source = opened(tmp_path, files)
        assert source.features["name"].tolist() == ["feature_3", "feature_4"]
        assert source.features["target"].tolist() == [0, 0]
        assert source.features["spf"].tolist() == [1, 1]
        assert source.amount.toarray().tolist() == [[0, 0], [0, 5]]
        assert source.read("cost").tolist() == [1, 1]
        assert source.read("status:2").tolist() == [0, 0]
        assert any("no column cost" in note for note in source.notes)

    def test_the_file_that_is_ordered_by_species_will_do(self, tmp_path: Path) -> None:
        project = SMALL["input.dat"].replace("PUVSPRNAME", "MATRIXSPORDERNAME")
        source = opened(tmp_path, {**SMALL, "input.dat": project})
        assert source.amount.toarray().tolist() == [[8, 4, 0, 0], [0, 10, 30, 0]]

    def test_references(self, tmp_path: Path) -> None:
        pu = "id,cost,status,Province,code\n1,10,0,Ulm,1\n2,20,2,,\n3,30,3,Jena,2\n"
        files = {**SMALL, "input/pu.dat": pu, "input/puvspr.dat": "species,pu,amount\n7,1,8\n"}
        source = opened(tmp_path, files)
        assert source.read("cost").tolist() == [10, 20, 30]
        assert source.read("status:3").tolist() == [0, 0, 1]
        assert source.read("Province:Ulm").tolist() == [1, 0, 0]
        np.testing.assert_array_equal(source.read("code"), [1, np.nan, 2])
        assert source.labels("Province").tolist() == ["Ulm", None, "Jena"]
        assert source.labels("code").tolist() == ["1", None, "2"]
        with pytest.raises(DataError, match=r"pu\.dat: no column 'Provinz'; did you mean 'Province'"):
            source.read("Provinz")
        with pytest.raises(DataError, match="no column 'xyz'; there are id, cost"):
            source.labels("xyz")
        with pytest.raises(DataError, match="column 'Province' holds 'Ulm', which is not a number"):
            source.read("Province")

    def test_features_are_chosen_by_name_or_pattern(self, tmp_path: Path) -> None:
        assert opened(tmp_path, SMALL, features="all").features["name"].tolist() == ["otter", "newt"]
        some = opened(tmp_path, SMALL, features=["new*"])
        assert some.features["name"].tolist() == ["newt"]
        assert some.amount.toarray().tolist() == [[0, 10, 30, 0]]
        with pytest.raises(DataError, match="no feature matches 'toad'; there are otter, newt"):
            opened(tmp_path, SMALL, features=["toad"])

    def test_area(self, tmp_path: Path) -> None:
        pu = "id,area\n1,0.5\n2,2\n3,3\n4,4\n"
        source = opened(tmp_path, {**SMALL, "input/pu.dat": pu})
        assert source.area_km2.tolist() == [0.5, 2, 3, 4]
        assert any("'area'" in note and "km2" in note for note in source.notes)
        assert any("1 km2" in note for note in opened(tmp_path, SMALL).notes)

    def test_notes_say_what_is_not_applied(self, tmp_path: Path) -> None:
        notes = "\n".join(
            opened(
                tmp_path,
                {
                    **SMALL,
                    "input.dat": SMALL["input.dat"].replace("BLM 0", "BLM 2.5") + "COSTTHRESH 9\n",
                    "input/spec.dat": "id,prop,targetocc,sepnum\n7,0.1,3,0\n9,0.1,0,0\n",
                },
            ).notes
        )
        assert "BLM 2.5 in input.dat is applied only where the scenario asks for a boundary penalty" in notes
        assert "COSTTHRESH" in notes
        assert "targetocc" in notes
        assert "sepnum" not in notes  # asked of no feature
        assert "BLM" not in "\n".join(opened(tmp_path, SMALL).notes)


class TestBoundary:
    def test_first_of_repeated_pairs_counts_and_own_rows_add_up(self, tmp_path: Path) -> None:
        bound = "id1,id2,boundary\n2,1,3\n1,2,3\n1,2,9\n1,1,5\n1,1,0.5\n"
        source = opened(tmp_path, {**SMALL, "input/bound.dat": bound})
        i, j, length = source.graph.edges()
        assert list(zip(i, j, length)) == [(0, 1, 3)]
        assert source.graph.exposed.tolist() == [5.5, 0, 0, 0]
        assert "bound.dat lists 2 pairs again; the first row counts, as in Marxan" in source.notes

    def test_asymmetric_flows_are_exact_with_the_extra_layer(self, tmp_path: Path) -> None:
        """Against what Marxan charges, in all 16 selections: each row whose id1 is in and whose id2 is out."""
        rows = [(1, 2, 3.0), (2, 1, 1.0), (2, 3, 4.0), (4, 3, 2.0), (3, 3, 7.0)]
        bound = "id1,id2,boundary\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
        project = SMALL["input.dat"] + "ASYMMETRICCONNECTIVITY 1\n"
        source = opened(tmp_path, {**SMALL, "input.dat": project, "input/bound.dat": bound})
        extra = source.read("asymmetry")
        assert extra.any()
        for bits in itertools.product([False, True], repeat=4):
            chosen = np.array(bits)
            charged = sum(c for a, b, c in rows if chosen[a - 1] and not chosen[b - 1])
            assert source.graph.outline(chosen) + extra[chosen].sum() == pytest.approx(charged)
        assert any("'asymmetry'" in note for note in source.notes)

    def test_no_file_means_no_graph(self, tmp_path: Path) -> None:
        project = SMALL["input.dat"].replace("BOUNDNAME bound.dat\n", "")
        source = opened(tmp_path, {**SMALL, "input.dat": project})
        assert source.graph.units == 4
        assert source.graph.perimeter.tolist() == [0, 0, 0, 0]


class TestFaults:
    def test_missing_project(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"nowhere\.dat: no such file; `project` is the input\.dat"):
            Marxan(project=tmp_path / "nowhere.dat").open(seed=0)
        with pytest.raises(DataError, match="is a folder"):
            Marxan(project=tmp_path).open(seed=0)

    def test_missing_file(self, tmp_path: Path) -> None:
        fault = only_fault(tmp_path, spec=None)
        assert fault == f"{tmp_path / 'input' / 'spec.dat'}: no such file (named by SPECNAME in input.dat)"

    def test_missing_key(self, tmp_path: Path) -> None:
        fault = only_fault(tmp_path, project=SMALL["input.dat"].replace("PUVSPRNAME puvspr.dat\n", ""))
        assert "the key PUVSPRNAME is missing; add a line such as `PUVSPRNAME file.dat`" in fault

    @pytest.mark.parametrize(
        ("file", "content", "expected"),
        [
            ("project", "\n", "is empty"),
            ("project", b"\xff\xfe\x00", "input.dat: not UTF-8 text (byte "),
            ("project", SMALL["input.dat"].replace("BLM 0", "BLM high"), "BLM 'high' is not a number"),
            ("pu", "", "pu.dat: the PUNAME file is empty"),
            ("spec", b"id,name\n7,\xe9\n9,b\n", "spec.dat: not UTF-8 text"),
            ("pu", "unit,cost\n1,2\n", "pu.dat: column 'id' is missing; the header reads 'unit, cost'"),
            ("pu", SMALL["input/pu.dat"].replace(",", "|"), "the header reads 'id|cost|status' (columns are separated"),
            ("puvspr", "species,pu\n7,1\n", "puvspr.dat: column 'amount' is missing"),
            ("bound", "id1,id2\n1,2\n", "bound.dat: column 'boundary' is missing"),
            ("pu", "id,cost\n1,1\n2,1\n3,1\n4,1\n3,1\n", "pu.dat: duplicate planning unit id 3"),
            ("pu", "id,cost\n1,1\n2,1\n3,1\n4,1\n5.5,1\n", "pu.dat: planning unit id 5.5 is not a whole number"),
            ("pu", "id,status\n1,0\n2,0\n3,4\n4,-1\n", "pu.dat: status 4, -1 of units 3, 4; 0 and 1 are free"),
            ("pu", "id,cost\n1,1\n2,cheap\n3,1\n4,1\n", "pu.dat: cost is 'cheap', not a number, in data row 2"),
            ("pu", "id,cost\n1,1\n2,\n3,1\n4,\n", "pu.dat: cost is empty, not a number, in data row 2, 4"),
            ("pu", "id,cost\n1,inf\n2,1\n3,1\n4,1\n", "pu.dat: cost is inf, not a number, in data row 1"),
            ("pu", "id,area\n1,1\n2,-1\n3,1\n4,1\n", "pu.dat: negative area of units 2"),
            (
                "pu",
                "id,cost\n1,1,5\n2,2,5\n3,3,5\n4,4,5\n",
                "pu.dat: rows have more values than the header has columns",
            ),
            ("spec", "id,target\n7,much\n9,1\n", "spec.dat: target is 'much', not a number, in data row 1"),
            ("spec", "id,prop\n7,30\n9,1\n", "spec.dat: prop 30.0 of feature_7 is more than 1; it is a share"),
            ("spec", "id,name\n7,otter\n9,otter\n", "spec.dat: duplicate feature name otter"),
            ("spec", "id\n7\n9\n7\n", "spec.dat: duplicate feature id 7"),
            ("puvspr", "species,pu,amount\n7,1,x\n", "puvspr.dat: amount is 'x', not a number, in data row 1"),
            ("puvspr", "species,pu,amount\n7,5,1\n9,6,1\n9,5,2\n", "puvspr.dat: pu 5, 6 is no planning unit of pu.dat"),
            ("puvspr", "species,pu,amount\n8,1,1\n", "puvspr.dat: species 8 is no feature of spec.dat"),
            (
                "puvspr",
                "species,pu,amount\n7,1,1\n9,1,0\n7,1,2\n9,1,0\n9,1,3\n",
                "puvspr.dat: 2 pairs of species and pu stand there more than once: (7, 1), (9, 1); leave one row",
            ),
            ("bound", "id1,id2,boundary\n1,8,1\n", "bound.dat: id2 8 is no planning unit of pu.dat"),
            (
                "bound",
                "id1,id2,boundary\n1,2,-1\n1,3,1\n",
                "bound.dat: negative boundary in 1 rows (1-2: -1); give 0 or more",
            ),
            ("bound", "id1,id2,boundary\n1,2,long\n", "bound.dat: boundary is 'long', not a number"),
        ],
    )
    def test_one_clear_fault(self, tmp_path: Path, file: str, content: str | bytes, expected: str) -> None:
        assert expected in only_fault(tmp_path, **{file: content})

    def test_wrong_delimiter_in_the_rows(self, tmp_path: Path) -> None:
        faults = faults_of(tmp_path, bound="id1,id2,boundary\n1\t2\n")
        assert any("bound.dat: id1 is '1\\t2', not a number, in data row 1" in fault for fault in faults)
        assert all("bound.dat" in fault for fault in faults)

    def test_all_faults_together(self, tmp_path: Path) -> None:
        faults = faults_of(
            tmp_path,
            pu="id,cost,status\n1,free,0\n2,1,7\n3,1,0\n4,1,0\n",
            spec="id,prop\n7,30\n9,0.1\n",
            puvspr="species,pu,amount\n7,11,1\n5,1,1\n",
            bound="id1,id2,boundary\n1,2,-3\n",
        )
        told = ["cost is 'free'", "status 7", "prop 30.0", "species 5", "pu 11", "negative boundary"]
        assert len(faults) == len(told)
        for part in told:
            assert any(part in fault for fault in faults), part

    def test_negative_amounts_are_judged_by_the_scenario(self, tmp_path: Path) -> None:
        files = {**SMALL, "input/puvspr.dat": "species,pu,amount\n7,1,-8\n"}
        with pytest.raises(DataError, match="negative amounts of otter"):
            landscape_of(tmp_path, files)
        assert landscape_of(tmp_path, files, allow_negative=True).amount.sum() == -8


class TestZones:
    def test_costs_are_sums_of_multiplied_columns(self, tmp_path: Path) -> None:
        landscape = landscape_of(tmp_path, ZONES)
        assert [zone.name for zone in landscape.zones] == ["reserve", "fishing"]  # available is no zone
        assert landscape.cost.tolist() == [[20, 5], [40, 10], [60, 15], [80, 20]]
        assert landscape.contribution.tolist() == [[1, 0], [1, 0.25]]

    def test_left_out_zone_is_told(self, tmp_path: Path) -> None:
        notes = opened(tmp_path, ZONES).notes
        assert "zone available costs nothing and adds nothing: it is left out, as no zone" in notes

    def test_defaults_of_the_files(self, tmp_path: Path) -> None:
        """Without zonecost.dat every cost counts once; without zonecontrib.dat all but the first zone count in full."""
        project = ZONES["input.dat"].replace("ZONECOSTNAME zonecost.dat\nZONECONTRIBNAME zonecontrib.dat\n", "")
        source = opened(tmp_path, {**ZONES, "input.dat": project})
        assert source.read("zonecost:2").tolist() == [11, 22, 33, 44]
        assert {name: zone.contribution for name, zone in source.zones.items()} == {
            "available": 0.0,
            "reserve": 1.0,
            "fishing": 1.0,
        }

    def test_contributions_of_all_features_at_once(self, tmp_path: Path) -> None:
        project = ZONES["input.dat"].replace("ZONECONTRIBNAME", "ZONECONTRIB2NAME")
        files = {**ZONES, "input.dat": project, "input/zonecontrib.dat": "zoneid,fraction\n2,0.75\n3,0.5\n"}
        assert landscape_of(tmp_path, files).contribution.tolist() == [[0.75, 0.5], [0.75, 0.5]]

    def test_contributions_follow_the_chosen_features(self, tmp_path: Path) -> None:
        assert landscape_of(tmp_path, ZONES, features=["newt"]).contribution.tolist() == [[1, 0.25]]

    def test_locks_and_allowed_zones(self, tmp_path: Path) -> None:
        files = {
            **ZONES,
            "input.dat": ZONES["input.dat"] + "PULOCKNAME pulock.dat\nPUZONENAME puzone.dat\n",
            "input/pulock.dat": "puid,zoneid\n1,3\n2,1\n",
            "input/puzone.dat": "puid,zoneid\n3,1\n3,2\n",
        }
        status = landscape_of(tmp_path, files).status.tolist()
        assert status[0] == [FREE, LOCKED_IN]
        assert status[1] == [LOCKED_OUT, LOCKED_OUT]  # locked into available
        assert status[2] == [FREE, LOCKED_OUT]
        assert status[3] == [FREE, FREE]

    def test_zone_targets(self, tmp_path: Path) -> None:
        files = {
            **ZONES,
            "input.dat": ZONES["input.dat"] + "ZONETARGETNAME zonetarget.dat\n",
            "input/zonetarget.dat": "zoneid,speciesid,target,targettype\n2,7,3,0\n3,-1,0.5,1\n2,9,2,2\n",
        }
        source = opened(tmp_path, files)
        assert source.features["target:reserve"].tolist() == [3, 0]
        assert source.features["target:fishing"].tolist() == [6, 20]  # half of all there is
        assert any("1 targets in occurrences are not applied" in note for note in source.notes)

    @pytest.mark.parametrize(
        ("file", "content", "expected"),
        [
            ("zones", "zoneid,zonename\n1,a\n2,a\n3,b\n", "zones.dat: zone names must differ"),
            ("zones", "zoneid,zonename\n1,a\n1,b\n", "zones.dat: duplicate zone id 1"),
            ("zones", "zoneid\n1\n", "zones.dat: column 'name' is missing"),
            ("costs", "costid,costname\n1,land\n2,fuel\n", "pu.dat: column 'fuel' is missing"),
            ("zonecost", "zoneid,costid,multiplier\n2,5,1\n", "zonecost.dat: costid 5 is no cost of costs.dat"),
            ("zonecost", "zoneid,costid,multiplier\n8,1,1\n", "zonecost.dat: zone 8 is no zone of zones.dat"),
            ("zonecost", "pu,zone,cost\n6,2,1\n", "zonecost.dat: pu 6 is no planning unit of pu.dat"),
            (
                "zonecontrib",
                "zoneid,speciesid,fraction\n2,4,1\n",
                "zonecontrib.dat: species 4 is no feature of spec.dat",
            ),
        ],
    )
    def test_faults(self, tmp_path: Path, file: str, content: str, expected: str) -> None:
        with pytest.raises(DataError) as caught:
            opened(tmp_path, {**ZONES, f"input/{file}.dat": content})
        assert len(caught.value.faults) == 1
        assert expected in caught.value.faults[0]

    def test_contributions_by_unit_are_refused(self, tmp_path: Path) -> None:
        project = ZONES["input.dat"].replace("ZONECONTRIBNAME", "ZONECONTRIB3NAME")
        with pytest.raises(DataError, match="ZONECONTRIB3NAME"):
            opened(tmp_path, {**ZONES, "input.dat": project})


@pytest.fixture(scope="module")
def example(reference_data: Path) -> Landscape:
    marxan = Marxan(project=reference_data / "marxan_example" / "input.dat")
    return assemble(marxan.open(seed=0), marxan, {})


class TestRealProjects:
    def test_size_and_locks(self, example: Landscape) -> None:
        assert example.shape == (1751, 17, 1)
        assert example.amount.nnz == 4662
        assert (example.status == LOCKED_IN).sum() == 317
        assert (example.status == LOCKED_OUT).sum() == 1

    @pytest.mark.parametrize(
        ("weight", "locks", "expected"),
        [(0.0, True, 95_645_749.6283), (0.0, False, 33_530_498.3897), (0.0005, True, 95_647_904.40581)],
    )
    def test_linear_relaxation(self, example: Landscape, weight: float, locks: bool, expected: float) -> None:
        """The values of REFERENCE.md section 4; the last is the bound that prioritizr prints (edge factor 1)."""
        i, j, length = example.graph.edges()
        units, pairs, features = 1751, len(i), 17
        edge = np.arange(pairs)
        ones = np.ones(pairs)
        # a pair's column is at least |x_i - x_j|
        apart = sparse.coo_array((np.r_[ones, -ones], (np.r_[edge, edge], np.r_[i, j])), shape=(pairs, units)).tocsr()
        eye = sparse.eye_array(pairs)
        rows = sparse.vstack(
            [
                sparse.hstack([-example.amount, sparse.csr_array((features, pairs))]),
                sparse.hstack([apart, -eye]),
                sparse.hstack([-apart, -eye]),
            ]
        )
        status = example.status[:, 0] if locks else np.zeros(units)
        low = np.r_[status == LOCKED_IN, np.zeros(pairs)]
        high = np.r_[status != LOCKED_OUT, np.ones(pairs)]
        result = linprog(
            np.r_[example.cost[:, 0] + weight * example.graph.exposed, weight * length],
            A_ub=rows.tocsc(),
            b_ub=np.r_[-example.features["target"], np.zeros(2 * pairs)],
            bounds=np.c_[low, high],
            method="highs",
        )
        assert result.fun == pytest.approx(expected, abs=2e-4)

    def test_simple_optimum(self, reference_data: Path) -> None:
        """Of all 64 selections of `pymarxan_simple`, {2, 4, 6} is the cheapest that meets the targets."""
        source = Marxan(project=reference_data / "pymarxan_simple" / "input.dat").open(seed=0)
        every = np.array(list(itertools.product([0, 1], repeat=6)))
        fine = (every @ source.amount.T >= source.features["target"].to_numpy()).all(axis=1)
        cost = np.where(fine, every @ source.read("cost"), np.inf)
        assert cost.min() == 35.0
        assert source.unit_id[every[cost.argmin()] == 1].tolist() == [2, 4, 6]

    def test_zones(self, reference_data: Path) -> None:
        marxan = Marxan(project=reference_data / "pymarxan_zones" / "input.dat")
        source = marxan.open(seed=0)
        assert source.zones["sustainable"] == ZoneConfig(
            cost="zonecost:2", contribution={"species_a": 0.5, "species_b": 0.3}
        )
        landscape = assemble(source, marxan, {})
        assert [zone.name for zone in landscape.zones] == ["protected", "sustainable"]
        assert landscape.cost.tolist() == [[100, 50], [150, 80], [200, 100], [120, 60]]
        assert landscape.contribution.tolist() == [[1, 0.5], [1, 0.3]]
        assert landscape.features["target:protected"].tolist() == [10, 8]
        assert landscape.features["target:sustainable"].tolist() == [5, 3]
        assert any("ZONEBOUNDCOSTNAME" in note and "not applied" in note for note in source.notes)
        assert len(marxan.files()) == 10
