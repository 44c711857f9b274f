"""Servers that jobs run on: added, changed, drained and removed while everything runs; what is told of them; models."""

import json
import os
import signal
import shutil
import subprocess
import time

import pytest

from comfyui import Comfyui
from crash import until
from system import FNR, System, assert_problem

JOBS = "/api/v1/jobs"
BACKENDS = "/api/v1/backends"
NOWHERE = "http://127.0.0.1:9"      # nobody listens there


@pytest.fixture(scope="module")
def fnr():
    with System("workers: {min: 1, max: 2}\nbackends: {probe: 1}\n") as system:
        yield system


def add(fnr, id, url=NOWHERE, **members):
    answer = fnr.post(BACKENDS, {"id": id, "type": "comfyui", "url": url, **members})
    assert answer.status == 201, answer.data
    return answer


def remove(fnr, id):
    assert fnr.request("DELETE", f"{BACKENDS}/{id}", headers={"If-Match": "*"}).status == 204


def test_a_backend_is_added_changed_and_removed(fnr):
    """60.7: while it runs, and without losing what somebody else changed meanwhile."""
    answer = add(fnr, "a", f"{NOWHERE}/", labels=["big"], options={"x": 1})
    assert answer.headers["Location"] == f"{BACKENDS}/a"
    assert answer.json["url"] == NOWHERE and answer.json["labels"] == ["big"] and answer.json["concurrency"] == 1
    assert not answer.json["has_credentials"] and not answer.json["drained"] and answer.json["options"] == {"x": 1}
    tag = answer.headers["ETag"]
    assert [one["id"] for one in fnr.get(BACKENDS).json["items"]] == ["local", "a"]
    assert fnr.get(f"{BACKENDS}/a").headers["ETag"] == tag
    change = {"url": NOWHERE, "concurrency": 3}
    assert_problem(fnr.request("PUT", f"{BACKENDS}/a", change), 428)
    assert_problem(fnr.request("PUT", f"{BACKENDS}/a", change, headers={"If-Match": '"0"'}), 412)
    changed = fnr.request("PUT", f"{BACKENDS}/a", change, headers={"If-Match": tag})
    assert changed.status == 200 and changed.json["concurrency"] == 3 and changed.json["labels"] == []
    assert changed.json["created_at"] == answer.json["created_at"] and changed.headers["ETag"] != tag
    assert_problem(fnr.request("PUT", f"{BACKENDS}/a", change, headers={"If-Match": tag}), 412)
    assert_problem(fnr.request("DELETE", f"{BACKENDS}/a"), 428)
    assert_problem(fnr.request("DELETE", f"{BACKENDS}/a", headers={"If-Match": tag}), 412)
    assert fnr.request("DELETE", f"{BACKENDS}/a", headers={"If-Match": changed.headers["ETag"]}).status == 204
    assert_problem(fnr.get(f"{BACKENDS}/a"), 404)
    assert [one["id"] for one in fnr.get(BACKENDS).json["items"]] == ["local"]


def test_credentials_are_never_shown_and_stay_with_their_address(fnr):
    """60.6: they are written and used, not read; another address does not get them."""
    secrets = {"token": "sesame-1", "username": "ann", "password": "sesame-2", "headers": {"X-Api-Key": "sesame-3"}}
    answer = add(fnr, "secret", credentials=secrets)
    assert answer.json["has_credentials"] is True and b"sesame" not in answer.data
    assert b"sesame" not in fnr.get(BACKENDS).data + fnr.get(f"{BACKENDS}/secret").data
    change = lambda body: fnr.request("PUT", f"{BACKENDS}/secret", body, headers={"If-Match": "*"}).json["has_credentials"]
    assert change({"url": NOWHERE}) is True, "what is left out stays"
    assert change({"url": f"{NOWHERE}/elsewhere"}) is False, "they were for the other address"
    assert change({"url": NOWHERE, "credentials": secrets}) is True
    assert change({"url": NOWHERE, "credentials": None}) is False
    remove(fnr, "secret")
    log = fnr.log_text()
    assert "sesame" not in log and "backend=secret" in log
    assert os.stat(os.path.join(fnr.data, "store")).st_mode & 0o077 == 0


@pytest.mark.parametrize("change, pointer", [
    ({"id": None}, "/id"), ({"id": "a/b"}, "/id"), ({"id": "local"}, "/id"), ({"id": 7}, "/id"),
    ({"type": "script"}, "/type"), ({"type": "nonsense"}, "/type"), ({"type": None}, "/type"),
    ({"url": None}, "/url"), ({"url": "ftp://host"}, "/url"), ({"url": "http://"}, "/url"), ({"url": "http://user:word@host"}, "/url"),
    ({"url": "http://host?x=1"}, "/url"), ({"url": "http://host#x"}, "/url"), ({"url": "http://host:0"}, "/url"),
    ({"url": "http://host:99999"}, "/url"), ({"url": "http://ho st"}, "/url"), ({"url": "http://host:x/"}, "/url"),
    ({"url": "http://" + "x" * 2000}, "/url"), ({"url": "http://host\n"}, "/url"), ({"url": "http://[::1"}, "/url"),
    ({"concurrency": 0}, "/concurrency"), ({"concurrency": 1000}, "/concurrency"), ({"concurrency": "2"}, "/concurrency"),
    ({"labels": "big"}, "/labels"), ({"labels": ["a/b"]}, "/labels/0"), ({"labels": [1]}, "/labels/0"),
    ({"options": []}, "/options"), ({"options": {"x": "y" * 20000}}, "/options"),
    ({"credentials": "x"}, "/credentials"), ({"credentials": {"toke": "x"}}, "/credentials/toke"), ({"credentials": {"token": 1}}, "/credentials/token"),
    ({"credentials": {"token": "a\r\nb"}}, "/credentials/token"), ({"credentials": {"headers": []}}, "/credentials/headers"),
    ({"credentials": {"headers": {"a b": "x"}}}, "/credentials/headers/a b"), ({"credentials": {"headers": {"a": "x\n"}}}, "/credentials/headers/a"),
    ({"labls": []}, "/labls"),
])
def test_what_is_refused(fnr, change, pointer):
    body = {"id": "bad", "type": "comfyui", "url": NOWHERE, **change}
    problem = assert_problem(fnr.post(BACKENDS, body), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert problem["errors"][0]["fix"]
    assert ("credentials" in problem["errors"][0]["fix"]) == (change.get("url") in ("http://user:word@host", "http://host?x=1")) or pointer != "/url"
    assert "user:word" not in fnr.log_text() and "user:word" not in json.dumps(problem)
    assert_problem(fnr.get(f"{BACKENDS}/bad"), 404)


def test_addresses_that_are_taken(fnr):
    for at, url in enumerate(["http://[::1]:8188", "https://host.example/base/path", "http://127.0.0.1", "http://host:1/"]):
        assert add(fnr, f"url{at}", url).json["url"] == url.rstrip("/")
        remove(fnr, f"url{at}")


def test_rights_and_conflicts(fnr):
    add(fnr, "c")
    assert_problem(fnr.post(BACKENDS, {"id": "c", "type": "comfyui", "url": NOWHERE}), 409)
    assert_problem(fnr.request("PUT", f"{BACKENDS}/c", {"type": "gradio", "url": NOWHERE}, headers={"If-Match": "*"}), 422)
    assert_problem(fnr.request("PUT", f"{BACKENDS}/c", {"id": "d", "url": NOWHERE}, headers={"If-Match": "*"}), 422)
    assert_problem(fnr.request("PUT", f"{BACKENDS}/none", {"url": NOWHERE}, headers={"If-Match": "*"}), 404)
    for action in ("probe", "drain", "resume", "reset-breaker"):
        assert_problem(fnr.post(f"{BACKENDS}/none/{action}"), 404)
    for method, path in (("PUT", "local"), ("DELETE", "local"), ("POST", "local/drain"), ("POST", "local/resume")):
        assert_problem(fnr.request(method, f"{BACKENDS}/{path}", {"url": NOWHERE} if method == "PUT" else None, headers={"If-Match": "*"}), 409)
    reader = fnr.post("/api/v1/keys", {"name": "reader", "scopes": ["read", "submit"]}).json["key"]
    for method, path, body in (("POST", "", {}), ("PUT", "/c", {}), ("DELETE", "/c", None), ("POST", "/c/probe", None), ("POST", "/c/drain", None),
                               ("POST", "/c/resume", None)):
        assert_problem(fnr.request(method, BACKENDS + path, body, key=reader), 403)
    assert fnr.get(f"{BACKENDS}/c", key=reader).status == 200
    remove(fnr, "c")


def test_drain_and_resume_are_told(fnr):
    add(fnr, "d")
    with fnr.stream("/api/v1/events?types=backend.changed") as stream:
        events = iter(stream)
        next(event for event in events if event.name == "snapshot")
        drained = fnr.post(f"{BACKENDS}/d/drain").json
        assert drained["drained"] is True and drained["state"] in ("drained", "draining"), "as it was asked for, at once"
        assert next(event for event in events if event.name == "backend.changed" and event.data["backend"] == "d" and event.data["state"] == "drained")
        resumed = fnr.post(f"{BACKENDS}/d/resume").json
        assert resumed["drained"] is False and resumed["state"] not in ("drained", "draining")
        assert next(event for event in events if event.name == "backend.changed" and event.data["backend"] == "d" and event.data["state"] != "drained")
        remove(fnr, "d")
        assert next(event for event in events if event.name == "backend.changed" and event.data["state"] == "removed")


def cli(fnr, *arguments, input=None):
    done = subprocess.run([FNR, "backend", *arguments, "--data", fnr.data], capture_output=True, text=True, input=input, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_from_the_command_line(fnr):
    assert cli(fnr, "add", "e", "comfyui", NOWHERE, "--label", "big", "--label", "fast", "--concurrency", "2", "--credentials", "-",
               input='{"token":"sesame-4"}')[0] == 0
    backend = fnr.get(f"{BACKENDS}/e").json
    assert backend["labels"] == ["big", "fast"] and backend["concurrency"] == 2 and backend["has_credentials"]
    status, out, _ = cli(fnr, "list")
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == ["local", "e"]
    status, out, _ = cli(fnr, "show", "e")
    assert status == 0 and NOWHERE in out and "sesame" not in out
    assert cli(fnr, "set", "e", "--concurrency", "5")[0] == 0
    backend = fnr.get(f"{BACKENDS}/e").json
    assert backend["labels"] == ["big", "fast"] and backend["concurrency"] == 5 and backend["has_credentials"], "the rest stays"
    assert cli(fnr, "set", "e", "--no-labels", "--no-credentials")[0] == 0
    backend = fnr.get(f"{BACKENDS}/e").json
    assert backend["labels"] == [] and not backend["has_credentials"] and backend["concurrency"] == 5
    status, out, _ = cli(fnr, "probe", "e")
    assert status == 0 and "down" in out and "cannot be reached" in out, "how it is when it has been asked"
    assert cli(fnr, "probe", "nosuch")[0] == 1
    for action, state in (("drain", "drained"), ("resume", "down"), ("reset", None)):
        status, out, _ = cli(fnr, action, "e")
        assert status == 0 and (state is None or state in out), (action, out)
    assert json.loads(cli(fnr, "show", "e", "--json")[1])["drained"] is False
    status, _, error = cli(fnr, "add", "e", "comfyui", NOWHERE)
    assert status == 1 and "already" in error
    assert cli(fnr, "set", "e", "--credentials", "/nonexistent")[0] == 1
    assert cli(fnr, "remove", "e")[0] == 0 and cli(fnr, "remove", "e")[0] == 1
    assert cli(fnr, "models")[0] == 0
    assert cli(fnr, "add", "f", "comfyui")[0] == 2


@pytest.fixture
def library(fnr):
    """Is empty, before and afterwards."""
    yield
    shutil.rmtree(os.path.join(fnr.data, "workspace/Library"))


def write_model(fnr, category, name, manifest):
    folder = os.path.join(fnr.data, "workspace/Library/Models", category, name)
    os.makedirs(folder)
    with open(os.path.join(folder, "model.json"), "w") as file:
        file.write(manifest if isinstance(manifest, str) else json.dumps(manifest))


def test_the_library(fnr, library):
    """46.8: manifests in the workspace; what they do not fit is passed over."""
    assert fnr.get("/api/v1/models").json == {"items": [], "next_cursor": None}
    write_model(fnr, "voices", "anna", {"description": "A voice"})
    write_model(fnr, "voices", "bert", {"name": "bert-2", "file": "gone.bin"})
    write_model(fnr, "voices", "carl", "no JSON")
    write_model(fnr, "styles", "oil", {"name": "oil.bin", "vram_mb": 100})
    items = fnr.get("/api/v1/models").json["items"]
    assert [(item["category"], item["name"], item["backends"]) for item in items] == [("styles", "oil.bin", []), ("voices", "anna", [])]
    assert items[0]["library"]["vram_mb"] == 100
    assert [item["name"] for item in fnr.get("/api/v1/models?category=voices").json["items"]] == ["anna"]
    page = fnr.get("/api/v1/models?limit=1").json
    assert [item["name"] for item in page["items"]] == ["oil.bin"] and page["next_cursor"]
    assert [item["name"] for item in fnr.get(f"/api/v1/models?limit=1&cursor={page['next_cursor']}").json["items"]] == ["anna"]
    assert_problem(fnr.get("/api/v1/models?kind=x"), 422)


def test_a_job_whose_model_is_missing_is_refused(fnr, library):
    """46.8: before it is accepted, with the place that names the model."""
    write_model(fnr, "singers", "dora", {})
    write_model(fnr, "looks", "wood", {"name": "wood.bin"})
    fnr.add_script("speak", "#!/bin/sh\ncat > /dev/null\n", inputs={"voice": {"type": "string", "default": "dora"}}, outputs={},
                   models=[{"category": "singers", "parameter": "voice"}, {"category": "looks", "name": "wood.bin"}])
    fnr.process.send_signal(signal.SIGHUP)
    until(lambda: fnr.get("/api/v1/templates/speak").status == 200, "the template is read")
    assert fnr.wait(fnr.submit("speak", {})["id"])["state"] == "completed"
    problem = assert_problem(fnr.post(JOBS, {"template": "speak", "inputs": {"voice": "zoe"}}), 422)
    assert problem["errors"][0]["pointer"] == "/inputs/voice" and problem["errors"][0]["rule"] == "missing_model"
    assert "singers/zoe" in problem["errors"][0]["message"]


# ---- with servers that answer ----

IMAGE = {"template": "text_to_image", "inputs": {"prompt": "a cat"}, "quality": "draft"}


@pytest.fixture
def comfy(fnr):
    with Comfyui() as server:
        add(fnr, "comfy", server.url)
        until(lambda: fnr.get(f"{BACKENDS}/comfy").json["state"] == "ready", "it answers")
        yield server
        until(lambda: fnr.request("DELETE", f"{BACKENDS}/comfy", headers={"If-Match": "*"}).status in (204, 404), "nothing runs there")


def test_what_a_server_says_of_itself(fnr, comfy):
    """46.1, 43.1: devices, memory, version and models, asked by us and not by who looks."""
    backend = until(lambda: (found := fnr.get(f"{BACKENDS}/comfy").json)["found"] and found, "it was asked")
    assert backend["health"]["score"] == 1 and backend["health"]["checked_at"] and backend["health"]["check_ms"] is not None
    device = backend["found"]["devices"][0]
    assert device["vram_total"] == 24 << 30 and backend["found"]["version"] and backend["found"]["models"]["checkpoints"] == 3
    items = fnr.get("/api/v1/models?backend=comfy&limit=500").json["items"]
    assert {"category": "upscale_models", "name": "2x.pth", "library": None, "backends": ["comfy"]} in items
    before, begun = len(comfy.requests("/system_stats")), time.monotonic()
    for _ in range(20):
        fnr.get(f"{BACKENDS}/comfy"), fnr.get(BACKENDS), fnr.get("/api/v1/models")
    asked = len(comfy.requests("/system_stats")) - before
    assert asked <= 2 + time.monotonic() - begun, "it is asked once a second, and not for those who look"
    before += asked
    assert fnr.post(f"{BACKENDS}/comfy/probe").status == 202
    until(lambda: len(comfy.requests("/system_stats")) > before, "it was asked because somebody wanted it")


def test_what_this_machine_has(fnr):
    """46.1, 43.1: processors, memory and disk, by the kernel."""
    local = until(lambda: (one := fnr.get(f"{BACKENDS}/local").json)["found"] and one, "it was looked at")
    found, disk = local["found"], os.statvfs(fnr.data)
    assert found["cpus"] == os.cpu_count() and 0 < found["ram_free"] <= found["ram_total"]
    assert found["disk_total"] == disk.f_blocks * disk.f_frsize and 0 < found["disk_free"] <= found["disk_total"]
    assert local["state"] == "ready" and local["health"]["checked_at"]


def test_graphics_cards_of_this_machine(fnr, tmp_path):
    """46.1: as NVML tells them, where it is there; a library that hangs, crashes or prints harms nobody."""
    assert "devices" not in until(lambda: fnr.get(f"{BACKENDS}/local").json["found"], "it was looked at")
    libraries = {name: str(tmp_path / f"{name}.so") for name in ("good", "crashes", "hangs")}
    for name, path in libraries.items():
        subprocess.run(["gcc", "-shared", "-fPIC", f"-D{name.upper()}", "-o", path, os.path.join(os.path.dirname(__file__), "nvml_standin.c")], check=True)
    with System(f"gpu: {{library: {libraries['good']}}}\nbackends: {{probe: 1}}\n") as system:
        devices = until(lambda: ((system.get(f"{BACKENDS}/local").json["found"] or {}).get("devices")), "the cards are told")
        assert devices == [{"name": "Stand-in 4090", "vram_total": 24 << 30, "vram_free": 20 << 30, "compute_capability": 8.9},
                           {"name": "Stand-in 4090", "vram_total": 24 << 30, "vram_free": 20 << 30, "compute_capability": 8.9}]
        assert "noise" not in system.log_text()
        shown = subprocess.run([FNR, "backend", "show", "local", "--data", system.data], capture_output=True, text=True, timeout=60).stdout
        assert "Stand-in 4090, 21.5 GB of 25.8 GB free, compute capability 8.9" in shown
    for name in ("crashes", "hangs"):
        with System(f"gpu: {{library: {libraries[name]}}}\nbackends: {{probe: 1}}\n") as system:
            assert system.run()["state"] == "completed"
            assert "devices" not in until(lambda: system.get(f"{BACKENDS}/local").json["found"], "it was looked at")


def test_jobs_wait_for_a_server(fnr):
    """A job that nothing can do waits and says so; it is done when a server is there."""
    assert fnr.post("/api/v1/route", {"template": "text_to_image"}).json["waiting_for"] == "no_backend"
    id = fnr.submit(**IMAGE)["id"]
    until(lambda: fnr.get(f"{JOBS}/{id}").json["waiting_for"] == "no_backend", "it waits")
    with Comfyui() as server:
        add(fnr, "later", server.url)
        job = fnr.wait(id)
        assert job["state"] == "completed" and job["backend"] == "later" and job["placement"] == "the only backend", job["error"]
        route = lambda: fnr.post("/api/v1/route", {"template": "text_to_image"}).json
        until(lambda: (route()["backend"], route()["waiting_for"]) == ("later", None), "a second has passed")
        until(lambda: fnr.get(f"{BACKENDS}/later").json["loaded"], "what it has loaded is known")
        remove(fnr, "later")


def test_a_model_that_no_server_has(fnr, comfy):
    """46.8: said before the job is accepted, when all servers say what they have."""
    until(lambda: fnr.get("/api/v1/models?backend=comfy").json["items"], "it was asked")
    body = {**IMAGE, "inputs": {"prompt": "a cat", "checkpoint": "gone.safetensors"}}
    problem = assert_problem(fnr.post(JOBS, body), 422)
    assert problem["errors"][0]["pointer"] == "/inputs/checkpoint" and problem["errors"][0]["rule"] == "missing_model"
    assert fnr.wait(fnr.submit(**IMAGE)["id"])["state"] == "completed"


def test_memory_that_no_server_has(fnr, comfy):
    """46.1: a job that needs more than any device has waits for resources."""
    comfy.set(vram=1 << 30)
    fnr.post(f"{BACKENDS}/comfy/probe")
    until(lambda: fnr.get(f"{BACKENDS}/comfy").json["found"]["devices"][0]["vram_total"] == 1 << 30, "it was asked again")
    id = fnr.submit(**{**IMAGE, "quality": "ultra"})["id"]
    until(lambda: fnr.get(f"{JOBS}/{id}").json["waiting_for"] == "resources", lambda: fnr.get(f"{JOBS}/{id}").json["waiting_for"])
    comfy.set(vram=80 << 30)
    fnr.post(f"{BACKENDS}/comfy/probe")
    assert fnr.wait(id)["state"] == "completed"


def test_nothing_is_known_of_one_by_that_of_another_with_its_id(fnr, comfy):
    """Not how it is, nor what it has: a job whose model the one before had not would be refused."""
    with Comfyui(models={"checkpoints": ["other.safetensors"]}) as poor:
        add(fnr, "again", poor.url, labels=["again"])
        until(lambda: fnr.get(f"{BACKENDS}/again").json["found"], "it is asked")
        for change in ("added", "moved"):
            if change == "added":
                remove(fnr, "again")
                backend = add(fnr, "again", poor.url, labels=["again"]).json
            else:
                until(lambda: fnr.get(f"{BACKENDS}/again").json["found"], "it is asked")
                backend = fnr.get(f"{BACKENDS}/again")
                record = {"type": "comfyui", "url": NOWHERE, "labels": ["again"]}
                backend = fnr.request("PUT", f"{BACKENDS}/again", record, headers={"If-Match": backend.headers["ETag"]}).json
            assert (backend["state"], backend["found"], backend["health"]) == ("unknown", None, None), (change, backend)
        remove(fnr, "again")


def test_a_server_that_goes_and_comes(fnr, comfy):
    """43.2, 49.3: silence opens its breaker, jobs wait without losing an attempt, and it closes when the server is back."""
    with fnr.stream("/api/v1/events?types=backend.changed") as stream:
        events = iter(stream)
        comfy.kill()
        event = next(event for event in events if event.name == "backend.changed" and event.data["breaker"] == "open")
        assert event.data["backend"] == "comfy" and event.data["reason"]
        backend = fnr.get(f"{BACKENDS}/comfy").json
        assert backend["state"] == "down" or until(lambda: fnr.get(f"{BACKENDS}/comfy").json["state"] == "down", "it is down")
        id = fnr.submit(**IMAGE)["id"]
        until(lambda: fnr.get(f"{JOBS}/{id}").json["waiting_for"] == "no_backend", "it waits")
        comfy.start()
        next(event for event in events if event.name == "backend.changed" and event.data["state"] == "ready")
    job = fnr.wait(id)
    assert job["state"] == "completed" and job["attempt"] == 1
    until(lambda: fnr.get(f"{BACKENDS}/comfy").json["health"]["score"] < 1, "it is remembered")
