/* fnr template import-…: drafts of templates, made of what a backend already has. */
#ifndef FNR_CLI_IMPORT_H
#define FNR_CLI_IMPORT_H

/* What the options said. */
struct import_gradio { const char *api, *username, *ca_file; };
extern struct import_gradio import_gradio_options;

int import_comfyui(int count, char **operands);   /* FILE */
int import_gradio(int count, char **operands);    /* URL */

#endif
