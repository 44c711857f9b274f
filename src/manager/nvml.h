/* The graphics cards of this machine, as NVIDIA's management library tells of them. It is loaded when it is there, and needed for
 * nothing else. */
#ifndef FNR_MANAGER_NVML_H
#define FNR_MANAGER_NVML_H

#include "base/json.h"

/* {"name","vram_total","vram_free","compute_capability"} of each, bytes; an array to put. NULL: there is no such library, or it tells
 * nothing. It may take long, print, and crash: call it in a process that may. */
struct json_object *nvml_devices(const char *library);

#endif
