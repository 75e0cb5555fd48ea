/*
 * One system call each, more or less.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "unix.h"

/* Linux 4.13. Headers of an older C library do not name it. */
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/* NGROUPS_MAX */
enum { MOST_GROUPS = 65536 };

enum { PARENT_GRACE_SECONDS = 2 };

int unix_peer_credentials(int socket, struct ucred *out) {
  socklen_t length = sizeof *out;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, out, &length) != 0) return errno;
  /* For a socket without a peer the kernel fills in -1. pid is 0 for a peer in another PID namespace (a container). */
  return length == sizeof *out && out->uid != (uid_t)-1 ? 0 : ENOTCONN;
}

int unix_peer_groups(int socket, gid_t **out, size_t *count) {
  /* Enough for nearly everybody; the kernel says how much it would have been. */
  socklen_t length = 32 * sizeof(gid_t);
  for (;;) {
    gid_t *groups = malloc(length ? length : sizeof(gid_t));
    if (!groups) return ENOMEM;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0) {
      *out = groups;
      *count = length / sizeof(gid_t);
      return 0;
    }
    int error = errno;
    free(groups);
    if (error != ERANGE || length > MOST_GROUPS * sizeof(gid_t)) return error;
  }
}

int unix_lock(int file) { return flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno; }

int unix_unlock(int file) { return flock(file, LOCK_UN) == 0 ? 0 : errno; }

int unix_notify(const char *address, const char *message, size_t length) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  size_t size = strlen(address);
  if (size == 0 || size >= sizeof to.sun_path) return ENAMETOOLONG;
  memcpy(to.sun_path, address, size);
  if (address[0] == '@') to.sun_path[0] = '\0'; /* unix(7), abstract */
  int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (file < 0) return errno;
  socklen_t to_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
  ssize_t sent = sendto(file, message, length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to, to_length);
  int error = sent < 0 ? errno : 0;
  close(file);
  return error;
}

/* It never ends: a time that no clock reaches. */
int unix_open_clock(void) {
  struct itimerspec never = {.it_value = {.tv_sec = 0x7fffffff}};
  int file = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (file < 0) return -errno;
  if (timerfd_settime(file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0) return file;
  int error = errno;
  close(file);
  return -error;
}

bool unix_clock_was_set(int clock) {
  unsigned long long ends;
  return read(clock, &ends, sizeof ends) < 0 && errno == ECANCELED;
}

int unix_become_user(const char *name, uid_t uid, gid_t gid) {
  if ((name ? initgroups(name, gid) : setgroups(1, &gid)) != 0) return errno;
  if (setresgid(gid, gid, gid) != 0) return errno;
  return setresuid(uid, uid, uid) == 0 ? 0 : errno;
}

/* SIGALRM ends the process, in whatever call it is blocked, unless a library has taken the signal: given back here. */
static void on_parent_end(int number) {
  (void)number;
  int error = errno;
  signal(SIGALRM, SIG_DFL);
  alarm(PARENT_GRACE_SECONDS);
  errno = error;
}

/* The signal that starts the time; SIGKILL where it cannot be handled. */
static int parent_signal(void) {
  struct sigaction action = {.sa_handler = on_parent_end, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  /* One that neither Node nor the C library uses. */
  int number = SIGRTMIN + 4;
  return sigaction(number, &action, NULL) == 0 ? number : SIGKILL;
}

int unix_end_with_parent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, parent_signal()) != 0) return errno;
  /* It may have ended before the call; then no signal comes. */
  return getppid() == parent ? 0 : ESRCH;
}

ssize_t unix_read_link(int link, char *target, size_t room) {
  ssize_t length = readlinkat(link, "", target, room);
  if (length < 0) return -errno;
  return (size_t)length < room ? length : -ENAMETOOLONG;
}

int unix_keep_no_core(void) {
  const struct rlimit none = {0, 0};
  return setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : errno;
}
