// `BoxNetwork`: the network of a box. Made by `box.ts`.
import { type NativeBox, settled } from './binding.js'
import { type NetworkUpdateOptions, networkUpdateInput } from './options/network.js'

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
  update(options: NetworkUpdateOptions): Promise<void>
}

/** Makes the network of a box from the box's native handle. */
export function makeNetwork(native: NativeBox): BoxNetwork {
  return {
    update: async options => {
      const network = networkUpdateInput(options)
      await settled(native.update({ rename: false, unset: [], network }))
    },
  }
}
