/* load: keeps N keep-alive connections to 127.0.0.1 busy with one request, for benchmarks.
 *
 *   load --port N --path /api/v1/jobs [--connections 64] [--seconds 5] [--method POST] [--body TEXT|@FILE]
 *        [--header "Name: value"]... [--unique] [--rate N]
 *
 * --rate: so many requests a second, evenly spread, whatever becomes of those before; the time of one counts from when it was
 * due, also if all connections were busy then. --unique adds an Idempotency-Key of its own to each request. Prints one line:
 *
 *   12345 requests/s  p50 1.20 ms  p99 3.40 ms  errors 0  202: 61725
 *
 * and exits with 1 if a connection broke or an answer was not 2xx. One thread, one epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"

#define HEADERS_MOST 16
#define BUCKETS 40000              /* of 10 µs: up to 0.4 s, then the last one */
#define STATUSES 600
#define BODY_MOST (64u << 20)

struct options {
	int port, connections, seconds, rate;
	const char *path, *method, *headers[HEADERS_MOST];
	size_t header_count;
	struct fnr_buf body;
	bool unique;
};

enum reading { READING_HEAD, READING_LENGTH, READING_CHUNKS };

struct connection {
	int fd;
	int64_t began;
	struct fnr_buf out, in;
	size_t sent;
	enum reading reading;
	size_t left;               /* of the body, or of the chunk with its line end */
	int status;
	bool closes;
	struct connection *idle;   /* the next one that is */
};

struct load {
	struct options options;
	int epoll, timer;
	int64_t end, due;          /* due: the next request, with a rate */
	struct connection *idle;
	uint64_t serial, bucket[BUCKETS], status[STATUSES], done, broken;
	size_t open;
};

/* ---- sending ---- */

static void compose(struct load *load, struct fnr_buf *out)
{
	const struct options *options = &load->options;

	fnr_buf_reset(out);
	fnr_buf_printf(out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", options->method, options->path, options->port);
	for (size_t i = 0; i < options->header_count; i++)
		fnr_buf_printf(out, "%s\r\n", options->headers[i]);
	if (options->unique)
		fnr_buf_printf(out, "Idempotency-Key: load-%d-%llu\r\n", (int)getpid(), (unsigned long long)load->serial++);
	if (options->body.len || strcmp(options->method, "POST") == 0)
		fnr_buf_printf(out, "Content-Length: %zu\r\n", options->body.len);
	fnr_buf_puts(out, "\r\n");
	fnr_buf_add(out, options->body.data, options->body.len);
}

static void watch(struct load *load, struct connection *c, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	FNR_MUST(epoll_ctl(load->epoll, operation, c->fd, &event) == 0);
}

static bool send_more(struct load *load, struct connection *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

		if (n > 0)
			c->sent += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return false;
	}
	if (c->sent == c->out.len && c->out.len)
		watch(load, c, EPOLL_CTL_MOD, EPOLLIN);
	return true;
}

static void begin_request(struct load *load, struct connection *c)
{
	bool fits;

	compose(load, &c->out);
	c->sent = 0;
	c->reading = READING_HEAD;
	c->began = fnr_mono_ns();
	if (load->options.rate) {
		c->began = load->due;
		load->due += 1000000000 / load->options.rate;
	}
	fits = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)c->out.len;
	if (fits)
		c->sent = c->out.len;
	else
		watch(load, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void set_timer(struct load *load)
{
	int64_t at = load->due < load->end ? load->due : load->end;
	struct itimerspec when = { .it_value = { .tv_sec = at / 1000000000, .tv_nsec = at % 1000000000 } };

	timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* It is free: for what is due, or to wait until something is. */
static void take_turn(struct load *load, struct connection *c)
{
	if (!load->options.rate || load->due <= fnr_mono_ns()) {
		begin_request(load, c);
		return;
	}
	c->idle = load->idle;
	load->idle = c;
	set_timer(load);
}

static void open_connection(struct load *load, struct connection *c)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)load->options.port),
	                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
		fnr_die("127.0.0.1:%d: %s", load->options.port, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fnr_fd_nonblock(c->fd);
	fnr_buf_reset(&c->in);
	watch(load, c, EPOLL_CTL_ADD, EPOLLIN);
	take_turn(load, c);
}

/* ---- reading ---- */

static const char *find_header(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return line + 3 + len + strspn(line + 3 + len, " ");
	return NULL;
}

static bool read_head(struct connection *c)
{
	char *end = c->in.len ? strstr(c->in.data, "\r\n\r\n") : NULL;
	const char *length, *coding, *close_;

	if (!end)
		return false;
	c->status = c->in.len > 12 ? atoi(c->in.data + 9) : 0;
	length = find_header(c->in.data, "Content-Length");
	coding = find_header(c->in.data, "Transfer-Encoding");
	close_ = find_header(c->in.data, "Connection");
	c->closes = close_ && strncasecmp(close_, "close", 5) == 0;
	c->left = length ? strtoul(length, NULL, 10) : 0;
	c->reading = coding ? READING_CHUNKS : READING_LENGTH;
	fnr_buf_drop(&c->in, (size_t)(end + 4 - c->in.data));
	return true;
}

/* True when the last chunk is there. */
static bool read_chunks(struct connection *c)
{
	char *line;

	while (c->in.len && (line = strstr(c->in.data, "\r\n"))) {
		size_t size = strtoul(c->in.data, NULL, 16), whole = (size_t)(line - c->in.data) + 2 + size + 2;

		if (c->in.len < whole)
			return false;
		fnr_buf_drop(&c->in, whole);
		if (size == 0)
			return true;
	}
	return false;
}

static bool answer_complete(struct connection *c)
{
	if (c->reading == READING_HEAD && !read_head(c))
		return false;
	if (c->reading == READING_CHUNKS)
		return read_chunks(c);
	if (c->in.len < c->left)
		return false;
	fnr_buf_drop(&c->in, c->left);
	return true;
}

static void count(struct load *load, const struct connection *c)
{
	uint64_t bucket = (uint64_t)(fnr_mono_ns() - c->began) / 10000;

	load->bucket[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	load->status[c->status > 0 && c->status < STATUSES ? c->status : 0]++;
	load->done++;
}

static void close_connection(struct load *load, struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	load->open--;
}

static bool receive(struct connection *c)
{
	ssize_t n = recv(c->fd, fnr_buf_room(&c->in, 16384), 16384, 0);

	if (n > 0) {
		c->in.len += (size_t)n;
		c->in.data[c->in.len] = 0;
	}
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void next(struct load *load, struct connection *c)
{
	count(load, c);
	if (fnr_mono_ns() >= load->end) {
		close_connection(load, c);
	} else if (c->closes) {
		close(c->fd);
		open_connection(load, c);
	} else {
		take_turn(load, c);
	}
}

static void on_timer(struct load *load)
{
	bool over = fnr_mono_ns() >= load->end;
	uint64_t times;

	if (read(load->timer, &times, sizeof times) < 0 && errno != EAGAIN)
		fnr_die("timer: %s", strerror(errno));
	while (load->idle && (over || load->due <= fnr_mono_ns())) {
		struct connection *c = load->idle;

		load->idle = c->idle;
		if (over)
			close_connection(load, c);
		else
			begin_request(load, c);
	}
	if (load->idle)
		set_timer(load);
}

static void on_event(struct load *load, struct connection *c, uint32_t events)
{
	if (((events & EPOLLOUT) && !send_more(load, c)) || ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !receive(c))) {
		load->broken++;
		close_connection(load, c);
	} else if (answer_complete(c)) {
		next(load, c);
	}
}

static void run(struct load *load)
{
	struct connection *connections = fnr_alloc((size_t)load->options.connections * sizeof *connections);
	struct epoll_event events[256];

	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	FNR_MUST(load->timer >= 0 && epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = load }) == 0);
	load->due = fnr_mono_ns();
	load->end = fnr_mono_ns() + (int64_t)load->options.seconds * 1000000000;
	for (int i = 0; i < load->options.connections; i++, load->open++)
		open_connection(load, &connections[i]);
	while (load->open) {
		int n = epoll_wait(load->epoll, events, 256, 10000);

		if (n == 0)
			fnr_die("nothing was answered for 10 s (%zu connections wait)", load->open);
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr == load)
				on_timer(load);
			else
				on_event(load, events[i].data.ptr, events[i].events);
	}
	for (int i = 0; i < load->options.connections; i++) {
		fnr_buf_free(&connections[i].in);
		fnr_buf_free(&connections[i].out);
	}
	free(connections);
}

/* ---- report, options ---- */

static double percentile(const struct load *load, double share)
{
	uint64_t wanted = (uint64_t)((double)load->done * share), seen = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		if ((seen += load->bucket[i]) > wanted)
			return ((double)i + 0.5) / 100;
	return 0;
}

static bool report(const struct load *load, double seconds)
{
	bool good = load->broken == 0;

	printf("%.0f requests/s  p50 %.2f ms  p99 %.2f ms  errors %llu", (double)load->done / seconds, percentile(load, 0.5),
	       percentile(load, 0.99), (unsigned long long)load->broken);
	for (int i = 0; i < STATUSES; i++)
		if (load->status[i]) {
			printf("  %d: %llu", i, (unsigned long long)load->status[i]);
			good = good && i >= 200 && i < 300;
		}
	printf("\n");
	return good;
}

static void read_body(struct options *options, const char *text)
{
	struct fnr_error err = FNR_ERROR_INIT;

	if (text[0] != '@')
		fnr_buf_puts(&options->body, text);
	else if (fnr_file_read(text + 1, BODY_MOST, &options->body, &err) != FNR_OK)
		fnr_die("%s", err.message);
}

static void read_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = { { "port", 1, NULL, 'p' }, { "path", 1, NULL, 'a' }, { "connections", 1, NULL, 'c' },
		{ "seconds", 1, NULL, 's' }, { "method", 1, NULL, 'm' }, { "body", 1, NULL, 'b' }, { "header", 1, NULL, 'H' },
		{ "unique", 0, NULL, 'u' }, { "rate", 1, NULL, 'r' }, { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'p': options->port = atoi(optarg); break;
		case 'a': options->path = optarg; break;
		case 'c': options->connections = atoi(optarg); break;
		case 's': options->seconds = atoi(optarg); break;
		case 'm': options->method = optarg; break;
		case 'b': read_body(options, optarg); break;
		case 'u': options->unique = true; break;
		case 'r': options->rate = atoi(optarg); break;
		case 'H':
			if (options->header_count < HEADERS_MOST)
				options->headers[options->header_count++] = optarg;
			break;
		default: exit(2);
		}
	}
	if (options->port < 1 || options->port > 65535 || options->connections < 1 || options->seconds < 1 || options->rate < 0 || optind != argc)
		fnr_die("usage: load --port N --path PATH [--connections N] [--seconds N] [--method M] [--body TEXT|@FILE] "
		        "[--header 'Name: value']... [--unique] [--rate N]");
	if (!options->method)
		options->method = options->body.len ? "POST" : "GET";
}

int main(int argc, char **argv)
{
	struct load *load = fnr_alloc(sizeof *load);
	int64_t began;
	bool good;

	load->options = (struct options){ .path = "/healthz", .connections = 64, .seconds = 5 };
	read_options(&load->options, argc, argv);
	began = fnr_mono_ns();
	run(load);
	good = report(load, (double)(fnr_mono_ns() - began) / 1e9);
	fnr_buf_free(&load->options.body);
	free(load);
	return good ? 0 : 1;
}
