"""A small picture of a result, and what there is to know about it.

Run by the worker with the protocol of script functions (doc/script-functions.md): the input is `file`; the output
`thumbnail` is a WebP file whose longer side is at most 512 pixels; the result is what could be measured of {"width", "height",
"duration", "sharpness", "bit_rate", "frame_rate", "sample_rate", "channels", "loudness"} (pixels; seconds; standard deviation of the
Laplacian of the brightness, of 0 to 255; bits a second; Hertz; LUFS). Pictures are reduced by vipsthumbnail, which keeps little of them in memory; films show
a frame that is typical of their beginning; sound shows its waveform, which can be read on light and on dark.
"""

import json
import os
import re
import subprocess
import sys

SIDE = 512
WAVE = (1024, 256)
WAVE_COLOR = "#6f83e8"
SECONDS = 50          # for each program; the worker ends all after a minute
FRAMES = 60           # of which the typical one is chosen
FIT = f"scale='min({SIDE},iw)':'min({SIDE},ih)':force_original_aspect_ratio=decrease"
PART = 0.1            # of a film that is passed over: black and titles
QUALITY = 80
PIXELS = 40_000_000   # a larger picture is not measured: that would take all the memory there is
LISTEN = 600          # seconds of a sound whose loudness is measured
LAPLACIAN = "3 3 1 0\n0 1 0\n1 -4 1\n0 1 0\n"


class Failure(Exception):
    pass


def run(*command):
    """Standard output of a program; Failure with what it said last."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except OSError as error:
        raise Failure(f"{command[0]} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} took longer than {SECONDS} s") from None
    if done.returncode != 0:
        raise Failure(f"{command[0]}: " + (done.stderr.decode("utf-8", "replace").strip()[-500:] or f"exit status {done.returncode}"))
    return done.stdout


def ffmpeg(path, out, *arguments, before=()):
    run("ffmpeg", "-hide_banner", "-nostdin", "-v", "error", "-y", *before, "-protocol_whitelist", "file", "-i", "file:" + path, *arguments,
        "-frames:v", "1", "-c:v", "libwebp", "-quality", str(QUALITY), "-f", "webp", out)
    if not os.path.exists(out) or os.path.getsize(out) == 0:
        raise Failure("no picture came out of it")


def probe(path):
    """Its streams, the seconds, and bits a second."""
    found = json.loads(run("ffprobe", "-hide_banner", "-v", "error", "-protocol_whitelist", "file", "-print_format", "json", "-show_format", "-show_streams",
                           "file:" + path))
    try:
        seconds = float(found["format"]["duration"])
    except (KeyError, ValueError):
        seconds = 0.0
    return found.get("streams", []), seconds, number(found.get("format", {}).get("bit_rate"))


def rotated(stream):
    turns = [side["rotation"] for side in stream.get("side_data_list", []) if "rotation" in side]
    return bool(turns) and round(float(turns[0])) % 180 != 0


def pictures_of(path):
    """The stream that people see, and what probe says."""
    streams, seconds, rate = probe(path)
    stream = next((one for one in streams if one.get("codec_type") == "video"), None)
    if not stream:
        raise Failure("it has no pictures")
    return stream, streams, seconds, rate


def ratio(text):
    above, _, below = (text or "0/1").partition("/")
    return round(float(above) / float(below or 1), 3) if float(below or 1) else 0


def number(text):
    try:
        return int(text)
    except (TypeError, ValueError):
        return None


def tried(measure, *arguments):
    """What a measurement says, or nothing: a thumbnail does not fail for it."""
    try:
        return measure(*arguments)
    except (Failure, ValueError, subprocess.TimeoutExpired):
        return None


def loudness(path):
    """Integrated, by EBU R 128; None for silence."""
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-protocol_whitelist", "file", "-i", "file:" + path, "-t", str(LISTEN), "-map", "0:a:0",
               "-af", "ebur128=framelog=verbose", "-f", "null", "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    found = re.findall(rb"I:\s+(-?[0-9.]+) LUFS", done.stderr)
    value = float(found[-1]) if found and done.returncode == 0 else None
    return value if value is not None and value > -70 else None


def sharpness(path, width, height):
    if width * height > PIXELS:
        return None
    with open("laplacian.mat", "w") as file:
        file.write(LAPLACIAN)
    run("vips", "colourspace", path, "bright.v", "b-w")
    run("vips", "conv", "bright.v", "edges.v", "laplacian.mat")      # to floating point
    value = round(float(run("vips", "deviate", "edges.v")), 3)
    for name in ("bright.v", "edges.v", "laplacian.mat"):
        os.unlink(name)
    return value


def of_sound(path, streams):
    """What is to be said of the first sound among the streams."""
    stream = next((one for one in streams if one.get("codec_type") == "audio"), None)
    if not stream:
        return {}
    return {"sample_rate": number(stream.get("sample_rate")), "channels": number(stream.get("channels")), "loudness": tried(loudness, path)}


def film(path, out):
    stream, streams, seconds, rate = pictures_of(path)
    frame = ["-an", "-vf", f"thumbnail={FRAMES},scale=iw*sar:ih,setsar=1,{FIT}"]
    try:
        ffmpeg(path, out, *frame, before=["-ss", f"{seconds * PART:.3f}"])
    except Failure:      # shorter than it says
        ffmpeg(path, out, *frame)
    width, height = stream.get("width"), stream.get("height")
    if rotated(stream):
        width, height = height, width
    return {"width": width, "height": height, "duration": round(seconds, 3) or None, "bit_rate": rate, "frame_rate": ratio(stream.get("avg_frame_rate")),
            **of_sound(path, streams)}


def sound(path, out):
    streams, seconds, rate = probe(path)
    ffmpeg(path, out, "-filter_complex", f"aformat=channel_layouts=mono,showwavespic=s={WAVE[0]}x{WAVE[1]}:colors={WAVE_COLOR}:scale=sqrt,scale={SIDE}:-2")
    return {"duration": round(seconds, 3) or None, "bit_rate": rate, **of_sound(path, streams)}


def size_of(path):
    head = run("vipsheader", "-a", path)
    return {name: int(re.search(rb"^%s: (\d+)$" % name.encode(), head, re.MULTILINE)[1]) for name in ("width", "height")}


def picture(path, out):
    try:
        run("vipsthumbnail", path, "--size", f"{SIDE}x{SIDE}>", "--export-profile", "srgb", "--output", f"{out}[Q={QUALITY},strip]")
        found = size_of(path)
        return {**found, "sharpness": tried(sharpness, path, found["width"], found["height"])}
    except Failure as failure:      # it knows fewer formats, BMP and DPX for example
        try:
            stream, *_ = pictures_of(path)
            ffmpeg(path, out, "-vf", FIT)
        except Failure:
            raise failure from None
        return {"width": stream.get("width"), "height": stream.get("height")}


def main():
    request = json.load(sys.stdin)
    path, kind = request["parameters"]["file"], request["uploads"]["file"]["media_type"]
    out = os.path.join(request["output_dir"], "thumbnail.webp")
    make = {"image": picture, "video": film, "audio": sound}[kind.split("/")[0]]
    try:
        found = make(path, out)
    except Failure as failure:
        print(json.dumps({"error": {"class": "permanent", "code": "no_thumbnail", "message": "No thumbnail can be made.", "detail": str(failure)}}))
        return
    print(json.dumps({"output": "thumbnail", "path": "thumbnail.webp"}))
    print(json.dumps({"result": {name: value for name, value in found.items() if value}}))


main()
