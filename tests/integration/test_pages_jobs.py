"""The pages of jobs in a real Chromium: the list and its filters, what is behind a job, and that all of it stays right."""

import time
import uuid

import pytest

from browser import Browser, Line
from front import Front
from pages import KEEP_BACK, go, held, let_go, no_dialog, page, painting_system, row, rows, shared, show, sign_in, sound

EVENTS = 10_000
BAD = "<img src=x onerror=alert(1)><script>alert(2)</script>"
TALKER = r"""#!/usr/bin/python3
import json, sys
bad = json.load(sys.stdin)["parameters"]["text"]
print(json.dumps({"progress": 0.5, "stage": "execution", "message": bad}))
print(json.dumps({"log": bad, "level": "warn"}))
print(json.dumps({"error": {"class": "permanent", "code": "bad", "message": bad, "suggestion": bad, "detail": bad}}))
sys.exit(1)
"""
TALKER_TEMPLATE = {
    "name": BAD, "description": BAD, "category": "text", "tags": [BAD], "author": BAD,
    "inputs": {"text": {"type": "string", "label": BAD, "description": BAD, "group": BAD, "default": BAD},
               "choice": {"type": "string", "enum": [BAD], "default": BAD, "label": BAD}},
    "examples": [{"name": BAD, "inputs": {"text": BAD}}],
}


@pytest.fixture(scope="module")
def fnr():
    system = painting_system()
    system.add_script("talker", TALKER, **TALKER_TEMPLATE)
    with system:
        yield system


def pause(fnr):
    assert fnr.post("/api/v1/queues/io/pause").status == 200


def test_list_filters_and_the_way_back(page, fnr):
    for quality in ("draft", "high"):
        fnr.run("painter", {"seconds": 0}, project="listed", shot="s010", quality=quality)
    fnr.run("painter", {"seconds": 0, "fail": True}, project="listed", shot="s020")
    fnr.run("noop", {}, project="other")
    show(page, fnr, "jobs", "Jobs")
    row(page, "Jobs", "Paint a Picture", "high", "Done", "listed / s010 / take 2")
    row(page, "Jobs", "Do Nothing", "other")
    failed = lambda: all("Failed" in one for one in rows(page, "Jobs")) and any("There is no paint left." in one and "s020" in one for one in rows(page, "Jobs"))
    page.click("[name=state] option[value=failed]")
    page.until(failed, "only what failed")
    assert page.driver.current_url.endswith("#jobs&state=failed")
    assert page.script("return document.activeElement.name") == "state"       # whoever filters stays at the filter
    page.driver.refresh()
    page.arrived()
    page.until(failed, "the same by its address")
    assert page.value("[name=state]") == "failed"
    page.driver.back()
    row(page, "Jobs", "Done", "listed / s010 / take 2")      # all of them again
    page.arrived()
    page.write("project", "other\n")
    page.until(lambda: len(rows(page, "Jobs")) == 1 and "Do Nothing" in rows(page, "Jobs")[0], "those of a project")
    page.write("shot", "none\n")
    page.find(".notice", "There is no such job.")
    page.click("#places a", "Jobs")
    row(page, "Jobs", "listed / s010 / take 1")
    page.click("table a", "listed / s010 / take 1")
    page.heading("Take 1")


def test_an_answer_that_comes_late(page, fnr):
    """To what was asked before somebody chose a filter: nobody wants it any more."""
    fnr.run("painter", {"fail": True}, project="overtaken")
    show(page, fnr, "jobs&project=overtaken", "Jobs")
    page.until(lambda: len(rows(page, "Jobs")) == 1, "one job")
    page.script(KEEP_BACK, "jobs?project=overtaken")
    fnr.run("painter", {"seconds": 0}, project="overtaken")
    page.until(lambda: page.script("return kept.length"), "the list is read again")
    page.click("[name=state] option[value=cancelled]")
    page.find(".notice", "There is no such job.")
    let_go(page)
    assert rows(page, "Jobs") == []


def test_what_is_written_while_a_filter_is_applied(page, fnr):
    show(page, fnr, "jobs", "Jobs")
    page.script("""const [project, shot] = ["project", "shot"].map((name) => document.querySelector(`[name=${name}]`));
        project.value = "film";
        project.dispatchEvent(new Event("change"));
        shot.focus();
        shot.value = "s0";
        shot.dispatchEvent(new Event("input"));""")
    page.until(lambda: page.driver.current_url.endswith("#jobs&project=film"), "the filter")
    page.arrived()
    assert page.value("[name=shot]") == "s0"


def test_pages_of_the_list(page, fnr):
    assert fnr.post("/api/v1/batches", {"jobs": [{"template": "noop", "inputs": {}, "project": "many"}] * 120}).status == 202
    show(page, fnr, "jobs&project=many", "Jobs")
    keys = lambda: set(page.script("return [...document.querySelectorAll('tr[data-key]')].map((one) => one.dataset.key)"))
    seen = set()
    for count, more in ((50, "Older"), (50, "Older"), (20, None)):
        seen |= page.until(lambda: len(keys()) == count and not seen & keys() and keys(), f"{count} others")
        if more:
            page.click(".list .actions a", more)
    assert len(seen) == 120
    page.until(lambda: page.texts(".list .actions a") == ["Newest"], "there are no older ones")
    page.click(".list .actions a", "Newest")
    page.until(lambda: page.driver.current_url.endswith("#jobs&project=many"), "the first page")


def test_list_is_live(page, fnr):
    show(page, fnr, "jobs", "Jobs")
    with held(fnr):
        id = fnr.submit("painter", {"seconds": 0}, project="live", shot="s1")["id"]
        bar = f"return Number(document.querySelector('tr[data-key=\"{id}\"] progress')?.getAttribute('value') ?? 0)"
        page.until(lambda: 10 < page.script(bar) < 100, "how far it is")
    row(page, "Jobs", "live / s1 / take 1", "Done")
    page.until(lambda: page.script(f"return document.querySelector('tr[data-key=\"{id}\"] img')?.naturalWidth") == 320, "its picture")


def test_rows_of_deleted_jobs_go(page, fnr):
    """Whoever deletes them, the page hears of it."""
    kept, gone = (fnr.run("painter", {"seconds": 0}, project="thinned", shot=shot)["id"] for shot in ("kept", "gone"))
    show(page, fnr, "jobs&project=thinned", "Jobs")
    page.until(lambda: len(rows(page, "Jobs")) == 2, "both are there")
    assert fnr.request("DELETE", f"/api/v1/jobs/{gone}").status == 204
    page.until(lambda: len(rows(page, "Jobs")) == 1 and "kept" in rows(page, "Jobs")[0], "one row is left")
    show(page, fnr, f"job={kept}", "Paint a Picture")
    assert fnr.request("DELETE", f"/api/v1/jobs/{kept}").status == 204
    page.until(lambda: "This job was deleted." in page.text(), "its own page says so")


def test_a_waiting_job(page, fnr):
    pause(fnr)
    id = fnr.submit("painter", {"seconds": 0}, queue="io")["id"]
    show(page, fnr, f"job={id}", "Paint a Picture")
    page.find("fnr-progress", "its queue is paused")
    page.find("dd", "io, priority 5")
    page.click(".actions button", "Priority")
    page.write("priority", "11")
    page.expected = ["422"]
    page.click("dialog button.main")
    page.find("dialog .error", "10")
    page.write("priority", "9")
    page.click("dialog button.main")
    no_dialog(page)
    page.find("dd", "io, priority 9")
    later = fnr.submit("painter", {"seconds": 0}, not_before="2100-01-01T00:00:00Z")["id"]
    go(page, fnr, f"job={later}")
    page.find("fnr-progress", "not to begin yet")
    page.find(".facts div", "Begins")
    page.click(".actions button", "Cancel")
    page.find("main .state", "Cancelled")
    fnr.post("/api/v1/queues/io/resume")
    fnr.wait(id)


def test_what_is_behind_a_job(page, fnr):
    with held(fnr):
        id = fnr.submit("painter", {"seconds": 0.4, "fail": False}, priority=7)["id"]
        show(page, fnr, f"job={id}", "Paint a Picture")
        page.find("fnr-progress .message", "Stroke")
        for part in ("Stages", "Attempts", "Log", "All parameters"):
            page.click("summary", part)
        row(page, "Stages", "Making", "Running")
        row(page, "Attempts", "Running", "local")
        page.find(".log li", "stretching the canvas")
        page.find("pre", '"seconds": 0.4')
    row(page, "Stages", "Filing", "Done", "100 %")
    row(page, "Attempts", "Done", "local")
    page.find("dd", "local (")             # where, and why there
    page.find("dd", "priority 7")
    failed = fnr.run("painter", {"fail": True})["id"]
    show(page, fnr, f"job={failed}", "Paint a Picture")
    page.click("summary", "Attempts")
    row(page, "Attempts", "Failed", "There is no paint left.", "validation / no_paint", "pot 7")
    page.click(".actions button", "Try again")
    page.until(lambda: failed not in page.driver.current_url, "a new job")
    page.arrived()
    page.find("main .state", "Failed")
    page.click("dd a", "an earlier job")
    page.until(lambda: failed in page.driver.current_url, "the job before")


def test_cancel_many(page, fnr):
    pause(fnr)
    ids = [fnr.submit("painter", {"seconds": 0}, queue="io", project="doomed")["id"] for _ in range(3)]
    other = fnr.submit("painter", {"seconds": 0}, queue="io", project="spared")["id"]
    show(page, fnr, "jobs&project=doomed", "Jobs")
    page.click("button", "Cancel many")
    assert page.value("dialog [name=project]") == "doomed"
    page.click("dialog [name=mine]")       # they were asked for with the key behind this session; either way it is the same
    page.click("dialog button.main")
    page.find("[role=status]", "3 jobs are being cancelled.")
    no_dialog(page)
    page.until(lambda: sum("Cancelled" in one for one in rows(page, "Jobs")) == 3, "all three")
    assert [fnr.wait(id)["state"] for id in ids] == ["cancelled"] * 3
    assert fnr.get(f"/api/v1/jobs/{other}").json["state"] == "queued"
    fnr.post("/api/v1/queues/io/resume")
    fnr.wait(other)


def test_nothing_is_markup(page, fnr):
    """70.3: what users, functions and templates say is text, wherever it is shown."""
    id = fnr.run("talker", {"text": BAD}, metadata={"note": BAD}, node_id=BAD[:100])["id"]
    for place in ("", "function=talker", "jobs", f"job={id}", f"function=talker&from={id}", "dead-letters"):
        page.open("about:blank")
        go(page, fnr, place)
        page.find("main", "<img src=x")
        page.script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        if place.startswith("job="):
            page.find(".log li", "<img src=x")
            row(page, "Attempts", "<img src=x")
        assert page.script("return document.querySelectorAll('img[src=x], main script, .log script').length") == 0, place


def test_right_again_after_sleep(fnr):
    """A machine that slept: its connections are dead, and nobody tells it."""
    line = Line(fnr.port)
    with Browser() as browser:
        browser.expected = ["ERR_", "401"]
        sign_in(browser, fnr, port=line.port)
        browser.open(f"http://127.0.0.1:{line.port}/#jobs&project=sleep")
        browser.find(".notice", "There is no such job.")
        asked = browser.until(lambda: line.count("GET /api/v1/events"), "the stream")
        with browser.asleep():
            line.fall_silent()
            fnr.run("painter", {"seconds": 0}, project="sleep")
            time.sleep(6)                  # what sleeps for less does not lose its connections
        row(browser, "Jobs", "sleep", "Done")
        assert line.count("GET /api/v1/events") > asked
    line.close()


def test_below_a_sub_path(fnr):
    front = Front(fnr, "/runner/")
    with Browser() as browser:
        browser.expected = ["401"]
        sign_in(browser, fnr, port=front.port, path="/runner/")
        browser.click("#places a", "Jobs")
        browser.heading("Jobs")
        fnr.run("create_title_card", {"text": "Below"}, project="below", shot="s1", quality="draft")
        row(browser, "Jobs", "below / s1 / take 1", "Done")
        browser.click("table a", "below / s1 / take 1")
        browser.until(lambda: browser.script("return document.querySelector('.output img')?.naturalWidth"), "the picture")
        assert browser.find(".actions a", "Export").get_attribute("href").startswith(f"http://127.0.0.1:{front.port}/runner/api/")
    front.stop()


def test_opened_late(page, fnr):
    """A tab that nobody looked at is right as soon as somebody does."""
    show(page, fnr, "jobs&project=late", "Jobs")
    page.find(".notice", "There is no such job.")
    page.new_tab("about:blank")
    fnr.run("painter", {"seconds": 0}, project="late")
    page.driver.close()
    page.tab(0)
    row(page, "Jobs", "late", "Done")


def test_a_page_does_not_grow(page, fnr):
    def batch(count):
        for _ in range(0, count, 1000):
            jobs, key = {"jobs": [{"template": "noop", "inputs": {}, "project": "soak"}] * min(1000, count)}, {"Idempotency-Key": str(uuid.uuid4())}
            status = 503
            while status == 503:       # a slow machine asks to send it again
                status = fnr.post("/api/v1/batches", jobs, headers=key).status
            assert status == 202

    def quiet():
        return all(queue["waiting"] + queue["running"] == 0 for queue in fnr.get("/api/v1/queues").json["items"])

    def number():
        with fnr.stream("/api/v1/events") as stream:
            return next(iter(stream)).id

    show(page, fnr, "jobs&project=soak", "Jobs")
    batch(100)
    page.until(lambda: quiet() and len(rows(page, "Jobs")) == 50 and all("Done" in one for one in rows(page, "Jobs")), "a page full of jobs")
    first = number()
    heap, nodes, listeners = page.collected()
    batch(4000)
    page.until(quiet, "all of them done", timeout=240)
    last = fnr.submit("noop", {}, project="soak")["id"]
    page.until(lambda: page.script("return document.querySelector('tr[data-key]').dataset.key") == last, "the last one on top", timeout=100)
    assert number() - first >= EVENTS
    after = page.collected()
    assert after[0] < heap * 1.5 + 2_000_000 and after[1] < nodes * 1.5 + 500 and after[2] < listeners * 1.5 + 200, ((heap, nodes, listeners), after)


def test_for_everybody(page, fnr):
    done = fnr.run("painter", {"seconds": 0}, project="film", shot="s010")["id"]
    failed = fnr.run("painter", {"fail": True})["id"]
    sound(page, fnr, {"jobs": "jobs", "none": "jobs&project=none", "done": f"job={done}", "failed": f"job={failed}"})
    show(page, fnr, f"job={done}", "Paint a Picture")
    for part in ("Stages", "Attempts", "Log", "All parameters"):
        page.click("summary", part)
    row(page, "Attempts", "Done")
    row(page, "Stages", "Done")
    page.find(".log li")
    assert page.violations() == []
    page.size(360, 900)
    page.click("#menu")
    page.find("#places a", "Jobs")
    assert page.violations() == []
    page.click("#places a", "Jobs")
    page.heading("Jobs")
    page.click("button", "Cancel many")
    page.find("dialog [name=project]")
    assert page.violations() == []
