/*
 * What Linux offers and Node does not: who is at the other end of a UNIX socket, flock(2), the service manager's
 * notification socket, ending with one's parent, and taking secrets off the command line.
 *
 * Functions that can fail return 0 or an errno.
 */
#ifndef TEDGE_UNIX_H
#define TEDGE_UNIX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* SO_PEERCRED: as of connect(2) or listen(2). */
int unix_peer_credentials(int socket, struct ucred *out);

/* An exclusive flock, without waiting. EWOULDBLOCK: somebody else has it. */
int unix_lock(int file);
int unix_unlock(int file);

/* One datagram to a socket's path, or to an abstract one written with a leading '@'. Never waits. */
int unix_notify(const char *address, const char *message, size_t length);

/* SIGKILL when the parent ends. ESRCH: `parent` is not our parent any more. */
int unix_end_with_parent(pid_t parent);

/*
 * Overwrites a value in this process's own command line: where it is a whole argument, or follows an '=' and ends
 * there. Returns how often.
 */
int unix_blank_argument(const char *value, size_t length);

#endif
