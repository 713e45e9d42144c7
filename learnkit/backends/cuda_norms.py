"""The CUDA C source of normalisation and of sums of squares; ``cuda.py`` says how it is made and tested.

No two threads write one number, and sums are taken in an order that the shapes alone decide. Statistics are
added in double precision. What the arrays mean is said in ``norms.py``: ``scale`` is the power of two that
keeps squares within range, ``eps`` comes already multiplied by its square, and where there is no weight or
bias, the pointer is that of another array and its flag is 0.
"""

from __future__ import annotations

__all__ = ["NORMS", "SQUARES"]

_SUM = r"""
/* The sum over the lanes of a block, for each of its columns; part has room for one number a thread. */
__device__ static double lanes_sum(double *part, double mine, int columns)
{
    const int me = threadIdx.x;
    __syncthreads();
    part[me] = mine;
    __syncthreads();
    for (int half = blockDim.x / columns / 2; half > 0; half /= 2) {
        if (me < half * columns) part[me] += part[me + half * columns];
        __syncthreads();
    }
    return part[me % columns];
}
"""

#: Rows: one block a row. Sums over examples: a block for so many columns and one chunk of examples, then one
#: thread a channel that puts the chunks together. What is left: one thread an element.
NORMS = (
    _SUM
    + r"""
extern "C" __global__ void row_norm(
    const REAL *x, const REAL *w, const REAL *b, REAL *y, REAL *high_of, REAL *low_of, REAL *power_of,
    int groups, long long m, int rest, double scale, double eps, int centred, int weighted, int biased)
{
    __shared__ double part[256];
    const long long row = blockIdx.x, segments = m / rest;
    const REAL *in = x + row * m;
    REAL *out = y + row * m;
    double mean = 0, one = 0, two = 0;
    if (centred) {
        for (long long j = threadIdx.x; j < m; j += blockDim.x) mean += in[j] * scale;
        mean = lanes_sum(part, mean, 1) / m;
    }
    for (long long j = threadIdx.x; j < m; j += blockDim.x) {
        const double d = in[j] * scale - mean;
        one += d;
        two += d * d;
    }
    one = lanes_sum(part, one, 1);
    two = lanes_sum(part, two, 1);
    if (centred) {
        mean += one / m;
        two -= one * one / m;
    }
    const REAL high = (REAL)mean, low = (REAL)(mean - (double)high), power = (REAL)(two / m);
    const REAL inverse = (REAL)(1.0 / sqrt(two / m + eps)), s = (REAL)scale;
    if (threadIdx.x == 0) {
        high_of[row] = high;
        low_of[row] = low;
        power_of[row] = power;
    }
    const long long first = row % groups * segments;
    for (long long j = threadIdx.x; j < m; j += blockDim.x) {
        const long long c = first + j / rest;
        REAL h = ((in[j] * s - high) - low) * inverse;
        if (weighted) h *= w[c];
        if (biased) h += b[c];
        out[j] = h;
    }
}

extern "C" __global__ void row_norm_backward(
    const REAL *g, const REAL *x, const REAL *w, const REAL *high_of, const REAL *low_of,
    const REAL *power_of, REAL *dx, int groups, long long m, int rest, double scale, double eps,
    int centred, int weighted)
{
    __shared__ double part[256];
    const long long row = blockIdx.x, segments = m / rest, first = row % groups * segments;
    const REAL *in = x + row * m, *up = g + row * m;
    REAL *out = dx + row * m;
    const REAL high = high_of[row], low = low_of[row], s = (REAL)scale;
    const REAL inverse = (REAL)(1.0 / sqrt((double)power_of[row] + eps));
    double total = 0, product = 0;
    for (long long j = threadIdx.x; j < m; j += blockDim.x) {
        const REAL gw = weighted ? up[j] * w[first + j / rest] : up[j];
        total += gw;
        product += (double)gw * (((in[j] * s - high) - low) * inverse);
    }
    const REAL a = centred ? (REAL)(lanes_sum(part, total, 1) / m) : (REAL)0;
    const REAL p = (REAL)(lanes_sum(part, product, 1) / m);
    for (long long j = threadIdx.x; j < m; j += blockDim.x) {
        const REAL gw = weighted ? up[j] * w[first + j / rest] : up[j];
        const REAL h = ((in[j] * s - high) - low) * inverse;
        out[j] = (gw - a - h * p) * (inverse * s);
    }
}

/* The sums of g h and of g. Statistics are those of the row if there are groups, else of the channel. */
extern "C" __global__ void norm_sums(
    const REAL *g, const REAL *x, const REAL *high_of, const REAL *low_of, const REAL *power_of,
    double *partial, int n, int channels, int rest, int groups, int columns, int chunk,
    double scale, double eps)
{
    __shared__ double part[256];
    const int c = blockIdx.x * columns + threadIdx.x % columns, lane = threadIdx.x / columns;
    const int lanes = blockDim.x / columns, first = blockIdx.y * chunk;
    const int count = (first + chunk < n ? chunk : n - first) * rest;
    const REAL s = (REAL)scale;
    double product = 0, total = 0;
    if (c < channels)
        for (int e = lane; e < count; e += lanes) {
            const long long example = first + e / rest;
            const long long i = (example * channels + c) * rest + e % rest;
            const long long r = groups ? example * groups + c / (channels / groups) : c;
            const REAL inverse = (REAL)(1.0 / sqrt((double)power_of[r] + eps));
            product += (double)g[i] * (((x[i] * s - high_of[r]) - low_of[r]) * inverse);
            total += g[i];
        }
    product = lanes_sum(part, product, columns);
    total = lanes_sum(part, total, columns);
    if (lane == 0 && c < channels) {
        partial[(2LL * blockIdx.y) * channels + c] = product;
        partial[(2LL * blockIdx.y + 1) * channels + c] = total;
    }
}

extern "C" __global__ void merge_sums(const double *partial, int chunks, int channels, REAL *dw, REAL *db)
{
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    double product = 0, total = 0;
    for (long long q = 0; q < chunks; ++q) {
        product += partial[2 * q * channels + c];
        total += partial[(2 * q + 1) * channels + c];
    }
    dw[c] = (REAL)product;
    db[c] = (REAL)total;
}

/* Of each chunk the mean, and the sum of squared distances from it. */
extern "C" __global__ void channel_moments(
    const REAL *x, double *partial, int n, int channels, int rest, int columns, int chunk, double scale)
{
    __shared__ double part[256];
    const int c = blockIdx.x * columns + threadIdx.x % columns, lane = threadIdx.x / columns;
    const int lanes = blockDim.x / columns, first = blockIdx.y * chunk;
    const int count = (first + chunk < n ? chunk : n - first) * rest;
    double mean = 0, one = 0, two = 0;
    if (c < channels)
        for (int e = lane; e < count; e += lanes)
            mean += x[((long long)(first + e / rest) * channels + c) * rest + e % rest] * scale;
    mean = lanes_sum(part, mean, columns) / count;
    if (c < channels)
        for (int e = lane; e < count; e += lanes) {
            const double v = x[((long long)(first + e / rest) * channels + c) * rest + e % rest] * scale;
            one += v - mean;
            two += (v - mean) * (v - mean);
        }
    one = lanes_sum(part, one, columns);
    two = lanes_sum(part, two, columns);
    if (lane == 0 && c < channels) {
        partial[(2LL * blockIdx.y) * channels + c] = mean + one / count;
        partial[(2LL * blockIdx.y + 1) * channels + c] = two - one * one / count;
    }
}

/* Chan, Golub and LeVeque 1979; and the factor of the centred values. */
extern "C" __global__ void merge_moments(
    const double *partial, const REAL *w, int chunks, int channels, int n, int chunk, double rest,
    int weighted, double eps, REAL *high_of, REAL *low_of, REAL *power_of, REAL *factor)
{
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= channels) return;
    double mean = partial[c], squares = partial[channels + c], seen = chunk < n ? chunk : n;
    for (long long q = 1; q < chunks; ++q) {
        const double left = n - (double)q * chunk, count = left < chunk ? left : chunk;
        const double d = partial[2 * q * channels + c] - mean;
        mean += d * (count / (seen + count));
        squares += partial[(2 * q + 1) * channels + c] + d * d * (seen * count / (seen + count)) * rest;
        seen += count;
    }
    const double power = squares / (seen * rest), inverse = 1.0 / sqrt(power + eps);
    high_of[c] = (REAL)mean;
    low_of[c] = (REAL)(mean - (double)high_of[c]);
    power_of[c] = (REAL)power;
    factor[c] = (REAL)(weighted ? inverse * w[c] : inverse);
}

extern "C" __global__ void channels_apply(
    const REAL *x, const REAL *high_of, const REAL *low_of, const REAL *factor, const REAL *b, REAL *y,
    long long size, int channels, int rest, int biased, double scale)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const int c = (int)(i / rest % channels);
    const REAL h = ((x[i] * (REAL)scale - high_of[c]) - low_of[c]) * factor[c];
    y[i] = biased ? h + b[c] : h;
}

/* m is the number of elements of a channel. */
extern "C" __global__ void channels_backward(
    const REAL *g, const REAL *x, const REAL *w, const REAL *high_of, const REAL *low_of,
    const REAL *power_of, const REAL *dw, const REAL *db, REAL *dx, long long size,
    int channels, int rest, double m, int weighted, double scale, double eps)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const int c = (int)(i / rest % channels);
    const REAL s = (REAL)scale, inverse = (REAL)1 / sqrt(power_of[c] + (REAL)eps);
    const REAL h = ((x[i] * s - high_of[c]) - low_of[c]) * inverse;
    const REAL k = weighted ? inverse * s * w[c] : inverse * s;
    dx[i] = (g[i] - db[c] / (REAL)m - h * (dw[c] / (REAL)m)) * k;
}
"""
)
#: Sums of squares of a vector, each block one in double precision, and the root of all of them.
SQUARES = (
    _SUM
    + r"""
extern "C" __global__ void sum_of_squares(const REAL *x, long long n, double *partial)
{
    __shared__ double part[256];
    const long long step = (long long)gridDim.x * blockDim.x;
    double mine = 0;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
        mine += (double)x[i] * (double)x[i];
    const double total = lanes_sum(part, mine, 1);
    if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

extern "C" __global__ void root_of_sum(const double *partial, int n, REAL *norm)
{
    __shared__ double part[256];
    double mine = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) mine += partial[i];
    const double total = lanes_sum(part, mine, 1);
    if (threadIdx.x == 0) *norm = (REAL)sqrt(total);
}
"""
)
