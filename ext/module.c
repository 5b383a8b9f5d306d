/*
 * speyside._gateway: the worker's side of the server, in C. python/speyside/_gateway.pyi documents each function.
 *
 * The module holds the state of a process (one segment, one report function), so it exists once per process; it does
 * no policy and reads no settings.
 */
#include "gateway.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* What the functions of the module are about: the worker that this process is, or is to be. */
static struct spey_gateway own = {.segment = {.spool = -1}};

/* A gateway of its own. */
struct gateway {
    PyObject_HEAD
    struct spey_gateway gateway;
};

static PyTypeObject *gateway_type;

struct spey_gateway *spey_gateway_of(PyObject *self) {
    return Py_TYPE(self) == gateway_type ? &((struct gateway *)self)->gateway : &own;
}

/* In a child nothing of the parent's goes on: its threads are gone, and what it had started is the parent's. */
static void forget_parent(void) {
    spey_process.epoch++;
    spey_switch_forget();
    for (struct spey_gateway *gateway = spey_process.gateways; gateway != NULL; gateway = gateway->next) {
        gateway->stopping = false;
        gateway->serving_count = 0;
        if (gateway->serving != NULL) memset(gateway->serving, 0, gateway->segment.thread_count * sizeof *gateway->serving);
    }
}

/* Has a fork forget what the gateway was at. */
static void join(struct spey_gateway *gateway) {
    struct spey_gateway **at = &spey_process.gateways;
    while (*at != NULL && *at != gateway) at = &(*at)->next;
    *at = gateway;
}

static void leave(struct spey_gateway *gateway) {
    struct spey_gateway **at = &spey_process.gateways;
    while (*at != NULL && *at != gateway) at = &(*at)->next;
    if (*at != NULL) *at = gateway->next;
    gateway->next = NULL;
}

/* The numbers of a sequence of file descriptors, or NULL with an exception. */
static int *take_descriptors(PyObject *sequence, size_t *count) {
    PyObject *tuple = PySequence_Tuple(sequence);
    if (tuple == NULL) return NULL;
    *count = (size_t)PyTuple_Size(tuple);
    int *numbers = PyMem_Malloc((*count + 1) * sizeof *numbers);
    if (numbers == NULL) PyErr_NoMemory();
    for (size_t i = 0; i < *count && numbers != NULL; i++) {
        numbers[i] = PyObject_AsFileDescriptor(PyTuple_GetItem(tuple, (Py_ssize_t)i));
        if (numbers[i] < 0) {
            PyMem_Free(numbers);
            numbers = NULL;
        }
    }
    Py_DECREF(tuple);
    return numbers;
}

static PyObject *attach_failed(const char *wrong) {
    if (errno == 0) {
        PyErr_SetString(PyExc_ValueError, wrong);
        return NULL;
    }
    int error = errno;
    PyObject *arguments = Py_BuildValue("(iN)", error, PyUnicode_FromFormat("%s: %s", wrong, strerror(error)));
    if (arguments != NULL) PyErr_SetObject(PyExc_OSError, arguments);
    Py_XDECREF(arguments);
    return NULL;
}

static PyObject *attach(PyObject *self, PyObject *args, PyObject *keywords) {
    struct spey_gateway *gateway = spey_gateway_of(self);
    static char *names[] = {"segment", "spool", "ports", "sockets", NULL};
    static bool watches_forks;
    int segment, spool;
    PyObject *ports, *ends;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "iiOO:attach", names, &segment, &spool, &ports, &ends)) return NULL;
    if (gateway->serving_count > 0) {
        PyErr_SetString(PyExc_RuntimeError, "attach() while a thread serves");
        return NULL;
    }
    size_t count, socket_count;
    int *doorbells = take_descriptors(ports, &count);
    if (doorbells == NULL) return NULL;
    int *sockets = take_descriptors(ends, &socket_count);
    if (sockets == NULL) {
        PyMem_Free(doorbells);
        return NULL;
    }
    errno = 0;
    const char *wrong = count != socket_count ? "every port has one socket"
                                              : spey_attach(&gateway->segment, segment, spool, doorbells, sockets, count);
    PyMem_Free(doorbells);
    PyMem_Free(sockets);
    if (wrong != NULL) return attach_failed(wrong);
    PyMem_Free(gateway->serving);
    gateway->serving = PyMem_Calloc(gateway->segment.thread_count, sizeof *gateway->serving);
    if (gateway->serving == NULL) return PyErr_NoMemory();
    join(gateway);
    if (!watches_forks) {
        errno = pthread_atfork(NULL, NULL, forget_parent);
        if (errno != 0) return PyErr_SetFromErrno(PyExc_OSError);
        watches_forks = true;
    }
    Py_RETURN_NONE;
}

/* The SCRIPT_NAME of the environs, which is the same in all: NULL without an exception when it is empty. */
static PyObject *script_name_of(PyObject *environs) {
    PyObject *first = PyTuple_Size(environs) > 0 ? PyTuple_GetItem(environs, 0) : NULL;
    PyObject *name = first == NULL ? NULL : PyDict_GetItemString(first, "SCRIPT_NAME");
    return name != NULL && PyUnicode_Check(name) && PyUnicode_GetLength(name) > 0 ? Py_NewRef(name) : NULL;
}

static PyObject *configure(PyObject *self, PyObject *args, PyObject *keywords) {
    struct spey_gateway *gateway = spey_gateway_of(self);
    static char *names[] = {"environs", "report", "file_wrapper", "boot", NULL};
    PyObject *given, *report, *file_wrapper = Py_None;
    const char *boot = "";
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|Os:configure", names, &given, &report, &file_wrapper, &boot))
        return NULL;
    if (strlen(boot) > SPEY_BOOT_MAX) {
        PyErr_Format(PyExc_ValueError, "boot must have at most %d characters", SPEY_BOOT_MAX);
        return NULL;
    }
    if (!PyCallable_Check(report)) {
        PyErr_SetString(PyExc_TypeError, "report must be callable");
        return NULL;
    }
    PyObject *list = PySequence_List(given);
    if (list == NULL) return NULL;
    Py_ssize_t count = PyList_Size(list);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *environ = PyList_GetItem(list, i), *prepared = NULL;
        if (environ == NULL || !PyDict_Check(environ))
            PyErr_SetString(PyExc_TypeError, "environs must be a list of dicts");
        else
            prepared = spey_environ_prepare(environ);
        if (prepared == NULL || PyList_SetItem(list, i, prepared) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    PyObject *environs = PyList_AsTuple(list);
    Py_DECREF(list);
    if (environs == NULL) return NULL;
    spey_replace(&gateway->script_name, script_name_of(environs));
    spey_replace(&gateway->environs, environs);
    spey_replace(&gateway->report, Py_NewRef(report));
    memcpy(gateway->boot, boot, strlen(boot) + 1);
    spey_replace(&gateway->file_wrapper, Py_NewRef(file_wrapper));
    Py_RETURN_NONE;
}

static PyObject *stop(PyObject *self, PyObject *unused) {
    struct spey_gateway *gateway = spey_gateway_of(self);
    (void)unused;
    gateway->stopping = true;
    /* A thread looks at the flag with the GIL and stores its sleep word with the GIL, so none is missed. */
    for (uint32_t i = 0; gateway->serving_count > 0 && i < gateway->segment.thread_count; i++) {
        if (gateway->serving[i] != NULL) spey_wake(spey_sleep_word(&gateway->segment, gateway->worker, i));
    }
    Py_RETURN_NONE;
}

static PyObject *after_fork(PyObject *self, PyObject *number) {
    struct spey_gateway *gateway = spey_gateway_of(self);
    long worker = PyLong_AsLong(number);
    if (worker == -1 && PyErr_Occurred()) return NULL;
    if (gateway->segment.base == NULL || worker < 0 || (unsigned long)worker >= gateway->segment.worker_count) {
        PyErr_SetString(PyExc_ValueError, "the segment has no such worker");
        return NULL;
    }
    if (gateway->serving_count > 0) {
        PyErr_SetString(PyExc_RuntimeError, "after_fork() while a thread serves");
        return NULL;
    }
    gateway->stopping = false;
    atomic_store(&spey_worker_entry(&gateway->segment, (uint32_t)worker)->pid, (uint32_t)getpid());
    Py_RETURN_NONE;
}

static PyObject *gateway_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    if (!PyArg_ParseTuple(args, ":Gateway") || (keywords != NULL && PyDict_Size(keywords) > 0)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "Gateway() takes no arguments");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct gateway *made = (struct gateway *)allocate(type, 0);
    if (made != NULL) made->gateway = (struct spey_gateway){.segment = {.spool = -1}};
    return (PyObject *)made;
}

/* Nobody serves: serve() has a reference. */
static void gateway_dealloc(PyObject *self) {
    struct spey_gateway *gateway = spey_gateway_of(self);
    PyTypeObject *type = Py_TYPE(self);
    leave(gateway);
    spey_detach(&gateway->segment);
    PyMem_Free(gateway->serving);
    Py_CLEAR(gateway->environs);
    Py_CLEAR(gateway->script_name);
    Py_CLEAR(gateway->report);
    Py_CLEAR(gateway->file_wrapper);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"attach", FAST(attach), METH_VARARGS | METH_KEYWORDS,
     "attach(segment, spool, ports, sockets)\n--\n\nMaps the segment and remembers the descriptors. Called once, before forks."},
    {"configure", FAST(configure), METH_VARARGS | METH_KEYWORDS,
     "configure(environs, report, file_wrapper=None, boot='')\n--\n\nTakes one base environ per listener, the function told of "
     "faults, the type of wsgi.file_wrapper, and what identifiers of requests begin with."},
    {"serve", FAST(spey_serve), METH_VARARGS | METH_KEYWORDS, spey_serve_doc},
    {"running", spey_running, METH_VARARGS, spey_running_doc},
    {"limit", spey_limit, METH_O, spey_limit_doc},
    {"interrupt", spey_interrupt, METH_VARARGS, spey_interrupt_doc},
    {"adapt_switch_interval", spey_switch_adapt, METH_O,
     "adapt_switch_interval(wanted, /)\n--\n\nSwitches threads sooner while a request computes beside others."},
    {"stop", stop, METH_NOARGS, "stop()\n--\n\nMakes every serve() of this process return when its request is done."},
    {"after_fork", after_fork, METH_O,
     "after_fork(worker, /)\n--\n\nMakes this process a worker: forgets an earlier stop() and says its pid."},
    {NULL, NULL, 0, NULL},
};

/* The same for a gateway of its own. */
static PyMethodDef gateway_methods[] = {
    {"attach", FAST(attach), METH_VARARGS | METH_KEYWORDS, "attach(segment, spool, ports, sockets)\n--\n\nAs that of the module."},
    {"configure", FAST(configure), METH_VARARGS | METH_KEYWORDS,
     "configure(environs, report, file_wrapper=None, boot='')\n--\n\nAs that of the module."},
    {"serve", FAST(spey_serve), METH_VARARGS | METH_KEYWORDS, spey_serve_doc},
    {"running", spey_running, METH_VARARGS, spey_running_doc},
    {"interrupt", spey_interrupt, METH_VARARGS, spey_interrupt_doc},
    {"stop", stop, METH_NOARGS, "stop()\n--\n\nMakes every serve() of this gateway return when its request is done."},
    {"resume", after_fork, METH_O, "resume(worker, /)\n--\n\nForgets an earlier stop(), and says which process the worker is."},
    {"abandon", spey_abandon_all, METH_NOARGS,
     "abandon()\n--\n\nThe front is gone: nobody wants the replies that are being made, and nobody will make room for them."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot gateway_slots[] = {
    {Py_tp_doc, "Gateway()\n--\n\nThe worker's side of a front that this process has started for itself."},
    {Py_tp_new, gateway_new},
    {Py_tp_dealloc, gateway_dealloc},
    {Py_tp_methods, gateway_methods},
    {0, NULL},
};

static PyType_Spec gateway_spec = {
    .name = "speyside._gateway.Gateway",
    .basicsize = sizeof(struct gateway),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = gateway_slots,
};

static int setup(PyObject *module) {
    static bool done;
    if (done) {
        PyErr_SetString(PyExc_ImportError, "speyside._gateway can be loaded once per process");
        return -1;
    }
    gateway_type = (PyTypeObject *)PyType_FromSpec(&gateway_spec);
    if (gateway_type == NULL || PyModule_AddObjectRef(module, "Gateway", (PyObject *)gateway_type) < 0) return -1;
    if (spey_environ_setup() < 0 || spey_gateway_setup() < 0 || spey_switch_setup() < 0 ||
        spey_input_setup(module) < 0 || spey_reply_setup(module) < 0 || spey_client_setup(module) < 0)
        return -1;
    done = true;
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)setup},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "speyside._gateway",
    .m_doc = "The worker's side of Speyside: claims requests from the segment and runs the application.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__gateway(void) {
    return PyModuleDef_Init(&definition);
}
