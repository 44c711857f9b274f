"""The functions of templates/pictures, through the whole system, with pictures that are made here: what comes out is decoded
and measured."""

import json
import os
import shutil
import struct
import subprocess
import zlib

import pytest

from system import PREFIX, ROOT, System

SOURCE = os.path.join(ROOT, "templates", "pictures")
STYLES = ["bleach_bypass", "teal_orange", "film_noir", "vintage_print", "day_for_night", "soft_glow", "duotone", "cyanotype", "halftone",
          "ink_sketch", "watercolor", "oil", "pixel_art"]

# Pictures are made and measured by the interpreter that the functions run with: it has libvips and numpy, ours need not.
HELPER = r"""
import json, math, os, sys
sys.path.insert(0, sys.argv[1])
import cairo, numpy, pictures
from pictures import call, to_image

def scene(width, height):
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, width, height)
    context = cairo.Context(surface)
    context.scale(width / 300, height / 200)
    sky = cairo.LinearGradient(0, 0, 0, 140)
    for place, rgb in ((0, (.15, .3, .6)), (.6, (.5, .65, .85)), (1, (.98, .75, .5))):
        sky.add_color_stop_rgb(place, *rgb)
    context.set_source(sky)
    context.paint()
    context.set_source_rgb(1, .97, .85)
    context.arc(235, 60, 14, 0, 7)
    context.fill()
    context.set_source_rgb(.12, .28, .14)
    context.move_to(0, 200)
    for x in range(0, 301, 5):
        context.line_to(x, 130 - 14 * math.sin(x / 40) - 6 * math.sin(x / 13))
    context.line_to(300, 200)
    context.fill()
    context.set_source_rgb(.85, .6, .47)
    context.arc(80, 95, 36, 0, 7)
    context.fill()
    context.set_source_rgb(.1, .06, .05)
    for x in (66, 94):
        context.arc(x, 88, 5, 0, 7)
        context.fill()
    context.set_source_rgb(.7, .15, .15)
    context.rectangle(66, 110, 28, 6)
    context.fill()
    context.set_source_rgb(.6, .1, .12)
    context.rectangle(40, 140, 80, 60)
    context.fill()
    surface.flush()
    pixels = numpy.ndarray((height, width, 4), numpy.uint8, surface.get_data(), strides=(surface.get_stride(), 4, 1))[..., 2::-1]
    noise = numpy.random.RandomState(1).normal(0, 3, pixels.shape)
    return numpy.clip(pixels + noise, 0, 255).astype(numpy.uint8)

def make(folder):
    at = lambda name: os.path.join(folder, name)
    small = scene(300, 200)
    pictures.save_png(small, at("small.png"))
    pictures.save_png(scene(2400, 1600), at("large.png"), compression=1)
    pictures.save_jpeg(scene(2400, 1600), at("large.jpg"), 90)
    pictures.save_png(small.astype(numpy.uint16) * 257 + 3, at("deep.png"))
    alpha = numpy.zeros((200, 300, 1), numpy.uint8)
    alpha[40:160, 60:240] = 255
    alpha[40:160, 150:240] = 128
    pictures.save_png(numpy.concatenate((small, alpha), 2), at("alpha.png"))
    # Lies on its side: red at the top of the pixels is to be seen on the right.
    turned = numpy.zeros((200, 300, 3), numpy.uint8)
    turned[:, :] = 40, 60, 80
    turned[:60] = 250, 30, 20
    image = call("copy", to_image(turned))
    image.set_int("orientation", 6)
    call("jpegsave", image, filename=at("turned.jpg"), Q=95)
    call("jpegsave", call("icc_transform", to_image(small), output_profile="p3", input_profile="srgb"), filename=at("p3.jpg"), Q=98)
    call("jpegsave", call("icc_transform", to_image(small), output_profile="cmyk", input_profile="srgb"), filename=at("cmyk.jpg"), Q=95)
    call("tiffsave", to_image(small), filename=at("small.tif"))
    call("webpsave", to_image(small), filename=at("small.webp"))
    pictures.save_png(small[..., :1].repeat(3, 2)[:1, :1], at("one.png"))

def look(path):
    source = pictures.Source(path, path)
    pixels = source.pixels(1 << 20)
    flat = pixels.astype(float) / (65535 if source.wide else 255)
    tiny = pictures.to_bytes(pictures.shrunk(pixels, 48))
    numpy.set_printoptions(threshold=10**9)
    return {"width": source.width, "height": source.height, "bits": 16 if source.wide else 8, "format": source.format, "bands": pixels.shape[2],
            "mean": flat[..., :3].mean(axis=(0, 1)).tolist(), "std": flat[..., :3].std(), "tiny": tiny[..., :3].tolist(),
            "alpha": [flat[10, 10, 3], flat[100, 100, 3], flat[100, 200, 3]] if pixels.shape[2] == 4 else None,
            "levels": int(len(numpy.unique(pixels[..., 0]))),
            "left": flat[:, : max(1, source.width // 10), :3].mean(axis=(0, 1)).tolist(),
            "right": flat[:, -max(1, source.width // 10) :, :3].mean(axis=(0, 1)).tolist()}

print(json.dumps(make(sys.argv[3]) if sys.argv[2] == "make" else look(sys.argv[3])))
"""


def helper(action, path):
    done = subprocess.run(["/usr/bin/python3", "-IB", "-c", HELPER, SOURCE, action, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def has_needs():
    return subprocess.run(["/usr/bin/python3", "-c", "import cairo, gi, numpy; gi.require_version('Vips', '8.0'); gi.require_version('PangoCairo', '1.0')"],
                          capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not has_needs(), reason="gir1.2-vips-8.0, python3-numpy or Pango is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    helper("make", folder)
    with open(folder / "small.png", "rb") as file:
        whole = file.read()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    with open(folder / "large.jpg", "rb") as file:
        (folder / "cut.jpg").write_bytes(file.read()[:20000])
    (folder / "bomb.png").write_bytes(huge_png(50000, 50000))
    (folder / "text.png").write_bytes(b"Dear diary, this is no picture at all.\n" * 20)
    (folder / "empty.png").write_bytes(b"")
    (folder / "drawing.svg").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><rect width="90" height="90"/></svg>')
    (folder / "paper.pdf").write_bytes(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n")
    (folder / "magick.xcf").write_bytes(b"gimp xcf file\0" + bytes(400))
    return folder


def huge_png(width, height):
    """A few bytes that claim to be very large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def fnr(tmp_path_factory):
    system = System()
    if not os.path.exists(os.path.join(PREFIX, "share", "function-runner", "templates", "pictures", "apply_style.yaml")):
        shutil.copytree(SOURCE, os.path.join(system.data, "templates", "pictures"), ignore=shutil.ignore_patterns("__pycache__"))
    with system:
        yield system


SENT = {}


def sent(fnr, path, kind=None, name=None):
    """The reference of a file that was sent, once."""
    kind = kind or {"png": "image/png", "jpg": "image/jpeg", "tif": "image/tiff", "webp": "image/webp", "mp4": "video/mp4"}.get(
        str(path).rsplit(".", 1)[1], "image/x-unknown")
    key = fnr.data, str(path), kind, name
    if key not in SENT:
        data = path.read_bytes()
        answer = fnr.post("/api/v1/uploads", data, headers={"Content-Type": kind, "X-Filename": name or path.name})
        assert answer.status == 201, answer.data
        SENT[key] = "upload:" + answer.json["id"]
    return SENT[key]


def output(fnr, job, folder, number=0):
    assert job["state"] == "completed", job.get("error")
    answer = fnr.get(job["outputs"][number]["url"])
    assert answer.status == 200
    path = folder / ("out_" + job["id"] + os.path.splitext(job["outputs"][number]["url"].split("?")[0])[1])
    path.write_bytes(answer.data)
    return path


def run(fnr, template, inputs, quality, **members):
    """The finished job, with its result."""
    job = fnr.run(template, inputs, quality=quality, **members)
    if job["state"] == "completed":
        job["result"] = fnr.get(f"/api/v1/jobs/{job['id']}/result").json["result"]
    return job


def styled(fnr, made, name, quality="draft", seed=5, **inputs):
    return run(fnr, "apply_style", {"image": sent(fnr, made / name), **inputs}, quality, seed=seed)


def distance(a, b):
    """How far two pictures are from each other: the mean difference of a value, of 255."""
    pairs = [(x, y) for rows in zip(a["tiny"], b["tiny"]) for cells in zip(*rows) for x, y in zip(*cells)]
    return sum(abs(x - y) for x, y in pairs) / len(pairs)


def failed(job, class_, code, *words):
    assert job["state"] == "failed", job
    error = job["error"]
    assert (error["class"], error["code"]) == (class_, code), error
    assert error["message"] and error["suggestion"], error
    for word in words:
        assert word in error["message"] + error["suggestion"], (word, error)


# ---- apply_style ----


def test_every_style_is_one_of_its_own(fnr, made):
    jobs = {style: fnr.submit("apply_style", {"image": sent(fnr, made / "small.png"), "style": style}, quality="draft", seed=5)["id"]
            for style in STYLES}
    source = helper("look", made / "small.png")
    looks = {style: helper("look", output(fnr, fnr.wait(id), made)) for style, id in jobs.items()}
    for style, look in looks.items():
        assert (look["width"], look["height"], look["bits"], look["bands"], look["format"]) == (300, 200, 8, 3, "PNG"), style
        assert 0.05 < sum(look["mean"]) / 3 < 0.95, (style, look["mean"])
        assert look["std"] > 0.08, (style, look["std"])
        assert distance(look, source) > 4, (style, distance(look, source))
        for other in STYLES:
            assert other == style or distance(look, looks[other]) > 3, (style, other, distance(look, looks[other]))


def test_a_preview_and_a_result(fnr, made):
    job = styled(fnr, made, "small.png", style="oil")
    assert job["state"] == "completed", job
    assert job["result"]["style"] == "oil" and job["result"]["source"] == {"width": 300, "height": 200, "format": "PNG"}
    preview = fnr.get(f"/api/v1/jobs/{job['id']}/preview")
    assert preview.status == 200 and preview.data[:3] == b"\xff\xd8\xff"


def test_the_seed_decides(fnr, made):
    def bytes_of(seed, **inputs):
        return output(fnr, styled(fnr, made, "small.png", seed=seed, **inputs), made).read_bytes()

    for style in ("film_noir", "watercolor"):
        assert bytes_of(1, style=style) == bytes_of(1, style=style)
        assert bytes_of(1, style=style) != bytes_of(2, style=style)
    assert bytes_of(1, style="teal_orange", grain=0) == bytes_of(2, style="teal_orange", grain=0)


def test_tiers(fnr, made):
    sizes = {}
    for quality in ("draft", "standard", "high", "ultra"):
        job = styled(fnr, made, "large.jpg", quality, style="duotone")
        look = helper("look", output(fnr, job, made))
        sizes[quality] = look["width"], look["height"], look["bits"]
        assert (look["levels"] > 256) == (quality == "ultra")
    assert sizes == {"draft": (1024, 683, 8), "standard": (2048, 1365, 8), "high": (2400, 1600, 8), "ultra": (2400, 1600, 16)}


def test_sixteen_bits_stay(fnr, made):
    bits = {quality: styled(fnr, made, "deep.png", quality, style="cyanotype")["result"]["bits"] for quality in ("draft", "high", "ultra")}
    assert bits == {"draft": 8, "high": 16, "ultra": 16}


def test_strength(fnr, made):
    source = helper("look", made / "small.png")
    none, half, full = (helper("look", output(fnr, styled(fnr, made, "small.png", style="cyanotype", grain=0, strength=s), made)) for s in (0, 0.5, 1))
    assert distance(none, source) < 0.01
    assert 0.35 < distance(half, source) / distance(full, source) < 0.65


@pytest.mark.parametrize("style", ["duotone", "watercolor"])
def test_alpha_is_kept(fnr, made, style):
    look = helper("look", output(fnr, styled(fnr, made, "alpha.png", "high", style=style), made))
    assert look["bands"] == 4
    assert look["alpha"] == pytest.approx([0, 1, 128 / 255], abs=0.001)


def test_turned_upright(fnr, made):
    look = helper("look", output(fnr, styled(fnr, made, "turned.jpg", style="teal_orange", strength=0, grain=0), made))
    assert (look["width"], look["height"]) == (200, 300)
    assert look["right"][0] > 0.9 and look["left"][0] < 0.25, look


def test_color_of_other_spaces_and_formats(fnr, made):
    source = helper("look", made / "small.png")
    near = {}
    for name in ("p3.jpg", "cmyk.jpg", "small.tif", "small.webp"):
        look = helper("look", output(fnr, styled(fnr, made, name, style="duotone", strength=0, grain=0), made))
        near[name] = distance(look, source)
    assert near["small.tif"] < 0.01 and near["p3.jpg"] < 1.5 and near["small.webp"] < 4 and near["cmyk.jpg"] < 12, near


def test_own_colours(fnr, made):
    job = styled(fnr, made, "small.png", style="duotone", grain=0, dark_color="#003300", light_color="#66ff66")
    mean = helper("look", output(fnr, job, made))["mean"]
    assert mean[1] > 1.5 * mean[0] and mean[1] > 1.5 * mean[2], mean


def test_one_pixel(fnr, made):
    for style in ("oil", "pixel_art", "film_noir"):
        assert styled(fnr, made, "one.png", style=style)["state"] == "completed"


@pytest.mark.parametrize("name, code, word", [
    ("text.png", "not_a_picture", "text.png"), ("empty.png", "not_a_picture", "empty"), ("drawing.svg", "not_a_picture", "SVG"),
    ("paper.pdf", "not_a_picture", "PDF"), ("magick.xcf", "not_a_picture", "magick"), ("cut.png", "picture_broken", "cut off"),
    ("cut.jpg", "picture_broken", "cut off"), ("bomb.png", "picture_too_large", "50000"),
])
def test_bad_pictures(fnr, made, name, code, word):
    # With a type that lies: the function has to find out by itself. What is recognised while it is sent is turned away there.
    answer = fnr.post("/api/v1/uploads", (made / name).read_bytes(), headers={"Content-Type": "image/png", "X-Filename": name})
    if answer.status != 201:
        assert name == "empty.png"
        return
    made_job = fnr.post("/api/v1/jobs", {"template": "apply_style", "inputs": {"image": "upload:" + answer.json["id"]}, "quality": "draft"})
    if made_job.status == 422:
        assert name == "paper.pdf"
        return
    failed(fnr.wait(made_job.json["id"]), "validation", code, word)


# ---- make_contact_sheet ----


def sheet(fnr, references, quality="draft", **inputs):
    return run(fnr, "make_contact_sheet", {"images": references, **inputs}, quality)


def test_a_sheet(fnr, made):
    references = [sent(fnr, made / name) for name in ("small.png", "alpha.png", "turned.jpg", "large.jpg", "p3.jpg", "cmyk.jpg")]
    job = sheet(fnr, references, title="Day <12> & 開始", columns=3)
    look = helper("look", output(fnr, job, made))
    result = job["result"]
    assert look["format"] == "JPEG" and (look["width"], look["height"]) == (result["width"], result["height"])
    assert (result["columns"], result["rows"], result["cell"]) == (3, 2, {"width": 240, "height": 160}) and result["unreadable"] == []
    assert look["std"] > 0.1
    plain = sheet(fnr, references, columns=3, captions=False, format="png", gap=0, background="#ffffff")
    bare = helper("look", output(fnr, plain, made))
    assert bare["format"] == "PNG" and bare["height"] < look["height"] and sum(bare["mean"]) > sum(look["mean"])
    assert fnr.get(f"/api/v1/jobs/{job['id']}/preview").data[:3] == b"\xff\xd8\xff"


def test_sheets_of_each_tier(fnr, made):
    cells = [sheet(fnr, [sent(fnr, made / "large.jpg")] * 2, quality)["result"]["cell"]["width"] for quality in ("draft", "standard", "high", "ultra")]
    assert cells == [240, 400, 640, 1024]


def test_columns_by_itself_and_many_pictures(fnr, made):
    result = sheet(fnr, [sent(fnr, made / "small.png")] * 200, "ultra", aspect="16:9", captions=False, gap=0)["result"]
    assert result["columns"] * result["rows"] >= 200 and 1 < result["width"] / result["height"] < 2.2
    assert result["width"] * result["height"] <= 60_000_000
    assert sheet(fnr, [sent(fnr, made / "small.png")])["result"]["columns"] == 1


def test_what_cannot_be_read_gets_a_cell(fnr, made):
    references = [sent(fnr, made / name, "image/png") for name in ("small.png", "cut.png", "text.png", "bomb.png", "drawing.svg")]
    job = sheet(fnr, references, columns=5)
    assert job["state"] == "completed", job
    assert [(row["number"], row["code"]) for row in job["result"]["unreadable"]] == [
        (2, "picture_broken"), (3, "not_a_picture"), (4, "picture_too_large"), (5, "not_a_picture")]
    assert [row["name"] for row in job["result"]["unreadable"]] == ["cut.png", "text.png", "bomb.png", "drawing.svg"]
    failed(sheet(fnr, references[1:]), "validation", "no_picture", "None of the 4", "cut.png")


def test_a_frame_of_a_video(fnr, made):
    video = made / "clip.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "color=c=red:s=640x360:d=1", "-pix_fmt", "yuv420p", str(video)], check=True)
    job = sheet(fnr, [sent(fnr, video)], captions=False, aspect="16:9", format="png")
    look = helper("look", output(fnr, job, made))
    assert look["mean"][0] > 0.7 and look["mean"][1] < 0.2, look["mean"]
    (made / "broken.mp4").write_bytes(video.read_bytes()[:300])
    failed(sheet(fnr, [sent(fnr, made / "broken.mp4")]), "validation", "video_unreadable", "broken.mp4")


def test_no_more_than_200(fnr, made):
    answer = fnr.post("/api/v1/jobs", {"template": "make_contact_sheet", "inputs": {"images": [sent(fnr, made / "small.png")] * 201}})
    assert answer.status == 422
