#include "config.h"

#include "queue/state.h"

/* One more than the state, so that what is not named here is 0: the trigger does not apply. */
#define TO(state) (FNR_STATE_##state + 1)

static const signed char table[FNR_STATE_COUNT][TRIGGER_COUNT] = {
	[FNR_STATE_SCHEDULED] = {
		[TRIGGER_DUE] = TO(QUEUED),
		[TRIGGER_CANCEL] = TO(CANCELLED),
		[TRIGGER_EXPIRE] = TO(EXPIRED),
		[TRIGGER_FAIL] = TO(FAILED),
	},
	[FNR_STATE_QUEUED] = {
		[TRIGGER_DISPATCH] = TO(RUNNING),
		[TRIGGER_CANCEL] = TO(CANCELLED),
		[TRIGGER_EXPIRE] = TO(EXPIRED),
		[TRIGGER_FAIL] = TO(FAILED),
	},
	[FNR_STATE_RUNNING] = {
		[TRIGGER_MANIFEST] = TO(FINISHING),
		[TRIGGER_DONE] = TO(COMPLETED),
		[TRIGGER_CANCEL] = TO(CANCELLING),
		[TRIGGER_RETRY] = TO(RETRY_WAIT),
		[TRIGGER_LOST] = TO(RETRY_WAIT),
		[TRIGGER_GIVE_BACK] = TO(QUEUED),
		[TRIGGER_FAIL] = TO(FAILED),
	},
	[FNR_STATE_FINISHING] = {
		[TRIGGER_DONE] = TO(COMPLETED),
		[TRIGGER_FAIL] = TO(FAILED),
	},
	[FNR_STATE_CANCELLING] = {
		[TRIGGER_STOPPED] = TO(CANCELLED),
		[TRIGGER_LOST] = TO(CANCELLED),
	},
	[FNR_STATE_RETRY_WAIT] = {
		[TRIGGER_DUE] = TO(QUEUED),
		[TRIGGER_CANCEL] = TO(CANCELLED),
		[TRIGGER_EXPIRE] = TO(EXPIRED),
	},
};

int state_next(enum fnr_state state, enum trigger trigger)
{
	if ((unsigned)state >= FNR_STATE_COUNT || (unsigned)trigger >= TRIGGER_COUNT)
		return STATE_NONE;
	return table[state][trigger] - 1;
}

const char *trigger_name(enum trigger trigger)
{
	static const char *const names[] = {
#define X(name, text) text,
		FNR_TRIGGERS(X)
#undef X
	};
	return (unsigned)trigger < TRIGGER_COUNT ? names[trigger] : "";
}
