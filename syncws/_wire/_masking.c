/* Masking of payloads (RFC 6455 5.3), the compiled form of masking.apply_mask.
 *
 * Built where there is a C compiler; masking.py does without it otherwise. It has no state, so any number of threads
 * and interpreters may use it at once. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

static PyObject *
apply_mask(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data, mask;
    PyObject *result = NULL;

    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "apply_mask takes 2 arguments, not %zd", count);
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(args[1], &mask, PyBUF_SIMPLE) < 0) {
        PyBuffer_Release(&data);
        return NULL;
    }
    if (mask.len != 4) {
        PyErr_SetString(PyExc_ValueError, "a mask has 4 bytes");
    }
    else {
        result = PyBytes_FromStringAndSize(NULL, data.len);
    }
    if (result != NULL) {
        const unsigned char *from = data.buf;
        const unsigned char *key = mask.buf;
        unsigned char *to = (unsigned char *)PyBytes_AS_STRING(result);
        Py_ssize_t at = 0;
        uint64_t key8, word;

        memcpy(&key8, key, 4);
        memcpy((unsigned char *)&key8 + 4, key, 4);
        /* memcpy, because the data may begin anywhere; compilers make plain loads and vectors of it. */
        for (; at + 8 <= data.len; at += 8) {
            memcpy(&word, from + at, 8);
            word ^= key8;
            memcpy(to + at, &word, 8);
        }
        for (; at < data.len; at++) {
            to[at] = from[at] ^ key[at & 3];
        }
    }
    PyBuffer_Release(&mask);
    PyBuffer_Release(&data);
    return result;
}

static PyMethodDef methods[] = {
    {"apply_mask", (PyCFunction)(void (*)(void))apply_mask, METH_FASTCALL, "See syncws._wire.masking.apply_mask."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "syncws._wire._masking",
    .m_doc = "The compiled form of masking.apply_mask.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__masking(void)
{
    return PyModuleDef_Init(&module);
}
