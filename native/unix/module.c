/*
 * What JavaScript sees. src/platform/native/unix-addon.ts has the types.
 *
 * A system call that fails answers its errno; Node has the names.
 */
#include <errno.h>
#include <node_api.h>
#include <stdlib.h>

#include "unix.h"

static napi_value number(napi_env env, int64_t value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

static int number_argument(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  int32_t value = -1;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  napi_get_value_int32(env, argument, &value);
  return value;
}

/* The caller frees the answer; NULL when it is no string. */
static char *text_of(napi_env env, napi_value value, size_t *length) {
  size_t size = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &size) != napi_ok) return NULL;
  char *text = malloc(size + 1);
  if (text) napi_get_value_string_utf8(env, value, text, size + 1, &size);
  *length = size;
  return text;
}

/* listen(path): a descriptor, or a negative errno */
static napi_value js_listen(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1, length = 0;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  char *path = text_of(env, argument, &length);
  int result = path ? unix_listen(path) : -EINVAL;
  free(path);
  return number(env, result);
}

static napi_value js_open_netlink(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, unix_open_netlink());
}

static napi_value js_adopt_listener(napi_env env, napi_callback_info info) {
  return number(env, unix_adopt_listener(number_argument(env, info)));
}

/*
 * accept(listener): [descriptor, pid, uid, gid, groups], or a negative errno. pid is -1 and groups is missing when the
 * kernel would not say.
 */
static napi_value js_accept(napi_env env, napi_callback_info info) {
  struct ucred peer;
  napi_value list = NULL;
  int file = unix_accept(number_argument(env, info), &peer);
  if (file < 0) return number(env, file);
  int64_t facts[] = {file, peer.pid, peer.uid, peer.gid};
  napi_create_array_with_length(env, 4, &list);
  for (uint32_t i = 0; i < 4; i++) napi_set_element(env, list, i, number(env, facts[i]));
  gid_t *groups = NULL;
  size_t count = 0;
  if (unix_peer_groups(file, &groups, &count) != 0) return list;
  napi_value ids = NULL;
  napi_create_array_with_length(env, count, &ids);
  for (uint32_t i = 0; i < count; i++) napi_set_element(env, ids, i, number(env, groups[i]));
  free(groups);
  napi_set_element(env, list, 4, ids);
  return list;
}

/* (descriptor, bytes); the bytes are any Uint8Array */
static int descriptor_and_bytes(napi_env env, napi_callback_info info, void **bytes, size_t *length) {
  napi_value arguments[2];
  size_t count = 2;
  int32_t file = -1;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_int32(env, arguments[0], &file);
  napi_status status = napi_get_typedarray_info(env, arguments[1], NULL, length, bytes, NULL, NULL);
  return status == napi_ok ? file : -1;
}

/* receive(descriptor, into): how many bytes, 0 at the end; or a negative errno */
static napi_value js_receive(napi_env env, napi_callback_info info) {
  void *into = NULL;
  size_t room = 0;
  int file = descriptor_and_bytes(env, info, &into, &room);
  return number(env, unix_receive(file, into, room));
}

/* send(descriptor, bytes): how many were taken, or a negative errno */
static napi_value js_send(napi_env env, napi_callback_info info) {
  void *bytes = NULL;
  size_t length = 0;
  int file = descriptor_and_bytes(env, info, &bytes, &length);
  return number(env, unix_send(file, bytes, length));
}

static napi_value js_lock(napi_env env, napi_callback_info info) {
  return number(env, unix_lock(number_argument(env, info)));
}

static napi_value js_unlock(napi_env env, napi_callback_info info) {
  return number(env, unix_unlock(number_argument(env, info)));
}

static napi_value js_end_with_parent(napi_env env, napi_callback_info info) {
  return number(env, unix_end_with_parent(number_argument(env, info)));
}

static napi_value js_open_clock(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, unix_open_clock());
}

static napi_value js_clock_was_set(napi_env env, napi_callback_info info) {
  return number(env, unix_clock_was_set(number_argument(env, info)) ? 1 : 0);
}

/* becomeUser(name, uid, gid); an empty name is none */
static napi_value js_become_user(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3, length = 0;
  uint32_t uid = (uint32_t)-1, gid = (uint32_t)-1; /* -1 would leave them as they are */
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_uint32(env, arguments[1], &uid);
  napi_get_value_uint32(env, arguments[2], &gid);
  char *name = text_of(env, arguments[0], &length);
  int error = !name || uid == (uint32_t)-1 || gid == (uint32_t)-1
                  ? EINVAL
                  : unix_become_user(length > 0 ? name : NULL, uid, gid);
  free(name);
  return number(env, error);
}

static napi_value js_keep_no_core(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, unix_keep_no_core());
}

/* readLink(descriptor): bytes, or a negative errno */
static napi_value js_read_link(napi_env env, napi_callback_info info) {
  char target[4096 + 1]; /* PATH_MAX, and a byte that shows a longer one */
  napi_value bytes = NULL;
  ssize_t length = unix_read_link(number_argument(env, info), target, sizeof target);
  if (length < 0) return number(env, length);
  napi_create_buffer_copy(env, (size_t)length, target, NULL, &bytes);
  return bytes;
}

/* notify(address, message) */
static napi_value js_notify(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result = NULL;
  size_t count = 2, address_length = 0, length = 0;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  char *address = text_of(env, arguments[0], &address_length);
  char *message = text_of(env, arguments[1], &length);
  if (address && message) result = number(env, unix_notify(address, message, length));
  free(address);
  free(message);
  return result;
}

/* collectAll(): whether it could */
static napi_value js_collect_all(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result = NULL;
  napi_get_boolean(env, unix_collect_all(), &result);
  return result;
}

static napi_value js_trim_malloc(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  unix_trim_malloc();
  return NULL;
}

static napi_value js_drop_program_text(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  unix_drop_program_text();
  return NULL;
}

/* blankArgument(value): how often it was found */
static napi_value js_blank_argument(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1, length = 0;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  char *value = text_of(env, argument, &length);
  int found = value ? unix_blank_argument(value, length) : 0;
  free(value);
  return number(env, found);
}

NAPI_MODULE_INIT() {
  static const napi_property_descriptor functions[] = {
      {"listen", NULL, js_listen, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openNetlink", NULL, js_open_netlink, NULL, NULL, NULL, napi_enumerable, NULL},
      {"adoptListener", NULL, js_adopt_listener, NULL, NULL, NULL, napi_enumerable, NULL},
      {"accept", NULL, js_accept, NULL, NULL, NULL, napi_enumerable, NULL},
      {"receive", NULL, js_receive, NULL, NULL, NULL, napi_enumerable, NULL},
      {"send", NULL, js_send, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openReadiness", NULL, unix_open_readiness, NULL, NULL, NULL, napi_enumerable, NULL},
      {"watch", NULL, unix_watch, NULL, NULL, NULL, napi_enumerable, NULL},
      {"closeReadiness", NULL, unix_close_readiness, NULL, NULL, NULL, napi_enumerable, NULL},
      {"lock", NULL, js_lock, NULL, NULL, NULL, napi_enumerable, NULL},
      {"unlock", NULL, js_unlock, NULL, NULL, NULL, napi_enumerable, NULL},
      {"notify", NULL, js_notify, NULL, NULL, NULL, napi_enumerable, NULL},
      {"endWithParent", NULL, js_end_with_parent, NULL, NULL, NULL, napi_enumerable, NULL},
      {"readLink", NULL, js_read_link, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openClock", NULL, js_open_clock, NULL, NULL, NULL, napi_enumerable, NULL},
      {"clockWasSet", NULL, js_clock_was_set, NULL, NULL, NULL, napi_enumerable, NULL},
      {"becomeUser", NULL, js_become_user, NULL, NULL, NULL, napi_enumerable, NULL},
      {"keepNoCore", NULL, js_keep_no_core, NULL, NULL, NULL, napi_enumerable, NULL},
      {"collectAll", NULL, js_collect_all, NULL, NULL, NULL, napi_enumerable, NULL},
      {"trimMalloc", NULL, js_trim_malloc, NULL, NULL, NULL, napi_enumerable, NULL},
      {"dropProgramText", NULL, js_drop_program_text, NULL, NULL, NULL, napi_enumerable, NULL},
      {"blankArgument", NULL, js_blank_argument, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
