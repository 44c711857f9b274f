"""The pages of takes in a real Chromium: projects and shots, the gallery, a take, two beside each other."""

import tarfile

import pytest

from browser import Browser
from pages import KEEP_BACK, let_go, no_dialog, page, painting_system, seen, shared, show, sound


@pytest.fixture(scope="module")
def fnr():
    with painting_system() as system:
        for i, background in enumerate(["#204060", "#602040", "#206040"]):
            system.run("create_title_card", {"text": f"Act {i + 1}", "background": background}, project="film", shot="s010", quality="draft", seed=i)
        system.run("create_voice_over", {"text": "Hello."}, project="radio", shot="intro", quality="draft")
        yield system


def takes(page):
    return page.texts(".tile .name")


def shot_of(fnr, name, *texts):
    """A shot of one test, with a take for each text."""
    for text in texts:
        assert fnr.run("create_title_card", {"text": text, "background": "#602040" if text == "Act 2" else "#204060"}, project="own", shot=name, quality="draft")["take"]


@pytest.fixture
def beside(page, fnr):
    """Two tabs: the second one, which the test leaves, and a function that says which is in front."""
    page.open(f"http://127.0.0.1:{fnr.port}/")
    page.arrived()
    page.new_tab(f"http://127.0.0.1:{fnr.port}/")
    page.arrived()
    yield page.tab
    page.tab(1)
    page.driver.close()
    page.tab(0)


def test_two_tabs_see_the_same(page, fnr, beside):
    """What is chosen or deleted in one tab is seen in the other, in the gallery and at the take itself."""
    page.expected = ["404"]       # one tab asks for what the other has just deleted
    for i in range(3):
        fnr.run("create_title_card", {"text": f"Tab {i}"}, project="tabs", shot="one", quality="draft")
    beside(0)
    show(page, fnr, "takes=tabs/one", "tabs / one")
    page.find(".tile.active", "Take 3")
    beside(1)
    show(page, fnr, "take=tabs/one/1", "Take 1")
    page.click("button", "Choose this take")
    page.find(".news", "is the one of one now")
    beside(0)
    page.find(".tile.active", "Take 1")
    show(page, fnr, "take=tabs/one/2", "Take 2")
    beside(1)
    show(page, fnr, "take=tabs/one/2", "Take 2")
    page.click("button", "Delete")
    page.click("dialog button", "Delete")
    page.heading("tabs / one")
    no_dialog(page)
    page.until(lambda: takes(page) == ["Take 3", "Take 1"], "it is gone")
    beside(0)
    page.find(".news", "This take was deleted.")
    page.until(lambda: page.texts("main .actions button") == [], "nothing can be done with it")
    show(page, fnr, "takes=tabs/one", "tabs / one")
    page.until(lambda: takes(page) == ["Take 3", "Take 1"], "two are left")
    assert fnr.request("DELETE", "/api/v1/projects/tabs/shots/one/takes/1").status == 204
    page.until(lambda: takes(page) == ["Take 3"], "by itself")


def test_projects_and_gallery(page, fnr):
    shot_of(fnr, "gallery", "Act 1", "Act 2", "Act 3")
    show(page, fnr, "takes", "Takes")
    page.find(".panel", "radio")
    page.click(".panel a", "gallery")
    page.heading("own / gallery")
    page.until(lambda: takes(page) == ["Take 3", "Take 2", "Take 1"], "the newest first")
    page.find(".tile.active", "Take 3")
    page.until(lambda: len(page.all(".tile img")) == len(page.all(".tile img[src*='/thumbnail']")) == 3, "thumbnails")
    shot_of(fnr, "gallery", "Act 4")
    page.until(lambda: takes(page)[0] == "Take 4", "one more, by itself")
    page.click(".tile a", "Take 2")
    page.heading("Take 2")
    page.find("dd", "Act 2")
    page.find("dd", "#602040")
    page.until(lambda: page.script("return document.querySelector('.output img')?.naturalWidth > 100"), "the picture")
    page.click("dd a", "what happened")
    page.find("dd a", "own / gallery / take 2")
    page.driver.back()
    page.heading("Take 2")
    page.driver.back()
    page.heading("own / gallery")


def test_two_beside_each_other(page, fnr):
    show(page, fnr, "takes=film/s010", "film / s010")
    page.click("[aria-label='Compare take 1']")
    page.find("[role=status]", "Choose one more")
    page.click("[aria-label='Compare take 2']")
    page.click("[aria-label='Compare take 3']")        # the first one goes
    assert page.value("[aria-label='Compare take 1']") is False
    page.click(".head a", "Compare 2 and 3")
    page.heading("Takes 2 and 3")
    page.until(lambda: page.script("return [...document.querySelectorAll('.side img')].filter((one) => one.naturalWidth > 100).length") == 2, "two pictures")
    page.find("tr.differs", "Act 2")
    page.find("tr.differs", "#602040")
    assert "Quality" not in [one.split()[0] for one in page.texts("tr.differs")]
    page.click(".way a", "film / s010")
    page.heading("film / s010")


def test_the_one_that_is_chosen(page, fnr):
    """51.3"""
    shot = "/api/v1/projects/own/shots/chosen"
    shot_of(fnr, "chosen", "Act 1", "Act 2")
    show(page, fnr, "take=own/chosen/1", "Take 1")
    page.click("button", "Choose this take")
    page.find("[role=status]", "Take 1 is the one")
    page.find(".head .state", "Chosen")
    assert [take["take"] for take in fnr.get(f"{shot}/takes").json["items"] if take["active"]] == [1]
    page.click(".way a", "own / chosen")
    page.find(".tile.active", "Take 1")
    page.click(".tile a", "Take 2")
    page.click("button", "Choose this take")
    page.find(".head .state", "Chosen")


def test_exported(page, fnr, tmp_path):
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    show(page, fnr, "take=film/s010/2", "Take 2")
    page.click(".actions a", "Export")
    (archive,) = page.until(lambda: list(tmp_path.glob("*.tar")), "the archive")
    with tarfile.open(archive) as archive:
        assert sorted(name.split("/")[-1] for name in archive.getnames() if "." in name) == ["take.json", "title_card.png"]


def test_deleted(page, fnr):
    fnr.run("create_title_card", {"text": "Not this one"}, project="film", shot="s099", quality="draft")
    show(page, fnr, "take=film/s099/1", "Take 1")
    seen(page, ".output img")
    page.click("button", "Delete")
    page.find("dialog", "Its number is never given again")
    page.click("dialog button", "Delete")
    page.heading("film / s099")
    page.find(".notice", "no takes any more")
    assert fnr.get("/api/v1/projects/film/shots/s099/takes/1").status == 404


def test_what_is_being_deleted_is_not_asked_for(page, fnr):
    """Though the event comes before the answer; the console would tell of it."""
    shot_of(fnr, "doomed", "Act 1")
    show(page, fnr, "take=own/doomed/1", "Take 1")
    seen(page, ".output img")
    page.script(KEEP_BACK, "takes/1")
    page.click("button", "Delete")
    page.click("dialog button", "Delete")
    page.until(lambda: fnr.get("/api/v1/projects/own/shots/doomed/takes/1").status == 404, "it is deleted")
    page.driver.execute_async_script("setTimeout(arguments[0], 2500)")
    let_go(page)
    page.heading("own / doomed")


def test_what_is_not_there(page, fnr):
    page.expected = ["404"]
    for place in ("takes=film/none", "takes=none/none", "take=film/s010/99", "take=film", "takes=a/b/c", "takes=film/s010&compare=1"):
        show(page, fnr, place, "not there")


def test_for_everybody(page, fnr):
    sound(page, fnr, {"projects": "takes", "gallery": "takes=film/s010", "take": "take=film/s010/1", "sound": "take=radio/intro/1",
                      "compare": "takes=film/s010&compare=1,2"})
