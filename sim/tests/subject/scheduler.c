/* Our own scheduler, for the tests of the engine: it exports the functions and variables that the engine drives in
 * keepalived, and implements what `sim/world` and the replica describe. It contains no line of keepalived.
 *
 * Invariant: without a fault it is correct, as long as its trees are too small to need rebalancing. It distinguishes a run
 * from a calibration by `signal_set`, which the engine calls only in runs. -DFAULT=N selects one fault: those of the first
 * kind act in a run, when a child is added (in a daemon: after its first second); those of the second kind act in a
 * calibration; those of the third kind act in a daemon, before its first fork.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum fault {
    SOUND, HANG, FORK, EXIT, ABORT, NULL_DEREFERENCE, BAD_JUMP, LOG_FOR_EVER, CONNECT, EAT_MEMORY, FREE_TWICE,
    DEEP, KILL_ALL, EVENTS_FOR_EVER, OVERFLOW, BUS, NO_STACK, EAT_PAGES, WRITE_FOR_EVER, WRITE_ELSEWHERE,
    BLOCK_READ, BLOCK_LOCK, BLOCK_POLL, BLOCK_PAUSE, FORK_FOR_EVER, CLONE_FOR_EVER, CHILD_FORKS, CHILD_HANGS, CHILD_BLOCKS,
    CHILD_CRASHES, EXEC, CHILD_EXECS, RETURN, STOP, TERMINATE_ITSELF, LEAK,
    BREAK_AND_HANG, BREAK_AND_WORK, STORED_POINTER,
    FIRST_OF_CALIBRATION, LARGE_ENTRY = FIRST_OF_CALIBRATION, NO_PID, CRASH_EARLY, HANG_EARLY, FORK_EARLY, EXIT_EARLY,
    FIRST_BEFORE_FORK, HANG_BEFORE_FORK = FIRST_BEFORE_FORK, BLOCK_BEFORE_FORK, EXIT_BEFORE_FORK, NO_FORK
};
#ifndef FAULT
#define FAULT SOUND
#endif
#ifndef BANNER
#define BANNER "Keepalived v2.3.4 (06/10,2024)"
#endif

enum type { READ, WRITE, TIMER, TIMER_SHUTDOWN, CHILD, UNUSED, EVENT, READY, CHILD_TIMEOUT, CHILD_TERMINATED,
            TERMINATE_START, TERMINATE };

#define NEVER INT64_MAX
#define SECOND 1000000

struct entry;
typedef void (*handler_t)(struct entry *);
struct node { uintptr_t parent_and_black; struct node *right, *left; };
struct link { struct link *next, *previous; };
struct tree { struct node *root, *leftmost; };
struct entry {
    enum type type;
    handler_t handler;
    void *argument;
    int64_t seconds, micros;
    int number; /* a descriptor, a pid, or an event's value */
    int status;
    union { struct node node; struct link link; } in;
    struct node by_pid;
    char more[FAULT == LARGE_ENTRY ? 100 : 8];
};
struct master {
    struct tree read, write, timer, child;
    struct node *child_pid;
    struct link event, ready, unuse;
    struct entry *timer_entry, *signal_entry;
    int epoll_fd, timer_fd, signal_fd;
    int over;
};

const char *banner = BANNER;
struct master *master;
uint64_t min_auto_priority_delay;
static int64_t offset, now;
static int running;
static struct { void (*handler)(void *, int); void *argument; } handlers[65];

#define ENTRY(place, member) ((struct entry *)((char *)(place) - offsetof(struct entry, member)))

/* Time */

void set_time_now(void)
{
    struct timespec t;
    if (offset == 0) {
        struct timespec real;
        clock_gettime(CLOCK_REALTIME, &real);
        clock_gettime(CLOCK_MONOTONIC, &t);
        offset = (int64_t)(real.tv_sec - t.tv_sec) * SECOND + (real.tv_nsec - t.tv_nsec) / 1000;
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    now = (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000 + offset;
}

static void set_deadline(struct entry *entry, uint64_t micros)
{
    if (micros == UINT64_MAX) {
        entry->seconds = NEVER;
        entry->micros = 0;
        return;
    }
    set_time_now();
    entry->seconds = (now + (int64_t)micros) / SECOND;
    entry->micros = (now + (int64_t)micros) % SECOND;
}

static int is_due(const struct entry *entry)
{
    return entry->seconds != NEVER && entry->seconds * SECOND + entry->micros <= now;
}

/* Trees: equal keys go right. The root is black, all others are red, which is valid for few nodes. */

static struct node *parent_of(const struct node *node) { return (struct node *)(node->parent_and_black & ~3UL); }

static int later(const struct node *a, const struct node *b)
{
    const struct entry *x = ENTRY(a, in.node), *y = ENTRY(b, in.node);
    return x->seconds != y->seconds ? x->seconds >= y->seconds : x->micros >= y->micros;
}

static int larger(const struct node *a, const struct node *b) { return ENTRY(a, by_pid)->number >= ENTRY(b, by_pid)->number; }

static void insert(struct node **root, struct node *node, int (*goes_right)(const struct node *, const struct node *))
{
    struct node *parent = NULL, **place = root;
    while (*place) {
        parent = *place;
        place = goes_right(node, parent) ? &parent->right : &parent->left;
    }
    node->parent_and_black = (uintptr_t)parent | (parent == NULL);
    node->left = node->right = NULL;
    *place = node;
}

/* Inserts all nodes below a removed one again. */
static void hang_in(struct node **root, struct node *node, int (*goes_right)(const struct node *, const struct node *))
{
    if (!node)
        return;
    struct node *left = node->left, *right = node->right;
    insert(root, node, goes_right);
    hang_in(root, left, goes_right);
    hang_in(root, right, goes_right);
}

static void erase(struct node **root, struct node *node, int (*goes_right)(const struct node *, const struct node *))
{
    struct node *parent = parent_of(node), *left = node->left, *right = node->right;
    *(!parent ? root : parent->left == node ? &parent->left : &parent->right) = NULL;
    hang_in(root, left, goes_right);
    hang_in(root, right, goes_right);
}

static void set_leftmost(struct tree *tree)
{
    tree->leftmost = tree->root;
    while (tree->leftmost && tree->leftmost->left)
        tree->leftmost = tree->leftmost->left;
}

static void put_in(struct tree *tree, struct entry *entry)
{
    insert(&tree->root, &entry->in.node, later);
    set_leftmost(tree);
}

static void take_out(struct tree *tree, struct entry *entry)
{
    erase(&tree->root, &entry->in.node, later);
    set_leftmost(tree);
}

/* Lists */

static void open_list(struct link *head) { head->next = head->previous = head; }

static void append(struct link *head, struct link *link)
{
    link->next = head;
    link->previous = head->previous;
    head->previous->next = link;
    head->previous = link;
}

static void unlink_it(struct link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static struct entry *first_of(struct link *head)
{
    if (head->next == head)
        return NULL;
    struct entry *entry = ENTRY(head->next, in.link);
    unlink_it(&entry->in.link);
    return entry;
}

/* Entries */

static struct entry *new_entry(struct master *m, enum type type, handler_t handler, void *argument, int number)
{
    struct entry *entry = first_of(&m->unuse);
    if (!entry)
        entry = calloc(1, sizeof *entry);
    entry->type = type;
    entry->handler = handler;
    entry->argument = argument;
    entry->number = number;
    return entry;
}

static void retire(struct master *m, struct entry *entry)
{
    entry->type = UNUSED;
    append(&m->unuse, &entry->in.link);
}

static struct entry *add_to(struct master *m, struct tree *tree, enum type type, handler_t handler, void *argument,
                            int number, uint64_t micros)
{
    struct entry *entry = new_entry(m, type, handler, argument, number);
    set_deadline(entry, micros);
    put_in(tree, entry);
    return entry;
}

static struct entry *add_event(struct master *m, enum type type, handler_t handler, void *argument, int value)
{
    struct entry *entry = new_entry(m, type, handler, argument, value);
    append(&m->event, &entry->in.link);
    return entry;
}

#include "faults.h"
#include "leaks.h"

/* The functions that the engine drives */

struct entry *thread_add_timer(struct master *m, handler_t handler, void *argument, uint64_t micros)
{
    return add_to(m, &m->timer, TIMER, handler, argument, 0, micros + leaked());
}

struct entry *thread_add_timer_shutdown(struct master *m, handler_t handler, void *argument, uint64_t micros)
{
    return add_to(m, &m->timer, TIMER_SHUTDOWN, handler, argument, 0, micros);
}

struct entry *thread_add_child(struct master *m, handler_t handler, void *argument, int pid, uint64_t micros)
{
    misbehave(m);
    struct entry *entry = add_to(m, &m->child, CHILD, handler, argument, FAULT == NO_PID ? 0 : pid, micros);
    insert(&m->child_pid, &entry->by_pid, larger);
    return entry;
}

struct entry *thread_add_event(struct master *m, handler_t handler, void *argument, int value)
{
    return add_event(m, EVENT, handler, argument, value);
}

struct entry *thread_add_start_terminate_event(struct master *m, handler_t handler)
{
    return add_event(m, TERMINATE_START, handler, NULL, 0);
}

void thread_add_terminate_event(struct master *m) { add_event(m, TERMINATE, NULL, NULL, 0); }

struct entry *thread_add_read(struct master *m, handler_t handler, void *argument, int fd, uint64_t micros, unsigned flags)
{
    (void)flags;
    return add_to(m, &m->read, READ, handler, argument, fd, micros);
}

struct entry *thread_add_write(struct master *m, handler_t handler, void *argument, int fd, uint64_t micros, unsigned flags)
{
    (void)flags;
    return add_to(m, &m->write, WRITE, handler, argument, fd, micros);
}

void thread_cancel(struct entry *entry)
{
    struct master *m = master;
    if (entry->type == TIMER || entry->type == TIMER_SHUTDOWN)
        take_out(&m->timer, entry);
    else if (entry->type == CHILD) {
        take_out(&m->child, entry);
        erase(&m->child_pid, &entry->by_pid, larger);
    } else
        unlink_it(&entry->in.link);
    retire(m, entry);
}

void signal_set(int number, void (*handler)(void *, int), void *argument)
{
    running = 1;
    handlers[number].handler = handler;
    handlers[number].argument = argument;
}

static void timer_is_read(struct entry *entry);

static void signals_are_read(struct entry *entry)
{
    struct master *m = master;
    struct signalfd_siginfo got;
    while (read(entry->number, &got, sizeof got) == sizeof got)
        if (got.ssi_signo < 65 && handlers[got.ssi_signo].handler)
            handlers[got.ssi_signo].handler(handlers[got.ssi_signo].argument, (int)got.ssi_signo);
    m->signal_entry = add_to(m, &m->read, READ, signals_are_read, NULL, m->signal_fd, UINT64_MAX);
}

static void make_ready(struct master *m, struct tree *tree)
{
    while (tree->leftmost && is_due(ENTRY(tree->leftmost, in.node))) {
        struct entry *entry = ENTRY(tree->leftmost, in.node);
        take_out(tree, entry);
        entry->type = entry->type == CHILD ? CHILD_TIMEOUT : entry->type == TIMER_SHUTDOWN ? TIMER_SHUTDOWN : READY;
        append(&m->ready, &entry->in.link);
    }
}

static void timer_is_read(struct entry *entry)
{
    struct master *m = master;
    uint64_t expired;
    if (read(entry->number, &expired, sizeof expired) == sizeof expired) {
        make_ready(m, &m->timer);
        make_ready(m, &m->child);
    }
    m->timer_entry = add_to(m, &m->read, READ, timer_is_read, NULL, m->timer_fd, UINT64_MAX);
}

void thread_add_base_threads(struct master *m, int with_snmp)
{
    (void)with_snmp;
    m->timer_entry = add_to(m, &m->read, READ, timer_is_read, NULL, m->timer_fd, UINT64_MAX);
    m->signal_entry = add_to(m, &m->read, READ, signals_are_read, NULL, m->signal_fd, UINT64_MAX);
}

struct master *thread_make_master(void)
{
    struct master *m = calloc(1, sizeof *m);
    sigset_t none;
    sigemptyset(&none);
    open_list(&m->event);
    open_list(&m->ready);
    open_list(&m->unuse);
    m->epoll_fd = epoll_create1(0);
    m->timer_fd = timerfd_create(CLOCK_MONOTONIC, 0);
    m->signal_fd = signalfd(-1, &none, 0);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 1 };
    epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, m->timer_fd, &event);
    event.data.u64 = 2;
    epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, m->signal_fd, &event);
    thread_add_base_threads(m, 0);
    return m;
}

static struct entry *find_child(struct master *m, int pid)
{
    struct node *node = m->child_pid;
    while (node && ENTRY(node, by_pid)->number != pid)
        node = pid < ENTRY(node, by_pid)->number ? node->left : node->right;
    return node ? ENTRY(node, by_pid) : NULL;
}

void thread_child_handler(void *argument, int number)
{
    struct master *m = master;
    int pid, status;
    (void)argument, (void)number;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct entry *entry = find_child(m, pid);
        if (!entry)
            continue;
        erase(&m->child_pid, &entry->by_pid, larger);
        entry->status = status;
        if (entry->type == CHILD) {
            take_out(&m->child, entry);
            append(&m->ready, &entry->in.link);
        }
        entry->type = CHILD_TERMINATED;
    }
}

static void kill_on_timeout(struct entry *entry)
{
    if (entry->type == CHILD_TIMEOUT)
        kill(-entry->number, SIGKILL);
}

static void kill_node(struct node *node, int number)
{
    if (!node)
        return;
    kill_node(node->left, number);
    struct entry *entry = ENTRY(node, in.node);
    kill(-getpgid(entry->number), number);
    entry->handler = kill_on_timeout;
    entry->argument = NULL;
    set_deadline(entry, SECOND);
    kill_node(node->right, number);
}

void script_killall(struct master *m, int number, int ends)
{
    (void)ends;
    kill_node(m->child.root, number);
}

static void empty(struct master *m, struct tree *tree)
{
    while (tree->leftmost) {
        struct entry *entry = ENTRY(tree->leftmost, in.node);
        take_out(tree, entry);
        if (entry->type == CHILD)
            erase(&m->child_pid, &entry->by_pid, larger);
        retire(m, entry);
    }
}

void thread_cleanup_master(struct master *m, int keep_children)
{
    struct entry *entry;
    empty(m, &m->read);
    empty(m, &m->write);
    empty(m, &m->timer);
    if (!keep_children)
        empty(m, &m->child);
    while ((entry = first_of(&m->event)))
        retire(m, entry);
    while ((entry = first_of(&m->ready))) {
        if (entry->type == CHILD_TIMEOUT)
            erase(&m->child_pid, &entry->by_pid, larger);
        retire(m, entry);
    }
    while ((entry = first_of(&m->unuse)))
        free(entry);
}

static void arm(struct master *m)
{
    struct tree *trees[] = { &m->read, &m->write, &m->timer, &m->child };
    int64_t earliest = NEVER;
    for (int n = 0; n < 4; n++) {
        struct entry *entry = trees[n]->leftmost ? ENTRY(trees[n]->leftmost, in.node) : NULL;
        if (entry && entry->seconds != NEVER && entry->seconds * SECOND + entry->micros < earliest)
            earliest = entry->seconds * SECOND + entry->micros;
    }
    struct itimerspec after = { .it_value.tv_sec = INT64_MAX };
    if (earliest != NEVER) {
        set_time_now();
        int64_t micros = earliest > now ? earliest - now : 0;
        after.it_value.tv_sec = micros / SECOND;
        after.it_value.tv_nsec = micros ? micros % SECOND * 1000 : 1;
    }
    timerfd_settime(m->timer_fd, 0, &after, NULL);
}

static void wait_for_more(struct master *m)
{
    struct epoll_event ready[2];
    arm(m);
    int count = epoll_wait(m->epoll_fd, ready, 2, -1);
    for (int n = 0; n < count; n++) {
        struct entry *entry = ready[n].data.u64 == 1 ? m->timer_entry : m->signal_entry;
        take_out(&m->read, entry);
        entry->type = READY;
        append(&m->ready, &entry->in.link);
    }
    set_time_now();
}

void process_threads(struct master *m)
{
    while (!m->over) {
        struct entry *entry = first_of(&m->event);
        if (!entry)
            entry = first_of(&m->ready);
        if (!entry) {
            wait_for_more(m);
            continue;
        }
        if (entry->type == CHILD_TIMEOUT)
            erase(&m->child_pid, &entry->by_pid, larger);
        m->over = entry->type == TERMINATE;
        if (entry->handler)
            entry->handler(entry);
        retire(m, entry);
    }
}

/* As a daemon: a first process forks one that runs the loop, with a timer each second. */

static void tick(struct entry *entry)
{
    misbehave_in_a_run(master);
    thread_add_timer(master, tick, NULL, SECOND);
    (void)entry;
}

int main(int argc, char **argv)
{
    puts(banner);
    if (argc < 2 || !strcmp(argv[1], "--version"))
        return 0;
    misbehave_before_the_fork();
    if (fork() > 0)
        return 0;
    master = thread_make_master();
    thread_add_timer(master, tick, NULL, SECOND);
    process_threads(master);
    return 0;
}
