"""Slideshows: still pictures, each for some seconds, with crossfades, gentle motion and sound.

One ffmpeg encodes the whole film from raw frames on its standard input. The frames come from one ffmpeg after the other,
one for each picture: it shows the picture and then the crossfade to the next. So only two pictures are in memory at a
time, however many there are, and no frame is compressed twice. Each picture is first laid out on a plate, a raw still of
the working size, so that large pictures are in memory one by one.

Gentle motion moves the frame over the picture by fractions of a pixel (the filter perspective, 1/256 of one): zoompan
moves by whole pixels, which one sees as a tremble. The picture is laid out larger than the film ("supersample") and
scaled down after the motion, which keeps the sharpness even while it moves.
"""

import fcntl
import os
import random

import media
from media import MediaError

ASPECTS = {"16:9": (16, 9), "2.39:1": (239, 100), "4:3": (4, 3), "1:1": (1, 1), "9:16": (9, 16)}
ZOOM_PER_S = 0.016      # share of the frame that motion takes, for each second of a picture
ZOOM_MOST = 0.10
NEARLY = 0.02           # a picture whose shape differs by less fills the frame
BLUR_DARKER = 0.6
TRANSITION_MOST = 0.75  # of the time of a picture
FADE_MOST_S = 3.0
PIPE_BYTES = 1 << 20


def frame_size(width, height, aspect):
    """The largest even size of that shape in the box, which stands for tall shapes."""
    across, down = ASPECTS[aspect]
    if down > across:
        width, height = height, width
    scale = min(width / across, height / down)
    return media.even(across * scale), media.even(down * scale)


def plain_color(text):
    """'#rgb', '#rrggbb' or '#rrggbbaa' as ffmpeg writes it; black if there is none. A ground cannot be transparent."""
    digits = (text or "#000000").lstrip("#")
    return "0x" + ("".join(digit * 2 for digit in digits) if len(digits) == 3 else digits[:6])


class Timing:
    """Which picture is to be seen in which frames. Crossfades lie around the bounds between pictures, so each picture has
    its seconds, and the film is as long as all together."""

    def __init__(self, count, seconds, transition, rate):
        self.bounds = [round(number * seconds * rate) for number in range(count + 1)]
        shortest = min(after - before for before, after in zip(self.bounds, self.bounds[1:]))
        self.fade = min(round(transition * rate), int(shortest * TRANSITION_MOST)) if count > 1 else 0
        self.before, self.after = self.fade // 2, self.fade - self.fade // 2
        self.count, self.total = count, self.bounds[-1]

    def shown(self, number):
        """First frame of a picture, and the one after its last, with its crossfades."""
        first = self.bounds[number] - (self.before if number else 0)
        end = self.bounds[number + 1] + (self.after if number + 1 < self.count else 0)
        return first, end

    def segment(self, number):
        """The frames that are made together: the picture alone, then the crossfade to the next."""
        first = self.bounds[number] + (self.after if number else 0)
        return first, self.shown(number)[1]


class Slideshow:
    """Makes one film of still pictures."""

    def get_backend_type(self):
        return "script"

    def get_parameter_schema(self):
        return {
            "type": "object",
            "required": ["images"],
            "properties": {
                "images": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 200},
                "seconds": {"type": "number", "minimum": 0.5, "maximum": 60},
                "transition": {"type": "number", "minimum": 0, "maximum": 5},
                "motion": {"enum": ["gentle", "none"]},
                "fit": {"enum": ["whole", "fill"]},
                "background": {"type": "string"},
                "aspect": {"enum": list(ASPECTS)},
                "audio": {"type": "string"},
                "width": {"type": "integer", "minimum": 64, "maximum": 8192},
                "height": {"type": "integer", "minimum": 64, "maximum": 8192},
                "fps": {"type": "number", "minimum": 1, "maximum": 120},
                "crf": {"type": "number", "minimum": 0, "maximum": 51},
                "effort": {"type": "integer", "minimum": 1, "maximum": 4},
                "supersample": {"type": "number", "minimum": 1, "maximum": 2},
                "audio_kbps": {"type": "integer", "minimum": 32, "maximum": 512},
            },
        }

    def execute(self, parameters, quality, project_path, progress):
        self.parameters, self.progress, self.folder = parameters, progress, project_path
        self.rate = parameters["fps"]
        self.width, self.height = frame_size(parameters["width"], parameters["height"], parameters["aspect"])
        self.work = media.even(self.width * parameters["supersample"]), media.even(self.height * parameters["supersample"])
        self.random = random.Random((getattr(self, "fnr_request", {}) or {}).get("seed") or 0)

        self.pictures = self._look_at_pictures()
        self.timing = Timing(len(self.pictures), parameters["seconds"], parameters["transition"], self.rate)
        self.motions = [self._motion(number) for number in range(len(self.pictures))]
        sound = self._look_at_sound()

        path = os.path.join(project_path, "slideshow.mp4")
        self._render(path, sound, media.Previews(project_path, progress))
        progress(0.5, "Filing your film…", stage="finalization")
        film = self._check(path)
        progress(1.0, stage="finalization")
        return {"outputs": {"video": path}, "result": film}

    # -- what there is --

    def _look_at_pictures(self):
        request = getattr(self, "fnr_request", {}) or {}
        paths = self.parameters["images"]
        names = media.uploaded_names(request, self.parameters, "images")
        known, pictures = {}, []
        for number, (path, name) in enumerate(zip(paths, names), 1):
            self.progress((number - 1) / len(paths), f"Laying out your pictures… {number} of {len(paths)}", stage="preparation")
            if path not in known:
                known[path] = media.Picture(path, f"Picture {number} ({name})" if name.startswith("“") else f"Picture {number}")
                known[path].check()
                self._remark(known[path])
            pictures.append(known[path])
        self.progress(1.0, stage="preparation")
        return pictures

    def _remark(self, picture):
        scale = min(self.width / picture.width, self.height / picture.height)
        if scale > 2:
            media.log(f"{picture.name} is small ({picture.width} × {picture.height}) and will look soft: it is enlarged {scale:.1f} times")

    def _look_at_sound(self):
        """The arguments that open the sound, its filter, or None."""
        path = self.parameters.get("audio")
        if not path:
            return None
        (name,) = media.uploaded_names(getattr(self, "fnr_request", {}) or {}, self.parameters, "audio")
        found = media.probe(path, name, "audio")
        lasts = media.sound_seconds(path, name, found)
        film = self.timing.total / self.rate
        end = min(lasts, film)
        fade = min(FADE_MOST_S, end / 4)
        # Silence after a sound that is shorter than the pictures: a film whose sound ends early confuses some players.
        filters = (f"asetpts=PTS-STARTPTS,aresample=48000:async=1:first_pts=0,aformat=channel_layouts=stereo,atrim=end={end:.4f},"
                   f"afade=t=out:st={end - fade:.4f}:d={fade:.4f},apad=whole_dur={film:.4f},atrim=end={film:.4f}")
        return [*media.source(path)], f"[1:{media.sounds_of(found)[0]['index']}]{filters}[sound]"

    # -- motion --

    def _motion(self, number):
        """The frame over the laid out picture at its first and its last moment: two rectangles (left, top, width, height)
        of the unit square. In turn they go in and out, and towards another side."""
        first, end = self.timing.shown(number)
        whole = (0.0, 0.0, 1.0, 1.0)
        if self.parameters["motion"] == "none":
            return whole, whole
        size = 1 - min(ZOOM_MOST, ZOOM_PER_S * (end - first) / self.rate)
        # never quite to a corner, which would look like a slip
        part = (self.random.uniform(0.2, 0.8) * (1 - size), self.random.uniform(0.2, 0.8) * (1 - size), size, size)
        return (whole, part) if number % 2 == 0 else (part, whole)

    def _motion_filter(self, number, skipped):
        """skipped: so many frames of the picture were shown before this ffmpeg began."""
        start, last = self.motions[number]
        if start == last:
            return None
        first, end = self.timing.shown(number)
        width, height = self.work

        def moving(before, after):
            return f"{before:.5f}+({after - before:.7f})*min(1,(on+{skipped})/{max(1, end - first - 1)})"

        left, right = (start[0] * width, last[0] * width), ((start[0] + start[2]) * width, (last[0] + last[2]) * width)
        top, bottom = (start[1] * height, last[1] * height), ((start[1] + start[3]) * height, (last[1] + last[3]) * height)
        corners = {"x0": left, "y0": top, "x1": right, "y1": top, "x2": left, "y2": bottom, "x3": right, "y3": bottom}
        values = ":".join(f"{name}='{moving(*ends)}'" for name, ends in corners.items())
        return f"perspective={values}:interpolation=cubic:sense=source:eval=frame"

    # -- one picture --

    def _layout(self, picture):
        """The filter graph that makes the picture to a plate, in [plate]."""
        width, height = self.work
        upright = ",".join(filter(None, ["trim=end_frame=1", picture.turn, "setsar=1"]))
        color = self.parameters.get("background")
        lanczos = "flags=lanczos+accurate_rnd+full_chroma_int:out_color_matrix=bt709:out_range=tv"
        if picture.alpha:
            # Put on its ground before it is scaled, so that the colours which nobody sees do not shine through its edges.
            steps = [f"color=c={plain_color(color)}:s={picture.width}x{picture.height}:r=1,trim=end_frame=1,format=rgb24[ground]",
                     f"[0:v]{upright},format=rgba[seen]", "[ground][seen]overlay=format=rgb,trim=end_frame=1[upright]"]
        else:
            steps = [f"[0:v]{upright}[upright]"]
        cover = max(width / picture.width, height / picture.height)
        contain = min(width / picture.width, height / picture.height)
        if self.parameters["fit"] == "fill" or cover / contain - 1 < NEARLY:
            across, down = max(width, media.even(picture.width * cover)), max(height, media.even(picture.height * cover))
            return [*steps, f"[upright]scale={across}:{down}:{lanczos},format=yuv444p,crop={width}:{height}[plate]"]
        across, down = media.even(picture.width * contain), media.even(picture.height * contain)
        if color or picture.alpha:
            steps.append(f"color=c={plain_color(color)}:s={width}x{height}:r=1,trim=end_frame=1,scale={lanczos},format=yuv444p[back]")
            steps.append("[upright]null[front]")
        else:
            # A blur of a very small copy is as soft, and costs nothing.
            small = f"{media.even(width / 24)}:{media.even(height / 24)}"
            steps.append("[upright]split[front][copy]")
            steps.append(f"[copy]scale={small}:force_original_aspect_ratio=increase:flags=area:out_color_matrix=bt709:out_range=tv,"
                         f"format=yuv444p,crop={small},gblur=sigma=2,"
                         f"lutyuv=y='16+(val-16)*{BLUR_DARKER}':u='128+(val-128)*{BLUR_DARKER}':v='128+(val-128)*{BLUR_DARKER}',"
                         f"scale={width}:{height}:flags=bicubic[back]")
        return [*steps, f"[front]scale={across}:{down}:{lanczos},format=yuv444p[fitted]",
                "[back][fitted]overlay=(W-w)/2:(H-h)/2:format=yuv444,trim=end_frame=1[plate]"]

    def _plate(self, number):
        """The file with the laid out picture; it is there until it was shown."""
        path = os.path.join(self.folder, f"plate{number}.yuv")
        if not os.path.exists(path):
            picture = self.pictures[number]
            media.run_ffmpeg(["-noautorotate", *picture.source(), "-filter_complex", ";".join(self._layout(picture)), "-map", "[plate]",
                              "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuv444p", "file:" + path], picture.unreadable())
        return path

    def _moving(self, number, stream, skipped):
        """From the plate to an endless film."""
        still = f"loop=loop=-1:size=1:start=0,settb=1/{self.rate},setpts=N,fps={self.rate}"
        small = f"scale={self.width}:{self.height}:flags=bicubic+accurate_rnd:in_color_matrix=bt709:out_color_matrix=bt709,format=yuv420p,setsar=1"
        motion = self._motion_filter(number, skipped)
        # What does not move is scaled once.
        return f"[{stream}:v]" + (f"{still},{motion},{small}" if motion else f"{small},{still}")

    def _segment_arguments(self, number):
        first, end = self.timing.segment(number)
        fade = self.timing.fade if number + 1 < self.timing.count else 0
        size = f"{self.work[0]}x{self.work[1]}"
        inputs = []
        for each in (number, number + 1) if fade else (number,):
            inputs += ["-f", "rawvideo", "-pix_fmt", "yuv444p", "-video_size", size, "-i", "file:" + self._plate(each)]
        graph = self._moving(number, 0, first - self.timing.shown(number)[0])
        if fade:
            alone = end - first - fade
            graph = (f"{graph}[now];{self._moving(number + 1, 1, 0)}[next];"
                     f"[now][next]xfade=transition=fade:duration={fade / self.rate:.6f}:offset={alone / self.rate:.6f}")
        return [*inputs, "-filter_complex", f"{graph}[film]", "-map", "[film]", "-frames:v", str(end - first), "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"]

    # -- the film --

    def _render(self, path, sound, previews):
        seconds = self.timing.total / self.rate
        pieces = {"at": 1}

        def on_seconds(done):
            count = self.timing.count
            self.progress(min(1.0, done / seconds), f"Filming picture {pieces['at']} of {count}…")
            previews.look()

        self.progress(0.0, "Filming your pictures…")
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # a frame is larger than a pipe usually is
        try:
            encoder = media.start_ffmpeg(self._encoder_arguments(path, sound, previews), on_seconds, stdin=reading)
        finally:
            os.close(reading)
        try:
            try:
                for number in range(self.timing.count):
                    pieces["at"] = number + 1
                    self._render_segment(number, writing, encoder)
            finally:
                os.close(writing)
            encoder.finish(self._not_made())
        except BaseException:
            encoder.kill()
            raise

    def _render_segment(self, number, writing, encoder):
        program = media.start_ffmpeg(self._segment_arguments(number), stdout=writing)
        try:
            status = program.wait()
        except BaseException:
            program.kill()
            raise
        if encoder.process.poll() not in (None, 0):  # then this one only had nobody to write to
            encoder.finish(self._not_made())
        if status != 0:
            raise media.failure(program, self._not_made())
        os.unlink(self._plate(number))

    @staticmethod
    def _not_made():
        return MediaError("unknown", "encoding_failed", "The film could not be made.", "Try again, or without the sound, or in another quality.")

    def _encoder_arguments(self, path, sound, previews):
        crf, effort = self.parameters["crf"], media.effort_of(self.parameters)
        graph = f"[0:v]split[film][small];[small]{previews.FILTER}[preview]"
        arguments = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", f"{self.width}x{self.height}", "-framerate", str(self.rate), "-i", "pipe:0"]
        if sound:
            arguments += sound[0]
            graph += ";" + sound[1]
        arguments += ["-filter_complex", graph, "-map", "[film]"]
        if sound:
            arguments += ["-map", "[sound]", "-c:a", "aac", "-b:a", f"{self.parameters['audio_kbps']}k"]
        return [*arguments, *media.x264_arguments(crf, effort, self.rate), "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709",
                "-color_range", "tv", *media.PLAIN_METADATA, *media.MP4_ARGUMENTS, "file:" + path, *previews.output("[preview]")]

    def _check(self, path):
        """What was made, as it is in the file."""
        found = media.probe(path, "the film", "video")
        stream = media.pictures_of(found)
        seconds = media.stream_seconds(found, stream)
        if abs(seconds - self.timing.total / self.rate) > 2.5 / self.rate:
            raise MediaError("unknown", "encoding_failed", "The film is not whole.", "Try again.")
        return {"seconds": round(seconds, 3), "width": stream["width"], "height": stream["height"], "fps": self.rate,
                "pictures": self.timing.count, "sound": bool(media.sounds_of(found))}
