/*
 * What Linux offers and Node does not: UNIX sockets with the user at their other end and without a stream object for
 * each, flock(2), the service manager's notification socket, ending with one's parent, and taking secrets off the
 * command line.
 *
 * Functions that can fail return 0 or an errno; those that have something to answer, a negative errno.
 */
#ifndef TEDGE_UNIX_H
#define TEDGE_UNIX_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* SO_PEERCRED: as of connect(2) or listen(2). */
int unix_peer_credentials(int socket, struct ucred *out);

/* SO_PEERGROUPS: the supplementary groups, as of connect(2). The caller frees them. */
int unix_peer_groups(int socket, gid_t **out, size_t *count);

/* A listening socket at a path, which must be free. */
int unix_listen(const char *path);

/* Makes a listening socket that was handed over like one of ours. EAFNOSUPPORT, EINVAL: it is none for us. */
int unix_adopt_listener(int file);

/* The next client, and who it is; a pid of 0 when the kernel would not say. EAGAIN: none waits. */
int unix_accept(int listener, struct ucred *peer);

/* A socket on which the kernel tells of addresses and routes that come and go (rtnetlink(7)), or a negative errno. */
int unix_open_netlink(void);

/* A timer that can be read when the wall clock is set (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET), or a negative errno. */
int unix_open_clock(void);

/* Whether the clock was set since it was read last. */
bool unix_clock_was_set(int clock);

/* EAGAIN: nothing there, no room. 0 bytes received: the peer has finished. */
ssize_t unix_receive(int file, void *into, size_t room);
ssize_t unix_send(int file, const void *bytes, size_t length);

/* readiness.c, called by JavaScript. */
napi_value unix_open_readiness(napi_env env, napi_callback_info info);
napi_value unix_watch(napi_env env, napi_callback_info info);
napi_value unix_close_readiness(napi_env env, napi_callback_info info);

/* An exclusive flock, without waiting. EWOULDBLOCK: another process holds it. */
int unix_lock(int file);
int unix_unlock(int file);

/* One datagram to a socket's path, or to an abstract one written with a leading '@'. Never waits. */
int unix_notify(const char *address, const char *message, size_t length);

/* SIGALRM, which ends the process, two seconds after the parent ends. ESRCH: `parent` is not our parent any more. */
int unix_end_with_parent(pid_t parent);

/*
 * Where a symbolic link leads that was opened with O_PATH | O_NOFOLLOW: of that very link, whatever its name leads to
 * by now. The length, without an end byte; ENAMETOOLONG when it does not fit.
 */
ssize_t unix_read_link(int link, char *target, size_t room);

/*
 * Another user for good, in all groups of that name; without a name, in `gid` alone. Node refuses its own calls where its
 * libuv is the system's (Debian 13): rings of io_uring that it had made by then would keep the rights of before.
 */
int unix_become_user(const char *name, uid_t uid, gid_t gid);

/* RLIMIT_CORE 0, for this process and all it starts from now on; only root can raise it again. */
int unix_keep_no_core(void);

/* A full garbage collection. False: this Node's V8 does not offer it. */
bool unix_collect_all(void);

/* What malloc holds and nothing uses goes back to the kernel. */
void unix_trim_malloc(void);

/* The pages of the executable's code go; what is used again comes from the page cache. */
void unix_drop_program_text(void);

/*
 * Overwrites a value in this process's own command line: where it is a whole argument, or follows an '=' and ends
 * there. Returns how often.
 */
int unix_blank_argument(const char *value, size_t length);

#endif
