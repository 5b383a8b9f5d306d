/*
 * Has a worker wait between claim and start: loaded by LD_PRELOAD before the C library.
 *
 * Python decodes the path of a request there, and asks for as much memory as it is long. While the file $CLAIMED exists, whoever
 * asks for exactly LENGTH bytes waits, for two seconds at most.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#define LENGTH 5003

void *malloc(size_t size) {
    static void *(*next)(size_t);
    if (next == NULL) next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    if (size == LENGTH) {
        const char *path = getenv("CLAIMED");
        for (int i = 0; i < 2000 && path != NULL && access(path, F_OK) == 0; i++) usleep(1000);
    }
    return next(size);
}
