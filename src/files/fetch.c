#include "config.h"

#include "files/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "files/path.h"

#define CONNECT_MS 10000L
#define TURN_MS 100

/* ---- addresses ---- */

struct range { uint32_t net; int bits; };

/* What is not of the public internet (the special-purpose registry of RFC 6890), and multicast. */
static const struct range ranges4[] = {
	{ 0x00000000, 8 }, { 0x0a000000, 8 }, { 0x64400000, 10 }, { 0x7f000000, 8 }, { 0xa9fe0000, 16 }, { 0xac100000, 12 },
	{ 0xc0000000, 24 }, { 0xc0000200, 24 }, { 0xc0586300, 24 }, { 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xc6336400, 24 },
	{ 0xcb007100, 24 }, { 0xe0000000, 3 },
};

static bool public4(uint32_t address)
{
	for (size_t i = 0; i < sizeof ranges4 / sizeof ranges4[0]; i++)
		if ((address ^ ranges4[i].net) >> (32 - ranges4[i].bits) == 0)
			return false;
	return true;
}

/* Global unicast is 2000::/3; of that, Teredo, ORCHID and the rest of 2001::/23, documentation and 6to4 may lead elsewhere. */
static bool public6(const uint8_t a[16])
{
	if ((a[0] & 0xe0) != 0x20)
		return false;
	if (a[0] == 0x20 && a[1] == 0x01 && (a[2] < 2 || (a[2] == 0x0d && a[3] == 0xb8)))
		return false;
	return !(a[0] == 0x20 && a[1] == 0x02) && !(a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10);
}

bool fetch_address_public(const struct sockaddr *address)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&in4, address, sizeof in4);
		return public4(ntohl(in4.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&in6, address, sizeof in6);
		return public6(in6.sin6_addr.s6_addr);
	}
	return false;
}

/* ---- the transfer ---- */

struct transfer {
	struct fetch *fetch;
	CURL *curl;
	int fd;
	bool refused, too_large, disk;
	char text[CURL_ERROR_SIZE];
};

/* The address that a connection is about to be made to: no name and no answer of a name server gets past this. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = context;

	if (purpose != CURLSOCKTYPE_IPCXN || (!transfer->fetch->allow_private && !fetch_address_public(&address->addr))) {
		transfer->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take(char *data, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t len = size * count;
	long status = 0;

	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		return 0;                 /* what an error page says is not wanted */
	transfer->fetch->bytes += len;
	transfer->too_large = transfer->fetch->bytes > transfer->fetch->limit;
	if (transfer->too_large)
		return 0;
	transfer->disk = !fnr_write_all(transfer->fd, data, len);
	return transfer->disk ? 0 : len;
}

static void set_options(struct transfer *transfer)
{
	CURL *curl = transfer->curl;
	struct fetch *fetch = transfer->fetch;

	curl_easy_setopt(curl, CURLOPT_URL, fetch->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "FunctionRunner/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, fetch->timeout_ms < CONNECT_MS ? (long)fetch->timeout_ms : CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)fetch->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)fetch->limit);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->text);
}

/* libcurl's codes as ours; the one converter. */
static enum fetch_result result_of(struct transfer *transfer, CURLcode code)
{
	long status = transfer->fetch->status;

	if (transfer->too_large || code == CURLE_FILESIZE_EXCEEDED)
		return FETCH_TOO_LARGE;
	if (transfer->disk)
		return FETCH_DISK;
	if (status >= 300 && status < 400)
		return FETCH_REDIRECTED;
	if (status != 0 && (status < 200 || status > 299))
		return FETCH_STATUS;
	switch (code) {
	case CURLE_OK:
		return transfer->fetch->bytes > 0 ? FETCH_DONE : FETCH_EMPTY;
	case CURLE_OPERATION_TIMEDOUT:
		return FETCH_TIMEOUT;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_LOGIN_DENIED:
		return FETCH_REFUSED;
	default:
		return transfer->refused ? FETCH_REFUSED : FETCH_UNREACHABLE;
	}
}

/* Runs until the end, looking up often enough to stop. */
static enum fetch_result run(struct transfer *transfer, CURLM *multi)
{
	int64_t deadline = fnr_mono_ms() + transfer->fetch->timeout_ms + TURN_MS;
	CURLMsg *message;
	int running = 1, left;

	while (running > 0) {
		if (curl_multi_perform(multi, &running) != CURLM_OK)
			return FETCH_UNREACHABLE;
		if (transfer->fetch->stop && transfer->fetch->stop(transfer->fetch->context))
			return FETCH_STOPPED;
		if (fnr_mono_ms() > deadline)
			return FETCH_TIMEOUT;
		if (running > 0)
			curl_multi_poll(multi, NULL, 0, TURN_MS, NULL);
	}
	message = curl_multi_info_read(multi, &left);
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &transfer->fetch->status);
	return message ? result_of(transfer, message->data.result) : FETCH_UNREACHABLE;
}

static enum fetch_result run_transfer(struct transfer *transfer)
{
	enum fetch_result result = FETCH_UNREACHABLE;
	CURLM *multi = curl_multi_init();
	char *type = NULL;

	transfer->curl = curl_easy_init();
	if (multi && transfer->curl) {
		set_options(transfer);
		curl_multi_add_handle(multi, transfer->curl);
		result = run(transfer, multi);
		if (curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type)
			fnr_text_copy(transfer->fetch->media_type, sizeof transfer->fetch->media_type, type);
		curl_multi_remove_handle(multi, transfer->curl);
	}
	curl_easy_cleanup(transfer->curl);
	curl_multi_cleanup(multi);
	return result;
}

enum fetch_result fetch_url(struct fetch *fetch)
{
	static bool ready;
	struct transfer transfer = { .fetch = fetch };
	enum fetch_result result;

	fetch->bytes = 0;
	fetch->status = 0;
	fetch->media_type[0] = fetch->detail[0] = 0;
	if (!ready)
		ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	transfer.fd = path_open(fetch->dir, fetch->name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (transfer.fd < 0) {
		snprintf(fetch->detail, sizeof fetch->detail, "cannot make the file %s: %s", fetch->name, strerror(errno));
		return FETCH_DISK;
	}
	result = run_transfer(&transfer);
	if (result != FETCH_DONE) {
		unlinkat(fetch->dir, fetch->name, 0);
		fnr_text_copy(fetch->detail, sizeof fetch->detail, transfer.text);
	}
	close(transfer.fd);
	return result;
}
