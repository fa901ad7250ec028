// Imports the library of this source tree, as a program would. Called by demo, run and the bench after the build; a static import would
// fail where nothing is built yet.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../paths.mjs'

/** @returns {Promise<typeof import('../../index.js')>} */
export const loadFace = () => import(pathToFileURL(join(root, 'index.mjs')).href)
