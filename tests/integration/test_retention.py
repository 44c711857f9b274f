"""42.12: finished jobs expire by age and by bytes; takes stay; what is not finished stays."""

import os
import time

from crash import until
from system import System

JOBS = "/api/v1/jobs"


def gone(fnr, id):
    return fnr.get(f"{JOBS}/{id}").status == 404


def test_by_age():
    with System("job: {keep: 10}\nupload: {keep: 60}\n") as fnr:
        plain = fnr.run("create_title_card", {"text": "Gone"}, quality="draft")
        folder = os.path.join(fnr.data, "workspace/.jobs", plain["id"])
        assert os.path.isdir(folder)
        take = fnr.run("create_title_card", {"text": "Kept"}, quality="draft", project="film", shot="s1")
        failed = fnr.submit(expires_at="2099-01-01T00:00:00Z", not_before="2098-01-01T00:00:00Z")["id"]
        fnr.post(f"{JOBS}/{failed}/cancel")
        waiting = fnr.submit(not_before="2099-01-01T00:00:00Z")["id"]
        batch = fnr.post("/api/v1/batches", {"jobs": [{"template": "noop", "inputs": {}} for _ in range(5)]}).json
        for id in (plain["id"], take["id"], failed, *batch["jobs"]):
            until(lambda: gone(fnr, id), f"job {id} expires")
        until(lambda: not os.path.exists(folder), "its files go")
        until(lambda: fnr.get(f"/api/v1/batches/{batch['id']}").status == 404, "the batch goes with its jobs")
        assert fnr.get(f"{JOBS}/{waiting}").json["state"] == "scheduled"
        file = fnr.get("/api/v1/projects/film/shots/s1/takes/1").json["files"][0]
        assert file["sha256"] == take["outputs"][0]["sha256"] and fnr.get(file["url"]).status == 200
        assert fnr.run("create_title_card", {"text": "Next"}, quality="draft", project="film", shot="s1")["take"] == 2
        assert "event=jobs.expired" in fnr.log_text()


def test_what_expires_is_told():
    """Together, so that a mass of old jobs is no flood of events; of one alone, which."""
    with System("job: {keep: 5}\n") as fnr:
        with fnr.stream("/api/v1/events?types=job.deleted") as stream:
            assert next(iter(stream)).name == "snapshot"
            one = fnr.run(project="told", shot="s")["id"]
            jobs = [{"template": "noop", "inputs": {}, "project": "many", "shot": "s"} for _ in range(300)]
            assert fnr.post("/api/v1/batches", {"jobs": jobs}).status == 202
            counts, events = {}, 0
            while sum(counts.values()) < 301:
                event = next(iter(stream))
                counts[event.data["project"]] = counts.get(event.data["project"], 0) + event.data["count"]
                events += 1
                assert event.data.get("job") == one if event.data["project"] == "told" else (event.data["count"] > 1) == ("job" not in event.data), event.data
            assert counts == {"told": 1, "many": 300} and events < 100, (counts, events)


def test_kept_as_long_as_it_says():
    with System("job: {keep: 3600}\n") as fnr:
        id = fnr.run()["id"]
        time.sleep(2.5)
        assert not gone(fnr, id) and "jobs.expired" not in fnr.log_text()


def test_an_idempotency_key_outlives_its_job():
    """The key was used: the same work is not started twice, and nobody gets a 500."""
    with System("job: {keep: 5}\n") as fnr:
        body, headers = {"template": "noop", "inputs": {}}, {"Idempotency-Key": "once"}
        first = fnr.post(JOBS, body, headers=headers)
        assert first.status == 202
        until(lambda: gone(fnr, first.json["id"]), "it expires")
        again = fnr.post(JOBS, body, headers=headers)
        assert again.status in (404, 409, 410), (again.status, again.data)


def test_by_bytes():
    """The oldest go first, until the store is small enough; the newest and what waits stay."""
    with System("job: {max_bytes: 2097152}\nworkers: {min: 4, max: 4}\n") as fnr:
        waiting = fnr.submit(not_before="2099-01-01T00:00:00Z")["id"]
        oldest = fnr.run(metadata={"x": "o"})["id"]
        for _ in range(4):
            jobs = [{"template": "noop", "inputs": {}, "metadata": {"x": "y" * 1500}} for _ in range(1000)]
            batch = fnr.post("/api/v1/batches", {"jobs": jobs}).json["id"]
            until(lambda: fnr.get(f"/api/v1/batches/{batch}").json.get("state") != "running", "the batch ends", timeout=300)
        newest = fnr.run()["id"]
        until(lambda: gone(fnr, oldest), "the oldest goes")
        assert fnr.get(f"{JOBS}/{waiting}").json["state"] == "scheduled"
        assert fnr.run()["state"] == "completed"
        fnr.check()
        assert not gone(fnr, newest)


def test_killed_meanwhile():
    with System("job: {keep: 1}\nworkers: {min: 4, max: 4}\n") as fnr:
        for _ in range(3):
            fnr.post("/api/v1/batches", {"jobs": [{"template": "noop", "inputs": {}} for _ in range(2000)]})
            time.sleep(0.7)
            fnr.kill_all()
            fnr.start()
            fnr.check()
        until(lambda: fnr.get(f"{JOBS}?limit=1").json["items"] == [], "all have expired")


def test_what_a_killed_handler_put_down():
    """A payload is in its file before the job is there. Files that no job has go after an hour, those that one has stay as long as it."""
    with System("job: {keep: 86400}\n") as fnr:
        kept = fnr.run(metadata={"x": "y" * 5000})["id"]
        folder = os.path.join(fnr.data, "blobs/payload")
        (wanted,) = os.listdir(folder)
        orphan, young = wanted[:-1] + ("0" if wanted[-1] != "0" else "1"), wanted[:-1] + ("2" if wanted[-1] != "2" else "3")
        for name in (orphan, young, ".fnr-cutoff"):
            with open(os.path.join(folder, name), "w") as file:
                file.write("{}")
        for name in (wanted, orphan, ".fnr-cutoff"):
            os.utime(os.path.join(folder, name), (time.time() - 7200,) * 2)
        fnr.kill_all()
        fnr.start()
        until(lambda: "event=payloads.swept files=2" in fnr.log_text(), "they go, and the log says so")
        assert sorted(os.listdir(folder)) == sorted([wanted, young])
        assert fnr.get(f"{JOBS}/{kept}").json["metadata"]["x"] == "y" * 5000
        fnr.check()
        assert fnr.request("DELETE", f"{JOBS}/{kept}").status == 204
        until(lambda: os.listdir(folder) == [young], "its own goes with it")
