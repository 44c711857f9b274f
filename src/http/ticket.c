#include "http/ticket.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define ID_MOST 67
#define SECOND_DIGITS 12

/* One secret serves several ends: what is signed begins with a word that says which. */
static bool sign(struct store_txn *txn, const char *end, const struct fnr_buf *data, uint8_t mac[32])
{
	struct fnr_buf whole = FNR_BUF_INIT;
	uint8_t secret[32];
	bool has = store_secret_get(txn, secret) == FNR_OK;

	if (has) {
		fnr_buf_add(&whole, end, strlen(end) + 1);
		if (data)
			fnr_buf_add(&whole, data->data, data->len);
		fnr_hmac_sha256(secret, sizeof secret, whole.data, whole.len, mac);
	}
	explicit_bzero(secret, sizeof secret);
	fnr_buf_free(&whole);
	return has;
}

static bool ticket_mac(struct store_txn *txn, int64_t seconds, const uint8_t key[32], const char *path, char out[FNR_SHA256_TEXT])
{
	struct fnr_buf data = FNR_BUF_INIT;
	uint8_t mac[32];
	bool made;

	fnr_buf_printf(&data, "%" PRId64 ".", seconds);
	fnr_buf_add(&data, key, 32);
	fnr_buf_puts(&data, path);
	made = sign(txn, "ticket", &data, mac);
	fnr_buf_free(&data);
	if (made)
		fnr_hex(mac, sizeof mac, out);
	return made;
}

bool ticket_make(struct store_txn *txn, const char *id, const uint8_t key[32], const char *path, int64_t expires_at, char out[TICKET_SIZE])
{
	int64_t seconds = expires_at / 1000;
	char mac[FNR_SHA256_TEXT];

	if (!ticket_mac(txn, seconds, key, path, mac))
		return false;
	snprintf(out, TICKET_SIZE, "%" PRId64 ".%.*s.%s", seconds, ID_MOST, id, mac);
	return true;
}

/* Takes a ticket apart; an id has no dot. */
static bool parse(const char *ticket, int64_t *seconds_r, char id[ID_MOST + 1], char mac[FNR_SHA256_TEXT])
{
	size_t digits = strspn(ticket, "0123456789"), len;

	if (digits == 0 || digits > SECOND_DIGITS || ticket[digits] != '.')
		return false;
	*seconds_r = strtoll(ticket, NULL, 10);
	ticket += digits + 1;
	len = strcspn(ticket, ".");
	if (len > ID_MOST || ticket[len] != '.' || strlen(ticket + len + 1) != FNR_SHA256_TEXT - 1)
		return false;
	memcpy(id, ticket, len);
	id[len] = 0;
	memcpy(mac, ticket + len + 1, FNR_SHA256_TEXT);
	return true;
}

int ticket_check(struct store_txn *txn, const char *ticket, const char *path, int64_t now, uint8_t key_r[32], struct fnr_error *err)
{
	char id[ID_MOST + 1], mac[FNR_SHA256_TEXT], ours[FNR_SHA256_TEXT];
	int64_t seconds;

	if (!parse(ticket, &seconds, id, mac))
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this is not a ticket; POST /api/v1/tickets makes one");
	if (seconds * 1000 <= now)
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this ticket has expired; POST /api/v1/tickets makes another");
	if (store_key_find(txn, id, key_r) != FNR_OK || !ticket_mac(txn, seconds, key_r, path, ours)
	    || !fnr_equal_secret(mac, ours, sizeof ours))
		return fnr_fail(err, FNR_E_UNAUTHORIZED, "this ticket is not for this path, or its key is gone; POST /api/v1/tickets makes another");
	return FNR_OK;
}

bool ticket_cookie_name(struct store_txn *txn, char out[COOKIE_NAME_SIZE])
{
	uint8_t mac[32];
	char digits[FNR_SHA256_TEXT];

	if (!sign(txn, "cookie", NULL, mac))
		return false;
	snprintf(out, COOKIE_NAME_SIZE, "fnr_session_%.8s", fnr_hex(mac, sizeof mac, digits));
	return true;
}
