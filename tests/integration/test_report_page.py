"""The report of validation as a page, in a real Chromium: with little and with much to say, with texts that would be markup or turn the page around."""

import os
import subprocess

import pytest

from browser import Browser
from system import FNR

BAD = "<img src=x onerror=alert(1)>"
GOOD = "id: good\nversion: 1.0.0\nname: Good\ndescription: It is.\ncategory: text\nbackend: {type: noop}\nexamples: [{name: One}]\n"
HOSTILE = f"""id: hostile
version: 1.0.0
name: ["{BAD}"]
category: שלום
"{BAD}": 1
'"><script>alert(2)</script>': 1
inputs:
  טקסט: {{type: string}}
  text: {{type: "\u202estrong", label: مرحبا}}
  long: {{type: string, label: {"word" * 30}, description: {"long " * 100}, tpye: x}}
backend: {{type: noop}}
"""


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture
def files(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "hostile & <b>bold.yaml").write_text(HOSTILE)
    for i in range(40):
        (tmp_path / f"many_{i}.yaml").write_text(GOOD.replace("id: good", f"id: many_{i}").replace("category: text", "category: smell\nnmae: X"))
    return tmp_path


def page(folder, *names):
    result = subprocess.run([FNR, "template", "validate", "--html", "--data", str(folder), *(str(folder / name) for name in names)], capture_output=True, text=True,
                            timeout=60)
    assert result.returncode in (0, 1) and result.stderr == "", result
    path = folder / "report.html"
    path.write_text(result.stdout)
    return path


def sound(browser, path, name):
    for width in (375, 1280):
        for dark in (False, True):
            browser.open("about:blank")
            browser.size(width, 900)
            browser.dark(dark)
            browser.open(f"file://{path}")
            browser.shoot(f"report-{name}-{width}-{'dark' if dark else 'light'}")
            assert browser.script("return document.documentElement.scrollWidth") <= width, (name, width)
            assert browser.violations() == [], (name, width, dark)
    browser.dark(False)


def test_one_that_is_valid(browser, files):
    sound(browser, page(files, "good.yaml"), "good")
    assert "1 template, 1 valid; 0 errors, 0 warnings" in browser.text() and browser.all("li") == []


def test_what_would_be_markup_is_text(browser, files):
    sound(browser, page(files, "hostile & <b>bold.yaml"), "hostile")
    assert browser.all("img, script, section b") == []
    text = browser.text()
    assert BAD in text and "<script>alert(2)</script>" in text and "hostile & <b>bold.yaml" in text and "\u202e" not in text
    marks = browser.texts("pre mark")
    assert "name" in marks and f'"{BAD}"' in marks and "tpye" in marks
    problem = next(one for one in browser.texts("li.problem") if "tpye" in one)
    assert "Error:" in problem and ":10:" in problem and "did you mean 'type'?" in problem and "/inputs/long/tpye" in problem


def test_many(browser, files):
    names = sorted(os.listdir(files))
    sound(browser, page(files, *names), "many")
    assert f"{len(names)} templates, 1 valid" in browser.text()
    links = browser.texts("nav a")
    assert len(links) == 20 and "and 21 more" in browser.text()
    browser.click("nav a", links[-1])
    browser.until(lambda: browser.script("return document.getElementById(location.hash.slice(1))?.textContent") == links[-1], "where the link leads")
