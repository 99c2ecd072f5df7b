/* UTF-8 into a string of exactly the size that it needs: the compiled form of utf8.decode_utf8.
 *
 * CPython's decoder does not know how long the string will be, nor how wide its characters: it asks for more memory
 * than it needs and copies when it was wrong, and fresh pages cost more than the decoding. Here a first pass, which
 * compilers make vectors of, finds out both; a second one decodes and checks. Whatever is not well-formed goes to
 * CPython's decoder, so that the error is the same. */

#include "speedups.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Below SMALL a call costs as much as it saves, and of text that is not ASCII the first pass below WORTH. */
enum { SMALL = 256, WORTH = 768, LOOK = 128, LANES = 32, SPAN = 64, SLACK = 16 };

/* Count the characters; `top` gets the largest byte, which is the lead byte of the largest character, if there is one.
 * Many small counters beside each other: compilers make vectors of them. */
static Py_ssize_t
measure(const unsigned char *from, Py_ssize_t length, unsigned *top)
{
    Py_ssize_t number = 0, at = 0;
    unsigned char begun[LANES], largest[LANES] = {0};

    while (length - at >= LANES) {
        /* As many turns as a counter of one byte can count. */
        Py_ssize_t turns = (length - at) / LANES;

        memset(begun, 0, sizeof begun);
        for (turns = turns > 255 ? 255 : turns; turns; turns--, at += LANES) {
            for (int lane = 0; lane < LANES; lane++) {
                begun[lane] += (signed char)from[at + lane] > -65;
                largest[lane] = from[at + lane] > largest[lane] ? from[at + lane] : largest[lane];
            }
        }
        for (int lane = 0; lane < LANES; lane++) {
            number += begun[lane];
        }
    }
    for (; at < length; at++) {
        number += (signed char)from[at] > -65;
        largest[0] = from[at] > largest[0] ? from[at] : largest[0];
    }
    *top = 0;
    for (int lane = 0; lane < LANES; lane++) {
        *top = largest[lane] > *top ? largest[lane] : *top;
    }
    return number;
}

enum { STEP = 64 };

/* Tell whether STEP bytes are nothing but ASCII, and copy them there first if `to` is not NULL. What is asked is in
 * registers then: it costs little more than the copy. */
static inline int
take_step(Py_UCS1 *to, const unsigned char *from)
{
#ifdef __SSE2__
    const __m128i *at = (const __m128i *)from;
    __m128i first = _mm_loadu_si128(at), second = _mm_loadu_si128(at + 1);
    __m128i third = _mm_loadu_si128(at + 2), fourth = _mm_loadu_si128(at + 3);

    if (to != NULL) {
        _mm_storeu_si128((__m128i *)to, first);
        _mm_storeu_si128((__m128i *)to + 1, second);
        _mm_storeu_si128((__m128i *)to + 2, third);
        _mm_storeu_si128((__m128i *)to + 3, fourth);
    }
    return !_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(first, second), _mm_or_si128(third, fourth)));
#else
    uint64_t words[STEP / sizeof(uint64_t)], all = 0;

    memcpy(words, from, sizeof words);
    for (size_t word = 0; word < STEP / sizeof(uint64_t); word++) {
        all |= words[word];
    }
    if (to != NULL) {
        memcpy(to, words, sizeof words);
    }
    return !(all & UINT64_C(0x8080808080808080));
#endif
}

/* As take_step() for any number of bytes; of other text mostly at once. */
static inline int
take_ascii(Py_UCS1 *to, const unsigned char *from, Py_ssize_t length)
{
    Py_ssize_t at = 0;
    unsigned all = 0;

    for (; length - at >= STEP; at += STEP) {
        if (!take_step(to == NULL ? NULL : to + at, from + at)) {
            return 0;
        }
    }
    for (; at < length; at++) {
        unsigned char byte = from[at];

        all |= byte;
        if (to != NULL) {
            to[at] = byte;
        }
    }
    return all < 0x80;
}

/* Tell whether there is nothing but ASCII. */
int
syncws_is_ascii(const unsigned char *from, Py_ssize_t length)
{
    return take_ascii(NULL, from, length);
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

/* Tell whether the character of two, three or four bytes that begins here is well-formed (Unicode, table 3-7). */

static inline int
get_two(const unsigned char *from, Py_UCS4 *value)
{
    *value = (from[0] & 0x1Fu) << 6 | (from[1] & 0x3Fu);
    return from[0] >= 0xC2 && is_following(from[1]);
}

/* Four bytes can be read here: at once, and looked at with one mask. */
static inline int
get_three(const unsigned char *from, Py_UCS4 *value)
{
    uint32_t word;

    memcpy(&word, from, sizeof word);
#if PY_BIG_ENDIAN
    *value = (word >> 12 & 0xF000u) | (word >> 10 & 0xFC0u) | (word >> 8 & 0x3Fu);
    word &= UINT32_C(0xF0C0C000);
    return word == UINT32_C(0xE0808000) && *value >= 0x800 && *value - 0xD800 >= 0x800;
#else
    *value = (word << 12 & 0xF000u) | (word >> 2 & 0xFC0u) | (word >> 16 & 0x3Fu);
    word &= UINT32_C(0xC0C0F0);
    return word == UINT32_C(0x8080E0) && *value >= 0x800 && *value - 0xD800 >= 0x800;
#endif
}

static inline int
get_four(const unsigned char *from, Py_UCS4 *value)
{
    *value = (from[0] & 0x0Fu) << 18 | (from[1] & 0x3Fu) << 12 | (from[2] & 0x3Fu) << 6 | (from[3] & 0x3Fu);
    return is_following(from[1]) && is_following(from[2]) && is_following(from[3]) && *value - 0x10000 < 0x100000;
}

/* Return a bit for each of SPAN bytes: whether a character of more than one byte begins there. */
static inline uint64_t
leads_of(const unsigned char *from)
{
    uint64_t leads = 0;

#ifdef __SSE2__
    for (int index = 0; index < SPAN; index += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(from + index));

        /* Each byte's second bit beside its first; the first of each of them are put together. */
        bytes = _mm_and_si128(bytes, _mm_slli_epi16(bytes, 1));
        leads |= (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << index;
    }
#else
    for (int index = 0; index < SPAN / 8; index++) {
        uint64_t word;

        memcpy(&word, from + 8 * index, 8);
        word &= word << 1 & UINT64_C(0x8080808080808080);
        /* The product brings one bit of each byte together in the highest byte. */
#if PY_BIG_ENDIAN
        word = (word >> 7) * UINT64_C(0x8040201008040201) >> 56;
#else
        word = (word >> 7) * UINT64_C(0x0102040810204080) >> 56;
#endif
        leads |= word << 8 * index;
    }
#endif
    return leads;
}

static inline int
lowest_bit(uint64_t bits)
{
#ifdef __GNUC__
    return __builtin_ctzll(bits);
#else
    int number = 0;

    for (; !(bits & 1); bits >>= 1) {
        number++;
    }
    return number;
#endif
}

/* Copy 16 bytes of ASCII; into wider characters one for each. */

static inline void
copy_to_1(Py_UCS1 *to, const unsigned char *from)
{
    memcpy(to, from, 16);
}

#define COPIER(name, character)                                                                                        \
static inline void                                                                                                     \
name(character *__restrict to, const unsigned char *__restrict from)                                                   \
{                                                                                                                      \
    for (int index = 0; index < 16; index++) {                                                                         \
        to[index] = from[index];                                                                                       \
    }                                                                                                                  \
}
COPIER(copy_to_2, Py_UCS2)
COPIER(copy_to_4, Py_UCS4)

/* Decode characters of one size, of which one begins here: in one alphabet several follow each other. */
#define RUN(character, size, get, first, number)                                                                       \
    do {                                                                                                               \
        Py_UCS4 value;                                                                                                 \
                                                                                                                       \
        if (!get(from, &value)) {                                                                                      \
            return -1;                                                                                                 \
        }                                                                                                              \
        *to++ = (character)value;                                                                                      \
        from += size;                                                                                                  \
        leads &= leads - 1;                                                                                            \
    } while (leads && (unsigned)*from - first < number)

/* Decode all of it into characters of one width; return -1 when it is not well-formed.
 *
 * Where the longer characters begin is found out for SPAN bytes at a time, without a branch for each byte: no processor
 * foresees which letters of a word are ASCII. What lies between two of them is copied 16 bytes at a time, the last time
 * too far; what was too much is written over. A byte that is out of its place is copied like ASCII, and as measure() has
 * not counted it, the text then does not fit. */
#define DECODER(name, character, copy_16)                                                                              \
static int                                                                                                             \
name(const unsigned char *__restrict from, const unsigned char *end, character *__restrict to, Py_ssize_t room)        \
{                                                                                                                      \
    const character *limit = to + room;                                                                                \
                                                                                                                       \
    while (end - from >= SPAN + SLACK && limit - to >= SPAN + SLACK) {                                                 \
        const unsigned char *stop = from + SPAN;                                                                       \
        uint64_t leads = leads_of(from);                                                                               \
                                                                                                                       \
        while (from < stop) {                                                                                          \
            const unsigned char *next = leads ? stop - SPAN + lowest_bit(leads) : stop;                                \
            Py_ssize_t size = next - from;                                                                             \
                                                                                                                       \
            copy_16(to, from);                                                                                         \
            for (Py_ssize_t done = 16; done < size; done += 16) {                                                      \
                copy_16(to + done, from + done);                                                                       \
            }                                                                                                          \
            to += size;                                                                                                \
            from = next;                                                                                               \
            if (!leads) {                                                                                              \
                break;                                                                                                 \
            }                                                                                                          \
            if (*from < 0xE0) {                                                                                        \
                RUN(character, 2, get_two, 0xC0, 0x20);                                                                \
            }                                                                                                          \
            else if (*from < 0xF0) {                                                                                   \
                RUN(character, 3, get_three, 0xE0, 0x10);                                                              \
            }                                                                                                          \
            else {                                                                                                     \
                RUN(character, 4, get_four, 0xF0, 0x10);                                                               \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    while (from < end && to < limit) {                                                                                 \
        Py_UCS4 value = *from;                                                                                         \
        Py_ssize_t size = value < 0x80 ? 1 : value < 0xE0 ? 2 : value < 0xF0 ? 3 : 4;                                  \
        unsigned char bytes[4] = {0};                                                                                  \
                                                                                                                       \
        if (size > end - from) {                                                                                       \
            return -1;                                                                                                 \
        }                                                                                                              \
        memcpy(bytes, from, (size_t)size);                                                                             \
        if (size > 1 && !(size == 2 ? get_two : size == 3 ? get_three : get_four)(bytes, &value)) {                    \
            return -1;                                                                                                 \
        }                                                                                                              \
        *to++ = (character)value;                                                                                      \
        from += size;                                                                                                  \
    }                                                                                                                  \
    return from == end && to == limit ? 0 : -1;                                                                        \
}

DECODER(decode_1, Py_UCS1, copy_to_1)
DECODER(decode_2, Py_UCS2, copy_to_2)
DECODER(decode_4, Py_UCS4, copy_to_4)

/* Return text that is nothing but ASCII, copied in one pass; NULL without an error for other text. */
static PyObject *
decode_ascii(const unsigned char *from, Py_ssize_t length)
{
    PyObject *text;

    /* Of most other text a look is enough. */
    if (!syncws_is_ascii(from, length > LOOK ? LOOK : length)) {
        return NULL;
    }
    text = PyUnicode_New(length, 0x7F);
    if (text != NULL && !take_ascii(PyUnicode_1BYTE_DATA(text), from, length)) {
        Py_CLEAR(text);
    }
    return text;
}

/* Return the text; NULL without an error when it is not well-formed, or short; with one when memory is. */
static PyObject *
decode_whole(const unsigned char *from, Py_ssize_t length)
{
    unsigned top;
    Py_ssize_t number;
    PyObject *text;
    int failed;

    text = decode_ascii(from, length);
    if (text != NULL || PyErr_Occurred() || length < WORTH) {
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

/* Return the text that these bytes are. */
PyObject *
syncws_text_of(const unsigned char *from, Py_ssize_t length)
{
    PyObject *text = length < SMALL ? NULL : decode_whole(from, length);

    return text != NULL || PyErr_Occurred() ? text : PyUnicode_DecodeUTF8((const char *)from, length, NULL);
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
