"""The CUDA C sources of the kernels that CuPy has no function for.

They are text, so this file imports nothing, and they use only what a C++ compiler also knows, given a
few lines that define ``blockIdx`` and its like: the tests compile the very same text for the CPU and
compare every bit, on machines that have no GPU.

``REAL`` and ``LABEL`` stand for the C types of the numbers and of the class labels; :func:`source` puts
them in. Arrays are dense and in row-major order.
"""

from __future__ import annotations

__all__ = ["C_TYPES", "PHILOX_UNIFORM", "SOFTMAX", "source"]

#: The C type of a dtype of the standard.
C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long"}

#: ``philox_uniform(out, n, seed, stream, step)``: the layout described in ``learnkit.backends.random``.
#: A thread makes one block of four 64-bit words and writes the numbers they give.
#: ``dropout`` uses them at once.
PHILOX_UNIFORM = r"""
typedef unsigned long long word;

__device__ static void philox(word block, word seed, word stream, word step, word *words)
{
    /* NumPy increments the counter before it generates, hence the + 1. */
    word c0 = block + 1, c1 = step, c2 = 0, c3 = 0, k0 = seed, k1 = stream;
    for (int round = 0; round < 10; ++round) {
        const word high0 = __umul64hi(0xD2E7470EE14C6C93ULL, c0), low0 = 0xD2E7470EE14C6C93ULL * c0;
        const word high1 = __umul64hi(0xCA5A826395121157ULL, c2), low1 = 0xCA5A826395121157ULL * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15ULL;
        k1 += 0xBB67AE8584CAA73BULL;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

extern "C" __global__ void philox_uniform(REAL *out, long long n, word seed, word stream, word step)
{
    const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const int per_block = sizeof(REAL) == 4 ? 8 : 4;
    const long long first = thread * per_block;
    if (first >= n) return;

    word words[4];
    philox((word)thread, seed, stream, step, words);
    for (int i = 0; i < per_block && first + i < n; ++i) {
        if (sizeof(REAL) == 4) {
            const unsigned int half = (unsigned int)(words[i / 2] >> (32 * (i % 2)));
            out[first + i] = (REAL)((half >> 8) * (1.0f / 16777216.0f));
        } else {
            out[first + i] = (REAL)((words[i] >> 11) * (1.0 / 9007199254740992.0));
        }
    }
}

/* Eight elements a thread: x kept where the 24 bits of its float32 number are at least least, else 0 x. */
extern "C" __global__ void dropout(
    const REAL *x, REAL *out, long long n, word seed, word stream, word step, int least, double kept)
{
    const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const long long first = thread * 8;
    if (first >= n) return;
    word words[4];
    philox((word)thread, seed, stream, step, words);
    for (int i = 0; i < 8 && first + i < n; ++i) {
        const unsigned int half = (unsigned int)(words[i / 2] >> (32 * (i % 2)));
        out[first + i] = x[first + i] * ((int)(half >> 8) >= least ? (REAL)kept : (REAL)0);
    }
}
"""

#: Forward: one group of threads a row, at most 256 and a power of two. Backward: one thread a number.
#: A label outside [0, k) gives a loss of NaN and no read outside the row.
SOFTMAX = r"""
/* The softmax of a row; every thread of the group learns the largest logit and the sum. */
__device__ static void softmax_row(const REAL *z, REAL *p, long long k, REAL *largest, REAL *sum)
{
    __shared__ REAL part[256];
    const int me = threadIdx.x, threads = blockDim.x;

    REAL top = z[0];
    for (long long j = me; j < k; j += threads)
        if (z[j] > top) top = z[j];
    part[me] = top;
    __syncthreads();
    for (int half = threads / 2; half > 0; half /= 2) {
        if (me < half && part[me + half] > part[me]) part[me] = part[me + half];
        __syncthreads();
    }
    top = part[0];
    __syncthreads();

    REAL mine = 0;
    for (long long j = me; j < k; j += threads) {
        const REAL e = exp(z[j] - top);
        p[j] = e;
        mine += e;
    }
    part[me] = mine;
    __syncthreads();
    for (int half = threads / 2; half > 0; half /= 2) {
        if (me < half) part[me] += part[me + half];
        __syncthreads();
    }
    const REAL total = part[0];
    for (long long j = me; j < k; j += threads) p[j] /= total;
    *largest = top;
    *sum = total;
}

extern "C" __global__ void softmax(const REAL *z, REAL *p, long long k)
{
    const long long row = blockIdx.x;
    REAL largest, sum;
    softmax_row(z + row * k, p + row * k, k, &largest, &sum);
}

/* y is first the softmax, whose sum gives the logarithm. */
extern "C" __global__ void log_softmax(const REAL *z, REAL *y, long long k)
{
    const long long row = blockIdx.x;
    REAL largest, sum;
    softmax_row(z + row * k, y + row * k, k, &largest, &sum);
    for (long long j = threadIdx.x; j < k; j += blockDim.x)
        y[row * k + j] = z[row * k + j] - largest - log(sum);
}

__device__ static REAL row_sum(REAL mine)
{
    __shared__ REAL part[256];
    const int me = threadIdx.x;
    part[me] = mine;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (me < half) part[me] += part[me + half];
        __syncthreads();
    }
    return part[0];
}

extern "C" __global__ void softmax_backward(const REAL *g, const REAL *y, REAL *dz, long long k)
{
    const long long first = blockIdx.x * k;
    REAL mine = 0;
    for (long long j = threadIdx.x; j < k; j += blockDim.x) mine += g[first + j] * y[first + j];
    const REAL inner = row_sum(mine);
    for (long long j = threadIdx.x; j < k; j += blockDim.x)
        dz[first + j] = y[first + j] * (g[first + j] - inner);
}

extern "C" __global__ void log_softmax_backward(const REAL *g, const REAL *y, REAL *dz, long long k)
{
    const long long first = blockIdx.x * k;
    REAL mine = 0;
    for (long long j = threadIdx.x; j < k; j += blockDim.x) mine += g[first + j];
    const REAL total = row_sum(mine);
    for (long long j = threadIdx.x; j < k; j += blockDim.x)
        dz[first + j] = g[first + j] - exp(y[first + j]) * total;
}

extern "C" __global__ void softmax_cross_entropy(
    const REAL *z, const LABEL *labels, REAL *losses, REAL *p, long long k)
{
    const long long row = blockIdx.x;
    REAL largest, sum;
    softmax_row(z + row * k, p + row * k, k, &largest, &sum);
    if (threadIdx.x == 0) {
        const long long label = labels[row];
        const REAL nan = (REAL)0 / (sum - sum);
        losses[row] = label >= 0 && label < k ? (REAL)(log(sum) - (z[row * k + label] - largest)) : nan;
    }
}

extern "C" __global__ void softmax_cross_entropy_backward(
    const REAL *g, const REAL *p, const LABEL *labels, REAL *dz, long long n, long long k)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n * k) return;
    const long long row = i / k;
    const REAL hit = labels[row] == i - row * k ? (REAL)1 : (REAL)0;
    dz[i] = (p[i] - hit) * g[row];
}
"""


def source(text: str, real: str, label: str = "int64") -> str:
    """``text`` for numbers of dtype ``real`` and labels of dtype ``label`` (names of the standard)."""
    return f"#define REAL {C_TYPES[real]}\n#define LABEL {C_TYPES[label]}\n{text}"
