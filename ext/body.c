/*
 * The body of a reply on its way into the segment: the home block behind the head first, then blocks of this
 * worker, each published when it is full or when the application has given all it has for now.
 *
 * A piece that is being filled always has its place in the ring of pieces, so publishing never waits; only beginning
 * another one does, and that is where the GIL is released.
 */
#include "gateway.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Pieces published between two rings while more follow: the front may send what is there beside the copying. */
#define RING_EVERY 8

void spey_head_close(struct spey_reply *reply, uint64_t length) {
    static const char name[] = "Content-Length: ";
    uint8_t *head = reply->claim.home + SPEY_REPLY_HEAD;
    uint8_t *at = head + reply->fields;
    if (length != SPEY_NO_LENGTH) {
        char digits[20];
        size_t count = 0;
        uint64_t rest = length;
        do {
            digits[count++] = (char)('0' + rest % 10);
            rest /= 10;
        } while (rest != 0);
        memcpy(at, name, sizeof name - 1);
        at += sizeof name - 1;
        while (count > 0) *at++ = (uint8_t)digits[--count];
        *at++ = '\r';
        *at++ = '\n';
        reply->flags |= SPEY_REPLY_HAS_LENGTH;
        reply->length = length;
    }
    *at++ = '\r';
    *at++ = '\n';

    struct spey_slot *slot = reply->claim.slot;
    reply->fields = (uint32_t)(at - head);
    reply->filled = reply->fields;
    reply->at = at;
    reply->room = SPEY_HOME_SIZE - SPEY_REPLY_HEAD - reply->fields;
    reply->closed = true;
    slot->status_len = reply->status_len;
    slot->status_code = reply->status_code;
    slot->fields_len = reply->fields;
    slot->reply_length = reply->length;
    slot->reply_flags = reply->flags;
}

enum spey_sent spey_body_flush(struct spey_reply *reply) {
    if (reply->filled == 0) return SPEY_SENT;
    if (UNLIKELY(spey_abandoned(&reply->claim))) {
        reply->gone = true;
        return SPEY_SENT_GONE;
    }
    spey_publish(&reply->claim, reply->holds_block ? reply->block : 0, reply->filled);
    reply->holds_block = false;
    reply->filled = 0;
    reply->room = 0;
    return SPEY_SENT;
}

/* Begins a piece in a block, waiting until there is one and a place in the ring. */
static enum spey_sent next_piece(struct spey_reply *reply) {
    while (!spey_ring_has_room(&reply->claim) || !spey_block_take(reply->claim.segment, reply->worker, &reply->block)) {
        spey_ring(reply->claim.segment, reply->claim.index);
        PyThreadState *state = PyEval_SaveThread();
        enum spey_wait found = spey_room_wait(&reply->claim, reply->worker);
        PyEval_RestoreThread(state);
        if (found == SPEY_WAIT_ABANDONED) {
            reply->gone = true;
            return SPEY_SENT_GONE;
        }
        if (PyErr_CheckSignals() < 0) return SPEY_SENT_FAILED;
    }
    reply->holds_block = true;
    reply->at = spey_block_at(reply->claim.segment, reply->block);
    reply->room = SPEY_BLOCK_SIZE;
    return SPEY_SENT;
}

enum spey_sent spey_body_append(struct spey_reply *reply, const uint8_t *data, size_t length) {
    if (reply->bodiless) return SPEY_SENT;
    if (reply->flags & SPEY_REPLY_HAS_LENGTH && length > reply->length - reply->taken) {
        reply->excess = !reply->limited;
        length = (size_t)(reply->length - reply->taken);
    }
    reply->taken += length;
    enum spey_sent sent = SPEY_SENT;
    reply->sending = true;
    while (length > 0) {
        if (reply->room == 0) {
            if ((sent = spey_body_flush(reply)) != SPEY_SENT) break;
            if (reply->claim.produced % RING_EVERY == 1) spey_ring(reply->claim.segment, reply->claim.index);
            if ((sent = next_piece(reply)) != SPEY_SENT) break;
        }
        size_t part = length < reply->room ? length : reply->room;
        memcpy(reply->at, data, part);
        reply->at += part;
        reply->room -= part;
        reply->filled += (uint32_t)part;
        data += part;
        length -= part;
    }
    reply->sending = false;
    return sent;
}

/* Reads a part of a file that fits beside the head. False: it is not all there. */
static bool read_file(struct spey_reply *reply, int file, uint64_t at, size_t length) {
    size_t have = 0;
    reply->sending = true;
    PyThreadState *state = PyEval_SaveThread(); /* the disk may be slow */
    while (have < length) {
        ssize_t count = pread(file, reply->at + have, length - have, (off_t)(at + have));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        have += (size_t)count;
    }
    PyEval_RestoreThread(state);
    reply->sending = false;
    return have == length;
}

enum spey_file_sent spey_body_file(struct spey_reply *reply, int file, uint64_t at, uint64_t length) {
    if (length > reply->room) {
        if (!spey_hand_over(&reply->claim, file, at, length)) return SPEY_FILE_LEFT;
        reply->flags |= SPEY_REPLY_FILE;
        reply->claim.slot->reply_flags = reply->flags;
    } else {
        if (!read_file(reply, file, at, (size_t)length)) return SPEY_FILE_SHORT;
        reply->at += length;
        reply->room -= (size_t)length;
        reply->filled += (uint32_t)length;
    }
    reply->taken += length;
    return SPEY_FILE_TAKEN;
}

enum spey_sent spey_body_send(struct spey_reply *reply, const uint8_t *data, size_t length) {
    enum spey_sent sent = spey_body_append(reply, data, length);
    if (sent == SPEY_SENT && reply->filled != 0) {
        sent = spey_body_flush(reply);
        if (sent == SPEY_SENT) spey_ring(reply->claim.segment, reply->claim.index);
    }
    return sent;
}

/* The slot is still ours. */
static void tell_time(const struct spey_reply *reply) {
    int64_t ran = (spey_monotonic() - reply->began) / 1000;
    reply->claim.slot->ran = ran < UINT32_MAX ? (uint32_t)ran : UINT32_MAX;
}

void spey_body_finish(struct spey_reply *reply, bool cut) {
    if (!spey_reply_live(reply)) {
        /* Over already, or this is a child of the worker that came back from the application: the parent answers. */
        reply->claim.slot = NULL;
        return;
    }
    /* A cut reply of which nothing has left becomes the front's 500; of another one, what was taken is sent. */
    if (!reply->gone && (!cut || reply->claim.produced > 0)) {
        if (!reply->closed) spey_head_close(reply, SPEY_NO_LENGTH);
        (void)spey_body_flush(reply); /* when it fails, spey_finish finds the same state and gives the slot back */
    }
    if (UNLIKELY(cut)) {
        reply->flags |= SPEY_REPLY_CUT;
        __atomic_store_n(&reply->claim.slot->reply_flags, reply->flags, __ATOMIC_RELAXED);
    }
    if (UNLIKELY(reply->holds_block)) {
        /* Begun and never published, so the front knows nothing of it. */
        spey_block_drop(reply->claim.segment, reply->worker, reply->block);
        reply->holds_block = false;
    }
    if (UNLIKELY(reply->began != 0)) tell_time(reply);
    reply->left = spey_client_left(&reply->claim);
    spey_finish(&reply->claim);
}
