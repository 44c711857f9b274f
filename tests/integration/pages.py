"""What the tests of the pages share: a function that paints, a browser that is signed in, and what must hold for every page."""

import os
import subprocess
from contextlib import contextmanager

import pytest

from browser import Browser
from system import FNR, System

# A picture in ten steps, with previews, over the given time; fails if it is asked to. In the middle it is held for as long as
# there is a file "hold" in the data directory, so that there is time to look at it however slow everything else is.
PAINTER = r"""#!/usr/bin/python3
import json, os, sys, time
request = json.load(sys.stdin)
inputs = request["parameters"]
def say(**line):
    print(json.dumps(line), flush=True)
if inputs["fail"]:
    say(error={"class": "validation", "code": "no_paint", "message": "There is no paint left.", "suggestion": "Bring paint.", "detail": "pot 7"})
    sys.exit(1)
picture = open(os.path.join(os.environ["FNR_DATA"], "templates/painter/picture.png"), "rb").read()
def stroke(pause):
    open("part", "wb").write(picture)
    os.rename("part", "preview.png")
    say(preview="preview.png")
    time.sleep(pause)
say(log="stretching the canvas", level="info")
for i in range(10):
    say(progress=i / 10, stage="execution", message=f"Stroke {i + 1} of 10…")
    stroke(inputs["seconds"] / 10)
    while i == 5 and os.path.exists(os.path.join(os.environ["FNR_DATA"], "hold")):
        stroke(0.2)
open("image.png", "wb").write(picture)
say(output="image", path="image.png")
"""
INPUTS = {
    "seconds": {"type": "number", "default": 0.2, "min": 0, "max": 60, "unit": "s", "label": "Time"},
    "fail": {"type": "boolean", "default": False, "label": "Fail"},
    "canvas": {"type": "file", "media": ["image/*"], "label": "Canvas"},
    "sketches": {"type": "array", "items": {"type": "file", "media": ["image/*"]}, "max_items": 5, "label": "Sketches"},
    "words": {"type": "array", "items": {"type": "string"}, "label": "Words", "group": "Rarely needed"},
    "numbers": {"type": "object", "label": "Numbers", "group": "Rarely needed"},
}
PAINTER_TEMPLATE = {
    "name": "Paint a Picture", "category": "image", "inputs": INPUTS, "outputs": {"image": {"type": "image", "media_type": "image/png"}},
    "tags": ["brush"], "examples": [{"name": "Slow", "inputs": {"seconds": 30}, "quality": "high"}], "timeout_s": 300,
}


@contextmanager
def held(fnr):
    """Nothing is painted further than to the middle until this is left, or `go` is called, which it gives."""
    place = os.path.join(fnr.data, "hold")
    open(place, "w").close()
    try:
        yield lambda: os.unlink(place)
    finally:
        if os.path.exists(place):
            os.unlink(place)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True)


def painting_system(config="workers: {min: 2, max: 2}\npreview: {interval: 100}\n"):
    """Has the function "painter"."""
    system = System(config)
    system.add_script("painter", PAINTER, **PAINTER_TEMPLATE)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:d=1", "-frames:v", "1", os.path.join(system.data, "templates/painter/picture.png"))
    return system


def link(fnr):
    result = subprocess.run([FNR, "link", "--data", fnr.data], capture_output=True, text=True, check=True)
    return result.stdout.split()[-1]


def sign_in(browser, fnr, port=None, path="/"):
    browser.open(link(fnr).replace(f"{fnr.port}/", f"{port or fnr.port}{path}"))
    browser.heading("What shall be made?")


def go(page, fnr, place):
    """To a page by its address; waits until that is what is shown."""
    page.open(f"http://127.0.0.1:{fnr.port}/#{place}")
    page.arrived()


def show(page, fnr, place, heading):
    go(page, fnr, place)
    page.heading(heading)


# Answers to what is asked for by addresses with this text are kept back until `letGo()`; `answers` has those to everything.
KEEP_BACK = """
const [text] = arguments;
const real = window.fetch;
window.kept = [];
window.answers = [];
window.fetch = async (address, options) => {
  const answer = await real(address, options);
  window.answers.push({address: String(address), text: await answer.clone().text()});
  if (String(address).includes(text)) await new Promise((go) => window.kept.push(go));
  return answer;
};
window.letGo = () => {
  window.fetch = real;
  for (const go of window.kept) go();
};
"""


def let_go(page):
    """Ends KEEP_BACK; what was kept back has been dealt with when this returns."""
    page.driver.execute_async_script("const done = arguments[0]; letGo(); fetch('api/v1/openapi.json').then((answer) => answer.text()).then(() => setTimeout(done));")


def seen(page, *selectors):
    """Waits until these pictures are there, and asked for no more."""
    for selector in selectors:
        page.until(lambda: page.script("return document.querySelector(arguments[0])?.naturalWidth", selector), f"the picture {selector}")


def no_dialog(page):
    """Waits until what was asked is decided."""
    page.until(lambda: not page.all("dialog"), "the dialog is closed")


def rows(page, caption):
    """Texts of the rows of a table."""
    return page.script("""return [...document.querySelectorAll("table")].filter((one) => one.caption?.textContent === arguments[0])
        .flatMap((one) => [...one.tBodies[0].rows].map((row) => row.innerText))""", caption)


def row(page, caption, *texts):
    """Waits for a row that has all these texts."""
    return page.until(lambda: next((one for one in rows(page, caption) if all(text in one for text in texts)), None), f"a row of “{caption}” with {texts}")


def press(page, caption, text, label):
    """Presses a button in the row that has this text; the row may be drawn anew at any moment."""
    def find():
        return page.script("""const row = [...document.querySelectorAll("table")].filter((one) => one.caption?.textContent === arguments[0])
            .flatMap((one) => [...one.tBodies[0].rows]).find((row) => row.innerText.includes(arguments[1]));
            const button = [...row?.querySelectorAll("button") ?? []].find((one) => one.innerText.includes(arguments[2]));
            button?.click();
            return Boolean(button)""", caption, text, label)
    page.until(find, f"a button “{label}” in the row of “{caption}” with “{text}”")


def sound(page, fnr, places):
    """axe-core has nothing to say, and nothing is cut off, from a telephone to a large screen, light and dark. {name: address}"""
    for name, place in places.items():
        page.open("about:blank")
        go(page, fnr, place)
        page.find("main h1")
        for width, dark in ((360, False), (360, True), (1280, False), (1280, True), (2560, False)):
            page.size(width, 900)
            page.dark(dark)
            page.shoot(f"{name}-{width}-{'dark' if dark else 'light'}")
            assert page.script("return document.documentElement.scrollWidth") <= width, (name, width)
            if width != 2560:
                assert page.violations() == [], (name, width, dark)
    page.size(1280, 900)
    page.dark(False)


def silent(page):
    said = page.console()
    assert not said, said


def leave(page, fnr):
    page.leave(f"http://127.0.0.1:{fnr.port}")


# ---- fixtures, for files that import them; one with a system of its own has its own `fnr` ----


@pytest.fixture(scope="module")
def fnr():
    with painting_system() as system:
        yield system


@pytest.fixture(scope="module")
def shared(fnr):
    """A browser that is signed in."""
    with Browser() as browser:
        sign_in(browser, fnr)
        yield browser


@pytest.fixture
def page(shared, fnr):
    """The same for one test, which begins without a page and whose console has to be silent but for what the test expects."""
    leave(shared, fnr)
    shared.expected = []
    yield shared
    leave(shared, fnr)
    silent(shared)
