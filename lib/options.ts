// The options of every call: their types, their shapes, and their way to the addon. Each call checks here first, so a
// wrong option fails before anything is done. One file for each noun.
export * from './options/box.js'
export * from './options/execution.js'
export * from './options/filter.js'
export * from './options/image.js'
export type * from './options/privileges.js'
export * from './options/runtime.js'
export type * from './options/supervision.js'
