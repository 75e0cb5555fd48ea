/*
 * What JavaScript sees. src/platform/unix-addon.ts has the types.
 *
 * A system call that fails answers its errno; Node has the names.
 */
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

/* peerCredentials(socket): [pid, uid, gid], or an errno */
static napi_value js_peer_credentials(napi_env env, napi_callback_info info) {
  struct ucred peer;
  napi_value list = NULL;
  int error = unix_peer_credentials(number_argument(env, info), &peer);
  if (error != 0) return number(env, error);
  napi_create_array_with_length(env, 3, &list);
  napi_set_element(env, list, 0, number(env, peer.pid));
  napi_set_element(env, list, 1, number(env, peer.uid));
  napi_set_element(env, list, 2, number(env, peer.gid));
  return list;
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
      {"peerCredentials", NULL, js_peer_credentials, NULL, NULL, NULL, napi_enumerable, NULL},
      {"lock", NULL, js_lock, NULL, NULL, NULL, napi_enumerable, NULL},
      {"unlock", NULL, js_unlock, NULL, NULL, NULL, napi_enumerable, NULL},
      {"notify", NULL, js_notify, NULL, NULL, NULL, napi_enumerable, NULL},
      {"endWithParent", NULL, js_end_with_parent, NULL, NULL, NULL, napi_enumerable, NULL},
      {"blankArgument", NULL, js_blank_argument, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
