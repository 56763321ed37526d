"""Five hundred damaged inputs: each is told in a line, or answered; never a traceback, a hang or a leftover."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_damaged_input_is_told_or_answered() -> None:
    paths = [str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "fuzz.py"), "--cases", "500", "--seed", "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    # a fuzzer that damages nothing would find nothing
    last = done.stdout.splitlines()
    told = next(line.split() for line in last if line.startswith("all"))
    assert int(told[1]) == 500 and all(int(number) > 100 for number in (told[2], told[-1]))
