/*
 * Feeds a DPDK program with frames from a file and takes the time it works on them.
 *
 * Loaded by LD_PRELOAD into a program that is otherwise as it is. Its ports are DPDK's net_null with no-rx=1: they receive nothing
 * and swallow what is sent. When such a port starts, two callbacks of DPDK's public interface are put on each of its queues:
 *
 *   receive: gives the frames of a trace, in order, each copied into a buffer of the queue's own pool, when the control page asks
 *            for a pass. The program works a burst off before it polls again, so the thread's CPU time from one poll to another is
 *            what the frames between them cost; time that the thread did not run is not in it.
 *   send:    counts.
 *
 * When the control page says so, a pass begins with all of its frames in buffers, past the caches of the CPU that receives them: there a
 * NIC leaves them, and what this CPU does not look at, another one does not have to fetch from it.
 *
 * So every measured program pays the same for its ports, and a loop that only receives and sends (floor.c) tells how much.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <immintrin.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "control.h"

/* Frames under way in a program with several threads: half of what planed's rings between workers hold. */
#define UNDER_WAY 512
/* Frames of a queue that can lie in buffers before the first is given, and how many are put there at once. */
#define AHEAD_MOST 4096
#define FILLED_AT_ONCE 32

/* One queue of a port. */
struct queue {
	struct rte_mempool *pool;
	uint64_t pass;
	bool playing;
	bool timed;
	const uint8_t *map;
	size_t map_octets;
	uint64_t trace;
	const uint8_t *next;
	uint64_t frames; /* of one loop */
	uint64_t left;   /* of this loop */
	uint64_t loops;  /* that follow this one */
	uint64_t warm;
	uint64_t cpu_ns;
	uint64_t tsc;
	uint64_t began_ns;
	struct played now;
	struct rte_mbuf *ahead[AHEAD_MOST]; /* of which `left` are still to be given, the last ones */
} __rte_cache_aligned;

static struct queue queues[MAX_PORTS][MAX_QUEUES];
static struct control *control;
static const char *folder;

static void die(const char *what)
{
	fprintf(stderr, "net_trace: %s\n", what);
	_exit(70);
}

static void open_control(void)
{
	const char *path;

	if (control != NULL)
		return;
	folder = getenv("NET_TRACE_FOLDER");
	path = getenv("NET_TRACE_CONTROL");
	if (folder == NULL || path == NULL)
		die("NET_TRACE_FOLDER and NET_TRACE_CONTROL are not set");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("the control page cannot be opened");
	void *page = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		die("the control page cannot be mapped");
	control = page;
	if (control->magic != CONTROL_MAGIC)
		die("the control page is of another version");
	control->tsc_hz = rte_get_tsc_hz();
}

static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void map_trace(struct queue *q, uint64_t trace, uint16_t number)
{
	char path[512];
	struct stat info;

	if (q->map != NULL && q->trace == trace)
		return;
	if (q->map != NULL)
		munmap((void *)(uintptr_t)q->map, q->map_octets);
	q->map = NULL;
	snprintf(path, sizeof(path), "%s/trace.%" PRIu64 ".%u", folder, trace, number);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) != 0)
		die("a trace cannot be opened");
	void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED || ((const struct trace_head *)map)->magic != CONTROL_MAGIC)
		die("a trace cannot be mapped");
	q->map = map;
	q->map_octets = (size_t)info.st_size;
	q->trace = trace;
}

/* As rte_memcpy, past the caches, by words: a frame of the trace is filled up to one at least. */
static void write_past(void *to, const uint8_t *from, uint32_t octets)
{
	long long *next = to;

	for (uint32_t at = 0; at < octets; at += sizeof(*next)) {
		long long word;

		memcpy(&word, from + at, sizeof(word));
		_mm_stream_si64(next++, word);
	}
}

/* Puts the next frames into buffers, of which there may be too few. */
static bool fill(struct queue *q, uint16_t port, struct rte_mbuf **bufs, uint16_t count)
{
	if (rte_pktmbuf_alloc_bulk(q->pool, bufs, count) != 0)
		return false;
	for (uint16_t i = 0; i < count; i++) {
		const struct frame *frame = (const struct frame *)q->next;
		const uint8_t *octets = q->next + sizeof(*frame);
		struct rte_mbuf *m = bufs[i];

		if (control->ahead != 0)
			write_past(rte_pktmbuf_mtod(m, void *), octets, frame->octets);
		else
			rte_memcpy(rte_pktmbuf_mtod(m, void *), octets, frame->octets);
		m->data_len = (uint16_t)frame->octets;
		m->pkt_len = frame->octets;
		m->port = port;
		q->next += RTE_ALIGN_CEIL(sizeof(*frame) + frame->octets, FRAME_ALIGN);
	}
	return true;
}

static void fill_ahead(struct queue *q, uint16_t port)
{
	if (q->frames > AHEAD_MOST || q->loops != 0)
		die("a trace is too long to lie in buffers");
	for (uint64_t at = 0; at < q->frames; at += FILLED_AT_ONCE) {
		uint16_t count = (uint16_t)RTE_MIN(q->frames - at, (uint64_t)FILLED_AT_ONCE);
		if (!fill(q, port, &q->ahead[at], count))
			die("there are too few buffers for a trace");
	}
	_mm_sfence();
}

static void rewind_trace(struct queue *q)
{
	q->left = q->frames;
	q->next = q->map + sizeof(struct trace_head);
}

static void begin(struct queue *q, uint16_t port, uint16_t number, uint64_t pass)
{
	q->pass = pass;
	if (control->port != port || number >= control->queues)
		return;
	map_trace(q, control->trace, number);
	q->frames = ((const struct trace_head *)q->map)->frames;
	q->loops = control->loops - 1;
	q->warm = control->warm;
	q->now = (struct played){ .pass = pass };
	q->timed = false;
	q->playing = true;
	rewind_trace(q);
	if (q->left == 0)
		__atomic_add_fetch(&control->dry, 1, __ATOMIC_ACQ_REL);
	if (control->ahead != 0)
		fill_ahead(q, port);
	/* Several queues begin together, or the first would find the others' threads asleep. */
	uint64_t ready = __atomic_add_fetch(&control->ready, 1, __ATOMIC_ACQ_REL);
	while (ready < control->queues) {
		rte_pause();
		ready = __atomic_load_n(&control->ready, __ATOMIC_ACQUIRE);
	}
	q->began_ns = thread_ns();
}

/* Everything that was given before this poll has been worked off. */
static void end(struct queue *q, uint16_t number)
{
	struct played *shared = &control->played[number];

	q->now.cpu_ns = thread_ns() - q->cpu_ns;
	q->now.tsc = rte_rdtsc() - q->tsc;
	q->playing = false;
	*shared = (struct played){ .cpu_ns = q->now.cpu_ns, .tsc = q->now.tsc, .packets = q->now.packets,
		.starved = q->now.starved, .began_ns = q->began_ns, .pass = shared->pass };
	__atomic_store_n(&shared->pass, q->pass, __ATOMIC_RELEASE);
}

/*
 * Whether so many frames are under way between threads that a queue between them could overflow when one of the threads does not get the
 * CPU. A single thread has worked off what it was given before.
 */
static bool is_full(void)
{
	uint64_t sent = 0;

	if (control->queues == 1)
		return false;
	for (int port = 0; port < MAX_PORTS; port++)
		for (int number = 0; number < MAX_QUEUES; number++)
			sent += __atomic_load_n(&control->sent[port][number].packets, __ATOMIC_ACQUIRE);
	uint64_t given = __atomic_load_n(&control->given, __ATOMIC_ACQUIRE);
	return given > sent - control->base + UNDER_WAY;
}

static uint16_t play(struct queue *q, uint16_t port, uint16_t number, struct rte_mbuf **bufs, uint16_t most)
{
	if (q->left == 0 && q->loops > 0) {
		q->loops--;
		rewind_trace(q);
	}
	if (q->left == 0) {
		end(q, number);
		return 0;
	}
	if (is_full())
		return 0;
	uint16_t count = (uint16_t)RTE_MIN(q->left, (uint64_t)most);
	if (control->ahead != 0) {
		rte_memcpy(bufs, &q->ahead[q->frames - q->left], count * sizeof(bufs[0]));
	} else if (!fill(q, port, bufs, count)) {
		q->now.starved++;
		return 0;
	}
	if (q->warm > 0) {
		q->warm -= RTE_MIN(q->warm, (uint64_t)count);
	} else {
		if (!q->timed) {
			q->timed = true;
			q->tsc = rte_rdtsc();
			q->cpu_ns = thread_ns();
		}
		q->now.packets += count;
	}
	q->left -= count;
	if (control->queues > 1)
		__atomic_add_fetch(&control->given, count, __ATOMIC_ACQ_REL);
	if (q->left == 0 && q->loops == 0)
		__atomic_add_fetch(&control->dry, 1, __ATOMIC_ACQ_REL);
	return count;
}

static uint16_t receive(uint16_t port, uint16_t number, struct rte_mbuf **bufs, uint16_t received, uint16_t most, void *param)
{
	struct queue *q = param;
	uint64_t pass = __atomic_load_n(&control->pass, __ATOMIC_ACQUIRE);

	if (unlikely(pass != q->pass))
		begin(q, port, number, pass);
	if (!q->playing)
		return received;
	return play(q, port, number, bufs, most);
}

static uint16_t transmit(uint16_t port, uint16_t number, struct rte_mbuf **bufs, uint16_t count, void *param)
{
	struct sent *sent = param;
	uint64_t octets = 0;

	RTE_SET_USED(port);
	RTE_SET_USED(number);
	for (uint16_t i = 0; i < count; i++)
		octets += bufs[i]->pkt_len;
	sent->octets += octets;
	/* The clock is a system call: it is asked only about the end. */
	if (__atomic_load_n(&control->dry, __ATOMIC_ACQUIRE) == control->queues)
		sent->last_ns = thread_ns();
	__atomic_store_n(&sent->packets, sent->packets + count, __ATOMIC_RELEASE);
	return count;
}

/* In front of DPDK's own functions of these names: the pool of a queue is told in one, callbacks can be added after the other. */
int rte_eth_rx_queue_setup(uint16_t port, uint16_t number, uint16_t descriptors, unsigned int socket,
		const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	int (*real)(uint16_t, uint16_t, uint16_t, unsigned int, const struct rte_eth_rxconf *, struct rte_mempool *) =
		dlsym(RTLD_NEXT, "rte_eth_rx_queue_setup");

	if (port >= MAX_PORTS || number >= MAX_QUEUES)
		die("more ports or queues than there is room for");
	queues[port][number].pool = pool;
	return real(port, number, descriptors, socket, conf, pool);
}

int rte_eth_dev_start(uint16_t port)
{
	int (*real)(uint16_t) = dlsym(RTLD_NEXT, "rte_eth_dev_start");
	struct rte_eth_dev_info info;

	open_control();
	int rc = real(port);
	if (rc != 0)
		return rc;
	rc = rte_eth_dev_info_get(port, &info);
	if (rc != 0)
		return rc;
	/* net_null makes one up; the frames are addressed to this one. */
	struct rte_ether_addr mac = { { 2, 0, 0, 0, 1, (uint8_t)port } };
	rc = rte_eth_dev_default_mac_addr_set(port, &mac);
	if (rc != 0)
		return rc;
	for (uint16_t i = 0; i < info.nb_rx_queues; i++)
		/* In front of the program's own: a driver comes before them, too. */
		if (rte_eth_add_first_rx_callback(port, i, receive, &queues[port][i]) == NULL)
			die("a receive callback was refused");
	for (uint16_t i = 0; i < info.nb_tx_queues; i++)
		if (i >= MAX_QUEUES || rte_eth_add_tx_callback(port, i, transmit, &control->sent[port][i]) == NULL)
			die("a transmit callback was refused");
	__atomic_add_fetch(&control->ports, 1, __ATOMIC_RELEASE);
	return 0;
}
