"""The shortest way through every part: if one of these fails, look here first."""

import os
import signal
import struct
import subprocess

import pytest

from crash import answers, until
from system import FNR, free_port, made

ORDER = ["job.queued", "job.started", "job.progress", "job.completed"]


def png_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and data.rstrip(b"\0")[-8:-4] == b"IEND", data[:32]
    return struct.unpack(">II", data[16:24])


def test_noop(server):
    job = server.submit("noop")
    assert job["state"] in ("queued", "running", "completed")
    job = server.wait(job["id"])
    assert (job["state"], job["attempt"], job["error"], job["progress"]["percent"]) == ("completed", 1, None, 100), job


@pytest.mark.parametrize("quality, size", [("draft", (640, 360)), ("standard", (1280, 720)), ("high", (1920, 1080)), ("ultra", (3840, 2160))])
def test_title_card(server, quality, size):
    """A real picture of the right size, from the API and in the workspace."""
    job = server.run("create_title_card", {"text": "Act One 🎬 開始 بداية", "subtitle": "The Arrival"}, quality=quality, project="smoke", shot=quality)
    assert job["state"] == "completed" and job["take"] == 1, job
    (output,) = job["outputs"]
    assert (output["name"], output["media_type"], output["width"], output["height"]) == ("image", "image/png", *size), output
    assert output["path"].startswith(f"smoke/{quality}/take_001/"), output
    with open(os.path.join(server.data, "workspace", output["path"]), "rb") as file:
        data = file.read()
    assert png_size(data) == size and len(data) == output["bytes"]
    assert server.get(output["url"]).data == data


def test_events_come_in_order(server):
    """Numbers rise, each name has its place, and the stream ends by itself after the last event."""
    job = server.submit("create_title_card", {"text": "In order"}, quality="draft", not_before=None)
    with server.stream(job["urls"]["events"]) as stream:
        assert stream.status == 200 and stream.headers["Content-Type"].startswith("text/event-stream")
        events = list(stream)
    assert events[0].name == "snapshot" and events[0].data["id"] == job["id"], events
    numbers = [event.id for event in events]
    assert None not in numbers and numbers == sorted(set(numbers)), events
    places = [ORDER.index(event.name) for event in events[1:] if event.name in ORDER]
    assert places == sorted(places), events
    last = events[-1]
    assert last.data["state"] == "completed" and last.name in ("job.completed", "snapshot"), events
    percents = [event.data["progress"]["percent"] for event in events if "progress" in event.data]
    assert percents == sorted(percents) and percents[-1] == 100
    with server.stream(job["urls"]["events"], last_id=last.id) as again:
        assert again.status == 204


def test_the_command_line(server):
    result = subprocess.run(
        [FNR, "run", "create_title_card", "-i", "text=Act One", "-q", "draft", "--project", "smoke", "--shot", "cli", "--data", server.data],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 0 and "smoke/cli/take_001/" in result.stdout and "100%" in result.stdout, result


def test_the_page(server):
    answer = server.get("/")
    assert answer.status == 200 and b'type="module" src="app.js"' in answer.data and b"<noscript>" in answer.data
    assert server.get("/app.js").headers["Content-Type"].startswith(("text/javascript", "application/javascript"))
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert server.get("/style.css").status == 200 and server.get("/api/v1/openapi.json").json["openapi"].startswith("3.1")


def test_a_second_start_is_refused(server):
    result = subprocess.run([FNR, "serve", "--data", server.data, "--port", str(free_port())], capture_output=True, text=True, timeout=30,
                            stdin=subprocess.DEVNULL)
    assert result.returncode == 1 and "another fnr serve" in result.stderr and str(server.process.pid) in result.stderr, result
    assert server.run()["state"] == "completed"


@pytest.mark.parametrize("how", ["in good order", "by kill -9 of everything"])
def test_a_restart_keeps_jobs_and_takes(own_server, how):
    done = own_server.run("create_title_card", {"text": "Kept"}, quality="draft", project="kept", shot="a")
    waiting = [own_server.submit(metadata={"noop": {"duration_ms": 300}})["id"] for _ in range(20)]
    if how == "in good order":
        own_server.stop()
    else:
        own_server.kill_all()
    own_server.start()
    assert made(own_server.get(f"/api/v1/jobs/{done['id']}").json) == made(done)
    assert own_server.get(done["outputs"][0]["url"]).status == 200
    for id in waiting:
        assert own_server.wait(id)["state"] == "completed"
    again = own_server.run("create_title_card", {"text": "Kept"}, quality="draft", project="kept", shot="a")
    assert again["take"] == 2


def test_each_program_is_replaced(own_server):
    """Whichever is killed, the others go on and a new one takes its place."""
    for word in ("fnr-manager", "fnr-api --", "fnr-api: committer", "fnr-events", "nginx"):
        old = own_server.pid_of(word)
        os.kill(old, signal.SIGKILL)
        until(lambda: own_server.pids_of(word) not in ([], [old]) and answers(own_server), f"{word} is not replaced")
        assert own_server.run()["state"] == "completed", word
        assert own_server.pid_of(word) != old
