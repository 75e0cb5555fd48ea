/*
 * Key management half of the provider: a key that has its public half only.
 *
 * OpenSSL uses it as it would any private key. Whatever would need the private half finds `export` refusing, and so
 * comes to our own signature implementation.
 * Source: OpenSSL 3 provider-keymgmt(7).
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include "tls.h"

static void *new_key(const char *type) {
  struct external_key *key = OPENSSL_zalloc(sizeof *key);
  if (key) key->type = type;
  return key;
}

static void *new_rsa(void *provider) {
  (void)provider;
  return new_key("RSA");
}

static void *new_ec(void *provider) {
  (void)provider;
  return new_key("EC");
}

static void *new_ed25519(void *provider) {
  (void)provider;
  return new_key("ED25519");
}

static void free_key(void *object) {
  struct external_key *key = object;
  if (!key) return;
  EVP_PKEY_free(key->public_half);
  OPENSSL_free(key);
}

/* Claims the private half too: that is what makes OpenSSL sign with it. */
static int has(const void *object, int selection) {
  const struct external_key *key = object;
  (void)selection;
  return key && key->public_half;
}

static int match(const void *one, const void *other, int selection) {
  const struct external_key *a = one, *b = other;
  (void)selection;
  return a->public_half && b->public_half && EVP_PKEY_eq(a->public_half, b->public_half) == 1;
}

static const OSSL_PARAM import_fields[] = {OSSL_PARAM_octet_string(EXTERNAL_KEY_SPKI, NULL, 0), OSSL_PARAM_END};

static const OSSL_PARAM *import_types(int selection) {
  (void)selection;
  return import_fields;
}

/* Takes our own form only, so that no other key can end up here. */
static int import(void *object, int selection, const OSSL_PARAM params[]) {
  struct external_key *key = object;
  const OSSL_PARAM *spki = OSSL_PARAM_locate_const(params, EXTERNAL_KEY_SPKI);
  (void)selection;
  if (key->public_half || !spki || spki->data_type != OSSL_PARAM_OCTET_STRING) return 0;
  const unsigned char *der = spki->data;
  key->public_half = d2i_PUBKEY_ex(NULL, &der, (long)spki->data_size, provider_library, "provider=default");
  return key->public_half && EVP_PKEY_is_a(key->public_half, key->type);
}

/* The public half, for comparing with the certificate's key. */
static int export(void *object, int selection, OSSL_CALLBACK *receive, void *argument) {
  struct external_key *key = object;
  OSSL_PARAM *params = NULL;
  if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) return 0;
  if (!key->public_half || EVP_PKEY_todata(key->public_half, EVP_PKEY_PUBLIC_KEY, &params) != 1) return 0;
  int done = receive(params, argument);
  OSSL_PARAM_free(params);
  return done;
}

static const OSSL_PARAM exported_rsa[] = {OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
                                          OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0), OSSL_PARAM_END};
static const OSSL_PARAM exported_ec[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
                                         OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0), OSSL_PARAM_END};
static const OSSL_PARAM exported_ed25519[] = {OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0), OSSL_PARAM_END};

static const OSSL_PARAM *export_types_rsa(int selection) {
  return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : exported_rsa;
}

static const OSSL_PARAM *export_types_ec(int selection) {
  return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : exported_ec;
}

static const OSSL_PARAM *export_types_ed25519(int selection) {
  return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : exported_ed25519;
}

static int get_params(void *object, OSSL_PARAM params[]) {
  struct external_key *key = object;
  return key->public_half ? EVP_PKEY_get_params(key->public_half, params) : 0;
}

/* What TLS asks of a key: sizes, and the curve to find the signature scheme. */
static const OSSL_PARAM gettable[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
                                      OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
                                      OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
                                      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
                                      OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
                                      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
                                      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
                                      OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
                                      OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
                                      OSSL_PARAM_END};

static const OSSL_PARAM *gettable_params(void *provider) {
  (void)provider;
  return gettable;
}

/* An EC key signs under the name ECDSA. */
static const char *ec_operation_name(int operation) { return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "EC"; }

typedef void (*entry)(void);

static const OSSL_DISPATCH rsa[] = {{OSSL_FUNC_KEYMGMT_NEW, (entry)new_rsa},
                                    {OSSL_FUNC_KEYMGMT_FREE, (entry)free_key},
                                    {OSSL_FUNC_KEYMGMT_HAS, (entry)has},
                                    {OSSL_FUNC_KEYMGMT_MATCH, (entry)match},
                                    {OSSL_FUNC_KEYMGMT_IMPORT, (entry)import},
                                    {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (entry)import_types},
                                    {OSSL_FUNC_KEYMGMT_EXPORT, (entry)export},
                                    {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (entry)export_types_rsa},
                                    {OSSL_FUNC_KEYMGMT_GET_PARAMS, (entry)get_params},
                                    {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (entry)gettable_params},
                                    {0, NULL}};

static const OSSL_DISPATCH ec[] = {{OSSL_FUNC_KEYMGMT_NEW, (entry)new_ec},
                                   {OSSL_FUNC_KEYMGMT_FREE, (entry)free_key},
                                   {OSSL_FUNC_KEYMGMT_HAS, (entry)has},
                                   {OSSL_FUNC_KEYMGMT_MATCH, (entry)match},
                                   {OSSL_FUNC_KEYMGMT_IMPORT, (entry)import},
                                   {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (entry)import_types},
                                   {OSSL_FUNC_KEYMGMT_EXPORT, (entry)export},
                                   {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (entry)export_types_ec},
                                   {OSSL_FUNC_KEYMGMT_GET_PARAMS, (entry)get_params},
                                   {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (entry)gettable_params},
                                   {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (entry)ec_operation_name},
                                   {0, NULL}};

static const OSSL_DISPATCH ed25519[] = {{OSSL_FUNC_KEYMGMT_NEW, (entry)new_ed25519},
                                        {OSSL_FUNC_KEYMGMT_FREE, (entry)free_key},
                                        {OSSL_FUNC_KEYMGMT_HAS, (entry)has},
                                        {OSSL_FUNC_KEYMGMT_MATCH, (entry)match},
                                        {OSSL_FUNC_KEYMGMT_IMPORT, (entry)import},
                                        {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (entry)import_types},
                                        {OSSL_FUNC_KEYMGMT_EXPORT, (entry)export},
                                        {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (entry)export_types_ed25519},
                                        {OSSL_FUNC_KEYMGMT_GET_PARAMS, (entry)get_params},
                                        {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (entry)gettable_params},
                                        {0, NULL}};

const OSSL_ALGORITHM key_algorithms[] = {{"RSA:rsaEncryption", SIGNER_PROPERTIES, rsa, ""},
                                         {"EC:id-ecPublicKey", SIGNER_PROPERTIES, ec, ""},
                                         {"ED25519", SIGNER_PROPERTIES, ed25519, ""},
                                         {NULL, NULL, NULL, NULL}};
