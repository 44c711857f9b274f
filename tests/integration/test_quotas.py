"""Quotas of API keys, and wrong keys that are tried one after the other."""

import subprocess
import time

import pytest

from crash import until
from system import FNR, System, assert_problem

JOBS = "/api/v1/jobs"
LATER = {"template": "noop", "inputs": {}, "not_before": "2099-01-01T00:00:00Z"}


@pytest.fixture
def fnr():
    with System("workers: {min: 1, max: 1}\napi: {max_failures: 20}\n") as system:
        yield system


def key(fnr, **members):
    answer = fnr.post("/api/v1/keys", {"name": "k", "scopes": ["submit"], **members})
    assert answer.status == 201, answer.data
    return answer.json["key"]


def limits(answer):
    return tuple(int(answer.headers["RateLimit-" + name]) for name in ("Limit", "Remaining", "Reset"))


def at_the_beginning_of_a_minute(request):
    """Minutes are those of the clock that starts with the machine: waits for the next one unless this one has most of its time."""
    answer = request()
    if limits(answer)[2] < 40:
        time.sleep(limits(answer)[2] + 0.1)


def test_requests_in_a_minute(fnr):
    """Counted over all processes; what is too much is refused, and says when to come again; other keys are not concerned."""
    at_the_beginning_of_a_minute(lambda: fnr.get(JOBS, key=key(fnr, per_minute=5)))
    limited = key(fnr, per_minute=30)
    for i in range(30):
        answer = fnr.get(JOBS, key=limited)
        most, left, reset = limits(answer)
        assert (answer.status, most, left) == (200, 30, 29 - i) and 1 <= reset <= 60
    answer = fnr.get(JOBS, key=limited)
    assert_problem(answer, 429, "too_many", "30")
    assert int(answer.headers["Retry-After"]) == limits(answer)[2] and limits(answer)[1] == 0
    for refused in (fnr.post(JOBS, LATER, key=limited), fnr.request("POST", "/api/v1/uploads", b"x", key=limited), fnr.get(JOBS + "/none", key=limited)):
        assert_problem(refused, 429, "too_many")
    assert fnr.get("/healthz", key=limited).status == 200
    assert fnr.get(JOBS, key=key(fnr)).status == 200 and "RateLimit-Limit" not in fnr.get(JOBS).headers
    assert fnr.get(JOBS, key=key(fnr, per_minute=30)).status == 200
    time.sleep(limits(answer)[2] + 0.1)
    assert fnr.get(JOBS, key=limited).status == 200


def test_every_answer_says_how_much_is_left():
    """Files that nginx sends, ranges of them, thumbnails, uploads, what was waited for: each once, and counted."""
    system = System("workers: {min: 1, max: 1}\n")
    with system as fnr:
        limited = key(fnr, per_minute=1000)
        waited = fnr.request("POST", JOBS, {"template": "create_title_card", "inputs": {"text": "One"}, "quality": "draft", "project": "p", "shot": "s"},
                             headers={"Prefer": "wait=60"}, key=limited)
        assert waited.status == 200 and waited.json["state"] == "completed", waited.data
        output = until(lambda: (found := fnr.get(f"{JOBS}/{waited.json['id']}").json["outputs"][0])["thumbnail"] and found, "the thumbnail")
        whole = fnr.get(output["url"], key=limited)
        answers = [
            whole, fnr.get(output["url"], key=limited, headers={"Range": "bytes=0-9"}),
            fnr.get(output["url"], key=limited, headers={"If-None-Match": whole.headers["ETag"]}), fnr.request("HEAD", output["url"], key=limited),
            fnr.get(output["thumbnail"], key=limited), fnr.get("/api/v1/projects/p/shots/s/takes/1/files/" + output["path"].rsplit("/", 1)[1], key=limited),
            fnr.get("/api/v1/projects/p/shots/s/takes/1/export", key=limited), fnr.request("POST", "/api/v1/uploads", b"x", key=limited),
            fnr.request("POST", "/api/v1/uploads", b"x", key=limited, headers={"Content-Type": "text/html; charset=klingon/"}),
        ]
        assert [answer.status for answer in answers[:8]] == [200, 206, 304, 200, 200, 200, 200, 201], [answer.status for answer in answers]
        assert [answer.headers["RateLimit-Limit"] for answer in [waited, *answers]] == ["1000"] * 10
        left = [limits(answer)[1] for answer in [waited, *answers]]
        assert min(left) > 980 and (left == sorted(left, reverse=True) or max(left) > 997), left      # or a minute began meanwhile
        assert all(limits(answer)[0] == 1000 and 1 <= limits(answer)[2] <= 60 for answer in [waited, *answers])


def test_one_for_all_keys():
    with System("workers: {min: 1, max: 1}\napi: {per_minute: 1000}\n") as fnr:
        assert limits(fnr.get(JOBS))[0] == 1000
        assert limits(fnr.get(JOBS, key=key(fnr, per_minute=7)))[0] == 7


def test_jobs_that_wait(fnr):
    limited, other = key(fnr, max_waiting=3), key(fnr)
    ids = [fnr.post(JOBS, LATER, key=limited).json["id"] for _ in range(3)]
    assert_problem(fnr.post(JOBS, LATER, key=limited), 429, "too_many", "3 jobs")
    assert_problem(fnr.post("/api/v1/batches", {"jobs": [LATER] * 2}, key=limited), 429, "too_many")
    assert fnr.post(JOBS, LATER, key=other).status == 202
    fnr.post(f"{JOBS}/{ids[0]}/cancel", key=limited)
    until(lambda: fnr.post(JOBS, LATER, key=limited).status == 202, "there is room again")


def test_what_a_quota_may_be(fnr):
    for members in ({"per_minute": 0}, {"per_minute": -1}, {"per_minute": "9"}, {"per_minute": 1.5}, {"max_waiting": 0}, {"max_waiting": 10 ** 10}):
        answer = fnr.post("/api/v1/keys", {"name": "k", "scopes": ["read"], **members})
        problem = assert_problem(answer, 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == ["/" + next(iter(members))]
    key(fnr, per_minute=None, max_waiting=None)
    key(fnr, per_minute=9, max_waiting=8)
    listed = {item["id"]: item for item in fnr.get("/api/v1/keys").json["items"]}
    assert {(item.get("per_minute"), item.get("max_waiting")) for item in listed.values()} == {(None, None), (9, 8)}
    made = subprocess.run([FNR, "key", "create", "k", "--scope", "read", "--per-minute", "77", "--max-waiting", "5", "--data", fnr.data],
                          capture_output=True, text=True, check=True)
    assert limits(fnr.get(JOBS, key=made.stdout.strip()))[0] == 77


def test_wrong_keys_are_put_off(fnr):
    """By address; a valid key is let in all the same, and so are requests without any."""
    at_the_beginning_of_a_minute(lambda: fnr.get(JOBS, key=key(fnr, per_minute=5)))
    wrong = [lambda: fnr.get(JOBS, key="fnr_12345678_" + "0" * 64), lambda: fnr.post("/api/v1/sessions", {}, key="fnr_x"),
             lambda: fnr.get(JOBS + "?ticket=none", headers={"Authorization": "Basic x"})]
    for i in range(20):
        assert wrong[i % 3]().status == 401
    for ask in wrong:
        answer = ask()
        assert_problem(answer, 429, "too_many")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert fnr.get(JOBS).status == 200 and fnr.get(JOBS, headers={"Authorization": None}).status == 401
    until(lambda: fnr.log_text().count("event=access.failures client=127.0.0.1") == 1, "it is logged, once")
