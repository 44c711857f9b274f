"""Many servers at once: all of them work while there is work, models are not loaded more often than need be, and killing any part
of it loses nothing. Servers are stand-ins for ComfyUI (comfyui_standin.py)."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfyui import Comfyui
from comfyui_nodes import MODELS
from crash import until
from system import System

BACKENDS = "/api/v1/backends"
SERVERS, JOBS_IN_ALL = 50, 500
CHECKPOINTS = [f"model-{letter}.safetensors" for letter in "abcde"]
CONFIG = "workers: {min: 2, max: 2}\nbackends: {probe: 5, patience: 3600}\nstop: {grace: 5}\n"


@pytest.fixture(scope="module")
def servers():
    made = [Comfyui(models={**MODELS, "checkpoints": CHECKPOINTS}, load_ms=20) for _ in range(SERVERS)]
    try:
        with ThreadPoolExecutor(4) as several:
            list(several.map(Comfyui.start, made))
        yield made
    finally:
        for server in made:
            server.__exit__()


@pytest.fixture
def fnr(servers):
    with System(CONFIG) as system:
        for at, server in enumerate(servers):
            server.reset()
            server.set(models={**MODELS, "checkpoints": CHECKPOINTS}, load_ms=20)
            answer = system.post(BACKENDS, {"id": f"gpu{at:02}", "type": "comfyui", "url": server.url})
            assert answer.status == 201, answer.data
        until(lambda: sum(one["state"] == "ready" for one in system.get(BACKENDS).json["items"]) == SERVERS + 1, "all answer", timeout=300)
        yield system


def job(at):
    return {"inputs": {"prompt": f"cat {at}", "checkpoint": CHECKPOINTS[at % len(CHECKPOINTS)]}, "seed": at}


def submit_all(fnr, count):
    answer = fnr.post("/api/v1/batches", {"defaults": {"template": "text_to_image", "quality": "draft"}, "jobs": [job(at) for at in range(count)]})
    assert answer.status == 202, answer.data
    return answer.json["id"]


def counts(fnr, batch):
    return fnr.get(f"/api/v1/batches/{batch}").json["counts"]


def wait_all(fnr, batch, count):
    until(lambda: counts(fnr, batch).get("completed", 0) == count, lambda: f"not all were completed: {counts(fnr, batch)}", timeout=500, longest=0.5)


def switches(servers):
    return sum(server.seen()["model_switches"] for server in servers)


def hold_all(servers, phase):
    for server in servers:
        server.set(hold=phase)
    for server in servers:
        server.wait_held(phase)


def test_fifty_servers_and_five_hundred_jobs(fnr, servers):
    """60.7, 46.5: every server is busy while jobs wait, whenever one looks; of five models that come in turn each keeps to few."""
    for server in servers:
        server.set(hold="started")
    before = switches(servers)
    batch = submit_all(fnr, JOBS_IN_ALL)
    for waiting in range(JOBS_IN_ALL - SERVERS, JOBS_IN_ALL - 4 * SERVERS, -SERVERS):      # a job a server each time
        hold_all(servers, "started")
        until(lambda: (found := counts(fnr, batch))["running"] == SERVERS and found["queued"] == waiting, lambda: f"{waiting} wait: {counts(fnr, batch)}")
        hold_all(servers, "success")
    for server in servers:
        server.set(hold=None)
    wait_all(fnr, batch, JOBS_IN_ALL)
    runs = [sum(server.seen()["runs"].values()) for server in servers]
    assert sum(runs) == JOBS_IN_ALL and min(runs) > 0, "each once, and no server was left out"
    made = switches(servers) - before
    assert made <= 2 * SERVERS, f"{made} times was a model loaded; in the order of the jobs it would be about {JOBS_IN_ALL * 4 // 5}"
    placements = {one["placement"] for one in fnr.get(f"/api/v1/jobs?batch={batch}&limit=500").json["items"]}
    assert "warm model" in placements


def test_kills_in_the_middle(fnr, servers):
    """kill -9 of a worker, of the manager and of a server: every job is completed, and each filed once."""
    for server in servers:
        server.set(step_ms=5)
    batch = submit_all(fnr, 150)
    until(lambda: counts(fnr, batch).get("completed", 0) > 10, "some are done", timeout=300)
    os.kill(fnr.pids_of("worker")[0], signal.SIGKILL)
    servers[0].kill()
    until(lambda: counts(fnr, batch).get("completed", 0) > 40, "more are done", timeout=300)
    os.kill(fnr.pids_of("fnr-manager")[0], signal.SIGKILL)
    servers[0].start()
    wait_all(fnr, batch, 150)
    until(lambda: fnr.get(f"{BACKENDS}/gpu00").json["state"] == "ready", "it is back", timeout=300)
    jobs = fnr.get(f"/api/v1/jobs?batch={batch}&limit=500").json["items"]
    assert len(jobs) == 150 and all(len(one["outputs"]) == 1 for one in jobs)
    runs = [count for server in servers for count in server.seen()["runs"].values()]
    assert max(runs) == 1 and len(runs) <= 150, "what one that lives has done is not done again"
