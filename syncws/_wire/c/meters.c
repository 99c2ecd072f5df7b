/* Counting what moves: the compiled forms of meter.MeterFields, which looks for the clock each time, for that may be
 * replaced, and of tally.TallyFields. */

#include "speedups.h"

#include <time.h>

/* Look at the clock; -1.0 with an exception when that fails. */
static double
look(const State *state)
{
    PyObject *clock = state->clocks == NULL ? NULL : PyDict_GetItemWithError(state->clocks, state->clock_name), *time;
    double seconds;

    if (clock == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_clock was not called");
        return -1.0;
    }
#ifdef __linux__
    if (clock == state->monotonic) {
        /* What time.monotonic does. */
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)((int64_t)now.tv_sec * 1000000000 + now.tv_nsec) / 1e9;
    }
#endif
    time = PyObject_CallNoArgs(clock);
    if (time == NULL) {
        return -1.0;
    }
    seconds = PyFloat_AsDouble(time);
    Py_DECREF(time);
    return seconds;
}

/* Count bytes that have just moved: here in the common case, in which the sample goes on, by _add_rarely() else. */
int
syncws_count(PyObject *object, const State *state, long long bytes)
{
    Meter *self = (Meter *)object;
    PyObject *result;
    double seconds = look(state);
    int goes_on;

    if (seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    goes_on = seconds < self->sample_end;
    if (goes_on) {
        self->total_bytes += bytes;
        self->sample_bytes += bytes;
        self->last_time = seconds;
    }
    Py_END_CRITICAL_SECTION();
    if (!goes_on) {
        result = PyObject_CallMethod(object, "_add_rarely", "Ld", bytes, seconds);
        Py_XDECREF(result);
        return result == NULL ? -1 : 0;
    }
    return 0;
}

/* add(count) */
static PyObject *
meter_add(PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    const State *state = PyType_GetModuleState(defining_class);
    long long bytes;

    if (count != 1 || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "add() takes exactly one argument");
        return NULL;
    }
    bytes = PyLong_AsLongLong(args[0]);
    if ((bytes == -1 && PyErr_Occurred()) || state == NULL || syncws_count(object, state, bytes) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Of either: there are no references in them. */
static void
dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef meter_methods[] = {
    {"add", (PyCFunction)(void (*)(void))meter_add, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "add($self, count, /)\n--\n\nCount bytes that have just moved."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef meter_members[] = {
    {"total_bytes", T_LONGLONG, offsetof(Meter, total_bytes), 0, NULL},
    {"_sample_bytes", T_LONGLONG, offsetof(Meter, sample_bytes), 0, NULL},
    {"_sample_end", T_DOUBLE, offsetof(Meter, sample_end), 0, NULL},
    {"last_time", T_DOUBLE, offsetof(Meter, last_time), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot meter_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._net.meter.MeterFields."},
    {Py_tp_methods, meter_methods},
    {Py_tp_members, meter_members},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

PyType_Spec syncws_meter_spec = {
    .name = "syncws._wire._speedups.MeterFields",
    .basicsize = sizeof(Meter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = meter_slots,
};

static PyMemberDef tally_members[] = {
    {"whole", T_LONGLONG, offsetof(Tally, whole), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot tally_slots[] = {
    {Py_tp_doc, "The compiled form of syncws._wire.tally.TallyFields."},
    {Py_tp_members, tally_members},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

PyType_Spec syncws_tally_spec = {
    .name = "syncws._wire._speedups.TallyFields",
    .basicsize = sizeof(Tally),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = tally_slots,
};

/* use_clock(module): where MeterFields.add looks; what stands there is the system's monotonic clock, if it is C's. */
PyObject *
syncws_use_clock(PyObject *module, PyObject *clock_module)
{
    State *state = syncws_state(module);
    PyObject *done = syncws_use_names(&state->clocks, clock_module), *clock;

    clock = done == NULL ? NULL : PyDict_GetItemWithError(state->clocks, state->clock_name);
    if (clock != NULL && PyCFunction_Check(clock)) {
        Py_XSETREF(state->monotonic, Py_NewRef(clock));
    }
    return done;
}
