"""ComfyUI, against a server that speaks its protocol with all its traps (comfyui_standin.py). The numbers are those of the
conformance list that this client was written to."""

import contextlib
import datetime
import json
import os
import signal
import struct
import subprocess
import tempfile
import time
import zlib

import pytest
import yaml

from comfyui import Comfyui
from comfyui_nodes import MODELS, classes
from crash import until
from system import FNR, System, assert_problem

BACKENDS = "/api/v1/backends"
JOBS = "/api/v1/jobs"
CONFIG = "workers: {min: 2, max: 6}\nbackends: {probe: 1}\npreview: {interval: 50}\nstop: {grace: 5}\n"
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"


@pytest.fixture(scope="module")
def fnr():
    with System(CONFIG) as system:
        yield system


@pytest.fixture(scope="module")
def server():
    with Comfyui() as comfy:
        yield comfy


@pytest.fixture
def comfy(fnr, server):
    """A server that behaves, known to the system."""
    server.reset()
    with known(fnr, server):
        yield server


@contextlib.contextmanager
def known(fnr, comfy, **members):
    """The server is a backend; when it is not any more, nothing runs there."""
    answer = fnr.post(BACKENDS, {"id": "comfy", "type": "comfyui", "url": comfy.url, "concurrency": 4} | members)
    assert answer.status == 201, answer.data
    try:
        yield
    finally:
        comfy.set(hold=None)
        fnr.post(f"{JOBS}/cancel", {"template": "text_to_image"})
        until(lambda: fnr.request("DELETE", f"{BACKENDS}/comfy", headers={"If-Match": "*"}).status == 204, "nothing runs on the server")


def names_of_events(fnr, comfy, id):
    """Of a job that is held at its sampler until somebody looks."""
    comfy.wait_held("KSampler")
    with fnr.stream(f"{JOBS}/{id}/events") as stream:
        comfy.set(hold=None)
        return [event.name for event in stream]


def inputs(**members):
    return {"prompt": "a cat", **members}


def done(fnr, id, **options):
    job = fnr.wait(id, **options)
    assert job["state"] == "completed", (job["error"], fnr.get(f"{JOBS}/{id}/log").json)
    return job


def run(fnr, template="text_to_image", /, quality="draft", **members):
    return fnr.run(template, inputs(**members), quality=quality, seed=next(seeds))


def submit(fnr, template="text_to_image", /, quality="draft", seed=None, **members):
    return fnr.submit(template, inputs(**members), quality=quality, seed=next(seeds) if seed is None else seed)["id"]


def counter():
    number = 1000
    while True:
        number += 1
        yield number


seeds = counter()   # a seed of its own keeps a job from being served from the server's cache


def upload(fnr, data, media_type="image/png"):
    answer = fnr.post("/api/v1/uploads", data, headers={"Content-Type": media_type})
    assert answer.status == 201, answer.data
    return "upload:" + answer.json["id"]


def png(width=8, height=8):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = (b"\0" + os.urandom(width)) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def workflow(**nodes):
    """A small one in API format, with more or other nodes."""
    base = {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": CHECKPOINT}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a", "clip": ["4", 1]}},
        "3": {"class_type": "KSampler", "_meta": {"title": "Painter"}, "inputs": {
            "seed": next(seeds), "steps": 4, "cfg": 7, "sampler_name": "euler", "scheduler": "normal", "denoise": 1, "model": ["4", 0],
            "positive": ["6", 0], "negative": ["6", 0], "latent_image": ["5", 0]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a b/ü&c", "images": ["8", 0]}},
    }
    return {**base, **nodes}


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def raw(fnr, flow, **options):
    return fnr.run("comfyui_workflow", {"workflow": flow}, **options)


def nodes_of(fnr, id="comfy"):
    """How many node classes the server has; None while nobody knows."""
    return (fnr.get(f"{BACKENDS}/{id}").json["found"] or {}).get("nodes")


def lists(comfy):
    return sum(path == "/object_info" for _, path, _ in comfy.seen()["requests"])


def told(fnr, comfy, more_than=0, id="comfy"):
    """It was asked for them so often, and what it said then is known."""
    until(lambda: lists(comfy) > more_than, "it is asked for its node classes")
    moment = datetime.datetime.now(datetime.timezone.utc)
    checked = lambda: ((fnr.get(f"{BACKENDS}/{id}").json["health"] or {}).get("checked_at") or "1970-01-01T00:00:00Z").replace("Z", "+00:00")
    until(lambda: datetime.datetime.fromisoformat(checked()) > moment, "it has answered")
    return nodes_of(fnr, id)


def ask(fnr, comfy, id="comfy", **controls):
    """It is as it is told to be now, and is asked for its node classes: how many it has."""
    told(fnr, comfy, id=id)
    comfy.set(**controls)
    before = lists(comfy)
    assert fnr.post(f"{BACKENDS}/{id}/probe").status == 202
    return told(fnr, comfy, before, id)


def log_of(fnr, id):
    return [line["text"] for line in fnr.get(f"{JOBS}/{id}/log").json["items"]]


# ---- a job as it should be ----

def test_a_picture_from_words(fnr, comfy):
    """60.2, 60.5, points 4, 5, 24: connected before it is submitted, ids of its own, previews, every binding in its place."""
    id = submit(fnr, quality="high", variations=2, aspect="16:9", seed=77)
    job = done(fnr, id)
    assert [output["name"] for output in job["outputs"]] == ["image", "image_2"]
    assert job["backend"] == "comfy" and job["outputs"][0]["width"] == 856 and job["outputs"][0]["height"] == 480
    assert fnr.get(job["outputs"][0]["url"]).data.startswith(b"\x89PNG")
    prompt = comfy.seen()["prompts"][0]
    assert prompt["client_id"] in prompt["sockets"] and prompt["client_id"] != prompt["prompt_id"]
    nodes = {name: value["inputs"] for name, value in prompt["prompt"].items()}
    assert nodes["6"]["text"] == "a cat" and nodes["3"]["seed"] == 77 and nodes["3"]["steps"] == 30 and nodes["11"]["steps"] == 15
    assert nodes["5"] == {"width": 856, "height": 480, "batch_size": 2} and nodes["8"]["samples"] == ["11", 0]
    for name, headers in [(request[1], request[2]) for request in comfy.requests("/")]:
        assert "origin" not in headers and "expect" not in headers and "sec-fetch-site" not in headers, name


def test_progress_counts_all_nodes_and_speaks_plainly(fnr, comfy):
    """48.2, 48.6, point 7: it never goes back, ends only at the end, and says what is being done."""
    said = lambda progress, words: words in (progress["message"] or "")
    comfy.set(hold="KSampler", step_ms=15)
    id = submit(fnr)
    until(lambda: said(fnr.get(f"{JOBS}/{id}").json["progress"], "Creating your image"), "it has come so far")
    events = []
    with fnr.stream(f"{JOBS}/{id}/events") as stream:
        comfy.set(hold="VAEDecode")
        for event in stream:
            if "progress" in event.data:
                events.append(event)
                if said(event.data["progress"], "Developing the picture"):
                    comfy.set(hold=None)
    percents = [event.data["progress"]["percent"] for event in events]
    assert percents == sorted(percents) and len({percent for percent in percents if 0 < percent < 100}) > 1, percents
    assert percents[-1] == 100 and events[-1].name == "job.completed", events


def percent_at_decoding(fnr, comfy):
    """Of a job that is held there; it comes to its end."""
    comfy.set(hold="VAEDecode")
    id = submit(fnr)
    progress = lambda: fnr.get(f"{JOBS}/{id}").json["progress"]
    percent = until(lambda: (at := progress())["message"] == "Developing the picture…" and at["percent"], "it has come so far")
    comfy.set(hold=None)
    done(fnr, id)
    return percent


def test_weights_are_learned_and_kept():
    """48.2, 60.2: nodes that took as long as the others count as much, also when everything was started anew."""
    with Comfyui(node_ms=600) as comfy, System(CONFIG) as fnr, known(fnr, comfy):
        before = percent_at_decoding(fnr, comfy)       # the sampler counts for most of it, as long as nothing else is known
        fnr.stop()
        fnr.start()
        until(lambda: fnr.get(f"{BACKENDS}/comfy").json["state"] == "ready", "it was asked")
        after = percent_at_decoding(fnr, comfy)
        assert before > 80 and after < before - 10, (before, after)


def test_previews_come_while_it_runs(fnr, comfy):
    """48.4, point 17: the picture without its frame, of the newer kind."""
    comfy.set(step_ms=30, hold="KSampler")
    id = submit(fnr)
    assert "job.preview" in names_of_events(fnr, comfy, id)
    assert fnr.get(f"{JOBS}/{id}/preview").data.startswith(b"\x89PNG")


def test_large_previews_are_made_smaller(fnr, comfy):
    """48.4: to a JPEG of preview.size; what is no picture, and large, is not shown, and the job goes on."""
    comfy.set(step_ms=30, hold="KSampler", preview="1600x900")
    id = submit(fnr)
    assert "job.preview" in names_of_events(fnr, comfy, id)
    preview = fnr.get(f"{JOBS}/{id}/preview")
    assert preview.headers["Content-Type"] == "image/jpeg" and preview.data.startswith(b"\xff\xd8")
    assert (512).to_bytes(2, "big") in preview.data[:700] and (288).to_bytes(2, "big") + (512).to_bytes(2, "big") in preview.data
    comfy.set(hold="KSampler", preview="broken")
    id = submit(fnr)
    assert "job.preview" not in names_of_events(fnr, comfy, id)
    assert fnr.wait(id)["state"] == "completed" and fnr.get(f"{JOBS}/{id}/attempts").json["items"][0]["attempt"] == 1
    assert fnr.get(f"{JOBS}/{id}/preview").status == 404


def test_old_servers(fnr):
    """60.8, points 5, 16, 17: without the jobs routes, ids that clients choose, interrupts of one prompt, previews with names."""
    with Comfyui("--without", "jobs,client_ids,interrupt_id,metadata", step_ms=30, hold="KSampler") as old, known(fnr, old):
        id = submit(fnr)
        assert "job.preview" in names_of_events(fnr, old, id)
        assert fnr.wait(id)["state"] == "completed"
        assert fnr.get(f"{JOBS}/{id}/preview").data.startswith(b"\x89PNG")
        old.set(hold="KSampler")
        running = submit(fnr)
        old.wait_held("KSampler")
        waiting = submit(fnr)
        old.wait(lambda seen: seen["pending"] == 1)
        second = old.seen()["prompts"][-1]["prompt_id"]
        assert fnr.post(f"{JOBS}/{waiting}/cancel").status == 202
        assert fnr.wait(waiting)["state"] == "cancelled"
        seen = old.seen()
        assert seen["deleted"] == [second] and seen["running"] and not seen["interrupts"]
        assert fnr.post(f"{JOBS}/{running}/cancel").status == 202
        assert fnr.wait(running)["state"] == "cancelled"
        assert len(old.seen()["interrupts"]) == 1


def test_a_server_below_a_path(fnr, server):
    """A proxy's path stays in front of every route, the socket's too; where the jobs routes are not, it goes without."""
    server.reset()
    with known(fnr, server, url=server.url + "/api"):
        assert len(done(fnr, submit(fnr, variations=2))["outputs"]) == 2


def test_everything_from_the_cache(fnr, comfy):
    """Point 13: nothing is executed, the same files are the result."""
    flow = workflow()
    first, second = raw(fnr, flow), raw(fnr, flow)
    assert first["state"] == second["state"] == "completed", (first["error"], second["error"])
    assert first["outputs"][0]["sha256"] == second["outputs"][0]["sha256"]
    seen = comfy.seen()
    assert len(seen["runs"]) == 2 and seen["nodes_run"] == 6


def test_nothing_is_submitted_before_the_greeting(fnr, comfy):
    """Point 4: until its first status comes, the server may not know whom to tell."""
    comfy.set(hold="greeting")
    id = submit(fnr)
    comfy.wait_held("greeting")
    time.sleep(1)
    assert not comfy.seen()["prompts"]
    comfy.set(hold=None)
    assert done(fnr, id)["attempt"] == 1


def test_others_and_the_unknown_are_passed_over(fnr, comfy):
    """Points 6, 9, 17: messages and pictures of other prompts (their end included), unknown types and fields, broken frames, an
    error that only blocks a part; and words that a node sends as a frame are taken."""
    comfy.set(foreign=1, unknown=1, blocked=1, hold="started")
    id = submit(fnr)
    comfy.wait_held("started")
    time.sleep(1)
    assert fnr.get(f"{JOBS}/{id}/preview").status == 404, "somebody else's picture is shown"
    assert fnr.get(f"{JOBS}/{id}").json["progress"]["percent"] < 40, "somebody else's progress is shown"
    comfy.set(hold=None)
    job = done(fnr, id)
    assert job["attempt"] == 1 and len(job["outputs"]) == 1
    assert {"blocked", "zwölf of thirty"} <= set(log_of(fnr, id))


def test_a_picture_that_comes_over_the_socket(fnr, comfy):
    job = raw(fnr, workflow(**{"9": node("SaveImageWebsocket", images=["8", 0])}))
    assert job["state"] == "completed", job["error"]
    assert fnr.get(job["outputs"][0]["url"]).data.startswith(b"\x89PNG")


@pytest.mark.parametrize("place", [{}, {"project": "film", "shot": "s020"}], ids=["job", "shot"])
def test_nothing_is_filed_but_results(fnr, comfy, place):
    """The folder in which a job worked becomes that of its results: what else came there, as pictures over the socket, does not stay."""
    flow = workflow(**{"10": node("SaveImageWebsocket", images=["8", 0])})
    template = {"id": "two_ways", "version": "1.0.0", "name": "Two Ways", "category": "image", "outputs": {"image": {"type": "image"}},
                "backend": {"type": "comfyui", "workflow": flow, "bindings": {"/3/inputs/seed": "seed"}, "outputs": {"image": "9"}}}
    answer = fnr.post("/api/v1/templates", template)
    assert answer.status in (201, 409), answer.data
    job = fnr.run("two_ways", seed=next(seeds), **place)
    assert job["state"] == "completed", job["error"]
    workspace = os.path.join(fnr.data, "workspace")
    folder = os.path.join(workspace, "film", "s020", f"take_{job['take']:03}") if place else os.path.join(workspace, ".jobs", job["id"])
    assert sorted(os.listdir(folder)) == sorted([".job", "image.png"] + ["take.json"] * bool(place))
    until(lambda: not os.listdir(os.path.join(workspace, ".work")), "nothing is left")
    assert not [name for name in os.listdir(os.path.dirname(folder)) if name.startswith(".attempt-")]


# ---- files ----

def test_a_file_goes_up_under_the_name_of_its_content(fnr, comfy):
    """51.5, point 19: the returned name counts; the same content is the same file."""
    data = png()
    file_id = upload(fnr, data)
    for _ in range(2):
        job = fnr.run("image_to_image", {"image": file_id, "prompt": "a dog"}, quality="draft", seed=next(seeds))
        assert job["state"] == "completed", job["error"]
    values = {prompt["prompt"]["10"]["inputs"]["image"] for prompt in comfy.seen()["prompts"]}
    assert len(values) == 1, values
    stored = os.path.join(comfy.folder, "input", values.pop())
    assert os.path.dirname(stored).endswith("input/function-runner") and stored.endswith(".png"), "some nodes look at it"
    with open(stored, "rb") as file:
        assert file.read() == data
    # somebody else's file has that name: the server gives another one
    with open(stored, "wb") as file:
        file.write(b"other")
    job = fnr.run("image_to_image", {"image": file_id, "prompt": "a dog"}, quality="draft", seed=next(seeds))
    assert job["state"] == "completed", job["error"]
    assert " (1)" in comfy.seen()["prompts"][-1]["prompt"]["10"]["inputs"]["image"]


def test_a_file_that_the_server_puts_elsewhere(fnr, comfy):
    """Point 19: the value of the node's input says in which of the server's folders it is."""
    comfy.set(http=[{"path": "/upload/image", "status": 200, "body": '{"name": "a b.png", "subfolder": "s", "type": "temp"}', "type": "application/json"}])
    fnr.run("image_to_image", {"image": upload(fnr, png()), "prompt": "a dog"}, quality="draft", seed=next(seeds))
    assert comfy.seen()["prompts"][0]["prompt"]["10"]["inputs"]["image"] == "s/a b.png [temp]"


@pytest.mark.parametrize("template, members", [
    ("text_to_image", {"prompt": "a cat"}), ("image_to_image", {"prompt": "a cat"}), ("upscale_image", {"factor": 3}), ("upscale_image", {}), ("image_to_video", {"frames": 4})])
def test_shipped_templates(fnr, comfy, template, members):
    """At every tier, each another one; what can be chosen comes from the server."""
    properties = fnr.get(f"/api/v1/templates/{template}/schema").json["properties"]
    assert any("x-choices" in about for about in properties.values()), properties
    image = {"image": upload(fnr, png())} if "image" in properties else {}
    sent = []
    for quality in ("draft", "standard", "high", "ultra"):
        job = fnr.run(template, {**image, **members}, quality=quality, seed=next(seeds))
        assert job["state"] == "completed", job["error"]
        assert job["outputs"][0]["media_type"] == ("video/mp4" if template == "image_to_video" else "image/png")
        parameters = {name: value for name, value in job["parameters"].items() if name != "seed"}
        sent.append(json.dumps([parameters, [[node["class_type"], {name: value for name, value in node["inputs"].items() if "seed" not in name}]
                                             for node in comfy.seen()["prompts"][-1]["prompt"].values()]], sort_keys=True))
    assert len(set(sent)) == 4, f"tiers of {template} are alike"


def test_all_nodes_and_kinds_are_looked_at(fnr, comfy):
    """Points 20, 21: subfolders and odd names, several nodes, sound, film, words; what is temporary only where nothing better is."""
    job = raw(fnr, workflow(**{
        "20": node("SaveImage", filename_prefix="second", images=["8", 0]), "21": node("PreviewImage", images=["8", 0]),
        "22": node("SaveWEBM", images=["8", 0], filename_prefix="film", codec="vp9", fps=24, crf=32), "23": node("PreviewAny", source=["8", 0]),
        "24": node("SaveAnimatedWEBP", images=["8", 0], filename_prefix="moving", fps=6, lossless=True, quality=80, method="default"),
    }))
    assert job["state"] == "completed", job["error"]
    assert {output["name"]: output["media_type"] for output in job["outputs"]} == {
        "image": "image/png", "image_2": "image/png", "video": "video/webm", "video_2": "image/webp"}
    assert fnr.get(f"{JOBS}/{job['id']}/result").json["result"] == {"texts": ["some words"]}
    job = raw(fnr, {**workflow(), "9": node("PreviewImage", images=["8", 0])})
    assert [output["name"] for output in job["outputs"]] == ["image"]


@pytest.mark.parametrize("body, type", [("<html>Please log in</html>", "text/html"), ("no picture at all", "image/png")])
def test_a_result_that_is_something_else(fnr, comfy, body, type):
    """60.2: what a proxy says instead of a picture is not filed as one."""
    comfy.set(http=[{"path": "/view", "status": 200, "body": body, "type": type}])
    job = done(fnr, submit(fnr))
    error = fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"][0]["error"]
    assert job["attempt"] == 2 and error["code"] == "output_broken" and error["class"] == "transient" and "something else" in error["message"], error


def test_a_result_that_is_gone_is_made_again(fnr, comfy):
    """Points 20, pitfall 4: a 404 is a missing output; the server's cache, which would name the same file again, is dropped."""
    comfy.set(http=[{"path": "/view", "status": 404}])
    id = submit(fnr)
    job = done(fnr, id)
    assert job["attempt"] == 2
    attempts = fnr.get(f"{JOBS}/{id}/attempts").json["items"]
    assert attempts[0]["error"]["code"] == "output_missing"
    assert comfy.requests("/free")


# ---- errors ----

@pytest.mark.parametrize("flow, code, words", [
    (lambda: workflow(**{"4": node("CheckpointLoaderSimple", ckpt_name="none.safetensors")}), "comfyui_value_not_in_list", ["ckpt_name", "sdxl.safetensors", "node 4"]),
    (lambda: workflow(**{"5": node("EmptyLatentImage", width=8, height=64, batch_size=1)}), "comfyui_value_too_small", ["width", "EmptyLatentImage"]),
    (lambda: workflow(**{"5": node("EmptyLatentImage", width=64, batch_size=1)}), "comfyui_workflow_refused", ["height", "Required input is missing"]),
    (lambda: workflow(**{"8": node("VAEDecode", samples=["5", 0], vae=["4", 0])}), "comfyui_workflow_refused", ["vae", "VAEDecode"]),
    (lambda: workflow(**{"5": node("NobodyHasThis")}), "comfyui_node_missing", ["NobodyHasThis"]),
    (lambda: {"4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)}, "comfyui_no_outputs", ["no outputs"]),
    (lambda: workflow(**{"10": node("LoadImage", image="gone.png"), "9": node("SaveImage", images=["10", 0], filename_prefix="x")}),
     "comfyui_input_refused", ["LoadImage"]),
    (lambda: {"9": {**node("SaveImages", images=["8", 0]), "_meta": {"title": "My frame"}}, "8": node("EmptyLatentImage", width=8, height=8, batch_size=1)},
     "comfyui_node_missing", ["My frame", "node 9"]),
])
def test_what_the_server_refuses_is_explained(fnr, comfy, flow, code, words):
    """Points 11, 23: which node, which input, and what there is instead; both shapes of choices; nothing is tried again."""
    assert ask(fnr, comfy, http=[{"path": "/node_replacements", "status": 500, "times": 1000}]) is None      # else missing nodes are told before
    job = raw(fnr, flow())
    assert job["state"] == "failed" and job["error"]["code"] == code, job["error"]
    assert job["error"]["class"] in ("validation", "permanent") and job["attempt"] == 1
    for word in words:
        assert word in json.dumps(job["error"], ensure_ascii=False), (word, job["error"])


@pytest.mark.parametrize("flow", [
    {"\u0007\u202e": node("NobodyHasThis", x="\u0000".replace("\u0000", "\u0001"))},
    {"a/b~c": node("KSampler", **{"x/y~z": ["not there", 0]})},
    {"1": node("N" * 20000)}, {"1" * 5000: node("NobodyHasThis")}, {"": node("")},
    {str(i): node("NobodyHasThis", before=[str(i - 1), 0]) if i else node("NobodyHasThis") for i in range(4000)},
    {str(i): node("NobodyHasThis") for i in range(5001)},
    {"1": node("NobodyHasThis", deep=json.loads('{"a":' * 40 + "1" + "}" * 40))},
    {"1": node("NobodyHasThis", list=[[["1", 0]]])}, {"1": 5, "2": []}, {"1": {"class_type": 5, "inputs": {}}},
], ids=range(11))
def test_odd_workflows_are_refused_in_good_order(fnr, comfy, flow):
    told(fnr, comfy)        # one that was taken before that would wait for a server that has its nodes
    answer = fnr.post(JOBS, {"template": "comfyui_workflow", "inputs": {"workflow": flow}})
    if answer.status != 202:
        assert 0 < len(assert_problem(answer, 422)["errors"]) <= 101
        return
    job = fnr.wait(answer.json["id"])
    assert job["state"] == "failed" and job["error"]["class"] in ("validation", "permanent"), job["error"]
    assert job["error"]["code"] == "comfyui_node_missing", job["error"]
    assert job["attempt"] == 1 and "\u0007" not in job["error"]["message"]


@pytest.mark.parametrize("flow, pointer, words", [
    ({"nodes": [], "links": []}, "", ["Export (API)"]), ({}, "", ["1 to 5000 nodes"]),
    ({"prompt": workflow(), "client_id": "x"}, "", ["request to ComfyUI", "its member 'prompt'"]),
    (workflow(**{"9": node("SaveImage", images=["77", 0])}), "/9/inputs/images", ["'77'"]), ({"1": {"inputs": {}}}, "/1", ["class_type"]),
    (workflow(**{"9": node("SaveImage", images=[1, 2, 3])}), "/9/inputs/images", ["__value__"]), ({str(i): 5 for i in range(4000)}, "/0", ["class_type"]),
], ids=["page", "empty", "request", "no such node", "no class", "list", "many"])
def test_mistakes_in_a_workflow_are_said_before_it_is_taken(fnr, flow, pointer, words):
    """60.9: nobody waits for a server to hear that something else was exported than servers take."""
    problem = assert_problem(fnr.post(JOBS, {"template": "comfyui_workflow", "inputs": {"workflow": flow}}), 422, "invalid", *words)
    assert problem["errors"][0]["pointer"] == "/inputs/workflow" + pointer and len(problem["errors"]) <= 101
    checked = fnr.post("/api/v1/templates/comfyui_workflow/validate-inputs", {"inputs": {"workflow": flow}}).json
    assert not checked["valid"] and checked["errors"][0]["pointer"].endswith("/workflow" + pointer)


@pytest.mark.parametrize("target, binding, pointer, words", [
    ("/3/inputs/steps", {"from": "kind", "lookup": {"a": "x", "b": 2}}, "/lookup/a", '"x" does not fit where the workflow has 4'),
    ("/3/inputs/steps", {"from": "text", "lookup": {"a": 1}, "default": "x"}, "/default", '"x" does not fit'),
    ("/3/inputs/steps", {"value": 3, "when": "flag", "else": {"value": "x"}}, "/else/value", '"x" does not fit'),
    ("/3/inputs/model", {"value": ["77", 0], "when": "flag"}, "/value", "there is no node '77'"),
    ("/3/inputs/model", {"from": "kind", "lookup": {"a": ["4", 0], "b": ["77", 0]}}, "/lookup/b", "there is no node '77'"),
    ("/3/inputs/model", {"value": [1, 2, 3]}, "/value", "a list must be a link"), ("/3/inputs/model", "list", "", "a list does not fit"),
    ("/3/inputs/model", {"from": "kind", "lookup": {"a": ["4", 0], "b": ["5", 0]}}, None, None), ("/3/inputs/steps", {"value": ["4", 0], "when": "flag"}, None, None),
    ("/20/inputs/tags", "list", None, None),
])
def test_constants_of_bindings_fit(fnr, target, binding, pointer, words):
    """60.5: each value of a table, its default and what stands behind else fit, and links lead somewhere."""
    flow = workflow(**{"20": node("Tags", tags={"__value__": ["x"]})})
    inputs = {"kind": {"type": "string", "enum": ["a", "b"], "default": "a"}, "text": {"type": "string", "default": "x"}, "flag": {"type": "boolean", "default": False},
              "list": {"type": "array", "items": {"type": "string"}, "default": ["y"]}}
    template = {"id": "bound", "version": "1.0.0", "name": "b", "category": "image", "inputs": inputs, "outputs": {},
                "backend": {"type": "comfyui", "workflow": flow, "bindings": {target: binding}}}
    errors = fnr.post("/api/v1/templates/validate", template).json["errors"]
    at = "/backend/bindings/" + target.replace("/", "~1")
    assert [error["pointer"] for error in errors] == ([] if pointer is None else [at + pointer]), errors
    assert pointer is None or words in errors[0]["message"], errors


def test_a_list_stays_a_value(fnr, comfy):
    """60.5: a list is given as ComfyUI takes lists that are no links."""
    flow = workflow(**{"20": node("Tags", tags={"__value__": ["x"]})})
    template = {"id": "listed", "version": "1.0.0", "name": "l", "category": "image", "inputs": {"list": {"type": "array", "items": {"type": "string"}}},
                "outputs": {"image": {"type": "image"}}, "retry": {"max_attempts": 1}, "backend": {"type": "comfyui", "workflow": flow, "bindings": {"/20/inputs/tags": "list"}}}
    assert fnr.post("/api/v1/templates", template).status == 201
    until(lambda: fnr.get("/api/v1/templates/listed").status == 200, "the template is there")
    fnr.run("listed", {"list": ["a", "b"]})
    assert fnr.request("DELETE", "/api/v1/templates/listed/versions/1.0.0", headers={"If-Match": "*"}).status == 204
    assert comfy.seen()["prompts"][0]["prompt"]["20"]["inputs"]["tags"] == {"__value__": ["a", "b"]}


def test_others_go_first_when_a_server_makes_mistakes(fnr, comfy):
    """43.2, 49.4: the health of a server that answers, but wrongly, gets worse; the next job begins elsewhere."""
    with Comfyui() as broken:
        assert fnr.post(BACKENDS, {"id": "broken", "type": "comfyui", "url": broken.url}).status == 201
        try:
            until(lambda: fnr.get(f"{BACKENDS}/broken").json["state"] == "ready", "it was asked")
            broken.set(http=[{"path": "/prompt", "method": "POST", "status": 500, "times": 1000}])
            template = {"id": "either", "version": "1.0.0", "name": "e", "category": "image", "inputs": {}, "outputs": {"image": {"type": "image"}},
                        "backend": {"type": "comfyui", "workflow": workflow(), "bindings": {"/3/inputs/seed": "seed"}}}
            assert fnr.post("/api/v1/templates", template).status == 201
            until(lambda: fnr.get("/api/v1/templates/either").status == 200, "the template is there")
            jobs = [fnr.run("either", {}, seed=next(seeds)) for _ in range(4)]
            assert all(job["state"] == "completed" and job["backend"] == "comfy" for job in jobs), jobs
            assert sum(job["attempt"] > 1 for job in jobs) == 1, [job["attempt"] for job in jobs]
            fnr.request("DELETE", "/api/v1/templates/either/versions/1.0.0", headers={"If-Match": "*"})
        finally:
            fnr.request("DELETE", f"{BACKENDS}/broken", headers={"If-Match": "*"})


@pytest.mark.parametrize("same", [False, True], ids=["another has it", "nobody has it"])
def test_what_one_server_lacks_another_may_have(fnr, same):
    """49.4: a workflow whose models or nodes are not declared finds the server of the pool that has them, and each is asked but once."""
    lacking = dict(MODELS, checkpoints=["other.safetensors"])
    with contextlib.ExitStack() as stack:       # servers of their own: what models they have is remembered for a minute
        stack.enter_context(known(fnr, stack.enter_context(Comfyui(models=lacking if same else MODELS))))
        ids = []
        try:
            for id in ("lacks-a", "lacks-b"):
                other = stack.enter_context(Comfyui(models=lacking))
                assert fnr.post(BACKENDS, {"id": id, "type": "comfyui", "url": other.url, "concurrency": 8}).status == 201
                ids.append(id)
            until(lambda: all(fnr.get(f"{BACKENDS}/{id}").json["state"] == "ready" for id in ("comfy", *ids)), "they were asked")
            jobs = [raw(fnr, workflow()) for _ in range(4)]
            for job in jobs:
                attempts = fnr.get(f"{JOBS}/{job['id']}/attempts").json["items"]
                backends = [attempt["backend"] for attempt in attempts]
                assert len(set(backends)) == len(backends), "none twice"
                if same:
                    assert job["state"] == "failed" and job["error"]["code"] == "comfyui_value_not_in_list" and len(backends) == 3, attempts
                else:
                    assert job["state"] == "completed" and backends[-1] == "comfy", attempts
        finally:
            for id in ids:
                fnr.request("DELETE", f"{BACKENDS}/{id}", headers={"If-Match": "*"})


def partly_bad():
    return workflow(**{"20": node("EmptyLatentImage", width=8, height=8, batch_size=1), "21": node("VAEDecode", samples=["20", 0], vae=["4", 2]),
                       "22": node("SaveImage", images=["21", 0], filename_prefix="bad")})


def test_errors_of_nodes_in_a_good_answer(fnr, comfy):
    """Point 11: an error, and the prompt does not go on; or a warning, if the template says so."""
    comfy.set(hold="KSampler")
    job = raw(fnr, partly_bad())
    assert job["state"] == "failed" and job["error"]["code"] == "comfyui_value_too_small", job["error"]
    comfy.wait(lambda seen: seen["running"] is None and seen["pending"] == 0)
    comfy.set(hold=None)
    definition = {
        "id": "lenient", "version": "1.0.0", "name": "Lenient", "category": "image", "inputs": {}, "outputs": {"image": {"type": "image"}},
        "backend": {"type": "comfyui", "workflow": partly_bad(), "node_errors": "warn", "outputs": {"image": "9"}},
    }
    os.makedirs(os.path.join(fnr.data, "templates"), exist_ok=True)
    with open(os.path.join(fnr.data, "templates", "lenient.json"), "w") as file:
        json.dump(definition, file)
    until(lambda: fnr.get("/api/v1/templates/lenient").status == 200, "the template is read")
    job = fnr.run("lenient")
    assert job["state"] == "completed", job["error"]
    assert any("refuses" in line for line in log_of(fnr, job["id"]))


def test_out_of_memory_says_what_to_do(fnr, comfy):
    """A class and an action that the page can offer; the server is asked to free its memory."""
    comfy.set(oom=100)
    job = run(fnr)
    assert job["state"] == "failed"
    assert job["error"]["class"] == "resource" and job["error"]["code"] == "gpu_memory" and job["error"]["action"] == "reduce_quality", job["error"]
    assert "CUDA out of memory" in job["error"]["detail"] and "Traceback" not in job["error"]["message"]
    assert comfy.requests("/free")


def test_a_node_that_fails_is_named(fnr, comfy):
    comfy.set(error=100)
    job = raw(fnr, workflow())
    assert job["state"] == "failed" and job["error"]["code"] == "comfyui_node_failed", job["error"]
    assert '"Painter" (KSampler, node 3)' in job["error"]["message"]
    assert "mat1 and mat2" in job["error"]["detail"] and any("nodes.py" in line for line in log_of(fnr, job["id"]))


def test_somebody_stops_it_on_the_server(fnr, comfy):
    """Point 8: an interrupt is neither success nor the function's error; it is tried again."""
    comfy.set(hold="KSampler")
    id = submit(fnr)
    comfy.wait_held("KSampler")
    comfy.ask("POST", "/interrupt", {})
    comfy.set(hold=None)
    job = done(fnr, id)
    assert job["attempt"] == 2
    assert fnr.get(f"{JOBS}/{id}/attempts").json["items"][0]["error"]["code"] == "comfyui_interrupted"


@pytest.mark.parametrize("without", ["", "jobs"])
def test_how_it_ended_is_told_by_the_history_too(fnr, without):
    """Point 8: the message about it is never seen, as the socket breaks before it."""
    with Comfyui("--without", without) as other, known(fnr, other):
        other.set(oom=100, drop="execution_error", drop_times=100)
        job = run(fnr)
        assert job["state"] == "failed" and job["error"]["code"] == "gpu_memory", job["error"]
        assert "CUDA out of memory" in job["error"]["detail"]
        other.set(oom=0, drop="execution_interrupted", drop_times=1, hold="KSampler")
        id = submit(fnr)
        other.wait_held("KSampler")
        other.ask("POST", "/interrupt", {})
        other.set(hold=None)
        done(fnr, id)
        assert fnr.get(f"{JOBS}/{id}/attempts").json["items"][0]["error"]["code"] == "comfyui_interrupted"


@pytest.mark.parametrize("status, body, type, code", [
    (413, "413: Request Entity Too Large", "text/plain", "backend_input_too_large"), (500, "", "text/plain", "backend_error"),
    (403, "", "text/plain", "backend_credentials"), (502, "<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html", "backend_unavailable"),
    (200, "<html>a login page</html>", "text/html", "backend_protocol"), (400, "no JSON", "text/plain", "backend_refused"),
])
def test_answers_that_are_none(fnr, comfy, status, body, type, code):
    """Point 12: empty bodies, HTML of a proxy, text instead of JSON become errors; where that may help, it is tried again."""
    comfy.set(http=[{"path": "/prompt", "method": "POST", "status": status, "body": body, "type": type, "times": 1}])
    id = submit(fnr)
    job = fnr.wait(id)
    attempts = fnr.get(f"{JOBS}/{id}/attempts").json["items"]
    assert attempts[0]["error"]["code"] == code, attempts[0]
    assert "<h1>" not in json.dumps(attempts[0]["error"])
    assert job["state"] == ("completed" if code in ("backend_error", "backend_credentials", "backend_unavailable", "backend_protocol") else "failed"), job


@pytest.mark.parametrize("status", [403, 502])
def test_a_socket_that_is_refused(fnr, comfy, status):
    """Point 1: no prompt is sent where it could not be watched."""
    comfy.set(http=[{"path": "/ws", "status": status, "times": 1}])
    id = submit(fnr)
    assert fnr.wait(id)["state"] == "completed"
    assert len(comfy.seen()["prompts"]) == 1
    assert fnr.get(f"{JOBS}/{id}/attempts").json["items"][0]["error"]["code"] in ("backend_credentials", "backend_unavailable")


def test_credentials_go_along_and_stay_secret(fnr):
    """60.6, point 24: with every request, with the upgrade, never in a log."""
    secrets = {"token": "s3same", "headers": {"X-Tenant": "blue"}}
    with Comfyui("--token", "s3same") as guarded, known(fnr, guarded, credentials=secrets):
        job = fnr.run("image_to_image", {"image": upload(fnr, png()), "prompt": "a"}, quality="draft")
        assert job["state"] == "completed", job["error"]
        for method, path, headers in guarded.requests("/"):
            assert headers["authorization"] == "Bearer s3same" and headers["x-tenant"] == "blue", path
        assert guarded.seen()["socket_headers"][0]["X-Tenant"] == "blue"
        assert "s3same" not in fnr.log_text() and "s3same" not in json.dumps(fnr.get(f"{JOBS}/{job['id']}").json)


# ---- sockets, history, loss ----

@pytest.mark.parametrize("kind", ["execution_start", "executing", "progress", "execution_success", "status"])
def test_a_socket_that_breaks(fnr, comfy, kind):
    """Point 14: the job goes on over there; it is watched by asking, over a new socket, and never submitted twice."""
    comfy.set(drop=kind, drop_times=1, step_ms=10)
    id = submit(fnr)
    job = done(fnr, id)
    seen = comfy.seen()
    assert job["attempt"] == 1 or kind == "status"
    assert all(count == 1 for count in seen["runs"].values()) and seen["overlaps"] == 0
    requests = [(method, path.split("/")[1]) for method, path, _ in seen["requests"]]
    assert requests.count(("POST", "prompt")) == len(seen["prompts"]) == job["attempt"]


def test_the_queue_is_asked_before_the_history(fnr):
    """Point 14, on a server without the jobs routes: what ends between two questions is missed by who asks the other way round."""
    with Comfyui("--without", "jobs", step_ms=20, drop="progress", hold="success") as old, known(fnr, old):
        id = submit(fnr)
        old.wait_held("success")
        old.wait(lambda seen: seen["sockets_opened"] >= 2)      # between the loss and the new socket it was asked
        assert not old.requests("/history")
        old.set(hold=None)
        done(fnr, id)
        assert old.requests("/history")


def test_silence_after_a_reconnect(fnr, comfy):
    """Points 14, 25: a socket that is connected and says nothing is not believed."""
    comfy.set(drop="progress", step_ms=10)
    id = submit(fnr)
    comfy.wait(lambda seen: seen["sockets_opened"] >= 1 and len(seen["prompts"]) == 1)
    comfy.set(silent=5)
    assert done(fnr, id)["attempt"] == 1


def test_a_silent_socket_from_the_start(fnr, comfy):
    comfy.set(silent=1)
    assert done(fnr, submit(fnr))["attempt"] == 1


@pytest.mark.parametrize("without", ["", "jobs"])
def test_the_end_is_not_said_or_the_history_late(fnr, without):
    """Points 7, 10: execution_success comes before the history, also when the queue is empty already; executing null may be missing."""
    with Comfyui("--without", without) as other, known(fnr, other):
        for controls in ({"late_history_ms": 2000}, {"gap_ms": 1500}, {"no_end": 1}):
            other.reset()
            other.set(**controls)
            id = submit(fnr)
            assert done(fnr, id)["attempt"] == 1 and not log_of(fnr, id), controls


def test_a_large_message_and_one_that_is_too_large(fnr, comfy):
    """Point 18: 40 MiB are taken; beyond 64 MiB the socket is given up, the job is not."""
    comfy.set(huge=40 << 20)
    id = submit(fnr)
    assert done(fnr, id)["attempt"] == 1
    assert comfy.seen()["sockets_opened"] == 1
    comfy.set(huge=(64 << 20) + 1)
    assert done(fnr, submit(fnr))["attempt"] == 1


def test_the_socket_is_read_while_files_come(fnr, comfy):
    """Point 25: the file comes only when the server's messages were taken."""
    comfy.set(http=[{"path": "/view", "flood": 32 << 20}])
    done(fnr, submit(fnr))
    seen = comfy.seen()
    assert seen["stuck"] == 0 and any(path == "/view" for _, path, _ in seen["requests"])


def test_the_socket_is_read_while_something_is_asked(fnr, comfy):
    """Point 25: the server answers only when its messages were taken."""
    comfy.set(hold="KSampler", http=[{"path": "/api/jobs", "flood": 32 << 20}])
    id = submit(fnr)
    comfy.wait(lambda seen: seen["held"] == "KSampler" and any(path.startswith("/api/jobs") for _, path, _ in seen["requests"]))
    comfy.set(hold=None)
    done(fnr, id)
    assert comfy.seen()["stuck"] == 0


def test_sockets_are_kept_for_a_while_and_closed_in_order(fnr, comfy):
    """60.6, point 3: prompts follow each other on one socket, which is closed with 1000 some time after the last one."""
    for _ in range(8):
        done(fnr, submit(fnr))
    seen = comfy.seen()
    assert 1 <= seen["sockets_opened"] < 8 and len(seen["prompts"]) == 8, seen["sockets_opened"]     # each worker has its own
    assert all(prompt["client_id"] in prompt["sockets"] for prompt in seen["prompts"])
    assert len({prompt["client_id"] for prompt in seen["prompts"]}) == seen["sockets_opened"]
    seen = comfy.wait(lambda seen: seen["sockets_open"] == 0)
    assert set(seen["closes"]) == {1000}, seen["closes"]


def on_a_kept_socket(fnr, comfy, phase):
    """A job that is held there; the socket is an earlier job's."""
    while True:
        done(fnr, submit(fnr))
        comfy.set(hold=phase)
        before = comfy.seen()["sockets_opened"]
        id = submit(fnr)
        comfy.wait_held(phase)
        if comfy.seen()["sockets_opened"] == before:
            return id
        comfy.set(hold=None)            # another worker took it
        done(fnr, id)


@pytest.mark.parametrize("kill", ["worker", "manager"])
def test_a_prompt_on_a_kept_socket_is_joined_again(fnr, comfy, kill):
    """The server tells what happens by the client id of the prompt, which is that of another job: it is asked for."""
    id = on_a_kept_socket(fnr, comfy, "KSampler")
    prompt, opened = comfy.seen()["prompts"][-1], comfy.seen()["sockets_opened"]
    (kill_workers if kill == "worker" else kill_manager)(fnr, comfy)
    seen = comfy.wait(lambda seen: seen["sockets_opened"] > opened and prompt["client_id"] in seen["sids"])
    comfy.set(hold=None)
    assert done(fnr, id)["attempt"] == 1
    assert seen["runs"][prompt["prompt_id"]] == 1 == comfy.seen()["runs"][prompt["prompt_id"]]


@pytest.mark.parametrize("change", ["drop", "restart"])
def test_a_kept_socket_that_is_gone_is_made_anew(fnr, comfy, change):
    id = on_a_kept_socket(fnr, comfy, "KSampler")
    comfy.set(hold=None)
    done(fnr, id)
    if change == "drop":
        comfy.reset()
    else:
        comfy.restart()
    for _ in range(3):
        assert done(fnr, submit(fnr))["attempt"] == 1
    assert comfy.seen()["sockets_opened"] >= 1


def test_a_kept_connection_that_ends_under_a_prompt(fnr, comfy):
    """The server knows nothing of the prompt, so it is given once more; results of earlier prompts of that socket are not taken for its own."""
    for _ in range(20):
        done(fnr, submit(fnr))
        comfy.set(http=[{"path": "/prompt", "method": "POST", "lost": True}])
        job = done(fnr, submit(fnr))
        if job["attempt"] == 1:         # else it went on a new connection, by another worker
            break
    assert job["attempt"] == 1
    assert set(comfy.seen()["runs"].values()) == {1}


def test_old_servers_keep_no_socket(fnr):
    """Where the server gives the ids, a prompt is found again by the client's id, so each has one of its own."""
    with Comfyui("--without", "jobs,client_ids") as old, known(fnr, old):
        for _ in range(3):
            done(fnr, submit(fnr))
        seen = old.wait(lambda seen: seen["sockets_open"] == 0)
        assert len({prompt["client_id"] for prompt in seen["prompts"]}) == 3 == seen["sockets_opened"]
        assert set(seen["closes"]) == {1000}, seen["closes"]


def test_a_server_that_is_started_anew(fnr, comfy):
    """Point 15: what it forgot is lost, not done, and done again because the template says so."""
    comfy.set(hold="KSampler")
    id = submit(fnr)
    comfy.wait_held("KSampler")
    comfy.restart()
    job = done(fnr, id)
    assert job["attempt"] == 2
    assert fnr.get(f"{JOBS}/{id}/attempts").json["items"][0]["error"]["code"] in ("backend_lost_job", "backend_unreachable")


def test_somebody_takes_it_out_of_the_queue(fnr, comfy):
    """Point 15, 22: a prompt that was deleted while it waited; and its place while it waits."""
    comfy.set(hold="queued")
    id = submit(fnr)
    comfy.wait(lambda seen: seen["pending"] == 1)
    prompt = comfy.seen()["prompts"][0]["prompt_id"]
    comfy.ask("POST", "/queue", {"delete": [prompt]})
    comfy.set(hold=None)
    job = done(fnr, id)
    assert job["attempt"] == 2


def test_the_place_in_the_servers_queue_is_told(fnr, comfy):
    """Point 22: by the numbers, not by the order of the list."""
    comfy.set(hold="queued")
    for number in (9, 1, 5):
        comfy.ask("POST", "/prompt", {"prompt": workflow(), "number": number - 100})
    id = submit(fnr)
    progress = lambda: fnr.get(f"{JOBS}/{id}").json["progress"]
    until(lambda: "3 jobs before" in (progress()["message"] or ""), lambda: progress())
    comfy.set(hold=None)
    done(fnr, id)


# ---- cancel ----

@pytest.mark.parametrize("phase", ["queued", "started", "KSampler"])
def test_cancel(fnr, comfy, phase):
    """Point 16: waiting or running, by the newer route; nobody else's prompt is hit."""
    comfy.set(hold=phase)
    comfy.ask("POST", "/prompt", {"prompt": workflow(), "number": 1000})
    if phase != "queued":
        comfy.wait_held(phase)
        comfy.set(hold=None)
        comfy.wait(lambda seen: seen["running"] is None and seen["pending"] == 0)
        comfy.set(hold=phase)
    id = submit(fnr)
    prompts = comfy.wait(lambda seen: len(seen["prompts"]) == 2)["prompts"]
    if phase != "queued":
        comfy.wait_held(phase)
    assert fnr.post(f"{JOBS}/{id}/cancel").status == 202
    assert fnr.wait(id)["state"] == "cancelled"
    comfy.set(hold=None)
    seen = comfy.wait(lambda seen: seen["running"] is None and seen["pending"] == 0)
    assert prompts[0]["prompt_id"] in seen["history"]
    assert prompts[1]["prompt_id"] not in seen["history"] or phase != "queued"
    assert any("/cancel" in path for _, path, _ in seen["requests"])


def test_an_interrupt_that_hits_nothing_is_repeated(fnr, comfy):
    """Point 16: what was asked for is verified."""
    comfy.set(hold="KSampler", deaf_interrupts=1)
    id = submit(fnr)
    comfy.wait_held("KSampler")
    assert fnr.post(f"{JOBS}/{id}/cancel").status == 202
    assert fnr.wait(id)["state"] == "cancelled"
    assert comfy.seen()["running"] is None


def test_a_server_that_does_not_listen(fnr, comfy):
    """41.11, point 16: the job ends here all the same, and the server is known for it."""
    comfy.set(hold="KSampler", deaf_interrupts=100000)
    id = submit(fnr)
    comfy.wait_held("KSampler")
    assert fnr.post(f"{JOBS}/{id}/cancel").status == 202
    assert fnr.wait(id)["state"] == "cancelled"
    until(lambda: fnr.get(f"{BACKENDS}/comfy").json["health"]["score"] < 1, "the server's score falls")
    assert any("told to stop" in line for line in log_of(fnr, id))


def test_a_server_that_does_not_listen_is_restarted(server):
    """41.11: it is suspect, what runs there ends, the hook of the operator is run, and the next answer clears it."""
    def add_hook(own):
        os.mkdir(os.path.join(own.data, "hooks"))
        path = os.path.join(own.data, "hooks", "restart-backend")
        with open(path, "w") as file:
            file.write('#!/bin/sh\necho "$@ $FNR_BACKEND_URL" >>hooks/ran\necho about to restart\nwhile [ ! -e hooks/go ]; do sleep 0.1; done\n')
        os.chmod(path, 0o755)

    def state():
        return own.get(f"{BACKENDS}/comfy").json["state"]

    server.reset()
    with System(CONFIG, before_start=add_hook) as own, known(own, server):
        server.set(hold="KSampler", deaf_interrupts=100000)
        id = submit(own)
        server.wait_held("KSampler")
        assert own.post(f"{JOBS}/{id}/cancel").status == 202
        assert own.wait(id)["state"] == "cancelled"
        until(lambda: "about to restart" in own.log_text(), "the hook runs")
        until(lambda: state() == "suspect", "the server is suspect")
        assert "told to stop" in own.get(f"{BACKENDS}/comfy").json["breaker"]["reason"]
        later = submit(own)
        until(lambda: own.get(f"{JOBS}/{later}").json["waiting_for"] == "no_backend", "it gets no more jobs")
        server.set(hold=None, deaf_interrupts=0)
        open(os.path.join(own.data, "hooks", "go"), "w").close()
        done(own, later)
        until(lambda: state() == "ready", "the server is trusted again")
        assert "event=backend.restart_hook backend=comfy exit=0" in own.log_text()
        with open(os.path.join(own.data, "hooks", "ran")) as file:
            assert file.read() == f"comfy {server.url}\n"


def test_it_may_not_take_for_ever(fnr, comfy):
    comfy.set(hold="KSampler")
    job = fnr.wait(fnr.submit("text_to_image", inputs(), timeout_s=2)["id"])
    assert job["state"] == "failed" and job["error"]["code"] == "timeout"
    assert comfy.wait(lambda seen: seen["running"] is None)


# ---- probes ----

def test_what_is_found_at_a_server(fnr, comfy):
    """46.1, 60.9: devices, memory, the queue, models and choices, asked for cheaply."""
    found = until(lambda: fnr.get(f"{BACKENDS}/comfy").json["found"], "it was asked")
    assert found["version"] == "0.38.1" and found["devices"][0]["vram_total"] == 24 << 30
    assert found["choices"]["KSampler.sampler_name"][0] == "euler" and "lanczos" in found["choices"]["ImageScaleBy.upscale_method"]
    offered = fnr.get("/api/v1/models?category=KSampler.sampler_name").json["items"]
    assert {"category": "KSampler.sampler_name", "name": "uni_pc", "library": None, "backends": ["comfy"]} in offered
    schema = fnr.get("/api/v1/templates/text_to_image/schema").json["properties"]
    assert schema["sampler"]["x-choices"] == "KSampler.sampler_name" and schema["checkpoint"]["x-choices"] == "checkpoints"
    until(lambda: "sdxl.safetensors" in {model["name"] for model in fnr.get("/api/v1/models?category=checkpoints").json["items"]}, "its models are known")
    assert told(fnr, comfy) == len(classes(MODELS))
    asked = len(comfy.requests("/system_stats"))
    comfy.wait(lambda seen: sum(path == "/system_stats" for _, path, _ in seen["requests"]) > asked + 3)
    assert lists(comfy) == 1, "megabytes are not asked for with every probe"


def test_lists_of_models_may_hold_anything(fnr):
    """What a server lists is not ours to trust: neither a handler nor the manager stumbles over it."""
    with Comfyui(models={**MODELS, "checkpoints": [None, 7, ["x"], CHECKPOINT]}) as odd, known(fnr, odd):
        managers = fnr.pids_of("fnr-manager")
        until(lambda: fnr.get("/api/v1/models?backend=comfy").json["items"], "the lists are known")
        done(fnr, submit(fnr))
        assert fnr.pids_of("fnr-manager") == managers


def test_an_empty_folder_has_no_model(fnr):
    """A server that says that its folder is empty lacks every model of that kind; one that does not say may have it."""
    counts = lambda: (fnr.get(f"{BACKENDS}/comfy").json["found"] or {}).get("models", {})
    body = {"template": "text_to_image", "inputs": inputs(), "quality": "draft"}
    with Comfyui(models={**MODELS, "checkpoints": []}) as empty, known(fnr, empty):
        until(lambda: counts().get("checkpoints") == 0, "it was asked")
        refused = fnr.post(JOBS, body)
        assert refused.status == 422 and [(error["rule"], error["pointer"]) for error in refused.json["errors"]] == [("missing_model", "/inputs/checkpoint")]
        doctor = subprocess.run([FNR, "doctor", "--data", fnr.data, "--json"], capture_output=True, text=True, timeout=60)
        found = [item for item in map(json.loads, doctor.stdout.splitlines()) if item["check"] == "models of comfy"]
        assert found and CHECKPOINT in found[0]["found"], doctor.stdout
    with Comfyui(models={**MODELS, "checkpoints": None}) as silent, known(fnr, silent):
        until(lambda: "checkpoints" not in counts() and counts().get("loras"), "it was asked, and did not say")
        silent.set(hold="KSampler")
        assert fnr.post(JOBS, body).status == 202


def test_a_quality_that_needs_no_model(fnr):
    """46.8: a draft is only resized, so it is made where no upscaling model is; the other qualities are refused there."""
    with Comfyui(models={**MODELS, "upscale_models": []}) as empty:
        assert fnr.post(BACKENDS, {"id": "bare", "type": "comfyui", "url": empty.url}).status == 201
        until(lambda: (fnr.get(f"{BACKENDS}/bare").json["found"] or {}).get("models", {}).get("upscale_models") == 0, "it was asked")
        picture = {"image": upload(fnr, png())}
        assert fnr.run("upscale_image", picture, quality="draft")["state"] == "completed"
        assert [prompt["prompt"]["13"]["inputs"]["image"] for prompt in empty.seen()["prompts"]] == [["10", 0]], "without the model's node"
        for quality in ("standard", "high", "ultra"):
            refused = fnr.post(JOBS, {"template": "upscale_image", "inputs": picture, "quality": quality})
            assert refused.status == 422 and [(error["rule"], error["pointer"]) for error in refused.json["errors"]] == [("missing_model", "/inputs/model")]
        assert fnr.request("DELETE", f"{BACKENDS}/bare", headers={"If-Match": "*"}).status == 204


# ---- node classes ----

def scaled(kind="ImageScaleBy"):
    """With a node that not every server has."""
    return workflow(**{"12": {**node(kind, image=["8", 0], upscale_method="area", scale_by=2), "_meta": {"title": "Larger"}},
                       "9": node("SaveImage", filename_prefix="x", images=["12", 0])})


def own_template(fnr, id, flow):
    template = {"id": id, "version": "1.0.0", "name": id, "category": "image", "inputs": {}, "outputs": {"image": {"type": "image"}},
                "backend": {"type": "comfyui", "workflow": flow, "bindings": {"/3/inputs/seed": "seed"}}}
    assert fnr.post("/api/v1/templates", template).status == 201
    until(lambda: fnr.get(f"/api/v1/templates/{id}").status == 200, "the template is there")


def missing(answer, pointer):
    errors = assert_problem(answer, 422)["errors"]
    assert [(error["rule"], error["pointer"]) for error in errors] == [("missing_node", pointer)], errors
    assert "'ImageScaleBy'" in errors[0]["message"] and "fnr backend probe" in errors[0]["fix"], errors
    return errors[0]["message"]


def test_a_server_without_the_node_is_never_asked(fnr, comfy):
    """49.4, 46.8: what a server lacks is known beforehand, for workflows of templates and for those that come with the job; once it has it, it gets such jobs."""
    own_template(fnr, "scaling", scaled())
    with Comfyui(lacking=["ImageScaleBy"]) as bare:
        try:
            assert fnr.post(BACKENDS, {"id": "bare", "type": "comfyui", "url": bare.url, "concurrency": 8}).status == 201
            assert told(fnr, comfy) == len(classes(MODELS)) and told(fnr, bare, id="bare") == len(classes(MODELS)) - 1
            ids = [fnr.submit("comfyui_workflow", {"workflow": scaled()})["id"] for _ in range(4)]
            ids += [fnr.submit("scaling", {}, seed=next(seeds))["id"] for _ in range(4)]
            for job in (done(fnr, id) for id in ids):
                assert job["backend"] == "comfy" and job["attempt"] == 1, job
            assert not bare.seen()["prompts"]
            assert fnr.post(f"{BACKENDS}/comfy/drain").status == 200
            assert done(fnr, fnr.submit("comfyui_workflow", {"workflow": workflow()})["id"])["backend"] == "bare", "it does what it can"
            waits = fnr.submit("comfyui_workflow", {"workflow": scaled()})["id"]
            until(lambda: fnr.get(f"{JOBS}/{waits}").json["waiting_for"] == "no_backend", "it says why it waits")
            ask(fnr, bare, "bare", lacking=[])
            job = done(fnr, waits)
            assert job["backend"] == "bare" and job["attempt"] == 1, job
            assert len(bare.seen()["prompts"]) == 2 and not any(prompt["error"] for prompt in bare.seen()["prompts"])
        finally:
            fnr.request("DELETE", f"{BACKENDS}/bare", headers={"If-Match": "*"})
            fnr.request("DELETE", "/api/v1/templates/scaling/versions/1.0.0", headers={"If-Match": "*"})


def test_a_job_whose_node_no_server_has_is_refused(fnr):
    """46.8: as with models, also while the server is away; when it is back it is asked anew, as it may have it by then."""
    own_template(fnr, "scaling", scaled())
    body = {"template": "comfyui_workflow", "inputs": {"workflow": scaled()}}
    with Comfyui(lacking=["ImageScaleBy"]) as bare, known(fnr, bare):
        try:
            told(fnr, bare)
            message = missing(fnr.post(JOBS, body), "/inputs/workflow/12/class_type")
            assert "Larger" in message and "12" in message
            missing(fnr.post(JOBS, {"template": "scaling", "inputs": {}}), "/template")
            missing(fnr.post("/api/v1/batches", {"jobs": [{"template": "comfyui_workflow", "inputs": {"workflow": workflow()}}, body]}),
                    "/jobs/1/inputs/workflow/12/class_type")
            bare.kill()
            until(lambda: fnr.get(f"{BACKENDS}/comfy").json["state"] == "down", "it is away")
            missing(fnr.post(JOBS, body), "/inputs/workflow/12/class_type")
            bare.controls = {}
            bare.start()
            assert told(fnr, bare) == len(classes(MODELS)), "it was asked anew"
            job = raw(fnr, scaled())
            assert job["state"] == "completed" and job["attempt"] == 1, job
            assert fnr.run("scaling", {}, seed=next(seeds))["state"] == "completed"
        finally:
            fnr.request("DELETE", "/api/v1/templates/scaling/versions/1.0.0", headers={"If-Match": "*"})


def test_a_job_waits_for_its_node(fnr, comfy):
    """42.15: one that was taken before its server lost the node waits, says why, and is not tried in vain."""
    told(fnr, comfy)
    assert fnr.post(f"{BACKENDS}/comfy/drain").status == 200
    id = fnr.submit("comfyui_workflow", {"workflow": scaled()})["id"]
    assert ask(fnr, comfy, lacking=["ImageScaleBy"]) == len(classes(MODELS)) - 1
    assert fnr.post(f"{BACKENDS}/comfy/resume").status == 200
    assert done(fnr, fnr.submit("comfyui_workflow", {"workflow": workflow()})["id"])["attempt"] == 1
    job = fnr.get(f"{JOBS}/{id}").json
    assert job["state"] == "queued" and job["waiting_for"] == "no_backend" and job["attempt"] == 0, job
    ask(fnr, comfy, lacking=[])
    assert done(fnr, id)["attempt"] == 1
    assert not any(prompt["error"] for prompt in comfy.seen()["prompts"])


NOT_KNOWN = {
    "refused": {"path": "/object_info", "status": 500}, "not there": {"path": "/object_info", "status": 404}, "cut": {"path": "/object_info", "cut": True},
    "half": {"path": "/object_info", "status": 200, "body": '{"KSampler": {"input": {}}, "Oth'}, "nothing": {"path": "/object_info", "status": 200, "body": "{}"},
    "a list": {"path": "/object_info", "status": 200, "body": '["KSampler"]'}, "a page": {"path": "/object_info", "status": 200, "body": "<html>{}</html>"},
    "too many": {"path": "/object_info", "status": 200, "body": json.dumps({f"Node{i}": {} for i in range(20001)})},
    "a long name": {"path": "/object_info", "status": 200, "body": json.dumps({"N" * 2000: {}})},
    "others in their place": {"path": "/node_replacements", "status": 500},
}


@pytest.mark.parametrize("fault", NOT_KNOWN.values(), ids=NOT_KNOWN.keys())
def test_node_classes_that_are_not_known_hinder_nobody(fnr, comfy, fault):
    """The server has the last word, as ever."""
    assert ask(fnr, comfy, lacking=["ImageScaleBy"], http=[{**fault, "times": 1000}]) is None
    assert raw(fnr, workflow())["state"] == "completed"
    job = raw(fnr, scaled())
    assert job["state"] == "failed" and job["error"]["code"] == "comfyui_node_missing", job["error"]


def test_names_of_node_classes_may_be_any(fnr, comfy):
    odd = 'Bild "ä" \\ \t🔧'
    body = json.dumps({**{name: {"input": {"x": ["{", '\\"']}} for name in classes(MODELS)}, odd: {}})
    assert ask(fnr, comfy, http=[{"path": "/object_info", "status": 200, "times": 1000, "body": body}]) == len(classes(MODELS)) + 1
    job = raw(fnr, scaled(odd))
    assert job["state"] == "failed" and job["error"]["code"] == "comfyui_node_missing", "it was tried"
    assert assert_problem(fnr.post(JOBS, {"template": "comfyui_workflow", "inputs": {"workflow": scaled(odd + "!")}}), 422)["errors"][0]["rule"] == "missing_node"


def test_a_server_may_take_another_node_in_its_place(fnr, comfy):
    """Newer servers replace nodes that they do not have any more when a workflow comes."""
    assert ask(fnr, comfy, replaced={"OldScale": "ImageScaleBy"}) == len(classes(MODELS)) + 1
    job = raw(fnr, scaled("OldScale"))
    assert job["state"] == "completed", job["error"]


def test_old_servers_tell_their_node_classes(fnr):
    """They replace none."""
    with Comfyui("--without", "jobs,client_ids,interrupt_id,metadata") as old, known(fnr, old):
        assert told(fnr, old) == len(classes(MODELS))
        assert raw(fnr, scaled())["state"] == "completed"


# ---- import ----

def imported(flow, name="My Flow_api.json"):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(flow if isinstance(flow, str) else json.dumps(flow))
        return subprocess.run([FNR, "template", "import-comfyui", path], capture_output=True, text=True, timeout=60)


def test_a_workflow_becomes_a_template(fnr, comfy):
    """44.8: what people choose is found, what is not is said, and the server takes what is printed as it is."""
    flow = workflow(**{
        "7": {**node("CLIPTextEncode", text="ugly", clip=["4", 1])}, "30": node("LoadImage", image="x.png"), "31": node("VAEEncode", pixels=["30", 0], vae=["4", 2]),
        "32": node("LoraLoader", model=["4", 0], clip=["4", 1], lora_name="detail.safetensors", strength_model=1, strength_clip=1),
        "40": node("PreviewImage", images=["8", 0]),
    })
    flow["3"]["inputs"].update(negative=["7", 0], latent_image=["31", 0], denoise=0.4, seed=2 ** 63)
    result = imported(flow)
    assert result.returncode == 0, result.stderr
    made = yaml.safe_load(result.stdout)
    assert made["id"] == "my_flow" and made["name"] == "My Flow" and made["category"] == "image"
    assert made["inputs"]["prompt"]["default"] == "a" and made["inputs"]["negative_prompt"]["default"] == "ugly"
    assert made["inputs"]["image"] == {"type": "file", "media": ["image/*"], "required": True, "label": "Image", "description": 'Of "LoadImage", node 30.'}
    assert made["inputs"]["negative_prompt"]["label"] == "Negative prompt"
    assert made["inputs"]["strength"]["default"] == 0.4
    assert made["parameters"]["steps"] == 4 and [made["presets"][tier]["steps"] for tier in ("draft", "standard", "high", "ultra")] == [2, 4, 6, 8]
    assert {"category": "checkpoints", "parameter": "checkpoint"} in made["models"] and {"category": "loras", "parameter": "lora"} in made["models"]
    bindings = made["backend"]["bindings"]
    assert bindings["/3/inputs/seed"] == "seed" and bindings["/30/inputs/image"] == {"upload": "image"}
    assert made["backend"]["outputs"] == {"image": "9"}
    assert "To decide: strength_model of node 32" in result.stdout
    answer = fnr.post("/api/v1/templates", result.stdout.encode(), headers={"Content-Type": "application/yaml"})
    assert answer.status == 201, answer.data
    until(lambda: fnr.get("/api/v1/templates/my_flow").status == 200, "the template is there")
    job = fnr.run("my_flow", {"image": upload(fnr, png()), "prompt": "a bird"}, quality="high", seed=9)
    assert job["state"] == "completed", job["error"]
    sent = comfy.seen()["prompts"][0]["prompt"]
    assert sent["6"]["inputs"]["text"] == "a bird" and sent["3"]["inputs"]["seed"] == 9 and sent["3"]["inputs"]["steps"] == 6


def test_a_workflow_with_subgraphs_lists_and_nodes_of_others(fnr, comfy):
    """44.8: ids of subgraphs, lists as values, classes that this program has never heard of: what is printed is taken as it is."""
    flow = {
        "30:19": node("CheckpointLoaderSimple", ckpt_name="sub/folder\\m.safetensors"), "30:7:1": node("CLIPTextEncode", text="a ü\n\"b\"", clip=["30:19", 1]),
        "30:8": {**node("CLIPTextEncode", text="", clip=["30:19", 1]), "_meta": {"title": "Negative: # 'x' {y}"}},
        "31": node("KSamplerAdvanced", noise_seed=18446744073709551615, steps=30, cfg=7.5, sampler_name="euler", scheduler="karras", start_at_step=0,
                   add_noise="enable", model=["30:19", 0], positive=["30:7:1", 0], negative=["30:8", 0], latent_image=["32", 0]),
        "32": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
        "33": node("VAEDecode", samples=["31", 0], vae=["30:19", 2]),
        "34": node("Some/Custom~Node (by me)", **{"a/b~c": {"__value__": ["x", "y"]}, "on": True, "none": None, "nested": {"deep": [1]}, "images": ["33", 0]}),
        "35": node("VHS_VideoCombine", images=["34", 0], frame_rate=8, filename_prefix="out", format="video/h264-mp4", pingpong=False),
        "36": node("LoadImage", image="../x.png [output]"), "37": node("SaveImage", images=["36", 0], filename_prefix="p"),
    }
    result = imported(flow, "Größe & Co (v2.1) ☃.json")
    assert result.returncode == 0, result.stderr
    made = yaml.safe_load(result.stdout)
    assert made["backend"]["workflow"] if "workflow" in made["backend"] else False
    bindings = made["backend"]["bindings"]
    assert bindings["/31/inputs/noise_seed"] == "seed" and bindings["/36/inputs/image"] == {"upload": "image"}
    assert {made["inputs"][name]["default"] for name in ("prompt", "negative_prompt")} == {'a ü\n"b"', ""}
    answer = fnr.post("/api/v1/templates", result.stdout.encode(), headers={"Content-Type": "application/yaml"})
    assert answer.status == 201, answer.data
    until(lambda: fnr.get(f"/api/v1/templates/{made['id']}").status == 200, "the template is there")
    kept = fnr.get(f"/api/v1/templates/{made['id']}/versions/{made['version']}").json["backend"]["workflow"]
    assert kept["34"] == flow["34"] and kept["30:7:1"]["inputs"]["clip"] == ["30:19", 1]


def test_values_that_come_by_links(fnr):
    """44.8: a widget that was made an input is found where its value stands; two samplers keep their parts of the way; the same words are one input."""
    flow = {
        "1": node("CheckpointLoaderSimple", ckpt_name="SDXL/base.safetensors"), "2": node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
        "10": {**node("String Literal", string="a cat"), "_meta": {"title": "What to show"}}, "11": node("PrimitiveInt", value=77), "12": node("Seed (rgthree)", seed=2 ** 60),
        "13": node("PrimitiveFloat", value=5.5), "14": node("PrimitiveInt", value=640), "15": node("Join", a=["10", 0], text="x"),
        "4": node("CLIPTextEncodeSDXL", text_g=["10", 0], text_l=["10", 0], clip=["1", 1]), "5": node("CLIPTextEncodeSDXL", text_g="bad", text_l="bad", clip=["1", 1]),
        "6": node("EmptyLatentImage", width=["14", 0], height=["14", 0], batch_size=1), "16": node("CLIPTextEncode", text=["15", 0], clip=["2", 1]),
        "7": node("KSamplerAdvanced", noise_seed=["12", 0], steps=25, cfg=["13", 0], start_at_step=0, end_at_step=20, model=["1", 0], positive=["4", 0], negative=["5", 0], latent_image=["6", 0]),
        "8": node("KSamplerAdvanced", noise_seed=["12", 0], steps=25, cfg=7, start_at_step=20, end_at_step=10000, model=["2", 0], positive=["16", 0], negative=["5", 0], latent_image=["7", 0]),
        "9": node("SaveGLB", mesh=["8", 0], filename_prefix="x"),
    }
    result = imported(flow)
    assert result.returncode == 0, result.stderr
    made = yaml.safe_load(result.stdout)
    bindings, inputs = made["backend"]["bindings"], made["inputs"]
    assert bindings["/10/inputs/string"] == "prompt" and inputs["prompt"]["default"] == "a cat" and "What to show" in inputs["prompt"]["description"]
    assert bindings["/12/inputs/seed"] == "seed" and bindings["/14/inputs/value"] == "width" and inputs["width"]["default"] == 640
    assert bindings["/13/inputs/value"] == "guidance" and "height" not in inputs
    assert bindings["/5/inputs/text_g"] == bindings["/5/inputs/text_l"] == "negative_prompt" and "negative_prompt_2" not in inputs
    assert bindings["/7/inputs/end_at_step"] == {"compute": "round(steps * 20 / 25)"} and bindings["/8/inputs/start_at_step"] == {"compute": "round(steps_2 * 20 / 25)"}
    assert "/8/inputs/end_at_step" not in bindings and {"category": "checkpoints", "parameter": "checkpoint"} in made["models"]
    assert made["outputs"]["file"]["type"] == "file" and made["backend"]["outputs"] == {"file": "9"}
    assert 'value of node 11 ("PrimitiveInt") stays 77' in result.stdout and "value of node 14" not in result.stdout
    answer = fnr.post("/api/v1/templates/validate", result.stdout.encode(), headers={"Content-Type": "application/yaml"})
    assert answer.json["valid"], answer.json["errors"]


def test_words_of_other_encoders(fnr):
    """44.8: models have encoders with names of their own; a guider has no other side; loaders hold words, too."""
    flow = {
        "1": node("CLIPTextEncodeFlux", clip_l="a fox", t5xxl="a fox in the snow", guidance=3.5, clip=["2", 0]), "2": node("DualCLIPLoader", clip_name1="a", clip_name2="b"),
        "3": node("BasicGuider", model=["4", 0], conditioning=["1", 0]), "4": node("Efficient Loader", ckpt_name="m", positive="a dog", negative="blurry", empty_latent_width=512, empty_latent_height=768),
        "5": node("SamplerCustomAdvanced", guider=["3", 0]), "6": node("TextEncodeAceStepAudio", tags="rock", lyrics="la la", clip=["2", 0]), "9": node("SaveImage", images=["5", 0]),
    }
    result = imported(flow)
    assert result.returncode == 0, result.stderr
    made = yaml.safe_load(result.stdout)
    defaults = {name: made["inputs"][name]["default"] for name in made["inputs"]}
    assert [defaults[name] for name in ("prompt", "prompt_2", "prompt_3", "negative_prompt", "lyrics", "guidance", "width", "height")] == [
        "a fox", "a fox in the snow", "a dog", "blurry", "la la", 3.5, 512, 768], defaults
    assert made["backend"]["bindings"]["/4/inputs/negative"] == "negative_prompt" and "whether node 1 " not in result.stdout
    assert fnr.post("/api/v1/templates/validate", result.stdout.encode(), headers={"Content-Type": "application/yaml"}).json["valid"]


def test_what_cannot_be_imported_is_explained():
    page = {"id": "0", "revision": 0, "last_node_id": 9, "last_link_id": 9, "nodes": [{"id": 9, "type": "SaveImage", "widgets_values": ["x"]}], "links": [],
            "definitions": {"subgraphs": []}, "config": {}, "extra": {}, "version": 0.4}
    for flow, word in (({"nodes": [], "links": []}, "API format"), (page, "Export (API)"), ({"1": {"class_type": "A", "inputs": {"x": [1, 2, 3]}}}, "__value__"),
                       ({"prompt": {"1": {"class_type": "A", "inputs": {}}}, "client_id": "x"}, "member 'prompt'"), ([], "1 to"), ("{", "JSON"), ({}, "1 to"), ({"1": {"class_type": "A", "inputs": {"x": ["2", 0]}}}, "no node '2'")):
        result = imported(flow)
        assert result.returncode != 0 and word in result.stderr and not result.stdout, result.stderr
    result = imported({"1": node("NobodyKnows", a=1, b="x")})
    assert result.returncode == 0 and "none of them looks like one that saves" in result.stdout and "no input was found" in result.stdout


# ---- processes that are killed ----

def kill_workers(fnr, comfy):
    for pid in fnr.pids_of("worker"):
        os.kill(pid, signal.SIGKILL)


def kill_manager(fnr, comfy):
    for pid in fnr.pids_of("fnr-manager"):
        os.kill(pid, signal.SIGKILL)


PHASES = ["queued", "started", "CheckpointLoaderSimple", "KSampler", "success", "ended"]


@pytest.mark.parametrize("kill", [kill_workers, kill_manager])
@pytest.mark.parametrize("phase", PHASES)
def test_the_prompt_is_joined_again(fnr, comfy, kill, phase):
    """60.2, 41.3, 49.10: whoever watches is killed; the prompt is run once, and the job neither lost nor done again."""
    comfy.set(hold=phase, step_ms=5)
    id = submit(fnr)
    comfy.wait(lambda seen: len(seen["prompts"]) == 1)
    comfy.wait_held(phase)
    kill(fnr, comfy)
    comfy.wait(lambda seen: seen["closes"])
    comfy.set(hold=None)
    job = done(fnr, id)
    seen = comfy.seen()
    assert list(seen["runs"].values()) == [1] and len(seen["prompts"]) == 1, (seen["runs"], job["attempt"])
    assert len(job["outputs"]) == 1


def kill_server(fnr, comfy):
    comfy.restart()


# Where a job is held before anything runs for it: a file goes up, the prompt is not taken yet, or its answer is not.
BEFORE = {"upload": {"path": "/upload/image", "hold": "upload"}, "submission": {"path": "/prompt", "method": "POST", "hold": "submission"},
          "answer": {"path": "/prompt", "method": "POST", "hold_answer": "answer"}}


@pytest.mark.parametrize("kill", [kill_workers, kill_manager, kill_server])
@pytest.mark.parametrize("phase", BEFORE)
def test_killed_before_it_runs(fnr, comfy, kill, phase):
    """49.10: what was taken is found and joined; what was not is sent again. A prompt that the server takes while nobody listens any
    more cannot be known of: it may be computed beside the other one, but is never filed."""
    picture = upload(fnr, png())
    comfy.set(hold=phase, http=[BEFORE[phase]])
    id = fnr.submit("image_to_image", {"image": picture, "prompt": "a dog"}, quality="draft", seed=next(seeds))["id"]
    comfy.wait_held(phase)
    kill(fnr, comfy)
    if kill is not kill_server and phase == "answer":
        comfy.wait(lambda seen: seen["closes"])
    comfy.set(hold=None)
    job = done(fnr, id)
    runs = list(comfy.seen()["runs"].values())
    assert len(job["outputs"]) == 1 and runs == [1] * len(runs) and 1 <= len(runs) <= (2 if phase == "submission" else 1), runs


@pytest.mark.parametrize("kill", [kill_workers, kill_manager])
def test_killed_while_files_come(fnr, comfy, kill):
    comfy.set(http=[{"path": "/view", "delay_ms": 3000, "times": 1}])
    id = submit(fnr)
    comfy.wait(lambda seen: any(path == "/view" for _, path, _ in seen["requests"]))
    kill(fnr, comfy)
    done(fnr, id)
    assert list(comfy.seen()["runs"].values()) == [1]


def test_what_an_attempt_got_ready_that_never_began(server):
    """It may fetch files before it begins. Where a kill comes between, the next attempt has its number, and so its folder."""
    server.reset()
    with System(CONFIG) as own, known(own, server):
        assert own.post("/api/v1/queues/gpu/pause").status == 200
        id = submit(own)
        own.stop()
        folder = os.path.join(own.data, "workspace", ".work", f"{id}-1")
        os.makedirs(folder)
        with open(os.path.join(folder, ".job"), "w") as file:
            file.write(f"{id} 1\n")
        own.start()
        until(lambda: not os.path.exists(folder), "what was got ready is gone")
        assert own.post("/api/v1/queues/gpu/resume").status == 200
        job = done(own, id, timeout=120)
        assert job["attempt"] == 1 and len(job["outputs"]) == 1 and list(server.seen()["runs"].values()) == [1]
        until(lambda: not os.path.exists(folder), "nothing is left")


def test_an_old_servers_own_id_is_found_again(fnr):
    """Point 5: the id that the server gave is not ours; the prompt is found by the client's."""
    with Comfyui("--without", "jobs,client_ids", hold="KSampler") as old, known(fnr, old):
        for phase in ("KSampler", "ended"):
            old.reset()
            old.set(hold=phase)
            id = submit(fnr)
            old.wait_held(phase)
            kill_workers(fnr, old)
            old.wait(lambda seen: seen["closes"])
            old.set(hold=None)
            done(fnr, id)
            assert list(old.seen()["runs"].values()) == [1], phase


@pytest.mark.parametrize("phase", PHASES)
def test_the_server_is_killed(fnr, comfy, phase):
    """The job is done by the server's next life, once; or what it had made before is fetched, if it said that it had."""
    comfy.set(hold=phase)
    id = submit(fnr)
    comfy.wait(lambda seen: len(seen["prompts"]) == 1)
    comfy.wait_held(phase)
    comfy.restart()
    job = done(fnr, id)
    assert len(job["outputs"]) == 1
    seen = comfy.seen()
    assert sum(seen["runs"].values()) == (0 if phase in ("success", "ended") else 1) and not seen["pending"]


def test_a_graceful_restart_leaves_the_prompt_alone(server):
    """The whole system is stopped and started while a prompt runs: it is watched to its end afterwards."""
    server.reset()
    with System("workers: {min: 1, max: 2}\nstop: {grace: 1}\n") as own, known(own, server):
        server.set(hold="KSampler")
        id = submit(own)
        server.wait_held("KSampler")
        own.stop()
        own.start()
        server.set(hold=None)
        job = done(own, id)
        assert list(server.seen()["runs"].values()) == [1] and job["attempt"] == 1


def test_a_prompt_that_was_left_is_cancelled(server):
    """The manager stops, and waits for another job, when one that goes on without it is cancelled: the next life stops that."""
    server.reset()
    slow = "#!/bin/sh\nsleep 25\necho done >note.txt\nprintf '{\"output\":\"file\",\"path\":\"note.txt\"}\\n'\n"
    with System("workers: {min: 2, max: 3}\nstop: {grace: 60}\n", before_start=lambda own: own.add_script("slow", slow)) as own, known(own, server):
        server.set(hold="KSampler")
        id = submit(own)
        server.wait_held("KSampler")
        other = own.submit("slow")["id"]
        until(lambda: own.get(f"{JOBS}/{other}").json["state"] == "running", "the other one runs")
        for pid in own.pids_of("fnr-manager"):
            os.kill(pid, signal.SIGTERM)
        until(lambda: "event=job.left" in own.log_text(), "the manager stops")
        assert own.post(f"{JOBS}/{id}/cancel").status == 202
        job = own.wait(other)
        assert job["state"] == "completed" and job["attempt"] == 1, job
        assert own.wait(id)["state"] == "cancelled"
        server.wait(lambda seen: seen["running"] is None)
        assert "ended by signal" not in own.log_text()
