/*
 * Registers the provider in a library context of our own, so that Node's own cryptography never meets it.
 *
 * "?provider=default" prefers OpenSSL's own algorithms everywhere; ours are reached only by a key made here.
 * Source: OpenSSL 3 provider-base(7).
 */
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "tls.h"

OSSL_LIB_CTX *provider_library;

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache) {
  (void)context;
  *no_cache = 0;
  if (operation == OSSL_OP_KEYMGMT) return key_algorithms;
  return operation == OSSL_OP_SIGNATURE ? signature_algorithms : NULL;
}

static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query}, {0, NULL}};

static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core, const OSSL_DISPATCH **out, void **context) {
  (void)handle;
  (void)core;
  *out = functions;
  *context = provider_library; /* unused, but OpenSSL wants something */
  return 1;
}

bool provider_start(void) {
  provider_library = OSSL_LIB_CTX_new();
  if (!provider_library) return false;
  return OSSL_PROVIDER_add_builtin(provider_library, SIGNER_PROVIDER, init) == 1 &&
         OSSL_PROVIDER_load(provider_library, "default") && OSSL_PROVIDER_load(provider_library, SIGNER_PROVIDER) &&
         EVP_set_default_properties(provider_library, "?provider=default") == 1;
}

static const char *type_of(const EVP_PKEY *key) {
  static const char *const types[] = {"EC", "RSA", "ED25519"};
  for (size_t i = 0; key && i < sizeof types / sizeof *types; i++)
    if (EVP_PKEY_is_a(key, types[i])) return types[i];
  return NULL;
}

EVP_PKEY *provider_key(X509 *certificate) {
  EVP_PKEY *public_half = X509_get0_pubkey(certificate), *key = NULL;
  const char *type = type_of(public_half);
  unsigned char *spki = NULL;
  int length = type ? i2d_PUBKEY(public_half, &spki) : 0;
  if (length <= 0) return NULL;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(EXTERNAL_KEY_SPKI, spki, (size_t)length),
                         OSSL_PARAM_construct_end()};
  EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(provider_library, type, SIGNER_PROPERTIES);
  if (maker && EVP_PKEY_fromdata_init(maker) > 0 && EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, params) <= 0)
    key = NULL;
  EVP_PKEY_CTX_free(maker);
  OPENSSL_free(spki);
  return key;
}
