/* What libyaml objects to, in words for whoever wrote the text. Internal to reading YAML. */
#ifndef FNR_BASE_YAML_PROBLEM_H
#define FNR_BASE_YAML_PROBLEM_H

#include <yaml.h>

struct yaml_problem {
	yaml_mark_t mark;    /* where it is: at the begin of what is never closed */
	char what[192], fix[256];
};

/* Of the parser's last error, while it read this text. */
void yaml_problem_explain(const yaml_parser_t *parser, const char *text, size_t len, struct yaml_problem *out);

#endif
