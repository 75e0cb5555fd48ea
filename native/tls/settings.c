/*
 * What connections to one place have in common: whom they trust, who they are, what they offer. Parsed once; nothing of
 * it changes afterwards, so many connections share it, also from several threads.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "tls.h"

static atomic_int kept_settings;

int settings_count(void) { return atomic_load(&kept_settings); }

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

static bool use_chain(SSL_CTX *settings, const struct bytes *chain, size_t count) {
  X509 *leaf = count > 0 ? certificate(chain[0]) : NULL;
  EVP_PKEY *key = leaf ? provider_key(leaf) : NULL;
  bool done = key && SSL_CTX_use_certificate(settings, leaf) == 1 &&
              SSL_CTX_use_PrivateKey(settings, key) == 1 &&
              SSL_CTX_check_private_key(settings) == 1 &&
              SSL_CTX_set1_client_sigalgs_list(settings, schemes_for(key)) == 1;
  for (size_t i = 1; done && i < count; i++) {
    X509 *issuer = certificate(chain[i]);
    done = issuer && SSL_CTX_add0_chain_cert(settings, issuer) == 1;
    if (!done) X509_free(issuer);
  }
  EVP_PKEY_free(key);
  X509_free(leaf);
  return done;
}

static bool apply(SSL_CTX *settings, const struct settings_options *options) {
  SSL_CTX_set_options(settings, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(settings, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(settings, sessions_keep);
  SSL_CTX_set_cert_cb(settings, handshake_before_certificate, NULL);
  /* For TLS 1.2: forward secrecy and AEAD only, as thin-edge's rustls offers. */
  if (!SSL_CTX_set_cipher_list(settings, "ECDHE+AESGCM:ECDHE+CHACHA20")) return false;
  if (!SSL_CTX_set_min_proto_version(settings, options->min_version)) return false;
  if (!SSL_CTX_set_max_proto_version(settings, TLS1_3_VERSION)) return false;
  verify_strictly(settings);
  return trust(SSL_CTX_get_cert_store(settings), options->trusted, options->trusted_count) &&
         use_chain(settings, options->chain, options->chain_count);
}

SSL_CTX *settings_make(const struct settings_options *options, struct failure *failure) {
  ERR_clear_error();
  SSL_CTX *settings = SSL_CTX_new_ex(provider_library, NULL, TLS_client_method());
  if (settings && apply(settings, options)) {
    ERR_clear_error();
    atomic_fetch_add(&kept_settings, 1);
    return settings;
  }
  failure_read(failure, NULL);
  SSL_CTX_free(settings);
  return NULL;
}

void settings_drop(SSL_CTX *settings) {
  atomic_fetch_sub(&kept_settings, 1);
  SSL_CTX_free(settings); /* open connections keep what they need */
}
