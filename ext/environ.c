/*
 * environ: from the request's words in a slot to the dict of PEP 3333.
 *
 * Every offset and length is read once, into a copy, and checked against the segment; a slot that says something else
 * is answered without the application. Strings are Latin-1, as the PEP has it.
 *
 * What makes it quick: the base environ has every key that a request sets, so that nothing is inserted for them, and
 * room for the headers, so that the copy does not grow; keys are found by the header's raw name; and values that came
 * last time under the same name are used again. The tables are small and replaced in turns: names are the client's.
 */
#include "gateway.h"

#include <string.h>

/* The request's words of a slot, as one copy. */
struct words {
    uint32_t head_at, fields_at;
    uint16_t field_count, head_len, listener;
    uint8_t minor, flags;
    uint16_t method_at, method_len, target_at, target_len, path_at, path_len, query_at, query_len;
    uint32_t body_kind, attempts;
    uint64_t body_at, body_len, request_id;
    uint8_t remote_addr[48], remote_port[6];
    uint8_t remote_addr_len, remote_port_len;
};
#define WORDS_SIZE \
    (offsetof(struct spey_slot, remote_port_len) + 1 - offsetof(struct spey_slot, head_at))
_Static_assert(offsetof(struct words, remote_port_len) + 1 == WORDS_SIZE, "struct words mirrors struct spey_slot");
_Static_assert(offsetof(struct words, body_at) == offsetof(struct spey_slot, body_at) - offsetof(struct spey_slot, head_at),
               "struct words mirrors struct spey_slot");

struct field {
    uint16_t name_at, name_len, value_at, value_len;
};
_Static_assert(sizeof(struct field) == 8, "a field is four u16");

/* What to do with a header. */
enum treatment { TREAT_PLAIN, TREAT_COOKIE, TREAT_SECRET, TREAT_DROP };

#define NAME_MAX_CACHED 46
#define NAME_ENTRIES 256 /* a power of two */
#define NAME_PROBES 4
#define VALUE_MAX_CACHED 256

/* One raw header name that has been seen. */
struct name_entry {
    uint8_t length; /* 0: empty */
    uint8_t treatment;
    uint8_t misses; /* of the value, since it was last remembered */
    char name[NAME_MAX_CACHED];
    PyObject *key;
    PyObject *value; /* the last value worth remembering, or NULL; its text is ASCII */
    const char *text;
    size_t text_len;
};
static struct name_entry names[NAME_ENTRIES];
static uint32_t name_turn;

/* A short string that came lately: addresses and ports repeat with the connections. */
struct text_entry {
    PyObject *value;
    uint8_t length;
    char text[47];
};
#define PORT_ENTRIES 64
static struct text_entry last_addr, last_ports[PORT_ENTRIES];

static struct {
    PyObject *method, *path, *query, *target, *protocol, *host, *addr, *port, *peer, *length, *input, *scheme, *client;
    PyObject *early, *id;
} keys;
static struct {
    PyObject *empty, *slash, *get, *http10, *http11, *https;
} texts;
static PyObject *known_keys;    /* key → the same, interned */
static PyObject *known_methods; /* method → the same, interned */

static const char *const key_names[] = {
    "CONTENT_TYPE",          "HTTP_ACCEPT",            "HTTP_ACCEPT_CHARSET",    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",  "HTTP_AUTHORIZATION",     "HTTP_CACHE_CONTROL",     "HTTP_CONNECTION",
    "HTTP_COOKIE",           "HTTP_DNT",               "HTTP_EXPECT",            "HTTP_FORWARDED",
    "HTTP_HOST",             "HTTP_IF_MATCH",          "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH",
    "HTTP_IF_RANGE",         "HTTP_IF_UNMODIFIED_SINCE", "HTTP_KEEP_ALIVE",      "HTTP_ORIGIN",
    "HTTP_PRAGMA",           "HTTP_RANGE",             "HTTP_REFERER",           "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE", "HTTP_SEC_CH_UA_PLATFORM", "HTTP_SEC_FETCH_DEST",   "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_SITE",   "HTTP_SEC_FETCH_USER",    "HTTP_TE",                "HTTP_TRACEPARENT",
    "HTTP_UPGRADE_INSECURE_REQUESTS", "HTTP_USER_AGENT", "HTTP_VIA",             "HTTP_X_CSRFTOKEN",
    "HTTP_X_FORWARDED_FOR",  "HTTP_X_FORWARDED_HOST",  "HTTP_X_FORWARDED_PORT",  "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",        "HTTP_X_REQUESTED_WITH",  "HTTP_X_REQUEST_ID",
};
static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"};

static PyObject *latin1(const uint8_t *text, size_t length) {
    return PyUnicode_DecodeLatin1((const char *)text, (Py_ssize_t)length, NULL);
}

/* The interned string equal to text in a dict of known ones, or text itself. Takes the reference to text. */
static PyObject *interned(PyObject *known, PyObject *text) {
    if (text == NULL) return NULL;
    PyObject *same = PyDict_GetItemWithError(known, text);
    if (same != NULL) {
        Py_INCREF(same);
        Py_DECREF(text);
        return same;
    }
    if (PyErr_Occurred()) Py_CLEAR(text);
    return text;
}

/* The environ key of a raw header name. *treatment says what the header is; the key is NULL when it is dropped. */
static PyObject *make_key(const uint8_t *name, size_t length, uint8_t *treatment) {
    static const char prefix[] = "HTTP_";
    const size_t before = sizeof prefix - 1;
    char on_stack[128];
    char *key = before + length <= sizeof on_stack ? on_stack : PyMem_Malloc(before + length);
    if (key == NULL) return PyErr_NoMemory();
    memcpy(key, prefix, before);
    bool underscore = false;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = name[i];
        underscore |= c == '_';
        key[before + i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 0x20 : c);
    }
#define IS(text) (length == sizeof(text) - 1 && memcmp(key + before, text, sizeof(text) - 1) == 0)
    size_t skip = 0;
    *treatment = TREAT_PLAIN;
    /* Length and framing are the front's to say; Proxy would be taken for a setting (httpoxy, CVE-2016-5385). A name with
     * an underscore, which could pass for one with a hyphen, has come past the front only where the operator lets it. */
    if (length == 0 || IS("CONTENT_LENGTH") || IS("TRANSFER_ENCODING") || IS("PROXY"))
        *treatment = TREAT_DROP;
    else if (IS("CONTENT_TYPE") && !underscore)
        skip = before;
    else if (IS("COOKIE"))
        *treatment = TREAT_COOKIE;
    else if (IS("AUTHORIZATION"))
        *treatment = TREAT_SECRET;
#undef IS
    PyObject *text = *treatment == TREAT_DROP
                         ? Py_NewRef(Py_None)
                         : interned(known_keys, latin1((const uint8_t *)key + skip, before + length - skip));
    if (key != on_stack) PyMem_Free(key);
    return text;
}

static inline uint64_t hash_name(const uint8_t *name, size_t length) {
    uint64_t first = 0, last = 0;
    if (length >= 8) {
        memcpy(&first, name, 8);
        memcpy(&last, name + length - 8, 8);
    } else if (length >= 4) {
        uint32_t a, b;
        memcpy(&a, name, 4);
        memcpy(&b, name + length - 4, 4);
        first = a;
        last = b;
    } else if (length > 0) {
        first = (uint64_t)name[0] | (uint64_t)name[length / 2] << 8 | (uint64_t)name[length - 1] << 16;
    }
    uint64_t mixed = (first ^ (last << 21 | last >> 43)) + length;
    mixed *= UINT64_C(0x9e3779b97f4a7c15);
    return mixed >> 40;
}

/* The entry of a raw name, made if need be. NULL: an exception is set. */
static struct name_entry *find_name(const uint8_t *name, size_t length) {
    uint64_t hash = hash_name(name, length);
    for (uint32_t probe = 0; probe < NAME_PROBES; probe++) {
        struct name_entry *entry = &names[(hash + probe) % NAME_ENTRIES];
        if (entry->length == length && memcmp(entry->name, name, length) == 0) return entry;
        if (entry->length == 0) break;
    }
    uint8_t treatment;
    PyObject *key = make_key(name, length, &treatment);
    if (key == NULL) return NULL;
    struct name_entry *entry = NULL;
    for (uint32_t probe = 0; probe < NAME_PROBES && entry == NULL; probe++) {
        struct name_entry *candidate = &names[(hash + probe) % NAME_ENTRIES];
        if (candidate->length == 0) entry = candidate;
    }
    if (entry == NULL) entry = &names[(hash + name_turn++ % NAME_PROBES) % NAME_ENTRIES];
    Py_XDECREF(entry->key);
    Py_XDECREF(entry->value);
    *entry = (struct name_entry){.length = (uint8_t)length, .treatment = treatment, .misses = 0, .key = key};
    memcpy(entry->name, name, length);
    return entry;
}

/* The value of a header; a new reference. */
static inline PyObject *value_of(struct name_entry *entry, const uint8_t *value, size_t length) {
    if (entry->value != NULL && entry->text_len == length && memcmp(entry->text, value, length) == 0)
        return Py_NewRef(entry->value);
    PyObject *text = latin1(value, length);
    /* Remembering costs more than it may bring when every client says something else: not each time, and nothing
     * that a client would not like to be kept. */
    if (text == NULL || length > VALUE_MAX_CACHED || entry->treatment != TREAT_PLAIN || entry->misses++ % 8 != 0)
        return text;
    Py_ssize_t utf8_len;
    const char *utf8 = PyUnicode_AsUTF8AndSize(text, &utf8_len);
    if (utf8 == NULL) {
        PyErr_Clear();
    } else if ((size_t)utf8_len == length) {
        spey_replace(&entry->value, Py_NewRef(text));
        entry->text = utf8;
        entry->text_len = length;
    }
    return text;
}

/* A short text that probably came before; a new reference. */
static PyObject *recent(struct text_entry *entry, const uint8_t *text, size_t length) {
    if (length == 0) return Py_NewRef(texts.empty);
    if (entry->length == length && memcmp(entry->text, text, length) == 0) return Py_NewRef(entry->value);
    PyObject *value = latin1(text, length);
    if (value != NULL && length <= sizeof entry->text) {
        spey_replace(&entry->value, Py_NewRef(value));
        entry->length = (uint8_t)length;
        memcpy(entry->text, text, length);
    }
    return value;
}

/* Sets a key and drops the reference to the value. */
static inline bool set(PyObject *environ, PyObject *key, PyObject *value) {
    if (UNLIKELY(value == NULL)) return false;
    bool ok = PyDict_SetItem(environ, key, value) == 0;
    Py_DECREF(value);
    return ok;
}

/* Joins a value to the one that the key already has. Takes the reference to value; NULL with an exception. */
static PyObject *join(PyObject *environ, PyObject *key, PyObject *value, uint8_t treatment) {
    PyObject *before = PyDict_GetItemWithError(environ, key);
    if (before == NULL) {
        if (PyErr_Occurred()) Py_CLEAR(value);
        return value;
    }
    PyObject *both = PyUnicode_FromFormat(treatment == TREAT_COOKIE ? "%U; %U" : "%U, %U", before, value);
    Py_DECREF(value);
    return both;
}

static bool set_field(PyObject *environ, const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len,
                      bool repeated) {
    struct name_entry *entry, uncached = {.misses = 1};
    if (LIKELY(name_len <= NAME_MAX_CACHED && name_len > 0)) {
        entry = find_name(name, name_len);
        if (entry == NULL) return false;
    } else {
        entry = &uncached;
        uncached.key = make_key(name, name_len, &uncached.treatment);
        if (uncached.key == NULL) return false;
    }
    bool ok = true;
    if (entry->treatment != TREAT_DROP) {
        PyObject *text = value_of(entry, value, value_len);
        if (UNLIKELY(repeated) && text != NULL) text = join(environ, entry->key, text, entry->treatment);
        ok = set(environ, entry->key, text);
    }
    Py_XDECREF(uncached.key);
    return ok;
}

/* The fields of the request. *wrong names what is out of bounds. */
static bool set_fields(PyObject *environ, const struct spey_segment *s, const struct words *words, const uint8_t *head,
                       const char **wrong) {
    const uint8_t *table = s->base + words->fields_at;
    bool repeated = (words->flags & SPEY_FLAG_REPEATED) != 0;
    for (uint32_t i = 0; i < words->field_count; i++) {
        struct field field;
        memcpy(&field, table + i * sizeof field, sizeof field);
        if (UNLIKELY((uint32_t)field.name_at + field.name_len > words->head_len ||
                     (uint32_t)field.value_at + field.value_len > words->head_len)) {
            *wrong = "a field lies outside of the head";
            return false;
        }
        if (!set_field(environ, head + field.name_at, field.name_len, head + field.value_at, field.value_len, repeated))
            return false;
    }
    return true;
}

static inline int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path with its escapes decoded; what is no escape stays as it is. */
static PyObject *decode_path(const uint8_t *path, size_t length) {
    uint8_t on_stack[1024];
    uint8_t *decoded = length <= sizeof on_stack ? on_stack : PyMem_Malloc(length);
    if (decoded == NULL) return PyErr_NoMemory();
    size_t to = 0;
    for (size_t i = 0; i < length; i++) {
        int high, low;
        if (path[i] == '%' && i + 2 < length && (high = hex_digit(path[i + 1])) >= 0 &&
            (low = hex_digit(path[i + 2])) >= 0) {
            decoded[to++] = (uint8_t)(high << 4 | low);
            i += 2;
        } else {
            decoded[to++] = path[i];
        }
    }
    PyObject *text = latin1(decoded, to);
    if (decoded != on_stack) PyMem_Free(decoded);
    return text;
}

/* Cuts the path under which the application is mounted off a path. Takes the reference to path; NULL with an exception. */
static PyObject *below(PyObject *script_name, PyObject *path) {
    Py_ssize_t length = PyUnicode_GetLength(script_name), whole = PyUnicode_GetLength(path);
    Py_ssize_t begins = length <= whole ? PyUnicode_Tailmatch(path, script_name, 0, whole, -1) : 0;
    if (length < 0 || whole < 0 || begins < 0) {
        Py_DECREF(path);
        return NULL;
    }
    /* /shop is not the mount of /shopping. */
    if (!begins || (whole > length && PyUnicode_ReadChar(path, length) != '/')) return path;
    PyObject *rest = PyUnicode_Substring(path, length, whole);
    Py_DECREF(path);
    return rest;
}

/* Method, target, path, query and protocol. The base environ has GET, /, no query and HTTP/1.1 already. mount is what is cut
 * off the path, or NULL. */
static bool set_request_line(struct spey_request *request, const struct words *words, const uint8_t *head,
                             PyObject *mount) {
    PyObject *environ = request->environ;
    const uint8_t *path = head + words->path_at, *target = head + words->target_at;
    if (LIKELY(words->method_len == 3 && memcmp(head + words->method_at, "GET", 3) == 0)) {
        request->method = Py_NewRef(texts.get);
    } else {
        request->method = interned(known_methods, latin1(head + words->method_at, words->method_len));
        if (request->method == NULL || PyDict_SetItem(environ, keys.method, request->method) < 0) return false;
    }
    if (words->path_len == 1 && path[0] == '/') {
        request->path = Py_NewRef(texts.slash);
    } else {
        request->path = UNLIKELY(words->flags & SPEY_FLAG_ESCAPED) ? decode_path(path, words->path_len)
                                                                   : latin1(path, words->path_len);
        if (UNLIKELY(mount != NULL) && request->path != NULL) request->path = below(mount, request->path);
        if (request->path == NULL || PyDict_SetItem(environ, keys.path, request->path) < 0) return false;
    }
    if (!(words->target_len == 1 && target[0] == '/')) {
        bool same = words->target_len == words->path_len && !(words->flags & SPEY_FLAG_ESCAPED) &&
                    mount == NULL && memcmp(target, path, words->path_len) == 0;
        if (!set(environ, keys.target, same ? Py_NewRef(request->path) : latin1(target, words->target_len))) return false;
    }
    if (words->query_len > 0 && !set(environ, keys.query, latin1(head + words->query_at, words->query_len))) return false;
    return LIKELY(words->minor != 0) || PyDict_SetItem(environ, keys.protocol, texts.http10) == 0;
}

/* The host of a target in absolute form, which a request of HTTP/1.0 may have without a Host field (RFC 9112 section 3.2.2).
 * The front has checked it; where there is a field, it has its value already. */
static bool set_host(PyObject *environ, const struct words *words, const uint8_t *head) {
    const uint8_t *target = head + words->target_at, *end = target + words->target_len;
    if (words->target_len == 0 || *target == '/') return true;
    const uint8_t *at = memchr(target, ':', words->target_len);
    if (at == NULL || end - at < 3) return true; /* the asterisk */
    const uint8_t *host = at += 3;
    while (at < end && *at != '/' && *at != '?') at++;
    int there = PyDict_Contains(environ, keys.host);
    return there > 0 || (there == 0 && set(environ, keys.host, latin1(host, (size_t)(at - host))));
}

/* PyUnicode_FromFormat takes five times as long. */
static PyObject *decimal(uint64_t number) {
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return latin1(digits + at, sizeof digits - at);
}

/* The identifier that the front's records have: of its start, and its count in hexadecimal digits. */
static PyObject *identifier(const char *start, uint64_t count) {
    uint8_t text[SPEY_BOOT_MAX + 1 + 16];
    size_t at = sizeof text, boot = strlen(start);
    do {
        text[--at] = (uint8_t)"0123456789abcdef"[count & 15];
        count >>= 4;
    } while (count != 0);
    text[--at] = '-';
    at -= boot;
    memcpy(text + at, start, boot);
    return latin1(text + at, sizeof text - at);
}

/* Address, scheme and body. */
static bool set_rest(const struct spey_gateway *gateway, struct spey_request *request, const struct words *words,
                     PyObject **idle) {
    PyObject *environ = request->environ;
    if (words->remote_addr_len > 0) {
        uint32_t port = words->remote_port_len > 0 ? words->remote_port[words->remote_port_len - 1] & 7u : 0;
        if (words->remote_port_len > 1) port |= (words->remote_port[words->remote_port_len - 2] & 7u) << 3;
        PyObject *addr = recent(&last_addr, words->remote_addr, words->remote_addr_len);
        if (addr == NULL || PyDict_SetItem(environ, keys.peer, addr) < 0) {
            Py_XDECREF(addr);
            return false;
        }
        if (!set(environ, keys.addr, addr) ||
            !set(environ, keys.port, recent(&last_ports[port], words->remote_port, words->remote_port_len)))
            return false;
    }
    if (!set(environ, keys.id, identifier(gateway->boot, words->request_id))) return false;
    if (words->flags & SPEY_FLAG_HTTPS && PyDict_SetItem(environ, keys.scheme, texts.https) < 0) return false;
    if (words->flags & SPEY_FLAG_LENGTH && !set(environ, keys.length, decimal(words->body_len))) return false;
    if (words->body_kind == SPEY_BODY_NONE && *idle != NULL) {
        request->input = *idle;
        *idle = NULL;
    } else {
        request->input = spey_input_new(&gateway->segment, words->body_kind, words->body_at, words->body_len);
    }
    return request->input != NULL && PyDict_SetItem(environ, keys.input, request->input) == 0;
}

/* What is wrong with the words of a slot, or NULL. The fields are checked as they are read. */
static const char *check_words(const struct spey_gateway *gateway, const struct words *words) {
    uint64_t size = gateway->segment.size;
    if ((uint64_t)words->head_at + words->head_len > size) return "the head lies outside of the segment";
    if ((uint64_t)words->fields_at + words->field_count * sizeof(struct field) > size)
        return "the field table lies outside of the segment";
    uint32_t end = words->head_len;
    if ((uint32_t)words->method_at + words->method_len > end || (uint32_t)words->target_at + words->target_len > end ||
        (uint32_t)words->path_at + words->path_len > end || (uint32_t)words->query_at + words->query_len > end)
        return "the request line lies outside of the head";
    if (words->remote_addr_len > sizeof words->remote_addr || words->remote_port_len > sizeof words->remote_port)
        return "the peer's address is longer than its place";
    if (words->listener >= PyTuple_Size(gateway->environs)) return "the request came from an unknown listener";
    if (words->body_kind > SPEY_BODY_STREAM) return "the body is of an unknown kind";
    return NULL;
}

/* All that the request brings; the words of a proxy in front of ours go before the connection's. */
static bool set_all(const struct spey_gateway *gateway, const struct spey_claim *claim, struct spey_request *request,
                    const struct words *words, PyObject **idle, const char **wrong) {
    const uint8_t *head = gateway->segment.base + words->head_at;
    PyObject *environ = request->environ, *mount = Py_XNewRef(gateway->script_name);
    struct spey_origin origin;
    bool proxied = (words->flags & SPEY_FLAG_ORIGIN) != 0, ok = true;
    if (UNLIKELY(proxied)) {
        *wrong = spey_origin_read(claim->slot, words->head_len, &origin);
        ok = *wrong == NULL && spey_origin_mount(&origin, head, environ, &mount);
    }
    ok = ok && set_request_line(request, words, head, mount) && set_fields(environ, &gateway->segment, words, head, wrong) &&
         (LIKELY(words->minor != 0) || set_host(environ, words, head)) && set_rest(gateway, request, words, idle);
    if (UNLIKELY(proxied)) ok = ok && spey_origin_set(&origin, head, environ);
    Py_XDECREF(mount);
    return ok;
}

bool spey_environ_build(const struct spey_gateway *gateway, const struct spey_claim *claim, PyObject *environs, PyObject **idle,
                        struct spey_request *request, const char **wrong) {
    struct words words;
    *request = (struct spey_request){0};
    memcpy(&words, &claim->slot->head_at, WORDS_SIZE);
    if (UNLIKELY((*wrong = check_words(gateway, &words)) != NULL)) return false;
    request->head_only = (words.flags & SPEY_FLAG_HEAD_ONLY) != 0;
    PyObject *base = PyTuple_GetItem(environs, words.listener);
    request->environ = base == NULL ? NULL : PyDict_Copy(base);
    return request->environ != NULL && set_all(gateway, claim, request, &words, idle, wrong);
}

/* Inserting until the dict has grown to the size that the headers of a browser need, and deleting again: a copy keeps
 * the size. A dict of CPython grows when two thirds of its table are used, so 22 entries make it hold 42. */
static bool reserve(PyObject *environ) {
    const Py_ssize_t wanted = 22;
    Py_ssize_t have = PyDict_Size(environ);
    bool ok = true;
    for (Py_ssize_t i = have; i < wanted && ok; i++) {
        PyObject *key = PyUnicode_FromFormat("speyside.%zd", i);
        ok = key != NULL && PyDict_SetItem(environ, key, Py_None) == 0;
        Py_XDECREF(key);
    }
    for (Py_ssize_t i = have; i < wanted && ok; i++) {
        PyObject *key = PyUnicode_FromFormat("speyside.%zd", i);
        ok = key != NULL && PyDict_DelItem(environ, key) == 0;
        Py_XDECREF(key);
    }
    return ok;
}

PyObject *spey_environ_prepare(PyObject *given) {
    PyObject *environ = PyDict_Copy(given);
    if (environ == NULL) return NULL;
    if (PyDict_SetItem(environ, keys.method, texts.get) < 0 || PyDict_SetItem(environ, keys.path, texts.slash) < 0 ||
        PyDict_SetItem(environ, keys.target, texts.slash) < 0 || PyDict_SetItem(environ, keys.query, texts.empty) < 0 ||
        PyDict_SetItem(environ, keys.protocol, texts.http11) < 0 ||
        PyDict_SetItem(environ, keys.addr, texts.empty) < 0 || PyDict_SetItem(environ, keys.port, texts.empty) < 0 ||
        PyDict_SetItem(environ, keys.peer, texts.empty) < 0 ||
        PyDict_SetItem(environ, keys.input, Py_None) < 0 || PyDict_SetItem(environ, keys.client, Py_None) < 0 ||
        PyDict_SetItem(environ, keys.early, Py_None) < 0 || PyDict_SetItem(environ, keys.id, texts.empty) < 0 ||
        !reserve(environ))
        Py_CLEAR(environ);
    return environ;
}

PyObject *spey_environ_copies(PyObject *environs) {
    Py_ssize_t count = PyTuple_Size(environs);
    PyObject *copies = PyTuple_New(count);
    for (Py_ssize_t i = 0; i < count && copies != NULL; i++) {
        PyObject *copy = PyDict_Copy(PyTuple_GetItem(environs, i));
        if (copy == NULL || PyTuple_SetItem(copies, i, copy) < 0) Py_CLEAR(copies);
    }
    return copies;
}

bool spey_environ_bind(PyObject *environs, PyObject *client, PyObject *early) {
    for (Py_ssize_t i = PyTuple_Size(environs); i-- > 0;) {
        PyObject *environ = PyTuple_GetItem(environs, i);
        if (PyDict_SetItem(environ, keys.client, client) < 0 || PyDict_SetItem(environ, keys.early, early) < 0) return false;
    }
    return true;
}

static PyObject *intern_all(const char *const *texts_in, size_t count) {
    PyObject *known = PyDict_New();
    for (size_t i = 0; i < count && known != NULL; i++) {
        PyObject *text = PyUnicode_InternFromString(texts_in[i]);
        if (text == NULL || PyDict_SetItem(known, text, text) < 0) Py_CLEAR(known);
        Py_XDECREF(text);
    }
    return known;
}

int spey_environ_setup(void) {
    const struct {
        PyObject **to;
        const char *text;
    } strings[] = {
        {&keys.method, "REQUEST_METHOD"}, {&keys.path, "PATH_INFO"},          {&keys.query, "QUERY_STRING"},
        {&keys.target, "RAW_URI"},        {&keys.protocol, "SERVER_PROTOCOL"}, {&keys.addr, "REMOTE_ADDR"},
        {&keys.port, "REMOTE_PORT"},      {&keys.length, "CONTENT_LENGTH"},      {&keys.input, "wsgi.input"},
        {&keys.scheme, "wsgi.url_scheme"}, {&keys.host, "HTTP_HOST"},         {&keys.peer, "speyside.peer_addr"},
        {&texts.empty, ""},               {&texts.slash, "/"},                {&texts.get, "GET"},
        {&texts.http10, "HTTP/1.0"},      {&texts.http11, "HTTP/1.1"},          {&texts.https, "https"},
        {&keys.id, "speyside.request_id"},
        {&keys.client, "speyside.client_disconnected"},
        {&keys.early, "wsgi.early_hints"},
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        *strings[i].to = PyUnicode_InternFromString(strings[i].text);
        if (*strings[i].to == NULL) return -1;
    }
    known_keys = intern_all(key_names, sizeof key_names / sizeof key_names[0]);
    known_methods = intern_all(method_names, sizeof method_names / sizeof method_names[0]);
    return known_keys == NULL || known_methods == NULL ? -1 : spey_origin_setup();
}
