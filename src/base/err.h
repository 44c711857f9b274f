/* Errors: one enumeration for the whole program, one table of what each means.
 *
 * A function that can fail in an expected way returns FNR_OK (0) or a negative enum fnr_code, and fills the caller's
 * struct fnr_error, composing the message where it fails: what is wrong, where, and how to mend it. A NULL error is
 * always allowed. A broken invariant aborts (FNR_BUG); a bad environment at start-up ends the program (fnr_die).
 */
#ifndef FNR_BASE_ERR_H
#define FNR_BASE_ERR_H

#include <json-c/json.h>
#include <stddef.h>

/* X(name, number, HTTP status, "problem type", "title") */
#define FNR_CODES(X) \
	X(MALFORMED, -1, 400, "malformed", "The request cannot be read") \
	X(UNAUTHORIZED, -2, 401, "unauthorized", "A valid API key is needed") \
	X(FORBIDDEN, -3, 403, "forbidden", "This key may not do that") \
	X(NOT_FOUND, -4, 404, "not_found", "There is no such thing") \
	X(METHOD, -5, 405, "method_not_allowed", "This path does not take that method") \
	X(NOT_ACCEPTABLE, -6, 406, "not_acceptable", "The answer is not available in that form") \
	X(CONFLICT, -7, 409, "conflict", "The state does not allow this") \
	X(PRECONDITION, -8, 412, "precondition_failed", "It was changed in the meantime") \
	X(TOO_LARGE, -9, 413, "too_large", "The request is too large") \
	X(MEDIA_TYPE, -10, 415, "unsupported_media_type", "The media type is not accepted here") \
	X(INVALID, -11, 422, "invalid", "Some values are not valid") \
	X(KEY_REUSED, -12, 422, "idempotency_key_reused", "The Idempotency-Key was used for another request") \
	X(PRECONDITION_REQUIRED, -13, 428, "precondition_required", "If-Match is required") \
	X(LIMIT, -14, 429, "too_many", "A limit is reached") \
	X(UNAVAILABLE, -15, 503, "unavailable", "This is not available at the moment") \
	X(FULL, -16, 503, "storage_full", "There is no room for new work") \
	X(IO, -17, 500, "io", "The disk or the system refused an operation") \
	X(CORRUPT, -18, 500, "corrupt", "A stored record cannot be read") \
	X(EXISTS, -19, 409, "exists", "It exists already") \
	X(TIMEOUT, -20, 503, "timeout", "It took too long") \
	X(INTERNAL, -21, 500, "internal", "Function Runner made a mistake")

enum fnr_code {
	FNR_OK = 0,
#define X(name, number, status, type, title) FNR_E_##name = number,
	FNR_CODES(X)
#undef X
};

struct fnr_error {
	int code;                    /* an enum fnr_code; FNR_OK while nothing failed */
	char message[512];           /* what, where, how to mend it; UTF-8, no control characters */
	char suggestion[256];        /* for people; may be empty */
	char action[32];             /* for programs, e.g. "reduce_quality"; may be empty */
	int retry_after_s;           /* > 0: sent as Retry-After */
	struct json_object *errors;  /* array of {pointer, rule, message, fix}, owned; or NULL */
};

#define FNR_ERROR_INIT { .code = FNR_OK }

/* Sets code and message (printf style; foreign text is filtered and cut at the buffer, at a character boundary) and
 * returns code, so that a failing function can end with `return fnr_fail(err, FNR_E_INVALID, "…")`. Overwrites. */
int fnr_fail(struct fnr_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for errno: appends ": " and its text. `saved` is the errno value. ENOSPC and EDQUOT become FNR_E_FULL, what passes by
 * itself (EMFILE, ENFILE, ENOMEM, EAGAIN) FNR_E_UNAVAILABLE, everything else FNR_E_IO. */
int fnr_fail_errno(struct fnr_error *err, int saved, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds one entry to err->errors and sets code FNR_E_INVALID if none is set. Texts are copied. fix may be NULL. */
void fnr_error_add(struct fnr_error *err, const char *pointer, const char *rule, const char *fix,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Moves all that is in `from` to the end of `to` (which may be NULL) and empties it; returns from's code. */
int fnr_error_move(struct fnr_error *to, struct fnr_error *from);

/* Frees what err owns and makes it empty again. */
void fnr_error_clear(struct fnr_error *err);

int fnr_code_status(int code);          /* HTTP status; 500 for an unknown code */
const char *fnr_code_type(int code);    /* "not_found"; last part of the problem type */
const char *fnr_code_title(int code);

/* Ends the program at start-up with one clear line on standard error and exit status 1. */
void fnr_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A broken invariant: logs where, and aborts. */
void fnr_bug(const char *file, int line, const char *what) __attribute__((noreturn));
#define FNR_BUG(what) fnr_bug(__FILE__, __LINE__, (what))
#define FNR_MUST(condition) ((condition) ? (void)0 : fnr_bug(__FILE__, __LINE__, #condition))

#endif
