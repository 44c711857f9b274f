#!/usr/bin/python3
"""Measures the whole system on this machine and prints the figures beside what is known of such machines.

Usage: bench.py --fnr PROGRAM --load PROGRAM [--store PROGRAM] [--seconds N]
FNR_SHARE and FNR_LIBEXEC may name a staged installation. Every figure is of this run; absolute figures drift from machine to
machine, so compare the ratios. Nothing is left running or lying about.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

NOOP = {"template": "noop", "inputs": {}}
MIB = 1024 * 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Http:
    """One keep-alive connection: the client must not be slower than what it measures."""

    def __init__(self, port, key):
        self.port, self.key = port, key
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, method, path, body=None, headers=""):
        data = json.dumps(body).encode() if body is not None else b""
        kind = "Content-Type: application/json\r\n" if body is not None else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.key}\r\n"
            f"{kind}Content-Length: {len(data)}\r\n{headers}\r\n"
        )
        self.socket.sendall(head.encode() + data)

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.rest += data

    def read_head(self):
        while b"\r\n\r\n" not in self.rest:
            self.fill()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        return int(head.split(b" ", 2)[1]), head.decode("latin-1").lower()

    def request(self, method, path, body=None, headers=""):
        self.send(method, path, body, headers)
        status, head = self.read_head()
        length = re.search(r"content-length: (\d+)", head)
        if length:
            need = int(length.group(1))
            while len(self.rest) < need:
                self.fill()
            data, self.rest = self.rest[:need], self.rest[need:]
        else:
            data = b""
            while True:
                while b"\r\n" not in self.rest:
                    self.fill()
                size, self.rest = self.rest.split(b"\r\n", 1)
                need = int(size, 16)
                while len(self.rest) < need + 2:
                    self.fill()
                data += self.rest[:need]
                self.rest = self.rest[need + 2 :]
                if need == 0:
                    break
        return status, json.loads(data) if data else None


class System:
    def __init__(self, fnr, config="", scripts=()):
        self.fnr = fnr
        self.data = tempfile.mkdtemp(prefix="fnr-bench-")
        self.port = free_port()
        with open(os.path.join(self.data, "config.yaml"), "w") as file:
            file.write(config)
        for name, text, inputs in scripts:
            self.add_script(name, text, inputs)
        self.started = time.perf_counter()
        self.log = open(os.path.join(self.data, "log"), "wb")
        self.process = subprocess.Popen(
            [fnr, "serve", "--data", self.data, "--port", str(self.port)], stdout=subprocess.PIPE, stderr=self.log
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready"):
            sys.exit("the system did not start: " + open(os.path.join(self.data, "log")).read()[-2000:])
        self.ready = time.perf_counter() - self.started
        self.key = open(os.path.join(self.data, "admin.key")).read().strip()

    def add_script(self, name, text, inputs):
        folder = os.path.join(self.data, "templates", name)
        os.makedirs(folder)
        with open(os.path.join(folder, "script"), "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
            file.write(text)
        with open(os.path.join(folder, name + ".json"), "w") as file:
            json.dump({"id": name, "version": "1.0.0", "name": name, "category": "generic", "inputs": inputs, "outputs": {},
                       "backend": {"type": "script", "command": ["script"]}}, file)

    def http(self):
        return Http(self.port, self.key)

    def pids(self):
        """All processes of this system but nginx, by their environment."""
        mark = ("FNR_SERVE=" + os.path.realpath(self.data)).encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mark in open(f"/proc/{pid}/environ", "rb").read().split(b"\0"):
                    found.append(int(pid))
            except OSError:
                continue
        found.append(self.process.pid)
        return [pid for pid in set(found) if "nginx" not in open(f"/proc/{pid}/comm").read()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=90)
        self.log.close()
        check = subprocess.run([self.fnr, "check", "--data", self.data], capture_output=True, text=True)
        if code != 0 or check.returncode != 0:
            sys.exit(f"stopped with {code}; fnr check: {check.stdout}{check.stderr}")
        shutil.rmtree(self.data)


def show(what, figure, known):
    print(f"{what:<58} {figure:<34} {known}", flush=True)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def bench_start(fnr):
    times = []
    for _ in range(3):
        system = System(fnr)
        status, job = system.http().request("POST", "/api/v1/jobs", NOOP, "Prefer: wait=10\r\n")
        times.append(time.perf_counter() - system.started)
        if status != 200 or job["state"] != "completed":
            sys.exit(f"the first job was not completed: {status} {job}")
        system.stop()
    show("start to first finished job", f"{statistics.median(times) * 1000:.0f} ms", "target 300 ms; the glued stack 1 400 ms")


def bench_memory(fnr):
    system = System(fnr)
    time.sleep(2)
    total = 0
    for pid in system.pids():
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    show("idle memory, PSS without nginx", f"{total / MIB:.1f} MiB", "target 30 MiB; the glued stack 154-207 MiB")
    system.stop()


def bench_spawn(fnr, workers=64):
    system = System(fnr, f"workers: {{min: {workers}, max: {workers}}}\n")
    times = []
    while len(times) < workers:
        time.sleep(0.1)
        with open(os.path.join(system.data, "log")) as log:
            times = [line[17:23] for line in log if "event=worker.started" in line]
        if time.perf_counter() - system.started > 30:
            sys.exit(f"only {len(times)} of {workers} workers started")
    seconds = [float(text) for text in times]
    show("worker spawn, mean of 64 started in a row", f"{(seconds[-1] - seconds[0]) % 60 / (workers - 1) * 1000:.2f} ms", "target 5 ms")
    system.stop()


def bench_lone(fnr, count=300):
    system = System(fnr)
    stream, client = system.http(), system.http()
    stream.send("GET", "/api/v1/events?types=job.completed", headers="Accept: text/event-stream\r\n")
    stream.read_head()
    times = []
    for i in range(count + 20):
        begin = time.perf_counter()
        _, job = client.request("POST", "/api/v1/jobs", NOOP)
        mark = job["id"].encode()
        while mark not in stream.rest:
            stream.fill()
        if i >= 20:
            times.append(time.perf_counter() - begin)
        stream.rest = b""
        time.sleep(0.003)
    show(
        "lone no-op job, submit to job.completed at the client",
        f"p50 {percentile(times, 0.5) * 1000:.2f} ms, p99 {percentile(times, 0.99) * 1000:.2f} ms",
        "target 3 / 6 ms; the glued stack 3.5 / 4.3 ms, durable 5.2 / 8.9 ms",
    )
    system.stop()


def bench_throughput(fnr, jobs=20000):
    system = System(fnr, "workers: {min: 16, max: 16}\n")
    client = system.http()
    body = {"defaults": NOOP, "jobs": [{} for _ in range(10000)]}
    time.sleep(0.5)
    begin = time.perf_counter()
    ids = []
    for _ in range(jobs // 10000):
        status, batch = client.request("POST", "/api/v1/batches", body)
        if status != 202:
            sys.exit(f"the batch was refused: {status} {batch}")
        ids.append(batch["id"])
    accepted = time.perf_counter() - begin
    for id in ids:
        while client.request("GET", f"/api/v1/batches/{id}")[1]["state"] == "running":
            time.sleep(0.02)
    total = time.perf_counter() - begin
    show("accepted in batches of 10 000", f"{jobs / accepted:.0f} jobs/s", "")
    show("no-op jobs end to end, 16 workers", f"{jobs / total:.0f} jobs/s", "the glued stack 690-1 390; bare socket pairs 27 000")
    system.stop()


def bench_accepts(fnr, load, seconds):
    system = System(fnr, "workers: {min: 0, max: 1}\n")
    body = os.path.join(system.data, "body.json")
    # Due far in the future: accepted durably, but not dispatched meanwhile.
    with open(body, "w") as file:
        json.dump({**NOOP, "not_before": "2099-01-01T00:00:00Z"}, file)
    result = subprocess.run(
        [load, "--port", str(system.port), "--path", "/api/v1/jobs", "--connections", "64", "--seconds", str(seconds),
         "--body", "@" + body, "--header", f"Authorization: Bearer {system.key}", "--header", "Content-Type: application/json"],
        capture_output=True, text=True,
    )
    if result.returncode != 0:
        sys.exit(f"load failed: {result.stdout}{result.stderr}")
    show("durable accepts over HTTP, 64 connections", " ".join(result.stdout.split("\n")[0].split()), "target 10 000/s; prototype 17 000-21 000/s; Celery 660-2 500/s")
    system.stop()


PREVIEWER = """#!/usr/bin/python3
import json, os, sys, time
wanted = json.load(sys.stdin)["parameters"]["previews"]
picture = os.urandom(100000)
for i in range(50):
    with open("part", "wb") as file:
        file.write(picture)
    os.rename("part", "preview.jpg")
    print(json.dumps({"preview": "preview.jpg"} if wanted else {"progress": i / 50}), flush=True)
    time.sleep(0.055)
"""


def bench_previews(fnr, turns=3):
    """What a preview of 100 KB costs the job that shows it."""
    system = System(fnr, "preview: {interval: 50}\n", [("previewer", PREVIEWER, {"previews": {"type": "boolean", "default": False}})])
    client, times = system.http(), {True: [], False: []}
    for turn in range(2 * turns):
        wanted = turn % 2 == 0
        begin = time.perf_counter()
        status, job = client.request("POST", "/api/v1/jobs", {"template": "previewer", "inputs": {"previews": wanted}}, "Prefer: wait=60\r\n")
        if status != 200 or job["state"] != "completed":
            sys.exit(f"the previewer failed: {status} {job}")
        times[wanted].append(time.perf_counter() - begin)
    cost = (statistics.median(times[True]) - statistics.median(times[False])) / 50
    show("a preview of 100 KB, added to its job", f"{cost * 1000:.2f} ms", "target 20 ms")
    system.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fnr", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--store")
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}")
    if options.store:
        subprocess.run([options.store], check=True)
    bench_start(options.fnr)
    bench_memory(options.fnr)
    bench_spawn(options.fnr)
    bench_lone(options.fnr)
    bench_accepts(options.fnr, options.load, options.seconds)
    bench_throughput(options.fnr)
    bench_previews(options.fnr)


if __name__ == "__main__":
    main()
