#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/err.h"

/* The digest's context under our own name. */
static EVP_MD_CTX *context(struct fnr_sha256 *sha)
{
	return (EVP_MD_CTX *)sha;
}

struct fnr_sha256 *fnr_sha256_create(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	FNR_MUST(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	return (struct fnr_sha256 *)ctx;
}

void fnr_sha256_add(struct fnr_sha256 *sha, const void *data, size_t len)
{
	FNR_MUST(EVP_DigestUpdate(context(sha), data, len) == 1);
}

void fnr_sha256_end(struct fnr_sha256 *sha, uint8_t out[FNR_SHA256_SIZE])
{
	FNR_MUST(EVP_DigestFinal_ex(context(sha), out, NULL) == 1);
	EVP_MD_CTX_free(context(sha));
}

void fnr_sha256_of(const void *data, size_t len, uint8_t out[FNR_SHA256_SIZE])
{
	FNR_MUST(EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1);
}

void fnr_hash_prepare(void)
{
	uint8_t out[FNR_SHA256_SIZE];

	fnr_sha256_of("", 0, out);
	fnr_hmac_sha256(out, sizeof out, "", 0, out);
}

void fnr_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[FNR_SHA256_SIZE])
{
	FNR_MUST(HMAC(EVP_sha256(), key, (int)key_len, data, len, out, NULL) != NULL);
}

char *fnr_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = 0;
	return out;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool fnr_unhex(const char *text, void *out, size_t len)
{
	uint8_t *bytes = out;
	size_t i;

	if (strnlen(text, 2 * len + 1) != 2 * len)
		return false;
	for (i = 0; i < 2 * len; i++)
		if (digit(text[i]) < 0)
			return false;
	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return true;
}

bool fnr_equal_secret(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}
