//! The checksum of IP, TCP and ICMP (RFC 1071). Called by whatever writes frames to the box.

use std::net::IpAddr;

/// Adds bytes to a sum. Sums of several parts may be added if each part but the last has an even length.
///
/// Large frames make this a hot loop: the sum of words of eight bytes, with all carries kept, folds to the same value as the sum of words
/// of two bytes.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut total = words.iter().fold(0_u128, |total, word| total + u128::from(u64::from_ne_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    total += u128::from(u64::from_ne_bytes(last));
    // Folds 128 bits to 64 with the carry added at the end, which keeps the value modulo 2^16 - 1.
    let [low, high] = halves(total);
    let (folded, carry) = low.overflowing_add(high);
    folded + u64::from(carry)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
const fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

/// Folds a sum to 16 bits in the order of the host's memory, and complements it.
fn fold(mut total: u128) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !u16::try_from(total).unwrap_or(0)
}

/// Returns the checksum of bytes that hold a zero where it goes, as its two bytes.
pub(crate) fn of(bytes: &[u8]) -> [u8; 2] {
    fold(u128::from(sum(bytes))).to_ne_bytes()
}

/// Returns the checksum of a TCP, UDP or `ICMPv6` message, which covers the addresses too.
pub(crate) fn with_addresses(source: IpAddr, target: IpAddr, protocol: u8, message: &[u8]) -> [u8; 2] {
    let mut pseudo = [0; 40];
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            pseudo[..4].copy_from_slice(&source.octets());
            pseudo[4..8].copy_from_slice(&target.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            pseudo[..16].copy_from_slice(&source.octets());
            pseudo[16..32].copy_from_slice(&target.octets());
        }
        _ => {}
    }
    let length = u32::try_from(message.len()).unwrap_or(0);
    pseudo[32..36].copy_from_slice(&length.to_be_bytes());
    pseudo[39] = protocol;
    fold(u128::from(sum(&pseudo)) + u128::from(sum(message))).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 as it is written there.
    fn slow(bytes: &[u8]) -> [u8; 2] {
        let mut total = 0_u32;
        for pair in bytes.chunks(2) {
            total += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            total = (total & 0xffff) + (total >> 16);
        }
        (!u16::try_from(total).unwrap()).to_be_bytes()
    }

    #[test]
    fn it_is_the_sum_of_rfc_1071_for_every_length() {
        let bytes: Vec<u8> = (0..70_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for length in (0..200).chain([1460, 1461, 65_494, 65_495]) {
            assert_eq!(of(&bytes[..length]), slow(&bytes[..length]), "{length}");
        }
        assert_eq!(of(&[0xff; 64]), slow(&[0xff; 64]));
        assert_eq!(of(&[0; 64]), [0xff, 0xff]);
    }

    #[test]
    fn addresses_are_part_of_it() {
        let (source, target) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut all = vec![10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, 3];
        all.extend(b"abc");
        assert_eq!(with_addresses(source, target, 6, b"abc"), slow(&all));
    }
}
