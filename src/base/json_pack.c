#include "base/json_pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define VERSION 1
#define WORDS_MOST 128
#define SMALL 64             /* integers below this one are one byte */
#define SHORT 128            /* so are lengths of texts below this one */
#define LONG_NAME 127

enum head { HEAD_NULL, HEAD_FALSE, HEAD_TRUE, HEAD_INT, HEAD_REAL, HEAD_TEXT, HEAD_LIST, HEAD_OBJECT, HEAD_WORD, HEAD_SMALL = 0x40, HEAD_SHORT = 0x80 };

/* New ones at the end. */
static const char *const words[] = {
	"", "id", "version", "name", "description", "category", "author", "icon", "tags", "capabilities", "inputs", "input_form",
	"input_schema", "outputs", "parameters", "presets", "resolution", "multiple_of", "optimizations", "resources", "tiers", "variants",
	"queue", "limits", "timeout_s", "silence_s", "retry", "errors", "on_lost", "stages", "models", "examples", "backend", "files",
	"digest", "extends", "type", "string", "integer", "number", "boolean", "file", "array", "object", "any", "image", "video", "audio",
	"text", "json", "generic", "required", "min", "max", "min_length", "max_length", "min_items", "max_items", "enum", "default",
	"format", "color", "pattern", "label", "group", "order", "unit", "control", "step", "advanced", "media", "media_type", "items",
	"properties", "optional", "many", "width", "height", "draft", "standard", "high", "ultra", "cpu", "gpu", "memory_mb", "vram_mb",
	"disk_mb", "max_attempts", "delay_s", "max_delay_s", "total_s", "preparation", "execution", "finalization", "weight", "message",
	"script", "python", "class", "command", "comfyui", "gradio", "noop", "workflow", "bindings", "quality", "fail", "image/png",
	"image/*", "video/mp4", "audio/wav", "values", "placeholder", "backends", "labels", "concurrency", "per_minute", "seed",
};
#define WORDS (sizeof words / sizeof words[0])
_Static_assert(WORDS <= WORDS_MOST, "a word is 7 bits");

/* ---- writing ---- */

static int by_word(const void *a, const void *b)
{
	return strcmp(words[*(const uint8_t *)a], words[*(const uint8_t *)b]);
}

/* Its number, or -1. */
static int word_of(const char *text)
{
	static uint8_t order[WORDS];
	size_t low = 0, high = WORDS;

	if (!order[WORDS - 1]) {
		for (size_t i = 0; i < WORDS; i++)
			order[i] = (uint8_t)i;
		qsort(order, WORDS, 1, by_word);
	}
	while (low < high) {
		size_t middle = (low + high) / 2;
		int way = strcmp(text, words[order[middle]]);

		if (way == 0)
			return order[middle];
		if (way < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

static void put_byte(struct fnr_buf *out, unsigned byte)
{
	uint8_t value = (uint8_t)byte;

	fnr_buf_add(out, &value, 1);
}

static void put_varint(struct fnr_buf *out, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		put_byte(out, 0x80 | (value & 0x7f));
	put_byte(out, (unsigned)value);
}

static void put_int(struct fnr_buf *out, int64_t value)
{
	if (value >= 0 && value < SMALL) {
		put_byte(out, HEAD_SMALL + (unsigned)value);
	} else {
		put_byte(out, HEAD_INT);
		put_varint(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
	}
}

static void put_text(struct fnr_buf *out, const char *text, size_t len)
{
	int word = strlen(text) == len ? word_of(text) : -1;

	if (word >= 0) {
		put_byte(out, HEAD_WORD);
		put_byte(out, (unsigned)word);
		return;
	}
	if (len < SHORT) {
		put_byte(out, HEAD_SHORT + (unsigned)len);
	} else {
		put_byte(out, HEAD_TEXT);
		put_varint(out, len);
	}
	fnr_buf_add(out, text, len);
}

static void put_name(struct fnr_buf *out, const char *name)
{
	int word = word_of(name);
	size_t len = strlen(name);

	if (word >= 0) {
		put_byte(out, 0x80 + (unsigned)word);
		return;
	}
	put_byte(out, len < LONG_NAME ? (unsigned)len : LONG_NAME);
	if (len >= LONG_NAME)
		put_varint(out, len);
	fnr_buf_add(out, name, len + 1);
}

static void put_value(struct fnr_buf *out, struct json_object *value)
{
	const char *text;
	size_t len;

	switch (json_object_get_type(value)) {
	case json_type_null:
		put_byte(out, HEAD_NULL);
		break;
	case json_type_boolean:
		put_byte(out, json_object_get_boolean(value) ? HEAD_TRUE : HEAD_FALSE);
		break;
	case json_type_int:
		put_int(out, json_object_get_int64(value));
		break;
	case json_type_double:
		text = fnr_json_text(value, &len);
		put_byte(out, HEAD_REAL);
		put_varint(out, len);
		fnr_buf_add(out, text, len);
		break;
	case json_type_string:
		put_text(out, json_object_get_string(value), (size_t)json_object_get_string_len(value));
		break;
	case json_type_array:
		put_byte(out, HEAD_LIST);
		put_varint(out, json_object_array_length(value));
		for (size_t i = 0; i < json_object_array_length(value); i++)
			put_value(out, json_object_array_get_idx(value, i));
		break;
	case json_type_object:
		put_byte(out, HEAD_OBJECT);
		put_varint(out, (uint64_t)json_object_object_length(value));
		json_object_object_foreach(value, name, member) {
			put_name(out, name);
			put_value(out, member);
		}
		break;
	}
}

void fnr_json_pack(struct fnr_buf *out, struct json_object *value)
{
	put_byte(out, VERSION);
	put_value(out, value);
}

/* ---- reading ---- */

#define VALUE_BYTES 64           /* what one takes, with malloc's own, about */
#define OBJECT_BYTES 160
#define ENTRY_BYTES 40
#define ENTRIES 16               /* that json-c makes at once */

struct unpacker {
	const uint8_t *at, *end;
	int depth;
	bool failed;
	size_t memory;
};

static struct json_object *get_value(struct unpacker *in);

static bool fail(struct unpacker *in)
{
	in->failed = true;
	in->at = in->end;
	return false;
}

static unsigned get_byte(struct unpacker *in)
{
	if (in->at == in->end)
		fail(in);
	return in->failed ? 0 : *in->at++;
}

static uint64_t get_varint(struct unpacker *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned byte = get_byte(in);

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	fail(in);
	return 0;
}

/* How many of something follow: each is a byte at least. */
static size_t get_count(struct unpacker *in)
{
	uint64_t count = get_varint(in);

	if (count > (uint64_t)(in->end - in->at)) {
		fail(in);
		return 0;
	}
	return (size_t)count;
}

static const char *get_bytes(struct unpacker *in, size_t len)
{
	const char *bytes = (const char *)in->at;

	if (len > (size_t)(in->end - in->at)) {
		fail(in);
		return "";
	}
	in->at += len;
	return bytes;
}

/* What there is many times over is made once. */
static struct json_object *share(struct json_object **shared, struct json_object *(*make)(int64_t), int64_t what)
{
	if (!*shared)
		*shared = make(what);
	FNR_MUST(*shared);
	return json_object_get(*shared);
}

static struct json_object *make_word(int64_t word) { return json_object_new_string(words[word]); }
static struct json_object *make_bool(int64_t truth) { return json_object_new_boolean((json_bool)truth); }
static struct json_object *make_int(int64_t value) { return json_object_new_int64(value); }

static struct json_object *get_word(struct unpacker *in)
{
	static struct json_object *shared[WORDS];
	unsigned word = get_byte(in);

	if (word >= WORDS) {
		fail(in);
		return NULL;
	}
	return share(&shared[word], make_word, word);
}

static struct json_object *get_text(struct unpacker *in, size_t len)
{
	const char *text = get_bytes(in, len);

	if (in->failed)
		return NULL;
	in->memory += VALUE_BYTES + len;
	return json_object_new_string_len(text, (int)len);
}

static struct json_object *get_int(struct unpacker *in)
{
	uint64_t value = get_varint(in);

	in->memory += VALUE_BYTES;
	return json_object_new_int64((int64_t)(value >> 1 ^ (0 - (value & 1))));
}

static struct json_object *get_real(struct unpacker *in)
{
	size_t len = get_count(in);
	const char *bytes = get_bytes(in, len);
	char text[64];

	if (in->failed || len >= sizeof text) {
		fail(in);
		return NULL;
	}
	memcpy(text, bytes, len);
	text[len] = 0;
	in->memory += 2 * VALUE_BYTES;
	return json_object_new_double_s(fnr_text_real(text), text);
}

static struct json_object *get_list(struct unpacker *in)
{
	size_t count = get_count(in);
	struct json_object *list = json_object_new_array_ext((int)(count ? count : 1));

	in->memory += OBJECT_BYTES + count * sizeof(void *);
	for (size_t i = 0; i < count && !in->failed; i++)
		json_object_array_add(list, get_value(in));
	return list;
}

/* A name that is no word is at in->at, ended by 0. */
static const char *get_name(struct unpacker *in, unsigned *flags_r)
{
	unsigned head = get_byte(in);
	size_t len = head;
	const char *name;

	*flags_r = JSON_C_OBJECT_ADD_KEY_IS_NEW;
	if (head >= 0x80) {
		*flags_r |= JSON_C_OBJECT_ADD_CONSTANT_KEY;
		return head - 0x80 < WORDS ? words[head - 0x80] : (fail(in), "");
	}
	if (head == LONG_NAME)
		len = get_count(in);
	name = get_bytes(in, len + 1);
	in->memory += VALUE_BYTES / 2 + len;
	return in->failed || memchr(name, 0, len + 1) != name + len ? (fail(in), "") : name;
}

static struct json_object *get_object(struct unpacker *in)
{
	size_t count = get_count(in), entries = count < 3 ? 4 : count > 9 ? count * 2 : ENTRIES;
	struct json_object *object = json_object_new_object();

	/* As large as it has to be: by itself it would be made for ten, and made anew again and again for more. */
	if (entries != ENTRIES && !in->failed)
		lh_table_resize(json_object_get_object(object), (int)entries);
	in->memory += OBJECT_BYTES + entries * ENTRY_BYTES;
	while (count-- > 0 && !in->failed) {
		unsigned flags;
		const char *name = get_name(in, &flags);

		json_object_object_add_ex(object, name, get_value(in), flags);
	}
	return object;
}

static struct json_object *get_container(struct unpacker *in, bool object)
{
	struct json_object *value;

	if (in->depth == FNR_JSON_DEPTH_OWN) {
		fail(in);
		return NULL;
	}
	in->depth++;
	value = object ? get_object(in) : get_list(in);
	in->depth--;
	return value;
}

static struct json_object *get_value(struct unpacker *in)
{
	static struct json_object *truths[2], *smalls[SMALL];
	unsigned head = get_byte(in);

	if (in->failed)
		return NULL;
	if (head >= HEAD_SHORT)
		return get_text(in, head - HEAD_SHORT);
	if (head >= HEAD_SMALL)
		return share(&smalls[head - HEAD_SMALL], make_int, head - HEAD_SMALL);
	switch (head) {
	case HEAD_NULL: return NULL;
	case HEAD_FALSE:
	case HEAD_TRUE: return share(&truths[head - HEAD_FALSE], make_bool, head - HEAD_FALSE);
	case HEAD_INT: return get_int(in);
	case HEAD_REAL: return get_real(in);
	case HEAD_TEXT: return get_text(in, get_count(in));
	case HEAD_LIST:
	case HEAD_OBJECT: return get_container(in, head == HEAD_OBJECT);
	case HEAD_WORD: return get_word(in);
	}
	fail(in);
	return NULL;
}

struct json_object *fnr_json_unpack(const void *data, size_t len, size_t *memory_r)
{
	struct unpacker in = { .at = data, .end = (const uint8_t *)data + len };
	struct json_object *value = get_byte(&in) == VERSION ? get_value(&in) : NULL;

	if (memory_r)
		*memory_r = in.memory;
	if (!in.failed && in.at == in.end)
		return value;
	json_object_put(value);
	return NULL;
}
