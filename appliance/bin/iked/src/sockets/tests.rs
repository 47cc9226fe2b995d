//! Classes, marker, rebinding, over loopback with unprivileged ports.

use std::net::Ipv4Addr;

use ravelin_ctl::instance::RoutingInstance;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Two free ports, kept by the sockets until dropped.
fn free_ports() -> [u16; 2] {
    let sockets = [0; 2].map(|_| std::net::UdpSocket::bind((LOOPBACK, 0)).unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

fn message(responder_spi: u8) -> Vec<u8> {
    let mut message = vec![1; 40];
    message[8..16].fill(responder_spi);
    message
}

#[tokio::test]
async fn messages_reach_their_queue_without_marker_and_answers_carry_it() {
    let counters = Arc::new(SocketCounters::default());
    let ports = free_ports();
    let (mut transport, mut queues) = UdpTransport::with_ports(Arc::clone(&counters), ports);
    transport
        .listen(&[(VrfId::DEFAULT, LOOPBACK)], &Instances::default())
        .unwrap();
    let peer = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let remote = peer.local_addr().unwrap();
    let [ike, nat_t] = ports.map(|port| SocketAddr::new(LOOPBACK, port));

    peer.send_to(&message(0), ike).await.unwrap();
    let got = queues.new.recv().await.unwrap();
    let expected = Inbound {
        vrf: VrfId::DEFAULT,
        local: ike,
        remote,
        data: message(0),
    };
    assert_eq!(got, expected);

    // Not IKE: a keepalive, ESP in UDP, a short message. Then a real one.
    for junk in [&[0xff][..], &[9; 60], &[0, 0, 0, 0, 1, 2, 3]] {
        peer.send_to(junk, nat_t).await.unwrap();
    }
    peer.send_to(&[&[0; 4], &*message(7)].concat(), nat_t)
        .await
        .unwrap();
    let got = queues.existing.recv().await.unwrap();
    assert_eq!((got.local, got.data), (nat_t, message(7)));
    assert_eq!(counters.not_ike.load(Ordering::Relaxed), 3);

    let mut buffer = [0; 100];
    transport
        .send(VrfId::DEFAULT, nat_t, remote, b"answer")
        .unwrap();
    let (octets, from) = peer.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..octets], from), (&b"\0\0\0\0answer"[..], nat_t));
    transport
        .send(VrfId::DEFAULT, ike, remote, b"answer")
        .unwrap();
    let (octets, from) = peer.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..octets], from), (&b"answer"[..], ike));
    transport.keep_alive(VrfId::DEFAULT, nat_t, remote).unwrap();
    let (octets, from) = peer.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..octets], from), (&[0xff][..], nat_t));
}

#[tokio::test]
async fn a_full_queue_of_first_messages_leaves_the_other_alone() {
    let counters = Arc::new(SocketCounters::default());
    let (transport, mut queues) = UdpTransport::new(Arc::clone(&counters));
    let local = SocketAddr::new(LOOPBACK, PORT_IKE);
    for _ in 0..NEW_QUEUE + 5 {
        transport
            .feed
            .take(VrfId::DEFAULT, local, local, false, &message(0));
    }
    transport
        .feed
        .take(VrfId::DEFAULT, local, local, false, &message(1));
    assert_eq!(counters.new_dropped.load(Ordering::Relaxed), 5);
    assert_eq!(queues.existing.recv().await.unwrap().data, message(1));
}

#[tokio::test]
async fn listening_follows_the_configuration_and_needs_no_address_yet() {
    let (mut transport, _queues) = UdpTransport::with_ports(Arc::default(), free_ports());
    let absent: IpAddr = "192.0.2.77".parse().unwrap();
    let absent6: IpAddr = "2001:db8::77".parse().unwrap();
    transport
        .listen(
            &[(VrfId::DEFAULT, absent), (VrfId::DEFAULT, absent6)],
            &Instances::default(),
        )
        .unwrap();
    assert_eq!(transport.sockets.len(), 4);
    transport
        .listen(&[(VrfId::DEFAULT, absent6)], &Instances::default())
        .unwrap();
    assert_eq!(transport.sockets.len(), 2);
    let gone = SocketAddr::new(absent, transport.ports[0]);
    assert!(transport.send(VrfId::DEFAULT, gone, gone, b"x").is_err());
    // What is withdrawn still sends, until the next change.
    transport
        .listen(&[(VrfId::DEFAULT, LOOPBACK)], &Instances::default())
        .unwrap();
    for bound in transport.sockets.values() {
        bound.socket.writable().await.unwrap();
    }
    let peer = std::net::UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let remote = peer.local_addr().unwrap();
    let withdrawn = SocketAddr::new(LOOPBACK, transport.ports[0]);
    transport
        .listen(&[(VrfId::DEFAULT, absent6)], &Instances::default())
        .unwrap();
    transport
        .send(VrfId::DEFAULT, withdrawn, remote, b"farewell")
        .unwrap();
    assert_eq!(peer.recv(&mut [0; 100]).unwrap(), b"farewell".len());
    // And an address that comes back at once is served again, by the same socket.
    transport
        .listen(&[(VrfId::DEFAULT, LOOPBACK)], &Instances::default())
        .unwrap();
    transport
        .listen(&[(VrfId::DEFAULT, absent6)], &Instances::default())
        .unwrap();
    transport
        .listen(&[(VrfId::DEFAULT, absent6)], &Instances::default())
        .unwrap();
    let refused = transport.send(VrfId::DEFAULT, withdrawn, remote, b"x");
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
}

#[tokio::test]
async fn what_a_full_socket_loses_is_counted() {
    let counters = Arc::new(SocketCounters::default());
    let ports = free_ports();
    let (mut transport, mut queues) = UdpTransport::with_ports(Arc::clone(&counters), ports);
    transport
        .listen(&[(VrfId::DEFAULT, LOOPBACK)], &Instances::default())
        .unwrap();
    let ike = SocketAddr::new(LOOPBACK, ports[0]);
    let peer = std::net::UdpSocket::bind((LOOPBACK, 0)).unwrap();
    // The reader does not run meanwhile: it shares our thread.
    let sent = RECEIVE_BUFFER_OCTETS / 512;
    let large = vec![0; 1024];
    for _ in 0..sent {
        peer.send_to(&large, ike).unwrap();
    }
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as usize;
    let mut got = 0;
    while got + get(&counters.new_dropped) + get(&counters.socket_dropped) < sent {
        // The kernel tells of losses with the next datagram that it takes.
        while tokio::time::timeout(std::time::Duration::from_millis(20), queues.new.recv())
            .await
            .is_ok()
        {
            got += 1;
        }
        peer.send_to(&message(7), ike).unwrap();
        queues.existing.recv().await.unwrap();
    }
    assert!(get(&counters.socket_dropped) > 0);
    assert_eq!(
        got + get(&counters.new_dropped) + get(&counters.socket_dropped),
        sent
    );
}

/// The loopback device stands for a VRF device: a socket that is bound to it hears what comes in by it.
fn instances(device: &str) -> Instances {
    Instances::of(&[RoutingInstance {
        vrf: ACCESS,
        name: "access".to_owned(),
        device: device.to_owned(),
        table: 1001,
    }])
    .unwrap()
}

const ACCESS: VrfId = VrfId(1);

#[tokio::test]
async fn sockets_of_a_routing_instance_wait_for_its_device_and_follow_it() {
    let ports = free_ports();
    let (mut transport, mut queues) = UdpTransport::with_ports(Arc::default(), ports);
    let both = [(VrfId::DEFAULT, LOOPBACK), (ACCESS, LOOPBACK)];
    let [ike, nat_t] = ports.map(|port| SocketAddr::new(LOOPBACK, port));
    transport.listen(&both, &instances("ravelin-none")).unwrap();
    let told = transport.waiting[&(ACCESS, nat_t)].clone();
    assert_eq!(
        told,
        format!(
            "cannot listen on {nat_t} in routing instance access: there is no device ravelin-none"
        )
    );
    let peer = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let remote = peer.local_addr().unwrap();
    assert!(transport.send(ACCESS, ike, remote, b"x").is_err());
    assert!(transport.look(), "it is looked for");
    assert_eq!((transport.sockets.len(), transport.waiting.len()), (2, 2));

    // It is there; the same address in the default instance is served by another socket.
    transport.instances = instances("lo");
    assert!(transport.look());
    assert_eq!((transport.sockets.len(), transport.waiting.len()), (4, 0));
    let mut heard = async |transport: &UdpTransport| {
        let bound = &transport.sockets[&(ACCESS, ike)];
        bound.socket.writable().await.unwrap();
        peer.send_to(&message(1), ike).await.unwrap();
        let got = queues.existing.recv().await.unwrap();
        transport
            .send(got.vrf, got.local, remote, b"answer")
            .unwrap();
        let (_, from) = peer.recv_from(&mut [0; 100]).await.unwrap();
        assert_eq!(from, ike);
        got.vrf
    };
    assert_eq!(heard(&transport).await, ACCESS);

    // The device was made anew: its index is another one.
    let device = transport.sockets[&(ACCESS, ike)].device;
    for port in [ike, nat_t] {
        let bound = transport.sockets.get_mut(&(ACCESS, port)).unwrap();
        bound.device = device + 1;
        bound.reader.abort();
    }
    let default = Arc::as_ptr(&transport.sockets[&(VrfId::DEFAULT, ike)].socket);
    assert!(transport.look());
    assert_eq!(transport.sockets[&(ACCESS, ike)].device, device);
    assert_eq!(heard(&transport).await, ACCESS);
    let same = Arc::as_ptr(&transport.sockets[&(VrfId::DEFAULT, ike)].socket);
    assert_eq!(same, default, "the others stay");

    // Without the instance its sockets go, and nothing is left to look after.
    transport.listen(&both[..1], &Instances::default()).unwrap();
    assert_eq!(transport.sockets.len(), 2);
    assert!(!transport.look());
}

#[tokio::test]
async fn no_socket_of_an_instance_that_is_not_there_listens_everywhere() {
    let (mut transport, _queues) = UdpTransport::with_ports(Arc::default(), free_ports());
    for device in ["", "a-name-that-is-longer-than-the-kernel-takes"] {
        let place = [(ACCESS, LOOPBACK)];
        transport.listen(&place, &instances(device)).unwrap();
        assert!(transport.sockets.is_empty(), "{device}");
    }
    let unknown = transport.listen(&[(ACCESS, LOOPBACK)], &Instances::default());
    unknown.unwrap();
    assert!(transport.sockets.is_empty());
}
