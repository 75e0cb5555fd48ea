/*
 * The steps of the handshake, and the thread on whose stack the step that needs a signature is suspended.
 *
 * OpenSSL asks for the signature in the middle of a step and wants it before it goes on. Just before that it asks
 * which certificate to use; there we stop it (SSL_ERROR_WANT_X509_LOOKUP) and take the step again in a thread. A server
 * that wants no certificate costs no thread.
 *
 * The two never run at the same time: the thread that hands the step over waits until it pauses or ends. Both is a
 * matter of microseconds, and sooner than the next turn of the event loop.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "tls.h"

/* OpenSSL calls this when the server asks for a certificate. Negative: stop here, come back later. */
int handshake_before_certificate(SSL *ssl, void *unused) {
  const struct connection *connection = SSL_get_app_data(ssl);
  (void)unused;
  return connection->may_stand_still ? 1 : -1;
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

/* ---- in the thread ---- */

/* Whose step this thread takes. Keys are shared by connections, so it is the thread that knows who is asked. */
static _Thread_local struct connection *signing;

static bool wait_for_signature(struct connection *connection) {
  while (connection->state == SIGNATURE_WANTED)
    pthread_cond_wait(&connection->changed, &connection->lock);
  return connection->state == SIGNATURE_GIVEN;
}

/* Called by the provider. One handshake asks once; anything else is refused, so a token never signs twice for it. */
size_t handshake_sign(int scheme, const uint8_t *message, size_t length, uint8_t *out, size_t capacity) {
  struct connection *connection = signing;
  size_t written = 0;
  if (!connection) return 0;
  pthread_mutex_lock(&connection->lock);
  if (connection->state == SIGNATURE_NOT_WANTED &&
      (connection->message = OPENSSL_memdup(message, length))) {
    connection->message_length = length;
    connection->scheme = scheme;
    connection->state = SIGNATURE_WANTED;
    pthread_cond_broadcast(&connection->changed);
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
  enum step came_to = step(connection);
  signing = NULL;
  pthread_mutex_lock(&connection->lock);
  connection->thread_step = came_to;
  connection->thread_over = true;
  pthread_cond_broadcast(&connection->changed);
  pthread_mutex_unlock(&connection->lock);
}

/* ---- on JavaScript's side ---- */

/* Under the lock. */
static enum step wait_for_thread(struct connection *connection) {
  while (!connection->thread_over && connection->state != SIGNATURE_WANTED)
    pthread_cond_wait(&connection->changed, &connection->lock);
  if (!connection->thread_over) return STEP_SIGN;
  connection->thread_running = false;
  return connection->thread_step;
}

static enum step step_in_thread(struct connection *connection) {
  connection->may_stand_still = connection->thread_running = true;
  connection->thread_over = false;
  int error = threads_run(take_step, connection);
  if (error != 0) {
    connection->thread_running = false;
    snprintf(connection->failure.reason, sizeof connection->failure.reason, "no thread: %s", strerror(error));
    return STEP_FAILED;
  }
  pthread_mutex_lock(&connection->lock);
  enum step came_to = wait_for_thread(connection);
  pthread_mutex_unlock(&connection->lock);
  return came_to;
}

/*
 * In TLS 1.2 the server still speaks after it has asked for the certificate. When that comes in pieces, the thread ends
 * early, and there is another one, until the signature is made.
 */
enum step handshake_step(struct connection *connection) {
  bool may_sign = connection->may_stand_still && connection->state == SIGNATURE_NOT_WANTED;
  enum step came_to = may_sign ? STEP_SIGN : step(connection);
  return came_to == STEP_SIGN ? step_in_thread(connection) : came_to;
}

enum step handshake_answer(struct connection *connection, const uint8_t *signature, size_t length) {
  pthread_mutex_lock(&connection->lock);
  connection->signature = signature && length > 0 ? OPENSSL_memdup(signature, length) : NULL;
  connection->signature_length = length;
  connection->state = connection->signature ? SIGNATURE_GIVEN : SIGNATURE_REFUSED;
  pthread_cond_broadcast(&connection->changed);
  enum step came_to = wait_for_thread(connection);
  pthread_mutex_unlock(&connection->lock);
  return came_to;
}
