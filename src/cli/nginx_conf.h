/* Where the system listens, and nginx's configuration for it. */
#ifndef FNR_CLI_NGINX_CONF_H
#define FNR_CLI_NGINX_CONF_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/conf.h"

struct listen {
	struct sockaddr_storage address;
	socklen_t len;
	bool loopback;                   /* only this machine gets at it */
	char text[64], near[64];         /* "127.0.0.1:8080"; how this machine itself gets at it */
};

/* host: a numeric address, "localhost", or NULL: 127.0.0.1. False: it is none. */
bool listen_parse(struct listen *listen, const char *host, int port);

/* Writes run/nginx.conf from the template in the share folder, for nginx with a master process or as one process. Called in
 * the data directory; ends the program when it cannot be written. */
void nginx_conf_write(const char *data, const struct listen *listen, bool master, const struct fnr_conf *conf);

#endif
