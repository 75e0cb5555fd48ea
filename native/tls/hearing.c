/*
 * How JavaScript hears of the signing threads: one queue into each environment (main thread or worker of Node), which
 * by itself does not keep it from ending.
 */
#include <stdlib.h>
#include <string.h>

#include "tls.h"

/* Who hears of one thread. It ends with THREAD_OVER. */
struct listener {
  napi_threadsafe_function queue;
  napi_ref function;
};

/* In the queue: a listener, and in its lowest bit whether the thread is over. */
enum { OVER_BIT = 1 };

static void notify(void *context, enum thread_event event) {
  struct listener *listener = context;
  uintptr_t entry = (uintptr_t)listener | (event == THREAD_OVER ? OVER_BIT : 0);
  if (napi_call_threadsafe_function(listener->queue, (void *)entry, napi_tsfn_nonblocking) != napi_ok &&
      event == THREAD_OVER)
    free(listener); /* Node is closing down */
}

static void hear(napi_env env, napi_value unused, void *context, void *data) {
  bool is_over = (uintptr_t)data & OVER_BIT;
  struct listener *listener = (struct listener *)((uintptr_t)data & ~(uintptr_t)OVER_BIT);
  (void)unused;
  (void)context;
  if (env) { /* otherwise Node is closing down */
    napi_value function = NULL, undefined, over = value_bool(env, is_over);
    napi_get_undefined(env, &undefined);
    napi_get_reference_value(env, listener->function, &function);
    if (is_over) napi_delete_reference(env, listener->function);
    napi_call_function(env, undefined, function, 1, &over, NULL);
  }
  if (is_over) free(listener);
}

bool hearing_start(napi_env env) {
  napi_threadsafe_function queue;
  return napi_create_threadsafe_function(env, NULL, NULL, value_text(env, "tedge-tls"), 0, 1, NULL, NULL, NULL, hear,
                                         &queue) == napi_ok &&
         napi_unref_threadsafe_function(env, queue) == napi_ok &&
         napi_set_instance_data(env, queue, NULL, NULL) == napi_ok;
}

static struct listener *new_listener(napi_env env, napi_value function) {
  napi_valuetype type;
  void *queue = NULL;
  struct listener *listener = calloc(1, sizeof *listener);
  if (listener && napi_typeof(env, function, &type) == napi_ok && type == napi_function &&
      napi_get_instance_data(env, &queue) == napi_ok &&
      napi_create_reference(env, function, 1, &listener->function) == napi_ok) {
    listener->queue = queue;
    return listener;
  }
  free(listener);
  return NULL;
}

/* signInThread(connection, (over: boolean) => void) */
napi_value js_sign_in_thread(napi_env env, napi_callback_info info) {
  struct call call = call_begin(env, info, false);
  if (!call.connection) return NULL;
  struct listener *listener = new_listener(env, call.arguments[1]);
  if (!listener) {
    napi_throw_error(env, NULL, "no listener for the signing thread");
    return NULL;
  }
  int error = handshake_in_thread(call.connection, notify, listener);
  if (error != 0) {
    napi_delete_reference(env, listener->function);
    free(listener);
    napi_throw_error(env, NULL, strerror(error));
  }
  return NULL;
}
