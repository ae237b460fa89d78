// The arithmetic of PTX that C doesn't have. Every function gives the same bits on every machine:
// only operations that IEEE 754 defines are used, and no function of the mathematical library
// but fma, sqrt and rounding to an integer.

typedef __UINT8_TYPE__ u8;
typedef __UINT16_TYPE__ u16;
typedef __UINT32_TYPE__ u32;
typedef __UINT64_TYPE__ u64;
typedef __INT8_TYPE__ s8;
typedef __INT16_TYPE__ s16;
typedef __INT32_TYPE__ s32;
typedef __INT64_TYPE__ s64;
typedef unsigned __int128 u128;
typedef __int128 s128;
typedef float f32;
typedef double f64;

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

// ---- Bits ----

static inline f32 as_f32(u32 x) { union { u32 i; f32 f; } v = {x}; return v.f; }
static inline u32 as_u32(f32 x) { union { f32 f; u32 i; } v = {x}; return v.i; }
static inline f64 as_f64(u64 x) { union { u64 i; f64 f; } v = {x}; return v.f; }
static inline u64 as_u64(f64 x) { union { f64 f; u64 i; } v = {x}; return v.i; }
static inline u32 join(u16 low, u16 high) { return low | (u32)high << 16; }
static inline u16 low(u32 x) { return x; }
static inline u16 high(u32 x) { return x >> 16; }

// ---- Half precision and bfloat16, rounded to nearest, ties to even ----

#if defined(__F16C__) && defined(__FLT16_MAX__)
static inline f32 f16_to_f32(u16 x) { union { u16 i; _Float16 f; } v = {x}; return v.f; }
static inline u16 f32_to_f16(f32 x) {
    union { _Float16 f; u16 i; } v = {(_Float16)x};
    return x != x ? 0x7fff : v.i;
}
#else
static inline f32 f16_to_f32(u16 x) {
    u32 sign = (u32)(x & 0x8000) << 16, size = x & 0x7fff;
    if (size >= 0x7c00) return as_f32(sign | 0x7f800000 | (size & 0x3ff) << 13);
    // The exponent is too small by 112; a product sets it right and makes subnormals normal.
    return as_f32(sign | as_u32(as_f32(size << 13) * 0x1p112f));
}
static inline u16 f32_to_f16(f32 x) {
    u32 bits = as_u32(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return 0x7fff;
    if (size >= 0x477ff000) return sign | 0x7c00;
    if (size < 0x38800000) // a subnormal: a sum whose last place is 2^-24 rounds it
        return sign | (as_u32(as_f32(size) + 0.5f) - 0x3f000000);
    size += 0xfff + (size >> 13 & 1);
    return sign | (size - 0x38000000) >> 13;
}
#endif
static inline f32 bf16_to_f32(u16 x) { return as_f32((u32)x << 16); }
static inline u16 f32_to_bf16(f32 x) {
    u32 bits = as_u32(x);
    return x != x ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static inline u16 f32_to_f16_rz(f32 x) {
    u16 near = f32_to_f16(x);
    f32 back = f16_to_f32(near);
    return (x < 0 ? back < x : back > x) ? near - 1 : near;
}
static inline u16 f32_to_bf16_rz(f32 x) { return x != x ? 0x7fff : as_u32(x) >> 16; }
// The format that tensor cores read single precision as, 10 bits of mantissa; ties away from zero.
static inline u32 f32_to_tf32(f32 x) {
    u32 bits = as_u32(x);
    return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & ~0x1fffu;
}

// ---- Sums in double precision rounded to odd: another rounding after it errs nowhere ----

static inline f64 add_odd(f64 a, f64 b) {
    f64 sum = a + b;
    f64 of_b = sum - a;
    f64 rest = (a - (sum - of_b)) + (b - of_b);
    u64 bits = as_u64(sum);
    if (rest != 0 && rest == rest && !(bits & 1))
        return as_f64(rest > 0 == sum > 0 ? bits + 1 : bits - 1);
    return sum;
}
static inline f32 odd_to_f32_toward(f64 x, int up) {
    f32 near = (f32)x;
    u32 bits = as_u32(near);
    if (up && (f64)near < x) return near == 0 ? as_f32(1) : as_f32(near > 0 ? bits + 1 : bits - 1);
    if (!up && (f64)near > x) return near == 0 ? as_f32(0x80000001) : as_f32(near > 0 ? bits - 1 : bits + 1);
    return near;
}
static inline f32 odd_to_f32(f64 x) { return (f32)x; }
static inline f32 odd_to_f32_rm(f64 x) { return odd_to_f32_toward(x, 0); }
static inline f32 odd_to_f32_rp(f64 x) { return odd_to_f32_toward(x, 1); }
static inline f32 odd_to_f32_rz(f64 x) { return odd_to_f32_toward(x, x < 0); }
// Double precision to single, rounded to odd.
static inline f32 f64_to_f32_odd(f64 x) {
    f32 near = (f32)x;
    u32 bits = as_u32(near);
    if ((f64)near == x || x != x || (bits & 1)) return near;
    return as_f32(((f64)near > x) == (x > 0) ? bits - 1 : bits + 1);
}
static inline u16 f64_to_f16(f64 x) { return f32_to_f16(f64_to_f32_odd(x)); }
static inline u16 f64_to_bf16(f64 x) { return f32_to_bf16(f64_to_f32_odd(x)); }
static inline u16 fma_f16(u16 a, u16 b, u16 c) {
    return f64_to_f16(add_odd((f64)f16_to_f32(a) * f16_to_f32(b), f16_to_f32(c)));
}
static inline u16 fma_bf16(u16 a, u16 b, u16 c) {
    return f64_to_bf16(add_odd((f64)bf16_to_f32(a) * bf16_to_f32(b), bf16_to_f32(c)));
}

// ---- Smallest, largest, limits ----

static inline f32 min_f32(f32 a, f32 b) {
    return a < b ? a : b < a ? b : a == b ? as_f32(as_u32(a) | as_u32(b)) : a != a ? b : a;
}
static inline f32 max_f32(f32 a, f32 b) {
    return a > b ? a : b > a ? b : a == b ? as_f32(as_u32(a) & as_u32(b)) : a != a ? b : a;
}
static inline f64 min_f64(f64 a, f64 b) {
    return a < b ? a : b < a ? b : a == b ? as_f64(as_u64(a) | as_u64(b)) : a != a ? b : a;
}
static inline f64 max_f64(f64 a, f64 b) {
    return a > b ? a : b > a ? b : a == b ? as_f64(as_u64(a) & as_u64(b)) : a != a ? b : a;
}
static inline f32 min_nan_f32(f32 a, f32 b) { return a != a || b != b ? as_f32(0x7fffffff) : min_f32(a, b); }
static inline f32 max_nan_f32(f32 a, f32 b) { return a != a || b != b ? as_f32(0x7fffffff) : max_f32(a, b); }
// Subnormal numbers become zero of the same sign (.ftz).
static inline f32 flush(f32 x) { return as_u32(x) & 0x7f800000 ? x : as_f32(as_u32(x) & 0x80000000); }
// Between 0 and 1; a NaN becomes 0 (.sat).
static inline f32 saturate_f32(f32 x) { return x > 0 ? x < 1 ? x : 1 : 0; }
static inline f64 saturate_f64(f64 x) { return x > 0 ? x < 1 ? x : 1 : 0; }
static inline f32 relu_f32(f32 x) { return x != x ? as_f32(0x7fffffff) : x > 0 ? x : 0; }

// ---- Numbers to integers: out of range is the nearest one, a NaN is zero ----

#define TO_SIGNED(bits, least, most)                                                               \
    static inline s##bits f64_to_s##bits(f64 x) {                                                  \
        return x >= -(f64)(least) ? (s##bits)(most) : x >= (f64)(least) ? (s##bits)x : x != x ? 0 : (s##bits)(least); \
    }
#define TO_UNSIGNED(bits, above)                                                                   \
    static inline u##bits f64_to_u##bits(f64 x) {                                                  \
        return x >= (above) ? (u##bits)-1 : x > 0 ? (u##bits)x : 0;                                \
    }
TO_SIGNED(8, -128, 127)
TO_SIGNED(16, -32768, 32767)
TO_SIGNED(32, -2147483648ll, 2147483647)
TO_SIGNED(64, -__INT64_MAX__ - 1, __INT64_MAX__)
TO_UNSIGNED(8, 256.0)
TO_UNSIGNED(16, 65536.0)
TO_UNSIGNED(32, 4294967296.0)
TO_UNSIGNED(64, 18446744073709551616.0)
#define CLAMP(value, least, most) ((value) < (least) ? (least) : (value) > (most) ? (most) : (value))

// ---- Integers to single precision, other than to nearest: through two exact halves ----

static inline f32 s64_to_f32_rz(s64 x) { return odd_to_f32_rz(add_odd((f64)(x >> 32) * 0x1p32, (f64)(u32)x)); }
static inline f32 s64_to_f32_rm(s64 x) { return odd_to_f32_rm(add_odd((f64)(x >> 32) * 0x1p32, (f64)(u32)x)); }
static inline f32 s64_to_f32_rp(s64 x) { return odd_to_f32_rp(add_odd((f64)(x >> 32) * 0x1p32, (f64)(u32)x)); }

// ---- Bit fields ----

static inline u32 bfe_u32(u32 a, u32 at, u32 count) {
    at &= 255, count &= 255;
    if (at > 31 || !count) return 0;
    return count > 31 ? a >> at : a >> at & ((1u << count) - 1);
}
static inline u64 bfe_u64(u64 a, u32 at, u32 count) {
    at &= 255, count &= 255;
    if (at > 63 || !count) return 0;
    return count > 63 ? a >> at : a >> at & ((1ull << count) - 1);
}
// Above the field stands its highest bit, or that of `a` where the field reaches beyond it.
static inline s32 bfe_s32(s32 a, u32 at, u32 count) {
    at &= 255, count &= 255;
    if (!count) return 0;
    u32 last = at + count - 1 > 31 ? 31 : at + count - 1;
    return at > 31 ? a >> 31 : (s32)((u32)a << (31 - last)) >> (31 - last + at);
}
static inline s64 bfe_s64(s64 a, u32 at, u32 count) {
    at &= 255, count &= 255;
    if (!count) return 0;
    u32 last = at + count - 1 > 63 ? 63 : at + count - 1;
    return at > 63 ? a >> 63 : (s64)((u64)a << (63 - last)) >> (63 - last + at);
}
static inline u32 bfi_b32(u32 a, u32 b, u32 at, u32 count) {
    at &= 255, count &= 255;
    if (at > 31 || !count) return b;
    u32 mask = (count > 31 ? ~0u : (1u << count) - 1) << at;
    return (b & ~mask) | (a << at & mask);
}
static inline u64 bfi_b64(u64 a, u64 b, u32 at, u32 count) {
    at &= 255, count &= 255;
    if (at > 63 || !count) return b;
    u64 mask = (count > 63 ? ~0ull : (1ull << count) - 1) << at;
    return (b & ~mask) | (a << at & mask);
}
static inline u32 clz_b32(u32 x) { return x ? __builtin_clz(x) : 32; }
static inline u32 clz_b64(u64 x) { return x ? __builtin_clzll(x) : 64; }
static inline u32 popc_b32(u32 x) { return __builtin_popcount(x); }
static inline u32 popc_b64(u64 x) { return __builtin_popcountll(x); }
static inline u32 bfind_u32(u32 x) { return x ? 31 - __builtin_clz(x) : ~0u; }
static inline u32 bfind_s32(s32 x) { return bfind_u32(x < 0 ? ~x : x); }
static inline u32 bfind_u64(u64 x) { return x ? 63 - __builtin_clzll(x) : ~0u; }
static inline u32 bfind_s64(s64 x) { return bfind_u64(x < 0 ? ~x : x); }
static inline u32 brev_b32(u32 x) {
    x = x >> 1 & 0x55555555 | (x & 0x55555555) << 1;
    x = x >> 2 & 0x33333333 | (x & 0x33333333) << 2;
    x = x >> 4 & 0x0f0f0f0f | (x & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(x);
}
static inline u64 brev_b64(u64 x) { return (u64)brev_b32(x) << 32 | brev_b32(x >> 32); }
static inline u32 prmt(u32 a, u32 b, u32 choice) {
    u64 bytes = (u64)b << 32 | a;
    u32 out = 0;
    for (int i = 0; i < 4; i++) {
        u32 nibble = choice >> 4 * i & 15;
        u8 byte = bytes >> 8 * (nibble & 7);
        if (nibble & 8) byte = byte & 0x80 ? 0xff : 0;
        out |= (u32)byte << 8 * i;
    }
    return out;
}
static inline u32 lop3(u32 a, u32 b, u32 c, u32 table) {
    u32 out = 0;
    if (table & 1) out |= ~a & ~b & ~c;
    if (table & 2) out |= ~a & ~b & c;
    if (table & 4) out |= ~a & b & ~c;
    if (table & 8) out |= ~a & b & c;
    if (table & 16) out |= a & ~b & ~c;
    if (table & 32) out |= a & ~b & c;
    if (table & 64) out |= a & b & ~c;
    if (table & 128) out |= a & b & c;
    return out;
}
static inline u32 shf_l(u32 a, u32 b, u32 by) { return ((u64)b << 32 | a) << by >> 32; }
static inline u32 shf_r(u32 a, u32 b, u32 by) { return ((u64)b << 32 | a) >> by; }
static inline u32 shf_l_wrap(u32 a, u32 b, u32 by) { return shf_l(a, b, by & 31); }
static inline u32 shf_r_wrap(u32 a, u32 b, u32 by) { return shf_r(a, b, by & 31); }
static inline u32 shf_l_clamp(u32 a, u32 b, u32 by) { return by > 31 ? a : shf_l(a, b, by); }
static inline u32 shf_r_clamp(u32 a, u32 b, u32 by) { return by > 31 ? b : shf_r(a, b, by); }
static inline s32 dp4a_ss(u32 a, u32 b, u32 c) {
    for (int i = 0; i < 32; i += 8) c += (s8)(a >> i) * (s8)(b >> i);
    return c;
}
static inline u32 dp4a_uu(u32 a, u32 b, u32 c) {
    for (int i = 0; i < 32; i += 8) c += (u8)(a >> i) * (u8)(b >> i);
    return c;
}

// ---- Functions that a GPU approximates: here right to the last place or nearly ----

static f64 power_of_two(f64 x) {
    if (x != x) return x;
    if (x > 1000) return __builtin_inf();
    if (x < -1000) return 0;
    f64 whole = __builtin_rint(x), r = (x - whole) * 0.69314718055994530942, sum = 1;
    for (int i = 14; i; i--) sum = 1 + r / i * sum;
    return sum * as_f64((u64)(1023 + (s64)whole) << 52);
}
static f64 logarithm(f64 x) {
    if (x != x || x < 0) return __builtin_nan("");
    if (x == 0) return -__builtin_inf();
    if (x == __builtin_inf()) return x;
    u64 bits = as_u64(x);
    s64 exponent = (s64)(bits >> 52) - 1023;
    f64 m = as_f64((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
    if (m > 1.4142135623730951) m /= 2, exponent++;
    f64 s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int i = 21; i > 0; i -= 2) sum = sum * square + 1.0 / i;
    return exponent + sum * s * 2.88539008177792681472;
}
// The sine, or with `quarter` 1 the cosine.
static f64 wave(f64 x, int quarter) {
    if (!(x > -1e9 && x < 1e9)) return __builtin_nan("");
    f64 whole = __builtin_rint(x * 0.63661977236758134308);
    f64 r = x - whole * 1.57079632673412561417;
    r -= whole * 6.07710050630396597660e-11;
    r -= whole * 2.02226624879595063154e-21;
    u32 at = (u32)(s64)whole + quarter;
    f64 sum = 0;
    for (int i = 17 + (at & 1); i > 1; i -= 2) sum = -(1 + sum) * r * r / (i * (i - 1));
    sum = (1 + sum) * (at & 1 ? 1 : r);
    return at & 2 ? -sum : sum;
}
static f64 hyperbolic_tangent(f64 x) {
    f64 size = x < 0 ? -x : x;
    if (size < 1e-4) return x - x * x * x / 3;
    f64 t = power_of_two(size * -2.88539008177792681472);
    f64 y = (1 - t) / (1 + t);
    return x < 0 ? -y : y;
}
static f32 ex2_f32(f32 x) { return (f32)power_of_two(x); }
static f32 lg2_f32(f32 x) { return (f32)logarithm(x); }
static f32 sin_f32(f32 x) { return (f32)wave(x, 0); }
static f32 cos_f32(f32 x) { return (f32)wave(x, 1); }
static f32 tanh_f32(f32 x) { return x != x ? x : (f32)hyperbolic_tangent(x); }
static inline f32 rsqrt_f32(f32 x) { return (f32)(1.0 / __builtin_sqrt(x)); }
