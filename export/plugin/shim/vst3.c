/* VST3: one object that is component, processor and controller. Written from the interface's
   facts: the order of its functions, the sizes of its records. */

#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#define CALL __stdcall
enum { OK = 0, NO = 1, INVALID = (int)0x80070057, NOT_DONE = (int)0x80004001,
       NO_INTERFACE = (int)0x80004002 };
#define UID(a, b, c, d) \
    {LITTLE(a), (b) >> 16 & 255, (b) >> 24 & 255, (b) & 255, (b) >> 8 & 255, BIG(c), BIG(d)}
#define LITTLE(w) (w) & 255, (w) >> 8 & 255, (w) >> 16 & 255, (w) >> 24 & 255
#else
#define CALL
enum { OK = 0, NO = 1, INVALID = 2, NOT_DONE = 3, NO_INTERFACE = -1 };
#define UID(a, b, c, d) {BIG(a), BIG(b), BIG(c), BIG(d)}
#endif
#define BIG(w) (w) >> 24 & 255, (w) >> 16 & 255, (w) >> 8 & 255, (w) & 255

typedef int32_t Result;
typedef unsigned char Uid[16];
typedef uint16_t Char16;

static const Uid UNKNOWN = UID(0u, 0u, 0xC0000000u, 0x00000046u),
                 BASE = UID(0x22888DDBu, 0x156E45AEu, 0x8358B348u, 0x08190625u),
                 FACTORY_1 = UID(0x7A4D811Cu, 0x52114A1Fu, 0xAED9D2EEu, 0x0B43BF9Fu),
                 FACTORY_2 = UID(0x0007B650u, 0xF24B4C0Bu, 0xA464EDB9u, 0xF00B2ABBu),
                 FACTORY_3 = UID(0x4555A2ABu, 0xC1234E57u, 0x9B122910u, 0x36878931u),
                 COMPONENT = UID(0xE831FF31u, 0xF2D54301u, 0x928EBBEEu, 0x25697802u),
                 PROCESSOR = UID(0x42043F99u, 0xB7DA453Cu, 0xA569E79Du, 0x9AAEC33Du),
                 CONTROLLER = UID(0xDCD7BBE3u, 0x7742448Du, 0xA874AACCu, 0x979C759Eu),
                 UNITS = UID(0x3D4BD6B5u, 0x913A4FD2u, 0xA886E768u, 0xA5EB92C1u);

/* Records. */

typedef struct {
    int32_t media, direction, channels;
    Char16 name[128];
    int32_t kind;
    uint32_t flags;
} BusInfo;

typedef struct {
    uint32_t id;
    Char16 title[128], short_title[128], unit[128];
    int32_t steps;
    double start;
    int32_t unit_id, flags;
} ParameterInfo;

typedef struct {
    int32_t id, parent;
    Char16 name[128];
    int32_t list;
} UnitInfo;

typedef struct {
    int32_t id;
    Char16 name[128];
    int32_t count;
} ListInfo;

typedef struct {
    int32_t mode, sample_size, most_frames;
    double rate_hz;
} Setup;

typedef struct {
    int32_t channels;
    uint64_t silence;
    float **samples;
} Buffers;

typedef struct {
    int32_t mode, sample_size, frames, input_count, output_count;
    Buffers *inputs, *outputs;
    struct Changes *changes, *out_changes;
    void *events, *out_events, *context;
} Data;

typedef struct {
    char vendor[64], url[256], email[128];
    int32_t flags;
} FactoryInfo;

typedef struct {
    Uid cid;
    int32_t cardinality;
    char category[32], name[64];
    uint32_t flags;
    char subcategories[128], vendor[64], version[64], sdk[64];
} ClassInfo; /* class info 1 ends before flags */

typedef struct {
    Uid cid;
    int32_t cardinality;
    char category[32];
    Char16 name[64];
    uint32_t flags;
    char subcategories[128];
    Char16 vendor[64], version[64], sdk[64];
} ClassInfoW;

_Static_assert(sizeof(BusInfo) == 276 && sizeof(ParameterInfo) == 792, "records of VST3");
_Static_assert(sizeof(FactoryInfo) == 452 && sizeof(ClassInfo) == 440, "records of VST3");
_Static_assert(sizeof(UnitInfo) == 268 && sizeof(ListInfo) == 264, "records of VST3");
_Static_assert(sizeof(ClassInfoW) == 696 && offsetof(ClassInfo, flags) == 116, "records of VST3");

/* What the host passes. */

typedef struct Stream {
    const struct {
        Result(CALL *query)(struct Stream *, const char *, void **);
        uint32_t(CALL *add)(struct Stream *);
        uint32_t(CALL *release)(struct Stream *);
        Result(CALL *read)(struct Stream *, void *, int32_t, int32_t *);
        Result(CALL *write)(struct Stream *, void *, int32_t, int32_t *);
    } *calls;
} Stream;

typedef struct Queue {
    const struct {
        void *unknown[3];
        uint32_t(CALL *id)(struct Queue *);
        int32_t(CALL *count)(struct Queue *);
        Result(CALL *point)(struct Queue *, int32_t, int32_t *, double *);
        Result(CALL *add_point)(struct Queue *, int32_t, double, int32_t *);
    } *calls;
} Queue;

typedef struct Changes {
    const struct {
        void *unknown[3];
        int32_t(CALL *count)(struct Changes *);
        Queue *(CALL *queue)(struct Changes *, int32_t);
        Queue *(CALL *add_queue)(struct Changes *, const uint32_t *, int32_t *);
    } *calls;
} Changes;

typedef struct Handler {
    const struct {
        Result(CALL *query)(struct Handler *, const char *, void **);
        uint32_t(CALL *add)(struct Handler *);
        uint32_t(CALL *release)(struct Handler *);
        Result(CALL *begin)(struct Handler *, uint32_t);
        Result(CALL *perform)(struct Handler *, uint32_t, double);
        Result(CALL *end)(struct Handler *, uint32_t);
        Result(CALL *restart)(struct Handler *, int32_t);
    } *calls;
} Handler;

/* The object: a host holds the address of one of its tables. */

typedef struct {
    const void *component, *processor, *controller, *units;
    int32_t references;
    Player player;
    double rate_hz;
    int inputs, outputs;
    int preset; /* the last one that was chosen */
    Handler *handler;
} Plugin;

enum { STEREO = 3, PARAMETERS_CHANGED = 4, ROOT = 0, NONE = -1, PROGRAMS = 1 };
enum { CAN_AUTOMATE = 1, IS_LIST = 2, IS_PROGRAM = 1 << 15, IS_BYPASS = 1 << 16 };
enum { PRESET_ID = 0x7FFFFFFE }; /* the parameter that chooses a factory preset */
static const uint64_t MONO = 1 << 19;

static Plugin *of_component(void *self) {
    return self;
}

static Plugin *of_processor(void *self) {
    return (Plugin *)((char *)self - offsetof(Plugin, processor));
}

static Plugin *of_controller(void *self) {
    return (Plugin *)((char *)self - offsetof(Plugin, controller));
}

static Plugin *of_units(void *self) {
    return (Plugin *)((char *)self - offsetof(Plugin, units));
}

static void wide(Char16 *to, const char *text, size_t size) {
    size_t k = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && k + 1 < size; k++) {
        uint32_t code = *p++;
        int more = code >= 0xE0 ? 2 : code >= 0xC0 ? 1 : 0;
        if (more) code &= more == 2 ? 15u : 31u;
        for (; more && *p; more--) code = code << 6 | (*p++ & 63u);
        to[k] = (Char16)code;
    }
    to[k] = 0;
}

static void narrow(char *to, const Char16 *text, size_t size) {
    size_t k = 0;
    for (; text[k] && k + 1 < size; k++) to[k] = text[k] < 128 ? (char)text[k] : '?';
    to[k] = 0;
}

static Result query(Plugin *self, const char *iid, void **object) {
    *object = NULL;
    if (!memcmp(iid, UNKNOWN, 16) || !memcmp(iid, BASE, 16) || !memcmp(iid, COMPONENT, 16))
        *object = &self->component;
    else if (!memcmp(iid, PROCESSOR, 16))
        *object = &self->processor;
    else if (!memcmp(iid, CONTROLLER, 16))
        *object = &self->controller;
    else if (!memcmp(iid, UNITS, 16) && preset_count > 1)
        *object = &self->units;
    if (*object == NULL) return NO_INTERFACE;
    __atomic_add_fetch(&self->references, 1, __ATOMIC_RELAXED);
    return OK;
}

static uint32_t release(Plugin *self) {
    int32_t left = __atomic_sub_fetch(&self->references, 1, __ATOMIC_ACQ_REL);
    if (left == 0) {
        if (self->handler != NULL) self->handler->calls->release(self->handler);
        player_free(&self->player);
        free(self);
    }
    return (uint32_t)left;
}

#define UNKNOWN_CALLS(of)                                                         \
    static Result CALL of##_query(void *self, const char *iid, void **object) {   \
        return query(of(self), iid, object);                                      \
    }                                                                             \
    static uint32_t CALL of##_add(void *self) {                                   \
        return (uint32_t)__atomic_add_fetch(&of(self)->references, 1, __ATOMIC_RELAXED); \
    }                                                                             \
    static uint32_t CALL of##_release(void *self) { return release(of(self)); }

UNKNOWN_CALLS(of_component)
UNKNOWN_CALLS(of_processor)
UNKNOWN_CALLS(of_controller)
UNKNOWN_CALLS(of_units)

/* Component. Hosts of a single object call initialize and terminate twice. */

static Result CALL initialize(void *self, void *host) {
    (void)self, (void)host;
    return OK;
}

static Result CALL terminate(void *self) {
    (void)self;
    return OK;
}

static Result CALL controller_class(void *self, char *cid) {
    (void)self, (void)cid;
    return NOT_DONE;
}

static Result CALL set_io_mode(void *self, int32_t mode) {
    (void)self, (void)mode;
    return NOT_DONE;
}

static int32_t CALL bus_count(void *self, int32_t media, int32_t direction) {
    (void)self, (void)direction;
    return media == 0 ? 1 : 0;
}

static Result CALL bus_info(void *self, int32_t media, int32_t direction, int32_t index,
                            BusInfo *info) {
    Plugin *plugin = of_component(self);
    if (media != 0 || index != 0 || direction < 0 || direction > 1) return INVALID;
    memset(info, 0, sizeof *info);
    info->direction = direction;
    info->channels = direction == 0 ? plugin->inputs : plugin->outputs;
    wide(info->name, direction == 0 ? "Input" : "Output", 128);
    info->flags = 1;
    return OK;
}

static Result CALL routing_info(void *self, void *in, void *out) {
    (void)self, (void)in, (void)out;
    return NOT_DONE;
}

static Result CALL activate_bus(void *self, int32_t media, int32_t direction, int32_t index,
                                unsigned char state) {
    (void)self, (void)direction, (void)state;
    return media == 0 && index == 0 ? OK : INVALID;
}

static Result CALL set_active(void *self, unsigned char state) {
    Plugin *plugin = of_component(self);
    if (!state) return OK;
    return player_prepare(&plugin->player, plugin->rate_hz, plugin->inputs, plugin->outputs) ? OK
                                                                                             : NO;
}

enum { MOST_STATE_BYTES = 1 << 20 };

static Result CALL set_state(void *self, Stream *stream) {
    Plugin *plugin = of_component(self);
    if (stream == NULL) return INVALID;
    unsigned char *state = malloc(MOST_STATE_BYTES);
    if (state == NULL) return NO;
    int32_t size = 0, count = 0;
    while (size < MOST_STATE_BYTES) {
        count = 0;
        if (stream->calls->read(stream, state + size, MOST_STATE_BYTES - size, &count) != OK ||
            count <= 0)
            break;
        size += count;
    }
    bool known = state_read(&plugin->player, state, (size_t)size);
    free(state);
    if (known && plugin->handler != NULL)
        plugin->handler->calls->restart(plugin->handler, PARAMETERS_CHANGED);
    return known ? OK : NO;
}

static Result CALL get_state(void *self, Stream *stream) {
    Plugin *plugin = of_component(self);
    if (stream == NULL) return INVALID;
    int32_t size = (int32_t)state_bytes(), done = 0, count = 0;
    unsigned char *state = malloc((size_t)size);
    if (state == NULL) return NO;
    state_write(&plugin->player, state);
    while (done < size) {
        count = 0;
        if (stream->calls->write(stream, state + done, size - done, &count) != OK || count <= 0)
            break;
        done += count;
    }
    free(state);
    return done == size ? OK : NO;
}

/* Processor. */

static bool fits(int inputs, int outputs) {
    return inputs >= 1 && outputs >= inputs && outputs <= 2;
}

/* Hosts probe one side at a time, so mono in with stereo out is one of the three. */
static Result CALL set_arrangements(void *self, const uint64_t *ins, int32_t in_count,
                                    const uint64_t *outs, int32_t out_count) {
    Plugin *plugin = of_processor(self);
    if (in_count != 1 || out_count != 1) return NO;
    int inputs = ins[0] == MONO ? 1 : ins[0] == STEREO ? 2 : 0;
    int outputs = outs[0] == MONO ? 1 : outs[0] == STEREO ? 2 : 0;
    if (!fits(inputs, outputs)) return NO;
    plugin->inputs = inputs;
    plugin->outputs = outputs;
    return OK;
}

static Result CALL get_arrangement(void *self, int32_t direction, int32_t index, uint64_t *found) {
    Plugin *plugin = of_processor(self);
    if (index != 0) return INVALID;
    *found = (direction == 0 ? plugin->inputs : plugin->outputs) == 1 ? MONO : STEREO;
    return OK;
}

static Result CALL can_process(void *self, int32_t sample_size) {
    (void)self;
    return sample_size == 0 ? OK : NO;
}

static const Layout *layout_for(const Plugin *plugin, double rate_hz) {
    for (int k = 0; k < layout_count; k++)
        if (layouts[k].rate_hz == rate_hz && layouts[k].inputs == plugin->inputs &&
            layouts[k].outputs == plugin->outputs)
            return &layouts[k];
    return NULL;
}

static uint32_t CALL latency(void *self) {
    Plugin *plugin = of_processor(self);
    const Layout *layout = layout_for(plugin, plugin->rate_hz);
    return layout == NULL ? 0 : (uint32_t)layout->latency_samples;
}

static Result CALL setup_processing(void *self, const Setup *setup) {
    Plugin *plugin = of_processor(self);
    if (setup->sample_size != 0) return NO;
    plugin->rate_hz = setup->rate_hz;
    if (layout_for(plugin, setup->rate_hz) != NULL) return OK;
    char text[256];
    write_refusal(setup->rate_hz, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return NO;
}

static Result CALL set_processing(void *self, unsigned char state) {
    (void)self, (void)state;
    return OK;
}

static int preset_at(double normal) {
    int preset = (int)(normal * (preset_count - 1) + 0.5);
    return preset < 0 ? 0 : preset >= preset_count ? preset_count - 1 : preset;
}

/* Hosts send the preset that is there, too: then the values stay as they are. */
static bool choose_preset(Plugin *plugin, double normal) {
    if (preset_count < 2 || preset_at(normal) == plugin->preset) return false;
    plugin->preset = preset_at(normal);
    player_load(&plugin->player, plugin->preset);
    return true;
}

/* Tell the host the values of a preset that was chosen while it plays. */
static void tell_values(Plugin *plugin, Changes *changes) {
    for (int k = 0; changes != NULL && k < parameter_count; k++) {
        int32_t at = 0;
        Queue *queue = changes->calls->add_queue(changes, &parameters[k].id, &at);
        if (queue == NULL) continue;
        double normal = to_normal(&parameters[k], player_get(&plugin->player, k));
        queue->calls->add_point(queue, 0, normal, &at);
    }
}

/* Obey all points up to a frame; return the frame of the next one. */
static int32_t obey(Plugin *plugin, const Data *data, int32_t after, int32_t until) {
    Changes *changes = data->changes;
    int32_t next = data->frames, queues = changes == NULL ? 0 : changes->calls->count(changes);
    for (int32_t q = 0; q < queues; q++) {
        Queue *queue = changes->calls->queue(changes, q);
        int32_t points = queue == NULL ? 0 : queue->calls->count(queue), at = 0;
        uint32_t id = points ? queue->calls->id(queue) : 0;
        int index = parameter_of(id);
        double normal = 0.0;
        for (int32_t k = 0; k < points; k++) {
            if (queue->calls->point(queue, k, &at, &normal) != OK || at <= after) continue;
            if (at > until && at < data->frames)
                next = at < next ? at : next;
            else if (index >= 0)
                player_set(&plugin->player, index, from_normal(&parameters[index], normal));
            else if (id == PRESET_ID && choose_preset(plugin, normal))
                tell_values(plugin, data->out_changes);
        }
    }
    return next;
}

static Result CALL process(void *self, Data *data) {
    Plugin *plugin = of_processor(self);
    if (data->sample_size != 0) return INVALID;
    Buffers *in = data->input_count > 0 ? data->inputs : NULL;
    Buffers *out = data->output_count > 0 ? data->outputs : NULL;
    int ins = in == NULL || in->samples == NULL ? 0 : in->channels < 2 ? in->channels : 2;
    int outs = out == NULL || out->samples == NULL ? 0 : out->channels < 2 ? out->channels : 2;
    const float *from[2] = {NULL, NULL};
    float *to[2] = {NULL, NULL};
    int32_t done = 0, before = -1;
    do {
        int32_t next = obey(plugin, data, before, done);
        for (int c = 0; c < ins; c++) from[c] = in->samples[c] ? in->samples[c] + done : NULL;
        for (int c = 0; c < outs; c++) to[c] = out->samples[c] ? out->samples[c] + done : NULL;
        player_run(&plugin->player, from, ins, to, outs, next - done);
        before = done;
        done = next;
    } while (done < data->frames);
    if (out != NULL) out->silence = 0;
    return OK;
}

static uint32_t CALL tail(void *self) {
    Plugin *plugin = of_processor(self);
    int64_t samples = player_tail_samples(&plugin->player);
    return samples < 0 || samples > UINT32_MAX ? UINT32_MAX : (uint32_t)samples;
}

/* Controller. */

static Result CALL set_component_state(void *self, Stream *stream) {
    (void)self, (void)stream; /* it is this object's own */
    return OK;
}

static Result CALL no_state(void *self, Stream *stream) {
    (void)self, (void)stream;
    return NOT_DONE;
}

static int32_t CALL count_parameters(void *self) {
    (void)self;
    return parameter_count + (preset_count > 1);
}

static Result CALL parameter_info(void *self, int32_t index, ParameterInfo *info) {
    memset(info, 0, sizeof *info);
    if (index == parameter_count && preset_count > 1) {
        info->id = PRESET_ID;
        wide(info->title, "preset", 128);
        info->steps = preset_count - 1;
        info->flags = IS_LIST | IS_PROGRAM;
        return OK;
    }
    (void)self;
    if (index < 0 || index >= parameter_count) return INVALID;
    const Parameter *each = &parameters[index];
    info->id = each->id;
    wide(info->title, each->title, 128);
    wide(info->short_title, each->title, 128);
    wide(info->unit, each->unit, 128);
    info->steps = each->flags & SWITCH ? 1 : 0;
    info->start = to_normal(each, each->start);
    info->flags = CAN_AUTOMATE | (each->flags & BYPASS ? IS_BYPASS : 0);
    return OK;
}

static Result CALL text_of_value(void *self, uint32_t id, double normal, Char16 *text) {
    (void)self;
    int index = parameter_of(id);
    if (id == PRESET_ID && preset_count > 1) {
        wide(text, preset_names[preset_at(normal)], 128);
        return OK;
    }
    if (index < 0) return INVALID;
    char number[64];
    value_text(&parameters[index], from_normal(&parameters[index], normal), number, sizeof number);
    wide(text, number, 128);
    return OK;
}

static Result CALL value_of_text(void *self, uint32_t id, const Char16 *text, double *normal) {
    (void)self;
    int index = parameter_of(id);
    char number[128];
    double value;
    narrow(number, text, sizeof number);
    if (index < 0 || !text_value(&parameters[index], number, &value)) return NO;
    *normal = to_normal(&parameters[index], value);
    return OK;
}

static double CALL plain_of_normal(void *self, uint32_t id, double normal) {
    (void)self;
    int index = parameter_of(id);
    if (id == PRESET_ID) return preset_at(normal);
    return index < 0 ? normal : from_normal(&parameters[index], normal);
}

static double CALL normal_of_plain(void *self, uint32_t id, double value) {
    (void)self;
    int index = parameter_of(id);
    if (id == PRESET_ID) return preset_count > 1 ? value / (preset_count - 1) : 0.0;
    return index < 0 ? value : to_normal(&parameters[index], value);
}

static double CALL get_normal(void *self, uint32_t id) {
    int index = parameter_of(id);
    if (id == PRESET_ID && preset_count > 1)
        return (double)of_controller(self)->preset / (preset_count - 1);
    if (index < 0) return 0.0;
    return to_normal(&parameters[index], player_get(&of_controller(self)->player, index));
}

static Result CALL set_normal(void *self, uint32_t id, double normal) {
    int index = parameter_of(id);
    if (id == PRESET_ID) {
        Plugin *plugin = of_controller(self);
        if (choose_preset(plugin, normal) && plugin->handler != NULL)
            plugin->handler->calls->restart(plugin->handler, PARAMETERS_CHANGED);
        return OK;
    }
    if (index < 0) return INVALID;
    player_set(&of_controller(self)->player, index, from_normal(&parameters[index], normal));
    return OK;
}

static Result CALL set_handler(void *self, Handler *handler) {
    Plugin *plugin = of_controller(self);
    if (handler != NULL) handler->calls->add(handler);
    if (plugin->handler != NULL) plugin->handler->calls->release(plugin->handler);
    plugin->handler = handler;
    return OK;
}

static void *CALL create_view(void *self, const char *name) {
    (void)self, (void)name;
    return NULL;
}

/* Units: one, with the list of factory presets. */

static int32_t CALL one(void *self) {
    (void)self;
    return 1;
}

static Result CALL unit_info(void *self, int32_t index, UnitInfo *info) {
    (void)self;
    if (index != 0) return INVALID;
    memset(info, 0, sizeof *info);
    info->id = ROOT;
    info->parent = NONE;
    wide(info->name, plugin_name, 128);
    info->list = PROGRAMS;
    return OK;
}

static Result CALL list_info(void *self, int32_t index, ListInfo *info) {
    (void)self;
    if (index != 0) return INVALID;
    memset(info, 0, sizeof *info);
    info->id = PROGRAMS;
    wide(info->name, "presets", 128);
    info->count = preset_count;
    return OK;
}

static Result CALL program_name(void *self, int32_t list, int32_t index, Char16 *name) {
    (void)self;
    if (list != PROGRAMS || index < 0 || index >= preset_count) return INVALID;
    wide(name, preset_names[index], 128);
    return OK;
}

static Result CALL program_info(void *self, int32_t list, int32_t index, const char *attribute,
                                Char16 *value) {
    (void)self, (void)list, (void)index, (void)attribute;
    *value = 0;
    return NO;
}

static Result CALL has_pitch_names(void *self, int32_t list, int32_t index) {
    (void)self, (void)list, (void)index;
    return NO;
}

static Result CALL pitch_name(void *self, int32_t list, int32_t index, int16_t pitch,
                              Char16 *name) {
    (void)self, (void)list, (void)index, (void)pitch, (void)name;
    return NO;
}

static int32_t CALL selected_unit(void *self) {
    (void)self;
    return ROOT;
}

static Result CALL select_unit(void *self, int32_t unit) {
    (void)self;
    return unit == ROOT ? OK : NO;
}

static Result CALL unit_by_bus(void *self, int32_t media, int32_t direction, int32_t bus,
                               int32_t channel, int32_t *unit) {
    (void)self, (void)media, (void)direction, (void)bus, (void)channel;
    *unit = ROOT;
    return OK;
}

static Result CALL set_program_data(void *self, int32_t list, int32_t index, Stream *stream) {
    (void)self, (void)list, (void)index, (void)stream;
    return NOT_DONE;
}

static const void *const UNITS_TABLE[] = {
    of_units_query, of_units_add, of_units_release, one,           unit_info,   one,
    list_info,      program_name, program_info,     has_pitch_names, pitch_name, selected_unit,
    select_unit,    unit_by_bus,  set_program_data};
static const void *const COMPONENT_TABLE[] = {
    of_component_query, of_component_add, of_component_release, initialize,   terminate,
    controller_class,   set_io_mode,      bus_count,            bus_info,     routing_info,
    activate_bus,       set_active,       set_state,            get_state};
static const void *const PROCESSOR_TABLE[] = {
    of_processor_query, of_processor_add, of_processor_release, set_arrangements, get_arrangement,
    can_process,        latency,          setup_processing,     set_processing,   process,
    tail};
static const void *const CONTROLLER_TABLE[] = {
    of_controller_query, of_controller_add, of_controller_release, initialize,
    terminate,           set_component_state, no_state,            no_state,
    count_parameters,    parameter_info,    text_of_value,         value_of_text,
    plain_of_normal,     normal_of_plain,   get_normal,            set_normal,
    set_handler,         create_view};

/* Factory. */

static const char CATEGORY[] = "Audio Module Class", SUBCATEGORIES[] = "Fx", SDK[] = "VST 3.7";
static const int32_t MANY = 0x7FFFFFFF;

static Result CALL factory_query(void *self, const char *iid, void **object) {
    bool known = !memcmp(iid, UNKNOWN, 16) || !memcmp(iid, FACTORY_1, 16) ||
                 !memcmp(iid, FACTORY_2, 16) || !memcmp(iid, FACTORY_3, 16);
    *object = known ? self : NULL;
    return known ? OK : NO_INTERFACE;
}

static uint32_t CALL factory_count_reference(void *self) {
    (void)self;
    return 1;
}

static Result CALL factory_info(void *self, FactoryInfo *info) {
    (void)self;
    memset(info, 0, sizeof *info);
    snprintf(info->vendor, sizeof info->vendor, "rtaudio");
    info->flags = 1 << 4; /* texts are unicode */
    return OK;
}

static int32_t CALL class_count(void *self) {
    (void)self;
    return 1;
}

static Result CALL class_info_2(void *self, int32_t index, ClassInfo *info) {
    (void)self;
    if (index != 0) return INVALID;
    memset(info, 0, sizeof *info);
    memcpy(info->cid, plugin_cid, 16);
    info->cardinality = MANY;
    snprintf(info->category, sizeof info->category, "%s", CATEGORY);
    snprintf(info->name, sizeof info->name, "%s", plugin_name);
    snprintf(info->subcategories, sizeof info->subcategories, "%s", SUBCATEGORIES);
    snprintf(info->vendor, sizeof info->vendor, "rtaudio");
    snprintf(info->version, sizeof info->version, "%s", plugin_version);
    snprintf(info->sdk, sizeof info->sdk, "%s", SDK);
    return OK;
}

static Result CALL class_info(void *self, int32_t index, void *info) {
    ClassInfo whole;
    Result result = class_info_2(self, index, &whole);
    if (result == OK) memcpy(info, &whole, offsetof(ClassInfo, flags));
    return result;
}

static Result CALL class_info_wide(void *self, int32_t index, ClassInfoW *info) {
    ClassInfo whole;
    Result result = class_info_2(self, index, &whole);
    if (result != OK) return result;
    memset(info, 0, sizeof *info);
    memcpy(info, &whole, offsetof(ClassInfoW, name));
    wide(info->name, plugin_name, 64);
    memcpy(info->subcategories, whole.subcategories, sizeof whole.subcategories);
    wide(info->vendor, whole.vendor, 64);
    wide(info->version, whole.version, 64);
    wide(info->sdk, whole.sdk, 64);
    return OK;
}

static Result CALL create_instance(void *self, const char *cid, const char *iid, void **object) {
    (void)self;
    *object = NULL;
    if (memcmp(cid, plugin_cid, 16) != 0) return NO_INTERFACE;
    Plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL || !player_create(&plugin->player)) {
        free(plugin);
        return NO;
    }
    plugin->component = COMPONENT_TABLE;
    plugin->processor = PROCESSOR_TABLE;
    plugin->controller = CONTROLLER_TABLE;
    plugin->units = UNITS_TABLE;
    plugin->references = 1;
    plugin->rate_hz = 48000.0;
    plugin->inputs = plugin->outputs = 2;
    Result result = query(plugin, iid, object);
    release(plugin);
    return result;
}

static Result CALL set_host_context(void *self, void *context) {
    (void)self, (void)context;
    return OK;
}

static const void *const FACTORY_TABLE[] = {
    factory_query,   factory_count_reference, factory_count_reference, factory_info,
    class_count,     class_info,              create_instance,         class_info_2,
    class_info_wide, set_host_context};
static const void *const *const FACTORY = FACTORY_TABLE;

EXPORTED const void *CALL GetPluginFactory(void) {
    return machine_fits() ? (const void *)&FACTORY : NULL;
}

#if defined(_WIN32)
EXPORTED bool InitDll(void) { return true; }
EXPORTED bool ExitDll(void) { return true; }
#elif defined(__APPLE__)
EXPORTED bool bundleEntry(void *bundle) { return bundle != NULL; }
EXPORTED bool bundleExit(void) { return true; }
#else
EXPORTED bool ModuleEntry(void *library) { return library != NULL; }
EXPORTED bool ModuleExit(void) { return true; }
#endif
