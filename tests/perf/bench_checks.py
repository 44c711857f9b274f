"""What it costs to know how a thousand workers and many servers are. Waiting for the other side is not work: what a check takes of a
processor is measured, in the one who is asked and in the manager that takes the answer and tells of it."""

import time

import bench_comfyui

WORKERS, SERVERS = 1000, 200
SECONDS = 20


def spent_ms(pids):
    """Of a processor so far; what these have is one thread."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat") as file:
            total += int(file.read().split()[0]) / 1e6
    return total


def named(system, word):
    return [pid for pid in system.pids() if word.encode() in open(f"/proc/{pid}/cmdline", "rb").read()]


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("bench_checks: it does not come about")
        time.sleep(0.1)


def of_workers(fnr, System, show):
    """Each tells once a second that it lives, and what it uses, while it works."""
    system = System(fnr, f"workers: {{min: {WORKERS}, max: {WORKERS}}}\nstop: {{grace: 0}}\n")
    client = system.http()
    job = {"template": "noop", "inputs": {}, "metadata": {"noop": {"duration_ms": 600000}}}
    _, batch = client.request("POST", "/api/v1/batches", {"jobs": [job] * WORKERS})
    wait_until(lambda: client.request("GET", f"/api/v1/batches/{batch['id']}")[1]["counts"].get("running", 0) == WORKERS)
    time.sleep(3)
    workers, manager = named(system, "fnr-worker"), named(system, "fnr-manager")
    before, began = (spent_ms(workers), spent_ms(manager)), time.monotonic()
    time.sleep(SECONDS)
    checks = (time.monotonic() - began) * len(workers)
    one, other = (spent_ms(workers) - before[0]) / checks, (spent_ms(manager) - before[1]) / checks
    show(f"a check of a worker, {len(workers)} at work", f"{one * 1000:.0f} us in it, {other * 1000:.0f} us in the manager", "below 1 ms")
    client.request("POST", f"/api/v1/batches/{batch['id']}/cancel")
    system.stop()


def of_servers(fnr, System, show):
    server = bench_comfyui.Server()
    system = System(fnr, "workers: {min: 1, max: 1}\nbackends: {probe: 1}\n")
    client = system.http()
    for at in range(SERVERS):
        client.request("POST", "/api/v1/backends", {"id": f"s{at}", "type": "comfyui", "url": f"http://127.0.0.1:{server.port}"})
    checked = lambda: {(one["id"], one["health"]["checked_at"], one["health"]["check_ms"]) for one in client.request("GET", "/api/v1/backends")[1]["items"]
                       if one["type"] == "comfyui" and one["health"] and one["health"]["checked_at"]}
    wait_until(lambda: len(checked()) == SERVERS)
    seen, pids = checked(), named(system, "fnr-worker") + named(system, "fnr-manager")
    before, end, found = spent_ms(pids), time.monotonic() + SECONDS, set()
    while time.monotonic() < end:
        found |= checked() - seen
        time.sleep(0.2)
    cost = (spent_ms(pids) - before) / len(found)
    waits = sorted(ms for _, _, ms in found)
    show(f"a check of a server, one of {SERVERS}", f"{cost * 1000:.0f} us, waiting {waits[len(waits) // 2]} ms for it", "below 1 ms beside the wait, 100 ms")
    system.stop()
    server.stop()


def main(fnr, System, show):
    of_workers(fnr, System, show)
    of_servers(fnr, System, show)
