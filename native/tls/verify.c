/*
 * What is demanded of a server's certificates beyond what OpenSSL checks: the same rules as in src/platform/tls/node-tls.ts.
 *
 * They are those of rustls and webpki: names from subjectAltName only, keys and signatures of today's strength, a CA
 * certificate is no server certificate, and a certificate is never trusted because it is itself in the list, unless it
 * is its own issuer.
 */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls.h"

static bool curve_fits(EVP_PKEY *key) {
  static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
  char name[64] = {0};
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof name, &length) != 1) return false;
  for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
    if (strcmp(name, curves[i]) == 0) return true;
  return false;
}

static bool key_fits(X509 *certificate) {
  EVP_PKEY *key = X509_get0_pubkey(certificate);
  if (!key) return false;
  if (EVP_PKEY_is_a(key, "EC")) return curve_fits(key);
  if (!EVP_PKEY_is_a(key, "RSA")) return EVP_PKEY_is_a(key, "ED25519");
  int bits = EVP_PKEY_get_bits(key);
  return bits >= 2048 && bits <= 8192;
}

/* Called for a path that OpenSSL accepts. */
static int complaint(X509_STORE_CTX *path) {
  STACK_OF(X509) *certificates = X509_STORE_CTX_get0_chain(path);
  X509 *leaf = sk_X509_value(certificates, 0);
  uint32_t kind = X509_get_extension_flags(leaf);
  if (kind & EXFLAG_CA) return X509_V_ERR_INVALID_PURPOSE;
  if (sk_X509_num(certificates) == 1 && !(kind & EXFLAG_SI)) return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
  for (int i = 0; i < sk_X509_num(certificates); i++)
    if (!key_fits(sk_X509_value(certificates, i))) return X509_V_ERR_CERT_REJECTED;
  return X509_V_OK;
}

/* OpenSSL calls this for each certificate of the path, the server's last. */
static int judge(int accepted, X509_STORE_CTX *path) {
  if (!accepted || X509_STORE_CTX_get_error_depth(path) > 0) return accepted;
  int why = complaint(path);
  if (why == X509_V_OK) return 1;
  X509_STORE_CTX_set_error(path, why);
  return 0;
}

void verify_strictly(SSL_CTX *settings) {
  X509_VERIFY_PARAM *rules = SSL_CTX_get0_param(settings);
  SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, judge);
  /* RSA from 2048 bits, no SHA-1, in the whole path. */
  SSL_CTX_set_security_level(settings, 2);
  /* Whatever issuer the user lists is trusted, also an intermediate CA whose root is not listed. */
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
}
