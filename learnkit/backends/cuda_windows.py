"""The CUDA C source of convolution and pooling; how it is made and tested is said in ``cuda.py``.

Every thread writes numbers of its own, and what adds up gathers it: no two threads write one number, so
results do not depend on the order in which threads run.
"""

from __future__ import annotations

__all__ = ["WINDOWS"]

#: What every kernel is told of the images and the window.
_SHAPE = (
    "long long total, int c, int h, int w, int rows, int across, int kh, int kw, "
    "int sh, int sw, int ph, int pw, int dh, int dw"
)

#: ``total`` is the number of threads that have something to do. Columns lie at
#: ``n * step_n + ((group * kh + i) * kw + j) * c / groups + channel in the group) * step_k + position``.
WINDOWS = r"""
/* The thread's number, as column, row, channel and image. */
#define PLACE(HIGH, WIDE) \
    const long long me = (long long)blockIdx.x * blockDim.x + threadIdx.x; \
    if (me >= total) return; \
    const int q = (int)(me % (WIDE)), r = (int)(me / (WIDE) % (HIGH)); \
    const long long plane = me / ((long long)(WIDE) * (HIGH));

/* One thread a position and channel. */
extern "C" __global__ void im2col(
    const REAL *x, REAL *columns, SHAPE, int per_group, long long step_n, long long step_k)
{
    PLACE(rows, across)
    const long long n = plane / c;
    const int channel = (int)(plane % c), group = channel / per_group;
    const REAL *image = x + plane * h * w;
    REAL *out = columns + n * step_n + (long long)r * across + q
        + ((long long)group * kh * kw * per_group + channel % per_group) * step_k;
    for (int i = 0; i < kh; ++i)
        for (int j = 0; j < kw; ++j) {
            const int y = r * sh + i * dh - ph, z = q * sw + j * dw - pw;
            const bool inside = y >= 0 && y < h && z >= 0 && z < w;
            const REAL value = inside ? image[(long long)y * w + z] : (REAL)0;
            out[(long long)(i * kw + j) * per_group * step_k] = value;
        }
}

/* One thread a pixel, which gathers from all positions that it lies under. */
extern "C" __global__ void col2im(
    const REAL *columns, REAL *x, SHAPE, int per_group, long long step_n, long long step_k)
{
    PLACE(h, w)
    const long long n = plane / c;
    const int channel = (int)(plane % c), group = channel / per_group;
    const REAL *in = columns + n * step_n
        + ((long long)group * kh * kw * per_group + channel % per_group) * step_k;
    REAL sum = 0;
    for (int i = 0; i < kh; ++i) {
        const int y = r + ph - i * dh;
        if (y < 0 || y % sh || y / sh >= rows) continue;
        for (int j = 0; j < kw; ++j) {
            const int z = q + pw - j * dw;
            if (z < 0 || z % sw || z / sw >= across) continue;
            sum += in[(long long)(i * kw + j) * per_group * step_k + (long long)(y / sh) * across + z / sw];
        }
    }
    x[me] = sum;
}

/* The first place at which the largest pixel, top, stands under the window at (r, q), or -1. */
__device__ static int first_place(
    const REAL *image, REAL top, int r, int q, int h, int w, int kh, int kw,
    int sh, int sw, int ph, int pw, int dh, int dw)
{
    for (int i = 0; i < kh; ++i)
        for (int j = 0; j < kw; ++j) {
            const int y = r * sh + i * dh - ph, z = q * sw + j * dw - pw;
            if (y >= 0 && y < h && z >= 0 && z < w && image[(long long)y * w + z] == top) return i * kw + j;
        }
    return -1;
}

extern "C" __global__ void max_pool(const REAL *x, REAL *largest, SHAPE)
{
    PLACE(rows, across)
    const REAL *image = x + plane * h * w;
    REAL top = -exp((REAL)10000); /* minus infinity */
    for (int i = 0; i < kh; ++i)
        for (int j = 0; j < kw; ++j) {
            const int y = r * sh + i * dh - ph, z = q * sw + j * dw - pw;
            if (y < 0 || y >= h || z < 0 || z >= w) continue;
            const REAL value = image[(long long)y * w + z];
            if (value > top || value != value) top = value;
        }
    largest[me] = top;
}

/* One thread a pixel, which gathers from the windows whose first largest pixel it is. */
extern "C" __global__ void max_pool_backward(
    const REAL *g, const REAL *x, const REAL *largest, REAL *dx, SHAPE)
{
    PLACE(h, w)
    const REAL *image = x + plane * h * w, value = x[me];
    REAL sum = 0;
    for (int i = 0; i < kh; ++i) {
        const int y = r + ph - i * dh;
        if (y < 0 || y % sh || y / sh >= rows) continue;
        for (int j = 0; j < kw; ++j) {
            const int z = q + pw - j * dw;
            if (z < 0 || z % sw || z / sw >= across) continue;
            const long long there = (plane * rows + y / sh) * across + z / sw;
            if (largest[there] != value) continue;
            const int k = first_place(image, value, y / sh, z / sw, h, w, kh, kw, sh, sw, ph, pw, dh, dw);
            if (k == i * kw + j) sum += g[there];
        }
    }
    dx[me] = sum;
}

/* What stands in v where x is largest. */
extern "C" __global__ void max_pool_select(
    const REAL *v, const REAL *x, const REAL *largest, REAL *out, SHAPE)
{
    PLACE(rows, across)
    const REAL *image = x + plane * h * w;
    const int k = first_place(image, largest[me], r, q, h, w, kh, kw, sh, sw, ph, pw, dh, dw);
    const int y = r * sh + k / kw * dh - ph, z = q * sw + k % kw * dw - pw;
    out[me] = k < 0 ? (REAL)0 : v[plane * h * w + (long long)y * w + z];
}

extern "C" __global__ void window_sum(const REAL *x, REAL *sums, SHAPE)
{
    PLACE(rows, across)
    const REAL *image = x + plane * h * w;
    REAL sum = 0;
    for (int i = 0; i < kh; ++i)
        for (int j = 0; j < kw; ++j) {
            const int y = r * sh + i * dh - ph, z = q * sw + j * dw - pw;
            if (y >= 0 && y < h && z >= 0 && z < w) sum += image[(long long)y * w + z];
        }
    sums[me] = sum;
}

extern "C" __global__ void window_spread(const REAL *g, REAL *x, SHAPE)
{
    PLACE(h, w)
    REAL sum = 0;
    for (int i = 0; i < kh; ++i) {
        const int y = r + ph - i * dh;
        if (y < 0 || y % sh || y / sh >= rows) continue;
        for (int j = 0; j < kw; ++j) {
            const int z = q + pw - j * dw;
            if (z < 0 || z % sw || z / sw >= across) continue;
            sum += g[(plane * rows + y / sh) * across + z / sw];
        }
    }
    x[me] = sum;
}
""".replace("SHAPE", _SHAPE)
