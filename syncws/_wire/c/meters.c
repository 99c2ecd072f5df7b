/* Counting what moves: the compiled form of meter.MeterFields. It looks for the clock each time, for that may be
 * replaced. */

#include "speedups.h"

/* add(count): the common case, in which the sample goes on; _add_rarely(count, time) else. */
static PyObject *
meter_add(PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Meter *self = (Meter *)object;
    const State *state = PyType_GetModuleState(defining_class);
    PyObject *clock, *time;
    long long bytes;
    double seconds;
    int goes_on;

    if (count != 1 || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "add() takes exactly one argument");
        return NULL;
    }
    bytes = PyLong_AsLongLong(args[0]);
    if ((bytes == -1 && PyErr_Occurred()) || state == NULL) {
        return NULL;
    }
    if (state->clock_module == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "use_clock was not called");
        return NULL;
    }
    clock = PyObject_GetAttr(state->clock_module, state->clock_name);
    if (clock == NULL) {
        return NULL;
    }
    time = PyObject_CallNoArgs(clock);
    Py_DECREF(clock);
    if (time == NULL) {
        return NULL;
    }
    seconds = PyFloat_AsDouble(time);
    if (seconds == -1.0 && PyErr_Occurred()) {
        Py_DECREF(time);
        return NULL;
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
        PyObject *result = PyObject_CallMethod(object, "_add_rarely", "OO", args[0], time);

        Py_DECREF(time);
        return result;
    }
    Py_DECREF(time);
    Py_RETURN_NONE;
}

static void
meter_dealloc(PyObject *object)
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
    {Py_tp_dealloc, meter_dealloc},
    {0, NULL},
};

PyType_Spec syncws_meter_spec = {
    .name = "syncws._wire._speedups.MeterFields",
    .basicsize = sizeof(Meter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = meter_slots,
};

/* use_clock(module): where MeterFields.add looks */
PyObject *
syncws_use_clock(PyObject *module, PyObject *clock_module)
{
    Py_XSETREF(syncws_state(module)->clock_module, Py_NewRef(clock_module));
    Py_RETURN_NONE;
}
