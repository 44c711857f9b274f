"""41.11, 42.12: the wall clock is set, by an hour back or by days ahead, while jobs wait, run and are tried again. Nobody waits for it,
nothing is begun twice, and nothing that somebody counts on goes."""

import glob
import os
import subprocess
import time

import pytest

from crash import check_attempts, until
from system import System

JOBS = "/api/v1/jobs"
CONFIG = "workers: {min: 2, max: 2}\nstop: {grace: 10}\nupload: {keep: 3600}\n"
HOUR, DAY = 3600, 86400

SLOW = """#!/bin/sh
printf '{"progress":0.2,"message":"Begun."}\\n'
while [ ! -e go ]; do sleep 0.05; done
echo made >file.txt
printf '{"output":"file","path":"file.txt"}\\n'
"""
FAILS_FIRST = """#!/bin/sh
if [ "$FNR_ATTEMPT" = 1 ]; then
	printf '{"error":{"class":"transient","code":"not_yet","message":"Not yet."}}\\n'
	exit 1
fi
echo made >file.txt
printf '{"output":"file","path":"file.txt"}\\n'
"""


@pytest.fixture
def fnr(tmp_path):
    library, offset = str(tmp_path / "clock.so"), str(tmp_path / "offset")
    source = os.path.join(os.path.dirname(__file__), "clock_standin.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    system = System(CONFIG, environment={"LD_PRELOAD": library, "FNR_TEST_CLOCK": offset, "ASAN_OPTIONS": asan})
    system.offset = offset
    move(system, 0)
    system.add_script("slow", SLOW)
    system.add_script("later", FAILS_FIRST, retry={"delay_s": 8, "max_delay_s": 8, "max_attempts": 3})
    with system:
        yield system


def move(fnr, seconds):
    """The wall clock is so far from the true time from now on."""
    with open(fnr.offset + ".new", "w") as file:
        file.write(str(seconds))
    os.rename(fnr.offset + ".new", fnr.offset)


def let_go(fnr):
    """What waits in its working folder goes on."""
    for folder in glob.glob(os.path.join(fnr.data, "workspace", ".work", "*")):
        with open(os.path.join(folder, "go"), "w"):
            pass


def clock(fnr):
    """What the system takes the time to be."""
    return fnr.submit()["created_at"]


def state(fnr, id):
    return fnr.get(f"{JOBS}/{id}").json["state"]


def test_the_clock_can_be_set(fnr):
    """Else the other tests would show nothing."""
    before = clock(fnr)
    move(fnr, 30 * DAY)
    assert clock(fnr)[:10] > before[:10]


def test_set_back(fnr):
    """What waits for another try waits for its seconds, and not for an hour; what runs is not begun again."""
    running = fnr.submit("slow")["id"]
    ids = [fnr.submit("later")["id"] for _ in range(20)]
    until(lambda: any(state(fnr, id) == "retry_wait" for id in ids), "none is tried again")
    until(lambda: state(fnr, running) == "running", "it does not run")
    move(fnr, -HOUR)
    jobs = [fnr.wait(id, timeout=120) for id in ids]
    assert {(job["state"], job["attempt"]) for job in jobs} == {("completed", 2)}
    assert state(fnr, running) == "running"
    assert fnr.run()["state"] == "completed"
    let_go(fnr)
    job = fnr.wait(running)
    assert (job["state"], job["attempt"]) == ("completed", 1)
    check_attempts(fnr, job)


def test_set_ahead(fnr):
    """A job that failed has its other tries, an upload stays, and what runs is not begun again."""
    upload = fnr.post("/api/v1/uploads", b"picture", headers={"Content-Type": "application/octet-stream"}).json["id"]
    running = fnr.submit("slow")["id"]
    until(lambda: state(fnr, running) == "running", "it does not run")
    retried = fnr.submit("later")["id"]
    until(lambda: fnr.get(f"{JOBS}/{retried}").json["attempt"] == 1, "it does not begin")
    move(fnr, 3 * DAY)
    assert (fnr.wait(retried)["state"]) == "completed"
    until(lambda: "clock.parted" in fnr.log_text(), "it is not noticed")
    first = fnr.submit("slow")["id"]
    until(lambda: state(fnr, first) == "running", "it does not run")
    time.sleep(2.5)     # two looks at what has had its time
    assert os.path.exists(os.path.join(fnr.data, "uploads", upload))
    let_go(fnr)
    assert [fnr.wait(id)["attempt"] for id in (running, first)] == [1, 1]
    move(fnr, 0)
    ids = [fnr.submit()["id"] for _ in range(20)]
    assert ids == sorted(ids) and ids[0] > first, "ids rise all the same"
    assert {fnr.wait(id)["state"] for id in ids} == {"completed"}
