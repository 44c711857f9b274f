"""Other job servers on this machine, in the same run, on the same disk: durable acceptance by 64 clients, and no-op jobs from end
to end with 16 workers. Each keeps a promise like ours: what it accepted is on disk. Those that are not installed are left out, with
the command that installs them; none of them is needed otherwise.

  beanstalkd   its binlog flushed at each put (-f 0)
  Redis        appendfsync always; a list as the queue
  PostgreSQL   synchronous_commit on; a table as the queue, FOR UPDATE SKIP LOCKED
  Celery       FastAPI with uvicorn in front, Redis (appendfsync always) behind; pip install fastapi uvicorn celery redis
"""

import glob
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CLIENTS, WORKERS = 64, 16


def show(what, accepted, done, ours):
    """Rates in jobs/s; None: not measured."""
    def text(rate, own):
        return "-" if rate is None else f"{rate:.0f}/s" + (f" (ours {own / rate:.1f} times as many)" if own else "")
    print(f"{what:<58} accepts {text(accepted, ours[0])}, end to end {text(done, ours[1])}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("a peer did not start")


class Peer:
    """A server in a folder of its own, ended with the block."""

    def __init__(self, *command, port, folder=None, environment=None):
        self.command, self.port, self.folder, self.environment = command, port, folder, environment

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
                                        env=dict(os.environ, **(self.environment or {})), start_new_session=True)
        if self.port:
            wait_for_port(self.port, self.process)
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def keep_asking(port, clients, seconds, request, answered, most=None):
    """Each client sends `request` again as soon as the answer is there (answered(bytes) -> true); how many were answered a second."""
    selector, done = selectors.DefaultSelector(), 0
    for _ in range(clients):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(client, selectors.EVENT_READ, bytearray())
        client.sendall(request)
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds and (most is None or done < most):
        for key, _ in selector.select(1):
            key.data.extend(key.fileobj.recv(65536))
            if not answered(bytes(key.data)):
                continue
            key.data.clear()
            done += 1
            key.fileobj.sendall(request)
    spent = time.perf_counter() - begin
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return done / spent


def installed(program, package):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not found:
        print(f"{program + ' is not installed':<58} apt-get install {package}", flush=True)
    return found


# ---- beanstalkd ----

def reserve_and_delete(port, workers, jobs):
    """Each worker reserves a job and deletes it; jobs a second."""
    selector, done = selectors.DefaultSelector(), 0
    for _ in range(workers):
        client = socket.create_connection(("127.0.0.1", port))
        selector.register(client, selectors.EVENT_READ, bytearray())
        client.sendall(b"reserve-with-timeout 1\r\n")
    begin = time.perf_counter()
    while done < jobs:
        for key, _ in selector.select(2):
            key.data.extend(key.fileobj.recv(65536))
            text = bytes(key.data)
            if text.startswith(b"RESERVED") and text.count(b"\r\n") == 2:
                key.fileobj.sendall(b"delete %d\r\n" % int(text.split()[1]))
            elif text.startswith(b"DELETED\r\n"):
                done += 1
                key.fileobj.sendall(b"reserve-with-timeout 1\r\n")
            elif text.startswith(b"TIMED_OUT"):
                return done / (time.perf_counter() - begin)
            else:
                continue
            key.data.clear()
    return done / (time.perf_counter() - begin)


def beanstalkd(seconds, ours):
    program = installed("beanstalkd", "beanstalkd")
    if not program:
        return
    with tempfile.TemporaryDirectory(prefix="fnr-peer-") as folder:
        port = free_port()
        with Peer(program, "-l", "127.0.0.1", "-p", str(port), "-b", folder, "-f", "0", port=port):
            payload = b'{"template":"noop","inputs":{}}'
            put = b"put 5 0 60 %d\r\n%s\r\n" % (len(payload), payload)
            accepted = keep_asking(port, CLIENTS, seconds, put, lambda data: data.endswith(b"\r\n"))
            done = reserve_and_delete(port, WORKERS, min(20000, int(accepted * seconds) - 100))
            show("beanstalkd, its binlog flushed each time", accepted, 1 / (1 / accepted + 1 / done), ours)


# ---- Redis ----

def redis_server(program, folder, port):
    return Peer(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always",
                "--save", "", port=port)


def redis(seconds, ours):
    program = installed("redis-server", "redis-server")
    if not program:
        return
    with tempfile.TemporaryDirectory(prefix="fnr-peer-") as folder:
        port = free_port()
        with redis_server(program, folder, port):
            push = b'*3\r\n$5\r\nLPUSH\r\n$5\r\nqueue\r\n$31\r\n{"template":"noop","inputs":{}}\r\n'
            accepted = keep_asking(port, CLIENTS, seconds, push, lambda data: data.endswith(b"\r\n"))
            taken = keep_asking(port, WORKERS, seconds, b"*2\r\n$4\r\nRPOP\r\n$5\r\nqueue\r\n", lambda data: data.endswith(b"\r\n"), most=int(accepted * seconds) - 100)
            show("Redis, appendfsync always, a list; loses what runs", accepted, 1 / (1 / accepted + 1 / taken), ours)


# ---- PostgreSQL ----

def pgbench(folder, port, clients, seconds, script):
    path = os.path.join(folder, "script.sql")
    with open(path, "w") as file:
        file.write(script)
    os.chmod(path, 0o644)
    result = subprocess.run(as_postgres("pgbench", "-h", "127.0.0.1", "-p", str(port), "-n", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", path, "postgres"),
                            capture_output=True, text=True, cwd="/")
    rate = re.search(r"tps = ([\d.]+) \(without", result.stdout)
    if not rate:
        sys.exit("pgbench failed: " + result.stdout + result.stderr)
    return float(rate.group(1))


def as_postgres(*command):
    """PostgreSQL does not run as root."""
    folder = glob.glob("/usr/lib/postgresql/*/bin")[-1]
    command = [os.path.join(folder, command[0]), *command[1:]]
    return ["runuser", "-u", "postgres", "--", *command] if os.getuid() == 0 else command


def postgresql(seconds, ours):
    if not glob.glob("/usr/lib/postgresql/*/bin/postgres"):
        print(f"{'PostgreSQL is not installed':<58} apt-get install postgresql", flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="fnr-peer-") as folder:
        port = free_port()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        os.chmod(folder, 0o755)
        data = os.path.join(folder, "data")
        subprocess.run(as_postgres("initdb", "-D", data, "-A", "trust", "-U", "postgres"), check=True, stdout=subprocess.DEVNULL, cwd="/")
        with Peer(*as_postgres("postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "max_connections=200", "-c", "listen_addresses=127.0.0.1"), port=port, folder="/"):
            for _ in range(50):
                made = subprocess.run(as_postgres("psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-c",
                                                  "CREATE TABLE job (id bigserial PRIMARY KEY, body text)"), capture_output=True, cwd="/")
                if made.returncode == 0:
                    break
                time.sleep(0.2)
            os.environ["PGUSER"] = "postgres"
            accepted = pgbench(folder, port, CLIENTS, seconds, "INSERT INTO job (body) VALUES ('{\"template\":\"noop\",\"inputs\":{}}');\n")
            taken = pgbench(folder, port, WORKERS, max(2, seconds // 2),
                            "DELETE FROM job WHERE id = (SELECT id FROM job ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1);\n")
            show("PostgreSQL, a table, SKIP LOCKED", accepted, 1 / (1 / accepted + 1 / taken), ours)


# ---- FastAPI, Celery, Redis ----

APPLICATION = '''
import os
from celery import Celery
from fastapi import FastAPI
broker = os.environ["BROKER"]
tasks = Celery("tasks", broker=broker, backend=broker)
tasks.conf.update(task_acks_late=True, worker_prefetch_multiplier=4)
@tasks.task
def noop(body):
    return {}
app = FastAPI()
@app.post("/jobs", status_code=202)
def submit(body: dict):
    return {"id": noop.delay(body).id}
'''


def celery(load, seconds, ours):
    redis_program = shutil.which("redis-server")
    missing = subprocess.run([sys.executable, "-c", "import celery, fastapi, redis, uvicorn"], capture_output=True).returncode != 0
    if missing or not redis_program:
        print(f"{'FastAPI with Celery is not installed':<58} pip install fastapi uvicorn celery redis; apt-get install redis-server", flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="fnr-peer-") as folder:
        port, web = free_port(), free_port()
        with open(os.path.join(folder, "application.py"), "w") as file:
            file.write(APPLICATION)
        environment = {"BROKER": f"redis://127.0.0.1:{port}/0"}
        with redis_server(redis_program, folder, port), \
                Peer(sys.executable, "-m", "uvicorn", "application:app", "--host", "127.0.0.1", "--port", str(web), "--workers", "2", "--log-level", "error",
                     port=web, folder=folder, environment=environment):
            result = subprocess.run([load, "--port", str(web), "--path", "/jobs", "--connections", str(CLIENTS), "--seconds", str(seconds), "--body", "{}",
                                     "--header", "Content-Type: application/json"], capture_output=True, text=True)
            rate = re.match(r"(\d+) requests/s", result.stdout)
            if not rate or "202:" not in result.stdout:
                sys.exit("FastAPI with Celery: " + result.stdout + result.stderr)
            accepted = float(rate.group(1))
            with Peer(sys.executable, "-m", "celery", "-A", "application.tasks", "worker", "--concurrency", str(WORKERS), "--loglevel", "ERROR", "--without-gossip",
                      "--without-mingle", port=None, folder=folder, environment=environment):
                time.sleep(3)
                before, begin = queue_length(port), time.perf_counter()
                time.sleep(seconds)
                taken = (before - queue_length(port)) / (time.perf_counter() - begin)
        show("FastAPI, Celery, Redis with appendfsync always", accepted, 1 / (1 / accepted + 1 / taken) if taken > 0 else None, ours)


def queue_length(port):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"*2\r\n$4\r\nLLEN\r\n$6\r\ncelery\r\n")
        return int(client.recv(100).split(b"\r\n")[0][1:])


def main(ours, load, seconds):
    """ours: our own rates of the same run, accepted and end to end; either may be None."""
    beanstalkd(seconds, ours)
    redis(seconds, ours)
    postgresql(seconds, ours)
    celery(load, seconds, ours)
