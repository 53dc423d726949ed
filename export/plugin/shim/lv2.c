/* LV2: ports are audio in, audio out, latency, then a control for each parameter. */

#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *uri;
    void *data;
} Feature;

typedef struct Descriptor {
    const char *uri;
    void *(*instantiate)(const struct Descriptor *, double, const char *, const Feature *const *);
    void (*connect_port)(void *, uint32_t, void *);
    void (*activate)(void *);
    void (*run)(void *, uint32_t);
    void (*deactivate)(void *);
    void (*cleanup)(void *);
    const void *(*extension_data)(const char *);
} Descriptor;

typedef struct {
    void *handle;
    uint32_t (*map)(void *, const char *);
} Map;

typedef struct {
    void *handle;
    int (*print)(void *, uint32_t, const char *, ...);
} Log;

typedef struct {
    Player player;
    int inputs, outputs;
    float *audio[4]; /* inputs, then outputs */
    float *latency;
    float *controls[]; /* one per parameter */
} Plugin;

enum { KINDS = 3 };
static const int CHANNELS[KINDS][2] = {{2, 2}, {1, 1}, {1, 2}};
static const char *const SUFFIXES[KINDS] = {"", "#mono", "#mono-to-stereo"};
static Descriptor descriptors[KINDS];
static char uris[KINDS][256];

static void refuse(double rate_hz, const Feature *const *features) {
    char text[256];
    write_refusal(rate_hz, text, sizeof text);
    const Map *map = NULL;
    const Log *log = NULL;
    for (; features != NULL && *features != NULL; features++) {
        if (!strcmp((*features)->uri, "http://lv2plug.in/ns/ext/urid#map")) map = (*features)->data;
        if (!strcmp((*features)->uri, "http://lv2plug.in/ns/ext/log#log")) log = (*features)->data;
    }
    if (map != NULL && log != NULL)
        log->print(log->handle, map->map(map->handle, "http://lv2plug.in/ns/ext/log#Error"), "%s\n",
                   text);
    else
        fprintf(stderr, "%s\n", text);
}

static void *instantiate(const Descriptor *descriptor, double rate_hz, const char *path,
                         const Feature *const *features) {
    (void)path;
    const int *channels = CHANNELS[descriptor - descriptors];
    Plugin *plugin = calloc(1, sizeof *plugin + sizeof(float *) * (size_t)parameter_count);
    if (plugin == NULL) return NULL;
    plugin->inputs = channels[0];
    plugin->outputs = channels[1];
    if (!player_create(&plugin->player) ||
        !player_prepare(&plugin->player, rate_hz, channels[0], channels[1])) {
        refuse(rate_hz, features);
        player_free(&plugin->player);
        free(plugin);
        return NULL;
    }
    return plugin;
}

static void connect_port(void *handle, uint32_t port, void *data) {
    Plugin *plugin = handle;
    uint32_t audio = (uint32_t)(plugin->inputs + plugin->outputs);
    if (port < audio)
        plugin->audio[port] = data;
    else if (port == audio)
        plugin->latency = data;
    else if (port - audio - 1 < (uint32_t)parameter_count)
        plugin->controls[port - audio - 1] = data;
}

static void read_controls(Plugin *plugin) {
    for (int k = 0; k < parameter_count; k++) {
        if (plugin->controls[k] == NULL) continue;
        float value = *plugin->controls[k];
        if (parameters[k].flags & BYPASS) value = value <= 0.0f; /* the port says: enabled */
        player_set(&plugin->player, k, value);
    }
    if (plugin->latency != NULL)
        *plugin->latency = (float)plugin->player.layout->latency_samples;
}

static void activate(void *handle) {
    Plugin *plugin = handle;
    read_controls(plugin);
    player_reset(&plugin->player);
}

static void run(void *handle, uint32_t frames) {
    Plugin *plugin = handle;
    read_controls(plugin);
    player_run(&plugin->player, (const float *const *)plugin->audio, plugin->inputs,
               plugin->audio + plugin->inputs, plugin->outputs, frames);
}

static void deactivate(void *handle) {
    (void)handle;
}

static void cleanup(void *handle) {
    Plugin *plugin = handle;
    player_free(&plugin->player);
    free(plugin);
}

static const void *extension_data(const char *uri) {
    (void)uri;
    return NULL;
}

EXPORTED const Descriptor *lv2_descriptor(uint32_t index) {
    if (index >= KINDS || !machine_fits()) return NULL;
    Descriptor *own = &descriptors[index];
    snprintf(uris[index], sizeof uris[index], "urn:%s%s", plugin_id, SUFFIXES[index]);
    *own = (Descriptor){uris[index], instantiate, connect_port, activate,
                        run,         deactivate,  cleanup,      extension_data};
    return own;
}
