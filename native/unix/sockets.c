/*
 * UNIX stream sockets as plain descriptors that never wait. Answers below 0 are negative errnos.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "unix.h"

/* More than this many clients wait for accept only when we are stopped; the kernel has a limit of its own. */
enum { BACKLOG = 511 };

static int kept_or_closed(int file, int failed) {
  if (!failed) return file;
  int error = errno;
  close(file);
  return -error;
}

int unix_listen(const char *path) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  size_t size = strlen(path);
  if (size == 0 || size >= sizeof at.sun_path) return -ENAMETOOLONG;
  memcpy(at.sun_path, path, size);
  int file = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (file < 0) return -errno;
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
  return kept_or_closed(file, bind(file, (struct sockaddr *)&at, length) != 0 || listen(file, BACKLOG) != 0);
}

static int socket_option(int file, int name, int *value) {
  socklen_t length = sizeof *value;
  return getsockopt(file, SOL_SOCKET, name, value, &length) == 0 ? 0 : errno;
}

int unix_adopt_listener(int file) {
  int domain = 0, type = 0, listens = 0, error;
  if ((error = socket_option(file, SO_DOMAIN, &domain)) != 0) return error;
  if ((error = socket_option(file, SO_TYPE, &type)) != 0) return error;
  if ((error = socket_option(file, SO_ACCEPTCONN, &listens)) != 0) return error;
  if (domain != AF_UNIX) return EAFNOSUPPORT;
  if (type != SOCK_STREAM || !listens) return EINVAL;
  if (fcntl(file, F_SETFD, FD_CLOEXEC) != 0) return errno;
  return fcntl(file, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

int unix_accept(int listener, struct ucred *peer) {
  int file = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (file < 0) return -errno;
  /* Anonymous, where the kernel does not say. */
  if (unix_peer_credentials(file, peer) != 0) *peer = (struct ucred){.pid = -1};
  return file;
}

ssize_t unix_receive(int file, void *into, size_t room) {
  ssize_t got = recv(file, into, room, MSG_DONTWAIT);
  return got < 0 ? -errno : got;
}

ssize_t unix_send(int file, const void *bytes, size_t length) {
  ssize_t sent = send(file, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent < 0 ? -errno : sent;
}

int unix_open_netlink(void) {
  struct sockaddr_nl address = {
      .nl_family = AF_NETLINK,
      .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
  int file = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (file < 0) return -errno;
  if (bind(file, (struct sockaddr *)&address, sizeof address) == 0) return file;
  int error = errno;
  close(file);
  return -error;
}
