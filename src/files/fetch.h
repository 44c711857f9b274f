/* The one function that fetches addresses from the web for inputs. http and https only, no redirects, no proxies, no
 * credentials; a server in a private network is refused by the address that is connected to, whatever its name says. */
#ifndef FNR_FILES_FETCH_H
#define FNR_FILES_FETCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct fetch {
	const char *url;
	int dir;                          /* the file is made in this folder, which must not have one of this name */
	const char *name;
	uint64_t limit;                   /* bytes */
	int64_t timeout_ms;               /* for all of it */
	bool allow_private;
	bool (*stop)(void *context);      /* called at least every 100 ms; true: FETCH_STOPPED */
	void *context;

	uint64_t bytes;                   /* of the file */
	long status;                      /* of the answer; 0 without one */
	char media_type[64];              /* as the server declared it; "" if it did not */
	char detail[256];                 /* for technicians; "" when it went well */
};

enum fetch_result {
	FETCH_DONE,
	FETCH_REFUSED,                    /* not an address that may be fetched: a private network, another protocol */
	FETCH_REDIRECTED,                 /* 3xx */
	FETCH_STATUS,                     /* another status than 2xx */
	FETCH_TOO_LARGE,
	FETCH_EMPTY,
	FETCH_TIMEOUT,
	FETCH_UNREACHABLE,                /* no such server, no connection, or it broke */
	FETCH_STOPPED,
	FETCH_DISK,
};

/* Blocks. After anything but FETCH_DONE there is no file. */
enum fetch_result fetch_url(struct fetch *fetch);

/* Is this an address of the public internet? */
bool fetch_address_public(const struct sockaddr *address);

#endif
