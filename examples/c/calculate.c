/*
 * Answers sums with the layers of a language model up to its trigger, and the programs that it calls; needs nothing else.
 *
 *     softmodel fuse smollm2 --with arithmetic -o fused
 *     softmodel build fused --only --name calculator -o calculator
 *     softmodel complete fused "Q: What is 98 plus 45?
 *     A:" --prompt-tokens question
 *     cc -O2 -Icalculator calculate.c calculator/libcalculator.so -Wl,-rpath,$PWD/calculator -o calculate
 *     ./calculate calculator/calculator.tokens question
 *
 * The file may hold several questions, apart by an empty line. What is no sum is answered by a hyphen.
 */
#include "calculator.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 2048, LONGEST = 4096 };

static void check(int32_t error)
{
    if (error != CALCULATOR_OK) {
        fprintf(stderr, "%s\n", calculator_last_error());
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
    for (; sscanf(hexadecimal, "%2x", &byte) == 1; hexadecimal += 2)
        putchar((int)byte);
}

/* One axis of 64-bit numbers. */
static calculator_tensor numbers(int64_t *values, int64_t count)
{
    calculator_tensor tensor = { values, CALCULATOR_INT64, 1, { count } };
    return tensor;
}

/* An output by its name. */
static calculator_tensor output(calculator *model, const char *name)
{
    calculator_tensor tensor = { 0 };
    for (int32_t i = 0; i < calculator_output_count(); i++) {
        calculator_info info;
        check(calculator_output(i, &info));
        if (strcmp(info.name, name) == 0)
            check(calculator_result(model, i, &tensor));
    }
    return tensor;
}

static void answer(calculator *model, char **table, int64_t *tokens, int64_t count)
{
    static int64_t positions[CONTEXT], zeros[CONTEXT], all[CONTEXT];
    static const char *const names[] = { "tokens", "positions", "sequences", "cells", "cell_positions", "cell_sequences", "logits_indices", "may_fire" };
    int64_t last = count - 1, may_fire = 1;
    for (int64_t i = 0; i < count; i++) {
        positions[i] = i;
        all[i] = 1;
    }
    calculator_tensor given[] = { numbers(tokens, count), numbers(positions, count), numbers(zeros, count), numbers(positions, count), numbers(positions, count), numbers(all, count), numbers(&last, 1), numbers(&may_fire, 1) };
    calculator_tensor inputs[sizeof names / sizeof *names];
    for (int32_t i = 0; i < calculator_input_count(); i++) {
        calculator_info info;
        check(calculator_input(i, &info));
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            if (strcmp(info.name, names[n]) == 0)
                inputs[i] = given[n];
    }
    check(calculator_run(model, inputs, calculator_input_count()));
    calculator_tensor written = output(model, "fired_tokens");
    const int64_t *token = written.data;
    if (*(int64_t *)output(model, "fired").data == 0)
        putchar('-');
    for (int64_t i = 0; i < written.size[1] && token[i] >= 0; i++)
        write_token(table[token[i]]);
    putchar('\n');
}

int main(int count, char **arguments)
{
    if (count < 3) {
        fprintf(stderr, "usage: calculate TOKENS QUESTIONS [THREADS]\n");
        return 2;
    }
    static int64_t tokens[CONTEXT];
    int64_t known, length = 0;
    char **table = read_table(arguments[1], &known), line[32];
    calculator *model;
    check(calculator_create(NULL, &model));
    check(calculator_set_threads(model, count > 3 ? atoi(arguments[3]) : 1));
    FILE *questions = opened(arguments[2]);
    for (int more = 1; more;) {
        more = fgets(line, sizeof line, questions) != NULL;
        if (more && line[0] != '\n' && length < CONTEXT) {
            tokens[length++] = atoll(line);
            continue;
        }
        if (length > 0)
            answer(model, table, tokens, length);
        length = 0;
    }
    fclose(questions);
    check(calculator_destroy(model));
    for (int64_t i = 0; i < known; i++)
        free(table[i]);
    free(table);
    return 0;
}
