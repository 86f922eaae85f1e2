/*
 * Finds the speech in a WAV file with a model that softmodel has built; needs nothing else.
 *
 *     softmodel build silero-vad-v5 -o vad
 *     cc -O2 -Ivad listen.c vad/libsilero_vad_v5.so -Wl,-rpath,$PWD/vad -o listen
 *     ./listen morning.wav
 */
#include "silero_vad_v5.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 16000, WINDOW = 512, CONTEXT = 64, STATE = 2 * 128 };

static void check(int32_t error)
{
    if (error != SILERO_VAD_V5_OK) {
        fprintf(stderr, "%s\n", silero_vad_v5_last_error());
        exit(1);
    }
}

static uint32_t number(const uint8_t *bytes, int count)
{
    uint32_t value = 0;
    for (int i = count - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* One channel of 16-bit samples, such as softmodel writes, as numbers from -1 to 1. */
static float *read_wav(const char *path, long *count, long *rate)
{
    FILE *file = fopen(path, "rb");
    uint8_t header[44];
    if (file == NULL || fread(header, 1, sizeof header, file) != sizeof header || memcmp(header, "RIFF", 4) != 0
        || number(header + 20, 2) != 1 || number(header + 22, 2) != 1 || number(header + 34, 2) != 16 || memcmp(header + 36, "data", 4) != 0) {
        fprintf(stderr, "%s: it is no WAV file of one channel and 16 bits\n", path);
        exit(1);
    }
    *rate = number(header + 24, 4);
    *count = number(header + 40, 4) / 2;
    float *samples = malloc(sizeof(float) * (*count + 1));
    for (long i = 0; i < *count; i++) {
        uint8_t bytes[2] = { 0 };
        if (fread(bytes, 1, 2, file) != 2)
            break;
        samples[i] = (int16_t)number(bytes, 2) / 32768.0f;
    }
    fclose(file);
    return samples;
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: listen FILE.wav\n");
        return 2;
    }
    long read, read_rate;
    float *from = read_wav(arguments[1], &read, &read_rate);
    long length = (long)((long long)read * RATE / read_rate);
    float *sound = malloc(sizeof(float) * (length + 1));
    for (long i = 0; i < length; i++) {
        double position = (double)i * read_rate / RATE;
        long left = (long)position, right = left + 1 < read ? left + 1 : read - 1;
        sound[i] = (float)(from[left] + (from[right] - from[left]) * (position - left));
    }

    silero_vad_v5 *detector;
    check(silero_vad_v5_create(NULL, &detector));
    float input[CONTEXT + WINDOW] = { 0 }, state[STATE] = { 0 };
    silero_vad_v5_tensor inputs[] = {
        { input, SILERO_VAD_V5_FLOAT32, 2, { 1, CONTEXT + WINDOW } },
        { state, SILERO_VAD_V5_FLOAT32, 3, { 2, 1, 128 } },
    };
    double began = -1;
    for (long at = 0; at < length; at += WINDOW) {
        long fresh = length - at < WINDOW ? length - at : WINDOW;
        /* What was heard last stands in front of what is new. */
        memmove(input, input + WINDOW, sizeof(float) * CONTEXT);
        memset(input + CONTEXT, 0, sizeof(float) * WINDOW);
        memcpy(input + CONTEXT, sound + at, sizeof(float) * fresh);
        check(silero_vad_v5_run(detector, inputs, 2));
        silero_vad_v5_tensor speech, next;
        check(silero_vad_v5_result(detector, 0, &speech));
        check(silero_vad_v5_result(detector, 1, &next));
        memcpy(state, next.data, sizeof state);
        int is_speech = *(float *)speech.data > 0.5f;
        if (is_speech && began < 0)
            began = (double)at / RATE;
        if (!is_speech || at + WINDOW >= length) {
            if (began >= 0)
                printf("speech from %.2f s to %.2f s\n", began, (double)at / RATE);
            began = -1;
        }
    }
    check(silero_vad_v5_destroy(detector));
    free(sound);
    free(from);
    return 0;
}
