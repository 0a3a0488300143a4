"""The report page in a real Chromium: nothing is fetched, nothing complains, and no mouse is needed.

Its own target, `make test-browser`: a browser comes from the system (scripts/ci_packages.sh installs it).
"""

import http.server
import itertools
import shutil
import threading
from functools import partial

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from fma_prep.report.command import REPORT, main
from tests.report.datasets import HOSTILE, make_dataset, make_tracks

pytestmark = pytest.mark.slow

NARROW, WIDE = 360, 1280
CONTRAST = """
const channel = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : (((c / 255) + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = (text) => text.match(/[0-9.]+/g).map(Number);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
const texts = "p, h1, h2, h3, h4, dt, dd, a, summary, li, figcaption, th, td, code, button, span, text";
for (const element of document.querySelectorAll(texts)) {
  if (!element.textContent.trim() || !element.getClientRects().length || element.closest(".meter")) continue;
  const style = getComputedStyle(element);
  const ink = parse(element.closest("svg") ? style.fill : style.color);
  const [a, b] = [luminance(ink), luminance(behind(element.closest("figure") || element))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(element.outerHTML.slice(0, 120));
}
return poor;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return the URL of a report, served so that a request to anywhere else would be seen."""
    folder = tmp_path_factory.mktemp("browser")
    make_tracks(folder / "tracks")
    dataset = make_dataset(folder / "tracks", folder / "dataset")
    main([str(dataset)])
    handler = partial(Quiet, directory=str(dataset))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{REPORT}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    assert chromium, "no Chromium: run scripts/ci_packages.sh"
    assert driver, "no chromedriver: run scripts/ci_packages.sh"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture
def show(browser, page):
    """Return a function that shows the page at a width, light or dark."""

    def shown(width=WIDE, scheme="light"):
        feature = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == NARROW}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page)
        return browser

    return shown


def test_fetches_nothing_and_has_no_errors(show):
    browser = show()
    assert browser.get_log("browser") == []
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name.slice(0, 5))")
    assert set(fetched) <= {"data:"}


def test_a_hostile_name_ran_nothing(show):
    browser = show()
    assert browser.execute_script("return document.scripts.length") == 1
    assert HOSTILE in browser.find_element(By.ID, "listen").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(show, scheme):
    assert show(scheme=scheme).execute_script(CONTRAST) == []


@pytest.mark.parametrize("width", [NARROW, 768, WIDE])
def test_nothing_sticks_out(show, width):
    assert show(width).execute_script("return document.documentElement.scrollWidth") <= width


def test_the_sound_plays(show):
    browser = show()
    browser.set_script_timeout(20)
    lengths = browser.execute_async_script(
        """const done = arguments[0], players = [...document.querySelectorAll("audio")];
        Promise.all(players.map(p => p.readyState ? 0 : new Promise((yes, no) => {
            p.onloadedmetadata = yes; p.onerror = no; p.load(); })))
        .then(() => done(players.map(p => p.duration)), () => done("an error"));"""
    )
    assert lengths == pytest.approx([2.0, 3.0, 3.0], abs=0.1)


def test_pictures_are_there(show):
    widths = show().execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) == 6
    assert all(widths)


def test_works_without_a_mouse(show):
    browser = show()
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    first = browser.switch_to.active_element
    assert first.text == "Skip to the tracks"
    first.send_keys(Keys.ENTER)
    summary = browser.switch_to.active_element
    for _ in range(5):
        summary.send_keys(Keys.TAB)
        summary = browser.switch_to.active_element
        if summary.tag_name == "summary":
            break
    summary.send_keys(Keys.ENTER)
    opened = summary.find_element(By.XPATH, "..")
    assert opened.get_attribute("open")
    assert "cut.mp3" in opened.text or "page.mp3" in opened.text


def test_the_snippet_is_copied(show):
    browser = show()
    browser.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    button = browser.find_element(By.CSS_SELECTOR, ".snippet button")
    browser.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.SPACE)
    code = browser.find_element(By.CSS_SELECTOR, ".snippet code").text
    copied = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])")
    assert copied.strip() == code.strip()


def test_a_screen_reader_hears_what_there_is(show):
    tree = show().execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told = [n for n in tree if not n.get("ignored")]
    for node in told:
        if node["role"]["value"] in {"image", "button", "link", "Audio", "region", "heading", "article"}:
            assert node.get("name", {}).get("value"), node
    levels = [
        next(p["value"]["value"] for p in n["properties"] if p["name"] == "level")
        for n in told
        if n["role"]["value"] == "heading"
    ]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
