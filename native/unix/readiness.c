/*
 * Tells when descriptors can be read or written: one epoll set for all of them, and one handle in Node's event loop
 * that watches the set. Edge-triggered: told once, then again when there is something new.
 *
 * The handle belongs to the loop until it has closed, the object to JavaScript until it is collected; what is freed
 * last is freed by the last of them. An environment that ends before `close` (a worker) closes it by its hook.
 */
#include <errno.h>
#include <node_api.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "unix.h"

enum { AT_ONCE = 64 };

typedef struct {
  napi_env env;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  napi_ref on_ready;
  uv_poll_t handle;
  int set;
  bool is_closing, is_closed, is_collected;
} Readiness;

static void free_if_done(Readiness *self) {
  if (self->is_closed && self->is_collected) free(self);
}

static void on_closed(uv_handle_t *handle) {
  Readiness *self = handle->data;
  close(self->set);
  napi_remove_async_cleanup_hook(self->hook);
  self->is_closed = true;
  free_if_done(self);
}

static void end_watching(Readiness *self) {
  if (self->is_closing) return;
  self->is_closing = true;
  napi_delete_reference(self->env, self->on_ready);
  napi_async_destroy(self->env, self->context);
  uv_close((uv_handle_t *)&self->handle, on_closed);
}

static void on_environment_ends(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  end_watching(data);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  Readiness *self = data;
  self->is_collected = true;
  free_if_done(self);
}

/* onReady([descriptor, ...]) */
static void call_back(Readiness *self, const struct epoll_event *events, int count) {
  napi_env env = self->env;
  napi_handle_scope scope;
  napi_value list, function, receiver, error;
  napi_open_handle_scope(env, &scope);
  napi_create_array_with_length(env, (size_t)count, &list);
  for (int i = 0; i < count; i++) {
    napi_value descriptor;
    napi_create_int32(env, events[i].data.fd, &descriptor);
    napi_set_element(env, list, (uint32_t)i, descriptor);
  }
  napi_get_reference_value(env, self->on_ready, &function);
  napi_get_global(env, &receiver);
  if (napi_make_callback(env, self->context, receiver, function, 1, &list, NULL) == napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
  napi_close_handle_scope(env, scope);
}

static void on_set_readable(uv_poll_t *handle, int status, int which) {
  (void)which;
  Readiness *self = handle->data;
  struct epoll_event events[AT_ONCE];
  int count = status < 0 ? 0 : epoll_wait(self->set, events, AT_ONCE, 0);
  if (count > 0) call_back(self, events, count);
}

static napi_value number(napi_env env, int value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

static void give_name(Readiness *self) {
  napi_value name;
  napi_create_string_utf8(self->env, "tedge.Readiness", NAPI_AUTO_LENGTH, &name);
  napi_async_init(self->env, NULL, name, &self->context);
}

/* openReadiness(onReady): a handle for the functions below, or an errno */
napi_value unix_open_readiness(napi_env env, napi_callback_info info) {
  napi_value on_ready, result = NULL;
  size_t count = 1;
  uv_loop_t *loop;
  napi_get_cb_info(env, info, &count, &on_ready, NULL, NULL);
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return number(env, ENOSYS);
  Readiness *self = calloc(1, sizeof *self);
  if (!self) return number(env, ENOMEM);
  self->env = env;
  self->set = epoll_create1(EPOLL_CLOEXEC);
  int error = self->set < 0 ? errno : -uv_poll_init(loop, &self->handle, self->set);
  if (error != 0) {
    if (self->set >= 0) close(self->set);
    free(self);
    return number(env, error);
  }
  self->handle.data = self;
  give_name(self);
  napi_create_reference(env, on_ready, 1, &self->on_ready);
  napi_add_async_cleanup_hook(env, on_environment_ends, self, &self->hook);
  napi_create_external(env, self, on_collected, NULL, &result);
  uv_poll_start(&self->handle, UV_READABLE, on_set_readable);
  return result;
}

static Readiness *self_of(napi_env env, napi_value value) {
  void *self = NULL;
  return napi_get_value_external(env, value, &self) == napi_ok ? self : NULL;
}

/* watch(readiness, descriptor, forWriting): 0 or an errno; again, to wait for something else */
napi_value unix_watch(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  int32_t descriptor = -1;
  bool for_writing = false;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_int32(env, arguments[1], &descriptor);
  napi_get_value_bool(env, arguments[2], &for_writing);
  Readiness *self = self_of(env, arguments[0]);
  if (!self || self->is_closing) return number(env, EBADF);
  struct epoll_event wanted = {.events = (for_writing ? EPOLLOUT : EPOLLIN) | EPOLLET, .data.fd = descriptor};
  int failed = epoll_ctl(self->set, EPOLL_CTL_ADD, descriptor, &wanted);
  if (failed && errno == EEXIST) failed = epoll_ctl(self->set, EPOLL_CTL_MOD, descriptor, &wanted);
  return number(env, failed ? errno : 0);
}

/* closeReadiness(readiness): no callback runs after it */
napi_value unix_close_readiness(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  Readiness *self = self_of(env, argument);
  if (self) end_watching(self);
  return NULL;
}
