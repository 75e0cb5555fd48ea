/* What the PKCS#11 module itself can do, as the baseline of the signing service's benchmark.
 *
 *   module-loop MODULE PIN LABEL SECONDS THREADS cached     one session and key handle a thread: C_SignInit, C_Sign
 *   module-loop MODULE PIN LABEL SECONDS THREADS original   thin-edge's call sequence for each signature: open a session,
 *                                                           log in, look at every object (id and label), find the key,
 *                                                           sign, close
 *
 * Signs a 32 byte digest with CKM_ECDSA. Prints one line of JSON: signatures, rate per second, and the processor time of
 * a signature in microseconds. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "pkcs11.h"

static CK_FUNCTION_LIST_PTR module;
static CK_SLOT_ID slot;
static char *pin, *label;
static uint64_t end_ns;
static int original;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t processor_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
         (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void check(CK_RV rv, const char *call) {
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) return;
  fprintf(stderr, "%s: 0x%lx\n", call, rv);
  exit(1);
}

static CK_SESSION_HANDLE open_session(void) {
  CK_SESSION_HANDLE session;
  check(module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
  return session;
}

static void log_in(CK_SESSION_HANDLE session) {
  check(module->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin)), "C_Login");
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session) {
  CK_OBJECT_CLASS kind = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &kind, sizeof kind }, { CKA_LABEL, label, strlen(label) } };
  CK_OBJECT_HANDLE key = 0;
  CK_ULONG count = 0;
  check(module->C_FindObjectsInit(session, wanted, 2), "C_FindObjectsInit");
  check(module->C_FindObjects(session, &key, 1, &count), "C_FindObjects");
  check(module->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  if (count == 0) {
    fprintf(stderr, "no private key with this label\n");
    exit(1);
  }
  return key;
}

static void look_at_every_object(CK_SESSION_HANDLE session) {
  CK_OBJECT_HANDLE objects[16];
  CK_ULONG count = 0;
  check(module->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
  do {
    check(module->C_FindObjects(session, objects, 16, &count), "C_FindObjects");
    for (CK_ULONG i = 0; i < count; i++) {
      unsigned char id[256], name[256];
      CK_ATTRIBUTE asked[] = { { CKA_ID, id, sizeof id }, { CKA_LABEL, name, sizeof name } };
      module->C_GetAttributeValue(session, objects[i], asked, 2);
    }
  } while (count > 0);
  check(module->C_FindObjectsFinal(session), "C_FindObjectsFinal");
}

static void sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  static const unsigned char digest[32] = { 1 };
  unsigned char signature[1024];
  CK_ULONG length = sizeof signature;
  CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
  check(module->C_SignInit(session, &mechanism, key), "C_SignInit");
  check(module->C_Sign(session, (CK_BYTE_PTR)digest, sizeof digest, signature, &length), "C_Sign");
}

static void *run(void *argument) {
  uint64_t *count = argument;
  CK_SESSION_HANDLE session = open_session();
  log_in(session);
  CK_OBJECT_HANDLE key = original ? 0 : find_key(session);
  if (original) module->C_CloseSession(session);
  do { /* one at least */
    if (original) {
      session = open_session();
      log_in(session);
      look_at_every_object(session);
      sign(session, find_key(session));
      module->C_CloseSession(session);
    } else sign(session, key);
    (*count)++;
  } while (now_ns() < end_ns);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: module-loop MODULE PIN LABEL SECONDS THREADS cached|original\n");
    return 2;
  }
  void *library = dlopen(argv[1], RTLD_NOW);
  CK_RV (*list)(CK_FUNCTION_LIST_PTR_PTR) = library ? (CK_RV(*)(CK_FUNCTION_LIST_PTR_PTR))dlsym(library, "C_GetFunctionList") : NULL;
  if (!list || list(&module) != CKR_OK) {
    fprintf(stderr, "not a PKCS#11 module\n");
    return 1;
  }
  pin = argv[2];
  label = argv[3];
  double seconds = atof(argv[4]);
  int threads = atoi(argv[5]);
  original = strcmp(argv[6], "original") == 0;
  if (threads < 1 || threads > 64 || seconds <= 0) return 2;

  CK_C_INITIALIZE_ARGS locking = { .flags = CKF_OS_LOCKING_OK };
  check(module->C_Initialize(&locking), "C_Initialize");
  CK_SLOT_ID slots[64];
  CK_ULONG slot_count = 64;
  check(module->C_GetSlotList(CK_TRUE, slots, &slot_count), "C_GetSlotList");
  if (slot_count == 0) {
    fprintf(stderr, "no token\n");
    return 1;
  }
  slot = slots[0];

  uint64_t from_ns = now_ns(), from_us = processor_us(), counts[64] = { 0 }, total = 0;
  end_ns = from_ns + (uint64_t)(seconds * 1e9);
  pthread_t ids[64];
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, run, &counts[i]);
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
    total += counts[i];
  }
  printf("{\"signatures\":%llu,\"rate\":%.1f,\"processorUs\":%.1f}\n", (unsigned long long)total,
         (double)total * 1e9 / (double)(now_ns() - from_ns), (double)(processor_us() - from_us) / (double)(total ? total : 1));
  return 0;
}
