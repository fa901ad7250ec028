// The public API of `@boxlite/node`. Everything that a program can import is here.
export { Box } from './box.js'
export type { BoxEnd } from './box-end.js'
export type { Bytes } from './bytes.js'
export type { Chunks } from './chunks.js'
export type { CopyOptions, CopyOutOptions, CopyProgress } from './copy.js'
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
  PortalError,
  RuntimeError,
  type Stage,
  StorageError,
  UnsupportedEngineError,
} from './errors.js'
export type {
  ExecutionEvent,
  Health,
  HealthEvent,
  ImagePullEvent,
  LimitEvent,
  LostEvent,
  MainEvent,
  OutOfMemoryEvent,
  RuntimeEvent,
  StateEvent,
} from './event.js'
export { Events, type EventsOptions } from './events.js'
export type { ExecResult } from './exec.js'
export { Execution } from './execution.js'
export type { ExecutionInfo } from './execution-info.js'
export type { FileData, Time } from './file-data.js'
export type { OpenFlags } from './file-flags.js'
export { FileHandle, type FileReadOptions } from './file-handle.js'
export { FileReadStream, FileWriteStream, type ReadStreamOptions, type WriteStreamOptions } from './file-streams.js'
export { type CpOptions, FileSystem, type ReadDirOptions, type ReadFileOptions, type WriteFileOptions } from './fs.js'
export {
  type ImageDetails,
  type ImageInfo,
  Images,
  type ImageUsage,
  type PruneResult,
  type PulledImage,
} from './images.js'
export type { BoxInfo, BoxState, Engine } from './info.js'
export type { LogEntry, LogsOptions } from './logs.js'
export type { BoxMetrics, RuntimeMetrics } from './metrics.js'
export type {
  BoxFilter,
  BoxOptions,
  CloseOptions,
  ExecOptions,
  HealthCheckOptions,
  PruneOptions,
  PullOptions,
  RegistryCredentials,
  RegistryOptions,
  RemoveOptions,
  RestartOptions,
  RuntimeOptions,
  SpawnOptions,
  StopOptions,
  SupervisionOptions,
  UpdateOptions,
  WaitOptions as BoxWaitOptions,
} from './options.js'
export type { ExecEvent, ExitStatus } from './output.js'
export type { Pull, PullEvent } from './pull.js'
export { Runtime } from './runtime.js'
export type { WatchMetricsOptions } from './sampling.js'
export type { Shell, ShellValue } from './sh.js'
export { Dirent, Stats } from './stats.js'
export type { FileChangeEvent, WatchOptions } from './watch.js'
