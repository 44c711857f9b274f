"""Presets that people make: 50.2, 50.3, 50.8, and what becomes of them in jobs."""

import json
from concurrent.futures import ThreadPoolExecutor
import os

import pytest

from crash import until
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


def test_those_who_show_presets_hear_of_changes(fnr):
    with fnr.stream("/api/v1/events?types=preset.changed") as stream:
        assert next(iter(stream)).name == "snapshot"
        events = (event.data for event in stream if event.name == "preset.changed" and event.data["preset"] == "heard")
        preset = make(fnr, name="Heard")
        assert next(events)["version"] == 1
        assert change(fnr, preset, level=7).status == 200
        assert next(events)["version"] == 2
        assert delete(fnr, preset).status == 204
        assert next(events)["version"] is None


def test_only_those_hear_who_may_see(fnr):
    """A preset that is not shared is nobody else's business: not even its id is told. Sharing it, and taking that back, is."""
    reader = fnr.post("/api/v1/keys", {"name": "r", "scopes": ["read"]}).json["key"]
    elsewhere = fnr.post("/api/v1/keys", {"name": "e", "scopes": ["read"], "projects": ["elsewhere"]}).json["key"]
    path = "/api/v1/events?types=preset.changed"
    with fnr.stream(path) as ours, fnr.stream(path, key=reader) as theirs, fnr.stream(path, key=elsewhere) as others:
        assert {next(iter(stream)).name for stream in (ours, theirs, others)} == {"snapshot"}
        streams = [(event.data for event in stream if event.name == "preset.changed") for stream in (ours, theirs, others)]
        secret, seen = make(fnr, name="Hidden"), make(fnr, name="Seen", shared=True)
        assert change(fnr, secret, level=7).status == 200
        assert change(fnr, seen, shared=False).status == 200        # they could see it before
        assert change(fnr, fnr.get(PRESETS + "/seen").json, level=8).status == 200
        for ident in ("hidden", "seen"):
            assert delete(fnr, {"id": ident}).status == 204
        last = make(fnr, name="Last", shared=True)
        heard = []
        for stream in streams:
            heard.append([])
            while not heard[-1] or heard[-1][-1][0] != "last":
                event = next(stream)
                heard[-1].append((event["preset"], event["version"]))
        assert heard[0] == [("hidden", 1), ("seen", 1), ("hidden", 2), ("seen", 2), ("seen", 3), ("hidden", None), ("seen", None), ("last", 1)]
        assert heard[1] == heard[2] == [("seen", 1), ("seen", 2), ("last", 1)]
    assert delete(fnr, last).status == 204


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
    retry = f"/api/v1/jobs/{job['id']}/retry"
    kept = fnr.wait(fnr.post(retry, {"inputs": {}}).json["id"])
    same = ("quality", "tier", "preset", "parameters", "seed", "queue")
    assert kept["state"] == "completed" and [kept[name] for name in same] == [job[name] for name in same], "it has what was made of it then"
    assert fnr.wait(fnr.post(f"/api/v1/jobs/{kept['id']}/retry", {"seed": 7}).json["id"])["parameters"] == job["parameters"], "again and again"
    answer = fnr.post(retry, {"inputs": {"steps": 3}})
    assert answer.status == 422 and [error["pointer"] for error in answer.json["errors"]] == ["/quality"], answer.data
    assert "house@1" in answer.json["errors"][0]["message"] and "standard" in answer.json["errors"][0]["fix"]
    assert fnr.post(retry, {"inputs": {"steps": 3}, "quality": "high"}).status == 202
    assert fnr.post(retry, {"quality": "high"}).json["preset"] == "high@1"


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
    twins = {"presets": [{"id": "over", "name": "A", "base": "draft"}, {"id": "over", "name": "B", "base": "draft"}, {"name": "Over", "base": "draft"}]}
    renamed = fnr.post(PRESETS + "/import?conflict=rename", twins)
    assert renamed.status == 200 and [item["id"] for item in renamed.json["items"]] == ["over_3", "over_4", "over_5"], "each gets a name of its own"
    answer = fnr.post(PRESETS + "/import?conflict=replace", twins)
    assert answer.status == 422 and [error["pointer"] for error in answer.json["errors"]] == ["/presets/1/id"], answer.data
    same = {"presets": [{"name": "Same", "base": "draft"}, {"name": "Same", "base": "high"}]}
    assert [item["id"] for item in fnr.post(PRESETS + "/import", same).json["items"]] == ["same", "same_2"]
    for ident in ("under", "over", "over_2", "over_3", "over_4", "over_5", "same", "same_2"):
        assert delete(fnr, {"id": ident}).status == 204


def test_many_import_the_same_at_once(fnr):
    file = {"presets": [{"id": "rush", "name": "Rush", "base": "draft"}, {"id": "rush", "name": "Rush", "base": "draft"}]}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: fnr.post(PRESETS + "/import?conflict=rename", file), range(4)))
    assert [answer.status for answer in answers] == [200] * 4, [answer.data for answer in answers]
    ids = [item["id"] for answer in answers for item in answer.json["items"]]
    assert len(set(ids)) == 8
    for ident in ids:
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


def resolve(fnr, preset, /, **body):
    return fnr.post(f"{PRESETS}/{preset}/resolve", {"template": "picture", **body})


def test_resolved_before_anything_is_submitted(fnr):
    answer = resolve(fnr, "high", inputs={"text": "x"}).json
    assert answer["preset"] == "high@" + str(fnr.get(PRESETS + "/high").json["version"]) and answer["tier"] == "high"
    assert answer["parameters"] == parameters(fnr, "high", text="x")
    assert answer["origins"] == {"steps": "preset", "text": "input", "width": "preset", "height": "preset", "look": "template"}
    assert answer["resources"] == {"cpu": 2, "memory_mb": 1500, "gpu": 1, "vram_mb": 13000}
    assert answer["compatibility"] == {"compatible": True, "reasons": []}
    estimate = answer["estimate"]
    assert estimate["basis"] == "category" and estimate["runs"] == 0 and estimate["confidence"] == 0.1 and estimate["seconds"] == 37.5
    assert estimate["seconds_low"] < 37.5 < estimate["seconds_high"] and estimate["cost"] > 0 and estimate["quality"] == 0.75
    assert resolve(fnr, "draft").json["estimate"]["cost"] < estimate["cost"]
    ultra = resolve(fnr, "ultra").json["compatibility"]
    assert ultra["compatible"] and {reason["code"] for reason in ultra["reasons"]} == {"value_adapted"}, "50 steps are more than 40"
    draft = resolve(fnr, "draft").json
    assert draft["resources"]["vram_mb"] == 7000 and draft["pipeline"]["vram_mb"] == 8192 and draft["pipeline"]["optimizations"] == []


def test_resolved_with_changes_that_are_not_saved(fnr):
    preset = make(fnr, name="Editing", base="draft", parameters={"image": {"steps": 5}})
    assert resolve(fnr, "editing").json["parameters"]["steps"] == 5
    changed = resolve(fnr, "editing", changes={"parameters": {"picture": {"steps": 6, "nose": 1}}, "scaling": {"vram": 2}}).json
    assert changed["parameters"]["steps"] == 6 and changed["resources"]["vram_mb"] == 20000
    assert [reason["code"] for reason in changed["compatibility"]["reasons"]] == ["unknown_parameter", "vram_target"] and not changed["compatibility"]["compatible"]
    assert resolve(fnr, "editing", changes={"base": "high"}).json["tier"] == "high"
    assert resolve(fnr, "standard", changes={"parameters": {"image": {"steps": 2}}}).json["parameters"]["steps"] == 2
    for body, pointer in (({"changes": {"factors": {"tim": 1}}}, "/changes/factors/tim"), ({"changes": {"base": "nothing"}}, "/changes/base"),
                          ({"inputs": {"steps": 99}}, "/inputs/steps"), ({"inputs": {"stepz": 9}}, "/inputs/stepz"), ({"inputs": 1}, "/inputs"),
                          ({"template": "pictur"}, "/template"), ({"template": None}, "/template"), ({"preset": "x"}, "/preset"), ({"changes": 1}, "/changes")):
        answer = resolve(fnr, "editing", **body)
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == pointer, (body, answer.data)
    assert resolve(fnr, "nothing").status == 404
    assert fnr.get(PRESETS + "/editing").json == preset
    assert delete(fnr, preset).status == 204


def test_compared(fnr):
    answer = fnr.get(PRESETS + "/compare?template=picture").json
    assert [item["id"] for item in answer["items"]] == ["draft", "standard", "high", "ultra"]
    assert set(answer["differs"]) == {"steps", "width", "height", "look"}
    seconds = [item["estimate"]["seconds"] for item in answer["items"]]
    assert seconds == sorted(seconds) and seconds[0] < seconds[3]
    two = fnr.get(PRESETS + "/compare?template=picture&presets=ultra,draft").json
    assert [item["id"] for item in two["items"]] == ["ultra", "draft"] and two["items"][1] == answer["items"][0]
    assert fnr.get(PRESETS + "/compare?template=nothing").status == 422 and fnr.get(PRESETS + "/compare").status == 422
    assert fnr.get(PRESETS + "/compare?template=picture&presets=draft,none").status == 404
    assert fnr.get(PRESETS + "/compare?template=picture&presets=" + ",".join(["draft"] * 17)).status == 422


@pytest.mark.parametrize("wish, preset, fits", [
    ({}, "standard", True), ({"use_case": "preview"}, "draft", True), ({"use_case": "iteration"}, "draft", True), ({"use_case": "review"}, "standard", True),
    ({"use_case": "presentation"}, "high", True), ({"use_case": "social"}, "high", True), ({"use_case": "delivery"}, "ultra", True),
    ({"use_case": "print"}, "ultra", True), ({"max_seconds": 20}, "standard", True), ({"max_seconds": 1}, "draft", False),
    ({"use_case": "delivery", "max_seconds": 40}, "high", True), ({"hardware": {"vram_mb": 10000}}, "standard", True),
    ({"hardware": {"vram_mb": 8000}, "use_case": "delivery"}, "draft", True), ({"hardware": {"gpu": 0}}, "draft", False), ({"max_cost": 0.005}, "standard", True),
])
def test_recommended(fnr, wish, preset, fits):
    answer = fnr.post(PRESETS + "/recommend", {"template": "picture", **wish})
    assert answer.status == 200 and (answer.json["preset"], answer.json["fits"]) == (preset, fits), answer.data
    assert answer.json["reasons"] and all(reason["fits"] for reason in answer.json["reasons"] if fits and reason["code"] != "use_case")
    assert len(answer.json["alternatives"]) == 3 and all(other["reasons"] for other in answer.json["alternatives"])


def test_questions_that_cannot_be_answered(fnr):
    for body, pointer in (({"use_case": "cinema"}, "/use_case"), ({"max_seconds": -1}, "/max_seconds"), ({"max_cost": "1"}, "/max_cost"),
                          ({"hardware": 1}, "/hardware"), ({"hardware": {"vram": 1}}, "/hardware/vram"), ({"budget": 1}, "/budget"), ({"template": 1}, "/template")):
        answer = fnr.post(PRESETS + "/recommend", {"template": "picture", **body})
        assert answer.status == 422 and [error["pointer"] for error in answer.json["errors"]] == [pointer], answer.data


def test_ones_own_are_recommended_too(fnr):
    preset = make(fnr, name="Dailies", base="draft", level=2, use_cases=["review"], factors={"time": 0.2})
    answer = fnr.post(PRESETS + "/recommend", {"template": "picture", "use_case": "review", "max_seconds": 5}).json
    assert answer["preset"] == "dailies" and answer["fits"] is True
    assert delete(fnr, preset).status == 204


SLEEPS = """#!/usr/bin/python3
import json, sys, time
request = json.load(sys.stdin)
time.sleep(request["parameters"]["seconds"])
open("out.txt", "w").write(json.dumps({name: request[name] for name in ("quality", "preset", "pipeline", "timeout_s")}))
print(json.dumps({"output": "file", "path": "out.txt"}))
"""
SLEEPER = {"category": "text", "parameters": {"seconds": 0.3}, "optimizations": ["tiling", "own"], "timeout_s": 100000, "presets": {"draft": {"seconds": 0.1}},
           "resources": {"cpu": 1, "memory_mb": 128}}


BURNS = """#!/usr/bin/python3
import json, sys, time
json.load(sys.stdin)
begun = time.process_time()
while time.process_time() - begun < 3:
    pass
open("out.txt", "w").write("warm")
print(json.dumps({"output": "file", "path": "out.txt"}))
"""


EATS = """#!/usr/bin/python3
import json, sys, time
json.load(sys.stdin)
eaten = bytearray(180 << 20)
for i in range(0, len(eaten), 4096):
    eaten[i] = 1
time.sleep(6)
open("out.txt", "w").write("full")
print(json.dumps({"output": "file", "path": "out.txt"}))
"""


@pytest.fixture(scope="module")
def sleeper():
    def before(system):
        for name in ("sleeper", "told"):
            system.add_script(name, SLEEPS, **SLEEPER)
        system.add_script("burner", BURNS)
        system.add_script("eater", EATS, resources={"memory_mb": 120}, retry={"max_attempts": 1})

    with System(before_start=before) as system:
        yield system


def estimate(system, preset):
    return system.post(f"{PRESETS}/{preset}/resolve", {"template": "sleeper"}).json["estimate"]


def test_estimates_come_from_past_runs(sleeper):
    """50.5: the category's rule, then another tier's runs by the factors, then its own."""
    assert estimate(sleeper, "draft")["basis"] == "category"
    took = []
    for _ in range(5):
        job = sleeper.run("sleeper", {})
        assert job["state"] == "completed", job["error"]
        took.append(job)
    known = estimate(sleeper, "standard")
    assert known["basis"] == "runs" and known["runs"] == 5 and 0.3 <= known["seconds"] < 30 and known["seconds_low"] <= known["seconds"] <= known["seconds_high"]
    guess = estimate(sleeper, "draft")
    assert guess["basis"] == "tiers" and guess["runs"] == 0 and abs(guess["seconds"] - 0.3 * known["seconds"]) < 0.002 and guess["confidence"] <= 0.5
    preset = make(sleeper, name="Swift", base="standard", parameters={"sleeper": {"seconds": 0.06}}, factors={"time": 0.5})
    assert abs(estimate(sleeper, "swift")["seconds"] - 0.5 * known["seconds"]) < 0.002
    for _ in range(2):
        assert sleeper.run("sleeper", {}, quality="swift")["state"] == "completed"
    assert estimate(sleeper, "swift")["runs"] == 2 and estimate(sleeper, "standard")["runs"] == 5, "each preset has its own past"
    assert delete(sleeper, preset).status == 204


def test_a_preset_says_how_it_is_run(sleeper):
    """50.10: optimizations that the template knows, and the time-out, reach the function."""
    preset = make(sleeper, name="Careful", base="high", pipeline={"optimizations": ["own", "other"], "timeout_s": 77, "vram_mb": 4000})
    told = []
    for members in ({}, {"timeout_s": 55}):
        job = sleeper.run("told", {}, quality="careful", **members)
        assert job["state"] == "completed", job["error"]
        told.append(sleeper.get(job["outputs"][0]["url"]).json)
    assert told[0] == {"quality": "high", "preset": "careful@1", "pipeline": {"vram_mb": 4000, "optimizations": ["own"], "memory_mb": 192}, "timeout_s": 77}
    assert told[1]["timeout_s"] == 55, "what the job says goes first"
    draft = sleeper.get(sleeper.run("told", {}, quality="draft")["outputs"][0]["url"]).json
    assert draft["pipeline"]["optimizations"] == ["tiling"] and draft["timeout_s"] == 900
    assert delete(sleeper, preset).status == 204


def test_more_memory_for_a_higher_quality(sleeper):
    """46.4: what is held to the template's memory at draft may use twice as much at ultra."""
    for quality, state in (("draft", "failed"), ("ultra", "completed")):
        job = sleeper.run("eater", {}, quality=quality, timeout_s=300)
        assert job["state"] == state, (quality, job["error"])
        assert state == "completed" or job["error"]["code"] == "out_of_memory", job["error"]


def test_so_many_jobs_of_a_tier_at_a_time():
    """50.10: concurrency of a tier counts what is derived from it; other tiers run meanwhile."""
    def before(system):
        write(system, "presets.yaml", {"presets": [{"id": "draft", "pipeline": {"concurrency": 1}}]})

    with System("workers: {min: 3, max: 3}\nstop: {grace: 3}\n", before_start=before) as fnr:
        preset = make(fnr, name="Quick", base="draft")
        first = fnr.submit(quality="draft", metadata={"noop": {"duration_ms": 600000}})["id"]
        until(lambda: fnr.get(f"/api/v1/jobs/{first}").json["state"] == "running", "the first runs")
        second = fnr.submit(quality="quick")["id"]
        assert fnr.run(quality="high")["state"] == "completed"
        until(lambda: fnr.get(f"/api/v1/jobs/{second}").json["waiting_for"] == "limit", "the second says what it waits for")
        assert fnr.post("/api/v1/route", {"template": "noop", "quality": "quick"}).json["waiting_for"] == "limit"
        assert fnr.post(f"/api/v1/jobs/{first}/cancel").status == 202
        assert fnr.wait(second)["state"] == "completed"
        assert delete(fnr, preset).status == 204


def test_what_a_running_job_uses_is_told(sleeper):
    """48.7: with its progress, every second, though the function says nothing."""
    with sleeper.stream("/api/v1/events?types=job.progress") as stream:
        assert next(iter(stream)).name == "snapshot"
        job = sleeper.submit("burner", {})
        used = next(event.data["progress"]["resources"] for event in stream
                    if event.data.get("job") == job["id"] and (event.data["progress"].get("resources") or {}).get("cpu", 0) > 0)
        assert used["memory_mb"] > 0
    job = sleeper.wait(job["id"])
    assert job["state"] == "completed" and job["progress"]["resources"] is None, job


# ---- comparisons ----


def test_compared_by_running_them(server_with_media):
    """50.7: the same inputs and seed at several presets, with what was measured of the results."""
    fnr = server_with_media
    answer = fnr.post("/api/v1/comparisons", {"template": "create_title_card", "inputs": {"text": "One"}, "presets": ["draft", "high", "draft"], "project": "c"},
                      headers={"Idempotency-Key": "once"})
    assert answer.status == 202 and answer.headers["Location"] == "/api/v1/comparisons/" + answer.json["id"], answer.data
    again = fnr.post("/api/v1/comparisons", {"template": "create_title_card", "inputs": {"text": "One"}, "presets": ["draft", "high", "draft"], "project": "c"},
                     headers={"Idempotency-Key": "once"})
    assert again.json["id"] == answer.json["id"] and again.headers["Idempotency-Replayed"] == "true"
    place = answer.headers["Location"]
    until(lambda: fnr.get(place).json["state"] != "running", "the comparison has an end")
    until(lambda: all(output.get("sharpness") for item in fnr.get(place).json["items"] for output in item["outputs"]), "they are measured")
    found = fnr.get(place).json
    assert found["state"] == "completed" and [item["quality"] for item in found["items"]] == ["draft", "high", "draft"]
    assert {"height", "supersample"} <= set(found["differs"]) and found["inputs"] == {"text": "One"}
    draft, high, same = found["items"]
    assert (draft["outputs"][0]["width"], high["outputs"][0]["width"]) == (640, 1920) and draft["seconds"] > 0
    assert draft["outputs"][0]["sha256"] == same["outputs"][0]["sha256"] and draft["parameters"] == same["parameters"]
    assert len({fnr.get("/api/v1/jobs/" + item["job"]).json["seed"] for item in found["items"]}) == 1
    assert fnr.get("/api/v1/batches/" + found["id"]).json["total"] == 3


def test_a_comparison_of_what_comes_with_it(server_with_media):
    """A file that stands in the inputs is one upload for all of its jobs, which so have the same inputs."""
    fnr = server_with_media
    data = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
    answer = fnr.post("/api/v1/comparisons", {"template": "apply_style", "inputs": {"image": data}, "presets": ["draft", "high"]})
    assert answer.status == 202 and answer.json["inputs"]["image"].startswith("upload:"), answer.data
    place = answer.headers["Location"]
    until(lambda: fnr.get(place).json["state"] != "running", "the comparison has an end")
    assert [item["state"] for item in fnr.get(place).json["items"]] == ["completed", "completed"]


def test_comparisons_that_are_none(server_with_media):
    fnr = server_with_media
    card = {"template": "create_title_card", "inputs": {"text": "x"}}
    for body, pointer in (({**card, "presets": ["draft"]}, "/presets"), ({**card, "presets": "draft"}, "/presets"), ({**card, "presets": ["draft", "drift"]}, "/presets/1"),
                          ({**card, "presets": ["draft", 1]}, "/presets/1"), ({"inputs": {}}, "/template"), ({**card, "inputs": {"text": 1}}, "/inputs/text"),
                          ({**card, "quality": "high"}, "/quality"), ({**card, "presets": ["draft"] * 17}, "/presets")):
        answer = fnr.post("/api/v1/comparisons", body)
        assert answer.status == 422 and [error["pointer"] for error in answer.json["errors"]] == [pointer], (body, answer.data)
    batch = fnr.post("/api/v1/batches", {"jobs": [{**card, **WAIT}, {**card, **WAIT, "inputs": {"text": "y"}}]}).json
    assert fnr.get("/api/v1/comparisons/" + batch["id"]).status == 404
    assert fnr.get("/api/v1/comparisons/01980000-0000-7000-8000-000000000000").status == 404
    whole = fnr.post("/api/v1/comparisons", {**card, "seed": 5})
    assert [item["quality"] for item in whole.json["items"]] == ["draft", "standard", "high", "ultra"] and whole.json["seed"] == 5
    assert fnr.post(f"/api/v1/batches/{whole.json['id']}/cancel").status == 202


MEASURED = """#!/usr/bin/python3
import json, subprocess, sys
json.load(sys.stdin)
subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=320x180:r=25:d=1", "-f", "lavfi", "-i", "sine=f=440:r=48000:d=1", "-shortest", "film.mp4"], check=True)
subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", "film.mp4", "-vn", "-ac", "2", "tone.wav"], check=True)
for name, path in (("film", "film.mp4"), ("tone", "tone.wav")):
    print(json.dumps({"output": name, "path": path}))
"""


@pytest.fixture(scope="module")
def server_with_media():
    outputs = {"film": {"type": "video", "media_type": "video/mp4"}, "tone": {"type": "audio", "media_type": "audio/wav"}}
    with System(before_start=lambda system: system.add_script("measured", MEASURED, outputs=outputs, resources={"memory_mb": 1500})) as system:
        yield system


def test_films_and_sounds_are_measured(server_with_media):
    fnr = server_with_media
    job = fnr.run("measured", {}, timeout_s=300)
    assert job["state"] == "completed", job["error"]
    until(lambda: all("bit_rate" in output for output in fnr.get("/api/v1/jobs/" + job["id"]).json["outputs"]), "they are measured")
    film, tone = fnr.get("/api/v1/jobs/" + job["id"]).json["outputs"]
    assert film["frame_rate"] == 25 and film["width"] == 320 and film["channels"] == 1 and film["bit_rate"] > 1000
    assert tone["sample_rate"] == 48000 and tone["channels"] == 2 and abs(tone["duration"] - 1) < 0.2 and -40 < tone["loudness"] < -5
