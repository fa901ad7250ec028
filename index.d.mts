// Made from lib/ by `npm run build:types`: change that instead.
export * from './index.js'
