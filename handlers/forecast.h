/* What a job will take, as the API tells it. */
#ifndef FNR_HANDLERS_FORECAST_H
#define FNR_HANDLERS_FORECAST_H

#include "api/request.h"
#include "registry/preset.h"

/* {"seconds","seconds_low","seconds_high","cost","quality","confidence","runs","basis","cpu","memory_mb"}; to put. */
struct json_object *forecast_show(struct request *req, const struct template_ *template_, const struct preset *preset);

#endif
