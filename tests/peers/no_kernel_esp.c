/*
 * LD_PRELOAD: IKE daemons whose ESP is the kernel's run their control plane on any kernel, and alike on all: no SA and no policy
 * reaches it, each is said to be accepted, and each SA is a line in the file named by ESP_SAS:
 *
 *     SPI DESTINATION CIPHER KEY INTEGRITY KEY        (hexadecimal; "- -" for no integrity of its own, and for the cipher of AH)
 *
 * libreswan speaks NETLINK_XFRM. OpenIKED speaks PF_KEY (RFC 2367), which many kernels lack: an echo is its kernel, whose SPIs count
 * up, and the socket option by which its own packets pass its policies is granted.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ipsec.h>
#include <linux/netlink.h>
#include <linux/pfkeyv2.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAL(name) \
	static __typeof__(&name) real; \
	if (!real) \
		real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define ECHO_MILLISECONDS 10000
/* No message of this type exists: the kernel refuses it and does nothing. */
#define REFUSED 0x7fff
#define OPTIONS_OF_POLICIES(level, name) \
	(((level) == IPPROTO_IP && ((name) == 16 || (name) == 17)) || ((level) == IPPROTO_IPV6 && ((name) == 34 || (name) == 35)))

struct key {
	const char *name;
	const unsigned char *octets;
	unsigned bits;
};

static char *put_key(char *to, const struct key *key)
{
	to += sprintf(to, " %s ", key->name);
	if (!key->bits)
		*to++ = '-';
	for (unsigned at = 0; at < key->bits / 8 && at < 128; at++)
		to += sprintf(to, "%02x", key->octets[at]);
	return to;
}

static void record(unsigned spi, int family, const void *destination, struct key cipher, struct key integrity)
{
	static const struct key none = { "-", NULL, 0 };
	const char *path = getenv("ESP_SAS");
	int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
	char line[1024], address[INET6_ADDRSTRLEN], *end = line;

	if (file < 0)
		return;
	inet_ntop(family, destination, address, sizeof address);
	end += sprintf(end, "%08x %.60s", spi, address);
	end = put_key(end, cipher.name ? &cipher : &none);
	end = put_key(end, integrity.name ? &integrity : &none);
	*end++ = '\n';
	if (write(file, line, end - line) < 0)
		perror("ESP_SAS");
	close(file);
}

/* --- NETLINK_XFRM --- */

static int is_xfrm(int fd)
{
	int before = errno, domain = 0, protocol = 0;
	socklen_t octets = sizeof domain;

	if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &octets) && domain == AF_NETLINK)
		getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &octets);
	errno = before;
	return domain == AF_NETLINK && protocol == NETLINK_XFRM;
}

static void record_xfrm(const struct nlmsghdr *message)
{
	const struct xfrm_usersa_info *sa = NLMSG_DATA(message);
	const char *at = (const char *)sa + NLMSG_ALIGN(sizeof *sa), *end = (const char *)message + message->nlmsg_len;
	struct key cipher = { 0 }, integrity = { 0 };

	while (at + sizeof(struct nlattr) <= end) {
		const struct nlattr *attribute = (const void *)at;
		const struct xfrm_algo *plain = (const void *)(attribute + 1);
		const struct xfrm_algo_aead *aead = (const void *)plain;
		const struct xfrm_algo_auth *cut = (const void *)plain;

		if (attribute->nla_type == XFRMA_ALG_CRYPT)
			cipher = (struct key){ plain->alg_name, (const void *)plain->alg_key, plain->alg_key_len };
		else if (attribute->nla_type == XFRMA_ALG_AEAD)
			cipher = (struct key){ aead->alg_name, (const void *)aead->alg_key, aead->alg_key_len };
		else if (attribute->nla_type == XFRMA_ALG_AUTH_TRUNC)
			integrity = (struct key){ cut->alg_name, (const void *)cut->alg_key, cut->alg_key_len };
		if (attribute->nla_len < sizeof *attribute)
			break;
		at += NLA_ALIGN(attribute->nla_len);
	}
	if (cipher.name || integrity.name)
		record(ntohl(sa->id.spi), sa->family, &sa->id.daddr, cipher, integrity);
}

/* What is sent instead of this message, with the same number, so that an answer comes. */
static void withhold(struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case XFRM_MSG_NEWSA:
	case XFRM_MSG_UPDSA:
		record_xfrm(message);
		/* fall through */
	case XFRM_MSG_NEWPOLICY:
	case XFRM_MSG_UPDPOLICY:
		message->nlmsg_type = REFUSED;
	}
}

ssize_t send(int fd, const void *data, size_t octets, int flags)
{
	char copy[65536];
	REAL(send);

	if (octets < sizeof(struct nlmsghdr) || octets > sizeof copy || !is_xfrm(fd))
		return real(fd, data, octets, flags);
	memcpy(copy, data, octets);
	withhold((struct nlmsghdr *)copy);
	return real(fd, copy, octets, flags);
}

ssize_t write(int fd, const void *data, size_t octets)
{
	REAL(write);
	return is_xfrm(fd) ? send(fd, data, octets, 0) : real(fd, data, octets);
}

static ssize_t granted(int fd, void *data, ssize_t octets, size_t room)
{
	struct nlmsghdr *message = data;

	if (octets > (ssize_t)room)
		return octets;
	if (octets >= (ssize_t)(sizeof *message + sizeof(int)) && is_xfrm(fd) && message->nlmsg_type == NLMSG_ERROR)
		((struct nlmsgerr *)NLMSG_DATA(message))->error = 0;
	return octets;
}

ssize_t recv(int fd, void *data, size_t room, int flags)
{
	REAL(recv);
	return granted(fd, data, real(fd, data, room, flags), room);
}

ssize_t recvfrom(int fd, void *restrict data, size_t room, int flags, struct sockaddr *restrict from, socklen_t *restrict octets)
{
	REAL(recvfrom);
	return granted(fd, data, real(fd, data, room, flags, from, octets), room);
}

/* Debian's programs call these (_FORTIFY_SOURCE). */
ssize_t __recv_chk(int fd, void *data, size_t octets, size_t room, int flags)
{
	return octets > room ? (abort(), -1) : recv(fd, data, octets, flags);
}

ssize_t __recvfrom_chk(int fd, void *restrict data, size_t octets, size_t room, int flags, struct sockaddr *restrict from,
		       socklen_t *restrict length)
{
	return octets > room ? (abort(), -1) : recvfrom(fd, data, octets, flags, from, length);
}

/* --- PF_KEY --- */

static const void *extension(const struct sadb_msg *message, size_t octets, unsigned type)
{
	const char *at = (const char *)(message + 1), *end = (const char *)message + octets;

	while (at + sizeof(struct sadb_ext) <= end) {
		const struct sadb_ext *header = (const void *)at;

		if (header->sadb_ext_type == type)
			return header;
		if (!header->sadb_ext_len)
			break;
		at += 8 * header->sadb_ext_len;
	}
	return NULL;
}

static struct key pfkey_key(const char *name, const struct sadb_key *key)
{
	return key ? (struct key){ name, (const void *)(key + 1), key->sadb_key_bits } : (struct key){ 0 };
}

static void record_pfkey(const struct sadb_msg *message, size_t octets)
{
	const struct sadb_sa *sa = extension(message, octets, SADB_EXT_SA);
	const struct sadb_address *address = extension(message, octets, SADB_EXT_ADDRESS_DST);
	const struct sockaddr *destination = (const void *)(address + 1);
	const struct sadb_key *cipher = extension(message, octets, SADB_EXT_KEY_ENCRYPT);
	char cipher_name[16], integrity_name[16];

	if (!sa || !address || !cipher)
		return;
	sprintf(cipher_name, "%u", sa->sadb_sa_encrypt);
	sprintf(integrity_name, "%u", sa->sadb_sa_auth);
	record(ntohl(sa->sadb_sa_spi), destination->sa_family,
	       destination->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)destination)->sin_addr
						 : (const void *)&((const struct sockaddr_in6 *)destination)->sin6_addr,
	       pfkey_key(cipher_name, cipher), pfkey_key(integrity_name, extension(message, octets, SADB_EXT_KEY_AUTH)));
}

static void echo(int fd)
{
	static char buffer[65536];
	struct sadb_msg *message = (void *)buffer;
	unsigned spi = 0xc0000000u | (unsigned)getpid() << 8;
	ssize_t octets;

	while ((octets = recv(fd, buffer, sizeof buffer - sizeof(struct sadb_sa), 0)) > 0) {
		message->sadb_msg_errno = 0;
		if (message->sadb_msg_type == SADB_ADD || message->sadb_msg_type == SADB_UPDATE)
			record_pfkey(message, octets);
		if (message->sadb_msg_type == SADB_GETSPI) {
			struct sadb_sa sa = { .sadb_sa_len = 2, .sadb_sa_exttype = SADB_EXT_SA, .sadb_sa_spi = htonl(++spi) };

			memcpy(buffer + octets, &sa, sizeof sa);
			octets += sizeof sa;
			message->sadb_msg_len += 2;
		}
		send(fd, buffer, octets, MSG_NOSIGNAL);
	}
}

int socket(int domain, int type, int protocol)
{
	int pair[2];
	pid_t between;
	REAL(socket);

	if (domain != PF_KEY)
		return real(domain, type, protocol);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0, pair))
		return -1;
	/* Not a child of the daemon, which waits for all of its children at its end; the socket's end is the echo's. */
	between = fork();
	if (between == 0) {
		if (fork() == 0) {
			/* Nothing of the daemon may stay open in it, least of all its ports. */
			dup2(pair[1], 0);
			close_range(1, ~0U, 0);
			fcntl(0, F_SETFL, 0);
			echo(0);
		}
		_exit(0);
	}
	waitpid(between, NULL, 0);
	close(pair[1]);
	return pair[0];
}

/* It gives its kernel a millisecond, which a process that has to be scheduled does not always meet. */
int poll(struct pollfd *sockets, nfds_t count, int milliseconds)
{
	REAL(poll);
	return real(sockets, count, milliseconds == 1 ? ECHO_MILLISECONDS : milliseconds);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t octets)
{
	REAL(setsockopt);
	int outcome = real(fd, level, name, value, octets);

	return outcome && OPTIONS_OF_POLICIES(level, name) ? 0 : outcome;
}
