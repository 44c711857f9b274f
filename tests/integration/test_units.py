"""The systemd units: the programs started one by one, as their ExecStart lines say, with a socket that hears sd_notify."""

import glob
import http.client
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from system import FNR, PREFIX, System, free_port

UNITS = os.path.join(PREFIX, "lib", "systemd", "system")
NAMES = ["fnr-nginx", "fnr-events", "fnr-manager", "fnr-api"]   # not in the order in which they need each other
PLACE = "/var/lib/function-runner"


def lines(unit, name):
    with open(os.path.join(UNITS, unit + ".service")) as file:
        return re.findall(rf"^{name}=(.*)$", file.read(), re.M)


class Unit:
    """One service: starts again when it dies, as Restart= does; what it tells systemd is in `told`."""

    def __init__(self, name, system):
        self.name, self.system, self.told, self.process = name, system, [], None
        path = os.path.join(system.data, name + ".notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(0.1)
        self.environment = {**os.environ, "NOTIFY_SOCKET": path}
        if lines(name, "WatchdogSec"):
            self.environment["WATCHDOG_USEC"] = "3000000"
        self.ending = False
        self.thread = threading.Thread(target=self.look_after)
        self.thread.start()

    def command(self, line):
        return shlex.split(line.replace(PLACE, self.system.data).replace("--port 8080", f"--port {self.system.port}"))

    def start(self):
        for line in lines(self.name, "ExecStartPre"):
            subprocess.run(self.command(line), check=True, stdout=subprocess.DEVNULL)
        place = [line.replace(PLACE, self.system.data) for line in lines(self.name, "WorkingDirectory")] or ["/"]
        self.process = subprocess.Popen(self.command(lines(self.name, "ExecStart")[0]), env=self.environment, stderr=self.system.log,
                                        stdin=subprocess.DEVNULL, start_new_session=True, cwd=place[0])

    def end_the_rest(self):
        """As KillMode=mixed does with what the main process leaves."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (AttributeError, ProcessLookupError):
            pass

    def look_after(self):
        while not self.ending:
            if self.process is None or self.process.poll() is not None:
                self.end_the_rest()
                self.start()
            try:
                self.told.append((self.process.pid, self.socket.recv(4096).decode()))
            except TimeoutError:
                pass

    def stop(self):
        self.ending = True
        self.thread.join()
        self.process.send_signal(signal.SIGQUIT if lines(self.name, "KillSignal") else signal.SIGTERM)
        status = self.process.wait(timeout=240)
        self.socket.close()
        return status


def until(done, seconds=120, what=lambda: "it did not come about"):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


@pytest.fixture
def system():
    with tempfile.TemporaryDirectory(prefix="fnr-test-") as data:
        system = System(data=data)
        system.log = open(os.path.join(data, "test.log"), "ab")
        system.units = [Unit(name, system) for name in NAMES]
        try:
            until(lambda: os.path.exists(os.path.join(data, "admin.key")))
            with open(os.path.join(data, "admin.key")) as file:
                system.key = file.read().strip()
            until(lambda: ready(system), what=lambda: system.get("/readyz").data + system.log_text()[-3000:].encode())
            yield system
        finally:
            statuses = [unit.stop() for unit in system.units if not unit.ending]
            system.log.close()
        assert statuses == [0] * len(statuses), system.log_text()[-3000:]
        assert system.pids() == {}
        system.check()


def ready(system):
    try:
        return system.get("/readyz").status == 200
    except OSError:
        return False


def test_one_by_one(system):
    """In any order; each tells when it is ready; a job runs; what is killed comes again and nothing is lost."""
    by_name = {unit.name: unit for unit in system.units}
    for name in ("fnr-manager", "fnr-events", "fnr-api"):
        until(lambda: [text for _, text in by_name[name].told if text == "READY=1"])
    assert system.run()["state"] == "completed"
    for unit in system.units:
        before = unit.process.pid
        unit.process.kill()
        until(lambda: unit.process.pid != before and ready(system))
        job = system.run("create_title_card", {"text": unit.name}, quality="draft", project="units")
        assert job["state"] == "completed" and job["take"], job
    for name in ("fnr-manager", "fnr-events"):
        unit = by_name[name]
        until(lambda: (unit.process.pid, "WATCHDOG=1") in [(unit.process.pid, text) for _, text in unit.told[-2:]])


def test_fnr_serve_beside_them_is_refused(system):
    """… before it ends what it takes for scripts of an earlier start: they are those of the manager that works here."""
    system.add_script("slow", "#!/bin/sh\nprintf '{\"progress\":0.5,\"message\":\"Begun.\"}\\n'\nsleep 8\necho x >f\necho '{\"output\":\"file\",\"path\":\"f\"}'\n")
    until(lambda: system.get("/api/v1/templates/slow").status == 200)
    id = system.submit("slow")["id"]
    until(lambda: system.get(f"/api/v1/jobs/{id}").json["progress"]["message"] == "Begun.")
    result = subprocess.run([FNR, "serve", "--data", system.data, "--port", str(free_port())], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "fnr-manager" in result.stderr and "works on the data directory" in result.stderr, result.stderr
    job = system.wait(id)
    assert (job["state"], job["attempt"]) == ("completed", 1), job


def test_a_hung_program_is_silent(system):
    """The watchdog notices by that: no sign of life from one that is stopped."""
    unit = next(unit for unit in system.units if unit.name == "fnr-manager")
    until(lambda: unit.told.count((unit.process.pid, "WATCHDOG=1")) > 1)
    unit.process.send_signal(signal.SIGSTOP)
    time.sleep(2)
    count = len(unit.told)
    time.sleep(2.5)
    assert len(unit.told) == count
    unit.process.send_signal(signal.SIGCONT)
    until(lambda: len(unit.told) > count)


def test_reload_writes_the_configuration_of_nginx_anew(system):
    with open(os.path.join(system.data, "config.yaml"), "w") as file:
        file.write("api: {max_body: 65536}\n")
    unit = next(unit for unit in system.units if unit.name == "fnr-nginx")
    before = unit.process.pid
    for line in lines("fnr-nginx", "ExecReload"):
        subprocess.run(unit.command(line.replace("$MAINPID", str(unit.process.pid))), check=True, stdout=subprocess.DEVNULL)

    def too_long():   # only announced: what is not read would reset the connection
        connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=5)
        connection.putrequest("POST", "/api/v1/jobs")
        connection.putheader("Content-Length", "100000")
        connection.endheaders()
        try:
            return connection.getresponse().status == 413
        except TimeoutError:   # it waits for the rest
            return False
        finally:
            connection.close()

    until(too_long)
    assert unit.process.pid == before and unit.process.poll() is None


def test_systemd_finds_nothing_wrong():
    files = sorted(glob.glob(os.path.join(UNITS, "*")))
    assert len(files) == 6
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True)
    assert result.returncode == 0 and not [line for line in result.stderr.splitlines() if UNITS in line], result.stderr


def test_all_in_one_tells_systemd(tmp_path):
    """function-runner.service: fnr serve says READY=1 when everything answers, and only it speaks."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(path)
        heard.settimeout(120)
        with System(environment={"NOTIFY_SOCKET": path}) as system:
            assert heard.recv(4096) == b"READY=1"
            system.stop()
            assert heard.recv(4096) == b"STOPPING=1"
            heard.settimeout(0.2)
            with pytest.raises(TimeoutError):
                heard.recv(4096)
            system.start()
