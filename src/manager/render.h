/* JSON written straight as text: what the manager tells is rendered once for each event, thousands a second, so it
 * builds no tree of values for it. Member functions write a leading comma: the object begins with a member of its own. */
#ifndef FNR_MANAGER_RENDER_H
#define FNR_MANAGER_RENDER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"

void render_text(struct fnr_buf *out, const char *text);      /* quoted and escaped; NULL is null */
void render_int(struct fnr_buf *out, int64_t value);
void render_real(struct fnr_buf *out, double value);          /* at most three decimals */
void render_time(struct fnr_buf *out, int64_t ms);            /* RFC 3339; 0 is null */

void member_text(struct fnr_buf *out, const char *name, const char *text);
void member_int(struct fnr_buf *out, const char *name, int64_t value);
void member_real(struct fnr_buf *out, const char *name, double value);
void member_time(struct fnr_buf *out, const char *name, int64_t ms);
void member_id(struct fnr_buf *out, const char *name, const struct fnr_id *id);   /* none is null */
void member_json(struct fnr_buf *out, const char *name, const char *json);        /* JSON as it is; NULL is null */

#endif
