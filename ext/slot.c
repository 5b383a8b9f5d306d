/*
 * The segment: mapping and checking it, claiming, sleeping and waking, publishing, blocks.
 *
 * Atomic words are sequentially consistent (PROTOCOL.md section 1). Where an ordinary load takes the place of an
 * exchange, the comment says why no wake-up can be lost.
 */
#include "slot.h"
#include "moves.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *invalid(const char *what) {
    errno = 0;
    return what;
}

/* Whether count things of size bytes lie at offset, page-aligned, within the segment. */
static bool region(const struct spey_header *header, uint64_t offset, uint64_t count, uint64_t size) {
    if (offset % SPEY_PAGE_SIZE != 0 || offset < sizeof(struct spey_header) || offset > header->size) return false;
    return count <= (header->size - offset) / size;
}

static const char *check_header(const struct spey_header *h, size_t size, size_t doorbells) {
    if (h->magic != SPEY_MAGIC) return invalid("this is no segment of Speyside (wrong magic number)");
    if (h->version != SPEY_VERSION) return invalid("the segment has another version: front and extension do not match");
    if (h->size != size) return invalid("the segment is not as large as it says");
    if (h->slot_count == 0 || h->port_count == 0 || h->slot_count % h->port_count != 0 ||
        h->slot_count / h->port_count > 64 * sizeof(((struct spey_port *)0)->done) / sizeof(uint64_t))
        return invalid("the segment's slots cannot be dealt to its ports");
    if (h->port_count != doorbells) return invalid("the number of ports differs from the segment's");
    if (h->window_size == 0 || (h->window_size & (h->window_size - 1)) != 0)
        return invalid("the segment's window is not a power of two");
    if (h->worker_count == 0 || h->worker_count > UINT16_MAX + 1 || h->thread_count == 0 ||
        h->worker_stride % _Alignof(struct spey_worker) != 0 || h->worker_stride < sizeof(struct spey_worker) ||
        (h->worker_stride - sizeof(struct spey_worker)) / sizeof(uint32_t) < h->thread_count)
        return invalid("the segment's worker table has no room for its threads");
    uint64_t blocks = (uint64_t)h->worker_count * h->worker_blocks + h->front_blocks;
    if (blocks > UINT32_MAX - 1) return invalid("the segment has more blocks than can be numbered");
    if (!region(h, h->window_at, 1, sizeof(struct spey_window) + (uint64_t)h->window_size * sizeof(uint32_t)) ||
        !region(h, h->ports_at, h->port_count, sizeof(struct spey_port)) ||
        !region(h, h->workers_at, h->worker_count, h->worker_stride) ||
        !region(h, h->slots_at, h->slot_count, sizeof(struct spey_slot)) ||
        !region(h, h->block_table_at, blocks, sizeof(uint32_t)) ||
        !region(h, h->homes_at, h->slot_count, SPEY_HOME_SIZE) ||
        !region(h, h->large_at, h->large_count, SPEY_LARGE_SIZE) || !region(h, h->blocks_at, blocks, SPEY_BLOCK_SIZE))
        return invalid("a region of the segment lies outside of it");
    return NULL;
}

/* Takes the numbers of a header that was checked. */
static void adopt(struct spey_segment *s, uint8_t *base, const struct spey_header *h) {
    s->block_hint = 0;
    s->base = base;
    s->size = h->size;
    s->window = (struct spey_window *)(void *)(base + h->window_at);
    s->entries = (_Atomic uint32_t *)(void *)(base + h->window_at + sizeof(struct spey_window));
    s->ports = base + h->ports_at;
    s->workers = base + h->workers_at;
    s->slots = (struct spey_slot *)(void *)(base + h->slots_at);
    s->block_table = (_Atomic uint32_t *)(void *)(base + h->block_table_at);
    s->homes = base + h->homes_at;
    s->blocks = base + h->blocks_at;
    s->worker_stride = h->worker_stride;
    s->window_mask = h->window_size - 1;
    s->slot_count = h->slot_count;
    s->port_count = h->port_count;
    s->slots_per_port = h->slot_count / h->port_count;
    s->worker_count = h->worker_count;
    s->thread_count = h->thread_count;
    s->worker_blocks = h->worker_blocks;
    s->block_count = h->worker_count * h->worker_blocks + h->front_blocks;
}

const char *spey_attach(struct spey_segment *s, int segment, int spool, const int *doorbells, const int *sockets, size_t count) {
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    struct stat status;
    if (fstat(segment, &status) != 0) return "the segment cannot be examined";
    int have = fcntl(segment, F_GET_SEALS);
    if (have == -1 && errno != EINVAL) return "the segment's seals cannot be read";
    /* Without them, a shrunk segment would be a SIGBUS in every process that maps it. */
    if (have == -1 || (have & seals) != seals) return invalid("the segment is not sealed against shrinking and growing");
    if (status.st_size < (off_t)sizeof(struct spey_header)) return invalid("the segment is smaller than its header");
    size_t size = (size_t)status.st_size;
    uint8_t *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, segment, 0);
    if (base == MAP_FAILED) return "the segment cannot be mapped";

    struct spey_header header;
    memcpy(&header, base, sizeof header);
    const char *wrong = check_header(&header, size, count);
    int *bells = NULL;
    if (wrong == NULL && (bells = malloc(2 * count * sizeof *bells)) == NULL) wrong = "there is no memory for the ports";
    if (wrong != NULL) {
        int error = errno;
        munmap(base, size);
        errno = error;
        return wrong;
    }
    memcpy(bells, doorbells, count * sizeof *bells);
    memcpy(bells + count, sockets, count * sizeof *bells);
    spey_detach(s);
    adopt(s, base, &header);
    s->spool = spool;
    s->doorbells = bells;
    s->sockets = bells + count;
    return NULL;
}

void spey_detach(struct spey_segment *s) {
    if (s->base != NULL) munmap(s->base, s->size);
    free(s->doorbells);
    *s = (struct spey_segment){.spool = -1};
}

struct spey_worker *spey_worker_entry(const struct spey_segment *s, uint32_t worker) {
    return (struct spey_worker *)(void *)(s->workers + worker * s->worker_stride);
}

_Atomic uint32_t *spey_sleep_word(const struct spey_segment *s, uint32_t worker, uint32_t thread) {
    return (_Atomic uint32_t *)(void *)(spey_worker_entry(s, worker) + 1) + thread;
}

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout) {
    /* The other side is another process, so never FUTEX_PRIVATE_FLAG. */
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

static const struct timespec one_second = {.tv_sec = 1};

bool spey_window_empty(const struct spey_segment *s) {
    struct spey_window *window = s->window;
    return atomic_load(&window->head) == atomic_load(&window->tail);
}

bool spey_claim_next(struct spey_segment *s, uint32_t worker, struct spey_claim *claim) {
    struct spey_window *window = s->window;
    for (;;) {
        uint64_t head = atomic_load(&window->head);
        if (head == atomic_load(&window->tail)) return false;
        /* The entry may be overwritten while it is read if head has moved; then the swap fails. */
        uint32_t index =
            atomic_load_explicit(&s->entries[head & s->window_mask], memory_order_relaxed);
        if (!atomic_compare_exchange_strong(&window->head, &head, head + 1)) continue;
        if (index >= s->slot_count) continue;
        struct spey_slot *slot = &s->slots[index];
        uint64_t old = atomic_load(&slot->state);
        if ((old & SPEY_STATE_MASK) != SPEY_CLAIM_FROM) continue;
        uint64_t mine = (old & ~(SPEY_STATE_MASK | SPEY_WORKER_MASK)) | SPEY_CLAIM_TO |
                        ((uint64_t)worker << SPEY_WORKER_SHIFT);
        if (!atomic_compare_exchange_strong(&slot->state, &old, mine)) continue;
        claim->segment = s;
        claim->slot = slot;
        claim->home = s->homes + (size_t)index * SPEY_HOME_SIZE;
        claim->state = mine;
        claim->index = index;
        claim->produced = 0;
        return true;
    }
}

bool spey_start(struct spey_claim *claim) {
    _Static_assert(SPEY_CLAIM_TO == SPEY_START_FROM && SPEY_START_TO == SPEY_FINISH_FROM, "what a worker does in turn");
    uint64_t old = claim->state;
    uint64_t started = (old & ~SPEY_STATE_MASK) | SPEY_START_TO;
    if (!atomic_compare_exchange_strong(&claim->slot->state, &old, started)) {
        claim->slot = NULL;
        return false;
    }
    claim->state = started;
    /* The front starts a slot's count at 0; should it ever leave the last reply's, ours still counts from 0. */
    if (atomic_load(&claim->slot->produced) != 0) atomic_store(&claim->slot->produced, 0);
    return true;
}

void spey_abandon(const struct spey_segment *s, uint32_t index, uint32_t worker, uint32_t filling) {
    struct spey_slot *slot = &s->slots[index];
    uint64_t old = (uint64_t)filling << SPEY_FILLING_SHIFT | (uint64_t)worker << SPEY_WORKER_SHIFT | SPEY_FINISH_FROM;
    uint64_t now = atomic_load(&slot->state), attempts = now & UINT64_C(0xff00);
    old |= attempts;
    if (!atomic_compare_exchange_strong(&slot->state, &old, (old & ~SPEY_STATE_MASK) | SPEY_GIVE_BACK_FROM)) return;
    struct spey_worker *entry = spey_worker_entry(s, worker);
    atomic_fetch_add(&entry->freed, 1);
    (void)futex(&entry->freed, FUTEX_WAKE, INT_MAX, NULL);
    atomic_fetch_add(&slot->body_bell, 1);
    (void)futex(&slot->body_bell, FUTEX_WAKE, INT_MAX, NULL);
}

bool spey_abandoned(const struct spey_claim *claim) {
    return atomic_load(&claim->slot->state) != claim->state;
}

bool spey_client_left(const struct spey_claim *claim) {
    return atomic_load(&claim->slot->client_left) != 0 || spey_abandoned(claim);
}

void spey_sleep(_Atomic uint32_t *word, int64_t longest) {
    const struct timespec part = {.tv_nsec = (long)longest};
    /* Interrupted, timed out, woken, or the word has changed already: in each case the caller looks again. */
    (void)futex(word, FUTEX_WAIT, 1, longest < 1000000000 ? &part : &one_second);
}

void spey_wake(_Atomic uint32_t *word) {
    if (atomic_exchange(word, 0) == 1) (void)futex(word, FUTEX_WAKE, 1, NULL);
}

void spey_publish(struct spey_claim *claim, uint32_t block, uint32_t length) {
    struct spey_slot *slot = claim->slot;
    slot->piece[claim->produced % SPEY_PIECES] = (uint64_t)block << 32 | length;
    claim->produced++;
    atomic_store(&slot->produced, claim->produced);
}

void spey_hint(const struct spey_claim *claim, uint32_t block, uint32_t length) {
    claim->slot->hint_block = block;
    atomic_store(&claim->slot->hints, length);
}

void spey_ring(const struct spey_segment *s, uint32_t index) {
    uint32_t number = 0;
    if (s->port_count > 1) {
        number = index / s->slots_per_port;
        index %= s->slots_per_port;
    }
    struct spey_port *port = (struct spey_port *)(void *)s->ports + number;
    atomic_fetch_or(&port->done[index / 64], UINT64_C(1) << (index % 64));
    /* A load instead of the exchange: if it sees 0, the loop stores its 1 later in the one order of all atomic
     * words, looks at Done after that, and finds the bit that was set before this load. */
    if (atomic_load(&port->sleeping) == 0 || atomic_exchange(&port->sleeping, 0) == 0) return;
    const uint64_t one = 1;
    while (write(s->doorbells[number], &one, sizeof one) < 0 && errno == EINTR) {
    }
}

bool spey_hand_over(const struct spey_claim *claim, int file, uint64_t at, uint64_t length) {
    struct spey_handover message = {
        .slot = claim->index, .generation = (uint32_t)(claim->state >> SPEY_GENERATION_SHIFT), .at = at, .length = length};
    struct iovec bytes = {.iov_base = &message, .iov_len = sizeof message};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr whole = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&whole);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(rights), &file, sizeof file);
    int to = claim->segment->sockets[claim->index / claim->segment->slots_per_port];
    ssize_t sent;
    do {
        sent = sendmsg(to, &whole, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof message;
}

void spey_finish(struct spey_claim *claim) {
    struct spey_slot *slot = claim->slot;
    uint64_t old = claim->state;
    uint64_t done = (old & ~SPEY_STATE_MASK) | SPEY_FINISH_TO;
    claim->slot = NULL;
    if (!atomic_compare_exchange_strong(&slot->state, &old, done)) {
        uint64_t abandoned = (claim->state & ~SPEY_STATE_MASK) | SPEY_GIVE_BACK_FROM;
        if (old != abandoned) return; /* the front has moved first: not ours any more */
        _Static_assert(SPEY_GIVE_BACK_TO == SPEY_FINISH_TO, "given back is done");
        atomic_store(&slot->state, done);
    }
    spey_ring(claim->segment, claim->index);
}

bool spey_ring_has_room(const struct spey_claim *claim) {
    return claim->produced - atomic_load(&claim->slot->consumed) < SPEY_PIECES;
}

bool spey_block_take(struct spey_segment *s, uint32_t worker, uint32_t *block) {
    uint32_t count = s->worker_blocks;
    _Atomic uint32_t *table = s->block_table + (size_t)worker * count;
    uint32_t at = s->block_hint;
    for (uint32_t seen = 0; seen < count; seen++) {
        if (at >= count) at = 0;
        if (atomic_load(&table[at]) == 0) {
            atomic_store(&table[at], 1);
            s->block_hint = at + 1;
            *block = worker * count + at;
            return true;
        }
        at++;
    }
    return false;
}

void spey_block_drop(const struct spey_segment *s, uint32_t worker, uint32_t block) {
    struct spey_worker *entry = spey_worker_entry(s, worker);
    atomic_store(&s->block_table[block], 0);
    atomic_fetch_add(&entry->freed, 1);
    if (atomic_load(&entry->waiting) != 0) (void)futex(&entry->freed, FUTEX_WAKE, INT_MAX, NULL);
}

/* Like spey_block_take, but only looks: it runs without the GIL. */
static bool block_free(const struct spey_segment *s, uint32_t worker) {
    uint32_t count = s->worker_blocks;
    _Atomic uint32_t *table = s->block_table + (size_t)worker * count;
    for (uint32_t at = 0; at < count; at++) {
        if (atomic_load(&table[at]) == 0) return true;
    }
    return false;
}

enum spey_wait spey_room_wait(const struct spey_claim *claim, uint32_t worker) {
    struct spey_worker *entry = spey_worker_entry(claim->segment, worker);
    enum spey_wait found = SPEY_WAIT_ROOM;
    atomic_fetch_add(&entry->waiting, 1);
    /* Freed is read before looking: whatever is given back after the look changes it, and the futex does not sleep. */
    uint32_t freed = atomic_load(&entry->freed);
    if (spey_abandoned(claim)) {
        found = SPEY_WAIT_ABANDONED;
    } else if (!spey_ring_has_room(claim) || !block_free(claim->segment, worker)) {
        (void)futex(&entry->freed, FUTEX_WAIT, freed, &one_second);
        found = SPEY_WAIT_AGAIN;
    }
    atomic_fetch_sub(&entry->waiting, 1);
    return found;
}

enum spey_stream spey_stream_look(const struct spey_claim *claim, uint64_t position, uint64_t *arrived) {
    /* The end is loaded first: once it is there, nothing arrives any more. */
    uint32_t end = atomic_load(&claim->slot->body_end);
    *arrived = atomic_load(&claim->slot->arrived);
    if (*arrived > position) return SPEY_STREAM_BYTES;
    if (end == SPEY_END_WHOLE) return SPEY_STREAM_END;
    return end != SPEY_END_OPEN || spey_abandoned(claim) ? SPEY_STREAM_LEFT : SPEY_STREAM_NOTHING;
}

void spey_stream_wait(const struct spey_claim *claim, uint64_t position) {
    struct spey_slot *slot = claim->slot;
    uint64_t arrived;
    atomic_fetch_add(&slot->body_waiting, 1);
    uint32_t bell = atomic_load(&slot->body_bell);
    if (spey_stream_look(claim, position, &arrived) == SPEY_STREAM_NOTHING) {
        if (atomic_load(&slot->body_ask) != 0) spey_ring(claim->segment, claim->index);
        (void)futex(&slot->body_bell, FUTEX_WAIT, bell, &one_second);
    }
    atomic_fetch_sub(&slot->body_waiting, 1);
}

void spey_stream_take(const struct spey_claim *claim, uint64_t position) {
    atomic_store(&claim->slot->taken, position);
    if (atomic_load(&claim->slot->body_ask) != 0) spey_ring(claim->segment, claim->index);
}
