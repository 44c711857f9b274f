"""One submission, many jobs; jobs run again, cancelled by filter, deleted."""

import glob
import os
import time

import pytest

from crash import until
from system import TERMINAL, System, assert_problem

JOBS = "/api/v1/jobs"
MOST = 2**53 - 1

# Tells what it was given, and writes it to a file.
TELL = """#!/usr/bin/python3 -IB
import json, sys
request = json.load(sys.stdin)
open("told.txt", "w").write(json.dumps(request["parameters"]))
print(json.dumps({"output": "told", "path": "told.txt"}))
print(json.dumps({"result": {"seed": request["seed"], "parameters": request["parameters"], "metadata": request["metadata"]}}))
"""
SLOW = "#!/bin/sh\ncat > /dev/null\nsleep 120\n"


def add_templates(system):
    system.add_script("tell", TELL, inputs={"text": {"type": "string", "default": "nothing"}, "size": {"type": "integer"}},
                      outputs={"told": {"type": "text"}})
    system.add_script("tried", TELL, inputs={"text": {"type": "string", "default": "x"}}, parameters={"echo": 1}, outputs={"told": {"type": "text"}},
                      variants={"plain": {"weight": 1}, "loud": {"weight": 3, "parameters": {"echo": 9}}, "off": {"weight": 0, "parameters": {"echo": 5}}})
    system.add_script("slow", SLOW, outputs={}, retry={"max_attempts": 1})


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {max: 2, min: 2}\nbatch: {max_jobs: 1500}\nstop: {grace: 1}\n")
    add_templates(system)
    with system:
        yield system


def batch_jobs(fnr, batch, seconds=300):
    """All jobs of a batch, oldest first, when they have finished."""
    end = time.monotonic() + seconds
    while True:
        items, cursor = [], ""
        while cursor is not None:
            page = fnr.get(f"{JOBS}?batch={batch}&limit=500" + (f"&cursor={cursor}" if cursor else "")).json
            items, cursor = items + page["items"], page["next_cursor"]
        if all(job["state"] in TERMINAL for job in items):
            return items[::-1]
        assert time.monotonic() < end
        time.sleep(0.1)


# ---- count ----


def test_variations_are_a_batch_of_seeds(fnr):
    answer = fnr.post(JOBS, {"template": "tell", "inputs": {"text": "a"}, "project": "p", "shot": "many", "seed": 40, "count": 4})
    assert answer.status == 202 and answer.headers["Location"] == f"/api/v1/batches/{answer.json['id']}"
    assert answer.json["total"] == 4
    jobs = batch_jobs(fnr, answer.json["id"])
    assert [job["seed"] for job in jobs] == [40, 41, 42, 43]
    assert {job["state"] for job in jobs} == {"completed"} and {job["batch"] for job in jobs} == {answer.json["id"]}
    assert sorted(job["take"] for job in jobs) == [1, 2, 3, 4]
    assert [fnr.get(f"{JOBS}/{job['id']}/result").json["result"]["seed"] for job in jobs] == [40, 41, 42, 43]


def test_drawn_seeds_follow_one_another(fnr):
    jobs = batch_jobs(fnr, fnr.post(JOBS, {"template": "noop", "inputs": {}, "count": 1000}).json["id"])
    assert len(jobs) == 1000
    assert [job["seed"] - jobs[0]["seed"] for job in jobs] == list(range(1000))


def test_one_variation_is_a_job(fnr):
    answer = fnr.post(JOBS, {"template": "noop", "inputs": {}, "count": 1})
    assert answer.status == 202 and answer.json["batch"] is None and "/jobs/" in answer.headers["Location"]


def test_large_inputs_are_filed_once(fnr):
    text, payloads = "x" * 1_000_000, os.path.join(fnr.data, "blobs", "payload", "*")
    before = {os.stat(path).st_ino for path in glob.glob(payloads)}
    batch = fnr.post(JOBS, {"template": "tell", "inputs": {"text": text}, "count": 50}).json["id"]
    (payload,) = {os.stat(path).st_ino for path in glob.glob(payloads)} - before
    assert {os.stat(path).st_nlink for path in glob.glob(payloads) if os.stat(path).st_ino == payload} == {50}
    jobs = batch_jobs(fnr, batch)
    assert {job["state"] for job in jobs} == {"completed"}
    assert fnr.get(f"{JOBS}/{jobs[-1]['id']}").json["inputs"]["text"] == text


def test_each_variation_draws_its_own_variant(fnr):
    """By weight and seed, so that a single job of the same seed gets the same; each with the parameters of its own."""
    jobs = batch_jobs(fnr, fnr.post(JOBS, {"template": "tried", "inputs": {}, "seed": 100, "count": 80}).json["id"])
    drawn = [job["variant"] for job in jobs]
    assert {job["state"] for job in jobs} == {"completed"} and [job["seed"] for job in jobs] == list(range(100, 180))
    assert set(drawn) == {"plain", "loud"} and 40 <= drawn.count("loud") <= 76, drawn
    for job in jobs:
        echo = 9 if job["variant"] == "loud" else 1
        assert fnr.get(f"{JOBS}/{job['id']}").json["parameters"]["echo"] == echo
        assert fnr.get(f"{JOBS}/{job['id']}/result").json["result"]["parameters"]["echo"] == echo
    assert [fnr.run("tried", seed=seed)["variant"] for seed in (100, 101, 102, 103)] == drawn[:4]
    counts = {item["variant"]: item["completed"] for item in fnr.get("/api/v1/stats?template=tried&by=template,variant").json["items"]}
    assert counts == {name: drawn.count(name) + drawn[:4].count(name) for name in ("plain", "loud") if name in drawn}
    named = batch_jobs(fnr, fnr.post(JOBS, {"template": "tried", "inputs": {}, "variant": "off", "count": 3}).json["id"])
    assert [job["variant"] for job in named] == ["off"] * 3
    text = "y" * 100_000
    batch = fnr.post(JOBS, {"template": "tried", "inputs": {"text": text}, "count": 40}).json["id"]
    for job in batch_jobs(fnr, batch):
        shown = fnr.get(f"{JOBS}/{job['id']}").json
        assert job["state"] == "completed" and shown["inputs"]["text"] == text
        assert shown["parameters"]["echo"] == (9 if job["variant"] == "loud" else 1)
    entries = fnr.post("/api/v1/batches", {"defaults": {"template": "tried", "inputs": {}}, "jobs": [{} for _ in range(40)]}).json["id"]
    assert {job["variant"] for job in batch_jobs(fnr, entries)} == {"plain", "loud"}


def test_seeds_stay_numbers(fnr):
    assert fnr.post(JOBS, {"template": "noop", "inputs": {}, "seed": MOST - 2, "count": 3}).status == 202
    problem = assert_problem(fnr.post(JOBS, {"template": "noop", "inputs": {}, "seed": MOST - 1, "count": 3}), 422, "invalid")
    assert [entry["pointer"] for entry in problem["errors"]] == ["/seed"]


def test_one_key_covers_all_variations(fnr):
    body, headers = {"template": "noop", "inputs": {}, "count": 3}, {"Idempotency-Key": "variations"}
    first, again = fnr.post(JOBS, body, headers=headers), fnr.post(JOBS, body, headers=headers)
    assert again.status == 202 and again.json["id"] == first.json["id"] and again.headers["Idempotency-Replayed"] == "true"
    assert again.json["total"] == 3
    assert_problem(fnr.post(JOBS, {**body, "count": 4}, headers=headers), 422)


def test_variations_within_a_batch(fnr):
    answer = fnr.post("/api/v1/batches", {"defaults": {"template": "noop", "inputs": {}}, "jobs": [{"seed": 5, "count": 2}, {"seed": 9}]})
    assert answer.status == 202 and answer.json["total"] == 3
    assert [job["seed"] for job in batch_jobs(fnr, answer.json["id"])] == [5, 6, 9]


def test_variations_count_for_the_largest_batch(fnr):
    jobs = [{"template": "noop", "inputs": {}, "count": 1000}] * 2
    assert_problem(fnr.post("/api/v1/batches", {"jobs": jobs}), 413, None, "1500")


# ---- again ----


def again(fnr, job, body=None, **options):
    return fnr.post(f"{JOBS}/{job['id']}/retry", body, **options)


def result(fnr, job):
    return fnr.get(f"{JOBS}/{job['id']}/result").json["result"]


def test_the_same_again(fnr):
    first = fnr.run("tell", {"text": "once"}, project="p", shot="again", priority=7, metadata={"take": "best"}, quality="high",
                    node_id="n1", seed=77, timeout_s=60, queue="io")
    answer = again(fnr, first)
    assert answer.status == 202 and answer.headers["Location"] == f"{JOBS}/{answer.json['id']}"
    second = fnr.wait(answer.json["id"])
    assert second["retry_of"] == first["id"] != second["id"]
    same = ["template", "version", "inputs", "parameters", "quality", "project", "shot", "priority", "metadata", "node_id", "seed", "queue"]
    assert {name: second[name] for name in same} == {name: first[name] for name in same}
    assert result(fnr, second) == result(fnr, first)
    assert second["take"] == first["take"] + 1


def test_again_with_changes(fnr):
    first = fnr.run("tell", {"text": "once", "size": 5}, seed=77)
    second = fnr.wait(again(fnr, first, {"inputs": {"text": "twice", "size": None}, "quality": "draft", "seed": 5}).json["id"])
    assert second["inputs"] == {"text": "twice"} and second["quality"] == "draft" and second["seed"] == 5
    assert result(fnr, second)["parameters"]["text"] == "twice"
    drawn = again(fnr, first, {"seed": None}).json
    assert drawn["seed"] != 77 and drawn["inputs"] == first["inputs"]


@pytest.mark.parametrize("body,pointer", [
    ({"inputs": {"colour": 1}}, "/inputs/colour"), ({"inputs": []}, "/inputs"), ({"quality": "best"}, "/quality"), ({"seed": -1}, "/seed"),
    ({"priority": 3}, "/priority"), ({"input": {}}, "/input"),
])
def test_again_is_checked(fnr, body, pointer):
    first = fnr.run("tell", {"text": "once"})
    problem = assert_problem(again(fnr, first, body), 422, "invalid")
    assert [entry["pointer"] for entry in problem["errors"]] == [pointer]


def test_what_has_not_finished_is_not_run_again(fnr):
    job = fnr.submit("slow")
    assert_problem(again(fnr, job), 409, None, job["id"])
    fnr.post(f"{JOBS}/{job['id']}/cancel")
    fnr.wait(job["id"])
    retried = again(fnr, job).json
    assert retried["retry_of"] == job["id"]
    fnr.post(f"{JOBS}/{retried['id']}/cancel")
    fnr.wait(retried["id"])


def test_again_once_for_a_key(fnr):
    first = fnr.run("tell")
    options = {"headers": {"Idempotency-Key": "again"}}
    one, two = again(fnr, first, **options), again(fnr, first, **options)
    assert one.json["id"] == two.json["id"] and two.headers["Idempotency-Replayed"] == "true"


def test_again_of_a_job_that_there_is_not(fnr):
    assert_problem(again(fnr, {"id": "0198f000-0000-7000-8000-000000000000"}), 404)


def test_again_with_the_definition_it_had():
    with System() as own:
        add_templates(own)
        own.process.send_signal(1)
        until(lambda: own.get("/api/v1/templates/tell").status == 200, "the template is loaded")
        first = own.run("tell", {"text": "old"})
        own.add_script("tell", TELL, inputs={"text": {"type": "integer"}}, outputs={"told": {"type": "text"}}, version="2.0.0")
        own.process.send_signal(1)
        until(lambda: own.get("/api/v1/templates/tell").json["version"] == "2.0.0", "the newer one is loaded")
        second = own.wait(again(own, first).json["id"])
        assert second["version"] == "1.0.0" and second["state"] == "completed" and second["inputs"] == {"text": "old"}


# ---- cancel by filter ----


def cancel(fnr, key=None, **members):
    answer = fnr.post(f"{JOBS}/cancel", members, key=key)
    assert answer.status == 202, answer.data
    return answer.json["found"]


def become(fnr, jobs, *wanted):
    """Waits until these are the states of the jobs. A command is worked off as a whole: what it leaves alone it leaves alone."""
    found = lambda: [fnr.get(f"{JOBS}/{job['id']}").json["state"] for job in jobs]
    until(lambda: found() == list(wanted), lambda: f"{found()}, not {wanted}")


LATER = "2099-01-01T00:00:00Z"


def test_cancel_by_filter(fnr):
    one = [fnr.submit(project="c1", not_before=LATER) for _ in range(3)]
    two = [fnr.submit("tell", project="c2", not_before=LATER) for _ in range(2)]
    batch = fnr.post(JOBS, {"template": "noop", "inputs": {}, "project": "c2", "not_before": LATER, "count": 4}).json["id"]
    assert cancel(fnr, project="c1", template="tell") == 0
    assert cancel(fnr, project="c1", state="queued") == 0
    assert cancel(fnr, project="nobody") == 0
    assert cancel(fnr, project="c1") == 3
    become(fnr, one + two, *["cancelled"] * 3, *["scheduled"] * 2)
    assert cancel(fnr, batch=batch, state="scheduled") == 4
    assert {job["state"] for job in batch_jobs(fnr, batch)} == {"cancelled"}
    become(fnr, two, *["scheduled"] * 2)
    assert cancel(fnr, template="tell", project="c2") == 2
    become(fnr, two, *["cancelled"] * 2)


def test_cancel_what_runs(fnr):
    job = fnr.submit("slow", project="c3")
    until(lambda: fnr.get(f"{JOBS}/{job['id']}").json["state"] == "running", "it runs")
    assert cancel(fnr, project="c3", state="running") == 1
    assert fnr.wait(job["id"])["state"] == "cancelled"


def test_cancel_mine(fnr):
    key = fnr.post("/api/v1/keys", {"name": "somebody", "scopes": ["submit"]}).json["key"]
    other = fnr.submit(project="c4", not_before=LATER)
    own = fnr.post(JOBS, {"template": "noop", "inputs": {}, "project": "c4", "not_before": LATER}, key=key).json
    assert cancel(fnr, key=key, mine=True) == 1
    become(fnr, [own, other], "cancelled", "scheduled")
    assert cancel(fnr, project="c4") == 1
    become(fnr, [other], "cancelled")


def test_cancel_reaches_no_other_project(fnr):
    key = fnr.post("/api/v1/keys", {"name": "somebody", "scopes": ["submit"], "projects": ["c5"]}).json["key"]
    jobs = [fnr.submit(project=project, not_before=LATER) for project in ("c5", "c6")] + [fnr.submit(not_before=LATER)]
    assert_problem(fnr.post(f"{JOBS}/cancel", {"project": "c6"}, key=key), 403)
    assert cancel(fnr, key=key, template="noop") == 1
    become(fnr, jobs, "cancelled", "scheduled", "scheduled")
    assert cancel(fnr, template="noop", state="scheduled") == 2
    become(fnr, jobs, *["cancelled"] * 3)


@pytest.mark.parametrize("body,pointer", [
    ({}, ""), ({"project": None}, ""), ({"mine": False}, "/mine"), ({"mine": 1}, "/mine"), ({"state": "completed"}, "/state"),
    ({"state": "finishing"}, "/state"), ({"state": 1}, "/state"), ({"project": "a/b"}, "/project"), ({"batch": "x"}, "/batch"),
    ({"mine": True, "all": True}, "/all"), ({"template": []}, "/template"),
])
def test_wrong_filter(fnr, body, pointer):
    problem = assert_problem(fnr.post(f"{JOBS}/cancel", body), 422, "invalid")
    assert [entry["pointer"] for entry in problem["errors"]] == [pointer]


def test_many_are_cancelled_through_a_kill():
    """The command is worked off in portions, and goes on where it was when everything was killed."""
    with System("stop: {grace: 1}\n") as own:
        batches = [own.post(JOBS, {"template": "noop", "inputs": {}, "project": "p", "count": 1000, "not_before": LATER}).json["id"]
                   for _ in range(6)]
        assert cancel(own, project="p") == 6000
        own.kill_all()
        own.start()
        later = own.submit(project="p", not_before=LATER)
        until(lambda: sum(own.get(f"/api/v1/batches/{batch}").json["counts"]["cancelled"] for batch in batches) == 6000, "all are cancelled", timeout=300)
        assert own.get(f"{JOBS}/{later['id']}").json["state"] == "scheduled"


# ---- delete ----


def test_delete_a_finished_job(fnr):
    job = fnr.run("tell", {"text": "y" * 5000})
    folder, work = os.path.join(fnr.data, "workspace", ".jobs", job["id"]), os.path.join(fnr.data, "workspace", ".work", job["id"] + "-0")
    payloads = lambda: set(os.listdir(os.path.join(fnr.data, "blobs", "payload")))
    before = payloads()
    assert os.path.exists(os.path.join(folder, "told.txt"))
    answer = fnr.request("DELETE", f"{JOBS}/{job['id']}")
    assert answer.status == 204 and answer.data == b""
    for path in ("", "/result", "/outputs/told", "/log", "/attempts", "/events"):
        assert_problem(fnr.get(f"{JOBS}/{job['id']}{path}"), 404)
    assert_problem(fnr.request("DELETE", f"{JOBS}/{job['id']}"), 404)
    assert job["id"] not in {item["id"] for item in fnr.get(f"{JOBS}?limit=500").json["items"]}
    until(lambda: not os.path.exists(folder) and len(payloads()) == len(before) - 1 and not os.path.exists(work), "its files go")


def test_takes_stay(fnr):
    job = fnr.run("tell", project="p", shot="stays")
    assert fnr.request("DELETE", f"{JOBS}/{job['id']}").status == 204
    time.sleep(1.5)
    take = fnr.get(f"/api/v1/projects/p/shots/stays/takes/{job['take']}").json
    assert take["job"] == job["id"]
    assert fnr.get(f"/api/v1/projects/p/shots/stays/takes/{job['take']}/files/told.txt").status == 200


def test_what_has_not_finished_stays(fnr):
    job = fnr.submit(not_before=LATER)
    assert_problem(fnr.request("DELETE", f"{JOBS}/{job['id']}"), 409, None, "scheduled")
    assert cancel(fnr, state="scheduled") >= 1
    become(fnr, [job], "cancelled")
    assert fnr.request("DELETE", f"{JOBS}/{job['id']}").status == 204


def test_job_of_another_project_is_not_deleted(fnr):
    key = fnr.post("/api/v1/keys", {"name": "somebody", "scopes": ["submit"], "projects": ["d1"]}).json["key"]
    reader = fnr.post("/api/v1/keys", {"name": "somebody", "scopes": ["read"]}).json["key"]
    job = fnr.run(project="d2")
    assert_problem(fnr.request("DELETE", f"{JOBS}/{job['id']}", key=key), 404)
    assert_problem(fnr.request("DELETE", f"{JOBS}/{job['id']}", key=reader), 403)


def test_deletes_leave_nothing_through_a_kill():
    with System("stop: {grace: 1}\nworkers: {min: 2, max: 2}\n") as own:
        add_templates(own)
        own.stop()
        own.start()
        batch = own.post(JOBS, {"template": "tell", "inputs": {"text": "z" * 5000}, "count": 30}).json["id"]
        jobs = batch_jobs(own, batch)
        for job in jobs:
            assert own.request("DELETE", f"{JOBS}/{job['id']}").status == 204
        own.kill_all()
        own.start()
        assert_problem(own.get(f"/api/v1/batches/{batch}"), 404)
        left = lambda: [os.listdir(os.path.join(own.data, *path)) for path in (("blobs", "payload"), ("workspace", ".jobs"), ("workspace", ".work"))]
        until(lambda: not any(left()), lambda: f"left: {left()}")
