/*
 * JavaScript values, in and out. What is missing or of another type reads as "not given"; only value_tagged throws.
 */
#include <stdlib.h>

#include "tls.h"

bool value_bytes(napi_env env, napi_value value, struct bytes *out) {
  bool is_buffer = false;
  void *data = NULL;
  if (napi_is_buffer(env, value, &is_buffer) != napi_ok || !is_buffer) return false;
  if (napi_get_buffer_info(env, value, &data, &out->length) != napi_ok) return false;
  out->data = data;
  return true;
}

bool value_property_bytes(napi_env env, napi_value object, const char *name, struct bytes *out) {
  napi_value value;
  return napi_get_named_property(env, object, name, &value) == napi_ok && value_bytes(env, value, out);
}

bool value_property_list(napi_env env, napi_value object, const char *name, struct bytes **out, size_t *count) {
  napi_value array, element;
  uint32_t length = 0;
  if (napi_get_named_property(env, object, name, &array) != napi_ok) return false;
  if (napi_get_array_length(env, array, &length) != napi_ok) return false;
  struct bytes *list = calloc((size_t)length + 1, sizeof *list);
  if (!list) return false;
  for (uint32_t i = 0; i < length; i++) {
    if (napi_get_element(env, array, i, &element) == napi_ok && value_bytes(env, element, &list[i])) continue;
    free(list);
    return false;
  }
  *out = list;
  *count = length;
  return true;
}

char *value_property_text(napi_env env, napi_value object, const char *name, size_t *length) {
  napi_value value;
  size_t bytes = 0;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) return NULL;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &bytes) != napi_ok) return NULL;
  char *text = malloc(bytes + 1);
  if (text && napi_get_value_string_utf8(env, value, text, bytes + 1, &bytes) != napi_ok) {
    free(text);
    text = NULL;
  }
  if (length) *length = bytes;
  return text;
}

int value_property_int(napi_env env, napi_value object, const char *name, int otherwise) {
  napi_value value;
  int32_t number = 0;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) return otherwise;
  return napi_get_value_int32(env, value, &number) == napi_ok ? number : otherwise;
}

napi_value value_text(napi_env env, const char *text) {
  napi_value value = NULL;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

napi_value value_int(napi_env env, int number) {
  napi_value value = NULL;
  napi_create_int32(env, number, &value);
  return value;
}

napi_value value_bool(napi_env env, bool truth) {
  napi_value value = NULL;
  napi_get_boolean(env, truth, &value);
  return value;
}

napi_value value_buffer(napi_env env, const void *data, size_t length) {
  napi_value value = NULL;
  napi_create_buffer_copy(env, length, data, NULL, &value);
  return value;
}

void value_set(napi_env env, napi_value object, const char *name, napi_value value) {
  if (value) napi_set_named_property(env, object, name, value);
}

void *value_tagged(napi_env env, napi_value value, const napi_type_tag *tag, const char *complaint) {
  bool tagged = false;
  void *data = NULL;
  if (napi_check_object_type_tag(env, value, tag, &tagged) == napi_ok && tagged &&
      napi_unwrap(env, value, &data) == napi_ok)
    return data;
  napi_throw_type_error(env, NULL, complaint);
  return NULL;
}
