"""Real Gradio apps that are killed, that we are killed beside, and that go on with what they were told to stop: in every phase of a job."""

import http.client
import json
import os

import pytest

from crash import check_attempts, kill, living, until
from kitchen import BACKENDS, CONFIG, RELEASES, Restaurant, all_is_well, all_kitchens, begun, png
from system import System


@pytest.fixture(scope="module")
def place():
    with all_kitchens("killed") as kitchens, System(CONFIG) as fnr:
        restaurant = Restaurant(fnr, kitchens)
        for release in RELEASES:
            restaurant.add(release, concurrency=1)
        yield restaurant


# ---- killed in every phase ----

class Guest:
    """Another client of the app, whose `sleep` keeps ours waiting in the queue."""

    def __init__(self, kitchen):
        self.kitchen, self.session = kitchen, "guest"
        config = json.loads(self.ask("GET", "/config"))
        self.prefix = config.get("api_prefix", "")
        at = next(i for i, function in enumerate(config["dependencies"]) if function["api_name"] == "sleep")
        self.function = config["dependencies"][at].get("id", at)
        before = kitchen.calls().count("begin sleep")
        self.sit_down(config["protocol"])
        begun(kitchen, "sleep", before + 1)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.kitchen.port, timeout=60)
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse().read()
        connection.close()
        return answer

    def sit_down(self, protocol):
        body = {"data": [100], "fn_index": self.function, "session_hash": self.session}
        if protocol != "sse":
            self.ask("POST", f"{self.prefix}/queue/join", body)
            return
        self.connection = http.client.HTTPConnection("127.0.0.1", self.kitchen.port, timeout=60)     # stays open: the stream is the client
        self.connection.request("GET", f"/queue/join?fn_index={self.function}&session_hash={self.session}")
        for line in self.connection.getresponse():
            if b"send_data" in line:
                self.ask("POST", "/queue/data", {**body, "event_id": json.loads(line[5:])["event_id"]})
                return


PHASES = {"upload": "join_files", "queue": "sleep", "run": "doze", "fetch": "join_files"}      # which function shows it
VICTIMS = [("app", release) for release in RELEASES] + [("worker", "4.8"), ("worker", "5"), ("fnr-manager", "4"), ("fnr-manager", "6")]


def into_phase(place, release, phase):
    """A job that is held there: its id, and how often its function has begun before."""
    kitchen, function = place.kitchens[release], PHASES[phase]
    before = kitchen.calls().count(f"begin {function}")
    inputs = {"join_files": lambda: {"files": [place.upload(b"peas", "a.txt", "text/plain")]}, "sleep": lambda: {"seconds": 0.1},
              "doze": lambda: {"seconds": 60}}[function]()
    template = place.template(release, function, retry={"max_attempts": 9, "delay_s": 0.1, "max_delay_s": 1})
    if phase == "queue":
        Guest(kitchen)
        before += 1
    if function == "join_files":
        kitchen.hold("/upload" if phase == "upload" else "/file=")
    held = len(kitchen.held())
    id = place.fnr.submit(template, inputs)["id"]
    if phase == "run":
        begun(kitchen, function, before + 1)
        until(lambda: place.fnr.get(f"/api/v1/jobs/{id}").json["progress"]["stage"] == "execution", "the app has said so")
    elif phase == "queue":
        until(lambda: (place.fnr.get(f"/api/v1/jobs/{id}").json["progress"]["message"] or "").startswith("Waiting for the app"), "it waits there")
    else:
        until(lambda: len(kitchen.held()) > held, "it is held")
    return id, before


def strike(place, release, victim, phase):
    kitchen = place.kitchens[release]
    if victim == "app":
        kitchen.stop(hard=True)
    else:
        workers = place.fnr.pids_of("fnr-worker")
        kill(place.fnr.pids_of(victim))
        until(lambda: not living(workers), "none of them goes on")
    if PHASES[phase] == "join_files":
        kitchen.hold(None)
    if victim == "app":
        kitchen.restart()


# What is said of it, and how often it was begun. "upload" is done again: by its retries where the app was killed.
ENDS = {"upload": ("completed", None, None, 1), "queue": ("failed", "result_unknown", "while the job waited there", 0),
        "run": ("failed", "result_unknown", "while it worked", 1), "fetch": ("failed", "result_lost", "had finished the job", 1)}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("victim, release", VICTIMS)
def test_killed_in_every_phase(place, victim, release, phase):
    """49.10: what the app was not asked for yet is done, once; of what it was asked for the truth is said, and it is not done again.
    What waited at the app for a worker of ours is never begun there."""
    kitchen, function = place.kitchens[release], PHASES[phase]
    id, before = into_phase(place, release, phase)
    strike(place, release, victim, phase)
    job = place.fnr.wait(id, timeout=120)
    state, code, words, times = ENDS[phase]
    assert job["state"] == state and (job["attempt"] > 1) == (state == "completed"), job
    if code and victim == "app":
        assert (job["error"]["class"], job["error"]["code"]) == ("unknown", code) and words in job["error"]["message"], job["error"]
        assert "does not answer" in job["error"]["detail"] or "started anew" in job["error"]["detail"], job["error"]
    elif code:
        assert (job["error"]["class"], job["error"]["code"]) == ("unknown", "lost"), job["error"]
        assert ("ended by signal 9" if victim == "worker" else "was stopped or failed") in job["error"]["message"], job["error"]
    if phase == "queue" and victim != "app":
        until(lambda: kitchen.waiting() == 0, "the app has dropped what nobody waits for", timeout=60)
        kitchen.alarm(True)
    all_is_well(place.run(release, function, {"files": [place.upload(b"peas", "a.txt", "text/plain")]} if function == "join_files" else {"seconds": 0.1}))
    if phase == "queue" and victim != "app":
        kitchen.alarm(False)
    assert kitchen.calls().count(f"begin {function}") == before + times + 1
    check_attempts(place.fnr, job)


# ---- what is told to stop, and goes on ----

HOOK = """#!/bin/sh
echo "$1 $FNR_BACKEND_URL" >> asked
while [ ! -e started ]; do sleep 0.05; done
"""


def add_hook(fnr):
    folder = os.path.join(fnr.data, "hooks")
    os.mkdir(folder)
    with open(os.path.join(folder, "restart-backend"), "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
        file.write(HOOK)


def asked(fnr):
    path = os.path.join(fnr.data, "asked")
    return os.path.exists(path) and open(path).read()


def in_vain(restaurant, release, how="cancel"):
    """A job whose function goes on after its end for us; its id."""
    kitchen, fnr = restaurant.kitchens[release], restaurant.fnr
    before, ended = kitchen.calls().count("begin sleep"), kitchen.calls().count("end sleep")
    id = restaurant.submit(release, "sleep", {"seconds": 300}, **({"timeout_s": 3} if how == "time" else {}))
    begun(kitchen, "sleep", before + 1)
    if how == "cancel":
        until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["progress"]["stage"] == "execution", "it runs")
        assert fnr.post(f"/api/v1/jobs/{id}/cancel").status == 202
    job = fnr.wait(id)
    assert job["state"] == "cancelled" if how == "cancel" else (job["state"], job["error"]["code"]) == ("failed", "timeout"), job
    assert any("it may go on computing" in text for text in restaurant.log(job))
    assert kitchen.calls().count("end sleep") == ended, "it cannot be stopped"


def state_of(restaurant, release):
    return restaurant.fnr.get(f"{BACKENDS}/{restaurant.kitchens[release].id}").json["state"]


def end_sleep(kitchen):
    ended = kitchen.calls().count("end sleep")
    kitchen.alarm(True)
    until(lambda: kitchen.calls().count("end sleep") > ended, "the function has ended")
    kitchen.alarm(False)


@pytest.mark.parametrize("release, how", [(release, "cancel") for release in RELEASES] + [("6", "time")])
def test_an_app_that_goes_on_is_restarted(place, release, how):
    """41.11: the job ends for its user, the app gets no more jobs and is restarted once, and then it works again. 4.8 does not say that it
    has stopped; later releases say so of any function, and `restart_to_stop` tells that it is not so."""
    kitchen = place.kitchens[release]
    with System(CONFIG) as fnr:
        add_hook(fnr)
        restaurant = Restaurant(fnr, place.kitchens)
        restaurant.add(release, concurrency=1, options={} if release == "4.8" else {"restart_to_stop": True})
        in_vain(restaurant, release, how)
        until(lambda: state_of(restaurant, release) == "suspect", "it is suspect")
        waiting = restaurant.submit(release, "shout", {"text": "next"})
        until(lambda: fnr.get(f"/api/v1/jobs/{waiting}").json["waiting_for"] == "no_backend", "it gets no more jobs")
        until(lambda: asked(fnr), "the hook is run")
        kitchen.stop(hard=True)
        kitchen.restart()
        open(os.path.join(fnr.data, "started"), "w").close()
        assert restaurant.output(all_is_well(fnr.wait(waiting)), "loud") == b"NEXT!!"
        until(lambda: state_of(restaurant, release) == "ready", "it is trusted again")
        assert asked(fnr) == f"{kitchen.id} {kitchen.url}\n"


@pytest.mark.parametrize("release", ["4.8", "5"])
def test_an_app_that_goes_on_without_a_hook(place, release):
    """It is trusted again by its answer; what follows waits at the app until there is room."""
    kitchen = place.kitchens[release]
    with System(CONFIG) as fnr:
        restaurant = Restaurant(fnr, place.kitchens)
        restaurant.add(release, concurrency=1, options={} if release == "4.8" else {"restart_to_stop": True})
        in_vain(restaurant, release)
        until(lambda: "state=suspect" in fnr.log_text() and state_of(restaurant, release) == "ready", "it was suspect, and is trusted again")
        all_is_well(restaurant.run(release, "shout", {"text": "x"}))
        end_sleep(kitchen)
        all_is_well(restaurant.run(release, "sleep", {"seconds": 0.1}))


@pytest.mark.parametrize("release", ["4", "6"])
def test_an_app_that_lets_go(place, release):
    """Of what it says of itself: it has let go of the job, so it is not suspect, and what follows is begun at once."""
    kitchen = place.kitchens[release]
    with System(CONFIG) as fnr:
        restaurant = Restaurant(fnr, place.kitchens)
        restaurant.add(release, concurrency=1)
        in_vain(restaurant, release)
        begins, ends = kitchen.calls().count("begin sleep"), kitchen.calls().count("end sleep")
        next = restaurant.submit(release, "sleep", {"seconds": 100})
        begun(kitchen, "sleep", begins + 1)
        assert kitchen.calls().count("end sleep") == ends, "beside the one that goes on"
        kitchen.alarm(True)
        all_is_well(fnr.wait(next))
        until(lambda: kitchen.calls().count("end sleep") == ends + 2, "both have ended")
        kitchen.alarm(False)
        assert "state=suspect" not in fnr.log_text()
