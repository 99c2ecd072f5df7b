/* What makes the small objects that come and go with each message cheap: their memory is used again, and their class has
 * its methods itself.
 *
 * Only of a class that has nothing besides its base's fields. Without a GIL nothing is kept. */

#include "speedups.h"

static PyObject **
next_of(PyObject *object)
{
    return (PyObject **)(object + 1);
}

/* Whether objects of this class are just the fields of its base: only then their memory is equal, and what frees the
 * base's objects can free them. */
int
syncws_is_plain(PyTypeObject *type, PyTypeObject *base)
{
    return PyType_IsSubtype(type, base) && type->tp_basicsize == base->tp_basicsize && type->tp_itemsize == 0
           && type->tp_dictoffset == 0 && type->tp_weaklistoffset == base->tp_weaklistoffset
           && type->tp_finalize == base->tp_finalize && type->tp_del == NULL;
}

/* Make an object that the collector does not track; what is in its fields is not to be relied upon. */
PyObject *
syncws_make(Spares *spares, PyTypeObject *type)
{
    PyObject *object = spares == NULL ? NULL : spares->first;

    if (object != NULL) {
        spares->first = *next_of(object);
        spares->count--;
        return PyObject_Init(object, type);
    }
    object = type->tp_alloc(type, 0);
    if (object != NULL) {
        PyObject_GC_UnTrack(object);
    }
    return object;
}

/* Make an object that the collector tracks, with empty fields. */
PyObject *
syncws_make_tracked(Spares *spares, PyTypeObject *type)
{
    PyObject *object = spares->first;

    if (object == NULL) {
        return type->tp_alloc(type, 0);
    }
    spares->first = *next_of(object);
    spares->count--;
    memset(object + 1, 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    PyObject_Init(object, type);
    PyObject_GC_Track(object);
    return object;
}

/* Keep the memory of an object that is not tracked any more and is gone; return whether there was room for it. */
int
syncws_keep(Spares *spares, int most, PyObject *object)
{
#ifdef Py_GIL_DISABLED
    return 0;
#else
    if (spares->count >= most) {
        return 0;
    }
    *next_of(object) = spares->first;
    spares->first = object;
    spares->count++;
    return 1;
#endif
}

/* Give back what is kept. */
void
syncws_drop(Spares *spares)
{
    while (spares->first != NULL) {
        PyObject *object = spares->first;

        spares->first = *next_of(object);
        PyObject_GC_Del(object);
    }
    spares->count = 0;
}

/* Give a class methods and, if `member` is not NULL, a member of its own. Python calls a method that is of the very class
 * of the object without a detour, and not one of a base class. */
int
syncws_give(PyTypeObject *type, PyMethodDef *methods, PyMemberDef *member)
{
    PyObject *given;
    int failed = 0;

    for (; methods->ml_name != NULL && !failed; methods++) {
        given = PyDescr_NewMethod(type, methods);
        failed = given == NULL || PyObject_SetAttrString((PyObject *)type, methods->ml_name, given) < 0;
        Py_XDECREF(given);
    }
    if (member != NULL && !failed) {
        given = PyDescr_NewMember(type, member);
        failed = given == NULL || PyObject_SetAttrString((PyObject *)type, member->name, given) < 0;
        Py_XDECREF(given);
    }
    return failed ? -1 : 0;
}
