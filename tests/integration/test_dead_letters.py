"""Jobs that failed for good: listed, run again one by one or all, with changed inputs too, discarded, and dropped when too many."""

import os
import subprocess

import pytest

from crash import until
from system import FNR, System, assert_problem

DEAD = "/api/v1/dead-letters"
FUSSY = """#!/usr/bin/python3
import json, sys
inputs = json.load(sys.stdin)["parameters"]
if inputs["fail"]:
    print(json.dumps({"error": {"class": inputs["fail"], "code": "fussy", "message": "No."}}))
else:
    open("it.txt", "w").write("it")
    print(json.dumps({"output": "file", "path": "it.txt"}))
"""
REFUSES = """#!/usr/bin/python3
print('{"error": {"class": "validation", "code": "refused", "message": "No."}}')
"""


def make_system(config=""):
    system = System("workers: {min: 2, max: 2}\n" + config)
    for name in ("fussy", "picky"):
        system.add_script(name, FUSSY, inputs={"fail": {"type": "string", "default": ""}, "note": {"type": "string", "default": ""}}, retry={"max_attempts": 1})
    system.add_script("reader", REFUSES, inputs={"file": {"type": "file", "required": True}}, retry={"max_attempts": 1})
    return system


@pytest.fixture
def fnr():
    with make_system() as system:
        yield system


def fail(fnr, template="fussy", class_="permanent", **members):
    job = fnr.run(template, {"fail": class_, "note": "kept"}, **members)
    assert job["state"] == "failed", job
    return job["id"]


def dead(fnr, query="", **options):
    answer = fnr.get(DEAD + query, **options)
    assert answer.status == 200, answer.data
    return [item["id"] for item in answer.json["items"]]


def test_list_and_filters(fnr):
    one = fail(fnr, project="a")
    two = fail(fnr, "picky", "validation", project="b")
    three = fail(fnr)
    fnr.run("fussy")
    cancelled = fnr.submit(not_before="2099-01-01T00:00:00Z")["id"]
    fnr.post(f"/api/v1/jobs/{cancelled}/cancel")
    assert dead(fnr) == [three, two, one]
    assert dead(fnr, "?project=b") == dead(fnr, "?template=picky") == dead(fnr, "?class=validation") == [two]
    assert dead(fnr, "?project=none") == []
    page = fnr.get(DEAD + "?limit=2").json
    assert [item["id"] for item in page["items"]] == [three, two] and page["total"] == 3 and page["dropped"] == 0
    assert dead(fnr, f"?limit=2&cursor={page['next_cursor']}") == [one]
    assert page["items"][0]["error"]["code"] == "fussy"
    key = fnr.post("/api/v1/keys", {"name": "a", "scopes": ["admin"], "projects": ["a"]}).json["key"]
    assert dead(fnr, key=key) == [one]
    assert_problem(fnr.post(f"{DEAD}/{two}/replay", key=key), 404, "not_found")
    assert_problem(fnr.get(DEAD + "?class=odd"), 422, "invalid")
    assert_problem(fnr.get(DEAD + "?cursor=x"), 400, "malformed")


def test_replay_one(fnr):
    id = fail(fnr, project="a", shot="s1", seed=4)
    again = fnr.post(f"{DEAD}/{id}/replay", {"inputs": {"fail": None}}).json
    assert again["retry_of"] == id and again["seed"] == 4
    job = fnr.wait(again["id"])
    assert job["state"] == "completed" and job["take"] == 1 and job["inputs"]["note"] == "kept"
    assert dead(fnr) == []
    assert_problem(fnr.post(f"{DEAD}/{id}/replay"), 404, "not_found")
    assert fnr.get(f"/api/v1/jobs/{id}").json["state"] == "failed"        # what was, stays
    other = fail(fnr)
    second = fnr.post(f"/api/v1/jobs/{other}/retry").json["id"]            # the same by another way; it fails again
    assert fnr.wait(second)["state"] == "failed" and dead(fnr) == [second]
    reader = fnr.post("/api/v1/keys", {"name": "r", "scopes": ["read", "submit"]}).json["key"]
    assert_problem(fnr.post(f"{DEAD}/{second}/replay", key=reader), 403, "forbidden")
    assert_problem(fnr.post(f"{DEAD}/replay", key=reader), 403, "forbidden")
    assert_problem(fnr.request("DELETE", f"{DEAD}/{second}", key=reader), 403, "forbidden")


def test_replay_all(fnr):
    """As one batch, whole or not at all."""
    ids = [fail(fnr, project="a") for _ in range(4)] + [fail(fnr, "picky")]
    answer = fnr.post(f"{DEAD}/replay", {"template": "fussy", "inputs": {"fail": ""}})
    assert answer.status == 202 and answer.json["total"] == 4, answer.data
    jobs = [fnr.wait(id) for id in answer.json["jobs"]]
    assert {job["state"] for job in jobs} == {"completed"} and [job["retry_of"] for job in jobs] == ids[:4]
    assert dead(fnr) == ids[4:]
    assert_problem(fnr.post(f"{DEAD}/replay", {"inputs": {"nte": "x"}}), 422, "invalid")
    assert_problem(fnr.post(f"{DEAD}/replay", {"templat": "fussy"}), 422, "invalid")
    assert_problem(fnr.post(f"{DEAD}/replay", {"template": 5}), 422, "invalid")
    assert dead(fnr) == ids[4:]
    one = fnr.post(f"{DEAD}/replay", {"inputs": {"fail": None}}).json
    assert one["total"] == 1 and fnr.wait(one["jobs"][0])["state"] == "completed"
    assert_problem(fnr.post(f"{DEAD}/replay"), 404, "not_found")


def test_replay_all_skips_what_cannot_be_run(fnr):
    """A file that one of them needs is gone: the others do not wait for it."""
    take = fnr.run("fussy", {}, project="a", shot="s1")
    stuck = fnr.run("reader", {"file": f"take:a/s1/{take['take']}/it.txt"})
    assert stuck["state"] == "failed", stuck
    ids = [fail(fnr) for _ in range(2)]
    assert fnr.request("DELETE", f"/api/v1/projects/a/shots/s1/takes/{take['take']}").status == 204
    answer = fnr.post(f"{DEAD}/replay", {"inputs": {}})
    assert answer.status == 202 and answer.json["total"] == 2, answer.data
    assert [(skipped["job"], skipped["status"]) for skipped in answer.json["skipped"]] == [(stuck["id"], 422)]
    assert answer.json["skipped"][0]["errors"][0]["pointer"] == "/inputs/file"
    assert [fnr.wait(id)["retry_of"] for id in answer.json["jobs"]] == ids
    assert stuck["id"] in dead(fnr)
    assert_problem(fnr.post(f"{DEAD}/replay", {"template": "reader"}), 422, "invalid")     # none can be
    assert fnr.post(f"{DEAD}/replay", {"template": "fussy"}).json["skipped"] == []


def test_replay_after_its_queue_and_preset_are_gone():
    """42.4, 50.3: whatever was deleted since, a dead letter can be run again as it was, or with another quality and queue."""
    with make_system("queue: {names: render}\n") as fnr:
        preset = fnr.post("/api/v1/presets", {"name": "House", "base": "high"}).json
        ids = [fail(fnr, queue="render", quality="house") for _ in range(3)]
        assert fnr.request("DELETE", f"/api/v1/presets/{preset['id']}", headers={"If-Match": "*"}).status == 204
        fnr.stop()
        os.remove(os.path.join(fnr.data, "config.yaml"))
        fnr.start()
        one = fnr.post(f"{DEAD}/{ids[0]}/replay").json
        assert (one["queue"], one["preset"], one["quality"]) == ("cpu", "house@1", "house"), one
        other = fnr.post(f"{DEAD}/{ids[1]}/replay", {"queue": "io", "quality": "draft"}).json
        assert (other["queue"], other["preset"]) == ("io", "draft@1"), other
        answer = fnr.post(f"{DEAD}/{ids[2]}/replay", {"queue": "render"})
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/queue"
        answer = fnr.post(f"{DEAD}/{ids[2]}/replay", {"inputs": {"fail": ""}})
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/quality"
        every = fnr.post(f"{DEAD}/replay", {"inputs": {"fail": ""}, "quality": "draft", "queue": "gpu"}).json
        jobs = [fnr.wait(id) for id in every["jobs"]]
        assert jobs and {(job["queue"], job["quality"], job["state"]) for job in jobs} == {("gpu", "draft", "completed")}
        fnr.check()


def test_replay_once_by_key(fnr):
    fail(fnr)
    headers = {"Idempotency-Key": "again"}
    first, second = (fnr.post(f"{DEAD}/replay", {"inputs": {"fail": ""}}, headers=headers) for _ in range(2))
    assert first.json["id"] == second.json["id"] and second.headers["Idempotency-Replayed"] == "true"


def test_discard_and_delete(fnr):
    one, two = fail(fnr), fail(fnr)
    assert fnr.request("DELETE", f"{DEAD}/{one}").status == 204
    assert dead(fnr) == [two] and fnr.get(f"/api/v1/jobs/{one}").json["state"] == "failed"
    assert_problem(fnr.request("DELETE", f"{DEAD}/{one}"), 404, "not_found")
    assert fnr.request("DELETE", f"/api/v1/jobs/{two}").status == 204
    assert dead(fnr) == []
    fnr.check()


def test_too_many_and_too_old():
    with make_system("dead: {max: 3}\njob: {keep: 30}\n") as fnr:
        ids = [fail(fnr) for _ in range(5)]
        until(lambda: dead(fnr) == ids[:1:-1], "the oldest two are dropped")
        assert fnr.get(DEAD).json["dropped"] == 2
        assert fnr.get(f"/api/v1/jobs/{ids[0]}").json["state"] == "failed"
        until(lambda: dead(fnr) == [], "they expire with their jobs")
        fnr.check()


def test_kept_over_a_crash(fnr):
    ids = [fail(fnr) for _ in range(3)]
    fnr.kill_all()
    fnr.start()
    assert dead(fnr) == ids[::-1]


def test_command(fnr):
    def run(*arguments, status=0):
        done = subprocess.run([FNR, "dead-letter", *arguments, "--data", fnr.data], capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    one, two, three = (fail(fnr) for _ in range(3))
    assert one in run("list") and "No." in run("list", "--template", "fussy")
    run("discard", one)
    assert "Job " in run("replay", two)
    assert "Batch" in run("replay", "--all", "--template", "fussy")
    assert "--all" in run("replay", status=2)
    assert three not in run("list")
