/* The module syncws._wire._speedups: what it holds, and what belongs to each interpreter's copy of it. */

#include "speedups.h"

/* Changes with what Python's side expects, so that a build that was left behind is not taken: see accelerated.py. */
enum { FORM = 18 };

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
        || (state->fields_type = add_type(module, &syncws_fields_spec)) == NULL
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

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = syncws_state(module);

    Py_VISIT(state->assembler_type);
    Py_VISIT(state->message_type);
    Py_VISIT(state->fields_type);
    Py_VISIT(state->message_class);
    Py_VISIT(state->reader_class);
    Py_VISIT(state->encoding);
    Py_VISIT(state->byte_order);
    Py_VISIT(state->options);
    Py_VISIT(state->fresh);
    Py_VISIT(state->writer_type);
    Py_VISIT(state->writer_in_python);
    Py_VISIT(state->writer_class);
    Py_VISIT(state->stream_class);
    Py_VISIT(state->meter_type);
    Py_VISIT(state->sender_type);
    Py_VISIT(state->stream_type);
    Py_VISIT(state->latest_type);
    Py_VISIT(state->tally_type);
    Py_VISIT(state->at_hand_type);
    Py_VISIT(state->way_type);
    Py_VISIT(state->memory_type);
    Py_VISIT(state->ascii_type);
    Py_VISIT(state->buffer_type);
    Py_VISIT(state->tls_type);
    Py_VISIT(state->clocks);
    Py_VISIT(state->monotonic);
    Py_VISIT(state->clock_name);
    Py_VISIT(state->keys);
    Py_VISIT(state->stock);
    Py_VISIT(state->stock_name);
    Py_VISIT(state->new_key_name);
    Py_VISIT(state->zero);
    Py_VISIT(state->fileno_name);
    Py_VISIT(state->socket_class);
    Py_VISIT(state->append_name);
    Py_VISIT(state->popleft_name);
    Py_VISIT(state->handlers_name);
    Py_VISIT(state->event_name);
    Py_VISIT(state->write_name);
    Py_VISIT(state->write_text_name);
    Py_VISIT(state->is_discarding_name);
    Py_VISIT(state->control_name);
    Py_VISIT(state->kind_name);
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
    Py_CLEAR(state->assembler_type);
    Py_CLEAR(state->message_type);
    Py_CLEAR(state->fields_type);
    Py_CLEAR(state->message_class);
    Py_CLEAR(state->reader_class);
    Py_CLEAR(state->encoding);
    Py_CLEAR(state->byte_order);
    Py_CLEAR(state->options);
    Py_CLEAR(state->fresh);
    Py_CLEAR(state->writer_type);
    Py_CLEAR(state->writer_in_python);
    Py_CLEAR(state->writer_class);
    Py_CLEAR(state->stream_class);
    Py_CLEAR(state->meter_type);
    Py_CLEAR(state->sender_type);
    Py_CLEAR(state->stream_type);
    Py_CLEAR(state->latest_type);
    Py_CLEAR(state->tally_type);
    Py_CLEAR(state->at_hand_type);
    Py_CLEAR(state->way_type);
    Py_CLEAR(state->memory_type);
    Py_CLEAR(state->ascii_type);
    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->tls_type);
    Py_CLEAR(state->clocks);
    Py_CLEAR(state->monotonic);
    Py_CLEAR(state->clock_name);
    Py_CLEAR(state->keys);
    Py_CLEAR(state->stock);
    Py_CLEAR(state->stock_name);
    Py_CLEAR(state->new_key_name);
    Py_CLEAR(state->zero);
    Py_CLEAR(state->fileno_name);
    Py_CLEAR(state->socket_class);
    Py_CLEAR(state->append_name);
    Py_CLEAR(state->popleft_name);
    Py_CLEAR(state->handlers_name);
    Py_CLEAR(state->event_name);
    Py_CLEAR(state->write_name);
    Py_CLEAR(state->write_text_name);
    Py_CLEAR(state->is_discarding_name);
    Py_CLEAR(state->control_name);
    Py_CLEAR(state->kind_name);
    return 0;
}

static void
free_module(void *module)
{
    clear(module);
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
    {"call_handlers", FAST(syncws_call_handlers), "See syncws._connection.receiving.receivers.call_handlers."},
    {"use_message", syncws_use_message, METH_O, "Tell what handlers get: see syncws.event_args."},
    {"use_reader", syncws_use_reader, METH_VARARGS, "Tell what get_data_reader() makes: see syncws.event_args."},
    {"use_writer", syncws_use_writer, METH_VARARGS, "Tell what a DataWriter begins with: see _streams.writer_fields."},
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
