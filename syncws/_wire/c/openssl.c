/* Finding OpenSSL's functions, and the connection that an object of Python's ssl is about.
 *
 * That object's layout is CPython's own affair: so nothing of it is used before it was compared with what the object
 * says of itself. See DESIGN.md, "TLS on a plain socket bypasses Python's ssl". */

#include "tls.h"

#if SYNCWS_HAS_TLS

#include <dlfcn.h>

/* OpenSSL's number for a BIO at the end of a chain, and one of ours in it. */
enum { BIO_TYPE = 0x400 | 0x7f };

/* The beginning of Modules/_ssl.c's PySSLSocket and PySSLContext, the same from Python 3.6 on. */
typedef struct {
    PyObject_HEAD
    PyObject *socket;
    Ssl *ssl;
    PyObject *context;
} Layout;

typedef struct {
    PyObject_HEAD
    void *context;
} ContextLayout;

static int
find_functions(OpenSsl *openssl, void *library)
{
#define FIND(result, name, arguments) \
    *(void **)&openssl->name = dlsym(library, #name); \
    is_complete = is_complete && openssl->name != NULL;
#define TRY(result, name, arguments) *(void **)&openssl->name = dlsym(library, #name);
    int is_complete = 1;

    SYNCWS_OPENSSL_FUNCTIONS(FIND)
    SYNCWS_OPENSSL_EXTRAS(TRY)
    return is_complete;
#undef FIND
#undef TRY
}

/* Tell whether these functions are those of the OpenSSL that `_ssl` works with. */
static int
is_its_openssl(const OpenSsl *openssl, PyObject *module)
{
    PyObject *version = PyObject_GetAttrString(module, "OPENSSL_VERSION");
    const char *expected = version == NULL ? NULL : PyUnicode_AsUTF8(version);
    const char *found = openssl->OpenSSL_version(0);
    int is_same = expected != NULL && found != NULL && strcmp(expected, found) == 0
        && strncmp(expected, "OpenSSL ", strlen("OpenSSL ")) == 0;

    Py_XDECREF(version);
    return is_same;
}

static int
make_method(OpenSsl *openssl)
{
    openssl->method = openssl->BIO_meth_new(BIO_TYPE, "syncws");
    return openssl->method != NULL && syncws_bio_use(openssl->BIO_get_data)
        && openssl->BIO_meth_set_read(openssl->method, syncws_bio_read)
        && openssl->BIO_meth_set_write(openssl->method, syncws_bio_write)
        && openssl->BIO_meth_set_ctrl(openssl->method, syncws_bio_control);
}

/* Load the functions through the very file that Python's ssl was loaded from, which leads to its OpenSSL. */
static void
load(OpenSsl *openssl, PyObject *module)
{
    PyObject *file = PyModule_GetFilenameObject(module), *path = NULL;
    void *library = NULL;

    if (file != NULL && PyUnicode_FSConverter(file, &path)) {
        library = dlopen(PyBytes_AS_STRING(path), RTLD_LAZY | RTLD_NOLOAD);
    }
    if (library != NULL) {
        if (!find_functions(openssl, library) || !is_its_openssl(openssl, module) || !make_method(openssl)) {
            if (openssl->method != NULL) {
                openssl->BIO_meth_free(openssl->method);
            }
            openssl->method = NULL;
        }
        /* The module keeps it, and an interpreter keeps its modules' files loaded for good. */
        dlclose(library);
    }
    Py_XDECREF(path);
    Py_XDECREF(file);
    PyErr_Clear();
}

/* Return the functions; NULL where they are not all there. `module` is _ssl. */
const OpenSsl *
syncws_openssl(State *state, PyObject *module)
{
    if (state->openssl == NULL) {
        state->openssl = PyMem_Calloc(1, sizeof(OpenSsl));
        if (state->openssl != NULL) {
            load(state->openssl, module);
        }
    }
    return state->openssl != NULL && state->openssl->method != NULL ? state->openssl : NULL;
}

void
syncws_free_openssl(State *state)
{
    if (state->openssl != NULL && state->openssl->method != NULL) {
        state->openssl->BIO_meth_free(state->openssl->method);
    }
    PyMem_Free(state->openssl);
    state->openssl = NULL;
}

/* Tell whether `object` is of the type `name` of the module, exactly or (with `is_exact` 0) by inheritance. */
static int
is_of(PyObject *object, PyObject *module, const char *name, size_t size, int is_exact)
{
    PyObject *type = PyObject_GetAttrString(module, name);
    int is_so = type != NULL && PyType_Check(type) && (size_t)((PyTypeObject *)type)->tp_basicsize >= size
        && (Py_TYPE(object) == (PyTypeObject *)type
            || (!is_exact && PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)type)));

    Py_XDECREF(type);
    return is_so;
}

/* Return the OpenSSL connection of `engine`, what an ssl.SSLObject is around; NULL where anything does not fit. */
Ssl *
syncws_find_ssl(const OpenSsl *openssl, PyObject *engine, PyObject *module)
{
    const Layout *layout = (const Layout *)engine;
    PyObject *context;
    Ssl *ssl = NULL;

    if (!is_of(engine, module, "_SSLSocket", sizeof(Layout), 1)) {
        PyErr_Clear();
        return NULL;
    }
    context = PyObject_GetAttrString(engine, "context");
    /* One that is on a socket has a reference to that in the first field. */
    if (context != NULL && layout->socket == NULL && layout->context == context && layout->ssl != NULL
        && is_of(context, module, "_SSLContext", sizeof(ContextLayout), 0)
        && openssl->SSL_get_SSL_CTX(layout->ssl) == ((const ContextLayout *)context)->context
        && !openssl->SSL_in_init(layout->ssl)) {
        ssl = layout->ssl;
    }
    Py_XDECREF(context);
    PyErr_Clear();
    return ssl;
}

#endif
