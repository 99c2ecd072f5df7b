/* What a `with` block calls on a message's reader: `__enter__` and `__exit__`, bound for one call.
 *
 * `with` has its class bind both each time, and CPython makes an object of each that the collector tracks: an eighth of
 * what a small message costs in a handler. Here they are bound by small objects whose memory is used again. Whoever
 * wants more of one than to call it gets that of the method as CPython binds it. */

#include "speedups.h"

/* Two for each block that is entered at a time. */
enum { MOST_SPARES = 16 };

/* Stands in a class in the place of a method. */
typedef struct {
    PyObject_HEAD
    PyObject *method;
    vectorcallfunc call;
    State *state;
} Block;

/* Such a method, bound. It need not be tracked: nothing that a message's reader holds can lead back to it. */
typedef struct {
    PyObject_HEAD
    PyObject *method;
    PyObject *reader;
    vectorcallfunc call;
    State *state;
} Bound;

static int
bound_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Bound *)object)->method);
    Py_VISIT(((Bound *)object)->reader);
    return 0;
}

static void
bound_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    State *state = ((Bound *)object)->state;

    Py_CLEAR(((Bound *)object)->method);
    Py_CLEAR(((Bound *)object)->reader);
    if (type != state->bound_type || !syncws_keep(&state->bounds, MOST_SPARES, object)) {
        type->tp_free(object);
    }
    Py_DECREF(type);
}

/* As CPython binds it. */
static PyObject *
bind(PyObject *method, PyObject *reader)
{
    return Py_TYPE(method)->tp_descr_get(method, reader, (PyObject *)Py_TYPE(reader));
}

static PyObject *
plain(PyObject *object)
{
    return bind(((Bound *)object)->method, ((Bound *)object)->reader);
}

static PyObject *
call_plain(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *bound = plain(object), *result = NULL;

    if (bound != NULL) {
        result = PyObject_Vectorcall(bound, args, count, names);
        Py_DECREF(bound);
    }
    return result;
}

static PyObject *
call_enter(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    return PyVectorcall_NARGS(count) || names != NULL ? call_plain(object, args, count, names)
                                                      : Py_NewRef(((Bound *)object)->reader);
}

static PyObject *
call_exit(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    return names != NULL ? call_plain(object, args, count, names)
                         : syncws_reader_exit(((Bound *)object)->reader, args, PyVectorcall_NARGS(count));
}

static PyObject *
bound_getattr(PyObject *object, PyObject *name)
{
    PyObject *bound = plain(object), *found = NULL;

    if (bound != NULL) {
        found = PyObject_GetAttr(bound, name);
        Py_DECREF(bound);
    }
    return found;
}

static PyObject *
bound_repr(PyObject *object)
{
    PyObject *bound = plain(object), *shown = NULL;

    if (bound != NULL) {
        shown = PyObject_Repr(bound);
        Py_DECREF(bound);
    }
    return shown;
}

static Py_hash_t
bound_hash(PyObject *object)
{
    PyObject *bound = plain(object);
    Py_hash_t hash = -1;

    if (bound != NULL) {
        hash = PyObject_Hash(bound);
        Py_DECREF(bound);
    }
    return hash;
}

static PyObject *
bound_compare(PyObject *object, PyObject *other, int how)
{
    PyObject *left = plain(object), *right, *result = NULL;

    right = Py_TYPE(other) == Py_TYPE(object) ? plain(other) : Py_NewRef(other);
    if (left != NULL && right != NULL) {
        result = PyObject_RichCompare(left, right, how);
    }
    Py_XDECREF(left);
    Py_XDECREF(right);
    return result;
}

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Bound, call), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_doc, "A method of a reader, bound."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_getattro, bound_getattr},
    {Py_tp_repr, bound_repr},
    {Py_tp_hash, bound_hash},
    {Py_tp_richcompare, bound_compare},
    {Py_tp_members, bound_members},
    {Py_tp_traverse, bound_traverse},
    {Py_tp_dealloc, bound_dealloc},
    {0, NULL},
};

PyType_Spec syncws_bound_spec = {
    .name = "syncws._wire._speedups.Bound",
    .basicsize = sizeof(Bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

static PyObject *
block_get(PyObject *object, PyObject *instance, PyObject *owner)
{
    const Block *self = (Block *)object;
    State *state = self->state;
    Bound *bound;

    if (instance == NULL || Py_TYPE(instance) != state->reader_class) {
        return Py_TYPE(self->method)->tp_descr_get(self->method, instance, owner);
    }
    bound = (Bound *)syncws_make(&state->bounds, state->bound_type);
    if (bound != NULL) {
        bound->method = Py_NewRef(self->method);
        bound->reader = Py_NewRef(instance);
        bound->call = self->call;
        bound->state = state;
    }
    return (PyObject *)bound;
}

static int
block_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Block *)object)->method);
    return 0;
}

static int
block_clear(PyObject *object)
{
    Py_CLEAR(((Block *)object)->method);
    return 0;
}

static void
block_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    block_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot block_slots[] = {
    {Py_tp_doc, "A method that a with block calls."},
    {Py_tp_descr_get, block_get},
    {Py_tp_traverse, block_traverse},
    {Py_tp_clear, block_clear},
    {Py_tp_dealloc, block_dealloc},
    {0, NULL},
};

PyType_Spec syncws_block_spec = {
    .name = "syncws._wire._speedups.Block",
    .basicsize = sizeof(Block),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = block_slots,
};

/* Have the class of readers bind these two of its methods as it is said above. */
int
syncws_bind_cheaply(State *state, PyTypeObject *type)
{
    static const struct {
        const char *name;
        vectorcallfunc call;
    } methods[] = {{"__enter__", call_enter}, {"__exit__", call_exit}};

    for (size_t index = 0; index < sizeof methods / sizeof *methods; index++) {
        PyObject *method = PyObject_GetAttrString((PyObject *)type, methods[index].name);
        Block *block = method == NULL ? NULL : (Block *)state->block_type->tp_alloc(state->block_type, 0);
        int failed;

        if (block == NULL) {
            Py_XDECREF(method);
            return -1;
        }
        block->method = method;
        block->call = methods[index].call;
        block->state = state;
        failed = PyObject_SetAttrString((PyObject *)type, methods[index].name, (PyObject *)block);
        Py_DECREF(block);
        if (failed < 0) {
            return -1;
        }
    }
    return 0;
}
