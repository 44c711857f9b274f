/* Faults on demand, for tests. Only in a build with --enable-faults, which fnr doctor warns of: in any other a fault point
 * is the constant 0.
 *
 * What goes wrong stands in the file run/faults of the data directory, a line each: POINT ERROR [SHARE]. ERROR is the name of
 * an errno value, or HANG: it goes on when the line is gone, and nothing is wrong; SHARE, from 0 to 1, says how often (1 where
 * it is left out). The file is read at each point anew.
 *
 *   commit         the store or the journal cannot be written
 *   file.flush     a file of a result, or its folder, cannot be flushed
 *   script.start   no process can be started
 *   dispatch.told  (only HANG) a worker was told of an attempt that is not written down yet
 */
#ifndef FNR_BASE_FAULT_H
#define FNR_BASE_FAULT_H

#ifdef FNR_FAULTS
int fnr_fault(const char *point);       /* an errno value, which errno is set to as well, or 0 */
#else
#define fnr_fault(point) 0
#endif

#endif
