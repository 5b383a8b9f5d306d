/*
 * wsgi.early_hints of the environ: sends 103 Early Hints (RFC 8297) before the reply, in gunicorn's shape.
 *
 * Hints are headers under the rules of a reply's. All of one request lie one behind the other in one block, where the front
 * takes them from. They never make the request wait: without a free block they are left out.
 */
#include "gateway.h"

#include <string.h>

#include "faults.h"

#define HINTS_MAX 32 /* calls per request */

/* Writes the headers and the empty line behind them. False: an exception is set. */
static bool write_hints(struct spey_reply *reply, PyObject *headers, struct spey_fields *to) {
    to->end -= 2;
    Py_ssize_t count = spey_fields_count(reply, headers);
    for (Py_ssize_t i = 0; i < count; i++) {
        switch (spey_field_take(reply, headers, i, to)) {
        case SPEY_FIELD_REFUSED: return false;
        case SPEY_FIELD_TOO_LARGE:
            spey_refuse(reply, SPY_HINTS_REFUSED, PyExc_ValueError,
                        "the early hints of one request are larger than %d bytes together", SPEY_BLOCK_SIZE);
            return false;
        case SPEY_FIELD_LENGTH:
            spey_refuse(reply, SPY_HINTS_REFUSED, PyExc_ValueError,
                        "RFC 9110 section 8.6: an interim reply has no Content-Length");
            return false;
        default: break;
        }
        *to->at++ = '\r';
        *to->at++ = '\n';
    }
    *to->at++ = '\r';
    *to->at++ = '\n';
    return count >= 0;
}

/* Hands them over, if the client is one for them and there is memory. */
static void publish(struct spey_reply *reply, const uint8_t *text, size_t length) {
    if (reply->claim.slot->minor == 0 || spey_abandoned(&reply->claim)) return;
    if (reply->hinted == 0 && !spey_block_take(reply->claim.segment, reply->worker, &reply->hint_block)) return;
    memcpy(spey_block_at(reply->claim.segment, reply->hint_block) + reply->hinted, text, length);
    reply->hinted += (uint32_t)length;
    spey_hint(&reply->claim, reply->hint_block, reply->hinted);
    spey_ring(reply->claim.segment, reply->claim.index);
}

static PyObject *early_hints(PyObject *self, PyObject *headers) {
    struct spey_reply *reply = (struct spey_reply *)self;
    if (!spey_reply_live(reply)) {
        PyErr_SetString(PyExc_RuntimeError, "wsgi.early_hints was called after its request was over");
        return NULL;
    }
    if (reply->closed)
        return spey_refuse(reply, SPY_HINTS_REFUSED, PyExc_RuntimeError,
                           "wsgi.early_hints was called after the reply had begun");
    if (reply->hints == HINTS_MAX)
        return spey_refuse(reply, SPY_HINTS_REFUSED, PyExc_ValueError,
                           "wsgi.early_hints was called more than %d times for one request", HINTS_MAX);
    uint8_t text[SPEY_BLOCK_SIZE];
    struct spey_fields to = {.at = text, .end = text + sizeof text - reply->hinted};
    if (to.end - text < 2) to.end = text + 2; /* the next header is too large then */
    if (!write_hints(reply, headers, &to)) return NULL;
    if (to.at - text > 2) { /* an empty list is no hint */
        reply->hints++;
        publish(reply, text, (size_t)(to.at - text));
    }
    Py_RETURN_NONE;
}

static PyMethodDef hints_definition = {"early_hints", early_hints, METH_O,
                                       "early_hints(headers, /)\n--\n\nSends 103 Early Hints with these headers (RFC 8297)."};

PyObject *spey_hints_new(struct spey_reply *reply) {
    return PyCFunction_NewEx(&hints_definition, (PyObject *)reply, NULL);
}
