#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/meter.h"

#define MINUTE 60000

static struct meter *make(void)
{
	struct meter *meter = mmap(NULL, sizeof *meter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert(meter != MAP_FAILED);
	return meter;
}

Test(meter, counts_by_name_kind_and_minute)
{
	struct meter *meter = make();

	cr_expect_eq(meter_add(meter, METER_KEY, "a", MINUTE), 1);
	cr_expect_eq(meter_add(meter, METER_KEY, "a", 2 * MINUTE - 1), 2);
	cr_expect_eq(meter_read(meter, METER_KEY, "a", MINUTE), 2);
	cr_expect_eq(meter_read(meter, METER_KEY, "a", 2 * MINUTE), 0);
	cr_expect_eq(meter_read(meter, METER_KEY, "c", MINUTE), 0);
	cr_expect_eq(meter_add(meter, METER_KEY, "b", MINUTE), 1);
	cr_expect_eq(meter_add(meter, METER_ADDRESS, "a", MINUTE), 1);
	cr_expect_eq(meter_add(meter, METER_KEY, "a", 2 * MINUTE), 1);
	cr_expect_eq(meter_left_s(MINUTE), 60);
	cr_expect_eq(meter_left_s(2 * MINUTE - 1), 1);
}

/* Entries of an earlier minute make room; one that is full counts no more, and says so. */
Test(meter, full)
{
	struct meter *meter = make();
	char name[16];
	int uncounted = 0;

	for (int i = 0; i < 2 * METER_ENTRIES; i++) {
		snprintf(name, sizeof name, "k%d", i);
		uncounted += meter_add(meter, METER_KEY, name, MINUTE) == 0;
	}
	cr_expect(uncounted >= METER_ENTRIES && uncounted < 2 * METER_ENTRIES, "%d", uncounted);
	for (int i = 0; i < METER_ENTRIES / 4; i++) {
		snprintf(name, sizeof name, "n%d", i);
		cr_expect_eq(meter_add(meter, METER_KEY, name, 2 * MINUTE), 1);
	}
}

/* Nothing is lost between processes. */
Test(meter, many_at_once, .timeout = 600)
{
	struct meter *meter = make();

	meter_add(meter, METER_KEY, "a", MINUTE);
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			for (int n = 0; n < 10000; n++)
				meter_add(meter, METER_KEY, "a", MINUTE);
			_exit(0);
		}
	for (int i = 0; i < 4; i++)
		wait(NULL);
	cr_expect_eq(meter_add(meter, METER_KEY, "a", MINUTE), 40002);
}
