// This package's version, as package.json has it: a bundle has no package.json. Read by `native.ts`; a house test compares.
export const VERSION = '0.1.0'
