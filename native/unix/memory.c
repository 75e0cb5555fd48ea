/*
 * Memory that is free, and not given back: V8 collects what became old only when its heap grows, and malloc keeps holes.
 *
 * V8's notification is reached by its C++ name, since N-API has none: an unknown name answers false, and the caller has
 * another way. Source: V8, include/v8-isolate.h, Isolate::LowMemoryNotification; malloc_trim(3).
 */
#include <dlfcn.h>
#include <malloc.h>

#include "unix.h"

bool unix_collect_all(void) {
  void *(*current)(void) = NULL;
  void (*notify)(void *) = NULL;
  *(void **)&current = dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv");
  *(void **)&notify = dlsym(RTLD_DEFAULT, "_ZN2v87Isolate21LowMemoryNotificationEv");
  if (!current || !notify) return false;
  void *isolate = current();
  if (!isolate) return false;
  notify(isolate);
  return true;
}

void unix_trim_malloc(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
