/* All kinds of backends, for the table in kinds.c. A new kind is a file of its own and one line here and there. */
#ifndef FNR_BACKENDS_KINDS_H
#define FNR_BACKENDS_KINDS_H

#include "backends/backend.h"
#include "base/conf.h"

/* The configuration as it is now (config.yaml in the working directory, environment); with mistakes in it, the defaults. */
void backend_conf(struct fnr_conf *conf);

extern const struct backend_kind backend_comfyui;  /* comfyui.c */
extern const struct backend_kind backend_gradio;   /* gradio.c */
extern const struct backend_kind backend_noop;     /* noop.c */
extern const struct backend_kind backend_script;   /* script.c */

#endif
