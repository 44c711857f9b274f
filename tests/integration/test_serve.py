"""`fnr serve`, and the command line: what it prints, what it returns, what it leaves behind."""

import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from crash import add_functions, living, until
from system import FNR, PREFIX, System, free_port, made

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (debug|info|warn|error) [a-z]+ .")


def run(*arguments, timeout=240, **options):
    return subprocess.run([FNR, *arguments], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **options)


@pytest.fixture(scope="module")
def system():
    system = System("workers: {min: 2, max: 4}\nstop: {grace: 3}\n")
    add_functions(system)
    with system:
        yield system


@pytest.fixture
def fnr(system):
    """The command line as a user of the same machine has it: it finds the server and the key by the data directory."""
    return lambda *arguments, **options: run(*arguments, "--data", system.data, **options)


# ---- starting ----


def test_one_ready_line():
    """On standard output there is one line, when everything answers; and nothing else, ever."""
    system = System()
    process = subprocess.Popen([FNR, "serve", "--data", system.data, "--port", str(system.port)], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout.readline() == f"ready http://127.0.0.1:{system.port}/\n"
        with open(os.path.join(system.data, "admin.key")) as file:
            system.key = file.read().strip()
        assert system.get("/readyz").status == 200
        answer = system.post("/api/v1/jobs", {"template": "noop", "inputs": {}}, headers={"Prefer": "wait=120"})
        assert answer.status == 200 and answer.json["state"] == "completed"
    finally:
        process.terminate()
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()
    assert process.returncode == 0 and rest == ""
    shutil.rmtree(system.data)


def test_the_second_start_is_refused(system):
    """On the same data directory, whatever its port; the first one does not care."""
    for port in (system.port, free_port()):
        result = run("serve", "--data", system.data, "--port", str(port))
        assert result.returncode == 1 and result.stdout == "", result
        assert system.data in result.stderr and str(system.process.pid) in result.stderr, result.stderr
    assert system.run()["state"] == "completed"


def test_a_port_in_use_is_named():
    with socket.socket() as other, tempfile.TemporaryDirectory() as data:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run("serve", "--data", data, "--port", str(port))
        assert result.returncode == 1 and result.stdout == "" and str(port) in result.stderr and "--port" in result.stderr, result
        assert "use" in result.stderr, result.stderr
        mark = f"FNR_DATA={os.path.realpath(data)}".encode()
        assert not processes_with(mark), "it leaves processes behind"


def processes_with(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return living(found)


@pytest.mark.parametrize("config, word", [
    ("workers: {maximum: 3}", "workers.max"), ("workers: {max: -1}", "workers.max"), ("nonsense", "config.yaml"), ("a: [", "config.yaml"),
])
def test_a_bad_configuration_is_reported(config, word):
    with tempfile.TemporaryDirectory() as data:
        with open(os.path.join(data, "config.yaml"), "w") as file:
            file.write(config)
        result = run("serve", "--data", data, "--port", str(free_port()))
        assert result.returncode == 1 and result.stdout == "" and word in result.stderr, result


def test_a_data_directory_that_cannot_be():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "w") as file:
            file.write("I am no folder.")
        result = run("serve", "--data", path, "--port", str(free_port()))
        assert result.returncode == 1 and result.stdout == "" and path in result.stderr, result


def test_a_port_that_cannot_be():
    for port in ("0x", "-1", "65536", "http"):
        result = run("serve", "--data", "/nonexistent/fnr", "--port", port)
        assert result.returncode == 2 and "port" in result.stderr, result


def test_what_a_killed_nginx_left_goes():
    system = System()
    folder = os.path.join(system.data, "run", "nginx", "body")
    os.makedirs(folder)
    with open(os.path.join(folder, "0000000001"), "w") as file:
        file.write("half a request")
    with system:
        assert os.listdir(folder) == []


def test_it_replaces_itself_after_kill_9():
    """Starts again at once, on the same port, over whatever is left; nothing of the old one stays."""
    with System("stop: {grace: 2}\n") as system:
        id = system.run()["id"]
        for _ in range(2):
            old = [system.process.pid] + [pid for pids in system.pids().values() for pid in pids]
            os.kill(system.process.pid, signal.SIGKILL)
            system.process.wait()
            system.process.stdout.close()
            system.start()   # at once
            until(lambda: not living(old), lambda: f"these of the old one still run: {living(old)}")
            assert system.get(f"/api/v1/jobs/{id}").json["state"] == "completed"
            assert system.run()["state"] == "completed"


def test_a_lock_that_outlives_its_holder():
    """One that was killed while it started a program leaves its lock to that child for a moment."""
    with System() as system:
        system.stop()
        dead = subprocess.Popen(["true"])
        dead.wait()
        with open(os.path.join(system.data, "run", "serve.lock"), "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write(f"{dead.pid}\n")
            lock.truncate()
            lock.flush()
            threading.Timer(1, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
            system.start()
        assert system.run()["state"] == "completed"


def test_everything_ends_with_fnr_serve():
    """Nobody starts it again: nothing of it may stay, and its port is free."""
    with System("stop: {grace: 1}\n") as system:
        system.submit(metadata={"noop": {"duration_ms": 60000}})
        os.kill(system.process.pid, signal.SIGKILL)
        system.process.wait()
        until(lambda: not system.pids(), lambda: f"these outlive it: {system.pids()}")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", system.port)) != 0
        system.process.stdout.close()
        system.check()
        system.start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping(number):
    """Both end it in good order, within the grace, with exit status 0."""
    with System("stop: {grace: 60}\n") as system:
        id = system.submit(metadata={"noop": {"duration_ms": 3000}})["id"]
        until(lambda: system.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it does not run")
        system.process.send_signal(number)
        assert system.process.wait(timeout=240) == 0
        system.process.stdout.close()
        assert system.pids() == {}
        system.start()
        job = system.get(f"/api/v1/jobs/{id}").json
        assert job["state"] == "completed" and job["attempt"] == 1, "what runs may finish"


def test_ctrl_c_of_a_terminal():
    """A terminal sends the signal to every process of its group; that must do no more than one to `fnr serve` alone."""
    system = System("stop: {grace: 60}\n")
    with open(os.path.join(system.data, "test.log"), "ab") as log:
        system.log = log
        system.process = subprocess.Popen([FNR, "serve", "--data", system.data, "--port", str(system.port)], stdout=subprocess.PIPE,
                                          stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        assert system.process.stdout.readline().startswith(b"ready")
        with open(os.path.join(system.data, "admin.key")) as file:
            system.key = file.read().strip()
        id = system.submit(metadata={"noop": {"duration_ms": 1500}})["id"]
        until(lambda: system.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it does not run")
        os.killpg(system.process.pid, signal.SIGINT)
        assert system.process.wait(timeout=240) == 0, system.log_text()[-2000:]
        system.process.stdout.close()
    assert system.pids() == {}
    system.check()
    with system:
        pass


def test_a_second_signal_hurries():
    """What still runs goes back to the queue at once, whatever the grace."""
    with System("stop: {grace: 600}\n") as system:
        id = system.submit(metadata={"noop": {"duration_ms": 120000}})["id"]
        until(lambda: system.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it does not run")
        system.process.terminate()
        time.sleep(1)
        assert system.process.poll() is None, "it does not wait for the job"
        system.process.terminate()
        assert system.process.wait(timeout=240) == 0
        system.process.stdout.close()
        assert system.pids() == {}
        system.check()
        system.start()
        until(lambda: system.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it does not run again")
        assert system.post(f"/api/v1/jobs/{id}/cancel").status == 202
        assert system.wait(id)["state"] == "cancelled"


# ---- where it lives ----


def test_another_prefix():
    """A copy of the installation somewhere else works, whatever the old one has become."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "some where", "inst")
        shutil.copytree(PREFIX, prefix, symlinks=True)
        system = System()
        process = subprocess.Popen([os.path.join(prefix, "bin", "fnr"), "serve", "--data", system.data, "--port", str(system.port)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=staged(prefix))
        try:
            line = process.stdout.readline()
            assert line.startswith("ready"), process.stderr.read() if process.poll() is not None else line
            with open(os.path.join(system.data, "admin.key")) as file:
                system.key = file.read().strip()
            used = {os.readlink(f"/proc/{pid}/exe") for word in ("fnr-manager", "fnr-events", "committer") for pid in system.pids_of(word)}
            assert used and all(path.startswith(prefix) for path in used), used
            job = system.run("create_title_card", {"text": "Elsewhere"}, quality="draft")
            assert job["state"] == "completed", job
        finally:
            process.terminate()
            process.communicate(timeout=240)
        assert process.returncode == 0
        shutil.rmtree(system.data)


def staged(prefix):
    """The environment that names a staged installation, as for `make DESTDIR=…`."""
    libexec = next(path for path, _, files in os.walk(os.path.join(prefix)) if "fnr-manager" in files)
    share = next(path for path, folders, _ in os.walk(os.path.join(prefix, "share")) if "templates" in folders)
    return dict(os.environ, FNR_LIBEXEC=libexec, FNR_SHARE=share)


def everything(data):
    """(path, status) of all that lies there; what goes meanwhile, as the system is running, is none of it."""
    for path, folders, files in os.walk(data):
        for name in folders + files:
            try:
                yield os.path.join(path, name), os.lstat(os.path.join(path, name))
            except FileNotFoundError:
                pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_another_user():
    """Everything, nginx included, runs as the owner of the data directory."""
    nobody = pwd.getpwnam("nobody")
    folder = tempfile.mkdtemp(prefix="fnr-nobody-")
    data = os.path.join(folder, "data")
    os.mkdir(data)
    os.chmod(folder, 0o755)
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    system = System(data=data)
    process = subprocess.Popen(
        ["setpriv", "--reuid", "nobody", "--regid", str(nobody.pw_gid), "--clear-groups", FNR, "serve", "--data", data, "--port",
         str(system.port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env=dict(os.environ, HOME="/nonexistent"))
    try:
        line = process.stdout.readline()
        assert line.startswith("ready"), line + process.stderr.read()
        with open(os.path.join(data, "admin.key")) as file:
            system.key = file.read().strip()
        for pid in [pid for pids in system.pids().values() for pid in pids]:
            with contextlib.suppress(OSError):      # it has ended meanwhile
                assert os.stat(f"/proc/{pid}").st_uid == nobody.pw_uid, system.pids()
        job = system.run("create_title_card", {"text": "Nobody"}, quality="draft", project="p")
        assert job["state"] == "completed", job
        upload = system.post("/api/v1/uploads", b"hello", headers={"Content-Type": "text/plain"})
        assert upload.status == 201, upload.data
        for path, status in everything(data):
            assert status.st_uid == nobody.pw_uid, path
    finally:
        process.terminate()
        process.communicate(timeout=240)
    assert process.returncode == 0 and system.pids() == {}
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else, for whom the limit holds")
def test_no_process_can_be_started():
    """A program that died is started again when that is possible; until then the others work on."""
    nobody = pwd.getpwnam("nobody")
    folder = tempfile.mkdtemp(prefix="fnr-nobody-")
    data = os.path.join(folder, "data")
    os.mkdir(data)
    os.chmod(folder, 0o755)
    os.chown(data, nobody.pw_uid, nobody.pw_gid)
    system = System(data=data)
    process = subprocess.Popen(
        ["setpriv", "--reuid", "nobody", "--regid", str(nobody.pw_gid), "--clear-groups", FNR, "serve", "--data", data, "--port",
         str(system.port), "--log", os.path.join(data, "test.log")], stdout=subprocess.PIPE, text=True, cwd="/", env=dict(os.environ, HOME="/nonexistent"))

    def allow(processes):
        subprocess.run(["setpriv", "--reuid", "nobody", "--regid", str(nobody.pw_gid), "--clear-groups", "prlimit", "--pid", str(process.pid),
                        f"--nproc={processes}:"], check=True)

    try:
        assert process.stdout.readline().startswith("ready")
        with open(os.path.join(data, "admin.key")) as file:
            system.key = file.read().strip()
        allow(0)
        os.kill(system.pids_of("fnr-events")[0], signal.SIGKILL)
        until(lambda: "fnr-events cannot be started at the moment" in system.log_text(), "nothing is said", timeout=60)
        assert process.poll() is None and system.run()["state"] == "completed"
        allow(4000)
        until(lambda: system.pids_of("fnr-events"), "it is not started again")
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own a folder for somebody else")
def test_the_folder_of_somebody_else_is_refused_or_left_to_them():
    """Root would leave files in it that its owner cannot use."""
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as data:
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        result = subprocess.Popen([FNR, "serve", "--data", data, "--port", str(free_port())], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        line = result.stdout.readline()
        if line:
            owners = {os.lstat(os.path.join(data, name)).st_uid for name in os.listdir(data)}
            result.terminate()
            result.communicate(timeout=240)
            assert owners == {nobody.pw_uid}
        else:
            errors = result.communicate(timeout=240)[1]
            assert result.returncode == 1 and data in errors and "nobody" in errors, errors


def test_a_data_directory_with_an_odd_name():
    """Spaces, quotes, and letters of other scripts; deeper than a socket's name may be long; not there yet."""
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "my films", "Ünï «q» {x}; #1 'it''s'", "d" * 90)
        os.makedirs(data)
        with System(data=data) as system:
            job = system.run("create_title_card", {"text": "Odd"}, quality="draft", project="p")
            assert job["state"] == "completed", job
            assert system.get(job["outputs"][0]["url"]).status == 200
            assert system.post("/api/v1/uploads", b"hello", headers={"Content-Type": "text/plain"}).status == 201
            with system.stream(f"/api/v1/jobs/{job['id']}/events") as stream:
                assert next(iter(stream)).name == "snapshot"


def test_a_data_directory_that_is_not_there_yet():
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "new", "deep")
        port = free_port()
        process = subprocess.Popen([FNR, "serve", "--data", data, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        try:
            assert process.stdout.readline().startswith("ready"), process.stderr.read()
        finally:
            process.terminate()
            process.communicate(timeout=240)
        assert process.returncode == 0 and os.path.exists(os.path.join(data, "admin.key"))


def test_a_data_directory_relative_to_here(tmp_path):
    port = free_port()
    process = subprocess.Popen([FNR, "serve", "--data", "here", "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, cwd=tmp_path)
    try:
        assert process.stdout.readline().startswith("ready"), process.stderr.read()
        result = run("run", "noop", "--data", "here", cwd=tmp_path)
        assert result.returncode == 0, result
    finally:
        process.terminate()
        process.communicate(timeout=240)
    assert (tmp_path / "here" / "store").is_dir() and sorted(os.listdir(tmp_path)) == ["here"]


# ---- keys, permissions, logs ----


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_permissions(system):
    """Nobody else of the machine reads the key, the store, inputs or logs."""
    old = os.umask(0)
    try:
        with System() as open_handed:
            open_handed.run("create_title_card", {"text": "Mine"}, quality="draft", project="p")
            assert open_handed.post("/api/v1/uploads", b"hello", headers={"Content-Type": "text/plain"}).status == 201
            data = open_handed.data
            assert mode(os.path.join(data, "admin.key")) == 0o600
            for name in ("store", "journal", "run", "uploads", "blobs"):
                assert mode(os.path.join(data, name)) & 0o077 == 0, name
            for path, status in everything(data):
                assert status.st_mode & 0o022 == 0 or stat.S_ISLNK(status.st_mode) or path.endswith("/test.log"), f"others may write {path}"
    finally:
        os.umask(old)


def test_the_key_stays(system):
    """It is made once; a new one comes when it was removed."""
    with System() as other:
        key = other.key
        other.stop()
        other.start()
        assert other.key == key
        other.stop()
        os.unlink(os.path.join(other.data, "admin.key"))
        other.start()
        assert other.key != key and other.run()["state"] == "completed"
        assert other.get("/api/v1/jobs", key=key).status == 401


def test_no_keys_is_for_development():
    """Without keys it answers without keys; but foreign pages and rebinding names are still refused."""
    with System(arguments=["--no-keys"]) as system:
        nobody = {"Authorization": None}
        answer = system.request("POST", "/api/v1/jobs", {"template": "noop", "inputs": {}}, headers={**nobody, "Prefer": "wait=120"})
        assert answer.status == 200 and answer.json["state"] == "completed"
        assert system.get("/api/v1/jobs", headers={**nobody, "Host": "evil.example"}).status == 403
        assert system.get("/api/v1/jobs", headers={**nobody, "Origin": "http://evil.example"}).status == 403
        assert system.request("POST", "/api/v1/jobs", {"template": "noop", "inputs": {}}, headers={**nobody, "Sec-Fetch-Site": "cross-site"}).status == 403
        with open("/proc/net/tcp") as file:
            listening = [line.split()[1] for line in file if line.split()[3] == "0A"]
        assert f"0100007F:{system.port:04X}" in listening and f"00000000:{system.port:04X}" not in listening


def test_with_keys_nobody_comes_in_without(system):
    assert system.get("/api/v1/jobs", headers={"Authorization": None}).status == 401
    assert system.get("/healthz", headers={"Authorization": None}).status == 200
    assert system.get("/readyz", headers={"Authorization": None}).status == 200


def test_logs():
    """70.6: one line per event, with the ids of job and request; no secrets, no inputs."""
    with System() as system:
        secret = "an input that is nobody's business"
        job = system.run("create_title_card", {"text": secret}, quality="draft")
        failed = system.run(metadata={"noop": {"fail": "permanent"}})
        refused = system.get("/api/v1/jobs", key="fnr_wrong_but_secret_0123456789")
        assert refused.status == 401
        made = system.post("/api/v1/keys", {"name": "k", "scopes": ["read"]})
        run("job", "list", "--data", system.data)
        bad = system.post("/api/v1/jobs", {"template": "nothing", "inputs": {}})
        assert bad.status == 422 and bad.json["request_id"] and bad.headers["X-Request-Id"] == bad.json["request_id"]
        system.process.terminate()
        system.process.wait()
        system.process.stdout.close()
        text = system.log_text()
        lines = text.splitlines()
        wrong = [line for line in lines if not LINE.match(line) and "nginx" not in line and "[" not in line]
        assert wrong == [], wrong[:5]
        assert [line for line in lines if job["id"] in line and "completed" in line]
        assert [line for line in lines if failed["id"] in line and "failed" in line and "noop_failed" in line]
        for word in (system.key, made.json["key"], "wrong_but_secret", secret):
            assert word not in text, word
            for path, _, files in os.walk(os.path.join(system.data, "run")):
                for name in files:
                    if os.path.isfile(os.path.join(path, name)):   # not a socket
                        with open(os.path.join(path, name), errors="replace") as file:
                            assert word not in file.read(), (path, name)
        system.start()


def test_no_secret_in_any_command_line(system):
    for pid in [system.process.pid] + [pid for pids in system.pids().values() for pid in pids]:
        with contextlib.suppress(OSError):      # it has ended meanwhile
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert system.key.encode() not in file.read()


# ---- fnr run ----


def test_run_piped(fnr, system):
    """Plain lines, no escape sequences; the result is named at the end."""
    result = fnr("run", "create_title_card", "-i", "text=Act One", "-q", "draft", "--project", "demo", "--shot", "s010")
    assert result.returncode == 0, result
    assert "\x1b" not in result.stdout and "\r" not in result.stdout
    path = re.search(r"\S*demo/s010/take_001/\S+\.png", result.stdout)
    assert path, result.stdout
    assert os.path.exists(path.group() if os.path.isabs(path.group()) else os.path.join(system.data, "workspace", path.group())), path
    job = system.get("/api/v1/jobs?project=demo").json["items"][0]
    assert (job["state"], job["quality"], job["shot"], job["take"]) == ("completed", "draft", "s010", 1)


def test_run_json(fnr, system):
    """Every line is one JSON object; the last one is the finished job."""
    result = fnr("run", "writer", "-i", "before=0.3", "--json")
    assert result.returncode == 0, result
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) >= 3 and all(isinstance(line, dict) for line in lines)
    assert lines[-1]["state"] == "completed", lines[-1]
    id = lines[-1].get("id") or lines[-1].get("job")
    assert system.get(f"/api/v1/jobs/{id}").json["state"] == "completed"
    assert [line for line in lines if "progress" in line]


def test_run_types(fnr, system):
    """Values take the type that the template asks for."""
    result = fnr("run", "create_title_card", "-i", "text=42", "-i", "subtitle=true", "-q", "low", "--json")
    assert result.returncode == 0, result
    job = system.get("/api/v1/jobs?limit=1").json["items"][0]
    inputs = system.get(f"/api/v1/jobs/{job['id']}").json["inputs"]
    assert inputs == {"text": "42", "subtitle": "true"} and job["quality"] == "draft"


def test_run_upload(fnr, system, tmp_path):
    """`@path` uploads the file and names it in the input."""
    picture = tmp_path / "a b.txt"
    picture.write_text("what I brought")
    system.add_script("copier", COPIER, inputs={"file": {"type": "file", "required": True}},
                      outputs={"copy": {"type": "text", "media_type": "text/plain"}})
    system.process.send_signal(signal.SIGHUP)
    until(lambda: system.get("/api/v1/templates/copier").status == 200, "the new template is not loaded")
    result = fnr("run", "copier", "-i", f"file=@{picture}", "--json")
    assert result.returncode == 0, result
    job = system.get("/api/v1/jobs?template=copier&limit=1").json["items"][0]
    assert system.get(job["outputs"][0]["url"]).data == b"what I brought"
    assert system.get(f"/api/v1/jobs/{job['id']}").json["inputs"]["file"].startswith("upload:")
    result = fnr("run", "copier", "-i", "file=@/nonexistent/file")
    assert result.returncode == 1 and "/nonexistent/file" in result.stderr, result


COPIER = """#!/usr/bin/python3
import json, shutil, sys
request = json.load(sys.stdin)
shutil.copyfile(request["inputs"]["file"], "copy.txt")
print(json.dumps({"output": "copy", "path": "copy.txt"}))
"""


def test_run_fails(fnr):
    """Exit status 1, and words that help."""
    with_error = fnr("run", "stubborn_typo")
    assert with_error.returncode == 1 and "stubborn" in with_error.stderr, with_error
    for arguments, words in {
        ("run", "create_title_car", "-i", "text=x"): ["create_title_card"],
        ("run", "create_title_card", "-i", "txt=x"): ["text"],
        ("run", "create_title_card"): ["text"],
        ("run", "create_title_card", "-i", "text=x", "-q", "best"): ["draft", "standard", "high", "ultra"],
        ("run", "create_title_card", "-i", "text=x", "--project", "../up"): ["project"],
    }.items():
        result = fnr(*arguments)
        assert result.returncode == 1 and result.stdout == "", result
        assert all(word in result.stderr for word in words) and "Traceback" not in result.stderr, result.stderr


def test_a_failing_job(system, fnr):
    system.add_script("doomed", "#!/bin/sh\ncat > x\necho '{\"error\":{\"class\":\"permanent\",\"code\":\"doomed\",\"message\":\"It was doomed.\","
                      "\"suggestion\":\"Give it up.\"}}'\nexit 1\n")
    system.process.send_signal(signal.SIGHUP)
    until(lambda: system.get("/api/v1/templates/doomed").status == 200, "the new template is not loaded")
    result = fnr("run", "doomed")
    assert result.returncode == 1 and "It was doomed." in result.stderr and "Give it up." in result.stderr, result
    result = fnr("run", "doomed", "--json")
    last = json.loads(result.stdout.splitlines()[-1])
    assert result.returncode == 1 and last["state"] == "failed" and last["error"]["code"] == "doomed", last


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_interrupted(system, number):
    """Ctrl-C cancels the job; exit status 130."""
    process = subprocess.Popen([FNR, "run", "writer", "-i", "before=300", "--data", system.data], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    job = until(lambda: (system.get("/api/v1/jobs?template=writer&state=running").json["items"] or [None])[0], "the job does not start")
    process.send_signal(number)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130, (out, err)
    assert system.wait(job["id"])["state"] == "cancelled"
    assert "cancel" in (out + err).lower()


def test_run_on_a_terminal(system):
    """There it draws a bar, over and over in its place."""
    out = on_terminal([FNR, "run", "writer", "-i", "before=1", "--data", system.data])
    assert "%" in out and ("\r" in out.replace("\r\n", "") or "\x1b" in out), out


def on_terminal(command):
    import pty
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], command)
    text = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, text
    os.close(fd)
    return text.decode()


def test_run_without_a_server(tmp_path):
    """It says that nothing answers, and how to start it."""
    result = run("run", "noop", "--data", str(tmp_path))
    assert result.returncode == 1 and "fnr serve" in result.stderr, result


# ---- fnr job ----


def test_job_commands(fnr, system):
    done = system.run("writer", project="cli", shot="a")
    system.run(metadata={"noop": {"fail": "permanent"}})
    result = fnr("job", "list")
    assert result.returncode == 0 and done["id"] in result.stdout and "completed" in result.stdout and "failed" in result.stdout, result
    result = fnr("job", "show", done["id"])
    assert result.returncode == 0 and done["id"] in result.stdout and "take_001" in result.stdout, result
    result = fnr("job", "log", done["id"])
    assert result.returncode == 0, result
    result = fnr("job", "watch", done["id"])
    assert result.returncode == 0 and "take_001" in result.stdout, result


def test_job_json(fnr, system):
    done = system.run("writer", project="cli", shot="b")
    shown = json.loads(fnr("job", "show", done["id"], "--json").stdout)
    assert shown["id"] == done["id"] and made(shown) == made(done)
    listed = [json.loads(line) for line in fnr("job", "list", "--json").stdout.splitlines()]
    if len(listed) == 1 and "items" in listed[0]:
        listed = listed[0]["items"]
    assert done["id"] in [job["id"] for job in listed]


def test_job_watch_and_cancel(fnr, system):
    id = system.submit("writer", {"before": 300})["id"]
    watcher = subprocess.Popen([FNR, "job", "watch", id, "--data", system.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: system.get(f"/api/v1/jobs/{id}").json["state"] == "running", "it does not run")
    result = fnr("job", "cancel", id)
    assert result.returncode == 0 and id in result.stdout, result
    out, err = watcher.communicate(timeout=240)
    assert watcher.returncode == 1 and "cancelled" in (out + err).lower(), (watcher.returncode, out, err)
    assert system.wait(id)["state"] == "cancelled"
    again = fnr("job", "cancel", id)
    assert again.returncode == 1 and "cancelled" in again.stderr, again


def test_leaving_watch_leaves_the_job(system):
    """Whoever only watches does not own it."""
    id = system.submit("writer", {"before": 10})["id"]
    watcher = subprocess.Popen([FNR, "job", "watch", id, "--data", system.data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "%" in watcher.stdout.readline(), "it watches"
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=240)
    assert watcher.returncode == 130
    assert system.wait(id)["state"] == "completed"


def test_job_log(fnr, system):
    system.add_script("talker", "#!/bin/sh\ncat > x\necho '{\"log\":\"first words\"}'\necho aside >&2\necho x > y\necho '{\"output\":\"file\",\"path\":\"y\"}'\n")
    system.process.send_signal(signal.SIGHUP)
    until(lambda: system.get("/api/v1/templates/talker").status == 200, "the new template is not loaded")
    id = system.run("talker")["id"]
    result = fnr("job", "log", id)
    assert result.returncode == 0 and "first words" in result.stdout and "aside" in result.stdout, result


def test_unknown_jobs(fnr):
    for command in ("show", "watch", "cancel", "log"):
        for id in ("01980000-0000-7000-8000-000000000000", "nonsense"):
            result = fnr("job", command, id)
            assert result.returncode == 1 and result.stdout == "" and id in result.stderr, result


# ---- what is typed wrongly, and help ----


def test_typos():
    for arguments, word in {
        ("sevre",): "serve", ("job", "lst"): "list", ("run", "--qualty", "high", "noop"): "--quality", ("chek",): "check",
        ("serve", "--dta", "x"): "--data",
    }.items():
        result = run(*arguments)
        assert result.returncode == 2 and result.stdout == "" and word in result.stderr, (arguments, result)
    for arguments in ((), ("job",), ("run",), ("job", "show"), ("run", "noop", "-i"), ("run", "noop", "-i", "novalue")):
        result = run(*arguments)
        assert result.returncode == 2 and result.stdout == "" and "fnr" in result.stderr, (arguments, result)


def test_help():
    result = run("--help")
    assert result.returncode == 0 and result.stderr == ""
    for word in ("serve", "run", "job", "check"):
        assert word in result.stdout
    for command in (["serve"], ["run"], ["check"], ["job"]):
        result = run(*command, "--help")
        assert result.returncode == 0 and "fnr " + command[0] in result.stdout and "--data" in result.stdout and result.stderr == "", result
    result = run("--version")
    assert result.returncode == 0 and re.search(r"\d+\.\d+", result.stdout)


# ---- fnr check ----


def test_check_running_and_stopped():
    with System() as system:
        ids = [system.submit()["id"] for _ in range(50)]
        for _ in range(5):
            system.check()   # while jobs move
        for id in ids:
            system.wait(id)
        text = system.check()
        assert re.search(r"\b50\b", text), text
        system.stop()
        assert re.search(r"\b50\b", system.check())
        system.start()


def test_check_of_nothing(tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        result = run("check", "--data", str(path))
        assert result.returncode == 1 and str(path) in result.stderr + result.stdout, result
    assert os.listdir(tmp_path) == [], "looking must not make anything"


def dump(store, *options):
    return subprocess.run(["mdb_dump", *options, store], capture_output=True, check=True).stdout


def load(store, text, *options):
    subprocess.run(["mdb_load", *options, store], input=text, check=True)


def change_counter(store):
    """Another number in the counters, whatever their place in the record."""
    lines = dump(store, "-s", "meta").split(b"\n")
    for i, line in enumerate(lines):
        try:
            name = bytes.fromhex(line.decode().strip())
        except ValueError:
            continue
        if name == b".state":
            value = bytearray.fromhex(lines[i + 1].decode().strip())
            value[len(value) // 2] ^= 5
            lines[i + 1] = b" " + value.hex().encode()
            load(store, b"\n".join(lines), "-s", "meta")
            return
    raise AssertionError("there are no counters in meta")


def remove_records(database, count):
    def damage(store):
        lines = dump(store, "-s", database).split(b"\n")
        end = lines.index(b"DATA=END")
        del lines[end - 2 * count:end]
        emptied = subprocess.run([sys.executable, "-c", EMPTY, store, database], capture_output=True, text=True)
        assert emptied.returncode == 0, emptied.stderr
        load(store, b"\n".join(lines), "-s", database)
    return damage


# mdb_load only adds; this empties a named database first, by liblmdb itself.
EMPTY = """
import ctypes, ctypes.util, sys
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn, dbi = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint()
def must(code):
    assert code == 0, code
must(lmdb.mdb_env_create(ctypes.byref(env)))
must(lmdb.mdb_env_set_maxdbs(env, 64))
must(lmdb.mdb_env_set_mapsize(env, ctypes.c_size_t(1 << 40)))
must(lmdb.mdb_env_open(env, sys.argv[1].encode(), 0, 0o600))
must(lmdb.mdb_txn_begin(env, None, 0, ctypes.byref(txn)))
must(lmdb.mdb_dbi_open(txn, sys.argv[2].encode(), 0, ctypes.byref(dbi)))
must(lmdb.mdb_drop(txn, dbi, 0))
must(lmdb.mdb_txn_commit(txn))
lmdb.mdb_env_close(env)
"""


DAMAGES = {
    "a counter": change_counter, "a job": remove_records("job", 1), "a body": remove_records("body", 1),
    "an index": remove_records("due", 1), "an attempt": remove_records("attempt", 1), "a take": remove_records("take", 1),
}


@pytest.fixture(scope="module")
def healthy_data():
    """A data directory at rest, with jobs that wait and jobs that are done."""
    with System() as system:
        for _ in range(5):
            system.run()
        system.run("create_title_card", {"text": "x"}, quality="draft", project="p")
        for _ in range(3):
            system.submit(not_before="2099-01-01T00:00:00Z")
        system.stop()
        yield system.data
        system.start()


@pytest.mark.parametrize("what", DAMAGES)
def test_check_finds(what, healthy_data, tmp_path):
    """Exit status 1, and the difference is named."""
    data = str(tmp_path / "data")
    shutil.copytree(healthy_data, data, ignore=shutil.ignore_patterns("run"))
    assert run("check", "--data", data).returncode == 0
    DAMAGES[what](os.path.join(data, "store"))
    result = run("check", "--data", data)
    assert result.returncode == 1 and result.stdout + result.stderr != "", result


def test_check_of_a_broken_file(healthy_data, tmp_path):
    """A file that is no store any more: told, not crashed over."""
    for how in ("garbage", "cut"):
        data = str(tmp_path / how)
        shutil.copytree(healthy_data, data, ignore=shutil.ignore_patterns("run"))
        path = os.path.join(data, "store", "data.mdb")
        if how == "garbage":
            with open(path, "r+b") as file:
                file.write(os.urandom(8192))
        else:
            os.truncate(path, 5000)
        result = run("check", "--data", data)
        assert result.returncode == 1 and "store" in result.stdout + result.stderr, result
        started = run("serve", "--data", data, "--port", str(free_port()))
        assert started.returncode == 1 and started.stdout == "" and "store" in started.stderr, started
