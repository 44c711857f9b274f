/* What NVIDIA's management library has, as far as it is asked: two cards, or trouble (-DCRASHES, -DHANGS). */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int nvmlInit_v2(void)
{
	puts("noise");
	fflush(stdout);
#ifdef CRASHES
	abort();
#endif
#ifdef HANGS
	for (;;)
		pause();
#endif
	return 0;
}

/* The third one has fallen off the bus. */
int nvmlDeviceGetCount_v2(unsigned *count)
{
	*count = 3;
	return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
	static int devices[3];

	*device = &devices[index];
	return index == 2 ? 15 : 0;
}

int nvmlDeviceGetName(void *device, char *name, unsigned length)
{
	(void)device;
	snprintf(name, length, "Stand-in 4090");
	return 0;
}

int nvmlDeviceGetMemoryInfo(void *device, unsigned long long memory[3])
{
	(void)device;
	memory[0] = 24ull << 30;
	memory[1] = 20ull << 30;
	memory[2] = 4ull << 30;
	return 0;
}

int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor)
{
	(void)device;
	*major = 8;
	*minor = 9;
	return 0;
}
