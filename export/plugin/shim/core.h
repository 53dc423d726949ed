/* What the three plugin formats share: the memory of a program, and how it is run.

   The tables at the end are written for each plugin; `blob` holds its images as bytes:

   constants | of each layout: segments | relocations | slots

   memory of an instance, one block; the zeros are not in the image:

   | nodes | tables of addresses, slots, program | copy of the nodes as built | buffers |
     ^ 0     ^ node_bytes                          ^ pristine                   ^ buffers   ^ bytes */

#ifndef RTAUDIO_CORE_H
#define RTAUDIO_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

enum { SWITCH = 1, BYPASS = 2, LOGARITHMIC = 4 };

typedef struct {
    const char *key;   /* "amp.gain_db" */
    const char *title; /* "amp gain", without the unit: hosts append it */
    const char *unit;
    uint32_t id;
    int32_t flags;
    float low, high, start;
} Parameter;

typedef struct {
    int32_t rate_hz, inputs, outputs, latency_samples;
    int64_t bytes, node_bytes, pristine, buffers, program;          /* places in the memory */
    int64_t segments, segment_count, relocations, relocation_count, slots; /* places in the blob */
} Layout;

/* A word of the memory that is an address, and what it leads to. */
enum { OWN, CONSTANT, FUNCTION, SESSION, TENSOR, API };

typedef struct {
    int64_t place, kind, target;
} Relocation;

/* The sessions and tensors of an instance whose chain has ONNX models; see onnx.c. They fill in the
   words of their kinds. NULL: they could not be made. */
typedef struct Sessions Sessions;
Sessions *sessions_create(const Layout *layout, char *memory);
void sessions_free(Sessions *sessions);

typedef struct {
    int64_t place, bytes; /* in the blob */
} Model;

/* One sounding instance. Values are kept by the plugin: they are there without memory, too. */
typedef struct {
    const Layout *layout; /* NULL: not prepared */
    char *memory;
    void *allocated;
    Sessions *sessions;
    float *values;        /* one per parameter, in natural units */
} Player;

bool player_create(Player *player);
void player_free(Player *player);

/* Build the memory for a rate; false if there is no image for it, or no memory. */
bool player_prepare(Player *player, double rate_hz, int inputs, int outputs);

/* Forget the sound so far; the values stay. The memory is not moved: a host may store meanwhile. */
void player_reset(Player *player);

/* Values are limited to their range; what is no number is left out. Any thread. */
void player_set(Player *player, int parameter, double value);
double player_get(const Player *player, int parameter);

/* Any number of frames. Channels that are missing on either side may be NULL. */
void player_run(Player *player, const float *const *in, int in_channels, float *const *out,
                int out_channels, int64_t frames);

/* Take the values of a factory preset. */
void player_load(Player *player, int preset);

int64_t player_tail_samples(const Player *player); /* -1: endless */

int parameter_of(uint32_t id); /* -1: none */
double to_normal(const Parameter *parameter, double value);
double from_normal(const Parameter *parameter, double normal);
void value_text(const Parameter *parameter, double value, char *text, size_t size);
bool text_value(const Parameter *parameter, const char *text, double *value);

/* The state of a plugin: 8 bytes for each parameter after a head of 8. */
size_t state_bytes(void);
void state_write(const Player *player, unsigned char *state);
bool state_read(Player *player, const unsigned char *state, size_t size);

/* Why player_prepare fails, in words that a host may show. */
void write_refusal(double rate_hz, char *text, size_t size);

/* False, with a line on stderr, where the code would be an illegal instruction. */
bool machine_fits(void);

/* Written for each plugin. */
extern const char plugin_name[], plugin_id[], plugin_description[], plugin_version[];
extern const unsigned char plugin_cid[16];
extern const Parameter parameters[];
extern const int parameter_count;
extern const char *const preset_names[];
extern const float preset_values[]; /* [preset][parameter] */
extern const int preset_count;
extern const Layout layouts[];
extern const int layout_count;
extern const Model models[];
extern const int model_count;
extern const char onnx_library[]; /* the file beside this one */
extern void (*const functions[])(void);
extern const double tail_seconds; /* below 0: endless */
extern const char machine_name[];
bool machine_has_features(void);
extern const unsigned char rtaudio_blob[];

#endif
