"""What the functions of this folder share: looking at media files, running ffmpeg, and errors in the words of people.

The files come from anywhere, so nothing in them and nothing in their names is trusted:

- A program gets its arguments as a list, never as a line for a shell, and a file as "file:/absolute/path", so that no
  name is read as an option, a protocol or a numbered series of pictures.
- ffmpeg opens files only, no network, and only containers that hold their media themselves (CONTAINERS): a playlist or
  a list of files that calls itself a video is refused before any of the files it names is opened.
- How a picture is read is decided here by its first bytes, never by ffmpeg's guess from its name.

What ffmpeg says goes to the job's log; people read what MediaError says.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction

# More threads than this make ffmpeg hardly faster, but each holds whole frames: memory would grow with the machine.
THREADS = max(1, min(8, len(os.sched_getaffinity(0))))
STDERR_KEPT = 60                # lines, to find the cause of a failure in
# Said by each thread of the scaler about each JPEG (ffmpeg does set the range right), about every mono recording and
# about raw frames.
NOISE = ("deprecated pixel format used", "Guessed Channel Layout", "Estimating duration from bitrate")
NO_SPACE, FILE_TOO_LARGE = "No space left on device", "File too large"
PREVIEW_WIDTH = 480
PREVIEW_EVERY_S = 1
PICTURE_PIXELS = 150_000_000    # a larger one would need more memory than the templates ask for
VIDEO_PIXELS = 8192 * 8192
DURATION_MOST_S = 24 * 3600

# Containers that refer to no other file. By names of demuxers; one of those that share a demuxer is enough.
CONTAINERS = ",".join((
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "mxf", "gxf", "ogg", "flv", "asf", "ivf", "dv", "h264",
    "hevc", "av1", "obu", "yuv4mpegpipe", "rm", "nut", "wav", "w64", "mp3", "flac", "aac", "ac3", "eac3", "dts", "aiff", "au",
    "caf", "amr", "ape", "wv", "tta", "voc",
))
# First bytes of a picture, and the demuxer that reads one picture from one file.
PICTURES = (
    (0, b"\xff\xd8\xff", "jpeg_pipe"), (0, b"\x89PNG\r\n\x1a\n", "png_pipe"), (0, b"GIF8", "gif"), (8, b"WEBP", "webp_pipe"),
    (0, b"BM", "bmp_pipe"), (0, b"II*\0", "tiff_pipe"), (0, b"MM\0*", "tiff_pipe"), (0, b"\0\0\0\x0cjP  ", "j2k_pipe"),
    (0, b"\xff\x4f\xff\x51", "j2k_pipe"), (0, b"SDPX", "dpx_pipe"), (0, b"XPDS", "dpx_pipe"), (0, b"\x76\x2f\x31\x01", "exr_pipe"),
)


class MediaError(Exception):
    """An error made for people: its text and suggestion are shown as they are."""

    def __init__(self, class_, code, message, suggestion, action=None):
        super().__init__(message)
        self.fnr_class, self.fnr_code, self.fnr_suggestion, self.fnr_action = class_, code, suggestion, action


def log(text):
    """A line of the job's log."""
    print(text, file=sys.stderr, flush=True)


# ---- programs ----


class Program:
    """A running program of ours. What it says on standard error goes to the job's log, its last lines are kept.

    on_line gets each line of its standard output, in a thread of its own. quiet: it says much that only we read; the log
    gets it when the program fails.
    """

    def __init__(self, arguments, stdin=subprocess.DEVNULL, stdout=None, on_line=None, quiet=False):
        # Each arena of malloc reserves address space, which is limited; few are enough.
        environment = dict(os.environ, MALLOC_ARENA_MAX="4", AV_LOG_FORCE_NOCOLOR="1")
        try:
            self.process = subprocess.Popen(
                arguments, stdin=stdin, stdout=subprocess.PIPE if on_line else stdout or subprocess.DEVNULL,
                stderr=subprocess.PIPE, env=environment,
            )
        except FileNotFoundError:
            raise MediaError("permanent", "program_missing", f"The program {arguments[0]} is not installed on the server.",
                             f"Ask the one who runs the server to install the package {arguments[0].replace('ffprobe', 'ffmpeg')}.") from None
        self.name, self.said, self.quiet = os.path.basename(arguments[0]), [], quiet
        self.threads = [threading.Thread(target=self._read_errors, daemon=True)]
        if on_line:
            self.threads.append(threading.Thread(target=self._read_lines, args=(on_line,), daemon=True))
        for thread in self.threads:
            thread.start()

    def _read_errors(self):
        for line in self.process.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            if text and not any(noise in text for noise in NOISE):
                if not self.quiet:
                    log(f"{self.name}: {text}")
                self.said.append(text)
                del self.said[:-STDERR_KEPT]

    def _read_lines(self, on_line):
        for line in self.process.stdout:
            on_line(line.decode("utf-8", "replace").strip())

    def wait(self):
        """Its exit status, when all that it said is read."""
        status = self.process.wait()
        for thread in self.threads:
            thread.join()
        if self.quiet and status != 0:
            log(self.why())
        return status

    def finish(self, otherwise):
        """Waits for its end; raises what failure() makes of a bad one. Whatever happens, it runs no more."""
        try:
            status = self.wait()
        except BaseException:
            self.kill()
            raise
        # ffmpeg ends well even when there was no room for the last part of the file.
        if status != 0 or any(words in self.why() for words in (NO_SPACE, FILE_TOO_LARGE)):
            raise failure(self, otherwise)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def why(self):
        """All that is kept of what it said, as one text."""
        return "\n".join(self.said)


def failure(program, otherwise):
    """The error that an ended program stands for: want of space or memory if that was the cause, else `otherwise`."""
    said, status = program.why(), program.process.returncode
    if NO_SPACE in said:
        return MediaError("resource", "disk_full", "The disk is full.", "Free some disk space and try again.", "free_disk_space")
    if status == -signal.SIGXFSZ or FILE_TOO_LARGE in said:
        return MediaError("permanent", "file_too_large", "The result became larger than the server allows.",
                          "Choose a lower quality or a shorter piece.", "reduce_quality")
    if "Cannot allocate memory" in said or "malloc of size" in said or "pthread_create failed" in said:
        return MediaError("resource", "out_of_memory", "There is not enough memory for this.", "Choose a lower quality.", "reduce_quality")
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        return MediaError("unknown", "program_crashed", f"The program {program.name} was ended by the signal {name}.",
                          "Try again; if it stays so, choose a lower quality or another file.")
    return otherwise


def ffmpeg_command(*arguments):
    """ffmpeg as all of us run it: it asks nothing, overwrites, and tells only what is wrong."""
    return ["ffmpeg", "-hide_banner", "-nostdin", "-y", "-loglevel", "repeat+level+warning", "-nostats",
            "-filter_threads", str(THREADS), "-filter_complex_threads", str(THREADS), *map(str, arguments)]


def progress_lines(on_seconds):
    """Reads the lines of ffmpeg's -progress; on_seconds gets how much of the result is made."""
    def on_line(line):
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.lstrip("-").isdigit():
            on_seconds(max(0, int(value)) / 1e6)
    return on_line


def start_ffmpeg(arguments, on_seconds=None, stdin=subprocess.DEVNULL, stdout=None):
    if on_seconds is None:
        return Program(ffmpeg_command(*arguments), stdin=stdin, stdout=stdout)
    return Program(ffmpeg_command("-progress", "pipe:1", "-stats_period", "0.25", *arguments), stdin=stdin,
                   on_line=progress_lines(on_seconds))


def run_ffmpeg(arguments, otherwise, on_seconds=None):
    """Runs it to its end; raises what failure() makes of it. Returns the program, for what it said."""
    program = start_ffmpeg(arguments, on_seconds)
    program.finish(otherwise)
    return program


# ---- previews ----


class Previews:
    """A small picture of the work, now and then.

    One more output of ffmpeg writes it, chosen by the clock on the wall, so it costs the same at any speed. The file is
    written under another name and renamed by ffmpeg (atomic_writing), and announced when it is new.
    """

    # The picture is chosen before it is scaled: what is not shown costs nothing.
    FILTER = (f"select='if(gte(time(0),ld(1)),st(1,time(0)+{PREVIEW_EVERY_S})*0+1,0)',"
              f"scale={PREVIEW_WIDTH}:{PREVIEW_WIDTH}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bilinear,"
              "setsar=1,format=yuvj420p")

    def __init__(self, project_path, progress, name="preview.jpg"):
        self.path, self.name, self.announce = os.path.join(project_path, name), name, progress.preview
        self.shown, self.next = None, 0.0

    def output(self, source):
        """Arguments for one more output, of the pad or stream `source`, already passed through FILTER."""
        return ["-map", source, "-an", "-sn", "-dn", "-fps_mode", "passthrough", "-c:v", "mjpeg", "-q:v", "5", "-f", "image2",
                "-update", "1", "-atomic_writing", "1", "file:" + self.path]

    def look(self):
        """Called with each report of progress."""
        try:
            changed = os.stat(self.path).st_mtime_ns
        except OSError:
            return
        if changed != self.shown and time.monotonic() >= self.next:
            self.shown, self.next = changed, time.monotonic() + PREVIEW_EVERY_S * 0.9
            self.announce(self.name)


def waveform(path, project_path, progress):
    """A preview of a recording: the picture of its sound."""
    made = os.path.join(project_path, "waveform.jpg")
    run_ffmpeg(["-f", "wav", "-i", "file:" + path, "-filter_complex",
                f"showwavespic=s={PREVIEW_WIDTH}x120:colors=#5ab0ff,format=yuvj420p", "-frames:v", "1", "-c:v", "mjpeg", "-f", "image2",
                "-update", "1", "file:" + made], MediaError("unknown", "preview_failed", "The sound could not be drawn.", "Try again."))
    progress.preview("waveform.jpg")


# ---- looking at files ----


def uploaded_names(request, parameters, name):
    """What people call the files of an input, in its order; "number 3" where nothing is known."""
    value = parameters.get(name)
    count = len(value) if isinstance(value, list) else 1
    files = (request.get("uploads") or {}).get(name)
    files = files if isinstance(files, list) else [files]
    names = [(file or {}).get("name") for file in files] if len(files) == count else [None] * count
    return [f"“{given}”" if given else f"number {number}" for number, given in enumerate(names, 1)]


def source(path):
    """Arguments that open a media file of unknown origin."""
    return ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i", "file:" + path]


def probe_command(*arguments):
    return ["ffprobe", "-hide_banner", "-loglevel", "repeat+level+error", "-print_format", "json", "-show_format", "-show_streams", *arguments]


def probe_json(arguments, otherwise):
    """What ffprobe says; raises `otherwise` if it cannot read the file."""
    lines = []
    program = Program(probe_command(*arguments), on_line=lines.append)
    program.finish(otherwise)
    return json.loads("\n".join(lines) or "{}")


def unreadable(name, kind):
    word = {"video": "a video", "audio": "sound"}[kind]
    return MediaError("validation", f"{kind}_unreadable", f"The file {name} cannot be read as {word}: it is damaged, not whole, or something else.",
                      "Check that it plays on your computer, or export it again, and choose that file.")


def probe(path, name, kind):
    """ffprobe's view of a file with video or audio (`kind`), with at least one stream."""
    if os.path.getsize(path) == 0:
        raise MediaError("validation", "file_empty", f"The file {name} is empty.", "Choose the file again; perhaps it was not copied to its end.")
    broken = unreadable(name, kind)
    found = probe_json(source(path), broken)
    if not found.get("streams"):
        raise broken
    return found


def number(value, fallback=0.0):
    try:
        result = float(value)
    except (TypeError, ValueError):
        return fallback
    return result if result == result and abs(result) < 1e15 else fallback


def ratio(text, fallback=None):
    """'30000/1001' or '64:45' as a Fraction; the fallback for '0/0' and the like."""
    match = re.fullmatch(r"(\d{1,9})[/:](\d{1,9})", str(text or ""))
    if not match or int(match[1]) == 0 or int(match[2]) == 0:
        return fallback
    return Fraction(int(match[1]), int(match[2]))


def pictures_of(found):
    """The first stream of moving pictures (a cover in a sound file is none), or None."""
    for stream in found.get("streams", ()):
        if stream.get("codec_type") == "video" and not (stream.get("disposition") or {}).get("attached_pic"):
            return stream
    return None


def sounds_of(found):
    """The streams of sound that can be decoded."""
    return [stream for stream in found.get("streams", ())
            if stream.get("codec_type") == "audio" and stream.get("codec_name") and int(number(stream.get("channels"))) > 0]


def stream_seconds(found, stream):
    """How long it lasts as far as the file says, else 0."""
    return number(stream.get("duration")) or number((found.get("format") or {}).get("duration"))


def sound_seconds(path, name, found):
    """How long the first sound lasts; counted by decoding it where the file does not say."""
    streams = sounds_of(found)
    if not streams:
        raise MediaError("validation", "no_sound", f"There is no sound in {name}.", "Choose a file with sound, for example WAV, MP3 or M4A.")
    seconds = stream_seconds(found, streams[0])
    if seconds <= 0:
        heard = [0.0]
        run_ffmpeg([*source(path), "-map", f"0:{streams[0]['index']}", "-f", "null", "-"], MediaError(
            "validation", "audio_unreadable", f"The sound in {name} cannot be read.", "Export it again, for example as WAV, and choose that."),
            lambda done: heard.__setitem__(0, max(heard[0], done)))
        seconds = heard[0]
    if seconds < 0.01:
        raise MediaError("validation", "file_empty", f"The sound in {name} has no length.", "Choose a file with sound in it.")
    return seconds


# ---- pictures ----


class Picture:
    """A still picture that was looked at: how to open it, its size as it is to be seen, how to turn it."""

    # EXIF orientation to filters that put the picture upright.
    TURNS = {2: "hflip", 3: "hflip,vflip", 4: "vflip", 5: "transpose=cclock_flip", 6: "transpose=clock", 7: "transpose=clock_flip", 8: "transpose=cclock"}

    def __init__(self, path, name):
        self.path, self.name = path, name
        with open(path, "rb") as file:
            head = file.read(32)
        if not head:
            raise MediaError("validation", "file_empty", f"{name} is empty.", "Choose the file again; perhaps it was not copied to its end.")
        self.demuxer = self._demuxer(head)
        streams = probe_json(self.source(), self.unreadable()).get("streams") or []
        if not streams or not streams[0].get("width") or not streams[0].get("height"):
            raise self.unreadable()
        width, height = int(streams[0]["width"]), int(streams[0]["height"])
        if width * height > PICTURE_PIXELS:
            raise MediaError("validation", "picture_too_large", f"{name} is too large: {width} × {height}.",
                             f"Make it smaller, to at most {PICTURE_PIXELS // 1_000_000} megapixels.", "reduce_size")
        self.alpha = self._has_alpha(streams[0].get("pix_fmt") or "")
        self.turn = self.TURNS.get(orientation(path))
        self.stored = width, height
        self.width, self.height = (height, width) if "transpose" in (self.turn or "") else (width, height)

    def _demuxer(self, head):
        for offset, magic, demuxer in PICTURES:
            if head[offset : offset + len(magic)] == magic:
                return demuxer
        if head[4:8] == b"ftyp":
            raise MediaError("validation", "picture_unsupported", f"{self.name} is a HEIC or AVIF picture, or a video; such pictures cannot be used yet.",
                             "Save the picture as JPEG or PNG and choose that.")
        raise self.unreadable()

    @staticmethod
    def _has_alpha(format_):
        return format_ == "pal8" or format_.startswith(("rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya8", "ya16"))

    def unreadable(self):
        return MediaError("validation", "picture_unreadable", f"{self.name} is not a picture that can be read, or it is damaged.",
                          "Take it out, or save it again as JPEG or PNG and choose that.")

    def source(self):
        """Arguments that open it. Never turned by ffmpeg: not all versions know the orientation of all kinds of pictures."""
        options = ["-apply_trc", "iec61966_2_1"] if self.demuxer == "exr_pipe" else []
        return ["-protocol_whitelist", "file", "-format_whitelist", self.demuxer, "-f", self.demuxer, *options, "-i", "file:" + self.path]

    def check(self):
        """Decodes it: half a picture must not come to light an hour later."""
        program = run_ffmpeg(["-noautorotate", *self.source(), "-frames:v", "1", "-f", "null", "-"], self.unreadable())
        if re.search(r"overread|[Tt]runcated|Error while decoding|Output file is empty", program.why()):
            raise self.unreadable()


def orientation(path):
    """The EXIF orientation, 1 to 8, of a JPEG, PNG, WebP or TIFF file; 1 if it has none."""
    try:
        with open(path, "rb") as file:
            block = exif_block(file)
            return exif_orientation(block) if block else 1
    except (OSError, ValueError, IndexError):
        return 1


def exif_block(file):
    """The TIFF structure of EXIF as bytes (its first 64 KiB), or None."""
    head = file.read(12)
    if head[:2] == b"\xff\xd8":
        file.seek(2)
        while True:
            marker = file.read(4)
            if len(marker) < 4 or marker[0] != 0xFF or marker[1] in (0xDA, 0xD9):
                return None
            size = int.from_bytes(marker[2:], "big") - 2
            data = file.read(size)
            if marker[1] == 0xE1 and data[:6] == b"Exif\0\0":
                return data[6:]
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return find_chunk(file, 8, "big", lambda size, kind: kind == b"eXIf", trailer=4, pad=False)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        block = find_chunk(file, 12, "little", lambda size, kind: kind == b"EXIF", trailer=0, pad=True)
        return block[6:] if block and block[:6] == b"Exif\0\0" else block
    if head[:4] in (b"II*\0", b"MM\0*"):
        return read_tiff_directory(file, head)
    return None


def find_chunk(file, start, order, wanted, trailer, pad):
    """The chunk of a PNG (length, kind) or RIFF (kind, length) file that is wanted."""
    file.seek(start)
    while True:
        head = file.read(8)
        if len(head) < 8:
            return None
        kind, length = (head[4:], head[:4]) if order == "big" else (head[:4], head[4:])
        size = int.from_bytes(length, order)
        if wanted(size, kind):
            return file.read(min(size, 65536))
        file.seek(size + trailer + (size % 2 if pad else 0), os.SEEK_CUR)


def read_tiff_directory(file, head):
    """A TIFF file may have its directory anywhere: it is moved behind a head of its own."""
    order = "little" if head[:2] == b"II" else "big"
    file.seek(int.from_bytes(head[4:8], order))
    return head[:4] + (8).to_bytes(4, order) + file.read(65536)


def exif_orientation(block):
    order = "little" if block[:2] == b"II" else "big"
    at = int.from_bytes(block[4:8], order)
    for entry in range(int.from_bytes(block[at : at + 2], order)):
        field = block[at + 2 + 12 * entry : at + 14 + 12 * entry]
        if len(field) < 12:
            break
        if int.from_bytes(field[:2], order) == 0x0112:
            value = int.from_bytes(field[8:10], order)
            return value if 1 <= value <= 8 else 1
    return 1


# ---- sizes and encoders ----


def even(value):
    """The nearest even number, at least 2: most formats store colour for pairs of pixels."""
    return max(2, 2 * round(value / 2))


def fit(width, height, most_width, most_height):
    """The size within a box that is as it is for wide pictures, and stands for tall ones; never larger than it was."""
    if height > width:
        most_width, most_height = most_height, most_width
    scale = min(1, most_width / width, most_height / height)
    return even(width * scale), even(height * scale)


X264_PRESETS = {1: "veryfast", 2: "fast", 3: "medium", 4: "slow"}


def effort_of(parameters):
    return min(4, max(1, int(parameters["effort"])))


def x264_arguments(crf, effort, rate):
    """H.264 that plays everywhere; a key frame every two seconds, so that one can search in it."""
    return ["-c:v", "libx264", "-preset", X264_PRESETS[effort], "-crf", f"{crf:g}", "-profile:v", "high", "-pix_fmt", "yuv420p",
            "-g", str(max(1, round(2 * rate))), "-threads", str(THREADS)]


# Where the index is at the beginning, a player can begin before it has the whole file.
MP4_ARGUMENTS = ["-movflags", "+faststart", "-f", "mp4"]
# Nothing of the source's own remarks (places, names of devices) gets into the result.
PLAIN_METADATA = ["-map_metadata", "-1", "-map_chapters", "-1"]
