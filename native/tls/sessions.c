/*
 * TLS 1.3 sessions for a later resumption: offered by the server after the handshake, handed to JavaScript, and given
 * back to the next connection to the same place.
 *
 * A session carries the binding it was made under: whom it may resume with. Under another binding it is not offered,
 * as a resumption shows no certificate that could be verified. TLS 1.2 sessions are not kept.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <time.h>

#include "tls.h"

/* The newest stay. Returning 1 keeps OpenSSL's reference. */
int sessions_keep(SSL *ssl, SSL_SESSION *session) {
  struct connection *connection = SSL_get_app_data(ssl);
  if (SSL_SESSION_get_protocol_version(session) != TLS1_3_VERSION || !SSL_SESSION_is_resumable(session)) return 0;
  if (connection->session_count == MOST_SESSIONS) {
    SSL_SESSION_free(connection->sessions[0]);
    connection->session_count--;
    memmove(connection->sessions, connection->sessions + 1, connection->session_count * sizeof *connection->sessions);
  }
  connection->sessions[connection->session_count++] = session;
  return 1;
}

int sessions_take(struct connection *connection, uint8_t **der, uint32_t *lifetime) {
  if (connection->session_count == 0) return 0;
  SSL_SESSION *session = connection->sessions[0];
  int length = i2d_SSL_SESSION(session, der);
  *lifetime = (uint32_t)SSL_SESSION_get_ticket_lifetime_hint(session);
  connection->session_count--;
  memmove(connection->sessions, connection->sessions + 1, connection->session_count * sizeof *connection->sessions);
  SSL_SESSION_free(session);
  return length;
}

void sessions_drop(struct connection *connection) {
  while (connection->session_count > 0) SSL_SESSION_free(connection->sessions[--connection->session_count]);
}

static bool is_bound(const SSL_SESSION *session, struct bytes binding) {
  unsigned length = 0;
  const unsigned char *made_under = SSL_SESSION_get0_id_context(session, &length);
  return length == binding.length && length > 0 && memcmp(made_under, binding.data, length) == 0;
}

/* A session that cannot be used costs a full handshake, nothing else. False: the binding cannot be set. */
bool sessions_offer(SSL *ssl, struct bytes der, struct bytes binding, int age_seconds) {
  const unsigned char *next = der.data;
  if (!binding.data) return true;
  if (SSL_set_session_id_context(ssl, binding.data, (unsigned)binding.length) != 1) return false;
  SSL_SESSION *session = der.data ? d2i_SSL_SESSION(NULL, &next, (long)der.length) : NULL;
  if (session && SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION && is_bound(session, binding)) {
    /* OpenSSL measures the age by wall time. */
    SSL_SESSION_set_time(session, (long)time(NULL) - age_seconds);
    SSL_set_session(ssl, session);
  }
  SSL_SESSION_free(session);
  ERR_clear_error();
  return true;
}
