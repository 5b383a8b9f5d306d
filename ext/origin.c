/*
 * origin: where a request came from, as a proxy in front says. The front has judged it; here it becomes keys of the environ.
 *
 * Like every word of a slot these are read once, into a copy, and checked against the head.
 */
#include "gateway.h"

#include <string.h>

/* The words of a slot from OriginFlags on mirror struct spey_origin. */
#define ORIGIN_SIZE (offsetof(struct spey_slot, peer_addr) + 48 - offsetof(struct spey_slot, origin_flags))
_Static_assert(sizeof(struct spey_origin) == ORIGIN_SIZE, "struct spey_origin mirrors struct spey_slot");
_Static_assert(offsetof(struct spey_origin, script_at) ==
                   offsetof(struct spey_slot, script_at) - offsetof(struct spey_slot, origin_flags),
               "struct spey_origin mirrors struct spey_slot");

static struct {
    PyObject *script, *host, *name, *port, *peer;
} keys;

static PyObject *latin1(const uint8_t *text, size_t length) {
    return PyUnicode_DecodeLatin1((const char *)text, (Py_ssize_t)length, NULL);
}

/* Sets a key and drops the reference to the value. */
static bool set(PyObject *environ, PyObject *key, PyObject *value) {
    bool ok = value != NULL && PyDict_SetItem(environ, key, value) == 0;
    Py_XDECREF(value);
    return ok;
}

const char *spey_origin_read(const struct spey_slot *slot, uint32_t head_len, struct spey_origin *origin) {
    memcpy(origin, &slot->origin_flags, ORIGIN_SIZE);
    if ((uint32_t)origin->host_at + origin->host_len > head_len || origin->host_name > origin->host_len ||
        (uint32_t)origin->script_at + origin->script_len > head_len)
        return "what a proxy says lies outside of the head";
    return origin->peer_addr_len > sizeof origin->peer_addr ? "the proxy's address is longer than its place" : NULL;
}

bool spey_origin_mount(const struct spey_origin *origin, const uint8_t *head, PyObject *environ, PyObject **mount) {
    if (origin->flags & SPEY_ORIGIN_SCRIPT) {
        PyObject *script = latin1(head + origin->script_at, origin->script_len);
        if (script == NULL || PyDict_SetItem(environ, keys.script, script) < 0) {
            Py_XDECREF(script);
            return false;
        }
        spey_replace(mount, script);
    }
    if (*mount != NULL && (origin->flags & SPEY_ORIGIN_WHOLE_PATH || PyUnicode_GetLength(*mount) == 0)) Py_CLEAR(*mount);
    return true;
}

bool spey_origin_set(const struct spey_origin *origin, const uint8_t *head, PyObject *environ) {
    if (!set(environ, keys.peer, latin1(origin->peer_addr, origin->peer_addr_len))) return false;
    PyObject *port = origin->server_port == 0 ? NULL : PyUnicode_FromFormat("%u", (unsigned)origin->server_port);
    if (origin->server_port != 0 && (port == NULL || PyDict_SetItem(environ, keys.port, port) < 0)) {
        Py_XDECREF(port);
        return false;
    }
    bool ok = true;
    if (origin->flags & SPEY_ORIGIN_HOST) {
        PyObject *host = latin1(head + origin->host_at, origin->host_len);
        if (host != NULL && port != NULL && origin->flags & SPEY_ORIGIN_HOST_PORT)
            spey_replace(&host, PyUnicode_FromFormat("%U:%U", host, port));
        ok = set(environ, keys.host, host) &&
             set(environ, keys.name, latin1(head + origin->host_at, origin->host_name));
    }
    Py_XDECREF(port);
    return ok;
}

int spey_origin_setup(void) {
    const struct {
        PyObject **to;
        const char *text;
    } strings[] = {
        {&keys.script, "SCRIPT_NAME"}, {&keys.host, "HTTP_HOST"},          {&keys.name, "SERVER_NAME"},
        {&keys.port, "SERVER_PORT"},   {&keys.peer, "speyside.peer_addr"},
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        *strings[i].to = PyUnicode_InternFromString(strings[i].text);
        if (*strings[i].to == NULL) return -1;
    }
    return 0;
}
