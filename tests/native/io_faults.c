/* LD_PRELOAD: lets one call that changes files fail, as a full disk or a broken one would.
 *
 *   SAILS_FAULT_UNDER  only paths that begin so count
 *   SAILS_FAULT_AT     the number, from 1, of the call that fails; 0 or unset: none
 *   SAILS_FAULT_ERRNO  what it fails with (28 ENOSPC, 5 EIO)
 *   SAILS_FAULT_COUNT  a file that gets the number of calls when the process ends
 * Counted: opening for writing, write and pwrite, fsync and fdatasync, rename, mkdir. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static int under(const char *path) {
  const char *root = getenv("SAILS_FAULT_UNDER");
  return root != NULL && path != NULL && strncmp(path, root, strlen(root)) == 0;
}
static int under_fd(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return under(path);
}
/* Counts a call; 1 if it is the one that fails, with errno set. */
static int fails(void) {
  const long number = atomic_fetch_add(&calls, 1) + 1;
  const char *at = getenv("SAILS_FAULT_AT"), *code = getenv("SAILS_FAULT_ERRNO");
  if (at == NULL || atol(at) != number) return 0;
  errno = code == NULL ? ENOSPC : atoi(code);
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int open_any(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 && under(path) && fails()) return -1;
  return real(path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = va_arg(list, mode_t);
  va_end(list);
  return open_any(REAL(open), path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = va_arg(list, mode_t);
  va_end(list);
  return open_any(REAL(open64), path, flags, mode);
}
ssize_t write(int fd, const void *bytes, size_t n) {
  if (under_fd(fd) && fails()) return -1;
  return REAL(write)(fd, bytes, n);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
  if (under_fd(fd) && fails()) return -1;
  return REAL(pwrite64)(fd, bytes, n, at);
}
int fsync(int fd) {
  if (under_fd(fd) && fails()) return -1;
  return REAL(fsync)(fd);
}
int fdatasync(int fd) {
  if (under_fd(fd) && fails()) return -1;
  return REAL(fdatasync)(fd);
}
int rename(const char *from, const char *to) {
  if (under(to) && fails()) return -1;
  return REAL(rename)(from, to);
}
int mkdir(const char *path, mode_t mode) {
  if (under(path) && fails()) return -1;
  return REAL(mkdir)(path, mode);
}

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("SAILS_FAULT_COUNT");
  if (path == NULL) return;
  FILE *file = fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "%ld\n", atomic_load(&calls));
  fclose(file);
}
