//! Gives back the clusters that a killed engine had taken for a box's disk and not yet put to use. Called by the runtime
//! before each start, when no process has the disk open.
//!
//! An engine first counts a cluster as used and then refers to it, so that a kill between the two wastes the cluster
//! and harms nothing; `qemu-img check` calls it leaked. Format: QEMU, docs/interop/qcow2.txt.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use boxlite_error::ErrorCode;

use crate::{error::Error, padded::read_padded};

const MAGIC: u32 = 0x5146_49fb;
/// Bits 9 to 55 of an entry of any table are an offset in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Of an entry in an L2 table: bit 62, a compressed cluster, which we never write.
const COMPRESSED: u64 = 1 << 62;
/// The largest file that is checked, in clusters: 4 TiB of the usual 64 KiB.
const MOST_CLUSTERS: u64 = 1 << 26;

/// The fields of the header that matter here.
struct Header {
    cluster_bits: u32,
    l1_entries: u64,
    l1_table: u64,
    refcount_table: u64,
    refcount_table_clusters: u64,
}

/// Frees the leaked clusters of the overlay at `path` and returns how many there were. A disk with features that no engine
/// of ours uses is left alone.
///
/// # Errors
/// [`ErrorCode::StorageCorrupt`] when a cluster is in use and counts as free: writing on would destroy data.
pub fn free_leaked_clusters(path: &Path) -> Result<u64, Error> {
    let failed = |error| Error::storage(format!("check disk {}", path.display()), error);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let Some(header) = Header::read(&file, length).map_err(failed)? else { return Ok(0) };
    let clusters = length.div_ceil(header.cluster_size());
    if clusters > MOST_CLUSTERS {
        return Ok(0);
    }
    let disk = Disk { file, header, clusters };
    let Some(used) = disk.used().map_err(failed)? else { return Ok(0) };
    match disk.free_all_but(&used).map_err(failed)? {
        Found::Leaked(count) => Ok(count),
        Found::Uncounted(cluster) => Err(Error::new(
            ErrorCode::StorageCorrupt,
            format!("check disk {}: cluster {cluster} is in use and counts as free", path.display()),
        )),
    }
}

struct Disk {
    file: File,
    header: Header,
    clusters: u64,
}

enum Found {
    Leaked(u64),
    /// A cluster in use that counts as free.
    Uncounted(u64),
}

impl Header {
    /// `None`: not a disk of ours, or one with something that refers to clusters in further ways.
    fn read(file: &File, length: u64) -> io::Result<Option<Self>> {
        let mut bytes = [0; 104];
        file.read_exact_at(&mut bytes, 0)?;
        let u32_at = |at: usize| bytes[at..at + 4].iter().fold(0, |n, &byte| n << 8 | u32::from(byte));
        let u64_at = |at: usize| u64::from(u32_at(at)) << 32 | u64::from(u32_at(at + 4));
        let (version, cluster_bits, encryption, snapshots) = (u32_at(4), u32_at(20), u32_at(32), u32_at(60));
        let (incompatible, autoclear, refcount_order) = (u64_at(72), u64_at(88), u32_at(96));
        let plain = u32_at(0) == MAGIC
            && version == 3
            && (9..=21).contains(&cluster_bits)
            && [encryption, snapshots] == [0, 0]
            && [incompatible, autoclear] == [0, 0]
            && refcount_order == 4;
        let header = Self {
            cluster_bits,
            l1_entries: u64::from(u32_at(36)),
            l1_table: u64_at(40),
            refcount_table: u64_at(48),
            refcount_table_clusters: u64::from(u32_at(56)),
        };
        let fits = header.l1_entries * 8 <= length
            && header.refcount_table_clusters.checked_shl(cluster_bits).is_some_and(|size| size <= length);
        Ok((plain && fits).then_some(header))
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }
}

impl Disk {
    /// Which clusters something refers to; `None` where something is not as we write it.
    fn used(&self) -> io::Result<Option<Bits>> {
        let Header { l1_entries, l1_table, refcount_table, refcount_table_clusters, .. } = self.header;
        let mut used = Bits::new(self.clusters);
        let size = self.header.cluster_size();
        used.set(0);
        self.mark(&mut used, l1_table, (l1_entries * 8).div_ceil(size));
        self.mark(&mut used, refcount_table, refcount_table_clusters);
        for entry in self.table(l1_table, l1_entries)? {
            let table = entry & OFFSET;
            // Read once each, so that reading takes no longer than the file is long.
            if table == 0 || used.get(table >> self.header.cluster_bits) {
                continue;
            }
            self.mark(&mut used, table, 1);
            for entry in self.table(table, size / 8)? {
                if entry & COMPRESSED != 0 {
                    return Ok(None);
                }
                self.mark(&mut used, entry & OFFSET, 1);
            }
        }
        for block in self.refcount_blocks()?.into_iter().filter(|&block| block != 0) {
            if used.get(block >> self.header.cluster_bits) {
                return Ok(None);
            }
            self.mark(&mut used, block, 1);
        }
        Ok(Some(used))
    }

    /// Offset 0 is the header's, so in a table it means none.
    fn mark(&self, used: &mut Bits, offset: u64, count: u64) {
        let first = offset >> self.header.cluster_bits;
        if offset != 0 {
            (first..first + count).for_each(|cluster| used.set(cluster));
        }
    }

    /// Counts every unused cluster as free. Nothing refers to it, so a kill halfway through harms nothing.
    fn free_all_but(&self, used: &Bits) -> io::Result<Found> {
        let mut leaked = 0;
        let per_block = self.header.cluster_size() / 2;
        let blocks = self.refcount_blocks()?;
        let counted = blocks.len() as u64 * per_block;
        if let Some(cluster) = (counted..self.clusters).find(|&cluster| used.get(cluster)) {
            return Ok(Found::Uncounted(cluster));
        }
        for (block, first) in blocks.into_iter().zip((0..).step_by(usize::try_from(per_block).unwrap_or(1))) {
            let mut counts =
                if block == 0 { Vec::new() } else { read_padded(&self.file, block, per_block * 2)? };
            let before = leaked;
            for cluster in first..first + per_block {
                let at = usize::try_from(cluster - first).unwrap_or(0) * 2;
                let free = counts.get(at..at + 2).is_none_or(|count| count == [0, 0]);
                match (used.get(cluster), free) {
                    (true, true) => return Ok(Found::Uncounted(cluster)),
                    (false, false) => {
                        counts[at..at + 2].fill(0);
                        leaked += 1;
                    }
                    _ => {}
                }
            }
            if leaked > before {
                self.file.write_all_at(&counts, block)?;
            }
        }
        if leaked > 0 {
            self.file.sync_data()?;
        }
        Ok(Found::Leaked(leaked))
    }

    /// Offsets of the refcount blocks in order, 0 where there is none.
    fn refcount_blocks(&self) -> io::Result<Vec<u64>> {
        let entries = (self.header.refcount_table_clusters << self.header.cluster_bits) / 8;
        let mut blocks = self.table(self.header.refcount_table, entries)?;
        for entry in &mut blocks {
            *entry &= OFFSET;
        }
        blocks.truncate(blocks.iter().rposition(|&block| block != 0).map_or(0, |last| last + 1));
        Ok(blocks)
    }

    fn table(&self, offset: u64, entries: u64) -> io::Result<Vec<u64>> {
        // What lies behind the end of the file is zero: an engine may have been about to write it.
        let bytes = read_padded(&self.file, offset, entries * 8)?;
        Ok(bytes
            .chunks_exact(8)
            .map(|entry| entry.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)))
            .collect())
    }
}

/// One bit for each cluster of the file.
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: u64) -> Self {
        Self(vec![0; usize::try_from(count.div_ceil(64)).unwrap_or(0)])
    }

    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index / 64).ok().filter(|&word| word < self.0.len())
    }

    fn set(&mut self, index: u64) {
        if let Some(word) = self.place(index) {
            self.0[word] |= 1 << (index % 64);
        }
    }

    fn get(&self, index: u64) -> bool {
        self.place(index).is_some_and(|word| self.0[word] & 1 << (index % 64) != 0)
    }
}
