/*
 * One TLS connection: how it is set up, and how it ends.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

static atomic_int open_connections;

int connection_count(void) { return atomic_load(&open_connections); }

static X509 *certificate(struct bytes der) {
  const unsigned char *next = der.data;
  X509 *parsed = X509_new_ex(provider_library, NULL);
  if (parsed) d2i_X509(&parsed, &next, (long)der.length); /* sets it to NULL when it cannot be parsed */
  return parsed;
}

/* One certificate in a bundle that cannot be parsed must not take the others' trust away. */
static bool trust(X509_STORE *store, const struct bytes *list, size_t count) {
  bool any = false;
  for (size_t i = 0; i < count; i++) {
    X509 *authority = certificate(list[i]);
    if (authority && X509_STORE_add_cert(store, authority) == 1) any = true;
    X509_free(authority);
  }
  if (any) ERR_clear_error();
  return any;
}

/*
 * For ECDSA the scheme that belongs to the curve, as in TLS 1.3, also in TLS 1.2: tokens and their drivers are used
 * to no other pair of curve and hash.
 */
static const char *schemes_for(EVP_PKEY *key) {
  if (EVP_PKEY_is_a(key, "ED25519")) return "ed25519";
  if (!EVP_PKEY_is_a(key, "EC"))
    return "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
           "RSA+SHA256:RSA+SHA384:RSA+SHA512";
  int bits = EVP_PKEY_get_bits(key);
  return bits == 256 ? "ECDSA+SHA256" : bits == 384 ? "ECDSA+SHA384" : "ECDSA+SHA512";
}

static bool use_chain(struct connection *connection, const struct bytes *chain, size_t count) {
  struct signer signer = {handshake_sign, connection};
  X509 *leaf = count > 0 ? certificate(chain[0]) : NULL;
  EVP_PKEY *key = leaf ? provider_key(leaf, signer) : NULL;
  bool done = key && SSL_CTX_use_certificate(connection->settings, leaf) == 1 &&
              SSL_CTX_use_PrivateKey(connection->settings, key) == 1 &&
              SSL_CTX_check_private_key(connection->settings) == 1 &&
              SSL_CTX_set1_client_sigalgs_list(connection->settings, schemes_for(key)) == 1;
  for (size_t i = 1; done && i < count; i++) {
    X509 *issuer = certificate(chain[i]);
    done = issuer && SSL_CTX_add0_chain_cert(connection->settings, issuer) == 1;
    if (!done) X509_free(issuer);
  }
  EVP_PKEY_free(key);
  X509_free(leaf);
  return done;
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
  struct connection *connection = SSL_get_app_data(ssl);
  SSL_SESSION_free(connection->session);
  connection->session = session;
  return 1; /* the reference is ours now */
}

static bool apply_settings(struct connection *connection, const struct connection_options *options) {
  SSL_CTX *settings = connection->settings = SSL_CTX_new_ex(provider_library, NULL, TLS_client_method());
  if (!settings) return false;
  SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_options(settings, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(settings, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(settings, keep_session);
  SSL_CTX_set_cert_cb(settings, handshake_before_certificate, connection);
  /* For TLS 1.2: forward secrecy and AEAD only, as thin-edge's rustls offers. */
  if (!SSL_CTX_set_cipher_list(settings, "ECDHE+AESGCM:ECDHE+CHACHA20")) return false;
  if (!SSL_CTX_set_min_proto_version(settings, options->min_version)) return false;
  if (!SSL_CTX_set_max_proto_version(settings, TLS1_3_VERSION)) return false;
  if (options->alpn.data && SSL_CTX_set_alpn_protos(settings, options->alpn.data, (unsigned)options->alpn.length) != 0)
    return false;
  X509_VERIFY_PARAM *rules = SSL_CTX_get0_param(settings);
  /* Whatever the user lists is trusted, also an intermediate CA whose root is not listed (as rustls does). */
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return trust(SSL_CTX_get_cert_store(settings), options->trusted, options->trusted_count) &&
         use_chain(connection, options->chain, options->chain_count);
}

/* Who the server must be. There is no way to leave this out. */
static bool expect_server(SSL *ssl, const struct connection_options *options) {
  X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);
  if (options->ip) return X509_VERIFY_PARAM_set1_ip_asc(rules, options->ip) == 1;
  if (!options->host || options->host_length == 0) return false;
  return X509_VERIFY_PARAM_set1_host(rules, options->host, options->host_length) == 1 &&
         SSL_set_tlsext_host_name(ssl, options->host) == 1;
}

/* A session that cannot be parsed or has run out costs a full handshake, nothing else. */
static void offer_session(SSL *ssl, struct bytes der) {
  const unsigned char *next = der.data;
  SSL_SESSION *session = der.data ? d2i_SSL_SESSION(NULL, &next, (long)der.length) : NULL;
  if (session) SSL_set_session(ssl, session);
  SSL_SESSION_free(session);
  ERR_clear_error();
}

static bool make_ssl(struct connection *connection, const struct connection_options *options) {
  SSL *ssl = connection->ssl = SSL_new(connection->settings);
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
  offer_session(ssl, options->session);
  return expect_server(ssl, options);
}

struct connection *connection_open(const struct connection_options *options, struct failure *failure) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) return NULL;
  ERR_clear_error();
  atomic_fetch_add(&open_connections, 1);
  connection->open = true;
  pthread_mutex_init(&connection->lock, NULL);
  pthread_cond_init(&connection->changed, NULL);
  if (apply_settings(connection, options) && make_ssl(connection, options)) {
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

int connection_take_session(struct connection *connection, uint8_t **der) {
  int length = connection->session ? i2d_SSL_SESSION(connection->session, der) : 0;
  SSL_SESSION_free(connection->session);
  connection->session = NULL;
  return length;
}

void connection_close(struct connection *connection) {
  pthread_mutex_lock(&connection->lock);
  connection->closing = true;
  pthread_cond_broadcast(&connection->changed);
  pthread_mutex_unlock(&connection->lock);
  /* Short: a thread that waited for the signature now fails its step at once. */
  if (connection->thread_running) handshake_join(connection);
  if (connection->open) atomic_fetch_sub(&open_connections, 1);
  connection->open = false;
  SSL_free(connection->ssl);
  SSL_SESSION_free(connection->session);
  SSL_CTX_free(connection->settings);
  connection->ssl = NULL;
  connection->session = NULL;
  connection->settings = NULL;
}

void connection_free(struct connection *connection) {
  connection_close(connection);
  pthread_mutex_destroy(&connection->lock);
  pthread_cond_destroy(&connection->changed);
  free(connection);
}
