"""Runs a Python class as a function of Function Runner.

    fnr_bridge.py FILE.py CLASS                one job: request on standard input, protocol on standard output
    fnr_bridge.py --describe FILE.py CLASS     prints {"backend_type": …, "schema": …} and ends

The class has execute(parameters, quality, project_path, progress) and may have get_parameter_schema() and
get_backend_type(); see script-functions.md. Nothing but the Python standard library is used, and little of it, as this
starts anew for every job.
"""

import errno
import json
import os
import sys

CLASSES = ("transient", "resource", "validation", "permanent", "unknown")
STAGES = ("preparation", "execution", "finalization")


class Protocol:
    """Writes one JSON object a line to what was standard output when the program began."""

    def __init__(self):
        # Whatever the function or a library prints must not get between the lines of the protocol, even if it is
        # written by C code: descriptor 1 becomes standard error, the real output keeps a number of its own.
        self.fd = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def send(self, **members):
        # ASCII on purpose: a lone surrogate in a text is then an escape that the reader can refuse or mend
        data = (json.dumps(members, allow_nan=False, default=str) + "\n").encode("ascii", "replace")
        while data:
            data = data[os.write(self.fd, data):]


class Failure(Exception):
    """An error that is found here, not in the function."""

    def __init__(self, fnr_class, code, message, suggestion=None):
        super().__init__(message)
        self.fnr_class, self.fnr_code, self.fnr_suggestion = fnr_class, code, suggestion


def load_class(path, name):
    import importlib.util

    # Modules that lie beside the function can be imported by it.
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    module_name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:
        raise Failure("permanent", "function_invalid", "%s is not a Python file" % os.path.basename(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise Failure("permanent", "function_invalid", "%s has no class %s" % (os.path.basename(path), name))
    return found


def text_of(value, limit):
    """Text that can be written as UTF-8, at most so long."""
    return str(value)[:limit].encode("utf-8", "replace").decode("utf-8")


def describe_error(error):
    """The protocol's error object. What people read comes from the exception, the traceback goes to the technicians."""
    import traceback

    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    result = {"class": "unknown", "code": "function_error",
              "message": "The function failed: %s" % (text_of(error, 450) or type(error).__name__)}
    if isinstance(error, MemoryError):
        result.update({"class": "resource", "code": "out_of_memory", "message": "There is not enough memory for this.",
                       "suggestion": "Choose a lower quality.", "action": "reduce_quality"})
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        result.update({"class": "resource", "code": "disk_full", "message": "The disk is full.",
                       "suggestion": "Free some disk space and try again."})
    elif isinstance(error, OSError) and error.errno == errno.EFBIG:
        result.update({"class": "permanent", "code": "file_too_large", "message": "A file became larger than allowed.",
                       "suggestion": "Choose a lower quality.", "action": "reduce_quality"})
    elif isinstance(error, (ImportError, SyntaxError)):
        result.update({"class": "permanent", "code": "function_invalid",
                       "message": "The function cannot be loaded: %s" % text_of(error, 400)})
    for member in ("class", "code", "message", "suggestion", "action"):
        value = getattr(error, "fnr_" + member, None)
        if value is not None:
            result[member] = text_of(value, 500)
    if getattr(error, "fnr_class", None) is not None and getattr(error, "fnr_message", None) is None:
        result["message"] = text_of(error, 500)  # an error that was made for people
    after = getattr(error, "fnr_retry_after_s", None)
    if isinstance(after, (int, float)) and 0 <= after <= 86400:
        result["retry_after_s"] = after
    if result["class"] not in CLASSES:
        result["class"] = "unknown"
    result["detail"] = text_of(trace[-1900:], 1900)
    return result


def make_progress(protocol):
    def progress(fraction, message=None, stage="execution"):
        fraction = float(fraction)
        line = {"progress": min(max(fraction, 0.0), 1.0) if fraction == fraction else 0.0}
        line["stage"] = stage if stage in STAGES else "execution"
        if message is not None:
            line["message"] = text_of(message, 300)
        protocol.send(**line)

    progress.preview = lambda path: protocol.send(preview=os.fspath(path))
    return progress


def is_path(value):
    return isinstance(value, (str, os.PathLike))


def send_returned(protocol, returned):
    """{name: path}, or {"outputs": {name: path}, "result": {…}}, or None."""
    if returned is None:
        return
    if not isinstance(returned, dict):
        raise Failure("permanent", "function_invalid", "execute must return a dict of output name to path, not %s"
                      % type(returned).__name__)
    outputs, result = returned, None
    if isinstance(returned.get("outputs"), dict) or (returned and not any(is_path(v) for v in returned.values())):
        unknown = set(returned) - {"outputs", "result"}
        if unknown:
            raise Failure("permanent", "function_invalid", "execute returned %s, which is not a path" % sorted(unknown)[0])
        outputs, result = returned.get("outputs") or {}, returned.get("result")
    for name, path in outputs.items():
        if not is_path(path):
            raise Failure("permanent", "function_invalid", "the path of output %s is %s, not text or a path"
                          % (name, type(path).__name__))
        protocol.send(output=str(name), path=os.fspath(path))
    if result is not None:
        protocol.send(result=result)


def run(protocol, path, name):
    request = json.load(sys.stdin)
    function = load_class(path, name)()
    # For functions that want more than the four arguments.
    function.fnr_request = request
    returned = function.execute(request["parameters"], request["quality"], request["project_path"], make_progress(protocol))
    send_returned(protocol, returned)


def describe(protocol, path, name):
    function = load_class(path, name)()
    schema = getattr(function, "get_parameter_schema", None)
    backend_type = getattr(function, "get_backend_type", None)
    protocol.send(backend_type=backend_type() if backend_type else "script", schema=schema() if schema else {})


def main(arguments):
    work = run
    if arguments and arguments[0] == "--describe":
        work = describe
        arguments = arguments[1:]
    if len(arguments) != 2:
        sys.stderr.write("usage: fnr_bridge.py [--describe] FILE.py CLASS\n")
        return 2
    protocol = Protocol()
    try:
        work(protocol, *arguments)
    except SystemExit as error:
        if error.code in (None, 0):
            return 0
        protocol.send(error={"class": "unknown", "code": "function_error",
                             "message": "The function ended itself with status %s." % text_of(error.code, 100)})
        return 1
    except BaseException as error:  # whatever it is, the one who waits gets to know
        protocol.send(error=describe_error(error))
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    # Threads that a library left behind must not keep a finished job waiting.
    os._exit(status)
