/* JSON values as YAML that people like to read: block style, two blanks a level; what is short and has nothing below it stands in
 * one line; texts have quotes only where they need them. */
#include "base/yaml.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define LINE_MOST 100       /* bytes of what is put into one line */

static bool is_container(struct json_object *value)
{
	return json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array);
}

static bool is_empty(struct json_object *value)
{
	return json_object_is_type(value, json_type_object) ? json_object_object_length(value) == 0 : json_object_array_length(value) == 0;
}

/* ---- texts ---- */

/* Characters that YAML takes for line ends, or does not take at all. */
static bool is_special(unsigned code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static unsigned code_at(const char *text, size_t len)
{
	unsigned code = (unsigned char)text[0] & (len == 1 ? 0x7f : 0xff >> (len + 1));

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	return code;
}

static bool is_word(const char *text)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasecmp(words[i], text) == 0)
			return true;
	return false;
}

/* Is it the same text without quotes, wherever it stands? */
static bool is_plain(const char *text, size_t len)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/", more[] = "0123456789 .-()";

	if (!len || !strchr(first, text[0]) || text[len - 1] == ' ' || is_word(text))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!text[i] || (!strchr(first, text[i]) && !strchr(more, text[i])))
			return false;
	return true;
}

static void add_quoted(struct fnr_buf *out, const char *text, size_t len)
{
	fnr_buf_puts(out, "\"");
	for (size_t step; len > 0; text += step, len -= step) {
		step = fnr_utf8_step(text, len);
		step = step ? step : 1;
		if (*text == '"' || *text == '\\')
			fnr_buf_printf(out, "\\%c", *text);
		else if (*text == '\n')
			fnr_buf_puts(out, "\\n");
		else if (is_special(code_at(text, step)))
			fnr_buf_printf(out, "\\u%04X", code_at(text, step));
		else
			fnr_buf_add(out, text, step);
	}
	fnr_buf_puts(out, "\"");
}

static void add_text(struct fnr_buf *out, const char *text, size_t len)
{
	if (is_plain(text, len))
		fnr_buf_add(out, text, len);
	else
		add_quoted(out, text, len);
}

/* ---- values ---- */

static void add_line(struct fnr_buf *out, struct json_object *value);

static void add_line_members(struct fnr_buf *out, struct json_object *object)
{
	const char *before = "";

	json_object_object_foreach(object, name, member) {
		fnr_buf_puts(out, before);
		add_text(out, name, strlen(name));
		fnr_buf_puts(out, ": ");
		add_line(out, member);
		before = ", ";
	}
}

/* In one line, whatever it is. */
static void add_line(struct fnr_buf *out, struct json_object *value)
{
	if (json_object_is_type(value, json_type_object)) {
		fnr_buf_puts(out, "{");
		add_line_members(out, value);
		fnr_buf_puts(out, "}");
	} else if (json_object_is_type(value, json_type_array)) {
		fnr_buf_puts(out, "[");
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			fnr_buf_puts(out, i ? ", " : "");
			add_line(out, json_object_array_get_idx(value, i));
		}
		fnr_buf_puts(out, "]");
	} else if (json_object_is_type(value, json_type_string)) {
		add_text(out, json_object_get_string(value), (size_t)json_object_get_string_len(value));
	} else {
		fnr_buf_puts(out, fnr_json_text(value, NULL));
	}
}

static void add_block(struct fnr_buf *out, struct json_object *value, int level);

/* Has it nothing within it that has something? */
static bool is_shallow(struct json_object *value)
{
	bool shallow = true;

	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value) && shallow; i++)
			shallow = !is_container(json_object_array_get_idx(value, i));
		return shallow;
	}
	json_object_object_foreach(value, name, member) {
		(void)name;
		shallow = shallow && (!is_container(member) || json_object_is_type(member, json_type_array));
	}
	return shallow;
}

/* What stands behind "name:" or "-". */
static void add_below(struct fnr_buf *out, struct json_object *value, int level)
{
	struct fnr_buf line = FNR_BUF_INIT;
	bool container = is_container(value);

	add_line(&line, value);
	if (!container || is_empty(value) || (line.len <= LINE_MOST && is_shallow(value))) {
		fnr_buf_printf(out, " %s\n", line.data);
	} else {
		fnr_buf_puts(out, "\n");
		add_block(out, value, level);
	}
	fnr_buf_free(&line);
}

static void indent(struct fnr_buf *out, int level)
{
	for (int i = 0; i < level; i++)
		fnr_buf_puts(out, "  ");
}

static void add_block(struct fnr_buf *out, struct json_object *value, int level)
{
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			indent(out, level);
			fnr_buf_puts(out, "-");
			add_below(out, json_object_array_get_idx(value, i), level + 1);
		}
		return;
	}
	json_object_object_foreach(value, name, member) {
		indent(out, level);
		add_text(out, name, strlen(name));
		fnr_buf_puts(out, ":");
		add_below(out, member, level + 1);
	}
}

void fnr_yaml_text(struct json_object *value, struct fnr_buf *out)
{
	if (is_container(value) && !is_empty(value)) {
		add_block(out, value, 0);
		return;
	}
	add_line(out, value);
	fnr_buf_puts(out, "\n");
}
