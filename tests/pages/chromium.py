"""A headless Chromium, driven over a pair of pipes (--remote-debugging-pipe): no port, no driver, and
nothing but Python's standard library."""

import base64
import json
import os
import shutil
import subprocess
import tempfile

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

# The background services would ask hosts on the network.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe")


def program():
    """The path of a Chromium, or None."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


class Chromium:
    """A browser with one page. Use it in a `with`."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="pages-")
        # The browser reads commands from descriptor 3 and writes answers to 4.
        commands_read, commands_write = os.pipe()
        answers_read, answers_write = os.pipe()
        arrange = f'exec "$@" 3<&{commands_read} 4>&{answers_write}'
        arguments = [program(), *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", arrange, "chromium", *arguments],
            pass_fds=(commands_read, answers_write), stderr=subprocess.DEVNULL)
        os.close(commands_read)
        os.close(answers_write)
        self.commands = os.fdopen(commands_write, "wb", buffering=0)
        self.answers = os.fdopen(answers_read, "rb")
        self.number = 0
        self.session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.commands.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.answers.close()
        self.profile.cleanup()

    def _message(self):
        data = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser has gone")
            data += byte
        return json.loads(data)

    def call(self, method, **params):
        """Calls a method of the browser's debugging protocol."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        self.commands.write(json.dumps(command).encode() + b"\0")
        while (message := self._message()).get("id") != self.number:
            self.events.append(message)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    def open(self, path, width, height=800, is_dark=False):
        """Shows a file at this width in pixels, and waits until it is loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        # From one fragment of a page to another there is no load event, so leave the page first.
        for url in ("about:blank", f"file://{path}"):
            self.events.clear()
            self.call("Page.navigate", url=url)
            while not any(event["method"] == "Page.loadEventFired" for event in self.events):
                self.events.append(self._message())

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page, or what its promise becomes."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def press(self, key, code, text=None, has_shift=False):
        """Presses a key; `text` is what it types."""
        types = {"text": text} if text else {}
        shift = {"modifiers": 8} if has_shift else {}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=key,
                  code=key, windowsVirtualKeyCode=code, **types, **shift)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key,
                  windowsVirtualKeyCode=code, **shift)

    def mouse(self, kind, x, y, **more):
        """A mouse event: mousePressed, mouseMoved, mouseReleased, mouseWheel."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def screenshot(self, file, whole=True):
        """Writes what the page shows as a PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        with open(file, "wb") as out:
            out.write(base64.b64decode(data))

    def pdf(self, file):
        """Prints the page on A4 into a PDF."""
        data = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69,
                         printBackground=False, preferCSSPageSize=True)["data"]
        with open(file, "wb") as out:
            out.write(base64.b64decode(data))
