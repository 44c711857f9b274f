"""Where the files of inputs come from: uploads, takes, outputs of other jobs, data in the submission, addresses on the web."""

import base64
import hashlib
import http.server
import os
import threading
import time

import pytest

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
    system = System("workers: {max: 3, min: 3}\nupload: {max: 100000}\n")
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
    before = os.listdir(os.path.join(fnr.data, "uploads"))
    refused(fnr, "copy", {"picture": value}, "/inputs/picture", rule)
    assert os.listdir(os.path.join(fnr.data, "uploads")) == before


def test_a_repeated_request_leaves_no_second_file(fnr):
    body, headers = {"template": "copy", "inputs": {"picture": data_of(picture(6))}}, {"Idempotency-Key": "data"}
    first = fnr.post(JOBS, body, headers=headers).json
    before = sorted(os.listdir(os.path.join(fnr.data, "uploads")))
    assert fnr.post(JOBS, body, headers=headers).json["id"] == first["id"]
    assert sorted(os.listdir(os.path.join(fnr.data, "uploads"))) == before


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
