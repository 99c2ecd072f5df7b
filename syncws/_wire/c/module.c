/* The module syncws._wire._speedups: what it holds, and what belongs to each interpreter's copy of it. */

#include "speedups.h"

/* Changes with what Python's side expects, so that a build that was left behind is not taken: see accelerated.py. */
enum { FORM = 20 };

State *
syncws_state(PyObject *module)
{
    return PyModule_GetState(module);
}

static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);

    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int
execute(PyObject *module)
{
    State *state = syncws_state(module);

    if ((state->zero = PyLong_FromLong(0)) == NULL
        || (state->clock_name = PyUnicode_InternFromString("clock")) == NULL
        || (state->stock_name = PyUnicode_InternFromString("_stock")) == NULL
        || (state->new_key_name = PyUnicode_InternFromString("new_key")) == NULL
        || (state->fileno_name = PyUnicode_InternFromString("fileno")) == NULL
        || (state->append_name = PyUnicode_InternFromString("append")) == NULL
        || (state->popleft_name = PyUnicode_InternFromString("popleft")) == NULL
        || (state->handlers_name = PyUnicode_InternFromString("handlers")) == NULL
        || (state->event_name = PyUnicode_InternFromString("_message_received_event")) == NULL
        || (state->write_name = PyUnicode_InternFromString("_write")) == NULL
        || (state->write_text_name = PyUnicode_InternFromString("_write_text")) == NULL
        || (state->is_discarding_name = PyUnicode_InternFromString("is_discarding")) == NULL
        || (state->control_name = PyUnicode_InternFromString("_control")) == NULL
        || (state->kind_name = PyUnicode_InternFromString("_message_type")) == NULL
        || (state->assembler_type = add_type(module, &syncws_assembler_spec)) == NULL
        || (state->message_type = add_type(module, &syncws_message_spec)) == NULL
        || (state->reader_type = add_type(module, &syncws_reader_spec)) == NULL
        || (state->writer_type = add_type(module, &syncws_writer_spec)) == NULL
        || (state->meter_type = add_type(module, &syncws_meter_spec)) == NULL
        || (state->sender_type = add_type(module, &syncws_sender_spec)) == NULL
        || (state->stream_type = add_type(module, &syncws_stream_spec)) == NULL
        || (state->latest_type = add_type(module, &syncws_latest_spec)) == NULL
        || (state->tally_type = add_type(module, &syncws_tally_spec)) == NULL
        || (state->at_hand_type = add_type(module, &syncws_at_hand_spec)) == NULL
        || (state->way_type = add_type(module, &syncws_way_spec)) == NULL
        || (state->memory_type = add_type(module, &syncws_memory_spec)) == NULL
        || (state->ascii_type = add_type(module, &syncws_ascii_spec)) == NULL
        || (state->buffer_type = add_type(module, &syncws_buffer_spec)) == NULL) {
        return -1;
    }
#if SYNCWS_HAS_TLS
    if ((state->tls_type = add_type(module, &syncws_tls_spec)) == NULL) {
        return -1;
    }
#endif
    return PyModule_AddIntConstant(module, "MUCH_BYTES", SYNCWS_MUCH_BYTES) < 0
                   || PyModule_AddIntConstant(module, "SCANNED_BYTES", SYNCWS_SCANNED_BYTES) < 0
               ? -1
               : PyModule_AddIntConstant(module, "FORM", FORM);
}

/* Every reference that State holds, by its field: the collector must know of it, and at the end it is let go. */
#define EACH_REFERENCE(DO) \
    DO(assembler_type) DO(message_type) DO(reader_type) DO(message_class) DO(reader_class) DO(encoding) \
    DO(byte_order) DO(options) DO(fresh) DO(writer_type) DO(writer_in_python) DO(writer_class) DO(stream_class) \
    DO(meter_type) DO(sender_type) DO(stream_type) DO(latest_type) DO(tally_type) DO(at_hand_type) DO(way_type) \
    DO(memory_type) DO(ascii_type) DO(buffer_type) DO(tls_type) DO(clocks) DO(monotonic) DO(clock_name) DO(keys) \
    DO(stock) DO(stock_name) DO(new_key_name) DO(zero) DO(fileno_name) DO(socket_class) DO(append_name) \
    DO(popleft_name) DO(handlers_name) DO(event_name) DO(write_name) DO(write_text_name) DO(is_discarding_name) \
    DO(control_name) DO(kind_name)

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = syncws_state(module);

#define VISIT(field) Py_VISIT(state->field);
    EACH_REFERENCE(VISIT)
#undef VISIT
    return 0;
}

static int
clear(PyObject *module)
{
    State *state = syncws_state(module);

    /* Their classes are needed for that. */
    syncws_drop(&state->messages);
    syncws_drop(&state->readers);
    syncws_drop(&state->streams);
    syncws_drop(&state->writers);
    syncws_drop(&state->buffers);
#define CLEAR(field) Py_CLEAR(state->field);
    EACH_REFERENCE(CLEAR)
#undef CLEAR
    return 0;
}

static void
free_module(void *module)
{
    clear(module);
    PyMem_Free(syncws_state(module)->frame);
#if SYNCWS_HAS_TLS
    syncws_free_openssl(syncws_state(module));
#endif
}

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL

static PyMethodDef methods[] = {
    {"make_room", syncws_make_room, METH_O, "See syncws._wire.masking.make_room."},
    {"mask_into", FAST(syncws_mask_into_room), "See syncws._wire.masking.mask_into."},
    {"masked_frame", FAST(syncws_masked_frame), "See syncws._wire.frames.masked_frame."},
    {"decode_utf8", FAST(syncws_decode_utf8), "See syncws._wire.utf8.decode_utf8."},
    {"receive_small", FAST(syncws_receive_small), "See syncws._net.transport."},
    {"receive_much", FAST(syncws_receive_much), "See syncws._net.transport."},
    {"join", FAST(syncws_join), "See syncws._wire.frame_decoder."},
    {"scan", FAST(syncws_scan), "See syncws._wire.scanning.scan."},
    {"scan_fragmented", FAST(syncws_scan_fragmented), "See syncws._wire.scanning.scan_fragmented."},
    {"call_handlers", FAST(syncws_call_handlers), "See syncws._connection.receiving.batch.call_handlers."},
    {"use_message", syncws_use_message, METH_O, "Tell what handlers get: see syncws.event_args."},
    {"use_reader", syncws_use_reader, METH_VARARGS, "Tell what messages' readers are: see syncws._streams.data_reader."},
    {"use_writer", syncws_use_writer, METH_VARARGS, "Tell what new writers are: see syncws._streams.data_writer."},
    {"use_stream", syncws_use_stream, METH_O, "Tell what LatestStream makes: see syncws._streams.output_stream."},
    {"use_clock", syncws_use_clock, METH_O, "Tell MeterFields where the clock is."},
    {"use_keys", syncws_use_keys, METH_O, "Tell AtOnce where the mask keys are."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef syncws_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "syncws._wire._speedups",
    .m_doc = "The compiled form of a few functions and base classes; see syncws._wire.accelerated.",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_module,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&syncws_definition);
}
