#include "core.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, SETTLING_MS = 25, WARMING_MS = 200 };

typedef struct {
    int64_t place, source, bytes;
} Segment;

/* The record PROGRAM of the engine. */
typedef struct {
    int64_t instructions, count, input, output, in_channels, out_channels, stride, block,
        latency_samples;
} Program;

typedef int64_t Run(int64_t program, int64_t frames);

static void store(float *slot, float value) {
    __atomic_store(slot, &value, __ATOMIC_RELAXED);
}

static float load(const float *slot) {
    float value;
    __atomic_load(slot, &value, __ATOMIC_RELAXED);
    return value;
}

bool player_create(Player *player) {
    memset(player, 0, sizeof *player);
    player->values = malloc(sizeof(float) * (size_t)(parameter_count + 1));
    if (player->values == NULL) return false;
    for (int k = 0; k < parameter_count; k++) player->values[k] = parameters[k].start;
    return true;
}

static void release(Player *player) {
#ifdef WITH_ONNX
    sessions_free(player->sessions);
#endif
    player->sessions = NULL;
    free(player->allocated);
    player->allocated = NULL;
    player->memory = NULL;
    player->layout = NULL;
}

void player_free(Player *player) {
    release(player);
    free(player->values);
    player->values = NULL;
}

static const Layout *layout_of(double rate_hz, int inputs, int outputs) {
    for (int k = 0; k < layout_count; k++) {
        const Layout *layout = &layouts[k];
        if (layout->rate_hz == rate_hz && layout->inputs == inputs && layout->outputs == outputs)
            return layout;
    }
    return NULL;
}

static float *slot_of(const Player *player, int parameter) {
    const int64_t *slots = (const int64_t *)(rtaudio_blob + player->layout->slots);
    return (float *)(player->memory + slots[parameter]);
}

static bool place_image(Player *player) {
    const Layout *layout = player->layout;
    char *memory = player->memory;
    const Segment *segments = (const Segment *)(rtaudio_blob + layout->segments);
    for (int64_t k = 0; k < layout->segment_count; k++)
        memcpy(memory + segments[k].place, rtaudio_blob + segments[k].source,
               (size_t)segments[k].bytes);
    const Relocation *relocations = (const Relocation *)(rtaudio_blob + layout->relocations);
    for (int64_t k = 0; k < layout->relocation_count; k++) {
        const Relocation *each = &relocations[k];
        if (each->kind > FUNCTION) continue;
        int64_t address = each->kind == OWN        ? (int64_t)(intptr_t)(memory + each->target)
                          : each->kind == CONSTANT ? (int64_t)(intptr_t)(rtaudio_blob + each->target)
                                                   : (int64_t)(intptr_t)functions[each->target];
        memcpy(memory + each->place, &address, sizeof address);
    }
#ifdef WITH_ONNX
    player->sessions = sessions_create(layout, memory);
    if (player->sessions == NULL) return false;
#endif
    memcpy(memory + layout->pristine, memory, (size_t)layout->node_bytes);
    return true;
}

bool player_prepare(Player *player, double rate_hz, int inputs, int outputs) {
    const Layout *layout = layout_of(rate_hz, inputs, outputs);
    if (layout == NULL || layout != player->layout) {
        release(player);
        if (layout == NULL) return false;
        player->allocated = calloc(1, (size_t)layout->bytes + ALIGNMENT);
        if (player->allocated == NULL) return false;
        uintptr_t first = (uintptr_t)player->allocated;
        player->memory = (char *)((first + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
        player->layout = layout;
        if (!place_image(player)) {
            release(player);
            return false;
        }
        if (player->sessions != NULL) /* the first runs of a model take longer */
            player_run(player, NULL, 0, NULL, 0, layout->rate_hz * WARMING_MS / 1000);
    }
    player_reset(player);
    return true;
}

static Program *program_of(const Player *player) {
    return (Program *)(player->memory + player->layout->program);
}

/* Let the ramps from the values as built end before the first sound. */
static void settle(Player *player) {
    bool changed = false;
    for (int k = 0; k < parameter_count; k++) {
        float value = load(&player->values[k]);
        changed = changed || value != parameters[k].start;
        store(slot_of(player, k), value);
    }
    if (changed)
        player_run(player, NULL, 0, NULL, 0, player->layout->rate_hz * SETTLING_MS / 1000);
}

void player_reset(Player *player) {
    const Layout *layout = player->layout;
    if (layout == NULL) return;
    memcpy(player->memory, player->memory + layout->pristine, (size_t)layout->node_bytes);
    memset(player->memory + layout->buffers, 0, (size_t)(layout->bytes - layout->buffers));
    settle(player);
}

void player_set(Player *player, int parameter, double value) {
    if (parameter < 0 || parameter >= parameter_count || isnan(value)) return;
    const Parameter *own = &parameters[parameter];
    if (own->flags & SWITCH) value = value >= 0.5;
    float kept = (float)fmin(fmax(value, own->low), own->high);
    store(&player->values[parameter], kept);
    if (player->layout != NULL) store(slot_of(player, parameter), kept);
}

void player_load(Player *player, int preset) {
    if (preset < 0 || preset >= preset_count) return;
    for (int k = 0; k < parameter_count; k++)
        player_set(player, k, preset_values[preset * parameter_count + k]);
}

double player_get(const Player *player, int parameter) {
    return load(&player->values[parameter]);
}

void player_run(Player *player, const float *const *in, int in_channels, float *const *out,
                int out_channels, int64_t frames) {
    if (player->layout == NULL) {
        for (int c = 0; c < out_channels; c++)
            if (out[c] != NULL && frames > 0) memset(out[c], 0, sizeof(float) * (size_t)frames);
        return;
    }
    Program *program = program_of(player);
    Run *run = (Run *)functions[0];
    float *input = (float *)(intptr_t)program->input;
    const float *output = (const float *)(intptr_t)program->output;
    for (int64_t done = 0; done < frames;) {
        int64_t left = frames - done, count = left < program->block ? left : program->block;
        size_t bytes = sizeof(float) * (size_t)count;
        for (int c = 0; c < program->in_channels; c++) {
            float *to = input + c * program->stride;
            if (c < in_channels && in[c] != NULL)
                memcpy(to, in[c] + done, bytes);
            else
                memset(to, 0, bytes);
        }
        run((int64_t)(intptr_t)program, count);
        for (int c = 0; c < out_channels; c++) {
            if (out[c] == NULL) continue;
            if (c < program->out_channels)
                memcpy(out[c] + done, output + c * program->stride, bytes);
            else
                memset(out[c] + done, 0, bytes);
        }
        done += count;
    }
}

int64_t player_tail_samples(const Player *player) {
    if (tail_seconds < 0.0) return -1;
    return player->layout == NULL ? 0 : (int64_t)ceil(tail_seconds * player->layout->rate_hz);
}

int parameter_of(uint32_t id) {
    for (int k = 0; k < parameter_count; k++)
        if (parameters[k].id == id) return k;
    return -1;
}

double to_normal(const Parameter *parameter, double value) {
    double low = parameter->low, high = parameter->high;
    double normal = parameter->flags & LOGARITHMIC ? log(value / low) / log(high / low)
                                                   : (value - low) / (high - low);
    return fmin(fmax(normal, 0.0), 1.0);
}

double from_normal(const Parameter *parameter, double normal) {
    double low = parameter->low, high = parameter->high;
    if (parameter->flags & SWITCH) return normal >= 0.5;
    if (normal <= 0.0) return low;
    if (normal >= 1.0) return high;
    return parameter->flags & LOGARITHMIC ? low * pow(high / low, normal)
                                          : low + normal * (high - low);
}

void value_text(const Parameter *parameter, double value, char *text, size_t size) {
    if (parameter->flags & SWITCH)
        snprintf(text, size, "%s", value >= 0.5 ? "on" : "off");
    else
        snprintf(text, size, "%.2f", value);
}

bool text_value(const Parameter *parameter, const char *text, double *value) {
    if (parameter->flags & SWITCH && (!strcmp(text, "on") || !strcmp(text, "off"))) {
        *value = !strcmp(text, "on");
        return true;
    }
    char *end;
    *value = strtod(text, &end);
    return end != text && !isnan(*value);
}

static const unsigned char HEAD[4] = {'R', 'T', 'A', '1'};

size_t state_bytes(void) {
    return 8 + 8 * (size_t)parameter_count;
}

static void put_u32(unsigned char *to, uint32_t word) {
    for (int k = 0; k < 4; k++) to[k] = (unsigned char)(word >> 8 * k);
}

static uint32_t get_u32(const unsigned char *from) {
    uint32_t word = 0;
    for (int k = 0; k < 4; k++) word |= (uint32_t)from[k] << 8 * k;
    return word;
}

void state_write(const Player *player, unsigned char *state) {
    memcpy(state, HEAD, 4);
    put_u32(state + 4, (uint32_t)parameter_count);
    for (int k = 0; k < parameter_count; k++) {
        float value = load(&player->values[k]);
        uint32_t bits;
        memcpy(&bits, &value, 4);
        put_u32(state + 8 + 8 * k, parameters[k].id);
        put_u32(state + 12 + 8 * k, bits);
    }
}

bool state_read(Player *player, const unsigned char *state, size_t size) {
    if (size < 8 || memcmp(state, HEAD, 4) != 0) return false;
    uint32_t count = get_u32(state + 4);
    if ((size - 8) / 8 < count) return false;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t bits = get_u32(state + 12 + 8 * (size_t)k);
        float value;
        memcpy(&value, &bits, 4);
        player_set(player, parameter_of(get_u32(state + 8 + 8 * (size_t)k)), value);
    }
    return true;
}

void write_refusal(double rate_hz, char *text, size_t size) {
    for (int k = 0; k < layout_count; k++) {
        if (layouts[k].rate_hz != rate_hz) continue;
        if (onnx_library[0])
            snprintf(text, size, "%s: %s must lie beside it, and memory must be left", plugin_name,
                     onnx_library);
        else
            snprintf(text, size, "%s: no memory is left", plugin_name);
        return;
    }
    int at = snprintf(text, size, "%s: cannot play at %g Hz; choose ", plugin_name, rate_hz);
    int before = 0;
    for (int k = 0; k < layout_count && at < (int)size; k++) {
        if (layouts[k].rate_hz == before) continue;
        at += snprintf(text + at, size - (size_t)at, before ? ", %d" : "%d", layouts[k].rate_hz);
        before = layouts[k].rate_hz;
    }
    if (at < (int)size) snprintf(text + at, size - (size_t)at, " Hz");
}

bool machine_fits(void) {
    if (machine_has_features()) return true;
    fprintf(stderr, "%s: is made for processors like %s, which this one is not\n", plugin_name,
            machine_name);
    return false;
}
