/* What the files about TLS share. OpenSSL is declared as far as it is called, so that building needs none of it. */

#ifndef SYNCWS_TLS_H
#define SYNCWS_TLS_H

#include "speedups.h"

#if SYNCWS_HAS_TLS

typedef struct ssl_st Ssl;
typedef struct bio_st Bio;
typedef struct bio_method_st BioMethod;
typedef int (*BioRead)(Bio *, char *, int);
typedef int (*BioWrite)(Bio *, const char *, int);
typedef long (*BioControl)(Bio *, int, long, void *);
typedef void *(*BioData)(Bio *);

/* Result, name and arguments; the documentation of OpenSSL 1.1.1 has all of them. */
#define SYNCWS_OPENSSL_FUNCTIONS(OF) \
    OF(const char *, OpenSSL_version, (int)) \
    OF(void, ERR_clear_error, (void)) \
    OF(unsigned long, ERR_peek_last_error, (void)) \
    OF(const char *, ERR_lib_error_string, (unsigned long)) \
    OF(const char *, ERR_reason_error_string, (unsigned long)) \
    OF(BioMethod *, BIO_meth_new, (int, const char *)) \
    OF(void, BIO_meth_free, (BioMethod *)) \
    OF(int, BIO_meth_set_read, (BioMethod *, BioRead)) \
    OF(int, BIO_meth_set_write, (BioMethod *, BioWrite)) \
    OF(int, BIO_meth_set_ctrl, (BioMethod *, BioControl)) \
    OF(Bio *, BIO_new, (const BioMethod *)) \
    OF(int, BIO_up_ref, (Bio *)) \
    OF(void, BIO_set_data, (Bio *, void *)) \
    OF(void *, BIO_get_data, (Bio *)) \
    OF(void, BIO_set_init, (Bio *, int)) \
    OF(void, BIO_set_flags, (Bio *, int)) \
    OF(void, BIO_clear_flags, (Bio *, int)) \
    OF(void *, SSL_get_SSL_CTX, (const Ssl *)) \
    OF(Bio *, SSL_get_rbio, (const Ssl *)) \
    OF(Bio *, SSL_get_wbio, (const Ssl *)) \
    OF(void, SSL_set_bio, (Ssl *, Bio *, Bio *)) \
    OF(void, SSL_set_read_ahead, (Ssl *, int)) \
    OF(int, SSL_in_init, (const Ssl *)) \
    OF(int, SSL_has_pending, (const Ssl *)) \
    OF(int, SSL_renegotiate_pending, (const Ssl *)) \
    OF(int, SSL_get_error, (const Ssl *, int)) \
    OF(int, SSL_read, (Ssl *, void *, int)) \
    OF(int, SSL_write, (Ssl *, const void *, int)) \
    OF(int, SSL_shutdown, (Ssl *))

/* These may be missing: they only spare system calls. */
#define SYNCWS_OPENSSL_EXTRAS(OF) \
    OF(void, SSL_set_default_read_buffer_len, (Ssl *, size_t)) \
    OF(int, SSL_free_buffers, (Ssl *))

struct OpenSsl {
#define SYNCWS_FIELD(result, name, arguments) result(*name) arguments;
    SYNCWS_OPENSSL_FUNCTIONS(SYNCWS_FIELD)
    SYNCWS_OPENSSL_EXTRAS(SYNCWS_FIELD)
#undef SYNCWS_FIELD
    /* Of a BIO that is a socket here; it lives as long as this module. */
    BioMethod *method;
};

/* Why reading or sending cannot go on. */
typedef struct {
    enum { GOES_ON, ENDED, REFUSED_BY_SYSTEM, REFUSED_BY_TLS } kind;
    /* The system's errno, or OpenSSL's code. */
    unsigned long code;
} Failure;

/* An OpenSSL connection that Python's ssl has made, on a socket: the base class of direct.DirectTlsTransport. */
typedef struct {
    PyObject_HEAD
    /* NULL when it has none, or must not touch it any more. */
    Ssl *ssl;
    const OpenSsl *openssl;
    /* What Python's ssl had between it and the connection; given back at the end. */
    Bio *incoming;
    Bio *outgoing;
    PyObject *engine;
    PyObject *socket;
    PyObject *inbound;
    PyObject *outbound;
    /* Ciphertext that Python's ssl had taken in, and how much of it has been read. */
    PyObject *leftover;
    Py_ssize_t leftover_position;
    /* Ciphertext to be sent: from out_start to out_end. */
    unsigned char *out;
    size_t out_start;
    size_t out_end;
    size_t out_size;
    /* Of the call under way. */
    int descriptor;
    Py_ssize_t most;
    Py_ssize_t budget;
    char is_drained;
    /* The system's errno in that call, 0 for none. */
    int number;
    /* Bytes that moved and are to be counted. */
    Py_ssize_t received;
    Py_ssize_t sent;
    Failure reading;
    Failure sending;
    /* While one thread is in a call without the GIL. */
    char is_busy;
    char is_at_end;
    /* For Python to see. */
    char has_unsent;
    char has_buffered;
    char is_torn;
    Py_ssize_t unsent_bytes;
} Tls;

/* Note for Python what ciphertext waits to be sent. */
static inline void
syncws_tls_note_unsent(Tls *self)
{
    self->unsent_bytes = (Py_ssize_t)(self->out_end - self->out_start);
    self->has_unsent = self->unsent_bytes > 0;
}

/* OpenSSL's memory for ciphertext. */
enum { SYNCWS_TLS_BUFFER_BYTES = 65536 };

const OpenSsl *syncws_openssl(State *state, PyObject *module);
Ssl *syncws_find_ssl(const OpenSsl *openssl, PyObject *engine, PyObject *module);

int syncws_bio_use(BioData function);
int syncws_bio_read(Bio *bio, char *room, int size);
int syncws_bio_write(Bio *bio, const char *data, int size);
long syncws_bio_control(Bio *bio, int command, long number, void *argument);

Py_ssize_t syncws_tls_read(Tls *self, unsigned char *room, Py_ssize_t size);
Py_ssize_t syncws_tls_write(Tls *self, const unsigned char *data, Py_ssize_t size);
int syncws_tls_put_out(Tls *self, const char *data, size_t size);
int syncws_tls_push_out(Tls *self);
void syncws_tls_say_goodbye(Tls *self);

PyObject *syncws_tls_keep_small(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *syncws_tls_keep_much(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *syncws_tls_fill(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *syncws_tls_send_data(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *syncws_tls_flush(
    PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *syncws_tls_farewell(PyObject *object, PyObject *nothing);

#endif

#endif
