/* The two lists of a DataWriter, of its parts and of who has its turn. They are made when Python asks for them: until then
 * C keeps the one part, and whether somebody has the turn. */

#include "speedups.h"

/* The list of parts, which is made if there is none; borrowed. */
PyObject *
syncws_writer_parts(Writer *self)
{
    if (self->parts == NULL) {
        self->parts = PyList_New(self->part != NULL);
        if (self->parts != NULL && self->part != NULL) {
            PyList_SET_ITEM(self->parts, 0, syncws_replace(&self->part, NULL));
        }
    }
    return self->parts;
}

static PyObject *
get_parts(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *parts;

    Py_BEGIN_CRITICAL_SECTION(object);
    parts = Py_XNewRef(syncws_writer_parts((Writer *)object));
    Py_END_CRITICAL_SECTION();
    return parts;
}

static int
set_parts(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    Writer *self = (Writer *)object;
    PyObject *part, *parts;

    Py_BEGIN_CRITICAL_SECTION(object);
    part = syncws_replace(&self->part, NULL);
    parts = syncws_replace(&self->parts, Py_XNewRef(value));
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(part);
    Py_XDECREF(parts);
    return 0;
}

static PyObject *
get_turn(PyObject *object, void *Py_UNUSED(closure))
{
    Writer *self = (Writer *)object;
    PyObject *turn;

    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->turn == NULL) {
        self->turn = PyList_New(!self->is_busy);
        if (self->turn != NULL && !self->is_busy) {
            PyList_SET_ITEM(self->turn, 0, Py_NewRef(Py_None));
        }
    }
    turn = Py_XNewRef(self->turn);
    Py_END_CRITICAL_SECTION();
    return turn;
}

static int
set_turn(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    PyObject *old;

    Py_BEGIN_CRITICAL_SECTION(object);
    old = syncws_replace(&((Writer *)object)->turn, Py_XNewRef(value));
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return 0;
}

PyGetSetDef syncws_writer_lists[] = {
    {"_parts", get_parts, set_parts, NULL, NULL},
    {"_turn", get_turn, set_turn, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
