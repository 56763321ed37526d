"""The run folder: the answer is on disk before anything is made of it, and whatever fails costs itself alone.

Three steps. Selection, certificate and scenario are written beside the folder and kept from then on, whatever happens.
With the figures (`summary.json`) they become the run folder: a valid run, whose summary says what is still missing.
Tables, map layers and the rest are then made in a second folder, each guarded, which takes the first one's place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prioritize.certificate import FILE as CERTIFICATE
from prioritize.certificate import write_certificate
from prioritize.errors import DataError, SolveError
from prioritize.maplayers import MAPS, write_map_layers
from prioritize.mask import write_shared
from prioritize.output import NOTHING, as_json, beside, guard_path, put_in_place
from prioritize.plaintext import write_csv
from prioritize.progress import Part, whole, why
from prioritize.scratch import ANSWER, NEW, free_name, told
from prioritize.summary import SUMMARY, file_digests, summary_digest
from prioritize.table import Table, write_tables
from prioritize.write import write_selection

if TYPE_CHECKING:
    from prioritize.landscape import Landscape
    from prioritize.runner import Run
    from prioritize.scenario import Scenario

#: folder of a run, and of a comparison, that holds the tables
TABLES = "tables"
#: folder of a run that may be shown to others
SHARED = "shared"
SCENARIO, LOG, PROGRESS = "scenario.toml", "log.txt", "progress.csv"
#: files of a run that cannot be made again, and what becomes of them; all others `write_again` writes
KEPT = {
    SCENARIO: "the question itself: all else is made again from it",
    SUMMARY: "every value of it is compared with what follows from the rest",
    CERTIFICATE: "found by a long search; what it proves is computed again",
    LOG: "what happened when: nobody can tell it afterwards",
    PROGRESS: "what was known when: nobody can tell it afterwards",
}
#: what a summary says of parts that are not there yet; it stays where the run is killed before they are
STOPPED = "not written: the run was stopped before"


def guard_folder(folder: Path) -> None:
    """Refuse to write over anything but a run (or an empty folder)."""
    guard_path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SUMMARY).exists():
        raise DataError(f"{folder}: holds files that are not a run; choose another folder with --out")


def save_run(run: Run, folder: Path) -> Path:
    """Write a run folder: the answer first; a table, map layer or style that fails is left out (`reporter.missing`).

    Raises
    ------
    DataError
        If `folder` holds something that is not a run, or the answer cannot be written. An older run stays then.
    SolveError
        If the figures of the answer cannot be made; it says where the answer is kept.
    KeyboardInterrupt
        Its text says what was written.
    """
    written, rest, before = False, later(run), len(told)
    try:
        guard_folder(folder)
        with beside(folder) as room:
            draft, full = room / NEW, room / "whole"
            draft.mkdir()
            write_answer(run, draft, folder)
            (room / ANSWER).touch()
            write_figures(run, draft)
            twin(draft, full)
            put_in_place(draft, folder)
            written = True
            run.reporter.folders.append(folder)
            with run.reporter.part("tables and maps"):
                write_parts(run, full)
                (room / ANSWER).unlink()
                os.replace(full, draft)
                put_in_place(draft, folder)
                rest = ()
    except KeyboardInterrupt:
        without = f", without {', '.join(rest)}" if rest else ""
        raise KeyboardInterrupt(f"the run is in {folder}{without}" if written else kept(before)) from None
    except Exception as error:
        found = kept(before) or kept_elsewhere(run, folder)
        if isinstance(error, DataError):
            text = str(error).replace(NOTHING, found or NOTHING)
            raise DataError(text if not found or found in text else f"{text}; {found}") from None
        raise SolveError(
            f"{folder}: the figures of the answer cannot be made: {why(error)}; {found or NOTHING}"
        ) from error
    return folder


def kept(before: int) -> str:
    """What was said of an answer that is kept since there were `before` such sentences; it is not said twice."""
    said = told[before:]
    del told[before:]
    return "; ".join(said)


def write_answer(run: Run, draft: Path, folder: Path) -> None:
    """What a solve is for, first of all: selection, certificate, and the scenario."""
    if run.solution.multipliers is not None:
        write_certificate(draft, run.solution.multipliers)
    (draft / SCENARIO).write_text(run.scenario.toml(folder.resolve()), encoding="utf-8")
    write_selection(draft, run.landscape, run.selection, run.reporter.part)


def write_figures(run: Run, draft: Path) -> None:
    """Write the summary of an answer to which nothing was added yet; where it cannot be made, why."""
    try:
        write_summary(run, draft, dict.fromkeys(later(run), STOPPED))
    except Exception as error:
        lines = [*run.reporter.lines, *traceback.format_exception(error)]
        with suppress(OSError):
            (draft / LOG).write_text("\n".join(lines), encoding="utf-8")
        raise


def later(run: Run) -> tuple[str, ...]:
    """What is written after the answer, in this order."""
    shared = () if run.scenario.output.mask is None else (SHARED,)
    return ("evaluation.csv", "evaluation.parquet", TABLES, MAPS, *shared, PROGRESS, LOG)


def write_parts(run: Run, draft: Path) -> None:
    """Everything else, each part on its own; then the summary, which says what is there and what is missing."""
    part = run.reporter.part
    write_made(draft, run.scenario, run.landscape, run.selection, lambda: run.evaluation, lambda: run.tables, part)
    with part(PROGRESS, draft / PROGRESS):
        trajectory = pd.DataFrame(run.reporter.trajectory, columns=["seconds", "incumbent", "bound"])
        write_csv(draft / PROGRESS, trajectory)
    with part(LOG, draft / LOG):
        (draft / LOG).write_text("\n".join(run.reporter.lines) + "\n", encoding="utf-8")
    write_summary(run, draft, run.reporter.missing)


def write_made(
    folder: Path,
    scenario: Scenario,
    landscape: Landscape,
    selection: np.ndarray,
    evaluation: Callable[[], pd.DataFrame],
    tables: Callable[[], list[Table]],
    part: Part,
) -> None:
    """Write what follows from scenario, inputs and (U, Z) selection, besides the selection itself, part by part."""
    with part("evaluation.csv", folder / "evaluation.csv"):
        write_csv(folder / "evaluation.csv", evaluation())
    with part("evaluation.parquet", folder / "evaluation.parquet"):
        evaluation().to_parquet(folder / "evaluation.parquet", index=False)
    with part(TABLES, folder / TABLES):
        write_tables(folder / TABLES, tables(), part)
    with part(MAPS, folder / MAPS):
        write_map_layers(folder, landscape, selection, part)
    mask = scenario.output.mask
    if mask is not None:
        with part(SHARED, folder / SHARED):
            write_shared(folder / SHARED, landscape, selection, evaluation(), tables(), mask)


def write_again(
    folder: Path,
    scenario: Scenario,
    landscape: Landscape,
    selection: np.ndarray,
    evaluation: pd.DataFrame,
    tables: list[Table],
) -> None:
    """Write every file of a run that follows from its scenario, inputs and (U, Z) selection: `verify` compares.

    All that `save_run` writes, but for KEPT, goes through the same two functions.
    """
    write_selection(folder, landscape, selection)
    write_made(folder, scenario, landscape, selection, lambda: evaluation, lambda: tables, whole)


def write_summary(run: Run, draft: Path, missing: dict[str, str]) -> None:
    """Write `summary.json` with the digests of what is there."""
    own = run.summary
    summary = {**own, "missing": missing, "digests": {**own["digests"], "files": file_digests(draft)}}
    summary["digests"]["summary"] = summary_digest(summary)
    (draft / SUMMARY).write_text(as_json(summary) + "\n", encoding="utf-8")


def twin(folder: Path, other: Path) -> None:
    """The files of the answer once more, without room on the disk where it has hard links; not its summary."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(folder, other, copy_function=link, ignore=shutil.ignore_patterns(SUMMARY))


def kept_elsewhere(run: Run, folder: Path) -> str:
    """Where there is no room for the answer, the folder for temporary files may have some; says what came of it."""
    place = free_name(Path(tempfile.gettempdir()) / folder.name)
    try:
        place.mkdir()
        write_answer(run, place, place)
    except Exception:
        with suppress(OSError):
            shutil.rmtree(place)
        return ""
    return f"selection and certificate are kept in {place}"
