/*
 * start_response and write(): the rules of PEP 3333, and the reply's head serialised where the front will send it from.
 *
 * Both are built-in functions bound to a reply. Each refusal raises an exception whose text names the rule, and is
 * remembered with its code, so that the fault is reported as what it is when the exception comes back.
 */
#include "gateway.h"

#include <stdarg.h>
#include <string.h>

#include "faults.h"

PyTypeObject *spey_reply_type;

/* What is kept free behind the fields: a Content-Length of our own and the empty line. */
#define HEAD_RESERVE 48
#define HEAD_END (SPEY_HOME_SIZE - HEAD_RESERVE)

static PyObject *exc_info_name;

/* Characters of a token (RFC 9110 section 5.6.2). */
static const bool is_token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
    ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,
    ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,
    ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

/* Raises type, and remembers the refusal with its code. Returns NULL. */
static void *refuse(struct spey_reply *reply, const char *code, PyObject *type, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PyObject *text = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    if (text == NULL) return NULL;
    PyErr_SetObject(type, text);
    spey_replace(&reply->refusal, text);
    reply->refused = code;
    return NULL;
}

/* Text as the reply carries it: Latin-1 bytes, written at to. */
enum copied { COPIED, COPY_NOT_LATIN1, COPY_TOO_LONG, COPY_CONTROL };

/* Whether one of eight bytes is a control character or DEL (or might be: a false alarm costs a second look). */
static inline bool eight_suspicious(uint64_t eight) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t below = (eight - ones * 0x20) & ~eight & tops;
    uint64_t del = eight ^ (ones * 0x7f);
    return (below | ((del - ones) & ~del & tops)) != 0;
}

static bool has_control(const uint8_t *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if ((text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f) return true;
    }
    return false;
}

/* Copies ASCII text that may have no control characters but tabs. */
static enum copied copy_ascii(uint8_t *to, const uint8_t *from, size_t length) {
    size_t i = 0;
    bool suspicious = false;
    for (; i + 8 <= length; i += 8) {
        uint64_t eight;
        memcpy(&eight, from + i, 8);
        suspicious |= eight_suspicious(eight);
        memcpy(to + i, &eight, 8);
    }
    for (; i < length; i++) {
        suspicious |= from[i] < 0x20 || from[i] == 0x7f;
        to[i] = from[i];
    }
    return suspicious && has_control(from, length) ? COPY_CONTROL : COPIED;
}

/* Copies UTF-8 of characters up to U+00FF as Latin-1. */
static enum copied copy_latin1(uint8_t **to, const uint8_t *limit, const uint8_t *from, size_t length) {
    uint8_t *at = *to;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = from[i];
        if (at == limit) return COPY_TOO_LONG;
        if (byte >= 0x80) {
            if ((byte != 0xc2 && byte != 0xc3) || i + 1 == length) return COPY_NOT_LATIN1;
            byte = (uint8_t)((byte << 6) | (from[++i] & 0x3f));
        } else if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return COPY_CONTROL;
        }
        *at++ = byte;
    }
    *to = at;
    return COPIED;
}

/* Copies a str to *to, no further than limit, and moves *to behind it. */
static enum copied copy_text(uint8_t **to, const uint8_t *limit, PyObject *text) {
    Py_ssize_t length;
    /* For ASCII this is the string's own memory; it has as many bytes as characters then. */
    const uint8_t *from = (const uint8_t *)PyUnicode_AsUTF8AndSize(text, &length);
    if (from == NULL) {
        PyErr_Clear(); /* a lone surrogate */
        return COPY_NOT_LATIN1;
    }
    if (UNLIKELY(length != PyUnicode_GetLength(text))) return copy_latin1(to, limit, from, (size_t)length);
    if (length > limit - *to) return COPY_TOO_LONG;
    enum copied copied = copy_ascii(*to, from, (size_t)length);
    *to += length;
    return copied;
}

static void *too_large(struct spey_reply *reply) {
    return refuse(reply, SPY_REPLY_HEAD_TOO_LARGE, PyExc_ValueError,
                  "the reply's headers are larger than %d bytes", HEAD_END - SPEY_REPLY_HEAD);
}

/* Whether the status leaves no room for a length of the application's (RFC 9110 section 8.6; 15.3.6: the front says 0). */
static inline bool no_length(const struct spey_reply *reply) {
    return reply->status_code == 204 || reply->status_code == 205;
}

static bool take_status(struct spey_reply *reply, PyObject *status) {
    if (!PyUnicode_Check(status)) {
        refuse(reply, SPY_STATUS_INVALID, PyExc_TypeError, "PEP 3333: status must be a str such as \"200 OK\", not %R",
               Py_TYPE(status));
        return false;
    }
    uint8_t *start = reply->claim.home + SPEY_REPLY_STATUS, *at = start;
    enum copied copied = copy_text(&at, start + SPEY_REPLY_STATUS_MAX, status);
    if (copied == COPY_TOO_LONG) {
        refuse(reply, SPY_STATUS_INVALID, PyExc_ValueError, "the status is longer than %d bytes", SPEY_REPLY_STATUS_MAX);
        return false;
    }
    if (copied != COPIED || memchr(start, '\t', (size_t)(at - start)) != NULL) {
        refuse(reply, SPY_STATUS_INVALID, PyExc_ValueError,
               "PEP 3333: status must be Latin-1 without control characters, this is %R", status);
        return false;
    }
    uint32_t length = (uint32_t)(at - start);
    if (length < 4 || start[0] < '1' || start[0] > '9' || start[1] < '0' || start[1] > '9' || start[2] < '0' ||
        start[2] > '9' || start[3] != ' ' || (length > 4 && at[-1] == ' ')) {
        refuse(reply, SPY_STATUS_INVALID, PyExc_ValueError,
               "PEP 3333: status must be three digits, a space and a reason, such as \"200 OK\", this is %R", status);
        return false;
    }
    reply->status_len = length;
    reply->status_code = (uint32_t)((start[0] - '0') * 100 + (start[1] - '0') * 10 + (start[2] - '0'));
    if (reply->status_code < 200) {
        refuse(reply, SPY_STATUS_INTERIM, PyExc_ValueError,
               "RFC 9110 section 15.2: status %R is not a final one; wsgi.early_hints of the environ sends 103", status);
        return false;
    }
    if (no_length(reply) || reply->status_code == 304) {
        reply->flags |= SPEY_REPLY_NO_BODY;
        reply->bodiless = true;
    }
    return true;
}

/* Whether a token is the given lower-case name of the same length. */
static inline bool named(const uint8_t *token, const char *name, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if ((token[i] | 0x20) != (uint8_t)name[i]) return false;
    }
    return true;
}

enum special { PLAIN, HOP_BY_HOP, CONTENT_LENGTH, DATE, SERVER };

static enum special special_name(const uint8_t *name, size_t length) {
    switch (length) {
    case 2: return named(name, "te", 2) ? HOP_BY_HOP : PLAIN;
    case 4: return named(name, "date", 4) ? DATE : PLAIN;
    case 6: return named(name, "server", 6) ? SERVER : PLAIN;
    case 7: return named(name, "trailer", 7) || named(name, "upgrade", 7) ? HOP_BY_HOP : PLAIN;
    case 8: return named(name, "trailers", 8) ? HOP_BY_HOP : PLAIN;
    case 10: return named(name, "connection", 10) || named(name, "keep-alive", 10) ? HOP_BY_HOP : PLAIN;
    case 14: return named(name, "content-length", 14) ? CONTENT_LENGTH : PLAIN;
    case 17: return named(name, "transfer-encoding", 17) ? HOP_BY_HOP : PLAIN;
    case 18: return named(name, "proxy-authenticate", 18) ? HOP_BY_HOP : PLAIN;
    case 19: return named(name, "proxy-authorization", 19) ? HOP_BY_HOP : PLAIN;
    default: return PLAIN;
    }
}

static bool take_length(struct spey_reply *reply, const uint8_t *value, size_t count) {
    if (reply->flags & SPEY_REPLY_HAS_LENGTH) {
        refuse(reply, SPY_LENGTH_INVALID, PyExc_ValueError, "Content-Length is given twice");
        return false;
    }
    uint64_t length = 0;
    bool digits = count > 0 && count < 20; /* 19 digits always fit */
    for (size_t i = 0; digits && i < count; i++) {
        digits = value[i] >= '0' && value[i] <= '9';
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    if (!digits) {
        refuse(reply, SPY_LENGTH_INVALID, PyExc_ValueError,
               "RFC 9110 section 8.6: Content-Length must be digits and nothing else");
        return false;
    }
    reply->length = length;
    reply->flags |= SPEY_REPLY_HAS_LENGTH;
    return true;
}

static bool take_name(struct spey_reply *reply, PyObject *name, uint8_t **at, const uint8_t *limit) {
    Py_ssize_t length;
    const uint8_t *from = (const uint8_t *)PyUnicode_AsUTF8AndSize(name, &length);
    if (from == NULL) {
        PyErr_Clear();
        length = 0;
    }
    if (length > limit - *at) return too_large(reply) != NULL;
    bool token = length > 0;
    uint8_t *to = *at;
    for (Py_ssize_t i = 0; i < length; i++) {
        token &= is_token[from[i]];
        to[i] = from[i];
    }
    if (!token) {
        refuse(reply, SPY_HEADER_NAME_INVALID, PyExc_ValueError,
               "PEP 3333: a header's name must be a token (letters, digits, hyphens), this is %R", name);
        return false;
    }
    *at += length;
    return true;
}

/* Writes one header behind the others, and notes what the front must know of it. */
static uint8_t *take_header(struct spey_reply *reply, PyObject *name, PyObject *value, uint8_t *at) {
    const uint8_t *limit = reply->claim.home + HEAD_END - 4; /* ": " and the line end */
    uint8_t *name_at = at;
    if (!take_name(reply, name, &at, limit)) return NULL;
    size_t length = (size_t)(at - name_at);
    *at++ = ':';
    *at++ = ' ';
    uint8_t *value_at = at;
    enum copied copied = copy_text(&at, limit + 2, value);
    if (UNLIKELY(copied != COPIED)) {
        if (copied == COPY_TOO_LONG) return too_large(reply);
        return refuse(reply, SPY_HEADER_VALUE_INVALID, PyExc_ValueError,
                      copied == COPY_CONTROL
                          ? "PEP 3333: the value of header %R has a line end or another control character"
                          : "PEP 3333: the value of header %R has characters outside of Latin-1",
                      name);
    }
    enum special special = special_name(name_at, length);
    if (special != PLAIN) {
        if (special == HOP_BY_HOP)
            return refuse(reply, SPY_HOP_BY_HOP, PyExc_ValueError,
                          "PEP 3333: header %R is hop-by-hop: it belongs to the server, not to the application", name);
        if (special == CONTENT_LENGTH && !take_length(reply, value_at, (size_t)(at - value_at))) return NULL;
        if (special == CONTENT_LENGTH && no_length(reply)) return name_at;
        if (special == DATE) reply->flags |= SPEY_REPLY_HAS_DATE;
        if (special == SERVER) reply->flags |= SPEY_REPLY_HAS_SERVER;
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static bool take_headers(struct spey_reply *reply, PyObject *headers) {
    if (!PyList_Check(headers)) {
        refuse(reply, SPY_HEADERS_NOT_LIST, PyExc_TypeError, "PEP 3333: headers must be a list, not %R",
               Py_TYPE(headers));
        return false;
    }
    uint8_t *start = reply->claim.home + SPEY_REPLY_HEAD, *at = start;
    Py_ssize_t count = PyList_Size(headers);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyList_GetItem(headers, i);
        if (pair == NULL) return false;
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
            refuse(reply, SPY_HEADERS_NOT_LIST, PyExc_TypeError,
                   "PEP 3333: each header must be a tuple (name, value), item %zd is not", i);
            return false;
        }
        PyObject *name = PyTuple_GetItem(pair, 0), *value = PyTuple_GetItem(pair, 1);
        if (!PyUnicode_Check(name) || !PyUnicode_Check(value)) {
            refuse(reply, SPY_HEADERS_NOT_LIST, PyExc_TypeError,
                   "PEP 3333: name and value of a header must be str, those of item %zd are %R and %R", i, Py_TYPE(name),
                   Py_TYPE(value));
            return false;
        }
        at = take_header(reply, name, value, at);
        if (at == NULL) return false;
    }
    reply->fields = (uint32_t)(at - start);
    if (UNLIKELY(no_length(reply))) reply->flags &= ~(uint32_t)SPEY_REPLY_HAS_LENGTH;
    return true;
}

/* A call that is not the first. False: an exception is set. */
static bool may_call_again(struct spey_reply *reply, PyObject *exc_info) {
    if (exc_info == NULL) {
        refuse(reply, SPY_START_RESPONSE_TWICE, PyExc_AssertionError,
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
        return refuse(reply, SPY_BODY_NOT_BYTES, PyExc_TypeError, "PEP 3333: write() takes bytes, not %R", Py_TYPE(data));
    if (!reply->begun || reply->sending)
        return refuse(reply, SPY_WRITE_MISUSED, PyExc_RuntimeError,
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
