/* Asking the server and showing what it says: what all commands that are its clients have in common. The client is made of
 * the shared options when it is first needed; with --json every value is printed as it came, one a line. */
#ifndef FNR_CLI_ASK_H
#define FNR_CLI_ASK_H

#include "cli/client.h"

struct client *ask_client(void);
void ask_close(void);                        /* also if there is none */

/* "/api/v1/" and the pattern, each {} in it replaced by one of the texts, escaped; the caller frees it. */
char *ask_path(const char *pattern, const char *const *texts);
#define ASK_PATH(pattern, ...) ask_path(pattern, (const char *const[]){ __VA_ARGS__ })

/* Adds "?name=value" or "&name=value", escaped; value NULL adds nothing. */
void ask_filter(struct fnr_buf *path, const char *name, const char *value);

/* Says why it did not work and frees the answer; the exit status. */
int ask_failed(struct answer *answer);

typedef void ask_shown(struct json_object *value);

/* Each frees path and returns an exit status. */
int ask_show(char *path, ask_shown *show);
int ask_do(const char *method, char *path, struct json_object *body, ask_shown *show);   /* body is put; show NULL: nothing is said */
/* Page by page; at most `limit` items (0: all; below 0: all of a list that has no pages), only those that keep (NULL: all)
 * wants. none: what is said when there are none. */
typedef bool ask_kept(struct json_object *value);
int ask_list(char *path, long limit, ask_kept *keep, ask_shown *row, const char *none);

/* How many items; 0 for what is no list. */
size_t ask_count(struct json_object *list);

/* "label      text", left out when the member is missing or null. */
void ask_line(struct json_object *value, const char *label, const char *member);

/* What is free of all there is, in bytes; left out where nothing is told. memory: the devices of a backend, and its own. */
void ask_room(struct json_object *found, const char *label, const char *total, const char *left);
void ask_memory(struct json_object *found);

/* Colours on a terminal that can show them, unless NO_COLOR is set: what switches one on, or "". */
bool ask_colored(void);
const char *ask_state_color(const char *state);
const char *ask_no_color(void);

#endif
