"""Browser sessions, one-time links and tickets, through nginx: who is let in, how, for what, and for how long."""

import calendar
import concurrent.futures
import http.client
import os
import re
import signal
import subprocess
import time

import pytest

from crash import until
from system import FNR, Stream, System, assert_problem

SESSIONS = "/api/v1/sessions"
TICKETS = "/api/v1/tickets"
JOBS = "/api/v1/jobs"
KEYS = "/api/v1/keys"
SAME = {"Sec-Fetch-Site": "same-origin"}
MARK = {"X-Function-Runner": "1"}
MAKES = """#!/bin/sh
cat > /dev/null
echo 'made here' > note.txt
printf '{"log":"a line","level":"info"}\\n{"output":"note","path":"note.txt"}\\n'
"""
LONG = "#!/bin/sh\ncat > /dev/null\nsleep 600\n"


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {max: 2}\napi: {max_failures: 0}\n")
    system.add_script("makes", MAKES, outputs={"note": {"type": "text"}})
    system.add_script("long", LONG, outputs={}, retry={"max_attempts": 1})
    with system:
        yield system


def anonymous(fnr, method, path, body=None, **headers):
    """Without a key."""
    return fnr.request(method, path, body, headers={"Authorization": None, **{name.replace("_", "-"): value for name, value in headers.items()}})


def cookie_of(answer):
    """name=value of the cookie that an answer sets."""
    assert answer.status == 201, (answer.status, answer.data)
    return answer.headers["Set-Cookie"].split(";")[0]


def sign_in(fnr, key=None):
    return cookie_of(fnr.post(SESSIONS, {}, key=key))


def with_cookie(fnr, cookie, method, path, body=None, headers=MARK):
    return fnr.request(method, path, body, headers={"Authorization": None, "Cookie": cookie, **headers})


def make_key(fnr, scopes=("submit",), projects=None):
    key = fnr.post(KEYS, {"name": "test", "scopes": list(scopes), **({"projects": projects} if projects else {})}).json
    return key["id"], key["key"]


def make_link(fnr, key=None):
    answer = fnr.post(SESSIONS, {"one_time": True}, key=key)
    assert answer.status == 201 and answer.headers["Set-Cookie"] is None, (answer.status, answer.data)
    assert set(answer.json) == {"link", "expires_at"}
    return answer.json["link"]


def make_ticket(fnr, path, key=None):
    answer = fnr.post(TICKETS, {"path": path}, key=key)
    assert answer.status == 201, answer.data
    assert answer.json["url"] == f"{path}?ticket={answer.json['ticket']}"
    return answer.json["url"]


def seconds_until(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.time()


def open_stream(fnr, path, **headers):
    """A stream without a key."""
    stream = Stream.__new__(Stream)
    stream.end = time.monotonic() + 240
    stream.connection = http.client.HTTPConnection("127.0.0.1", fnr.port, timeout=60)
    stream.connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
    stream.response = stream.connection.getresponse()
    stream.status, stream.headers = stream.response.status, stream.response.headers
    return stream


# ---- the cookie ----


def test_keys_are_told_to_those_who_administer(fnr):
    reader = fnr.post("/api/v1/keys", {"name": "r", "scopes": ["read", "submit"]}).json
    path = "/api/v1/events?types=key.created,key.revoked,job.completed"
    with fnr.stream(path) as ours, fnr.stream(path, key=reader["key"]) as theirs:
        assert next(iter(ours)).name == next(iter(theirs)).name == "snapshot"
        made = fnr.post("/api/v1/keys", {"name": "x", "scopes": ["read"]}).json
        assert fnr.request("DELETE", f"/api/v1/keys/{made['id']}").status == 204
        assert fnr.request("DELETE", f"/api/v1/keys/{made['id']}").status == 404
        job = fnr.run()["id"]
        events = (event for event in ours if event.data.get("key") != reader["id"])
        got = [next(events) for _ in range(3)]
        assert [(event.name, event.data.get("key")) for event in got] == [("key.created", made["id"]), ("key.revoked", made["id"]), ("job.completed", None)]
        assert made["key"] not in repr(got[0].data)
        first = next(iter(theirs))
        assert (first.name, first.data["job"]) == ("job.completed", job)


def test_sign_in_look_and_sign_out(fnr):
    answer = fnr.post(SESSIONS, {})
    parts = answer.headers["Set-Cookie"].split("; ")
    assert re.fullmatch(r"fnr_session_[0-9a-f]{8}=[0-9a-f]{64}", parts[0])
    assert parts[1:] == ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"]
    who = answer.json
    assert {name: who[name] for name in ("key", "scopes", "projects")} == {"key": "admin", "scopes": ["read", "submit", "admin"], "projects": None}
    assert abs(seconds_until(who["expires_at"]) - 30 * 86400) < 30
    cookie = parts[0]
    assert with_cookie(fnr, cookie, "GET", SESSIONS).json == who
    assert fnr.get(SESSIONS).json == {**who, "expires_at": None}
    assert with_cookie(fnr, cookie, "POST", JOBS, {"template": "noop", "inputs": {}}).status == 202
    assert cookie.split("=")[1] not in fnr.get(KEYS).data.decode() and {item["id"] for item in fnr.get(KEYS).json["items"]} >= {"admin"}
    answer = with_cookie(fnr, cookie, "DELETE", SESSIONS)
    assert answer.status == 204 and answer.data == b""
    assert answer.headers["Set-Cookie"] == cookie.split("=")[0] + "=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"
    assert_problem(with_cookie(fnr, cookie, "GET", SESSIONS), 401, "unauthorized")
    assert_problem(with_cookie(fnr, cookie, "DELETE", SESSIONS), 401, "unauthorized")


def test_a_session_has_the_rights_of_its_key(fnr):
    _, key = make_key(fnr, ["read"], ["open"])
    hidden, shown = fnr.run(project="closed")["id"], fnr.run(project="open")["id"]
    cookie = sign_in(fnr, key)
    who = with_cookie(fnr, cookie, "GET", SESSIONS).json
    assert who["scopes"] == ["read"] and who["projects"] == ["open"]
    assert with_cookie(fnr, cookie, "GET", f"{JOBS}/{shown}").status == 200
    assert_problem(with_cookie(fnr, cookie, "GET", f"{JOBS}/{hidden}"), 404)
    assert_problem(with_cookie(fnr, cookie, "POST", JOBS, {"template": "noop", "inputs": {}, "project": "open"}), 403, "forbidden", "submit")
    assert_problem(with_cookie(fnr, cookie, "GET", KEYS), 403, "forbidden", "admin")


def test_secure_when_the_page_came_by_https(fnr):
    host = f"127.0.0.1:{fnr.port}"
    for origin, secure in ((f"https://{host}", True), (f"http://{host}", False)):
        answer = fnr.post(SESSIONS, {}, headers={"Origin": origin})
        assert answer.status == 201 and ("; Secure" in answer.headers["Set-Cookie"]) == secure


def test_header_rule(fnr):
    """With a cookie: the header, or GET and HEAD of our own page."""
    cookie = sign_in(fnr)
    job = {"template": "noop", "inputs": {}}
    for method, path, body, headers, status in (
            ("GET", SESSIONS, None, {}, 403), ("HEAD", SESSIONS, None, {}, 403), ("GET", SESSIONS, None, MARK, 200),
            ("GET", SESSIONS, None, {"X-Function-Runner": "anything"}, 200), ("GET", SESSIONS, None, SAME, 200),
            ("GET", SESSIONS, None, {"Sec-Fetch-Site": "none"}, 200), ("HEAD", SESSIONS, None, SAME, 200),
            ("GET", SESSIONS, None, {"Sec-Fetch-Site": "cross-site"}, 403), ("GET", SESSIONS, None, {"Sec-Fetch-Site": "same-site"}, 403),
            ("GET", SESSIONS, None, {**MARK, "Sec-Fetch-Site": "cross-site"}, 403), ("GET", SESSIONS, None, {**MARK, "Origin": "http://evil.example"}, 403),
            ("POST", JOBS, job, {}, 403), ("POST", JOBS, job, SAME, 403), ("POST", JOBS, job, {"Sec-Fetch-Site": "none"}, 403),
            ("POST", JOBS, job, {**MARK, **SAME}, 202), ("POST", JOBS, job, {**MARK, "Sec-Fetch-Site": "same-site"}, 403),
            ("DELETE", SESSIONS, None, SAME, 403)):
        answer = with_cookie(fnr, cookie, method, path, body, headers)
        assert answer.status == status, (method, path, headers, answer.status, answer.data)
    assert_problem(with_cookie(fnr, cookie, "GET", SESSIONS, headers={}), 403, "forbidden", "X-Function-Runner: 1")
    assert with_cookie(fnr, cookie, "GET", SESSIONS).status == 200


def test_header_rule_for_uploads_and_held_requests(fnr):
    """There nginx makes requests of its own, with GET."""
    cookie, kind = sign_in(fnr), {"Content-Type": "text/plain"}
    assert_problem(with_cookie(fnr, cookie, "POST", "/api/v1/uploads", b"text", {**kind, **SAME}), 403, "forbidden", "X-Function-Runner")
    assert_problem(with_cookie(fnr, cookie, "POST", "/api/v1/uploads", b"text", kind), 403, "forbidden", "X-Function-Runner")
    assert with_cookie(fnr, cookie, "POST", "/api/v1/uploads", b"text", {**kind, **MARK}).status == 201
    held = with_cookie(fnr, cookie, "POST", JOBS, {"template": "makes", "inputs": {}}, {**MARK, **SAME, "Prefer": "wait=120"})
    assert held.status == 200 and held.json["state"] == "completed"


def test_wrong_cookies(fnr):
    cookie = sign_in(fnr)
    name, value = cookie.split("=")
    other = "fnr_session_00000000=" + value
    for wrong in (f"{name}={'0' * 64}", f"{name}=", f"{name}={value[:-1]}", f"{name}={value}0", f"{name}=\"{value}\"", other, f"x{name}={value}", f"{name}x={value}",
                  f"{name}={make_link(fnr)}", f"{name}={fnr.key}", f"{name}={'x' * 5000}", f"{name}; {value}", "=;=;;"):
        for path in (SESSIONS, JOBS):
            assert_problem(with_cookie(fnr, wrong, "GET", path), 401, "unauthorized")
        assert open_stream(fnr, "/api/v1/events", Cookie=wrong, **MARK).status == 401, wrong
    for right in (f"a=b; {cookie}", f"{other}; {cookie}; c=d", f"{cookie};x", f"{cookie}; z={'y' * 5000}", f"z={'y' * 5000}; {cookie}"):
        assert with_cookie(fnr, right, "GET", SESSIONS).status == 200, right
        with open_stream(fnr, "/api/v1/events", Cookie=right, **MARK) as stream:
            assert stream.status == 200, right
    four = "; ".join([f"fnr_session_{i:08x}={'1' * 64}" for i in range(3)] + [cookie])
    with open_stream(fnr, "/api/v1/events", Cookie=four, **MARK) as stream:
        assert stream.status == 200
    for secret in (value, make_link(fnr)):  # neither is a key
        assert_problem(fnr.get(SESSIONS, key=secret), 401, "unauthorized")


def test_a_key_is_looked_at_before_a_cookie(fnr):
    cookie = sign_in(fnr)
    _, key = make_key(fnr, ["read"])
    assert fnr.get(SESSIONS, key=key, headers={"Cookie": cookie}).json["scopes"] == ["read"]
    assert_problem(fnr.get(SESSIONS, key="fnr_wrong", headers={"Cookie": cookie, **MARK}), 401)


def test_a_cookie_is_no_key(fnr):
    """It makes no sessions and no links: who has found one cannot make it last."""
    cookie = sign_in(fnr)
    for body in ({}, {"one_time": True}, {"one_time": False}):
        assert_problem(with_cookie(fnr, cookie, "POST", SESSIONS, body), 401, "unauthorized")
    wrong = cookie.split("=")[0] + "=" + "0" * 64
    assert cookie_of(fnr.post(SESSIONS, {}, headers={"Cookie": wrong}))
    assert cookie_of(with_cookie(fnr, wrong, "POST", SESSIONS, {"link": make_link(fnr)}, headers={}))


def test_bodies(fnr):
    assert_problem(anonymous(fnr, "POST", SESSIONS, {}), 401, "unauthorized")
    assert_problem(anonymous(fnr, "POST", SESSIONS, {"one_time": True}), 401, "unauthorized")
    assert_problem(fnr.post(SESSIONS, {}, key="fnr_wrong"), 401, "unauthorized")
    for body, place in (({"link": 5}, "/link"), ({"link": "x" * 80}, "/link"), ({"one_time": 1}, "/one_time"), ({"onetime": True}, "/onetime"),
                        ({"link": "x", "one_time": True}, "/one_time")):
        assert_problem(fnr.post(SESSIONS, body), 422, "invalid", place)
    assert_problem(fnr.post(SESSIONS, "[]", headers={"Content-Type": "application/json"}), 422)
    assert_problem(fnr.post(SESSIONS, "x=1", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415)
    assert fnr.post(SESSIONS).status == 201  # no body is an empty object


def test_each_installation_has_its_own_cookie(fnr):
    with System() as other:
        mine, others = sign_in(fnr), sign_in(other)
        assert mine.split("=")[0] != others.split("=")[0]
        for system in (fnr, other):  # a browser sends both to both
            assert with_cookie(system, f"{mine}; {others}", "GET", SESSIONS).status == 200
            with open_stream(system, "/api/v1/events", Cookie=f"{mine}; {others}", **SAME) as stream:
                assert stream.status == 200
        other.stop()
        other.start()
        assert with_cookie(other, others, "GET", SESSIONS).status == 200  # and keeps it
        other.stop()
        other.arguments = ["--no-keys"]
        other.start()
        who = {"key": "", "scopes": ["read", "submit", "admin"], "projects": None, "expires_at": None}
        assert anonymous(other, "GET", SESSIONS).json == who
        assert with_cookie(other, others, "GET", SESSIONS, headers={}).json == who
        assert_problem(anonymous(other, "POST", SESSIONS, {}), 409, "conflict", "switched off")
        assert anonymous(other, "DELETE", SESSIONS).status == 204
        ticket = anonymous(other, "POST", TICKETS, {"path": "/api/v1/events"}).json["url"]
        with open_stream(other, ticket) as stream:
            assert stream.status == 200
        link = subprocess.run([FNR, "link", "--data", other.data], capture_output=True, text=True)
        assert (link.returncode, link.stdout) == (0, f"http://127.0.0.1:{other.port}/\n")
        other.stop()
        other.arguments = []
        other.start()
        assert with_cookie(other, others, "GET", SESSIONS).json["key"] == "admin"
        assert open_stream(other, ticket).status == 401


def test_number_of_sessions(fnr):
    """A key has 100; the next one ends the oldest. Other keys, and links, are not touched."""
    id, key = make_key(fnr)
    elsewhere, link = sign_in(fnr), make_link(fnr, key)
    cookies = [sign_in(fnr, key) for _ in range(101)]
    assert with_cookie(fnr, cookies[0], "GET", SESSIONS).status == 401
    for cookie in (cookies[1], cookies[100], elsewhere):
        assert with_cookie(fnr, cookie, "GET", SESSIONS).status == 200
    assert cookie_of(anonymous(fnr, "POST", SESSIONS, {"link": link}))
    assert with_cookie(fnr, cookies[1], "GET", SESSIONS).status == 401
    assert fnr.request("DELETE", f"{KEYS}/{id}").status == 204
    assert {with_cookie(fnr, cookie, "GET", SESSIONS).status for cookie in cookies} == {401}
    assert with_cookie(fnr, elsewhere, "GET", SESSIONS).status == 200


# ---- one-time links ----


def test_link_once(fnr):
    _, key = make_key(fnr, ["submit"], ["demo"])
    answer = fnr.post(SESSIONS, {"one_time": True}, key=key)
    assert abs(seconds_until(answer.json["expires_at"]) - 600) < 30
    link = answer.json["link"]
    first = anonymous(fnr, "POST", SESSIONS, {"link": link})
    assert first.status == 201 and first.json["scopes"] == ["read", "submit"] and first.json["projects"] == ["demo"]
    assert abs(seconds_until(first.json["expires_at"]) - 30 * 86400) < 30
    assert with_cookie(fnr, cookie_of(first), "GET", SESSIONS).json == first.json
    second = anonymous(fnr, "POST", SESSIONS, {"link": link})
    assert_problem(second, 401, "unauthorized", "used already")
    assert second.headers["Set-Cookie"] is None
    for wrong in ("", "x", "0" * 64, cookie_of(first).split("=")[1], key[:79]):
        assert_problem(anonymous(fnr, "POST", SESSIONS, {"link": wrong}), 401, "unauthorized")


def test_link_from_another_site(fnr):
    link = make_link(fnr)
    assert_problem(anonymous(fnr, "POST", SESSIONS, {"link": link}, Origin="http://evil.example"), 403)
    assert_problem(anonymous(fnr, "POST", SESSIONS, {"link": link}, Sec_Fetch_Site="cross-site"), 403)
    assert_problem(anonymous(fnr, "POST", SESSIONS, {"link": link}, Host="evil.example"), 403)
    assert anonymous(fnr, "POST", SESSIONS, {"link": link}).status == 201


def test_one_of_two_wins(fnr):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            link = make_link(fnr)
            answers = list(pool.map(lambda _: anonymous(fnr, "POST", SESSIONS, {"link": link}).status, range(8)))
            assert sorted(answers) == [201] + [401] * 7


def test_link_of_a_deleted_key(fnr):
    id, key = make_key(fnr)
    link = make_link(fnr, key)
    assert fnr.request("DELETE", f"{KEYS}/{id}").status == 204
    assert_problem(anonymous(fnr, "POST", SESSIONS, {"link": link}), 401)


def test_fnr_link(fnr):
    result = subprocess.run([FNR, "link", "--data", fnr.data], capture_output=True, text=True)
    assert result.returncode == 0, result
    link = re.fullmatch(rf"http://127\.0\.0\.1:{fnr.port}/#link=([0-9a-f]{{64}})\n", result.stdout).group(1)
    assert anonymous(fnr, "POST", SESSIONS, {"link": link}).json["key"] == "admin"
    url = f"http://127.0.0.1:{fnr.port}"
    id, key = make_key(fnr, ["read"])
    result = subprocess.run([FNR, "link", "--url", url + "/", "--key", key], capture_output=True, text=True)
    assert anonymous(fnr, "POST", SESSIONS, {"link": result.stdout.strip().split("=")[1]}).json["key"] == id
    result = subprocess.run([FNR, "link", "--url", url, "--key", "fnr_wrong"], capture_output=True, text=True)
    assert result.returncode == 1 and result.stdout == "" and "key" in result.stderr
    result = subprocess.run([FNR, "link", "more"], capture_output=True, text=True)
    assert result.returncode == 2


# ---- tickets ----


def test_tickets_for_files(fnr):
    job = fnr.run("makes", project="demo", shot="s010")
    take = f"/api/v1/projects/demo/shots/s010/takes/{job['take']}/files/note.txt"
    for path in (f"{JOBS}/{job['id']}/outputs/note", take):
        url = make_ticket(fnr, path)
        answer = anonymous(fnr, "GET", url)
        assert answer.status == 200 and answer.data == b"made here\n", answer.data
        assert anonymous(fnr, "GET", url, Range="bytes=0-3").data == b"made"
        assert anonymous(fnr, "GET", url).status == 200  # as often as one likes
        head = anonymous(fnr, "HEAD", url)
        assert head.status == 200 and head.data == b""
        assert anonymous(fnr, "GET", f"{path}?x=1&{url.split('?')[1]}").status == 200
    for name in ("result", "log"):
        path = f"{JOBS}/{job['id']}/{name}"
        assert anonymous(fnr, "GET", make_ticket(fnr, path)).json == fnr.get(path).json
    assert len(anonymous(fnr, "GET", make_ticket(fnr, f"{JOBS}/{job['id']}/log") + "&limit=1").json["items"]) == 1
    assert_problem(anonymous(fnr, "GET", make_ticket(fnr, f"{JOBS}/{job['id']}/preview")), 404)
    encoded = f"{JOBS}/{job['id']}/outputs/n%6Fte"
    assert anonymous(fnr, "GET", make_ticket(fnr, encoded)).status == 200


def test_ticket_for_this_path_only(fnr):
    one, two = fnr.run("makes")["id"], fnr.run("makes")["id"]
    url = make_ticket(fnr, f"{JOBS}/{one}/outputs/note")
    query = url.split("?")[1]
    for path in (f"{JOBS}/{two}/outputs/note", f"{JOBS}/{one}/result", f"{JOBS}/{one}/events", f"{JOBS}/{one}", JOBS, SESSIONS, KEYS, "/api/v1/events"):
        assert_problem(anonymous(fnr, "GET", f"{path}?{query}"), 401, "unauthorized")
    for method, path in (("POST", f"{JOBS}/{one}/cancel"), ("DELETE", SESSIONS), ("POST", TICKETS), ("POST", JOBS)):
        assert_problem(anonymous(fnr, method, f"{path}?{query}", {}), 401, "unauthorized")
    assert_problem(anonymous(fnr, "POST", url, {}), 405)
    assert_problem(anonymous(fnr, "DELETE", url), 405)


def test_tampered_tickets(fnr):
    job = fnr.run("makes")["id"]
    path = f"{JOBS}/{job}/outputs/note"
    seconds, id, mac = make_ticket(fnr, path).split("=")[1].split(".")
    assert abs(int(seconds) - time.time() - 600) < 30 and id == "admin"
    other, key = make_key(fnr)
    for ticket in (f"{int(seconds) + 1}.{id}.{mac}", f"{seconds}.{other}.{mac}", f"{seconds}.{id}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}", f"{seconds}.{id}.",
                   f"{seconds}.{id}.{mac}0", f"{seconds}.{id}", f"{seconds}..{mac}", f".{id}.{mac}", f"9{seconds}.{id}.{mac}", f"1.{id}.{mac}",
                   f"-{seconds}.{id}.{mac}", f"{'9' * 30}.{id}.{mac}", "", ".", "..", "x" * 3000, "%00", f"{seconds}.{'a' * 200}.{mac}", f"{seconds}.{id}.{mac.upper()}"):
        assert_problem(anonymous(fnr, "GET", f"{path}?ticket={ticket}"), 401, "unauthorized")
    assert_problem(anonymous(fnr, "GET", f"{path}?ticket=1.{id}.{mac}"), 401, "unauthorized", "expired")
    good = f"ticket={seconds}.{id}.{mac}"
    assert anonymous(fnr, "GET", f"{path}?{good}").status == 200
    assert_problem(anonymous(fnr, "GET", f"{path}?{good}", Sec_Fetch_Site="cross-site"), 403)
    assert_problem(anonymous(fnr, "GET", f"{path}?{good}", Host="evil.example"), 403)
    # One that is of no use does not shut out who may come in anyway.
    assert fnr.get(f"{path}?ticket=1.x.y").status == 200
    assert with_cookie(fnr, sign_in(fnr), "GET", f"{path}?ticket=1.{id}.{mac}", headers=SAME).status == 200
    assert anonymous(fnr, "GET", f"{path}?{good}", Cookie=sign_in(fnr)).status == 200  # and needs no header


def test_tickets_have_the_rights_of_their_key(fnr):
    closed, opened = fnr.run("makes", project="closed")["id"], fnr.run("makes", project="open")["id"]
    id, key = make_key(fnr, ["read"], ["open"])
    shown = make_ticket(fnr, f"{JOBS}/{opened}/outputs/note", key)
    hidden = make_ticket(fnr, f"{JOBS}/{closed}/outputs/note", key)
    assert anonymous(fnr, "GET", shown).status == 200
    assert_problem(anonymous(fnr, "GET", hidden), 404)
    by_session = with_cookie(fnr, sign_in(fnr, key), "POST", TICKETS, {"path": f"{JOBS}/{opened}/outputs/note"}).json["url"]
    assert anonymous(fnr, "GET", by_session).status == 200
    assert fnr.request("DELETE", f"{KEYS}/{id}").status == 204
    for url in (shown, hidden, by_session):
        assert_problem(anonymous(fnr, "GET", url), 401)


def test_paths_without_tickets(fnr):
    job = fnr.run("makes")["id"]
    for path in (JOBS, f"{JOBS}/{job}", KEYS, SESSIONS, "/api/v1/nothing", "/healthz", "/internal/view/" + job, "x", "", f"{JOBS}/{job}/cancel", f"{JOBS}/%zz/log",
                 f"{JOBS}/{job}/log?after=1", f"{JOBS}/{job}/log#x", f"{JOBS}/../jobs/{job}/log", f"/{'x' * 3000}", 5, None, ["/api/v1/events"]):
        assert_problem(fnr.post(TICKETS, {"path": path}), 422, "invalid", "/path")
    assert_problem(fnr.post(TICKETS, {}), 422, "invalid", "/path")
    assert_problem(fnr.post(TICKETS, {"path": "/api/v1/events", "more": 1}), 422, "invalid", "/more")
    assert_problem(anonymous(fnr, "POST", TICKETS, {"path": "/api/v1/events"}), 401)
    cookie = sign_in(fnr)
    assert_problem(with_cookie(fnr, cookie, "POST", TICKETS, {"path": "/api/v1/events"}, SAME), 403)
    assert with_cookie(fnr, cookie, "POST", TICKETS, {"path": "/api/v1/events"}).status == 201


def test_the_document_tells_where_tickets_are(fnr):
    document = fnr.get("/api/v1/openapi.json").json
    count = 0
    for path, item in document["paths"].items():
        example = path.replace("{id}", "0199" + "0" * 4 + "-0000-7000-8000-000000000000").replace("{take}", "1")
        example = re.sub(r"\{\w+\}", "name", example)
        takes = {"ticket": []} in item.get("get", {}).get("security", [])
        count += takes
        assert fnr.post(TICKETS, {"path": example}).status == (201 if takes else 422), path
    assert count == 11


# ---- streams ----


def first_event(stream):
    assert stream.status == 200, (stream.status, stream.response.read())
    return next(iter(stream)).name


def test_streams_by_cookie_and_ticket(fnr):
    job = fnr.submit("long")["id"]
    batch = fnr.post("/api/v1/batches", {"jobs": [{"template": "noop", "inputs": {}, "not_before": "2099-01-01T00:00:00Z"}]}).json["id"]
    cookie = sign_in(fnr)
    try:
        for path in (f"{JOBS}/{job}/events", f"/api/v1/batches/{batch}/events", "/api/v1/events"):
            for headers in ({"Cookie": cookie, **SAME}, {"Cookie": cookie, **MARK}):
                with open_stream(fnr, path, **headers) as stream:
                    assert first_event(stream) == "snapshot"
            assert open_stream(fnr, path, Cookie=cookie).status == 403
            assert open_stream(fnr, path, Cookie=cookie, **{"Sec-Fetch-Site": "cross-site"}).status == 403
            assert open_stream(fnr, path).status == 401
            url = make_ticket(fnr, path)
            with open_stream(fnr, url) as stream:
                assert first_event(stream) == "snapshot"
            assert open_stream(fnr, url + "0").status == 401
            assert open_stream(fnr, url, **{"Sec-Fetch-Site": "cross-site"}).status == 403
        assert open_stream(fnr, "/api/v1/events?" + url.split("?")[1] + "&types=job.queued").status == 200
        assert open_stream(fnr, f"{JOBS}/{job}/events?" + url.split("?")[1]).status == 401
        with open_stream(fnr, make_ticket(fnr, f"{JOBS}/{job}/events") + "&last_event_id=1") as stream:
            assert stream.status == 200
    finally:
        fnr.post(f"{JOBS}/{job}/cancel")
        fnr.post(f"/api/v1/batches/{batch}/cancel")


def test_streams_end_with_key_and_session(fnr):
    """Signing out ends the streams of that session alone, deleting the key those of its sessions and tickets."""
    id, key = make_key(fnr)
    cookies = [sign_in(fnr, key), sign_in(fnr, key)]
    streams = [open_stream(fnr, "/api/v1/events", Cookie=cookie, **SAME) for cookie in cookies]
    streams.append(open_stream(fnr, make_ticket(fnr, "/api/v1/events", key)))
    for stream in streams:
        assert first_event(stream) == "snapshot"
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        out, kept, ticket = (pool.submit(list, stream) for stream in streams)
        assert with_cookie(fnr, cookies[0], "DELETE", SESSIONS).status == 204
        out.result(timeout=240)
        assert not kept.done() and not ticket.done()
        assert fnr.request("DELETE", f"{KEYS}/{id}").status == 204
        kept.result(timeout=240)
        ticket.result(timeout=240)
    for cookie in cookies:
        assert open_stream(fnr, "/api/v1/events", Cookie=cookie, **MARK).status == 401


# ---- nothing is told ----


def test_nothing_in_logs_and_files():
    """Also when what stands behind nginx does not answer, which nginx would write down with the whole address."""
    system = System("log: {level: debug}\napi: {max_failures: 0}\n")
    system.add_script("makes", MAKES, outputs={"note": {"type": "text"}})
    with system:
        cookie, link = sign_in(system), make_link(system)
        used = make_link(system)
        by_link = cookie_of(anonymous(system, "POST", SESSIONS, {"link": used}))
        job = system.run("makes", project="demo", shot="s010")["id"]
        urls = [make_ticket(system, path) for path in (f"{JOBS}/{job}/log", f"{JOBS}/{job}/events", f"{JOBS}/{job}/outputs/note")]
        os.unlink(os.path.join(system.data, "workspace", "demo", "s010", "take_001", "note.txt"))
        assert anonymous(system, "GET", urls[2]).status == 404
        for url in urls + [urls[0].replace("log", "result"), urls[1] + "0"]:
            anonymous(system, "GET", url)
            anonymous(system, "POST", url, {})
        with_cookie(system, cookie, "GET", "/api/v1/events/x")
        for word in ("fnr-events", "fnr-api --"):
            os.kill(system.pid_of(word), signal.SIGKILL)
            for url in urls:
                try:
                    anonymous(system, "GET", url)
                except OSError:
                    pass
        until(lambda: system.get("/readyz").status == 200, "it does not come back")
        assert with_cookie(system, cookie, "GET", SESSIONS).status == 200
        secrets = [cookie.split("=")[1], by_link.split("=")[1], link, used] + [url.split("=")[1].split(".")[2] for url in urls]
        system.stop()
        for place, _, names in os.walk(system.data):
            for name in names:
                path = os.path.join(place, name)
                if os.path.isfile(path):  # the log, the store, the access log, nginx's folder
                    with open(path, "rb") as file:
                        data = file.read()
                    for secret in secrets:
                        assert secret.encode() not in data, (path, data[max(0, data.find(secret.encode()) - 300):][:400])
