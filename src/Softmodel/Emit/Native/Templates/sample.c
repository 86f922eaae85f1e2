/*
 * Runs %NAME% once and writes each output to a file.
 *
 *     cc sample.c %LIBRARY% -Wl,-rpath,'$ORIGIN' -o sample && ./sample %USAGE%
 *
 * SYMBOL=SIZE gives a size that may differ from run to run (4 unless given), INPUT=FILE the raw elements of an input
 * (zeros unless given). Each output goes to OUTPUT.raw; its shape is printed. threads=N and seed=N are understood too.
 */
#include "%PREFIX%.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *argument(int count, char **arguments, const char *name)
{
    size_t length = strlen(name);
    for (int i = 1; i < count; i++)
        if (strncmp(arguments[i], name, length) == 0 && arguments[i][length] == '=')
            return arguments[i] + length + 1;
    return NULL;
}

static size_t element_size(int32_t type)
{
    static const size_t sizes[] = { 0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 0, 0, 2 };
    return sizes[type];
}

static size_t bytes_of(const %PREFIX%_tensor *tensor)
{
    size_t bytes = element_size(tensor->type);
    for (int axis = 0; axis < tensor->rank; axis++)
        bytes *= (size_t)tensor->size[axis];
    return bytes;
}

static void check(int32_t error)
{
    if (error != %UPPER%_OK) {
        fprintf(stderr, "error %d: %s\n", error, %PREFIX%_last_error());
        exit(1);
    }
}

int main(int count, char **arguments)
{
    %PREFIX% *model;
    %PREFIX%_tensor inputs[%INPUT_COUNT% + 1] = { { 0 } };
    const char *threads = argument(count, arguments, "threads"), *seed = argument(count, arguments, "seed");

    check(%PREFIX%_create(NULL, &model));
    check(%PREFIX%_set_threads(model, threads ? atoi(threads) : 1));
    check(%PREFIX%_set_seed(model, seed ? strtoull(seed, NULL, 10) : 0));

    for (int i = 0; i < %PREFIX%_input_count(); i++) {
        %PREFIX%_info info;
        const char *path;
        check(%PREFIX%_input(i, &info));
        inputs[i].type = info.type;
        inputs[i].rank = info.rank;
        for (int axis = 0; axis < info.rank; axis++) {
            const char *size = argument(count, arguments, info.axis[axis]);
            inputs[i].size[axis] = info.size[axis] >= 0 ? info.size[axis] : size ? atoll(size) : 4;
        }
        inputs[i].data = calloc(bytes_of(&inputs[i]) + 1, 1);
        path = argument(count, arguments, info.name);
        if (path != NULL) {
            FILE *file = fopen(path, "rb");
            if (file == NULL || fread(inputs[i].data, 1, bytes_of(&inputs[i]), file) != bytes_of(&inputs[i])) {
                fprintf(stderr, "%s: it can't be read or has fewer than %zu bytes\n", path, bytes_of(&inputs[i]));
                return 1;
            }
            fclose(file);
        }
    }

    check(%PREFIX%_run(model, inputs, %PREFIX%_input_count()));

    for (int i = 0; i < %PREFIX%_output_count(); i++) {
        %PREFIX%_info info;
        %PREFIX%_tensor output;
        char path[1024];
        FILE *file;
        check(%PREFIX%_output(i, &info));
        check(%PREFIX%_result(model, i, &output));
        printf("%s [", info.name);
        for (int axis = 0; axis < output.rank; axis++)
            printf(axis ? ",%lld" : "%lld", (long long)output.size[axis]);
        printf("]\n");
        snprintf(path, sizeof path, "%s.raw", info.name);
        for (char *c = path; *c; c++)
            if (*c == '/')
                *c = '_';
        file = fopen(path, "wb");
        if (file == NULL || fwrite(output.data, 1, bytes_of(&output), file) != bytes_of(&output) || fclose(file) != 0) {
            fprintf(stderr, "%s: it can't be written\n", path);
            return 1;
        }
    }
    check(%PREFIX%_destroy(model));
    for (int i = 0; i < %PREFIX%_input_count(); i++)
        free(inputs[i].data);
    return 0;
}
