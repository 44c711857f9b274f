"""The pages of queues, dead letters and keys in a real Chromium."""

from selenium.webdriver.common.keys import Keys

from browser import Browser
from pages import fnr, go, no_dialog, page, press, row, rows, shared, show, sound

BAD = "<img src=x onerror=alert(1)>"


# ---- queues ----

def test_pause_resume_and_empty(page, fnr):
    show(page, fnr, "queues", "Queues")
    row(page, "Queues", "io", "Open")
    press(page, "Queues", "io", "Pause")
    page.click("dialog button.main")
    no_dialog(page)
    row(page, "Queues", "io", "Paused")
    assert fnr.get("/api/v1/queues/io").json["paused"]
    ids = [fnr.submit("painter", {"seconds": 0}, queue="io")["id"] for _ in range(2)]
    page.until(lambda: page.texts("tr[data-key=io] td")[1] == "2", "two wait")
    press(page, "Queues", "io", "Empty")
    page.find("dialog", "2 jobs that wait are cancelled")
    page.click("dialog button", "Cancel what waits")
    page.find("[role=status]", "2 jobs are being cancelled.")
    no_dialog(page)
    assert [fnr.wait(id)["state"] for id in ids] == ["cancelled"] * 2
    press(page, "Queues", "io", "Resume")
    row(page, "Queues", "io", "Open")
    id = fnr.submit("painter", {"seconds": 0}, queue="io")["id"]
    assert fnr.wait(id)["state"] == "completed"
    page.click("table a", "io")
    page.until(lambda: page.driver.current_url.endswith("#jobs&queue=io"), "its jobs")
    keys = lambda: page.script("return [...document.querySelectorAll('tr[data-key]')].map((one) => one.dataset.key)")
    page.until(lambda: keys()[:3] == [id, *reversed(ids)], "its jobs")


def test_by_keyboard_alone(page, fnr):
    def tab_to(text, *keys, most=60):
        for _ in range(most):
            page.press(Keys.TAB)
            if page.script("const one = document.activeElement; return (one.getAttribute('aria-label') ?? one.innerText) === arguments[0]", text):
                page.press(*keys)
                return
        raise AssertionError(f"{text} cannot be reached")

    show(page, fnr, "", "What shall be made?")
    tab_to("Queues", Keys.ENTER)
    page.heading("Queues")
    page.until(lambda: page.script("return document.activeElement.tagName") == "H1", "people hear where they are")
    row(page, "Queues", "cpu", "Open")
    tab_to("Pause cpu", Keys.ENTER)
    page.find("dialog")
    page.until(lambda: page.script("return document.activeElement.name") == "until", "the first field")
    tab_to("Pause", Keys.ENTER)
    row(page, "Queues", "cpu", "Paused")
    page.until(lambda: page.script("return document.activeElement.getAttribute('aria-label')") == "Resume cpu", "the focus where it was")
    page.press(Keys.ENTER)
    row(page, "Queues", "cpu", "Open")


def test_paused_elsewhere_and_until(page, fnr):
    show(page, fnr, "queues", "Queues")
    fnr.post("/api/v1/queues/gpu/pause", {"until": "2100-01-01T00:00:00Z"})
    row(page, "Queues", "gpu", "Paused", "until in ")
    fnr.post("/api/v1/queues/gpu/resume")
    row(page, "Queues", "gpu", "Open")
    press(page, "Queues", "gpu", "Pause")
    page.find("dialog [name=until]")
    page.script("document.querySelector('dialog [name=until]').value = '2099-12-31T23:00'")
    page.click("dialog button.main")
    page.until(lambda: (fnr.get("/api/v1/queues/gpu").json["paused_until"] or "").startswith(("2099-12-31", "2100-01-01")), "paused until then")
    fnr.post("/api/v1/queues/gpu/resume")


def test_what_somebody_is_about_to_press_stays(page, fnr):
    """And does what it says of how things are now, with the focus where it was, though its row was drawn anew."""
    show(page, fnr, "queues", "Queues")
    row(page, "Queues", "io", "Open")
    page.script("document.querySelector('[aria-label=\"Limits io\"]').mine = true")
    assert fnr.request("PUT", "/api/v1/queues/io", {"concurrency": 7}).status == 200
    row(page, "Queues", "io", "7 at a time")
    assert page.script("return document.querySelector('[aria-label=\"Limits io\"]').mine")
    page.click("[aria-label='Limits io']")
    assert page.value("dialog [name=concurrency]") == "7"
    page.press(Keys.ESCAPE)
    no_dialog(page)
    page.click("[aria-label='Pause io']")
    page.find("dialog")
    fnr.post("/api/v1/queues/io/pause")
    row(page, "Queues", "io", "Paused")
    page.press(Keys.ESCAPE)
    no_dialog(page)
    page.until(lambda: page.script("return document.activeElement.getAttribute('aria-label')") == "Resume io", "the focus where it was")
    fnr.post("/api/v1/queues/io/resume")
    assert fnr.request("PUT", "/api/v1/queues/io", {"concurrency": None}).status == 200


def test_limits(page, fnr):
    show(page, fnr, "queues", "Queues")
    press(page, "Queues", "gpu", "Limits")
    page.write("concurrency", "3")
    page.write("per_minute", "-2")
    page.expected = ["422"]
    page.click("dialog button.main")
    page.find("dialog .error")
    page.until(lambda: page.script("return document.activeElement.name") == "per_minute", "the focus is where something is wrong")
    page.write("per_minute", "90")
    page.click("dialog button.main")
    no_dialog(page)
    row(page, "Queues", "gpu", "3 at a time, 90 a minute")
    press(page, "Queues", "gpu", "Limits")
    assert page.value("dialog [name=concurrency]") == "3"
    page.write("concurrency", "")
    page.press(Keys.ESCAPE)
    no_dialog(page)                    # nothing was decided
    assert fnr.get("/api/v1/queues/gpu").json["concurrency"] == 3
    press(page, "Queues", "gpu", "Limits")
    page.write("concurrency", "")
    page.write("per_minute", "")
    page.click("dialog button.main")
    page.until(lambda: fnr.get("/api/v1/queues/gpu").json["concurrency"] is None, "no limit")


def test_chart_of_the_day(page, fnr):
    fnr.run("painter", {"fail": True})
    show(page, fnr, "queues", "Queues")
    count = lambda: page.script("return Number([...document.querySelectorAll('.legend li')].find((one) => one.innerText.startsWith('Failed'))?.innerText.split(': ')[1])")
    before = page.until(count, "what failed")
    assert page.find(".chart svg").get_attribute("aria-label").startswith("Done ")
    page.click(".chart summary", "As a table")
    fnr.run("painter", {"fail": True})
    page.until(lambda: count() == before + 1, "one more")
    page.find(".chart table")          # still open
    assert page.violations() == []


# ---- dead letters ----

def test_dead_letters(page, fnr):
    fnr.post("/api/v1/dead-letters/replay", {"template": "painter", "inputs": {"fail": False, "seconds": 0}})
    page.until(lambda: fnr.get("/api/v1/dead-letters").json["total"] == 0, "none")
    show(page, fnr, "dead-letters", "Dead letters")
    page.find(".notice", "Nothing failed for good.")
    ids = [fnr.run("painter", {"fail": True}, project=project)["id"] for project in ("one", "two", "two", "two")]
    page.until(lambda: len(rows(page, "Dead letters")) == 4, "four, by themselves")
    row(page, "Dead letters", "There is no paint left.", "Bring paint.", "validation / no_paint", "one")
    page.find(".quiet", "4 in all")
    press(page, "Dead letters", "one", "Run again")
    page.find("[role=status]", "It runs again")
    page.until(lambda: not any(one == ids[0] for one in (job["id"] for job in fnr.get("/api/v1/dead-letters").json["items"])), "it is none any more")
    show(page, fnr, "dead-letters&project=two", "Dead letters")
    page.until(lambda: len(rows(page, "Dead letters")) == 3, "those of a project")
    press(page, "Dead letters", "two", "Discard")
    page.click("dialog button", "Cancel")
    no_dialog(page)
    assert fnr.get("/api/v1/dead-letters?project=two").json["items"].__len__() == 3
    press(page, "Dead letters", "two", "Discard")
    page.click("dialog button.main", "Discard")
    no_dialog(page)
    page.until(lambda: len(rows(page, "Dead letters")) == 2, "two are left")
    page.click("button", "Run all again")
    page.find("dialog", "that fit the filter")
    page.click("dialog button.main", "Run again")
    no_dialog(page)
    page.find("[role=status] a", "2 jobs")
    page.until(lambda: fnr.get("/api/v1/dead-letters?project=one").json["items"], "the other project's still rests there")
    page.click("[role=status] a", "2 jobs")
    page.heading("Paint a Picture × 2")


# ---- keys ----

def test_keys(page, fnr):
    show(page, fnr, "keys", "Keys")
    row(page, "Keys", "(yours)", "everything", "all")
    page.click("button", "New key")
    page.click("dialog button.main")
    page.find("dialog .error", "Needed.")
    page.write("name", BAD)
    page.click("dialog [name=scope] option", "look and run")
    page.write("projects", "film\nradio")
    page.click("dialog button.main")
    secret = page.find(".secret").text
    assert fnr.get("/api/v1/sessions", key=secret).json["projects"] == ["film", "radio"]
    assert page.violations() == []
    page.click("dialog button", "Close")
    no_dialog(page)                    # the row comes with the event, maybe before
    row(page, "Keys", BAD, "look and run", "film, radio")
    assert secret not in page.script("return document.documentElement.outerHTML")      # it was shown once
    assert page.script("return document.querySelectorAll('img[src=x]').length") == 0
    press(page, "Keys", BAD, "Take back")
    page.click("dialog button", "Take it back")
    no_dialog(page)
    page.until(lambda: len([one for one in rows(page, "Keys") if BAD in one]) == 0, "it is gone")
    assert fnr.get("/api/v1/sessions", key=secret).status == 401


def test_keys_are_seen_as_they_come_and_go(page, fnr):
    show(page, fnr, "keys", "Keys")
    key = fnr.post("/api/v1/keys", {"name": "by another way", "scopes": ["read"]}).json
    row(page, "Keys", "by another way", "look")
    assert fnr.request("DELETE", f"/api/v1/keys/{key['id']}").status == 204
    page.until(lambda: not [one for one in rows(page, "Keys") if "by another way" in one], "it is gone")


def test_who_may_only_look(fnr):
    key = fnr.post("/api/v1/keys", {"name": "looker", "scopes": ["read"]}).json["key"]
    with Browser() as browser:
        browser.expected = ["401", "403"]
        browser.open(f"http://127.0.0.1:{fnr.port}/#queues")
        browser.find("#key").send_keys(key + Keys.ENTER)
        row(browser, "Queues", "cpu", "Open")
        assert browser.texts("table button") == []
        assert "Queues" in browser.texts("#places a") and "Keys" not in browser.texts("#places a")
        show(browser, fnr, "dead-letters", "Dead letters")
        assert browser.texts("main button") == []
        show(browser, fnr, "jobs", "Jobs")
        assert browser.texts("main button") == []
        go(browser, fnr, "keys")
        browser.heading("did not work")


def test_for_everybody(page, fnr):
    fnr.run("painter", {"fail": True}, project="film", shot="a-very-long-name-of-a-shot-that-does-not-fit-anywhere-at-all")
    sound(page, fnr, {"queues": "queues", "dead-letters": "dead-letters", "keys": "keys"})
    for place, heading, button in (("queues", "Queues", "Pause"), ("queues", "Queues", "Limits"), ("keys", "Keys", "New key")):
        show(page, fnr, place, heading)
        page.click("main button", button)
        page.find("dialog")
        assert page.violations() == []
        page.press(Keys.ESCAPE)
        no_dialog(page)
        page.until(lambda: page.script("return document.activeElement.innerText.includes(arguments[0])", button), "the focus is back")
