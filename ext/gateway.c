/*
 * The gateway: claims a request, calls the application, takes its reply, closes it, and so on until it is stopped.
 *
 * The rules kept here: what was started is finished exactly once; close() is called exactly once, whatever happened;
 * a fault of the application costs its request only, is reported once, and never ends the loop.
 */
#include "gateway.h"

#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults.h"

struct spey_process spey_process;

static PyObject *close_name, *part_name;

#define SECOND INT64_C(1000000000)
#define LONGEST_WAIT 1e9 /* seconds, which is for ever */

/* One serve() call. */
struct serving {
    struct spey_gateway *gateway;
    PyObject *application;
    uint32_t worker;
    uint32_t epoch;
    int64_t until;          /* when it gives up waiting for a request, in ns of the monotonic clock; 0: never */
    _Atomic uint32_t *word; /* the thread's sleep word */
    struct spey_worker *entry;
    bool busy;
    /* Used again for the next request when nobody else has kept them. */
    struct spey_reply *reply;
    PyObject *start;
    PyObject *write;
    PyObject *client;
    PyObject *early;
    PyObject *environs; /* the base environs of this thread, which have client and early in them */
    PyObject *copied;   /* what they are copies of */
    Py_ssize_t bound;   /* references to each of the two: ours and theirs */
    PyObject *idle_input;
    struct spey_request request;
    unsigned long ident; /* Python's number of the thread */
    uint32_t tid;        /* the kernel's */
    uint32_t core;       /* ours */
    bool running;        /* the application, or the close() of its reply, for the claim below */
    struct spey_turn turn;
    uint32_t index, filling;
    PyObject *interruption; /* what interrupt() has set in this thread for the claim; NULL for nothing */
};

/* The end of so many seconds from now; 0 when there is none. */
static int64_t until(double seconds) {
    if (!(seconds >= 0 && seconds < LONGEST_WAIT)) return 0;
    return spey_monotonic() + (int64_t)(seconds * (double)SECOND);
}

/* How the application's reply ended. */
enum outcome {
    ENDED,       /* the slot is given back */
    RAISED,      /* the application's exception is set */
    INTERRUPTED, /* a signal handler's exception is set, which is not the request's fault */
};

/* Whether this is a child that the application forked, and that has come back from it. */
static inline bool is_forked(const struct serving *s) {
    return UNLIKELY(s->epoch != spey_process.epoch);
}

/* What interrupt() has set must not reach anything but the application of that request. */
static inline void calm(const struct serving *s) {
    if (UNLIKELY(s->interruption != NULL)) PyThreadState_SetAsyncExc(s->ident, NULL);
}

/* Calls report(); what it raises goes to sys.unraisablehook. No exception is set. Takes the reference to detail. */
static void call_report(struct serving *s, const char *code, PyObject *detail, PyObject *exception) {
    PyObject *report = Py_NewRef(s->gateway->report);
    PyObject *code_text = PyUnicode_FromString(code);
    PyObject *empty = PyUnicode_FromStringAndSize(NULL, 0);
    PyObject *result = NULL;
    if (code_text != NULL && detail != NULL && empty != NULL) {
        PyObject *method = s->request.method != NULL ? s->request.method : empty;
        PyObject *path = s->request.path != NULL ? s->request.path : empty;
        PyObject *id = s->request.environ == NULL ? NULL : PyDict_GetItemString(s->request.environ, "speyside.request_id");
        result = PyObject_CallFunctionObjArgs(report, code_text, detail, method, path,
                                              exception != NULL ? exception : Py_None, id != NULL ? id : empty, NULL);
    }
    if (result == NULL) PyErr_WriteUnraisable(report);
    Py_XDECREF(result);
    Py_XDECREF(empty);
    Py_XDECREF(detail);
    Py_XDECREF(code_text);
    Py_DECREF(report);
}

/* Gives the slot back. After this the body of the request is another request's memory. */
static void end(struct serving *s, bool cut) {
    if (s->request.input != NULL) spey_input_end(s->request.input);
    spey_body_finish(s->reply, cut);
}

/* A fault that is no exception: told, then the reply is cut. Whoever sees the client's answer finds the record there. */
static enum outcome fault(struct serving *s, const char *code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PyObject *detail = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    call_report(s, code, detail, NULL);
    end(s, true);
    return ENDED;
}

/* Whether the exception is the one that start_response or write() raised to refuse something. */
static bool is_refusal(const struct spey_reply *reply, PyObject *exception) {
    if (reply->refusal == NULL) return false;
    PyObject *text = PyObject_Str(exception);
    bool same = text != NULL && PyUnicode_Compare(text, reply->refusal) == 0;
    if (text == NULL) PyErr_Clear();
    Py_XDECREF(text);
    return same;
}

/* Reports the exception that is set, and clears it. */
static void report_raised(struct serving *s, const char *where) {
    struct spey_reply *reply = s->reply;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    calm(s);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL && PyException_SetTraceback(value, traceback) < 0) PyErr_Clear();
    /* write() and wsgi.input raise these when the client has gone; that is nobody's fault. */
    bool gone = (reply->gone && PyErr_GivenExceptionMatches(type, PyExc_BrokenPipeError)) ||
                (spey_input_left(s->request.input) && PyErr_GivenExceptionMatches(type, PyExc_ConnectionResetError));
    /* The front has told of the timeout, with the stack. */
    bool timed_out = s->interruption != NULL && PyErr_GivenExceptionMatches(type, s->interruption);
    if (!gone && !timed_out) {
        bool refusal = value != NULL && is_refusal(reply, value);
        PyObject *detail = refusal ? Py_NewRef(reply->refusal) : PyUnicode_FromFormat("raised by %s", where);
        call_report(s, refusal ? reply->refused : SPY_APPLICATION_RAISED, detail, value);
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

/* The application's exception, which is set, ends the request. */
static void fail(struct serving *s, const char *where) {
    report_raised(s, where);
    end(s, true);
}

static enum outcome too_long(struct serving *s) {
    return fault(s, SPY_BODY_TOO_LONG, "PEP 3333: the body is longer than its Content-Length of %llu bytes",
                 (unsigned long long)s->reply->length);
}

static enum outcome too_short(struct serving *s, uint64_t bytes) {
    return fault(s, SPY_BODY_TOO_SHORT, "the body has %llu bytes, its Content-Length is %llu", (unsigned long long)bytes,
                 (unsigned long long)s->reply->length);
}

static enum outcome not_bytes(struct serving *s, PyObject *item) {
    return fault(s, SPY_BODY_NOT_BYTES, "PEP 3333: the iterable must yield bytes, this one yields %R", Py_TYPE(item));
}

static enum outcome not_begun(struct serving *s) {
    return fault(s, SPY_START_RESPONSE_NOT_CALLED,
                 "PEP 3333: start_response must be called before the first body bytes, and before the iterable ends");
}

/* The application has given everything: the reply is complete, or its Content-Length was wrong. */
static enum outcome complete(struct serving *s) {
    struct spey_reply *reply = s->reply;
    if (reply->flags & SPEY_REPLY_HAS_LENGTH && !reply->bodiless && !reply->gone && reply->taken < reply->length)
        return too_short(s, reply->taken);
    end(s, false);
    return ENDED;
}

static inline PyObject *item_at(PyObject *items, bool list, Py_ssize_t i) {
    return list ? PyList_GetItem(items, i) : PyTuple_GetItem(items, i);
}

/* Copies the items of a list or tuple that send_all has checked. */
static enum spey_sent append_all(struct spey_reply *reply, PyObject *items, bool list, Py_ssize_t count) {
    enum spey_sent sent = SPEY_SENT;
    for (Py_ssize_t i = 0; i < count && sent == SPEY_SENT; i++) {
        PyObject *item = item_at(items, list, i);
        /* While this thread waited for room, another one may have changed the list: then the reply ends short. */
        if (UNLIKELY(item == NULL)) PyErr_Clear();
        if (UNLIKELY(item == NULL || !SPEY_IS(Bytes, item))) break;
        Py_INCREF(item);
        sent = spey_body_append(reply, (const uint8_t *)PyBytes_AsString(item), (size_t)PyBytes_Size(item));
        Py_DECREF(item);
    }
    return sent;
}

/* A list or tuple: the whole body is at hand, and its length known. */
static enum outcome send_all(struct serving *s, PyObject *items, bool list) {
    struct spey_reply *reply = s->reply;
    Py_ssize_t count = list ? PyList_Size(items) : PyTuple_Size(items);
    uint64_t total = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = item_at(items, list, i);
        if (UNLIKELY(item == NULL)) return RAISED;
        if (UNLIKELY(!SPEY_IS(Bytes, item))) return not_bytes(s, item);
        total += (uint64_t)Py_SIZE(item);
    }
    if (UNLIKELY(!reply->begun)) return not_begun(s);
    if (!reply->closed) {
        bool has_length = (reply->flags & SPEY_REPLY_HAS_LENGTH) != 0;
        if (has_length && !reply->bodiless && total != reply->length)
            return total > reply->length ? too_long(s) : too_short(s, total);
        /* An empty body of a HEAD request says nothing of the length that GET would have. */
        bool tell = !has_length && count > 0 && !(reply->flags & SPEY_REPLY_NO_BODY) && !(reply->head_only && total == 0);
        spey_head_close(reply, tell ? total : SPEY_NO_LENGTH);
    }
    if (append_all(reply, items, list, count) == SPEY_SENT_FAILED) return INTERRUPTED;
    enum outcome outcome = complete(s);
    if (UNLIKELY(reply->excess)) return too_long(s);
    return outcome;
}

/* Whether an iterable says that it has one item. */
static bool has_one_item(PyObject *iterable) {
    PyTypeObject *type = Py_TYPE(iterable);
    if (PyType_GetSlot(type, Py_sq_length) == NULL && PyType_GetSlot(type, Py_mp_length) == NULL) return false;
    Py_ssize_t length = PyObject_Size(iterable);
    if (length < 0) PyErr_Clear();
    return length == 1;
}

/* Sends one item of an iterable. ENDED means that nothing more is to be sent; RAISED that the next one is wanted. */
static enum outcome send_item(struct serving *s, PyObject *item, bool one) {
    struct spey_reply *reply = s->reply;
    if (!PyBytes_Check(item)) return not_bytes(s, item);
    size_t length = (size_t)PyBytes_Size(item);
    if (length == 0) return RAISED;
    if (reply->claim.slot == NULL) { /* complete already */
        reply->excess |= !reply->bodiless && !reply->limited;
        return reply->limited ? ENDED : RAISED;
    }
    if (!reply->begun) return not_begun(s);
    if (!reply->closed) {
        bool has_length = (reply->flags & SPEY_REPLY_HAS_LENGTH) != 0;
        if (has_length && !reply->bodiless && length > reply->length && !reply->limited) return too_long(s);
        bool tell = one && !has_length && !(reply->flags & SPEY_REPLY_NO_BODY);
        spey_head_close(reply, tell ? length : SPEY_NO_LENGTH);
    }
    enum spey_sent sent = spey_body_append(reply, (const uint8_t *)PyBytes_AsString(item), length);
    if (sent == SPEY_SENT_FAILED) return INTERRUPTED;
    bool all = reply->bodiless || (reply->flags & SPEY_REPLY_HAS_LENGTH && reply->taken == reply->length);
    if (sent == SPEY_SENT && all && (reply->limited || spey_input_drained(s->request.input))) {
        /* The client has everything, so the slot need not wait for what the application does afterwards. An
         * application that may still read the request's body keeps the slot, since the body lies there. */
        end(s, false);
        return reply->limited ? ENDED : RAISED;
    }
    if (sent == SPEY_SENT && reply->filled != 0) {
        sent = spey_body_flush(reply);
        if (sent == SPEY_SENT) spey_ring(reply->claim.segment, reply->claim.index);
    }
    if (sent == SPEY_SENT) return RAISED;
    end(s, false);
    return ENDED;
}

/* Any iterable: what it yields is published at once (PEP 3333: a block of the body must not be delayed). */
static enum outcome send_each(struct serving *s, PyObject *iterable) {
    struct spey_reply *reply = s->reply;
    if (iterable == Py_None || PyBytes_Check(iterable) || PyUnicode_Check(iterable))
        return fault(s, SPY_BODY_NOT_BYTES, "PEP 3333: the application must return an iterable of bytes, it returned %R",
                     Py_TYPE(iterable));
    bool one = has_one_item(iterable);
    PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL) return RAISED;
    enum outcome outcome = RAISED;
    PyObject *item;
    while (outcome == RAISED && (item = PyIter_Next(iterator)) != NULL) {
        outcome = is_forked(s) ? ENDED : send_item(s, item, one);
        Py_DECREF(item);
    }
    Py_DECREF(iterator);
    if (outcome != RAISED || PyErr_Occurred() || is_forked(s)) return outcome;
    if (!reply->begun) return not_begun(s);
    if (reply->claim.slot != NULL) outcome = complete(s);
    if (reply->excess) return too_long(s);
    return ENDED;
}

/* A part of a regular file. */
struct part {
    int file;
    unsigned long long at, length;
};

/* Asks wsgi.file_wrapper's object for the regular file that it stands for. False: it has to be read. */
static bool part_of(PyObject *wrapper, struct part *part) {
    PyObject *found = PyObject_CallMethodObjArgs(wrapper, part_name, NULL);
    bool is_file = found != NULL && found != Py_None &&
                   PyArg_ParseTuple(found, "iKK", &part->file, &part->at, &part->length) && part->file >= 0;
    PyErr_Clear(); /* what is wrong with it, reading it says better */
    Py_XDECREF(found);
    return is_file;
}

/* wsgi.file_wrapper's object: a regular file is the front's to send, and this thread is free. Anything else is read. Content-Length
 * says how much of it is wanted (PEP 3333, "Optional Platform-Specific File Handling"). */
static enum outcome send_file(struct serving *s, PyObject *wrapper) {
    struct spey_reply *reply = s->reply;
    if (!reply->begun) return not_begun(s);
    struct part part;
    reply->limited = true;
    if (reply->closed || !part_of(wrapper, &part)) return send_each(s, wrapper);
    if (is_forked(s)) return ENDED;
    bool has_length = (reply->flags & SPEY_REPLY_HAS_LENGTH) != 0;
    if (has_length && !reply->bodiless && reply->length > part.length) return too_short(s, part.length);
    if (has_length) part.length = reply->length;
    spey_head_close(reply, !has_length && !(reply->flags & SPEY_REPLY_NO_BODY) ? part.length : SPEY_NO_LENGTH);
    if (!reply->bodiless && part.length > 0) {
        switch (spey_body_file(reply, part.file, part.at, part.length)) {
        case SPEY_FILE_LEFT: return send_each(s, wrapper);
        case SPEY_FILE_SHORT: return too_short(s, 0);
        case SPEY_FILE_TAKEN: break;
        }
    }
    return complete(s);
}

/* Calls close() of the reply if it has one. An exception of the loop that is set stays set. */
static void call_close(struct serving *s, PyObject *iterable) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    calm(s);
    PyObject *method = PyObject_GetAttr(iterable, close_name);
    PyObject *result = NULL;
    if (method == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
    } else {
        result = PyObject_CallObject(method, NULL);
        Py_DECREF(method);
    }
    if (PyErr_Occurred()) report_raised(s, "close() of the reply");
    Py_XDECREF(result);
    PyErr_Restore(type, value, traceback);
}

/* Whether nobody has kept anything of the last reply: all references are those that ready has made. */
static inline bool unkept(const struct serving *s) {
    return Py_REFCNT(s->start) == 1 && Py_REFCNT(s->write) == 1 &&
           Py_REFCNT(s->client) == s->bound && Py_REFCNT(s->early) == s->bound &&
           Py_REFCNT((PyObject *)s->reply) == 5;
}

/* Makes the next reply and what is bound to it, or takes those of the last one when nobody has kept them. */
static bool ready(struct serving *s) {
    PyObject *environs = s->gateway->environs;
    if (LIKELY(s->copied == environs && s->reply != NULL) && unkept(s)) return true;
    if (s->copied != environs) {
        spey_replace(&s->environs, spey_environ_copies(environs));
        if (s->environs == NULL) return false;
        spey_replace(&s->copied, Py_NewRef(environs));
        s->bound = 1 + PyTuple_Size(s->environs);
    }
    Py_CLEAR(s->start);
    Py_CLEAR(s->write);
    Py_CLEAR(s->client);
    Py_CLEAR(s->early);
    Py_CLEAR(s->reply);
    s->reply = spey_reply_new(&s->start, &s->write);
    s->client = s->reply == NULL ? NULL : spey_client_new(s->reply);
    s->early = s->client == NULL ? NULL : spey_hints_new(s->reply);
    if (s->early != NULL && spey_environ_bind(s->environs, s->client, s->early)) return true;
    Py_CLEAR(s->start);
    Py_CLEAR(s->write);
    Py_CLEAR(s->reply);
    return false;
}

/* Drops what belongs to the request, and keeps its input if it can be used again. */
static void forget(struct serving *s) {
    struct spey_request *request = &s->request;
    Py_CLEAR(request->environ);
    Py_CLEAR(request->method);
    Py_CLEAR(request->path);
    if (request->input != NULL && s->idle_input == NULL && Py_REFCNT(request->input) == 1 &&
        spey_input_reopen(request->input)) {
        s->idle_input = request->input;
        request->input = NULL;
    }
    Py_CLEAR(request->input);
}

/* A request that the application cannot be given. An exception may be set. */
static void reject(struct serving *s, const char *wrong) {
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    end(s, true);
    call_report(s, SPY_SLOT_MALFORMED,
                PyUnicode_FromString(wrong != NULL ? wrong : "the environ could not be built"), value);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

/* Calls the application and takes its reply. False: an exception is set that ends serve(). */
static bool run_application(struct serving *s) {
    PyObject *result = PyObject_CallFunctionObjArgs(s->application, s->request.environ, s->start, NULL);
    if (is_forked(s)) {
        Py_XDECREF(result);
        return false;
    }
    if (UNLIKELY(result == NULL)) {
        fail(s, "the call of the application");
        return true;
    }
    bool list = PyList_CheckExact(result), exact = list || PyTuple_CheckExact(result);
    enum outcome outcome;
    if (exact)
        outcome = send_all(s, result, list);
    else if ((PyObject *)Py_TYPE(result) == s->gateway->file_wrapper)
        outcome = send_file(s, result);
    else
        outcome = send_each(s, result);
    if (is_forked(s)) {
        Py_DECREF(result);
        return false;
    }
    if (UNLIKELY(outcome == RAISED)) {
        fail(s, "the iteration over the reply");
    } else if (UNLIKELY(outcome == INTERRUPTED)) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        end(s, true);
        PyErr_Restore(type, value, traceback);
    }
    if (!exact) call_close(s, result);
    Py_DECREF(result);
    return outcome != INTERRUPTED && !is_forked(s);
}

/* Sets the exception that ends serve() in a child of the worker. */
static void refuse_child(void) {
    PyErr_SetString(PyExc_RuntimeError, "a child of the worker returned from the application; it must end with os._exit()");
}

/* Serves a claimed request. 1: served, 0: the front took it back, -1: an exception is set that ends serve(). */
static int run(struct serving *s, struct spey_claim *claim) {
    const char *wrong;
    bool built = spey_environ_build(s->gateway, claim, s->environs, &s->idle_input, &s->request, &wrong);
    /* Who waits for the GIL gets it before the start: a request that has been started is not given to another worker, so nothing may
     * come between start and application that waits. */
    bool raised = built && UNLIKELY(!spey_switch_yield());
    int served = 0;
    if (is_forked(s)) { /* by a signal handler, most often: the parent starts what it has claimed */
        served = -1;
    } else if (LIKELY(spey_start(claim))) {
        served = 1;
        /* Not before: a claim that came late would write into another worker's. */
        atomic_store_explicit(&claim->slot->thread, s->tid, memory_order_relaxed);
        if (UNLIKELY(claim->slot->flags & SPEY_FLAG_TIMED))
            atomic_store_explicit(&claim->slot->core, s->core, memory_order_relaxed);
        s->index = claim->index;
        s->filling = (uint32_t)(claim->state >> SPEY_FILLING_SHIFT);
        s->running = true;
        if (LIKELY(built && !raised)) spey_switch_begin(&s->turn);
        spey_reply_open(s->reply, claim, s->worker, s->request.head_only);
        if (s->request.input != NULL) spey_input_start(s->request.input, claim);
        if (UNLIKELY(!built))
            reject(s, wrong);
        else if (UNLIKELY(raised))
            fail(s, "the call of the application");
        else if (UNLIKELY(!run_application(s)))
            served = -1;
        s->running = false;
        spey_switch_end(&s->turn);
        if (UNLIKELY(s->interruption != NULL)) {
            calm(s);
            Py_CLEAR(s->interruption);
        }
    } else if (!built) {
        PyErr_Clear();
    } else if (UNLIKELY(raised)) {
        served = -1;
    }
    if (UNLIKELY(served < 0)) {
        if (!PyErr_Occurred()) refuse_child();
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        forget(s);
        PyErr_Restore(type, value, traceback);
    } else {
        forget(s);
    }
    return served;
}

/* How many nanoseconds are left until then; a second and more is a second, and so is no end. */
static int64_t left_until(int64_t then) {
    if (then == 0) return SECOND;
    int64_t left = then - spey_monotonic();
    return left < 0 ? 0 : left < SECOND ? left : SECOND;
}

/* Sleeps until the front rings, a second is over, or a signal came. False: its handler raised. */
static bool idle(struct serving *s) {
    if (s->busy) {
        atomic_fetch_sub(&s->entry->busy, 1);
        s->busy = false;
    }
    spey_switch_idle();
    atomic_store(s->word, 1);
    if (!spey_window_empty(&s->gateway->segment)) {
        atomic_store(s->word, 0);
        return true;
    }
    PyThreadState *state = PyEval_SaveThread();
    spey_sleep(s->word, left_until(s->until));
    PyEval_RestoreThread(state);
    atomic_store(s->word, 0);
    return PyErr_CheckSignals() == 0;
}

static bool serve_until(struct serving *s, long long limit, long long *served) {
    while (ready(s)) {
        if (UNLIKELY(s->gateway->stopping || (limit > 0 && *served >= limit))) return true;
        struct spey_claim claim;
        if (!spey_claim_next(&s->gateway->segment, s->worker, &claim)) {
            if (UNLIKELY(s->until != 0 && left_until(s->until) == 0)) return true;
            if (!idle(s)) return false;
            if (is_forked(s)) { /* by a signal handler: what there is to claim is the parent's */
                refuse_child();
                return false;
            }
            continue;
        }
        if (!s->busy) {
            atomic_fetch_add(&s->entry->busy, 1);
            s->busy = true;
        }
        int result = run(s, &claim);
        if (UNLIKELY(result < 0)) return false;
        *served += result;
    }
    return false;
}

const char spey_serve_doc[] =
    "serve(application, worker, thread, limit=0, seconds=-1)\n--\n\n"
    "Claims and serves requests in this thread until stop(), until limit requests were served, or until none came for the rest of\n"
    "so many seconds. Returns how many.";

PyObject *spey_serve(PyObject *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"application", "worker", "thread", "limit", "seconds", NULL};
    struct spey_gateway *gateway = spey_gateway_of(self);
    struct spey_segment *segment = &gateway->segment;
    PyObject *application;
    int worker, thread;
    long long limit = 0, served = 0;
    double seconds = -1;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Oii|Ld:serve", names, &application, &worker, &thread, &limit,
                                     &seconds))
        return NULL;
    if (segment->base == NULL || gateway->environs == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "serve() comes after attach() and configure()");
        return NULL;
    }
    if (worker < 0 || (uint32_t)worker >= segment->worker_count || thread < 0 ||
        (uint32_t)thread >= segment->thread_count || limit < 0) {
        PyErr_SetString(PyExc_ValueError, "the segment has no such worker or thread, or the limit is negative");
        return NULL;
    }
    if (gateway->serving[thread] != NULL || (gateway->serving_count > 0 && gateway->worker != (uint32_t)worker)) {
        PyErr_SetString(PyExc_RuntimeError, "this thread number is serving already, or this process is another worker");
        return NULL;
    }
    struct serving s = {.gateway = gateway,
                        .until = until(seconds),
                        .application = Py_NewRef(application),
                        .worker = (uint32_t)worker,
                        .epoch = spey_process.epoch,
                        .word = spey_sleep_word(segment, (uint32_t)worker, (uint32_t)thread),
                        .entry = spey_worker_entry(segment, (uint32_t)worker),
                        .ident = PyThread_get_thread_ident(),
                        .tid = (uint32_t)syscall(SYS_gettid),
                        .core = (uint32_t)thread};
    atomic_store(&s.entry->pid, (uint32_t)getpid());
    gateway->serving[thread] = &s;
    gateway->serving_count++;
    gateway->worker = (uint32_t)worker;
    spey_switch_join(&s.turn);
    bool ended = serve_until(&s, limit, &served);
    if (!is_forked(&s)) {
        if (s.busy) atomic_fetch_sub(&s.entry->busy, 1);
        gateway->serving[thread] = NULL;
        gateway->serving_count--;
        spey_switch_leave(&s.turn);
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_XDECREF(s.start);
    Py_XDECREF(s.write);
    Py_XDECREF(s.client);
    Py_XDECREF(s.early);
    Py_XDECREF((PyObject *)s.reply);
    Py_XDECREF(s.environs);
    Py_XDECREF(s.copied);
    Py_XDECREF(s.idle_input);
    Py_DECREF(s.application);
    PyErr_Restore(type, value, traceback);
    return ended ? PyLong_FromLongLong(served) : NULL;
}

/* The thread that runs the application for this filling of a slot, or NULL. */
static struct serving *running(const struct spey_gateway *gateway, unsigned int index, unsigned int filling) {
    for (uint32_t i = 0; gateway->serving_count > 0 && i < gateway->segment.thread_count; i++) {
        struct serving *s = gateway->serving[i];
        if (s != NULL && s->running && s->index == index && s->filling == filling) return s;
    }
    return NULL;
}

const char spey_running_doc[] =
    "running(slot, filling)\n--\n\n"
    "Returns the identifier of the thread that runs the application for this filling of a slot; 0 when none does.";

PyObject *spey_running(PyObject *self, PyObject *args) {
    unsigned int index, filling;
    if (!PyArg_ParseTuple(args, "II:running", &index, &filling)) return NULL;
    struct serving *s = running(spey_gateway_of(self), index, filling);
    return PyLong_FromUnsignedLong(s == NULL ? 0 : s->ident);
}

const char spey_interrupt_doc[] =
    "interrupt(slot, filling, exception)\n--\n\n"
    "Raises an exception class in the thread that runs the application for this filling of a slot, as soon as that runs\n"
    "Python code, and never in another request. False: no thread runs it any more, or it was interrupted before.";

PyObject *spey_interrupt(PyObject *self, PyObject *args) {
    unsigned int index, filling;
    PyObject *exception;
    if (!PyArg_ParseTuple(args, "IIO:interrupt", &index, &filling, &exception)) return NULL;
    if (!PyExceptionClass_Check(exception)) {
        PyErr_SetString(PyExc_TypeError, "exception must be an exception class");
        return NULL;
    }
    struct serving *s = running(spey_gateway_of(self), index, filling);
    if (s == NULL || s->interruption != NULL || PyThreadState_SetAsyncExc(s->ident, exception) == 0) Py_RETURN_FALSE;
    s->interruption = Py_NewRef(exception);
    Py_RETURN_TRUE;
}

const char spey_limit_doc[] =
    "limit(tenths, /)\n--\n\n"
    "Has the front end the request of this thread after so many tenths of seconds; 0: no more. False: there is no request.";

PyObject *spey_limit(PyObject *self, PyObject *wanted) {
    struct spey_gateway *gateway = spey_gateway_of(self);
    unsigned long tenths = PyLong_AsUnsignedLong(wanted);
    if (PyErr_Occurred()) return NULL;
    if (tenths > 0xffffff) tenths = 0xffffff;
    unsigned long ident = PyThread_get_thread_ident();
    for (uint32_t i = 0; gateway->serving_count > 0 && i < gateway->segment.thread_count; i++) {
        struct serving *s = gateway->serving[i];
        if (s == NULL || !s->running || s->ident != ident || is_forked(s)) continue;
        /* Once the reply is complete the slot is another request's. */
        struct spey_slot *slot = s->reply->claim.slot;
        if (slot == NULL) break;
        atomic_store(&slot->limit, (uint32_t)tenths << 8 | ((atomic_load(&slot->limit) + 1) & 0xff));
        Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

PyObject *spey_abandon_all(PyObject *self, PyObject *unused) {
    (void)unused;
    struct spey_gateway *gateway = spey_gateway_of(self);
    for (uint32_t i = 0; gateway->serving_count > 0 && i < gateway->segment.thread_count; i++) {
        struct serving *s = gateway->serving[i];
        if (s != NULL && s->running) spey_abandon(&gateway->segment, s->index, s->worker, s->filling);
    }
    Py_RETURN_NONE;
}

int spey_gateway_setup(void) {
    close_name = PyUnicode_InternFromString("close");
    part_name = PyUnicode_InternFromString("part");
    return close_name == NULL || part_name == NULL ? -1 : 0;
}
