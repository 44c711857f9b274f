"""Functions of real Gradio apps (gradio/app.py) of four releases: 4.8 speaks the first protocol, 4.44, 5 and 6 the third."""

import json
import subprocess

import pytest
import yaml

from crash import until
from kitchen import BACKENDS, CONFIG, RELEASES, Restaurant, all_is_well, all_kitchens, begun, draft, png
from system import FNR, System

NEWER = [release for release in RELEASES if release != "4.8"]


@pytest.fixture(scope="module")
def place():
    with all_kitchens("kitchen", "--show-error") as kitchens, System(CONFIG) as fnr:
        restaurant = Restaurant(fnr, kitchens)
        for release in RELEASES:
            restaurant.add(release)
        yield restaurant


# ---- what functions are given and give ----

@pytest.mark.parametrize("release", RELEASES)
def test_a_function_is_called(place, release):
    """60.3; what is left out has the app's own default."""
    job = all_is_well(place.run(release, "shout", {"text": "soup"}))
    assert place.output(job, "loud") == b"SOUP!!"
    assert job["backend"] == f"kitchen-{release}" and [output["media_type"] for output in job["outputs"]] == ["text/plain"]
    assert place.fnr.get(f"/api/v1/jobs/{job['id']}/result").json["result"] == {"values": {"loud": "SOUP!!"}}


@pytest.mark.parametrize("release", RELEASES)
def test_values_of_all_kinds(place, release):
    inputs = {"name": "Böb \"x\"\n", "colours": ["green", "red"], "flavours": [], "amount": 2.5}
    job = all_is_well(place.run(release, "choose", inputs))
    chosen = json.loads(place.output(job, "chosen"))
    assert {name: chosen[name] for name in inputs} == inputs and chosen["date_like"] == "today"


@pytest.mark.parametrize("release", RELEASES)
def test_pictures_go_up_and_down(place, release):
    picture = place.upload(png(32, 8), "a picture #1.png", "image/png")
    given = "picture" if release == "4.8" else "image"      # 4.8 does not say what its parameters are called
    job = all_is_well(place.run(release, "style_image", {given: picture, "style": "mirror"}))
    styled, facts = job["outputs"]
    assert (styled["width"], styled["height"]) == (32, 8) and styled["media_type"] in ("image/png", "image/webp")
    assert json.loads(place.output(job, "facts")) == {"style": "mirror", "strength": 0.5}
    assert "style mirror 0.5 False" in place.kitchens[release].calls()


@pytest.mark.parametrize("release", RELEASES)
def test_sound(place, release):
    job = all_is_well(place.run(release, "tone", {"seconds": 0.25}))
    data = place.output(job, "tone")
    assert data[:4] == b"RIFF" and len(data) == 44 + 2 * 2000 and job["outputs"][0]["media_type"] == "audio/wav"


@pytest.mark.parametrize("release", RELEASES)
def test_several_files_keep_their_order_and_suffix(place, release):
    files = [place.upload(f"{name}\n".encode(), f"{name}.txt", "text/plain") for name in ("first", "second", "third")]
    job = all_is_well(place.run(release, "join_files", {"files": files}))
    assert place.output(job, "joined") == b"first\nsecond\nthird\n"
    names = [call.split()[-1] for call in place.kitchens[release].calls() if call.startswith("file ")][-3:]
    assert all(name.endswith(".txt") for name in names), names


@pytest.mark.parametrize("release", NEWER)
def test_a_gallery_has_several_pictures(place, release):
    pictures = [place.upload(png(width, 4), f"{width}.png", "image/png") for width in (10, 20)]
    job = all_is_well(place.run(release, "gallery", {"images": pictures}))
    assert [(output["name"], output["width"]) for output in job["outputs"]] == [("again", 10), ("again_2", 20)]
    changes = {"outputs": {"again": {"type": "image"}, "other": {"type": "image"}}, "backend": {"outputs": {"again": {"value": 0, "item": 1}, "other": 0}}}
    job = all_is_well(place.run(release, "gallery", {"images": pictures}, changes))
    assert [(output["name"], output["width"]) for output in job["outputs"]] == [("again", 20), ("other", 10)]


@pytest.mark.parametrize("release", RELEASES)
def test_films(place, release, tmp_path):
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=1", "-pix_fmt", "yuv420p", tmp_path / "a.mp4"], check=True)
    film = place.upload((tmp_path / "a.mp4").read_bytes(), "a.mp4", "video/mp4")
    job = all_is_well(place.run(release, "film", {"film" if release == "4.8" else "video": film}))
    assert job["outputs"][0]["media_type"] == "video/mp4" and place.output(job, "again")[4:8] == b"ftyp"


@pytest.mark.parametrize("release", RELEASES)
def test_the_apps_own_state_is_left_alone(place, release):
    """A hidden value stands between two others: what comes behind it may not move."""
    job = all_is_well(place.run(release, "remember", {"text": "salt", "number": 3}))
    assert place.output(job, "remembered").decode() in ("1: salt 3", "1: salt 3.0")


@pytest.mark.parametrize("release", NEWER)
def test_bindings_seed_and_names_that_templates_cannot_have(place, release):
    """60.5: the seed is the job's, within what the app takes, and the app does not choose another."""
    definition = draft(place.kitchens[release], "paint")
    assert set(definition["inputs"]) == {"prompt", "size"}
    assert definition["backend"]["bindings"] == {"seed": "seed", "randomize_seed": {"value": False}, "_size": {"from": "size"}}
    for _ in range(2):
        all_is_well(place.run(release, "paint", {"prompt": "cat"}, seed=12345))
    assert [call for call in place.kitchens[release].calls() if call.startswith("paint")][-2:] == ["paint cat 345 False 16"] * 2
    changes = {"inputs": {"look": {"type": "string", "enum": ["wild", "calm"]}},
               "backend": {"bindings": {"prompt": {"from": "look", "lookup": {"wild": "a storm", "calm": "a lake"}}, "_size": {"compute": "2 * size"}}}}
    all_is_well(place.run(release, "paint", {"look": "calm", "prompt": "unused"}, changes))
    assert place.kitchens[release].calls()[-2].startswith("paint a lake ") and place.kitchens[release].calls()[-2].endswith(" True 32")


@pytest.mark.parametrize("release", RELEASES)
def test_a_function_that_gives_nothing(place, release):
    job = all_is_well(place.run(release, "nothing", {"text": "x"}))
    assert place.output(job, "nothing") == b""


@pytest.mark.parametrize("release", RELEASES)
def test_a_long_text(place, release):
    job = all_is_well(place.run(release, "huge", {"mib" if release == "4.8" else "megabytes": 8}))
    assert place.output(job, "huge") == b"x" * (8 << 20)


# ---- while it runs ----

@pytest.mark.parametrize("release", RELEASES)
def test_progress(place, release):
    """48.2: in the app's own words, and never back."""
    place.template(release, "steps")
    job, progress = place.progress(lambda: place.submit(release, "steps", {"steps": 6, "seconds_each": 0.5} if release == "4.8" else {"count": 6, "seconds": 0.5}))
    percents = [data["percent"] for data in progress]
    assert percents == sorted(percents)
    assert any("Kneading (" in data["message"] and "of 6 folds" in data["message"] for data in progress), progress
    assert place.output(all_is_well(place.fnr.wait(job)), "done") == b"6 steps"


@pytest.mark.parametrize("release", RELEASES)
def test_a_text_that_grows(place, release):
    """Later answers are only edits of the first one, and the last is whole again."""
    seconds = "seconds_each" if release == "4.8" else "seconds"
    job, progress = place.progress(lambda: place.submit(release, "spell", {"text": "Zabaglione", seconds: 0.4}))
    told = {one["message"] for one in progress}
    assert told & {"Zabaglione"[:length] for length in range(1, 10)}, told
    job = all_is_well(place.fnr.wait(job))
    assert place.output(job, "spelled") == b"Zabaglione"
    assert json.loads(place.output(job, "letters")) == [{"letter": "e", "code": 101}]


@pytest.mark.parametrize("release", RELEASES)
def test_previews(place, release):
    """48.4: of what has been made so far."""
    picture = place.upload(png(64, 64), "p.png", "image/png")
    given = "picture" if release == "4.8" else "image"
    job = place.submit(release, "develop", {given: picture, "pictures": 6, "seconds": 0.5})
    preview = until(lambda: (answer := place.fnr.get(f"/api/v1/jobs/{job}/preview")).status == 200 and answer, "there is a preview")
    assert preview.headers["Content-Type"].startswith("image/") and len(preview.data) > 50
    all_is_well(place.fnr.wait(job))


@pytest.mark.parametrize("release", RELEASES)
def test_what_the_app_says_is_in_the_log(place, release):
    job = all_is_well(place.run(release, "talk", {"text": "x"}))
    assert {"Have a seat.", "Mind the step."} <= set(place.log(job))


@pytest.mark.parametrize("release", RELEASES)
def test_the_place_in_the_apps_queue_and_cancel(place, release):
    """The app does one `sleep` at a time: the others wait, and one that was cancelled while it waited is never begun."""
    kitchen = place.kitchens[release]
    before = kitchen.calls().count("begin sleep")
    first = place.submit(release, "sleep", {"seconds": 300})
    begun(kitchen, "sleep", before + 1)
    second = place.submit(release, "sleep", {"seconds": 0.1})
    told = until(lambda: (place.fnr.get(f"/api/v1/jobs/{second}").json["progress"]["message"] or "").startswith("Waiting for the app") and
                 place.fnr.get(f"/api/v1/jobs/{second}").json["progress"]["message"], "it says where it waits")
    assert "next in its queue" in told or "first" in told, told
    assert place.fnr.post(f"/api/v1/jobs/{second}/cancel").status == 202
    assert place.fnr.wait(second)["state"] == "cancelled"
    assert place.fnr.post(f"/api/v1/jobs/{first}/cancel").status == 202
    assert place.fnr.wait(first)["state"] == "cancelled"
    assert any("it may go on computing" in text for text in place.log({"id": first}))
    all_is_well(place.run(release, "shout", {"text": "x"}))
    assert (kitchen.calls().count("begin sleep"), kitchen.calls().count("end sleep")) == (before + 1, before), "it goes on"
    kitchen.alarm(True)
    until(lambda: kitchen.calls().count("end sleep") == before + 1, "the function that cannot be stopped has ended")
    kitchen.alarm(False)
    all_is_well(place.run(release, "sleep", {"seconds": 0.1}))
    assert kitchen.calls().count("begin sleep") == before + 2, "the one that was cancelled while it waited was begun"


@pytest.mark.parametrize("release", RELEASES)
def test_a_generator_is_stopped(place, release):
    kitchen = place.kitchens[release]
    before, ended = kitchen.calls().count("begin doze"), kitchen.calls().count("end doze")
    job = place.submit(release, "doze", {"seconds": 60})
    begun(kitchen, "doze", before + 1)
    assert place.fnr.post(f"/api/v1/jobs/{job}/cancel").status == 202
    assert place.fnr.wait(job)["state"] == "cancelled"
    all_is_well(place.run(release, "doze", {"seconds": 0.2}))     # one at a time: the first does not run any more
    assert (kitchen.calls().count("begin doze"), kitchen.calls().count("end doze")) == (before + 2, ended + 1)


@pytest.mark.parametrize("release", RELEASES)
def test_time_is_up(place, release):
    job = place.run(release, "doze", {"seconds": 60}, timeout_s=1)
    assert (job["state"], job["error"]["code"]) == ("failed", "timeout")


# ---- other ways to call ----

@pytest.mark.parametrize("release", RELEASES)
def test_a_function_that_the_app_does_not_queue(place, release):
    job = all_is_well(place.run(release, "direct", {"text": "stressed"}))
    assert place.output(job, "reversed") == b"desserts"
    error = place.run(release, "direct_fail", {"text": "x"})["error"]
    assert error["message"] == "Not today."


def test_an_answer_from_the_apps_cache(place):
    """6.12 and later: the whole answer may be there before the job was begun, without any message before it."""
    jobs = [all_is_well(place.run("6", "cached", {"text": "stock"})) for _ in range(3)]
    assert {place.output(job, "cached") for job in jobs} == {b"stock (once)"}
    assert place.kitchens["6"].calls().count("begin cached") == 1


# ---- what goes wrong ----

@pytest.mark.parametrize("release", RELEASES)
def test_errors_of_functions(place, release):
    error = place.run(release, "fail", {"kind": "gr.Error"})["error"]
    assert (error["class"], error["code"], error["message"]) == ("unknown", "app_error", "The oven is cold.")
    error = place.run(release, "fail", {"kind": "memory"})["error"]
    assert (error["class"], error["code"], error["action"]) == ("resource", "gpu_memory", "reduce_quality")
    error = place.run(release, "fail_late", {"kind": "x"})["error"]
    assert error["message"] == "The oven went out."


@pytest.mark.parametrize("release", ["5", "6"])
def test_inputs_that_the_app_refuses(place, release):
    """Whatever the policy: what the app will not take today it will not take tomorrow."""
    job = place.run(release, "refuse_short", {"text": "ab"}, {"retry": {"max_attempts": 5}})
    assert (job["error"]["class"], job["error"]["code"], job["attempt"]) == ("validation", "backend_input_refused", 1)
    assert "Write more than three letters." in job["error"]["message"]
    all_is_well(place.run(release, "refuse_short", {"text": "abcd"}, {"retry": {"max_attempts": 5}}))
    error = place.run(release, "fail", {"kind": "bogus"}, {"inputs": {"kind": {"type": "string"}}})["error"]
    assert error["class"] == "validation" and "not in the list of choices" in error["message"]


def test_templates_that_do_not_fit_the_app(place):
    error = place.run("6", "shout", {"text": "x"}, {"models": [], "backend": {"api_name": "/whisper"}})["error"]
    assert (error["class"], error["code"]) == ("permanent", "endpoint_unknown") and "/shout, /steps" in error["message"]
    error = place.run("6", "shout", {"text": "x"}, {"backend": {"bindings": {"volume": {"value": 11}}}})["error"]
    assert (error["class"], error["code"]) == ("permanent", "endpoint_input_unknown") and "volume" in error["message"]
    definition = draft(place.kitchens["6"], "shout")
    definition.update(id="mute", inputs={})
    definition["backend"]["backends"] = ["kitchen-6"]
    error = place.fnr.run(place.teach(definition))["error"]
    assert (error["class"], error["code"]) == ("permanent", "endpoint_input_missing") and "text" in error["message"]


# ---- what is known of the apps ----

@pytest.mark.parametrize("release", RELEASES)
def test_health(place, release):
    """43.1: asked for by the manager, never by a caller's request."""
    backend = until(lambda: (found := place.fnr.get(f"{BACKENDS}/kitchen-{release}").json).get("found") and found, "it was asked")
    assert backend["found"]["version"].startswith(release) and backend["state"] == "ready", backend


def test_templates_that_ship(place):
    """An app that can do it is found by its functions: 4.8 does not say what its parameters are called, so it is told to stay away."""
    assert place.fnr.post(f"{BACKENDS}/kitchen-4.8/drain").status == 200
    job = all_is_well(place.fnr.run("create_image", {"prompt": "a pear", "aspect": "16:9"}, quality="draft", seed=70))
    assert (job["outputs"][0]["width"], job["outputs"][0]["height"]) == (672, 384)
    calls = place.kitchens[job["backend"].removeprefix("kitchen-")].calls()
    assert "infer a pear 70 False 672x384 3.5 8" in calls
    job = all_is_well(place.fnr.run("create_audio", {"prompt": "rain", "seconds": 2}, quality="high", seed=3))
    assert len(place.output(job, "audio")) == 44 + 2 * 16000
    assert "generate_audio rain 2 100 7 3" in place.kitchens[job["backend"].removeprefix("kitchen-")].calls()
    assert place.fnr.post(f"{BACKENDS}/kitchen-4.8/resume").status == 200


def test_jobs_go_where_their_function_is(place):
    """Two apps are rarely alike: an app that lacks the function gets no jobs of it, and where it is nowhere none is accepted."""
    definition = draft(place.kitchens["6"], "cached")
    assert definition["models"] == [{"category": "functions", "name": "cached"}]
    definition["id"] = "only_in_6"
    place.teach(definition)
    until(lambda: "found" in place.fnr.get(f"{BACKENDS}/kitchen-5").json, "they were asked")
    jobs = [place.fnr.submit("only_in_6", {"text": str(at)})["id"] for at in range(6)]
    assert {all_is_well(place.fnr.wait(job))["backend"] for job in jobs} == {"kitchen-6"}
    definition.update(id="nowhere", models=[{"category": "functions", "name": "levitate"}])
    answer = place.fnr.post("/api/v1/jobs", {"template": place.teach(definition), "inputs": {"text": "x"}})
    assert answer.status == 422 and answer.json["errors"][0]["rule"] == "missing_model", answer.data


@pytest.mark.parametrize("release", RELEASES)
def test_every_function_becomes_a_template(place, release):
    """44.8: complete, and taken as it is printed."""
    kitchen = place.kitchens[release]
    listed = subprocess.run([FNR, "template", "import-gradio", kitchen.url], capture_output=True, text=True)
    names = [line.split()[1] for line in listed.stderr.splitlines() if "--api" in line]
    assert listed.returncode == 1 and len(names) >= 21, listed.stderr
    for name in names[:4] if release != "6" else names:
        printed = subprocess.run([FNR, "template", "import-gradio", kitchen.url, "--api", name], capture_output=True)
        assert printed.returncode == 0, printed.stderr
        definition = yaml.safe_load(printed.stdout)
        version = f"{RELEASES.index(release) + 1}.0.0"
        answer = place.fnr.post("/api/v1/templates", printed.stdout.replace(b'version: "1.0.0"', f'version: "{version}"'.encode()),
                                headers={"Content-Type": "application/yaml"})
        assert answer.status == 201, (name, answer.data, printed.stdout)
        assert definition["backend"]["api_name"] == name and definition["name"]
