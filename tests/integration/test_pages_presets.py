"""The pages of presets in a real Chromium: the list, the editor with its live preview, several beside each other, advice."""

import json

from selenium.webdriver.common.keys import Keys

from browser import Browser
from pages import fnr, go, page, row, rows, shared, show, sound

BAD = "<img src=x onerror=alert(1)>"


def make(fnr, **members):
    answer = fnr.post("/api/v1/presets", members)
    assert answer.status == 201, answer.data
    return answer.json["id"]


def choose_function(page, name):
    page.click("[name=template] option", name)


def values(page):
    """{parameter: (value, where it is from)} of the preview."""
    return {line[0]: tuple(line[1:]) for line in page.script("""return [...document.querySelectorAll("table")].filter((one) => one.caption?.textContent === "Resolved parameters")
        .flatMap((one) => [...one.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText)))""")}


def test_list(page, fnr):
    show(page, fnr, "presets", "Presets")
    tiers = ["Draft", "Standard", "High", "Ultra"]
    page.until(lambda: [one for one in page.texts("tbody th a") if one in tiers] == tiers, "from fastest to finest")
    row(page, "Presets", "Draft", "ships with it", "preview, iteration", "× 0.3")
    make(fnr, name="Arrives", base="high")
    row(page, "Presets", "Arrives", "high", "yours")          # by itself
    page.write("q", "arr\n")
    page.until(lambda: page.texts("tbody th a") == ["Arrives"], "one fits")


def test_what_one_makes_of_a_function(page, fnr):
    """50.9"""
    fnr.run("create_title_card", {"text": "one"}, quality="draft")
    show(page, fnr, "preset=draft", "Draft")
    choose_function(page, "Create Title Card")
    page.until(lambda: values(page).get("height") == ("360", "the function, for this quality"), "its height")
    assert values(page)["aspect"] == ("16:9", "the function")
    runs = fnr.post("/api/v1/presets/draft/resolve", {"template": "create_title_card", "inputs": {}}).json["estimate"]["runs"]
    assert runs > 0
    page.find("section[aria-label=Preview]", f"from {runs} past run")
    page.find("section[aria-label=Preview]", "CPU")
    assert page.script("return document.querySelector('main form fieldset').disabled")      # it ships: nobody changes it
    assert page.texts("main form button") == []
    choose_function(page, "Paint a Picture")
    page.until(lambda: "seconds" in values(page), "another function")


def test_derived_with_a_live_preview(page, fnr):
    """50.2, 50.9: checked and shown while one writes, before anything is stored."""
    page.expected = ["422"]
    show(page, fnr, "presets", "Presets")
    page.click("tr[data-key=draft] a", "Derive")
    page.heading("New preset")
    choose_function(page, "Create Title Card")
    page.until(lambda: values(page).get("height", [""])[0] == "360", "what its base makes")
    page.write("name", "Sketch")
    page.write("parameters", '{"image": {"height": 200, "supersample": "no"}}')
    page.until(lambda: values(page).get("height") == ("200", "the preset"), "what it would make")
    assert page.value("[name=parameters]") == '{"image": {"height": 200, "supersample": "no"}}'      # nobody writes into it
    page.write("parameters", '{"image": {"height": 200')
    page.find(".field .error", "not JSON")
    page.write("parameters", '{"image": {"height": 240}}')
    page.write("factors/time", "-1")
    page.until(lambda: page.find("[name='factors/time']").get_attribute("aria-invalid") == "true", "at its field")
    page.write("factors/time", "0.2")
    page.until(lambda: values(page).get("height") == ("240", "the preset"), "what it would make now")
    page.write("use_cases", "preview")
    page.click("[name=shared]")
    page.shoot("preset-new")
    assert page.violations() == []
    page.click("main form button", "Make it")
    page.heading("Sketch")
    stored = fnr.get("/api/v1/presets/sketch").json
    assert stored["base"] == "draft" and stored["tier"] == "draft" and stored["parameters"] == {"image": {"height": 240}} and stored["factors"]["time"] == 0.2
    assert stored["shared"] and stored["use_cases"] == ["preview"]
    go(page, fnr, "function=create_title_card")
    page.click("fnr-quality select option", "Sketch")          # used like those that ship
    page.write("text", "By a preset of ours")
    page.click("form button.main")
    page.find("main .state", "Done")
    id = page.driver.current_url.split("#job=")[1]
    job = fnr.get(f"/api/v1/jobs/{id}").json
    assert job["quality"] == "sketch" and job["parameters"]["height"] == 240


def test_changed_and_by_somebody_else(page, fnr):
    page.expected = ["412"]
    id = make(fnr, name="Mine", base="standard", shared=True)
    show(page, fnr, f"preset={id}", "Mine")
    choose_function(page, "Create Title Card")
    page.write("description", "For the review on Friday.")
    page.click("main form button", "Save")
    page.find("[role=status]", "Saved.")
    assert fnr.get(f"/api/v1/presets/{id}").json["description"] == "For the review on Friday."
    page.write("name", "Mine again")
    page.click("main form button", "Save")
    page.heading("Mine again")
    theirs = {"name": "Theirs", "base": "standard"}
    assert fnr.request("PUT", f"/api/v1/presets/{id}", theirs, headers={"If-Match": fnr.get(f"/api/v1/presets/{id}").headers["ETag"]}).status == 200
    page.write("name", "Mine for ever")
    page.click("main form button", "Save")
    page.find("[role=status]", "Somebody else has changed it")
    assert fnr.get(f"/api/v1/presets/{id}").json["name"] == "Theirs"
    page.driver.refresh()
    page.arrived()
    page.heading("Theirs")
    page.click(".head button", "Delete")
    page.click("dialog button", "Delete it")
    page.heading("Presets")
    assert fnr.get(f"/api/v1/presets/{id}").status == 404


def test_beside_each_other(page, fnr):
    make(fnr, name="Poster", base="high", parameters={"image": {"height": 1350}}, shared=True)
    show(page, fnr, "presets", "Presets")
    for name in ("Draft", "Ultra", "Poster"):
        page.click(f"[aria-label='Compare {name}']")
    page.click(".head a", "Compare 3")
    page.heading("Presets beside each other")
    choose_function(page, "Paint a Picture")
    choose_function(page, "Create Title Card")
    cells = lambda name: page.script("""return [...document.querySelectorAll("tbody tr")].filter((row) => row.cells[0].innerText.startsWith(arguments[0]))
        .map((row) => [row.className, ...[...row.cells].slice(1).map((cell) => cell.innerText)])[0]""", name)
    page.until(lambda: cells("height") == ["differs", "360", "2160", "1350"], "three heights")
    assert cells("font")[0] == "" and cells("Estimate")[1]
    page.until(lambda: "template=create_title_card" in page.driver.current_url, "an address to keep")
    page.driver.refresh()
    page.arrived()
    page.until(lambda: cells("height") == ["differs", "360", "2160", "1350"], "the same by its address")


def test_results_beside_each_other(page, fnr):
    """50.7: the same inputs at several qualities, with pictures and what was measured of them."""
    go(page, fnr, "function=create_title_card")
    page.write("text", "Which one?")
    page.click("form button", "Compare qualities")
    for id in ("standard", "ultra"):
        page.click(f"dialog [name='{id}']")
    chosen = page.script("return [...document.querySelectorAll('dialog input[type=checkbox]')].filter((one) => one.checked).map((one) => one.name)")
    assert chosen == ["draft", "high"]                  # those of people are not chosen
    page.click("dialog button.main")
    page.heading("Create Title Card at 2 qualities")
    page.until(lambda: page.texts(".side .state") == ["Done", "Done"], "both")
    page.until(lambda: page.script("return [...document.querySelectorAll('.side img')].map((one) => one.naturalHeight)") == [360, 1080], "two pictures")
    cells = lambda name: page.script("""return [...document.querySelectorAll("tbody tr")].filter((row) => row.cells[0].innerText.startsWith(arguments[0]))
        .map((row) => [...row.cells].slice(1).map((cell) => cell.innerText))[0]""", name)
    assert cells("height") == ["360", "1080"]
    page.until(lambda: cells("Sharpness") and all(one and float(one) > 0 for one in cells("Sharpness")), "what was measured")
    assert cells("Size")[0].startswith("640 × 360") and cells("Took")[0].endswith(" s")
    jobs = [fnr.get(f"/api/v1/jobs/{id}").json for id in page.script("return [...document.querySelectorAll('.side')].map((one) => one.dataset.job)")]
    assert jobs[0]["seed"] == jobs[1]["seed"] and jobs[0]["inputs"] == jobs[1]["inputs"]
    assert page.violations() == []
    page.shoot("comparison")
    page.click(".side a", "High")
    page.heading("Create Title Card")


def test_exported_and_imported(page, fnr, tmp_path):
    id = make(fnr, name="Traveller", base="draft", parameters={"image": {"height": 123}})
    for type, ending in (("application/yaml", "yaml"), ("application/json", "json")):
        path = tmp_path / f"traveller.{ending}"
        path.write_bytes(fnr.get(f"/api/v1/presets/{id}/export", headers={"Accept": type}).data)
        fnr.request("DELETE", f"/api/v1/presets/{id}", headers={"If-Match": fnr.get(f"/api/v1/presets/{id}").headers["ETag"]})
        show(page, fnr, "presets", "Presets")
        page.script("document.getElementById('import').classList.remove('away')")
        page.find("#import").send_keys(str(path))
        page.find("[role=status]", "Traveller was imported.")
        assert fnr.get(f"/api/v1/presets/{id}").json["parameters"] == {"image": {"height": 123}}
    page.expected = ["409"]
    page.find("#import").send_keys(str(path))
    page.find("[role=status]", id)              # it is there already
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path / "down")})
    (tmp_path / "down").mkdir()
    show(page, fnr, f"preset={id}", "Traveller")
    page.click(".head button", "Export JSON")
    file = tmp_path / "down" / f"{id}.json"
    page.until(file.exists, "the file")
    assert json.loads(file.read_text())["presets"][0]["parameters"] == {"image": {"height": 123}}


def test_which_one(page, fnr):
    """50.6"""
    show(page, fnr, "presets", "Presets")
    page.click("button", "Which one?")
    page.click("dialog [name=template] option", "Create Title Card")
    page.click("dialog [name=use_case] option", "delivery")
    page.click("dialog button.main")
    page.find("dialog h2", "The right preset")
    page.find("dialog .panel a", "Ultra")
    page.find("dialog h3", "The next best")
    assert page.violations() == []
    page.click("dialog .panel a", "Ultra")
    page.heading("Create Title Card")
    page.until(lambda: page.value("fnr-quality input:checked") == "ultra", "it is chosen")


def test_nothing_is_markup(page, fnr):
    id = make(fnr, name=BAD, description=BAD, base="draft", parameters={"generic": {"text": BAD}}, shared=True)
    for place in ("presets", f"preset={id}", f"compare=draft,{id}", f"function=create_title_card&quality={id}"):
        page.open("about:blank")
        go(page, fnr, place)
        page.until(lambda: BAD in page.script("return document.querySelector('main').innerText + [...document.querySelectorAll('option, input')].map((one) => one.innerText + one.value)"), place)
        assert page.script("return document.querySelectorAll('img[src=x]').length") == 0, place


def test_who_may_only_look(fnr):
    key = fnr.post("/api/v1/keys", {"name": "looker", "scopes": ["read"]}).json["key"]
    with Browser() as browser:
        browser.expected = ["401"]
        browser.open(f"http://127.0.0.1:{fnr.port}/#presets")
        browser.find("#key").send_keys(key + Keys.ENTER)
        row(browser, "Presets", "Draft")
        assert browser.texts("table button, table .button") == [] and browser.all("#import") == []
        show(browser, fnr, "preset=high", "High")
        browser.until(lambda: values(browser), "what it makes")


def test_for_everybody(page, fnr):
    id = make(fnr, name="A preset with a rather long name that has to go somewhere", base="draft", shared=True)
    sound(page, fnr, {"presets": "presets", "preset": f"preset={id}", "shipped": "preset=high", "compare": "compare=draft,high,ultra&template=create_title_card"})
