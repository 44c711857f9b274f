/* fnr-api: the HTTP API behind nginx, over FastCGI.
 *
 * What it needs of the web server in front is in nginx/nginx.conf.in: the parameters of RFC 3875 with all request headers,
 * REQUEST_ID, and
 *
 *   FNR_PATH        set always: empty for what clients ask, the internal location's path for nginx's own redirects and
 *                   subrequests ("/internal/…"). Whoever can set it can reach the internal routes.
 *   FNR_BODY_FILE   uploads only (run/upload.sock): the file that nginx wrote the body to, on the file system of uploads/
 *
 * Answers may carry X-Accel-Redirect to /internal/files/…, /internal/wait/…; refusals of internal routes carry the whole
 * problem in X-Problem, one line, as auth_request cannot pass on a body.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/master.h"
#include "api/route.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/proc.h"

static void list_routes(void)
{
	struct fnr_buf text = FNR_BUF_INIT;

	route_list(routes, &text);
	fputs(text.data, stdout);
	fnr_buf_free(&text);
}

static void usage(FILE *out)
{
	fputs("usage: fnr-api --data DIR | --routes\n"
	      "Serves the HTTP API on DIR/run/api.sock (FastCGI) for the web server in front of it.\n"
	      "  --data DIR   the data directory; its config.yaml is read again on SIGHUP\n"
	      "  --routes     prints every route as METHOD PATTERN\n"
	      "FNR_SHARE may name another folder for templates, presets and the API's description than " FNR_PKGDATADIR ".\n", out);
}

static const char *read_arguments(int argc, char **argv)
{
	static const struct option options[] = { { "data", required_argument, NULL, 'd' }, { "routes", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	const char *data = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "d:h", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			data = optarg;
			break;
		case 'r':
			list_routes();
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (!data || optind != argc) {
		usage(stderr);
		exit(2);
	}
	return data;
}

int main(int argc, char **argv)
{
	struct fnr_error err = FNR_ERROR_INIT;
	struct fnr_conf conf;
	const char *data;

	fnr_proc_title_init(argc, argv);
	fnr_log_init("api", FNR_LOG_INFO);
	fnr_notify_init();
	data = read_arguments(argc, argv);
	umask(077);
	if (chdir(data) < 0)
		fnr_die("the data directory '%s' cannot be entered: %s", data, strerror(errno));
	if (fnr_conf_load(&conf, "config.yaml", &err) != FNR_OK)
		fnr_die("config.yaml: %s", err.message);
	return master_run(&conf, routes);
}
