/* UTF-8 into a string of exactly the size that it needs: the compiled form of utf8.decode_utf8.
 *
 * CPython's decoder does not know how long the string will be, nor how wide its characters: it asks for more memory
 * than it needs and copies when it was wrong, and fresh pages cost more than the decoding. Here a first pass, which
 * compilers make vectors of, finds out both; a second one decodes and checks. Whatever is not well-formed goes to
 * CPython's decoder, so that the error is the same. */

#include "speedups.h"

/* Below this the first pass costs as much as it saves. */
enum { SMALL = 256, BLOCK = 4096 };

/* Count the characters; `top` gets the largest byte, which is the lead byte of the largest character, if there is one. */
static Py_ssize_t
measure(const unsigned char *from, Py_ssize_t length, unsigned *top)
{
    Py_ssize_t number = 0, at = 0;
    unsigned char largest = 0;

    while (at < length) {
        /* Small counters in the inner loop, so that a vector holds many of them. */
        Py_ssize_t stop = length - at > BLOCK ? at + BLOCK : length;
        int begun = 0;

        for (; at < stop; at++) {
            begun += (signed char)from[at] > -65;
            largest = from[at] > largest ? from[at] : largest;
        }
        number += begun;
    }
    *top = largest;
    return number;
}

/* Tell whether there is nothing but ASCII; of other text mostly at once. */
int
syncws_is_ascii(const unsigned char *from, Py_ssize_t length)
{
    Py_ssize_t at = 0;
    uint64_t words[4];

    for (; length - at >= (Py_ssize_t)sizeof words; at += (Py_ssize_t)sizeof words) {
        memcpy(words, from + at, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080)) {
            return 0;
        }
    }
    for (; at < length; at++) {
        if (from[at] >= 0x80) {
            return 0;
        }
    }
    return 1;
}

/* Return how many bytes at the end begin a character that is not finished; at most 3. */
static Py_ssize_t
unfinished(const unsigned char *from, Py_ssize_t length)
{
    for (Py_ssize_t back = 1; back <= 3 && back <= length; back++) {
        unsigned byte = from[length - back];
        Py_ssize_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;

        if ((byte & 0xC0) != 0x80) {
            return wanted > back ? back : 0;
        }
    }
    return 0;
}

static inline int
is_following(unsigned byte)
{
    return (byte & 0xC0) == 0x80;
}

/* With a GIL nobody changes the bytes between the two passes. */
#ifdef Py_GIL_DISABLED
#define IS_FULL(to, limit) ((to) == (limit))
#else
#define IS_FULL(to, limit) 0
#endif

/* Decode all of it into characters of one width, one loop for each kind of character, because they come in runs.
 * Returns -1 when it is not well-formed (Unicode, table 3-7). Each character takes one byte that measure() has counted,
 * so there is room for all of them. */
#define DECODER(name, character, widest)                                                                               \
static int                                                                                                             \
name(const unsigned char *from, const unsigned char *end, character *to, Py_ssize_t room)                              \
{                                                                                                                      \
    const character *limit = to + room;                                                                                \
    uint64_t word;                                                                                                     \
    unsigned byte, value;                                                                                              \
                                                                                                                       \
    while (from < end) {                                                                                               \
        byte = *from;                                                                                                  \
        if (byte < 0x80) {                                                                                             \
            /* Short runs byte by byte; what is longer, eight at a time. */                                            \
            const unsigned char *stop = end - from > 8 ? from + 8 : end;                                               \
                                                                                                                       \
            do {                                                                                                       \
                if (IS_FULL(to, limit)) {                                                                              \
                    return -1;                                                                                         \
                }                                                                                                      \
                *to++ = (character)byte;                                                                               \
            } while (++from < stop && (byte = *from) < 0x80);                                                          \
            while (byte < 0x80 && end - from >= 8 && limit - to >= 8) {                                                \
                memcpy(&word, from, 8);                                                                                \
                if (word & UINT64_C(0x8080808080808080)) {                                                             \
                    break;                                                                                             \
                }                                                                                                      \
                for (int index = 0; index < 8; index++) {                                                              \
                    to[index] = from[index];                                                                           \
                }                                                                                                      \
                from += 8;                                                                                             \
                to += 8;                                                                                               \
            }                                                                                                          \
        }                                                                                                              \
        else if (byte < 0xE0) {                                                                                        \
            do {                                                                                                       \
                if (byte < 0xC2 || end - from < 2 || !is_following(from[1]) || IS_FULL(to, limit)) {                   \
                    return -1;                                                                                         \
                }                                                                                                      \
                *to++ = (character)((byte & 0x1F) << 6 | (from[1] & 0x3F));                                            \
                from += 2;                                                                                             \
            } while (from < end && (byte = *from) - 0x80 < 0x60);                                                      \
        }                                                                                                              \
        else if (byte < 0xF0) {                                                                                        \
            do {                                                                                                       \
                if (widest < 3 || end - from < 3 || !is_following(from[1]) || !is_following(from[2])                   \
                    || IS_FULL(to, limit)) {                                                                           \
                    return -1;                                                                                         \
                }                                                                                                      \
                value = (byte & 0x0F) << 12 | (from[1] & 0x3Fu) << 6 | (from[2] & 0x3Fu);                              \
                if (value < 0x800 || (value >= 0xD800 && value < 0xE000)) {                                            \
                    return -1;                                                                                         \
                }                                                                                                      \
                *to++ = (character)value;                                                                              \
                from += 3;                                                                                             \
            } while (from < end && (byte = *from) - 0xE0 < 0x10);                                                      \
        }                                                                                                              \
        else {                                                                                                         \
            if (widest < 4 || byte > 0xF4 || end - from < 4 || !is_following(from[1]) || !is_following(from[2])        \
                || !is_following(from[3]) || IS_FULL(to, limit)) {                                                     \
                return -1;                                                                                             \
            }                                                                                                          \
            value = (byte & 0x07) << 18 | (from[1] & 0x3Fu) << 12 | (from[2] & 0x3Fu) << 6 | (from[3] & 0x3Fu);        \
            if (value < 0x10000 || value > 0x10FFFF) {                                                                 \
                return -1;                                                                                             \
            }                                                                                                          \
            *to++ = (character)value;                                                                                  \
            from += 4;                                                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
    return to == limit ? 0 : -1;                                                                                       \
}

DECODER(decode_1, Py_UCS1, 2)
DECODER(decode_2, Py_UCS2, 3)
DECODER(decode_4, Py_UCS4, 4)

/* Return text that is nothing but ASCII, copied in one pass; NULL without an error for other text. */
static PyObject *
decode_ascii(const unsigned char *from, Py_ssize_t length)
{
    PyObject *text;
    Py_UCS1 *to;

    if (!syncws_is_ascii(from, length > BLOCK ? BLOCK : length)) {
        return NULL;
    }
    text = PyUnicode_New(length, 0x7F);
    if (text == NULL) {
        return NULL;
    }
    to = PyUnicode_1BYTE_DATA(text);
    for (Py_ssize_t at = 0, size; at < length; at += size) {
        size = length - at > BLOCK ? BLOCK : length - at;
        memcpy(to + at, from + at, (size_t)size);
        /* The copy: nobody else changes that. */
        if (!syncws_is_ascii(to + at, size)) {
            Py_DECREF(text);
            return NULL;
        }
    }
    return text;
}

/* Return the text; NULL without an error when it is not well-formed, with one when memory is short. */
static PyObject *
decode_whole(const unsigned char *from, Py_ssize_t length)
{
    unsigned top;
    Py_ssize_t number;
    PyObject *text;
    int failed;

    text = decode_ascii(from, length);
    if (text != NULL || PyErr_Occurred()) {
        return text;
    }
    number = measure(from, length, &top);
    text = PyUnicode_New(number, top < 0xC4 ? 0xFF : top < 0xF0 ? 0xFFFF : 0x10FFFF);
    if (text == NULL) {
        return NULL;
    }
    if (top < 0xC4) {
        failed = decode_1(from, from + length, PyUnicode_1BYTE_DATA(text), number);
    }
    else if (top < 0xF0) {
        failed = decode_2(from, from + length, PyUnicode_2BYTE_DATA(text), number);
    }
    else {
        failed = decode_4(from, from + length, PyUnicode_4BYTE_DATA(text), number);
    }
    if (failed) {
        Py_CLEAR(text);
    }
    return text;
}

/* decode_utf8(data, is_last) -> (text, bytes used); as codecs.utf_8_decode(data, "strict", is_last) */
PyObject *
syncws_decode_utf8(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data;
    PyObject *text = NULL;
    Py_ssize_t used, left = 0;
    int is_last;

    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "decode_utf8 takes 2 arguments, not %zd", count);
        return NULL;
    }
    is_last = PyObject_IsTrue(args[1]);
    if (is_last < 0 || PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    used = data.len;
    if (used >= SMALL) {
        if (!is_last) {
            left = unfinished(data.buf, used);
        }
        if (left) {
            /* What is left may begin no character at all. */
            Py_ssize_t begun = 0;
            PyObject *nothing = PyUnicode_DecodeUTF8Stateful((const char *)data.buf + used - left, left, NULL, &begun);

            if (nothing == NULL) {
                PyErr_Clear();
                left = -1;
            }
            Py_XDECREF(nothing);
        }
        if (left >= 0) {
            text = decode_whole(data.buf, used - left);
            used -= left;
        }
    }
    if (text == NULL && !PyErr_Occurred()) {
        used = data.len;
        text = PyUnicode_DecodeUTF8Stateful(data.buf, data.len, NULL, is_last ? NULL : &used);
    }
    PyBuffer_Release(&data);
    return text == NULL ? NULL : Py_BuildValue("(Nn)", text, used);
}
