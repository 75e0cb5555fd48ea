/*
 * What JavaScript sees: functions over a connection. src/platform/tls/tls-addon.ts has their types.
 *
 * Nothing here calls OpenSSL, and nothing waits for the signer.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

static napi_value step_name(napi_env env, enum step step) {
  static const char *const names[] = {"read", "done", "sign", "failed"};
  return value_text(env, names[step]);
}

static napi_value js_close(napi_env env, napi_callback_info info) {
  struct call call = call_begin(env, info, true);
  if (call.connection) connection_close(call.connection);
  return NULL;
}

/* ---- handshake ---- */

static napi_value js_advance(napi_env env, napi_callback_info info) {
  struct call call = call_begin(env, info, false);
  return call.connection ? step_name(env, handshake_step(call.connection)) : NULL;
}

static napi_value js_signature_request(napi_env env, napi_callback_info info) {
  napi_value request = NULL;
  struct call call = call_begin(env, info, true);
  if (!call.connection) return NULL;
  struct connection *connection = call.connection;
  if (connection->thread_running && napi_create_object(env, &request) == napi_ok) {
    value_set(env, request, "scheme", value_int(env, connection->scheme));
    value_set(env, request, "message", value_buffer(env, connection->message, connection->message_length));
  }
  return request;
}

/* answerSignature(connection, signature | undefined): the step, or undefined when none was wanted */
static napi_value js_answer_signature(napi_env env, napi_callback_info info) {
  struct bytes signature = {0};
  struct call call = call_begin(env, info, true);
  if (!call.connection || !call.connection->thread_running) return NULL;
  value_bytes(env, call.arguments[1], &signature);
  return step_name(env, handshake_answer(call.connection, signature.data, signature.length));
}

/* ---- bytes ---- */

static napi_value js_feed(napi_env env, napi_callback_info info) {
  struct bytes ciphertext = {0};
  struct call call = call_begin(env, info, false);
  if (!call.connection) return NULL;
  if (!value_bytes(env, call.arguments[1], &ciphertext) || !records_feed(call.connection, ciphertext))
    napi_throw_error(env, NULL, "ciphertext not taken");
  return NULL;
}

/* take(connection): what is to be sent, or undefined */
static napi_value js_take(napi_env env, napi_callback_info info) {
  void *out = NULL;
  napi_value buffer = NULL;
  struct call call = call_begin(env, info, false);
  size_t length = call.connection ? records_pending(call.connection) : 0;
  if (length == 0 || napi_create_buffer(env, length, &out, &buffer) != napi_ok) return NULL;
  if (!records_take(call.connection, out, length)) napi_throw_error(env, NULL, "ciphertext not taken");
  return buffer;
}

static napi_value js_read(napi_env env, napi_callback_info info) {
  static _Thread_local uint8_t plaintext[64 * 1024];
  static const char *const names[] = {"", "wait", "closed", "failed"};
  size_t length = 0;
  struct call call = call_begin(env, info, false);
  if (!call.connection) return NULL;
  enum read_result result = records_read(call.connection, plaintext, sizeof plaintext, &length);
  napi_value answer = result == READ_BYTES ? value_buffer(env, plaintext, length) : value_text(env, names[result]);
  OPENSSL_cleanse(plaintext, length);
  return answer;
}

/* write(connection, plaintext): whether it was taken */
static napi_value js_write(napi_env env, napi_callback_info info) {
  struct bytes plaintext = {0};
  struct call call = call_begin(env, info, false);
  if (!call.connection) return NULL;
  return value_bool(env, value_bytes(env, call.arguments[1], &plaintext) && records_write(call.connection, plaintext));
}

static napi_value js_close_notify(napi_env env, napi_callback_info info) {
  struct call call = call_begin(env, info, false);
  if (call.connection) records_close_notify(call.connection);
  return NULL;
}

/* ---- facts ---- */

static napi_value js_failure(napi_env env, napi_callback_info info) {
  napi_value facts = NULL;
  struct call call = call_begin(env, info, false);
  if (!call.connection || napi_create_object(env, &facts) != napi_ok) return NULL;
  const struct failure *failure = &call.connection->failure;
  value_set(env, facts, "reason", value_text(env, failure->reason));
  value_set(env, facts, "verifyText", value_text(env, failure->verify_text));
  value_set(env, facts, "verifyCode", value_int(env, failure->verify_code));
  value_set(env, facts, "alert", value_int(env, failure->alert));
  return facts;
}

static napi_value js_negotiated(napi_env env, napi_callback_info info) {
  napi_value facts = NULL;
  struct call call = call_begin(env, info, false);
  if (!call.connection || napi_create_object(env, &facts) != napi_ok) return NULL;
  struct negotiated negotiated = connection_negotiated(call.connection);
  value_set(env, facts, "protocol", value_text(env, negotiated.protocol));
  value_set(env, facts, "cipher", value_text(env, negotiated.cipher));
  value_set(env, facts, "alpn", value_buffer(env, negotiated.alpn.data, negotiated.alpn.length));
  value_set(env, facts, "resumed", value_bool(env, negotiated.resumed));
  return facts;
}

/* peerCertificates(connection): DER, the server's own first; empty before the handshake is over */
static napi_value js_peer_certificates(napi_env env, napi_callback_info info) {
  napi_value list = NULL;
  struct call call = call_begin(env, info, false);
  if (!call.connection || napi_create_array(env, &list) != napi_ok) return NULL;
  for (int index = 0;; index++) {
    uint8_t *der = NULL;
    int length = connection_peer_certificate(call.connection, index, &der);
    if (length == 0) return list;
    napi_value buffer = value_buffer(env, der, (size_t)length);
    OPENSSL_free(der);
    if (!buffer || napi_set_element(env, list, (uint32_t)index, buffer) != napi_ok) return NULL;
  }
}

/* takeSession(connection): { der, lifetime }, each session once */
static napi_value js_take_session(napi_env env, napi_callback_info info) {
  uint8_t *der = NULL;
  uint32_t lifetime = 0;
  napi_value session = NULL;
  struct call call = call_begin(env, info, false);
  int length = call.connection ? sessions_take(call.connection, &der, &lifetime) : 0;
  if (length > 0 && napi_create_object(env, &session) == napi_ok) {
    value_set(env, session, "der", value_buffer(env, der, (size_t)length));
    value_set(env, session, "lifetime", value_int(env, lifetime > INT32_MAX ? INT32_MAX : (int)lifetime));
  }
  OPENSSL_clear_free(der, length > 0 ? (size_t)length : 0);
  return session;
}

static napi_value js_connections(napi_env env, napi_callback_info info) {
  (void)info;
  return value_int(env, connection_count());
}

static napi_value js_settings_kept(napi_env env, napi_callback_info info) {
  (void)info;
  return value_int(env, settings_count());
}

/* ---- start ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char unusable[160];

static void start_once(void) {
  const char *missing = symbols_missing();
  if (missing)
    snprintf(unusable, sizeof unusable, "this Node does not offer %s", missing);
  else if (OPENSSL_version_major() != OPENSSL_VERSION_MAJOR)
    snprintf(unusable, sizeof unusable, "built for OpenSSL %d, this Node has %s", OPENSSL_VERSION_MAJOR,
             OpenSSL_version(OPENSSL_VERSION_STRING));
  else if (!provider_start())
    snprintf(unusable, sizeof unusable, "OpenSSL %s does not take a provider", OpenSSL_version(OPENSSL_VERSION_STRING));
}

NAPI_MODULE_INIT() {
  static const napi_property_descriptor functions[] = {
      {"settings", NULL, js_settings, NULL, NULL, NULL, napi_enumerable, NULL},
      {"open", NULL, js_open, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, js_close, NULL, NULL, NULL, napi_enumerable, NULL},
      {"advance", NULL, js_advance, NULL, NULL, NULL, napi_enumerable, NULL},
      {"signatureRequest", NULL, js_signature_request, NULL, NULL, NULL, napi_enumerable, NULL},
      {"answerSignature", NULL, js_answer_signature, NULL, NULL, NULL, napi_enumerable, NULL},
      {"feed", NULL, js_feed, NULL, NULL, NULL, napi_enumerable, NULL},
      {"take", NULL, js_take, NULL, NULL, NULL, napi_enumerable, NULL},
      {"read", NULL, js_read, NULL, NULL, NULL, napi_enumerable, NULL},
      {"write", NULL, js_write, NULL, NULL, NULL, napi_enumerable, NULL},
      {"closeNotify", NULL, js_close_notify, NULL, NULL, NULL, napi_enumerable, NULL},
      {"failure", NULL, js_failure, NULL, NULL, NULL, napi_enumerable, NULL},
      {"negotiated", NULL, js_negotiated, NULL, NULL, NULL, napi_enumerable, NULL},
      {"peerCertificates", NULL, js_peer_certificates, NULL, NULL, NULL, napi_enumerable, NULL},
      {"takeSession", NULL, js_take_session, NULL, NULL, NULL, napi_enumerable, NULL},
      {"connections", NULL, js_connections, NULL, NULL, NULL, napi_enumerable, NULL},
      {"settingsKept", NULL, js_settings_kept, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  pthread_once(&once, start_once);
  if (unusable[0])
    napi_throw_error(env, NULL, unusable);
  else
    napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
