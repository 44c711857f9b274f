"""49.8, 42.10: the worst night of a disk. Nothing that was accepted is lost, run again or failed for it, clients are told what it
is and to come again, and when there is room everything goes on by itself. On a filesystem in memory that is small enough to fill."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from crash import Follower, check_attempts, check_takes, kill, living, until, wait_for_all
from system import FNR, System, assert_problem

JOBS = "/api/v1/jobs"
MIB = 1 << 20
CONFIG = "workers: {min: 2, max: 2}\napi: {handlers: 8}\nstop: {grace: 20}\ndisk: {min_free: %d, start_free: %d}\n"
NUMBER = {"type": "number", "default": 0, "min": 0}

# Says that it has begun, waits, writes as much as it was asked for.
WRITER = """#!/bin/sh
request=$(cat)
number() { printf '%s' "$request" | sed -n "s/.*\\"$1\\": *\\([0-9.]*\\).*/\\1/p"; }
printf '{"progress":0.2,"message":"Begun."}\\n'
sleep "$(number before)"
head -c "$(number bytes)" /dev/zero >zeros.bin || exit 1
printf '{"output":"file","path":"zeros.bin"}\\n'
"""


class Disk:
    """A small filesystem at `path`, and what fills it."""

    def __init__(self, size, files=0):
        self.path = tempfile.mkdtemp(prefix="fnr-disk-")
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700,nr_inodes={files}", "tmpfs", self.path], capture_output=True, text=True)
        if made.returncode != 0:
            os.rmdir(self.path)
            pytest.skip("nothing may be mounted here: " + made.stderr.strip())
        self.filler = os.path.join(self.path, "filler")

    def free(self):
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave=0):
        """Until so much is free. What the system writes meanwhile may take some of that."""
        with open(self.filler, "ab", buffering=0) as file:
            try:
                while self.free() > leave:
                    file.write(bytes(min(65536, self.free() - leave)))
            except OSError:
                pass

    def clear(self):
        os.unlink(self.filler)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)
        os.rmdir(self.path)


class Small(System):
    """Its data are on a small disk, its log is not."""

    def __init__(self, min_free=0, start_free=0, size="160m", files=0):
        self.disk = Disk(size, files)
        super().__init__(data=self.disk.path)
        self.log_file = tempfile.mktemp(prefix="fnr-disk-", suffix=".log")
        os.symlink(self.log_file, os.path.join(self.data, "test.log"))
        with open(os.path.join(self.data, "config.yaml"), "w") as file:
            file.write(CONFIG % (min_free, start_free))
        self.add_script("writer", WRITER, inputs={"before": NUMBER, "bytes": NUMBER})

    def log_text(self):
        with open(self.log_file, errors="replace") as file:
            return file.read()


@pytest.fixture
def fnr(request):
    system = Small(**getattr(request, "param", {}))
    try:
        with system:
            yield system
        os.unlink(system.log_file)
    finally:
        system.disk.close()


def state(fnr, id):
    return fnr.get(f"{JOBS}/{id}").json["state"]


def lasting(fnr):
    """Processes that go on for as long as all is well."""
    return {word: fnr.pids_of(word) for word in ("fnr-manager", "fnr-spawner", "fnr-events", "committer", "nginx")}


def begun(fnr, before, **members):
    id = fnr.submit("writer", {"before": before, "bytes": 1000}, **members)["id"]
    until(lambda: fnr.get(f"{JOBS}/{id}").json["progress"]["message"] == "Begun.", "it does not begin")
    return id


@pytest.mark.parametrize("fnr", [{"start_free": 16 * MIB}], indirect=True)
def test_jobs_wait_for_room(fnr):
    """None is started to fail, however long it lasts; each says why it waits."""
    running = begun(fnr, 3)
    fnr.disk.fill(8 * MIB)
    until(lambda: "disk.low" in fnr.log_text(), "it is not noticed")
    ids = [fnr.submit("writer", {"bytes": 10000}, project="p", shot="s")["id"] for _ in range(10)]
    until(lambda: fnr.get(f"{JOBS}/{ids[0]}").json["waiting_for"] == "disk", "it does not say why it waits")
    assert fnr.wait(running)["state"] == "completed", "what runs goes on"
    assert {state(fnr, id) for id in ids} == {"queued"}
    fnr.disk.clear()
    jobs = [fnr.wait(id) for id in ids]
    assert {(job["state"], job["attempt"]) for job in jobs} == {("completed", 1)}
    assert "disk.room" in fnr.log_text()


@pytest.mark.parametrize("fnr", [{"min_free": MIB, "start_free": MIB, "files": 6000}], indirect=True)
def test_jobs_wait_for_files(fnr):
    """A disk with room for bytes and none for another file."""
    folder = os.path.join(fnr.data, "many")
    os.mkdir(folder)
    try:
        for i in range(10000):
            open(os.path.join(folder, str(i)), "w").close()
    except OSError:
        pass
    until(lambda: "disk.low" in fnr.log_text(), "it is not noticed")
    until(lambda: fnr.post(JOBS, {"template": "noop", "inputs": {}}).status == 503, "new work is still taken")
    for i in range(600):
        os.unlink(os.path.join(folder, str(i)))
    time.sleep(1.5)     # it looks every second
    assert fnr.post(JOBS, {"template": "noop", "inputs": {}}).status == 503, "there is hardly room for a file"
    shutil.rmtree(folder)
    until(lambda: fnr.post(JOBS, {"template": "noop", "inputs": {}}).status == 202, "new work is not taken again")
    assert fnr.run("writer", {"bytes": 1000}, project="p")["state"] == "completed"


@pytest.mark.parametrize("fnr", [{"min_free": MIB}], indirect=True)
def test_to_the_last_byte(fnr):
    """No process ends, what runs goes on, and clients get a problem that says what it is."""
    running = begun(fnr, 5, project="p", shot="s")
    before = lasting(fnr)
    fnr.disk.fill()
    noop = {"template": "noop", "inputs": {}}
    until(lambda: fnr.post(JOBS, noop).status == 503, "new work is still taken")
    assert_problem(fnr.post(JOBS, noop), 503, "storage_full", "full")
    assert_problem(fnr.post(JOBS, {**noop, "metadata": {"x": "y" * 400000}}), 503, None, "full")
    assert_problem(fnr.post("/api/v1/uploads", b"x" * 300000), 503, None, "full")
    assert_problem(fnr.post("/api/v1/batches", {"jobs": [noop] * 1000}), 503, None, "full")
    assert fnr.post(f"{JOBS}/{running}/cancel").status in (202, 409)
    until(lambda: state(fnr, running) == "cancelled", "there is no room to cancel it", timeout=60)
    assert fnr.request("DELETE", f"{JOBS}/{running}").status == 204, "what makes room may be asked for"
    assert lasting(fnr) == before
    fnr.disk.clear()
    until(lambda: fnr.post(JOBS, noop).status == 202, "new work is not taken again", timeout=60)
    assert fnr.post(JOBS, {**noop, "metadata": {"x": "y" * 40000}}).status == 202
    assert fnr.run("writer", {"bytes": 1000}, project="p")["state"] == "completed"


def test_streams_go_on(fnr):
    """What could not be told while there was no room is made up for by itself, also where nothing else happens."""
    ids = [begun(fnr, 4) for _ in range(2)]
    followers = [Follower(fnr, f"{JOBS}/{id}/events") for id in ids]
    until(lambda: all(follower.events for follower in followers), "the streams do not begin")
    fnr.disk.fill()
    jobs = {fnr.wait(id, timeout=120)["state"] for id in ids}
    until(lambda: "cannot be written to the journal" in fnr.log_text(), "there is room for all events")
    fnr.disk.clear()
    for follower in followers:
        follower.finish()
    assert jobs <= {"completed", "failed"}


def test_no_room_at_all(fnr):
    """Both writers are killed in the worst moment: everything stands still until there is room, then what ran is begun again."""
    running = [begun(fnr, 1, project="p", shot="s") for _ in range(2)]
    queued = [fnr.submit("writer", {"bytes": 1000}, project="p", shot="s")["id"] for _ in range(3)]
    fnr.disk.fill()
    starters = [fnr.process.pid, *fnr.pids_of("fnr-api --data")]
    for pid in starters:       # or the next ones would hold what is given back before somebody else takes it
        os.kill(pid, signal.SIGSTOP)
    try:
        writers = fnr.pids_of("fnr-manager") + fnr.pids_of("committer")
        kill(writers)
        until(lambda: not living(writers), "they do not end")
        store = os.path.join(fnr.data, "store", "data.mdb")
        os.truncate(store, os.path.getsize(store))    # what is held behind its end is given back
        fnr.disk.fill()
    finally:
        for pid in starters:
            os.kill(pid, signal.SIGCONT)
    until(lambda: "event=store.full" in fnr.log_text(), "it does not say what it waits for")
    waiting = fnr.pids_of("fnr-manager")
    assert {state(fnr, id) for id in running + queued} <= {"running", "queued", "completed"}
    until(lambda: fnr.pids_of("committer"), "there is no new committer")
    assert_problem(fnr.post(JOBS, {"template": "noop", "inputs": {}}), 503, None, "full")
    assert fnr.pids_of("fnr-manager") == waiting
    fnr.disk.clear()
    assert {fnr.wait(id)["state"] for id in running + queued} == {"completed"}
    for id in running:
        assert check_attempts(fnr, fnr.get(f"{JOBS}/{id}").json)
    assert "event=store.room" in fnr.log_text()
    check_takes(fnr, wait_for_all(fnr))


@pytest.mark.parametrize("name", ["folder", "file.tar.gz"])
def test_a_backup_without_room(name):
    """It is whole, or not there."""
    disk = Disk("4m")
    try:
        with System(CONFIG % (0, 0)) as fnr:
            for _ in range(3):
                assert fnr.run(metadata={"noop": {}}, inputs={})["state"] == "completed"
            disk.fill(100000)
            result = subprocess.run([FNR, "backup", os.path.join(disk.path, name), "--data", fnr.data], capture_output=True, text=True)
            assert result.returncode == 1 and "No space left" in result.stderr, result
            assert os.listdir(disk.path) == ["filler"]
            disk.clear()
            assert fnr.run()["state"] == "completed"
    finally:
        disk.close()
