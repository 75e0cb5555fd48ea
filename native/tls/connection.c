/*
 * One TLS connection: how it is set up, and how it ends.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

static atomic_int open_connections;

int connection_count(void) { return atomic_load(&open_connections); }

/* Who the server must be. There is no way to leave this out. */
static bool expect_server(SSL *ssl, const struct connection_options *options) {
  X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
  if (options->ip) return X509_VERIFY_PARAM_set1_ip_asc(rules, options->ip) == 1;
  if (!options->host || options->host_length == 0) return false;
  return X509_VERIFY_PARAM_set1_host(rules, options->host, options->host_length) == 1 &&
         SSL_set_tlsext_host_name(ssl, options->host) == 1;
}

static bool make_ssl(struct connection *connection, const struct connection_options *options) {
  SSL *ssl = connection->ssl = SSL_new(options->settings);
  if (!ssl) return false;
  connection->from_network = BIO_new(BIO_s_mem());
  connection->to_network = BIO_new(BIO_s_mem());
  if (!connection->from_network || !connection->to_network) {
    BIO_free(connection->from_network);
    BIO_free(connection->to_network);
    return false;
  }
  /* An empty buffer means "wait", not "the connection ended". */
  BIO_set_mem_eof_return(connection->from_network, -1);
  BIO_set_mem_eof_return(connection->to_network, -1);
  SSL_set_bio(ssl, connection->from_network, connection->to_network);
  SSL_set_connect_state(ssl);
  SSL_set_app_data(ssl, connection);
  if (!sessions_offer(ssl, options->session, options->binding, options->session_age)) return false;
  if (options->alpn.data && SSL_set_alpn_protos(ssl, options->alpn.data, (unsigned)options->alpn.length) != 0)
    return false;
  return expect_server(ssl, options);
}

struct connection *connection_open(const struct connection_options *options, struct failure *failure) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) return NULL;
  ERR_clear_error();
  atomic_fetch_add(&open_connections, 1);
  connection->open = true;
  connection->failure.alert = -1;
  pthread_mutex_init(&connection->lock, NULL);
  pthread_cond_init(&connection->changed, NULL);
  if (make_ssl(connection, options)) {
    ERR_clear_error();
    return connection;
  }
  failure_read(failure, NULL);
  connection_free(connection);
  return NULL;
}

struct negotiated connection_negotiated(const struct connection *connection) {
  struct negotiated negotiated = {0};
  unsigned alpn_length = 0;
  SSL_get0_alpn_selected(connection->ssl, &negotiated.alpn.data, &alpn_length);
  const char *cipher = SSL_get_cipher_name(connection->ssl);
  negotiated.alpn.length = alpn_length;
  negotiated.protocol = SSL_get_version(connection->ssl);
  negotiated.cipher = cipher ? cipher : "";
  negotiated.resumed = SSL_session_reused(connection->ssl) == 1;
  return negotiated;
}

int connection_peer_certificate(const struct connection *connection, int index, uint8_t **der) {
  STACK_OF(X509) *sent = connection->established ? SSL_get_peer_cert_chain(connection->ssl) : NULL;
  *der = NULL;
  if (!sent || index >= sk_X509_num(sent)) return 0;
  int length = i2d_X509(sk_X509_value(sent, index), der);
  return length > 0 ? length : 0;
}

void connection_close(struct connection *connection) {
  if (connection->thread_running) handshake_answer(connection, NULL, 0);
  if (connection->open) atomic_fetch_sub(&open_connections, 1);
  connection->open = false;
  SSL_free(connection->ssl);
  sessions_drop(connection);
  connection->ssl = NULL;
}

void connection_free(struct connection *connection) {
  connection_close(connection);
  pthread_mutex_destroy(&connection->lock);
  pthread_cond_destroy(&connection->changed);
  free(connection);
}
