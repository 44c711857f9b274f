"""Where the files of inputs come from: uploads, takes, outputs of other jobs, data in the submission, addresses on the web."""

import base64
import hashlib
import http.server
import os
import threading
import time

import pytest

from crash import until
from system import System, assert_problem

JOBS = "/api/v1/jobs"
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63fccfc050"
                    "0f0004850180848c8c310000000049454e44ae426082")

# Hands its files back, and says what they were.
COPY = """#!/usr/bin/python3 -IB
import hashlib, json, shutil, sys
request = json.load(sys.stdin)
files = request["parameters"].get("pictures") or [request["parameters"]["picture"]]
sums = [hashlib.sha256(open(path, "rb").read()).hexdigest() for path in files]
shutil.copyfile(files[0], "picture.png")
print(json.dumps({"output": "picture", "path": "picture.png"}))
print(json.dumps({"result": {"sums": sums, "uploads": request["uploads"]}}))
"""
PICTURE = {"type": "file", "media": ["image/*"]}


def add_templates(system):
    system.add_script("copy", COPY, inputs={"picture": {**PICTURE, "required": True}}, outputs={"picture": {"type": "image"}},
                      retry={"max_attempts": 2, "delay_s": 0.1, "max_delay_s": 0.2})
    system.add_script("sheet", COPY, inputs={"pictures": {"type": "array", "items": PICTURE, "required": True, "max_items": 5}},
                      outputs={"picture": {"type": "image"}})
    system.add_script("any", COPY, inputs={"picture": {"type": "file", "required": True}}, outputs={"picture": {"type": "image"}})


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {max: 3, min: 3}\nfetch: {private: true, timeout: 8}\nupload: {max: 100000}\n")
    add_templates(system)
    with system:
        yield system


def picture(seed):
    """A file that begins like a PNG; another for each seed."""
    return PNG + str(seed).encode()


def data_of(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def result(fnr, job):
    assert job["state"] == "completed", job["error"]
    return fnr.get(f"{JOBS}/{job['id']}/result").json["result"]


def refused(fnr, template, inputs, pointer, rule, *words):
    problem = assert_problem(fnr.post(JOBS, {"template": template, "inputs": inputs}), 422, "invalid", *words)
    assert [(entry["pointer"], entry["rule"]) for entry in problem["errors"]] == [(pointer, rule)]


def uploads(fnr):
    return set(os.listdir(os.path.join(fnr.data, "uploads")))


def inode(fnr, upload):
    return os.stat(os.path.join(fnr.data, "uploads", upload.removeprefix("upload:"))).st_ino


def upload(fnr, data):
    answer = fnr.post("/api/v1/uploads", data, headers={"Content-Type": "image/png"})
    assert answer.status == 201, answer.data
    return answer.json


# ---- data in the submission ----


def test_data_becomes_an_upload(fnr):
    job = fnr.run("copy", {"picture": data_of(picture(1))})
    assert job["inputs"]["picture"].startswith("upload:") and job["parameters"]["picture"] == job["inputs"]["picture"]
    told = result(fnr, job)
    assert told["sums"] == [digest(picture(1))] and told["uploads"]["picture"]["media_type"] == "image/png"


def test_the_same_data_is_one_upload(fnr):
    job = fnr.run("sheet", {"pictures": [data_of(picture(2)), data_of(picture(3)), data_of(picture(2))]})
    first, second, third = job["inputs"]["pictures"]
    assert first == third != second
    assert result(fnr, job)["sums"] == [digest(picture(seed)) for seed in (2, 3, 2)]


def test_variations_share_their_data(fnr):
    batch = fnr.post(JOBS, {"template": "copy", "inputs": {"picture": data_of(picture(4))}, "count": 3}).json["id"]
    jobs = fnr.get(f"{JOBS}?batch={batch}").json["items"]
    assert {fnr.wait(job["id"])["inputs"]["picture"] for job in jobs} == {fnr.wait(jobs[0]["id"])["inputs"]["picture"]}
    assert [result(fnr, fnr.wait(job["id"]))["sums"] for job in jobs] == [[digest(picture(4))]] * 3


@pytest.mark.parametrize("value,rule", [
    ("data:image/png;base64,", "file"), ("data:image/png;base64,abc", "file"), ("data:image/png;base64,ab=c", "file"),
    ("data:image/png,abcd", "file"), ("data:;base64,abcd", "file"), ("data:image;base64,abcd", "file"), ("data:image/;base64,abcd", "file"),
    ("data:image/png;base64,ab\ncd", "file"), ("data:text/plain;base64,abcd", "media"), ("data:,", "file"), ("data:base64,abcd", "file"),
    (data_of(b"%PDF-1.4 not a picture"), "media"), (data_of(picture(5) + bytes(100000)), "max_length"),
])
def test_wrong_data(fnr, value, rule):
    before = uploads(fnr)
    refused(fnr, "copy", {"picture": value}, "/inputs/picture", rule)
    until(lambda: uploads(fnr) <= before, "nothing new is left")


def test_a_repeated_request_leaves_no_second_file(fnr):
    body, headers = {"template": "copy", "inputs": {"picture": data_of(picture(6))}}, {"Idempotency-Key": "data"}
    first = fnr.post(JOBS, body, headers=headers).json
    before = uploads(fnr)
    assert fnr.post(JOBS, body, headers=headers).json["id"] == first["id"]
    until(lambda: uploads(fnr) <= before, "nothing new is left")


# ---- contents are stored once ----


def test_contents_are_stored_once(fnr):
    data = picture("once")
    one, two = upload(fnr, data), upload(fnr, data)
    assert one["id"] != two["id"] and one["sha256"] == two["sha256"]
    assert inode(fnr, one["id"]) == inode(fnr, two["id"])
    job = fnr.run("copy", {"picture": data_of(data)})
    assert inode(fnr, job["inputs"]["picture"]) == inode(fnr, one["id"])
    assert result(fnr, job)["sums"] == [digest(data)]
    assert inode(fnr, upload(fnr, picture("twice"))["id"]) != inode(fnr, one["id"])


def test_the_same_at_the_same_time(fnr):
    data, made = picture("race"), []
    threads = [threading.Thread(target=lambda: made.append(upload(fnr, data))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({item["id"] for item in made}) == 8 and len({inode(fnr, item["id"]) for item in made}) == 1


def test_one_of_two_expires():
    system = System("upload: {keep: 60}\n")
    add_templates(system)
    with system as own:
        data = picture("expires")
        one, two = upload(own, data), upload(own, data)
        job = own.run("copy", {"picture": "upload:" + two["id"]})
        assert result(own, job)["sums"] == [digest(data)]
        own.stop()
        os.unlink(os.path.join(own.data, "uploads", one["id"]))  # as its expiry does
        own.start()
        three = upload(own, data)
        assert result(own, own.run("copy", {"picture": "upload:" + three["id"]}))["sums"] == [digest(data)]


# ---- outputs of jobs ----


def test_output_of_a_job(fnr):
    first = fnr.run("copy", {"picture": data_of(picture(10))})
    second = fnr.run("copy", {"picture": f"job:{first['id']}/picture"})
    assert second["inputs"]["picture"].startswith("upload:")
    assert result(fnr, second)["sums"] == [digest(picture(10))]
    third = fnr.submit("copy", {"picture": f"job:{second['id']}/picture"})
    assert fnr.request("DELETE", f"{JOBS}/{second['id']}").status == 204
    assert result(fnr, fnr.wait(third["id"]))["sums"] == [digest(picture(10))]
    again = fnr.wait(fnr.post(f"{JOBS}/{third['id']}/retry").json["id"])
    assert result(fnr, again)["sums"] == [digest(picture(10))]


def test_output_of_a_job_that_made_a_take(fnr):
    first = fnr.run("copy", {"picture": data_of(picture(11))}, project="p", shot="outputs")
    second = fnr.run("copy", {"picture": f"job:{first['id']}/picture"})
    assert second["inputs"]["picture"] == f"take:p/outputs/{first['take']}/picture.png"
    assert result(fnr, second)["sums"] == [digest(picture(11))]


def test_outputs_that_are_not_to_be_had(fnr):
    done, waits = fnr.run("copy", {"picture": data_of(picture(12))}), fnr.submit(not_before="2099-01-01T00:00:00Z")
    nobody = "0198f000-0000-7000-8000-000000000000"
    refused(fnr, "copy", {"picture": f"job:{done['id']}/sound"}, "/inputs/picture", "unknown_output", "picture")
    refused(fnr, "copy", {"picture": f"job:{waits['id']}/picture"}, "/inputs/picture", "job_state", "scheduled")
    refused(fnr, "copy", {"picture": f"job:{nobody}/picture"}, "/inputs/picture", "unknown_job", nobody)
    for text in ("job:", "job:x/picture", f"job:{nobody}", f"job:{nobody}/", f"job:{nobody}/../x"):
        refused(fnr, "copy", {"picture": text}, "/inputs/picture", "file")
    fnr.post(f"{JOBS}/{waits['id']}/cancel")


def test_output_of_another_project(fnr):
    key = fnr.post("/api/v1/keys", {"name": "somebody", "scopes": ["submit"], "projects": ["o1"]}).json["key"]
    other, free = (fnr.run("copy", {"picture": data_of(picture(13))}, **members) for members in ({"project": "o2"}, {}))
    for job in (other, free):
        body = {"template": "copy", "project": "o1", "inputs": {"picture": f"job:{job['id']}/picture"}}
        assert assert_problem(fnr.post(JOBS, body, key=key), 422)["errors"][0]["rule"] == "unknown_job"


# ---- all takes of a shot ----


def test_all_takes_of_a_shot(fnr):
    for seed in (20, 21, 22):
        fnr.run("copy", {"picture": data_of(picture(seed))}, project="p", shot="sheet")
    job = fnr.run("sheet", {"pictures": ["takes:p/sheet", data_of(picture(23))]})
    assert job["inputs"]["pictures"][:3] == [f"take:p/sheet/{number}/picture.png" for number in (1, 2, 3)]
    assert result(fnr, job)["sums"] == [digest(picture(seed)) for seed in (20, 21, 22, 23)]
    refused(fnr, "sheet", {"pictures": ["takes:p/sheet", "takes:p/sheet"]}, "/inputs/pictures", "max_items")
    refused(fnr, "sheet", {"pictures": ["takes:p/nothing"]}, "/inputs/pictures/0", "unknown_take")
    refused(fnr, "copy", {"picture": "takes:p/sheet"}, "/inputs/picture", "file")
    answer = fnr.post("/api/v1/templates/sheet/validate-inputs", {"inputs": {"pictures": ["takes:p/sheet"]}})
    assert answer.json == {"valid": True, "errors": []}
    key = fnr.post("/api/v1/keys", {"name": "somebody", "scopes": ["submit"], "projects": ["o1"]}).json["key"]
    body = {"template": "sheet", "project": "o1", "inputs": {"pictures": ["takes:p/sheet"]}}
    assert assert_problem(fnr.post(JOBS, body, key=key), 422)["errors"][0]["rule"] == "unknown_take"


# ---- addresses on the web ----


class Web(http.server.BaseHTTPRequestHandler):
    """What a job may meet out there."""

    asked = []
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def give(self, status, data=b"", kind="image/png", **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        Web.asked.append(self.path)
        name = self.path.split("?")[0].strip("/")
        if name.isdigit():
            self.give(int(name), b"an error page", "text/html")
        elif name == "redirect":
            self.give(302, b"over there", Location="/picture.png")
        elif name == "slow.png":
            self.send_response(200)
            self.send_header("Content-Length", "50000")
            self.end_headers()
            try:
                while not self.server.closing:
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            except OSError:
                pass
        elif name == "silent.png":
            while not self.server.closing:
                time.sleep(0.1)
        elif name == "huge.png":
            self.give(200, PNG + bytes(200000))
        elif name == "endless.png":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for _ in range(1000):
                    self.wfile.write(PNG + bytes(100000))
            except OSError:
                pass
            self.close_connection = True
        elif name == "broken.png":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(PNG)
            self.close_connection = True
        elif name == "page":
            self.give(200, b"<!doctype html>", "text/html")
        elif name == "lies.png":
            self.give(200, b"%PDF-1.4", "image/png")
        elif name == "untyped.png":
            self.give(200, b"no picture that we know", None)
        elif name == "empty.png":
            self.give(200)
        elif name == "flaky.png" and Web.asked.count(self.path) == 1:
            self.give(503)
        else:
            self.give(200, picture(self.path))


@pytest.fixture(scope="module")
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads, server.closing = True, False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.closing = True
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_is_fetched(fnr, web):
    job = fnr.run("copy", {"picture": f"{web}/folder/picture.png?size=1"}, project="p", shot="web")
    told = result(fnr, job)
    assert told["sums"] == [digest(picture("/folder/picture.png?size=1"))]
    file = told["uploads"]["picture"]
    assert file["name"] == "picture.png" and file["media_type"] == "image/png" and "/.work/" in file["path"]
    until(lambda: not os.path.exists(file["path"]), "it is not kept")
    assert job["inputs"]["picture"] == f"{web}/folder/picture.png?size=1"


def test_an_address_is_fetched_once_an_attempt(fnr, web):
    job = fnr.run("sheet", {"pictures": [f"{web}/a", f"{web}/b", f"{web}/a"]})
    assert result(fnr, job)["sums"] == [digest(picture(path)) for path in ("/a", "/b", "/a")]
    assert Web.asked.count("/a") == 1


def test_a_type_by_name(fnr, web):
    assert fnr.run("copy", {"picture": f"{web}/untyped.png"})["state"] == "completed"


def test_a_server_with_a_moment_of_weakness(fnr, web):
    job = fnr.run("copy", {"picture": f"{web}/flaky.png"})
    assert job["state"] == "completed" and job["attempt"] == 2


@pytest.mark.parametrize("path,class_,code", [
    ("redirect", "validation", "url_redirects"), ("404", "validation", "url_not_found"), ("410", "validation", "url_not_found"),
    ("403", "validation", "url_forbidden"), ("500", "transient", "url_failed"), ("429", "transient", "url_failed"),
    ("slow.png", "transient", "url_timeout"), ("silent.png", "transient", "url_timeout"), ("huge.png", "validation", "url_too_large"),
    ("endless.png", "validation", "url_too_large"), ("broken.png", "transient", "url_unreachable"), ("page", "validation", "url_media"),
    ("lies.png", "validation", "url_media"), ("empty.png", "validation", "url_empty"),
])
def test_what_cannot_be_fetched(fnr, web, path, class_, code):
    job = fnr.run("copy", {"picture": f"{web}/{path}"})
    assert job["state"] == "failed" and (job["error"]["class"], job["error"]["code"]) == (class_, code), job["error"]
    assert job["error"]["message"] and job["error"]["suggestion"]
    assert job["attempt"] == (2 if class_ == "transient" else 1)
    assert "/picture.png" not in Web.asked
    until(lambda: not [name for name in os.listdir(os.path.join(fnr.data, "workspace", ".work")) if name.startswith(job["id"])], "its folder is gone")


def test_nobody_there(fnr):
    """The name is longer than one may be, so that nobody has to be asked for it, who might not answer."""
    for address in ("http://127.0.0.1:1/x.png", f"http://{'x' * 64}.invalid/x.png"):
        job = fnr.run("copy", {"picture": address})
        assert (job["error"]["class"], job["error"]["code"]) == ("transient", "url_unreachable"), job["error"]


def test_cancelled_while_it_is_fetched(fnr, web):
    job = fnr.submit("copy", {"picture": f"{web}/silent.png?cancel"})
    until(lambda: "/silent.png?cancel" in Web.asked, "it was asked for")
    assert fnr.post(f"{JOBS}/{job['id']}/cancel").status == 202
    assert fnr.wait(job["id"])["state"] == "cancelled"      # one that waited would have failed


def test_time_of_the_attempt_counts(fnr, web):
    job = fnr.run("copy", {"picture": f"{web}/silent.png"}, timeout_s=1)
    assert job["error"]["code"] == "url_timeout" and "1 second." in job["error"]["message"]


@pytest.mark.parametrize("text", [
    "http://", "https:///x", "http://:80/", "http://user:secret@example.org/x.png", "http://example.org/a b", "http://example.org/\n",
    "http://example.org/ä", "HTTP://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "http://example.org/" + "x" * 2048,
    "gopher://example.org/", "http:/example.org", "//example.org/x", "http://exam\\ple.org/",
])
def test_wrong_addresses(fnr, text):
    refused(fnr, "copy", {"picture": text}, "/inputs/picture", "file")


def test_too_many_addresses(fnr):
    fnr.add_script("many", COPY, inputs={"pictures": {"type": "array", "items": PICTURE}}, outputs={"picture": {"type": "image"}})
    fnr.process.send_signal(1)
    until(lambda: fnr.get("/api/v1/templates/many").status == 200, "the new template is loaded")
    refused(fnr, "many", {"pictures": [f"https://example.org/{i}" for i in range(65)]}, "/inputs/pictures/64", "max_items", "64")


def test_private_addresses_are_refused(web):
    system = System()
    add_templates(system)
    with system as own:
        port = web.rsplit(":", 1)[1]
        before = len(Web.asked)
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1", "10.0.0.1", "192.168.1.1",
                     "169.254.169.254", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]"):
            job = own.run("copy", {"picture": f"http://{host}:{port}/picture.png"})
            assert (job["error"]["class"], job["error"]["code"]) == ("validation", "url_refused"), (host, job["error"])
        assert len(Web.asked) == before


def test_no_proxy_leads_around_it(web):
    system = System(environment={"http_proxy": web, "HTTP_PROXY": web, "all_proxy": web})
    add_templates(system)
    with system as own:
        before = len(Web.asked)
        job = own.run("copy", {"picture": "http://10.0.0.1/picture.png"})
        assert job["error"]["code"] == "url_refused" and len(Web.asked) == before
