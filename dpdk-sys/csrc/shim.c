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

IMB_MGR *rv_imb_new(void)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);
	if (mgr == NULL)
		return NULL;
	init_mb_mgr_auto(mgr, NULL);
	if (imb_get_errno(mgr) == 0)
		return mgr;
	free_mb_mgr(mgr);
	return NULL;
}

#define RV_GCM_OPS(_mgr, _bits)                                                                    \
	{                                                                                          \
		.pre = (_mgr)->gcm##_bits##_pre, .enc = (_mgr)->gcm##_bits##_enc,                  \
		.dec = (_mgr)->gcm##_bits##_dec, .gmac_init = (_mgr)->gmac##_bits##_init,          \
		.gmac_update = (_mgr)->gmac##_bits##_update,                                       \
		.gmac_finalize = (_mgr)->gmac##_bits##_finalize,                                   \
	}

int rv_imb_ops(struct rv_imb_ops *ops)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);
	if (mgr == NULL)
		return ENOMEM;
	IMB_ARCH chosen = IMB_ARCH_NONE;
	init_mb_mgr_auto(mgr, &chosen);
	int rc = imb_get_errno(mgr);
	if (rc == 0) {
		*ops = (struct rv_imb_ops){
			.gcm = { RV_GCM_OPS(mgr, 128), RV_GCM_OPS(mgr, 192), RV_GCM_OPS(mgr, 256) },
			.chacha_init = mgr->chacha20_poly1305_init,
			.chacha_enc = mgr->chacha20_poly1305_enc_update,
			.chacha_dec = mgr->chacha20_poly1305_dec_update,
			.chacha_finalize = mgr->chacha20_poly1305_finalize,
			.arch = (uint32_t)chosen,
			.features = mgr->features,
		};
	}
	free_mb_mgr(mgr);
	return rc;
}

int rv_imb_expand(IMB_MGR *mgr, struct rv_imb_key *key, const uint8_t *cipher_key,
		  const uint8_t *hash_key, uint32_t hash_octets, const uint8_t *iv_key)
{
	uint32_t unused[60] __attribute__((aligned(16)));

	if (key->cipher == IMB_CIPHER_DES || key->cipher == IMB_CIPHER_DES3) {
		for (uint32_t i = 0; i < key->key_octets / 8; i++) {
			IMB_DES_KEYSCHED(mgr, key->des[i], cipher_key + 8 * i);
			key->des_keys[i] = key->des[i];
		}
	} else if (key->key_octets == 16) {
		IMB_AES_KEYEXP_128(mgr, cipher_key, key->enc, key->dec);
	} else if (key->key_octets == 24) {
		IMB_AES_KEYEXP_192(mgr, cipher_key, key->enc, key->dec);
	} else if (key->key_octets == 32) {
		IMB_AES_KEYEXP_256(mgr, cipher_key, key->enc, key->dec);
	}
	IMB_AES_KEYEXP_128(mgr, iv_key, key->iv, unused);
	imb_clear_mem(unused, sizeof(unused));
	imb_hmac_ipad_opad(mgr, (IMB_HASH_ALG)key->hash, hash_key, hash_octets, key->ipad, key->opad);
	return imb_get_errno(mgr);
}

void rv_imb_iv(IMB_MGR *mgr, const struct rv_imb_key *key, const uint8_t in[16], uint8_t out[16])
{
	static const uint8_t zero[16];
	/* CFB of one zero block is the encrypted IV. */
	IMB_AES128_CFB_ONE(mgr, out, zero, in, key->iv, 16);
}

static void rv_imb_fill(IMB_JOB *job, struct rv_imb_job *from)
{
	const struct rv_imb_key *key = from->key;
	const bool des = key->cipher == IMB_CIPHER_DES;
	const bool des3 = key->cipher == IMB_CIPHER_DES3;

	job->cipher_mode = (IMB_CIPHER_MODE)key->cipher;
	job->hash_alg = (IMB_HASH_ALG)key->hash;
	job->cipher_direction = from->encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	/* The ICV covers the ciphertext (RFC 4303 section 3.3.2, 3.4.4). */
	job->chain_order = from->encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = des ? (const void *)key->des[0] :
			des3 ? (const void *)key->des_keys :
			       (const void *)key->enc;
	job->dec_keys = des || des3 ? job->enc_keys : (const void *)key->dec;
	job->key_len_in_bytes = key->key_octets;
	job->src = from->packet;
	job->dst = from->packet + from->text_at;
	job->cipher_start_src_offset_in_bytes = from->text_at;
	job->msg_len_to_cipher_in_bytes = from->text;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = from->covered;
	job->iv = from->iv;
	job->iv_len_in_bytes = key->cipher == IMB_CIPHER_NULL ? 0 : des || des3 ? 8 : 16;
	job->auth_tag_output = from->icv;
	job->auth_tag_output_len_in_bytes = key->icv_octets;
	job->u.HMAC._hashed_auth_key_xor_ipad = key->ipad;
	job->u.HMAC._hashed_auth_key_xor_opad = key->opad;
	job->user_data = from;
}

static void rv_imb_finish(IMB_MGR *mgr, IMB_JOB *job)
{
	for (; job != NULL; job = IMB_GET_COMPLETED_JOB(mgr))
		((struct rv_imb_job *)job->user_data)->done = job->status == IMB_STATUS_COMPLETED;
}

static void rv_imb_flush(IMB_MGR *mgr)
{
	IMB_JOB *job;

	while ((job = IMB_FLUSH_JOB(mgr)) != NULL)
		rv_imb_finish(mgr, job);
}

void rv_imb_run(IMB_MGR *mgr, struct rv_imb_job *jobs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t cipher = jobs[i].key->cipher;
		jobs[i].done = 0;
		rv_imb_fill(IMB_GET_NEXT_JOB(mgr), &jobs[i]);
		rv_imb_finish(mgr, IMB_SUBMIT_JOB(mgr));
		/* Version 2.0 with AVX-512 encrypts the first block of the second of two (3)DES packets under a wrong IV. */
		if (cipher == IMB_CIPHER_DES || cipher == IMB_CIPHER_DES3)
			rv_imb_flush(mgr);
	}
	rv_imb_flush(mgr);
}
