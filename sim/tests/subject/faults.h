/* What the scheduler beside this file does wrong with -DFAULT=N, each in one place. */

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

/* Three functions deep, none of them to be inlined, for what a backtrace shows. */
#define DEEP_FUNCTION __attribute__((noinline)) static

DEEP_FUNCTION int deepest_of_three(int n) { return *nowhere + n; }
DEEP_FUNCTION int middle_of_three(int n) { return deepest_of_three(n + 1) + 1; }
DEEP_FUNCTION int first_of_three(int n) { return middle_of_three(n + 1) + 1; }

static void misbehave_in_a_run(struct master *m)
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

static void misbehave(struct master *m)
{
    if (running)
        misbehave_in_a_run(m);
    else
        misbehave_in_a_calibration();
}

#if defined FAULT_BEFORE_MAIN
/* Before the C library's own beginning, where the engine takes over. */
static void leave(void) { _exit(7); }
__attribute__((section(".preinit_array"), used)) static void (*const before_main)(void) = leave;
#endif

#if defined OWN_MALLOC
static char room[1 << 20];
static size_t used;
void *malloc(size_t bytes) { used += (bytes + 15) & ~15UL; return room + used - ((bytes + 15) & ~15UL); }
void *calloc(size_t count, size_t bytes) { return malloc(count * bytes); }
void free(void *block) { (void)block; }
#endif
