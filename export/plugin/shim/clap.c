/* CLAP 1: one plugin, mono or stereo as the host chooses. */

#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The interface, as far as it is used. */

typedef struct {
    uint32_t major, minor, revision;
} Version;

typedef struct {
    Version version;
    const char *id, *name, *vendor, *url, *manual_url, *support_url, *own_version, *description;
    const char *const *features;
} Descriptor;

typedef struct Host {
    Version version;
    void *data;
    const char *name, *vendor, *url, *own_version;
    const void *(*get_extension)(const struct Host *, const char *);
    void (*request_restart)(const struct Host *);
    void (*request_process)(const struct Host *);
    void (*request_callback)(const struct Host *);
} Host;

typedef struct {
    void (*log)(const Host *, int32_t severity, const char *);
} HostLog;

typedef struct {
    void (*rescan)(const Host *, uint32_t);
} HostParameters;

typedef struct {
    void (*on_error)(const Host *, uint32_t, const char *, const char *, int32_t, const char *);
    void (*loaded)(const Host *, uint32_t, const char *, const char *);
} HostPresets;

typedef struct {
    uint32_t size, time;
    uint16_t space, type;
    uint32_t flags;
} Event;

typedef struct {
    Event head;
    uint32_t parameter;
    void *cookie;
    int32_t note;
    int16_t port, channel, key;
    double value;
} ValueEvent;

typedef struct Events {
    void *context;
    uint32_t (*size)(const struct Events *);
    const Event *(*get)(const struct Events *, uint32_t);
} Events;

typedef struct {
    float **data32;
    double **data64;
    uint32_t channels, latency;
    uint64_t constant_mask;
} Buffer;

typedef struct {
    int64_t steady_time;
    uint32_t frames;
    const void *transport;
    const Buffer *inputs;
    Buffer *outputs;
    uint32_t input_count, output_count;
    const Events *in_events;
    const void *out_events;
} Process;

typedef struct Plugin {
    const Descriptor *descriptor;
    void *data;
    bool (*init)(const struct Plugin *);
    void (*destroy)(const struct Plugin *);
    bool (*activate)(const struct Plugin *, double, uint32_t, uint32_t);
    void (*deactivate)(const struct Plugin *);
    bool (*start_processing)(const struct Plugin *);
    void (*stop_processing)(const struct Plugin *);
    void (*reset)(const struct Plugin *);
    int32_t (*process)(const struct Plugin *, const Process *);
    const void *(*get_extension)(const struct Plugin *, const char *);
    void (*on_main_thread)(const struct Plugin *);
} Plugin;

typedef struct {
    uint32_t id, flags;
    void *cookie;
    char name[256], module[1024];
    double low, high, start;
} ParameterInfo;

typedef struct {
    uint32_t id;
    char name[256];
    uint32_t flags, channels;
    const char *type;
    uint32_t in_place_pair;
} PortInfo;

typedef struct {
    uint32_t id;
    char name[256];
    uint32_t input_ports, output_ports;
    bool has_input;
    uint32_t input_channels;
    const char *input_type;
    bool has_output;
    uint32_t output_channels;
    const char *output_type;
} PortsConfig;

typedef struct Reader {
    void *context;
    int64_t (*read)(const struct Reader *, void *, uint64_t);
} Reader;

typedef struct Writer {
    void *context;
    int64_t (*write)(const struct Writer *, const void *, uint64_t);
} Writer;

enum { VALUE_EVENT = 5, LOG_ERROR = 3, MAIN_PORT = 1, STATUS_CONTINUE = 1, STATUS_TAIL = 3 };
enum { STEPPED = 1, IS_BYPASS = 1 << 4, AUTOMATABLE = 1 << 5 };
enum { IN_PLUGIN = 1, RESCAN_VALUES = 1, FACTORY_CONTENT = 1 };
static const uint32_t NO_ID = UINT32_MAX, ENDLESS = INT32_MAX;

typedef struct {
    Plugin plugin;
    const Host *host;
    Player player;
    int inputs, outputs;
} Own;

static Own *own(const Plugin *plugin) {
    return plugin->data;
}

static const char *type_of(int channels) {
    return channels == 1 ? "mono" : "stereo";
}

static bool init(const Plugin *plugin) {
    (void)plugin;
    return true;
}

static void destroy(const Plugin *plugin) {
    player_free(&own(plugin)->player);
    free(own(plugin));
}

static bool activate(const Plugin *plugin, double rate_hz, uint32_t least, uint32_t most) {
    (void)least, (void)most;
    Own *self = own(plugin);
    if (player_prepare(&self->player, rate_hz, self->inputs, self->outputs)) return true;
    char text[256];
    write_refusal(rate_hz, text, sizeof text);
    const HostLog *log = self->host->get_extension(self->host, "clap.log");
    if (log != NULL)
        log->log(self->host, LOG_ERROR, text);
    else
        fprintf(stderr, "%s\n", text);
    return false;
}

static void nothing(const Plugin *plugin) {
    (void)plugin;
}

static bool start_processing(const Plugin *plugin) {
    return own(plugin)->player.layout != NULL;
}

static void reset(const Plugin *plugin) {
    player_reset(&own(plugin)->player);
}

static void obey(Own *self, const Event *event) {
    if (event == NULL || event->space != 0 || event->type != VALUE_EVENT) return;
    const ValueEvent *change = (const ValueEvent *)event;
    player_set(&self->player, parameter_of(change->parameter), change->value);
}

/* Play from one event to the next, so that a change is heard where it stands. */
static int32_t process(const Plugin *plugin, const Process *process) {
    Own *self = own(plugin);
    static const Buffer none;
    const Buffer *in = process->input_count ? &process->inputs[0] : &none;
    const Buffer *out = process->output_count ? &process->outputs[0] : &none;
    int ins = in->data32 == NULL ? 0 : in->channels < 2 ? (int)in->channels : 2;
    int outs = out->data32 == NULL ? 0 : out->channels < 2 ? (int)out->channels : 2;
    const float *from[2] = {NULL, NULL};
    float *to[2] = {NULL, NULL};
    uint32_t count = process->in_events == NULL ? 0 : process->in_events->size(process->in_events);
    uint32_t next = 0, done = 0;
    while (true) {
        const Event *event = NULL;
        for (; next < count; next++) {
            event = process->in_events->get(process->in_events, next);
            if (event != NULL && event->time > done && event->time < process->frames) break;
            obey(self, event);
        }
        uint32_t end = next < count ? event->time : process->frames;
        for (int c = 0; c < ins; c++) from[c] = in->data32[c] + done;
        for (int c = 0; c < outs; c++) to[c] = out->data32[c] + done;
        player_run(&self->player, from, ins, to, outs, end - done);
        done = end;
        if (done >= process->frames) return STATUS_TAIL;
    }
}

/* Extensions. */

static uint32_t port_count(const Plugin *plugin, bool input) {
    (void)plugin, (void)input;
    return 1;
}

static bool port_get(const Plugin *plugin, uint32_t index, bool input, PortInfo *info) {
    if (index > 0) return false;
    int channels = input ? own(plugin)->inputs : own(plugin)->outputs;
    *info = (PortInfo){.id = 0, .flags = MAIN_PORT, .channels = (uint32_t)channels,
                       .type = type_of(channels), .in_place_pair = NO_ID};
    snprintf(info->name, sizeof info->name, "%s", input ? "input" : "output");
    return true;
}

enum { CONFIGS = 3 };
static const int CHANNELS[CONFIGS][2] = {{2, 2}, {1, 1}, {1, 2}};
static const char *const CONFIG_NAMES[CONFIGS] = {"stereo", "mono", "mono to stereo"};

static uint32_t config_count(const Plugin *plugin) {
    (void)plugin;
    return CONFIGS;
}

static bool config_get(const Plugin *plugin, uint32_t index, PortsConfig *config) {
    (void)plugin;
    if (index >= CONFIGS) return false;
    const int *channels = CHANNELS[index];
    *config = (PortsConfig){.id = index, .input_ports = 1, .output_ports = 1,
                            .has_input = true, .input_channels = (uint32_t)channels[0],
                            .input_type = type_of(channels[0]),
                            .has_output = true, .output_channels = (uint32_t)channels[1],
                            .output_type = type_of(channels[1])};
    snprintf(config->name, sizeof config->name, "%s", CONFIG_NAMES[index]);
    return true;
}

static bool config_select(const Plugin *plugin, uint32_t id) {
    if (id >= CONFIGS) return false;
    own(plugin)->inputs = CHANNELS[id][0];
    own(plugin)->outputs = CHANNELS[id][1];
    return true;
}

static uint32_t count_parameters(const Plugin *plugin) {
    (void)plugin;
    return (uint32_t)parameter_count;
}

static bool parameter_info(const Plugin *plugin, uint32_t index, ParameterInfo *info) {
    (void)plugin;
    if (index >= (uint32_t)parameter_count) return false;
    const Parameter *each = &parameters[index];
    memset(info, 0, sizeof *info);
    info->id = each->id;
    info->flags = AUTOMATABLE | (each->flags & SWITCH ? STEPPED : 0u) |
                  (each->flags & BYPASS ? IS_BYPASS : 0u);
    snprintf(info->name, sizeof info->name, "%s", each->title);
    snprintf(info->module, sizeof info->module, "%.*s", (int)strcspn(each->key, "."), each->key);
    info->low = each->low;
    info->high = each->high;
    info->start = each->start;
    return true;
}

static bool parameter_value(const Plugin *plugin, uint32_t id, double *value) {
    int index = parameter_of(id);
    if (index < 0) return false;
    *value = player_get(&own(plugin)->player, index);
    return true;
}

static bool parameter_text(const Plugin *plugin, uint32_t id, double value, char *text,
                           uint32_t size) {
    (void)plugin;
    int index = parameter_of(id);
    if (index < 0) return false;
    char number[64];
    value_text(&parameters[index], value, number, sizeof number);
    const char *unit = parameters[index].unit;
    snprintf(text, size, *unit ? "%s %s" : "%s", number, unit);
    return true;
}

static bool parameter_parse(const Plugin *plugin, uint32_t id, const char *text, double *value) {
    (void)plugin;
    int index = parameter_of(id);
    return index >= 0 && text_value(&parameters[index], text, value);
}

static void flush(const Plugin *plugin, const Events *in, const void *out) {
    (void)out;
    for (uint32_t k = 0; in != NULL && k < in->size(in); k++) obey(own(plugin), in->get(in, k));
}

static uint32_t latency(const Plugin *plugin) {
    const Layout *layout = own(plugin)->player.layout;
    return layout == NULL ? 0 : (uint32_t)layout->latency_samples;
}

static uint32_t tail(const Plugin *plugin) {
    int64_t samples = player_tail_samples(&own(plugin)->player);
    return samples < 0 || samples >= ENDLESS ? ENDLESS : (uint32_t)samples;
}

/* A stream may take or give less than it is asked for. */
static bool save(const Plugin *plugin, const Writer *stream) {
    size_t size = state_bytes(), done = 0;
    unsigned char *state = malloc(size);
    if (state == NULL) return false;
    state_write(&own(plugin)->player, state);
    while (done < size) {
        int64_t count = stream->write(stream, state + done, size - done);
        if (count <= 0) break;
        done += (size_t)count;
    }
    free(state);
    return done == size;
}

enum { MOST_STATE_BYTES = 1 << 20 };

static bool restore(const Plugin *plugin, const Reader *stream) {
    unsigned char *state = malloc(MOST_STATE_BYTES);
    if (state == NULL) return false;
    size_t size = 0;
    while (size < MOST_STATE_BYTES) {
        int64_t count = stream->read(stream, state + size, MOST_STATE_BYTES - size);
        if (count <= 0) break;
        size += (size_t)count;
    }
    bool known = state_read(&own(plugin)->player, state, size);
    free(state);
    return known;
}

/* A factory preset is found by its number. */
static bool load_preset(const Plugin *plugin, uint32_t kind, const char *location,
                        const char *key) {
    Own *self = own(plugin);
    int preset = key == NULL ? -1 : atoi(key);
    if (kind != IN_PLUGIN || preset < 0 || preset >= preset_count) return false;
    player_load(&self->player, preset);
    const HostParameters *values = self->host->get_extension(self->host, "clap.params");
    if (values != NULL) values->rescan(self->host, RESCAN_VALUES);
    const HostPresets *presets = self->host->get_extension(self->host, "clap.preset-load/2");
    if (presets != NULL) presets->loaded(self->host, kind, location, key);
    return true;
}

static const struct {
    bool (*load)(const Plugin *, uint32_t, const char *, const char *);
} PRESETS = {load_preset};

static const struct {
    uint32_t (*count)(const Plugin *, bool);
    bool (*get)(const Plugin *, uint32_t, bool, PortInfo *);
} PORTS = {port_count, port_get};

static const struct {
    uint32_t (*count)(const Plugin *);
    bool (*get)(const Plugin *, uint32_t, PortsConfig *);
    bool (*select)(const Plugin *, uint32_t);
} CONFIG = {config_count, config_get, config_select};

static const struct {
    uint32_t (*count)(const Plugin *);
    bool (*info)(const Plugin *, uint32_t, ParameterInfo *);
    bool (*value)(const Plugin *, uint32_t, double *);
    bool (*to_text)(const Plugin *, uint32_t, double, char *, uint32_t);
    bool (*from_text)(const Plugin *, uint32_t, const char *, double *);
    void (*flush)(const Plugin *, const Events *, const void *);
} PARAMETERS = {count_parameters, parameter_info,  parameter_value,
                parameter_text,   parameter_parse, flush};

static const struct {
    uint32_t (*get)(const Plugin *);
} LATENCY = {latency}, TAIL = {tail};

static const struct {
    bool (*save)(const Plugin *, const Writer *);
    bool (*load)(const Plugin *, const Reader *);
} STATE = {save, restore};

static const void *get_extension(const Plugin *plugin, const char *id) {
    (void)plugin;
    static const struct {
        const char *id;
        const void *table;
    } known[] = {{"clap.audio-ports", &PORTS},  {"clap.audio-ports-config", &CONFIG},
                 {"clap.params", &PARAMETERS},  {"clap.latency", &LATENCY},
                 {"clap.tail", &TAIL},          {"clap.state", &STATE},
                 {"clap.preset-load/2", &PRESETS}};
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
        if (!strcmp(known[k].id, id)) return known[k].table;
    return NULL;
}

/* Entry. */

static const char *const FEATURES[] = {"audio-effect", "mono", "stereo", NULL};
static const Descriptor DESCRIPTOR = {{1, 2, 0}, plugin_id, plugin_name, "rtaudio", "", "", "",
                                      plugin_version, plugin_description, FEATURES};

static uint32_t plugin_count(const void *factory) {
    (void)factory;
    return machine_fits() ? 1 : 0;
}

static const Descriptor *plugin_descriptor(const void *factory, uint32_t index) {
    (void)factory;
    return index == 0 ? &DESCRIPTOR : NULL;
}

static const Plugin *create_plugin(const void *factory, const Host *host, const char *id) {
    (void)factory;
    if (strcmp(id, plugin_id) != 0 || !machine_fits()) return NULL;
    Own *self = calloc(1, sizeof *self);
    if (self == NULL || !player_create(&self->player)) {
        free(self);
        return NULL;
    }
    self->plugin = (Plugin){&DESCRIPTOR, self,    init,  destroy,       activate, nothing,
                            start_processing, nothing, reset, process, get_extension, nothing};
    self->host = host;
    self->inputs = self->outputs = 2;
    return &self->plugin;
}

static const struct {
    uint32_t (*count)(const void *);
    const Descriptor *(*descriptor)(const void *, uint32_t);
    const Plugin *(*create)(const void *, const Host *, const char *);
} FACTORY = {plugin_count, plugin_descriptor, create_plugin};

/* Factory presets, for hosts that list them without an instance. */

typedef struct {
    Version version;
    const char *id, *name, *vendor;
} ProviderDescriptor;

typedef struct {
    uint32_t flags;
    const char *name;
    uint32_t kind;
    const char *location;
} Location;

typedef struct Indexer {
    Version version;
    const char *name, *vendor, *url, *own_version;
    void *data;
    bool (*filetype)(const struct Indexer *, const void *);
    bool (*location)(const struct Indexer *, const Location *);
} Indexer;

typedef struct {
    const char *abi, *id;
} UniversalId;

typedef struct Receiver {
    void *data;
    void (*on_error)(const struct Receiver *, int32_t, const char *);
    bool (*begin_preset)(const struct Receiver *, const char *, const char *);
    void (*add_plugin_id)(const struct Receiver *, const UniversalId *);
    void (*set_soundpack)(const struct Receiver *, const char *);
    void (*set_flags)(const struct Receiver *, uint32_t);
} Receiver;

typedef struct Provider {
    const ProviderDescriptor *descriptor;
    const Indexer *indexer;
    bool (*init)(const struct Provider *);
    void (*destroy)(const struct Provider *);
    bool (*metadata)(const struct Provider *, uint32_t, const char *, const Receiver *);
    const void *(*get_extension)(const struct Provider *, const char *);
} Provider;

static const ProviderDescriptor PROVIDER = {{1, 2, 0}, plugin_id, plugin_name, "rtaudio"};

static bool provider_init(const Provider *provider) {
    const Location inside = {FACTORY_CONTENT, plugin_name, IN_PLUGIN, NULL};
    return provider->indexer->location(provider->indexer, &inside);
}

static void provider_destroy(const Provider *provider) {
    free((void *)provider);
}

static bool provider_metadata(const Provider *provider, uint32_t kind, const char *location,
                              const Receiver *receiver) {
    (void)provider, (void)location;
    static const UniversalId id = {"clap", plugin_id};
    for (int k = 0; kind == IN_PLUGIN && k < preset_count; k++) {
        char key[16];
        snprintf(key, sizeof key, "%d", k);
        if (!receiver->begin_preset(receiver, preset_names[k], key)) break;
        receiver->add_plugin_id(receiver, &id);
        receiver->set_flags(receiver, FACTORY_CONTENT);
    }
    return kind == IN_PLUGIN;
}

static const void *provider_extension(const Provider *provider, const char *id) {
    (void)provider, (void)id;
    return NULL;
}

static uint32_t provider_count(const void *factory) {
    (void)factory;
    return preset_count > 0;
}

static const ProviderDescriptor *provider_descriptor(const void *factory, uint32_t index) {
    (void)factory;
    return index == 0 ? &PROVIDER : NULL;
}

static const Provider *create_provider(const void *factory, const Indexer *indexer,
                                       const char *id) {
    (void)factory;
    Provider *provider = strcmp(id, plugin_id) ? NULL : malloc(sizeof *provider);
    if (provider != NULL)
        *provider = (Provider){&PROVIDER,        indexer,           provider_init,
                               provider_destroy, provider_metadata, provider_extension};
    return provider;
}

static const struct {
    uint32_t (*count)(const void *);
    const ProviderDescriptor *(*descriptor)(const void *, uint32_t);
    const Provider *(*create)(const void *, const Indexer *, const char *);
} PROVIDERS = {provider_count, provider_descriptor, create_provider};

static bool entry_init(const char *path) {
    (void)path;
    return true;
}

static void entry_deinit(void) {
}

static const void *get_factory(const char *id) {
    if (!strcmp(id, "clap.plugin-factory")) return &FACTORY;
    return strcmp(id, "clap.preset-discovery-factory/2") ? NULL : &PROVIDERS;
}

typedef struct {
    Version version;
    bool (*init)(const char *);
    void (*deinit)(void);
    const void *(*get_factory)(const char *);
} Entry;

EXPORTED const Entry clap_entry = {{1, 2, 0}, entry_init, entry_deinit, get_factory};
