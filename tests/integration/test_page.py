"""The page in a real Chromium: from choosing a function to its result, by people with eyes, with a keyboard, with bad networks."""

import os

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Browser, Line
from comfyui import Comfyui
from crash import until
from front import Front
from pages import KEEP_BACK, ffmpeg, fnr, go, held, leave, let_go, link, seen, shared, sign_in, silent
from system import FNR


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for i, source in enumerate(["testsrc2=s=640x360:d=1", "smptebars=s=400x400:d=1", "rgbtestsrc=s=300x200:d=1"]):
        paths.append(str(folder / f"picture {i + 1}.png"))
        ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "1", paths[-1])
    return paths


@pytest.fixture
def page(shared, fnr):
    leave(shared, fnr)
    shared.expected = []
    go(shared, fnr, "")
    shared.heading("What shall be made?")
    yield shared
    leave(shared, fnr)
    silent(shared)


def open_function(page, fnr, id="painter", more=""):
    go(page, fnr, f"function={id}{more}")
    page.find("form fnr-quality input")


def job_of(page, *others):
    """Of the page of a job, once that is what is shown; not one of the others."""
    id = page.until(lambda: "#job=" in page.driver.current_url and page.driver.current_url.split("#job=")[1] not in others and
                    page.driver.current_url.split("#job=")[1], "the page of a job")
    page.arrived()
    return id


def state(page, word):
    page.find("main .state", word)


def paint(page, **values):
    """Fills in the form and sends it; the job's id."""
    for name, value in values.items():
        page.write(name, value)
    page.click("form button.main")
    return job_of(page)


def shown(page):
    """The width of the result's picture, once it was really drawn."""
    return page.until(lambda: page.script("return document.querySelector('.output img')?.naturalWidth"), "the picture")


# ---- signing in ----

def test_one_time_link_and_key(fnr):
    with Browser() as browser:
        browser.expected = ["401"]
        address = link(fnr)
        browser.open(f"http://127.0.0.1:{fnr.port}/")
        browser.heading("Sign in")
        browser.shoot("sign-in")
        assert browser.violations() == []
        browser.find("#key").send_keys("fnr_wrong" + Keys.ENTER)
        browser.find(".error", "not known here")
        browser.open(address)
        browser.heading("What shall be made?")
        assert "link" not in browser.driver.current_url
        browser.click("#sign-out")
        browser.heading("Sign in")
        browser.driver.execute_async_script("setTimeout(arguments[0], 2500)")
        assert browser.texts("#connection") in ([], [""])      # whoever went away has lost nothing
        browser.open("about:blank")
        browser.open(address)
        browser.find(".notice", "used already")
        browser.find("#key").send_keys(fnr.key)
        browser.click("button", "Sign in")
        browser.heading("What shall be made?")
        browser.driver.refresh()
        browser.heading("What shall be made?")


def test_a_key_that_may_only_look(fnr):
    key = fnr.post("/api/v1/keys", {"name": "looker", "scopes": ["read"]}).json["key"]
    id = fnr.run("painter")["id"]
    with Browser() as browser:
        browser.expected = ["401"]
        browser.open(f"http://127.0.0.1:{fnr.port}/#job={id}")
        browser.find("#key").send_keys(key + Keys.ENTER)
        state(browser, "Done")
        assert shown(browser) == 320
        assert browser.texts("main .actions *") == []
        open_function(browser, fnr)
        browser.find(".notice", "may look")
        assert browser.all("form button.main") == []


def test_a_session_that_ends(fnr):
    """Whoever is signed out elsewhere is asked again, and goes on where they were."""
    with Browser() as browser:
        browser.expected = ["401"]
        sign_in(browser, fnr)
        open_function(browser, fnr)
        browser.new_tab(f"http://127.0.0.1:{fnr.port}/")
        browser.click("#sign-out")
        browser.tab(0)
        browser.heading("Sign in")
        browser.find("#key").send_keys(fnr.key + Keys.ENTER)
        browser.heading("Paint a Picture")
        browser.tab(1)
        browser.heading("What shall be made?")


# ---- choosing and filling in ----

def test_choosing(page):
    names = lambda: page.texts("#functions .name")
    page.until(lambda: "Paint a Picture" in names() and "Create Title Card" in names(), "what there is")
    page.find("#search").send_keys("brush")
    page.until(lambda: names() == ["Paint a Picture"], "only what fits")
    page.find("#search").send_keys("nothing")
    page.find("[role=status]", "Nothing fits")
    page.find("#search").clear()
    page.find("#search").send_keys(" ")
    page.click("#category option", "Pictures")
    page.until(lambda: "Do Nothing" not in names() and "Paint a Picture" in names(), "only pictures")
    page.click(".card", "Paint a Picture")
    page.heading("Paint a Picture")


def test_what_was_chosen_stays(page, fnr):
    """The category and the cards, though functions come meanwhile; also what was chosen while they were being read."""
    page.find(".card", "Paint a Picture")
    page.script("document.querySelector('.card[href$=painter]').mine = true")
    page.script(KEEP_BACK, "templates?limit")
    assert fnr.post("/api/v1/templates", {"id": "newcomer", "version": "1.0.0", "name": "Newcomer", "category": "image", "inputs": {}, "backend": {"type": "noop"}}).status == 201
    page.until(lambda: page.script("return kept.length"), "the list is read again")
    page.click("#category option", "Pictures")
    let_go(page)
    page.find(".card", "Newcomer")
    assert page.value("#category") == "image" and "Do Nothing" not in page.texts("#functions .name")
    assert page.script("return document.querySelector('.card[href$=painter]').mine")
    assert fnr.request("DELETE", "/api/v1/templates/newcomer/versions/1.0.0", headers={"If-Match": "*"}).status == 204


def test_form_from_the_schema(page, fnr):
    open_function(page, fnr)
    assert page.value("[name=seconds]") == "0.2"
    assert page.find("[name=seconds]").get_attribute("max") == "60"
    assert page.value("[name=fail]") is False
    assert page.find("fieldset", "Rarely needed").find_elements(By.NAME, "numbers")
    page.click(".examples button", "Slow")
    assert page.value("[name=seconds]") == "30"
    assert page.value("fnr-quality input:checked") == "high"
    page.write("words", "one\ntwo\n\n")
    page.write("numbers", "{1")
    page.click("form button.main")
    page.find(".error", "not JSON")
    page.until(lambda: focus(page) == "numbers", "the focus is where something is wrong")
    id = paint(page, numbers='{"a": [1, true]}', seconds="0")
    state(page, "Done")
    inputs = fnr.get(f"/api/v1/jobs/{id}").json["inputs"]
    assert inputs["words"] == ["one", "two"] and inputs["numbers"] == {"a": [1, True]} and inputs["seconds"] == 0


def focus(page):
    return page.script("return document.activeElement.name")


def test_order_and_controls_of_a_template(page, fnr):
    inputs = {
        "last": {"type": "string", "max_length": 40, "order": 9, "control": "textarea"},
        "title": {"type": "string", "control": "text"},
        "story": {"type": "string"},
        "ink": {"type": "string", "control": "color"},
        "strength": {"type": "number", "min": 0, "max": 2, "order": -1, "control": "slider"},
        "steps": {"type": "integer", "min": 1, "max": 150, "default": 20, "control": "slider"},
        "points": {"type": "array", "items": {"type": "number"}, "control": "json"},
    }
    template = {"id": "controls", "version": "1.0.0", "name": "Controls", "category": "text", "inputs": inputs, "backend": {"type": "noop"}}
    assert fnr.post("/api/v1/templates", template).status == 201
    open_function(page, fnr, "controls")
    page.shoot("controls")
    names = page.script("return [...document.querySelectorAll('.fields [name]')].map((one) => one.name)")
    assert names == ["strength", "title", "story", "ink", "steps", "points", "last"]
    tags = {name: page.find(f"[name={name}]").tag_name for name in names}
    assert tags == {"strength": "input", "title": "input", "story": "textarea", "ink": "input", "steps": "input", "points": "textarea", "last": "textarea"}
    assert page.find("input[type=color] + [name=ink]")
    page.find("input[type=range]:has(+ [name=strength])").send_keys(Keys.END)
    page.until(lambda: page.value("[name=strength]") == "2", "the most")
    assert page.value("input[type=range]:has(+ [name=steps])") == "20"
    page.write("steps", "30")
    page.until(lambda: page.value("input[type=range]:has(+ [name=steps])") == "30", "it follows")
    page.write("points", "[1, 2.5]")
    assert page.violations() == []
    page.click("form button.main")
    inputs = fnr.get(f"/api/v1/jobs/{job_of(page)}").json["inputs"]
    assert inputs == {"strength": 2, "steps": 30, "points": [1, 2.5]}


def test_what_no_event_told_of(fnr):
    """What was read before decides neither what is not there nor how it is, also while events do not get through."""
    def template(id, **members):
        return {"id": id, "version": "1.0.0", "name": "Unheard", "category": "text", "inputs": {"first": {"type": "string"}}, "backend": {"type": "noop"}, **members}

    def at(place):
        browser.open(f"http://127.0.0.1:{line.port}/#{place}")
        browser.arrived()

    line = Line(fnr.port)
    line.deaf = True
    with Browser() as browser:
        browser.expected = ["401"]
        sign_in(browser, fnr, port=line.port)
        at("function=painter")
        assert fnr.post("/api/v1/templates", template("unheard")).status == 201
        at("function=unheard")
        browser.heading("Unheard")
        changed = template("unheard", name="Changed", inputs={"second": {"type": "string"}})
        assert fnr.request("PUT", "/api/v1/templates/unheard/versions/1.0.0", changed, headers={"If-Match": "*"}).status == 200
        assert fnr.post("/api/v1/presets", {"id": "unheard", "name": "Of yesterday", "base": "draft", "shared": True}).status == 201
        at("")
        browser.find(".card", "Changed")
        at("function=unheard")
        browser.heading("Changed")
        browser.find("[name=second]")
        assert browser.all("[name=first]") == []
        browser.find("fnr-quality option", "Of yesterday")
        at("presets")
        browser.find("table a", "Of yesterday")
        assert fnr.post("/api/v1/templates", template("second", name="Comes last")).status == 201
        browser.click("button", "Which one?")
        browser.find("dialog option", "Comes last")
        assert fnr.post("/api/v1/templates", template("third", name="Later still")).status == 201
        job = fnr.run("third", {})["id"]
        at(f"job={job}")
        browser.heading("Later still")
        browser.find(".entry", "Later still")
        at("templates")
        browser.find("table a", "Later still")
        at("jobs")
        browser.find("table a", "Later still")
        assert fnr.request("DELETE", "/api/v1/templates/unheard/versions/1.0.0", headers={"If-Match": "*"}).status == 204
        browser.expected.append("404")
        at("function=unheard")
        browser.heading("not there")
    line.close()
    for place in ("templates/second/versions/1.0.0", "templates/third/versions/1.0.0", "presets/unheard"):
        assert fnr.request("DELETE", f"/api/v1/{place}", headers={"If-Match": "*"}).status == 204


def test_a_preset_that_comes_while_a_form_is_open(page, fnr):
    open_function(page, fnr)
    page.write("seconds", "7")
    page.click("fnr-quality input[value=high]")
    assert fnr.post("/api/v1/presets", {"id": "arrives", "name": "Arrives", "base": "draft"}).status == 201
    page.find("fnr-quality option", "Arrives")
    assert page.value("[name=seconds]") == "7" and page.value("fnr-quality input:checked") == "high"
    assert fnr.request("DELETE", "/api/v1/presets/arrives", headers={"If-Match": "*"}).status == 204
    page.until(lambda: page.texts("fnr-quality option") == [], "it is gone")


def test_what_servers_have_is_offered(page, fnr):
    """60.9: models and samplers as they are on the servers now; anything else may be written too."""
    with Comfyui() as comfy:
        assert fnr.post("/api/v1/backends", {"id": "comfy", "type": "comfyui", "url": comfy.url}).status == 201
        for category in ("KSampler.sampler_name", "checkpoints"):
            until(lambda: fnr.get(f"/api/v1/models?category={category}").json["items"], "the server was asked")
        open_function(page, fnr, "text_to_image")
        offered = lambda name: page.script(f"return [...document.querySelectorAll('[name={name}] + datalist option')].map((one) => one.value)")
        page.until(lambda: "uni_pc" in offered("sampler") and "sdxl.safetensors" in offered("checkpoint"), "what the server has")
        assert page.value("[name=sampler]") == "euler"
        assert fnr.request("DELETE", "/api/v1/backends/comfy", headers={"If-Match": "*"}).status == 204


def test_how_full_the_graphics_card_is(page, fnr):
    """48.7: while a server works on the job."""
    with Comfyui(hold="KSampler") as comfy:
        assert fnr.post("/api/v1/backends", {"id": "comfy", "type": "comfyui", "url": comfy.url}).status == 201
        until(lambda: fnr.get("/api/v1/backends/comfy").json["state"] == "ready", "it was asked how it is")
        id = fnr.submit("text_to_image", {"prompt": "a cat"}, quality="draft")["id"]
        go(page, fnr, f"job={id}")
        page.find("fnr-progress .quiet", "graphics card: 4.3 GB of 26 GB in use")
        comfy.set(hold=None)
        state(page, "Done")
        assert fnr.wait(id)["state"] == "completed"
        assert fnr.request("DELETE", "/api/v1/backends/comfy", headers={"If-Match": "*"}).status == 204


def test_what_the_server_finds_is_said_at_the_field(page, fnr):
    page.expected = ["422"]
    open_function(page, fnr)
    page.write("seconds", "61")
    page.click("form button.main")
    error = page.find(".field .error", "60").get_attribute("id")
    page.until(lambda: focus(page) == "seconds", "the focus is where something is wrong")
    field = page.find("[name=seconds]")
    assert field.get_attribute("aria-invalid") == "true" and error in field.get_attribute("aria-describedby")
    page.shoot("error")
    page.write("seconds", "0")
    page.write("project", "../etc")
    page.click("form button.main")
    page.find("[role=alert]", "project")
    paint(page, project="")
    state(page, "Done")


def test_title_card_by_example(page, fnr):
    """51.1: with a function that ships; filed in a project."""
    open_function(page, fnr, "create_title_card")
    page.click(".examples button", "First act")
    id = paint(page, project="film", shot="s010")
    state(page, "Done")
    assert shown(page) > 300
    page.shoot("result")
    assert page.find(".output a.button").get_attribute("download").endswith(".png")
    page.find("dd", "film / s010 / take 1")
    page.find("#recent .entry", "Create Title Card")
    assert fnr.get(f"/api/v1/jobs/{id}").json["inputs"]["text"] == "Act One"
    open_function(page, fnr)
    assert page.value("[name=project]") == "film"    # the next job goes to the same place


def test_voice_over_by_example(page, fnr):
    """Sound: to be heard, with its waveform once that was made."""
    open_function(page, fnr, "create_voice_over")
    page.click(".examples button", "An opening line")
    id = paint(page)
    state(page, "Done")
    page.until(lambda: (page.script("return document.querySelector('.output audio')?.duration") or 0) > 1, "sound that can be played")
    page.until(lambda: page.script("return document.querySelector('.output .sound img')?.naturalWidth") == 512, "its waveform")
    page.find(".output .name", "voice_over.wav")
    page.find(f"#recent [data-job='{id}'] img[src*='/thumbnail']")      # its waveform in the list
    page.shoot("sound")
    assert page.violations() == []


# ---- files ----

DROP = """
const transfer = new DataTransfer();
for (const name of arguments[1]) transfer.items.add(new File([arguments[2]], name, {type: arguments[3]}));
for (const type of ["dragover", "drop"])
  arguments[0].dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
"""


def test_files(page, fnr, pictures):
    open_function(page, fnr)
    page.find("#" + field_id(page, "Canvas")).send_keys(pictures[0])
    page.until(lambda: "was sent" in page.script("return document.querySelectorAll('.file-field')[0].textContent"), "the upload")
    page.find("#" + field_id(page, "Sketches")).send_keys("\n".join(pictures))
    page.until(lambda: len(page.all(".files li")) == 4, "three more files")
    page.click("[aria-label='Move picture 3.png forward']")
    page.click("[aria-label='Remove picture 1.png'] ~ *, .file-field:nth-of-type(1) [aria-label='Remove picture 2.png']")
    page.script(DROP, page.all(".drop")[1], ["note.txt"], "text", "text/plain")
    page.find(".files .failed", "text/plain")
    page.click("form button.main")
    page.find(".field .error", "note.txt")
    page.click("[aria-label='Remove note.txt']")
    page.write("seconds", "0")
    page.shoot("files")
    id = paint(page)
    state(page, "Done")
    inputs = fnr.get(f"/api/v1/jobs/{id}").json["inputs"]
    assert inputs["canvas"].startswith("upload:") and len(inputs["sketches"]) == 2


def field_id(page, label):
    return page.script("return [...document.querySelectorAll('label')].find((one) => one.innerText.startsWith(arguments[0])).htmlFor", label)


def test_several_files_make_several_jobs(page, fnr, pictures):
    open_function(page, fnr)
    page.find("#" + field_id(page, "Canvas")).send_keys("\n".join(pictures))
    page.find("form button.main", "× 3")
    page.write("seconds", "0")
    page.click("form button.main")
    page.heading("Paint a Picture × 3")
    page.until(lambda: sum("Done" in tile for tile in page.texts(".tile")) == 3, "three results")
    page.shoot("batch")
    batch = page.driver.current_url.split("#batch=")[1]
    jobs = [fnr.get(f"/api/v1/jobs/{id}").json for id in fnr.get(f"/api/v1/batches/{batch}").json["jobs"]]
    assert len({job["inputs"]["canvas"] for job in jobs}) == 3
    assert page.violations() == []


def test_dropped_picture(page, fnr):
    open_function(page, fnr)
    page.script(DROP, page.all(".drop")[0], ["drawn.png"], "not really", "image/png")
    page.find(".files li", "drawn.png")
    page.until(lambda: page.script("return document.querySelector('.files progress').hidden"), "the upload")
    assert page.texts(".files .failed") == []


# ---- watching ----

def test_watching_with_a_reload_in_the_middle(page, fnr):
    percent = lambda: page.script("return document.querySelector('fnr-progress progress').value")
    open_function(page, fnr)
    with held(fnr) as let_go:
        id = paint(page)
        page.find("fnr-progress .message", "Stroke 6")
        page.find(".preview img")
        page.shoot("running")
        page.click("summary", "Log")
        page.find(".log li", "stretching the canvas")
        before = page.until(percent, "how far it is")
        page.driver.refresh()
        page.find("fnr-progress .message", "Stroke 6")
        assert percent() >= before
        assert page.violations() == []
        let_go()
        state(page, "Done")
    assert shown(page) == 320
    assert page.texts("article fnr-progress") == []
    assert fnr.get(f"/api/v1/jobs/{id}").json["attempt"] == 1


def test_a_result_is_shown_once(page, fnr):
    """However slowly what stands below it is found out, and though its thumbnail comes meanwhile."""
    with held(fnr):
        id = fnr.submit("painter", {"seconds": 0})["id"]
        go(page, fnr, f"job={id}")
        page.find("fnr-progress .message", "Stroke")
        page.script(KEEP_BACK, "templates?limit")
        assert fnr.post("/api/v1/presets", {"id": "meanwhile", "name": "Meanwhile", "base": "draft"}).status == 201      # the page forgets what it knew
    fnr.wait(id)
    known = lambda: page.script("""return answers.some(({address, text}) => address.endsWith(arguments[0]) && JSON.parse(text).outputs?.[0]?.thumbnail)""", f"jobs/{id}")
    page.until(known, "the page knows of its thumbnail")
    let_go(page)
    page.find(".output img")
    assert page.script("return document.querySelectorAll('.output').length") == 1
    assert fnr.request("DELETE", "/api/v1/presets/meanwhile", headers={"If-Match": "*"}).status == 204


def test_what_somebody_is_about_to_press_stays(page, fnr):
    first = fnr.run("painter", {"seconds": 0})["id"]
    go(page, fnr, f"job={first}")
    page.find(f"#recent [data-job='{first}'] img[src*='/thumbnail']")
    page.script("document.querySelector(`#recent [data-job='${arguments[0]}'] a`).mine = true", first)
    second = fnr.run("painter", {"seconds": 0})["id"]
    page.find(f"#recent [data-job='{second}'] img[src*='/thumbnail']")
    assert page.script("return document.querySelector(`#recent [data-job='${arguments[0]}'] a`).mine", first)


def test_a_paused_queue(page, fnr):
    fnr.post("/api/v1/queues/io/pause")
    id = fnr.submit("painter", {"seconds": 0}, queue="io")["id"]
    go(page, fnr, f"job={id}")
    page.find("fnr-progress", "its queue is paused")
    fnr.post("/api/v1/queues/io/resume")
    state(page, "Done")


def test_cancel_and_failure(page, fnr):
    open_function(page, fnr)
    with held(fnr):
        paint(page)
        page.find("fnr-progress .message", "Stroke")
        page.click(".actions button", "Cancel")
        state(page, "Cancelled")
    open_function(page, fnr)
    page.click("[name=fail]")
    paint(page)
    state(page, "Failed")
    page.find("[role=alert]", "There is no paint left.")
    page.find("[role=alert]", "Bring paint.")
    page.click("summary", "For technicians")
    page.find("pre", "pot 7")
    assert page.violations() == []


def test_ten_seconds_without_a_network(fnr):
    """Nothing is lost while nothing can be reached: neither what runs nor what is being submitted."""
    line = Line(fnr.port)
    with Browser() as browser:
        browser.expected = ["ERR_", "401"]
        sign_in(browser, fnr, port=line.port)
        browser.open(f"http://127.0.0.1:{line.port}/#function=painter")
        browser.arrived()
        with held(fnr) as let_go:
            job = paint(browser, seconds="0.4")
            browser.find("fnr-progress .message", "Stroke")
            with line.down(10):
                browser.find("#connection", "connection to the server was lost")
                browser.shoot("lost")
                let_go()
        state(browser, "Done")
        assert shown(browser) == 320
        browser.until(lambda: "lost" not in browser.find("header").text, "the notice goes")
        browser.open(f"http://127.0.0.1:{line.port}/#function=painter&from={job}")
        browser.arrived()
        browser.heading("Paint a Picture")
        with line.down(4):
            browser.click("form button.main")
            browser.find("[role=status]", "No connection")
        again = job_of(browser, job)
        state(browser, "Done")
        assert fnr.get(f"/api/v1/jobs/{again}").json["inputs"]["seconds"] == 0.4
        assert len([one for one in fnr.get("/api/v1/jobs?template=painter").json["items"] if one["created_at"] >= fnr.get(f"/api/v1/jobs/{again}").json["created_at"]]) == 1
    line.close()


def test_two_tabs_one_stream(fnr):
    line = Line(fnr.port)
    with Browser() as browser:
        browser.expected = ["401"]
        sign_in(browser, fnr, port=line.port)
        with held(fnr):
            job = fnr.submit("painter", {"seconds": 0})["id"]
            browser.open(f"http://127.0.0.1:{line.port}/#job={job}")
            browser.new_tab(f"http://127.0.0.1:{line.port}/#job={job}")
            for tab in (0, 1):
                browser.tab(tab)
                browser.find("fnr-progress .message", "Stroke")
        for tab in (1, 0):
            browser.tab(tab)
            state(browser, "Done")
            assert shown(browser) == 320
        browser.until(lambda: len(line.streams) == 1, lambda: f"one stream, not {len(line.streams)}")
    line.close()


# ---- going on from a result ----

def test_again_change_use_delete(page, fnr):
    job = fnr.run("painter", {"seconds": 0}, seed=5)["id"]
    go(page, fnr, f"job={job}")
    page.click(".actions button", "another seed")
    again = job_of(page, job)
    state(page, "Done")
    assert fnr.get(f"/api/v1/jobs/{again}").json["seed"] != 5
    page.click(".actions a", "Change and run again")
    page.until(lambda: page.value("[name=seconds]") == "0", "the same inputs")
    go(page, fnr, f"job={again}")
    page.click(".uses a", "Paint a Picture")
    page.find(".files li", "Result “image”")
    page.write("seconds", "0")
    page.click("form button.main")
    third = job_of(page, job, again)
    state(page, "Done")
    assert fnr.get(f"/api/v1/jobs/{third}").json["inputs"]["canvas"].startswith("upload:")    # the result itself, kept for this job
    seen(page, ".output img", f"#recent [data-job='{third}'] img[src*='/thumbnail']")      # else they are asked for when they are gone
    page.click(".actions button", "Delete")
    page.click("dialog button", "Delete")
    page.heading("What shall be made?")
    assert fnr.get(f"/api/v1/jobs/{third}").status == 404


def test_variations(page, fnr):
    open_function(page, fnr)
    page.write("seconds", "0")
    page.click("summary", "Variations")
    page.write("count", "4")
    page.click("form button.main", "× 4")
    page.heading("Paint a Picture × 4")
    page.until(lambda: sum("Done" in tile for tile in page.texts(".tile")) == 4, "four results")
    batch = page.driver.current_url.split("#batch=")[1]
    seeds = {fnr.get(f"/api/v1/jobs/{id}").json["seed"] for id in fnr.get(f"/api/v1/batches/{batch}").json["jobs"]}
    assert len(seeds) == 4


def test_what_is_not_there(page, fnr):
    page.expected = ["404", "422", "400"]
    for place in ("function=none", "job=01a209e4-4dc2-755c-b966-2cc310b90000", "batch=01a209e4-4dc2-755c-b966-2cc310b90000", "job=%2e%2e"):
        go(page, fnr, place)
        page.heading("not")
        page.click("main a", "All functions")
        page.heading("What shall be made?")


# ---- for everybody ----

def views(fnr):
    job = fnr.run("painter", {"seconds": 0})["id"]
    return {"functions": "", "function": "function=create_title_card", "files": "function=painter", "job": f"job={job}"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_axe_and_widths(page, fnr, width, dark):
    page.size(width, 900)
    page.dark(dark)
    for name, place in views(fnr).items():
        go(page, fnr, place)
        page.find("main h1")
        page.find("#recent .entry")
        page.shoot(f"{name}-{width}-{'dark' if dark else 'light'}")
        assert page.violations() == [], name
        assert page.script("return document.documentElement.scrollWidth") <= width, name
        small = page.script("""return [...document.querySelectorAll("a.button, button, input:not([type=hidden]), select")].filter((one) => one.checkVisibility()
            && one.getBoundingClientRect().height < 19).map((one) => one.outerHTML)""")
        assert small == [], name


def test_by_keyboard_alone(page, fnr):
    def tab_to(selector, *keys, most=80):
        for _ in range(most):
            page.press(Keys.TAB)
            if page.script("return document.activeElement.matches(arguments[0])", selector):
                page.press(*keys)
                return
        raise AssertionError(f"{selector} cannot be reached")

    tab_to(".skip", Keys.ENTER)
    page.until(lambda: page.script("return document.activeElement.id") == "work", "the content has the focus")
    assert "#work" not in page.driver.current_url
    tab_to("#search", "brush")
    page.until(lambda: page.texts("#functions .name") == ["Paint a Picture"], "only what fits")
    tab_to(".card", Keys.ENTER)
    page.heading("Paint a Picture")
    page.until(lambda: page.script("return document.activeElement.tagName") == "H1", "people hear where they are")
    tab_to("[name=seconds]", "0")      # what it held is selected
    tab_to("fnr-quality input", Keys.ARROW_LEFT)
    tab_to("form button.main", Keys.ENTER)
    id = job_of(page)
    state(page, "Done")
    assert fnr.get(f"/api/v1/jobs/{id}").json["quality"] == "draft"


def test_policy_and_no_other_host(fnr):
    answer = fnr.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy and "http" not in policy
    web = os.path.join(os.path.dirname(os.path.dirname(FNR)), "share/function-runner/web")
    names = [os.path.join(folder, name) for folder, _, files in os.walk(web) for name in files]
    assert len(names) > 30
    for name in names:
        with open(name) as file:
            text = file.read().replace("http://www.w3.org/2000/svg", "").replace("https://…", "")
        assert "http://" not in text and "https://" not in text, name
        assert " style=" not in text and " onclick=" not in text, name


def test_below_a_sub_path(fnr):
    front = Front(fnr, "/runner/")
    with Browser() as browser:
        browser.expected = ["401"]
        sign_in(browser, fnr, port=front.port, path="/runner/")
        browser.click(".card", "Paint a Picture")
        with held(fnr):
            paint(browser)
            browser.find("fnr-progress .message", "Stroke")
        state(browser, "Done")
        assert shown(browser) == 320
    front.stop()
