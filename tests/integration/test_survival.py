"""Zero accepted jobs lost, zero finished twice, whatever is killed and whenever.

FNR_CRASH_SECONDS: how long the random crash loop goes on (default 45). FNR_CRASH_SEED: its seed (default fixed).
"""

import os
import random
import shutil
import signal
import threading
import time

import pytest

from crash import (
    Follower, Ledger, Traffic, add_functions, answers, check_all, check_attempts, check_takes, completions_in_journal, crash, kill,
    living, until, wait_for_all,
)
from system import System

LINGER = 5      # seconds that a function stays in a phase: long enough to be found there on a machine that is ten times slower
CONFIG = "workers: {min: 2, max: 6}\nstop: {grace: 3}\njob: {max_lost: 1000}\n"


def make_system(config=CONFIG):
    system = System(config)
    add_functions(system)
    return system


@pytest.fixture(scope="module")
def shared():
    """One system for the tests in which it goes on running, or comes back whole."""
    with make_system() as system:
        yield system


@pytest.fixture
def system():
    with make_system() as system:
        yield system


def states(system, ids):
    return {id: system.get(f"/api/v1/jobs/{id}").json["state"] for id in ids}


def wait_for_state(system, id, *wanted):
    def reached():
        answer = system.get(f"/api/v1/jobs/{id}")
        return answer.status == 200 and answer.json["state"] in wanted
    until(reached, f"{id} is not {wanted}")


def wait_for_message(system, id, message):
    """Until the script itself has said so."""
    until(lambda: system.get(f"/api/v1/jobs/{id}").json["progress"]["message"] == message, lambda: str(system.get(f"/api/v1/jobs/{id}").json))


# ---- one process at a time, in every phase of a job ----

PROCESSES = {
    "serve": lambda system: [system.process.pid],
    "api master": lambda system: system.pids_of("fnr-api --data"),
    "handler": lambda system: system.pids_of("fnr-api: handler")[:1],
    "all handlers": lambda system: system.pids_of("fnr-api: handler"),
    "committer": lambda system: system.pids_of("fnr-api: committer"),
    "upload": lambda system: system.pids_of("fnr-api: upload"),
    "manager": lambda system: system.pids_of("fnr-manager"),
    "spawner": lambda system: system.pids_of("fnr-spawner"),
    "worker": lambda system: system.pids_of("fnr-worker")[:1],
    "all workers": lambda system: system.pids_of("fnr-worker"),
    "script": lambda system: system.pids_of("blobs/templates")[:1],
    "all scripts": lambda system: system.pids_of("blobs/templates"),
    "events": lambda system: system.pids_of("fnr-events"),
    "nginx": lambda system: system.pids_of("nginx"),
    "everything": lambda system: [system.process.pid] + [pid for pids in system.pids().values() for pid in pids],
}


def jobs_in_every_phase(ledger):
    """Scheduled, being cancelled, running early and late, waiting to be tried again, being filed, and queued."""
    system, place = ledger.system, {"project": "phases", "shot": "a"}
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    ledger.job(not_before=soon)
    cancelled = ledger.job("stubborn", ends={"cancelled"}, priority=9)
    early = ledger.job("writer", {"before": LINGER}, priority=9, **place)
    late = ledger.job("writer", {"after": LINGER}, priority=9, **place)
    flaky = ledger.job("flaky", priority=9, **place)
    wait_for_message(system, late, "Written.")
    wait_for_message(system, early, "Begun.")
    wait_for_message(system, cancelled, "Begun.")
    until(lambda: system.get(f"/api/v1/jobs/{flaky}").json["attempt"] > 0, "the flaky one never starts")
    for _ in range(12):
        ledger.job("writer", **place)
    for i in range(40):
        ledger.job(metadata={"noop": {"duration_ms": i % 5 * 20}})
    assert system.post(f"/api/v1/jobs/{cancelled}/cancel").status == 202
    return {"cancelled": cancelled, "early": early, "late": late, "flaky": flaky}


def bring_back(system):
    """A new `fnr serve` where the old one is gone; otherwise it replaces what was killed by itself."""
    if system.process.poll() is not None:
        until(lambda: not system.pids(), lambda: f"these outlive fnr serve: {system.pids()}")
        system.process.stdout.close()
        system.start()
    until(lambda: answers(system), lambda: "it does not come back\n" + system.log_text()[-3000:])


@pytest.mark.parametrize("process", PROCESSES)
def test_kill_9(shared, process):
    """Every accepted job finishes once, whichever process is killed, and its streams go on."""
    ledger = Ledger(shared)
    special = jobs_in_every_phase(ledger)
    followers = [Follower(shared, f"/api/v1/jobs/{id}/events") for id in special.values()]
    until(lambda: all(follower.events or not follower.is_alive() for follower in followers), "the streams do not begin")
    victims = PROCESSES[process](shared)
    assert victims, shared.pids()
    others = set(pid for pids in shared.pids().values() for pid in pids) - set(victims)
    kill(victims)
    if process in ("serve", "everything"):
        shared.process.wait()
    until(lambda: not living(victims), f"the killed {process} still runs")
    for _ in range(10):
        ledger.job("writer", project="phases", shot="b")   # while it is away
    bring_back(shared)
    if process in ("serve", "everything"):
        assert not living(others)
    ledger.settle()
    jobs = wait_for_all(shared)
    ids = ledger.ids("/api/v1/jobs")
    for id in ids:
        assert jobs[id]["state"] in ledger.ends.get(id, {"completed"}), jobs[id]
        check_attempts(shared, jobs[id])
    check_takes(shared, jobs)
    for follower in followers:
        follower.finish()
    shared.check()


def worker_of(system, id):
    worker = system.get(f"/api/v1/jobs/{id}").json["worker"]
    return int(system.log_text().rsplit(f"worker={worker} pid=", 1)[1].split()[0])


def test_jobs_beside_a_dead_worker_go_on(shared):
    """41.4: a crash hurts one job only."""
    ids = [shared.submit("writer", {"before": LINGER})["id"] for _ in range(3)]
    for id in ids:
        wait_for_message(shared, id, "Begun.")
    pid = worker_of(shared, ids[0])
    assert living([pid])
    kill([pid])
    jobs = [shared.wait(id) for id in ids]
    assert [job["state"] for job in jobs] == ["completed"] * 3
    assert [job["attempt"] for job in jobs] == [2, 1, 1]
    lost = check_attempts(shared, jobs[0])[0]
    assert lost["state"] == "lost" and lost["error"]["code"] == "lost" and "signal 9" in lost["error"]["message"]


def test_on_lost_fail(shared):
    """What must not run twice fails with code `lost`, whether a worker or everything was killed."""
    first = shared.submit("fragile", {"before": 500})["id"]
    wait_for_message(shared, first, "Begun.")
    kill([worker_of(shared, first)])      # no other: the second job shall not be given to one that is dead already
    second = shared.submit("fragile", {"before": 500}, project="lost", shot="a")["id"]
    waiting = shared.submit("fragile", not_before=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3)))["id"]
    wait_for_message(shared, second, "Begun.")
    crash(shared)
    shared.start()
    for id in (first, second):
        job = shared.wait(id)
        assert (job["state"], job["attempt"], job["take"], job["outputs"]) == ("failed", 1, None, []), job
        assert job["error"]["code"] == "lost" and job["error"]["suggestion"], job
    assert shared.wait(waiting)["state"] == "completed"
    assert not os.path.exists(os.path.join(shared.data, "workspace", "lost", "a", "take_001"))
    shared.check()


def hold_workers(system):
    """Stops all workers, and there is no other: those that come with the system are there, and none of them works."""
    def idle():
        pids, items = system.pids_of("fnr-worker"), system.get("/api/v1/workers").json["items"]
        return pids if len(pids) == len(items) >= 2 and all(item["state"] == "idle" for item in items) else None

    workers = until(idle, "all workers are idle")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    assert system.pids_of("fnr-worker") == workers
    return workers


def test_what_never_began_may_begin_again(shared):
    """A worker that dies before it looked at its job costs nothing, also where an attempt must not be repeated."""
    workers = hold_workers(shared)
    id = shared.submit("fragile")["id"]
    until(lambda: shared.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it is not given to a worker")
    kill(workers)
    job = shared.wait(id)
    assert job["state"] == "completed" and job["attempt"] > 1, job      # another one that does not move may have got it in between
    assert {attempt["state"] for attempt in check_attempts(shared, job)[:-1]} == {"lost"}


@pytest.mark.parametrize("process", ["fnr-manager", "everything", "power"])
def test_what_never_began_begins_again_after_a_crash(shared, process):
    """The next manager knows what had not begun. After a loss of power it does not, and then nothing is made twice."""
    workers = hold_workers(shared)
    id = shared.submit("fragile")["id"]
    until(lambda: shared.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it is not given to a worker")
    if process == "fnr-manager":
        kill(shared.pids_of(process))
        until(lambda: not living(workers), "the workers outlive their manager")
    else:
        crash(shared)
        if process == "power":      # another boot of the kernel
            with open(os.path.join(shared.data, "run", "begun", "boot"), "w") as file:
                file.write("6b1d3c8e-0000-4000-8000-000000000000\n")
        shared.start()
    job = shared.wait(id)
    assert job["state"] == ("failed" if process == "power" else "completed"), job
    attempts = check_attempts(shared, job)
    assert {attempt["error"]["code"] for attempt in attempts if attempt["error"]} == {"lost"} and attempts[0]["error"]


def test_no_stray_process_runs_on(shared):
    """A child that detached itself is ended with its worker, with the manager, and by the next start at the latest."""
    def detached():
        return [pid for pid in shared.pids_of("blobs/templates") if pid not in before]

    for word in ("fnr-worker", "fnr-spawner", "fnr-manager"):
        before = shared.pids_of("blobs/templates")
        id = shared.submit("detacher")["id"]
        wait_for_message(shared, id, "Detached.")
        strays = until(lambda: len(detached()) == 2 and detached(), "the script and its child do not run")
        kill(shared.pids_of(word))
        until(lambda: not living(strays), lambda: f"after the death of {word} these run on: {shared.pids()}")
        bring_back(shared)
        assert shared.wait(id)["state"] == "completed"

    before = []
    id = shared.submit("detacher")["id"]
    wait_for_message(shared, id, "Detached.")
    strays = detached()
    kill([shared.process.pid] + [pid for pids in shared.pids().values() for pid in pids if pid not in strays])
    shared.process.wait()
    bring_back_over_strays(shared, strays)
    assert shared.wait(id)["state"] == "completed"


def bring_back_over_strays(system, strays):
    system.process.stdout.close()
    system.start()
    until(lambda: not living(strays), f"scripts of the life before run on: {living(strays)}")


# ---- resubmission ----


def test_resubmission_after_a_crash_gives_the_same_job(system):
    """The key is stored with the job: what was answered, and what may not have been, is one job each."""
    ledger = Ledger(system)
    traffic = Traffic(ledger, "resubmission", threads=8)
    until(lambda: sum(1 for _, _, id in list(ledger.requests.values()) if id) > 50, "nothing is accepted")
    crash(system)
    traffic.stop()
    accepted = {key: id for key, (_, _, id) in ledger.requests.items() if id}
    unanswered = [key for key, (_, _, id) in ledger.requests.items() if not id]
    assert len(accepted) > 50
    system.start()
    for id in set(accepted.values()):
        path = next(path for path, _, known in ledger.requests.values() if known == id)
        assert system.get(f"{path}/{id}").status == 200, "a job that was answered with 202 is gone"
    ledger.settle()
    assert {key: ledger.requests[key][2] for key in accepted} == accepted
    assert all(ledger.requests[key][2] for key in unanswered)
    key, (path, body, id) = next((key, request) for key, request in ledger.requests.items() if request[0] == "/api/v1/jobs")
    answer = system.post(path, body, headers={"Idempotency-Key": key})
    assert answer.json["id"] == id and answer.headers["Idempotency-Replayed"] == "true"
    assert system.post(path, {**body, "priority": 1}, headers={"Idempotency-Key": key}).status == 422
    check_all(ledger)


# ---- the journal may be lost ----


def overwrite(path):
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        chance = random.Random(1)
        for offset in [0, 4096] + [chance.randrange(size) for _ in range(60)]:
            file.seek(offset)
            file.write(chance.randbytes(512))


def overwrite_behind_the_head(path):
    with open(path, "r+b") as file:
        file.seek(8192)
        file.write(random.Random(2).randbytes(os.path.getsize(path) - 8192))


def cut(path):
    """Behind the two pages of the head; what is cut off farther back may have been free."""
    os.truncate(path, 2 * 4096 + 100)


def cut_to_nothing(path):
    os.truncate(path, 0)


def remove_folder(path):
    shutil.rmtree(os.path.dirname(os.path.dirname(path)))


def remove_boot_id(path):
    os.unlink(os.path.join(os.path.dirname(path), "boot_id"))


def other_boot(path):
    with open(os.path.join(os.path.dirname(path), "boot_id"), "w") as file:
        file.write("00000000-0000-0000-0000-000000000000\n")


DAMAGES = [overwrite, overwrite_behind_the_head, cut, cut_to_nothing, remove_folder, remove_boot_id, other_boot]


def test_a_damaged_journal_costs_old_progress_only(shared):
    done = shared.run("writer", project="journal", shot="a")
    taken = done["take"]
    for damage in DAMAGES:
        running = shared.submit("writer", {"before": 500}, project="journal", shot="a")["id"]
        wait_for_message(shared, running, "Begun.")
        old = first_id(shared, running)
        queued = [shared.submit()["id"] for _ in range(20)]
        follower = Follower(shared, f"/api/v1/jobs/{running}/events")
        until(lambda: follower.events, "the stream does not begin")
        crash(shared)
        generations = os.listdir(os.path.join(shared.data, "journal"))
        assert len(generations) == 1
        damage(os.path.join(shared.data, "journal", generations[0], "data.mdb"))
        shared.start()
        assert os.listdir(os.path.join(shared.data, "journal")) != generations, damage.__name__
        again = shared.get(f"/api/v1/jobs/{done['id']}").json
        assert (again["state"], again["outputs"], again["take"]) == ("completed", done["outputs"], taken)
        assert shared.get(done["outputs"][0]["url"]).status == 200
        assert shared.get(f"/api/v1/jobs/{done['id']}/log").json["items"] == []
        taken_now = shared.wait(running)
        assert taken_now["state"] == "completed"
        assert [shared.wait(id)["state"] for id in queued] == ["completed"] * 20
        events = follower.finish()
        assert [event.name for event in events if event.name == "gap"], (damage.__name__, events)
        assert min(event.id for event in events if event.id and event.data["attempt"] > 1) > old
        shared.check()
    check_takes(shared, wait_for_all(shared))


def first_id(system, job):
    with system.stream(f"/api/v1/jobs/{job}/events") as stream:
        return next(iter(stream)).id


# ---- the graceful stop ----


@pytest.fixture
def patient():
    with make_system(CONFIG.replace("grace: 3", f"grace: {2 * LINGER}")) as system:
        yield system


def test_sigterm_gives_back_what_does_not_finish(patient):
    """What finishes within the grace finishes; the rest starts again with the next life, and counts as no failure."""
    system = patient
    short = system.submit("writer", {"before": LINGER}, project="stop", shot="a")["id"]
    long = [system.submit("writer", {"before": 500}, project="stop", shot="a")["id"] for _ in range(3)]
    stubborn = system.submit("stubborn")["id"]
    for id in [short, *long, stubborn]:
        wait_for_message(system, id, "Begun.")
    queued = [system.submit("writer", project="stop", shot="b")["id"] for _ in range(5)]
    system.stop()   # also: exit status 0, nothing left behind, a green check
    system.start()
    jobs = {id: system.wait(id) for id in [short, *long, *queued]}
    assert [job["state"] for job in jobs.values()] == ["completed"] * 9
    assert jobs[short]["attempt"] == 1
    for id in long:
        first = check_attempts(system, jobs[id])[0]
        assert jobs[id]["attempt"] == 2 and first["state"] == "lost" and first["error"]["code"] == "stopped", first
    assert system.post(f"/api/v1/jobs/{stubborn}/cancel").status == 202
    assert system.wait(stubborn)["state"] == "cancelled"
    check_takes(system, wait_for_all(system))


def test_sigterm_with_jobs_and_submissions_going_on(system):
    """Nothing is lost on the way down, and clients get no worse answer than 503."""
    ledger = Ledger(system)
    traffic = Traffic(ledger, "sigterm")
    time.sleep(1.5)
    system.stop()
    traffic.stop()
    system.start()
    ledger.settle()
    check_all(ledger)
    system.stop()
    assert set(completions_in_journal(system).values()) == {1}
    system.start()


def test_folders_of_attempts_that_came_to_nothing(system):
    """49.5: what an attempt wrote beside the takes goes, also where there was no time left to remove it."""
    job = system.submit("stubborn", project="stop", shot="c")["id"]
    wait_for_message(system, job, "Begun.")
    folder = os.path.join(system.data, "workspace", "stop", "c", f".attempt-{job}-1")
    os.makedirs(folder)       # as a worker does that is about to say that it is done
    with open(os.path.join(folder, "half"), "w") as file:
        file.write("written")
    for worker in system.pids_of("worker"):
        os.kill(worker, signal.SIGSTOP)     # none of them has time to remove anything
    assert system.post(f"/api/v1/jobs/{job}/cancel").status == 202
    system.stop()
    assert os.path.exists(os.path.join(folder, "half"))
    system.start()
    assert system.wait(job)["state"] == "cancelled"
    until(lambda: not os.path.exists(folder), "it is still there")


# ---- takes ----


def test_numbers_of_takes_never_clash(system):
    """51.2: not with folders that somebody made, nor with each other, nor with ones that were removed."""
    shot = os.path.join(system.data, "workspace", "clash", "a")

    def take():
        job = system.run("writer", project="clash", shot="a")
        assert job["state"] == "completed", job
        return job["take"]

    assert take() == 1
    os.mkdir(os.path.join(shot, "take_002"))
    with open(os.path.join(shot, "take_002", "mine.txt"), "w") as file:
        file.write("mine")
    assert take() == 3
    os.makedirs(os.path.join(shot, "take_0017"))
    assert take() == 18
    shutil.rmtree(os.path.join(shot, "take_018"))
    crash(system)
    os.mkdir(os.path.join(shot, "take_019"))
    system.start()
    assert take() == 20, "a number that was given before is not given again"
    with open(os.path.join(shot, "take_002", "mine.txt")) as file:
        assert file.read() == "mine"
    assert os.listdir(os.path.join(shot, "take_019")) == []
    ids = [system.submit("writer", project="clash", shot="a")["id"] for _ in range(20)]
    assert sorted(system.wait(id)["take"] for id in ids) == list(range(21, 41))


def test_folders_that_appear_while_results_are_filed(system):
    """Somebody else makes folders with the very next numbers, again and again."""
    shot = os.path.join(system.data, "workspace", "race", "a")
    end, foreign = threading.Event(), set()

    def intrude():
        while not end.is_set():
            number = max([int(name[5:]) for name in os.listdir(shot) if name.startswith("take_")] or [0]) + 1
            try:
                os.mkdir(os.path.join(shot, f"take_{number:03}"))
                foreign.add(os.path.join("race", "a", f"take_{number:03}"))
            except FileExistsError:
                pass
            time.sleep(0.02)

    system.run("writer", project="race", shot="a")
    intruder = threading.Thread(target=intrude)
    intruder.start()
    try:
        ids = [system.submit("writer", project="race", shot="a")["id"] for _ in range(40)]
        jobs = [system.wait(id) for id in ids]
    finally:
        end.set()
        intruder.join()
    assert {job["state"] for job in jobs} == {"completed"}
    assert len({job["take"] for job in jobs}) == 40
    assert all(os.listdir(os.path.join(system.data, "workspace", path)) == [] for path in foreign)
    check_takes(system, wait_for_all(system), foreign)


# ---- services that are away ----


def test_a_held_request_outlives_fnr_events(shared):
    """51.9: `Prefer: wait` on an accepted job is no 502 when its holder dies."""
    results = []

    def submit():
        results.append(shared.post("/api/v1/jobs", {"template": "noop", "inputs": {}, "metadata": {"noop": {"duration_ms": 1000 * LINGER}}},
                                   headers={"Prefer": "wait=120"}))

    clients = [threading.Thread(target=submit) for _ in range(5)]
    for client in clients:
        client.start()
    until(lambda: len([job for job in shared.get("/api/v1/jobs?state=running").json["items"]]) >= 3, "the jobs do not start")
    kill(shared.pids_of("fnr-events"))
    for client in clients:
        client.join()
    assert len(results) == 5
    for answer in results:
        assert answer.status in (200, 202), (answer.status, answer.data)
        assert shared.wait(answer.json["id"])["state"] == "completed"


def test_jobs_are_accepted_while_the_manager_is_stopped(shared):
    """A manager that does not move holds up nobody who submits; nothing it missed is lost."""
    managers = shared.pids_of("fnr-manager")
    for pid in managers:
        os.kill(pid, signal.SIGSTOP)
    try:
        ids = [shared.submit("writer", project="stopped", shot="a")["id"] for _ in range(30)]
        assert set(states(shared, ids).values()) == {"queued"}
    finally:
        for pid in managers:
            os.kill(pid, signal.SIGCONT)
    assert {shared.wait(id)["state"] for id in ids} == {"completed"}


# ---- everything at random ----


def damage_at_random(system, chance):
    """One kill; what was killed."""
    name = chance.choice(list(PROCESSES) + ["everything"] * 4)
    try:
        victims = PROCESSES[name](system)
    except OSError:
        victims = []
    kill(victims)
    if system.process.pid in victims:
        system.process.wait()
    return name


def test_random_crash_loop():
    """Traffic of all kinds while random processes, and all of them, are killed at random moments."""
    seed = os.environ.get("FNR_CRASH_SEED", "1969")
    seconds = float(os.environ.get("FNR_CRASH_SECONDS", "45"))
    print(f"FNR_CRASH_SEED={seed}")   # shown when it fails
    chance, killed = random.Random(seed), []
    with make_system() as system:
        ledger = Ledger(system)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            traffic = Traffic(ledger, chance.random(), threads=6)
            wide = Follower(system, "/api/v1/events?types=job.completed")
            try:
                for _ in range(6):
                    time.sleep(chance.random() * 1.5)
                    killed.append(damage_at_random(system, chance))
                    print(killed[-1], flush=True)
                    if chance.random() < 0.7 or system.process.poll() is not None:
                        bring_back(system)
            finally:
                traffic.stop()
            bring_back(system)
            wide.close()
            seen = [event.data["job"] for event in wide.events if event.name == "job.completed"]
            assert len(seen) == len(set(seen)), "one job was told completed twice"
            ledger.settle()
        jobs = check_all(ledger)
        print(len(jobs), "jobs,", len(killed), "kills")
        assert len(jobs) > 100
        until(lambda: not system.pids_of("blobs/templates"), "nothing but the system itself is left")
        system.stop()
        assert set(completions_in_journal(system).values()) <= {1}
        system.start()
