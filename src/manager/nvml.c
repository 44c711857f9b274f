#include "config.h"

#include "manager/nvml.h"

#include <dlfcn.h>

/* As NVIDIA's nvml.h declares them (NVML API Reference Manual: Device Queries, Initialization and Cleanup). */
#define NVML_SUCCESS 0
#define NVML_DEVICE_NAME_V2_BUFFER_SIZE 96
typedef int nvml_return;
typedef struct nvml_device *nvml_device;
struct nvml_memory { unsigned long long total, free, used; };

struct nvml {
	nvml_return (*init)(void);
	nvml_return (*count)(unsigned *count);
	nvml_return (*handle)(unsigned index, nvml_device *device);
	nvml_return (*name)(nvml_device device, char *name, unsigned length);
	nvml_return (*memory)(nvml_device device, struct nvml_memory *memory);
	nvml_return (*capability)(nvml_device device, int *major, int *minor);
};

static bool find(void *library, const char *name, void *function_r)
{
	return (*(void **)function_r = dlsym(library, name)) != NULL;
}

static bool load(const char *path, struct nvml *nvml)
{
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);

	return library && find(library, "nvmlInit_v2", &nvml->init) && find(library, "nvmlDeviceGetCount_v2", &nvml->count) &&
	       find(library, "nvmlDeviceGetHandleByIndex_v2", &nvml->handle) && find(library, "nvmlDeviceGetName", &nvml->name) &&
	       find(library, "nvmlDeviceGetMemoryInfo", &nvml->memory) && find(library, "nvmlDeviceGetCudaComputeCapability", &nvml->capability);
}

/* A card that says nothing of itself (it fell off the bus) is none. */
static struct json_object *describe(const struct nvml *nvml, unsigned index)
{
	char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = "";
	struct nvml_memory memory;
	struct json_object *device;
	nvml_device handle;
	int major, minor;

	if (nvml->handle(index, &handle) != NVML_SUCCESS || nvml->name(handle, name, sizeof name) != NVML_SUCCESS ||
	    nvml->memory(handle, &memory) != NVML_SUCCESS)
		return NULL;
	device = json_object_new_object();
	fnr_json_set_text(device, "name", name);
	fnr_json_set_int(device, "vram_total", (int64_t)memory.total);
	fnr_json_set_int(device, "vram_free", (int64_t)memory.free);
	if (nvml->capability(handle, &major, &minor) == NVML_SUCCESS)
		fnr_json_set_real(device, "compute_capability", (major * 10 + minor) / 10.0);
	return device;
}

struct json_object *nvml_devices(const char *library)
{
	struct json_object *devices, *device;
	struct nvml nvml;
	unsigned count;

	if (!load(library, &nvml) || nvml.init() != NVML_SUCCESS || nvml.count(&count) != NVML_SUCCESS)
		return NULL;
	devices = json_object_new_array();
	for (unsigned i = 0; i < count && i < 64; i++)
		if ((device = describe(&nvml, i)))
			json_object_array_add(devices, device);
	return devices;
}
