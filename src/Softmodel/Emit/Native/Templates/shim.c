/*
 * The C side of the library: chooses the image for the processor, finds the weights, and hands calls on.
 *
 * What is declared in the model's name is in small letters, its macros in capitals: whatever else is declared outside of a
 * function mixes both, so that no model's name can be one of these. The model's own type is written with 'struct', so that a
 * parameter may be called as it is.
 */
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

#define Public_API __attribute__((visibility("default")))

/* One build of the model's machine code, for one width of vectors. */
typedef struct {
    int32_t bits;
    int32_t (*create)(const uint8_t *weights, int64_t length, int32_t verify, intptr_t *handle, char *message, int32_t room);
    int32_t (*destroy)(intptr_t handle, char *message, int32_t room);
    int32_t (*set)(intptr_t handle, int32_t setting, int64_t value, char *message, int32_t room);
    int32_t (*run)(intptr_t handle, const %PREFIX%_tensor *inputs, int32_t count, char *message, int32_t room);
    int32_t (*output)(intptr_t handle, int32_t index, %PREFIX%_tensor *output, char *message, int32_t room);
} Image;

#define Image_OF(bits) \
    extern int32_t SoftmodelImage_create_##bits(const uint8_t *, int64_t, int32_t, intptr_t *, char *, int32_t); \
    extern int32_t SoftmodelImage_destroy_##bits(intptr_t, char *, int32_t); \
    extern int32_t SoftmodelImage_set_##bits(intptr_t, int32_t, int64_t, char *, int32_t); \
    extern int32_t SoftmodelImage_run_##bits(intptr_t, const %PREFIX%_tensor *, int32_t, char *, int32_t); \
    extern int32_t SoftmodelImage_output_##bits(intptr_t, int32_t, %PREFIX%_tensor *, char *, int32_t); \
    static const Image Image_##bits = { bits, SoftmodelImage_create_##bits, SoftmodelImage_destroy_##bits, SoftmodelImage_set_##bits, SoftmodelImage_run_##bits, SoftmodelImage_output_##bits };

%IMAGES%

#ifdef __x86_64__
static const Image *imageFor(void)
{
    const char *most = getenv("SOFTMODEL_WIDTH");
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
        return NULL;
    if ((most == NULL || atoi(most) >= 512)
        && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &Image_512;
    return &Image_256;
}
#else
static const Image *imageFor(void) { return &Image_128; }
#endif

static const Image *theImage(void)
{
    static const Image *one;
    const Image *now = __atomic_load_n(&one, __ATOMIC_RELAXED);
    if (now == NULL)
        __atomic_store_n(&one, now = imageFor(), __ATOMIC_RELAXED);
    return now;
}

struct %PREFIX% {
    intptr_t handle;
    void *mapped; /* null where the weights are part of the library */
    size_t length;
};

static _Thread_local char lastMessage[1024];

static int32_t failWith(int32_t error, const char *text, const char *detail)
{
    snprintf(lastMessage, sizeof lastMessage, "%s%s", text, detail);
    return error;
}

%EMBEDDED%
#ifndef Embedded_WEIGHTS
static int32_t mapWeights(const char *path, void **start, size_t *length)
{
    char beside[4096];
    Dl_info library;
    struct stat status;
    int file;
    if (path == NULL) {
        const char *slash;
        if (!dladdr((void *)&mapWeights, &library) || library.dli_fname == NULL)
            return failWith(%UPPER%_WEIGHTS, "the library can't find its own folder; name the weights file", "");
        slash = strrchr(library.dli_fname, '/');
        if (snprintf(beside, sizeof beside, "%.*s%s", slash ? (int)(slash + 1 - library.dli_fname) : 0, library.dli_fname, "%PREFIX%.weights") >= (int)sizeof beside)
            return failWith(%UPPER%_WEIGHTS, "the path of the library's folder is too long; name the weights file", "");
        path = beside;
    }
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0) {
        int32_t error = failWith(%UPPER%_WEIGHTS, "the weights can't be opened: ", strerror(errno));
        size_t used = strlen(lastMessage);
        snprintf(lastMessage + used, sizeof lastMessage - used, ": %s", path);
        if (file >= 0)
            close(file);
        return error;
    }
    *length = (size_t)status.st_size;
    *start = *length > 0 ? mmap(NULL, *length, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    close(file);
    if (*start == MAP_FAILED)
        return failWith(%UPPER%_WEIGHTS, "the weights are empty or can't be mapped: ", path);
    return 0;
}
#endif

Public_API int32_t %PREFIX%_abi(void) { return %UPPER%_ABI; }

Public_API const char *%PREFIX%_last_error(void) { return lastMessage; }

Public_API int32_t %PREFIX%_vector_bits(void) { return theImage() ? theImage()->bits : 0; }

static int32_t makeModel(const char *weights, int32_t verify, struct %PREFIX% **model)
{
    struct %PREFIX% *made;
    const uint8_t *start;
    int32_t error = 0;
    if (model == NULL)
        return failWith(%UPPER%_ARGUMENT, "there is nowhere to put the model: the pointer is null", "");
    *model = NULL;
    if (theImage() == NULL)
        return failWith(%UPPER%_PROCESSOR, "this processor lacks AVX2 or FMA, which this library is compiled for", "");
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return failWith(%UPPER%_MEMORY, "the machine has not enough memory", "");
#ifdef Embedded_WEIGHTS
    if (weights != NULL)
        error = failWith(%UPPER%_ARGUMENT, "the weights are part of this library; pass null instead of the file ", weights);
    start = Embedded_WEIGHTS;
    made->length = Embedded_LENGTH;
#else
    error = mapWeights(weights, &made->mapped, &made->length);
    start = made->mapped;
#endif
    if (error == 0) {
        error = theImage()->create(start, (int64_t)made->length, verify, &made->handle, lastMessage, sizeof lastMessage);
#ifndef Embedded_WEIGHTS
        if (error == %UPPER%_WEIGHTS) {
            size_t used = strlen(lastMessage);
            snprintf(lastMessage + used, sizeof lastMessage - used, ": %s", weights ? weights : "%PREFIX%.weights beside the library");
        }
        if (error != 0)
            munmap(made->mapped, made->length);
#endif
    }
    if (error != 0)
        free(made);
    else
        *model = made;
    return error;
}

Public_API int32_t %PREFIX%_create(const char *weights, struct %PREFIX% **model) { return makeModel(weights, 1, model); }

Public_API int32_t %PREFIX%_create_unchecked(const char *weights, struct %PREFIX% **model) { return makeModel(weights, 0, model); }

Public_API int32_t %PREFIX%_destroy(struct %PREFIX% *model)
{
    int32_t error;
    if (model == NULL)
        return 0;
    error = theImage()->destroy(model->handle, lastMessage, sizeof lastMessage);
    if (error != 0)
        return error;
    if (model->mapped != NULL)
        munmap(model->mapped, model->length);
    free(model);
    return 0;
}

static int32_t setTo(struct %PREFIX% *model, int32_t setting, int64_t value)
{
    return model ? theImage()->set(model->handle, setting, value, lastMessage, sizeof lastMessage) : failWith(%UPPER%_ARGUMENT, "the model is null", "");
}

Public_API int32_t %PREFIX%_set_threads(struct %PREFIX% *model, int32_t threads) { return setTo(model, 0, threads); }

Public_API int32_t %PREFIX%_set_seed(struct %PREFIX% *model, uint64_t seed) { return setTo(model, 1, (int64_t)seed); }

Public_API int32_t %PREFIX%_set_memory_limit(struct %PREFIX% *model, int64_t bytes) { return setTo(model, 2, bytes); }

Public_API int32_t %PREFIX%_forget(struct %PREFIX% *model) { return setTo(model, 3, 0); }

Public_API int32_t %PREFIX%_run(struct %PREFIX% *model, const %PREFIX%_tensor *inputs, int32_t count)
{
    return model ? theImage()->run(model->handle, inputs, count, lastMessage, sizeof lastMessage) : failWith(%UPPER%_ARGUMENT, "the model is null", "");
}

Public_API int32_t %PREFIX%_result(struct %PREFIX% *model, int32_t index, %PREFIX%_tensor *output)
{
    if (model == NULL || output == NULL)
        return failWith(%UPPER%_ARGUMENT, model ? "there is nowhere to put the output: the pointer is null" : "the model is null", "");
    return theImage()->output(model->handle, index, output, lastMessage, sizeof lastMessage);
}

static const %PREFIX%_info theInputs[] = {%INPUT_TABLE%};
static const %PREFIX%_info theOutputs[] = {%OUTPUT_TABLE%};

Public_API int32_t %PREFIX%_input_count(void) { return %INPUT_COUNT%; }

Public_API int32_t %PREFIX%_output_count(void) { return %OUTPUT_COUNT%; }

static int32_t describeFrom(const %PREFIX%_info *table, int32_t count, int32_t index, %PREFIX%_info *info)
{
    if (index < 0 || index >= count || info == NULL)
        return failWith(%UPPER%_ARGUMENT, info ? "there is no input or output of that number" : "there is nowhere to put the description: the pointer is null", "");
    *info = table[index];
    return 0;
}

Public_API int32_t %PREFIX%_input(int32_t index, %PREFIX%_info *info) { return describeFrom(theInputs, %INPUT_COUNT%, index, info); }

Public_API int32_t %PREFIX%_output(int32_t index, %PREFIX%_info *info) { return describeFrom(theOutputs, %OUTPUT_COUNT%, index, info); }
