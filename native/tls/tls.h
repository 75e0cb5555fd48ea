/*
 * A TLS client whose private key is elsewhere.
 *
 * OpenSSL (the one inside Node) does all of TLS. A small OpenSSL provider stands in for the private key and hands
 * the message to be signed to JavaScript. The one step of the handshake that needs the signature is taken on a stack of
 * its own, a thread's, and is suspended until there is one, while the event loop goes on.
 *
 *   keys.c, signatures.c   the two halves of the provider
 *   provider.c             registers it in an OpenSSL library context of our own
 *   settings.c             what connections to one place have in common
 *   verify.c               what is demanded of the server's certificates
 *   connection.c           one TLS connection: its server's name, life and death
 *   sessions.c             TLS 1.3 sessions, kept and offered
 *   handshake.c            steps of the handshake, and the one that waits for the signature
 *   threads.c              threads for suspended steps
 *   records.c              bytes in and out
 *   failure.c              what OpenSSL says went wrong
 *   symbols.c              checks that this Node has what we call
 *   values.c, opening.c, module.c   JavaScript's view
 */
#ifndef TEDGE_TLS_H
#define TEDGE_TLS_H

#include <node_api.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- provider: a key whose signature is made elsewhere ---- */

#define SIGNER_PROVIDER "tedge-signer"
#define SIGNER_PROPERTIES "provider=" SIGNER_PROVIDER

/* The public half of a key. Who signs is known to the thread in which the signature is wanted (handshake.c). */
struct external_key {
  const char *type; /* "RSA", "EC" or "ED25519" */
  EVP_PKEY *public_half;
};

#define EXTERNAL_KEY_SPKI "tedge-spki"

extern const OSSL_ALGORITHM key_algorithms[];
extern const OSSL_ALGORITHM signature_algorithms[];

/* Our OpenSSL library context; NULL until provider_start succeeded. */
extern OSSL_LIB_CTX *provider_library;
bool provider_start(void);
/* A key to use with the certificate; NULL when its kind is not supported. */
EVP_PKEY *provider_key(X509 *certificate);

/* ---- connection ---- */

/* Servers send one to four, commonly two. */
#define MOST_SESSIONS 4

enum step { STEP_READ, STEP_DONE, STEP_SIGN, STEP_FAILED };

struct failure {
  char reason[256];      /* OpenSSL's own words */
  char verify_text[128]; /* why the server's certificate is not trusted, or empty */
  int verify_code;       /* X509_V_OK when the certificate is not the reason */
  int alert;             /* AlertDescription received from the server (RFC 8446, 6), or -1 */
};

enum signature_state { SIGNATURE_NOT_WANTED, SIGNATURE_WANTED, SIGNATURE_GIVEN, SIGNATURE_REFUSED };

struct connection {
  SSL *ssl;
  BIO *from_network, *to_network; /* owned by ssl */
  SSL_SESSION *sessions[MOST_SESSIONS]; /* for later resumptions, oldest first */
  size_t session_count;
  struct failure failure;
  bool open, established, broken;

  /* Until the thread is over nothing else uses ssl. */
  bool thread_running, may_stand_still;

  /* Shared with the signing thread, under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool thread_over;
  enum step thread_step;
  enum signature_state state;
  int scheme;
  uint8_t *message, *signature;
  size_t message_length, signature_length;
};

/* DER, or text. A `data` of NULL means: not given. */
struct bytes {
  const uint8_t *data;
  size_t length;
};

struct settings_options {
  struct bytes *trusted; /* CA certificates */
  size_t trusted_count;
  struct bytes *chain; /* the client's certificates, leaf first */
  size_t chain_count;
  int min_version;
};

/* NULL: `failure` tells why. */
SSL_CTX *settings_make(const struct settings_options *options, struct failure *failure);
void settings_drop(SSL_CTX *settings);
/* How many were made and not dropped. */
int settings_count(void);

struct connection_options {
  SSL_CTX *settings;
  const char *host; /* checked against the certificate and sent as SNI; or */
  const char *ip;   /* checked against the certificate */
  size_t host_length;
  struct bytes alpn; /* as on the wire (RFC 7301, 3.1) */
  struct bytes binding; /* what sessions are bound to, at most 32 bytes; without it none is offered */
  struct bytes session; /* DER; ignored when it cannot be used, or has another binding */
  int session_age;      /* in seconds */
};

/* NULL: `failure` tells why. */
struct connection *connection_open(const struct connection_options *options, struct failure *failure);
/* Ends everything at once, also a handshake that waits for a signature. May be called twice. */
void connection_close(struct connection *connection);
/* After this the pointer is dead. */
void connection_free(struct connection *connection);
int connection_count(void);

struct negotiated {
  const char *protocol, *cipher;
  struct bytes alpn; /* empty: the server chose none */
  bool resumed;
};
struct negotiated connection_negotiated(const struct connection *connection);
/* DER of the server's certificate number `index`, its own first; the caller frees *der with OPENSSL_free. 0: there is none. */
int connection_peer_certificate(const struct connection *connection, int index, uint8_t **der);

/* ---- verification and sessions ---- */

void verify_strictly(SSL_CTX *settings);
int sessions_keep(SSL *ssl, SSL_SESSION *session);
/* False: the binding cannot be set. */
bool sessions_offer(SSL *ssl, struct bytes der, struct bytes binding, int age_seconds);
/* The oldest as DER, each once; the caller frees it with OPENSSL_clear_free. 0: there is none. `lifetime`: seconds. */
int sessions_take(struct connection *connection, uint8_t **der, uint32_t *lifetime);
void sessions_drop(struct connection *connection);

/* STEP_SIGN: the step is suspended until handshake_answer. */
enum step handshake_step(struct connection *connection);
/* Answers what the step came to. `signature` of NULL: refused. */
enum step handshake_answer(struct connection *connection, const uint8_t *signature, size_t length);
/* Writes at most `capacity` bytes. Returns the length of the signature, 0 if there is none. Blocks. */
size_t handshake_sign(int scheme, const uint8_t *message, size_t length, uint8_t *out, size_t capacity);
int handshake_before_certificate(SSL *ssl, void *unused);

/* ---- threads ---- */

/* Returns an errno; `work` is then never called. */
int threads_run(void (*work)(void *), void *context);

/* ---- records ---- */

enum read_result { READ_BYTES, READ_WAIT, READ_CLOSED, READ_FAILED };

bool records_feed(struct connection *connection, struct bytes ciphertext);
enum read_result records_read(struct connection *connection, uint8_t *out, size_t capacity, size_t *length);
bool records_write(struct connection *connection, struct bytes plaintext);
void records_close_notify(struct connection *connection);
/* How many bytes of ciphertext are to be sent, and those bytes, each once. */
size_t records_pending(struct connection *connection);
bool records_take(struct connection *connection, void *out, size_t length);

/* ---- failures, symbols ---- */

/* Reads and empties OpenSSL's error queue. `ssl` may be NULL. */
void failure_read(struct failure *failure, const SSL *ssl);

/* The name of something we call and this process does not have, or NULL. Calls nothing of OpenSSL. */
const char *symbols_missing(void);

/* ---- JavaScript values ---- */

/* The arguments of one call. `connection` is NULL when it is not to go on; the exception is then set. */
struct call {
  napi_value arguments[2];
  struct connection *connection;
};

/* While a signature is wanted, only `also_while_signing` functions may come near the connection. */
struct call call_begin(napi_env env, napi_callback_info info, bool also_while_signing);
napi_value js_settings(napi_env env, napi_callback_info info);
napi_value js_open(napi_env env, napi_callback_info info);
/* What an object with the tag holds; NULL when it is something else, the exception is then set. */
void *value_tagged(napi_env env, napi_value value, const napi_type_tag *tag, const char *complaint);

/* An optional property; false when it is undefined or something else. */
bool value_bytes(napi_env env, napi_value value, struct bytes *out);
bool value_property_bytes(napi_env env, napi_value object, const char *name, struct bytes *out);
/* Array of buffers. The caller frees *out. */
bool value_property_list(napi_env env, napi_value object, const char *name, struct bytes **out, size_t *count);
/* The caller frees the answer. */
char *value_property_text(napi_env env, napi_value object, const char *name, size_t *length);
int value_property_int(napi_env env, napi_value object, const char *name, int otherwise);
napi_value value_text(napi_env env, const char *text);
napi_value value_buffer(napi_env env, const void *data, size_t length);
void value_set(napi_env env, napi_value object, const char *name, napi_value value);
napi_value value_int(napi_env env, int number);
napi_value value_bool(napi_env env, bool truth);

#endif
