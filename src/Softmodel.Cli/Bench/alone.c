/*
 * Runs a library that 'softmodel build' made, once on each of several sets of inputs, and tells what it took: the time when
 * the first outputs were there (CLOCK_MONOTONIC, ns), the time of all runs (ns), the most memory that the process held
 * (bytes), and the elements of all first outputs.
 *
 *     cc -include MODEL.h -DMODEL=PREFIX alone.c LIBRARY && ./a.out WEIGHTS THREADS INPUTS
 *
 * INPUTS holds the number of sets; and for each input of each set its type, its rank, its 8 sizes and the bytes of its data
 * as 64-bit numbers, and then the data.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define Join_INNER(a, b) a##_##b
#define Join_OUTER(a, b) Join_INNER(a, b)
#define Of_MODEL(name) Join_OUTER(MODEL, name)
#define Most_INPUTS 64

static void stopOn(int32_t error)
{
    if (error != 0) {
        fprintf(stderr, "%s\n", Of_MODEL(last_error)());
        exit(1);
    }
}

static void takeFrom(void *to, size_t bytes, FILE *file)
{
    if (fread(to, 1, bytes, file) != bytes) {
        fprintf(stderr, "the inputs end early\n");
        exit(1);
    }
}

static void takeSet(Of_MODEL(tensor) *inputs, FILE *file)
{
    for (int i = 0; i < Of_MODEL(input_count)(); i++) {
        int64_t head[11];
        takeFrom(head, sizeof head, file);
        inputs[i].type = (int32_t)head[0];
        inputs[i].rank = (int32_t)head[1];
        for (int axis = 0; axis < 8; axis++)
            inputs[i].size[axis] = head[2 + axis];
        inputs[i].data = malloc((size_t)head[10] + 1);
        if (inputs[i].data == NULL)
            exit(1);
        takeFrom(inputs[i].data, (size_t)head[10], file);
    }
}

static int64_t timeNow(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The peak of this program alone: what getrusage tells may be that of the program which started it. */
static int64_t peakBytes(void)
{
    char line[256];
    int64_t kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %" SCNd64, &kib) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return kib * 1024;
}

int main(int count, char **arguments)
{
    struct MODEL *model;
    Of_MODEL(tensor) inputs[Most_INPUTS] = { { 0 } }, output;
    int64_t sets, first = 0, busy = 0, elements = 0;
    FILE *file = count == 4 ? fopen(arguments[3], "rb") : NULL;
    if (file == NULL || Of_MODEL(input_count)() > Most_INPUTS) {
        fprintf(stderr, "usage: alone WEIGHTS THREADS INPUTS\n");
        return 2;
    }
    takeFrom(&sets, sizeof sets, file);
    stopOn(Of_MODEL(create)(arguments[1], &model));
    stopOn(Of_MODEL(set_threads)(model, atoi(arguments[2])));
    for (int64_t set = 0; set < sets; set++) {
        int64_t start, end, all = 1;
        takeSet(inputs, file);
        start = timeNow();
        stopOn(Of_MODEL(run)(model, inputs, Of_MODEL(input_count)()));
        stopOn(Of_MODEL(result)(model, 0, &output));
        end = timeNow();
        if (set == 0)
            first = end;
        busy += end - start;
        for (int axis = 0; axis < output.rank; axis++)
            all *= output.size[axis];
        elements += all;
        for (int i = 0; i < Of_MODEL(input_count)(); i++)
            free(inputs[i].data);
    }
    fclose(file);
    printf("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", first, busy, peakBytes(), elements);
    return 0;
}
