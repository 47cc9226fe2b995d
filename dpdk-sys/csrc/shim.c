/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#define _GNU_SOURCE
#include "shim.h"

#include <rte_bus.h>
#include <stdio.h>
#include <string.h>

#define SAME(ours, theirs) \
	_Static_assert(offsetof(struct rv_mbuf, ours) == offsetof(struct rte_mbuf, theirs), #ours)
SAME(buf_addr, buf_addr);
SAME(buf_iova, buf_iova);
SAME(data_off, data_off);
SAME(refcnt, refcnt);
SAME(nb_segs, nb_segs);
SAME(port, port);
SAME(ol_flags, ol_flags);
SAME(packet_type, packet_type);
SAME(pkt_len, pkt_len);
SAME(data_len, data_len);
SAME(vlan_tci, vlan_tci);
SAME(hash_rss, hash.rss);
SAME(vlan_tci_outer, vlan_tci_outer);
SAME(buf_len, buf_len);
SAME(pool, pool);
SAME(next, next);
SAME(tx_offload, tx_offload);
SAME(shinfo, shinfo);
SAME(priv_size, priv_size);
SAME(dynfield1, dynfield1);
_Static_assert(sizeof(struct rv_mbuf) == sizeof(struct rte_mbuf), "mbuf size");

int rv_errno(void) { return rte_errno; }
unsigned int rv_lcore_id(void) { return rte_lcore_id(); }

static rv_log_fn log_sink;

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	int level = rte_log_cur_msg_loglevel();
	log_sink(level < 0 ? RTE_LOG_INFO : (uint32_t)level, text, len);
	return (ssize_t)len;
}

int rv_log_open(rv_log_fn sink)
{
	static FILE *stream;
	if (stream == NULL) {
		cookie_io_functions_t io = { .write = log_write };
		log_sink = sink;
		stream = fopencookie(NULL, "w", io);
		if (stream == NULL)
			return -1;
		setvbuf(stream, NULL, _IOLBF, 1024);
	}
	return rte_openlog_stream(stream);
}

static struct rte_mbuf **theirs(struct rv_mbuf **mbufs) { return (struct rte_mbuf **)mbufs; }

int rv_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rv_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, theirs(mbufs), count);
}

void rv_pktmbuf_free(struct rv_mbuf *mbuf) { rte_pktmbuf_free((struct rte_mbuf *)mbuf); }

void rv_pktmbuf_free_bulk(struct rv_mbuf **mbufs, unsigned int count)
{
	rte_pktmbuf_free_bulk(theirs(mbufs), count);
}

int rv_pktmbuf_linearize(struct rv_mbuf *mbuf)
{
	return rte_pktmbuf_linearize((struct rte_mbuf *)mbuf);
}

int rv_pktmbuf_chain(struct rv_mbuf *head, struct rv_mbuf *tail)
{
	return rte_pktmbuf_chain((struct rte_mbuf *)head, (struct rte_mbuf *)tail);
}

unsigned int rv_mempool_avail(const struct rte_mempool *pool)
{
	return rte_mempool_avail_count(pool);
}

uint16_t rv_eth_rx_burst(uint16_t port, uint16_t queue, struct rv_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, theirs(mbufs), count);
}

uint16_t rv_eth_tx_burst(uint16_t port, uint16_t queue, struct rv_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, theirs(mbufs), count);
}

int rv_eth_link_get_nowait(uint16_t port, struct rv_link *out)
{
	struct rte_eth_link link;
	memset(&link, 0, sizeof(link));
	int rc = rte_eth_link_get_nowait(port, &link);
	out->speed_mbps = link.link_speed;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	out->autoneg = link.link_autoneg == RTE_ETH_LINK_AUTONEG;
	return rc;
}

int rv_eth_configure(uint16_t port, uint16_t rx_queues, uint16_t tx_queues,
		     const struct rv_eth_settings *settings)
{
	struct rte_eth_conf conf;
	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = settings->mtu_octets;
	conf.rxmode.offloads = settings->rx_offloads;
	conf.txmode.offloads = settings->tx_offloads;
	conf.intr_conf.lsc = settings->lsc_interrupt;
	if (rx_queues > 1 && settings->rss_hf != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = settings->rss_hf;
	}
	return rte_eth_dev_configure(port, rx_queues, tx_queues, &conf);
}

int rv_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket,
			  uint64_t offloads, struct rte_mempool *pool)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port, &info);
	if (rc != 0)
		return rc;
	struct rte_eth_rxconf conf = info.default_rxconf;
	conf.offloads = offloads;
	return rte_eth_rx_queue_setup(port, queue, descriptors, (unsigned int)socket, &conf, pool);
}

int rv_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket,
			  uint64_t offloads)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port, &info);
	if (rc != 0)
		return rc;
	struct rte_eth_txconf conf = info.default_txconf;
	conf.offloads = offloads;
	return rte_eth_tx_queue_setup(port, queue, descriptors, (unsigned int)socket, &conf);
}

int rv_eth_caps_get(uint16_t port, struct rv_eth_caps *caps)
{
	struct rte_eth_dev_info info;
	memset(caps, 0, sizeof(*caps));
	int rc = rte_eth_dev_info_get(port, &info);
	if (rc != 0)
		return rc;
	snprintf(caps->driver, sizeof(caps->driver), "%s", info.driver_name ? info.driver_name : "");
	caps->rx_offloads = info.rx_offload_capa;
	caps->tx_offloads = info.tx_offload_capa;
	caps->rss_hf = info.flow_type_rss_offloads;
	caps->speed_capa = info.speed_capa;
	caps->max_rx_pktlen = info.max_rx_pktlen;
	caps->max_rx_queues = info.max_rx_queues;
	caps->max_tx_queues = info.max_tx_queues;
	caps->min_mtu = info.min_mtu;
	caps->max_mtu = info.max_mtu;
	caps->reta_size = info.reta_size;
	caps->socket = rte_eth_dev_socket_id(port);
	caps->security = rte_eth_dev_get_sec_ctx(port) != NULL;
	return 0;
}

int rv_eth_device_name(uint16_t port, char *bus, char *device, size_t len)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port, &info);
	if (rc != 0)
		return rc;
	if (info.device == NULL)
		return -ENODEV;
	snprintf(bus, len, "%s", rte_bus_name(rte_dev_bus(info.device)));
	snprintf(device, len, "%s", rte_dev_name(info.device));
	return 0;
}

uint16_t rv_eth_next_port(uint16_t from) { return (uint16_t)rte_eth_find_next(from); }

unsigned int rv_ring_enqueue_burst(struct rte_ring *ring, void *const *objects, unsigned int count)
{
	return rte_ring_enqueue_burst(ring, objects, count, NULL);
}

unsigned int rv_ring_dequeue_burst(struct rte_ring *ring, void **objects, unsigned int count)
{
	return rte_ring_dequeue_burst(ring, objects, count, NULL);
}

unsigned int rv_ring_count(const struct rte_ring *ring) { return rte_ring_count(ring); }

void rv_rcu_online(struct rte_rcu_qsbr *rcu, unsigned int thread)
{
	rte_rcu_qsbr_thread_online(rcu, thread);
}

void rv_rcu_offline(struct rte_rcu_qsbr *rcu, unsigned int thread)
{
	rte_rcu_qsbr_thread_offline(rcu, thread);
}

void rv_rcu_quiescent(struct rte_rcu_qsbr *rcu, unsigned int thread)
{
	rte_rcu_qsbr_quiescent(rcu, thread);
}

uint64_t rv_rcu_start(struct rte_rcu_qsbr *rcu) { return rte_rcu_qsbr_start(rcu); }

int rv_rcu_check(struct rte_rcu_qsbr *rcu, uint64_t token)
{
	return rte_rcu_qsbr_check(rcu, token, false);
}

struct rte_fib *rv_fib_create(const char *name, uint32_t max_routes, uint32_t tbl8_groups,
			      uint32_t next_hop_octets, uint64_t default_next_hop)
{
	struct rte_fib_conf conf;
	memset(&conf, 0, sizeof(conf));
	conf.type = RTE_FIB_DIR24_8;
	conf.default_nh = default_next_hop;
	conf.max_routes = (int)max_routes;
	conf.dir24_8.num_tbl8 = tbl8_groups;
	switch (next_hop_octets) {
	case 2:
		conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_2B;
		break;
	case 4:
		conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
		break;
	default:
		conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_8B;
		break;
	}
	return rte_fib_create(name, SOCKET_ID_ANY, &conf);
}

int rv_fib_use_rcu(struct rte_fib *fib, struct rte_rcu_qsbr *rcu)
{
	struct rte_fib_rcu_config conf;
	memset(&conf, 0, sizeof(conf));
	conf.v = rcu;
	conf.mode = RTE_FIB_QSBR_MODE_DQ;
	return rte_fib_rcu_qsbr_add(fib, &conf);
}

int rv_imb_gcm_ops(struct rv_gcm_ops *aes128, struct rv_gcm_ops *aes256, uint32_t *arch,
		   uint64_t *features)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);
	if (mgr == NULL)
		return ENOMEM;
	IMB_ARCH chosen = IMB_ARCH_NONE;
	init_mb_mgr_auto(mgr, &chosen);
	int rc = imb_get_errno(mgr);
	if (rc == 0) {
		aes128->pre = mgr->gcm128_pre;
		aes128->enc = mgr->gcm128_enc;
		aes128->dec = mgr->gcm128_dec;
		aes256->pre = mgr->gcm256_pre;
		aes256->enc = mgr->gcm256_enc;
		aes256->dec = mgr->gcm256_dec;
		*arch = (uint32_t)chosen;
		*features = mgr->features;
	}
	free_mb_mgr(mgr);
	return rc;
}
