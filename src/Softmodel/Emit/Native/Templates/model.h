/*
 * %NAME%, compiled by Softmodel %VERSION% to native code. Link with %LIBRARY%; nothing else is needed.
 *
 * Functions that return int32_t return 0 (%UPPER%_OK) when all is well, else one of the errors below, and then
 * %PREFIX%_last_error() says what was wrong, where, and what to do. Different models may be used by different threads
 * at once. While one thread runs a model, every other call that would change it is refused with %UPPER%_STATE.
 *
 * Inputs:
%INPUTS%
 * Outputs:
%OUTPUTS%
 */
#ifndef SOFTMODEL_%UPPER%_H
#define SOFTMODEL_%UPPER%_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface; it changes when a program compiled against an older header would no longer work. */
#define %UPPER%_ABI 1
int32_t %PREFIX%_abi(void);

enum {
    %UPPER%_OK = 0,
    %UPPER%_ARGUMENT = 1, /* an input is missing, or has the wrong type, rank or size */
    %UPPER%_SHAPE = 2,    /* sizes that the data decide do not fit one another */
    %UPPER%_INDEX = 3,    /* a value used as an index is out of range */
    %UPPER%_MEMORY = 4,   /* the memory limit or the machine's memory does not suffice */
    %UPPER%_WEIGHTS = 5,  /* the weights are missing, damaged or another model's */
    %UPPER%_STATE = 6,    /* the model is running on another thread, or has not run yet */
    %UPPER%_INTERNAL = 7, /* a defect of the compiled model */
    %UPPER%_PROCESSOR = 8, /* the processor lacks instructions that every build needs: AVX2 and FMA */
    %UPPER%_PROGRAM = 9   /* an exact program that the model calls failed */
};

/* Element types: the numbers of ONNX. */
enum {
    %UPPER%_FLOAT32 = 1, %UPPER%_UINT8 = 2, %UPPER%_INT8 = 3, %UPPER%_UINT16 = 4, %UPPER%_INT16 = 5,
    %UPPER%_INT32 = 6, %UPPER%_INT64 = 7, %UPPER%_BOOL = 9, %UPPER%_FLOAT16 = 10, %UPPER%_FLOAT64 = 11,
    %UPPER%_UINT32 = 12, %UPPER%_UINT64 = 13, %UPPER%_BFLOAT16 = 16
};

/* A model. */
typedef struct %PREFIX% %PREFIX%;

/* Elements in row-major order, and their shape. */
typedef struct %PREFIX%_tensor {
    void *data;      /* as many elements as the product of the sizes; not written to where it is an input */
    int32_t type;
    int32_t rank;    /* the number of axes, at most 8 */
    int64_t size[8]; /* their sizes, outermost first */
} %PREFIX%_tensor;

/* What an input must be, or an output will be. */
typedef struct %PREFIX%_info {
    const char *name;
    int32_t type;
    int32_t rank;
    int64_t size[8];     /* -1 where it may differ from run to run */
    const char *axis[8]; /* the size as text: a number, a symbol, or an expression over symbols */
} %PREFIX%_info;

/* The message of the latest error on the calling thread; empty if there was none. Valid until the next error. */
const char *%PREFIX%_last_error(void);

/* Makes a model that uses one thread. The weights are the file %WEIGHTS% where weights is null,
 * else the file that it names. They are mapped, not copied, and read once to compare them with their checksum, about
 * as fast as memory is read. *model is null after an error. */
int32_t %PREFIX%_create(const char *weights, struct %PREFIX% **model);

/* The same without that reading, for weights that were checked in another way: those that are damaged give wrong outputs
 * or end the program. */
int32_t %PREFIX%_create_unchecked(const char *weights, struct %PREFIX% **model);

/* Frees a model, and all memory that its outputs lie in. Null is allowed. Refused while the model runs. */
int32_t %PREFIX%_destroy(%PREFIX% *model);

/* How many threads a run may use, from 1 to 256. The results do not depend on it. */
int32_t %PREFIX%_set_threads(%PREFIX% *model, int32_t threads);

/* What random numbers are drawn from: equal inputs and equal seeds give equal outputs. 0 unless set. */
int32_t %PREFIX%_set_seed(%PREFIX% *model, uint64_t seed);

/* The most bytes of working memory that runs may take, weights not counted. Unbounded unless set. */
int32_t %PREFIX%_set_memory_limit(%PREFIX% *model, int64_t bytes);

/* Resets the states that runs carry over, such as a KV cache: the next run begins with zeros. */
int32_t %PREFIX%_forget(%PREFIX% *model);

/* What goes in and comes out. The text belongs to the library. */
int32_t %PREFIX%_input_count(void);
int32_t %PREFIX%_output_count(void);
int32_t %PREFIX%_input(int32_t index, %PREFIX%_info *info);
int32_t %PREFIX%_output(int32_t index, %PREFIX%_info *info);

/* Computes the outputs. inputs holds one tensor for each input, in their order; they are only read, and not kept.
 * After the first runs of the largest sizes, a run allocates nothing. */
int32_t %PREFIX%_run(%PREFIX% *model, const %PREFIX%_tensor *inputs, int32_t count);

/* An output of the latest run. Its data belong to the model and are valid until it runs again or is destroyed. */
int32_t %PREFIX%_result(%PREFIX% *model, int32_t index, %PREFIX%_tensor *output);

/* The width in bits of the vectors that the library computes with on this processor. Setting the environment variable
 * SOFTMODEL_WIDTH to 256 before the first call keeps it from using wider ones. */
int32_t %PREFIX%_vector_bits(void);

#ifdef __cplusplus
}
#endif
#endif
