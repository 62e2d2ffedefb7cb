// A community TimescaleDB on a port of this machine, for tests: PostgreSQL in WebAssembly with a front that speaks to several
// connections.
//
//   node server.mjs [--port 5433] [--snapshot FILE] [--patience 8000]
//
// Prints one line of JSON with the port and the database's name when it is ready, and ends when its standard input does. There is one backend, so:
// - a connection in a transaction keeps the others waiting, who get 55P03 after `patience` milliseconds;
// - one that has only read so far steps aside for them, and cursors can be read while another connection's transaction is open
//   (they see what that one has written);
// - settings, temporary tables and advisory locks are shared, and forgotten when the last connection leaves;
// - statement_timeout and cancel do nothing; a client that asks for another database gets this one;
// - the stack is small: JSON that is nested a thousand deep can crash it.

import net from 'node:net'
import { parseArgs } from 'node:util'
import { Backend } from './backend.mjs'
import { Session } from './session.mjs'
import { Turns } from './turns.mjs'

const HOST = '127.0.0.1'
const CLIENT_IS_GONE = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'])

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '0' }, snapshot: { type: 'string' }, patience: { type: 'string', default: '8000' } },
})
const backend = await Backend.open(options.snapshot)
const turns = new Turns(Number(options.patience))
let sessions = 0

async function serve(socket) {
  socket.setNoDelay(true)
  socket.on('error', () => {}) // comes out of the reading, too
  sessions += 1
  try {
    await new Session(backend, turns, socket).serve()
  } catch (error) {
    if (!CLIENT_IS_GONE.has(error.code)) throw error
  } finally {
    sessions -= 1
    if (sessions === 0) await backend.forget()
  }
}

process.stdin.resume().on('end', () => process.exit())
const server = net.createServer(serve)
server.listen(Number(options.port), HOST, () => {
  const { port } = server.address()
  console.log(JSON.stringify({ port, database: backend.ask('select current_database()') }))
})
