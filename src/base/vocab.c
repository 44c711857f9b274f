#include "base/vocab.h"

#include <string.h>

#define X(name, number, text) [number] = text,
static const char *const states[] = { FNR_STATES(X) };
static const char *const stages[] = { FNR_STAGES(X) };
static const char *const qualities[] = { FNR_QUALITIES(X) };
static const char *const classes[] = { FNR_CLASSES(X) };
static const char *const events[] = { FNR_EVENTS(X) };
#undef X

#define COUNT(words) (sizeof (words) / sizeof (words)[0])

static const char *name(const char *const *words, size_t count, size_t number)
{
	return number < count ? words[number] : "?";
}

static int parse(const char *const *words, size_t count, const char *text)
{
	size_t i;

	for (i = 0; text && i < count; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	return -1;
}

const char *fnr_state_name(enum fnr_state state)
{
	return name(states, COUNT(states), (size_t)state);
}

const char *fnr_stage_name(enum fnr_stage stage)
{
	return name(stages, COUNT(stages), (size_t)stage);
}

const char *fnr_quality_name(enum fnr_quality quality)
{
	return name(qualities, COUNT(qualities), (size_t)quality);
}

const char *fnr_class_name(enum fnr_class class_)
{
	return name(classes, COUNT(classes), (size_t)class_);
}

const char *fnr_event_name(enum fnr_event event)
{
	return name(events, COUNT(events), (size_t)event);
}

int fnr_state_parse(const char *text)
{
	return parse(states, COUNT(states), text);
}

int fnr_stage_parse(const char *text)
{
	return parse(stages, COUNT(stages), text);
}

int fnr_quality_parse(const char *text)
{
	if (text && strcmp(text, "low") == 0)
		return FNR_QUALITY_DRAFT;
	if (text && strcmp(text, "premium") == 0)
		return FNR_QUALITY_ULTRA;
	return parse(qualities, COUNT(qualities), text);
}

int fnr_class_parse(const char *text)
{
	return parse(classes, COUNT(classes), text);
}

int fnr_event_parse(const char *text)
{
	return parse(events, COUNT(events), text);
}

bool fnr_state_waiting(enum fnr_state state)
{
	return state == FNR_STATE_SCHEDULED || state == FNR_STATE_QUEUED || state == FNR_STATE_RETRY_WAIT;
}

bool fnr_state_running(enum fnr_state state)
{
	return state == FNR_STATE_RUNNING || state == FNR_STATE_FINISHING || state == FNR_STATE_CANCELLING;
}

bool fnr_state_terminal(enum fnr_state state)
{
	return state == FNR_STATE_COMPLETED || state == FNR_STATE_FAILED || state == FNR_STATE_CANCELLED ||
	       state == FNR_STATE_EXPIRED;
}
