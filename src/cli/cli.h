/* The commands of `fnr`. Each gets its own arguments, its name first, and returns the exit status. */
#ifndef FNR_CLI_CLI_H
#define FNR_CLI_CLI_H

int command_serve(int argc, char **argv);
int command_check(int argc, char **argv);

#endif
