"""The page in a real browser, opened from disk: asserted on what is seen, not on what the code says."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_report import EVIL, EVIL_TITLE, ZONES, landscape_of, save_all

from prioritize.maplayers import write_map_layers
from prioritize.report.page import write_page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
CHROMIUM = os.environ.get("PRIORITIZE_CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
DRIVER = os.environ.get("PRIORITIZE_CHROMEDRIVER") or shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found (set PRIORITIZE_CHROMIUM)"),
    pytest.mark.skipif(DRIVER is None, reason="no chromedriver found (set PRIORITIZE_CHROMEDRIVER)"),
]
SWITCHES = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --lang=en-GB"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Iterator:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in SWITCHES.split():
        options.add_argument(switch)
    profile = tmp_path_factory.mktemp("profile")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    started.set_script_timeout(20)
    yield started
    started.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        kind: write_page(save_all(folder / kind, kind), folder / f"{kind}.html")
        for kind in ("grid", "polygons", "nowhere")
    }


def visit(driver, path: Path, width: int = 1440, height: int = 900) -> SimpleNamespace:
    """Open a page from disk with the network cut; what the browser logged and asked for comes along."""
    driver.execute_cdp_cmd("Network.enable", {})
    cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get_log("browser"), driver.get_log("performance")
    started = time.perf_counter()
    driver.get(path.as_uri())
    until(driver, lambda: driver.execute_script("return document.documentElement.dataset.ready") == "en")
    seconds = time.perf_counter() - started
    asked = [entry["message"] for entry in driver.get_log("performance") if "requestWillBeSent" in entry["message"]]
    return SimpleNamespace(seconds=seconds, asked=asked, logged=driver.get_log("browser"))


def until(driver, condition, seconds: float = 15.0):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("not seen in time")


def find(driver, selector: str):
    return driver.find_element("css selector", selector)


def find_all(driver, selector: str):
    return driver.find_elements("css selector", selector)


def click(driver, node) -> None:
    """Scroll to an element at once, and click on it as a hand would."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", node)
    node.click()


def select(driver, selector: str, text: str) -> None:
    node = find(driver, selector)
    next(option for option in node.find_elements("tag name", "option") if option.text == text).click()


def picture(driver, selector: str) -> bytes:
    """What is seen of an element, as PNG."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", find(driver, selector))
    time.sleep(0.15)
    return find(driver, selector).screenshot_as_png


def colours(png: bytes) -> dict[tuple[int, int, int], int]:
    import matplotlib.image
    import numpy as np

    pixels = (matplotlib.image.imread(io.BytesIO(png))[..., :3] * 255).round().astype(int).reshape(-1, 3)
    found, count = np.unique(pixels, axis=0, return_counts=True)
    return {tuple(colour): int(n) for colour, n in zip(found.tolist(), count.tolist(), strict=True)}


GREEN, BLUE = (0, 158, 115), (0, 114, 178)


@pytest.mark.parametrize("kind", ["grid", "polygons", "nowhere"])
def test_opens_from_disk_without_network_and_without_errors(driver, pages, kind):
    opened = visit(driver, pages[kind])
    assert opened.logged == []
    assert all("file://" in message or '"url":"data:' in message for message in opened.asked)
    assert find(driver, "h1").text == "Comparison of 2 conservation scenarios"
    assert len(find_all(driver, ".card")) == 2 and "Costs" in find(driver, ".card p").text
    proof = find(driver, ".card .proof").text
    assert "Proven to be the best possible." in proof or "tree search claims 0 %" in proof
    assert len(find_all(driver, ".figure")) == 4
    assert len(find_all(driver, "#map canvas")) == (0 if kind == "nowhere" else 3)
    assert len(find_all(driver, "#chart-area canvas")) >= 4


def test_hostile_names_are_shown_and_do_not_run(driver, pages):
    visit(driver, pages["grid"])
    assert EVIL_TITLE in find(driver, "#cards").text
    assert EVIL in [option.text for option in find_all(driver, "#layer-left option")]
    select(driver, "#layer-left", EVIL)
    open_table(driver, "features")
    assert EVIL in find(driver, "details[data-name=features] tbody").text
    # neither an element nor a dialog came of it
    assert find_all(driver, "img[src=x]") == [] and driver.execute_script("return document.scripts.length") == 11
    with pytest.raises(Exception, match="no such alert"):
        _ = driver.switch_to.alert
    assert driver.get_log("browser") == []


def test_nothing_that_is_put_in_later_runs_either(driver, pages):
    """The policy of the page, not only our care."""
    visit(driver, pages["grid"])
    code = "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.ran=1\">');"
    code += "const s = document.createElement('script'); s.textContent = 'window.ran = 2'; document.body.append(s);"
    driver.execute_script(code)
    time.sleep(0.3)
    assert driver.execute_script("return window.ran") is None
    assert any("Content Security Policy" in entry["message"] for entry in driver.get_log("browser"))


@pytest.mark.parametrize("kind", ["grid", "polygons"])
def test_the_map_switches(driver, pages, kind):
    visit(driver, pages[kind])
    click(driver, find(driver, "#swipe-on"))
    assert colours(picture(driver, "#map")).get(BLUE, 0) == 0
    select(driver, "#scenario-left", EVIL_TITLE)
    both = colours(picture(driver, "#map"))
    assert (both[BLUE] > 500 and BLUE not in colours(first := picture(driver, "#map"))) or first
    select(driver, "#layer-left", "Cost")
    cost = colours(picture(driver, "#map"))
    assert cost.get(BLUE, 0) == cost.get(GREEN, 0) == 0 and cost[(0xFE, 0xC4, 0x4F)] > 500
    assert "up to" in find(driver, "#legend-left").text
    select(driver, "#layer-left", "How many scenarios select a unit")
    assert "2 of 2 scenarios" in find(driver, "#legend-left").text
    select(driver, "#layer-left", "Existing areas")
    assert "OECM candidate" in find(driver, "#legend-left").text


def test_the_map_zooms(driver, pages):
    visit(driver, pages["grid"])
    before = find(driver, ".leaflet-control-scale-line").text
    for _ in range(6):
        click(driver, find(driver, ".leaflet-control-zoom-in"))
    after = find(driver, ".leaflet-control-scale-line").text
    assert before.endswith("km") and before != after


def test_the_swipe_moves(driver, pages):
    from selenium.webdriver import ActionChains

    visit(driver, pages["grid"])
    driver.execute_script("document.getElementById('map').scrollIntoView({block: 'center', behavior: 'instant'})")
    half = colours(picture(driver, "#map")).get(BLUE, 0)
    handle = find(driver, "#swipe")
    assert handle.get_attribute("aria-valuenow") == "50" and half > 0
    ActionChains(driver).drag_and_drop_by_offset(handle, -300, 0).perform()
    assert int(handle.get_attribute("aria-valuenow")) < 30
    most = colours(picture(driver, "#map"))[BLUE]  # the right map holds OECMs, the left one does not
    driver.execute_script("document.getElementById('swipe').focus()")
    ActionChains(driver).send_keys("\ue010").perform()  # End
    assert handle.get_attribute("aria-valuenow") == "100"
    assert most > half > colours(picture(driver, "#map")).get(BLUE, 0)


@pytest.mark.parametrize("kind", ["grid", "polygons"])
def test_pointing_at_the_map_reads_the_unit(driver, pages, kind):
    visit(driver, pages[kind])
    driver.execute_script("document.getElementById('map').scrollIntoView({block: 'center', behavior: 'instant'})")
    # the first unit lies in the corner at the top left: land, the north, protected today
    point = (
        "const f = view.frame, p = view.map.latLngToContainerPoint([-f.height / 24, f.width / 30]);"
        "const b = document.getElementById('map').getBoundingClientRect(); return [b.left + p.x, b.top + p.y];"
    )
    x, y = driver.execute_script(point)
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    text = until(driver, lambda: "unit" in (seen := find(driver, "#readout").text) and "1000" in seen and seen)
    assert "Planning unit 1000" in text and "land" in text and "North" in text and "protected" in text
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x - 40, "y": y})
    until(driver, lambda: "No planning unit here" in find(driver, "#readout").text)


def open_table(driver, name: str) -> None:
    node = find(driver, f"details[data-name={name}]")
    if node.get_attribute("open") is None:
        driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", node)
        node.find_element("css selector", "summary").click()
    until(driver, lambda: node.find_elements("css selector", "tbody tr"))


def column(driver, name: str, index: int) -> list[str]:
    return [node.text for node in find_all(driver, f"details[data-name={name}] tbody td:nth-child({index})")]


def test_the_sort_sorts_and_the_filter_filters(driver, pages):
    visit(driver, pages["grid"])
    open_table(driver, "features")
    heads = find_all(driver, "details[data-name=features] th")
    names = [head.text for head in heads]
    index = names.index("Total")
    definition = heads[index].get_attribute("title")
    assert definition and definition.endswith(".")
    numbers = [float(text.replace(",", "")) for text in column(driver, "features", index + 1)]
    assert numbers != sorted(numbers)
    click(driver, heads[index].find_element("tag name", "button"))
    assert [float(t.replace(",", "")) for t in column(driver, "features", index + 1)] == sorted(numbers)
    assert heads[index].get_attribute("aria-sort") == "ascending"
    click(driver, heads[index].find_element("tag name", "button"))
    assert [float(t.replace(",", "")) for t in column(driver, "features", index + 1)] == sorted(numbers, reverse=True)
    open_table(driver, "comparison")
    search = find(driver, "details[data-name=comparison] input[type=search]")
    search.send_keys("targets")
    assert column(driver, "comparison", 1) == ["targets met"]


def test_the_csv_downloads(driver, pages, tmp_path):
    visit(driver, pages["grid"])
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    open_table(driver, "features")
    click(driver, find(driver, "details[data-name=features] button.csv"))
    path = tmp_path / "features.csv"
    until(driver, path.exists)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert rows[0][:2] == ["scenario", "feature"] and len(rows) == 7
    assert {row[1] for row in rows[1:]} == {"bird", EVIL, "water"}


def test_the_language_switches(driver, pages):
    visit(driver, pages["grid"])
    english = find(driver, "main").text
    find(driver, "#language").click()
    assert find(driver, "h1").text == "2 个保护情景的比较"
    assert find(driver, "nav a").text == "概览" and find(driver, "#language").text == "English"
    assert driver.execute_script("return document.documentElement.lang") == "zh-CN"
    assert "所选区域" in find(driver, "#layer-left").text and "成本" in find(driver, "#figures").text
    assert EVIL_TITLE in find(driver, "#cards").text
    find(driver, "#language").click()
    assert find(driver, "main").text == english
    assert driver.get_log("browser") == []


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("kind", ["grid", "polygons", "nowhere"])
def test_nothing_is_wider_than_the_window(driver, pages, kind, width):
    visit(driver, pages[kind], width)
    inner, page = driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    assert page <= inner == width
    for selector in ("h1", ".card", ".figure", ".chart"):
        for node in find_all(driver, selector):
            box = node.rect
            assert box["x"] >= 0 and box["x"] + box["width"] <= width + 1, selector
    if kind != "nowhere":
        frame = find(driver, "#map").rect
        for selector in ("#swipe", "#north", "#name-left", "#name-right"):
            box = find(driver, selector).rect
            assert frame["y"] <= box["y"] and box["y"] + box["height"] <= frame["y"] + frame["height"] + 2, selector


def test_a_million_units_open(driver, tmp_path):
    """The figures are those of a small run; the maps, which make the page large, are those of a million units."""
    folders = save_all(tmp_path / "runs")
    for folder, (name, zones) in zip(folders, ZONES.items(), strict=True):
        large = landscape_of(zones=zones, side=(1000, 1001))
        chosen = large.status > 0
        chosen[:, -1] |= (large.cost[:, -1] < (1.2 if name == "pa_only" else 0.7)) & ~chosen.any(axis=1)
        write_map_layers(folder, large, chosen)
        summary = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps({**summary, "units": len(large.cost)}))
    page = write_page(folders, tmp_path / "page.html")
    assert page.stat().st_size < 25e6
    opened = visit(driver, page)
    assert opened.seconds < 10 and opened.logged == []
    assert "one row and column in 2 is drawn" in find(driver, "#map-foot").text
    assert colours(picture(driver, "#map"))[BLUE] > 100


def test_prints_on_a4(driver, pages):
    visit(driver, pages["grid"])
    done = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    import base64
    import re

    pdf = base64.b64decode(done["data"])
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf))
    assert len(boxes) == 1
    wide, tall = (float(value) for value in boxes.pop())
    assert wide == pytest.approx(595.3, abs=1) and tall == pytest.approx(841.9, abs=1)
    assert driver.execute_script("return document.body.className") == ""
