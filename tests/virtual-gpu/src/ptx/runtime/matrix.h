// Matrix instructions. A fragment's registers lie in the frames of the warp's lanes: lane `i`'s at
// `frames + i * stride + slot`. Products are exact, and their sum is taken in double precision and
// rounded once.

enum Element { F16, BF16, TF32, F32, S8, U8, S32 };

static inline u32 *slot(u8 *frames, u64 stride, u32 lane, u32 at) {
    return (u32 *)(frames + lane * stride + at);
}
static inline u32 bits_of(enum Element kind) { return kind <= BF16 ? 16 : kind == S8 || kind == U8 ? 8 : 32; }
// Element `at` of a register.
static inline f64 element(enum Element kind, u32 word, u32 at) {
    switch (kind) {
    case F16: return f16_to_f32(word >> 16 * at);
    case BF16: return bf16_to_f32(word >> 16 * at);
    case TF32: return as_f32(word & ~0x1fffu);
    case F32: return as_f32(word);
    case S8: return (s8)(word >> 8 * at);
    case U8: return (u8)(word >> 8 * at);
    default: return (s32)word;
    }
}
static inline void set_element(enum Element kind, u32 *word, u32 at, f64 value) {
    switch (kind) {
    case F16: ((u16 *)word)[at] = f64_to_f16(value); return;
    case F32: *word = as_u32((f32)value); return;
    default: *word = (u32)(s64)value; return;
    }
}

typedef f64 Row8 __attribute__((vector_size(64)));
union Rows { Row8 rows[32][4]; f64 at[32][32]; };

// out (m x n) += a (m x k) * b (k x n); n is a multiple of 8.
static void multiply(union Rows *out, union Rows *a, union Rows *b, u32 m, u32 n, u32 k) {
    for (u32 row = 0; row < m; row++)
        for (u32 part = 0; part < n / 8; part++) {
            Row8 sum = out->rows[row][part];
            for (u32 i = 0; i < k; i++) sum += a->at[row][i] * b->rows[i][part];
            out->rows[row][part] = sum;
        }
}

// mma.sync.m16n8k*: A by rows, B by columns, all lanes. The slots of each fragment's registers.
static void mma_m16n8(u8 *frames, u64 stride, u32 k, enum Element ab, enum Element ab_second, enum Element cd,
                      const u32 *d, const u32 *a, const u32 *b, const u32 *c) {
    union Rows first, second, sum;
    u32 each = 32 / bits_of(ab), wide = 4 * each, of_sum = 32 / bits_of(cd);
    for (u32 lane = 0; lane < 32; lane++) {
        u32 group = lane >> 2, in_group = lane & 3;
        for (u32 r = 0; r < 2 * k / wide; r++) {
            u32 word = *slot(frames, stride, lane, a[r]);
            for (u32 e = 0; e < each; e++)
                first.at[group + 8 * (r & 1)][in_group * each + e + wide * (r >> 1)] = element(ab, word, e);
        }
        for (u32 r = 0; r < k / wide; r++) {
            u32 word = *slot(frames, stride, lane, b[r]);
            for (u32 e = 0; e < each; e++)
                second.at[in_group * each + e + wide * r][group] = element(ab_second, word, e);
        }
        for (u32 i = 0; i < 4; i++)
            sum.at[group + 8 * (i >> 1)][in_group * 2 + (i & 1)] =
                element(cd, *slot(frames, stride, lane, c[i / of_sum]), i % of_sum);
    }
    multiply(&sum, &first, &second, 16, 8, k);
    for (u32 lane = 0; lane < 32; lane++)
        for (u32 i = 0; i < 4; i++)
            set_element(cd, slot(frames, stride, lane, d[i / of_sum]), i % of_sum,
                        sum.at[(lane >> 2) + 8 * (i >> 1)][(lane & 3) * 2 + (i & 1)]);
}

// ---- wmma: NVIDIA leaves the layout of a fragment open. Here element (row, column) is number
// row * columns + column, and each lane holds as many neighbours as 32 lanes need. ----

static void wmma_load(u32 *registers, u32 count, const u8 *from, u32 leading, int by_rows, u32 rows, u32 columns,
                      enum Element kind, u32 lane) {
    u32 bits = bits_of(kind), in_word = 32 / bits, each = rows * columns / 32;
    for (u32 i = 0; i < count; i++) registers[i] = 0;
    for (u32 i = 0; i < each; i++) {
        u32 number = lane * each + i, row = number / columns, column = number % columns;
        u64 at = by_rows ? (u64)row * leading + column : (u64)column * leading + row;
        if (bits == 16) ((u16 *)registers)[i] = ((const u16 *)from)[at];
        else registers[i / in_word] = ((const u32 *)from)[at];
    }
}
static void wmma_store(const u32 *registers, u8 *to, u32 leading, int by_rows, u32 rows, u32 columns,
                       enum Element kind, u32 lane) {
    u32 each = rows * columns / 32;
    for (u32 i = 0; i < each; i++) {
        u32 number = lane * each + i, row = number / columns, column = number % columns;
        u64 at = by_rows ? (u64)row * leading + column : (u64)column * leading + row;
        if (bits_of(kind) == 16) ((u16 *)to)[at] = ((const u16 *)registers)[i];
        else ((u32 *)to)[at] = registers[i];
    }
}
static void wmma_gather(union Rows *out, u8 *frames, u64 stride, u32 rows, u32 columns, enum Element kind,
                        const u32 *slots) {
    u32 each = rows * columns / 32, in_word = 32 / bits_of(kind);
    for (u32 number = 0; number < rows * columns; number++) {
        u32 i = number % each;
        out->at[number / columns][number % columns] =
            element(kind, *slot(frames, stride, number / each, slots[i / in_word]), i % in_word);
    }
}
static void wmma_mma(u8 *frames, u64 stride, u32 m, u32 n, u32 k, enum Element ab, enum Element of_c,
                     enum Element of_d, const u32 *d, const u32 *a, const u32 *b, const u32 *c) {
    union Rows first, second, sum;
    wmma_gather(&first, frames, stride, m, k, ab, a);
    wmma_gather(&second, frames, stride, k, n, ab, b);
    wmma_gather(&sum, frames, stride, m, n, of_c, c);
    multiply(&sum, &first, &second, m, n, k);
    u32 each = m * n / 32, in_word = 32 / bits_of(of_d);
    for (u32 number = 0; number < m * n; number++) {
        u32 i = number % each;
        set_element(of_d, slot(frames, stride, number / each, d[i / in_word]), i % in_word,
                    sum.at[number / n][number % n]);
    }
}

// ---- ldmatrix, stmatrix: 8 x 8 matrices of 16 bits; lane 8 i + j gives the place of row j of matrix i ----

static void ldmatrix(u8 *frames, u64 stride, u32 count, int transposed, u8 *shared, const u64 *rows, const u32 *d) {
    for (u32 i = 0; i < count; i++)
        for (u32 lane = 0; lane < 32; lane++) {
            u32 row = lane >> 2, column = (lane & 3) * 2;
            u16 one, two;
            if (transposed) {
                one = ((u16 *)(shared + rows[8 * i + column]))[row];
                two = ((u16 *)(shared + rows[8 * i + column + 1]))[row];
            } else {
                one = ((u16 *)(shared + rows[8 * i + row]))[column];
                two = ((u16 *)(shared + rows[8 * i + row]))[column + 1];
            }
            *slot(frames, stride, lane, d[i]) = join(one, two);
        }
}
static void stmatrix(u8 *frames, u64 stride, u32 count, int transposed, u8 *shared, const u64 *rows, const u32 *s) {
    for (u32 i = 0; i < count; i++)
        for (u32 lane = 0; lane < 32; lane++) {
            u32 row = lane >> 2, column = (lane & 3) * 2, word = *slot(frames, stride, lane, s[i]);
            if (transposed) {
                ((u16 *)(shared + rows[8 * i + column]))[row] = low(word);
                ((u16 *)(shared + rows[8 * i + column + 1]))[row] = high(word);
            } else {
                ((u16 *)(shared + rows[8 * i + row]))[column] = low(word);
                ((u16 *)(shared + rows[8 * i + row]))[column + 1] = high(word);
            }
        }
}
