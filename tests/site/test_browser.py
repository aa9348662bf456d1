"""The built site in a browser, as a reader opens it: from files, narrow and wide, light and dark."""

import os
import re
import shutil
import sys
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from built import ROOT, SITE

pytestmark = pytest.mark.site
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
# The first page that a pattern finds, or all where it has two stars.
SAMPLE = (
    *("index.html", "search.html", "genindex.html", "ladder/**/*.html", "how-to/[!i]*.html"),
    *("generated/api/*AlternatingLeastSquares.html", "reference/commands/[!i]*.html"),
    *("generated/notebook.html", "generated/reports/[!i]*.html", "measurements.html"),
    *("explanation/[!i]*.html", "glossary.html", "generated/source/solvers/c*.html"),
)
SHOTS = ROOT / "build" / "site-shots"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Rows of a table, and blocks and words of code, look alike: the first of them tell of all.
SHORTEN = """() => {
    const far = ["tbody tr:nth-child(n+4)", "svg *:nth-child(n+20)", ".highlight span:nth-child(n+50)",
                 ".sidebar-tree li li:nth-child(n+4)", "table.genindextable li:nth-child(n+9)"];
    far.forEach(one => document.querySelectorAll(one).forEach(node => node.remove()));
    const kinds = {".highlight": 4, "table": 4, "math": 10, "dd > dl.py": 4, "article p": 20};
    for (const [kind, most] of Object.entries(kinds))
        [...document.querySelectorAll(kind)].slice(most).forEach(node => node.remove());
}"""
FORMULAS = """() => [...document.querySelectorAll("math")]
    .filter(one => one.parentElement.checkVisibility())
    .filter(one => {
        const box = one.getBoundingClientRect(), around = one.closest(".formula");
        const hidden = around && around.scrollWidth > around.clientWidth + 1
            && getComputedStyle(around).overflowX !== "auto";
        return !(box.width > 0 && box.height > 0) || hidden;
    }).map(one => one.textContent)"""
IMAGES = """() => [...document.images].filter(one => !(one.complete && one.naturalWidth > 0))
    .map(one => one.getAttribute("src"))"""
WIDER = """() => {
    if (document.documentElement.scrollWidth <= window.innerWidth) return [];
    return [document.documentElement.scrollWidth, ...[...document.body.querySelectorAll("article *")]
        .filter(one => one.getBoundingClientRect().right > window.innerWidth)
        .slice(0, 5).map(one => one.outerHTML.slice(0, 100))];
}"""

WHOLE = {"formula": FORMULAS, "image": IMAGES, "wider than the window": WIDER}


def sample():
    """Return the pages that are opened, by their paths."""
    found = []
    for pattern in SAMPLE:
        files = sorted(SITE.glob(pattern))
        found += files if "**" in pattern else files[:1]
    return [file.relative_to(SITE).as_posix() for file in found]


def closely():
    """Return those that are looked at closely, which takes seconds: some of the ladder's are enough."""
    ladder = "ladder/cpu/cho*", "ladder/cuda/cg-8*"
    return [
        name
        for name in sample()
        if not name.startswith("ladder/") or any(fnmatch(name, one) for one in ladder)
    ]


def missing(reason):
    """Skip, or fail where a browser must be there."""
    if os.environ.get("HALFSTEP_BROWSER") == "required":
        pytest.fail(f"HALFSTEP_BROWSER=required, and {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    assert (SITE / "index.html").is_file(), "no site in build/site: make site builds it"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed: the extra `browser` has it")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing("no chromium is installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, headless=True, args=list(ARGUMENTS)
        )
        yield opened
        opened.close()


@contextmanager
def window(browser, size=WIDE, scheme="light"):
    """Open a window; when it closes, its pages must have said nothing and asked for no other place."""
    context = browser.new_context(viewport=size, color_scheme=scheme)
    said = []
    site = SITE.as_uri() + "/"

    def note(request):
        if urlsplit(request.url).scheme != "data" and not request.url.startswith(site):
            said.append(f"asked for {request.url}")

    context.route(re.compile("^(?!file:|data:)"), lambda route: route.abort())
    context.on("request", note)
    context.on(
        "console",
        lambda one: said.append(one.text) if one.type in ("error", "warning") else None,
    )
    context.on("weberror", lambda one: said.append(str(one.error)))
    yield context.new_page()
    context.close()
    assert said == []


def violations(page, **options):
    """Return what axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    given = {"preload": False, "iframes": False, "resultTypes": ["violations"], **options}
    return [
        f"{one['id']}: {node['target']} {node['html'][:160]}: {node['failureSummary']}"
        for one in Axe().run(page, options=given).response["violations"]
        for node in one["nodes"][:3]
    ]


def picture(page, name, size):
    """Leave a picture of a page's beginning for a person."""
    clip = {"x": 0, "y": 0, "width": size["width"], "height": 2000}
    page.screenshot(path=SHOTS / f"{name.replace('/', '-')}.png", clip=clip, full_page=True)


def test_the_sample_has_pages_of_each_section():
    folders = [
        one for one in ("how-to", "reference", "explanation") if (ROOT / "docs" / one).is_dir()
    ]
    names = sample()
    assert len(names) > 20
    for folder in (*folders, "ladder/cpu", "ladder/cuda", "generated/reports"):
        assert any(name.startswith(folder) for name in names), folder


@pytest.mark.parametrize("name", sample())
def test_a_page_fits_and_is_whole(browser, name):
    with window(browser, NARROW, "dark") as page:
        page.goto((SITE / name).as_uri())
        found = []
        for size in (NARROW, WIDE):
            page.set_viewport_size(size)
            for what, script in WHOLE.items():
                found += [f"{size['width']}, {what}: {one}" for one in page.evaluate(script)]
        assert not found, "\n".join(found)


@pytest.mark.parametrize("name", closely())
def test_a_page_can_be_read_by_all(browser, name):
    with window(browser) as page:
        page.goto((SITE / name).as_uri())
        for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            picture(page, f"{name.removesuffix('.html')}-{size['width']}-{scheme}", size)
        page.set_viewport_size(WIDE)
        page.evaluate(SHORTEN)
        # The two themes have the same elements: only their colours are looked at twice.
        dark = violations(page, runOnly={"type": "rule", "values": ["color-contrast"]})
        page.emulate_media(color_scheme="light")
        light = violations(page, runOnly={"type": "tag", "values": ["wcag2a", "wcag2aa"]})
        assert not light + dark, "\n".join(light + dark)


def test_the_search_box_finds_pages_from_a_file(browser):
    with window(browser) as page:
        page.goto((SITE / "index.html").as_uri())
        for words, finds in (("Woodbury", True), ("zzqxjw", False)):
            page.fill(".sidebar-search", words)
            page.press(".sidebar-search", "Enter")
            page.wait_for_url(f"**/search.html?q={words}*")
            results = page.locator("#search-results ul.search li a")
            if finds:
                results.first.wait_for()
                continue
            page.get_by_text("did not match any documents").wait_for()
            assert results.count() == 0
        page.go_back()
        page.locator("#search-results ul.search li a").first.click()
        page.wait_for_load_state()
        assert page.locator("article", has_text="Woodbury").count() == 1


def test_the_theme_can_be_chosen(browser):
    with window(browser) as page:
        page.goto((SITE / "index.html").as_uri())
        colours = {}
        for _ in range(3):
            page.locator(".theme-toggle:visible").click()
            theme = page.evaluate("document.body.dataset.theme")
            colours[theme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sorted(colours) == ["auto", "dark", "light"]
        assert colours["light"] == colours["auto"] != colours["dark"]


def test_the_first_tab_stop_leads_past_or_into_the_navigation(browser):
    with window(browser) as page:
        page.goto((SITE / "index.html").as_uri())
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement.matches('.skip-to-content, .sidebar-drawer *')"
        )


def test_wide_boxes_are_reached_by_the_keyboard(browser):
    with window(browser, NARROW) as page:
        page.goto((SITE / "measurements.html").as_uri())
        box = page.locator(".table-wrapper").first
        assert box.evaluate("one => one.scrollWidth > one.clientWidth")
        box.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.scrollLeft > 0")
