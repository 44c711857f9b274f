"""The pages of templates in a real Chromium: the list, one with its versions, and the editor as form and as YAML."""

import json
import os
import shutil

from selenium.webdriver.common.keys import Keys

from browser import Browser
from pages import fnr, go, no_dialog, page, press, row, rows, shared, show, sound

BAD = "<img src=x onerror=alert(1)>"
SHOUT = """id: shout
version: 1.0.0
name: Shout
description: In capitals.
category: text
inputs:
  text: {type: string, required: true}
outputs: {}
backend: {type: noop}
"""


def text(page, yaml):
    """What is written into the editor, at once."""
    page.script("const field = document.querySelector('.editor textarea'); field.value = arguments[0]; field.dispatchEvent(new Event('input'))", yaml)


def make(fnr, id, **members):
    answer = fnr.post("/api/v1/templates", {"id": id, "version": "1.0.0", "name": id.title(), "category": "text", "inputs": {}, "outputs": {},
                                            "backend": {"type": "noop"}, **members})
    assert answer.status == 201, answer.data


def test_list_and_filters(page, fnr):
    show(page, fnr, "templates", "Templates")
    row(page, "Templates", "Paint a Picture", "painter", "1.0.0", "Pictures", "script")
    page.write("q", "title\n")
    page.until(lambda: len(rows(page, "Templates")) == 1, "one fits")
    page.driver.back()
    page.until(lambda: len(rows(page, "Templates")) > 1, "all of them again")
    page.arrived()
    page.click("[name=backend] option", "noop")
    page.until(lambda: rows(page, "Templates") and not any("script" in one for one in rows(page, "Templates")), "only what does nothing")
    page.click("#places a", "Templates")
    make(fnr, "arrives")
    row(page, "Templates", "Arrives")         # by itself
    page.click("table a", "Create Title Card")
    page.heading("Create Title Card 1.0.0")
    row(page, "Versions", "1.0.0", "In use", "create_title_card.yaml")
    row(page, "Inputs", "text", "string", "needed, at most 300 characters")
    row(page, "Inputs", "aspect", "16:9", "one of 16:9, 2.39:1")
    page.click("summary", "Presets")
    page.find("pre", '"height": 2160')
    page.click(".head a", "Use it")
    page.heading("Create Title Card")


def test_a_broken_file(page, fnr):
    show(page, fnr, "templates", "Templates")
    folder = os.path.join(fnr.data, "templates", "broken")
    os.makedirs(folder)
    with open(os.path.join(folder, "broken.yaml"), "w") as file:
        file.write(SHOUT.replace("id: shout", "id: broken").replace("category: text", "category: smell"))
    page.click("summary", "One file is broken")
    page.find(".messages .error", "Line 5:")
    with open(os.path.join(folder, "large.yaml"), "w") as file:
        file.write("#" * (2 << 20))
    page.find("summary", "2 files are broken")
    page.until(lambda: any("larger than" in one and "Line" not in one for one in page.texts(".messages .error")), "what cannot be read has no line")
    shutil.rmtree(folder)
    page.until(lambda: not page.all("details.error"), "it is gone")


def test_written_as_yaml(page, fnr):
    page.expected = ["400"]
    show(page, fnr, "templates", "Templates")
    page.click(".head a", "New template")
    page.heading("New template")
    page.find(".verdict", "It is valid.")
    text(page, SHOUT.replace("category: text", "category: smell").replace("type: string", "type: strong"))
    page.find(".verdict", "2 things are wrong.")
    page.find(".messages .error", "/category")
    assert page.texts(".gutter .error") == ["5", "7"]
    page.click(".messages button", "Line 7")
    chosen = page.script("const one = document.activeElement; return one.value.slice(one.selectionStart, one.selectionEnd)")
    assert chosen == "  text: {type: strong, required: true}"
    page.shoot("editor-wrong")
    assert page.violations() == []
    page.click("button", "Save")
    page.find("[role=status]", "It was not saved")
    text(page, SHOUT.replace("outputs: {}", "outputs: {"))
    page.find(".messages .error", "Line 8")
    text(page, SHOUT)
    page.find(".verdict", "It is valid.")
    page.click("button", "Save")
    page.heading("Shout 1.0.0")
    row(page, "Versions", "1.0.0", "In use", "made here")
    assert fnr.run("shout", {"text": "hello"})["state"] == "completed"
    answer = fnr.get("/api/v1/templates/shout/versions/1.0.0", headers={"Accept": "application/yaml"})
    assert answer.data.decode() == SHOUT        # as it was written


def test_changed_as_a_form(page, fnr):
    make(fnr, "formed", inputs={"text": {"type": "string", "required": True, "pattern": "^a"}}, tags=["old"], stages={"execution": {"weight": 0.5, "message": "Going…"}})
    show(page, fnr, "template=formed", "Formed 1.0.0")
    page.click("td a", "Edit")
    page.heading("Edit formed 1.0.0")
    page.find(".verdict", "It is valid.")
    page.write("tags", "new\nnewer")
    page.write("version", "1")
    page.find(".field .error", "major.minor.patch")
    page.write("version", "1.0.0")
    page.until(lambda: page.texts(".field .error") == [] or not any(page.texts(".field .error")), "nothing is wrong any more")
    page.click("button", "Add input")
    page.script("document.querySelector('.repeated details:last-of-type').dataset.mine = '1'")
    page.find("[data-mine] [name=name]").send_keys("count")
    page.click("[data-mine] [name=type] option", "integer")
    page.find("[data-mine] [name=default]").send_keys("3")
    page.find("[data-mine] [name=min]").send_keys("1")
    page.find("[data-mine] [name=enum]").send_keys("1\n3")
    page.find(".verdict", "It is valid.")
    page.click("button", "As YAML")
    page.until(lambda: "count:" in page.value(".editor textarea"), "what the form has")
    assert 'pattern: "^a"' in page.value(".editor textarea")      # what has no field is kept
    page.click("button", "As a form")
    page.until(lambda: page.value("[name=tags]") == "new\nnewer", "what the form had")
    assert page.violations() == []
    page.click("button", "Save")
    page.heading("Formed 1.0.0")
    row(page, "Inputs", "count", "integer", "3", "from 1, one of 1, 3")
    stored = fnr.get("/api/v1/templates/formed/versions/1.0.0").json
    assert stored["inputs"] == {"text": {"type": "string", "required": True, "pattern": "^a"}, "count": {"type": "integer", "default": 3, "min": 1, "enum": [1, 3]}}
    assert stored["stages"] == {"execution": {"weight": 0.5, "message": "Going…"}} and stored["tags"] == ["new", "newer"]


def test_somebody_else_was_quicker(page, fnr):
    page.expected = ["412"]
    make(fnr, "raced")
    show(page, fnr, "template=raced&version=1.0.0&edit=form", "Edit raced")
    page.write("name", "Mine")
    theirs = {**fnr.get("/api/v1/templates/raced/versions/1.0.0").json, "name": "Theirs"}
    assert fnr.request("PUT", "/api/v1/templates/raced/versions/1.0.0", theirs, headers={"If-Match": "*"}).status == 200
    page.click("button", "Save")
    page.find("[role=status]", "changed")
    assert fnr.get("/api/v1/templates/raced").json["name"] == "Theirs"


def test_versions_deprecation_and_deletion(page, fnr):
    make(fnr, "aged")
    show(page, fnr, "template=aged", "Aged 1.0.0")
    page.click("td a", "Derive")
    page.heading("New template")
    page.until(lambda: "extends: \"aged@1.0.0\"" in page.value(".editor textarea"), "what it extends")
    page.find(".verdict", "It is valid.")
    page.click("button", "Save")
    page.heading("Aged 1.0.1")
    row(page, "Versions", "1.0.1", "In use")
    press(page, "Versions", "1.0.0", "Deprecate")
    page.find("dialog [name=sunset]")
    page.script("document.querySelector('dialog [name=sunset]').value = '2099-12-31T23:00'")
    page.write("successor", "aged@1.0.1")
    page.click("dialog button.main")
    no_dialog(page)
    row(page, "Versions", "1.0.0", "Deprecated", "ends in", "use aged@1.0.1")
    press(page, "Versions", "1.0.1", "Deprecate")
    page.write("successor", "noop@1")
    page.click("dialog button.main")
    no_dialog(page)
    row(page, "Versions", "1.0.1", "Deprecated", "use noop@1")
    page.click(".head a", "Use it")
    page.find(".notice a", "noop@1")
    page.driver.back()
    page.heading("Aged 1.0.1")
    page.arrived()
    press(page, "Versions", "1.0.1", "Use again")
    row(page, "Versions", "1.0.1", "In use")
    press(page, "Versions", "1.0.0", "Use again")
    page.until(lambda: sum("In use" in one for one in rows(page, "Versions")) == 2, "both")
    press(page, "Versions", "1.0.1", "Delete")
    page.click("dialog button", "Delete it")
    page.until(lambda: len(rows(page, "Versions")) == 1, "one is left")
    page.heading("Aged 1.0.0")
    no_dialog(page)


def test_nothing_is_markup(page, fnr):
    make(fnr, "bad", name=BAD, description=BAD, author=BAD, tags=[BAD], inputs={"text": {"type": "string", "label": BAD, "description": BAD, "default": BAD, "enum": [BAD]}},
         examples=[{"name": BAD, "inputs": {"text": BAD}}], stages={"execution": {"weight": 1, "message": BAD}})
    for place in ("templates", "template=bad", "template=bad&version=1.0.0&edit=form", "template=bad&version=1.0.0&edit=yaml", "function=bad"):
        page.open("about:blank")
        go(page, fnr, place)
        page.until(lambda: BAD in page.script("return document.querySelector('main').innerText + [...document.querySelectorAll('input, textarea')].map((one) => one.value)"), place)
        page.script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.script("return document.querySelectorAll('img[src=x]').length") == 0, place
    fnr.request("DELETE", "/api/v1/templates/bad/versions/1.0.0", headers={"If-Match": "*"})


def test_who_may_only_look(fnr):
    key = fnr.post("/api/v1/keys", {"name": "looker", "scopes": ["read"]}).json["key"]
    with Browser() as browser:
        browser.expected = ["401"]
        browser.open(f"http://127.0.0.1:{fnr.port}/#templates")
        browser.find("#key").send_keys(key + Keys.ENTER)
        row(browser, "Templates", "Paint a Picture")
        assert browser.texts("main .head a") == []
        show(browser, fnr, "template=painter", "Paint a Picture")
        row(browser, "Versions", "1.0.0")
        assert browser.texts("table .button, table button") == []


def test_for_everybody(page, fnr):
    sound(page, fnr, {"templates": "templates", "template": "template=create_title_card", "yaml": "template=&edit=yaml", "form": "template=&edit=form"})


def test_json_that_was_given_is_shown_as_yaml(page, fnr):
    """And what it says is the same."""
    make(fnr, "given", description="It: has \"signs\", [brackets] # and so on", parameters={"a": {"b": [1, 2.5, None, True, "yes", "1.0"]}})
    show(page, fnr, "template=given&version=1.0.0&edit=yaml", "Edit given")
    page.find(".verdict", "It is valid.")
    page.click("button", "Save")
    page.heading("Given 1.0.0")
    assert json.loads(fnr.get("/api/v1/templates/given/versions/1.0.0").data)["parameters"] == {"a": {"b": [1, 2.5, None, True, "yes", "1.0"]}}
