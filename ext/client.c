/*
 * speyside.client_disconnected of the environ: whether the client has left.
 *
 * The object belongs to a reply and looks at the reply's slot when it is called, so it costs a request nothing that does not
 * ask. It has what Django's templates need in order to leave it alone, and a repr that asks nothing.
 */
#include "gateway.h"

struct client {
    PyObject_HEAD
    struct spey_reply *reply;
};

static PyTypeObject *client_type;

PyObject *spey_client_new(struct spey_reply *reply) {
    struct client *client = PyObject_New(struct client, client_type);
    if (client != NULL) client->reply = (struct spey_reply *)Py_NewRef((PyObject *)reply);
    return (PyObject *)client;
}

static void client_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_DECREF((PyObject *)((struct client *)self)->reply);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *client_call(PyObject *self, PyObject *args, PyObject *keywords) {
    if (PyTuple_Size(args) != 0 || (keywords != NULL && PyDict_Size(keywords) != 0)) {
        PyErr_SetString(PyExc_TypeError, "it is client_disconnected(), without arguments");
        return NULL;
    }
    const struct spey_reply *reply = ((struct client *)self)->reply;
    return PyBool_FromLong(spey_reply_live(reply) ? spey_client_left(&reply->claim) : reply->left);
}

static PyObject *client_repr(PyObject *self) {
    (void)self;
    return PyUnicode_FromString("<speyside.client_disconnected>");
}

static PyObject *not_in_templates(PyObject *self, void *unused) {
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyGetSetDef client_members[] = {
    {"do_not_call_in_templates", not_in_templates, NULL, "True: Django's templates show it and do not call it.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_dealloc, (void *)client_dealloc},
    {Py_tp_call, (void *)client_call},
    {Py_tp_repr, (void *)client_repr},
    {Py_tp_getset, client_members},
    {Py_tp_doc, (void *)"client_disconnected()\n--\n\nWhether the client has left; after the request, whether it had by then."},
    {0, NULL},
};

static PyType_Spec client_spec = {
    .name = "speyside._gateway.ClientDisconnected",
    .basicsize = sizeof(struct client),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = client_slots,
};

int spey_client_setup(PyObject *module) {
    client_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &client_spec, NULL);
    return client_type == NULL ? -1 : 0;
}
