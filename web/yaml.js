// Values as YAML that people like to read. (What people write is read by the server.)

const PLAIN = /^[A-Za-z_](?:[\w ./+()'%-]|, )*$/;
const VERSION = /^\d+\.\d+\.\d+$/;
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/i;
const WIDTH = 90;

function scalar(value) {
  if (typeof value === "string" && VERSION.test(value)) return value;
  if (typeof value === "string" && PLAIN.test(value) && !WORDS.test(value) && !value.endsWith(" ") && !value.endsWith(",")) return value;
  return JSON.stringify(value);
}

const name = (text) => (/^[A-Za-z_][\w.-]*$/.test(text) && !WORDS.test(text) ? text : JSON.stringify(text));
const simple = (value) => value === null || typeof value !== "object";

/** In one line; in such a text commas and brackets are signs. */
function flow(value) {
  if (simple(value)) return typeof value === "string" && /[,[\]{}]/.test(value) ? JSON.stringify(value) : scalar(value);
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  return `{${Object.entries(value).map(([key, one]) => `${name(key)}: ${flow(one)}`).join(", ")}}`;
}

const short = (value, indent) => flow(value).length + indent < WIDTH;
const flat = (value) => Object.values(value).every((one) => simple(one) || (Array.isArray(one) && one.every(simple)));

function lines(value, indent) {
  const space = " ".repeat(indent);
  const below = (one, inOne) => (simple(one) ? ` ${scalar(one)}` : inOne ? ` ${flow(one)}` : `\n${lines(one, indent + 2)}`);
  if (Array.isArray(value)) return value.map((one) => `${space}-${below(one, !simple(one) && short(one, indent))}`).join("\n");
  return Object.entries(value).map(([key, one]) => `${space}${name(key)}:${below(one, !simple(one) && flat(one) && short(one, indent + key.length))}`).join("\n");
}

/** An object as a YAML document. */
export const toYaml = (value) => `${lines(value, 0)}\n`;
