"""How long it will take, where a waiting job stands, and previews of running ones."""

import time

import pytest

from system import System

SLEEPER = """#!/usr/bin/python3 -I
import json, sys, time
p = json.load(sys.stdin)["parameters"]
for i in range(p["parts"]):
    time.sleep(p["seconds"] / p["parts"])
    if p["tells"]:
        print(json.dumps({"progress": (i + 1) / p["parts"]}), flush=True)
    if p["previews"]:
        with open("p.png", "wb") as file:
            file.write(bytes.fromhex("89504e470d0a1a0a") + b"%06d" % i)
        print(json.dumps({"preview": "p.png"}), flush=True)
"""


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {max: 1, min: 1}\npreview: {interval: 300}\n")
    system.add_script("sleeper", SLEEPER, outputs={}, timeout_s=60, inputs={
        "seconds": {"type": "number", "default": 1}, "parts": {"type": "integer", "default": 1}, "tells": {"type": "boolean", "default": False},
        "previews": {"type": "boolean", "default": False}})
    with system:
        yield system


def events(fnr, id):
    """Of a job, from its first on."""
    with fnr.stream(f"/api/v1/jobs/{id}/events", last_id=0) as stream:
        yield from stream


def started(fnr, id):
    for event in events(fnr, id):
        if event.data.get("state") == "running":
            return fnr.get(f"/api/v1/jobs/{id}").json
    raise AssertionError("it never started")


def expected(fnr, id):
    """The first progress that tells how long it takes; a snapshot may be made just before that is known."""
    return next(event.data["progress"] for event in events(fnr, id)
                if event.data.get("state") == "running" and event.data.get("progress", {}).get("eta_seconds") is not None)


def test_past_runs_tell_how_long_it_takes(fnr):
    """48.3: within 20 % for repeated jobs, from the first moment, though the script says nothing; by quality; it outlives a restart."""
    for _ in range(4):
        assert fnr.run("sleeper", {"seconds": 2}, quality="high")["state"] == "completed"
    fnr.stop()
    fnr.start()
    id = fnr.submit("sleeper", {"seconds": 2}, quality="high")["id"]
    begun = time.monotonic()
    progress = expected(fnr, id)
    assert fnr.get(f"/api/v1/jobs/{id}").json["progress"]["eta_seconds"] is not None
    assert time.monotonic() - begun < 1 and progress["percent"] < 50, progress
    assert progress["eta_confidence"] > 0.7, progress
    assert fnr.wait(id)["state"] == "completed"
    took = time.monotonic() - begun
    assert abs(progress["eta_seconds"] - took) < 0.2 * took + 0.2, (progress, took)
    other = fnr.submit("sleeper", {"seconds": 0.5}, quality="ultra")["id"]
    guess = expected(fnr, other)                    # what the runs at high say about ultra, by the presets' factors
    assert guess["eta_confidence"] <= 0.5, guess
    fnr.wait(other)


def test_where_a_waiting_job_stands(fnr):
    first = fnr.submit("sleeper", {"seconds": 1.5})["id"]
    started(fnr, first)
    low = [fnr.submit("sleeper", {"seconds": 0.01}, priority=3)["id"] for _ in range(3)]
    high = fnr.submit("sleeper", {"seconds": 0.01}, priority=8)["id"]
    positions = [fnr.get(f"/api/v1/jobs/{id}").json["progress"]["position"] for id in (first, high, *low)]
    assert positions == [None, 0, 1, 2, 3], positions
    items = fnr.get("/api/v1/jobs?state=queued").json["items"]
    assert {item["progress"]["position"] for item in items} == {None}   # a list does not look it up
    for id in (first, high, *low):
        assert fnr.wait(id)["state"] == "completed"


def test_previews_come_at_most_so_often(fnr):
    begun = time.monotonic()
    id = fnr.submit("sleeper", {"seconds": 1.5, "parts": 60, "previews": True})["id"]
    seen = []
    with fnr.stream(f"/api/v1/jobs/{id}/events") as stream:
        for event in stream:
            if event.name == "job.preview":
                answer = fnr.get(event.data["url"])
                assert answer.status == 200 and answer.headers["Content-Type"] == "image/png"
                seen.append(int(answer.data[-6:]))
    took = time.monotonic() - begun
    assert 3 <= len(seen) <= took / 0.3 + 2 and seen == sorted(seen) and seen[-1] == 59, (seen, took)     # the first, and the last in any case
    assert len(seen) < 60
    assert fnr.wait(id)["state"] == "completed"
