/* The C side of the library: chooses the image for the processor, finds the weights, and hands calls on. */
#define _GNU_SOURCE
#include "%PREFIX%.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

/* One build of the model's machine code, for one width of vectors. */
typedef struct {
    int32_t bits;
    int32_t (*create)(const uint8_t *weights, int64_t length, intptr_t *handle, char *message, int32_t room);
    int32_t (*destroy)(intptr_t handle, char *message, int32_t room);
    int32_t (*set)(intptr_t handle, int32_t setting, int64_t value, char *message, int32_t room);
    int32_t (*run)(intptr_t handle, const %PREFIX%_tensor *inputs, int32_t count, char *message, int32_t room);
    int32_t (*output)(intptr_t handle, int32_t index, %PREFIX%_tensor *output, char *message, int32_t room);
} image;

#define IMAGE(bits) \
    extern int32_t image_create_##bits(const uint8_t *, int64_t, intptr_t *, char *, int32_t); \
    extern int32_t image_destroy_##bits(intptr_t, char *, int32_t); \
    extern int32_t image_set_##bits(intptr_t, int32_t, int64_t, char *, int32_t); \
    extern int32_t image_run_##bits(intptr_t, const %PREFIX%_tensor *, int32_t, char *, int32_t); \
    extern int32_t image_output_##bits(intptr_t, int32_t, %PREFIX%_tensor *, char *, int32_t); \
    static const image image_##bits = { bits, image_create_##bits, image_destroy_##bits, image_set_##bits, image_run_##bits, image_output_##bits };

%IMAGES%

#ifdef __x86_64__
static const image *choose(void)
{
    const char *most = getenv("SOFTMODEL_WIDTH");
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
        return NULL;
    if ((most == NULL || atoi(most) >= 512)
        && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &image_512;
    return &image_256;
}
#else
static const image *choose(void) { return &image_128; }
#endif

static const image *chosen(void)
{
    static const image *one;
    const image *now = __atomic_load_n(&one, __ATOMIC_RELAXED);
    if (now == NULL)
        __atomic_store_n(&one, now = choose(), __ATOMIC_RELAXED);
    return now;
}

struct %PREFIX% {
    intptr_t handle;
    void *mapped; /* null where the weights are part of the library */
    size_t length;
};

static _Thread_local char message[1024];

static int32_t fail(int32_t error, const char *text, const char *detail)
{
    snprintf(message, sizeof message, "%s%s", text, detail);
    return error;
}

%EMBEDDED%
#ifndef EMBEDDED
static int32_t map(const char *path, void **start, size_t *length)
{
    char beside[4096];
    Dl_info library;
    struct stat status;
    int file;
    if (path == NULL) {
        const char *slash;
        if (!dladdr((void *)&map, &library) || library.dli_fname == NULL)
            return fail(%UPPER%_WEIGHTS, "the library can't find its own folder; name the weights file", "");
        slash = strrchr(library.dli_fname, '/');
        if (snprintf(beside, sizeof beside, "%.*s%s", slash ? (int)(slash + 1 - library.dli_fname) : 0, library.dli_fname, "%PREFIX%.weights") >= (int)sizeof beside)
            return fail(%UPPER%_WEIGHTS, "the path of the library's folder is too long; name the weights file", "");
        path = beside;
    }
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0) {
        int32_t error = fail(%UPPER%_WEIGHTS, "the weights can't be opened: ", strerror(errno));
        size_t used = strlen(message);
        snprintf(message + used, sizeof message - used, ": %s", path);
        if (file >= 0)
            close(file);
        return error;
    }
    *length = (size_t)status.st_size;
    *start = *length > 0 ? mmap(NULL, *length, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    close(file);
    if (*start == MAP_FAILED)
        return fail(%UPPER%_WEIGHTS, "the weights are empty or can't be mapped: ", path);
    return 0;
}
#endif

PUBLIC int32_t %PREFIX%_abi(void) { return %UPPER%_ABI; }

PUBLIC const char *%PREFIX%_last_error(void) { return message; }

PUBLIC int32_t %PREFIX%_vector_bits(void) { return chosen() ? chosen()->bits : 0; }

PUBLIC int32_t %PREFIX%_create(const char *weights, %PREFIX% **model)
{
    %PREFIX% *made;
    const uint8_t *start;
    int32_t error = 0;
    if (model == NULL)
        return fail(%UPPER%_ARGUMENT, "there is nowhere to put the model: the pointer is null", "");
    *model = NULL;
    if (chosen() == NULL)
        return fail(%UPPER%_PROCESSOR, "this processor lacks AVX2 or FMA, which this library is compiled for", "");
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return fail(%UPPER%_MEMORY, "the machine has not enough memory", "");
#ifdef EMBEDDED
    if (weights != NULL)
        error = fail(%UPPER%_ARGUMENT, "the weights are part of this library; pass null instead of the file ", weights);
    start = EMBEDDED;
    made->length = EMBEDDED_LENGTH;
#else
    error = map(weights, &made->mapped, &made->length);
    start = made->mapped;
#endif
    if (error == 0) {
        error = chosen()->create(start, (int64_t)made->length, &made->handle, message, sizeof message);
        if (error != 0 && made->mapped != NULL)
            munmap(made->mapped, made->length);
    }
    if (error != 0)
        free(made);
    else
        *model = made;
    return error;
}

PUBLIC int32_t %PREFIX%_destroy(%PREFIX% *model)
{
    int32_t error;
    if (model == NULL)
        return 0;
    error = chosen()->destroy(model->handle, message, sizeof message);
    if (error != 0)
        return error;
    if (model->mapped != NULL)
        munmap(model->mapped, model->length);
    free(model);
    return 0;
}

static int32_t set(%PREFIX% *model, int32_t setting, int64_t value)
{
    return model ? chosen()->set(model->handle, setting, value, message, sizeof message) : fail(%UPPER%_ARGUMENT, "the model is null", "");
}

PUBLIC int32_t %PREFIX%_set_threads(%PREFIX% *model, int32_t threads) { return set(model, 0, threads); }

PUBLIC int32_t %PREFIX%_set_seed(%PREFIX% *model, uint64_t seed) { return set(model, 1, (int64_t)seed); }

PUBLIC int32_t %PREFIX%_set_memory_limit(%PREFIX% *model, int64_t bytes) { return set(model, 2, bytes); }

PUBLIC int32_t %PREFIX%_forget(%PREFIX% *model) { return set(model, 3, 0); }

PUBLIC int32_t %PREFIX%_run(%PREFIX% *model, const %PREFIX%_tensor *inputs, int32_t count)
{
    return model ? chosen()->run(model->handle, inputs, count, message, sizeof message) : fail(%UPPER%_ARGUMENT, "the model is null", "");
}

PUBLIC int32_t %PREFIX%_result(%PREFIX% *model, int32_t index, %PREFIX%_tensor *output)
{
    if (model == NULL || output == NULL)
        return fail(%UPPER%_ARGUMENT, model ? "there is nowhere to put the output: the pointer is null" : "the model is null", "");
    return chosen()->output(model->handle, index, output, message, sizeof message);
}

static const %PREFIX%_info inputs_[] = {%INPUT_TABLE%};
static const %PREFIX%_info outputs_[] = {%OUTPUT_TABLE%};

PUBLIC int32_t %PREFIX%_input_count(void) { return %INPUT_COUNT%; }

PUBLIC int32_t %PREFIX%_output_count(void) { return %OUTPUT_COUNT%; }

static int32_t describe(const %PREFIX%_info *table, int32_t count, int32_t index, %PREFIX%_info *info)
{
    if (index < 0 || index >= count || info == NULL)
        return fail(%UPPER%_ARGUMENT, info ? "there is no input or output of that number" : "there is nowhere to put the description: the pointer is null", "");
    *info = table[index];
    return 0;
}

PUBLIC int32_t %PREFIX%_input(int32_t index, %PREFIX%_info *info) { return describe(inputs_, %INPUT_COUNT%, index, info); }

PUBLIC int32_t %PREFIX%_output(int32_t index, %PREFIX%_info *info) { return describe(outputs_, %OUTPUT_COUNT%, index, info); }
