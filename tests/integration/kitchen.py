"""Real Gradio apps for tests: gradio/app.py with the Gradio of one release, each in a process of its own on 127.0.0.1.

FNR_TEST_GRADIO names the folder with the releases (default: build/test-gradio), one folder a list of gradio/*.txt.
"""

import contextlib
import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zlib

import yaml

from crash import until
from system import FNR, ROOT, free_port

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gradio")
INSTALLED = os.environ.get("FNR_TEST_GRADIO", os.path.join(ROOT, "build", "test-gradio"))
RELEASES = ["4.8", "4", "5", "6"]      # the first protocol; the last of 4, of 5; and 6
BACKENDS = "/api/v1/backends"
CONFIG = "workers: {min: 2, max: 8}\nbackends: {probe: 1}\nstop: {grace: 2}\n"


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG: nobody is left behind when the tests are killed


class Kitchen:
    """`start` begins it and `wait` waits until it listens, so that several can start side by side."""

    def __init__(self, release, *arguments, port=None):
        self.release, self.arguments = release, arguments
        self.port = port or free_port()
        self.url = f"{'https' if '--tls' in arguments else 'http'}://127.0.0.1:{self.port}"
        self.folder = tempfile.TemporaryDirectory(prefix="fnr-kitchen-")
        self.calls_file = os.path.join(self.folder.name, "calls")
        open(self.calls_file, "w").close()
        self.process = None

    def start(self):
        paths = [os.path.join(INSTALLED, part) for part in (self.release, "common")]
        assert all(map(os.path.isdir, paths)), f"{paths}: ./test installs them"
        environment = dict(
            os.environ, PYTHONPATH=os.pathsep.join(paths), GRADIO_TEMP_DIR=os.path.join(self.folder.name, "tmp"), FNR_TEST_CALLS=self.calls_file,
            GRADIO_ANALYTICS_ENABLED="False", GRADIO_SSR_MODE="False", HF_HUB_OFFLINE="1", MPLCONFIGDIR=self.folder.name, PYTHONWARNINGS="ignore",
        )
        self.log = open(os.path.join(self.folder.name, "log"), "ab")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(HERE, "app.py"), str(self.port), *self.arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.log, env=environment, cwd=self.folder.name, preexec_fn=end_with_parent,
        )
        return self

    def wait(self):
        for line in self.process.stdout:
            if line.strip() == b"ready":
                return self
        raise AssertionError(self.log_text())

    def log_text(self):
        with open(os.path.join(self.folder.name, "log"), errors="replace") as file:
            return file.read()[-4000:]

    def calls(self):
        """Lines that the app's functions wrote: "begin NAME", "end NAME", and what they tell of their inputs."""
        with open(self.calls_file) as file:
            return file.read().splitlines()

    def alarm(self, rings):
        """Wakes whoever sleeps, until it does not ring any more."""
        if rings:
            open(self.calls_file + ".alarm", "w").close()
        else:
            os.unlink(self.calls_file + ".alarm")

    def hold(self, part):
        """Requests with this in their path are answered only after None was given here; whoever waits is told by held()."""
        if part is None:
            os.unlink(self.calls_file + ".hold")
            return
        with open(self.calls_file + ".hold.new", "w") as file:
            file.write(part)
        os.rename(self.calls_file + ".hold.new", self.calls_file + ".hold")

    def held(self):
        return [line for line in self.calls() if line.startswith("held ")]

    def waiting(self):
        """How many wait in its queue."""
        with urllib.request.urlopen(f"{self.url}{'/gradio_api' if self.release in ('5', '6') else ''}/queue/status", timeout=60) as answer:
            return json.load(answer)["queue_size"]

    def stop(self, hard=False):
        if self.process:
            (self.process.kill if hard else self.process.terminate)()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def restart(self):
        return self.start().wait()

    def __enter__(self):
        return self.restart()

    def __exit__(self, *_):
        self.stop(hard=True)
        self.folder.cleanup()


@contextlib.contextmanager
def all_kitchens(name, *arguments):
    """One of each release, started side by side: {release: kitchen}, each with an id for the backend that it will be."""
    kitchens = {release: Kitchen(release, *arguments) for release in RELEASES}
    try:
        for release, kitchen in kitchens.items():
            kitchen.id = f"{name}-{release}"
            kitchen.start()
        for kitchen in kitchens.values():
            kitchen.wait()
        yield kitchens
    finally:
        for kitchen in kitchens.values():
            kitchen.__exit__()


# ---- with a Function Runner ----

def png(width, height, color=(200, 40, 90)):
    """Left half of that colour, right half black."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    row = b"\0" + bytes(color) * (width // 2) + b"\0\0\0" * (width - width // 2)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))


def draft(kitchen, function, *arguments, **environment):
    """What `fnr template import-gradio` prints, parsed."""
    result = subprocess.run([FNR, "template", "import-gradio", kitchen.url, *(["--api", function] if function else []), *arguments],
                            capture_output=True, text=True, env=dict(os.environ, **environment))
    assert result.returncode == 0, result.stderr
    return yaml.safe_load(result.stdout)


class Restaurant:
    """A Function Runner with kitchens as backends; templates are imported when they are first asked for."""

    def __init__(self, fnr, kitchens, *options):      # options: of `fnr template import-gradio`
        self.fnr, self.kitchens, self.known, self.options = fnr, kitchens, {}, options

    def add(self, release, **members):
        kitchen = self.kitchens[release]
        answer = self.fnr.post(BACKENDS, {"id": kitchen.id, "type": "gradio", "url": kitchen.url, "concurrency": 8, **members})
        assert answer.status == 201, answer.data

    def template(self, release, function, **changes):
        key = f"{function}_{self.kitchens[release].id}" + "".join(f"_{zlib.crc32(repr(changes).encode()):08x}" for _ in range(bool(changes)))
        if key not in self.known:
            login = ["--username", "cook"] if "--auth" in self.kitchens[release].arguments else []
            definition = draft(self.kitchens[release], function, *login, *self.options, FNR_BACKEND_PASSWORD="sesame")
            definition.update({"id": key.lower(), "retry": {"max_attempts": 1}, "timeout_s": 400})
            definition["backend"]["backends"] = [self.kitchens[release].id]
            for member, value in changes.items():
                definition[member] = {**definition[member], **value} if member in ("backend", "outputs", "inputs") else value
            self.known[key] = self.teach(definition)
        return self.known[key]

    def teach(self, definition):
        answer = self.fnr.post("/api/v1/templates", definition)
        assert answer.status == 201, answer.data
        return definition["id"]

    def submit(self, release, function, inputs=None, changes=None, **members):
        return self.fnr.submit(self.template(release, function, **(changes or {})), inputs, **members)["id"]

    def run(self, release, function, inputs=None, changes=None, **members):
        return self.fnr.wait(self.submit(release, function, inputs, changes, **members))

    def upload(self, data, name, media_type):
        body = (f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {media_type}\r\n\r\n'.encode() +
                data + b"\r\n--edge--\r\n")
        answer = self.fnr.post("/api/v1/uploads", body, headers={"Content-Type": "multipart/form-data; boundary=edge"})
        assert answer.status == 201, answer.data
        return f"upload:{answer.json['id']}"

    def output(self, job, name):
        answer = self.fnr.get(f"/api/v1/jobs/{job['id']}/outputs/{name}")
        assert answer.status == 200, answer.data
        return answer.data

    def log(self, job):
        return [line["text"] for line in self.fnr.get(f"/api/v1/jobs/{job['id']}/log").json["items"]]

    def progress(self, submit):
        """The job that submit() makes, and all that is told of its progress, from the first moment on."""
        before = self.fnr.newest()
        id = submit()
        with self.fnr.stream(f"/api/v1/jobs/{id}/events", last_id=before) as stream:
            return id, [event.data["progress"] for event in stream if event.name == "job.progress"]


def begun(kitchen, name, count=1):
    until(lambda: kitchen.calls().count(f"begin {name}") >= count, f"{name} has begun")


def all_is_well(job):
    assert job["state"] == "completed", job["error"]
    return job


if __name__ == "__main__":      # kitchen.py RELEASE [ARGUMENT…]: one to play with
    with Kitchen(*sys.argv[1:]) as kitchen:
        print(kitchen.url, flush=True)
        kitchen.process.wait()
