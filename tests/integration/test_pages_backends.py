"""The pages of backends and workers in a real Chromium."""

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser
from comfyui import Comfyui
from pages import held, no_dialog, page, painting_system, press, row, rows, shared, show, sound

NOWHERE = "http://127.0.0.1:9"      # nobody listens there


@pytest.fixture(scope="module")
def fnr():
    with painting_system("workers: {min: 1, max: 3}\nbackends: {probe: 1}\n") as system:
        yield system


def test_a_backend_is_added_changed_and_removed(page, fnr):
    """60.7"""
    show(page, fnr, "backends", "Backends")
    row(page, "Backends", "local", "this machine", "Ready", "of 3", "memory free", "disk free")
    page.expected = ["422", "412"]
    page.click("button", "New backend")
    page.write("id", "studio")
    page.click("dialog [name=type] option", "gradio")
    page.write("url", "ftp://here")
    page.click("dialog button.main")
    page.find("dialog .error", "http or https")
    page.until(lambda: page.script("return document.activeElement.name") == "url", "the focus is where something is wrong")
    page.write("url", NOWHERE)
    page.write("labels", "gpu24\nquiet")
    page.write("token", "sesame")
    page.click("dialog button.main")
    no_dialog(page)
    row(page, "Backends", "studio", NOWHERE, "gpu24, quiet", "gradio", "Down", "cannot be reached")     # asked by itself
    assert fnr.get("/api/v1/backends/studio").json["has_credentials"]
    press(page, "Backends", "studio", "Change")
    page.find("dialog", "Credentials are stored")
    page.write("concurrency", "4")
    assert fnr.request("PUT", "/api/v1/backends/studio", {"url": NOWHERE, "labels": ["elsewhere"]}, headers={"If-Match": "*"}).status == 200
    page.click("dialog button.main")
    page.find("dialog [role=alert]", "changed")
    page.click("dialog button", "Cancel")
    no_dialog(page)
    press(page, "Backends", "studio", "Change")
    page.until(lambda: page.value("dialog [name=labels]") == "elsewhere", "what it is now")
    page.write("concurrency", "4")
    page.click("dialog button.main")
    no_dialog(page)
    row(page, "Backends", "studio", "elsewhere", "0 of 4")
    assert fnr.get("/api/v1/backends/studio").json["has_credentials"]        # they stayed
    press(page, "Backends", "studio", "Change")
    page.click("dialog [name=forget]")
    page.click("dialog button.main")
    page.until(lambda: not fnr.get("/api/v1/backends/studio").json["has_credentials"], "they are forgotten")
    no_dialog(page)
    press(page, "Backends", "studio", "Remove")
    page.click("dialog button", "Remove it")
    page.until(lambda: not any(one.startswith("studio") for one in rows(page, "Backends")), "it is gone")


def test_asked_drained_and_tried_again(page, fnr):
    fnr.post("/api/v1/backends", {"id": "away", "type": "gradio", "url": NOWHERE})
    show(page, fnr, "backends", "Backends")
    row(page, "Backends", "away", "Down", "Left alone", "cannot be reached")
    press(page, "Backends", "away", "Ask")
    with fnr.stream("/api/v1/events?types=backend.changed") as stream:
        changes = (event.data for event in stream if event.name == "backend.changed" and event.data["backend"] == "away")
        press(page, "Backends", "away", "Try it again")
        assert next(change for change in changes if change["breaker"] == "closed")      # it does not stay so
    press(page, "Backends", "away", "Drain")
    row(page, "Backends", "away", "Drained")
    assert fnr.get("/api/v1/backends/away").json["drained"]
    assert fnr.post("/api/v1/backends/away/resume").status < 300          # by somebody else
    row(page, "Backends", "away", "Down")
    press(page, "Backends", "away", "Drain")
    press(page, "Backends", "away", "Resume")
    page.until(lambda: not fnr.get("/api/v1/backends/away").json["drained"], "resumed")
    fnr.request("DELETE", "/api/v1/backends/away", headers={"If-Match": "*"})
    page.until(lambda: not any(one.startswith("away") for one in rows(page, "Backends")), "it is gone")


def test_a_suspect_server(page, fnr):
    """41.11: why it gets no jobs, since when, and the way to give it some again."""
    with Comfyui(hold="KSampler", deaf_interrupts=100000) as comfy:
        assert fnr.post("/api/v1/backends", {"id": "deaf", "type": "comfyui", "url": comfy.url}).status == 201
        id = fnr.submit("text_to_image", {"prompt": "a cat"}, quality="draft")["id"]
        comfy.wait_held("KSampler")
        show(page, fnr, "backends", "Backends")
        row(page, "Backends", "deaf", "Ready", "1 of 1")
        assert fnr.post(f"/api/v1/jobs/{id}/cancel").status == 202
        assert fnr.wait(id, timeout=120)["state"] == "cancelled"
        row(page, "Backends", "deaf", "Does not stop when told", "It went on with a job that it was told to stop")
        assert "Drain" not in page.texts("tr[data-key=deaf] button")
        press(page, "Backends", "deaf", "Resume")
        row(page, "Backends", "deaf", "Ready")
        assert fnr.get("/api/v1/backends/deaf").json["state"] == "ready"
        comfy.set(hold=None, deaf_interrupts=0)
        fnr.request("DELETE", "/api/v1/backends/deaf", headers={"If-Match": "*"})


def test_workers(page, fnr):
    """41.7, 41.9"""
    show(page, fnr, "workers", "Workers")
    row(page, "Workers", "process", "Free")
    with held(fnr):
        id = fnr.submit("painter", {"seconds": 0})["id"]
        name = row(page, "Workers", "At work", "what it does", "local", "B").split()[0]
        page.until(lambda: page.script("return [...document.querySelectorAll('table a')].map((one) => one.getAttribute('href'))") == [f"#job={id}"], "the job")
        press(page, "Workers", name, "Drain")
        row(page, "Workers", name, "Ends after its job")
        fnr.post(f"/api/v1/jobs/{id}/cancel")
        page.until(lambda: not any(one.split()[0] == name for one in rows(page, "Workers")), "it ended")
        fnr.wait(id)


def test_workers_are_ended_and_scaled(page, fnr):
    show(page, fnr, "workers", "Workers")
    page.click("button", "How many")
    page.write("min", "3")
    page.click("dialog button.main")
    no_dialog(page)
    free = lambda: [one.split()[0] for one in rows(page, "Workers") if "Free" in one]
    name = page.until(lambda: len(free()) == len(rows(page, "Workers")) == 3 and free()[0], "three")
    press(page, "Workers", name, "End")
    page.find("dialog", "It runs nothing")
    page.click("dialog button", "End it")
    page.until(lambda: name not in free() and len(free()) == 3, "another one")
    no_dialog(page)
    page.click("button", "How many")
    page.click("dialog button.main")           # as configured again
    no_dialog(page)


def test_who_may_only_look(fnr):
    key = fnr.post("/api/v1/keys", {"name": "looker", "scopes": ["read"]}).json["key"]
    with Browser() as browser:
        browser.expected = ["401"]
        browser.open(f"http://127.0.0.1:{fnr.port}/#workers")
        browser.find("#key").send_keys(key + Keys.ENTER)
        row(browser, "Workers", "process")
        assert browser.texts("main button") == []
        show(browser, fnr, "backends", "Backends")
        row(browser, "Backends", "local")
        assert browser.texts("main button") == []


def test_for_everybody(page, fnr):
    fnr.post("/api/v1/backends", {"id": "a-backend-with-a-name-that-is-as-long-as-a-name-may-be", "type": "gradio",
                                  "url": NOWHERE + "/a/very/long/path/that/does/not/fit/into/any/column/of/a/table", "labels": ["one", "two", "three"]})
    show(page, fnr, "backends", "Backends")
    row(page, "Backends", "a-backend", "Down")
    sound(page, fnr, {"backends": "backends", "workers": "workers"})
    show(page, fnr, "backends", "Backends")
    page.click("main button", "New backend")
    page.find("dialog")
    assert page.violations() == []
