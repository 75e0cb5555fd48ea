/* Load on a tedge-p11-server: one request per connection, as every client does it (protocol version 1).
 *
 *   p11-load SOCKET FRAME_HEX CLIENTS SECONDS [RATE]
 *
 * Without RATE each client sends its next request when it has the answer (closed loop). With RATE requests start
 * at fixed times whatever the answers do (open loop), and latency counts from the time a request was due, so a
 * stall is not hidden. Prints one line of JSON: requests, errors, rate per second, latencies in microseconds;
 * "curve" has pairs of a percentile and its latency, ten to each further nine, up to where ten requests took longer.
 * An answer counts as an error when it is an Error frame or none. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 4000000, RESPONSE_BYTES = 4096 };

static struct sockaddr_un address;
static unsigned char frame[65536];
static size_t frame_length;
static double run_seconds, open_rate;
static int clients;
static uint64_t started_ns;
static uint64_t next_ticket;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t at_ns) {
  struct timespec t = { .tv_sec = (time_t)(at_ns / 1000000000u), .tv_nsec = (long)(at_ns % 1000000000u) };
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
  }
}

/* One connection: write the frame, half-close, read to the end. Returns 1 for an answer that is no Error frame. */
static int request(void) {
  unsigned char answer[RESPONSE_BYTES];
  size_t got = 0;
  int ok = 0;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      write(fd, frame, frame_length) == (ssize_t)frame_length && shutdown(fd, SHUT_WR) == 0) {
    ssize_t n;
    while (got < sizeof answer && (n = read(fd, answer + got, sizeof answer - got)) > 0) got += (size_t)n;
    ok = got >= 2 && answer[0] == 0 && answer[1] != 0;
  }
  close(fd);
  return ok;
}

typedef struct {
  pthread_t thread;
  uint32_t *latencies_us;
  size_t count, capacity, errors;
} Client;

static void record(Client *client, uint64_t from_ns, int ok) {
  uint64_t us = (now_ns() - from_ns) / 1000;
  if (!ok) client->errors++;
  else if (client->count < client->capacity) client->latencies_us[client->count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void *run(void *argument) {
  Client *client = argument;
  uint64_t end_ns = started_ns + (uint64_t)(run_seconds * 1e9);
  for (;;) {
    uint64_t from_ns = now_ns();
    if (open_rate > 0) {
      uint64_t ticket = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_RELAXED);
      from_ns = started_ns + (uint64_t)((double)ticket * 1e9 / open_rate);
      if (from_ns >= end_ns) return NULL;
      sleep_until(from_ns);
    } else if (from_ns >= end_ns && client->count + client->errors > 0) return NULL; /* one at least */
    record(client, from_ns, request());
  }
}

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void print_curve(const uint32_t *sorted, size_t total) {
  double above = 1;
  for (const char *separator = ""; above * (double)total >= 10; above *= 0.79432823472428150, separator = ",")
    printf("%s[%.4f,%u]", separator, 100 * (1 - above), sorted[(size_t)((double)total * (1 - above))]);
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: p11-load SOCKET FRAME_HEX CLIENTS SECONDS [RATE]\n");
    return 2;
  }
  address.sun_family = AF_UNIX;
  if (strlen(argv[1]) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, argv[1]);
  for (const char *hex = argv[2]; hex[0] && hex[1] && frame_length < sizeof frame; hex += 2) {
    unsigned byte;
    if (sscanf(hex, "%2x", &byte) != 1) return 2;
    frame[frame_length++] = (unsigned char)byte;
  }
  clients = atoi(argv[3]);
  run_seconds = atof(argv[4]);
  open_rate = argc > 5 ? atof(argv[5]) : 0;
  if (clients < 1 || clients > 1024 || run_seconds <= 0 || run_seconds > 600) return 2;

  Client *all = calloc((size_t)clients, sizeof *all);
  if (!all) return 1;
  started_ns = now_ns() + 1000000;
  for (int i = 0; i < clients; i++) {
    all[i].capacity = MAX_SAMPLES / (size_t)clients;
    all[i].latencies_us = malloc(all[i].capacity * sizeof(uint32_t));
    if (!all[i].latencies_us || pthread_create(&all[i].thread, NULL, run, &all[i])) return 1;
  }
  size_t total = 0, errors = 0;
  for (int i = 0; i < clients; i++) {
    pthread_join(all[i].thread, NULL);
    total += all[i].count;
    errors += all[i].errors;
  }
  double elapsed = (double)(now_ns() - started_ns) / 1e9;
  uint32_t *merged = malloc((total ? total : 1) * sizeof(uint32_t));
  if (!merged) return 1;
  size_t at = 0;
  for (int i = 0; i < clients; i++) {
    memcpy(merged + at, all[i].latencies_us, all[i].count * sizeof(uint32_t));
    at += all[i].count;
  }
  qsort(merged, total, sizeof(uint32_t), by_value);
  printf("{\"requests\":%zu,\"errors\":%zu,\"rate\":%.1f,\"p50us\":%u,\"p99us\":%u,\"maxus\":%u,\"curve\":[", total, errors,
         (double)total / elapsed, total ? merged[total / 2] : 0, total ? merged[total * 99 / 100] : 0,
         total ? merged[total - 1] : 0);
  print_curve(merged, total);
  printf("]}\n");
  return errors == 0 ? 0 : 1;
}
