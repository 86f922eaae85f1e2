/*
 * Answers a question with a language model that softmodel has built, token by token; needs nothing else.
 *
 *     softmodel build smollm2 -o llm
 *     softmodel ask smollm2 "Name three rivers in Europe." --prompt-tokens question
 *     cc -O2 -Illm generate.c llm/libsmollm2.so -Wl,-rpath,$PWD/llm -o generate
 *     ./generate llm/smollm2.tokens question 64
 *
 * A run is given some tokens of one text, the position of each in it, and the cell of the KV cache that its key and value
 * go into; and the indices of the tokens whose logits are computed. Here cells are given out in the order of the text.
 *
 * A model that softmodel has fused with programs is used alike:
 *
 *     softmodel fuse smollm2 --with arithmetic -o fused
 *     softmodel build fused -o llm
 */
#include "smollm2.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 2048, LONGEST = 4096 };

static void check(int32_t error)
{
    if (error != SMOLLM2_OK) {
        fprintf(stderr, "%s\n", smollm2_last_error());
        exit(1);
    }
}

static FILE *opened(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

/* What the tokens stand for: a line of hexadecimal digits for each, or a word. */
static char **read_table(const char *path, int64_t *count)
{
    static char line[LONGEST];
    FILE *file = opened(path);
    char **table = NULL;
    for (*count = 0; fgets(line, sizeof line, file) != NULL; (*count)++) {
        if (*count % 1024 == 0)
            table = realloc(table, sizeof *table * (*count + 1024));
        line[strcspn(line, "\n")] = 0;
        table[*count] = strdup(line);
    }
    fclose(file);
    return table;
}

static void write_token(const char *hexadecimal)
{
    unsigned byte;
    if (strcmp(hexadecimal, "control") == 0)
        return;
    for (; sscanf(hexadecimal, "%2x", &byte) == 1; hexadecimal += 2)
        putchar((int)byte);
    fflush(stdout);
}

/* One axis of 64-bit numbers. */
static smollm2_tensor numbers(int64_t *values, int64_t count)
{
    smollm2_tensor tensor = { values, SMOLLM2_INT64, 1, { count } };
    return tensor;
}

/* An output by its name; its data is null where there is none. */
static smollm2_tensor output(smollm2 *model, const char *name)
{
    smollm2_tensor tensor = { 0 };
    for (int32_t i = 0; i < smollm2_output_count(); i++) {
        smollm2_info info;
        check(smollm2_output(i, &info));
        if (strcmp(info.name, name) == 0)
            check(smollm2_result(model, i, &tensor));
    }
    return tensor;
}

/* Reads the tokens from one on to another, and puts what comes next behind them: the likeliest token or, in a fused model, all that
 * a program writes. What a program wrote, the layers above its trigger read when the text goes on: *above is how much they have read.
 * Gives the number of tokens. */
static int64_t next_tokens(smollm2 *model, int64_t *tokens, int64_t from, int64_t to, int64_t *above)
{
    static int64_t positions[CONTEXT], zeros[CONTEXT], all[CONTEXT];
    static const char *const names[] = { "tokens", "positions", "sequences", "cells", "cell_positions", "cell_sequences", "logits_indices", "pending_cells", "pending_positions", "pending_sequences", "may_fire" };
    int64_t last = to - from - 1, best = 0, read = to - from, pending = from - *above, may_fire = 1, count = 0;
    for (int64_t i = 0; i < to; i++) {
        positions[i] = i;
        all[i] = 1; /* a bit for each text that a cell is of: there is only the first */
    }
    smollm2_tensor given[] = {
        numbers(tokens + from, read), numbers(positions + from, read), numbers(zeros, read), numbers(positions + from, read), numbers(positions, to), numbers(all, to), numbers(&last, 1),
        numbers(positions + *above, pending), numbers(positions + *above, pending), numbers(zeros, pending), numbers(&may_fire, 1)
    };
    smollm2_tensor inputs[sizeof names / sizeof *names];
    for (int32_t i = 0; i < smollm2_input_count(); i++) {
        smollm2_info info;
        check(smollm2_input(i, &info));
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            if (strcmp(info.name, names[n]) == 0)
                inputs[i] = given[n];
    }
    check(smollm2_run(model, inputs, smollm2_input_count()));
    smollm2_tensor fired = output(model, "fired");
    if (fired.data != NULL && *(int64_t *)fired.data > 0) {
        smollm2_tensor written = output(model, "fired_tokens");
        for (const int64_t *token = written.data; count < written.size[1] && to + count < CONTEXT && token[count] >= 0; count++)
            tokens[to + count] = token[count];
        return count;
    }
    *above = to;
    smollm2_tensor logits = output(model, "logits");
    const float *logit = logits.data;
    for (int64_t i = 1; i < logits.size[1]; i++)
        if (logit[i] > logit[best])
            best = i;
    tokens[to] = best;
    return 1;
}

int main(int count, char **arguments)
{
    if (count < 4) {
        fprintf(stderr, "usage: generate TOKENS QUESTION MOST [THREADS]\n");
        return 2;
    }
    static int64_t tokens[CONTEXT];
    int64_t known, length = 0, most = atoll(arguments[3]);
    char **table = read_table(arguments[1], &known);
    FILE *question = opened(arguments[2]);
    for (long long token; length < CONTEXT && fscanf(question, "%lld", &token) == 1; length++)
        tokens[length] = token;
    fclose(question);

    smollm2 *model;
    check(smollm2_create(NULL, &model));
    check(smollm2_set_threads(model, count > 4 ? atoi(arguments[4]) : 1));
    int64_t from = 0, above = 0, end = 0;
    for (int64_t written = 0; !end && written < most && length > 0 && length < CONTEXT;) {
        int64_t count = next_tokens(model, tokens, from, length, &above);
        from = length;
        for (int64_t i = 0; !end && i < count && written < most; i++, written++, length++) {
            end = tokens[length] >= known || strcmp(table[tokens[length]], "end") == 0;
            if (!end)
                write_token(table[tokens[length]]);
        }
    }
    putchar('\n');
    check(smollm2_destroy(model));
    for (int64_t i = 0; i < known; i++)
        free(table[i]);
    free(table);
    return 0;
}
