"""Gradio apps as servers: logins, limits, paths, and what happens when they or we are killed."""

import json
import os
import signal
import subprocess

import pytest

from crash import until
from kitchen import BACKENDS, CONFIG, RELEASES, Kitchen, Restaurant, all_is_well, all_kitchens, begun, draft, png
from system import FNR, System
from tls import Authority


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
        all_is_well(guarded.fnr.wait(job))
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


# ---- over TLS ----

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def secured(authority):
    """Apps of https:// that want a login; their certificates are of an authority that only we know."""
    arguments = ("--tls", authority.issue("IP:127.0.0.1"), "--auth", "cook:sesame")
    with all_kitchens("secured", *arguments) as kitchens, System(CONFIG) as fnr:
        restaurant = Restaurant(fnr, kitchens, "--ca-file", authority.path)
        for release in RELEASES:
            restaurant.add(release, credentials={"username": "cook", "password": "sesame"}, ca_file=authority.path)
        yield restaurant


@pytest.mark.parametrize("release", RELEASES)
def test_tls(secured, release):
    """60.6: the login with its cookies, files up and down, the stream of a generator, and a cancel."""
    kitchen = secured.kitchens[release]
    picture = secured.upload(png(16, 16), "p.png", "image/png")
    job = all_is_well(secured.run(release, "style_image", {"picture" if release == "4.8" else "image": picture}))
    assert job["outputs"][0]["width"] == 16 and secured.output(job, job["outputs"][0]["name"])
    job = all_is_well(secured.run(release, "spell", {"text": "thyme"}))
    assert secured.output(job, "spelled") == b"thyme"
    id = secured.submit(release, "doze", {"seconds": 60})
    begun(kitchen, "doze")
    assert secured.fnr.post(f"/api/v1/jobs/{id}/cancel").status == 202
    assert secured.fnr.wait(id)["state"] == "cancelled"
    all_is_well(secured.run(release, "doze", {"seconds": 0.2}))        # one at a time: the first does not run any more
    assert secured.fnr.get(f"{BACKENDS}/{kitchen.id}").json["state"] == "ready" and "state=suspect" not in secured.fnr.log_text()


REFUSED = {"unknown": ("IP:127.0.0.1", "signed by an authority that is not trusted", "--ca-file"),
           "name": ("DNS:elsewhere.example", "for another name than its address", "")}


@pytest.mark.parametrize("case", REFUSED)
def test_certificates_that_do_not_hold(authority, tmp_path, case):
    """60.6: in plain words, by the backend and where a template is made; the password is not sent there. With the right authority it works."""
    names, words, remedy = REFUSED[case]
    with Kitchen("6", "--tls", authority.issue(names), "--auth", "cook:sesame") as kitchen, System(CONFIG) as fnr:
        kitchen.id = case
        given = {"ca_file": Authority(tmp_path, "other").path if case == "unknown" else authority.path}
        restaurant = Restaurant(fnr, {"6": kitchen}, "--ca-file", authority.path)
        restaurant.add("6", credentials={"username": "cook", "password": "sesame"}, **given)
        shown = until(lambda: (one := fnr.get(f"{BACKENDS}/{case}").json)["state"] == "down" and one, "it is refused")
        assert words in shown["breaker"]["reason"] and remedy in shown["breaker"]["reason"], shown
        done = subprocess.run([FNR, "template", "import-gradio", kitchen.url, "--ca-file", given["ca_file"]], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and words in done.stderr, done.stderr
        if case == "unknown":
            etag = fnr.get(f"{BACKENDS}/{case}").headers["ETag"]
            record = {"id": case, "type": "gradio", "url": kitchen.url, "concurrency": 8, "ca_file": authority.path}
            assert fnr.request("PUT", f"{BACKENDS}/{case}", record, headers={"If-Match": etag}).status == 200
            assert restaurant.output(all_is_well(restaurant.run("6", "shout", {"text": "soup"})), "loud") == b"SOUP!!"


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
    job = all_is_well(guarded.fnr.wait(again))
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
    job = guarded.fnr.wait(id)
    assert (job["state"], job["attempt"]) == ("failed", 1) and job["error"], job
    all_is_well(guarded.run(release, "doze", {"seconds": 0.2}))       # one at a time: the first does not run any more
    assert (kitchen.calls().count("begin doze"), kitchen.calls().count("end doze")) == (before + 2, ended + 1)


def test_another_app_at_the_same_address(guarded):
    """Its functions have other numbers: they are asked for again."""
    kitchen = guarded.kitchens["6"]
    text = guarded.upload(b"stock", "a.txt", "text/plain")
    all_is_well(guarded.run("6", "join_files", {"files": [text]}))
    before = kitchen.arguments

    def become(*arguments):
        kitchen.stop(hard=True)
        kitchen.arguments = arguments
        kitchen.restart()

    become("--only", "join_files")
    job = all_is_well(guarded.run("6", "join_files", {"files": [text]}, {"retry": {"max_attempts": 9}}))
    assert guarded.output(job, "joined") == b"stock"
    become(*before)
