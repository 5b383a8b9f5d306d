/*
 * How long Python lets a thread run while another one wants to: shorter while a request computes beside others.
 *
 * Python changes threads after 5 ms, so a request beside one that computes waits 5 ms for each of its turns. A shorter interval makes
 * threads that compute the same amount of work slower, so it is for those times only. Who claims a request has the GIL, and looks at
 * its siblings: no thread is needed for it. A request that is alone, or whose siblings have just begun, costs one look at the coarse clock;
 * more is done at most once in a tick of that clock. A sibling that waits, for a database say, uses no CPU, and changes nothing.
 *
 * And when it does: who has claimed a request gives way before the start, and never between that and the application.
 */
#include <pthread.h>
#include <time.h>

#include "gateway.h"

#define EAGER 0.0005    /* seconds: the interval while a sibling computes */
#define LONG_MS 5       /* a request that has run no longer has had one interval of Python's own */
#define HOLD_MS 100     /* requests that compute come one after another: the interval stays for this long after the last */
#define COMPUTES_ONE_IN 8 /* computes: has used this share of a CPU since the last look; with the GIL shared it cannot have all */

bool spey_switch_adapts;

static struct spey_turn *turns;  /* of the threads that serve */
static int64_t looked;           /* when the siblings were looked at last */
static int64_t computed;         /* when one of them was seen to compute last */
static PyObject *beginning;      /* a function written in Python that does nothing */
static double before;            /* the interval that we have replaced; 0: we have not */

static inline int64_t coarse_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What a thread has used of a CPU, in ns. */
static bool use_of(const struct spey_turn *turn, int64_t *use) {
    struct timespec used;
    if (!turn->known || clock_gettime(turn->clock, &used) < 0) return false;
    *use = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
    return true;
}

void spey_switch_join(struct spey_turn *turn) {
    turn->known = pthread_getcpuclockid(pthread_self(), &turn->clock) == 0;
    turn->sampled = coarse_ms();
    turn->known = use_of(turn, &turn->use);
    turn->next = turns;
    turns = turn;
}

void spey_switch_leave(struct spey_turn *turn) {
    struct spey_turn **at = &turns;
    while (*at != NULL && *at != turn) at = &(*at)->next;
    if (*at != NULL) *at = turn->next;
}

void spey_switch_forget(void) {
    turns = NULL;
}

/* sys.getswitchinterval(); negative with an exception. */
static double interval(void) {
    PyObject *function = PySys_GetObject("getswitchinterval"); /* borrowed */
    PyObject *value = function == NULL ? NULL : PyObject_CallObject(function, NULL);
    double seconds = value == NULL ? -1 : PyFloat_AsDouble(value);
    Py_XDECREF(value);
    if (function == NULL) PyErr_SetString(PyExc_AttributeError, "sys.getswitchinterval");
    return seconds;
}

static bool set_interval(double seconds) {
    PyObject *function = PySys_GetObject("setswitchinterval"); /* borrowed */
    PyObject *result = function == NULL ? NULL : PyObject_CallFunction(function, "d", seconds);
    bool set = result != NULL;
    Py_XDECREF(result);
    if (function == NULL) PyErr_SetString(PyExc_AttributeError, "sys.setswitchinterval");
    return set;
}

/* Tells of the exception that is set, once: the interval is left alone from then on. */
static void give_up(void) {
    spey_switch_adapts = false;
    before = 0;
    PyErr_WriteUnraisable(NULL);
}

static void hasten(void) {
    double now = interval();
    if (now >= 0 && now <= EAGER) return; /* the application wants it shorter still */
    if (now < 0 || !set_interval(EAGER))
        give_up();
    else
        before = now;
}

/* Puts the interval back, unless the application has set one of its own meanwhile. */
static void relax(void) {
    double now = interval(), back = before;
    before = 0;
    bool ours = now > EAGER * 0.99 && now < EAGER * 1.01;
    if (now < 0 || (ours && !set_interval(back))) give_up();
}

/* Whether a thread's request has run for long and computes. What the thread did for an earlier request since the last look may be
 * mistaken for it, for as long as the interval is held. */
static bool computes(struct spey_turn *turn, int64_t now) {
    int64_t before_look = turn->use, apart = now - turn->sampled, runs = now - turn->since;
    if (!use_of(turn, &turn->use)) return false;
    turn->sampled = now;
    return runs > LONG_MS && turn->use - before_look > (apart < runs ? apart : runs) * (1000000 / COMPUTES_ONE_IN);
}

static void look(const struct spey_turn *mine, int64_t now) {
    bool any = false;
    for (struct spey_turn *turn = turns; turn != NULL; turn = turn->next) {
        if (turn != mine && turn->since != 0 && computes(turn, now)) any = true;
    }
    if (any) computed = now;
    if (any && before == 0)
        hasten();
    else if (before != 0 && now - computed > HOLD_MS)
        relax();
}

void spey_switch_begin_slow(struct spey_turn *turn) {
    int64_t now = coarse_ms();
    turn->since = now;
    if (now == looked) return;
    looked = now;
    look(turn, now);
}

void spey_switch_idle_slow(void) {
    if (before == 0) return;
    int64_t now = coarse_ms();
    if (now == looked) return;
    looked = now;
    look(NULL, now);
}

bool spey_switch_yield(void) {
#ifdef Py_GIL_DISABLED
    return true;
#else
    /* Python looks whether another thread wants the GIL when a function written in Python begins, and no API does it sooner. */
    PyObject *nothing = PyObject_CallNoArgs(beginning);
    Py_XDECREF(nothing);
    return LIKELY(nothing != NULL);
#endif
}

int spey_switch_setup(void) {
    PyObject *names = PyDict_New();
    PyObject *code = names == NULL ? NULL : Py_CompileString("lambda: None", "<speyside>", Py_eval_input);
    if (code != NULL) beginning = PyEval_EvalCode(code, names, names);
    Py_XDECREF(code);
    Py_XDECREF(names);
    return beginning == NULL ? -1 : 0;
}

PyObject *spey_switch_adapt(PyObject *module, PyObject *wanted) {
    (void)module;
    int adapts = PyObject_IsTrue(wanted);
    if (adapts < 0) return NULL;
    spey_switch_adapts = adapts;
    if (!adapts && before != 0) relax();
    Py_RETURN_NONE;
}
