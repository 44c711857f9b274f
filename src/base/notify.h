/* What a service tells systemd, by the protocol of sd_notify(3). Without systemd all of it does nothing. */
#ifndef FNR_BASE_NOTIFY_H
#define FNR_BASE_NOTIFY_H

#include <stdint.h>

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment, so that no program started later speaks for us. */
void fnr_notify_init(void);

void fnr_notify_ready(void);      /* what was started works now; only the first call counts */
void fnr_notify_stopping(void);

/* To be called at least every second where the unit has WatchdogSec: tells systemd that the loop still turns. */
void fnr_notify_alive(int64_t mono_ms);

#endif
