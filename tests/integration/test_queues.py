"""Queues that are paused, resumed and emptied; priorities that are changed while jobs wait."""

import datetime
import json
import os
import signal
import subprocess
import time

import pytest

from crash import until
from system import FNR, System, assert_problem

QUEUES = "/api/v1/queues"


@pytest.fixture
def fnr():
    with System("workers: {min: 1, max: 1}\nstop: {grace: 3}\n") as system:
        yield system
        for name in ("cpu", "gpu"):
            system.post(f"{QUEUES}/{name}/resume")


def queue(fnr, name="cpu"):
    return fnr.get(f"{QUEUES}/{name}").json


def state(fnr, id):
    return fnr.get(f"/api/v1/jobs/{id}").json["state"]


def everywhere(condition, what):
    """Each handler reads the configuration anew by itself: many requests in a row, so that every one of them has been asked."""
    until(lambda: all(condition() for _ in range(100)), what)


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_paused_and_resumed(fnr):
    """42.7: jobs are accepted and wait, what runs goes on, other queues run, and a restart changes nothing."""
    running = fnr.submit(metadata={"noop": {"duration_ms": 8000}})["id"]
    until(lambda: state(fnr, running) == "running", "it runs")
    with fnr.stream("/api/v1/events?types=queue.changed") as stream:
        events = iter(stream)
        next(events)
        answer = fnr.post(f"{QUEUES}/cpu/pause")
        assert answer.status == 200 and answer.json["paused"] and answer.json["paused_until"] is None and answer.json["running"] == 1
        event = next(events)
        assert event.name == "queue.changed" and event.data["queue"] == "cpu" and event.data["paused"] is True
    waiting = [fnr.submit()["id"] for _ in range(5)]
    other = fnr.submit(queue="gpu")["id"]
    assert fnr.wait(running)["state"] == "completed" and fnr.wait(other)["state"] == "completed"
    assert {state(fnr, id) for id in waiting} == {"queued"}
    assert fnr.get(f"/api/v1/jobs/{waiting[0]}").json["waiting_for"] == "paused"
    now = queue(fnr)
    assert (now["waiting"], now["running"]) == (5, 0) and now["oldest_at"] == fnr.get(f"/api/v1/jobs/{waiting[0]}").json["queued_at"]
    fnr.stop()
    fnr.start()
    time.sleep(0.5)
    assert queue(fnr)["paused"] and {state(fnr, id) for id in waiting} == {"queued"}
    assert fnr.post(f"{QUEUES}/cpu/resume").json["paused"] is False
    assert {fnr.wait(id)["state"] for id in waiting} == {"completed"}


def test_paused_until_a_time(fnr):
    answer = fnr.post(f"{QUEUES}/cpu/pause", {"until": in_seconds(5)})
    assert answer.status == 200 and answer.json["paused_until"]
    job = fnr.wait(fnr.submit()["id"])
    assert job["state"] == "completed" and job["started_at"] >= answer.json["paused_until"]
    assert queue(fnr)["paused"] is False and queue(fnr)["paused_until"] is None


def test_the_time_passes_while_it_is_stopped(fnr):
    assert fnr.post(f"{QUEUES}/cpu/pause", {"until": in_seconds(4)}).status == 200
    id = fnr.submit()["id"]
    fnr.kill_all()
    time.sleep(4.2)
    fnr.start()
    assert fnr.wait(id)["state"] == "completed" and not queue(fnr)["paused"]


def test_purge(fnr):
    """What waits is cancelled, in this queue alone; what runs goes on."""
    running = fnr.submit(metadata={"noop": {"duration_ms": 8000}})["id"]
    until(lambda: state(fnr, running) == "running", "it runs")
    waiting = [fnr.submit()["id"] for _ in range(4)] + [fnr.submit(not_before="2099-01-01T00:00:00Z")["id"]]
    other = fnr.submit(queue="gpu")["id"]
    answer = fnr.post(f"{QUEUES}/cpu/purge")
    assert answer.status == 202 and answer.json == {"found": 5}
    assert {fnr.wait(id)["state"] for id in waiting} == {"cancelled"}
    assert fnr.wait(running)["state"] == "completed" and fnr.wait(other)["state"] == "completed"
    assert fnr.post(f"{QUEUES}/io/purge").json == {"found": 0}


def test_cancel_by_queue(fnr):
    fnr.post(f"{QUEUES}/cpu/pause")
    ids = [fnr.submit()["id"], fnr.submit(queue="gpu", not_before="2099-01-01T00:00:00Z")["id"]]
    assert fnr.post("/api/v1/jobs/cancel", {"queue": "gpu"}).json == {"found": 1}
    assert fnr.wait(ids[1])["state"] == "cancelled" and state(fnr, ids[0]) == "queued"


def test_a_paused_queue_starts_no_workers():
    with System("workers: {min: 0, max: 8}\n") as fnr:
        fnr.post(f"{QUEUES}/cpu/pause")
        for _ in range(20):
            fnr.submit()
        time.sleep(1.5)
        assert "worker.started" not in fnr.log_text()
        fnr.post(f"{QUEUES}/cpu/purge")


def test_changed_priority(fnr):
    """42.15: the job takes its place in the line of its new priority."""
    fnr.post(f"{QUEUES}/cpu/pause")
    ids = [fnr.submit(priority=5, metadata={"noop": {"duration_ms": 10}})["id"] for _ in range(4)]
    scheduled = fnr.submit(not_before="2099-01-01T00:00:00Z")["id"]
    for id, priority in ((ids[3], 9), (ids[0], 1), (scheduled, 7)):
        answer = fnr.request("PATCH", f"/api/v1/jobs/{id}", {"priority": priority})
        assert answer.status == 202, answer.data
        until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["priority"] == priority, "the priority")
    fnr.check()
    fnr.post(f"{QUEUES}/cpu/resume")
    jobs = sorted((fnr.wait(id) for id in ids), key=lambda job: job["started_at"])
    order = [job["id"] for job in jobs]
    assert order[0] == ids[3] and order[-1] == ids[0], [ids.index(id) for id in order]
    assert [ids.index(id) for id in order[1:3]] == [1, 2]
    assert_problem(fnr.request("PATCH", f"/api/v1/jobs/{ids[0]}", {"priority": 5}), 409, "conflict")
    for body in ({}, {"priority": 0}, {"priority": 11}, {"priority": "high"}, {"priority": 5, "seed": 1}, {"priority": 1.5}):
        assert_problem(fnr.request("PATCH", f"/api/v1/jobs/{scheduled}", body), 422, "invalid")
    fnr.post(f"/api/v1/jobs/{scheduled}/cancel")


def test_survives_kills(fnr):
    """Whatever is killed while a queue is paused, changed and resumed: each job runs once."""
    fnr.post(f"{QUEUES}/cpu/pause")
    ids = [fnr.submit(priority=1 + number % 10)["id"] for number in range(20)]
    for number, id in enumerate(ids):
        fnr.request("PATCH", f"/api/v1/jobs/{id}", {"priority": 10 - number % 10})
    fnr.kill_all()
    fnr.start()
    assert queue(fnr)["paused"] and queue(fnr)["waiting"] == 20
    fnr.check()
    fnr.post(f"{QUEUES}/cpu/resume")
    jobs = [fnr.wait(id) for id in ids]
    assert {(job["state"], job["attempt"]) for job in jobs} == {("completed", 1)}


def test_what_is_refused(fnr):
    reader = fnr.post("/api/v1/keys", {"name": "reader", "scopes": ["read", "submit"]}).json["key"]
    assert [item["name"] for item in fnr.get(QUEUES, key=reader).json["items"]] == ["cpu", "gpu", "io", "priority"]
    for action in ("pause", "resume", "purge"):
        assert_problem(fnr.post(f"{QUEUES}/cpu/{action}", key=reader), 403, "forbidden")
        assert_problem(fnr.post(f"{QUEUES}/none/{action}"), 404, "not_found")
    assert_problem(fnr.get(f"{QUEUES}/none"), 404, "not_found")
    for body in ({"until": "soon"}, {"until": 5}, {"until": "2001-01-01T00:00:00Z"}, {"unti": "2099-01-01T00:00:00Z"}):
        assert_problem(fnr.post(f"{QUEUES}/cpu/pause", body), 422, "invalid")
    assert not queue(fnr)["paused"]


def test_little_room_refuses_new_work_only():
    """Early, with 503; what was accepted goes on and is finished, and new work is taken again when there is room."""
    system = System("workers: {min: 1, max: 1}\n")
    system.add_script("writer", "#!/bin/sh\nsleep 0.2\necho x >file.txt\necho '{\"output\": \"file\", \"path\": \"file.txt\"}'\n")

    def configure(text):
        with open(os.path.join(fnr.data, "config.yaml"), "w") as file:
            file.write("workers: {min: 1, max: 1}\n" + text)
        fnr.process.send_signal(signal.SIGHUP)

    with system as fnr:
        new = {"template": "noop", "inputs": {}}
        accepted = [fnr.submit("writer", project="p")["id"] for _ in range(10)]
        configure("disk: {min_free: 1099511627776}\n")
        everywhere(lambda: fnr.post("/api/v1/jobs", new).status == 503, "no new work")
        assert {fnr.wait(id)["state"] for id in accepted} == {"completed"}
        for path, body in (("/api/v1/jobs", new), ("/api/v1/batches", {"jobs": [new]}), (f"/api/v1/jobs/{accepted[0]}/retry", {})):
            assert_problem(fnr.post(path, body), 503, "storage_full", "disk.min_free")
        everywhere(lambda: fnr.post("/api/v1/uploads", b"x").status == 503, "no new files")
        assert_problem(fnr.post("/api/v1/uploads", b"x"), 503, "storage_full")
        assert fnr.post(f"{QUEUES}/cpu/pause").status == 200 and fnr.post(f"{QUEUES}/cpu/resume").status == 200
        assert fnr.request("DELETE", f"/api/v1/jobs/{accepted[0]}").status == 204
        configure("")
        until(lambda: fnr.post("/api/v1/jobs", new).status == 202, "new work again")


def test_why_jobs_wait(fnr):
    """42.15: each says why, and what runs says why it runs where it does."""
    slow = {"noop": {"duration_ms": 600000}}
    running = fnr.submit(metadata=slow)["id"]
    until(lambda: state(fnr, running) == "running", "it runs")
    fnr.post(f"{QUEUES}/gpu/pause")
    fnr.request("PUT", "/api/v1/projects/limited", {"concurrency": 1})
    jobs = {
        "position": fnr.submit()["id"], "paused": fnr.submit(queue="gpu")["id"], "not_before": fnr.submit(not_before="2099-01-01T00:00:00Z")["id"],
        "dependency": fnr.post("/api/v1/jobs", {"template": "noop", "inputs": {}, "depends_on": [running]}).json["id"],
    }
    for reason, id in jobs.items():
        assert fnr.get(f"/api/v1/jobs/{id}").json["waiting_for"] == reason
    now = fnr.get(f"/api/v1/jobs/{running}").json
    assert now["waiting_for"] is None and now["placement"] and now["backend"] and now["worker"]
    fnr.post(f"/api/v1/jobs/{running}/cancel")
    first, second = [fnr.submit(metadata=slow, project="limited")["id"] for _ in range(2)]
    until(lambda: state(fnr, first) == "running", "it runs")
    assert fnr.post("/api/v1/workers/scale", {"max": 2}).status == 202
    until(lambda: fnr.get(f"/api/v1/jobs/{second}").json["waiting_for"] == "limit", "it waits for the other one of its project")
    for id in (first, second, *jobs.values()):
        fnr.post(f"/api/v1/jobs/{id}/cancel")


def test_the_latest_start(fnr):
    """42.13: what has not started by then expires, paused or not; what runs goes on."""
    running = fnr.submit(metadata={"noop": {"duration_ms": 18000}}, expires_at=in_seconds(15))["id"]
    until(lambda: state(fnr, running) == "running", "it runs")
    fnr.post(f"{QUEUES}/gpu/pause")
    late = [fnr.submit(queue="gpu", expires_at=in_seconds(1))["id"], fnr.submit(queue="gpu", expires_at=in_seconds(2), not_before=in_seconds(1.5))["id"]]
    for id in late:
        job = fnr.wait(id)
        assert (job["state"], job["attempt"], job["error"]["code"]) == ("expired", 0, "expired")
    assert fnr.wait(running)["state"] == "completed"


def test_more_queues_by_configuration():
    """42.1: templates and jobs may name them, and they are paused, limited and counted like any other. One that is taken away
    keeps what waits in it, and takes nothing new."""
    system = System("workers: {min: 1, max: 1}\nqueue: {names: render batch-2}\n")
    system.add_script("rendered", "#!/bin/sh\necho x >file.txt\necho '{\"output\": \"file\", \"path\": \"file.txt\"}'\n", queue="render")
    with system as fnr:
        assert [item["name"] for item in fnr.get(QUEUES).json["items"]] == ["cpu", "gpu", "io", "priority", "render", "batch-2"]
        job = fnr.run("rendered")
        assert (job["state"], job["queue"]) == ("completed", "render")
        assert fnr.run(queue="batch-2")["state"] == "completed"
        assert fnr.post("/api/v1/route", {"template": "rendered"}).json["queue"] == "render"
        assert fnr.post("/api/v1/route", {"template": "noop", "queue": "batch-2"}).json["queue"] == "batch-2"
        until(lambda: queue(fnr, "render")["completed_per_minute"] == 1, "it is counted")
        assert_problem(fnr.post("/api/v1/jobs", {"template": "noop", "inputs": {}, "queue": "batch"}), 422, "invalid", "batch-2")
        assert fnr.request("PUT", f"{QUEUES}/batch-2", {"concurrency": 1}).json["concurrency"] == 1
        assert fnr.post(f"{QUEUES}/batch-2/pause").json["paused"]
        waiting = [fnr.submit(queue="batch-2")["id"] for _ in range(3)]
        with open(os.path.join(fnr.data, "config.yaml"), "w") as file:
            file.write("workers: {min: 1, max: 1}\nqueue: {names: render}\n")
        fnr.process.send_signal(signal.SIGHUP)
        everywhere(lambda: fnr.post("/api/v1/jobs", {"template": "noop", "inputs": {}, "queue": "batch-2"}).status == 422, "it takes nothing new")
        everywhere(lambda: fnr.post("/api/v1/route", {"template": "noop", "queue": "batch-2"}).status == 422, "nowhere")
        assert queue(fnr, "batch-2")["waiting"] >= 3
        assert [item["name"] for item in fnr.get(QUEUES).json["items"]] == ["cpu", "gpu", "io", "priority", "render", "batch-2"]
        assert fnr.post(f"{QUEUES}/batch-2/resume").json["paused"] is False
        assert {fnr.wait(id)["state"] for id in waiting} == {"completed"}
        until(lambda: fnr.get(f"{QUEUES}/batch-2").status == 404, "the last one has left it")


def test_command(fnr):
    def run(*arguments, status=0):
        done = subprocess.run([FNR, *arguments, "--data", fnr.data], capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    assert "paused" in run("queue", "pause", "cpu")
    id = fnr.submit()["id"]
    assert "cpu" in run("queue", "list") and "1       waiting" in run("queue", "show", "cpu")
    assert "another priority" in run("job", "change", id, "--priority", "8")
    assert "--priority" in run("job", "change", id, status=2)
    assert "1 waiting jobs" in run("queue", "purge", "cpu")
    assert "until" in run("queue", "pause", "cpu", "--until", in_seconds(60))
    assert "paused" not in run("queue", "resume", "cpu")


def test_so_many_may_wait():
    """Back-pressure: refused with 429 before anything is stored, whole batches too; room again when some have run."""
    with System("workers: {min: 1, max: 1}\njob: {max_waiting: 10}\n") as fnr:
        fnr.post(f"{QUEUES}/cpu/pause")
        jobs = [{"template": "noop", "inputs": {}}] * 8
        assert fnr.post("/api/v1/batches", {"jobs": jobs}).status == 202
        refused = fnr.post("/api/v1/batches", {"jobs": jobs[:3]}, headers={"Idempotency-Key": "later"})
        assert_problem(refused, 429, "too_many")
        assert int(refused.headers["Retry-After"]) > 0 and "job.max_waiting" in refused.json["message"]
        last = [fnr.submit()["id"] for _ in range(2)]
        assert_problem(fnr.post("/api/v1/jobs", {"template": "noop", "inputs": {}}), 429, "too_many")
        assert queue(fnr)["waiting"] == 10
        fnr.post(f"{QUEUES}/cpu/resume")
        assert {fnr.wait(id)["state"] for id in last} == {"completed"}
        assert fnr.post("/api/v1/batches", {"jobs": jobs[:3]}, headers={"Idempotency-Key": "later"}).status == 202    # the key was not used up


def test_weights_of_projects(fnr):
    """42.3: three turns for one; it outlives a restart."""
    for body in ({"concurrency": 0}, {"per_minute": "many"}, {"max_waiting": -1}, {"weight": 0}, {"weight": 1001}, {"weight": "3"}, {"weight": 3, "colour": 1}):
        assert_problem(fnr.request("PUT", "/api/v1/projects/heavy", body), 422, "invalid")
    assert fnr.request("PUT", "/api/v1/projects/heavy", {"weight": 3}).json == {
        "name": "heavy", "weight": 3.0, "concurrency": None, "per_minute": None, "max_waiting": None}
    fnr.stop()
    fnr.start()
    fnr.post(f"{QUEUES}/cpu/pause")
    ids = {fnr.submit(project=project, metadata={"noop": {"duration_ms": 8}})["id"]: project for _ in range(24) for project in ("light", "heavy")}
    assert {item["name"]: item["weight"] for item in fnr.get("/api/v1/projects").json["items"]} == {"heavy": 3.0, "light": 1.0}
    fnr.post(f"{QUEUES}/cpu/resume")
    jobs = sorted((fnr.wait(id) for id in ids), key=lambda job: job["started_at"])
    first = [ids[job["id"]] for job in jobs[:24]]
    assert 17 <= first.count("heavy") <= 19, first
    key = fnr.post("/api/v1/keys", {"name": "light", "scopes": ["admin"], "projects": ["light"]}).json["key"]
    assert_problem(fnr.request("PUT", "/api/v1/projects/heavy", {"weight": 1}, key=key), 403, "forbidden")


def ran(fnr, ids):
    """(start, end) of each job, in seconds, in the order of their starts."""
    def seconds(text):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    jobs = [fnr.wait(id) for id in ids]
    return sorted((seconds(job["started_at"]), seconds(job["finished_at"])) for job in jobs)


def most_at_once(times):
    return max(sum(1 for other in times if other[0] <= start < other[1]) for start, _ in times)


def limited_template(fnr, **limits):
    folder = os.path.join(fnr.data, "templates")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "narrow.yaml"), "w") as file:
        file.write(f"id: narrow\nversion: 1.0.0\nname: Narrow\ncategory: generic\nlimits: {json.dumps(limits)}\nbackend: {{type: noop}}\n")


def test_limits_on_concurrency():
    """42.13: of a queue, a project, a template; what waits for one says so and holds up nobody else; it outlives a restart."""
    with System("workers: {min: 6, max: 6}\n", before_start=lambda fnr: limited_template(fnr, concurrency=2)) as fnr:
        def submit(count, **members):
            return [fnr.submit(**{"metadata": {"noop": {"duration_ms": 1500}}, **members})["id"] for _ in range(count)]
        assert most_at_once(ran(fnr, submit(8))) > 3
        assert_problem(fnr.request("PUT", f"{QUEUES}/cpu", {"concurrency": "two"}), 422, "invalid")
        answer = fnr.request("PUT", f"{QUEUES}/cpu", {"concurrency": 2}).json
        assert (answer["concurrency"], answer["per_minute"], answer["paused"]) == (2, None, False)
        ids = submit(8, metadata={"noop": {"duration_ms": 3000}})
        until(lambda: fnr.get(f"/api/v1/jobs/{ids[-1]}").json["waiting_for"] == "limit", "it says why it waits")
        assert fnr.wait(submit(1, queue="gpu")[0])["state"] == "completed" and fnr.get(f"/api/v1/jobs/{ids[-1]}").json["state"] == "queued"
        assert most_at_once(ran(fnr, ids)) == 2
        assert fnr.get(f"{QUEUES}/cpu").json["waiting"] == 0
        fnr.request("PUT", f"{QUEUES}/cpu", {})
        assert fnr.request("PUT", "/api/v1/projects/small", {"concurrency": 1}).json["concurrency"] == 1
        ids = submit(5, project="small")
        assert ran(fnr, submit(1, project="other"))[0][0] < max(start for start, _ in ran(fnr, ids))
        assert most_at_once(ran(fnr, ids)) == 1
        assert most_at_once(ran(fnr, submit(6, template="narrow"))) == 2
        ids = submit(6, project="small")
        fnr.stop()
        fnr.start()
        assert most_at_once(ran(fnr, ids)[1:]) == 1


def test_limits_on_rate():
    """So many starts a minute, evenly; a restart is no way round it."""
    with System("workers: {min: 4, max: 4}\n", before_start=lambda fnr: limited_template(fnr, per_minute=120)) as fnr:
        for members in ({"queue": "gpu"}, {"template": "narrow"}):
            fnr.request("PUT", f"{QUEUES}/gpu", {"per_minute": 120})
            starts = [start for start, _ in ran(fnr, [fnr.submit(**members)["id"] for _ in range(5)])]
            assert 1.7 < starts[-1] - starts[0], starts
            assert all(later - earlier > 0.3 for earlier, later in zip(starts, starts[1:])), starts
            fnr.request("PUT", f"{QUEUES}/gpu", {})
        fnr.request("PUT", "/api/v1/projects/slow", {"per_minute": 3})
        first = fnr.submit(project="slow")["id"]
        fnr.wait(first)
        fnr.stop()
        fnr.start()
        second = fnr.submit(project="slow")["id"]
        until(lambda: fnr.get(f"/api/v1/jobs/{second}").json["waiting_for"] == "limit", "it says why it waits")
        starts = [start for start, _ in ran(fnr, [first, second])]
        assert starts[1] - starts[0] > 19, starts


def test_so_many_of_a_project_or_key_may_wait():
    with System("workers: {min: 1, max: 1}\njob: {max_waiting_project: 3, max_waiting_key: 8}\n") as fnr:
        fnr.post(f"{QUEUES}/cpu/pause")
        fnr.request("PUT", "/api/v1/projects/large", {"max_waiting": 5})
        job = {"template": "noop", "inputs": {}}
        for project, most in (("small", 3), ("large", 5)):
            jobs = [{**job, "project": project}] * (most + 1)
            refused = fnr.post("/api/v1/batches", {"jobs": jobs})
            assert_problem(refused, 429, "too_many")
            assert project in refused.json["message"] and int(refused.headers["Retry-After"]) > 0
            assert fnr.post("/api/v1/batches", {"jobs": jobs[1:]}).status == 202
            assert_problem(fnr.post("/api/v1/jobs", jobs[0]), 429, "too_many")
        refused = fnr.post("/api/v1/jobs", job)
        assert_problem(refused, 429, "too_many")
        assert "key" in refused.json["message"]
        other = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["submit"]}).json["key"]
        assert fnr.post("/api/v1/jobs", job, key=other).status == 202
        assert queue(fnr)["waiting"] == 9
        fnr.post(f"{QUEUES}/cpu/resume")
        until(lambda: fnr.post("/api/v1/jobs", {**job, "project": "small"}).status == 202, "room again")
