// Made from lib/ by `npm run build:types`: change that instead.
import { EventEmitter } from 'node:events';
import { Interface } from 'node:readline';
import { Duplex, Readable, Writable } from 'node:stream';
import { ReadableStream as ReadableStream$1 } from 'node:stream/web';

interface Failure {
	code: string;
	message: string;
	stage?: string;
	hint?: string;
	causes: string[];
	/** A refused file operation. */
	file?: {
		errno: number;
		syscall: string;
		path?: string;
		dest?: string;
		code?: string;
		reason?: string;
	};
}
interface Outcome<T> {
	ok?: T;
	error?: Failure;
}
type Answer<T> = Promise<Outcome<T>>;
type NativePath = string | Buffer;
interface NativeStat {
	dev: number;
	ino: number;
	mode: number;
	nlink: number;
	uid: number;
	gid: number;
	rdev: number;
	size: number;
	blksize: number;
	blocks: number;
	atimeMs: number;
	mtimeMs: number;
	ctimeMs: number;
	birthtimeMs: number;
	exact?: NativeExactStat;
}
interface NativeExactStat {
	dev: bigint;
	ino: bigint;
	rdev: bigint;
	size: bigint;
	blocks: bigint;
	atimeNs: bigint;
	mtimeNs: bigint;
	ctimeNs: bigint;
	birthtimeNs: bigint;
}
interface NativeStatFs {
	type: bigint;
	bsize: bigint;
	blocks: bigint;
	bfree: bigint;
	bavail: bigint;
	files: bigint;
	ffree: bigint;
}
interface NativeEntry {
	name: NativePath;
	kind: number;
}
interface NativeFileReader {
	pull(): Answer<Buffer | null>;
	close(): void;
}
interface NativeFileWriter {
	push(data: Uint8Array): Answer<void>;
	/** Resolves when the file is open; bytes may be pushed before. */
	opened(): Answer<void>;
	finish(): Answer<number>;
	abort(): void;
}
/** How a box ended. */
export interface BoxEnd {
	/** `'stopped'` or `'failed'`; `'created'` of a box that never ran. */
	state: "created" | "stopped" | "failed";
	/** Exit code of the box's main process; `null` if it had none, or if that was ended by a signal. */
	exitCode: number | null;
	/** Name of the signal that ended the main process, else `null`. */
	signal: string | null;
	/** Whether the main process ended for want of memory. */
	oom: boolean;
	/** Why the box failed, else `null`. */
	failure: string | null;
}
/** Bytes: a Buffer, any other typed array, a DataView, or the memory below those. */
export type Bytes = NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer;
/** What gives data in parts. */
export type Chunks = AsyncIterable<string | Bytes> | Iterable<string | Bytes> | ReadableStream<string | Bytes> | {
	stream(): ReadableStream<Uint8Array>;
};
/** How to publish a port. */
export interface PublishOptions {
	/** The port on this machine; 0 is a free one, which the answer tells. Default: 0. */
	host?: number;
	/** Default: `'tcp'`. */
	protocol?: "tcp" | "udp";
	/**
	 * The address of this machine that is listened on. `'0.0.0.0'` and `'::'` are all of them: other machines then reach the box, and a
	 * warning of the process says so. Default: `'127.0.0.1'`.
	 */
	bind?: string;
}
/** Which publications to withdraw. */
export interface UnpublishOptions {
	/** Default: `'tcp'`. */
	protocol?: "tcp" | "udp";
}
/** How to connect to a port of a box. */
export interface ConnectOptions {
	/** Milliseconds that the connection may take to be made once the box runs, 1 to 60 000. Default: 10 000. */
	timeoutMs?: number;
	/** Destroys the connection with the code `ABORTED`, whether or not it is made. Default: none. */
	signal?: AbortSignal;
}
/** How to wait for a port of a box. */
export interface WaitForPortOptions {
	/** Milliseconds to wait at most, once the box runs. Default: 60 000. */
	timeoutMs?: number;
	/** Ends the wait and rejects with the code `ABORTED`. Default: none. */
	signal?: AbortSignal;
}
type Done = (error?: Error | null) => void;
/**
 * A connection to a port in a box, as `net.Socket` is one: bytes may be written at once, `connect` is emitted when it is made, and `error`
 * when it can't be or breaks. Each direction ends by itself. `destroy()` closes it.
 */
export declare class Connection extends Duplex {
	#private;
	/** The port in the box. */
	readonly port: number;
	private constructor();
	/** Whether it is still being made. */
	get connecting(): boolean;
	destroy(error?: Error): this;
	_construct(done: Done): void;
	_read(): void;
	_write(data: Buffer, _encoding: BufferEncoding, done: Done): void;
	_writev(chunks: {
		chunk: Buffer;
	}[], done: Done): void;
	_final(done: Done): void;
	_destroy(error: Error | null, done: Done): void;
}
/** The progress of a copy. */
export interface CopyProgress {
	/** Files, folders and links; 0 where the caller brings the tar stream. */
	entries: number;
	/** Bytes of file contents, holes included; of the archive where the caller brings the tar stream. */
	bytes: number;
	/** Devices, sockets and FIFOs, which are left out. */
	skipped: number;
}
/** How to copy between host and box. */
export interface CopyOptions {
	/** Called ten times a second at most, and once at the end. */
	onProgress?: (progress: CopyProgress) => void;
	/** Cancels the copy with an `AbortError`; what was copied stays. */
	signal?: AbortSignal;
	/**
	 * Replace what has the same name and another type, a folder only if it is empty. Default: `false`, and the copy fails with `EEXIST` or
	 * `EISDIR`.
	 */
	replace?: boolean;
	/** Keep the extended attributes `user.*` and `security.capability`. Not available for a tar stream into a box. Default: `false`. */
	xattrs?: boolean;
}
/** How to copy into a box. */
export interface CopyInOptions extends CopyOptions {
	/**
	 * The owner of everything that is copied, written like `user` of a command: `'app'`, `'1000'`, `'app:staff'`, `'1000:1000'`, looked up in the box. Default:
	 * root, not the box's user; for a tar stream, the owners that it names.
	 */
	owner?: string;
}
/** How to copy out of a box. A copy that exceeds a bound rejects with `COPY_TOO_LARGE`. */
export interface CopyOutOptions extends CopyOptions {
	/**
	 * Most bytes of file contents, holes included; of the archive where the copy goes to a Writable. A file that would exceed
	 * it is not begun. Default: any number.
	 */
	maxBytes?: number;
	/** Most files, folders and links; not for a Writable. Default: any number. */
	maxEntries?: number;
}
declare const CODES: {
	readonly INVALID_ARGUMENT: "InvalidArgumentError";
	readonly HOME_LOCKED: "RuntimeError";
	readonly HOME_INCOMPATIBLE: "RuntimeError";
	readonly HOST_LIMIT: "RuntimeError";
	readonly RUNTIME_CLOSED: "RuntimeError";
	readonly PART_MISSING: "RuntimeError";
	readonly BOX_NOT_FOUND: "BoxError";
	readonly BOX_NAME_TAKEN: "BoxError";
	readonly BOX_STATE: "BoxError";
	readonly BOX_BUSY: "BoxError";
	readonly BOX_REMOVED: "BoxError";
	readonly IMAGE_REFERENCE: "ImageError";
	readonly IMAGE_NOT_FOUND: "ImageError";
	readonly IMAGE_NOT_CACHED: "ImageError";
	readonly IMAGE_UNAUTHORIZED: "ImageError";
	readonly IMAGE_PLATFORM: "ImageError";
	readonly IMAGE_DIGEST_MISMATCH: "ImageError";
	readonly IMAGE_CORRUPT: "ImageError";
	readonly IMAGE_TOO_LARGE: "ImageError";
	readonly IMAGE_UNSUPPORTED: "ImageError";
	readonly IMAGE_CANCELLED: "ImageError";
	readonly REGISTRY_UNREACHABLE: "ImageError";
	readonly REGISTRY_FAILED: "ImageError";
	readonly REGISTRY_RATE_LIMITED: "ImageError";
	readonly STORAGE_FULL: "StorageError";
	readonly STORAGE_IO: "StorageError";
	readonly STORAGE_CORRUPT: "StorageError";
	readonly ENGINE_UNSUPPORTED: "UnsupportedEngineError";
	readonly ENGINE_FAILED: "EngineError";
	readonly GUEST_FAILED: "EngineError";
	readonly GUEST_TIMEOUT: "EngineError";
	readonly PORTAL_LOST: "PortalError";
	readonly RPC: "PortalError";
	readonly COMMAND_NOT_FOUND: "ExecutionError";
	readonly COMMAND_NOT_EXECUTABLE: "ExecutionError";
	readonly EXEC_CWD: "ExecutionError";
	readonly EXEC_USER: "ExecutionError";
	readonly EXEC_FAILED: "ExecutionError";
	readonly EXEC_NOT_FOUND: "ExecutionError";
	readonly EXEC_TIMEOUT: "ExecutionError";
	readonly EXEC_NON_ZERO: "ExecutionError";
	readonly EXEC_MAX_BUFFER: "ExecutionError";
	readonly EXEC_INPUT_CLOSED: "ExecutionError";
	readonly EXEC_INPUT_FAILED: "ExecutionError";
	readonly EXEC_OUTPUT_LOST: "ExecutionError";
	readonly ABORTED: "ExecutionError";
	readonly FILE_REFUSED: "FileError";
	readonly ARCHIVE_INVALID: "FileError";
	readonly COPY_TOO_LARGE: "FileError";
	readonly LISTING_TOO_LARGE: "FileError";
	readonly NETWORK_FAILED: "NetworkError";
	readonly PORT_IN_USE: "NetworkError";
	readonly PORT_DENIED: "NetworkError";
	readonly PORT_CLOSED: "NetworkError";
	readonly INTERNAL: "InternalError";
};
declare const REFUSALS: {
	readonly ERR_FS_EISDIR: "Path is a directory";
	readonly ERR_FS_CP_DIR_TO_NON_DIR: "Cannot overwrite non-directory with directory";
	readonly ERR_FS_CP_EEXIST: "Target already exists";
	readonly ERR_FS_CP_EINVAL: "Invalid src or dest";
	readonly ERR_FS_CP_FIFO_PIPE: "Cannot copy a FIFO pipe";
	readonly ERR_FS_CP_NON_DIR_TO_DIR: "Cannot overwrite directory with non-directory";
	readonly ERR_FS_CP_SOCKET: "Cannot copy a socket file";
	readonly ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY: "Cannot overwrite symlink in subdirectory of self";
	readonly ERR_FS_CP_UNKNOWN: "Cannot copy an unknown file type";
};
/** What went wrong, for programs to match on. Codes are stable: they are never renamed. */
export type ErrorCode = keyof typeof CODES | Errno | keyof typeof REFUSALS | "ERR_DIR_CLOSED" | "ERR_INVALID_STATE";
/** Names of Linux's errors, as Node has them; of a {@link FileError}. */
export type Errno = "E2BIG" | "EACCES" | "EAGAIN" | "EBADF" | "EBUSY" | "EDQUOT" | "EEXIST" | "EFAULT" | "EFBIG" | "EINVAL" | "EIO" | "EISDIR" | "ELOOP" | "EMFILE" | "EMLINK" | "ENAMETOOLONG" | "ENFILE" | "ENODATA" | "ENODEV" | "ENOENT" | "ENOMEM" | "ENOSPC" | "ENOSYS" | "ENOTDIR" | "ENOTEMPTY" | "ENOTSUP" | "ENXIO" | "EOVERFLOW" | "EPERM" | "EPIPE" | "EROFS" | "ESPIPE" | "ESTALE" | "ETXTBSY" | "EXDEV";
/** A stage of the way from an image's name to a running container. */
export type Stage = "image" | "rootfs" | "disk" | "spawn" | "ready" | "guest" | "container";
/** What a {@link BoxliteError} carries besides its code and message. */
export interface ErrorDetails {
	/** What to do about it. */
	hint?: string | undefined;
	/** The stage of a box's start that failed. */
	stage?: Stage | undefined;
	/** What caused it. */
	cause?: unknown;
}
/**
 * Every error of this package. `message` says what was tried and what came of it, `code` is for programs, `hint` says what
 * to do about it, and `cause` is the error that caused it.
 *
 * @example
 * ```ts
 * try {
 *   await runtime.get('web')
 * } catch (error) {
 *   if (error instanceof BoxliteError && error.code === 'BOX_NOT_FOUND') await runtime.create({ image, name: 'web' })
 *   else throw error
 * }
 * ```
 */
export declare class BoxliteError extends Error {
	/** What went wrong, for programs to match on. */
	readonly code: ErrorCode;
	/** What to do about it; absent where nothing is known. */
	readonly hint?: string;
	/** The stage of a box's start that failed; absent elsewhere. */
	readonly stage?: Stage;
	constructor(code: ErrorCode, message: string, details?: ErrorDetails);
	/** `Class [CODE]: message`, with the hint on a second line. */
	toString(): string;
}
/** An option or argument has the wrong type, or a value outside its range. */
export declare class InvalidArgumentError extends BoxliteError {
	constructor(message: string, details?: ErrorDetails);
}
/** The runtime could not be opened, is closed, or one of its files is missing. */
export declare class RuntimeError extends BoxliteError {
}
/** A box does not exist, or its state does not allow the operation. */
export declare class BoxError extends BoxliteError {
}
/** An image could not be found, fetched, verified or used. With the code `IMAGE_CANCELLED` its `name` is `AbortError`. */
export declare class ImageError extends BoxliteError {
	constructor(code: ErrorCode, message: string, details?: ErrorDetails);
}
/** The host's disk is full, refuses, or holds damaged files. */
export declare class StorageError extends BoxliteError {
}
/** This machine can't run the engine. `Runtime.doctor()` says why, with a remedy for each reason. */
export declare class UnsupportedEngineError extends BoxliteError {
}
/** The engine failed, or the guest did not come up. */
export declare class EngineError extends BoxliteError {
}
/** The connection to the guest was lost or broke the protocol. */
export declare class PortalError extends BoxliteError {
}
/** What is known of the execution that an {@link ExecutionError} is about. */
export interface ExecutionDetails extends ErrorDetails {
	exitCode?: number | null;
	signal?: string | null;
	stdout?: string | Buffer;
	stderr?: string | Buffer;
}
/**
 * A command could not be started, or ended as its options don't allow. Of an `exec` that was under way it carries the
 * output so far. With the code `ABORTED` its `name` is `AbortError`, as everywhere in Node.
 */
export declare class ExecutionError extends BoxliteError {
	/** The exit code, where the process ended by itself; `null` where a signal ended it. */
	readonly exitCode?: number | null;
	/** The signal that ended it, such as `SIGKILL`. */
	readonly signal?: string | null;
	/** What `exec` had collected of standard output. */
	readonly stdout?: string | Buffer;
	/** What `exec` had collected of standard error. */
	readonly stderr?: string | Buffer;
	constructor(code: ErrorCode, message: string, details?: ExecutionDetails);
}
/**
 * A file operation was refused, in a box or, of a copy, on the host; as Node's own: `code` is the errno's name, such as
 * `'ENOENT'`, and the message is `ENOENT: no such file or directory, open '/x'`.
 */
export declare class FileError extends BoxliteError {
	/** Linux's number, negative as in Node; of `ERR_FS_EISDIR` positive, as there. */
	readonly errno?: number;
	/** The system call: `'open'`. */
	readonly syscall?: string;
	/** The path that the call was about. */
	readonly path?: string;
	/** The second path of a call that has two. */
	readonly dest?: string;
	constructor(code: ErrorCode, message: string, details?: ErrorDetails & Partial<FileDetails>);
}
interface FileDetails {
	errno: number;
	syscall: string;
	path: string;
	dest: string;
}
/** A box's network can't do what was asked, or a port of the host or of the box can't be reached. */
export declare class NetworkError extends BoxliteError {
}
/** A bug in boxlite; please report it. */
export declare class InternalError extends BoxliteError {
}
/** The state of a box. */
export type BoxState = "created" | "starting" | "running" | "stopping" | "stopped" | "failed";
/** A box's health by its health check. */
export type Health = "starting" | "healthy" | "unhealthy";
/** What runs a box: libkrun or QEMU. */
export type Engine = "krun" | "qemu";
/** What serves the network of a box; see {@link NetworkOptions.backend}. */
export type Backend = "gateway" | "gvproxy" | "libslirp";
/** A snapshot of a box. */
export interface BoxInfo {
	/** The box's identity. */
	id: string;
	/** The name that it was given, else `null`. */
	name: string | null;
	/** Its labels, over those of its image, which are known from the first start on. */
	labels: Record<string, string>;
	/** Its image, as it was given. */
	image: string;
	/** The digest of the image's manifest; `null` until the box was started for the first time. */
	imageDigest: string | null;
	/** Its state. */
	state: BoxState;
	/** The engine that runs it, or ran it last; `null` until then. */
	engine: Engine | null;
	/** Whether that engine uses hardware virtualisation; `null` until then. */
	accelerated: boolean | null;
	/** The process that holds the micro-VM; `null` while it does not run. */
	pid: number | null;
	/** Virtual CPUs that it has, or will have when it starts. */
	cpus: number;
	/** Memory in MiB that it has, or will have when it starts. */
	memoryMib: number;
	/** Changes by {@link Box.update} that apply from the next start on; `null` if there are none. */
	pending: {
		cpus?: number;
		memoryMib?: number;
	} | null;
	/** Processes and threads that may be in it at once. */
	pidsLimit: number;
	/** Milliseconds after its start at which it stops; 0 is never. */
	maxLifetimeMs: number;
	/** Milliseconds without use after which it stops; 0 is never. */
	idleTimeoutMs: number;
	/** When it stops; `null` is never. */
	endsAt: Date | null;
	/** Size of the disk in GiB; `null` until the first start unless an option set it. */
	diskSizeGb: number | null;
	/** When it was made. */
	createdAt: Date;
	/** Why it failed, in the state `failed`, else `null`. */
	failure: string | null;
	/** Whether it outlives the process that started it. */
	detached: boolean;
	/** Whether it is removed once its machine has ended. */
	autoRemove: boolean;
	/** Its health by its health check; `null` without one and while it does not run. */
	health: Health | null;
	/** What it may reach; `null` without a network. */
	network: {
		backend: Backend;
		/** The rules that allow. */
		allow: string[];
		/** The rules that refuse, which are looked at first. */
		deny: string[];
		/** Its secrets, without their values. */
		secrets: {
			env: string;
			hosts: string[];
		}[];
	} | null;
	/** Milliseconds that each stage of the last start took, in the order of the stages. */
	timings: Partial<Record<Stage, number>>;
}
interface Happened<T extends string> {
	type: T;
	/** When this process received it. */
	time: Date;
}
interface OfBox<T extends string> extends Happened<T> {
	/** The box's id. */
	boxId: string;
}
interface Ended {
	exitCode: number | null;
	signal: string | null;
}
/** A box was made (`from` is `null`), changed its state, or was removed. */
export interface StateEvent extends OfBox<"state"> {
	from: BoxState | null;
	to: BoxState | "removed";
	/** Why it failed; else `null`. */
	failure: string | null;
}
/** A command was started, or ended. The end is reported if this process reads its output or waits for it. */
export type ExecutionEvent = OfBox<"exec"> & {
	executionId: string;
} & ({
	action: "started";
	command: string;
	pid: number;
} | ({
	action: "exited";
	timedOut: boolean;
	oomKilled: boolean;
} & Ended));
/** The box's main process was started, or ended. */
export type MainEvent = OfBox<"main"> & ({
	action: "started";
	pid: number;
	restarts: number;
} | ({
	action: "exited";
	oomKilled: boolean;
	restarting: boolean;
} & Ended));
/** The box's health changed. `output` is the end of what the last check wrote, or why it could not be made. */
export interface HealthEvent extends OfBox<"health"> {
	health: Health;
	failures: number;
	output: string;
}
/** A pull started, succeeded or failed. `boxId` is `null` for `images.pull`. */
export type ImagePullEvent = Happened<"pull"> & {
	boxId: string | null;
	source: string;
} & ({
	action: "started";
} | {
	action: "done";
	digest: string;
} | {
	action: "failed";
	code: ErrorCode;
	message: string;
});
/** The box's kernel killed a process because memory ran out; `executionId` is set where it is known. */
export interface OutOfMemoryEvent extends OfBox<"oom"> {
	executionId: string | null;
}
/**
 * The box's network refused a destination: at most once a second for each, with the number since the last time. `rule` is the text of
 * the rule, `'default'` where none allows it, `'dns'` of a name service that is not the gateway's, `'quic'` where a name decides that QUIC
 * would hide, `'limit'` where there were too many connections, `'unsupported'` of a ping that this machine does not let its users send, or a
 * phrase that says what was wrong with the connection. With `backend: 'gvproxy'` it is also `'backend'` while that program has ended and is started again, which an event without an address tells.
 */
export interface NetworkEvent extends OfBox<"network"> {
	/** Its address; `null` if its name was refused before it was looked up. */
	address: string | null;
	/** Its port; 0 of a name and of ICMP. */
	port: number;
	protocol: "tcp" | "udp" | "icmp";
	/** Its name, where one is known. */
	name: string | null;
	rule: string;
	count: number;
}
/** A limit ends the box. */
export interface LimitEvent extends OfBox<"limit"> {
	limit: "maxLifetimeMs" | "idleTimeoutMs" | "endsAt";
}
/** So many events are missing here, since they were read too slowly. */
export interface LostEvent extends Happened<"lost"> {
	count: number;
}
/** An event of a box or an image; `type` distinguishes them. */
export type RuntimeEvent = StateEvent | ExecutionEvent | MainEvent | HealthEvent | ImagePullEvent | OutOfMemoryEvent | NetworkEvent | LimitEvent | LostEvent;
/** How to listen. */
export interface EventsOptions {
	/** Closes the events: iterators reject with `ABORTED`, listeners get `'close'`. Default: none. */
	signal?: AbortSignal;
}
type Listened = {
	[T in RuntimeEvent["type"]]: [
		event: Extract<RuntimeEvent, {
			type: T;
		}>
	];
} & {
	/** Every event. */
	event: [
		event: RuntimeEvent
	];
	/** No event follows. */
	close: [
	];
};
/**
 * Later events of boxes and images: `runtime.events()` for all, `box.events()` for one. They are what this process causes or
 * sees; another process that uses the same box gets its own.
 *
 * Use it as an EventEmitter, with an event for each `type` and `'event'` for all; or iterate. Listeners don't keep a
 * program alive, an iteration does. A reader more than 1024 events behind loses the oldest and gets a `'lost'`.
 *
 * @example
 * ```ts
 * using events = runtime.events()
 * events.on('health', ({ boxId, health }) => console.log(boxId, health))
 * for await (const event of box.events()) if (event.type === 'exec') console.log(event.action, event.executionId)
 * ```
 */
export declare class Events extends EventEmitter<Listened> implements AsyncIterable<RuntimeEvent>, Disposable {
	#private;
	private constructor();
	/**
	 * Iterates over later events, until the events or their runtime are closed. Several iterators each get every event. When the
	 * last one is left and there are no listeners, the events are closed.
	 */
	[Symbol.asyncIterator](): AsyncGenerator<RuntimeEvent, void, undefined>;
	/** Stops listening. Iterators end, and listeners get `'close'`. Doing so twice does nothing. */
	close(): void;
	/** Does what {@link Events.close | close()} does. */
	[Symbol.dispose](): void;
}
/** How to run a command; for `box.spawn`. */
export interface SpawnOptions {
	/** Working directory. Default: the box's. */
	cwd?: string;
	/** Environment, over the box's. One that is `undefined` is unset, whether the box or its image sets it. Default: none. */
	env?: Record<string, string | undefined>;
	/** `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the box's user. */
	user?: string | number;
	/** Give the process a terminal: `true` is 80 by 24. Its standard error then arrives in `stdout`. Default: `false`. */
	tty?: boolean | {
		cols: number;
		rows: number;
	};
	/**
	 * Standard input. A string or bytes are written and the input then closed; a stream, an (async) iterable or a Blob is read
	 * to its end, and what it gives that is neither text nor bytes ends the execution with `INVALID_ARGUMENT`. `'none'` is
	 * `/dev/null`. Default: of `spawn` what you write to `execution.stdin`, of `exec` `'none'`.
	 *
	 * The string `'none'` itself can be sent as bytes: `Buffer.from('none')`.
	 */
	stdin?: "none" | (string & {}) | Bytes | Chunks;
	/**
	 * Milliseconds that the process may run, counted from its start inside the box; then it gets SIGTERM, and SIGKILL two
	 * seconds later. 0 is for ever. Default: 0.
	 */
	timeoutMs?: number;
	/** Ends every process of the execution with SIGKILL and rejects with the code `ABORTED`. Default: none. */
	signal?: AbortSignal;
	/**
	 * `spawn` only: let the process outlive this handle, as a background process of the box. It is never held back
	 * without a reader: the box then retains the last 1 MiB of each stream and drops what is older. Disposing of
	 * the execution leaves it running; `box.executions()` lists it and `box.execution(id)` finds it again. Default: `false`.
	 */
	detached?: boolean;
}
/** How to run a command and collect its output; for `box.exec` and `box.sh`. */
export interface ExecOptions extends Omit<SpawnOptions, "detached"> {
	/** Reject with the code `EXEC_NON_ZERO` unless the exit code is 0. Default: `false`. */
	check?: boolean;
	/** `'utf8'` collects strings, `'buffer'` bytes. Default: `'utf8'`. */
	encoding?: "utf8" | "buffer";
	/**
	 * The most bytes to collect of each of stdout and stderr. One more ends the process and rejects with the code
	 * `EXEC_MAX_BUFFER`. Default: 67 108 864 (64 MiB).
	 */
	maxBuffer?: number;
}
/** What came of a command. `T` is `string`, or `Buffer` with `encoding: 'buffer'`. */
export interface ExecResult<T extends string | Buffer = string> {
	/** The exit code; `null` where a signal ended the process. */
	exitCode: number | null;
	/** The signal that ended the process, such as `'SIGKILL'`; `null` where it exited by itself. */
	signal: string | null;
	/** Whether the kernel of the box ended the process for want of memory. */
	oomKilled: boolean;
	/** All of its standard output (with a terminal, of its standard error too). */
	stdout: T;
	/** All of its standard error. */
	stderr: T;
}
/** How a process ended. */
export interface ExitStatus {
	/** The exit code; `null` where a signal ended it. */
	exitCode: number | null;
	/** The signal that ended it, such as `'SIGKILL'`; `null` where it exited by itself. */
	signal: string | null;
	/** Whether it exceeded `timeoutMs`. */
	timedOut: boolean;
	/** Whether the box's kernel killed it because memory ran out. */
	oomKilled: boolean;
}
/** What happens in an execution, in the order in which it happened; `exit` is the last. */
export type ExecEvent = {
	type: "stdout";
	data: Buffer;
} | {
	type: "stderr";
	data: Buffer;
} | ({
	type: "exit";
} & ExitStatus);
/**
 * A process in a box. Read its output either through `stdout` and `stderr` or by iterating the execution itself, which
 * yields events in the order in which they happened.
 *
 * - **Back-pressure.** While a stream that you read is full (1 MiB and one batch of 256 KiB) the process is held back, and
 *   nothing is lost. Both streams come in one order, so pausing one of them holds back the other.
 * - **Streams you don't read.** Before the first read or wait, 1 MiB is held and the process is held back. Once you call
 *   {@link Execution.wait | wait()} or read the other stream, an unread stream never blocks the process: its first 1 MiB is
 *   held and the rest dropped. Reading it after that yields what was held and then an `EXEC_MAX_BUFFER` error, never a gap.
 * - **Failures.** A process that can't be started, or a lost connection, rejects `started` and `wait()` and is an `error`
 *   event of each stream that has a listener for it. Handling one of them is enough.
 * - A live execution keeps the program alive, as a child process does.
 *
 * @example
 * ```ts
 * const child = box.spawn('sort')
 * child.stdin.end('b\na\n')
 * for await (const chunk of child.stdout) process.stdout.write(chunk)
 * const { exitCode } = await child.wait()
 * ```
 */
export declare class Execution implements AsyncDisposable, AsyncIterable<ExecEvent> {
	#private;
	private constructor();
	/** What the process reads. A write completes when there is room for more; `end()` is its end of file. */
	get stdin(): Writable;
	/** What the process writes to standard output (with a terminal, to standard error too), as bytes. */
	get stdout(): Readable;
	/** What the process writes to standard error, as bytes. */
	get stderr(): Readable;
	/** The execution's identity in its box; `undefined` until {@link Execution.started | started}. */
	get id(): string | undefined;
	/** The process's number inside the box; `undefined` until {@link Execution.started | started}. */
	get pid(): number | undefined;
	/**
	 * Resolves when the process runs; the box is started first if need be. Rejects with `COMMAND_NOT_FOUND`,
	 * `COMMAND_NOT_EXECUTABLE`, `EXEC_CWD`, `EXEC_USER`, `ABORTED`, or the error of the box's start.
	 */
	get started(): Promise<void>;
	/**
	 * Resolves when the process has ended and each stream that you read has handed over everything. Call it as often as you
	 * like, also after the end. A stream that you began to read and paused holds it back.
	 *
	 * Rejects as `started` does, with `ABORTED`, and with `PORTAL_LOST` if the connection breaks. A `timeoutMs` that was
	 * exceeded does not reject: `timedOut` says so.
	 */
	wait(): Promise<ExitStatus>;
	/**
	 * Sends a signal to the process and all of its group, once it has started.
	 *
	 * @param signal - a name such as `'SIGINT'`, or a number; 0 sends none and checks whether it runs. Default: `'SIGTERM'`.
	 * @returns `false` if the process had ended.
	 */
	kill(signal?: string | number): Promise<boolean>;
	/** Sets the size of the terminal, in characters, 1 to 65 535 each. Only for an execution with `tty`. */
	resize(cols: number, rows: number): Promise<void>;
	/** The events in the order in which they happened. Leaving the loop drops the output that follows. */
	[Symbol.asyncIterator](): AsyncGenerator<ExecEvent, void, undefined>;
	/**
	 * Ends the process, and all that it started, with SIGKILL if it still runs, and waits until it has gone. A `detached` one
	 * is only detached from. Never rejects.
	 */
	[Symbol.asyncDispose](): Promise<void>;
}
/** An execution that runs in a box. */
export interface ExecutionInfo {
	/** Its identity: `box.execution(id)` finds it. */
	id: string;
	/** The process's number inside the box. */
	pid: number;
	/** The command as it was given. */
	command: string;
	/** Its arguments; a long command line is cut after 256 bytes. */
	args: string[];
	/** Whether it has a terminal. */
	tty: boolean;
	/** Whether it was started to outlive its handle. */
	detached: boolean;
	/** When it was started, by the host's clock. */
	startedAt: Date;
}
/** How to make a request: everything that the global `fetch` takes, and the port. */
export interface FetchInit extends RequestInit {
	/** The port in the box of a URL that is only a path. Default: 80. */
	port?: number;
}
/** How to copy inside a box. */
export interface CpOptions {
	/** Directories with all that is in them. Default: `false`. */
	recursive?: boolean;
	/** Overwrite files. Default: `true`. */
	force?: boolean;
	/** With `force: false`, fail with `ERR_FS_CP_EEXIST` if something exists. Default: `false`. */
	errorOnExist?: boolean;
	/** Copy what symlinks lead to. Default: `false`. */
	dereference?: boolean;
	/** Keep access and modification times. Default: `false`. */
	preserveTimestamps?: boolean;
	/** Keep symlinks as they are written; else relative ones become absolute, so that they lead where they led. Default: `false`. */
	verbatimSymlinks?: boolean;
	/** Whether to copy what is at `source` to `destination`; of a directory, nothing in it is copied either. May be asynchronous. */
	filter?: (source: string, destination: string) => boolean | Promise<boolean>;
	/** Flags of `copyFile`. Default: 0. */
	mode?: number;
}
/** A path in a box: text, its bytes, or a `file:` URL. */
export type FilePath = string | Uint8Array | URL;
/** How names are given: decoded by an encoding, or with `'buffer'` as their bytes. */
export type NameEncoding = BufferEncoding | "buffer";
declare abstract class FileType {
	/** The file type bits of its mode. */
	protected abstract kind(): number;
	isFile(): boolean;
	isDirectory(): boolean;
	isSymbolicLink(): boolean;
	isFIFO(): boolean;
	isSocket(): boolean;
	isBlockDevice(): boolean;
	isCharacterDevice(): boolean;
}
/** The attributes of a file in a box, as Node's `fs.Stats`. All of them are own properties: a copy by spread or JSON is complete. */
export declare class Stats extends FileType {
	readonly dev: number;
	/** File type and permissions. */
	readonly mode: number;
	readonly nlink: number;
	readonly uid: number;
	readonly gid: number;
	readonly rdev: number;
	readonly blksize: number;
	readonly ino: number;
	/** Bytes. */
	readonly size: number;
	/** Allocated, of 512 bytes each. */
	readonly blocks: number;
	readonly atimeMs: number;
	readonly mtimeMs: number;
	readonly ctimeMs: number;
	readonly birthtimeMs: number;
	readonly atime: Date;
	readonly mtime: Date;
	readonly ctime: Date;
	readonly birthtime: Date;
	constructor(stat: NativeStat);
	protected kind(): number;
}
/** {@link Stats} with numbers of any size, and times in nanoseconds too; as Node's `fs.BigIntStats`. */
export declare class BigIntStats extends FileType {
	readonly dev: bigint;
	/** File type and permissions. */
	readonly mode: bigint;
	readonly nlink: bigint;
	readonly uid: bigint;
	readonly gid: bigint;
	readonly rdev: bigint;
	readonly blksize: bigint;
	readonly ino: bigint;
	/** Bytes. */
	readonly size: bigint;
	/** Allocated, of 512 bytes each. */
	readonly blocks: bigint;
	readonly atimeMs: bigint;
	readonly mtimeMs: bigint;
	readonly ctimeMs: bigint;
	readonly birthtimeMs: bigint;
	readonly atimeNs: bigint;
	readonly mtimeNs: bigint;
	readonly ctimeNs: bigint;
	readonly birthtimeNs: bigint;
	readonly atime: Date;
	readonly mtime: Date;
	readonly ctime: Date;
	readonly birthtime: Date;
	constructor(stat: NativeStat, exact: NativeExactStat);
	protected kind(): number;
}
/** How full a file system in a box is, as Node's `fs.StatFs`. */
export declare class StatFs<T extends number | bigint = number> {
	/** Linux's number of the kind of file system: `0xef53` is ext4. */
	readonly type: T;
	/** Bytes of a block. */
	readonly bsize: T;
	readonly blocks: T;
	readonly bfree: T;
	/** Free blocks for others than root. */
	readonly bavail: T;
	/** How many files there can be. */
	readonly files: T;
	readonly ffree: T;
	constructor(stat: NativeStatFs, number: (value: bigint) => T);
}
/** An entry of a directory in a box, as Node's `fs.Dirent`. */
export declare class Dirent<T extends string | Buffer = string> extends FileType {
	#private;
	/** Its own name. */
	readonly name: T;
	/** The directory that holds it. */
	readonly parentPath: string;
	constructor(folder: NativePath, entry: NativeEntry, encoding?: NameEncoding | null);
	protected kind(): number;
}
/** An open directory in a box; `box.fs.opendir` makes one. Reading it to its end by `for await` closes it. */
export declare class Dir implements AsyncDisposable {
	#private;
	/** The path that it was opened by. */
	readonly path: string;
	private constructor();
	/** The next entry; `null` at the end. */
	read(): Promise<Dirent | null>;
	/** Lists no more. */
	close(): Promise<void>;
	[Symbol.asyncIterator](): AsyncGenerator<Dirent, void, undefined>;
	[Symbol.asyncDispose](): Promise<void>;
}
declare const constants: Readonly<{
	F_OK: 0;
	X_OK: 1;
	W_OK: 2;
	R_OK: 4;
	COPYFILE_EXCL: 1;
	COPYFILE_FICLONE: 2;
	COPYFILE_FICLONE_FORCE: 4;
	O_RDONLY: 0;
	O_WRONLY: 1;
	O_RDWR: 2;
	O_CREAT: 64;
	O_EXCL: 128;
	O_NOCTTY: 256;
	O_TRUNC: 512;
	O_APPEND: 1024;
	O_NONBLOCK: 2048;
	O_DSYNC: 4096;
	O_DIRECT: 16384;
	O_DIRECTORY: 65536;
	O_NOFOLLOW: 131072;
	O_NOATIME: 262144;
	O_SYNC: 1052672;
	S_IFMT: 61440;
	S_IFREG: 32768;
	S_IFDIR: 16384;
	S_IFCHR: 8192;
	S_IFBLK: 24576;
	S_IFIFO: 4096;
	S_IFLNK: 40960;
	S_IFSOCK: 49152;
	S_IRWXU: 448;
	S_IRUSR: 256;
	S_IWUSR: 128;
	S_IXUSR: 64;
	S_IRWXG: 56;
	S_IRGRP: 32;
	S_IWGRP: 16;
	S_IXGRP: 8;
	S_IRWXO: 7;
	S_IROTH: 4;
	S_IWOTH: 2;
	S_IXOTH: 1;
}>;
/** What can be written: text, bytes, or something that gives them one after the other. */
export type FileData = string | Bytes | Chunks;
/** How to open a file: one of Node's names, such as `'r'` and `'wx'`, or Linux's bits. */
export type OpenFlags = string | number;
/** Permissions: a number, or octal digits as in `'755'`. */
export type FileMode = number | string;
/** A time: a Date, or seconds since the epoch as a number, a bigint or a string, as in Node. */
export type Time = Date | number | bigint | string;
interface StreamOptions {
	/** Position of the first byte. Default: 0; of a handle its current position, and of flags where they put it. */
	start?: number | undefined;
	/** Close the file when the stream has ended or failed. Default: `true`. */
	autoClose?: boolean | undefined;
	/** Emit `close` when the stream is destroyed. Default: `true`. */
	emitClose?: boolean | undefined;
	/** Bytes to hold ready. Default: of reading 64 KiB, of writing 256 KiB. */
	highWaterMark?: number | undefined;
	/** Destroys the stream with an `AbortError`. */
	signal?: AbortSignal | undefined;
}
/** How to read an open file as a stream. */
export interface HandleReadStreamOptions extends StreamOptions {
	/** Last byte, which is included. Default: the end of the file. */
	end?: number | undefined;
	/** Decode to strings. Default: bytes. */
	encoding?: BufferEncoding | null | undefined;
}
/** How to read a file as a stream. */
export interface ReadStreamOptions extends HandleReadStreamOptions {
	/** Default: `'r'`. */
	flags?: OpenFlags | undefined;
	/** Permissions, where the flags make a file. Default: `0o666`, less the umask of `0o022`. */
	mode?: FileMode | undefined;
}
/** How to write to an open file as a stream. */
export interface HandleWriteStreamOptions extends StreamOptions {
	/** Encoding of strings. Default: `'utf8'`. */
	encoding?: BufferEncoding | null | undefined;
	/** Bring it to the box's disk before `finish`. Default: `false`. */
	flush?: boolean | undefined;
}
/** How to write a file as a stream. */
export interface WriteStreamOptions extends HandleWriteStreamOptions {
	/** Default: `'w'`. */
	flags?: OpenFlags | undefined;
	/** Permissions of a new file. Default: `0o666`, less the umask of `0o022`. */
	mode?: FileMode | undefined;
}
interface StreamHandle {
	readonly fd: number;
	close(): Promise<void>;
	on(event: "close", listener: () => void): unknown;
	off(event: "close", listener: () => void): unknown;
}
/** A file that is being read. Emits `open` and `ready` when it is open, and `close` when it is closed. */
export declare class FileReadStream extends Readable {
	#private;
	/** The path as it was given; `undefined` if the stream was made by a handle. */
	readonly path: FilePath | undefined;
	/** Bytes read so far. */
	bytesRead: number;
	/** @internal */
	constructor(open: () => Answer<NativeFileReader>, options: HandleReadStreamOptions, path?: FilePath, handle?: StreamHandle);
	/** Whether the file is not open yet, or no longer open. */
	get pending(): boolean;
	/** The number of the handle that made the stream, until it is closed; otherwise `null`. */
	get fd(): number | null;
	/** Closes the file; `done` is called when that is done. */
	close(done?: (error?: Error | null) => void): void;
	_construct(done: (error?: Error | null) => void): void;
	_read(): void;
	_destroy(error: Error | null, done: (error?: Error | null) => void): void;
}
type Done$1 = (error?: Error | null) => void;
/** A file that is being written. Emits `open` and `ready` when it is open, and `close` when it is closed. */
export declare class FileWriteStream extends Writable {
	#private;
	/** The path as it was given; `undefined` if the stream was made by a handle. */
	readonly path: FilePath | undefined;
	/** Bytes that the box has been given. */
	bytesWritten: number;
	/** @internal */
	constructor(open: () => Answer<NativeFileWriter>, options: HandleWriteStreamOptions, path?: FilePath, handle?: StreamHandle);
	/** Whether the file is not open yet, or no longer open. */
	get pending(): boolean;
	/** The number of the handle that made the stream, until it is closed; otherwise `null`. */
	get fd(): number | null;
	write(chunk: any, encoding?: BufferEncoding | Done$1 | null, done?: Done$1): boolean;
	end(chunk?: unknown, encoding?: BufferEncoding | Done$1, done?: Done$1): this;
	/** Writes what it has been given and closes the file; `done` is called when that is done. */
	close(done?: (error?: Error | null) => void): void;
	_construct(done: (error?: Error | null) => void): void;
	_write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void;
	_writev(chunks: {
		chunk: Buffer;
	}[], done: (error?: Error | null) => void): void;
	_final(done: (error?: Error | null) => void): void;
	_destroy(error: Error | null, done: (error?: Error | null) => void): void;
}
/** A part of a buffer, and where in the file. */
export interface FilePartOptions {
	/** Where in the buffer. Default: 0. */
	offset?: number | null | undefined;
	/** Default: what fits. */
	length?: number | null | undefined;
	/** Where in the file; `null` is its current position, which moves. Default: `null`. */
	position?: number | bigint | null | undefined;
}
/** What to read and where to put it. */
export interface FileReadOptions<T extends NodeJS.ArrayBufferView = Buffer> extends FilePartOptions {
	/** Default: a new Buffer of 16 KiB. */
	buffer?: T | undefined;
}
/** How to read a whole file. */
export interface ReadFileOptions<E extends BufferEncoding | null = BufferEncoding | null> {
	/** Decode to a string. Default: `null`, bytes. */
	encoding?: E | undefined;
	/** How to open it. Default: `'r'`. */
	flag?: OpenFlags | undefined;
	/** Rejects with the code `ABORTED` at once. */
	signal?: AbortSignal | undefined;
}
/** How to write a whole file. */
export interface WriteFileOptions {
	/** The encoding of strings. Default: `'utf8'`. */
	encoding?: BufferEncoding | null | undefined;
	/** Permissions of a new file, less the umask of `0o022`. Default: `0o666`. */
	mode?: FileMode | undefined;
	/** Default: `'w'`. */
	flag?: OpenFlags | undefined;
	/** Bring it to the box's disk before the call resolves. Default: `false`. */
	flush?: boolean | undefined;
	/** Rejects with the code `ABORTED` at once; what was written stays. */
	signal?: AbortSignal | undefined;
}
/** How to write to an open file. */
export type WriteOpenFileOptions = Omit<WriteFileOptions, "mode" | "flag">;
/** How names are given. */
export interface NameOptions {
	/** `'buffer'` gives bytes: Linux's names need not be UTF-8. Default: `'utf8'`. */
	encoding?: NameEncoding | null | undefined;
}
/** How to list a directory. */
export interface ReadDirOptions extends NameOptions {
	/** Give {@link Dirent}s instead of names. Default: `false`. */
	withFileTypes?: boolean | undefined;
	/** List everything below too, in one call; symlinks are not followed. Default: `false`. */
	recursive?: boolean | undefined;
}
/** How to list a directory piece by piece. */
export interface OpenDirOptions extends NameOptions {
	/** Node's number of entries in a batch; a box sends as many as one message holds. */
	bufferSize?: number | undefined;
	/** List everything below too; symlinks are not followed. Default: `false`. */
	recursive?: boolean | undefined;
}
/** How to make a directory. */
export interface MkdirOptions {
	/** Make missing parents too, and do not fail if the directory exists. Default: `false`. */
	recursive?: boolean | undefined;
	/** Permissions, less the umask of `0o022`. Default: `0o777`. */
	mode?: FileMode | undefined;
}
/** How to remove. */
export interface RmOptions {
	/** Remove a directory with everything in it. Default: `false`. */
	recursive?: boolean | undefined;
	/** Do not fail if it does not exist. Default: `false`. */
	force?: boolean | undefined;
	/** With `recursive`, how often to try again if something is busy or is being filled. Default: 0. */
	maxRetries?: number | undefined;
	/** Milliseconds to wait before the first retry; each later one waits that much longer. Default: 100. */
	retryDelay?: number | undefined;
}
/** How to return the attributes of a file or a file system. */
export interface StatOptions {
	/** Return bigints, with times in nanoseconds too. Default: `false`. */
	bigint?: boolean | undefined;
}
/** Which file an extended attribute belongs to. */
export interface XattrOptions {
	/** Use the file that a symlink leads to, not the symlink itself. Default: `true`. */
	follow?: boolean | undefined;
}
/** How to set an extended attribute. */
export interface SetXattrOptions extends XattrOptions {
	/** `'create'` fails with `EEXIST` if the attribute exists, `'replace'` with `ENODATA` if it does not. Default: neither. */
	flag?: "create" | "replace" | undefined;
}
type OpenReadOptions<E extends BufferEncoding | null = BufferEncoding | null> = Omit<ReadFileOptions<E>, "flag">;
type Position = number | bigint | null;
type Read<T> = Promise<{
	bytesRead: number;
	buffer: T;
}>;
type Written<T> = Promise<{
	bytesWritten: number;
	buffer: T;
}>;
/**
 * An open file in a box; `box.fs.open` makes one. Close it, or give it to a stream, which closes it at its end: a box holds at most
 * 4096 open for its host. Emits `close`.
 */
export declare class FileHandle extends EventEmitter implements AsyncDisposable {
	#private;
	private constructor();
	/** The number of the open file in the box; -1 once it is closed. */
	get fd(): number;
	/** Reads at a position, or at the current one. Reads fewer bytes than requested only at the end of the file. */
	read<T extends NodeJS.ArrayBufferView>(buffer: T, offset?: number | null, length?: number | null, position?: Position): Read<T>;
	read<T extends NodeJS.ArrayBufferView>(buffer: T, options?: FilePartOptions | null): Read<T>;
	read<T extends NodeJS.ArrayBufferView = Buffer>(options?: FileReadOptions<T> | null): Read<T>;
	/** Reads into one buffer after the other. */
	readv<T extends NodeJS.ArrayBufferView>(buffers: readonly T[], position?: Position): Promise<{
		bytesRead: number;
		buffers: readonly T[];
	}>;
	/** Writes all of it at a position, or at the current one. */
	write<T extends NodeJS.ArrayBufferView>(buffer: T, offset?: number | null, length?: number | null, position?: Position): Written<T>;
	write<T extends NodeJS.ArrayBufferView>(buffer: T, options?: FilePartOptions | null): Written<T>;
	write(text: string, position?: Position, encoding?: BufferEncoding | null): Written<string>;
	/** Writes one buffer after the other. */
	writev<T extends NodeJS.ArrayBufferView>(buffers: readonly T[], position?: Position): Promise<{
		bytesWritten: number;
		buffers: readonly T[];
	}>;
	readFile(options: BufferEncoding | OpenReadOptions<BufferEncoding>): Promise<string>;
	readFile(options?: OpenReadOptions<null> | null): Promise<Buffer>;
	/** Writes from the current position on. */
	writeFile(data: FileData, options?: BufferEncoding | WriteOpenFileOptions | null): Promise<void>;
	/** Does what `writeFile` does; the flags of `open` decide where the data goes. */
	appendFile(data: FileData, options?: BufferEncoding | WriteOpenFileOptions | null): Promise<void>;
	stat(options: StatOptions & {
		bigint: true;
	}): Promise<BigIntStats>;
	stat(options?: StatOptions & {
		bigint?: false;
	}): Promise<Stats>;
	truncate(length?: number): Promise<void>;
	chmod(mode: FileMode): Promise<void>;
	/** Changes the owner; -1 leaves the user or the group as it is. */
	chown(uid: number, gid: number): Promise<void>;
	utimes(atime: Time, mtime: Time): Promise<void>;
	/** Brings data and attributes to the box's disk. */
	sync(): Promise<void>;
	/** Brings data to the box's disk. */
	datasync(): Promise<void>;
	/** Reads on as a stream, which closes the file at its end unless `autoClose` is false. */
	createReadStream(options?: BufferEncoding | HandleReadStreamOptions | null): FileReadStream;
	/** Writes as a stream, which closes the file at its end unless `autoClose` is false. */
	createWriteStream(options?: BufferEncoding | HandleWriteStreamOptions | null): FileWriteStream;
	/** Reads the rest of the file line by line, for `for await`, and closes it at its end. */
	readLines(options?: BufferEncoding | HandleReadStreamOptions | null): Interface;
	/** Reads the rest of the file as a web stream of bytes, once for each handle. `autoClose` closes the file at its end. */
	readableWebStream(options?: {
		type?: "bytes";
		autoClose?: boolean;
	}): ReadableStream$1<Uint8Array>;
	/** Closes the file. Nothing happens if it is closed already. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}
/** How to watch. */
export interface WatchOptions {
	/** Everything below too, also directories that appear later. Default: `false`. */
	recursive?: boolean | undefined;
	/** The encoding of names; `'buffer'` gives bytes. Default: `'utf8'`. */
	encoding?: NameEncoding | null | undefined;
	/** Ends the watch; the iterator then rejects with an `AbortError`. */
	signal?: AbortSignal | undefined;
}
/** A change that a watch reports. */
export interface FileChangeEvent<T extends string | Buffer = string> {
	/** `'rename'`: a name came or went. `'change'`: contents or attributes did. */
	eventType: "rename" | "change";
	/** The path below the watched directory, or the name of the watched file. */
	filename: T;
}
type ReadEncoding = BufferEncoding | "buffer" | null;
/**
 * The files of a box as its processes see them, mounts and tmpfs included; `box.fs`. Calls run as root, or as the user of
 * {@link FileSystem.as}. Names and semantics are those of `node:fs/promises`, and so are the errors: a {@link FileError} has `code`
 * (`'ENOENT'`), `errno`, `syscall` and `path`; a wrong argument or an unknown option is an `INVALID_ARGUMENT`, before anything is
 * done. Relative paths begin at the box's working directory. Each call starts the box if it does not run.
 *
 * The calls belong to their box: `const { readFile } = box.fs` works.
 */
export declare class FileSystem {
	#private;
	/** Linux's numbers, by Node's names. */
	readonly constants: typeof constants;
	private constructor();
	/**
	 * Returns the same files as another user of the box sees them: `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. The kernel checks
	 * every call as it does this user's processes, with the groups of the box's `/etc/group` and the umask `0o022`: what it may not do
	 * is `EACCES` or `EPERM`, and what it makes belongs to it. Streams and handles keep their user.
	 */
	as(user: string | number): FileSystem;
	readFile(path: FilePath | FileHandle, options: BufferEncoding | ReadFileOptions<BufferEncoding>): Promise<string>;
	readFile(path: FilePath | FileHandle, options?: ReadFileOptions<null> | "buffer" | null): Promise<Buffer>;
	readFile(path: FilePath | FileHandle, options?: ReadEncoding | ReadFileOptions): Promise<string | Buffer>;
	writeFile(path: FilePath | FileHandle, data: FileData, options?: BufferEncoding | WriteFileOptions | null): Promise<void>;
	appendFile(path: FilePath | FileHandle, data: FileData, options?: BufferEncoding | WriteFileOptions | null): Promise<void>;
	open(path: FilePath, flags?: OpenFlags | null, mode?: FileMode | null): Promise<FileHandle>;
	readdir(path: FilePath, options: ReadDirOptions & {
		encoding: "buffer";
		withFileTypes: true;
	}): Promise<Dirent<Buffer>[]>;
	readdir(path: FilePath, options: ReadDirOptions & {
		withFileTypes: true;
	}): Promise<Dirent[]>;
	readdir(path: FilePath, options: "buffer" | (ReadDirOptions & {
		encoding: "buffer";
		withFileTypes?: false;
	})): Promise<Buffer[]>;
	readdir(path: FilePath, options?: (ReadDirOptions & {
		withFileTypes?: false;
	}) | BufferEncoding | null): Promise<string[]>;
	/** Lists a directory of any size in chunks, in the order of its file system. */
	opendir(path: FilePath, options?: OpenDirOptions | NameEncoding | null): Promise<Dir>;
	stat(path: FilePath, options: StatOptions & {
		bigint: true;
	}): Promise<BigIntStats>;
	stat(path: FilePath, options?: StatOptions & {
		bigint?: false;
	}): Promise<Stats>;
	stat(path: FilePath, options?: StatOptions): Promise<Stats | BigIntStats>;
	lstat(path: FilePath, options: StatOptions & {
		bigint: true;
	}): Promise<BigIntStats>;
	lstat(path: FilePath, options?: StatOptions & {
		bigint?: false;
	}): Promise<Stats>;
	lstat(path: FilePath, options?: StatOptions): Promise<Stats | BigIntStats>;
	statfs(path: FilePath, options: StatOptions & {
		bigint: true;
	}): Promise<StatFs<bigint>>;
	statfs(path: FilePath, options?: StatOptions & {
		bigint?: false;
	}): Promise<StatFs>;
	statfs(path: FilePath, options?: StatOptions): Promise<StatFs | StatFs<bigint>>;
	/** Resolves if the file exists and, with bits of `constants.R_OK`, `W_OK` and `X_OK`, allows that. */
	access(path: FilePath, mode?: number | null): Promise<void>;
	/** Resolves with whether something exists at `path`. Rejects only if the check fails. */
	exists(path: FilePath): Promise<boolean>;
	/** Resolves with the first directory that `recursive` made, else with `undefined`. */
	mkdir(path: FilePath, options?: FileMode | MkdirOptions | null): Promise<string | undefined>;
	mkdtemp(prefix: FilePath, options: "buffer" | (NameOptions & {
		encoding: "buffer";
	})): Promise<Buffer>;
	mkdtemp(prefix: FilePath, options?: BufferEncoding | NameOptions | null): Promise<string>;
	/** Removes an empty directory; {@link FileSystem.rm} with `recursive` removes any directory. */
	rmdir(path: FilePath, options?: Record<string, never>): Promise<void>;
	unlink(path: FilePath): Promise<void>;
	/** Removes a file, or with `recursive` a tree, else `ERR_FS_EISDIR`. With `force` it need not exist. */
	rm(path: FilePath, options?: RmOptions): Promise<void>;
	rename(from: FilePath, to: FilePath): Promise<void>;
	/** Copies one file with its mode. With `mode` 1, `constants.COPYFILE_EXCL`, the copy fails if `to` exists. */
	copyFile(from: FilePath, to: FilePath, mode?: number | null): Promise<void>;
	/**
	 * Copies a file or a tree inside the box, by Node's rules for what exists: files and symlinks replace their like, a file a symlink too,
	 * directories are merged and keep their mode. Holes are preserved.
	 */
	cp(from: FilePath, to: FilePath, options?: CpOptions): Promise<void>;
	/** Makes `path` a symlink to `target`. `type` has no effect: Linux has one kind of symlink. */
	symlink(target: FilePath, path: FilePath, type?: "dir" | "file" | "junction" | null): Promise<void>;
	readlink(path: FilePath, options: "buffer" | (NameOptions & {
		encoding: "buffer";
	})): Promise<Buffer>;
	readlink(path: FilePath, options?: BufferEncoding | NameOptions | null): Promise<string>;
	realpath(path: FilePath, options: "buffer" | (NameOptions & {
		encoding: "buffer";
	})): Promise<Buffer>;
	realpath(path: FilePath, options?: BufferEncoding | NameOptions | null): Promise<string>;
	link(existing: FilePath, path: FilePath): Promise<void>;
	chmod(path: FilePath, mode: FileMode): Promise<void>;
	/** Changes the owner; -1 leaves the user or the group as it is. */
	chown(path: FilePath, uid: number, gid: number): Promise<void>;
	/** Does what {@link FileSystem.chown} does, to a symlink itself. */
	lchown(path: FilePath, uid: number, gid: number): Promise<void>;
	utimes(path: FilePath, atime: Time, mtime: Time): Promise<void>;
	/** Does what {@link FileSystem.utimes} does, to a symlink itself. */
	lutimes(path: FilePath, atime: Time, mtime: Time): Promise<void>;
	truncate(path: FilePath, length?: number): Promise<void>;
	/** Resolves with the value of an extended attribute, such as `'user.origin'`. Not in Node. */
	getxattr(path: FilePath, name: string, options?: XattrOptions): Promise<Buffer>;
	/** Sets an extended attribute. Not in Node. */
	setxattr(path: FilePath, name: string, value: string | Bytes, options?: SetXattrOptions): Promise<void>;
	/** Resolves with the names of all extended attributes, sorted. Not in Node. */
	listxattr(path: FilePath, options?: XattrOptions): Promise<string[]>;
	/** Removes an extended attribute; `ENODATA` where there is none. Not in Node. */
	removexattr(path: FilePath, name: string, options?: XattrOptions): Promise<void>;
	/** Reads as a stream; failures are its `error`. */
	createReadStream(path: FilePath, options?: BufferEncoding | ReadStreamOptions | null): FileReadStream;
	/** Writes as a stream; failures are its `error`, and all is written once it has finished. */
	createWriteStream(path: FilePath, options?: BufferEncoding | WriteStreamOptions | null): FileWriteStream;
	watch(path: FilePath, options: "buffer" | (WatchOptions & {
		encoding: "buffer";
	})): AsyncIterableIterator<FileChangeEvent<Buffer>>;
	watch(path: FilePath, options?: WatchOptions | BufferEncoding | null): AsyncIterableIterator<FileChangeEvent>;
}
/** Which logs, and how long. */
export interface LogsOptions {
	/** `'main'`: what the main process wrote. `'console'`: what the box's kernel and agent wrote. Default: `'main'`. */
	source?: "main" | "console";
	/** Wait for more, until the box ends. Default: `false`, which ends with what is there. */
	follow?: boolean;
	/** Leave out output from before this time, as a Date or in milliseconds since 1970. The console notes no times. Default: all. */
	since?: Date | number;
	/** Ends the logs; the iterator then rejects with `ABORTED`. Default: none. */
	signal?: AbortSignal;
}
/**
 * A chunk of a log. It may begin and end within a line. `lost` counts bytes that are missing, since the host's disk was
 * too slow for the box.
 */
export type LogEntry = {
	time: Date;
	stream: "stdout" | "stderr";
	data: Buffer;
} | {
	time: null;
	stream: "console";
	data: Buffer;
} | {
	time: Date;
	stream: "lost";
	bytes: number;
};
/** What went through the network of a box, or of all boxes of a runtime. */
export interface NetworkMetrics {
	/** Bytes to the box. */
	receivedBytes: number;
	/** Bytes from the box. */
	sentBytes: number;
	/** Packets to the box. */
	receivedPackets: number;
	/** Packets from the box. */
	sentPackets: number;
	/** Connections that are open now, of TCP and UDP. */
	connections: number;
	/** Connections that were opened. */
	connectionsTotal: number;
	/** Connections, datagrams and DNS queries that were refused. */
	refusals: number;
	/** DNS queries. */
	dnsQueries: number;
	/** Packets from the box that were dropped: malformed, of a protocol that is not served, or of an address that is not the box's. */
	droppedPackets: number;
}
/** Counters of a runtime since it was opened. */
export interface RuntimeMetrics {
	/** Boxes made. */
	boxesCreated: number;
	/** Boxes removed. */
	boxesDestroyed: number;
	/** Boxes that failed to start or ended unasked. */
	boxesFailed: number;
	/** Boxes that run now. */
	boxesRunning: number;
	/** Executions requested. */
	totalExecCalls: number;
	/** Executions that could not be started or were lost. */
	totalExecErrors: number;
	/** Bytes of standard input, output and error together. */
	totalBytesTransferred: number;
	/** What went through the networks of the boxes that this process uses, since it uses them. */
	network: NetworkMetrics;
}
/**
 * The current figures of a box. What only its guest knows is `null` while it does not run; it is measured
 * inside, by the container's cgroup, and counted from the last start.
 */
export interface BoxMetrics {
	/** When they were taken. */
	time: Date;
	/** The box's state. */
	state: BoxState;
	/** Milliseconds since the machine booted. */
	uptimeMs: number | null;
	/** Milliseconds of CPU time of all processes of the box. */
	cpuTimeMs: number | null;
	/**
	 * Per cent of one CPU: of two that are busy, 200. Over the time since the last sample that was taken in the same way (by
	 * `metrics()` of this `Box`, or by this `watchMetrics()`); the first is over the time since the start.
	 */
	cpuPercent: number | null;
	/** Bytes of memory in use by the box's processes, file caches included. */
	memoryUsageBytes: number | null;
	/** The most since the start; `null` too where the box's kernel does not keep it. */
	memoryPeakBytes: number | null;
	/** Bytes of memory of the machine. */
	memoryTotalBytes: number | null;
	/** Processes and threads. */
	pids: number | null;
	/** Executions since the start. */
	execCount: number | null;
	/** Processes that were killed for want of memory since the start. */
	oomKills: number | null;
	/** The box's disk, in bytes. */
	disk: {
		/** Of the root file system. */
		sizeBytes: number | null;
		/** In use on it, by the image too. */
		usedBytes: number | null;
		/** Read since the start. */
		readBytes: number | null;
		/** Written since the start. */
		writtenBytes: number | null;
		/** What the box's own disk takes on the host: what it wrote over its image. */
		hostBytes: number;
	};
	/** What went through its network since its start, counted by the host; `null` without one, and while it does not run. */
	network: NetworkMetrics | null;
	/** Milliseconds of each stage of the last start. */
	boot: Partial<Record<Stage, number>>;
	/** What the box's processes cost the host; `null` while it does not run, and on systems without /proc. */
	host: {
		/** Milliseconds of CPU time. */
		cpuTimeMs: number;
		/** Bytes in memory, shared ones in full. */
		rssBytes: number;
		/** Bytes in memory, shared ones in parts. */
		pssBytes: number;
	} | null;
}
/**
 * What a box may reach: `TARGET[:PORT[-PORT]][/PROTOCOL]`. The target is a name, `*.name` for every name below it, an address, a network,
 * or a group: `public` (the internet), `private` (private, shared and link-local addresses), `host` (this machine) and `metadata` (the
 * metadata services of clouds). For example `'api.example.com:443'`, `'*.example.com'`, `'10.0.0.0/8:5432/tcp'`, `'host:8080'`.
 */
export type NetworkRule = string;
/** What the name server of a box knows, and whom it asks. */
export interface DnsOptions {
	/** The addresses of the servers to ask, at most 16. Default: those of this machine, as they are at each query. */
	servers?: readonly string[];
	/** The search domains, at most 6. Default: those of this machine. */
	search?: readonly string[];
	/** Names with fixed addresses, at most 1000. Default: none. */
	hosts?: Record<string, string>;
}
/** Most bytes per second, 8192 or more; what is over it waits. */
export interface BandwidthOptions {
	/** From the box. Default: no bound. */
	up?: number;
	/** To the box. Default: no bound. */
	down?: number;
}
/** How a box is connected. */
export interface NetworkOptions {
	/**
	 * What the box may reach, at most 1000 rules; everything else is refused. A rule by name holds for addresses that the box has looked up,
	 * and on TLS and HTTP only where the connection itself names that host. Default: `['public']`.
	 */
	allow?: readonly NetworkRule[];
	/**
	 * What the box may not reach, at most 1000 rules. The first rule that matches decides: those of `deny` in their order, then those of
	 * `allow`. So a rule of `allow` makes no exception from one of `deny`. Default: none.
	 */
	deny?: readonly NetworkRule[];
	/** The largest IP packet in bytes, 1280 to 65 535. Default: 1500. */
	mtu?: number;
	/** What its name server knows, and whom it asks. */
	dns?: DnsOptions;
	/**
	 * What serves the network: boxlite's own gateway, the program gvproxy (found in `PATH`, or named by `BOXLITE_GVPROXY`), or the
	 * system's libslirp. Only the gateway has rules by name, secrets, `dns`, `proxy`, `connections`, `newConnectionsPerSecond`, `bandwidth` and
	 * IPv6, and gvproxy has no `subnet`. Default: `'gateway'`.
	 */
	backend?: "gateway" | "gvproxy" | "libslirp";
	/**
	 * Authorities that the box trusts beside those of its image: `'host'` for all of this machine's, or a PEM file. They are in the box's
	 * store, and `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`, `REQUESTS_CA_BUNDLE`, `PIP_CERT` and `GIT_SSL_CAINFO` name them. Default: none.
	 */
	ca?: "host" | (string & {});
	/**
	 * The HTTP proxy through which TCP connections leave, and nothing goes around: `'host'` for the one that `HTTPS_PROXY`, `HTTP_PROXY` or
	 * `ALL_PROXY` name when the box starts, except for what `NO_PROXY` names; `'http://HOST:PORT'`, or `'none'`. In the box, `HTTPS_PROXY` and
	 * `HTTP_PROXY` name a proxy of the gateway that leads there, and know no password. Default: `'none'`.
	 */
	proxy?: "host" | "none" | (string & {});
	/** Most connections at one time, 1 to 65 536. Default: 8192. */
	connections?: number;
	/** Most new connections per second. Default: 2000. */
	newConnectionsPerSecond?: number;
	/** Most bytes per second. Default: no bound. */
	bandwidth?: BandwidthOptions;
	/** Whether the box has IPv6. Default: whether this machine has a default route for it. */
	ipv6?: boolean;
	/** The network of the box's own address, such as `'10.88.77.0/24'`. Default: one that no route of this machine has. */
	subnet?: string;
}
/** A port of a box that is published on this machine. */
export interface PortOptions {
	/** The port in the box, 1 to 65 535. A service that listens on the box's own 127.0.0.1 is reached, too. */
	guest: number;
	/** The port on this machine; 0 is a free one, which `box.ports()` tells. Default: 0. */
	host?: number;
	/** Default: `'tcp'`. */
	protocol?: "tcp" | "udp";
	/**
	 * The address of this machine that is listened on. `'0.0.0.0'` and `'::'` are all of them: other machines then reach the box, and a
	 * warning of the process says so. Default: `'127.0.0.1'`.
	 */
	bind?: string;
}
/** A secret that a box uses without having it. */
export interface SecretOptions {
	/** The variable that holds a placeholder in the box: letters, digits and `_`, the first no digit. */
	env: string;
	/** The value, 1 to 8192 bytes without control characters. It never gets into the box, a log, an event or an error. */
	value: string;
	/** Names of the hosts that get it, such as `'api.example.com'` or `'*.example.com'`: 1 to 64. */
	hosts: readonly string[];
}
/** The network of a box, its published ports and its secrets. */
export interface BoxNetworkOptions {
	/**
	 * `'default'`, which reaches the internet and nothing of this machine and its networks; an object, which says what; or `'none'`, with
	 * which it has no network device at all. Default: `'default'`.
	 */
	network?: "default" | "none" | NetworkOptions;
	/**
	 * Ports of the box that are published on this machine from its start on, at most 64: `8080` at a free port of 127.0.0.1,
	 * `'[BIND:]HOST:GUEST[/PROTOCOL]'` as in docker, or an object. They need no `network`. Default: none.
	 */
	ports?: readonly (number | string | PortOptions)[];
	/**
	 * At most 32. Inside, each variable holds a placeholder; the gateway puts the value in its place, in headers of TLS requests to the
	 * secret's hosts alone. Default: none.
	 */
	secrets?: readonly SecretOptions[];
}
/** What to change of a box's network while it runs; what is left out stays. */
export interface NetworkUpdateOptions {
	/** All rules that allow, instead of those that it has; `null` is `['public']`. Connections that are refused now are closed. */
	allow?: readonly NetworkRule[] | null;
	/** All rules that refuse, instead of those that it has. */
	deny?: readonly NetworkRule[];
	/**
	 * All secrets, instead of those that it has. Variables of new ones are in executions that begin after it, and connections that are
	 * open stay as they are.
	 */
	secrets?: readonly SecretOptions[];
}
/** The network of a box: what it may reach is changed here, also while it runs. */
export interface BoxNetwork {
	/**
	 * Changes what the box may reach, and its secrets, at once. Connections that the new rules refuse are closed. Variables of new secrets are
	 * in executions that begin after it.
	 *
	 * Rejects with `INVALID_ARGUMENT`, also of a box without a network, and as {@link Box.update}.
	 *
	 * @example
	 * ```ts
	 * await box.network.update({ allow: ['registry.npmjs.org:443'] }) // and nothing else from here on
	 * ```
	 */
	update(options: NetworkUpdateOptions): Promise<void>;
}
/** Capabilities of Linux by name, as `'NET_ADMIN'` or `'CAP_NET_ADMIN'`; `'ALL'` is every one. */
export interface CapabilityOptions {
	/** Over docker's default ones. */
	add?: readonly string[];
	/** Of docker's default ones; with `add: ['ALL']`, of all. */
	drop?: readonly string[];
}
/** What the processes of a box may do to their own machine; nothing of it opens anything of the host. */
export interface PrivilegeOptions {
	/** Capabilities of the box's root processes, up to 64 in each list. Default: docker's 14. */
	capabilities?: CapabilityOptions;
	/** Parameters of the box's kernel by name, such as `{ 'net.ipv4.ip_forward': '1' }`, up to 64. Default: see `docs/api.md`. */
	sysctls?: Record<string, string | number>;
	/**
	 * Devices of the machine beside docker's default ones, up to 64: `'/dev/fuse'`, `'/dev/net/tun'`, or `'/dev/loop-control'`,
	 * which brings the loop devices. Default: none.
	 */
	devices?: readonly string[];
	/**
	 * Every capability and every device, nothing masked or read-only, the box's control groups its own: what containers, systemd
	 * and mounts in the box need. The host is as safe from it as from any box. Default: `false`.
	 */
	privileged?: boolean;
}
/** When a main process that ended is started again. */
export interface RestartOptions {
	/** `'no'`: the box ends with it. `'on-failure'`: after an exit code other than 0, or a signal. Default: `'no'`. */
	policy?: "no" | "on-failure" | "always";
	/** Restarts in a row; a run of ten seconds or more begins a new row. 0 is no limit. Default: 0. */
	maxRetries?: number;
	/** Milliseconds before the first restart, doubled for each one in the row up to one minute. Default: 100. */
	delayMs?: number;
}
/** How the health of a box is found out: by a command, or by a TCP port; exactly one of the two. */
export interface HealthCheckOptions {
	/** A command inside the box whose exit code 0 means healthy: a program with its arguments, or a line for `/bin/sh`. */
	command?: string | readonly string[];
	/** A port on 127.0.0.1 inside the box where a connection must be accepted. */
	tcpPort?: number;
	/** Milliseconds between two checks. Default: 30 000. */
	intervalMs?: number;
	/** Milliseconds that one check may take. Default: 30 000. */
	timeoutMs?: number;
	/** Failures in a row that make the box unhealthy. Default: 3. */
	retries?: number;
	/** Milliseconds after the start in which failures don't count, until the first success. Default: 0. */
	startPeriodMs?: number;
}
/** What a box does on its own, whether or not the program that made it still runs. */
export interface SupervisionOptions {
	/**
	 * Run the image's program, its entrypoint and command, as the box's main process: it starts with the box, and the box
	 * ends when it has ended for good. Giving `entrypoint` or `cmd` does so too. Default: `false`, a box idles until `exec`.
	 */
	main?: boolean;
	/**
	 * The main process instead of the image's entrypoint. As in docker, the image's command is then left out. An empty array
	 * is no entrypoint. Default: the image's.
	 */
	entrypoint?: readonly string[];
	/** The arguments of the entrypoint, or the main process where there is none. Default: the image's. */
	cmd?: readonly string[];
	/**
	 * `false`: the main process is the container's pid 1 itself, as s6-overlay and systemd insist on, and reaps the container's
	 * orphans. Its end then ends every process of the container, and `restart` can't be used. Default: `true`, pid 1 is ours.
	 */
	init?: boolean;
	/** The signal that ends the main process: a name such as `'SIGINT'`, or a number. Default: the image's, else SIGTERM. */
	stopSignal?: string | number;
	/** When the main process is started again after its end. Default: never. */
	restart?: RestartOptions;
	/** Whether the box is healthy; `false` runs no check. Default: the image's check if there is a main process, else none. */
	healthCheck?: HealthCheckOptions | false;
	/** Milliseconds after its start at which the box stops; 0 is never, the most is 366 days. Default: 0. */
	maxLifetimeMs?: number;
	/**
	 * Milliseconds without an execution and without any other call to the box after which it stops; 0 is never, the most is
	 * 366 days. A main process and health checks don't count as use. Default: 0.
	 */
	idleTimeoutMs?: number;
	/**
	 * When the box stops, whatever it is doing: a Date, or milliseconds since 1970, that must be to come. It holds over restarts
	 * of the box and of this program; from then on the box does not start until `box.update` gives it another. Default: never.
	 */
	endsAt?: Date | number;
}
/** How to make a box. */
export interface BoxOptions extends SupervisionOptions, PrivilegeOptions, BoxNetworkOptions {
	/** An image: a registry reference such as `alpine:3`, or a path; see {@link Images.pull}. */
	image: string;
	/**
	 * When the first start queries the registry: `'missing'` if the image is not in the cache, `'always'` to follow a tag that
	 * may have moved, `'never'` to reject with `IMAGE_NOT_CACHED`. Default: `'missing'`.
	 */
	pullPolicy?: "missing" | "always" | "never";
	/**
	 * A name, unique among the boxes of a home: 1 to 63 letters, digits, `_`, `.` and `-`, the first a letter or digit.
	 * A box with a name outlives `await using`; one without does not. Default: none.
	 */
	name?: string;
	/** Virtual CPUs, 1 to 32. Default: 1. */
	cpus?: number;
	/** Memory in MiB, 128 to 1 048 576. Default: 512. */
	memoryMib?: number;
	/**
	 * Size of the disk in GiB, 0.125 to 2048, rounded up to eighths; a full one gives the box `ENOSPC`. It takes no more of the
	 * host than what is written to it. Default: 16, or what the image needs and 4 more if the image is that large.
	 */
	diskSizeGb?: number;
	/** Environment of every execution, over the image's. A variable that is `undefined` is none, whatever the image says. Default: none. */
	env?: Record<string, string | undefined>;
	/** Working directory of every execution. Default: the image's, else `/`. */
	workdir?: string;
	/** User of every execution: `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the image's, else root. */
	user?: string | number;
	/** Host name inside the box. Default: the box's name, else its id. */
	hostname?: string;
	/**
	 * Let the box outlive this process, however that ends, and its runtime; any process finds it again
	 * by `runtime.get`. Disposing of it only closes the handle. Default: `false`, it ends with the process
	 * that started it.
	 */
	detached?: boolean;
	/** Remove the box, with its files, once its machine has ended. Default: `false`. */
	autoRemove?: boolean;
	/**
	 * Names and values to find the box by: at most 64. Names are 1 to 255 letters, digits, `.`, `_`, `-` and `/`, the first
	 * and last a letter or digit; values are up to 4096 bytes. As in docker, the image's labels lie beneath; they become
	 * known at the first start. Default: none.
	 */
	labels?: Record<string, string>;
	/** Processes and threads that may be in the box at once, 1 to 30 000. Default: 8 for each MiB of memory, 30 000 at most. */
	pidsLimit?: number;
	/**
	 * Milliseconds that its guest may take to come up, at each start; see {@link RuntimeOptions.startTimeoutMs}. Default: the
	 * runtime's.
	 */
	startTimeoutMs?: number;
}
/** How to start a box. */
export interface StartOptions {
	/**
	 * Milliseconds that the guest may take to come up, if this call is the one that starts it; see
	 * {@link RuntimeOptions.startTimeoutMs}. Default: the box's.
	 */
	startTimeoutMs?: number;
	/**
	 * Cancels the start and rejects with the code `ABORTED`; a start that other calls wait for goes on for them. The box is
	 * then what it was before. Default: none.
	 */
	signal?: AbortSignal;
}
/** How to stop or restart a box. */
export interface StopOptions {
	/** Milliseconds that its processes get to end by themselves. Default: the runtime's, a few seconds. */
	timeoutMs?: number;
}
/** How to wait for the end of a box. */
interface WaitOptions {
	/** Ends the wait, not the box, and rejects with the code `ABORTED`. Default: none. */
	signal?: AbortSignal;
}
/** How to remove a box. */
export interface RemoveOptions {
	/** Remove it even if it runs. Default: `false`. */
	force?: boolean;
}
/** What to change of a box; what is left out stays. Each option says when it applies; {@link BoxInfo} shows the values in effect. */
export interface UpdateOptions {
	/** A new name, unique in the home; `null` removes the name. At once; a host name that follows it, from the next start on. */
	name?: string | null;
	/** All of the box's own labels, instead of those that it has. At once. */
	labels?: Record<string, string>;
	/** Virtual CPUs, 1 to 32. From the next start on. */
	cpus?: number;
	/** Memory in MiB, 128 to 1 048 576. From the next start on. */
	memoryMib?: number;
	/**
	 * All of the box's own environment, instead of that which it has. At once for executions that begin after it; for the main
	 * process when it is started next. A variable that is `undefined` is none, whatever the image says.
	 */
	env?: Record<string, string | undefined>;
	/** Processes and threads that may be in the box at once, 1 to 30 000. At once; what runs above a lower limit goes on. */
	pidsLimit?: number;
	/** Remove the box, with its files, once its machine has ended. At once. */
	autoRemove?: boolean;
	/** Milliseconds at which the box stops, counted from its start; 0 is never. At once: one that has lived longer stops. */
	maxLifetimeMs?: number;
	/** Milliseconds without use after which the box stops; 0 is never. At once; the update itself is a use. */
	idleTimeoutMs?: number;
	/** When the box stops: a Date, or milliseconds since 1970, that must be to come; `null` is never. At once. */
	endsAt?: Date | number | null;
}
/** A port of a box that is published on this machine. */
export interface PublishedPort {
	/** The port in the box. */
	guest: number;
	/** The port on this machine. */
	host: number;
	protocol: "tcp" | "udp";
	/** The address of this machine that is listened on. */
	bind: string;
}
/** How to watch figures. */
export interface WatchMetricsOptions {
	/** Milliseconds from one sample to the next, 10 or more. Default: 1000. */
	intervalMs?: number;
	/** Ends the watch; the iterator then rejects with `ABORTED`. Default: none. */
	signal?: AbortSignal;
}
/** A value for a shell line: it becomes one word, an array one word for each item. */
export type ShellValue = string | number | bigint | readonly (string | number | bigint)[];
/** The template tag `` box.sh`…` ``; called with options it returns a tag that uses them. */
export interface Shell {
	/**
	 * Runs a line with `/bin/sh -c`. Each value is quoted, so that it reaches the command as it is, whatever it contains.
	 * Backslashes reach the shell as you write them; only `` \` `` and `\${` mean `` ` `` and `${`.
	 *
	 * @example
	 * ```ts
	 * const { stdout } = await box.sh`ls -l ${directory} | wc -l`
	 * await box.sh({ cwd: '/src', check: true })`make ${targets}`
	 * ```
	 */
	(line: TemplateStringsArray, ...values: ShellValue[]): Promise<ExecResult>;
	/** The tag with these options, `encoding: 'buffer'` collecting bytes. */
	(options: ExecOptions & {
		encoding: "buffer";
	}): (line: TemplateStringsArray, ...values: ShellValue[]) => Promise<ExecResult<Buffer>>;
	/** The tag with these options. */
	(options: ExecOptions): (line: TemplateStringsArray, ...values: ShellValue[]) => Promise<ExecResult>;
}
/**
 * A Linux micro-VM with its own kernel that looks like a container: an OCI image in, commands with streams out, files kept
 * over stop and start. `runtime.create` makes one, `runtime.get` finds one again.
 *
 * A box starts at its first use. `await using` stops a box with a name, which keeps its files, and removes one without; a
 * detached one goes on. Any process that opens the home may use a box, also while it runs.
 */
export declare class Box implements AsyncDisposable {
	#private;
	/** The box's identity, which never changes. */
	readonly id: string;
	/** Its image, as it was given. */
	readonly image: string;
	/** Whether it outlives the process that started it. */
	readonly detached: boolean;
	/** Runs a shell line whose values are quoted; see {@link Shell}. */
	readonly sh: Shell;
	private constructor();
	/**
	 * Runs a command and collects its output. The command is a program, not a shell line: see {@link Box.sh} for those.
	 *
	 * A non-zero exit code resolves, unless `check` is set. Rejects with `EXEC_TIMEOUT`, `EXEC_MAX_BUFFER`,
	 * `EXEC_NON_ZERO` and `ABORTED`, each with the output so far, with `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`,
	 * `EXEC_CWD` and `EXEC_USER`, and with the error of the box's start.
	 *
	 * @param command - a path, or a name that is looked up in `PATH` inside the box
	 * @param args - its arguments. Default: none.
	 *
	 * @example
	 * ```ts
	 * const { exitCode, stdout } = await box.exec('uname', ['-a'], { timeoutMs: 5_000 })
	 * ```
	 */
	exec(command: string, args: readonly string[], options: ExecOptions & {
		encoding: "buffer";
	}): Promise<ExecResult<Buffer>>;
	exec(command: string, options: ExecOptions & {
		encoding: "buffer";
	}): Promise<ExecResult<Buffer>>;
	exec(command: string, args?: readonly string[], options?: ExecOptions): Promise<ExecResult>;
	exec(command: string, options?: ExecOptions): Promise<ExecResult>;
	/**
	 * Starts a command and returns at once; its streams, its end and its failures are the {@link Execution}'s.
	 *
	 * @param command - a path, or a name that is looked up in `PATH` inside the box
	 * @param args - its arguments. Default: none.
	 * @throws {@link InvalidArgumentError} for wrong arguments or options, at once
	 */
	spawn(command: string, args?: readonly string[], options?: SpawnOptions): Execution;
	spawn(command: string, options?: SpawnOptions): Execution;
	/** Resolves with the running executions, the oldest first. A box that does not run is not started. */
	executions(): Promise<ExecutionInfo[]>;
	/**
	 * Finds an execution by its id, such as one that was started with `detached`: one that runs, or has ended in the last ten
	 * minutes (the last 1024). Several handles may read it: each begins with the oldest bytes that the box retains. Several may
	 * write to its `stdin`. Disposing of it leaves it running; `started` and `wait()` reject with
	 * `EXEC_NOT_FOUND` if there is nothing of that id.
	 */
	execution(id: string): Execution;
	/** Its name, else `null`, as last read by this handle. */
	get name(): string | null;
	/** The box's files, with the names of `node:fs/promises`. */
	get fs(): FileSystem;
	/** What the box may reach, which can be changed while it runs. */
	get network(): BoxNetwork;
	/**
	 * Publishes a port of the box on this machine, and starts the box if it does not run. Connections reach what listens in the box, on its own
	 * 127.0.0.1 too, also with `network: 'none'`. A client of a port on which nothing listens is reset. The port is published until
	 * the box stops; those of `runtime.create` are published at every start.
	 *
	 * Rejects with `PORT_IN_USE` if the port of this machine is taken, with `PORT_DENIED` if it may not be listened on, and with the error
	 * of the box's start.
	 *
	 * @example
	 * ```ts
	 * const { host } = await box.publish(8080)
	 * console.log(`http://127.0.0.1:${host}`)
	 * ```
	 */
	publish(port: number, options?: PublishOptions): Promise<PublishedPort>;
	/**
	 * Withdraws every publication of a port, until the box stops, and closes its connections. Resolves with those that were withdrawn: none
	 * if the box does not run.
	 */
	unpublish(port: number, options?: UnpublishOptions): Promise<PublishedPort[]>;
	/** Resolves with the ports that are published now, the oldest first. A box that does not run has none, and is not started. */
	ports(): Promise<PublishedPort[]>;
	/**
	 * Connects to a TCP port in the box, as from inside it, and returns at once, as `net.connect` does. It starts the box if that does not run,
	 * also with `network: 'none'`. The connection emits `connect` when it is made, and `error` with `PORT_CLOSED` if nothing listens
	 * there, with `PORTAL_LOST` if the box ends, or with the error of the box's start.
	 *
	 * @throws {@link InvalidArgumentError} for a wrong port or options, at once
	 */
	connect(port: number, options?: ConnectOptions): Connection;
	/**
	 * Sends an HTTP request to a service in the box, with the meaning of the global `fetch`, also with `network: 'none'`. The URL is
	 * `http://localhost:PORT/path`, or a path for the port `init.port`.
	 *
	 * Rejects with `INVALID_ARGUMENT` for a URL that is not of the box, with `PORT_CLOSED` if nothing listens there, with the error of
	 * the box's start, with the reason of `init.signal`, and with a TypeError as `fetch` does where the service breaks HTTP.
	 *
	 * @example
	 * ```ts
	 * const response = await box.fetch('/health', { port: 8080 })
	 * ```
	 */
	fetch(input: string | URL | Request, init?: FetchInit): Promise<Response>;
	/**
	 * Resolves when something in the box accepts connections to a TCP port; starts the box if it does not run. What listens there sees
	 * a connection that ends at once. Rejects with `PORT_CLOSED` if nothing listens there in time.
	 */
	waitForPort(port: number, options?: WaitForPortOptions): Promise<void>;
	/**
	 * Copies a file or a tree of the host into the box, or unpacks a tar stream there.
	 *
	 * For a path, `to` is the copy itself: a folder is merged into an existing one, and a file is put into it under its own name. Modes, times,
	 * symlinks, hard links and holes are preserved, and everything belongs to root unless `owner` says another. What exists and is of another
	 * type is an error, unless `replace` is given. A tar stream is unpacked beneath the folder `to`, with the owners that it names.
	 */
	copyIn(from: string | Chunks, to: string, options?: CopyInOptions): Promise<CopyProgress>;
	/**
	 * Copies a file or a tree of the box to the host, or gives it as a tar stream, whose end ends the Writable.
	 *
	 * What exists at `to` is treated as by `copyIn`. Nothing outside of `to` is touched, whatever the box sends. Setuid, setgid and sticky bits are dropped; devices,
	 * sockets and FIFOs are left out; everything belongs to the user of this process.
	 */
	copyOut(from: string, to: string | Writable, options?: CopyOutOptions): Promise<CopyProgress>;
	/**
	 * Starts the box if it does not run; several calls start it once. Any execution does so too.
	 *
	 * Rejects with `GUEST_TIMEOUT` if the guest stays silent, with `ABORTED`, and with other errors of the start.
	 */
	start(options?: StartOptions): Promise<void>;
	/** Stops the box: its processes end, its files stay. Nothing happens if it does not run. */
	stop(options?: StopOptions): Promise<void>;
	/** Stops the box if it runs, as {@link Box.stop} does, and starts it. */
	restart(options?: StopOptions): Promise<void>;
	/**
	 * Resolves when the box has ended, whatever ended it and whichever process started it; at once if it does not run. A pending
	 * wait keeps the program alive.
	 */
	wait(options?: WaitOptions): Promise<BoxEnd>;
	/**
	 * Deletes the box with its files. Rejects with `BOX_STATE` if it runs and `force` is not set.
	 *
	 * With `force` it takes at most two seconds, and what a busy host needs to end killed processes, whatever the box or another
	 * process does: a start under way is cancelled, a machine is killed, and every `wait` for the box resolves with `'stopped'`.
	 */
	remove(options?: RemoveOptions): Promise<void>;
	/** Resolves with a snapshot of the box. */
	info(): Promise<BoxInfo>;
	/**
	 * Changes the box, in any state. Each option says whether it applies at once or from the next start on, and {@link Box.info}
	 * shows both. Processes go on. A start or stop that is under way is awaited.
	 *
	 * Rejects with `INVALID_ARGUMENT`, `BOX_NAME_TAKEN` and `BOX_REMOVED`. If the box runs and its guest can't be reached, it
	 * rejects with that error, and the change applies from the next start on.
	 *
	 * @example
	 * ```ts
	 * await box.update({ endsAt: Date.now() + 30 * 60_000 }) // half an hour more
	 * ```
	 */
	update(options: UpdateOptions): Promise<void>;
	/**
	 * Restarts the box's idle time, as any other call that reaches the box does. Resolves with whether the box runs; a box that
	 * does not is not started.
	 */
	touch(): Promise<boolean>;
	/** Resolves with the box's figures. A box that does not run is not started, and its guest's figures are `null`. */
	metrics(): Promise<BoxMetrics>;
	/** Yields the box's figures at once and then at each interval. */
	watchMetrics(options?: WatchMetricsOptions): AsyncIterableIterator<BoxMetrics>;
	/** Returns this box's later events, as far as this process causes or sees them; see {@link Events}. */
	events(options?: EventsOptions): Events;
	/**
	 * Returns what the main process wrote, or with `source: 'console'` what the box's kernel and agent wrote: up to 16 MiB, or 1 MiB of
	 * the console, whether or not the box runs. With `follow` it goes on until the box ends.
	 *
	 * @throws {@link InvalidArgumentError} for wrong options, at once
	 */
	logs(options?: LogsOptions): AsyncIterableIterator<LogEntry>;
	/** Stops a box with a name, removes one without. A detached box, or one that another process started, goes on. */
	[Symbol.asyncDispose](): Promise<void>;
}
/** What proves to a registry who you are: a password or access token, an OAuth2 refresh token, or a ready bearer token. */
export type RegistryCredentials = {
	username: string;
	password: string;
} | {
	identityToken: string;
} | {
	token: string;
};
/** What is special about one registry. */
export interface RegistryOptions {
	/** Its host as references have it, with the port if it has one: `ghcr.io`, `127.0.0.1:5000`. */
	host: string;
	/** Speak plain HTTP instead of HTTPS. Default: `false`. */
	http?: boolean;
	/** A PEM file of certificate authorities to trust besides the system's. Default: none. */
	caFile?: string;
	/** Accept any certificate. For tests only. Default: `false`. */
	skipVerify?: boolean;
	/** Default: what `docker login` or `podman login` stored, credential helpers included, else none. */
	credentials?: RegistryCredentials;
	/**
	 * Mirrors to try first, each `HOST[:PORT][/PATH]`; a path is put before the image's own name. A mirror that fails is left
	 * for the next one, and the registry itself comes last. What is special about a mirror's host is in options of its own.
	 * Default: none.
	 */
	mirrors?: string[];
}
/** How to open a runtime. */
export interface RuntimeOptions {
	/** The folder where boxes and images live. Default: `$BOXLITE_HOME`, else `~/.boxlite`. */
	home?: string;
	/**
	 * Which engine runs boxes. `'auto'` takes libkrun where hardware virtualisation can really be used and QEMU elsewhere.
	 * Default: `$BOXLITE_ENGINE`, else `'auto'`.
	 */
	engine?: "auto" | "krun" | "qemu";
	/** What is special about some registries. Default: none, and all speak HTTPS. */
	registries?: RegistryOptions[];
	/** The registries in which a name without one, such as `alpine`, is searched for, in this order. Default: `['docker.io']`. */
	searchRegistries?: string[];
	/**
	 * Bytes that the image cache may take. The least recently used goes first; an image is safe while a box was made
	 * of it and for ten minutes after its last use. Default: half of what it takes and what is free, together.
	 */
	imageQuotaBytes?: number;
	/**
	 * Milliseconds that the guest of a box may take from its power-on until it takes commands, at least 1; pulling its image does
	 * not count. Then the start rejects with `GUEST_TIMEOUT`. Default: 15 000 under hardware virtualisation, 60 000 under emulation.
	 */
	startTimeoutMs?: number;
	/**
	 * Close the runtime when this process gets SIGINT, SIGTERM or SIGHUP, and let the signal do its work then; a second one
	 * does it at once. Main thread only. Default: `false`, signals are yours, and attached boxes end with the process.
	 */
	handleSignals?: boolean;
}
/** How to close a runtime. */
export interface CloseOptions {
	/**
	 * Milliseconds after which boxes that have not ended are killed. The last part of them is for their file systems, what
	 * comes before for their processes. Default: 10 000.
	 */
	timeoutMs?: number;
}
/** One finding of the doctor. */
export interface DoctorCheck {
	/** Its stable name, such as `kvm_absent`. */
	code: string;
	/** Whether it is as it should be. */
	ok: boolean;
	/** What was found. */
	message: string;
	/** What to do about it; `null` where there is nothing to do. */
	remedy: string | null;
}
/** What this machine can do. */
export interface DoctorReport {
	/** Whether a box can run here. */
	ok: boolean;
	/** The engine that would run it, else `null`. */
	engine: Engine | null;
	/** Whether it would run on hardware virtualisation. */
	accelerated: boolean;
	/** All findings. */
	checks: DoctorCheck[];
}
/** An image in the cache. */
export interface PulledImage {
	/** Its full reference, such as `docker.io/library/alpine:3`. */
	reference: string;
	/** The digest of its manifest. */
	digest: string;
	/** Bytes of its layers, compressed. */
	sizeBytes: number;
	/** The number of its layers. */
	layers: number;
}
/** A step of a pull. Sizes are in bytes, as the layers are stored. */
export type PullEvent = {
	type: "resolving";
	reference: string;
} | {
	type: "resolved";
	digest: string;
	layers: number;
	bytes: number;
} | {
	type: "layerStart";
	digest: string;
	bytes: number;
} | {
	type: "layerProgress";
	digest: string;
	bytes: number;
} | {
	type: "layerDone";
	digest: string;
	cached: boolean;
} | {
	type: "assembling";
	digest: string;
} | {
	type: "done";
	digest: string;
};
/** How to pull an image. */
export interface PullOptions {
	/** `'missing'` queries the registry only if the image is not in the cache. Default: `'missing'`. */
	policy?: "missing" | "always" | "never";
	/** `os/architecture`, with `/variant` if that matters. Default: this machine's, the only one that boxes can run. */
	platform?: string;
	/** Ends the pull with the code `IMAGE_CANCELLED`; the next one goes on where it stopped. Default: none. */
	signal?: AbortSignal;
	/** Called with each step. What it throws ends the pull. Default: none. */
	onProgress?: (event: PullEvent) => void;
}
/** What `images.prune` spares. */
export interface PruneOptions {
	/** Spare what was used in the last so many milliseconds. Default: 60 000. */
	unusedForMs?: number;
}
/**
 * A pull under way: await it for the image, or iterate over its steps first. Leaving the loop does not end the pull; the
 * option `signal` does. A loop that is slow misses intermediate `layerProgress` events and nothing else.
 *
 * @example
 * ```ts
 * const pull = runtime.images.pull('alpine:3')
 * for await (const event of pull) if (event.type === 'layerProgress') console.log(event.digest, event.bytes)
 * const image = await pull
 * ```
 */
export interface Pull extends Promise<PulledImage>, AsyncIterable<PullEvent> {
}
/** An image in the list of `images.list()`. */
export interface ImageInfo {
	/** Its full reference, such as `docker.io/library/alpine:3`. */
	reference: string;
	/** The digest of its manifest. */
	digest: string;
	/** `os/architecture`, with `/variant` where the image has one: `linux/amd64`. */
	platform: string;
	/** Bytes of its layers, compressed. */
	sizeBytes: number;
	/** When it came into the cache, to the second. */
	pulledAt: Date;
	/** When a start or a pull last requested it, to the second. */
	usedAt: Date;
	/** Whether a box was made of it. Such an image is never removed to keep the quota. */
	inUse: boolean;
}
/** An image with its configuration; `images.inspect()`. */
export interface ImageDetails {
	/** Its full reference. */
	reference: string;
	/** The digest of its manifest. */
	digest: string;
	/** `os/architecture[/variant]`. */
	platform: string;
	/** Environment variables. */
	env: Record<string, string>;
	/** The program that the image is for; empty where it names none. Boxes run what you `exec`. */
	entrypoint: string[];
	/** The arguments of `entrypoint`, or the program where there is no entrypoint. */
	cmd: string[];
	/** The user that boxes run commands as, unless an option says otherwise; `null` is root. */
	user: string | null;
	/** The folder that boxes run commands in, unless an option says otherwise; `null` is `/`. */
	workdir: string | null;
	/** The signal that ends the program, such as `SIGINT`; `null` is SIGTERM. */
	stopSignal: string | null;
	/** Exposed ports, such as `80/tcp`. */
	exposedPorts: string[];
	/** Folders that are meant to be volumes. */
	volumes: string[];
	labels: Record<string, string>;
	/** docker's health check; a 0 is docker's default. */
	healthcheck: {
		test: string[];
		intervalMs: number;
		timeoutMs: number;
		startPeriodMs: number;
		retries: number;
	} | null;
	/** The layers, lowest first. */
	layers: {
		digest: string;
		diffId: string;
		sizeBytes: number;
	}[];
}
/** What `images.prune()` removed. */
export interface PruneResult {
	/** The references that are no longer in the cache. */
	images: string[];
	/** Bytes that are free again. */
	freedBytes: number;
}
/** What a home takes on the disk; `images.df()`. */
export interface ImageUsage {
	/** Layers and manifests. */
	blobsBytes: number;
	/** What interrupted pulls left to be resumed. */
	partialBytes: number;
	/** Root disks that were made of images; boxes of one image share one. */
	disksBytes: number;
	/** What boxes wrote. It does not count against the quota. */
	boxesBytes: number;
	/** What the first three may take together. */
	quotaBytes: number;
	/** What is free on the cache's disk. */
	freeBytes: number;
}
/** The image cache of a home; `runtime.images`. */
export declare class Images {
	#private;
	private constructor();
	/**
	 * Brings an image into the cache and makes its root disk, so that the first start of a box need not. The result is both
	 * a promise of the image and an iteration of the pull's steps; see {@link Pull}. Rejects with an {@link ImageError} or a
	 * {@link StorageError}; with `IMAGE_CANCELLED` when the option `signal` ends it, after which the next pull goes on where
	 * this one stopped.
	 *
	 * @param source - a registry reference such as `alpine:3`; the path of an OCI layout folder or of an archive (OCI, or of
	 *   `docker save`; also compressed); or `rootfs:PATH`, a folder or tar file of a root file system
	 */
	pull(source: string, options?: PullOptions): Pull;
	/** Resolves with every image in the cache, sorted by reference. */
	list(): Promise<ImageInfo[]>;
	/** Resolves with an image's configuration. Rejects with `IMAGE_NOT_CACHED`. */
	inspect(source: string): Promise<ImageDetails>;
	/** Removes an image from the cache; resolves with `false` if it was not there. Boxes that were made of it keep working. */
	remove(source: string): Promise<boolean>;
	/**
	 * Removes every image that no box was made of, and what interrupted pulls left. What was used in the last minute is
	 * spared unless `unusedForMs` says otherwise.
	 */
	prune(options?: PruneOptions): Promise<PruneResult>;
	/** Writes an image to the tar file `file`, which docker, podman, skopeo and `load` read. Rejects with `IMAGE_NOT_CACHED`. */
	save(source: string, file: string): Promise<{
		sizeBytes: number;
	}>;
	/** Brings every image of an archive, or of an OCI layout folder, into the cache under its own name. */
	load(path: string): Promise<PulledImage[]>;
	/** Resolves with what this home takes on the disk. */
	df(): Promise<ImageUsage>;
}
/** Which boxes to list: those that are all of this. */
export interface BoxFilter {
	/** In this state, or in one of these. Default: in any. */
	state?: BoxState | readonly BoxState[];
	/** With each of these labels, those of its image included. Default: with any. */
	labels?: Record<string, string>;
	/** Of exactly this name. Default: of any, or none. */
	name?: string;
}
/**
 * A home with its boxes and images. Any number of processes and worker threads share a home, and each may use every box,
 * also those that others started. Several runtimes of one process on the same home end with the last `close`.
 *
 * @example
 * ```ts
 * await using runtime = await Runtime.open()
 * await using box = await runtime.create({ image: 'alpine:3' })
 * const { stdout } = await box.exec('echo', ['hello'])
 * ```
 */
export declare class Runtime implements AsyncDisposable {
	#private;
	/** The image cache of this home. */
	readonly images: Images;
	private constructor();
	/**
	 * Opens a home, and makes it if it is not there.
	 *
	 * Rejects with `INVALID_ARGUMENT`; with `HOME_LOCKED` if another process, which the error names, hangs while it changes the
	 * list of boxes; and with `PART_MISSING` if the native part of this package is missing, saying how to get it.
	 */
	static open(options?: RuntimeOptions): Promise<Runtime>;
	/** The runtime of the default home with default options, shared by the whole program. It opens at its first use. */
	static default(): Runtime;
	/**
	 * Checks what this machine can do and resolves with the findings, each with a remedy. Rejects only with `INVALID_ARGUMENT` for
	 * wrong options.
	 */
	static doctor(options?: RuntimeOptions): Promise<DoctorReport>;
	/**
	 * Makes a box, and returns at once: it starts at its first use. That some of its `ports` are to be published on every address of this
	 * machine is a warning of the process.
	 *
	 * Rejects with `INVALID_ARGUMENT` and `BOX_NAME_TAKEN`.
	 */
	create(options: BoxOptions): Promise<Box>;
	/** Finds a box by its id or name. Rejects with `BOX_NOT_FOUND`. */
	get(idOrName: string): Promise<Box>;
	/**
	 * Finds the box of a name, or makes it, however many callers of any process do so at once. An
	 * existing box is returned as it is: the other options apply only to a new one.
	 *
	 * Rejects with `INVALID_ARGUMENT`.
	 *
	 * @example
	 * ```ts
	 * const box = await runtime.getOrCreate({ image: 'alpine:3', name: 'workspace' })
	 * ```
	 */
	getOrCreate(options: BoxOptions & {
		name: string;
	}): Promise<Box>;
	/** Resolves with snapshots of all boxes of this home, or of those that match, the oldest first. */
	list(filter?: BoxFilter): Promise<BoxInfo[]>;
	/** Deletes a box with its files. Rejects with `BOX_NOT_FOUND`, and with `BOX_STATE` if it runs and `force` is not set. */
	remove(idOrName: string, options?: RemoveOptions): Promise<void>;
	/** Resolves with the counters of this runtime. */
	metrics(): Promise<RuntimeMetrics>;
	/** Yields the counters at once and then at each interval. */
	watchMetrics(options?: WatchMetricsOptions): AsyncIterableIterator<RuntimeMetrics>;
	/**
	 * Resolves with the counters of this runtime and the figures of every box of this home, in Prometheus' text format. A box that can't be
	 * measured appears without its figures.
	 *
	 * @example
	 * ```ts
	 * createServer(async (_, answer) => answer.end(await runtime.prometheus())).listen(9464)
	 * ```
	 */
	prometheus(): Promise<string>;
	/** Returns later events of boxes and images, as far as this process causes or sees them; see {@link Events}. */
	events(options?: EventsOptions): Events;
	/**
	 * Ends the attached boxes that this process started, all at once, which keeps their files. Detached boxes, and those of
	 * other processes, go on. Further calls wait for the first.
	 */
	close(options?: CloseOptions): Promise<void>;
	/** Does what {@link Runtime.close | close()} does. */
	[Symbol.asyncDispose](): Promise<void>;
}

export {
	WaitOptions as BoxWaitOptions,
};

export {};
