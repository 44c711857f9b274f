"""A small picture of a result, and what there is to know about it.

Run by the worker with the protocol of script functions (doc/script-functions.md): the input is `file`; the output
`thumbnail` is a WebP file whose longer side is at most 512 pixels; the result is {"width", "height", "duration"} (pixels;
seconds) as far as they are known. Pictures are reduced by vipsthumbnail, which keeps little of them in memory; films show
a frame that is typical of their beginning; sound shows its waveform, which can be read on light and on dark.
"""

import json
import os
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
    found = json.loads(run("ffprobe", "-hide_banner", "-v", "error", "-protocol_whitelist", "file", "-print_format", "json", "-show_format", "-show_streams",
                           "file:" + path))
    try:
        seconds = float(found["format"]["duration"])
    except (KeyError, ValueError):
        seconds = 0.0
    return found.get("streams", []), seconds


def rotated(stream):
    turns = [side["rotation"] for side in stream.get("side_data_list", []) if "rotation" in side]
    return bool(turns) and round(float(turns[0])) % 180 != 0


def pictures_of(path):
    """The stream that people see, and the seconds."""
    streams, seconds = probe(path)
    stream = next((one for one in streams if one.get("codec_type") == "video"), None)
    if not stream:
        raise Failure("it has no pictures")
    return stream, seconds


def film(path, out):
    stream, seconds = pictures_of(path)
    frame = ["-an", "-vf", f"thumbnail={FRAMES},scale=iw*sar:ih,setsar=1,{FIT}"]
    try:
        ffmpeg(path, out, *frame, before=["-ss", f"{seconds * PART:.3f}"])
    except Failure:      # shorter than it says
        ffmpeg(path, out, *frame)
    width, height = stream.get("width"), stream.get("height")
    if rotated(stream):
        width, height = height, width
    return {"width": width, "height": height, "duration": round(seconds, 3) or None}


def sound(path, out):
    _, seconds = probe(path)
    ffmpeg(path, out, "-filter_complex", f"aformat=channel_layouts=mono,showwavespic=s={WAVE[0]}x{WAVE[1]}:colors={WAVE_COLOR}:scale=sqrt,scale={SIDE}:-2")
    return {"duration": round(seconds, 3) or None}


def picture(path, out):
    try:
        run("vipsthumbnail", path, "--size", f"{SIDE}x{SIDE}>", "--export-profile", "srgb", "--output", f"{out}[Q={QUALITY},strip]")
        return {name: int(run("vipsheader", "-f", name, path)) for name in ("width", "height")}
    except Failure as failure:      # it knows fewer formats, BMP and DPX for example
        try:
            stream, _ = pictures_of(path)
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
