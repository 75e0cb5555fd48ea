/*
 * What OpenSSL says went wrong, as facts.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "tls.h"

/* OpenSSL adds this to the AlertDescription of an alert it received (SSL_AD_REASON_OFFSET). */
static int alert_of(unsigned long error) {
  int reason = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
  return ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= 0 && reason < 256 ? reason : -1;
}

void failure_read(struct failure *failure, const SSL *ssl) {
  char words[200] = "";
  const char *detail = NULL;
  int flags = 0;
  /* The first error is the cause, the later ones are what came of it. */
  unsigned long error = ERR_get_error_all(NULL, NULL, NULL, &detail, &flags);
  const char *reason = error ? ERR_reason_error_string(error) : NULL;
  if (reason)
    snprintf(words, sizeof words, "%s", reason);
  else if (error)
    ERR_error_string_n(error, words, sizeof words);
  else
    snprintf(words, sizeof words, "unknown");
  bool more = detail && *detail && (flags & ERR_TXT_STRING);
  snprintf(failure->reason, sizeof failure->reason, more ? "%s (%s)" : "%s%s", words, more ? detail : "");
  failure->alert = error ? alert_of(error) : -1;
  long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
  failure->verify_code = (int)verified;
  snprintf(failure->verify_text, sizeof failure->verify_text, "%s",
           verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified));
  ERR_clear_error();
}
