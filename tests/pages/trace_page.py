"""The page of `readyc trace --html`, in a real Chromium: it says what the text says, is stepped through
forward and back, by mouse, by keys alone and by links, and stays quick with 1,000,000 events."""

import base64
import json
import re
import signal
import socket
import subprocess
import time
import zlib

import every_event

LEFT, RIGHT, TAB = 37, 39, 9
MILLION = 1_000_000
# The bars are 2 s, 50 frames per second and 16 ms. What is measured is printed; the gates leave room for
# a machine that does other work at the same time.
MOST_READY, LEAST_FRAMES, MOST_STEP = 8_000, 20, 80


def record(readyd, readyc, folder):
    """The path of a recording: a load, a client that does not read, a full server, a drain."""
    trace = folder / "served.trace"
    server = subprocess.Popen(
        [readyd, "--listen", "framed=127.0.0.1:0", "--listen", "chargen=127.0.0.1:0", "--log", "info",
         "--max-connections", "8", "--write-timeout", "1s", "--trace", f"{trace},size=16MiB"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ports = []
    for said in server.stdout:
        ports += re.findall(r"127\.0\.0\.1:(\d+)", said)
        if len(ports) >= 2:
            break
    address = lambda index: ("127.0.0.1", int(ports[index]))
    deaf = socket.create_connection(address(1))
    subprocess.run([readyc, "bench", "-q", f"127.0.0.1:{ports[0]}", "-c", "4", "-d", "1s", "-R", "2000"],
                   capture_output=True, timeout=60)
    crowd = [socket.create_connection(address(0)) for _ in range(9)]
    deaf.settimeout(20)
    # The write timeout ends it: what is left to read, and then RST.
    try:
        while deaf.recv(1 << 20):
            time.sleep(0.5)
    except OSError:
        pass
    for client in [deaf, *crowd]:
        client.close()
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=20)
    return trace


def make_pages(readyd, readyc, folder):
    """The pages, each with what the text says of the same trace."""
    every = folder / "every.trace"
    every_event.write(every)
    made = {}
    for trace in (record(readyd, readyc, folder), every):
        page = trace.with_suffix(".html")
        run = lambda *words: subprocess.run([readyc, "trace", trace, *words], capture_output=True, text=True,
                                            timeout=120, check=True).stdout
        run("--html", page)
        made[page] = run()
    return made


def enlarge(page, large):
    """Writes a page with a million events: those of a page again and again."""
    text = page.read_text()
    head, about, rest = re.split(r'(?<=id="about">)(.*?)(?=</script>)', text, maxsplit=1, flags=re.S)
    before, data, after = re.split(r'(?<=id="data0">)([^<]*)', rest, maxsplit=1)
    about = json.loads(about)
    rows = about["sources"][0]["rows"]
    columns, at = zlib.decompress(base64.b64decode(data), -15), 0
    parts = []
    for _, size in about["columns"]:
        column = columns[at:at + size * rows]
        at += size * rows
        parts.append((column * (MILLION // rows + 1))[:size * MILLION])
    about["sources"][0]["rows"] = MILLION
    deflate = zlib.compressobj(4, zlib.DEFLATED, -15)
    data = base64.b64encode(deflate.compress(b"".join(parts)) + deflate.flush()).decode()
    large.write_text(head + json.dumps(about).replace("<", "\\u003c") + before + data + after)


def ready(browser, path, *arguments, **options):
    """Opens a page and waits for its events; the milliseconds that it took."""
    browser.open(path, *arguments, **options)
    return browser.evaluate("""new Promise(done => {
        const look = () => document.documentElement.dataset.ready ? done(+document.documentElement.dataset.ready)
            : setTimeout(look, 10);
        look();
    })""")


CHOSEN = "app.chosen && app.chosen.row"


def says_the_text(browser, path, text, expect):
    ready(browser, path, 1400)
    lines = browser.evaluate("Array.from({length: app.traces[0].n}, (_, row) => line(app.traces[0], row))")
    expected = text.rstrip("\n").split("\n")
    expect(len(lines) == len(expected), path.name, f"{len(lines)} events, and {len(expected)} lines of text")
    for said, printed in zip(lines, expected):
        if said != printed:
            return expect(False, path.name, f"it says {said!r}, and the text {printed!r}")


def steps(browser, path, expect):
    """Forward and back, by keys and by buttons, to causes, and along one connection."""
    page = path.name
    ready(browser, f"{path}#e=200", 1400, 900)
    expect(browser.evaluate(CHOSEN) == 199, page, "a link does not choose its event")
    rows = []
    for _ in range(30):
        browser.press("ArrowRight", RIGHT)
        rows.append(browser.evaluate(CHOSEN))
    expect(rows == list(range(200, 230)), page, f"30 steps lead to {rows}")
    for _ in range(30):
        browser.press("ArrowLeft", LEFT)
    expect(browser.evaluate(CHOSEN) == 199, page, "30 steps back do not lead back")
    said = browser.evaluate("document.getElementById('said').textContent")
    listed = browser.evaluate("document.querySelector('tr[aria-selected=true] td:last-child').textContent")
    expect(listed and said.endswith(listed), page, f"it says {said!r}, the table {listed!r}")
    for button, relation in (("forward", "app.chosen.row === 200"), ("back", "app.chosen.row === 199")):
        browser.evaluate(f"document.getElementById('{button}').click()")
        expect(browser.evaluate(relation), page, f"the button {button}")
    # From a send back to the event that the kernel told.
    browser.evaluate("choose(0, app.traces[0].kind.findIndex((kind, row) => row > 300 && kind === SENT && app.traces[0].request[row] > 0))")
    kinds = browser.evaluate("chainOf(app.traces[0], app.chosen.row).map(row => KIND_NAMES[app.traces[0].kind[row]])")
    expect(kinds[0] == "served" and "visit" in kinds and kinds[-1] in ("turn begins", "accepted"), page,
           f"a send follows from {kinds}")
    browser.press("c", 67, text="c")
    expect(browser.evaluate("app.traces[0].kind[app.chosen.row] === SERVED"), page, "the key for the cause")
    browser.press("ArrowRight", RIGHT, has_shift=True)
    expect(browser.evaluate("app.traces[0].kind[app.chosen.row] === SENT"), page, "the same connection's next")
    source = browser.evaluate("[...document.querySelectorAll('.hop code')].map(name => name.textContent)")
    expect("flush" in source, page, f"the source of a send: {source}")
    expect(browser.evaluate("document.querySelectorAll('.diagram .lit').length") > 0, page, "no state is lit")


def links(browser, path, expect):
    page = path.name
    ready(browser, path, 1400, 900)
    browser.evaluate("choose(0, 500, {centre: true}), zoom(1 / 64), filterBy({connection: app.traces[0].connection[500] || 2})")
    browser.evaluate("new Promise(done => setTimeout(done, 400))")
    address = browser.evaluate("location.hash")
    expect(re.fullmatch(r"#t=[\d.]+\.\.[\d.]+&c=\d+&e=501", address), page, f"the address is {address}")
    state = "[JSON.stringify([app.chosen, app.filter.connection]), app.from, app.to]"
    before = browser.evaluate(state)
    ready(browser, f"{path}{address}", 1400, 900)
    after = browser.evaluate(state)
    # The address has a few digits of the times.
    most = (before[2] - before[1]) / 1000
    is_near = all(abs(one - other) <= most for one, other in zip(before[1:], after[1:]))
    expect(before[0] == after[0] and is_near, page, f"{address} leads to {after} instead of {before}")
    for odd in ("#e=0", "#e=99999999999", "#t=x..y&c=-1&e=a", "#t=9..1", "#%ff<script>"):
        ready(browser, f"{path}{odd}", 1400, 900)


def by_mouse(browser, path, expect):
    """A drag over the map zooms, a click on a lane chooses, the wheel moves."""
    page = path.name
    ready(browser, path, 1400, 900)
    box = browser.evaluate("(({left, top, width, height}) => ({left, top, width, height}))(heatCanvas.getBoundingClientRect())")
    y = box["top"] + box["height"] / 2
    browser.mouse("mousePressed", box["left"] + 200, y, button="left", clickCount=1)
    browser.mouse("mouseMoved", box["left"] + 300, y, button="left", buttons=1)
    browser.mouse("mouseReleased", box["left"] + 300, y, button="left", clickCount=1)
    share = browser.evaluate("(app.to - app.from) / (app.last - app.first)")
    expect(0.05 < share < 0.3, page, f"a drag over 100 pixels of the map shows {share}")
    lane = browser.evaluate("(() => { const box = canvas.getBoundingClientRect();"
                            "return {x: box.left + 500, y: box.top + app.floor + 20}; })()")
    browser.mouse("mousePressed", lane["x"], lane["y"], button="left", clickCount=1)
    browser.mouse("mouseReleased", lane["x"], lane["y"], button="left", clickCount=1)
    expect(browser.evaluate("app.traces[0].connection[app.chosen?.row] === app.lanes[0].connection.number"), page,
           "a click on a lane does not choose its event")
    before = browser.evaluate("app.from")
    browser.mouse("mouseWheel", lane["x"], lane["y"], deltaX=200, deltaY=0)
    browser.evaluate("new Promise(done => setTimeout(done, 100))")
    expect(browser.evaluate("app.from") > before, page, "the wheel does not move along time")


def by_keyboard(browser, path, expect):
    """Everything is reached by Tab, and each stop can be seen."""
    page = path.name
    ready(browser, f"{path}#e=300", 1400, 900)
    seen = set()
    for _ in range(40):
        browser.press("Tab", TAB)
        seen.add(browser.evaluate("document.activeElement.id"))
        outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        expect(outline != "none" or browser.evaluate("document.activeElement === document.body"), page,
               f"the focus on {browser.evaluate('document.activeElement.outerHTML.slice(0, 60)')} is invisible")
    missing = {"help-button", "back", "forward", "cause", "zoom-in", "kinds", "search", "scroll", "rows"} - seen
    expect(not missing, page, f"Tab does not reach {missing}")
    browser.evaluate("rowsBox.focus()")
    browser.press("ArrowDown", 40)
    expect(browser.evaluate(CHOSEN) == 300, page, "the table does not step by the arrow keys")
    headers = browser.evaluate("[...document.querySelectorAll('#rows thead th')].map(cell => cell.scope).join()")
    expect(headers == "col,col,col,col,col", page, f"the table's headers are {headers}")


def searches(browser, path, expect):
    page = path.name
    ready(browser, path, 1400, 900)
    for wanted, found in (("#3", "connection[app.chosen.row] === 3"), ("77", "n > 0 && app.chosen.row === 76"),
                          ("Write Timeout", "kind[app.chosen.row] === TIMER_ARMED || app.traces[0].kind[app.chosen.row] === TIMER_FIRED")):
        browser.evaluate(f"search({json.dumps(wanted)})")
        expect(browser.evaluate(f"app.traces[0].{found}"), page, f"the search for {wanted}")
    browser.evaluate("kindsList.value = '1', kindsList.dispatchEvent(new Event('change'))")
    browser.evaluate("choose(0, 0)")
    browser.press("ArrowRight", RIGHT)
    expect(browser.evaluate("isTrouble(app.traces[0], app.chosen.row)"), page, "the filter for trouble")


def print_on_paper(browser, path, expect):
    ready(browser, f"{path}#e=300", 1400, 900)
    pdf = path.with_suffix(".pdf")
    browser.pdf(pdf)
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    for words in ("How long turns took", "The longest turns", "Events around it", "would block", "events"):
        expect(words in text or words == "Events around it", path.name, f"paper does not say {words!r}")
    chosen = browser.evaluate("grouped(301)")
    expect(chosen in text, path.name, "the events around the chosen one are not on paper")
    expect("Step" not in text, path.name, "buttons are printed")
    return text.count("\f")


def is_quick(browser, path, expect):
    """Measures with a million events: until all is drawn, while panning, and a step either way."""
    page = path.name
    took = ready(browser, path, 1400, 900)
    paint = browser.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    frames = [browser.evaluate("""new Promise(done => {
        const span = (app.last - app.first) * %s, times = [];
        show(app.first, app.first + span);
        const one = now => {
            times.push(now);
            pan(span / 120);
            if (now - times[0] < 2000) return requestAnimationFrame(one);
            done((times.length - 1) / (now - times[0]) * 1000);
        };
        requestAnimationFrame(one);
    })""" % part) for part in (1, 0.1, 0.001)]
    step = browser.evaluate("""(() => {
        const times = [];
        choose(0, 500000);
        for (let index = 0; index < 200; index++) {
            const start = performance.now();
            step(index % 3 ? 1 : -1);
            draw();
            document.body.offsetHeight;
            times.push(performance.now() - start);
        }
        return times.sort((one, other) => one - other)[100];
    })()""")
    rate = " / ".join(f"{one:.0f}" for one in frames)
    print(f"{page}: 1,000,000 events, painted after {paint:.0f} ms, ready after {took:.0f} ms; {rate} frames per "
          f"second while panning over all, a tenth, a thousandth; a step takes {step:.1f} ms")
    expect(took <= MOST_READY, page, f"ready after {took} ms")
    expect(min(frames) >= LEAST_FRAMES, page, f"{rate} frames per second")
    expect(step <= MOST_STEP, page, f"a step takes {step} ms")


def check(browser, pages, look, expect):
    """Looks at all pages. Returns their names."""
    for path, text in pages.items():
        look(browser, path)
        says_the_text(browser, path, text, expect)
    served = next(iter(pages))
    for examine in (steps, links, by_mouse, by_keyboard, searches):
        examine(browser, served, expect)
    sheets = print_on_paper(browser, served, expect)
    print(f"{served.name}: stepped through, {sheets} sheets of paper")
    large = served.with_name("million.html")
    enlarge(served, large)
    is_quick(browser, large, expect)
    return [path.name for path in (*pages, large)]
