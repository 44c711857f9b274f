#include "config.h"

#include "backends/kinds.h"

#include <string.h>

static const struct backend_kind *const kinds[] = { &backend_noop, &backend_script, &backend_comfyui, &backend_gradio, NULL };

const struct backend_kind *const *backend_kinds(void)
{
	return kinds;
}

const struct backend_kind *backend_find(const char *name)
{
	for (const struct backend_kind *const *kind = kinds; *kind != NULL; kind++)
		if (strcmp((*kind)->name, name) == 0)
			return *kind;
	return NULL;
}
