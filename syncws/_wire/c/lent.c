/* A large text that stands for its UTF-8, of which it gives out one piece after the other: the whole is never in memory.
 * Of text that is ASCII it lends what the str holds, which never changes. */

#include "speedups.h"

/* Bytes of a character. */
enum { LONGEST = 4 };

typedef struct {
    PyObject_HEAD
    PyObject *text;
    /* All of its UTF-8, NULL until somebody wants to see that. */
    PyObject *whole;
    /* How many bytes it takes, and how many of these were not given out yet. */
    Py_ssize_t size, left;
    /* Characters that were encoded, and what of the last of them did not fit into its piece. */
    Py_ssize_t at;
    unsigned char rest[LONGEST];
    Py_ssize_t rest_size;
} LentText;

/* Count the bytes of the UTF-8; -1 where there is none, for a surrogate stands alone. The counter is as wide as a character,
 * so that compilers make vectors of it, and takes so many turns that it does not overflow. */
#define SIZE(name, character, counter, turns)                                                                          \
static Py_ssize_t                                                                                                      \
name(const character *from, Py_ssize_t length)                                                                         \
{                                                                                                                      \
    Py_ssize_t size = length, at = 0;                                                                                  \
    character surrogates = 0;                                                                                          \
                                                                                                                       \
    while (at < length) {                                                                                              \
        Py_ssize_t stop = length - at > (turns) ? at + (turns) : length;                                                   \
        counter more = 0;                                                                                              \
                                                                                                                       \
        for (; at < stop; at++) {                                                                                      \
            more += from[at] >= 0x80;                                                                                  \
            more += from[at] >= 0x800;                                                                                 \
            more += from[at] >= 0x10000;                                                                               \
            surrogates |= (character)(from[at] & (character)0xFFFFF800) == 0xD800;                                     \
        }                                                                                                              \
        size += more;                                                                                                  \
    }                                                                                                                  \
    return surrogates ? -1 : size;                                                                                     \
}

SIZE(size_1, Py_UCS1, uint8_t, 255)
SIZE(size_2, Py_UCS2, uint16_t, 16384)
SIZE(size_4, Py_UCS4, uint32_t, 1 << 20)

/* Encode characters, for which there is room; return where they end. */
#define ENCODE(name, character, high_bits)                                                                             \
static unsigned char *                                                                                                 \
name(const character *__restrict from, Py_ssize_t number, unsigned char *__restrict to)                                \
{                                                                                                                      \
    const character *end = from + number;                                                                              \
                                                                                                                       \
    while (from < end) {                                                                                               \
        Py_UCS4 value = *from++;                                                                                       \
                                                                                                                       \
        if (value < 0x80) {                                                                                            \
            *to++ = (unsigned char)value;                                                                              \
            while (end - from >= 8) {                                                                                  \
                uint64_t words[sizeof(character)], found = 0;                                                          \
                                                                                                                       \
                memcpy(words, from, sizeof words);                                                                     \
                for (size_t index = 0; index < sizeof(character); index++) {                                           \
                    found |= words[index];                                                                             \
                }                                                                                                      \
                if (found & UINT64_C(high_bits)) {                                                                     \
                    break;                                                                                             \
                }                                                                                                      \
                for (int index = 0; index < 8; index++) {                                                              \
                    to[index] = (unsigned char)from[index];                                                            \
                }                                                                                                      \
                from += 8;                                                                                             \
                to += 8;                                                                                               \
            }                                                                                                          \
        }                                                                                                              \
        else if (value < 0x800) {                                                                                      \
            to[0] = (unsigned char)(0xC0 | value >> 6);                                                                \
            to[1] = (unsigned char)(0x80 | (value & 0x3F));                                                            \
            to += 2;                                                                                                   \
        }                                                                                                              \
        else if (value < 0x10000) {                                                                                    \
            to[0] = (unsigned char)(0xE0 | value >> 12);                                                               \
            to[1] = (unsigned char)(0x80 | (value >> 6 & 0x3F));                                                       \
            to[2] = (unsigned char)(0x80 | (value & 0x3F));                                                            \
            to += 3;                                                                                                   \
        }                                                                                                              \
        else {                                                                                                         \
            to[0] = (unsigned char)(0xF0 | value >> 18);                                                               \
            to[1] = (unsigned char)(0x80 | (value >> 12 & 0x3F));                                                      \
            to[2] = (unsigned char)(0x80 | (value >> 6 & 0x3F));                                                       \
            to[3] = (unsigned char)(0x80 | (value & 0x3F));                                                            \
            to += 4;                                                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    return to;                                                                                                         \
}

ENCODE(encode_1, Py_UCS1, 0x8080808080808080)
ENCODE(encode_2, Py_UCS2, 0xFF80FF80FF80FF80)
ENCODE(encode_4, Py_UCS4, 0xFFFFFF80FFFFFF80)

static unsigned char *
encode(const LentText *self, Py_ssize_t number, unsigned char *to)
{
    const void *from = PyUnicode_DATA(self->text);

    return PyUnicode_KIND(self->text) == PyUnicode_1BYTE_KIND ? encode_1((const Py_UCS1 *)from + self->at, number, to)
        : PyUnicode_KIND(self->text) == PyUnicode_2BYTE_KIND  ? encode_2((const Py_UCS2 *)from + self->at, number, to)
                                                              : encode_4((const Py_UCS4 *)from + self->at, number, to);
}

/* Write the next bytes, up to `stop`; there are so many. */
static void
fill(LentText *self, unsigned char *to, const unsigned char *stop)
{
    while (to < stop) {
        Py_ssize_t number = self->rest_size < stop - to ? self->rest_size : stop - to;

        memcpy(to, self->rest, (size_t)number);
        memmove(self->rest, self->rest + number, (size_t)(self->rest_size - number));
        self->rest_size -= number;
        to += number;
        /* As many characters as fit in any case; at the end one after the other. */
        while (to < stop) {
            Py_ssize_t left = PyUnicode_GET_LENGTH(self->text) - self->at;

            number = (stop - to) / LONGEST < left ? (stop - to) / LONGEST : left;
            if (number == 0) {
                self->rest_size = encode(self, 1, self->rest) - self->rest;
                self->at++;
                break;
            }
            to = encode(self, number, to);
            self->at += number;
        }
    }
}

static Py_ssize_t
measure(PyObject *text)
{
    const void *from = PyUnicode_DATA(text);
    Py_ssize_t length = PyUnicode_GET_LENGTH(text);

    if (PyUnicode_IS_ASCII(text)) {
        return length;
    }
    if (length > PY_SSIZE_T_MAX / 4) {
        return -1;
    }
    return PyUnicode_KIND(text) == PyUnicode_1BYTE_KIND ? size_1(from, length)
        : PyUnicode_KIND(text) == PyUnicode_2BYTE_KIND  ? size_2(from, length)
                                                        : size_4(from, length);
}

static PyObject *
make(PyTypeObject *type, PyObject *text, Py_ssize_t size)
{
    LentText *self = (LentText *)type->tp_alloc(type, 0);

    if (self != NULL) {
        self->text = Py_NewRef(text);
        self->size = self->left = size;
    }
    return (PyObject *)self;
}

static PyObject *
lent_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *text;
    Py_ssize_t size;

    if (!PyArg_ParseTuple(args, "U:LentText", &text)) {
        return NULL;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0) {
        return NULL;
    }
#endif
    if (!PyUnicode_CheckExact(text) || (names != NULL && PyDict_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "LentText() takes a str");
        return NULL;
    }
    size = measure(text);
    if (size < 0) {
        /* For the error, which tells where the surrogate stands. */
        Py_XDECREF(PyUnicode_AsUTF8String(text));
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    return make(type, text, size);
}

static void
lent_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    Py_CLEAR(((LentText *)object)->text);
    Py_CLEAR(((LentText *)object)->whole);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_ssize_t
lent_length(PyObject *object)
{
    return ((LentText *)object)->size;
}

/* begin() -> the same text, of which nothing was given out */
static PyObject *
lent_begin(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return make(Py_TYPE(object), ((LentText *)object)->text, ((LentText *)object)->size);
}

/* take(size) -> the next bytes, as many as that if there are so many */
static PyObject *
lent_take(PyObject *object, PyObject *argument)
{
    LentText *self = (LentText *)object;
    Py_ssize_t size = PyLong_AsSsize_t(argument);
    PyObject *piece;
    unsigned char *to;

    if (size < 0) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "take() takes a size, not %zd", size);
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    size = size < self->left ? size : self->left;
    piece = PyBytes_FromStringAndSize(NULL, size);
    if (piece != NULL) {
        to = (unsigned char *)PyBytes_AS_STRING(piece);
        fill(self, to, to + size);
        self->left -= size;
    }
    Py_END_CRITICAL_SECTION();
    return piece;
}

/* All of it at once, for whoever cannot do with pieces. */
static int
lent_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    LentText *self = (LentText *)object;
    PyObject *whole;

    if (PyUnicode_IS_ASCII(self->text)) {
        return PyBuffer_FillInfo(view, object, PyUnicode_1BYTE_DATA(self->text), self->size, 1, flags);
    }
    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->whole == NULL) {
        self->whole = PyUnicode_AsUTF8String(self->text);
    }
    whole = self->whole;
    Py_END_CRITICAL_SECTION();
    if (whole == NULL) {
        view->obj = NULL;
        return -1;
    }
    return PyBuffer_FillInfo(view, object, PyBytes_AS_STRING(whole), self->size, 1, flags);
}

static PyMethodDef lent_methods[] = {
    {"begin", lent_begin, METH_NOARGS, "begin($self, /)\n--\n\nReturn the same text, of which nothing was taken."},
    {"take", lent_take, METH_O, "take($self, size, /)\n--\n\nReturn the next bytes, `size` of them if there are so many."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lent_slots[] = {
    {Py_tp_doc, "A text that stands for its UTF-8: see syncws._wire.utf8."},
    {Py_tp_new, lent_new},
    {Py_tp_methods, lent_methods},
    {Py_tp_dealloc, lent_dealloc},
    {Py_sq_length, lent_length},
    {Py_bf_getbuffer, lent_get_buffer},
    {0, NULL},
};

PyType_Spec syncws_lent_spec = {
    .name = "syncws._wire._speedups.LentText",
    .basicsize = sizeof(LentText),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = lent_slots,
};
