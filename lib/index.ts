// The public API of `@boxlite/node`. Everything that a program can import is here.
export { Box } from './box.js'
export type { BoxEnd } from './box-end.js'
export type { Bytes } from './bytes.js'
export type { Chunks } from './chunks.js'
export { Connection } from './connection.js'
export type { CopyInOptions, CopyOptions, CopyOutOptions, CopyProgress } from './copy.js'
export type { CpOptions } from './cp.js'
export { Dir } from './directory.js'
export type { DoctorCheck, DoctorReport } from './doctor.js'
export {
  BoxError,
  BoxliteError,
  EngineError,
  type Errno,
  type ErrorCode,
  type ErrorDetails,
  type ExecutionDetails,
  ExecutionError,
  FileError,
  ImageError,
  InternalError,
  InvalidArgumentError,
  NetworkError,
  PortalError,
  RuntimeError,
  type Stage,
  StorageError,
  UnsupportedEngineError,
} from './errors.js'
export type {
  ExecutionEvent,
  HealthEvent,
  ImagePullEvent,
  LimitEvent,
  LostEvent,
  MainEvent,
  NetworkEvent,
  OutOfMemoryEvent,
  RuntimeEvent,
  StateEvent,
} from './event.js'
export { Events, type EventsOptions } from './events.js'
export type { ExecResult } from './exec.js'
export { Execution } from './execution.js'
export type { ExecutionInfo } from './execution-info.js'
export type { FetchInit } from './fetch.js'
export type { FileData } from './file-data.js'
export type { OpenFlags } from './file-flags.js'
export { FileHandle } from './file-handle.js'
export type { FileMode, Time } from './file-mode.js'
export type { FilePath, NameEncoding } from './file-path.js'
export { FileReadStream } from './file-read-stream.js'
export { FileWriteStream } from './file-write-stream.js'
export { FileSystem } from './fs.js'
export {
  type ImageDetails,
  type ImageInfo,
  Images,
  type ImageUsage,
  type PruneResult,
} from './images.js'
export type { Backend, BoxInfo, BoxState, Engine, Health } from './info.js'
export type { LogEntry, LogsOptions } from './logs.js'
export type { BoxMetrics, NetworkMetrics, RuntimeMetrics } from './metrics.js'
export type { BoxNetwork } from './network.js'
export type {
  BoxOptions,
  RemoveOptions,
  StartOptions,
  StopOptions,
  UpdateOptions,
  WaitOptions as BoxWaitOptions,
} from './options/box.js'
export type { ExecOptions, SpawnOptions } from './options/execution.js'
export type { FilePartOptions, FileReadOptions } from './options/file-parts.js'
export type {
  HandleReadStreamOptions,
  HandleWriteStreamOptions,
  ReadStreamOptions,
  WriteStreamOptions,
} from './options/file-streams.js'
export type {
  MkdirOptions,
  NameOptions,
  OpenDirOptions,
  ReadDirOptions,
  ReadFileOptions,
  RmOptions,
  SetXattrOptions,
  StatOptions,
  WriteFileOptions,
  WriteOpenFileOptions,
  XattrOptions,
} from './options/files.js'
export type { BoxFilter } from './options/filter.js'
export type { PruneOptions, PullOptions } from './options/image.js'
export type {
  BandwidthOptions,
  BoxNetworkOptions,
  DnsOptions,
  NetworkOptions,
  NetworkRule,
  NetworkUpdateOptions,
  PortOptions,
  SecretOptions,
} from './options/network.js'
export type { ConnectOptions, PublishOptions, UnpublishOptions, WaitForPortOptions } from './options/port.js'
export type { CapabilityOptions, PrivilegeOptions } from './options/privileges.js'
export type { CloseOptions, RegistryCredentials, RegistryOptions, RuntimeOptions } from './options/runtime.js'
export type { HealthCheckOptions, RestartOptions, SupervisionOptions } from './options/supervision.js'
export type { ExecEvent, ExitStatus } from './output.js'
export type { PublishedPort } from './ports.js'
export type { Pull } from './pull.js'
export type { PullEvent, PulledImage } from './pull-event.js'
export { Runtime } from './runtime.js'
export type { WatchMetricsOptions } from './sampling.js'
export type { Shell, ShellValue } from './sh.js'
export { BigIntStats, Dirent, StatFs, Stats } from './stats.js'
export type { FileChangeEvent, WatchOptions } from './watch.js'
