#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/queues.h"

static char path[64];
static struct fnr_error err;
static struct fnr_conf conf;

static void set_up(void)
{
	int fd;

	strcpy(path, "/tmp/fnr-conf-XXXXXX");
	fd = mkstemp(path);
	cr_assert(fd >= 0);
	close(fd);
}

static void tear_down(void)
{
	unlink(path);
	fnr_error_clear(&err);
}

TestSuite(conf, .init = set_up, .fini = tear_down);

static int load(const char *text)
{
	cr_assert_eq(fnr_file_write(path, text, strlen(text), 0600, NULL), FNR_OK);
	fnr_error_clear(&err);
	return fnr_conf_load(&conf, path, &err);
}

/* Loading fails with this many problems, the first of which is for key and has this text. */
static void fails(const char *text, size_t problems, const char *key, const char *message)
{
	struct json_object *first;

	memset(&conf, 0x55, sizeof conf);
	cr_expect_eq(load(text), FNR_E_INVALID, "%s", text);
	cr_expect_eq(json_object_array_length(err.errors), problems, "%s: %s", text, fnr_json_text(err.errors, NULL));
	first = json_object_array_get_idx(err.errors, 0);
	cr_expect_str_eq(fnr_json_get_text(first, "pointer", ""), key);
	cr_expect(strstr(fnr_json_get_text(first, "message", ""), message), "%s: %s", text, fnr_json_text(first, NULL));
	cr_expect_eq(((unsigned char *)&conf)[0], 0x55, "a bad configuration was taken");
}

Test(conf, defaults_without_a_file)
{
	cr_assert_eq(fnr_conf_load(&conf, "/nonexistent/config.yaml", &err), FNR_OK);
	cr_assert_eq(conf.api_handlers, 64);
	cr_assert_eq(conf.api_keys, true);
	cr_assert_eq(conf.store_max_bytes, INT64_C(34359738368));
	cr_assert_str_eq(conf.log_level, "info");
}

Test(conf, empty_files_are_fine)
{
	cr_assert_eq(load(""), FNR_OK);
	cr_assert_eq(load("# nothing\n\n  # more\n"), FNR_OK);
	cr_assert_eq(load("workers:\n  # max: 3\n"), FNR_OK);
	cr_assert_eq(conf.workers_max, 4);
}

Test(conf, nested_and_dotted)
{
	cr_assert_eq(load("workers:\n  max: 8\nworkers.min: 2\napi: {keys: false, hosts: \"a b\"}\n"), FNR_OK);
	cr_assert_eq(conf.workers_max, 8);
	cr_assert_eq(conf.workers_min, 2);
	cr_assert_eq(conf.api_keys, false);
	cr_assert_str_eq(conf.api_hosts, "a b");
}

Test(conf, environment_comes_first)
{
	setenv("FNR_WORKERS_MAX", "9", 1);
	setenv("FNR_API_UPLOAD_HANDLERS", "3", 1);
	setenv("FNR_API_KEYS", "false", 1);
	setenv("FNR_LOG_LEVEL", "debug", 1);
	cr_assert_eq(load("workers.max: 8\n"), FNR_OK);
	cr_assert_eq(conf.workers_max, 9);
	cr_assert_eq(conf.api_upload_handlers, 3);
	cr_assert_eq(conf.api_keys, false);
	cr_assert_str_eq(conf.log_level, "debug");
}

Test(conf, bad_environment)
{
	setenv("FNR_WORKERS_MAX", "many", 1);
	fails("", 1, "workers.max", "FNR_WORKERS_MAX: this must be a whole number");
	setenv("FNR_WORKERS_MAX", "99999999999999999999", 1);
	fails("", 1, "workers.max", "whole number");
	setenv("FNR_WORKERS_MAX", "", 1);
	fails("", 1, "workers.max", "whole number");
	setenv("FNR_WORKERS_MAX", " 4", 1);
	fails("", 1, "workers.max", "whole number");
	setenv("FNR_WORKERS_MAX", "4", 1);
	setenv("FNR_API_KEYS", "maybe", 1);
	fails("", 1, "api.keys", "true or false");
	setenv("FNR_API_KEYS", "1", 1);
	setenv("FNR_API_HOSTS", "a\nb", 1);
	fails("", 1, "api.hosts", "control characters");
}

Test(conf, problems_are_reported)
{
	char *text;

	fails("workers.max: 0", 1, "workers.max", "0 is not within 1 to 1024 processes");
	fails("workers.max: 1025", 1, "workers.max", "not within");
	fails("workers.max: four", 1, "workers.max", "whole number");
	fails("workers.max: 4.0", 1, "workers.max", "whole number");
	fails("workers.max:", 1, "workers.max", "whole number");
	fails("workers.max: [4]", 1, "workers.max", "whole number");
	fails("api.keys: yes", 1, "api.keys", "true or false");
	fails("api.keys: 1", 1, "api.keys", "true or false");
	fails("api.hosts: 1", 1, "api.hosts", "a text");
	fails("workers: 4", 1, "workers", "there is no key workers");
	fails("workers: {maxx: 4}", 1, "workers.maxx", "Did you mean workers.max?");
	fails("wrokers.max: 4", 1, "wrokers.max", "Did you mean workers.max?");
	fails("nonsense: 4", 1, "nonsense", "there is no key nonsense");
	fails("empty:", 1, "empty", "there is no key");
	fails("workers: {max: 4}\nworkers.max: 5", 1, "workers.max", "twice");
	fails("log.level: loud", 1, "log.level", "\"loud\" is no level");
	fails("workers: {min: 5, max: 4}", 1, "workers.min", "more than workers.max");
	fails("queue.names: cpu", 1, "queue.names", "\"cpu\" cannot");
	fails("queue.names: one two one", 1, "queue.names", "\"one\" cannot");
	fails("queue.names: good ../bad", 1, "queue.names", "\"../bad\" cannot");
	fails("queue.names: a b c d e f g h i j k l", 1, "queue.names", "\"l\" cannot");
	fails("workers: [1]", 1, "workers", "no key");
	fails("[1]", 1, "", "keys and values");
	fails("a: [", 1, "", path);
	text = fnr_asprintf("api.hosts: \"%0256d\"", 1);
	fails(text, 1, "api.hosts", "longer than 255");
	free(text);
}

Test(conf, all_problems_at_once)
{
	fails("workers.max: 0\nnonsense: 1\napi.keys: 3\nlog: {level: loud}\n", 4, "workers.max", "not within");
	cr_assert(strstr(err.message, "4 problems"));
	cr_assert_eq(err.code, FNR_E_INVALID);
	cr_assert_eq(fnr_conf_load(&conf, path, NULL), FNR_E_INVALID);
}

Test(conf, queues_are_those_of_the_last_good_one)
{
	cr_assert_eq(load("queue.names: \" big  small \""), FNR_OK);
	cr_assert_eq(fnr_queue_count(), 6);
	cr_assert_str_eq(fnr_queue_list(), "cpu, gpu, io, priority, big, small");
	cr_assert_str_eq(fnr_queue_find("small"), fnr_queue_name(5));
	cr_assert_null(fnr_queue_find("smal"));
	cr_assert_eq(load("queue.names: cpu"), FNR_E_INVALID);
	cr_assert_eq(fnr_queue_count(), 6);
	cr_assert_eq(load(""), FNR_OK);
	cr_assert_eq(fnr_queue_count(), 4);
	cr_assert_null(fnr_queue_find("small"));
}

Test(conf, the_sample_is_the_defaults)
{
	struct fnr_conf defaults;
	char *sample = fnr_conf_sample();

	memset(&defaults, 0, sizeof defaults);
	memset(&conf, 0, sizeof conf);
	cr_assert_eq(fnr_conf_load(&defaults, "/nonexistent/config.yaml", NULL), FNR_OK);
	cr_assert_eq(load(sample), FNR_OK, "%s", err.message);
#define SAME_INT(member) cr_expect_eq(conf.member, defaults.member);
#define SAME_BOOL(member) cr_expect_eq(conf.member, defaults.member);
#define SAME_TEXT(member) cr_expect_str_eq(conf.member, defaults.member);
#define X(member, type, key, def, least, most, unit, help) SAME_##type(member) cr_expect(strstr(sample, help));
	FNR_CONF_KEYS(X)
#undef X
	free(sample);
}
