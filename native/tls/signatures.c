/*
 * Signature half of the provider: finds out which TLS signature scheme OpenSSL means, and asks for it.
 *
 * Source: OpenSSL 3 provider-signature(7); RFC 8446, 4.2.3 for the code points.
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#include "tls.h"

struct signing {
  struct external_key *key;
  int digest_bits; /* 0: none, or one that we refuse */
  int padding;     /* RSA only */
};

static void *new_signing(void *provider, const char *properties) {
  (void)provider;
  (void)properties;
  return OPENSSL_zalloc(sizeof(struct signing));
}

static void free_signing(void *object) { OPENSSL_free(object); }

static bool set_padding(struct signing *signing, const OSSL_PARAM *param) {
  int padding = 0;
  if (param->data_type != OSSL_PARAM_UTF8_STRING) {
    if (!OSSL_PARAM_get_int(param, &padding)) return false;
  } else if (strcmp(param->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0) {
    padding = RSA_PKCS1_PSS_PADDING;
  } else if (strcmp(param->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0) {
    padding = RSA_PKCS1_PADDING;
  }
  if (padding != RSA_PKCS1_PSS_PADDING && padding != RSA_PKCS1_PADDING) return false;
  signing->padding = padding;
  return true;
}

/* TLS knows one salt length only: that of the digest (RFC 8446, 4.2.3). */
static bool salt_is_digest_length(const OSSL_PARAM *param) {
  int length = 0;
  if (param->data_type == OSSL_PARAM_UTF8_STRING) return strcmp(param->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
  return OSSL_PARAM_get_int(param, &length) && length == RSA_PSS_SALTLEN_DIGEST;
}

static int set_params(void *object, const OSSL_PARAM params[]) {
  struct signing *signing = object;
  if (!params) return 1;
  const OSSL_PARAM *padding = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
  const OSSL_PARAM *salt = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
  if (padding && !set_padding(signing, padding)) return 0;
  if (salt && !salt_is_digest_length(salt)) return 0;
  return 1;
}

static const OSSL_PARAM settable[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
                                      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
                                      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
                                      OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
                                      OSSL_PARAM_END};

static const OSSL_PARAM *settable_params(void *object, void *provider) {
  (void)object;
  (void)provider;
  return settable;
}

/* SHA-1 and MD5 are refused: no scheme that we offer has them. */
static int sha2_bits(const char *name) {
  EVP_MD *digest = EVP_MD_fetch(provider_library, name, "provider=default");
  int bits = 0;
  if (digest && (EVP_MD_is_a(digest, "SHA2-256") || EVP_MD_is_a(digest, "SHA2-384") || EVP_MD_is_a(digest, "SHA2-512")))
    bits = EVP_MD_get_size(digest) * 8;
  EVP_MD_free(digest);
  return bits;
}

static int digest_sign_init(void *object, const char *digest, void *key, const OSSL_PARAM params[]) {
  struct signing *signing = object;
  if (key) signing->key = key;
  if (!signing->key) return 0;
  signing->padding = RSA_PKCS1_PADDING;
  signing->digest_bits = digest && *digest ? sha2_bits(digest) : 0;
  return set_params(signing, params);
}

/* 0: none that TLS knows. */
static int scheme_of(const struct signing *signing) {
  if (strcmp(signing->key->type, "ED25519") == 0) return 0x0807;
  int hash = signing->digest_bits == 256 ? 4 : signing->digest_bits == 384 ? 5 : signing->digest_bits == 512 ? 6 : 0;
  if (hash == 0) return 0;
  if (strcmp(signing->key->type, "EC") == 0) return hash << 8 | 0x03;
  return signing->padding == RSA_PKCS1_PSS_PADDING ? 0x0800 | hash : hash << 8 | 0x01;
}

/* Without `out`: asks how long a signature can get. */
static int digest_sign(void *object, unsigned char *out, size_t *length, size_t capacity, const unsigned char *message,
                       size_t message_length) {
  struct signing *signing = object;
  if (!signing->key || !signing->key->public_half) return 0;
  if (!out) {
    *length = (size_t)EVP_PKEY_get_size(signing->key->public_half);
    return 1;
  }
  int scheme = scheme_of(signing);
  if (scheme == 0) return 0;
  *length = handshake_sign(scheme, message, message_length, out, capacity);
  return *length > 0;
}

typedef void (*entry)(void);

static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_SIGNATURE_NEWCTX, (entry)new_signing},
                                          {OSSL_FUNC_SIGNATURE_FREECTX, (entry)free_signing},
                                          {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (entry)digest_sign_init},
                                          {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (entry)digest_sign},
                                          {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (entry)set_params},
                                          {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (entry)settable_params},
                                          {0, NULL}};

const OSSL_ALGORITHM signature_algorithms[] = {{"RSA:rsaEncryption", SIGNER_PROPERTIES, functions, ""},
                                               {"ECDSA", SIGNER_PROPERTIES, functions, ""},
                                               {"ED25519", SIGNER_PROPERTIES, functions, ""},
                                               {NULL, NULL, NULL, NULL}};
