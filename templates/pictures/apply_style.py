"""Applies a style to a picture. What the styles are is in styles.py, how pictures are read and written in pictures.py."""

import os

import pictures
import styles

WORDS = {
    "bleach_bypass": "Skipping the bleach…", "teal_orange": "Grading your picture…", "film_noir": "Waiting for the night…",
    "vintage_print": "Leaving the print in the sun…", "day_for_night": "Hanging up the moon…", "soft_glow": "Lighting the haze…",
    "duotone": "Mixing two inks…", "cyanotype": "Printing in the sun…", "halftone": "Setting the dots…",
    "ink_sketch": "Drawing the lines…", "oil": "Laying on the paint…", "watercolor": "Letting the colours run…",
    "pixel_art": "Choosing the pixels…",
}


class ApplyStyle:
    def get_backend_type(self):
        return "script"

    def get_parameter_schema(self):
        return {
            "type": "object",
            "required": ["image"],
            "properties": {
                "image": {"type": "string"},
                "style": {"enum": list(styles.STYLES)},
                "strength": {"type": "number", "minimum": 0, "maximum": 1},
                "grain": {"type": "number", "minimum": 0, "maximum": 1},
                "dark_color": {"type": "string"},
                "light_color": {"type": "string"},
                "longest_side": {"type": "integer", "minimum": 64, "maximum": 16384},
                "depth": {"enum": ["8", "source", "16"]},
                "dither": {"type": "boolean"},
                "sampling": {"enum": ["fast", "good", "linear"]},
            },
        }

    def execute(self, parameters, quality, project_path, progress):
        request = getattr(self, "fnr_request", {})
        progress(0.0, "Looking at your picture…", stage="preparation")
        path = parameters["image"]
        name = pictures.uploads_of(request, "image", [path])[0][0]
        source = pictures.Source(path, name)
        pixels = source.pixels(parameters["longest_side"], parameters["sampling"],
                               lambda done: progress(0.05 + 0.85 * done, "Developing your picture…", stage="preparation"))
        small = pictures.shrunk(pixels, styles.SMALL_SIDE)
        progress(1.0, stage="preparation")

        wide = parameters["depth"] == "16" or (parameters["depth"] == "source" and source.wide)
        seed = int(request.get("seed") or 0)
        words = WORDS[parameters["style"]]
        self._preview(parameters, seed, pixels, small, project_path, progress)
        progress(0.05, words)
        work = self._work(parameters, seed, pixels, small)
        styled = styles.apply(work, wide, parameters["dither"], pictures.THREADS, lambda done: progress(0.05 + 0.95 * done, words))
        width, height = work.width, work.height
        work = pixels = None

        progress(0.0, "Saving your picture…", stage="finalization")
        path = os.path.join(project_path, "image.png")
        # The last per cents of size would take most of the time.
        pictures.save_png(styled, path, lambda done: progress(0.95 * done, stage="finalization"),
                          6 if width * height < 4_000_000 else 3)
        progress(1.0, stage="finalization")
        result = {"width": width, "height": height, "bits": 16 if wide else 8, "style": parameters["style"],
                  "source": {"width": source.width, "height": source.height, "format": source.format}}
        return {"outputs": {"image": path}, "result": result}

    @staticmethod
    def _work(parameters, seed, pixels, small):
        options = {key: pictures.parse_color(parameters[key]) for key in ("dark_color", "light_color") if parameters.get(key)}
        return styles.Work(pixels, small, parameters["style"], parameters["strength"], parameters.get("grain"), seed, options)

    def _preview(self, parameters, seed, pixels, small, project_path, progress):
        """Styles a small version first: who waits sees in a second what it will be."""
        work = self._work(parameters, seed, pictures.shrunk(pixels, pictures.PREVIEW_SIDE), small)
        pictures.show_preview(styles.apply(work, False, False, pictures.THREADS), project_path, progress)
