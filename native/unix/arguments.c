/*
 * Takes secrets out of what `ps` shows. The arguments lie in memory that the process may write; /proc/self/stat tells
 * where. They are visible until then: call it first.
 * Source: proc(5), /proc/pid/stat, fields 48 and 49.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unix.h"

enum { ARG_START = 48, ARG_END = 49 };

/* Field `number` of the line, counted from 1. The second one, the command in brackets, may hold anything. */
static char *field(char *line, int number) {
  char *place = strrchr(line, ')');
  for (int at = 2; place && at < number; at++) {
    place = strchr(place, ' ');
    if (place) place++;
  }
  return place;
}

static bool find_arguments(char **start, char **end) {
  char line[2048];
  FILE *file = fopen("/proc/self/stat", "re");
  size_t length = file ? fread(line, 1, sizeof line - 1, file) : 0;
  if (file) fclose(file);
  line[length] = '\0';
  const char *from = field(line, ARG_START), *to = field(line, ARG_END);
  *start = from ? (char *)strtoull(from, NULL, 10) : NULL;
  *end = to ? (char *)strtoull(to, NULL, 10) : NULL;
  return *start && *start < *end;
}

/* `at` is within the argument that begins at `argument`. */
static bool stands_alone(const char *argument, const char *at, size_t length, const char *end) {
  bool begins = at == argument || at[-1] == '=';
  const char *next = at + length;
  return begins && (next == end || *next == '\0' || (at != argument && !isalnum((unsigned char)*next)));
}

int unix_blank_argument(const char *value, size_t length) {
  char *start, *end;
  int found = 0;
  if (length == 0 || !find_arguments(&start, &end)) return 0;
  char *argument = start;
  for (char *at = start; at + length <= end; at++) {
    if (at > start && at[-1] == '\0') argument = at;
    if (memcmp(at, value, length) != 0 || !stands_alone(argument, at, length, end)) continue;
    memset(at, '*', length);
    found++;
  }
  return found;
}
