/* What OpenSSL reads and writes: a socket that never waits, and memory for what that does not take. Nothing here
 * touches Python, so all of it may run without the GIL; one thread at a time. */

#include "tls.h"

#if SYNCWS_HAS_TLS

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* OpenSSL's numbers. */
enum { BIO_FLAGS_READ = 1, BIO_FLAGS_RWS = 7, BIO_FLAGS_SHOULD_RETRY = 8 };
enum { BIO_CTRL_EOF = 2, BIO_CTRL_FLUSH = 11 };
enum { SSL_ERROR_WANT_READ = 2, SSL_ERROR_WANT_WRITE = 3, SSL_ERROR_ZERO_RETURN = 6 };

/* Memory for what is to be sent begins with this. */
enum { LEAST_OUT_BYTES = 2048 };

/* BIO_get_data: a BIO's functions are given nothing else to find it by. The same for all interpreters of a process. */
static BioData data_of;

/* Return whether BIOs with the functions below can be made by this OpenSSL. */
int
syncws_bio_use(BioData function)
{
    if (data_of == NULL) {
        data_of = function;
    }
    return data_of == function;
}

static int
take_leftover(Tls *self, char *room, int size)
{
    Py_ssize_t left = PyBytes_GET_SIZE(self->leftover) - self->leftover_position;
    int count = left < size ? (int)left : size;

    if (count == 0) {
        return -1;
    }
    memcpy(room, PyBytes_AS_STRING(self->leftover) + self->leftover_position, (size_t)count);
    self->leftover_position += count;
    return count;
}

static int
receive(Tls *self, char *room, int size)
{
    ssize_t count;

    if (size > self->most) {
        size = (int)self->most;
    }
    count = recv(self->descriptor, room, (size_t)size, MSG_DONTWAIT);
    if (count < 0) {
        self->is_drained = 1;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            self->number = errno;
        }
        return -1;
    }
    self->is_at_end = count == 0;
    /* Less than there was room for is all that there is: asking again would only cost a call. */
    self->is_drained = count < size;
    self->received += count;
    self->budget -= count;
    return (int)count;
}

int
syncws_bio_read(Bio *bio, char *room, int size)
{
    Tls *self = data_of(bio);
    int count = -1;

    if (self == NULL || size <= 0) {
        return 0;
    }
    self->openssl->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (self->is_at_end) {
        return 0;
    }
    if (!self->is_drained && self->leftover != NULL) {
        count = take_leftover(self, room, size);
    }
    if (count < 0 && !self->is_drained && self->budget > 0) {
        count = receive(self, room, size);
    }
    if (count < 0 && self->number == 0) {
        self->openssl->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
    }
    return count;
}

/* Have memory for so many bytes more behind what is to be sent. */
static int
make_room(Tls *self, size_t count)
{
    size_t used = self->out_end - self->out_start, size = self->out_size;
    unsigned char *out;

    if (self->out_start) {
        memmove(self->out, self->out + self->out_start, used);
        self->out_start = 0;
        self->out_end = used;
    }
    if (used + count <= size) {
        return 0;
    }
    size = size < LEAST_OUT_BYTES ? LEAST_OUT_BYTES : size;
    while (size < used + count) {
        size *= 2;
    }
    out = realloc(self->out, size);
    if (out == NULL) {
        return -1;
    }
    self->out = out;
    self->out_size = size;
    return 0;
}

/* Put ciphertext behind what is to be sent; -1 where there is no memory for it. */
int
syncws_tls_put_out(Tls *self, const char *data, size_t size)
{
    if (size > self->out_size - self->out_end && make_room(self, size) < 0) {
        return -1;
    }
    memcpy(self->out + self->out_end, data, size);
    self->out_end += size;
    return 0;
}

/* All is taken, so what was encrypted is out of OpenSSL's hands; syncws_tls_push_out() sends it. */
int
syncws_bio_write(Bio *bio, const char *data, int size)
{
    Tls *self = data_of(bio);

    if (self == NULL || size <= 0) {
        return 0;
    }
    self->openssl->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    if (syncws_tls_put_out(self, data, (size_t)size) < 0) {
        self->number = ENOMEM;
        return -1;
    }
    return size;
}

long
syncws_bio_control(Bio *bio, int command, long Py_UNUSED(number), void *Py_UNUSED(argument))
{
    const Tls *self = data_of(bio);

    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return self != NULL && self->is_at_end;
    default:
        return 0;
    }
}

/* Send what waits for it, as much as goes now; return -1 when the system refuses. */
int
syncws_tls_push_out(Tls *self)
{
    ssize_t count;

    if (self->out_start == self->out_end) {
        return 0;
    }
    count = send(self->descriptor, self->out + self->out_start, self->out_end - self->out_start,
        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
            return 0;
        }
        self->sending.kind = REFUSED_BY_SYSTEM;
        self->sending.code = (unsigned long)errno;
        return -1;
    }
    self->sent += count;
    self->out_start += (size_t)count;
    if (self->out_start == self->out_end) {
        self->out_start = self->out_end = 0;
    }
    return 0;
}

/* Note why OpenSSL has returned `result`; return whether it only wants to be called again later. */
static int
note_failure(Tls *self, int result, Failure *failure)
{
    int error = self->openssl->SSL_get_error(self->ssl, result);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return 1;
    }
    if (self->number) {
        failure->kind = REFUSED_BY_SYSTEM;
        failure->code = (unsigned long)self->number;
    }
    else if (error == SSL_ERROR_ZERO_RETURN || self->is_at_end) {
        failure->kind = ENDED;
    }
    else {
        failure->kind = REFUSED_BY_TLS;
        failure->code = self->openssl->ERR_peek_last_error();
    }
    self->openssl->ERR_clear_error();
    return 0;
}

/* Read the records that are there, as far as `room` goes; what ends reading is noted, and told by the next call. */
Py_ssize_t
syncws_tls_read(Tls *self, unsigned char *room, Py_ssize_t size)
{
    const OpenSsl *openssl = self->openssl;
    Py_ssize_t filled = 0;
    int count = 1, is_empty = 0;

    self->number = self->is_drained = 0;
    self->has_buffered = 1;
    while (filled < size && !is_empty) {
        openssl->ERR_clear_error();
        count = openssl->SSL_read(self->ssl, room + filled, size - filled > INT_MAX ? INT_MAX : (int)(size - filled));
        if (count <= 0) {
            break;
        }
        filled += count;
        /* A new handshake that the peer asks for begins with the first call that finds nothing else. */
        is_empty = self->is_drained && !openssl->SSL_has_pending(self->ssl)
            && !openssl->SSL_renegotiate_pending(self->ssl);
    }
    if (count <= 0) {
        is_empty = note_failure(self, count, &self->reading) && self->is_drained;
    }
    self->has_buffered = !is_empty;
    return filled;
}

/* Encrypt and send as much of `data` as goes; what was encrypted counts as taken. -1: see `sending`. */
Py_ssize_t
syncws_tls_write(Tls *self, const unsigned char *data, Py_ssize_t size)
{
    const OpenSsl *openssl = self->openssl;
    Py_ssize_t taken = 0;
    int count;

    self->number = 0;
    /* Whoever sends must not receive: who reads would wait for what has come already. */
    self->is_drained = 1;
    if (syncws_tls_push_out(self) < 0) {
        return -1;
    }
    if (self->out_start != self->out_end) {
        return 0;
    }
    while (taken < size) {
        openssl->ERR_clear_error();
        count = openssl->SSL_write(self->ssl, data + taken, size - taken > INT_MAX ? INT_MAX : (int)(size - taken));
        if (count <= 0) {
            /* Else a renegotiation of TLS 1.2, in which the peer's next bytes must come first. */
            if (!note_failure(self, count, &self->sending)) {
                return -1;
            }
            break;
        }
        taken += count;
    }
    return syncws_tls_push_out(self) < 0 ? -1 : taken;
}

/* Put close_notify to what is to be sent; the peer's is not waited for. */
void
syncws_tls_say_goodbye(Tls *self)
{
    self->number = 0;
    self->is_drained = 1;
    self->openssl->ERR_clear_error();
    self->openssl->SSL_shutdown(self->ssl);
    self->openssl->ERR_clear_error();
}

#endif
