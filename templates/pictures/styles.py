"""The styles of apply_style, and the machine that applies one.

A style works on tiles: squares of the picture with a margin all around, as arrays of float32, (3, height, width), in sRGB
from 0 to 1. So memory does not grow with the picture, and several tiles are worked on at once.

What makes tiles join without seams, and results depend on nothing but picture, options and seed:

- Whatever a pixel becomes depends only on the pixels within the style's margin, on its place in the picture, and on `state`,
  which was measured on a small version of the whole picture beforehand.
- Random numbers come from a hash of seed and place, never from a generator that goes on from tile to tile.
- Lengths are given in "units", a thousandth of the picture's longer side: a brush stroke covers the same part of the picture
  whatever its number of pixels, so that a draft shows what ultra will be.
"""

import math
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import numpy as np

SMALL_SIDE = 512        # of the version that measurements are taken from
TILE_LEAST, TILE_MOST = 320, 768
F = np.float32
LUMA = np.array((0.2126, 0.7152, 0.0722), dtype=F)

# ---- small tools ----


def luma(rgb):
    return np.tensordot(LUMA, rgb, axes=1)


def mix(a, b, t):
    return a + (b - a) * t


def smoothstep(low, high, x):
    t = np.clip((x - F(low)) / F(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def contrast(x, amount):
    """An S-curve through 0, a half and 1."""
    return np.tanh((x - F(0.5)) * F(amount)) / F(2 * math.tanh(amount / 2)) + F(0.5)


def screen(a, b):
    return 1 - (1 - a) * (1 - b)


def color(rgb):
    return np.array(rgb[:3], dtype=F).reshape(3, 1, 1)


def ramp(x, *stops):
    """Colours along a line: stops of (place, (r, g, b)), places rising."""
    places = [place for place, _ in stops]
    return np.stack([np.interp(x, places, [rgb[i] for _, rgb in stops]).astype(F) for i in range(3)])


def saturate(rgb, amount):
    grey = luma(rgb)
    return grey + (rgb - grey) * F(amount)


def to_linear(rgb):
    rgb = np.clip(rgb, 0, 1)
    return np.where(rgb <= 0.04045, rgb / F(12.92), ((rgb + F(0.055)) / F(1.055)) ** F(2.4))


def from_linear(rgb):
    rgb = np.clip(rgb, 0, None)
    return np.where(rgb <= 0.0031308, rgb * F(12.92), F(1.055) * rgb ** F(1 / 2.4) - F(0.055))


TO_LMS = np.array(((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566),
                   (0.0883024619, 0.2817188376, 0.6299787005)), dtype=F)
TO_LAB = np.array(((0.2104542553, 0.7936177850, -0.0040720468), (1.9779984951, -2.4285922050, 0.4505937099),
                   (0.0259040371, 0.7827717662, -0.8086757660)), dtype=F)
FROM_LAB = np.linalg.inv(TO_LAB.astype(float)).astype(F)
FROM_LMS = np.linalg.inv(TO_LMS.astype(float)).astype(F)


def to_oklab(rgb):
    """Oklab: steps of equal size look equally large, and hues stay what they are when lightness changes."""
    return np.tensordot(TO_LAB, np.cbrt(np.tensordot(TO_LMS, to_linear(rgb), axes=1)), axes=1)


def from_oklab(lab):
    return from_linear(np.tensordot(FROM_LMS, np.tensordot(FROM_LAB, lab, axes=1) ** 3, axes=1))


# ---- blurs ----


def _box(a, radius, axis):
    pad = [(0, 0)] * a.ndim
    pad[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(a, pad, mode="edge"), axis=axis, dtype=F)
    count = 2 * radius + 1
    high = [slice(None)] * a.ndim
    low = list(high)
    high[axis], low[axis] = slice(count, None), slice(None, -count)
    return (sums[tuple(high)] - sums[tuple(low)]) * F(1 / count)


def _gauss(a, sigma, axis):
    radius = max(1, math.ceil(sigma * 3))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(F)
    pad = [(0, 0)] * a.ndim
    pad[axis] = (radius, radius)
    padded = np.pad(a, pad, mode="edge")
    result = np.zeros_like(a)
    for i, weight in enumerate(weights):
        part = [slice(None)] * a.ndim
        part[axis] = slice(i, i + a.shape[axis])
        result += padded[tuple(part)] * weight
    return result


def blur(a, sigma):
    """Gaussian, or three boxes that come near one: their cost does not grow with sigma. Reaches 3.2 sigma far."""
    a = a.astype(F, copy=False)
    if sigma < 0.3:
        return a
    for axis in (a.ndim - 1, a.ndim - 2):
        if sigma < 2.2:
            a = _gauss(a, sigma, axis)
            continue
        ideal = math.sqrt(4 * sigma * sigma + 1)
        low = int(ideal) - (1 - int(ideal) % 2)
        few = round((12 * sigma * sigma - 3 * low * low - 12 * low - 9) / (-4 * low - 4))
        for turn in range(3):
            a = _box(a, (low if turn < few else low + 2) // 2, axis)
    return a


# ---- noise ----


def hashed(x, y, seed):
    """Columns x and rows y of integers -> (len(y), len(x)) of random numbers from 0 to 1, always the same."""
    h = x.astype(np.uint32)[None, :] * np.uint32(374761393) + y.astype(np.uint32)[:, None] * np.uint32(668265263)
    h = h + np.uint32(seed * 2246822519 + 3266489917 & 0xFFFFFFFF)
    for shift, factor in ((15, 2246822519), (13, 3266489917)):
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    return ((h ^ (h >> np.uint32(16))) >> np.uint32(8)).astype(F) * F(1 / 16777216)


def _spline(at):
    """Where a cubic B-spline takes its four values from, and their weights."""
    base = np.floor(at)
    t = (at - base).astype(F)
    s = 1 - t
    return base.astype(np.int64) - 1, (s * s * s / 6, (3 * t * t * t - 6 * t * t + 4) / 6, (3 * s * s * s - 6 * s * s + 4) / 6, t * t * t / 6)


def spread(grid_at, x, y):
    """Smooth values between those of a grid at the places x (columns) and y (rows). grid_at(columns, rows) gives the grid."""
    (x0, wx), (y0, wy) = _spline(x), _spline(y)
    left, top = int(x0.min()), int(y0.min())
    grid = grid_at(np.arange(left, int(x0.max()) + 4), np.arange(top, int(y0.max()) + 4))
    x0, y0 = x0 - left, y0 - top
    rows = sum(grid[..., :, x0 + i] * wx[i] for i in range(4))
    return sum(rows[..., y0 + i, :] * wy[i][:, None] for i in range(4))


class Tile:
    """A part of the picture with its margin. `rgb` is (3, height, width)."""

    def __init__(self, work, left, top, width, height):
        self.work, self.unit = work, work.unit
        self.x = np.arange(left, left + width)
        self.y = np.arange(top, top + height)
        source = work.source[_reflected(self.y, work.height)][:, _reflected(self.x, work.width)]
        source = source.transpose(2, 0, 1).astype(F) * F(1 / work.top)
        self.rgb = np.ascontiguousarray(source[:3])
        if source.shape[0] == 4:
            # Behind full transparency there may be any colour; what blurs and brushes drag in should be a plausible one.
            self.rgb = np.where(source[3] > 0, self.rgb, color(work.state["mean"]))

    def units(self, length):
        return length * self.unit

    def blur(self, a, length):
        return blur(a, self.units(length))

    def noise(self, size, seed=0, stretch=1.0):
        """Smooth noise, mean 0, deviation about 1; size in units, `stretch` times longer across than down."""
        width, height = max(1.0, self.units(size * stretch)), max(1.0, self.units(size))
        values = spread(lambda x, y: hashed(x, y, self.work.seed + seed) - F(0.5), (self.x + 0.5) / width, (self.y + 0.5) / height)
        return values * F(7.2)

    def clouds(self, size, octaves, seed=0):
        """Noise of several sizes, each half of the one before and half as strong."""
        total = sum(self.noise(size / 2**i, seed + 101 * i) * F(0.5**i) for i in range(octaves))
        return total / F(math.sqrt(sum(0.25**i for i in range(octaves))))

    def small(self, values):
        """A small version of something, (…, h, w) over the whole picture, enlarged smoothly."""
        height, width = values.shape[-2:]
        return spread(lambda x, y: values[..., np.clip(y, 0, height - 1)[:, None], np.clip(x, 0, width - 1)[None, :]],
                      (self.x + 0.5) * (width / self.work.width) - 0.5, (self.y + 0.5) * (height / self.work.height) - 0.5)

    def radius(self):
        """From 0 in the middle to 1 in the corners."""
        x = (self.x + 0.5) / self.work.width * 2 - 1
        y = (self.y + 0.5) / self.work.height * 2 - 1
        return np.sqrt((x * x)[None, :] * 0.5 + (y * y)[:, None] * 0.5).astype(F)

    def vignette(self, amount, start=0.35):
        return 1 - F(amount) * smoothstep(start, 1.1, self.radius())

    def edge(self):
        """Distance to the nearest edge of the picture, in units."""
        x = np.minimum(self.x + 0.5, self.work.width - self.x - 0.5)
        y = np.minimum(self.y + 0.5, self.work.height - self.y - 0.5)
        return (np.minimum(x[None, :], y[:, None]) / self.unit).astype(F)

    def turned(self, degrees):
        """Coordinates in units on axes turned by so much."""
        x, y = (self.x + 0.5) / self.unit, (self.y + 0.5) / self.unit
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        return (x[None, :] * c + y[:, None] * s).astype(F), (y[:, None] * c - x[None, :] * s).astype(F)

    def levels(self, a, amount=0.7):
        """Stretches what the whole picture has between its darkest and brightest to nearly the full range."""
        black, white = self.work.state["range"]
        return mix(a, (a - F(black)) / F(max(0.25, white - black)), F(amount))

    def paper(self, seed=40):
        """The tooth of a sheet of paper, mean 0, deviation about 1."""
        return (self.noise(1.6, seed) + self.noise(3.4, seed + 1) + F(0.7) * self.noise(9, seed + 2)) / F(1.58)


def _reflected(index, length):
    """Beyond its edges a picture goes on as in a mirror."""
    if length == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * length - 2)
    return np.where(index >= length, 2 * length - 2 - index, index)


def shifted(a, dx, dy):
    """a as seen from (dx, dy) away; what comes in at the edges lies in the margin and is never used."""
    return np.roll(a, (-int(round(dy)), -int(round(dx))), axis=(-2, -1))


# ---- looks of film ----


def bleach_bypass(tile, options):
    """The silver stays in the film: hard, pale, metallic."""
    rgb = np.clip(tile.levels(tile.rgb), 0, 1)
    grey = luma(rgb)
    grey = np.clip(grey + F(0.35) * (grey - tile.blur(grey, 4)), 0, 1)
    pale = mix(rgb, grey, F(0.58))
    hard = np.where(pale < 0.5, 2 * pale * grey, 1 - 2 * (1 - pale) * (1 - grey))
    out = contrast(mix(pale, hard, F(0.85)), 1.6)
    tint = ramp(grey, (0, (0.96, 1.0, 1.05)), (0.55, (0.985, 1.0, 1.0)), (1, (1.01, 1.0, 0.955)))
    return out * tint * tile.vignette(0.18)


def teal_orange(tile, options):
    """Shadows to teal, skin and light to orange: all colours are gathered along one axis."""
    lab = to_oklab(np.clip(tile.levels(tile.rgb, 0.6), 0, 1))
    angle = math.radians(58)
    along = lab[1] * F(math.cos(angle)) + lab[2] * F(math.sin(angle))
    across = lab[2] * F(math.cos(angle)) - lab[1] * F(math.sin(angle))
    light = contrast(lab[0], 1.5)
    along = along * F(0.95) + (smoothstep(0.12, 0.9, light) - F(0.48)) * F(0.13)
    # Strong colours are held back, so that a face stays a face.
    along = F(0.15) * np.tanh(along / F(0.15))
    across = across * F(0.45)
    # Neither blackest black nor whitest white takes a tint.
    keep = smoothstep(0, 0.16, light) * (1 - F(0.75) * smoothstep(0.86, 1.0, light))
    lab = np.stack((light, (along * F(math.cos(angle)) - across * F(math.sin(angle))) * keep,
                    (along * F(math.sin(angle)) + across * F(math.cos(angle))) * keep))
    return from_oklab(lab) * tile.vignette(0.22)


def film_noir(tile, options):
    """Black and white through an orange filter: dark skies, bright faces, deep shadows, light that blooms."""
    rgb = np.clip(tile.levels(tile.rgb), 0, 1)
    grey = F(0.5) * rgb[0] + F(0.42) * rgb[1] + F(0.08) * rgb[2]
    around = luma(tile.small(tile.work.blurred(14)))
    grey = grey + F(0.45) * (grey - around) + F(0.3) * (grey - tile.blur(grey, 3))
    middle = F(tile.work.state["median"])
    grey = contrast(np.clip(grey + (F(0.44) - middle) * F(0.5), 0, 1), 3.5)
    bloom = tile.small(tile.work.blurred(16, 0.62))
    grey = screen(np.clip(grey, 0, 1), np.clip(luma(bloom), 0, 1) * F(0.4))
    grey = grey * tile.vignette(0.62, 0.36)
    return ramp(grey, (0, (0.012, 0.013, 0.018)), (0.5, (0.5, 0.498, 0.495)), (1, (0.985, 0.98, 0.965)))


def vintage_print(tile, options):
    """A colour print that hung in the light for years: faded dyes, milky shadows, light that leaked in."""
    rgb = saturate(np.clip(tile.levels(tile.rgb, 0.5), 0, 1), 0.72)
    rgb = mix(rgb, tile.small(tile.work.blurred(3)), F(0.12))
    curves = ((0.13, 0.42, 0.72, 0.975), (0.105, 0.37, 0.66, 0.925), (0.19, 0.39, 0.585, 0.77))
    out = np.stack([np.interp(rgb[i], (0, 0.33, 0.66, 1), curve).astype(F) for i, curve in enumerate(curves)])
    pick = np.random.RandomState(tile.work.seed & 0x7FFFFFFF)
    side, height, reach = pick.randint(2), pick.uniform(0.15, 0.75), pick.uniform(0.28, 0.42)
    x = (tile.x + 0.5) / tile.work.width
    x = (1 - x if side else x)[None, :]
    y = ((tile.y + 0.5) / tile.work.height)[:, None]
    flame = np.exp(-((x / reach) ** 2) * 2.4 - ((y - height) / 0.5) ** 2).astype(F) * (1 + F(0.12) * tile.noise(160, 3))
    out = screen(np.clip(out, 0, 1), np.clip(flame, 0, 1) * color((0.78, 0.30, 0.10)) * F(0.8))
    fade = 1 + F(0.05) * smoothstep(0.6, 1.1, tile.radius())
    out = mix(out, color((0.93, 0.87, 0.74)), smoothstep(0.55, 1.15, tile.radius()) * F(0.22)) * fade
    return out * (1 + F(0.012) * tile.paper(60))


def day_for_night(tile, options):
    """Moonlight out of daylight: dark and blue, and only warm lights keep their colour."""
    rgb = np.clip(tile.levels(tile.rgb, 0.5), 0, 1)
    lab = to_oklab(rgb)
    warm = smoothstep(0.06, 0.17, lab[1] * F(0.4) + lab[2] * F(0.92)) * smoothstep(0.74, 0.9, lab[0])
    grey = F(0.12) * rgb[0] + F(0.5) * rgb[1] + F(0.38) * rgb[2]
    night = contrast(grey, 1.8) ** F(1.45) * F(0.62)
    base = ramp(night, (0, (0.008, 0.014, 0.035)), (0.25, (0.10, 0.17, 0.31)), (0.6, (0.42, 0.56, 0.78)), (1, (0.86, 0.93, 1.0)))
    base = mix(base, saturate(rgb, 0.8) * F(0.42) * color((0.6, 0.8, 1.15)), F(0.22))
    base = base * tile.vignette(0.5, 0.3)
    # Lights shine themselves, and the brightest white is the moon, or its light on water.
    base = mix(base, rgb * color((1.02, 0.9, 0.66)), warm * F(0.85))
    base = mix(base, color((0.90, 0.95, 1.0)) * grey, smoothstep(0.80, 0.96, grey) * (1 - warm) * F(0.9))
    glow = tile.small(tile.work.blurred(18, 0.8))
    return screen(np.clip(base, 0, 1), np.clip(glow, 0, 1) * color((0.34, 0.33, 0.34)))


def soft_glow(tile, options):
    """A veil before the lens: light flows over edges, and detail stays."""
    rgb = np.clip(tile.levels(tile.rgb, 0.5), 0, 1)
    wide, near = tile.small(tile.work.blurred(22)), tile.small(tile.work.blurred(7))
    light = np.clip(wide * wide * F(0.62) + near * near * F(0.38), 0, 1)
    out = screen(rgb * F(0.93), light * color((0.66, 0.585, 0.52)))
    out = mix(out, near, F(0.16))
    out = contrast(np.clip(out * F(0.94), 0, 1), 1.5)
    return saturate(out, 1.12) * color((1.01, 1.0, 0.985))


# ---- colours ----


def duotone(tile, options):
    """Two inks: the dark colour for shadows, the light one for light."""
    grey = contrast(np.clip(tile.levels(luma(tile.rgb), 0.9), 0, 1), 2.3)
    dark = options.get("dark_color") or (0.13, 0.07, 0.42)
    light = options.get("light_color") or (1.0, 0.80, 0.52)
    ends = to_oklab(np.stack((color(dark), color(light)), axis=-1).reshape(3, 1, 2))
    return from_oklab(ends[..., :1] + (ends[..., 1:] - ends[..., :1]) * grey[None])


def cyanotype(tile, options):
    """Iron salts brushed on paper, printed in the sun: Prussian blue and the white of the paper."""
    grey = np.clip(tile.levels(luma(tile.rgb), 0.9), 0, 1)
    grey = np.clip(grey + F(0.25) * (grey - tile.blur(grey, 4)), 0, 1)
    density = contrast(1 - grey, 2.2)
    tooth = tile.paper()
    density = density * (1 + F(0.05) * tile.clouds(220, 3, 20) + F(0.03) * tooth)
    # The coat ends in strokes of a broad brush, some of them longer than others.
    ragged = F(16) + F(5.5) * tile.noise(30, 21) + F(2.2) * tile.noise(9, 22) + F(0.5) * tile.noise(2.2, 23)
    coat = smoothstep(-1.6, 1.6, tile.edge() - ragged)
    rim = np.exp(-(((tile.edge() - ragged - 3) / 3) ** 2)) * F(0.18)
    density = np.clip((density * F(0.93) + F(0.055)) * coat + rim * coat, 0, 1)
    out = ramp(density, (0, (0.957, 0.945, 0.902)), (0.22, (0.74, 0.81, 0.84)), (0.5, (0.33, 0.53, 0.69)),
               (0.78, (0.07, 0.25, 0.48)), (1, (0.012, 0.085, 0.25)))
    return out * (1 + F(0.013) * tooth)


# ---- print ----


def _screen_table():
    """For a coverage from 0 to 1, where to cut the dot pattern so that so much of the area is ink."""
    wave = np.cos(np.linspace(0, 2 * np.pi, 400, endpoint=False))
    heights = np.sort(((wave[:, None] + wave[None, :]) * 0.25 + 0.5).ravel())[::-1]
    places = np.linspace(0, 1, 257)
    return places, heights[np.minimum((places * heights.size).astype(int), heights.size - 1)]


SCREEN_TABLE = _screen_table()


def dots(tile, coverage, cell, degrees):
    """Round dots of ink on a turned grid, in size as the coverage says; smooth at their edges."""
    u, v = tile.turned(degrees)
    cell = max(cell, 3.0 / tile.unit)
    height = (np.cos(u * F(2 * math.pi / cell)) + np.cos(v * F(2 * math.pi / cell))) * F(0.25) + F(0.5)
    cut = np.interp(coverage, *SCREEN_TABLE).astype(F)
    soft = F(max(0.05, 1.1 * math.pi / 2 / (cell * tile.unit)))
    ink = smoothstep(-1, 1, (height - cut) / soft)
    return ink * smoothstep(0.0, 0.03, coverage) * (1 - smoothstep(0.97, 1.0, coverage)) + smoothstep(0.97, 1.0, coverage)


def halftone(tile, options):
    """Print of dots: four inks on cheap paper, or one ink in the colours given."""
    rgb = np.clip(tile.levels(tile.rgb, 0.8), 0, 1)
    tooth = tile.paper()
    if options.get("dark_color") or options.get("light_color"):
        grey = contrast(np.clip(tile.blur(luma(rgb), 1.0), 0, 1), 1.5)
        ink = dots(tile, np.clip(1 - grey ** F(0.9), 0, 1), 7.0, 45)
        paper, dark = options.get("light_color") or (0.965, 0.945, 0.895), options.get("dark_color") or (0.07, 0.07, 0.09)
        return mix(color(paper) * (1 + F(0.012) * tooth), color(dark) * (1 + F(0.04) * tooth), ink)
    rgb = np.clip(saturate(contrast(rgb, 1.5), 1.3), 0, 1)
    rgb = tile.blur(rgb, 0.9)
    cmy = 1 - rgb
    black = np.clip((cmy.min(axis=0) - F(0.28)) / F(0.72), 0, 1) ** F(1.25)
    cmy = np.clip((cmy - black * F(0.75)) / (1 - black * F(0.75) + F(1e-4)), 0, 1)
    out = color((0.970, 0.948, 0.890)) * (1 + F(0.014) * tooth)
    plates = ((cmy[2], 0, (1.0, 0.89, 0.10), (0.5, -0.35)), (cmy[1], 75, (0.90, 0.13, 0.46), (-0.55, 0.4)),
              (cmy[0], 15, (0.04, 0.62, 0.87), (0.45, 0.5)), (black, 45, (0.10, 0.095, 0.10), (0, 0)))
    for amount, angle, ink, (dx, dy) in plates:
        amount = shifted(amount, tile.units(dx), tile.units(dy))
        cover = dots(tile, amount ** F(1.12), 6.2, angle) * (1 - F(0.05) * np.abs(tooth))
        out = out * (1 - cover * (1 - color(ink)))
    return out


def ink_sketch(tile, options):
    """Pen and ink: lines where the light changes, hatching where it is dark."""
    grey = np.clip(tile.levels(luma(tile.rgb), 0.9), 0, 1)
    # A hand is not steady: everything is drawn a little beside where it is.
    wave_x, wave_y = tile.noise(26, 1) * F(tile.units(0.55)), tile.noise(26, 2) * F(tile.units(0.55))
    grey = gathered(grey, wave_x, wave_y)
    fine, coarse = tile.blur(grey, 0.95), tile.blur(grey, 1.75)
    edges = fine + F(17) * (fine - coarse)
    pressure = F(0.06) * tile.noise(18, 5)
    lines = 1 - np.clip(1 + np.tanh(F(9) * (edges - F(0.44) + pressure)), 0, 1) * smoothstep(-0.1, 0.35, edges)
    lines = lines * smoothstep(0.012, 0.045, np.abs(fine - coarse) * F(1.6) + F(0.05) * (1 - fine) ** 2)
    # What stands before something equally dark gets its own shade from the contrast to what is around it.
    tone = tile.blur(grey, 2.4)
    around = tile.small(luma(tile.work.blurred(26)))
    tone = np.clip(tone + F(0.35) * (tone - np.clip(around, 0, 1)), 0, 1) ** F(0.62)
    hatching = np.zeros_like(grey)
    layers = ((-52, 5.4, 0.74), (-46, 5.0, 0.56), (38, 5.4, 0.42), (4, 4.6, 0.25), (84, 4.4, 0.12))
    for number, (angle, spacing, below) in enumerate(layers):
        spacing = max(spacing, 3.2 / tile.unit)
        along, across = tile.turned(angle)
        across = across / F(spacing) + F(0.16) * tile.noise(46, 10 + number) + F(0.05) * tile.noise(9, 20 + number)
        distance = np.abs(across - np.floor(across) - F(0.5)) * F(spacing * tile.unit)
        dark = smoothstep(below + 0.04, below - 0.28, tone)
        # Each stroke is one move of the hand: it starts and ends somewhere, and presses more or less.
        stroke = F(0.82) + F(0.25) * tile.noise(22, 30 + number)
        width = dark * stroke * F(spacing * tile.unit * 0.17 + 0.25)
        hatching = screen(hatching, np.clip(width - distance + F(0.5), 0, 1) * smoothstep(0.02, 0.2, dark) * F(0.88))
    # On the lighter side of an outline the pen stays away a little, or dark things would run together.
    hatching = hatching * (1 - F(0.85) * smoothstep(0.02, 0.09, (fine - coarse) / (fine + F(0.06))))
    ink = np.clip(screen(np.clip(lines, 0, 1), hatching), 0, 1)
    tooth = tile.paper()
    ink = ink * (1 - F(0.045) * np.clip(tooth, 0, 2))
    paper, dark = options.get("light_color") or (0.962, 0.945, 0.905), options.get("dark_color") or (0.085, 0.08, 0.105)
    return mix(color(paper) * (1 + F(0.011) * tooth + F(0.008) * tile.noise(120, 41)), color(dark), ink)


# ---- paint ----


def gathered(a, dx, dy):
    """a at (x + dx, y + dy), for arrays of displacements in pixels; linear between pixels."""
    height, width = a.shape[-2:]
    x = np.clip(np.arange(width, dtype=F)[None, :] + dx, 0, width - 1.001)
    y = np.clip(np.arange(height, dtype=F)[:, None] + dy, 0, height - 1.001)
    x0, y0 = x.astype(np.int32), y.astype(np.int32)
    fx, fy = x - x0, y - y0
    at = y0 * width + x0
    flat = a.reshape(*a.shape[:-2], -1)
    upper = flat[..., at] * (1 - fx) + flat[..., at + 1] * fx
    lower = flat[..., at + width] * (1 - fx) + flat[..., at + width + 1] * fx
    return upper * (1 - fy) + lower * fy


def patches(tile, rgb, size, sharpness=4):
    """Flat patches with crisp borders: of eight neighbourhoods around a pixel the calmest ones give its colour (a Kuwahara
    filter with soft windows)."""
    reach = max(1.0, tile.units(size))
    mean = blur(rgb, reach * 0.5)
    calm = np.maximum(blur((rgb * rgb).sum(axis=0), reach * 0.5) - (mean * mean).sum(axis=0), 0)
    calm = F(0.0015) / (calm + F(0.0015))
    weight = calm**sharpness + F(1e-9)
    both = np.concatenate((mean * weight, weight[None]))
    total = both * F(0.35)
    for step in range(8):
        turn = step * math.pi / 4
        total = total + shifted(both, reach * math.cos(turn), reach * math.sin(turn))
    return total[:3] / total[3]


def flow(tile, grey, size):
    """The direction along which the picture changes least, as (cos, sin); where it is flat, slow curves."""
    x = (np.roll(grey, -1, -1) - np.roll(grey, 1, -1)) * F(tile.unit)
    y = (np.roll(grey, -1, -2) - np.roll(grey, 1, -2)) * F(tile.unit)
    angle = tile.noise(150, 7) * F(1.1) + F(0.5)
    xx, yy, xy = (tile.blur(a, size) for a in (x * x, y * y, x * y))
    weak = F(2e-4)
    xx = xx - yy + weak * np.cos(2 * angle)
    xy = 2 * xy + weak * np.sin(2 * angle)
    angle = F(0.5) * np.arctan2(xy, xx) + F(math.pi / 2)
    return np.cos(angle), np.sin(angle)


def smeared(layers, directions, length, steps):
    """The average of each pixel's colours along the flow through it, so many pixels to both sides."""
    height, width = layers.shape[-2:]
    flat = layers.reshape(layers.shape[0], -1)
    cosine, sine = (a.ravel() for a in directions)
    total, count = flat.copy(), F(1)
    stride = F(max(1.0, length / steps))
    for sign in (1, -1):
        x = np.broadcast_to(np.arange(width, dtype=F)[None, :], (height, width)).ravel()
        y = np.broadcast_to(np.arange(height, dtype=F)[:, None], (height, width)).ravel()
        dx, dy = cosine * F(sign), sine * F(sign)
        for step in range(steps):
            x = np.clip(x + dx * stride, 0, width - 1)
            y = np.clip(y + dy * stride, 0, height - 1)
            at = (y + F(0.5)).astype(np.int32) * width + (x + F(0.5)).astype(np.int32)
            weight = F(1 - (step + 1) / (steps + 1) * 0.6)
            for layer in range(flat.shape[0]):
                total[layer] += flat[layer].take(at) * weight
            count = count + weight
            # The flow has no front and no back: go on in the direction that turns less.
            c, s = cosine.take(at), sine.take(at)
            back = np.where(c * dx + s * dy < 0, F(-1), F(1))
            dx, dy = c * back, s * back
    # Each side counted its weights, the middle once.
    return (total / count).reshape(layers.shape)


def oil(tile, options):
    """Thick paint: strokes follow the forms, and light catches on them."""
    rgb = np.clip(tile.levels(tile.rgb, 0.6), 0, 1)
    directions = flow(tile, tile.blur(luma(rgb), 0.8), 3.2)
    rgb = patches(tile, rgb, 3.4)
    bristle = tile.noise(1.5, 11)
    layers = smeared(np.concatenate((rgb, bristle[None])), directions, tile.units(9), 7)
    paint, ridge = layers[:3], layers[3]
    paint = np.clip(paint + F(0.4) * (paint - tile.blur(paint, 2.2)), 0, 1)
    paint = np.clip(saturate(contrast(paint, 1.4), 1.28), 0, 1)
    # The brush never takes up just one colour.
    daub = smeared(tile.noise(7, 12)[None], directions, tile.units(12), 6)[0]
    paint = paint * (1 + F(0.075) * daub * color((1.1, 1.0, 0.8))) + F(0.012) * daub
    height = ridge * F(0.9) + luma(paint) * F(1.6) + daub * F(0.12)
    step = max(1, round(tile.units(0.7)))
    slope = (shifted(height, step, step) - shifted(height, -step, -step)) / F(2 * step / tile.unit)
    light = np.tanh(-slope * F(0.85))
    out = paint * (1 + F(0.24) * light) + F(0.075) * np.clip(light, 0, 1) ** 3
    weave = np.sin(tile.turned(0)[0] * F(2 * math.pi / 3.6)) * np.sin(tile.turned(0)[1] * F(2 * math.pi / 3.6))
    return out * (1 + F(0.018) * weave)


def watercolor(tile, options):
    """Washes of colour on rough paper: they run, gather at their edges, and leave the paper's border white."""
    rgb = np.clip(tile.levels(tile.rgb, 0.7), 0, 1)
    wobble = tile.units(1.5)
    dx = (tile.noise(24, 1) + F(0.55) * tile.noise(9, 2)) * F(wobble)
    dy = (tile.noise(24, 3) + F(0.55) * tile.noise(9, 4)) * F(wobble)
    rgb = gathered(rgb, dx, dy)
    wash = patches(tile, rgb, 4.6, 5)
    wash = mix(wash, patches(tile, wash, 3.2, 5), F(0.6))
    detail = luma(rgb) - tile.blur(luma(rgb), 2.2)
    wash = np.clip(saturate(wash, 1.22), 0, 1)
    wash = np.clip(F(1) - (F(1) - wash) * F(0.90), 0, 1) ** F(0.86)
    # Density of the pigment: more of it where a wash ends, less in the bright middle, and as the water left it.
    grey = luma(wash)
    rim = np.clip((tile.blur(grey, 2.6) - grey) * F(4.5), -0.25, 0.75)
    step = max(1, round(tile.units(0.6)))
    border = np.hypot(shifted(grey, step, 0) - shifted(grey, -step, 0), shifted(grey, 0, step) - shifted(grey, 0, -step))
    border = np.clip(border * F(2.4), 0, 0.55)
    tooth = tile.paper()
    flood = tile.clouds(130, 3, 50) + F(0.12) * tile.noise(14, 57)
    density = 1 + F(0.85) * rim + F(0.75) * border + F(0.24) * flood + F(0.085) * tooth - F(1.7) * detail
    density = np.clip(density, 0.25, 2.6)
    # Beer's law, near enough: more pigment takes away more of what it does not reflect.
    out = np.exp(np.log(np.clip(wash, 0.02, 0.985)) * density)
    ragged = F(15) + F(6) * tile.noise(60, 31) + F(3.4) * tile.noise(16, 32) + F(1.2) * tile.noise(5, 33)
    inside = tile.edge() - ragged
    painted = smoothstep(-1.0, 1.0, inside + F(0.6) * tooth)
    pool = np.exp(-(((inside - F(1.5)) / F(1.9)) ** 2)) * F(0.35)
    out = out * (1 - pool * (1 - out))
    paper = color((0.985, 0.972, 0.94))
    out = mix(paper * np.ones_like(out), out * mix(F(1), paper, F(0.8)), painted * F(0.97))
    return out * (1 + F(0.02) * tooth)


# ---- pixels ----

BAYER = np.array(((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5)), dtype=F) / 16 - F(0.46875)
CELLS, COLORS = 168, 20


def palette_of(lab):
    """COLORS colours that stand for all of lab, (n, 3): those furthest from each other first, then moved to their groups' middles."""
    chosen = [lab.mean(axis=0)]
    distance = ((lab - chosen[0]) ** 2).sum(axis=1)
    for _ in range(COLORS - 1):
        # The square root keeps single odd pixels from being chosen before whole regions.
        chosen.append(lab[int(np.argmax(distance))])
        distance = np.minimum(distance, ((lab - chosen[-1]) ** 2).sum(axis=1))
    chosen = np.array(chosen, dtype=F)
    for _ in range(10):
        nearest = nearest_of(lab, chosen)
        for i in range(COLORS):
            group = lab[nearest == i]
            if len(group):
                chosen[i] = group.mean(axis=0)
    return chosen


def nearest_of(lab, chosen):
    return np.stack([((lab - one) ** 2).sum(axis=1) for one in chosen]).argmin(axis=0)


def pixel_cells(work):
    """The picture in few cells and few colours; made once, tiles only enlarge it."""
    small = work.small
    longest = max(work.width, work.height)
    count = min(CELLS, longest)
    columns, rows = max(1, round(work.width * count / longest)), max(1, round(work.height * count / longest))
    # Averages over whole cells, by way of the running sums of the small version.
    sums = np.pad(small.astype(np.float64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    x = np.linspace(0, small.shape[2], columns + 1).round().astype(int)
    y = np.linspace(0, small.shape[1], rows + 1).round().astype(int)
    x, y = np.maximum(x, np.arange(columns + 1)), np.maximum(y, np.arange(rows + 1))
    x, y = np.minimum(x, small.shape[2]), np.minimum(y, small.shape[1])
    area = np.maximum((y[1:] - y[:-1])[:, None] * (x[1:] - x[:-1])[None, :], 1)
    cells = (sums[:, y[1:]][:, :, x[1:]] - sums[:, y[:-1]][:, :, x[1:]] - sums[:, y[1:]][:, :, x[:-1]] + sums[:, y[:-1]][:, :, x[:-1]]) / area
    cells = cells.astype(F)
    black, white = work.state["range"]
    cells = mix(cells, (cells - F(black)) / F(max(0.25, white - black)), F(0.8))
    cells = np.clip(cells + F(0.7) * (cells - blur(cells, 1.0)), 0, 1)
    cells = np.clip(saturate(contrast(cells, 1.5), 1.3), 0, 1)
    lab = to_oklab(cells)
    flat = lab.reshape(3, -1).T
    chosen = palette_of(flat)
    pattern = np.tile(BAYER, (rows // 4 + 1, columns // 4 + 1))[:rows, :columns].ravel()
    nearest = nearest_of(flat + np.stack((pattern * F(0.065), pattern * 0, pattern * 0), axis=1), chosen)
    return np.clip(from_oklab(chosen[nearest].T.reshape(3, rows, columns)), 0, 1)


def pixel_art(tile, options):
    """Few cells, few colours, and a pattern where two of them must do for a third."""
    cells = tile.work.once("pixels", pixel_cells)
    x = np.clip((tile.x + 0.5) * cells.shape[2] // tile.work.width, 0, cells.shape[2] - 1).astype(int)
    y = np.clip((tile.y + 0.5) * cells.shape[1] // tile.work.height, 0, cells.shape[1] - 1).astype(int)
    return cells[:, y[:, None], x[None, :]]


# name: (function, margin in units, grain that suits it, large blurs it takes)
STYLES = {
    "bleach_bypass": (bleach_bypass, 14, 0.35, ()),
    "teal_orange": (teal_orange, 0, 0.15, ()),
    "film_noir": (film_noir, 11, 0.5, ((14, None), (16, 0.62))),
    "vintage_print": (vintage_print, 0, 0.4, ((3, None),)),
    "day_for_night": (day_for_night, 0, 0.25, ((18, 0.8),)),
    "soft_glow": (soft_glow, 0, 0.1, ((22, None), (7, None))),
    "duotone": (duotone, 0, 0.2, ()),
    "cyanotype": (cyanotype, 14, 0.15, ()),
    "halftone": (halftone, 5, 0.0, ()),
    "ink_sketch": (ink_sketch, 13, 0.0, ((26, None),)),
    "oil": (oil, 30, 0.0, ()),
    "watercolor": (watercolor, 34, 0.0, ()),
    "pixel_art": (pixel_art, 0, 0.0, ()),
}


# ---- the machine ----


class Work:
    """One picture, one style. source: (height, width, 3 or 4) of 8 or 16 bits; small: the same, at most SMALL_SIDE large."""

    def __init__(self, source, small, style, strength, grain, seed, options):
        self.source, self.options, self.strength = source, options, strength
        self.height, self.width = source.shape[:2]
        self.top = 65535 if source.dtype == np.uint16 else 255
        self.unit = max(self.width, self.height) / 1000
        self.seed = seed & 0xFFFFFFFF
        self.function, margin, own_grain, blurs = STYLES[style]
        self.margin = math.ceil(margin * self.unit) + 8 if margin else 0
        self.grain = own_grain if grain is None else grain
        self.kept = {}
        self._measure(small, blurs)

    def _measure(self, small, blurs):
        planes = small.transpose(2, 0, 1).astype(F) / F(65535 if small.dtype == np.uint16 else 255)
        self.small, seen = planes[:3], planes[3] > 0.02 if planes.shape[0] == 4 else np.ones(planes.shape[1:], dtype=bool)
        visible = self.small[:, seen] if seen.any() else self.small.reshape(3, -1)
        grey = luma(visible)
        mean = visible.mean(axis=1)
        black, white = np.percentile(grey, (0.5, 99.5))
        self.state = {"mean": mean, "range": (float(black), float(white)), "median": float(np.median(grey))}
        self.small = np.where(seen, self.small, color(mean))
        unit = max(self.small.shape[1:]) / 1000
        for length, above in blurs:
            base = self.small if above is None else self.small * smoothstep(above, 1.0, luma(self.small))
            self.kept[length, above] = blur(base, length * unit)
        if self.function is pixel_art:
            self.kept["pixels"] = pixel_cells(self)

    def blurred(self, length, above=None):
        """The small version, or what of it is brighter than `above`, blurred by so many units."""
        return self.kept[length, above]

    def once(self, name, _):
        return self.kept[name]

    def tile(self, left, top, width, height):
        """The finished pixels of one tile, (height, width, 3) from 0 to 1."""
        margin = self.margin
        tile = Tile(self, left - margin, top - margin, width + 2 * margin, height + 2 * margin)
        styled = np.clip(self.function(tile, self.options), 0, 1)
        inner = slice(margin, margin + height), slice(margin, margin + width)
        out = styled[:, inner[0], inner[1]]
        if self.strength < 1:
            out = mix(tile.rgb[:, inner[0], inner[1]], out, F(self.strength))
        tile.x, tile.y = tile.x[inner[1]], tile.y[inner[0]]
        if self.grain > 0:
            out = self._grained(tile, out)
        return np.clip(out, 0, 1)

    def _grained(self, tile, rgb):
        """Film grain: strongest between black and white, mostly of light and a little of colour."""
        grey = luma(rgb)
        amount = F(self.grain * 0.055) * (F(0.25) + F(3) * grey * (1 - grey))
        grain = tile.noise(0.9, 900) * F(0.9) + tile.noise(1.9, 901) * F(0.3)
        tint = np.stack([tile.noise(1.5, 902 + i) for i in range(3)])
        return rgb + amount * (grain + F(0.22) * tint)


def apply(work, wide, dither, threads, report=None):
    """Works on all tiles; the picture with 16 (`wide`) or 8 bits, with the alpha of its source."""
    source = work.source
    out = np.empty(source.shape, dtype=np.uint16 if wide else np.uint8)
    top = F(65535 if wide else 255)
    side = int(min(TILE_MOST, max(TILE_LEAST, work.margin * 5)))
    places = [(x, y) for y in range(0, work.height, side) for x in range(0, work.width, side)]

    def do(place):
        left, upper = place
        width, height = min(side, work.width - left), min(side, work.height - upper)
        values = work.tile(left, upper, width, height) * top
        if dither and not wide:
            # Half a step of noise hides the steps that 8 bits make in a sky.
            values += hashed(np.arange(left, left + width), np.arange(upper, upper + height), work.seed + 77) - F(0.5)
        part = out[upper : upper + height, left : left + width]
        part[..., :3] = np.clip(values + F(0.5), 0, top).transpose(1, 2, 0)
        if source.shape[2] == 4:
            alpha = source[upper : upper + height, left : left + width, 3]
            factor = {(8, 16): 257, (16, 8): 1 / 257}.get((8 if work.top == 255 else 16, 16 if wide else 8), 1)
            part[..., 3] = np.rint(alpha * factor) if factor != 1 else alpha

    done = 0
    with ThreadPoolExecutor(threads) as pool:
        rest = {pool.submit(do, place) for place in places}
        try:
            while rest:
                finished, rest = wait(rest, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                done += len(finished)
                if report:
                    report(done / len(places))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return out
