/* What the parts of the client share: requests (client.c), files (transfer.c), streams (stream.c). */
#ifndef FNR_CLI_CLIENT_INTERNAL_H
#define FNR_CLI_CLIENT_INTERNAL_H

#include <curl/curl.h>
#include <limits.h>

#include "cli/client.h"

#define ANSWER_MOST (256u << 20)

struct client {
	CURL *curl;
	CURLM *multi;
	char *url, *key;
	char data[PATH_MAX];
};

/* One transfer: headers (a list to free), set-up, run to its end or until we are interrupted or *stop becomes true. */
struct curl_slist *client_headers(const struct client *client, const char *const *headers, const char *media_type);   /* of the body; NULL: none */
void client_prepare(struct client *client, const char *path, struct curl_slist *headers);
CURLcode client_perform(struct client *client, const bool *stop);

/* Keeps what comes in a struct fnr_buf; client_finish makes the answer of it and frees the buffer. */
size_t client_collect(char *data, size_t size, size_t count, void *context);
struct answer client_finish(struct client *client, CURLcode result, struct fnr_buf *text);

#endif
