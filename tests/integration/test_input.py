"""What bad input gets: a clear problem, never a 5xx, and nothing that leaks, hangs or disturbs anything else.

Everything goes through nginx. The limits are small here, so that going over them costs nothing.
"""

import concurrent.futures
import http.client
import json
import os
import random
import select
import socket
import time
import uuid

import pytest

from system import System, assert_problem, parse_answer

BODY_MAX, INPUTS_MAX, UPLOAD_MAX, BATCH_MAX = 131072, 65536, 1048576, 20
CONFIG = f"""
api: {{max_body: {BODY_MAX}, handlers: 12, max_failures: 0}}
job: {{max_inputs: {INPUTS_MAX}}}
upload: {{max: {UPLOAD_MAX}}}
batch: {{max_jobs: {BATCH_MAX}}}
"""
JOBS = "/api/v1/jobs"
NOOP = {"template": "noop", "inputs": {}}
INT53 = 2**53 - 1


@pytest.fixture(scope="module")
def fnr():
    system = System(CONFIG)
    system.add_script(
        "typed",
        "#!/bin/sh\n",
        inputs={
            "text": {"type": "string", "min_length": 2, "max_length": 8},
            "size": {"type": "integer", "min": 8, "max": 200, "default": 40},
            "ratio": {"type": "number", "min": 0, "max": 1},
            "flag": {"type": "boolean"},
            "choice": {"type": "string", "enum": ["small", "large"]},
            "color": {"type": "string", "format": "color"},
            "picture": {"type": "file", "media": ["image/*"]},
            "numbers": {"type": "array", "items": {"type": "integer"}},
            "settings": {"type": "object"},
            "anything": {"type": "any"},
        },
        outputs={},
        backend={"type": "noop"},
    )
    with system:
        yield system


@pytest.fixture(scope="module")
def uploads(fnr):
    """Names of the files below uploads/, with those that are just coming in. nginx takes a file back when the answer has been sent, so
    there may be one of a request before; that nothing is left means that nothing new is."""

    def names():
        folder = os.path.join(fnr.data, "uploads")
        return {os.path.join(place, name) for place, _, found in os.walk(folder) for name in found}

    return names


def make_key(fnr, *scopes, projects=None):
    body = {"name": "for a test", "scopes": list(scopes)}
    if projects:
        body["projects"] = projects
    answer = fnr.post("/api/v1/keys", body)
    assert answer.status == 201, answer.data
    return answer.json


def pointers(problem):
    return {entry["pointer"] for entry in problem["errors"]}


def eventually(what, seconds=120):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def accepted(fnr):
    """How many jobs there are: what was refused must not be among them."""
    count, cursor = 0, ""
    while cursor is not None:
        page = fnr.get(f"{JOBS}?limit=500" + (f"&cursor={cursor}" if cursor else "")).json
        count, cursor = count + len(page["items"]), page["next_cursor"]
    return count


# ---- JSON ----

NOT_JSON = {
    "nothing": b"",
    "space": b" \n",
    "cut": b'{"template":"noop","inputs":{',
    "cut string": b'{"template":"no',
    "single quotes": b"{'template':'noop','inputs':{}}",
    "no quotes": b'{template:"noop","inputs":{}}',
    "comma at the end": b'{"template":"noop","inputs":{},}',
    "comma missing": b'{"template":"noop" "inputs":{}}',
    "colon missing": b'{"template" "noop","inputs":{}}',
    "comment": b'{"template":"noop",/* why */"inputs":{}}',
    "line comment": b'{"template":"noop","inputs":{}} // done',
    "junk behind": b'{"template":"noop","inputs":{}}x',
    "two values": b'{"template":"noop","inputs":{}}{}',
    "NUL behind": b'{"template":"noop","inputs":{}}\0',
    "bracket behind": b'{"template":"noop","inputs":{}}}',
    "byte order mark": b'\xef\xbb\xbf{"template":"noop","inputs":{}}',
    "UTF-16": '{"template":"noop","inputs":{}}'.encode("utf-16"),
    "NaN": b'{"template":"noop","inputs":{},"priority":NaN}',
    "Infinity": b'{"template":"noop","inputs":{},"priority":Infinity}',
    "-Infinity": b'{"template":"noop","inputs":{},"priority":-Infinity}',
    "beyond a double": b'{"template":"noop","inputs":{},"metadata":{"a":1e999}}',
    "True": b'{"template":"noop","inputs":{},"dedupe":True}',
    "NUL": b'{"template":"noop","inputs":{},"node_id":"a\0b"}',
    "escaped NUL": b'{"template":"noop","inputs":{},"node_id":"a\\u0000b"}',
    "escaped NUL in a name": b'{"template":"noop","inputs":{},"metadata":{"a\\u0000b":1}}',
    "control character": b'{"template":"noop","inputs":{},"node_id":"a\nb"}',
    "unknown escape": b'{"template":"noop","inputs":{},"node_id":"\\x41"}',
    "short escape": b'{"template":"noop","inputs":{},"node_id":"\\u41"}',
    "half a surrogate pair": b'{"template":"noop","inputs":{},"node_id":"\\ud83d"}',
    "other half": b'{"template":"noop","inputs":{},"node_id":"\\ude00\\ud83d"}',
    "not UTF-8": b'{"template":"noop","inputs":{},"node_id":"\xff\xfe"}',
    "overlong UTF-8": b'{"template":"noop","inputs":{},"node_id":"\xc0\xaf"}',
    "surrogate in UTF-8": b'{"template":"noop","inputs":{},"node_id":"\xed\xa0\x80"}',
    "cut UTF-8": b'{"template":"noop","inputs":{},"node_id":"\xe2\x82"}',
    "beyond Unicode": b'{"template":"noop","inputs":{},"node_id":"\xf4\x90\x80\x80"}',
    "member twice": b'{"template":"noop","inputs":{},"template":"noop"}',
    "member twice, escaped": b'{"template":"noop","inputs":{},"\\u0074emplate":"noop"}',
    "member twice below": b'{"template":"noop","inputs":{"a":{"b":1,"b":1}}}',
    "2^53": b'{"template":"noop","inputs":{},"metadata":{"a":9007199254740992}}',
    "-2^53": b'{"template":"noop","inputs":{},"metadata":{"a":-9007199254740992}}',
    "huge integer": b'{"template":"noop","inputs":{},"metadata":{"a":' + b"9" * 400 + b"}}",
    "leading zero": b'{"template":"noop","inputs":{},"priority":05}',
    "plus": b'{"template":"noop","inputs":{},"priority":+5}',
    "no digit before the point": b'{"template":"noop","inputs":{},"priority":.5}',
    "no digit behind the point": b'{"template":"noop","inputs":{},"priority":5.}',
    "hexadecimal": b'{"template":"noop","inputs":{},"priority":0x5}',
    "minus alone": b'{"template":"noop","inputs":{},"priority":-}',
    "exponent alone": b'{"template":"noop","inputs":{},"priority":5e}',
    "65 deep": b'{"template":"noop","inputs":{},"metadata":' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}",
    "65 lists deep": b'{"template":"noop","inputs":{},"metadata":{"a":' + b"[" * 63 + b"]" * 63 + b"}}",
    "very deep": b'{"a":' * 20000,
    "many brackets": b"[" * 100000,
    "form": b"template=noop&inputs=",
}


@pytest.mark.parametrize("path", [JOBS, "/api/v1/batches", "/api/v1/templates/noop/validate-inputs", "/api/v1/keys"])
@pytest.mark.parametrize("name", NOT_JSON)
def test_json_that_is_none(fnr, name, path):
    answer = fnr.post(path, NOT_JSON[name], headers={"Content-Type": "application/json"})
    problem = assert_problem(answer, 400, "malformed")
    if NOT_JSON[name].strip():
        assert "line 1, column" in problem["detail"]


@pytest.mark.parametrize("value", ["[]", "null", "true", "1", '"template"', '[{"template":"noop","inputs":{}}]'])
@pytest.mark.parametrize("path", [JOBS, "/api/v1/batches", "/api/v1/templates/noop/validate-inputs", "/api/v1/keys"])
def test_json_that_is_no_object(fnr, value, path):
    assert_problem(fnr.post(path, value, headers={"Content-Type": "application/json"}), {400, 422}, None, "object")


def test_json_at_the_limits_is_taken_and_runs(fnr):
    deep = 1
    for _ in range(63):
        deep = {"a": deep}
    metadata = {"deep": deep["a"], "most": INT53, "least": -INT53, "emoji": "🎬\u2028\x7f", "empty": "", "": "", "real": 0.1}
    job = fnr.run(metadata=metadata)
    assert job["state"] == "completed" and job["metadata"] == metadata


# ---- values ----

WRONG = {
    "template": [1, 1.5, True, [], {}, "", "no such", "noop@", "noop@x", "noop@9", "noop@1.0.0.0", "../noop", "noop@-1", "a" * 300, "ä"],
    "inputs": [1, 1.5, True, [], "{}"],
    "quality": [1, True, [], {}, "", "best", "Draft", "draft "],
    "priority": ["5", 5.5, 5.0, 0, 11, -1, INT53, True, [], {}],
    "project": [1, True, [], {}, "", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-x", "a b", "a\nb", "a\tb", "ü", "p" * 65, "a\x7f", "%2e%2e"],
    "queue": [1, True, [], {}, "", "fast", "CPU"],
    "seed": [-1, 1.5, "1", True, [], {}],
    "not_before": [1, True, [], {}, "", "tomorrow", "2026-13-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z"],
    "expires_at": [1, True, [], {}, "", "never", "2026-02-30T00:00:00Z"],
    "timeout_s": [0, -1, 1.5, "60", True, [], {}, 2592001],
    "depends_on": [1, "x", True, {}],
    "on_parent_failure": [1, True, [], {}, "", "explode"],
    "count": [0, 1001, -1, 1.5, "1", True, [], {}],
    "dedupe": [1, "yes", "false", [], {}],
    "fallback": [1, True, [], "cpu"],
    "node_id": [1, True, [], {}, "n" * 129],
    "metadata": [1, True, [], "x"],
}
WRONG_PAIRS = [(member, value) for member, values in WRONG.items() for value in values]


@pytest.mark.parametrize("member,value", WRONG_PAIRS, ids=[f"{member}-{json.dumps(value)[:30]}" for member, value in WRONG_PAIRS])
def test_wrong_value(fnr, member, value):
    problem = assert_problem(fnr.post(JOBS, {**NOOP, member: value}), 422, "invalid")
    assert pointers(problem) == {"/" + member}, problem
    assert all(entry["fix"] for entry in problem["errors"]), problem


@pytest.mark.parametrize("member", ["template", "inputs"])
def test_required_member_is_missing_or_null(fnr, member):
    for body in ({name: value for name, value in NOOP.items() if name != member}, {**NOOP, member: None}):
        problem = assert_problem(fnr.post(JOBS, body), 422, "invalid")
        assert pointers(problem) == {"/" + member}
        assert problem["errors"][0]["rule"] == "required"


def test_null_is_as_good_as_missing(fnr):
    members = ["project", "shot", "queue", "seed", "not_before", "expires_at", "timeout_s", "node_id", "metadata", "fallback", "quality",
               "priority", "depends_on", "on_parent_failure", "count", "dedupe"]
    job = fnr.run(**{member: None for member in members})
    assert job["state"] == "completed" and job["quality"] == "standard" and job["priority"] == 5


def test_all_problems_at_once(fnr):
    body = {"template": "nop", "inputs": [], "quality": "best", "priority": 99, "project": "..", "sede": 1}
    problem = assert_problem(fnr.post(JOBS, body), 422, "invalid")
    assert pointers(problem) == {"/template", "/inputs", "/quality", "/priority", "/project", "/sede"}


@pytest.mark.parametrize("shot", [1, [], "", "..", "a/b", ".attempt-x", "s" * 65, "a\x01b", "Ü"])
def test_wrong_shot(fnr, shot):
    assert pointers(assert_problem(fnr.post(JOBS, {**NOOP, "project": "p", "shot": shot}), 422, "invalid")) == {"/shot"}


def test_shot_without_project(fnr):
    problem = assert_problem(fnr.post(JOBS, {**NOOP, "shot": "s"}), 422, "invalid", "project")
    assert pointers(problem) == {"/shot"}


def test_it_would_expire_before_it_may_start(fnr):
    body = {**NOOP, "not_before": "2099-01-02T00:00:00Z", "expires_at": "2099-01-01T00:00:00Z"}
    assert pointers(assert_problem(fnr.post(JOBS, body), 422, "invalid")) == {"/expires_at"}


@pytest.mark.parametrize("fallback,place", [({"quality": 1}, "quality"), ({"cpu": "yes"}, "cpu"), ({"gpu": True}, "gpu")])
def test_wrong_fallback(fnr, fallback, place):
    assert pointers(assert_problem(fnr.post(JOBS, {**NOOP, "fallback": fallback}), 422, "invalid")) == {"/fallback/" + place}


@pytest.mark.parametrize("given,nearest", [("tempalte", "template"), ("qualty", "quality"), ("projct", "project"), ("Priority", "priority"),
                                           ("meta_data", "metadata"), ("timeout", "timeout_s")])
def test_unknown_member_names_the_nearest(fnr, given, nearest):
    problem = assert_problem(fnr.post(JOBS, {**NOOP, given: 1}), 422, "invalid")
    (entry,) = problem["errors"]
    assert entry["pointer"] == "/" + given and entry["rule"] == "unknown_member" and f"'{nearest}'" in entry["fix"]


def test_unknown_members_of_every_kind(fnr):
    for name, pointer in [("a/b", "/a~1b"), ("~", "/~0"), ("", "/"), ("webhook", "/webhook"), ("ref", "/ref"), ("\n", "/\n"), ("🎬", "/🎬")]:
        assert pointers(assert_problem(fnr.post(JOBS, {**NOOP, name: {}}), 422, "invalid")) == {pointer}
    for name in ["x" * 5000, "ü" * 5000, "\\" * 5000, "~" * 5000]:  # cut somewhere, but never within a character
        assert_problem(fnr.post(JOBS, {**NOOP, name: 1}), 422, "invalid")
    assert_problem(fnr.post(JOBS, {**NOOP, **{f"x{i}": i for i in range(3000)}}), 422, "invalid")


def test_unknown_template_names_the_nearest(fnr):
    problem = assert_problem(fnr.post(JOBS, {"template": "create_titel_card", "inputs": {}}), 422, "invalid")
    assert pointers(problem) == {"/template"} and "create_title_card" in json.dumps(problem["errors"])
    problem = assert_problem(fnr.post(JOBS, {"template": "create_title_card@7", "inputs": {}}), 422, "invalid", "1.0.0")
    assert_problem(fnr.get("/api/v1/templates/create_titel_card"), 404, "not_found", "create_title_card")
    assert_problem(fnr.get("/api/v1/templates/noop/versions/9.9.9"), 404, "not_found")
    assert_problem(fnr.get("/api/v1/templates/noop/versions/x"), 404, "not_found")


def test_unknown_tier_names_the_valid_ones(fnr):
    problem = assert_problem(fnr.post(JOBS, {**NOOP, "quality": "best"}), 422, "invalid", "draft", "standard", "high", "ultra")
    assert pointers(problem) == {"/quality"}
    assert_problem(fnr.get("/api/v1/presets/best"), 404, "not_found", "draft", "standard", "high", "ultra")


@pytest.mark.parametrize("old,new", [("low", "draft"), ("premium", "ultra"), ("standard", "standard"), ("high", "high")])
def test_old_names_of_tiers(fnr, old, new):
    assert fnr.submit(quality=old)["quality"] == new
    assert fnr.get("/api/v1/presets/" + old).json["id"] == new


INPUTS = [
    ({"text": "x"}, "/text"), ({"text": "123456789"}, "/text"), ({"text": 5}, "/text"), ({"text": ["ab"]}, "/text"),
    ({"text": "ü"}, "/text"), ({"size": 7}, "/size"), ({"size": 201}, "/size"), ({"size": "40"}, "/size"), ({"size": 40.5}, "/size"),
    ({"ratio": 1.5}, "/ratio"), ({"ratio": -0.1}, "/ratio"), ({"ratio": "1"}, "/ratio"), ({"flag": 1}, "/flag"), ({"flag": "true"}, "/flag"),
    ({"choice": "medium"}, "/choice"), ({"choice": 1}, "/choice"), ({"color": "red"}, "/color"), ({"color": "#12345g"}, "/color"),
    ({"color": "#12345"}, "/color"), ({"numbers": 1}, "/numbers"), ({"numbers": [1, "2"]}, "/numbers/1"), ({"settings": []}, "/settings"),
    ({"settings": "x"}, "/settings"), ({"picture": 1}, "/picture"), ({"picture": "picture.png"}, "/picture"),
    ({"picture": "/etc/passwd"}, "/picture"), ({"picture": "upload:x"}, "/picture"), ({"picture": "take:../../1/x"}, "/picture"),
    ({"picture": "file:///etc/passwd"}, "/picture"), ({"picture": {"path": "/etc/passwd"}}, "/picture"), ({"txet": "ab"}, "/txet"),
]


@pytest.mark.parametrize("inputs,place", INPUTS, ids=[json.dumps(inputs) for inputs, _ in INPUTS])
def test_wrong_inputs(fnr, inputs, place):
    """The same at submission, in a batch, and when only the inputs are checked."""
    problem = assert_problem(fnr.post(JOBS, {"template": "typed", "inputs": inputs}), 422, "invalid")
    assert pointers(problem) == {"/inputs" + place}, problem
    problem = assert_problem(fnr.post("/api/v1/batches", {"jobs": [NOOP, {"template": "typed", "inputs": inputs}]}), 422, "invalid")
    assert pointers(problem) == {"/jobs/1/inputs" + place}, problem
    answer = fnr.post("/api/v1/templates/typed/validate-inputs", {"inputs": inputs})
    assert answer.status == 200 and answer.json["valid"] is False
    assert pointers(answer.json) == {"/inputs" + place}
    assert all(entry["rule"] and entry["message"] for entry in answer.json["errors"])


def test_unknown_input_names_the_nearest(fnr):
    problem = assert_problem(fnr.post(JOBS, {"template": "typed", "inputs": {"txet": "ab"}}), 422)
    assert "text" in problem["errors"][0]["fix"]
    assert_problem(fnr.post(JOBS, {"template": "noop", "inputs": {"x": 1}}), 422, "invalid", "/inputs/x")


def test_upload_that_there_is_not(fnr):
    inputs = {"picture": f"upload:{uuid.uuid4()}"}
    assert_problem(fnr.post(JOBS, {"template": "typed", "inputs": inputs}), 422, "invalid", "upload")
    inputs = {"picture": "upload:01980000-0000-7000-8000-000000000000"}
    problem = assert_problem(fnr.post(JOBS, {"template": "typed", "inputs": inputs}), 422, "invalid", "POST /api/v1/uploads")
    assert pointers(problem) == {"/inputs/picture"}
    assert pointers(fnr.post("/api/v1/templates/typed/validate-inputs", {"inputs": inputs}).json) == {"/inputs/picture"}


def test_take_that_there_is_not(fnr):
    """Also one of a project that the key may not see: it is told no more than that there is none."""
    for reference in ("take:demo/main/99/picture.png", "take:nothing/main/1/picture.png", "take:demo/nothing/1/picture.png"):
        problem = assert_problem(fnr.post(JOBS, {"template": "typed", "inputs": {"picture": reference}}), 422, "invalid", "no take")
        assert pointers(problem) == {"/inputs/picture"}


def test_references_count_only_where_files_are_expected(fnr):
    job = fnr.run("typed", {"anything": "upload:x", "settings": {"a": "take:../x"}, "text": "job:x"})
    assert job["state"] == "completed" and job["inputs"]["anything"] == "upload:x"


def test_body_of_a_key(fnr):
    for body, pointer in [({}, "/name"), ({"name": "x"}, "/scopes"), ({"name": "", "scopes": ["read"]}, "/name"),
                          ({"name": 1, "scopes": ["read"]}, "/name"), ({"name": "x" * 129, "scopes": ["read"]}, "/name"),
                          ({"name": "x", "scopes": []}, "/scopes"), ({"name": "x", "scopes": "read"}, "/scopes"),
                          ({"name": "x", "scopes": ["write"]}, "/scopes/0"), ({"name": "x", "scopes": ["read", 1]}, "/scopes/1"),
                          ({"name": "x", "scopes": ["read"], "projects": [".."]}, "/projects/0"),
                          ({"name": "x", "scopes": ["read"], "projects": "demo"}, "/projects"),
                          ({"name": "x", "scopes": ["read"], "scope": 1}, "/scope")]:
        assert pointer in pointers(assert_problem(fnr.post("/api/v1/keys", body), 422, "invalid")), body


BATCHES = [
    ({}, "/jobs"), ({"jobs": []}, "/jobs"), ({"jobs": {}}, "/jobs"), ({"jobs": "x"}, "/jobs"), ({"jobs": None}, "/jobs"), ({"jobs": [1]}, "/jobs/0"),
    ({"jobs": [NOOP, None]}, "/jobs/1"), ({"jobs": [NOOP, []]}, "/jobs/1"), ({"jobs": [{"template": "noop"}]}, "/jobs/0/inputs"),
    ({"jobs": [NOOP], "defaults": []}, "/defaults"), ({"jobs": [NOOP], "stop_on_error": "yes"}, "/stop_on_error"),
    ({"jobs": [NOOP], "stop_on_eror": True}, "/stop_on_eror"), ({"jobs": [NOOP, {**NOOP, "sede": 1}]}, "/jobs/1/sede"),
    ({"jobs": [NOOP, {**NOOP, "depends_on": ["#a"]}]}, "/jobs/1/depends_on/0"), ({"jobs": [{**NOOP, "ref": 1}]}, "/jobs/0/ref"),
]


@pytest.mark.parametrize("body,pointer", BATCHES, ids=[json.dumps(body)[:50] for body, _ in BATCHES])
def test_wrong_batch_is_refused_whole(fnr, body, pointer):
    before = accepted(fnr)
    assert pointer in pointers(assert_problem(fnr.post("/api/v1/batches", body), 422, "invalid"))
    assert accepted(fnr) == before


# ---- sizes ----


def test_body_too_long(fnr):
    body = json.dumps({**NOOP, "metadata": {"a": "x" * BODY_MAX}})
    headers = {"Content-Type": "application/json"}
    for path in (JOBS, "/api/v1/batches", "/api/v1/keys", "/api/v1/templates/noop/validate-inputs"):
        assert_problem(fnr.post(path, body, headers=headers), 413, "too_large", BODY_MAX)


def test_body_too_long_in_chunks(fnr):
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = fnr.raw(f"POST {JOBS} HTTP/1.1\nContent-Type: application/json\nTransfer-Encoding: chunked", chunk * 8 + b"0\r\n\r\n")
    assert_problem(answer, 413, "too_large", BODY_MAX)


def test_body_announced_too_long_is_not_waited_for(fnr):
    answer = fnr.raw(f"POST {JOBS} HTTP/1.1\nContent-Type: application/json\nContent-Length: 999999999999")
    assert_problem(answer, 413, "too_large", BODY_MAX)
    answer = fnr.raw("POST /api/v1/uploads HTTP/1.1\nContent-Type: image/png\nContent-Length: 999999999999")
    assert_problem(answer, 413, "too_large", UPLOAD_MAX)


def test_inputs_too_long(fnr):
    inputs = {"anything": "x" * INPUTS_MAX}
    assert_problem(fnr.post(JOBS, {"template": "typed", "inputs": inputs}), 413, "too_large", INPUTS_MAX)
    problem = assert_problem(fnr.post(JOBS, {**NOOP, "metadata": {"a": "x" * 100000}}), 413, "too_large", INPUTS_MAX)
    assert "metadata" in problem["detail"]
    inputs = {"anything": "x" * (INPUTS_MAX - 100)}
    job = fnr.run("typed", inputs)
    assert job["state"] == "completed" and job["inputs"] == inputs


def test_batch_too_long(fnr):
    before = accepted(fnr)
    assert_problem(fnr.post("/api/v1/batches", {"jobs": [NOOP] * (BATCH_MAX + 1)}), 413, "too_large", BATCH_MAX)
    assert accepted(fnr) == before
    assert fnr.post("/api/v1/batches", {"jobs": [NOOP] * BATCH_MAX}).status == 202


def test_body_where_there_is_none(fnr):
    body = b"x" * 5000
    for path in ("/healthz", "/readyz", "/", "/api/v1/events"):
        assert_problem(fnr.raw(f"GET {path} HTTP/1.1", body), 413, "too_large")
    assert fnr.raw(f"GET {JOBS} HTTP/1.1", b"{}").status == 200


@pytest.mark.parametrize("path", ["/api/v1/jobs/" + "x" * 9000, JOBS + "?template=" + "x" * 9000, "/" + "x" * 9000,
                                  "/api/v1/events?project=" + "x" * 9000, "/healthz?" + "x" * 9000, "/api/v1/uploads?" + "x" * 9000])
def test_address_too_long(fnr, path):
    assert_problem(fnr.raw(f"GET {path} HTTP/1.1"), 414, "malformed")


@pytest.mark.parametrize("size", [1000, 3000, 6000, 7900])
def test_long_address_that_still_fits(fnr, size):
    assert_problem(fnr.get("/api/v1/jobs/" + "x" * size), 404, "not_found")
    assert_problem(fnr.get("/api/v1/templates/" + "x" * size), 404, "not_found")
    assert_problem(fnr.get("/" + "x" * size), 404, "not_found")
    answer = fnr.get(JOBS + "?template=" + "x" * size)
    assert answer.status == 200 and answer.json["items"] == []
    assert_problem(fnr.get("/api/v1/events?project=" + "x" * size), {414, 422})
    assert_problem(fnr.get("/api/v1/jobs/" + "x" * size + "/events"), {404, 414})


def test_header_too_long(fnr):
    assert_problem(fnr.raw(f"GET {JOBS} HTTP/1.1\nX-Long: " + "x" * 9000), 400, "malformed")
    assert_problem(fnr.raw(f"GET {JOBS} HTTP/1.1\n" + "\n".join(f"X-{i}: " + "x" * 7000 for i in range(9))), 400, "malformed")
    assert fnr.raw(f"GET {JOBS} HTTP/1.1\nCookie: " + "x" * 7000).status == 200
    for name in ("Last-Event-ID", "Origin", "Authorization"):
        answer = fnr.raw(f"GET /api/v1/events HTTP/1.1\n{name}: " + "9" * 7000)
        if name != "Last-Event-ID" or answer.status != 200:
            assert_problem(answer, {400, 401, 403, 414})


# ---- names ----

STRANGE = ["..", ".", "%2e%2e", "..%2f..%2fadmin.key", "%2e%2e%2fadmin.key", "..%5c..%5cadmin.key", "%00", "a%00b", "%0d%0aX:%20y", "%ff%fe", "%c0%ae%c0%ae",
           "%e2%80%ae", "%F0%9F%8E%AC", "x" * 300, "%7f", "%20", "a%20b", "*", "~", "-", "%25", "$(id)", "'", "%22", "\xff\xfe", "\xc3", "<script>", "{id}", "con", "%3f", "%23"]
PLACES = ["/api/v1/jobs/{}", "/api/v1/jobs/{}/log", "/api/v1/jobs/{}/result", "/api/v1/jobs/{}/events", "/api/v1/jobs/{job}/outputs/{}",
          "/api/v1/batches/{}", "/api/v1/batches/{}/events", "/api/v1/templates/{}", "/api/v1/templates/{}/schema",
          "/api/v1/templates/noop/versions/{}", "/api/v1/presets/{}", "/api/v1/projects/{}/shots/main/takes",
          "/api/v1/projects/demo/shots/{}/takes", "/api/v1/projects/demo/shots/main/takes/{}",
          "/api/v1/projects/demo/shots/main/takes/1/files/{}", "/{}", "/internal/files/workspace/{}", "/internal/view/{}",
          "/internal/wait/{}", "/internal/problem/{}", "/internal/{}"]


@pytest.mark.parametrize("place", PLACES)
def test_strange_names_lead_nowhere(fnr, place):
    job = fnr.run(project="demo")["id"]
    for name in STRANGE:
        path = place.replace("{job}", job).replace("{}", name)
        answer = fnr.raw(f"GET {path} HTTP/1.1")
        if answer.status == 200:  # "." and "..": another address by the time anybody looks at it; "*" of the list of jobs
            assert name in (".", "..", "%2e%2e"), (path, answer.data[:200])
            assert fnr.key.encode() not in answer.data
        else:
            assert_problem(answer, {400, 404, 409})


def test_what_is_internal_cannot_be_reached(fnr):
    job = fnr.run(project="demo")["id"]
    for path in ("/internal/view/" + job, f"/internal/wait/{job}?seconds=1", "/internal/upload-check", "/internal/problem/503",
                 "/internal/problem/stream", "/internal/files/workspace/demo/main/take_001/take.json", "/internal/files/blobs/",
                 "/run/nginx.conf", "/admin.key", "/../admin.key", "/store/data.mdb", "//internal/view/" + job, "/%69nternal/view/" + job):
        assert_problem(fnr.raw(f"GET {path} HTTP/1.1"), {400, 404})
    for header in ("X-Accel-Redirect", "FNR_PATH", "FNR-PATH", "X-Original-URL", "X-Rewrite-Url"):
        assert fnr.raw(f"GET {JOBS} HTTP/1.1\n{header}: /internal/view/{job}").json["items"]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=", "limit=-1", "limit=1e2", "limit=99999999999999999999", "state=done",
                                   "state=", "since=yesterday", "until=1", "cursor=x", "cursor=", "cursor=i", "cursor=s1", "cursor=%00", "limt=5",
                                   "=", "&x", "state=%zz", "state=%", "state=%0", "state=%00", "node_id=%ff", "state=queued%0a", "Limit=5"])
def test_wrong_query(fnr, query):
    assert_problem(fnr.get(f"{JOBS}?{query}"), {400, 422}, None)


def test_unknown_query_names_the_nearest(fnr):
    assert_problem(fnr.get(JOBS + "?stat=queued"), 422, "invalid", "state")
    assert_problem(fnr.get("/api/v1/events?type=job.queued"), 422, "invalid", "types")
    assert_problem(fnr.get("/api/v1/events?types=job.quued"), 422, "invalid", "job.queued")
    assert_problem(fnr.get("/api/v1/events?batch=x"), 422, "invalid")
    assert_problem(fnr.get("/api/v1/events?project=.."), 422, "invalid")


def test_names_that_nothing_has_give_empty_lists(fnr):
    for query in ("project=nothing", "template=nothing", "shot=nothing", "queue=nothing", "node_id=nothing", f"batch={uuid.uuid4()}", "batch=x",
                  "project=..", "template=%F0%9F%8E%AC"):
        answer = fnr.get(f"{JOBS}?{query}")
        assert answer.status == 200 and answer.json == {"items": [], "next_cursor": None}, query


# ---- uploads ----


def test_upload_cut_off_half_way_leaves_nothing(fnr, uploads):
    before = uploads()
    head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1:{fnr.port}\r\nAuthorization: Bearer {fnr.key}\r\nContent-Type: image/png\r\n"
    for size in (1, 1000, 100000, 400000):
        fnr.send_raw((head + "Content-Length: 500000\r\n\r\n").encode() + b"x" * size, cut=True)
        chunk = b"%x\r\n" % size + b"x" * size + b"\r\n"
        fnr.send_raw((head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk, cut=True)
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + b"x" * 1000
    fnr.send_raw((head.replace("image/png", "multipart/form-data; boundary=b") + "Content-Length: 500000\r\n\r\n").encode() + part, cut=True)
    eventually(lambda: uploads() <= before)
    eventually(lambda: fnr.get("/readyz").status == 200)


def test_connection_cut_off_in_the_middle_of_a_submission(fnr):
    before = accepted(fnr)
    body = json.dumps(NOOP).encode()
    head = (f"POST {JOBS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {fnr.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    whole = head + body
    for end in list(range(1, len(whole) - 1, 7)) + [len(whole) - 1]:
        fnr.send_raw(whole[:end], cut=True)
    assert accepted(fnr) == before
    eventually(lambda: fnr.get("/readyz").status == 200)


def test_upload_of_unknown_length_or_empty(fnr, uploads):
    """Room for it is looked at before it comes, so its length must be known."""
    before = uploads()
    head = "POST /api/v1/uploads HTTP/1.1\nContent-Type: application/octet-stream\nTransfer-Encoding: chunked"
    assert_problem(fnr.raw(head, b"5\r\nhello\r\n0\r\n\r\n"), 400, "malformed", "Content-Length")
    assert_problem(fnr.post("/api/v1/uploads", b"", headers={"Content-Type": "application/octet-stream"}), 400, "malformed", "empty")
    form = multipart([(b'form-data; name="file"; filename="a.png"', b"image/png", b"")])
    answer = fnr.post("/api/v1/uploads", form, headers={"Content-Type": "multipart/form-data; boundary=xyz"})
    assert answer.status == 201 or assert_problem(answer, {400, 422})
    eventually(lambda: len(uploads() - before) == (answer.status == 201))


def test_upload_too_large(fnr, uploads):
    before = uploads()
    headers = {"Content-Type": "application/octet-stream"}
    assert_problem(fnr.post("/api/v1/uploads", b"x" * (UPLOAD_MAX + 1), headers=headers), 413, "too_large", UPLOAD_MAX)
    eventually(lambda: uploads() <= before)
    assert fnr.post("/api/v1/uploads", b"x" * UPLOAD_MAX, headers=headers).status == 201


def multipart(parts, boundary="xyz", end=True):
    body = b""
    for disposition, media_type, data in parts:
        body += b"--" + boundary.encode() + b"\r\n"
        if disposition is not None:
            body += b"Content-Disposition: " + disposition + b"\r\n"
        if media_type:
            body += b"Content-Type: " + media_type + b"\r\n"
        body += b"\r\n" + data + b"\r\n"
    return body + (b"--" + boundary.encode() + b"--\r\n" if end else b"")


def test_multipart_upload(fnr):
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    data = bytes(range(256)) * 300 + b"\r\n--xy\r\n--xyZ"
    body = multipart([(b'form-data; name="note"', None, b"hello"), (b'form-data; name="file"; filename="a.png"', b"image/png", data)])
    answer = fnr.post("/api/v1/uploads", body, headers=headers)
    assert answer.status == 201 and answer.json["bytes"] == len(data) and answer.json["media_type"] == "image/png", answer.data
    with open(os.path.join(fnr.data, "uploads", answer.json["id"]), "rb") as file:
        assert file.read() == data


@pytest.mark.parametrize("name", ["no boundary", "empty boundary", "long boundary", "other boundary", "no end", "no file", "no headers", "empty", "junk", "cut in a header"])
def test_wrong_multipart(fnr, uploads, name):
    file = (b'form-data; name="file"; filename="a.png"', b"image/png", b"data")
    kind, body = {
        "no boundary": ("multipart/form-data", multipart([file])),
        "empty boundary": ("multipart/form-data; boundary=", multipart([file])),
        "long boundary": ("multipart/form-data; boundary=" + "b" * 200, multipart([file], "b" * 200)),
        "other boundary": ("multipart/form-data; boundary=abc", multipart([file])),
        "no end": ("multipart/form-data; boundary=xyz", multipart([file], end=False)),
        "no file": ("multipart/form-data; boundary=xyz", multipart([(b'form-data; name="note"', None, b"x")])),
        "no headers": ("multipart/form-data; boundary=xyz", b"--xyz\r\n\r\ndata\r\n--xyz--\r\n"),
        "empty": ("multipart/form-data; boundary=xyz", b"--xyz--\r\n"),
        "junk": ("multipart/form-data; boundary=xyz", os.urandom(5000)),
        "cut in a header": ("multipart/form-data; boundary=xyz", b"--xyz\r\nContent-Dispo"),
    }[name]
    before = uploads()
    assert_problem(fnr.post("/api/v1/uploads", body, headers={"Content-Type": kind}), {400, 415, 422})
    eventually(lambda: uploads() <= before)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\tb", "x" * 3000, "\xff\xfe", "ü.png", '"; filename="b', "..", "", ".hidden", "a\\b",
                                  "%0d%0aSet-Cookie:%20a=b", "a\x7f\x1b[31m"])
def test_strange_names_of_uploads(fnr, name):
    """The name is for people only; it never leads anywhere, and is shown cleaned."""
    answer = fnr.raw(b"POST /api/v1/uploads HTTP/1.1\nContent-Type: image/png\nX-Filename: " + name.encode("latin-1"), b"data")
    if answer.status == 201:
        shown = answer.json.get("name") or ""
        assert not set(shown) & set("/\r\n\0\x1b\x7f\t"), shown
        assert os.path.isfile(os.path.join(fnr.data, "uploads", answer.json["id"]))
    else:
        assert_problem(answer, {400, 422})
    body = multipart([(b'form-data; name="file"; filename="' + name.encode("latin-1") + b'"', b"image/png", b"data")])
    answer = fnr.post("/api/v1/uploads", body, headers={"Content-Type": "multipart/form-data; boundary=xyz"})
    if answer.status == 201:
        assert not set(answer.json.get("name") or "") & set("/\r\n\0\x1b\x7f\t")
    else:
        assert_problem(answer, {400, 422})


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "image/png", "x", "/", "image/png\x7f", "a" * 300 + "/b", "image/svg+xml", ";", "image/*"])
def test_strange_media_types_of_uploads(fnr, kind):
    answer = fnr.raw(f"POST /api/v1/uploads HTTP/1.1\nContent-Type: {kind}", b"data")
    if answer.status == 201:
        shown = answer.json["media_type"]
        assert len(shown) < 64 and shown.count("/") == 1 and not set(shown) & set("\r\n\0\x7f"), shown
    else:
        assert_problem(answer, {400, 415, 422})


def test_upload_without_the_right_is_refused_before_it_comes(fnr, uploads):
    before = uploads()
    reader = make_key(fnr, "read")["key"]
    for head, status in (("Authorization: Bearer fnr_wrong", 401), (f"Authorization: Bearer {reader}", 403), ("Host: evil.example", 403),
                         ("Origin: http://evil.example", 403), ("Sec-Fetch-Site: cross-site", 403)):
        answer = fnr.raw(f"POST /api/v1/uploads HTTP/1.1\n{head}\nContent-Type: image/png\nContent-Length: 500000")
        assert answer is not None, "it waited for the body"
        assert_problem(answer, status)
    assert uploads() <= before


# ---- where from ----


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8080", "10.0.0.1", "",
                                  "[::2]", "localhost@evil.example", "xlocalhost", "169.254.169.254"])
def test_foreign_host(fnr, host):
    job = fnr.run()["id"]
    for path in (JOBS, "/api/v1/events", "/", "/readyz", "/api/v1/templates", "/api/v1/nothing", f"/api/v1/jobs/{job}/events"):
        assert_problem(fnr.raw(f"GET {path} HTTP/1.1\nHost: {host}"), {400, 403})


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "localhost:1234", "[::1]", "[::1]:80"])
def test_own_host(fnr, host):
    assert fnr.raw(f"GET {JOBS} HTTP/1.1\nHost: {host}").status == 200


def test_no_host_and_two_hosts(fnr):
    end = f"\r\nAuthorization: Bearer {fnr.key}\r\nConnection: close\r\n\r\n"
    for head in (f"GET {JOBS} HTTP/1.1", f"GET {JOBS} HTTP/1.0", f"GET {JOBS} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example"):
        assert_problem(parse_answer(fnr.send_raw((head + end).encode())), {400, 403})
    answer = parse_answer(fnr.send_raw(f"GET http://evil.example{JOBS} HTTP/1.1\r\nHost: localhost{end}".encode()))
    assert answer.status == 200 or assert_problem(answer, {400, 403})


@pytest.mark.parametrize("origin,good", [("http://evil.example", False), ("null", False), ("http://localhost.evil.example:{port}", False),
                                         ("http://127.0.0.1:1", False), ("http://127.0.0.1", False), ("file://", False), ("x", False),
                                         ("http://evil.example http://127.0.0.1:{port}", False), ("chrome-extension://x", False), ("", False),
                                         ("http://127.0.0.1:{port}", True), ("https://127.0.0.1:{port}", True)])
def test_origin(fnr, origin, good):
    origin = origin.replace("{port}", str(fnr.port))
    headers = {"Origin": origin}
    answers = [fnr.get(JOBS, headers=headers), fnr.post(JOBS, NOOP, headers=headers)]
    if not origin:
        return  # an empty header is as good as none to nginx
    if good:
        assert [answer.status for answer in answers] == [200, 202]
        return
    answers += [fnr.get("/api/v1/events", headers=headers), fnr.post("/api/v1/uploads", b"x", headers={**headers, "Content-Type": "image/png"})]
    for answer in answers:
        assert_problem(answer, 403, "forbidden")
        assert answer.headers.get("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("site,good", [("cross-site", False), ("same-site", False), ("Cross-Site", False), ("anything", False), ("same-origin", True), ("none", True)])
def test_fetch_site(fnr, site, good):
    for answer in (fnr.get(JOBS, headers={"Sec-Fetch-Site": site}), fnr.post(JOBS, NOOP, headers={"Sec-Fetch-Site": site})):
        assert answer.status < 300 if good else assert_problem(answer, 403, "forbidden")


# ---- keys ----


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer fnr_", "Bearer fnr_00000000_" + "0" * 64, "fnr_x",
                                           "Bearer fnr_" + "x" * 5000, "Bearer fnr_%00", "Bearer fnr_\xff\xfe", "bearer fnr_a b", "Bearer fnr_'; --"])
def test_wrong_key(fnr, authorization):
    for path in (JOBS, "/api/v1/keys", "/api/v1/openapi.json", "/api/v1/uploads", "/api/v1/events", f"/api/v1/jobs/{uuid.uuid4()}/events"):
        method = "POST" if path.endswith("uploads") else "GET"
        head = f"{method} {path} HTTP/1.1\nAuthorization: {authorization}" if authorization is not None else f"{method} {path} HTTP/1.1"
        if authorization is None:
            data = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
            answer = parse_answer(fnr.send_raw(data))
        else:
            answer = fnr.raw(head + "\nContent-Length: 0")
        assert_problem(answer, {401, 414} if len(authorization or "") > 2000 and "events" in path else 401)
        assert b"fnr_0" not in answer.data


def test_revoked_key(fnr):
    key = make_key(fnr, "read", "submit")
    assert fnr.get(JOBS, key=key["key"]).status == 200
    listed = {item["id"]: item for item in fnr.get("/api/v1/keys").json["items"]}
    assert key["id"] in listed and not any("key" in item or "hash" in item for item in listed.values())
    assert fnr.request("DELETE", "/api/v1/keys/" + key["id"]).status == 204
    assert_problem(fnr.get(JOBS, key=key["key"]), 401, "unauthorized")
    assert_problem(fnr.post(JOBS, NOOP, key=key["key"]), 401, "unauthorized")
    assert_problem(fnr.get("/api/v1/events", key=key["key"]), 401, "unauthorized")
    assert_problem(fnr.request("DELETE", "/api/v1/keys/" + key["id"]), 404, "not_found")
    assert_problem(fnr.request("DELETE", "/api/v1/keys/admin"), 409, "conflict")
    assert_problem(fnr.request("DELETE", "/api/v1/keys/nothing"), 404, "not_found")


def test_scopes(fnr):
    job = fnr.run()["id"]
    reader, submitter = make_key(fnr, "read")["key"], make_key(fnr, "submit")["key"]
    assert fnr.get(JOBS, key=reader).status == 200
    for path, body in ((JOBS, NOOP), ("/api/v1/batches", {"jobs": [NOOP]}), (f"{JOBS}/{job}/cancel", None)):
        assert_problem(fnr.post(path, body, key=reader), 403, "forbidden", "submit")
    assert fnr.post(JOBS, NOOP, key=submitter).status == 202
    for key in (reader, submitter):
        assert_problem(fnr.get("/api/v1/keys", key=key), 403, "forbidden", "admin")
        assert_problem(fnr.post("/api/v1/keys", {"name": "x", "scopes": ["admin"]}, key=key), 403, "forbidden", "admin")
        assert_problem(fnr.request("DELETE", "/api/v1/keys/admin", key=key), 403, "forbidden", "admin")
    admin = make_key(fnr, "admin")["key"]
    assert fnr.get(JOBS, key=admin).status == 200 and fnr.post(JOBS, NOOP, key=admin).status == 202


def test_key_that_may_only_submit_gets_its_answer(fnr):
    """It gets the job that it has just submitted, also when it waits for it."""
    submitter = make_key(fnr, "submit")["key"]
    assert fnr.post(JOBS, NOOP, key=submitter).json["state"]
    answer = fnr.post(JOBS, NOOP, key=submitter, headers={"Prefer": "wait=120"})
    assert answer.status == 200 and answer.json["state"] == "completed", answer.data


def test_key_of_certain_projects(fnr):
    limited = make_key(fnr, "read", "submit", projects=["alpha", "gamma"])["key"]
    other = fnr.run(project="beta")
    nobodys = fnr.run()
    own = fnr.post(JOBS, {**NOOP, "project": "alpha"}, key=limited)
    assert own.status == 202
    own = fnr.wait(own.json["id"])
    batch = fnr.post("/api/v1/batches", {"jobs": [{**NOOP, "project": "beta"}]}).json["id"]
    assert_problem(fnr.post(JOBS, {**NOOP, "project": "beta"}, key=limited), 403, "forbidden", "beta")
    assert_problem(fnr.post(JOBS, NOOP, key=limited), 403, "forbidden", "project")
    before = accepted(fnr)
    mixed = {"defaults": {"project": "alpha"}, "jobs": [NOOP, {**NOOP, "project": "beta"}]}
    assert_problem(fnr.post("/api/v1/batches", mixed, key=limited), 403, "forbidden")
    assert accepted(fnr) == before
    for job in (other, nobodys):
        for path in ("", "/result", "/log", "/attempts", "/preview", "/outputs/x", "/events"):
            assert_problem(fnr.get(f"{JOBS}/{job['id']}{path}", key=limited), 404, "not_found")
        assert_problem(fnr.post(f"{JOBS}/{job['id']}/cancel", key=limited), 404, "not_found")
    for path in ("", "/events"):
        assert_problem(fnr.get(f"/api/v1/batches/{batch}{path}", key=limited), 404, "not_found")
    assert_problem(fnr.post(f"/api/v1/batches/{batch}/cancel", key=limited), 404, "not_found")
    assert_problem(fnr.get("/api/v1/projects/beta/shots/main/takes", key=limited), 404, "not_found")
    assert_problem(fnr.get("/api/v1/projects/beta/shots/main/takes/1", key=limited), 404, "not_found")
    assert_problem(fnr.get("/api/v1/projects/beta/shots/main/takes/1/files/take.json", key=limited), 404, "not_found")
    seen = fnr.get(JOBS + "?limit=500", key=limited).json["items"]
    assert [job["id"] for job in seen] == [own["id"]]
    assert fnr.get(JOBS + "?project=beta", key=limited).json["items"] == []
    assert fnr.get(f"{JOBS}?batch={batch}", key=limited).json["items"] == []
    assert {item["name"] for item in fnr.get("/api/v1/projects", key=limited).json["items"]} <= {"alpha", "gamma"}
    assert fnr.get(f"{JOBS}/{own['id']}", key=limited).status == 200
    # A key is told of the same Idempotency-Key of another key neither that it was used nor what for.
    headers = {"Idempotency-Key": "shared"}
    mine = fnr.post(JOBS, {**NOOP, "project": "alpha"}, headers=headers)
    theirs = fnr.post(JOBS, {**NOOP, "project": "alpha"}, headers=headers, key=limited)
    assert mine.json["id"] != theirs.json["id"] and theirs.headers.get("Idempotency-Replayed") is None


def test_a_key_of_certain_projects_makes_none_that_may_more(fnr):
    limited = make_key(fnr, "admin", projects=["alpha", "gamma"])
    all_of_it = make_key(fnr, "read")["id"]
    body = {"name": "another", "scopes": ["admin"]}
    for projects in (None, ["beta"], ["alpha", "beta"]):
        answer = fnr.post("/api/v1/keys", {**body, "projects": projects}, key=limited["key"])
        assert_problem(answer, 422, "invalid", "own key is for")
        assert pointers(answer.json) == {"/projects"}
    below = fnr.post("/api/v1/keys", {**body, "projects": ["gamma"]}, key=limited["key"])
    assert below.status == 201
    seen = {item["id"] for item in fnr.get("/api/v1/keys", key=limited["key"]).json["items"]}
    assert {limited["id"], below.json["id"]} <= seen and not {all_of_it, "admin"} & seen
    assert_problem(fnr.request("DELETE", f"/api/v1/keys/{all_of_it}", key=limited["key"]), 404, "not_found")
    assert all_of_it in {item["id"] for item in fnr.get("/api/v1/keys").json["items"]}
    assert fnr.request("DELETE", f"/api/v1/keys/{below.json['id']}", key=limited["key"]).status == 204
    assert_problem(fnr.post("/api/v1/keys", body, key=below.json["key"]), 401, "unauthorized")


def test_key_of_a_project_that_comes_later(fnr):
    """Its project has no number yet when the key is first used."""
    limited = make_key(fnr, "read", "submit", projects=["later"])["key"]
    assert fnr.get(JOBS, key=limited).json["items"] == []
    assert_problem(fnr.get("/api/v1/projects/later/shots/main/takes", key=limited), 404, "not_found")
    with fnr.stream("/api/v1/events", key=limited) as stream:
        events = iter(stream)
        assert next(events).name == "snapshot"
        job = fnr.post(JOBS, {**NOOP, "project": "later"}, key=limited).json["id"]
        fnr.submit(project="other")
        assert next(events).data["job"] == job
    assert [item["id"] for item in fnr.get(JOBS, key=limited).json["items"]] == [job]


# ---- methods, media types, addresses ----


@pytest.mark.parametrize("kind,good", [(None, False), ("", False), ("text/plain", False), ("application/x-www-form-urlencoded", False),
                                       ("multipart/form-data; boundary=x", False), ("application/jsonx", False), ("application/yaml", False),
                                       ("text/json", False), ("application/json, text/plain", False), ("application/json; charset=latin-1", False),
                                       ("application/json", True), ("application/json; charset=utf-8", True), ("Application/JSON;charset=UTF-8", True),
                                       ('application/json; charset="utf-8"', True)])
def test_media_type_of_the_body(fnr, kind, good):
    body = json.dumps(NOOP)
    for path in (JOBS, "/api/v1/batches", "/api/v1/keys", "/api/v1/templates/noop/validate-inputs"):
        answer = fnr.post(path, body, headers={"Content-Type": kind})
        if good:
            assert answer.status in (200, 202, 422), answer.data
        else:
            assert_problem(answer, 415, "unsupported_media_type", "application/json")


ALLOW = {JOBS: {"GET", "POST"}, "/api/v1/jobs/{job}": {"GET", "DELETE", "PATCH"}, "/api/v1/jobs/{job}/cancel": {"POST"}, "/api/v1/keys": {"GET", "POST"},
         "/api/v1/keys/x": {"DELETE"}, "/api/v1/uploads": {"POST"}, "/api/v1/batches": {"POST"}, "/api/v1/templates": {"GET", "POST"}, "/healthz": {"GET"},
         "/readyz": {"GET"}, "/api/v1/events": {"GET"}, "/api/v1/jobs/{job}/events": {"GET"}, "/": {"GET"}, "/api/v1/openapi.json": {"GET"}}


@pytest.mark.parametrize("path", ALLOW)
def test_wrong_method(fnr, path):
    allowed = ALLOW[path]
    path = path.replace("{job}", fnr.run()["id"])
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MKCOL", "X-ODD"} - allowed:
        answer = fnr.raw(f"{method} {path} HTTP/1.1\nContent-Length: 0")
        assert_problem(answer, 405, "method_not_allowed")
        assert allowed <= {word.strip() for word in answer.headers["Allow"].split(",")} <= allowed | {"HEAD", "OPTIONS"}, answer.headers["Allow"]
    for method in ("TRACE", "CONNECT", "get", "G", "GET\x01", ""):
        answer = fnr.raw(f"{method} {path} HTTP/1.1")
        assert answer.status in (400, 405), (method, answer.status)


def test_head(fnr):
    job = fnr.run(project="demo")
    for path in (JOBS, f"{JOBS}/{job['id']}", "/api/v1/templates", "/healthz", "/readyz", "/api/v1/openapi.json",
                 "/api/v1/projects/demo/shots/main/takes"):
        answer, whole = fnr.request("HEAD", path), fnr.get(path)
        assert answer.status == whole.status == 200 and answer.data == b"", path
        assert answer.headers["Content-Type"] == whole.headers["Content-Type"]
    answer = fnr.request("HEAD", "/api/v1/nothing")
    assert answer.status == 404 and answer.data == b""
    assert fnr.request("HEAD", f"{JOBS}/{job['id']}/cancel").status == 405


def test_options_gives_no_rights(fnr):
    answer = fnr.request("OPTIONS", JOBS, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert 400 <= answer.status < 500
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1", "/api/v1/", "/api/v2/jobs", "/api/", "/api", JOBS + "/", "/api/v1/jobs/x/y", "/api/v1/JOBS",
                                  "/nothing", "/api/v1/keys/x/y", "/healthz/", "/healthz/x", "/metrics", "/api/v1/jobs/{id}", "/api/v1/uploads/x", "/.git/config",
                                  "/api/v1/jobs;a=b", "/api/v1/jobs%2f", "/api/v1/jobs%3flimit=1", "/api/v1/events/", "/api/v1/events/x"])
def test_unknown_address(fnr, path):
    for method in ("GET", "POST"):
        statuses = {404} if method == "GET" else {404, 405}
        assert_problem(fnr.raw(f"{method} {path} HTTP/1.1\nContent-Length: 0"), statuses)


@pytest.mark.parametrize("path", ["/api/v1/jobs/%", "/api/v1/jobs/%z", "/api/v1/jobs/%zz", "/api/v1/jobs/%0", "/api/v1/jobs/%00", "/%", "/%00", "/api/v1/%/x"])
def test_wrong_percent_encoding(fnr, path):
    assert_problem(fnr.raw(f"GET {path} HTTP/1.1"), {400, 404})


SMUGGLED = b"GET /api/v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("head", [
    "POST /api/v1/jobs HTTP/1.1\nContent-Length: 5\nTransfer-Encoding: chunked", "POST /api/v1/jobs HTTP/1.1\nContent-Length: 5\nContent-Length: 6",
    "POST /api/v1/jobs HTTP/1.1\nContent-Length: -1", "POST /api/v1/jobs HTTP/1.1\nContent-Length: x", "POST /api/v1/jobs HTTP/1.1\nContent-Length : 5",
    "POST /api/v1/jobs HTTP/1.1\nTransfer-Encoding: gzip", "POST /api/v1/jobs HTTP/1.1\nTransfer-Encoding: chunked, chunked",
    "POST /api/v1/jobs HTTP/1.1\nContent-Length: 18446744073709551617", "GET /api/v1/jobs HTTP/9.9", "GET /api/v1/jobs", "GET", "\x16\x03\x01",
    "GET /api/v1/jobs HTTP/1.1\nX-Odd: a\0b", "GET /api/v1/jobs HTTP/1.1\n: x", "GET  HTTP/1.1",
    "GET jobs HTTP/1.1", "PRI * HTTP/2.0",
])
def test_what_is_no_http(fnr, head):
    try:
        answer = fnr.raw(head, SMUGGLED)
    except http.client.HTTPException:  # HTTP/0.9 has no status
        assert head == "GET /api/v1/jobs"
        answer = None
    if answer is not None and answer.status == 200:
        assert head.startswith("GET /api/v1/jobs"), head  # a header of which nothing is to be feared
    elif answer is not None:
        assert_problem(answer, {400, 404, 405, 415})
    eventually(lambda: fnr.get("/readyz").status == 200)


def test_texts_cannot_make_headers(fnr):
    """Wherever a client's text comes back in a header, or in a problem, it brings no line of its own."""
    evil = "x\r\nSet-Cookie: evil=1\r\n\r\n<script>"
    for path in (f"{JOBS}?cursor=" + "%0d%0aSet-Cookie:%20evil=1", "/api/v1/jobs/%0d%0aSet-Cookie:%20evil=1", "/api/v1/templates/%0d%0aSet-Cookie:%20evil=1",
                 "/api/v1/presets/%0aSet-Cookie:%20evil=1", "/%0d%0aSet-Cookie:%20evil=1", "/api/v1/projects/%0d%0aSet-Cookie:%20evil=1/shots/x/takes"):
        answer = fnr.get(path)
        assert_problem(answer, {400, 404, 422})
        assert answer.headers.get("Set-Cookie") is None
    for body in ({**NOOP, "project": evil}, {**NOOP, "template": evil}, {**NOOP, evil: 1}, {**NOOP, "quality": evil}):
        assert_problem(fnr.post(JOBS, body), 422, "invalid")
    for header in ("X-Request-Id", "Idempotency-Key", "Prefer", "X-Filename", "Last-Event-ID", "Accept", "Origin"):
        answer = fnr.raw(f"POST {JOBS} HTTP/1.1\nContent-Type: application/json\n{header}: a\rSet-Cookie: evil=1\x0b\x1b[31m", json.dumps(NOOP).encode())
        assert answer is not None and answer.status < 500
        assert answer.headers.get("Set-Cookie") is None
    for level in range(1, 32):
        answer = fnr.raw(f"POST {JOBS} HTTP/1.1\nContent-Type: application/json\nIdempotency-Key: a{chr(level)}b", json.dumps(NOOP).encode())
        assert answer is None or answer.status < 500


@pytest.mark.parametrize("prefer", ["wait", "wait=", "wait=x", "wait=-5", "wait=0", "wait=99999999999999999999", "wait=1.5", "respond-async", "wait=1;wait=2",
                                    "awaits=5", "return=minimal, wait=1", "\xff", "wait=\xb2", "," * 500])
def test_strange_preferences_are_no_error(fnr, prefer):
    answer = fnr.raw(f"POST {JOBS} HTTP/1.1\nContent-Type: application/json\nPrefer: {prefer}", json.dumps(NOOP).encode(), timeout=120)
    assert answer.status in (200, 202)


# ---- Idempotency-Key ----


def post_idempotent(fnr, key, body=None, path=JOBS, **headers):
    return fnr.post(path, NOOP if body is None else body, headers={"Idempotency-Key": key, **headers})


def test_idempotency(fnr):
    key = str(uuid.uuid4())
    first, again = post_idempotent(fnr, key), post_idempotent(fnr, key)
    assert first.status == again.status == 202 and first.json["id"] == again.json["id"]
    assert first.headers.get("Idempotency-Replayed") is None and again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"] == again.headers["Location"] == f"{JOBS}/{first.json['id']}"
    fnr.wait(first.json["id"])
    later = post_idempotent(fnr, key)
    assert later.json["state"] == "completed" and later.headers["Idempotency-Replayed"] == "true"  # the job as it is now
    waited = post_idempotent(fnr, key, Prefer="wait=5")
    assert waited.status == 200 and waited.headers["Idempotency-Replayed"] == "true" and waited.json["id"] == first.json["id"]
    assert_problem(post_idempotent(fnr, key, {**NOOP, "priority": 6}), 422, "idempotency_key_reused")
    assert_problem(fnr.post(JOBS, json.dumps(NOOP) + " ", headers={"Idempotency-Key": key, "Content-Type": "application/json"}), 422,
                   "idempotency_key_reused")
    batch = post_idempotent(fnr, key, {"jobs": [NOOP]}, "/api/v1/batches")  # its scope is key, method and path
    assert batch.status == 202 and batch.headers.get("Idempotency-Replayed") is None
    assert post_idempotent(fnr, key, {"jobs": [NOOP]}, "/api/v1/batches").json["id"] == batch.json["id"]
    assert_problem(post_idempotent(fnr, key, {"jobs": [NOOP, NOOP]}, "/api/v1/batches"), 422, "idempotency_key_reused")


def test_only_what_was_accepted_keeps_the_key(fnr):
    key = str(uuid.uuid4())
    assert_problem(post_idempotent(fnr, key, {**NOOP, "priority": 0}), 422, "invalid")
    assert_problem(post_idempotent(fnr, key, {**NOOP, "priority": 0}), 422, "invalid")
    answer = post_idempotent(fnr, key)
    assert answer.status == 202 and answer.headers.get("Idempotency-Replayed") is None


@pytest.mark.parametrize("key,good", [("x" * 255, True), ("x" * 256, False), ("x" * 5000, False), ("a b", True), ('"quoted"', True), ("\xff\xfe", True)])
def test_what_an_idempotency_key_may_be(fnr, key, good):
    answers = [fnr.raw(f"POST {JOBS} HTTP/1.1\nContent-Type: application/json\nIdempotency-Key: {key}", json.dumps(NOOP).encode()) for _ in range(2)]
    if good:
        assert answers[0].status == 202 and answers[0].json["id"] == answers[1].json["id"]
    else:
        assert_problem(answers[0], 400, "malformed", "255")


@pytest.mark.parametrize("path,body,count", [(JOBS, NOOP, 1), ("/api/v1/batches", {"jobs": [NOOP] * 3}, 3)])
def test_repeats_at_the_same_time_give_one_job(fnr, path, body, count):
    for _ in range(3):
        before, key = accepted(fnr), str(uuid.uuid4())
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda _: post_idempotent(fnr, key, body, path), range(24)))
        assert {answer.status for answer in answers} == {202}, [answer.data for answer in answers if answer.status != 202]
        assert len({answer.json["id"] for answer in answers}) == 1
        assert sum(answer.headers.get("Idempotency-Replayed") is None for answer in answers) == 1
        assert accepted(fnr) == before + count


def test_other_bodies_at_the_same_time(fnr):
    before, key = accepted(fnr), str(uuid.uuid4())
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: post_idempotent(fnr, key, {**NOOP, "priority": 1 + i % 4}), range(16)))
    assert len({answer.json["id"] for answer in answers if answer.status == 202}) == 1
    for answer in answers:
        assert answer.status == 202 or assert_problem(answer, 422, "idempotency_key_reused")
    assert accepted(fnr) == before + 1


# ---- anything at all ----

TOKENS = [b"\0", b"\r\n", b"\n", b"\xff", b"%00", b"%", b"../", b"{", b"}", b"[", b"\"", b"'", b"\\u0000", b"\\ud800", b"NaN", b"-", b"1e999", b"9" * 30, b"x" * 4000,
          b":", b"//", b"?", b"&", b"=", b";", b"/../../", b"\xc0\xaf", b"\xf0\x9f\x8e\xac", b"null", b"true", b"[[[[[[[[", b"chunked", b"Host: evil.example\r\n",
          b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Range: bytes=0-,5-,-1\r\n", b"Content-Encoding: gzip\r\n", b"Upgrade: h2c\r\n", b" ", b"\t"]


def fuzz_seeds(fnr, job, batch):
    def request(method, path, body=None, *headers):
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{fnr.port}", f"Authorization: Bearer {fnr.key}", "Connection: close", *headers]
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is not None and not any(line.startswith("Content-Type") for line in lines):
            lines.append("Content-Type: application/json")
        return "\r\n".join(lines).encode("latin-1"), data

    typed = {"template": "typed", "quality": "draft", "project": "fuzz", "shot": "s1", "priority": 3, "seed": 7, "metadata": {"a": [1, 2.5, None]},
             "inputs": {"text": "abc", "size": 9, "ratio": 0.5, "flag": True, "choice": "small", "color": "#fff", "numbers": [1, 2], "settings": {"a": 1}}}
    form = multipart([(b'form-data; name="file"; filename="a.png"', b"image/png", b"data" * 20)])
    return [
        request("POST", JOBS, typed, "Idempotency-Key: fuzz"), request("POST", JOBS, NOOP), request("POST", JOBS, typed, "Prefer: wait=1"),
        request("POST", "/api/v1/batches", {"defaults": {"template": "noop"}, "jobs": [{"inputs": {}}, {"inputs": {}, "ref": "a"}], "stop_on_error": False}),
        request("GET", f"{JOBS}?state=completed&project=fuzz&limit=3&since=2020-01-01T00:00:00Z"), request("GET", f"{JOBS}?limit=2&cursor=i{job}"),
        request("GET", f"{JOBS}/{job}"), request("GET", f"{JOBS}/{job}/result"), request("GET", f"{JOBS}/{job}/log?after=0&limit=5"),
        request("GET", f"{JOBS}/{job}/events", None, "Last-Event-ID: 5"), request("GET", f"{JOBS}/{job}/outputs/file", None, "Range: bytes=0-5"),
        request("POST", f"{JOBS}/{job}/cancel"), request("GET", f"/api/v1/batches/{batch}"), request("GET", "/api/v1/events?types=job.queued&project=fuzz"),
        request("POST", "/api/v1/uploads", b"bytes" * 50, "Content-Type: image/png", "X-Filename: a.png"),
        request("POST", "/api/v1/uploads", form, "Content-Type: multipart/form-data; boundary=xyz"),
        request("GET", "/api/v1/templates?q=title&category=image&limit=5"), request("GET", "/api/v1/templates/typed/schema"),
        request("POST", "/api/v1/templates/typed/validate-inputs", {"inputs": typed["inputs"]}), request("GET", "/api/v1/presets/draft"),
        request("GET", "/api/v1/projects/fuzz/shots/s1/takes/1"), request("GET", "/api/v1/projects/fuzz/shots/s1/takes?limit=1&cursor=1"),
        request("POST", "/api/v1/keys", {"name": "fuzz", "scopes": ["read"], "projects": ["fuzz"]}), request("DELETE", "/api/v1/keys/00000000"),
        request("GET", "/readyz"), request("GET", "/"), request("GET", "/api/v1/openapi.json"),
    ]


def mutate(chance, data):
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.randint(1, 12))
        kind = chance.randint(0, 5)
        if kind == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << chance.randint(0, 7)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + data[at:end] * chance.choice([2, 3, 50]) + data[end:]
        elif kind == 3:
            data = data[:at] + chance.choice(TOKENS) + data[end:]
        elif kind == 4:
            data = data[:at] + chance.choice(TOKENS) + data[at:]
        else:
            data = data[:at] + bytes(chance.randint(0, 255) for _ in range(chance.randint(1, 8))) + data[end:]
    return data


def fuzz_request(chance, seeds):
    head, body = chance.choice(seeds)
    what = chance.random()
    if what < 0.55 and body:
        body = mutate(chance, body)
    elif what < 0.9:
        line, rest = head.split(b"\r\n", 1)
        head = mutate(chance, line) + b"\r\n" + rest if chance.random() < 0.6 else line + b"\r\n" + mutate(chance, rest)
    else:
        head, body = mutate(chance, head), mutate(chance, body)
    if body and chance.random() < 0.95:
        head += b"\r\nContent-Length: %d" % len(body)
    return head + b"\r\n\r\n" + body


def first_line(fnr, data):
    """Status line and headers of the answer, as far as they came; streams are left. For a body that is announced and does not come
    nginx waits, and we need not: but only where another request is answered at once, so that a busy machine is no reason to leave."""
    answer, end = b"", time.monotonic() + 60
    try:
        with socket.create_connection(("127.0.0.1", fnr.port), timeout=60) as connection:
            connection.sendall(data)
            while b"\r\n\r\n" not in answer and len(answer) < 65536:
                if not select.select([connection], [], [], 3)[0]:
                    if time.monotonic() > end or (not answer and quick(fnr)):
                        break
                    continue
                piece = connection.recv(4096)
                if not piece:
                    break
                answer += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    return answer.split(b"\r\n\r\n")[0]


def quick(fnr):
    begun = time.monotonic()
    fnr.get("/healthz")
    return time.monotonic() - begun < 0.3


def test_random_requests(fnr, uploads):
    job = fnr.run(project="fuzz", shot="s1")["id"]
    batch = fnr.post("/api/v1/batches", {"jobs": [NOOP]}).json["id"]
    seeds = fuzz_seeds(fnr, job, batch)
    chance = random.Random(20260131)
    requests = [fuzz_request(chance, seeds) for _ in range(8000)]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        heads = list(pool.map(lambda data: first_line(fnr, data), requests))
    statuses = {}
    for data, head in zip(requests, heads):
        status = int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else None
        statuses[status] = statuses.get(status, 0) + 1
        assert status is None or status < 500 or (status == 503 and b"retry-after:" in head.lower()), (data, head)
    assert sum(count for status, count in statuses.items() if status) > 0.85 * len(requests), statuses
    assert {200, 202, 400, 404, 422} <= set(statuses), statuses
    eventually(lambda: fnr.get("/readyz").status == 200)
    assert fnr.run()["state"] == "completed"
    folder = os.path.join(fnr.data, "uploads", "incoming")
    eventually(lambda: not [name for _, _, names in os.walk(folder) for name in names])
    eventually(lambda: not {"queued", "running", "finishing", "retry_wait"} & {item["state"] for item in fnr.get(JOBS + "?limit=500").json["items"]})


def test_nothing_was_broken(fnr):
    """Last in this file: the parts that were there at the start still are, none was replaced, and the records are in order."""
    log = fnr.log_text()
    for word in ("broken invariant", "AddressSanitizer", "runtime error", "LeakSanitizer", "was killed", "signal 6", "signal 11"):
        assert word not in log, log[max(0, log.index(word) - 2000) : log.index(word) + 2000]
    fnr.check()
