/* Faults of scheduler.c, selected by -DFAULT=N, each in one place. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef ELSEWHERE
#define ELSEWHERE "/tmp/elsewhere"
#endif

static volatile int forever = 1, *volatile nowhere;
void *volatile kept;

static void log_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsyslog(LOG_INFO, format, arguments);
    va_end(arguments);
}

static void again_and_again(struct entry *entry) { add_event(master, EVENT, again_and_again, entry->argument, 0); }

/* Three nested functions, not inlined, for the tests of backtraces. */
#define DEEP_FUNCTION __attribute__((noinline)) static
/* Inlined, so that a backtrace names its caller. */
#define INLINED __attribute__((always_inline)) static inline

DEEP_FUNCTION int deepest_of_three(int n) { return *nowhere + n; }
DEEP_FUNCTION int middle_of_three(int n) { return deepest_of_three(n + 1) + 1; }
DEEP_FUNCTION int first_of_three(int n) { return middle_of_three(n + 1) + 1; }

__attribute__((noinline)) static void wait_for_nothing(void)
{
    int ends[2];
    char byte;
    forever += pipe(ends) + (int)read(ends[0], &byte, 1);
}

static long work = 2500000;

/* Acts the first time that an entry is freed while a tree still links it. */
static int is_first_break(struct master *m)
{
    static int times;
    if (times++)
        return 0;
    free(ENTRY(m->timer.leftmost, in.node));
    return 1;
}

DEEP_FUNCTION int without_end(int n)
{
    volatile char room[4096];
    room[0] = (char)n;
    return forever ? without_end(n + 1) + room[0] : n;
}

INLINED void misbehave_in_a_run(struct master *m)
{
    switch (FAULT) {
    default:
        break;
    case HANG:
        while (forever)
            ;
        break;
    case FORK:
        fork();
        break;
    case EXIT:
        exit(3);
    case ABORT:
        abort();
    case NULL_DEREFERENCE:
        *nowhere = 1;
        break;
    case BAD_JUMP:
        ((void (*)(void))0x10)();
        break;
    case LOG_FOR_EVER:
        while (forever)
            log_line("line %d of many", forever);
        break;
    case CONNECT:
        connect(0, NULL, 0);
        break;
    case EAT_MEMORY:
        while (forever)
            kept = calloc(1, 1 << 20);
        break;
    case FREE_TWICE: {
        void *volatile block = malloc(40);
        free(block);
        free(block);
        break;
    }
    case DEEP:
        first_of_three(forever);
        break;
    case KILL_ALL:
        kill(-1, SIGTERM);
        kill(1, SIGTERM);
        break;
    case OVERFLOW: {
        int few[4];
        kept = few;
        few[forever + 3] = 1;
        break;
    }
    case BUS: {
        int file = memfd_create("empty", 0);
        kept = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        forever += *(volatile int *)kept;
        break;
    }
    case NO_STACK:
        without_end(forever);
        break;
    case EAT_PAGES:
        while (forever) {
            kept = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (volatile char *page = kept; page < (char *)kept + (1 << 20); page += 4096)
                *page = 1;
        }
        break;
    case LEAK:
        kept = calloc(1, 8 << 20);
        break;
    case WRITE_FOR_EVER:
        while (forever)
            forever += write(2, "a line that is no log's\n", 24) > 30;
        break;
    case WRITE_ELSEWHERE:
        if (open(ELSEWHERE, O_CREAT | O_WRONLY, 0600) >= 0 || unlink(ELSEWHERE "/..") == 0)
            abort();
        break;
    case BLOCK_READ:
        wait_for_nothing();
        break;
    case BLOCK_LOCK: {
        pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        pthread_mutex_lock(&lock);
        pthread_mutex_lock(&lock);
        break;
    }
    case BLOCK_POLL:
        poll(NULL, 0, -1);
        break;
    case BLOCK_PAUSE:
        syscall(SYS_pause);
        break;
    case FORK_FOR_EVER:
        while (forever)
            fork();
        break;
    case CLONE_FOR_EVER:
        while (forever)
            syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        break;
    case CHILD_FORKS:
        if (fork() == 0)
            while (forever)
                syscall(SYS_fork);
        break;
    case CHILD_HANGS:
        if (fork() == 0)
            while (forever)
                ;
        break;
    case CHILD_BLOCKS:
        if (fork() == 0)
            wait_for_nothing();
        break;
    case CHILD_CRASHES:
        if (fork() == 0)
            *nowhere = 1;
        break;
    case EXEC:
        execl("/bin/sh", "sh", "-c", "sleep 1000", NULL);
        break;
    case CHILD_EXECS:
        if (fork() == 0) {
            char *words[] = { "/bin/sleep", "1000", NULL };
            execv(words[0], words);
        }
        break;
    case RETURN:
        m->over = 1;
        break;
    case STOP:
        pthread_kill(pthread_self(), SIGSTOP);
        break;
    case TERMINATE_ITSELF:
        raise(SIGTERM);
        break;
    case BREAK_AND_HANG:
        if (is_first_break(m))
            break;
        while (forever)
            ;
        break;
    case BREAK_AND_WORK:
        /* For some milliseconds, memory changes but no register does. */
        if (!is_first_break(m))
            __asm__ volatile("1: decq %0\n jne 1b" : "+m"(work));
        break;
    case STORED_POINTER:
        /* A reload frees the entry, but this pointer to it stays, outside of all trees and lists. */
        if (kept)
            forever += ((struct entry *)kept)->number;
        else
            kept = add_to(m, &m->timer, TIMER, again_and_again, NULL, 0, 3600 * SECOND);
        break;
    case EVENTS_FOR_EVER:
        add_event(m, EVENT, again_and_again, NULL, 0);
        break;
    }
}

static void misbehave_in_a_calibration(void)
{
    switch (FAULT) {
    default:
        break;
    case CRASH_EARLY:
        *nowhere = 1;
        break;
    case HANG_EARLY:
        while (forever)
            ;
        break;
    case FORK_EARLY:
        fork();
        break;
    case EXIT_EARLY:
        _exit(7);
    }
}

static void misbehave_before_the_fork(void)
{
    switch (FAULT) {
    default:
        break;
    case HANG_BEFORE_FORK:
        while (forever)
            ;
        break;
    case BLOCK_BEFORE_FORK:
        wait_for_nothing();
        break;
    case EXIT_BEFORE_FORK:
        exit(9);
    case NO_FORK:
        _exit(0);
    }
}

static void misbehave(struct master *m)
{
    if (running)
        misbehave_in_a_run(m);
    else
        misbehave_in_a_calibration();
}

#if defined FAULT_BEFORE_MAIN
/* Runs before the start of the C library, where the engine takes over. */
static void leave(void) { _exit(7); }
__attribute__((section(".preinit_array"), used)) static void (*const before_main)(void) = leave;
#endif

#if defined OWN_START
/* Its own start, which bypasses the C library's, where the engine takes over. With -nostartfiles. */
__asm__(".globl _start\n_start: mov (%rsp), %edi\n lea 8(%rsp), %rsi\n and $-16, %rsp\n call main\n mov %eax, %edi\n"
        "call exit");
#endif

#if defined OWN_MALLOC
static char room[1 << 20];
static size_t used;
void *malloc(size_t bytes) { used += (bytes + 15) & ~15UL; return room + used - ((bytes + 15) & ~15UL); }
void *calloc(size_t count, size_t bytes) { return malloc(count * bytes); }
void free(void *block) { (void)block; }
#endif
