#include "base/fault.h"

#ifdef FNR_FAULTS

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HANG (-1)
#define HANG_MS 10

static int number_of(const char *name)
{
	static const struct { const char *name; int number; } errors[] = {
		{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE },
		{ "HANG", HANG },
	};

	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].number;
	return EIO;
}

static double chance(void)
{
	unsigned bits = 0;

	if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
		return 0;
	return bits / ((double)(unsigned)-1 + 1);
}

static int look(const char *point)
{
	FILE *file = fopen("run/faults", "re");
	char line[128];
	int number = 0;

	while (file && !number && fgets(line, sizeof line, file)) {
		char name[32], error[16];
		double share = 1;

		if (sscanf(line, "%31s %15s %lf", name, error, &share) >= 2 && strcmp(name, point) == 0 && chance() < share)
			number = number_of(error);
	}
	if (file)
		fclose(file);
	return number;
}

int fnr_fault(const char *point)
{
	int number;

	while ((number = look(point)) == HANG)
		poll(NULL, 0, HANG_MS);
	if (number)
		errno = number;
	return number;
}

#else
typedef int fnr_fault_is_off;   /* ISO C wants something in each file */
#endif
