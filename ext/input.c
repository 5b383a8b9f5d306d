/*
 * wsgi.input: the body of a request, read where it lies.
 *
 * A body in the home block is copied when the environ is built, since the reply will be written over it. One in
 * blocks or in the spool stays there until the request is over; after that every use raises, because the memory is
 * another request's by then. The object itself may live as long as somebody wants it.
 */
#include "gateway.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

PyTypeObject *spey_input_type;

/* Bytes of the spool that readline() reads at a time; read() of more goes around this buffer. */
#define SPOOL_BUFFER 65536

struct spey_input {
    PyObject_HEAD
    const struct spey_segment *segment; /* that the request came in */
    uint32_t kind;
    bool over;
    uint64_t length;
    uint64_t position;
    PyObject *bytes;       /* inline: the whole body */
    uint32_t block;        /* blocks: the one that position is in */
    uint64_t at;           /* spool: offset of the body */
    struct spey_claim claim; /* stream: the slot, while the request goes on */
    bool ended;              /* stream: the end of the body has been seen */
    bool left;               /* stream: the application was told that the client has left */
    uint8_t *buffer;       /* spool: bytes from buffer_from on */
    uint64_t buffer_from;  /* as a position in the body */
    size_t buffered;
};

/* What lies at the position without a gap. */
struct chunk {
    const uint8_t *data;
    size_t length;
};

static bool usable(struct spey_input *input) {
    if (LIKELY(!input->over)) return true;
    PyErr_SetString(PyExc_ValueError, "wsgi.input cannot be read any more: the request is over");
    return false;
}

/* How many bytes are still to come; of a streamed body nobody knows until its end. */
static uint64_t remaining(const struct spey_input *input) {
    if (UNLIKELY(input->kind == SPEY_BODY_STREAM)) return input->ended ? 0 : UINT64_MAX - input->position;
    return input->length - input->position;
}

/* Waits until bytes beyond the position have come, or the body has ended. Releases the GIL; false with an exception. */
static bool await_stream(struct spey_input *input, uint64_t *arrived) {
    for (;;) {
        if (!usable(input)) return false;
        enum spey_stream found = spey_stream_look(&input->claim, input->position, arrived);
        if (found == SPEY_STREAM_BYTES) return true;
        if (found == SPEY_STREAM_END) {
            input->ended = true;
            return true;
        }
        if (found == SPEY_STREAM_LEFT) {
            input->left = true;
            PyErr_SetString(PyExc_ConnectionResetError, "the client left before the body of its request was complete");
            return false;
        }
        Py_BEGIN_ALLOW_THREADS
        spey_stream_wait(&input->claim, input->position);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0) return false;
    }
}

/* What lies at the position of a streamed body. */
static bool peek_stream(struct spey_input *input, struct chunk *chunk) {
    uint64_t arrived;
    *chunk = (struct chunk){0};
    if (input->ended) return true;
    if (!await_stream(input, &arrived)) return false;
    if (input->ended) return true;
    uint64_t within = input->position % SPEY_BLOCK_SIZE, here = SPEY_BLOCK_SIZE - within;
    uint32_t block = input->claim.slot->stream[input->position / SPEY_BLOCK_SIZE % SPEY_STREAM_BLOCKS];
    if (block >= input->segment->block_count || arrived - input->position > SPEY_STREAM_BLOCKS * SPEY_BLOCK_SIZE) {
        PyErr_SetString(PyExc_OSError, "the ring of a streamed body is broken");
        return false;
    }
    chunk->data = spey_block_at(input->segment, block) + within;
    chunk->length = (size_t)(here < arrived - input->position ? here : arrived - input->position);
    return true;
}

/* Reads length bytes of the body at position. Releases the GIL; false with an exception. */
static bool read_spool(struct spey_input *input, uint8_t *to, size_t length, uint64_t position) {
    int spool = input->segment->spool;
    uint64_t at = input->at + position;
    ssize_t got = 0;
    int error = 0;
    while (length > 0) {
        Py_BEGIN_ALLOW_THREADS
        got = pread(spool, to, length, (off_t)at);
        error = errno;
        Py_END_ALLOW_THREADS
        /* Another thread may have ended the request meanwhile: then this is no longer its body. */
        if (!usable(input)) return false;
        if (got > 0) {
            to += got;
            at += (uint64_t)got;
            length -= (size_t)got;
        } else if (got == 0) {
            PyErr_SetString(PyExc_OSError, "the spool ends before the body does");
            return false;
        } else if (error != EINTR) {
            errno = error;
            PyErr_SetFromErrno(PyExc_OSError);
            return false;
        } else if (PyErr_CheckSignals() < 0) {
            return false;
        }
    }
    return true;
}

/* Makes the buffer hold what lies at the position. */
static bool fill_buffer(struct spey_input *input) {
    if (input->buffered > 0 && input->position >= input->buffer_from &&
        input->position - input->buffer_from < input->buffered)
        return true;
    uint64_t position = input->position;
    size_t length = remaining(input) < SPOOL_BUFFER ? (size_t)remaining(input) : SPOOL_BUFFER;
    /* Filled aside and put in place under the GIL, so that two threads cannot mix their pieces. */
    uint8_t *buffer = PyMem_Malloc(length);
    if (buffer == NULL) {
        PyErr_NoMemory();
        return false;
    }
    if (!read_spool(input, buffer, length, position)) {
        PyMem_Free(buffer);
        return false;
    }
    PyMem_Free(input->buffer);
    input->buffer = buffer;
    input->buffer_from = position;
    input->buffered = length;
    return true;
}

/* What lies at the position; a length of 0 means the end. */
static bool peek(struct spey_input *input, struct chunk *chunk) {
    if (UNLIKELY(input->kind == SPEY_BODY_STREAM)) return peek_stream(input, chunk);
    uint64_t left = remaining(input);
    uint64_t here = left;
    *chunk = (struct chunk){0};
    if (left == 0) return true;
    if (input->kind == SPEY_BODY_INLINE) {
        chunk->data = (const uint8_t *)PyBytes_AsString(input->bytes) + input->position;
    } else if (input->kind == SPEY_BODY_BLOCKS) {
        uint64_t within = input->position % SPEY_BLOCK_SIZE;
        chunk->data = spey_block_at(input->segment, input->block) + within;
        here = SPEY_BLOCK_SIZE - within;
    } else {
        if (!fill_buffer(input)) return false;
        /* While it was filled without the GIL, another thread may have read on. */
        if (input->position < input->buffer_from || input->position - input->buffer_from >= input->buffered) {
            PyErr_SetString(PyExc_RuntimeError, "wsgi.input is being read by two threads at once");
            return false;
        }
        chunk->data = input->buffer + (input->position - input->buffer_from);
        here = input->buffered - (input->position - input->buffer_from);
        left = remaining(input);
    }
    chunk->length = (size_t)(here < left ? here : left);
    return true;
}

/* Moves the position on by at most what peek returned. False: the chain of blocks is broken. */
static bool advance(struct spey_input *input, size_t length) {
    input->position += length;
    if (UNLIKELY(input->kind == SPEY_BODY_STREAM)) spey_stream_take(&input->claim, input->position);
    if (input->kind != SPEY_BODY_BLOCKS || input->position % SPEY_BLOCK_SIZE != 0 || remaining(input) == 0) return true;
    uint32_t next = atomic_load(&input->segment->block_table[input->block]);
    if (next == 0 || next > input->segment->block_count) {
        input->over = true;
        PyErr_SetString(PyExc_OSError, "the body's chain of blocks is broken");
        return false;
    }
    input->block = next - 1;
    return true;
}

/* Copies up to length bytes to memory; what was copied is in *copied. */
static bool copy_out(struct spey_input *input, uint8_t *to, size_t length, size_t *copied) {
    *copied = 0;
    if (input->kind == SPEY_BODY_SPOOL && length >= SPOOL_BUFFER) {
        uint64_t position = input->position;
        input->position += length; /* first, for another thread that reads while this one has no GIL */
        if (!read_spool(input, to, length, position)) {
            if (input->position == position + length) input->position = position;
            return false;
        }
        *copied = length;
        return true;
    }
    while (*copied < length) {
        struct chunk chunk;
        if (!peek(input, &chunk)) return false;
        if (chunk.length == 0) break;
        size_t part = length - *copied < chunk.length ? length - *copied : chunk.length;
        memcpy(to + *copied, chunk.data, part);
        if (!advance(input, part)) return false;
        *copied += part;
    }
    return true;
}

/* The next length bytes as a new bytes object; length is at most what remains. */
static PyObject *take(struct spey_input *input, uint64_t length) {
    if (input->kind == SPEY_BODY_INLINE && input->position == 0 && length == input->length) {
        input->position = length;
        return Py_NewRef(input->bytes);
    }
    if (length > PY_SSIZE_T_MAX) return PyErr_NoMemory();
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (bytes == NULL || length == 0) return bytes;
    size_t copied;
    if (!copy_out(input, (uint8_t *)PyBytes_AsString(bytes), (size_t)length, &copied)) {
        Py_DECREF(bytes);
        return NULL;
    }
    if (copied == length) return bytes;
    /* Another thread has read in between. */
    PyObject *shorter = PyBytes_FromStringAndSize(PyBytes_AsString(bytes), (Py_ssize_t)copied);
    Py_DECREF(bytes);
    return shorter;
}

/* Up to limit bytes of a streamed body, of which nobody knows how many there will be. */
static PyObject *take_streamed(struct spey_input *input, uint64_t limit) {
    size_t have = 0, room = limit < SPOOL_BUFFER ? (size_t)limit : SPOOL_BUFFER;
    uint8_t *data = PyMem_Malloc(room > 0 ? room : 1);
    if (data == NULL) return PyErr_NoMemory();
    for (;;) {
        size_t copied;
        if (!copy_out(input, data + have, room - have, &copied)) break;
        have += copied;
        if (have < room || have == limit) {
            PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)have);
            PyMem_Free(data);
            return bytes;
        }
        room = limit - have < have ? (size_t)limit : 2 * have;
        uint8_t *larger = PyMem_Realloc(data, room);
        if (larger == NULL) {
            PyErr_NoMemory();
            break;
        }
        data = larger;
    }
    PyMem_Free(data);
    return NULL;
}

/* The size argument of read and its kin: absent, None and negative numbers mean no limit. */
static bool take_size(PyObject *const *args, Py_ssize_t count, const char *name, Py_ssize_t *size) {
    *size = -1;
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 1 argument (%zd given)", name, count);
        return false;
    }
    if (count == 0 || args[0] == Py_None) return true;
    *size = PyNumber_AsSsize_t(args[0], NULL);
    return *size != -1 || !PyErr_Occurred();
}

static PyObject *input_read(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    struct spey_input *input = (struct spey_input *)self;
    Py_ssize_t size;
    if (!take_size(args, count, "read", &size) || !usable(input)) return NULL;
    uint64_t length = remaining(input);
    if (size >= 0 && (uint64_t)size < length) length = (uint64_t)size;
    if (UNLIKELY(input->kind == SPEY_BODY_STREAM)) return take_streamed(input, length);
    return take(input, length);
}

/* How far the line that starts here goes within one chunk; *ends says that it ends there. */
static size_t line_part(const struct chunk *chunk, uint64_t limit, bool *ends) {
    size_t length = chunk->length < limit ? chunk->length : (size_t)limit;
    const uint8_t *newline = length == 0 ? NULL : memchr(chunk->data, '\n', length); /* at the end there are no data */
    *ends = newline != NULL || length == limit;
    return newline != NULL ? (size_t)(newline - chunk->data) + 1 : length;
}

static PyObject *read_line(struct spey_input *input, uint64_t limit) {
    struct chunk chunk = {0};
    bool ends;
    if (!peek(input, &chunk)) return NULL;
    size_t part = line_part(&chunk, limit, &ends);
    if (ends || part == remaining(input)) {
        PyObject *line = PyBytes_FromStringAndSize((const char *)chunk.data, (Py_ssize_t)part);
        if (line != NULL && !advance(input, part)) Py_CLEAR(line);
        return line;
    }
    /* It goes on in the next block or beyond the buffer: collect. */
    size_t have = 0, room = 4 * part + 4096;
    uint8_t *line = PyMem_Malloc(room);
    if (line == NULL) return PyErr_NoMemory();
    for (;;) {
        if (have + part > room) {
            room = 2 * (have + part);
            uint8_t *larger = PyMem_Realloc(line, room);
            if (larger == NULL) {
                PyErr_NoMemory();
                goto failed;
            }
            line = larger;
        }
        memcpy(line + have, chunk.data, part);
        have += part;
        limit -= part;
        if (!advance(input, part)) goto failed;
        if (ends || limit == 0) break;
        if (!peek(input, &chunk)) goto failed;
        if (chunk.length == 0) break;
        part = line_part(&chunk, limit, &ends);
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)line, (Py_ssize_t)have);
    PyMem_Free(line);
    return bytes;
failed:
    PyMem_Free(line);
    return NULL;
}

static PyObject *input_readline(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    struct spey_input *input = (struct spey_input *)self;
    Py_ssize_t size;
    if (!take_size(args, count, "readline", &size) || !usable(input)) return NULL;
    if (size == 0 || remaining(input) == 0) return PyBytes_FromStringAndSize(NULL, 0);
    return read_line(input, size < 0 ? UINT64_MAX : (uint64_t)size);
}

static PyObject *input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    struct spey_input *input = (struct spey_input *)self;
    Py_ssize_t hint, total = 0;
    if (!take_size(args, count, "readlines", &hint) || !usable(input)) return NULL;
    PyObject *lines = PyList_New(0);
    while (lines != NULL && remaining(input) > 0 && (hint <= 0 || total < hint)) {
        PyObject *line = usable(input) ? read_line(input, UINT64_MAX) : NULL;
        if (line != NULL && PyBytes_Size(line) == 0) { /* only now is it known that a streamed body has ended */
            Py_DECREF(line);
            break;
        }
        if (line == NULL || PyList_Append(lines, line) < 0) Py_CLEAR(lines);
        if (line != NULL) total += PyBytes_Size(line);
        Py_XDECREF(line);
    }
    return lines;
}

static PyObject *input_readinto(PyObject *self, PyObject *target) {
    struct spey_input *input = (struct spey_input *)self;
    if (!usable(input)) return NULL;
    Py_buffer view;
    if (PyObject_GetBuffer(target, &view, PyBUF_WRITABLE | PyBUF_SIMPLE) < 0) return NULL;
    size_t length = (size_t)view.len, copied;
    if (length > remaining(input)) length = (size_t)remaining(input);
    bool ok = copy_out(input, view.buf, length, &copied);
    PyBuffer_Release(&view);
    return ok ? PyLong_FromSize_t(copied) : NULL;
}

static PyObject *input_next(PyObject *self) {
    struct spey_input *input = (struct spey_input *)self;
    if (!usable(input) || remaining(input) == 0) return NULL;
    PyObject *line = read_line(input, UINT64_MAX);
    if (line != NULL && PyBytes_Size(line) == 0) Py_CLEAR(line); /* the end of a streamed body */
    return line;
}

static PyObject *input_iter(PyObject *self) {
    return usable((struct spey_input *)self) ? Py_NewRef(self) : NULL;
}

/* Whether the body lies where the slot says. */
static bool plausible(const struct spey_segment *s, uint32_t kind, uint64_t at, uint64_t length) {
    switch (kind) {
    case SPEY_BODY_NONE: return length == 0;
    case SPEY_BODY_INLINE: return at <= s->size && length <= s->size - at;
    case SPEY_BODY_BLOCKS:
        return at < s->block_count && length <= (uint64_t)s->block_count * SPEY_BLOCK_SIZE;
    case SPEY_BODY_STREAM: return true;
    case SPEY_BODY_SPOOL: return at <= INT64_MAX && length <= INT64_MAX - at;
    default: return false;
    }
}

PyObject *spey_input_new(const struct spey_segment *s, uint32_t kind, uint64_t at, uint64_t length) {
    if (!plausible(s, kind, at, length)) {
        PyErr_SetString(PyExc_ValueError, "the request's body does not lie in the segment or the spool");
        return NULL;
    }
    struct spey_input *input = PyObject_New(struct spey_input, spey_input_type);
    if (input == NULL) return NULL;
    input->segment = s;
    input->kind = kind;
    input->over = false;
    input->length = length;
    input->position = 0;
    input->bytes = NULL;
    input->block = (uint32_t)at;
    input->at = at;
    input->ended = input->left = false;
    input->buffer = NULL;
    input->buffer_from = 0;
    input->buffered = 0;
    if (kind == SPEY_BODY_INLINE) {
        input->bytes = PyBytes_FromStringAndSize((const char *)s->base + at, (Py_ssize_t)length);
        if (input->bytes == NULL) Py_CLEAR(input);
    }
    return (PyObject *)input;
}

void spey_input_start(PyObject *self, const struct spey_claim *claim) {
    struct spey_input *input = (struct spey_input *)self;
    if (UNLIKELY(input->kind == SPEY_BODY_STREAM)) input->claim = *claim;
}

bool spey_input_left(PyObject *self) {
    return self != NULL && ((struct spey_input *)self)->left;
}

bool spey_input_drained(PyObject *self) {
    struct spey_input *input = (struct spey_input *)self;
    uint64_t arrived;
    if (input->kind == SPEY_BODY_STREAM && !input->ended)
        input->ended = spey_stream_look(&input->claim, input->position, &arrived) == SPEY_STREAM_END;
    return input->kind == SPEY_BODY_NONE || input->kind == SPEY_BODY_INLINE || remaining(input) == 0;
}

bool spey_input_reopen(PyObject *self) {
    struct spey_input *input = (struct spey_input *)self;
    if (input->kind != SPEY_BODY_NONE) return false;
    input->over = false;
    return true;
}

void spey_input_end(PyObject *self) {
    struct spey_input *input = (struct spey_input *)self;
    input->over = true;
    if (UNLIKELY(input->buffer != NULL)) {
        PyMem_Free(input->buffer);
        input->buffer = NULL;
        input->buffered = 0;
    }
}

static void input_dealloc(PyObject *self) {
    struct spey_input *input = (struct spey_input *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_CLEAR(input->bytes);
    PyMem_Free(input->buffer);
    PyObject_Free(self);
    Py_DECREF(type);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef input_methods[] = {
    {"read", FAST(input_read), METH_FASTCALL, "read(size=-1, /)\n--\n\nReads up to size bytes; all without a size."},
    {"readline", FAST(input_readline), METH_FASTCALL, "readline(size=-1, /)\n--\n\nReads a line, or size bytes of it."},
    {"readlines", FAST(input_readlines), METH_FASTCALL,
     "readlines(hint=-1, /)\n--\n\nReads lines until they have hint bytes."},
    {"readinto", input_readinto, METH_O, "readinto(buffer, /)\n--\n\nReads into a buffer and returns how many bytes."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot input_slots[] = {
    {Py_tp_dealloc, (void *)input_dealloc},
    {Py_tp_methods, input_methods},
    {Py_tp_iter, (void *)input_iter},
    {Py_tp_iternext, (void *)input_next},
    {Py_tp_doc, (void *)"wsgi.input: the body of one request."},
    {0, NULL},
};

static PyType_Spec input_spec = {
    .name = "speyside._gateway.Input",
    .basicsize = sizeof(struct spey_input),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = input_slots,
};

int spey_input_setup(PyObject *module) {
    spey_input_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &input_spec, NULL);
    return spey_input_type == NULL ? -1 : 0;
}
