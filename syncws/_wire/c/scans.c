/* Scanning bytes into messages: the compiled forms of scanning.scan and scanning.scan_fragmented.
 *
 * Both stop before the first frame that is not for them, which includes whatever is wrong. */

#include "speedups.h"

typedef struct {
    Py_buffer data;
    Py_ssize_t position;
    Py_ssize_t limit;
    PyTypeObject *type;
    PyObject *events;
} Scan;

/* Of a frame whose header, or a message of which some frame, is wrong or over the limit, and of one not all there. */
enum { WRONG = -1, UNFINISHED = -2 };

/* Return the length of the payload of the frame at `at`, of which there are 2 bytes or more, and set where it begins.
 * The first byte is not looked at. */
static Py_ssize_t
read_length(const unsigned char *at, Py_ssize_t available, Py_ssize_t limit, Py_ssize_t *start)
{
    Py_ssize_t length = at[1], shortest = 0;
    int size = length < 126 ? 0 : length == 126 ? 2 : 8;

    *start = 2 + size;
    if (length > 127) {
        return WRONG;
    }
    if (available < *start) {
        return UNFINISHED;
    }
    if (size > 0) {
        uint64_t whole = 0;

        for (int number = 2; number < 2 + size; number++) {
            whole = whole << 8 | at[number];
        }
        shortest = size == 2 ? 126 : 65536;
        if (whole > (uint64_t)limit) {
            return WRONG;
        }
        length = (Py_ssize_t)whole;
    }
    if (length < shortest || length > limit) {
        return WRONG;
    }
    return length > available - *start ? UNFINISHED : length;
}

/* Append a message of that content, whose reference is taken over. */
static int
append(State *state, const Scan *scan, PyObject *content, Py_ssize_t length)
{
    PyObject *message = syncws_make_message(state, scan->type, content, length);
    int failed = message == NULL || PyList_Append(scan->events, message) < 0;

    Py_XDECREF(message);
    return failed ? -1 : 0;
}

/* Move to where the next frame is; return -1 with an exception. */
static int
scan_whole(State *state, Scan *scan)
{
    const unsigned char *from = scan->data.buf;

    while (scan->data.len - scan->position >= 2) {
        const unsigned char *at = from + scan->position;
        Py_ssize_t start, length;
        PyObject *content;

        if (at[0] != SYNCWS_FIN_TEXT && at[0] != SYNCWS_FIN_BINARY) {
            break;
        }
        length = read_length(at, scan->data.len - scan->position, scan->limit, &start);
        if (length < 0) {
            break;
        }
        content = at[0] == SYNCWS_FIN_TEXT ? syncws_text_of(at + start, length)
                                           : PyBytes_FromStringAndSize((const char *)at + start, length);
        if (append(state, scan, content, length) < 0) {
            return -1;
        }
        scan->position += start + length;
    }
    return 0;
}

/* Return where the message of several frames that begins at `from` ends, and set how many it has and the length of
 * their payloads. */
static Py_ssize_t
measure(const unsigned char *from, Py_ssize_t available, Py_ssize_t limit, Py_ssize_t *frames, Py_ssize_t *length)
{
    Py_ssize_t at = 0;

    *frames = *length = 0;
    while (available - at >= 2) {
        unsigned first = from[at];
        Py_ssize_t start, piece;

        if (*frames == 0 ? first != SYNCWS_TEXT && first != SYNCWS_BINARY
                         : first != SYNCWS_CONTINUATION && first != SYNCWS_FIN_CONTINUATION) {
            return WRONG;
        }
        piece = read_length(from + at, available - at, limit - *length, &start);
        if (piece < 0) {
            return piece;
        }
        *length += piece;
        *frames += 1;
        at += start + piece;
        if (first == SYNCWS_FIN_CONTINUATION) {
            return at;
        }
    }
    return UNFINISHED;
}

/* Put the payloads of so many frames, of whose headers measure() has seen that they are right, one behind the other. */
static void
gather(unsigned char *to, const unsigned char *at, Py_ssize_t frames)
{
    Py_ssize_t start, length;

    while (frames-- > 0) {
        length = read_length(at, PY_SSIZE_T_MAX, PY_SSIZE_T_MAX, &start);
        memcpy(to, at + start, (size_t)length);
        to += length;
        at += start + length;
    }
}

/* Return the content of the message of several frames at `at`. */
static PyObject *
fragmented_content(const unsigned char *at, Py_ssize_t frames, Py_ssize_t length)
{
    PyObject *content = PyBytes_FromStringAndSize(NULL, length), *bytes = content;

    if (content == NULL) {
        return NULL;
    }
    gather((unsigned char *)PyBytes_AS_STRING(content), at, frames);
    if (at[0] == SYNCWS_TEXT) {
        content = syncws_text_of((const unsigned char *)PyBytes_AS_STRING(bytes), length);
        Py_DECREF(bytes);
    }
    return content;
}

/* Move to where the next frame is, and set how many frames were taken and whether the beginning of such a message is
 * there; return -1 with an exception. */
static int
scan_pieces(State *state, Scan *scan, Py_ssize_t *count, int *is_begun)
{
    const unsigned char *from = scan->data.buf;
    Py_ssize_t frames, length, size;

    *count = *is_begun = 0;
    for (;;) {
        const unsigned char *at = from + scan->position;

        size = measure(at, scan->data.len - scan->position, scan->limit, &frames, &length);
        if (size < 0) {
            *is_begun = size == UNFINISHED && scan->position < scan->data.len;
            return 0;
        }
        if (append(state, scan, fragmented_content(at, frames, length), length) < 0) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
                return -1;
            }
            PyErr_Clear();
            return 0;
        }
        scan->position += size;
        *count += frames;
    }
}

/* Read the arguments of both functions; the data is to be released when this returns 0. */
static int
begin_scan(const State *state, PyObject *const *args, Py_ssize_t count, Scan *scan)
{
    if (count != 5 || !(PyBytes_CheckExact(args[0]) || PyMemoryView_Check(args[0])) || !PyType_Check(args[3])
        || !PyList_CheckExact(args[4])) {
        PyErr_SetString(PyExc_TypeError, "a scan takes bytes or a view, two integers, a class and a list");
        return -1;
    }
    scan->type = (PyTypeObject *)args[3];
    scan->events = args[4];
    if (!PyType_IsSubtype(scan->type, state->message_type)) {
        PyErr_SetString(PyExc_TypeError, "the class must be one of messages");
        return -1;
    }
    scan->position = PyLong_AsSsize_t(args[1]);
    if (scan->position == -1 && PyErr_Occurred()) {
        return -1;
    }
    scan->limit = PyLong_AsSsize_t(args[2]);
    if (scan->limit == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (PyObject_GetBuffer(args[0], &scan->data, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (scan->position < 0 || scan->position > scan->data.len) {
        PyErr_SetString(PyExc_ValueError, "the position must be within the bytes");
        PyBuffer_Release(&scan->data);
        return -1;
    }
    return 0;
}

/* scan(data, position, limit, message_class, events) -> position */
PyObject *
syncws_scan(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    State *state = syncws_state(module);
    Scan scan;
    int failed;

    if (begin_scan(state, args, count, &scan) < 0) {
        return NULL;
    }
    failed = scan_whole(state, &scan);
    PyBuffer_Release(&scan.data);
    return failed < 0 ? NULL : PyLong_FromSsize_t(scan.position);
}

/* scan_fragmented(data, position, limit, message_class, events) -> (position, how many frames, is one begun) */
PyObject *
syncws_scan_fragmented(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    State *state = syncws_state(module);
    Scan scan;
    Py_ssize_t frames;
    int is_begun, failed;

    if (begin_scan(state, args, count, &scan) < 0) {
        return NULL;
    }
    failed = scan_pieces(state, &scan, &frames, &is_begun);
    PyBuffer_Release(&scan.data);
    return failed < 0 ? NULL : Py_BuildValue("nnO", scan.position, frames, is_begun ? Py_True : Py_False);
}
