"""Gradio apps as servers: logins, limits, paths, and what happens when they or we are killed."""

import json
import os
import signal

import pytest

from crash import until
from kitchen import BACKENDS, CONFIG, RELEASES, Kitchen, Restaurant, all_is_well, all_kitchens, begun, draft, png
from system import System


@pytest.fixture(scope="module")
def guarded():
    """Apps that want a login, whose queue has room for one, and that take no large files."""
    with all_kitchens("guarded", "--auth", "cook:sesame", "--max-size", "1", "--max-file-size", "2000") as kitchens, System(CONFIG) as fnr:
        restaurant = Restaurant(fnr, kitchens)
        for release in RELEASES:
            restaurant.add(release, credentials={"username": "cook", "password": "sesame"})
        yield restaurant


@pytest.mark.parametrize("release", RELEASES)
def test_login(guarded, release):
    """Once, then by cookies, for files too; and once more when the app was started anew and has forgotten them."""
    kitchen = guarded.kitchens[release]
    picture = guarded.upload(png(16, 16), "p.png", "image/png")
    given = "picture" if release == "4.8" else "image"
    assert all_is_well(guarded.run(release, "style_image", {given: picture}))["outputs"][0]["width"] == 16
    if release in ("4.8", "6"):
        kitchen.stop(hard=True)
        kitchen.restart()
        assert all_is_well(guarded.run(release, "style_image", {given: picture}))["outputs"][0]["width"] == 16
    wrong = guarded.fnr.post(BACKENDS, {"id": f"wrong-{release}", "type": "gradio", "url": kitchen.url,
                                        "credentials": {"username": "cook", "password": "salt"}})
    assert wrong.status == 201
    found = until(lambda: (backend := guarded.fnr.get(f"{BACKENDS}/wrong-{release}").json)["state"] == "down" and backend, "it is refused")
    assert "credentials" in json.dumps(found), found
    assert "sesame" not in guarded.fnr.log_text()


@pytest.mark.parametrize("release", RELEASES)
def test_a_full_queue_is_waited_for(guarded, release):
    """One runs, one waits; for the third there is no room until then."""
    kitchen = guarded.kitchens[release]
    first = guarded.submit(release, "sleep", {"seconds": 3})
    begun(kitchen, "sleep")
    changes = {"retry": {"max_attempts": 9}}
    others = [guarded.submit(release, "sleep", {"seconds": 0.1}, changes) for _ in range(2)]
    for job in [first, *others]:
        all_is_well(guarded.fnr.wait(job, timeout=120))
    assert kitchen.calls().count("begin sleep") == 3


@pytest.mark.parametrize("release", ["5", "6"])
def test_a_file_that_is_too_large_is_not_sent(guarded, release):
    large = guarded.upload(b"x" * 3000, "large.txt", "text/plain")
    error = guarded.run(release, "join_files", {"files": [large]})["error"]
    assert (error["class"], error["code"]) == ("validation", "backend_input_too_large") and "2000" in error["message"]


@pytest.mark.parametrize("release", ["6"])
def test_an_app_below_a_path(release):
    """With a slash at the end or without; an app with one function needs no name."""
    with Kitchen(release, "--below", "/apps/kitchen", "--only", "join_files") as kitchen, System(CONFIG) as fnr:
        kitchen.id, kitchen.url = "below", kitchen.url + "/apps/kitchen/"
        restaurant = Restaurant(fnr, {release: kitchen})
        restaurant.add(release)
        assert draft(kitchen, None)["id"] == "join_files"
        job = all_is_well(restaurant.run(release, "join_files", {"files": [restaurant.upload(b"plate", "a.txt", "text/plain")]}))
        assert restaurant.output(job, "joined") == b"plate"


# ---- who is killed ----

@pytest.mark.parametrize("release", ["4.8", "5"])
def test_the_app_is_killed(guarded, release):
    """Nobody knows what became of the job: it is told as that and not done again, unless the template wants it."""
    kitchen = guarded.kitchens[release]
    before = kitchen.calls().count("begin doze")
    id = guarded.submit(release, "doze", {"seconds": 60})
    again = guarded.submit(release, "spell", {"text": "abcdef", "seconds_each" if release == "4.8" else "seconds": 1},
                           {"on_lost": "retry", "retry": {"max_attempts": 9}})
    begun(kitchen, "doze", before + 1)
    begun(kitchen, "spell")
    kitchen.stop(hard=True)
    job = guarded.fnr.wait(id)
    assert (job["state"], job["attempt"], job["error"]["class"], job["error"]["code"]) == ("failed", 1, "unknown", "result_unknown")
    assert "does not answer" in job["error"]["detail"], job["error"]
    kitchen.restart()
    job = all_is_well(guarded.fnr.wait(again, timeout=120))
    assert job["attempt"] > 1 and guarded.output(job, "spelled") == b"abcdef"
    assert kitchen.calls().count("begin doze") == before + 1 and kitchen.calls().count("begin spell") == 2


@pytest.mark.parametrize("release", ["4.8", "6"])
@pytest.mark.parametrize("victim", ["worker", "fnr-manager"])
def test_a_process_of_ours_is_killed(guarded, release, victim):
    """The app stops what nobody listens to any more; the job has failed, and is not done twice."""
    kitchen = guarded.kitchens[release]
    before, ended = kitchen.calls().count("begin doze"), kitchen.calls().count("end doze")
    id = guarded.submit(release, "doze", {"seconds": 60})
    begun(kitchen, "doze", before + 1)
    for pid in guarded.fnr.pids_of(victim):
        os.kill(pid, signal.SIGKILL)
    job = guarded.fnr.wait(id, timeout=90)
    assert (job["state"], job["attempt"]) == ("failed", 1) and job["error"], job
    all_is_well(guarded.run(release, "doze", {"seconds": 0.2}))       # one at a time: the first does not run any more
    assert (kitchen.calls().count("begin doze"), kitchen.calls().count("end doze")) == (before + 2, ended + 1)


def test_another_app_at_the_same_address(guarded):
    """Its functions have other numbers: they are asked for again."""
    kitchen = guarded.kitchens["6"]
    text = guarded.upload(b"stock", "a.txt", "text/plain")
    all_is_well(guarded.run("6", "join_files", {"files": [text]}))
    kitchen.stop(hard=True)
    kitchen.arguments = ("--only", "join_files")
    kitchen.restart()
    job = all_is_well(guarded.run("6", "join_files", {"files": [text]}, {"retry": {"max_attempts": 9}}))
    assert guarded.output(job, "joined") == b"stock"
