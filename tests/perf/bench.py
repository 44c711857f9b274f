#!/usr/bin/python3
"""Measures the whole system on this machine and prints the figures beside what is known of such machines.

Usage: bench.py --fnr PROGRAM --load PROGRAM [--store PROGRAM] [--dispatch PROGRAM] [--schema PROGRAM] [--templates PROGRAM]
       [--presets PROGRAM]
       [--slow-flush LIBRARY] [--seconds N] [--only WORD]
FNR_SHARE and FNR_LIBEXEC may name a staged installation. Every figure is of this run; absolute figures drift from machine to
machine, so compare the ratios. Nothing is left running or lying about.
"""

import argparse
import glob
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

import bench_checks
import bench_comfyui
import bench_peers
import bench_presets
import bench_schema

NOOP = {"template": "noop", "inputs": {}}
MIB = 1024 * 1024
OURS = {}     # for the comparison with others in the same run


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
    def __init__(self, fnr, config="", scripts=(), environment=None):
        self.fnr = fnr
        self.data = tempfile.mkdtemp(prefix="fnr-bench-")
        self.port = free_port()
        self.environment = dict(os.environ, **(environment or {}))
        with open(os.path.join(self.data, "config.yaml"), "w") as file:
            file.write(config)
        for name, text, inputs in scripts:
            self.add_script(name, text, inputs)
        self.start()
        self.key = open(os.path.join(self.data, "admin.key")).read().strip()

    def start(self):
        self.started = time.perf_counter()
        self.log = open(os.path.join(self.data, "log"), "ab")
        self.process = subprocess.Popen(
            [self.fnr, "serve", "--data", self.data, "--port", str(self.port)], stdout=subprocess.PIPE, stderr=self.log, env=self.environment
        )
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready"):
            sys.exit("the system did not start: " + open(os.path.join(self.data, "log")).read()[-2000:])
        self.ready = time.perf_counter() - self.started

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

    def memory(self, kind="Pss:"):
        """Bytes of everything but nginx, what is shared counted once. Pss_Anon: without pages of files, the store's above all."""
        total = 0
        for pid in self.pids():
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith(kind):
                    total += int(line.split()[1]) * 1024
        return total

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=90)
        self.log.close()
        return code

    def stop(self):
        code = self.end()
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
    show("idle memory, PSS without nginx", f"{system.memory() / MIB:.1f} MiB", "target 30 MiB; the glued stack 154-207 MiB")
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
    OURS["throughput"] = jobs / total
    show("no-op jobs end to end, 16 workers", f"{jobs / total:.0f} jobs/s", "the glued stack 690-1 390; bare socket pairs 27 000")
    system.stop()


def run_load(system, load, body, seconds, *options, connections=64):
    """The line that it prints, without the statuses."""
    result = subprocess.run(
        [load, "--port", str(system.port), "--path", "/api/v1/jobs", "--connections", str(connections), "--seconds", str(seconds),
         "--body", json.dumps(body), "--header", f"Authorization: Bearer {system.key}", "--header", "Content-Type: application/json", *options],
        capture_output=True, text=True,
    )
    if result.returncode != 0:
        sys.exit(f"load failed: {result.stdout}{result.stderr}")
    return " ".join(result.stdout.split("errors")[0].split())


# Due far in the future: accepted durably, but not dispatched meanwhile.
LATER = {**NOOP, "not_before": "2099-01-01T00:00:00Z"}


def bench_accepts(fnr, load, seconds, slow_flush):
    system = System(fnr, "workers: {min: 0, max: 1}\n")
    line = run_load(system, load, LATER, seconds)
    OURS["accepts"] = float(line.split()[0])
    show("durable accepts over HTTP, 64 connections", line, "target 15 000/s, p99 10 ms; Celery 660-2 500/s")
    show("the same, dispatch running", run_load(system, load, NOOP, seconds), "")
    system.stop()
    if slow_flush:
        system = System(fnr, "workers: {min: 0, max: 1}\n", environment={"LD_PRELOAD": slow_flush, "FNR_FLUSH_MS": "2"})
        show("the same, dispatch idle, flushes of 2 ms more", run_load(system, load, LATER, seconds), "target 5 000/s")
        system.stop()


def bench_rates(fnr, load, seconds):
    """Submit to completed at the client, as fast as they come; the answer is held until the job is completed."""
    system = System(fnr, "workers: {min: 16, max: 16}\n")
    time.sleep(0.5)
    for rate in (100, 1000, 3000):
        line = run_load(system, load, NOOP, seconds, "--rate", str(rate), "--header", "Prefer: wait=30", connections=256)
        show(f"submit to completed at {rate} jobs/s", line, "")
    line = run_load(system, load, NOOP, seconds, "--header", "Prefer: wait=30", connections=256)
    show("submit to completed, one by one, as many as go", line, "target 5 000/s")
    system.stop()


def bench_million(fnr, dispatch, jobs=1000000, projects=100):
    """A million jobs wait, of a hundred projects."""
    system = System(fnr, "workers: {min: 16, max: 16}\njob: {max_waiting: 0}\n")
    client = system.http()
    client.request("POST", "/api/v1/queues/cpu/pause")
    before = system.memory("Pss_Anon:")
    for number in range(jobs // 10000):
        body = {"defaults": {**NOOP, "project": f"p{number % projects}"}, "jobs": [{}] * 10000}
        status, answer = client.request("POST", "/api/v1/batches", body)
        if status != 202:
            sys.exit(f"the batch was refused: {status} {answer}")
    while client.request("GET", "/api/v1/queues/cpu")[1]["waiting"] < jobs:
        time.sleep(0.1)
    time.sleep(3)
    after = system.memory("Pss_Anon:")
    show(f"memory of its own with {jobs} waiting", f"{after / MIB:.1f} MiB, {before / MIB:.1f} MiB before", "without nginx and pages of files")
    client.socket.close()
    system.end()
    if dispatch:
        result = subprocess.run([dispatch, system.data], capture_output=True, text=True, check=True)
        show("dispatch decisions", result.stdout.strip(), "target p99 100 us")
    system.start()
    show(f"start with {jobs} waiting, until all parts are ready", f"{system.ready * 1000:.0f} ms", "target 1 000 ms")
    client = system.http()
    client.request("POST", "/api/v1/queues/cpu/resume")
    time.sleep(1)
    begin, waiting = time.perf_counter(), client.request("GET", "/api/v1/queues/cpu")[1]["waiting"]
    time.sleep(5)
    left = client.request("GET", "/api/v1/queues/cpu")[1]["waiting"]
    show(f"no-op jobs run while {left} wait", f"{(waiting - left) / (time.perf_counter() - begin):.0f} jobs/s", "")
    client.request("POST", "/api/v1/queues/cpu/pause")
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


def bench_shrink(program):
    """Previews of 1024 x 1024 pixels, made as large as they are shown."""
    figures = json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
    for kind, found in figures.items():
        show(f"a preview ({kind}, {found['bytes'] / 1e3:.0f} kB) made smaller", f"p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms", "target 20 ms each")


def bench_templates(program):
    """The templates that ship, each validated on its own."""
    files = sorted(glob.glob(os.path.join(os.environ["FNR_SHARE"], "templates", "*", "*.yaml")))
    figures = json.loads(subprocess.run([program, *files], stdout=subprocess.PIPE, check=True).stdout)
    show(f"{figures['templates']} templates, validated one by one", f"average {figures['average_us']} µs, longest {figures['longest_us']} µs", "target 2 ms each")


def template_text(number, name="Made"):
    inputs = "".join(f"  input_{i}: {{type: integer, min: 0, max: {100 + i}, default: {i}, label: Input {i}, description: What it is for}}\n" for i in range(10))
    return (f"id: made_{number}\nversion: 1.0.0\nname: {name} {number}\ndescription: One of many\ncategory: image\ntags: [many, made]\n"
            f"inputs:\n{inputs}parameters: {{width: 1920, height: 1080}}\npresets:\n  draft: {{width: 960, height: 540}}\n"
            f"examples: [{{inputs: {{input_1: 7}}}}]\nbackend: {{type: noop}}\n")


def until_name(client, number, name):
    begin = time.perf_counter()
    while True:
        status, found = client.request("GET", f"/api/v1/templates/made_{number}")
        if (found.get("name") if status == 200 else None) == name:
            return time.perf_counter() - begin
        if time.perf_counter() - begin > 300:
            sys.exit(f"made_{number} is not {name}")


def write_templates(system, numbers, name="Made"):
    folder = os.path.join(system.data, "templates", "many")
    os.makedirs(folder, exist_ok=True)
    for number in numbers:
        with open(os.path.join(folder, f"{number:05}.yaml"), "w") as file:
            file.write(template_text(number, name))


def list_all(client):
    cursor, seen = "", 0
    while cursor is not None:
        _, page = client.request("GET", "/api/v1/templates?limit=500" + (f"&cursor={cursor}" if cursor else ""))
        seen, cursor = seen + len(page["items"]), page["next_cursor"]
    return seen


def run_some(client, count):
    """One job of each of so many templates, so that every handler has had some."""
    for number in range(count):
        status, job = client.request("POST", "/api/v1/jobs", {"template": f"made_{number * 31}", "inputs": {}})
        if status != 202:
            sys.exit(f"made_{number * 31} is not accepted: {status} {job}")
    while client.request("GET", f"/api/v1/jobs/{job['id']}")[1]["state"] != "completed":
        time.sleep(0.1)


def bench_registry(fnr, program, count=10000):
    """Many templates, of 10 inputs each, in one running system."""
    system = System(fnr)
    client, before = system.http(), system.memory()
    write_templates(system, range(count - 1000))
    first = until_name(client, count - 1001, f"Made {count - 1001}")
    show(f"{count - 1000} template files, loaded at once", f"{first / (count - 1000) * 1000:.2f} ms each", "target 2 ms each")
    write_templates(system, range(count - 1000, count))
    show("1 000 more, live after the last is written", f"{until_name(client, count - 1, f'Made {count - 1}') * 1000:.0f} ms", "target 1 000 ms")
    live = []
    for turn in range(5):
        write_templates(system, [turn], f"Turn {turn}")
        live.append(until_name(client, turn, f"Turn {turn} {turn}"))
    show(f"a change among {count}, live", f"{statistics.median(live) * 1000:.0f} ms", "target 1 000 ms")
    begin = time.perf_counter()
    client.request("GET", "/api/v1/templates?q=One%20of&category=video")
    show(f"a search through {count} that finds nothing", f"{(time.perf_counter() - begin) * 1000:.0f} ms", "")
    time.sleep(2)
    show(f"memory with {count} templates, loaded and searched", f"{system.memory() / MIB:.1f} MiB, own {system.memory('Pss_Anon:') / MIB:.1f} MiB",
         f"PSS without nginx; {before / MIB:.1f} MiB before")
    begin = time.perf_counter()
    seen = list_all(client)
    show(f"a list of all {seen}, in pages of 500", f"{(time.perf_counter() - begin) * 1000:.0f} ms", "")
    run_some(client, 300)
    time.sleep(2)
    show("memory when all were listed and 300 of them run", f"{system.memory() / MIB:.1f} MiB, own {system.memory('Pss_Anon:') / MIB:.1f} MiB",
         "target 100 MB (95.4 MiB)")
    figures = json.loads(subprocess.run([program, "--lookup", system.data], stdout=subprocess.PIPE, check=True).stdout)
    show("lookup of a template, in use; for the first time", f"{figures['in_use_us']} µs; {figures['first_us']} µs", "target 20 µs")
    system.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fnr", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--store")
    parser.add_argument("--dispatch")
    parser.add_argument("--schema")
    parser.add_argument("--templates")
    parser.add_argument("--presets")
    parser.add_argument("--shrink")
    parser.add_argument("--slow-flush")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", help="a part of a name below")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}")
    steps = {
        "store": lambda: subprocess.run([options.store], check=True) if options.store else None,
        "start": lambda: bench_start(options.fnr),
        "memory": lambda: bench_memory(options.fnr),
        "spawn": lambda: bench_spawn(options.fnr),
        "lone": lambda: bench_lone(options.fnr),
        "accepts": lambda: bench_accepts(options.fnr, options.load, options.seconds, options.slow_flush),
        "throughput": lambda: bench_throughput(options.fnr),
        "rates": lambda: bench_rates(options.fnr, options.load, options.seconds),
        "previews": lambda: (bench_previews(options.fnr), bench_shrink(options.shrink) if options.shrink else None),
        "checks": lambda: bench_checks.main(options.fnr, System, show),
        "comfyui": lambda: bench_comfyui.main(options.fnr, System, show, percentile),
        "million": lambda: bench_million(options.fnr, options.dispatch),
        "templates": lambda: bench_templates(options.templates) if options.templates else None,
        "presets": lambda: bench_presets.main(options.fnr, System, show, options.presets),
        "registry": lambda: bench_registry(options.fnr, options.templates) if options.templates else None,
        "schema": lambda: bench_schema.main(options.schema) if options.schema else None,
        "peers": lambda: bench_peers.main((OURS.get("accepts"), OURS.get("throughput")), options.load, options.seconds),
    }
    for name, step in steps.items():
        if not options.only or options.only in name:
            step()


if __name__ == "__main__":
    main()
