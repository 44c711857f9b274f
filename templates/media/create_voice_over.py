"""Voice-overs: a text, spoken by espeak-ng, at the loudness that speech is delivered with.

The loudness is set in two passes of ffmpeg's loudnorm: one measures, one sets it by a single gain for all of the speech,
which changes nothing else. Where single peaks would then be too high, they are limited first and all is measured again;
loudnorm by itself would go over to riding the gain, which one hears, and which misses the target in short texts.
"""

import json
import os
import re
import threading

import media
from media import MediaError

LOUDNESS, PEAK, RANGE = -16.0, -1.5, 20     # LUFS, dBTP, LU (a range so large that it changes nothing)
LIMITS_MOST = 4
LIMIT_BELOW = 0.3                           # dB below the highest peak: the limiter works between samples only roughly
SHORT_S = 4.0                               # a text that is spoken faster is measured as if it were said again and again
EDGE_S = 0.15                               # silence before and after
CHARACTERS_PER_WORD = 6                     # for an estimate of how far it is

# What people choose: the language of espeak-ng. Each has a man's voice and a woman's.
LANGUAGES = {
    "arabic": "ar", "chinese": "cmn", "croatian": "hr", "czech": "cs", "danish": "da", "dutch": "nl", "english-us": "en-us",
    "english-uk": "en-gb", "english-scottish": "en-gb-scotland", "english-caribbean": "en-029", "finnish": "fi", "french": "fr-fr",
    "german": "de", "greek": "el", "hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it", "korean": "ko",
    "norwegian": "nb", "polish": "pl", "portuguese": "pt", "portuguese-brazil": "pt-br", "romanian": "ro", "russian": "ru",
    "spanish": "es", "spanish-latin-america": "es-419", "swedish": "sv", "turkish": "tr", "ukrainian": "uk", "vietnamese": "vi",
}
WOMAN = "f3"
VOICES = {f"{name}-{who}": code + variant for name, code in LANGUAGES.items() for who, variant in (("man", ""), ("woman", "+" + WOMAN))}
VOICES.update({"english-us-whisper": "en-us+whisper", "english-uk-whisper": "en-gb+whisper"})


def clean(text):
    """What is to be read: no control characters, and no [[…]], which would be read as phonemes."""
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", " ", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.replace("[[", "[ [").replace("]]", "] ]").encode("utf-8", "replace").decode("utf-8").strip()


class VoiceOver:
    """Speaks one text into one file."""

    def get_backend_type(self):
        return "script"

    def get_parameter_schema(self):
        return {
            "type": "object",
            "required": ["text"],
            "properties": {
                "text": {"type": "string", "minLength": 1, "maxLength": 20000},
                "voice": {"enum": list(VOICES)},
                "pace": {"type": "integer", "minimum": 80, "maximum": 400},
                "pitch": {"type": "integer", "minimum": 0, "maximum": 99},
                "format": {"enum": ["wav", "flac"]},
                "sample_rate": {"enum": [22050, 44100, 48000, 96000]},
                "bit_depth": {"enum": [16, 24]},
                "channels": {"enum": [1, 2]},
            },
        }

    def execute(self, parameters, quality, project_path, progress):
        self.parameters, self.folder, self.progress = parameters, project_path, progress
        progress(0.3, "Reading your text…", stage="preparation")
        text = clean(parameters["text"])
        if not re.search(r"\w", text):
            raise self._nothing_to_say()
        progress(1.0, stage="preparation")

        spoken = self._speak(text)
        seconds = self._seconds(spoken)
        media.waveform(spoken, project_path, progress)
        level, limits = self._level(spoken, seconds)
        path = os.path.join(project_path, "voice_over." + parameters["format"])
        self._write(spoken, path, level, limits, seconds)
        os.unlink(spoken)
        progress(0.5, "Filing your recording…", stage="finalization")
        result = self._check(path)
        progress(1.0, stage="finalization")
        return {"outputs": {"audio": path}, "result": result}

    @staticmethod
    def _nothing_to_say():
        return MediaError("validation", "nothing_to_say", "There is nothing in this text that the voice can say.",
                          "Write words, in the language of the voice.")

    # -- speech --

    def _speak(self, text):
        """The text reaches espeak-ng through a file, so that it is never taken for an option."""
        words, path = os.path.join(self.folder, "text.txt"), os.path.join(self.folder, "spoken.wav")
        with open(words, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        # 16 bits at 22050 Hz, and a guess of how long it will be
        expected = 44100 * 60 * max(1, len(text) / CHARACTERS_PER_WORD) / self.parameters["pace"]
        self.progress(0.0, "Speaking your text…")
        with open(words, "rb") as stdin:
            program = media.Program(["espeak-ng", "-v", VOICES[self.parameters["voice"]], "-s", str(self.parameters["pace"]),
                                     "-p", str(self.parameters["pitch"]), "-b", "1", "-w", path, "--stdin"], stdin=stdin)
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(path, expected, done), daemon=True)
        watch.start()
        broken = MediaError("unknown", "speech_failed", "The voice could not speak this text.", "Try another voice, or a shorter text.")
        try:
            program.finish(broken)
        finally:
            done.set()
            watch.join()
        if not os.path.exists(path):
            raise broken
        return path

    def _watch(self, path, expected, done):
        while not done.wait(0.25):
            try:
                self.progress(min(0.5, 0.5 * os.path.getsize(path) / expected))
            except OSError:
                pass  # it is not there yet

    def _seconds(self, path):
        """espeak-ng does not always know the length when it writes the head of the file, so the file's size counts."""
        seconds = (os.path.getsize(path) - 44) / 44100
        if seconds < 0.02:
            raise self._nothing_to_say()
        return seconds

    # -- loudness --

    def _chain(self):
        """From what was spoken to the rate and channels of the result, with a moment of silence at both ends."""
        layout = "mono" if self.parameters["channels"] == 1 else "stereo"
        return (f"aresample={self.parameters['sample_rate']}:resampler=soxr:precision=28,aformat=channel_layouts={layout},"
                f"adelay={round(EDGE_S * 1000)}:all=1,apad=pad_dur={EDGE_S}")

    @staticmethod
    def _limiters(limits):
        # Peaks between samples are what counts ("true peak"), so it works at four times the rate.
        return "".join(f",aresample={{rate}},alimiter=limit={10 ** (limit / 20):.6f}:level=0:attack=3:release=60:asc=1" for limit in limits)

    def _filters(self, limits):
        filters = self._chain()
        if limits:
            filters += self._limiters(limits).replace("{rate}", str(4 * self.parameters["sample_rate"]))
            filters += f",aresample={self.parameters['sample_rate']}:resampler=soxr:precision=28"
        return filters

    def _level(self, spoken, seconds):
        """What loudnorm measured, and the limits (dBFS) under which one gain gives the loudness with no peak too high."""
        limits, measured = [], None
        for turn in range(LIMITS_MOST):
            self.progress(0.5 + 0.08 * turn, "Measuring how loud it is…")
            measured = self._measure(spoken, seconds, limits)
            gain = LOUDNESS - measured["input_i"]
            if measured["input_tp"] + gain <= PEAK:
                break
            limits = [PEAK - gain - LIMIT_BELOW * (turn + 1)]
        return measured, limits

    def _measure(self, spoken, seconds, limits):
        again = f",aloop=loop={int(SHORT_S / seconds) + 1}:size=2147483647" if seconds < SHORT_S else ""
        filters = f"{self._filters(limits)}{again},loudnorm=I={LOUDNESS}:TP={PEAK}:LRA={RANGE}:print_format=json"
        program = media.Program(media.ffmpeg_command("-loglevel", "repeat+level+info", *self._source(spoken), "-af", filters, "-f", "null", "-"), quiet=True)
        program.finish(self._not_recorded())
        values = {name: media.number(value, None) for name, value in self._report(program).items()}
        if values.get("input_i") is None or values["input_i"] < -69 or values.get("input_tp") is None:
            raise self._nothing_to_say()
        return values

    @staticmethod
    def _report(program):
        said = program.why()
        match = re.search(r"\{[^{}]*\"input_i\"[^{}]*\}", said)
        return json.loads(match[0]) if match else {}

    @staticmethod
    def _not_recorded():
        return MediaError("unknown", "encoding_failed", "The recording could not be made.", "Try again, or in another quality.")

    @staticmethod
    def _source(path):
        return ["-protocol_whitelist", "file", "-format_whitelist", "wav", "-f", "wav", "-i", "file:" + path]

    # -- the recording --

    def _write(self, spoken, path, level, limits, seconds):
        bits, flac = self.parameters["bit_depth"], self.parameters["format"] == "flac"
        filters = (f"{self._filters(limits)},loudnorm=I={LOUDNESS}:TP={PEAK}:LRA={RANGE}:linear=true:measured_I={level['input_i']}:"
                   f"measured_TP={min(level['input_tp'], PEAK - LOUDNESS + level['input_i'])}:measured_LRA={level['input_lra']}:"
                   f"measured_thresh={level['input_thresh']}:offset=0,"
                   f"aresample={self.parameters['sample_rate']}:osf={'s16' if bits == 16 else 's32'}:dither_method={'triangular' if bits == 16 else 'none'}")
        codec = ["-c:a", "flac", "-sample_fmt", "s16" if bits == 16 else "s32", "-bits_per_raw_sample", str(bits), "-f", "flac"] if flac else \
            ["-c:a", f"pcm_s{bits}le", "-rf64", "auto", "-f", "wav"]
        media.run_ffmpeg([*self._source(spoken), "-af", filters, *media.PLAIN_METADATA, *codec, "file:" + path], self._not_recorded(),
                         lambda done: self.progress(0.8 + 0.2 * min(1, done / seconds), "Recording your voice-over…"))

    def _check(self, path):
        found = media.probe(path, "the recording", "audio")
        (sound,) = media.sounds_of(found)
        return {"seconds": round(media.stream_seconds(found, sound), 3), "sample_rate": int(sound["sample_rate"]),
                "bit_depth": self.parameters["bit_depth"], "channels": sound["channels"], "loudness_lufs": LOUDNESS}
