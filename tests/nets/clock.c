/* A wall clock that a test sets while the process runs: preloaded into one node.
 *
 * The file named by BULWARK_TEST_CLOCK holds three 64-bit numbers: offset in ns, drift in ppm, and
 * the real time in ns since which it drifts. Only the wall clock changes: the kernel's own waits
 * count the real monotonic clock, and a process whose monotonic clock disagrees with them exists
 * nowhere. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int (*clock_fn)(clockid_t, struct timespec *);
static clock_fn real_clock;
static volatile const int64_t *setting;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("BULWARK_TEST_CLOCK");
    real_clock = (clock_fn)dlsym(RTLD_NEXT, "clock_gettime");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *page = mmap(NULL, 24, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        setting = page;
}

int clock_gettime(clockid_t which, struct timespec *out) {
    if (real_clock == NULL)
        real_clock = (clock_fn)dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock(which, out);
    if (result != 0 || setting == NULL)
        return result;
    if (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE && which != CLOCK_TAI)
        return result;
    int64_t now = (int64_t)out->tv_sec * 1000000000 + out->tv_nsec;
    int64_t since = setting[2] == 0 ? 0 : (now - setting[2]) / 1000000;
    now += setting[0] + since * setting[1];
    out->tv_sec = now / 1000000000;
    out->tv_nsec = now % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}
