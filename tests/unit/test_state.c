#include <criterion/criterion.h>
#include <string.h>

#include "queue/state.h"

/* Every pair that applies, written out once more by hand; all others must not apply. */
static const struct { enum fnr_state from; enum trigger trigger; enum fnr_state to; } expected[] = {
	{ FNR_STATE_SCHEDULED, TRIGGER_DUE, FNR_STATE_QUEUED },
	{ FNR_STATE_SCHEDULED, TRIGGER_CANCEL, FNR_STATE_CANCELLED },
	{ FNR_STATE_SCHEDULED, TRIGGER_EXPIRE, FNR_STATE_EXPIRED },
	{ FNR_STATE_SCHEDULED, TRIGGER_FAIL, FNR_STATE_FAILED },
	{ FNR_STATE_QUEUED, TRIGGER_DISPATCH, FNR_STATE_RUNNING },
	{ FNR_STATE_QUEUED, TRIGGER_CANCEL, FNR_STATE_CANCELLED },
	{ FNR_STATE_QUEUED, TRIGGER_EXPIRE, FNR_STATE_EXPIRED },
	{ FNR_STATE_QUEUED, TRIGGER_FAIL, FNR_STATE_FAILED },
	{ FNR_STATE_RUNNING, TRIGGER_MANIFEST, FNR_STATE_FINISHING },
	{ FNR_STATE_RUNNING, TRIGGER_DONE, FNR_STATE_COMPLETED },
	{ FNR_STATE_RUNNING, TRIGGER_CANCEL, FNR_STATE_CANCELLING },
	{ FNR_STATE_RUNNING, TRIGGER_RETRY, FNR_STATE_RETRY_WAIT },
	{ FNR_STATE_RUNNING, TRIGGER_LOST, FNR_STATE_RETRY_WAIT },
	{ FNR_STATE_RUNNING, TRIGGER_GIVE_BACK, FNR_STATE_QUEUED },
	{ FNR_STATE_RUNNING, TRIGGER_FAIL, FNR_STATE_FAILED },
	{ FNR_STATE_FINISHING, TRIGGER_DONE, FNR_STATE_COMPLETED },
	{ FNR_STATE_FINISHING, TRIGGER_FAIL, FNR_STATE_FAILED },
	{ FNR_STATE_CANCELLING, TRIGGER_STOPPED, FNR_STATE_CANCELLED },
	{ FNR_STATE_CANCELLING, TRIGGER_LOST, FNR_STATE_CANCELLED },
	{ FNR_STATE_RETRY_WAIT, TRIGGER_DUE, FNR_STATE_QUEUED },
	{ FNR_STATE_RETRY_WAIT, TRIGGER_CANCEL, FNR_STATE_CANCELLED },
	{ FNR_STATE_RETRY_WAIT, TRIGGER_EXPIRE, FNR_STATE_EXPIRED },
};
#define EXPECTED (sizeof expected / sizeof expected[0])

static int expected_next(enum fnr_state from, enum trigger trigger)
{
	for (size_t i = 0; i < EXPECTED; i++)
		if (expected[i].from == from && expected[i].trigger == trigger)
			return (int)expected[i].to;
	return STATE_NONE;
}

Test(state, all_pairs)
{
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		for (int trigger = 0; trigger < TRIGGER_COUNT; trigger++)
			cr_assert_eq(state_next(state, trigger), expected_next(state, trigger), "%s on %s gives %d", trigger_name(trigger),
			             fnr_state_name(state), state_next(state, trigger));
}

Test(state, final_states_are_final)
{
	for (int state = 0; state < FNR_STATE_COUNT; state++)
		for (int trigger = 0; fnr_state_terminal(state) && trigger < TRIGGER_COUNT; trigger++)
			cr_assert_eq(state_next(state, trigger), STATE_NONE);
}

Test(state, every_state_is_reached_but_scheduled)
{
	for (int state = 0; state < FNR_STATE_COUNT; state++) {
		bool reached = state == FNR_STATE_SCHEDULED;

		for (int from = 0; from < FNR_STATE_COUNT; from++)
			for (int trigger = 0; trigger < TRIGGER_COUNT; trigger++)
				reached |= state_next(from, trigger) == state;
		cr_assert(reached, "%s", fnr_state_name(state));
	}
}

Test(state, nonsense_does_not_apply)
{
	cr_assert_eq(state_next(FNR_STATE_COUNT, TRIGGER_DUE), STATE_NONE);
	cr_assert_eq(state_next((enum fnr_state)-1, TRIGGER_DUE), STATE_NONE);
	cr_assert_eq(state_next(FNR_STATE_QUEUED, TRIGGER_COUNT), STATE_NONE);
}

Test(state, triggers_have_names)
{
	for (int trigger = 0; trigger < TRIGGER_COUNT; trigger++)
		for (int other = 0; other < trigger; other++)
			cr_assert_str_neq(trigger_name(trigger), trigger_name(other));
	cr_assert_str_eq(trigger_name(TRIGGER_GIVE_BACK), "give_back");
	cr_assert_str_eq(trigger_name(TRIGGER_COUNT), "");
}
