/*
 * The segment as a worker sees it: claiming a slot, sleeping and waking, publishing a reply, blocks.
 *
 * internal/wire/PROTOCOL.md is the contract; layout.h is generated from layout.txt beside it. Nothing here knows
 * Python. Everything but spey_room_wait, spey_stream_wait and spey_sleep is called with the GIL held, which is what makes the
 * allocation of blocks and the registry of sleepers safe between the threads of one worker.
 */
#ifndef SPEY_SLOT_H
#define SPEY_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define SPEY_STATE_MASK UINT64_C(0xff)
#define SPEY_WORKER_SHIFT 16
#define SPEY_FILLING_SHIFT 32
#define SPEY_GENERATION_SHIFT 32
#define SPEY_WORKER_MASK (UINT64_C(0xffff) << SPEY_WORKER_SHIFT)

/* The mapped segment. Every number in it was checked when it was attached and is never read from the segment again. */
struct spey_segment {
    uint8_t *base;
    size_t size;
    struct spey_window *window;
    _Atomic uint32_t *entries;
    struct spey_slot *slots;
    uint8_t *ports;
    uint8_t *workers;
    _Atomic uint32_t *block_table;
    uint8_t *homes;
    uint8_t *blocks;
    size_t worker_stride;
    uint32_t window_mask;
    uint32_t slot_count;
    uint32_t port_count;
    uint32_t slots_per_port;
    uint32_t worker_count;
    uint32_t thread_count;
    uint32_t worker_blocks;
    uint32_t block_count;
    int spool;
    int *doorbells; /* one eventfd per port */
    int *sockets;   /* one socket per port, for descriptors */
    uint32_t block_hint; /* where the search for a free block starts */
};

/* A slot that this thread has claimed, until it is given back. */
struct spey_claim {
    struct spey_segment *segment; /* that the slot is in; stays when it is not ours any more */
    struct spey_slot *slot; /* NULL: not ours, or not ours any more */
    uint8_t *home;
    uint64_t state; /* the value of State that is ours */
    uint32_t index;
    uint32_t produced;
};

/* What there is of a streamed body (PROTOCOL.md section 10). */
enum spey_stream { SPEY_STREAM_BYTES, SPEY_STREAM_END, SPEY_STREAM_LEFT, SPEY_STREAM_NOTHING };

enum spey_wait { SPEY_WAIT_ROOM, SPEY_WAIT_AGAIN, SPEY_WAIT_ABANDONED };

/* Maps a segment; one that was mapped before is let go. Returns NULL, or what is wrong with it (errno is 0 when it is the content). */
const char *spey_attach(struct spey_segment *s, int segment, int spool, const int *doorbells, const int *sockets, size_t count);

/* Lets the segment go. */
void spey_detach(struct spey_segment *s);

struct spey_worker *spey_worker_entry(const struct spey_segment *s, uint32_t worker);
_Atomic uint32_t *spey_sleep_word(const struct spey_segment *s, uint32_t worker, uint32_t thread);

/* Takes the next request from the window; false when there is none. */
bool spey_claim_next(struct spey_segment *s, uint32_t worker, struct spey_claim *claim);
bool spey_window_empty(const struct spey_segment *s);
/* claimed → started. False: the front has taken the slot back. */
bool spey_start(struct spey_claim *claim);
/* Does the front's part where there is none any more: nobody wants the reply, and whoever waits for the front learns of it. */
void spey_abandon(const struct spey_segment *s, uint32_t index, uint32_t worker, uint32_t filling);
/* Whether the front no longer wants the reply. */
bool spey_abandoned(const struct spey_claim *claim);
/* Whether the client has ended its side of the connection, or is gone. */
bool spey_client_left(const struct spey_claim *claim);

/* Sleeps until the word is no longer 1, at most a second and that many nanoseconds. */
void spey_sleep(_Atomic uint32_t *word, int64_t longest);
/* Wakes whoever sleeps on the word. */
void spey_wake(_Atomic uint32_t *word);

/* Publishes a piece; the caller has made sure that there is room in the ring. */
void spey_publish(struct spey_claim *claim, uint32_t block, uint32_t length);
/* Publishes interim heads: the first length bytes of a block, of which some may have been published before. */
void spey_hint(const struct spey_claim *claim, uint32_t block, uint32_t length);
/* Tells the loop to look at the slot. */
void spey_ring(const struct spey_segment *s, uint32_t index);
/* started → done, or abandoned → done, and rings. The slot is not touched after. */
void spey_finish(struct spey_claim *claim);

/* Whether one more piece may be published. */
bool spey_ring_has_room(const struct spey_claim *claim);
/* Takes a block of this worker's range. False: none is free. */
bool spey_block_take(struct spey_segment *s, uint32_t worker, uint32_t *block);
/* Gives back a block that was taken and never published. */
void spey_block_drop(const struct spey_segment *s, uint32_t worker, uint32_t block);
/* Passes a file's descriptor to the front, with the part of it that the reply ends with. False: there is no room for it now. */
bool spey_hand_over(const struct spey_claim *claim, int file, uint64_t at, uint64_t length);
/* Waits, at most a second, until there may be room to publish a piece in a block. Called without the GIL. */
enum spey_wait spey_room_wait(const struct spey_claim *claim, uint32_t worker);

/* Looks beyond a position; *arrived is how far the body has come. */
enum spey_stream spey_stream_look(const struct spey_claim *claim, uint64_t position, uint64_t *arrived);
/* Waits, at most a second, until there may be something beyond the position. Called without the GIL. */
void spey_stream_wait(const struct spey_claim *claim, uint64_t position);
/* Says that everything before the position was taken. */
void spey_stream_take(const struct spey_claim *claim, uint64_t position);

static inline uint8_t *spey_block_at(const struct spey_segment *s, uint32_t block) {
    return s->blocks + (size_t)block * SPEY_BLOCK_SIZE;
}

#endif
