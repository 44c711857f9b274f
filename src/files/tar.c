#include "files/tar.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512u
#define SIZE_MOST 077777777777ull      /* 8 GiB, less one byte; larger ones are told by a pax record */
#define NAME 100

/* As the standard lays it out; texts end with a 0 where there is room. */
struct header {
	char name[NAME], mode[8], uid[8], gid[8], size[12], modified[12], checksum[8], type, link[NAME], magic[6], version[2], user[32], group[32],
	     major[8], minor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static void octal(char *field, size_t size, uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, digits, size - 1);
}

/* The sum counts its own field as blanks. */
static void sum(struct header *header)
{
	unsigned total = 0;

	memset(header->checksum, ' ', sizeof header->checksum);
	for (size_t i = 0; i < sizeof *header; i++)
		total += ((const unsigned char *)header)[i];
	snprintf(header->checksum, sizeof header->checksum, "%06o", total);
}

static void put_header(struct fnr_buf *out, char type, const char *name, uint64_t bytes, int64_t modified_s)
{
	struct header header = { .type = type, .magic = "ustar", .version = { '0', '0' } };

	memcpy(header.name, name, strnlen(name, sizeof header.name));
	octal(header.mode, sizeof header.mode, 0644);
	octal(header.uid, sizeof header.uid, 0);
	octal(header.gid, sizeof header.gid, 0);
	octal(header.size, sizeof header.size, bytes);
	octal(header.modified, sizeof header.modified, modified_s > 0 ? (uint64_t)modified_s : 0);
	sum(&header);
	fnr_buf_add(out, &header, sizeof header);
}

/* "LENGTH key=value\n", where LENGTH counts itself. */
static void pax_record(struct fnr_buf *out, const char *key, const char *value)
{
	size_t bare = strlen(key) + strlen(value) + 3, len = bare + 1;
	char digits[24];

	while ((size_t)snprintf(digits, sizeof digits, "%zu", len) + bare != len)
		len++;
	fnr_buf_printf(out, "%zu %s=%s\n", len, key, value);
}

static void put_pax(struct fnr_buf *out, const char *name, uint64_t bytes, int64_t modified_s)
{
	struct fnr_buf records = FNR_BUF_INIT;
	char digits[24];

	if (strlen(name) > NAME)
		pax_record(&records, "path", name);
	snprintf(digits, sizeof digits, "%llu", (unsigned long long)bytes);
	if (bytes > SIZE_MOST)
		pax_record(&records, "size", digits);
	put_header(out, 'x', "pax", records.len, modified_s);
	fnr_buf_add(out, records.data, records.len);
	tar_fill(out, records.len);
	fnr_buf_free(&records);
}

void tar_head(struct fnr_buf *out, const char *name, uint64_t bytes, int64_t modified_s)
{
	if (strlen(name) > NAME || bytes > SIZE_MOST)
		put_pax(out, name, bytes, modified_s);
	put_header(out, '0', name, bytes > SIZE_MOST ? 0 : bytes, modified_s);
}

static void zeros(struct fnr_buf *out, size_t count)
{
	static const char block[2 * BLOCK];

	fnr_buf_add(out, block, count);
}

void tar_fill(struct fnr_buf *out, uint64_t bytes)
{
	zeros(out, (BLOCK - bytes % BLOCK) % BLOCK);
}

void tar_end(struct fnr_buf *out)
{
	zeros(out, 2 * BLOCK);
}
