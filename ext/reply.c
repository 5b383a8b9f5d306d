/*
 * start_response and write(): the rules of PEP 3333, and the reply's head serialised where the front will send it from.
 *
 * Both are built-in functions bound to a reply; fields.c has the rules for headers. Each refusal raises an exception whose text names the rule, and is
 * remembered with its code, so that the fault is reported as what it is when the exception comes back.
 */
#include "gateway.h"

#include <string.h>

#include "faults.h"

PyTypeObject *spey_reply_type;

/* What is kept free behind the fields: a Content-Length of our own and the empty line. */
#define HEAD_RESERVE 48
#define HEAD_END (SPEY_HOME_SIZE - HEAD_RESERVE)

static PyObject *exc_info_name;

/* Whether the status leaves no room for a length of the application's (RFC 9110 section 8.6; 15.3.6: the front says 0). */
static inline bool no_length(const struct spey_reply *reply) {
    return reply->status_code == 204 || reply->status_code == 205;
}

static bool take_status(struct spey_reply *reply, PyObject *status) {
    if (!SPEY_IS(Unicode, status)) {
        spey_refuse(reply, SPY_STATUS_INVALID, PyExc_TypeError, "PEP 3333: status must be a str such as \"200 OK\", not %R",
               Py_TYPE(status));
        return false;
    }
    uint8_t *start = reply->claim.home + SPEY_REPLY_STATUS, *at = start;
    enum spey_copied copied = spey_copy_text(&at, start + SPEY_REPLY_STATUS_MAX, status);
    if (copied == SPEY_COPY_TOO_LONG) {
        spey_refuse(reply, SPY_STATUS_INVALID, PyExc_ValueError, "the status is longer than %d bytes", SPEY_REPLY_STATUS_MAX);
        return false;
    }
    if (copied != SPEY_COPIED || memchr(start, '\t', (size_t)(at - start)) != NULL) {
        spey_refuse(reply, SPY_STATUS_INVALID, PyExc_ValueError,
               "PEP 3333: status must be Latin-1 without control characters, this is %R", status);
        return false;
    }
    uint32_t length = (uint32_t)(at - start);
    if (length < 4 || start[0] < '1' || start[0] > '9' || start[1] < '0' || start[1] > '9' || start[2] < '0' ||
        start[2] > '9' || start[3] != ' ' || (length > 4 && at[-1] == ' ')) {
        spey_refuse(reply, SPY_STATUS_INVALID, PyExc_ValueError,
               "PEP 3333: status must be three digits, a space and a reason, such as \"200 OK\", this is %R", status);
        return false;
    }
    reply->status_len = length;
    reply->status_code = (uint32_t)((start[0] - '0') * 100 + (start[1] - '0') * 10 + (start[2] - '0'));
    if (reply->status_code < 200) {
        spey_refuse(reply, SPY_STATUS_INTERIM, PyExc_ValueError,
               "RFC 9110 section 15.2: status %R is not a final one; wsgi.early_hints of the environ sends 103", status);
        return false;
    }
    if (no_length(reply) || reply->status_code == 304) {
        reply->flags |= SPEY_REPLY_NO_BODY;
        reply->bodiless = true;
    }
    return true;
}

static bool take_length(struct spey_reply *reply, const uint8_t *value, size_t count) {
    if (reply->flags & SPEY_REPLY_HAS_LENGTH) {
        spey_refuse(reply, SPY_LENGTH_INVALID, PyExc_ValueError, "Content-Length is given twice");
        return false;
    }
    uint64_t length = 0;
    bool digits = count > 0 && count < 20; /* 19 digits always fit */
    for (size_t i = 0; digits && i < count; i++) {
        digits = value[i] >= '0' && value[i] <= '9';
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    if (!digits) {
        spey_refuse(reply, SPY_LENGTH_INVALID, PyExc_ValueError,
               "RFC 9110 section 8.6: Content-Length must be digits and nothing else");
        return false;
    }
    reply->length = length;
    reply->flags |= SPEY_REPLY_HAS_LENGTH;
    return true;
}

/* Writes one header behind the others, and notes what the front must know of it. */
static bool take_header(struct spey_reply *reply, PyObject *headers, Py_ssize_t i, struct spey_fields *to) {
    uint8_t *name = to->at;
    switch (spey_field_take(reply, headers, i, to)) {
    case SPEY_FIELD_PLAIN: break;
    case SPEY_FIELD_REFUSED: return false;
    case SPEY_FIELD_TOO_LARGE:
        spey_refuse(reply, SPY_REPLY_HEAD_TOO_LARGE, PyExc_ValueError, "the reply's headers are larger than %d bytes",
               HEAD_END - SPEY_REPLY_HEAD);
        return false;
    case SPEY_FIELD_LENGTH:
        if (!take_length(reply, to->value, (size_t)(to->at - to->value))) return false;
        if (no_length(reply)) {
            to->at = name;
            return true;
        }
        break;
    case SPEY_FIELD_DATE: reply->flags |= SPEY_REPLY_HAS_DATE; break;
    case SPEY_FIELD_SERVER: reply->flags |= SPEY_REPLY_HAS_SERVER; break;
    }
    *to->at++ = '\r';
    *to->at++ = '\n';
    return true;
}

static bool take_headers(struct spey_reply *reply, PyObject *headers) {
    uint8_t *start = reply->claim.home + SPEY_REPLY_HEAD;
    struct spey_fields to = {.at = start, .end = reply->claim.home + HEAD_END};
    Py_ssize_t count = spey_fields_count(reply, headers);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!take_header(reply, headers, i, &to)) return false;
    }
    if (UNLIKELY(count < 0)) return false;
    reply->fields = (uint32_t)(to.at - start);
    if (UNLIKELY(no_length(reply))) reply->flags &= ~(uint32_t)SPEY_REPLY_HAS_LENGTH;
    return true;
}

/* A call that is not the first. False: an exception is set. */
static bool may_call_again(struct spey_reply *reply, PyObject *exc_info) {
    if (exc_info == NULL) {
        spey_refuse(reply, SPY_START_RESPONSE_TWICE, PyExc_AssertionError,
               "PEP 3333: start_response was called a second time without exc_info");
        return false;
    }
    if (!reply->closed) return true;
    /* The head has left: the error page can no longer replace it, so the error goes on. */
    if (!PyTuple_Check(exc_info) || PyTuple_Size(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError, "PEP 3333: exc_info must be the tuple that sys.exc_info() returns");
        return false;
    }
    PyObject *type = PyTuple_GetItem(exc_info, 0), *value = PyTuple_GetItem(exc_info, 1);
    PyObject *traceback = PyTuple_GetItem(exc_info, 2);
    if (!PyExceptionClass_Check(type) || (traceback != Py_None && !PyTraceBack_Check(traceback))) {
        PyErr_SetString(PyExc_TypeError, "PEP 3333: exc_info must be the tuple that sys.exc_info() returns");
        return false;
    }
    PyErr_Restore(Py_NewRef(type), Py_NewRef(value), traceback == Py_None ? NULL : Py_NewRef(traceback));
    return false;
}

/* The third argument, by position or name; NULL for none or None. False: an exception is set. */
static bool take_exc_info(PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **exc_info) {
    Py_ssize_t named_count = names == NULL ? 0 : PyTuple_Size(names);
    if (count < 2 || count + named_count > 3 ||
        (named_count == 1 && PyUnicode_Compare(PyTuple_GetItem(names, 0), exc_info_name) != 0)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "PEP 3333: it is start_response(status, headers, exc_info=None)");
        return false;
    }
    *exc_info = count + named_count == 3 && args[2] != Py_None ? args[2] : NULL;
    return true;
}

static PyObject *start_response(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    struct spey_reply *reply = (struct spey_reply *)self;
    PyObject *exc_info = NULL;
    if (UNLIKELY(count != 2 || names != NULL) && !take_exc_info(args, count, names, &exc_info)) return NULL;
    if (UNLIKELY(!spey_reply_live(reply))) {
        /* A reply with a Content-Length is over when its last byte is there, perhaps before this late error. */
        if (exc_info != NULL && reply->closed) return may_call_again(reply, exc_info), NULL;
        PyErr_SetString(PyExc_RuntimeError, "start_response was called after its request was over");
        return NULL;
    }
    if (UNLIKELY(reply->begun) && !may_call_again(reply, exc_info)) return NULL;
    reply->begun = false;
    reply->flags = 0;
    reply->length = 0;
    reply->bodiless = reply->head_only;
    if (!take_status(reply, args[0]) || !take_headers(reply, args[1])) return NULL;
    reply->begun = true;
    return Py_NewRef(reply->write);
}

static PyObject *write_body(PyObject *self, PyObject *data) {
    struct spey_reply *reply = (struct spey_reply *)self;
    if (!spey_reply_live(reply)) {
        PyErr_SetString(PyExc_RuntimeError, "write() was called after its request was over");
        return NULL;
    }
    if (!PyBytes_Check(data))
        return spey_refuse(reply, SPY_BODY_NOT_BYTES, PyExc_TypeError, "PEP 3333: write() takes bytes, not %R", Py_TYPE(data));
    if (!reply->begun || reply->sending)
        return spey_refuse(reply, SPY_WRITE_MISUSED, PyExc_RuntimeError,
                      reply->sending ? "write() was called from a second thread while the first one was in it"
                                     : "write() was called after start_response had failed");
    if (PyBytes_Size(data) == 0) Py_RETURN_NONE;
    if (!reply->closed) spey_head_close(reply, SPEY_NO_LENGTH);
    enum spey_sent sent =
        reply->gone ? SPEY_SENT_GONE
                    : spey_body_send(reply, (const uint8_t *)PyBytes_AsString(data), (size_t)PyBytes_Size(data));
    if (sent == SPEY_SENT_GONE) PyErr_SetString(PyExc_BrokenPipeError, "the client has gone");
    if (sent != SPEY_SENT) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef start_definition = {
    "start_response", (PyCFunction)(void (*)(void))start_response, METH_FASTCALL | METH_KEYWORDS,
    "start_response(status, headers, exc_info=None)\n--\n\nBegins the reply (PEP 3333). Returns write()."};
static PyMethodDef write_definition = {"write", write_body, METH_O,
                                       "write(data)\n--\n\nSends bytes of the body (PEP 3333: for old code only)."};

struct spey_reply *spey_reply_new(PyObject **start, PyObject **write) {
    struct spey_reply *reply = PyObject_New(struct spey_reply, spey_reply_type);
    if (reply == NULL) return NULL;
    reply->claim.slot = NULL;
    reply->refusal = NULL;
    reply->epoch = spey_process.epoch;
    *write = PyCFunction_NewEx(&write_definition, (PyObject *)reply, NULL);
    *start = *write == NULL ? NULL : PyCFunction_NewEx(&start_definition, (PyObject *)reply, NULL);
    if (*start == NULL) {
        Py_CLEAR(*write);
        Py_DECREF(reply);
        return NULL;
    }
    reply->write = *write;
    return reply;
}

void spey_reply_open(struct spey_reply *reply, const struct spey_claim *claim, uint32_t worker, bool head_only) {
    reply->claim = *claim;
    reply->worker = worker;
    reply->epoch = spey_process.epoch;
    reply->flags = 0;
    reply->fields = 0;
    reply->filled = 0;
    reply->room = 0;
    reply->at = NULL;
    reply->length = 0;
    reply->taken = 0;
    reply->began = UNLIKELY(claim->slot->flags & SPEY_FLAG_TIMED) ? spey_monotonic() : 0;
    reply->hints = 0;
    reply->hinted = 0;
    reply->status_len = 0;
    reply->status_code = 0;
    reply->begun = false;
    reply->closed = false;
    reply->head_only = head_only;
    reply->bodiless = head_only;
    reply->excess = false;
    reply->limited = false;
    reply->gone = false;
    reply->left = false;
    reply->holds_block = false;
    reply->sending = false;
    reply->refused = NULL;
    if (UNLIKELY(reply->refusal != NULL)) Py_CLEAR(reply->refusal);
}

static void reply_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(((struct spey_reply *)self)->refusal);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot reply_slots[] = {
    {Py_tp_dealloc, (void *)reply_dealloc},
    {Py_tp_doc, (void *)"One reply: what start_response and write() are bound to."},
    {0, NULL},
};

static PyType_Spec reply_spec = {
    .name = "speyside._gateway.Reply",
    .basicsize = sizeof(struct spey_reply),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reply_slots,
};

int spey_reply_setup(PyObject *module) {
    exc_info_name = PyUnicode_InternFromString("exc_info");
    spey_reply_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &reply_spec, NULL);
    return exc_info_name == NULL || spey_reply_type == NULL ? -1 : 0;
}
