/* /healthz and /readyz. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/serve.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/sock.h"
#include "handlers/common.h"
#include "handlers/handlers.h"

#define AGE_MOST_MS 5000
#define EVENTS_MS 2000       /* a busy machine is no reason to be taken out of service */

int health_live(struct request *req)
{
	struct json_object *object = json_object_new_object();

	fnr_json_set_text(object, "status", "ok");
	return reply_json(req, 200, object);
}

/* ---- checks: each returns NULL when all is well, or what is wrong ---- */

static const char *check_templates(struct request *req)
{
	struct server *server = serve_here();

	return server && slots_loaded(server->slots) && store_meta_get(req->txn, STORE_META_TEMPLATES) ? NULL : "templates are being loaded";
}

static const char *check_committer(struct request *req)
{
	struct server *server = serve_here();

	(void)req;
	return server && slots_committer_age_ms(server->slots) <= AGE_MOST_MS ? NULL : "the committer has not been seen for some time";
}

static bool manager_row(const char *id, const char *json, size_t len, void *context)
{
	struct json_object *entry = strcmp(id, "manager") == 0 ? fnr_json_parse(json, len, NULL) : NULL;

	if (entry && !fnr_time_parse(fnr_json_get_text(entry, "time", ""), context))
		*(int64_t *)context = 0;
	json_object_put(entry);
	return entry == NULL;
}

static const char *check_manager(struct request *req)
{
	struct journal_txn *journal = request_journal(req);
	int64_t seen = 0;

	if (!journal)
		return "fnr-manager has not begun yet";
	journal_live(journal, "manager", manager_row, &seen);
	return seen && fnr_now_ms() - seen <= AGE_MOST_MS ? NULL : "fnr-manager has not been seen for some time";
}

static bool wait_for(int fd, short events, int64_t end)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	int64_t left = end - fnr_mono_ms();

	return left > 0 && poll(&pollfd, 1, (int)left) == 1;
}

/* Any answer at all will do. */
static bool events_answer(int fd)
{
	static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = FNR_SOCK_EVENTS };
	int64_t end = fnr_mono_ms() + EVENTS_MS;
	char byte;

	if (connect(fd, (const struct sockaddr *)&name, sizeof name) < 0)
		return false;
	return send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) == (ssize_t)sizeof ask - 1 && wait_for(fd, POLLIN, end)
	       && recv(fd, &byte, 1, 0) == 1;
}

static const char *check_events(struct request *req)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool good = fd >= 0 && events_answer(fd);

	(void)req;
	fnr_fd_close(&fd);
	return good ? NULL : "fnr-events does not answer";
}

static const struct { const char *name; const char *(*check)(struct request *req); } checks[] = {
	{ "templates", check_templates },
	{ "committer", check_committer },
	{ "manager", check_manager },
	{ "events", check_events },
};

/* That we are here means that the store can be read. What exactly is wrong is told to those with a key only. */
int health_ready(struct request *req)
{
	struct json_object *object = json_object_new_object(), *results = json_object_new_object();
	bool ready = true;

	fnr_json_set_text(results, "store", "ok");
	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		const char *wrong = checks[i].check(req);

		ready = ready && !wrong;
		fnr_json_set_text(results, checks[i].name, wrong ? wrong : "ok");
	}
	fnr_json_set_text(object, "status", ready ? "ready" : "not_ready");
	if (req->access.scopes)
		fnr_json_set(object, "checks", results);
	else
		json_object_put(results);
	if (!ready)
		reply_header(req, "Retry-After", "1");
	return reply_json(req, ready ? 200 : 503, object);
}
