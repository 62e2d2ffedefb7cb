// Prepared statements and portals of one connection, under names that no other connection on the backend uses.

import { closeStatement, message, textAt, typeOf, bodyOf, zeroEnded } from './wire.mjs'

const DEALLOCATE = /^\s*deallocate\s+(?:prepare\s+)?(?:(all)|"([^"]+)"|(\w+))\s*;?\s*$/i

export class Names {
  #prefix
  #statements = new Set()
  #portals = new Set()

  constructor(connectionId) {
    this.#prefix = `c${connectionId}_`
  }

  /** The message with the backend's names in the place of the connection's. */
  translate(original) {
    const body = bodyOf(original)
    switch (typeOf(original)) {
      case 'P':
        return this.#parse(body)
      case 'B':
        return this.#bind(body)
      case 'E':
        return this.#withName('E', body, 0, (name) => this.#portal(name))
      case 'D':
      case 'C':
        return this.#withName(typeOf(original), body, 1, (name) => (body[0] === 'S'.charCodeAt(0) ? this.#statement(name) : this.#portal(name)))
      default:
        return original
    }
  }

  /** For `DEALLOCATE`, whose names are in SQL: messages that close the statements. Null for any other SQL. */
  deallocation(sql) {
    const found = DEALLOCATE.exec(sql)
    if (!found) return null
    const [, all, quoted, plain] = found
    return { tag: all ? 'DEALLOCATE ALL' : 'DEALLOCATE', messages: all ? this.closing() : [closeStatement(this.#statement(quoted ?? plain))] }
  }

  /** Messages that close all statements of the connection. */
  closing() {
    const messages = [...this.#statements].map(closeStatement)
    this.#statements.clear()
    return messages
  }

  #parse(body) {
    return this.#withName('P', body, 0, (name) => {
      const ours = this.#statement(name)
      if (name) this.#statements.add(ours)
      return ours
    })
  }

  #bind(body) {
    const portal = textAt(body, 0)
    const statement = textAt(body, portal.next)
    if (portal.text) this.#portals.add(portal.text)
    return message('B', zeroEnded(this.#portal(portal.text)), zeroEnded(this.#statement(statement.text)), body.subarray(statement.next))
  }

  #withName(type, body, start, rename) {
    const { text, next } = textAt(body, start)
    return message(type, body.subarray(0, start), zeroEnded(rename(text)), body.subarray(next))
  }

  // The unnamed ones live for one exchange only, in which nobody else has the turn.
  #statement(name) {
    return name && this.#prefix + name
  }

  // A portal can also be a cursor of SQL, whose name the backend knows as it is.
  #portal(name) {
    return this.#portals.has(name) ? this.#prefix + name : name
  }
}
