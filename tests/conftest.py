"""Fixtures that all tests share."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest
from desk import Desk
from hypothesis import HealthCheck, Phase, settings

import prioritize.commands._live

# no shrinking: counting all selections of a case again and again takes minutes, and 3x3 grids are small enough to read
settings.register_profile(
    "prioritize",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
settings.load_profile("prioritize")

# what a command keeps of its own faults and warnings is no matter of the tester's home
os.environ["XDG_STATE_HOME"] = str(Path(tempfile.gettempdir()) / "prioritize-tests")

# a slow machine must not add lines to what tests compare
prioritize.commands._live.FIRST = 1e6

REFERENCE_DATA = Path(os.environ.get("PRIORITIZE_REFERENCE_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of the reference data; tests that need it are skipped where it is absent."""
    if not REFERENCE_DATA.is_dir():
        pytest.skip(f"reference data not found at {REFERENCE_DATA} (set PRIORITIZE_REFERENCE_DATA)")
    return REFERENCE_DATA.resolve()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    # what is forgotten in the folder for temporary files is seen, too
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    desk = Desk(tmp_path)
    desk.set_up()
    return desk


#: reasons of skips in this session
_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """CI names a list of reasons in PRIORITIZE_SKIPS; a skip for any other reason is a failure."""
    listed = os.environ.get("PRIORITIZE_SKIPS")
    if listed is None or hasattr(session.config, "workerinput"):
        return
    lines = Path(listed).read_text(encoding="utf-8").splitlines()
    allowed = [re.compile(line) for line in lines if line and not line.startswith("#")]
    strange = {reason for reason in _skipped if not any(pattern.search(reason) for pattern in allowed)}
    for reason in sorted(strange):
        print(f"\nskipped for a reason that is not listed in {listed}: {reason}")
    if strange:
        session.exitstatus = 1
