/* A small VST3 effect for tests: gain, polarity, a delay, and trouble on demand.
 *
 *   -DLATENCY=n   delays by n samples      -DTOLD=n    and tells the host so (default: LATENCY)
 *   -DSTEREO      takes two channels only  -DREFUSE    offers nothing, as on too old a processor
 *
 * Written from the facts of the interface (see Steinberg's VST 3 SDK, MIT): tables of functions,
 * identifiers and records. One object is component, processor and controller. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LATENCY
#define LATENCY 0
#endif
#ifndef TOLD
#define TOLD LATENCY
#endif
#define HANG_S 2
#define OK 0
#define NO 1
#define NOT_IMPLEMENTED 3
#define NO_INTERFACE -1
#define MONO (1ull << 19)
#define TWO 3ull

typedef uint8_t Id[16];
typedef int16_t Text[128];
enum { GAIN, INVERT, TROUBLE, PARAMETERS };

#define WORD(w) (uint8_t)((w) >> 24), (uint8_t)((w) >> 16), (uint8_t)((w) >> 8), (uint8_t)(w)
#define ID(a, b, c, d) {WORD(a##u), WORD(b##u), WORD(c##u), WORD(d##u)}
static const Id UNKNOWN = ID(0x00000000, 0x00000000, 0xC0000000, 0x00000046);
static const Id BASE = ID(0x22888DDB, 0x156E45AE, 0x8358B348, 0x08190625);
static const Id FACTORY = ID(0x7A4D811C, 0x52114A1F, 0xAED9D2EE, 0x0B43BF9F);
static const Id COMPONENT = ID(0xE831FF31, 0xF2D54301, 0x928EBBEE, 0x25697802);
static const Id PROCESSOR = ID(0x42043F99, 0xB7DA453C, 0xA569E79D, 0x9AAEC33D);
static const Id CONTROLLER = ID(0xDCD7BBE3, 0x7742448D, 0xA874AACC, 0x979C759E);
static const Id OWN = ID(0x11223344, 0x55667788, 0x99AABBCC, 0xDDEEFF00);

typedef struct { char vendor[64], url[256], email[128]; int32_t flags; } FactoryInfo;
typedef struct { Id id; int32_t many; char category[32], name[64]; } ClassInfo;
typedef struct { int32_t type, direction, channels; Text name; int32_t kind; uint32_t flags; } BusInfo;
typedef struct {
    uint32_t id; Text title, short_title, units; int32_t steps; double start; int32_t unit, flags;
} ParameterInfo;
typedef struct { int32_t mode, size, most; double rate_hz; } Setup;
typedef struct { int32_t channels; uint64_t silent; float **samples; } Bus;
typedef struct Queue Queue;
struct Queue { struct {
    void *unknown[3];
    uint32_t (*id)(Queue *);
    int32_t (*count)(Queue *);
    int32_t (*point)(Queue *, int32_t, int32_t *, double *);
} *f; };
typedef struct Changes Changes;
struct Changes { struct {
    void *unknown[3]; int32_t (*count)(Changes *); Queue *(*queue)(Changes *, int32_t);
} *f; };
typedef struct Stream Stream;
struct Stream { struct {
    void *unknown[3];
    int32_t (*read)(Stream *, void *, int32_t, int32_t *);
    int32_t (*write)(Stream *, void *, int32_t, int32_t *);
} *f; };
typedef struct {
    int32_t mode, size, frames, inputs, outputs; Bus *in, *out; Changes *changes, *told;
    void *events, *told_events, *context;
} Data;

typedef struct {
    const void **component, **processor, **controller;
    int32_t references, channels;
    double values[PARAMETERS];
    float line[2][LATENCY + 1];
    int32_t at;
} Effect;

#define OF(face) ((Effect *)((char *)self - offsetof(Effect, face)))

static int same(const uint8_t *a, const Id b) { return !memcmp(a, b, 16); }

static int32_t query(Effect *e, const uint8_t *id, void **found) {
    *found = NULL;
    if (same(id, UNKNOWN) || same(id, BASE) || same(id, COMPONENT)) *found = &e->component;
    if (same(id, PROCESSOR)) *found = &e->processor;
    if (same(id, CONTROLLER)) *found = &e->controller;
    if (!*found) return NO_INTERFACE;
    e->references++;
    return OK;
}

static uint32_t drop(Effect *e) {
    uint32_t left = (uint32_t)--e->references;
    if (!left) free(e);
    return left;
}

#define FACE(face) \
    static int32_t face##_query(void *self, const uint8_t *id, void **found) { \
        return query(OF(face), id, found); } \
    static uint32_t face##_keep(void *self) { return (uint32_t)++OF(face)->references; } \
    static uint32_t face##_drop(void *self) { return drop(OF(face)); }
FACE(component)
FACE(processor)
FACE(controller)

static int32_t ok(void *self) { (void)self; return OK; }
static int32_t ok_pointer(void *self, void *context) { (void)self; (void)context; return OK; }
static int32_t not_implemented(void *self) { (void)self; return NOT_IMPLEMENTED; }
static void *no_view(void *self, const char *name) { (void)self; (void)name; return NULL; }

static void write_text(Text to, const char *from) {
    int k = 0;
    for (; from[k] && k < 127; k++) to[k] = from[k];
    to[k] = 0;
}

/* Component. */

static int32_t bus_count(void *self, int32_t type, int32_t direction) {
    (void)self; (void)direction;
    return type == 0;
}

static int32_t bus_info(void *self, int32_t type, int32_t direction, int32_t number, BusInfo *info) {
    if (type != 0 || number != 0) return NO;
    memset(info, 0, sizeof *info);
    info->direction = direction;
    info->channels = OF(component)->channels;
    info->flags = 1;
    write_text(info->name, direction ? "Output" : "Input");
    return OK;
}

static int32_t activate_bus(void *self, int32_t type, int32_t direction, int32_t number, uint8_t on) {
    (void)self; (void)type; (void)direction; (void)number; (void)on;
    return OK;
}

static int32_t set_active(void *self, uint8_t on) {
    Effect *e = OF(component);
    if (on) { memset(e->line, 0, sizeof e->line); e->at = 0; }
    return OK;
}

static int32_t restore(Effect *e, Stream *stream) {
    char mark[4] = "";
    double values[PARAMETERS];
    int32_t got = 0;
    stream->f->read(stream, mark, 4, &got);
    if (got != 4 || memcmp(mark, "TINY", 4)) return NO;
    stream->f->read(stream, values, sizeof values, &got);
    if (got != sizeof values) return NO;
    memcpy(e->values, values, sizeof values);
    return OK;
}

static int32_t component_set_state(void *self, Stream *stream) {
    return restore(OF(component), stream);
}

static int32_t component_get_state(void *self, Stream *stream) {
    Effect *e = OF(component);
    int32_t wrote = 0;
    stream->f->write(stream, "TINY", 4, &wrote);
    return stream->f->write(stream, e->values, sizeof e->values, &wrote);
}

/* Processor. */

static int32_t set_arrangements(void *self, uint64_t *in, int32_t ins, uint64_t *out, int32_t outs) {
    if (ins != 1 || outs != 1 || in[0] != out[0]) return NO;
#ifdef STEREO
    if (in[0] != TWO) return NO;
#endif
    if (in[0] != MONO && in[0] != TWO) return NO;
    OF(processor)->channels = in[0] == MONO ? 1 : 2;
    return OK;
}

static int32_t get_arrangement(void *self, int32_t direction, int32_t number, uint64_t *found) {
    (void)direction;
    if (number) return NO;
    *found = OF(processor)->channels == 1 ? MONO : TWO;
    return OK;
}

static int32_t can_process(void *self, int32_t size) { (void)self; return size == 0 ? OK : NO; }
static uint32_t latency(void *self) { (void)self; return TOLD; }
static int32_t set_up(void *self, Setup *setup) { (void)self; (void)setup; return OK; }
static int32_t set_processing(void *self, uint8_t on) { (void)self; (void)on; return OK; }
static uint32_t tail(void *self) { (void)self; return 0; }

static void follow(Effect *e, Changes *changes) {
    if (!changes) return;
    for (int32_t k = 0; k < changes->f->count(changes); k++) {
        Queue *queue = changes->f->queue(changes, k);
        int32_t offset, points = queue->f->count(queue);
        uint32_t id = queue->f->id(queue);
        double value;
        if (id < PARAMETERS && points && !queue->f->point(queue, points - 1, &offset, &value))
            e->values[id] = value;
    }
}

static int32_t process(void *self, Data *data) {
    Effect *e = OF(processor);
    follow(e, data->changes);
    if (!data->frames || !data->inputs || !data->outputs) return OK;
    int trouble = (int)lrint(3.0 * e->values[TROUBLE]);
    if (trouble == 1) sleep(HANG_S);
    if (trouble == 2) *(volatile int *)16 = 1;
    float gain = (float)pow(10.0, (48.0 * e->values[GAIN] - 24.0) / 20.0);
    if (e->values[INVERT] > 0.5) gain = -gain;
    if (trouble == 3) gain = NAN;
    int32_t at = e->at;
    for (int32_t c = 0; c < data->out[0].channels && c < 2; c++) {
        const float *x = data->in[0].samples[c];
        float *y = data->out[0].samples[c];
        at = e->at;
        for (int32_t i = 0; i < data->frames; i++) {
            e->line[c][at] = x[i];
            at = (at + 1) % (LATENCY + 1);
            y[i] = gain * e->line[c][at];
        }
    }
    e->at = at;
    data->out[0].silent = 0;
    return OK;
}

/* Controller. */

static int32_t set_component_state(void *self, Stream *stream) {
    return restore(OF(controller), stream);
}
static int32_t parameter_count(void *self) { (void)self; return PARAMETERS; }

static int32_t parameter_info(void *self, int32_t number, ParameterInfo *info) {
    static const char *titles[] = {"Gain", "Invert", "Trouble"};
    (void)self;
    if (number < 0 || number >= PARAMETERS) return NO;
    memset(info, 0, sizeof *info);
    info->id = (uint32_t)number;
    info->flags = 1;
    info->start = number == GAIN ? 0.5 : 0.0;
    info->steps = number == INVERT ? 1 : 0;
    write_text(info->title, titles[number]);
    write_text(info->units, number == GAIN ? "dB" : "");
    return OK;
}

static int32_t shown(void *self, uint32_t id, double value, Text to) {
    char text[32];
    (void)self;
    if (id == GAIN) snprintf(text, sizeof text, "%.2f", 48.0 * value - 24.0);
    else if (id == INVERT) strcpy(text, value > 0.5 ? "On" : "Off");
    else snprintf(text, sizeof text, "%.2f", 3.0 * value);
    write_text(to, text);
    return OK;
}

static int32_t not_read(void *self, uint32_t id, int16_t *text, double *value) {
    (void)self; (void)id; (void)text; (void)value;
    return NOT_IMPLEMENTED;
}
static double as_it_is(void *self, uint32_t id, double value) { (void)self; (void)id; return value; }
static double get_value(void *self, uint32_t id) {
    return id < PARAMETERS ? OF(controller)->values[id] : 0.0;
}
static int32_t set_value(void *self, uint32_t id, double value) {
    if (id >= PARAMETERS) return NO;
    OF(controller)->values[id] = value;
    return OK;
}

static const void *COMPONENT_TABLE[] = {
    component_query, component_keep, component_drop, ok_pointer, ok, not_implemented, ok, bus_count,
    bus_info, not_implemented, activate_bus, set_active, component_set_state, component_get_state};
static const void *PROCESSOR_TABLE[] = {
    processor_query, processor_keep, processor_drop, set_arrangements, get_arrangement, can_process,
    latency, set_up, set_processing, process, tail};
static const void *CONTROLLER_TABLE[] = {
    controller_query, controller_keep, controller_drop, ok_pointer, ok, set_component_state,
    ok_pointer, ok_pointer, parameter_count, parameter_info, shown, not_read, as_it_is, as_it_is,
    get_value, set_value, ok_pointer, no_view};

/* Factory. */

static int32_t factory_query(void *self, const uint8_t *id, void **found) {
    *found = same(id, UNKNOWN) || same(id, FACTORY) ? self : NULL;
    return *found ? OK : NO_INTERFACE;
}
static uint32_t one(void *self) { (void)self; return 1; }

static int32_t factory_info(void *self, FactoryInfo *info) {
    (void)self;
    memset(info, 0, sizeof *info);
    strcpy(info->vendor, "rtaudio tests");
    return OK;
}

static int32_t class_info(void *self, int32_t number, ClassInfo *info) {
    (void)self;
    if (number) return NO;
    memset(info, 0, sizeof *info);
    memcpy(info->id, OWN, 16);
    info->many = 0x7FFFFFFF;
    strcpy(info->category, "Audio Module Class");
    strcpy(info->name, "Tiny");
    return OK;
}

static int32_t create(void *self, const uint8_t *id, const uint8_t *face, void **made) {
    (void)self;
    *made = NULL;
    if (!same(id, OWN)) return NO;
    Effect *e = calloc(1, sizeof *e);
    e->component = COMPONENT_TABLE;
    e->processor = PROCESSOR_TABLE;
    e->controller = CONTROLLER_TABLE;
    e->channels = 2;
    e->values[GAIN] = 0.5;
    e->references = 1;
    int32_t answer = query(e, face, made);
    drop(e);
    return answer;
}

static const void *FACTORY_TABLE[] = {
    factory_query, one, one, factory_info, one, class_info, create};
static const void **factory = FACTORY_TABLE;

void *GetPluginFactory(void) {
#ifdef REFUSE
    return NULL;
#endif
    return &factory;
}
uint8_t ModuleEntry(void *handle) { (void)handle; return 1; }
uint8_t ModuleExit(void) { return 1; }
