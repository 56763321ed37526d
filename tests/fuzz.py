"""Fuzz every command with damaged input of every format.

`python tests/fuzz.py --cases 5000 --seed 1` (or `make fuzz CASES=5000 SEED=1`) copies small valid inputs, damages one
or two things of each copy and runs a command on it. Whatever is wrong, a command

* ends with a documented exit code, within 20 seconds, by itself, and without a traceback;
* on code 2 prints nothing to stderr but `error:` lines (and its progress), and leaves nothing behind;
* on code 0 prints no warning, and `prioritize verify` does not object to the run it wrote.

A case is made by seed and number alone: `--seed 1 --case 77` repeats it and keeps its folder. Cases run in forks of one
process that has everything imported, the solver process too.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fuzz_damage import damage
from fuzz_subjects import SUBJECTS

from prioritize import cli
from prioritize.faultlog import state_folder
from prioritize.solvers import mathopt, process

TIMEOUT = 20.0
#: bytes that a case may take beyond what is there before: more is a fault, and no other process is starved
MEMORY = 4 << 30
#: what may stand on stderr beside errors: where a run is, notes of a redline, cautions of a run
PROGRESS = re.compile(r".*: ([\w ().,-]+ )?\d+ s(, incumbent .*)?| *[\d.]+ s  .*|note: .*|caution: .*|warning: .*")
LITTER = re.compile(r"\.(prioritize|draft|selection)-.*|.*\.tmp|prioritize-.*")


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes
    ----------
    number : int
    subject, command, damage : str
    verdict : str
        `ok` (exit code 0), `told` (exit code 2), `refused` (1), or what is wrong.
    detail : str
    seconds : float
    """

    number: int
    subject: str
    command: str
    damage: str
    verdict: str
    detail: str
    seconds: float

    @property
    def good(self) -> bool:
        """Nothing is wrong with prioritize."""
        return self.verdict in ("ok", "told", "refused")


class ForkedSolver:
    """The solver process, forked instead of started: no import, all else alike (see `solvers.process.Worker`)."""

    def __init__(self, *_: Any, **__: Any):
        down, up = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(down[0], 0)
            os.dup2(up[1], 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            for number in (*down, *up):
                os.close(number)
            sys.stdin = os.fdopen(0, "r")
            with contextlib.suppress(BaseException):
                mathopt.main()
            os._exit(0)
        os.close(down[0])
        os.close(up[1])
        self.stdin, self.stdout = os.fdopen(down[1], "wb", buffering=0), os.fdopen(up[0], "rb")
        self.code: int | None = None

    def poll(self) -> int | None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = status if pid else None
        return self.code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self.code is None:
            self.code = os.waitpid(self.pid, 0)[1]
        return self.code


def preload() -> None:
    """Import what commands import, and patch in the forked solver."""
    import importlib
    import pkgutil

    import joblib  # noqa: F401
    import rich.table  # noqa: F401

    import prioritize

    for info in pkgutil.walk_packages(prioritize.__path__, "prioritize."):
        importlib.import_module(info.name)
    cli.parser()
    process.subprocess.Popen = ForkedSolver  # type: ignore[attr-defined, misc, assignment]


def prepare(folder: Path) -> None:
    """Write the valid inputs of every subject, run every command on them once (all is loaded then), and what is ready.

    Raises
    ------
    SystemExit
        If a command does not end with code 0: then its inputs are wrong before they are damaged.
    """
    for name, subject in SUBJECTS.items():
        valid = folder / name
        valid.mkdir(parents=True)
        os.chdir(valid)
        subject.make(valid)
        for command in subject.ready:
            expect_success(command, name)
        for command in subject.commands:
            scratch = folder / "scratch"
            shutil.copytree(valid, scratch)
            os.chdir(scratch)
            expect_success(command, name)
            os.chdir(folder)
            shutil.rmtree(scratch)
    for worker in process._idle:
        worker.end()
    process._idle.clear()


def expect_success(command: str, name: str) -> None:
    """Run a command silently in this process."""
    with open("told.txt", "w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = cli.main(shlex.split(command))
    if code not in (0, 1) and not (code == 3 and command.startswith("verify")):
        sys.exit(f"{name}: `prioritize {command}` ends with {code} on valid inputs:\n{Path('told.txt').read_text()}")
    Path("told.txt").unlink()


def plan(seed: int, number: int) -> tuple[random.Random, str, str]:
    """The dice, the subject and the command of a case."""
    dice = random.Random(f"{seed} {number}")
    name = dice.choice(sorted(SUBJECTS))
    return dice, name, dice.choice(SUBJECTS[name].commands)


def run_case(seed: int, number: int, valid: Path, scratch: Path) -> Outcome:
    """Make a case and run it, in this process."""
    faulthandler.dump_traceback_later(TIMEOUT - 1.0, file=(scratch / "hang.txt").open("w"))
    dice, name, command = plan(seed, number)
    work = scratch / "work"
    shutil.copytree(valid / name, work)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments, what = damage(work, shlex.split(command), dice)
    (scratch / "damage.txt").write_text(f"{shlex.join(arguments)}\n{what}\n", errors="backslashreplace")
    os.chdir(work)
    (scratch / "tmp").mkdir()
    tempfile.tempdir = str(scratch / "tmp")
    os.environ["XDG_STATE_HOME"] = str(scratch / "state")
    before = listing(work)
    limit_memory()
    begun = time.monotonic()
    code, err = call(arguments, scratch / "stderr.txt")
    seconds = time.monotonic() - begun
    verdict, detail = judge(code, err, arguments)
    if verdict in ("ok", "told"):
        verdict, detail = leftovers(verdict, detail, arguments, before, listing(work), scratch / "tmp")
    if verdict == "ok" and arguments[0] == "run":
        verdict, detail = verified(work, before, scratch)
    return Outcome(number, name, shlex.join(arguments), what, verdict, detail, seconds)


def limit_memory() -> None:
    """Room for MEMORY bytes beyond what this process has mapped."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))


def call(arguments: list[str], told: Path) -> tuple[int, str]:
    """Exit code and stderr of a command in this process; all that libraries print is caught, too."""
    number = os.open(told, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(number, 2)
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException as error:
        code = -1
        print(f"Traceback: {error!r}", *traceback.format_tb(error.__traceback__)[-2:], file=sys.stderr)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return code, told.read_text(errors="replace")


def judge(code: int, err: str, arguments: list[str]) -> tuple[str, str]:
    """What exit code and stderr say."""
    lines = err.splitlines()
    others = [line for line in lines if not line.startswith("error: ") and not PROGRESS.fullmatch(line)]
    if code == cli.FAULT or "Traceback" in err:
        logs = sorted((state_folder()).glob("fault-*.log"))
        trace = logs[-1].read_text(errors="replace").splitlines() if logs else lines
        places = [line.strip() for line in trace if line.strip().startswith("File") and "/prioritize" in line]
        return "traceback", f"{trace[-1][:300] if trace else ''} | {' < '.join(places[::-1][:2])}"
    allowed = {0, 2} | ({1, 3} if "verify" in arguments else {1} if "revise" in arguments else set())
    if code not in allowed:
        return "exit code", f"{code}: {err[-300:]}"
    if others:
        return "noise", f"exit code {code}: {others[0][:300]}"
    errors = [line for line in lines if line.startswith("error: ")]
    if code == 2 and not errors:
        return "silent", "exit code 2 without a word"
    if code != 2 and errors and not (code == 1 and "verify" in arguments):
        return "noise", f"exit code {code}, but {errors[0][:300]}"
    return {0: "ok", 1: "refused", 2: "told", 3: "ok"}[code], errors[0] if errors else ""


def listing(folder: Path) -> set[str]:
    """All names below a folder."""
    return {os.path.relpath(os.path.join(top, name), folder) for top, *kinds in os.walk(folder)
            for names in kinds for name in names}  # fmt: skip


def leftovers(
    verdict: str, detail: str, arguments: list[str], before: set[str], after: set[str], temporary: Path
) -> tuple[str, str]:
    """Nothing half done: no temporary files ever, on an error no new file at all (but whole runs of `compare`)."""
    new = sorted(after - before)
    litter = [name for name in new if LITTER.fullmatch(os.path.basename(name))] + sorted(os.listdir(temporary))
    if litter:
        return "leftovers", ", ".join(litter[:5])
    if verdict == "told" and new and arguments[0] != "compare":
        return "leftovers", f"{', '.join(new[:5])} beside: {detail[:200]}"
    return verdict, detail


def verified(work: Path, before: set[str], scratch: Path) -> tuple[str, str]:
    """What `verify` says of the runs that a command wrote."""
    made = [name for name in listing(work) - before if os.path.basename(name) == "summary.json"]
    for name in made:
        code, err = call(["verify", str(work / name.removesuffix("/summary.json"))], scratch / "verify.txt")
        if code not in (0, 3):
            return "not verified", err.splitlines()[0][:300] if err else str(code)
    return "ok", ""


@dataclass
class Running:
    """A case in a process of its own."""

    number: int
    pid: int
    begun: float
    scratch: Path


def start(seed: int, number: int, valid: Path, scratch: Path) -> Running:
    """Fork a case."""
    scratch.mkdir()
    pid = os.fork()
    if pid:
        return Running(number, pid, time.monotonic(), scratch)
    os.setsid()  # so that what it starts ends with it
    try:
        found = run_case(seed, number, valid, scratch)
        (scratch / "outcome.json").write_text(json.dumps(asdict(found)))
    except BaseException as error:
        (scratch / "broken.txt").write_text(repr(error))
    os._exit(0)


def finish(job: Running, seed: int, late: bool, status: int) -> Outcome:
    """Collect what a case left, and end what it started."""
    if late:
        os.kill(job.pid, signal.SIGKILL)
        os.waitpid(job.pid, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(job.pid, signal.SIGKILL)
    path = job.scratch / "outcome.json"
    if not late and path.is_file():
        return Outcome(**json.loads(path.read_text()))
    _, name, command = plan(seed, job.number)
    done = job.scratch / "damage.txt"
    command, _, what = done.read_text().partition("\n") if done.is_file() else (command, "", "")
    broken = job.scratch / "broken.txt"
    if broken.is_file():
        verdict, detail = "fuzzer", broken.read_text()
    elif late:
        hang = job.scratch / "hang.txt"
        places = re.findall(r"File \S*/(\S+), line (\d+) in (\w+)", hang.read_text() if hang.is_file() else "")
        verdict, detail = "hang", " < ".join(f"{file[:-1]}:{row} {name}" for file, row, name in places[:12])
    else:
        verdict, detail = "crash", f"ended by itself, status {status}"
    return Outcome(job.number, name, command, what.strip(), verdict, detail, time.monotonic() - job.begun)


def fuzz(numbers: range, seed: int, jobs: int, keep: Path | None = None) -> list[Outcome]:
    """Run cases; their outcomes in the order of their numbers.

    Parameters
    ----------
    numbers : range
    seed : int
    jobs : int
        How many run at a time.
    keep : Path, optional
        Folder where the folders of the cases stay.
    """
    preload()
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        home = Path.cwd()
        prepare(folder / "valid")
        os.chdir(home)
        waiting, running = list(reversed(numbers)), []
        stop = signal.signal(signal.SIGINT, lambda *_: waiting.clear())  # Ctrl-C: tell what was found so far
        while waiting or running:
            while waiting and len(running) < jobs:
                number = waiting.pop()
                running.append(start(seed, number, folder / "valid", (keep or folder) / f"case{number}"))
            for job in list(running):
                pid, status = os.waitpid(job.pid, os.WNOHANG)
                late = not pid and time.monotonic() - job.begun > TIMEOUT
                if pid or late:
                    running.remove(job)
                    found.append(finish(job, seed, late, status))
                    if keep is None:
                        shutil.rmtree(job.scratch, ignore_errors=True)
            time.sleep(0.004)
        signal.signal(signal.SIGINT, stop)
    return sorted(found, key=lambda outcome: outcome.number)


def report(found: list[Outcome], seed: int) -> str:
    """Counts by command and verdict, and how to repeat each failure."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for outcome in found:
        words = outcome.command.split()
        counts[" ".join(words[:2] if words and words[0] in ("redline", "areas") else words[:1])][outcome.verdict] += 1
    verdicts = sorted({outcome.verdict for outcome in found}, key=lambda v: (v not in ("ok", "told", "refused"), v))
    known = [name for name in counts if sum(counts[name].values()) > 2]
    rows = [["", "cases", *verdicts]]
    rows += [[name, sum(counts[name].values()), *(counts[name][v] for v in verdicts)] for name in sorted(known)]
    rows.append(["all", len(found), *(sum(1 for outcome in found if outcome.verdict == v) for v in verdicts)])
    lines = ["".join(f"{cell!s:<20}" if k == 0 else f"{cell!s:>13}" for k, cell in enumerate(row)) for row in rows]
    for outcome in found:
        if not outcome.good:
            lines += [
                "",
                f"{outcome.verdict}: {outcome.detail}",
                f"  {outcome.subject}: prioritize {outcome.command[:200]}",
                f"  {outcome.damage[:300]}",
                f"  again: python tests/fuzz.py --seed {seed} --case {outcome.number}",
            ]
    slow = sorted(found, key=lambda outcome: -outcome.seconds)[:3]
    lines += ["", "slowest: " + ", ".join(f"case {outcome.number} {outcome.seconds:.1f} s" for outcome in slow)]
    return "\n".join(lines)


def main() -> int:
    """Command line of the fuzzer."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=500)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--from", type=int, default=0, dest="first", help="number of the first case")
    options.add_argument("--case", type=int, help="repeat one case, and keep its folder")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = options.parse_args()
    begun = time.monotonic()
    if given.case is not None:
        keep = Path(tempfile.mkdtemp(prefix="fuzz-kept-"))
        found = fuzz(range(given.case, given.case + 1), given.seed, 1, keep)
        print(f"{report(found, given.seed)}\n\n{found[0].verdict}: {found[0].detail}\n{found[0].damage}\nkept: {keep}")
    else:
        found = fuzz(range(given.first, given.first + given.cases), given.seed, given.jobs)
        print(report(found, given.seed))
        print(f"{len(found)} cases, seed {given.seed}, {time.monotonic() - begun:.0f} s")
    return int(not all(outcome.good for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
