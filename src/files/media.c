#include "files/media.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "files/path.h"

struct magic { size_t at; const char *bytes; size_t len; size_t at2; const char *bytes2; size_t len2; const char *type; };

#define M(at, bytes, type) { at, bytes, sizeof bytes - 1, 0, "", 0, type }
#define MM(at, bytes, at2, bytes2, type) { at, bytes, sizeof bytes - 1, at2, bytes2, sizeof bytes2 - 1, type }
static const struct magic magics[] = {
	M(0, "\x89PNG\r\n\x1a\n", "image/png"),
	M(0, "\xff\xd8\xff", "image/jpeg"),
	M(0, "GIF87a", "image/gif"),
	M(0, "GIF89a", "image/gif"),
	MM(0, "RIFF", 8, "WEBP", "image/webp"),
	MM(0, "RIFF", 8, "WAVE", "audio/wav"),
	MM(0, "RIFF", 8, "AVI ", "video/x-msvideo"),
	M(0, "II*\0", "image/tiff"),
	M(0, "MM\0*", "image/tiff"),
	MM(4, "ftyp", 8, "avif", "image/avif"),
	MM(4, "ftyp", 8, "heic", "image/heic"),
	MM(4, "ftyp", 8, "M4A ", "audio/mp4"),
	MM(4, "ftyp", 8, "qt  ", "video/quicktime"),
	M(4, "ftyp", "video/mp4"),
	M(0, "\x1a\x45\xdf\xa3", "video/webm"),      /* or Matroska, see below */
	MM(0, "OggS", 29, "vorbis", "audio/ogg"),
	MM(0, "OggS", 28, "OpusHead", "audio/ogg"),
	M(0, "fLaC", "audio/flac"),
	M(0, "ID3", "audio/mpeg"),
	M(0, "%PDF-", "application/pdf"),
	M(0, "glTF", "model/gltf-binary"),
};

static bool has(const uint8_t *head, size_t len, size_t at, const char *bytes, size_t count)
{
	return at + count <= len && memcmp(head + at, bytes, count) == 0;
}

static const char *by_content(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
		const struct magic *magic = &magics[i];

		if (!has(head, len, magic->at, magic->bytes, magic->len) || !has(head, len, magic->at2, magic->bytes2, magic->len2))
			continue;
		if (strcmp(magic->type, "video/webm") == 0 && !memmem(head, len, "webm", 4))
			return "video/x-matroska";
		return magic->type;
	}
	return NULL;
}

/* "Type/Sub; x=y" -> "type/sub"; false if it is none, or says no more than that it is bytes or a form. */
static bool take_declared(const char *declared, char out[64])
{
	static const char *const nothing[] = { "application/octet-stream", "application/x-www-form-urlencoded", "multipart/form-data",
		"binary/octet-stream", "application/unknown" };
	size_t len = declared ? strcspn(declared, "; \t") : 0, slashes = 0;

	if (len < 3 || len > 63)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)declared[i];

		slashes += c == '/';
		if (!isalnum(c) && !strchr("!#$&-^_.+/", c))
			return false;
		out[i] = (char)tolower(c);
	}
	out[len] = 0;
	if (slashes != 1 || out[0] == '/' || out[len - 1] == '/')
		return false;
	for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
		if (strcmp(out, nothing[i]) == 0)
			return false;
	return true;
}

void media_type_of(const void *head, size_t len, const char *declared, const char *name, char out[64])
{
	const char *known = by_content(head, len);

	if (known)
		snprintf(out, 64, "%s", known);
	else if (!take_declared(declared, out))
		snprintf(out, 64, "%s", path_media_type(name));
}

const char *media_suffix(const char *media_type)
{
	static const char *const rows[][2] = {
		{ "image/png", ".png" }, { "image/jpeg", ".jpg" }, { "image/webp", ".webp" }, { "image/gif", ".gif" }, { "image/tiff", ".tif" },
		{ "image/avif", ".avif" }, { "audio/wav", ".wav" }, { "audio/mpeg", ".mp3" }, { "audio/flac", ".flac" }, { "audio/ogg", ".ogg" },
		{ "audio/mp4", ".m4a" }, { "video/mp4", ".mp4" }, { "video/webm", ".webm" }, { "video/quicktime", ".mov" },
		{ "video/x-matroska", ".mkv" }, { "application/pdf", ".pdf" }, { "application/json", ".json" }, { "text/plain", ".txt" },
		{ "model/gltf-binary", ".glb" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i][0], media_type) == 0)
			return rows[i][1];
	return "";
}

void media_clean_name(const char *name, char out[132])
{
	const char *slash = strrchr(name, '/'), *backslash = strrchr(name, '\\');

	if (backslash && (!slash || backslash > slash))
		slash = backslash;
	fnr_text_copy(out, 132, slash ? slash + 1 : name);
	fnr_text_clean(out);
}
