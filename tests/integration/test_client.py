"""The TypeScript client (row 47): its own tests, its examples against a real system, its elements in a real Chromium."""

import os
import shutil
import subprocess

import pytest

from browser import Browser
from front import Front
from system import ROOT, System

SOURCE = os.path.join(ROOT, "clients", "typescript")
PLACE = os.path.join(ROOT, "build", "client", "clients", "typescript")


def npm(*arguments):
    result = subprocess.run(["npm", *arguments], cwd=PLACE, capture_output=True, text=True, timeout=250, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def client():
    """The folder of a client that was built, away from the sources. What npm installed stays until the list changes."""
    os.makedirs(PLACE, exist_ok=True)
    shutil.copytree(os.path.join(ROOT, "doc"), os.path.join(ROOT, "build", "client", "doc"), dirs_exist_ok=True)
    lock = os.path.join(PLACE, "package-lock.json")
    with open(os.path.join(SOURCE, "package-lock.json"), "rb") as file:
        wanted = file.read()
    installed = os.path.exists(os.path.join(PLACE, "node_modules", ".installed")) and open(lock, "rb").read() == wanted
    for name in ("src", "test", "examples", "dist", "build"):
        shutil.rmtree(os.path.join(PLACE, name), ignore_errors=True)
    shutil.copytree(SOURCE, PLACE, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist", "build", "api.ts"))
    if not installed:
        npm("ci", "--no-audit", "--no-fund")
        open(os.path.join(PLACE, "node_modules", ".installed"), "w").close()
    assert "bytes gzipped" in npm("run", "build"), "which refuses when it is too large"
    return PLACE


@pytest.fixture(scope="module")
def fnr():
    with System() as system:
        yield system


def test_its_own(client):
    """Faults, resumption, retries, the offline queue, types."""
    said = npm("run", "check")
    assert "# fail 0" in said and "# pass 0" not in said, said[-3000:]


def example(client, fnr, name, *arguments):
    environment = dict(os.environ, FNR_URL=f"http://127.0.0.1:{fnr.port}/", FNR_KEY=fnr.key)
    return subprocess.run(["node", f"examples/{name}", *arguments], cwd=client, env=environment, capture_output=True, text=True, timeout=200)


def test_examples(client, fnr, tmp_path):
    picture = tmp_path / "card.png"
    result = example(client, fnr, "follow.mjs", "Act One", str(picture))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[-2].startswith("100 %") and lines[-1].endswith("640 x 360"), lines
    assert picture.read_bytes().startswith(b"\x89PNG")
    result = example(client, fnr, "batch.mjs", str(picture))
    assert result.returncode == 0 and "completed: 3 jobs" in result.stdout, result.stdout + result.stderr
    assert f"sent {picture.stat().st_size} of {picture.stat().st_size} bytes" in result.stdout
    result = example(client, fnr, "follow.mjs", "")
    assert result.returncode == 1 and "text" in result.stderr, result.stderr


def test_elements(client, fnr):
    front = Front(fnr, static=("/client/", client))
    try:
        with Browser() as browser:
            browser.open(f"http://127.0.0.1:{front.port}/client/examples/page.html#key={fnr.key}")
            browser.until(lambda: browser.all("fnr-quality option"), "the form")
            browser.find("fnr-run input[type=text]").send_keys("Act Three")
            browser.script("document.querySelector('fnr-quality').value = 'draft'")
            browser.click("fnr-run button[type=submit]")
            browser.until(lambda: browser.script("return document.querySelector('.fnr-result img')?.naturalWidth") == 640, "the result")
            browser.until(lambda: browser.script("return document.querySelector('fnr-progress').dataset.state") == "completed", "its end")
            browser.shoot("client-elements")
        job = fnr.get("/api/v1/jobs?limit=1").json["items"][0]
        assert (job["template"], job["quality"]) == ("create_title_card", "draft")
    finally:
        front.stop()
