/* fnr template: its options, and the actions that have files of their own. */
#ifndef FNR_CLI_TEMPLATE_H
#define FNR_CLI_TEMPLATE_H

#include "base/buf.h"
#include "cli/cli.h"

struct template_options {
	const char *q, *category, *capability, *backend;     /* list */
	const char *sunset, *successor;                       /* deprecate */
	const char *name, *description, *file;                /* new */
	struct list inputs, outputs;
	bool watch, html, replace, undo, broken;
};
extern struct template_options template_options;

/* template_check.c */
int template_validate(int count, char **operands);
/* Would a file with this text be valid? Says why not. */
bool template_check_text(const char *file, const struct fnr_buf *text);
/* Whether a file ends like one of a template. */
bool template_is_file(const char *name);
bool template_is_yaml(const char *file);
/* What an operand names: a file, or "-", standard input, which is JSON if it begins like that. The text is for free, also on failure. */
struct template_given { const char *name; bool yaml; struct fnr_buf text; };
int template_read_given(const char *operand, struct template_given *given_r, struct fnr_error *err);

/* template_new.c */
int template_new(int count, char **operands);

/* template_diff.c */
int template_diff(int count, char **operands);

/* template.c: the version that a reference means, "1.2.0", to free; NULL after it was said why not. */
char *template_resolve(const char *reference, char **id_r, int *status_r);

#endif
