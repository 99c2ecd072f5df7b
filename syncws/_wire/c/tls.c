/* TLS on a plain socket without Python's ssl in between: the base class of direct.DirectTlsTransport. */

#include "tls.h"

#if SYNCWS_HAS_TLS

#include <stdlib.h>

/* Give Python's ssl back what it had, so that the connection leads to nothing here any more. */
static void
let_go(Tls *self)
{
    Ssl *ssl = self->ssl;

    self->ssl = NULL;
    if (ssl != NULL) {
        self->openssl->SSL_set_bio(ssl, self->incoming, self->outgoing);
    }
}

/* Have the connection read and write here; what it holds stays with it. */
static int
take_over(Tls *self, Ssl *ssl)
{
    const OpenSsl *openssl = self->openssl;
    Bio *bio = openssl->BIO_new(openssl->method);

    if (bio == NULL) {
        openssl->ERR_clear_error();
        return 0;
    }
    openssl->BIO_set_data(bio, self);
    openssl->BIO_set_init(bio, 1);
    self->incoming = openssl->SSL_get_rbio(ssl);
    self->outgoing = openssl->SSL_get_wbio(ssl);
    openssl->BIO_up_ref(self->incoming);
    openssl->BIO_up_ref(self->outgoing);
    openssl->SSL_set_bio(ssl, bio, bio);
    openssl->SSL_set_read_ahead(ssl, 1);
    if (openssl->SSL_set_default_read_buffer_len != NULL && openssl->SSL_free_buffers != NULL) {
        openssl->SSL_set_default_read_buffer_len(ssl, SYNCWS_TLS_BUFFER_BYTES);
        /* It makes new ones, of this size, when it needs them; while it holds something it keeps them. */
        openssl->SSL_free_buffers(ssl);
    }
    openssl->ERR_clear_error();
    self->ssl = ssl;
    return 1;
}

/* _attach(module, engine, socket, inbound, outbound) -> whether the connection reads and writes here from now on
 *
 * module: _ssl; engine: what an SSLObject is around; socket: of which the descriptor is; the others are meters. */
static PyObject *
tls_attach(PyObject *object, PyTypeObject *defining_class, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    State *state = PyType_GetModuleState(defining_class);
    Tls *self = (Tls *)object;
    Ssl *ssl = NULL;

    if (state == NULL || count != 5 || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "_attach() takes exactly 5 arguments");
        return NULL;
    }
    if (self->openssl == NULL && PyObject_TypeCheck(args[3], state->meter_type)
        && PyObject_TypeCheck(args[4], state->meter_type) && PyModule_Check(args[0])) {
        self->openssl = syncws_openssl(state, args[0]);
        ssl = self->openssl == NULL ? NULL : syncws_find_ssl(self->openssl, args[1], args[0]);
    }
    if (ssl == NULL || !take_over(self, ssl)) {
        Py_RETURN_FALSE;
    }
    self->engine = Py_NewRef(args[1]);
    self->socket = Py_NewRef(args[2]);
    self->inbound = Py_NewRef(args[3]);
    self->outbound = Py_NewRef(args[4]);
    Py_RETURN_TRUE;
}

/* _take_rest(received, unsent): ciphertext that Python's ssl holds, which comes before all else */
static PyObject *
tls_take_rest(PyObject *object, PyObject *args)
{
    Tls *self = (Tls *)object;
    PyObject *received;
    const char *unsent;
    Py_ssize_t count;

    if (!PyArg_ParseTuple(args, "Sy#:_take_rest", &received, &unsent, &count)) {
        return NULL;
    }
    if (count && syncws_tls_put_out(self, unsent, (size_t)count) < 0) {
        return PyErr_NoMemory();
    }
    syncws_tls_note_unsent(self);
    Py_XSETREF(self->leftover, Py_NewRef(received));
    self->leftover_position = 0;
    self->has_buffered = self->ssl != NULL && (PyBytes_GET_SIZE(received) || self->openssl->SSL_has_pending(self->ssl));
    Py_RETURN_NONE;
}

/* None, an errno, or OpenSSL's names of the library and of the reason */
static PyObject *
describe(const Tls *self, const Failure *failure)
{
    const char *library, *reason;

    if (failure->kind == REFUSED_BY_SYSTEM) {
        return PyLong_FromUnsignedLong(failure->code);
    }
    if (failure->kind != REFUSED_BY_TLS) {
        Py_RETURN_NONE;
    }
    library = self->openssl->ERR_lib_error_string(failure->code);
    reason = self->openssl->ERR_reason_error_string(failure->code);
    return Py_BuildValue("zz", library, reason);
}

static PyObject *
tls_reading_failure(PyObject *object, void *Py_UNUSED(closure))
{
    return describe((Tls *)object, &((Tls *)object)->reading);
}

static PyObject *
tls_sending_failure(PyObject *object, void *Py_UNUSED(closure))
{
    return describe((Tls *)object, &((Tls *)object)->sending);
}

/* _forget(): at the end; and in a forked child, where the connection is the parent's */
static PyObject *
tls_forget(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    Tls *self = (Tls *)object;

    if (self->is_busy) {
        /* In a child, whose parent had a thread in the midst of it: nobody touches or frees any of it, for good. */
        self->ssl = NULL;
        self->out = NULL;
        Py_XINCREF(self->engine);
        Py_INCREF(object);
    }
    else {
        let_go(self);
    }
    self->out_start = self->out_end = 0;
    self->has_buffered = 0;
    syncws_tls_note_unsent(self);
    Py_RETURN_NONE;
}

static int
tls_traverse(PyObject *object, visitproc visit, void *arg)
{
    Tls *self = (Tls *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->engine);
    Py_VISIT(self->socket);
    Py_VISIT(self->inbound);
    Py_VISIT(self->outbound);
    return 0;
}

static int
tls_clear(PyObject *object)
{
    Tls *self = (Tls *)object;

    let_go(self);
    Py_CLEAR(self->engine);
    Py_CLEAR(self->socket);
    Py_CLEAR(self->inbound);
    Py_CLEAR(self->outbound);
    Py_CLEAR(self->leftover);
    return 0;
}

static void
tls_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    tls_clear(object);
    free(((Tls *)object)->out);
    type->tp_free(object);
    Py_DECREF(type);
}

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_METHOD | METH_FASTCALL | METH_KEYWORDS

static PyMethodDef tls_methods[] = {
    {"_attach", FAST(tls_attach), "See syncws._net.tls.direct."},
    {"_take_rest", tls_take_rest, METH_VARARGS, "See syncws._net.tls.direct."},
    {"_keep_small", FAST(syncws_tls_keep_small), "See syncws._net.tls.direct."},
    {"_keep_much", FAST(syncws_tls_keep_much), "See syncws._net.tls.direct."},
    {"_fill", FAST(syncws_tls_fill), "See syncws._net.tls.direct."},
    {"_send", FAST(syncws_tls_send_data), "See syncws._net.tls.direct."},
    {"_flush", FAST(syncws_tls_flush), "See syncws._net.tls.direct."},
    {"_say_goodbye", syncws_tls_farewell, METH_NOARGS, "See syncws._net.tls.direct."},
    {"_forget", tls_forget, METH_NOARGS, "See syncws._net.tls.direct."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef tls_members[] = {
    {"outbound", T_OBJECT_EX, offsetof(Tls, outbound), READONLY, NULL},
    {"has_unsent", T_BOOL, offsetof(Tls, has_unsent), READONLY, NULL},
    {"has_buffered", T_BOOL, offsetof(Tls, has_buffered), READONLY, NULL},
    {"is_torn", T_BOOL, offsetof(Tls, is_torn), READONLY, NULL},
    {"unsent_bytes", T_PYSSIZET, offsetof(Tls, unsent_bytes), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef tls_getset[] = {
    {"_reading_failure", tls_reading_failure, NULL, NULL, NULL},
    {"_sending_failure", tls_sending_failure, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tls_slots[] = {
    {Py_tp_doc, "What OpenSSL needs to read and write a socket itself; see syncws._net.tls.direct."},
    {Py_tp_methods, tls_methods},
    {Py_tp_members, tls_members},
    {Py_tp_getset, tls_getset},
    {Py_tp_traverse, tls_traverse},
    {Py_tp_clear, tls_clear},
    {Py_tp_dealloc, tls_dealloc},
    {0, NULL},
};

PyType_Spec syncws_tls_spec = {
    .name = "syncws._wire._speedups.TlsEngine",
    .basicsize = sizeof(Tls),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = tls_slots,
};

#endif
