/*
 * What the files of the extension share: the reply that start_response and write() belong to, the body of a
 * request, and the state of the process. slot.h below is the segment, without Python.
 */
#ifndef SPEY_GATEWAY_H
#define SPEY_GATEWAY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>

#include "slot.h"

#define SPEY_BOOT_MAX 15

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Whether an object is a Tuple, Unicode, Bytes …: of the type itself most often, and only else by PyTuple_Check, which the limited
 * API makes a call. */
#define SPEY_IS(type, object) (LIKELY(Py##type##_CheckExact(object)) || Py##type##_Check(object))

/* Puts a new reference in the place of an old one, which is dropped last: that may run code of others. */
static inline void spey_replace(PyObject **place, PyObject *value) {
    PyObject *old = *place;
    *place = value;
    Py_XDECREF(old);
}

/* Now, in ns. */
static inline int64_t spey_monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct serving;

/*
 * The worker's side of one front: its segment, and who serves there. A forked worker has one; a process that has started fronts of
 * its own has one for each. It is touched under the GIL only; the fork handler runs in a child that has one thread.
 */
struct spey_gateway {
    struct spey_segment segment;
    PyObject *environs; /* tuple of prepared base environs, one per listener */
    PyObject *script_name; /* SCRIPT_NAME of the base environs; NULL when it is empty */
    PyObject *report;
    PyObject *file_wrapper; /* the type of wsgi.file_wrapper, or None */
    char boot[SPEY_BOOT_MAX + 1]; /* of the front's start: what identifiers of requests begin with */
    bool stopping;
    struct serving **serving; /* one per thread of the worker: the serve() that has that number */
    uint32_t serving_count;
    uint32_t worker; /* of the threads in serving */
    struct spey_gateway *next; /* of this process */
};

/* The state of the process. */
struct spey_process {
    uint32_t epoch; /* counts forks: what was begun before one belongs to the parent */
    struct spey_gateway *gateways; /* all that there are */
};
extern struct spey_process spey_process;

/* One reply. start_response and write are built-in functions bound to it; it may outlive its request. */
struct spey_reply {
    PyObject_HEAD
    struct spey_claim claim; /* claim.slot is NULL once the request is over */
    uint32_t worker;
    uint32_t epoch;
    uint32_t flags;      /* Reply bits */
    uint32_t fields;     /* bytes of the fields written so far, from ReplyHead on */
    uint32_t block;      /* the block that is being filled, when holds_block */
    uint32_t filled;     /* bytes in the piece that is being filled */
    uint8_t *at;         /* where the next body byte goes */
    size_t room;         /* bytes left there */
    uint64_t length;     /* Content-Length, with ReplyHasLength */
    uint64_t taken;      /* body bytes taken from the application, at most length */
    int64_t began;       /* when the application was called, with FlagTimed; else 0 */
    uint32_t hints;      /* interim replies given */
    uint32_t hinted;     /* bytes of them, which lie in hint_block */
    uint32_t hint_block;
    uint32_t status_len;
    uint32_t status_code;
    bool begun;          /* start_response has accepted a status and headers */
    bool closed;         /* the head is complete: its empty line is written */
    bool head_only;      /* the request was HEAD */
    bool bodiless;       /* HEAD, or a status without body: body bytes are dropped */
    bool excess;         /* more bytes came than Content-Length allows */
    bool limited;        /* that is no fault: the rest of a file is not wanted */
    bool gone;           /* the front has abandoned the reply */
    bool left;           /* the client had left when the request was over */
    bool holds_block;
    bool sending;        /* a thread is in spey_body_append, perhaps without the GIL */
    PyObject *write;     /* borrowed: bound to this, kept by whoever keeps start_response and by the serving thread */
    const char *refused; /* code of the last refusal, which is refusal */
    PyObject *refusal;
};

/* reply.c */
extern PyTypeObject *spey_reply_type;
int spey_reply_setup(PyObject *module);
/* Makes a reply with its two functions (new references). */
struct spey_reply *spey_reply_new(PyObject **start, PyObject **write);
void spey_reply_open(struct spey_reply *reply, const struct spey_claim *claim, uint32_t worker, bool head_only);
/* Whether the request is still going on in this process. */
static inline bool spey_reply_live(const struct spey_reply *reply) {
    return reply->claim.slot != NULL && reply->epoch == spey_process.epoch;
}

/* fields.c */
/* Raises type, and remembers the refusal with its code. Returns NULL. */
void *spey_refuse(struct spey_reply *reply, const char *code, PyObject *type, const char *format, ...);
/* Copies a str as Latin-1 to *to, no further than limit, and moves *to behind it. */
enum spey_copied { SPEY_COPIED, SPEY_COPY_NOT_LATIN1, SPEY_COPY_TOO_LONG, SPEY_COPY_CONTROL };
enum spey_copied spey_copy_text(uint8_t **to, const uint8_t *limit, PyObject *text);
/* Where headers are written. */
struct spey_fields {
    uint8_t *at;        /* the next one */
    const uint8_t *end; /* no further */
    uint8_t *value;     /* the value of the last one, which ends at `at` */
};
/* How many headers a list has; -1 with an exception when it is none. */
Py_ssize_t spey_fields_count(struct spey_reply *reply, PyObject *headers);
/* Checks the i-th header and writes it without its line end, for which there is room. An exception is set when it is refused,
 * none when it is too large. */
enum spey_field {
    SPEY_FIELD_PLAIN,
    SPEY_FIELD_LENGTH,
    SPEY_FIELD_DATE,
    SPEY_FIELD_SERVER,
    SPEY_FIELD_REFUSED,
    SPEY_FIELD_TOO_LARGE,
};
enum spey_field spey_field_take(struct spey_reply *reply, PyObject *headers, Py_ssize_t i, struct spey_fields *to);

/* hints.c */
/* Makes wsgi.early_hints for a reply (a new reference). */
PyObject *spey_hints_new(struct spey_reply *reply);

/* client.c */
int spey_client_setup(PyObject *module);
/* Makes what an application asks whether the client of a reply has left (a new reference). */
PyObject *spey_client_new(struct spey_reply *reply);

/* body.c */
enum spey_sent { SPEY_SENT_FAILED = -1, SPEY_SENT = 0, SPEY_SENT_GONE = 1 };
#define SPEY_NO_LENGTH UINT64_MAX
/* Ends the head, with a Content-Length of the gateway's own unless that is SPEY_NO_LENGTH. */
void spey_head_close(struct spey_reply *reply, uint64_t length);
/* Takes body bytes; publishes what is full, rings now and then, waits for room. Fails when a signal handler raised. */
enum spey_sent spey_body_append(struct spey_reply *reply, const uint8_t *data, size_t length);
/* Takes a part of a file: its bytes if they fit beside the head, else the front gets the descriptor. The head is closed, nothing
 * is published. SPEY_FILE_LEFT: there is no room to pass it now, and nothing has been taken. */
enum spey_file_sent { SPEY_FILE_TAKEN, SPEY_FILE_LEFT, SPEY_FILE_SHORT };
enum spey_file_sent spey_body_file(struct spey_reply *reply, int file, uint64_t at, uint64_t length);
/* Publishes what has been taken. It does not ring. */
enum spey_sent spey_body_flush(struct spey_reply *reply);
/* Append, flush and ring. */
enum spey_sent spey_body_send(struct spey_reply *reply, const uint8_t *data, size_t length);
/* Gives the slot back, complete or cut. Nothing of it is touched after. */
void spey_body_finish(struct spey_reply *reply, bool cut);

/* input.c */
struct spey_input;
extern PyTypeObject *spey_input_type;
int spey_input_setup(PyObject *module);
/* wsgi.input for a body; at is BodyAt. NULL with an exception: no memory. */
PyObject *spey_input_new(const struct spey_segment *s, uint32_t kind, uint64_t at, uint64_t length);
/* The application is about to be called: a streamed body is read from the claimed slot. */
void spey_input_start(PyObject *input, const struct spey_claim *claim);
/* Whether a read has raised because the client left before the body was complete. */
bool spey_input_left(PyObject *input);
/* Whether the application has taken every byte that lies in the segment or the spool. */
bool spey_input_drained(PyObject *input);
/* Makes an input without body usable for another request; the caller has its only reference. False: it had a body. */
bool spey_input_reopen(PyObject *input);
/* The request is over: every use raises from now on. */
void spey_input_end(PyObject *input);

/* environ.c */
struct spey_request {
    PyObject *environ;
    PyObject *method;
    PyObject *path;
    PyObject *input;
    bool head_only;
};
int spey_environ_setup(void);
/* Makes a base environ out of the caller's: a copy with room for what a request adds. */
PyObject *spey_environ_prepare(PyObject *given);
/* Copies the prepared base environs for a thread. */
PyObject *spey_environ_copies(PyObject *environs);
/* Puts what belongs to a thread's next request into its base environs. */
bool spey_environ_bind(PyObject *environs, PyObject *client, PyObject *early);
/*
 * Builds the environ of a claimed slot from the base environs of the thread. idle is an input without body that nobody else
 * has, or NULL; it is used (and its reference taken) when the request has no body. False: *wrong says what cannot be in the
 * slot, or is NULL with an exception set. The request's references are the caller's in either case.
 */
bool spey_environ_build(const struct spey_gateway *gateway, const struct spey_claim *claim, PyObject *environs, PyObject **idle,
                        struct spey_request *request, const char **wrong);

/* origin.c */
struct spey_origin {
    uint8_t flags, peer_addr_len;
    uint16_t server_port, host_at, host_len, host_name, script_at, script_len;
    uint8_t peer_addr[48];
};
int spey_origin_setup(void);
/* Copies the words of a slot that has SPEY_FLAG_ORIGIN. Returns what is wrong with them, or NULL. */
const char *spey_origin_read(const struct spey_slot *slot, uint32_t head_len, struct spey_origin *origin);
/* Sets SCRIPT_NAME. *mount, a reference or NULL, becomes what is to be cut off the path. */
bool spey_origin_mount(const struct spey_origin *origin, const uint8_t *head, PyObject *environ, PyObject **mount);
/* Sets what there is of host and port, and the address of who is connected with us. */
bool spey_origin_set(const struct spey_origin *origin, const uint8_t *head, PyObject *environ);

/* switch.c */
/* What is known of the request that a thread serves. */
struct spey_turn {
    struct spey_turn *next;
    clockid_t clock;  /* the thread's CPU time */
    bool known;       /* there is such a clock */
    int64_t since;    /* when the request began; 0: none runs */
    int64_t sampled;  /* when its CPU time was looked at last, and what it was */
    int64_t use;
};
/* Whether the interval between changes of threads follows what runs. */
extern bool spey_switch_adapts;
void spey_switch_join(struct spey_turn *turn);
void spey_switch_leave(struct spey_turn *turn);
/* A child of a fork has none of the parent's threads. */
void spey_switch_forget(void);
void spey_switch_begin_slow(struct spey_turn *turn);
void spey_switch_idle_slow(void);
/* A request begins, ends; a thread has nothing to do. No exception is set. */
static inline void spey_switch_begin(struct spey_turn *turn) {
    if (spey_switch_adapts) spey_switch_begin_slow(turn);
}
static inline void spey_switch_end(struct spey_turn *turn) {
    turn->since = 0;
}
static inline void spey_switch_idle(void) {
    if (UNLIKELY(spey_switch_adapts)) spey_switch_idle_slow();
}
/* Lets a thread go first that has waited for the GIL for an interval. False: an exception is set, a signal handler's most often. */
bool spey_switch_yield(void);
PyObject *spey_switch_adapt(PyObject *module, PyObject *wanted);
int spey_switch_setup(void);

/* module.c */
/* The gateway that a function of the module, or a method, was called for. */
struct spey_gateway *spey_gateway_of(PyObject *self);

/* gateway.c */
extern const char spey_serve_doc[], spey_running_doc[], spey_interrupt_doc[];
PyObject *spey_running(PyObject *self, PyObject *args);
extern const char spey_limit_doc[];
PyObject *spey_limit(PyObject *self, PyObject *wanted);
PyObject *spey_interrupt(PyObject *self, PyObject *args);
PyObject *spey_abandon_all(PyObject *self, PyObject *unused);
PyObject *spey_serve(PyObject *self, PyObject *args, PyObject *keywords);
int spey_gateway_setup(void);

#endif
