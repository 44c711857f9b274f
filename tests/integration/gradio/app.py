"""A Gradio app for tests, the same source for Gradio 4, 5 and 6: each function shows one thing that apps do.

app.py PORT [--auth USER:PASSWORD] [--tls FILE] [--max-size N] [--max-file-size BYTES] [--show-error] [--only FUNCTION] [--below PATH]
Says "ready" when it listens. Each call appends a line to the file FNR_TEST_CALLS names: "begin NAME" and "end NAME".
"""

import argparse
import asyncio
import contextlib
import math
import os
import struct
import threading
import time
import wave

import gradio as gr
from PIL import Image

MAJOR = int(gr.__version__.split(".")[0])
FOLDER = os.environ["GRADIO_TEMP_DIR"]
LOCK = threading.Lock()


def note(line):
    with LOCK, open(os.environ["FNR_TEST_CALLS"], "a") as file:
        file.write(line + "\n")


@contextlib.contextmanager
def call(name):
    note("begin " + name)
    yield
    note("end " + name)


def made(name):
    """A path for a file that the app makes, where Gradio may serve it from."""
    folder = os.path.join(FOLDER, "made", str(time.monotonic_ns()))
    os.makedirs(folder)
    return os.path.join(folder, name)


def shout(text, times=2, mark="!"):
    with call("shout"):
        return text.upper() + mark * int(times)


def steps(count, seconds, progress=gr.Progress()):
    with call("steps"):
        for _ in progress.tqdm(range(int(count)), desc="Kneading", unit="folds"):
            time.sleep(seconds)
        return f"{int(count)} steps"


def spell(text, seconds=0.05):
    """Grows a text and a list, so that later answers are edits."""
    with call("spell"):
        shown = []
        for letter in text:
            shown.append({"letter": letter, "code": ord(letter)})
            yield "".join(entry["letter"] for entry in shown), shown
            time.sleep(seconds)
        yield text, shown[-1:]


def develop(image, pictures=4, seconds=0.05):
    """A picture that becomes sharper."""
    with call("develop"):
        image = image.convert("RGB")
        for step in range(int(pictures)):
            side = max(1, image.width >> (int(pictures) - step - 1))
            yield image.resize((side, side)).resize(image.size)
            time.sleep(seconds)


def style_image(image, style, strength, invert):
    with call("style_image"):
        image = image.convert("RGB")
        if style == "mirror":
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if invert:
            image = image.point(lambda value: 255 - value)
        note(f"style {style} {strength} {invert}")
        return image, {"style": style, "strength": strength}


def tone(frequency, seconds, name="tone"):
    with call("tone"):
        path = made(name + ".wav")
        with wave.open(path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            for at in range(int(8000 * seconds)):
                file.writeframesraw(struct.pack("<h", int(20000 * math.sin(at * frequency * math.tau / 8000))))
        return path


def join_files(files):
    with call("join_files"):
        path = made("joined #1 ä%20.txt")
        with open(path, "wb") as out:
            for file in files or []:
                name = file if isinstance(file, str) else file.name
                with open(name, "rb") as source:
                    out.write(source.read())
                note("file " + os.path.basename(name))
        return path


def film(video):
    with call("film"):
        return video


def paint(prompt, seed, randomize_seed, _size):
    """What many picture apps take."""
    with call("paint"):
        note(f"paint {prompt} {seed} {randomize_seed} {_size}")
        return Image.new("RGB", (16, 16), (int(seed) % 256, 0, 0))


def infer(prompt, seed, randomize_seed, width, height, guidance_scale, num_inference_steps):
    """The interface of picture apps like those for FLUX."""
    with call("infer"):
        note(f"infer {prompt} {seed} {randomize_seed} {width}x{height} {guidance_scale} {num_inference_steps}")
        return Image.new("RGB", (int(width), int(height)), (int(seed) % 256, 80, 120)), seed


def generate_audio(prompt, seconds, steps, guidance, seed):
    note(f"generate_audio {prompt} {seconds} {steps} {guidance} {seed}")
    return tone(220 + int(seed) % 220, seconds, "sound")


def gallery(images):
    with call("gallery"):
        note(f"gallery {len(images)}")
        return [entry[0] for entry in images]


def fail(kind):
    with call("fail"):
        if kind == "gr.Error":
            raise gr.Error("The oven is cold.")
        if kind == "memory":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        raise ValueError("secret detail")


def fail_late(kind):
    with call("fail_late"):
        yield "half"
        raise gr.Error("The oven went out.")


def sleep(seconds):
    """A plain function: nothing can stop it, but for an alarm, a file beside that of the calls."""
    with call("sleep"):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not os.path.exists(os.environ["FNR_TEST_CALLS"] + ".alarm"):
            time.sleep(0.05)
        return f"slept {seconds}"


def doze(seconds):
    """A generator: it stops at its next yield."""
    with call("doze"):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)
            yield "dozing"
        yield "rested"


def remember(text, memory, number):
    with call("remember"):
        memory = (memory or []) + [text]
        return f"{len(memory)}: {text} {number}", memory


def talk(text):
    with call("talk"):
        gr.Info("Have a seat.")
        gr.Warning("Mind the step.")
        return text


def nothing(text):
    with call("nothing"):
        return None


def direct(text):
    with call("direct"):
        return text[::-1]


def direct_fail(text):
    raise gr.Error("Not today.")


def choose(name, colours, flavours, date_like, amount):
    with call("choose"):
        return {"name": name, "colours": colours, "flavours": flavours, "date_like": date_like, "amount": amount}


def huge(megabytes):
    with call("huge"):
        return "x" * int(megabytes * 1024 * 1024)


def refuse_short(text):
    with call("refuse_short"):
        return text


def cached(text):
    with call("cached"):
        return text + " (once)"


def can_be_held():
    """A request whose path has what the file beside that of the calls says is answered only when that file is gone; "held PATH" is noted."""
    answer, hold = gr.routes.App.__call__, os.environ["FNR_TEST_CALLS"] + ".hold"

    async def call(self, scope, receive, send):
        noted = False
        while scope["type"] == "http" and os.path.exists(hold) and open(hold).read() in scope["path"]:
            if not noted:
                note("held " + scope["path"])
            noted = True
            await asyncio.sleep(0.05)
        await answer(self, scope, receive, send)
    gr.routes.App.__call__ = call


def functions(only):
    def endpoint(function, inputs, outputs, name=None, **more):
        name = name or function.__name__
        if only in (None, name):
            gr.Button(visible=False).click(function, inputs, outputs, api_name=name, **more)

    text, number = gr.Textbox, gr.Number
    endpoint(shout, [text(label="Text"), gr.Slider(0, 10, value=2, step=1, label="How often"), gr.Radio(["!", "?"], value="!", label="Mark")],
             text(label="Loud"))
    endpoint(steps, [number(value=5, precision=0, label="Steps"), number(value=0.05, label="Seconds each")], text(label="Done"))
    endpoint(spell, [text(label="Text"), number(value=0.05, label="Seconds each")], [text(label="Spelled"), gr.JSON(label="Letters")])
    endpoint(develop, [gr.Image(type="pil", label="Picture"), number(value=4, label="Pictures"), number(value=0.05, label="Seconds")],
             gr.Image(label="Developed", format="png") if MAJOR > 4 else gr.Image(label="Developed"))
    endpoint(style_image, [gr.Image(type="pil", label="Picture"), gr.Dropdown(["plain", "mirror"], value="plain", label="Style"),
                           gr.Slider(0, 1, value=0.5, label="Strength"), gr.Checkbox(value=False, label="Invert")],
             [gr.Image(label="Styled", format="png") if MAJOR > 4 else gr.Image(label="Styled"), gr.JSON(label="Facts")])
    endpoint(tone, [gr.Slider(20, 2000, value=440, label="Frequency"), gr.Slider(0.1, 5, value=0.5, label="Seconds"), text(value="tone", label="Name")],
             gr.Audio(label="Tone", type="filepath"))
    endpoint(join_files, [gr.File(file_count="multiple", label="Files")], gr.File(label="Joined"))
    endpoint(gallery, [gr.Gallery(label="Pictures")], gr.Gallery(label="Again"))
    endpoint(film, [gr.Video(label="Film")], gr.Video(label="Again"))
    endpoint(paint, [text(label="Prompt"), gr.Slider(0, 999, value=7, step=1, label="Seed"), gr.Checkbox(value=True, label="Randomize"),
                     number(value=16, label="Size")], gr.Image(label="Painting", format="png") if MAJOR > 4 else gr.Image(label="Painting"))
    endpoint(infer, [text(label="Prompt"), gr.Slider(0, 2147483647, value=0, step=1, label="Seed"), gr.Checkbox(value=True, label="Randomize seed"),
                     gr.Slider(256, 2048, value=1024, step=32, label="Width"), gr.Slider(256, 2048, value=1024, step=32, label="Height"),
                     gr.Slider(1, 15, value=3.5, step=0.1, label="Guidance"), gr.Slider(1, 50, value=28, step=1, label="Steps")],
             [gr.Image(label="Result", format="png") if MAJOR > 4 else gr.Image(label="Result"), number(label="Seed used")])
    endpoint(generate_audio, [text(label="Prompt"), gr.Slider(1, 60, value=10, label="Seconds"), gr.Slider(10, 200, value=100, step=1, label="Steps"),
                              gr.Slider(1, 15, value=7, label="Guidance"), number(value=0, precision=0, label="Seed")],
             gr.Audio(label="Sound", type="filepath"))
    endpoint(fail, [gr.Radio(["gr.Error", "memory", "other"], value="gr.Error", label="Kind")], text(label="Never"))
    endpoint(fail_late, [text(label="Kind")], text(label="Half"))
    endpoint(sleep, [number(value=1, label="Seconds")], text(label="Slept"), concurrency_limit=1)
    endpoint(doze, [number(value=1, label="Seconds")], text(label="Dozed"), concurrency_limit=1)
    state = gr.State([])
    endpoint(remember, [text(label="Text"), state, number(value=7, label="Number")], [text(label="Remembered"), state])
    endpoint(talk, [text(label="Text")], text(label="Said"))
    endpoint(nothing, [text(label="Text")], text(label="Nothing"))
    endpoint(direct, [text(label="Text")], text(label="Reversed"), queue=False)
    endpoint(direct_fail, [text(label="Text")], text(label="Never"), queue=False)
    endpoint(choose, [text(label="Name", value="Ann", max_lines=3), gr.CheckboxGroup(["red", "green"], value=["red"], label="Colours"),
                      gr.Dropdown(["sweet", "sour"], multiselect=True, value=["sour"], label="Flavours"),
                      gr.Dropdown(["today", "tomorrow"], allow_custom_value=True, value="today", label="When"),
                      number(value=3, minimum=1, maximum=9, label="Amount")], gr.JSON(label="Chosen"))
    endpoint(huge, [number(value=1, label="MiB")], text(label="Huge"))
    if MAJOR >= 5:
        def long_enough(text):
            return gr.validate(len(text) > 3, "Write more than three letters.")
        endpoint(refuse_short, [text(label="Text")], text(label="Long"), validator=long_enough)
    if MAJOR >= 6:
        endpoint(gr.cache(cached), [text(label="Text")], text(label="Cached"), name="cached")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--auth")
    parser.add_argument("--tls", help="a PEM file with certificate and key")
    parser.add_argument("--max-size", type=int, help="of the queue")
    parser.add_argument("--max-file-size", type=int)
    parser.add_argument("--show-error", action="store_true")
    parser.add_argument("--only", help="the one function that the app has")
    parser.add_argument("--below", help="a path that the app is mounted at, as in a larger application")
    return parser.parse_args()


def serve_below(demo, path, port):
    import fastapi
    import uvicorn
    app = gr.mount_gradio_app(fastapi.FastAPI(), demo, path=path)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)


def main():
    wanted = options()
    can_be_held()
    with gr.Blocks(title="Test kitchen") as demo:
        functions(wanted.only)
    demo.queue(max_size=wanted.max_size, default_concurrency_limit=8)
    if wanted.below:
        serve_below(demo, wanted.below, wanted.port)
    else:
        more = {"auth": tuple(wanted.auth.split(":"))} if wanted.auth else {}
        if wanted.tls:
            more.update(ssl_certfile=wanted.tls, ssl_keyfile=wanted.tls, ssl_verify=False)     # of its own request to itself
        if wanted.max_file_size and MAJOR >= 5:
            more["max_file_size"] = wanted.max_file_size
        demo.launch(server_name="127.0.0.1", server_port=wanted.port, prevent_thread_lock=True, quiet=True, show_error=wanted.show_error, **more)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
