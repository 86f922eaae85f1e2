/*
 * Runs %NAME% once and writes each output to a file.
 *
 *     cc sample.c %LIBRARY% -Wl,-rpath,'$ORIGIN' -o sample && ./sample %USAGE%
 *
 * SYMBOL=SIZE gives a size that may differ from run to run (4 unless given), INPUT=FILE the raw elements of an input
 * (zeros unless given). Each output goes to OUTPUT.raw; its shape is printed. threads=N and seed=N are understood too.
 * Where a size and an input have the same name, size:SYMBOL=SIZE and input:INPUT=FILE say which is meant.
 */
#include "%PREFIX%.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *valueOf(const char *text, const char *kind, const char *name)
{
    size_t length = strlen(name);
    if (strncmp(text, kind, strlen(kind)) != 0 || strncmp(text + strlen(kind), name, length) != 0)
        return NULL;
    text += strlen(kind) + length;
    return *text == '=' ? text + 1 : NULL;
}

/* The value of an argument: of the one that says its kind, or else of one that has the name alone. */
static const char *valueGiven(int count, char **arguments, const char *kind, const char *name)
{
    const char *plain = NULL;
    for (int i = 1; i < count; i++) {
        const char *exact = valueOf(arguments[i], kind, name);
        if (exact != NULL)
            return exact;
        if (plain == NULL)
            plain = valueOf(arguments[i], "", name);
    }
    return plain;
}

static size_t elementSize(int32_t type)
{
    static const size_t sizes[] = { 0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 0, 0, 2 };
    return sizes[type];
}

static size_t bytesOf(const %PREFIX%_tensor *tensor)
{
    size_t bytes = elementSize(tensor->type);
    for (int axis = 0; axis < tensor->rank; axis++)
        bytes *= (size_t)tensor->size[axis];
    return bytes;
}

static void stopOn(int32_t error)
{
    if (error != %UPPER%_OK) {
        fprintf(stderr, "error %d: %s\n", error, %PREFIX%_last_error());
        exit(1);
    }
}

static const char *const outputFiles[] = {%OUTPUT_FILES%};

int main(int count, char **arguments)
{
    struct %PREFIX% *model;
    %PREFIX%_tensor inputs[%INPUT_COUNT% + 1] = { { 0 } };
    const char *threads = valueGiven(count, arguments, "", "threads"), *seed = valueGiven(count, arguments, "", "seed");

    stopOn(%PREFIX%_create(NULL, &model));
    stopOn(%PREFIX%_set_threads(model, threads ? atoi(threads) : 1));
    stopOn(%PREFIX%_set_seed(model, seed ? strtoull(seed, NULL, 10) : 0));

    for (int i = 0; i < %PREFIX%_input_count(); i++) {
        %PREFIX%_info info;
        const char *path;
        stopOn(%PREFIX%_input(i, &info));
        inputs[i].type = info.type;
        inputs[i].rank = info.rank;
        for (int axis = 0; axis < info.rank; axis++) {
            const char *size = valueGiven(count, arguments, "size:", info.axis[axis]);
            inputs[i].size[axis] = info.size[axis] >= 0 ? info.size[axis] : size ? atoll(size) : 4;
        }
        inputs[i].data = calloc(bytesOf(&inputs[i]) + 1, 1);
        path = valueGiven(count, arguments, "input:", info.name);
        if (path != NULL) {
            FILE *file = fopen(path, "rb");
            if (file == NULL || fread(inputs[i].data, 1, bytesOf(&inputs[i]), file) != bytesOf(&inputs[i])) {
                fprintf(stderr, "%s: it can't be read or has fewer than %zu bytes\n", path, bytesOf(&inputs[i]));
                return 1;
            }
            fclose(file);
        }
    }

    stopOn(%PREFIX%_run(model, inputs, %PREFIX%_input_count()));

    for (int i = 0; i < %PREFIX%_output_count(); i++) {
        %PREFIX%_info info;
        %PREFIX%_tensor output;
        FILE *file;
        stopOn(%PREFIX%_output(i, &info));
        stopOn(%PREFIX%_result(model, i, &output));
        printf("%s [", info.name);
        for (int axis = 0; axis < output.rank; axis++)
            printf(axis ? ",%lld" : "%lld", (long long)output.size[axis]);
        printf("]\n");
        file = fopen(outputFiles[i], "wb");
        if (file == NULL || fwrite(output.data, 1, bytesOf(&output), file) != bytesOf(&output) || fclose(file) != 0) {
            fprintf(stderr, "%s: it can't be written\n", outputFiles[i]);
            return 1;
        }
    }
    stopOn(%PREFIX%_destroy(model));
    for (int i = 0; i < %PREFIX%_input_count(); i++)
        free(inputs[i].data);
    return 0;
}
