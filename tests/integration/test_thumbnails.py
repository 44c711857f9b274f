"""51.4: thumbnails of pictures, posters of films, waveforms of sound; made after the job, never in its way, never forgotten."""

import os
import signal
import subprocess
import time

import pytest

from crash import kill, until
from system import FNR, System

# Files as asked for: {"name": ffmpeg's arguments}, or "broken".
MAKER = r"""#!/usr/bin/python3
import json, shutil, subprocess, sys, time
request = json.load(sys.stdin)
inputs = request["parameters"]
time.sleep(inputs["seconds"])
name = inputs["name"]
if inputs["arguments"]:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs["arguments"], name], check=True)
else:
    open(name, "w").write("this is " + name)
print(json.dumps({"output": "file", "path": name}))
"""
INPUTS = {"name": {"type": "string", "default": "it.png"}, "arguments": {"type": "array", "items": {"type": "string"}, "default": []},
          "seconds": {"type": "number", "default": 0}}
WIDE = ["-f", "lavfi", "-i", "testsrc2=s=1600x400:d=1", "-frames:v", "1"]
SMALL = ["-f", "lavfi", "-i", "testsrc2=s=120x90:d=1", "-frames:v", "1"]
FILM = ["-f", "lavfi", "-i", "color=black:s=640x360:r=10:d=1[b];testsrc2=s=640x360:r=10:d=4[t];[b][t]concat", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
SOUND = ["-f", "lavfi", "-i", "sine=440:d=2,volume='if(lt(t,1),0.1,0.9)':eval=frame", "-c:a", "pcm_s16le"]
# Five seconds of noise, of which a thumbnail takes long.
SLOW = ["-f", "lavfi", "-i", "color=gray:s=1280x720:r=24:d=5,noise=c0s=100:c0f=t+u", "-c:v", "ffv1"]
NOISE = ["-f", "lavfi", "-i", "nullsrc=s=4000x4000:d=1,geq=random(1)*255:128:128", "-frames:v", "1"]


def make_system(config="workers: {min: 1, max: 2}\n"):
    system = System(config)
    system.add_script("maker", MAKER, inputs=INPUTS, outputs={"file": {"type": "file"}})
    return system


@pytest.fixture(scope="module")
def fnr():
    with make_system() as system:
        yield system


def make(fnr, name, arguments, **members):
    job = fnr.run("maker", {"name": name, "arguments": arguments}, **members)
    assert job["state"] == "completed", job["error"]
    return job["id"]


def output(fnr, id):
    return fnr.get(f"/api/v1/jobs/{id}").json["outputs"][0]


def looked_at(fnr, id):
    """The output, once its thumbnail is there."""
    return until(lambda: output(fnr, id)["thumbnail"] and output(fnr, id), "the thumbnail")


def seen(fnr, url, tmp_path):
    """Size and mean colour of what is there."""
    answer = fnr.get(url)
    assert answer.status == 200 and answer.headers["Content-Type"] == "image/webp", (answer.status, answer.data[:300])
    path = tmp_path / "seen.webp"
    path.write_bytes(answer.data)
    size = subprocess.run(["vipsheader", "-a", path], capture_output=True, text=True, check=True).stdout
    values = dict(line.split(": ", 1) for line in size.splitlines() if ": " in line)
    pixels = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-vf", "scale=8:8:flags=area", "-pix_fmt", "rgba", "-f", "rawvideo", "-"],
                            capture_output=True, check=True).stdout
    return int(values["width"]), int(values["height"]), pixels


@pytest.mark.parametrize("name, arguments, size", [
    ("wide.png", WIDE, (512, 128)), ("small.jpg", SMALL, (120, 90)), ("wide.tif", WIDE, (512, 128)), ("noise.png", NOISE, (512, 512))])
def test_pictures(fnr, tmp_path, name, arguments, size):
    found = looked_at(fnr, make(fnr, name, arguments))
    width, height, pixels = seen(fnr, found["thumbnail"], tmp_path)
    assert (width, height) == size
    assert len(set(pixels)) > 3
    assert (found["width"], found["height"]) == {"small.jpg": (120, 90), "noise.png": (4000, 4000)}.get(name, (1600, 400))


def test_a_film(fnr, tmp_path):
    found = looked_at(fnr, make(fnr, "film.mp4", FILM, project="films", shot="s1"))
    assert (found["width"], found["height"]) == (640, 360) and abs(found["duration"] - 5) < 0.2
    width, height, pixels = seen(fnr, found["thumbnail"], tmp_path)
    assert (width, height) == (512, 288)
    assert sum(pixels[0::4]) / 64 > 40      # not the black at its beginning
    take = fnr.get("/api/v1/projects/films/shots/s1/takes/1").json["files"][0]
    assert take["thumbnail"] == "/api/v1/projects/films/shots/s1/takes/1/files/film.mp4/thumbnail" and take["duration"] == found["duration"]
    assert seen(fnr, take["thumbnail"], tmp_path) == (width, height, pixels)


def test_a_sound(fnr, tmp_path):
    found = looked_at(fnr, make(fnr, "tone.wav", SOUND))
    assert abs(found["duration"] - 2) < 0.05 and "width" not in found
    width, height, pixels = seen(fnr, found["thumbnail"], tmp_path)
    assert (width, height) == (512, 128)
    alpha = [pixels[(row * 8 + column) * 4 + 3] for row in range(8) for column in range(8)]
    quiet, loud = (sum(alpha[row * 8 + column] for row in range(8) for column in columns) for columns in (range(4), range(4, 8)))
    assert 0 < quiet < loud                 # drawn on nothing, so that it shows on light and on dark


def test_the_same_content_has_one(fnr):
    first, second = (looked_at(fnr, make(fnr, name, [*WIDE, "-bitexact"])) for name in ("one.png", "two.png"))
    assert first["sha256"] == second["sha256"]
    path = os.path.join(fnr.data, "thumbnails", first["sha256"][:2], first["sha256"] + ".webp")
    assert os.path.isfile(path) and first["thumbnail"] != second["thumbnail"]
    assert fnr.get(first["thumbnail"]).data == fnr.get(second["thumbnail"]).data == open(path, "rb").read()


def test_what_has_none(fnr):
    text = make(fnr, "note.txt", [])
    answer = fnr.get(f"/api/v1/jobs/{text}/outputs/file/thumbnail")
    assert answer.status == 404 and "text/plain" in answer.json["message"], answer.json
    broken = make(fnr, "broken.png", [])
    url = f"/api/v1/jobs/{broken}/outputs/file/thumbnail"
    until(lambda: "could be made" in fnr.get(url).json["message"], "the end of its tries")
    assert output(fnr, broken)["thumbnail"] is None
    assert f"event=thumbnail.failed sha256={output(fnr, broken)['sha256']}" in fnr.log_text()
    assert fnr.get(f"/api/v1/jobs/{text}/outputs/none/thumbnail").status == 404
    assert fnr.get("/api/v1/projects/films/shots/s1/takes/1/files/none.png/thumbnail").status == 404


def test_who_may_see_it(fnr):
    id = make(fnr, "wide.png", WIDE, project="secret", shot="s1")
    url = looked_at(fnr, id)["thumbnail"]
    key = fnr.post("/api/v1/keys", {"name": "other", "scopes": ["read"], "projects": ["films"]}).json["key"]
    assert fnr.get(url, key=key).status == 404
    assert fnr.request("GET", url, headers={"Authorization": None}).status == 401
    ticket = fnr.post("/api/v1/tickets", {"path": url})
    assert ticket.status in (200, 201), ticket.json
    answer = fnr.get(url)
    again = fnr.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304 and "max-age" in answer.headers["Cache-Control"] and "private" in answer.headers["Cache-Control"]


def test_a_job_never_waits_for_one():
    """With one worker: it makes a thumbnail that takes long; a job comes, and the thumbnail is made again afterwards."""
    with make_system("workers: {min: 1, max: 1}\n") as fnr:
        id = fnr.submit("maker", {"name": "film.mkv", "arguments": SLOW})["id"]
        assert fnr.wait(id, timeout=500)["state"] == "completed"
        making = until(lambda: fnr.pids_of("fnr_thumbnail"), "a thumbnail being made")
        for pid in making:
            os.kill(pid, signal.SIGSTOP)          # it never ends by itself
        assert not output(fnr, id)["thumbnail"]
        assert fnr.run("maker", {"name": "note.txt"})["state"] == "completed"
        until(lambda: not set(making) & set(fnr.pids_of("fnr_thumbnail")), "it had to go")
        assert looked_at(fnr, id)["duration"] > 4
        assert "thumbnail.failed" not in fnr.log_text()


@pytest.mark.parametrize("victim", ["fnr-manager", "worker", "everything"])
def test_none_is_forgotten(victim):
    with make_system("workers: {min: 1, max: 1}\n") as fnr:
        id = make(fnr, "film.mkv", SLOW)
        until(lambda: any("fnr_thumbnail" in name for name in fnr.pids()), "a thumbnail being made")
        if victim == "everything":
            fnr.kill_all()
            fnr.start()
        else:
            kill(fnr.pids_of(victim))
        assert looked_at(fnr, id)["duration"] > 4
        until(lambda: os.listdir(os.path.join(fnr.data, "workspace/.work")) == [], "the work folder is empty")


def test_in_a_backup(fnr, tmp_path):
    id = make(fnr, "wide.png", WIDE)
    looked_at(fnr, id)
    for command in (["backup", "--data", fnr.data, str(tmp_path / "copy")], ["restore", str(tmp_path / "copy"), "--data", str(tmp_path / "again")]):
        done = subprocess.run([FNR, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    with System(data=str(tmp_path / "again")) as again:
        assert again.get(output(again, id)["thumbnail"], key=fnr.key).status == 200
