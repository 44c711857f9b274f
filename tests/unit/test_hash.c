#include <criterion/criterion.h>
#include <string.h>

#include "base/hash.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

Test(hash, sha256)
{
	uint8_t digest[FNR_SHA256_SIZE];
	char text[FNR_SHA256_TEXT];
	struct fnr_sha256 *sha = fnr_sha256_create();

	fnr_sha256_add(sha, "a", 1);
	fnr_sha256_add(sha, "", 0);
	fnr_sha256_add(sha, "bc", 2);
	fnr_sha256_end(sha, digest);
	cr_assert_str_eq(fnr_hex(digest, sizeof digest, text), ABC);
	fnr_sha256_of("abc", 3, digest);
	cr_assert_str_eq(fnr_hex(digest, sizeof digest, text), ABC);
}

/* RFC 4231, test case 2. */
Test(hash, hmac)
{
	uint8_t mac[FNR_SHA256_SIZE];
	char text[FNR_SHA256_TEXT];

	fnr_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
	cr_assert_str_eq(fnr_hex(mac, sizeof mac, text), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

Test(hash, hexadecimal)
{
	uint8_t bytes[2] = { 7, 7 };

	cr_assert(fnr_unhex("aBf0", bytes, 2));
	cr_assert(bytes[0] == 0xab && bytes[1] == 0xf0);
	cr_assert_not(fnr_unhex("abf", bytes, 2));
	cr_assert_not(fnr_unhex("abf00", bytes, 2));
	cr_assert_not(fnr_unhex("abfg", bytes, 2));
	cr_assert(fnr_unhex("", bytes, 0));
}

Test(hash, equal_secret)
{
	cr_assert(fnr_equal_secret("abc", "abc", 3));
	cr_assert_not(fnr_equal_secret("abc", "abd", 3));
}
