"""Workers: how many there are, what each does, and what operators do with them."""

import os
import signal
import subprocess

import pytest

from crash import living, until
from system import FNR, System, assert_problem

WORKERS = "/api/v1/workers"
SLOW = {"metadata": {"noop": {"duration_ms": 600000}}}
CONFIG = "workers: {min: 1, max: 3, idle: 1}\nstop: {grace: 0}\n"


@pytest.fixture
def fnr():
    with System(CONFIG) as system:
        yield system


def workers(fnr):
    return fnr.get(WORKERS).json["items"]


def state(fnr, id):
    answer = fnr.get(f"{WORKERS}/{id}")
    return answer.json["state"] if answer.status == 200 else None


def running(fnr, **more):
    """A job that runs until it is cancelled."""
    id = fnr.submit(**SLOW, **more)["id"]
    until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it runs")
    return id


def worker_of(fnr, id):
    return until(lambda: next((item for item in workers(fnr) if item["job"] == id), None), "a worker says that it runs the job")


def test_as_many_as_the_queue_wants(fnr):
    """41.1, 41.2: never fewer than the least number, never more than the most, and back again when they have rested."""
    until(lambda: [item["state"] for item in workers(fnr)] == ["idle"], "one is ready")
    ids = [fnr.submit(**SLOW)["id"] for _ in range(5)]
    until(lambda: [item["state"] for item in workers(fnr)] == ["busy"] * 3, "three work")
    assert sorted(item["job"] for item in workers(fnr)) == sorted(ids[:3])
    for id in ids:
        fnr.post(f"/api/v1/jobs/{id}/cancel")
    assert {fnr.wait(id)["state"] for id in ids} == {"cancelled"}
    until(lambda: [item["state"] for item in workers(fnr)] == ["idle"], "two of them end")


def test_what_one_does(fnr):
    """41.9"""
    id = running(fnr, project="secret")
    worker = worker_of(fnr, id)
    assert worker["state"] == "busy" and worker["done"] == 0 and worker["since"]
    os.kill(worker["pid"], 0)
    assert fnr.get(f"/api/v1/jobs/{id}").json["worker"] == worker["id"]
    until(lambda: (worker_of(fnr, id)["memory_bytes"] or 0) > 1 << 20, "its memory is told")
    other = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["read"], "projects": ["other"]}).json["key"]
    shown = until(lambda: (seen := fnr.get(f"{WORKERS}/{worker['id']}", key=other).json) == {**worker_of(fnr, id), "job": None, "heard_at": seen["heard_at"]}
                  and seen, "others are told the same, but for the job")
    assert worker["backend"] == "local"
    until(lambda: worker_of(fnr, id)["heard_at"] > shown["heard_at"], "it lives, and that is told")
    fnr.post(f"/api/v1/jobs/{id}/cancel")
    fnr.wait(id)
    until(lambda: state(fnr, worker["id"]) == "idle", "it is free")
    worker = fnr.get(f"{WORKERS}/{worker['id']}").json
    assert (worker["job"], worker["cpu_ms"], worker["memory_bytes"]) == (None, None, None) and worker["done"] >= 1


def test_drained(fnr):
    """41.7: its job goes on; it gets no other, and ends."""
    until(lambda: workers(fnr), "one is ready")
    id = running(fnr)
    worker = worker_of(fnr, id)["id"]
    with fnr.stream("/api/v1/events?types=worker.changed") as stream:
        assert next(iter(stream)).name == "snapshot"
        events = (event for event in stream if event.data.get("worker") == worker)
        assert fnr.post(f"{WORKERS}/{worker}/drain").status == 202
        until(lambda: state(fnr, worker) == "draining", "it will end")
        event = next(events)
        assert event.name == "worker.changed" and (event.data["worker"], event.data["state"]) == (worker, "draining")
    assert fnr.get(f"/api/v1/jobs/{id}").json["state"] == "running"
    fnr.post(f"/api/v1/jobs/{id}/cancel")
    assert fnr.wait(id)["attempt"] == 1
    until(lambda: state(fnr, worker) is None, "it has ended")
    until(lambda: [item["state"] for item in workers(fnr)] == ["idle"], "another one is kept ready")
    assert fnr.run()["worker"] != worker


def test_an_idle_one_is_drained_at_once(fnr):
    until(lambda: [item["state"] for item in workers(fnr)] == ["idle"], "one is ready")
    first = workers(fnr)[0]
    assert fnr.post(f"{WORKERS}/{first['id']}/restart").status == 202
    until(lambda: [item["state"] for item in workers(fnr)] == ["idle"] and workers(fnr)[0]["id"] != first["id"], "another one came for it")
    until(lambda: not living([first["pid"]]), "it has ended")


def test_restarted_after_its_job(fnr):
    """Another one comes though nothing waits and more than the least number are there."""
    ids = [running(fnr) for _ in range(2)]
    worker = worker_of(fnr, ids[0])["id"]
    assert fnr.post(f"{WORKERS}/{worker}/restart").status == 202
    until(lambda: state(fnr, worker) == "draining", "it will end")
    fnr.post(f"/api/v1/jobs/{ids[0]}/cancel")
    until(lambda: state(fnr, worker) is None, "it has ended")
    until(lambda: len(fnr.log_text().split("event=worker.started")) == 4, "a third one was started")
    fnr.post(f"/api/v1/jobs/{ids[1]}/cancel")


def test_ended_at_once(fnr):
    """Its job is run again by another one."""
    id = running(fnr)
    worker = worker_of(fnr, id)["id"]
    assert fnr.request("DELETE", f"{WORKERS}/{worker}").status == 202
    until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["attempt"] == 2, "it is run again")
    until(lambda: worker_of(fnr, id)["id"] != worker, "by another one")
    fnr.post(f"/api/v1/jobs/{id}/cancel")
    assert fnr.wait(id)["state"] == "cancelled"


def test_scaled(fnr):
    """More or fewer than configured; kept over restarts and new readings of the configuration, until it is taken back."""
    assert fnr.post(f"{WORKERS}/scale", {"min": 4, "max": 5}).json == {"min": 4, "max": 5}
    until(lambda: len(workers(fnr)) == 4, "four are kept ready")
    ids = [fnr.submit(**SLOW)["id"] for _ in range(6)]
    until(lambda: [item["state"] for item in workers(fnr)] == ["busy"] * 5, "five work")
    fnr.process.send_signal(signal.SIGHUP)
    until(lambda: "event=manager.reload" in fnr.log_text(), "it was read again")
    assert fnr.post(f"{WORKERS}/scale", {"max": 2}).json == {"min": 1, "max": 2}
    for id in ids[:4]:
        fnr.post(f"/api/v1/jobs/{id}/cancel")
        fnr.wait(id)
    until(lambda: [item["state"] for item in workers(fnr)] == ["busy"] * 2, "two work, and no third one is there")
    fnr.stop()
    fnr.start()
    until(lambda: [item["state"] for item in workers(fnr)] == ["busy"] * 2, "two work again")
    more = fnr.submit(**SLOW)["id"]
    assert fnr.post(f"{WORKERS}/scale", {}).json == {"min": 1, "max": 3}
    until(lambda: fnr.get(f"/api/v1/jobs/{more}").json["state"] == "running", "a third one comes")
    for id in [*ids[4:], more]:
        fnr.post(f"/api/v1/jobs/{id}/cancel")
        fnr.wait(id)


def test_more_at_once_while_others_run():
    """What waits as all places of this machine are taken is started when there are more of them, not when a job ends."""
    with System("workers: {min: 1, max: 1, idle: 600}\nstop: {grace: 0}\n") as fnr:
        assert fnr.post("/api/v1/backends", {"id": "far", "type": "comfyui", "url": "http://127.0.0.1:1"}).status == 201
        first = running(fnr)
        until(lambda: "idle" in [item["state"] for item in workers(fnr)], "one that asked the server has nothing to do")
        second = fnr.submit(**SLOW)["id"]
        with fnr.stream(f"/api/v1/jobs/{second}/events") as stream:
            next(iter(stream))
        assert fnr.post(f"{WORKERS}/scale", {"max": 3}).status == 202
        until(lambda: fnr.get(f"/api/v1/jobs/{second}").json["state"] == "running", "it is started")
        assert fnr.get(f"/api/v1/jobs/{first}").json["state"] == "running"


def test_what_is_refused(fnr):
    reader = fnr.post("/api/v1/keys", {"name": "reader", "scopes": ["read", "submit"]}).json["key"]
    until(lambda: workers(fnr), "one is ready")
    name = workers(fnr)[0]["id"]
    for method, path in (("POST", f"{name}/drain"), ("POST", f"{name}/restart"), ("DELETE", name)):
        assert_problem(fnr.request(method, f"{WORKERS}/{path}", key=reader), 403, "forbidden")
        assert_problem(fnr.request(method, f"{WORKERS}/{path.replace(name, 'w999')}"), 404, "not_found")
        assert_problem(fnr.request(method, f"{WORKERS}/{path.replace(name, 'w')}"), 404, "not_found")
    assert_problem(fnr.get(f"{WORKERS}/w999"), 404, "not_found")
    assert_problem(fnr.post(f"{WORKERS}/scale", {"max": 2}, key=reader), 403, "forbidden")
    for body in ({"min": -1}, {"max": 0}, {"max": 1025}, {"min": "2"}, {"min": 3, "max": 2}, {"min": 4}, {"most": 2}, {"max": 1.5}):
        assert_problem(fnr.post(f"{WORKERS}/scale", body), 422, "invalid")


def test_command(fnr):
    def run(*arguments, status=0):
        done = subprocess.run([FNR, "worker", *arguments, "--data", fnr.data], capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    until(lambda: "idle" in run("list"), "one is ready")
    id = running(fnr)
    worker = worker_of(fnr, id)["id"]
    assert id in run("show", worker) and "busy" in run("list")
    assert run("scale", "--max", "2") == "from 1 to 2 workers\n" and run("scale") == "from 1 to 3 workers\n"
    run("restart", worker)
    run("stop", worker)
    until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["attempt"] == 2, "it is run again")
    run("drain", "w999", status=1)
    fnr.post(f"/api/v1/jobs/{id}/cancel")
