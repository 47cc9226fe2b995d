/*
 * What ports cost: receives bursts on each of two ports and sends them on the other, nothing else. Measured by hook.c as the gateways
 * are, and subtracted from what they take.
 */
#include <stdio.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "control.h"

#define PORTS 2
#define DESCRIPTORS 1024
#define BUFFERS 16383
#define CACHE 256
#define MOST 64

static void start(uint16_t port, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { 0 };

	if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(port, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup(port, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL) != 0 ||
			rte_eth_dev_start(port) != 0)
		rte_exit(1, "port %u does not start\n", port);
}

int main(int argc, char **argv)
{
	struct rte_mbuf *bufs[MOST];
	int used = rte_eal_init(argc, argv);

	if (used < 0 || used + 1 >= argc)
		rte_exit(1, "usage: floor [EAL options] -- BURST\n");
	unsigned int burst = (unsigned int)atoi(argv[used + 1]);
	if (burst == 0 || burst > MOST)
		rte_exit(1, "a burst has 1 to %d packets\n", MOST);
	struct rte_mempool *pool = rte_pktmbuf_pool_create("frames", BUFFERS, CACHE, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	if (pool == NULL)
		rte_exit(1, "no memory for packets\n");
	for (uint16_t port = 0; port < PORTS; port++)
		start(port, pool);
	for (;;) {
		for (uint16_t port = 0; port < PORTS; port++) {
			uint16_t received = rte_eth_rx_burst(port, 0, bufs, (uint16_t)burst);
			uint16_t done = 0;

			while (done < received)
				done += rte_eth_tx_burst((uint16_t)(port ^ 1), 0, bufs + done, (uint16_t)(received - done));
		}
	}
}
