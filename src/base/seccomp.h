/* What a seccomp filter needs of the machine it is compiled for: see seccomp(2), seccomp_data.arch. */
#ifndef FNR_BASE_SECCOMP_H
#define FNR_BASE_SECCOMP_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* Not defined: there are no filters for this machine. */
#if defined(__x86_64__)
#define FNR_SECCOMP_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FNR_SECCOMP_ARCH AUDIT_ARCH_AARCH64
#endif

#endif
