"""A whole Function Runner for a test: `fnr serve` from an installation, in a data directory of its own.

FNR_PREFIX names the installation (default build/test-inst). Everything goes through nginx, as a client's request does.
"""

import http.client
import io
import json
import os
import re
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREFIX = os.environ.get("FNR_PREFIX", os.path.join(ROOT, "build", "test-inst"))
FNR = os.path.join(PREFIX, "bin", "fnr")
TERMINAL = {"completed", "failed", "cancelled", "expired"}


STARTED = []  # every System that was started, for conftest.py
CLAIMS = []   # on ports, as long as this process runs
# With sanitizers, the 64 handlers that there are by default cost most of what a start and a stop take.
FEW_HANDLERS = {"FNR_API_HANDLERS": "8"}


def pauses(first=0.05, longest=0.2):
    """How long to sleep between looks at something that is waited for: longer and longer, as each look takes time from it."""
    while True:
        yield first
        first = min(longest, first * 1.1)


def free_port():
    """Below those that the kernel gives to clients, and claimed from other tests that run now: nobody can take it before the server does."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0function-runner-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            CLAIMS.append(claim)
            return port
        except OSError:
            claim.close()


def made(job):
    """The outputs of a job as they were filed, without thumbnails and what is measured of them, which comes later."""
    return [{name: output[name] for name in ("name", "url", "path", "media_type", "bytes", "sha256")} for output in job["outputs"]]


def write_whole(path, text):
    """Whoever watches the folder never sees half of it."""
    part = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}~")
    with open(part, "w") as file:
        file.write(text)
    os.replace(part, path)


class Answer:
    def __init__(self, status, headers, data):
        self.status, self.headers, self.data = status, headers, data

    @property
    def json(self):
        return json.loads(self.data)


PROBLEM_MEMBERS = {
    "type", "title", "status", "detail", "code", "request_id", "message", "suggestion", "action", "errors",
}


def assert_problem(answer, status, code=None, *words):
    """The answer is a whole problem document of that status (or one of them); its text has all the words."""
    wanted = {status} if isinstance(status, int) else set(status)
    assert answer.status in wanted, (answer.status, answer.data[:2000])
    assert answer.headers.get("Content-Type") == "application/problem+json", (answer.headers.items(), answer.data[:200])
    assert answer.headers.get("X-Content-Type-Options") == "nosniff"
    problem = answer.json
    assert PROBLEM_MEMBERS <= set(problem) <= PROBLEM_MEMBERS | {"instance"}, problem
    assert problem["status"] == answer.status
    assert problem["type"].endswith("/problems/" + problem["code"])
    assert problem["title"] and problem["detail"] and problem["message"]
    assert problem["request_id"]
    assert code is None or problem["code"] == code, problem
    for entry in problem["errors"]:
        assert set(entry) == {"pointer", "rule", "message", "fix"}, entry
        assert entry["pointer"] == "" or entry["pointer"].startswith("/"), entry
        assert entry["rule"] and entry["message"], entry
    if answer.status == 401:
        assert "Bearer" in answer.headers["WWW-Authenticate"]
    if answer.status == 405:
        assert answer.headers["Allow"]
    if answer.status in (429, 503):
        assert int(answer.headers["Retry-After"]) > 0
    text = json.dumps(problem, ensure_ascii=False)
    for word in words:
        assert str(word) in text, (word, problem)
    return problem


class ReplySocket:
    """What http.client wants of a socket, around bytes that were received."""

    def __init__(self, data):
        self.data = data

    def makefile(self, *_):
        return io.BytesIO(self.data)


def is_whole(data):
    """Are these bytes a whole answer, as far as one can tell without reading to the end of the connection? Of a stream, its head."""
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
    if b"\r\ncontent-type: text/event-stream" in head.lower():
        return bool(end)
    return bool(end) and length is not None and len(body) >= int(length.group(1))


def parse_answer(data, method="GET"):
    """The first HTTP answer in the bytes; None if there is none."""
    if not data:
        return None
    response = http.client.HTTPResponse(ReplySocket(data), method=method)
    try:
        response.begin()
        return Answer(response.status, response.headers, response.read())
    finally:
        response.close()


class Event:
    def __init__(self, id, name, data):
        self.id, self.name, self.data = id, name, data

    def __repr__(self):
        return f"<{self.id} {self.name}>"


class Stream:
    """A Server-Sent Events stream; iterate over its events. `status` and `headers` are there at once."""

    def __init__(self, system, path, last_id=None, timeout=60, port=None, key=None, limit=240):
        self.end = time.monotonic() + limit
        self.connection = http.client.HTTPConnection("127.0.0.1", port or system.port, timeout=timeout)
        headers = {"Authorization": "Bearer " + (key or system.key), "Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self.connection.request("GET", path, headers=headers)
        self.socket = self.connection.sock     # the connection forgets it when the answer ends with it
        self.response = self.connection.getresponse()
        self.status, self.headers = self.response.status, self.response.headers

    def __iter__(self):
        fields = {}
        while True:
            line = self.response.readline()
            if not line:
                return
            assert time.monotonic() < self.end, "the stream goes on for too long"
            line = line.decode().rstrip("\r\n")
            if line == "":
                if "data" in fields:
                    yield Event(int(fields["id"]) if "id" in fields else None, fields.get("event"), json.loads(fields["data"]))
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(":")
                fields[name] = value[1:] if value.startswith(" ") else value

    def close(self):
        self.connection.close()

    def cut(self):
        """Whoever reads it, in another thread, comes to its end."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class System:
    """Starts on entering, stops on leaving a `with`; `restart` keeps the data directory. It has few handlers unless its configuration
    says how many."""

    def __init__(self, config="", data=None, arguments=(), environment=None, before_start=None):
        self.data = data or tempfile.mkdtemp(prefix="fnr-test-")
        self.own_data = data is None
        self.arguments = list(arguments)
        self.environment = {**os.environ, **({} if "handlers" in config else FEW_HANDLERS), **(environment or {})}
        self.port = free_port()
        self.process = None
        if config:
            with open(os.path.join(self.data, "config.yaml"), "w") as file:
                file.write(config)
        if before_start:
            before_start(self)

    # -- life --

    def start(self):
        STARTED.append(self)
        self.log = open(os.path.join(self.data, "test.log"), "ab")
        self.process = subprocess.Popen(
            [FNR, "serve", "--data", self.data, "--port", str(self.port), *self.arguments],
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, env=self.environment,
        )
        line = self.process.stdout.readline().decode()
        assert line.strip() == f"ready http://127.0.0.1:{self.port}/", f"{line!r}\n{self.log_text()[-4000:]}"
        if os.path.exists(os.path.join(self.data, "admin.key")):
            with open(os.path.join(self.data, "admin.key")) as file:
                self.key = file.read().strip()
        else:
            self.key = ""
        return self

    def stop(self, timeout=240):
        """SIGTERM; everything must be gone within the grace, with exit status 0 and a green check."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=timeout) == 0, self.log_text()[-4000:]
        self.process.stdout.close()
        self.process = None
        self.log.close()
        assert self.pids() == {}, self.pids()
        self.check()

    def kill_all(self):
        """SIGKILL to every process at once, as a machine that loses its power would: first the one that would start others again."""
        pids = [self.process.pid] + [pid for group in self.pids().values() for pid in group]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        self.log.close()

    def check(self):
        result = subprocess.run([FNR, "check", "--data", self.data], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            if self.process:
                self.process.kill()
            raise

    def __exit__(self, kind, *_):
        try:
            if self.process and kind is None:
                self.stop()
            if self.own_data and kind is None:      # else somebody will want to look at it
                shutil.rmtree(self.data, ignore_errors=True)
        finally:
            if self.process:
                self.process.kill()
                self.process.wait()
                self.process.stdout.close()

    def log_text(self):
        with open(os.path.join(self.data, "test.log"), errors="replace") as file:
            return file.read()

    def pids(self):
        """{process name: [pid, …]} of everything that belongs to this data directory, but `fnr serve` itself."""
        data = os.path.realpath(self.data)
        marks = {f"FNR_SERVE={data}".encode(), f"FNR_DATA={data}".encode()}  # programs; scripts and what they leave
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if not marks & set(file.read().split(b"\0")):
                        continue
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    name = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
                with open(f"/proc/{pid}/stat") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                        continue
            except OSError:
                continue
            found.setdefault(name, []).append(int(pid))
        return found

    def pids_of(self, word):
        """Processes whose title has the word: "fnr-manager", "committer", "worker", "nginx", …"""
        return sorted(pid for name, pids in self.pids().items() if word in name for pid in pids)

    def pid_of(self, word):
        """The only one; what was forked by it just now has its title for a moment too."""
        end = time.monotonic() + 120
        while len(pids := self.pids_of(word)) != 1:
            assert time.monotonic() < end, self.pids()
            time.sleep(0.05)
        return pids[0]

    # -- requests --

    def request(self, method, path, body=None, headers=None, key=None, timeout=120, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        all_headers = {"Authorization": "Bearer " + (key or self.key)}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            all_headers["Content-Type"] = "application/json"
        all_headers.update(headers or {})
        all_headers = {name: value for name, value in all_headers.items() if value is not None}
        try:
            connection.request(method, path, body=body, headers=all_headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def send_raw(self, data, timeout=60, cut=False):
        """Sends bytes as they are. With `cut` the connection is closed at once; else what comes back until there is a whole
        answer, the server closes it, or says nothing for so long."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            try:
                connection.sendall(data)
                while not cut and not is_whole(answer):
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    answer += piece
            except (BrokenPipeError, ConnectionResetError, socket.timeout):
                pass
        return answer

    def raw(self, head, body=b"", timeout=60):
        """One request whose head is given line by line, without Host, key and length where it gives them itself."""
        lines = head.encode("latin-1", "surrogateescape").split(b"\n") if isinstance(head, str) else head.split(b"\n")
        names = {line.split(b":")[0].strip().lower() for line in lines[1:]}
        defaults = {b"host": b"127.0.0.1:%d" % self.port, b"authorization": b"Bearer " + self.key.encode(), b"connection": b"close"}
        if body and b"transfer-encoding" not in names:
            defaults[b"content-length"] = b"%d" % len(body)
        lines += [name + b": " + value for name, value in defaults.items() if name not in names]
        return parse_answer(self.send_raw(b"\r\n".join(lines) + b"\r\n\r\n" + body, timeout), lines[0].split(b" ")[0].decode("latin-1"))

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def submit(self, template="noop", inputs=None, **members):
        answer = self.post("/api/v1/jobs", {"template": template, "inputs": inputs or {}, **members})
        assert answer.status == 202, (answer.status, answer.data)
        return answer.json

    def wait(self, id, timeout=120):
        """Polls until the job has finished; its final form."""
        end = time.monotonic() + timeout
        for pause in pauses():
            answer = self.get(f"/api/v1/jobs/{id}")
            assert answer.status == 200, (answer.status, answer.data)
            if answer.json["state"] in TERMINAL:
                return answer.json
            assert time.monotonic() < end, answer.json
            time.sleep(pause)

    def run(self, template="noop", inputs=None, **members):
        return self.wait(self.submit(template, inputs, **members)["id"])

    def stream(self, path, **options):
        return Stream(self, path, **options)

    def newest(self):
        """The number of the newest event: a stream with this as its last_id gets everything that happens from now on."""
        with self.stream("/api/v1/events") as stream:
            return next(iter(stream)).id

    def add_script(self, name, text, /, **template):
        """A template around an executable script in DATA/templates/<name>/; it is known soon after."""
        folder = os.path.join(self.data, "templates", name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "script"), "w") as file:
            file.write(text)
        os.chmod(os.path.join(folder, "script"), 0o755)
        definition = {
            "id": name, "version": "1.0.0", "name": name, "description": "For a test.", "category": "generic",
            "inputs": {}, "outputs": {"file": {"type": "file"}}, "backend": {"type": "script", "command": ["script"]}, **template,
        }
        write_whole(os.path.join(folder, name + ".json"), json.dumps(definition))
