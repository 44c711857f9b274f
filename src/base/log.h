/* The log: one line per event on standard error, "key=value" pairs (logfmt):
 *
 *   2026-11-23T12:00:00.123Z info manager job=0198… attempt=1 event=job.started worker=w3
 *
 * Foreign text is quoted, control characters are escaped, a line is cut at 4 KiB. Never log a secret. A line is
 * written with one write(2). Log at the level that decides, not at each level passed.
 */
#ifndef FNR_BASE_LOG_H
#define FNR_BASE_LOG_H

enum fnr_log_level { FNR_LOG_DEBUG, FNR_LOG_INFO, FNR_LOG_WARN, FNR_LOG_ERROR };

void fnr_log_init(const char *process, enum fnr_log_level least); /* process: "manager", "api", …; kept by pointer */
int fnr_log_level_parse(const char *text);                        /* "debug", "info", "warn", "error"; -1 otherwise */

/* id is a job or request id as "job=…" or "request=…", or NULL. The message is a short sentence. */
void fnr_log(enum fnr_log_level level, const char *id, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define fnr_debug(id, ...) fnr_log(FNR_LOG_DEBUG, id, __VA_ARGS__)
#define fnr_info(id, ...) fnr_log(FNR_LOG_INFO, id, __VA_ARGS__)
#define fnr_warn(id, ...) fnr_log(FNR_LOG_WARN, id, __VA_ARGS__)
#define fnr_err(id, ...) fnr_log(FNR_LOG_ERROR, id, __VA_ARGS__)

#endif
