"""Random schemas with values that are made to fit them, values that are made not to, and values that know nothing of them. Whatever
they are, fnr schema says what python3-jsonschema says, which nobody here wrote."""

import json
import random
import subprocess

import jsonschema
import pytest

from system import FNR

SCHEMAS, VALUES = 30, 6     # of each seed; values of each sort
WORDS = ("a", "b", "c", "key", "x-y", "über", "")


class Made:
    """A schema; `fits` and `breaks` make values. breaks is None where no value is wrong."""

    def __init__(self, schema, fits, breaks):
        self.schema, self.fits, self.breaks = schema, fits, breaks


def anything(rng, depth=2):
    kind = rng.randrange(8 if depth else 6)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind in (1, 2):
        return rng.choice((0, 1, -3, 7, 2.5, 1e3, -0.25, 12345678901))
    if kind < 6:
        return rng.choice(WORDS)
    if kind == 6:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {name: anything(rng, depth - 1) for name in rng.sample(WORDS, rng.randrange(4))}


def not_of(rng, *types):
    while True:
        value = anything(rng)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            return value


def integers(rng, depth):
    low, step = rng.randrange(-20, 20), rng.choice((1, 1, 2, 5))
    high = low + step * rng.randrange(1, 10)
    schema = {"type": "integer", "minimum": low, "maximum": high}
    if step > 1:
        schema["multipleOf"] = step
    steps = [n for n in range(low, high + 1) if n % step == 0] or [0]
    if not low <= steps[0] <= high:
        del schema["minimum"], schema["maximum"]
    fits = lambda: rng.choice((int, float))(rng.choice(steps))
    wrong = [lambda: not_of(rng, int, float), lambda: steps[0] + 0.5]
    if "minimum" in schema:
        wrong += [lambda: low - step, lambda: high + step]
    return Made(schema, fits, lambda: rng.choice(wrong)())


def numbers(rng, depth):
    low = rng.randrange(-100, 100) / 4
    high = low + rng.randrange(1, 100) / 4
    schema = {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": high}
    return Made(schema, lambda: (low + high) / 2, lambda: rng.choice((low, high, high + 1, str(low), None)))


def texts(rng, depth):
    low = rng.randrange(4)
    high = low + rng.randrange(4)
    schema = {"type": "string", "minLength": low, "maxLength": high, "pattern": "^[a-cü]*$"}
    fits = lambda: "".join(rng.choice("abcü") for _ in range(rng.randint(low, high)))
    return Made(schema, fits, lambda: rng.choice(["a" * (high + 1), "ü" * (low - 1) if low else 5, "Z" * max(low, 1) if high else "Z", not_of(rng, str)]))


def constants(rng, depth):
    values = []
    for _ in range(rng.randrange(1, 12)):
        value = anything(rng)
        if value not in values:
            values.append(value)
    schema = {"const": values[0]} if len(values) == 1 else {"enum": values}
    return Made(schema, lambda: rng.choice(values), lambda: ["none of them", values])


def booleans(rng, depth):
    kinds = rng.choice((["boolean"], ["boolean", "null"]))
    return Made({"type": kinds}, lambda: rng.choice((True, False) + ((None,) if len(kinds) > 1 else ())), lambda: not_of(rng, bool, type(None)))


def arrays(rng, depth):
    first, rest = make(rng, depth - 1), make(rng, depth - 1)
    low = rng.randrange(3)
    schema = {"type": "array", "prefixItems": [first.schema], "items": rest.schema, "minItems": low, "maxItems": low + 2}
    fits = lambda: [(rest if i else first).fits() for i in range(rng.randint(low, low + 2))]

    def breaks():
        value = fits()
        ways = ["long", "type"]
        if first.breaks and value:
            ways.append("first")
        if rest.breaks and len(value) > 1:
            ways.append("rest")
        way = rng.choice(ways)
        if way == "long":
            return [first.fits()] + [rest.fits() for _ in range(low + 2)]
        if way == "type":
            return not_of(rng, list)
        value[0 if way == "first" else -1] = (first if way == "first" else rest).breaks()
        return value
    return Made(schema, fits, breaks)


def unique_arrays(rng, depth):
    schema = {"type": "array", "uniqueItems": True, "contains": {"const": {"a": 1}}, "minContains": 1}

    def fits():
        value = [{"a": rng.choice((1, 1.0))}]
        while rng.random() < 0.7:
            item = anything(rng)
            if all(json.dumps(item, sort_keys=True) != json.dumps(other, sort_keys=True) and item != other for other in value):
                value.append(item)
        rng.shuffle(value)
        return value
    return Made(schema, fits, lambda: rng.choice((fits() + [{"a": 1}], [1, 2], [])))


def objects(rng, depth):
    parts = {name: make(rng, depth - 1) for name in rng.sample(WORDS, rng.randrange(1, 4))}
    required = rng.sample(sorted(parts), rng.randrange(len(parts) + 1))
    schema = {"type": "object", "properties": {name: part.schema for name, part in parts.items()}, "required": required}
    closed = rng.choice((None, "additionalProperties", "unevaluatedProperties"))
    if closed:
        schema[closed] = False
        schema["patternProperties"] = {"^_": True}

    def fits():
        value = {name: part.fits() for name, part in parts.items() if name in required or rng.random() < 0.6}
        if closed and rng.random() < 0.3:
            value["_more"] = anything(rng)
        return dict(rng.sample(sorted(value.items(), key=str), len(value)))

    def breaks():
        value = fits()
        ways = ["type"] + (["missing"] if required else []) + (["unknown"] if closed else [])
        weak = [name for name, part in parts.items() if part.breaks]
        way = rng.choice(ways + (["inner"] if weak else []))
        if way == "type":
            return not_of(rng, dict)
        if way == "missing":
            del value[rng.choice(required)]
        elif way == "unknown":
            value["unknown"] = anything(rng)
        else:
            name = rng.choice(weak)
            value[name] = parts[name].breaks()
        return value
    return Made(schema, fits, breaks)


def alternatives(rng, depth):
    kinds = {"n": make(rng, depth - 1), "s": make(rng, depth - 1)}
    schema = {rng.choice(("anyOf", "oneOf")): [
        {"type": "object", "properties": {"kind": {"const": kind}, "value": part.schema}, "required": ["kind", "value"]} for kind, part in kinds.items()]}

    def fits():
        kind = rng.choice(sorted(kinds))
        return {"kind": kind, "value": kinds[kind].fits()}
    return Made(schema, fits, lambda: rng.choice(({"kind": "x", "value": 1}, {"kind": "n"}, [], anything(rng, 0))))


def conditions(rng, depth):
    then, other = make(rng, depth - 1), make(rng, depth - 1)
    schema = {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on", "value"],
              "if": {"properties": {"on": {"const": True}}}, "then": {"properties": {"value": then.schema}},
              "else": {"properties": {"value": other.schema}}, "unevaluatedProperties": False}

    def of(on, maker):
        return {"on": on, "value": maker()}
    wrong = [lambda: {"on": 1, "value": other.fits()}, lambda: {"on": True}, lambda: {**of(True, then.fits), "more": 1}]
    wrong += [lambda: of(True, then.breaks)] if then.breaks else []
    wrong += [lambda: of(False, other.breaks)] if other.breaks else []
    return Made(schema, lambda: of(True, then.fits) if rng.random() < 0.5 else of(False, other.fits), lambda: rng.choice(wrong)())


def both(rng, depth):
    inner = make(rng, depth - 1)
    return Made({"allOf": [inner.schema, True], "not": {"const": "never this"}}, inner.fits, inner.breaks)


def references(rng, depth):
    """An object that holds one of its kind, as deep as one likes. Its schema goes to the $defs of the whole."""
    leaf = make(rng, 0)
    name = f"d{len(rng.defs)}"
    rng.defs[name] = {"type": "object", "additionalProperties": False,
                      "properties": {"leaf": {"$ref": f"#/$defs/{name}~1leaf"}, "next": {"$ref": f"#/$defs/{name}"}}}
    rng.defs[name + "/leaf"] = leaf.schema

    def nested(inner, levels):
        return {"leaf": leaf.fits(), "next": nested(inner, levels - 1)} if levels else inner

    wrong = [lambda: nested({"more": 1}, rng.randrange(4))] + ([lambda: nested({"leaf": leaf.breaks()}, rng.randrange(4))] if leaf.breaks else [])
    return Made({"$ref": f"#/$defs/{name}"}, lambda: nested({"leaf": leaf.fits()}, rng.randrange(4)), lambda: rng.choice(wrong)())


LEAVES = (integers, numbers, texts, constants, booleans)
INNER = (arrays, unique_arrays, objects, objects, alternatives, conditions, both, references)


def make(rng, depth):
    return rng.choice(LEAVES + INNER * 2 if depth else LEAVES)(rng, depth)


def ours(folder, schema, values):
    """What fnr schema says of each value."""
    (folder / "schema.json").write_text(json.dumps(schema))
    names = []
    for i, value in enumerate(values):
        names.append(folder / f"{i}.json")
        names[-1].write_text(json.dumps(value))
    done = subprocess.run([FNR, "schema", "--json", folder / "schema.json", *names], capture_output=True, text=True, timeout=120)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode in (0, 1) and len(reports) == len(values), (schema, done)
    return reports


def resolves(pointer, value):
    """The place that is named is there, or, for what is missing, the one around it is."""
    for token in pointer.split("/")[1:-1]:
        token = token.replace("~1", "/").replace("~0", "~")
        value = value[int(token)] if isinstance(value, list) else value[token]
    return True


@pytest.mark.parametrize("seed", range(4))
def test_random_schemas(seed, tmp_path):
    rng = random.Random(seed)
    for _ in range(SCHEMAS):
        rng.defs = {}
        made = make(rng, 3)
        made.schema = {**made.schema, "$defs": rng.defs}
        right = [made.fits() for _ in range(VALUES)]
        wrong = [made.breaks() for _ in range(VALUES)] if made.breaks else []
        values = right + wrong + [anything(rng, 3) for _ in range(VALUES)]
        oracle = jsonschema.Draft202012Validator(made.schema)
        reports = ours(tmp_path, made.schema, values)
        for i, (value, report) in enumerate(zip(values, reports)):
            case = json.dumps([made.schema, value, report])
            assert report["valid"] == oracle.is_valid(value), case
            assert i >= len(right) or report["valid"], case
            assert not len(right) <= i < len(right) + len(wrong) or not report["valid"], case
            assert report["valid"] == (not report["errors"]), case
            assert all(error["fix"] and error["message"] and error["schema"] and resolves(error["pointer"], value) for error in report["errors"]), case


NAMES, TEXTS = ("a", "b", "c", "kind", "x-y", "über", "ab", "aa"), ("t", "u", "longer than eight", "longer than nine")


def member(rng):
    """A schema for a member, or for the name of one."""
    return rng.choice((
        lambda: {"const": rng.choice(TEXTS)}, lambda: {"enum": rng.sample(TEXTS, 2) + rng.choice(([], [1]))}, lambda: True, lambda: False,
        lambda: {"type": rng.choice(("string", "integer", "number", "object", "null"))}, lambda: {"minimum": 1.5},
        lambda: {"type": "integer", "minimum": rng.randrange(3), "maximum": 5, **rng.choice(({}, {"multipleOf": 2}))},
        lambda: {"type": "string", "maxLength": 2}, lambda: {"pattern": "^[a-u]+$"}))()


def condition(rng):
    schema = {"properties": {rng.choice(NAMES): rng.choice(({"const": rng.choice(TEXTS)}, {"enum": rng.sample(TEXTS, 2)}))}}
    return {**schema, "required": [rng.choice(NAMES)]} if rng.random() < 0.3 else schema


def interwoven(rng, depth, root=True):
    """A schema whose parts ask for the same members."""
    schema = {}

    def perhaps(chance, keyword, value):
        if rng.random() < chance:
            schema[keyword] = value()

    def inner():
        return interwoven(rng, depth - 1, root)

    def several():
        return [inner() for _ in range(rng.randrange(1, 4))]
    perhaps(0.2, "type", lambda: rng.choice(("object", ["object", "string"], "string")))
    perhaps(0.7, "properties", lambda: {name: inner() if depth and rng.random() < 0.2 else member(rng) for name in rng.sample(NAMES, rng.randrange(1, 4))})
    perhaps(0.4, "required", lambda: rng.sample(NAMES, rng.randrange(1, 3)))
    perhaps(0.1, "additionalProperties", lambda: rng.choice((False, member(rng))))
    perhaps(0.1, "patternProperties", lambda: {"^a": member(rng)})
    perhaps(0.1, "propertyNames", lambda: member(rng))
    if depth:
        for keyword, chance in (("allOf", 0.3), ("anyOf", 0.25), ("oneOf", 0.25)):
            perhaps(chance, keyword, several)
        perhaps(0.1, "not", inner)
        perhaps(0.4, "if", lambda: condition(rng) if rng.random() < 0.7 else inner())
        perhaps(0.4, "then", inner)
        perhaps(0.3, "else", inner)
        perhaps(0.1, "dependentSchemas", lambda: {rng.choice(NAMES): inner()})
        perhaps(0.15 if root else 0, "$ref", lambda: "#/$defs/" + rng.choice("pq"))
    perhaps(0.2, "unevaluatedProperties", lambda: False)
    return schema


def some_object(rng):
    def value():
        return rng.choice((lambda: rng.choice(TEXTS), lambda: rng.choice(TEXTS), lambda: rng.randrange(8), lambda: rng.choice((1.5, 2.0, -1)),
                           lambda: None, lambda: {rng.choice(NAMES): rng.choice(TEXTS)}))()
    return {name: value() for name in rng.sample(NAMES + ("z",), rng.randrange(7))} if rng.random() < 0.95 else value()


@pytest.mark.parametrize("seed", range(2))
def test_schemas_that_ask_for_the_same_members(seed, tmp_path):
    rng = random.Random(seed)
    valid = 0
    for _ in range(SCHEMAS * 2):
        schema = {**interwoven(rng, 3), "$defs": {name: interwoven(rng, depth, False) for name, depth in (("p", 0), ("q", 1))}}
        values = [some_object(rng) for _ in range(VALUES * 2)]
        oracle = jsonschema.Draft202012Validator(schema)
        for value, report in zip(values, ours(tmp_path, schema, values)):
            assert report["valid"] == oracle.is_valid(value), json.dumps([schema, value, report])
            valid += report["valid"]
    assert valid > 50
