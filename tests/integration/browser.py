"""A real Chromium, and a line to the server that can be cut."""

import glob
import os
import select
import shutil
import signal
import socket
import tempfile
import threading
import time
from contextlib import contextmanager

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

WAIT_S = 90
SCRIPT_S = 240    # axe-core has much to look at
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--mute-audio", "--force-prefers-reduced-motion"]

# Elements as people see them: those of a selector that are drawn, and have a text.
SEEN = """
const seenAs = (one) => (one instanceof HTMLOptionElement ? one.closest("select") : one);
const isSeen = (one) => seenAs(one).checkVisibility({checkVisibilityCSS: true, visibilityProperty: true}) && seenAs(one).getClientRects().length > 0;
const seen = (selector, text) => [...document.querySelectorAll(selector)].filter((one) => isSeen(one) && (text === null || (one.innerText ?? one.textContent).includes(text)));
"""
# A press of what is there at this moment, if it can be pressed; says why if it cannot. In one go, so that nothing moves away in between.
PRESS = SEEN + """
const [one] = seen(arguments[0], arguments[1]);
if (!one) return "it is not there";
const target = seenAs(one);
target.scrollIntoView({block: "center", behavior: "instant"});
const box = target.getClientRects()[0];
const above = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
if (!target.contains(above)) return `something lies above it: ${above?.outerHTML.slice(0, 200)}`;
if (target.matches(":disabled, [aria-disabled=true]")) return "it is disabled";
target.closest("a[href], button, input, select, textarea, summary, [tabindex]")?.focus({preventScroll: true});
if (target === one) one.click();
else if (!one.selected) {
  one.selected = true;
  for (const type of ["input", "change"]) target.dispatchEvent(new Event(type, {bubbles: true}));
}
return "";
"""


def axe_source():
    """axe-core, as ./test has put it there."""
    folder = os.environ["FNR_TEST_PYTHON"]
    with open(glob.glob(os.path.join(folder, "*", "axe.min.js"))[0]) as file:
        return file.read()


def children_of(pid):
    """All below a process."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path) as file:
            for child in map(int, file.read().split()):
                found += [child, *children_of(child)]
    return found


class Browser:
    """One Chromium with a profile of its own; a context manager. What its console says is an error of the test."""

    def __init__(self, width=1280, height=900):
        self.profile = tempfile.mkdtemp(prefix="fnr-browser-")
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for flag in [*FLAGS, f"--user-data-dir={self.profile}", f"--window-size={width},{height}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_script_timeout(SCRIPT_S)
        self.expected = []
        self.size(width, height)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                said = self.console()
                assert not said, said
            elif os.environ.get("FNR_TEST_SCREENSHOTS"):
                self.shoot("failed")
        finally:
            self.driver.quit()
            shutil.rmtree(self.profile, ignore_errors=True)

    def console(self):
        """What was said but for what the test expects (parts of messages)."""
        return [line["message"] for line in self.driver.get_log("browser") if not any(text in line["message"] for text in self.expected)]

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.until(lambda: self.script("return innerWidth") == width, f"a window of {width} pixels")

    def dark(self, on):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]})

    def shoot(self, name):
        """A picture to look at, if somebody wants to: FNR_TEST_SCREENSHOTS names a folder."""
        folder = os.environ.get("FNR_TEST_SCREENSHOTS")
        if folder:
            self.driver.save_screenshot(os.path.join(folder, name + ".png"))

    def open(self, url):
        self.driver.get(url)

    def arrived(self):
        """Waits until the page shows what its address asks for, and no more what it asked for before."""
        self.until(lambda: self.script("""const main = document.querySelector("main");
            return main && !main.hasAttribute("aria-busy") && main.dataset.shows === location.hash"""), "what the address asks for")

    def leave(self, origin):
        """No page, nothing that one has kept: what comes next depends on nothing that was before."""
        self.open("about:blank")
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
        self.dark(False)
        self.size(1280, 900)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def until(self, condition, what, timeout=WAIT_S):
        end = time.monotonic() + timeout
        while True:
            try:
                value = condition()
            except (NoSuchElementException, StaleElementReferenceException):
                value = None
            if value:
                return value
            assert time.monotonic() < end, f"not within {timeout} s: {what() if callable(what) else what}\n{self.text()[:1500]}"
            time.sleep(0.1)

    def find(self, selector, text=None, timeout=WAIT_S):
        """The first visible element that fits, as soon as there is one."""
        return self.until(lambda: self.script(SEEN + "return seen(arguments[0], arguments[1])[0]", selector, text), f"{selector} {text or ''}", timeout)

    def texts(self, selector):
        """Of all visible elements that fit, at this moment."""
        return self.script(SEEN + "return seen(arguments[0], null).map((one) => one.innerText)", selector)

    def value(self, selector):
        """Of the first visible field that fits, as soon as there is one."""
        found = lambda: self.script(SEEN + "const [one] = seen(arguments[0], null); return one && [one.type === 'checkbox' ? one.checked : one.value]", selector)
        return self.until(found, f"the value of {selector}")[0]

    def click(self, selector, text=None):
        """As soon as it can be pressed."""
        why = ""
        def press():
            nonlocal why
            why = self.script(PRESS, selector, text)
            return why == ""
        self.until(press, lambda: f"a click on {selector} {text or ''}: {why}")

    def text(self):
        return self.script("return document.body.innerText")

    def heading(self, text):
        self.find("h1", text)

    def write(self, name, text):
        field = self.find(f"[name='{name}']")
        field.clear()
        field.send_keys(text)

    def violations(self):
        """What axe-core objects to, WCAG 2.2 AA and good practice."""
        if not self.script("return Boolean(window.axe)"):
            # through the protocol: the page's own policy allows no foreign script
            self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe_source()})
        found = self.driver.execute_async_script("const done = arguments[0]; axe.run(document).then((r) => done(r.violations), (e) => done([String(e)]))")
        return [f"{one['id']}: {node['html']} {node.get('failureSummary')}" for one in found for node in one["nodes"]]

    @contextmanager
    def asleep(self):
        """As a machine that sleeps: no process of the browser runs meanwhile."""
        processes = children_of(self.driver.service.process.pid)
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)

    def collected(self):
        """What the page holds, after a collection of garbage: bytes of its heap, nodes, listeners."""
        for _ in range(3):
            self.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        counters = self.driver.execute_cdp_cmd("Memory.getDOMCounters", {})
        return self.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"], counters["nodes"], counters["jsEventListeners"]

    def press(self, *keys):
        """Where the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def new_tab(self, url):
        self.driver.switch_to.new_window("tab")
        self.open(url)

    def tab(self, number):
        self.driver.switch_to.window(self.driver.window_handles[number])


class Line:
    """TCP between a browser and a server: can be cut, and knows what was asked for. Closed with `close`."""

    def __init__(self, behind):
        self.behind = behind
        self.asked = []          # request lines
        self.cut = False
        self.silent = False      # streams that are open now never say anything again, and nobody is told
        self.pairs = {}
        self.deaf = False        # what streams say is not heard
        self.streams = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.wake, self.waker = socket.socketpair()
        self.ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended:
            ready, _, _ = select.select([self.listener, self.wake, *self.pairs], [], [], 1)
            for one in ready:
                if one is self.wake:
                    self.wake.recv(100)
                elif one is self.listener:
                    self.accept()
                elif one in self.pairs:
                    self.carry(one)
            if self.cut or self.silent:
                for one in list(self.pairs):
                    self.drop(one)
            self.silent = False
        for one in self.streams:
            one.close()
        for one in list(self.pairs):
            self.drop(one)

    def accept(self):
        client, _ = self.listener.accept()
        if self.cut:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self.behind))
        self.pairs[client], self.pairs[server] = (server, True), (client, False)

    def carry(self, one):
        other, is_client = self.pairs[one]
        try:
            piece = one.recv(65536)
            if piece:
                if is_client:
                    self.note(piece)
                    if b"GET /api/v1/events" in piece:
                        self.streams.add(one)
                if is_client or not (self.deaf and other in self.streams):
                    other.sendall(piece)
                return
        except OSError:
            pass
        self.drop(one)

    def note(self, piece):
        for line in piece.split(b"\r\n"):
            if line.endswith(b" HTTP/1.1") and line.split(b" ")[0] in (b"GET", b"POST", b"DELETE", b"PUT"):
                self.asked.append(line.decode("latin-1")[:-len(" HTTP/1.1")])

    def drop(self, one):
        other, _ = self.pairs.pop(one, (None, None))
        both = {one, other} - {None}
        for each in both:
            self.pairs.pop(each, None)
            if not (self.silent and each in self.streams):
                self.streams.discard(each)
                each.close()

    def count(self, start):
        return sum(line.startswith(start) for line in self.asked)

    @contextmanager
    def down(self, seconds):
        self.cut = True
        self.waker.send(b"x")
        end = time.monotonic() + seconds
        yield
        time.sleep(max(0, end - time.monotonic()))
        self.cut = False

    def fall_silent(self):
        """As when the other machine has forgotten all connections while this one slept."""
        self.silent = True
        self.waker.send(b"x")
        while self.silent:
            time.sleep(0.01)

    def close(self):
        self.ended = True
        self.waker.send(b"x")
        self.thread.join()
        for one in (self.listener, self.wake, self.waker):
            one.close()
