/*
 * Bytes through an established connection. Ciphertext goes over two memory buffers; JavaScript owns the socket.
 */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls.h"

bool records_feed(struct connection *connection, struct bytes ciphertext) {
  if (ciphertext.length == 0) return true;
  if (ciphertext.length > INT_MAX) return false;
  return BIO_write(connection->from_network, ciphertext.data, (int)ciphertext.length) == (int)ciphertext.length;
}

enum read_result records_read(struct connection *connection, uint8_t *out, size_t capacity, size_t *length) {
  size_t got = 0, part = 0;
  int why = SSL_ERROR_NONE;
  ERR_clear_error();
  while (!connection->broken && got + SSL3_RT_MAX_PLAIN_LENGTH <= capacity && why == SSL_ERROR_NONE) {
    if (SSL_read_ex(connection->ssl, out + got, capacity - got, &part) == 1)
      got += part;
    else
      why = SSL_get_error(connection->ssl, 0);
  }
  *length = got;
  if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_ZERO_RETURN) {
    /* OpenSSL tells once. What was read before goes first. */
    failure_read(&connection->failure, connection->ssl);
    connection->broken = true;
  }
  ERR_clear_error();
  if (got > 0) return READ_BYTES;
  if (connection->broken) return READ_FAILED;
  return why == SSL_ERROR_ZERO_RETURN ? READ_CLOSED : READ_WAIT;
}

bool records_write(struct connection *connection, struct bytes plaintext) {
  size_t part = 0;
  ERR_clear_error();
  while (plaintext.length > 0) {
    if (SSL_write_ex(connection->ssl, plaintext.data, plaintext.length, &part) != 1) {
      failure_read(&connection->failure, connection->ssl);
      return false;
    }
    plaintext.data += part;
    plaintext.length -= part;
  }
  return true;
}

void records_close_notify(struct connection *connection) {
  if (connection->established) SSL_shutdown(connection->ssl);
  ERR_clear_error();
}

size_t records_pending(struct connection *connection) { return BIO_ctrl_pending(connection->to_network); }

/* A reset of the BIO would write zeros over all it ever held. */
bool records_take(struct connection *connection, void *out, size_t length) {
  return length <= INT_MAX && BIO_read(connection->to_network, out, (int)length) == (int)length;
}
