"""Presets: what resolving costs with a thousand of them there, what one more costs, and how far estimates are from what runs of real
functions then took, run by run, after the first twenty."""

import datetime
import json
import statistics
import subprocess
import time

COUNT, A_FILE = 1000, 100
RUNS, LEARNT = 30, 20
FUNCTIONS = [
    ("create_title_card", "draft", {"text": "Act One"}),
    ("create_title_card", "high", {"text": "Act One", "subtitle": "In which nothing is known yet"}),
    ("create_voice_over", "standard", {"text": "Once upon a time there was a machine that knew how long it would take."}),
]


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def answer_of(http, method, path, body, status):
    found, answer = http.request(method, "/api/v1/" + path, body)
    assert found == status, (found, answer)
    return answer


def fill(http):
    """Seconds for each file of a hundred."""
    took = []
    for at in range(0, COUNT, A_FILE):
        file = {"presets": [{"id": f"own-{at + i:04}", "name": f"Own {at + i}", "base": "high", "parameters": {"image": {"steps": i}}} for i in range(A_FILE)]}
        begun = time.monotonic()
        answer_of(http, "POST", "presets/import", file, 200)
        took.append(time.monotonic() - begun)
    return took


def error_of(http, template, quality, inputs):
    """Of what was said before, in relation to what it took."""
    said = answer_of(http, "POST", f"presets/{quality}/resolve", {"template": template}, 200)["estimate"]["seconds"]
    job = answer_of(http, "POST", "jobs", {"template": template, "inputs": inputs, "quality": quality}, 202)
    while not job["finished_at"]:
        time.sleep(0.05)
        job = answer_of(http, "GET", "jobs/" + job["id"], None, 200)
    assert job["state"] == "completed", job["error"]
    took = moment(job["finished_at"]) - moment(job["started_at"])
    return abs(said - took) / took, took


def main(fnr, system, show, program):
    running = system(fnr)
    try:
        measure(running, show, program)
    finally:
        running.stop()


def measure(running, show, program):
    http = running.http()
    took = fill(http)
    show("a hundred presets more, first and last of a thousand", f"{took[0] * 1000:.0f} and {took[-1] * 1000:.0f} ms", "the same")
    if program:
        presets = ["draft", "ultra"] + [f"own-{i:04}" for i in range(0, COUNT, 100)]
        done = subprocess.run([program, running.data, "create_title_card", *presets], stdout=subprocess.PIPE, check=True, text=True)
        for line in done.stdout.splitlines():
            row = json.loads(line)
            show(f"presets: {row['name']}, p50 / p99", f"{row['p50_us']:.1f} / {row['p99_us']:.1f} µs",
                 "target < 1 ms" if row["name"] == "compatibility" else "target < 50 µs")
    for template, quality, inputs in FUNCTIONS:
        errors, times = zip(*(error_of(http, template, quality, inputs) for _ in range(RUNS)))
        show(f"estimate: {template}, {quality} ({statistics.median(times):.2f} s)", f"{100 * statistics.median(errors[LEARNT:]):.1f} % off", "target < 15 %")
