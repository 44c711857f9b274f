"""Server-Sent Events through two layers of nginx: the system's own, and one in front with an ordinary configuration."""

import http.client
import json
import os
import select
import socket
import tempfile
import threading
import time

import pytest

from crash import Follower, add_functions, answers, check_job_events, kill, until
from front import Front
from system import Event, Stream, System

# Says what it does in ten steps over two seconds.
STEPS = """#!/bin/sh
cat > request
printf '{"progress":0.5,"stage":"preparation","message":"Setting out."}\\n'
sleep 0.2
for i in 1 2 3 4 5 6 7 8; do
	printf '{"progress":0.%s,"stage":"execution","message":"Step %s."}\\n' $i $i
	[ $i = 4 ] && printf '{"log":"half way","level":"info"}\\n'
	sleep 0.2
done
echo done > note.txt
printf '{"progress":0.5,"stage":"finalization","message":"Binding."}\\n{"output":"note","path":"note.txt"}\\n'
"""


# The same, but it goes on only when somebody has seen what it said last: each is a file of this folder.
PACED = """#!/bin/sh
cat > request
seen() { until [ -e "GATE/$1" ]; do sleep 0.02; done; }
seen begin
printf '{"progress":0.5,"stage":"preparation","message":"Setting out."}\\n'
seen 'Setting out.'
for i in 1 2 3 4 5 6 7 8; do
	printf '{"progress":0.%s,"stage":"execution","message":"Step %s."}\\n' $i $i
	[ $i = 4 ] && printf '{"log":"half way","level":"info"}\\n'
	seen "Step $i."
done
echo done > note.txt
printf '{"progress":0.5,"stage":"finalization","message":"Binding."}\\n'
seen 'Binding.'
printf '{"output":"note","path":"note.txt"}\\n'
"""


class Place:
    """The system as clients in front of the second nginx see it."""

    def __init__(self, system, front, gate):
        self.system, self.port, self.gate = system, front.port, gate

    def tell(self, event):
        """That it was seen: the function "paced" goes on."""
        message = (event.data.get("progress") or {}).get("message") or ""
        for word in {"begin", message.replace("/", "")} - {""}:
            open(os.path.join(self.gate, word), "w").close()

    def paced(self, **members):
        """A job that says nothing more until what it said last was told to it."""
        for word in os.listdir(self.gate):
            os.unlink(os.path.join(self.gate, word))
        return self.submit("paced", **members)

    def stream(self, path, **options):
        return Stream(self.system, path, port=self.port, **options)

    def get(self, path, **options):
        return self.system.get(path, port=self.port, **options)

    def submit(self, *arguments, **members):
        return self.system.submit(*arguments, **members)["id"]

    def read(self, path, last=None):
        """All events of a stream that ends."""
        with self.stream(path, last_id=last) as stream:
            assert stream.status == 200, stream.response.read()
            return list(stream)


@pytest.fixture(scope="module")
def place():
    system = System("workers: {min: 4, max: 8}\nstop: {grace: 3}\njob: {max_lost: 1000}\n")
    add_functions(system)
    gate = tempfile.TemporaryDirectory()
    for name, text in (("steps", STEPS), ("paced", PACED.replace("GATE", gate.name))):
        system.add_script(name, text, outputs={"note": {"type": "text", "media_type": "text/plain"}}, stages={
            "preparation": {"weight": 0.2, "message": "Preparing…"}, "execution": {"weight": 0.6, "message": "Making…"},
            "finalization": {"weight": 0.2, "message": "Filing…"}})
    with gate, system:
        front = Front(system)
        yield Place(system, front, gate.name)
        front.stop()


@pytest.fixture(scope="module", autouse=True)
def quiet(place):
    """A stream that says nothing for as long as the other tests take; the last test looks at what came."""
    listener = KeepAlive(place)
    yield listener
    listener.close()


class KeepAlive(threading.Thread):
    """When comments came on the connection that is open now. Other tests kill what holds it: then it begins anew."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.halt = place, threading.Event()
        self.times = []
        self.start()

    def run(self):
        while not self.halt.wait(0.1):
            try:
                with self.place.stream("/api/v1/events?types=alert.raised", timeout=60) as stream:
                    self.listen(stream.response)
            except (OSError, http.client.HTTPException):
                pass

    def listen(self, response):
        self.times = [time.monotonic()]
        while line := response.readline():
            if line.startswith(b":"):
                self.times.append(time.monotonic())
            if self.halt.is_set():
                return

    def close(self):
        self.halt.set()


def events_of(id):
    return f"/api/v1/jobs/{id}/events"


# ---- one job ----


def test_order_and_shape(place):
    """48.1, 48.2: a snapshot first, then every change, in order, to the end."""
    id = place.paced(node_id="n7", project="streams", shot="a")
    with place.stream(events_of(id)) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert "no-store" in stream.headers["Cache-Control"] and "no-transform" in stream.headers["Cache-Control"]
        assert stream.headers["Content-Encoding"] is None and stream.headers["X-Content-Type-Options"] == "nosniff"
        events = []
        for event in stream:
            events.append(event)
            place.tell(event)
    check_job_events(events)
    names = [event.name for event in events]
    assert names[0] == "snapshot" and names[-1] == "job.completed", names
    wanted = [name for name in ("job.queued", "job.started", "job.progress", "job.log") if name in names]
    order = [names.index(name) for name in wanted]
    assert order == sorted(order) and {"job.progress", "job.log"} <= set(names), names
    for event in events[1:]:
        assert {"seq", "time", "job", "batch", "project", "node_id", "state", "attempt"} <= set(event.data), event.data
        assert (event.data["job"], event.data["batch"], event.data["project"], event.data["node_id"]) == (id, None, "streams", "n7")
    snapshot = events[0].data
    assert snapshot["id"] == snapshot["job"] == id and snapshot["inputs"] == {} and snapshot["urls"]["events"] == events_of(id)
    check_stages([event for event in events if event.name == "job.progress"], events[-1])
    end = events[-1].data
    assert end["take"] == 1 and end["outputs"][0]["name"] == "note" and end["finished_at"] and end["state"] == "completed"
    log = next(event.data["log"] for event in events if event.name == "job.log")
    assert log["text"] == "half way" and log["level"] == "info" and log["n"] == 1


def check_stages(progresses, end):
    percents = [event.data["progress"]["percent"] for event in progresses]
    assert percents == sorted(percents) and percents[-1] < 100, percents
    assert len(set(percents)) >= 5, percents
    stages = [event.data["stage"] for event in progresses]
    order = ["preparation", "execution", "finalization"]
    assert set(stages) == set(order) and stages == sorted(stages, key=order.index), stages
    for event in progresses:
        progress = event.data["progress"]
        assert [stage["name"] for stage in progress["stages"]] == ["queue", *order]
        now = next(stage for stage in progress["stages"] if stage["state"] == "running")
        assert now["name"] == progress["stage"] == event.data["stage"] and now["started_at"] and not now["finished_at"], progress
    messages = [event.data["progress"]["message"] for event in progresses]
    assert "Step 4." in messages and "Binding." in messages, messages
    last = end.data["progress"]
    assert last["percent"] == 100 and {stage["state"] for stage in last["stages"]} == {"completed"}
    assert all(stage["fraction"] == 1 and stage["finished_at"] for stage in last["stages"]), last


def test_events_come_promptly(place):
    """48.11: not held back by either nginx, which would hold back the job for ever: it goes on only when the step before was seen."""
    id = place.paced()
    messages = set()
    with place.stream(events_of(id)) as stream:
        for event in stream:
            messages.add((event.data.get("progress") or {}).get("message"))
            place.tell(event)
    assert {f"Step {i}." for i in range(1, 9)} <= messages, messages


def test_resuming_after_every_event(place):
    """Last-Event-ID, in the header or in the query: what follows, all of it, once."""
    id = place.paced()
    events = []
    with place.stream(events_of(id)) as stream:
        for event in stream:
            events.append(event)
            place.tell(event)
    assert len(events) > 8
    for i, event in enumerate(events[:-1]):
        rest = place.read(events_of(id), last=event.id)
        assert [(one.id, one.name, one.data) for one in rest] == [(one.id, one.name, one.data) for one in events[i + 1:]], event
    rest = place.read(events_of(id) + f"?last_event_id={events[3].id}")
    assert [one.id for one in rest] == [one.id for one in events[4:]]
    rest = place.read(events_of(id) + f"?last_event_id={events[0].id}", last=events[3].id)
    assert [one.id for one in rest] == [one.id for one in events[4:]], "the header wins over the query"
    assert place.stream(events_of(id), last_id=events[-1].id).status == 204


def test_a_client_that_drops_after_every_event(place):
    """While the job runs: what comes in pieces is what another client gets in one."""
    id = place.submit("steps")
    whole = Follower(place.system, events_of(id), port=place.port)
    until(lambda: whole.events, "the stream does not begin")
    last, pieces = whole.events[0].id, []
    while True:
        with place.stream(events_of(id), last_id=last) as stream:
            if stream.status == 204:
                break
            assert stream.status == 200
            pieces.append(next(iter(stream)))
            last = pieces[-1].id
    assert [(one.id, one.name) for one in pieces] == [(one.id, one.name) for one in whole.finish()[1:]]


def test_the_end_of_a_stream(place):
    """A finished job: one snapshot and the end; whoever has seen the last event gets 204."""
    system = place.system
    ended = {
        "completed": place.submit(),
        "failed": place.submit(metadata={"noop": {"fail": "permanent"}}),
        "cancelled": place.submit(not_before="2099-01-01T00:00:00Z"),
    }
    system.post(f"/api/v1/jobs/{ended['cancelled']}/cancel")
    system.post("/api/v1/queues/io/pause")
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    ended["expired"] = place.submit(expires_at=soon, queue="io")
    for state, id in ended.items():
        job = system.wait(id)
        assert job["state"] == state
        events = place.read(events_of(id))
        assert [event.name for event in events] == ["snapshot"], events
        assert {name: events[0].data[name] for name in job} == job, "the snapshot is the whole job"
        assert place.stream(events_of(id), last_id=events[0].id).status == 204
    system.post("/api/v1/queues/io/resume")


def test_numbers_that_cannot_be_resumed_from(place):
    """Too old, of the future, or no numbers at all: a gap, and the truth."""
    id = place.submit("steps")
    system = place.system
    try:
        for last in ("0", "9007199254740991", "99999999999999999999999", "-1", "abc", "1.5"):
            with place.stream(events_of(id), last_id=last) as stream:
                events = iter(stream)
                first, second = next(events), next(events)
            assert (first.name, first.id, list(first.data)) == ("gap", None, ["time"]), (last, first, first.data)
            assert second.name == "snapshot" and second.data["id"] == id and 1 < second.id < 2**53
    finally:
        system.wait(id)
    for last in ("0", "9007199254740991", "abc"):
        assert [event.name for event in place.read(events_of(id), last=last)] == ["gap", "snapshot"]


def test_a_restart_of_the_manager_is_a_break(place):
    """Open streams get a gap and a snapshot; so do those that come back with a number from before."""
    system = place.system
    id = place.submit("writer", {"before": 8, "always": 1})
    with place.stream(events_of(id)) as stream:
        events = iter(stream)
        seen = [next(events), next(events)]
        until(lambda: system.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it does not run")
        kill(system.pids_of("fnr-manager"))
        seen += list(events)
    names = [event.name for event in seen]
    assert "gap" in names and names[names.index("gap") + 1] == "snapshot" and names[-1] == "job.completed", names
    check_job_events(seen)
    assert seen[-1].data["attempt"] == 2
    until(lambda: answers(system), "the system does not come back")
    again = place.read(events_of(id), last=seen[0].id)
    assert [event.name for event in again] == ["gap", "snapshot"] and again[1].data["state"] == "completed"
    assert place.stream(events_of(id), last_id=seen[-1].id).status == 204
    with place.stream("/api/v1/events", last_id=seen[0].id) as stream:
        events = iter(stream)
        assert [next(events).name, next(events).name] == ["gap", "snapshot"]


def test_fnr_events_is_killed(place):
    """Streams go on where they were, without loss or repeat: its death is no break."""
    id = place.paced()
    follower = Follower(place.system, events_of(id), port=place.port)

    def seen(count):
        for event in list(follower.events):
            place.tell(event)
        return follower.ended or len(follower.events) > count

    until(lambda: seen(3), "the stream does not begin")
    kill(place.system.pids_of("fnr-events"))
    until(lambda: seen(1000), "the stream does not end")
    events = follower.finish()
    assert follower.connections > 1
    assert "gap" not in [event.name for event in events] and [event.name for event in events].count("snapshot") == 1
    first = events[0].id
    assert [event.id for event in place.read(events_of(id), last=first)] == [event.id for event in events[1:]]


def test_polling_shows_the_same(place):
    """48.9: what GET says while the job runs was said by the stream too, and at the end both agree."""
    id = place.submit("steps", project="streams", shot="poll")
    polled = []
    with place.stream(events_of(id)) as stream:
        events = []
        for event in stream:
            events.append(event)
            if event.name == "job.progress":
                polled.append((len(events), place.get(f"/api/v1/jobs/{id}").json))
    said = [(event.data["state"], event.data["progress"]) for event in events if event.name in ("job.progress", "job.completed")]
    at = [index for index, event in enumerate(events, 1) if event.name in ("job.progress", "job.completed")]
    for index, job in polled:
        later = [what for what, place_in_stream in zip(said, at) if place_in_stream >= index]
        # It has no event of its own, and lies between these two.
        states = {job["state"], "running", "completed"} if job["state"] == "finishing" else {job["state"]}
        assert any((state, job["progress"]) in later for state in states), (job["state"], job["progress"], later)
    job, end = place.get(f"/api/v1/jobs/{id}").json, events[-1].data
    for name in ("state", "progress", "outputs", "take", "finished_at", "attempt"):
        assert job[name] == end[name], name


def test_node_and_metadata_travel_with_events(place):
    """51.6: what a node of a canvas wrote into its job comes back with each change of it, and no other node's does."""
    node, metadata = f"node-{time.time()}", {"x": [1, None, {"y": "ü"}], "noop": {"duration_ms": 200}}
    with place.stream(f"/api/v1/events?node_id={node}") as stream:
        events = iter(stream)
        next(events)
        place.submit(node_id="another", metadata=metadata)
        id = place.submit(node_id=node, metadata=metadata)
        large = place.submit(node_id=node, metadata={"note": "n" * 600})
        seen, ended = [], 0
        while ended < 2:
            seen.append(next(events))
            ended += seen[-1].name == "job.completed"
    assert {event.data["node_id"] for event in seen} == {node} and {event.data["job"] for event in seen} == {id, large}
    moved = [event for event in seen if event.name in ("job.queued", "job.started", "job.completed")]
    assert len(moved) == 6
    assert all(event.data.get("metadata") == (metadata if event.data["job"] == id else None) for event in moved)
    assert {job["id"] for job in place.get(f"/api/v1/jobs?node_id={node}").json["items"]} == {id, large}
    assert place.get(f"/api/v1/jobs/{large}").json["metadata"] == {"note": "n" * 600}


def test_a_stream_never_owns_a_job(place):
    """48.11: clients come and go; the job does not care."""
    ids = [place.submit("steps") for _ in range(4)]
    for how in range(4):
        stream = place.stream(events_of(ids[how]))
        next(iter(stream))
        if how == 1:   # a reset instead of a good-bye
            stream.connection.sock and stream.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if how != 2:
            stream.close()
    for id in ids:
        job = place.system.wait(id)
        assert job["state"] == "completed" and job["attempt"] == 1


# ---- batches, and everything ----


def test_batch_stream(place):
    answer = place.system.post("/api/v1/batches", {
        "defaults": {"template": "noop", "inputs": {}, "project": "batch", "metadata": {"noop": {"duration_ms": 300}}},
        "jobs": [{} for _ in range(12)] + [{"metadata": {"noop": {"fail": "permanent"}}}]})
    assert answer.status == 202
    batch = answer.json["id"]
    events = place.read(f"/api/v1/batches/{batch}/events")
    assert events[0].name == "snapshot" and events[0].data["batch"] == events[0].data["id"] == batch
    assert [event.id for event in events] == sorted({event.id for event in events})
    progress = [event.data for event in events if event.name == "batch.progress"]
    assert progress and events[-1].name == "batch.progress" and progress[-1]["state"] == "failed", progress
    assert [one["percent"] for one in progress] == sorted(one["percent"] for one in progress) and progress[-1]["percent"] == 100
    assert progress[-1]["total"] == 13 and progress[-1]["counts"]["completed"] == 12 and progress[-1]["counts"]["failed"] == 1
    ends = [event.data["job"] for event in events if event.name in ("job.completed", "job.failed")]
    assert len(ends) == len(set(ends)) and len(ends) <= 13
    assert all(event.data["batch"] == batch for event in events)
    middle = len(events) // 2
    rest = place.read(f"/api/v1/batches/{batch}/events", last=events[middle].id)
    assert [(one.id, one.name, one.data) for one in rest] == [(one.id, one.name, one.data) for one in events[middle + 1:]]
    assert place.stream(f"/api/v1/batches/{batch}/events", last_id=events[-1].id).status == 204
    again = place.read(f"/api/v1/batches/{batch}/events")
    assert [event.name for event in again] == ["snapshot"] and again[0].data["state"] == "failed"
    assert place.get(f"/api/v1/batches/{batch}").json.items() <= again[0].data.items()


def take_until(stream, enough):
    """Events of a stream without an end, up to the one that is enough."""
    events = []
    for event in stream:
        events.append(event)
        if enough(events):
            return events


def test_deleted_jobs_are_told(place):
    """To those who may see the project, and to those who follow it or the batch; the events of the job itself go with it."""
    fnr = place.system
    batch = fnr.post("/api/v1/batches", {"defaults": {"project": "thin", "shot": "s"}, "jobs": [{"template": "noop", "inputs": {}} for _ in range(2)]}).json
    fnr.wait(batch["jobs"][0])
    fnr.wait(batch["jobs"][1])
    elsewhere, alone = fnr.run(project="thick", shot="s")["id"], fnr.run()["id"]
    ours = fnr.post("/api/v1/keys", {"name": "o", "scopes": ["read"], "projects": ["thin"]}).json["key"]
    path = "/api/v1/events?types=job.deleted"
    with fnr.stream(path) as all, fnr.stream(path, key=ours) as theirs, fnr.stream(path + "&project=thick") as thick, \
            fnr.stream(path + f"&batch={batch['id']}") as of_batch:
        assert {next(iter(stream)).name for stream in (all, theirs, thick, of_batch)} == {"snapshot"}
        gone = [batch["jobs"][0], elsewhere, alone, batch["jobs"][1]]
        for id in gone:
            assert fnr.request("DELETE", f"/api/v1/jobs/{id}").status == 204
        events = [next(iter(all)) for _ in gone]
        assert [(event.name, event.data["job"], event.data["project"], event.data["count"]) for event in events] == \
            [("job.deleted", id, project, 1) for id, project in zip(gone, ("thin", "thick", None, "thin"))]
        assert [event.data.get("batch") for event in events] == [batch["id"], None, None, batch["id"]]
        for stream in (theirs, of_batch):
            assert [next(iter(stream)).data["job"] for _ in range(2)] == batch["jobs"]
        assert next(iter(thick)).data["job"] == elsewhere
    with fnr.stream(path, last_id=events[0].id) as again:
        assert [next(iter(again)).data["job"] for _ in range(3)] == gone[1:]


def test_wide_streams_and_their_filters(place):
    """A wide stream begins with counts; a filter leaves out everything else, also when it resumes."""
    system = place.system
    paths = {
        "all": "/api/v1/events",
        "project": "/api/v1/events?project=wide_a",
        "types": "/api/v1/events?types=job.completed,job.failed",
        "both": "/api/v1/events?project=wide_a&types=job.completed",
        "node": "/api/v1/events?node_id=node-42",
    }
    streams = {name: place.stream(path) for name, path in paths.items()}
    firsts = {name: next(iter(stream)) for name, stream in streams.items()}
    for name, first in firsts.items():
        assert first.name == "snapshot" and set(first.data) == {"seq", "time", "counts"}, (name, first.data)
    total = sum(firsts["all"].data["counts"].values())
    ids = [place.submit(project="wide_a") for _ in range(5)]
    ids += [place.submit(project="wide_b", node_id="node-42", metadata={"noop": {"fail": "permanent"}})]
    ids += [place.submit()]
    for id in ids:
        system.wait(id)
    with place.stream("/api/v1/events") as again:
        assert sum(next(iter(again)).data["counts"].values()) == total + 7

    def ended(*wanted):
        return lambda events: set(wanted) <= {event.data.get("job") for event in events if event.name in ("job.completed", "job.failed")}

    got = {
        "all": take_until(streams["all"], ended(*ids)), "project": take_until(streams["project"], ended(*ids[:5])),
        "types": take_until(streams["types"], ended(*ids)), "both": take_until(streams["both"], ended(*ids[:5])),
        "node": take_until(streams["node"], ended(ids[5])),
    }
    assert {"job.queued", "job.started", "job.completed", "job.failed"} <= {event.name for event in got["all"]}
    assert all(event.data["project"] == "wide_a" for event in got["project"]) and len(got["project"]) >= 15
    assert {event.name for event in got["types"]} == {"job.completed", "job.failed"}
    assert [event.name for event in got["both"]] == ["job.completed"] * 5
    assert {event.data["job"] for event in got["node"]} == {ids[5]}
    for name, stream in streams.items():
        stream.close()
        with place.stream(paths[name], last_id=firsts[name].id) as again:
            resumed = take_until(again, lambda events: events[-1].id >= got[name][-1].id)
        assert [event.id for event in resumed] == [event.id for event in got[name]], name


def test_streams_that_cannot_be(place):
    """Wrong filters and places are told at once, as problems."""
    def status(path, **options):
        return place.system.request("GET", path, port=place.port, **options)

    unknown = "01980000-0000-7000-8000-000000000000"
    assert status(f"/api/v1/jobs/{unknown}/events").status == 404
    assert status(f"/api/v1/batches/{unknown}/events").status == 404
    assert status("/api/v1/jobs/nonsense/events").status == 404
    for query in ("types=job.nonsense", "batch=nonsense", "colour=red", "project=..%2F"):
        answer = status("/api/v1/events?" + query)
        assert answer.status in (400, 422), (query, answer.status, answer.data)
        assert answer.headers["Content-Type"] == "application/problem+json" and answer.json["errors"], answer.data
    answer = status("/api/v1/events", headers={"Authorization": "Bearer wrong"})
    assert answer.status == 401 and "WWW-Authenticate" in answer.headers
    answer = place.system.request("POST", "/api/v1/events", port=place.port)
    assert answer.status == 405 and answer.headers["Allow"], answer.data


def test_a_revoked_key_is_dropped(place):
    """Its streams end soon, and it opens no others; those of other keys go on."""
    system = place.system
    made = system.post("/api/v1/keys", {"name": "short-lived", "scopes": ["read"]}).json
    mine, theirs = place.stream("/api/v1/events"), place.stream("/api/v1/events", key=made["key"])
    assert next(iter(mine)).name == next(iter(theirs)).name == "snapshot"
    assert system.request("DELETE", f"/api/v1/keys/{made['id']}").status == 204
    list(theirs)   # until it ends
    assert place.stream("/api/v1/events", key=made["key"]).status == 401
    id = place.submit()
    take_until(mine, lambda events: events[-1].name == "job.completed" and events[-1].data["job"] == id)
    mine.close()


def test_a_key_sees_its_projects_only(place):
    system = place.system
    key = system.post("/api/v1/keys", {"name": "one", "scopes": ["read", "submit"], "projects": ["mine"]}).json["key"]
    stream = place.stream("/api/v1/events", key=key)
    assert next(iter(stream)).name == "snapshot"
    other = place.submit(project="theirs")
    mine = place.submit(project="mine")
    events = take_until(stream, lambda events: events[-1].name == "job.completed")
    assert {event.data["job"] for event in events} == {mine}
    assert place.stream(events_of(other), key=key).status == 404
    assert place.stream(events_of(mine), key=key).status == 200
    stream.close()


# ---- many, and slow ones ----


COMPLETED = b"event: job.completed\n"


class RawStream:
    """A stream read by hand, from a socket that may be made slow."""

    def __init__(self, place, path, last=None, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(120)
        self.socket.connect(("127.0.0.1", place.port))
        head = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {place.system.key}\r\nAccept: text/event-stream\r\n"
        self.socket.sendall((head + (f"Last-Event-ID: {last}\r\n" if last is not None else "") + "\r\n").encode())
        self.pieces, self.completed, self.tail = [], 0, b""

    def read(self):
        """False at its end."""
        try:
            piece = self.socket.recv(1 << 20)
        except ConnectionResetError:
            piece = b""
        self.pieces.append(piece)
        text = self.tail + piece
        self.completed += text.count(COMPLETED)
        self.tail = text[-len(COMPLETED) + 1:]
        return bool(piece)

    def begin(self):
        """Reads the snapshot, which is shorter than what one read gives."""
        while b"event: snapshot" not in self.data:
            assert self.read(), "it ended before it began"
        return self

    @property
    def data(self):
        return b"".join(self.pieces)

    def events(self):
        """Whole ones, of what was read."""
        found = []
        for block in self.data.partition(b"\r\n\r\n")[2].split(b"\n\n")[:-1]:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and not line.startswith(b":"))
            if b"data" in fields:
                id = int(fields[b"id"]) if b"id" in fields else None
                found.append(Event(id, fields[b"event"].decode(), json.loads(fields[b"data"])))
        return found

    def close(self):
        self.socket.close()


def submit_many(place, count, **members):
    answer = place.system.post("/api/v1/batches", {"defaults": {"template": "noop", "inputs": {}, **members}, "jobs": [{}] * count})
    assert answer.status == 202, answer.data
    return answer.json["id"]


def wait_for_batch(place, batch, timeout=300):
    until(lambda: place.get(f"/api/v1/batches/{batch}").json["state"] != "running", "the batch does not end", timeout)


def test_three_hundred_streams_get_everything(place):
    streams = [RawStream(place, "/api/v1/events?project=many") for _ in range(250)]
    jobs = [place.submit(metadata={"noop": {"duration_ms": 4000}}, project="long") for _ in range(5)]
    streams_of_jobs = [RawStream(place, events_of(jobs[i % 5])) for i in range(50)]
    for stream in streams + streams_of_jobs:
        stream.begin()
    batch = submit_many(place, 40, project="many")
    wait_for_batch(place, batch)
    waiting = {stream.socket.fileno(): stream for stream in streams}
    end = time.monotonic() + 300
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} streams miss something"
        for fd in select.select(list(waiting), [], [], 5)[0]:
            assert waiting[fd].read(), "a stream ended that should not"
            if waiting[fd].completed >= 40:
                del waiting[fd]
    expected = None
    for stream in streams:
        events = [(event.id, event.name) for event in stream.events() if event.name.startswith("job.")]
        stream.close()
        ends = [id for id, name in events if name == "job.completed"]
        expected = expected or events[:events.index((ends[-1], "job.completed")) + 1]
        assert events[:len(expected)] == expected and len(ends) == 40
    for stream in streams_of_jobs:
        while stream.read():
            pass
        check_job_events(stream.events())
        stream.close()


def test_a_slow_reader_holds_up_nobody_and_loses_nothing(place):
    """It is given up at last, and resumes by number; others see everything in time meanwhile."""
    slow = RawStream(place, "/api/v1/events?project=flood", receive_buffer=4096).begin()
    quick = RawStream(place, "/api/v1/events?project=flood").begin()
    batches = [submit_many(place, 4000, project="flood") for _ in range(3)]
    while quick.completed < 12000 or not quick.data.endswith(b"\n\n"):    # its name comes before its data
        assert quick.read(), "the quick reader was given up"
    for batch in batches:
        wait_for_batch(place, batch)
    id = place.submit()
    assert [event.name for event in place.read(events_of(id))][-1] in ("job.completed", "snapshot")
    completed = {event.data["job"] for event in quick.events() if event.name == "job.completed"}
    assert len(completed) == 12000
    slow.socket.settimeout(3)
    seen = slow_reader_to_the_end(place, slow, completed)
    assert seen == completed
    quick.close()


def slow_reader_to_the_end(place, stream, wanted):
    """Reads what is left, and resumes where it was cut off, until everything was seen."""
    seen, last, end = set(), None, time.monotonic() + 300
    while not wanted <= seen:
        assert time.monotonic() < end, f"{len(wanted - seen)} of {len(wanted)} were lost"
        try:
            while stream.read():
                if stream.completed >= len(wanted):
                    break
        except socket.timeout:
            pass
        events = stream.events()
        ids = [event.id for event in events if event.id is not None]
        assert ids == sorted(set(ids)) and (last is None or not ids or ids[0] > last)
        assert "gap" not in [event.name for event in events]
        assert not seen & {event.data["job"] for event in events if event.name == "job.completed"}
        seen |= {event.data["job"] for event in events if event.name == "job.completed"}
        last = ids[-1] if ids else last
        stream.close()
        if wanted <= seen:
            return seen
        stream = RawStream(place, "/api/v1/events?project=flood", last=last)
        stream.socket.settimeout(3)
    return seen


def test_prefer_wait_through_both(place):
    """A held request is answered when the job is done, by whatever lies between."""
    began = time.monotonic()
    body = {"template": "noop", "inputs": {}, "metadata": {"noop": {"duration_ms": 700}}}
    answer = place.system.post("/api/v1/jobs", body, headers={"Prefer": "wait=120"}, port=place.port)
    assert answer.status == 200 and answer.json["state"] == "completed" and 0.6 < time.monotonic() - began
    body["metadata"]["noop"]["duration_ms"] = 600000
    answer = place.system.post("/api/v1/jobs", body, headers={"Prefer": "wait=1"}, port=place.port)
    assert answer.status == 202 and answer.json["state"] in ("queued", "running")
    assert place.system.post(f"/api/v1/jobs/{answer.json['id']}/cancel").status == 202


def test_a_silent_stream_is_kept_alive(place, quiet):
    """A comment every 15 s, through both; so no time-out of a proxy ends it. On a busy machine one may come late, but none is left out."""
    until(lambda: len(quiet.times) > 1 and time.monotonic() - quiet.times[0] > 17, "no comment comes")
    times = list(quiet.times)
    assert max(b - a for a, b in zip(times, times[1:])) < 29, times
