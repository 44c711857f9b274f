"""fnr doctor: what is wrong is found, with why it matters and the command that mends it."""

import os
import shutil
import subprocess

import pytest

from comfyui import Comfyui
from crash import until
from gradio_standin import Standin
from system import System
from test_cli import lines, run
from test_documents import block, text_of

NAMES = {"build", "kernel", "landlock", "openat2", "pidfd", "open files", "somaxconn", "installation", "python3", "nginx", "ffmpeg", "espeak-ng",
         "vipsthumbnail", "libvips", "tar", "fonts", "data directory", "owner", "permissions", "filesystem", "config.yaml", "disk space", "inodes", "store",
         "clock", "running system"}


def doctor(data, *options, environment=None):
    result = run("doctor", "--data", data, "--json", *options, environment=environment)
    assert result.stderr == "", result
    found = {}
    for item in lines(result.stdout):
        assert set(item) == {"check", "verdict", "found", "why", "mend"} and item["verdict"] in ("ok", "warn", "fail"), item
        assert (item["why"] is None) == (item["mend"] is None) == (item["verdict"] == "ok"), item
        found.setdefault(item["check"], item)
    assert result.returncode == (1 if any(item["verdict"] == "fail" for item in found.values()) else 0), result
    return found


@pytest.fixture
def data(tmp_path):
    """The data directory of a system that ran and was stopped."""
    (tmp_path / "d").mkdir(mode=0o700)
    with System(data=str(tmp_path / "d")) as system:
        system.run()
    return tmp_path / "d"


def test_a_healthy_system(server):
    found = doctor(server.data)
    assert set(found) == NAMES
    assert [name for name, item in found.items() if item["verdict"] == "fail"] == []
    assert "ready at" in found["running system"]["found"]
    text = run("doctor", "--data", server.data)
    assert text.returncode == 0 and "running system" in text.stdout and "\x1b" not in text.stdout


def test_nothing_there_yet(tmp_path):
    found = doctor(tmp_path / "absent")
    assert found["data directory"]["verdict"] == "ok" and "fnr serve" in found["data directory"]["found"]
    assert os.listdir(tmp_path) == [], "looking makes nothing"


def test_stopped(data):
    assert "none runs" in doctor(data)["running system"]["found"]


def test_what_is_said_for_people(data):
    os.chmod(data / "admin.key", 0o644)
    result = run("doctor", "--data", data)
    assert result.returncode == 1
    assert f"mend: chmod 600 {data}/admin.key" in result.stdout and "can do everything" in result.stdout and "1 problem" in result.stdout


def test_permissions(data):
    os.chmod(data, 0o755)
    item = doctor(data)["permissions"]
    assert item["verdict"] == "warn" and f"chmod u=rwx,go= {data}" in item["mend"]
    subprocess.run(item["mend"], shell=True, check=True)
    assert doctor(data)["permissions"]["verdict"] == "ok"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner(data):
    os.chown(data / "run", 12345, -1)
    item = doctor(data)["owner"]
    assert item["verdict"] == "fail" and "run" in item["found"]
    subprocess.run(item["mend"].removeprefix("sudo "), shell=True, check=True)
    assert doctor(data)["owner"]["verdict"] == "ok"


def test_configuration(data):
    (data / "config.yaml").write_text("api: {handlrs: 3}\n")
    item = doctor(data)["config.yaml"]
    assert item["verdict"] == "fail" and "handlrs" in item["found"] and str(data) in item["mend"]


def test_rules_for_errors(data):
    """Those of the guide are sound; a mistake in them stops nothing, but they are not used."""
    path = data / "errors.yaml"
    assert "errors.yaml" not in doctor(data)
    path.write_text(block(text_of("doc", "guide.md"), "yaml", "licen[cs]e"))
    assert doctor(data)["errors.yaml"]["verdict"] == "ok"
    path.write_text("errors: [{when: {text: '('}, then: {class: transient}}]\n")
    item = doctor(data)["errors.yaml"]
    assert item["verdict"] == "warn" and "/errors/0/when/text" in item["found"] and str(path) in item["mend"], item


def test_disk(data):
    (data / "config.yaml").write_text("disk: {min_free: 1099511627776}\n")
    item = doctor(data)["disk space"]
    assert item["verdict"] == ("fail" if shutil.disk_usage(data).free < 1 << 40 else "warn") and "disk.min_free" in item["why"]


def test_store_that_is_cut_off(data):
    os.truncate(data / "store/data.mdb", 4096)
    item = doctor(data)["store"]
    assert item["verdict"] == "fail" and "fnr restore" in item["mend"]


def test_clock(tmp_path):
    """A record from the future: an id made an hour ahead."""
    (tmp_path / "d").mkdir(mode=0o700)
    with System(data=str(tmp_path / "d")) as system:
        system.run()
    dump = subprocess.run(["mdb_dump", "-s", "meta", tmp_path / "d/store"], capture_output=True, check=True, text=True).stdout.splitlines()
    at = next(i for i, line in enumerate(dump) if line.strip() == b".state".hex()) + 1
    record = bytearray.fromhex(dump[at].strip())
    last = 48  # struct hot: the id of the last job lies behind two words and five counters
    record[last:last + 6] = (int.from_bytes(record[last:last + 6], "big") + 3600_000).to_bytes(6, "big")
    dump[at] = " " + record.hex()
    subprocess.run(["mdb_load", "-s", "meta", tmp_path / "d/store"], input="\n".join(dump) + "\n", text=True, check=True)
    item = doctor(tmp_path / "d")["clock"]
    assert item["verdict"] == "fail" and "timedatectl" in item["mend"], item


def test_missing_programs(data, tmp_path):
    """A PATH where nothing is: what is optional is a warning, nginx is not optional."""
    (tmp_path / "empty").mkdir()
    found = doctor(data, environment={"PATH": str(tmp_path / "empty"), "FNR_NGINX_PROGRAM": "/absent/nginx"})
    assert found["nginx"]["verdict"] == "fail" and "nginx-light" in found["nginx"]["mend"]
    for name in ("ffmpeg", "espeak-ng", "vipsthumbnail", "tar", "fonts"):
        assert found[name]["verdict"] == "warn" and "apt install" in found[name]["mend"], found[name]


def test_incomplete_installation(data, tmp_path):
    item = doctor(data, environment={"FNR_SHARE": str(tmp_path)})["installation"]
    assert item["verdict"] == "fail" and "presets.yaml" in item["found"]


def test_killed(tmp_path):
    """run/url is left: somebody expects a system there."""
    system = System(data=str(tmp_path))
    system.start()
    system.kill_all()
    item = doctor(tmp_path)["running system"]
    assert item["verdict"] == "fail" and f"fnr serve --data {tmp_path}" in item["mend"], item
    with system:
        assert doctor(tmp_path)["running system"]["verdict"] == "ok"


PRESETS = """presets:
  - id: draft
    factors: {time: 0.2}
"""


def test_presets_of_ones_own(data):
    """What is wrong with DATA/presets.yaml, and that nothing of it is used then."""
    assert "presets.yaml" not in doctor(data)
    (data / "presets.yaml").write_text(PRESETS)
    assert doctor(data)["presets.yaml"]["verdict"] == "ok"
    (data / "presets.yaml").write_text(PRESETS + "    factor: {}\n")
    item = doctor(data)["presets.yaml"]
    assert item["verdict"] == "warn" and "factor" in item["found"] and "presets.yaml" in item["mend"]
    (data / "presets.yaml").write_text("presets: [")
    assert doctor(data)["presets.yaml"]["verdict"] == "warn"


def test_backends(tmp_path):
    """43.1: each server that jobs run on, with its state, version, breaker and what it lacks, whether the system runs or not."""
    models = {"checkpoints": ["sdxl.safetensors"], "upscale_models": ["2x.pth"]}
    (tmp_path / "d").mkdir(mode=0o700)
    with Comfyui(models=models) as comfy, Standin() as app, System("backends: {probe: 1}\n", data=str(tmp_path / "d")) as system:
        for id, url in (("studio", comfy.url), ("gone", "http://127.0.0.1:9"), ("resting", comfy.url)):
            assert system.post("/api/v1/backends", {"id": id, "type": "comfyui", "url": url}).status == 201
        assert system.post("/api/v1/backends", {"id": "app", "type": "gradio", "url": app.url}).status == 201
        system.post("/api/v1/backends/resting/drain")
        state = lambda id: system.get(f"/api/v1/backends/{id}").json["state"]
        until(lambda: (state("studio"), state("gone"), state("resting")) == ("ready", "down", "drained"), "they were asked")
        for id in ("studio", "app"):
            until(lambda: system.get(f"/api/v1/models?backend={id}").json["items"], "what it has is known")
        found = doctor(system.data)
        studio, gone, lacks = found["backend studio"], found["backend gone"], found["models of studio"]
        assert studio["verdict"] == "ok" and all(word in studio["found"] for word in ("ready", " since 20", "version 0.", "breaker closed", comfy.url))
        assert gone["verdict"] == "fail" and "cannot be reached" in gone["found"] and "fnr backend reset gone" in gone["mend"]
        assert found["backend resting"]["verdict"] == "ok" and "drained" in found["backend resting"]["found"]
        assert lacks["verdict"] == "warn" and "checkpoints/v1-5-pruned-emaonly-fp16.safetensors (text_to_image)" in lacks["found"]
        assert "models of app" not in found, "what one app has need not be in all of them"
        assert "2x.pth" not in lacks["found"] and "fnr backend probe studio" in lacks["mend"]
        system.stop()
        found = doctor(system.data)
        assert "answers at" in found["backend studio"]["found"] and "version 0." in found["backend studio"]["found"]
        assert found["backend gone"]["verdict"] == "warn" and "cannot be reached" in found["backend gone"]["found"]
        system.start()
