/* SHA-256, HMAC and hexadecimal, over OpenSSL's libcrypto. */
#ifndef FNR_BASE_HASH_H
#define FNR_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FNR_SHA256_SIZE 32
#define FNR_SHA256_TEXT 65

struct fnr_sha256;                                   /* a running digest */
struct fnr_sha256 *fnr_sha256_create(void);
void fnr_sha256_add(struct fnr_sha256 *sha, const void *data, size_t len);
void fnr_sha256_end(struct fnr_sha256 *sha, uint8_t out[FNR_SHA256_SIZE]); /* frees sha */
void fnr_sha256_of(const void *data, size_t len, uint8_t out[FNR_SHA256_SIZE]);
void fnr_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[FNR_SHA256_SIZE]);

/* libcrypto prepares itself when it is first used: a millisecond, and 150 KB of tables. Who forks many that hash does so before:
 * then they share them. */
void fnr_hash_prepare(void);

char *fnr_hex(const void *data, size_t len, char *out);     /* lower case; out has 2*len+1 bytes; returns out */
bool fnr_unhex(const char *text, void *out, size_t len);    /* exactly 2*len digits */
bool fnr_equal_secret(const void *a, const void *b, size_t len); /* in constant time */

#endif
