"""Many pictures on one sheet, drawn by cairo, with words set by Pango. How pictures are read is in pictures.py."""

import math
import os
import shutil
import subprocess
import time

import cairo
import gi
import numpy

gi.require_version("Pango", "1.0")
gi.require_version("PangoCairo", "1.0")
from gi.repository import Pango, PangoCairo  # noqa: E402

import pictures  # noqa: E402
from pictures import PictureError  # noqa: E402

FAMILY = "Noto Sans, Noto Sans Arabic, Noto Sans Hebrew, Noto Sans CJK SC, sans-serif"
PIXELS_MOST = 60_000_000
SIDE_MOST = 30_000              # cairo's own limit is 32767
GOOD_SHAPE = 1.5                # width to height of a sheet whose columns are chosen here
PREVIEW_EVERY_S = 2.0
POSTER_TIMEOUT_S = 40
# Containers that refer to no other file: a playlist that calls itself a video shall open nothing.
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,mxf,ogg,flv,asf,ivf,dv,h264,hevc,obu,yuv4mpegpipe,nut"
# What stands in the cell of a picture that cannot be shown, by the code of its error.
SHORT = {
    "not_a_picture": "not a picture that can be read here", "picture_broken": "damaged or cut off", "picture_too_large": "too many pixels",
    "video_unreadable": "no frame of this video can be read", "program_missing": "videos cannot be shown: ffmpeg is not installed",
}


class MakeContactSheet:
    def get_backend_type(self):
        return "script"

    def get_parameter_schema(self):
        return {
            "type": "object",
            "required": ["images"],
            "properties": {
                "images": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 200},
                "title": {"type": "string", "maxLength": 200},
                "captions": {"type": "boolean"},
                "columns": {"type": "integer", "minimum": 0, "maximum": 40},
                "aspect": {"type": "string"},
                "fit": {"enum": ["whole", "fill"]},
                "gap": {"type": "number", "minimum": 0, "maximum": 50},
                "background": {"type": "string"},
                "format": {"enum": ["jpeg", "png"]},
                "cell_side": {"type": "integer", "minimum": 32, "maximum": 4096},
                "sampling": {"enum": ["fast", "good", "linear"]},
                "jpeg_quality": {"type": "integer", "minimum": 1, "maximum": 100},
            },
        }

    def execute(self, parameters, quality, project_path, progress):
        request = getattr(self, "fnr_request", {})
        paths = parameters["images"]
        named = pictures.uploads_of(request, "images", paths)
        progress(0.0, "Laying out the sheet…", stage="preparation")
        sheet = Sheet(parameters, len(paths))
        progress(1.0, stage="preparation")

        unread, shown_at = [], time.monotonic()
        for number, (path, (name, kind)) in enumerate(zip(paths, named)):
            progress(number / len(paths), "Developing picture %d of %d…" % (number + 1, len(paths)))
            try:
                pixels, video = read(path, name, kind, sheet, parameters, project_path)
                sheet.show(number, pixels, video)
            except PictureError as error:
                print("%s: %s" % (name, error))
                unread.append((number, name, error))
                sheet.tell(number, name, SHORT.get(error.fnr_code, "cannot be read"))
            sheet.caption(number, name)
            if time.monotonic() - shown_at > PREVIEW_EVERY_S:
                pictures.show_preview(sheet.small(), project_path, progress)
                shown_at = time.monotonic()
        if len(unread) == len(paths):
            raise nothing_readable(unread)
        pictures.show_preview(sheet.small(), project_path, progress)
        progress(1.0)

        progress(0.0, "Saving your sheet…", stage="finalization")
        path = os.path.join(project_path, "contact_sheet." + ("png" if parameters["format"] == "png" else "jpg"))
        pixels = sheet.pixels()
        sheet.surface = None
        report = lambda done: progress(0.95 * done, stage="finalization")  # noqa: E731
        if parameters["format"] == "png":
            pictures.save_png(pixels, path, report, 6)
        else:
            pictures.save_jpeg(pixels, path, parameters["jpeg_quality"], report, fine=parameters["jpeg_quality"] >= 90)
        progress(1.0, stage="finalization")
        result = {"width": sheet.width, "height": sheet.height, "columns": sheet.columns, "rows": sheet.rows,
                  "cell": {"width": sheet.cell_width, "height": sheet.cell_height},
                  "unreadable": [{"number": number + 1, "name": name, "code": error.fnr_code} for number, name, error in unread]}
        return {"outputs": {"image": path}, "result": result}


def nothing_readable(unread):
    if all(error.fnr_code == "program_missing" for _, _, error in unread):
        return unread[0][2]
    first = unread[0][2]
    if len(unread) == 1:
        return first
    return PictureError("validation", "no_picture", "None of the %d files can be shown. The first: %s" % (len(unread), first),
                        "Choose %s, or a video." % pictures.READABLE)


# ---- reading ----


def read(path, name, kind, sheet, parameters, project_path):
    """The pixels for one cell, 8-bit RGB, and whether they are of a video."""
    try:
        source = pictures.Source(path, name)
    except PictureError as error:
        if error.fnr_code != "not_a_picture" or not is_video(path, kind):
            raise
        poster = os.path.join(project_path, "poster.ppm")
        try:
            take_poster(path, name, poster, sheet)
            return fitted(pictures.Source(poster, name), sheet, parameters), True
        finally:
            if os.path.exists(poster):
                os.unlink(poster)
    return fitted(source, sheet, parameters), False


def fitted(source, sheet, parameters):
    shares = sheet.cell_width / source.width, sheet.cell_height / source.height
    share = max(shares) if parameters["fit"] == "fill" else min(shares)
    longest = max(1, round(max(source.width, source.height) * share))
    # A stripe that fills its cell would be much longer than what is seen of it.
    longest = min(longest, 6 * max(sheet.cell_width, sheet.cell_height))
    return pictures.over(source.pixels(longest, parameters["sampling"]), sheet.background)


def is_video(path, kind):
    if kind.startswith("video/"):
        return True
    with open(path, "rb") as file:
        head = file.read(16)
    return head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


def take_poster(path, name, poster, sheet):
    """A telling frame of a video, from its third second or, if it is shorter, from its beginning."""
    program = shutil.which("ffmpeg")
    if not program:
        raise PictureError("permanent", "program_missing", "The program ffmpeg, which reads videos, is not installed on the server.",
                           "Ask the one who runs the server to install the package ffmpeg, or leave out the videos.")
    side = max(sheet.cell_width, sheet.cell_height) * 2
    look = ("thumbnail=24,scale=w='max(2,trunc(iw*sar))':h=ih,setsar=1,"
            "scale=w='min(iw,%d)':h='min(ih,%d)':force_original_aspect_ratio=decrease:flags=lanczos" % (side, side))
    for at in ("3", "0"):
        command = [program, "-nostdin", "-v", "error", "-threads", str(pictures.THREADS), "-protocol_whitelist", "file", "-format_whitelist",
                   CONTAINERS, "-max_pixels", "67108864", "-ss", at, "-i", "file:" + os.path.abspath(path), "-an", "-sn", "-dn",
                   "-vf", look, "-frames:v", "1", "-c:v", "ppm", "-f", "image2", "-update", "1", "-y", "file:" + poster]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, timeout=POSTER_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            print("%s: ffmpeg took too long" % name)
            break
        if os.path.exists(poster) and os.path.getsize(poster) > 0:
            return
    raise PictureError("validation", "video_unreadable", "No frame of the video %s can be read." % pictures.quoted(name),
                       "Send the file again, or as MP4, MOV, WebM or MKV.")


# ---- the sheet ----


def choose_columns(count, cell_width, cell_height):
    """So many that the sheet has a good shape and its last row few holes."""

    def badness(columns):
        rows = math.ceil(count / columns)
        shape = columns * cell_width / (rows * cell_height)
        return abs(math.log(shape / GOOD_SHAPE)) + 0.9 * (rows * columns - count) / (rows * columns)

    return min(range(1, min(count, 40) + 1), key=badness)


class Sheet:
    def __init__(self, parameters, count):
        self.background = pictures.parse_color(parameters["background"])[:3]
        bright = 0.299 * self.background[0] + 0.587 * self.background[1] + 0.114 * self.background[2] > 0.55
        self.ink = (0.07, 0.07, 0.08) if bright else (0.93, 0.93, 0.92)
        self.captions, self.title = parameters["captions"], parameters["title"].strip()
        left, right = (float(part) for part in parameters["aspect"].split(":"))
        side = parameters["cell_side"]
        while True:
            self._lay_out(side, left / right, parameters, count)
            area = self.width * self.height
            if area <= PIXELS_MOST and max(self.width, self.height) <= SIDE_MOST:
                break
            side = max(8, int(side * min(0.98, math.sqrt(PIXELS_MOST / area), SIDE_MOST / max(self.width, self.height))))
        self.surface = cairo.ImageSurface(cairo.FORMAT_RGB24, self.width, self.height)
        self.context = cairo.Context(self.surface)
        self.context.set_source_rgb(*self.background)
        self.context.paint()
        if self.title:
            layout = self._title_layout(self.context)
            self._write(layout, self.margin, self.margin, 1.0)

    def _lay_out(self, side, aspect, parameters, count):
        self.side = side
        self.cell_width = max(2, round(side if aspect >= 1 else side * aspect))
        self.cell_height = max(2, round(side / aspect if aspect >= 1 else side))
        self.gap = round(side * parameters["gap"] / 100)
        self.margin = max(self.gap, round(side * 0.06))
        self.letters = max(9.0, min(self.cell_width * 0.062, side * 0.05))
        self.caption_height = round(self.letters * 2.0) if self.captions else 0
        self.columns = min(parameters["columns"] or choose_columns(count, self.cell_width, self.cell_height + self.caption_height), count)
        self.rows = math.ceil(count / self.columns)
        self.width = 2 * self.margin + self.columns * self.cell_width + (self.columns - 1) * self.gap
        self.top = self.margin
        if self.title:
            probe = cairo.Context(cairo.ImageSurface(cairo.FORMAT_RGB24, 1, 1))
            self.top += self._title_layout(probe).get_pixel_size()[1] + round(side * 0.07)
        self.step = self.cell_height + self.caption_height + self.gap
        self.height = self.top + self.rows * self.step - self.gap + (self.margin if not self.captions else max(self.gap, self.margin // 2))

    def _title_layout(self, context):
        width = self.width - 2 * self.margin
        layout = self._layout(context, self.title, max(11.0, min(self.side * 0.15, width * 0.07)), "Bold", width)
        layout.set_wrap(Pango.WrapMode.WORD_CHAR)
        layout.set_height(-3)
        return layout

    @staticmethod
    def _layout(context, text, size, weight, width):
        layout = PangoCairo.create_layout(context)
        font = Pango.FontDescription.from_string(f"{FAMILY} {weight}")
        font.set_absolute_size(size * Pango.SCALE)
        layout.set_font_description(font)
        layout.set_width(int(width * Pango.SCALE))
        # A name from elsewhere: it shall stay in its line and be no markup.
        layout.set_text(" ".join(text.replace("\0", "").split()) or " ", -1)
        layout.set_ellipsize(Pango.EllipsizeMode.MIDDLE)
        return layout

    def _write(self, layout, x, y, strength):
        self.context.set_source_rgba(*self.ink, strength)
        self.context.move_to(x, y)
        PangoCairo.show_layout(self.context, layout)

    def _place(self, number):
        row, column = divmod(number, self.columns)
        return self.margin + column * (self.cell_width + self.gap), self.top + row * self.step

    def show(self, number, pixels, video):
        """Puts a picture into the middle of its cell."""
        left, top = self._place(number)
        height, width = pixels.shape[:2]
        data = numpy.empty((height, width, 4), dtype=numpy.uint8)
        data[..., 0], data[..., 1], data[..., 2], data[..., 3] = pixels[..., 2], pixels[..., 1], pixels[..., 0], 255
        picture = cairo.ImageSurface.create_for_data(memoryview(data).cast("B"), cairo.FORMAT_RGB24, width, height, width * 4)
        context = self.context
        context.save()
        context.rectangle(left, top, self.cell_width, self.cell_height)
        context.clip()
        x, y = left + (self.cell_width - width) // 2, top + (self.cell_height - height) // 2
        context.set_source_surface(picture, x, y)
        context.paint()
        if video:
            self._mark_video(max(x, left), min(y + height, top + self.cell_height))
        context.restore()
        picture.finish()

    def _mark_video(self, left, bottom):
        """A small triangle in the corner: this one moves."""
        context, size = self.context, self.side * 0.075
        x, y = left + size * 1.05, bottom - size * 1.05
        context.arc(x, y, size * 0.75, 0, 2 * math.pi)
        context.set_source_rgba(0, 0, 0, 0.55)
        context.fill()
        context.move_to(x - size * 0.25, y - size * 0.38)
        context.line_to(x + size * 0.42, y)
        context.line_to(x - size * 0.25, y + size * 0.38)
        context.close_path()
        context.set_source_rgba(1, 1, 1, 0.95)
        context.fill()

    def tell(self, number, name, reason):
        """A cell that says why there is no picture in it."""
        left, top = self._place(number)
        context = self.context
        line = max(1.0, self.side / 240)
        context.rectangle(left + line / 2, top + line / 2, self.cell_width - line, self.cell_height - line)
        context.set_source_rgba(*self.ink, 0.06)
        context.fill_preserve()
        context.set_source_rgba(*self.ink, 0.3)
        context.set_line_width(line)
        context.set_dash([line * 5, line * 4])
        context.stroke()
        context.set_dash([])
        text = reason if self.captions else "%s: %s" % (name, reason)
        layout = self._layout(context, text[:1].upper() + text[1:], self.letters * 1.08, "Regular", self.cell_width * 0.84)
        layout.set_wrap(Pango.WrapMode.WORD_CHAR)
        layout.set_alignment(Pango.Alignment.CENTER)
        layout.set_height(-4)
        self._write(layout, left + self.cell_width * 0.08, top + (self.cell_height - layout.get_pixel_size()[1]) / 2, 0.75)

    def caption(self, number, name):
        if not self.captions:
            return
        left, top = self._place(number)
        layout = self._layout(self.context, name, self.letters, "Regular", self.cell_width)
        layout.set_single_paragraph_mode(True)
        layout.set_alignment(Pango.Alignment.CENTER)
        self._write(layout, left, top + self.cell_height + self.letters * 0.32, 0.82)

    def small(self):
        """The sheet so far at the size of a preview; scaled by cairo, as a copy of a large sheet would take much memory."""
        scale = min(1.0, pictures.PREVIEW_SIDE / max(self.width, self.height))
        small = cairo.ImageSurface(cairo.FORMAT_RGB24, max(1, round(self.width * scale)), max(1, round(self.height * scale)))
        context = cairo.Context(small)
        context.scale(scale, scale)
        context.set_source_surface(self.surface, 0, 0)
        context.get_source().set_filter(cairo.FILTER_GOOD)
        context.paint()
        return rgb_of(small)

    def pixels(self):
        return rgb_of(self.surface)


def rgb_of(surface):
    """The pixels of a surface as (height, width, 3). cairo keeps them as blue, green, red and a byte that is not used."""
    surface.flush()
    width, height = surface.get_width(), surface.get_height()
    data = numpy.ndarray((height, width, 4), dtype=numpy.uint8, buffer=surface.get_data(), strides=(surface.get_stride(), 4, 1))
    return numpy.ascontiguousarray(data[..., 2::-1])
