"""What Function Runner adds to a job on a ComfyUI server, against a client that speaks to the same server directly. The server is
the tests' stand-in, which makes a picture in no time: everything that is measured is protocol."""

import base64
import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

STANDIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration", "comfyui_standin.py")
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
MIB = 1024 * 1024


def workflow(number, steps=4):
    """Another one for each number, but always the same picture: its thumbnail is made once, not beside what is measured."""
    return {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a", "clip": ["4", 1]}},
        "3": {"class_type": "KSampler", "inputs": {
            "seed": 256 * number, "steps": steps, "cfg": 7, "sampler_name": "euler", "scheduler": "normal", "denoise": 1, "model": ["4", 0],
            "positive": ["6", 0], "negative": ["6", 0], "latent_image": ["5", 0]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}},
    }


class Server:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="comfyui-")
        self.process = subprocess.Popen([sys.executable, "-B", STANDIN, "--folder", self.folder], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body=json.dumps(body) if body is not None else None)
        data = connection.getresponse().read()
        connection.close()
        return json.loads(data) if data else None

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Direct:
    """A client that does nothing else: one socket and one connection for all its jobs. It asks for what ours asks for, previews
    with it, so that the server has the same to do for both."""

    def __init__(self, port):
        self.http = http.client.HTTPConnection("127.0.0.1", port)
        self.http.connect()
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ws = socket.create_connection(("127.0.0.1", port))
        self.rest = b""
        self.ws.sendall(b"GET /ws?clientId=direct HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.ws.recv(65536)
        self.rest = self.rest.split(b"\r\n\r\n", 1)[1]
        flags = b'{"type":"feature_flags","data":{"supports_preview_metadata":true}}'
        self.ws.sendall(bytes([0x81, 0x80 | len(flags)]) + b"\0\0\0\0" + flags)

    def take(self, size):
        while len(self.rest) < size:
            self.rest += self.ws.recv(65536)
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def frame(self):
        first, size = self.take(2)
        if size == 126:
            size = struct.unpack(">H", self.take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.take(8))[0]
        return first & 15, self.take(size)

    def ask(self, method, path, body=None):
        self.http.request(method, path, body=body)
        return self.http.getresponse().read()

    def run(self, flow):
        body = {"prompt": flow, "client_id": "direct", "extra_data": {"preview_method": "auto"}}
        prompt = json.loads(self.ask("POST", "/prompt", json.dumps(body)))["prompt_id"]
        while True:
            kind, data = self.frame()
            if kind == 1 and b'"node": null' in data and prompt.encode() in data:
                break
        entry = json.loads(self.ask("GET", "/history/" + prompt))[prompt]
        picture = entry["outputs"]["9"]["images"][0]
        assert self.ask("GET", "/view?filename=" + picture["filename"]).startswith(b"\x89PNG")


def run_ours(client, stream, flow):
    _, job = client.request("POST", "/api/v1/jobs", {"template": "comfyui_workflow", "inputs": {"workflow": flow}})
    mark = job["id"].encode()
    while mark not in stream.rest:
        stream.fill()
    stream.rest = b""


def events(system, types):
    stream = system.http()
    stream.send("GET", "/api/v1/events?types=" + types, headers="Accept: text/event-stream\r\n")
    stream.read_head()
    return stream


def latency(system, server, show, percentile, count=400):
    direct, client, stream = Direct(server.port), system.http(), events(system, "job.completed,job.failed")
    times = {"direct": [], "ours": []}
    for i in range(count + 20):
        for name, run in (("direct", lambda flow: direct.run(flow)), ("ours", lambda flow: run_ours(client, stream, flow))):
            flow = workflow(2 * i + (name == "ours"))
            begin = time.perf_counter()
            run(flow)
            if i >= 20:
                times[name].append((time.perf_counter() - begin) * 1000)
            time.sleep(0.003)
    for name, values in times.items():
        show(f"a picture on a ComfyUI stand-in, {name}", f"p50 {percentile(values, 0.5):.2f} ms, p99 {percentile(values, 0.99):.2f} ms", "")
    show("added by us", "p50 {:.2f} ms, p99 {:.2f} ms".format(*(percentile(times["ours"], at) - percentile(times["direct"], at) for at in (0.5, 0.99))),
         "target 3 / 10 ms, durable and filed")


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15]))
        except OSError:
            continue
    return total / os.sysconf("SC_CLK_TCK")


def progress_cost(system, server, show, steps=5000):
    client, stream = system.http(), events(system, "job.completed,job.failed")
    before = cpu_seconds(system.pids())
    run_ours(client, stream, workflow(1 << 40, steps))
    show("CPU of all our processes per 1 000 progress messages", f"{(cpu_seconds(system.pids()) - before) / (2 * steps) * 1e6:.0f} ms", "")


def percents(stream):
    """Of the job, each new one with the time when its event had come, until the job has ended."""
    found, last = [], 0
    while True:
        while b"\n\n" not in stream.rest:
            stream.fill()
        at = time.time()
        text, stream.rest = stream.rest.split(b"\n\n", 1)
        text = re.sub(rb"(^|\r\n)[0-9a-f]+\r\n", b"", text)    # between chunks
        if b"event: job.completed" in text:
            return found
        for line in text.split(b"\n"):
            progress = json.loads(line[6:]).get("progress") if line.startswith(b"data: ") else None    # a snapshot has none
            if progress and progress["percent"] > last:
                last = progress["percent"]
                found.append((last, at))


def progress_delay(system, server, show, percentile, step_ms=130, steps=200):
    """From the server's sending of a step to the first event that has it, at a client. Steps lie further apart than the 100 ms
    in which a job's progress is told once on the average, so each has an event of its own."""
    server.ask("PUT", "/standin", {"step_ms": step_ms})
    client, stream = system.http(), events(system, "job.progress,job.completed")
    client.request("POST", "/api/v1/jobs", {"template": "comfyui_workflow", "inputs": {"workflow": workflow(1 << 41, steps)}})
    found = percents(stream)
    sent = server.ask("GET", "/standin")["steps_at"][-steps:]
    server.ask("PUT", "/standin", {"step_ms": 0})
    delays = []
    for moment in sent:
        before = max([percent for percent, at in found if at < moment], default=0)
        delays.append(1000 * (min(at for percent, at in found if percent > before) - moment))
    show("progress, from the server's step to the client's event", f"p50 {percentile(delays, 0.5):.2f} ms, p99 {percentile(delays, 0.99):.2f} ms",
         f"target 20 ms p99; {steps} steps, {step_ms} ms apart")


def memory(system, server, show, jobs=8):
    client = system.http()
    idle = system.memory()
    server.ask("PUT", "/standin", {"hold": "queued"})
    for i in range(jobs):
        client.request("POST", "/api/v1/jobs", {"template": "comfyui_workflow", "inputs": {"workflow": workflow((1 << 42) + i)}})
    while server.ask("GET", "/standin")["pending"] < jobs:
        time.sleep(0.05)
    time.sleep(1)
    show("memory of a running job, its worker included, PSS", f"{(system.memory() - idle) / jobs / MIB:.2f} MiB", "target 3 MB")
    server.ask("PUT", "/standin", {"hold": None})
    while client.request("GET", "/api/v1/jobs?state=running")[1]["items"]:
        time.sleep(0.05)


def main(fnr, System, show, percentile):
    if not os.path.exists(STANDIN):
        return      # a distribution has no tests of the whole system
    server, system = Server(), System(fnr, "workers: {min: 1, max: 12}\n")
    try:
        status, answer = system.http().request("POST", "/api/v1/backends", {"id": "standin", "type": "comfyui", "url": f"http://127.0.0.1:{server.port}", "concurrency": 12})
        if status != 201:
            sys.exit(f"no backend: {status} {answer}")
        time.sleep(2)
        latency(system, server, show, percentile)
        progress_cost(system, server, show)
        progress_delay(system, server, show, percentile)
        memory(system, server, show)
        system.stop()
    finally:
        server.stop()
