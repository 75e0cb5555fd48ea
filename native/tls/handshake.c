/*
 * The steps of the handshake, and the thread in which the one step runs that needs a signature.
 *
 * OpenSSL asks for the signature in the middle of a step and wants it before it goes on. Just before that it asks
 * which certificate to use; there we stop it (SSL_ERROR_WANT_X509_LOOKUP) and take the step again in a thread, where
 * waiting hurts nobody. A server that wants no certificate costs no thread.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "tls.h"

/* OpenSSL calls this when the server asks for a certificate. Negative: stop here, come back later. */
int handshake_before_certificate(SSL *ssl, void *unused) {
  const struct connection *connection = SSL_get_app_data(ssl);
  (void)unused;
  return connection->may_block ? 1 : -1;
}

static enum step step(struct connection *connection) {
  ERR_clear_error();
  int done = SSL_do_handshake(connection->ssl);
  int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(connection->ssl, done);
  switch (why) {
    case SSL_ERROR_NONE:
      connection->established = true;
      ERR_clear_error();
      return STEP_DONE;
    case SSL_ERROR_WANT_READ:
      ERR_clear_error();
      return STEP_READ;
    case SSL_ERROR_WANT_X509_LOOKUP:
      ERR_clear_error();
      return STEP_SIGN;
    default:
      failure_read(&connection->failure, connection->ssl);
      return STEP_FAILED;
  }
}

/*
 * In TLS 1.2 the server still speaks after it has asked for the certificate. When that comes in pieces, the thread ends
 * early, and there is another one: until the signature is made no step may be taken on the event loop.
 */
enum step handshake_step(struct connection *connection) {
  bool may_sign = connection->may_block && connection->state == SIGNATURE_NOT_WANTED;
  return may_sign ? STEP_SIGN : step(connection);
}

/* ---- in the thread ---- */

/* Whose step this thread takes. Keys are shared by connections, so it is the thread that knows who is asked. */
static _Thread_local struct connection *signing;

static bool wait_for_signature(struct connection *connection) {
  while (connection->state == SIGNATURE_WANTED && !connection->closing)
    pthread_cond_wait(&connection->changed, &connection->lock);
  return connection->state == SIGNATURE_GIVEN && !connection->closing;
}

/* Called by the provider. One handshake asks once; anything else is refused, so a token never signs twice for it. */
size_t handshake_sign(int scheme, const uint8_t *message, size_t length, uint8_t *out, size_t capacity) {
  struct connection *connection = signing;
  size_t written = 0;
  if (!connection) return 0;
  pthread_mutex_lock(&connection->lock);
  if (connection->thread_running && connection->state == SIGNATURE_NOT_WANTED && !connection->closing &&
      (connection->message = OPENSSL_memdup(message, length))) {
    connection->message_length = length;
    connection->scheme = scheme;
    connection->state = SIGNATURE_WANTED;
    napi_call_threadsafe_function(connection->notify, (void *)(intptr_t)THREAD_WANTS_SIGNATURE, napi_tsfn_nonblocking);
    if (wait_for_signature(connection) && connection->signature_length <= capacity) {
      written = connection->signature_length;
      memcpy(out, connection->signature, written);
    }
    OPENSSL_free(connection->message);
    OPENSSL_free(connection->signature);
    connection->message = connection->signature = NULL;
  }
  pthread_mutex_unlock(&connection->lock);
  return written;
}

static void *thread_main(void *context) {
  struct connection *connection = context;
  napi_threadsafe_function notify = connection->notify;
  signing = connection;
  connection->thread_step = step(connection);
  OPENSSL_thread_stop_ex(provider_library);
  /* When Node is closing down, the refused call has given our hold on `notify` back; then it may not be touched again. */
  if (napi_call_threadsafe_function(notify, (void *)(intptr_t)THREAD_OVER, napi_tsfn_nonblocking) != napi_closing)
    napi_release_threadsafe_function(notify, napi_tsfn_release);
  return NULL;
}

/* ---- on JavaScript's side ---- */

int handshake_in_thread(struct connection *connection, napi_threadsafe_function notify) {
  enum { STACK = 512 * 1024 }; /* musl's default of 128 KB is little for OpenSSL */
  pthread_attr_t attributes;
  connection->notify = notify;
  connection->may_block = connection->thread_running = true;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  int error = pthread_create(&connection->thread, &attributes, thread_main, connection);
  pthread_attr_destroy(&attributes);
  if (error != 0) connection->thread_running = false;
  return error;
}

enum step handshake_join(struct connection *connection) {
  pthread_join(connection->thread, NULL);
  connection->thread_running = false;
  return connection->thread_step;
}

void handshake_answer(struct connection *connection, const uint8_t *signature, size_t length) {
  pthread_mutex_lock(&connection->lock);
  if (connection->state == SIGNATURE_WANTED) {
    connection->signature = signature && length > 0 ? OPENSSL_memdup(signature, length) : NULL;
    connection->signature_length = length;
    connection->state = connection->signature ? SIGNATURE_GIVEN : SIGNATURE_REFUSED;
    pthread_cond_broadcast(&connection->changed);
  }
  pthread_mutex_unlock(&connection->lock);
}
