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
    connection->notify(connection->listener, THREAD_WANTS_SIGNATURE);
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

static void take_step(void *context) {
  struct connection *connection = context;
  signing = connection;
  connection->thread_step = step(connection);
  signing = NULL;
  connection->notify(connection->listener, THREAD_OVER);
  pthread_mutex_lock(&connection->lock);
  connection->thread_over = true;
  pthread_cond_broadcast(&connection->changed);
  pthread_mutex_unlock(&connection->lock);
}

/* ---- on JavaScript's side ---- */

int handshake_in_thread(struct connection *connection, notify_function notify, void *listener) {
  connection->notify = notify;
  connection->listener = listener;
  connection->may_block = connection->thread_running = true;
  connection->thread_over = false;
  int error = threads_run(take_step, connection);
  if (error != 0) connection->thread_running = false;
  return error;
}

enum step handshake_join(struct connection *connection) {
  pthread_mutex_lock(&connection->lock);
  while (!connection->thread_over) pthread_cond_wait(&connection->changed, &connection->lock);
  pthread_mutex_unlock(&connection->lock);
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
