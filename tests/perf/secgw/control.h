/* The page that the bench and a measured process share: 64-bit words in a file. `control.rs` has the same layout. */
#pragma once

#include <stdint.h>

#define CONTROL_MAGIC UINT64_C(0x31454341525456) /* "VTRACE1" */
#define MAX_PORTS 4
#define MAX_QUEUES 4

/* What one receive queue tells of its last pass. */
struct played {
	uint64_t pass;    /* written last */
	uint64_t cpu_ns;  /* of the thread, from the first timed burst until all of it was worked off */
	uint64_t tsc;     /* the same by the time stamp counter: other threads' time is in it */
	uint64_t packets; /* timed ones */
	uint64_t starved; /* polls that found no buffer */
	uint64_t began_ns; /* of the thread's CPU time, when the first frame was given */
	uint64_t reserved[2];
};

/* What left through one transmit queue since the process started: a line each, as each is another thread's. */
struct sent {
	uint64_t packets;
	uint64_t octets;
	uint64_t last_ns; /* of the thread's CPU time, at the last burst sent after all frames were given */
	uint64_t reserved[5];
};

struct control {
	uint64_t magic;
	/* Written by the bench; `pass` last. */
	uint64_t pass;
	uint64_t port;  /* whose queues play the trace */
	uint64_t trace; /* the files trace.<this>.<queue> */
	uint64_t loops; /* how often each is played */
	uint64_t warm;  /* packets of each queue before the clock runs */
	uint64_t queues; /* that play; each waits for the others */
	uint64_t ready;  /* queues that have come; set to 0 before `pass` */
	/* Written by the process. */
	uint64_t tsc_hz;
	uint64_t ports; /* ports that are started */
	/* Of several queues, set before `pass`: frames that were given and are not sent yet are `given` less all `sent` beyond `base`. */
	uint64_t given;
	uint64_t base;
	uint64_t dry; /* queues that have given all they had; set to 0 before `pass` */
	uint64_t ahead; /* whether all frames lie in buffers before the first is given, past the caches, as a NIC leaves them */
	uint64_t pad[2];
	struct played played[MAX_QUEUES];
	struct sent sent[MAX_PORTS][MAX_QUEUES];
};

/* A trace: this, then `frames` times a struct frame and its octets, each filled up to FRAME_ALIGN. */
struct trace_head {
	uint64_t magic;
	uint64_t frames;
	uint64_t reserved[6];
};

struct frame {
	uint32_t octets;
	uint32_t reserved;
};

#define FRAME_ALIGN 64
