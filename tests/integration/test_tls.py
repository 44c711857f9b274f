"""Servers of https://: whose certificates are believed, and what is said of those that are not."""

import os
import shutil
import subprocess

import pytest

from comfyui import Comfyui
from crash import until
from gradio_standin import Standin
from system import FNR, System, assert_problem
from tls import Authority

BACKENDS = "/api/v1/backends"
IMAGE = {"template": "text_to_image", "inputs": {"prompt": "a cat"}, "quality": "draft"}
HERE = "IP:127.0.0.1"


@pytest.fixture(scope="module")
def fnr():
    with System("workers: {min: 1, max: 2}\nbackends: {probe: 1}\npreview: {interval: 50}\n") as system:
        yield system


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture
def backend(fnr):
    """Adds one, which is gone afterwards."""
    added = []

    def add(id, url, type="comfyui", **members):
        answer = fnr.post(BACKENDS, {"id": id, "type": type, "url": url, **members})
        assert answer.status == 201, answer.data
        added.append(id)
        return answer.json

    yield add
    for id in added:
        until(lambda: fnr.request("DELETE", f"{BACKENDS}/{id}", headers={"If-Match": "*"}).status == 204, "nothing runs there")


def reason(fnr, id):
    """What is said of a backend that cannot be used."""
    return until(lambda: (fnr.get(f"{BACKENDS}/{id}").json["breaker"] or {}).get("reason"), "it was asked")


def test_a_comfyui_server(fnr, authority, backend):
    """60.6: requests, the WebSocket and the files go over TLS, and the authority that is named is believed."""
    with Comfyui("--tls", authority.issue(HERE), "--token", "sesame", step_ms=20, hold="KSampler") as comfy:
        assert comfy.url.startswith("https://")
        made = backend("secure", comfy.url, ca_file=authority.path, credentials={"token": "sesame"})
        assert made["ca_file"] == authority.path
        id = fnr.submit(**IMAGE)["id"]
        comfy.wait_held("KSampler")
        names, holds = [], ["SaveImage", None]
        with fnr.stream(f"/api/v1/jobs/{id}/events") as stream:
            comfy.set(hold="VAEDecode")
            for event in stream:
                names.append(event.name)
                if event.name == "job.progress" and holds:      # its progress is told while it runs, else it would not go on
                    comfy.set(hold=holds.pop(0))
        assert "job.preview" in names and names.count("job.progress") > 1, names
        job = fnr.wait(id)
        assert job["state"] == "completed", job["error"]
        assert fnr.get(job["outputs"][0]["url"]).data.startswith(b"\x89PNG")
        assert comfy.seen()["socket_headers"][0]["Authorization"] == "Bearer sesame"


def test_a_gradio_app(fnr, authority, backend):
    """60.6: the stream as well; and a template is made of it."""
    with Standin(tls=authority.issue(HERE)) as standin:
        backend("app", standin.url, "gradio", ca_file=authority.path)
        draft = [FNR, "template", "import-gradio", standin.url]
        refused = subprocess.run(draft, capture_output=True, text=True, timeout=240)
        assert refused.returncode == 1 and "signed by an authority that is not trusted" in refused.stderr and "--ca-file" in refused.stderr
        done = subprocess.run([*draft, "--ca-file", authority.path], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0 and "api_name: /ask" in done.stdout, done.stderr
        assert fnr.post("/api/v1/templates", {
            "id": "secure_ask", "version": "1.0.0", "name": "Ask", "category": "text", "inputs": {"text": {"type": "string", "default": "x"}},
            "outputs": {"answer": {"type": "text"}}, "backend": {"type": "gradio", "api_name": "/ask", "backends": ["app"]}}).status == 201
        job = fnr.wait(fnr.submit("secure_ask", {})["id"])
        assert job["state"] == "completed" and fnr.get(f"/api/v1/jobs/{job['id']}/outputs/answer").data == b"answer", job["error"]


def test_an_authority_that_nobody_knows(fnr, authority, backend):
    """What is wrong is said, and how to mend it; that is done, and the job that waited is run."""
    with Comfyui("--tls", authority.issue(HERE)) as comfy:
        backend("unknown", comfy.url)
        assert "signed by an authority that is not trusted" in reason(fnr, "unknown") and "--ca-file" in reason(fnr, "unknown")
        id = fnr.submit(**IMAGE)["id"]
        until(lambda: fnr.get(f"/api/v1/jobs/{id}").json["waiting_for"] == "no_backend", "it waits")
        done = subprocess.run([FNR, "backend", "set", "unknown", "--ca-file", authority.path, "--data", fnr.data], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        assert fnr.wait(id)["state"] == "completed"
        shown = subprocess.run([FNR, "backend", "show", "unknown", "--data", fnr.data], capture_output=True, text=True, timeout=240).stdout
        assert authority.path in shown
        assert not any(request[2].get("authorization") for request in comfy.requests("/"))


def test_another_authority_does_not_count(fnr, authority, backend, tmp_path):
    """With a file of its own a server is believed for what is in it and for nothing else."""
    other = Authority(tmp_path, "other")
    with Comfyui("--tls", authority.issue(HERE)) as comfy:
        backend("other", comfy.url, ca_file=other.path)
        assert "signed by an authority that is not trusted" in reason(fnr, "other")
        assert not comfy.requests("/"), "nothing was said to it"


def test_a_certificate_of_another_name(fnr, authority, backend):
    with Comfyui("--tls", authority.issue("DNS:elsewhere.example")) as comfy:
        backend("name", comfy.url, ca_file=authority.path)
        assert "for another name than its address" in reason(fnr, "name")
        assert not comfy.requests("/")


def test_a_certificate_that_has_expired(fnr, authority, backend):
    with Comfyui("--tls", authority.issue(HERE, days=-1)) as comfy:
        backend("old", comfy.url, ca_file=authority.path)
        assert "has expired" in reason(fnr, "old") and "Renew it" in reason(fnr, "old")


def test_a_server_that_speaks_no_tls(fnr, authority, backend):
    with Comfyui() as comfy:
        backend("plain", comfy.url.replace("http:", "https:"), ca_file=authority.path)
        assert "No TLS comes about" in reason(fnr, "plain") and "http://" in reason(fnr, "plain")


def test_the_file_is_renewed(fnr, authority, backend, tmp_path):
    """It is looked at again when it has changed; it may lie in the data directory, and named from there."""
    other = Authority(tmp_path, "before")
    place = os.path.join(fnr.data, "authorities.pem")
    shutil.copy(other.path, place)
    with Comfyui("--tls", authority.issue(HERE)) as comfy:
        backend("renewed", comfy.url, ca_file="authorities.pem")
        assert "not trusted" in reason(fnr, "renewed")
        shutil.copy(authority.path, place)
        assert fnr.post(f"{BACKENDS}/renewed/reset-breaker").status == 202
        until(lambda: fnr.get(f"{BACKENDS}/renewed").json["state"] == "ready", lambda: fnr.get(f"{BACKENDS}/renewed").json)
        os.unlink(place)
        assert "ca_file cannot be used" in until(lambda: fnr.get(f"{BACKENDS}/renewed").json["breaker"]["reason"], "it was asked again")


@pytest.mark.parametrize("path", [
    "/nonexistent/ca.pem", "config.yaml", "../outside.pem", "workspace", "fifo", "", 7, "a\nb", "x" * 2000,
])
def test_files_that_are_refused(fnr, path):
    """Before anything is stored, and whatever it is: a FIFO holds nobody up."""
    if path == "fifo" and not os.path.exists(os.path.join(fnr.data, "fifo")):
        os.mkfifo(os.path.join(fnr.data, "fifo"))
    problem = assert_problem(fnr.post(BACKENDS, {"id": "bad", "type": "comfyui", "url": "https://127.0.0.1:9", "ca_file": path}), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/ca_file"] and "PEM" in problem["errors"][0]["fix"]
    assert_problem(fnr.get(f"{BACKENDS}/bad"), 404)
