//! Numbers that look random and are the same in each run of a test (Marsaglia's xorshift). No part of a release.

/// Numbers of 64 bits.
pub(crate) fn numbers() -> impl FnMut() -> u64 {
    let mut state = 88_172_645_463_325_252_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// Numbers below a bound that each call has.
pub(crate) fn below() -> impl FnMut(usize) -> usize {
    let mut next = numbers();
    move |bound| usize::try_from(next() >> 16).unwrap_or(0) % bound
}

/// Numbers of 8 bits.
pub(crate) fn octets() -> impl Iterator<Item = u8> {
    let mut next = numbers();
    std::iter::repeat_with(move || next().to_le_bytes()[3])
}
