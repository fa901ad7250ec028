// Made from lib/ by `npm run build:types`: change that instead.
import { EventEmitter } from 'node:events';
import { Readable, Writable } from 'node:stream';

interface Failure {
	code: string;
	className: string;
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
	};
}
interface Outcome<T> {
	ok?: T;
	error?: Failure;
}
type Answer<T> = Promise<Outcome<T>>;
interface FileInput {
	operation: string;
	path?: string | undefined;
	to?: string | undefined;
	handle?: number | undefined;
	mode?: number | undefined;
	flags?: number | undefined;
	uid?: number | undefined;
	gid?: number | undefined;
	atimeMs?: number | undefined;
	mtimeMs?: number | undefined;
	offset?: number | undefined;
	length?: number | undefined;
	data?: Buffer | undefined;
	recursive?: boolean | undefined;
	force?: boolean | undefined;
	follow?: boolean | undefined;
	exclusive?: boolean | undefined;
	preserve?: boolean | undefined;
	dataOnly?: boolean | undefined;
}
interface FileOutput {
	stat?: NativeStat;
	path?: string;
	handle: number;
	data: Buffer;
	count: number;
}
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
}
interface NativeEntry {
	name: string;
	kind: number;
}
interface NativeFiles {
	call(input: FileInput): Answer<FileOutput>;
	readDirectory(path: string, recursive: boolean): Answer<NativeEntry[]>;
	read(input: FileInput): Answer<NativeFileReader>;
	write(input: FileInput): Answer<NativeFileWriter>;
	watch(path: string, recursive: boolean): Answer<NativeWatcher>;
	copyIn(from: string, to: string): NativeCopy;
	copyOut(from: string, to: string, maxBytes?: number, maxEntries?: number): NativeCopy;
	packOut(from: string): Answer<NativeFileReader>;
	unpackIn(to: string): Answer<NativeArchiveWriter>;
}
interface NativeFileReader {
	pull(): Answer<Buffer | null>;
	close(): Answer<void>;
}
interface NativeFileWriter {
	push(data: Uint8Array): Answer<void>;
	finish(): Answer<number>;
}
interface NativeArchiveWriter {
	push(data: Uint8Array): Answer<void>;
	finish(): Answer<void>;
	abort(): Answer<void>;
}
interface NativeWatcher {
	next(): Answer<{
		renamed: boolean;
		name: string;
	}[] | null>;
	close(): void;
}
interface NativeCopy {
	run(): Answer<void>;
	progress(): {
		entries: number;
		bytes: number;
		skipped: number;
	};
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
/** Bytes: a Buffer, any other typed array, a DataView, or the memory that those look at. */
export type Bytes = NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer;
/** What gives data in parts. */
export type Chunks = AsyncIterable<string | Bytes> | Iterable<string | Bytes> | ReadableStream<string | Bytes> | {
	stream(): ReadableStream<Uint8Array>;
};
/** How far a copy has come. */
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
	/** Called now and then, and once at the end. */
	onProgress?: (progress: CopyProgress) => void;
	/** Breaks the copy off with an `AbortError`; what was copied stays. */
	signal?: AbortSignal;
}
/** How to copy out of a box, which may send whatever it likes. What exceeds a bound rejects with `COPY_TOO_LARGE`. */
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
	readonly ABORTED: "ExecutionError";
	readonly FILE_REFUSED: "FileError";
	readonly ARCHIVE_INVALID: "FileError";
	readonly COPY_TOO_LARGE: "FileError";
	readonly INTERNAL: "InternalError";
};
/** What went wrong, for programs to match on. Codes are stable: they are never renamed. */
export type ErrorCode = keyof typeof CODES | Errno | "ERR_FS_EISDIR";
/** Names of Linux's errors, as Node has them; of a {@link FileError}. */
export type Errno = "E2BIG" | "EACCES" | "EAGAIN" | "EBADF" | "EBUSY" | "EDQUOT" | "EEXIST" | "EFAULT" | "EFBIG" | "EINVAL" | "EIO" | "EISDIR" | "ELOOP" | "EMFILE" | "EMLINK" | "ENAMETOOLONG" | "ENFILE" | "ENODEV" | "ENOENT" | "ENOMEM" | "ENOSPC" | "ENOSYS" | "ENOTDIR" | "ENOTEMPTY" | "ENOTSUP" | "ENXIO" | "EOVERFLOW" | "EPERM" | "EPIPE" | "EROFS" | "ESPIPE" | "ESTALE" | "ETXTBSY" | "EXDEV";
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
 * to do about it, and `cause` leads to what lies beneath.
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
/** The runtime could not be opened, is closed, or misses one of its parts. */
export declare class RuntimeError extends BoxliteError {
}
/** A box is not there, or is in no state for what was asked. */
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
	/** What it was about. */
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
/** A bug in boxlite; please report it. */
export declare class InternalError extends BoxliteError {
}
/** Where a box stands in its life. */
export type BoxState = "created" | "starting" | "running" | "stopping" | "stopped" | "failed";
/** What runs a box: libkrun or QEMU. */
export type Engine = "krun" | "qemu";
/** What is known of a box at one moment. */
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
	/** Where it stands in its life. */
	state: BoxState;
	/** The engine that runs it, or ran it last; `null` until then. */
	engine: Engine | null;
	/** Whether that engine uses hardware virtualisation; `null` until then. */
	accelerated: boolean | null;
	/** The process that holds the micro-VM; `null` while it does not run. */
	pid: number | null;
	/** Virtual CPUs. */
	cpus: number;
	/** Memory in MiB. */
	memoryMib: number;
	/** Size of the disk in GiB; `null` until the first start unless it was asked for. */
	diskSizeGb: number | null;
	/** When it was made. */
	createdAt: Date;
	/** Why it failed, in the state `failed`, else `null`. */
	failure: string | null;
	/** Whether it lives on without the process that started it. */
	detached: boolean;
	/** Whether it is removed once its machine has ended. */
	autoRemove: boolean;
	/** How it fares by its health check; `null` without one and while it does not run. */
	health: Health | null;
	/** Milliseconds that each stage of the last start took, in the order of the stages. */
	timings: Partial<Record<Stage, number>>;
}
/** How a box fares by its health check. */
export type Health = "starting" | "healthy" | "unhealthy";
interface Happened<T extends string> {
	type: T;
	/** When this process learnt of it. */
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
/** A command was started, or ended. The end is told where somebody in this process reads its output or waits for it. */
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
/** An image is being fetched, is there, or could not be had. `boxId` is `null` of `images.pull`. */
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
/** The box's kernel killed a process for want of memory; of this execution, where that is known. */
export interface OutOfMemoryEvent extends OfBox<"oom"> {
	executionId: string | null;
}
/** A limit ends the box. */
export interface LimitEvent extends OfBox<"limit"> {
	limit: "maxLifetimeMs" | "idleTimeoutMs";
}
/** So many events are missing here: they were taken too slowly. */
export interface LostEvent extends Happened<"lost"> {
	count: number;
}
/** What happens to boxes and images; told apart by `type`. */
export type RuntimeEvent = StateEvent | ExecutionEvent | MainEvent | HealthEvent | ImagePullEvent | OutOfMemoryEvent | LimitEvent | LostEvent;
/** How to listen. */
export interface EventsOptions {
	/** Ends the listening: iterators reject with `ABORTED`, listeners get `'close'`. Default: none. */
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
	/** There are no more. */
	close: [
	];
};
/**
 * What happens to boxes and images, from now on: `runtime.events()` of all, `box.events()` of one. It tells what this
 * process does and sees; another process that uses the same box tells its own part.
 *
 * Use it as an EventEmitter, with an event for each `type` and `'event'` for all; or iterate. Listeners don't keep a
 * program alive, an iteration does. Whoever is slower than 1024 events loses the oldest and gets a `'lost'`.
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
	 * Iterates over what happens from now on, until the events or their runtime are closed. Several iterators each get
	 * everything; when the last one is left and nobody listens either, the events are closed.
	 */
	[Symbol.asyncIterator](): AsyncGenerator<RuntimeEvent, void, undefined>;
	/** Stops listening. Iterators end, and listeners get `'close'`. Doing so twice does nothing. */
	close(): void;
	/** Does what {@link Events.close | close()} does. */
	[Symbol.dispose](): void;
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
/** What a box does on its own, whether or not the program that made it looks on. */
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
	/** The signal that asks the main process to end: a name such as `'SIGINT'`, or a number. Default: the image's, else SIGTERM. */
	stopSignal?: string | number;
	/** When the main process is started again after its end. Default: never. */
	restart?: RestartOptions;
	/** Whether the box is healthy; `false` is not asked. Default: the image's check if there is a main process, else none. */
	healthCheck?: HealthCheckOptions | false;
	/** Milliseconds after its start at which the box stops; 0 is never, the most is 366 days. Default: 0. */
	maxLifetimeMs?: number;
	/**
	 * Milliseconds without an execution and without any other call to the box after which it stops; 0 is never, the most is
	 * 366 days. A main process and health checks don't count as use. Default: 0.
	 */
	idleTimeoutMs?: number;
}
/** How to make a box. */
export interface BoxOptions extends SupervisionOptions {
	/** An image: a registry reference such as `alpine:3`, or a path; see {@link Images.pull}. */
	image: string;
	/**
	 * When the first start asks the registry: `'missing'` if the image is not in the cache, `'always'` to follow a tag that
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
	/** Environment of every execution, over the image's. Default: none. */
	env?: Record<string, string | undefined>;
	/** Working directory of every execution. Default: the image's, else `/`. */
	workdir?: string;
	/** User of every execution: `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the image's, else root. */
	user?: string | number;
	/** Host name inside the box. Default: the box's name, else its id. */
	hostname?: string;
	/**
	 * Let the box live on when this process ends, however it ends, and when its runtime closes; any process finds it again
	 * by `runtime.get`, as it runs. Disposing of it only lets go of the handle. Default: `false`, it ends with the process
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
/** What to change of a box; what is left out stays. */
export interface UpdateOptions {
	/** A new name, unique in the home; `null` takes the name away. */
	name?: string | null;
	/** All of the box's own labels, instead of those that it has. */
	labels?: Record<string, string>;
}
/** How to run a command; for `box.spawn`. */
export interface SpawnOptions {
	/** Working directory. Default: the box's. */
	cwd?: string;
	/** Environment, over the box's. A variable that is `undefined` is left out. Default: none. */
	env?: Record<string, string | undefined>;
	/** `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the box's user. */
	user?: string | number;
	/** Give the process a terminal: `true` is 80 by 24. Its standard error then arrives in `stdout`. Default: `false`. */
	tty?: boolean | {
		cols: number;
		rows: number;
	};
	/**
	 * Standard input. A string or bytes are written and the input then closed, a stream or (async) iterable is read to its
	 * end, `'none'` is `/dev/null`. Default: of `spawn` what you write to `execution.stdin`, of `exec` `'none'`.
	 *
	 * The string `'none'` itself can be sent as bytes: `Buffer.from('none')`.
	 */
	stdin?: "none" | (string & {}) | Uint8Array | Readable | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;
	/**
	 * Milliseconds that the process may run, counted from its start inside the box; then it gets SIGTERM, and SIGKILL two
	 * seconds later. 0 is for ever. Default: 0.
	 */
	timeoutMs?: number;
	/** Ends every process of the execution with SIGKILL and rejects with the code `ABORTED`. Default: none. */
	signal?: AbortSignal;
	/**
	 * `spawn` only: let the process outlive this handle, as a background process of the box. It is never held back for want
	 * of a reader: while nobody reads, the box keeps the last 1 MiB of each stream and drops what is older. Disposing of
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
/** Which boxes to list: those that are all of this. */
export interface BoxFilter {
	/** In this state, or in one of these. Default: in any. */
	state?: BoxState | readonly BoxState[];
	/** With each of these labels, those of its image included. Default: with any. */
	labels?: Record<string, string>;
	/** Of exactly this name. Default: of any, or none. */
	name?: string;
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
	/** When a start or a pull last asked for it, to the second. */
	usedAt: Date;
	/** Whether a box was made of it. Such an image is never removed to keep the quota. */
	inUse: boolean;
}
/** What an image says of itself; `images.inspect()`. */
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
	/** The signal that the program wants for its end, such as `SIGINT`; `null` is SIGTERM. */
	stopSignal: string | null;
	/** Such as `80/tcp`. */
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
	/** Every image in the cache, by reference. */
	list(): Promise<ImageInfo[]>;
	/** What an image in the cache says of itself. Rejects with `IMAGE_NOT_CACHED`. */
	inspect(source: string): Promise<ImageDetails>;
	/** Removes an image from the cache; `false` if it was not there. Boxes that were made of it keep what they need. */
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
	/** What this home takes on the disk. */
	df(): Promise<ImageUsage>;
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
/** How to pull an image. */
export interface PullOptions {
	/** `'missing'` asks the registry only if the image is not in the cache. Default: `'missing'`. */
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
	 * Where to look first, each `HOST[:PORT][/PATH]`; a path is put before the image's own name. A mirror that fails is left
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
	/** The registries in which a name without one, such as `alpine`, is looked up, in this order. Default: `['docker.io']`. */
	searchRegistries?: string[];
	/**
	 * Bytes that the image cache may take. What nobody used for the longest goes first; an image is safe while a box was made
	 * of it and for ten minutes after its last use. Default: half of what it takes and what is free, together.
	 */
	imageQuotaBytes?: number;
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
/** How a process ended. */
export interface ExitStatus {
	/** The exit code; `null` where a signal ended it. */
	exitCode: number | null;
	/** The signal that ended it, such as `'SIGKILL'`; `null` where it exited by itself. */
	signal: string | null;
	/** Whether it was ended for running longer than `timeoutMs`. */
	timedOut: boolean;
	/** Whether the kernel of the box ended it for want of memory. */
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
 * - **Streams you don't read.** As long as nobody reads or waits, 1 MiB is kept and the process is held back. Once you call
 *   {@link Execution.wait | wait()} or read the other stream, an unread stream never blocks the process: its first 1 MiB is
 *   kept and the rest dropped. Reading it after that yields what was kept and then an `EXEC_MAX_BUFFER` error, never a gap.
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
	 * `COMMAND_NOT_EXECUTABLE`, `EXEC_CWD`, `EXEC_USER`, `ABORTED`, or what kept the box from starting.
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
	 * @param signal - a name such as `'SIGINT'`, or a number. Default: `'SIGTERM'`.
	 * @returns `false` if the process had ended.
	 */
	kill(signal?: string | number): Promise<boolean>;
	/** Sets the size of the terminal, in characters, 1 to 65 535 each. Only for an execution with `tty`. */
	resize(cols: number, rows: number): Promise<void>;
	/** The events in the order in which they happened. Leaving the loop drops the output that follows. */
	[Symbol.asyncIterator](): AsyncGenerator<ExecEvent, void, undefined>;
	/**
	 * Ends the process, and all that it started, with SIGKILL if it still runs, and waits until it has gone. A `detached` one
	 * is only let go. Never rejects.
	 */
	[Symbol.asyncDispose](): Promise<void>;
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
/** What can be written: text, bytes, or something that gives them one after the other. */
export type FileData = string | NodeJS.ArrayBufferView | Readable | AsyncIterable<string | NodeJS.ArrayBufferView> | Iterable<string | NodeJS.ArrayBufferView>;
/** A moment: a Date, or seconds since the epoch as a number or a string, as in Node. */
export type Time = Date | number | string;
/** How to open a file: one of Node's names, such as `'r'` and `'wx'`, or Linux's bits. */
export type OpenFlags = string | number;
/** How to read a file as a stream. */
export interface ReadStreamOptions {
	/** First byte. Default: 0; of a handle its current position. */
	start?: number;
	/** Last byte, which is included. Default: the end of the file. */
	end?: number;
	/** Decode to strings. Default: bytes. */
	encoding?: BufferEncoding;
	/** Bytes to hold ready. Default: 64 KiB. */
	highWaterMark?: number;
	/** Destroys the stream with an `AbortError`. */
	signal?: AbortSignal;
}
/** How to write a file as a stream. */
export interface WriteStreamOptions {
	/** Default: `'w'`. */
	flags?: OpenFlags;
	/** Permissions of a new file. Default: `0o666`, less the box's umask of `0o022`. */
	mode?: number;
	/** Position of the first byte. Default: where the flags put it. */
	start?: number;
	/** Encoding of strings. Default: `'utf8'`. */
	encoding?: BufferEncoding;
	/** Destroys the stream with an `AbortError`. */
	signal?: AbortSignal;
}
type Subject = Pick<FileInput, "path" | "handle">;
/** A file that is being read. */
export declare class FileReadStream extends Readable {
	#private;
	/** Bytes read so far. */
	bytesRead: number;
	constructor(native: NativeFiles, subject: Subject, options: ReadStreamOptions);
	_read(): void;
	_destroy(error: Error | null, done: (error?: Error | null) => void): void;
}
/** A file that is being written. */
export declare class FileWriteStream extends Writable {
	#private;
	/** Bytes that the box has been given. */
	bytesWritten: number;
	constructor(native: NativeFiles, subject: Subject, options: WriteStreamOptions);
	_write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void;
	_writev(chunks: {
		chunk: Buffer;
	}[], done: (error?: Error) => void): void;
	_final(done: (error?: Error) => void): void;
	_destroy(error: Error | null, done: (error?: Error | null) => void): void;
}
declare abstract class FileType {
	#private;
	constructor(mode: number);
	isFile(): boolean;
	isDirectory(): boolean;
	isSymbolicLink(): boolean;
	isFIFO(): boolean;
	isSocket(): boolean;
	isBlockDevice(): boolean;
	isCharacterDevice(): boolean;
}
/** What a file in a box is like, as Node's `fs.Stats`. */
export declare class Stats extends FileType {
	readonly dev: number;
	readonly ino: number;
	/** File type and permissions. */
	readonly mode: number;
	readonly nlink: number;
	readonly uid: number;
	readonly gid: number;
	readonly rdev: number;
	/** Bytes. */
	readonly size: number;
	readonly blksize: number;
	/** Allocated, of 512 bytes each. */
	readonly blocks: number;
	readonly atimeMs: number;
	readonly mtimeMs: number;
	readonly ctimeMs: number;
	readonly birthtimeMs: number;
	constructor(stat: NativeStat);
	get atime(): Date;
	get mtime(): Date;
	get ctime(): Date;
	get birthtime(): Date;
}
/** An entry of a directory in a box, as Node's `fs.Dirent`. */
export declare class Dirent extends FileType {
	/** Its own name. */
	readonly name: string;
	/** The directory that holds it. */
	readonly parentPath: string;
	constructor(folder: string, entry: NativeEntry);
}
/** What to read and where to put it. */
export interface FileReadOptions<T extends NodeJS.ArrayBufferView = Buffer> {
	/** Default: a new Buffer of 16 KiB. */
	buffer?: T;
	/** Where in the buffer. Default: 0. */
	offset?: number;
	/** Default: what fits. */
	length?: number;
	/** Where in the file; `null` is its current position, which moves. Default: `null`. */
	position?: number | null;
}
/** An open file in a box; `box.fs.open` makes one. Close it: a box holds at most 4096 open for its host. */
export declare class FileHandle implements AsyncDisposable {
	#private;
	private constructor();
	/** The number that stands for it in the box; -1 once it is closed. */
	get fd(): number;
	/** Reads at a position, or at the current one. Fewer bytes than asked for come only at the end of the file. */
	read<T extends NodeJS.ArrayBufferView>(buffer: T, offset?: number, length?: number, position?: number | null): Promise<{
		bytesRead: number;
		buffer: T;
	}>;
	read<T extends NodeJS.ArrayBufferView = Buffer>(options?: FileReadOptions<T>): Promise<{
		bytesRead: number;
		buffer: T;
	}>;
	/** Writes all of it at a position, or at the current one. */
	write<T extends NodeJS.ArrayBufferView>(buffer: T, offset?: number, length?: number, position?: number | null): Promise<{
		bytesWritten: number;
		buffer: T;
	}>;
	write(text: string, position?: number | null, encoding?: BufferEncoding): Promise<{
		bytesWritten: number;
		buffer: string;
	}>;
	/** The rest of the file, from the current position on. */
	readFile(options: BufferEncoding | {
		encoding: BufferEncoding;
		signal?: AbortSignal;
	}): Promise<string>;
	readFile(options?: {
		encoding?: null;
		signal?: AbortSignal;
	} | null): Promise<Buffer>;
	/** Writes from the current position on. */
	writeFile(data: FileData, options?: BufferEncoding | {
		encoding?: BufferEncoding | null;
	} | null): Promise<void>;
	/** As `writeFile`: where it lands is what the file was opened for. */
	appendFile(data: FileData, options?: BufferEncoding | {
		encoding?: BufferEncoding | null;
	} | null): Promise<void>;
	stat(): Promise<Stats>;
	truncate(length?: number): Promise<void>;
	chmod(mode: number): Promise<void>;
	chown(uid: number, gid: number): Promise<void>;
	utimes(atime: Time, mtime: Time): Promise<void>;
	/** Brings data and attributes to the box's disk. */
	sync(): Promise<void>;
	/** Brings data to the box's disk. */
	datasync(): Promise<void>;
	createReadStream(options?: Omit<ReadStreamOptions, "flags">): FileReadStream;
	createWriteStream(options?: Omit<WriteStreamOptions, "flags" | "mode">): FileWriteStream;
	/** Closes the file. Nothing happens if it is closed already. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}
/** How to watch. */
export interface WatchOptions {
	/** Everything below too, also directories that appear later. Default: `false`. */
	recursive?: boolean;
	/** Ends the watch; the iterator then rejects with an `AbortError`. */
	signal?: AbortSignal;
}
/** Something changed. */
export interface FileChangeEvent {
	/** `'rename'`: a name came or went. `'change'`: contents or attributes did. */
	eventType: "rename" | "change";
	/** Below the watched directory; of a watched file its own name. */
	filename: string;
}
/** How to read a whole file. */
export interface ReadFileOptions<E extends BufferEncoding | null = BufferEncoding | null> {
	/** Decode to a string. Default: `null`, bytes. */
	encoding?: E;
	signal?: AbortSignal;
}
/** How to write a whole file. */
export interface WriteFileOptions {
	/** Of strings. Default: `'utf8'`. */
	encoding?: BufferEncoding | null;
	/** Permissions of a new file, less the box's umask. Default: `0o666`. */
	mode?: number;
	/** Default: `'w'`. */
	flag?: OpenFlags;
	signal?: AbortSignal;
}
/** How to list a directory. */
export interface ReadDirOptions {
	/** Give {@link Dirent}s instead of names. Default: `false`. */
	withFileTypes?: boolean;
	/** Everything below too, in one call; symlinks are not followed. Default: `false`. */
	recursive?: boolean;
}
/** How to copy inside a box. */
export interface CpOptions {
	/** Directories with all that is in them. Default: `false`. */
	recursive?: boolean;
	/** Overwrite files. Default: `true`. */
	force?: boolean;
	/** With `force: false`, fail with `EEXIST` where a file exists. Default: `false`. */
	errorOnExist?: boolean;
	/** Copy what symlinks lead to. Default: `false`. */
	dereference?: boolean;
	/** Keep access and modification times. Default: `false`. */
	preserveTimestamps?: boolean;
}
type Encoding = BufferEncoding | null;
/**
 * The files of a box as its processes see them, mounts and tmpfs included; `box.fs`. Acts as root. Names and semantics
 * are those of `node:fs/promises`, and so are the errors: a {@link FileError} has `code` (`'ENOENT'`), `errno`,
 * `syscall` and `path`. Relative paths begin at the box's working directory. Each call starts the box if it does not run.
 */
export declare class FileSystem {
	#private;
	private constructor();
	readFile(path: string, options: BufferEncoding | ReadFileOptions<BufferEncoding>): Promise<string>;
	readFile(path: string, options?: ReadFileOptions<null> | null): Promise<Buffer>;
	writeFile(path: string, data: FileData, options?: Encoding | WriteFileOptions): Promise<void>;
	appendFile(path: string, data: FileData, options?: Encoding | WriteFileOptions): Promise<void>;
	open(path: string, flags?: OpenFlags, mode?: number): Promise<FileHandle>;
	readdir(path: string, options: ReadDirOptions & {
		withFileTypes: true;
	}): Promise<Dirent[]>;
	readdir(path: string, options?: (ReadDirOptions & {
		withFileTypes?: false;
	}) | Encoding): Promise<string[]>;
	stat(path: string): Promise<Stats>;
	lstat(path: string): Promise<Stats>;
	/** Resolves if the file is there and, with bits of `fs.constants.R_OK`, `W_OK` and `X_OK`, allows that to root. */
	access(path: string, mode?: number): Promise<void>;
	/** Whether there is something at `path`. Rejects only where that can't be found out. */
	exists(path: string): Promise<boolean>;
	/** Resolves with the first directory that `recursive` made, else with `undefined`. */
	mkdir(path: string, options?: number | {
		recursive?: boolean;
		mode?: number;
	}): Promise<string | undefined>;
	/** Makes a directory of a new name that begins with `prefix`, and resolves with its path. */
	mkdtemp(prefix: string): Promise<string>;
	rmdir(path: string): Promise<void>;
	unlink(path: string): Promise<void>;
	/** Removes a file, or with `recursive` a tree, else `ERR_FS_EISDIR`. With `force` it need not be there. */
	rm(path: string, options?: {
		recursive?: boolean;
		force?: boolean;
	}): Promise<void>;
	rename(from: string, to: string): Promise<void>;
	/** Copies one file with its mode. `mode` 1, `fs.constants.COPYFILE_EXCL`, fails where there is one already. */
	copyFile(from: string, to: string, mode?: number): Promise<void>;
	/** Copies a file or a tree inside the box. Symlinks stay as they are written. */
	cp(from: string, to: string, options?: CpOptions): Promise<void>;
	/** Makes `path` a symlink to `target`. */
	symlink(target: string, path: string): Promise<void>;
	readlink(path: string): Promise<string>;
	realpath(path: string): Promise<string>;
	link(existing: string, path: string): Promise<void>;
	chmod(path: string, mode: number): Promise<void>;
	chown(path: string, uid: number, gid: number): Promise<void>;
	lchown(path: string, uid: number, gid: number): Promise<void>;
	utimes(path: string, atime: Time, mtime: Time): Promise<void>;
	lutimes(path: string, atime: Time, mtime: Time): Promise<void>;
	truncate(path: string, length?: number): Promise<void>;
	/** Reads as a stream; failures are its `error`. */
	createReadStream(path: string, options?: BufferEncoding | ReadStreamOptions): FileReadStream;
	/** Writes as a stream; failures are its `error`, and all is written once it has finished. */
	createWriteStream(path: string, options?: BufferEncoding | WriteStreamOptions): FileWriteStream;
	/**
	 * What changes at `path`, or with `recursive` anywhere below it, as an endless iterable; leaving the loop or aborting
	 * `signal` ends the watch. It begins with the call: of what you ask of this box afterwards nothing is missed, of what goes on in
	 * it nothing from the first `next()` that has resolved. If the box changes files faster than they can be told it rejects with
	 * `EOVERFLOW`: a gap is never hidden.
	 */
	watch(path: string, options?: WatchOptions): AsyncIterableIterator<FileChangeEvent>;
}
/** Which logs, and how long. */
export interface LogsOptions {
	/** `'main'`: what the main process wrote. `'console'`: what the box's kernel and agent wrote. Default: `'main'`. */
	source?: "main" | "console";
	/** Wait for more, until the box ends. Default: `false`, which ends with what is there. */
	follow?: boolean;
	/** Nothing from before this time, as a Date or in milliseconds since 1970. The console notes no times. Default: all. */
	since?: Date | number;
	/** Ends the logs; the iterator then rejects with `ABORTED`. Default: none. */
	signal?: AbortSignal;
}
/**
 * A piece of a log. It may begin and end within a line. `lost` stands for bytes that are missing, since the host's disk was
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
	/** Executions asked for. */
	totalExecCalls: number;
	/** Executions that could not be started or were lost. */
	totalExecErrors: number;
	/** Bytes of standard input, output and error together. */
	totalBytesTransferred: number;
}
/**
 * The figures of a box at one moment. What only the running box knows is `null` while it does not run; it is measured
 * inside, by the container's cgroup, and counted from the last start.
 */
export interface BoxMetrics {
	/** When they were taken. */
	time: Date;
	/** Where the box stood. */
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
	/** Bytes since the start; `null` where there is no network. */
	network: {
		receivedBytes: number;
		sentBytes: number;
	} | null;
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
	 * Backslashes reach the shell as you write them; only `` \` `` and `\${` stand for `` ` `` and `${`.
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
	/** Whether it lives on without the process that started it. */
	readonly detached: boolean;
	/** Runs a shell line whose values are quoted; see {@link Shell}. */
	readonly sh: Shell;
	private constructor();
	/**
	 * Runs a command and collects its output. The command is a program, not a shell line: see {@link Box.sh} for those.
	 *
	 * A non-zero exit code resolves, unless `check` is set. Rejects with `EXEC_TIMEOUT`, `EXEC_MAX_BUFFER`,
	 * `EXEC_NON_ZERO` and `ABORTED`, each with the output so far, with `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`,
	 * `EXEC_CWD` and `EXEC_USER`, and with what kept the box from starting.
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
	/** The executions that run, the oldest first. A box that does not run has none, and is not started. */
	executions(): Promise<ExecutionInfo[]>;
	/**
	 * Finds an execution by its id, such as one that was started with `detached`: one that runs, or has ended in the last ten
	 * minutes, of which the box remembers the last 1024. Its output begins with the oldest bytes that the box has kept, and
	 * whoever read it before gets an error. Disposing of it leaves it running; `started` and `wait()` reject with
	 * `EXEC_NOT_FOUND` if there is nothing of that id.
	 */
	execution(id: string): Execution;
	/** Its name, else `null`; as this handle last knew it. */
	get name(): string | null;
	/** The box's files, with the names of `node:fs/promises`. */
	get fs(): FileSystem;
	/**
	 * Copies a file or a tree of the host into the box, or unpacks a tar stream there.
	 *
	 * Of a path, `to` is the copy itself, as with `fs.cp`, and what is there already is merged into; modes, times, symlinks,
	 * hard links and holes are kept, and everything belongs to root. A tar stream is unpacked beneath the folder `to`, with
	 * the owners that it names.
	 */
	copyIn(from: string | Chunks, to: string, options?: CopyOptions): Promise<CopyProgress>;
	/**
	 * Copies a file or a tree of the box to the host, or gives it as a tar stream, whose end ends the Writable.
	 *
	 * Nothing outside of `to` is touched, whatever the box sends. Setuid, setgid and sticky bits are dropped; devices,
	 * sockets and FIFOs are left out; everything belongs to the user of this process.
	 */
	copyOut(from: string, to: string | Writable, options?: CopyOutOptions): Promise<CopyProgress>;
	/** Starts the box if it does not run; several calls start it once. Any execution does so too. */
	start(): Promise<void>;
	/** Stops the box: its processes end, its files stay. Nothing happens if it does not run. */
	stop(options?: StopOptions): Promise<void>;
	/** Stops the box if it runs, as {@link Box.stop} does, and starts it. */
	restart(options?: StopOptions): Promise<void>;
	/**
	 * Resolves when the box does not run: at its end, whoever caused it and whichever process started the box; at once if it
	 * does not run now. While it waits, the program goes on.
	 */
	wait(options?: WaitOptions): Promise<BoxEnd>;
	/** Deletes the box with its files. Rejects with `BOX_STATE` if it runs and `force` is not set. */
	remove(options?: RemoveOptions): Promise<void>;
	/** What is known of the box now. */
	info(): Promise<BoxInfo>;
	/**
	 * Changes the box's name and labels, in any state. A running box goes on; its host name changes with the next start. A
	 * start or stop that is under way is awaited.
	 *
	 * Rejects with `BOX_NAME_TAKEN` and `BOX_REMOVED`.
	 */
	update(options: UpdateOptions): Promise<void>;
	/** The box's figures. A box that does not run is not started: of it, less is known. */
	metrics(): Promise<BoxMetrics>;
	/** The box's figures at once, and then at each interval, for as long as one iterates. */
	watchMetrics(options?: WatchMetricsOptions): AsyncIterableIterator<BoxMetrics>;
	/** What happens to this box from now on, as far as this process has a part in it; see {@link Events}. */
	events(options?: EventsOptions): Events;
	/**
	 * What the main process wrote, or with `source: 'console'` what the box's kernel and agent wrote: up to 16 MiB, or 1 MiB of
	 * the console. It is there whether or not the box runs. With `follow` it goes on until the box ends.
	 *
	 * @throws {@link InvalidArgumentError} for wrong options, at once
	 */
	logs(options?: LogsOptions): AsyncIterableIterator<LogEntry>;
	/** Stops a box with a name, removes one without. A detached box, or one that another process started, goes on. */
	[Symbol.asyncDispose](): Promise<void>;
}
/** One thing that the doctor looked at. */
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
	/** What was looked at. */
	checks: DoctorCheck[];
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
	 * Rejects with `INVALID_ARGUMENT`; with `HOME_LOCKED` if another process hangs in the middle of changing the list of boxes,
	 * naming it; and with `PART_MISSING` if the native part of this package is missing, saying how to get it.
	 */
	static open(options?: RuntimeOptions): Promise<Runtime>;
	/** The runtime of the default home with default options, shared by the whole program. It opens at its first use. */
	static default(): Runtime;
	/**
	 * Tells what this machine can do and, for each thing that is missing, the remedy. Never rejects for what it finds, only
	 * with `INVALID_ARGUMENT` for wrong options.
	 */
	static doctor(options?: RuntimeOptions): Promise<DoctorReport>;
	/**
	 * Makes a box, and returns at once: it starts at its first use.
	 *
	 * Rejects with `INVALID_ARGUMENT` and `BOX_NAME_TAKEN`.
	 */
	create(options: BoxOptions): Promise<Box>;
	/** Finds a box by its id or name. Rejects with `BOX_NOT_FOUND`. */
	get(idOrName: string): Promise<Box>;
	/**
	 * Finds the box of a name, or makes it, however many callers ask at once, in this process and in others. A box that is
	 * there is given as it is: the other options hold for a new one only.
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
	/** What is known of the boxes of this home, the oldest first; of all, or of those that match. */
	list(filter?: BoxFilter): Promise<BoxInfo[]>;
	/** Deletes a box with its files. Rejects with `BOX_NOT_FOUND`, and with `BOX_STATE` if it runs and `force` is not set. */
	remove(idOrName: string, options?: RemoveOptions): Promise<void>;
	/** The counters of this runtime. */
	metrics(): Promise<RuntimeMetrics>;
	/** The counters at once, and then at each interval, for as long as one iterates. */
	watchMetrics(options?: WatchMetricsOptions): AsyncIterableIterator<RuntimeMetrics>;
	/**
	 * The counters of this runtime and the figures of every box of this home, in Prometheus' text format. A box that can't be
	 * measured is told without its figures.
	 *
	 * @example
	 * ```ts
	 * createServer(async (_, answer) => answer.end(await runtime.prometheus())).listen(9464)
	 * ```
	 */
	prometheus(): Promise<string>;
	/** What happens to boxes and images from now on, as far as this process has a part in it; see {@link Events}. */
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
