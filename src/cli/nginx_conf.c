#include "config.h"

#include "cli/nginx_conf.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/data.h"

static bool parse_4(struct listen *listen, const char *host, int port)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&listen->address;

	if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
		return false;
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)port);
	listen->len = sizeof *address;
	listen->loopback = ntohl(address->sin_addr.s_addr) >> 24 == 127;
	snprintf(listen->text, sizeof listen->text, "%s:%d", host, port);
	snprintf(listen->near, sizeof listen->near, "%s:%d", address->sin_addr.s_addr ? host : "127.0.0.1", port);
	return true;
}

static bool parse_6(struct listen *listen, const char *host, int port)
{
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&listen->address;
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET6, host, &address->sin6_addr) != 1)
		return false;
	address->sin6_family = AF_INET6;
	address->sin6_port = htons((uint16_t)port);
	listen->len = sizeof *address;
	listen->loopback = IN6_IS_ADDR_LOOPBACK(&address->sin6_addr);
	inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
	snprintf(listen->text, sizeof listen->text, "[%s]:%d", text, port);
	snprintf(listen->near, sizeof listen->near, "[%s]:%d", IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr) ? "::1" : text, port);
	return true;
}

bool listen_parse(struct listen *listen, const char *host, int port)
{
	memset(listen, 0, sizeof *listen);
	if (!host || strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	return parse_4(listen, host, port) || parse_6(listen, host, port);
}

static void replace(struct fnr_buf *text, const char *mark, const char *value)
{
	struct fnr_buf out = FNR_BUF_INIT;
	const char *at = text->data, *found;

	while ((found = strstr(at, mark))) {
		fnr_buf_add(&out, at, (size_t)(found - at));
		fnr_buf_puts(&out, value);
		at = found + strlen(mark);
	}
	fnr_buf_puts(&out, at);
	fnr_buf_free(text);
	*text = out;
}

static void replace_number(struct fnr_buf *text, const char *mark, const char *format, long long value)
{
	char number[64];

	snprintf(number, sizeof number, format, value);
	replace(text, mark, number);
}

/* "localhost 127.0.0.1" -> "\"localhost\" 1; \"127.0.0.1\" 1;" */
static void host_entries(const char *hosts, struct fnr_buf *out)
{
	char *copy = fnr_strdup(hosts), *save = NULL;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strpbrk(word, "\"\\;{}$"))
			fnr_die("api.hosts has a name that cannot be one: %s", word);
		fnr_buf_printf(out, "\"%s\" 1; ", word);
	}
	free(copy);
}

void nginx_conf_write(const char *data, const struct listen *listen, bool master, const struct fnr_conf *conf)
{
	struct fnr_buf text = FNR_BUF_INIT, hosts = FNR_BUF_INIT;
	struct fnr_error err = FNR_ERROR_INIT;
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/nginx/nginx.conf.in", fnr_share_dir());
	if (fnr_file_read(path, 1 << 20, &text, &err) != FNR_OK)
		fnr_die("%s; is the installation complete?", err.message);
	host_entries(conf->api_hosts, &hosts);
	replace(&text, "@LISTEN@", listen->text);
	replace(&text, "@MASTER@", master ? "on" : "off");
	replace(&text, "@DATA@", data);
	snprintf(path, sizeof path, "%s/web", fnr_share_dir());
	replace(&text, "@WEB@", path);
	replace(&text, "@USER@", geteuid() == 0 ? "user root root;" : "");
	replace(&text, "@HOSTS@", hosts.data ? hosts.data : "");
	replace_number(&text, "@BODY_MAX@", "%lld", (long long)conf->api_max_body);
	replace_number(&text, "@UPLOAD_MAX@", "%lld", (long long)conf->upload_max);
	/* Each kept connection keeps a handler to itself, so there must be others. */
	if (conf->api_handlers > 1)
		replace_number(&text, "@KEEPALIVE@", "keepalive %lld;", (long long)conf->api_handlers / 2);
	replace(&text, "@KEEPALIVE@", "");
	replace(&text, "@ACCESS_LOG@", "off");
	if (fnr_file_write("run/nginx.conf", text.data, text.len, 0600, &err) != FNR_OK)
		fnr_die("%s", err.message);
	fnr_buf_free(&text);
	fnr_buf_free(&hosts);
}

/* ---- the command ---- */

static struct { const char *host; long port; } options = { .port = 8080 };

static int run_nginx_conf(int count, char **operands)
{
	char absolute[PATH_MAX];
	struct fnr_conf conf;
	struct listen listen;

	(void)count, (void)operands;
	if (!listen_parse(&listen, options.host, (int)options.port))
		return usage_error(&command_nginx_conf, "--host needs an address of this machine, like 127.0.0.1 or ::1, not '%s'", options.host);
	umask(077);
	data_enter(data_dir(shared.client.data), absolute);
	data_conf(absolute, "nginx-conf", &conf);
	nginx_conf_write(absolute, &listen, true, &conf);
	printf("%s/run/nginx.conf\n", absolute);
	return EXIT_DONE;
}

static const struct action actions[] = { { "", "", 0, 0, "write run/nginx.conf and print its path", run_nginx_conf }, ACTIONS_END };

static const struct option_row rows[] = {
	NUMBER("--port", 0, &options.port, 1, 65535, "N", "port (default 8080)"),
	TEXT("--host", 0, &options.host, "ADDRESS", "address (default 127.0.0.1)"),
	OPTIONS_END,
};

const struct command command_nginx_conf = { "nginx-conf", "Write nginx's configuration, where the programs are started one by one", 8, USES_DATA,
                                            actions, rows };
