"""ComfyUI servers for tests: comfyui_standin.py as a process that is started, steered, looked at and killed."""

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time

from system import free_port, pauses

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "comfyui_standin.py")


class Comfyui:
    """One stand-in. Its files stay over a restart; what it had in memory does not."""

    def __init__(self, *options, port=None, **controls):
        self.port, self.options, self.controls = port or free_port(), options, controls
        self.folder = tempfile.mkdtemp(prefix="comfyui-")
        self.process = None

    @property
    def url(self):
        return f"{'https' if '--tls' in self.options else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        command = [sys.executable, "-B", PROGRAM, "--port", str(self.port), "--folder", self.folder, *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening"), f"the stand-in did not start: {line!r}"
        if self.controls:
            self.set(**self.controls)
        return self

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def restart(self):
        self.kill()
        return self.start()

    def ask(self, method, path, body=None):
        if "--tls" in self.options:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=120, context=ssl._create_unverified_context())
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data[:1] in (b"{", b"[") else data
        finally:
            connection.close()

    def set(self, **controls):
        status, text = self.ask("PUT", "/standin", controls)
        assert status == 200, text

    def reset(self):
        """As it was when it was started: what it holds, and how it behaves."""
        status, text = self.ask("POST", "/standin/reset")
        assert status == 200, text

    def seen(self):
        return self.ask("GET", "/standin")[1]

    def wait(self, condition, seconds=240):
        """Until condition(seen) is true; gives what was seen then."""
        deadline = time.monotonic() + seconds
        for pause in pauses(0.02):
            seen = self.seen()
            if condition(seen):
                return seen
            assert time.monotonic() < deadline, {name: value for name, value in seen.items() if name not in ("requests", "socket_headers", "prompts")}
            time.sleep(pause)

    def wait_held(self, phase):
        return self.wait(lambda seen: seen["held"] == phase)

    def requests(self, path):
        return [request for request in self.seen()["requests"] if request[1].startswith(path)]
