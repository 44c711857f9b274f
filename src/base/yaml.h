/* YAML 1.1 (libyaml) to JSON values, for templates, presets and configuration. Core-schema scalars (true/false, null,
 * integers, floats; everything else is text; quoted scalars are always text). Anchors and aliases are followed within
 * a bound of 100 000 nodes and 16 MiB of text; depth at most 64; one document; a key twice is an error; no tags but the core ones. */
#ifndef FNR_BASE_YAML_H
#define FNR_BASE_YAML_H

#include "base/buf.h"
#include "base/json.h"

/* name is what messages call the text ("templates/x.yaml"). Returns a value to put, or NULL with *err set
 * (FNR_E_MALFORMED, "file:line:column: what", and what to do as its suggestion). An empty document is an error. */
struct json_object *fnr_yaml_parse(const char *data, size_t len, const char *name, struct fnr_error *err);

/* The bytes of a byte order mark that the text begins with: 0 or 3. It does not count as a column. */
size_t fnr_yaml_mark(const char *data, size_t len);

/* Writes a value so that fnr_yaml_parse reads the same; what is short stands in one line (yaml_text.c). */
void fnr_yaml_text(struct json_object *value, struct fnr_buf *out);

#endif
