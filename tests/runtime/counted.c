/* Counts heap calls and locks between two marks. Loaded with LD_PRELOAD by test_allocations.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void __libc_free(void *);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static __thread int watching;
static __thread long counts[3]; /* allocations, frees, locks */

void counted_begin(void) { counts[0] = counts[1] = counts[2] = 0; watching = 1; }
void counted_end(long *result) {
    watching = 0;
    for (int i = 0; i < 3; i++) result[i] = counts[i];
}

void *malloc(size_t size) { counts[0] += watching; return __libc_malloc(size); }
void *calloc(size_t n, size_t size) { counts[0] += watching; return __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { counts[0] += watching; return __libc_realloc(p, size); }
void *memalign(size_t align, size_t size) { counts[0] += watching; return __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { counts[0] += watching; return __libc_memalign(align, size); }
int posix_memalign(void **p, size_t align, size_t size) {
    counts[0] += watching;
    *p = __libc_memalign(align, size);
    return *p ? 0 : 12;
}
void free(void *p) { counts[1] += watching; __libc_free(p); }

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    static int (*next)(pthread_mutex_t *);
    if (!next) next = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
    counts[2] += watching;
    return next(mutex);
}
