"""48.7 for jobs that run on servers: how full the memory of the server is, asked beside the work and never at its cost."""

import itertools
import os
import pty
import signal
import subprocess
import time
from datetime import datetime

import pytest

from comfyui import Comfyui
from crash import until
from system import FNR, System

BACKENDS = "/api/v1/backends"
JOBS = "/api/v1/jobs"
GB = 1 << 30
numbers = itertools.count(1)       # also seeds: one of its own keeps a job from being served from the server's cache
CPU = {"name": "cpu", "type": "cpu", "index": None, "vram_total": 64 * GB, "vram_free": 48 * GB, "torch_vram_total": 64 * GB, "torch_vram_free": 48 * GB}


@pytest.fixture(scope="module")
def fnr():
    """It asks a server of itself when it is added, and then no more: what is asked later is for a job."""
    with System("workers: {min: 1, max: 4}\nbackends: {probe: 86400}\nstop: {grace: 5}\n") as system:
        yield system


@pytest.fixture
def comfy(fnr):
    """Of a name of its own, so that what was known of another one is not taken for its state."""
    id = f"comfy{next(numbers)}"
    with Comfyui() as server:
        assert fnr.post(BACKENDS, {"id": id, "type": "comfyui", "url": server.url, "concurrency": 4}).status == 201
        until(lambda: fnr.get(f"{BACKENDS}/{id}").json["state"] == "ready", "it was asked how it is")
        yield server
        server.set(hold=None)
        fnr.post(f"{JOBS}/cancel", {"template": "text_to_image"})
        until(lambda: fnr.request("DELETE", f"{BACKENDS}/{id}", headers={"If-Match": "*"}).status == 204, "nothing runs there")


def card(name, total, free):
    return {"name": name, "type": "cuda", "index": 0, "vram_total": total * GB, "vram_free": free * GB, "torch_vram_total": GB, "torch_vram_free": GB}


def told(name, total, free):
    return {"name": name, "vram_total": total * GB, "vram_free": free * GB}


def begin(fnr, comfy):
    """A job that is held at its sampler."""
    comfy.set(hold="KSampler")
    id = fnr.submit("text_to_image", {"prompt": "a cat"}, quality="draft", seed=next(numbers))["id"]
    comfy.wait_held("KSampler")
    return id


def asked(comfy):
    return len(comfy.requests("/system_stats"))


def server_of(progress):
    return (progress["resources"] or {}).get("server")


def server_now(fnr, id):
    return server_of(fnr.get(f"{JOBS}/{id}").json["progress"])


def end(fnr, comfy, id):
    comfy.set(hold=None)
    job = fnr.wait(id)
    assert job["state"] == "completed", job["error"]
    return job


def test_how_full_it_is_is_told_while_it_works(fnr, comfy):
    """Cards and memory as the server says them, in the job and in its events, anew every few seconds; with its end they vanish."""
    comfy.set(devices=[card("big", 24, 20), card("small", 8, 8), CPU])
    id = begin(fnr, comfy)
    server = until(lambda: server_now(fnr, id), "it is told")
    assert server == {"devices": [told("big", 24, 20), told("small", 8, 8)], "ram_total": 64 * GB, "ram_free": 48 * GB}
    with fnr.stream(f"{JOBS}/{id}/events") as stream:
        comfy.set(devices=[card("big", 24, 1), card("small", 8, 8), CPU])
        events = (event.data for event in stream if event.name == "job.progress")
        used = next(data["progress"]["resources"] for data in events if server_of(data["progress"]) != server)
    assert used["server"]["devices"] == [told("big", 24, 1), told("small", 8, 8)]
    assert used["cpu"] >= 0 and used["memory_mb"] > 0, "what was told before is told"
    job = end(fnr, comfy, id)
    assert job["progress"]["resources"] is None


@pytest.mark.parametrize("fault", [
    {"status": 500}, {"status": 404}, {"status": 200, "body": "<html>", "type": "text/html"}, {"status": 200, "body": "{\"system\": 7, \"devices\": {}}"},
    {"status": 200, "body": "[" * 300000}, {"cut": True}, {"delay_ms": 3600000}], ids=lambda fault: next(iter(fault)) + str(fault.get("status", "")) + fault.get("body", "")[:8])
def test_a_server_that_does_not_say(fnr, comfy, fault):
    """The job does not notice: it goes on while the question is open, and the question is not repeated for a while."""
    comfy.set(http=[{"path": "/system_stats", "times": 1000, **fault}])
    before = asked(comfy)
    id = begin(fnr, comfy)
    comfy.wait(lambda seen: asked(comfy) > before)
    if fault == {"status": 500}:
        began = time.monotonic()
        time.sleep(7)
        assert asked(comfy) - before <= 1 + (time.monotonic() - began) / 20, "another one would have been asked again"
    assert not server_now(fnr, id)
    assert end(fnr, comfy, id)["attempt"] == 1


def test_what_is_not_known_any_more_is_not_told(fnr, comfy):
    id = begin(fnr, comfy)
    until(lambda: server_now(fnr, id), "it is told")
    comfy.set(http=[{"path": "/system_stats", "status": 503, "times": 1000}])
    resources = until(lambda: (job := fnr.get(f"{JOBS}/{id}").json)["progress"]["resources"] and not server_of(job["progress"]) and job["progress"]["resources"], "it is not told any more")
    assert resources["memory_mb"] > 0 and resources["server"] is None
    end(fnr, comfy, id)


def seconds(job):
    began, ended = (datetime.fromisoformat(job[name].replace("Z", "+00:00")) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def test_a_short_job_asks_nothing(fnr, comfy):
    """One that takes longer, as on a slow machine, may ask once it has run for so long."""
    for _ in range(5):
        before = asked(comfy)
        job = end(fnr, comfy, fnr.submit("text_to_image", {"prompt": "a cat"}, quality="draft", seed=next(numbers))["id"])
        assert asked(comfy) - before <= seconds(job) // 1.5


def test_what_waits_over_there_asks_nothing(fnr, comfy):
    """The figures would be those of others."""
    comfy.set(hold="queued")
    before = asked(comfy)
    id = fnr.submit("text_to_image", {"prompt": "a cat"}, quality="draft", seed=next(numbers))["id"]
    comfy.wait(lambda seen: len(seen["prompts"]) == 1)
    time.sleep(4)
    assert asked(comfy) == before
    comfy.set(hold="KSampler")
    comfy.wait(lambda seen: asked(comfy) > before)
    end(fnr, comfy, id)


def test_a_job_that_is_joined_again(fnr, comfy):
    """Nothing is heard of it at first but that it runs."""
    id = begin(fnr, comfy)
    for pid in fnr.pids_of("worker"):
        os.kill(pid, signal.SIGKILL)
    comfy.wait(lambda seen: seen["closes"])
    before = asked(comfy)
    comfy.wait(lambda seen: asked(comfy) > before)
    until(lambda: server_now(fnr, id), "it is told")
    end(fnr, comfy, id)
    assert list(comfy.seen()["runs"].values()) == [1]


def test_on_the_command_line(fnr, comfy):
    """fnr job show, and beside the bar: there, of several cards, the fullest."""
    comfy.set(devices=[card("NVIDIA big", 24, 20), card("small", 8, 2)])
    id = begin(fnr, comfy)
    until(lambda: server_now(fnr, id), "it is told")
    environment = {"PATH": os.environ["PATH"], "HOME": fnr.data, "TERM": "xterm"}
    shown = subprocess.run([FNR, "job", "show", id, "--data", fnr.data], env=environment, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert "NVIDIA big, 21.5 GB of 25.8 GB free" in shown.stdout and "memory      51.5 GB of 68.7 GB free" in shown.stdout, shown.stdout
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(FNR, [FNR, "job", "watch", id, "--data", fnr.data], environment)
    said = ""
    while "VRAM 6.4 of 8.6 GB" not in said:
        said += os.read(terminal, 4096).decode(errors="replace")
    end(fnr, comfy, id)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
