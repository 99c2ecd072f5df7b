/* Masking of payloads and whole frames (RFC 6455 5.2, 5.3): the compiled forms of masking.mask_into and
 * frames.masked_frame. */

#include "speedups.h"

enum { KEY_BYTES = SYNCWS_KEY_BYTES, LONGEST_HEADER = SYNCWS_LONGEST_HEAD - KEY_BYTES };

void
syncws_mask_into(unsigned char *to, const unsigned char *from, Py_ssize_t length, const unsigned char *key)
{
    uint64_t key8, word;
    Py_ssize_t at = 0;

    memcpy(&key8, key, KEY_BYTES);
    memcpy((unsigned char *)&key8 + KEY_BYTES, key, KEY_BYTES);
    /* memcpy, because the data may begin anywhere; compilers make plain loads and vectors of it. */
    for (; at + 8 <= length; at += 8) {
        memcpy(&word, from + at, 8);
        word ^= key8;
        memcpy(to + at, &word, 8);
    }
    for (; at < length; at++) {
        to[at] = from[at] ^ key[at & 3];
    }
}

/* Take a key out of its object: the bytes may be anybody's, who could change them. */
int
syncws_read_key(PyObject *object, unsigned char *key)
{
    Py_buffer view;

    if (PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) == KEY_BYTES) {
        memcpy(key, PyBytes_AS_STRING(object), KEY_BYTES);
        return 0;
    }
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (view.len != KEY_BYTES) {
        PyErr_SetString(PyExc_ValueError, "a mask has 4 bytes");
        PyBuffer_Release(&view);
        return -1;
    }
    memcpy(key, view.buf, KEY_BYTES);
    PyBuffer_Release(&view);
    return 0;
}

/* use_keys(module): where AtOnce looks; to be called again when the stock is another list */
PyObject *
syncws_use_keys(PyObject *module, PyObject *keys_module)
{
    State *state = syncws_state(module);
    PyObject *done = syncws_use_names(&state->keys, keys_module), *stock;

    if (done == NULL) {
        return NULL;
    }
    stock = PyDict_GetItemWithError(state->keys, state->stock_name);
    if (stock == NULL || !PyList_CheckExact(stock)) {
        PyErr_SetString(PyExc_TypeError, "the module must have a list of keys");
        Py_CLEAR(done);
        return NULL;
    }
    Py_XSETREF(state->stock, Py_NewRef(stock));
    return done;
}

/* Keep the names of a module, which may be given other values later. */
PyObject *
syncws_use_names(PyObject **names, PyObject *module)
{
    if (!PyModule_Check(module)) {
        PyErr_SetString(PyExc_TypeError, "a module is needed");
        return NULL;
    }
    Py_XSETREF(*names, Py_NewRef(PyModule_GetDict(module)));
    Py_RETURN_NONE;
}

/* Return the first byte of a frame, -1 with an exception when it is none. */
int
syncws_read_first(PyObject *object)
{
    long first = PyLong_AsLong(object);

    if (first == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (first < 0 || first > 255) {
        PyErr_SetString(PyExc_ValueError, "the first byte must be in range(0, 256)");
        return -1;
    }
    return (int)first;
}

/* Return `head`, of `head_length` bytes, and behind it the masked data. */
static PyObject *
behind_head(const unsigned char *head, Py_ssize_t head_length, const Py_buffer *data, const unsigned char *key)
{
    PyObject *result;
    unsigned char *to;

    if (data->len > PY_SSIZE_T_MAX - head_length) {
        return PyErr_NoMemory();
    }
    result = PyBytes_FromStringAndSize(NULL, head_length + data->len);
    if (result != NULL) {
        to = (unsigned char *)PyBytes_AS_STRING(result);
        memcpy(to, head, (size_t)head_length);
        syncws_mask_into(to + head_length, data->buf, data->len, key);
    }
    return result;
}

/* make_room(size) -> a bytearray; of memory that was never written to nothing counts */
PyObject *
syncws_make_room(PyObject *Py_UNUSED(module), PyObject *object)
{
    Py_ssize_t size = PyNumber_AsSsize_t(object, PyExc_OverflowError);

    if (size < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "the size must not be negative");
        }
        return NULL;
    }
    return PyByteArray_FromStringAndSize(NULL, size);
}

/* mask_into(room, data, mask, head) -> how many bytes of `room` hold head + masked data */
PyObject *
syncws_mask_into_room(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer room, data, head;
    unsigned char key[KEY_BYTES];
    PyObject *result = NULL;

    if (count != 4) {
        PyErr_Format(PyExc_TypeError, "mask_into takes 4 arguments, not %zd", count);
        return NULL;
    }
    if (syncws_read_key(args[2], key) < 0 || PyObject_GetBuffer(args[0], &room, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(args[1], &data, PyBUF_SIMPLE) == 0) {
        if (PyObject_GetBuffer(args[3], &head, PyBUF_SIMPLE) == 0) {
            if (head.len > room.len || data.len > room.len - head.len) {
                PyErr_SetString(PyExc_ValueError, "the room is too small");
            }
            else {
                memcpy(room.buf, head.buf, (size_t)head.len);
                syncws_mask_into((unsigned char *)room.buf + head.len, data.buf, data.len, key);
                result = PyLong_FromSsize_t(head.len + data.len);
            }
            PyBuffer_Release(&head);
        }
        PyBuffer_Release(&data);
    }
    PyBuffer_Release(&room);
    return result;
}

/* Write the header of a frame of `length` bytes, and the key behind it; return how many bytes that takes. */
Py_ssize_t
syncws_write_head(unsigned char *head, unsigned first, Py_ssize_t length, const unsigned char *key)
{
    Py_ssize_t at;

    head[0] = (unsigned char)first;
    if (length < 126) {
        head[1] = (unsigned char)(0x80 | length);
        at = 2;
    }
    else if (length < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(length >> 8);
        head[3] = (unsigned char)length;
        at = 4;
    }
    else {
        head[1] = 0x80 | 127;
        for (at = 2; at < LONGEST_HEADER; at++) {
            head[at] = (unsigned char)((uint64_t)length >> (8 * (LONGEST_HEADER - 1 - at)));
        }
    }
    memcpy(head + at, key, KEY_BYTES);
    return at + KEY_BYTES;
}

/* masked_frame(first, payload, mask) -> the frame that begins with the byte `first` */
PyObject *
syncws_masked_frame(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    unsigned char head[SYNCWS_LONGEST_HEAD], key[KEY_BYTES];
    Py_buffer data;
    PyObject *result;
    int first;

    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "masked_frame takes 3 arguments, not %zd", count);
        return NULL;
    }
    first = syncws_read_first(args[0]);
    if (first < 0 || syncws_read_key(args[2], key) < 0 || PyObject_GetBuffer(args[1], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    result = behind_head(head, syncws_write_head(head, (unsigned)first, data.len, key), &data, key);
    PyBuffer_Release(&data);
    return result;
}
