/* The buffer protocol for a class that is written in Python, which cannot offer it before Python 3.12 (PEP 688).
 *
 * Built for Python 3.11 alone; buffer.py does without it where there is no compiler. A request goes on to the
 * memoryview that the object's method view() returns. That is the view's exporter then, as the documentation of
 * Py_buffer has it for objects that stand before another one: it keeps the memory for as long as the view is used, and
 * nothing is left to be released here. The type has no state of its own. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

static int
get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    PyObject *view = PyObject_CallMethod(self, "view", NULL);
    int result;

    buffer->obj = NULL;
    if (view == NULL) {
        return -1;
    }
    if (!PyMemoryView_Check(view)) {
        PyErr_Format(PyExc_TypeError, "view() must return a memoryview, not %.200s", Py_TYPE(view)->tp_name);
        Py_DECREF(view);
        return -1;
    }
    result = PyObject_GetBuffer(view, buffer, flags);
    Py_DECREF(view);
    return result;
}

static PyType_Slot type_slots[] = {
    {Py_bf_getbuffer, get_buffer},
    {Py_tp_doc, "Base of Buffer: what view() returns is what the buffer protocol gives."},
    {0, NULL},
};

static PyType_Spec type_spec = {
    .name = "syncws._streams._exporter.Exporter",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = type_slots,
};

static int
add_type(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &type_spec, NULL);
    int result;

    if (type == NULL) {
        return -1;
    }
    result = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return result;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_type},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "syncws._streams._exporter",
    .m_doc = "The buffer protocol for Buffer on Python 3.11.",
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__exporter(void)
{
    return PyModuleDef_Init(&module);
}
