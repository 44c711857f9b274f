#include "backends/names.h"

#include <stddef.h>
#include <string.h>

const char *const backend_servers[] = { "comfyui", "gradio", NULL };

bool backend_of_servers(const char *name)
{
	for (const char *const *known = backend_servers; *known != NULL; known++)
		if (strcmp(*known, name) == 0)
			return true;
	return false;
}
