"""What the tests of survival and of streams share: clients that keep account of what they were promised while the system
is killed under them, and what must be true afterwards."""

import hashlib
import http.client
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import uuid

from system import TERMINAL, Stream, pauses

END_EVENTS = {"job.completed", "job.failed", "job.cancelled", "job.expired"}
# Whether or not a request arrived cannot be known after one of these.
UNKNOWN = (OSError, http.client.HTTPException)


def until(condition, what, timeout=120, longest=0.2):
    """Polls until the condition is true, and returns its value. what: a text, or what makes one."""
    end = time.monotonic() + timeout
    for pause in pauses(longest=longest):
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, what() if callable(what) else f"not within {timeout} s: {what}"
        time.sleep(pause)


# ---- functions for tests ----

RETRY = {"max_attempts": 50, "delay_s": 0.2, "max_delay_s": 1}

# Reads its request, says how far it is, writes two files, and lingers where it is told to.
WRITER = """#!/bin/sh
request=$(cat)
number() { printf '%s' "$request" | sed -n "s/.*\\"$1\\": *\\([0-9.]*\\).*/\\1/p"; }
printf '{"progress":0.2,"stage":"execution","message":"Begun."}\\n'
if [ "$FNR_ATTEMPT" = 1 ] || [ "$(number always)" = 1 ]; then sleep "$(number before)"; fi
printf '%s %s\\n' "$FNR_JOB" "$FNR_ATTEMPT" > note.txt
head -c 30000 /dev/zero > zeros.bin
printf '{"progress":0.9,"message":"Written."}\\n{"output":"note","path":"note.txt"}\\n{"output":"zeros","path":"zeros.bin"}\\n'
if [ "$FNR_ATTEMPT" = 1 ] || [ "$(number always)" = 1 ]; then sleep "$(number after)"; fi
"""

# Fails twice, and would be tried again for ever.
FLAKY = """#!/bin/sh
cat > request
if [ "$FNR_ATTEMPT" -lt 3 ]; then
	printf '{"error":{"class":"transient","code":"flaky","message":"Not yet."}}\\n'
	exit 1
fi
echo made > note.txt
printf '{"output":"note","path":"note.txt"}\\n'
"""

# Does not want to end when it is told to.
STUBBORN = """#!/bin/sh
trap '' TERM
printf '{"progress":0.5,"message":"Begun."}\\n'
while :; do sleep 0.1; done
"""

# Leaves a child behind in a session of its own.
DETACHER = """#!/usr/bin/python3
import os, sys, time
sys.stdin.read()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2):
            os.close(fd)
        time.sleep(600)
    os._exit(0)
print('{"progress":0.5,"message":"Detached."}', flush=True)
time.sleep(600 if os.environ["FNR_ATTEMPT"] == "1" else 0)
open("note.txt", "w").write("done")
print('{"output":"note","path":"note.txt"}', flush=True)
"""

NUMBER = {"type": "number", "default": 0, "min": 0}
NOTE = {"note": {"type": "text", "media_type": "text/plain"}}


def add_functions(system):
    """Before the start. Names: writer, flaky, stubborn, detacher, fragile (a writer that does not survive a loss)."""
    inputs = {"before": NUMBER, "after": NUMBER, "always": NUMBER}
    outputs = {**NOTE, "zeros": {"type": "file"}}
    system.add_script("writer", WRITER, inputs=inputs, outputs=outputs, retry=RETRY)
    system.add_script("fragile", WRITER, inputs=inputs, outputs=outputs, retry=RETRY, on_lost="fail")
    system.add_script("flaky", FLAKY, outputs=NOTE, retry=RETRY)
    system.add_script("stubborn", STUBBORN, outputs=NOTE, retry=RETRY)
    system.add_script("detacher", DETACHER, outputs=NOTE, retry=RETRY)


# ---- clients ----


class Ledger:
    """Submits jobs, each with an Idempotency-Key, and remembers what was promised."""

    def __init__(self, system):
        self.system = system
        self.lock = threading.Lock()
        self.requests = {}      # Idempotency-Key -> [path, body, id or None]
        self.ends = {}          # job id -> states that it may end in, where that is not completed alone
        self.unexpected = []    # answers that a client must never see

    def post(self, path, body, key=None):
        """The id of the job or batch, None if the answer did not come. The key is one that was used before, or none."""
        key = key or str(uuid.uuid4())
        with self.lock:
            self.requests.setdefault(key, [path, body, None])
        try:
            answer = self.system.post(path, body, headers={"Idempotency-Key": key}, timeout=60)
        except UNKNOWN:
            return None
        if answer.status not in (200, 202):
            if answer.status not in (503, 504) or "Retry-After" not in answer.headers:
                self.unexpected.append((path, answer.status, answer.data))
            return None
        id = answer.json["id"]
        with self.lock:
            known = self.requests[key][2]
            if known not in (None, id):
                self.unexpected.append((path, "another id for the same key", known, id))
            self.requests[key][2] = id
        return id

    def job(self, template="noop", inputs=None, ends=None, **members):
        id = self.post("/api/v1/jobs", {"template": template, "inputs": inputs or {}, **members})
        if id and ends:
            self.ends[id] = set(ends)
        return id

    def cancel(self, id):
        self.ends[id] = {"completed", "cancelled"}
        try:
            answer = self.system.post(f"/api/v1/jobs/{id}/cancel", timeout=60)
        except UNKNOWN:
            return
        if answer.status not in (202, 409, 503, 504):
            self.unexpected.append(("cancel", answer.status, answer.data))

    def settle(self):
        """Everything once more, with the same keys: what was accepted before is the same job, what was not is now."""
        for key in list(self.requests):
            path, body, before = self.requests[key]
            until(lambda: self.post(path, body, key), f"no answer to {path}")
            assert before in (None, self.requests[key][2])
        assert self.unexpected == [], self.unexpected[:5]

    def ids(self, path):
        return {id for where, _, id in self.requests.values() if where == path and id}


class Traffic:
    """Threads that submit jobs of many kinds, and cancel some, until they are stopped."""

    def __init__(self, ledger, seed, threads=4, most_waiting=300):
        self.ledger, self.most_waiting = ledger, most_waiting
        self.end = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed}/{i}"), i)) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.end.set()
        for thread in self.threads:
            thread.join()

    def one(self, chance, number):
        ledger, place = self.ledger, {"project": "film", "shot": f"s{chance.randrange(3)}"}
        kind = chance.random()
        if kind < 0.35:
            ledger.job()
        elif kind < 0.5:
            ledger.job(metadata={"noop": {"duration_ms": chance.randrange(300)}})
        elif kind < 0.75:
            ledger.job("writer", {"before": chance.choice([0, 0, 0.05]), "after": chance.choice([0, 0, 0.1])}, **place)
        elif kind < 0.83:
            ledger.job("writer")
        elif kind < 0.88:
            ledger.job("flaky", **place)
        elif kind < 0.89:
            ledger.job("create_title_card", {"text": f"Scene {number}"}, quality="draft", **place)
        elif kind < 0.94:
            jobs = [{} for _ in range(chance.randrange(1, 20))]
            ledger.post("/api/v1/batches", {"defaults": {"template": "noop", "inputs": {}}, "jobs": jobs})
        else:
            id = ledger.job("writer", {"before": 0.2}, **place)
            if id:
                time.sleep(chance.random() * 0.3)
                ledger.cancel(id)

    def run(self, chance, number):
        for turn in range(1 << 30):
            if self.end.is_set():
                return
            try:
                self.one(chance, turn)
                if turn % 20 == 19:
                    self.wait_for_room()
            except UNKNOWN:
                pass
            self.end.wait(chance.random() * 0.04)

    def wait_for_room(self):
        path = f"/api/v1/jobs?state=queued&limit={self.most_waiting}"
        while not self.end.is_set():
            answer = self.ledger.system.get(path, timeout=60)
            if answer.status != 200 or len(answer.json["items"]) < self.most_waiting:
                return
            self.end.wait(0.2)


class Follower(threading.Thread):
    """Reads one event stream to its end as an EventSource does: over and over again, from the last number it has seen."""

    def __init__(self, system, path, port=None):
        super().__init__(daemon=True)
        self.system, self.path, self.port = system, path, port
        self.events, self.last, self.connections, self.stream = [], None, 0, None
        self.ended = self.failure = None
        self.halt = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.halt.is_set() and not self.ended:
                try:
                    self.connect()
                except UNKNOWN:
                    pass
                self.halt.wait(0.05)
        except BaseException as problem:
            self.failure = problem
            raise

    def connect(self):
        with Stream(self.system, self.path, last_id=self.last, port=self.port, limit=3600) as stream:
            self.stream = stream
            self.connections += 1
            if stream.status == 204:
                self.ended = True
                return
            assert stream.status in (200, 503), stream.status
            for event in stream if stream.status == 200 else ():
                self.events.append(event)
                if event.id is not None:
                    self.last = event.id
                if self.halt.is_set():
                    return

    def close(self):
        """Also of one that would go on for ever and says nothing."""
        self.halt.set()
        end = time.monotonic() + 120
        while self.is_alive() and time.monotonic() < end:
            if self.stream:
                self.stream.cut()
            self.join(0.1)
        assert not self.is_alive() and not self.failure, self.failure

    def finish(self, timeout=240):
        """Waits for its end; what it has seen of one job must make sense."""
        self.join(timeout)
        assert not self.is_alive() and not self.failure, (self.path, self.events[-3:], self.failure)
        check_job_events(self.events)
        return self.events


def check_job_events(events):
    """Numbers rise, the percent of an attempt never goes back, and there is one end, which is the last."""
    ids = [event.id for event in events if event.id is not None]
    assert ids == sorted(set(ids)), ids
    for event in events:
        assert event.id is not None or event.name == "gap", event
        assert event.id is None or event.data["seq"] == event.id
    ends = [event for event in events if event.name in END_EVENTS or event.data.get("state") in TERMINAL and event.name == "snapshot"]
    assert len(ends) == 1 and events[-1] is ends[0], events
    percents = {}
    for event in events:
        progress = event.data.get("progress")
        if progress and event.data["state"] in ("running", "finishing", "completed"):
            assert progress["percent"] >= percents.get(event.data["attempt"], 0), events
            percents[event.data["attempt"]] = progress["percent"]


# ---- killing ----


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def living(pids):
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(pid)
        except OSError:
            pass
    return found


def answers(system):
    """Is everything up again?"""
    try:
        return system.get("/readyz").status == 200 and system.get("/api/v1/jobs?limit=1").status == 200
    except UNKNOWN:
        return False


def crash(system):
    """kill -9 of everything at once; nothing may be left of it."""
    system.kill_all()
    until(lambda: not system.pids(), lambda: f"these still run: {system.pids()}")


# ---- what must be true afterwards ----


def list_all(system, query="", **options):
    items, cursor = [], ""
    while True:
        answer = system.get(f"/api/v1/jobs?limit=500{query}{cursor}", **options)
        assert answer.status == 200, answer.data
        items += answer.json["items"]
        if not answer.json["next_cursor"]:
            return items
        cursor = "&cursor=" + answer.json["next_cursor"]


def wait_for_all(system, timeout=300):
    """Until no job waits or runs; all of them, by id."""
    end = time.monotonic() + timeout
    while True:
        jobs = {job["id"]: job for job in list_all(system)}
        left = [job for job in jobs.values() if job["state"] not in TERMINAL]
        if not left:
            return jobs
        assert time.monotonic() < end, f"{len(left)} jobs do not finish: {left[:3]}\n{system.log_text()[-3000:]}"
        time.sleep(0.1)


def check_attempts(system, job):
    """Attempts count up from 1 and at most the last one has completed: finishing was exactly once."""
    attempts = [item for item in system.get(f"/api/v1/jobs/{job['id']}/attempts").json["items"] if item["attempt"] > 0]
    assert [item["attempt"] for item in attempts] == list(range(1, job["attempt"] + 1)), (job, attempts)
    assert [item["state"] for item in attempts].count("completed") == (job["state"] == "completed"), (job, attempts)
    if job["state"] == "completed":
        assert attempts[-1]["state"] == "completed", attempts
    return attempts


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def check_take(folder, number, jobs):
    """One take folder: whole, and of the job that says so."""
    with open(os.path.join(folder, "take.json")) as file:
        take = json.load(file)
    assert take["take"] == number, take
    job = jobs[take["job"]]
    assert job["state"] == "completed" and job["take"] == number, (job, take)
    assert set(os.listdir(folder)) == {file["file"] for file in take["files"]} | {"take.json", ".job"}, folder
    for file in take["files"]:
        path = os.path.join(folder, file["file"])
        assert os.path.getsize(path) == file["bytes"] and sha256(path) == file["sha256"], path
    if "note.txt" in os.listdir(folder) and job["template"] == "writer":
        with open(os.path.join(folder, "note.txt")) as file:
            assert file.read() == f"{job['id']} {job['attempt']}\n", "the files are of another attempt than the one that counts"
    return take["job"]


def check_takes(system, jobs, foreign=()):
    """Every completed job of a project has one take, and there are no others but the folders named as foreign."""
    workspace, of_takes = os.path.join(system.data, "workspace"), []
    for project in sorted(name for name in os.listdir(workspace) if not name.startswith(".")):
        for shot in sorted(os.listdir(os.path.join(workspace, project))):
            folder = os.path.join(workspace, project, shot)
            until(lambda: not [name for name in os.listdir(folder) if name.startswith(".")],
                  lambda: f"left in {folder}: {os.listdir(folder)}")
            numbers = []
            for name in sorted(os.listdir(folder)):
                if os.path.join(project, shot, name) in foreign:
                    continue
                number = int(re.fullmatch(r"take_(\d{3,})", name).group(1))
                of_takes.append(check_take(os.path.join(folder, name), number, jobs))
                numbers.append(number)
            listed = system.get(f"/api/v1/projects/{project}/shots/{shot}/takes?limit=500").json["items"]
            if len(numbers) < 500:
                assert sorted(take["take"] for take in listed) == sorted(numbers), (project, shot)
    wanted = sorted(id for id, job in jobs.items() if job["project"] and job["state"] == "completed" and job["outputs"])
    assert sorted(of_takes) == wanted


def check_loose_results(system, jobs):
    """Results of jobs without a project."""
    for id, job in jobs.items():
        if job["state"] == "completed" and not job["project"]:
            for output in job["outputs"]:
                assert sha256(os.path.join(system.data, "workspace", output["path"])) == output["sha256"], output


def check_all(ledger, timeout=300, foreign=()):
    """After settle(): every promise was kept, and nothing was done that was not asked for."""
    system = ledger.system
    jobs = wait_for_all(system, timeout)
    expected = set(ledger.ids("/api/v1/jobs"))
    for path, body, id in ledger.requests.values():
        if path == "/api/v1/batches":
            members = [job["id"] for job in jobs.values() if job["batch"] == id]
            assert len(members) == len(body["jobs"]), (id, members)
            expected |= set(members)
    assert set(jobs) == expected, (len(jobs), len(expected), list(set(jobs) ^ expected)[:5])
    for id, job in jobs.items():
        assert job["state"] in ledger.ends.get(id, {"completed"}), job
        check_attempts(system, job)
    check_takes(system, jobs, foreign)
    check_loose_results(system, jobs)
    system.check()
    return jobs


def completions_in_journal(system):
    """{job id: number of job.completed events}, read from the journal itself; after the system was stopped."""
    journal, counts = os.path.join(system.data, "journal"), {}
    for generation in os.listdir(journal):
        dump = subprocess.run(["mdb_dump", "-s", "event", os.path.join(journal, generation)], capture_output=True, text=True)
        assert dump.returncode == 0, dump.stderr
        lines = [line[1:] for line in dump.stdout.splitlines() if line.startswith(" ")]
        for value in map(bytes.fromhex, lines[1::2]):
            if value[1] == 7:   # version of the record, type (job.completed), job
                id = str(uuid.UUID(bytes=value[2:18]))
                counts[id] = counts.get(id, 0) + 1
    return counts
