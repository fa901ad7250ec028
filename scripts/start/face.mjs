// The library as a program imports it, from this source tree. Called by demo, run and the bench, after the build: a static
// import would fail before there is anything to import.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../paths.mjs'

/** @returns {Promise<typeof import('../../index.js')>} */
export const loadFace = () => import(pathToFileURL(join(root, 'index.mjs')).href)
