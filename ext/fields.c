/*
 * Headers that an application gives, of a reply or of early hints: what a list of them must be, and each of them serialised
 * as `Name: value`.
 */
#include "gateway.h"

#include <stdarg.h>
#include <string.h>

#include "faults.h"

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

void *spey_refuse(struct spey_reply *reply, const char *code, PyObject *type, const char *format, ...) {
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

/* Whether one of eight bytes is a control character, DEL or no ASCII (or might be: a false alarm costs a second look). */
static inline uint64_t suspicious(uint64_t eight) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t below = (eight - ones * 0x20) & ~eight;
    uint64_t del = eight ^ (ones * 0x7f);
    return (below | ((del - ones) & ~del) | eight) & tops;
}

/* The same of each byte of a text, which it copies. */
static bool copy_suspicious(uint8_t *to, const uint8_t *from, size_t length) {
    uint64_t found = 0, eight;
    if (length < sizeof eight) {
        for (size_t i = 0; i < length; i++) {
            found |= from[i] < 0x20 || from[i] >= 0x7f;
            to[i] = from[i];
        }
        return found != 0;
    }
    for (size_t i = 0; i + sizeof eight <= length; i += sizeof eight) {
        memcpy(&eight, from + i, sizeof eight);
        found |= suspicious(eight);
        memcpy(to + i, &eight, sizeof eight);
    }
    memcpy(&eight, from + length - sizeof eight, sizeof eight); /* the rest, and some of what was there already */
    found |= suspicious(eight);
    memcpy(to + length - sizeof eight, &eight, sizeof eight);
    return found != 0;
}

/* What is the matter with a text of which that is true. */
static enum spey_copied look_again(const uint8_t *text, size_t length) {
    bool ascii = true, control = false;
    for (size_t i = 0; i < length; i++) {
        ascii &= text[i] < 0x80;
        control |= (text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f;
    }
    return !ascii ? SPEY_COPY_NOT_LATIN1 : control ? SPEY_COPY_CONTROL : SPEY_COPIED;
}

/* Copies UTF-8 of characters up to U+00FF as Latin-1. */
static enum spey_copied copy_latin1(uint8_t **to, const uint8_t *limit, const uint8_t *from, size_t length) {
    uint8_t *at = *to;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = from[i];
        if (at == limit) return SPEY_COPY_TOO_LONG;
        if (byte >= 0x80) {
            if ((byte != 0xc2 && byte != 0xc3) || i + 1 == length) return SPEY_COPY_NOT_LATIN1;
            byte = (uint8_t)((byte << 6) | (from[++i] & 0x3f));
        } else if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return SPEY_COPY_CONTROL;
        }
        *at++ = byte;
    }
    *to = at;
    return SPEY_COPIED;
}

enum spey_copied spey_copy_text(uint8_t **to, const uint8_t *limit, PyObject *text) {
    Py_ssize_t length;
    /* For ASCII this is the string's own memory; it has as many bytes as characters then. */
    const uint8_t *from = (const uint8_t *)PyUnicode_AsUTF8AndSize(text, &length);
    if (from == NULL) {
        PyErr_Clear(); /* a lone surrogate */
        return SPEY_COPY_NOT_LATIN1;
    }
    if (UNLIKELY(length > limit - *to)) {
        if (length == PyUnicode_GetLength(text)) return SPEY_COPY_TOO_LONG;
        return copy_latin1(to, limit, from, (size_t)length);
    }
    if (UNLIKELY(copy_suspicious(*to, from, (size_t)length))) {
        enum spey_copied copied = look_again(from, (size_t)length);
        if (copied == SPEY_COPY_NOT_LATIN1) return copy_latin1(to, limit, from, (size_t)length);
        if (copied != SPEY_COPIED) return copied;
    }
    *to += length;
    return SPEY_COPIED;
}

/* Whether a token is the given lower-case name of the same length. */
static inline bool named(const uint8_t *token, const char *name, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if ((token[i] | 0x20) != (uint8_t)name[i]) return false;
    }
    return true;
}

/* What a name means to the server. Hop-by-hop is refused. */
static enum spey_field kind_of(const uint8_t *name, size_t length) {
    switch (length) {
    case 2: return named(name, "te", 2) ? SPEY_FIELD_REFUSED : SPEY_FIELD_PLAIN;
    case 4: return named(name, "date", 4) ? SPEY_FIELD_DATE : SPEY_FIELD_PLAIN;
    case 6: return named(name, "server", 6) ? SPEY_FIELD_SERVER : SPEY_FIELD_PLAIN;
    case 7: return named(name, "trailer", 7) || named(name, "upgrade", 7) ? SPEY_FIELD_REFUSED : SPEY_FIELD_PLAIN;
    case 8: return named(name, "trailers", 8) ? SPEY_FIELD_REFUSED : SPEY_FIELD_PLAIN;
    case 10: return named(name, "connection", 10) || named(name, "keep-alive", 10) ? SPEY_FIELD_REFUSED : SPEY_FIELD_PLAIN;
    case 14: return named(name, "content-length", 14) ? SPEY_FIELD_LENGTH : SPEY_FIELD_PLAIN;
    case 17: return named(name, "transfer-encoding", 17) ? SPEY_FIELD_REFUSED : SPEY_FIELD_PLAIN;
    case 18: return named(name, "proxy-authenticate", 18) ? SPEY_FIELD_REFUSED : SPEY_FIELD_PLAIN;
    case 19: return named(name, "proxy-authorization", 19) ? SPEY_FIELD_REFUSED : SPEY_FIELD_PLAIN;
    default: return SPEY_FIELD_PLAIN;
    }
}

/* Copies a name. */
static enum spey_field take_name(struct spey_reply *reply, PyObject *name, struct spey_fields *to, const uint8_t *limit) {
    Py_ssize_t length;
    const uint8_t *from = (const uint8_t *)PyUnicode_AsUTF8AndSize(name, &length);
    if (from == NULL) {
        PyErr_Clear();
        length = 0;
    }
    if (length > limit - to->at) return SPEY_FIELD_TOO_LARGE;
    bool token = length > 0;
    for (Py_ssize_t i = 0; i < length; i++) {
        token &= is_token[from[i]];
        to->at[i] = from[i];
    }
    if (!token) {
        spey_refuse(reply, SPY_HEADER_NAME_INVALID, PyExc_ValueError,
                    "PEP 3333: a header's name must be a token (letters, digits, hyphens), this is %R", name);
        return SPEY_FIELD_REFUSED;
    }
    enum spey_field kind = kind_of(to->at, (size_t)length);
    to->at += length;
    if (UNLIKELY(kind == SPEY_FIELD_REFUSED))
        spey_refuse(reply, SPY_HOP_BY_HOP, PyExc_ValueError,
                    "PEP 3333: header %R is hop-by-hop: it belongs to the server, not to the application", name);
    return kind;
}

static enum spey_field take_pair(struct spey_reply *reply, PyObject *name, PyObject *value, struct spey_fields *to) {
    const uint8_t *limit = to->end - 4; /* ": " and the line end */
    enum spey_field kind = take_name(reply, name, to, limit);
    if (UNLIKELY(kind == SPEY_FIELD_TOO_LARGE || kind == SPEY_FIELD_REFUSED)) return kind;
    *to->at++ = ':';
    *to->at++ = ' ';
    to->value = to->at;
    enum spey_copied copied = spey_copy_text(&to->at, limit + 2, value);
    if (LIKELY(copied == SPEY_COPIED)) return kind;
    if (copied == SPEY_COPY_TOO_LONG) return SPEY_FIELD_TOO_LARGE;
    spey_refuse(reply, SPY_HEADER_VALUE_INVALID, PyExc_ValueError,
                copied == SPEY_COPY_CONTROL
                    ? "PEP 3333: the value of header %R has a line end or another control character"
                    : "PEP 3333: the value of header %R has characters outside of Latin-1",
                name);
    return SPEY_FIELD_REFUSED;
}

Py_ssize_t spey_fields_count(struct spey_reply *reply, PyObject *headers) {
    if (LIKELY(SPEY_IS(List, headers))) return PyList_Size(headers);
    spey_refuse(reply, SPY_HEADERS_NOT_LIST, PyExc_TypeError, "PEP 3333: headers must be a list, not %R", Py_TYPE(headers));
    return -1;
}

enum spey_field spey_field_take(struct spey_reply *reply, PyObject *headers, Py_ssize_t i, struct spey_fields *to) {
    PyObject *pair = PyList_GetItem(headers, i);
    if (pair == NULL) return SPEY_FIELD_REFUSED;
    if (!SPEY_IS(Tuple, pair) || Py_SIZE(pair) != 2) {
        spey_refuse(reply, SPY_HEADERS_NOT_LIST, PyExc_TypeError,
                    "PEP 3333: each header must be a tuple (name, value), item %zd is not", i);
        return SPEY_FIELD_REFUSED;
    }
    PyObject *name = PyTuple_GetItem(pair, 0), *value = PyTuple_GetItem(pair, 1);
    if (!SPEY_IS(Unicode, name) || !SPEY_IS(Unicode, value)) {
        spey_refuse(reply, SPY_HEADERS_NOT_LIST, PyExc_TypeError,
                    "PEP 3333: name and value of a header must be str, those of item %zd are %R and %R", i, Py_TYPE(name),
                    Py_TYPE(value));
        return SPEY_FIELD_REFUSED;
    }
    return take_pair(reply, name, value, to);
}
