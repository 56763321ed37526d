"""Run folders -> one HTML page that needs nothing else: no network, no server, no other file."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from pathlib import Path

from prioritize import __version__
from prioritize.errors import DataError
from prioritize.output import blaming, guard_path, write_text
from prioritize.report import palette
from prioritize.report.payload import as_json, content, find_runs, read_runs
from prioritize.report.texts import TEXTS, TITLES, WORDS

STATIC = Path(__file__).parent / "static"
STYLES = ("vendor/leaflet.css", "page.css")
SCRIPTS = (
    "vendor/fflate.js",
    "vendor/leaflet.js",
    "vendor/echarts.common.min.js",
    "base.js",
    "overview.js",
    "maps.js",
    "charts.js",
    "tables.js",
    "main.js",
)
#: what stands in the classes of tenure
TENURE_COLOURS = {
    "protected": palette.KINDS["protected"],
    "oecm": palette.KINDS["oecm"],
    "oecm_candidate": "#56B4E9",
    "neither": palette.KINDS["redline"],
}


def write_page(
    runs: Sequence[str | Path], path: str | Path, *, title: str | None = None, unmasked: bool = False
) -> Path:
    """Write the report of one or several runs.

    Parameters
    ----------
    runs : sequence of path
        Run folders, or a folder of `compare` that holds them.
    path : path
        The page; a folder that is not there is made.
    title : str, optional
    unmasked : bool
        Show everything of runs whose scenario masks features (`[output.mask]`).

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If a folder is no run, a file in it is damaged, or the page cannot be written there.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file such as {path / 'report.html'}")
    text = page(read_runs(find_runs(runs), unmasked=unmasked), title)
    guard_path(path.parent)
    with blaming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return path


def page(runs: Sequence, title: str | None = None) -> str:
    """The page as text; the same runs give the same text.

    Parameters
    ----------
    runs : sequence of Loaded
    title : str, optional
    """
    shown, blobs = content(runs, title)
    shown |= {"texts": TEXTS, "words": WORDS, "titles": TITLES}
    shown["colours"] = {
        "land": palette.LAND,
        "sea": palette.SEA,
        "outside": palette.OUTSIDE,
        "tenure": TENURE_COLOURS,
    }
    scripts = [read(name) for name in SCRIPTS]
    parts = {
        "styles": "\n".join(map(read, STYLES)),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
        # scripts run by their digest only: whatever a text says, it cannot become one
        "hashes": " ".join(f"'sha256-{digest(script)}'" for script in scripts),
        "content": as_json(shown),
        "blobs": as_json(blobs),
        "version": __version__,
        "title": html.escape(title or ", ".join(run.summary["title"] or run.name for run in runs)),
    }
    # in one pass, so that a value that looks like a placeholder stays as it is
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], read("template.html"))


def read(name: str) -> str:
    """A file of the page. Source maps and pictures that it names are not embedded."""
    text = (STATIC / name).read_text(encoding="utf-8")
    text = re.sub(r"//# sourceMappingURL=.*", "", text)
    return re.sub(r"url\((?:images/[^)]*|#default#VML)\)", "none", text)


def digest(script: str) -> str:
    """SHA-256 as a content security policy writes it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
