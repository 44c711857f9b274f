"""Transcoding: a video in another form, for review, delivery, the web or editing.

The frame rate and the shape of the picture stay; its size is only ever reduced. The sound comes along if there is any.
"""

import os
import re
from fractions import Fraction

import media
from media import MediaError

SUFFIX = {"review": "mp4", "delivery": "mp4", "web": "webm", "prores": "mov"}
DELIVERY_FINER = 4              # delivery has a CRF so much lower than review
DELIVERY_EFFORT = 1             # and so many more steps of effort
# VP9 counts its CRF to 63; these look about alike. By the CRF of H.264.
VP9_FROM, VP9_SCALE = 10, 0.9
VP9_SPEED = {1: 6, 2: 4, 3: 2, 4: 1}
SOUNDS_MOST = 16
SHORT_S, SHORT_SHARE = 1.0, 0.1  # a result that misses more than both is not whole
WIDE_TRANSFERS = ("smpte2084", "arib-std-b67")
# From the wide range of brightness (HDR) to what every screen shows.
TONE_MAP = ("zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
            "zscale=t=bt709:m=bt709:r=tv,format=yuv420p")


class Footage:
    """A video that was looked at: its moving pictures as they are to be seen, its sounds, its timecode."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.found = media.probe(path, name, "video")
        self.stream = media.pictures_of(self.found)
        if self.stream is None:
            raise MediaError("validation", "no_picture", f"There are no moving pictures in {name}.", "Choose a video; this looks like sound only.")
        if not self.stream.get("codec_name") or not self.stream.get("width") or not self.stream.get("height"):
            raise self.unreadable()
        width, height = int(self.stream["width"]), int(self.stream["height"])
        if width * height > media.VIDEO_PIXELS:
            raise MediaError("validation", "video_too_large", f"The pictures of {name} are too large: {width} × {height}.",
                             "Make them smaller in the program that they come from.", "reduce_size")
        # Pixels that are not square become square; a phone held upright stores its pictures lying down.
        width *= media.ratio(self.stream.get("sample_aspect_ratio"), Fraction(1))
        self.width, self.height = (height, width) if self._rotation() % 180 else (width, height)
        self.seconds = media.stream_seconds(self.found, self.stream)
        self.sounds = media.sounds_of(self.found)[:SOUNDS_MOST]
        self._rate()
        self.interlaced = self.stream.get("field_order") in ("tt", "bb", "tb", "bt")
        self.wide = self.stream.get("color_transfer") in WIDE_TRANSFERS
        self.rgb = (self.stream.get("pix_fmt") or "").startswith(("rgb", "bgr", "gbr", "argb", "abgr", "rgba", "pal8", "0rgb", "x2rgb"))
        self.timecode = self._timecode()

    def unreadable(self):
        return media.unreadable(self.name, "video")

    def _rotation(self):
        turns = [side.get("rotation") for side in self.stream.get("side_data_list") or () if "rotation" in side]
        return round(media.number(turns[0])) if turns else 0

    def _rate(self):
        """`rate` is what it keeps; `steady` tells whether each frame lasts equally long."""
        nominal, average = media.ratio(self.stream.get("r_frame_rate")), media.ratio(self.stream.get("avg_frame_rate"))
        self.steady = bool(nominal and average and abs(nominal - average) / nominal < 0.02 and nominal <= 240)
        rate = nominal if self.steady else average or nominal or Fraction(25)
        rate = min(rate, Fraction(240))
        usual = [Fraction(n) for n in (12, 15, 24, 25, 30, 48, 50, 60, 100, 120)] + [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)]
        nearest = min(usual, key=lambda each: abs(each - rate))
        self.rate = nearest if not self.steady and abs(nearest - rate) / rate < 0.02 else rate.limit_denominator(1001)

    def _timecode(self):
        """That of its first frame as the file says, if the frame rate can have it; else zero."""
        tags = [self.stream.get("tags") or {}, (self.found.get("format") or {}).get("tags") or {}]
        tags += [stream.get("tags") or {} for stream in self.found["streams"] if stream.get("codec_tag_string") == "tmcd"]
        for text in (tag.get("timecode", "") for tag in tags):
            match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)([:;.])(\d{2})", text)
            drops = match and match[4] != ":"
            if match and int(match[5]) < round(self.rate) and (not drops or self.rate in (Fraction(30000, 1001), Fraction(60000, 1001))):
                return text.replace(".", ";")
        return None


class Transcode:
    """Puts one video into another form."""

    def get_backend_type(self):
        return "script"

    def get_parameter_schema(self):
        return {
            "type": "object",
            "required": ["video"],
            "properties": {
                "video": {"type": "string"},
                "target": {"enum": list(SUFFIX)},
                "timecode": {"type": "boolean"},
                "width": {"type": "integer", "minimum": 16, "maximum": 8192},
                "height": {"type": "integer", "minimum": 16, "maximum": 8192},
                "crf": {"type": "number", "minimum": 0, "maximum": 51},
                "effort": {"type": "integer", "minimum": 1, "maximum": 4},
                "audio_kbps": {"type": "integer", "minimum": 32, "maximum": 512},
            },
        }

    def execute(self, parameters, quality, project_path, progress):
        self.parameters, self.progress, self.target = parameters, progress, parameters["target"]
        progress(0.1, "Looking at your video…", stage="preparation")
        (name,) = media.uploaded_names(getattr(self, "fnr_request", {}) or {}, parameters, "video")
        self.footage = Footage(parameters["video"], name)
        self.width, self.height = media.fit(self.footage.width, self.footage.height, parameters["width"], parameters["height"])
        progress(1.0, stage="preparation")

        path = os.path.join(project_path, f"{self.target}.{SUFFIX[self.target]}")
        self._convert(path, media.Previews(project_path, progress))
        progress(0.5, "Checking the result…", stage="finalization")
        result = self._check(path)
        progress(1.0, stage="finalization")
        return {"outputs": {"video": path}, "result": result}

    # -- the picture --

    def _filters(self):
        footage, steps = self.footage, []
        if footage.interlaced:
            steps.append("bwdif=mode=send_frame:deint=interlaced")
        if self.parameters["timecode"] or self.target == "prores":
            steps.append(f"fps={footage.rate}")  # a timecode counts frames, and editing programs want them equally long
        matrix = ":out_color_matrix=bt709:out_range=tv" if footage.rgb else ""
        steps.append(f"scale={self.width}:{self.height}:flags=lanczos+accurate_rnd{matrix},setsar=1")
        if footage.wide and self.target != "prores":
            steps.append(TONE_MAP)
        if self.parameters["timecode"]:
            steps.append("format=yuv420p" if self.target != "prores" else "format=yuv422p10le")
            steps.append(self._timecode_filter())
        return ",".join(steps)

    def _timecode_filter(self):
        size = max(10, round(min(self.width, self.height) * 0.05))
        start = (self.footage.timecode or "00:00:00:00").replace(":", r"\:").replace(";", r"\;")
        return (f"drawtext=font=Noto Sans Mono:fontsize={size}:fontcolor=white:box=1:boxcolor=black@0.55:boxborderw={max(2, size // 4)}:"
                f"x=(w-tw)/2:y=h-th-{size}:timecode='{start}':rate={self.footage.rate}")

    def _picture_arguments(self):
        crf, effort, rate = self.parameters["crf"], media.effort_of(self.parameters), self.footage.rate
        colors = []
        if self.footage.rgb or (self.footage.wide and self.target != "prores"):
            colors = ["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"]
        if self.target == "review":
            return [*media.x264_arguments(crf, effort, rate), *colors]
        if self.target == "delivery":
            return [*media.x264_arguments(max(0, crf - DELIVERY_FINER), min(4, effort + DELIVERY_EFFORT), rate), *colors]
        if self.target == "web":
            return ["-c:v", "libvpx-vp9", "-crf", str(min(63, round(VP9_FROM + crf * VP9_SCALE))), "-b:v", "0", "-deadline", "good",
                    "-cpu-used", str(VP9_SPEED[effort]), "-row-mt", "1", "-tile-columns", "2", "-threads", str(media.THREADS),
                    "-g", str(max(1, round(5 * rate))), "-pix_fmt", "yuv420p", *colors]
        return ["-c:v", "prores_ks", "-profile:v", "hq", "-vendor", "apl0", "-pix_fmt", "yuv422p10le", "-threads", str(media.THREADS), *colors]

    # -- the sound --

    def _sound_arguments(self):
        sounds = self.footage.sounds if self.target in ("delivery", "prores") else self.footage.sounds[:1]
        arguments = []
        for number, sound in enumerate(sounds):
            channels = int(media.number(sound.get("channels")))
            arguments += ["-map", f"0:{sound['index']}"]
            if self.target == "prores":
                continue  # as it is
            layout = "mono" if channels == 1 else "5.1" if channels >= 6 and self.target == "delivery" else "stereo"
            arguments += [f"-filter:a:{number}", f"aformat=channel_layouts={layout}",
                          f"-b:a:{number}", f"{self.parameters['audio_kbps'] * (3 if layout == '5.1' else 1)}k"]
        codec = {"web": "libopus", "prores": "pcm_s24le"}.get(self.target, "aac")
        return [*arguments, "-c:a", codec, "-ar", "48000"] if sounds else ["-an"]

    # -- the work --

    def _arguments(self, path, previews):
        footage = self.footage
        graph = f"[0:{footage.stream['index']}]{self._filters()},split[film][small];[small]{previews.FILTER}[preview]"
        arguments = [*media.source(footage.path), "-filter_complex", graph, "-map", "[film]", *self._sound_arguments(), *self._picture_arguments(),
                     "-sn", "-dn", *media.PLAIN_METADATA, "-max_muxing_queue_size", "4096"]
        if footage.steady:
            arguments += ["-r", str(footage.rate)]
        if footage.timecode and self.target in ("delivery", "prores"):
            arguments += ["-metadata", f"timecode={footage.timecode}"]
        if self.target == "web":
            arguments += ["-f", "webm"]
        else:
            arguments += ["-movflags", "+faststart", "-f", SUFFIX[self.target]]
        return [*arguments, "file:" + path, *previews.output("[preview]")]

    def _convert(self, path, previews):
        words = {"review": "Making your review copy…", "delivery": "Making your delivery…", "web": "Making your video for the web…",
                 "prores": "Making your ProRes film…"}[self.target]
        seconds = self.footage.seconds

        def on_seconds(done):
            # Where the file does not say how long it is, the work at least moves on.
            self.progress(min(1.0, done / seconds) if seconds > 0 else 1 - 1 / (1 + done / 60), words)
            previews.look()

        self.progress(0.0, words)
        media.run_ffmpeg(self._arguments(path, previews), self.footage.unreadable(), on_seconds)

    def _check(self, path):
        """What was made, as it is in the file. Damaged footage ends early without an error of its own."""
        try:
            found = media.probe(path, "the result", "video")
        except MediaError:
            raise self.footage.unreadable() from None
        stream = media.pictures_of(found)
        if stream is None or not stream.get("width"):
            raise self.footage.unreadable()
        seconds, wanted = media.stream_seconds(found, stream), self.footage.seconds
        if wanted - seconds > max(SHORT_S, wanted * SHORT_SHARE):
            raise MediaError("validation", "video_damaged", f"{self.footage.name} is damaged: of its {wanted:.1f} seconds only {seconds:.1f} can be read.",
                             "Copy or export the video again and choose that.")
        return {"seconds": round(seconds, 3), "width": stream["width"], "height": stream["height"], "fps": round(float(self.footage.rate), 3),
                "codec": stream["codec_name"], "sounds": len(media.sounds_of(found)), "bytes": os.path.getsize(path)}
