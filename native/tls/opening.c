/*
 * Settings and connections as JavaScript objects: made from options, given to calls, freed at the latest by the garbage
 * collector.
 */
#include <stdlib.h>

#include "tls.h"

static const napi_type_tag connection_tag = {0x74656467652d746c, 0x732d636f6e6e6563};
static const napi_type_tag settings_tag = {0x74656467652d746c, 0x732d73657474696e};

static void at_exit(void *data) { connection_close(data); }

static void finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  napi_remove_env_cleanup_hook(env, at_exit, data);
  connection_free(data);
}

static napi_value wrap(napi_env env, struct connection *connection) {
  napi_value handle;
  if (napi_create_object(env, &handle) != napi_ok ||
      napi_wrap(env, handle, connection, finalize, NULL, NULL) != napi_ok) {
    connection_free(connection);
    return NULL;
  }
  napi_type_tag_object(env, handle, &connection_tag);
  napi_add_env_cleanup_hook(env, at_exit, connection);
  return handle;
}

static void drop_settings(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  settings_drop(data);
}

/* settings({ trusted, chain, minVersion }): freed by the garbage collector */
napi_value js_settings(napi_env env, napi_callback_info info) {
  napi_value object, handle = NULL;
  size_t count = 1;
  struct settings_options options = {0};
  struct failure failure = {.reason = "invalid settings"};
  SSL_CTX *settings = NULL;
  napi_get_cb_info(env, info, &count, &object, NULL, NULL);
  options.min_version = value_property_int(env, object, "minVersion", TLS1_2_VERSION);
  if (value_property_list(env, object, "trusted", &options.trusted, &options.trusted_count) &&
      value_property_list(env, object, "chain", &options.chain, &options.chain_count))
    settings = settings_make(&options, &failure);
  free(options.trusted);
  free(options.chain);
  if (!settings) {
    napi_throw_error(env, NULL, failure.reason);
    return NULL;
  }
  if (napi_create_object(env, &handle) != napi_ok ||
      napi_wrap(env, handle, settings, drop_settings, NULL, NULL) != napi_ok) {
    settings_drop(settings);
    return NULL;
  }
  napi_type_tag_object(env, handle, &settings_tag);
  return handle;
}

/* open(settings, { host | ip, alpn, binding, session, sessionAge }) */
napi_value js_open(napi_env env, napi_callback_info info) {
  napi_value arguments[2], handle = NULL;
  size_t count = 2;
  struct connection_options options = {0};
  struct failure failure = {.reason = "invalid settings"};
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  options.settings = value_tagged(env, arguments[0], &settings_tag, "not TLS settings");
  if (!options.settings) return NULL;
  char *host = value_property_text(env, arguments[1], "host", &options.host_length);
  char *ip = value_property_text(env, arguments[1], "ip", NULL);
  options.host = host;
  options.ip = ip;
  value_property_bytes(env, arguments[1], "alpn", &options.alpn);
  value_property_bytes(env, arguments[1], "binding", &options.binding);
  value_property_bytes(env, arguments[1], "session", &options.session);
  options.session_age = value_property_int(env, arguments[1], "sessionAge", 0);
  struct connection *connection = connection_open(&options, &failure);
  handle = connection ? wrap(env, connection) : NULL;
  free(host);
  free(ip);
  if (!handle) napi_throw_error(env, NULL, failure.reason);
  return handle;
}

/* ---- calls with a connection ---- */

struct call call_begin(napi_env env, napi_callback_info info, bool also_while_signing) {
  struct call call = {.connection = NULL};
  size_t count = 2;
  napi_get_cb_info(env, info, &count, call.arguments, NULL, NULL);
  struct connection *connection = value_tagged(env, call.arguments[0], &connection_tag, "not a TLS connection");
  if (!connection) return call;
  if (!connection->open)
    napi_throw_error(env, NULL, "the TLS connection is closed");
  else if (connection->thread_running && !also_while_signing)
    napi_throw_error(env, NULL, "the TLS connection waits for a signature");
  else
    call.connection = connection;
  return call;
}
