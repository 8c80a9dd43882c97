//! Which ports of a task are held by programs outside the cell.
//!
//! The cell knows only what it gave away itself. A task that is given a port which somebody else listens on
//! would fail by itself, each time it starts, without a word that the cell understands.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
};

use log_schema::PortRanges;

/// Those of the ports that some program holds now, on any address, for TCP or UDP.
pub(crate) fn held(ports: &PortRanges) -> PortRanges {
    let held = ports.iter().filter(|port| is_held(*port)).map(|port| (port, port)).collect();
    PortRanges::new(held).expect("a part of a legal set")
}

/// Asked by binding, which sees what `/proc` of another network namespace or user would not show. Each socket
/// is closed before the task starts, and a listener that took no connection leaves nothing behind.
fn is_held(port: u16) -> bool {
    let (v4, v6) = ((Ipv4Addr::UNSPECIFIED, port), (Ipv6Addr::UNSPECIFIED, port));
    // Any other error, such as a machine without IPv6 or a port for root alone, is the task's to meet.
    let in_use = |bound: io::Result<()>| bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    in_use(TcpListener::bind(v4).map(drop))
        || in_use(TcpListener::bind(v6).map(drop))
        || in_use(UdpSocket::bind(v4).map(drop))
        || in_use(UdpSocket::bind(v6).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_held_whatever_the_address_and_protocol_are_and_free_when_it_is_let_go() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let numbers = [tcp.local_addr().expect("bound").port(), udp.local_addr().expect("bound").port()];
        let ports = PortRanges::new(numbers.map(|port| (port, port)).to_vec()).expect("legal");
        assert_eq!(held(&ports), ports);
        assert!(held(&PortRanges::default()).is_empty());
        let only_udp = PortRanges::new(vec![(numbers[1], numbers[1])]).expect("legal");
        drop(tcp);
        assert_eq!(held(&ports), only_udp);
    }
}
