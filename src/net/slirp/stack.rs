//! `Stack`: one instance of libslirp behind safe calls, and what it calls back. Driven by `run`, on the one thread that has made it.

#![allow(unsafe_code, reason = "calls a C library, which calls back")]

use std::{
    cell::{Cell, RefCell, RefMut},
    ffi::{c_char, c_int, c_void},
    fmt, io,
    os::fd::RawFd,
    ptr::{self, NonNull},
    rc::Rc,
    slice,
    sync::Arc,
    time::Instant,
};

use boxlite_spec::network::LinkSpec;
use nix::libc;

use super::{
    library::{self, Aligned, AlignedV6, Callbacks, Config, Library, Slirp},
    peers::Peers,
};
use crate::{
    backend::NetworkError,
    gateway::{
        GATEWAY_MAC,
        frame::{self, ETHERNET},
        outgoing::Outgoing,
    },
    metrics::Counters,
};

/// Bits of `SLIRP_POLL_*`, each with its own of poll(2).
const EVENTS: [(c_int, i16); 5] =
    [(1, libc::POLLIN), (2, libc::POLLOUT), (4, libc::POLLPRI), (8, libc::POLLERR), (16, libc::POLLHUP)];
/// The wait that libslirp asks for if it has nothing to do, in milliseconds. Then it need not be woken at all.
const IDLE: u32 = 1000;
/// Its clock does not begin at 0, which is "never" in some of its fields.
const CLOCK_BEGINS: i64 = 1_000_000_000;
/// Where an ARP packet has its sender's hardware address.
const ARP_SENDER: std::ops::Range<usize> = ETHERNET + 8..ETHERNET + 14;

/// One instance. It is not `Send`: libslirp keeps its clock in a variable of its own, so it has to stay on one thread.
pub(super) struct Stack {
    library: Library,
    slirp: NonNull<Slirp>,
    /// libslirp has a pointer to it.
    host: Rc<Host>,
}

/// What the callbacks work on. They are called while `Stack` calls libslirp, so everything in it is a cell, and none is borrowed then.
#[derive(Debug)]
struct Host {
    began: Instant,
    to_box: RefCell<Outgoing>,
    polled: RefCell<Vec<libc::pollfd>>,
    peers: RefCell<Peers>,
    open: Cell<u32>,
    counters: Arc<Counters>,
}

static CALLBACKS: Callbacks = Callbacks {
    send_packet,
    guest_error,
    clock_get_ns,
    timer_new,
    timer_free,
    timer_mod,
    register_poll_fd,
    unregister_poll_fd,
    notify,
};

impl Stack {
    /// An instance that serves this link. `opens_host` says whether the box's address of the host leads to the host's own 127.0.0.1.
    ///
    /// # Errors
    /// If libslirp refuses the configuration.
    pub(super) fn new(
        library: Library,
        link: &LinkSpec,
        opens_host: bool,
        counters: Arc<Counters>,
    ) -> Result<Self, NetworkError> {
        let mask = u32::MAX.checked_shl(32 - u32::from(link.v4.prefix)).unwrap_or(0);
        let gateway = link.v4.gateway.to_bits();
        let config = Config {
            version: 1,
            restricted: 0,
            in_enabled: true,
            network: Aligned((gateway & mask).to_be_bytes()),
            mask: Aligned(mask.to_be_bytes()),
            host: Aligned(link.v4.host.octets()),
            in6_enabled: false,
            prefix_v6: AlignedV6([0; 16]),
            prefix_length_v6: 0,
            host_v6: AlignedV6([0; 16]),
            host_name: ptr::null(),
            tftp_server_name: ptr::null(),
            tftp_path: ptr::null(),
            boot_file: ptr::null(),
            dhcp_start: Aligned(link.v4.guest.octets()),
            name_server: Aligned(link.v4.gateway.octets()),
            name_server_v6: AlignedV6([0; 16]),
            search: ptr::null(),
            domain: ptr::null(),
            mtu: link.mtu.into(),
            mru: link.mtu.into(),
            disable_host_loopback: !opens_host,
            enable_emulation: false,
        };
        let host = Rc::new(Host {
            began: Instant::now(),
            to_box: RefCell::new(Outgoing::new(Arc::clone(&counters))),
            polled: RefCell::default(),
            peers: RefCell::default(),
            open: Cell::new(0),
            counters,
        });
        // SAFETY: the configuration is read during the call alone. The callbacks live for ever, and `host` for as long as the instance:
        // `Drop` ends that first.
        let slirp = unsafe { (library.new)(&raw const config, &raw const CALLBACKS, opaque(&host)) };
        let slirp = NonNull::new(slirp).ok_or_else(|| {
            library::failed(&format!("version {} refuses an MTU of {}", library.version(), link.mtu))
        })?;
        let stack = Self { library, slirp, host };
        stack.input(&announcement(link));
        Ok(stack)
    }

    /// Gives libslirp a frame of the box, of which nothing is wrong.
    pub(super) fn input(&self, frame: &[u8]) {
        let Ok(length) = c_int::try_from(frame.len()) else { return };
        // SAFETY: libslirp copies so many bytes during the call. No cell of `host` is borrowed.
        unsafe { (self.library.input)(self.slirp.as_ptr(), frame.as_ptr(), length) };
    }

    /// Waits until something happens to one of `own` descriptors or, with `serve`, to one of libslirp's; `at_once` does not wait. Lets
    /// libslirp deal with what has happened to its own, and returns what has happened to ours.
    ///
    /// # Errors
    /// If the system can't poll.
    pub(super) fn wait(&self, own: [(RawFd, i16); 2], serve: bool, at_once: bool) -> io::Result<[i16; 2]> {
        let mut wait = u32::MAX;
        {
            let mut polled = self.host.polled.borrow_mut();
            polled.clear();
            polled.extend(own.map(|(fd, events)| libc::pollfd { fd, events, revents: 0 }));
        }
        if serve {
            // SAFETY: `add_poll` is called during the call alone. No cell of `host` is borrowed.
            unsafe { (self.library.fill)(self.slirp.as_ptr(), &raw mut wait, add_poll, opaque(&self.host)) };
        }
        {
            let mut polled = self.host.polled.borrow_mut();
            let idle = wait >= IDLE && polled.len() == own.len();
            let timeout = match c_int::try_from(wait) {
                _ if at_once => 0,
                Ok(wait) if !idle => wait,
                _ => -1,
            };
            let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
            // SAFETY: the structures are valid for the call.
            if unsafe { libc::poll(polled.as_mut_ptr(), count, timeout) } < 0 {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
                polled.iter_mut().for_each(|polled| polled.revents = 0);
            }
        }
        if serve {
            // SAFETY: `get_events` is called during the call alone. No cell of `host` is borrowed.
            unsafe { (self.library.poll)(self.slirp.as_ptr(), 0, get_events, opaque(&self.host)) };
        }
        let polled = self.host.polled.borrow();
        Ok([0, 1].map(|at| polled.get(at).map_or(0, |polled| polled.revents)))
    }

    /// The frames that wait for the box. Not to be held while libslirp is called.
    pub(super) fn to_box(&self) -> RefMut<'_, Outgoing> {
        self.host.to_box.borrow_mut()
    }

    /// Who may send datagrams to the box. Not to be held while libslirp is called.
    pub(super) fn peers(&self) -> RefMut<'_, Peers> {
        self.host.peers.borrow_mut()
    }

    /// The number of connections, which is that of libslirp's sockets.
    pub(super) fn open(&self) -> u32 {
        self.host.open.get()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: nothing calls the instance after this. `host`, to which the callbacks go on pointing during the call, is still there.
        unsafe { (self.library.cleanup)(self.slirp.as_ptr()) };
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Host {
    /// A frame for the box. What there is no room for is dropped, as libslirp expects it. The gateway's hardware address is the same as that
    /// of every other backend.
    fn send(&self, frame: &[u8]) {
        let (Ok(mut out), Ok(mut peers)) = (self.to_box.try_borrow_mut(), self.peers.try_borrow_mut()) else {
            return;
        };
        if !peers.may_send(frame) {
            return;
        }
        let Some(room) = out.push(frame.len()) else { return };
        room.copy_from_slice(frame);
        room[6..12].copy_from_slice(&GATEWAY_MAC);
        if room[12..ETHERNET] == frame::ARP
            && let Some(sender) = room.get_mut(ARP_SENDER)
        {
            sender.copy_from_slice(&GATEWAY_MAC);
        }
    }

    fn poll(&self, fd: c_int, wanted: c_int) -> c_int {
        let Ok(mut polled) = self.polled.try_borrow_mut() else { return -1 };
        let events = EVENTS.into_iter().filter(|(bit, _)| wanted & bit != 0);
        let events = events.fold(0, |events, (_, event)| events | event);
        polled.push(libc::pollfd { fd, events, revents: 0 });
        c_int::try_from(polled.len() - 1).unwrap_or(-1)
    }

    /// Nothing has happened as long as there is no room for what would come of it: the descriptor stays ready.
    fn events(&self, index: c_int) -> c_int {
        let (Ok(polled), Ok(out)) = (self.polled.try_borrow(), self.to_box.try_borrow()) else { return 0 };
        let happened = usize::try_from(index).ok().and_then(|index| polled.get(index));
        let happened = happened.filter(|_| out.has_room()).map_or(0, |polled| polled.revents);
        let bits = EVENTS.into_iter().filter(|(_, event)| happened & event != 0);
        bits.fold(0, |bits, (bit, _)| bits | bit)
    }

    fn opened(&self) {
        self.open.set(self.open.get().saturating_add(1));
        self.counters.count_open(1);
    }

    fn closed(&self) {
        if let Some(open) = self.open.get().checked_sub(1) {
            self.open.set(open);
            self.counters.count_open(-1);
        }
    }
}

fn opaque(host: &Rc<Host>) -> *mut c_void {
    Rc::as_ptr(host).cast_mut().cast()
}

/// `host` of a callback.
///
/// # Safety
/// It has to be the pointer of [`opaque`], whose `Rc` is alive.
unsafe fn host<'h>(host: *mut c_void) -> &'h Host {
    // SAFETY: as the caller promises. Nobody has an exclusive reference to it.
    unsafe { &*host.cast::<Host>() }
}

/// An ARP packet by which the box says what its address is, so that libslirp need not ask.
fn announcement(link: &LinkSpec) -> Vec<u8> {
    let address = link.v4.guest.octets();
    let mut frame = [&[0xff; 6][..], &link.mac, &frame::ARP].concat();
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([&link.mac[..], &address, &[0; 6], &address].concat());
    frame
}

unsafe extern "C" fn send_packet(bytes: *const c_void, length: usize, opaque: *mut c_void) -> isize {
    if !bytes.is_null() && isize::try_from(length).is_ok() {
        // SAFETY: libslirp passes a whole frame, and the pointer that it got from `Stack::new`.
        unsafe { host(opaque).send(slice::from_raw_parts(bytes.cast(), length)) };
    }
    // One that is dropped counts as sent: less than 0 would be an error of the link.
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// What libslirp says of a guest that misbehaves, as often as that does.
unsafe extern "C" fn guest_error(_: *const c_char, _: *mut c_void) {}

unsafe extern "C" fn clock_get_ns(opaque: *mut c_void) -> i64 {
    // SAFETY: the pointer is the one that libslirp got from `Stack::new`.
    let elapsed = unsafe { host(opaque) }.began.elapsed();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX).saturating_add(CLOCK_BEGINS)
}

/// Timers are for router advertisements, and there is no IPv6.
unsafe extern "C" fn timer_new(
    _: Option<unsafe extern "C" fn(*mut c_void)>,
    _: *mut c_void,
    _: *mut c_void,
) -> *mut c_void {
    ptr::null_mut()
}

unsafe extern "C" fn timer_free(_: *mut c_void, _: *mut c_void) {}

unsafe extern "C" fn timer_mod(_: *mut c_void, _: i64, _: *mut c_void) {}

unsafe extern "C" fn register_poll_fd(_: c_int, opaque: *mut c_void) {
    // SAFETY: the pointer is the one that libslirp got from `Stack::new`.
    unsafe { host(opaque) }.opened();
}

unsafe extern "C" fn unregister_poll_fd(_: c_int, opaque: *mut c_void) {
    // SAFETY: the pointer is the one that libslirp got from `Stack::new`.
    unsafe { host(opaque) }.closed();
}

/// There may be more to poll for, which `run` does after everything that it gives libslirp.
unsafe extern "C" fn notify(_: *mut c_void) {}

unsafe extern "C" fn add_poll(fd: c_int, events: c_int, opaque: *mut c_void) -> c_int {
    // SAFETY: the pointer is the one that `Stack::wait` passes.
    unsafe { host(opaque) }.poll(fd, events)
}

unsafe extern "C" fn get_events(index: c_int, opaque: *mut c_void) -> c_int {
    // SAFETY: the pointer is the one that `Stack::wait` passes.
    unsafe { host(opaque) }.events(index)
}
