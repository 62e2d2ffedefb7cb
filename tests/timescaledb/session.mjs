// One client connection: its startup, its exchanges with the backend, its COPY data, and what of a transaction the backend knows.

import { Names } from './names.mjs'
import {
  authenticationOk, backendKey, bodyOf, commandComplete, copyInResponse, errorResponse, messagesOf, MessageReader, parametersOf,
  parameterStatus, readyForQuery, REQUESTS, sqlOf, SYNC, textAt, typeOf,
} from './wire.mjs'

const LOCK_NOT_AVAILABLE = '55P03'
const IN_FAILED_TRANSACTION = '25P02'
const WAITED_TOO_LONG = 'another connection has been in a transaction all the while, and the server has one backend'
const REFUSED = 'N' // the answer to requests for encryption
const [IDLE, IN_TRANSACTION, FAILED] = ['I', 'T', 'E']

const BEGIN = /^\s*begin(\s+transaction)?\s*;?\s*$/i
const END = /^\s*(commit|rollback)\s*;?\s*$/i
const CURSOR_WORK = /^\s*(declare|fetch|move|close)\b/i
const COPY_IN = /^\s*copy\b[\s\S]*\bfrom\s+stdin\b/i
const BINARY = /\bbinary\b/i
const STARTUP_OPTION = /-c\s*(\w+)=((?:\\.|\S)+)/g

// Nothing of such a transaction gets lost when it ends early and begins again: it wrote nothing and holds nothing. (What
// set_config() made local to it would, and nobody can see that.)
const IS_FRESH = `
select pg_current_xact_id_if_assigned() is null
    and current_setting('transaction_isolation') = 'read committed'
    and current_setting('transaction_read_only') = 'off'
    and not exists (select from pg_cursors where name <> '')
    and not exists (select from pg_locks where locktype = 'advisory')`
const TAGS_OF_READING = /^(BEGIN|SELECT|COPY|SHOW)\b/

let lastId = 0

export class Session {
  #backend
  #turns
  #socket
  #id = ++lastId
  #names = new Names(this.#id)
  #settings = {}
  #status = IDLE
  // In a transaction that the backend does not know of, yet or any more: it begins with the next statement.
  #isPromised = false
  #hasOnlyRead = true
  #batch = []
  #copy = null

  constructor(backend, turns, socket) {
    this.#backend = backend
    this.#turns = turns
    this.#socket = socket
  }

  /** Until the client leaves. */
  async serve() {
    const reader = new MessageReader(this.#socket)
    try {
      if (!(await this.#startUp(reader))) return
      for (let next; (next = await reader.message()) && typeOf(next) !== 'X'; ) await this.#receive(next)
    } finally {
      this.#end()
      this.#socket.end()
    }
  }

  /** Ends this transaction on the backend, where nothing gets lost by that, for another connection that waits. */
  stepAside() {
    if (this.#status !== IN_TRANSACTION || !this.#hasOnlyRead || this.#backend.ask(IS_FRESH) !== 't') return false
    this.#isPromised = this.#backend.command('commit')
    return true
  }

  /** Whether others may read by cursors inside of this transaction. */
  isHost() {
    return this.#status === IN_TRANSACTION && !this.#isPromised
  }

  async #startUp(reader) {
    for (let packet; (packet = await reader.startupPacket()); ) {
      const code = packet.readInt32BE(4)
      if (code === REQUESTS.cancel) return false // one backend that works synchronously can't be interrupted
      if (code === REQUESTS.ssl || code === REQUESTS.gss) this.#socket.write(REFUSED)
      else return this.#welcome(parametersOf(packet))
    }
    return false
  }

  #welcome(parameters) {
    const options = (parameters.options ?? '').matchAll(STARTUP_OPTION)
    this.#settings = Object.fromEntries([...options].map(([, name, value]) => [name, value.replace(/\\(.)/g, '$1')]))
    const { TimeZone, ...others } = this.#backend.settings
    const told = { ...others, TimeZone: this.#settings.timezone ?? TimeZone }
    const statuses = Object.entries(told).map(([name, value]) => parameterStatus(name, value))
    this.#send([authenticationOk(), ...statuses, backendKey(this.#id), readyForQuery(IDLE)])
    return true
  }

  async #receive(received) {
    const type = typeOf(received)
    if (this.#copy) return this.#receiveCopy(type, received)
    if (type === 'Q') return this.#query(received)
    this.#batch.push(this.#names.translate(received))
    if (type !== 'S' && type !== 'H') return
    await this.#exchange(this.#batch.splice(0))
  }

  async #query(received) {
    const sql = sqlOf(received)
    const deallocation = this.#names.deallocation(sql)
    if (deallocation) {
      this.#backend.run([...deallocation.messages, SYNC])
      this.#finish(deallocation.tag, this.#status)
    } else if (COPY_IN.test(sql)) {
      this.#copy = [received]
      this.#send([copyInResponse(BINARY.test(sql))])
    } else if (BEGIN.test(sql) && this.#status === IDLE) {
      this.#isPromised = true
      this.#finish('BEGIN', IN_TRANSACTION)
    } else if (END.test(sql) && this.#isPromised) {
      this.#isPromised = false
      this.#finish(this.#status === FAILED ? 'ROLLBACK' : END.exec(sql)[1].toUpperCase(), IDLE)
    } else await this.#exchange([received])
  }

  /** Keeps the data of a COPY until its end: the backend takes statement and data as one. */
  async #receiveCopy(type, received) {
    if (type === 'd' || type === 'c' || type === 'f') this.#copy.push(received)
    if (type !== 'c' && type !== 'f') return
    const copy = this.#copy
    this.#copy = null
    // The client has been told already that its data may come.
    const run = () => [...messagesOf(this.#backend.runTogether(Buffer.concat(copy)))].filter((reply) => typeOf(reply) !== 'G')
    await this.#exchange(copy.slice(0, 1), run)
  }

  /** One round: messages that end with Sync or are a simple query, to the backend when it is this connection's turn. */
  async #exchange(messages, run = () => this.#backend.run(messages)) {
    if (this.#status === FAILED && this.#isPromised) return this.#refuse(IN_FAILED_TRANSACTION, 'the transaction is aborted until it ends')
    if (this.#isPromised && isCursorWork(messages) && this.#turns.owner?.isHost()) return this.#runAsGuest(run)
    if (!(await this.#turns.take(this))) return this.#refuse(LOCK_NOT_AVAILABLE, WAITED_TOO_LONG)
    if (this.#status === IDLE || this.#isPromised) this.#prepareBackend()
    const replies = run()
    this.#note(replies)
    this.#send(replies)
    if (this.#status === IDLE) this.#turns.pass(this)
  }

  /** The settings of the startup, which wait for the first turn, and the transaction that was promised. */
  #prepareBackend() {
    for (const [name, value] of Object.entries(this.#settings)) this.#backend.command(`set ${name} to '${value.replaceAll("'", "''")}'`)
    this.#settings = {}
    if (this.#isPromised) this.#backend.command('begin')
    this.#isPromised = false
  }

  /** In the transaction of the connection that has the turn, which a failure leaves as it is. */
  #runAsGuest(run) {
    this.#backend.command('savepoint guest')
    const replies = run()
    if (replies.some((reply) => typeOf(reply) === 'E')) {
      this.#backend.command('rollback to savepoint guest')
      this.#status = FAILED
    }
    this.#backend.command('release savepoint guest')
    this.#send(replies.map((reply) => (typeOf(reply) === 'Z' ? readyForQuery(this.#status) : reply)))
  }

  #note(replies) {
    const tags = replies.filter((reply) => typeOf(reply) === 'C').map((reply) => textAt(bodyOf(reply), 0).text)
    this.#hasOnlyRead = (this.#hasOnlyRead || this.#status === IDLE) && tags.every((tag) => TAGS_OF_READING.test(tag))
    const ready = replies.findLast((reply) => typeOf(reply) === 'Z')
    if (ready) this.#status = bodyOf(ready).toString('latin1')
  }

  #finish(tag, status) {
    this.#status = status
    if (tag === 'BEGIN') this.#hasOnlyRead = true
    this.#send([commandComplete(tag), readyForQuery(status)])
  }

  /** An error of the server's own, which aborts a transaction as others do. */
  #refuse(code, text) {
    if (this.#status === IN_TRANSACTION) this.#status = FAILED
    this.#send([errorResponse(code, text), readyForQuery(this.#status)])
  }

  #end() {
    if (this.#turns.owner === this && this.#status !== IDLE && !this.#isPromised) this.#backend.command('rollback')
    this.#backend.run([...this.#names.closing(), SYNC])
    this.#turns.pass(this)
  }

  #send(messages) {
    this.#socket.write(Buffer.concat(messages))
  }
}

/** Whether messages only open, read or close cursors. What was prepared before they could run is unknown. */
function isCursorWork(messages) {
  const texts = messages.map(sqlOf).filter((sql) => sql !== null)
  return texts.every((sql) => CURSOR_WORK.test(sql)) && (texts.length > 0 || messages.every((sent) => typeOf(sent) !== 'B'))
}
