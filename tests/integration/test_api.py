"""Every route of doc/openapi.yaml works as it says: each answer here is checked against the document, which in turn is held
to the table of routes and to the words of src/base/vocab.h."""

import concurrent.futures
import glob
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import uuid
from urllib.parse import quote, urlsplit

import jsonschema
import pytest

from crash import until
from system import PREFIX, ROOT, TERMINAL, System, assert_problem, write_whole

SCRIPTS = os.path.join(ROOT, "tests", "fixtures", "scripts")
NOOP = {"template": "noop", "inputs": {}}
JOBS = "/api/v1/jobs"
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63fccfc050"
                    "0f0004850180848c8c310000000049454e44ae426082")

SLOW = """#!/bin/sh
cat > /dev/null
for i in 1 2 3 4 5 6 7 8 9; do
	printf '{"progress":0.%d,"stage":"execution","message":"Step %d"}\\n{"log":"step %d","level":"info"}\\n' $i $i $i
	sleep 60
done
"""
# Hands its input back, and beside it files of kinds that a browser must not show in place.
COPY = """#!/usr/bin/python3 -IB
import json, shutil, sys
request = json.load(sys.stdin)
shutil.copyfile(request["parameters"]["picture"], "picture.png")
for name, text in (("page.html", "<script>alert(1)</script>"), ("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"), ("data.json", "{}")):
    open(name, "w").write(text)
for name, path in (("picture", "picture.png"), ("page", "page.html"), ("drawing", "drawing.svg"), ("data", "data.json")):
    print(json.dumps({"output": name, "path": path}))
print(json.dumps({"result": {"uploads": request["uploads"], "seed": request["seed"], "quality": request["quality"]}}))
"""
FAILS = "#!/bin/sh\nprintf '{\"error\":{\"class\":\"permanent\",\"code\":\"broken\",\"message\":\"It broke.\",\"suggestion\":\"Mend it.\"}}\\n'\n"
FLAKY = """#!/bin/sh
if [ "$FNR_ATTEMPT" = 1 ]; then echo '{"error":{"class":"transient","code":"flaky","message":"Not yet."}}'; exit 1; fi
echo made > note.txt
echo '{"output":"note","path":"note.txt"}'
"""


# ---- the document ----


def strict(schema):
    """The schema, refusing members that it does not name: what an answer has must be documented."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and "$ref" not in schema:
        made["additionalProperties"] = False
    return made


FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def is_time(value):
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value) is not None


@FORMATS.checks("uuid")
def is_uuid(value):
    return not isinstance(value, str) or re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


class Document:
    """doc/openapi.yaml as the server gives it, and a record of what was asked of each operation."""

    def __init__(self, document):
        self.document, self.strict, self.used = document, strict(document), set()
        self.resolver = jsonschema.RefResolver("", self.strict)
        self.paths = []
        for path in document["paths"]:
            pattern = re.sub(r"\\{[a-z_]+\\}", "[^/]+", re.escape(path))
            self.paths.append((path.count("{"), re.compile(pattern), path))
        self.paths.sort(key=lambda row: row[0])

    def resolve(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def check_schema(self, value, schema):
        errors = jsonschema.Draft202012Validator(schema, resolver=self.resolver, format_checker=FORMATS).iter_errors(value)
        wrong = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors]
        assert not wrong, (wrong, json.dumps(value)[:2000])

    def check(self, name, value):
        self.check_schema(value, {"$ref": f"#/components/schemas/{name}"})

    def operation(self, method, address):
        path = urlsplit(address).path
        for _, pattern, name in self.paths:
            if pattern.fullmatch(path):
                return name, self.strict["paths"][name].get(method.lower())
        return None, None

    def check_answer(self, method, address, answer):
        name, operation = self.operation(method, address)
        assert operation, f"{method} {address} is not in the document"
        if answer.status < 400:
            self.used.add((method, name))
        responses = operation["responses"]
        assert str(answer.status) in responses or "default" in responses, (method, name, answer.status, answer.data[:500])
        described = self.resolve(responses.get(str(answer.status)) or responses["default"])
        assert str(answer.status) in responses or answer.status >= 400, f"{method} {name} does not tell of {answer.status}"
        for header in described.get("headers", {}):
            if header == "Location":
                assert answer.headers["Location"].startswith("/api/v1/"), (method, name)
        kinds = described.get("content", {})
        if not kinds:
            assert answer.data == b""
            return
        kind = (answer.headers["Content-Type"] or "").split(";")[0]
        if kind not in kinds:
            assert list(kinds) == ["application/octet-stream"], (method, name, kind, list(kinds))  # any file
        elif kind in ("application/json", "application/problem+json"):
            self.check_schema(answer.json, kinds[kind]["schema"])


@pytest.fixture(scope="module")
def fnr():
    # Workers: none of them ends by itself. As many handlers as there are by default.
    system = System("workers: {max: 4, min: 4}\napi: {handlers: 64}\n")
    system.add_script("slow", SLOW, outputs={}, retry={"max_attempts": 1})
    system.add_script("copy", COPY, inputs={"picture": {"type": "file", "required": True, "media": ["image/*"]}},
                      outputs={"picture": {"type": "image"}, "page": {"type": "text"}, "drawing": {"type": "file"}, "data": {"type": "json"}})
    system.add_script("fails", FAILS, outputs={})
    system.add_script("flaky", FLAKY, outputs={"note": {"type": "text"}}, retry={"max_attempts": 3, "delay_s": 0.2, "max_delay_s": 0.5})
    with open(os.path.join(SCRIPTS, "previews")) as file:
        system.add_script("previews", file.read(), outputs={"text": {"type": "text"}})
    with open(os.path.join(SCRIPTS, "good")) as file:
        system.add_script("good", file.read(), outputs={"text": {"type": "text"}})
    with system:
        system.document = Document(system.get("/api/v1/openapi.json").json)
        request = system.request

        def checked(method, path, *arguments, **options):
            answer = request(method, path, *arguments, **options)
            if method in ("GET", "POST", "DELETE", "PATCH", "PUT"):
                system.document.check_answer(method, path, answer)
            return answer

        system.request = checked
        yield system


def eventually(what, seconds=120):
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def in_state(fnr, id, *states):
    return eventually(lambda: (lambda job: job if job["state"] in states else None)(fnr.get(f"{JOBS}/{id}").json))


def pages(fnr, path, limit):
    """All items of a list, page by page."""
    items, cursor = [], None
    while True:
        separator = "&" if "?" in path else "?"
        answer = fnr.get(f"{path}{separator}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status == 200 and len(answer.json["items"]) <= limit
        items, cursor = items + answer.json["items"], answer.json["next_cursor"]
        if cursor is None:
            return items
        assert len(items) < 10000


def upload(fnr, data=PNG, kind="image/png", name="picture.png"):
    answer = fnr.post("/api/v1/uploads", data, headers={"Content-Type": kind, "X-Filename": name})
    assert answer.status == 201, answer.data
    return answer.json


# ---- the document itself ----


def test_document_and_routes_are_the_same(fnr):
    program = glob.glob(os.path.join(PREFIX, "libexec", "*", "fnr-api"))[0]
    listed = subprocess.run([program, "--routes"], capture_output=True, text=True, check=True).stdout
    routes = {tuple(line.split()[:2]) for line in listed.splitlines() if line.strip()}
    document = fnr.document.document
    documented = {(method.upper(), path) for path, item in document["paths"].items() for method in item if method != "parameters"}
    assert routes == documented, (routes - documented, documented - routes)


def test_document_is_well_formed(fnr):
    document = fnr.document.document
    assert document["openapi"].startswith("3.1.") and document["info"]["title"] == "Function Runner"

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in references(document):
        fnr.document.resolver.resolve(reference)
    names = [operation["operationId"] for item in document["paths"].values() for method, operation in item.items() if method != "parameters"]
    assert len(names) == len(set(names))
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            parameters = [fnr.document.resolve(entry) for entry in item.get("parameters", []) + operation.get("parameters", [])]
            assert {entry["name"] for entry in parameters if entry["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path)), path
            assert operation["summary"] and operation["tags"] and operation["responses"], path


def test_document_is_the_file(fnr):
    yaml = pytest.importorskip("yaml")
    with open(os.path.join(ROOT, "doc", "openapi.yaml")) as file:
        written, given = yaml.safe_load(file), json.loads(json.dumps(fnr.document.document))
    own = {name: given["components"]["schemas"].pop(name) for name in list(given["components"]["schemas"]) if name.startswith("inputs.")}
    assert written == given
    assert {"inputs.noop", "inputs.create_title_card"} <= set(own)
    for name, schema in own.items():
        assert schema == fnr.get(f"/api/v1/templates/{name.removeprefix('inputs.')}/schema").json


# ---- one vocabulary ----


def words(name):
    """A list of src/base/vocab.h."""
    with open(os.path.join(ROOT, "src", "base", "vocab.h")) as file:
        text = file.read()
    body = re.search(r"#define " + name + r"\(X\)((?:.*\\\n)*.*\n)", text).group(1)
    return re.findall(r'X\(\w+, \d+, "([^"]+)"\)', body)


def sources(*suffixes):
    for folder in ("src", "handlers", "share", "templates", "web", "doc", "nginx", "clients"):
        for place, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                if name.endswith(suffixes) and "node_modules" not in place:
                    path = os.path.join(place, name)
                    with open(path, errors="replace") as file:
                        yield os.path.relpath(path, ROOT), file.read()


def test_one_vocabulary(fnr):
    schemas = fnr.document.document["components"]["schemas"]
    states, events = words("FNR_STATES"), words("FNR_EVENTS")
    assert len(states) == 10 and len(events) == 23
    assert set(schemas["State"]["enum"]) == set(states)
    assert schemas["Stage"]["enum"] == words("FNR_STAGES")
    assert schemas["Quality"]["enum"] == words("FNR_QUALITIES")
    assert set(schemas["Class"]["enum"]) == set(words("FNR_CLASSES"))
    assert set(schemas["EventName"]["enum"]) == set(events) - {"break"} | {"snapshot", "gap"}
    assert [preset["id"] for preset in fnr.get("/api/v1/presets").json["items"]] == words("FNR_QUALITIES")


def test_no_other_words_for_events():
    """Whatever looks like the name of an event in the sources is one."""
    events = set(words("FNR_EVENTS"))
    with open(os.path.join(ROOT, "src", "base", "conf.h")) as file:
        keys = set(re.findall(r'"([a-z]+\.[a-z_]+)"', file.read()))
    logged = set(re.findall(r"""(?:event=|turn_log\([^"]*")([a-z]+\.[a-z_]+)""", "".join(text for _, text in sources(".c")))) | {"template.broken", "template.mended"}
    pattern = re.compile(r"""["'`](?:event: )?((?:job|batch|template|preset|backend|worker|queue|alert|take|key)\.[a-z_]+)["'`,]""")
    files = re.compile(r"\.(?:c|h|js|mjs|py|json|yaml|html|css|sock|key|map|ts)$")
    for path, text in sources(".c", ".h", ".py", ".js", ".mjs", ".ts", ".html", ".yaml", ".md"):
        found = {word for word in pattern.findall(text) if not files.search(word)}
        allowed = events | keys | (logged if path == os.path.join("doc", "guide.md") else set())   # it explains the log
        if path.startswith("clients/"):
            allowed = allowed | {"job.state", "job.error"}   # members of a job
        assert found <= allowed, (path, found - allowed)


def test_no_other_words_for_states():
    """Not one of the words that others have for the states stands where a value would."""
    other = ["succeeded", "success", "canceled", "canceling", "errored", "aborted", "in_progress", "retrying_soon", "timed_out", "enqueued", "cancelation"]
    pattern = re.compile(r"""["'](""" + "|".join(other) + r""")["']""", re.IGNORECASE)
    for path, text in sources(".c", ".h", ".py", ".js", ".mjs", ".ts", ".yaml"):
        found = set(pattern.findall(text)) - ({"success", "in_progress"} if path.startswith("src/backends/") else set())   # as servers say it
        assert not found, (path, found)
    for path, text in sources(".md", ".html", ".yaml"):
        assert not re.search(r"\bcancell?ation state\b|\bcanceled\b", text), path


# ---- jobs ----


def test_submit_and_show(fnr):
    answer = fnr.post(JOBS, {**NOOP, "project": "demo", "shot": "s010", "quality": "high", "priority": 7, "seed": 42, "node_id": "n7",
                             "metadata": {"a": [1, None, "ü"]}, "timeout_s": 60, "queue": "io", "fallback": {"quality": True, "cpu": False}})
    assert answer.status == 202
    job = answer.json
    assert answer.headers["Location"] == job["urls"]["self"] == f"{JOBS}/{job['id']}"
    assert job["state"] in ("queued", "running", "finishing", "completed")
    job = fnr.wait(job["id"])
    expected = {"template": "noop", "quality": "high", "priority": 7, "seed": 42, "node_id": "n7", "metadata": {"a": [1, None, "ü"]}, "project": "demo",
                "shot": "s010", "queue": "io", "state": "completed", "attempt": 1, "error": None, "inputs": {}, "batch": None, "retry_of": None}
    assert {name: job[name] for name in expected} == expected
    assert job["created_at"] <= job["queued_at"] <= job["started_at"] <= job["finished_at"]
    assert job["progress"]["percent"] == 100 and [stage["name"] for stage in job["progress"]["stages"]] == words("FNR_STAGES")
    assert {stage["state"] for stage in job["progress"]["stages"]} == {"completed"}
    assert job["worker"] and job["backend"] and job["placement"]


def test_defaults(fnr):
    job = fnr.run()
    assert (job["quality"], job["priority"], job["project"], job["shot"], job["take"]) == ("standard", 5, None, None, None)
    assert 0 <= job["seed"] < 2**53
    assert fnr.run(project="demo")["shot"] == "main"


def test_what_can_be_made_now(fnr):
    templates = {one["id"]: one for one in fnr.get("/api/v1/templates?limit=500").json["items"]}
    assert templates["noop"]["available"] is True and templates["create_title_card"]["available"] is True
    assert templates["text_to_image"]["available"] is False      # there is no server that it could run on
    assert fnr.get("/api/v1/templates/text_to_image").json["available"] is False


def test_versions_of_a_template(fnr):
    for reference in ("noop@1", "noop@1.0", "noop@1.0.0"):
        assert fnr.run(reference)["version"] == "1.0.0"


def test_scheduled_job(fnr):
    job = fnr.submit(not_before="2099-01-01T00:00:00Z")
    assert job["state"] == "scheduled" and job["waiting_for"] == "not_before" and job["progress"]["stage"] == "queue"
    fnr.post(f"{JOBS}/{job['id']}/cancel")
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    done = fnr.wait(fnr.submit(not_before=text)["id"])
    assert done["state"] == "completed" and done["started_at"] >= text[:-1]
    late = fnr.submit(not_before="2026-01-01T02:00:00+02:00")  # long ago, with an offset
    assert fnr.wait(late["id"])["state"] == "completed" and late["not_before"] == "2026-01-01T00:00:00.000Z"


def test_job_that_expires(fnr):
    job = fnr.run("slow", expires_at="2020-01-01T00:00:00Z")
    assert job["state"] == "expired" and job["error"]["code"] == "expired" and job["error"]["suggestion"]
    attempts = fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"]
    assert [(attempt["attempt"], attempt["state"]) for attempt in attempts] == [(0, "expired")]
    assert fnr.get(f"{JOBS}/{job['id']}/result").json["state"] == "expired"


def test_list_pages_and_filters(fnr):
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
    ids = [fnr.submit(project="pages", shot=f"s{i % 2}", node_id=f"n{i % 3}", queue="io" if i % 5 else "cpu")["id"] for i in range(25)]
    for id in ids:
        fnr.wait(id)
    for limit in (1, 7, 25, 500):
        assert [job["id"] for job in pages(fnr, JOBS + "?project=pages", limit)] == ids[::-1], limit
    assert [job["id"] for job in pages(fnr, JOBS, 11)][:25] == ids[::-1]
    for query, wanted in (("shot=s1", ids[1::2]), ("node_id=n2", ids[2::3]), ("queue=cpu", ids[::5]), ("state=completed", ids), ("state=failed", []),
                          ("template=noop", ids), ("template=slow", []), (f"since={began}", ids), (f"until={began}", []),
                          ("since=2099-01-01T00:00:00Z", [])):
        assert [job["id"] for job in pages(fnr, f"{JOBS}?project=pages&{query}", 4)] == wanted[::-1], query
        found = [job["id"] for job in pages(fnr, f"{JOBS}?{query}", 6) if job["project"] == "pages"]
        assert found == wanted[::-1], query
    job = fnr.get(JOBS + "?project=pages&limit=1").json["items"][0]
    assert not {"inputs", "parameters", "metadata"} & set(job)
    mixed = f"{JOBS}?project=pages&state=completed&shot=s0&template=noop&queue=io&node_id=n1&since={began}"
    assert [job["id"] for job in pages(fnr, mixed, 2)] == [id for i, id in enumerate(ids) if i % 2 == 0 and i % 3 == 1 and i % 5][::-1]


def test_result_before_and_after(fnr):
    job = fnr.submit("slow")
    in_state(fnr, job["id"], "running")
    assert_problem(fnr.get(f"{JOBS}/{job['id']}/result"), 409, "conflict", "running")
    assert_problem(fnr.get(f"{JOBS}/{job['id']}/outputs/text"), 409, "conflict", "running")
    fnr.post(f"{JOBS}/{job['id']}/cancel")
    fnr.wait(job["id"])
    result = fnr.get(f"{JOBS}/{job['id']}/result").json
    assert result["state"] == "cancelled" and result["outputs"] == []
    assert_problem(fnr.get(f"{JOBS}/{job['id']}/outputs/text"), 404, "not_found", "cancelled")
    job = fnr.run("good")
    result = fnr.get(f"{JOBS}/{job['id']}/result").json
    assert result["result"] == {"words": 1} and [output["name"] for output in result["outputs"]] == ["text"]
    assert result["outputs"] == job["outputs"]


def test_cancel_while_it_waits_runs_and_has_ended(fnr):
    waiting = fnr.submit(not_before="2099-01-01T00:00:00Z")["id"]
    assert fnr.post(f"{JOBS}/{waiting}/cancel").status == 202
    assert fnr.wait(waiting)["state"] == "cancelled"
    running = [fnr.submit("slow")["id"] for _ in range(4)]
    for id in running:
        in_state(fnr, id, "running")
    queued = fnr.submit("slow")
    assert queued["state"] == "queued" and queued["waiting_for"]
    for id in [queued["id"], *running]:
        answer = fnr.post(f"{JOBS}/{id}/cancel")
        assert answer.status == 202 and answer.json["id"] == id
    for id in [queued["id"], *running]:
        job = fnr.wait(id)
        assert job["state"] == "cancelled" and job["error"] is None and job["outputs"] == [] and job["finished_at"]
    assert fnr.get(f"{JOBS}/{queued['id']}").json["started_at"] is None
    for id in (waiting, running[0], fnr.run()["id"], fnr.run("fails")["id"]):
        assert_problem(fnr.post(f"{JOBS}/{id}/cancel"), 409, "conflict", fnr.get(f"{JOBS}/{id}").json["state"])
    assert_problem(fnr.post(f"{JOBS}/{uuid.uuid4()}/cancel"), 404, "not_found")


def test_cancel_at_any_time(fnr):
    """Whenever it comes: 202, and then it is cancelled or had just ended; or 409, and then it stays what it is."""
    chance = random.Random(5)

    def one(number):
        id = fnr.submit("good" if number % 2 else "noop", project="cancels")["id"]
        time.sleep(chance.random() * 0.15)
        answer = fnr.post(f"{JOBS}/{id}/cancel")
        job = fnr.wait(id)
        assert answer.status in (202, 409), answer.data
        assert job["state"] in (("cancelled", "completed") if answer.status == 202 else ("completed",)), job
        return job["take"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        takes = [take for take in pool.map(one, range(60)) if take]
    assert len(takes) == len(set(takes))


def test_failure_and_attempts(fnr):
    job = fnr.run("fails")
    assert job["state"] == "failed"
    assert {name: job["error"][name] for name in ("class", "code", "message", "suggestion")} == {
        "class": "permanent", "code": "broken", "message": "It broke.", "suggestion": "Mend it."}
    job = fnr.run("flaky")
    assert job["state"] == "completed" and job["attempt"] == 2 and job["max_attempts"] == 3
    attempts = fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"]
    assert [(attempt["attempt"], attempt["state"]) for attempt in attempts] == [(1, "failed"), (2, "completed")]
    assert attempts[0]["error"]["code"] == "flaky" and attempts[1]["error"] is None
    assert all(attempt["started_at"] <= attempt["finished_at"] and attempt["worker"] for attempt in attempts)
    slow = fnr.submit("slow")["id"]
    in_state(fnr, slow, "running")
    (attempt,) = fnr.get(f"{JOBS}/{slow}/attempts").json["items"]
    assert attempt["state"] == "running" and attempt["worker"] and attempt["finished_at"] is None
    fnr.post(f"{JOBS}/{slow}/cancel")
    assert fnr.get(f"{JOBS}/{fnr.submit(not_before='2099-01-01T00:00:00Z')['id']}/attempts").json["items"] == []


def test_log(fnr):
    job = fnr.run("good")["id"]
    lines = fnr.get(f"{JOBS}/{job}/log").json["items"]
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    texts = {line["text"]: line["level"] for line in lines}
    assert texts["a line for the log"] == "debug" and texts["to standard error"] == "info"
    assert fnr.get(f"{JOBS}/{job}/log?after=1").json["items"] == lines[1:]
    assert pages(fnr, f"{JOBS}/{job}/log", 1) == lines
    assert fnr.get(f"{JOBS}/{fnr.run()['id']}/log").json == {"items": [], "next_cursor": None}
    for after in ("x", "-1", "", "1.5"):
        assert_problem(fnr.get(f"{JOBS}/{job}/log?after={after}"), {400, 422})


def test_preview(fnr):
    job = fnr.run("previews")["id"]
    answer = fnr.get(f"{JOBS}/{job}/preview")
    assert answer.status == 200 and answer.headers["Content-Type"] == "image/png" and answer.data.startswith(b"\x89PNG")
    assert_problem(fnr.get(f"{JOBS}/{fnr.run()['id']}/preview"), 404, "not_found")


def test_missing_things(fnr):
    for path in ("", "/result", "/log", "/attempts", "/preview", "/outputs/x", "/events"):
        assert_problem(fnr.get(f"{JOBS}/{uuid.uuid4()}{path}"), 404, "not_found")
    assert_problem(fnr.get(f"/api/v1/batches/{uuid.uuid4()}"), 404, "not_found")
    assert_problem(fnr.get("/api/v1/projects/nothing/shots/main/takes"), 404, "not_found", "nothing")
    fnr.run(project="demo")
    assert_problem(fnr.get("/api/v1/projects/demo/shots/nothing/takes"), 404, "not_found")
    for number in ("0", "999", "x", "-1", "99999999999999999999"):
        assert_problem(fnr.get(f"/api/v1/projects/demo/shots/main/takes/{number}"), 404, "not_found")


# ---- waiting ----


def test_wait_until_it_has_finished(fnr):
    answer = fnr.post(JOBS, {**NOOP, "project": "waits"}, headers={"Prefer": "wait=120"})
    assert answer.status == 200 and answer.json["state"] == "completed"
    assert answer.headers["Location"] == answer.json["urls"]["self"]
    assert answer.headers["Preference-Applied"] == "wait=120"
    answer = fnr.post(JOBS, {"template": "fails", "inputs": {}}, headers={"Prefer": "respond-async, wait=120"})
    assert answer.status == 200 and answer.json["state"] == "failed"


def test_wait_until_the_time_is_up(fnr):
    began = time.monotonic()
    answer = fnr.post(JOBS, {"template": "slow", "inputs": {}}, headers={"Prefer": "wait=1"})
    assert answer.status == 202 and answer.json["state"] in ("queued", "running")
    assert 0.9 < time.monotonic() - began
    assert answer.headers["Location"] == answer.json["urls"]["self"]
    fnr.post(f"{JOBS}/{answer.json['id']}/cancel")


def test_many_wait_and_others_are_served(fnr):
    """Those who wait hold no handler: a hundred of them keep nobody from anything."""
    body = {"template": "noop", "inputs": {}, "project": "held", "not_before": "2099-01-01T00:00:00Z"}
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        held = [pool.submit(fnr.post, JOBS, body, headers={"Prefer": "wait=300"}, timeout=400) for _ in range(100)]
        eventually(lambda: len(fnr.get(f"{JOBS}?project=held&limit=500").json["items"]) == 100)
        assert fnr.run()["state"] == "completed"
        assert not any(one.done() for one in held)
        assert fnr.post(f"{JOBS}/cancel", {"project": "held"}).json == {"found": 100}
        answers = [one.result() for one in held]
    assert {(answer.status, answer.json["state"]) for answer in answers} == {(200, "cancelled")}


def test_accepted_job_is_never_lost_to_a_waiting_place_that_dies(fnr):
    """fnr-events is killed again and again while requests wait there: still 202 (or 200), never 502, and the job is there."""
    stop = threading.Event()

    def killer():
        while not stop.is_set():
            for pid in fnr.pids_of("fnr-events"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.3)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: fnr.post(JOBS, {"template": "good" if i % 2 else "noop", "inputs": {}}, headers={"Prefer": "wait=3"}), range(40)))
    finally:
        stop.set()
        thread.join()
    assert {answer.status for answer in answers} <= {200, 202}, [answer.data for answer in answers if answer.status not in (200, 202)]
    for answer in answers:
        assert answer.headers["Location"] == answer.json["urls"]["self"]
        assert fnr.wait(answer.json["id"])["state"] == "completed"
    eventually(lambda: fnr.get("/readyz").status == 200)
    eventually(lambda: fnr.post(JOBS, NOOP, headers={"Prefer": "wait=120"}).status == 200)


# ---- batches ----


def batch_end(fnr, id):
    return eventually(lambda: (lambda batch: batch if batch["state"] != "running" else None)(fnr.get(f"/api/v1/batches/{id}").json), 300)


def test_batch(fnr):
    body = {"defaults": {"template": "noop", "project": "batches", "priority": 3, "metadata": {"a": 1, "b": 1}, "inputs": {}},
            "jobs": [{"ref": "a"}, {"priority": 8, "metadata": {"b": 2}}, {"template": "good", "shot": "s2"}]}
    answer = fnr.post("/api/v1/batches", body)
    assert answer.status == 202
    batch = answer.json
    assert answer.headers["Location"] == batch["urls"]["self"] == f"/api/v1/batches/{batch['id']}"
    assert batch["total"] == 3 and len(batch["jobs"]) == 3 and batch["project"] == "batches"
    batch = batch_end(fnr, batch["id"])
    assert batch["state"] == "completed" and batch["percent"] == 100 and batch["counts"]["completed"] == 3
    assert set(batch["counts"]) == set(words("FNR_STATES"))
    jobs = [fnr.get(f"{JOBS}/{id}").json for id in batch["jobs"]]
    assert [job["priority"] for job in jobs] == [3, 8, 3] and {job["batch"] for job in jobs} == {batch["id"]}
    assert [job["metadata"] for job in jobs] == [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 1}]
    assert [job["template"] for job in jobs] == ["noop", "noop", "good"] and jobs[2]["shot"] == "s2"
    fnr.submit(project="batches")
    assert [job["id"] for job in pages(fnr, f"{JOBS}?batch={batch['id']}", 2)] == batch["jobs"][::-1]
    assert [job["id"] for job in pages(fnr, f"{JOBS}?batch={batch['id']}&project=batches&template=good", 2)] == batch["jobs"][2:]


def test_batch_is_accepted_whole_or_not_at_all(fnr):
    before = [job["id"] for job in fnr.get(JOBS + "?limit=5").json["items"]]
    body = {"jobs": [NOOP, NOOP, {"template": "noop", "inputs": {"x": 1}}, {"template": "nop", "inputs": {}}]}
    problem = assert_problem(fnr.post("/api/v1/batches", body), 422, "invalid")
    assert {entry["pointer"] for entry in problem["errors"]} == {"/jobs/2/inputs/x", "/jobs/3/template"}
    assert [job["id"] for job in fnr.get(JOBS + "?limit=5").json["items"]] == before


def test_large_batch(fnr):
    answer = fnr.post("/api/v1/batches", {"defaults": NOOP, "jobs": [{"seed": i} for i in range(1500)]})
    assert answer.status == 202 and answer.json["total"] == 1500 and len(answer.json["jobs"]) == 100
    batch = batch_end(fnr, answer.json["id"])
    assert batch["counts"]["completed"] == 1500
    assert len(pages(fnr, f"{JOBS}?batch={batch['id']}", 500)) == 1500


def test_batch_that_stops_on_an_error(fnr):
    jobs = [{"template": "fails"}] + [{"template": "noop", "not_before": "2099-01-01T00:00:00Z"}] * 5
    answer = fnr.post("/api/v1/batches", {"defaults": {"inputs": {}}, "jobs": jobs, "stop_on_error": True})
    assert answer.status == 202 and answer.json["stop_on_error"] is True
    batch = batch_end(fnr, answer.json["id"])
    assert batch["state"] == "failed" and batch["counts"]["failed"] == 1 and batch["counts"]["cancelled"] == 5
    job = fnr.get(f"{JOBS}/{batch['jobs'][5]}").json
    assert job["state"] == "cancelled" and job["error"]["code"] == "batch_stopped" and job["error"]["suggestion"]


def test_batch_that_goes_on_after_an_error(fnr):
    answer = fnr.post("/api/v1/batches", {"defaults": {"inputs": {}}, "jobs": [{"template": "fails"}, {"template": "noop"}, {"template": "noop"}]})
    batch = batch_end(fnr, answer.json["id"])
    assert batch["state"] == "failed" and batch["counts"]["failed"] == 1 and batch["counts"]["completed"] == 2


def test_cancel_a_batch(fnr):
    jobs = [{"template": "slow"}, {"template": "noop", "not_before": "2099-01-01T00:00:00Z"}, {"template": "slow"}]
    id = fnr.post("/api/v1/batches", {"defaults": {"inputs": {}}, "jobs": jobs}).json["id"]
    answer = fnr.post(f"/api/v1/batches/{id}/cancel")
    assert answer.status == 202 and answer.json["id"] == id
    batch = batch_end(fnr, id)
    assert batch["state"] == "cancelled" and batch["counts"]["cancelled"] == 3
    assert_problem(fnr.post(f"/api/v1/batches/{id}/cancel"), 409, "conflict")


# ---- uploads, outputs, takes ----


def test_upload_and_use_it(fnr):
    made = upload(fnr)
    assert made["bytes"] == len(PNG) and made["sha256"] == hashlib.sha256(PNG).hexdigest() and made["media_type"] == "image/png"
    job = fnr.run("copy", {"picture": "upload:" + made["id"]}, seed=9, quality="draft")
    assert job["state"] == "completed", job["error"]
    assert job["inputs"] == {"picture": "upload:" + made["id"]}
    result = fnr.get(f"{JOBS}/{job['id']}/result").json
    assert result["result"]["seed"] == 9 and result["result"]["quality"] == "draft"
    assert result["result"]["uploads"]["picture"]["media_type"] == "image/png" and result["result"]["uploads"]["picture"]["name"] == "picture.png"
    answer = fnr.get(f"{JOBS}/{job['id']}/outputs/picture")
    assert answer.status == 200 and answer.data == PNG


def test_upload_of_a_form(fnr):
    body = b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n" + PNG + b"\r\n--xyz--\r\n"
    answer = fnr.post("/api/v1/uploads", body, headers={"Content-Type": "multipart/form-data; boundary=xyz"})
    assert answer.status == 201 and answer.json["sha256"] == hashlib.sha256(PNG).hexdigest() and answer.json["name"] == "a.png"


def test_upload_of_the_wrong_kind(fnr):
    made = upload(fnr, b"just text", "text/plain", "note.txt")
    problem = assert_problem(fnr.post(JOBS, {"template": "copy", "inputs": {"picture": "upload:" + made["id"]}}), 422, "invalid")
    assert {entry["pointer"] for entry in problem["errors"]} == {"/inputs/picture"}


def test_outputs(fnr):
    picture = upload(fnr)["id"]
    job = fnr.run("copy", {"picture": "upload:" + picture}, project="outputs", shot="s1")
    outputs = {output["name"]: output for output in job["outputs"]}
    assert set(outputs) == {"picture", "page", "drawing", "data"} and job["take"] == 1
    assert outputs["picture"]["path"] == "outputs/s1/take_001/picture.png"
    assert (outputs["picture"]["width"], outputs["picture"]["height"]) == (1, 1)
    for name, output in outputs.items():
        answer = fnr.get(output["url"])
        assert answer.status == 200 and len(answer.data) == output["bytes"] and hashlib.sha256(answer.data).hexdigest() == output["sha256"]
        assert answer.headers["Content-Type"] == output["media_type"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer.headers["Content-Security-Policy"]
        place = answer.headers["Content-Disposition"].split(";")[0]
        assert place == ("inline" if name == "picture" else "attachment"), name
        with open(os.path.join(fnr.data, "workspace", output["path"]), "rb") as file:
            assert file.read() == answer.data
    assert_problem(fnr.get(f"{JOBS}/{job['id']}/outputs/other"), 404, "not_found", "other")
    alone = fnr.run("good")
    assert alone["take"] is None and alone["outputs"][0]["path"] == f".jobs/{alone['id']}/out.txt"
    assert fnr.get(alone["outputs"][0]["url"]).data == b"hello"


def test_forms_of_a_version_have_etags_of_their_own(fnr):
    """RFC 9110, 8.8.3: a strong validator is that of one representation. Either says which version is to be changed."""
    definition = {**DEFINITION, "id": "in_two_forms"}
    as_yaml = {"Accept": "application/yaml"}
    made = fnr.post("/api/v1/templates", definition)
    place = made.headers["Location"]
    json_tag, yaml_tag = fnr.get(place).headers["ETag"], fnr.get(place, headers=as_yaml).headers["ETag"]
    assert json_tag == made.headers["ETag"] and yaml_tag != json_tag and not yaml_tag.startswith("W/")
    for form, own, other in (({}, json_tag, yaml_tag), (as_yaml, yaml_tag, json_tag)):
        assert fnr.get(place, headers={**form, "If-None-Match": own}).status == 304
        again = fnr.get(place, headers={**form, "If-None-Match": other})
        assert again.status == 200 and again.data and again.headers["ETag"] == own and again.headers["Vary"] == "Accept"
    text = "id: in_two_forms\nversion: 1.0.0\nname: Changed\ncategory: text\nbackend: {type: noop}\n"
    by_yaml = fnr.request("PUT", place, text, headers={"Content-Type": "application/yaml", "If-Match": json_tag})
    assert by_yaml.status == 200 and by_yaml.headers["ETag"] == fnr.get(place, headers=as_yaml).headers["ETag"] != fnr.get(place).headers["ETag"]
    for stale in (json_tag, yaml_tag, "W/" + by_yaml.headers["ETag"]):
        assert_problem(fnr.request("PUT", place, definition, headers={"If-Match": stale}), 412, "precondition_failed")
    by_json = fnr.request("PUT", place, definition, headers={"If-Match": by_yaml.headers["ETag"]})
    assert by_json.status == 200 and by_json.headers["ETag"] == json_tag
    assert fnr.request("DELETE", place, headers={"If-Match": yaml_tag}).status == 204


def test_ranges_and_etags(fnr):
    url = fnr.run("copy", {"picture": "upload:" + upload(fnr)["id"]})["outputs"][0]["url"]
    whole = fnr.get(url)
    assert whole.headers["Accept-Ranges"] == "bytes" and whole.headers["ETag"]
    part = fnr.get(url, headers={"Range": "bytes=2-5"})
    assert part.status == 206 and part.data == PNG[2:6] and part.headers["Content-Range"] == f"bytes 2-5/{len(PNG)}"
    assert fnr.get(url, headers={"Range": "bytes=-3"}).data == PNG[-3:]
    assert fnr.get(url, headers={"Range": "bytes=2-5", "If-Range": whole.headers["ETag"]}).status == 206
    assert fnr.get(url, headers={"Range": "bytes=2-5", "If-Range": '"other"'}).data == PNG
    same = fnr.get(url, headers={"If-None-Match": whole.headers["ETag"]})
    assert same.status == 304 and same.data == b""
    assert fnr.get(url, headers={"If-None-Match": '"other"'}).status == 200
    beyond = fnr.get(url, headers={"Range": "bytes=99999-"})
    assert_problem(beyond, 416)
    assert beyond.headers["Content-Range"] == f"bytes */{len(PNG)}"
    assert_problem(fnr.get(url, headers={"If-Match": '"other"'}), 412)
    assert fnr.get(url, headers={"Range": "lines=1-2"}).status == 200
    head = fnr.request("HEAD", url)
    assert head.status == 200 and head.data == b"" and head.headers["Content-Length"] == str(len(PNG))


def test_file_that_somebody_removed(fnr):
    job = fnr.run("good", project="removed")
    os.remove(os.path.join(fnr.data, "workspace", job["outputs"][0]["path"]))
    assert_problem(fnr.get(job["outputs"][0]["url"]), 404, "not_found")
    os.symlink("/etc/passwd", os.path.join(fnr.data, "workspace", job["outputs"][0]["path"]))
    assert_problem(fnr.get(job["outputs"][0]["url"]), {403, 404})


def test_takes(fnr):
    picture = "upload:" + upload(fnr)["id"]
    jobs = [fnr.run("copy", {"picture": picture}, project="film", shot="s010", seed=i) for i in range(5)]
    assert [job["take"] for job in jobs] == [1, 2, 3, 4, 5]
    base = "/api/v1/projects/film/shots/s010/takes"
    for limit in (1, 2, 50):
        takes = pages(fnr, base, limit)
        assert [take["take"] for take in takes] == [1, 2, 3, 4, 5]
        assert not any({"inputs", "parameters", "metadata"} & set(take) for take in takes)
    assert sum(take["active"] for take in takes) == 1
    take = fnr.get(base + "/3").json
    assert (take["project"], take["shot"], take["take"], take["job"], take["seed"]) == ("film", "s010", 3, jobs[2]["id"], 2)
    assert take["inputs"] == {"picture": picture} and take["template"] == "copy" and take["quality"] == "standard"
    for file in take["files"]:
        answer = fnr.get(file["url"])
        assert answer.status == 200 and hashlib.sha256(answer.data).hexdigest() == file["sha256"]
    assert fnr.get(base + "/3/files/picture.png", headers={"Range": "bytes=0-3"}).data == PNG[:4]
    record = fnr.get(base + "/3/files/take.json")
    assert record.status == 200 and record.json["job"] == jobs[2]["id"]
    for name in ("other.png", ".job", "take.jso"):
        assert_problem(fnr.get(base + "/3/files/" + name), 404, "not_found")
    # A file of a take is an input of the next.
    job = fnr.run("copy", {"picture": "take:film/s010/3/picture.png"})
    assert job["state"] == "completed" and fnr.get(job["outputs"][0]["url"]).data == PNG


def test_take_chosen_exported_and_deleted(fnr):
    job = fnr.run("good", project="one-more", shot="s")
    place = f"/api/v1/projects/{job['project']}/shots/{job['shot']}"
    assert fnr.request("PUT", f"{place}/active-take", {"take": job["take"]}).json == {"take": job["take"]}
    assert fnr.get(f"{place}/takes/{job['take']}/export").status == 200
    assert fnr.request("DELETE", f"{place}/takes/{job['take']}").status == 204


def test_take_that_there_is_not_as_an_input(fnr):
    fnr.run("copy", {"picture": "upload:" + upload(fnr)["id"]}, project="given", shot="s1")
    for reference in ("take:given/s1/99/picture.png", "take:nothing/s1/1/picture.png"):
        assert_problem(fnr.post(JOBS, {"template": "copy", "inputs": {"picture": reference}}), 422, "invalid", "/inputs/picture")
    assert_problem(fnr.post(JOBS, {"template": "copy", "inputs": {"picture": "take:given/s1/1/page.html"}}), 422, "invalid", "/inputs/picture")
    job = fnr.run("copy", {"picture": "take:given/s1/1/other.png"})  # the take is there, its file is not
    assert job["state"] == "failed" and (job["error"]["class"], job["error"]["code"]) == ("validation", "input_missing"), job


def test_take_of_a_project_that_the_key_may_not_see(fnr):
    fnr.run("copy", {"picture": "upload:" + upload(fnr)["id"]}, project="secret", shot="s1")
    key = fnr.post("/api/v1/keys", {"name": "x", "scopes": ["submit"], "projects": ["open"]}).json["key"]
    body = {"template": "copy", "project": "open", "inputs": {"picture": "take:secret/s1/1/picture.png"}}
    assert_problem(fnr.post(JOBS, body, key=key), 422, "invalid", "/inputs/picture", "no take")
    answer = fnr.post("/api/v1/templates/copy/validate-inputs", {"inputs": body["inputs"]}, key=key)
    assert answer.json["valid"] is False
    assert fnr.post(JOBS, body).status == 202


def test_projects(fnr):
    for shot in ("a", "b"):
        fnr.run("good", project="series", shot=shot)
    projects = pages(fnr, "/api/v1/projects", 2)
    names = [project["name"] for project in projects]
    assert names == sorted(set(names)) and "series" in names
    shots = {shot["name"]: shot for shot in projects[names.index("series")]["shots"]}
    assert shots["a"] == {"name": "a", "last_take": 1, "active_take": 1} and set(shots) == {"a", "b"}


# ---- templates, presets ----


def test_templates(fnr):
    items = pages(fnr, "/api/v1/templates", 2)
    ids = [item["id"] for item in items]
    assert ids == sorted(ids) and {"create_title_card", "noop", "slow", "copy"} <= set(ids)
    for query, wanted in (("q=title", {"create_title_card"}), ("q=TITLE%20card", {"create_title_card"}), ("category=image&backend=script", {"create_title_card", "apply_style", "make_contact_sheet"}),
                          ("backend=noop", {"noop"}), ("q=zzz", set()), ("category=generic&backend=script&q=slow", {"slow"}),
                          ("capability=text-to-image", {"text_to_image", "create_image"}), ("capability=text-to", set())):
        assert {item["id"] for item in fnr.get("/api/v1/templates?" + query).json["items"]} == wanted, query
    assert_problem(fnr.get("/api/v1/templates?category=music"), 422, "invalid")
    for item in items:
        answer = fnr.get("/api/v1/templates/" + item["id"])
        assert answer.json == item and answer.headers["ETag"].startswith('"')
        version = fnr.get(f"/api/v1/templates/{item['id']}/versions/{item['version']}")
        assert {name: version.json[name] for name in ("id", "version", "name", "backend")} == {name: item[name] for name in ("id", "version", "name", "backend")}
        assert "digest" not in version.json and version.headers["ETag"].startswith('"'), "as it was given"
        versions = fnr.get(f"/api/v1/templates/{item['id']}/versions").json["items"]
        assert [(entry["version"], entry["digest"]) for entry in versions] == [(item["version"], item["digest"])]


DEFINITION = {"id": "by_api", "version": "1.0.0", "name": "By API", "description": "For a test.", "category": "text", "capabilities": ["say-nothing"],
              "inputs": {"words": {"type": "string", "required": True, "max_length": 20, "label": "Words"}}, "backend": {"type": "noop"},
              "examples": [{"inputs": {"words": "Hello"}}]}


def test_templates_by_api(fnr):
    made = fnr.post("/api/v1/templates", DEFINITION)
    assert made.status == 201 and made.headers["Location"] == "/api/v1/templates/by_api/versions/1.0.0" and made.json["deprecated"] is None
    assert_problem(fnr.post("/api/v1/templates", DEFINITION), 409, "exists", "by_api")
    wrong = assert_problem(fnr.post("/api/v1/templates", {**DEFINITION, "category": "music"}), 422, "invalid")
    assert wrong["errors"][0]["pointer"] == "/category"
    place = "/api/v1/templates/by_api/versions/1.0.0"
    given = fnr.get(place)
    assert given.json == DEFINITION and given.headers["ETag"] == made.headers["ETag"]
    assert fnr.get(place, headers={"If-None-Match": given.headers["ETag"]}).status == 304
    for path in ("/api/v1/templates/by_api", "/api/v1/templates/by_api/schema"):
        tag = fnr.get(path).headers["ETag"]
        for known in (tag, f'"other", {tag}', "W/" + tag, "*"):
            same = fnr.get(path, headers={"If-None-Match": known})
            assert same.status == 304 and same.headers["ETag"] == tag and not same.data, known
    tag = fnr.get("/api/v1/templates/by_api").headers["ETag"]
    fnr.post(place + "/deprecate", {"sunset": "2098-01-01T00:00:00Z"})
    assert fnr.get("/api/v1/templates/by_api", headers={"If-None-Match": tag}).status == 200, "it is another answer"
    fnr.post(place + "/deprecate", {"deprecated": False})
    assert fnr.run("by_api", {"words": "Hello"})["state"] == "completed"
    assert_problem(fnr.request("PUT", place, DEFINITION), 428, "precondition_required")
    assert_problem(fnr.request("PUT", place, DEFINITION, headers={"If-Match": '"other"'}), 412, "precondition_failed")
    text = "id: by_api\nversion: 1.0.0\nname: Changed   # in YAML\ncategory: text\ncapabilities: [say-nothing]\nbackend: {type: noop}\n"
    yaml = {"Content-Type": "application/yaml"}
    changed = fnr.request("PUT", place, text, headers={**yaml, "If-Match": given.headers["ETag"]})
    assert changed.status == 200 and changed.json["name"] == "Changed" and changed.headers["ETag"] != given.headers["ETag"]
    assert fnr.get(place, headers={"Accept": "application/yaml"}).data.decode() == text and fnr.get(place).json["name"] == "Changed"
    assert_problem(fnr.request("PUT", place, DEFINITION, headers={"If-Match": given.headers["ETag"]}), 412, "precondition_failed")
    assert_problem(fnr.request("PUT", place, {**DEFINITION, "version": "1.0.1"}, headers={"If-Match": "*"}), 422, "invalid", "/version")
    assert_problem(fnr.request("PUT", place, DEFINITION, headers={"If-None-Match": "*"}), 412, "precondition_failed")
    newer = fnr.request("PUT", place[:-1] + "1", {**DEFINITION, "version": "1.0.1"}, headers={"If-None-Match": "*"})
    assert newer.status == 201
    assert [item["id"] for item in fnr.get("/api/v1/templates?capability=say-nothing&q=test%20BY").json["items"]] == ["by_api"], "every word, in whatever order"
    assert fnr.get("/api/v1/templates?capability=say-nothing&q=by%20nobody").json["items"] == []
    fnr.post("/api/v1/templates", {**DEFINITION, "id": "by_umlaut", "name": "Größe ÄNDERN"})
    for words in ("größe", "GRÖSSE".replace("SS", "ß"), "ändern", "Ändern größe"):
        assert [item["id"] for item in fnr.get("/api/v1/templates?q=" + quote(words)).json["items"]] == ["by_umlaut"], words
    assert fnr.request("DELETE", "/api/v1/templates/by_umlaut/versions/1.0.0", headers={"If-Match": "*"}).status == 204
    assert_problem(fnr.get("/api/v1/templates?backend=comfy"), 422, "invalid", "comfyui")
    old = fnr.post(place[:-1] + "1/deprecate", {"sunset": "2099-01-01T00:00:00Z", "successor": "by_api@1.0.0"})
    assert old.status == 200 and old.json["deprecated"]["successor"] == "by_api@1.0.0"
    time.sleep(0.01)
    again = fnr.post(place[:-1] + "1/deprecate", {"sunset": "2099-01-01T00:00:00Z", "successor": "by_api@1.0.0"})
    assert again.json["deprecated"] == old.json["deprecated"], "said anew, it is deprecated since when it was"
    assert_problem(fnr.post(place[:-1] + "1/deprecate", {"sunset": "2001-01-01T00:00:00Z"}), 422, "invalid", "/sunset", "earlier")
    answer = fnr.get("/api/v1/templates/by_api")
    assert answer.json["version"] == "1.0.0" and "Deprecation" not in answer.headers, "the newest that is not deprecated"
    old, body = "/api/v1/templates/by_api@1.0.1", {"template": "by_api@1.0.1", "inputs": {"words": "x"}}
    told = [fnr.get(path) for path in (place[:-1] + "1", old, old + "/schema", old + "/resources", "/api/v1/presets/compare?template=by_api@1.0.1")]
    told += [fnr.post(JOBS, body), fnr.post("/api/v1/batches", {"jobs": [{"template": "noop", "inputs": {}}, body, body]}), fnr.post("/api/v1/comparisons", body),
             fnr.post(old + "/validate-inputs", {"inputs": {}}), fnr.post("/api/v1/presets/draft/resolve", body), fnr.post("/api/v1/route", {"template": "by_api@1.0.1"}),
             fnr.post("/api/v1/presets/recommend", {"template": "by_api@1.0.1"}), fnr.request("HEAD", old)]
    assert fnr.wait(told[5].json["id"])["state"] == "completed"
    told.append(fnr.post(f"{JOBS}/{told[5].json['id']}/retry", {}))
    for answer in told:
        assert answer.status < 300, answer.data
        assert len(answer.headers.get_all("Deprecation")) == 1, "said once"
        assert answer.headers["Sunset"] == "Thu, 01 Jan 2099 00:00:00 GMT" and re.fullmatch(r"@\d+", answer.headers["Deprecation"]), answer.headers.items()
        assert answer.headers["Link"] == '</api/v1/templates/by_api/versions/1.0.0>; rel="successor-version"'
    fnr.post(place[:-1] + "1/deprecate", {"successor": "noop@1"})
    assert fnr.get(old).headers["Link"] == '</api/v1/templates/noop@1>; rel="successor-version"' and fnr.get("/api/v1/templates/noop@1").json["id"] == "noop"
    assert_problem(fnr.post(place + "/deprecate", {"successor": "by_api@1.0.0"}), 422, "invalid", "/successor", "its own successor")
    assert_problem(fnr.post(place + "/deprecate", {"sunset": "soon", "successor": "nothing_like_it", "why": 1}), 422, "invalid", "/sunset", "/successor", "/why")
    assert fnr.post(place[:-1] + "1/deprecate", {"deprecated": False}).json["deprecated"] is None
    assert_problem(fnr.request("DELETE", place), 428, "precondition_required")
    assert_problem(fnr.request("DELETE", "/api/v1/templates/noop/versions/1.0.0", headers={"If-Match": "*"}), 409, "conflict", "shipped/noop/noop.yaml")
    assert_problem(fnr.post("/api/v1/templates", {**DEFINITION, "id": "noop"}), 409, "conflict", "shipped/noop/noop.yaml")
    for version in ("0", "1"):
        assert fnr.request("DELETE", place[:-1] + version, headers={"If-Match": "*"}).status == 204
    assert_problem(fnr.get(place), 404, "not_found")


def test_resources_at_a_quality(fnr):
    path = "/api/v1/templates/apply_style/resources"
    standard, draft = fnr.get(path).json, fnr.get(path + "?quality=low").json
    assert standard["tier"] == "standard" and draft["quality"] == "draft" and draft["resources"]["memory_mb"] < standard["resources"]["memory_mb"]
    tiers = {"memory_mb": 1000, "tiers": {"draft": {"memory_mb": 7, "gpu": 1}}}
    assert fnr.post("/api/v1/templates", {**DEFINITION, "id": "tiered", "resources": tiers}).status == 201
    assert fnr.get("/api/v1/templates/tiered/resources?quality=draft").json["resources"] == {"cpu": draft_cpu(fnr), "memory_mb": 7, "gpu": 1}
    assert fnr.get("/api/v1/templates/tiered/resources?quality=standard").json["resources"]["memory_mb"] == 1000
    assert_problem(fnr.get(path + "?quality=best"), 422, "invalid", "ultra")
    assert_problem(fnr.post("/api/v1/templates", {**DEFINITION, "id": "tiered2", "resources": {"tiers": {"draft": {"memory": 7}}}}), 422, "invalid", "/resources/tiers/draft/memory")
    assert fnr.request("DELETE", "/api/v1/templates/tiered/versions/1.0.0", headers={"If-Match": "*"}).status == 204


def test_inputs_by_json_schema(fnr):
    schema = {"type": "object", "required": ["size"], "additionalProperties": False, "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "title": "Size", "x-control": "slider", "x-order": 2},
        "shape": {"oneOf": [{"const": "round"}, {"type": "array", "items": {"type": "number"}, "minItems": 2}], "x-order": 1},
        "picture": {"type": "string", "x-media": ["image/*"]}},
        "if": {"properties": {"shape": {"const": "round"}}, "required": ["shape"]}, "then": {"properties": {"size": {"multipleOf": 3}}}}
    definition = {**DEFINITION, "id": "by_schema", "input_schema": schema, "examples": [{"inputs": {"size": 3, "shape": "round"}}]}
    del definition["inputs"]
    made = fnr.post("/api/v1/templates", definition)
    assert made.status == 201, made.data
    assert fnr.get("/api/v1/templates/by_schema/schema").json == schema and made.json["input_form"] == "schema"
    assert made.json["inputs"]["size"] == {"type": "integer", "label": "Size", "min": 1, "max": 9, "order": 2, "control": "slider", "required": True}
    assert made.json["inputs"]["picture"]["type"] == "file" and made.json["inputs"]["shape"]["type"] == "any"
    node, = fnr.get("/api/v1/templates?view=node&q=by_schema").json["items"]
    assert [(port["name"], port["control"]) for port in node["ports"]["inputs"]] == [("picture", "file"), ("shape", "json"), ("size", "slider")]
    for inputs, wrong in (({"size": 3, "shape": "round"}, set()), ({"size": 4, "shape": [1, 2]}, set()), ({"size": 4, "shape": "round"}, {"/inputs/size"}),
                          ({"size": 10}, {"/inputs/size"}), ({"size": 1, "picture": "x.png"}, {"/inputs/picture"}), ({"size": None}, {"/inputs/size"})):
        answer = fnr.post("/api/v1/templates/by_schema/validate-inputs", {"inputs": inputs}).json
        assert {error["pointer"] for error in answer["errors"]} == wrong and answer["valid"] is not bool(wrong), (inputs, answer)
    assert fnr.run("by_schema", {"size": 3, "shape": "round"})["parameters"] == {"size": 3, "shape": "round"}
    assert_problem(fnr.post(JOBS, {"template": "by_schema", "inputs": {"size": 4, "shape": "round"}}), 422, "invalid", "/inputs/size")
    for change, pointer in (({"input_schema": {"type": "object", "properties": {"a": {"type": "strange"}}}}, "/input_schema/properties/a/type"),
                            ({"input_schema": {"type": "array"}}, "/input_schema/type"), ({"inputs": {}}, "/inputs"), ({"examples": [{"inputs": {"size": 0}}]}, "/examples/0/inputs/size")):
        assert_problem(fnr.post("/api/v1/templates", {**definition, "id": "by_schema2", **change}), 422, "invalid", pointer)
    assert fnr.request("DELETE", "/api/v1/templates/by_schema/versions/1.0.0", headers={"If-Match": "*"}).status == 204


def test_variants(fnr):
    variants = {"plain": {"weight": 1}, "bold": {"weight": 3, "parameters": {"strength": 9, "words": "Loud"}}, "off": {"weight": 0}}
    definition = {**DEFINITION, "id": "tried", "parameters": {"strength": 1}, "variants": variants, "examples": [],
                  "inputs": {"words": {"type": "string", "default": "Hush"}}}
    assert fnr.post("/api/v1/templates", definition).status == 201
    jobs = [fnr.run("tried", {}, seed=seed) for seed in range(60)]
    chosen = [job["variant"] for job in jobs]
    assert set(chosen) == {"plain", "bold"} and 30 <= chosen.count("bold") <= 57, chosen
    for job in jobs:
        assert job["parameters"] == ({"strength": 9, "words": "Loud"} if job["variant"] == "bold" else {"strength": 1, "words": "Hush"})
    assert [fnr.run("tried", {}, seed=seed)["variant"] for seed in range(5)] == chosen[:5], "the same seed, the same variant"
    named = fnr.run("tried", {"words": "Mine"}, variant="off")
    assert named["variant"] == "off" and fnr.run("tried", {"words": "Mine"}, variant="bold")["parameters"] == {"strength": 9, "words": "Mine"}
    again = fnr.post(f"{JOBS}/{named['id']}/retry").json
    assert again["variant"] == "off" and fnr.run()["variant"] is None
    fnr.wait(again["id"])
    assert_problem(fnr.post(JOBS, {"template": "tried", "inputs": {}, "variant": "loud"}), 422, "invalid", "/variant")
    counts = {item["variant"]: item["completed"] for item in fnr.get("/api/v1/stats?template=tried&by=template,variant").json["items"]}
    assert counts["bold"] + counts["plain"] == 66 and counts["off"] == 2, counts
    for wrong, pointer in (({"a": {"weight": -1}}, "/variants/a/weight"), ({"a": {"parameters": {"none": 1}}}, "/variants/a/parameters/none"), ({"a": {"weight": 0}}, "/variants"),
                           ({"a": 5}, "/variants/a")):
        assert_problem(fnr.post("/api/v1/templates", {**definition, "id": "tried2", "variants": wrong}), 422, "invalid", pointer)
    assert fnr.request("DELETE", "/api/v1/templates/tried/versions/1.0.0", headers={"If-Match": "*"}).status == 204


def draft_cpu(fnr):
    return fnr.get("/api/v1/presets/draft").json["scaling"]["cpu"]


def test_templates_as_nodes(fnr):
    items = {item["id"]: item for item in pages(fnr, "/api/v1/templates?view=node", 3)}
    card = items["create_title_card"]["ports"]
    controls = {port["name"]: port["control"] for port in card["inputs"]}
    assert controls["text"] == "textarea" and controls["color"] == "color" and controls["align"] == "select"
    assert [port["name"] for port in card["inputs"]][0] == "text" and card["inputs"][0]["required"] is True
    assert [(port["name"], port["type"], port["media_type"]) for port in card["outputs"]] == [("image", "image", "image/png")]
    assert items["copy"]["ports"]["inputs"][0]["control"] == "file"
    assert_problem(fnr.get("/api/v1/templates?view=list"), 422, "invalid", "node")


def test_validation_of_templates(fnr):
    good = fnr.post("/api/v1/templates/validate", DEFINITION)
    assert good.json["valid"] is True and good.json["errors"] == []
    text = "id: by_api\nversion: 1.0.0\nname: Y\ncategory: text\nbackend: {type: noop}\ninputs:\n  size: {type: integer, min: 5, max: 2}\n"
    bad = fnr.post("/api/v1/templates/validate", text, headers={"Content-Type": "application/yaml"}).json
    error = bad["errors"][0]
    assert bad["valid"] is False and (error["pointer"], error["line"], error["column"]) == ("/inputs/size/min", 7, 25)
    assert error["excerpt"] == "  size: {type: integer, min: 5, max: 2}" and error["fix"] and error["rule"] == "range"
    child = {"id": "child", "version": "1.0.0", "extends": "by_api@1", "name": None}
    many = fnr.post("/api/v1/templates/validate", {"templates": [child, DEFINITION, DEFINITION]}).json
    assert many["valid"] is False and [report["valid"] for report in many["reports"]] == [False, True, False]
    assert {error["pointer"] for error in many["errors"]} == {"/templates/0/name", "/templates/2/version"}
    page = fnr.post("/api/v1/templates/validate", text.replace("Y", "'<script>'"), headers={"Content-Type": "application/yaml", "Accept": "text/html"})
    assert page.headers["Content-Type"] == "text/html; charset=utf-8" and b"/inputs/size/min" in page.data and b"<script>" not in page.data
    parents = [{**DEFINITION, "version": version, "inputs": {name: {"type": "string"}}} for version, name in (("1.0.0", "old"), ("1.10.0", "new"), ("1.9.0", "late"))]
    heir = {"id": "heir", "version": "1.0.0", "extends": DEFINITION["id"] + "@1", "examples": [{"inputs": {"new": "x"}}]}
    assert fnr.post("/api/v1/templates/validate", {"templates": [heir, *parents]}).json["reports"][0]["valid"], "the newest of the list"
    assert_problem(fnr.post("/api/v1/templates/validate", {"templates": 5}), 422, "invalid", "/templates")


def test_the_schema_of_templates(fnr):
    schema = fnr.get("/api/v1/template-schema").json
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(DEFINITION) and not validator.is_valid({**DEFINITION, "category": "music"})
    assert validator.is_valid({"id": "child", "version": "1.0.0", "extends": "by_api@1", "inputs": {"words": None}})
    for item in fnr.get("/api/v1/templates?limit=500").json["items"]:
        validator.validate(fnr.get(f"/api/v1/templates/{item['id']}/versions/{item['version']}").json)
    assert {"cycle", "required"} <= {item["rule"] for item in fnr.get("/api/v1/template-rules").json["items"]}


def test_what_is_broken(fnr):
    folder = os.path.join(fnr.data, "templates", "broken")
    os.makedirs(folder)
    write_whole(os.path.join(folder, "bad.yaml"), "id: bad\nversion: 1.0.0\nname: Bad\ncategory: txt\nbackend: {type: noop}\n")
    until(lambda: fnr.get("/api/v1/templates?state=broken").json["items"], "it is not listed")
    item, = fnr.get("/api/v1/templates?state=broken").json["items"]
    assert item["source"] == "data/broken/bad.yaml" and item["in_force"] is False and item["errors"][0]["line"] == 4
    write_whole(os.path.join(folder, "bad.yaml"), "id: bad\nversion: 1.0.0\nname: Bad\ncategory: text\nbackend: {type: noop}\n")
    until(lambda: not fnr.get("/api/v1/templates?state=broken").json["items"], "it is mended")
    os.remove(os.path.join(folder, "bad.yaml"))
    until(lambda: fnr.get("/api/v1/templates/bad").status == 404, "it is gone")


def test_schemas_of_templates(fnr):
    for item in fnr.get("/api/v1/templates?limit=500").json["items"]:
        schema = fnr.get(f"/api/v1/templates/{item['id']}/schema").json
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        assert schema["type"] == "object" and set(schema.get("properties", {})) == set(item["inputs"])
        for example in item.get("examples") or []:
            inputs = example["inputs"]
            files = {name for name in schema.get("required", []) if name not in inputs}      # which no example can bring
            validator.validate({**inputs, **{name: ["upload:x"] if item["inputs"][name]["type"] == "array" else "upload:x" for name in files}})
            answer = fnr.post(f"/api/v1/templates/{item['id']}/validate-inputs", {"inputs": inputs})
            assert answer.status == 200 and answer.json["valid"] is not bool(files)
            assert {error["pointer"].rsplit("/", 1)[1] for error in answer.json["errors"]} == files
        assert not validator.is_valid({"no such input": 1})
    card = jsonschema.Draft202012Validator(fnr.get("/api/v1/templates/create_title_card/schema").json)
    for inputs in ({}, {"text": ""}, {"text": "x" * 301}, {"text": "x", "color": "red"}, {"text": "x", "aspect": "3:2"}, {"text": 1}):
        assert not card.is_valid(inputs), inputs
        answer = fnr.post("/api/v1/templates/create_title_card/validate-inputs", {"inputs": inputs})
        assert answer.json["valid"] is False and answer.json["errors"], inputs
    assert fnr.post("/api/v1/templates/create_title_card/validate-inputs", {}).json["valid"] is False


def test_presets(fnr):
    items = fnr.get("/api/v1/presets").json["items"]
    assert [item["id"] for item in items] == ["draft", "standard", "high", "ultra"] and all(item["builtin"] for item in items)
    assert [item["level"] for item in items] == sorted(item["level"] for item in items)
    for item in items:
        assert fnr.get("/api/v1/presets/" + item["id"]).json == item
    assert fnr.get("/api/v1/presets/low").json["id"] == "draft" and fnr.get("/api/v1/presets/premium").json["id"] == "ultra"
    assert_problem(fnr.get("/api/v1/presets/best"), 404, "not_found", "ultra")


def test_presets_made(fnr):
    """Every operation on presets of one's own; what becomes of them is in test_presets.py."""
    made = fnr.post("/api/v1/presets", {"name": "Own", "base": "draft", "parameters": {"image": {"steps": 7}}})
    assert made.status == 201 and made.json["id"] == "own"
    assert_problem(fnr.request("PUT", "/api/v1/presets/own", made.json), 428, "precondition_required")
    assert fnr.request("PUT", "/api/v1/presets/own", {**made.json, "level": 9}, headers={"If-Match": made.headers["ETag"]}).json["level"] == 9
    assert len(fnr.get("/api/v1/presets/own/versions").json["items"]) == 2
    file = fnr.get("/api/v1/presets/own/export").json
    assert fnr.post("/api/v1/presets/import?conflict=replace", file).json["items"][0]["version"] == 3
    assert_problem(fnr.request("DELETE", "/api/v1/presets/own", headers={"If-Match": made.headers["ETag"]}), 412, "precondition_failed")
    assert fnr.request("DELETE", "/api/v1/presets/own", headers={"If-Match": "*"}).status == 204
    for preset in ("draft", "ultra"):
        answer = fnr.post(f"/api/v1/presets/{preset}/resolve", {"template": "create_title_card", "inputs": {"text": "x"}, "changes": {"level": 3}})
        assert answer.status == 200 and answer.json["origins"]["text"] == "input"
    compared = fnr.post("/api/v1/comparisons", {"template": "noop", "inputs": {}, "presets": ["draft", "high"]})
    assert compared.status == 202 and fnr.get(compared.headers["Location"]).json["id"] == compared.json["id"]
    assert len(fnr.get("/api/v1/presets/compare?template=create_title_card").json["items"]) == 4
    assert fnr.post("/api/v1/presets/recommend", {"template": "create_title_card", "use_case": "preview"}).json["preset"] == "draft"


def test_parameters_are_merged_in_order(fnr):
    """Template, then its preset of the quality, then what was given."""
    wait = {"not_before": "2099-01-01T00:00:00Z"}
    heights = {quality: fnr.submit("create_title_card", {"text": "x"}, quality=quality, **wait)["parameters"]["height"]
               for quality in ("draft", "standard", "high", "ultra")}
    assert heights == {"draft": 360, "standard": 720, "high": 1080, "ultra": 2160}
    parameters = fnr.submit("create_title_card", {"text": "x", "color": "#123456", "font": None}, quality="draft", **wait)["parameters"]
    assert parameters["color"] == "#123456" and parameters["background"] == "#101820" and parameters["font"] == "sans"


def test_title_card(fnr):
    job = fnr.run("create_title_card", {"text": "Act One 🎬"}, quality="draft", project="cards")
    assert job["state"] == "completed", job["error"]
    (output,) = job["outputs"]
    assert output["media_type"] == "image/png" and output["height"] == 360 and output["width"] == 640
    assert fnr.get(output["url"]).data.startswith(b"\x89PNG")


# ---- operation ----


def test_keys(fnr):
    answer = fnr.post("/api/v1/keys", {"name": "Anna's laptop", "scopes": ["read", "submit"], "projects": ["demo"]})
    assert answer.status == 201
    key = answer.json
    assert key["key"].startswith("fnr_") and key["projects"] == ["demo"]
    listed = {item["id"]: item for item in fnr.get("/api/v1/keys").json["items"]}
    assert listed[key["id"]]["name"] == "Anna's laptop" and "key" not in listed[key["id"]] and "admin" in listed
    assert fnr.get(JOBS, key=key["key"]).status == 200
    assert fnr.request("DELETE", "/api/v1/keys/" + key["id"]).status == 204
    assert key["id"] not in {item["id"] for item in fnr.get("/api/v1/keys").json["items"] if not item.get("revoked")}
    for place, _, names in os.walk(os.path.join(fnr.data, "store")):  # only its hash was ever stored
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                assert key["key"].encode() not in file.read()


def test_sessions_and_tickets(fnr):
    """test_sessions.py has the rest; here it is that they are as the document says."""
    made = fnr.post("/api/v1/sessions", {})
    assert made.status == 201
    cookie = {"Authorization": None, "Cookie": made.headers["Set-Cookie"].split(";")[0], "X-Function-Runner": "1"}
    assert fnr.get("/api/v1/sessions", headers=cookie).json == made.json
    link = fnr.post("/api/v1/sessions", {"one_time": True})
    assert fnr.post("/api/v1/sessions", {"link": link.json["link"]}, headers={"Authorization": None}).status == 201
    assert_problem(fnr.post("/api/v1/sessions", {"link": link.json["link"]}), 401)
    ticket = fnr.post("/api/v1/tickets", {"path": f"{JOBS}/{fnr.run('good')['id']}/outputs/text"}, headers=cookie)
    assert fnr.get(ticket.json["url"], headers={"Authorization": None}).status == 200
    assert fnr.request("DELETE", "/api/v1/sessions", headers=cookie).status == 204
    assert_problem(fnr.get("/api/v1/sessions", headers=cookie), 401)


def test_health(fnr):
    for key in (None, "fnr_wrong"):
        headers = {"Authorization": f"Bearer {key}" if key else None}
        assert fnr.get("/healthz", headers=headers).json == {"status": "ok"}
        ready = fnr.get("/readyz", headers=headers)
        assert ready.status == 200 and set(ready.json) == {"status"}
    assert fnr.get("/readyz").status == 200


def test_not_ready_without_a_manager(fnr):
    """While it hangs it is alive, but not ready; why is told to those with a key only. Then all goes on."""
    managers = fnr.pids_of("fnr-manager")
    assert managers
    for pid in managers:
        os.kill(pid, signal.SIGSTOP)
    try:
        answer = eventually(lambda: (lambda answer: answer if answer.status == 503 else None)(fnr.get("/readyz")))
        assert int(answer.headers["Retry-After"]) > 0 and b"manager" in answer.data
        stranger = fnr.get("/readyz", headers={"Authorization": None})
        assert stranger.status == 503 and b"manager" not in stranger.data
        assert fnr.get("/healthz").status == 200
        job = fnr.submit()  # accepting does not need it
    finally:
        for pid in managers:
            os.kill(pid, signal.SIGCONT)
    assert fnr.wait(job["id"])["state"] == "completed"
    eventually(lambda: fnr.get("/readyz").status == 200)


def test_streams(fnr):
    """What an event has, and that a stream of a job, of its batch, and of everything tell the same."""
    fnr.document.used |= {("GET", "/api/v1/events"), ("GET", "/api/v1/jobs/{id}/events"), ("GET", "/api/v1/batches/{id}/events")}
    with fnr.stream("/api/v1/events?project=streams") as wide:
        answer = fnr.post("/api/v1/batches", {"defaults": {"project": "streams", "inputs": {}}, "jobs": [{"template": "good"}, {"template": "flaky"}, {"template": "fails"}]})
        batch = answer.json
        seen, ended = [], 0
        for event in wide:
            seen.append(event)
            ended += event.name in ("job.completed", "job.failed")
            if ended == 3:
                break
    names = set(fnr.document.document["components"]["schemas"]["EventName"]["enum"])
    assert seen[0].name == "snapshot" and {event.name for event in seen} <= names
    required = {"seq", "time", "job", "batch", "project", "node_id", "state", "attempt"}
    for event in seen[1:]:
        fnr.document.check("EventData", event.data)
        assert event.data["seq"] == event.id
        if event.name.startswith("job."):
            assert required <= set(event.data) and event.data["batch"] == batch["id"] and event.data["state"] in words("FNR_STATES"), event.data
    assert [event.id for event in seen[1:]] == sorted({event.id for event in seen[1:]})
    for id in batch["jobs"]:
        with fnr.stream(f"{JOBS}/{id}/events") as stream:
            (event,) = list(stream)
        assert event.name == "snapshot" and event.data["state"] in TERMINAL
        # The snapshot is the job as the API shows it, with the number of the event and the time.
        job = fnr.get(f"{JOBS}/{id}").json
        assert {name: event.data[name] for name in job} == job
        assert fnr.stream(f"{JOBS}/{id}/events", last_id=event.id).status == 204
    with fnr.stream(f"/api/v1/batches/{batch['id']}/events") as stream:
        event = next(iter(stream))
    assert event.name == "snapshot" and event.data["state"] == "failed" and event.data["total"] == 3


def test_request_ids(fnr):
    answers = [fnr.get(JOBS + "?limit=1"), fnr.get(f"{JOBS}/{uuid.uuid4()}")]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert all(ids) and len(set(ids)) == 2
    assert answers[1].json["request_id"] == ids[1]


def test_again_and_deleted(fnr):
    job = fnr.run("good")
    again = fnr.post(f"{JOBS}/{job['id']}/retry", {"seed": None})
    assert again.status == 202 and again.json["retry_of"] == job["id"]
    assert fnr.post(f"{JOBS}/{job['id']}/retry", headers={"Prefer": "wait=120"}).status == 200
    assert fnr.request("DELETE", f"{JOBS}/{job['id']}").status == 204
    assert_problem(fnr.post(f"{JOBS}/{job['id']}/retry"), 404)


def test_variations_cancelled_by_filter(fnr):
    made = fnr.post(JOBS, {**NOOP, "project": "variations", "count": 3, "not_before": "2099-01-01T00:00:00Z"})
    assert made.status == 202 and made.json["total"] == 3
    assert fnr.post(f"{JOBS}/cancel", {"batch": made.json["id"], "mine": True, "state": "scheduled"}).json == {"found": 3}


def test_route_backends_and_statistics(fnr):
    assert fnr.post("/api/v1/route", {"template": "noop"}).json["backend"] == "local"
    assert [backend["id"] for backend in fnr.get("/api/v1/backends").json["items"]] == ["local"]
    assert fnr.get("/api/v1/backends/local").json["type"] == "script"
    assert fnr.post("/api/v1/backends/local/reset-breaker").status == 202
    added = fnr.post("/api/v1/backends", {"id": "far", "type": "comfyui", "url": "http://127.0.0.1:9"})
    assert added.status == 201
    tag = {"If-Match": added.headers["ETag"]}
    changed = fnr.request("PUT", "/api/v1/backends/far", {"url": "http://127.0.0.1:9", "labels": ["slow"]}, headers=tag)
    assert changed.json["labels"] == ["slow"] and fnr.post("/api/v1/backends/far/probe").status == 202
    assert fnr.post("/api/v1/backends/far/drain").json["drained"] and not fnr.post("/api/v1/backends/far/resume").json["drained"]
    assert fnr.request("DELETE", "/api/v1/backends/far", headers={"If-Match": "*"}).status == 204
    assert fnr.get("/api/v1/models").json["items"] == []
    fnr.run()
    assert fnr.get("/api/v1/stats?by=template,hour").json["items"]
    assert fnr.get("/api/v1/errors?limit=5").status == 200


def test_queues(fnr):
    assert [queue["name"] for queue in fnr.get("/api/v1/queues").json["items"]] == ["cpu", "gpu", "io", "priority"]
    assert fnr.post("/api/v1/queues/io/pause", {"until": "2099-01-01T00:00:00Z"}).json["paused_until"].startswith("2099-01-01")
    id = fnr.submit(queue="io")["id"]
    assert fnr.request("PUT", "/api/v1/queues/io", {"concurrency": 3, "per_minute": None}).json["concurrency"] == 3
    assert fnr.get("/api/v1/queues/io").json["waiting"] == 1 and fnr.get(f"{JOBS}/{id}").json["waiting_for"] == "paused"
    assert fnr.request("PATCH", f"{JOBS}/{id}", {"priority": 9}).status == 202
    assert fnr.post("/api/v1/queues/io/purge").json == {"found": 1}
    assert fnr.wait(id)["state"] == "cancelled"
    assert fnr.post("/api/v1/queues/io/resume").json["paused"] is False


def test_workers(fnr):
    fnr.run()
    worker = fnr.get("/api/v1/workers").json["items"][0]
    assert fnr.get(f"/api/v1/workers/{worker['id']}").json["id"] == worker["id"]
    assert fnr.post("/api/v1/workers/scale", {}).status == 202
    for method, what in (("POST", "/restart"), ("POST", "/drain"), ("DELETE", "")):
        worker = until(lambda: next((item for item in fnr.get("/api/v1/workers").json["items"] if item["state"] == "idle"), None), "one is idle")
        assert fnr.request(method, f"/api/v1/workers/{worker['id']}{what}").json["id"] == worker["id"]
        until(lambda: fnr.get(f"/api/v1/workers/{worker['id']}").status == 404, "it has ended")


def test_weight_of_a_project(fnr):
    assert fnr.request("PUT", "/api/v1/projects/weighed", {"weight": 2.5, "concurrency": 4}).json == {
        "name": "weighed", "weight": 2.5, "concurrency": 4, "per_minute": None, "max_waiting": None}


def test_dead_letters(fnr):
    jobs = [fnr.run("fails", project="dead") for _ in range(4)]
    listed = fnr.get("/api/v1/dead-letters?project=dead").json
    assert [job["id"] for job in listed["items"]] == [job["id"] for job in jobs[::-1]] and listed["total"] >= 4
    again = fnr.post(f"/api/v1/dead-letters/{jobs[0]['id']}/replay")
    assert again.status == 202 and again.json["retry_of"] == jobs[0]["id"]
    fnr.wait(again.json["id"])
    assert fnr.request("DELETE", f"/api/v1/dead-letters/{jobs[1]['id']}").status == 204
    batch = fnr.post("/api/v1/dead-letters/replay", {"project": "dead", "class": jobs[0]["error"]["class"]})
    assert batch.status == 202 and batch.json["total"] == 3


def test_thumbnails(fnr):
    job = fnr.run("create_title_card", {"text": "Small"}, quality="draft", project="small", shot="s1")
    output = until(lambda: (found := fnr.get(f"{JOBS}/{job['id']}").json["outputs"][0])["thumbnail"] and found, "the thumbnail")
    assert fnr.get(output["thumbnail"]).headers["Content-Type"] == "image/webp"
    file = fnr.get("/api/v1/projects/small/shots/s1/takes/1").json["files"][0]
    assert fnr.get(file["thumbnail"]).data == fnr.get(output["thumbnail"]).data


def test_every_operation_was_asked(fnr):
    """Last in this file: nothing of the document was left out."""
    documented = {(method.upper(), path) for path, item in fnr.document.document["paths"].items() for method in item if method != "parameters"}
    assert documented - fnr.document.used - {("GET", "/api/v1/openapi.json")} == set()
