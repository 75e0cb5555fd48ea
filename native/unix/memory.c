/*
 * Memory that is free, and not given back: V8 collects what became old only when its heap grows, and malloc keeps holes.
 *
 * V8's notification is reached by its C++ name, since N-API has none: an unknown name answers false, and the caller has
 * another way. Source: V8, include/v8-isolate.h, Isolate::LowMemoryNotification; malloc_trim(3).
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Whether this line of /proc/self/smaps begins a mapping of the program's text, which is then in `from` and `to`. */
static bool is_program_text(const char *line, const char *program, unsigned long *from, unsigned long *to) {
  char rights[5] = "";
  int name = 0;
  int found = sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", from, to, rights, &name);
  size_t length = strlen(program);
  return found == 3 && name > 0 && strcmp(rights, "r-xp") == 0 && strncmp(line + name, program, length) == 0 &&
         line[(size_t)name + length] == '\n';
}

/* Pages that differ from the file (a debugger's breakpoint) would be lost: such a text stays. */
void unix_drop_program_text(void) {
  char program[4096], line[4608];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  FILE *maps = length > 0 ? fopen("/proc/self/smaps", "re") : NULL;
  if (!maps) return;
  program[length] = '\0';
  unsigned long from = 0, to = 0, start, end, changed;
  while (fgets(line, sizeof line, maps)) {
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
      if (!is_program_text(line, program, &from, &to)) from = 0;
    } else if (from && sscanf(line, "Anonymous: %lu kB", &changed) == 1) {
      if (changed == 0) madvise((void *)from, to - from, MADV_DONTNEED);
      from = 0;
    }
  }
  fclose(maps);
}
