/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include "cryptodev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus.h>

struct rv_crypto_private {
	uint8_t iv[RV_CRYPTO_IV_OCTETS];
	uint8_t aad[RV_CRYPTO_AAD_OCTETS];
	uint8_t icv[RV_CRYPTO_ICV_OCTETS];
	uint32_t number;
};

/* The private area follows the symmetric operation. */
#define RV_PRIVATE_AT (sizeof(struct rte_crypto_op) + sizeof(struct rte_crypto_sym_op))

static struct rv_crypto_private *rv_private(struct rte_crypto_op *op)
{
	return rte_crypto_op_ctod_offset(op, struct rv_crypto_private *, RV_PRIVATE_AT);
}

static rte_iova_t rv_private_iova(struct rte_crypto_op *op, size_t offset)
{
	return rte_crypto_op_ctophys_offset(op, RV_PRIVATE_AT + offset);
}

int rv_crypto_info_get(uint8_t dev, struct rv_crypto_info *info)
{
	struct rte_cryptodev_info from;

	memset(info, 0, sizeof(*info));
	if (!rte_cryptodev_is_valid_dev(dev))
		return -ENODEV;
	memset(&from, 0, sizeof(from));
	rte_cryptodev_info_get(dev, &from);
	snprintf(info->driver, sizeof(info->driver), "%s", from.driver_name ? from.driver_name : "");
	if (from.device != NULL) {
		const struct rte_bus *bus = rte_dev_bus(from.device);

		snprintf(info->bus, sizeof(info->bus), "%s", bus ? rte_bus_name(bus) : "");
		snprintf(info->device, sizeof(info->device), "%s", rte_dev_name(from.device));
	}
	info->symmetric = (from.feature_flags & RTE_CRYPTODEV_FF_SYMMETRIC_CRYPTO) != 0;
	info->max_queue_pairs = from.max_nb_queue_pairs;
	info->max_sessions = from.sym.max_nb_sessions;
	return 0;
}

static const struct rte_cryptodev_symmetric_capability *
rv_capability(uint8_t dev, enum rte_crypto_sym_xform_type type, uint32_t algorithm)
{
	struct rte_cryptodev_sym_capability_idx index = { .type = type };

	switch (type) {
	case RTE_CRYPTO_SYM_XFORM_AEAD:
		index.algo.aead = (enum rte_crypto_aead_algorithm)algorithm;
		break;
	case RTE_CRYPTO_SYM_XFORM_AUTH:
		index.algo.auth = (enum rte_crypto_auth_algorithm)algorithm;
		break;
	default:
		index.algo.cipher = (enum rte_crypto_cipher_algorithm)algorithm;
		break;
	}
	return rte_cryptodev_sym_capability_get(dev, &index);
}

int rv_crypto_supports(uint8_t dev, const struct rv_crypto_suite *suite)
{
	const struct rte_cryptodev_symmetric_capability *found;

	if (!rte_cryptodev_is_valid_dev(dev))
		return 0;
	if (suite->aead != 0) {
		found = rv_capability(dev, RTE_CRYPTO_SYM_XFORM_AEAD, suite->aead);
		return found != NULL && rte_cryptodev_sym_capability_check_aead(
						found, suite->key_octets, suite->icv_octets,
						suite->aad_octets, suite->iv_octets) == 0;
	}
	if (suite->cipher != RTE_CRYPTO_CIPHER_NULL) {
		found = rv_capability(dev, RTE_CRYPTO_SYM_XFORM_CIPHER, suite->cipher);
		if (found == NULL || rte_cryptodev_sym_capability_check_cipher(
					     found, suite->key_octets, suite->iv_octets) != 0)
			return 0;
	}
	found = rv_capability(dev, RTE_CRYPTO_SYM_XFORM_AUTH, suite->auth);
	return found != NULL && rte_cryptodev_sym_capability_check_auth(
					found, suite->auth_key_octets, suite->icv_octets, 0) == 0;
}

void *rv_crypto_session(uint8_t dev, const struct rv_crypto_suite *suite, const uint8_t *key,
			const uint8_t *auth_key, struct rte_mempool *pool)
{
	const uint16_t iv_at = RV_PRIVATE_AT + offsetof(struct rv_crypto_private, iv);
	struct rte_crypto_sym_xform first, second;

	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	if (suite->aead != 0) {
		first.type = RTE_CRYPTO_SYM_XFORM_AEAD;
		first.aead.op = suite->encrypt ? RTE_CRYPTO_AEAD_OP_ENCRYPT :
						 RTE_CRYPTO_AEAD_OP_DECRYPT;
		first.aead.algo = (enum rte_crypto_aead_algorithm)suite->aead;
		first.aead.key.data = key;
		first.aead.key.length = suite->key_octets;
		first.aead.iv.offset = iv_at;
		first.aead.iv.length = suite->iv_octets;
		first.aead.digest_length = suite->icv_octets;
		first.aead.aad_length = suite->aad_octets;
		return rte_cryptodev_sym_session_create(dev, &first, pool);
	}
	first.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
	first.cipher.op = suite->encrypt ? RTE_CRYPTO_CIPHER_OP_ENCRYPT :
					   RTE_CRYPTO_CIPHER_OP_DECRYPT;
	first.cipher.algo = (enum rte_crypto_cipher_algorithm)suite->cipher;
	first.cipher.key.data = key;
	first.cipher.key.length = suite->key_octets;
	first.cipher.iv.offset = iv_at;
	first.cipher.iv.length = suite->iv_octets;
	second.type = RTE_CRYPTO_SYM_XFORM_AUTH;
	second.auth.op = suite->encrypt ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY;
	second.auth.algo = (enum rte_crypto_auth_algorithm)suite->auth;
	second.auth.key.data = auth_key;
	second.auth.key.length = suite->auth_key_octets;
	second.auth.digest_length = suite->icv_octets;
	/* NULL encryption is authentication alone. */
	if (suite->cipher == RTE_CRYPTO_CIPHER_NULL)
		return rte_cryptodev_sym_session_create(dev, &second, pool);
	/* The ICV covers the ciphertext (RFC 4303 section 3.3.2, 3.4.4). */
	if (suite->encrypt) {
		first.next = &second;
		return rte_cryptodev_sym_session_create(dev, &first, pool);
	}
	second.next = &first;
	return rte_cryptodev_sym_session_create(dev, &second, pool);
}

int rv_crypto_session_free(uint8_t dev, void *session)
{
	struct rte_mempool *pool = rte_mempool_from_obj(session);
	int rc = rte_cryptodev_sym_session_free(dev, session);

	/* Drivers leave expanded keys behind. A session is written anew when it is created. */
	if (rc == 0)
		imb_clear_mem(session, pool->elt_size);
	return rc;
}

static void rv_wipe(struct rte_mempool *pool, void *unused, void *object, unsigned int number)
{
	imb_clear_mem(object, pool->elt_size);
}

void rv_crypto_sessions_free(struct rte_mempool *pool)
{
	/* A scheduler makes sessions of its workers that only it knows, and leaves their keys behind. */
	rte_mempool_obj_iter(pool, rv_wipe, NULL);
	rte_mempool_free(pool);
}

int rv_crypto_configure(uint8_t dev, uint16_t queue_pairs, uint32_t descriptors,
			struct rte_mempool *sessions)
{
	struct rte_cryptodev_config config = {
		.socket_id = SOCKET_ID_ANY,
		.nb_queue_pairs = queue_pairs,
		.ff_disable = RTE_CRYPTODEV_FF_ASYMMETRIC_CRYPTO | RTE_CRYPTODEV_FF_SECURITY,
	};
	struct rte_cryptodev_qp_conf queue = {
		.nb_descriptors = descriptors,
		.mp_session = sessions,
	};
	int rc = rte_cryptodev_configure(dev, &config);

	for (uint16_t i = 0; rc == 0 && i < queue_pairs; i++)
		rc = rte_cryptodev_queue_pair_setup(dev, i, &queue, SOCKET_ID_ANY);
	return rc;
}

int rv_crypto_is_started(uint8_t dev)
{
	/* A stopped device has the library's own functions, as the last place of the table has, which we never use. */
	return rte_crypto_fp_ops[dev].enqueue_burst !=
	       rte_crypto_fp_ops[RTE_CRYPTO_MAX_DEVS - 1].enqueue_burst;
}

struct rte_mempool *rv_crypto_ops_create(const char *name, uint32_t count)
{
	return rte_crypto_op_pool_create(name, RTE_CRYPTO_OP_TYPE_SYMMETRIC, count, 0,
					 sizeof(struct rv_crypto_private), SOCKET_ID_ANY);
}

int rv_crypto_ops_take(struct rte_mempool *pool, struct rte_crypto_op **ops, uint32_t count)
{
	if (rte_crypto_op_bulk_alloc(pool, RTE_CRYPTO_OP_TYPE_SYMMETRIC, ops, (uint16_t)count) == 0)
		return -ENOENT;
	for (uint32_t i = 0; i < count; i++)
		rv_private(ops[i])->number = i;
	return 0;
}

uint8_t *rv_crypto_icv(struct rte_crypto_op *op) { return rv_private(op)->icv; }

void rv_crypto_fill(struct rte_crypto_op *op, const struct rv_crypto_job *job)
{
	struct rv_crypto_private *own = rv_private(op);
	struct rte_crypto_sym_op *sym = op->sym;
	struct rte_mbuf *mbuf = (struct rte_mbuf *)job->mbuf;
	uint8_t *icv = own->icv;
	rte_iova_t icv_iova = rv_private_iova(op, offsetof(struct rv_crypto_private, icv));

	if (job->icv_at != RV_CRYPTO_ICV_ASIDE) {
		icv = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, job->icv_at);
		icv_iova = rte_pktmbuf_iova_offset(mbuf, job->icv_at);
	}
	memcpy(own->iv, job->iv, sizeof(own->iv));
	op->status = RTE_CRYPTO_OP_STATUS_NOT_PROCESSED;
	op->sess_type = RTE_CRYPTO_OP_WITH_SESSION;
	sym->m_src = mbuf;
	sym->m_dst = NULL;
	sym->session = job->session;
	if (job->covered_octets == 0) {
		memcpy(own->aad, job->aad, sizeof(own->aad));
		sym->aead.data.offset = job->text_at;
		sym->aead.data.length = job->text_octets;
		sym->aead.digest.data = icv;
		sym->aead.digest.phys_addr = icv_iova;
		sym->aead.aad.data = own->aad;
		sym->aead.aad.phys_addr =
			rv_private_iova(op, offsetof(struct rv_crypto_private, aad));
		return;
	}
	sym->cipher.data.offset = job->text_at;
	sym->cipher.data.length = job->text_octets;
	sym->auth.data.offset = job->covered_at;
	sym->auth.data.length = job->covered_octets;
	sym->auth.digest.data = icv;
	sym->auth.digest.phys_addr = icv_iova;
}

uint16_t rv_crypto_enqueue(uint8_t dev, uint16_t queue_pair, struct rte_crypto_op **ops,
			   uint16_t count)
{
	return rte_cryptodev_enqueue_burst(dev, queue_pair, ops, count);
}

uint16_t rv_crypto_dequeue(uint8_t dev, uint16_t queue_pair, struct rv_crypto_result *results,
			   uint16_t count)
{
	struct rte_crypto_op *ops[64];
	uint16_t got = rte_cryptodev_dequeue_burst(dev, queue_pair, ops,
						   RTE_MIN(count, RTE_DIM(ops)));

	for (uint16_t i = 0; i < got; i++) {
		results[i].number = rv_private(ops[i])->number;
		switch (ops[i]->status) {
		case RTE_CRYPTO_OP_STATUS_SUCCESS:
			results[i].status = RV_CRYPTO_DONE;
			break;
		case RTE_CRYPTO_OP_STATUS_AUTH_FAILED:
			results[i].status = RV_CRYPTO_FORGED;
			break;
		default:
			results[i].status = RV_CRYPTO_FAILED;
			break;
		}
	}
	return got;
}
