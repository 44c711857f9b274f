#include "config.h"

#include "queue/breaker.h"

const char *breaker_state_name(enum breaker_state state)
{
	static const char *const names[] = { "closed", "open", "half_open" };

	return names[state];
}

bool breaker_tick(struct breaker *breaker, int64_t now)
{
	if (breaker->state != BREAKER_OPEN || now < breaker->open_until)
		return false;
	breaker->state = BREAKER_HALF_OPEN;
	breaker->open_until = 0;
	breaker->probing = false;
	return true;
}

bool breaker_allows(const struct breaker *breaker)
{
	return breaker->state == BREAKER_CLOSED || (breaker->state == BREAKER_HALF_OPEN && !breaker->probing);
}

void breaker_started(struct breaker *breaker)
{
	breaker->probing = breaker->state == BREAKER_HALF_OPEN;
}

static void open_(struct breaker *breaker, int64_t now)
{
	int64_t ms = BREAKER_FIRST_MS;

	for (unsigned i = 0; i < breaker->openings && ms < BREAKER_MOST_MS; i++)
		ms *= 2;
	breaker->state = BREAKER_OPEN;
	breaker->open_until = now + (ms < BREAKER_MOST_MS ? ms : BREAKER_MOST_MS);
	breaker->openings++;
	breaker->probing = false;
}

bool breaker_failed(struct breaker *breaker, int64_t now)
{
	breaker->failures++;
	if (breaker->state == BREAKER_OPEN || (breaker->state == BREAKER_CLOSED && breaker->failures < BREAKER_FAILURES))
		return false;
	open_(breaker, now);
	return true;
}

bool breaker_succeeded(struct breaker *breaker)
{
	if (breaker->state == BREAKER_OPEN)
		return false;
	return breaker_reset(breaker);
}

void breaker_unproved(struct breaker *breaker)
{
	breaker->probing = false;
}

bool breaker_reset(struct breaker *breaker)
{
	bool changed = breaker->state != BREAKER_CLOSED;

	*breaker = (struct breaker){ .state = BREAKER_CLOSED };
	return changed;
}
