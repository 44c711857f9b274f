// Ajv on the same cases as bench_schema.c; run in a folder where ajv is installed. Prints a JSON object a case: times in ns.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.cwd() + "/");
const Ajv = require("ajv/dist/2020").default;

const SPAN_NS = 300e6, ROUNDS = 5;
const now = () => { const { user, system } = process.cpuUsage(); return (user + system) * 1000; };
let kept = 0;     // so that no call is left out

function measure(call) {
	let best = Infinity;
	for (let round = 0; round < ROUNDS; round++) {
		const begin = now();
		let end = begin, calls = 0;
		for (let batch = 1; end - begin < SPAN_NS / ROUNDS; calls += batch, batch *= 2, end = now())
			for (let i = 0; i < batch; i++)
				kept += call() ? 1 : 0;
		best = Math.min(best, (end - begin) / calls);
	}
	return best;
}

function repeated(list, times) {
	return times ? Array.from({ length: times }, () => structuredClone(list[0])) : list;
}

for (const { name, schema, repeat, ...values } of JSON.parse(readFileSync(process.argv[2]))) {
	const valid = repeated(values.valid, repeat), invalid = repeated(values.invalid, repeat);
	const first = new Ajv({ strict: false }).compile(schema), all = new Ajv({ strict: false, allErrors: true }).compile(schema);
	if (!first(valid) || first(invalid)) throw new Error(name);
	console.log(JSON.stringify({
		name,
		compile: measure(() => new Ajv({ strict: false }).compile(schema)),
		valid: measure(() => first(valid)),
		invalid: measure(() => first(invalid)),
		errors: measure(() => all(invalid)),
		texts: measure(() => all(invalid) || JSON.stringify(all.errors).length),
	}));
}
