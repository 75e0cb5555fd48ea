/*
 * Everything we call outside libc. A Node without one of them (built without OpenSSL, or over BoringSSL) is told
 * apart here, before the first call would end the process.
 *
 * Needs lazy binding (-z lazy). A test compares this list with what the add-on really imports.
 */
#include <dlfcn.h>

#include "tls.h"

static const char *const needed[] = {
    "BIO_ctrl", "BIO_ctrl_pending", "BIO_free", "BIO_new", "BIO_read", "BIO_s_mem", "BIO_write", "CRYPTO_clear_free",
    "CRYPTO_free", "CRYPTO_memdup", "CRYPTO_zalloc", "ERR_clear_error", "ERR_error_string_n", "ERR_get_error_all",
    "ERR_reason_error_string", "EVP_MD_fetch", "EVP_MD_free", "EVP_MD_get_size", "EVP_MD_is_a", "EVP_PKEY_CTX_free",
    "EVP_PKEY_CTX_new_from_name", "EVP_PKEY_eq", "EVP_PKEY_free", "EVP_PKEY_fromdata", "EVP_PKEY_fromdata_init",
    "EVP_PKEY_get_bits", "EVP_PKEY_get_group_name", "EVP_PKEY_get_params", "EVP_PKEY_get_size", "EVP_PKEY_is_a",
    "EVP_PKEY_todata", "EVP_set_default_properties", "OPENSSL_cleanse", "OPENSSL_sk_num", "OPENSSL_sk_value",
    "OPENSSL_thread_stop_ex", "OPENSSL_version_major", "OSSL_LIB_CTX_new", "OSSL_PARAM_construct_end",
    "OSSL_PARAM_construct_octet_string", "OSSL_PARAM_free", "OSSL_PARAM_get_int", "OSSL_PARAM_locate_const",
    "OSSL_PROVIDER_add_builtin", "OSSL_PROVIDER_load", "OpenSSL_version", "SSL_CIPHER_get_name",
    "SSL_CTX_check_private_key", "SSL_CTX_ctrl", "SSL_CTX_free", "SSL_CTX_get0_param", "SSL_CTX_get_cert_store",
    "SSL_CTX_new_ex", "SSL_CTX_sess_set_new_cb", "SSL_CTX_set_cert_cb", "SSL_CTX_set_cipher_list",
    "SSL_CTX_set_options", "SSL_CTX_set_security_level", "SSL_CTX_set_verify", "SSL_CTX_use_PrivateKey",
    "SSL_CTX_use_certificate", "SSL_SESSION_free", "SSL_SESSION_get0_id_context", "SSL_SESSION_get_protocol_version",
    "SSL_SESSION_get_ticket_lifetime_hint", "SSL_SESSION_is_resumable", "SSL_SESSION_set_time", "SSL_ctrl",
    "SSL_do_handshake", "SSL_free", "SSL_get0_alpn_selected", "SSL_get0_param", "SSL_get_current_cipher",
    "SSL_get_error", "SSL_get_ex_data", "SSL_get_peer_cert_chain", "SSL_get_verify_result", "SSL_get_version",
    "SSL_new", "SSL_read_ex", "SSL_session_reused", "SSL_set_alpn_protos", "SSL_set_bio", "SSL_set_connect_state",
    "SSL_set_ex_data", "SSL_set_session", "SSL_set_session_id_context", "SSL_shutdown", "SSL_write_ex",
    "TLS_client_method", "X509_STORE_CTX_get0_chain", "X509_STORE_CTX_get_error_depth", "X509_STORE_CTX_set_error",
    "X509_STORE_add_cert", "X509_VERIFY_PARAM_set1_host", "X509_VERIFY_PARAM_set1_ip_asc",
    "X509_VERIFY_PARAM_set_flags", "X509_VERIFY_PARAM_set_hostflags", "X509_free", "X509_get0_pubkey",
    "X509_get_extension_flags", "X509_new_ex", "X509_verify_cert_error_string", "d2i_PUBKEY_ex", "d2i_SSL_SESSION",
    "d2i_X509", "i2d_PUBKEY", "i2d_SSL_SESSION", "i2d_X509", "napi_add_env_cleanup_hook",
    "napi_check_object_type_tag", "napi_create_array", "napi_create_buffer", "napi_create_buffer_copy",
    "napi_create_int32", "napi_create_object", "napi_create_string_utf8", "napi_define_properties",
    "napi_get_array_length", "napi_get_boolean", "napi_get_buffer_info", "napi_get_cb_info", "napi_get_element",
    "napi_get_named_property", "napi_get_value_int32", "napi_get_value_string_utf8", "napi_is_buffer",
    "napi_remove_env_cleanup_hook", "napi_set_element", "napi_set_named_property", "napi_throw_error",
    "napi_throw_type_error", "napi_type_tag_object", "napi_unwrap", "napi_wrap",
};

const char *symbols_missing(void) {
  for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
    if (!dlsym(RTLD_DEFAULT, needed[i])) return needed[i];
  return NULL;
}
