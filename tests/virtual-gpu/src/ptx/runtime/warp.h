// What the lanes of a warp do together.

// Returns the lane that a shuffle reads from; 32 or more if it is out of the segment.
static inline u32 shuffle_up(u32 lane, u32 by, u32 limit) {
    u32 first = lane & limit >> 8 & 31;
    s32 from = (s32)lane - (s32)(by & 31);
    return from >= (s32)((first | (limit & 31 & ~(limit >> 8)))) ? (u32)from : 32;
}
static inline u32 shuffle_last(u32 lane, u32 limit) {
    u32 segment = limit >> 8 & 31;
    return (lane & segment) | (limit & 31 & ~segment);
}
static inline u32 shuffle_down(u32 lane, u32 by, u32 limit) {
    u32 from = lane + (by & 31);
    return from <= shuffle_last(lane, limit) ? from : 32;
}
static inline u32 shuffle_bfly(u32 lane, u32 by, u32 limit) {
    u32 from = lane ^ (by & 31);
    return from <= shuffle_last(lane, limit) ? from : 32;
}
static inline u32 shuffle_idx(u32 lane, u32 by, u32 limit) {
    u32 segment = limit >> 8 & 31, from = (lane & segment) | (by & 31 & ~segment);
    return from <= shuffle_last(lane, limit) ? from : 32;
}

// ---- cp.async: what is copied is poison until it has been waited for ----

static int copy_begin(struct Copies *copies, u8 *to, const u8 *from, u32 size, u32 wanted) {
    if (copies->count == sizeof copies->list / sizeof *copies->list) return 0;
    __builtin_memset(to, 0xff, size);
    u32 at = copies->count++;
    copies->list[at].to = to, copies->list[at].from = from, copies->list[at].size = size;
    copies->list[at].wanted = wanted < size ? wanted : size, copies->list[at].group = copies->group;
    return 1;
}
// Completes all groups but the `pending` newest.
static void copies_wait(struct Copies *copies, u32 pending) {
    u32 kept = 0;
    for (u32 i = 0; i < copies->count; i++) {
        if (copies->list[i].group + pending >= copies->group) {
            copies->list[kept++] = copies->list[i];
            continue;
        }
        __builtin_memset(copies->list[i].to, 0, copies->list[i].size);
        __builtin_memcpy(copies->list[i].to, copies->list[i].from, copies->list[i].wanted);
    }
    copies->count = kept;
}
static void copies_finish(struct Copies *copies) {
    copies->group++;
    copies_wait(copies, 0);
}
