/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Burst-shaped C entry points for the static inlines of DPDK, a plain view of
 * struct rte_mbuf, and the constants that bindgen cannot see through macros.
 * One call per burst, never per packet, except where a packet is the unit
 * (free, linearize).
 */
#ifndef RAVELIN_SHIM_H
#define RAVELIN_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_fib.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_version.h>

#include <intel-ipsec-mb.h>

/* The fields of struct rte_mbuf that we touch; shim.c asserts every offset. */
struct rv_mbuf {
	void *buf_addr;
	uint64_t buf_iova;
	uint16_t data_off;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint64_t ol_flags;
	uint32_t packet_type;
	uint32_t pkt_len;
	uint16_t data_len;
	uint16_t vlan_tci;
	uint32_t hash_rss;
	uint32_t hash_hi;
	uint16_t vlan_tci_outer;
	uint16_t buf_len;
	struct rte_mempool *pool;
	struct rv_mbuf *next;
	uint64_t tx_offload;
	void *shinfo;
	uint16_t priv_size;
	uint16_t timesync;
	uint32_t dynfield1[9];
};

/* errno of the calling thread as DPDK keeps it */
int rv_errno(void);
unsigned int rv_lcore_id(void);

/* Logging: every line of DPDK goes to the callback. */
typedef void (*rv_log_fn)(uint32_t level, const char *text, size_t len);
int rv_log_open(rv_log_fn sink);

/* mbufs */
int rv_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rv_mbuf **mbufs, unsigned int count);
void rv_pktmbuf_free(struct rv_mbuf *mbuf);
void rv_pktmbuf_free_bulk(struct rv_mbuf **mbufs, unsigned int count);
int rv_pktmbuf_linearize(struct rv_mbuf *mbuf);
int rv_pktmbuf_chain(struct rv_mbuf *head, struct rv_mbuf *tail);
unsigned int rv_mempool_avail(const struct rte_mempool *pool);

/* ports */
uint16_t rv_eth_rx_burst(uint16_t port, uint16_t queue, struct rv_mbuf **mbufs, uint16_t count);
uint16_t rv_eth_tx_burst(uint16_t port, uint16_t queue, struct rv_mbuf **mbufs, uint16_t count);
struct rv_link {
	uint32_t speed_mbps;
	uint8_t up;
	uint8_t full_duplex;
	uint8_t autoneg;
};
int rv_eth_link_get_nowait(uint16_t port, struct rv_link *link);
struct rv_eth_settings {
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_hf;
	uint32_t mtu_octets;
	uint8_t lsc_interrupt;
};
int rv_eth_configure(uint16_t port, uint16_t rx_queues, uint16_t tx_queues,
		     const struct rv_eth_settings *settings);
int rv_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket,
			  uint64_t offloads, struct rte_mempool *pool);
int rv_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, int socket,
			  uint64_t offloads);
struct rv_eth_caps {
	char driver[64];
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_hf;
	uint32_t speed_capa;
	uint32_t max_rx_pktlen;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t min_mtu;
	uint16_t max_mtu;
	uint16_t reta_size;
	uint8_t security;
	int socket;
};
int rv_eth_caps_get(uint16_t port, struct rv_eth_caps *caps);
/* Bus and device name of a port (for hot unplug); both buffers hold `len` octets. */
int rv_eth_device_name(uint16_t port, char *bus, char *device, size_t len);
uint16_t rv_eth_next_port(uint16_t from);

/* rings of pointers */
unsigned int rv_ring_enqueue_burst(struct rte_ring *ring, void *const *objects, unsigned int count);
unsigned int rv_ring_dequeue_burst(struct rte_ring *ring, void **objects, unsigned int count);
unsigned int rv_ring_count(const struct rte_ring *ring);

/* quiescent-state RCU */
void rv_rcu_online(struct rte_rcu_qsbr *rcu, unsigned int thread);
void rv_rcu_offline(struct rte_rcu_qsbr *rcu, unsigned int thread);
void rv_rcu_quiescent(struct rte_rcu_qsbr *rcu, unsigned int thread);
uint64_t rv_rcu_start(struct rte_rcu_qsbr *rcu);
int rv_rcu_check(struct rte_rcu_qsbr *rcu, uint64_t token);

/* IPv4 FIB */
struct rte_fib *rv_fib_create(const char *name, uint32_t max_routes, uint32_t tbl8_groups,
			      uint32_t next_hop_octets, uint64_t default_next_hop);
int rv_fib_use_rcu(struct rte_fib *fib, struct rte_rcu_qsbr *rcu);

/* Constants built by macros that bindgen cannot evaluate. */
#define RV_CONST(type, name, value) static const type name = (value)
RV_CONST(uint32_t, RV_LCORE_ID_ANY, LCORE_ID_ANY);
RV_CONST(uint32_t, RV_MBUF_HEADROOM, RTE_PKTMBUF_HEADROOM);
RV_CONST(uint32_t, RV_MAX_ETHPORTS, RTE_MAX_ETHPORTS);
RV_CONST(uint32_t, RV_ETH_NAME_MAX_LEN, RTE_ETH_NAME_MAX_LEN);
RV_CONST(uint32_t, RV_RING_SP, RING_F_SP_ENQ);
RV_CONST(uint32_t, RV_RING_SC, RING_F_SC_DEQ);
RV_CONST(uint32_t, RV_RING_EXACT, RING_F_EXACT_SZ);
RV_CONST(uint32_t, RV_MBUF_L2_LEN_BITS, RTE_MBUF_L2_LEN_BITS);
RV_CONST(uint32_t, RV_MBUF_L3_LEN_BITS, RTE_MBUF_L3_LEN_BITS);
RV_CONST(uint32_t, RV_MEMPOOL_CACHE_MAX, RTE_MEMPOOL_CACHE_MAX_SIZE);
RV_CONST(uint32_t, RV_MAX_LCORE, RTE_MAX_LCORE);
RV_CONST(int, RV_SOCKET_ID_ANY, SOCKET_ID_ANY);

RV_CONST(uint64_t, RV_RX_VLAN_STRIP, RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
RV_CONST(uint64_t, RV_RX_VLAN_FILTER, RTE_ETH_RX_OFFLOAD_VLAN_FILTER);
RV_CONST(uint64_t, RV_RX_QINQ_STRIP, RTE_ETH_RX_OFFLOAD_QINQ_STRIP);
RV_CONST(uint64_t, RV_RX_IPV4_CKSUM, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM);
RV_CONST(uint64_t, RV_RX_UDP_CKSUM, RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
RV_CONST(uint64_t, RV_RX_TCP_CKSUM, RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
RV_CONST(uint64_t, RV_RX_SCATTER, RTE_ETH_RX_OFFLOAD_SCATTER);
RV_CONST(uint64_t, RV_RX_SECURITY, RTE_ETH_RX_OFFLOAD_SECURITY);
RV_CONST(uint64_t, RV_RX_RSS_HASH, RTE_ETH_RX_OFFLOAD_RSS_HASH);

RV_CONST(uint64_t, RV_TX_VLAN_INSERT, RTE_ETH_TX_OFFLOAD_VLAN_INSERT);
RV_CONST(uint64_t, RV_TX_QINQ_INSERT, RTE_ETH_TX_OFFLOAD_QINQ_INSERT);
RV_CONST(uint64_t, RV_TX_IPV4_CKSUM, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
RV_CONST(uint64_t, RV_TX_UDP_CKSUM, RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
RV_CONST(uint64_t, RV_TX_TCP_CKSUM, RTE_ETH_TX_OFFLOAD_TCP_CKSUM);
RV_CONST(uint64_t, RV_TX_MULTI_SEGS, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
RV_CONST(uint64_t, RV_TX_MBUF_FAST_FREE, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
RV_CONST(uint64_t, RV_TX_SECURITY, RTE_ETH_TX_OFFLOAD_SECURITY);

RV_CONST(uint64_t, RV_RSS_IP, RTE_ETH_RSS_IP);
RV_CONST(uint64_t, RV_RSS_UDP, RTE_ETH_RSS_UDP);
RV_CONST(uint64_t, RV_RSS_TCP, RTE_ETH_RSS_TCP);
RV_CONST(uint64_t, RV_RSS_ESP, RTE_ETH_RSS_ESP);

RV_CONST(uint64_t, RV_MBUF_RX_VLAN, RTE_MBUF_F_RX_VLAN);
RV_CONST(uint64_t, RV_MBUF_RX_VLAN_STRIPPED, RTE_MBUF_F_RX_VLAN_STRIPPED);
RV_CONST(uint64_t, RV_MBUF_RX_RSS_HASH, RTE_MBUF_F_RX_RSS_HASH);
RV_CONST(uint64_t, RV_MBUF_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_MASK);
RV_CONST(uint64_t, RV_MBUF_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
RV_CONST(uint64_t, RV_MBUF_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_IP_CKSUM_BAD);
RV_CONST(uint64_t, RV_MBUF_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_MASK);
RV_CONST(uint64_t, RV_MBUF_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
RV_CONST(uint64_t, RV_MBUF_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_BAD);
RV_CONST(uint64_t, RV_MBUF_TX_IPV4, RTE_MBUF_F_TX_IPV4);
RV_CONST(uint64_t, RV_MBUF_TX_IPV6, RTE_MBUF_F_TX_IPV6);
RV_CONST(uint64_t, RV_MBUF_TX_IP_CKSUM, RTE_MBUF_F_TX_IP_CKSUM);
RV_CONST(uint64_t, RV_MBUF_TX_UDP_CKSUM, RTE_MBUF_F_TX_UDP_CKSUM);
RV_CONST(uint64_t, RV_MBUF_TX_TCP_CKSUM, RTE_MBUF_F_TX_TCP_CKSUM);
RV_CONST(uint64_t, RV_MBUF_TX_VLAN, RTE_MBUF_F_TX_VLAN);
RV_CONST(uint64_t, RV_MBUF_EXTERNAL, RTE_MBUF_F_EXTERNAL);
RV_CONST(uint64_t, RV_MBUF_INDIRECT, RTE_MBUF_F_INDIRECT);

/* intel-ipsec-mb: the direct API's functions of one manager, which any thread may call. */
struct rv_gcm_ops {
	aes_gcm_pre_t pre;
	aes_gcm_enc_dec_t enc;
	aes_gcm_enc_dec_t dec;
	aes_gmac_init_t gmac_init;
	aes_gmac_update_t gmac_update;
	aes_gmac_finalize_t gmac_finalize;
};
struct rv_imb_ops {
	/* Of keys of 16, 24 and 32 octets. */
	struct rv_gcm_ops gcm[3];
	chacha_poly_init_t chacha_init;
	chacha_poly_enc_dec_update_t chacha_enc;
	chacha_poly_enc_dec_update_t chacha_dec;
	chacha_poly_finalize_t chacha_finalize;
	/* IMB_ARCH, IMB_FEATURE_* */
	uint32_t arch;
	uint64_t features;
};
/* Fills it; returns 0, or the library's error number. */
int rv_imb_ops(struct rv_imb_ops *ops);

RV_CONST(uint32_t, RV_IMB_CBC, IMB_CIPHER_CBC);
RV_CONST(uint32_t, RV_IMB_CTR, IMB_CIPHER_CNTR);
RV_CONST(uint32_t, RV_IMB_NULL, IMB_CIPHER_NULL);
RV_CONST(uint32_t, RV_IMB_DES, IMB_CIPHER_DES);
RV_CONST(uint32_t, RV_IMB_DES3, IMB_CIPHER_DES3);
RV_CONST(uint32_t, RV_IMB_MD5, IMB_AUTH_MD5);
RV_CONST(uint32_t, RV_IMB_SHA1, IMB_AUTH_HMAC_SHA_1);
RV_CONST(uint32_t, RV_IMB_SHA256, IMB_AUTH_HMAC_SHA_256);
RV_CONST(uint32_t, RV_IMB_SHA384, IMB_AUTH_HMAC_SHA_384);
RV_CONST(uint32_t, RV_IMB_SHA512, IMB_AUTH_HMAC_SHA_512);

/* A cipher with a separate HMAC, expanded. It must not move: `des_keys` points into it. */
struct rv_imb_key {
	uint32_t enc[60] __attribute__((aligned(16)));
	uint32_t dec[60] __attribute__((aligned(16)));
	/* AES-128, for IVs. */
	uint32_t iv[44] __attribute__((aligned(16)));
	uint8_t ipad[64] __attribute__((aligned(16)));
	uint8_t opad[64] __attribute__((aligned(16)));
	uint64_t des[3][16];
	const void *des_keys[3];
	uint32_t cipher;
	uint32_t hash;
	uint32_t key_octets;
	uint32_t icv_octets;
};
/* `key` is zeroed and says cipher, hash, key_octets, icv_octets; the pointers have key_octets, hash_octets and 16 octets.
 * Returns 0, or the library's error number. */
int rv_imb_expand(IMB_MGR *mgr, struct rv_imb_key *key, const uint8_t *cipher_key,
		  const uint8_t *hash_key, uint32_t hash_octets, const uint8_t *iv_key);

/* One packet: the cipher runs over `text` octets from `text_at`, the HMAC over `covered` octets from the start. */
struct rv_imb_job {
	const struct rv_imb_key *key;
	uint8_t *packet;
	uint32_t text_at;
	uint32_t text;
	uint32_t covered;
	uint32_t encrypt;
	uint32_t done;
	uint8_t iv[16] __attribute__((aligned(16)));
	/* Gets icv_octets of the key. */
	uint8_t icv[64];
};
/* A manager with its lanes, for one thread at a time; NULL when memory is short or the CPU lacks AES instructions. */
IMB_MGR *rv_imb_new(void);
/* Does them all; `done` becomes 1 where the library agreed. */
void rv_imb_run(IMB_MGR *mgr, struct rv_imb_job *jobs, uint32_t count);
/* One block of AES-128 with the IV key. */
void rv_imb_iv(IMB_MGR *mgr, const struct rv_imb_key *key, const uint8_t in[16], uint8_t out[16]);

#endif
