#include <criterion/criterion.h>

#include "base/vocab.h"

Test(vocab, words_and_numbers)
{
#define X(name, number, text) \
	cr_assert_eq(fnr_state_parse(text), number); \
	cr_assert_str_eq(fnr_state_name(FNR_STATE_##name), text);
	FNR_STATES(X)
#undef X
#define X(name, number, text) \
	cr_assert_eq(fnr_event_parse(text), number); \
	cr_assert_str_eq(fnr_event_name(FNR_EVENT_##name), text);
	FNR_EVENTS(X)
#undef X
	cr_assert_eq(fnr_stage_parse("execution"), FNR_STAGE_EXECUTION);
	cr_assert_str_eq(fnr_stage_name(FNR_STAGE_QUEUE), "queue");
	cr_assert_eq(fnr_class_parse("permanent"), FNR_CLASS_PERMANENT);
	cr_assert_str_eq(fnr_class_name(FNR_CLASS_RESOURCE), "resource");
	cr_assert_str_eq(fnr_quality_name(FNR_QUALITY_ULTRA), "ultra");
	cr_assert_eq(fnr_state_parse("Queued"), -1);
	cr_assert_eq(fnr_state_parse(NULL), -1);
	cr_assert_str_eq(fnr_state_name((enum fnr_state)99), "?");
}

Test(vocab, old_quality_names)
{
	cr_assert_eq(fnr_quality_parse("low"), FNR_QUALITY_DRAFT);
	cr_assert_eq(fnr_quality_parse("premium"), FNR_QUALITY_ULTRA);
	cr_assert_eq(fnr_quality_parse("high"), FNR_QUALITY_HIGH);
	cr_assert_eq(fnr_quality_parse("best"), -1);
}

Test(vocab, each_state_is_of_one_kind)
{
	int state;

	for (state = 0; state < FNR_STATE_COUNT; state++)
		cr_assert_eq(fnr_state_waiting((enum fnr_state)state) + fnr_state_running((enum fnr_state)state) +
		             fnr_state_terminal((enum fnr_state)state), 1);
}
