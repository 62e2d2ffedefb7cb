// The PostgreSQL wire protocol (version 3): messages in and out as buffers. What they mean to a connection is in session.mjs.

const TYPE_BYTE = 1
const LENGTH_BYTES = 4 // the length counts itself, but not the type byte before it

/** What a client may send instead of its startup message; each has a code in the place of the protocol's version. */
export const REQUESTS = { cancel: 80877102, ssl: 80877103, gss: 80877104 }

export const typeOf = (message) => String.fromCharCode(message[0])
export const bodyOf = (message) => message.subarray(TYPE_BYTE + LENGTH_BYTES)

/** The text up to the next NUL, and where the rest begins. */
export function textAt(bytes, start) {
  const end = bytes.indexOf(0, start)
  return { text: bytes.toString('utf8', start, end), next: end + 1 }
}

/** The SQL of a simple query or of a statement to prepare; null for other messages. */
export function sqlOf(received) {
  const [type, body] = [typeOf(received), bodyOf(received)]
  if (type !== 'Q' && type !== 'P') return null
  return textAt(body, type === 'P' ? textAt(body, 0).next : 0).text
}

/** Names and values of a startup packet: user, database, options. */
export function parametersOf(packet) {
  const words = packet.toString('utf8', 2 * LENGTH_BYTES).split('\0')
  return Object.fromEntries(Array.from({ length: words.length >> 1 }, (_, i) => [words[2 * i], words[2 * i + 1]]))
}

export const zeroEnded = (text) => Buffer.from(`${text}\0`, 'utf8')

export function int32(number) {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(number)
  return bytes
}

/** A message of a type, whose body is made of parts. */
export function message(type, ...parts) {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(body.length + LENGTH_BYTES), body])
}

// What clients send.
export const query = (sql) => message('Q', zeroEnded(sql))
export const closeStatement = (name) => message('C', Buffer.from('S'), zeroEnded(name))
export const SYNC = message('S')

// What the server answers.
export const commandComplete = (tag) => message('C', zeroEnded(tag))
export const parameterStatus = (name, value) => message('S', zeroEnded(name), zeroEnded(value))
export const readyForQuery = (status) => message('Z', Buffer.from(status, 'latin1'))
export const copyInResponse = (isBinary) => message('G', Buffer.from([isBinary ? 1 : 0, 0, 0]))
export const authenticationOk = () => message('R', int32(0))
export const backendKey = (id) => message('K', int32(id), int32(0))

export function errorResponse(code, text) {
  const fields = { S: 'ERROR', V: 'ERROR', C: code, M: text }
  return message('E', ...Object.entries(fields).map(([field, value]) => zeroEnded(field + value)), Buffer.from([0]))
}

/** The messages of a buffer that holds nothing but whole messages. */
export function* messagesOf(bytes) {
  for (let start = 0; start < bytes.length; ) {
    const end = start + TYPE_BYTE + bytes.readInt32BE(start + TYPE_BYTE)
    yield bytes.subarray(start, end)
    start = end
  }
}

/** Cuts what a socket receives into messages, however the network has cut it. */
export class MessageReader {
  #chunks
  #bytes = Buffer.alloc(0)

  constructor(socket) {
    this.#chunks = socket[Symbol.asyncIterator]()
  }

  /** The next packet of the startup, which has no type byte; null when the client has gone. */
  startupPacket() {
    return this.#read(0)
  }

  /** The next message; null when the client has gone. */
  message() {
    return this.#read(TYPE_BYTE)
  }

  async #read(lengthAt) {
    if (!(await this.#fill(lengthAt + LENGTH_BYTES))) return null
    const size = lengthAt + this.#bytes.readInt32BE(lengthAt)
    if (!(await this.#fill(size))) return null
    const found = this.#bytes.subarray(0, size)
    this.#bytes = this.#bytes.subarray(size)
    return found
  }

  /** Joins the chunks only once enough of them are there: a message can have megabytes. */
  async #fill(size) {
    const chunks = [this.#bytes]
    let length = this.#bytes.length
    while (length < size) {
      const { value, done } = await this.#chunks.next()
      if (done) return false
      chunks.push(value)
      length += value.length
    }
    if (chunks.length > 1) this.#bytes = Buffer.concat(chunks, length)
    return true
  }
}
