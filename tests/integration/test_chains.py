"""Jobs that depend on others, take their outputs, and fail with them; jobs that are the only ones of their kind."""

import base64
import threading

import pytest

from crash import until
from system import System, assert_problem

JOBS, BATCHES = "/api/v1/jobs", "/api/v1/batches"
NOBODY = "01a00000-0000-7000-8000-000000000000"

WRITE = """#!/usr/bin/python3 -IB
import json, sys
request = json.load(sys.stdin)
if request["parameters"]["text"] == "fail":
    print(json.dumps({"error": {"class": "permanent", "code": "asked", "message": "As asked."}}))
    sys.exit(1)
open("text.txt", "w").write(request["parameters"]["text"])
print(json.dumps({"output": "text", "path": "text.txt"}))
"""
JOIN = """#!/usr/bin/python3 -IB
import json, sys
request = json.load(sys.stdin)
open("text.txt", "w").write("+".join(open(path).read() for path in request["parameters"]["parts"]))
print(json.dumps({"output": "text", "path": "text.txt"}))
"""
TEXT = {"text": {"type": "text", "media_type": "text/plain"}}


@pytest.fixture
def fnr():
    system = System("workers: {min: 3, max: 3}\napi: {handlers: 16}\nstop: {grace: 3}\n")
    system.add_script("write", WRITE, inputs={"text": {"type": "string", "required": True}}, outputs=TEXT)
    system.add_script("join", JOIN, inputs={"parts": {"type": "array", "items": {"type": "file"}, "required": True}}, outputs=TEXT)
    system.add_script("look", JOIN, inputs={"parts": {"type": "array", "items": {"type": "file", "media": ["image/*"]}}}, outputs=TEXT)
    with system:
        yield system


def write(text, **members):
    return {"template": "write", "inputs": {"text": text}, **members}


def join(*parts, **members):
    return {"template": "join", "inputs": {"parts": list(parts)}, **members}


def batch(fnr, *jobs, **members):
    answer = fnr.post(BATCHES, {"jobs": list(jobs), **members})
    assert answer.status == 202, answer.data
    return {job["ref"]: job for job in (fnr.get(f"{JOBS}/{id}").json for id in answer.json["jobs"])}


def text_of(fnr, job):
    assert job["state"] == "completed", job["error"]
    return fnr.get(job["outputs"][0]["url"]).data.decode()


def problems(answer):
    return [(entry["pointer"], entry["rule"]) for entry in assert_problem(answer, 422, "invalid")["errors"]]


def test_a_diamond_in_any_order(fnr):
    """42.14: by local names, whichever comes first in the batch, with outputs as inputs, with and without a project."""
    for place in ({}, {"project": "film", "shot": "s1"}):
        jobs = batch(fnr, join("job:#left/text", "job:#right/text", ref="end", depends_on=["#left", "#right"], **place),
                     join("job:#first/text", ref="left", depends_on=["#first"], **place),
                     join("job:#first/text", "job:#first/text", ref="right", depends_on=["#first"], **place), write("a", ref="first", **place))
        assert jobs["end"]["depends_on"] == [jobs["left"]["id"], jobs["right"]["id"]] and jobs["first"]["depends_on"] == []
        assert text_of(fnr, fnr.wait(jobs["end"]["id"])) == "a+a+a"
        starts = {ref: fnr.get(f"{JOBS}/{job['id']}").json["started_at"] for ref, job in jobs.items()}
        assert starts["first"] < starts["left"] < starts["end"] and starts["right"] < starts["end"]


def test_on_jobs_that_run_or_have_run(fnr):
    fnr.post("/api/v1/queues/cpu/pause")
    first = fnr.post(JOBS, write("one", seed=1)).json["id"]
    waiting = fnr.post(JOBS, {**join(f"job:{first}/text"), "depends_on": [first]}).json
    assert (waiting["state"], waiting["waiting_for"], waiting["depends_on"]) == ("scheduled", "dependency", [first])
    assert waiting["progress"]["message"] == "Waiting for another job"
    late = fnr.post(JOBS, {**write("two"), "depends_on": [waiting["id"], waiting["id"], first], "not_before": "2020-01-01T00:00:00Z"}).json
    fnr.stop()
    fnr.start()
    assert fnr.get(f"{JOBS}/{late['id']}").json["waiting_for"] == "dependency"
    fnr.post("/api/v1/queues/cpu/resume")
    assert text_of(fnr, fnr.wait(late["id"])) == "two"
    assert text_of(fnr, fnr.get(f"{JOBS}/{waiting['id']}").json) == "one"
    after = fnr.post(JOBS, {**join(f"job:{first}/text"), "depends_on": [first], "project": "film"}).json
    assert text_of(fnr, fnr.wait(after["id"])) == "one"


def test_what_a_child_needs_is_kept(fnr):
    fnr.post("/api/v1/queues/gpu/pause")
    first = fnr.run("write", {"text": "kept"})["id"]
    child = fnr.post(JOBS, {**join(f"job:{first}/text", queue="gpu"), "depends_on": [first]}).json["id"]
    assert child in assert_problem(fnr.request("DELETE", f"{JOBS}/{first}"), 409, "conflict")["message"]
    fnr.post("/api/v1/queues/gpu/resume")
    assert text_of(fnr, fnr.wait(child)) == "kept"
    assert fnr.request("DELETE", f"{JOBS}/{first}").status == 204
    assert fnr.get(f"{JOBS}/{child}").json["depends_on"] == [first]


def test_a_failed_parent_fails_or_skips(fnr):
    jobs = batch(fnr, write("fail", ref="first"), write("a", ref="fails", depends_on=["#first"]),
                 write("b", ref="skipped", depends_on=["#first"], on_parent_failure="skip"), write("c", ref="grandchild", depends_on=["#skipped"]),
                 write("d", ref="other"))
    ends = {ref: fnr.wait(job["id"]) for ref, job in jobs.items()}
    assert {ref: job["state"] for ref, job in ends.items()} == {
        "first": "failed", "fails": "failed", "skipped": "cancelled", "grandchild": "failed", "other": "completed"}
    for ref, parent in (("fails", "first"), ("skipped", "first"), ("grandchild", "skipped")):
        assert ends[ref]["error"]["code"] == "parent_failed" and jobs[parent]["id"] in ends[ref]["error"]["message"]
    assert fnr.request("DELETE", f"{JOBS}/{jobs['first']['id']}").status == 204
    assert [rule for _, rule in problems(fnr.post(f"{JOBS}/{jobs['fails']['id']}/retry", {}))] == ["unknown_job"]
    fnr.post("/api/v1/queues/cpu/pause")
    jobs = batch(fnr, write("x", ref="first"), write("y", ref="second", depends_on=["#first"]))
    fnr.post(f"{JOBS}/{jobs['first']['id']}/cancel")
    assert fnr.wait(jobs["second"]["id"])["error"]["code"] == "parent_failed"


def test_run_again_with_what_the_parents_made(fnr):
    jobs = batch(fnr, write("again", ref="first"), join("job:#first/text", ref="second", depends_on=["#first"]))
    fnr.wait(jobs["second"]["id"])
    again = fnr.post(f"{JOBS}/{jobs['second']['id']}/retry", {}).json
    assert text_of(fnr, fnr.wait(again["id"])) == "again"


def test_many_children(fnr):
    """More than one turn takes: each starts after the one that all need."""
    fnr.post("/api/v1/queues/cpu/pause")
    noop = {"template": "noop", "inputs": {}}
    answer = fnr.post(BATCHES, {"jobs": [{**noop, "ref": "a"}] + [{**noop, "depends_on": ["#a"]}] * 2500}).json
    fnr.post("/api/v1/queues/cpu/resume")
    until(lambda: fnr.get(f"{BATCHES}/{answer['id']}").json["counts"]["completed"] == 2501, "all of them", timeout=300)


def test_a_long_chain_survives_kills(fnr):
    length = 60
    jobs = batch(fnr, *[write(str(n), ref=f"j{n}", **({"depends_on": [f"#j{n - 1}"]} if n else {})) for n in range(length)])
    for _ in range(3):
        fnr.kill_all()
        fnr.start()
    ends = [fnr.wait(jobs[f"j{n}"]["id"], timeout=300) for n in range(length)]
    assert {job["state"] for job in ends} == {"completed"}
    assert all(before["finished_at"] <= after["started_at"] for before, after in zip(ends, ends[1:]))


def test_what_is_refused(fnr):
    first = fnr.run("write", {"text": "fail"})["id"]
    noop = {"template": "noop", "inputs": {}}
    for depends, rule in ([1], "type"), (["x"], "unknown_job"), ([NOBODY], "unknown_job"), (["#a"], "unknown_ref"), ([first], "job_state"):
        assert problems(fnr.post(JOBS, {**noop, "depends_on": depends})) == [("/depends_on/0", rule)]
    assert problems(fnr.post(JOBS, {**noop, "depends_on": [NOBODY] * 257})) == [("/depends_on", "max_items")]

    def refused(*jobs):
        return problems(fnr.post(BATCHES, {"jobs": list(jobs)}))
    assert refused({**noop, "ref": "a"}, {**noop, "ref": "a"}) == [("/jobs/1/ref", "unique")]
    assert refused({**noop, "ref": "a b"}) == [("/jobs/0/ref", "name")]
    assert refused({**noop, "depends_on": ["#b"]}) == [("/jobs/0/depends_on/0", "unknown_ref")]
    assert refused({**noop, "ref": "a", "depends_on": ["#a"]}) == [("/jobs/0/depends_on", "circle")]
    assert [rule for _, rule in refused({**noop, "ref": "a", "depends_on": ["#b"]}, {**noop, "ref": "b", "depends_on": ["#c"]},
                                        {**noop, "ref": "c", "depends_on": ["#a"]})] == ["circle"]
    assert refused({**noop, "ref": "a", "count": 2}) == [("/jobs/0/count", "range")]
    assert refused(write("a", ref="a"), join("job:#a/picture", depends_on=["#a"])) == [("/jobs/1/inputs/parts/0", "unknown_output")]
    assert refused(write("a", ref="a"), join("job:#a/text")) == [("/jobs/1/inputs/parts/0", "unknown_ref")]
    assert refused(write("a", ref="a"), {"template": "look", "inputs": {"parts": ["job:#a/text"]}, "depends_on": ["#a"]}) == [("/jobs/1/inputs/parts/0", "media")]
    key = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["submit"], "projects": ["other"]}).json["key"]
    mine = fnr.submit(project="mine")["id"]
    answer = fnr.post(JOBS, {**noop, "project": "other", "depends_on": [mine]}, key=key)
    assert problems(answer) == [("/depends_on/0", "unknown_job")]


def test_the_only_one_of_its_kind(fnr):
    """42.6: the same template, inputs, preset and seed of the same key, project and shot; while it lives or was completed."""
    def submit(key=None, **members):
        answer = fnr.post(JOBS, {**write("once"), "dedupe": True, **members}, **({"key": key} if key else {}))
        assert answer.status == 202, answer.data
        return answer.json["id"], answer.headers.get("Idempotency-Replayed") == "true"
    first, replayed = submit()
    assert not replayed and submit() == (first, True)
    fnr.wait(first)
    assert submit(priority=9, metadata={"a": 1}) == (first, True)
    other = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["submit"]}).json["key"]
    different = [submit(seed=1), submit(quality="high"), submit(project="p"), submit(project="p", shot="q"), submit(key=other), submit(inputs={"text": "twice"})]
    assert not any(replayed for _, replayed in different) and len({id for id, _ in different} | {first}) == 7
    assert submit(dedupe=False)[1] is False
    failing, _ = submit(inputs={"text": "fail"})
    fnr.wait(failing)
    assert submit(inputs={"text": "fail"}) != (failing, True)
    fnr.request("DELETE", f"{JOBS}/{first}")
    again, replayed = submit()
    assert not replayed and again != first
    fnr.stop()
    fnr.start()
    assert submit() == (again, True)
    assert problems(fnr.post(JOBS, {**write("x"), "dedupe": True, "count": 2})) == [("/dedupe", "single")]
    assert problems(fnr.post(BATCHES, {"jobs": [{**write("x"), "dedupe": True}]})) == [("/jobs/0/dedupe", "single")]


def test_the_only_one_among_many_at_once(fnr):
    """Files that came along with the others leave nothing behind; the same bytes are the same input."""
    data = "data:text/plain;base64," + base64.b64encode(b"the same").decode()
    ids, body = [], {**join(data), "dedupe": True}
    threads = [threading.Thread(target=lambda: ids.append(fnr.post(JOBS, body).json["id"])) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 16 and len(set(ids)) == 1
    assert text_of(fnr, fnr.wait(ids[0])) == "the same"

    def uploaded():
        return {**join("upload:" + fnr.post("/api/v1/uploads", b"these bytes", headers={"Content-Type": "text/plain"}).json["id"]), "dedupe": True}
    assert fnr.post(JOBS, uploaded()).json["id"] == fnr.post(JOBS, uploaded()).json["id"]
