/* Leaks of scheduler.c, selected by -DLEAKS=N: its timers depend on something outside that differs between two runs. For
 * the tests of `treefall doctor`. */
#include <sys/stat.h>
#include <sys/syscall.h>

enum leak { NOTHING, PID, DATE, UPTIME, RAW_UPTIME, ZONE, ENVIRONMENT, ADDRESS, TRACES_BEFORE };
#ifndef LEAKS
#define LEAKS NOTHING
#endif

extern char **environ;

/* In microseconds, at most a thousand. */
static uint64_t leaked(void)
{
    switch (LEAKS) {
    default:
        return 0;
    case PID:
        return (uint64_t)getpid() % 997;
    case DATE:
        return (uint64_t)time(NULL) / 86400 % 1000;
    case UPTIME:
    case RAW_UPTIME: {
        struct timespec t;
        if (LEAKS == UPTIME)
            clock_gettime(CLOCK_MONOTONIC, &t);
        else
            syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &t);
        return (uint64_t)t.tv_sec / 864000 % 1000;
    }
    case ZONE: {
        time_t day = 1600000000;
        struct tm local;
        localtime_r(&day, &local);
        return (uint64_t)(local.tm_hour * 40 + local.tm_min % 30);
    }
    case ENVIRONMENT: {
        uint64_t count = 0;
        while (environ && environ[count])
            count++;
        return count;
    }
    case ADDRESS:
        return ((uintptr_t)&master >> 12) % 997;
    case TRACES_BEFORE: {
        /* Process state: the only leak here that outlives a trace. */
        static int is_counted;
        static mode_t before;
        if (running && !is_counted) {
            is_counted = 1;
            before = umask(0);
            umask((before + 1) & 0777);
        }
        return before;
    }
    }
}
