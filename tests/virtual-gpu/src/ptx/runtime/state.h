// What the launcher and a kernel share. `launch.rs` declares the same structures.

// A block, as its threads see it.
struct Block {
    void **parameters;
    u8 *shared;
    u64 shared_size;
    u32 at[3], threads[3], grid[3];
    u32 line;    // where a fault happened: a line of the PTX
    u64 address; // and at which address
};

// Copies that `cp.async` began and no wait has completed.
struct Copies {
    u32 count, group;
    struct { u8 *to; const u8 *from; u32 size, wanted, group; } list[256];
};

// A thread of a kernel that meets others: where it goes on, and what it waits for.
struct Thread {
    u32 place[3], number, at, mask;
    u8 *local, *frame;
    struct Copies *copies;
};

// Why a thread stopped.
enum { FINISHED, BARRIER, WARP, MISALIGNED, OUTSIDE, TRAP, COPIES };

// A kernel of this object.
struct Kernel {
    const char *name;
    u32 cooperative, sequential, parameters, shared, dynamic, local, frame, copies;
    u32 required[3];
    u32 (*run)(struct Block *, struct Thread *);
    u32 (*warp)(struct Block *, struct Thread *lanes, u32 active, u32 at);
};

#define FAULT(why, where, what)                                                                    \
    { line = (where), address = (u64)(what); goto why; }
#define ALIGNED(a, bytes, where)                                                                   \
    if (UNLIKELY((a) & ((bytes) - 1))) FAULT(misaligned, where, a)
#define INSIDE(a, bytes, where)                                                                    \
    if (UNLIKELY((a) + (bytes) > shared_size || (a) > shared_size)) FAULT(outside, where, a)

// The lanes of a warp that take part, in ascending order.
#define EACH(i) for (u32 rest_ = active, i; rest_ && (i = __builtin_ctz(rest_), 1); rest_ &= rest_ - 1)
