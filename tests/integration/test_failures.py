"""What becomes of jobs that fail: what their errors are, when they are tried again, and when their backend is left alone."""

import json
import os
import resource
import time
from datetime import datetime

import pytest

from crash import until
from system import System, assert_problem

JOBS = "/api/v1/jobs"
SAY = """#!/usr/bin/python3 -IB
import json, os, sys, time
request = json.load(sys.stdin)
inputs = request["parameters"]
for line in inputs.get("lines", []):
    print(json.dumps(line), flush=True)
    time.sleep(inputs.get("pause", 0))
time.sleep(inputs.get("sleep", 0))
up = inputs.get("until") and os.path.exists(os.path.join(os.environ["FNR_DATA"], "templates", request["template"], inputs["until"]))
if up or request["attempt"] >= inputs.get("good_from", 99):
    open("text.txt", "w").write("done")
    print(json.dumps({"output": "text", "path": "text.txt"}))
    sys.exit(0)
sys.stderr.write(inputs.get("stderr", ""))
sys.exit(inputs.get("status", 1))
"""
INPUTS = {"lines": {"type": "array", "items": {"type": "any"}}, "pause": {"type": "number"}, "stderr": {"type": "string"},
          "sleep": {"type": "number"}, "status": {"type": "integer"}, "good_from": {"type": "integer"}, "until": {"type": "string"}}
COMMON = {"inputs": INPUTS, "outputs": {"text": {"type": "text"}}}
FAST = {"delay_s": 0.01, "max_delay_s": 0.01}
RULE = {"when": {"class": "unknown", "text": "the cat sat"}, "then": {
    "class": "transient", "code": "cat", "message": "A cat sits on the keyboard.", "suggestion": "Lift the cat.", "action": "retry"}}


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {min: 2, max: 2}\n")
    system.add_script("say", SAY, retry=FAST, **COMMON)
    system.add_script("cats", SAY, retry=FAST, errors=[RULE], **COMMON)
    system.add_script("classes", SAY, retry={**FAST, "resource": {"max_attempts": 2}, "unknown": {"max_attempts": 1}}, **COMMON)
    system.add_script("hurried", SAY, retry={"delay_s": 1000, "max_delay_s": 1000, "total_s": 0.1, "max_attempts": 50}, **COMMON)
    system.add_script("listened", SAY, retry={**FAST, "max_attempts": 2}, silence_s=6, **COMMON)
    with system:
        yield system


def ms(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def attempts(fnr, job):
    return fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"]


def error_line(**error):
    return [{"error": {"message": "As asked.", **error}}]


def test_rules_that_ship(fnr):
    """49.1: what programs print says what went wrong; what passes is tried again."""
    job = fnr.run("say", {"stderr": "curl: (7) Failed to connect: Connection refused\n", "good_from": 3})
    assert job["state"] == "completed" and job["attempt"] == 3
    assert {a["error"]["code"] for a in attempts(fnr, job)[:2]} == {"service_unreachable"}
    job = fnr.run("say", {"stderr": "moov atom not found\n"})
    assert (job["attempt"], job["error"]["class"], job["error"]["code"]) == (1, "validation", "media_unreadable")
    assert "moov" in job["error"]["detail"] and "moov" not in job["error"]["message"]
    job = fnr.run("say", {"status": 75})
    assert (job["attempt"], job["error"]["class"], job["error"]["code"]) == (4, "transient", "script_failed")
    assert fnr.run("say", {"status": 65})["attempt"] == 1


def test_rules_of_a_template(fnr):
    job = fnr.run("cats", {"stderr": "the cat sat on the mat\n"})
    assert job["attempt"] == 4
    assert {name: job["error"][name] for name in RULE["then"]} == RULE["then"]
    assert fnr.run("say", {"stderr": "the cat sat on the mat\n"})["error"]["code"] == "script_failed"


def test_rules_of_the_data_directory(fnr):
    path = os.path.join(fnr.data, "errors.yaml")
    try:
        with open(path, "w") as file:
            json.dump({"errors": [{"when": {"code": "script_failed", "text": "on fire"}, "then": {"class": "permanent", "code": "lp0_on_fire"}}]}, file)
        job = fnr.run("say", {"stderr": "lp0 on fire\n"})
        assert (job["attempt"], job["error"]["class"], job["error"]["code"]) == (1, "permanent", "lp0_on_fire")
        with open(path, "w") as file:
            file.write("errors: [{when: {code: a}, then: {class: often}}]\n")
        assert fnr.run("say", {"stderr": "lp0 on fire\n"})["error"]["code"] == "script_failed", "a broken file counts for nothing"
        assert "errors.yaml are not used" in fnr.log_text()
    finally:
        os.unlink(path)


def test_classes_have_policies_of_their_own(fnr):
    """49.2"""
    assert fnr.run("classes", {"lines": error_line(**{"class": "transient"})})["attempt"] == 4
    assert fnr.run("classes", {"lines": error_line(**{"class": "resource"})})["attempt"] == 2
    assert fnr.run("classes", {"lines": error_line(**{"class": "unknown"})})["attempt"] == 1


def test_not_beyond_the_total_time(fnr):
    job = fnr.run("hurried", {"sleep": 0.2})
    assert job["state"] == "failed" and job["attempt"] == 1


def test_who_asks_to_wait_is_left_alone(fnr):
    job = fnr.run("say", {"lines": error_line(**{"class": "transient", "retry_after_s": 2}), "good_from": 2})
    assert job["state"] == "failed", "the error line decides, whatever comes behind it"
    records = attempts(fnr, job)
    for before, after in zip(records, records[1:]):
        assert ms(after["started_at"]) - ms(before["finished_at"]) >= 1990
        assert before["error"]["retry_after_s"] == 2
    job = fnr.run("say", {"lines": error_line(retry_after_s=-1)})
    assert job["error"]["code"] == "script_protocol"


def test_stuck(fnr):
    """49.8: one that says nothing is ended and tried again; one that goes on talking is not."""
    job = fnr.run("listened", {"sleep": 1000})
    assert (job["state"], job["error"]["code"], job["attempt"]) == ("failed", "stuck", 2)
    for record in attempts(fnr, job):
        assert ms(record["finished_at"]) - ms(record["started_at"]) >= 6000
    lines = [{"progress": n / 10} for n in range(10)]
    assert fnr.run("listened", {"lines": lines, "pause": 1, "good_from": 1})["state"] == "completed"
    id = fnr.submit("listened", {"sleep": 1000})["id"]
    until(lambda: fnr.get(f"{JOBS}/{id}").json["state"] == "running", "it runs")
    fnr.post(f"{JOBS}/{id}/cancel")
    assert fnr.wait(id)["state"] == "cancelled", "what is cancelled is not stuck"


def test_statistics(fnr):
    """49.7: by class, template, backend and time."""
    for _ in range(3):
        fnr.run("say", {"status": 75, "good_from": 2})
    rows = {row["template"]: row for row in fnr.get("/api/v1/stats").json["items"]}
    say = rows["say"]
    assert say["completed"] >= 3 and say["retried"] >= 3 and 0 < say["error_rate"] < 1 and say["run_ms"] > 0
    both = fnr.get("/api/v1/stats?by=quality,hour,backend&template=say").json["items"]
    assert sum(row["completed"] for row in both) == say["completed"] and {(row["quality"], row["backend"]) for row in both} == {("standard", "local")}
    assert fnr.get("/api/v1/stats?until=2020-01-01T00:00:00Z&since=2019-01-01T00:00:00Z").json["items"] == []
    assert fnr.get("/api/v1/stats?template=nothing").json["items"] == []
    errors = fnr.get("/api/v1/errors?class=transient&template=say").json["items"]
    assert {row["class"] for row in errors} == {"transient"} and errors == sorted(errors, key=lambda row: -row["count"])
    entry = next(row for row in errors if row["code"] == "script_failed")
    assert entry["count"] >= 3 and entry["backend"] == "local" and fnr.get(f"{JOBS}/{entry['last_job']}").json["template"] == "say"
    assert_problem(fnr.get("/api/v1/stats?by=moon"), 422, "invalid")
    assert_problem(fnr.get("/api/v1/stats?since=yesterday"), 422, "invalid")
    assert_problem(fnr.get("/api/v1/errors?class=bad"), 422, "invalid")
    mine = fnr.submit(project="secret", inputs={"status": 65}, template="say")["id"]
    fnr.wait(mine)
    key = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["read"], "projects": ["other"]}).json["key"]
    seen = fnr.get("/api/v1/errors?class=validation&template=say", key=key).json["items"]
    assert seen and all(row["last_job"] is None for row in seen)
    fnr.stop()
    fnr.start()
    again = {row["template"]: row for row in fnr.get("/api/v1/stats").json["items"]}["say"]
    assert again["completed"] == say["completed"]


def test_figures_of_queues(fnr):
    """42.5: fresh to a second."""
    fnr.run("say", {"good_from": 1}, queue="io")
    fnr.run("say", {"status": 65}, queue="io")
    queue = until(lambda: (lambda q: q if q["failed_per_minute"] else None)(fnr.get("/api/v1/queues/io").json), "the figures")
    assert (queue["started_per_minute"], queue["completed_per_minute"], queue["failed_per_minute"]) == (2, 1, 1)
    assert queue["error_rate"] == 0.5 and 0 <= queue["wait_ms"] <= queue["wait_ms_most"] < 60000
    assert fnr.get("/api/v1/queues/priority").json["wait_ms"] is None


def test_route(fnr):
    """42.1"""
    route = fnr.post("/api/v1/route", {"template": "say"}).json
    assert route == {"template": "say", "version": "1.0.0", "quality": "standard", "queue": "cpu", "priority": 5, "backend": "local",
                     "placement": "first free worker", "waiting": 0, "waiting_for": None}
    fnr.post("/api/v1/queues/gpu/pause")
    id = fnr.submit("say", {"good_from": 1}, queue="gpu")["id"]
    route = fnr.post("/api/v1/route", {"template": "say@1", "queue": "gpu", "quality": "high", "priority": 9}).json
    assert (route["queue"], route["quality"], route["priority"], route["waiting"], route["waiting_for"]) == ("gpu", "high", 9, 1, "paused")
    fnr.post("/api/v1/queues/gpu/resume")
    assert fnr.wait(id)["state"] == "completed"
    pointers = {error["pointer"] for error in assert_problem(fnr.post("/api/v1/route", {"template": "sy", "queue": "x", "quality": "y", "priority": 11, "q": 1}), 422)["errors"]}
    assert pointers == {"/template", "/queue", "/quality", "/priority", "/q"}
    assert_problem(fnr.post("/api/v1/route", {}), 422)
    key = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["read"], "projects": ["other"]}).json["key"]
    assert_problem(fnr.post("/api/v1/route", {"template": "say", "project": "mine"}, key=key), 403)
    assert fnr.post("/api/v1/route", {"template": "say", "project": "other"}, key=key).status == 200


# ---- the circuit breaker ----

DOWN = [{"when": {"text": "farm is down"}, "then": {"class": "transient", "code": "farm_down", "message": "The farm is down.", "backend_down": True}}]


@pytest.fixture
def farm():
    system = System("workers: {min: 2, max: 2}\n")
    system.add_script("farm", SAY, retry={**FAST, "max_attempts": 2}, errors=DOWN, **COMMON)
    with system:
        yield system


def rise(fnr):
    """What was told to fail until "up" does so no more."""
    open(os.path.join(fnr.data, "templates/farm/up"), "w").close()


def breaker(fnr):
    return fnr.get("/api/v1/backends/local").json["breaker"]


def test_breaker(farm):
    """49.3: jobs wait while their backend is down, and lose no attempt to it; one at a time tries it; it can be reset."""
    until(lambda: breaker(farm), "the first second")
    assert breaker(farm) == {"state": "closed", "failures": 0, "open_until": None, "reason": None}
    with farm.stream("/api/v1/events?types=backend.changed") as stream:
        events = (event for event in stream if event.name == "backend.changed")
        assert next(iter(stream)).name == "snapshot"
        id = farm.submit("farm", {"until": "up", "stderr": "farm is down"}, priority=9)["id"]
        event = next(events)
        assert event.data["breaker"] == "open" and event.data["reason"] == "The farm is down."
        now = until(lambda: (one := breaker(farm))["state"] == "open" and one, "the breaker is open")
        assert now["failures"] >= 3 and now["reason"] == "The farm is down."
        others = [farm.submit("farm", {"good_from": 1})["id"] for _ in range(5)]
        until(lambda: farm.get(f"{JOBS}/{others[0]}").json["waiting_for"] == "no_backend", "it waits")
        until(lambda: farm.post("/api/v1/route", {"template": "farm"}).json["waiting_for"] == "no_backend", "others would wait too")
        until(lambda: farm.get(f"{JOBS}/{id}").json["state"] in ("queued", "retry_wait"), "it is tried again")
        assert {farm.get(f"{JOBS}/{other}").json["attempt"] for other in others} == {0}
        rise(farm)
        assert next(events).data["breaker"] == "half_open"
    job = farm.wait(id)
    assert job["state"] == "completed" and job["attempt"] > 3, "of the 2 attempts it has, none was its own fault"
    assert all(attempt["error"]["backend_down"] for attempt in attempts(farm, job)[:-1])
    assert [farm.wait(other)["state"] for other in others] == ["completed"] * 5
    until(lambda: breaker(farm)["state"] == "closed" and breaker(farm)["failures"] == 0, "closed again")
    assert "event=backend.changed backend=local breaker=open" in farm.log_text()


def test_breaker_is_reset(farm):
    id = farm.submit("farm", {"until": "up", "stderr": "farm is down"})["id"]
    until(lambda: farm.log_text().count("breaker=open") == 3, "it was tried twice in vain, and is open for 20 seconds")
    rise(farm)
    assert farm.post("/api/v1/backends/local/reset-breaker").status == 202
    assert farm.wait(id)["state"] == "completed"
    assert farm.log_text().count("breaker=half_open") == 2, "it did not wait for the breaker's time"
    assert_problem(farm.post("/api/v1/backends/none/reset-breaker"), 404)
    assert_problem(farm.get("/api/v1/backends/none"), 404)
    reader = farm.post("/api/v1/keys", {"name": "reader", "scopes": ["read"]}).json["key"]
    assert_problem(farm.post("/api/v1/backends/local/reset-breaker", key=reader), 403)
    assert [backend["id"] for backend in farm.get("/api/v1/backends").json["items"]] == ["local"]


def test_a_cancelled_try_does_not_keep_it_half_open(farm):
    first = farm.submit("farm", {"until": "up", "stderr": "farm is down"})["id"]
    until(lambda: (breaker(farm) or {}).get("state") == "open", "the breaker is open")
    slow = farm.submit("farm", {"sleep": 1000, "good_from": 1}, priority=10)["id"]
    good = farm.submit("farm", {"good_from": 1})["id"]
    until(lambda: farm.get(f"{JOBS}/{slow}").json["state"] == "running", "it is the one that tries")
    time.sleep(0.5)
    assert farm.get(f"{JOBS}/{good}").json["state"] == "queued", "only one tries"
    rise(farm)
    farm.post(f"{JOBS}/{slow}/cancel")
    assert {farm.wait(id)["state"] for id in (first, good)} == {"completed"}


def test_inputs_that_cannot_be_read_at_the_moment():
    """A worker that has no descriptor left for the file with a job's inputs has not lost them."""
    with System("workers: {min: 1, max: 1}\n") as fnr:
        assert fnr.run()["state"] == "completed"      # it has open what it keeps open
        worker, = fnr.pids_of("fnr-worker")
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (1 + max(int(number) for number in os.listdir(f"/proc/{worker}/fd")), limits[1]))
        id = fnr.submit(metadata={"text": "x" * 30000})["id"]
        until(lambda: any(attempt["error"] for attempt in attempts(fnr, {"id": id})), "it is not tried")
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
        job = fnr.wait(id)
        assert job["state"] == "completed", job
        assert attempts(fnr, job)[0]["error"]["class"] == "transient"
