"""The functions for film people of templates/media, through the whole system, with real media that ffmpeg makes for the test.
What comes out is measured: sizes, lengths, frame rates, loudness, colours of decoded frames."""

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys

import pytest

from crash import until
from system import PREFIX, ROOT, System

JOBS = "/api/v1/jobs"
FOLDER = os.path.join(ROOT, "templates", "media")
WORDS = "It was the last summer before everything changed. Nobody knew it yet."
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg") or not shutil.which("espeak-ng"), reason="ffmpeg or espeak-ng is not installed")


# ---- media ----


def ffmpeg(*arguments):
    done = subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def with_orientation(jpeg, value):
    """The JPEG with an EXIF block that says how the camera was held."""
    block = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, value, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder of small pictures, films and sounds, good and bad."""
    folder = tmp_path_factory.mktemp("media")
    inputs, outputs = [], []
    for source, *options in (
        ("color=red:s=800x600", "red.png"), ("color=lime:s=300x500", "green.png"), ("color=blue:s=640x360", "-q:v", "2", "blue.jpg"),
        ("testsrc2=s=800x450", "-q:v", "2", "bars.jpg"),
        ("color=black:s=640x360,format=gray,geq=lum='235*exp(-((X-200)^2+(Y-120)^2)/200)'", "dot.png"),
        ("color=red:s=400x400,format=rgba,geq=r=255:g=0:b=0:a='255*gt(X,200)'", "half_seen.png"),
        ("color=red:s=200x400,format=rgb24,drawbox=w=200:h=200:color=lime:t=fill", "-q:v", "2", "lying.jpg"),
    ):
        inputs += ["-f", "lavfi", "-i", source]
        outputs += ["-map", str(len(inputs) // 4 - 1), "-frames:v", "1", "-update", "1", *options[:-1], folder / options[-1]]
    ffmpeg(*inputs, *outputs)
    film = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=24000/1001:d=1", "-f", "lavfi", "-i", "sine=440:d=1", *film, "-c:a", "aac",
           "-timecode", "01:00:00:00", folder / "film.mov",
           "-map", "0:v", *film, "-vf", "scale=320:180", folder / "silent.mkv",
           "-map", "1:a", "-c:a", "aac", folder / "sound_only.mp4", "-map", "1:a", folder / "tone.wav")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=1", "-vf", "setsar=64/45", "-c:v", "mpeg2video", "-b:v", "8M", folder / "pal.mpg")
    ffmpeg("-i", folder / "film.mov", "-c", "copy", "-t", "0.5", "-metadata:s:v", "rotate=90", folder / "upright.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6", *film, "-g", "25", folder / "long.mkv")
    lying = (folder / "lying.jpg").read_bytes()
    (folder / "lying.jpg").write_bytes(with_orientation(lying, 6))
    (folder / "half.jpg").write_bytes((folder / "bars.jpg").read_bytes()[:8000])
    (folder / "note.png").write_bytes(b"this is just text, whatever it is called")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    ffmpeg("-i", folder / "silent.mkv", "-c", "copy", "-f", "mp4", "-brand", "M4A ", folder / "silent.m4a")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "cut_off.mov").write_bytes((folder / "film.mov").read_bytes()[:20000])
    long = (folder / "long.mkv").read_bytes()
    (folder / "cut_off.mkv").write_bytes(long[: len(long) // 3])
    (folder / "playlist.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{folder}/film.mov\n#EXT-X-ENDLIST\n")
    (folder / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{folder}/film.mov'\n")
    return folder


def probe(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", path],
                          capture_output=True, check=True)
    found = json.loads(done.stdout)
    streams = {kind: [s for s in found["streams"] if s["codec_type"] == kind] for kind in ("video", "audio")}
    return streams["video"], streams["audio"], float(found["format"]["duration"])


def pixel(path, seconds, x, y):
    """The colour at a place of the frame, both from 0 to 1."""
    data = ffmpeg("-ss", seconds, "-i", path, "-frames:v", "1", "-vf", f"crop=8:8:iw*{x}-4:ih*{y}-4,scale=1:1:flags=area", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    return tuple(data[:3])


def near(color, wanted, by=40):
    return all(abs(a - b) <= by for a, b in zip(color, wanted))


def loudness(path):
    """Integrated loudness (LUFS) and true peak (dBTP)."""
    done = subprocess.run(["ffmpeg", "-hide_banner", "-nostats", "-i", path, "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"],
                          capture_output=True, text=True, check=True)
    return float(re.findall(r"I: +(-?[\d.]+|-inf) LUFS", done.stderr)[-1]), float(re.findall(r"Peak: +(-?[\d.]+|-inf) dBFS", done.stderr)[-1])


def mean_volume(path, begin, end):
    done = subprocess.run(["ffmpeg", "-hide_banner", "-i", path, "-af", f"atrim={begin}:{end},volumedetect", "-vn", "-f", "null", "-"],
                          capture_output=True, text=True, check=True)
    return float(re.search(r"mean_volume: (-?[\d.]+)", done.stderr)[1])


# ---- the system ----


@pytest.fixture(scope="module")
def fnr():
    system = System("workers: {max: 3, min: 1}\n")
    if not os.path.isdir(os.path.join(PREFIX, "share", "function-runner", "templates", "media")):  # an installation without them
        shutil.copytree(FOLDER, os.path.join(system.data, "templates", "media"), ignore=shutil.ignore_patterns("__pycache__"))
    with system:
        yield system


KINDS = {"png": "image/png", "jpg": "image/jpeg", "mov": "video/quicktime", "mp4": "video/mp4", "mkv": "video/x-matroska", "mpg": "video/mpeg", "wav": "audio/wav"}
UPLOADED = {}


def upload(fnr, path, kind=None):
    with open(path, "rb") as file:
        data = file.read()
    kind = kind or KINDS[str(path).rsplit(".", 1)[1]]
    key = (fnr.data, hashlib.sha256(data).hexdigest(), kind, os.path.basename(path))
    if key not in UPLOADED:
        answer = fnr.post("/api/v1/uploads", data, headers={"Content-Type": kind, "X-Filename": os.path.basename(path)})
        assert answer.status == 201, answer.data
        UPLOADED[key] = "upload:" + answer.json["id"]
    return UPLOADED[key]


def run(fnr, template, inputs, quality="draft"):
    return fnr.wait(fnr.submit(template, inputs, quality=quality)["id"])


def made(fnr, job, folder):
    """The one output of a completed job, as a file."""
    assert job["state"] == "completed", job["error"]
    (output,) = job["outputs"]
    path = os.path.join(folder, "made." + output["media_type"].split("/")[1])
    with open(path, "wb") as file:
        file.write(fnr.get(output["url"]).data)
    return path, output


def assert_refused(job, class_, code, *words):
    assert job["state"] == "failed", job
    error = job["error"]
    assert (error["class"], error["code"]) == (class_, code), error
    assert job["attempt"] == 1 and error["suggestion"]
    for word in words:
        assert word in error["message"], error
    for never in ("ffmpeg", "ffprobe", "espeak", "Traceback", "/workspace/", "stream #"):
        assert never not in error["message"] + error["suggestion"], error


# ---- slideshow ----


def test_slideshow(fnr, media, tmp_path):
    images = [upload(fnr, media / name) for name in ("red.png", "green.png", "blue.jpg")]
    inputs, before = {"images": images, "seconds": 1, "transition": 0.5, "audio": upload(fnr, media / "tone.wav")}, fnr.newest()
    job = fnr.submit("create_slideshow", inputs, quality="draft")
    with fnr.stream(f"{JOBS}/{job['id']}/events", last_id=before) as stream:
        events = list(stream)
    assert events[-1].name == "job.completed", events[-1].data
    percents = [event.data["progress"]["percent"] for event in events if event.name == "job.progress"]
    assert percents == sorted(percents) and len(percents) > 2
    assert any("pictures" in event.data["progress"]["message"] for event in events if event.name == "job.progress")
    preview = fnr.get(f"{JOBS}/{job['id']}/preview")
    assert preview.status == 200 and preview.headers["Content-Type"] == "image/jpeg" and preview.data[:3] == b"\xff\xd8\xff" and len(preview.data) < 200_000

    path, output = made(fnr, fnr.wait(job["id"]), tmp_path)
    assert output["media_type"] == "video/mp4"
    (video,), (audio,), seconds = probe(path)
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"], video["r_frame_rate"]) == ("h264", "yuv420p", 640, 360, "12/1")
    assert int(video["nb_read_packets"]) == 36 and abs(seconds - 3) < 2 / 12
    assert audio["codec_name"] == "aac" and abs(float(audio["duration"]) - 3) < 0.1
    with open(path, "rb") as file:
        data = file.read()
    assert data.index(b"moov") < data.index(b"mdat"), "a player would have to read the whole file before it can begin"
    for seconds, color in ((0.4, RED), (1.5, GREEN), (2.6, BLUE)):
        assert near(pixel(path, seconds, 0.5, 0.5), color), (seconds, pixel(path, seconds, 0.5, 0.5))
    mixed = pixel(path, 1.0, 0.5, 0.5)
    assert 50 < mixed[0] < 220 and 50 < mixed[1] < 220, mixed
    # a tall picture is seen whole, between darker copies of itself
    assert near(pixel(path, 1.5, 0.05, 0.5), (0, 150, 0), 60), pixel(path, 1.5, 0.05, 0.5)
    assert mean_volume(path, 0.2, 0.6) > -30 and mean_volume(path, 0.93, 1.0) < mean_volume(path, 0.2, 0.6) - 6 and mean_volume(path, 1.5, 2.5) < -60
    result = fnr.get(f"{JOBS}/{job['id']}/result").json["result"]
    assert result["pictures"] == 3 and result["sound"] is True


def test_slideshow_of_odd_pictures(fnr, media, tmp_path):
    """Turned by EXIF, half transparent, a tall film; the same picture twice; no motion, hard cuts."""
    images = [upload(fnr, media / name) for name in ("lying.jpg", "half_seen.png", "lying.jpg")]
    job = run(fnr, "create_slideshow", {"images": images, "seconds": 0.5, "transition": 0, "motion": "none", "aspect": "9:16", "background": "#00f"})
    path, _ = made(fnr, job, tmp_path)
    (video,), audio, seconds = probe(path)
    assert (video["width"], video["height"]) == (360, 640) and not audio and int(video["nb_read_packets"]) == 18
    for at in (0.2, 1.2):  # upright it is wide; what was at the top is at the right
        assert near(pixel(path, at, 0.2, 0.5), RED) and near(pixel(path, at, 0.8, 0.5), GREEN) and near(pixel(path, at, 0.5, 0.1), BLUE)
    assert near(pixel(path, 0.7, 0.2, 0.5), BLUE) and near(pixel(path, 0.7, 0.8, 0.5), RED)


@pytest.mark.parametrize("quality, size, rate", [("standard", (1280, 720), 24), ("high", (1920, 1080), 24)])
def test_slideshow_tiers(fnr, media, tmp_path, quality, size, rate):
    path, _ = made(fnr, run(fnr, "create_slideshow", {"images": [upload(fnr, media / "bars.jpg")], "seconds": 0.5}, quality), tmp_path)
    (video,), _, seconds = probe(path)
    assert (video["width"], video["height"]) == size and video["r_frame_rate"] == f"{rate}/1" and int(video["nb_read_packets"]) == rate // 2


def test_motion_is_even(media, tmp_path):
    """A dot moves by the same fraction of a pixel from frame to frame, also where one ffmpeg hands over to the next."""
    sys.path.insert(0, FOLDER)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        import create_slideshow
        import media as shared
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(FOLDER)
    width, height, rate = 640, 360, 12
    show = create_slideshow.Slideshow()
    show.progress = lambda *_, **__: None
    dot = str(media / "dot.png")
    show.folder = str(tmp_path)
    show.parameters = {"images": [dot, dot], "motion": "gentle", "fit": "whole"}
    show.rate, show.width, show.height, show.work = rate, width, height, (width, height)
    show.random = create_slideshow.random.Random(0)
    show.pictures = show._look_at_pictures()
    show.timing = create_slideshow.Timing(2, 2, 1, rate)
    show.motions = [show._motion(number) for number in range(2)]
    for number in range(2):
        first, end = show.timing.segment(number)
        raw = subprocess.run(shared.ffmpeg_command(*show._segment_arguments(number)), capture_output=True, check=True).stdout
        assert len(raw) == (end - first) * width * height * 3 // 2
        frames = [raw[at : at + width * height] for at in range(0, len(raw), width * height * 3 // 2)]
        alone = frames[: end - first - show.timing.fade] if number == 0 else frames
        places = []
        for frame in alone:
            total = across = down = 0
            for y in range(height):
                row = frame[y * width : (y + 1) * width]
                if max(row) > 20:
                    for x, value in enumerate(row):
                        if value > 20:
                            total, across, down = total + value - 16, across + (value - 16) * x, down + (value - 16) * y
            places.append((across / total, down / total))
        for axis in (0, 1):
            steps = [after[axis] - before[axis] for before, after in zip(places, places[1:])]
            mean = sum(steps) / len(steps)
            assert max(abs(step - mean) for step in steps) < 0.12, steps
        assert any(abs(after - before) > 1 for before, after in zip(places[0], places[-1])), places


@pytest.mark.parametrize("name, code", [("note.png", "picture_unreadable"), ("half.jpg", "picture_unreadable"), ("phone.heic", "picture_unsupported")])
def test_slideshow_with_a_bad_picture(fnr, media, name, code):
    """The message says which one."""
    images = [upload(fnr, media / "red.png"), upload(fnr, media / name, "image/heic" if name == "phone.heic" else "image/png")]
    assert_refused(run(fnr, "create_slideshow", {"images": images}), "validation", code, "Picture 2", name)


def test_slideshow_with_sound_that_is_none(fnr, media):
    red = upload(fnr, media / "red.png")
    assert_refused(run(fnr, "create_slideshow", {"images": [red], "audio": upload(fnr, media / "silent.m4a", "audio/mp4")}),
                   "validation", "no_sound", "silent.m4a")
    assert_refused(run(fnr, "create_slideshow", {"images": [red], "audio": upload(fnr, media / "note.png", "audio/wav")}),
                   "validation", "audio_unreadable", "note.png")


def test_cancelled_slideshow_leaves_no_ffmpeg(fnr, media):
    images = [upload(fnr, media / "bars.jpg")] * 10
    job = fnr.submit("create_slideshow", {"images": images, "seconds": 10}, quality="ultra")
    until(lambda: any(name.startswith("ffmpeg") and "rawvideo" in name for name in fnr.pids()), lambda: fnr.get(f"{JOBS}/{job['id']}").json)
    fnr.post(f"{JOBS}/{job['id']}/cancel")
    assert fnr.wait(job["id"])["state"] == "cancelled"
    until(lambda: not fnr.pids_of("ffmpeg"), lambda: fnr.pids())


# ---- voice-over ----


@pytest.mark.parametrize("quality, format, rate, bits, channels", [
    ("draft", "wav", 22050, 16, 1), ("standard", "flac", 44100, 16, 2), ("high", "wav", 48000, 24, 2), ("ultra", "flac", 96000, 24, 2)])
def test_voice_over(fnr, tmp_path, quality, format, rate, bits, channels):
    job = run(fnr, "create_voice_over", {"text": WORDS, "format": format}, quality)
    path, output = made(fnr, job, tmp_path)
    assert output["media_type"] == "audio/" + format
    _, (audio,), seconds = probe(path)
    depth = int(audio["bits_per_sample"]) or int(audio["bits_per_raw_sample"])
    assert (int(audio["sample_rate"]), depth, audio["channels"]) == (rate, bits, channels), audio
    assert audio["codec_name"] == (f"pcm_s{bits}le" if format == "wav" else "flac")
    assert 2.5 < seconds < 8
    level, peak = loudness(path)
    assert abs(level + 16) <= 1 and peak <= -1.4, (level, peak)
    assert fnr.get(f"{JOBS}/{job['id']}/preview").status == 200


def test_voice_over_obeys(fnr, tmp_path):
    """Pace, pitch and voice change what one hears; the loudness stays, for a single word too."""
    jobs = [fnr.submit("create_voice_over", {"text": WORDS, **inputs}, quality="draft")["id"]
            for inputs in ({}, {"pace": 80}, {"voice": "english-us-woman"}, {"pitch": 90}, {"text": "Hi"})]
    paths = []
    for number, id in enumerate(jobs):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(made(fnr, fnr.wait(id), folder)[0])
    lengths = [probe(path)[2] for path in paths]
    assert lengths[1] > 1.5 * lengths[0], lengths
    sounds = {ffmpeg("-i", path, "-f", "md5", "-") for path in paths}
    assert len(sounds) == len(paths)
    for path in paths:
        assert abs(loudness(path)[0] + 16) <= 1, (path, loudness(path))


def test_voice_over_reads_only_the_text(fnr, tmp_path):
    """What looks like an option, a markup or a sound notation is text."""
    plain, _ = made(fnr, run(fnr, "create_voice_over", {"text": "--help -f /etc/passwd [[@]] <audio src='x'/>"}), tmp_path)
    assert probe(plain)[2] > 1.5
    assert_refused(run(fnr, "create_voice_over", {"text": " … !? \n"}), "validation", "nothing_to_say")


def test_every_voice_is_there():
    """The template offers what the function knows, and espeak-ng has all of it."""
    import yaml

    with open(os.path.join(FOLDER, "create_voice_over.yaml")) as file:
        offered = yaml.safe_load(file)["inputs"]["voice"]["enum"]
    source = "import sys, json; sys.path.insert(0, sys.argv[1]); import create_voice_over as v; print(json.dumps(v.VOICES))"
    voices = json.loads(subprocess.run([sys.executable, "-B", "-c", source, FOLDER], capture_output=True, check=True).stdout)
    assert offered == list(voices)
    for voice in voices.values():
        done = subprocess.run(["espeak-ng", "-q", "-v", voice, "--stdin"], input=b"a", capture_output=True)
        assert done.returncode == 0 and not done.stderr, (voice, done.stderr)


# ---- transcode ----


@pytest.mark.parametrize("target, codec, pixels, sound, media_type", [
    ("review", "h264", "yuv420p", "aac", "video/mp4"), ("delivery", "h264", "yuv420p", "aac", "video/mp4"),
    ("web", "vp9", "yuv420p", "opus", "video/webm"), ("prores", "prores", "yuv422p10le", "pcm_s24le", "video/quicktime")])
def test_transcode(fnr, media, tmp_path, target, codec, pixels, sound, media_type):
    job = run(fnr, "transcode", {"video": upload(fnr, media / "film.mov"), "target": target})
    path, output = made(fnr, job, tmp_path)
    assert output["media_type"] == media_type
    (video,), (audio,), seconds = probe(path)
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"]) == (codec, pixels, 640, 360)
    assert video["avg_frame_rate"] == "24000/1001" and int(video["nb_read_packets"]) == 24 and abs(seconds - 1) < 2 / 24
    assert audio["codec_name"] == sound and mean_volume(path, 0.2, 0.8) > -40
    if target == "prores":
        assert video["profile"] == "HQ" and video["tags"]["timecode"] == "01:00:00:00"
    assert pixel(path, 0.5, 0.25, 0.9) == pytest.approx(pixel(media / "film.mov", 0.5, 0.25, 0.9), abs=30)
    assert fnr.get(f"{JOBS}/{job['id']}/preview").headers["Content-Type"] == "image/jpeg"


def test_transcode_tiers(fnr, media, tmp_path):
    video = upload(fnr, media / "film.mov")
    jobs = {quality: fnr.submit("transcode", {"video": video}, quality=quality)["id"] for quality in ("draft", "standard", "high", "ultra")}
    sizes = {}
    for quality, id in jobs.items():
        folder = tmp_path / quality
        folder.mkdir()
        path, output = made(fnr, fnr.wait(id), folder)
        sizes[quality] = (probe(path)[0][0]["width"], probe(path)[0][0]["height"], output["bytes"])
    assert [size[:2] for size in sizes.values()] == [(640, 360), (1280, 720), (1920, 1080), (1920, 1080)], sizes
    assert sorted(size[2] for size in sizes.values()) == [size[2] for size in sizes.values()], sizes


def test_transcode_keeps_the_shape(fnr, media, tmp_path):
    """Never enlarged; pixels become square; a phone held upright makes a tall film; no sound is no trouble."""
    for name, quality, size in (("silent.mkv", "standard", (320, 180)), ("pal.mpg", "standard", (1024, 576)), ("upright.mp4", "draft", (360, 640))):
        folder = tmp_path / name
        folder.mkdir()
        (video,), audio, _ = probe(made(fnr, run(fnr, "transcode", {"video": upload(fnr, media / name)}, quality), folder)[0])
        assert (video["width"], video["height"]) == size and video.get("sample_aspect_ratio", "1:1") == "1:1", name
        assert bool(audio) == (name == "upright.mp4")


def test_transcode_with_timecode(fnr, media, tmp_path):
    """White figures on a dark ground at the bottom, which are not there without."""
    shares = []
    for timecode in (True, False):
        path, _ = made(fnr, run(fnr, "transcode", {"video": upload(fnr, media / "film.mov"), "timecode": timecode}), tmp_path)
        frame = ffmpeg("-ss", "0.5", "-i", path, "-frames:v", "1", "-vf", "crop=110:14:(iw-110)/2:ih-36", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
        white = sum(min(frame[at : at + 3]) > 170 for at in range(0, len(frame), 3))
        shares.append(white / (len(frame) // 3))
    assert shares[0] > 0.05 and shares[1] < 0.01, shares


@pytest.mark.parametrize("name, code", [
    ("empty.mp4", "file_empty"), ("note.png", "video_unreadable"), ("cut_off.mov", "video_unreadable"), ("cut_off.mkv", "video_damaged"),
    ("sound_only.mp4", "no_picture"), ("playlist.mp4", "video_unreadable"), ("concat.mp4", "video_unreadable")])
def test_transcode_of_what_is_no_video(fnr, media, name, code):
    """A playlist that calls itself a video is refused: it would make ffmpeg read other files."""
    answer = None
    if name == "empty.mp4":
        answer = fnr.post("/api/v1/uploads", b"", headers={"Content-Type": "video/mp4", "X-Filename": name})
        if answer.status != 201:
            return  # the server itself takes no empty files
    reference = "upload:" + answer.json["id"] if answer else upload(fnr, media / name, "video/mp4")
    assert_refused(run(fnr, "transcode", {"video": reference}), "validation", code, name)


# ---- what cannot be brought about from outside ----


def test_disk_that_is_full_and_names_that_look_like_options(media, tmp_path):
    script = """if True:
        import sys, json
        sys.path.insert(0, sys.argv[1])
        import media
        other = media.MediaError("unknown", "other", "other", "other")
        found = []
        try:
            media.run_ffmpeg(["-f", "lavfi", "-i", "testsrc2=d=1", "-c:v", "mpeg4", "-f", "matroska", "file:/dev/full"], other)
        except media.MediaError as error:
            found += [error.fnr_class, error.fnr_code, error.fnr_action]
        found.append(media.probe(sys.argv[2], "it", "video")["format"]["format_name"])
        print(json.dumps(found))
    """
    strange = tmp_path / "-i http:%03d;$(touch x) 'a' \"b\".mkv"
    shutil.copy(media / "silent.mkv", strange)
    done = subprocess.run([sys.executable, "-B", "-c", script, FOLDER, str(strange)], capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stdout) == ["resource", "disk_full", "free_disk_space", "matroska,webm"], done.stderr
    assert os.listdir(tmp_path) == [strange.name]


def test_nothing_was_broken(fnr):
    """Last in this file."""
    log = fnr.log_text()
    for word in ("broken invariant", "AddressSanitizer", "runtime error", "LeakSanitizer"):
        assert word not in log, log[max(0, log.index(word) - 2000) : log.index(word) + 2000]
    fnr.check()
