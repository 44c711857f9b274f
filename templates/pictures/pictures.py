"""What the functions of this folder share: reading pictures safely, colour, size, saving, previews, and errors for people.

Pictures come from anywhere, so little is left to libvips' own guesses:

- The first bytes decide which loader reads a file, out of a list of plain raster formats (FORMATS). All other loaders are
  blocked: those for documents (SVG, PDF) and for whatever ImageMagick can open would run far more code on foreign bytes
  than a photograph needs, and could open further files.
- Width and height are looked at before a single pixel is decoded: a file of a few kilobytes can claim to be larger than
  all memory.
- A picture that is damaged or cut off is an error, not half a picture with a grey rest.

Inside, a picture is always sRGB with 8 or 16 bits, upright, with or without alpha.
"""

import errno
import os

# Numpy's own threads would only compete with ours and reserve address space, which is limited.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Each arena of malloc reserves address space too.
os.environ.setdefault("MALLOC_ARENA_MAX", "4")

import gi  # noqa: E402
import numpy  # noqa: E402

gi.require_version("Vips", "8.0")
from gi.repository import GLib, GObject, Vips  # noqa: E402

THREADS = max(1, min(3, len(os.sched_getaffinity(0))))
PIXELS_MOST = 120_000_000       # the largest cameras make 102 million
SIDE_MOST = 60_000
PREVIEW_SIDE = 640
HEAD_BYTES = 64

HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
# Where in the file, which bytes, the loader of libvips, what people call it.
FORMATS = (
    (0, b"\xff\xd8\xff", "jpegload", "JPEG"), (0, b"\x89PNG\r\n\x1a\n", "pngload", "PNG"), (8, b"WEBP", "webpload", "WebP"),
    (0, b"II*\0", "tiffload", "TIFF"), (0, b"MM\0*", "tiffload", "TIFF"), (0, b"II+\0", "tiffload", "TIFF"),
    (0, b"MM\0+", "tiffload", "TIFF"), (0, b"GIF87a", "gifload", "GIF"), (0, b"GIF89a", "gifload", "GIF"),
    *((8, brand, "heifload", "HEIC or AVIF") for brand in HEIF_BRANDS),
    (0, b"\xff\x0a", "jxlload", "JPEG XL"), (0, b"\0\0\0\x0cJXL ", "jxlload", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "jp2kload", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "jp2kload", "JPEG 2000"),
    (0, b"\x76\x2f\x31\x01", "openexrload", "OpenEXR"), (0, b"#?RADIANCE", "radload", "Radiance HDR"),
    (0, b"P4\n", "ppmload", "PBM"), (0, b"P5\n", "ppmload", "PGM"), (0, b"P6\n", "ppmload", "PPM"),
)
CLASSES = ("Jpeg", "Png", "Webp", "Tiff", "Nsgif", "Heif", "Jxl", "Jp2k", "OpenEXR", "Rad", "Ppm")
# What people know that is not a photograph, to tell them so: first bytes and its name.
DOCUMENTS = ((b"%PDF", "a PDF document"), (b"<svg", "an SVG drawing"), (b"<?xml", "an XML document or an SVG drawing"),
             (b"%!PS", "a PostScript document"), (b"PK\x03\x04", "an archive or an office document"))
READABLE = "a photograph or a graphic as JPEG, PNG, TIFF, WebP, HEIC, AVIF, GIF, JPEG XL, JPEG 2000 or OpenEXR"


class PictureError(Exception):
    """An error made for people: its text and suggestion are shown as they are."""

    def __init__(self, class_, code, message, suggestion, action=None):
        super().__init__(message)
        self.fnr_class, self.fnr_code, self.fnr_suggestion, self.fnr_action = class_, code, suggestion, action


class VipsError(Exception):
    """What libvips says; never shown to people as it is."""


def start():
    Vips.init("function")
    Vips.block_untrusted_set(True)
    Vips.Operation.block_set("VipsForeignLoad", True)
    for name in CLASSES:
        Vips.Operation.block_set("VipsForeignLoad" + name, False)
    Vips.concurrency_set(THREADS)
    # Nothing here asks for the same operation twice; what the cache would keep alive is memory.
    Vips.cache_set_max(0)


# ---- calling libvips ----


def failed():
    """The error that libvips has just reported, as an exception. A full disk and want of memory keep their meaning."""
    text = Vips.error_buffer() or "unknown error"
    Vips.error_clear()
    low = text.lower()
    if "no space left" in low:
        return OSError(errno.ENOSPC, text)
    if "file too large" in low:
        return OSError(errno.EFBIG, text)
    if "out of memory" in low or "cannot allocate" in low:
        return MemoryError(text)
    return VipsError(text)


def call(name, image=None, **options):
    """One operation of libvips. Its result is the image that comes out, or None where none does."""
    operation = Vips.Operation.new(name)
    if image is not None:
        options["in"] = image
    for option, value in options.items():
        GObject.Object.set_property(operation, option.replace("_", "-"), value)
    try:
        built = Vips.cache_operation_build(operation)
    except GLib.Error:
        built = None
    if built is None:
        operation.unref_outputs()
        raise failed()
    result = built.props.out if built.find_property("out") else None
    # The outputs hold the operation and it holds them; let go, or no picture would ever be freed.
    built.unref_outputs()
    return result


def join(images):
    return call("bandjoin", **{"in": Vips.ArrayImage.new(images)})


def watch(image, report):
    """Calls report(0..1) now and then while the pixels of `image` are computed."""
    last = [-1]

    def evaluated(_, progress):
        if progress.percent > last[0]:
            last[0] = progress.percent
            report(min(1.0, progress.percent / 100))

    image.set_progress(True)
    image.connect("eval", evaluated)


def to_array(image):
    """The pixels as (height, width, bands), which may only be read."""
    kind = {Vips.BandFormat.UCHAR: numpy.uint8, Vips.BandFormat.USHORT: numpy.uint16, Vips.BandFormat.FLOAT: numpy.float32}
    Vips.error_clear()
    try:
        data = image.write_to_memory()
    except (GLib.Error, TypeError):
        raise failed() from None
    shape = (image.get_height(), image.get_width(), image.get_bands())
    type_ = numpy.dtype(kind[image.get_format()])
    if not data or len(data) != shape[0] * shape[1] * shape[2] * type_.itemsize:
        raise failed()
    return numpy.frombuffer(data, dtype=type_).reshape(shape)


def to_image(array):
    """A picture of 8 or 16 bits from (height, width, bands); the pixels are copied."""
    height, width, bands = array.shape
    wide = array.dtype == numpy.uint16
    data = memoryview(numpy.ascontiguousarray(array)).cast("B")
    image = Vips.Image.new_from_memory_copy(data, width, height, bands, Vips.BandFormat.USHORT if wide else Vips.BandFormat.UCHAR)
    if image is None:
        raise failed()
    return call("copy", image, interpretation=Vips.Interpretation.RGB16 if wide else Vips.Interpretation.SRGB)


# ---- reading ----


def quoted(name):
    """A file's name in a sentence: not too long."""
    name = name or "The picture"
    return "“%s”" % (name if len(name) <= 60 else name[:40] + "…" + name[-15:])


def not_a_picture(name, what=None):
    text = "%s is %s, not a picture." % (quoted(name), what) if what else "%s is not a picture that can be read here." % quoted(name)
    return PictureError("validation", "not_a_picture", text, "Choose %s." % READABLE)


def broken(name):
    return PictureError("validation", "picture_broken", "%s is damaged or was cut off: its pixels cannot all be read." % quoted(name),
                        "Send the file again, or open it in a picture editor and save it anew.")


class Source:
    """A picture file whose head has been read and found sound; no pixel of it has been decoded yet."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
        self.loader, self.format = self._loader(head)
        try:
            image = self._open()
        except VipsError as error:
            print("vips:", error)
            raise broken(name) from None
        self._check_size(image)
        self.wide = image.get_format() != Vips.BandFormat.UCHAR
        turned = image.get_typeof("orientation") != 0 and image.get_orientation() >= 5
        self.width, self.height = (image.get_height(), image.get_width()) if turned else (image.get_width(), image.get_height())

    def _loader(self, head):
        for at, mark, loader, format_ in FORMATS:
            if head[at : at + len(mark)] == mark and (loader != "heifload" or head[4:8] == b"ftyp"):
                return loader, format_
        start_ = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        for mark, what in DOCUMENTS:
            if start_.startswith(mark.lower()):
                raise not_a_picture(self.name, what)
        raise not_a_picture(self.name, "an empty file" if not head else None)

    def _open(self, **options):
        return call(self.loader, filename=self.path, access=Vips.Access.SEQUENTIAL, fail_on=Vips.FailOn.ERROR, **options)

    def _check_size(self, image):
        width, height = image.get_width(), image.get_height()
        if width * height > PIXELS_MOST or max(width, height) > SIDE_MOST:
            raise PictureError("validation", "picture_too_large", "%s says that it is %d × %d pixels large; at most %d million pixels "
                               "and %d on a side can be worked on." % (quoted(self.name), width, height, PIXELS_MOST // 1_000_000, SIDE_MOST),
                               "Make the picture smaller in a picture editor, and send that.")

    def size_at(self, longest):
        """Width and height when it is made to fit `longest`; never larger than it is."""
        scale = min(1.0, longest / max(self.width, self.height))
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    def pixels(self, longest, sampling="good", report=None):
        """Decodes: upright sRGB, at most `longest` on its longer side, as an array of (height, width, 3 or 4).

        sampling: "fast" (the loader may leave pixels out, then linear), "good" (Lanczos), "linear" (Lanczos, in linear light, so
        that small bright lights keep their brightness). 16 bits stay 16 bits.
        """
        try:
            image = self._open(**self._shrink_on_load(longest, sampling))
            if report:
                watch(image, report)
            turn = image.get_orientation() if image.get_typeof("orientation") != 0 else 1
            return upright(to_array(resized(to_srgb(image), longest, sampling)), turn)
        except VipsError as error:
            print("vips:", error)
            raise broken(self.name) from None

    def _shrink_on_load(self, longest, sampling):
        """JPEG can be decoded at a half, a quarter or an eighth, in a fraction of the time."""
        if self.loader != "jpegload" or sampling != "fast":
            return {}
        fits = [factor for factor in (8, 4, 2) if max(self.width, self.height) // factor >= longest]
        return {"shrink": fits[0]} if fits else {}


def upright(array, orientation):
    """Turns and mirrors as EXIF's orientation (1 to 8) says."""
    if orientation >= 5:
        array = array.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return numpy.ascontiguousarray(array)


def to_srgb(image):
    """sRGB with 8 or 16 bits in 3 bands, or 4 with alpha. The file's own profile counts, if there is one."""
    wide = image.get_format() != Vips.BandFormat.UCHAR
    meaning = call("copy", image).guess_interpretation()
    cmyk = meaning == Vips.Interpretation.CMYK
    profile = image.get_typeof("icc-profile-data") != 0
    if (profile or cmyk) and image.get_format() in (Vips.BandFormat.UCHAR, Vips.BandFormat.USHORT):
        options = {"input_profile": "cmyk"} if cmyk else {}
        try:
            # A profile that does not fit the pixels is passed over: then they are what they seem to be.
            image = call("icc_transform", image, output_profile="srgb", embedded=True, depth=16 if wide else 8,
                         intent=Vips.Intent.RELATIVE, black_point_compensation=True, **options)
        except VipsError as error:
            print("vips: profile not used:", error)
    image = call("colourspace", image, space=Vips.Interpretation.RGB16 if wide else Vips.Interpretation.SRGB)
    bands = image.get_bands()
    if bands > 4:
        image = call("extract_band", image, band=0, n=4)
    if bands < 3:
        raise VipsError("%d bands after conversion" % bands)
    return call("cast", image, format=Vips.BandFormat.USHORT if wide else Vips.BandFormat.UCHAR)


def resized(image, longest, sampling):
    scale = longest / max(image.get_width(), image.get_height())
    if scale >= 1:
        return image
    width = max(1, round(image.get_width() * scale))
    height = max(1, round(image.get_height() * scale))
    options = {
        "scale": (width + 0.01) / image.get_width(), "vscale": (height + 0.01) / image.get_height(),
        "kernel": Vips.Kernel.LINEAR if sampling == "fast" else Vips.Kernel.LANCZOS3,
    }
    wide = image.get_format() == Vips.BandFormat.USHORT
    space = Vips.Interpretation.RGB16 if wide else Vips.Interpretation.SRGB
    alpha = call("extract_band", image, band=3) if image.get_bands() == 4 else None
    if sampling == "linear":
        color = call("colourspace", call("extract_band", image, band=0, n=3), space=Vips.Interpretation.SCRGB)
    elif alpha:
        color = call("cast", call("extract_band", image, band=0, n=3), format=Vips.BandFormat.FLOAT)
    else:
        return call("resize", image, **options)
    if alpha:
        # What cannot be seen must not leak into what can: the average weighs each pixel by its alpha.
        share = linear(alpha, 1 / (65535 if wide else 255), 0)
        both = call("resize", join([call("multiply", left=color, right=share), share]), **options)
        share = call("extract_band", both, band=3)
        color = call("divide", left=call("extract_band", both, band=0, n=3), right=linear(share, 1, 1e-6))
        alpha = rounded(linear(share, 65535 if wide else 255, 0), wide)
    else:
        color = call("resize", color, **options)
    if sampling == "linear":
        color = call("copy", color, interpretation=Vips.Interpretation.SCRGB)
        color = call("colourspace", color, space=space)
    color = rounded(color, wide)
    return join([color, alpha]) if alpha else color


def linear(image, factor, offset):
    return call("linear", image, a=Vips.ArrayDouble.new([factor]), b=Vips.ArrayDouble.new([offset]))


def rounded(image, wide):
    kind = Vips.BandFormat.USHORT if wide else Vips.BandFormat.UCHAR
    if image.get_format() == kind:
        return image
    return call("cast", call("round", image, round=Vips.OperationRound.RINT), format=kind)


def shrunk(array, longest):
    """A smaller version of a picture, for a preview or to take measurements from; itself if it is no larger."""
    return to_array(resized(to_image(array), longest, "good"))


# ---- writing ----


def save_png(array, path, report=None, compression=6):
    image = to_image(array)
    if report:
        watch(image, report)
    # Grain and texture leave nothing for the filters of PNG to find in 16 bits, and they take half of the time.
    call("pngsave", image, filename=path, compression=compression, profile="srgb")


def save_jpeg(array, path, quality, report=None, fine=False):
    image = to_image(array[..., :3])
    if report:
        watch(image, report)
    call("jpegsave", image, filename=path, Q=quality, optimize_coding=True, profile="srgb",
         subsample_mode=Vips.ForeignSubsample.OFF if fine else Vips.ForeignSubsample.AUTO)


def to_bytes(array):
    """8 bits a value."""
    return array if array.dtype == numpy.uint8 else ((array.astype(numpy.uint32) + 128) // 257).astype(numpy.uint8)


def over(array, background):
    """8-bit RGB: what is transparent shows `background` (three numbers from 0 to 1)."""
    array = to_bytes(array)
    if array.shape[2] < 4:
        return array
    alpha = array[..., 3:].astype(numpy.float32) / 255
    ground = numpy.array(background[:3], dtype=numpy.float32) * 255
    return (array[..., :3] * alpha + ground * (1 - alpha) + 0.5).astype(numpy.uint8)


def show_preview(array, project_path, progress):
    """A small JPEG of the picture so far. Written under another name first: it is read while we work."""
    array = over(array, (0.75, 0.75, 0.75))
    array = shrunk(array, PREVIEW_SIDE)
    part, path = os.path.join(project_path, "preview.part"), os.path.join(project_path, "preview.jpg")
    save_jpeg(array, part, 82)
    os.replace(part, path)
    getattr(progress, "preview", lambda _: None)(path)


# ---- the request ----


def parse_color(text):
    """'#rgb', '#rrggbb' or '#rrggbbaa' as four numbers from 0 to 1."""
    digits = text.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    values = [int(digits[i : i + 2], 16) / 255 for i in range(0, len(digits), 2)]
    return tuple(values) if len(values) == 4 else (*values, 1.0)


def uploads_of(request, name, paths):
    """For each path of an input its (name, media type) as the caller sent it; the path's own name where nothing is said."""
    found = (request.get("uploads") or {}).get(name)
    found = found if isinstance(found, list) else [found]
    rows = []
    for index, path in enumerate(paths):
        row = found[index] if index < len(found) and isinstance(found[index], dict) else {}
        rows.append((row.get("name") or os.path.basename(path), row.get("media_type") or ""))
    return rows


start()
