"""Faults on demand (49.9), in a build that was configured with --enable-faults; and that no other build has them."""

import os
import random
import shutil
import time

import pytest

from comfyui import Comfyui
from crash import crash, kill, living, until
from system import FNR, System
from test_doctor import doctor

with open(FNR, "rb") as program:
    FAULTS = b"run/faults" in program.read()
only_with = pytest.mark.skipif(not FAULTS, reason="this build has no fault points")
JOBS = "/api/v1/jobs"
WRITER = "#!/bin/sh\necho x >file.txt\necho '{\"output\": \"file\", \"path\": \"file.txt\"}'\n"
CONFIG = "workers: {min: 2, max: 2}\nstop: {grace: 10}\n"


@pytest.fixture
def fnr():
    system = System(CONFIG)
    system.add_script("writer", WRITER, retry={"delay_s": 0.05, "max_delay_s": 0.1, "max_attempts": 100})
    system.add_script("fragile", WRITER, retry={"delay_s": 0.05, "max_delay_s": 0.1, "max_attempts": 2})
    with system:
        yield system


def faults(fnr, *lines):
    """Whole or not at all, as it is read at any time."""
    path = os.path.join(fnr.data, "run", "faults")
    if not lines:
        os.unlink(path)
        return
    with open(path + ".new", "w") as file:
        file.write("".join(line + "\n" for line in lines))
    os.rename(path + ".new", path)


@pytest.mark.skipif(FAULTS, reason="this build is for tests")
def test_no_other_build_has_them(fnr):
    faults(fnr, "commit EIO", "file.flush ENOSPC", "script.start EAGAIN")
    job = fnr.run("writer", project="p")
    assert (job["state"], job["attempt"], job["take"]) == ("completed", 1, 1)
    assert doctor(fnr.data)["build"]["verdict"] == "ok"
    for folder, _, names in os.walk(os.path.dirname(os.path.dirname(FNR))):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert b"run/faults" not in file.read(), name


@only_with
def test_doctor_warns(fnr):
    found = doctor(fnr.data)["build"]
    assert found["verdict"] == "warn" and "--enable-faults" in found["mend"]


@only_with
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_the_store_cannot_be_written(fnr, error):
    """Clients are told to come again, and what was confirmed is done, once."""
    faults(fnr, f"commit {error} 0.2")
    confirmed = {}
    for i in range(60):
        key = f"key-{random.random()}"
        answer = None
        for _ in range(200):
            answer = fnr.post(JOBS, {"template": "writer", "inputs": {}, "project": "p"}, headers={"Idempotency-Key": key})
            if answer.status == 202:
                break
            assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, (answer.status, answer.data)
        assert answer.status == 202
        confirmed[key] = answer.json["id"]
    faults(fnr)
    jobs = [fnr.wait(id, timeout=120) for id in confirmed.values()]
    assert {job["state"] for job in jobs} == {"completed"}
    assert sorted(job["take"] for job in jobs) == sorted({job["take"] for job in jobs})
    assert len(set(confirmed.values())) == 60


def know(fnr, server):
    assert fnr.post("/api/v1/backends", {"id": "comfy", "type": "comfyui", "url": server.url, "concurrency": 2}).status == 201


def picture(fnr, seed=1, **place):
    return fnr.post(JOBS, {"template": "text_to_image", "inputs": {"prompt": "a"}, "quality": "draft", "seed": seed, **place})


@only_with
@pytest.mark.parametrize("place", [{}, {"project": "p", "shot": "s"}], ids=["job", "shot"])
def test_attempts_that_were_not_written_down(fnr, place):
    """A ComfyUI job begins while its attempt is written down. Where that fails, the next manager finds what has begun, and what has not."""
    with Comfyui() as server:
        know(fnr, server)
        faults(fnr, "commit EIO 0.2")
        ids = []
        while len(ids) < 12:
            answer = picture(fnr, len(ids), **place)
            ids += [answer.json["id"]] if answer.status == 202 else []
        until(lambda: fnr.log_text().count("event=manager.failed") >= 3, "the manager cannot write something down", timeout=300)
        faults(fnr)
        jobs = [fnr.wait(id, timeout=120) for id in ids]
        assert {job["state"] for job in jobs} == {"completed"}, jobs
        runs = server.seen()["runs"]
        assert set(runs.values()) == {1} and len(runs) == 12, runs
        workspace = os.path.join(fnr.data, "workspace")
        until(lambda: not [name for folder, names, _ in os.walk(workspace) for name in names
                           if name.startswith(".attempt-") or os.path.basename(folder) == ".work"], "no attempt left anything", timeout=120)


@only_with
@pytest.mark.parametrize("killed", ["manager", "everything", "power"])
@pytest.mark.parametrize("ended", [False, True], ids=["runs", "ended"])
def test_a_prompt_that_was_given_before_its_attempt_was_written_down(fnr, killed, ended):
    """49.10: it is run once. After a kill the note of its worker tells the next manager; after a loss of power the server does."""
    with Comfyui(hold=None if ended else "KSampler") as server:
        know(fnr, server)
        faults(fnr, "dispatch.told HANG")
        id = picture(fnr).json["id"]
        server.wait(lambda seen: list(seen["runs"].values()) == [1])
        assert fnr.get(f"{JOBS}/{id}").json["state"] == "queued"
        workers = fnr.pids_of("fnr-worker")
        if killed == "manager":
            kill(fnr.pids_of("fnr-manager"))
            faults(fnr)
        else:
            crash(fnr)
            faults(fnr)
            if killed == "power":
                shutil.rmtree(os.path.join(fnr.data, "run", "begun"))
            fnr.start()
        until(lambda: not living(workers), "they end with their manager")
        server.set(hold=None)
        job = fnr.wait(id, timeout=120)
        assert (job["state"], job["attempt"], len(job["outputs"])) == ("completed", 1, 1), job
        assert ("event=job.taken_over" in fnr.log_text()) == (killed != "power")
        assert job["placement"] == ("begun there before a restart" if killed != "power" else "the only backend"), job
        seen = server.seen()
        assert list(seen["runs"].values()) == [1] and len(seen["prompts"]) == 1, seen


@only_with
def test_what_does_not_wait_on_disk_is_not_begun_before(fnr):
    """A job that is queued and dispatched in one turn: after a kill nobody would know that it may have begun."""
    with Comfyui() as server:
        know(fnr, server)
        faults(fnr, "dispatch.told HANG")
        due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        job = fnr.wait(picture(fnr, not_before=due).json["id"], timeout=120)
        assert (job["state"], job["attempt"]) == ("completed", 1), job
        faults(fnr)


@only_with
def test_a_prompt_that_nobody_wrote_down_is_cancelled(fnr):
    """The cancel came while no manager was there."""
    with Comfyui(hold="KSampler") as server:
        know(fnr, server)
        faults(fnr, "dispatch.told HANG")
        id = picture(fnr).json["id"]
        server.wait(lambda seen: list(seen["runs"].values()) == [1])
        crash(fnr)
        faults(fnr)
        fnr.start()
        assert fnr.post(f"{JOBS}/{id}/cancel").status == 202
        server.set(hold=None, step_ms=100)
        job = fnr.wait(id, timeout=120)
        assert (job["state"], job["attempt"]) == ("cancelled", 1), job


@only_with
def test_no_room_for_results(fnr):
    """What was made waits until it can be filed, longer than other trouble would be put up with; nothing is made twice for it."""
    faults(fnr, "file.flush ENOSPC 0.9")
    ids = [fnr.submit("writer", project="p", shot="s")["id"] for _ in range(6)]
    until(lambda: fnr.log_text().count("job.filing_waits") > 12, "they wait", timeout=120)
    faults(fnr)
    jobs = [fnr.wait(id, timeout=120) for id in ids]
    assert {job["state"] for job in jobs} == {"completed"} and len({job["take"] for job in jobs}) == 6
    assert sorted(os.listdir(os.path.join(fnr.data, "workspace", "p", "s"))) == sorted(f"take_{job['take']:03}" for job in jobs)


@only_with
def test_a_broken_disk(fnr):
    """Other trouble is put up with for some tries; then the job fails, and says why."""
    faults(fnr, "file.flush EIO")
    job = fnr.run("fragile", project="p", shot="s")
    assert (job["state"], job["attempt"], job["error"]["class"], job["error"]["code"]) == ("failed", 2, "transient", "io"), job
    faults(fnr)
    assert fnr.run("fragile", project="p", shot="s")["state"] == "completed"


@only_with
def test_no_process_can_be_started(fnr):
    faults(fnr, "script.start EAGAIN")
    id = fnr.submit("writer")["id"]
    until(lambda: fnr.get(f"{JOBS}/{id}").json["attempt"] >= 3, "it is tried again")
    faults(fnr)
    job = fnr.wait(id, timeout=120)
    assert job["state"] == "completed"
    attempts = fnr.get(f"{JOBS}/{id}/attempts").json["items"]
    assert {attempt["error"]["class"] for attempt in attempts if attempt["error"]} <= {"transient", "resource"}, attempts
