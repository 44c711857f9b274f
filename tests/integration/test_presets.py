"""Presets that people make: 50.2, 50.3, 50.8, and what becomes of them in jobs."""

import json
import os

import pytest

from system import System

PRESETS = "/api/v1/presets"
WAIT = {"not_before": "2099-01-01T00:00:00Z"}
PICTURE = {
    "id": "picture", "version": "1.0.0", "name": "Picture", "category": "image", "resolution": {"multiple_of": 64},
    "inputs": {"steps": {"type": "integer", "min": 1, "max": 40, "default": 25}, "text": {"type": "string", "default": ""}},
    "parameters": {"width": 1024, "height": 1024, "look": "plain"}, "presets": {"high": {"look": "rich"}},
    "resources": {"cpu": 2, "memory_mb": 1000, "gpu": 1, "vram_mb": 10000}, "queue": "cpu", "backend": {"type": "noop"},
}


def write(system, name, content):
    os.makedirs(os.path.dirname(os.path.join(system.data, name)), exist_ok=True)
    with open(os.path.join(system.data, name), "w") as file:
        json.dump(content, file)


def with_template(system):
    write(system, "templates/picture/picture.json", PICTURE)


@pytest.fixture(scope="module")
def fnr():
    with System("workers: {min: 1, max: 2}\n", before_start=with_template) as system:
        yield system


def make(fnr, **preset):
    answer = fnr.post(PRESETS, {"name": "Mine", "base": "draft", **preset})
    assert answer.status == 201, answer.data
    assert answer.headers["Location"] == f"{PRESETS}/{answer.json['id']}" and answer.headers["ETag"] == f'"{answer.json["version"]}"'
    return answer.json


def change(fnr, preset, etag=None, **changes):
    return fnr.request("PUT", f"{PRESETS}/{preset['id']}", {**preset, **changes}, headers={"If-Match": etag or f'"{preset["version"]}"'})


def delete(fnr, preset):
    return fnr.request("DELETE", f"{PRESETS}/{preset['id']}", headers={"If-Match": "*"})


def parameters(fnr, quality, template="picture", **inputs):
    return fnr.submit(template, inputs, quality=quality, **WAIT)["parameters"]


def test_made_changed_deleted(fnr):
    preset = make(fnr, name="Studio Review", parameters={"image": {"steps": 33}}, description="For the wall")
    assert preset["id"] == "studio_review" and preset["tier"] == "draft" and preset["builtin"] is False and preset["version"] == 1
    assert preset["parameters"] == {"image": {"steps": 33}} and preset["factors"] == fnr.get(PRESETS + "/draft").json["factors"]
    assert preset["owner"] == "admin" and fnr.get(PRESETS + "/studio_review").json == preset
    assert make(fnr, name="Studio  review!")["id"] == "studio_review_2"
    assert fnr.post(PRESETS, {"id": "studio_review", "name": "x", "base": "draft"}).status == 409
    assert fnr.request("PUT", PRESETS + "/studio_review", preset).status == 428
    assert change(fnr, preset, etag='"7"').status == 412
    answer = change(fnr, preset, name="Wall", parameters={})
    assert answer.status == 200 and answer.json["version"] == 2 and answer.json["name"] == "Wall" and answer.json["parameters"] == {}
    assert change(fnr, preset).status == 412, "the state that it knows has passed"
    assert [item["version"] for item in fnr.get(PRESETS + "/studio_review/versions").json["items"]] == [2, 1]
    assert fnr.get(PRESETS + "/studio_review@1").json == preset
    assert fnr.request("DELETE", PRESETS + "/studio_review").status == 428
    assert delete(fnr, preset).status == 204 and fnr.get(PRESETS + "/studio_review").status == 404
    assert delete(fnr, preset).status == 404
    again = make(fnr, name="Studio Review")
    assert again["version"] == 3, "a version is never given to another content"
    for rest in (again, {"id": "studio_review_2"}):
        assert delete(fnr, rest).status == 204


def test_those_that_ship_stay_as_they_are(fnr):
    for answer in (fnr.request("PUT", PRESETS + "/draft", {"name": "x", "base": "high"}, headers={"If-Match": "*"}),
                   fnr.request("DELETE", PRESETS + "/ultra"), fnr.post(PRESETS, {"id": "low", "name": "x", "base": "draft"}),
                   fnr.post(PRESETS, {"id": "high", "name": "x", "base": "draft"})):
        assert answer.status == 409, answer.data


@pytest.mark.parametrize("body, pointer", [
    ({"base": "draft"}, "/name"), ({"name": "x"}, "/base"), ({"name": "x", "base": "drafty"}, "/base"), ({"name": 1, "base": "draft"}, "/name"),
    ({"name": "x", "base": "draft", "id": "a b"}, "/id"), ({"name": "x", "base": "draft", "parametres": {}}, "/parametres"),
    ({"name": "x", "base": "draft", "parameters": {"image": 1}}, "/parameters/image"),
    ({"name": "x", "base": "draft", "parameters": {"a/b": {}}}, "/parameters/a~1b"),
    ({"name": "x", "base": "draft", "factors": {"time": -1}}, "/factors/time"), ({"name": "x", "base": "draft", "scaling": {"cpus": 1}}, "/scaling/cpus"),
    ({"name": "x", "base": "draft", "pipeline": {"timeout_s": 0}}, "/pipeline/timeout_s"), ({"name": "x", "base": "draft", "level": 1.5}, "/level"),
    ({"name": "x", "base": "draft", "use_cases": ["cinema"]}, "/use_cases"), ({"name": "x", "base": "draft", "shared": "yes"}, "/shared"),
    ({"name": "x", "base": "draft", "pipeline": {"optimizations": [{}]}}, "/pipeline/optimizations"),
])
def test_mistakes_are_named(fnr, body, pointer):
    answer = fnr.post(PRESETS, body)
    assert answer.status == 422 and [error["pointer"] for error in answer.json["errors"]] == [pointer], answer.data


def test_used_like_those_that_ship(fnr):
    preset = make(fnr, name="House", base="high", parameters={"image": {"steps": 11}, "picture": {"look": "bare"}})
    job = fnr.run("picture", {}, quality="house")
    assert (job["quality"], job["tier"], job["preset"]) == ("house", "high", "house@1")
    assert job["parameters"]["steps"] == 11 and job["parameters"]["look"] == "bare", "over the template's own part for the tier"
    assert change(fnr, preset, parameters={"image": {"steps": 12}}).status == 200
    again = fnr.post(f"/api/v1/jobs/{job['id']}/retry", {}).json
    assert again["preset"] == "house@1" and again["parameters"] == job["parameters"] and again["seed"] == job["seed"], "the same work again"
    assert fnr.submit("picture", {}, quality="house@1", **WAIT)["parameters"] == job["parameters"]
    assert parameters(fnr, "house")["steps"] == 12
    batch = fnr.post("/api/v1/batches", {"defaults": {"template": "picture", "inputs": {}}, "jobs": [{"quality": q} for q in ("house", "draft", "ultra")]})
    assert batch.status == 202
    jobs = [fnr.get("/api/v1/jobs/" + job).json for job in batch.json["jobs"]]
    assert [job["tier"] for job in jobs] == ["high", "draft", "ultra"]
    answer = fnr.post("/api/v1/jobs", {"template": "picture", "inputs": {}, "quality": "hous"})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/quality" and "house" in answer.json["errors"][0]["fix"]
    assert "draft, standard, high and ultra" in answer.json["errors"][0]["message"]
    assert fnr.post("/api/v1/route", {"template": "picture", "quality": "house"}).json["quality"] == "house"
    assert delete(fnr, preset).status == 204
    assert fnr.post("/api/v1/jobs", {"template": "picture", "inputs": {}, "quality": "house"}).status == 422
    assert fnr.post(f"/api/v1/jobs/{job['id']}/retry", {}).status == 422, "nobody knows any more what it said"
    assert fnr.post(f"/api/v1/jobs/{job['id']}/retry", {"quality": "high"}).status == 202


def test_derived_from_one_that_was_derived(fnr):
    first = make(fnr, name="First", base="draft", parameters={"image": {"steps": 7, "look": "a"}})
    second = make(fnr, name="Second", base="first", parameters={"image": {"steps": None}})
    assert second["tier"] == "draft" and second["inherited"]["from"] == "first@1" and second["inherited"]["tier"] == "draft@1"
    assert parameters(fnr, "second")["steps"] == 25 and parameters(fnr, "second")["look"] == "a", "null: the template's own again"
    assert change(fnr, first, parameters={}).status == 200
    assert parameters(fnr, "second")["look"] == "a", "what was derived stays as it was"
    assert change(fnr, second).json["inherited"]["from"] == "first@2" and parameters(fnr, "second")["look"] == "plain"
    assert change(fnr, {**second, "version": 2}, base="second").status == 422
    for preset in (first, second):
        assert delete(fnr, preset).status == 204


def test_size_and_shape(fnr):
    """A tier's width and height are a size in the template's own shape, and multiples of what it needs."""
    for tier, side in (("draft", 576), ("standard", 960), ("high", 1472), ("ultra", 2880)):
        found = parameters(fnr, tier)
        assert (found["width"], found["height"]) == (side, side), tier
        assert found["width"] % 64 == 0
    tall = make(fnr, name="Tall", base="draft", parameters={"image": {"width": 700, "height": 1300}})
    assert (parameters(fnr, "tall")["width"], parameters(fnr, "tall")["height"]) == (704, 1280), "its own are a shape"
    double = make(fnr, name="Double", base="draft", scaling={"resolution": 2})
    assert parameters(fnr, "double")["width"] == 2048 and parameters(fnr, "double")["steps"] == 12
    for preset in (tall, double):
        assert delete(fnr, preset).status == 204


def test_seen_by_its_owner_until_it_is_shared(fnr):
    keys = [fnr.post("/api/v1/keys", {"name": name, "scopes": ["read", "submit"]}).json["key"] for name in "ab"]
    preset = make(fnr, name="Quiet")
    for key in keys:
        assert fnr.get(PRESETS + "/quiet", key=key).status == 404
        assert "quiet" not in [item["id"] for item in fnr.get(PRESETS, key=key).json["items"]]
        assert fnr.request("POST", "/api/v1/jobs", {"template": "picture", "inputs": {}, "quality": "quiet"}, key=key).status == 422
        assert fnr.request("POST", PRESETS, {"name": "x", "base": "draft"}, key=key).status == 403
    assert change(fnr, preset, shared=True).status == 200
    assert fnr.get(PRESETS + "/quiet", key=keys[0]).status == 200
    assert fnr.request("POST", "/api/v1/jobs", {"template": "picture", "inputs": {}, "quality": "quiet", **WAIT}, key=keys[1]).status == 202
    assert delete(fnr, preset).status == 204


def test_files(fnr):
    make(fnr, name="Under", parameters={"image": {"steps": 5}})
    preset = make(fnr, name="Over", base="under", parameters={"image": {"look": "x"}}, factors={"time": 0.125}, description='"quoted": ünï\nlines')
    file = fnr.get(PRESETS + "/over/export").json
    assert file["presets"][0]["base"] == "draft" and file["presets"][0]["parameters"] == {"image": {"steps": 5, "look": "x"}}, "whole on its own"
    text = fnr.get(PRESETS + "/over/export?format=yaml")
    assert text.headers["Content-Type"].startswith("application/yaml") and text.data.startswith(b"presets:")
    assert fnr.get(PRESETS + "/over/export", headers={"Accept": "application/yaml"}).data == text.data
    assert fnr.post(PRESETS + "/import", file).status == 409
    (renamed,) = fnr.post(PRESETS + "/import?conflict=rename", file).json["items"]
    assert renamed["id"] == "over_2" and renamed["factors"]["time"] == 0.125 and renamed["description"] == preset["description"]
    imported = fnr.post(PRESETS + "/import?conflict=replace", text.data, headers={"Content-Type": "application/yaml"})
    assert imported.status == 200 and imported.json["items"][0]["version"] == 2
    assert fnr.get(PRESETS + "/over/export").json == file, "YAML says the same as JSON"
    assert parameters(fnr, "over") == parameters(fnr, "over@1"), "the same by another way"
    two = {"presets": [{"id": "one", "name": "One", "base": "draft"}, {"id": "over", "name": "Over", "base": "draft"}]}
    assert fnr.post(PRESETS + "/import", two).status == 409 and fnr.get(PRESETS + "/one").status == 404, "all or nothing"
    assert fnr.post(PRESETS + "/import?conflict=replace", {"presets": [{"id": "draft", "name": "x", "base": "high"}]}).status == 409
    answer = fnr.post(PRESETS + "/import", {"presets": [{"name": "x", "base": "draft"}, {"name": "y"}]})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/presets/1/base"
    for ident in ("under", "over", "over_2"):
        assert delete(fnr, {"id": ident}).status == 204


def test_pages_of_many(fnr):
    file = {"presets": [{"id": f"many-{i:03}", "name": f"Many {i}", "base": "draft"} for i in range(100)]}
    assert fnr.post(PRESETS + "/import", file).status == 200
    seen, cursor = [], ""
    while cursor is not None:
        page = fnr.get(f"{PRESETS}?limit=7" + (f"&cursor={cursor}" if cursor else "")).json
        assert len(page["items"]) <= 7
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen[:4] == ["draft", "standard", "high", "ultra"] and len(seen) == len(set(seen)) and [i for i in seen if i.startswith("many")] == sorted(
        preset["id"] for preset in file["presets"])
    for preset in file["presets"]:
        assert delete(fnr, preset).status == 204


def test_an_operators_file():
    """What an installation wants otherwise: presets.yaml of its data directory."""
    own = {"presets": [{"id": "draft", "parameters": {"image": {"steps": 3}}, "pipeline": {"timeout_s": 11}},
                       {"id": "wall", "name": "Wall", "base": "high", "level": 3, "parameters": {"image": {"steps": 39}}}]}

    def before(system):
        with_template(system)
        write(system, "presets.yaml", own)

    with System(before_start=before) as fnr:
        assert {item["id"] for item in fnr.get(PRESETS).json["items"]} == {"draft", "standard", "high", "wall", "ultra"}
        draft = fnr.get(PRESETS + "/draft").json
        assert draft["pipeline"]["timeout_s"] == 11 and draft["parameters"]["image"]["steps"] == 3 and draft["parameters"]["image"]["width"] == 768
        assert parameters(fnr, "draft")["steps"] == 3 and parameters(fnr, "wall")["steps"] == 39
        assert fnr.get(PRESETS + "/wall").json["builtin"] is True and delete(fnr, {"id": "wall"}).status == 409
        os.unlink(os.path.join(fnr.data, "presets.yaml"))
        fnr.stop()
        fnr.start()
        assert fnr.get(PRESETS + "/wall").status == 404
        assert fnr.get(PRESETS + "/draft").json["version"] == 2 and fnr.get(PRESETS + "/draft").json["pipeline"]["timeout_s"] == 900
