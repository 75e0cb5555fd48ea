/*
 * Threads for work that waits. A thread that is done stays for the next piece of work: a new one costs more than what
 * is to be done in it.
 *
 * What stays never ends, so the library may not be unloaded (-z nodelete) when the worker of Node that loaded it ends.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "tls.h"

/* All that happen at once get a thread; this many stay. */
enum { MOST_IDLE = 8 };
/* musl's default of 128 KB is little for OpenSSL. */
enum { STACK = 512 * 1024 };

struct thread {
  pthread_cond_t given;
  void (*work)(void *);
  void *context;
  struct thread *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread *idle;
static int idle_count;

/* Waits for work. False: there are enough who wait. */
static bool wait_for_work(struct thread *thread) {
  pthread_mutex_lock(&lock);
  bool stays = idle_count < MOST_IDLE;
  if (stays) {
    thread->work = NULL;
    thread->next = idle;
    idle = thread;
    idle_count++;
    while (!thread->work) pthread_cond_wait(&thread->given, &lock);
  }
  pthread_mutex_unlock(&lock);
  return stays;
}

static void *thread_main(void *data) {
  struct thread *thread = data;
  do {
    thread->work(thread->context);
    OPENSSL_thread_stop_ex(provider_library); /* an idle thread holds nothing of OpenSSL's */
  } while (wait_for_work(thread));
  pthread_cond_destroy(&thread->given);
  free(thread);
  return NULL;
}

static bool give_to_idle(void (*work)(void *), void *context) {
  pthread_mutex_lock(&lock);
  struct thread *thread = idle;
  if (thread) {
    idle = thread->next;
    idle_count--;
    thread->work = work;
    thread->context = context;
    pthread_cond_signal(&thread->given);
  }
  pthread_mutex_unlock(&lock);
  return thread != NULL;
}

int threads_run(void (*work)(void *), void *context) {
  if (give_to_idle(work, context)) return 0;
  struct thread *thread = calloc(1, sizeof *thread);
  if (!thread) return ENOMEM;
  thread->work = work;
  thread->context = context;
  pthread_cond_init(&thread->given, NULL);
  pthread_attr_t attributes;
  pthread_t started;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int error = pthread_create(&started, &attributes, thread_main, thread);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    pthread_cond_destroy(&thread->given);
    free(thread);
  }
  return error;
}
