//! Walks a tar stream entry by entry: ustar, GNU and PAX.
//!
//! Field decoding is the `tar` crate's; the walk is ours, because the crate reads long names and PAX headers into
//! memory without a bound, and splits PAX records at newlines. Here all headers before one entry, each block and each record
//! of them, are bounded together: one of them may be short, and there may be millions.

use std::io::{self, Read};

use ::tar::{EntryType, GnuExtSparseHeader, Header};

use super::{
    entry::TarEntry,
    error::TarError,
    header::{device, has_content, malformed, number},
    pax::Pax,
    skip::Skip,
    sparse::SparseMap,
};

const BLOCK: u64 = 512;

/// A tar stream. After [`TarReader::next`], it reads as the content of that entry.
#[derive(Debug)]
pub struct TarReader<R> {
    stream: R,
    /// Bytes that the headers of one entry may have, its maps among them.
    limit: u64,
    /// How many the current entry has had.
    headers: u64,
    ordinal: u32,
    /// Bytes of the current entry that were not read yet.
    content: u64,
    /// Zeros between that content and the next header.
    padding: u64,
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.stream).take(self.content).read(buf)?;
        if read == 0 && self.content > 0 && !buf.is_empty() {
            return Err(TarError::corrupt("read tar: it ends inside a file").into());
        }
        self.content -= read as u64;
        Ok(read)
    }
}

impl<R: Skip> TarReader<R> {
    /// Reads the archive in `stream`; all headers of one entry, what they hold included, may have `limit` bytes.
    pub fn new(stream: R, limit: u64) -> Self {
        Self { stream, limit, headers: 0, ordinal: 0, content: 0, padding: 0 }
    }

    /// The stream, which is where the current entry's content begins.
    pub fn stream(&self) -> &R {
        &self.stream
    }

    /// The stream behind the archive's end.
    pub fn into_inner(self) -> R {
        self.stream
    }

    /// Goes to the next entry; returns `None` at the end of the archive.
    ///
    /// # Errors
    /// The archive contradicts itself or the format, exceeds the bound on headers, or can't be read.
    #[allow(clippy::should_implement_trait, reason = "each entry's content is read between two calls")]
    pub fn next(&mut self) -> Result<Option<TarEntry>, TarError> {
        let mut pax = Pax::default();
        let mut long_path = None;
        let mut long_link = None;
        self.headers = 0;
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            self.take_header(BLOCK)?;
            let size = number(&header.as_old().size, || header.entry_size())?;
            self.content = size;
            self.padding = size.wrapping_neg() % BLOCK;
            match header.entry_type() {
                EntryType::XHeader => pax.parse(&self.record(size)?)?,
                // Global headers carry comments; Go's archive/tar, which writes layers, ignores them too.
                EntryType::XGlobalHeader => self.take_header(size)?,
                EntryType::GNULongName => long_path = Some(self.long_name(size)?),
                EntryType::GNULongLink => long_link = Some(self.long_name(size)?),
                _ => return self.entry(&header, pax, long_path, long_link).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        pax: Pax,
        long_path: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<TarEntry, TarError> {
        let kind = header.entry_type();
        let mut size = match pax.size {
            _ if !has_content(kind) => 0,
            Some(size) => size,
            None => self.content,
        };
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK;
        let sparse = if kind.is_gnu_sparse() {
            Some(self.gnu_sparse(header, size)?)
        } else if kind == EntryType::Regular {
            let limit = self.limit - self.headers;
            pax.sparse.map(self, &mut size, limit)?
        } else {
            None
        };
        let path = pax.sparse.name.or(pax.path).or(long_path);
        let link = pax.link.or(long_link);
        let ordinal = self.ordinal;
        self.ordinal = self.ordinal.saturating_add(1);
        Ok(TarEntry {
            ordinal,
            kind,
            path: path.unwrap_or_else(|| header.path_bytes().into_owned()),
            link: link
                .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                .unwrap_or_default(),
            mode: number(&header.as_old().mode, || header.mode())?,
            uid: pax.uid.map_or_else(|| number(&header.as_old().uid, || header.uid()), Ok)?,
            gid: pax.gid.map_or_else(|| number(&header.as_old().gid, || header.gid()), Ok)?,
            mtime: match pax.mtime {
                Some(mtime) => mtime,
                None => (number(&header.as_old().mtime, || header.mtime())?.cast_signed(), 0),
            },
            device: device(header, kind)?,
            size,
            sparse,
            xattrs: pax.xattrs,
        })
    }

    /// Reads one header block. Two blocks of zeros end an archive; so does the stream's end between entries.
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        let mut header = Header::new_old();
        for zeros in 0.. {
            if !self.block(header.as_mut_bytes())? {
                return Ok(None);
            }
            if header.as_bytes().iter().any(|&byte| byte != 0) {
                break;
            }
            if zeros == 1 {
                return Ok(None);
            }
        }
        let bytes = header.as_bytes();
        // The sum counts its own field as spaces (POSIX.1-2024, pax, "ustar Interchange Format").
        let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|&byte| u32::from(byte)).sum();
        if header.cksum().map_err(malformed)? != sum + 8 * 32 {
            return Err(TarError::corrupt("read tar: wrong header checksum"));
        }
        Ok(Some(header))
    }

    /// Fills one block; false if the stream ended before it.
    fn block(&mut self, block: &mut [u8]) -> Result<bool, TarError> {
        let mut filled = 0;
        while filled < block.len() {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(TarError::corrupt("read tar: it ends inside a header")),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TarError::reading("read tar", error)),
            }
        }
        Ok(true)
    }

    /// Skips what is left of the current entry.
    fn skip(&mut self) -> Result<(), TarError> {
        let left = self.content.saturating_add(self.padding);
        let skipped = self.stream.skip(left).map_err(|error| TarError::reading("read tar", error))?;
        // The padding of the last entry is missing in archives of some writers.
        if skipped < self.content {
            return Err(TarError::corrupt("read tar: it ends inside a file"));
        }
        self.content = 0;
        self.padding = 0;
        Ok(())
    }

    /// Counts bytes of a header.
    fn take_header(&mut self, bytes: u64) -> Result<(), TarError> {
        self.headers = self.headers.saturating_add(bytes);
        if self.headers <= self.limit {
            return Ok(());
        }
        Err(TarError::TooLarge(format!(
            "read tar: extended headers of {} bytes or more before one entry, of which {} are allowed",
            self.headers, self.limit
        )))
    }

    /// Reads the content of a header-like entry into memory.
    fn record(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        self.take_header(size)?;
        let mut data = Vec::new();
        self.read_to_end(&mut data).map_err(|error| TarError::reading("read tar", error))?;
        Ok(data)
    }

    /// A GNU long name ends with a NUL.
    fn long_name(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        let mut name = self.record(size)?;
        if let Some(end) = name.iter().position(|&byte| byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    /// The old GNU sparse map: four pairs in the header, then extension blocks of 21 pairs each.
    fn gnu_sparse(&mut self, header: &Header, stored: u64) -> Result<SparseMap, TarError> {
        let gnu =
            header.as_gnu().ok_or_else(|| TarError::corrupt("read tar: sparse file without a GNU header"))?;
        let size = gnu.real_size().map_err(malformed)?;
        let mut pairs = Vec::new();
        let mut add = |parts: &[::tar::GnuSparseHeader]| -> Result<(), TarError> {
            for part in parts.iter().filter(|part| !part.is_empty()) {
                pairs.push((part.offset().map_err(malformed)?, part.length().map_err(malformed)?));
            }
            Ok(())
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extension = GnuExtSparseHeader::new();
            self.take_header(BLOCK)?;
            if !self.block(extension.as_mut_bytes())? {
                return Err(TarError::corrupt("read tar: it ends inside a sparse map"));
            }
            add(extension.sparse())?;
            more = extension.is_extended();
        }
        SparseMap::new(&pairs, size, stored)
    }
}
