"""A stand-in for a ComfyUI server: it speaks the protocol, runs the nodes of comfyui_nodes.py, and makes the mistakes it is told to.

    comfyui_standin.py --port 8188 [--folder DIR] [--without jobs,client_ids,interrupt_id,metadata] [--token SECRET] [--tls PEM]

prints "listening PORT" when it is ready. Without arguments it behaves well. Tests steer it by

    PUT  /standin         {"step_ms": 20, "oom": 1, ...}: any of CONTROLS; the rest stays as it is
    GET  /standin         what it has seen: counters, prompts, requests, sockets
    POST /standin/reset   as it was in the beginning, but for files; sockets are cut

and a fault with a number happens so many times. What it holds in memory is gone when it is started again, as with the real one.
"""

import argparse
import asyncio
import copy
import json
import os
import re
import shutil
import ssl
import tempfile
import time
import uuid

from aiohttp import WSMsgType, web

import comfyui_nodes as nodes

VERSIONS = {True: "0.38.1", False: "0.3.40"}
FEATURES = {"jobs", "client_ids", "interrupt_id", "metadata"}
MARKER = re.compile(r" \[(output|temp|input)\]$")

CONTROLS = {
    "node_ms": 0,             # how long each node takes
    "step_ms": 0,             # each step of a sampler
    "load_ms": 0,             # another model being loaded
    "previews": False,        # also for jobs that do not ask
    "preview": "64x64",       # their size; "broken": megabytes that say they are 1024 wide and are no picture
    "hold": None,             # stop where "greeting", "queued", "started", "success", "ended", a node class or the hold of a fault is reached, until this changes
    "deaf": False,            # samplers do not look whether they are interrupted
    "vram": 24 << 30,
    "devices": None,          # what it says of its cards, instead of one with so much vram
    "models": nodes.MODELS,
    "lacking": [],            # node classes that are not installed
    "replaced": {},           # node classes in whose place it takes others, by their names; only with jobs
    "oom": 0,                 # so many samplers run out of memory
    "error": 0,               # so many samplers fail with an error of Python's
    "blocked": 0,             # so many jobs have an ExecutionBlocked error that ends nothing
    "foreign": 0,             # so many jobs are surrounded by the events of another one, its end included
    "unknown": 0,             # so many jobs bring types, frames and fields that nobody knows
    "huge": 0,                # bytes of one message in the next job
    "drop": None,             # cut the socket before this type of message is sent: "progress", "executing", ...
    "drop_times": 1,
    "silent": 0,              # so many sockets get their first status and then nothing
    "no_end": 0,              # so many jobs never say executing null
    "late_history_ms": 0,     # between execution_success and the history
    "gap_ms": 0,              # for so long a job that has ended is neither in the queue nor in the history
    "deaf_interrupts": 0,     # so many interrupts and cancels hit nothing
    # [{"path": "/prompt", "status": 500, "body": "", "type": "text/plain", "times": 1, "delay_ms": 0}], or one of: "cut": the connection, "lost": the same before it is looked at,
    # "hold" and "hold_answer": where "hold" stops it, before it is looked at and before it is answered, "flood": bytes for each socket before it
    "http": [],
}


class Interrupted(Exception):
    pass


class Failed(Exception):
    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def now_ms():
    return int(time.time() * 1000)


def canonical(text):
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)


def is_link(value):
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def choices_of(spec):
    if isinstance(spec[0], list):
        return spec[0]
    return spec[1]["options"] if spec[0] == "COMBO" else None


class Standin:
    def __init__(self, folder, without, token):
        self.folder, self.features, self.token = folder, FEATURES - without, token
        for name in ("input", "output"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        shutil.rmtree(os.path.join(folder, "temp"), ignore_errors=True)
        os.makedirs(os.path.join(folder, "temp"))
        self.running, self.current, self.number, self.wake, self.interrupt = None, None, 0, asyncio.Event(), False
        self.sockets, self.flags, self.muted = {}, {}, set()
        self.begin()

    def begin(self):
        self.control = copy.deepcopy(CONTROLS)
        self.pending, self.history, self.cache, self.model, self.files = [], {}, {}, None, {}
        self.seen = {"prompts": [], "runs": {}, "model_switches": 0, "nodes_run": 0, "requests": [], "sockets_opened": 0, "socket_headers": [],
                     "sockets_open": 0, "interrupts": [], "deleted": [], "held": None, "closes": [], "steps_at": [],
                     "busy_ms": 0.0, "overlaps": 0, "stuck": 0}

    # ---- faults ----

    def fault(self, name):
        """Does it happen this time?"""
        if not self.control[name]:
            return False
        self.control[name] -= 1
        return True

    async def at(self, phase):
        while self.control["hold"] == phase:
            self.seen["held"] = phase
            if self.interrupt and phase not in ("success", "ended", "queued"):
                break
            await asyncio.sleep(0.005)
        self.seen["held"] = None

    # ---- sockets ----

    async def send(self, kind, data, client=None):
        for sid in list(self.sockets) if client is None else [client]:
            if sid in self.sockets:
                await self.send_to(sid, json.dumps({"type": kind, "data": data}), kind)

    async def send_to(self, sid, message, kind=None):
        socket = self.sockets[sid]
        if socket in self.muted:
            return
        if kind is not None and self.control["drop"] == kind and self.control["drop_times"] > 0:
            self.control["drop_times"] -= 1
            socket._req.transport.abort()
            return
        try:
            await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        except (ConnectionError, RuntimeError):
            pass

    async def flood(self, size):
        """More than lies on the way between two that do not read."""
        try:
            await asyncio.wait_for(self.send("noise", {"noise": "x" * size}), 60)
        except asyncio.TimeoutError:
            self.seen["stuck"] += 1

    async def status(self):
        await self.send("status", {"status": {"exec_info": {"queue_remaining": self.remaining()}}})

    def remaining(self):
        return len(self.pending) + (self.running is not None)

    async def socket(self, request):
        socket = web.WebSocketResponse(max_msg_size=4 << 20)
        await socket.prepare(request)
        sid = request.query.get("clientId") or uuid.uuid4().hex
        known = sid in self.sockets
        self.seen["overlaps"] += known
        while self.control["hold"] == "greeting":
            self.seen["held"] = "greeting"
            await asyncio.sleep(0.005)
        self.sockets[sid] = socket
        self.seen["sockets_opened"] += 1
        self.seen["sockets_open"] += 1
        self.seen["socket_headers"].append({name: value for name, value in request.headers.items()})
        try:
            await self.send_to(sid, json.dumps({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": self.remaining()}}, "sid": sid}}))
            if self.fault("silent"):
                self.muted.add(socket)
            if self.current and self.current["client"] == sid and self.current["node"] is not None:
                await self.send("executing", {"node": self.current["node"]}, sid)
            first = True
            async for message in socket:
                if message.type == WSMsgType.TEXT and first and "metadata" in self.features:
                    sent = json.loads(message.data)
                    if sent.get("type") == "feature_flags":
                        self.flags[sid] = sent["data"]
                        await self.send("feature_flags", {"supports_preview_metadata": True, "max_upload_size": 104857600}, sid)
                first = False
        finally:
            self.seen["sockets_open"] -= 1
            self.seen["closes"].append(socket.close_code)
            self.muted.discard(socket)
            self.sockets.pop(sid, None)     # also when another one has taken its place meanwhile: as the real one does
            if not known:
                self.flags.pop(sid, None)
        return socket

    # ---- the queue ----

    async def work(self):
        while True:
            while not self.pending or self.control["hold"] == "queued":
                self.seen["held"] = "queued" if self.control["hold"] == "queued" else None
                self.wake.clear()
                try:
                    await asyncio.wait_for(self.wake.wait(), 0.02 if self.pending else 1)
                except asyncio.TimeoutError:
                    pass
            self.seen["held"] = None
            self.pending.sort(key=lambda item: item[0])
            self.running = self.pending.pop(0)
            self.interrupt = False
            begin = time.monotonic()
            await self.run(self.running)
            self.seen["busy_ms"] += (time.monotonic() - begin) * 1000

    async def run(self, item):
        _, prompt_id, prompt, extra, outputs = item
        client = extra.get("client_id")
        job = self.current = {"id": prompt_id, "client": client, "node": None, "messages": [], "outputs": {}, "states": {}, "executed": [],
                              "extra": extra, "prompt": prompt}
        self.seen["runs"][prompt_id] = self.seen["runs"].get(prompt_id, 0) + 1
        await self.status()
        if self.fault("foreign"):
            await self.send_foreign()
        await self.at("started")
        await self.tell("execution_start", {})
        good, ended = False, "execution_success"
        try:
            await self.run_nodes(job, prompt, outputs)
            good = True
            await self.tell("execution_success", {})
        except Interrupted:
            ended = "execution_interrupted"
            await self.tell(ended, {"node_id": job["node"], "node_type": prompt[job["node"]]["class_type"], "executed": job["executed"]}, everybody=client is None)
        except Failed as failure:
            ended = "execution_error"
            await self.tell(ended, {
                "node_id": job["node"], "node_type": prompt[job["node"]]["class_type"], "executed": job["executed"],
                "exception_message": str(failure), "exception_type": failure.kind, "traceback": ['  File "nodes.py", line 1, in sample\n'],
                "current_inputs": {"seed": [float("nan")]}, "current_outputs": []})
        await self.at("success")
        if self.control["late_history_ms"]:
            await asyncio.sleep(self.control["late_history_ms"] / 1000)
        if self.control["gap_ms"]:
            self.running = None
            await asyncio.sleep(self.control["gap_ms"] / 1000)
        self.history[prompt_id] = {
            "prompt": item, "outputs": job["outputs"], "meta": {},
            "status": {"status_str": "success" if good else "error", "completed": good, "messages": job["messages"]}}
        self.running = None
        await self.status()
        await self.at("ended")
        job["node"] = None
        if not self.fault("no_end") and client is not None:
            await self.send("executing", {"node": None, "prompt_id": prompt_id}, client)
        self.current = None

    async def tell(self, kind, data, everybody=False):
        """A message of the job, which its history keeps."""
        job = self.current
        data = {**data, "prompt_id": job["id"], "timestamp": now_ms()}
        job["messages"].append([kind, data])
        if job["client"] is not None or everybody:
            await self.send(kind, data, job["client"])

    async def send_foreign(self):
        other = str(uuid.uuid4())
        for kind, data in (("execution_start", {}), ("executing", {"node": "3"}), ("progress", {"value": 9, "max": 10, "node": "3"}),
                           ("executed", {"node": "9", "output": {"images": [{"filename": "other.png", "subfolder": "", "type": "output"}]}}),
                           ("execution_error", {"node_id": "3", "node_type": "KSampler", "exception_message": "not yours", "exception_type": "X"}),
                           ("execution_interrupted", {}), ("execution_success", {}), ("executing", {"node": None})):
            await self.send(kind, {**data, "prompt_id": other})
        head = json.dumps({"node_id": "3", "display_node_id": "3", "prompt_id": other, "image_type": "image/png"}).encode()
        for sid in list(self.sockets):
            await self.send_to(sid, (4).to_bytes(4, "big") + len(head).to_bytes(4, "big") + head + nodes.png(8, 8, 1))

    async def send_unknown(self):
        job = self.current
        await self.send("crystools.monitor", {"cpu": 3})
        for text in ('{"type": "progress"}', '{"type": 7, "data": []}', "[]", '{"type": "executing", "data": {"node": 5, "prompt_id": "%s", "more": {}}}' % job["id"]):
            for sid in list(self.sockets):
                await self.send_to(sid, text)
        own = job["node"].encode()
        for frame in (b"\0\0\0\3" + len(own).to_bytes(4, "big") + own + "zwölf of thirty".encode(), b"", b"\0\0\0", b"\0\0\0\1", b"\0\0\0\2\0\0\0\1internal", b"\0\0\0\x09\0\0\0\1new", b"\0\0\0\4\xff\xff\xff\xff{}",
                      b"\0\0\0\4\0\0\0\3{}", b"\0\0\0\4\0\0\0\2[]png", b"\0\0\0\3\0\0\0\x09a", b"\0\0\0\3\0\0\0\x011twenty of thirty"):
            for sid in list(self.sockets):
                await self.send_to(sid, frame)

    # ---- running ----

    def order(self, prompt, outputs):
        done, order = set(), []

        def visit(name):
            if name in done:
                return
            done.add(name)
            for value in prompt[name]["inputs"].values():
                if is_link(value):
                    visit(value[0])
            order.append(name)

        for name in outputs:
            visit(name)
        return order

    def signature(self, prompt, name):
        inputs = {key: [self.signature(prompt, value[0]), value[1]] if is_link(value) else value for key, value in prompt[name]["inputs"].items()}
        return json.dumps([prompt[name]["class_type"], inputs], sort_keys=True)

    async def run_nodes(self, job, prompt, outputs):
        order = self.order(prompt, outputs)
        signatures = {name: self.signature(prompt, name) for name in order}
        cached = [name for name in order if signatures[name] in self.cache]
        await self.tell("execution_cached", {"nodes": cached})
        for name in order:
            job["node"] = name
            result = self.cache.get(signatures[name])
            if name not in cached:
                result = await self.run_node(job, prompt, name)
                if prompt[name]["class_type"] != "SaveImageWebsocket":
                    self.cache[signatures[name]] = result
            if result is not None:
                job["outputs"][name] = result
                await self.send_own("executed", {"node": name, "display_node": name, "output": result})

    async def send_own(self, kind, data):
        if self.current["client"] is not None:
            await self.send(kind, {**data, "prompt_id": self.current["id"]}, self.current["client"])

    async def progress_state(self, job, name, value, most, state):
        if "metadata" not in self.features:
            return
        job["states"][name] = {"value": value, "max": most, "state": state, "node_id": name, "prompt_id": job["id"], "display_node_id": name,
                               "parent_node_id": None, "real_node_id": name}
        await self.send("progress_state", {"prompt_id": job["id"], "nodes": job["states"]}, job["client"])

    def look_up(self):
        if self.interrupt:
            raise Interrupted

    async def run_node(self, job, prompt, name):
        kind, inputs = prompt[name]["class_type"], prompt[name]["inputs"]
        self.seen["nodes_run"] += 1
        self.look_up()
        await self.progress_state(job, name, 0, 1, "running")
        await self.send_own("executing", {"node": name, "display_node": name})
        await self.at(kind)
        self.look_up()
        if self.control["node_ms"]:
            await asyncio.sleep(self.control["node_ms"] / 1000)
        if kind in nodes.LOADERS:
            await self.load(inputs[nodes.LOADERS[kind]])
        result = await self.sample(job, name, inputs) if kind == "KSampler" else None
        if kind == "SaveImageWebsocket":
            await self.send_preview(job, name, nodes.png(*self.size(prompt, name), self.shade(prompt, name)), "PNG")
        if kind in nodes.SAVES:
            result = self.save(prompt, name)
        if kind == "PreviewAny":
            result = {"text": ["some words", None]}
        await self.progress_state(job, name, 1, 1, "finished")
        job["executed"].append(name)
        return result

    async def load(self, model):
        if model != self.model:
            self.seen["model_switches"] += 1
            self.model = model
            await asyncio.sleep(self.control["load_ms"] / 1000)

    async def sample(self, job, name, inputs):
        if self.fault("unknown"):
            await self.send_unknown()
        if self.fault("oom"):
            raise Failed("torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8.00 GiB")
        if self.fault("error"):
            raise Failed("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (77x768 and 2048x640)")
        if self.fault("blocked"):
            await self.send_own("execution_error", {"node_id": name, "node_type": "KSampler", "executed": [], "exception_message": "blocked",
                                                    "exception_type": "ExecutionBlocked", "traceback": [], "current_inputs": {}, "current_outputs": []})
        if self.control["huge"]:
            size, self.control["huge"] = self.control["huge"], 0
            await self.send_own("executed", {"node": name, "display_node": name, "output": {"text": ["x" * size]}})
        for step in range(inputs["steps"]):
            if self.control["step_ms"]:
                await asyncio.sleep(self.control["step_ms"] / 1000)
            if not self.control["deaf"]:
                self.look_up()
            self.seen["steps_at"] = self.seen["steps_at"][-999:] + [time.time()]
            await self.send("progress", {"value": step + 1, "max": inputs["steps"], "prompt_id": job["id"], "node": name}, job["client"])
            await self.progress_state(job, name, step + 1, inputs["steps"], "running")
            if self.control["previews"] or job["extra"].get("preview_method", "none") != "none":
                await self.send_preview(job, name, self.preview(step), "PNG")

    def preview(self, step):
        if self.control["preview"] == "broken":
            return nodes.png(1024, 1024, step)[:200] + os.urandom(2 << 20)
        return nodes.png(*map(int, self.control["preview"].split("x")), step * 10)

    async def send_preview(self, job, name, data, kind):
        client = job["client"]
        about = {"node_id": name, "prompt_id": job["id"], "display_node_id": name, "parent_node_id": None, "real_node_id": name, "image_type": "image/png"}
        for sid in list(self.sockets) if client is None else [client]:
            if sid not in self.sockets:
                continue
            if self.flags.get(sid, {}).get("supports_preview_metadata"):
                head = json.dumps(about).encode()
                await self.send_to(sid, (4).to_bytes(4, "big") + len(head).to_bytes(4, "big") + head + data)
            else:
                await self.send_to(sid, (1).to_bytes(4, "big") + (2).to_bytes(4, "big") + data)

    # ---- what nodes make ----

    def upstream(self, prompt, name, member):
        for value in prompt[name]["inputs"].values():
            if is_link(value):
                found = self.upstream(prompt, value[0], member)
                if found is not None:
                    return found
        value = prompt[name]["inputs"].get(member)
        return value if isinstance(value, int) else None

    def size(self, prompt, name):
        return min(self.upstream(prompt, name, "width") or 64, 4096), min(self.upstream(prompt, name, "height") or 64, 4096)

    def shade(self, prompt, name):
        return self.upstream(prompt, name, "seed") or 0

    def save(self, prompt, name):
        kind, folder, ending, more = nodes.SAVES[prompt[name]["class_type"]]
        prefix = prompt[name]["inputs"].get("filename_prefix", "ComfyUI_temp")
        subfolder, stem = os.path.split(prefix)
        where = os.path.join(self.folder, folder, subfolder)
        os.makedirs(where, exist_ok=True)
        files = []
        for _ in range(self.upstream(prompt, name, "batch_size") or 1):
            count = self.files[where, stem] = self.files.get((where, stem), 0) + 1
            file_name = f"{stem}_{count:05}_{ending}"
            with open(os.path.join(where, file_name), "wb") as file:
                file.write(nodes.made(ending, *self.size(prompt, name), self.shade(prompt, name)))
            files.append({"filename": file_name, "subfolder": subfolder, "type": folder})
        return {kind: files, **more}

    # ---- validation ----

    def classes(self):
        return {name: told for name, told in nodes.classes(self.control["models"]).items() if name not in self.control["lacking"]}

    def replace(self, prompt):
        classes = self.classes()
        for node in prompt.values() if "jobs" in self.features else []:
            if isinstance(node, dict) and node.get("class_type") not in classes:
                node["class_type"] = self.control["replaced"].get(node.get("class_type"), node.get("class_type"))

    def check_value(self, spec, name, value):
        """A reason and details, or None."""
        kind, options = spec[0], spec[1] if len(spec) > 1 else {}
        if kind in ("INT", "FLOAT"):
            try:
                value = int(value) if kind == "INT" else float(value)
            except (TypeError, ValueError):
                return "invalid_input_type", "Failed to convert an input value to a %s value" % kind
            if value < options.get("min", value):
                return "value_smaller_than_min", f"Value {value} smaller than min of {options['min']}"
            if value > options.get("max", value):
                return "value_bigger_than_max", f"Value {value} bigger than max of {options['max']}"
        choices = choices_of(spec)
        if options.get("image_upload") or options.get("audio_upload"):
            if not os.path.exists(self.annotated(str(value))):
                return "custom_validation_failed", "Custom validation failed for node"
        elif choices is not None and value not in choices:
            return "value_not_in_list", "Value not in list"
        return None

    def check_node(self, classes, prompt, name):
        errors = []
        kind = prompt[name]["class_type"]
        for input_name, spec in classes[kind]["input"]["required"].items():
            value = prompt[name]["inputs"].get(input_name)
            extra = {"input_name": input_name, "input_config": spec, "received_value": value}
            if input_name not in prompt[name]["inputs"]:
                errors.append({"type": "required_input_missing", "message": "Required input is missing", "details": input_name,
                               "extra_info": {"input_name": input_name}})
            elif isinstance(value, list) and not is_link(value):
                errors.append({"type": "bad_linked_input", "message": "Bad linked input, must be a length-2 list of [node_id, slot_index]",
                               "details": input_name, "extra_info": extra})
            elif is_link(value):
                source = prompt.get(value[0])
                given = classes[source["class_type"]]["output"] if source else []
                if spec[0] != "*" and (value[1] >= len(given) or given[value[1]] != spec[0]):
                    errors.append({"type": "return_type_mismatch", "message": "Return type mismatch between linked nodes",
                                   "details": f"{input_name}, received_type({given}) mismatch input_type({spec[0]})", "extra_info": extra})
            else:
                reason = self.check_value(spec, input_name, value)
                if reason:
                    errors.append({"type": reason[0], "message": reason[1], "details": f"{input_name}: {value!r}", "extra_info": extra})
        return errors

    def validate(self, prompt):
        """An error or None, the outputs that are good, node_errors."""
        self.replace(prompt)
        classes = self.classes()
        for name, node in prompt.items():
            kind = node.get("class_type") if isinstance(node, dict) else None
            if kind not in classes:
                what = "missing_node_type" if "jobs" in self.features else "invalid_prompt"
                info = {"node_id": name, "class_type": kind, "node_title": "?"} if "jobs" in self.features else {}
                return {"type": what, "message": f"Node '{kind}' not found. The custom node may not be installed.", "details": f"Node ID '#{name}'",
                        "extra_info": info}, [], {}
        outputs = [name for name, node in prompt.items() if classes[node["class_type"]]["output_node"]]
        if not outputs:
            return {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": "", "extra_info": {}}, [], {}
        good, errors = [], {}
        for output in outputs:
            bad = {}
            for name in self.order(prompt, [output]) if self.links_are_sound(prompt) else prompt:
                found = self.check_node(classes, prompt, name)
                if found:
                    bad[name] = {"errors": found, "dependent_outputs": [output], "class_type": prompt[name]["class_type"]}
            errors.update(bad)
            if not bad:
                good.append(output)
        if not good:
            return {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation", "details": "", "extra_info": {}}, [], errors
        return None, good, errors

    def links_are_sound(self, prompt):
        return all(value[0] in prompt for node in prompt.values() for value in node["inputs"].values() if is_link(value))

    def annotated(self, value):
        """The path of an input value: "name", "folder/name", "name [output]"."""
        marker = MARKER.search(value)
        folder = marker.group(1) if marker else "input"
        return os.path.join(self.folder, folder, value[:marker.start()] if marker else value)

    # ---- routes: queue ----

    async def post_prompt(self, request):
        body = await request.json()
        if "prompt" not in body:
            return refused({"type": "no_prompt", "message": "No prompt provided", "details": "No prompt provided", "extra_info": {}}, {})
        extra = body.get("extra_data", {})
        extra.update({"client_id": body["client_id"]} if "client_id" in body else {})
        prompt_id = body.get("prompt_id") if "client_ids" in self.features else None
        if prompt_id is not None and not canonical(prompt_id):
            return refused({"type": "invalid_prompt_id", "message": "prompt_id must be a UUID", "details": "", "extra_info": {}}, {})
        prompt_id = prompt_id or str(uuid.uuid4())
        error, outputs, node_errors = self.validate(body["prompt"])
        self.seen["prompts"].append({"prompt_id": prompt_id, "client_id": body.get("client_id"), "sockets": list(self.sockets), "error": error,
                                     "prompt": body["prompt"], "extra_data": extra})
        if error:
            return refused(error, node_errors)
        number = body.get("number", self.number)
        self.number += 1
        self.pending.append([-number if body.get("front") else number, prompt_id, body["prompt"], extra, outputs])
        self.wake.set()
        await self.status()
        return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": node_errors})

    async def get_prompt(self, request):
        return web.json_response({"exec_info": {"queue_remaining": self.remaining()}})

    async def get_queue(self, request):
        return web.json_response({"queue_running": [self.running] if self.running else [], "queue_pending": self.pending[::-1]})

    async def post_queue(self, request):
        body = await request.json()
        if body.get("clear"):
            self.pending.clear()
        for prompt_id in body.get("delete", []):
            self.seen["deleted"].append(prompt_id)
            self.pending = [item for item in self.pending if item[1] != prompt_id]
        await self.status()
        return web.Response()

    def stop_running(self, prompt_id):
        if self.fault("deaf_interrupts"):
            return False
        if self.running and (prompt_id is None or self.running[1] == prompt_id):
            self.interrupt = True
            return True
        return False

    async def post_interrupt(self, request):
        body = json.loads(await request.text() or "{}")
        prompt_id = body.get("prompt_id") if "interrupt_id" in self.features else None
        self.seen["interrupts"].append(body.get("prompt_id"))
        self.stop_running(prompt_id)
        return web.Response()

    async def post_free(self, request):
        await request.json()
        self.model = None
        return web.Response()

    # ---- routes: jobs and history ----

    def job(self, prompt_id):
        entry = self.history.get(prompt_id)
        if entry:
            last = entry["status"]["messages"][-1][0]
            state = {"execution_success": "completed", "execution_interrupted": "cancelled"}.get(last, "failed")
            return {"id": prompt_id, "status": state, "outputs": entry["outputs"], "execution_status": entry["status"]}
        if self.running and self.running[1] == prompt_id:
            return {"id": prompt_id, "status": "in_progress"}
        return {"id": prompt_id, "status": "pending"} if any(item[1] == prompt_id for item in self.pending) else None

    async def get_job(self, request):
        job = self.job(request.match_info["id"])
        return web.json_response(job) if job else web.json_response({"error": "Job not found"}, status=404)

    async def cancel_job(self, request):
        prompt_id = request.match_info["id"]
        if self.control["deaf_interrupts"]:
            self.control["deaf_interrupts"] -= 1
            return web.json_response({"cancelled": True})
        found = any(item[1] == prompt_id for item in self.pending)
        if found:
            self.seen["deleted"].append(prompt_id)
        self.pending = [item for item in self.pending if item[1] != prompt_id]
        found = found or self.stop_running(prompt_id)
        await self.status()
        return web.json_response({"cancelled": found})

    async def get_history(self, request):
        prompt_id = request.match_info.get("id")
        if prompt_id is None:
            return web.json_response(self.history)
        return web.json_response({prompt_id: self.history[prompt_id]} if prompt_id in self.history else {})

    async def post_history(self, request):
        body = await request.json()
        for prompt_id in list(self.history) if body.get("clear") else body.get("delete", []):
            self.history.pop(prompt_id, None)
        return web.Response()

    # ---- routes: files ----

    def within(self, folder, subfolder, name):
        root = os.path.realpath(os.path.join(self.folder, folder))
        path = os.path.realpath(os.path.join(root, subfolder, name))
        return path if path.startswith(root + os.sep) else None

    async def upload(self, request):
        fields = {}
        async for part in await request.multipart():
            fields[part.name] = (part.filename, await part.read()) if part.filename else (await part.read()).decode()
        if not isinstance(fields.get("image"), tuple):
            return web.Response(status=400)
        name, data = fields["image"]
        folder, subfolder = fields.get("type", "input"), fields.get("subfolder", "")
        path = self.within(folder, subfolder, os.path.basename(name))
        if path is None:
            return web.Response(status=400)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        stem, ending = os.path.splitext(path)
        count = 1
        while os.path.exists(path) and fields.get("overwrite") not in ("true", "1"):
            with open(path, "rb") as file:
                if file.read() == data:
                    break
            path = f"{stem} ({count}){ending}"
            count += 1
        with open(path, "wb") as file:
            file.write(data)
        return web.json_response({"name": os.path.basename(path), "subfolder": subfolder, "type": folder})

    async def view(self, request):
        query = request.query
        path = self.within(query.get("type", "output"), query.get("subfolder", ""), os.path.basename(query.get("filename", "")))
        if path is None:
            return web.Response(status=403)
        return web.FileResponse(path) if os.path.isfile(path) else web.Response(status=404)

    # ---- routes: information ----

    async def system_stats(self, request):
        vram = self.control["vram"]
        return web.json_response({
            "system": {"os": "posix", "ram_total": 64 << 30, "ram_free": 48 << 30, "comfyui_version": VERSIONS["jobs" in self.features],
                       "python_version": "3.12", "pytorch_version": "2.5", "embedded_python": False, "argv": ["main.py"]},
            "devices": self.control["devices"] or [{"name": "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync", "type": "cuda", "index": 0, "vram_total": vram,
                         "vram_free": vram - (4 << 30 if self.model else 0), "torch_vram_total": 0, "torch_vram_free": 0}]})

    async def object_info(self, request):
        classes = self.classes()
        name = request.match_info.get("name")
        told = {key: {**value, "name": key, "display_name": key, "description": "", "category": "", "python_module": "nodes"}
                for key, value in classes.items() if name is None or key == name}
        return web.json_response(told)

    async def node_replacements(self, request):
        return web.json_response({old: [{"new_node_id": new, "old_node_id": old, "input_mapping": None, "output_mapping": None}]
                                  for old, new in self.control["replaced"].items()})

    async def models(self, request):
        folder = request.match_info.get("folder")
        if folder is None:
            return web.json_response(list(self.control["models"]))
        if folder not in self.control["models"]:
            return web.Response(status=404)
        return web.json_response(self.control["models"][folder])

    # ---- steering ----

    async def get_standin(self, request):
        return web.json_response({**self.seen, "pending": len(self.pending), "running": self.running[1] if self.running else None,
                                  "history": list(self.history), "model": self.model, "sids": list(self.sockets)})

    async def put_standin(self, request):
        wanted = await request.json()
        unknown = set(wanted) - set(CONTROLS)
        if unknown:
            return web.Response(status=400, text="no such controls: %s" % unknown)
        self.control.update(wanted)
        self.wake.set()
        return web.Response()

    async def reset(self, request):
        self.interrupt = self.running is not None
        self.begin()
        while self.running or self.current:
            await asyncio.sleep(0.01)
        for socket in self.sockets.values():
            socket._req.transport.abort()
        while self.sockets:
            await asyncio.sleep(0.01)
        self.begin()
        return web.Response()

    @web.middleware
    async def before(self, request, handler):
        path = request.path[4:] if request.path.startswith("/api/") and not request.path.startswith("/api/jobs") else request.path
        if path.startswith("/standin"):
            return await handler(request)
        self.seen["requests"].append([request.method, path, {name.lower(): value for name, value in request.headers.items()}])
        if self.token and request.headers.get("Authorization") != "Bearer " + self.token:
            return web.Response(status=401)
        if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site") == "cross-site":
            return web.Response(status=403)
        for fault in self.control["http"]:
            if fault.get("times", 1) > 0 and path.startswith(fault["path"]) and fault.get("method", request.method) == request.method:
                fault["times"] = fault.get("times", 1) - 1
                await asyncio.sleep(fault.get("delay_ms", 0) / 1000)
                await self.at(fault.get("hold", "nowhere"))
                if "flood" in fault:
                    await self.flood(fault["flood"])
                if "status" in fault:
                    return web.Response(status=fault["status"], body=fault.get("body", "").encode(), content_type=fault.get("type", "text/plain"))
                if fault.get("lost"):
                    request.transport.abort()
                    return web.Response()
                if fault.get("cut"):
                    request.transport.abort()
                answer = await handler(request)
                await self.at(fault.get("hold_answer", "nowhere"))
                return answer
        return await handler(request)

    def routes(self):
        plain = [
            ("GET", "/ws", self.socket), ("POST", "/prompt", self.post_prompt), ("GET", "/prompt", self.get_prompt), ("GET", "/queue", self.get_queue),
            ("POST", "/queue", self.post_queue), ("POST", "/interrupt", self.post_interrupt), ("POST", "/free", self.post_free),
            ("GET", "/history", self.get_history), ("GET", "/history/{id}", self.get_history), ("POST", "/history", self.post_history),
            ("POST", "/upload/image", self.upload), ("GET", "/view", self.view), ("GET", "/system_stats", self.system_stats),
            ("GET", "/object_info", self.object_info), ("GET", "/object_info/{name}", self.object_info), ("GET", "/models", self.models),
            ("GET", "/models/{folder}", self.models),
        ]
        every = [web.route(method, prefix + path, handler) for method, path, handler in plain for prefix in ("", "/api")]
        if "jobs" in self.features:
            every += [web.get("/node_replacements", self.node_replacements), web.get("/api/jobs/{id}", self.get_job), web.post("/api/jobs/{id}/cancel", self.cancel_job)]
        return every + [web.get("/standin", self.get_standin), web.put("/standin", self.put_standin), web.post("/standin/reset", self.reset)]


def refused(error, node_errors):
    return web.json_response({"error": error, "node_errors": node_errors}, status=400)


async def serve(options):
    standin = Standin(options.folder or tempfile.mkdtemp(prefix="comfyui-"), set(filter(None, options.without.split(","))), options.token)
    app = web.Application(middlewares=[standin.before], client_max_size=100 << 20)
    app.add_routes(standin.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    context = None
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.tls)
    site = web.TCPSite(runner, "127.0.0.1", options.port, backlog=1024, ssl_context=context)
    await site.start()
    print("listening", site._server.sockets[0].getsockname()[1], flush=True)
    await standin.work()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder")
    parser.add_argument("--without", default="")
    parser.add_argument("--token")
    parser.add_argument("--tls", metavar="PEM", help="certificate and key: it speaks https")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
