/* The models of a plugin: sessions and tensors of ONNX Runtime, whose library lies beside this one.

   Its table of functions only grows, so that functions are found by their places. */

#define _GNU_SOURCE
#include "core.h"

#include <dlfcn.h>
#include <fenv.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { API_VERSION = 17, LOG_FATAL = 4, OPTIMIZE_ALL = 99 };
enum { ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION = 8, RUN = 9, CREATE_OPTIONS = 10,
       NO_ARENA = 19, OPTIMIZE = 23, INTRA_THREADS = 24, INTER_THREADS = 25, CREATE_TENSOR = 49,
       CREATE_MEMORY_INFO = 69, RELEASE_STATUS = 93, RELEASE_SESSION = 95, RELEASE_VALUE = 96,
       RELEASE_OPTIONS = 100, ADD_ENTRY = 130 };

typedef void *Status;

struct Sessions {
    void **sessions; /* one per model; NULL: not used at this rate */
    void **tensors;
    int64_t tensor_count;
};

/* A tensor, as the image describes it; dims follow. */
typedef struct {
    int64_t place, bytes, type, rank;
} Described;

static void *const *api;
static void *environment, *memory_info;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool ok(Status status) {
    if (status == NULL) return true;
    const char *(*message)(Status) = (const char *(*)(Status))api[ERROR_MESSAGE];
    fprintf(stderr, "%s: %s\n", plugin_name, message(status));
    ((void (*)(Status))api[RELEASE_STATUS])(status);
    return false;
}

static void release(int function, void *handle) {
    if (handle != NULL) ((void (*)(void *))api[function])(handle);
}

/* Load the library that lies in the folder of this one. */
static void load(void) {
    Dl_info own;
    char path[4096];
    if (!dladdr((void *)&once, &own)) return;
    const char *end = strrchr(own.dli_fname, '/');
    int folder = end == NULL ? 0 : (int)(end - own.dli_fname) + 1;
    snprintf(path, sizeof path, "%.*s%s", folder, own.dli_fname, onnx_library);
    setenv("ORT_DISABLE_TELEMETRY", "1", 0);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s: %s\n", plugin_name, dlerror());
        return;
    }
    const struct {
        void *const *(*api)(uint32_t);
    } *(*base)(void) = dlsym(library, "OrtGetApiBase");
    if (base == NULL || (api = base()->api(API_VERSION)) == NULL) return;
    bool made = ok(((Status(*)(int, const char *, void **))api[CREATE_ENV])(
                    LOG_FATAL, "rtaudio", &environment)) &&
                ok(((Status(*)(int, int, void **))api[CREATE_MEMORY_INFO])(0, 0, &memory_info));
    if (!made) api = NULL;
}

static bool create_session(int model, void **session) {
    void *options = NULL;
    if (!ok(((Status(*)(void **))api[CREATE_OPTIONS])(&options))) return false;
    Status (*set)(void *, int) = (Status(*)(void *, int))api[INTRA_THREADS];
    Status (*set_inter)(void *, int) = (Status(*)(void *, int))api[INTER_THREADS];
    Status (*set_level)(void *, int) = (Status(*)(void *, int))api[OPTIMIZE];
    Status (*no_arena)(void *) = (Status(*)(void *))api[NO_ARENA];
    Status (*add)(void *, const char *, const char *) =
        (Status(*)(void *, const char *, const char *))api[ADD_ENTRY];
    Status (*create)(void *, const void *, size_t, void *, void **) =
        (Status(*)(void *, const void *, size_t, void *, void **))api[CREATE_SESSION];
    bool made = ok(set(options, 1)) && ok(set_inter(options, 1)) && ok(no_arena(options)) &&
                ok(set_level(options, OPTIMIZE_ALL)) &&
                ok(add(options, "session.set_denormal_as_zero", "1")) &&
                ok(create(environment, rtaudio_blob + models[model].place,
                          (size_t)models[model].bytes, options, session));
    release(RELEASE_OPTIONS, options);
    return made;
}

Sessions *sessions_create(const Layout *layout, char *memory) {
    pthread_once(&once, load);
    if (api == NULL) return NULL;
    Sessions *own = calloc(1, sizeof *own);
    const Relocation *all = (const Relocation *)(rtaudio_blob + layout->relocations);
    if (own == NULL) return NULL;
    own->sessions = calloc((size_t)model_count, sizeof *own->sessions);
    own->tensors = calloc((size_t)layout->relocation_count, sizeof *own->tensors);
    bool made = own->sessions != NULL && own->tensors != NULL;
    fenv_t former; /* making a session leaves denormals flushed in this thread */
    fegetenv(&former);
    for (int64_t k = 0; made && k < layout->relocation_count; k++) {
        int64_t address = 0;
        if (all[k].kind == SESSION) {
            void **session = &own->sessions[all[k].target];
            made = *session != NULL || create_session((int)all[k].target, session);
            address = (int64_t)(intptr_t)*session;
        } else if (all[k].kind == TENSOR) {
            const Described *tensor = (const Described *)(rtaudio_blob + all[k].target);
            void **value = &own->tensors[own->tensor_count++];
            made = ok(((Status(*)(void *, void *, size_t, const int64_t *, size_t, int,
                                  void **))api[CREATE_TENSOR])(
                memory_info, memory + tensor->place, (size_t)tensor->bytes,
                (const int64_t *)(tensor + 1), (size_t)tensor->rank, (int)tensor->type, value));
            address = (int64_t)(intptr_t)*value;
        } else if (all[k].kind == API) {
            address = (int64_t)(intptr_t)api[all[k].target ? RELEASE_STATUS : RUN];
        } else {
            continue;
        }
        memcpy(memory + all[k].place, &address, sizeof address);
    }
    fesetenv(&former);
    if (made) return own;
    sessions_free(own);
    return NULL;
}

void sessions_free(Sessions *own) {
    if (own == NULL) return;
    for (int64_t k = 0; own->tensors != NULL && k < own->tensor_count; k++)
        release(RELEASE_VALUE, own->tensors[k]);
    for (int k = 0; own->sessions != NULL && k < model_count; k++)
        release(RELEASE_SESSION, own->sessions[k]);
    free(own->tensors);
    free(own->sessions);
    free(own);
}
