/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * Burst-shaped C entry points for rte_cryptodev: symmetric operations on one
 * contiguous packet. An operation's private area holds its IV, its additional
 * authenticated data, an ICV that is not in the packet, and its number.
 */
#ifndef RAVELIN_CRYPTODEV_H
#define RAVELIN_CRYPTODEV_H

#include <stdint.h>

#include <rte_crypto.h>
#include <rte_cryptodev.h>

#include "shim.h"

struct rv_crypto_info {
	char driver[64];
	/* Empty for a device that its driver made itself, on no bus */
	char bus[32];
	char device[64];
	/* It runs symmetric operations */
	uint8_t symmetric;
	uint32_t max_queue_pairs;
	/* 0: no limit of the device's own */
	uint32_t max_sessions;
};
int rv_crypto_info_get(uint8_t dev, struct rv_crypto_info *info);

/* Algorithms of one direction of an SA. Without `aead`: `cipher` (RTE_CRYPTO_CIPHER_NULL for none) and `auth`. */
struct rv_crypto_suite {
	uint32_t aead;
	uint32_t cipher;
	uint32_t auth;
	uint16_t key_octets;
	uint16_t auth_key_octets;
	uint16_t iv_octets;
	uint16_t aad_octets;
	uint16_t icv_octets;
	uint8_t encrypt;
};
int rv_crypto_supports(uint8_t dev, const struct rv_crypto_suite *suite);
/* NULL: rv_errno() says why. The keys are copied. */
void *rv_crypto_session(uint8_t dev, const struct rv_crypto_suite *suite, const uint8_t *key,
			const uint8_t *auth_key, struct rte_mempool *pool);
/* Frees the session and wipes its memory. Nobody else may take from or give to its pool meanwhile. */
int rv_crypto_session_free(uint8_t dev, void *session);

/* Wipes all sessions of a pool and frees it; no device may have one any more. */
void rv_crypto_sessions_free(struct rte_mempool *pool);

int rv_crypto_configure(uint8_t dev, uint16_t queue_pairs, uint32_t descriptors,
			struct rte_mempool *sessions);
int rv_crypto_is_started(uint8_t dev);

/* A pool of `count` operations. */
struct rte_mempool *rv_crypto_ops_create(const char *name, uint32_t count);
/* Takes `count` operations and numbers them from 0; 0 or -ENOENT. */
int rv_crypto_ops_take(struct rte_mempool *pool, struct rte_crypto_op **ops, uint32_t count);

#define RV_CRYPTO_IV_OCTETS 16
#define RV_CRYPTO_AAD_OCTETS 16
#define RV_CRYPTO_ICV_OCTETS 64
/* The ICV is in the operation's private area. */
#define RV_CRYPTO_ICV_ASIDE UINT32_MAX

/* One packet for a device. Places are octets from the start of the packet's data. */
struct rv_crypto_job {
	void *session;
	struct rv_mbuf *mbuf;
	uint32_t text_at;
	uint32_t text_octets;
	/* What an ICV of its own covers; both 0 with an AEAD. */
	uint32_t covered_at;
	uint32_t covered_octets;
	uint32_t icv_at;
	uint8_t iv[RV_CRYPTO_IV_OCTETS];
	uint8_t aad[RV_CRYPTO_AAD_OCTETS];
};
void rv_crypto_fill(struct rte_crypto_op *op, const struct rv_crypto_job *job);
/* The ICV beside the packet. */
uint8_t *rv_crypto_icv(struct rte_crypto_op *op);
uint16_t rv_crypto_enqueue(uint8_t dev, uint16_t queue_pair, struct rte_crypto_op **ops,
			   uint16_t count);

enum rv_crypto_status { RV_CRYPTO_DONE, RV_CRYPTO_FORGED, RV_CRYPTO_FAILED };
struct rv_crypto_result {
	uint32_t number;
	uint32_t status;
};
/* At most 64 */
uint16_t rv_crypto_dequeue(uint8_t dev, uint16_t queue_pair, struct rv_crypto_result *results,
			   uint16_t count);

RV_CONST(uint32_t, RV_CRYPTO_NONE, 0);
RV_CONST(uint32_t, RV_AEAD_AES_GCM, RTE_CRYPTO_AEAD_AES_GCM);
RV_CONST(uint32_t, RV_AEAD_CHACHA20_POLY1305, RTE_CRYPTO_AEAD_CHACHA20_POLY1305);
RV_CONST(uint32_t, RV_CIPHER_NULL, RTE_CRYPTO_CIPHER_NULL);
RV_CONST(uint32_t, RV_CIPHER_AES_CBC, RTE_CRYPTO_CIPHER_AES_CBC);
RV_CONST(uint32_t, RV_CIPHER_AES_CTR, RTE_CRYPTO_CIPHER_AES_CTR);
RV_CONST(uint32_t, RV_CIPHER_DES_CBC, RTE_CRYPTO_CIPHER_DES_CBC);
RV_CONST(uint32_t, RV_CIPHER_3DES_CBC, RTE_CRYPTO_CIPHER_3DES_CBC);
RV_CONST(uint32_t, RV_AUTH_MD5, RTE_CRYPTO_AUTH_MD5_HMAC);
RV_CONST(uint32_t, RV_AUTH_SHA1, RTE_CRYPTO_AUTH_SHA1_HMAC);
RV_CONST(uint32_t, RV_AUTH_SHA256, RTE_CRYPTO_AUTH_SHA256_HMAC);
RV_CONST(uint32_t, RV_AUTH_SHA384, RTE_CRYPTO_AUTH_SHA384_HMAC);
RV_CONST(uint32_t, RV_AUTH_SHA512, RTE_CRYPTO_AUTH_SHA512_HMAC);

#endif
