"""Title cards: text on a plain or graded background, set by Pango and drawn by cairo.

Pango shapes every script that the machine has fonts for, breaks lines by the rules of their language and orders
right-to-left text; emoji come from the colour font. The whole card is drawn larger and then scaled down ("supersample"),
which gives smoother edges and gradients than drawing it at its final size.
"""

import math
import os
import random
import struct

import cairo
import gi

gi.require_version("Pango", "1.0")
gi.require_version("PangoCairo", "1.0")
from gi.repository import Pango, PangoCairo  # noqa: E402

# Pango finds the colour font for emoji by itself; naming it here would give it the spaces beside them too.
FAMILIES = {
    "sans": "Noto Sans, Noto Sans Arabic, Noto Sans Hebrew, Noto Sans CJK SC, sans-serif",
    "serif": "Noto Serif, Noto Naskh Arabic, Noto Serif Hebrew, Noto Serif CJK SC, serif",
    "mono": "Noto Sans Mono, Noto Sans Arabic, Noto Sans Hebrew, Noto Sans Mono CJK SC, monospace",
}
ALIGNMENTS = {"left": Pango.Alignment.LEFT, "center": Pango.Alignment.CENTER, "right": Pango.Alignment.RIGHT}
MARGIN = 0.09          # of the shorter side
SUBTITLE_SIZE = 0.42   # of the title's
LARGEST_TITLE = 0.20   # of the height
SMALLEST_TITLE = 0.018
BANDS = 16             # the picture is finished in so many bands, each a step of progress


def parse_color(text):
    """'#rgb', '#rrggbb' or '#rrggbbaa' as four numbers from 0 to 1."""
    digits = text.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    values = [int(digits[i : i + 2], 16) / 255 for i in range(0, len(digits), 2)]
    return tuple(values) if len(values) == 4 else (*values, 1.0)


def card_size(height, aspect):
    """Width and height, both even, with about the pixels of a 16:9 picture of that height."""
    left, right = (float(part) for part in aspect.split(":"))
    pixels = height * height * 16 / 9
    width = math.sqrt(pixels * left / right)
    return 2 * round(width / 2), 2 * round(width * right / left / 2)


class TitleCard:
    """Draws one title card."""

    def get_backend_type(self):
        return "script"

    def get_parameter_schema(self):
        return {
            "type": "object",
            "required": ["text"],
            "properties": {
                "text": {"type": "string", "minLength": 1, "maxLength": 300},
                "subtitle": {"type": "string", "maxLength": 300},
                "color": {"type": "string"},
                "background": {"type": "string"},
                "background_end": {"type": "string"},
                "font": {"enum": list(FAMILIES)},
                "align": {"enum": list(ALIGNMENTS)},
                "aspect": {"type": "string"},
                "height": {"type": "integer", "minimum": 64, "maximum": 4320},
                "supersample": {"type": "integer", "minimum": 1, "maximum": 4},
                "shadow": {"type": "boolean"},
                "grain": {"type": "number", "minimum": 0, "maximum": 0.1},
            },
        }

    def execute(self, parameters, quality, project_path, progress):
        width, height = card_size(parameters["height"], parameters["aspect"])
        scale = parameters["supersample"]
        progress(0.2, "Setting your type…", stage="preparation")
        surface = cairo.ImageSurface(cairo.FORMAT_RGB24, width * scale, height * scale)
        context = cairo.Context(surface)
        context.scale(scale, scale)
        layouts = self._layouts(context, parameters, width, height)
        progress(1.0, stage="preparation")

        self._background(context, parameters, width, height)
        progress(0.15, "Painting the background…")
        self._text(context, parameters, layouts, width, height)
        progress(0.45, "Drawing your title…")
        surface = self._finish(surface, width, height, scale, parameters["grain"], progress)

        progress(0.1, "Saving your picture…", stage="finalization")
        path = os.path.join(project_path, "title_card.png")
        surface.write_to_png(path)
        progress(1.0, stage="finalization")
        return {"image": path}

    # -- type --

    def _layouts(self, context, parameters, width, height):
        """The title and the subtitle, as large as the card lets them be."""
        size = height * LARGEST_TITLE
        margin = MARGIN * min(width, height)
        while True:
            title = self._layout(context, parameters["text"], size, "Bold", parameters, width - 2 * margin)
            subtitle = None
            if parameters.get("subtitle", "").strip():
                subtitle = self._layout(
                    context, parameters["subtitle"], size * SUBTITLE_SIZE, "Regular", parameters, width - 2 * margin
                )
            used = title.get_pixel_size()[1] + (subtitle.get_pixel_size()[1] + size * 0.3 if subtitle else 0)
            fits = used <= height - 2 * margin and not self._breaks_words(title, width - 2 * margin)
            if fits or size <= height * SMALLEST_TITLE:
                return title, subtitle, size
            size *= 0.92

    @staticmethod
    def _layout(context, text, size, weight, parameters, width):
        layout = PangoCairo.create_layout(context)
        font = Pango.FontDescription.from_string(f"{FAMILIES[parameters['font']]} {weight}")
        font.set_absolute_size(size * Pango.SCALE)
        layout.set_font_description(font)
        layout.set_width(int(width * Pango.SCALE))
        layout.set_wrap(Pango.WrapMode.WORD_CHAR)
        layout.set_alignment(ALIGNMENTS[parameters["align"]])
        layout.set_text(text.strip(), -1)
        return layout

    @staticmethod
    def _breaks_words(layout, width):
        """Would a word be cut to fit? Then a smaller size is better."""
        probe = layout.copy()
        probe.set_wrap(Pango.WrapMode.WORD)
        return probe.get_pixel_size()[0] > width + 1

    # -- drawing --

    @staticmethod
    def _background(context, parameters, width, height):
        start = parse_color(parameters["background"])
        second = parameters.get("background_end")
        end = parse_color(second) if second else start
        gradient = cairo.LinearGradient(0, 0, 0, height)
        gradient.add_color_stop_rgb(0, *start[:3])
        gradient.add_color_stop_rgb(1, *end[:3])
        context.set_source(gradient)
        context.rectangle(0, 0, width, height)
        context.fill()

    def _text(self, context, parameters, layouts, width, height):
        title, subtitle, size = layouts
        title_height = title.get_pixel_size()[1]
        gap = size * 0.3
        total = title_height + (subtitle.get_pixel_size()[1] + gap if subtitle else 0)
        left = MARGIN * min(width, height)
        top = (height - total) / 2
        color = parse_color(parameters["color"])
        self._draw(context, title, left, top, color, size if parameters["shadow"] else 0)
        if subtitle:
            faded = (*color[:3], color[3] * 0.85)
            self._draw(context, subtitle, left, top + title_height + gap, faded, size * SUBTITLE_SIZE if parameters["shadow"] else 0)

    @staticmethod
    def _draw(context, layout, left, top, color, shadow_size):
        if shadow_size:
            for step in (3, 2, 1):
                offset = shadow_size * 0.012 * step
                context.set_source_rgba(0, 0, 0, 0.12)
                context.move_to(left + offset, top + offset)
                PangoCairo.layout_path(context, layout)
                context.fill()
        context.set_source_rgba(*color)
        context.move_to(left, top)
        PangoCairo.show_layout(context, layout)

    # -- finishing --

    @staticmethod
    def _finish(large, width, height, scale, grain, progress):
        """Scales down to the final size, band by band, and adds a little film grain against banding."""
        surface = cairo.ImageSurface(cairo.FORMAT_RGB24, width, height)
        context = cairo.Context(surface)
        pattern = cairo.SurfacePattern(large)
        pattern.set_filter(cairo.FILTER_GOOD)
        pattern.set_matrix(cairo.Matrix(xx=scale, yy=scale))
        noise = grain_pattern() if grain > 0 else None
        for band in range(BANDS):
            top = height * band // BANDS
            bottom = height * (band + 1) // BANDS
            context.save()
            context.rectangle(0, top, width, bottom - top)
            context.clip()
            context.set_source(pattern)
            context.paint()
            if noise:
                context.set_operator(cairo.OPERATOR_OVERLAY)
                context.set_source(noise)
                context.paint_with_alpha(min(1.0, grain * 12))
            context.restore()
            progress(0.45 + 0.55 * (band + 1) / BANDS, "Adding the finish…")
        surface.flush()
        return surface


def grain_pattern(side=256):
    """A repeating tile of grey noise, always the same."""
    source = random.Random(20)
    data = bytearray()
    for _ in range(side * side):
        value = source.randrange(96, 160)
        data += struct.pack("=I", value << 16 | value << 8 | value)
    tile = cairo.ImageSurface.create_for_data(data, cairo.FORMAT_RGB24, side, side)
    pattern = cairo.SurfacePattern(tile)
    pattern.set_extend(cairo.EXTEND_REPEAT)
    return pattern
