"""No command is silent for long: what has no phases says how long it has worked."""

from __future__ import annotations

import time

import pytest

from prioritize.commands import _live


def test_what_takes_long_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_live, "FIRST", 0.05)
    with _live.working("verify"):
        time.sleep(0.5)
    lines = capsys.readouterr().err.splitlines()
    # after 0.05 s, then each time twice as long
    assert 2 <= len(lines) <= 5 and all(line.startswith("verify: ") and line.endswith(" s") for line in lines)


def test_what_is_quick_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with _live.working("verify"):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_the_line_ends_with_what_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_live, "FIRST", 0.01)
    with pytest.raises(ValueError, match="of its own"), _live.working("verify"):
        raise ValueError("of its own")
    before = capsys.readouterr().err
    time.sleep(0.1)
    assert capsys.readouterr().err == "" and "verify" not in before.partition("Traceback")[2]
