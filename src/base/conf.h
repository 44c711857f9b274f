/* Configuration: one table of keys with type, default, bounds, unit and help. The parser, `fnr config` and the manual
 * come from it. Values are read from DATA/config.yaml (nested or dotted keys) and, above that, from FNR_* environment
 * variables (FNR_WORKERS_MAX for workers.max). A bad configuration is reported whole and never replaces a good one.
 */
#ifndef FNR_BASE_CONF_H
#define FNR_BASE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* X(member, type, "key", default, least, most, "unit", "help"); type is INT, BOOL or TEXT */
#define FNR_CONF_KEYS(X) \
	X(api_handlers, INT, "api.handlers", 64, 1, 256, "processes", "FastCGI handlers of fnr-api") \
	X(api_upload_handlers, INT, "api.upload_handlers", 2, 1, 64, "processes", "FastCGI handlers that file uploads") \
	X(api_keys, BOOL, "api.keys", 1, 0, 1, "", "require API keys; off is for development on loopback only") \
	X(api_per_minute, INT, "api.per_minute", 0, 0, 1000000, "requests", "most requests of an API key in a minute where the key itself says nothing (0: no limit)") \
	X(api_max_failures, INT, "api.max_failures", 300, 0, 1000000, "requests", "so many with a wrong key may come from one address in a minute; more are put off (0: no limit)") \
	X(api_hosts, TEXT, "api.hosts", "localhost 127.0.0.1 [::1]", 0, 0, "", "host names that requests may carry, separated by spaces") \
	X(api_max_body, INT, "api.max_body", 12582912, 65536, 67108864, "bytes", "largest JSON body") \
	X(job_max_inputs, INT, "job.max_inputs", 10485760, 1024, 67108864, "bytes", "largest inputs of one job, as JSON") \
	X(job_max_attempts, INT, "job.max_attempts", 4, 1, 100, "attempts", "attempts of a job whose template says nothing") \
	X(job_max_lost, INT, "job.max_lost", 20, 1, 1000, "attempts", "attempts that may be lost to our own crashes") \
	X(job_timeout, INT, "job.timeout", 3600, 1, 2592000, "seconds", "longest attempt where neither job nor template says") \
	X(job_keep, INT, "job.keep", 2592000, 1, 315360000, "seconds", "a finished job is kept this long; its takes stay") \
	X(job_max_bytes, INT, "job.max_bytes", 17179869184, 1048576, 1099511627776, "bytes", "while the store is larger, the oldest finished jobs go sooner") \
	X(job_max_waiting, INT, "job.max_waiting", 1000000, 0, 1000000000, "jobs", "so many may wait; more are refused until some have run (0: no limit)") \
	X(job_max_waiting_project, INT, "job.max_waiting_project", 0, 0, 1000000000, "jobs", "the same for each project; PUT /projects/{project} decides for one (0: no limit)") \
	X(job_max_waiting_key, INT, "job.max_waiting_key", 0, 0, 1000000000, "jobs", "the same for each API key (0: no limit)") \
	X(dead_max, INT, "dead.max", 10000, 0, 10000000, "jobs", "most dead letters; the oldest are dropped, their jobs stay") \
	X(batch_max_jobs, INT, "batch.max_jobs", 10000, 1, 100000, "jobs", "largest batch") \
	X(upload_max, INT, "upload.max", 2147483648, 1024, 1099511627776, "bytes", "largest upload") \
	X(upload_keep, INT, "upload.keep", 86400, 60, 31536000, "seconds", "how long an unused upload is kept") \
	X(fetch_timeout, INT, "fetch.timeout", 300, 1, 86400, "seconds", "an input that is an address must have come by then") \
	X(fetch_private, BOOL, "fetch.private", 0, 0, 1, "", "inputs may be fetched from private networks and this machine") \
	X(workers_min, INT, "workers.min", 1, 0, 1024, "processes", "workers kept ready") \
	X(workers_max, INT, "workers.max", 4, 1, 1024, "processes", "most workers") \
	X(workers_idle, INT, "workers.idle", 300, 1, 86400, "seconds", "an idle worker above the least number ends after") \
	X(backends_probe, INT, "backends.probe", 30, 1, 86400, "seconds", "a server that jobs run on is asked how it is this often") \
	X(backends_patience, INT, "backends.patience", 20, 0, 3600, "seconds", "others go first for so long at most while a job waits for a server that has its models loaded") \
	X(gpu_library, TEXT, "gpu.library", "libnvidia-ml.so.1", 0, 0, "", "library that tells of NVIDIA's graphics cards, asked where it is there; empty: never") \
	X(stop_grace, INT, "stop.grace", 60, 0, 86400, "seconds", "running jobs may finish for so long when stopping") \
	X(script_memory, INT, "script.memory", 4294967296, 16777216, 1099511627776, "bytes", "memory of a script where its template says nothing") \
	X(script_file, INT, "script.file", 10737418240, 1024, 10995116277760, "bytes", "largest file that a script may write") \
	X(script_output, INT, "script.output", 67108864, 1024, 1073741824, "bytes", "most that a script may print on standard output") \
	X(cost_cpu, INT, "cost.cpu", 50, 0, 1000000000, "thousandths", "what an hour of a core costs, in a currency of yours; for estimates") \
	X(cost_gpu, INT, "cost.gpu", 1000, 0, 1000000000, "thousandths", "what an hour of a GPU costs") \
	X(cost_memory, INT, "cost.memory", 5, 0, 1000000000, "thousandths", "what an hour of a GiB of memory costs") \
	X(preview_interval, INT, "preview.interval", 500, 50, 600000, "milliseconds", "previews of a running job come at most this often") \
	X(preview_size, INT, "preview.size", 512, 64, 4096, "pixels", "larger previews are made smaller; for the longer side") \
	X(store_max_bytes, INT, "store.max_bytes", 34359738368, 16777216, 1099511627776, "bytes", "the store refuses new jobs above this") \
	X(journal_max_bytes, INT, "journal.max_bytes", 2147483648, 1048576, 1099511627776, "bytes", "events, progress and logs are cut to this") \
	X(journal_max_age, INT, "journal.max_age", 86400, 60, 31536000, "seconds", "events, progress and logs are kept this long") \
	X(disk_min_free, INT, "disk.min_free", 268435456, 0, 1099511627776, "bytes", "less free disk space refuses new jobs") \
	X(disk_start_free, INT, "disk.start_free", 67108864, 0, 1099511627776, "bytes", "with less free disk space no job is started; they wait until there is more") \
	X(idempotency_keep, INT, "idempotency.keep", 86400, 60, 31536000, "seconds", "an Idempotency-Key is kept at least this long") \
	X(queue_names, TEXT, "queue.names", "", 0, 0, "", "more queues beside cpu, gpu, io and priority, separated by spaces") \
	X(log_level, TEXT, "log.level", "info", 0, 0, "", "least level that is logged: debug, info, warn, error")

struct fnr_conf {
#define FNR_CONF_MEMBER_INT(member) int64_t member;
#define FNR_CONF_MEMBER_BOOL(member) bool member;
#define FNR_CONF_MEMBER_TEXT(member) char member[256];
#define X(member, type, key, def, least, most, unit, help) FNR_CONF_MEMBER_##type(member)
	FNR_CONF_KEYS(X)
#undef X
};

/* Reads path (absent is fine) and the environment into conf, beginning from the defaults. On any error conf is
 * untouched and err->errors lists every problem (pointer = key). Unknown keys are errors, with the nearest key named.
 * The queues of this process (base/queues.h) are those of the configuration from then on. */
int fnr_conf_load(struct fnr_conf *conf, const char *path, struct fnr_error *err);

/* The whole table as a commented YAML file with the defaults; the caller frees it. */
char *fnr_conf_sample(void);

#endif
