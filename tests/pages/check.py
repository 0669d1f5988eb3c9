#!/usr/bin/env python3
"""Makes the pages of readyc by real runs, and looks at them in a real Chromium: nothing on the console,
no scrolling sideways at 320, 400 and 1400 pixels, light and dark that differ, the verdict in sight, the
values of every chart by keyboard, and nothing cut on A4. trace_page.py has the pages of traces.

    tests/pages/check.py [--readyd PROGRAM] [--readyc PROGRAM] [--keep FOLDER]

Without a Chromium (Debian: chromium-headless-shell) or pdftotext (poppler-utils) it says so and does
nothing; with READYD_REQUIRE_TOOLS set, that is a failure."""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import chromium
import trace_page

WIDTHS = (320, 400, 1400)
PHONE = (400, 800)
TAB = 9
FAILURES = []


def expect(is_so, page, what):
    if not is_so:
        FAILURES.append(f"{page}: {what}")


def serve(readyd):
    """Starts a server of the framed protocol; the process, and its address."""
    process = subprocess.Popen([readyd, "--listen", "framed=127.0.0.1:0", "--log", "info"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for stream in (process.stderr, process.stdout):
        for line in stream:
            if found := re.search(r"127\.0\.0\.1:(\d+)", line):
                return process, f"127.0.0.1:{found[1]}"
    raise RuntimeError("the server named no address")


def make_pages(readyc, addresses, folder):
    """Makes a page of each kind. Some of the runs fall short, and are meant to."""
    here, other, nobody = addresses
    run = lambda *words: subprocess.run([readyc, *words], cwd=folder, capture_output=True, timeout=60)
    load = lambda *words: run("bench", "-q", *words)
    load(here, "-c", "8", "-d", "2s", "-R", "400", "--warmup", "1s", "--storm", "1s",
         "--mix", "echo=80,daytime=20", "--html", "bench.html", "-j", "before.json")
    load(here, other, nobody, "-c", "9", "-d", "1s", "-j", "after-a-change-with-a-long-name.json",
         "--html", "servers.html")
    load(here, "-c", "1", "-n", "1", "--html", "single.html")
    sides = ("before.json", "after-a-change-with-a-long-name.json")
    run("compare", *sides, "--html", "compare.html")
    load(here, "-c", "4", "-d", "1s", "-j", "a.json")
    load(here, "-c", "4", "-d", "1s", "-j", "b.json")
    run("merge", "a.json", "b.json", "-o", "merged.json", "--html", "merge.html")
    run("bench", here, "-c", "4", "--find", "rate", "--rate", "500", "--goal", "p90<1s,errors<50%",
        "--find-time", "7s", "--html", "find.html")


def look_at_any(browser, path):
    """What holds for every page, on a screen of each size, in the light and in the dark."""
    page = path.name
    for width in WIDTHS:
        browser.open(path, width)
        said = [event for event in browser.events if event["method"] in
                ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")]
        expect(not said, page, f"the console says {said}")
        asked = {event["params"]["request"]["url"] for event in browser.events
                 if event["method"] == "Network.requestWillBeSent"}
        expect(asked <= {f"file://{path}"}, page, f"it fetches {asked}")
        wide = browser.evaluate("document.scrollingElement.scrollWidth")
        expect(wide <= width, page, f"{wide} pixels wide at {width}")
    colours = []
    for is_dark in (False, True):
        browser.open(path, *PHONE, is_dark=is_dark)
        colours.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    expect(colours[0] != colours[1], page, f"light and dark are both {colours[0]}")


def look(browser, path):
    """What a person would see of a report."""
    page = path.name
    look_at_any(browser, path)
    browser.open(path, *PHONE)
    bottom = browser.evaluate("document.querySelector('.banner h2').getBoundingClientRect().bottom")
    expect(0 < bottom <= PHONE[1], page, f"the verdict ends at {bottom} of {PHONE[1]} pixels")
    # The remarks of a table, its verdicts, are in sight without scrolling sideways.
    hidden = browser.evaluate("""[...document.querySelectorAll('td.words')].filter(cell => {
        const box = cell.getBoundingClientRect();
        const view = cell.closest('.scroll').getBoundingClientRect();
        return box.width && cell.textContent && (box.left < 0 || box.right > innerWidth + 1
            || box.right > view.right + 1);
    }).map(cell => cell.textContent)""")
    expect(not hidden, page, f"out of sight at {PHONE[0]} pixels: {hidden}")


def read_by_keyboard(browser, path):
    """Goes through the page by Tab, and unfolds what can be unfolded by Enter."""
    page = path.name
    browser.open(path, 1400)
    stops = browser.evaluate("document.querySelectorAll('figure').length")
    folds = browser.evaluate("document.querySelectorAll('details').length")
    expect(stops > 0 or page == "single.html", page, "no chart")
    expect(folds >= stops, page, f"{stops} charts have {folds} tables of values")
    visited = set()
    for _ in range(4 * folds):
        browser.press("Tab", TAB)
        at = browser.evaluate("[...document.querySelectorAll('summary')].indexOf(document.activeElement)")
        if at >= 0 and at not in visited:
            visited.add(at)
            browser.press("Enter", 13, text="\r")
    unseen = browser.evaluate("""[...document.querySelectorAll('figure')].filter(figure =>
        !(figure.querySelector('details[open] td')?.getBoundingClientRect().height > 0)
    ).map(figure => figure.querySelector('figcaption').textContent)""")
    expect(not unseen, page, f"no values by keyboard of {unseen}")


def words_of(text):
    return re.sub(r"\s+", "", text)


def print_on_paper(browser, path):
    """Prints the page: every chart and every row is on one sheet, and headings have what follows."""
    page = path.name
    browser.open(path, 1400)
    pdf = path.with_suffix(".pdf")
    browser.pdf(pdf)
    text = subprocess.run(["pdftotext", "-raw", pdf, "-"], capture_output=True, text=True, check=True)
    sheets = [words_of(sheet) for sheet in text.stdout.split("\f")]
    # What belongs together: a chart's caption and all its words, a heading and what begins below
    # it, a table's caption and its first row, the cells of a row.
    groups = browser.evaluate("""(() => {
        const words = element => element.textContent;
        const groups = [];
        for (const figure of document.querySelectorAll('figure')) {
            const texts = [...figure.querySelectorAll('svg.wide text')].map(words);
            groups.push([words(figure.querySelector('figcaption')), ...texts]);
        }
        for (const table of document.querySelectorAll('table')) {
            if (table.closest('details')) continue;
            const rows = [...table.tBodies[0].rows].map(row => [...row.cells].map(words));
            groups.push([words(table.caption), ...rows[0] ?? []], ...rows);
        }
        for (const heading of document.querySelectorAll('h2, h3')) {
            const next = heading.nextElementSibling?.querySelector('figcaption, caption, p, li');
            if (next && !next.closest('details')) groups.push([words(heading), words(next)]);
        }
        return groups;
    })()""")
    for group in groups:
        parts = [words_of(part) for part in group if part.strip()]
        # A long text may be broken in the middle of a word, but not its beginning and its end.
        needed = [end for part in parts for end in {part[:12], part[-12:]}]
        is_whole = any(all(part in sheet for part in needed) for sheet in sheets)
        expect(is_whole, page, f"cut on paper: {' | '.join(group)[:200]}")
    return len(sheets) - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--readyd", default="target/debug/readyd")
    parser.add_argument("--readyc", default="target/debug/readyc")
    parser.add_argument("--keep", help="leave the pages in this folder")
    arguments = parser.parse_args()
    missing = [name for name, path in (("a Chromium", chromium.program()),
                                       ("pdftotext", shutil.which("pdftotext"))) if not path]
    if missing:
        print(f"SKIPPED: the pages, for want of {' and '.join(missing)}", file=sys.stderr)
        sys.exit(1 if os.environ.get("READYD_REQUIRE_TOOLS") else 0)
    readyd, readyc = (str(Path(path).resolve()) for path in (arguments.readyd, arguments.readyc))
    with tempfile.TemporaryDirectory(prefix="pages-") as scratch:
        folder = Path(arguments.keep or scratch).resolve()
        folder.mkdir(exist_ok=True)
        servers = [serve(readyd) for _ in range(3)]
        addresses = [address for _, address in servers]
        # Nobody listens at the third one's address any more.
        stop(servers.pop()[0])
        try:
            make_pages(readyc, addresses, folder)
            traces = trace_page.make_pages(readyd, readyc, folder)
        finally:
            for process, _ in servers:
                stop(process)
        pages = ["bench", "servers", "single", "compare", "merge", "find"]
        with chromium.Chromium() as browser:
            for name in pages:
                path = folder / f"{name}.html"
                if not path.exists():
                    expect(False, path.name, "it was not made")
                    continue
                look(browser, path)
                read_by_keyboard(browser, path)
                sheets = print_on_paper(browser, path)
                print(f"{path.name}: looked at, {sheets} sheets of paper")
            pages += trace_page.check(browser, traces, look_at_any, expect)
    for failure in FAILURES:
        print(f"FAILED: {failure}", file=sys.stderr)
    failed = {failure.split(":")[0] for failure in FAILURES}
    print(f"pages: {len(pages) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if FAILURES else 0)


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=10)
    for stream in (process.stdout, process.stderr):
        stream.close()


main()
